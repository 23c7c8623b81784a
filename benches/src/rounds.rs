//! One server for many processes: it gives tokens as a strict authorization server does, and moves the time on
//! when every process has used its token.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use keyward_tests::token_family::{Grants, Pair, Rotation};
use vault_auth::clock::{Clock, UnixTime};
use vault_auth::grant::{GrantError, TokenEndpoint};
use vault_auth::session_file::SessionFile;
use vault_auth::stored_session::StoredSession;
use vault_auth::token::TokenSet;
use vault_core::secret::SecretString;

use crate::sessions::{LIFE, START, Strategy, token_set};

/// What the server saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) refreshes: usize,
    pub(crate) replays: usize,
    pub(crate) failed_calls: usize,
}

/// The server.
#[derive(Debug, Clone)]
pub(crate) struct Rounds(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    processes: usize,
    expiries: usize,
    inside: Mutex<Inside>,
    all_arrived: Condvar,
}

#[derive(Debug)]
struct Inside {
    grants: Grants,
    first: Pair,
    arrived: usize,
    round: usize,
    failed_calls: usize,
}

impl Rounds {
    /// Makes a server with one grant.
    pub(crate) fn new(processes: usize, expiries: usize) -> Self {
        let mut grants = Grants::new(Rotation::Strict);
        let first = grants.grant();
        let inside = Mutex::new(Inside { grants, first, arrived: 0, round: 0, failed_calls: 0 });
        Self(Arc::new(Shared { processes, expiries, inside, all_arrived: Condvar::new() }))
    }

    /// Returns the first tokens of the grant.
    pub(crate) fn first_pair(&self) -> Pair {
        self.inside().first.clone()
    }

    /// Returns what the server saw.
    pub(crate) fn seen(&self) -> Seen {
        let inside = self.inside();
        let count = |count: u64| usize::try_from(count).expect("a small number");
        Seen {
            refreshes: count(inside.grants.refreshes),
            replays: count(inside.grants.replays),
            failed_calls: inside.failed_calls,
        }
    }

    /// Serves every process until it goes.
    pub(crate) fn listen(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port of this machine");
        let address = listener.local_addr().expect("a bound port");
        let (rounds, processes) = (self.clone(), self.0.processes);
        thread::spawn(move || {
            for stream in listener.incoming().take(processes) {
                let (rounds, stream) = (rounds.clone(), stream.expect("a connection"));
                thread::spawn(move || rounds.serve(&stream));
            }
        });
        address
    }

    fn serve(&self, stream: &TcpStream) {
        for line in BufReader::new(stream).lines() {
            let Ok(line) = line else { return };
            let answer = match line.split_once(' ') {
                Some(("refresh", token)) => self.refresh(token),
                Some(("used", token)) => self.next_round(token),
                _ => return,
            };
            let mut stream = stream;
            if writeln!(stream, "{answer}").is_err() {
                return;
            }
        }
    }

    /// Gives the next pair, after the time that a server takes.
    fn refresh(&self, token: &str) -> String {
        thread::sleep(Duration::from_millis(5));
        let pair = self.inside().grants.refresh(token);
        pair.map_or_else(
            || "invalid_grant".to_owned(),
            |Pair { access, refresh }| format!("{access} {refresh}"),
        )
    }

    /// Notes whether a call has worked, and waits until every process has made its own; then all tokens expire.
    fn next_round(&self, token: &str) -> String {
        let mut inside = self.inside();
        if !inside.grants.accepts(token) {
            inside.failed_calls += 1;
        }
        inside.arrived += 1;
        if inside.arrived == self.0.processes {
            (inside.arrived, inside.round) = (0, inside.round + 1);
            self.0.all_arrived.notify_all();
        } else {
            let round = inside.round;
            let waited = self.0.all_arrived.wait_while(inside, |inside| inside.round == round);
            inside = waited.unwrap_or_else(PoisonError::into_inner);
        }
        if inside.round == self.0.expiries { "end".to_owned() } else { "expired".to_owned() }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Calls once at every expiry, as one of the processes.
pub(crate) fn call(strategy: Strategy, file: &SessionFile, address: &str) {
    let server = Arc::new(Connection::open(address));
    let clock = RoundClock { now: Arc::new(AtomicI64::new(START + LIFE)), started: Instant::now() };
    let (by, now) = (Arc::clone(&server), clock.clone());
    let connect = move |_: &StoredSession| -> Result<Box<dyn TokenEndpoint>, GrantError> {
        Ok(Box::new(Remote { server: Arc::clone(&by), clock: now.clone() }))
    };
    loop {
        let token = strategy.token(file, &clock, &connect);
        let used = token.as_ref().map_or("none", SecretString::expose_secret);
        if server.ask(&format!("used {used}")) == "end" {
            return;
        }
        clock.now.fetch_add(LIFE, Ordering::SeqCst);
    }
}

/// The time that the rounds make.
#[derive(Debug, Clone)]
struct RoundClock {
    now: Arc<AtomicI64>,
    started: Instant,
}

impl Clock for RoundClock {
    fn now(&self) -> UnixTime {
        self.now.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn sleep(&self, pause: Duration) {
        thread::sleep(pause);
    }
}

/// A process's connection to the server.
#[derive(Debug)]
struct Connection(Mutex<BufReader<TcpStream>>);

impl Connection {
    fn open(address: &str) -> Self {
        Self(Mutex::new(BufReader::new(TcpStream::connect(address).expect("the server listens"))))
    }

    fn ask(&self, line: &str) -> String {
        let mut stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut answer = String::new();
        writeln!(stream.get_mut(), "{line}").and_then(|()| stream.read_line(&mut answer)).expect("an answer");
        answer.trim_end().to_owned()
    }
}

#[derive(Debug)]
struct Remote {
    server: Arc<Connection>,
    clock: RoundClock,
}

impl TokenEndpoint for Remote {
    fn refresh(&self, refresh_token: &SecretString) -> Result<TokenSet, GrantError> {
        let answer = self.server.ask(&format!("refresh {}", refresh_token.expose_secret()));
        match answer.split_once(' ') {
            Some((access, refresh)) => Ok(token_set(access, refresh, self.clock.now(), LIFE)),
            None => Err(GrantError::Rejected { host: "the server".to_owned(), description: None }),
        }
    }
}
