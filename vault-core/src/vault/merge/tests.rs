//! How secrets from elsewhere stand to a vault, and what merging them leaves.

use super::*;
use crate::name::{TenantId, WorkspaceId};
use crate::store::memory::MemoryStore;
use crate::vault::commit::{CommitError, Committed};
use crate::vault::samples::{change, content, damage_value, name, put, sample, scope, unlocked};

use OnConflict::{Fail, Overwrite, Skip};
use Standing::{Conflict, New, Unchanged};

fn incoming(secrets: &[(&str, &str)]) -> Vec<Incoming> {
    let one = |(name, value): &(&str, &str)| Incoming {
        scope: scope(),
        name: self::name(name),
        value: SecretBytes::new(value.as_bytes().to_vec()),
    };
    secrets.iter().map(one).collect()
}

fn merge(
    store: &MemoryStore,
    secrets: &[(&str, &str)],
    on_conflict: OnConflict,
) -> Result<Vec<Standing>, CommitError> {
    let merged = change(store, |draft| draft.merge(&incoming(secrets), on_conflict, 2));
    merged.map(|Committed { outcome, .. }| outcome)
}

#[test]
fn each_secret_is_new_unchanged_or_a_conflict() {
    let vault = unlocked(&sample(&[("A", "1"), ("B", "2")]));
    let found = vault.compare(&incoming(&[("C", "1"), ("B", "2"), ("A", "other"), ("A", "1")])).unwrap();
    assert_eq!(found, [New, Unchanged, Conflict, Unchanged]);
}

#[test]
fn values_that_begin_alike_are_a_conflict() {
    let vault = unlocked(&sample(&[("A", "12")]));
    for value in ["1", "123", "", "12\n", "13"] {
        assert_eq!(vault.compare(&incoming(&[("A", value)])).unwrap(), [Conflict], "{value:?}");
    }
}

#[test]
fn the_same_name_in_another_scope_is_new() {
    let vault = unlocked(&sample(&[("A", "1")]));
    let mut secrets = incoming(&[("A", "1")]);
    secrets[0].scope = Scope::Tenant(TenantId::default());
    assert_eq!(vault.compare(&secrets).unwrap(), [New]);
}

#[test]
fn only_the_current_value_counts() {
    let store = sample(&[("A", "old")]);
    change(&store, |draft| put(draft, "A", "current")).unwrap();
    let found = unlocked(&store).compare(&incoming(&[("A", "old"), ("A", "current")])).unwrap();
    assert_eq!(found, [Conflict, Unchanged]);
}

#[test]
fn one_conflict_stops_everything_and_is_named_without_its_value() {
    let store = sample(&[("A", "1")]);
    let before = store.current();
    let error = merge(&store, &[("NEW", "n"), ("A", "canary")], Fail).unwrap_err();
    assert_eq!(error.to_string(), "nothing was stored, the vault has other values of: A");
    assert!(!format!("{error:?}").contains("canary"));
    assert_eq!(store.current(), before);
}

#[test]
fn a_long_list_of_conflicts_is_cut() {
    let names: Vec<String> = (0..12).map(|nth| format!("N{nth:02}")).collect();
    let with = |value| names.iter().map(|name| (name.as_str(), value)).collect::<Vec<_>>();
    let error = merge(&sample(&with("1")), &with("2"), Fail).unwrap_err().to_string();
    assert!(error.ends_with("N08, N09, and 2 more"), "{error}");
    let ten = |value| names[..10].iter().map(|name| (name.as_str(), value)).collect::<Vec<_>>();
    let error = merge(&sample(&ten("1")), &ten("2"), Fail).unwrap_err().to_string();
    assert!(error.ends_with("N08, N09"), "{error}");
}

#[test]
fn overwriting_makes_a_new_version_and_skipping_none() {
    let secrets = [("A", "other"), ("B", "2"), ("C", "3")];
    let store = sample(&[("A", "1"), ("B", "2")]);
    assert_eq!(merge(&store, &secrets, Skip).unwrap(), [Conflict, Unchanged, New]);
    assert_eq!(content(&store), ["A/1=1", "B/1=2", "C/1=3"]);
    assert_eq!(merge(&store, &secrets, Overwrite).unwrap(), [Conflict, Unchanged, Unchanged]);
    assert_eq!(content(&store), ["A/2=other", "A/1=1", "B/1=2", "C/1=3"]);
}

#[test]
fn new_secrets_in_any_order_go_between_the_others() {
    let store = sample(&[("B", "b"), ("D", "d")]);
    change(&store, |draft| put(draft, "B", "b2")).unwrap();
    merge(&store, &[("E", "e"), ("A", "a"), ("C", "c")], Fail).unwrap();
    assert_eq!(content(&store), ["A/1=a", "B/2=b2", "B/1=b", "C/1=c", "D/1=d", "E/1=e"]);
}

#[test]
fn scopes_that_are_new_move_the_others() {
    let store = sample(&[("A", "1")]);
    let mut secrets = incoming(&[("T", "t"), ("W", "w")]);
    secrets[0].scope = Scope::Tenant(TenantId::parse("acme").unwrap());
    secrets[1].scope = Scope::Workspace(TenantId::parse("acme").unwrap(), WorkspaceId::default());
    change(&store, |draft| draft.merge(&secrets, Fail, 2)).unwrap();
    let vault = unlocked(&store);
    let index = vault.index().unwrap();
    assert_eq!(index.scopes.len(), 3);
    assert_eq!(vault.compare(&secrets).unwrap(), [Unchanged, Unchanged]);
    assert_eq!(vault.compare(&incoming(&[("A", "1")])).unwrap(), [Unchanged]);
}

#[test]
fn a_name_that_comes_twice_is_refused() {
    let store = sample(&[("A", "1")]);
    for secrets in [[("A", "1"), ("A", "2")], [("A", "1"), ("A", "1")], [("B", "1"), ("B", "2")]] {
        for on_conflict in [Fail, Overwrite, Skip] {
            let error = merge(&store, &secrets, on_conflict).unwrap_err().to_string();
            let named = format!("nothing was stored, {} comes twice for workspace default", secrets[0].0);
            assert_eq!(error, named);
        }
    }
    assert_eq!(content(&store), ["A/1=1"]);
}

#[test]
fn one_name_in_two_scopes_does_not_come_twice() {
    let store = sample(&[]);
    let mut secrets = incoming(&[("A", "1"), ("A", "2")]);
    secrets[0].scope = Scope::Tenant(TenantId::default());
    assert!(change(&store, |draft| draft.merge(&secrets, Fail, 2)).is_ok());
}

#[test]
fn a_damaged_value_is_a_conflict_and_is_overwritten() {
    let store = sample(&[("A", "1"), ("B", "2")]);
    damage_value(&store, 0);
    assert!(merge(&store, &[("A", "1")], Fail).is_err());
    assert_eq!(merge(&store, &[("A", "1")], Overwrite).unwrap(), [Conflict]);
    assert_eq!(content(&store), ["A/2=1", "B/1=2"]);
}

#[test]
fn a_value_above_the_limit_is_refused() {
    let store = sample(&[("A", "1")]);
    let large = "v".repeat(MAX_VALUE + 1);
    for (named, on_conflict) in [("A", Overwrite), ("NEW", Fail)] {
        let error = merge(&store, &[("B", "fits"), (named, &large)], on_conflict).unwrap_err();
        assert!(matches!(error, CommitError::Change(ChangeError::ValueTooLarge(_))), "{error}");
    }
    assert_eq!(content(&store), ["A/1=1"]);
}

#[test]
fn nothing_to_merge_changes_nothing() {
    let store = sample(&[("A", "1")]);
    assert_eq!(merge(&store, &[], Fail).unwrap(), []);
    assert_eq!(content(&store), ["A/1=1"]);
}
