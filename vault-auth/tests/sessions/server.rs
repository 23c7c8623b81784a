//! A token endpoint that rotates refresh tokens: strict, which takes a second use of a token for theft and ends
//! the session, or with grace, which answers a second use once more. In this process, or on a loopback port
//! for many.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use vault_auth::clock::{Clock, UnixTime};
use vault_auth::grant::{GrantError, TokenEndpoint};
use vault_auth::server_text::ServerText;
use vault_auth::token::{TokenSet, TokenType};
use vault_core::secret::SecretString;

/// What a second use of a refresh token means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The answer to the first use, once more.
    Grace,
    /// Theft: the family is revoked.
    Strict,
}

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The token is taken, and the answer lost.
    AnswerLost,
    /// The request is lost on the way, which nobody can tell.
    RequestLost,
    /// No connection.
    NotReached,
    /// A page of an intermediary, or half an answer; the token is not taken.
    Nonsense,
    /// A status, with the seconds after which to ask again.
    Status(u16, Option<u64>),
    /// A matter of configuration.
    Refused,
    /// Tokens that nobody can use; the token that was sent is not taken.
    Unusable,
}

/// The tokens of one login.
#[derive(Debug, Default)]
struct Family {
    /// The numbers of its tokens, in their order.
    serials: Vec<u64>,
    revoked: bool,
}

impl Family {
    fn newest(&self) -> u64 {
        *self.serials.last().unwrap()
    }
}

#[derive(Debug, Default)]
struct Inside {
    families: Vec<Family>,
    issued: u64,
    refreshes: u64,
    replays: u64,
    requests: u64,
    failed_calls: u64,
    faults: VecDeque<Fault>,
    arrived: usize,
    epoch: u64,
}

impl Inside {
    /// Gives a family the next number.
    fn issue(&mut self, family: usize) -> u64 {
        self.issued += 1;
        self.families[family].serials.push(self.issued);
        self.issued
    }
}

/// The server.
#[derive(Debug)]
pub(crate) struct Server {
    mode: Mode,
    inside: Mutex<Inside>,
    all_arrived: Condvar,
    /// How many processes take part in a round, and when the first round is.
    pub(crate) processes: usize,
    pub(crate) start: UnixTime,
    /// Whether new tokens have no refresh token beside them.
    pub(crate) keeps_refresh_token: bool,
}

/// What the server has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) refreshes: u64,
    pub(crate) replays: u64,
    pub(crate) requests: u64,
}

/// How long access tokens live, in seconds.
pub(crate) const LIFE: i64 = 900;

impl Server {
    pub(crate) fn new(mode: Mode) -> Self {
        let (inside, all_arrived) = Default::default();
        Self { mode, inside, all_arrived, processes: 0, start: 0, keeps_refresh_token: false }
    }

    /// Lets the next requests go wrong.
    pub(crate) fn with_faults(self, faults: &[Fault]) -> Self {
        self.break_next(faults);
        self
    }

    pub(crate) fn break_next(&self, faults: &[Fault]) {
        self.inside().faults.extend(faults);
    }

    /// Lets exactly these of the next requests go wrong.
    pub(crate) fn set_faults(&self, faults: &[Fault]) {
        self.inside().faults = faults.iter().copied().collect();
    }

    /// Somebody else uses the newest refresh token of the last login.
    pub(crate) fn steal(&self, now: UnixTime) -> TokenSet {
        let mut inside = self.inside();
        let last = inside.families.len() - 1;
        tokens(inside.issue(last), now, false)
    }

    /// A new login: another family of tokens.
    pub(crate) fn sign_in(&self, now: UnixTime) -> TokenSet {
        let mut inside = self.inside();
        inside.families.push(Family::default());
        let last = inside.families.len() - 1;
        tokens(inside.issue(last), now, false)
    }

    pub(crate) fn seen(&self) -> Seen {
        let Inside { refreshes, replays, requests, .. } = *self.inside();
        Seen { refreshes, replays, requests }
    }

    pub(crate) fn failed_calls(&self) -> u64 {
        self.inside().failed_calls
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers one request, and says what became of the answer.
    fn refresh(&self, token: &str, now: UnixTime) -> Result<TokenSet, GrantError> {
        let mut inside = self.inside();
        inside.requests += 1;
        let fault = inside.faults.pop_front();
        if let Some(error) = fault.filter(|fault| *fault != Fault::AnswerLost).map(error_of) {
            return Err(error);
        }
        let answer = self.take(&mut inside, token, now);
        if fault.is_some() { Err(error_of(Fault::AnswerLost)) } else { answer }
    }

    fn take(&self, inside: &mut Inside, token: &str, now: UnixTime) -> Result<TokenSet, GrantError> {
        let used: u64 = token.strip_prefix("refresh-").unwrap().parse().unwrap();
        let of = |family: &Family| family.serials.contains(&used);
        let family = inside.families.iter().position(of).unwrap();
        let Family { serials, revoked } = &inside.families[family];
        let (newest, revoked, after) =
            (inside.families[family].newest(), *revoked, serials.iter().rev().nth(1));
        if used == newest && !revoked {
            inside.refreshes += 1;
            let keeps = self.keeps_refresh_token;
            return Ok(tokens(
                if keeps { newest + inside.refreshes } else { inside.issue(family) },
                now,
                keeps,
            ));
        }
        let is_graced = self.mode == Mode::Grace && !revoked && after == Some(&used);
        inside.replays += 1;
        if is_graced {
            return Ok(tokens(newest, now, false));
        }
        inside.families[family].revoked = true;
        let description = Some(ServerText::new("grant request is invalid"));
        Err(GrantError::Rejected { host: HOST.into(), description })
    }

    /// Serves every process that connects, each on a thread, until the test ends.
    pub(crate) fn listen(self: &Arc<Self>) -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let server = Arc::clone(self);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let server = Arc::clone(&server);
                thread::spawn(move || server.serve(&stream));
            }
        });
        address
    }

    fn serve(&self, stream: &TcpStream) {
        stream.set_nodelay(true).unwrap();
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let answer = match line.split(' ').collect::<Vec<_>>()[..] {
                ["refresh", token, now] => self.answer(token, now.parse().unwrap()),
                ["round", outcome] => self.end_round(outcome),
                _ => panic!("no such request: {line}"),
            };
            let mut out = stream;
            if writeln!(out, "{answer}").is_err() {
                return;
            }
        }
    }

    fn answer(&self, token: &str, now: UnixTime) -> String {
        match self.refresh(token, now) {
            Ok(tokens) => tokens.access_token.expose_secret().strip_prefix("access-").unwrap().to_owned(),
            Err(GrantError::Rejected { .. }) => "rejected".to_owned(),
            Err(error) => panic!("a server on a port has no faults: {error}"),
        }
    }

    /// A process shows the token of this round, or says that it got none, and waits until all others have done
    /// so. The answer is the time of the next round, in which the tokens of this one have expired.
    fn end_round(&self, outcome: &str) -> String {
        let mut inside = self.inside();
        let family = inside.families.last().unwrap();
        if outcome != format!("access-{}", family.newest()) || family.revoked {
            inside.failed_calls += 1;
        }
        inside.arrived += 1;
        let epoch = inside.epoch;
        if inside.arrived == self.processes {
            (inside.arrived, inside.epoch) = (0, epoch + 1);
            self.all_arrived.notify_all();
        } else {
            let waited = self.all_arrived.wait_while(inside, |inside| inside.epoch == epoch);
            inside = waited.unwrap_or_else(PoisonError::into_inner);
        }
        (self.start + (i64::try_from(inside.epoch).unwrap() + 1) * LIFE).to_string()
    }
}

fn error_of(fault: Fault) -> GrantError {
    let (host, reason) = (HOST.to_owned(), "connection reset".to_owned());
    match fault {
        Fault::AnswerLost | Fault::RequestLost => GrantError::AnswerLost { host, reason },
        Fault::NotReached => GrantError::NotReached { host, reason },
        Fault::Nonsense => GrantError::NoAnswer { host, found: ServerText::new("<html>"), retry_after: None },
        Fault::Refused => {
            GrantError::Refused { host, code: ServerText::new("invalid_client"), description: None }
        }
        Fault::Unusable => GrantError::Unusable { host, found: ServerText::new("tokens of an unknown type") },
        Fault::Status(status, seconds) => {
            GrantError::Unavailable { host, status, retry_after: seconds.map(Duration::from_secs) }
        }
    }
}

/// Returns the `serial`th tokens.
pub(crate) fn tokens(serial: u64, now: UnixTime, keeps_refresh_token: bool) -> TokenSet {
    let refresh_token = SecretString::new(format!("refresh-{serial}"));
    TokenSet {
        access_token: SecretString::new(format!("access-{serial}")),
        token_type: TokenType::Bearer,
        refresh_token: Some(refresh_token).filter(|_| !keeps_refresh_token),
        id_token: None,
        received_at: now,
        expires_at: Some(now + LIFE),
        scopes: Vec::new(),
    }
}

/// The endpoint of a server in this process.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) server: Arc<Server>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl TokenEndpoint for Link {
    fn refresh(&self, refresh_token: &SecretString) -> Result<TokenSet, GrantError> {
        self.server.refresh(refresh_token.expose_secret(), self.clock.now())
    }
}

/// A server on a port, as a process sees it.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Mutex<BufReader<TcpStream>>,
}

impl Connection {
    pub(crate) fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: Mutex::new(BufReader::new(stream)) }
    }

    /// Sends a line and waits for none.
    pub(crate) fn send(&self, line: &str) {
        writeln!(self.stream.lock().unwrap().get_mut(), "{line}").unwrap();
    }

    pub(crate) fn ask(&self, line: &str) -> String {
        self.send(line);
        let mut answer = String::new();
        self.stream.lock().unwrap().read_line(&mut answer).unwrap();
        answer.trim_end().to_owned()
    }

    /// Refreshes at the time `now` of the process.
    pub(crate) fn refresh(&self, token: &SecretString, now: UnixTime) -> Result<TokenSet, GrantError> {
        match self.ask(&format!("refresh {} {now}", token.expose_secret())).as_str() {
            "rejected" => Err(GrantError::Rejected { host: HOST.into(), description: None }),
            serial => Ok(tokens(serial.parse().unwrap(), now, false)),
        }
    }
}

const HOST: &str = "auth.example";
