//! Where the credential check looks names up: environment, files, vault, in this order.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;

use super::report::{Source, State, VaultUse};
use crate::dotenv::{self, DotenvError};
use crate::name::SecretName;
use crate::provider::Provider;
use crate::secret::SecretString;

/// The names that a check looks up in the environment and in files, sorted, each once.
#[derive(Debug)]
pub struct Wanted<'a>(Vec<&'a str>);

impl<'a> Wanted<'a> {
    /// Returns every spelling of every name of the providers, and the names that are required by themselves.
    #[must_use]
    pub fn new(providers: &[&'static Provider], keys: &'a [SecretName]) -> Self {
        let spellings = providers.iter().flat_map(|provider| provider.all_spellings());
        let spellings = spellings.map(|spelling| -> &'a str { spelling });
        spellings.chain(keys.iter().map(SecretName::as_str)).collect()
    }

    /// Returns the names, for a vault that is asked for all of them.
    #[must_use]
    pub fn names(&self) -> &[&'a str] {
        &self.0
    }

    /// Returns the names.
    pub(super) fn into_names(self) -> Vec<&'a str> {
        self.0
    }

    fn has(&self, name: &str) -> bool {
        self.0.binary_search(&name).is_ok()
    }
}

impl<'a> FromIterator<&'a str> for Wanted<'a> {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Self {
        let mut names: Vec<_> = names.into_iter().collect();
        names.sort_unstable();
        names.dedup();
        Self(names)
    }
}

/// The names that occur in the environment or in a file and are looked up, with their values. Sorted by
/// name, each once.
#[derive(Default)]
pub struct Occurrences(Vec<(String, Value)>);

impl Occurrences {
    /// Takes the names that are wanted out of an environment. A value that is not UTF-8 is not blank. Of a
    /// name given twice, the first value counts, as for getenv(3).
    #[must_use]
    pub fn in_environment(
        variables: impl IntoIterator<Item = (OsString, OsString)>,
        wanted: &Wanted<'_>,
    ) -> Self {
        let named = variables.into_iter().filter_map(|(name, value)| {
            let name = name.into_string().ok().filter(|name| wanted.has(name))?;
            Some((name, value.into_string().map_or(Value::NotText, Value::of)))
        });
        let mut named: Vec<_> = named.collect();
        named.sort_by(|(one, _), (next, _)| one.cmp(next));
        named.dedup_by(|(later, _), (first, _)| later == first);
        Self(named)
    }

    /// Takes the names that are wanted out of the text of a `.env` file, of which `file` is the name for messages.
    ///
    /// # Errors
    ///
    /// [`DotenvError`], as of [`dotenv::parse`].
    pub fn in_file(file: &Path, text: &[u8], wanted: &Wanted<'_>) -> Result<Self, DotenvError> {
        let named = dotenv::parse_only(file, text, |name| wanted.has(name))?.into_iter();
        Ok(Self(named.map(|(name, value)| (name, Value::from(value))).collect()))
    }

    fn get(&self, name: &str) -> Option<&Value> {
        let position = self.0.binary_search_by(|(found, _)| found.as_str().cmp(name)).ok()?;
        Some(&self.0[position].1)
    }
}

impl fmt::Debug for Occurrences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Occurrences({} names)", self.0.len())
    }
}

/// What is kept of a value.
enum Value {
    Blank,
    Given(SecretString),
    NotText,
}

impl Value {
    fn of(text: String) -> Self {
        Self::from(SecretString::new(text))
    }
}

impl From<SecretString> for Value {
    fn from(text: SecretString) -> Self {
        if text.expose_secret().trim().is_empty() { Self::Blank } else { Self::Given(text) }
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
    /// It was opened, or is absent and has nothing.
    Answered {
        /// Those of the names that have a secret; more of them do no harm.
        found: Vec<String>,
        /// The names of the secrets that connections refer to.
        connected: Vec<String>,
    },
    /// The caller does not look there.
    NotAsked,
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
    Answered { found: HashSet<String>, connected: HashSet<String> },
    NotAsked,
    Unavailable,
}

impl Vault {
    pub(super) const fn used(&self) -> VaultUse {
        match self {
            Self::Answered { .. } => VaultUse::Answered,
            Self::NotAsked => VaultUse::NotAsked,
            Self::Unavailable => VaultUse::Unavailable,
        }
    }

    /// Tells whether a connection refers to the secret `name`.
    pub(super) fn connects(&self, name: &str) -> bool {
        matches!(self, Self::Answered { connected, .. } if connected.contains(name))
    }

    fn has(&self, name: &str) -> bool {
        matches!(self, Self::Answered { found, .. } if found.contains(name))
    }
}

impl From<VaultAnswer> for Vault {
    fn from(answer: VaultAnswer) -> Self {
        match answer {
            VaultAnswer::Answered { found, connected } => Self::Answered {
                found: found.into_iter().collect(),
                connected: connected.into_iter().collect(),
            },
            VaultAnswer::NotAsked => Self::NotAsked,
            VaultAnswer::Unavailable => Self::Unavailable,
        }
    }
}

/// How a name stands, and where.
pub(super) struct Finding<'a, 'n> {
    pub(super) state: State,
    pub(super) source: Option<Source>,
    /// The spelling under which it occurs.
    pub(super) spelling: Option<&'n str>,
    /// The value that makes it present, where that is at hand.
    value: Option<&'a Value>,
}

impl Finding<'_, '_> {
    const fn nowhere(state: State) -> Self {
        Self { state, source: None, spelling: None, value: None }
    }

    /// Tells whether the name has a value.
    pub(super) fn is_present(&self) -> bool {
        self.state == State::Present
    }

    /// Tells whether the name occurs in any source, be it empty.
    pub(super) const fn occurs(&self) -> bool {
        self.source.is_some()
    }

    /// Asks whether the value has the right shape. One that is not text has none.
    pub(super) fn judged(mut self, fits: impl FnOnce(&str) -> bool) -> Self {
        let is_malformed = match self.value {
            Some(Value::Given(text)) => !fits(text.expose_secret()),
            Some(Value::NotText) => !fits(NO_TEXT),
            _ => false,
        };
        if is_malformed {
            self.state = State::Malformed;
        }
        self
    }
}

/// What stands for a value that is not UTF-8 where its shape is asked: no shape takes it.
const NO_TEXT: &str = "\u{fffd}";

impl<'a> Sources<'a> {
    /// Looks for a name under its spellings.
    pub(super) fn find<'n>(&self, spellings: impl Iterator<Item = &'n str> + Clone) -> Finding<'a, 'n> {
        if let Some(present) = self.outside(spellings.clone(), |value| !matches!(value, Value::Blank)) {
            return Finding { state: State::Present, ..present };
        }
        if let Some(spelling) = spellings.clone().find(|spelling| self.vault.has(spelling)) {
            let (source, spelling) = (Some(Source::Vault), Some(spelling));
            return Finding { state: State::Present, source, spelling, value: None };
        }
        let blank = self.outside(spellings, |value| matches!(value, Value::Blank));
        blank.unwrap_or_else(|| match self.vault {
            Vault::Unavailable => Finding::nowhere(State::Unknown),
            _ => Finding::nowhere(State::Missing),
        })
    }

    /// Finds the first value of the name in the environment and the files that is as `wanted`.
    fn outside<'n>(
        &self,
        spellings: impl Iterator<Item = &'n str> + Clone,
        wanted: impl Fn(&Value) -> bool,
    ) -> Option<Finding<'a, 'n>> {
        let find_in = |names: &'a Occurrences| {
            spellings
                .clone()
                .find_map(|spelling| Some((spelling, names.get(spelling).filter(|v| wanted(v))?)))
        };
        let in_env = find_in(self.env).map(|found| (Source::Env, found));
        let found = in_env.or_else(|| {
            let in_file = |file: &'a FileNames| {
                Some((Source::File { label: file.label.clone() }, find_in(&file.names)?))
            };
            self.files.iter().rev().find_map(in_file)
        });
        let (source, (spelling, value)) = found?;
        Some(Finding {
            state: State::Empty,
            source: Some(source),
            spelling: Some(spelling),
            value: Some(value),
        })
    }
}
