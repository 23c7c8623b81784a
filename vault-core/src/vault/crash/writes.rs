//! The writes that commands make, each from the state before it: a vault with a previous generation, and
//! the temporary file of somebody who was killed.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;

use super::{Home, PREVIOUS, VAULT};
use crate::connection::{Auth, Connection, Label, Settings};
use crate::format::{Purpose, Snapshot};
use crate::name::{ConnectionId, TenantId, WorkspaceId};
use crate::provider::Kind;
use crate::secret::SecretBytes;
use crate::slot::{SlotId, SlotKind};
use crate::store::{FileStore, Previous, VaultStore};
use crate::vault::bundle::Contents;
use crate::vault::commit::{CommitError, commit};
use crate::vault::draft::{ChangeError, Draft};
use crate::vault::merge::{Incoming, OnConflict};
use crate::vault::restore::{open_previous, restore};
use crate::vault::samples::{OneKey, SLOTS, create, name, put, scope, slot_key, unlocked};
use crate::vault::unlock::UnlockError;
use crate::vault::{LockedVault, UnlockedVault};

/// One write.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) name: &'static str,
    /// Makes the state before.
    pub(super) prepare: fn(&Home),
    /// Does what the command does, reading included.
    pub(super) run: fn(&FileStore) -> Result<(), CommitError>,
    /// What becomes of the generation before.
    pub(super) previous: Previous,
}

/// The temporary file of somebody who was killed.
pub(super) const KILLED_TEMP: &str = ".vault.tmp.0123456789abcdef";

/// All writes.
pub(super) const WRITES: &[Write] = &[
    FIRST,
    PUT,
    Write { name: "rm", run: |store| change(store, Previous::Keep, remove), ..PUT },
    PURGE,
    Write { name: "slot add", run: |store| change(store, Previous::Keep, add_slot), ..PUT },
    Write { name: "slot rm", run: |store| change(store, Previous::Drop, remove_slot), ..PURGE },
    Write { name: "rekey", run: |store| change(store, Previous::Drop, rekey), ..PURGE },
    Write { name: "import", run: |store| change(store, Previous::Keep, import), ..PUT },
    Write { name: "bundle open", run: open_bundle, ..PUT },
    RESTORE,
    Write { name: "restore over a damaged value", prepare: damaged_value, ..RESTORE },
    Write { name: "restore over a damaged index", prepare: damaged_index, ..RESTORE },
    Write { name: "restore over a damaged header", prepare: damaged_header, ..RESTORE },
    Write { name: "restore of a vault that is gone", prepare: gone, ..RESTORE },
];

/// The first write of a vault.
pub(super) const FIRST: Write = Write {
    name: "first put",
    prepare: |_| {},
    run: |store| create(store, &[("A", "a"), ("B", "b")]).map(drop),
    previous: Previous::Keep,
};

/// The commonest write.
pub(super) const PUT: Write = Write {
    name: "put",
    prepare: two_generations,
    run: |store| change(store, Previous::Keep, |draft| put(draft, "C", "new")),
    previous: Previous::Keep,
};

/// A write that takes a value out of use.
pub(super) const PURGE: Write = Write {
    name: "rm --purge",
    prepare: two_generations,
    run: |store| change(store, Previous::Drop, remove),
    previous: Previous::Drop,
};

/// A write that is made from the generation before.
pub(super) const RESTORE: Write =
    Write { name: "restore", prepare: two_generations, run: restore_previous, previous: Previous::Exchange };

fn change(
    store: &FileStore,
    previous: Previous,
    change: fn(&mut Draft<'_>) -> Result<(), ChangeError>,
) -> Result<(), CommitError> {
    commit(store, opened(store)?, previous, change).map(drop)
}

/// Opens a vault that may be refused.
fn opened(store: &FileStore) -> Result<UnlockedVault, CommitError> {
    let snapshot = store.open()?.expect("the vault is there");
    unlock(LockedVault::open(snapshot, Purpose::Secrets)?)
}

fn unlock(locked: LockedVault) -> Result<UnlockedVault, CommitError> {
    match locked.unlock(&mut [&mut OneKey { kind: "env", key: 1 }]) {
        Ok(unlocked) => Ok(unlocked.vault),
        Err(UnlockError::Format(error)) => Err(error.into()),
        Err(error) => panic!("{error}"),
    }
}

fn two_generations(home: &Home) {
    let store = home.store();
    create(&store, &[("A", "a"), ("B", "b")]).unwrap();
    commit(&store, unlocked(&store), Previous::Keep, |draft| put(draft, "A", "second")).unwrap();
    let temp = home.root().join(VAULT).with_file_name(KILLED_TEMP);
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temp).unwrap();
    fs::write(&temp, home.read(VAULT).unwrap().split_off(600)).unwrap();
}

/// Flips a bit so far from the end of the vault.
fn damage(home: &Home, from_end: usize) {
    two_generations(home);
    let mut bytes = home.read(VAULT).unwrap();
    let place = bytes.len() - from_end;
    bytes[place] ^= 1;
    fs::write(home.root().join(VAULT), bytes).unwrap();
}

fn damaged_value(home: &Home) {
    damage(home, 20);
}

fn damaged_index(home: &Home) {
    damage(home, 3000);
}

fn damaged_header(home: &Home) {
    let length = |home: &Home| home.read(VAULT).unwrap().len();
    two_generations(home);
    let all = length(home);
    fs::write(home.root().join(VAULT), vec![0; all]).unwrap();
}

fn gone(home: &Home) {
    two_generations(home);
    fs::remove_file(home.root().join(VAULT)).unwrap();
    assert!(home.read(PREVIOUS).is_some());
}

fn remove(draft: &mut Draft<'_>) -> Result<(), ChangeError> {
    draft.remove(&scope(), &name("A")).map(drop)
}

fn add_slot(draft: &mut Draft<'_>) -> Result<(), ChangeError> {
    draft.add_slot(SlotKind::Recovery, SlotId::new([3; 16]), &slot_key(3))
}

fn remove_slot(draft: &mut Draft<'_>) -> Result<(), ChangeError> {
    draft.remove_slot(SLOTS[1]).map(drop)
}

fn rekey(draft: &mut Draft<'_>) -> Result<(), ChangeError> {
    draft.rekey()?;
    draft.add_slot(SlotKind::Env, SlotId::new([4; 16]), &slot_key(1))
}

fn import(draft: &mut Draft<'_>) -> Result<(), ChangeError> {
    draft.merge(&incoming(20), OnConflict::Overwrite, 3).map(drop)
}

fn incoming(count: usize) -> Vec<Incoming> {
    let secret = |nth| Incoming {
        scope: scope(),
        name: name(&format!("N{nth:02}")),
        value: SecretBytes::new(format!("value {nth}").into()),
    };
    (0..count).map(secret).collect()
}

fn open_bundle(store: &FileStore) -> Result<(), CommitError> {
    let connection = Connection {
        id: ConnectionId::parse("alerts").unwrap(),
        kind: Kind::Slack,
        label: Label::parse("Alerts").unwrap(),
        auth: Auth::Secret { scope: scope(), name: name("N00") },
        settings: Settings::new(vec!["channel=#a".parse().unwrap()]).unwrap(),
        created: 1,
        updated: 2,
        scope: scope(),
    };
    let contents = Contents { secrets: incoming(3), connections: vec![connection] };
    let bundle = contents.seal(7, |draft| draft.add_slot(SlotKind::Env, SLOTS[0], &slot_key(1)))?;
    let snapshot: Box<dyn Snapshot> = Box::new(bundle);
    let bundle = unlock(LockedVault::open(snapshot, Purpose::Bundle)?)?;
    let contents = Contents::open(&bundle, &TenantId::default(), &WorkspaceId::default())?;
    let merge = |draft: &mut Draft<'_>| contents.merge(draft, OnConflict::Fail, 8);
    commit(store, opened(store)?, Previous::Keep, merge).map(drop)
}

fn restore_previous(store: &FileStore) -> Result<(), CommitError> {
    let previous = open_previous(store, Purpose::Secrets)?.expect("there is a previous generation");
    restore(store, unlock(previous)?).map(drop)
}
