//! The errors of logins, sessions and servers as a person and a program see them.

use std::error::Error;
use std::path::Path;

use vault_auth::credential::{CredentialError, CredentialOrigin};
use vault_auth::device::{DeviceError, PollError};
use vault_auth::grant::GrantError;
use vault_auth::id_token::IdTokenError;
use vault_auth::lock::LockError;
use vault_auth::login::LoginError;
use vault_auth::metadata::MetadataError;
use vault_auth::profile::ProfileError;
use vault_auth::refresh::RefreshError;
use vault_auth::selection::SelectionError;
use vault_auth::session_file::SessionFileError;
use vault_auth::stored_session::RecordError;
use vault_auth::token_store::StoreFailure;
use vault_core::format::FormatError;
use vault_core::store::StoreError;
use vault_core::vault::commit::CommitError;
use vault_core::vault::unlock::UnlockError;

use super::{
    CommandError, Kind, NEWER_HINT, bad_file, commit_failed, format_kind, not_unlocked, store_failed,
    unlock_hint,
};

/// What to do where nobody is signed in.
pub(crate) const LOGIN_HINT: &str = "`keyward auth login` signs in; for scripts, set `KEYWARD_API_KEY`";

/// Makes the error of a command that needs a login where there is none.
pub(crate) fn not_signed_in(message: impl Into<String>) -> CommandError {
    CommandError::new(Kind::NotSignedIn, message).hint(LOGIN_HINT)
}

/// Makes the error of a file of sessions that could not be read or written. It is never that nobody is signed in.
pub(crate) fn session_file_failed(path: &Path, error: SessionFileError) -> CommandError {
    match error {
        SessionFileError::Commit(CommitError::Store(error)) | SessionFileError::Store(error) => {
            session_store_failed(&error)
        }
        SessionFileError::Commit(CommitError::Format(error))
        | SessionFileError::Format(error)
        | SessionFileError::Unlock(UnlockError::Format(error)) => bad_session_file(path, &error),
        SessionFileError::Commit(error) => commit_failed(path, error),
        SessionFileError::Unlock(error) => not_unlocked(path, "the file of sessions", error, unlock_hint),
        SessionFileError::Lock(error) => lock_failed(&error),
        SessionFileError::Record { record, source } => {
            let failed = |kind| {
                let message = format!("cannot read the record {record} of {}", path.display());
                CommandError::new(kind, message).caused_by(&source)
            };
            match source {
                RecordError::Newer(_) => failed(Kind::Newer).hint(NEWER_HINT),
                _ => failed(Kind::Damaged).hint(MOVE_AWAY),
            }
        }
        error => CommandError::new(Kind::Failed, error.to_string()).caused_by_sources_of(&error),
    }
}

fn session_store_failed(error: &StoreError) -> CommandError {
    let failed = store_failed(error);
    match error {
        StoreError::NotAFile { .. } | StoreError::TooLarge { .. } => failed.hint(MOVE_AWAY),
        StoreError::NoLocks { .. } => {
            failed.hint("`KEYWARD_HOME` names a directory on a file system that has locks")
        }
        StoreError::Io { .. } => failed.hint("`keyward auth doctor` says more"),
        _ => failed,
    }
}

fn bad_session_file(path: &Path, error: &FormatError) -> CommandError {
    match format_kind(error) {
        Kind::Newer | Kind::Failed => bad_file(path, error),
        _ => bad_file(path, error).hint(MOVE_AWAY),
    }
}

const MOVE_AWAY: &str =
    "all that it has can be had again: move it to another place, then `keyward auth login`";

/// Makes the error of a turn that did not come.
pub(crate) fn lock_failed(error: &LockError) -> CommandError {
    let failed = |kind| CommandError::new(kind, error.to_string()).caused_by_sources_of(error);
    match error {
        LockError::Busy { .. } => failed(Kind::Busy).hint("run the command again when that process is done"),
        LockError::Store(error) => session_store_failed(error),
        _ => failed(Kind::Failed).hint("`KEYWARD_HOME` names a directory on a file system that has locks"),
    }
}

/// Makes the error of a store of sessions.
pub(crate) fn store_failure(path: &Path, failure: StoreFailure) -> CommandError {
    match failure {
        StoreFailure::File(error) => session_file_failed(path, error),
        StoreFailure::Lock(error) => lock_failed(&error),
        other => CommandError::new(Kind::Failed, other.to_string()).caused_by_sources_of(&other),
    }
}

/// Makes the error of a server that gave nothing.
pub(crate) fn grant_failed(error: &GrantError) -> CommandError {
    let failed = |kind| CommandError::new(kind, error.to_string()).caused_by_sources_of(error);
    match error {
        GrantError::Refused { .. } => failed(Kind::Configuration)
            .hint("`--client-id`, `--scope` and `--audience` have to be what the provider expects"),
        GrantError::Rejected { .. } => failed(Kind::Rejected).hint(LOGIN_HINT),
        GrantError::Forbidden { .. } => {
            failed(Kind::Refused).hint("whoever runs the server can allow it, or give another role")
        }
        GrantError::Unusable { .. } => {
            failed(Kind::Configuration).hint("the answer is not what RFC 6749 says; ask who runs the server")
        }
        GrantError::Unavailable { .. } => failed(Kind::Network).hint("run the command again later"),
        GrantError::NoAnswer { .. } => {
            failed(Kind::Network).hint("a proxy may stand in between; `keyward auth doctor` says more")
        }
        _ => failed(Kind::Network).hint("`keyward auth doctor` says what can't be reached"),
    }
}

/// Makes the error of a server that was asked in the name of whoever is signed in.
pub(crate) fn asking_failed(error: &GrantError, origin: CredentialOrigin) -> CommandError {
    let GrantError::Rejected { host, .. } = error else { return grant_failed(error) };
    let rejected =
        |credential: &str| CommandError::new(Kind::Rejected, format!("{host} does not accept {credential}"));
    match origin {
        CredentialOrigin::Stored => rejected("the stored login").hint(LOGIN_HINT),
        given => rejected(&format!("the credential of {}", given.name()))
            .hint("correct it, or leave it out: then the stored login is used"),
    }
}

/// Makes the error of a question that only a backend could answer, where there is none.
pub(crate) fn no_backend(origin: CredentialOrigin) -> CommandError {
    CommandError::new(Kind::Configuration, "no backend to ask is known").hint(match origin {
        CredentialOrigin::Stored => "`keyward auth login --base-url URL`: a login is for one backend",
        _ => "`--base-url URL` or `KEYWARD_BASE_URL` names it",
    })
}

/// Makes the error of a session that gave no access token.
pub(crate) fn refresh_failed(path: &Path, error: RefreshError) -> CommandError {
    let failed = |kind, error: &RefreshError| CommandError::new(kind, error.to_string());
    match error {
        RefreshError::Grant(error) => grant_failed(&error),
        RefreshError::Store(error) => store_failure(path, error),
        RefreshError::NotSignedIn => not_signed_in("not signed in"),
        RefreshError::Overtaken => failed(Kind::Conflict, &error).hint("run the command again"),
        RefreshError::LifeTooShort { .. } => {
            failed(Kind::Usage, &error).hint("`--min-ttl` has to be less than that")
        }
        RefreshError::CutOff(_) => failed(Kind::SessionEnded, &error).hint(
            "its token is good for a while: ask for less time, then sign in again: `keyward auth login`",
        ),
        RefreshError::DeviceMismatch { .. } => failed(Kind::OtherDevice, &error)
            .hint("to use its token would end the session there; sign in here: `keyward auth login`"),
        _ => failed(Kind::SessionEnded, &error).hint("sign in again: `keyward auth login`"),
    }
}

/// Makes the error of an issuer that does not say what it is.
pub(crate) fn metadata_failed(error: &MetadataError) -> CommandError {
    let failed = |kind| CommandError::new(kind, error.to_string()).caused_by_sources_of(error);
    match error {
        MetadataError::Server(error) => grant_failed(error),
        MetadataError::NotFound { source, .. } if !is_final(source) => {
            failed(Kind::Network).hint("`keyward auth doctor` says more")
        }
        MetadataError::NotFound { .. } => failed(Kind::Configuration)
            .hint("`--issuer` is the provider's own address; without discovery, give `--token-endpoint` and `--device-endpoint`"),
        MetadataError::Template { .. } => {
            failed(Kind::Configuration).hint("put the tenant's own id in its place: `--issuer https://HOST/TENANT-ID/v2.0`")
        }
        MetadataError::Missing { .. } => failed(Kind::Configuration)
            .hint("the provider has no device login; `keyward auth login --with-api-key` needs none"),
        _ => failed(Kind::Configuration).hint("`--issuer` has to be exactly what the provider calls itself"),
    }
}

/// A server that answers 404 has nothing there; one that can't be reached may have.
fn is_final(error: &GrantError) -> bool {
    matches!(error, GrantError::NoAnswer { .. } | GrantError::Refused { .. })
}

/// Makes the error of a login that did not start.
pub(crate) fn device_failed(error: &DeviceError) -> CommandError {
    let failed = |kind| CommandError::new(kind, error.to_string()).caused_by_sources_of(error);
    match error {
        DeviceError::Server(error) => grant_failed(error),
        DeviceError::Stored => failed(Kind::Damaged).hint("`keyward auth login --begin` starts another one"),
        _ => failed(Kind::Configuration).hint("nobody should open it; ask who runs the server"),
    }
}

/// Makes the error of a login that nobody approved; `again` completes it later, where anything does.
pub(crate) fn poll_failed(error: &PollError, again: Option<&str>) -> CommandError {
    let failed = |kind| CommandError::new(kind, error.to_string()).caused_by_sources_of(error);
    match error {
        PollError::Cancelled => CommandError::interrupted(),
        PollError::Server(error) => grant_failed(error),
        PollError::TimedOut { .. } => match again {
            Some(again) => failed(Kind::NotApproved).hint(format!("the code is still good: `{again}`")),
            None => failed(Kind::NotApproved).hint(LOGIN_AGAIN),
        },
        _ => failed(Kind::NotSignedIn).hint(LOGIN_AGAIN),
    }
}

const LOGIN_AGAIN: &str = "`keyward auth login` starts another login";

/// Makes the error of an ID token that is not believed.
pub(crate) fn id_token_failed(error: &IdTokenError) -> CommandError {
    let failed = CommandError::new(Kind::Configuration, error.to_string());
    match error {
        IdTokenError::Expired { .. } | IdTokenError::NotYetValid { .. } => {
            failed.hint("`keyward auth doctor` compares the clocks")
        }
        _ => failed.hint("do not sign in there until whoever runs the provider can say why"),
    }
}

/// Makes the error of a login that is not stored, because of who is signed in already.
pub(crate) fn login_refused(error: &LoginError) -> CommandError {
    CommandError::new(Kind::Refused, error.to_string())
        .hint("`keyward auth login --force` takes the new login; `--tenant T` or `--client-id ID` keeps both")
}

/// Makes the error of a backend that was asked about a credential that is not stored yet.
pub(crate) fn verification_failed(error: &GrantError, what: &str) -> CommandError {
    match error {
        GrantError::Rejected { host, .. } => CommandError::new(
            Kind::Rejected,
            format!("{host} does not accept the {what}; nothing was stored"),
        )
        .hint("give the whole of it, and the backend that it is for: `--base-url URL`"),
        error => grant_failed(error).because("nothing was stored"),
    }
}

/// Makes the error of profiles that were not changed.
pub(crate) fn profile_failed(path: &Path, error: ProfileError) -> CommandError {
    match error {
        ProfileError::File(error) => session_file_failed(path, error),
        ProfileError::Exists(_) => {
            CommandError::new(Kind::Exists, error.to_string()).hint("choose another name")
        }
        ProfileError::NoSuchProfile(_) => {
            CommandError::new(Kind::NoSuchProfile, error.to_string()).hint(PROFILES_HINT)
        }
        other => CommandError::usage(other.to_string()).hint(PROFILES_HINT),
    }
}

/// Makes the error of a command that does not say which session it means.
pub(crate) fn selection_failed(error: &SelectionError) -> CommandError {
    let failed = |kind| CommandError::new(kind, error.to_string()).caused_by_sources_of(error);
    match error {
        SelectionError::NoSuchProfile { .. } => failed(Kind::NoSuchProfile).hint(PROFILES_HINT),
        SelectionError::NoneActive { .. } => {
            failed(Kind::Usage).hint("`--profile NAME` names one; `keyward auth switch NAME` makes it active")
        }
        _ => failed(Kind::Usage).hint("addresses are https, or http on this machine"),
    }
}

const PROFILES_HINT: &str = "`keyward auth profiles list` shows the profiles";

/// Makes the error of a command without a credential; `stored` makes that of a credential that can't be read.
pub(crate) fn credential_failed<E: Error + 'static>(
    error: CredentialError<E>,
    stored: impl FnOnce(E) -> CommandError,
) -> CommandError {
    match error {
        CredentialError::Stored(error) => stored(error),
        CredentialError::NotAuthenticated => not_signed_in("not signed in"),
        other => CommandError::new(Kind::Rejected, other.to_string())
            .caused_by_sources_of(&other)
            .hint("give the whole key; `--api-key @FILE` and `--api-key -` read it from a file or stdin"),
    }
}
