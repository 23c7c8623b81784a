//! A bundle: a sealed file that carries secrets from one vault to another (`FORMAT.md §4.4`). It has keys
//! and ids of its own, and stands for no workspace until it is opened in one.

use crate::format::index::{Index, ScopeRecord};
use crate::format::{FormatError, Purpose};
use crate::name::{Scope, SecretName, TenantId, WorkspaceId};
use crate::vault::UnlockedVault;
use crate::vault::commit::compose;
use crate::vault::draft::{ChangeError, Draft};
use crate::vault::merge::{Incoming, OnConflict};

/// What a bundle carries.
#[derive(Debug)]
pub struct Contents {
    /// The secrets, each with the scope that it has outside the bundle.
    pub secrets: Vec<Incoming>,
}

impl Contents {
    /// Takes the current values at `positions` of a vault's index, which stand in ascending order.
    ///
    /// # Errors
    ///
    /// [`FormatError::Value`] names the first value that is not as it was written.
    pub fn gather(
        vault: &UnlockedVault,
        index: &Index<'_>,
        positions: &[usize],
    ) -> Result<Self, FormatError> {
        let records = positions.iter().map(|&position| index.values.at(position));
        let values = vault.values(index, positions)?;
        let secrets = records.zip(values).map(|(record, value)| {
            let name = SecretName::parse(record.name)
                .map_err(|_| FormatError::Damaged("the index has an invalid name"))?;
            Ok(Incoming { scope: index.scopes[record.scope as usize].scope()?, name, value })
        });
        Ok(Self { secrets: secrets.collect::<Result<_, FormatError>>()? })
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
        let mut contents = Self::gather(bundle, &index, &all)?;
        for secret in &mut contents.secrets {
            secret.scope = match secret.scope {
                Scope::Workspace(..) => Scope::Workspace(tenant.clone(), workspace.clone()),
                Scope::Tenant(_) => Scope::Tenant(tenant.clone()),
            };
        }
        Ok(contents)
    }

    /// Seals a bundle and returns its bytes; `add_slot` adds the one key slot that opens it. Two secrets of
    /// one kind of scope and one name would become one: the caller takes those of one workspace and its
    /// tenant.
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
        let carried = |secret: Incoming| Incoming { scope: carried(&secret.scope), ..secret };
        let secrets: Vec<Incoming> = self.secrets.into_iter().map(carried).collect();
        draft.merge(&secrets, OnConflict::Fail, now)?;
        check(draft.index())?;
        Ok(compose(&draft)?.1.to_vec())
    }
}

/// Returns the scope by which a bundle carries the secrets of a workspace or tenant.
fn carried(scope: &Scope) -> Scope {
    match scope {
        Scope::Workspace(..) => Scope::Workspace(TenantId::default(), WorkspaceId::default()),
        Scope::Tenant(_) => Scope::Tenant(TenantId::default()),
    }
}

/// Checks what a bundle has to be beside being a sound file (`FORMAT.md §4.4`).
pub(super) fn check(index: &Index<'_>) -> Result<(), FormatError> {
    let is_carried = |record: &ScopeRecord<'_>| record.scope().is_ok_and(|scope| carried(&scope) == scope);
    let is_sound = index.scopes.iter().all(is_carried)
        && index.values.iter().all(|value| value.version == 1)
        && index.bindings.is_empty();
    if is_sound { Ok(()) } else { Err(FormatError::Damaged("a bundle has what no bundle carries")) }
}

#[cfg(test)]
mod tests;
