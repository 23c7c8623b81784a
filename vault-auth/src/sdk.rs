//! For programs that call a backend with keyward's credentials: a client, and what authorizes its requests, an
//! API key or a session that refreshes itself.
//!
//! ```no_run
//! use vault_auth::sdk::{ApiKeyAuth, Client};
//! use vault_core::secret::SecretString;
//!
//! # fn key_from_somewhere() -> SecretString { SecretString::new(String::new()) }
//! # fn main() -> Result<(), vault_auth::sdk::AuthError> {
//! let client = Client::builder()
//!     .base_url("https://{tenant}.api.example.com")
//!     .tenant("acme")
//!     .auth(ApiKeyAuth::new(key_from_somewhere())?)
//!     .build()?;
//! let answer = client.get("/v1/agents")?;
//! # drop(answer);
//! # Ok(())
//! # }
//! ```
//!
//! Keys and refresh tokens are for programs on machines that their owner controls. In code that is committed, or
//! in a program that browsers or phones run, everybody can read them.

mod api_key;
mod bearer;
mod client;
mod error;
mod request;

use std::fmt::Debug;

pub use api_key::ApiKeyAuth;
pub use bearer::{BearerBuilder, RefreshableBearerAuth};
pub use client::{Client, ClientBuilder, Transport};
pub use error::AuthError;
pub use request::{Method, Request, Response};

/// What authorizes requests.
pub trait Auth: Debug + Send + Sync {
    /// Puts the credential into a request. A session is refreshed first where it has to be.
    ///
    /// # Errors
    ///
    /// [`AuthError`]: then the request is not to be sent.
    fn authorize(&self, request: &mut Request) -> Result<(), AuthError>;

    /// Says whether to send a request once more that the server answered with 401: it is authorized again then.
    fn on_unauthorized(&self, request: &Request, response: &Response) -> Retry;

    /// Returns which kind of credential it is. What it may do is the server's decision.
    fn kind(&self) -> AuthKind;
}

/// Whether to send a request once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// With another credential, or another proof.
    Again,
    /// It would be refused again.
    No,
}

/// A kind of credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthKind {
    /// An API key.
    ApiKey,
    /// A session of a person.
    Session,
}
