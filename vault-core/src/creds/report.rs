//! The report of the credential check: what programs read as JSON and people as a table. It can't hold a
//! value.

use std::collections::HashSet;

use serde::Serialize;

use crate::provider::Kind;

/// What became of the question to the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VaultUse {
    /// It was asked and answered.
    Answered,
    /// There was nothing to ask.
    NotAsked,
    /// It was asked and could not be opened.
    Unavailable,
}

/// What the check found. It has names, states and labels: no value, nor its length or hash.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Whether every known provider was checked because no required name of any occurs.
    pub assumed_all: bool,
    /// What became of the question to the vault.
    pub vault: VaultUse,
    /// The providers that were checked or skipped.
    pub providers: Vec<ProviderReport>,
    /// The required names that are missing or empty, each once.
    pub missing: Vec<&'static str>,
    /// The required names that only the vault, which could not be opened, can tell about, each once.
    pub unknown: Vec<&'static str>,
}

impl Report {
    pub(super) fn new(assumed_all: bool, vault: VaultUse, providers: Vec<ProviderReport>) -> Self {
        let missing = required_names(&providers, &[State::Empty, State::Missing]);
        let unknown = required_names(&providers, &[State::Unknown]);
        Self { assumed_all, vault, providers, missing, unknown }
    }

    /// Tells whether every provider is satisfied or skipped.
    #[must_use]
    pub const fn ok(&self) -> bool {
        self.missing.is_empty() && self.unknown.is_empty()
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

/// How a provider stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
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
    pub name: &'static str,
    /// Whether the group that is reported needs it.
    pub required: bool,
    /// How it stands.
    pub state: State,
    /// Where it occurs.
    pub source: Option<Source>,
    /// The alias under which it occurs, if not under its canonical name.
    pub alias: Option<&'static str>,
}

impl KeyReport {
    /// Tells whether the name occurs in any source, be it empty.
    pub(super) const fn occurs(&self) -> bool {
        matches!(self.state, State::Empty | State::Present)
    }
}

/// How a name stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It occurs with a blank value alone.
    Empty,
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

/// Returns the required names in one of `states`, each once, in the order of the report.
fn required_names(providers: &[ProviderReport], states: &[State]) -> Vec<&'static str> {
    let mut seen = HashSet::new();
    let required = providers.iter().flat_map(|provider| &provider.keys).filter(|key| key.required);
    required.filter(|key| states.contains(&key.state) && seen.insert(key.name)).map(|key| key.name).collect()
}
