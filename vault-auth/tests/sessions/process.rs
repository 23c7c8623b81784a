//! Other processes: this test binary started again, with a role.

use std::fmt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};
use vault_auth::clock::Clock;
use vault_auth::grant::{GrantError, TokenEndpoint};
use vault_auth::refresh::{Access, Need, RefreshError, Refresher};
use vault_auth::stored_session::StoredSession;
use vault_auth::token::TokenSet;
use vault_auth::token_store::TokenStore;
use vault_core::secret::SecretString;

use crate::crashes::{Dying, Point};
use crate::real_provider;
use crate::sample::{START, TestClock, key, open};
use crate::server::{Connection, LIFE};

/// What a child process does, in the directory it is started in.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Role {
    /// Needs a fresh token in each of so many rounds.
    Call(u32),
    /// Refreshes, and is killed at a point of it.
    Die(Point),
    /// Takes the turn of the session, is stopped, and gives it back when it goes on.
    Hold,
    /// Keeps a fresh token of a real provider for a while.
    Present,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(rounds) => write!(f, "call {rounds}"),
            Self::Die(point) => write!(f, "die {point:?}"),
            Self::Hold => f.write_str("hold"),
            Self::Present => f.write_str("present"),
        }
    }
}

/// Starts this test binary again in `directory`, to use the server at `address`.
pub(crate) fn start(role: Role, directory: &Path, address: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "process::child_plays_its_role", "--nocapture"])
        .env(ROLE, role.to_string())
        .env(ADDRESS, address)
        .current_dir(directory)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Does nothing unless it is started by [`start`].
#[test]
#[allow(clippy::disallowed_methods, reason = "a child process of the tests is told its role")]
fn child_plays_its_role() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let address = std::env::var(ADDRESS).unwrap();
    match role.split(' ').collect::<Vec<_>>()[..] {
        ["call", rounds] => call(rounds.parse().unwrap(), &address),
        ["die", point] => Dying::at(Point::named(point)).refresh(&address),
        ["hold"] => hold(),
        ["present"] => real_provider::present(&address),
        _ => panic!("no such role: {role}"),
    }
}

/// In each round the token of the round before has expired, for all processes at the same moment.
fn call(rounds: u32, address: &str) {
    let server = Arc::new(Connection::open(address));
    let clock = TestClock::at(START + LIFE);
    let store = open(Path::new("."));
    for _ in 0..rounds {
        let outcome = access(&store, &server, &clock)
            .map(|access| access.session.tokens().unwrap().access_token.expose_secret().to_owned());
        let shown = outcome.unwrap_or_else(|error| error.to_string().replace(' ', "-"));
        clock.set(server.ask(&format!("round {shown}")).parse().unwrap());
    }
}

fn access(
    store: &dyn TokenStore,
    server: &Arc<Connection>,
    clock: &Arc<TestClock>,
) -> Result<Access, RefreshError> {
    let connect = remote(server, clock);
    Refresher::new(store, &**clock, &connect).access(&key(), Need::default())
}

/// Makes what finds the token endpoint of a server on a port.
pub(crate) fn remote(
    server: &Arc<Connection>,
    clock: &Arc<TestClock>,
) -> impl Fn(&StoredSession) -> Result<Box<dyn TokenEndpoint>, GrantError> + Send + Sync + use<> {
    let (server, clock) = (Arc::clone(server), Arc::clone(clock));
    move |_| Ok(Box::new(Remote { server: Arc::clone(&server), clock: Arc::clone(&clock) }))
}

#[derive(Debug)]
struct Remote {
    server: Arc<Connection>,
    clock: Arc<TestClock>,
}

impl TokenEndpoint for Remote {
    fn refresh(&self, refresh_token: &SecretString) -> Result<TokenSet, GrantError> {
        self.server.refresh(refresh_token, self.clock.now())
    }
}

fn hold() {
    let store = open(Path::new("."));
    let turn = store.lock(&key(), Duration::from_secs(20)).unwrap();
    kill_process(getpid(), Signal::STOP).unwrap();
    // The signal may come to another thread first: this one must not go on before all have stopped.
    thread::sleep(Duration::from_secs(1));
    drop(turn);
}

/// Ends this process as `kill -9` does.
pub(crate) fn die() -> ! {
    kill_process(getpid(), Signal::KILL).unwrap();
    loop {
        thread::sleep(Duration::from_secs(1));
    }
}

const ROLE: &str = "KEYWARD_SESSION_TEST_ROLE";
const ADDRESS: &str = "KEYWARD_SESSION_TEST_SERVER";
