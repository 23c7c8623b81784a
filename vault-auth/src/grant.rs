//! Asking a token endpoint: what may come of it. Who asks decides by these words alone whether a token is
//! still good, may be sent again, or needs a person.

use std::fmt::Debug;
use std::time::Duration;

use vault_core::secret::SecretString;

use crate::server_text::ServerText;
use crate::token::TokenSet;

/// What exchanges a refresh token for new tokens.
pub trait TokenEndpoint: Debug + Send + Sync {
    /// Exchanges a refresh token, in one request: whether to ask again is the caller's decision.
    ///
    /// # Errors
    ///
    /// [`GrantError`].
    fn refresh(&self, refresh_token: &SecretString) -> Result<TokenSet, GrantError>;
}

/// Why a token endpoint gave no tokens.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GrantError {
    /// The request may have arrived: the answer is lost. The token may be spent.
    #[error("the answer of {host} was lost: {reason}")]
    AnswerLost {
        /// The server's host, with its port unless that is the usual one.
        host: String,
        /// What happened, in the words of the transport.
        reason: String,
    },
    /// The server accepts the credential, and does not allow this with it (403).
    #[error("{host} accepts the credential, and does not allow this with it")]
    Forbidden {
        /// The server's host, with its port unless that is the usual one.
        host: String,
    },
    /// The server answered something that is no answer of a token endpoint, which may be an intermediary's.
    #[error("{host} answered with {found}")]
    NoAnswer {
        /// The server's host, with its port unless that is the usual one.
        host: String,
        /// What came instead.
        found: ServerText,
        /// How long to wait before asking again, where the server said so.
        retry_after: Option<Duration>,
    },
    /// The request surely did not arrive: no address, no connection, no TLS. It may be sent again.
    #[error("cannot reach {host}: {reason}")]
    NotReached {
        /// The server's host, with its port unless that is the usual one.
        host: String,
        /// What happened, in the words of the transport.
        reason: String,
    },
    /// The server refuses the client or the request, whoever asks: a matter of configuration.
    #[error("{host} refuses the request: {code}{}", described(description.as_ref()))]
    Refused {
        /// The server's host, with its port unless that is the usual one.
        host: String,
        /// The error code (RFC 6749 §5.2).
        code: ServerText,
        /// Its description.
        description: Option<ServerText>,
    },
    /// `invalid_grant`: the token is spent, revoked or expired.
    #[error("{host} does not accept the token any more{}", described(description.as_ref()))]
    Rejected {
        /// The server's host, with its port unless that is the usual one.
        host: String,
        /// The description of the error.
        description: Option<ServerText>,
    },
    /// The server can't answer now (429, 5xx).
    #[error("{host} is unavailable (status {status})")]
    Unavailable {
        /// The server's host, with its port unless that is the usual one.
        host: String,
        /// The HTTP status.
        status: u16,
        /// How long to wait before asking again, where the server said so.
        retry_after: Option<Duration>,
    },
    /// The server gave tokens that can't be used. To ask again would not help, and the token that was sent may be
    /// spent.
    #[error("{host} gave {found}")]
    Unusable {
        /// The server's host, with its port unless that is the usual one.
        host: String,
        /// What can't be used.
        found: ServerText,
    },
}

impl GrantError {
    /// Returns the error without `secrets` in what the server said.
    #[must_use]
    pub fn without<'s>(self, secrets: impl IntoIterator<Item = &'s str> + Clone) -> Self {
        let shown = |text: ServerText| text.without(secrets.clone());
        match self {
            Self::NoAnswer { host, found, retry_after } => {
                Self::NoAnswer { host, found: shown(found), retry_after }
            }
            Self::Refused { host, code, description } => {
                Self::Refused { host, code: shown(code), description: description.map(shown) }
            }
            Self::Rejected { host, description } => {
                Self::Rejected { host, description: description.map(shown) }
            }
            Self::Unusable { host, found } => Self::Unusable { host, found: shown(found) },
            other => other,
        }
    }
}

fn described(description: Option<&ServerText>) -> String {
    description.map_or_else(String::new, |text| format!(" ({text})"))
}
