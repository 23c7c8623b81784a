//! When a refresh is due. Time is that of the wall clock, as it was when the tokens came: what servers write
//! into their tokens is by clocks of their own.

use std::time::Duration;

use super::{Need, RefreshError};
use crate::clock::UnixTime;
use crate::stored_session::StoredSession;

/// When an access token has to be refreshed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// It is good for long enough.
    Later,
    /// It is not good for what is needed.
    Now,
    /// It is good, and better refreshed by now: a failure does no harm yet.
    Soon,
}

/// Says when the session's access token has to be refreshed.
///
/// # Errors
///
/// [`RefreshError::LifeTooShort`] for a need that no token of this server meets: to refresh would not help.
pub(super) fn due(session: &StoredSession, need: Need, now: UnixTime) -> Result<Due, RefreshError> {
    let Some(tokens) = session.tokens() else { return Ok(Due::Now) };
    if need.refused.is_some_and(|refused| refused >= session.generation()) {
        return Ok(Due::Now);
    }
    let Some(expires_at) = tokens.expires_at else { return Ok(Due::Later) };
    let life = expires_at.saturating_sub(tokens.received_at).max(1);
    let min_ttl = i64::try_from(need.min_ttl.as_secs()).unwrap_or(i64::MAX);
    if min_ttl >= life && min_ttl > 0 {
        return Err(RefreshError::LifeTooShort { life, min_ttl: need.min_ttl });
    }
    let left = expires_at.saturating_sub(now);
    Ok(if left < mandatory(life).max(min_ttl).max(1) {
        Due::Now
    } else if left < advisory(life) || tokens.received_at > now.saturating_add(LEEWAY) {
        // Tokens from the future: the clock was set back, and nobody knows how long they have left.
        Due::Soon
    } else {
        Due::Later
    })
}

/// Tells whether a refresh is due for no other reason than that more time is needed than the access token has left:
/// it lives, and no server refused it.
pub(super) fn is_for_more_time_only(session: &StoredSession, need: Need, now: UnixTime) -> bool {
    let any_time = Need { min_ttl: Duration::ZERO, ..need };
    due(session, need, now).is_ok_and(|due| due == Due::Now)
        && due(session, any_time, now).is_ok_and(|due| due != Due::Now)
}

/// Tells whether an early refresh failed a moment ago. A moment that is far off is one of another clock.
pub(super) fn is_too_early_again(session: &StoredSession, now: UnixTime) -> bool {
    session.retry_at().is_some_and(|at| now < at && at.saturating_sub(now) <= LONGEST_PAUSE)
}

/// A token has to be refreshed that ends in less than 15 s; one that lives for less than a minute, in less than a
/// quarter of its life.
const fn mandatory(life: i64) -> i64 {
    if life / 4 < 15 { life / 4 } else { 15 }
}

/// A token is better refreshed in the last tenth of its life, or its last minute; never before its half, or a
/// token of a minute would be refreshed by each command.
const fn advisory(life: i64) -> i64 {
    let tenth = if life / 10 > 60 { life / 10 } else { 60 };
    if life / 2 < tenth { life / 2 } else { tenth }
}

/// How far clocks go back without being set.
const LEEWAY: i64 = 60;
/// The longest time that an early refresh is put off.
const LONGEST_PAUSE: i64 = 3600;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{session_with, tokens};

    fn due_of(received_at: UnixTime, life: Option<i64>, need: Need, now: UnixTime) -> Due {
        let mut tokens = tokens(1, received_at, 900);
        tokens.expires_at = life.map(|life| received_at + life);
        due(&session_with(tokens), need, now).unwrap()
    }

    #[test]
    fn ec_06_a_token_is_refreshed_in_the_last_tenth_of_its_life_or_its_last_minute() {
        let any = Need::default();
        for (life, left, expected) in [
            (3600, 360, Due::Later),
            (3600, 359, Due::Soon),
            (3600, 15, Due::Soon),
            (3600, 14, Due::Now),
            (300, 60, Due::Later),
            (300, 59, Due::Soon),
            (300, -5000, Due::Now),
        ] {
            assert_eq!(due_of(1000, Some(life), any, 1000 + life - left), expected, "{life} {left}");
        }
    }

    #[test]
    fn a_short_token_is_not_refreshed_by_every_call() {
        let any = Need::default();
        assert_eq!(due_of(1000, Some(60), any, 1000), Due::Later);
        assert_eq!(due_of(1000, Some(60), any, 1031), Due::Soon);
        assert_eq!(due_of(1000, Some(60), any, 1046), Due::Now);
        assert_eq!(due_of(1000, Some(1), any, 1000), Due::Later);
        assert_eq!(due_of(1000, Some(1), any, 1001), Due::Now);
        assert_eq!(due_of(1000, Some(0), any, 1000), Due::Now);
    }

    #[test]
    fn a_token_that_says_nothing_of_its_end_is_used_until_a_server_refuses_it() {
        assert_eq!(due_of(1000, None, Need::default(), 900_000), Due::Later);
        assert_eq!(due_of(1000, None, Need { refused: Some(1), ..Need::default() }, 1000), Due::Now);
        assert_eq!(due_of(1000, None, Need { refused: Some(0), ..Need::default() }, 1000), Due::Later);
    }

    #[test]
    fn a_need_of_more_time_makes_a_refresh_due_and_one_of_more_than_a_life_is_refused() {
        let need = |seconds| Need { min_ttl: Duration::from_secs(seconds), ..Need::default() };
        assert_eq!(due_of(1000, Some(900), need(600), 1300), Due::Later);
        assert_eq!(due_of(1000, Some(900), need(600), 1301), Due::Now);
        let session = session_with(tokens(1, 1000, 900));
        let error = due(&session, need(900), 1000).unwrap_err();
        assert!(matches!(error, RefreshError::LifeTooShort { life: 900, .. }), "{error}");
    }

    #[test]
    fn more_time_is_the_only_reason_while_the_token_lives_and_nobody_refused_it() {
        let session = session_with(tokens(1, 1000, 900));
        let need = |seconds, refused| Need { min_ttl: Duration::from_secs(seconds), refused };
        for (need, left, expected) in [
            (need(600, None), 300, true),
            (need(600, None), 15, true),
            (need(600, None), 14, false),
            (need(600, None), 700, false),
            (need(0, None), 300, false),
            (need(600, Some(1)), 300, false),
            (need(900, None), 300, false),
        ] {
            assert_eq!(is_for_more_time_only(&session, need, 1900 - left), expected, "{need:?} {left}");
        }
    }

    #[test]
    fn ct_10_tokens_from_the_future_are_refreshed_soon_and_not_at_once() {
        assert_eq!(due_of(10_000, Some(3600), Need::default(), 10_000 - 3600), Due::Soon);
        assert_eq!(due_of(10_000, Some(3600), Need::default(), 10_000 - 59), Due::Later);
        assert_eq!(due_of(10_000, Some(3600), Need::default(), i64::MIN), Due::Soon);
        assert_eq!(due_of(10_000, Some(3600), Need::default(), i64::MAX), Due::Now);
    }
}
