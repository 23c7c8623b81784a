//! `auth profiles rename`: give a profile another name.

use clap::Args;
use serde::Serialize;
use vault_auth::profile::{ProfileName, Profiles};

use super::open;
use crate::context::Context;
use crate::error::{CommandError, profile_failed};
use crate::report::Report;
use crate::session_access::SessionAccess;

/// Give a profile another name; the login that it names stays as it is
#[derive(Debug, Args)]
pub(super) struct RenameArguments {
    /// The name that it has
    #[arg(value_name = "FROM", value_parser = ProfileName::parse)]
    from: ProfileName,
    /// The name that it gets
    #[arg(value_name = "TO", value_parser = ProfileName::parse)]
    to: ProfileName,
}

/// What was renamed.
#[derive(Debug, Serialize)]
pub(super) struct RenameReport {
    from: String,
    to: String,
}

impl Report for RenameReport {
    fn summary(&self) -> Option<String> {
        let Self { from, to } = self;
        Some(format!("profile {from} is called {to} now"))
    }
}

/// Changes the name alone.
pub(super) fn run(ctx: &Context, args: &RenameArguments) -> Result<RenameReport, CommandError> {
    let access = SessionAccess::new(ctx)?;
    let file = open(&access, &args.from)?;
    let renamed = Profiles::change(&file, |profiles| profiles.rename(&args.from, args.to.clone()));
    renamed.map_err(|error| profile_failed(&access.path(), error))?;
    Ok(RenameReport { from: args.from.to_string(), to: args.to.to_string() })
}
