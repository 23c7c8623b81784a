//! `bundle open`: take the secrets and connections of a bundle into the vault.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use vault_core::format::Purpose;
use vault_core::name::{Scope, escape_deceptive};
use vault_core::store::{Previous, single};
use vault_core::vault::LockedVault;
use vault_core::vault::bundle::{Contents, Standings};
use vault_core::vault::draft::Draft;
use vault_core::vault::merge::Standing;

use super::{ConnectionRef, counted_all};
use crate::arguments::ScopeKind;
use crate::context::{Context, Place};
use crate::error::{CommandError, Kind, bad_bundle, bad_file, cannot_open_bundle, no_bundle};
use crate::merge::{self, Conflict, Outcome};
use crate::report::{PlaceRef, Report, SecretRef};
use crate::sources::Sources;
use crate::vault_access::{Opened, VaultAccess, claim};

/// Take the secrets and connections of a bundle into the workspace and its tenant
///
/// The whole bundle is checked first; then all that it carries is merged, or nothing. What is of a workspace
/// goes to this workspace, what is of a tenant to this tenant, whatever they are called where the bundle was
/// made; --scope takes one kind alone. A secret that the vault has with the same value stays as it is, and so
/// does a connection that is the same. The passphrase or code of the bundle is asked for, or taken from
/// KEYWARD_BUNDLE_PASSPHRASE or KEYWARD_BUNDLE_CODE.
#[derive(Debug, Args)]
pub(crate) struct OpenArguments {
    /// The bundle
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What to do if the vault has a secret with another value, or another connection of an id
    #[arg(long, value_name = "WHAT", default_value = "fail")]
    on_conflict: Conflict,
    /// Show what would become of each of them, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask before merging
    #[arg(long, short)]
    yes: bool,
}

/// What became of all that the bundle carries, or would.
#[derive(Debug, Serialize)]
pub(crate) struct OpenReport {
    file: String,
    secrets: Vec<Row<SecretRef>>,
    connections: Vec<Row<ConnectionRef>>,
    dry_run: bool,
}

/// One secret or connection of the bundle.
#[derive(Debug, Serialize)]
struct Row<T> {
    #[serde(flatten)]
    carried: T,
    outcome: Outcome,
}

impl Report for OpenReport {
    fn write_data(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        if self.dry_run { out.write_all(self.listed()?.as_bytes()) } else { Ok(()) }
    }

    fn summary(&self) -> Option<String> {
        let Self { file, secrets, connections, .. } = self;
        let file = escape_deceptive(file);
        if self.outcomes().next().is_none() {
            return Some(format!("{file} has nothing for this place"));
        }
        let all = counted_all(secrets.len(), connections.len());
        let done = match self.dry_run {
            true if self.outcomes().any(|outcome| outcome == Outcome::Conflict) => {
                "would merge nothing".to_owned()
            }
            true => format!("would merge {all}"),
            false => format!("merged {all}"),
        };
        Some(format!("{done} of {file}: {}", merge::counted(self.outcomes())))
    }
}

impl OpenReport {
    fn outcomes(&self) -> impl Iterator<Item = Outcome> {
        outcomes(&self.secrets).chain(outcomes(&self.connections))
    }

    /// Lists what becomes of each secret and connection, in columns.
    fn listed(&self) -> io::Result<String> {
        let mut table = tabwriter::TabWriter::new(Vec::new()).padding(3);
        let mut line = |outcome: Outcome, what: &dyn Display, place: &PlaceRef| {
            writeln!(table, "{}\t{what}\t{place}", outcome.word())
        };
        for Row { carried, outcome } in &self.secrets {
            line(*outcome, &carried.name, &carried.place)?;
        }
        for Row { carried, outcome } in &self.connections {
            line(*outcome, carried, &carried.place)?;
        }
        let bytes = table.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
        String::from_utf8(bytes).map_err(io::Error::other)
    }
}

/// Opens the bundle, compares it with the vault, asks, and merges all of it in one commit.
pub(crate) fn run(ctx: &Context, args: &OpenArguments) -> Result<OpenReport, CommandError> {
    let place = ctx.place()?;
    let contents = contents(ctx, &args.file, &place)?;
    let access = VaultAccess::new(ctx)?;
    let opened = access.open()?;
    let standings = match &opened {
        Some(opened) => compare(&access, &place, opened, &contents)?,
        None => Standings::all_new(&contents),
    };
    let planned = report(args, &contents, &standings);
    if args.dry_run {
        return Ok(planned);
    }
    let vault = access.path();
    merge::refuse_other_values(&vault, &contents.secrets, outcomes(&planned.secrets))?;
    merge::refuse_other_connections(&vault, &contents.connections, outcomes(&planned.connections))?;
    if !planned.outcomes().any(Outcome::is_written) {
        return Ok(planned);
    }
    confirm(ctx, args, &planned)?;
    let merge = |draft: &mut Draft<'_>| {
        claim(draft, &place)?;
        contents.merge(draft, args.on_conflict.into(), ctx.now)
    };
    let standings = match opened {
        Some(opened) => access.change(opened, Previous::Keep, merge)?.outcome,
        None => access.change_or_create(merge)?,
    };
    Ok(report(args, &contents, &standings))
}

/// Reads the bundle and opens everything in it, for the scopes of this place.
fn contents(ctx: &Context, file: &Path, place: &Place) -> Result<Contents, CommandError> {
    let unreadable = |error| bad_bundle(file, &error);
    let snapshot = single::read(file).map_err(|error| no_bundle(file, Some(&error)))?;
    let snapshot = snapshot.ok_or_else(|| no_bundle(file, None))?;
    let locked = LockedVault::open(snapshot, Purpose::Bundle).map_err(unreadable)?;
    let unlocked = locked.unlock(&mut Sources::of_bundle(ctx)?.in_order());
    let bundle = unlocked.map_err(|error| cannot_open_bundle(file, error))?.vault;
    let mut contents = Contents::open(&bundle, &place.tenant, &place.workspace).map_err(unreadable)?;
    let is_wanted = |scope: &Scope| match place.only {
        None => true,
        Some(ScopeKind::Tenant) => scope.workspace().is_none(),
        Some(ScopeKind::Workspace) => scope.workspace().is_some(),
    };
    contents.secrets.retain(|secret| is_wanted(&secret.scope));
    contents.connections.retain(|connection| is_wanted(&connection.scope));
    Ok(contents)
}

fn compare(
    access: &VaultAccess<'_>,
    place: &Place,
    opened: &Opened,
    contents: &Contents,
) -> Result<Standings, CommandError> {
    access.check_claim(place, &access.index(opened)?)?;
    contents.compare(&opened.vault).map_err(|error| bad_file(&access.path(), &error))
}

fn report(args: &OpenArguments, contents: &Contents, standings: &Standings) -> OpenReport {
    let secrets = contents.secrets.iter().map(|secret| SecretRef::new(secret.name.as_str(), &secret.scope));
    let connections = contents.connections.iter().map(ConnectionRef::new);
    OpenReport {
        file: args.file.display().to_string(),
        secrets: rows(secrets, &standings.secrets, args.on_conflict),
        connections: rows(connections, &standings.connections, args.on_conflict),
        dry_run: args.dry_run,
    }
}

fn rows<T>(carried: impl Iterator<Item = T>, standings: &[Standing], on_conflict: Conflict) -> Vec<Row<T>> {
    let each = carried.zip(standings);
    each.map(|(carried, standing)| Row { carried, outcome: Outcome::of(*standing, on_conflict) }).collect()
}

fn outcomes<T>(rows: &[Row<T>]) -> impl Iterator<Item = Outcome> {
    rows.iter().map(|row| row.outcome)
}

/// Shows what is going to happen, and asks on a terminal.
fn confirm(ctx: &Context, args: &OpenArguments, report: &OpenReport) -> Result<(), CommandError> {
    let rows = report
        .listed()
        .map_err(|error| CommandError::new(Kind::Failed, "cannot list the secrets").caused_by(&error))?;
    ctx.ui.notes(rows.trim_end());
    if args.yes || !ctx.ui.may_prompt() || ctx.ui.ask_yes("Merge these into the vault?")? {
        return Ok(());
    }
    Err(CommandError::new(Kind::Interrupted, "not merged; nothing was changed"))
}
