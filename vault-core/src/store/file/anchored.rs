//! The anchor of a vault in a local file: loaded, switched on and off, and moved to a state that a person accepts.

use std::io::ErrorKind;
use std::path::PathBuf;

use super::{FileStore, FileTurn, Names, directory_of};
use crate::store::anchor::{Anchor, AnchorFile, State};
use crate::store::directory::Directory;
use crate::store::lock::Lock;
use crate::store::{StoreError, WriteTurn};

impl FileStore {
    /// Loads the vault's anchor; `None` if it has none.
    ///
    /// # Errors
    ///
    /// [`StoreError::AnchorDamaged`] or [`StoreError::AnchorNewer`] for one that can't be read,
    /// [`StoreError::Untrusted`] for one that others can change.
    pub fn anchor(&self) -> Result<Option<Anchor>, StoreError> {
        self.anchor_file()?.map_or(Ok(None), |file| file.load())
    }

    /// Returns where the vault's anchor is, or would be; `None` where the directory of the anchors is not there.
    ///
    /// # Errors
    ///
    /// [`StoreError::Untrusted`] for a directory that others can change.
    pub fn anchor_path(&self) -> Result<Option<PathBuf>, StoreError> {
        Ok(self.anchor_file()?.map(|file| file.path()))
    }

    /// Notes the current state of the vault as the newest. It has to be `seen`, and none that an anchor refuses.
    /// From then on every write notes its own.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] when the vault is not the one that was seen; what the anchor refuses; and as for
    /// [`begin_write`](crate::store::VaultStore::begin_write).
    pub fn set_anchor(&self, seen: &State) -> Result<Anchor, StoreError> {
        self.note(&self.begin_anchored()?, seen)
    }

    /// Does the same whatever the anchor says: the vault is as it should be, and the anchor is not.
    ///
    /// # Errors
    ///
    /// As for [`set_anchor`](Self::set_anchor).
    pub fn accept(&self, seen: &State) -> Result<Anchor, StoreError> {
        self.note(&self.begin()?, seen)
    }

    /// Removes the vault's anchor, even one that can't be read, and tells whether there was one.
    ///
    /// # Errors
    ///
    /// As for [`begin_write`](crate::store::VaultStore::begin_write).
    pub fn remove_anchor(&self) -> Result<bool, StoreError> {
        let Some(file) = self.anchor_file()? else { return Ok(false) };
        if !file.is_there()? {
            return Ok(false);
        }
        // A writer that has loaded the anchor would write it again. Where no directory is, nobody writes.
        let is_place = Directory::open(directory_of(&self.path))?.is_some();
        let _turn = is_place.then(|| self.begin()).transpose()?;
        file.remove().map(|()| true)
    }

    /// Waits for the turn to write, and loads the anchor when it is there: then the anchor is that of the current
    /// generation, or of one before.
    pub(super) fn begin_anchored(&self) -> Result<FileTurn, StoreError> {
        let turn = self.begin()?;
        let Some(file) = self.anchor_file()? else { return Ok(turn) };
        let anchored = file.load()?.map(|anchor| (file, anchor));
        Ok(FileTurn { anchored, ..turn })
    }

    /// Waits for the turn to write, whatever an anchor says.
    fn begin(&self) -> Result<FileTurn, StoreError> {
        let names = Names::of(&self.path)?;
        let directory = Directory::open_or_create(directory_of(&self.path))?;
        let lock = Lock::acquire(&directory, &names.lock, self.lock_deadline)?;
        directory.sweep(|name| names.is_temp(name))?;
        Ok(FileTurn { directory, names, anchored: None, _lock: lock })
    }

    fn note(&self, turn: &FileTurn, seen: &State) -> Result<Anchor, StoreError> {
        let current = turn.open()?.map(|snapshot| State::of(&*snapshot)).transpose();
        let current = current.map_err(StoreError::io("read", &self.path))?.flatten();
        let state = current.filter(|state| state == seen).ok_or_else(|| turn.conflict())?;
        let anchors = self.anchors.as_ref().ok_or(ErrorKind::NotFound);
        let anchors = anchors.map_err(StoreError::io("find a directory for the anchor of", &self.path))?;
        AnchorFile::prepare(anchors, &self.path)?.write(state)
    }

    fn anchor_file(&self) -> Result<Option<AnchorFile>, StoreError> {
        self.anchors.as_ref().map_or(Ok(None), |anchors| AnchorFile::find(anchors, &self.path))
    }
}
