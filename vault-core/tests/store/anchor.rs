//! A vault with an anchor: what is refused, what is accepted, and what is written when.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tempfile::{TempDir, tempdir};
use vault_core::format::{Header, Purpose, SlotId, VaultId};
use vault_core::slot::{SlotKind, SlotRecord};
use vault_core::store::anchor::{Anchor, Standing, State};
use vault_core::store::{Expected, FileStore, Previous, StoreError, VaultStore};

use crate::sample::{expected, names, plant};

const INDEX_LEN: usize = 4096 + 80;

/// A vault of this id, epoch and generation; `salt` makes its revision.
fn vault(id: u8, epoch: u64, generation: u64, salt: u8) -> Vec<u8> {
    let slot = SlotRecord { kind: SlotKind::Env, id: SlotId::new([1; 16]), wrapped: [0; 112] };
    let header = Header {
        purpose: Purpose::Secrets,
        vault_id: VaultId::new([id; 16]),
        epoch,
        generation,
        sealed_index_len: INDEX_LEN as u64,
        slots: vec![slot],
    };
    [header.encode(), vec![salt; INDEX_LEN]].concat()
}

/// A vault of generation 5, with its anchor.
struct Place {
    home: TempDir,
    store: FileStore,
}

impl Place {
    fn new() -> Self {
        let home = tempdir().unwrap();
        fs::create_dir(home.path().join("data")).unwrap();
        plant(&home.path().join("data/vault"), &vault(1, 2, 5, 5));
        let store = store_in(&home, "data/vault");
        store.set_anchor(&state(&vault(1, 2, 5, 5))).unwrap();
        Self { home, store }
    }

    fn path(&self) -> PathBuf {
        self.home.path().join("data/vault")
    }

    fn anchors(&self) -> PathBuf {
        self.home.path().join("state/anchor")
    }

    /// The one anchor that there is.
    fn file(&self) -> PathBuf {
        let [name] = &names(&self.anchors())[..] else { panic!("{:?}", names(&self.anchors())) };
        self.anchors().join(name)
    }

    fn anchored(&self) -> u64 {
        self.store.anchor().unwrap().unwrap().state().generation
    }

    /// Writes the vault's next generation.
    fn write(&self, bytes: &[u8]) -> Result<(), StoreError> {
        let turn = self.store.begin_write()?;
        let seen = turn.open()?;
        turn.replace(&expected(seen.as_deref()), bytes, Previous::Keep)
    }

    /// Nobody reads or writes the vault, and every file is what it was.
    #[track_caller]
    fn refuses(&self, is_expected: impl Fn(&StoreError) -> bool) {
        let files = || [fs::read(self.path()).ok(), fs::read(self.file()).ok()];
        let before = files();
        let read = self.store.open().unwrap_err();
        let written = self.write(&vault(1, 2, 9, 9)).unwrap_err();
        assert!(is_expected(&read) && is_expected(&written), "{read} / {written}");
        assert_eq!(files(), before);
    }
}

fn store_in(home: &TempDir, path: &str) -> FileStore {
    FileStore::new(home.path().join(path)).with_anchors(Some(home.path().join("state/anchor")))
}

fn state(bytes: &[u8]) -> State {
    State::of(&bytes).unwrap().unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_vault_as_its_anchor_has_it_is_read_and_written_and_the_anchor_follows() {
    let place = Place::new();
    place.store.open().unwrap().unwrap();
    for generation in 6..9 {
        place.write(&vault(1, 2, generation, 0)).unwrap();
        assert_eq!(place.anchored(), generation);
    }
    assert_eq!(names(&place.anchors()).len(), 1, "no temporary file is left");
}

#[test]
fn an_older_vault_is_rolled_back() {
    let place = Place::new();
    for older in [vault(1, 2, 4, 4), vault(1, 1, 5, 5), vault(1, 1, 6, 6)] {
        plant(&place.path(), &older);
        place.refuses(|error| matches!(error, StoreError::RolledBack { .. }));
    }
}

#[test]
fn another_vault_as_old_is_a_fork() {
    let place = Place::new();
    plant(&place.path(), &vault(1, 2, 5, 6));
    place.refuses(|error| matches!(error, StoreError::Forked { .. }));
}

#[test]
fn a_vault_of_another_id_is_substituted_however_new_it_is() {
    let place = Place::new();
    for other in [vault(2, 2, 5, 5), vault(2, 9, 99, 5), vault(2, 1, 1, 5)] {
        plant(&place.path(), &other);
        place.refuses(|error| matches!(error, StoreError::Substituted { .. }));
    }
}

#[test]
fn a_vault_that_was_removed_is_gone_and_not_empty() {
    let place = Place::new();
    fs::remove_file(place.path()).unwrap();
    place.refuses(|error| matches!(error, StoreError::Gone { .. }));
    fs::remove_dir_all(place.home.path().join("data")).unwrap();
    assert!(matches!(place.store.open(), Err(StoreError::Gone { .. })), "with its directory");
}

#[test]
fn a_vault_of_which_the_previous_generation_is_left_is_missing_with_an_anchor_too() {
    let place = Place::new();
    place.write(&vault(1, 2, 6, 6)).unwrap();
    fs::remove_file(place.path()).unwrap();
    place.refuses(|error| matches!(error, StoreError::Missing { .. }));
}

#[test]
fn a_newer_vault_is_accepted_and_the_next_write_brings_the_anchor_up() {
    let place = Place::new();
    let before = fs::read(place.file()).unwrap();
    place.write(&vault(1, 2, 6, 6)).unwrap();
    // As a crash between the two leaves it.
    plant(&place.file(), &before);
    place.store.open().unwrap().unwrap();
    assert_eq!(place.anchored(), 5, "readers do not write it");
    place.write(&vault(1, 2, 7, 7)).unwrap();
    assert_eq!(place.anchored(), 7);
}

#[test]
fn a_store_without_anchors_opens_what_an_anchor_refuses() {
    let place = Place::new();
    plant(&place.path(), &vault(1, 2, 4, 4));
    let without = FileStore::new(place.path());
    without.open().unwrap().unwrap();
    let other_state = without.with_anchors(Some(place.home.path().join("other")));
    other_state.open().unwrap().unwrap();
    assert!(other_state.anchor().unwrap().is_none());
    assert!(!place.home.path().join("other").exists(), "reading makes no directory");
}

#[test]
fn a_vault_without_an_anchor_gets_none_by_a_write() {
    let place = Place::new();
    assert!(place.store.remove_anchor().unwrap());
    place.write(&vault(1, 2, 4, 4)).unwrap();
    assert!(place.store.anchor().unwrap().is_none());
    assert!(!place.store.remove_anchor().unwrap(), "there was none any more");
    assert!(!place.anchors().exists(), "an empty directory would only be looked into");
}

#[test]
fn the_anchor_of_another_vault_is_none_to_remove() {
    let place = Place::new();
    plant(&place.home.path().join("data/other"), &vault(2, 1, 1, 1));
    let other = store_in(&place.home, "data/other");
    assert!(!other.remove_anchor().unwrap());
    assert!(!place.home.path().join("data/other.lock").exists(), "nobody waited for a turn");
    assert_eq!(place.anchored(), 5);
}

#[test]
fn the_anchor_is_private_and_so_is_its_directory() {
    let place = Place::new();
    assert_eq!((mode(&place.file()), mode(&place.anchors())), (0o600, 0o700));
    place.write(&vault(1, 2, 6, 6)).unwrap();
    assert_eq!(mode(&place.file()), 0o600);
}

#[test]
fn every_spelling_of_a_path_has_the_same_anchor() {
    let place = Place::new();
    symlink(place.home.path().join("data"), place.home.path().join("link")).unwrap();
    for spelling in ["link/vault", "data/../data/./vault", "link/../data/vault"] {
        let store = store_in(&place.home, spelling);
        assert_eq!(store.anchor().unwrap(), place.store.anchor().unwrap(), "{spelling}");
        assert_eq!(store.anchor_path().unwrap(), Some(place.file()), "{spelling}");
        assert!(store.remove_anchor().unwrap(), "{spelling}");
        store.set_anchor(&state(&vault(1, 2, 5, 5))).unwrap();
        assert_eq!(place.anchored(), 5, "made by {spelling}, found by the path itself");
    }
    for other in ["data/vault2", "data/vault.prev", "vault"] {
        assert!(store_in(&place.home, other).anchor().unwrap().is_none(), "{other}");
    }
}

#[test]
fn a_link_in_the_place_of_the_directory_does_not_lead_round_the_anchor() {
    let place = Place::new();
    let (data, moved) = (place.home.path().join("data"), place.home.path().join("moved"));
    fs::rename(&data, &moved).unwrap();
    symlink(&moved, &data).unwrap();
    place.store.open().unwrap().unwrap();
    place.write(&vault(1, 2, 6, 6)).unwrap();
    assert_eq!(place.anchored(), 6);
    plant(&place.path(), &vault(1, 2, 4, 4));
    place.refuses(|error| matches!(error, StoreError::RolledBack { .. }));
    fs::remove_file(&data).unwrap();
    symlink("nowhere", &data).unwrap();
    assert!(matches!(place.store.open(), Err(StoreError::Gone { .. })));
    assert!(place.store.remove_anchor().unwrap());
    assert!(!place.anchors().exists());
}

#[test]
fn a_damaged_anchor_is_never_taken_for_none() {
    let place = Place::new();
    let good = fs::read(place.file()).unwrap();
    for damaged in
        [b"".to_vec(), b"\0".to_vec(), good[1..].to_vec(), [&good[..], b"\n"].concat(), vec![b'x'; 1 << 20]]
    {
        plant(&place.file(), &damaged);
        place.refuses(|error| matches!(error, StoreError::AnchorDamaged { .. }));
    }
}

#[test]
fn the_anchor_of_another_path_is_damaged_here() {
    let place = Place::new();
    let file = place.file();
    fs::create_dir(place.home.path().join("other")).unwrap();
    plant(&place.home.path().join("other/vault"), &vault(1, 2, 3, 3));
    let other = store_in(&place.home, "other/vault");
    other.set_anchor(&state(&vault(1, 2, 3, 3))).unwrap();
    let older = fs::read(other.anchor_path().unwrap().unwrap()).unwrap();
    fs::remove_file(other.anchor_path().unwrap().unwrap()).unwrap();
    plant(&file, &older);
    place.refuses(|error| matches!(error, StoreError::AnchorDamaged { .. }));
}

#[test]
fn what_is_no_private_file_is_no_anchor() {
    for mode in [0o640, 0o604, 0o660, 0o644] {
        let place = Place::new();
        fs::set_permissions(place.file(), Permissions::from_mode(mode)).unwrap();
        place.refuses(|error| error.fix().is_some_and(|fix| fix.starts_with("chmod 600 ")));
    }
    let place = Place::new();
    let file = place.file();
    fs::rename(&file, place.home.path().join("moved")).unwrap();
    symlink(place.home.path().join("moved"), &file).unwrap();
    place.refuses(|error| matches!(error, StoreError::NotAFile { .. }));
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(matches!(place.store.open(), Err(StoreError::NotAFile { .. })));
    assert!(matches!(place.store.remove_anchor(), Err(StoreError::NotAFile { .. })));
}

#[test]
fn a_directory_in_which_others_can_write_has_no_anchors() {
    for mode in [0o770, 0o707, 0o722] {
        let place = Place::new();
        fs::set_permissions(place.anchors(), Permissions::from_mode(mode)).unwrap();
        place.refuses(|error| error.fix().is_some_and(|fix| fix.starts_with("chmod go-w ")));
        assert!(place.store.remove_anchor().is_err());
        assert!(place.store.accept(&state(&vault(1, 2, 5, 5))).is_err());
    }
}

#[test]
fn an_anchor_is_set_only_on_the_vault_that_was_seen() {
    let place = Place::new();
    place.store.remove_anchor().unwrap();
    for seen in [vault(1, 2, 5, 6), vault(1, 2, 6, 5), vault(2, 2, 5, 5)] {
        let refused = place.store.set_anchor(&state(&seen));
        assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
    }
    fs::remove_file(place.path()).unwrap();
    assert!(matches!(place.store.set_anchor(&state(&vault(1, 2, 5, 5))), Err(StoreError::Conflict { .. })));
    assert!(place.store.anchor().unwrap().is_none());
}

#[test]
fn setting_an_anchor_again_does_not_take_an_older_vault() {
    let place = Place::new();
    plant(&place.path(), &vault(1, 2, 4, 4));
    let refused = place.store.set_anchor(&state(&vault(1, 2, 4, 4)));
    assert!(matches!(refused, Err(StoreError::RolledBack { .. })), "{refused:?}");
    assert_eq!(place.anchored(), 5);
}

#[test]
fn accepting_takes_an_older_a_forked_and_another_vault() {
    for bytes in [vault(1, 2, 4, 4), vault(1, 2, 5, 6), vault(2, 1, 1, 1)] {
        let place = Place::new();
        plant(&place.path(), &bytes);
        let accepted: Anchor = place.store.accept(&state(&bytes)).unwrap();
        assert_eq!(accepted.standing(&state(&bytes)), Standing::Same);
        place.store.open().unwrap().unwrap();
        assert!(place.write(&vault(1, 2, 5, 5)).is_ok());
    }
}

#[test]
fn accepting_makes_a_damaged_anchor_anew() {
    let place = Place::new();
    plant(&place.file(), b"torn");
    place.store.accept(&state(&vault(1, 2, 5, 5))).unwrap();
    assert_eq!(place.anchored(), 5);
}

#[test]
fn a_restore_sets_aside_what_the_anchor_refuses() {
    let place = Place::new();
    place.write(&vault(1, 2, 6, 6)).unwrap();
    plant(&place.path(), &vault(1, 2, 3, 3));
    let turn = place.store.begin_write().unwrap();
    turn.replace(&Expected::Unreadable, &vault(1, 2, 7, 7), Previous::Keep).unwrap();
    let read = |name: &str| fs::read(place.home.path().join("data").join(name)).unwrap();
    assert_eq!(read("vault"), vault(1, 2, 7, 7));
    assert_eq!(read("vault.damaged"), vault(1, 2, 3, 3));
    assert_eq!(read("vault.prev"), vault(1, 2, 5, 5), "the good one stays");
    assert_eq!(place.anchored(), 7);
}

#[test]
fn a_vault_is_saved_where_its_anchor_can_not_be_written() {
    let place = Place::new();
    let file = place.file();
    let turn = place.store.begin_write().unwrap();
    let seen = turn.open().unwrap();
    // A directory in the anchor's place is not replaced.
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    let result = turn.replace(&expected(seen.as_deref()), &vault(1, 2, 6, 6), Previous::Keep);
    let error = result.unwrap_err();
    assert!(matches!(error, StoreError::AnchorNotWritten { .. }) && error.is_written(), "{error}");
    assert_eq!(fs::read(place.path()).unwrap(), vault(1, 2, 6, 6));
}

#[test]
fn a_temporary_file_that_a_crash_left_goes_with_the_next_write_and_others_stay() {
    let place = Place::new();
    let name = place.file().file_name().unwrap().to_str().unwrap().to_owned();
    let stale = place.anchors().join(format!(".{name}.tmp.0123456789abcdef"));
    let others = place.anchors().join(format!(".{}.tmp.0123456789abcdef", "0".repeat(64)));
    plant(&stale, b"torn");
    plant(&others, b"torn");
    place.write(&vault(1, 2, 6, 6)).unwrap();
    assert!(!stale.exists() && others.exists());
}
