//! Logins at the providers of a test: in two steps as a program makes them, and on a terminal as a person does.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::identity_provider::IdentityProvider;
use crate::terminal::Terminal;
use crate::{Finished, Home};

impl Home {
    /// Returns the path of the file of sessions.
    pub fn sessions(&self) -> PathBuf {
        self.path().join(".local/share/keyward/auth")
    }
}

/// Signs in at `provider`, which says yes at once; `words` are options of the login.
#[track_caller]
pub fn sign_in(home: &Home, provider: &IdentityProvider, words: &[&str]) -> Finished {
    let (id, code) = begin(home, provider.issuer(), words);
    provider.approve(&code);
    complete(home, &id)
}

/// Begins a login, and returns its id and code.
#[track_caller]
pub fn begin(home: &Home, issuer: &str, words: &[&str]) -> (String, String) {
    let begun = home.run([&["auth", "login", "--begin", "--json", "--issuer", issuer][..], words].concat());
    let begun = begun.succeeds().json();
    let field = |name: &str| begun[name].as_str().expect("a text").to_owned();
    (field("id"), field("user_code"))
}

/// Completes a login that was begun.
pub fn complete(home: &Home, id: &str) -> Finished {
    home.run(["auth", "login", "--complete", id, "--json"])
}

/// Starts a login on a terminal, waits until it waits for its approval, and returns it with its code.
#[track_caller]
pub fn on_terminal(home: &Home, issuer: &str, words: &[&str]) -> (Terminal, String) {
    let command = home.command([&["auth", "login", "--issuer", issuer][..], words].concat());
    let mut terminal = Terminal::start(&command);
    terminal.wait_for("Waiting for approval until ");
    let lines: Vec<&str> = terminal.shown_so_far().lines().map(str::trim).collect();
    let before = lines.iter().position(|line| line.ends_with("code:") || line.contains("or enter it at"));
    let code = lines[before.expect("the line before the code") + 2].to_owned();
    (terminal, code)
}

/// Writes a browser that notes its arguments and environment, and returns its path; it runs on after that.
pub fn browser(home: &Home) -> PathBuf {
    let noted = home.path().join("opened");
    let script =
        format!("#!/bin/sh\n{{ echo \"$@\"; env; }} > {0}.new; mv {0}.new {0}; sleep 2\n", noted.display());
    let path = home.write("browser", script);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a script");
    path
}

/// Returns what the browser was opened with, if that happens within a moment.
pub fn opened(home: &Home, patience: Duration) -> Option<String> {
    let end = Instant::now() + patience;
    loop {
        match fs::read_to_string(home.path().join("opened")) {
            Ok(noted) => return Some(noted),
            Err(_) if Instant::now() > end => return None,
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}
