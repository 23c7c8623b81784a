//! Bringing the previous generation back where an anchor knows what was the newest.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::slot::{SlotId, SlotKind};
use crate::store::FileStore;
use crate::store::anchor::Standing;
use crate::vault::commit::commit;
use crate::vault::draft::ChangeError;
use crate::vault::samples::{SLOTS, put, slot_key, unlocked_bytes};

/// A vault with an anchor: its previous generation 1 has A, its current generation 2 has A and B.
struct Place {
    home: TempDir,
    store: FileStore,
}

impl Place {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let anchors = home.path().join("anchor");
        let store = FileStore::new(home.path().join("vault")).with_anchors(Some(anchors));
        let place = Self { home, store };
        place.commit(UnlockedVault::create(Purpose::Secrets).unwrap(), |draft| {
            draft.add_slot(SlotKind::Env, SLOTS[0], &slot_key(1))?;
            put(draft, "A", "a")
        });
        place.store.set_anchor(&place.unlocked("vault").state().unwrap().unwrap()).unwrap();
        place.change(|draft| put(draft, "B", "b"));
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn commit(&self, vault: UnlockedVault, change: impl FnOnce(&mut Draft<'_>) -> Result<(), ChangeError>) {
        commit(&self.store, vault, Previous::Keep, change).unwrap();
    }

    fn change(&self, change: impl FnOnce(&mut Draft<'_>) -> Result<(), ChangeError>) {
        self.commit(self.unlocked("vault"), change);
    }

    fn unlocked(&self, name: &str) -> UnlockedVault {
        unlocked_bytes(fs::read(self.path(name)).unwrap())
    }

    fn copy(&self, from: &str, to: &str) {
        fs::copy(self.path(from), self.path(to)).unwrap();
    }

    fn restore(&self) -> Result<Restored, CommitError> {
        restore(&self.store, self.unlocked("vault.prev"))
    }

    /// The vault that is there is the one that the anchor has, and has this generation and so many secrets.
    #[track_caller]
    fn has(&self, generation: u64, secrets: usize) {
        let vault = self.unlocked("vault");
        let anchor = self.store.anchor().unwrap().unwrap();
        assert_eq!(anchor.standing(&vault.state().unwrap().unwrap()), Standing::Same);
        assert_eq!(vault.header().generation, generation);
        assert_eq!(vault.index().unwrap().current().count(), secrets);
    }
}

#[test]
fn every_write_is_noted() {
    let place = Place::new();
    place.has(2, 2);
    place.change(|draft| {
        draft.rekey()?;
        draft.add_slot(SlotKind::Env, SlotId::generate(), &slot_key(1))
    });
    place.has(3, 2);
    place.restore().unwrap_err();
}

#[test]
fn a_restore_is_newer_than_the_anchor() {
    let place = Place::new();
    place.copy("vault", "newest");
    place.restore().unwrap();
    place.has(3, 1);
    // Where the newest file is gone only the anchor knows its generation.
    for _ in 0..2 {
        fs::remove_file(place.path("vault")).unwrap();
        place.restore().unwrap();
    }
    place.has(5, 2);
}

#[test]
fn a_restore_over_a_vault_that_was_rolled_back_sets_it_aside_and_keeps_the_better_one() {
    let place = Place::new();
    place.copy("vault", "old");
    for n in 0..3 {
        place.change(|draft| put(draft, &format!("C{n}"), "c"));
    }
    place.copy("old", "vault");
    place.restore().unwrap();
    place.has(6, 4);
    assert_eq!(fs::read(place.path("vault.damaged")).unwrap(), fs::read(place.path("old")).unwrap());
    assert_eq!(place.unlocked("vault.prev").header().generation, 4);
}

#[test]
fn a_previous_generation_of_a_former_root_key_does_not_come_back() {
    let place = Place::new();
    place.copy("vault", "old");
    place.change(|draft| {
        draft.rekey()?;
        draft.add_slot(SlotKind::Env, SlotId::generate(), &slot_key(1))
    });
    place.copy("old", "vault.prev");
    for remove in [false, true] {
        if remove {
            fs::remove_file(place.path("vault")).unwrap();
        }
        let error = place.restore().unwrap_err();
        assert!(matches!(error, CommitError::Store(StoreError::RolledBack { .. })), "{error}");
    }
    assert!(!place.path("vault").exists());
    place.store.remove_anchor().unwrap();
    place.restore().unwrap();
}

#[test]
fn a_previous_generation_of_another_vault_does_not_come_in() {
    let (place, other) = (Place::new(), Place::new());
    fs::copy(other.path("vault"), place.path("vault.prev")).unwrap();
    let before = fs::read(place.path("vault")).unwrap();
    let error = place.restore().unwrap_err();
    assert!(matches!(error, CommitError::Store(StoreError::Substituted { .. })), "{error}");
    assert_eq!(fs::read(place.path("vault")).unwrap(), before);
}
