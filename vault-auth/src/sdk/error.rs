//! Why a request is not authorized, in types: what a program does about each is another thing.

use std::error::Error;
use std::time::Duration;

use vault_core::format::FormatError;
use vault_core::store::StoreError;
use vault_core::vault::commit::CommitError;
use vault_core::vault::draft::ChangeError;
use vault_core::vault::unlock::UnlockError;

use crate::address::AddressError;
use crate::api_key::ApiKeyError;
use crate::grant::GrantError;
use crate::http::SettingsError;
use crate::lock::LockError;
use crate::refresh::RefreshError;
use crate::session_file::SessionFileError;
use crate::stored_session::RecordError;
use crate::token_store::StoreFailure;

/// What led to an error. The text has no secret in it.
type Cause = Box<dyn Error + Send + Sync>;

/// Why a request is not authorized, or did not come about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// Somebody else has what is needed, for now.
    #[error("somebody else is at the session")]
    Busy(#[source] Cause),
    /// The program, or the client's registration, has to be changed.
    #[error("the client is not set up right")]
    Configuration(#[source] Cause),
    /// The credential belongs to another device.
    #[error("the credential belongs to another device")]
    DeviceMismatch(#[source] Option<Cause>),
    /// Something failed that is none of the other things.
    #[error("the session could not be used")]
    Failed(#[source] Cause),
    /// The credential may not do this.
    #[error("the credential may not do this{}", missing(missing_scopes))]
    Forbidden {
        /// The scopes that it lacks, where the server says so.
        missing_scopes: Vec<String>,
    },
    /// What is stored is not as it was written.
    #[error("the stored sessions are damaged")]
    Integrity(#[source] Cause),
    /// The API key is none that the server knows, or none at all.
    #[error("the API key is not valid")]
    InvalidKey(#[source] Option<ApiKeyError>),
    /// The API key's time is over.
    #[error("the API key has expired")]
    KeyExpired,
    /// The API key was revoked.
    #[error("the API key was revoked")]
    KeyRevoked,
    /// No key at hand opens the stored sessions.
    #[error("the stored sessions are locked")]
    Locked(#[source] Cause),
    /// A person has to do this: no API key may, whatever its scopes.
    #[error("a signed-in person has to do this, an API key may not")]
    MarkerRequired,
    /// A newer keyward wrote what is stored.
    #[error("a newer keyward wrote the stored sessions")]
    Newer(#[source] Cause),
    /// Nobody is signed in.
    #[error("not signed in")]
    NotAuthenticated {
        /// What helps.
        hint: &'static str,
    },
    /// New tokens are nowhere but in memory: a later process would use spent ones.
    #[error("the new tokens could not be stored")]
    PersistFailed(#[source] Cause),
    /// The session has ended.
    #[error("a person has to sign in again")]
    ReauthRequired(#[source] Cause),
    /// There is no backend: none was named, and none runs on this machine.
    #[error("no backend: give the client a base URL")]
    SidecarUnavailable,
    /// The network or a server failed.
    #[error("the server could not be asked")]
    Transient {
        /// How long to wait before the next try, where the server said so.
        retry_after: Option<Duration>,
        /// What happened.
        source: Cause,
    },
}

fn missing(scopes: &[String]) -> String {
    if scopes.is_empty() { String::new() } else { format!(", it lacks {}", scopes.join(", ")) }
}

impl AuthError {
    /// Tells whether the same call may succeed later, with nothing changed.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Busy(_) | Self::PersistFailed(_) | Self::SidecarUnavailable | Self::Transient { .. }
        )
    }

    /// Returns the exit code of a command that fails for this reason.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Configuration(_) | Self::Failed(_) | Self::PersistFailed(_) => 1,
            Self::DeviceMismatch(_)
            | Self::InvalidKey(_)
            | Self::KeyExpired
            | Self::KeyRevoked
            | Self::NotAuthenticated { .. }
            | Self::ReauthRequired(_) => 3,
            Self::Locked(_) => 5,
            Self::Integrity(_) => 6,
            Self::Busy(_) => 8,
            Self::SidecarUnavailable | Self::Transient { .. } => 9,
            Self::Forbidden { .. } | Self::MarkerRequired => 10,
            Self::Newer(_) => 12,
        }
    }

    /// Makes the error of a caller who is not signed in.
    pub(crate) const fn not_authenticated() -> Self {
        Self::NotAuthenticated { hint: "`keyward auth login` signs in; for scripts, set `KEYWARD_API_KEY`" }
    }
}

impl From<RefreshError> for AuthError {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::DeviceMismatch { .. } => Self::DeviceMismatch(Some(error.into())),
            RefreshError::Grant(error) => error.into(),
            RefreshError::LifeTooShort { .. } => Self::Configuration(error.into()),
            RefreshError::NotSignedIn => Self::not_authenticated(),
            RefreshError::Overtaken => Self::Busy(error.into()),
            RefreshError::Store(failure) => failure.into(),
            RefreshError::CutOff(_) | RefreshError::NoRefreshToken | RefreshError::ReauthRequired(_) => {
                Self::ReauthRequired(error.into())
            }
        }
    }
}

impl From<GrantError> for AuthError {
    fn from(error: GrantError) -> Self {
        match error {
            GrantError::NoAnswer { retry_after, .. } | GrantError::Unavailable { retry_after, .. } => {
                Self::Transient { retry_after, source: error.into() }
            }
            GrantError::AnswerLost { .. } | GrantError::NotReached { .. } => {
                Self::Transient { retry_after: None, source: error.into() }
            }
            GrantError::Refused { .. } | GrantError::Unusable { .. } => Self::Configuration(error.into()),
            GrantError::Forbidden { .. } => Self::Forbidden { missing_scopes: Vec::new() },
            GrantError::Rejected { .. } => Self::ReauthRequired(error.into()),
        }
    }
}

impl From<StoreFailure> for AuthError {
    fn from(failure: StoreFailure) -> Self {
        match failure {
            StoreFailure::File(error) => error.into(),
            StoreFailure::Lock(error) => error.into(),
            StoreFailure::Other(_) => Self::Failed(failure.into()),
        }
    }
}

impl From<SessionFileError> for AuthError {
    fn from(error: SessionFileError) -> Self {
        match error {
            SessionFileError::Commit(CommitError::Change(ChangeError::Format(error)))
            | SessionFileError::Commit(CommitError::Format(error))
            | SessionFileError::Format(error)
            | SessionFileError::Unlock(UnlockError::Format(error)) => of_format(error),
            SessionFileError::Commit(CommitError::Rekeyed) => Self::Busy(error.into()),
            SessionFileError::Commit(CommitError::Store(error)) | SessionFileError::Store(error) => {
                of_store(error)
            }
            SessionFileError::Lock(error) => error.into(),
            SessionFileError::Record { source: RecordError::Newer(_), .. } => Self::Newer(error.into()),
            SessionFileError::Record { .. } => Self::Integrity(error.into()),
            SessionFileError::Unlock(_) => Self::Locked(error.into()),
            SessionFileError::Commit(_) => Self::Failed(error.into()),
        }
    }
}

impl From<LockError> for AuthError {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Busy { .. } => Self::Busy(error.into()),
            LockError::Store(error) => of_store(error),
        }
    }
}

impl From<ApiKeyError> for AuthError {
    fn from(error: ApiKeyError) -> Self {
        Self::InvalidKey(Some(error))
    }
}

impl From<AddressError> for AuthError {
    fn from(error: AddressError) -> Self {
        Self::Configuration(error.into())
    }
}

impl From<SettingsError> for AuthError {
    fn from(error: SettingsError) -> Self {
        Self::Configuration(error.into())
    }
}

fn of_format(error: FormatError) -> AuthError {
    match error {
        FormatError::Newer { .. } => AuthError::Newer(error.into()),
        FormatError::Read(_) => AuthError::Failed(error.into()),
        _ => AuthError::Integrity(error.into()),
    }
}

fn of_store(error: StoreError) -> AuthError {
    match error {
        StoreError::Busy { .. } | StoreError::Conflict { .. } => AuthError::Busy(error.into()),
        StoreError::Missing { .. } => AuthError::Integrity(error.into()),
        _ => AuthError::Failed(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server_text::ServerText;

    fn of(error: impl Into<AuthError>) -> (u8, bool) {
        let error = error.into();
        (error.exit_code(), error.is_retryable())
    }

    #[test]
    fn es_13_failures_are_types_with_exit_codes() {
        let host = || "auth.example".to_owned();
        let reason = || "reset".to_owned();
        assert_eq!(of(RefreshError::NotSignedIn), (3, false));
        assert_eq!(of(RefreshError::NoRefreshToken), (3, false));
        assert_eq!(of(RefreshError::Overtaken), (8, true));
        assert_eq!(of(GrantError::NotReached { host: host(), reason: reason() }), (9, true));
        assert_eq!(of(GrantError::AnswerLost { host: host(), reason: reason() }), (9, true));
        assert_eq!(of(GrantError::Unavailable { host: host(), status: 503, retry_after: None }), (9, true));
        assert_eq!(of(GrantError::Rejected { host: host(), description: None }), (3, false));
        let code = ServerText::new("invalid_client");
        assert_eq!(of(GrantError::Refused { host: host(), code, description: None }), (1, false));
        assert_eq!(of(ApiKeyError::Mistyped), (3, false));
    }

    #[test]
    fn a_file_that_is_damaged_locked_busy_or_newer_is_never_not_signed_in() {
        let waited = Duration::ZERO;
        let busy = LockError::Busy { path: "/auth.lock".into(), holder: None, waited };
        assert_eq!(of(StoreFailure::Lock(busy)), (8, true));
        let no_locks =
            StoreError::NoLocks { lock: "/auth.lock".into(), source: std::io::ErrorKind::Unsupported.into() };
        assert_eq!(of(LockError::Store(no_locks)), (1, false));
        assert_eq!(of(SessionFileError::Format(FormatError::Foreign)), (6, false));
        let newer = FormatError::Newer { what: "schema", found: 9 };
        assert_eq!(of(SessionFileError::Format(newer)), (12, false));
        let no_key = UnlockError::NoKey { slots: Vec::new(), attempts: Vec::new(), wrong_key: true };
        assert_eq!(of(SessionFileError::Unlock(no_key)), (5, false));
        let record = |source| SessionFileError::Record { record: "session/x".into(), source };
        assert_eq!(of(record(RecordError::Damaged)), (6, false));
        assert_eq!(of(record(RecordError::Newer(2))), (12, false));
    }
}
