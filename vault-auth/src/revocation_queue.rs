//! Tokens that a logout could not give back because the server could not be asked: they are kept sealed, for a
//! week at most, and given back by the next command that is online.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use vault_core::name::SecretName;
use vault_core::secret::{SecretBytes, SecretString};

use crate::clock::UnixTime;
use crate::session::SessionKey;
use crate::session_file::{SessionFile, SessionFileError, new_id, record_name};
use crate::stored_session::{Held, State, StoredSession, decode_json, encode_json};
use crate::token_store::{StoreFailure, TokenStore, session_record};

/// A token to be given back.
#[derive(Debug)]
pub struct QueuedRevocation {
    /// The refresh token.
    pub token: SecretString,
    /// Where it is given back.
    pub endpoint: String,
    /// The OAuth client.
    pub client_id: String,
    /// The client's secret, where it has one.
    pub client_secret: Option<SecretString>,
    /// When the logout was.
    pub queued_at: UnixTime,
}

impl QueuedRevocation {
    /// Puts the token into the queue, and returns its name there.
    ///
    /// # Errors
    ///
    /// [`SessionFileError`].
    pub fn save(&self, file: &SessionFile) -> Result<SecretName, SessionFileError> {
        let (name, record) = self.encode();
        file.write(&[(name.clone(), Some(record))])?;
        Ok(name)
    }

    fn encode(&self) -> (SecretName, SecretBytes) {
        let record = encode_json(&Record {
            schema: SCHEMA,
            token: Held::Lent(&self.token),
            endpoint: Cow::Borrowed(&self.endpoint),
            client_id: Cow::Borrowed(&self.client_id),
            client_secret: self.client_secret.as_ref().map(Held::Lent),
            queued_at: self.queued_at,
        });
        (record_name(PREFIX, &new_id()), record)
    }

    /// Describes how the tokens of a session are given back; `None` for one that has none, or a provider that takes
    /// none. The refresh token ends the grant; where there is none, the access token is all that there is.
    #[must_use]
    pub fn of(session: &StoredSession, now: UnixTime) -> Option<Self> {
        let tokens = session.tokens()?;
        let copy = |secret: &SecretString| SecretString::new(secret.expose_secret().to_owned());
        Some(Self {
            token: copy(tokens.refresh_token.as_ref().unwrap_or(&tokens.access_token)),
            endpoint: session.login().revocation_endpoint.clone()?,
            client_id: session.key().client_id.clone(),
            client_secret: session.client_secret().map(copy),
            queued_at: now,
        })
    }
}

/// A session that was signed out.
#[derive(Debug)]
pub struct SignedOut {
    /// What it was.
    pub session: StoredSession,
    /// What is to be given back, with its name in the queue; `None` where nothing can be.
    pub queued: Option<(SecretName, QueuedRevocation)>,
}

/// Leaves a tombstone in the place of a session and puts its token into the queue, in one write: whatever happens
/// next, the token is not forgotten. `None` where nobody is signed in.
///
/// # Errors
///
/// [`StoreFailure`].
pub fn sign_out(
    file: &SessionFile,
    key: &SessionKey,
    deadline: Duration,
    now: UnixTime,
) -> Result<Option<SignedOut>, StoreFailure> {
    let _turn = file.lock(key, deadline)?;
    let Some(session) = file.load(key)?.filter(|session| *session.state() != State::SignedOut) else {
        return Ok(None);
    };
    let mut records = vec![(session_record(key), Some(session.sign_out().encode()))];
    let queued = QueuedRevocation::of(&session, now).map(|queued| {
        let (name, record) = queued.encode();
        records.push((name.clone(), Some(record)));
        (name, queued)
    });
    file.write(&records)?;
    Ok(Some(SignedOut { session, queued }))
}

/// The queue.
#[derive(Debug, Default)]
pub struct RevocationQueue {
    /// What is to be given back, each with the name that [`remove`] takes.
    pub due: Vec<(SecretName, QueuedRevocation)>,
    /// Those that are a week old, or can't be read: there is nothing more to be done for them.
    pub over: Vec<SecretName>,
}

impl RevocationQueue {
    /// Reads the queue.
    ///
    /// # Errors
    ///
    /// [`SessionFileError`].
    pub fn load(file: &SessionFile, now: UnixTime) -> Result<Self, SessionFileError> {
        let mut queue = Self::default();
        for name in file.names(PREFIX)? {
            let bytes = file.read(&name)?;
            match bytes.and_then(|bytes| decode_json::<Record<'_>>(&bytes, SCHEMA).ok()?.into_queued()) {
                Some(queued) if now.saturating_sub(queued.queued_at) <= MAX_AGE => {
                    queue.due.push((name, queued))
                }
                _ => queue.over.push(name),
            }
        }
        Ok(queue)
    }
}

/// Takes tokens out of the queue.
///
/// # Errors
///
/// [`SessionFileError`].
pub fn remove(file: &SessionFile, names: &[SecretName]) -> Result<(), SessionFileError> {
    if names.is_empty() {
        return Ok(());
    }
    let records: Vec<_> = names.iter().map(|name| (name.clone(), None)).collect();
    file.write(&records)
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record<'r> {
    schema: u32,
    token: Held<'r>,
    endpoint: Cow<'r, str>,
    client_id: Cow<'r, str>,
    client_secret: Option<Held<'r>>,
    queued_at: UnixTime,
}

impl Record<'_> {
    fn into_queued(self) -> Option<QueuedRevocation> {
        Some(QueuedRevocation {
            token: self.token.into_owned()?,
            endpoint: self.endpoint.into_owned(),
            client_id: self.client_id.into_owned(),
            client_secret: self.client_secret.and_then(Held::into_owned),
            queued_at: self.queued_at,
        })
    }
}

const SCHEMA: u32 = 1;
const PREFIX: &str = "revocation/";
/// A week: refresh tokens that nobody uses have ended by then.
const MAX_AGE: i64 = 7 * 86_400;
