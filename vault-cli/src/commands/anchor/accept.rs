//! `anchor accept`: the vault is as it should be, and the anchor is not.

use clap::Args;
use serde::Serialize;
use vault_core::name::escape_deceptive;
use vault_core::store::StoreError;
use vault_core::store::anchor::{Anchor, Standing, State};

use super::{StateRow, sound_state};
use crate::context::Context;
use crate::error::{CommandError, Kind, store_failed};
use crate::report::Report;
use crate::vault_access::VaultAccess;

/// Take the vault as it is for the newest, as after a backup was brought back
///
/// The vault has to open with a key, and an anchor has to be on. What was written after this copy of the vault was
/// made is not in it: secrets that were replaced or removed since are back, and so are key slots.
#[derive(Debug, Args)]
pub(super) struct AcceptArguments {
    /// Do not ask
    #[arg(long, short = 'y')]
    yes: bool,
}

/// What was accepted.
#[derive(Debug, Serialize)]
pub(super) struct AcceptReport {
    path: String,
    /// What the anchor had; nothing where it was damaged.
    before: Option<StateRow>,
    accepted: StateRow,
}

impl Report for AcceptReport {
    fn summary(&self) -> Option<String> {
        let path = escape_deceptive(&self.path);
        Some(format!("the rollback anchor of {path} has {} now", self.accepted))
    }
}

/// Opens the vault first: what no key opens is not accepted. Nothing is asked where anchor and vault agree.
pub(super) fn run(ctx: &Context, args: &AcceptArguments) -> Result<AcceptReport, CommandError> {
    ctx.anchors_directory()?;
    let access = VaultAccess::new(ctx)?;
    let anchor = anchor(&access)?;
    let unheeding = access.unheeding();
    let opened = unheeding.open()?.ok_or_else(|| gone(&access))?;
    let seen = sound_state(&unheeding, &opened)?;
    let agrees = |anchor: &Anchor| matches!(anchor.standing(&seen), Standing::Ahead | Standing::Same);
    if !anchor.as_ref().is_some_and(agrees) {
        confirm(ctx, args, anchor.as_ref().map(Anchor::state), &seen)?;
    }
    let accepted = access.store.accept(&seen).map_err(|error| store_failed(&error))?;
    Ok(AcceptReport {
        path: access.path().display().to_string(),
        before: anchor.as_ref().map(|anchor| StateRow::new(anchor.state())),
        accepted: StateRow::new(accepted.state()),
    })
}

/// Returns the anchor, which has to be on; nothing for one that is damaged.
fn anchor(access: &VaultAccess<'_>) -> Result<Option<Anchor>, CommandError> {
    match access.store.anchor() {
        Ok(Some(anchor)) => Ok(Some(anchor)),
        Ok(None) => {
            let off = format!("the rollback anchor of {} is off", access.path().display());
            Err(CommandError::new(Kind::Failed, off).hint("`keyward anchor on` notes the vault as it is"))
        }
        Err(StoreError::AnchorDamaged { .. }) => Ok(None),
        Err(error) => Err(store_failed(&error)),
    }
}

fn gone(access: &VaultAccess<'_>) -> CommandError {
    store_failed(&StoreError::Gone { vault: access.path() })
}

/// Shows both states, and asks on a terminal; elsewhere `--yes` is the answer.
fn confirm(
    ctx: &Context,
    args: &AcceptArguments,
    before: Option<&State>,
    found: &State,
) -> Result<(), CommandError> {
    match before {
        Some(before) => ctx.ui.note(&format!("the anchor has {before:#}")),
        None => ctx.ui.note("the anchor is damaged"),
    }
    ctx.ui.note(&format!("the vault has  {found:#}"));
    if args.yes {
        return Ok(());
    }
    if !ctx.ui.may_prompt() {
        return Err(CommandError::usage("nobody to ask whether this vault is the right one")
            .hint("`keyward anchor accept --yes` takes it without asking"));
    }
    if ctx.ui.ask_no("Take the vault as it is for the newest?")? {
        return Ok(());
    }
    Err(CommandError::new(Kind::Interrupted, "not accepted; nothing was changed"))
}
