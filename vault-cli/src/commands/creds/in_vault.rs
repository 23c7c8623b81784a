//! The question to the vault which of some names it has, and which its connections refer to. Nobody is asked for
//! a key, and no value is opened.

use std::collections::{BTreeSet, HashSet};

use vault_core::connection::{Auth, Connection};
use vault_core::creds::VaultAnswer;
use vault_core::format::index::Index;
use vault_core::name::SecretName;
use vault_core::provider::{Provider, Registry};

use crate::context::{Context, Place};
use crate::error::CommandError;
use crate::vault_access::VaultAccess;

/// What came of the question.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) answer: VaultAnswer,
    /// Why the vault did not open.
    pub(super) locked: Option<CommandError>,
}

impl Asked {
    /// Asks the vault, if it opens without a prompt.
    pub(super) fn quietly(ctx: &Context, names: &[&str]) -> Self {
        ask(ctx, names).into()
    }

    /// Returns the names to which connections refer.
    pub(super) fn connected(&self) -> &[String] {
        match &self.answer {
            VaultAnswer::Answered { connected, .. } => connected,
            VaultAnswer::NotAsked | VaultAnswer::Unavailable => &[],
        }
    }

    /// Returns the names to which connections refer and which no provider has, each once.
    pub(super) fn of_no_provider(&self, registry: &Registry) -> Vec<SecretName> {
        let known: HashSet<&str> = registry.iter().flat_map(Provider::all_spellings).collect();
        let other: BTreeSet<&String> =
            self.connected().iter().filter(|name| !known.contains(name.as_str())).collect();
        other.into_iter().filter_map(|name| SecretName::parse(name).ok()).collect()
    }
}

impl From<Result<VaultAnswer, CommandError>> for Asked {
    fn from(asked: Result<VaultAnswer, CommandError>) -> Self {
        match asked {
            Ok(answer) => Self { answer, locked: None },
            Err(error) => Self { answer: VaultAnswer::Unavailable, locked: Some(error) },
        }
    }
}

/// Asks the vault, if it opens without a prompt, for these names and for those to which its connections refer.
///
/// # Errors
///
/// A vault that does not open.
fn ask(ctx: &Context, names: &[&str]) -> Result<VaultAnswer, CommandError> {
    let place = ctx.place()?;
    let access = VaultAccess::new(ctx)?;
    let Some(opened) = access.open_quietly()? else { return Ok(nothing()) };
    let index = access.index(&opened)?;
    let connected = connected(access.connections(&index)?, &place);
    let names = names.iter().copied().chain(connected.iter().map(String::as_str));
    Ok(VaultAnswer::Answered { found: found(&index, &place, names), connected })
}

/// Answers from an open index, for providers that somebody named: connections do not matter to these.
pub(super) fn answer(index: &Index<'_>, place: &Place, names: &[&str]) -> VaultAnswer {
    VaultAnswer::Answered { found: found(index, place, names.iter().copied()), connected: Vec::new() }
}

/// The answer where there is no vault.
pub(super) const fn nothing() -> VaultAnswer {
    VaultAnswer::Answered { found: Vec::new(), connected: Vec::new() }
}

/// Returns those of the names that have a secret in the place.
fn found<'n>(index: &Index<'_>, place: &Place, names: impl Iterator<Item = &'n str>) -> Vec<String> {
    let scopes = place.scopes();
    let has = |name: &str| {
        let name = SecretName::parse(name).ok();
        name.is_some_and(|name| scopes.iter().any(|scope| index.has_secret(scope, &name)))
    };
    names.filter(|name| has(name)).map(str::to_owned).collect()
}

/// Returns the names to which the connections of the place refer, be there a secret or not.
fn connected(connections: Vec<Connection>, place: &Place) -> Vec<String> {
    let scopes = place.scopes();
    let seen = connections.into_iter().filter(|connection| scopes.contains(&connection.scope));
    seen.filter_map(|connection| match connection.auth {
        Auth::None => None,
        Auth::Secret { name, .. } => Some(name.to_string()),
    })
    .collect()
}
