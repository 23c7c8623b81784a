//! Login by the device authorization grant (RFC 8628): a person opens an address elsewhere, enters a code, and
//! this side asks until they have decided.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use vault_core::secret::{SecretBytes, SecretString};

use crate::address::{Address, AddressError};
use crate::clock::UnixTime;
use crate::grant::GrantError;
use crate::http::{Answer, HttpClient, Request};
use crate::server_json;
use crate::server_text::ServerText;
use crate::token_endpoint::{ErrorReply, OauthClient};

mod poll;
mod schedule;

pub use poll::{PollError, PollWatch, poll};
pub use schedule::Drift;

/// How long a code is asked for where the server does not say how long it lives.
const DEFAULT_LIFE: u64 = 300;

/// Seconds between requests where the server does not say (RFC 8628 §3.2).
const DEFAULT_INTERVAL: u64 = 5;

/// The longest code that a person can be asked to compare.
const MAX_USER_CODE: usize = 64;

/// Why no device login starts.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The server sends the person to an address that nobody should open.
    #[error("{host} names an address for the login that is not safe to open")]
    Address {
        /// The server's host.
        host: String,
        /// What is wrong with it.
        source: AddressError,
    },
    /// The answer lacks something that nothing works without.
    #[error("{host} started a login without {missing}")]
    Incomplete {
        /// The server's host.
        host: String,
        /// What is missing.
        missing: &'static str,
    },
    /// The server does not start a login.
    #[error(transparent)]
    Server(#[from] GrantError),
    /// The stored request can't be read.
    #[error("the stored login request is damaged")]
    Stored,
}

/// A login that waits for a person.
#[derive(Debug)]
pub struct PendingLogin {
    /// What the person compares or enters.
    pub user_code: ServerText,
    /// Where they go.
    pub verification: Address,
    /// The same with the code in it. The code is shown all the same: the page asks to compare it.
    pub verification_complete: Option<Address>,
    /// When the code was given.
    pub issued_at: UnixTime,
    /// When it ends.
    pub expires_at: UnixTime,
    /// Seconds between two requests, at least 1.
    pub interval: u64,
    device_code: SecretString,
}

/// What a person is shown of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// It may be opened in a browser by itself.
    Allowed,
    /// It is shown only: it is of another host than the issuer, and the server chose it.
    ShownOnly,
}

impl PendingLogin {
    /// Asks for a code (RFC 8628 §3.1). `address` is the device authorization endpoint.
    ///
    /// # Errors
    ///
    /// [`DeviceError`].
    pub fn request(http: &HttpClient, address: &Address, client: &OauthClient) -> Result<Self, DeviceError> {
        let scope = client.scopes.join(" ");
        let mut form = Vec::new();
        client.sign(&mut form);
        if !scope.is_empty() {
            form.push(("scope", &scope));
        }
        if let Some(audience) = &client.audience {
            form.push(("audience", audience));
        }
        let answer = http.send(&Request::post(address, &form))?;
        Self::read(&answer)
    }

    /// Tells whether the address may be opened by itself: it is near the issuer's, or the profile lists its host.
    #[must_use]
    pub fn opening(&self, issuer: &Address, listed_hosts: &[String]) -> Opening {
        let to_open = self.verification_complete.as_ref().unwrap_or(&self.verification);
        let listed = listed_hosts.iter().any(|host| host.eq_ignore_ascii_case(&to_open.host()));
        if listed || to_open.is_near(issuer) { Opening::Allowed } else { Opening::ShownOnly }
    }

    /// Returns the login as bytes for a sealed file, from which another process goes on.
    ///
    /// # Panics
    ///
    /// Never: texts and numbers are JSON.
    #[must_use]
    pub fn to_bytes(&self) -> SecretBytes {
        let stored = Stored {
            device_code: self.device_code.expose_secret().into(),
            user_code: self.user_code.as_str().into(),
            verification: self.verification.clone(),
            verification_complete: self.verification_complete.clone(),
            issued_at: self.issued_at,
            expires_at: self.expires_at,
            interval: self.interval,
        };
        SecretBytes::new(serde_json::to_vec(&stored).expect("texts and numbers are JSON"))
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    ///
    /// [`DeviceError::Stored`].
    pub fn from_bytes(bytes: &SecretBytes) -> Result<Self, DeviceError> {
        let stored: Stored<'_> =
            serde_json::from_slice(bytes.expose_secret()).map_err(|_| DeviceError::Stored)?;
        Ok(Self {
            user_code: ServerText::new(&stored.user_code),
            verification: stored.verification,
            verification_complete: stored.verification_complete,
            issued_at: stored.issued_at,
            expires_at: stored.expires_at,
            interval: stored.interval.max(1),
            device_code: SecretString::new(stored.device_code.into_owned()),
        })
    }

    pub(crate) const fn device_code(&self) -> &SecretString {
        &self.device_code
    }

    fn read(answer: &Answer) -> Result<Self, DeviceError> {
        let Some(said) = answer.json::<Said>() else { return Err(answer.unexpected().into()) };
        if let Some(error) = said.refusal(answer) {
            return Err(error.into());
        }
        let incomplete = |missing| DeviceError::Incomplete { host: answer.host.clone(), missing };
        let address = |text: &str| {
            Address::parse(text).map_err(|source| DeviceError::Address { host: answer.host.clone(), source })
        };
        let user_code = said.user_code.filter(|code| !code.trim().is_empty() && code.len() <= MAX_USER_CODE);
        let verification = said.verification_uri.or(said.verification_url);
        let complete = said.verification_uri_complete.or(said.verification_url_complete);
        Ok(Self {
            device_code: said.device_code.ok_or_else(|| incomplete("a device code"))?,
            user_code: ServerText::new(&user_code.ok_or_else(|| incomplete("a code to show"))?),
            verification: address(&verification.ok_or_else(|| incomplete("an address to open"))?)?,
            verification_complete: complete.as_deref().map(address).transpose()?,
            issued_at: answer.received_at,
            expires_at: answer.received_at.saturating_add_unsigned(said.expires_in.unwrap_or(DEFAULT_LIFE)),
            interval: said.interval.unwrap_or(DEFAULT_INTERVAL).max(1),
        })
    }
}

/// The body of an answer, right or wrong. `verification_url` is the name of a draft, which Google kept.
#[derive(Deserialize)]
struct Said {
    #[serde(default, deserialize_with = "server_json::secret")]
    device_code: Option<SecretString>,
    #[serde(default, deserialize_with = "server_json::text")]
    user_code: Option<String>,
    #[serde(default, deserialize_with = "server_json::text")]
    verification_uri: Option<String>,
    #[serde(default, deserialize_with = "server_json::text")]
    verification_url: Option<String>,
    #[serde(default, deserialize_with = "server_json::text")]
    verification_uri_complete: Option<String>,
    #[serde(default, deserialize_with = "server_json::text")]
    verification_url_complete: Option<String>,
    #[serde(default, deserialize_with = "server_json::seconds")]
    expires_in: Option<u64>,
    #[serde(default, deserialize_with = "server_json::seconds")]
    interval: Option<u64>,
    #[serde(default, deserialize_with = "server_json::text")]
    error: Option<String>,
    #[serde(default, deserialize_with = "server_json::text")]
    error_description: Option<String>,
}

impl Said {
    fn refusal(&self, answer: &Answer) -> Option<GrantError> {
        if answer.is_unavailable() || (!answer.is_success() && self.error.is_none()) {
            return Some(answer.unexpected());
        }
        let error = ErrorReply::of(answer, self.error.clone()?, self.error_description.clone());
        Some(error.into_grant_error())
    }
}

/// A pending login between two processes.
#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    #[serde(borrow)]
    device_code: Cow<'a, str>,
    #[serde(borrow)]
    user_code: Cow<'a, str>,
    verification: Address,
    verification_complete: Option<Address>,
    issued_at: UnixTime,
    expires_at: UnixTime,
    interval: u64,
}
