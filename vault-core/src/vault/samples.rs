//! Small vaults in a store in memory, for the tests of this module.

use zeroize::Zeroizing;

use crate::format::{Purpose, Snapshot};
use crate::name::{Scope, SecretName, TenantId, WorkspaceId};
use crate::secret::{SecretBytes, SlotKey};
use crate::slot::{KeySource, SlotId, SlotKind, SlotRecord, SourceError, VaultId};
use crate::store::memory::MemoryStore;
use crate::store::{Previous, VaultStore};
use crate::vault::commit::{CommitError, Committed, commit};
use crate::vault::draft::{ChangeError, Draft};
use crate::vault::{LockedVault, UnlockedVault};

/// The two env slots of every sample, which open with [`slot_key`] 1 and 2.
pub(super) const SLOTS: [SlotId; 2] = [SlotId::new([1; 16]), SlotId::new([2; 16])];

/// A key source with one key for every slot of one kind.
#[derive(Debug)]
pub(super) struct OneKey {
    pub(super) kind: &'static str,
    pub(super) key: u8,
}

impl KeySource for OneKey {
    fn label(&self) -> &str {
        self.kind
    }

    fn serves(&self, kind: &SlotKind) -> bool {
        kind.name() == self.kind
    }

    fn slot_key(&mut self, _vault_id: VaultId, _slot: &SlotRecord) -> Result<SlotKey, SourceError> {
        Ok(slot_key(self.key))
    }
}

/// Makes a store with a vault of two env slots and these secrets, each of one version.
pub(super) fn sample(secrets: &[(&str, &str)]) -> MemoryStore {
    let store = MemoryStore::default();
    create(&store, secrets).unwrap();
    store
}

/// Makes such a vault in a store.
pub(super) fn create(store: &dyn VaultStore, secrets: &[(&str, &str)]) -> Result<Committed<()>, CommitError> {
    let vault = UnlockedVault::create(Purpose::Secrets)?;
    commit(store, vault, Previous::Keep, |draft| {
        draft.add_slot(SlotKind::Env, SLOTS[0], &slot_key(1))?;
        draft.add_slot(SlotKind::Env, SLOTS[1], &slot_key(2))?;
        secrets.iter().try_for_each(|(name, value)| put(draft, name, value))
    })
}

/// Opens the vault's header.
pub(super) fn locked(store: &dyn VaultStore) -> LockedVault {
    LockedVault::open(store.open().unwrap().unwrap(), Purpose::Secrets).unwrap()
}

/// Unlocks the vault with the key of its first slot.
pub(super) fn unlocked(store: &dyn VaultStore) -> UnlockedVault {
    with_first_key(locked(store))
}

/// Unlocks a vault of these bytes with the key of a sample's first slot.
pub(super) fn unlocked_bytes(bytes: Vec<u8>) -> UnlockedVault {
    let snapshot: Box<dyn Snapshot> = Box::new(bytes);
    with_first_key(LockedVault::open(snapshot, Purpose::Secrets).unwrap())
}

fn with_first_key(locked: LockedVault) -> UnlockedVault {
    locked.unlock(&mut [&mut OneKey { kind: "env", key: 1 }]).unwrap().vault
}

/// Unlocks the vault and commits a change.
pub(super) fn change<T>(
    store: &dyn VaultStore,
    change: impl FnOnce(&mut Draft<'_>) -> Result<T, ChangeError>,
) -> Result<Committed<T>, CommitError> {
    commit(store, unlocked(store), Previous::Keep, change)
}

/// Puts one value.
pub(super) fn put(draft: &mut Draft<'_>, name: &str, value: &str) -> Result<(), ChangeError> {
    draft.put(&scope(), &self::name(name), &SecretBytes::new(value.into()), 1).map(|_| ())
}

/// Returns every version of every secret as `name/version=value`, in order.
pub(super) fn content(store: &dyn VaultStore) -> Vec<String> {
    values(&unlocked(store))
}

/// Returns every version of every secret of an open vault in the same way.
pub(super) fn values(vault: &UnlockedVault) -> Vec<String> {
    let index = vault.index().unwrap();
    let all: Vec<usize> = (0..index.values.len()).collect();
    let values = vault.values(&index, &all).unwrap();
    let shown = index.values.iter().zip(values).map(|(record, value)| {
        let value = String::from_utf8_lossy(value.expose_secret()).into_owned();
        format!("{}/{}={value}", record.name, record.version)
    });
    shown.collect()
}

/// Flips a bit of the stored value at `position`.
pub(super) fn damage_value(store: &MemoryStore, position: usize) {
    let vault = unlocked(store);
    let index = vault.index().unwrap();
    let mut bytes = store.current();
    bytes[usize::try_from(vault.message_at(&index, position)).unwrap() + 70] ^= 1;
    store.set_current(Some(bytes));
}

pub(super) fn slot_key(byte: u8) -> SlotKey {
    SlotKey::new(Zeroizing::new([byte; 32]))
}

pub(super) fn scope() -> Scope {
    Scope::Workspace(TenantId::default(), WorkspaceId::default())
}

pub(super) fn name(text: &str) -> SecretName {
    SecretName::parse(text).unwrap()
}
