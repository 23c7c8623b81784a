//! A single file that a person named: what takes its name, what is replaced, and what can be read.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use rustix::fs::{CWD, Mode, mkfifoat};
use tempfile::tempdir;
use vault_core::format::MAX_FILE;
use vault_core::store::StoreError;
use vault_core::store::single::{self, Existing};

use crate::disk::SmallDisk;
use crate::sample::{contents, names};

/// Checks that neither the check nor the write takes the name, and that nothing is left over.
#[track_caller]
fn refused(path: &Path, existing: Existing) -> StoreError {
    let directory = path.parent().unwrap();
    let count = || fs::read_dir(directory).unwrap().count();
    let before = count();
    assert!(single::check(path, existing).is_err(), "{}", path.display());
    let error = single::write(path, b"new", existing).unwrap_err();
    assert_eq!(count(), before);
    error
}

fn bytes(path: &Path) -> Result<Vec<u8>, StoreError> {
    let snapshot = single::read(path)?.expect("a file");
    let mut bytes = vec![0; usize::try_from(snapshot.len()).unwrap()];
    snapshot.read_at(0, &mut bytes).unwrap();
    Ok(bytes)
}

#[test]
fn a_file_is_written_whole_private_and_alone() {
    let home = tempdir().unwrap();
    let path = home.path().join("b");
    single::check(&path, Existing::Keep).unwrap();
    single::write(&path, b"one", Existing::Keep).unwrap();
    assert_eq!(contents(home.path()), [("b".to_owned(), b"one".to_vec())].into());
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
}

#[test]
fn the_longest_name_serves() {
    let home = tempdir().unwrap();
    let path = home.path().join("n".repeat(255));
    for existing in [Existing::Keep, Existing::Replace] {
        single::write(&path, b"new", existing).unwrap();
    }
    assert_eq!(names(home.path()).len(), 1);
    assert!(single::write(&home.path().join("n".repeat(256)), b"new", Existing::Keep).is_err());
    assert_eq!(names(home.path()).len(), 1, "what is refused leaves nothing over");
}

#[test]
fn a_name_that_is_taken_is_kept() {
    let home = tempdir().unwrap();
    let path = home.path().join("b");
    fs::write(&path, b"theirs").unwrap();
    assert!(matches!(refused(&path, Existing::Keep), StoreError::Exists { .. }));
    assert_eq!(fs::read(&path).unwrap(), b"theirs");
}

#[test]
fn a_file_is_replaced_on_request_and_is_private_then() {
    let home = tempdir().unwrap();
    let path = home.path().join("b");
    fs::write(&path, b"a longer one").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    single::write(&path, b"new", Existing::Replace).unwrap();
    assert_eq!(contents(home.path()), [("b".to_owned(), b"new".to_vec())].into());
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
}

#[test]
fn links_devices_pipes_and_directories_are_neither_followed_nor_replaced() {
    let (home, outside) = (tempdir().unwrap(), tempdir().unwrap());
    let target = outside.path().join("target");
    fs::write(&target, b"outside").unwrap();
    let path = home.path().join("b");
    for to in [target.as_path(), &outside.path().join("dangling"), Path::new("/dev/full")] {
        symlink(to, &path).unwrap();
        for existing in [Existing::Keep, Existing::Replace] {
            refused(&path, existing);
        }
        fs::remove_file(&path).unwrap();
    }
    mkfifoat(CWD, &path, Mode::RUSR).unwrap();
    refused(&path, Existing::Replace);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    refused(&path, Existing::Replace);
    let full = single::write(Path::new("/dev/full"), b"new", Existing::Replace).unwrap_err();
    assert!(matches!(full, StoreError::NotAFile { found: "a device", .. }), "{full}");
    assert_eq!(contents(outside.path()), [("target".to_owned(), b"outside".to_vec())].into());
}

#[test]
fn a_directory_that_is_not_there_is_not_made() {
    let home = tempdir().unwrap();
    let path = home.path().join("missing/b");
    let error = single::write(&path, b"new", Existing::Keep).unwrap_err();
    assert!(error.to_string().starts_with("cannot open the directory "), "{error}");
    assert!(names(home.path()).is_empty());
}

#[test]
fn a_directory_of_everybody_serves() {
    let home = tempdir().unwrap();
    fs::set_permissions(home.path(), Permissions::from_mode(0o777)).unwrap();
    single::write(&home.path().join("b"), b"new", Existing::Keep).unwrap();
}

#[test]
fn a_full_disk_leaves_the_old_file_and_nothing_else() {
    let disk = SmallDisk::mount();
    let path = disk.path().join("b");
    single::write(&path, b"old", Existing::Keep).unwrap();
    let error = single::write(&path, &vec![7; 1 << 20], Existing::Replace).unwrap_err();
    assert!(error.to_string().starts_with("cannot write "), "{error}");
    assert_eq!(contents(disk.path()), [("b".to_owned(), b"old".to_vec())].into());
}

#[test]
fn a_file_is_read_whatever_its_mode_and_through_links() {
    let home = tempdir().unwrap();
    let (path, link) = (home.path().join("b"), home.path().join("link"));
    fs::write(&path, b"sealed").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    symlink(&path, &link).unwrap();
    assert_eq!((bytes(&path).unwrap(), bytes(&link).unwrap()), (b"sealed".to_vec(), b"sealed".to_vec()));
    assert!(single::read(&home.path().join("missing")).unwrap().is_none());
}

#[test]
fn what_is_no_regular_file_or_too_large_is_not_read() {
    let home = tempdir().unwrap();
    let (fifo, large) = (home.path().join("fifo"), home.path().join("large"));
    mkfifoat(CWD, &fifo, Mode::RUSR | Mode::WUSR).unwrap();
    File::create_new(&large).unwrap().set_len(MAX_FILE + 1).unwrap();
    for path in [&fifo, home.path(), Path::new("/dev/zero")] {
        assert!(matches!(single::read(path), Err(StoreError::NotAFile { .. })), "{}", path.display());
    }
    assert!(matches!(single::read(&large), Err(StoreError::TooLarge { .. })));
}

#[test]
fn a_file_of_our_own_is_replaced_private_and_its_directory_made() {
    let home = tempdir().unwrap();
    let path = home.path().join("state/keyward/active");
    for bytes in [&b"a longer one"[..], b"new"] {
        single::write_own(&path, bytes).unwrap();
        assert_eq!(contents(path.parent().unwrap()), [("active".to_owned(), bytes.to_vec())].into());
    }
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
}

#[test]
fn a_file_of_our_own_is_not_written_where_others_may_change_it_nor_over_what_is_none() {
    let home = tempdir().unwrap();
    let path = home.path().join("state/active");
    fs::create_dir_all(&path).unwrap();
    assert!(matches!(single::write_own(&path, b"new"), Err(StoreError::NotAFile { .. })));
    fs::remove_dir(&path).unwrap();
    fs::set_permissions(path.parent().unwrap(), Permissions::from_mode(0o777)).unwrap();
    assert!(matches!(single::write_own(&path, b"new"), Err(StoreError::Untrusted { .. })));
    assert!(names(path.parent().unwrap()).is_empty());
}
