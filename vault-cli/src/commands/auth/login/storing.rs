//! Storing a login: the session or key first, then the profile, then what it takes the place of is given back.

use std::sync::Arc;

use vault_auth::api_key::StoredApiKey;
use vault_auth::http::HttpClient;
use vault_auth::login::{LoginError, NewLogin, Person, sign_in, sign_out};
use vault_auth::profile::{Profile, ProfileName, Profiles};
use vault_auth::session::SessionKey;
use vault_auth::session_file::SessionFile;
use vault_auth::stored_session::{State, StoredSession};
use vault_auth::token_store::TokenStore;
use vault_core::secret::SecretString;

use super::target::Target;
use crate::error::{CommandError, login_refused, profile_failed, store_failure};
use crate::revoke::{Revoked, revoke, work_off};
use crate::session_access::{LOCK_DEADLINE, SessionAccess, unix_time};

/// Where a login is stored, and by what its predecessor is given back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Storing<'s> {
    pub(super) access: &'s SessionAccess<'s>,
    pub(super) file: &'s SessionFile,
    /// The client, where the network may be used.
    pub(super) http: Option<&'s Arc<HttpClient>>,
}

impl Storing<'_> {
    /// Stores a session. Tokens of somebody else than before are given back instead.
    pub(super) fn session(
        &self,
        new: NewLogin,
        person: Person,
        profile: &ProfileName,
        settings: Profile,
    ) -> Result<StoredSession, CommandError> {
        let before = self.before(&new.key)?;
        let session = match sign_in(self.file, new, person, LOCK_DEADLINE) {
            Ok(session) => session,
            Err(error) => return Err(self.not_stored(error)),
        };
        self.activate(profile, settings)?;
        StoredApiKey::remove(self.file, session.key()).map_err(|error| self.access.failed(error))?;
        self.replace(before.filter(|before| !is_same_grant(before, &session)));
        Ok(session)
    }

    /// Stores an API key in the place of the session that there was.
    pub(super) fn api_key(&self, stored: &StoredApiKey, target: &Target) -> Result<(), CommandError> {
        let key = target.selection.session_key();
        stored.save(self.file, &key).map_err(|error| self.access.failed(error))?;
        let before = sign_out(self.file, &key, LOCK_DEADLINE);
        let before = before.map_err(|failure| store_failure(&self.access.path(), failure))?;
        self.activate(&target.name, target.profile.clone())?;
        self.replace(before);
        Ok(())
    }

    /// Gives back the tokens of a login that is not stored, and returns the error with what came of it.
    pub(super) fn refuse(&self, new: NewLogin, error: CommandError) -> CommandError {
        let NewLogin { key, login, client_secret, tokens } = new;
        self.give_back(&StoredSession::sign_in(key, login, client_secret, tokens, None), error)
    }

    fn give_back(&self, unwanted: &StoredSession, error: CommandError) -> CommandError {
        error.because(match revoke(self.file, self.http, unwanted, unix_time(self.access.ctx)) {
            Ok(Revoked::Done) => "nothing was stored, and the new tokens were revoked".to_owned(),
            Ok(Revoked::Impossible) => {
                "nothing was stored; the provider takes no tokens back, so the new ones are good until they end"
                    .to_owned()
            }
            Ok(Revoked::Queued(why)) => {
                format!("nothing was stored; a later command revokes the new tokens, now it can't: {why}")
            }
            Err(error) => format!("nothing was stored, and the new tokens could not be revoked: {error}"),
        })
    }

    fn not_stored(&self, error: LoginError) -> CommandError {
        let (path, refused) = (self.access.path(), login_refused(&error));
        match error {
            LoginError::NotSaved { failure, .. } if failure.is_written() => store_failure(&path, failure),
            LoginError::NotSaved { failure, session } => {
                self.give_back(&session, store_failure(&path, failure))
            }
            LoginError::OtherPerson { new, .. } => self.refuse(*new, refused),
            LoginError::Store(failure) => store_failure(&path, failure),
            _ => refused,
        }
    }

    /// Returns the session that is to be replaced.
    fn before(&self, key: &SessionKey) -> Result<Option<StoredSession>, CommandError> {
        let before = self.file.load(key).map_err(|failure| store_failure(&self.access.path(), failure))?;
        Ok(before.filter(|before| *before.state() != State::SignedOut))
    }

    /// Writes the profile, and makes it the active one.
    fn activate(&self, name: &ProfileName, settings: Profile) -> Result<(), CommandError> {
        let activated = Profiles::change(self.file, |profiles| {
            profiles.put(name.clone(), settings);
            profiles.switch(name)
        });
        activated.map_err(|error| profile_failed(&self.access.path(), error))
    }

    /// Gives back the tokens that nobody has any more. The login is done, whatever comes of this.
    fn replace(&self, before: Option<StoredSession>) {
        let (ui, now) = (self.access.ctx.ui, unix_time(self.access.ctx));
        let earlier = self.http.map_or(Ok(()), |http| work_off(self.file, http, now));
        match before.map(|before| revoke(self.file, self.http, &before, now)).transpose() {
            Ok(Some(Revoked::Queued(why))) => {
                ui.note(&format!(
                    "a later command revokes the tokens of the login before, now it can't: {why}"
                ));
            }
            Ok(_) => {}
            Err(error) => ui.warn(&format!("the tokens of the login before could not be revoked: {error}")),
        }
        if let Err(error) = earlier {
            ui.warn(&format!("the tokens of earlier logins could not be revoked: {error}"));
        }
    }
}

/// Tells whether two sessions are of one grant: some providers give a person the same tokens again, and to revoke
/// those would end the new session.
fn is_same_grant(before: &StoredSession, after: &StoredSession) -> bool {
    let same = |before: Option<&SecretString>, after: Option<&SecretString>| {
        before.zip(after).is_some_and(|(before, after)| before.expose_secret() == after.expose_secret())
    };
    same(before.refresh_token(), after.refresh_token()) || same(access_token(before), access_token(after))
}

fn access_token(session: &StoredSession) -> Option<&SecretString> {
    session.tokens().map(|tokens| &tokens.access_token)
}
