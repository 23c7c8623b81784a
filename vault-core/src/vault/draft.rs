//! A changed copy of a vault's index, before it is written. Every change of secrets, slots and
//! workspace bindings is made here, under the writer's turn, on the newest state; those of connections are
//! in `connections.rs`.

use std::collections::HashMap;
use std::ops::Range;

use zeroize::Zeroizing;

use crate::connection::{Connection, MAX_CONNECTIONS};
use crate::crypto::generate;
use crate::format::header::check_slots;
use crate::format::index::{BindingRecord, Index, ScopeRecord, ValueRecord, is_absolute};
use crate::format::values::{hash_sealed, seal_value};
use crate::format::{FormatError, Header, MAX_EARLIER_VERSIONS, MAX_SLOTS, MAX_VALUE, MAX_VALUES, ValueId};
use crate::name::{ConnectionId, Scope, SecretName, TenantId, WorkspaceId};
use crate::secret::{RootKey, SecretBytes, SlotKey};
use crate::slot::{Binding, SlotId, SlotKind, SlotRecord, wrap};
use crate::vault::UnlockedVault;

/// Why a change is refused. Nothing was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// What is there can't be read.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The only slot that is left, or no slot at all.
    #[error("the last key slot can't be removed: nothing would open the vault")]
    LastSlot,
    /// Two secrets from elsewhere with one name.
    #[error("nothing was stored, {name} comes twice for {scope}")]
    NameTwice {
        /// The name of both.
        name: SecretName,
        /// The scope of both.
        scope: Scope,
    },
    /// No such connection in that scope.
    #[error("no connection {id} in {scope}")]
    NoConnection {
        /// The id asked for.
        id: ConnectionId,
        /// Where.
        scope: Scope,
    },
    /// No such secret in that scope.
    #[error("no secret {name} in {scope}")]
    NoSecret {
        /// The name asked for.
        name: SecretName,
        /// Where.
        scope: Scope,
    },
    /// No such slot.
    #[error("no key slot {0}")]
    NoSlot(SlotId),
    /// The secret has no such version.
    #[error("{name} in {scope} has no version {version}")]
    NoVersion {
        /// The name of the secret.
        name: SecretName,
        /// Where.
        scope: Scope,
        /// The version asked for.
        version: u32,
    },
    /// Connections from elsewhere whose ids other ones of the vault have.
    #[error("nothing was stored, the vault has other connections: {}", first_names(.0))]
    OtherConnections(Vec<ConnectionId>),
    /// Secrets from elsewhere that the vault has with other values.
    #[error("nothing was stored, the vault has other values of: {}", first_names(.0))]
    OtherValues(Vec<SecretName>),
    /// The directory has no absolute path, or one with a zero byte.
    #[error("a workspace is bound to absolute directories only")]
    RelativeDirectory,
    /// Connections refer to the secret.
    #[error("{name} in {scope} is used by {}", listed(connections))]
    SecretInUse {
        /// The name of the secret.
        name: SecretName,
        /// Where.
        scope: Scope,
        /// Those that use it.
        connections: Vec<Connection>,
    },
    /// The key slots are not those that the change was prepared for.
    #[error("another process changed the key slots meanwhile")]
    SlotsChanged,
    /// A connection more than a file can have.
    #[error("a vault has at most {MAX_CONNECTIONS} connections")]
    TooManyConnections,
    /// A slot more than a file can have.
    #[error("a vault has at most {MAX_SLOTS} key slots, of which 4 with a passphrase")]
    TooManySlots,
    /// A value more than a file can have.
    #[error("a vault has at most {MAX_VALUES} values")]
    TooManyValues,
    /// The value is larger than a vault takes.
    #[error("the value has {0} bytes; a secret has at most {MAX_VALUE} (1 MiB)")]
    ValueTooLarge(usize),
    /// The versions of the secret are used up.
    #[error("{0} has reached the last version number")]
    VersionsExhausted(SecretName),
    /// The workspace belongs to other directories.
    #[error("workspace {workspace} is not bound to {directory}")]
    WorkspaceElsewhere {
        /// The workspace.
        workspace: WorkspaceId,
        /// The directory that claims it.
        directory: String,
    },
}

/// Names connections in words: how many, which of them first, and where they are.
fn listed(connections: &[Connection]) -> String {
    let plural = if connections.len() == 1 { "" } else { "s" };
    format!("{} connection{plural}: {}", connections.len(), first_names(connections))
}

/// What [`Draft::put`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The number of the new version.
    pub version: u32,
    /// Earlier versions that were damaged and are given up.
    pub dropped: Vec<u32>,
}

/// A change in the making.
#[derive(Debug)]
pub struct Draft<'a> {
    pub(crate) vault: &'a UnlockedVault,
    pub(crate) index: Index<'a>,
    /// The messages that this change sealed. Every other value of the index is in the former file.
    pub(super) fresh: HashMap<ValueId, Vec<u8>>,
    pub(crate) slots: Vec<SlotRecord>,
    /// The newest generation that is known to exist.
    pub(crate) newest_generation: u64,
    /// The new root key and epoch, after [`Draft::rekey`].
    pub(crate) renewed: Option<(RootKey, u64)>,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(vault: &'a UnlockedVault, index: Index<'a>) -> Self {
        let Header { generation, slots, .. } = vault.header();
        let (slots, fresh) = (slots.clone(), HashMap::new());
        Self { vault, index, fresh, slots, newest_generation: *generation, renewed: None }
    }

    /// Returns the index as it stands.
    #[must_use]
    pub const fn index(&self) -> &Index<'a> {
        &self.index
    }

    /// Returns the key slots as they stand.
    #[must_use]
    pub fn slots(&self) -> &[SlotRecord] {
        &self.slots
    }

    /// Stores a new version of a secret and keeps up to ten earlier ones. Earlier versions that can't
    /// be read any more are given up and reported: a damaged value must not stand in the way of a good
    /// one.
    ///
    /// # Errors
    ///
    /// [`ChangeError`] when a limit is reached.
    pub fn put(
        &mut self,
        scope: &Scope,
        name: &SecretName,
        value: &SecretBytes,
        now: u64,
    ) -> Result<Stored, ChangeError> {
        if value.len() > MAX_VALUE {
            return Err(ChangeError::ValueTooLarge(value.len()));
        }
        let versions = self.index.versions(scope, name);
        if versions.len() <= MAX_EARLIER_VERSIONS && self.index.values.len() >= MAX_VALUES {
            return Err(ChangeError::TooManyValues);
        }
        let newest = versions.clone().next().map_or(0, |newest| self.index.values.at(newest).version);
        let version = newest.checked_add(1);
        let version = version.ok_or_else(|| ChangeError::VersionsExhausted(name.clone()))?;
        let dropped = self.drop_damaged(versions)?;
        let scope = self.enter_scope(scope)?;
        let kept = self.index.versions_at(scope, name);
        self.index.values.remove(kept.end.min(kept.start + MAX_EARLIER_VERSIONS)..kept.end);
        let (id, message) = self.seal_new(self.root(), value);
        let (sealed_len, sha256) = describe(&message);
        let name = name.as_str();
        let record = ValueRecord { scope, name, version, created: now, id, sealed_len, sha256 };
        self.index.values.insert(kept.start, &record)?;
        self.fresh.insert(id, message);
        Ok(Stored { version, dropped })
    }

    /// Stores a secret and keeps no earlier version of it: for values that must not outlive their use, such as
    /// tokens that a server takes once.
    ///
    /// # Errors
    ///
    /// As for [`put`](Self::put).
    pub fn replace(
        &mut self,
        scope: &Scope,
        name: &SecretName,
        value: &SecretBytes,
        now: u64,
    ) -> Result<Stored, ChangeError> {
        let stored = self.put(scope, name, value, now)?;
        let versions = self.index.versions(scope, name);
        self.index.values.remove(versions.start + 1..versions.end);
        Ok(stored)
    }

    /// Removes every version of a secret and returns how many there were.
    ///
    /// # Errors
    ///
    /// [`ChangeError::NoSecret`].
    pub fn remove(&mut self, scope: &Scope, name: &SecretName) -> Result<usize, ChangeError> {
        let versions = self.index.versions(scope, name);
        if versions.is_empty() {
            return Err(ChangeError::NoSecret { name: name.clone(), scope: scope.clone() });
        }
        let count = versions.len();
        self.index.values.remove(versions);
        self.leave_unused_scope(scope)?;
        Ok(count)
    }

    /// Makes the value of an earlier version the current one, as a new version.
    ///
    /// # Errors
    ///
    /// [`ChangeError::NoSecret`] or [`ChangeError::NoVersion`].
    pub fn rollback(
        &mut self,
        scope: &Scope,
        name: &SecretName,
        to: u32,
        now: u64,
    ) -> Result<Stored, ChangeError> {
        let mut versions = self.index.versions(scope, name);
        if versions.is_empty() {
            return Err(ChangeError::NoSecret { name: name.clone(), scope: scope.clone() });
        }
        let position = versions.find(|&at| self.index.values.at(at).version == to).ok_or_else(|| {
            ChangeError::NoVersion { name: name.clone(), scope: scope.clone(), version: to }
        })?;
        let value = self.stored_value(position)?;
        self.put(scope, name, &value, now)
    }

    /// Lets a directory use a workspace id.
    ///
    /// # Errors
    ///
    /// [`ChangeError::RelativeDirectory`].
    pub fn bind(
        &mut self,
        tenant: &TenantId,
        workspace: &WorkspaceId,
        directory: &[u8],
    ) -> Result<(), ChangeError> {
        if !is_absolute(directory) {
            return Err(ChangeError::RelativeDirectory);
        }
        let record = BindingRecord {
            tenant: tenant.to_string().into(),
            workspace: workspace.to_string().into(),
            directory: directory.to_vec().into(),
        };
        if let Err(position) = self.index.bindings.binary_search(&record) {
            self.index.bindings.insert(position, record);
        }
        Ok(())
    }

    /// Adds a key slot for the vault's root key.
    ///
    /// # Errors
    ///
    /// [`ChangeError::TooManySlots`].
    pub fn add_slot(&mut self, kind: SlotKind, id: SlotId, key: &SlotKey) -> Result<(), ChangeError> {
        self.slots.push(wrap(self.root(), key, self.binding(), kind, id));
        if self.slots.len() > MAX_SLOTS || check_slots(&self.slots).is_err() {
            self.slots.pop();
            return Err(ChangeError::TooManySlots);
        }
        Ok(())
    }

    /// Removes a key slot. That is no revocation: whoever had its key may have kept the root key.
    ///
    /// # Errors
    ///
    /// [`ChangeError::NoSlot`] or [`ChangeError::LastSlot`].
    pub fn remove_slot(&mut self, id: SlotId) -> Result<SlotRecord, ChangeError> {
        let position = self.slots.iter().position(|slot| slot.id == id).ok_or(ChangeError::NoSlot(id))?;
        if self.slots.len() == 1 {
            return Err(ChangeError::LastSlot);
        }
        Ok(self.slots.remove(position))
    }

    /// Replaces the root key: a new one, the next epoch, every value sealed again under a new id, and
    /// no slots, which the caller adds. This is what takes access away from a key that leaked.
    ///
    /// # Errors
    ///
    /// [`FormatError`] when a value is damaged or the epochs are used up; then nothing has changed.
    pub fn rekey(&mut self) -> Result<(), ChangeError> {
        let epoch = self.vault.header().epoch.checked_add(1).ok_or(FormatError::TooLarge("the epoch"))?;
        let root = RootKey::new(Zeroizing::new(generate()));
        let again = |position| Ok(self.seal_new(&root, &self.stored_value(position)?));
        let sealed = (0..self.index.values.len()).map(again).collect::<Result<Vec<_>, FormatError>>()?;
        for (position, (id, message)) in sealed.into_iter().enumerate() {
            let (sealed_len, sha256) = describe(&message);
            self.index.values.update(position, |record| {
                *record = ValueRecord { id, sealed_len, sha256, ..*record };
            })?;
            self.fresh.insert(id, message);
        }
        self.renewed = Some((root, epoch));
        self.slots.clear();
        Ok(())
    }

    /// Gives up every stored value that does not match its hash and returns their names and versions.
    pub(crate) fn give_up_damaged(&mut self) -> Result<Vec<(String, u32)>, FormatError> {
        let mut given_up = Vec::new();
        for at in (0..self.index.values.len()).rev() {
            if !self.is_intact(at)? {
                let record = self.index.values.at(at);
                given_up.push((record.name.to_owned(), record.version));
                self.index.values.remove(at..at + 1);
            }
        }
        let scopes = self.index.scopes.iter().map(ScopeRecord::scope).collect::<Result<Vec<_>, _>>()?;
        scopes.iter().try_for_each(|scope| self.leave_unused_scope(scope))?;
        Ok(given_up)
    }

    /// Returns the root key that the new file will have.
    pub(crate) fn root(&self) -> &RootKey {
        self.renewed.as_ref().map_or(&self.vault.root, |(root, _)| root)
    }

    /// Returns what the slots of the new file are bound to.
    pub(crate) fn binding(&self) -> Binding {
        let binding = self.vault.binding();
        Binding { epoch: self.renewed.as_ref().map_or(binding.epoch, |(_, epoch)| *epoch), ..binding }
    }

    /// Returns where the former file has the message of a value; `None` for one that this change sealed.
    pub(crate) fn stored_at(&self, position: usize) -> Option<u64> {
        let is_stored = self.fresh(position).is_none();
        is_stored.then(|| self.vault.message_at(&self.index, position))
    }

    /// Returns the message of a value that this change sealed.
    pub(crate) fn fresh(&self, position: usize) -> Option<&[u8]> {
        self.fresh.get(&self.index.values.at(position).id).map(Vec::as_slice)
    }

    /// Opens a value that the former file holds.
    pub(super) fn stored_value(&self, position: usize) -> Result<SecretBytes, FormatError> {
        let offset = self.stored_at(position);
        let offset = offset.ok_or(FormatError::Damaged("a value of this very change can't be read back"))?;
        let mut value = self.vault.open_run(&self.index, position..position + 1, offset)?;
        value.pop().ok_or(FormatError::Damaged("the index has no such value"))
    }

    /// Seals a value under a new id.
    pub(super) fn seal_new(&self, root: &RootKey, value: &SecretBytes) -> (ValueId, Vec<u8>) {
        let id = ValueId::generate();
        (id, seal_value(root, self.vault.header().vault_id, id, value))
    }

    /// Gives up versions whose stored message does not match its hash.
    fn drop_damaged(&mut self, versions: Range<usize>) -> Result<Vec<u32>, FormatError> {
        let mut damaged = Vec::new();
        for at in versions.rev() {
            if !self.is_intact(at)? {
                damaged.push(at);
            }
        }
        let dropped = damaged.iter().map(|&at| self.index.values.at(at).version).collect();
        damaged.into_iter().for_each(|at| self.index.values.remove(at..at + 1));
        Ok(dropped)
    }

    fn is_intact(&self, at: usize) -> Result<bool, FormatError> {
        let Some(offset) = self.stored_at(at) else { return Ok(true) };
        let record = self.index.values.at(at);
        let mut message = vec![0; record.sealed_len as usize];
        self.vault.locked.snapshot.read_at(offset, &mut message)?;
        Ok(hash_sealed(&message) == record.sha256)
    }

    /// Returns the position of a scope; a new one moves the later ones up.
    pub(super) fn enter_scope(&mut self, scope: &Scope) -> Result<u32, FormatError> {
        let record = ScopeRecord::new(scope);
        let position = match self.index.scopes.binary_search(&record) {
            Ok(position) => position,
            Err(position) => {
                self.index.scopes.insert(position, record);
                self.shift_scopes(position, 1)?;
                position
            }
        };
        Ok(u32::try_from(position).unwrap_or(u32::MAX))
    }

    /// Takes a scope without values out of the index; the later ones move down.
    fn leave_unused_scope(&mut self, scope: &Scope) -> Result<(), FormatError> {
        let Some(position) = self.index.scope_position(scope) else { return Ok(()) };
        if self.index.values.iter().any(|value| value.scope == position) {
            return Ok(());
        }
        self.index.scopes.remove(position as usize);
        self.shift_scopes(position as usize, -1)
    }

    fn shift_scopes(&mut self, from: usize, by: i32) -> Result<(), FormatError> {
        for position in 0..self.index.values.len() {
            if self.index.values.at(position).scope as usize >= from {
                self.index
                    .values
                    .update(position, |value| value.scope = value.scope.saturating_add_signed(by))?;
            }
        }
        Ok(())
    }
}

/// Returns what the index says of a sealed message: its size and its hash.
pub(super) fn describe(message: &[u8]) -> (u32, [u8; 32]) {
    (u32::try_from(message.len()).unwrap_or(u32::MAX), hash_sealed(message))
}

/// Names some things, and says how many more there are.
fn first_names(names: &[impl ToString]) -> String {
    let mut shown: Vec<String> = names.iter().take(MOST_LISTED).map(ToString::to_string).collect();
    if let Some(more) = names.len().checked_sub(MOST_LISTED).filter(|more| *more > 0) {
        shown.push(format!("and {more} more"));
    }
    shown.join(", ")
}

/// The most names in one message.
const MOST_LISTED: usize = 10;

#[cfg(test)]
mod tests;
