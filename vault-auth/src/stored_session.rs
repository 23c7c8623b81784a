//! A session as it is stored, and the only ways in which it changes: signed in, refreshing, refreshed, in
//! need of a new login, signed out. What is not possible has no function.

mod encoding;

use serde::{Deserialize, Serialize};
use vault_core::secret::SecretString;

use crate::clock::UnixTime;
use crate::journal::{Attempt, TokenHash};
use crate::session::SessionKey;
use crate::token::TokenSet;

pub use encoding::RecordError;
pub(crate) use encoding::{Held, decode_json, encode_json};

/// Who signed in, as the provider's verified ID token says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The subject: the provider's own name for the person, which never changes.
    pub subject: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
    /// The person's name.
    pub name: Option<String>,
    /// The roles.
    pub roles: Vec<String>,
}

/// What is known of a login beside its tokens. Nothing of it is secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// Who signed in.
    pub user: User,
    /// When.
    pub signed_in_at: UnixTime,
    /// The issuer, where there is one.
    pub issuer: Option<String>,
    /// Where tokens are refreshed.
    pub token_endpoint: String,
    /// Where tokens are revoked, where the provider has such a place.
    pub revocation_endpoint: Option<String>,
    /// The backend that the tokens are for.
    pub base_url: Option<String>,
    /// The fingerprint of the device that signed in; another one, with a copy of the file, must not use the
    /// refresh token.
    pub device: Option<String>,
}

/// The server does not accept the refresh token any more: a person has to sign in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reauth {
    /// Which token it was.
    pub token: TokenHash,
    /// When the server said so.
    pub at: UnixTime,
    /// Its description, made safe to show.
    pub description: Option<String>,
    /// The attempt before, whose answer nobody has seen: it is the likely reason.
    pub interrupted: Option<Attempt>,
}

/// What may be done with the tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum State {
    /// A person has to sign in; the access token may still live.
    ReauthRequired(Reauth),
    /// The refresh token is being sent, or was, and the answer is not there.
    Refreshing(Attempt),
    /// There are none: what is left says that this was on purpose.
    SignedOut,
    /// They may be used and refreshed.
    Valid,
}

/// A session as it is stored.
#[derive(Debug)]
pub struct StoredSession {
    key: SessionKey,
    generation: u64,
    login: Login,
    client_secret: Option<SecretString>,
    tokens: Option<TokenSet>,
    state: State,
    retry_at: Option<UnixTime>,
}

impl StoredSession {
    /// Makes the session of a new login, which takes the place of `before` whatever that was. The ID token is not
    /// kept: what it says of the person is in `login`.
    #[must_use]
    pub fn sign_in(
        key: SessionKey,
        login: Login,
        client_secret: Option<SecretString>,
        tokens: TokenSet,
        before: Option<&Self>,
    ) -> Self {
        let generation = before.map_or(0, |before| before.generation) + 1;
        let (tokens, state) = (Some(TokenSet { id_token: None, ..tokens }), State::Valid);
        Self { key, generation, login, client_secret, tokens, state, retry_at: None }
    }

    /// Makes the tombstone that a session leaves behind: no tokens, and a generation that a refresh which ends
    /// late does not reach.
    #[must_use]
    pub fn sign_out(&self) -> Self {
        Self {
            key: self.key.clone(),
            generation: self.generation + 1,
            login: self.login.clone(),
            client_secret: None,
            tokens: None,
            state: State::SignedOut,
            retry_at: None,
        }
    }

    /// Takes the session into a refresh. The attempt has to be stored before the token is sent.
    ///
    /// # Errors
    ///
    /// The session itself, where there is nothing to send: signed out, without a refresh token, or with one
    /// that the server has refused.
    pub fn begin(mut self, now: UnixTime) -> Result<InFlight, Box<Self>> {
        let Some(token) = self.live_refresh_token() else { return Err(Box::new(self)) };
        let attempt = Attempt::new(token, self.generation, now);
        let interrupted = match std::mem::replace(&mut self.state, State::Refreshing(attempt)) {
            State::Refreshing(before) => Some(before),
            _ => None,
        };
        Ok(InFlight { session: self, interrupted })
    }

    /// Returns which login it is.
    #[must_use]
    pub const fn key(&self) -> &SessionKey {
        &self.key
    }

    /// Returns how often the session changed hands: one more with each login, refresh and logout.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Returns what is known of the login.
    #[must_use]
    pub const fn login(&self) -> &Login {
        &self.login
    }

    /// Returns the client's secret, where it has one.
    #[must_use]
    pub const fn client_secret(&self) -> Option<&SecretString> {
        self.client_secret.as_ref()
    }

    /// Returns the tokens; `None` after a logout.
    #[must_use]
    pub const fn tokens(&self) -> Option<&TokenSet> {
        self.tokens.as_ref()
    }

    /// Returns the refresh token, where there is one.
    #[must_use]
    pub fn refresh_token(&self) -> Option<&SecretString> {
        self.tokens.as_ref()?.refresh_token.as_ref()
    }

    /// Tells whether there is an access token that has not ended yet; one without an end never does.
    #[must_use]
    pub fn has_live_token(&self, now: UnixTime) -> bool {
        self.tokens.as_ref().is_some_and(|tokens| tokens.expires_at.is_none_or(|at| at > now))
    }

    /// Returns the refresh token, where there is one that the server has not refused.
    #[must_use]
    pub fn live_refresh_token(&self) -> Option<&SecretString> {
        match self.state {
            State::ReauthRequired(_) | State::SignedOut => None,
            State::Refreshing(_) | State::Valid => self.refresh_token(),
        }
    }

    /// Returns what may be done with the tokens.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Returns from when on a server that could not be asked may be asked early again.
    #[must_use]
    pub const fn retry_at(&self) -> Option<UnixTime> {
        self.retry_at
    }
}

/// A session whose refresh token is being sent. It comes back in one of three ways.
#[derive(Debug)]
pub struct InFlight {
    session: StoredSession,
    interrupted: Option<Attempt>,
}

impl InFlight {
    /// Returns the session with its attempt, which has to be stored before the token is sent.
    #[must_use]
    pub const fn session(&self) -> &StoredSession {
        &self.session
    }

    /// The server gave new tokens. What it did not give stays as it was (RFC 6749 §5.1, §6). The ID token is not
    /// kept.
    #[must_use]
    pub fn complete(self, new: TokenSet) -> StoredSession {
        let mut session = self.session;
        session.tokens = Some(match session.tokens.take() {
            Some(before) => TokenSet {
                refresh_token: new.refresh_token.or(before.refresh_token),
                id_token: None,
                scopes: if new.scopes.is_empty() { before.scopes } else { new.scopes },
                ..new
            },
            None => TokenSet { id_token: None, ..new },
        });
        session.generation += 1;
        (session.state, session.retry_at) = (State::Valid, None);
        session
    }

    /// The server could not be asked, or its answer was lost. `is_spent_perhaps` says whether it may have taken the
    /// token: then the attempt stays, for the next one to know.
    #[must_use]
    pub fn postpone(self, is_spent_perhaps: bool, retry_at: UnixTime) -> StoredSession {
        let mut session = self.session;
        if !is_spent_perhaps {
            session.state = self.interrupted.map_or(State::Valid, State::Refreshing);
        }
        session.retry_at = Some(retry_at);
        session
    }

    /// The server does not accept the token any more. The tokens stay: nothing is ever deleted for that.
    /// `is_spent_perhaps` says whether this very attempt was sent before, and its answer lost.
    #[must_use]
    pub fn reject(self, description: Option<String>, now: UnixTime, is_spent_perhaps: bool) -> StoredSession {
        let mut session = self.session;
        if let State::Refreshing(attempt) = session.state {
            let token = attempt.token.clone();
            let interrupted = self.interrupted.or_else(|| is_spent_perhaps.then_some(attempt));
            session.state = State::ReauthRequired(Reauth { token, at: now, description, interrupted });
        }
        session
    }
}

#[cfg(test)]
mod tests;
