//! `bundle open`: take the secrets of a bundle into the vault.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use vault_core::format::Purpose;
use vault_core::store::{Previous, single};
use vault_core::vault::LockedVault;
use vault_core::vault::bundle::Contents;
use vault_core::vault::draft::{ChangeError, Draft};
use vault_core::vault::merge::{Incoming, Standing};

use crate::arguments::ScopeKind;
use crate::context::{Context, Place};
use crate::error::{CommandError, Kind, bad_bundle, bad_file, cannot_open_bundle, change_refused, no_bundle};
use crate::merge::{self, Conflict, Outcome};
use crate::report::{Report, SecretRef, counted};
use crate::sources::Sources;
use crate::vault_access::{Opened, VaultAccess, claim};

/// Take the secrets of a bundle into the workspace and its tenant
///
/// The whole bundle is checked first; then all of its secrets are merged, or none. Those of a workspace go
/// to this workspace, those of a tenant to this tenant, whatever they are called where the bundle was made;
/// --scope takes one kind alone. A secret that the vault has with the same value stays as it is. The
/// passphrase or code of the bundle is asked for, or taken from KEYWARD_BUNDLE_PASSPHRASE or
/// KEYWARD_BUNDLE_CODE.
#[derive(Debug, Args)]
pub(crate) struct OpenArguments {
    /// The bundle
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What to do if the vault has a secret with another value
    #[arg(long, value_name = "WHAT", default_value = "fail")]
    on_conflict: Conflict,
    /// Show what would become of each secret, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask before merging
    #[arg(long, short)]
    yes: bool,
}

/// What became of each secret, or would.
#[derive(Debug, Serialize)]
pub(crate) struct OpenReport {
    file: String,
    secrets: Vec<Row>,
    dry_run: bool,
}

/// One secret of the bundle.
#[derive(Debug, Serialize)]
struct Row {
    #[serde(flatten)]
    secret: SecretRef,
    outcome: Outcome,
}

impl Report for OpenReport {
    fn write_data(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        if self.dry_run { out.write_all(listed(&self.secrets)?.as_bytes()) } else { Ok(()) }
    }

    fn summary(&self) -> Option<String> {
        let counts = merge::counted(self.secrets.iter().map(|row| row.outcome));
        if self.secrets.is_empty() {
            return Some(format!("{} has no secret for this place", self.file));
        }
        let done = match self.dry_run {
            true if self.secrets.iter().any(|row| row.outcome == Outcome::Conflict) => {
                "would merge nothing".to_owned()
            }
            true => format!("would merge {}", counted(self.secrets.len(), "secret")),
            false => format!("merged {}", counted(self.secrets.len(), "secret")),
        };
        Some(format!("{done} of {}: {counts}", self.file))
    }
}

/// Lists what becomes of each secret, in columns.
fn listed(rows: &[Row]) -> io::Result<String> {
    let mut table = tabwriter::TabWriter::new(Vec::new()).padding(3);
    for Row { secret, outcome } in rows {
        writeln!(table, "{}\t{}\t{}", outcome.word(), secret.name, secret.place)?;
    }
    let bytes = table.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
    String::from_utf8(bytes).map_err(io::Error::other)
}

/// Opens the bundle, compares it with the vault, asks, and merges all of it in one commit.
pub(crate) fn run(ctx: &Context, args: &OpenArguments) -> Result<OpenReport, CommandError> {
    let place = ctx.place()?;
    let incoming = incoming(ctx, &args.file, &place)?;
    let access = VaultAccess::new(ctx)?;
    let opened = access.open()?;
    let standings = match &opened {
        Some(opened) => compare(&access, &place, opened, &incoming)?,
        None => vec![Standing::New; incoming.len()],
    };
    let planned = report(args, &incoming, &standings);
    if args.dry_run {
        return Ok(planned);
    }
    refuse_conflicts(&access.path(), &planned, &incoming)?;
    if !planned.secrets.iter().any(|row| row.outcome.is_written()) {
        return Ok(planned);
    }
    confirm(ctx, args, &planned)?;
    let merge = |draft: &mut Draft<'_>| {
        claim(draft, &place)?;
        draft.merge(&incoming, args.on_conflict.into(), ctx.now)
    };
    let standings = match opened {
        Some(opened) => access.change(opened, Previous::Keep, merge)?.outcome,
        None => access.change_or_create(merge)?,
    };
    Ok(report(args, &incoming, &standings))
}

/// Reads the bundle and opens every value of it, for the scopes of this place.
fn incoming(ctx: &Context, file: &Path, place: &Place) -> Result<Vec<Incoming>, CommandError> {
    let unreadable = |error| bad_bundle(file, &error);
    let snapshot = single::read(file).map_err(|error| no_bundle(file, Some(&error)))?;
    let snapshot = snapshot.ok_or_else(|| no_bundle(file, None))?;
    let locked = LockedVault::open(snapshot, Purpose::Bundle).map_err(unreadable)?;
    let unlocked = locked.unlock(&mut Sources::of_bundle(ctx)?.in_order());
    let bundle = unlocked.map_err(|error| cannot_open_bundle(file, error))?.vault;
    let contents = Contents::open(&bundle, &place.tenant, &place.workspace).map_err(unreadable)?;
    let is_wanted = |secret: &Incoming| match place.only {
        None => true,
        Some(ScopeKind::Tenant) => secret.scope.workspace().is_none(),
        Some(ScopeKind::Workspace) => secret.scope.workspace().is_some(),
    };
    Ok(contents.secrets.into_iter().filter(is_wanted).collect())
}

fn compare(
    access: &VaultAccess<'_>,
    place: &Place,
    opened: &Opened,
    incoming: &[Incoming],
) -> Result<Vec<Standing>, CommandError> {
    access.check_claim(place, &access.index(opened)?)?;
    opened.vault.compare(incoming).map_err(|error| bad_file(&access.path(), &error))
}

fn report(args: &OpenArguments, incoming: &[Incoming], standings: &[Standing]) -> OpenReport {
    let row = |(secret, standing): (&Incoming, &Standing)| Row {
        secret: SecretRef::new(secret.name.as_str(), &secret.scope),
        outcome: Outcome::of(*standing, args.on_conflict),
    };
    let secrets = incoming.iter().zip(standings).map(row).collect();
    OpenReport { file: args.file.display().to_string(), secrets, dry_run: args.dry_run }
}

/// What the merge itself would refuse is said before anybody is asked.
fn refuse_conflicts(vault: &Path, planned: &OpenReport, incoming: &[Incoming]) -> Result<(), CommandError> {
    let conflicts = planned.secrets.iter().zip(incoming).filter(|(row, _)| row.outcome == Outcome::Conflict);
    let names: Vec<_> = conflicts.map(|(_, secret)| secret.name.clone()).collect();
    if names.is_empty() { Ok(()) } else { Err(change_refused(vault, &ChangeError::OtherValues(names))) }
}

/// Shows what is going to happen, and asks on a terminal.
fn confirm(ctx: &Context, args: &OpenArguments, report: &OpenReport) -> Result<(), CommandError> {
    let rows = listed(&report.secrets)
        .map_err(|error| CommandError::new(Kind::Failed, "cannot list the secrets").caused_by(&error))?;
    ctx.ui.note(rows.trim_end());
    if args.yes || !ctx.ui.may_prompt() || ctx.ui.ask_yes("Merge these into the vault?")? {
        return Ok(());
    }
    Err(CommandError::new(Kind::Interrupted, "not merged; nothing was changed"))
}
