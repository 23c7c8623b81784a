//! `slot`: list, add and remove key slots.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde::Serialize;
use vault_core::crypto::kdf::KdfParams;
use vault_core::secret::SecretString;
use vault_core::slot::{SlotId, SlotKind, SlotRecord};
use vault_core::store::Previous;

use crate::arguments::SourceKind;
use crate::context::Context;
use crate::enrol::{forget, settle, slot_of};
use crate::error::{CommandError, Kind};
use crate::output::finish;
use crate::report::{self, Report};
use crate::vault_access::{VaultAccess, no_vault};

/// List, add and remove the key slots of the vault
#[derive(Debug, Args)]
pub(crate) struct SlotArguments {
    #[command(subcommand)]
    command: SlotCommand,
}

#[derive(Debug, Subcommand)]
enum SlotCommand {
    Add(AddArguments),
    /// List the key slots
    #[command(visible_alias = "ls")]
    List,
    #[command(visible_alias = "delete")]
    Rm(RmArguments),
}

/// Add a key slot
///
/// A new env key or a recovery code is printed on stdout, this once. Where the environment has a key or
/// passphrase already, that one is added.
#[derive(Debug, Args)]
struct AddArguments {
    /// The source of the new key
    #[arg(value_name = "SOURCE")]
    source: SourceKind,
    /// Derive the key of a passphrase with less memory: 64 MiB instead of 256
    #[arg(long)]
    light: bool,
}

/// Remove a key slot; whoever had its key may have kept the vault's root key, which `rekey` replaces
#[derive(Debug, Args)]
struct RmArguments {
    /// The slot's id, or the start of it
    #[arg(value_name = "ID")]
    id: String,
}

/// One slot as it is shown.
#[derive(Debug, Serialize)]
pub(crate) struct SlotRow {
    id: String,
    pub(crate) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_kib: Option<u32>,
    opened_the_vault: bool,
}

impl SlotRow {
    /// Describes a slot; `opened_by` is the one that opened the vault.
    pub(crate) fn new(slot: &SlotRecord, opened_by: Option<SlotId>) -> Self {
        let memory_kib = match slot.kind {
            SlotKind::Passphrase { params, .. } => Some(params.memory_kib()),
            _ => None,
        };
        Self {
            id: slot.id.to_string(),
            kind: slot.kind.name(),
            memory_kib,
            opened_the_vault: opened_by == Some(slot.id),
        }
    }
}

/// Writes slots as lines.
pub(crate) fn write_slots(out: &mut dyn Write, slots: &[SlotRow], indent: &str) -> io::Result<()> {
    for slot in slots {
        let costs = slot.memory_kib.map_or_else(String::new, |kib| format!(" ({} MiB)", kib >> 10));
        let mark = if slot.opened_the_vault { "  opened the vault" } else { "" };
        writeln!(out, "{indent}{}  {}{costs}{mark}", slot.id, slot.kind)?;
    }
    Ok(())
}

/// The slots of the vault.
#[derive(Debug, Serialize)]
struct SlotListReport {
    slots: Vec<SlotRow>,
}

impl Report for SlotListReport {
    fn write_data(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        write_slots(out, &self.slots, "")
    }
}

/// A slot that was added.
#[derive(Debug, Serialize)]
struct SlotAddReport {
    id: String,
    kind: &'static str,
    #[serde(serialize_with = "report::shown_once", skip_serializing_if = "Option::is_none")]
    to_keep: Option<SecretString>,
}

impl Report for SlotAddReport {
    fn write_data(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        match &self.to_keep {
            Some(text) => writeln!(out, "{}", text.expose_secret()),
            None => Ok(()),
        }
    }

    fn summary(&self) -> Option<String> {
        let added = format!("added key slot {} ({})", self.id, self.kind);
        match (&self.to_keep, self.kind) {
            (Some(_), "env") => {
                Some(format!("{added}; set `KEYWARD_VAULT_KEY` to the key above, it is not shown again"))
            }
            (Some(_), _) => Some(format!("{added}; keep the code above on paper, it is not shown again")),
            _ => Some(added),
        }
    }
}

/// A slot that was removed.
#[derive(Debug, Serialize)]
struct SlotRmReport {
    id: String,
    kind: &'static str,
    revoked: bool,
}

impl Report for SlotRmReport {
    fn summary(&self) -> Option<String> {
        let Self { id, kind, .. } = self;
        Some(format!(
            "removed key slot {id} ({kind})\n\
             this is no revocation: whoever had its key may have kept the root key; `keyward rekey` replaces that"
        ))
    }
}

/// Runs one of the three commands.
pub(crate) fn dispatch(ctx: &Context, args: &SlotArguments) -> ExitCode {
    match &args.command {
        SlotCommand::Add(args) => finish(ctx.ui, "slot add", add(ctx, args)),
        SlotCommand::List => finish(ctx.ui, "slot list", list(ctx)),
        SlotCommand::Rm(args) => finish(ctx.ui, "slot rm", rm(ctx, args)),
    }
}

/// Reads the header alone: slots are no secret, and a locked vault needs this most.
fn list(ctx: &Context) -> Result<SlotListReport, CommandError> {
    let locked = VaultAccess::new(ctx)?.open_locked()?;
    let slots = locked.iter().flat_map(|locked| &locked.header().slots);
    Ok(SlotListReport { slots: slots.map(|slot| SlotRow::new(slot, None)).collect() })
}

/// Makes the key first, then writes the slot; what was made for a slot that is not written is taken back.
fn add(ctx: &Context, args: &AddArguments) -> Result<SlotAddReport, CommandError> {
    let access = VaultAccess::new(ctx)?;
    let opened = access.open_existing()?;
    let vault_id = opened.vault.header().vault_id;
    let params = if args.light { KdfParams::LIGHT } else { KdfParams::DEFAULT };
    let slot = slot_of(ctx, &opened.vault, args.source, params)?;
    if let Err(error) = access.change(opened, Previous::Keep, |draft| slot.add_to(draft)) {
        settle(ctx, vault_id, &[slot], error.kind == Kind::NotDurable);
        return Err(error);
    }
    Ok(SlotAddReport { id: slot.id.to_string(), kind: slot.kind.name(), to_keep: slot.to_keep })
}

/// Removes the slot first, then what its source holds.
fn rm(ctx: &Context, args: &RmArguments) -> Result<SlotRmReport, CommandError> {
    let access = VaultAccess::new(ctx)?;
    let locked = access.open_locked()?.ok_or_else(|| no_vault(&access.path()))?;
    let id = slot_id(&locked.header().slots, &args.id)?;
    let opened = access.open_existing()?;
    let vault_id = opened.vault.header().vault_id;
    let removed = access.change(opened, Previous::Drop, |draft| draft.remove_slot(id))?.outcome;
    forget(ctx, vault_id, removed.kind, removed.id);
    Ok(SlotRmReport { id: removed.id.to_string(), kind: removed.kind.name(), revoked: false })
}

/// Finds the one slot whose id starts with `text`.
fn slot_id(slots: &[SlotRecord], text: &str) -> Result<SlotId, CommandError> {
    let mut matching = slots.iter().filter(|slot| !text.is_empty() && slot.id.to_string().starts_with(text));
    match (matching.next(), matching.next()) {
        (Some(slot), None) => Ok(slot.id),
        (Some(_), Some(_)) => Err(CommandError::usage("more than one key slot starts with that id")),
        _ => Err(CommandError::new(Kind::NoSuchSlot, "no key slot has that id")
            .hint("`keyward slot list` shows the slots")),
    }
}
