//! Giving tokens back: at once where the server can be asked, else by a later command.

use std::sync::Arc;

use vault_auth::address::Address;
use vault_auth::grant::GrantError;
use vault_auth::http::HttpClient;
use vault_auth::revocation::{Revocation, TokenHint};
use vault_auth::revocation_queue::{self, QueuedRevocation, RevocationQueue};
use vault_auth::session_file::{SessionFile, SessionFileError};
use vault_auth::stored_session::StoredSession;
use vault_auth::token_endpoint::OauthClient;
use vault_core::name::SecretName;

use crate::error::CommandError;
use crate::session_access::copy;

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

/// The client for asking, or why there is none.
pub(crate) type Client = Result<Arc<HttpClient>, CommandError>;

/// Revokes the grant of a session that is in no file. Its token is put into the queue first: whatever happens to this
/// process, it is not forgotten.
pub(crate) fn revoke(
    file: &SessionFile,
    client: &Client,
    session: &StoredSession,
    now: i64,
) -> Result<Revoked, SessionFileError> {
    let Some(queued) = QueuedRevocation::of(session, now) else { return Ok(Revoked::Impossible) };
    match queued.save(file) {
        Ok(name) => revoke_queued(file, client, &name, &queued),
        // A full disk is no reason to leave the grant alive.
        Err(error) => match client.as_ref().map(|http| ask(http, &queued)) {
            Ok(Ok(())) => Ok(Revoked::Done),
            _ => Err(error),
        },
    }
}

/// Revokes a token of the queue, and takes it out if that is done.
pub(crate) fn revoke_queued(
    file: &SessionFile,
    client: &Client,
    name: &SecretName,
    queued: &QueuedRevocation,
) -> Result<Revoked, SessionFileError> {
    let asked = match client {
        Ok(http) => ask(http, queued).map_err(|error| error.to_string()),
        Err(error) => Err(error.message.clone()),
    };
    match asked {
        Ok(()) => revocation_queue::remove(file, std::slice::from_ref(name)).map(|()| Revoked::Done),
        Err(why) => Ok(Revoked::Queued(why)),
    }
}

/// Gives back what earlier logouts could not. A server that can't be asked this time either is not asked twice.
pub(crate) fn work_off(file: &SessionFile, http: &Arc<HttpClient>, now: i64) -> Result<(), SessionFileError> {
    let queue = RevocationQueue::load(file, now)?;
    let (mut done, mut away) = (queue.over, Vec::new());
    for (name, queued) in queue.due {
        if away.contains(&queued.endpoint) {
            continue;
        }
        match ask(http, &queued) {
            Ok(()) | Err(GrantError::Rejected { .. }) => done.push(name),
            Err(_) => away.push(queued.endpoint),
        }
    }
    revocation_queue::remove(file, &done)
}

fn ask(http: &Arc<HttpClient>, queued: &QueuedRevocation) -> Result<(), GrantError> {
    let address = Address::parse(&queued.endpoint).map_err(|error| GrantError::NotReached {
        host: "the revocation endpoint".to_owned(),
        reason: error.to_string(),
    })?;
    let client = OauthClient {
        client_id: queued.client_id.clone(),
        client_secret: queued.client_secret.as_ref().map(copy),
        scopes: Vec::new(),
        audience: None,
    };
    Revocation::new(Arc::clone(http), address, Arc::new(client))
        .revoke(&queued.token, TokenHint::RefreshToken)
}
