//! Many processes and threads at one session.

use std::fs;
use std::path::Path;
use std::process::Child;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use vault_auth::clock::Clock;
use vault_auth::grant::{GrantError, TokenEndpoint};
use vault_auth::lock::LockError;
use vault_auth::login::sign_out;
use vault_auth::refresh::{Need, RefreshError, Refresher};
use vault_auth::stored_session::State;
use vault_auth::token::TokenSet;
use vault_auth::token_store::{StoreFailure, TokenStore};
use vault_core::secret::SecretString;

use crate::process::{Role, start};
use crate::sample::{Home, START, WAIT, connect, key, open, serial, serial_of};
use crate::server::{LIFE, Link, Mode, Seen, Server};

#[test]
fn ct_01_32_processes_need_one_refresh_for_each_of_200_expiries() {
    const PROCESSES: usize = 32;
    const EXPIRIES: u32 = 200;
    let mut server = Server::new(Mode::Strict);
    (server.processes, server.start) = (PROCESSES, START);
    let home = Home::signed_in(server);
    let address = home.server.listen().to_string();
    let callers: Vec<_> =
        (0..PROCESSES).map(|_| start(Role::Call(EXPIRIES), home.path(), &address)).collect();
    for mut caller in callers {
        assert!(caller.wait().unwrap().success());
    }
    let refreshes = u64::from(EXPIRIES);
    assert_eq!(home.server.seen(), Seen { refreshes, replays: 0, requests: refreshes });
    assert_eq!(home.server.failed_calls(), 0);
    assert_eq!(home.stored().generation(), refreshes + 1);
}

#[test]
fn a_client_without_turns_would_be_seen() {
    let home = Home::signed_in(Server::new(Mode::Strict));
    let link = Link { server: Arc::clone(&home.server), clock: home.clock.clone() };
    let session = home.stored();
    let token = session.refresh_token().unwrap();
    assert!(link.refresh(token).is_ok());
    assert!(matches!(link.refresh(token), Err(GrantError::Rejected { .. })));
    assert_eq!(home.server.seen(), Seen { refreshes: 1, replays: 1, requests: 2 });
}

#[test]
fn threads_of_one_process_need_one_refresh() {
    let home = Home::signed_in(Server::new(Mode::Strict));
    home.clock.advance(LIFE);
    let store = home.open();
    let barrier = Barrier::new(16);
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                barrier.wait();
                assert_eq!(serial(&home.access_from(&store, Need::default()).unwrap()), 2);
            });
        }
    });
    assert_eq!(home.server.seen(), Seen { refreshes: 1, replays: 0, requests: 1 });
}

#[test]
fn many_refused_calls_need_one_refresh() {
    let home = Home::signed_in(Server::new(Mode::Strict));
    let need = Need { refused: Some(home.stored().generation()), ..Need::default() };
    for _ in 0..8 {
        assert_eq!(serial(&home.access_for(need).unwrap()), 2);
    }
    assert_eq!(home.server.seen(), Seen { refreshes: 1, replays: 0, requests: 1 });
}

#[test]
fn ct_04_a_hundred_readers_see_whole_sessions_and_wait_for_no_lock() {
    let home = Home::signed_in(Server::new(Mode::Strict));
    let writer = home.open();
    let turn = writer.lock(&key(), WAIT).unwrap();
    let (done, reads) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                let store = home.open();
                while !done.load(Ordering::Relaxed) {
                    let session = store.load(&key()).unwrap().unwrap();
                    assert_eq!(serial_of(&session), session.generation(), "halves of two sessions");
                    reads.fetch_add(1, Ordering::Relaxed);
                    // Else a hundred readers leave the writer no processor.
                    thread::sleep(Duration::from_millis(100));
                }
            });
        }
        // The turn is held all the time, so that whoever waits for it never reads.
        for serial in 2..=1001 {
            let before = writer.load(&key()).unwrap().unwrap().begin(START).unwrap();
            let session = before.complete(crate::server::tokens(serial, START, false));
            writer.save(&turn, &session).unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(reads.load(Ordering::Relaxed) > 100);
    assert_eq!(home.stored().generation(), 1001);
}

/// Waits until the holder of the session's lock has said so, and is stopped.
fn stopped(holder: &Child, home: &Path) -> Pid {
    let pid = Pid::from_child(holder);
    let started = Instant::now();
    let is_stopped = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", holder.id())).unwrap();
        stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" T"))
    };
    while !is_stopped() {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "the holder does not start in {}",
            home.display()
        );
        thread::sleep(Duration::from_millis(5));
    }
    pid
}

#[test]
fn ct_05_a_holder_that_is_stopped_is_named_and_the_others_go_on_after_it() {
    let home = Home::signed_in(Server::new(Mode::Strict));
    let mut holder = start(Role::Hold, home.path(), "");
    let pid = stopped(&holder, home.path());
    home.clock.advance(LIFE);
    let connect = connect(&home.server, &home.clock);
    let store = home.open();
    let refresher = Refresher::new(&store, &*home.clock, &connect);
    let deadline = Duration::from_millis(300);
    let error = refresher.with_lock_deadline(deadline).access(&key(), Need::default()).unwrap_err();
    let busy = matches!(&error, RefreshError::Store(StoreFailure::Lock(LockError::Busy { holder: Some(by), waited, .. }))
        if *by == holder.id() && *waited == deadline);
    assert!(busy, "{error:?}");
    assert!(error.to_string().contains(&format!("process {}", holder.id())), "{error}");
    assert_eq!(home.server.seen().requests, 0);
    kill_process(pid, Signal::CONT).unwrap();
    assert_eq!(serial(&home.access().unwrap()), 2);
    assert!(holder.wait().unwrap().success());
}

#[test]
fn a_token_that_is_good_is_given_out_while_somebody_else_has_the_turn() {
    let home = Home::signed_in(Server::new(Mode::Strict));
    let store = home.open();
    let _turn = store.lock(&key(), WAIT).unwrap();
    home.clock.advance(LIFE - 30);
    let started = Instant::now();
    let access = home.access().unwrap();
    assert!(serial(&access) == 1 && access.postponed.is_none());
    assert!(started.elapsed() < Duration::from_secs(10), "it waited for the turn");
}

/// An endpoint that says when a request came, and answers when it may.
#[derive(Debug)]
struct Slow {
    link: Link,
    came: Mutex<mpsc::Sender<()>>,
    may_answer: Arc<Barrier>,
}

impl TokenEndpoint for Slow {
    fn refresh(&self, refresh_token: &SecretString) -> Result<TokenSet, GrantError> {
        self.came.lock().unwrap().send(()).unwrap();
        self.may_answer.wait();
        self.link.refresh(refresh_token)
    }
}

/// Runs `during` while a refresh is at the server, lets that end, and waits for both.
fn during_a_refresh(home: &Home, during: impl FnOnce() + Send) -> Result<u64, RefreshError> {
    let (came, comes) = mpsc::channel();
    let may_answer = Arc::new(Barrier::new(2));
    let (server, clock, answer) =
        (Arc::clone(&home.server), Arc::clone(&home.clock), Arc::clone(&may_answer));
    let slow = move |_: &_| -> Result<Box<dyn TokenEndpoint>, GrantError> {
        let clock: Arc<dyn Clock> = clock.clone();
        let link = Link { server: Arc::clone(&server), clock };
        Ok(Box::new(Slow { link, came: Mutex::new(came.clone()), may_answer: Arc::clone(&answer) }))
    };
    thread::scope(|scope| {
        let refreshing = scope.spawn(|| {
            let store = home.open();
            let access = Refresher::new(&store, &*home.clock, &slow).access(&key(), Need::default());
            access.map(|access| serial(&access))
        });
        comes.recv().unwrap();
        let other = scope.spawn(during);
        thread::sleep(Duration::from_millis(50));
        assert!(!other.is_finished(), "it did not wait for the turn");
        may_answer.wait();
        other.join().unwrap();
        refreshing.join().unwrap()
    })
}

#[test]
fn ct_07_a_logout_during_a_refresh_is_the_last_word() {
    let home = Home::signed_in(Server::new(Mode::Strict));
    home.clock.advance(LIFE);
    let refreshed = during_a_refresh(&home, || {
        let was = sign_out(&open(home.path()), &key(), Duration::from_secs(20)).unwrap().unwrap();
        assert_eq!(serial_of(&was), 2, "what is revoked is the newest token");
    });
    assert_eq!(refreshed.unwrap(), 2);
    assert_eq!(home.state(), State::SignedOut);
    assert!(matches!(home.access(), Err(RefreshError::NotSignedIn)));
    assert_eq!(home.server.seen().requests, 1);
}

#[test]
fn ct_07_a_login_during_a_refresh_is_the_last_word() {
    let home = Home::signed_in(Server::new(Mode::Strict));
    home.clock.advance(LIFE);
    during_a_refresh(&home, || drop(home.sign_in())).unwrap();
    let session = home.stored();
    let newest = (serial_of(&session), session.generation(), session.state());
    assert_eq!(newest, (2, 3, &State::Valid), "the token of the login, after that of the refresh");
}

#[test]
fn a_refresh_that_finishes_after_a_logout_does_not_bring_the_session_back() {
    let home = Home::signed_in(Server::new(Mode::Strict));
    home.clock.advance(LIFE);
    let store = home.open();
    let turn = store.lock(&key(), WAIT).unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| home.access());
        thread::sleep(Duration::from_millis(50));
        store.save(&turn, &home.stored().sign_out()).unwrap();
        drop(turn);
        assert!(matches!(waiting.join().unwrap(), Err(RefreshError::NotSignedIn)));
    });
    assert_eq!((home.state(), home.server.seen().requests), (State::SignedOut, 0));
}
