//! Key slots: each wraps the root key under a slot key (KEK) that one key source supplies.

use std::fmt;

use zeroize::Zeroizing;

use crate::crypto::seal::{Label, open_in_place, seal};
use crate::format::header::{Purpose, slot_context};
use crate::secret::{KEY_LEN, KeyMaterial, RootKey, SlotKey};

pub use crate::format::header::{SlotKind, SlotRecord};
pub use crate::format::{SlotId, VaultId};

/// What a slot is bound to beside its own record: a slot of another vault, of another kind of file or
/// from before a `rekey` does not unwrap.
#[derive(Debug, Clone, Copy)]
pub struct Binding {
    /// What the file is for.
    pub purpose: Purpose,
    /// The vault's name.
    pub vault_id: VaultId,
    /// How often the root key was replaced.
    pub epoch: u64,
}

/// Wraps the root key for one slot.
///
/// # Panics
///
/// Never: a root key has the one length that fits a slot.
#[must_use]
pub fn wrap(root: &RootKey, key: &SlotKey, binding: Binding, kind: SlotKind, id: SlotId) -> SlotRecord {
    let context = slot_context(binding.purpose, binding.vault_id, binding.epoch, &kind, id);
    let sealed = seal(key, Label::Slot, &context, root.expose_secret());
    SlotRecord { kind, id, wrapped: sealed.try_into().expect("32 bytes seal to 112 bytes") }
}

/// Unwraps the root key; `None` when the key is not this slot's, or the slot was altered.
#[must_use]
pub fn unwrap(slot: &SlotRecord, key: &SlotKey, binding: Binding) -> Option<RootKey> {
    let context = slot_context(binding.purpose, binding.vault_id, binding.epoch, &slot.kind, slot.id);
    let mut message = Zeroizing::new(slot.wrapped);
    let root = open_in_place(key, Label::Slot, &context, message.as_mut_slice()).ok()?;
    let root: &[u8; KEY_LEN] = (&*root).try_into().ok()?;
    Some(RootKey::new(Zeroizing::new(*root)))
}

/// Gives slot keys: the OS keyring, the environment, this machine, a person. Each kind of slot has at
/// least one source.
pub trait KeySource: fmt::Debug {
    /// The name that messages use, such as `keyring` or `KEYWARD_VAULT_KEY`.
    fn label(&self) -> &str;

    /// Tells whether the source can have keys of such slots.
    fn serves(&self, kind: &SlotKind) -> bool;

    /// Returns the key for one slot of one vault.
    ///
    /// # Errors
    ///
    /// [`SourceError`]: the source has no key for this slot, or could not be asked.
    fn slot_key(&mut self, vault_id: VaultId, slot: &SlotRecord) -> Result<SlotKey, SourceError>;
}

/// Why a source gave no key. The text is for a person and never has a secret in it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct SourceError {
    message: String,
    interrupted: bool,
}

impl SourceError {
    /// Takes the error of a source, whose text names no secret.
    #[must_use]
    pub fn new(error: &(impl fmt::Display + ?Sized)) -> Self {
        Self { message: error.to_string(), interrupted: false }
    }

    /// Makes the error that ends the search: the person asked to stop.
    #[must_use]
    pub fn interrupted() -> Self {
        Self { message: "interrupted".to_owned(), interrupted: true }
    }

    /// Tells whether the person asked to stop.
    #[must_use]
    pub const fn is_interrupted(&self) -> bool {
        self.interrupted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::kdf::KdfParams;

    const BINDING: Binding = Binding { purpose: Purpose::Secrets, vault_id: VaultId::new([1; 16]), epoch: 1 };

    fn slot_key(byte: u8) -> SlotKey {
        SlotKey::new(Zeroizing::new([byte; KEY_LEN]))
    }

    fn record(kind: SlotKind) -> SlotRecord {
        wrap(&RootKey::new(Zeroizing::new([5; KEY_LEN])), &slot_key(2), BINDING, kind, SlotId::new([3; 16]))
    }

    fn unwraps(slot: &SlotRecord, key: &SlotKey, binding: Binding) -> bool {
        unwrap(slot, key, binding).is_some_and(|root| root.expose_secret() == &[5; KEY_LEN])
    }

    #[test]
    fn a_slot_unwraps_with_its_own_key_alone() {
        let slot = record(SlotKind::Env);
        assert!(unwraps(&slot, &slot_key(2), BINDING));
        assert!(!unwraps(&slot, &slot_key(4), BINDING));
    }

    #[test]
    fn a_slot_of_another_vault_purpose_or_epoch_is_refused() {
        let slot = record(SlotKind::Env);
        let others = [
            Binding { vault_id: VaultId::new([9; 16]), ..BINDING },
            Binding { purpose: Purpose::Sessions, ..BINDING },
            Binding { epoch: 2, ..BINDING },
        ];
        assert!(others.into_iter().all(|binding| !unwraps(&slot, &slot_key(2), binding)));
    }

    #[test]
    fn a_slot_whose_kind_id_or_parameters_were_altered_is_refused() {
        let params = KdfParams::DEFAULT;
        let passphrase = record(SlotKind::Passphrase { params, salt: [6; 16] });
        let altered = [
            SlotRecord { kind: SlotKind::Env, ..passphrase.clone() },
            SlotRecord { id: SlotId::new([4; 16]), ..passphrase.clone() },
            SlotRecord { kind: SlotKind::Passphrase { params, salt: [7; 16] }, ..passphrase.clone() },
            SlotRecord {
                kind: SlotKind::Passphrase { params: KdfParams::LIGHT, salt: [6; 16] },
                ..passphrase
            },
        ];
        assert!(altered.iter().all(|slot| !unwraps(slot, &slot_key(2), BINDING)));
    }
}
