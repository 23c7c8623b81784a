//! Bundles on a terminal: what is asked, in which order, and what a refusal leaves.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use keyward_tests::terminal::{CTRL_C, Terminal};
use keyward_tests::{Finished, Home};

const CREATE: [&str; 4] = ["bundle", "create", "b", "--light"];
const ASKED: &str = "Merge these into the vault? [Y/n] ";

/// A home with one secret and a bundle of it, sealed with a passphrase that was typed.
fn with_bundle() -> Home {
    let home = Home::new();
    home.put("A", "canary");
    let mut terminal = Terminal::start(&home.command(CREATE));
    terminal.wait_for_hidden("New passphrase: ").type_keys("correct horse battery\n");
    terminal.wait_for_hidden("The same again: ").type_keys("correct horse battery\n");
    terminal.finish().ends(0).shows("sealed 1 secret in b").hides("canary").hides("horse");
    home
}

/// Starts opening the bundle of `home` and types its passphrase.
fn opening(home: &Home) -> Terminal {
    let mut terminal = Terminal::start(&home.command(["bundle", "open", "b"]));
    terminal.wait_for_hidden("Passphrase of the bundle: ").type_keys("correct horse battery\n");
    terminal
}

#[test]
fn what_is_going_to_happen_is_shown_before_it_is_asked_for() {
    let home = with_bundle();
    home.run(["rm", "A"]).succeeds();
    let mut terminal = opening(&home);
    terminal.wait_for("new   A    workspace default").wait_for(ASKED).type_keys("\n");
    terminal.finish().ends(0).shows("merged 1 secret of b: 1 new").hides("canary");
    assert_eq!(home.get("A"), b"canary");
}

#[test]
fn whoever_says_no_changes_nothing() {
    for answer in ["n\n", "No\n"] {
        let home = with_bundle();
        home.run(["rm", "A"]).succeeds();
        let mut terminal = opening(&home);
        terminal.wait_for(ASKED).type_keys(answer);
        terminal.finish().ends(130).shows("not merged; nothing was changed");
        home.run(["get", "A"]).fails(4, &[]);
    }
}

#[test]
fn nothing_is_asked_where_nothing_changes_or_nobody_wants_to_be_asked() {
    let home = with_bundle();
    opening(&home).finish().ends(0).hides(ASKED).shows("1 unchanged");
    home.run(["rm", "A"]).succeeds();
    let mut terminal = Terminal::start(&home.command(["bundle", "open", "b", "--yes"]));
    terminal.wait_for_hidden("Passphrase of the bundle: ").type_keys("correct horse battery\n");
    terminal.finish().ends(0).hides(ASKED);
    assert_eq!(home.get("A"), b"canary");
}

#[test]
fn two_passphrases_that_differ_make_no_bundle() {
    let home = Home::new();
    home.put("A", "1");
    let mut terminal = Terminal::start(&home.command(CREATE));
    terminal.wait_for_hidden("New passphrase: ").type_keys("one\n");
    terminal.wait_for_hidden("The same again: ").type_keys("other\n");
    terminal.finish().ends(2).shows("the two passphrases differ");
    let mut terminal = Terminal::start(&home.command(CREATE));
    terminal.wait_for_hidden("New passphrase: ").type_keys(CTRL_C);
    terminal.finish().ends(130);
    assert!(!home.path().join("b").exists());
}

#[test]
fn what_is_refused_anyway_is_refused_before_anything_is_asked() {
    let home = with_bundle();
    Terminal::start(&home.command(CREATE)).finish().ends(1).hides("assphrase: ");
    home.write("other", "no bundle");
    Terminal::start(&home.command(["bundle", "open", "other"])).finish().ends(6).hides("assphrase: ");
}

#[test]
fn vault_and_bundle_are_each_asked_for_once() {
    let home = with_bundle();
    let other = Home::new();
    std::fs::copy(home.path().join("b"), other.path().join("b")).unwrap();
    let mut init = other.command(["init", "--source", "passphrase", "--light"]);
    let made: Finished = init.env("KEYWARD_VAULT_PASSPHRASE", "of the vault").output().unwrap().into();
    made.succeeds();
    let mut terminal = opening(&other);
    terminal.wait_for_hidden("Passphrase of the vault: ").type_keys("of the vault\n");
    terminal.wait_for(ASKED).type_keys("y\n");
    let session = terminal.finish();
    session.ends(0);
    assert_eq!(session.shown.matches("Passphrase of ").count(), 2, "{}", session.shown);
}
