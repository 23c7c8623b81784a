//! What a token endpoint gives: tokens, with what is known of them.

use serde::{Deserialize, Serialize};
use vault_core::secret::SecretString;

use crate::clock::UnixTime;

/// How an access token is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenType {
    /// `Authorization: Bearer` (RFC 6750).
    Bearer,
    /// `Authorization: DPoP` with a proof beside it (RFC 9449).
    Dpop,
}

/// The tokens of one answer of a token endpoint (RFC 6749 §5.1).
#[derive(Debug)]
pub struct TokenSet {
    /// The access token.
    pub access_token: SecretString,
    /// How it is presented.
    pub token_type: TokenType,
    /// The refresh token; a refresh that brings none keeps the former one (RFC 6749 §6).
    pub refresh_token: Option<SecretString>,
    /// The ID token, not verified yet. It says who signed in, once: no session keeps it.
    pub id_token: Option<SecretString>,
    /// When the answer came.
    pub received_at: UnixTime,
    /// When the access token ends: the time of receipt and `expires_in`; `None` where the server did not say.
    pub expires_at: Option<UnixTime>,
    /// The scopes that were granted; those that were asked for where the server did not say.
    pub scopes: Vec<String>,
}
