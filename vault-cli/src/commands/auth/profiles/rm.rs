//! `auth profiles rm`: remove a profile and keep the login that it names.

use clap::Args;
use serde::Serialize;
use vault_auth::profile::{Profile, ProfileName, Profiles};

use super::{meaning, open};
use crate::context::Context;
use crate::credential::stored_login;
use crate::error::{CommandError, profile_failed};
use crate::report::Report;
use crate::session_access::SessionAccess;

/// Remove a profile; the login that it names stays
///
/// To sign out too, do that first: `keyward auth logout --profile NAME`.
#[derive(Debug, Args)]
pub(super) struct RmArguments {
    /// The name of the profile
    #[arg(value_name = "NAME", value_parser = ProfileName::parse)]
    name: ProfileName,
}

/// What was removed.
#[derive(Debug, Serialize)]
pub(super) struct RmReport {
    name: String,
    /// Whether it was the active one; then none is.
    was_active: bool,
    /// Whether the login that it named is still there.
    login_kept: bool,
    /// How to end that login.
    #[serde(skip)]
    logout: String,
}

impl Report for RmReport {
    fn summary(&self) -> Option<String> {
        let mut lines = vec![format!("removed profile {}", self.name)];
        if self.login_kept {
            lines.push(format!("its login stays: {}", self.logout));
        }
        if self.was_active {
            lines.push("no profile is active now: `keyward auth switch NAME` makes one so".to_owned());
        }
        Some(lines.join("\n"))
    }
}

/// Removes the name alone.
pub(super) fn run(ctx: &Context, args: &RmArguments) -> Result<RmReport, CommandError> {
    let access = SessionAccess::new(ctx)?;
    let file = open(&access, &args.name)?;
    let removed = Profiles::change(&file, |profiles| {
        let (before, was_active) = (profiles.clone(), profiles.active() == Some(&args.name));
        profiles.remove(&args.name).map(|profile| (before, was_active, profile))
    });
    let (before, was_active, profile) = removed.map_err(|error| profile_failed(&access.path(), error))?;
    // A profile whose addresses can't be used names no login that anybody could find.
    let login_kept = match meaning(&args.name, &before) {
        Ok(selection) => stored_login(&access, &file, &selection.session_key())?.is_some(),
        Err(_) => false,
    };
    Ok(RmReport { name: args.name.to_string(), was_active, login_kept, logout: logout(&profile) })
}

/// Says how to end the login of a profile that is gone: its environment leads there, other addresses only a profile
/// has.
fn logout(profile: &Profile) -> String {
    let Profile { environment, issuer, base_url, client_id, tenant, .. } = profile;
    match (environment, issuer, base_url, client_id) {
        (Some(host), None, None, None) => {
            let tenant = tenant.as_ref().map_or_else(String::new, |tenant| format!(" --tenant {tenant}"));
            format!("`keyward auth logout --env {host}{tenant}` ends it")
        }
        _ => "`keyward auth logout --all` ends every login".to_owned(),
    }
}
