//! Other processes: this test binary started again, with a role.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::Mode;
use vault_core::store::{FileStore, Previous, VaultStore};

use crate::sample::{append, put};

/// What a child process does, in the directory it is started in.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Role {
    /// Appends 25 lines, each in a turn of its own.
    Append,
    /// Takes the turn to write again and again, with a slow disk, until killed.
    Busy,
    /// Takes the turn to write and keeps it until killed.
    Hold,
    /// Writes two generations with a umask that takes nothing away.
    OpenUmask,
    /// Writes two generations with a umask that takes everything away.
    ShutUmask,
}

/// Starts this test binary again in `directory`.
pub(crate) fn start(role: Role, directory: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "process::child_plays_its_role"])
        .env(ROLE, format!("{role:?}"))
        .current_dir(directory)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Starts a process with `role` in `directory` and returns when it has taken the lock of the vault.
pub(crate) fn start_locker(role: Role, directory: &Path) -> Child {
    let child = start(role, directory);
    let started = Instant::now();
    let holds = |lock: String| lock.split([' ', '+']).next() == Some(&child.id().to_string());
    while !fs::read_to_string(directory.join("vault.lock")).is_ok_and(holds) {
        assert!(started.elapsed() < Duration::from_secs(20), "the child does not start");
        thread::sleep(Duration::from_millis(2));
    }
    child
}

/// Does nothing unless it is started by [`start`].
#[test]
#[allow(clippy::disallowed_methods, reason = "a child process of the tests is told its role")]
fn child_plays_its_role() {
    let store = FileStore::new("vault").with_lock_deadline(Duration::from_mins(2));
    match std::env::var(ROLE).as_deref() {
        Ok("Append") => append_lines(&store),
        Ok("Busy") => stay_busy(&store),
        Ok("Hold") => hold(&store),
        Ok("OpenUmask") => write_under(Mode::empty(), Path::new("new/data/vault")),
        Ok("ShutUmask") => write_under(Mode::all(), Path::new("vault")),
        _ => {}
    }
}

fn append_lines(store: &FileStore) {
    for line in 0..25 {
        append(store, &format!("{} {line}\n", std::process::id())).unwrap();
    }
}

fn stay_busy(store: &FileStore) {
    let started = Instant::now();
    while started.elapsed() < Duration::from_mins(1) {
        let _turn = store.begin_write().unwrap();
        thread::sleep(Duration::from_millis(20));
    }
}

fn hold(store: &FileStore) {
    let _turn = store.begin_write().unwrap();
    thread::sleep(Duration::from_mins(5));
}

fn write_under(umask: Mode, vault: &Path) {
    let store = FileStore::new(vault);
    let before = rustix::process::umask(umask);
    put(&store, b"first", Previous::Keep).unwrap();
    put(&store, b"second", Previous::Keep).unwrap();
    rustix::process::umask(before);
}

const ROLE: &str = "KEYWARD_STORE_TEST_ROLE";
