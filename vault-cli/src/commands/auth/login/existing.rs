//! The login that is there already, where nobody could approve another one: the guard of a pipeline.

use vault_auth::profile::Profiles;
use vault_auth::stored_session::StoredSession;

use super::signed_in::SignedInReport;
use super::target::{Target, TargetArguments};
use crate::credential::{StoredLogin, stored_login};
use crate::error::{CommandError, not_signed_in};
use crate::session_access::{SessionAccess, unix_time};

/// Finds the login that is meant. No server is asked, no file is made, and nobody is asked for a passphrase.
pub(super) fn find(
    access: &SessionAccess<'_>,
    args: &TargetArguments,
) -> Result<SignedInReport, CommandError> {
    let Some(file) = access.open_quietly()? else { return Err(nobody_to_ask()) };
    let profiles: Profiles = access.profiles(&file)?;
    let target = Target::choose(access.ctx, args, &profiles)?;
    let key = target.selection.session_key();
    let report = match stored_login(access, &file, &key)? {
        Some(StoredLogin::Session(session)) if is_usable(&session, unix_time(access.ctx)) => {
            SignedInReport::of_session(access, &session, &target.name)
        }
        Some(StoredLogin::ApiKey(stored)) => SignedInReport::of_api_key(access, &stored, &target),
        _ => return Err(nobody_to_ask()),
    };
    Ok(report.of_before())
}

/// Tells whether a session gives a token, now or after a refresh.
fn is_usable(session: &StoredSession, now: i64) -> bool {
    session.has_live_token(now) || session.live_refresh_token().is_some()
}

fn nobody_to_ask() -> CommandError {
    not_signed_in("not signed in, and nobody is there to approve a login").hint(
        "`keyward auth login --begin` prints what somebody else can approve; for scripts, set `KEYWARD_API_KEY`",
    )
}
