//! Secrets that come from elsewhere, many at once: a file that is imported, a bundle. How each of them
//! stands to the vault, and what becomes of those that the vault has with another value. The connections of
//! a bundle are in `merge/connections.rs`.

mod connections;
mod sealing;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use subtle::ConstantTimeEq;

use self::sealing::{Sealed, seal_all};
use crate::format::index::ValueRecord;
use crate::format::{FormatError, MAX_VALUE, MAX_VALUES};
use crate::name::{Scope, SecretName};
use crate::secret::SecretBytes;
use crate::vault::UnlockedVault;
use crate::vault::draft::{ChangeError, Draft};

/// One secret from elsewhere.
#[derive(Debug)]
pub struct Incoming {
    /// The scope that it is for.
    pub scope: Scope,
    /// Its name.
    pub name: SecretName,
    /// Its value.
    pub value: SecretBytes,
}

/// What becomes of an incoming secret that the vault has with another value, or of such a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnConflict {
    /// Nothing at all is merged.
    Fail,
    /// It becomes a new version.
    Overwrite,
    /// The vault keeps what it has.
    Skip,
}

/// How an incoming secret, or connection, stands to the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The vault has another value, or one that is damaged.
    Conflict,
    /// The vault has no secret of that name in that scope.
    New,
    /// The vault has this very value, which therefore gets no new version.
    Unchanged,
}

impl UnlockedVault {
    /// Compares secrets from elsewhere with the current values of the vault, each with the one of its scope
    /// and name. No other value is opened.
    ///
    /// # Errors
    ///
    /// [`FormatError`] when the vault can't be read.
    pub fn compare(&self, incoming: &[Incoming]) -> Result<Vec<Standing>, FormatError> {
        Draft::new(self, self.index()?).compare(incoming)
    }
}

impl Draft<'_> {
    /// Merges secrets from elsewhere and returns how each of them stood to the vault before. Those that are
    /// new go in together, so that many of them cost no more than one pass over the index.
    ///
    /// # Errors
    ///
    /// [`ChangeError::NameTwice`] when two of them have one scope and name, [`ChangeError::OtherValues`] with
    /// [`OnConflict::Fail`], else when a limit is reached. The draft may be half changed then and is of no
    /// use any more.
    pub fn merge(
        &mut self,
        incoming: &[Incoming],
        on_conflict: OnConflict,
        now: u64,
    ) -> Result<Vec<Standing>, ChangeError> {
        check_distinct(incoming)?;
        let standings = self.compare(incoming)?;
        let with = |wanted| {
            let each = incoming.iter().zip(&standings);
            each.filter(move |(_, standing)| **standing == wanted).map(|(secret, _)| secret)
        };
        if on_conflict == OnConflict::Fail && standings.contains(&Standing::Conflict) {
            return Err(ChangeError::OtherValues(
                with(Standing::Conflict).map(|secret| secret.name.clone()).collect(),
            ));
        }
        self.put_new(with(Standing::New).collect(), now)?;
        let overwritten = with(Standing::Conflict).filter(|_| on_conflict == OnConflict::Overwrite);
        for secret in overwritten {
            self.put(&secret.scope, &secret.name, &secret.value, now)?;
        }
        Ok(standings)
    }

    /// [`UnlockedVault::compare`] with the secrets as the draft has them.
    pub(super) fn compare(&self, incoming: &[Incoming]) -> Result<Vec<Standing>, FormatError> {
        let scopes = self.scope_positions(incoming);
        incoming.iter().map(|secret| self.standing(secret, scopes.get(&secret.scope).copied())).collect()
    }

    fn standing(&self, secret: &Incoming, scope: Option<u32>) -> Result<Standing, FormatError> {
        let versions = scope.map_or(0..0, |scope| self.index.versions_at(scope, &secret.name));
        if versions.is_empty() {
            return Ok(Standing::New);
        }
        let same = match self.stored_value(versions.start) {
            Ok(stored) => stored.expose_secret().ct_eq(secret.value.expose_secret()).into(),
            Err(FormatError::Value { .. }) => false,
            Err(error) => return Err(error),
        };
        Ok(if same { Standing::Unchanged } else { Standing::Conflict })
    }

    /// Stores first versions, all in one pass.
    fn put_new(&mut self, new: Vec<&Incoming>, now: u64) -> Result<(), ChangeError> {
        if let Some(large) = new.iter().find(|secret| secret.value.len() > MAX_VALUE) {
            return Err(ChangeError::ValueTooLarge(large.value.len()));
        }
        if self.index.values.len() + new.len() > MAX_VALUES {
            return Err(ChangeError::TooManyValues);
        }
        for scope in new.iter().map(|secret| &secret.scope).collect::<BTreeSet<_>>() {
            self.enter_scope(scope)?;
        }
        let scopes = self.scope_positions(new.iter().copied());
        let values: Vec<&SecretBytes> = new.iter().map(|secret| &secret.value).collect();
        let sealed = seal_all(self.root(), self.vault.header().vault_id, &values);
        let mut records = Vec::with_capacity(new.len());
        self.fresh.reserve(new.len());
        for (secret, Sealed { id, message, described }) in new.into_iter().zip(sealed) {
            let (scope, name) = (scopes[&secret.scope], secret.name.as_str());
            let (sealed_len, sha256) = described;
            records.push(ValueRecord { scope, name, version: 1, created: now, id, sealed_len, sha256 });
            self.fresh.insert(id, message);
        }
        self.index.values.insert_all(records)?;
        Ok(())
    }

    /// Returns where the scopes of these secrets stand in the index. Many secrets have few scopes.
    fn scope_positions<'i>(
        &self,
        secrets: impl IntoIterator<Item = &'i Incoming>,
    ) -> BTreeMap<&'i Scope, u32> {
        let scopes: BTreeSet<&Scope> = secrets.into_iter().map(|secret| &secret.scope).collect();
        scopes.into_iter().filter_map(|scope| Some((scope, self.index.scope_position(scope)?))).collect()
    }
}

/// Checks that no two secrets have one scope and name.
fn check_distinct(incoming: &[Incoming]) -> Result<(), ChangeError> {
    let mut named = HashSet::with_capacity(incoming.len());
    match incoming.iter().find(|secret| !named.insert((&secret.scope, &secret.name))) {
        None => Ok(()),
        Some(Incoming { scope, name, .. }) => {
            Err(ChangeError::NameTwice { name: name.clone(), scope: scope.clone() })
        }
    }
}

#[cfg(test)]
mod tests;
