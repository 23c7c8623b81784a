//! `creds guide`: how to get, store and check the credentials, as Markdown. It is made of the registry and of what
//! is there, so that it never goes stale.

mod markdown;

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;
use vault_core::creds::Outcome;
use vault_core::provider::Provider;

use super::choice::{Chosen, Needs, choose};
use super::presence::{Presence, ProviderFacts, Search, Vault, is_there};
use super::{find, provider_ids};
use crate::context::Context;
use crate::error::CommandError;
use crate::report::Report;

/// Print how to get, store and check the credentials, as Markdown
///
/// About the providers that are named, else those that `.keyward.toml` requires, else those of which a key is
/// there or to which a connection refers. What is there already is marked as done.
#[derive(Debug, Args)]
pub(crate) struct GuideArguments {
    /// A provider to be guided through; `keyward creds list --all` shows them
    #[arg(value_name = "PROVIDER", add = provider_ids())]
    provider: Vec<String>,
}

/// What the guide is about.
#[derive(Debug, Serialize)]
pub(crate) struct GuideReport {
    chosen: Chosen,
    /// The file that declares what is required.
    declared_in: Option<String>,
    #[serde(flatten)]
    presence: Presence,
    /// The commands that store what is missing.
    store: Vec<String>,
    /// The command that checks it, in CI too.
    check: String,
    /// Every provider by kind, where the guide is about none of them.
    #[serde(skip)]
    known: Vec<&'static Provider>,
}

impl Report for GuideReport {
    fn write_data(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        markdown::write(out, self)
    }
}

impl GuideReport {
    /// Tells whether there are keys of which nothing but the vault's connections says that they are needed.
    fn knows_keys_by_connections_alone(&self) -> bool {
        self.chosen == Chosen::Detected && !self.presence.keys.is_empty()
    }
}

/// Takes the facts together; the text is made of them alone.
pub(crate) fn run(ctx: &Context, args: &GuideArguments) -> Result<GuideReport, CommandError> {
    let known = ctx.registry()?;
    let named = args.provider.iter().map(|id| find(&known, id)).collect::<Result<Vec<_>, _>>()?;
    let needs = Needs::read(ctx, &known)?;
    let search = Search { ctx, known: &known, vault: Vault::IfItOpens, air_gap: ctx.is_air_gapped()? };
    let (chosen, presence) = choose(search, &named, &needs);
    presence.note_locked(ctx);
    let mut known: Vec<_> = known.iter().collect();
    // A stable sort: within a kind the order of the registry stays, which has the widely used ones first.
    known.sort_by_key(|provider| provider.kind);
    let store = missing(&presence).iter().map(|name| format!("keyward put {name}")).collect();
    let check = check_command(chosen, &presence);
    Ok(GuideReport { chosen, declared_in: needs.file, presence, store, check, known })
}

/// Returns the names that are needed and not there, each once.
pub(super) fn missing(presence: &Presence) -> Vec<&str> {
    let named = presence.keys.iter().filter(|key| !is_there(key)).map(|key| key.name.as_str());
    each_once(presence.providers.iter().flat_map(ProviderFacts::missing).chain(named))
}

/// Two providers may need the same key.
fn each_once<'p>(names: impl Iterator<Item = &'p str>) -> Vec<&'p str> {
    let mut once = Vec::new();
    for name in names {
        if !once.contains(&name) {
            once.push(name);
        }
    }
    once
}

/// The command that asks for exactly these providers: what is declared it finds by itself.
fn check_command(chosen: Chosen, presence: &Presence) -> String {
    let ids: Vec<&str> = presence.providers.iter().map(|provider| provider.id).collect();
    let is_skipped = |provider: &ProviderFacts| provider.outcome == Outcome::Skipped;
    let air_gap = if presence.providers.iter().any(is_skipped) { " --air-gap" } else { "" };
    match chosen {
        // Only the vault's connections say that these keys are needed.
        Chosen::Detected if !presence.keys.is_empty() => format!("keyward creds check{air_gap}"),
        Chosen::Declared | Chosen::Nothing => format!("keyward creds check{air_gap}"),
        Chosen::Detected | Chosen::Named => {
            format!("keyward creds check{air_gap} --provider {}", ids.join(","))
        }
    }
}
