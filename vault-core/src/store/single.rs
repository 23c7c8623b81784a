//! A single file that a person named, beside no vault: it is written once and whole, durable and private,
//! without a lock, and read wherever it came from. What the bytes mean is the caller's business.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, fstat};
use rustix::io::Errno;

use super::directory::Directory;
use super::file::{FileSnapshot, directory_of, random, write_durably};
use super::{StoreError, trust};
use crate::disk::openat;
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
/// The directory has to be there, and may be anybody's (a stick, a shared folder). Whoever may change it can put
/// another file in the place of this one, and whoever finds a file system without modes can read it: what is
/// sealed bears both, plain text does not. A process that is killed leaves a temporary file, `.keyward.tmp.` and
/// a number, with some or all of the bytes, for us alone; nobody removes it.
///
/// # Errors
///
/// [`StoreError::Exists`] for a name that is taken and kept, [`StoreError::NotAFile`] for one that is not
/// that of a regular file, [`StoreError::NotDurable`] when the file is there but perhaps not on disk yet.
pub fn write(path: &Path, bytes: &[u8], existing: Existing) -> Result<(), StoreError> {
    let (directory, name) = find(path)?;
    publish(&Target::new(&directory, name, path), bytes, existing)
}

/// Writes `bytes` to the file at `path` among keyward's own, in the place of what it had before: all of them are on
/// disk, or nothing has changed. The directory is made where it is missing, and has to be ours alone.
///
/// # Errors
///
/// [`StoreError::Untrusted`] for a directory that others control, else as for [`write`](self::write()).
pub fn write_own(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let name = name_of(path)?;
    let directory = Directory::open_or_create(directory_of(path))?;
    publish(&Target::new(&directory, name, path), bytes, Existing::Replace)
}

fn publish(target: &Target<'_>, bytes: &[u8], existing: Existing) -> Result<(), StoreError> {
    target.check(existing)?;
    let temp = temp_name().map_err(StoreError::io("name a temporary file for", target.path))?;
    target.write(&temp, bytes, existing)
}

/// Checks that [`write`](self::write()) would find a directory and a name that it may use, so that nobody
/// is asked for a passphrase in vain.
///
/// # Errors
///
/// As for [`write`](self::write()).
pub fn check(path: &Path, existing: Existing) -> Result<(), StoreError> {
    let (directory, name) = find(path)?;
    Target::new(&directory, name, path).check(existing)
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
    match openat(CWD, path, flags, Mode::empty()) {
        Ok(descriptor) => {
            let stat = fstat(&descriptor).map_err(StoreError::io("look at", path))?;
            let length = trust::check_regular(&stat, path).and_then(|()| trust::check_length(&stat, path))?;
            Ok(Some(Box::new(FileSnapshot::new(descriptor.into(), length))))
        }
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(StoreError::io("open", path)(error)),
    }
}

/// Returns the open directory of `path` and the name in it.
fn find(path: &Path) -> Result<(Directory, &OsStr), StoreError> {
    let name = name_of(path)?;
    Ok((Directory::open_anyones(directory_of(path))?, name))
}

fn name_of(path: &Path) -> Result<&OsStr, StoreError> {
    path.file_name().ok_or_else(|| StoreError::NotAFile { path: path.to_owned(), found: "a directory" })
}

/// A name in an open directory.
#[derive(Debug)]
pub(super) struct Target<'d> {
    directory: &'d Directory,
    name: &'d OsStr,
    path: &'d Path,
}

impl<'d> Target<'d> {
    /// Takes the name `name` in `directory`; `path` is what messages call it.
    pub(super) const fn new(directory: &'d Directory, name: &'d OsStr, path: &'d Path) -> Self {
        Self { directory, name, path }
    }

    /// Writes `bytes` to the new file `temp` and gives that the target's name: all of them are on disk, or nothing
    /// has the name.
    pub(super) fn write(&self, temp: &OsStr, bytes: &[u8], existing: Existing) -> Result<(), StoreError> {
        let written = self.write_temp(temp, bytes).and_then(|()| self.publish(temp, existing));
        // After a link the first name is one too many; after a failure it is all that there is.
        let _ = self.directory.unlink(temp);
        written?;
        let synced = self.directory.sync();
        synced.map_err(|error| StoreError::NotDurable { vault: self.path.to_owned(), source: error.into() })
    }

    fn check(&self, existing: Existing) -> Result<(), StoreError> {
        match existing {
            Existing::Keep if self.directory.has(self.name)? => Err(self.exists()),
            Existing::Keep => Ok(()),
            Existing::Replace => self.directory.check_replaceable(self.name),
        }
    }

    fn exists(&self) -> StoreError {
        StoreError::Exists { path: self.path.to_owned() }
    }

    fn write_temp(&self, temp: &OsStr, bytes: &[u8]) -> Result<(), StoreError> {
        let file = self.directory.create_file(temp)?;
        self.directory.give_us_access_by_mode(temp, &file)?;
        write_durably(&file, bytes, self.path)
    }

    fn publish(&self, temp: &OsStr, existing: Existing) -> Result<(), StoreError> {
        let published = match existing {
            Existing::Keep => self.directory.publish_new(temp, self.name),
            Existing::Replace => {
                self.directory.check_replaceable(self.name)?;
                self.directory.rename(temp, self.name)
            }
        };
        published.map_err(|error| match error {
            Errno::EXIST => self.exists(),
            _ => StoreError::io("create", self.path)(error),
        })
    }
}

/// Returns a name that nobody can have foreseen. It is short whatever the file's own name is, and longer than those
/// that the writer of a vault called `keyward` takes for its own and sweeps.
fn temp_name() -> io::Result<OsString> {
    Ok(format!(".keyward.tmp.{:032x}", random()?).into())
}

#[cfg(test)]
mod crash;
