//! The keyring of the operating system, through the crate `keyring`; on Linux it is a Secret Service on
//! D-Bus. Its errors end here: two of them carry an entry's raw bytes and show them with `Debug`.

use std::error::Error as StdError;
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::iter;
use std::sync::Arc;

use ::keyring::Error;
use zeroize::Zeroizing;

use super::{Entry, KeyringError};
use crate::secret::SecretString;

/// An entry of the system's keyring.
pub(super) struct SystemEntry(::keyring::Entry);

/// Opens the entry of `user`. The first call of the process connects to the keyring; how that went holds
/// for all later calls.
pub(super) fn open(user: &str) -> Result<SystemEntry, KeyringError> {
    check_bus(bus_address())?;
    if let Err(error) = ::keyring::Entry::store_status() {
        return Err(explain_store(error));
    }
    ::keyring::Entry::new(SERVICE, user).map(SystemEntry).map_err(explain)
}

/// Returns the address that the library behind the keyring is going to use.
#[allow(clippy::disallowed_methods, reason = "that library asks the environment itself")]
fn bus_address() -> Option<OsString> {
    std::env::var_os("DBUS_SESSION_BUS_ADDRESS")
}

/// Refuses an address behind which there is more than a socket of this machine. One of no transport that is
/// known here, such as `disabled:`, is that of no bus. Without an address, and for one that is no text, the
/// socket has a fixed path.
fn check_bus(address: Option<OsString>) -> Result<(), KeyringError> {
    let Some(address) = address.and_then(|address| address.into_string().ok()) else { return Ok(()) };
    let mut each = address.split(';');
    if each.clone().any(|one| NOT_LOCAL.iter().any(|transport| one.starts_with(transport))) {
        return Err(KeyringError::NotLocal);
    }
    if each.all(|one| one.starts_with("unix:")) { Ok(()) } else { Err(KeyringError::Absent) }
}

impl Entry for SystemEntry {
    fn write(&self, text: &str) -> Result<(), KeyringError> {
        self.0.set_password(text).map_err(explain)
    }

    fn read(&self) -> Result<SecretString, KeyringError> {
        self.0.get_password().map(SecretString::new).map_err(explain)
    }

    fn delete(&self) -> Result<(), KeyringError> {
        self.0.delete_credential().map_err(explain)
    }
}

/// Says why there is no connection to a keyring. Only here a service counts as absent: one that answered
/// before and is gone now may come back.
fn explain_store(error: &Error) -> KeyringError {
    match error {
        // The crate knows no keyring for this kind of system.
        Error::Invalid(..) => KeyringError::Absent,
        Error::PlatformFailure(cause) | Error::NoStorageAccess(cause) => {
            if chain(cause.as_ref()).any(means_absent) {
                KeyringError::Absent
            } else {
                explain_platform(cause.as_ref())
            }
        }
        _ => unexpected(),
    }
}

/// Says why an entry can't be used, and wipes what of the entry the error has.
fn explain(error: Error) -> KeyringError {
    match error {
        Error::Ambiguous(_) => KeyringError::Ambiguous,
        Error::BadDataFormat(raw, _) | Error::BadEncoding(raw) => {
            drop(Zeroizing::new(raw));
            KeyringError::Malformed
        }
        Error::NoEntry => KeyringError::NoEntry,
        Error::NoStorageAccess(cause) if chain(cause.as_ref()).any(means_no_collection) => {
            KeyringError::NoCollection
        }
        Error::NoStorageAccess(_) => KeyringError::Locked,
        Error::PlatformFailure(cause) => explain_platform(cause.as_ref()),
        _ => unexpected(),
    }
}

fn explain_platform(cause: &(dyn StdError + 'static)) -> KeyringError {
    if chain(cause).any(means_locked) {
        return KeyringError::Locked;
    }
    KeyringError::Failed(plain(&cause.to_string()))
}

fn unexpected() -> KeyringError {
    KeyringError::Failed("an error of a kind that it should not have".into())
}

/// The error and the errors behind it.
fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    iter::successors(Some(error), |error| StdError::source(*error))
}

/// Nobody listens at the bus's address, there is no address, or the bus knows nobody who keeps secrets.
fn means_absent(error: &(dyn StdError + 'static)) -> bool {
    let nobody =
        |error: &io::Error| matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound);
    let text = error.to_string();
    error.downcast_ref::<Arc<io::Error>>().is_some_and(|error| nobody(error))
        || error.downcast_ref::<io::Error>().is_some_and(nobody)
        || text.starts_with(SERVICE_UNKNOWN)
        || text == UNAVAILABLE
}

fn means_locked(error: &(dyn StdError + 'static)) -> bool {
    let text = error.to_string();
    text.starts_with(IS_LOCKED) || text == LOCKED || text == PROMPT_DISMISSED
}

fn means_no_collection(error: &(dyn StdError + 'static)) -> bool {
    error.to_string() == NO_RESULT
}

/// Makes the keyring's own text fit for a message: one line, short, and without a key, should a service
/// ever repeat one.
fn plain(text: &str) -> String {
    if text.contains("kwk1_") {
        return "its message can't be shown".into();
    }
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_TEXT).collect()
}

/// The transports that go over a network or start a program (D-Bus specification, "Server Addresses"; `ibus`
/// is known to zbus alone).
const NOT_LOCAL: [&str; 5] = ["ibus:", "nonce-tcp:", "tcp:", "unixexec:", "vsock:"];
const SERVICE: &str = "keyward";
const MAX_TEXT: usize = 200;
/// The D-Bus error for a name that nobody has and nobody can be started for (D-Bus specification,
/// "Message Bus Starting Services").
const SERVICE_UNKNOWN: &str = "org.freedesktop.DBus.Error.ServiceUnknown";
/// The error of a locked collection (Secret Service API, "Errors").
const IS_LOCKED: &str = "org.freedesktop.Secret.Error.IsLocked";
/// What `secret_service::Error` says. Its type is not a dependency here, so that its texts are compared.
/// `tests/keyring_real.rs` would notice new ones where a real service leads to them; the two about locks
/// only refine what is a failure anyway.
const NO_RESULT: &str = "SS error: result not returned from SS API";
const UNAVAILABLE: &str = "no secret service provider or dbus session found";
const LOCKED: &str = "SS Error: object locked";
const PROMPT_DISMISSED: &str = "SS error: prompt dismissed";

#[cfg(test)]
mod tests {
    use super::*;

    /// An error as the stores make them: a text, and perhaps one behind it.
    #[derive(Debug)]
    struct Cause(&'static str, Option<Arc<io::Error>>);

    impl std::fmt::Display for Cause {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(self.0)
        }
    }

    impl StdError for Cause {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            self.1.as_ref().map(|error| error as &(dyn StdError + 'static))
        }
    }

    fn platform(text: &'static str) -> Error {
        Error::PlatformFailure(Box::new(Cause(text, None)))
    }

    fn connect_failure(kind: ErrorKind) -> Error {
        Error::PlatformFailure(Box::new(Cause("failed to connect", Some(Arc::new(kind.into())))))
    }

    fn no_access(text: &'static str) -> Error {
        Error::NoStorageAccess(Box::new(Cause(text, None)))
    }

    fn checked(address: &str) -> Result<(), KeyringError> {
        check_bus(Some(address.into()))
    }

    #[test]
    fn only_sockets_of_this_machine_are_asked() {
        for local in ["unix:path=/run/user/1000/bus", "unix:abstract=/x,guid=1", "unix:path=/a;unix:path=/b"]
        {
            assert_eq!(checked(local), Ok(()), "{local}");
        }
        assert_eq!(check_bus(None), Ok(()));
    }

    #[test]
    fn networks_and_programs_are_refused() {
        for other in [
            "tcp:host=127.0.0.1,port=1",
            "nonce-tcp:host=h,port=1,noncefile=/n",
            "unixexec:path=/bin/true",
            "ibus:",
            "vsock:cid=2,port=1",
            "unix:path=/a;tcp:host=h,port=1",
            "disabled:;tcp:host=h,port=1",
        ] {
            assert_eq!(checked(other), Err(KeyringError::NotLocal), "{other}");
        }
    }

    #[test]
    fn an_address_of_no_bus_is_absence() {
        for none in
            ["disabled:", "autolaunch:", "", "x", "TCP:host=h", " tcp:host=h", "unix:path=/a;", "unix"]
        {
            assert_eq!(checked(none), Err(KeyringError::Absent), "{none}");
        }
    }

    #[test]
    fn no_bus_and_a_dead_address_are_absence() {
        for kind in [ErrorKind::NotFound, ErrorKind::ConnectionRefused] {
            assert_eq!(explain_store(&connect_failure(kind)), KeyringError::Absent);
        }
    }

    #[test]
    fn a_bus_without_a_secret_service_is_absence() {
        let unknown = "org.freedesktop.DBus.Error.ServiceUnknown: The name is not activatable";
        for text in [unknown, UNAVAILABLE] {
            assert_eq!(explain_store(&platform(text)), KeyringError::Absent);
        }
    }

    #[test]
    fn a_bus_in_a_bad_mood_is_not_absence() {
        for error in [
            connect_failure(ErrorKind::PermissionDenied),
            connect_failure(ErrorKind::ConnectionReset),
            platform("org.freedesktop.DBus.Error.NoReply: timed out"),
            platform("org.freedesktop.DBus.Error.Spawn.ChildExited: exit 1"),
            platform("failed: org.freedesktop.DBus.Error.ServiceUnknown is quoted"),
        ] {
            assert!(matches!(explain_store(&error), KeyringError::Failed(_)), "{error}");
        }
    }

    #[test]
    fn a_service_that_vanishes_later_is_not_absent() {
        let gone = "org.freedesktop.DBus.Error.ServiceUnknown: gone";
        assert!(matches!(explain(platform(gone)), KeyringError::Failed(_)));
        assert!(matches!(explain(connect_failure(ErrorKind::NotFound)), KeyringError::Failed(_)));
    }

    #[test]
    fn a_locked_keyring_is_told_from_one_that_was_never_made() {
        assert_eq!(explain(no_access(PROMPT_DISMISSED)), KeyringError::Locked);
        assert_eq!(explain(no_access("anything else")), KeyringError::Locked);
        assert_eq!(explain(no_access(NO_RESULT)), KeyringError::NoCollection);
    }

    #[test]
    fn a_lock_reported_as_a_failure_is_a_lock() {
        for text in [LOCKED, PROMPT_DISMISSED, "org.freedesktop.Secret.Error.IsLocked: no"] {
            assert_eq!(explain(platform(text)), KeyringError::Locked);
        }
    }

    #[test]
    fn errors_that_carry_an_entry_do_not_pass_it_on() {
        let raw = || b"canary".to_vec();
        let cause = || Box::new(Cause("canary", None));
        for error in [Error::BadEncoding(raw()), Error::BadDataFormat(raw(), cause())] {
            assert_eq!(explain(error), KeyringError::Malformed);
        }
        for error in
            [Error::BadStoreFormat("canary".into()), Error::Invalid("canary".into(), "canary".into())]
        {
            let explained = explain(error);
            assert!(!format!("{explained} {explained:?}").contains("canary"));
        }
    }

    #[test]
    fn a_system_without_keyrings_has_none_and_one_without_an_entry_has_no_key() {
        let unknown = Error::Invalid("store".to_owned(), "none for this system".to_owned());
        assert_eq!(explain_store(&unknown), KeyringError::Absent);
        assert_eq!(explain(Error::NoEntry), KeyringError::NoEntry);
    }

    #[test]
    fn two_entries_of_one_name_are_ambiguous() {
        assert_eq!(explain(Error::Ambiguous(Vec::new())), KeyringError::Ambiguous);
    }

    #[test]
    fn a_text_of_the_keyring_is_one_short_line_without_a_key() {
        assert_eq!(plain("a\nb\u{1b}[31m"), "a b [31m");
        assert_eq!(plain(&"x".repeat(1000)).len(), MAX_TEXT);
        assert!(!plain("refused: kwk1_canary").contains("canary"));
    }
}
