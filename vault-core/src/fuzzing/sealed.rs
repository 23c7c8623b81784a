//! A whole file, sealed round plaintexts that nobody has checked: what authenticated bytes may do to a reader.
//! The keys are known, so that fuzzing comes past the seal.

use zeroize::Zeroizing;

use super::file::{PURPOSES, index_plaintext};
use super::sections::Sections;
use crate::crypto::seal::{Label, OVERHEAD, PREFIX_LEN, seal_with_salt};
use crate::format::index::{Index, encode_index};
use crate::format::values::{VALUE_BLOCK, hash_sealed, value_context};
use crate::format::{Header, Purpose, ValueId, VaultId};
use crate::name::{Scope, SecretName, TenantId, WorkspaceId};
use crate::secret::{KEY_LEN, RootKey, SealingKey, SecretBytes, SlotKey};
use crate::slot::{Binding, KeySource, SlotId, SlotKind, SlotRecord, SourceError, wrap};
use crate::store::memory::MemoryStore;
use crate::store::{Previous, VaultStore};
use crate::vault::commit::{CommitError, commit};
use crate::vault::{LockedVault, UnlockedVault};

const VAULT_ID: VaultId = VaultId::new([0xa0; 16]);

/// Seals a body of an index and plaintexts of its values into a file, opens it with the right key, reads all
/// of it, changes it and reads it again. The first byte chooses purpose and schema.
pub fn sealed(bytes: &[u8]) -> bool {
    let Some((choice, rest)) = bytes.split_first() else { return false };
    let purpose = PURPOSES[usize::from(choice % 3)];
    let mut sections = Sections(rest);
    let body = sections.next().unwrap_or_default();
    let plaintexts: Vec<_> = sections.collect();
    let file = seal_file(purpose, &index_plaintext(1 + u32::from(choice / 3 % 2), body), &plaintexts);
    let vault = unlock(file.clone(), purpose).expect("the key is right and the file well-formed");
    let Some(intact) = check_values(&vault, &plaintexts) else { return false };
    if purpose != Purpose::Bundle {
        check_change(file, purpose, vault, intact);
    }
    true
}

/// Checks every value, and returns whether all are intact; `None` where the index is refused.
fn check_values(vault: &UnlockedVault, plaintexts: &[&[u8]]) -> Option<bool> {
    let index = vault.index().ok()?;
    let all: Vec<_> = (0..index.values.len()).collect();
    let damaged = vault.verify(&index).ok()?;
    for position in &all {
        let value = vault.value(&index, *position);
        assert_eq!(value.is_err(), damaged.contains(position), "a value is damaged or not");
        if let Ok(value) = value {
            assert!(value_plaintext(&value) == plaintexts[*position], "a value has two encodings");
        }
    }
    assert_eq!(vault.values(&index, &all).is_ok(), damaged.is_empty(), "values together and alone differ");
    Some(damaged.is_empty())
}

/// Writes one more value. That may be refused; what is written has to be sound, but for values that were
/// damaged before: they are copied as they are.
fn check_change(file: Vec<u8>, purpose: Purpose, vault: UnlockedVault, intact: bool) {
    let store = MemoryStore::default();
    store.set_current(Some(file));
    let scope = Scope::Workspace(TenantId::default(), WorkspaceId::default());
    let name = SecretName::parse("ADDED").expect("it is a name");
    let value = SecretBytes::new(b"added".to_vec());
    let written = commit(&store, vault, Previous::Drop, |draft| draft.put(&scope, &name, &value, 1));
    match written {
        Err(CommitError::Store(error)) => panic!("a store in memory fails: {error}"),
        Err(_) => return,
        Ok(_) => {}
    }
    let again = store.open().ok().flatten().expect("the store has what was written");
    let again = LockedVault::open(again, purpose).expect("a written header is sound");
    let vault = again.unlock(&mut [&mut Known]).expect("the key is right").vault;
    let index = vault.index().expect("a written index is sound");
    let damaged = vault.verify(&index).expect("the written connections are sound");
    assert!(damaged.is_empty() || !intact, "a value is damaged by a write");
    let newest = vault.value(&index, index.versions(&scope, &name).start).expect("the value was written");
    assert!(newest.expose_secret() == value.expose_secret(), "another value is there");
}

/// The plaintext that a value has to have (`FORMAT.md §6`).
pub(super) fn value_plaintext(value: &SecretBytes) -> Vec<u8> {
    let length = u32::try_from(value.len()).expect("a value has at most 1 MiB");
    let mut plaintext = [&length.to_le_bytes()[..], value.expose_secret()].concat();
    plaintext.resize(plaintext.len().next_multiple_of(VALUE_BLOCK), 0);
    plaintext
}

fn seal_file(purpose: Purpose, plaintext: &[u8], values: &[&[u8]]) -> Vec<u8> {
    let (plaintext, values) = match Index::decode(plaintext) {
        Ok(index) => with_values(index, values),
        Err(_) => (plaintext.to_vec(), Vec::new()),
    };
    let binding = Binding { purpose, vault_id: VAULT_ID, epoch: 1 };
    let slot = wrap(&root(), &slot_key(), binding, SlotKind::Env, SlotId::new([0xb0; 16]));
    let header = Header {
        purpose,
        vault_id: VAULT_ID,
        epoch: 1,
        generation: 1,
        sealed_index_len: (plaintext.len() + OVERHEAD) as u64,
        slots: vec![slot],
    };
    let header = header.encode();
    let index = seal(&root(), Label::Index, &header, &plaintext);
    [header, index, values.concat()].concat()
}

/// Seals the values and tells the index their sizes and hashes; those that it has no place for are left out.
fn with_values(mut index: Index<'_>, plaintexts: &[&[u8]]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut values = Vec::new();
    for (position, plaintext) in plaintexts.iter().enumerate().take(index.values.len()) {
        let id: ValueId = index.values.at(position).id;
        let message = seal(&root(), Label::Value, &value_context(VAULT_ID, id), plaintext);
        let told = index.values.update(position, |record| {
            record.sealed_len = u32::try_from(message.len()).unwrap_or(u32::MAX);
            record.sha256 = hash_sealed(&message);
        });
        told.expect("a record keeps its size");
        values.push(message);
    }
    let message = encode_index(&index).expect("what was read is within the limits");
    (message[PREFIX_LEN..message.len() - (OVERHEAD - PREFIX_LEN)].to_vec(), values)
}

/// Seals with a salt that is always the same, so that an input always does the same.
fn seal(key: &impl SealingKey, label: Label, context: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let mut message = vec![0; plaintext.len() + OVERHEAD];
    message[PREFIX_LEN..][..plaintext.len()].copy_from_slice(plaintext);
    seal_with_salt(key, label, context, &[0x70; 32], &mut message);
    message
}

/// Opens a file with the one slot key that is known; `None` where that or the file does not fit.
pub(super) fn unlock(file: Vec<u8>, purpose: Purpose) -> Option<UnlockedVault> {
    let locked = LockedVault::open(Box::new(file), purpose).ok()?;
    locked.unlock(&mut [&mut Known]).ok().map(|unlocked| unlocked.vault)
}

/// The slot key of the files made here, and of the golden files (`FORMAT.md §9`).
fn slot_key() -> SlotKey {
    SlotKey::new(Zeroizing::new([0x11; KEY_LEN]))
}

fn root() -> RootKey {
    RootKey::new(Zeroizing::new([5; KEY_LEN]))
}

/// Has that key for every slot.
#[derive(Debug)]
pub(super) struct Known;

impl KeySource for Known {
    fn label(&self) -> &'static str {
        "known"
    }

    fn serves(&self, kind: &SlotKind) -> bool {
        *kind == SlotKind::Env
    }

    fn slot_key(&mut self, _vault_id: VaultId, _slot: &SlotRecord) -> Result<SlotKey, SourceError> {
        Ok(slot_key())
    }
}
