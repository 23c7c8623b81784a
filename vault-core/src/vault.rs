//! The vault: [`LockedVault`] has a header and no key; [`UnlockedVault`] reads the index and single
//! values; [`draft`] changes a copy of the index; [`commit`] writes it. No file names, no prompts.

pub mod bundle;
pub mod commit;
pub mod connections;
pub mod draft;
pub mod merge;
pub mod restore;
pub mod unlock;

use std::ops::Range;

use zeroize::Zeroizing;

use crate::crypto::generate;
use crate::crypto::seal::{PREFIX_LEN, TAG_LEN};
use crate::format::index::{Index, encode_index, open_index};
use crate::format::values::{hash_sealed, open_value};
use crate::format::{FormatError, Header, Purpose, Snapshot, VaultId, revision};
use crate::harden::Buffer;
use crate::secret::{RootKey, SecretBytes, WipedBytes};
use crate::slot::{Binding, SlotId, SlotRecord};
use crate::store::anchor::State;

/// The most bytes of stored values that one read brings into memory.
const READ_AT_ONCE: u64 = 1 << 20;

/// A vault whose header is read and checked, but whose key nobody has given. It has nothing to get.
#[derive(Debug)]
pub struct LockedVault {
    snapshot: Box<dyn Snapshot>,
    header: Header,
    header_bytes: Vec<u8>,
}

impl LockedVault {
    /// Reads the header of a snapshot.
    ///
    /// # Errors
    ///
    /// [`FormatError`] when the bytes are no such file.
    pub fn open(snapshot: Box<dyn Snapshot>, purpose: Purpose) -> Result<Self, FormatError> {
        let (header, header_bytes) = Header::read(&*snapshot, purpose)?;
        Ok(Self { snapshot, header, header_bytes })
    }

    /// Returns the header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Returns which state of the vault this is, which nobody has authenticated yet; `None` where the file is cut
    /// off.
    ///
    /// # Errors
    ///
    /// [`FormatError::Read`] when the file can't be read.
    pub fn state(&self) -> Result<Option<State>, FormatError> {
        let Header { vault_id, epoch, generation, .. } = self.header;
        let revision = revision(&*self.snapshot)?;
        Ok(revision.map(|revision| State { vault_id, epoch, generation, revision }))
    }

    /// Returns what slots of this vault are bound to.
    const fn binding(&self) -> Binding {
        let Header { purpose, vault_id, epoch, .. } = self.header;
        Binding { purpose, vault_id, epoch }
    }

    /// Opens the index with the vault's root key.
    fn open_with(self, root: RootKey, opened_by: Option<SlotId>) -> Result<UnlockedVault, FormatError> {
        let len =
            usize::try_from(self.header.sealed_index_len).map_err(|_| FormatError::TooLarge("the index"))?;
        let mut message = Buffer::zeroed(len);
        self.snapshot.read_at(self.header_bytes.len() as u64, &mut message)?;
        if open_index(&root, &self.header_bytes, &mut message).is_none() {
            return Err(FormatError::Damaged("the index does not open with the vault's own key"));
        }
        Ok(UnlockedVault { locked: self, root, message, opened_by })
    }
}

/// A vault whose index is open. Values stay sealed until they are asked for.
#[derive(Debug)]
pub struct UnlockedVault {
    locked: LockedVault,
    root: RootKey,
    /// The opened index with the room of prefix and tag around its plaintext. Names and hashes are no
    /// secrets.
    message: Buffer,
    opened_by: Option<SlotId>,
}

impl UnlockedVault {
    /// Makes a new, empty vault with a random root key, which exists in memory only.
    ///
    /// # Errors
    ///
    /// None in practice: an empty index is below every limit.
    pub fn create(purpose: Purpose) -> Result<Self, FormatError> {
        let message = encode_index(&Index::default())?;
        let header = Header {
            purpose,
            vault_id: VaultId::generate(),
            epoch: 1,
            generation: 0,
            sealed_index_len: 0,
            slots: Vec::new(),
        };
        let locked = LockedVault { snapshot: Box::new(Vec::new()), header, header_bytes: Vec::new() };
        let root = RootKey::new(Zeroizing::new(generate()));
        Ok(Self { locked, root, message, opened_by: None })
    }

    /// Returns the header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.locked.header
    }

    /// Returns which state of the vault this is; `None` for one that was just created.
    ///
    /// # Errors
    ///
    /// [`FormatError::Read`] when the file can't be read.
    pub fn state(&self) -> Result<Option<State>, FormatError> {
        self.locked.state()
    }

    /// Returns the slot that opened the vault; `None` for one that was just created.
    #[must_use]
    pub fn opened_by(&self) -> Option<&SlotRecord> {
        self.header().slots.iter().find(|slot| Some(slot.id) == self.opened_by)
    }

    /// Returns what slots of this vault are bound to.
    #[must_use]
    pub const fn binding(&self) -> Binding {
        self.locked.binding()
    }

    /// Decodes and checks the index, and that the file is exactly as long as the index says.
    ///
    /// # Errors
    ///
    /// [`FormatError`] when index or length are not as they were written.
    pub fn index(&self) -> Result<Index<'_>, FormatError> {
        let index = Index::decode(&self.message[PREFIX_LEN..self.message.len() - TAG_LEN])?;
        let expected = self.values_start().saturating_add(index.values.sealed_len());
        let found = self.locked.snapshot.len();
        match found {
            _ if found < expected => Err(FormatError::Truncated { expected, found }),
            _ if found > expected => Err(FormatError::Damaged("bytes follow the end of the vault")),
            _ if self.header().purpose == Purpose::Bundle => bundle::check(&index).map(|()| index),
            _ => Ok(index),
        }
    }

    /// Opens the values at `positions` of the index, which stand in ascending order, and no others.
    ///
    /// # Errors
    ///
    /// [`FormatError::Value`] names the first value that is not as it was written.
    pub fn values(&self, index: &Index<'_>, positions: &[usize]) -> Result<Vec<SecretBytes>, FormatError> {
        let mut opened = Vec::with_capacity(positions.len());
        let mut rest = positions;
        while let Some(&first) = rest.first() {
            let start = self.message_at(index, first);
            let run = run_length(index, rest);
            opened.extend(self.open_run(index, first..first + run, start)?);
            rest = &rest[run..];
        }
        Ok(opened)
    }

    /// Opens one value.
    ///
    /// # Errors
    ///
    /// As [`Self::values`].
    pub fn value(&self, index: &Index<'_>, position: usize) -> Result<SecretBytes, FormatError> {
        let mut values = self.values(index, &[position])?;
        values.pop().ok_or(FormatError::Damaged("the index has no such value"))
    }

    /// Checks the connections and every value of the file, and returns the positions of the values that are
    /// damaged.
    ///
    /// # Errors
    ///
    /// [`FormatError::Read`] when the file can't be read at all, and what [`Index::connections`] refuses.
    pub fn verify(&self, index: &Index<'_>) -> Result<Vec<usize>, FormatError> {
        index.connections()?;
        let mut damaged = Vec::new();
        for position in 0..index.values.len() {
            match self.open_run(index, position..position + 1, self.message_at(index, position)) {
                Ok(_) => {}
                Err(FormatError::Value { .. }) => damaged.push(position),
                Err(error) => return Err(error),
            }
        }
        Ok(damaged)
    }

    /// Reads neighbouring values at once, checks each against its hash and opens it.
    fn open_run(
        &self,
        index: &Index<'_>,
        run: Range<usize>,
        start: u64,
    ) -> Result<Vec<SecretBytes>, FormatError> {
        let records = || run.clone().map(|position| index.values.at(position));
        let len: usize = records().map(|record| record.sealed_len as usize).sum();
        let mut bytes = WipedBytes::new(vec![0; len]);
        self.locked.snapshot.read_at(start, &mut bytes)?;
        let mut rest = &mut *bytes;
        let mut opened = Vec::with_capacity(run.len());
        for record in records() {
            let (message, after) = rest.split_at_mut(record.sealed_len as usize);
            rest = after;
            let intact = hash_sealed(message) == record.sha256;
            let value =
                intact.then(|| open_value(&self.root, self.header().vault_id, record.id, message)).flatten();
            opened.push(value.ok_or_else(|| FormatError::Value {
                name: record.name.to_string(),
                version: record.version,
            })?);
        }
        Ok(opened)
    }

    /// Returns where in the file the sealed message of a value begins that the file has.
    pub(crate) fn message_at(&self, index: &Index<'_>, position: usize) -> u64 {
        self.values_start() + index.values.message_at(position)
    }

    const fn values_start(&self) -> u64 {
        self.locked.header_bytes.len() as u64 + self.locked.header.sealed_index_len
    }
}

/// How many of the first `positions` are neighbours that one read may bring in.
fn run_length(index: &Index<'_>, positions: &[usize]) -> usize {
    let mut bytes = 0;
    let first = positions[0];
    positions
        .iter()
        .enumerate()
        .take_while(|&(nth, &position)| {
            bytes += u64::from(index.values.at(position).sealed_len);
            position == first + nth && (nth == 0 || bytes <= READ_AT_ONCE)
        })
        .count()
}

#[cfg(test)]
mod crash;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tampering;
#[cfg(test)]
mod vectors;
#[cfg(test)]
mod tests {
    use super::samples::{sample, unlocked};
    use super::*;

    #[test]
    fn one_read_brings_in_neighbours_up_to_a_limit() {
        // Values are padded to blocks of 64 bytes, of which four come to the limit exactly with what sealing adds.
        let values = [4095, 4095, 4095, 4094, 1].map(|blocks| "x".repeat(64 * blocks - 8));
        let secrets: Vec<_> =
            ["A", "B", "C", "D", "E"].into_iter().zip(values.iter().map(String::as_str)).collect();
        let vault = unlocked(&sample(&secrets));
        let index = vault.index().unwrap();
        let first_four: u64 = index.values.iter().take(4).map(|value| u64::from(value.sealed_len)).sum();
        assert_eq!(first_four, READ_AT_ONCE);
        assert_eq!(run_length(&index, &[0, 1, 2, 3, 4]), 4);
        assert_eq!(run_length(&index, &[1, 2, 4]), 2);
    }
}
