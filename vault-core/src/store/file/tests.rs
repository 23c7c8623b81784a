//! The parts of the write protocol, each by itself.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rustix::fs::{CWD, Mode, OFlags, openat};
use tempfile::{TempDir, tempdir};

use super::*;

fn turn_in(home: &TempDir) -> FileTurn {
    let path = home.path().join("vault");
    let names = Names::of(&path).unwrap();
    let directory = Directory::open(home.path()).unwrap().unwrap();
    let lock = Lock::acquire(&directory, &names.lock, Duration::ZERO).unwrap();
    FileTurn { directory, names, anchored: None, _lock: lock }
}

#[test]
fn first_generation_never_replaces_a_file_that_ignored_the_lock() {
    let home = tempdir().unwrap();
    let turn = turn_in(&home);
    let temp = turn.write_temp(b"ours").unwrap();
    fs::write(home.path().join("vault"), b"theirs").unwrap();
    let result = turn.publish_first(temp);
    assert!(matches!(result, Err(StoreError::Conflict { .. })), "{result:?}");
    assert_eq!(fs::read(home.path().join("vault")).unwrap(), b"theirs");
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 2, "vault and lock");
}

#[test]
fn what_a_turn_refuses_names_the_vault() {
    let home = tempdir().unwrap();
    assert_eq!(turn_in(&home).vault_path(), home.path().join("vault"));
}

#[test]
fn rename_to_a_free_name_never_replaces_a_file() {
    let home = tempdir().unwrap();
    let turn = turn_in(&home);
    let temp = turn.write_temp(b"ours").unwrap();
    fs::write(home.path().join("vault"), b"theirs").unwrap();
    let renamed = turn.directory.rename_new(&temp.name, &turn.names.vault);
    assert_eq!(renamed, Err(Errno::EXIST));
}

#[test]
fn temporary_file_is_private_and_goes_when_dropped() {
    let home = tempdir().unwrap();
    let turn = turn_in(&home);
    let temp = turn.write_temp(b"ours").unwrap();
    let path = home.path().join(&temp.name);
    assert!(turn.names.is_temp(&temp.name));
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
    drop(temp);
    assert!(!path.exists());
}

#[test]
fn names_that_can_not_be_flushed_are_saved_and_not_confirmed() {
    let home = tempdir().unwrap();
    let mut turn = turn_in(&home);
    // Such a descriptor reaches the files and refuses fsync, as a failing disk does.
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let descriptor = openat(CWD, home.path(), flags, Mode::empty()).unwrap();
    turn.directory = Directory::at(descriptor, home.path()).unwrap();
    let result = Box::new(turn).replace(&Expected::Absent, b"saved", Previous::Keep);
    assert!(matches!(result, Err(StoreError::NotDurable { .. })), "{result:?}");
    assert_eq!(fs::read(home.path().join("vault")).unwrap(), b"saved");
}
