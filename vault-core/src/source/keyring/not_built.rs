//! The keyring of a build without one: it can't be opened.

use super::{Entry, KeyringError};
use crate::secret::SecretString;

/// There is no such entry.
pub(super) enum SystemEntry {}

/// Refuses: this build has no keyring.
pub(super) fn open(_user: &str) -> Result<SystemEntry, KeyringError> {
    Err(KeyringError::NotBuilt)
}

impl Entry for SystemEntry {
    fn write(&self, _text: &str) -> Result<(), KeyringError> {
        match *self {}
    }

    fn read(&self) -> Result<SecretString, KeyringError> {
        match *self {}
    }

    fn delete(&self) -> Result<(), KeyringError> {
        match *self {}
    }
}
