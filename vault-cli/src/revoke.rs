//! Giving tokens back after a logout: at once where the server can be asked, else by a later command.

use std::sync::Arc;

use vault_auth::address::Address;
use vault_auth::grant::GrantError;
use vault_auth::http::HttpClient;
use vault_auth::revocation::{Revocation, TokenHint};
use vault_auth::revocation_queue::{self, QueuedRevocation, RevocationQueue};
use vault_auth::session_file::{SessionFile, SessionFileError};
use vault_auth::stored_session::StoredSession;
use vault_auth::token_endpoint::OauthClient;
use vault_core::secret::SecretString;

use crate::session_access::{copy, oauth_client};

/// What came of a revocation.
#[derive(Debug)]
pub(crate) enum Revoked {
    /// The server revoked the token.
    Done,
    /// The server could not be asked: a later command does.
    Queued(String),
    /// The provider has no place for it, or the session had no token.
    Impossible,
}

/// Revokes the grant of a session that was signed out; a token that can't be given back now waits in the file.
/// Without a client it waits at once.
pub(crate) fn revoke(
    file: &SessionFile,
    http: Option<&Arc<HttpClient>>,
    session: &StoredSession,
    now: i64,
) -> Result<Revoked, SessionFileError> {
    let Some(endpoint) = &session.login().revocation_endpoint else { return Ok(Revoked::Impossible) };
    let refresh = session.refresh_token().map(|token| (token, TokenHint::RefreshToken));
    let token =
        refresh.or_else(|| session.tokens().map(|tokens| (&tokens.access_token, TokenHint::AccessToken)));
    let Some((token, hint)) = token else { return Ok(Revoked::Impossible) };
    let asked = match http {
        Some(http) => {
            ask(http, endpoint, oauth_client(session), token, hint).map_err(|error| error.to_string())
        }
        None => Err("the network was not to be used".to_owned()),
    };
    let Err(why) = asked else { return Ok(Revoked::Done) };
    QueuedRevocation {
        token: copy(token),
        endpoint: endpoint.clone(),
        client_id: session.key().client_id.clone(),
        client_secret: session.client_secret().map(copy),
        queued_at: now,
    }
    .save(file)?;
    Ok(Revoked::Queued(why))
}

/// Gives back what earlier logouts could not, until a server can't be asked this time either.
pub(crate) fn work_off(file: &SessionFile, http: &Arc<HttpClient>, now: i64) -> Result<(), SessionFileError> {
    let queue = RevocationQueue::load(file, now)?;
    let mut done = queue.over;
    for (name, queued) in queue.due {
        let client = OauthClient {
            client_id: queued.client_id,
            client_secret: queued.client_secret,
            scopes: Vec::new(),
            audience: None,
        };
        match ask(http, &queued.endpoint, client, &queued.token, TokenHint::RefreshToken) {
            Ok(()) | Err(GrantError::Refused { .. } | GrantError::Rejected { .. }) => done.push(name),
            Err(_) => break,
        }
    }
    revocation_queue::remove(file, &done)
}

fn ask(
    http: &Arc<HttpClient>,
    endpoint: &str,
    client: OauthClient,
    token: &SecretString,
    hint: TokenHint,
) -> Result<(), GrantError> {
    let address = Address::parse(endpoint).map_err(|error| GrantError::NotReached {
        host: "the revocation endpoint".to_owned(),
        reason: error.to_string(),
    })?;
    Revocation::new(Arc::clone(http), address, Arc::new(client)).revoke(token, hint)
}
