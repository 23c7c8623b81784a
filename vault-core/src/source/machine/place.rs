//! The place of a seed: a private directory, opened once, and a name in it. Nothing here knows what is in
//! the file.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, Stat};
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::MachineError;
use crate::crypto::generate;
use crate::disk::{self, WriteError, fsync, linkat, mkdirat, openat, sync_way_to, unlinkat};
use crate::slot::{SlotId, VaultId};
use crate::source::command_for;

/// The directory of the seeds, opened once, and the name of one seed in it.
pub(super) struct Place {
    dir: OwnedFd,
    dir_path: PathBuf,
    name: String,
}

impl Place {
    /// Opens the directory, which only this account may use.
    pub(super) fn open(dir_path: &Path, vault: VaultId, slot: SlotId) -> Result<Self, MachineError> {
        let name = format!("{vault}-{slot}");
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = openat(CWD, dir_path, flags, Mode::empty()).map_err(|errno| match errno {
            Errno::NOENT => MachineError::Absent { path: dir_path.join(&name) },
            _ => failed("open", dir_path, errno),
        })?;
        let stat = rustix::fs::fstat(&dir).map_err(|errno| failed("open", dir_path, errno))?;
        check_private(dir_path, &stat, "chmod 700")?;
        Ok(Self { dir, dir_path: dir_path.to_owned(), name })
    }

    /// Opens the directory and makes it first, with its parents, where it is not there.
    pub(super) fn create(dir_path: &Path, vault: VaultId, slot: SlotId) -> Result<Self, MachineError> {
        let made = create_dir(dir_path);
        made.map_err(|source| MachineError::Io { action: "create", path: dir_path.to_owned(), source })?;
        Self::open(dir_path, vault, slot)
    }

    pub(super) fn path(&self) -> PathBuf {
        self.dir_path.join(&self.name)
    }

    /// Reads the seed file, no further than a byte above `limit`: who reads the text refuses what is longer.
    pub(super) fn read(&self, limit: usize) -> Result<Zeroizing<Vec<u8>>, MachineError> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(2 * limit));
        let file = self.open_seed()?;
        let read = disk::through(&file).take(limit as u64 + 1).read_to_end(&mut bytes);
        read.map_err(|source| MachineError::Io { action: "read", path: self.path(), source })?;
        Ok(bytes)
    }

    /// Opens the seed file without following a link, and without waiting for a pipe.
    fn open_seed(&self) -> Result<File, MachineError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&self.dir, &self.name, flags, Mode::empty());
        let file = file.map_err(|errno| match errno {
            Errno::NOENT => MachineError::Absent { path: self.path() },
            Errno::LOOP => MachineError::Symlink { path: self.path() },
            _ => self.failed("open", errno),
        })?;
        let stat = rustix::fs::fstat(&file).map_err(|errno| self.failed("open", errno))?;
        if !rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file() {
            return Err(MachineError::NotFile { path: self.path() });
        }
        check_private(&self.path(), &stat, "chmod 600")?;
        Ok(File::from(file))
    }

    /// Writes `content` to a file of its own, then links it to the seed's name: the link never replaces
    /// a file, and no half-written seed ever has the name.
    pub(super) fn publish(&self, content: &[u8]) -> Result<(), MachineError> {
        let temp = self.temp_name();
        // The directory may be as new as the seed.
        sync_way_to(self.dir.as_fd()).map_err(|errno| failed("flush the way to", &self.dir_path, errno))?;
        let linked = self.write(&temp, content).and_then(|()| self.link(&temp));
        let unlinked = self.unlink(&temp);
        linked.and(unlinked)?;
        self.sync()
    }

    fn write(&self, name: &str, content: &[u8]) -> Result<(), MachineError> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&self.dir, name, flags, FILE_MODE);
        let file = File::from(file.map_err(|errno| self.failed("create", errno))?);
        disk::write_durably(&file, content).map_err(|error| match error {
            WriteError::Io { act, source } => MachineError::Io { action: act, path: self.path(), source },
            WriteError::ReadBack => MachineError::ReadBack { path: self.path() },
        })
    }

    fn link(&self, temp: &str) -> Result<(), MachineError> {
        let linked = linkat(&self.dir, temp, &self.dir, &self.name, AtFlags::empty());
        linked.map_err(|errno| match errno {
            Errno::EXIST => MachineError::AlreadyEnrolled { path: self.path() },
            _ => self.failed("link", errno),
        })
    }

    /// Takes `name` away; one that is not there is away already.
    fn unlink(&self, name: &str) -> Result<(), MachineError> {
        match unlinkat(&self.dir, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(self.failed("remove", errno)),
        }
    }

    /// Takes the seed away, then the temporary files of its slot, which may hold a seed too.
    pub(super) fn remove(&self) -> Result<(), MachineError> {
        self.unlink(&self.name)?;
        for temp in self.temp_files()? {
            self.unlink(&temp)?;
        }
        self.sync()
    }

    fn temp_files(&self) -> Result<Vec<String>, MachineError> {
        let prefix = self.temp_prefix();
        let listed = rustix::fs::Dir::read_from(&self.dir).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let entries = listed.map_err(|errno| failed("list", &self.dir_path, errno))?;
        let names = entries.iter().filter_map(|entry| entry.file_name().to_str().ok());
        Ok(names.filter(|name| name.starts_with(&prefix)).map(str::to_owned).collect())
    }

    fn temp_prefix(&self) -> String {
        format!(".{}.tmp.", self.name)
    }

    fn temp_name(&self) -> String {
        format!("{}{:016x}", self.temp_prefix(), u64::from_le_bytes(generate()))
    }

    fn sync(&self) -> Result<(), MachineError> {
        fsync(&self.dir).map_err(|errno| failed("confirm on disk", &self.dir_path, errno))
    }

    fn failed(&self, action: &'static str, errno: Errno) -> MachineError {
        failed(action, &self.path(), errno)
    }
}

/// Makes a directory with its parents. They are on disk before a seed in it is.
fn create_dir(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    create_dir(parent)?;
    match mkdirat(CWD, path, DIR_MODE) {
        Err(errno) if errno != Errno::EXIST => Err(errno.into()),
        _ => Ok(()),
    }
}

fn failed(action: &'static str, path: &Path, errno: Errno) -> MachineError {
    MachineError::Io { action, path: path.to_owned(), source: errno.into() }
}

/// Refuses what another account owns or can use; `chmod` is the command that would put the rights right.
fn check_private(path: &Path, stat: &Stat, chmod: &str) -> Result<(), MachineError> {
    let this_account = rustix::process::geteuid().as_raw();
    if stat.st_uid != this_account {
        let fix = command_for(&format!("sudo chown {this_account}"), path);
        return Err(MachineError::OtherOwner { path: path.to_owned(), fix });
    }
    if Mode::from_raw_mode(stat.st_mode).intersects(Mode::RWXG | Mode::RWXO) {
        return Err(MachineError::OthersHaveAccess { path: path.to_owned(), fix: command_for(chmod, path) });
    }
    Ok(())
}

/// Read and written by this account alone.
const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);
const DIR_MODE: Mode = Mode::RWXU;

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn private_place() -> (tempfile::TempDir, Place) {
        let home = tempfile::tempdir().unwrap();
        fs::set_permissions(home.path(), Permissions::from_mode(0o700)).unwrap();
        let place = Place::open(home.path(), VaultId::new([1; 16]), SlotId::new([2; 16])).unwrap();
        (home, place)
    }

    #[test]
    fn a_seed_is_read_no_further_than_a_byte_above_the_limit() {
        let (_home, place) = private_place();
        fs::write(place.path(), [7; 10]).unwrap();
        fs::set_permissions(place.path(), Permissions::from_mode(0o600)).unwrap();
        for (limit, read) in [(5, 6), (9, 10), (10, 10)] {
            assert_eq!(place.read(limit).unwrap().len(), read, "{limit}");
        }
    }

    #[test]
    fn a_name_that_is_taken_is_not_written_to() {
        let (home, place) = private_place();
        fs::write(home.path().join("file"), "old").unwrap();
        std::os::unix::fs::symlink("file", home.path().join("link")).unwrap();
        std::os::unix::fs::symlink("none", home.path().join("dangling")).unwrap();
        for name in ["file", "link", "dangling"] {
            let refused = place.write(name, b"new").unwrap_err();
            assert!(matches!(refused, MachineError::Io { action: "create", .. }), "{name}: {refused}");
        }
        assert_eq!(fs::read(home.path().join("file")).unwrap(), b"old");
        assert!(!home.path().join("none").exists());
    }

    #[test]
    fn a_file_of_another_account_is_refused_with_the_command_that_helps() {
        let mut stat = rustix::fs::stat(".").unwrap();
        let this_account = stat.st_uid;
        stat.st_uid = this_account + 1;
        let error = check_private(Path::new("/x"), &stat, "chmod 700").unwrap_err();
        let message = format!("another account owns /x: run `sudo chown {this_account} /x`");
        assert_eq!(error.to_string(), message);
    }
}
