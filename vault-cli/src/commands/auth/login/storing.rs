//! Storing a login: the session or key first, then the profile, then what it takes the place of is given back.

use std::time::Duration;

use vault_auth::api_key::StoredApiKey;
use vault_auth::clock::UnixTime;
use vault_auth::login::{LoginError, NewLogin, Person, SignedIn, sign_in};
use vault_auth::profile::{Profile, ProfileName, Profiles};
use vault_auth::revocation_queue::sign_out;
use vault_auth::session_file::{SessionFile, SessionFileError};
use vault_auth::stored_session::StoredSession;

use super::target::Target;
use crate::error::{CommandError, login_refused, profile_failed, store_failure};
use crate::revoke::{Client, Revoked, revoke, revoke_queued, work_off};
use crate::session_access::{SessionAccess, patience, unix_time};

/// Where a login is stored, and by what its predecessor is given back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Storing<'s> {
    pub(super) access: &'s SessionAccess<'s>,
    pub(super) file: &'s SessionFile,
    /// The client, where the network may be used.
    pub(super) client: &'s Client,
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
        let SignedIn { session, displaced } =
            sign_in(self.file, new, person, self.patience()).map_err(|error| self.not_stored(error))?;
        self.activate(profile, settings)?;
        StoredApiKey::remove(self.file, session.key()).map_err(|error| self.access.failed(error))?;
        self.tidy(|| {
            displaced.map(|displaced| revoke(self.file, self.client, &displaced, self.now())).transpose()
        });
        Ok(session)
    }

    /// Stores an API key in the place of the session that there was.
    pub(super) fn api_key(&self, stored: &StoredApiKey, target: &Target) -> Result<(), CommandError> {
        let key = target.selection.session_key();
        let before = sign_out(self.file, &key, self.patience(), self.now());
        let before = before.map_err(|failure| store_failure(&self.access.path(), failure))?;
        stored.save(self.file, &key).map_err(|error| self.access.failed(error))?;
        self.activate(&target.name, target.profile.clone())?;
        let queued = before.and_then(|before| before.queued);
        self.tidy(|| {
            let revoked = queued.map(|(name, queued)| revoke_queued(self.file, self.client, &name, &queued));
            revoked.transpose()
        });
        Ok(())
    }

    /// Gives back the tokens of a login that is not stored, and returns the error with what came of it.
    pub(super) fn refuse(&self, new: NewLogin, error: CommandError) -> CommandError {
        self.give_back(&new.into_session(None), error)
    }

    fn give_back(&self, unwanted: &StoredSession, error: CommandError) -> CommandError {
        error.because(match revoke(self.file, self.client, unwanted, self.now()) {
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
            _ => refused,
        }
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
    fn tidy(&self, revoke: impl FnOnce() -> Result<Option<Revoked>, SessionFileError>) {
        let ui = self.access.ctx.ui;
        match revoke() {
            Ok(Some(Revoked::Queued(why))) => {
                return ui.note(&format!(
                    "a later command revokes the tokens of the login before, now it can't: {why}"
                ));
            }
            Ok(_) => {}
            Err(error) => ui.warn(&format!("the tokens of the login before could not be revoked: {error}")),
        }
        let earlier = self.client.as_ref().map_or(Ok(()), |http| work_off(self.file, http, self.now()));
        if let Err(error) = earlier {
            ui.warn(&format!("the tokens of earlier logins could not be revoked: {error}"));
        }
    }

    fn patience(&self) -> Duration {
        patience(self.access.ctx)
    }

    fn now(&self) -> UnixTime {
        unix_time(self.access.ctx)
    }
}
