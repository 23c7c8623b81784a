//! What is written, and above all what is not.

use super::*;
use crate::crypto::seal::OVERHEAD;
use crate::format::{MAX_SEALED_INDEX, Purpose};
use crate::slot::{SlotId, SlotKind};
use crate::store::memory::MemoryStore;
use crate::vault::samples::{
    SLOTS, change, content, damage_value, name, put, sample, scope, slot_key, unlocked,
};

/// Checks that a refused change has left the store as it was, and returns its error.
fn refused<T: std::fmt::Debug>(
    store: &MemoryStore,
    act: impl FnOnce(&MemoryStore) -> Result<Committed<T>, CommitError>,
) -> CommitError {
    let (before, previous, writes) = (store.current(), store.previous(), store.writes());
    let error = act(store).unwrap_err();
    assert_eq!((store.current(), store.previous(), store.writes()), (before, previous, writes));
    error
}

/// The sample with another header: `edit` changes it, the index is sealed again.
fn with_header(store: &MemoryStore, edit: impl FnOnce(&mut Header)) {
    let vault = unlocked(store);
    let mut header = vault.header().clone();
    edit(&mut header);
    let slots = header.slots.iter().zip([1, 2]).map(|(slot, key)| {
        let binding =
            crate::slot::Binding { purpose: header.purpose, vault_id: header.vault_id, epoch: header.epoch };
        crate::slot::wrap(&vault.root, &slot_key(key), binding, slot.kind, slot.id)
    });
    header.slots = slots.collect();
    let values = store.current().split_off(usize::try_from(vault.values_start()).unwrap());
    let encoded = header.encode();
    let mut index = vault.message.to_vec();
    seal_index(&vault.root, &encoded, &mut index);
    store.set_current(Some([encoded, index, values].concat()));
}

#[test]
fn a_change_is_the_next_generation_and_keeps_the_one_before() {
    let store = sample(&[("A", "a")]);
    let before = store.current();
    let committed = change(&store, |draft| put(draft, "B", "b")).unwrap();
    assert_eq!(committed.header.generation, 2);
    assert_eq!(content(&store), ["A/1=a", "B/1=b"]);
    assert_eq!(store.previous(), Some(before));
}

#[test]
fn a_dropped_previous_generation_is_gone() {
    let store = sample(&[("A", "a")]);
    change(&store, |draft| put(draft, "B", "b")).unwrap();
    commit(&store, unlocked(&store), Previous::Drop, |draft| put(draft, "C", "c")).unwrap();
    assert_eq!(store.previous(), None);
}

#[test]
fn values_that_do_not_change_are_copied_byte_for_byte() {
    let store = sample(&[("A", "a"), ("B", "b")]);
    let values = |bytes: Vec<u8>| bytes[bytes.len() - 288..].to_vec();
    let before = values(store.current());
    change(&store, |draft| draft.bind(&Default::default(), &Default::default(), b"/src")).unwrap();
    assert_eq!(values(store.current()), before);
}

#[test]
fn two_writes_of_one_state_share_no_index_bytes() {
    let store = sample(&[("A", "a")]);
    change(&store, |_| Ok(())).unwrap();
    let (one, two) = (store.previous().unwrap(), store.current());
    let index = |bytes: &[u8]| bytes[416..416 + 4096 + OVERHEAD].to_vec();
    assert!(index(&one).chunks(16).zip(index(&two).chunks(16)).all(|(one, two)| one != two));
}

#[test]
fn a_refused_change_writes_nothing() {
    let store = sample(&[("A", "a")]);
    let error = refused(&store, |store| change(store, |draft| draft.remove(&scope(), &name("NONE"))));
    assert!(matches!(error, CommitError::Change(ChangeError::NoSecret { .. })), "{error}");
}

#[test]
fn what_was_changed_before_the_refusal_is_not_written_either() {
    let store = sample(&[("A", "a")]);
    refused(&store, |store| {
        change(store, |draft| {
            put(draft, "B", "b")?;
            draft.remove_slot(SLOTS[0])?;
            draft.remove_slot(SLOTS[1])
        })
    });
}

#[test]
fn a_vault_that_was_created_meanwhile_is_a_conflict() {
    let store = sample(&[("A", "a")]);
    let late = UnlockedVault::create(Purpose::Secrets).unwrap();
    let error = refused(&store, |store| {
        commit(store, late, Previous::Keep, |draft| {
            draft.add_slot(SlotKind::Env, SlotId::generate(), &slot_key(3))
        })
    });
    assert!(matches!(error, CommitError::Store(StoreError::Conflict { .. })), "{error}");
}

#[test]
fn a_vault_that_is_gone_is_not_created_again() {
    let store = sample(&[("A", "a")]);
    let vault = unlocked(&store);
    store.set_current(None);
    let error = commit(&store, vault, Previous::Keep, |draft| put(draft, "B", "b")).unwrap_err();
    assert!(matches!(error, CommitError::Store(StoreError::Conflict { .. })), "{error}");
    assert_eq!(store.writes(), 1);
}

#[test]
fn a_vault_of_which_only_the_previous_generation_is_left_is_missing() {
    let store = sample(&[("A", "a")]);
    let vault = unlocked(&store);
    store.set_previous(Some(store.current()));
    store.set_current(None);
    let error = commit(&store, vault, Previous::Keep, |draft| put(draft, "B", "b")).unwrap_err();
    assert!(matches!(error, CommitError::Store(StoreError::Missing { .. })), "{error}");
    assert_eq!(store.writes(), 1);
}

#[test]
fn a_vault_that_is_lent_serves_for_many_commits() {
    let store = sample(&[]);
    let vault = unlocked(&store);
    for name in ["A", "B"] {
        commit(&store, &vault, Previous::Drop, |draft| put(draft, name, "value")).unwrap();
    }
    assert_eq!(content(&store), ["A/1=value", "B/1=value"]);
    assert_eq!(vault.index().unwrap().values.len(), 0, "it shows the state that it was opened with");
}

#[test]
fn a_newer_generation_opens_with_the_key_at_hand() {
    let store = sample(&[]);
    let vault = unlocked(&store);
    assert!(vault.newer(&store).unwrap().is_none());
    change(&store, |draft| put(draft, "A", "a")).unwrap();
    let newer = vault.newer(&store).unwrap().unwrap();
    assert_eq!(newer.index().unwrap().values.len(), 1);
    assert_eq!(newer.opened_by().map(|slot| slot.id), Some(SLOTS[0]));
    assert!(newer.newer(&store).unwrap().is_none());
}

#[test]
fn a_vault_that_was_just_created_opens_with_the_key_at_hand() {
    let store = MemoryStore::default();
    let vault = UnlockedVault::create(Purpose::Secrets).unwrap();
    commit(&store, &vault, Previous::Drop, |draft| {
        draft.add_slot(SlotKind::Env, SLOTS[0], &slot_key(1))?;
        put(draft, "A", "a")
    })
    .unwrap();
    assert_eq!(vault.newer(&store).unwrap().unwrap().index().unwrap().values.len(), 1);
    let other = UnlockedVault::create(Purpose::Secrets).unwrap();
    assert!(matches!(other.newer(&store), Err(CommitError::Rekeyed)), "another vault");
}

#[test]
fn a_vault_that_is_gone_or_rekeyed_has_no_newer_generation() {
    let store = sample(&[]);
    let vault = unlocked(&store);
    commit(&store, &vault, Previous::Drop, |draft| {
        draft.rekey()?;
        draft.add_slot(SlotKind::Env, SlotId::generate(), &slot_key(1))
    })
    .unwrap();
    assert!(matches!(vault.newer(&store), Err(CommitError::Rekeyed)));
    store.set_current(None);
    assert!(matches!(vault.newer(&store), Err(CommitError::Store(StoreError::Conflict { .. }))));
}

#[test]
fn a_change_is_made_on_the_newest_state_and_not_on_the_one_that_was_opened() {
    let store = sample(&[("A", "a")]);
    let stale = unlocked(&store);
    change(&store, |draft| put(draft, "B", "b")).unwrap();
    let committed = commit(&store, stale, Previous::Keep, |draft| put(draft, "C", "c")).unwrap();
    assert_eq!(committed.header.generation, 3);
    assert_eq!(content(&store), ["A/1=a", "B/1=b", "C/1=c"]);
}

#[test]
fn a_vault_that_was_rekeyed_meanwhile_is_not_written_with_the_old_key() {
    let store = sample(&[("A", "a")]);
    let stale = unlocked(&store);
    change(&store, |draft| {
        draft.rekey()?;
        draft.add_slot(SlotKind::Env, SlotId::generate(), &slot_key(1))
    })
    .unwrap();
    let error = refused(&store, |store| commit(store, stale, Previous::Keep, |draft| put(draft, "B", "b")));
    assert!(matches!(error, CommitError::Rekeyed), "{error}");
}

#[test]
fn another_vault_in_the_place_of_this_one_is_not_written() {
    let store = sample(&[("A", "a")]);
    let vault = unlocked(&store);
    store.set_current(Some(sample(&[("A", "theirs")]).current()));
    let error = refused(&store, |store| commit(store, vault, Previous::Keep, |draft| put(draft, "B", "b")));
    assert!(matches!(error, CommitError::Rekeyed), "{error}");
}

#[test]
fn a_file_that_became_unreadable_is_not_written() {
    let store = sample(&[("A", "a")]);
    let vault = unlocked(&store);
    store.set_current(Some(b"torn".to_vec()));
    let error = refused(&store, |store| commit(store, vault, Previous::Keep, |draft| put(draft, "B", "b")));
    assert!(matches!(error, CommitError::Format(FormatError::Damaged(_))), "{error}");
}

#[test]
fn a_file_that_is_cut_off_or_continued_is_not_written() {
    let store = sample(&[("A", "a")]);
    let whole = store.current();
    for bytes in [whole[..whole.len() - 1].to_vec(), [whole, vec![0]].concat()] {
        store.set_current(Some(bytes));
        let error = refused(&store, |store| change(store, |draft| put(draft, "B", "b")));
        assert!(matches!(error, CommitError::Format(_)), "{error}");
    }
}

#[test]
fn a_damaged_value_refuses_a_write_by_its_name() {
    let store = sample(&[("A", "a"), ("B", "b"), ("C", "c")]);
    damage_value(&store, 1);
    let error = refused(&store, |store| change(store, |draft| put(draft, "D", "d")));
    let named = matches!(&error, CommitError::Format(FormatError::Value { name, version: 1 }) if name == "B");
    assert!(named, "{error}");
}

#[test]
fn a_damaged_value_can_be_put_over_and_removed() {
    for mend in [
        (|draft: &mut Draft<'_>| put(draft, "B", "new")) as fn(&mut Draft<'_>) -> Result<(), ChangeError>,
        |draft| draft.remove(&scope(), &name("B")).map(|_| ()),
    ] {
        let store = sample(&[("A", "a"), ("B", "b"), ("C", "c")]);
        damage_value(&store, 1);
        change(&store, mend).unwrap();
        let names: Vec<String> = content(&store);
        assert!(names.contains(&"A/1=a".to_owned()) && names.contains(&"C/1=c".to_owned()), "{names:?}");
        assert!(!names.contains(&"B/1=b".to_owned()), "{names:?}");
    }
}

#[test]
fn the_last_generation_refuses_a_write() {
    let store = sample(&[("A", "a")]);
    with_header(&store, |header| header.generation = u64::MAX);
    let error = refused(&store, |store| change(store, |draft| put(draft, "B", "b")));
    assert!(matches!(error, CommitError::Format(FormatError::TooLarge("the generation"))), "{error}");
    assert_eq!(content(&store), ["A/1=a"]);
}

#[test]
fn the_last_epoch_refuses_a_rekey_and_nothing_else() {
    let store = sample(&[("A", "a")]);
    with_header(&store, |header| header.epoch = u64::MAX);
    let error = refused(&store, |store| change(store, |draft| draft.rekey()));
    let epoch = matches!(error, CommitError::Change(ChangeError::Format(FormatError::TooLarge("the epoch"))));
    assert!(epoch, "{error}");
    change(&store, |draft| put(draft, "B", "b")).unwrap();
}

#[test]
fn a_vault_without_slots_is_not_written() {
    let empty = MemoryStore::default();
    let vault = UnlockedVault::create(Purpose::Secrets).unwrap();
    let error = commit(&empty, vault, Previous::Keep, |draft| put(draft, "A", "a")).unwrap_err();
    assert!(matches!(error, CommitError::Change(ChangeError::LastSlot)), "{error}");
    assert_eq!(empty.writes(), 0);

    let store = sample(&[("A", "a")]);
    let error = refused(&store, |store| change(store, |draft| draft.rekey()));
    assert!(matches!(error, CommitError::Change(ChangeError::LastSlot)), "{error}");
}

#[test]
fn a_file_above_its_limit_is_not_written() {
    let store = sample(&[]);
    let error = refused(&store, |store| {
        change(store, |draft| {
            (0..256).try_for_each(|nth| put(draft, &format!("N{nth}"), ""))?;
            // The size is refused before any value is looked at, so that small ones stand for large ones.
            for position in 0..draft.index.values.len() {
                draft.index.values.update(position, |value| value.sealed_len = 1_048_720)?;
            }
            Ok(())
        })
    });
    assert!(matches!(error, CommitError::Format(FormatError::TooLarge("the size of the file"))), "{error}");
}

#[test]
fn an_index_above_its_limit_is_not_written() {
    let store = sample(&[]);
    let directory = vec![b'd'; usize::try_from(MAX_SEALED_INDEX).unwrap()];
    let error = refused(&store, |store| {
        change(store, |draft| {
            draft.bind(&Default::default(), &Default::default(), &[b"/".as_slice(), &directory].concat())
        })
    });
    assert!(matches!(error, CommitError::Format(FormatError::TooLarge("the size of the index"))), "{error}");
}
