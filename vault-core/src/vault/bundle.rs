//! A bundle: a sealed file that carries secrets and connections from one vault to another (`FORMAT.md §4.4`).
//! It has keys and ids of its own, and stands for no workspace until it is opened in one.

use crate::connection::{Auth, Connection};
use crate::format::index::Index;
use crate::format::{FormatError, Purpose};
use crate::name::{Scope, SecretName, TenantId, WorkspaceId};
use crate::vault::UnlockedVault;
use crate::vault::commit::compose;
use crate::vault::draft::{ChangeError, Draft};
use crate::vault::merge::{Incoming, OnConflict, Standing};

/// What a bundle carries.
#[derive(Debug)]
pub struct Contents {
    /// The secrets, each with the scope that it has outside the bundle.
    pub secrets: Vec<Incoming>,
    /// The connections, with scopes of the same kind.
    pub connections: Vec<Connection>,
}

/// How what a bundle carries stands to a vault, each thing in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standings {
    /// The secrets.
    pub secrets: Vec<Standing>,
    /// The connections.
    pub connections: Vec<Standing>,
}

impl Contents {
    /// Takes connections, and the current values at `positions` of a vault's index, which stand in ascending
    /// order.
    ///
    /// # Errors
    ///
    /// [`FormatError::Value`] names the first value that is not as it was written.
    pub fn gather(
        vault: &UnlockedVault,
        index: &Index<'_>,
        positions: &[usize],
        connections: Vec<Connection>,
    ) -> Result<Self, FormatError> {
        let records = positions.iter().map(|&position| index.values.at(position));
        let values = vault.values(index, positions)?;
        let secrets = records.zip(values).map(|(record, value)| {
            let name = SecretName::parse(record.name)
                .map_err(|_| FormatError::Damaged("the index has an invalid name"))?;
            Ok(Incoming { scope: index.scopes[record.scope as usize].scope()?, name, value })
        });
        Ok(Self { secrets: secrets.collect::<Result<_, FormatError>>()?, connections })
    }

    /// Opens everything that a bundle carries, which checks every value, for a workspace and its tenant.
    ///
    /// # Errors
    ///
    /// [`FormatError`] when anything of the bundle is not as it was written.
    pub fn open(
        bundle: &UnlockedVault,
        tenant: &TenantId,
        workspace: &WorkspaceId,
    ) -> Result<Self, FormatError> {
        let index = bundle.index()?;
        let all: Vec<usize> = (0..index.values.len()).collect();
        let contents = Self::gather(bundle, &index, &all, index.connections()?)?;
        Ok(contents.moved(|scope| match scope {
            Scope::Workspace(..) => Scope::Workspace(tenant.clone(), workspace.clone()),
            Scope::Tenant(_) => Scope::Tenant(tenant.clone()),
        }))
    }

    /// Seals a bundle and returns its bytes; `add_slot` adds the one key slot that opens it. Two secrets of
    /// one kind of scope and one name would become one, and so would two connections: the caller takes those
    /// of one workspace and its tenant.
    ///
    /// # Errors
    ///
    /// [`ChangeError`] when a limit is reached.
    pub fn seal(
        self,
        now: u64,
        add_slot: impl FnOnce(&mut Draft<'_>) -> Result<(), ChangeError>,
    ) -> Result<Vec<u8>, ChangeError> {
        let bundle = UnlockedVault::create(Purpose::Bundle)?;
        let mut draft = Draft::new(&bundle, bundle.index()?);
        add_slot(&mut draft)?;
        let Self { secrets, mut connections } = self.moved(carried);
        draft.merge(&secrets, OnConflict::Fail, now)?;
        // When they were made in the vault is nobody's business elsewhere.
        connections.iter_mut().for_each(|carried| (carried.created, carried.updated) = (now, now));
        draft.index.set_connections(&connections)?;
        check(draft.index())?;
        Ok(compose(&draft)?.1.to_vec())
    }

    /// Compares everything with what a vault has.
    ///
    /// # Errors
    ///
    /// [`FormatError`] when the vault can't be read.
    pub fn compare(&self, vault: &UnlockedVault) -> Result<Standings, FormatError> {
        let draft = Draft::new(vault, vault.index()?);
        let secrets = draft.compare(&self.secrets)?;
        Ok(Standings { secrets, connections: draft.compare_connections(&self.connections)? })
    }

    /// Merges everything and returns how it stood to the vault before.
    ///
    /// # Errors
    ///
    /// Those of [`Draft::merge`] and [`Draft::merge_connections`]; then the draft is of no use any more.
    pub fn merge(
        &self,
        draft: &mut Draft<'_>,
        on_conflict: OnConflict,
        now: u64,
    ) -> Result<Standings, ChangeError> {
        let secrets = draft.merge(&self.secrets, on_conflict, now)?;
        let connections = draft.merge_connections(&self.connections, on_conflict, now)?;
        Ok(Standings { secrets, connections })
    }

    /// Moves everything to other scopes, and what the connections refer to with it.
    fn moved(mut self, to: impl Fn(&Scope) -> Scope) -> Self {
        self.secrets.iter_mut().for_each(|secret| secret.scope = to(&secret.scope));
        for Connection { scope, auth, .. } in &mut self.connections {
            *scope = to(scope);
            if let Auth::Secret { scope, .. } = auth {
                *scope = to(scope);
            }
        }
        self
    }
}

impl Standings {
    /// Says how everything stands to a vault that is not there yet.
    #[must_use]
    pub fn all_new(contents: &Contents) -> Self {
        let Contents { secrets, connections } = contents;
        Self {
            secrets: vec![Standing::New; secrets.len()],
            connections: vec![Standing::New; connections.len()],
        }
    }
}

/// Returns the scope by which a bundle carries what a workspace or tenant has.
fn carried(scope: &Scope) -> Scope {
    match scope {
        Scope::Workspace(..) => Scope::Workspace(TenantId::default(), WorkspaceId::default()),
        Scope::Tenant(_) => Scope::Tenant(TenantId::default()),
    }
}

/// Checks what a bundle has to be beside being a sound file (`FORMAT.md §4.4`).
pub(super) fn check(index: &Index<'_>) -> Result<(), FormatError> {
    let is_carried = |scope: &Scope| carried(scope) == *scope;
    let is_sound = index.scopes.iter().all(|record| record.scope().is_ok_and(|scope| is_carried(&scope)))
        && index.values.iter().all(|value| value.version == 1)
        && index.bindings.is_empty();
    if is_sound && index.connections()?.iter().all(|connection| is_carried(&connection.scope)) {
        return Ok(());
    }
    Err(FormatError::Damaged("a bundle has what no bundle carries"))
}

#[cfg(test)]
mod tests;
