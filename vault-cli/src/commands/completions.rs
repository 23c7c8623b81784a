//! `completions`: a script that lets a shell ask keyward itself what may come next. Names of secrets and
//! ids of connections are completed when the vault opens without anybody being asked.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::{Bash, CompleteEnv, EnvCompleter, Fish, Zsh};
use serde::Serialize;
use vault_core::format::index::Index;
use vault_core::name::Scope;
use vault_core::provider;

use crate::arguments::Globals;
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::report::Report;
use crate::sources::Sources;
use crate::vault_access::VaultAccess;

/// The variable by which the script asks.
const VARIABLE: &str = "KEYWARD_COMPLETE";

/// Print the completion script of a shell
///
/// bash: `source <(keyward completions bash)` in ~/.bashrc; zsh: `source <(keyward completions zsh)` in
/// ~/.zshrc; fish: `keyward completions fish > ~/.config/fish/completions/keyward.fish`
#[derive(Debug, Args)]
pub(crate) struct CompletionsArguments {
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Fish,
    Zsh,
}

/// The script.
#[derive(Debug, Serialize)]
pub(crate) struct CompletionsReport {
    script: String,
}

impl Report for CompletionsReport {
    fn write_data(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        out.write_all(self.script.as_bytes())
    }
}

/// Renders the script.
pub(crate) fn run(args: &CompletionsArguments) -> Result<CompletionsReport, CommandError> {
    let completer: &dyn EnvCompleter = match args.shell {
        Shell::Bash => &Bash,
        Shell::Fish => &Fish,
        Shell::Zsh => &Zsh,
    };
    let mut script = Vec::new();
    completer
        .write_registration(VARIABLE, "keyward", "keyward", "keyward", &mut script)
        .map_err(|error| CommandError::new(Kind::Failed, "cannot make the script").caused_by(&error))?;
    Ok(CompletionsReport { script: String::from_utf8_lossy(&script).into_owned() })
}

/// Answers a shell's question and ends the process, if that is what keyward was started for.
pub(crate) fn complete(definition: fn() -> clap::Command) {
    CompleteEnv::with_factory(definition).var(VARIABLE).complete();
}

/// Completes the names of secrets.
pub(crate) fn secret_names() -> ArgValueCandidates {
    ArgValueCandidates::new(|| candidates(names).unwrap_or_default())
}

/// Completes the ids of connections.
pub(crate) fn connection_ids() -> ArgValueCandidates {
    ArgValueCandidates::new(|| candidates(ids).unwrap_or_default())
}

/// Completes the kinds of connections.
pub(crate) fn kinds() -> ArgValueCandidates {
    ArgValueCandidates::new(|| provider::Kind::ALL.map(|kind| CompletionCandidate::new(kind.as_str())).into())
}

/// Opens the vault if that takes nobody's attention, and picks from its index.
fn candidates(pick: fn(&Index<'_>, &[Scope]) -> Vec<String>) -> Option<Vec<CompletionCandidate>> {
    let globals = Globals { quiet: true, no_input: true, ..Globals::default() };
    let ctx = Context::new(globals, Err(io::ErrorKind::Unsupported.into()));
    let access = VaultAccess { ctx: &ctx, store: ctx.store().ok()? };
    let locked = access.open_locked().ok()??;
    let mut sources = Sources::new(&ctx).ok()?.without_prompts();
    // Not `access.open_quietly()`: its warnings would land in the line that a person is typing.
    let unlocked = locked.unlock(&mut sources.in_order()).ok()?;
    let index = unlocked.vault.index().ok()?;
    let place = ctx.place().ok()?;
    Some(pick(&index, &place.scopes()).into_iter().map(CompletionCandidate::new).collect())
}

fn names(index: &Index<'_>, scopes: &[Scope]) -> Vec<String> {
    let scopes: Vec<u32> = scopes.iter().filter_map(|scope| index.scope_position(scope)).collect();
    let current = index.current().map(|(_, value)| value);
    current.filter(|value| scopes.contains(&value.scope)).map(|value| value.name.to_string()).collect()
}

fn ids(index: &Index<'_>, scopes: &[Scope]) -> Vec<String> {
    let connections = index.connections().unwrap_or_default();
    let seen = connections.iter().filter(|connection| scopes.contains(&connection.scope));
    seen.map(|connection| connection.id.to_string()).collect()
}
