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
    /// Remove it even if connections refer to it
    #[arg(long)]
    force: bool,
}

/// What was removed.
#[derive(Debug, Serialize)]
pub(crate) struct RmReport {
    #[serde(flatten)]
    secret: SecretRef,
    versions: usize,
    purged: bool,
    broken_connections: Vec<String>,
}

impl Report for RmReport {
    fn summary(&self) -> Option<String> {
        let versions = counted(self.versions, "version");
        let mut removed = format!("removed {} from {} ({versions})", self.secret.name, self.secret.place);
        if !self.broken_connections.is_empty() {
            let broken = self.broken_connections.join(", ");
            removed = format!("{removed}\nthese connections refer to nothing now: {broken}");
        }
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
        let users = if args.force {
            draft.uses(&scope, &args.name)?
        } else {
            draft.check_unused(&scope, &args.name)?;
            Vec::new()
        };
        Ok((draft.remove(&scope, &args.name)?, users))
    })?;
    let (versions, users) = committed.outcome;
    Ok(RmReport {
        secret: SecretRef::new(args.name.as_str(), &scope),
        versions,
        purged: args.purge,
        broken_connections: users.iter().map(ToString::to_string).collect(),
    })
}
