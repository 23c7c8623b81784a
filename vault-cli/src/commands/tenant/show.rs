//! `tenant show`: which tenant commands act for, and what says so.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;
use vault_auth::profile::Profiles;
use vault_auth::selection::{Origin, Selection};

use crate::commands::auth::status::source_of;
use crate::context::Context;
use crate::error::CommandError;
use crate::report::Report;
use crate::session_access::SessionAccess;

/// Show which tenant commands act for, and what says so
///
/// The tenant of a profile is that of its logins alone: the secrets are those of `--tenant`, `KEYWARD_TENANT`,
/// `keyward tenant use`, or else of the tenant `default`.
#[derive(Debug, Args)]
pub(super) struct ShowArguments {}

/// The tenant.
#[derive(Debug, Serialize)]
pub(super) struct ShowReport {
    tenant: String,
    source: &'static str,
    /// The tenant whose secrets are meant.
    tenant_of_secrets: String,
}

impl Report for ShowReport {
    fn write_data(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        writeln!(out, "{}", self.tenant)
    }

    fn summary(&self) -> Option<String> {
        let Self { tenant, source, tenant_of_secrets } = self;
        let mut lines = vec![format!("from: {source}")];
        if tenant != tenant_of_secrets {
            lines.push(format!("the secrets are those of tenant '{tenant_of_secrets}': `keyward tenant use {tenant}` makes it one for both"));
        }
        Some(lines.join("\n"))
    }
}

/// Reads what decides.
pub(super) fn run(ctx: &Context) -> Result<ShowReport, CommandError> {
    let tenant_of_secrets = ctx.place()?.tenant.to_string();
    let tenant = current(&SessionAccess::new(ctx)?)?.tenant;
    Ok(ShowReport { tenant: tenant.value, source: source_of(tenant.origin), tenant_of_secrets })
}

/// Returns what is meant. The sealed file is opened only if a profile may say it.
fn current(access: &SessionAccess<'_>) -> Result<Selection, CommandError> {
    let without_profiles = access.ctx.selection_words()?.select(&Profiles::default());
    match without_profiles {
        Ok(found) if found.tenant.origin != Origin::Default => Ok(found),
        without_profiles => match access.open()? {
            Some(file) => access.select(&file),
            None => without_profiles,
        },
    }
}
