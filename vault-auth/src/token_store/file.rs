//! Sessions in the sealed file, one record each.

use std::path::PathBuf;
use std::time::Duration;

use vault_core::name::SecretName;
use vault_core::secret::SecretBytes;

use super::{StoreFailure, TokenStore, Turn};
use crate::session::SessionKey;
use crate::session_file::{SessionFile, SessionFileError, record_name};
use crate::stored_session::{RecordError, StoredSession};

impl SessionFile {
    /// Returns every session of the file, those that are signed out too, each for itself: one that can't be read
    /// does not stand in the way of the others.
    ///
    /// # Errors
    ///
    /// [`SessionFileError`] when the file itself can't be read.
    pub fn sessions(&self) -> Result<Vec<Result<StoredSession, SessionFileError>>, SessionFileError> {
        let read = |name: &SecretName| {
            let bytes = self.read(name).transpose()?;
            Some(bytes.and_then(|bytes| decode_any(name, &bytes)))
        };
        Ok(self.names(PREFIX)?.iter().filter_map(read).collect())
    }

    fn stored(&self, key: &SessionKey) -> Result<Option<StoredSession>, SessionFileError> {
        let name = session_record(key);
        let decoded = self.read(&name)?.map(|bytes| StoredSession::decode(&bytes, key)).transpose();
        decoded.map_err(|source| bad_record(&name, source))
    }

    /// Returns what was spilled of a session if it is newer than what the file has.
    fn newer_spill(&self, stored: Option<&StoredSession>, key: &SessionKey) -> Option<StoredSession> {
        let bytes = self.spilled(&session_record(key))?;
        let spilled = StoredSession::decode(&bytes, key).ok()?;
        let is_newer = stored.is_none_or(|stored| stored.generation() < spilled.generation());
        is_newer.then_some(spilled)
    }

    /// Brings a spilled session back into the file, unless somebody is at it, or the file still takes nothing:
    /// then the next one tries.
    fn merge_spill(&self, key: &SessionKey) -> Result<(), StoreFailure> {
        let turn = self.lock(key, MERGE_PATIENCE)?;
        let stored = self.stored(key)?;
        match self.newer_spill(stored.as_ref(), key) {
            Some(spilled) => self.save(&turn, &spilled),
            None => Ok(()),
        }
    }
}

impl TokenStore for SessionFile {
    fn load(&self, key: &SessionKey) -> Result<Option<StoredSession>, StoreFailure> {
        let stored = self.stored(key)?;
        let Some(spilled) = self.newer_spill(stored.as_ref(), key) else { return Ok(stored) };
        drop(self.merge_spill(key));
        Ok(Some(spilled))
    }

    fn lock(&self, key: &SessionKey, deadline: Duration) -> Result<Turn, StoreFailure> {
        Ok(Turn::new(key.clone(), self.lock_named(&key.id(), deadline)?))
    }

    fn probe(&self, _turn: &Turn) -> Result<(), StoreFailure> {
        Ok(self.write(&[])?)
    }

    fn save(&self, turn: &Turn, session: &StoredSession) -> Result<(), StoreFailure> {
        let name = session_record(turn.key());
        self.write(&[(name.clone(), Some(session.encode()))])?;
        self.remove_spilled(&name);
        Ok(())
    }

    fn keep_aside(&self, turn: &Turn, session: &StoredSession) -> Result<Option<PathBuf>, StoreFailure> {
        Ok(self.spill(&session_record(turn.key()), &session.encode())?)
    }
}

/// Returns the name of the record of a session.
pub(crate) fn session_record(key: &SessionKey) -> SecretName {
    record_name(PREFIX, &key.id())
}

/// Reads a session by the name of its record, which has to be that of the key inside.
fn decode_any(name: &SecretName, bytes: &SecretBytes) -> Result<StoredSession, SessionFileError> {
    let session = StoredSession::decode_any(bytes).map_err(|source| bad_record(name, source))?;
    let is_own = session_record(session.key()) == *name;
    if is_own { Ok(session) } else { Err(bad_record(name, RecordError::Damaged)) }
}

fn bad_record(name: &SecretName, source: RecordError) -> SessionFileError {
    SessionFileError::Record { record: name.to_string(), source }
}

/// How long to wait for the turn to bring a session back: not for a refresh, which takes longer.
const MERGE_PATIENCE: Duration = Duration::from_millis(100);
/// What the names of sessions begin with.
const PREFIX: &str = "session/";
