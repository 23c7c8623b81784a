//! A login in two steps, for programs that pass its address on to a person: one process begins it, another one
//! completes it.

use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;
use vault_auth::pending::BegunLogin;

use super::LoginArguments;
use super::provider::{self, Patience, Provider};
use super::signed_in::SignedInReport;
use crate::error::{CommandError, Kind};
use crate::report::Report;
use crate::session_access::{SessionAccess, unix_time};
use crate::time::date;
use crate::ui::CtrlC;

/// What to do next, and by when.
#[derive(Debug, Serialize)]
pub(crate) struct BegunReport {
    id: String,
    verification_uri: String,
    verification_uri_complete: Option<String>,
    user_code: String,
    expires_at: String,
    interval: u64,
    /// The command that completes the login.
    complete: String,
}

impl Report for BegunReport {
    fn write_data(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        let address = self.verification_uri_complete.as_ref().unwrap_or(&self.verification_uri);
        writeln!(out, "Open:         {address}")?;
        writeln!(out, "Code:         {}", self.user_code)?;
        writeln!(out, "Until:        {}", self.expires_at)?;
        writeln!(out, "Then run:     {}", self.complete)
    }
}

/// Asks for a code and keeps it for the process that completes the login.
pub(super) fn begin(access: &SessionAccess<'_>, args: &LoginArguments) -> Result<BegunReport, CommandError> {
    let (provider, begun) = provider::begin(access, &args.target)?;
    let id = begun.save(&provider.file, unix_time(access.ctx)).map_err(|error| access.failed(error))?;
    let pending = begun.pending;
    Ok(BegunReport {
        complete: complete_command(&id),
        id,
        verification_uri: pending.verification.to_string(),
        verification_uri_complete: pending.verification_complete.as_ref().map(ToString::to_string),
        user_code: pending.user_code.to_string(),
        expires_at: date(u64::try_from(pending.expires_at).unwrap_or_default()),
        interval: pending.interval,
    })
}

/// Waits for the approval of a login that was begun, for a bounded time: who runs it may run it again.
pub(super) fn complete(
    access: &SessionAccess<'_>,
    args: &LoginArguments,
    id: &str,
) -> Result<SignedInReport, CommandError> {
    let ctx = access.ctx;
    ctx.check_network("to sign in")?;
    let missing = || {
        CommandError::new(Kind::NoSuchLogin, "no login of that id waits for its approval")
            .hint("`keyward auth login --begin` starts one; its code is good for some minutes")
    };
    let file = access.open()?.ok_or_else(missing)?;
    let found = BegunLogin::load(&file, id).map_err(|error| access.failed(error))?;
    let begun = found.ok_or_else(missing)?;
    let provider = Provider::of(access, file, &begun)?;
    let command = complete_command(id);
    let limit = Some(ctx.timeout().unwrap_or(USUAL_LIMIT));
    let patience = Patience { limit, later: Some(&command), person: args.person() };
    let outcome = provider.complete(access, begun, patience, &CtrlC::noted()?);
    // A code is good for one answer. Where nobody answered, or the server could not be asked, it still is.
    let is_over = outcome.as_ref().err().is_none_or(|error| !is_open(error.kind));
    if is_over && let Err(error) = BegunLogin::remove(&provider.file, id) {
        ctx.ui.warn(&format!("the request of the login is still in the file: {error}"));
    }
    outcome
}

const fn is_open(kind: Kind) -> bool {
    matches!(kind, Kind::Interrupted | Kind::Network | Kind::NotApproved)
}

fn complete_command(id: &str) -> String {
    format!("keyward auth login --complete {id}")
}

/// How long an approval is waited for.
const USUAL_LIMIT: Duration = Duration::from_secs(300);
