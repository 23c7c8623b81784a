//! What is on this machine: the file of sessions, its locks and its keys, the keyring, and what goes before it all.

use std::time::Duration;

use vault_auth::lock::LockError;
use vault_auth::login::probe;
use vault_auth::session_file::SessionFile;
use vault_auth::token_store::StoreFailure;
use vault_core::source::keyring::{self, KeyringError};

use super::Check;
use crate::error::{CommandError, lock_failed, store_failed, store_failure};
use crate::session_access::SessionAccess;

/// Checks all of it.
pub(super) fn checks(
    access: &SessionAccess<'_>,
    opened: &Result<Option<SessionFile>, CommandError>,
) -> Vec<Check> {
    let mut checks = vec![credentials(access)];
    match opened {
        Err(error) => checks.push(Check::error("sessions", error)),
        Ok(None) => {
            checks.push(Check::ok("sessions", format!("{}: none yet, nobody has signed in", path(access))));
            checks.push(place(access));
        }
        Ok(Some(file)) => {
            checks.push(Check::ok("sessions", format!("{} opens", path(access))));
            checks.push(lock(file));
            checks.extend(writable(access, file));
        }
    }
    checks.push(keyring(access));
    checks
}

fn path(access: &SessionAccess<'_>) -> String {
    access.path().display().to_string()
}

/// Looks for what goes before every stored login.
fn credentials(access: &SessionAccess<'_>) -> Check {
    const NAME: &str = "credentials";
    match access.ctx.overriding_credential() {
        None => Check::ok(NAME, "no flag or variable goes before the stored logins"),
        Some(name) => Check::warning(
            NAME,
            format!("{name} is set: it is used instead of every stored login"),
            "leave it out to use the stored logins",
        ),
    }
}

/// Looks at the directory in which the file would be made.
fn place(access: &SessionAccess<'_>) -> Check {
    const NAME: &str = "writable";
    let store = access.ctx.session_store();
    match store.and_then(|store| store.check_place().map_err(|error| store_failed(&error))) {
        Ok(()) => Check::ok(NAME, "the file can be made"),
        Err(error) => Check::error(NAME, &error),
    }
}

/// Takes a turn: without locks, two processes could use one token.
fn lock(file: &SessionFile) -> Check {
    const NAME: &str = "lock";
    match file.lock_named("profiles", PATIENCE) {
        Ok(_turn) => Check::ok(NAME, "the file system has locks"),
        Err(error @ LockError::Busy { .. }) => busy(NAME, &error),
        Err(error) => Check::error(NAME, &lock_failed(&error)),
    }
}

/// Writes the file as it is, which is what storing new tokens needs.
fn writable(access: &SessionAccess<'_>, file: &SessionFile) -> Option<Check> {
    const NAME: &str = "writable";
    let key = access.select(file).ok()?.session_key();
    Some(match probe(file, &key, PATIENCE) {
        Ok(()) => Check::ok(NAME, "new tokens can be stored"),
        Err(StoreFailure::Lock(error @ LockError::Busy { .. })) => busy(NAME, &error),
        Err(failure) => Check::error(NAME, &store_failure(&access.path(), failure)),
    })
}

fn busy(name: &'static str, error: &LockError) -> Check {
    Check::warning(name, error.to_string(), "run the check again when that process is done")
}

/// Tries the keyring with a throw-away key.
fn keyring(access: &SessionAccess<'_>) -> Check {
    const NAME: &str = "keyring";
    match keyring::probe(access.ctx.keyring_deadline()) {
        Ok(()) => Check::ok(NAME, "it keeps a key and gives it back"),
        Err(error @ (KeyringError::Absent | KeyringError::NotBuilt)) => {
            Check::ok(NAME, format!("{error}: keys come from the environment or this machine"))
        }
        Err(error) => Check::warning(
            NAME,
            error.to_string(),
            "unlock it, or set `KEYWARD_KEY_SOURCE` to the source that is to be used",
        ),
    }
}

/// A turn that somebody else has for longer than this is worth a word.
const PATIENCE: Duration = Duration::from_secs(2);
