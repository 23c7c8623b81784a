//! Processes that are killed in the middle of a refresh, at each point where that makes a difference.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use vault_auth::clock::Clock;
use vault_auth::grant::{GrantError, TokenEndpoint};
use vault_auth::refresh::{HookError, Need, RefreshError, Refresher};
use vault_auth::session::SessionKey;
use vault_auth::session_file::SessionFile;
use vault_auth::stored_session::{State, StoredSession};
use vault_auth::token::TokenSet;
use vault_auth::token_store::{StoreFailure, TokenStore, Turn};
use vault_core::format::Snapshot;
use vault_core::secret::SecretString;
use vault_core::store::{Expected, FileStore, Previous, StoreError, VaultStore, WriteTurn};

use crate::process::{Role, die, start};
use crate::sample::{Home, START, TestClock, WAIT, key, open_store, serial};
use crate::server::{Connection, LIFE, Mode, Server};

/// Where a refresh is killed, in the order of its steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Point {
    BeforeTurn,
    AfterTurn,
    BeforeNote,
    HalfOfNote,
    WholeNoteUnnamed,
    AfterNote,
    BeforeSending,
    AfterSending,
    AfterAnswer,
    HalfOfTokens,
    WholeTokensUnnamed,
    AfterTokens,
    InHook,
}

const POINTS: [Point; 13] = [
    Point::BeforeTurn,
    Point::AfterTurn,
    Point::BeforeNote,
    Point::HalfOfNote,
    Point::WholeNoteUnnamed,
    Point::AfterNote,
    Point::BeforeSending,
    Point::AfterSending,
    Point::AfterAnswer,
    Point::HalfOfTokens,
    Point::WholeTokensUnnamed,
    Point::AfterTokens,
    Point::InHook,
];

impl Point {
    pub(crate) fn named(name: &str) -> Self {
        *POINTS.iter().find(|point| format!("{point:?}") == name).unwrap()
    }

    /// The server has taken the token, and nobody has the answer.
    fn loses_the_answer(self) -> bool {
        (Self::AfterSending..=Self::WholeTokensUnnamed).contains(&self)
    }
}

/// A process that is killed when it gets to a point.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dying {
    at: Point,
}

impl Dying {
    pub(crate) const fn at(at: Point) -> Self {
        Self { at }
    }

    fn reach(self, point: Point) {
        if self.at == point {
            die();
        }
    }

    /// Refreshes the session of the directory that the process was started in.
    pub(crate) fn refresh(self, address: &str) {
        let clock = TestClock::at(START + LIFE);
        let file = DyingFile { inner: FileStore::new("auth"), dying: self, writes: AtomicU32::new(0) };
        let store = DyingStore { inner: open_store(file, Path::new(".")), dying: self };
        let connection = Arc::new(Connection::open(address));
        let connect = {
            let clock = Arc::clone(&clock);
            move |_: &StoredSession| -> Result<Box<dyn TokenEndpoint>, GrantError> {
                let (connection, clock) = (Arc::clone(&connection), Arc::clone(&clock));
                Ok(Box::new(DyingEndpoint { connection, clock, dying: self }))
            }
        };
        let hook = move |_, _: &StoredSession| -> Result<(), HookError> {
            self.reach(Point::InHook);
            Ok(())
        };
        let refresher = Refresher::new(&store, &*clock, &connect).with_hook(&hook);
        drop(refresher.access(&key(), Need::default()));
        panic!("the process was not killed at {:?}", self.at);
    }
}

#[derive(Debug)]
struct DyingStore {
    inner: SessionFile,
    dying: Dying,
}

impl TokenStore for DyingStore {
    fn load(&self, key: &SessionKey) -> Result<Option<StoredSession>, StoreFailure> {
        self.inner.load(key)
    }

    fn lock(&self, key: &SessionKey, deadline: Duration) -> Result<Turn, StoreFailure> {
        self.dying.reach(Point::BeforeTurn);
        let turn = self.inner.lock(key, deadline);
        self.dying.reach(Point::AfterTurn);
        turn
    }

    fn save(&self, turn: &Turn, session: &StoredSession) -> Result<(), StoreFailure> {
        self.inner.save(turn, session)
    }
}

/// A file whose writes are cut off: in the middle of the new file, or before it gets its name.
#[derive(Debug)]
struct DyingFile {
    inner: FileStore,
    dying: Dying,
    writes: AtomicU32,
}

impl VaultStore for DyingFile {
    fn open(&self) -> Result<Option<Box<dyn Snapshot>>, StoreError> {
        self.inner.open()
    }

    fn begin_write(&self) -> Result<Box<dyn WriteTurn + '_>, StoreError> {
        let nth = self.writes.fetch_add(1, Ordering::SeqCst);
        let points = match nth {
            0 => [Point::BeforeNote, Point::HalfOfNote, Point::WholeNoteUnnamed, Point::AfterNote],
            _ => [Point::AfterAnswer, Point::HalfOfTokens, Point::WholeTokensUnnamed, Point::AfterTokens],
        };
        Ok(Box::new(DyingTurn { inner: self.inner.begin_write()?, dying: self.dying, points }))
    }

    fn location(&self) -> &Path {
        self.inner.location()
    }
}

#[derive(Debug)]
struct DyingTurn<'f> {
    inner: Box<dyn WriteTurn + 'f>,
    dying: Dying,
    points: [Point; 4],
}

impl WriteTurn for DyingTurn<'_> {
    fn open(&self) -> Result<Option<Box<dyn Snapshot>>, StoreError> {
        self.inner.open()
    }

    fn open_previous(&self) -> Result<Option<Box<dyn Snapshot>>, StoreError> {
        self.inner.open_previous()
    }

    fn replace(
        self: Box<Self>,
        expected: &Expected,
        bytes: &[u8],
        previous: Previous,
    ) -> Result<(), StoreError> {
        let [before, half, unnamed, after] = self.points;
        self.dying.reach(before);
        for (point, length) in [(half, bytes.len() / 2), (unnamed, bytes.len())] {
            if self.dying.at == point {
                leave_temp(&bytes[..length]);
            }
            self.dying.reach(point);
        }
        let replaced = self.inner.replace(expected, bytes, previous);
        self.dying.reach(after);
        replaced
    }
}

/// Leaves a temporary file as the store names it.
fn leave_temp(bytes: &[u8]) {
    let path = PathBuf::from(".auth.tmp.0123456789abcdef");
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).unwrap();
    file.write_all(bytes).unwrap();
    file.sync_all().unwrap();
}

#[derive(Debug)]
struct DyingEndpoint {
    connection: Arc<Connection>,
    clock: Arc<TestClock>,
    dying: Dying,
}

impl TokenEndpoint for DyingEndpoint {
    fn refresh(&self, refresh_token: &SecretString) -> Result<TokenSet, GrantError> {
        self.dying.reach(Point::BeforeSending);
        if self.dying.at == Point::AfterSending {
            let (token, now) = (refresh_token.expose_secret(), self.clock.now());
            self.connection.send(&format!("refresh {token} {now}"));
        }
        self.dying.reach(Point::AfterSending);
        self.connection.refresh(refresh_token, self.clock.now())
    }
}

/// Kills a refresh at `point`, and waits until the server has seen what it was sent.
fn kill_at(point: Point, mode: Mode) -> Home {
    let home = Home::signed_in(Server::new(mode));
    let address = home.server.listen().to_string();
    let status = start(Role::Die(point), home.path(), &address).wait().unwrap();
    assert!(!status.success() && status.code().is_none(), "{point:?}: {status}");
    let started = Instant::now();
    let sends = point >= Point::AfterSending;
    while sends && home.server.seen().requests == 0 {
        assert!(started.elapsed() < Duration::from_secs(60), "{point:?}: the request did not arrive");
        thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(home.server.seen().requests, u64::from(sends), "{point:?}");
    home.clock.set(START + LIFE + 1);
    home
}

#[test]
fn ct_03_a_refresh_killed_anywhere_goes_on_where_the_server_has_a_grace_window() {
    for point in POINTS {
        let home = kill_at(point, Mode::Grace);
        assert_eq!(serial(&home.access().unwrap()), 2, "{point:?}");
        assert_eq!(home.state(), State::Valid, "{point:?}");
        assert_eq!(home.server.seen().replays, u64::from(point.loses_the_answer()), "{point:?}");
    }
}

#[test]
fn ct_03_a_refresh_killed_before_the_tokens_are_saved_ends_a_strict_session_with_one_request() {
    for point in POINTS {
        let home = kill_at(point, Mode::Strict);
        if !point.loses_the_answer() {
            assert_eq!(serial(&home.access().unwrap()), 2, "{point:?}");
            assert_eq!(home.server.seen().replays, 0, "{point:?}");
            continue;
        }
        let error = home.access().unwrap_err();
        let is_told = matches!(&error, RefreshError::ReauthRequired(reauth) if reauth.interrupted.is_some());
        assert!(is_told && error.to_string().contains("was lost"), "{point:?}: {error}");
        for _ in 0..3 {
            assert!(matches!(home.access(), Err(RefreshError::ReauthRequired(_))), "{point:?}");
        }
        assert_eq!(home.server.seen().requests, 2, "{point:?}: one more than the killed one");
        assert!(home.stored().refresh_token().is_some(), "{point:?}: nothing is deleted");
        home.sign_in();
        assert_eq!(home.state(), State::Valid, "{point:?}");
    }
}

#[test]
fn an_old_cut_off_refresh_leaves_the_access_token_in_use_while_it_lives() {
    let home = Home::signed_in(Server::new(Mode::Strict));
    let store = home.open();
    let begun = home.stored().begin(START + LIFE - 300).unwrap();
    store.save(&store.lock(&key(), WAIT).unwrap(), begun.session()).unwrap();
    home.clock.set(START + LIFE - 30);
    let access = home.access().unwrap();
    assert!(serial(&access) == 1 && matches!(access.postponed, Some(RefreshError::CutOff(_))));
    assert_eq!(home.server.seen().requests, 0);
    home.clock.set(START + LIFE);
    assert_eq!(serial(&home.access().unwrap()), 2, "then the token is tried once");
}

#[test]
fn an_old_cut_off_refresh_is_not_tried_for_more_time_while_the_access_token_lives() {
    let home = Home::signed_in(Server::new(Mode::Strict));
    let store = home.open();
    let begun = home.stored().begin(START).unwrap();
    store.save(&store.lock(&key(), WAIT).unwrap(), begun.session()).unwrap();
    home.clock.set(START + 500);
    let longer = Need { min_ttl: Duration::from_secs(600), ..Need::default() };
    assert!(matches!(home.access_for(longer), Err(RefreshError::CutOff(_))));
    assert_eq!((serial(&home.access().unwrap()), home.server.seen().requests), (1, 0));
    let refused = Need { refused: Some(1), ..longer };
    assert_eq!(serial(&home.access_for(refused).unwrap()), 2, "a refused token is of no use to anybody");
}

#[test]
fn a_young_cut_off_refresh_is_tried_again_at_once() {
    let home = Home::signed_in(Server::new(Mode::Grace));
    let store = home.open();
    let begun = home.stored().begin(START + LIFE - 60).unwrap();
    store.save(&store.lock(&key(), WAIT).unwrap(), begun.session()).unwrap();
    home.clock.set(START + LIFE - 30);
    assert_eq!(serial(&home.access().unwrap()), 2);
    assert_eq!(home.clock.now(), START + LIFE - 30);
}
