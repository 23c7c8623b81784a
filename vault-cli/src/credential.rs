//! The credential of a command: given by flag or environment, or stored by a login.

use vault_auth::api_key::StoredApiKey;
use vault_auth::credential::{Choice, CredentialOrigin, choose};
use vault_auth::selection::Selection;
use vault_auth::session::SessionKey;
use vault_auth::session_file::SessionFile;
use vault_auth::stored_session::{State, StoredSession};
use vault_auth::token_store::TokenStore;

use crate::context::Context;
use crate::error::{CommandError, credential_failed, not_signed_in, store_failure};
use crate::session_access::SessionAccess;

/// What a login left.
#[derive(Debug)]
pub(crate) enum StoredLogin {
    /// An API key.
    ApiKey(Box<StoredApiKey>),
    /// A session, with tokens.
    Session(Box<StoredSession>),
}

/// A stored login with all that leads to it.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) file: SessionFile,
    pub(crate) selection: Selection,
    pub(crate) login: StoredLogin,
}

/// Chooses the credential of a command. Nothing stored is read where one is given.
pub(crate) fn choose_credential(access: &SessionAccess<'_>) -> Result<Choice<Stored>, CommandError> {
    let choice = choose(access.ctx.given_credentials()?, || load(access));
    let choice = choice.map_err(|error| credential_failed(error, |error| error.0))?;
    warn_of_passed_over(access.ctx, &choice);
    Ok(choice)
}

/// Reads the stored login that is meant.
fn load(access: &SessionAccess<'_>) -> Result<Option<Stored>, Unreadable> {
    let Some(file) = access.open().map_err(Unreadable)? else { return Ok(None) };
    let selection = access.select(&file).map_err(Unreadable)?;
    let login = stored_login(access, &file, &selection.session_key()).map_err(Unreadable)?;
    let login = login.ok_or_else(|| Unreadable(nobody(&selection)))?;
    Ok(Some(Stored { file, selection, login }))
}

/// Returns what the login of a tenant, client and environment left; `None` where nobody is signed in.
pub(crate) fn stored_login(
    access: &SessionAccess<'_>,
    file: &SessionFile,
    key: &SessionKey,
) -> Result<Option<StoredLogin>, CommandError> {
    let session = file.load(key).map_err(|failure| store_failure(&access.path(), failure))?;
    if let Some(session) = session.filter(|session| *session.state() != State::SignedOut) {
        return Ok(Some(StoredLogin::Session(Box::new(session))));
    }
    let api_key = StoredApiKey::load(file, key).map_err(|error| access.failed(error))?;
    Ok(api_key.map(|api_key| StoredLogin::ApiKey(Box::new(api_key))))
}

/// Makes the error of a selection that nobody is signed in to.
pub(crate) fn nobody(selection: &Selection) -> CommandError {
    let at = selection.issuer.as_ref().or(selection.base_url.as_ref());
    let at = at.map_or_else(String::new, |at| format!(" at {}", at.value));
    not_signed_in(format!("not signed in to tenant '{}'{at}", selection.tenant.value))
}

fn warn_of_passed_over<S>(ctx: &Context, choice: &Choice<S>) {
    if let Some(passed_over) = choice.passed_over.map(CredentialOrigin::name) {
        let used = choice.origin.name();
        ctx.ui.warn(&format!("{used} and {passed_over} are both set and differ; {used} is used"));
    }
}

/// An error on its way through the library, which does not look into it.
#[derive(Debug)]
struct Unreadable(CommandError);

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Unreadable {}
