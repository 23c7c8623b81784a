//! Sessions: the start of `auth token`, and many processes that share one session while its tokens expire.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use vault_auth::session_file::SessionFile;

use super::Settings;
use super::whole::{COLUMNS, RUNS, print};
use crate::process::in_turn;
use crate::rounds::{Rounds, Seen};
use crate::sessions::{ACCESS_TOKEN, Sessions, Strategy};
use crate::table::{Limit, Table};

/// What the program is started with to be one of the processes.
pub(crate) const CLIENT_ARGUMENT: &str = "--client";

const PROCESSES: usize = 32;
const EXPIRIES: usize = 200;

/// Measures and prints both tables.
pub(crate) fn run(settings: &Settings) {
    token(settings);
    expiries(settings);
    size(settings);
}

/// `auth token` of a session whose token is good for an hour.
fn token(settings: &Settings) {
    let table = Table::begin("`auth token`: the access token of a fresh session", "", &COLUMNS);
    for count in settings.sizes(&[1, 20]) {
        let sessions = Sessions::signed_in(count);
        let program = sessions.keyward(&settings.keyward, &["auth", "token"]);
        let printed = program.output();
        assert_eq!(printed.stdout, format!("{ACCESS_TOKEN}\n").as_bytes(), "{printed:?}");
        let series = in_turn(&program, None, settings.runs(RUNS));
        let size = format!("{count} session{}", if count == 1 { "" } else { "s" });
        print(&table, "`auth token`", &size, &series, Limit::AtMost(2.5), "–");
    }
}

/// Three ways to share one session, against one server that takes a second use of a refresh token for theft.
fn expiries(settings: &Settings) {
    let (processes, expiries) = if settings.quick { (4, 3) } else { (PROCESSES, EXPIRIES) };
    let title = format!("{processes} processes share a session over {expiries} expiries");
    let note = "At each expiry all processes need a fresh token at once. The server gives each refresh token's successor once; \
                a second use ends the session (RFC 9700 §4.14.2), and it takes 5 ms for each answer. All three clients keep the \
                session in the same sealed file. A call is one process at one expiry; it fails without a token that the server takes.";
    let columns = ["client", "refreshes", "replays", "failed calls", "of", ""];
    let table = Table::begin(&title, note, &columns);
    for strategy in [Strategy::Naive, Strategy::ReadAgain, Strategy::Keyward] {
        let seen = share(strategy, processes, expiries);
        let is_exact = seen == Seen { refreshes: expiries, replays: 0, failed_calls: 0 };
        assert!(is_exact || strategy != Strategy::Keyward, "keyward's own sessions: {seen:?}");
        table.row(&[
            &strategy.words(),
            &seen.refreshes,
            &seen.replays,
            &seen.failed_calls,
            &(processes * expiries),
            &if is_exact { "✓" } else { "the session was lost" },
        ]);
    }
}

fn share(strategy: Strategy, processes: usize, expiries: usize) -> Seen {
    let rounds = Rounds::new(processes, expiries);
    let sessions = Sessions::granted(&rounds.first_pair());
    let address = rounds.listen();
    let clients: Vec<Child> =
        (0..processes).map(|_| start(strategy, &sessions, &address.to_string())).collect();
    for mut client in clients {
        assert!(client.wait().expect("a process that was started").success());
    }
    rounds.seen()
}

fn start(strategy: Strategy, sessions: &Sessions, address: &str) -> Child {
    let this = std::env::current_exe().expect("a program knows its own path");
    Command::new(this)
        .args([CLIENT_ARGUMENT, strategy.name(), address])
        .arg(sessions.path())
        .env("KEYWARD_VAULT_KEY", sessions.key_text().expose_secret())
        .stdout(Stdio::null())
        .spawn()
        .expect("this program starts again")
}

/// Is one of the processes until all expiries are over.
pub(crate) fn be_client(strategy: &str, address: &str, path: &str) {
    let strategy = Strategy::named(strategy).expect("the program itself named it");
    let file: SessionFile = Sessions::open(Path::new(path));
    crate::rounds::call(strategy, &file, address);
}

/// The release binary with and without what sessions need.
fn size(settings: &Settings) {
    let note = "Before: the build of the commit before the commands of `auth`. What came: TLS (rustls, ring, the readers of certificates), \
                HTTP (ureq) and the commands; packages are those of `cargo tree -p vault-cli -e normal`.";
    let table = Table::begin("Size of the release binary", note, &["", "KiB", "packages"]);
    let now = fs::metadata(&settings.keyward).expect("the binary was built").len() / 1024;
    table.row(&[&"before", &BEFORE_KIB, &BEFORE_PACKAGES]);
    table.row(&[&"now", &now, &crate::machine::packages()]);
}

const BEFORE_KIB: u64 = 7678;
const BEFORE_PACKAGES: usize = 156;
