//! `auth logout`: remove a login, and give its tokens back.

use clap::Args;
use serde::Serialize;
use vault_auth::api_key::StoredApiKey;
use vault_auth::login;
use vault_auth::revocation_queue::sign_out;
use vault_auth::session::SessionKey;
use vault_auth::session_file::{SessionFile, SessionFileError};

use crate::context::Context;
use crate::error::{CommandError, store_failure};
use crate::network;
use crate::report::Report;
use crate::revoke::{Revoked, revoke_queued, work_off};
use crate::session_access::{SessionAccess, patience, unix_time};

/// Remove the login of this tenant and environment, and revoke its tokens
///
/// The tokens are removed first, then the server is asked to revoke them, for five seconds at most. If it can't be
/// asked, the logout has worked all the same, and a later command asks again. To be signed out already is no error.
#[derive(Debug, Args)]
pub(crate) struct LogoutArguments {
    /// Remove every login of the file
    #[arg(long)]
    all: bool,
    /// Do not ask the server to revoke the tokens: they stay good until they end
    #[arg(long)]
    local_only: bool,
}

/// What was removed.
#[derive(Debug, Serialize)]
pub(crate) struct LogoutReport {
    /// Each login that there was.
    removed: Vec<RemovedRow>,
    /// The file that they were removed from.
    path: String,
    /// A credential that is used all the same.
    still_set: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct RemovedRow {
    tenant: String,
    environment: String,
    method: &'static str,
    /// `revoked`, `queued`, `kept` or `none`.
    revocation: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    queued_because: Option<String>,
}

impl Report for LogoutReport {
    fn summary(&self) -> Option<String> {
        let mut lines: Vec<String> = self.removed.iter().map(|row| row.line(&self.path)).collect();
        if lines.is_empty() {
            lines.push("not signed in: there is nothing to remove".to_owned());
        }
        lines.extend(self.still_set.map(|name| format!("{name} is still set, and is used as before")));
        Some(lines.join("\n"))
    }
}

impl RemovedRow {
    fn line(&self, path: &str) -> String {
        let Self { tenant, method, .. } = self;
        let removed = format!("signed out of tenant '{tenant}': removed the {method} from {path}");
        match (self.revocation, &self.queued_because) {
            ("revoked", _) => format!("{removed}, and the server revoked it"),
            ("queued", Some(why)) => {
                format!("{removed}\nit could not be revoked now ({why}); a later command tries again")
            }
            ("kept", _) => format!("{removed}; the server still takes its tokens until they end"),
            _ => removed,
        }
    }
}

/// Removes one login, or all of them. What can't be read does not keep the others from being removed.
pub(crate) fn run(ctx: &Context, args: &LogoutArguments) -> Result<LogoutReport, CommandError> {
    let access = SessionAccess::new(ctx)?;
    let mut report = LogoutReport {
        removed: Vec::new(),
        path: access.path().display().to_string(),
        still_set: ctx.overriding_credential(),
    };
    let Some(file) = access.open()? else { return Ok(report) };
    let (keys, unreadable) = match args.all {
        true => all_keys(&access, &file)?,
        false => (vec![access.select(&file)?.session_key()], None),
    };
    for key in keys {
        report.removed.extend(remove_session(&access, &file, &key, args)?);
        report.removed.extend(remove_api_key(&file, &key).map_err(|error| access.failed(error))?);
    }
    let is_away = report.removed.iter().any(|row| row.queued_because.is_some());
    if !args.local_only
        && !is_away
        && let Ok(http) = network::client(ctx, REVOKING)
    {
        work_off(&file, &http, unix_time(ctx)).map_err(|error| access.failed(error))?;
    }
    unreadable.map_or(Ok(report), Err)
}

/// Returns which logins there are, and why one could not be read.
fn all_keys(
    access: &SessionAccess<'_>,
    file: &SessionFile,
) -> Result<(Vec<SessionKey>, Option<CommandError>), CommandError> {
    let (sessions, unreadable) = access.sessions(file)?;
    let mut keys: Vec<SessionKey> = sessions.iter().map(|session| session.key().clone()).collect();
    let api_keys = StoredApiKey::all(file).map_err(|error| access.failed(error))?;
    keys.extend(api_keys.into_iter().map(|(key, _)| key));
    keys.sort_unstable();
    keys.dedup();
    Ok((keys, unreadable))
}

/// Leaves a tombstone first: a refresh that ends late can't bring the session back.
fn remove_session(
    access: &SessionAccess<'_>,
    file: &SessionFile,
    key: &SessionKey,
    args: &LogoutArguments,
) -> Result<Option<RemovedRow>, CommandError> {
    let failed = |failure| store_failure(&access.path(), failure);
    let row = RemovedRow::new(key, "session");
    if args.local_only {
        let was = login::sign_out(file, key, patience(access.ctx)).map_err(failed)?;
        return Ok(was.map(|_| RemovedRow { revocation: "kept", ..row }));
    }
    let out = sign_out(file, key, patience(access.ctx), unix_time(access.ctx)).map_err(failed)?;
    let Some(out) = out else { return Ok(None) };
    let Some((name, queued)) = out.queued else { return Ok(Some(row)) };
    // Where the network is forbidden or its settings are wrong, the login is removed all the same.
    let client = network::client(access.ctx, REVOKING);
    let revoked = revoke_queued(file, &client, &name, &queued).map_err(|error| access.failed(error))?;
    Ok(Some(match revoked {
        Revoked::Done => RemovedRow { revocation: "revoked", ..row },
        Revoked::Queued(why) => RemovedRow { revocation: "queued", queued_because: Some(why), ..row },
        Revoked::Impossible => row,
    }))
}

/// A key is revoked by who issued it, not by a device that leaves it.
fn remove_api_key(file: &SessionFile, key: &SessionKey) -> Result<Option<RemovedRow>, SessionFileError> {
    if StoredApiKey::load(file, key)?.is_none() {
        return Ok(None);
    }
    StoredApiKey::remove(file, key)?;
    Ok(Some(RemovedRow::new(key, "API key")))
}

impl RemovedRow {
    fn new(key: &SessionKey, method: &'static str) -> Self {
        let (tenant, environment) = (key.tenant.clone(), key.environment.clone());
        Self { tenant, environment, method, revocation: "none", queued_because: None }
    }
}

/// Why the network is used, should it be forbidden.
const REVOKING: &str = "to revoke tokens";
