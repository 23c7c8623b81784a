//! Asking until the person has decided (RFC 8628 §3.4).

use std::fmt::Debug;
use std::time::Duration;

use super::PendingLogin;
use super::schedule::{Drift, Ending, Reading, Schedule};
use crate::clock::Clock;
use crate::grant::GrantError;
use crate::server_text::ServerText;
use crate::token::TokenSet;
use crate::token_endpoint::{HttpTokenEndpoint, Reply};

/// Why a login ended without tokens.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PollError {
    /// Whoever waited gave up. The code is still good.
    #[error("the login was cancelled")]
    Cancelled,
    /// The person said no.
    #[error("the login was denied at {host}")]
    Denied {
        /// The server's host.
        host: String,
    },
    /// The code ended before the person decided.
    #[error("the code {user_code} ended before the login was approved")]
    Expired {
        /// The code that was shown.
        user_code: ServerText,
    },
    /// The server refuses to go on.
    #[error(transparent)]
    Server(#[from] GrantError),
    /// Nobody decided within the time that was given. The code is still good.
    #[error("nobody approved the code {user_code} within {} s", limit.as_secs())]
    TimedOut {
        /// The code that was shown.
        user_code: ServerText,
        /// The time that was given.
        limit: Duration,
    },
}

impl PollError {
    fn of(ending: Ending, login: &PendingLogin, limit: Option<Duration>) -> Self {
        let user_code = login.user_code.clone();
        match (ending, limit) {
            (Ending::Denied { host }, _) => Self::Denied { host },
            (Ending::Limit, Some(limit)) => Self::TimedOut { user_code, limit },
            (Ending::Expired | Ending::Limit, _) => Self::Expired { user_code },
            (Ending::Refused(error), _) => Self::Server(error),
        }
    }
}

/// Who follows a login while it waits.
pub trait PollWatch: Debug {
    /// Tells whether to give up. Asked four times a second.
    fn is_cancelled(&self) -> bool {
        false
    }

    /// Hears of clocks that do not run alike, once.
    fn drift(&self, _drift: Drift) {}

    /// Hears that a request failed in a way that may pass.
    fn trouble(&self, _trouble: &GrantError) {}
}

/// Asks until there are tokens, or a reason why there are none. `limit` ends the waiting before the code does.
///
/// # Errors
///
/// [`PollError`].
pub fn poll(
    login: &PendingLogin,
    endpoint: &HttpTokenEndpoint,
    clock: &dyn Clock,
    limit: Option<Duration>,
    watch: &dyn PollWatch,
) -> Result<TokenSet, PollError> {
    poll_by(login, &mut || endpoint.device_token(login.device_code()), clock, limit, watch)
}

/// As [`poll`], whoever is asked.
fn poll_by(
    login: &PendingLogin,
    ask: &mut dyn FnMut() -> Result<Reply, GrantError>,
    clock: &dyn Clock,
    limit: Option<Duration>,
    watch: &dyn PollWatch,
) -> Result<TokenSet, PollError> {
    let ended = |ending| PollError::of(ending, login, limit);
    // The last failure, as long as no answer came after it: then nobody knows whether the login was approved.
    let mut last_trouble = None;
    let mut schedule = Schedule::new(login, limit, Reading::of(clock));
    loop {
        let pause = schedule.next_pause(Reading::of(clock));
        let pause =
            pause.map_err(|ending| last_trouble.take().map_or_else(|| ended(ending), PollError::Server))?;
        wait(pause, clock, watch)?;
        match ask() {
            Ok(Reply::Tokens(tokens)) => return Ok(tokens),
            Ok(Reply::Error(error)) => {
                last_trouble = None;
                schedule.heed(error).map_err(ended)?;
            }
            Err(trouble) if passes(&trouble) => {
                schedule.back_off(&trouble);
                watch.trouble(&trouble);
                last_trouble = Some(trouble);
            }
            Err(error) => return Err(error.into()),
        }
        if let Some(drift) = schedule.take_drift(Reading::of(clock)) {
            watch.drift(drift);
        }
    }
}

/// Waits in slices, so that giving up does not take as long as the pause.
fn wait(pause: Duration, clock: &dyn Clock, watch: &dyn PollWatch) -> Result<(), PollError> {
    let end = clock.monotonic().saturating_add(pause);
    loop {
        if watch.is_cancelled() {
            return Err(PollError::Cancelled);
        }
        let left = end.saturating_sub(clock.monotonic());
        if left.is_zero() {
            return Ok(());
        }
        clock.sleep(left.min(SLICE));
    }
}

/// Failures that say nothing about the login: the network, an intermediary, a server that is busy.
const fn passes(error: &GrantError) -> bool {
    matches!(
        error,
        GrantError::AnswerLost { .. }
            | GrantError::NoAnswer { .. }
            | GrantError::NotReached { .. }
            | GrantError::Unavailable { .. }
    )
}

/// How long it takes at most to notice that somebody gave up.
const SLICE: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use vault_core::secret::SecretString;

    use super::*;
    use crate::clock::UnixTime;
    use crate::token::TokenType;
    use crate::token_endpoint::ErrorReply;

    /// Clocks that run when somebody waits; the monotonic one perhaps faster than the wall's.
    #[derive(Debug)]
    struct Clocks {
        monotonic: Mutex<Duration>,
        wall_per_monotonic: f64,
    }

    impl Clock for Clocks {
        #[allow(clippy::cast_possible_truncation, reason = "the tests wait minutes")]
        fn now(&self) -> UnixTime {
            1_000 + (self.monotonic().as_secs_f64() * self.wall_per_monotonic) as UnixTime
        }

        fn monotonic(&self) -> Duration {
            *self.monotonic.lock().unwrap()
        }

        fn sleep(&self, pause: Duration) {
            *self.monotonic.lock().unwrap() += pause;
        }
    }

    #[derive(Debug, Default)]
    struct Watch {
        cancel_at: Option<u32>,
        asked: Cell<u32>,
        drifts: RefCell<Vec<Drift>>,
        troubles: Cell<u32>,
    }

    impl PollWatch for Watch {
        fn is_cancelled(&self) -> bool {
            self.asked.set(self.asked.get() + 1);
            self.cancel_at.is_some_and(|at| self.asked.get() >= at)
        }

        fn drift(&self, drift: Drift) {
            self.drifts.borrow_mut().push(drift);
        }

        fn trouble(&self, _: &GrantError) {
            self.troubles.set(self.troubles.get() + 1);
        }
    }

    fn even() -> Clocks {
        Clocks { monotonic: Mutex::new(Duration::from_secs(77)), wall_per_monotonic: 1.0 }
    }

    fn login(expires_in: i64) -> PendingLogin {
        let stored = serde_json::json!({
            "device_code": "canary", "user_code": "WDJB-MJHT", "verification": "https://id.example/device",
            "issued_at": 1_077, "expires_at": 1_077 + expires_in, "interval": 5,
        });
        PendingLogin::from_bytes(&vault_core::secret::SecretBytes::new(stored.to_string().into())).unwrap()
    }

    fn error(code: &str) -> Result<Reply, GrantError> {
        Ok(Reply::Error(ErrorReply {
            host: "id.example".into(),
            status: 400,
            retry_after: None,
            code: code.into(),
            description: None,
            interval: None,
        }))
    }

    fn tokens() -> Result<Reply, GrantError> {
        Ok(Reply::Tokens(TokenSet {
            access_token: SecretString::new("canary".into()),
            token_type: TokenType::Bearer,
            refresh_token: None,
            id_token: None,
            received_at: 0,
            expires_at: None,
            scopes: Vec::new(),
        }))
    }

    fn unreachable() -> Result<Reply, GrantError> {
        Err(GrantError::NotReached { host: "id.example".into(), reason: "refused".into() })
    }

    /// Polls with scripted answers, then pending for ever; returns the outcome and when it was asked.
    fn run(
        answers: Vec<Result<Reply, GrantError>>,
        login: &PendingLogin,
        clocks: &Clocks,
        limit: Option<Duration>,
        watch: &Watch,
    ) -> (Result<TokenSet, PollError>, Vec<f64>) {
        let mut answers = VecDeque::from(answers);
        let (started, mut times) = (clocks.monotonic(), Vec::new());
        let mut ask = || {
            times.push((clocks.monotonic() - started).as_secs_f64());
            answers.pop_front().unwrap_or_else(|| error("authorization_pending"))
        };
        let outcome = poll_by(login, &mut ask, clocks, limit, watch);
        (outcome, times)
    }

    #[test]
    fn the_interval_is_waited_before_every_request_the_first_included() {
        let answers = vec![error("authorization_pending"), error("authorization_pending"), tokens()];
        let (outcome, times) = run(answers, &login(600), &even(), None, &Watch::default());
        assert!(outcome.is_ok());
        assert_eq!(times, [6.0, 12.0, 18.0]);
    }

    #[test]
    fn ec_03_polling_needs_no_key_press() {
        let (outcome, times) = run(vec![tokens()], &login(600), &even(), None, &Watch::default());
        assert!(outcome.is_ok() && times.len() == 1);
    }

    #[test]
    fn a_storm_of_slow_down_makes_it_slower_and_never_ends_the_login() {
        let answers = (0..5).map(|_| error("slow_down")).chain([tokens()]).collect();
        let (outcome, times) = run(answers, &login(600), &even(), None, &Watch::default());
        assert!(outcome.is_ok());
        assert_eq!(times, [6.0, 18.0, 36.0, 60.0, 90.0, 126.0]);
    }

    #[test]
    fn failures_of_the_network_are_waited_out_and_do_not_stay_in_the_interval() {
        let answers = vec![unreachable(), unreachable(), error("authorization_pending"), tokens()];
        let watch = Watch::default();
        let (outcome, times) = run(answers, &login(600), &even(), None, &watch);
        assert!(outcome.is_ok());
        assert_eq!(times, [6.0, 13.0, 21.0, 27.0]);
        assert_eq!(watch.troubles.get(), 2);
    }

    #[test]
    fn a_server_that_says_it_can_not_now_is_waited_for() {
        let answers = vec![error("temporarily_unavailable"), error("server_error"), tokens()];
        let (outcome, times) = run(answers, &login(600), &even(), None, &Watch::default());
        assert!(outcome.is_ok());
        assert_eq!(times, [6.0, 13.0, 21.0]);
    }

    #[test]
    fn tokens_that_can_not_be_used_end_it_with_that_reason() {
        let found = ServerText::new("a token of a type that can't be used: mac");
        let unusable = Err(GrantError::Unusable { host: "id.example".into(), found });
        let (outcome, times) = run(vec![unusable], &login(600), &even(), None, &Watch::default());
        assert!(outcome.unwrap_err().to_string().ends_with("can't be used: mac") && times.len() == 1);
    }

    #[test]
    fn denied_and_refused_end_it_at_once() {
        let (outcome, times) =
            run(vec![error("access_denied")], &login(600), &even(), None, &Watch::default());
        assert!(matches!(outcome, Err(PollError::Denied { .. })) && times.len() == 1);
        for code in ["invalid_client", "invalid_grant", "unsupported_grant_type", "\u{1b}[2J"] {
            let (outcome, times) = run(vec![error(code)], &login(600), &even(), None, &Watch::default());
            let refused = outcome.unwrap_err();
            assert!(matches!(refused, PollError::Server(_)) && times.len() == 1, "{refused}");
            assert!(!refused.to_string().contains('\u{1b}'));
        }
    }

    #[test]
    fn an_expired_code_ends_it_without_another_request() {
        let (outcome, times) =
            run(vec![error("expired_token")], &login(600), &even(), None, &Watch::default());
        assert!(matches!(outcome, Err(PollError::Expired { .. })) && times.len() == 1);
    }

    #[test]
    fn the_last_request_comes_just_before_the_end_and_none_after() {
        let (outcome, times) = run(Vec::new(), &login(20), &even(), None, &Watch::default());
        assert!(matches!(outcome, Err(PollError::Expired { .. })));
        assert_eq!(times, [6.0, 12.0, 18.0, 19.0]);
    }

    #[test]
    fn a_limit_ends_it_before_the_code_does_and_says_so() {
        let limit = Some(Duration::from_secs(10));
        let (outcome, times) = run(Vec::new(), &login(600), &even(), limit, &Watch::default());
        assert_eq!(outcome.unwrap_err().to_string(), "nobody approved the code WDJB-MJHT within 10 s");
        assert_eq!(times, [6.0, 9.0]);
    }

    #[test]
    fn giving_up_takes_no_longer_than_a_quarter_of_a_second() {
        let (clocks, watch) = (even(), Watch { cancel_at: Some(3), ..Watch::default() });
        let (outcome, times) = run(Vec::new(), &login(600), &clocks, None, &watch);
        assert!(matches!(outcome, Err(PollError::Cancelled)) && times.is_empty());
        assert!(clocks.monotonic() <= Duration::from_millis(77_500));
    }

    #[test]
    fn ct_10_a_fast_clock_is_told_once_and_the_login_goes_on() {
        let clocks = Clocks { monotonic: Mutex::new(Duration::from_secs(77)), wall_per_monotonic: 0.8 };
        let watch = Watch::default();
        let answers = (0..5).map(|_| error("slow_down")).chain([tokens()]).collect();
        let (outcome, _) = run(answers, &login(600), &clocks, None, &watch);
        assert!(outcome.is_ok());
        let drifts = watch.drifts.borrow();
        assert_eq!(drifts.len(), 1, "{drifts:?}");
        assert!(drifts[0].monotonic > drifts[0].wall);
    }

    #[test]
    fn even_clocks_are_not_told_whatever_the_server_says() {
        let watch = Watch::default();
        let answers = (0..9).map(|_| error("slow_down")).collect();
        let (outcome, _) = run(answers, &login(600), &even(), None, &watch);
        assert!(matches!(outcome, Err(PollError::Expired { .. })));
        assert!(watch.drifts.borrow().is_empty());
    }
}
