//! Signing in and out, in the session's turn: a refresh that ends late can't bring a session back.

use std::time::Duration;

use vault_core::secret::SecretString;

use crate::session::SessionKey;
use crate::stored_session::{Login, State, StoredSession};
use crate::token::TokenSet;
use crate::token_store::{StoreFailure, TokenStore};

/// What a login brings.
#[derive(Debug)]
pub struct NewLogin {
    /// Which session it is.
    pub key: SessionKey,
    /// What is known of it.
    pub login: Login,
    /// The client's secret, where it has one.
    pub client_secret: Option<SecretString>,
    /// The tokens.
    pub tokens: TokenSet,
}

/// Whether a login may take the place of somebody else's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Person {
    /// Anybody may.
    Anybody,
    /// Only who signed in before: with the same subject of the same issuer, where the former subject is known.
    Same,
}

/// Why a login was not stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// The session could not be saved, or its turn did not come. It comes back: its tokens are to be revoked, unless
    /// it is written all the same ([`StoreFailure::is_written`]).
    #[error("the login could not be stored")]
    NotSaved {
        /// What went wrong.
        #[source]
        failure: StoreFailure,
        /// The session.
        session: Box<StoredSession>,
    },
    /// Somebody else is signed in. The new tokens come back: they are to be revoked.
    #[error("{} is signed in, and the new login is of {}", shown(known), shown(&new.login))]
    OtherPerson {
        /// Who is signed in.
        known: Box<Login>,
        /// The login that was not stored.
        new: Box<NewLogin>,
    },
}

/// A login that is stored.
#[derive(Debug)]
pub struct SignedIn {
    /// The session.
    pub session: StoredSession,
    /// The session of somebody else that it took the place of: its tokens are to be revoked. Those of the same person
    /// are not: some providers keep one grant for a person and a client, and the new tokens would end with the old.
    pub displaced: Option<StoredSession>,
}

fn shown(login: &Login) -> &str {
    let user = &login.user;
    user.email.as_deref().or(user.subject.as_deref()).unwrap_or("somebody")
}

/// Checks that the store can take a session, before anybody is asked to sign in: a login that can't be stored
/// leaves a grant behind that nobody knows of.
///
/// # Errors
///
/// [`StoreFailure`].
pub fn probe(store: &dyn TokenStore, key: &SessionKey, deadline: Duration) -> Result<(), StoreFailure> {
    let turn = store.lock(key, deadline)?;
    store.load(key)?;
    store.probe(&turn)
}

/// Stores a new login in the place of whatever was there.
///
/// # Errors
///
/// [`LoginError`].
pub fn sign_in(
    store: &dyn TokenStore,
    new: NewLogin,
    person: Person,
    deadline: Duration,
) -> Result<SignedIn, LoginError> {
    let turn_and_before = store.lock(&new.key, deadline).and_then(|turn| Ok((turn, store.load(&new.key)?)));
    let (turn, before) = match turn_and_before {
        Ok(found) => found,
        Err(failure) => return Err(not_saved(failure, new.into_session(None))),
    };
    let displaced = before.as_ref().filter(|known| is_other(known, &new.login));
    if let Some(known) = displaced.filter(|_| person == Person::Same) {
        let known = Box::new(known.login().clone());
        return Err(LoginError::OtherPerson { known, new: Box::new(new) });
    }
    let is_displaced = displaced.is_some();
    let session = new.into_session(before.as_ref());
    match store.save(&turn, &session) {
        Ok(()) => Ok(SignedIn { session, displaced: before.filter(|_| is_displaced) }),
        Err(failure) => Err(not_saved(failure, session)),
    }
}

impl NewLogin {
    /// Makes the session of the login, which takes the place of `before`.
    #[must_use]
    pub fn into_session(self, before: Option<&StoredSession>) -> StoredSession {
        let Self { key, login, client_secret, tokens } = self;
        StoredSession::sign_in(key, login, client_secret, tokens, before)
    }
}

fn not_saved(failure: StoreFailure, session: StoredSession) -> LoginError {
    LoginError::NotSaved { failure, session: Box::new(session) }
}

/// Leaves a tombstone in the place of a session, and returns what it was: its refresh token is to be revoked.
/// `None` where nobody is signed in.
///
/// # Errors
///
/// [`StoreFailure`].
pub fn sign_out(
    store: &dyn TokenStore,
    key: &SessionKey,
    deadline: Duration,
) -> Result<Option<StoredSession>, StoreFailure> {
    let turn = store.lock(key, deadline)?;
    let Some(session) = store.load(key)?.filter(|session| *session.state() != State::SignedOut) else {
        return Ok(None);
    };
    store.save(&turn, &session.sign_out())?;
    Ok(Some(session))
}

/// A subject names a person at its issuer only, and who does not say it may be anybody.
fn is_other(known: &StoredSession, new: &Login) -> bool {
    if *known.state() == State::SignedOut {
        return false;
    }
    let known = known.login();
    known.user.subject.is_some() && (known.user.subject != new.user.subject || issuer(known) != issuer(new))
}

fn issuer(login: &Login) -> Option<&str> {
    login.issuer.as_deref().map(|issuer| issuer.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{key, tokens};
    use crate::stored_session::User;
    use crate::token_store::MemoryStore;

    fn new_login(subject: Option<&str>, serial: u32) -> NewLogin {
        let user = User { subject: subject.map(str::to_owned), ..User::default() };
        let login = Login { user, ..Login::default() };
        NewLogin { key: key(), login, client_secret: None, tokens: tokens(serial, 1000, 900) }
    }

    fn access(store: &MemoryStore) -> Option<String> {
        let session = store.load(&key()).unwrap()?;
        Some(session.tokens()?.access_token.expose_secret().to_owned())
    }

    #[test]
    fn a_second_login_of_the_same_person_takes_the_place_of_the_first() {
        let store = MemoryStore::new();
        sign_in(&store, new_login(Some("ana"), 1), Person::Same, Duration::ZERO).unwrap();
        let second = sign_in(&store, new_login(Some("ana"), 2), Person::Same, Duration::ZERO).unwrap();
        assert!(second.displaced.is_none());
        assert_eq!((second.session.generation(), access(&store).as_deref()), (2, Some("access-2")));
    }

    #[test]
    fn a_login_of_somebody_else_is_refused_and_gives_its_tokens_back() {
        let store = MemoryStore::new();
        sign_in(&store, new_login(Some("ana"), 1), Person::Same, Duration::ZERO).unwrap();
        let error = sign_in(&store, new_login(Some("bob"), 2), Person::Same, Duration::ZERO).unwrap_err();
        assert_eq!(error.to_string(), "ana is signed in, and the new login is of bob");
        assert!(matches!(error, LoginError::OtherPerson { new, .. }
            if new.tokens.access_token.expose_secret() == "access-2"));
        assert_eq!(access(&store).as_deref(), Some("access-1"));
        let forced = sign_in(&store, new_login(Some("bob"), 3), Person::Anybody, Duration::ZERO).unwrap();
        let displaced = forced.displaced.unwrap();
        assert_eq!(displaced.refresh_token().unwrap().expose_secret(), "refresh-1");
        assert_eq!(access(&store).as_deref(), Some("access-3"));
    }

    #[test]
    fn a_login_of_another_issuer_or_of_nobody_known_is_of_somebody_else() {
        let at = |issuer: &str, subject, serial| {
            let mut new = new_login(subject, serial);
            new.login.issuer = Some(issuer.to_owned());
            new
        };
        let store = MemoryStore::new();
        let try_in = |new| sign_in(&store, new, Person::Same, Duration::ZERO);
        try_in(at("https://id.example/a", None, 1)).unwrap();
        try_in(at("https://id.example/a", Some("ana"), 2)).unwrap();
        for new in [
            at("https://id.example/b", Some("ana"), 3),
            at("https://id.example/a", None, 3),
            new_login(Some("ana"), 3),
        ] {
            assert!(matches!(try_in(new), Err(LoginError::OtherPerson { .. })));
        }
        try_in(at("https://id.example/a/", Some("ana"), 3)).unwrap();
        assert_eq!(access(&store).as_deref(), Some("access-3"));
    }

    #[test]
    fn after_a_logout_anybody_may_sign_in() {
        let store = MemoryStore::new();
        sign_in(&store, new_login(Some("ana"), 1), Person::Same, Duration::ZERO).unwrap();
        sign_out(&store, &key(), Duration::ZERO).unwrap();
        sign_in(&store, new_login(Some("bob"), 2), Person::Same, Duration::ZERO).unwrap();
        assert_eq!(access(&store).as_deref(), Some("access-2"));
    }

    #[test]
    fn ak_08_a_logout_is_done_once_and_again_without_harm() {
        let store = MemoryStore::new();
        assert!(sign_out(&store, &key(), Duration::ZERO).unwrap().is_none());
        sign_in(&store, new_login(None, 1), Person::Same, Duration::ZERO).unwrap();
        let was = sign_out(&store, &key(), Duration::ZERO).unwrap().unwrap();
        assert_eq!(was.refresh_token().unwrap().expose_secret(), "refresh-1");
        assert!(sign_out(&store, &key(), Duration::ZERO).unwrap().is_none());
        assert_eq!(access(&store), None);
    }

    #[test]
    fn a_login_and_a_logout_wait_for_the_turn() {
        let store = MemoryStore::new();
        let _turn = store.lock(&key(), Duration::ZERO).unwrap();
        let error = sign_in(&store, new_login(None, 1), Person::Same, Duration::ZERO).unwrap_err();
        assert!(matches!(error, LoginError::NotSaved { failure, session }
            if failure.is_busy() && session.refresh_token().is_some()));
        assert!(sign_out(&store, &key(), Duration::ZERO).unwrap_err().is_busy());
        assert!(probe(&store, &key(), Duration::ZERO).unwrap_err().is_busy());
    }
}
