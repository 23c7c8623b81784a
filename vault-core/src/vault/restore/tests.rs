//! Bringing the previous generation back, in every state that a store can be in.

use super::*;
use crate::slot::{SlotId, SlotKind};
use crate::store::memory::MemoryStore;
use crate::vault::samples::{
    OneKey, SLOTS, change, content, damage_value, put, sample, slot_key, unlocked, unlocked_bytes,
};

/// A store whose previous generation has A, and whose current one has A and B.
fn two_generations() -> MemoryStore {
    let store = sample(&[("A", "a")]);
    change(&store, |draft| put(draft, "B", "b")).unwrap();
    store
}

fn previous(store: &MemoryStore) -> UnlockedVault {
    unlocked_bytes(store.previous().unwrap())
}

fn refused(store: &MemoryStore, vault: UnlockedVault) -> CommitError {
    let (current, before, writes) = (store.open().ok(), store.previous(), store.writes());
    let error = restore(store, vault).unwrap_err();
    assert_eq!((store.previous(), store.writes()), (before, writes));
    assert_eq!(store.open().ok().map(|open| open.is_some()), current.map(|open| open.is_some()));
    error
}

#[test]
fn a_restore_over_a_good_vault_takes_the_old_content_and_a_newer_generation() {
    let store = two_generations();
    let header = restore(&store, previous(&store)).unwrap().header;
    assert_eq!(header.generation, 3);
    assert_eq!(content(&store), ["A/1=a"]);
}

#[test]
fn a_restore_twice_gives_both_contents_in_turn() {
    let store = two_generations();
    restore(&store, previous(&store)).unwrap();
    restore(&store, previous(&store)).unwrap();
    assert_eq!(content(&store), ["A/1=a", "B/1=b"]);
    assert_eq!(unlocked(&store).header().generation, 4);
}

#[test]
fn a_restore_over_a_damaged_header_keeps_the_previous_slots() {
    for damage in [b"torn".to_vec(), Vec::new()] {
        let store = two_generations();
        store.set_current(Some(damage));
        restore(&store, previous(&store)).unwrap();
        assert_eq!(content(&store), ["A/1=a"]);
        assert_eq!(unlocked(&store).header().slots.len(), 2);
    }
}

#[test]
fn a_restore_over_a_damaged_index_or_value_takes_the_current_slots() {
    for at in [500, 416 + 4176 + 10] {
        let store = sample(&[("A", "a")]);
        change(&store, |draft| draft.remove_slot(SLOTS[1])).unwrap();
        let mut bytes = store.current();
        bytes[at - 160] ^= 1;
        store.set_current(Some(bytes));
        restore(&store, previous(&store)).unwrap();
        assert_eq!(content(&store), ["A/1=a"]);
        let slots = unlocked(&store).header().slots.iter().map(|slot| slot.id).collect::<Vec<_>>();
        assert_eq!(slots, [SLOTS[0]], "a slot that was removed does not come back");
    }
}

#[test]
fn a_restore_over_a_file_that_is_cut_off_anywhere_succeeds() {
    let whole = two_generations();
    for len in (0..whole.current().len()).step_by(97) {
        let store = two_generations();
        store.set_current(Some(store.current()[..len].to_vec()));
        restore(&store, previous(&store)).unwrap();
        assert_eq!(content(&store), ["A/1=a"], "{len} bytes");
    }
}

#[test]
fn a_restore_where_the_vault_is_gone_brings_it_back() {
    let store = two_generations();
    store.set_current(None);
    let header = restore(&store, previous(&store)).unwrap().header;
    assert_eq!(header.generation, 2);
    assert_eq!(content(&store), ["A/1=a"]);
}

#[test]
fn a_restore_over_a_file_of_another_purpose_keeps_no_slot_of_it() {
    let store = two_generations();
    let sessions = MemoryStore::default();
    let vault = UnlockedVault::create(Purpose::Sessions).unwrap();
    crate::vault::commit::commit(&sessions, vault, Previous::Keep, |draft| {
        draft.add_slot(SlotKind::Env, SlotId::generate(), &slot_key(7))
    })
    .unwrap();
    store.set_current(Some(sessions.current()));
    restore(&store, previous(&store)).unwrap();
    assert_eq!(content(&store), ["A/1=a"]);
    assert_eq!(store.previous(), Some(sessions.current()), "what stood there is kept");
}

#[test]
fn a_restore_over_another_vault_keeps_no_slot_of_it() {
    let store = two_generations();
    let other = sample(&[("X", "x")]);
    store.set_current(Some(other.current()));
    restore(&store, previous(&store)).unwrap();
    assert_eq!(content(&store), ["A/1=a"]);
    assert_eq!(store.previous(), Some(other.current()));
}

#[test]
fn a_restore_over_a_newer_epoch_keeps_the_slots_that_fit_the_old_key() {
    let store = sample(&[("A", "a")]);
    change(&store, |draft| {
        draft.rekey()?;
        draft.add_slot(SlotKind::Env, SlotId::generate(), &slot_key(3))
    })
    .unwrap();
    restore(&store, previous(&store)).unwrap();
    assert_eq!(content(&store), ["A/1=a"]);
}

#[test]
fn a_restore_without_a_previous_generation_is_a_conflict() {
    let store = two_generations();
    let vault = previous(&store);
    store.set_previous(None);
    assert!(matches!(refused(&store, vault), CommitError::Store(StoreError::Conflict { .. })));
    assert!(open_previous(&store, Purpose::Secrets).unwrap().is_none());
}

#[test]
fn a_restore_of_a_previous_generation_that_changed_meanwhile_is_a_conflict() {
    let store = two_generations();
    let vault = previous(&store);
    change(&store, |draft| put(draft, "C", "c")).unwrap();
    assert!(matches!(refused(&store, vault), CommitError::Store(StoreError::Conflict { .. })));
    assert_eq!(content(&store), ["A/1=a", "B/1=b", "C/1=c"]);
}

#[test]
fn a_previous_generation_that_is_damaged_is_not_restored() {
    let store = two_generations();
    let vault = previous(&store);
    store.set_previous(Some(b"torn".to_vec()));
    assert!(matches!(refused(&store, vault), CommitError::Store(StoreError::Conflict { .. })));
    let error = open_previous(&store, Purpose::Secrets).unwrap_err();
    assert!(matches!(error, CommitError::Format(FormatError::Foreign)), "{error}");
}

#[test]
fn a_damaged_value_of_the_previous_generation_is_given_up_and_the_others_come_back() {
    let damaged = sample(&[("A", "a"), ("B", "b")]);
    damage_value(&damaged, 0);
    let store = sample(&[("A", "a")]);
    store.set_current(None);
    store.set_previous(Some(damaged.current()));
    let restored = restore(&store, previous(&store)).unwrap();
    assert_eq!(restored.given_up, [("A".to_owned(), 1)]);
    assert_eq!(restored.secrets, 1);
    assert_eq!(content(&store), ["B/1=b"]);
}

#[test]
fn a_previous_generation_of_damaged_values_alone_gives_an_empty_vault() {
    let damaged = sample(&[("A", "a")]);
    damage_value(&damaged, 0);
    let store = sample(&[("A", "a")]);
    store.set_previous(Some(damaged.current()));
    assert_eq!(restore(&store, previous(&store)).unwrap().secrets, 0);
    assert!(content(&store).is_empty());
}

#[test]
fn a_previous_generation_of_another_purpose_does_not_open() {
    let store = two_generations();
    let error = open_previous(&store, Purpose::Sessions).unwrap_err();
    assert!(matches!(error, CommitError::Format(FormatError::Purpose { .. })), "{error}");
}

#[test]
fn the_previous_generation_opens_with_its_own_slots() {
    let store = sample(&[("A", "a")]);
    change(&store, |draft| draft.remove_slot(SLOTS[0])).unwrap_or_else(|error| panic!("{error}"));
    let locked = open_previous(&store, Purpose::Secrets).unwrap().unwrap();
    assert!(locked.unlock(&mut [&mut OneKey { kind: "env", key: 1 }]).is_ok());
}
