//! The sealed file of sessions: the vault's own format, another purpose, its own key slots. What is kept in it
//! are records by name, each sealed by itself: who reads one session opens that one alone.
//!
//! Every write is one durable compare-and-swap of the whole file, and leaves nothing of what it replaces: no
//! earlier version, no previous generation. A spent token is of use to nobody but a thief.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use vault_core::format::{FormatError, Purpose, VaultId};
use vault_core::name::{Scope, SecretName, TenantId};
use vault_core::secret::SecretBytes;
use vault_core::slot::KeySource;
use vault_core::store::{Previous, StoreError, VaultStore};
use vault_core::vault::commit::{CommitError, commit};
use vault_core::vault::draft::{ChangeError, Draft};
use vault_core::vault::unlock::UnlockError;
use vault_core::vault::{LockedVault, UnlockedVault};

use crate::lock::{LockError, SessionLock};
use crate::stored_session::RecordError;

/// Why the file of sessions could not be read or written. None of these means that nobody is signed in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionFileError {
    /// The file could not be written, or not be read again.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The file is not as it was written, or a newer keyward wrote it.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The turn to change what the file has did not come.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// One record is not as it was written, or a newer keyward wrote it.
    #[error("{record}: {source}")]
    Record {
        /// The record's name.
        record: String,
        /// What is wrong with it.
        source: RecordError,
    },
    /// The file could not be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No key at hand opens the file.
    #[error(transparent)]
    Unlock(#[from] UnlockError),
}

impl SessionFileError {
    /// Tells whether what was to be written is in the file all the same: only its durability is unknown.
    #[must_use]
    pub const fn is_written(&self) -> bool {
        matches!(self, Self::Commit(CommitError::Store(StoreError::NotDurable { .. })))
    }
}

/// Every kind of store that can keep the file.
type AnyStore = dyn VaultStore + Send + Sync;

/// The file of sessions, open.
#[derive(Debug)]
pub struct SessionFile {
    store: Box<AnyStore>,
    opened: Mutex<Arc<UnlockedVault>>,
    spill: Option<PathBuf>,
}

impl SessionFile {
    /// Takes a file of sessions that the caller unlocked.
    #[must_use]
    pub fn new(store: impl VaultStore + Send + Sync + 'static, vault: UnlockedVault) -> Self {
        Self { store: Box::new(store), opened: Mutex::new(Arc::new(vault)), spill: None }
    }

    /// Opens the file with the first source that has a key for one of its slots; `None` where there is no file
    /// yet, and so no session.
    ///
    /// # Errors
    ///
    /// [`SessionFileError`]: a file that does not open is never an absent one.
    pub fn open(
        store: impl VaultStore + Send + Sync + 'static,
        sources: &mut [&mut dyn KeySource],
    ) -> Result<Option<Self>, SessionFileError> {
        let Some(snapshot) = store.open()? else { return Ok(None) };
        let unlocked = LockedVault::open(snapshot, Purpose::Sessions)?.unlock(sources)?;
        Ok(Some(Self::new(store, unlocked.vault)))
    }

    /// Creates the file from a new vault of the purpose [`Purpose::Sessions`], with the slots that `add_slots`
    /// adds.
    ///
    /// # Errors
    ///
    /// [`SessionFileError`]; [`StoreError::Conflict`] when another process was first: then it is to be opened.
    pub fn create(
        store: impl VaultStore + Send + Sync + 'static,
        vault: &UnlockedVault,
        add_slots: impl FnOnce(&mut Draft<'_>) -> Result<(), ChangeError>,
    ) -> Result<Self, SessionFileError> {
        commit(&store, vault, Previous::Drop, add_slots)?;
        let vault = vault.newer(&store)?.ok_or(FormatError::Damaged("the new file can't be found"))?;
        Ok(Self::new(store, vault))
    }

    /// Sets the directory for tokens that the file could not take: private to this account, and on another
    /// file system if possible (`XDG_RUNTIME_DIR`).
    #[must_use]
    pub fn with_spill(self, directory: impl Into<PathBuf>) -> Self {
        Self { spill: Some(directory.into()), ..self }
    }

    /// Returns the file's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.store.location()
    }

    /// Waits for the turn to change the records that belong to `name`.
    ///
    /// # Errors
    ///
    /// [`LockError`].
    pub fn lock_named(&self, name: &str, deadline: Duration) -> Result<SessionLock, LockError> {
        let mut path = self.path().as_os_str().to_owned();
        path.push(format!(".{name}.lock"));
        SessionLock::acquire(Path::new(&path), deadline)
    }

    /// Opens one record; `None` where there is none.
    ///
    /// # Errors
    ///
    /// [`SessionFileError`].
    pub fn read(&self, record: &SecretName) -> Result<Option<SecretBytes>, SessionFileError> {
        Ok(read_record(&*self.newest()?, record)?)
    }

    /// Returns the names of all records that start with `prefix`, in order.
    ///
    /// # Errors
    ///
    /// [`SessionFileError`].
    pub fn names(&self, prefix: &str) -> Result<Vec<SecretName>, SessionFileError> {
        let vault = self.newest()?;
        let index = vault.index()?;
        let names = index.current().map(|(_, record)| record.name).filter(|name| name.starts_with(prefix));
        let bad = |_| FormatError::Damaged("the index has an invalid name");
        Ok(names.map(|name| SecretName::parse(name).map_err(bad)).collect::<Result<_, _>>()?)
    }

    /// Writes records, and removes those without a value, all of them in one write or none.
    ///
    /// # Errors
    ///
    /// [`SessionFileError`]; if [`is_written`](SessionFileError::is_written), they are there, perhaps not yet
    /// on disk.
    pub fn write(&self, records: &[(SecretName, Option<SecretBytes>)]) -> Result<(), SessionFileError> {
        let vault = self.newest()?;
        commit(&*self.store, &*vault, Previous::Drop, |draft| {
            records.iter().try_for_each(|(name, value)| put_record(draft, name, value.as_ref()))
        })?;
        Ok(())
    }

    /// Returns the directory for what the file could not take.
    pub(crate) fn spill_directory(&self) -> Option<&Path> {
        self.spill.as_deref()
    }

    /// Returns the store.
    pub(crate) fn store(&self) -> &AnyStore {
        &*self.store
    }

    /// Opens the newest generation.
    fn newest(&self) -> Result<Arc<UnlockedVault>, SessionFileError> {
        let known = self.last_known();
        let Some(newer) = known.newer(&*self.store)? else { return Ok(known) };
        let newer = Arc::new(newer);
        *self.opened.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&newer);
        Ok(newer)
    }

    /// Returns the generation that was opened last.
    pub(crate) fn last_known(&self) -> Arc<UnlockedVault> {
        Arc::clone(&self.opened.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Opens one record of a vault.
pub(crate) fn read_record(
    vault: &UnlockedVault,
    record: &SecretName,
) -> Result<Option<SecretBytes>, FormatError> {
    let index = vault.index()?;
    let position = index.versions(&scope(), record).next();
    position.map(|position| vault.value(&index, position)).transpose()
}

/// Puts one record into a change, or takes it out.
pub(crate) fn put_record(
    draft: &mut Draft<'_>,
    record: &SecretName,
    value: Option<&SecretBytes>,
) -> Result<(), ChangeError> {
    match value {
        Some(value) => {
            draft.replace(&scope(), record, value, NO_TIME)?;
        }
        None if draft.index().has_secret(&scope(), record) => {
            draft.remove(&scope(), record)?;
        }
        None => {}
    }
    Ok(())
}

/// Returns the one scope of the file: records are told apart by their names.
pub(crate) fn scope() -> Scope {
    Scope::Tenant(TenantId::default())
}

/// Makes the name of a record from a prefix and an id, which both are plain text.
///
/// # Panics
///
/// Never for what the modules of this crate put together: letters, digits, `-` and `/`, far below the limit.
pub(crate) fn record_name(prefix: &str, id: &str) -> SecretName {
    SecretName::parse(&format!("{prefix}{id}")).expect("a prefix and a short id are a name")
}

/// Makes an id for a record that has no name of its own.
pub(crate) fn new_id() -> String {
    VaultId::generate().to_string().split_off(16)
}

/// Records say themselves when what happened.
const NO_TIME: u64 = 0;
