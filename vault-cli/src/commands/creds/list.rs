//! `creds list`: the providers, what they need, and what of that is there. Never a prompt, never a value.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;
use vault_core::creds::Outcome;
use vault_core::provider::Kind;

use super::choice::Needs;
use super::presence::{Presence, ProviderFacts, Search, Vault};
use super::words::standing;
use super::{find, kinds, provider_ids};
use crate::context::Context;
use crate::error::CommandError;
use crate::report::{Report, counted};

/// List providers: their kind, the keys that they need, and which of these are there
///
/// Without options: those that `.keyward.toml` requires, and those of which a key is in the environment or in
/// the vault, or to which a connection refers. A vault that does not open without a prompt stays closed, and what only it could tell is unknown.
#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// List the providers of this kind
    #[arg(long, value_name = "KIND", value_parser = kinds())]
    kind: Option<Kind>,
    /// List this provider; may be given more than once
    #[arg(long, value_name = "PROVIDER", value_delimiter = ',', add = provider_ids())]
    provider: Vec<String>,
    /// List every provider that keyward knows
    #[arg(long)]
    all: bool,
}

impl ListArguments {
    /// Tells whether the whole registry is to be listed, or the part of it that the filters leave.
    const fn is_of_registry(&self) -> bool {
        self.all || self.kind.is_some() || !self.provider.is_empty()
    }
}

/// What there is.
#[derive(Debug, Serialize)]
pub(crate) struct ListReport {
    #[serde(flatten)]
    presence: Presence,
    /// How many providers keyward knows, if not all of them are to be listed.
    #[serde(skip)]
    of: Option<usize>,
}

impl Report for ListReport {
    fn write_data(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        let Presence { providers, keys, .. } = &self.presence;
        if providers.is_empty() && keys.is_empty() {
            return Ok(());
        }
        let mut table = tabwriter::TabWriter::new(out).padding(2);
        writeln!(table, "PROVIDER\tKIND\tWHERE\tKEY\tSTATE\tSOURCE")?;
        providers.iter().try_for_each(|provider| write_provider(&mut table, provider))?;
        for key in keys {
            writeln!(table, "-\t-\t-\t{}\t{}", key.name, standing(key))?;
        }
        table.flush()
    }

    fn summary(&self) -> Option<String> {
        let known = self.of?;
        let listed = self.presence.providers.len();
        Some(if listed == 0 {
            format!(
                "no key of a provider is there, and no `.keyward.toml` requires one\n\
                 `keyward creds list --all` shows all {known}, `keyward creds require PROVIDER` declares one"
            )
        } else {
            let listed = counted(listed, "provider");
            format!("{listed} of {known}; `keyward creds list --all` shows every one")
        })
    }
}

/// Writes the keys of a provider in a line each, with the provider on the first.
fn write_provider(out: &mut dyn Write, provider: &ProviderFacts) -> io::Result<()> {
    let place = if provider.cloud { "cloud" } else { "local" };
    let mut head = format!("{}\t{}\t{place}", provider.id, provider.kind);
    let mut line = |key: &str, state: &str| {
        let head = std::mem::replace(&mut head, "\t\t".to_owned());
        writeln!(out, "{head}\t{key}\t{state}")
    };
    if !provider.keys.iter().any(|key| key.required) {
        line("-", "needs nothing\t-")?;
    }
    provider.keys.iter().try_for_each(|key| line(&key.name, &standing(key)))?;
    if provider.outcome != Outcome::Satisfied {
        for group in provider.other_groups() {
            let heads = std::iter::once("or ").chain(std::iter::repeat("   "));
            heads.zip(group).try_for_each(|(head, name)| line(&format!("{head}{name}"), "-\t-"))?;
        }
    }
    Ok(())
}

/// Lists; where a provider's keys are is looked up for all of them at once.
pub(crate) fn run(ctx: &Context, args: &ListArguments) -> Result<ListReport, CommandError> {
    let known = ctx.registry()?;
    let named = args.provider.iter().map(|id| find(&known, id)).collect::<Result<Vec<_>, _>>()?;
    let mut needs = Needs::read(ctx, &known)?;
    let mut providers: Vec<_> = known.iter().collect();
    providers.retain(|provider| args.kind.is_none_or(|kind| kind == provider.kind));
    providers.retain(|provider| named.is_empty() || named.contains(provider));
    let air_gap = ctx.is_air_gapped()?;
    providers.retain(|provider| !(air_gap && provider.cloud));
    if args.is_of_registry() {
        needs.keys.clear();
    }
    let search = Search { ctx, known: &known, vault: Vault::IfItOpens, air_gap };
    let presence = if args.is_of_registry() {
        search.look_up(&providers, &needs)
    } else {
        search.look_up_in_use(&providers, &needs)
    };
    presence.note_locked(ctx);
    Ok(ListReport { presence, of: (!args.is_of_registry()).then_some(known.iter().len()) })
}
