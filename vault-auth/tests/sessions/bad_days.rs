//! Servers and networks that fail: what is kept, what is sent again, and how soon.

use std::time::Duration;

use vault_auth::clock::Clock;
use vault_auth::grant::GrantError;
use vault_auth::refresh::{Need, RefreshError};
use vault_auth::stored_session::State;

use crate::sample::{Home, serial, serial_of};
use crate::server::{Fault, LIFE, Mode, Server};

fn broken(mode: Mode, faults: &[Fault]) -> Home {
    let home = Home::signed_in(Server::new(mode).with_faults(faults));
    home.clock.advance(LIFE);
    home
}

#[test]
fn ct_13_whatever_the_server_answers_the_tokens_stay_and_the_next_call_may_try_again() {
    use Fault::{Nonsense, NotReached, Refused, RequestLost, Status, Unusable};
    for (fault, requests) in [
        (NotReached, 2),
        (RequestLost, 2),
        (Nonsense, 2),
        (Status(429, Some(2)), 2),
        (Status(429, Some(3600)), 1),
        (Status(429, None), 1),
        (Status(503, Some(1)), 2),
        (Status(503, None), 1),
        (Status(500, None), 2),
        (Status(504, None), 2),
        (Refused, 1),
        (Unusable, 1),
    ] {
        let home = broken(Mode::Strict, &[fault, fault]);
        let error = home.access().unwrap_err();
        assert!(matches!(error, RefreshError::Grant(_)), "{fault:?}: {error}");
        assert_eq!(home.server.seen().requests, requests, "{fault:?}");
        assert!(home.clock.slept() <= Duration::from_secs(10), "{fault:?}: {:?}", home.clock.slept());
        assert_eq!(serial_of(&home.stored()), 1, "{fault:?}");
        home.server.break_next(&[]);
        if requests == 1 {
            home.access().unwrap_err();
        }
        assert_eq!(serial(&home.access().unwrap()), 2, "{fault:?}");
    }
}

#[test]
fn an_unreachable_server_is_not_a_lost_login() {
    let home = broken(Mode::Strict, &[Fault::NotReached; 2]);
    let error = home.access().unwrap_err();
    assert!(matches!(error, RefreshError::Grant(GrantError::NotReached { .. })), "{error}");
    assert_eq!(home.state(), State::Valid, "it surely did not arrive: no note of it stays");
}

#[test]
fn an_answer_that_is_lost_is_asked_for_once_more_at_once() {
    let home = broken(Mode::Grace, &[Fault::AnswerLost]);
    let access = home.access().unwrap();
    assert_eq!((serial(&access), home.clock.slept()), (2, Duration::ZERO));
    assert_eq!((home.server.seen().requests, home.server.seen().replays), (2, 1));
}

#[test]
fn an_answer_that_a_strict_server_gives_once_is_lost_with_the_session_and_says_so() {
    let home = broken(Mode::Strict, &[Fault::AnswerLost]);
    let error = home.access().unwrap_err();
    assert!(
        matches!(&error, RefreshError::ReauthRequired(reauth) if reauth.interrupted.is_some()),
        "{error}"
    );
    home.access().unwrap_err();
    assert_eq!(home.server.seen().requests, 2);
}

#[test]
fn a_note_stays_until_the_server_has_spoken() {
    let home = broken(Mode::Grace, &[Fault::AnswerLost, Fault::NotReached]);
    home.access().unwrap_err();
    assert!(matches!(home.state(), State::Refreshing(_)), "the first request may have arrived");
    home.server.break_next(&[Fault::NotReached, Fault::NotReached]);
    home.access().unwrap_err();
    assert!(matches!(home.state(), State::Refreshing(_)));
    assert_eq!(serial(&home.access().unwrap()), 2);
    assert_eq!(home.state(), State::Valid);
}

#[test]
fn an_early_refresh_that_fails_gives_the_token_that_is_there_and_waits_before_the_next() {
    let home = Home::signed_in(Server::new(Mode::Strict).with_faults(&[Fault::NotReached; 4]));
    home.clock.advance(LIFE - 59);
    let access = home.access().unwrap();
    assert!(serial(&access) == 1 && matches!(access.postponed, Some(RefreshError::Grant(_))));
    for _ in 0..5 {
        assert_eq!(serial(&home.access().unwrap()), 1);
    }
    assert_eq!(home.server.seen().requests, 2, "one try of two requests, not one a call");
    home.clock.advance(31);
    assert!(home.access().unwrap().postponed.is_some());
    assert_eq!(home.server.seen().requests, 4);
    home.clock.advance(20);
    assert_eq!(serial(&home.access().unwrap()), 2, "a token that is needed is asked for at once");
}

#[test]
fn a_server_that_asks_for_time_gets_it_while_the_token_lives() {
    let home = Home::signed_in(Server::new(Mode::Strict).with_faults(&[Fault::Status(429, Some(40))]));
    home.clock.advance(LIFE - 59);
    assert!(home.access().unwrap().postponed.is_some());
    home.clock.advance(39);
    assert_eq!(serial(&home.access().unwrap()), 1);
    home.clock.advance(2);
    assert_eq!(serial(&home.access().unwrap()), 2);
}

#[test]
fn a_configuration_that_is_refused_keeps_the_session() {
    let home = broken(Mode::Strict, &[Fault::Refused]);
    let error = home.access().unwrap_err();
    assert_eq!(error.to_string(), "auth.example refuses the request: invalid_client");
    assert_eq!(home.state(), State::Valid);
}

#[test]
fn an_endpoint_that_is_not_found_costs_no_request_and_leaves_no_note() {
    let home = broken(Mode::Strict, &[]);
    let store = home.open();
    let connect =
        |_: &_| Err(GrantError::NotReached { host: "auth.example".into(), reason: "no CA file".into() });
    let refresher = vault_auth::refresh::Refresher::new(&store, &*home.clock, &connect);
    assert!(refresher.access(&crate::sample::key(), Need::default()).is_err());
    assert_eq!((home.state(), home.server.seen().requests), (State::Valid, 0));
    assert!(home.clock.now() > 0);
}
