//! `creds check`: is every credential that the providers need there? Never a prompt, never a value.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Serialize;
use vault_core::creds::{
    self, Choice, FileNames, Occurrences, Outcome, Request, Source, State, VaultAnswer, VaultUse, Wanted,
};
use vault_core::dotenv;
use vault_core::name::SecretName;
use vault_core::provider::{Provider, Registry};

use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::report::Report;
use crate::vault_access::VaultAccess;

/// How long a pipe given as a secrets file may take.
const FILE_DEADLINE: Duration = Duration::from_secs(10);

/// Tell whether every required key is there: exit code 0, or 7 if one is missing or empty
///
/// Looks into the environment, the secrets files and the vault, in this order; the vault is opened only
/// for names that are nowhere else, and nobody is ever asked. Without `--provider`, every provider counts
/// of which at least one name occurs; if none does, all known ones do.
#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// Look into this `.env` file too; may be given more than once
    #[arg(long, value_name = "FILE")]
    secrets_file: Vec<PathBuf>,
    /// Check this provider; may be given more than once
    #[arg(long, value_name = "PROVIDER", value_delimiter = ',')]
    provider: Vec<String>,
    /// Look here only
    #[arg(long, value_name = "SOURCE,…", value_delimiter = ',')]
    source: Vec<CheckSource>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CheckSource {
    /// The environment
    Env,
    /// The secrets files
    File,
    /// The vault
    Vault,
}

/// What was found, as the library reports it.
#[derive(Debug, Serialize)]
pub(crate) struct CheckReport {
    ok: bool,
    #[serde(flatten)]
    found: creds::Report,
    #[serde(skip)]
    locked: Option<CommandError>,
}

impl Report for CheckReport {
    fn write_data(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        let mut table = tabwriter::TabWriter::new(out).padding(2);
        for provider in &self.found.providers {
            writeln!(table, "{}\t{}", outcome(provider.outcome), provider.id)?;
            for key in provider.keys.iter().filter(|key| key.required || key.source.is_some()) {
                let alias = key.alias.as_ref().map_or_else(String::new, |alias| format!(" as {alias}"));
                writeln!(
                    table,
                    "\t  {}\t{}{}{alias}",
                    key.name,
                    state(key.state),
                    place(key.source.as_ref())
                )?;
            }
        }
        table.flush()
    }

    fn summary(&self) -> Option<String> {
        if !self.found.missing.is_empty() {
            return Some(format!("missing: {}", self.found.missing.join(", ")));
        }
        None
    }

    fn exit_code(&self) -> u8 {
        match &self.locked {
            _ if self.ok => 0,
            Some(locked) if !self.found.unknown.is_empty() => locked.kind.exit_code(),
            _ => 7,
        }
    }
}

/// Runs the check; a vault that stays locked makes names unknown, not missing.
pub(crate) fn run(ctx: &Context, args: &CheckArguments) -> Result<CheckReport, CommandError> {
    let uses = |source: CheckSource| args.source.is_empty() || args.source.contains(&source);
    let registry = Registry::built_in();
    let (providers, choice) = selected(&registry, &args.provider)?;
    let wanted = Wanted::new(&providers, &[]);
    let files = if uses(CheckSource::File) { read_files(&args.secrets_file, &wanted)? } else { Vec::new() };
    let inherited = if uses(CheckSource::Env) { ctx.inherited_environment() } else { Vec::new() };
    let env = Occurrences::in_environment(inherited, &wanted);
    let (providers, files) = (&providers[..], &files[..]);
    let (air_gap, registry) = (ctx.is_air_gapped()?, &registry);
    let request =
        Request { providers, choice, keys: &[], registry, air_gap, strict: false, env: &env, files };
    let mut locked = None;
    let found = creds::check(&request, |names| {
        if !uses(CheckSource::Vault) {
            return nothing_found();
        }
        in_vault(ctx, names).unwrap_or_else(|error| {
            locked = Some(error);
            VaultAnswer::Unavailable
        })
    });
    tell(ctx, &found, locked.as_ref());
    Ok(CheckReport { ok: found.ok(), found, locked })
}

/// Says on stderr what the table does not.
fn tell(ctx: &Context, found: &creds::Report, locked: Option<&CommandError>) {
    if found.assumed_all {
        ctx.ui.note("no known provider's key occurs anywhere, so all known providers are checked; `--provider` names yours");
    }
    if let Some(error) = locked.filter(|_| found.vault == VaultUse::Unavailable) {
        ctx.ui.warn(&format!("{}; names that only the vault could have are unknown", error.message));
        if !found.unknown.is_empty() {
            error.causes.iter().chain(&error.hint).for_each(|line| ctx.ui.note(&format!("  {line}")));
        }
    }
}

fn selected(registry: &Registry, names: &[String]) -> Result<(Vec<&'static Provider>, Choice), CommandError> {
    if names.is_empty() {
        return Ok((registry.iter().collect(), Choice::InUse));
    }
    let find = |name: &String| {
        registry.find(name).ok_or_else(|| {
            let known: Vec<&str> = registry.iter().map(|provider| provider.id).collect();
            CommandError::usage(format!("unknown provider: {name}"))
                .hint(format!("one of {}", known.join(", ")))
        })
    };
    Ok((names.iter().map(find).collect::<Result<_, _>>()?, Choice::All))
}

fn read_files(paths: &[PathBuf], wanted: &Wanted<'_>) -> Result<Vec<FileNames>, CommandError> {
    let read = |path: &PathBuf| {
        let file = dotenv::read(path, FILE_DEADLINE).map_err(|error| {
            CommandError::new(Kind::UnreadableFile, error.to_string())
                .caused_by_sources_of(&error)
                .hint("no line's content is ever shown; look at the file itself")
        })?;
        Ok(FileNames { label: path.display().to_string(), names: Occurrences::in_file(file, wanted) })
    };
    paths.iter().map(read).collect()
}

const fn nothing_found() -> VaultAnswer {
    VaultAnswer::Answered { found: Vec::new(), connected: Vec::new() }
}

/// Which of the names the vault has, without asking anybody.
fn in_vault(ctx: &Context, names: &[&str]) -> Result<VaultAnswer, CommandError> {
    let place = ctx.place()?;
    let access = VaultAccess::new(ctx)?;
    let Some(opened) = access.open_quietly()? else { return Ok(nothing_found()) };
    let index = access.index(&opened)?;
    let scopes = place.scopes();
    let has = |name: &str| {
        let name = SecretName::parse(name).ok();
        name.is_some_and(|name| scopes.iter().any(|scope| !index.versions(scope, &name).is_empty()))
    };
    let found = names.iter().filter(|name| has(name)).map(ToString::to_string).collect();
    Ok(VaultAnswer::Answered { found, connected: Vec::new() })
}

const fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Malformed => "malformed",
        Outcome::Missing => "missing",
        Outcome::Satisfied => "ok",
        Outcome::Skipped => "skipped",
        Outcome::Unknown => "unknown",
    }
}

const fn state(state: State) -> &'static str {
    match state {
        State::Empty => "empty",
        State::Malformed => "malformed",
        State::Missing => "missing",
        State::Present => "present",
        State::Unknown => "unknown",
    }
}

fn place(source: Option<&Source>) -> String {
    match source {
        None => String::new(),
        Some(Source::Env) => " in the environment".to_owned(),
        Some(Source::File { label }) => format!(" in {label}"),
        Some(Source::Vault) => " in the vault".to_owned(),
    }
}
