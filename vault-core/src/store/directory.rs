//! One open directory, and the files in it by name. The path is resolved once, when the directory is
//! opened; whoever swaps a directory on the way to it later changes nothing. No name is followed
//! through a symbolic link.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, RenameFlags, Stat, fstat, statat};
use rustix::io::Errno;

use super::{StoreError, trust};
use crate::disk::{fchmod, fsync, linkat, mkdirat, openat, renameat, renameat_with, sync_way_to, unlinkat};

/// A directory that holds a vault, open.
#[derive(Debug)]
pub(super) struct Directory {
    descriptor: OwnedFd,
    path: PathBuf,
}

impl Directory {
    /// Opens the directory at `path`; `None` if there is none.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, StoreError> {
        match openat(CWD, path, FOLLOWED_DIRECTORY, Mode::empty()) {
            Ok(descriptor) => Self::at(descriptor, path).map(Some),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(StoreError::io("open the directory", path)(error)),
        }
    }

    /// Opens the directory at `path`, which has to be there, whoever may change what is in it.
    pub(super) fn open_anyones(path: &Path) -> Result<Self, StoreError> {
        let opened = openat(CWD, path, FOLLOWED_DIRECTORY, Mode::empty());
        let descriptor = opened.map_err(StoreError::io("open the directory", path))?;
        Ok(Self { descriptor, path: path.to_owned() })
    }

    /// Opens the directory at `path` and makes it, and those on the way to it, where they are missing.
    pub(super) fn open_or_create(path: &Path) -> Result<Self, StoreError> {
        match Self::open(path)? {
            Some(directory) => Ok(directory),
            None => Self::at(create_directories(path)?, path),
        }
    }

    /// Checks the directory at `path`, or the one in which it would be made.
    pub(super) fn check_place(path: &Path) -> Result<(), StoreError> {
        match Self::open(path)? {
            Some(_) => Ok(()),
            None => trusted_ancestor(path).map(drop),
        }
    }

    /// Takes the directory that is open as `descriptor`.
    pub(super) fn at(descriptor: OwnedFd, path: &Path) -> Result<Self, StoreError> {
        trust::check_directory(&stat_open(&descriptor, path)?, path)?;
        Ok(Self { descriptor, path: path.to_owned() })
    }

    /// Returns the path of `name`, for messages.
    pub(super) fn path_of(&self, name: &OsStr) -> PathBuf {
        self.path.join(name)
    }

    /// Opens the file `name` for reading and returns it with its length; `None` if there is none.
    pub(super) fn open_file(&self, name: &OsStr) -> Result<Option<(File, u64)>, StoreError> {
        match openat(&self.descriptor, name, READ, Mode::empty()) {
            Ok(descriptor) => self.checked_file(name, descriptor).map(Some),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(self.refusal("open", name, error)),
        }
    }

    /// Opens the file `name` for reading and writing, and makes it, empty and private, if there is none.
    pub(super) fn open_or_create_file(&self, name: &OsStr) -> Result<File, StoreError> {
        loop {
            match openat(&self.descriptor, name, READ_WRITE, Mode::empty()) {
                Ok(descriptor) => return self.checked_file(name, descriptor).map(|(file, _)| file),
                Err(Errno::NOENT) => {}
                Err(error) => return Err(self.refusal("open", name, error)),
            }
            match self.create(name) {
                Ok(file) => return self.give_us_access(name, &file).map(|()| file),
                // Somebody else was faster: theirs is as good.
                Err(Errno::EXIST) => {}
                Err(error) => return Err(StoreError::io("create", &self.path_of(name))(error)),
            }
        }
    }

    /// Makes the file `name`, which must not be there, for reading and writing by us alone.
    pub(super) fn create_file(&self, name: &OsStr) -> Result<File, StoreError> {
        self.create(name).map_err(StoreError::io("create", &self.path_of(name)))
    }

    fn create(&self, name: &OsStr) -> Result<File, Errno> {
        let flags = READ_WRITE | OFlags::CREATE | OFlags::EXCL;
        openat(&self.descriptor, name, flags, PRIVATE).map(File::from)
    }

    /// Gives us back the access that a umask took away: without it the next one could not open the
    /// file. The mode was never wider than this.
    pub(super) fn give_us_access(&self, name: &OsStr, file: &File) -> Result<(), StoreError> {
        fchmod(file, PRIVATE).map_err(StoreError::io("set the mode of", &self.path_of(name)))
    }

    /// Does the same where the file system has modes, and leaves it at that where it has none.
    pub(super) fn give_us_access_by_mode(&self, name: &OsStr, file: &File) -> Result<(), StoreError> {
        match fchmod(file, PRIVATE) {
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            set => set.map_err(StoreError::io("set the mode of", &self.path_of(name))),
        }
    }

    fn checked_file(&self, name: &OsStr, descriptor: OwnedFd) -> Result<(File, u64), StoreError> {
        let path = self.path_of(name);
        let length = trust::check_file(&stat_open(&descriptor, &path)?, &path)?;
        Ok((descriptor.into(), length))
    }

    /// Says why `name` could not be opened: what it is, whose it is, or else the system's error.
    fn refusal(&self, act: &'static str, name: &OsStr, error: Errno) -> StoreError {
        let path = self.path_of(name);
        let found = self.stat(name).ok().flatten();
        found
            .and_then(|stat| trust::check_file(&stat, &path).err())
            .unwrap_or_else(|| StoreError::io(act, &path)(error))
    }

    /// Tells whether anything, of whatever kind, has the name.
    pub(super) fn has(&self, name: &OsStr) -> Result<bool, StoreError> {
        self.stat(name).map(|stat| stat.is_some())
    }

    /// Tells whether `name` is, still, the file that is open as `file`.
    pub(super) fn names(&self, name: &OsStr, file: &File) -> Result<bool, StoreError> {
        let open = stat_open(file, &self.path_of(name))?;
        let named = self.stat(name)?;
        Ok(named.is_some_and(|named| (named.st_dev, named.st_ino) == (open.st_dev, open.st_ino)))
    }

    fn stat(&self, name: &OsStr) -> Result<Option<Stat>, StoreError> {
        match statat(&self.descriptor, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(StoreError::io("look at", &self.path_of(name))(error)),
        }
    }

    /// Unlinks the file `name` if there is one. Anything but a file of ours is refused.
    pub(super) fn discard(&self, name: &OsStr) -> Result<(), StoreError> {
        let Some(stat) = self.stat(name)? else { return Ok(()) };
        let path = self.path_of(name);
        trust::check_own_file(&stat, &path)?;
        self.unlink(name).map_err(StoreError::io("remove", &path))
    }

    /// Checks that `name` is free, or is that of a file of ours, which may be replaced.
    pub(super) fn check_replaceable(&self, name: &OsStr) -> Result<(), StoreError> {
        let stat = self.stat(name)?;
        stat.map_or(Ok(()), |stat| trust::check_own_file(&stat, &self.path_of(name)))
    }

    /// Unlinks each of our files whose name `stale` accepts. What can't be unlinked stays: it is in
    /// nobody's way.
    pub(super) fn sweep(&self, stale: impl Fn(&OsStr) -> bool) -> Result<(), StoreError> {
        for name in self.list()?.iter().filter(|name| stale(name)) {
            drop(self.discard(name));
        }
        Ok(())
    }

    fn list(&self) -> Result<Vec<OsString>, StoreError> {
        let failed = |error| StoreError::io("list", &self.path)(error);
        Dir::read_from(&self.descriptor)
            .map_err(failed)?
            .map(|entry| Ok(OsStr::from_bytes(entry.map_err(failed)?.file_name().to_bytes()).to_owned()))
            .collect()
    }

    pub(super) fn unlink(&self, name: &OsStr) -> Result<(), Errno> {
        unlinkat(&self.descriptor, name, AtFlags::empty())
    }

    /// Gives the file `name` the second name `other`, which must be free.
    pub(super) fn link(&self, name: &OsStr, other: &OsStr) -> Result<(), Errno> {
        linkat(&self.descriptor, name, &self.descriptor, other, AtFlags::empty())
    }

    /// Renames `name` to `other` and replaces what has that name.
    pub(super) fn rename(&self, name: &OsStr, other: &OsStr) -> Result<(), Errno> {
        renameat(&self.descriptor, name, &self.descriptor, other)
    }

    /// Renames `name` to `other`, which must be free.
    pub(super) fn rename_new(&self, name: &OsStr, other: &OsStr) -> Result<(), Errno> {
        renameat_with(&self.descriptor, name, &self.descriptor, other, RenameFlags::NOREPLACE)
    }

    /// Gives the new file `temp` the name `name`, only if that is free, whatever anybody does at the same
    /// time. `temp` may keep its own name beside it.
    pub(super) fn publish_new(&self, temp: &OsStr, name: &OsStr) -> Result<(), Errno> {
        match self.link(temp, name) {
            Err(error) if has_no_links(error) => self.rename_new(temp, name),
            linked => linked,
        }
    }

    /// Removes the directory itself if nothing is in it. One that stays is in nobody's way.
    pub(super) fn remove_if_empty(&self) {
        let _ = unlinkat(CWD, &self.path, AtFlags::REMOVEDIR);
    }

    /// Waits until the names in the directory are on disk.
    pub(super) fn sync(&self) -> Result<(), Errno> {
        fsync(&self.descriptor)
    }

    /// Waits until the directories on the way to this one are on disk.
    pub(super) fn sync_way(&self) -> Result<(), StoreError> {
        sync_way_to(self.descriptor.as_fd()).map_err(StoreError::io("flush the way to", &self.path))
    }
}

/// Tells whether the error says that the file system has no hard links.
pub(super) fn has_no_links(error: Errno) -> bool {
    matches!(error, Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS)
}

/// Makes the missing directories of `path`, each for us alone, and opens the last one. They are not on disk yet.
fn create_directories(path: &Path) -> Result<OwnedFd, StoreError> {
    let (ancestor, mut reached) = trusted_ancestor(path)?;
    let mut made = ancestor.to_owned();
    for part in path.strip_prefix(ancestor).into_iter().flat_map(Path::components) {
        made.push(part);
        reached = match part {
            Component::Normal(name) => create_directory(&reached, name, &made)?,
            _ => return Err(StoreError::io("create the directory", &made)(Errno::NOENT)),
        };
    }
    Ok(reached)
}

/// Opens the nearest directory above `path` that exists, in which others must not have a say.
fn trusted_ancestor(path: &Path) -> Result<(&Path, OwnedFd), StoreError> {
    let (ancestor, descriptor) = nearest_existing(path)?;
    trust::check_ancestor(&stat_open(&descriptor, named(ancestor))?, named(ancestor), path)?;
    Ok((ancestor, descriptor))
}

fn nearest_existing(path: &Path) -> Result<(&Path, OwnedFd), StoreError> {
    for ancestor in path.ancestors() {
        match openat(CWD, named(ancestor), FOLLOWED_DIRECTORY, Mode::empty()) {
            Ok(descriptor) => return Ok((ancestor, descriptor)),
            Err(Errno::NOENT) => {}
            Err(error) => return Err(StoreError::io("open the directory", named(ancestor))(error)),
        }
    }
    Err(StoreError::io("open the directory", path)(Errno::NOENT))
}

/// Returns a name for the directory `path`, which is empty where a relative path begins.
pub(super) fn named(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

/// Somebody else may make the same directory at the same time; it is checked like any other then.
fn create_directory(parent: &OwnedFd, name: &OsStr, path: &Path) -> Result<OwnedFd, StoreError> {
    let failed = |error| StoreError::io("create the directory", path)(error);
    match mkdirat(parent, name, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(failed(error)),
    }
    openat(parent, name, FOLLOWED_DIRECTORY | OFlags::NOFOLLOW, Mode::empty()).map_err(failed)
}

fn stat_open(file: impl AsFd, path: &Path) -> Result<Stat, StoreError> {
    fstat(file).map_err(StoreError::io("look at", path))
}

const FOLLOWED_DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// Without `NONBLOCK`, opening a FIFO would wait for its other end.
const NO_SURPRISE: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);
const READ: OFlags = OFlags::RDONLY.union(NO_SURPRISE);
const READ_WRITE: OFlags = OFlags::RDWR.union(NO_SURPRISE);
const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_made_is_no_link_that_stands_there() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("elsewhere")).unwrap();
        std::fs::write(home.path().join("file"), "").unwrap();
        std::os::unix::fs::symlink("elsewhere", home.path().join("link")).unwrap();
        let parent = File::open(home.path()).unwrap().into();
        for (name, is_made) in [("new", true), ("elsewhere", true), ("link", false), ("file", false)] {
            let made = create_directory(&parent, OsStr::new(name), &home.path().join(name));
            assert_eq!(made.is_ok(), is_made, "{name}: {made:?}");
        }
    }
}
