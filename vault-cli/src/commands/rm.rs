//! `rm`: remove a secret with all its versions.

use clap::Args;
use serde::Serialize;
use vault_core::name::SecretName;
use vault_core::store::Previous;

use crate::commands::completions::secret_names;
use crate::context::Context;
use crate::error::CommandError;
use crate::report::{Report, SecretRef, counted};
use crate::vault_access::{VaultAccess, claim, no_secret};

/// Remove a secret with all its versions
///
/// The previous generation of the vault's file still holds the secret until the next write; `--purge`
/// drops that file too. No copy elsewhere is touched: a key that leaked has to be replaced at its provider.
#[derive(Debug, Args)]
pub(crate) struct RmArguments {
    /// The name of the secret
    #[arg(value_name = "NAME", add = secret_names())]
    name: SecretName,
    /// Drop the previous generation of the file too
    #[arg(long)]
    purge: bool,
}

/// What was removed.
#[derive(Debug, Serialize)]
pub(crate) struct RmReport {
    #[serde(flatten)]
    secret: SecretRef,
    versions: usize,
    purged: bool,
}

impl Report for RmReport {
    fn summary(&self) -> Option<String> {
        let versions = counted(self.versions, "version");
        let removed = format!("removed {} from {} ({versions})", self.secret.name, self.secret.place);
        if self.purged {
            return Some(removed);
        }
        Some(format!(
            "{removed}\nthe previous generation of the vault holds it until the next write; `rm --purge` drops both"
        ))
    }
}

/// Removes the secret from the one scope that is named, or from the workspace.
pub(crate) fn run(ctx: &Context, args: &RmArguments) -> Result<RmReport, CommandError> {
    let place = ctx.place()?;
    let access = VaultAccess::new(ctx)?;
    let Some(opened) = access.open()? else { return Err(no_secret(&args.name, &place)) };
    let scope = place.scope();
    let previous = if args.purge { Previous::Drop } else { Previous::Keep };
    let committed = access.change(opened, previous, |draft| {
        claim(draft, &place)?;
        draft.remove(&scope, &args.name)
    })?;
    Ok(RmReport {
        secret: SecretRef::new(args.name.as_str(), &scope),
        versions: committed.outcome,
        purged: args.purge,
    })
}
