//! Where the credential check looks names up: environment, files, vault, in this order.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::fmt;

use super::report::{KeyReport, Source, State, VaultUse};
use crate::dotenv::EnvFile;
use crate::provider::Provider;

/// The names that occur in the environment or in a file, and for each whether its value is blank. The
/// values themselves are not kept. Sorted by name, each once: few names are ever looked up, and a hash
/// table of all of them costs more than the lookups.
#[derive(Default)]
pub struct Occurrences(Vec<(String, Value)>);

impl Occurrences {
    fn get(&self, name: &str) -> Option<Value> {
        let position = self.0.binary_search_by(|(found, _)| found.as_str().cmp(name)).ok()?;
        Some(self.0[position].1)
    }
}

impl fmt::Debug for Occurrences {
    /// Shows no name: one of a file may be a piece of a value, as [`EnvFile`] says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Occurrences({} names)", self.0.len())
    }
}

/// What is kept of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    Blank,
    Given,
}

impl Value {
    fn of(text: &str) -> Self {
        if text.trim().is_empty() { Self::Blank } else { Self::Given }
    }
}

impl<N: AsRef<OsStr>, V: AsRef<OsStr>> FromIterator<(N, V)> for Occurrences {
    /// Takes names and values as the environment has them. A name that is not UTF-8 is none that a
    /// provider has; a value that is not UTF-8 is not blank. Of a name given twice, the last value counts.
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let named = variables.into_iter().filter_map(|(name, value)| {
            let value = value.as_ref().to_str().map_or(Value::Given, Value::of);
            Some((name.as_ref().to_str()?.to_owned(), value))
        });
        let mut named: Vec<_> = named.collect();
        named.reverse();
        named.sort_by(|(one, _), (next, _)| one.cmp(next));
        named.dedup_by(|(later, _), (kept, _)| later == kept);
        Self(named)
    }
}

impl From<EnvFile> for Occurrences {
    fn from(file: EnvFile) -> Self {
        Self(file.into_iter().map(|(name, value)| (name, Value::of(value.expose_secret()))).collect())
    }
}

/// What occurs in one file.
#[derive(Debug)]
pub struct FileNames {
    /// The file, as the report is to call it.
    pub label: String,
    /// Its names.
    pub names: Occurrences,
}

/// What the vault says to a batch of names.
#[derive(Debug)]
pub enum VaultAnswer {
    /// These of the names have a secret. An absent vault has none.
    Found(Vec<String>),
    /// The vault can't be opened.
    Unavailable,
}

/// All that the check knows of where names occur.
pub(super) struct Sources<'a> {
    pub(super) env: &'a Occurrences,
    pub(super) files: &'a [FileNames],
    pub(super) vault: Vault,
}

/// What is known of the vault.
pub(super) enum Vault {
    Answered(HashSet<String>),
    NotAsked,
    Unavailable,
}

impl Vault {
    pub(super) const fn used(&self) -> VaultUse {
        match self {
            Self::Answered(_) => VaultUse::Answered,
            Self::NotAsked => VaultUse::NotAsked,
            Self::Unavailable => VaultUse::Unavailable,
        }
    }

    fn has(&self, name: &str) -> bool {
        matches!(self, Self::Answered(found) if found.contains(name))
    }
}

impl From<VaultAnswer> for Vault {
    fn from(answer: VaultAnswer) -> Self {
        match answer {
            VaultAnswer::Found(names) => Self::Answered(names.into_iter().collect()),
            VaultAnswer::Unavailable => Self::Unavailable,
        }
    }
}

impl Sources<'_> {
    /// Returns every spelling of those names that have a value outside the vault under none.
    pub(super) fn spellings_of_absent(
        &self,
        names: impl Iterator<Item = (&'static Provider, &'static str)>,
    ) -> BTreeSet<&'static str> {
        let absent = names.filter(|(provider, name)| self.look_up(provider, name).state != State::Present);
        absent.flat_map(|(provider, name)| provider.spellings(name)).collect()
    }

    /// Tells how a name stands, for a report that does not need it.
    pub(super) fn look_up(&self, provider: &Provider, name: &'static str) -> KeyReport {
        let found = |state, source, spelling: &'static str| KeyReport {
            name,
            required: false,
            state,
            source: Some(source),
            alias: Some(spelling).filter(|spelling| *spelling != name),
        };
        if let Some((source, spelling)) = self.outside(provider, name, Value::Given) {
            return found(State::Present, source, spelling);
        }
        if let Some(spelling) = provider.spellings(name).find(|spelling| self.vault.has(spelling)) {
            return found(State::Present, Source::Vault, spelling);
        }
        if let Some((source, spelling)) = self.outside(provider, name, Value::Blank) {
            return found(State::Empty, source, spelling);
        }
        let unknown = matches!(self.vault, Vault::Unavailable);
        let state = if unknown { State::Unknown } else { State::Missing };
        KeyReport { name, required: false, state, source: None, alias: None }
    }

    /// Finds the first `value` of the name in the environment and the files.
    fn outside(
        &self,
        provider: &Provider,
        name: &'static str,
        value: Value,
    ) -> Option<(Source, &'static str)> {
        let spelling_in = |names: &Occurrences| {
            provider.spellings(name).find(|spelling| names.get(spelling) == Some(value))
        };
        let in_env = spelling_in(self.env).map(|spelling| (Source::Env, spelling));
        in_env.or_else(|| {
            self.files.iter().rev().find_map(|file| {
                let spelling = spelling_in(&file.names)?;
                Some((Source::File { label: file.label.clone() }, spelling))
            })
        })
    }
}
