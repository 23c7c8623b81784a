//! `creds set`: asks on a terminal for the keys that a provider needs, and stores them as `put` does.

use clap::Args;
use serde::Serialize;
use vault_core::name::SecretName;
use vault_core::provider::Provider;
use vault_core::secret::SecretBytes;
use vault_core::store::Previous;
use vault_core::vault::draft::{ChangeError, Draft};

use super::choice::{Needs, choose};
use super::guide::missing;
use super::presence::{Presence, ProviderFacts, Search, Vault};
use super::{find, provider_ids};
use crate::commands::put::PutReport;
use crate::context::{Context, Place};
use crate::error::CommandError;
use crate::report::Report;
use crate::ui::Ui;
use crate::vault_access::{Opened, VaultAccess, claim};

/// Ask on the terminal for the keys that a provider needs, and store them
///
/// Without a provider, one can be picked. Each key is asked for with a hidden prompt; Enter skips it. They are
/// stored together at the end, as `put` does: whoever ends this before has stored none.
#[derive(Debug, Args)]
pub(crate) struct SetArguments {
    /// The provider; `keyward creds list --all` shows them
    #[arg(value_name = "PROVIDER", add = provider_ids())]
    provider: Option<String>,
}

/// What was stored.
#[derive(Debug, Serialize)]
pub(crate) struct SetReport {
    provider: &'static str,
    stored: Vec<PutReport>,
    /// The keys that were asked for and skipped.
    skipped: Vec<&'static str>,
}

impl Report for SetReport {
    fn summary(&self) -> Option<String> {
        let mut lines: Vec<String> = self.stored.iter().filter_map(Report::summary).collect();
        let next = match (&self.stored[..], &self.skipped[..]) {
            ([], []) => format!(
                "{} needs nothing that is not there; `keyward put NAME` stores another value",
                self.provider
            ),
            (_, []) => format!("`keyward creds check --provider {}` checks what is there", self.provider),
            (_, skipped) => format!(
                "not stored: {}; `keyward creds set {}` asks again",
                skipped.join(", "),
                self.provider
            ),
        };
        lines.push(next);
        Some(lines.join("\n"))
    }
}

/// What the person typed.
type Values = Vec<(SecretName, SecretBytes)>;

/// Opens the vault first, to ask only for what it does not have; stores all keys in one change at the end.
pub(crate) fn run(ctx: &Context, args: &SetArguments) -> Result<SetReport, CommandError> {
    let known = ctx.registry()?;
    let named = args.provider.as_deref().map(|id| find(&known, id)).transpose()?;
    let needs = Needs::read(ctx, &known)?;
    // To store a key takes no network, so that an air gap leaves no provider out.
    let search = Search { ctx, known: &known, vault: Vault::IfItOpens, air_gap: false };
    if !ctx.ui.may_prompt() {
        return Err(nobody_to_ask(search, named, &needs));
    }
    let place = ctx.place()?;
    let access = VaultAccess::new(ctx)?;
    let opened = access.open()?;
    let (provider, keys) = match &opened {
        None => choose_keys(Search { vault: Vault::None, ..search }, named, &needs)?,
        Some(opened) => {
            let index = access.index(opened)?;
            access.check_claim(&place, &index)?;
            choose_keys(Search { vault: Vault::Open(&index, &place), ..search }, named, &needs)?
        }
    };
    let values = ask(ctx.ui, provider, &keys)?;
    let given = |name: &&str| values.iter().any(|(given, _)| given.as_str() == *name);
    let skipped = keys.into_iter().filter(|name| !given(name)).collect();
    let stored = if values.is_empty() { Vec::new() } else { store(&access, opened, &place, &values)? };
    Ok(SetReport { provider: provider.id, stored, skipped })
}

/// Makes the error of a flow without a person, with the commands that do the same.
fn nobody_to_ask(search: Search<'_>, named: Option<&'static Provider>, needs: &Needs) -> CommandError {
    let named: Vec<_> = named.into_iter().collect();
    let (_, found) = choose(search, &named, needs);
    let commands: Vec<String> = missing(&found).iter().map(|name| format!("`keyward put {name}`")).collect();
    let nobody = CommandError::usage("`creds set` asks on a terminal, and there is nobody to ask");
    if commands.is_empty() {
        return nobody.hint("no key is known to be missing; `keyward put NAME` stores one from stdin");
    }
    nobody.hint(format!("each of these takes a value from stdin: {}", commands.join(", ")))
}

/// Returns the provider and the names to ask for.
fn choose_keys(
    search: Search<'_>,
    named: Option<&'static Provider>,
    needs: &Needs,
) -> Result<(&'static Provider, Vec<&'static str>), CommandError> {
    let provider = named.map_or_else(|| pick(search, needs), Ok)?;
    Ok((provider, keys_to_ask(search, provider)?))
}

/// Lets the person pick a provider: what is required or begun by its number, any other by its id.
fn pick(search: Search<'_>, needs: &Needs) -> Result<&'static Provider, CommandError> {
    let Search { ctx, known, .. } = search;
    let (_, Presence { mut providers, .. }) = choose(search, &[], needs);
    providers.sort_by_key(|provider| !provider.is_incomplete());
    if providers.is_empty() {
        let ids: Vec<&str> = known.iter().map(|provider| provider.id).collect();
        ctx.ui.note(&format!("known providers: {}", ids.join(", ")));
    }
    let state = |provider: &ProviderFacts| {
        let missing: Vec<&str> = provider.missing().collect();
        if missing.is_empty() { "complete".to_owned() } else { format!("lacks {}", missing.join(", ")) }
    };
    for (position, provider) in providers.iter().enumerate() {
        ctx.ui.note(&format!("{:>3}  {}: {}", position + 1, provider.id, state(provider)));
    }
    loop {
        let answer = answer(ctx.ui, "Provider (number or id): ")?;
        if let Some(picked) = numbered(&providers, &answer) {
            return Ok(picked.provider);
        }
        match find(known, &answer) {
            Ok(provider) => return Ok(provider),
            Err(error) => ctx.ui.warn(&said_again(&error)),
        }
    }
}

/// Puts what is wrong with an answer in one line.
fn said_again(error: &CommandError) -> String {
    match &error.hint {
        Some(hint) => format!("{}; {hint}", error.message),
        None => error.message.clone(),
    }
}

/// Asks for a line; without one there is nothing to go on with.
fn answer(ui: Ui, prompt: &str) -> Result<String, CommandError> {
    match ui.ask_line(prompt)? {
        None => Err(CommandError::interrupted()),
        Some(answer) if answer.is_empty() => {
            Err(CommandError::usage("nothing was chosen; nothing was stored")
                .hint("`keyward creds set PROVIDER` chooses beforehand"))
        }
        Some(answer) => Ok(answer),
    }
}

/// Returns the one of `items` whose number, from 1, was typed.
fn numbered<'i, T>(items: &'i [T], answer: &str) -> Option<&'i T> {
    items.get(answer.parse::<usize>().ok()?.checked_sub(1)?)
}

/// Returns the names to ask for: those of one group that are not there; of a provider that needs none, what it
/// can do without.
fn keys_to_ask(search: Search<'_>, provider: &'static Provider) -> Result<Vec<&'static str>, CommandError> {
    let found = search.look_up(&[provider], &Needs::default());
    let Some(facts) = found.providers.first() else { return Ok(Vec::new()) };
    let missing: Vec<&str> = facts.missing().collect();
    if provider.require.is_empty() {
        let is_there = |name: &&str| facts.keys.iter().any(|key| key.name == *name);
        return Ok(provider.optional.iter().copied().filter(|name| !is_there(name)).collect());
    }
    let is_begun = facts.keys.iter().any(|key| key.required && key.source.is_some());
    if provider.require.len() > 1 && !is_begun {
        return pick_group(search.ctx.ui, provider);
    }
    Ok(missing.into_iter().filter_map(|name| provider.required().find(|known| *known == name)).collect())
}

/// Lets the person pick one of several groups of keys.
fn pick_group(ui: Ui, provider: &'static Provider) -> Result<Vec<&'static str>, CommandError> {
    ui.note(&format!("{} takes one of these:", provider.name));
    for (position, group) in provider.require.iter().enumerate() {
        ui.note(&format!("{:>3}  {}", position + 1, group.join(", ")));
    }
    loop {
        let answer = answer(ui, "Which one (number): ")?;
        match numbered(provider.require, &answer) {
            Some(group) => return Ok(group.to_vec()),
            None => ui.warn("that is none of the numbers"),
        }
    }
}

/// Asks for each key with a hidden prompt.
fn ask(ui: Ui, provider: &'static Provider, keys: &[&'static str]) -> Result<Values, CommandError> {
    if !keys.is_empty() {
        provider
            .keys_url
            .iter()
            .for_each(|address| ui.note(&format!("get a key of {} at {address}", provider.name)));
        provider.docs.iter().for_each(|address| ui.note(&format!("read about it at {address}")));
    }
    let mut values = Vec::new();
    for key in keys {
        let Some(value) = ask_one(ui, provider, key)? else { continue };
        let name = SecretName::parse(key).map_err(|error| {
            CommandError::usage(format!("provider {} has a key without a valid name", provider.id))
                .caused_by(&error)
        })?;
        values.push((name, value));
    }
    Ok(values)
}

/// Asks until the value has the shape of the key, or the person wants it as it is; `None` if it is skipped.
fn ask_one(ui: Ui, provider: &Provider, name: &'static str) -> Result<Option<SecretBytes>, CommandError> {
    loop {
        let value = ui.ask_secret(&format!("Value of {name} (Enter skips): "))?;
        let text = value.expose_secret();
        if text.trim().is_empty() {
            return Ok(None);
        }
        let is_malformed = provider.key(name).and_then(|key| key.matches(text)) == Some(false);
        if is_malformed {
            ui.warn(&format!("this does not have the shape that {name} is known to have"));
        }
        if !is_malformed || ui.ask_no("Store it anyway?")? {
            return Ok(Some(SecretBytes::new(text.as_bytes().to_vec())));
        }
    }
}

/// Stores all values in one change.
fn store(
    access: &VaultAccess<'_>,
    opened: Option<Opened>,
    place: &Place,
    values: &Values,
) -> Result<Vec<PutReport>, CommandError> {
    let (scope, now) = (place.scope(), access.ctx.now);
    let put_all = |draft: &mut Draft<'_>| {
        claim(draft, place)?;
        let put = |(name, value): &(SecretName, SecretBytes)| draft.put(&scope, name, value, now);
        values.iter().map(put).collect::<Result<Vec<_>, ChangeError>>()
    };
    let stored = match opened {
        Some(opened) => access.change(opened, Previous::Keep, put_all)?.outcome,
        None => access.change_or_create(put_all)?,
    };
    let names = values.iter().map(|(name, _)| name);
    Ok(names.zip(stored).map(|(name, stored)| PutReport::new(name, &scope, stored)).collect())
}
