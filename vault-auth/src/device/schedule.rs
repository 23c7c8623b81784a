//! When to ask next, and when it is over (RFC 8628 §3.5): computed from clocks and answers alone, apart from
//! asking.

use std::mem;
use std::time::Duration;

use super::PendingLogin;
use crate::clock::{Clock, UnixTime};
use crate::grant::GrantError;
use crate::token_endpoint::ErrorReply;

/// Two clocks of this machine that do not run alike, which makes servers say `slow_down`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drift {
    /// How long the wall clock says that the waiting took.
    pub wall: Duration,
    /// How long the monotonic clock says.
    pub monotonic: Duration,
}

/// Why there is nothing more to ask.
#[derive(Debug)]
pub(super) enum Ending {
    Denied { host: String },
    Expired,
    Limit,
    Refused(GrantError),
}

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    wall: UnixTime,
    monotonic: Duration,
}

impl Reading {
    pub(super) fn of(clock: &dyn Clock) -> Self {
        Self { wall: clock.now(), monotonic: clock.monotonic() }
    }
}

/// When to ask next. The code ends when either clock says so: one of them may have stood still or jumped.
#[derive(Debug)]
pub(super) struct Schedule {
    base: Duration,
    /// What `slow_down` added; it stays (RFC 8628 §3.5).
    extra: Duration,
    /// What failures of the network added; one answer that can be read takes it away.
    backoff: Duration,
    slow_downs: u32,
    drift_told: bool,
    last_asked: bool,
    started: Reading,
    wall_end: UnixTime,
    monotonic_end: Duration,
    limit_end: Option<Duration>,
}

impl Schedule {
    pub(super) fn new(login: &PendingLogin, limit: Option<Duration>, now: Reading) -> Self {
        // In another process than the one that asked for the code, only the wall clock knows what is left.
        let life = u64::try_from(login.expires_at.saturating_sub(login.issued_at)).unwrap_or(0);
        let left = u64::try_from(login.expires_at.saturating_sub(now.wall)).unwrap_or(0).min(life);
        Self {
            base: Duration::from_secs(login.interval),
            extra: Duration::ZERO,
            backoff: Duration::ZERO,
            slow_downs: 0,
            drift_told: false,
            last_asked: false,
            started: now,
            wall_end: login.expires_at,
            monotonic_end: now.monotonic.saturating_add(Duration::from_secs(left)),
            limit_end: limit.map(|limit| now.monotonic.saturating_add(limit)),
        }
    }

    /// Returns how long to wait before asking again, or why it is over. The last request comes just before the
    /// end, because a person often decides in the last seconds.
    pub(super) fn next_pause(&mut self, now: Reading) -> Result<Duration, Ending> {
        let left = self.left(now);
        if self.last_asked || left.is_zero() {
            let limit_came_first = self.limit_end.is_some_and(|end| end < self.monotonic_end);
            return Err(if limit_came_first { Ending::Limit } else { Ending::Expired });
        }
        let pause = (self.base + self.extra).mul_f64(MARGIN) + self.backoff;
        if pause + BEFORE_END < left {
            return Ok(pause);
        }
        self.last_asked = true;
        Ok(left.saturating_sub(BEFORE_END))
    }

    /// The time that is left by the clock that has less of it.
    fn left(&self, now: Reading) -> Duration {
        let wall = Duration::from_secs(u64::try_from(self.wall_end.saturating_sub(now.wall)).unwrap_or(0));
        let monotonic = self.monotonic_end.saturating_sub(now.monotonic);
        let limit = self.limit_end.map_or(Duration::MAX, |end| end.saturating_sub(now.monotonic));
        wall.min(monotonic).min(limit)
    }

    /// Takes an answer to heart, or returns why it is the last one.
    pub(super) fn heed(&mut self, error: ErrorReply) -> Result<(), Ending> {
        let backoff = mem::take(&mut self.backoff);
        match error.code.as_str() {
            "authorization_pending" => Ok(()),
            "slow_down" => {
                self.slow_downs = self.slow_downs.saturating_add(1);
                let named = Duration::from_secs(error.interval.unwrap_or(0)).saturating_sub(self.base);
                self.extra = (self.extra + SLOWER).max(named);
                Ok(())
            }
            "access_denied" => Err(Ending::Denied { host: error.host }),
            "expired_token" => Err(Ending::Expired),
            _ => match error.into_grant_error() {
                unavailable @ GrantError::Unavailable { .. } => {
                    self.backoff = backoff;
                    self.back_off(&unavailable);
                    Ok(())
                }
                error => Err(Ending::Refused(error)),
            },
        }
    }

    pub(super) fn back_off(&mut self, trouble: &GrantError) {
        let asked = match trouble {
            GrantError::NoAnswer { retry_after, .. } | GrantError::Unavailable { retry_after, .. } => {
                *retry_after
            }
            _ => None,
        };
        let doubled = (self.backoff * 2).clamp(FIRST_BACKOFF, MAX_BACKOFF);
        self.backoff = asked.unwrap_or(Duration::ZERO).max(doubled);
    }

    /// Returns how far the clocks are apart, once, from the second `slow_down` on.
    pub(super) fn take_drift(&mut self, now: Reading) -> Option<Drift> {
        let wall = u64::try_from(now.wall.saturating_sub(self.started.wall)).unwrap_or(0);
        let drift = Drift {
            wall: Duration::from_secs(wall),
            monotonic: now.monotonic.saturating_sub(self.started.monotonic),
        };
        let apart = drift.wall.abs_diff(drift.monotonic);
        let told = self.drift_told || self.slow_downs < 2 || apart < WALL_RESOLUTION;
        if told || apart.as_secs_f64() <= drift.monotonic.as_secs_f64() * TOLERATED_DRIFT {
            return None;
        }
        self.drift_told = true;
        Some(drift)
    }
}

/// How much longer than told we wait: a server that counts from its own sending throttles the exact interval.
const MARGIN: f64 = 1.2;

/// What each `slow_down` adds (RFC 8628 §3.5).
const SLOWER: Duration = Duration::from_secs(5);

/// The least and the most that failures of the network add.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// How long before the end the last request goes out.
const BEFORE_END: Duration = Duration::from_secs(1);

/// How far clocks may be apart; the wall clock is read in whole seconds.
const TOLERATED_DRIFT: f64 = 0.05;
const WALL_RESOLUTION: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use vault_core::secret::SecretBytes;

    use super::*;

    fn login(interval: u64, expires_in: i64) -> PendingLogin {
        let stored = serde_json::json!({
            "device_code": "canary", "user_code": "A", "verification": "https://id.example/",
            "issued_at": 1_000, "expires_at": 1_000 + expires_in, "interval": interval,
        });
        PendingLogin::from_bytes(&SecretBytes::new(stored.to_string().into())).unwrap()
    }

    fn at(wall: UnixTime, monotonic: u64) -> Reading {
        Reading { wall, monotonic: Duration::from_secs(monotonic) }
    }

    fn slow_down(interval: Option<u64>) -> ErrorReply {
        let (host, code) = ("id.example".into(), "slow_down".into());
        ErrorReply { host, status: 400, retry_after: None, code, description: None, interval }
    }

    fn seconds(schedule: &mut Schedule, now: Reading) -> f64 {
        schedule.next_pause(now).unwrap().as_secs_f64()
    }

    #[test]
    fn an_interval_of_zero_is_one_second_and_a_huge_one_leaves_the_last_request() {
        assert_eq!(seconds(&mut Schedule::new(&login(0, 600), None, at(1_000, 0)), at(1_000, 0)), 1.2);
        let mut huge = Schedule::new(&login(315_360_000, 600), None, at(1_000, 0));
        assert_eq!(seconds(&mut huge, at(1_000, 0)), 599.0);
        assert!(matches!(huge.next_pause(at(1_599, 599)), Err(Ending::Expired)));
    }

    #[test]
    fn the_interval_that_github_names_with_slow_down_is_taken_where_it_is_longer() {
        let mut schedule = Schedule::new(&login(5, 600), None, at(1_000, 0));
        schedule.heed(slow_down(Some(30))).unwrap();
        assert_eq!(seconds(&mut schedule, at(1_000, 0)), 36.0);
        schedule.heed(slow_down(Some(1))).unwrap();
        assert_eq!(seconds(&mut schedule, at(1_000, 0)), 42.0);
    }

    #[test]
    fn a_server_that_asks_for_patience_gets_it() {
        let mut schedule = Schedule::new(&login(5, 600), None, at(1_000, 0));
        let asked = GrantError::Unavailable {
            host: "id.example".into(),
            status: 429,
            retry_after: Some(Duration::from_secs(40)),
        };
        schedule.back_off(&asked);
        assert_eq!(seconds(&mut schedule, at(1_000, 0)), 46.0);
    }

    #[test]
    fn the_code_ends_by_the_clock_that_ends_it_first() {
        let ended = |wall, monotonic| {
            let mut schedule = Schedule::new(&login(5, 60), None, at(1_000, 0));
            matches!(schedule.next_pause(at(wall, monotonic)), Err(Ending::Expired))
        };
        assert!(ended(1_061, 3), "the machine slept, and the monotonic clock with it");
        assert!(ended(1_003, 61), "the wall clock was set back");
        assert!(!ended(1_003, 3));
    }

    #[test]
    fn another_process_goes_on_with_what_is_left() {
        let mut schedule = Schedule::new(&login(5, 60), None, at(1_050, 9_000));
        assert_eq!(seconds(&mut schedule, at(1_050, 9_000)), 6.0);
        assert_eq!(seconds(&mut schedule, at(1_056, 9_006)), 3.0);
        assert!(Schedule::new(&login(5, 60), None, at(1_060, 9_000)).next_pause(at(1_060, 9_000)).is_err());
        let mut set_back = Schedule::new(&login(5, 60), None, at(900, 9_000));
        assert!(
            set_back.next_pause(at(900, 9_061)).is_err(),
            "a code never lives longer than the server said"
        );
    }

    #[test]
    fn backing_off_is_bounded() {
        let mut schedule = Schedule::new(&login(5, 600), None, at(1_000, 0));
        let lost = GrantError::AnswerLost { host: "id.example".into(), reason: "reset".into() };
        for _ in 0..20 {
            schedule.back_off(&lost);
        }
        assert_eq!(seconds(&mut schedule, at(1_000, 0)), 36.0);
    }
}
