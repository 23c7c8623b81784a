//! Sessions in memory, for as long as the process lives.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use vault_core::secret::SecretBytes;

use super::{StoreFailure, TokenStore, Turn};
use crate::lock::ProcessLock;
use crate::session::SessionKey;
use crate::session_file::SessionFileError;
use crate::stored_session::StoredSession;

/// Sessions that end with the process. Another process that uses the same refresh token would end them: it is for
/// tests, and for tokens that one process alone has.
#[derive(Debug)]
pub struct MemoryStore {
    sessions: Mutex<HashMap<SessionKey, SecretBytes>>,
    /// Which store it is, for the locks of its sessions.
    number: u64,
}

impl MemoryStore {
    /// Makes a store without sessions.
    #[must_use]
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self { sessions: Mutex::default(), number: NEXT.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl TokenStore for MemoryStore {
    fn load(&self, key: &SessionKey) -> Result<Option<StoredSession>, StoreFailure> {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let decoded = sessions.get(key).map(|bytes| StoredSession::decode(bytes, key)).transpose();
        decoded.map_err(|source| SessionFileError::Record { record: key.id(), source }.into())
    }

    fn lock(&self, key: &SessionKey, deadline: Duration) -> Result<Turn, StoreFailure> {
        let name = PathBuf::from(format!("memory {}/{}", self.number, key.id()));
        Ok(Turn::new(key.clone(), ProcessLock::acquire(&name, deadline)?))
    }

    fn save(&self, turn: &Turn, session: &StoredSession) -> Result<(), StoreFailure> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.insert(turn.key().clone(), session.encode());
        Ok(())
    }
}
