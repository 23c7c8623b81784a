//! A fresh access token, whatever else runs at the same time: one refresh for all threads and processes, by
//! who gets the session's turn, and no token that is spent twice.
//!
//! The steps, in this order: read, and be content with a token that is good for long enough; wait for the turn;
//! read again; store what is about to be sent; send; store the answer; only then hand it out. Nothing is ever
//! deleted because a server said no.

mod due;

use std::error::Error;
use std::fmt::{self, Debug};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::Duration;

use vault_core::secret::SecretString;

use crate::clock::{Clock, UnixTime};
use crate::grant::{GrantError, TokenEndpoint};
use crate::journal::{Attempt, TokenHash};
use crate::session::SessionKey;
use crate::stored_session::{InFlight, Reauth, State, StoredSession};
use crate::token::TokenSet;
use crate::token_store::{StoreFailure, TokenStore, Turn};

pub use due::Due;

/// How long an access token has to be good for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Need {
    /// The least time that it has left.
    pub min_ttl: Duration,
    /// The generation whose access token a server refused: any newer one will do.
    pub refused: Option<u64>,
}

/// A session whose access token may be used.
#[derive(Debug)]
pub struct Access {
    /// The session, as it is stored.
    pub session: StoredSession,
    /// Whether this call refreshed it.
    pub refreshed: bool,
    /// Why a refresh that is due soon did not come about. The token is good all the same.
    pub postponed: Option<RefreshError>,
    /// The new tokens could not be stored: the command has worked, and is to fail at its end.
    pub unsaved: Option<Unsaved>,
    /// The program's own hook failed. The tokens are stored.
    pub hook_failed: Option<HookError>,
}

/// New tokens that are in no store, although the server took the old ones for them.
#[derive(Debug)]
pub struct Unsaved {
    /// Why.
    pub failure: StoreFailure,
    /// Where they are kept until the next start; `None` if nowhere.
    pub kept_in: Option<PathBuf>,
}

/// Why a hook failed. The text must have no token in it.
pub type HookError = Box<dyn Error + Send + Sync>;

/// What a program does with each new pair: it is called once for each, by the process that refreshed, after the
/// pair is stored and before anybody else has the turn. It gets the generation before.
pub type Hook = dyn Fn(u64, &StoredSession) -> Result<(), HookError> + Send + Sync;

/// What finds the token endpoint of a session. It is asked only when a refresh is due: most calls need none.
pub type Connect = dyn Fn(&StoredSession) -> Result<Box<dyn TokenEndpoint>, GrantError> + Send + Sync;

/// Why there is no access token to be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RefreshError {
    /// A refresh was cut off some time ago. The access token is used while it lives: to send the refresh token
    /// again may end the session.
    #[error("the refresh of process {} was cut off, its answer is lost", .0.pid)]
    CutOff(Attempt),
    /// The session belongs to another device: its file was copied.
    #[error("the session belongs to another device ({found}); this one is {expected}")]
    DeviceMismatch {
        /// The fingerprint of this device.
        expected: String,
        /// The one that the session was made on.
        found: String,
    },
    /// The token endpoint gave no tokens.
    #[error(transparent)]
    Grant(GrantError),
    /// The server's tokens never live as long as was asked for.
    #[error("the server's access tokens live {life} s, {} s were asked for", min_ttl.as_secs())]
    LifeTooShort {
        /// How long they live, in seconds.
        life: i64,
        /// What was asked for.
        min_ttl: Duration,
    },
    /// The session has no refresh token, and its access token has ended.
    #[error("the session has no refresh token: it is good until its access token ends")]
    NoRefreshToken,
    /// There is no such session.
    #[error("not signed in")]
    NotSignedIn,
    /// Another program changed the session while its token was sent.
    #[error("another program changed the session meanwhile")]
    Overtaken,
    /// The server does not accept the refresh token any more.
    #[error("the session has ended: {}", reauth_text(.0))]
    ReauthRequired(Box<Reauth>),
    /// The session could not be read or stored, or its turn did not come.
    #[error(transparent)]
    Store(#[from] StoreFailure),
}

fn reauth_text(reauth: &Reauth) -> String {
    let said = reauth.description.as_ref().map_or_else(String::new, |text| format!(" ({text})"));
    let refused = format!("the server does not accept its refresh token any more{said}");
    reauth.interrupted.as_ref().map_or(refused.clone(), |attempt| {
        format!("the answer to the refresh of process {} was lost, and {refused}", attempt.pid)
    })
}

/// Keeps the sessions of one store fresh.
pub struct Refresher<'a> {
    store: &'a dyn TokenStore,
    clock: &'a dyn Clock,
    connect: &'a Connect,
    hook: Option<&'a Hook>,
    device: Option<&'a str>,
    lock_deadline: Duration,
}

impl Debug for Refresher<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refresher")
            .field("store", &self.store)
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}

/// What is to be done about a session.
enum Verdict {
    Content(Box<Access>),
    Refresh(Box<StoredSession>, Due),
}

impl<'a> Refresher<'a> {
    /// Makes one out of where sessions are, what tells the time, and what finds their token endpoints.
    #[must_use]
    pub fn new(store: &'a dyn TokenStore, clock: &'a dyn Clock, connect: &'a Connect) -> Self {
        Self { store, clock, connect, hook: None, device: None, lock_deadline: LOCK_DEADLINE }
    }

    /// Sets what is called with each new pair.
    #[must_use]
    pub fn with_hook(self, hook: &'a Hook) -> Self {
        Self { hook: Some(hook), ..self }
    }

    /// Sets the fingerprint of this device: sessions of another one are not refreshed.
    #[must_use]
    pub fn with_device(self, device: &'a str) -> Self {
        Self { device: Some(device), ..self }
    }

    /// Sets how long the turn of a session is waited for; 30 s if not set.
    #[must_use]
    pub fn with_lock_deadline(self, lock_deadline: Duration) -> Self {
        Self { lock_deadline, ..self }
    }

    /// Returns a session whose access token is good for what is needed, refreshed if it has to be.
    ///
    /// # Errors
    ///
    /// [`RefreshError`]. A token that is good enough is handed out although its early refresh failed:
    /// [`Access::postponed`] says why.
    pub fn access(&self, key: &SessionKey, need: Need) -> Result<Access, RefreshError> {
        match self.judge(key, need)? {
            Verdict::Content(access) => Ok(*access),
            Verdict::Refresh(session, Due::Soon) => self.refresh_early(*session, need),
            Verdict::Refresh(..) => self.refresh_in_turn(key, need),
        }
    }

    /// Returns a session whose access token is good for long enough, by one read: nothing is asked for that only
    /// a refresh needs. `None` where [`access`](Self::access) has to look closer.
    ///
    /// # Errors
    ///
    /// [`RefreshError`].
    pub fn fresh(&self, key: &SessionKey, need: Need) -> Result<Option<StoredSession>, RefreshError> {
        let session = self.signed_in(key)?;
        let due = due::due(&session, need, self.clock.now())?;
        Ok(Some(session).filter(|_| due == Due::Later))
    }

    /// Refreshes a token that is still good, if nobody else is at it: whatever goes wrong, it stays good.
    fn refresh_early(&self, session: StoredSession, need: Need) -> Result<Access, RefreshError> {
        let refreshed = match self.store.lock(session.key(), EARLY_PATIENCE) {
            Err(busy) if busy.is_busy() => return Ok(content(session, None)),
            Err(error) => Err(error.into()),
            Ok(turn) => self.refresh(&turn, need),
        };
        match refreshed {
            Err(RefreshError::NotSignedIn) => Err(RefreshError::NotSignedIn),
            Err(postponed) => Ok(content(session, Some(postponed))),
            refreshed => refreshed,
        }
    }

    /// Waits for the turn in short parts, and looks between them whether whoever has it is done.
    fn refresh_in_turn(&self, key: &SessionKey, need: Need) -> Result<Access, RefreshError> {
        let parts = self.lock_deadline.as_nanos().div_ceil(LOCK_PART.as_nanos()).max(1);
        for part in 1..=parts {
            match self.store.lock(key, LOCK_PART.min(self.lock_deadline)) {
                Ok(turn) => return self.refresh(&turn, need),
                Err(busy) if busy.is_busy() && part < parts => {
                    if let Verdict::Content(access) = self.judge(key, need)? {
                        return Ok(*access);
                    }
                }
                Err(StoreFailure::Lock(busy)) => {
                    return Err(StoreFailure::Lock(busy.after(self.lock_deadline)).into());
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(RefreshError::Overtaken)
    }

    /// Refreshes in the session's turn, unless somebody did so while the turn was waited for.
    fn refresh(&self, turn: &Turn, need: Need) -> Result<Access, RefreshError> {
        let session = match self.judge(turn.key(), need)? {
            Verdict::Content(access) => return Ok(*access),
            Verdict::Refresh(session, _) => session,
        };
        // What can fail does so before the token is sent: finding the endpoint, and a write as large as the
        // one that follows.
        let endpoint = (self.connect)(&session).map_err(RefreshError::Grant)?;
        let in_flight = session.begin(self.clock.now()).map_err(|_| RefreshError::NoRefreshToken)?;
        self.store.save(turn, in_flight.session())?;
        match self.send(&*endpoint, &in_flight) {
            Ok(tokens) => self.keep(turn, in_flight, tokens, need),
            Err(unanswered) => match unanswered.error {
                GrantError::Rejected { .. } => self.reject(turn, in_flight, unanswered, need),
                _ => Err(self.postpone(turn, in_flight, unanswered)),
            },
        }
    }

    fn signed_in(&self, key: &SessionKey) -> Result<StoredSession, RefreshError> {
        let session = self.store.load(key)?.filter(|session| *session.state() != State::SignedOut);
        session.ok_or(RefreshError::NotSignedIn)
    }

    /// Reads a session and says what is to be done about it.
    fn judge(&self, key: &SessionKey, need: Need) -> Result<Verdict, RefreshError> {
        let session = self.signed_in(key)?;
        let now = self.clock.now();
        let due = due::due(&session, need, now)?;
        let spares = due == Due::Soon || due::is_for_more_time_only(&session, need, now);
        let obstacle = self.obstacle(&session, spares, now);
        Ok(match (due, obstacle) {
            (Due::Later, _) => Verdict::Content(Box::new(content(session, None))),
            (Due::Now, Some(obstacle)) => return Err(obstacle),
            (Due::Soon, Some(obstacle)) => Verdict::Content(Box::new(content(session, Some(obstacle)))),
            (Due::Soon, None) if due::is_too_early_again(&session, now) => {
                Verdict::Content(Box::new(content(session, None)))
            }
            (due, None) => Verdict::Refresh(Box::new(session), due),
        })
    }

    /// Returns what stands against sending the refresh token at all. `spares` says that the access token is good
    /// without it: then it is not sent again after a refresh that was cut off, which may end the session.
    fn obstacle(&self, session: &StoredSession, spares: bool, now: UnixTime) -> Option<RefreshError> {
        match session.state() {
            State::ReauthRequired(reauth) => {
                return Some(RefreshError::ReauthRequired(Box::new(reauth.clone())));
            }
            State::Refreshing(attempt) if spares && !attempt.is_young(now) => {
                return Some(RefreshError::CutOff(attempt.clone()));
            }
            _ => {}
        }
        match (self.device, &session.login().device) {
            (Some(expected), Some(found)) if expected != found => {
                let (expected, found) = (expected.to_owned(), found.clone());
                return Some(RefreshError::DeviceMismatch { expected, found });
            }
            _ => {}
        }
        session.refresh_token().is_none().then_some(RefreshError::NoRefreshToken)
    }

    /// Sends the token, and once more where that can do no harm, or can only help.
    fn send(&self, endpoint: &dyn TokenEndpoint, in_flight: &InFlight) -> Result<TokenSet, Unanswered> {
        let token = in_flight.session().refresh_token();
        let token = token.expect("a session in flight has the token that is sent");
        let first = match refresh_by(endpoint, in_flight, token) {
            Ok(tokens) => return Ok(tokens),
            Err(error) => Unanswered { is_spent_perhaps: may_have_arrived(&error), error },
        };
        let Some(pause) = pause_before_retry(&first.error) else { return Err(first) };
        self.clock.sleep(pause);
        refresh_by(endpoint, in_flight, token).map_err(|error| Unanswered {
            is_spent_perhaps: first.is_spent_perhaps || may_have_arrived(&error),
            error,
        })
    }

    /// Stores the new tokens: nobody gets them before that, not even the caller. If the session is not the one
    /// that the token was sent of any more, its new state counts: it may be a logout. Where that can't be read,
    /// nothing says so, and the tokens are not given up.
    fn keep(
        &self,
        turn: &Turn,
        in_flight: InFlight,
        tokens: TokenSet,
        need: Need,
    ) -> Result<Access, RefreshError> {
        if !self.is_ours(turn, &in_flight).unwrap_or(true) {
            return self.adopt(turn, need);
        }
        let session = in_flight.complete(tokens);
        let unsaved = self.save(turn, &session).err().map(|failure| {
            let aside = if failure.is_written() { Ok(None) } else { self.store.keep_aside(turn, &session) };
            Unsaved { failure, kept_in: aside.ok().flatten() }
        });
        let hook_failed = self.hook.and_then(|hook| call(hook, &session).err());
        Ok(Access { session, refreshed: true, postponed: None, unsaved, hook_failed })
    }

    fn save(&self, turn: &Turn, session: &StoredSession) -> Result<(), StoreFailure> {
        for _ in 0..SAVE_RETRIES {
            match self.store.save(turn, session) {
                Err(failure) if !failure.is_written() => self.clock.sleep(SAVE_PAUSE),
                saved => return saved,
            }
        }
        self.store.save(turn, session)
    }

    /// The server says that the token is spent, revoked or expired. Perhaps a program that takes no turns
    /// stored a newer one; else a person has to sign in.
    fn reject(
        &self,
        turn: &Turn,
        in_flight: InFlight,
        answer: Unanswered,
        need: Need,
    ) -> Result<Access, RefreshError> {
        if !self.is_ours(turn, &in_flight)? {
            return self.adopt(turn, need);
        }
        let session = in_flight.reject(answer.description(), self.clock.now(), answer.is_spent_perhaps);
        let State::ReauthRequired(reauth) = session.state().clone() else {
            return Err(RefreshError::Overtaken);
        };
        self.store.save(turn, &session)?;
        Err(RefreshError::ReauthRequired(Box::new(reauth)))
    }

    /// Takes what another program made of the session meanwhile, if that is good for what is needed.
    fn adopt(&self, turn: &Turn, need: Need) -> Result<Access, RefreshError> {
        match self.judge(turn.key(), need)? {
            Verdict::Content(access) => Ok(*access),
            Verdict::Refresh(..) => Err(RefreshError::Overtaken),
        }
    }

    /// The server could not be asked, or its answer is lost. A note that can't be taken back stays: it is safe.
    fn postpone(&self, turn: &Turn, in_flight: InFlight, answer: Unanswered) -> RefreshError {
        let pause = retry_after(&answer.error).unwrap_or(EARLY_PAUSE);
        let retry_at = self.clock.now().saturating_add(i64::try_from(pause.as_secs()).unwrap_or(i64::MAX));
        if self.is_ours(turn, &in_flight).unwrap_or(false) {
            let session = in_flight.postpone(answer.is_spent_perhaps, retry_at);
            drop(self.store.save(turn, &session));
        }
        RefreshError::Grant(answer.error)
    }

    /// Tells whether the store still has the token that was sent. A program that takes no turns may have put a
    /// newer one there.
    fn is_ours(&self, turn: &Turn, in_flight: &InFlight) -> Result<bool, StoreFailure> {
        let hash = |session: &StoredSession| session.refresh_token().map(TokenHash::of);
        let stored = self.store.load(turn.key())?;
        Ok(stored.as_ref().and_then(hash) == hash(in_flight.session()))
    }
}

/// What came of sending a token for which no new ones came.
struct Unanswered {
    /// Why, the last time.
    error: GrantError,
    /// Whether the server may have taken the token all the same.
    is_spent_perhaps: bool,
}

/// Sends the token; what the server says about it is shown without the tokens of the session.
fn refresh_by(
    endpoint: &dyn TokenEndpoint,
    in_flight: &InFlight,
    token: &SecretString,
) -> Result<TokenSet, GrantError> {
    let access = in_flight.session().tokens().map(|tokens| tokens.access_token.expose_secret());
    endpoint.refresh(token).map_err(|error| error.without([token.expose_secret()].into_iter().chain(access)))
}

impl Unanswered {
    /// Returns the server's words for a refusal.
    fn description(&self) -> Option<String> {
        match &self.error {
            GrantError::Rejected { description, .. } => Some(description.as_ref()?.as_str().to_owned()),
            _ => None,
        }
    }
}

fn content(session: StoredSession, postponed: Option<RefreshError>) -> Access {
    Access { session, refreshed: false, postponed, unsaved: None, hook_failed: None }
}

/// A hook that panics must not take the new tokens with it.
fn call(hook: &Hook, session: &StoredSession) -> Result<(), HookError> {
    let called = catch_unwind(AssertUnwindSafe(|| hook(session.generation() - 1, session)));
    called.unwrap_or_else(|_| Err("the hook panicked".into()))
}

/// After an answer that is lost the token is sent again at once: servers that forgive a second use do so for
/// seconds. After a refusal for now, when the server said, if that is soon.
fn pause_before_retry(error: &GrantError) -> Option<Duration> {
    match error {
        GrantError::NotReached { .. } => Some(RECONNECT_PAUSE),
        GrantError::Unusable { .. } => None,
        GrantError::Unavailable { retry_after: Some(pause), .. } => (*pause <= PATIENCE).then_some(*pause),
        error => may_have_arrived(error).then_some(Duration::ZERO),
    }
}

/// Tells whether the server may have taken the token, although it gave no tokens for it. An intermediary that
/// gives up (502, 504), or a server that breaks down (500), may have done so after that.
const fn may_have_arrived(error: &GrantError) -> bool {
    match error {
        GrantError::AnswerLost { .. } | GrantError::NoAnswer { .. } | GrantError::Unusable { .. } => true,
        GrantError::Unavailable { status, .. } => matches!(*status, 500 | 502 | 504),
        _ => false,
    }
}

const fn retry_after(error: &GrantError) -> Option<Duration> {
    match error {
        GrantError::NoAnswer { retry_after, .. } | GrantError::Unavailable { retry_after, .. } => {
            *retry_after
        }
        _ => None,
    }
}

/// How long the turn of a session is waited for.
const LOCK_DEADLINE: Duration = Duration::from_secs(30);
/// How long it is waited for where nothing depends on it. A program that was just started has the locks of the one
/// that started it for a moment.
const EARLY_PATIENCE: Duration = Duration::from_millis(20);
/// How long at a time: the session is looked at in between.
const LOCK_PART: Duration = Duration::from_millis(100);
/// The longest wait that a server may ask for while others wait for the turn.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two tries to connect.
const RECONNECT_PAUSE: Duration = Duration::from_millis(250);
/// How long a token that is still good is left alone after a failed refresh.
const EARLY_PAUSE: Duration = Duration::from_secs(30);
/// How often a save is tried again, and after how long.
const SAVE_RETRIES: usize = 2;
const SAVE_PAUSE: Duration = Duration::from_millis(50);
