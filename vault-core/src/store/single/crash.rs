//! Single files under crashes and failures: the old file or the new one, and nothing beside it that anybody notices.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use tempfile::{TempDir, tempdir};

use super::*;
use crate::disk::model::{Tree, hash_of};
use crate::disk::watch::{Call, Fate, recorded, watched};

/// The ways to write a file: what becomes of another one, and whether there is one.
const WAYS: [(Existing, bool); 3] =
    [(Existing::Keep, false), (Existing::Replace, false), (Existing::Replace, true)];
const NAME: &str = "bundle";

fn new_bytes() -> Vec<u8> {
    (0..5000_u32).flat_map(u32::to_le_bytes).take(5000).collect()
}

fn home(is_there: bool) -> (TempDir, PathBuf) {
    let home = tempdir().unwrap();
    let path = home.path().join(NAME);
    if is_there {
        fs::write(&path, "old").unwrap();
    }
    (home, path)
}

fn names(home: &TempDir) -> Vec<std::ffi::OsString> {
    fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect()
}

#[test]
fn a_crash_leaves_the_old_file_or_the_new_one_and_the_new_one_after_success() {
    let new = hash_of(&new_bytes());
    for (existing, is_there) in WAYS {
        let (home, path) = home(is_there);
        let before = Tree::read(home.path());
        let (result, seen) = recorded(|| write(&path, &new_bytes(), existing));
        result.unwrap();
        let mut states = 0;
        before.crash_during(&seen.changes, |state, success| {
            states += 1;
            let found = state.hash_at(Path::new(NAME));
            let old = is_there.then(|| hash_of(b"old"));
            assert!(found == Some(new) || found == old && !success, "{existing:?} {is_there}");
            assert!(!success || state.files().count() == 1, "a temporary file is back");
        });
        assert!(states > 10_000, "{states}");
    }
}

#[test]
fn a_call_that_fails_leaves_the_old_file_and_no_other() {
    for (existing, is_there) in WAYS {
        let (_home, path) = home(is_there);
        let calls = recorded(|| write(&path, &new_bytes(), existing)).1.calls;
        for (nth, call) in calls.into_iter().enumerate() {
            for error in [Errno::IO, Errno::NOSPC] {
                let (home, path) = home(is_there);
                let old = fs::read(&path).ok();
                let fail = move |at, _| if at == nth { Fate::Fail(error) } else { Fate::Pass };
                let (result, _) = watched(fail, || write(&path, &new_bytes(), existing));
                let expected = match result {
                    Ok(()) | Err(StoreError::NotDurable { .. }) => Some(new_bytes()),
                    Err(_) => old,
                };
                assert_eq!(result.is_ok(), call == Call::Unlink, "{existing:?}: call {nth}, {call:?}");
                assert_eq!(fs::read(&path).ok(), expected, "{existing:?}: call {nth}, {call:?}");
                let is_alone = names(&home).iter().all(|name| name == OsStr::new(NAME));
                assert!(is_alone || call == Call::Unlink, "{existing:?}: call {nth}, {call:?}");
            }
        }
    }
}

#[test]
fn a_bit_that_is_read_back_otherwise_is_refused_and_the_old_file_stays() {
    for place in [0, 1, 2499, 4999] {
        let (home, path) = home(true);
        let flip = move |_, call| if call == Call::Read { Fate::Flip(place) } else { Fate::Pass };
        let (result, _) = watched(flip, || write(&path, &new_bytes(), Existing::Replace));
        assert!(matches!(result, Err(StoreError::ReadBack { .. })), "{result:?}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(&home), [NAME]);
    }
}

#[test]
fn the_access_that_a_umask_took_is_given_back_where_the_file_system_has_modes() {
    let (_home, path) = home(true);
    let (directory, name) = find(&path).unwrap();
    let file = fs::File::open(&path).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o200)).unwrap();
    directory.give_us_access_by_mode(name, &file).unwrap();
    assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
    for (error, is_told) in [(Errno::PERM, false), (Errno::OPNOTSUPP, false), (Errno::IO, true)] {
        let (given, _) =
            watched(move |_, _| Fate::Fail(error), || directory.give_us_access_by_mode(name, &file));
        assert_eq!(given.is_err(), is_told, "{error}");
    }
}

#[test]
fn a_file_that_appears_after_the_look_is_kept() {
    let (home, path) = home(true);
    let (directory, name) = find(&path).unwrap();
    let written = Target::new(&directory, name, &path).write(OsStr::new("temp"), b"new", Existing::Keep);
    assert!(matches!(written, Err(StoreError::Exists { .. })), "{written:?}");
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(names(&home), [NAME]);
}
