//! One writer after the other: generations, comparisons, restore.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;

use tempfile::tempdir;
use vault_core::format::MAX_FILE;
use vault_core::store::{Expected, FileStore, Previous, StoreError, VaultStore};

use crate::sample::{
    UNREADABLE, body, body_of, bytes_of, contents, expected, names, plant, put, store_in, vault,
};

#[test]
fn absent_vault_is_none_and_nothing_is_written() {
    let home = tempdir().unwrap();
    assert!(store_in(home.path()).open().unwrap().is_none());
    assert!(FileStore::new(home.path().join("no/such/vault")).open().unwrap().is_none());
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn written_generation_is_read_back() {
    let home = tempdir().unwrap();
    let store = store_in(home.path());
    put(&store, b"one", Previous::Keep).unwrap();
    assert_eq!(body(&store).unwrap(), b"one");
    assert_eq!(names(home.path()), ["vault"]);
    assert_eq!(store.location(), home.path().join("vault"));
}

#[test]
fn written_files_are_private() {
    let home = tempdir().unwrap();
    let store = store_in(home.path());
    put(&store, b"one", Previous::Keep).unwrap();
    put(&store, b"two", Previous::Keep).unwrap();
    for name in ["vault", "vault.prev", "vault.lock"] {
        let mode = home.path().join(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600, "{name}");
    }
}

#[test]
fn large_generation_is_read_back() {
    let home = tempdir().unwrap();
    let store = store_in(home.path());
    let large: Vec<u8> = (0..3_000_001_u32).map(|i| i.to_le_bytes()[i as usize % 3]).collect();
    put(&store, &large, Previous::Keep).unwrap();
    assert!(body(&store).unwrap() == large);
}

#[test]
fn kept_previous_is_the_former_generation() {
    let home = tempdir().unwrap();
    let store = store_in(home.path());
    for text in ["one", "two", "three"] {
        put(&store, text.as_bytes(), Previous::Keep).unwrap();
    }
    let turn = store.begin_write().unwrap();
    assert_eq!(body_of(turn.open().unwrap().unwrap().as_ref()), b"three");
    assert_eq!(body_of(turn.open_previous().unwrap().unwrap().as_ref()), b"two");
    assert_eq!(names(home.path()), ["vault", "vault.prev"]);
}

#[test]
fn dropped_previous_leaves_neither_the_former_generation_nor_the_one_before() {
    let home = tempdir().unwrap();
    let store = store_in(home.path());
    put(&store, b"one", Previous::Keep).unwrap();
    put(&store, b"two", Previous::Keep).unwrap();
    put(&store, b"three", Previous::Drop).unwrap();
    assert_eq!(names(home.path()), ["vault"]);
    assert!(store.begin_write().unwrap().open_previous().unwrap().is_none());
}

#[test]
fn exchanged_previous_is_the_former_generation_and_nothing_else_is_left() {
    let home = tempdir().unwrap();
    let store = store_in(home.path());
    put(&store, b"one", Previous::Keep).unwrap();
    put(&store, b"two", Previous::Keep).unwrap();
    put(&store, b"one again", Previous::Exchange).unwrap();
    let files = contents(home.path());
    assert_eq!(files["vault"], vault(b"one again"));
    assert_eq!(files["vault.prev"], vault(b"two"));
    assert_eq!(names(home.path()), ["vault", "vault.prev"]);
}

#[test]
fn exchange_with_a_previous_that_is_the_same_file_leaves_nothing_else() {
    let home = tempdir().unwrap();
    let store = store_in(home.path());
    put(&store, b"one", Previous::Keep).unwrap();
    fs::hard_link(home.path().join("vault"), home.path().join("vault.prev")).unwrap();
    put(&store, b"two", Previous::Exchange).unwrap();
    assert_eq!(contents(home.path())["vault.prev"], vault(b"one"));
    assert_eq!(names(home.path()), ["vault", "vault.prev"]);
}

#[test]
fn previous_that_a_crash_left_as_the_same_file_is_replaced() {
    let home = tempdir().unwrap();
    let store = store_in(home.path());
    put(&store, b"one", Previous::Keep).unwrap();
    fs::hard_link(home.path().join("vault"), home.path().join("vault.prev")).unwrap();
    put(&store, b"two", Previous::Keep).unwrap();
    assert_eq!(contents(home.path())["vault.prev"], vault(b"one"));
    assert_eq!(contents(home.path())["vault"], vault(b"two"));
}

#[test]
fn unexpected_state_is_a_conflict_and_changes_nothing() {
    let home = tempdir().unwrap();
    let file = home.path().join("vault");
    let elsewhere = other_revision();
    let readable = vault(b"one");
    let cases: [(Option<&[u8]>, &[&Expected]); 3] = [
        (None, &[&elsewhere, &Expected::Unreadable]),
        (Some(&readable), &[&Expected::Absent, &elsewhere, &Expected::Unreadable]),
        (Some(UNREADABLE), &[&Expected::Absent, &elsewhere]),
    ];
    for (state, unexpected) in cases {
        state.into_iter().for_each(|bytes| plant(&file, bytes));
        for expected in unexpected {
            let before = contents(home.path());
            let store = store_in(home.path());
            let result = store.begin_write().unwrap().replace(expected, &vault(b"new"), Previous::Keep);
            assert!(matches!(result, Err(StoreError::Conflict { .. })), "{state:?} {expected:?}: {result:?}");
            assert_eq!(contents(home.path()), before);
        }
    }
}

/// Returns the revision of a vault that no test has in its directory.
fn other_revision() -> Expected {
    let home = tempdir().unwrap();
    let store = store_in(home.path());
    put(&store, b"other", Previous::Keep).unwrap();
    expected(store.open().unwrap().as_deref())
}

#[test]
fn stale_revision_is_a_conflict() {
    let home = tempdir().unwrap();
    let store = store_in(home.path());
    put(&store, b"one", Previous::Keep).unwrap();
    let seen = expected(store.open().unwrap().as_deref());
    put(&store, b"two", Previous::Keep).unwrap();
    let result = store.begin_write().unwrap().replace(&seen, &vault(b"three"), Previous::Keep);
    assert!(matches!(result, Err(StoreError::Conflict { .. })), "{result:?}");
    assert_eq!(body(&store).unwrap(), b"two");
}

#[test]
fn vault_that_is_gone_is_missing_and_never_empty() {
    let home = tempdir().unwrap();
    let store = store_in(home.path());
    put(&store, b"one", Previous::Keep).unwrap();
    let seen = expected(store.open().unwrap().as_deref());
    fs::rename(home.path().join("vault"), home.path().join("vault.prev")).unwrap();
    let missing = |error: StoreError| matches!(error, StoreError::Missing { .. });
    assert!(missing(store.open().unwrap_err()));
    assert!(missing(store.begin_write().unwrap().open().unwrap_err()));
    for expected in [Expected::Absent, seen] {
        let turn = store.begin_write().unwrap();
        assert!(missing(turn.replace(&expected, &vault(b"two"), Previous::Keep).unwrap_err()));
    }
    assert_eq!(names(home.path()), ["vault.prev"]);
}

#[test]
fn restore_of_a_vault_that_is_gone_keeps_the_previous_generation() {
    let home = tempdir().unwrap();
    let store = store_in(home.path());
    plant(&home.path().join("vault.prev"), &vault(b"one"));
    let turn = store.begin_write().unwrap();
    assert_eq!(body_of(turn.open_previous().unwrap().unwrap().as_ref()), b"one");
    turn.replace(&Expected::Unreadable, &vault(b"restored"), Previous::Drop).unwrap();
    assert_eq!(body(&store).unwrap(), b"restored");
    assert_eq!(contents(home.path())["vault.prev"], vault(b"one"));
    assert_eq!(names(home.path()), ["vault", "vault.prev"]);
}

#[test]
fn restore_over_an_unreadable_vault_sets_it_aside() {
    let home = tempdir().unwrap();
    let store = store_in(home.path());
    plant(&home.path().join("vault"), UNREADABLE);
    plant(&home.path().join("vault.prev"), &vault(b"one"));
    plant(&home.path().join("vault.damaged"), b"an older one");
    let turn = store.begin_write().unwrap();
    turn.replace(&Expected::Unreadable, &vault(b"restored"), Previous::Drop).unwrap();
    let found = contents(home.path());
    assert_eq!(found["vault"], vault(b"restored"));
    assert_eq!(found["vault.damaged"], UNREADABLE);
    assert_eq!(found["vault.prev"], vault(b"one"));
    assert_eq!(found.len(), 3);
}

#[test]
fn empty_file_is_a_snapshot_and_not_an_absent_vault() {
    let home = tempdir().unwrap();
    plant(&home.path().join("vault"), b"");
    let snapshot = store_in(home.path()).open().unwrap().unwrap();
    assert_eq!(snapshot.len(), 0);
    snapshot.read_at(0, &mut []).unwrap();
}

#[test]
fn snapshot_stays_the_generation_that_was_opened() {
    let home = tempdir().unwrap();
    let store = store_in(home.path());
    put(&store, b"one", Previous::Keep).unwrap();
    let snapshot = store.open().unwrap().unwrap();
    put(&store, b"two, which is longer", Previous::Drop).unwrap();
    fs::remove_file(home.path().join("vault")).unwrap();
    assert_eq!(body_of(snapshot.as_ref()), b"one");
}

#[test]
fn reads_past_the_end_are_unexpected_ends() {
    let home = tempdir().unwrap();
    plant(&home.path().join("vault"), b"0123456789");
    let snapshot = store_in(home.path()).open().unwrap().unwrap();
    let mut two = [0; 2];
    snapshot.read_at(8, &mut two).unwrap();
    assert_eq!(&two, b"89");
    for offset in [9, 10, 11, u64::MAX - 1, u64::MAX] {
        let error = snapshot.read_at(offset, &mut two).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{offset}");
    }
}

#[test]
fn stale_temporary_files_are_removed_and_no_others() {
    let home = tempdir().unwrap();
    let stale = [".vault.tmp.0123456789abcdef", ".vault.tmp.ffffffffffffffff"];
    let others = [
        ".other.tmp.0123456789abcdef",
        ".vault.tmp.0123456789abcde",
        ".vault.tmp.0123456789abcdefg",
        ".vault.tmp.not-a-random-one",
        "vault.bak",
        "vault.tmp.0123456789abcdef",
    ];
    stale.iter().chain(&others).for_each(|name| plant(&home.path().join(name), b"left over"));
    drop(store_in(home.path()).begin_write().unwrap());
    assert_eq!(names(home.path()), others);
}

#[test]
fn missing_directories_are_made_for_us_alone() {
    let home = tempdir().unwrap();
    let store = FileStore::new(home.path().join("a/b/vault"));
    put(&store, b"one", Previous::Keep).unwrap();
    for made in ["a", "a/b"] {
        let mode = home.path().join(made).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o700, "{made}");
    }
    assert_eq!(body(&store).unwrap(), b"one");
}

#[test]
fn missing_directory_before_a_parent_step_is_refused() {
    let home = tempdir().unwrap();
    let store = FileStore::new(home.path().join("missing/../vault"));
    assert!(matches!(store.begin_write(), Err(StoreError::Io { .. })));
}

#[test]
fn path_without_a_file_name_is_refused() {
    for path in ["", "/", "..", "a/.."] {
        let store = FileStore::new(path);
        assert!(matches!(store.open(), Err(StoreError::NotAFile { .. })), "{path}");
        assert!(matches!(store.begin_write(), Err(StoreError::NotAFile { .. })), "{path}");
    }
}

#[test]
fn bytes_over_the_limit_are_refused() {
    let home = tempdir().unwrap();
    let store = store_in(home.path());
    put(&store, b"one", Previous::Keep).unwrap();
    let seen = expected(store.open().unwrap().as_deref());
    let large = vec![0; usize::try_from(MAX_FILE).unwrap() + 1];
    let result = store.begin_write().unwrap().replace(&seen, &large, Previous::Keep);
    assert!(matches!(result, Err(StoreError::TooLarge { .. })), "{result:?}");
    assert_eq!(bytes_of(store.open().unwrap().unwrap().as_ref()), vault(b"one"));
    assert_eq!(names(home.path()), ["vault"]);
}
