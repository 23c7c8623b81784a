//! Tokens that a logout could not give back because the server could not be asked: they are kept sealed, for a
//! week at most, and given back by the next command that is online.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use vault_core::name::SecretName;
use vault_core::secret::SecretString;

use crate::clock::UnixTime;
use crate::session_file::{SessionFile, SessionFileError, new_id, record_name};
use crate::stored_session::{Held, decode_json, encode_json};

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
    /// Puts the token into the queue.
    ///
    /// # Errors
    ///
    /// [`SessionFileError`].
    pub fn save(&self, file: &SessionFile) -> Result<(), SessionFileError> {
        let record = encode_json(&Record {
            schema: SCHEMA,
            token: Held::Lent(&self.token),
            endpoint: Cow::Borrowed(&self.endpoint),
            client_id: Cow::Borrowed(&self.client_id),
            client_secret: self.client_secret.as_ref().map(Held::Lent),
            queued_at: self.queued_at,
        });
        file.write(&[(record_name(PREFIX, &new_id()), Some(record))])
    }
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
