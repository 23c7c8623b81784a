//! New tokens that the file of sessions could not take: a full disk, one that became read-only. They are
//! sealed with the file's own key and slots into a file of their own elsewhere, and go back at the next start.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use vault_core::format::Snapshot;
use vault_core::name::SecretName;
use vault_core::secret::SecretBytes;
use vault_core::store::single::{self, Existing};
use vault_core::store::{Expected, FileStore, Previous, StoreError, VaultStore, WriteTurn};
use vault_core::vault::commit::commit;
use vault_core::vault::draft::{ChangeError, Draft};

use crate::session_file::{SessionFile, SessionFileError, put_record, read_record, scope};

impl SessionFile {
    /// Seals one record into a file of its own; `None` where no directory was given for that.
    pub(crate) fn spill(
        &self,
        record: &SecretName,
        value: &SecretBytes,
    ) -> Result<Option<PathBuf>, SessionFileError> {
        let Some(path) = self.spill_path(record) else { return Ok(None) };
        make_directory(&path).map_err(|source| StoreError::Io {
            act: "create the directory of",
            path: path.clone(),
            source,
        })?;
        let store = SpillStore { file: self.store(), path };
        commit(&store, &*self.last_known(), Previous::Drop, |draft| {
            remove_others(draft)?;
            put_record(draft, record, Some(value))
        })?;
        Ok(Some(store.path))
    }

    /// Reads a record that was spilled; `None` where there is none, or one that the file's key does not open: the
    /// file itself is what counts.
    pub(crate) fn spilled(&self, record: &SecretName) -> Option<SecretBytes> {
        let store = FileStore::new(self.spill_path(record)?);
        let is_there = store.open().ok()?.is_some();
        let vault = is_there.then(|| self.last_known().newer(&store).ok()).flatten()??;
        read_record(&vault, record).ok()?
    }

    /// Removes a spilled record, which the file has by now.
    pub(crate) fn remove_spilled(&self, record: &SecretName) {
        if let Some(path) = self.spill_path(record) {
            // What can't be removed is passed over: its generation is not newer than the file's.
            drop(fs::remove_file(path));
        }
    }

    fn spill_path(&self, record: &SecretName) -> Option<PathBuf> {
        let vault_id = self.last_known().header().vault_id;
        let name = format!("{}-{vault_id}.spill", record.as_str().replace('/', "-"));
        Some(self.spill_directory()?.join(name))
    }
}

fn make_directory(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| DirBuilder::new().recursive(true).mode(0o700).create(parent))
}

/// The file of sessions has records of other sessions, which have no business in the spill.
fn remove_others(draft: &mut Draft<'_>) -> Result<(), ChangeError> {
    let names: Vec<_> =
        draft.index().current().filter_map(|(_, record)| SecretName::parse(record.name).ok()).collect();
    names.iter().try_for_each(|name| draft.remove(&scope(), name).map(drop))
}

/// Reads where the file of sessions is, and writes elsewhere.
#[derive(Debug)]
struct SpillStore<'f> {
    file: &'f (dyn VaultStore + Send + Sync),
    path: PathBuf,
}

impl VaultStore for SpillStore<'_> {
    fn open(&self) -> Result<Option<Box<dyn Snapshot>>, StoreError> {
        self.file.open()
    }

    fn begin_write(&self) -> Result<Box<dyn WriteTurn + '_>, StoreError> {
        Ok(Box::new(SpillTurn(self)))
    }

    fn location(&self) -> &Path {
        &self.path
    }
}

#[derive(Debug)]
struct SpillTurn<'s>(&'s SpillStore<'s>);

impl WriteTurn for SpillTurn<'_> {
    fn open(&self) -> Result<Option<Box<dyn Snapshot>>, StoreError> {
        self.0.open()
    }

    fn open_previous(&self) -> Result<Option<Box<dyn Snapshot>>, StoreError> {
        Ok(None)
    }

    fn replace(
        self: Box<Self>,
        _expected: &Expected,
        bytes: &[u8],
        _previous: Previous,
    ) -> Result<(), StoreError> {
        single::write(&self.0.path, bytes, Existing::Replace)
    }
}
