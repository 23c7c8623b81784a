//! A vault in a local file, with its write protocol: lock, compare, write a temporary file, read it
//! back, then publish it under the vault's name. Published files are never modified in place. The
//! vault is whole in every state that a crash can leave; a stale temporary file is removed by the next
//! writer.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;

use super::anchor::{Anchor, AnchorFile, State, admit};
use super::directory::{self, Directory};
use super::lock::Lock;
use super::{Expected, Previous, StoreError, VaultStore, WriteTurn};
use crate::disk::{self, WriteError};
use crate::format::{MAX_FILE, Revision, Snapshot, revision};

mod anchored;

/// A vault in a local file, `<vault>`, with the previous generation in `<vault>.prev`, the lock in
/// `<vault>.lock`, and what a restore replaced in `<vault>.damaged`.
#[derive(Debug, Clone)]
pub struct FileStore {
    path: PathBuf,
    lock_deadline: Duration,
    /// The directory of the anchors.
    anchors: Option<PathBuf>,
}

impl FileStore {
    /// Names the vault at `path`, which need not be there. Touches no file.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), lock_deadline: LOCK_DEADLINE, anchors: None }
    }

    /// Heeds the vault's anchor in the directory `anchors`, if it has one there. Without a directory nothing is
    /// compared with an anchor, and none is written.
    #[must_use]
    pub fn with_anchors(self, anchors: Option<PathBuf>) -> Self {
        Self { anchors, ..self }
    }

    /// Sets how long [`begin_write`](VaultStore::begin_write) waits for other writers; 10 s if not set.
    #[must_use]
    pub fn with_lock_deadline(self, lock_deadline: Duration) -> Self {
        Self { lock_deadline, ..self }
    }

    /// Checks that the vault's directory may hold a vault, or may be made. Nothing is made yet: keys for a
    /// vault come first, and belong nowhere near a place that is refused.
    ///
    /// # Errors
    ///
    /// [`StoreError::Untrusted`] for a place that others control.
    pub fn check_place(&self) -> Result<(), StoreError> {
        Names::of(&self.path)?;
        Directory::check_place(directory_of(&self.path))
    }

    /// Tells whether `path` is that of one of the vault's files, whether they are there or not.
    #[must_use]
    pub fn has_name(&self, path: &Path) -> bool {
        let (Ok(names), Some(name)) = (Names::of(&self.path), path.file_name()) else { return false };
        let place = |path| directory_of(path).canonicalize().ok();
        names.has(name) && place(path).is_some_and(|found| place(&self.path) == Some(found))
    }
}

impl VaultStore for FileStore {
    fn open(&self) -> Result<Option<Box<dyn Snapshot>>, StoreError> {
        let names = Names::of(&self.path)?;
        // Before the vault: what is written meanwhile is newer than the anchor, never older.
        let anchor = self.anchor()?;
        let current = match Directory::open(directory_of(&self.path))? {
            Some(directory) => open_current(&directory, &names)?,
            None => None,
        };
        admit(anchor.as_ref(), current, &self.path)
    }

    fn begin_write(&self) -> Result<Box<dyn WriteTurn + '_>, StoreError> {
        Ok(Box::new(self.begin_anchored()?))
    }

    fn location(&self) -> &Path {
        &self.path
    }
}

/// The names of a vault's files in their directory.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) vault: OsString,
    previous: OsString,
    damaged: OsString,
    lock: OsString,
    temp_prefix: OsString,
}

impl Names {
    pub(super) fn of(path: &Path) -> Result<Self, StoreError> {
        let vault = path
            .file_name()
            .ok_or_else(|| StoreError::NotAFile { path: path.to_owned(), found: "a directory" })?;
        Ok(Self {
            vault: vault.to_owned(),
            previous: joined(&[vault, OsStr::new(".prev")]),
            damaged: joined(&[vault, OsStr::new(".damaged")]),
            lock: joined(&[vault, OsStr::new(".lock")]),
            temp_prefix: joined(&[OsStr::new("."), vault, OsStr::new(".tmp.")]),
        })
    }

    /// Returns a name that nobody can have foreseen.
    pub(super) fn new_temp(&self) -> io::Result<OsString> {
        Ok(joined(&[&self.temp_prefix, OsStr::new(&format!("{:016x}", random()?))]))
    }

    fn has(&self, name: &OsStr) -> bool {
        let published = [&self.vault, &self.previous, &self.damaged, &self.lock];
        published.into_iter().any(|own| own == name) || self.is_temp(name)
    }

    pub(super) fn is_temp(&self, name: &OsStr) -> bool {
        let random = name.as_bytes().strip_prefix(self.temp_prefix.as_bytes());
        random.is_some_and(|random| random.len() == 16 && random.iter().all(u8::is_ascii_hexdigit))
    }
}

pub(super) fn random() -> io::Result<u64> {
    getrandom::u64().map_err(|error| io::Error::other(error.to_string()))
}

fn joined(parts: &[&OsStr]) -> OsString {
    parts.iter().copied().collect()
}

pub(super) fn directory_of(path: &Path) -> &Path {
    path.parent().map_or(Path::new("."), directory::named)
}

fn open_current(directory: &Directory, names: &Names) -> Result<Option<Box<dyn Snapshot>>, StoreError> {
    let vault = open_snapshot(directory, &names.vault)?;
    if vault.is_some() || !directory.has(&names.previous)? {
        return Ok(vault);
    }
    // Between the two looks others may have created the vault and replaced it: look once more.
    match open_snapshot(directory, &names.vault)? {
        Some(vault) => Ok(Some(vault)),
        None => Err(StoreError::Missing {
            vault: directory.path_of(&names.vault),
            previous: directory.path_of(&names.previous),
        }),
    }
}

fn open_snapshot(directory: &Directory, name: &OsStr) -> Result<Option<Box<dyn Snapshot>>, StoreError> {
    let opened = directory.open_file(name)?;
    Ok(opened.map(|(file, length)| Box::new(FileSnapshot::new(file, length)) as Box<dyn Snapshot>))
}

/// One generation, open: it stays what it is when the name gets another one.
#[derive(Debug)]
pub(super) struct FileSnapshot {
    file: File,
    length: u64,
}

impl FileSnapshot {
    pub(super) const fn new(file: File, length: u64) -> Self {
        Self { file, length }
    }
}

impl Snapshot for FileSnapshot {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = u64::try_from(buffer.len()).ok().and_then(|length| offset.checked_add(length));
        if end.is_none_or(|end| end > self.length) {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        disk::through(&self.file).read_exact_at(buffer, offset)
    }
}

/// The turn to write a [`FileStore`].
#[derive(Debug)]
struct FileTurn {
    directory: Directory,
    names: Names,
    anchored: Option<(AnchorFile, Anchor)>,
    _lock: Lock,
}

impl WriteTurn for FileTurn {
    fn open(&self) -> Result<Option<Box<dyn Snapshot>>, StoreError> {
        admit(self.anchor(), open_current(&self.directory, &self.names)?, &self.vault_path())
    }

    fn anchor(&self) -> Option<&Anchor> {
        self.anchored.as_ref().map(|(_, anchor)| anchor)
    }

    fn open_previous(&self) -> Result<Option<Box<dyn Snapshot>>, StoreError> {
        open_snapshot(&self.directory, &self.names.previous)
    }

    fn replace(
        self: Box<Self>,
        expected: &Expected,
        bytes: &[u8],
        previous: Previous,
    ) -> Result<(), StoreError> {
        self.check_length(bytes)?;
        let place = self.compare(expected)?;
        let temp = self.write_temp(bytes)?;
        match place {
            Place::Free => self.publish_first(temp)?,
            Place::Taken => self.publish_next(temp, previous)?,
            Place::Unreadable => self.publish_over_damaged(temp)?,
        }
        self.confirmed(self.directory.sync())?;
        self.advance_anchor(bytes)
    }
}

/// What has the vault's name when a generation is going to be published.
#[derive(Debug)]
enum Place {
    Free,
    Taken,
    Unreadable,
}

impl FileTurn {
    fn vault_path(&self) -> PathBuf {
        self.directory.path_of(&self.names.vault)
    }

    fn conflict(&self) -> StoreError {
        StoreError::Conflict { vault: self.vault_path() }
    }

    fn check_length(&self, bytes: &[u8]) -> Result<(), StoreError> {
        match u64::try_from(bytes.len()).unwrap_or(u64::MAX) {
            0..=MAX_FILE => Ok(()),
            length => Err(StoreError::TooLarge { path: self.vault_path(), length }),
        }
    }

    /// Compares what is there with what is expected.
    fn compare(&self, expected: &Expected) -> Result<Place, StoreError> {
        match (expected, self.current()?) {
            (Expected::Absent, Current::Absent) => Ok(Place::Free),
            (Expected::Unreadable, Current::OnlyPrevious(_)) => Ok(Place::Free),
            (Expected::Unreadable, Current::Unreadable) => Ok(Place::Unreadable),
            (Expected::Revision(seen), Current::Revision(found)) if *seen == found => Ok(Place::Taken),
            (_, Current::OnlyPrevious(missing)) => Err(missing),
            _ => Err(self.conflict()),
        }
    }

    fn current(&self) -> Result<Current, StoreError> {
        match self.open() {
            Ok(None) => Ok(Current::Absent),
            Ok(Some(vault)) => {
                let revision = revision(&*vault).map_err(StoreError::io("read", &self.vault_path()))?;
                Ok(revision.map_or(Current::Unreadable, Current::Revision))
            }
            Err(missing @ StoreError::Missing { .. }) => Ok(Current::OnlyPrevious(missing)),
            // As good as unreadable: a restore sets it aside, and nobody else comes so far.
            Err(error) if error.is_refused_by_anchor() => Ok(Current::Unreadable),
            Err(error) => Err(error),
        }
    }

    /// Writes `bytes` to a new file, durably, and reads them back.
    fn write_temp(&self, bytes: &[u8]) -> Result<Temp<'_>, StoreError> {
        let name = self.temp_name()?;
        let temp = Temp { file: self.directory.create_file(&name)?, name, turn: self, named: true };
        self.directory.give_us_access(&temp.name, &temp.file)?;
        write_durably(&temp.file, bytes, &self.vault_path())?;
        Ok(temp)
    }

    fn temp_name(&self) -> Result<OsString, StoreError> {
        self.names.new_temp().map_err(StoreError::io("name a temporary file for", &self.vault_path()))
    }

    /// Gives the file the vault's name only if that is free, whatever anybody does at the same time. Before, its
    /// directory is on disk, which may be as new as the vault: later writes rely on that.
    fn publish_first(&self, temp: Temp<'_>) -> Result<(), StoreError> {
        self.directory.sync_way()?;
        self.directory.publish_new(&temp.name, &self.names.vault).map_err(|error| match error {
            Errno::EXIST => self.conflict(),
            _ => StoreError::io("create", &self.vault_path())(error),
        })
    }

    fn publish_next(&self, temp: Temp<'_>, previous: Previous) -> Result<(), StoreError> {
        match previous {
            Previous::Drop => self.directory.discard(&self.names.previous)?,
            Previous::Exchange => return self.publish_exchanged(temp),
            Previous::Keep => self.keep_previous()?,
        }
        temp.rename_over_vault()
    }

    /// Keeps the previous generation until the new one, which was made from it, is on disk: the current one may be
    /// damaged. Till then the current one has a second name that the next writer would sweep.
    fn publish_exchanged(&self, temp: Temp<'_>) -> Result<(), StoreError> {
        self.directory.check_replaceable(&self.names.previous)?;
        let aside = self.temp_name()?;
        match self.directory.link(&self.names.vault, &aside) {
            Ok(()) => {}
            Err(error) if directory::has_no_links(error) => return temp.rename_over_vault(),
            Err(error) => return Err(self.cannot_make(&self.names.previous, error)),
        }
        let exchanged = self.exchange(temp, &aside);
        // After a failure it is left, and where both names stood for one file, which a rename leaves alone.
        let _ = self.directory.unlink(&aside);
        exchanged
    }

    fn exchange(&self, temp: Temp<'_>, aside: &OsStr) -> Result<(), StoreError> {
        temp.rename_over_vault()?;
        self.confirmed(self.directory.sync())?;
        self.confirmed(self.directory.rename(aside, &self.names.previous))
    }

    /// A file system without hard links has no previous generations.
    fn keep_previous(&self) -> Result<(), StoreError> {
        self.directory.discard(&self.names.previous)?;
        match self.directory.link(&self.names.vault, &self.names.previous) {
            Err(error) if !directory::has_no_links(error) => {
                Err(self.cannot_make(&self.names.previous, error))
            }
            _ => Ok(()),
        }
    }

    /// Sets the unreadable file aside by a second name, so that the vault's name is never free.
    fn publish_over_damaged(&self, temp: Temp<'_>) -> Result<(), StoreError> {
        self.directory.discard(&self.names.damaged)?;
        self.directory
            .link(&self.names.vault, &self.names.damaged)
            .map_err(|error| self.cannot_make(&self.names.damaged, error))?;
        temp.rename_over_vault()
    }

    fn cannot_make(&self, name: &OsStr, error: Errno) -> StoreError {
        StoreError::io("create", &self.directory.path_of(name))(error)
    }

    /// After the vault has its new content: whatever fails then, it is saved.
    fn confirmed(&self, done: Result<(), Errno>) -> Result<(), StoreError> {
        done.map_err(|error| StoreError::NotDurable { vault: self.vault_path(), source: error.into() })
    }

    /// Notes what is published and on disk, if the vault has an anchor.
    fn advance_anchor(&self, bytes: &[u8]) -> Result<(), StoreError> {
        let Some((file, _)) = &self.anchored else { return Ok(()) };
        let state = State::of(&bytes).and_then(|state| state.ok_or(ErrorKind::InvalidData.into()));
        let state = state.map_err(StoreError::io("read the state of", &self.vault_path()));
        let written = state.and_then(|state| file.write(state));
        written.map(drop).map_err(|error| StoreError::AnchorNotWritten {
            vault: self.vault_path(),
            source: Box::new(error),
        })
    }
}

#[derive(Debug)]
enum Current {
    Absent,
    /// With the error that says so.
    OnlyPrevious(StoreError),
    Revision(Revision),
    Unreadable,
}

/// A temporary file, which loses its name when dropped.
#[derive(Debug)]
struct Temp<'a> {
    file: File,
    name: OsString,
    turn: &'a FileTurn,
    named: bool,
}

impl Temp<'_> {
    fn rename_over_vault(mut self) -> Result<(), StoreError> {
        let turn = self.turn;
        turn.directory
            .rename(&self.name, &turn.names.vault)
            .map_err(StoreError::io("replace", &turn.vault_path()))?;
        self.named = false;
        Ok(())
    }
}

impl Drop for Temp<'_> {
    fn drop(&mut self) {
        if self.named {
            // The next writer tries again.
            let _ = self.turn.directory.unlink(&self.name);
        }
    }
}

/// Writes `bytes` to a new file, waits until they are on disk, and reads them back; `shown` is what messages
/// call the file.
pub(super) fn write_durably(file: &File, bytes: &[u8], shown: &Path) -> Result<(), StoreError> {
    disk::write_durably(file, bytes).map_err(|error| match error {
        WriteError::Io { act, source } => StoreError::io(act, shown)(source),
        WriteError::ReadBack => StoreError::ReadBack { vault: shown.to_owned() },
    })
}

const LOCK_DEADLINE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
