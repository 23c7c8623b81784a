//! The keyring source against a real gnome-keyring in a private D-Bus session, and against buses that are
//! not there or do not answer. The keyring crate connects once a process, so that every call is made by a
//! process of its own: this test binary again, with [`CALL`] set.
//!
//! Needs the Debian packages `gnome-keyring`, `dbus` and `libsecret-tools`; a test without them fails.

#![cfg(feature = "keyring")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use vault_core::secret::SlotKey;
use vault_core::slot::{SlotId, VaultId};
use vault_core::source::key_text;
use vault_core::source::keyring::{self, KeyringError};
use zeroize::Zeroizing;

/// The variable that makes [`one_call`] do something: the name of the call.
const CALL: &str = "KEYWARD_TEST_KEYRING_CALL";
const VAULT: VaultId = VaultId::new([0xab; 16]);
const SLOT: SlotId = SlotId::new([0xcd; 16]);
/// The user name of the entry, as other programs see it.
const USER: &str = "abababababababababababababababab:cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd";
/// Long enough for a busy machine to answer, short enough to wait for twice.
const DEADLINE: Duration = Duration::from_secs(10);
/// For the cases in which the deadline has to be reached.
const SHORT: Duration = Duration::from_millis(1500);
const PASSWORD: &str = "correct horse";

/// Not a test of its own: makes the one call that [`CALL`] names and prints its outcome, never a key.
#[test]
#[ignore = "the other tests run it in processes of their own"]
#[allow(clippy::disallowed_methods, reason = "a process of its own is told by its environment what to do")]
fn one_call() {
    let Ok(call) = std::env::var(CALL) else { return };
    let start = Instant::now();
    let outcome = match call.as_str() {
        "probe" => told(keyring::probe(DEADLINE)),
        "read" => told_key(keyring::read(VAULT, SLOT, DEADLINE)),
        "read-short" => told_key(keyring::read(VAULT, SLOT, SHORT)),
        "remove" => told(keyring::remove(VAULT, SLOT, DEADLINE)),
        "write" => told(keyring::write(&key(1), VAULT, SLOT, DEADLINE)),
        "write-other" => told(keyring::write(&key(2), VAULT, SLOT, DEADLINE)),
        "write-short" => told(keyring::write(&key(1), VAULT, SLOT, SHORT)),
        other => panic!("no such call: {other}"),
    };
    let late = start.elapsed() > SHORT * 2 && call.ends_with("short");
    let late = if late { " too late" } else { "" };
    writeln!(std::io::stdout(), "\ncall {call}: {outcome}{late}").unwrap();
}

fn key(byte: u8) -> SlotKey {
    SlotKey::new(Zeroizing::new([byte; 32]))
}

fn told(outcome: Result<(), KeyringError>) -> String {
    outcome.map_or_else(told_error, |()| "done".into())
}

fn told_key(outcome: Result<SlotKey, KeyringError>) -> String {
    outcome.map_or_else(told_error, |read| {
        if read.expose_secret() == key(1).expose_secret() { "the key".into() } else { "another key".into() }
    })
}

fn told_error(error: KeyringError) -> String {
    format!("{error:?}")
}

/// A directory for one home, with the means to run commands in it.
struct Session {
    dir: TempDir,
}

impl Session {
    fn new() -> Self {
        for program in ["gnome-keyring-daemon", "dbus-run-session", "dbus-send", "secret-tool"] {
            assert!(
                is_installed(program),
                "{program} is missing: apt-get install --no-install-recommends gnome-keyring dbus libsecret-tools"
            );
        }
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// A home whose keyring has the password [`PASSWORD`] and holds the key of [`SLOT`].
    fn with_key() -> Self {
        let session = Self::new();
        assert_eq!(session.login(PASSWORD, "call write"), ["call write: done"]);
        session
    }

    /// Runs a script of bash in a session with a keyring that `password` unlocks, and returns the lines
    /// of outcome that it printed: those of `call NAME`, which calls the library, and those that start with
    /// `tool: `. The script also has `tool`, which is `secret-tool` for the entry of the slot.
    fn login(&self, password: &str, script: &str) -> Vec<String> {
        let mut command = Command::new(scripts().join("with-keyring.sh"));
        command.arg(self.dir.path()).arg(password).args(["bash", "-c"]).arg(self.script(script));
        self.run(command)
    }

    /// Runs a script at an address of a bus, or at none.
    fn at_bus(&self, address: Option<&str>, script: &str) -> Vec<String> {
        let mut command = Command::new("bash");
        command.arg("-c").arg(self.script(script)).env("XDG_RUNTIME_DIR", self.dir.path());
        command
            .env_remove("DBUS_SESSION_BUS_ADDRESS")
            .envs(address.map(|it| ("DBUS_SESSION_BUS_ADDRESS", it)));
        self.run(command)
    }

    /// Runs a script at a bus that can start no service.
    fn at_empty_bus(&self, script: &str) -> Vec<String> {
        let mut command = Command::new("dbus-run-session");
        let config = scripts().join("bus-without-services.conf");
        command.arg("--config-file").arg(config).args(["--", "bash", "-c"]).arg(self.script(script));
        self.run(command)
    }

    fn script(&self, script: &str) -> String {
        let binary = std::env::current_exe().unwrap();
        format!(
            "call() {{ {CALL}=$1 '{}' --exact one_call --ignored; }}
             tool() {{ secret-tool \"$@\" service keyward username {USER}; }}
             {script}",
            binary.display()
        )
    }

    /// The output goes to a file, because a service that is left behind would hold a pipe open.
    fn run(&self, mut command: Command) -> Vec<String> {
        let path = self.dir.path().join("output");
        let output = File::create_new(&path).unwrap();
        let errors = output.try_clone().unwrap();
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        let status = command.status().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(status.success(), "{status}: {text}");
        let is_outcome = |line: &&str| line.starts_with("call ") || line.starts_with("tool: ");
        text.lines().filter(is_outcome).map(str::to_owned).collect()
    }
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keyring")
}

fn is_installed(program: &str) -> bool {
    let found =
        Command::new("sh").args(["-c", "command -v \"$1\"", "sh", program]).stdout(Stdio::null()).status();
    found.is_ok_and(|status| status.success())
}

/// A bus that accepts every connection and never says a word, for as long as the test runs.
fn mute_bus(path: &Path) {
    let listener = UnixListener::bind(path).unwrap();
    thread::spawn(move || {
        let mut held = Vec::new();
        listener.incoming().for_each(|connection| held.push(connection));
    });
}

#[test]
fn without_a_bus_there_is_no_keyring() {
    let outcome = Session::new().at_bus(None, "call read; call write; call remove; call probe");
    assert_eq!(
        outcome,
        ["call read: Absent", "call write: Absent", "call remove: Absent", "call probe: Absent"]
    );
}

#[test]
fn at_a_dead_address_there_is_no_keyring() {
    let session = Session::new();
    let socket = session.dir.path().join("left-behind");
    drop(UnixListener::bind(&socket).unwrap());
    for address in
        [format!("unix:path={}", socket.display()), "unix:path=/nonexistent".into(), "disabled:".into()]
    {
        assert_eq!(session.at_bus(Some(&address), "call read"), ["call read: Absent"], "{address}");
    }
}

#[test]
fn at_a_bus_without_a_secret_service_there_is_no_keyring() {
    assert_eq!(
        Session::new().at_empty_bus("call probe; call read"),
        ["call probe: Absent", "call read: Absent"]
    );
}

#[test]
fn an_unlocked_keyring_passes_the_probe_and_keeps_nothing_of_it() {
    let left = "if secret-tool search --all service keyward 2>&1 | grep -q .; then echo tool: an entry; fi";
    let outcome = Session::new().login(PASSWORD, &format!("call probe; {left}; call write; {left}"));
    assert_eq!(outcome, ["call probe: done", "call write: done", "tool: an entry"]);
}

#[test]
fn a_key_is_there_after_the_next_login_and_gone_once_removed() {
    let session = Session::with_key();
    assert_eq!(session.login(PASSWORD, "call read"), ["call read: the key"]);
    let outcome = session.login(PASSWORD, "call remove; call read; call remove");
    assert_eq!(outcome, ["call remove: done", "call read: NoEntry", "call remove: done"]);
}

#[test]
fn another_program_sees_the_text_of_the_key() {
    let text = key_text::encode(&key(1));
    let script = format!("if [ \"$(tool lookup)\" = {} ]; then echo tool: the key; fi", text.expose_secret());
    assert_eq!(Session::with_key().login(PASSWORD, &script), ["tool: the key"]);
}

#[test]
fn a_key_is_never_overwritten() {
    let outcome = Session::with_key().login(PASSWORD, "call write-other; call write; call read");
    assert_eq!(outcome, ["call write-other: Mismatch", "call write: done", "call read: the key"]);
}

#[test]
fn an_entry_that_is_no_key_is_malformed() {
    let session = Session::with_key();
    let text = key_text::encode(&key(1));
    let cut = &text.expose_secret()[..50];
    let not_text = r"\377\376";
    for content in ["hunter2", cut, not_text] {
        let script = format!("printf '{content}' | tool store --label=x; call read");
        assert_eq!(session.login(PASSWORD, &script), ["call read: Malformed"], "{content}");
    }
}

#[test]
fn a_key_put_there_by_another_is_another_key() {
    let text = key_text::encode(&key(2));
    let script = format!("printf {} | tool store --label=x; call read; call write", text.expose_secret());
    let outcome = Session::with_key().login(PASSWORD, &script);
    assert_eq!(outcome, ["call read: another key", "call write: Mismatch"]);
}

#[test]
fn two_entries_for_one_slot_are_ambiguous() {
    let second = format!("echo x | secret-tool store --label=x service keyward username {USER} extra 1");
    let outcome = Session::with_key().login(PASSWORD, &format!("{second}; call read; call write"));
    assert_eq!(outcome, ["call read: Ambiguous", "call write: Ambiguous"]);
}

#[test]
fn a_keyring_that_stays_locked_is_locked_and_not_empty() {
    let outcome = Session::with_key().login("", "call read; call write; call probe; call remove");
    assert_eq!(
        outcome,
        ["call read: Locked", "call write: Locked", "call probe: Locked", "call remove: Locked"]
    );
}

#[test]
fn a_keyring_with_the_wrong_password_is_locked() {
    assert_eq!(Session::with_key().login("wrong", "call read"), ["call read: Locked"]);
}

#[test]
fn a_service_without_a_keyring_has_no_entry_and_takes_none() {
    let outcome = Session::new().login("", "call read; call probe");
    assert_eq!(outcome, ["call read: NoEntry", "call probe: NoCollection"]);
}

#[test]
fn a_stopped_service_is_given_up_at_the_deadline() {
    let script = "kill -STOP $(daemon); call read-short; call write-short";
    let outcome = Session::with_key().login(PASSWORD, script);
    assert_eq!(outcome, ["call read-short: TimedOut(1.5s)", "call write-short: TimedOut(1.5s)"]);
}

#[test]
fn a_mute_bus_is_given_up_at_the_deadline() {
    let session = Session::new();
    let socket = session.dir.path().join("mute");
    mute_bus(&socket);
    let address = format!("unix:path={}", socket.display());
    assert_eq!(session.at_bus(Some(&address), "call read-short"), ["call read-short: TimedOut(1.5s)"]);
}
