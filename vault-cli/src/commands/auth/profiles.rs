//! `auth profiles`: names for logins, with what a login of them needs. One file a command; here is what they share.

pub(super) mod list;
mod rename;
mod rm;
mod set;
mod show;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde::Serialize;
use vault_auth::address::Address;
use vault_auth::profile::{Profile, ProfileError, ProfileName, Profiles};
use vault_auth::selection::{Asked, Chosen, Given, Selection, select};
use vault_auth::session_file::SessionFile;

use crate::context::Context;
use crate::credential::{StoredLogin, stored_login};
use crate::error::{CommandError, profile_failed, selection_failed};
use crate::output::finish;
use crate::session_access::SessionAccess;

/// List, show, rename, remove and change profiles
///
/// A profile is a name for a tenant, an OAuth client and an environment, with what a login there needs. Every login
/// makes one. To remove a profile leaves the login that it names.
#[derive(Debug, Args)]
pub(super) struct ProfilesArguments {
    #[command(subcommand)]
    command: ProfilesCommand,
}

#[derive(Debug, Subcommand)]
enum ProfilesCommand {
    #[command(visible_alias = "ls")]
    List(list::ListArguments),
    Show(show::ShowArguments),
    #[command(visible_alias = "mv")]
    Rename(rename::RenameArguments),
    #[command(visible_alias = "delete")]
    Rm(rm::RmArguments),
    Set(set::SetArguments),
}

/// Runs one of the commands.
pub(super) fn dispatch(ctx: &Context, args: &ProfilesArguments) -> ExitCode {
    match &args.command {
        ProfilesCommand::List(_) => finish(ctx.ui, "auth profiles list", list::run(ctx)),
        ProfilesCommand::Show(args) => finish(ctx.ui, "auth profiles show", show::run(ctx, args)),
        ProfilesCommand::Rename(args) => finish(ctx.ui, "auth profiles rename", rename::run(ctx, args)),
        ProfilesCommand::Rm(args) => finish(ctx.ui, "auth profiles rm", rm::run(ctx, args)),
        ProfilesCommand::Set(args) => finish(ctx.ui, "auth profiles set", set::run(ctx, args)),
    }
}

/// A profile as it is shown: what it means, defaults included, and whether somebody is signed in there.
#[derive(Debug, Serialize)]
pub(super) struct ProfileRow {
    pub(super) name: String,
    pub(super) active: bool,
    pub(super) tenant: String,
    pub(super) issuer: Option<String>,
    pub(super) base_url: Option<String>,
    pub(super) client_id: String,
    /// What is written in the profile.
    pub(super) settings: Profile,
    /// `session` or `API key`; `None` where nobody is signed in.
    pub(super) login: Option<&'static str>,
    pub(super) account: Option<String>,
}

impl ProfileRow {
    /// Describes a profile.
    pub(super) fn new(
        access: &SessionAccess<'_>,
        file: &SessionFile,
        profiles: &Profiles,
        name: &ProfileName,
    ) -> Result<Self, CommandError> {
        let missing = || profile_failed(&access.path(), ProfileError::NoSuchProfile(name.clone()));
        let profile = profiles.get(name).ok_or_else(missing)?;
        let selection = meaning(name, profiles)?;
        let login = stored_login(access, file, &selection.session_key())?;
        let (login, account) = login.as_ref().map(described).unzip();
        let shown = |chosen: Option<Chosen<Address>>| chosen.map(|chosen| chosen.value.as_str().to_owned());
        Ok(Self {
            name: name.to_string(),
            active: profiles.active() == Some(name),
            tenant: selection.tenant.value,
            issuer: shown(selection.issuer),
            base_url: shown(selection.base_url),
            client_id: selection.client_id.value,
            settings: profile.clone(),
            login,
            account: account.flatten(),
        })
    }

    /// Describes where the profile leads, in words.
    pub(super) fn place(&self) -> String {
        let servers = self.base_url.as_ref().or(self.issuer.as_ref());
        let at = servers.map_or_else(String::new, |address| format!(" at {address}"));
        format!("tenant '{}'{at}", self.tenant)
    }
}

fn described(login: &StoredLogin) -> (&'static str, Option<String>) {
    match login {
        StoredLogin::ApiKey(stored) => {
            let facts = &stored.facts;
            ("API key", facts.email.clone().or_else(|| facts.user_id.clone()))
        }
        StoredLogin::Session(session) => {
            let user = &session.login().user;
            ("session", user.email.clone().or_else(|| user.subject.clone()))
        }
    }
}

/// Returns which login a profile names.
pub(super) fn meaning(name: &ProfileName, profiles: &Profiles) -> Result<Selection, CommandError> {
    let asked = Asked { profile: Given { flag: Some(name.as_str()), variable: None }, ..Asked::default() };
    select(&asked, profiles).map_err(|error| selection_failed(&error))
}

/// Opens the file for a command that needs a profile of it.
fn open(access: &SessionAccess<'_>, name: &ProfileName) -> Result<SessionFile, CommandError> {
    let missing = || profile_failed(&access.path(), ProfileError::NoSuchProfile(name.clone()));
    access.open()?.ok_or_else(missing)
}
