//! `auth profiles set`: change settings of a profile, all of them or none.

use clap::Args;
use serde::Serialize;
use vault_auth::profile::{ProfileName, Profiles};
use vault_core::name::TenantId;

use super::{ProfileRow, meaning, open};
use crate::context::Context;
use crate::error::{CommandError, profile_failed};
use crate::report::Report;
use crate::session_access::SessionAccess;

/// Change settings of a profile, as in `base-url=https://api.example.com`
///
/// The settings: `env`, `issuer`, `base-url`, `tenant`, `client-id`, `scopes`, `audience`, `roles-claim` (where roles
/// stand in the ID token, as in /realm_access/roles), `verification-hosts` (hosts other than the issuer's whose pages
/// a login may open), and for a provider without discovery `device-endpoint`, `token-endpoint` and
/// `revocation-endpoint`. Lists are separated by commas; nothing after the `=` removes the setting. A login is for
/// one tenant, client, issuer and backend: with another one, the profile names another login.
#[derive(Debug, Args)]
pub(super) struct SetArguments {
    /// The name of the profile
    #[arg(value_name = "NAME", value_parser = ProfileName::parse)]
    name: ProfileName,
    /// What to change
    #[arg(value_name = "KEY=VALUE", required = true, value_parser = setting)]
    settings: Vec<(String, String)>,
}

/// What the profile is now.
#[derive(Debug, Serialize)]
pub(super) struct SetReport {
    #[serde(flatten)]
    profile: ProfileRow,
}

impl Report for SetReport {
    fn summary(&self) -> Option<String> {
        let ProfileRow { name, login, .. } = &self.profile;
        let changed = format!("profile {name} is for {}", self.profile.place());
        Some(match login {
            Some(_) => changed,
            None => {
                format!(
                    "{changed}\nnobody is signed in there: `keyward auth login --profile {name}` does that"
                )
            }
        })
    }
}

/// Changes the settings, if the profile can be used with them.
pub(super) fn run(ctx: &Context, args: &SetArguments) -> Result<SetReport, CommandError> {
    let access = SessionAccess::new(ctx)?;
    let file = open(&access, &args.name)?;
    let failed = |error| profile_failed(&access.path(), error);
    let apply = |profiles: &mut Profiles| {
        args.settings.iter().try_for_each(|(key, value)| profiles.set(&args.name, key, value))
    };
    let mut planned = access.profiles(&file)?;
    apply(&mut planned).map_err(failed)?;
    check(&args.name, &planned)?;
    let profiles =
        Profiles::change(&file, |profiles| apply(profiles).map(|()| profiles.clone())).map_err(failed)?;
    Ok(SetReport { profile: ProfileRow::new(&access, &file, &profiles, &args.name)? })
}

/// Checks that a command with the profile would know what it means.
fn check(name: &ProfileName, planned: &Profiles) -> Result<(), CommandError> {
    let tenant = meaning(name, planned)?.tenant.value;
    TenantId::parse(&tenant).map(drop).map_err(|error| {
        CommandError::usage("the tenant can't be used").caused_by(&error).hint("nothing was changed")
    })
}

fn setting(text: &str) -> Result<(String, String), &'static str> {
    let (key, value) = text.split_once('=').ok_or("it is KEY=VALUE, such as tenant=acme")?;
    Ok((key.to_owned(), value.to_owned()))
}
