//! The report of the credential check: what programs read as JSON and people as a table. It can't hold a
//! value.

use std::collections::HashSet;

use serde::Serialize;

use super::sources::Finding;
use crate::provider::{Kind, Provider};

/// What became of the question to the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VaultUse {
    /// It was asked and answered.
    Answered,
    /// There was nothing to ask, or nobody to look there.
    NotAsked,
    /// It was asked and could not be opened.
    Unavailable,
}

/// What the check found. It has names, states and labels: no value, nor its length or hash.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Whether every provider was checked because none is in use.
    pub assumed_all: bool,
    /// What became of the question to the vault.
    pub vault: VaultUse,
    /// The providers that were checked or skipped.
    pub providers: Vec<ProviderReport>,
    /// The names that are required by themselves.
    pub keys: Vec<KeyReport>,
    /// The required names that are missing or empty, each once.
    pub missing: Vec<String>,
    /// The required names that only the vault, which could not be opened, can tell about, each once.
    pub unknown: Vec<String>,
    /// The names whose values have not the shape that is known for them, each once.
    pub malformed: Vec<String>,
    /// Whether a value of another shape fails the check.
    pub strict: bool,
}

impl Report {
    pub(super) fn new(
        assumed_all: bool,
        vault: VaultUse,
        providers: Vec<ProviderReport>,
        keys: Vec<KeyReport>,
        strict: bool,
    ) -> Self {
        let (missing, unknown, malformed) = (Vec::new(), Vec::new(), Vec::new());
        let report = Self { assumed_all, vault, providers, keys, missing, unknown, malformed, strict };
        let required = |states: &[State]| {
            names(report.all_keys().filter(|key| key.required && states.contains(&key.state)))
        };
        let (missing, unknown) = (required(&[State::Empty, State::Missing]), required(&[State::Unknown]));
        let malformed = names(report.all_keys().filter(|key| key.state == State::Malformed));
        Self { missing, unknown, malformed, ..report }
    }

    /// Returns every key of the providers, then those that are required by themselves.
    pub fn all_keys(&self) -> impl Iterator<Item = &KeyReport> {
        self.providers.iter().flat_map(|provider| &provider.keys).chain(&self.keys)
    }

    /// Tells whether all that is required is there; in a strict check, also whether it has the right shape.
    #[must_use]
    pub const fn ok(&self) -> bool {
        self.missing.is_empty() && self.unknown.is_empty() && (self.malformed.is_empty() || !self.strict)
    }

    /// Tells whether there were providers, and all of them were skipped.
    #[must_use]
    pub fn skipped_all(&self) -> bool {
        let skipped = self.providers.iter().all(|provider| provider.outcome == Outcome::Skipped);
        !self.providers.is_empty() && skipped && self.keys.is_empty()
    }
}

/// What the check found of one provider.
#[derive(Debug, Serialize)]
pub struct ProviderReport {
    /// The provider's id.
    pub id: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// How it stands.
    pub outcome: Outcome,
    /// The names of the complete or closest group, then the optional names that occur.
    pub keys: Vec<KeyReport>,
}

impl ProviderReport {
    pub(super) const fn new(provider: &'static Provider, outcome: Outcome, keys: Vec<KeyReport>) -> Self {
        Self { id: provider.id, name: provider.name, kind: provider.kind, outcome, keys }
    }
}

/// How a provider stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A value has another shape than is known for it, and the check is strict.
    Malformed,
    /// A name of the closest group is missing or empty.
    Missing,
    /// A group is complete, or none is needed.
    Satisfied,
    /// Left out: a cloud provider in an air gap.
    Skipped,
    /// Only the vault, which could not be opened, can tell.
    Unknown,
}

/// What the check found of one name.
#[derive(Debug, Serialize)]
pub struct KeyReport {
    /// The canonical name.
    pub name: String,
    /// Whether the group that is reported needs it.
    pub required: bool,
    /// How it stands.
    pub state: State,
    /// Where it occurs.
    pub source: Option<Source>,
    /// The alias under which it occurs, if not under its canonical name.
    pub alias: Option<String>,
}

impl KeyReport {
    pub(super) fn new(name: &str, required: bool, finding: Finding<'_, '_>) -> Self {
        let Finding { state, source, spelling, .. } = finding;
        let alias = spelling.filter(|spelling| *spelling != name).map(str::to_owned);
        Self { name: name.to_owned(), required, state, source, alias }
    }

    /// Tells whether the name occurs in any source, be it empty.
    pub(super) const fn occurs(&self) -> bool {
        self.source.is_some()
    }
}

/// How a name stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It occurs with a blank value alone.
    Empty,
    /// It has a value of another shape than is known for it.
    Malformed,
    /// It occurs nowhere.
    Missing,
    /// It has a value.
    Present,
    /// It occurs neither in the environment nor in a file, and the vault can't be opened.
    Unknown,
}

/// Where a name occurs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Source {
    /// In the environment.
    Env,
    /// In a file.
    File {
        /// The file, as the caller named it.
        label: String,
    },
    /// In the vault.
    Vault,
}

/// Returns the names of keys, each once, in the order of the report.
fn names<'a>(keys: impl Iterator<Item = &'a KeyReport>) -> Vec<String> {
    let mut seen = HashSet::new();
    keys.filter(|key| seen.insert(&key.name)).map(|key| key.name.clone()).collect()
}
