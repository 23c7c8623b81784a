//! `bundle create`: seal secrets and connections of this vault into a new file.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use vault_core::connection::{Auth, Connection};
use vault_core::crypto::kdf::KdfParams;
use vault_core::format::index::Index;
use vault_core::format::{FormatError, Header, Purpose};
use vault_core::name::{Scope, SecretName, escape_deceptive};
use vault_core::secret::SecretString;
use vault_core::store::StoreError;
use vault_core::store::single::{self, Existing};
use vault_core::vault::bundle::Contents;

use super::{ConnectionRef, counted_all};
use crate::commands::completions::secret_names;
use crate::context::{Context, Place};
use crate::enrol::NewSlot;
use crate::error::{CommandError, Kind, bad_file, store_failed};
use crate::report::{self, Report, SecretRef};
use crate::vault_access::{VaultAccess, no_secret};

/// Seal secrets and connections of the workspace and its tenant into a new file, for another vault
///
/// The file holds the current value of each secret and all connections, and nothing else of the vault: no
/// earlier values, no times. Whoever has it and its passphrase has the values. The passphrase is asked for
/// twice, or taken from KEYWARD_BUNDLE_PASSPHRASE; with --code the file is sealed with a new code instead,
/// which is printed on stdout, this once.
#[derive(Debug, Args)]
pub(crate) struct CreateArguments {
    /// The new file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Take these secrets only, separated by commas, and the connections that use them
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', add = secret_names())]
    only: Vec<SecretName>,
    /// Seal the file with a new code to write down, not with a passphrase
    #[arg(long, conflicts_with = "light")]
    code: bool,
    /// Derive the key of the passphrase with less memory: 64 MiB instead of 256
    #[arg(long)]
    light: bool,
    /// Replace FILE if it is a bundle
    #[arg(long)]
    force: bool,
}

/// What was written.
#[derive(Debug, Serialize)]
pub(crate) struct CreateReport {
    file: String,
    secrets: Vec<SecretRef>,
    connections: Vec<ConnectionRef>,
    opened_by: &'static str,
    #[serde(serialize_with = "report::shown_once", skip_serializing_if = "Option::is_none")]
    to_keep: Option<SecretString>,
}

impl Report for CreateReport {
    fn write_data(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        match &self.to_keep {
            Some(code) => writeln!(out, "{}", code.expose_secret()),
            None => Ok(()),
        }
    }

    fn summary(&self) -> Option<String> {
        let Self { file, secrets, connections, .. } = self;
        let file = escape_deceptive(file);
        let all = counted_all(secrets.len(), connections.len());
        let mut lines = vec![format!("sealed {all} in {file}:")];
        lines.extend(secrets.iter().map(|secret| format!("  {} of {}", secret.name, secret.place)));
        lines.extend(connections.iter().map(|carried| format!("  {carried} of {}", carried.place)));
        lines.push(match self.to_keep {
            Some(_) => "keep the code above apart from the file, it is not shown again".to_owned(),
            None => "keep the passphrase apart from the file".to_owned(),
        });
        lines.push("`keyward bundle open FILE` takes them into the vault of another machine".to_owned());
        Some(lines.join("\n"))
    }
}

/// Opens the values that are asked for, and no others; asks for a passphrase only when all else is settled.
pub(crate) fn run(ctx: &Context, args: &CreateArguments) -> Result<CreateReport, CommandError> {
    let existing = if args.force { Existing::Replace } else { Existing::Keep };
    check_target(&args.file, existing)?;
    let contents = gather(ctx, args)?;
    let secrets =
        contents.secrets.iter().map(|secret| SecretRef::new(secret.name.as_str(), &secret.scope)).collect();
    let connections = contents.connections.iter().map(ConnectionRef::new).collect();
    let slot = new_slot(ctx, args)?;
    let sealed = contents.seal(ctx.now, |draft| slot.add_to(draft));
    let bytes = sealed.map_err(|error| {
        CommandError::new(Kind::Failed, format!("cannot make {}", args.file.display()))
            .caused_by(&error)
            .hint("`--only NAME,NAME` takes fewer secrets")
    })?;
    write(ctx, &args.file, &bytes, existing, &slot)?;
    Ok(CreateReport {
        file: args.file.display().to_string(),
        secrets,
        connections,
        opened_by: slot.kind.name(),
        to_keep: slot.to_keep,
    })
}

/// Only a bundle is replaced by one: `--force` must not cost a vault, or whatever a slip of the tab key names.
fn check_target(file: &Path, existing: Existing) -> Result<(), CommandError> {
    single::check(file, existing).map_err(|error| not_written(&error))?;
    let snapshot = single::read(file).map_err(|error| not_written(&error))?;
    if snapshot.is_some_and(|snapshot| Header::read(&*snapshot, Purpose::Bundle).is_err()) {
        return Err(CommandError::new(Kind::Exists, format!("{} is no bundle, so it stays", file.display()))
            .hint("name another file, or remove this one"));
    }
    Ok(())
}

fn gather(ctx: &Context, args: &CreateArguments) -> Result<Contents, CommandError> {
    let place = ctx.place()?;
    let access = VaultAccess::new(ctx)?;
    let opened = access.open_existing()?;
    let index = access.index(&opened)?;
    access.check_claim(&place, &index)?;
    let unreadable = |error| bad_file(&access.path(), &error);
    let positions = secrets(&index, &place, &args.only)?;
    let connections = connections(&index, &place, &args.only).map_err(unreadable)?;
    if positions.is_empty() && connections.is_empty() {
        let scopes: Vec<String> = place.scopes().iter().map(Scope::to_string).collect();
        let nothing = format!("no secret and no connection in {}", scopes.join(" or "));
        return Err(CommandError::new(Kind::NoSuchSecret, nothing)
            .hint("`keyward list --all` shows what there is elsewhere"));
    }
    Contents::gather(&opened.vault, &index, &positions, connections).map_err(unreadable)
}

/// Returns the positions of the current versions that are asked for: a name in each scope that has it.
fn secrets(index: &Index<'_>, place: &Place, only: &[SecretName]) -> Result<Vec<usize>, CommandError> {
    let scopes: Vec<u32> = place.scopes().iter().filter_map(|scope| index.scope_position(scope)).collect();
    let is_at = |position: &usize, name: &SecretName| index.values.at(*position).name == name.as_str();
    let seen = index.current().filter(|(_, value)| scopes.contains(&value.scope));
    let mut selected: Vec<usize> = seen.map(|(position, _)| position).collect();
    if let Some(missing) = only.iter().find(|name| !selected.iter().any(|position| is_at(position, name))) {
        return Err(no_secret(missing, place));
    }
    selected.retain(|position| only.is_empty() || only.iter().any(|name| is_at(position, name)));
    Ok(selected)
}

/// Returns the connections that are asked for: all, or those that use one of the secrets.
fn connections(
    index: &Index<'_>,
    place: &Place,
    only: &[SecretName],
) -> Result<Vec<Connection>, FormatError> {
    let scopes = place.scopes();
    let uses_one = |auth: &Auth| matches!(auth, Auth::Secret { name, .. } if only.contains(name));
    let mut connections = index.connections()?;
    connections.retain(|connection| scopes.contains(&connection.scope));
    connections.retain(|connection| only.is_empty() || uses_one(&connection.auth));
    Ok(connections)
}

/// The vault's own passphrase is not taken for the file's: they go to different people.
fn new_slot(ctx: &Context, args: &CreateArguments) -> Result<NewSlot, CommandError> {
    if args.code {
        return Ok(NewSlot::recovery());
    }
    let params = if args.light { KdfParams::LIGHT } else { KdfParams::DEFAULT };
    if let Some(passphrase) = ctx.bundle_passphrase() {
        return NewSlot::passphrase(&passphrase, params);
    }
    if ctx.ui.may_prompt() {
        return NewSlot::passphrase(&ctx.ui.ask_new_passphrase()?, params);
    }
    Err(CommandError::usage("no passphrase for the bundle, and nobody to ask").hint(
        "set `KEYWARD_BUNDLE_PASSPHRASE`, or seal it with a new code: `keyward bundle create --code FILE`",
    ))
}

/// A file that is there but not confirmed on disk still needs its code.
fn write(
    ctx: &Context,
    file: &Path,
    bytes: &[u8],
    existing: Existing,
    slot: &NewSlot,
) -> Result<(), CommandError> {
    single::write(file, bytes, existing).map_err(|error| {
        if let (StoreError::NotDurable { .. }, Some(code)) = (&error, &slot.to_keep) {
            ctx.ui.show_once("code of the bundle", code);
        }
        not_written(&error)
    })
}

fn not_written(error: &StoreError) -> CommandError {
    let failed = store_failed(error);
    match error {
        StoreError::Exists { .. } => failed.hint("name another file; `--force` replaces a bundle"),
        StoreError::NotAFile { .. } => {
            CommandError::new(Kind::Exists, error.to_string()).hint("name a file that is not there yet")
        }
        StoreError::Io { .. } => {
            failed.hint("no bundle was written; name a file in a directory that is there")
        }
        _ => failed,
    }
}
