//! A real vault in a real file against a map: random sequences of put, remove and rollback give the same
//! secrets, versions and refusals.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use tempfile::TempDir;
use vault_core::format::{Purpose, Snapshot};
use vault_core::name::{Scope, SecretName, TenantId, WorkspaceId};
use vault_core::secret::{SecretBytes, SlotKey};
use vault_core::slot::{KeySource, SlotId, SlotKind, SlotRecord, SourceError, VaultId};
use vault_core::store::{FileStore, Previous, VaultStore};
use vault_core::vault::commit::{CommitError, commit};
use vault_core::vault::draft::ChangeError;
use vault_core::vault::{LockedVault, UnlockedVault};
use zeroize::Zeroizing;

/// The versions of each secret, newest first.
type Model = BTreeMap<(Scope, String), Vec<(u32, Vec<u8>)>>;

#[derive(Debug, Clone)]
enum Act {
    Put { secret: usize, value: Vec<u8> },
    Remove { secret: usize },
    Rollback { secret: usize, to: u32 },
}

/// What an act came to, in the vault and in the model.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    NoSecret,
    NoVersion,
    Removed(usize),
    Stored(u32),
}

fn any_act() -> impl Strategy<Value = Act> {
    let value = prop_oneof![vec(any::<u8>(), 0..70), Just(vec![7; 5000])];
    prop_oneof![
        6 => (0..SECRETS, value).prop_map(|(secret, value)| Act::Put { secret, value }),
        1 => (0..SECRETS).prop_map(|secret| Act::Remove { secret }),
        2 => (0..SECRETS, 0..16_u32).prop_map(|(secret, to)| Act::Rollback { secret, to }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_vault_and_a_map_agree_after_every_act(acts in vec(any_act(), 1..40)) {
        let folder = TempDir::new().unwrap();
        let store = created(&folder);
        let mut model = Model::new();
        let mut generation = 1;
        for act in acts {
            let before = bytes_of(&store);
            let outcome = in_model(&mut model, &act);
            prop_assert_eq!(&in_vault(&store, &act), &outcome, "{:?}", act);
            if matches!(outcome, Outcome::NoSecret | Outcome::NoVersion) {
                prop_assert_eq!(bytes_of(&store), before);
            } else {
                generation += 1;
            }
            prop_assert_eq!(unlocked(&store).header().generation, generation);
            prop_assert_eq!(content(&store), content_of(&model));
        }
    }
}

fn in_model(model: &mut Model, act: &Act) -> Outcome {
    match act {
        Act::Put { secret, value } => put_in_model(model, *secret, value.clone()),
        Act::Remove { secret } => {
            model.remove(&key(*secret)).map_or(Outcome::NoSecret, |versions| Outcome::Removed(versions.len()))
        }
        Act::Rollback { secret, to } => {
            let Some(versions) = model.get(&key(*secret)) else { return Outcome::NoSecret };
            let Some((_, value)) = versions.iter().find(|(version, _)| version == to) else {
                return Outcome::NoVersion;
            };
            put_in_model(model, *secret, value.clone())
        }
    }
}

fn put_in_model(model: &mut Model, secret: usize, value: Vec<u8>) -> Outcome {
    let versions = model.entry(key(secret)).or_default();
    let version = versions.first().map_or(1, |(newest, _)| newest + 1);
    versions.insert(0, (version, value));
    versions.truncate(11);
    Outcome::Stored(version)
}

fn in_vault(store: &FileStore, act: &Act) -> Outcome {
    let done = commit(store, unlocked(store), Previous::Keep, |draft| match act {
        Act::Put { secret, value } => {
            let (scope, name) = parsed(*secret);
            let value = SecretBytes::new(value.clone());
            draft.put(&scope, &name, &value, 1).map(|stored| Outcome::Stored(stored.version))
        }
        Act::Remove { secret } => {
            let (scope, name) = parsed(*secret);
            draft.remove(&scope, &name).map(Outcome::Removed)
        }
        Act::Rollback { secret, to } => {
            let (scope, name) = parsed(*secret);
            draft.rollback(&scope, &name, *to, 1).map(|stored| Outcome::Stored(stored.version))
        }
    });
    match done {
        Ok(committed) => committed.outcome,
        Err(CommitError::Change(ChangeError::NoSecret { .. })) => Outcome::NoSecret,
        Err(CommitError::Change(ChangeError::NoVersion { .. })) => Outcome::NoVersion,
        Err(error) => panic!("{error:?}"),
    }
}

/// Every version of every secret in the order of the vault.
type Content = Vec<(Scope, String, u32, Vec<u8>)>;

fn content(store: &FileStore) -> Content {
    let vault = unlocked(store);
    let index = vault.index().unwrap();
    let positions: Vec<usize> = (0..index.values.len()).collect();
    let values = vault.values(&index, &positions).unwrap();
    assert_eq!(vault.verify(&index).unwrap(), [0; 0]);
    let rows = index.values.iter().zip(values).map(|(record, value)| {
        let scope = index.scopes[record.scope as usize].scope().unwrap();
        (scope, record.name.to_string(), record.version, value.expose_secret().to_vec())
    });
    rows.collect()
}

fn content_of(model: &Model) -> Content {
    let rows = model.iter().flat_map(|((scope, name), versions)| {
        versions.iter().map(|(version, value)| (scope.clone(), name.clone(), *version, value.clone()))
    });
    rows.collect()
}

fn created(folder: &TempDir) -> FileStore {
    let store = FileStore::new(folder.path().join("vault"));
    let vault = UnlockedVault::create(Purpose::Secrets).unwrap();
    let add = commit(&store, vault, Previous::Keep, |draft| {
        draft.add_slot(SlotKind::Env, SlotId::generate(), &slot_key())
    });
    add.unwrap();
    store
}

fn unlocked(store: &FileStore) -> UnlockedVault {
    let locked = LockedVault::open(store.open().unwrap().unwrap(), Purpose::Secrets).unwrap();
    locked.unlock(&mut [&mut TheKey]).unwrap().vault
}

fn bytes_of(store: &FileStore) -> Vec<u8> {
    let snapshot: Box<dyn Snapshot> = store.open().unwrap().unwrap();
    let mut bytes = vec![0; usize::try_from(snapshot.len()).unwrap()];
    snapshot.read_at(0, &mut bytes).unwrap();
    bytes
}

/// The one key of these vaults.
#[derive(Debug)]
struct TheKey;

impl KeySource for TheKey {
    fn label(&self) -> &'static str {
        "the key"
    }

    fn serves(&self, _kind: &SlotKind) -> bool {
        true
    }

    fn slot_key(&mut self, _vault_id: VaultId, _slot: &SlotRecord) -> Result<SlotKey, SourceError> {
        Ok(slot_key())
    }
}

fn slot_key() -> SlotKey {
    SlotKey::new(Zeroizing::new([1; 32]))
}

fn parsed(secret: usize) -> (Scope, SecretName) {
    let (scope, name) = key(secret);
    (scope, SecretName::parse(&name).unwrap())
}

/// Six secrets: three names, of which one is the beginning of another, in two scopes.
fn key(secret: usize) -> (Scope, String) {
    let names = ["A", "AB", "é"];
    let scope = match secret / names.len() {
        0 => Scope::Workspace(TenantId::default(), WorkspaceId::default()),
        _ => Scope::Tenant(TenantId::default()),
    };
    (scope, names[secret % names.len()].to_owned())
}

const SECRETS: usize = 6;
