//! From a locked vault to an unlocked one: the key sources are asked in the caller's order, over the
//! slots that the header has. The first slot that unwraps decides.

use crate::format::{FormatError, SlotId};
use crate::secret::{RootKey, SlotKey};
use crate::slot::{KeySource, SlotRecord, SourceError, unwrap};
use crate::vault::{LockedVault, UnlockedVault};

/// One source that was asked and did not open the vault.
#[derive(Debug)]
pub struct Attempt {
    /// The name of the source.
    pub source: String,
    /// What came of it.
    pub failure: AttemptFailure,
}

/// Why a source did not open the vault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttemptFailure {
    /// The vault has no slot that this source could have a key for.
    #[error("this vault has no slot for it")]
    NoSlot,
    /// The source gave no key.
    #[error(transparent)]
    Source(SourceError),
    /// The source gave a key, and it is not this vault's.
    #[error("does not open the {0} slot")]
    WrongKey(&'static str),
}

/// Why a vault stays locked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnlockError {
    /// The key is right, and the file is not.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The person asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// No source opened a slot.
    #[error("{}", if *wrong_key { "no key at hand opens this vault" } else { "no key source is available" })]
    NoKey {
        /// The kinds of the slots that the vault has, in order.
        slots: Vec<&'static str>,
        /// What was tried.
        attempts: Vec<Attempt>,
        /// Whether any source gave a key at all.
        wrong_key: bool,
    },
}

/// An unlocked vault with the story of how it was opened.
#[derive(Debug)]
pub struct Unlocked {
    /// The vault.
    pub vault: UnlockedVault,
    /// The name of the source that opened it.
    pub source: String,
    /// The sources that failed before, and environment keys that are set but wrong.
    pub failed: Vec<Attempt>,
}

impl LockedVault {
    /// Unlocks the vault with the first source that has a key for one of its slots.
    ///
    /// # Errors
    ///
    /// [`UnlockError`], with every attempt.
    pub fn unlock(self, sources: &mut [&mut dyn KeySource]) -> Result<Unlocked, UnlockError> {
        let mut failed = Vec::new();
        for source in sources {
            match self.ask(&mut **source) {
                Ok((root, slot)) => {
                    let vault = self.open_with(root, Some(slot))?;
                    return Ok(Unlocked { vault, source: source.label().to_owned(), failed });
                }
                Err(AttemptFailure::Source(error)) if error.is_interrupted() => {
                    return Err(UnlockError::Interrupted);
                }
                Err(failure) => failed.push(Attempt { source: source.label().to_owned(), failure }),
            }
        }
        let slots = self.header.slots.iter().map(|slot| slot.kind.name()).collect();
        let wrong_key = failed.iter().any(|attempt| matches!(attempt.failure, AttemptFailure::WrongKey(_)));
        Err(UnlockError::NoKey { slots, attempts: failed, wrong_key })
    }

    /// Asks one source about each slot that it serves.
    ///
    /// # Errors
    ///
    /// The failure that tells most: a wrong key before a source without one.
    pub fn ask(&self, source: &mut dyn KeySource) -> Result<(RootKey, SlotId), AttemptFailure> {
        let header = &self.header;
        let binding = self.binding();
        let mut failure = AttemptFailure::NoSlot;
        for slot in &header.slots {
            if !source.serves(&slot.kind) {
                continue;
            }
            match source.slot_key(header.vault_id, slot) {
                Ok(key) => match unwrap(slot, &key, binding) {
                    Some(root) => return Ok((root, slot.id)),
                    None => failure = AttemptFailure::WrongKey(slot.kind.name()),
                },
                Err(error) if error.is_interrupted() => return Err(AttemptFailure::Source(error)),
                Err(_) if matches!(failure, AttemptFailure::WrongKey(_)) => {}
                Err(error) => failure = AttemptFailure::Source(error),
            }
        }
        Err(failure)
    }
}

impl UnlockedVault {
    /// Asks one more source whether it has a key of this vault.
    ///
    /// # Errors
    ///
    /// As for [`LockedVault::ask`].
    pub fn ask(&self, source: &mut dyn KeySource) -> Result<SlotId, AttemptFailure> {
        self.locked.ask(source).map(|(_, slot)| slot)
    }

    /// Returns the key that a source has for `slot`, if it is the right one.
    #[must_use]
    pub fn key_of(&self, slot: &SlotRecord, source: &mut dyn KeySource) -> Option<SlotKey> {
        let key = source.serves(&slot.kind).then(|| source.slot_key(self.header().vault_id, slot).ok())??;
        unwrap(slot, &key, self.binding()).map(|_| key)
    }
}

#[cfg(test)]
mod tests;
