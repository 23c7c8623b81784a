//! Writing: a draft becomes the bytes of the next generation, and the store puts them in the place of
//! exactly the state that the draft was made from.

use std::borrow::Borrow;

use crate::format::index::{encode_index, open_index, seal_index};
use crate::format::values::hash_sealed;
use crate::format::{FormatError, Header, MAX_FILE, Revision, Snapshot, revision};
use crate::harden::Buffer;
use crate::store::{Expected, Previous, StoreError, VaultStore};
use crate::vault::draft::{ChangeError, Draft};
use crate::vault::{LockedVault, UnlockedVault};

/// Why nothing was written, or not surely.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// The change itself is refused.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// What is there can't be read, or a limit is reached.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// Another process replaced the root key since this one unlocked the vault.
    #[error("the vault was rekeyed by another process meanwhile")]
    Rekeyed,
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a commit gives back: what the change returned, and the header that was written.
#[derive(Debug)]
pub struct Committed<T> {
    /// What the change returned.
    pub outcome: T,
    /// The header of the new file.
    pub header: Header,
}

/// Applies a change to the newest state of a vault and writes it, or writes nothing. A vault that is lent has the
/// key for later commits, and goes on showing the state that it was opened with ([`UnlockedVault::newer`]).
///
/// The store's turn to write is held meanwhile: `change` must not prompt, derive keys from passphrases
/// or ask a keyring.
///
/// # Errors
///
/// [`CommitError`]. For a vault that was just created, [`StoreError::Conflict`] means that another
/// process was first.
pub fn commit<T>(
    store: &dyn VaultStore,
    vault: impl Borrow<UnlockedVault>,
    previous: Previous,
    change: impl FnOnce(&mut Draft<'_>) -> Result<T, ChangeError>,
) -> Result<Committed<T>, CommitError> {
    let vault = vault.borrow();
    let turn = store.begin_write()?;
    let (newer, expected) = vault.refresh(store, turn.open()?)?;
    let vault = newer.as_ref().unwrap_or(vault);
    let mut draft = Draft::new(vault, vault.index()?);
    let outcome = change(&mut draft)?;
    if draft.slots.is_empty() {
        return Err(ChangeError::LastSlot.into());
    }
    let (header, bytes) = compose(&draft)?;
    turn.replace(&expected, &bytes, previous)?;
    Ok(Committed { outcome, header })
}

impl UnlockedVault {
    /// Opens the newest generation with the root key at hand, if it is not this one: who reads the same vault
    /// again and again asks for its key once.
    ///
    /// # Errors
    ///
    /// [`CommitError::Rekeyed`] when the key is no longer the vault's, [`StoreError::Conflict`] when the vault is
    /// gone, else what can't be read.
    pub fn newer(&self, store: &dyn VaultStore) -> Result<Option<Self>, CommitError> {
        let snapshot = store.open()?.ok_or_else(|| conflict(store))?;
        Ok(self.take_up(snapshot)?.0)
    }

    /// Opens the snapshot that is current now, unless it is the one that this vault has, and returns what a
    /// writer expects to replace.
    fn refresh(
        &self,
        store: &dyn VaultStore,
        current: Option<Box<dyn Snapshot>>,
    ) -> Result<(Option<Self>, Expected), CommitError> {
        let is_new = self.header().generation == 0;
        let Some(snapshot) = current else {
            return if is_new { Ok((None, Expected::Absent)) } else { Err(conflict(store)) };
        };
        if is_new {
            return Err(conflict(store));
        }
        let (newer, found) = self.take_up(snapshot)?;
        Ok((newer, Expected::Revision(found)))
    }

    /// Opens a snapshot unless it is the one that this vault has, and returns its revision.
    fn take_up(&self, snapshot: Box<dyn Snapshot>) -> Result<(Option<Self>, Revision), CommitError> {
        let known = revision_of(&*self.locked.snapshot)?;
        let found =
            revision_of(&*snapshot)?.ok_or(FormatError::Damaged("the header changed while it was read"))?;
        if known.as_ref() == Some(&found) {
            return Ok((None, found));
        }
        Ok((Some(self.reopen(snapshot)?), found))
    }

    /// Opens a newer generation with the root key at hand.
    fn reopen(&self, snapshot: Box<dyn Snapshot>) -> Result<Self, CommitError> {
        let locked = LockedVault::open(snapshot, self.header().purpose)?;
        let (before, now) = (self.header(), locked.header());
        if before.vault_id != now.vault_id || before.epoch != now.epoch {
            return Err(CommitError::Rekeyed);
        }
        Ok(locked.open_with(self.root.copy(), self.opened_by)?)
    }
}

/// Computes a revision; a disk that fails is an error of the file's.
pub(super) fn revision_of(snapshot: &dyn Snapshot) -> Result<Option<Revision>, FormatError> {
    Ok(revision(snapshot)?)
}

fn conflict(store: &dyn VaultStore) -> CommitError {
    StoreError::Conflict { vault: store.location().to_path_buf() }.into()
}

/// Encodes the next generation: header, sealed index, values.
pub(super) fn compose(draft: &Draft<'_>) -> Result<(Header, Buffer), FormatError> {
    let mut index = encode_index(&draft.index)?;
    let header = next_header(draft, index.len() as u64)?;
    let header_bytes = header.encode();
    seal_index(draft.root(), &header_bytes, &mut index);
    let total = (header_bytes.len() + index.len()) as u64 + draft.index.values.sealed_len();
    let capacity = usize::try_from(total).ok().filter(|_| total <= MAX_FILE);
    let mut bytes = Buffer::zeroed(capacity.ok_or(FormatError::TooLarge("the size of the file"))?);
    let (head, values) = bytes.split_at_mut(header_bytes.len() + index.len());
    head[..header_bytes.len()].copy_from_slice(&header_bytes);
    head[header_bytes.len()..].copy_from_slice(&index);
    fill_values(draft, values)?;
    if open_index(draft.root(), &header_bytes, &mut index).is_none() {
        return Err(FormatError::Damaged("the new index does not open again; nothing was written"));
    }
    Ok((header, bytes))
}

fn next_header(draft: &Draft<'_>, sealed_index_len: u64) -> Result<Header, FormatError> {
    let before = draft.vault.header();
    let generation = before
        .generation
        .max(draft.newest_generation)
        .checked_add(1)
        .ok_or(FormatError::TooLarge("the generation"))?;
    let epoch = draft.binding().epoch;
    let slots = draft.slots.clone();
    Ok(Header {
        purpose: before.purpose,
        vault_id: before.vault_id,
        epoch,
        generation,
        sealed_index_len,
        slots,
    })
}

/// Fills `room` with every sealed value in index order. Stored ones are copied in runs, and the very bytes that
/// were copied are checked against the index.
fn fill_values(draft: &Draft<'_>, mut room: &mut [u8]) -> Result<(), FormatError> {
    let mut position = 0;
    while position < draft.index.values.len() {
        let (after, filled) = match draft.fresh(position) {
            Some(message) => {
                room[..message.len()].copy_from_slice(message);
                (position + 1, message.len())
            }
            None => copy_run(draft, position, room)?,
        };
        (position, room) = (after, &mut room[filled..]);
    }
    Ok(())
}

/// Copies the stored values from `first` on that stand side by side, and returns the position after
/// and how many bytes they have.
fn copy_run(draft: &Draft<'_>, first: usize, room: &mut [u8]) -> Result<(usize, usize), FormatError> {
    let start = draft.vault.message_at(&draft.index, first);
    let mut end = start;
    let mut after = first;
    while after < draft.index.values.len()
        && end - start < super::READ_AT_ONCE
        && draft.stored_at(after) == Some(end)
    {
        end += u64::from(draft.index.values.at(after).sealed_len);
        after += 1;
    }
    let len = usize::try_from(end - start).map_err(|_| FormatError::TooLarge("the size of the file"))?;
    draft.vault.locked.snapshot.read_at(start, &mut room[..len])?;
    check_run(draft, first..after, &room[..len])?;
    Ok((after, len))
}

fn check_run(draft: &Draft<'_>, run: std::ops::Range<usize>, mut copied: &[u8]) -> Result<(), FormatError> {
    for record in run.map(|position| draft.index.values.at(position)) {
        let (message, rest) = copied.split_at(record.sealed_len as usize);
        if hash_sealed(message) != record.sha256 {
            return Err(FormatError::Value { name: record.name.to_string(), version: record.version });
        }
        copied = rest;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
