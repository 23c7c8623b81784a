//! `auth refresh`: exchange the refresh token now, whatever the access token is good for.

use std::time::Duration;

use clap::Args;
use serde::Serialize;
use vault_auth::refresh::Need;

use crate::context::Context;
use crate::credential::{StoredLogin, nobody, stored_login};
use crate::error::{CommandError, Kind, not_signed_in};
use crate::report::Report;
use crate::session_access::{SessionAccess, end_of};
use crate::time::date;

/// Exchange the refresh token of the session for new tokens now
///
/// Commands refresh the session by themselves; this is for seeing that it works, and for a session that should be
/// fresh before a long time without the network. Other scopes need another login: `auth login --scope`.
#[derive(Debug, Args)]
pub(super) struct RefreshArguments {}

/// What came of it.
#[derive(Debug, Serialize)]
pub(super) struct RefreshReport {
    tenant: String,
    refreshed: bool,
    expires_at: Option<String>,
    #[serde(skip)]
    exit_code: u8,
}

impl Report for RefreshReport {
    fn summary(&self) -> Option<String> {
        let Self { tenant, expires_at, .. } = self;
        let ends =
            expires_at.as_ref().map_or_else(String::new, |at| format!(", its token is good until {at}"));
        Some(format!("refreshed the session of tenant '{tenant}'{ends}"))
    }

    fn exit_code(&self) -> u8 {
        self.exit_code
    }
}

/// Refreshes once. Another process that refreshes at the same time does it for this one too.
pub(super) fn run(ctx: &Context, _args: &RefreshArguments) -> Result<RefreshReport, CommandError> {
    if let Some(overriding) = ctx.overriding_credential() {
        let message = format!("{overriding} is set, and is what commands use: it is not refreshed");
        return Err(CommandError::new(Kind::Failed, message).hint("leave it out to refresh the stored login"));
    }
    let access = SessionAccess::new(ctx)?;
    let file = access.open()?.ok_or_else(|| not_signed_in("not signed in"))?;
    let selection = access.select(&file)?;
    let key = selection.session_key();
    let session = match stored_login(&access, &file, &key)? {
        Some(StoredLogin::Session(session)) => session,
        Some(StoredLogin::ApiKey(_)) => {
            return Err(CommandError::new(Kind::Failed, "this login is an API key, which nobody refreshes")
                .hint("`keyward auth status` shows the login"));
        }
        None => return Err(nobody(&selection)),
    };
    let need = Need { min_ttl: Duration::ZERO, refused: Some(session.generation()) };
    let found = access.access(&file, &key, need)?;
    Ok(RefreshReport {
        tenant: key.tenant,
        refreshed: found.refreshed,
        expires_at: end_of(&found.session).map(date),
        exit_code: access.settle(&found),
    })
}
