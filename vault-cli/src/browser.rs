//! Opening a page in the person's browser. Whether it may be opened is the caller's matter.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use vault_auth::address::Address;

use crate::context::Context;
use crate::environment::is_own;

/// Starts a browser with an address: away from this terminal and its Ctrl-C, and without keyward's own variables.
/// Nobody waits for it. Returns whether one was started; what it shows, nobody knows.
pub(crate) fn open(ctx: &Context, address: &Address) -> bool {
    if ctx.keep_key_from_children().is_err() {
        return false;
    }
    let program = Context::browser().unwrap_or_else(|| USUAL.into());
    let inherited = ctx.inherited_environment().into_iter().filter(|(name, _)| !is_own(name));
    let mut command = Command::new(program);
    command.arg(address.as_str()).env_clear().envs(inherited).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let limits = ctx.original_limits().ok();
    limits.iter().for_each(|limits| drop(limits.restore()));
    let started = command.spawn().is_ok();
    limits.iter().for_each(|limits| drop(limits.relower()));
    started
}

/// The desktop's own way to open an address.
const USUAL: &str = "xdg-open";
