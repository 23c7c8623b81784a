//! `tenant use`: make a tenant the active one.

use clap::Args;
use serde::Serialize;
use vault_core::name::TenantId;
use vault_core::store::single;

use crate::context::Context;
use crate::error::{CommandError, store_failed};
use crate::report::Report;

/// Make a tenant the one that commands act for, until another one is
///
/// The choice is kept on this machine. Whether somebody is signed in to the tenant is not asked:
/// `keyward auth status` says it.
#[derive(Debug, Args)]
pub(super) struct UseArguments {
    /// The id of the tenant
    #[arg(value_name = "ID")]
    id: TenantId,
}

/// Which tenant is active.
#[derive(Debug, Serialize)]
pub(super) struct UseReport {
    tenant: String,
    /// The file that says so.
    path: String,
    /// What says which tenant is meant, so that the active one is not.
    overridden_by: Option<&'static str>,
}

impl Report for UseReport {
    fn summary(&self) -> Option<String> {
        let mut lines = vec![format!("tenant '{}' is active", self.tenant)];
        let set = |name| format!("{name} is set: it says which tenant is meant, whichever is active");
        lines.extend(self.overridden_by.map(set));
        Some(lines.join("\n"))
    }
}

/// Writes the choice in the place of the one before, whatever that was.
pub(super) fn run(ctx: &Context, args: &UseArguments) -> Result<UseReport, CommandError> {
    let path = ctx.active_tenant_path()?;
    single::write_own(&path, format!("{}\n", args.id).as_bytes()).map_err(|error| store_failed(&error))?;
    Ok(UseReport {
        tenant: args.id.to_string(),
        path: path.display().to_string(),
        overridden_by: ctx.overriding_tenant(),
    })
}
