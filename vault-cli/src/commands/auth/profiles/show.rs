//! `auth profiles show`: one profile with all of its settings.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;
use vault_auth::profile::ProfileName;

use super::{ProfileRow, open};
use crate::commands::auth::status::write_row;
use crate::context::Context;
use crate::error::CommandError;
use crate::report::Report;
use crate::session_access::SessionAccess;

/// Show a profile with all of its settings, and who is signed in there
#[derive(Debug, Args)]
pub(super) struct ShowArguments {
    /// The name of the profile
    #[arg(value_name = "NAME", value_parser = ProfileName::parse)]
    name: ProfileName,
}

/// The profile.
#[derive(Debug, Serialize)]
pub(super) struct ShowReport {
    #[serde(flatten)]
    profile: ProfileRow,
}

impl Report for ShowReport {
    fn write_data(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        let ProfileRow { settings, .. } = &self.profile;
        let mut row = |name: &str, value: Option<&str>| write_row(out, name, value);
        let listed = |texts: &[String]| Some(texts.join(", ")).filter(|text| !text.is_empty());
        row("Profile", Some(&self.profile.name))?;
        row("Active", Some(if self.profile.active { "yes" } else { "no" }))?;
        row("Tenant", Some(&self.profile.tenant))?;
        row("Environment", settings.environment.as_deref())?;
        row("Issuer", self.profile.issuer.as_deref())?;
        row("Backend", self.profile.base_url.as_deref())?;
        row("Client", Some(&self.profile.client_id))?;
        row("Scopes", listed(&settings.scopes).as_deref())?;
        row("Audience", settings.audience.as_deref())?;
        row("Roles at", settings.roles_claim.as_deref())?;
        row("Pages at", listed(&settings.verification_hosts).as_deref())?;
        row("Logins at", settings.device_endpoint.as_deref())?;
        row("Tokens at", settings.token_endpoint.as_deref())?;
        row("Revoked at", settings.revocation_endpoint.as_deref())?;
        row("Login", Some(self.profile.login.unwrap_or("none")))?;
        row("Account", self.profile.account.as_deref())
    }
}

/// Reads one profile.
pub(super) fn run(ctx: &Context, args: &ShowArguments) -> Result<ShowReport, CommandError> {
    let access = SessionAccess::new(ctx)?;
    let file = open(&access, &args.name)?;
    let profile = ProfileRow::new(&access, &file, &access.profiles(&file)?, &args.name)?;
    Ok(ShowReport { profile })
}
