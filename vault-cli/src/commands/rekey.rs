//! `rekey`: a new root key, which takes access away from every key that was ever given out.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;
use vault_core::crypto::kdf::KdfParams;
use vault_core::secret::SecretString;
use vault_core::slot::{SlotId, SlotKind, SlotRecord};
use vault_core::source::machine::{self, MachineError};
use vault_core::source::supply::EnvSupply;
use vault_core::vault::UnlockedVault;

use crate::context::Context;
use crate::enrol::{NewSlot, forget, new_passphrase, settle};
use crate::error::{CommandError, Kind};
use crate::report::{self, Report};
use crate::vault_access::VaultAccess;

/// Replace the root key and seal every value again: this revokes keys that leaked
///
/// Every slot gets a new key: a new env key and a new recovery code are printed on stdout, this once; a
/// new passphrase is asked for. Slots whose source is not at hand (another machine's, a keyring that is
/// not there) stop the command unless `--drop` gives them up. Values that leaked have to be replaced at
/// their providers: rekey protects what is stored from now on.
#[derive(Debug, Args)]
pub(crate) struct RekeyArguments {
    /// Keep the key of the env slots, or the passphrase, instead of a new one
    #[arg(long, value_name = "KIND", value_parser = ["env", "passphrase"])]
    keep_secret: Vec<String>,
    /// Give up the slots whose source is not at hand
    #[arg(long)]
    drop: bool,
}

/// What is new.
#[derive(Debug, Serialize)]
pub(crate) struct RekeyReport {
    epoch: u64,
    slots: Vec<RenewedSlot>,
    dropped: Vec<String>,
}

/// A slot with its new key.
#[derive(Debug, Serialize)]
struct RenewedSlot {
    id: String,
    kind: &'static str,
    #[serde(serialize_with = "report::shown_once", skip_serializing_if = "Option::is_none")]
    to_keep: Option<SecretString>,
}

impl Report for RekeyReport {
    fn write_data(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        for slot in &self.slots {
            if let Some(text) = &slot.to_keep {
                writeln!(out, "{}\t{}", slot.kind, text.expose_secret())?;
            }
        }
        Ok(())
    }

    fn summary(&self) -> Option<String> {
        let kinds: Vec<&str> = self.slots.iter().map(|slot| slot.kind).collect();
        let mut lines = vec![format!("rekeyed: root key {}, key slots: {}", self.epoch, kinds.join(", "))];
        lines.extend(self.dropped.iter().map(|slot| format!("dropped key slot {slot}")));
        if self.slots.iter().any(|slot| slot.to_keep.is_some()) {
            lines.push(
                "keep the lines above, they are not shown again; the old keys and codes are void".to_owned(),
            );
        }
        Some(lines.join("\n"))
    }
}

/// Makes every new slot key first, then writes the vault, then removes the old keys.
pub(crate) fn run(ctx: &Context, args: &RekeyArguments) -> Result<RekeyReport, CommandError> {
    let access = VaultAccess::new(ctx)?;
    let opened = access.open_existing()?;
    let vault_id = opened.vault.header().vault_id;
    let old = opened.vault.header().slots.clone();
    let Renewal { new, dropped } = renew(ctx, args, &opened.vault)?;
    let is_refused = !dropped.is_empty() && !args.drop;
    if is_refused || new.is_empty() {
        settle(ctx, vault_id, &new, false);
        return Err(not_at_hand(&dropped));
    }
    let known: Vec<SlotId> = old.iter().map(|slot| slot.id).collect();
    let committed = access.rekey(opened, &known, |draft| new.iter().try_for_each(|slot| slot.add_to(draft)));
    let header = match committed {
        Ok(header) => header,
        Err(error) => {
            settle(ctx, vault_id, &new, error.kind == Kind::NotDurable);
            return Err(error);
        }
    };
    old.iter()
        .filter(|slot| !dropped.contains(slot))
        .for_each(|slot| forget(ctx, vault_id, slot.kind, slot.id));
    let slots = new.into_iter().map(|slot| RenewedSlot {
        id: slot.id.to_string(),
        kind: slot.kind.name(),
        to_keep: slot.to_keep,
    });
    Ok(RekeyReport {
        epoch: header.epoch,
        slots: slots.collect(),
        dropped: dropped.iter().map(shown).collect(),
    })
}

/// The new slots, and the old ones that get none.
struct Renewal {
    new: Vec<NewSlot>,
    dropped: Vec<SlotRecord>,
}

fn renew(ctx: &Context, args: &RekeyArguments, vault: &UnlockedVault) -> Result<Renewal, CommandError> {
    let mut renewal = Renewal { new: Vec::new(), dropped: Vec::new() };
    for slot in &vault.header().slots {
        match renew_slot(ctx, args, vault, slot) {
            Ok(Some(new)) => renewal.new.push(new),
            Ok(None) => renewal.dropped.push(slot.clone()),
            Err(error) => {
                settle(ctx, vault.header().vault_id, &renewal.new, false);
                return Err(error);
            }
        }
    }
    Ok(renewal)
}

/// Makes the slot that follows `slot`; `None` where its source is not at hand.
fn renew_slot(
    ctx: &Context,
    args: &RekeyArguments,
    vault: &UnlockedVault,
    slot: &SlotRecord,
) -> Result<Option<NewSlot>, CommandError> {
    let keeps = |kind: &str| args.keep_secret.iter().any(|kept| kept == kind);
    let vault_id = vault.header().vault_id;
    match slot.kind {
        SlotKind::Keyring => Ok(NewSlot::keyring(ctx, vault_id).ok()),
        SlotKind::Machine => match machine::load(&ctx.machine_directory()?, vault_id, slot.id) {
            Ok(_) => NewSlot::machine(ctx, vault_id, &machine::canonical_hostname()).map(Some),
            Err(error @ MachineError::Io { .. }) => Err(unreadable_seed(&error)),
            Err(_) => Ok(None),
        },
        SlotKind::Recovery => Ok(Some(NewSlot::recovery())),
        SlotKind::Env if keeps("env") => Ok(kept_env(ctx, vault, slot)),
        SlotKind::Env => Ok(Some(NewSlot::new_env())),
        SlotKind::Passphrase { params, .. } if keeps("passphrase") => {
            kept_passphrase(ctx, vault, slot, params)
        }
        SlotKind::Passphrase { params, .. } if ctx.ui.may_prompt() => {
            NewSlot::passphrase(&new_passphrase(ctx, vault)?, params).map(Some)
        }
        SlotKind::Passphrase { .. } => Ok(None),
    }
}

/// A seed that can't be read now is not one that is gone: `--drop` must not give its slot up.
fn unreadable_seed(error: &MachineError) -> CommandError {
    CommandError::new(Kind::Failed, "cannot read the seed of a machine slot")
        .caused_by(error)
        .hint("nothing was changed; run the command again, or `keyward slot rm ID` to give the slot up")
}

/// Takes the env key over if the environment has it.
fn kept_env(ctx: &Context, vault: &UnlockedVault, slot: &SlotRecord) -> Option<NewSlot> {
    let mut supplies =
        ctx.environment_keys().into_iter().map(EnvSupply::new).filter(|supply| !supply.is_passphrase());
    supplies.find_map(|mut supply| vault.key_of(slot, &mut supply)).map(NewSlot::env)
}

/// Takes the passphrase over if the environment has it, with a new salt.
fn kept_passphrase(
    ctx: &Context,
    vault: &UnlockedVault,
    slot: &SlotRecord,
    params: KdfParams,
) -> Result<Option<NewSlot>, CommandError> {
    let supplies = ctx.environment_keys().into_iter().map(EnvSupply::new).filter(EnvSupply::is_passphrase);
    for mut supply in supplies {
        if vault.key_of(slot, &mut supply).is_some() {
            return supply.passphrase().map(|passphrase| NewSlot::passphrase(passphrase, params)).transpose();
        }
    }
    Ok(None)
}

fn not_at_hand(dropped: &[SlotRecord]) -> CommandError {
    let mut error =
        CommandError::new(Kind::Refused, "some key slots can't be renewed here; nothing was changed");
    for slot in dropped {
        error = error.because(format!("the source of slot {} is not at hand", shown(slot)));
    }
    error.hint("`--drop` gives these slots up; `keyward slot add` makes others first")
}

fn shown(slot: &SlotRecord) -> String {
    format!("{} ({})", slot.id, slot.kind.name())
}
