//! Where a vault would be, and which files are its own, before there is any.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use tempfile::TempDir;
use vault_core::store::{FileStore, StoreError};

use crate::sample::store_in;

#[test]
fn a_place_is_checked_and_nothing_is_made() {
    let directory = TempDir::new().unwrap();
    for place in [directory.path().to_owned(), directory.path().join("one/two")] {
        store_in(&place).check_place().unwrap();
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_place_that_others_control_is_refused() {
    let directory = TempDir::new().unwrap();
    for mode in [0o777, 0o770, 0o702] {
        fs::set_permissions(directory.path(), Permissions::from_mode(mode)).unwrap();
        let refused = store_in(directory.path()).check_place();
        assert!(matches!(refused, Err(StoreError::Untrusted { .. })), "{mode:o}: {refused:?}");
    }
}

#[test]
fn a_path_without_a_name_is_no_place() {
    for path in ["/", "..", ""] {
        let refused = FileStore::new(path).check_place();
        assert!(matches!(refused, Err(StoreError::NotAFile { .. })), "{path}: {refused:?}");
    }
}

#[test]
fn a_way_over_a_file_is_an_error_and_no_place() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let refused = store_in(&file.join("one")).check_place();
    assert!(matches!(refused, Err(StoreError::Io { .. })), "{refused:?}");
}

#[test]
fn a_vault_has_its_own_files_and_no_others() {
    let directory = TempDir::new().unwrap();
    let store = store_in(directory.path());
    let is_own = |name: &str| store.has_name(&directory.path().join(name));
    for name in ["vault", "vault.prev", "vault.damaged", "vault.lock", ".vault.tmp.0123456789abcdef"] {
        assert!(is_own(name), "{name}");
    }
    for name in [
        "vault2",
        "vault.pre",
        ".vault.tmp.",
        ".vault.tmp.0123456789abcde",
        ".vault.tmp.0123456789abcdefa",
        ".vault.tmp.0123456789abcdeg",
        "vault.tmp.0123456789abcdef",
        "..",
    ] {
        assert!(!is_own(name), "{name}");
    }
}

#[test]
fn a_file_is_the_vaults_own_by_whatever_way_it_is_named_and_nowhere_else() {
    let directory = TempDir::new().unwrap();
    let real = directory.path().join("real");
    fs::create_dir(&real).unwrap();
    symlink("real", directory.path().join("link")).unwrap();
    let store = store_in(&real);
    assert!(store.has_name(&directory.path().join("link/vault")));
    assert!(store.has_name(&real.join("../real/vault.prev")));
    assert!(!store.has_name(&directory.path().join("vault")));
    assert!(!store.has_name(&directory.path().join("gone/vault")));
    assert!(!store_in(&directory.path().join("gone")).has_name(&directory.path().join("other/vault")));
}
