//! What the commands share that take secrets from a file: what to do with those that the vault has with
//! another value, and what became of each.

use std::collections::BTreeMap;
use std::path::Path;

use clap::ValueEnum;
use serde::Serialize;
use vault_core::connection::Connection;
use vault_core::vault::draft::ChangeError;
use vault_core::vault::merge::{Incoming, OnConflict, Standing};

use crate::error::{CommandError, change_refused};

/// The values of `--on-conflict`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Conflict {
    /// Store nothing at all
    Fail,
    /// Store the value of the file as a new version
    Overwrite,
    /// Keep the value of the vault
    Skip,
}

impl From<Conflict> for OnConflict {
    fn from(conflict: Conflict) -> Self {
        match conflict {
            Conflict::Fail => Self::Fail,
            Conflict::Overwrite => Self::Overwrite,
            Conflict::Skip => Self::Skip,
        }
    }
}

/// What becomes of one secret. Ordered as a summary counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    New,
    Overwritten,
    Unchanged,
    Skipped,
    /// Another value, because of which nothing is stored.
    Conflict,
    /// A name without a value.
    Empty,
}

impl Outcome {
    pub(crate) const fn of(standing: Standing, on_conflict: Conflict) -> Self {
        match (standing, on_conflict) {
            (Standing::New, _) => Self::New,
            (Standing::Unchanged, _) => Self::Unchanged,
            (Standing::Conflict, Conflict::Fail) => Self::Conflict,
            (Standing::Conflict, Conflict::Overwrite) => Self::Overwritten,
            (Standing::Conflict, Conflict::Skip) => Self::Skipped,
        }
    }

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::Empty => "empty",
            Self::New => "new",
            Self::Overwritten => "overwritten",
            Self::Skipped => "skipped",
            Self::Unchanged => "unchanged",
        }
    }

    /// Tells whether the value is written.
    pub(crate) const fn is_written(self) -> bool {
        matches!(self, Self::New | Self::Overwritten)
    }
}

/// Counts outcomes in words: `2 new, 1 unchanged`; nothing where there are none.
pub(crate) fn counted(outcomes: impl Iterator<Item = Outcome>) -> String {
    let mut counts = BTreeMap::new();
    outcomes.for_each(|outcome| *counts.entry(outcome).or_insert(0) += 1);
    let counts: Vec<String> = counts
        .into_iter()
        .map(|(outcome, count): (_, usize)| format!("{count} {}", outcome.word()))
        .collect();
    counts.join(", ")
}

/// Says what the merge of secrets itself would refuse, before anybody is asked.
pub(crate) fn refuse_other_values(
    vault: &Path,
    secrets: &[Incoming],
    outcomes: impl Iterator<Item = Outcome>,
) -> Result<(), CommandError> {
    let names: Vec<_> = conflicting(secrets, outcomes).map(|secret| secret.name.clone()).collect();
    if names.is_empty() { Ok(()) } else { Err(change_refused(vault, &ChangeError::OtherValues(names))) }
}

/// Says what the merge of connections itself would refuse, before anybody is asked.
pub(crate) fn refuse_other_connections(
    vault: &Path,
    connections: &[Connection],
    outcomes: impl Iterator<Item = Outcome>,
) -> Result<(), CommandError> {
    let ids: Vec<_> = conflicting(connections, outcomes).map(|found| found.id.clone()).collect();
    if ids.is_empty() { Ok(()) } else { Err(change_refused(vault, &ChangeError::OtherConnections(ids))) }
}

fn conflicting<T>(incoming: &[T], outcomes: impl Iterator<Item = Outcome>) -> impl Iterator<Item = &T> {
    let each = incoming.iter().zip(outcomes);
    each.filter(|(_, outcome)| *outcome == Outcome::Conflict).map(|(found, _)| found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_counted_in_one_order() {
        let some = [Outcome::Empty, Outcome::Unchanged, Outcome::New, Outcome::New];
        assert_eq!(counted(some.into_iter()), "2 new, 1 unchanged, 1 empty");
        assert_eq!(counted([].into_iter()), "");
    }
}
