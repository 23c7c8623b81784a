//! `anchor`: a note outside the vault that tells an older copy of it from the current one.

mod accept;
mod status;

use std::fmt;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde::Serialize;
use vault_core::name::escape_deceptive;
use vault_core::store::anchor::State;

use crate::context::Context;
use crate::error::{CommandError, Kind, bad_file, store_failed};
use crate::output::finish;
use crate::report::Report;
use crate::vault_access::{Opened, VaultAccess};

/// Notice when an older copy of the vault is put back
///
/// An older copy of the whole file is a sound vault, and opens. With the anchor on, keyward keeps a note of the
/// newest generation in its state directory: whoever puts an older, a forked or another vault in the place of this
/// one is noticed (exit code 6), and so is who removes it. It is no help against somebody who can change the state
/// directory too. A vault that several machines share has an anchor on each of them. After a backup was brought
/// back, `anchor accept` takes it as the newest.
#[derive(Debug, Args)]
pub(crate) struct AnchorArguments {
    #[command(subcommand)]
    command: AnchorCommand,
}

#[derive(Debug, Subcommand)]
enum AnchorCommand {
    /// Note the vault's current generation, and every later one
    On,
    /// Forget the newest generation: an older copy of the vault is not noticed any more
    Off,
    /// Show what the anchor has, what the vault has, and whether they agree
    Status,
    Accept(accept::AcceptArguments),
}

/// One state of a vault as it is shown.
#[derive(Debug, Serialize)]
struct StateRow {
    vault_id: String,
    epoch: u64,
    generation: u64,
    revision: String,
    /// The state in words.
    #[serde(skip)]
    words: String,
}

impl StateRow {
    fn new(state: &State) -> Self {
        let State { vault_id, epoch, generation, revision } = state;
        Self {
            vault_id: vault_id.to_string(),
            epoch: *epoch,
            generation: *generation,
            revision: revision.to_string(),
            words: format!("{state:#}"),
        }
    }
}

impl fmt::Display for StateRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

/// An anchor that is on.
#[derive(Debug, Serialize)]
struct OnReport {
    path: String,
    anchor: StateRow,
    state_directory: String,
}

impl Report for OnReport {
    fn summary(&self) -> Option<String> {
        let Self { path, anchor, state_directory } = self;
        Some(format!(
            "the rollback anchor of {} is on, at {anchor}\n\
             it notices an older copy, a fork, another vault in its place and its removal, for this account on this machine\n\
             it is no help against somebody who can change {} too\n\
             after you bring a backup back: `keyward anchor accept`",
            escape_deceptive(path),
            escape_deceptive(state_directory),
        ))
    }
}

/// An anchor that is off.
#[derive(Debug, Serialize)]
struct OffReport {
    path: String,
    removed: bool,
}

impl Report for OffReport {
    fn summary(&self) -> Option<String> {
        let path = escape_deceptive(&self.path);
        Some(match self.removed {
            true => format!("the rollback anchor of {path} is off: an older copy is not noticed any more"),
            false => format!("the rollback anchor of {path} was off already"),
        })
    }
}

/// Runs one of the four commands.
pub(crate) fn dispatch(ctx: &Context, args: &AnchorArguments) -> ExitCode {
    match &args.command {
        AnchorCommand::On => finish(ctx.ui, "anchor on", on(ctx)),
        AnchorCommand::Off => finish(ctx.ui, "anchor off", off(ctx)),
        AnchorCommand::Status => finish(ctx.ui, "anchor status", status::run(ctx)),
        AnchorCommand::Accept(args) => finish(ctx.ui, "anchor accept", accept::run(ctx, args)),
    }
}

/// Opens the vault, so that nothing is noted that no key made; one that has an anchor has to agree with it.
fn on(ctx: &Context) -> Result<OnReport, CommandError> {
    let directory = ctx.anchors_directory()?;
    let access = VaultAccess::new(ctx)?;
    let opened = access.open_existing()?;
    let seen = sound_state(&access, &opened)?;
    let anchor = access.store.set_anchor(&seen).map_err(|error| store_failed(&error))?;
    Ok(OnReport {
        path: access.path().display().to_string(),
        anchor: StateRow::new(anchor.state()),
        state_directory: directory.display().to_string(),
    })
}

/// Needs neither the vault nor its key: who may do this may remove the file.
fn off(ctx: &Context) -> Result<OffReport, CommandError> {
    ctx.anchors_directory()?;
    let access = VaultAccess::new(ctx)?;
    let removed = access.store.remove_anchor().map_err(|error| store_failed(&error))?;
    Ok(OffReport { path: access.path().display().to_string(), removed })
}

/// Returns which state of the vault was opened; its index has to be sound.
fn sound_state(access: &VaultAccess<'_>, opened: &Opened) -> Result<State, CommandError> {
    access.index(opened)?;
    let path = access.path();
    let state = opened.vault.state().map_err(|error| bad_file(&path, &error))?;
    let unreadable = || CommandError::new(Kind::Failed, format!("cannot read {}", path.display()));
    state.ok_or_else(|| unreadable().hint("`keyward verify` says more"))
}
