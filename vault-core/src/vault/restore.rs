//! Bringing the previous generation back, when the current one is damaged or gone. Nothing else reads
//! the previous generation.

use crate::format::{FormatError, Header, Purpose, Snapshot};
use crate::store::{Expected, Previous, StoreError, VaultStore};
use crate::vault::commit::{CommitError, compose, revision_of};
use crate::vault::draft::Draft;
use crate::vault::{LockedVault, UnlockedVault};

/// Opens the previous generation; `None` where there is none. The turn to write is given back before
/// anybody is asked for a key.
///
/// # Errors
///
/// [`CommitError`] when it can't be read.
pub fn open_previous(store: &dyn VaultStore, purpose: Purpose) -> Result<Option<LockedVault>, CommitError> {
    let snapshot = store.begin_write()?.open_previous()?;
    Ok(snapshot.map(|snapshot| LockedVault::open(snapshot, purpose)).transpose()?)
}

/// What a restore wrote.
#[derive(Debug)]
pub struct Restored {
    /// The header of the new file.
    pub header: Header,
    /// The stored values, by name and version, that were damaged in the previous generation too. They are
    /// given up: one of them must not stand in the way of all others.
    pub given_up: Vec<(String, u32)>,
    /// How many secrets the new file has.
    pub secrets: usize,
}

/// Puts the content of the previous generation in the place of the current one, with the current key
/// slots and a generation above both. Where the current header can't be read, or the vault's anchor refuses the
/// current file, the previous slots stay; the generation is above that of the anchor too.
///
/// # Errors
///
/// [`CommitError`]; in particular a conflict when the previous generation is another one by now.
pub fn restore(store: &dyn VaultStore, previous: UnlockedVault) -> Result<Restored, CommitError> {
    let turn = store.begin_write()?;
    let conflict = || StoreError::Conflict { vault: store.location().to_path_buf() };
    let still_there = turn.open_previous()?.map(|snapshot| revision_of(&*snapshot)).transpose()?.flatten();
    if still_there.is_none() || still_there != revision_of(&*previous.locked.snapshot)? {
        return Err(conflict().into());
    }
    let (expected, current) = match turn.open() {
        Err(StoreError::Missing { .. }) => (Expected::Unreadable, None),
        Err(error) if error.is_refused_by_anchor() => (Expected::Unreadable, None),
        Err(error) => return Err(error.into()),
        Ok(None) => return Err(conflict().into()),
        Ok(Some(snapshot)) => read_current(&*snapshot, previous.header().purpose)?,
    };
    let mut draft = Draft::new(&previous, previous.index()?);
    if let Some(current) = current {
        draft.newest_generation = current.generation;
        let has_same_root =
            current.vault_id == previous.header().vault_id && current.epoch == previous.header().epoch;
        if has_same_root {
            draft.slots = current.slots;
        }
    }
    if let Some(anchor) = turn.anchor() {
        let former = previous.state()?.ok_or_else(conflict)?;
        anchor.check_restored(&former, store.location())?;
        draft.newest_generation = draft.newest_generation.max(anchor.state().generation);
    }
    let given_up = draft.give_up_damaged()?;
    let (header, bytes) = compose(&draft)?;
    turn.replace(&expected, &bytes, Previous::Exchange)?;
    Ok(Restored { header, given_up, secrets: draft.index().current().count() })
}

/// What is there now: a file with a revision, whose header counts if it is for the same purpose, or one
/// that is set aside. A disk that fails is no reason to set a file aside.
fn read_current(
    snapshot: &dyn Snapshot,
    purpose: Purpose,
) -> Result<(Expected, Option<Header>), FormatError> {
    let Some(revision) = revision_of(snapshot)? else { return Ok((Expected::Unreadable, None)) };
    let header = match Header::read(snapshot, purpose) {
        Ok((header, _)) => Some(header),
        Err(error @ FormatError::Read(_)) => return Err(error),
        Err(_) => None,
    };
    Ok((Expected::Revision(revision), header))
}

#[cfg(test)]
mod anchored;
#[cfg(test)]
mod tests;
