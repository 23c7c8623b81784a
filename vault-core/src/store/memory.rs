//! A store in memory, for tests of what is written and what is not. It keeps the promises of a file store
//! and counts the writes.

use std::cell::RefCell;
use std::path::Path;

use super::{Expected, Previous, StoreError, VaultStore, WriteTurn};
use crate::format::{Snapshot, revision};

/// The generations of one vault.
#[derive(Debug, Default)]
pub(crate) struct MemoryStore(RefCell<State>);

#[derive(Debug, Default)]
struct State {
    current: Option<Vec<u8>>,
    previous: Option<Vec<u8>>,
    writes: usize,
}

impl MemoryStore {
    /// Returns the bytes of the current generation.
    pub(crate) fn current(&self) -> Vec<u8> {
        self.0.borrow().current.clone().expect("something was written")
    }

    /// Returns the bytes of the previous generation.
    pub(crate) fn previous(&self) -> Option<Vec<u8>> {
        self.0.borrow().previous.clone()
    }

    /// Puts bytes in the place of the current generation, as an attacker or an accident would.
    pub(crate) fn set_current(&self, bytes: Option<Vec<u8>>) {
        self.0.borrow_mut().current = bytes;
    }

    /// Puts bytes in the place of the previous generation.
    pub(crate) fn set_previous(&self, bytes: Option<Vec<u8>>) {
        self.0.borrow_mut().previous = bytes;
    }

    /// Returns how often something was written.
    pub(crate) fn writes(&self) -> usize {
        self.0.borrow().writes
    }
}

impl VaultStore for MemoryStore {
    fn open(&self) -> Result<Option<Box<dyn Snapshot>>, StoreError> {
        MemoryTurn(self).open()
    }

    fn begin_write(&self) -> Result<Box<dyn WriteTurn + '_>, StoreError> {
        Ok(Box::new(MemoryTurn(self)))
    }

    fn location(&self) -> &Path {
        Path::new("memory")
    }
}

#[derive(Debug)]
struct MemoryTurn<'s>(&'s MemoryStore);

impl WriteTurn for MemoryTurn<'_> {
    fn open(&self) -> Result<Option<Box<dyn Snapshot>>, StoreError> {
        let state = self.0.0.borrow();
        if state.current.is_none() && state.previous.is_some() {
            return Err(StoreError::Missing { vault: "memory".into(), previous: "memory.prev".into() });
        }
        Ok(state.current.clone().map(|bytes| Box::new(bytes) as Box<dyn Snapshot>))
    }

    fn open_previous(&self) -> Result<Option<Box<dyn Snapshot>>, StoreError> {
        Ok(self.0.0.borrow().previous.clone().map(|bytes| Box::new(bytes) as Box<dyn Snapshot>))
    }

    fn replace(
        self: Box<Self>,
        expected: &Expected,
        bytes: &[u8],
        previous: Previous,
    ) -> Result<(), StoreError> {
        let mut state = self.0.0.borrow_mut();
        let found = state.current.as_ref().map(|bytes| revision(bytes).ok().flatten());
        let is_as_expected = match (expected, found) {
            (Expected::Absent, None) => state.previous.is_none(),
            (Expected::Revision(seen), Some(Some(found))) if *seen == found => {
                state.previous = if previous == Previous::Drop { None } else { state.current.take() };
                true
            }
            (Expected::Unreadable, None) => state.previous.is_some(),
            (Expected::Unreadable, Some(None)) => true,
            _ => false,
        };
        if !is_as_expected {
            return Err(StoreError::Conflict { vault: "memory".into() });
        }
        state.current = Some(bytes.to_vec());
        state.writes += 1;
        Ok(())
    }
}
