//! `import`: store what a `.env` or JSON file has, all of it or nothing.

mod file;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;
use vault_core::name::{Scope, escape_deceptive};
use vault_core::store::Previous;
use vault_core::vault::draft::Draft;
use vault_core::vault::merge::{Incoming, Standing};

use self::file::Found;
use crate::context::{Context, Place};
use crate::error::{CommandError, Kind, bad_file};
use crate::input::read_env_file;
use crate::merge::{Conflict, Outcome, counted, refuse_other_values};
use crate::report::{PlaceRef, Report};
use crate::selection::Selection;
use crate::vault_access::{VaultAccess, claim};

/// Store the secrets of a `.env` or JSON file, all of them or none
///
/// One bad line, or one name that the vault has with another value, and nothing is stored; all is one
/// durable write. A value that the vault has already makes no new version. A name without a value (`KEY=`,
/// or null in JSON) is left out and listed as empty. The file is read as it is written: `$`, backticks and
/// `$(…)` are literal. The report has names only.
#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// The file to read; `-` is stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    selection: Selection,
    /// What the file is
    #[arg(long, value_name = "FORMAT", default_value = "dotenv")]
    format: ImportFormat,
    /// What to do with names that have another value in the vault
    #[arg(long, value_name = "WHAT", default_value = "fail")]
    on_conflict: Conflict,
    /// Tell what would be stored, and store nothing
    #[arg(long)]
    dry_run: bool,
    /// Store values of no bytes too
    #[arg(long)]
    allow_empty: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ImportFormat {
    /// NAME=value, one a line
    Dotenv,
    /// One flat object of names and texts
    Json,
}

/// What became of each name.
#[derive(Debug, Serialize)]
pub(crate) struct ImportReport {
    #[serde(flatten)]
    place: PlaceRef,
    dry_run: bool,
    secrets: Vec<Row>,
    #[serde(skip)]
    file: String,
}

/// One name.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    outcome: Outcome,
}

impl Report for ImportReport {
    fn write_data(&self, out: &mut dyn Write, terminal: bool) -> io::Result<()> {
        if !terminal {
            return self.write_rows(out);
        }
        let mut table = tabwriter::TabWriter::new(out).padding(3);
        self.write_rows(&mut table)?;
        table.flush()
    }

    fn summary(&self) -> Option<String> {
        let counts = counted(self.secrets.iter().map(|row| row.outcome));
        let (file, place) = (escape_deceptive(&self.file), &self.place);
        Some(match (counts.is_empty(), self.dry_run) {
            (true, _) => format!("nothing to import in {file}"),
            (false, true) => format!("{file} would go into {place}: {counts}; nothing was stored"),
            (false, false) => format!("imported {file} into {place}: {counts}"),
        })
    }
}

impl ImportReport {
    fn write_rows(&self, out: &mut dyn Write) -> io::Result<()> {
        self.secrets.iter().try_for_each(|row| writeln!(out, "{}\t{}", row.outcome.word(), row.name))
    }
}

/// Reads the whole file before the vault is opened: a bad line changes nothing and asks for no key.
pub(crate) fn run(ctx: &Context, args: &ImportArguments) -> Result<ImportReport, CommandError> {
    let place = ctx.place()?;
    let access = VaultAccess::new(ctx)?;
    let (label, bytes) = read_env_file(&args.file)?;
    if bytes.is_empty() && args.file.as_os_str() == "-" {
        // What should have written there has failed, and `import` must not make a success of it.
        return Err(CommandError::new(Kind::Failed, "stdin is empty: there is nothing to import")
            .hint("see what the command before the pipe says"));
    }
    let found = file::read(args, &place.scope(), &label, bytes.expose_secret())?;
    let outcomes = store(&access, &place, &found.secrets, args)?;
    Ok(report(&place.scope(), found, &outcomes, args.dry_run, label))
}

/// Stores the values unless this is only to be tried, or there is nothing new in them.
fn store(
    access: &VaultAccess<'_>,
    place: &Place,
    incoming: &[Incoming],
    args: &ImportArguments,
) -> Result<Vec<Outcome>, CommandError> {
    let outcomes = |standings: Vec<Standing>| -> Vec<Outcome> {
        standings.into_iter().map(|standing| Outcome::of(standing, args.on_conflict)).collect()
    };
    let merge = |draft: &mut Draft<'_>| {
        claim(draft, place)?;
        draft.merge(incoming, args.on_conflict.into(), access.ctx.now)
    };
    let Some(opened) = access.open()? else {
        let standings = match args.dry_run || incoming.is_empty() {
            true => vec![Standing::New; incoming.len()],
            false => access.change_or_create(merge)?,
        };
        return Ok(outcomes(standings));
    };
    access.check_claim(place, &access.index(&opened)?)?;
    let standings = opened.vault.compare(incoming).map_err(|error| bad_file(&access.path(), &error))?;
    let planned = outcomes(standings);
    if args.dry_run {
        return Ok(planned);
    }
    refuse_other_values(&access.path(), incoming, planned.iter().copied())?;
    if !planned.iter().any(|outcome| outcome.is_written()) {
        return Ok(planned);
    }
    access.change(opened, Previous::Keep, merge).map(|committed| outcomes(committed.outcome))
}

fn report(scope: &Scope, found: Found, outcomes: &[Outcome], dry_run: bool, file: String) -> ImportReport {
    let stored = found.secrets.iter().zip(outcomes);
    let rows = stored.map(|(secret, outcome)| Row { name: secret.name.to_string(), outcome: *outcome });
    let empty = found.empty.iter().map(|name| Row { name: name.to_string(), outcome: Outcome::Empty });
    ImportReport { place: PlaceRef::new(scope), dry_run, secrets: rows.chain(empty).collect(), file }
}
