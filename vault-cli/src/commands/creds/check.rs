//! `creds check`: is every credential there that is required? Never a prompt, never a value.

mod files;
mod github;
mod required;
mod table;

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;
use vault_core::creds::{self, Choice, Occurrences, Request, State, VaultAnswer, VaultUse, Wanted};
use vault_core::provider;

use self::files::Files;
use self::required::{Places, Required, RequiredBy};
use super::in_vault::Asked;
use super::words;
use crate::context::Context;
use crate::error::CommandError;
use crate::input;
use crate::report::Report;
use crate::ui::Ui;

/// How many names a line on stderr has.
const MAX_NAMES: usize = 8;

/// Tell whether every required key is there: exit code 0, or 7 if one is missing or empty
///
/// Looks into the environment, the secrets files and the vault, in this order; the vault is opened only
/// for names that are nowhere else, nobody is ever asked, and no value is shown.
///
/// What is required: what `--provider`, `--all` and `--require-file` name; else what `[creds]` in the nearest
/// `.keyward.toml` declares; else every provider in use, which is one of which a required name occurs or to
/// which a connection belongs, and the secrets of other connections; else, with a note, every known provider.
#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// Look into this `.env` file too; may be given more than once
    #[arg(long, value_name = "FILE")]
    secrets_file: Vec<PathBuf>,
    /// Require every name that this file has, such as .env.example; may be given more than once
    #[arg(long, value_name = "FILE")]
    require_file: Vec<PathBuf>,
    /// Require this provider; may be given more than once
    #[arg(long, value_name = "PROVIDER", value_delimiter = ',', conflicts_with = "all")]
    provider: Vec<String>,
    /// Require every known provider
    #[arg(long)]
    all: bool,
    /// Of the providers, check those of this kind alone
    #[arg(long, value_name = "KIND", value_parser = super::kinds())]
    kind: Option<provider::Kind>,
    /// Fail also on a value of another shape than is known for its key
    #[arg(long)]
    strict: bool,
    /// Look here only
    #[arg(long, value_name = "SOURCE,…", value_delimiter = ',')]
    source: Vec<CheckSource>,
    /// Choose the form of the output; `json` is `--json`
    #[arg(long, value_name = "FORM", conflicts_with_all = ["json", "output"])]
    format: Option<CheckForm>,
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CheckForm {
    /// Annotations, which GitHub shows in a pull request
    Github,
    /// One object
    Json,
    /// A table
    Text,
}

impl CheckArguments {
    /// Returns how to talk, by the form that the person chose.
    pub(super) fn ui(&self, mut ui: Ui) -> Ui {
        ui.json |= self.format == Some(CheckForm::Json);
        ui
    }

    fn uses(&self, source: CheckSource) -> bool {
        self.source.is_empty() || self.source.contains(&source)
    }

    /// Refuses stdin in the place of two files: the second one would have no names.
    fn read_stdin_once(&self) -> Result<(), CommandError> {
        let files = self.secrets_file.iter().chain(&self.require_file);
        match files.filter(|path| input::is_stdin(path)).count() {
            0 | 1 => Ok(()),
            _ => Err(CommandError::usage("`-`, which is stdin, can be one file only")
                .hint("name the other file by its path")),
        }
    }
}

/// What was found, as the library reports it.
#[derive(Debug, Serialize)]
pub(crate) struct CheckReport {
    ok: bool,
    required_by: RequiredBy,
    #[serde(flatten)]
    found: creds::Report,
    #[serde(skip)]
    annotate: bool,
    /// The repository of the job, for annotations.
    #[serde(skip)]
    workspace: Option<PathBuf>,
    #[serde(skip)]
    places: Places,
    #[serde(skip)]
    files: Files,
    #[serde(skip)]
    locked: Option<CommandError>,
}

impl Report for CheckReport {
    fn write_data(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        if self.annotate { github::write(out, self) } else { table::write(out, &self.found, &self.places) }
    }

    fn summary(&self) -> Option<String> {
        if self.ok {
            let skipped = "nothing was checked: cloud providers are skipped in an air gap";
            return self.found.skipped_all().then(|| skipped.to_owned());
        }
        let mut lines = vec![listed("missing", &self.missing()), listed("unknown", &self.found.unknown)];
        if self.found.strict {
            lines.push(listed("malformed", &self.found.malformed));
        }
        // Where nothing says what is required, to put a key is not what comes next.
        lines.push(self.found.missing.first().filter(|_| !self.found.assumed_all).map(|name| {
            format!("`keyward put {name}` stores it; `keyward creds guide` says where to get what is missing")
        }));
        Some(lines.into_iter().flatten().collect::<Vec<_>>().join("\n"))
    }

    fn exit_code(&self) -> u8 {
        match &self.locked {
            _ if self.ok => 0,
            Some(locked) if !self.found.unknown.is_empty() => locked.kind.exit_code(),
            _ => 7,
        }
    }
}

impl CheckReport {
    /// Returns the names that are missing, those with a blank value marked.
    fn missing(&self) -> Vec<String> {
        let empty = self.found.all_keys().filter(|key| key.state == State::Empty);
        let empty: HashSet<&String> = empty.map(|key| &key.name).collect();
        let mark = |name| if empty.contains(name) { " (empty)" } else { "" };
        self.found.missing.iter().map(|name| format!("{name}{}", mark(name))).collect()
    }
}

/// Returns a line of names, if there are any.
fn listed(what: &str, names: &[String]) -> Option<String> {
    let shown = names.iter().take(MAX_NAMES).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = names.len().saturating_sub(MAX_NAMES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!names.is_empty()).then(|| format!("{what}: {shown}{more}"))
}

/// Runs the check; a vault that stays locked makes names unknown, not missing.
pub(crate) fn run(ctx: &Context, args: &CheckArguments) -> Result<CheckReport, CommandError> {
    args.read_stdin_once()?;
    let registry = ctx.registry()?;
    let mut required = Required::find(ctx, args, &registry)?;
    // Connections say what is in use, so they come first.
    let asked = (required.choice == Choice::InUse && args.uses(CheckSource::Vault))
        .then(|| Asked::quietly(ctx, Wanted::new(&required.providers, &[]).names()));
    if let Some(asked) = asked.as_ref().filter(|_| args.kind.is_none()) {
        required.keys = asked.of_no_provider(&registry);
    }
    let wanted = Wanted::new(&required.providers, &required.keys);
    let annotate = args.format == Some(CheckForm::Github);
    let paths = if args.uses(CheckSource::File) { &args.secrets_file[..] } else { &[] };
    let files = Files::read(ctx.ui, paths, &wanted, annotate)?;
    let inherited = if args.uses(CheckSource::Env) { ctx.inherited_environment() } else { Vec::new() };
    let request = Request {
        providers: &required.providers,
        choice: required.choice,
        keys: &required.keys,
        registry: &registry,
        air_gap: ctx.is_air_gapped()?,
        strict: args.strict,
        env: &Occurrences::in_environment(inherited, &wanted),
        files: &files.names,
    };
    let mut locked = None;
    let found = creds::check(&request, |names| {
        if !args.uses(CheckSource::Vault) {
            return VaultAnswer::NotAsked;
        }
        let Asked { answer, locked: why } = asked.unwrap_or_else(|| Asked::quietly(ctx, names));
        locked = why;
        answer
    });
    tell(ctx, &required, &found, locked.as_ref());
    let Required { by: required_by, places, .. } = required;
    Ok(CheckReport {
        ok: found.ok(),
        required_by,
        found,
        annotate,
        workspace: Context::github_workspace(),
        places,
        files,
        locked,
    })
}

/// Says on stderr what the table does not.
fn tell(ctx: &Context, required: &Required, found: &creds::Report, locked: Option<&CommandError>) {
    if required.is_nothing() {
        ctx.ui.note("nothing is required, so nothing was checked");
    }
    if found.assumed_all && !required.is_nothing() {
        ctx.ui.note(
            "no known provider's key occurs anywhere, so all known providers are checked; \
             `keyward creds require PROVIDER` declares yours, `--provider PROVIDER` names it for once",
        );
    }
    if let Some(error) = locked.filter(|_| found.vault == VaultUse::Unavailable) {
        ctx.ui.warn(&format!("{}; names that only the vault could have are unknown", error.message));
        if !found.unknown.is_empty() {
            error.causes.iter().chain(&error.hint).for_each(|line| ctx.ui.note(&format!("  {line}")));
        }
    }
    for key in found.all_keys().filter(|key| key.state == State::Malformed) {
        let name = key.alias.as_ref().unwrap_or(&key.name);
        let source = key.source.as_ref().map_or("", words::place);
        ctx.ui.warn(&format!("{name} ({source}) does not have the shape of such a key"));
    }
}
