//! Which sockets a command opens, by strace(1): a report of every call that reaches, or could reach, beyond
//! the process and the bus of the user's own session.

use std::process::Command;

use crate::trace;
pub use crate::trace::Traced;

/// Watches every call on sockets, and the one that opens sockets without such calls. What is sent is not shown.
pub const STRACE: &[&str] =
    &["strace", "-f", "-qq", "-s", "0", "-e", "trace=%network,io_uring_setup", "-e", "signal=none"];

/// Runs a command under strace.
#[track_caller]
pub fn traced(command: &Command, input: &[u8]) -> Traced {
    trace::traced(STRACE, command, input)
}

/// Returns the calls that break the promise of the air gap: a socket of another family than AF_UNIX, or one
/// that goes elsewhere than to the bus at `bus`, an address as in `DBUS_SESSION_BUS_ADDRESS`.
pub fn beyond<'t>(calls: &'t str, bus: &str) -> Vec<&'t str> {
    let allowed = socket_name(bus);
    calls.lines().filter(|call| !is_local(call) || !stays_on(call, &allowed)).collect()
}

/// Only AF_UNIX, whatever is done with it.
fn is_local(call: &str) -> bool {
    let after = |what| call.split(what).skip(1);
    let families = after("sa_family=").chain(after(" socket(")).chain(after(" socketpair("));
    families.into_iter().all(|family| family.starts_with("AF_UNIX")) && !call.contains("io_uring_setup(")
}

/// A call that names a socket names the bus; answers of the system name what was connected before.
fn stays_on(call: &str, allowed: &str) -> bool {
    call.split("sun_path=").skip(1).all(|name| name.starts_with(allowed))
}

/// Returns how strace shows the socket of a bus's address.
fn socket_name(bus: &str) -> String {
    let field =
        |field: &str| bus.split([':', ',']).find_map(|part| part.strip_prefix(field)).map(str::to_owned);
    match (field("path="), field("abstract=")) {
        (Some(path), _) => format!("\"{path}\"}}"),
        (None, Some(name)) => format!("@\"{name}\"}}"),
        (None, None) => panic!("no address of a local bus: {bus}"),
    }
}
