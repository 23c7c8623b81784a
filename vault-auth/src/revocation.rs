//! Giving tokens back (RFC 7009). The refresh token goes first: the grant ends with it, and the access tokens too.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use vault_core::secret::SecretString;

use crate::address::Address;
use crate::grant::GrantError;
use crate::http::{HttpClient, Request};
use crate::server_json;
use crate::token_endpoint::{ErrorReply, OauthClient};

/// How long a logout waits for the server.
const LIMIT: Duration = Duration::from_secs(5);

/// What kind of token is revoked, as the server is told (RFC 7009 §2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenHint {
    /// An access token.
    AccessToken,
    /// A refresh token.
    RefreshToken,
}

/// Where tokens are revoked.
#[derive(Debug)]
pub struct Revocation {
    http: Arc<HttpClient>,
    address: Address,
    client: Arc<OauthClient>,
}

impl Revocation {
    /// Takes the address of a revocation endpoint; nothing is opened yet.
    #[must_use]
    pub const fn new(http: Arc<HttpClient>, address: Address, client: Arc<OauthClient>) -> Self {
        Self { http, address, client }
    }

    /// Revokes one token, in one request of five seconds at most. A token that the server does not know is
    /// revoked as well.
    ///
    /// # Errors
    ///
    /// [`GrantError`]: the token may still be good, after [`GrantError::Unavailable`] it surely is.
    pub fn revoke(&self, token: &SecretString, hint: TokenHint) -> Result<(), GrantError> {
        let client_secret = self.client.client_secret.as_ref().map(SecretString::expose_secret);
        let secrets = [token.expose_secret()].into_iter().chain(client_secret);
        self.ask(token, hint).map_err(|error| error.without(secrets))
    }

    fn ask(&self, token: &SecretString, hint: TokenHint) -> Result<(), GrantError> {
        let mut form = vec![("token", token.expose_secret()), ("token_type_hint", hint.name())];
        self.client.sign(&mut form);
        let answer = self.http.send(&Request::post(&self.address, &form).within(LIMIT))?;
        if answer.is_success() {
            return Ok(());
        }
        let refusal = answer.json::<Refusal>().filter(|_| !answer.is_unavailable());
        let Some((code, description)) = refusal.and_then(|said| Some((said.error?, said.error_description)))
        else {
            return Err(answer.unexpected());
        };
        Err(ErrorReply::of(&answer, code, description).into_grant_error())
    }
}

impl TokenHint {
    const fn name(self) -> &'static str {
        match self {
            Self::AccessToken => "access_token",
            Self::RefreshToken => "refresh_token",
        }
    }
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default, deserialize_with = "server_json::text")]
    error: Option<String>,
    #[serde(default, deserialize_with = "server_json::text")]
    error_description: Option<String>,
}
