//! A single file that a person named, beside no vault: it is written once and whole, durable and private,
//! without a lock, and read wherever it came from. What the bytes mean is the caller's business.

use std::ffi::OsStr;
use std::path::Path;

use rustix::fs::{Mode, OFlags, fstat, open};
use rustix::io::Errno;

use super::directory::Directory;
use super::file::{FileSnapshot, Names, directory_of, write_durably};
use super::{StoreError, trust};
use crate::format::Snapshot;

/// What becomes of a file that has the name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and nothing is written.
    Keep,
    /// It is replaced, if it is a regular file of ours.
    Replace,
}

/// Writes `bytes` to the file at `path`, for us alone: all of them are on disk, or nothing has the name.
///
/// The directory may be anybody's (a stick, a shared folder): nobody can read or alter what is sealed. It
/// has to be there.
///
/// # Errors
///
/// [`StoreError::Exists`] for a name that is taken and kept, [`StoreError::NotAFile`] for one that is not
/// that of a regular file, [`StoreError::NotDurable`] when the file is there but perhaps not on disk yet.
pub fn write(path: &Path, bytes: &[u8], existing: Existing) -> Result<(), StoreError> {
    let target = Target::find(path)?;
    target.check(existing)?;
    let temp = target.names.new_temp().map_err(StoreError::io("name a temporary file for", path))?;
    let written = target.write_temp(&temp, bytes).and_then(|()| target.publish(&temp, existing));
    // After a link the first name is one too many; after a failure it is all that there is.
    let _ = target.directory.unlink(&temp);
    written?;
    let synced = target.directory.sync();
    synced.map_err(|error| StoreError::NotDurable { vault: path.to_owned(), source: error.into() })
}

/// Checks that [`write`](self::write()) would find a directory and a name that it may use, so that nobody
/// is asked for a passphrase in vain.
///
/// # Errors
///
/// As for [`write`](self::write()).
pub fn check(path: &Path, existing: Existing) -> Result<(), StoreError> {
    Target::find(path)?.check(existing)
}

/// Opens the file at `path` for reading, through symbolic links too; `None` if there is none. Its owner and
/// mode do not matter.
///
/// # Errors
///
/// [`StoreError::NotAFile`], [`StoreError::TooLarge`], or the system's error.
pub fn read(path: &Path) -> Result<Option<Box<dyn Snapshot>>, StoreError> {
    // Without O_NONBLOCK, opening a FIFO waits for its writer.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    match open(path, flags, Mode::empty()) {
        Ok(descriptor) => {
            let stat = fstat(&descriptor).map_err(StoreError::io("look at", path))?;
            let length = trust::check_regular(&stat, path).and_then(|()| trust::check_length(&stat, path))?;
            Ok(Some(Box::new(FileSnapshot::new(descriptor.into(), length))))
        }
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(StoreError::io("open", path)(error)),
    }
}

/// A name in an open directory.
#[derive(Debug)]
struct Target<'p> {
    directory: Directory,
    names: Names,
    path: &'p Path,
}

impl<'p> Target<'p> {
    fn find(path: &'p Path) -> Result<Self, StoreError> {
        Ok(Self { names: Names::of(path)?, directory: Directory::open_anyones(directory_of(path))?, path })
    }

    fn check(&self, existing: Existing) -> Result<(), StoreError> {
        match existing {
            Existing::Keep if self.directory.has(&self.names.vault)? => Err(self.exists()),
            Existing::Keep => Ok(()),
            Existing::Replace => self.directory.check_replaceable(&self.names.vault),
        }
    }

    fn exists(&self) -> StoreError {
        StoreError::Exists { path: self.path.to_owned() }
    }

    /// The mode is only ever narrowed by a umask: a file system without modes need not be asked again.
    fn write_temp(&self, temp: &OsStr, bytes: &[u8]) -> Result<(), StoreError> {
        write_durably(&self.directory.create_file(temp)?, bytes, self.path)
    }

    fn publish(&self, temp: &OsStr, existing: Existing) -> Result<(), StoreError> {
        let published = match existing {
            Existing::Keep => self.directory.publish_new(temp, &self.names.vault),
            Existing::Replace => {
                self.directory.check_replaceable(&self.names.vault)?;
                self.directory.rename(temp, &self.names.vault)
            }
        };
        published.map_err(|error| match error {
            Errno::EXIST => self.exists(),
            _ => StoreError::io("create", self.path)(error),
        })
    }
}
