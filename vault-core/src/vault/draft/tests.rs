//! Each change of an index, and each that is refused.

use super::*;
use crate::crypto::kdf::KdfParams;
use crate::format::MAX_PASSPHRASE_SLOTS;
use crate::store::memory::MemoryStore;
use crate::store::{Previous, VaultStore};
use crate::vault::commit::commit;
use crate::vault::merge::{Incoming, OnConflict};
use crate::vault::samples::{
    SLOTS, change, content, damage_value, name, put, sample, scope, slot_key, unlocked,
};

/// Calls `act` with a draft of a vault that has these secrets, and writes nothing.
fn with_draft<T>(secrets: &[(&str, &str)], act: impl FnOnce(&mut Draft<'_>) -> T) -> T {
    let vault = unlocked(&sample(secrets));
    act(&mut Draft::new(&vault, vault.index().unwrap()))
}

/// Checks that a refusal leaves index, messages and slots as they were.
fn refused<T: std::fmt::Debug>(
    draft: &mut Draft<'_>,
    act: impl FnOnce(&mut Draft<'_>) -> Result<T, ChangeError>,
) -> ChangeError {
    let (index, slots, count) = (draft.index.clone(), draft.slots.clone(), draft.fresh.len());
    let error = act(draft).unwrap_err();
    assert_eq!((&draft.index, &draft.slots, draft.fresh.len()), (&index, &slots, count));
    assert!(draft.renewed.is_none());
    error
}

fn tenant() -> Scope {
    Scope::Tenant(TenantId::default())
}

fn store(draft: &mut Draft<'_>, scope: &Scope, value: &str) -> Stored {
    draft.put(scope, &name("A"), &SecretBytes::new(value.into()), 1).unwrap()
}

fn versions(draft: &Draft<'_>, scope: &Scope) -> Vec<u32> {
    draft.index.versions(scope, &name("A")).map(|at| draft.index.values.at(at).version).collect()
}

/// Puts as many records of one secret behind the others as a vault takes.
fn fill(draft: &mut Draft<'_>) {
    let filler = ValueRecord {
        scope: 0,
        name: "Z",
        version: 1,
        created: 1,
        id: ValueId::generate(),
        sealed_len: 144,
        sha256: [0; 32],
    };
    for position in draft.index.values.len()..MAX_VALUES {
        draft.index.values.insert(position, &filler).unwrap();
    }
}

/// As secrets that another file brings along.
fn incoming(name: &str) -> Incoming {
    Incoming { scope: scope(), name: self::name(name), value: SecretBytes::new(b"x".to_vec()) }
}

#[test]
fn a_draft_begins_with_the_slots_of_the_vault() {
    let vault = unlocked(&sample(&[]));
    let draft = Draft::new(&vault, vault.index().unwrap());
    assert_eq!(draft.slots(), vault.header().slots);
    assert_eq!(draft.slots().len(), 2);
}

#[test]
fn replace_keeps_no_earlier_version() {
    let store = sample(&[("A", "spent"), ("B", "b")]);
    change(&store, |draft| {
        put(draft, "A", "spent too")?;
        draft.replace(&scope(), &name("A"), &SecretBytes::new(b"newest".to_vec()), 1)
    })
    .unwrap();
    assert_eq!(content(&store), ["A/3=newest", "B/1=b"]);
    change(&store, |draft| draft.replace(&scope(), &name("C"), &SecretBytes::new(b"c".to_vec()), 1)).unwrap();
    assert_eq!(content(&store), ["A/3=newest", "B/1=b", "C/1=c"]);
}

#[test]
fn put_keeps_ten_earlier_versions_and_gives_up_the_oldest() {
    with_draft(&[], |draft| {
        for version in 1..=13 {
            assert_eq!(store(draft, &scope(), "value"), Stored { version, dropped: vec![] });
        }
        assert_eq!(versions(draft, &scope()), (3..=13).rev().collect::<Vec<_>>());
    });
}

#[test]
fn one_name_in_two_scopes_is_two_secrets() {
    with_draft(&[("A", "a")], |draft| {
        assert_eq!(store(draft, &tenant(), "b").version, 1);
        assert_eq!((versions(draft, &scope()), versions(draft, &tenant())), (vec![1], vec![1]));
        assert_eq!(draft.remove(&scope(), &name("A")).unwrap(), 1);
        assert_eq!(draft.index.scopes, [ScopeRecord::new(&tenant())]);
        assert_eq!(draft.index.values.at(0).scope, 0, "the scopes behind a removed one move down");
        assert_eq!(versions(draft, &tenant()), [1]);
    });
}

#[test]
fn a_value_above_its_limit_is_refused() {
    with_draft(&[("A", "a")], |draft| {
        let value = SecretBytes::new(vec![0; MAX_VALUE + 1]);
        let error = refused(draft, |draft| draft.put(&tenant(), &name("B"), &value, 1));
        assert!(matches!(error, ChangeError::ValueTooLarge(len) if len == MAX_VALUE + 1), "{error}");
        let value = SecretBytes::new(vec![0; MAX_VALUE]);
        assert!(draft.put(&tenant(), &name("B"), &value, 1).is_ok());
    });
}

#[test]
fn the_last_version_number_is_refused_once_it_is_used() {
    with_draft(&[("A", "a")], |draft| {
        draft.index.values.update(0, |value| value.version = u32::MAX - 1).unwrap();
        assert_eq!(store(draft, &scope(), "b").version, u32::MAX);
        let error = refused(draft, |draft| put(draft, "A", "c"));
        assert!(matches!(error, ChangeError::VersionsExhausted(_)), "{error}");
    });
}

#[test]
fn a_value_above_the_number_of_values_is_refused() {
    with_draft(&[("A", "a")], |draft| {
        fill(draft);
        for scope in [scope(), tenant()] {
            let value = SecretBytes::new(Vec::new());
            let error = draft.put(&scope, &name("B"), &value, 1).unwrap_err();
            assert!(matches!(error, ChangeError::TooManyValues), "{error}");
        }
        assert_eq!((draft.index.scopes.len(), draft.index.values.len()), (1, MAX_VALUES));
    });
}

#[test]
fn what_another_file_brings_has_the_limit_of_a_value_too() {
    with_draft(&[], |draft| {
        let value = |len| SecretBytes::new(vec![b'x'; len]);
        let large = Incoming { value: value(MAX_VALUE + 1), ..incoming("A") };
        let refused = draft.merge(&[large], OnConflict::Fail, 1);
        assert!(
            matches!(refused, Err(ChangeError::ValueTooLarge(len)) if len == MAX_VALUE + 1),
            "{refused:?}"
        );
        let largest = Incoming { value: value(MAX_VALUE), ..incoming("A") };
        draft.merge(&[largest], OnConflict::Fail, 1).unwrap();
    });
}

#[test]
fn secrets_fill_a_vault_to_its_limit_and_no_further() {
    with_draft(&[("A", "a")], |draft| {
        fill(draft);
        let merged = draft.merge(&[incoming("B")], OnConflict::Fail, 1);
        assert!(matches!(merged, Err(ChangeError::TooManyValues)), "{merged:?}");
        let last = MAX_VALUES - 1;
        draft.index.values.remove(last..MAX_VALUES);
        let merged = draft.merge(&[incoming("B"), incoming("C")], OnConflict::Fail, 1);
        assert!(matches!(merged, Err(ChangeError::TooManyValues)), "{merged:?}");
        draft.merge(&[incoming("B")], OnConflict::Fail, 1).unwrap();
        assert_eq!(draft.index.values.len(), MAX_VALUES);
    });
}

#[test]
fn a_secret_with_all_its_versions_can_be_put_in_a_full_vault() {
    with_draft(&[], |draft| {
        (0..11).for_each(|_| drop(store(draft, &scope(), "value")));
        fill(draft);
        assert_eq!(store(draft, &scope(), "value").version, 12);
        assert_eq!(draft.index.values.len(), MAX_VALUES);
    });
}

#[test]
fn put_reports_the_damaged_versions_that_it_gives_up() {
    let store = sample(&[("A", "one")]);
    change(&store, |draft| put(draft, "A", "two")).unwrap();
    change(&store, |draft| put(draft, "A", "three")).unwrap();
    damage_value(&store, 1);
    let stored =
        change(&store, |draft| draft.put(&scope(), &name("A"), &SecretBytes::new(b"four".to_vec()), 1));
    assert_eq!(stored.unwrap().outcome, Stored { version: 4, dropped: vec![2] });
    assert_eq!(content(&store), ["A/4=four", "A/3=three", "A/1=one"]);
}

#[test]
fn a_version_number_is_not_used_again_after_damage_was_given_up() {
    let store = sample(&[("A", "one")]);
    damage_value(&store, 0);
    change(&store, |draft| put(draft, "A", "two")).unwrap();
    assert_eq!(content(&store), ["A/2=two"]);
}

#[test]
fn what_is_not_there_is_neither_removed_nor_rolled_back() {
    with_draft(&[("A", "a")], |draft| {
        for (scope, name) in [(scope(), name("B")), (tenant(), name("A"))] {
            let error = refused(draft, |draft| draft.remove(&scope, &name));
            assert!(matches!(error, ChangeError::NoSecret { .. }), "{error}");
            let error = refused(draft, |draft| draft.rollback(&scope, &name, 1, 1));
            assert!(matches!(error, ChangeError::NoSecret { .. }), "{error}");
        }
        for version in [0, 2, u32::MAX] {
            let error = refused(draft, |draft| draft.rollback(&scope(), &name("A"), version, 1));
            assert!(matches!(error, ChangeError::NoVersion { .. }), "{error}");
        }
    });
}

#[test]
fn rollback_makes_an_earlier_value_the_current_one_as_a_new_version() {
    let store = sample(&[("A", "one")]);
    change(&store, |draft| put(draft, "A", "two")).unwrap();
    change(&store, |draft| draft.rollback(&scope(), &name("A"), 1, 1)).unwrap();
    assert_eq!(content(&store), ["A/3=one", "A/2=two", "A/1=one"]);
}

#[test]
fn rollback_to_a_damaged_version_is_refused() {
    let store = sample(&[("A", "one")]);
    change(&store, |draft| put(draft, "A", "two")).unwrap();
    damage_value(&store, 1);
    let vault = unlocked(&store);
    let mut draft = Draft::new(&vault, vault.index().unwrap());
    let error = refused(&mut draft, |draft| draft.rollback(&scope(), &name("A"), 1, 1));
    assert!(matches!(error, ChangeError::Format(FormatError::Value { version: 1, .. })), "{error}");
}

#[test]
fn a_slot_above_their_number_is_refused() {
    with_draft(&[], |draft| {
        for nth in 2..MAX_SLOTS {
            let id = SlotId::new([u8::try_from(nth + 1).unwrap(); 16]);
            draft.add_slot(SlotKind::Env, id, &slot_key(1)).unwrap();
        }
        let error = refused(draft, |draft| draft.add_slot(SlotKind::Env, SlotId::generate(), &slot_key(1)));
        assert!(matches!(error, ChangeError::TooManySlots), "{error}");
    });
}

#[test]
fn a_passphrase_slot_above_their_number_or_costs_is_refused() {
    let dear = KdfParams::new(1 << 20, 4, 4).unwrap();
    for (params, allowed) in [(KdfParams::LIGHT, MAX_PASSPHRASE_SLOTS), (dear, 2)] {
        with_draft(&[], |draft| {
            let kind = SlotKind::Passphrase { params, salt: [0; 16] };
            for _ in 0..allowed {
                draft.add_slot(kind, SlotId::generate(), &slot_key(1)).unwrap();
            }
            let error = refused(draft, |draft| draft.add_slot(kind, SlotId::generate(), &slot_key(1)));
            assert!(matches!(error, ChangeError::TooManySlots), "{error}");
            assert!(draft.add_slot(SlotKind::Env, SlotId::generate(), &slot_key(1)).is_ok());
        });
    }
}

#[test]
fn two_slots_of_one_id_are_refused() {
    with_draft(&[], |draft| {
        refused(draft, |draft| draft.add_slot(SlotKind::Env, SLOTS[0], &slot_key(1)));
    });
}

#[test]
fn the_last_slot_and_unknown_slots_are_not_removed() {
    with_draft(&[], |draft| {
        let error = refused(draft, |draft| draft.remove_slot(SlotId::new([9; 16])));
        assert!(matches!(error, ChangeError::NoSlot(_)), "{error}");
        draft.remove_slot(SLOTS[0]).unwrap();
        let error = refused(draft, |draft| draft.remove_slot(SLOTS[1]));
        assert!(matches!(error, ChangeError::LastSlot), "{error}");
    });
}

#[test]
fn adding_or_removing_a_slot_leaves_the_others_byte_for_byte() {
    let store = sample(&[("A", "a")]);
    let before = unlocked(&store).header().slots[0].clone();
    change(&store, |draft| {
        draft.remove_slot(SLOTS[1])?;
        draft.add_slot(SlotKind::Recovery, SlotId::generate(), &slot_key(3))
    })
    .unwrap();
    assert_eq!(unlocked(&store).header().slots[0], before);
}

#[test]
fn a_directory_is_bound_once_and_only_if_it_is_absolute() {
    with_draft(&[], |draft| {
        let (tenant, workspace) = (TenantId::default(), WorkspaceId::default());
        for directory in [&b""[..], b"src", b"./src", b"/src\0"] {
            let error = refused(draft, |draft| draft.bind(&tenant, &workspace, directory));
            assert!(matches!(error, ChangeError::RelativeDirectory), "{error}");
        }
        for directory in [&b"/src"[..], b"/", b"/src", b"/\xff"] {
            draft.bind(&tenant, &workspace, directory).unwrap();
        }
        let bound: Vec<&[u8]> = draft.index.bindings.iter().map(|binding| &*binding.directory).collect();
        assert_eq!(bound, [&b"/"[..], b"/src", b"/\xff"]);
    });
}

#[test]
fn rekey_seals_every_value_again_under_a_new_id() {
    let store = sample(&[("A", "a"), ("B", "b")]);
    let records = |store: &MemoryStore| {
        let vault = unlocked(store);
        let values = vault.index().unwrap().values;
        values.iter().map(|value| (value.id, value.sha256)).collect::<Vec<_>>()
    };
    let before = records(&store);
    commit(&store, unlocked(&store), Previous::Drop, |draft| {
        draft.rekey()?;
        draft.add_slot(SlotKind::Env, SlotId::generate(), &slot_key(1))
    })
    .unwrap();
    assert_eq!(content(&store), ["A/1=a", "B/1=b"]);
    let after = records(&store);
    assert!(before.iter().zip(&after).all(|(old, new)| old.0 != new.0 && old.1 != new.1));
    assert_eq!((unlocked(&store).header().epoch, unlocked(&store).header().slots.len()), (2, 1));
    assert!(store.open().is_ok() && store.previous().is_none());
}

#[test]
fn rekey_of_a_vault_with_a_damaged_value_changes_nothing_and_names_it() {
    let store = sample(&[("A", "a"), ("B", "b")]);
    damage_value(&store, 1);
    let vault = unlocked(&store);
    let mut draft = Draft::new(&vault, vault.index().unwrap());
    let error = refused(&mut draft, |draft| draft.rekey());
    let named = matches!(&error, ChangeError::Format(FormatError::Value { name, .. }) if name == "B");
    assert!(named, "{error}");
}
