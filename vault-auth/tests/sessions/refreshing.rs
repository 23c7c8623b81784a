//! One refresh by itself: when it comes, what it costs, what the hook of a program is told.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use vault_auth::clock::Clock;
use vault_auth::grant::{GrantError, TokenEndpoint};
use vault_auth::login::sign_out;
use vault_auth::refresh::{Access, Hook, HookError, Need, RefreshError, Refresher};
use vault_auth::session::SessionKey;
use vault_auth::session_file::SessionFile;
use vault_auth::stored_session::{State, StoredSession};
use vault_auth::token::TokenSet;
use vault_auth::token_store::{MemoryStore, TokenStore, Turn};
use vault_core::secret::SecretString;

use crate::sample::{Calls, Home, START, WAIT, connect, key, open, serial, serial_of};
use crate::server::{LIFE, Mode, Server, tokens};

fn home() -> Home {
    Home::signed_in(Server::new(Mode::Strict))
}

fn access_with_hook(home: &Home, hook: &Hook) -> Result<Access, RefreshError> {
    let connect = connect(&home.server, &home.clock);
    let store = home.open();
    Refresher::new(&store, &*home.clock, &connect).with_hook(hook).access(&key(), Need::default())
}

#[test]
fn ec_06_ae_13_a_token_near_its_end_is_refreshed_and_the_pair_stored_without_anybody_doing_anything() {
    let home = home();
    assert_eq!(serial(&home.access().unwrap()), 1);
    home.clock.advance(LIFE - 30);
    let access = home.access().unwrap();
    assert!(access.refreshed && access.postponed.is_none() && access.unsaved.is_none());
    assert_eq!((serial(&access), serial_of(&home.stored())), (2, 2));
    assert_eq!(home.stored().refresh_token().unwrap().expose_secret(), "refresh-2");
    assert_eq!(home.server.seen().requests, 1);
}

#[test]
fn es_06_a_token_of_memory_is_refreshed_as_one_of_a_file() {
    let home = home();
    let store = MemoryStore::new();
    let turn = store.lock(&key(), WAIT).unwrap();
    store.save(&turn, &home.stored()).unwrap();
    drop(turn);
    home.clock.advance(LIFE);
    assert_eq!(serial(&home.access_from(&store, Need::default()).unwrap()), 2);
    assert_eq!(serial_of(&store.load(&key()).unwrap().unwrap()), 2);
}

#[test]
fn ec_07_a_session_lives_as_long_as_its_refresh_tokens() {
    let home = home();
    for day in 1..=30 {
        home.clock.advance(86_400);
        assert_eq!(serial(&home.access().unwrap()), day + 1);
    }
    assert_eq!(home.server.seen().replays, 0);
}

#[test]
fn a_server_that_gives_no_new_refresh_token_gets_the_old_one_again() {
    let mut server = Server::new(Mode::Strict);
    server.keeps_refresh_token = true;
    let home = Home::signed_in(server);
    for _ in 0..3 {
        home.clock.advance(LIFE);
        assert!(home.access().unwrap().refreshed);
        assert_eq!(home.stored().refresh_token().unwrap().expose_secret(), "refresh-1");
    }
    assert_eq!(home.server.seen().replays, 0);
}

#[test]
fn a_session_that_never_was_and_one_that_is_signed_out_are_not_signed_in() {
    let home = home();
    let other = SessionKey { tenant: "other".into(), ..key() };
    let (store, connect) = (home.open(), connect(&home.server, &home.clock));
    let refresher = Refresher::new(&store, &*home.clock, &connect);
    assert!(matches!(refresher.access(&other, Need::default()), Err(RefreshError::NotSignedIn)));
    sign_out(&store, &key(), WAIT).unwrap();
    assert!(matches!(refresher.access(&key(), Need::default()), Err(RefreshError::NotSignedIn)));
    assert_eq!(home.server.seen().requests, 0);
}

#[test]
fn ae_13_a_refused_refresh_token_asks_for_a_login_once_and_deletes_nothing() {
    let home = home();
    home.clock.advance(LIFE);
    home.access().unwrap();
    // Somebody else has used the newest token: the server ends the session.
    home.server.steal(START);
    home.clock.advance(LIFE);
    for _ in 0..3 {
        let error = home.access().unwrap_err();
        let RefreshError::ReauthRequired(reauth) = &error else { panic!("{error}") };
        assert_eq!(reauth.description.as_deref(), Some("grant request is invalid"));
        assert!(reauth.interrupted.is_none());
    }
    assert_eq!(home.server.seen().requests, 2, "the refused token is sent once");
    let stored = home.stored();
    assert_eq!((serial_of(&stored), stored.generation()), (2, 2));
    home.sign_in();
    assert!(home.access().is_ok());
}

#[test]
fn a_session_that_needs_a_login_gives_its_access_token_while_that_lives() {
    let home = home();
    home.clock.advance(LIFE);
    home.access().unwrap();
    home.server.steal(START);
    home.clock.advance(LIFE - 30);
    for _ in 0..2 {
        let access = home.access().unwrap();
        assert!(matches!(access.postponed, Some(RefreshError::ReauthRequired(_))), "{access:?}");
        assert_eq!(serial(&access), 2);
    }
    assert_eq!(home.server.seen().requests, 2);
}

/// Refreshes while a program that takes no turns does something to the store, during the request.
fn refresh_while(
    home: &Home,
    meanwhile: impl Fn(&SessionFile) + Clone + Send + Sync + 'static,
) -> Result<Access, RefreshError> {
    let (server, clock, path) = (Arc::clone(&home.server), Arc::clone(&home.clock), home.path().to_owned());
    let connect = move |session: &StoredSession| {
        let link = connect(&server, &clock)(session)?;
        let (meanwhile, path) = (meanwhile.clone(), path.clone());
        let meanwhile = move || meanwhile(&open(&path));
        Ok(Box::new(Meanwhile { link, meanwhile: Mutex::new(Some(Box::new(meanwhile))) })
            as Box<dyn TokenEndpoint>)
    };
    let store = home.open();
    Refresher::new(&store, &*home.clock, &connect).access(&key(), Need::default())
}

/// Saves without the turn, as who has another lock file does.
fn save(store: &SessionFile, session: &StoredSession) {
    store.save(&Turn::new(key(), ()), session).unwrap();
}

fn replace(store: &SessionFile, tokens: TokenSet) {
    let before = store.load(&key()).unwrap();
    let login = before.as_ref().unwrap().login().clone();
    save(store, &StoredSession::sign_in(key(), login, None, tokens, before.as_ref()));
}

#[test]
fn a_newer_token_of_a_program_that_takes_no_turns_is_adopted() {
    let home = home();
    home.clock.advance(LIFE);
    let (server, now) = (Arc::clone(&home.server), home.clock.now());
    let access = refresh_while(&home, move |store| replace(store, server.steal(now))).unwrap();
    assert!(!access.refreshed && access.session.state() == &State::Valid);
    assert_eq!((serial(&access), serial_of(&home.stored())), (2, 2));
    assert_eq!(home.server.seen().requests, 1);
}

#[test]
fn an_answer_after_a_logout_that_took_no_turn_does_not_bring_the_session_back() {
    let home = home();
    home.clock.advance(LIFE);
    let sign_out = |store: &SessionFile| save(store, &store.load(&key()).unwrap().unwrap().sign_out());
    let refreshed = refresh_while(&home, sign_out);
    assert!(matches!(refreshed, Err(RefreshError::NotSignedIn)), "{refreshed:?}");
    assert_eq!((home.state(), home.stored().generation()), (State::SignedOut, 2));
    assert!(matches!(home.access(), Err(RefreshError::NotSignedIn)));
}

#[test]
fn an_answer_after_a_login_that_took_no_turn_leaves_that_login() {
    let home = home();
    home.clock.advance(LIFE);
    let now = home.clock.now();
    let sign_in = move |store: &SessionFile| replace(store, tokens(9, now, false));
    let access = refresh_while(&home, sign_in).unwrap();
    assert!(!access.refreshed);
    assert_eq!((serial(&access), serial_of(&home.stored()), home.stored().generation()), (9, 9, 2));
}

/// An endpoint during whose request something else happens.
struct Meanwhile {
    link: Box<dyn TokenEndpoint>,
    meanwhile: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl fmt::Debug for Meanwhile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.link.fmt(f)
    }
}

impl TokenEndpoint for Meanwhile {
    fn refresh(&self, refresh_token: &SecretString) -> Result<TokenSet, GrantError> {
        self.meanwhile.lock().unwrap().take().unwrap()();
        self.link.refresh(refresh_token)
    }
}

#[test]
fn es_07_the_hook_is_called_once_for_each_new_pair_after_that_is_stored() {
    let home = home();
    let calls = Calls::default();
    let (seen, path) = (Arc::clone(&calls), home.path().to_owned());
    let hook = move |before: u64, session: &StoredSession| -> Result<(), HookError> {
        let stored = open(&path).load(&key())?.unwrap();
        assert_eq!(serial_of(&stored), serial_of(session), "the pair is stored before the hook is called");
        seen.lock().unwrap().push((before, serial_of(session)));
        Ok(())
    };
    for _ in 0..3 {
        access_with_hook(&home, &hook).unwrap();
        home.clock.advance(LIFE);
        access_with_hook(&home, &hook).unwrap();
    }
    assert_eq!(*calls.lock().unwrap(), [(1, 2), (2, 3), (3, 4)]);
}

#[test]
fn ct_12_a_hook_that_fails_or_panics_takes_nothing_with_it() {
    let home = home();
    let fails = |_: u64, _: &StoredSession| -> Result<(), HookError> { Err("no room on the stick".into()) };
    let panics = |_: u64, _: &StoredSession| -> Result<(), HookError> { panic!("in the program's hook") };
    let hooks: [(&Hook, &str); 2] = [(&fails, "no room on the stick"), (&panics, "the hook panicked")];
    for (nth, (hook, text)) in (2..).zip(hooks) {
        home.clock.advance(LIFE);
        let access = access_with_hook(&home, hook).unwrap();
        assert_eq!(access.hook_failed.as_ref().map(ToString::to_string).as_deref(), Some(text));
        assert_eq!((serial(&access), serial_of(&home.stored())), (nth, nth));
        home.open().lock(&key(), WAIT).unwrap();
    }
}

#[test]
fn ct_12_a_slow_hook_keeps_the_turn_and_not_the_readers() {
    let home = home();
    home.clock.advance(LIFE);
    let slow = |_: u64, _: &StoredSession| -> Result<(), HookError> {
        thread::sleep(Duration::from_secs(2));
        Ok(())
    };
    thread::scope(|scope| {
        let refreshing = scope.spawn(|| access_with_hook(&home, &slow).map(|access| serial(&access)));
        while serial_of(&home.stored()) == 1 {
            thread::sleep(Duration::from_millis(2));
        }
        let started = Instant::now();
        assert_eq!(serial(&home.access().unwrap()), 2);
        assert!(started.elapsed() < Duration::from_secs(1), "a reader waited for the hook");
        assert_eq!(refreshing.join().unwrap().unwrap(), 2);
    });
}

#[test]
fn a_need_for_a_longer_life_refreshes_early_and_one_that_no_token_has_asks_nobody() {
    let home = home();
    let need = |seconds| Need { min_ttl: Duration::from_secs(seconds), ..Need::default() };
    home.clock.advance(400);
    assert_eq!(serial(&home.access_for(need(400)).unwrap()), 1);
    assert_eq!(serial(&home.access_for(need(600)).unwrap()), 2);
    let error = home.access_for(need(7200)).unwrap_err();
    assert_eq!(error.to_string(), "the server's access tokens live 900 s, 7200 s were asked for");
    assert_eq!(home.server.seen().requests, 1);
}

#[test]
fn ct_09_the_copy_of_a_home_on_another_device_sends_nothing() {
    let home = home();
    home.clock.advance(LIFE - 30);
    let (store, connect) = (home.open(), connect(&home.server, &home.clock));
    let copy = Refresher::new(&store, &*home.clock, &connect).with_device("device-2");
    let access = copy.access(&key(), Need::default()).unwrap();
    assert!(matches!(access.postponed, Some(RefreshError::DeviceMismatch { .. })), "{access:?}");
    home.clock.advance(30);
    let error = copy.access(&key(), Need::default()).unwrap_err();
    assert_eq!(error.to_string(), "the session belongs to another device (device-1); this one is device-2");
    assert_eq!(home.server.seen().requests, 0);
    assert_eq!(home.state(), State::Valid);
    assert_eq!(serial(&home.access().unwrap()), 2, "the first device goes on");
}

#[test]
fn ct_10_a_clock_that_jumps_costs_one_refresh_a_jump() {
    let home = home();
    let mut requests = 0;
    for jump in [3600, -3600, 3600, -7200, 86_400 * 365, -86_400 * 365] {
        home.clock.advance(jump);
        for _ in 0..5 {
            home.access().unwrap();
        }
        requests += 1;
        assert_eq!(home.server.seen().requests, requests, "{jump}");
        assert_eq!(home.stored().tokens().unwrap().received_at, home.clock.now());
    }
    assert_eq!(home.server.seen().replays, 0);
}
