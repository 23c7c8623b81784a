//! `rollback`: make an earlier value the current one.

use clap::Args;
use serde::Serialize;
use vault_core::name::SecretName;
use vault_core::store::Previous;

use crate::commands::completions::secret_names;
use crate::context::Context;
use crate::error::CommandError;
use crate::report::{Report, SecretRef};
use crate::vault_access::{VaultAccess, claim, no_secret};

/// Make an earlier value of a secret the current one, as a new version
#[derive(Debug, Args)]
pub(crate) struct RollbackArguments {
    /// The name of the secret
    #[arg(value_name = "NAME", add = secret_names())]
    name: SecretName,
    /// The version to bring back, as `history` lists them
    #[arg(long, value_name = "N")]
    to: u32,
}

/// What became current.
#[derive(Debug, Serialize)]
pub(crate) struct RollbackReport {
    #[serde(flatten)]
    secret: SecretRef,
    from_version: u32,
    version: u32,
}

impl Report for RollbackReport {
    fn summary(&self) -> Option<String> {
        let Self { secret: SecretRef { name, place, .. }, version, from_version } = self;
        Some(format!("rolled back {name} in {place} to version {from_version} (now version {version})"))
    }
}

/// Stores the value of the earlier version once more.
pub(crate) fn run(ctx: &Context, args: &RollbackArguments) -> Result<RollbackReport, CommandError> {
    let place = ctx.place()?;
    let access = VaultAccess::new(ctx)?;
    let Some(opened) = access.open()? else { return Err(no_secret(&args.name, &place)) };
    let scope = place.scope();
    let committed = access.change(opened, Previous::Keep, |draft| {
        claim(draft, &place)?;
        draft.rollback(&scope, &args.name, args.to, ctx.now)
    })?;
    Ok(RollbackReport {
        secret: SecretRef::new(args.name.as_str(), &scope),
        from_version: args.to,
        version: committed.outcome.version,
    })
}
