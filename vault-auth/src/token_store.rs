//! Where sessions are kept, as a refresh sees it: the sealed file, or memory. Programs that embed the crate
//! bring stores of their own.

mod file;
mod memory;

use std::error::Error;
use std::fmt::{self, Debug};
use std::path::PathBuf;
use std::time::Duration;

use crate::lock::LockError;
use crate::session::SessionKey;
use crate::session_file::SessionFileError;
use crate::stored_session::StoredSession;

pub(crate) use file::session_record;
pub use memory::MemoryStore;

/// A place that keeps sessions, each by its key. Two keys are the same session only if all their parts are
/// ([`SessionKey::id`] is made so).
pub trait TokenStore: Debug + Send + Sync {
    /// Reads a session, without a lock; `None` if there never was one.
    ///
    /// # Errors
    ///
    /// [`StoreFailure`]: a session that can't be read is not an absent one.
    fn load(&self, key: &SessionKey) -> Result<Option<StoredSession>, StoreFailure>;

    /// Waits for the turn to change a session, which ends when the value is dropped. Nobody else, in this process
    /// or another, has it meanwhile.
    ///
    /// # Errors
    ///
    /// [`StoreFailure::Lock`].
    fn lock(&self, key: &SessionKey, deadline: Duration) -> Result<Turn, StoreFailure>;

    /// Checks that a session could be stored now, in a way that would fail where [`save`](Self::save) would.
    ///
    /// # Errors
    ///
    /// [`StoreFailure`].
    fn probe(&self, _turn: &Turn) -> Result<(), StoreFailure> {
        Ok(())
    }

    /// Stores a session in the place of what was stored before, of which nothing is kept. When it returns, the
    /// session is durable.
    ///
    /// # Errors
    ///
    /// [`StoreFailure`].
    fn save(&self, turn: &Turn, session: &StoredSession) -> Result<(), StoreFailure>;

    /// Keeps a session that could not be saved, so that [`load`](Self::load) finds it after all, in a later
    /// process too, and returns where; `None` if there is no such place.
    ///
    /// # Errors
    ///
    /// [`StoreFailure`].
    fn keep_aside(&self, _turn: &Turn, _session: &StoredSession) -> Result<Option<PathBuf>, StoreFailure> {
        Ok(None)
    }
}

/// The turn to change one session.
pub struct Turn {
    key: SessionKey,
    _guard: Box<dyn Send>,
}

impl Turn {
    /// Makes the turn of a session out of what ends it when it is dropped.
    #[must_use]
    pub fn new(key: SessionKey, guard: impl Send + 'static) -> Self {
        Self { key, _guard: Box::new(guard) }
    }

    /// Returns whose turn it is.
    #[must_use]
    pub const fn key(&self) -> &SessionKey {
        &self.key
    }
}

impl Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("key", &self.key).finish_non_exhaustive()
    }
}

/// Why a session could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreFailure {
    /// The sealed file.
    #[error(transparent)]
    File(#[from] SessionFileError),
    /// The turn did not come.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A store of the program that embeds the crate. The text must have no token in it.
    #[error("the store of the program failed")]
    Other(#[source] Box<dyn Error + Send + Sync>),
}

impl StoreFailure {
    /// Tells whether the session is stored all the same: only its durability is unknown.
    #[must_use]
    pub const fn is_written(&self) -> bool {
        matches!(self, Self::File(error) if error.is_written())
    }

    /// Tells whether somebody else has the turn.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        matches!(self, Self::Lock(LockError::Busy { .. }))
    }
}
