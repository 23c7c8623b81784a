//! What a server says of a credential, for `auth status --verify`: valid, invalid, or that nobody could say. To be
//! offline, or asked to wait, never makes a login invalid.

use std::fmt;

use serde::Serialize;
use vault_auth::address::Address;
use vault_auth::session::SessionKey;
use vault_auth::session_file::SessionFile;
use vault_auth::whoami::Whoami;

use crate::credential::{choose_credential, stored_login};
use crate::error::{CommandError, not_signed_in};
use crate::identity::{Answered, Caller, Unanswered, selection_of};
use crate::session_access::SessionAccess;

/// What came of asking.
#[derive(Debug, Serialize)]
pub(super) struct Verdict {
    state: State,
    /// Who said so.
    by: Option<String>,
    /// Why it is not valid.
    why: Option<String>,
    /// What the command ends with all the same: new tokens that could not be stored are a failure.
    #[serde(skip)]
    pub(super) exit_code: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Invalid,
    Unverified,
    Valid,
}

impl Verdict {
    fn of(asked: Result<Answered<Whoami>, Unanswered>) -> Self {
        let unanswered = match asked {
            Ok(Answered { server, exit_code, .. }) => {
                return Self { state: State::Valid, by: Some(server), why: None, exit_code };
            }
            Err(unanswered) => unanswered,
        };
        let state = if unanswered.is_refusal() { State::Invalid } else { State::Unverified };
        Self { state, by: None, why: Some(CommandError::from(unanswered).message), exit_code: 0 }
    }

    /// Tells whether a server refused.
    pub(super) fn is_invalid(&self) -> bool {
        self.state == State::Invalid
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Invalid => "invalid",
            State::Unverified => "unverified",
            State::Valid => "valid",
        })?;
        match (&self.by, &self.why) {
            (Some(by), _) => write!(f, " (says {by})"),
            (None, Some(why)) => write!(f, " ({why})"),
            (None, None) => Ok(()),
        }
    }
}

/// Asks about the credential of a flag or a variable.
pub(super) fn verify_given(access: &SessionAccess<'_>) -> Result<Verdict, CommandError> {
    access.ctx.check_network(PURPOSE)?;
    let choice = choose_credential(access)?;
    let selection = selection_of(access, &choice)?;
    Ok(Verdict::of(Caller::of_choice(access, &choice, &selection).who()))
}

/// Asks about a login of the file.
pub(super) fn verify_login(
    access: &SessionAccess<'_>,
    file: &SessionFile,
    key: &SessionKey,
    base_url: Option<&str>,
) -> Result<Verdict, CommandError> {
    access.ctx.check_network(PURPOSE)?;
    let login = stored_login(access, file, key)?.ok_or_else(|| not_signed_in("not signed in"))?;
    let base_url = base_url.and_then(|address| Address::parse(address).ok());
    Ok(Verdict::of(Caller::of_login(access, file, &login, base_url).who()))
}

const PURPOSE: &str = "to verify a login";
