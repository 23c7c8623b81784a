//! Disks that take no new tokens, after the server has taken the old ones for them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::tempdir;
use vault_auth::login::sign_out;
use vault_auth::refresh::{Need, RefreshError};
use vault_auth::session_file::SessionFile;
use vault_auth::stored_session::State;
use vault_auth::token_store::{StoreFailure, TokenStore};
use vault_core::format::Snapshot;
use vault_core::store::{Expected, FileStore, Previous, StoreError, VaultStore, WriteTurn};

use crate::sample::{Home, WAIT, key, open_store, serial, serial_of};
use crate::server::{LIFE, Mode, Server};

/// A file of whose writes some fail, as those of a broken or full disk.
#[derive(Debug)]
struct FailingFile {
    inner: FileStore,
    /// How many writes go well, and how many fail after them.
    good: u32,
    bad: u32,
    code: i32,
    writes: AtomicU32,
}

impl VaultStore for FailingFile {
    fn open(&self) -> Result<Option<Box<dyn Snapshot>>, StoreError> {
        self.inner.open()
    }

    fn begin_write(&self) -> Result<Box<dyn WriteTurn + '_>, StoreError> {
        let nth = self.writes.fetch_add(1, Ordering::SeqCst);
        if !(self.good..self.good + self.bad).contains(&nth) {
            return self.inner.begin_write();
        }
        let source = io::Error::from_raw_os_error(self.code);
        Err(StoreError::Io { act: "write", path: self.location().to_owned(), source })
    }

    fn location(&self) -> &Path {
        self.inner.location()
    }
}

/// Opens the home's file with a disk that takes `good` writes and refuses `bad` ones after them.
fn failing(home: &Home, good: u32, bad: u32, code: i32) -> SessionFile {
    let inner = FileStore::new(home.path().join("auth"));
    open_store(FailingFile { inner, good, bad, code, writes: AtomicU32::new(0) }, home.path())
}

/// Opens it with a disk that takes one write, the note, and no more.
fn failing_after_the_note(home: &Home, code: i32) -> SessionFile {
    failing(home, 1, u32::MAX - 1, code)
}

fn spilled(home: &Home) -> Vec<PathBuf> {
    let entries = fs::read_dir(home.spill()).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn expired() -> Home {
    let home = Home::signed_in(Server::new(Mode::Strict));
    home.clock.advance(LIFE);
    home
}

const ENOSPC: i32 = 28;
const EIO: i32 = 5;
const EROFS: i32 = 30;

#[test]
fn ct_08_tokens_that_can_not_be_saved_are_sealed_elsewhere_and_come_back_at_the_next_start() {
    for code in [ENOSPC, EIO, EROFS] {
        let home = expired();
        let store = failing_after_the_note(&home, code);
        let access = home.access_from(&store, Need::default()).unwrap();
        assert_eq!(serial(&access), 2, "the tokens are there to be used");
        let unsaved = access.unsaved.unwrap();
        assert_eq!(spilled(&home), [unsaved.kept_in.unwrap()]);
        let cause = std::error::Error::source(&unsaved.failure).unwrap().to_string();
        assert!(cause.contains(&io::Error::from_raw_os_error(code).to_string()), "{cause}");
        assert_eq!(serial(&home.access().unwrap()), 2, "the next start has them");
        assert!(spilled(&home).is_empty(), "and puts them where they belong");
        assert_eq!(home.state(), State::Valid);
        assert_eq!((home.server.seen().requests, home.server.seen().replays), (1, 0));
    }
}

#[test]
fn ct_08_a_disk_that_fails_before_the_token_is_sent_costs_no_token() {
    let home = expired();
    let store = failing(&home, 0, 1, ENOSPC);
    let error = home.access_from(&store, Need::default()).unwrap_err();
    assert!(matches!(error, RefreshError::Store(StoreFailure::File(_))), "{error}");
    assert_eq!((home.server.seen().requests, spilled(&home).len()), (0, 0));
    assert_eq!(serial(&home.access_from(&store, Need::default()).unwrap()), 2);
}

#[test]
fn a_save_that_fails_twice_is_tried_a_third_time() {
    let home = expired();
    let access = home.access_from(&failing(&home, 1, 2, EIO), Need::default()).unwrap();
    assert!(access.unsaved.is_none() && spilled(&home).is_empty());
    assert_eq!(serial(&home.access().unwrap()), 2);
}

#[test]
fn a_spill_is_sealed_and_has_no_other_session() {
    let home = expired();
    let store = failing_after_the_note(&home, ENOSPC);
    let unsaved = home.access_from(&store, Need::default()).unwrap().unsaved.unwrap();
    let path = unsaved.kept_in.unwrap();
    let bytes = fs::read(&path).unwrap();
    assert!(!bytes.windows(7).any(|part| part == b"access-" || part == b"refresh"), "it is not sealed");
    let alone = open_store(FileStore::new(&path), &home.path().join("elsewhere"));
    assert_eq!(alone.names("").unwrap().len(), 1);
    assert_eq!(serial_of(&alone.load(&key()).unwrap().unwrap()), 2);
}

#[test]
fn a_spill_that_is_older_than_the_file_is_not_taken() {
    let home = expired();
    let store = failing_after_the_note(&home, ENOSPC);
    let kept_in = home.access_from(&store, Need::default()).unwrap().unsaved.unwrap().kept_in.unwrap();
    let old = fs::read(&kept_in).unwrap();
    home.access().unwrap();
    home.clock.advance(LIFE);
    assert_eq!(serial(&home.access().unwrap()), 3);
    restore(&kept_in, &old);
    assert_eq!(serial(&home.access().unwrap()), 3);
}

#[test]
fn a_logout_is_newer_than_a_spill() {
    let home = expired();
    let store = failing_after_the_note(&home, ENOSPC);
    let kept_in = home.access_from(&store, Need::default()).unwrap().unsaved.unwrap().kept_in.unwrap();
    let old = fs::read(&kept_in).unwrap();
    sign_out(&home.open(), &key(), WAIT).unwrap();
    restore(&kept_in, &old);
    assert!(matches!(home.access(), Err(RefreshError::NotSignedIn)));
}

#[test]
fn a_spill_of_another_vault_or_of_nothing_is_passed_over() {
    let home = expired();
    let store = failing_after_the_note(&home, ENOSPC);
    let kept_in = home.access_from(&store, Need::default()).unwrap().unsaved.unwrap().kept_in.unwrap();
    let other = Home::signed_in(Server::new(Mode::Strict));
    for bytes in [b"torn".to_vec(), Vec::new(), fs::read(other.path().join("auth")).unwrap()] {
        restore(&kept_in, &bytes);
        assert_eq!(serial_of(&home.stored()), 1);
    }
}

fn restore(path: &Path, bytes: &[u8]) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Mounts a file system in memory of 64 KiB and unmounts it when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(directory: &Path) -> Self {
        run("mount", &["-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs"], directory);
        Self(directory.to_owned())
    }

    fn remount_read_only(&self) {
        run("mount", &["-o", "remount,ro"], &self.0);
    }

    fn fill(&self) {
        drop(fs::write(self.0.join("filler"), vec![0; 1 << 20]));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run("umount", &["-l"], &self.0);
    }
}

fn run(command: &str, arguments: &[&str], directory: &Path) {
    let status = Command::new(command).args(arguments).arg(directory).status().unwrap();
    assert!(status.success(), "`{command}` failed: these tests mount file systems and run as root");
}

#[test]
fn ct_08_a_disk_that_is_full_or_read_only_costs_no_token_and_gives_those_that_live() {
    let directory = tempdir().unwrap();
    let disk = SmallDisk::mount(directory.path());
    let home = Home::signed_in_at(directory, Server::new(Mode::Strict));
    home.clock.advance(LIFE - 30);
    disk.fill();
    for _ in 0..2 {
        let access = home.access().unwrap();
        assert!(serial(&access) == 1 && matches!(access.postponed, Some(RefreshError::Store(_))));
        disk.remount_read_only();
    }
    home.clock.advance(30);
    assert!(matches!(home.access(), Err(RefreshError::Store(_))));
    assert_eq!((home.server.seen().requests, home.state()), (0, State::Valid));
}

/// A write after which the directory could not be flushed.
#[derive(Debug)]
struct UnconfirmedFile(FileStore);

#[derive(Debug)]
struct UnconfirmedTurn<'f>(Box<dyn WriteTurn + 'f>, PathBuf);

impl VaultStore for UnconfirmedFile {
    fn open(&self) -> Result<Option<Box<dyn Snapshot>>, StoreError> {
        self.0.open()
    }

    fn begin_write(&self) -> Result<Box<dyn WriteTurn + '_>, StoreError> {
        Ok(Box::new(UnconfirmedTurn(self.0.begin_write()?, self.location().to_owned())))
    }

    fn location(&self) -> &Path {
        self.0.location()
    }
}

impl WriteTurn for UnconfirmedTurn<'_> {
    fn open(&self) -> Result<Option<Box<dyn Snapshot>>, StoreError> {
        self.0.open()
    }

    fn open_previous(&self) -> Result<Option<Box<dyn Snapshot>>, StoreError> {
        self.0.open_previous()
    }

    fn replace(
        self: Box<Self>,
        expected: &Expected,
        bytes: &[u8],
        previous: Previous,
    ) -> Result<(), StoreError> {
        self.0.replace(expected, bytes, previous)?;
        Err(StoreError::NotDurable { vault: self.1, source: io::Error::from_raw_os_error(EIO) })
    }
}

#[test]
fn a_note_that_is_not_surely_on_disk_sends_nothing() {
    let home = expired();
    let store = open_store(UnconfirmedFile(FileStore::new(home.path().join("auth"))), home.path());
    let error = home.access_from(&store, Need::default()).unwrap_err();
    assert!(matches!(&error, RefreshError::Store(failure) if failure.is_written()), "{error}");
    assert_eq!(home.server.seen().requests, 0);
}
