//! Requests with a session that refreshes itself.
//!
//! A refresh token is spent when it is used. A program that forgets the new one, and starts again with the old
//! one, ends the session for everybody who has it: so it has to say where new tokens go.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use vault_core::secret::SecretString;

use super::api_key::authorization;
use super::{Auth, AuthError, AuthKind, Request, Response, Retry};
use crate::clock::{Clock, SystemClock};
use crate::dpop::{DeviceKey, Proof};
use crate::grant::{GrantError, TokenEndpoint};
use crate::journal::TokenHash;
use crate::refresh::{Access, Connect, Hook, HookError, Need, RefreshError, Refresher};
use crate::session::SessionKey;
use crate::stored_session::{Login, State, StoredSession};
use crate::token::{TokenSet, TokenType};
use crate::token_store::{MemoryStore, TokenStore};

/// How long to wait for the turn to store the first tokens.
const FIRST_DEADLINE: Duration = Duration::from_secs(10);

/// Where new tokens go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keeper {
    /// Nowhere.
    Ephemeral,
    /// To the hook, which is the save: until it has them they are not used.
    Hook,
    /// To the store.
    Store,
}

/// Authorizes requests with a session, and refreshes it where it has to be: before its access token ends, and
/// after a server refused it.
pub struct RefreshableBearerAuth {
    key: SessionKey,
    store: Arc<dyn TokenStore>,
    connect: Box<Connect>,
    hook: Option<Box<Hook>>,
    keeper: Keeper,
    clock: Arc<dyn Clock>,
    device: Option<String>,
    device_key: Option<Arc<DeviceKey>>,
    leeway: Duration,
    /// Whether the hook that is the save does not have the newest tokens yet.
    is_owed: Mutex<bool>,
    last_persist_error: Mutex<Option<String>>,
    nonce: Mutex<Option<String>>,
}

impl RefreshableBearerAuth {
    /// Starts with a session that the store has.
    #[must_use]
    pub fn stored(key: SessionKey) -> BearerBuilder {
        BearerBuilder::new(key, None)
    }

    /// Starts with tokens at hand. If the store has a session already, that one counts: it is what the tokens
    /// at hand became. Only a session that the server has ended gives way to them, if its refresh token is
    /// another one. After a logout they are not taken: a new login goes through
    /// [`login::sign_in`](crate::login::sign_in).
    #[must_use]
    pub fn with_tokens(key: SessionKey, tokens: TokenSet) -> BearerBuilder {
        BearerBuilder::new(key, Some(tokens))
    }

    /// Returns why new tokens could not be stored, or the hook failed, the last time; `None` if all is well.
    #[must_use]
    pub fn last_persist_error(&self) -> Option<String> {
        self.last_persist_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns a session whose access token may be used.
    fn access(&self, need: Need) -> Result<StoredSession, AuthError> {
        let access = match self.keeper {
            Keeper::Ephemeral | Keeper::Store => self.refresh(need)?,
            Keeper::Hook => self.refresh_and_pay(need)?,
        };
        self.note(&access);
        Ok(access.session)
    }

    fn refresh(&self, need: Need) -> Result<Access, AuthError> {
        let mut refresher = Refresher::new(&*self.store, &*self.clock, &*self.connect);
        if let Some(hook) = &self.hook {
            refresher = refresher.with_hook(hook);
        }
        if let Some(device) = &self.device {
            refresher = refresher.with_device(device);
        }
        let access = match refresher.access(&self.key, need) {
            // There is no more time to be had without a risk for the session: the time that there is will do.
            Err(RefreshError::CutOff(_)) => {
                refresher.access(&self.key, Need { min_ttl: Duration::ZERO, ..need })
            }
            access => access,
        };
        Ok(access?)
    }

    /// The hook that is the save has the tokens when it says so, and not before: it is called again until then.
    fn refresh_and_pay(&self, need: Need) -> Result<Access, AuthError> {
        let mut is_owed = self.is_owed.lock().unwrap_or_else(PoisonError::into_inner);
        let access = self.refresh(need)?;
        let paid = match (&access.hook_failed, &self.hook) {
            (Some(failed), _) => Err(failed.to_string().into()),
            (None, Some(hook)) if *is_owed && !access.refreshed => {
                hook(access.session.generation() - 1, &access.session)
            }
            (None, _) => Ok(()),
        };
        *is_owed = paid.is_err();
        paid.map(|()| access).map_err(AuthError::PersistFailed)
    }

    fn note(&self, access: &Access) {
        let unsaved = access.unsaved.as_ref().map(|unsaved| unsaved.failure.to_string());
        let failed = unsaved.or_else(|| access.hook_failed.as_ref().map(ToString::to_string));
        if access.refreshed {
            *self.last_persist_error.lock().unwrap_or_else(PoisonError::into_inner) = failed;
        }
    }

    fn prove(&self, request: &mut Request, tokens: &TokenSet) -> Result<(), AuthError> {
        let missing =
            || AuthError::Configuration("the session is bound to a device key, and there is none".into());
        let key = self.device_key.as_ref().ok_or_else(missing)?;
        let nonce = self.nonce.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let proof = key.prove(&Proof {
            method: request.method().name(),
            address: request.address(),
            access_token: Some(&tokens.access_token),
            nonce: nonce.as_deref(),
            issued_at: self.clock.now(),
        });
        request.set_nonce(nonce);
        request.set_header("dpop", proof.map_err(|error| AuthError::Failed(error.into()))?);
        request.set_header("authorization", authorization("DPoP ", &tokens.access_token));
        Ok(())
    }
}

impl Auth for RefreshableBearerAuth {
    fn authorize(&self, request: &mut Request) -> Result<(), AuthError> {
        let session = self.access(Need { min_ttl: self.leeway, refused: None })?;
        let tokens = session.tokens().ok_or_else(AuthError::not_authenticated)?;
        request.set_generation(session.generation());
        match tokens.token_type {
            TokenType::Bearer => {
                request.set_header("authorization", authorization("Bearer ", &tokens.access_token));
                Ok(())
            }
            TokenType::Dpop => self.prove(request, tokens),
        }
    }

    /// A server that wants a nonce gets a proof with it; one that does not take the token gets another token, if
    /// there is one to be had. A nonce that comes without being asked for is for the next proof.
    fn on_unauthorized(&self, request: &Request, response: &Response) -> Retry {
        if let Some(nonce) = response.header("dpop-nonce") {
            *self.nonce.lock().unwrap_or_else(PoisonError::into_inner) = Some(nonce.to_owned());
            if demands_nonce(response) && request.nonce() != Some(nonce) {
                return Retry::Again;
            }
        }
        let Some(refused) = request.generation() else { return Retry::No };
        match self.access(Need { min_ttl: Duration::ZERO, refused: Some(refused) }) {
            Ok(session) if session.generation() > refused => Retry::Again,
            _ => Retry::No,
        }
    }

    fn kind(&self) -> AuthKind {
        AuthKind::Session
    }
}

/// Tells whether the server wants a proof with a nonce (RFC 9449 §9).
fn demands_nonce(response: &Response) -> bool {
    let is_demand = |part: &str| {
        let name_and_value = part.split_once('=');
        name_and_value.is_some_and(|(name, value)| {
            name.eq_ignore_ascii_case("error")
                && value.trim_matches('"').eq_ignore_ascii_case("use_dpop_nonce")
        })
    };
    let mut challenges = response.headers_named("www-authenticate");
    challenges.any(|challenge| challenge.split([',', ' ', '\t']).any(is_demand))
}

impl fmt::Debug for RefreshableBearerAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshableBearerAuth").field("key", &self.key).finish_non_exhaustive()
    }
}

/// What a [`RefreshableBearerAuth`] is made of.
pub struct BearerBuilder {
    key: SessionKey,
    tokens: Option<TokenSet>,
    store: Option<Arc<dyn TokenStore>>,
    connect: Option<Box<Connect>>,
    hook: Option<Box<Hook>>,
    is_ephemeral: bool,
    clock: Arc<dyn Clock>,
    device: Option<String>,
    device_key: Option<Arc<DeviceKey>>,
    leeway: Duration,
}

impl BearerBuilder {
    fn new(key: SessionKey, tokens: Option<TokenSet>) -> Self {
        Self {
            key,
            tokens,
            store: None,
            connect: None,
            hook: None,
            is_ephemeral: false,
            clock: Arc::new(SystemClock::new()),
            device: None,
            device_key: None,
            leeway: Duration::ZERO,
        }
    }

    /// Sets where the session is kept.
    #[must_use]
    pub fn store(self, store: Arc<dyn TokenStore>) -> Self {
        Self { store: Some(store), ..self }
    }

    /// Sets what is called with each new pair, once, by the process that refreshed: after the store has it, or,
    /// without a store, as the save. Then the tokens are not used until it has succeeded.
    #[must_use]
    pub fn on_tokens_refreshed(
        self,
        hook: impl Fn(u64, &StoredSession) -> Result<(), HookError> + Send + Sync + 'static,
    ) -> Self {
        Self { hook: Some(Box::new(hook)), ..self }
    }

    /// Keeps new tokens nowhere: the session ends with the process.
    #[must_use]
    pub fn ephemeral(self) -> Self {
        Self { is_ephemeral: true, ..self }
    }

    /// Sets what finds the token endpoint. It is asked only when a refresh is due.
    #[must_use]
    pub fn token_endpoint(
        self,
        connect: impl Fn(&StoredSession) -> Result<Box<dyn TokenEndpoint>, GrantError> + Send + Sync + 'static,
    ) -> Self {
        Self { connect: Some(Box::new(connect)), ..self }
    }

    /// Sets the clock; the system's if not set.
    #[must_use]
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// Sets the device key, for tokens that are bound to it, and with it the fingerprint by which the copy of a
    /// session on another device is told.
    #[must_use]
    pub fn device_key(self, key: Arc<DeviceKey>) -> Self {
        Self { device: Some(key.fingerprint()), device_key: Some(key), ..self }
    }

    /// Sets how long an access token has to be good for at least when a request is authorized.
    #[must_use]
    pub fn leeway(self, leeway: Duration) -> Self {
        Self { leeway, ..self }
    }

    /// Makes the authorizer. Nobody is asked for anything yet.
    ///
    /// # Errors
    ///
    /// [`AuthError::Configuration`] without a token endpoint, and where nothing says where new tokens go: a
    /// store, a hook, or [`ephemeral`](Self::ephemeral). [`AuthError::NotAuthenticated`] where there are first
    /// tokens, and the session was signed out; [`AuthError::PersistFailed`] where they can't be stored.
    pub fn build(self) -> Result<RefreshableBearerAuth, AuthError> {
        let wrong = |text: &str| AuthError::Configuration(text.into());
        let keeper = match (&self.store, &self.hook) {
            (Some(_), _) => Keeper::Store,
            (None, Some(_)) => Keeper::Hook,
            (None, None) if self.is_ephemeral => Keeper::Ephemeral,
            (None, None) => {
                return Err(wrong("nothing says where new tokens go: a store, a hook, or `ephemeral`"));
            }
        };
        if keeper != Keeper::Store && self.tokens.is_none() {
            return Err(wrong("there is neither a store with a session nor are there tokens"));
        }
        let connect = self.connect.ok_or_else(|| wrong("there is no token endpoint"))?;
        let store = self.store.unwrap_or_else(|| Arc::new(MemoryStore::new()));
        if let Some(tokens) = self.tokens {
            let login =
                Login { device: self.device.clone(), signed_in_at: self.clock.now(), ..Login::default() };
            seed(&*store, &self.key, login, tokens)?;
        }
        Ok(RefreshableBearerAuth {
            key: self.key,
            store,
            connect,
            hook: self.hook,
            keeper,
            clock: self.clock,
            device: self.device,
            device_key: self.device_key,
            leeway: self.leeway,
            is_owed: Mutex::new(false),
            last_persist_error: Mutex::new(None),
            nonce: Mutex::new(None),
        })
    }
}

impl fmt::Debug for BearerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerBuilder").field("key", &self.key).finish_non_exhaustive()
    }
}

/// Stores the first tokens, unless there is a session: those at hand are older than what it has. Those of a
/// session that was signed out are revoked.
fn seed(store: &dyn TokenStore, key: &SessionKey, login: Login, tokens: TokenSet) -> Result<(), AuthError> {
    let turn = store.lock(key, FIRST_DEADLINE)?;
    let before = store.load(key)?;
    let session = match &before {
        None => StoredSession::sign_in(key.clone(), login, None, tokens, None),
        Some(before) => match before.state() {
            State::SignedOut => return Err(AuthError::not_authenticated()),
            State::ReauthRequired(reauth) if is_another(&tokens, &reauth.token) => {
                sign_in_again(before, login, tokens)
            }
            _ => return Ok(()),
        },
    };
    store.save(&turn, &session).map_err(|failure| AuthError::PersistFailed(failure.into()))
}

fn is_another(tokens: &TokenSet, refused: &TokenHash) -> bool {
    tokens.refresh_token.as_ref().is_some_and(|token| TokenHash::of(token) != *refused)
}

/// The provider and the client are those of before, they are in the key. Nobody knows whose the tokens are.
fn sign_in_again(before: &StoredSession, login: Login, tokens: TokenSet) -> StoredSession {
    let login = Login {
        user: login.user,
        signed_in_at: login.signed_in_at,
        device: login.device,
        ..before.login().clone()
    };
    let secret = before.client_secret().map(|secret| SecretString::new(secret.expose_secret().to_owned()));
    StoredSession::sign_in(before.key().clone(), login, secret, tokens, Some(before))
}
