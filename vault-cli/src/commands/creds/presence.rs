//! What is there of what providers need: in the environment, and in the vault where that opens. Names alone,
//! never a value; the question itself is the library's.

use std::collections::HashSet;

use serde::Serialize;
use vault_core::creds::{
    self, Choice, KeyReport, Occurrences, Outcome, ProviderReport, Request, State, VaultUse, Wanted,
};
use vault_core::format::index::Index;
use vault_core::name::SecretName;
use vault_core::provider::{Kind, Provider, Registry};

use super::choice::Needs;
use super::in_vault::{self, Asked};
use crate::context::{Context, Place};
use crate::error::CommandError;

/// How to look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Search<'a> {
    pub(super) ctx: &'a Context,
    pub(super) known: &'a Registry,
    pub(super) vault: Vault<'a>,
    /// Whether to skip cloud providers.
    pub(super) air_gap: bool,
}

/// The vault to look in.
#[derive(Debug, Clone, Copy)]
pub(super) enum Vault<'a> {
    /// The one that there is, if it opens without a prompt; opened only if there is something to ask.
    IfItOpens,
    /// None.
    None,
    /// One that is open.
    Open(&'a Index<'a>, &'a Place),
}

/// What is there.
#[derive(Debug, Serialize)]
pub(super) struct Presence {
    /// What became of the question to the vault.
    pub(super) vault: VaultUse,
    pub(super) providers: Vec<ProviderFacts>,
    /// The keys that the repository requires by their names.
    pub(super) keys: Vec<KeyReport>,
    /// Why the vault did not open.
    #[serde(skip)]
    pub(super) locked: Option<CommandError>,
}

/// A provider, what it needs, and what of that is there.
#[derive(Debug, Serialize)]
pub(super) struct ProviderFacts {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) cloud: bool,
    /// Whether the repository requires it.
    pub(super) declared: bool,
    pub(super) outcome: Outcome,
    require: &'static [&'static [&'static str]],
    optional: &'static [&'static str],
    pub(super) keys_url: Option<&'static str>,
    pub(super) docs: Option<&'static str>,
    /// The keys of the complete or closest group, then the optional ones that occur.
    pub(super) keys: Vec<KeyReport>,
    #[serde(skip)]
    pub(super) provider: &'static Provider,
}

impl Search<'_> {
    /// Looks up what `providers` need, and the keys of `needs`.
    pub(super) fn look_up(self, providers: &[&'static Provider], needs: &Needs) -> Presence {
        self.look_up_with(None, providers, &needs.keys, needs)
    }

    /// Looks up what those of `providers` need that are declared, or of which something is there, or to which a
    /// connection refers; the keys of `needs`, and those of connections to no provider that is known.
    pub(super) fn look_up_in_use(self, providers: &[&'static Provider], needs: &Needs) -> Presence {
        let names = Wanted::new(providers, &needs.keys);
        let asked = self.vault.answer(self.ctx, names.names());
        let mut keys = needs.keys.clone();
        keys.extend(asked.of_no_provider(self.known).into_iter().filter(|name| !needs.keys.contains(name)));
        let connected: HashSet<String> = asked.connected().iter().cloned().collect();
        let mut found = self.look_up_with(Some(asked), providers, &keys, needs);
        let connects =
            |facts: &ProviderFacts| facts.provider.all_spellings().any(|name| connected.contains(name));
        found.providers.retain(|facts| facts.declared || facts.occurs() || connects(facts));
        found
    }

    fn look_up_with(
        self,
        asked: Option<Asked>,
        providers: &[&'static Provider],
        keys: &[SecretName],
        needs: &Needs,
    ) -> Presence {
        let Self { ctx, known: registry, vault, air_gap } = self;
        let env = Occurrences::in_environment(ctx.inherited_environment(), &Wanted::new(providers, keys));
        let (env, choice) = (&env, Choice::All);
        let request = Request { providers, choice, keys, registry, air_gap, strict: false, env, files: &[] };
        let mut locked = None;
        let found = creds::check(&request, |names| {
            let Asked { answer, locked: why } = asked.unwrap_or_else(|| vault.answer(ctx, names));
            locked = why;
            answer
        });
        let facts = |report: ProviderReport| {
            let provider = providers.iter().find(|provider| provider.id == report.id)?;
            Some(ProviderFacts::new(provider, report, needs.providers.contains(provider)))
        };
        let providers = found.providers.into_iter().filter_map(facts).collect();
        Presence { vault: found.vault, providers, keys: found.keys, locked }
    }
}

impl Vault<'_> {
    fn answer(self, ctx: &Context, names: &[&str]) -> Asked {
        match self {
            Self::IfItOpens => Asked::quietly(ctx, names),
            Self::None => Ok(in_vault::nothing()).into(),
            Self::Open(index, place) => Ok(in_vault::answer(index, place, names)).into(),
        }
    }
}

impl Presence {
    /// Says on stderr why the vault does not tell.
    pub(super) fn note_locked(&self, ctx: &Context) {
        if let Some(error) = &self.locked {
            ctx.ui.warn(&format!("{}; keys that only the vault could have are unknown", error.message));
        }
    }
}

impl ProviderFacts {
    fn new(provider: &'static Provider, report: ProviderReport, declared: bool) -> Self {
        let Provider { id, name, kind, cloud, require, optional, keys_url, docs, .. } = *provider;
        let ProviderReport { outcome, keys, .. } = report;
        Self { id, name, kind, cloud, declared, outcome, require, optional, keys_url, docs, keys, provider }
    }

    /// Tells whether any of its keys occurs, be it empty.
    pub(super) fn occurs(&self) -> bool {
        self.keys.iter().any(|key| key.source.is_some())
    }

    /// Tells whether something that it needs is not there.
    pub(super) fn is_incomplete(&self) -> bool {
        matches!(self.outcome, Outcome::Missing | Outcome::Unknown)
    }

    /// Returns the names that it needs and that are not there.
    pub(super) fn missing(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().filter(|key| key.required && !is_there(key)).map(|key| key.name.as_str())
    }

    /// Returns the groups of names that would do in the place of the one that was looked up.
    pub(super) fn other_groups(&self) -> impl Iterator<Item = &'static [&'static str]> {
        let taken: Vec<&str> =
            self.keys.iter().filter(|key| key.required).map(|key| key.name.as_str()).collect();
        self.require.iter().copied().filter(move |group| *group != taken)
    }
}

/// Tells whether a key has a value, of whatever shape.
pub(super) const fn is_there(key: &KeyReport) -> bool {
    matches!(key.state, State::Malformed | State::Present)
}
