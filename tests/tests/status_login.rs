//! `keyward status`: the vault first, then who is signed in.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs;

use keyward_tests::Home;
use keyward_tests::identity_provider::{IdentityProvider, WHOAMI};
use keyward_tests::signed_in::{API_KEY, path, signed_in};

#[test]
fn se_10_status_shows_the_vault_first_and_then_the_login() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    home.put("A", "v");
    let text = home.run(["status"]).succeeds().text();
    let login = home.run(["auth", "status"]).succeeds().text();
    assert!(text.starts_with("vault:            "), "{text}");
    assert!(text.ends_with(&format!("\n\n{login}")), "{text}");
    let json = home.run(["status", "--json"]).succeeds().json();
    assert_eq!(json["login"]["logins"][0]["account"], "ana@example.com");
    assert!(provider.requests(WHOAMI).is_empty(), "status asks nobody");
}

#[test]
fn status_of_the_vault_says_in_one_line_that_nobody_is_signed_in() {
    let home = Home::new();
    let said = home.run(["status"]);
    assert!(said.succeeds().text().ends_with(
        "login:            not logged in (`keyward auth login` signs in; for scripts, set `KEYWARD_API_KEY`)\n"
    ));
    assert_eq!(home.run(["status", "--json"]).succeeds().json()["login"]["signed_in"], false);
    let home = home.with("KEYWARD_API_KEY", API_KEY);
    let text = home.run(["status"]).succeeds().text();
    assert!(text.contains("\nKEYWARD_API_KEY is set: it is used instead of every stored login\n"), "{text}");
    assert!(!text.contains("A1b2C3"), "{text}");
}

#[test]
fn a_file_of_sessions_that_does_not_open_is_a_line_and_no_failure_of_the_vault() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    home.put("A", "v");
    let mut bytes = fs::read(path(&home)).unwrap();
    bytes[40] ^= 1;
    fs::write(path(&home), bytes).unwrap();
    let said = home.run(["status"]);
    assert!(said.succeeds().text().contains("\nlogin:            unknown, "), "{said}");
    assert!(!said.text().contains("not logged in"), "{said}");
    assert!(home.run(["status", "--json"]).succeeds().json()["login"]["error"].is_string());
    assert_ne!(home.run(["auth", "status"]).code, 0);
}
