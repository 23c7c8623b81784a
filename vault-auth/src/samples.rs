//! Small sessions for the tests of this crate.

use vault_core::secret::SecretString;

use crate::clock::UnixTime;
use crate::session::SessionKey;
use crate::stored_session::{Login, StoredSession};
use crate::token::{TokenSet, TokenType};

/// Returns the `serial`th tokens of a server, which live for `life` seconds.
pub(crate) fn tokens(serial: u32, received_at: UnixTime, life: i64) -> TokenSet {
    TokenSet {
        access_token: SecretString::new(format!("access-{serial}")),
        token_type: TokenType::Bearer,
        refresh_token: Some(SecretString::new(format!("refresh-{serial}"))),
        id_token: None,
        received_at,
        expires_at: Some(received_at + life),
        scopes: vec!["openid".to_owned()],
    }
}

/// Returns the key of a session.
pub(crate) fn key() -> SessionKey {
    SessionKey {
        tenant: "acme".into(),
        client_id: "cli".into(),
        environment: "https://auth.example https://api.example".into(),
    }
}

/// Returns a session that has just signed in with these tokens.
pub(crate) fn session_with(tokens: TokenSet) -> StoredSession {
    StoredSession::sign_in(key(), Login::default(), None, tokens, None)
}
