//! `init`: make a vault, and bind a directory to its workspace.

use clap::Args;
use serde::Serialize;
use vault_core::crypto::kdf::KdfParams;
use vault_core::name::escape_deceptive;
use vault_core::store::Previous;

use crate::arguments::SourceKind;
use crate::context::{Context, Place};
use crate::enrol::Creation;
use crate::error::{CommandError, commit_failed};
use crate::report::Report;
use crate::vault_access::{VaultAccess, bind, claim};

/// Make a vault, or bind this directory to its workspace
///
/// Not needed to start: the first `put` makes a vault too. The key comes from the first source that
/// works, in the order keyring, environment, machine.
#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    /// The source of the key that opens the vault
    #[arg(long, value_name = "SOURCE")]
    source: Option<SourceKind>,
    /// Derive the key of a passphrase with less memory: 64 MiB instead of 256
    #[arg(long)]
    light: bool,
    /// Let this directory use the workspace that its `.keyward.toml` names, even if others use it
    #[arg(long)]
    bind: bool,
}

/// What there is now.
#[derive(Debug, Serialize)]
pub(crate) struct InitReport {
    path: String,
    created: bool,
    bound: Option<String>,
    workspace: String,
}

impl Report for InitReport {
    fn summary(&self) -> Option<String> {
        let bound =
            self.bound.as_ref().map(|directory| format!("{directory} uses workspace {}", self.workspace));
        let there =
            (!self.created).then(|| format!("there is a vault at {} already", escape_deceptive(&self.path)));
        let lines: Vec<String> = there.into_iter().chain(bound).collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }
}

/// Makes the vault where there is none, and binds where a `.keyward.toml` asks for it.
pub(crate) fn run(ctx: &Context, args: &InitArguments) -> Result<InitReport, CommandError> {
    let place = ctx.place()?;
    let access = VaultAccess::new(ctx)?;
    let created = match access.open_locked()? {
        Some(_) => {
            bind_existing(&access, &place, args.bind)?;
            false
        }
        None => {
            let params = if args.light { KdfParams::LIGHT } else { KdfParams::DEFAULT };
            let creation = Creation::prepare(ctx, args.source, params)?;
            creation
                .commit(&access.store, |draft| claim(draft, &place))
                .map_err(|error| commit_failed(&access.path(), error))?;
            true
        }
    };
    Ok(InitReport {
        path: access.path().display().to_string(),
        created,
        bound: place.claimed_by.as_ref().map(|directory| directory.display().to_string()),
        workspace: place.workspace.to_string(),
    })
}

/// Binds a directory that claims a workspace; without a claim nothing is opened or written.
fn bind_existing(access: &VaultAccess<'_>, place: &Place, even_if_used: bool) -> Result<(), CommandError> {
    if place.claimed_by.is_none() {
        return Ok(());
    }
    let opened = access.open_existing()?;
    access.change(opened, Previous::Keep, |draft| {
        if even_if_used { bind(draft, place) } else { claim(draft, place) }
    })?;
    Ok(())
}
