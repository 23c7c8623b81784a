//! `auth login --with-api-key` and `--with-token`: a credential that is there already is stored after the backend
//! took it, or with the word that nobody was asked.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use keyward_tests::http_server::Reply;
use keyward_tests::identity_provider::{IdentityProvider, REVOKE, WHOAMI};
use keyward_tests::logins::sign_in;
use keyward_tests::terminal::{CTRL_C, Terminal};
use keyward_tests::{Finished, Home};
use serde_json::json;

const API_KEY: &str = "kw_live_0000000000AA_00000000000000000000000000000000000000000004OtDhs";
const MASKED: &str = "kw_live_0000000000AA_…";
/// The end of the key, which nobody may see.
const SECRET: &str = "000000000000000000004OtDhs";

/// Signs in with a key on stdin.
fn with_key(home: &Home, words: &[&str]) -> Finished {
    let words = [&["auth", "login", "--with-api-key"][..], words].concat();
    home.run_with_input(words, format!("{API_KEY}\n"))
}

#[track_caller]
fn nothing_is_stored(home: &Home) {
    assert_eq!(home.run(["auth", "status", "--all", "--json"]).json()["logins"], json!([]));
    home.run(["auth", "token"]).fails(3, &["not signed in"]);
}

#[test]
fn ec_01_se_01_a_key_that_the_backend_takes_is_stored_with_device_os_and_fingerprint() {
    let (home, backend) = (Home::new(), IdentityProvider::start());
    let said = with_key(&home, &["--base-url", backend.issuer(), "--tenant", "acme"]);
    said.succeeds();
    for line in [
        "signed in to tenant 'acme' as ana@example.com\n",
        &format!("Key:          {MASKED}\n"),
        "Device:       ",
        "OS:           linux ",
        "Fingerprint:  ",
    ] {
        assert!(said.stderr.contains(line), "{line}: {said}");
    }
    assert_eq!(said.text(), "Logged in as 7\n");
    assert!(!said.to_string().contains(SECRET) && !said.stderr.contains("unverified"), "{said}");
    let asked = backend.requests(WHOAMI);
    assert_eq!(asked[0].header("authorization"), Some(format!("Bearer {API_KEY}").as_str()));
    assert_eq!(home.run(["auth", "token"]).succeeds().text().trim(), API_KEY);
}

#[test]
fn se_03_se_05_the_status_has_the_masked_key_and_the_device_that_it_was_stored_on() {
    let (home, backend) = (Home::new(), IdentityProvider::start());
    let stored = with_key(&home, &["--base-url", backend.issuer(), "--json"]).succeeds().json();
    let fingerprint = stored["device"]["fingerprint"].as_str().unwrap();
    assert!(fingerprint.len() == 16 && fingerprint.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let said = home.run(["auth", "status", "--json"]).succeeds().json();
    let login = &said["logins"][0];
    assert_eq!((&login["masked_key"], &login["fingerprint"]), (&json!(MASKED), &json!(fingerprint)));
    assert_eq!((&login["state"], &login["method"]), (&json!("valid"), &json!("API key")));
}

#[test]
fn se_07_the_file_is_private_and_has_no_key_in_plain_text() {
    let home = Home::new();
    with_key(&home, &[]).succeeds();
    let mode = fs::metadata(home.sessions()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let bytes = fs::read(home.sessions()).unwrap();
    assert!(!bytes.windows(7).any(|part| part == b"kw_live" || part == b"4OtDhs\""));
}

#[test]
fn without_a_backend_the_key_is_stored_as_unverified_and_that_is_said() {
    let home = Home::new();
    let said = with_key(&home, &[]);
    assert!(said.succeeds().stderr.contains("State:        unverified (no backend was asked"), "{said}");
    let status = home.run(["auth", "status", "--json"]).succeeds().json();
    assert_eq!(status["logins"][0]["state"], "unverified");
    assert_eq!(
        home.run(["auth", "login"]).succeeds().stderr.lines().next().unwrap(),
        "already signed in to tenant 'default' with an API key"
    );
}

#[test]
fn a_key_that_the_backend_refuses_is_not_stored() {
    let (home, backend) = (Home::new(), IdentityProvider::start());
    backend.answer_always(WHOAMI, Reply::error(401, "invalid_api_key"));
    let said = with_key(&home, &["--base-url", backend.issuer()]);
    let refused = format!("error: {} does not accept the API key; nothing was stored", backend.authority());
    said.fails(3, &[&refused, "--base-url URL"]);
    assert!(!home.sessions().exists());
    nothing_is_stored(&home);
}

#[test]
fn a_backend_that_can_not_be_asked_is_not_taken_for_one_that_said_yes() {
    for reply in [
        Reply::empty(503),
        Reply::empty(429).with("Retry-After", "60"),
        Reply::text(200, "text/html", "<html>sign in to the network</html>"),
        Reply::text(401, "text/html", "<html>the proxy wants a password</html>"),
        Reply::json(200, &json!({ "email": "a@b" })).cut_after(5),
        Reply::text(200, "application/json", &" ".repeat(10 << 20)),
        Reply::reset(),
        Reply::garbage(),
        Reply::empty(302).with("Location", "https://elsewhere.example/"),
    ] {
        let (home, backend) = (Home::new(), IdentityProvider::start());
        backend.answer_always(WHOAMI, reply.clone());
        let said = with_key(&home, &["--base-url", backend.issuer()]);
        said.fails(9, &["caused by: nothing was stored"]);
        assert!(!home.sessions().exists(), "{reply:?}");
        assert!(!said.to_string().contains(SECRET), "{said}");
    }
    let home = Home::new();
    with_key(&home, &["--base-url", "https://keyward.invalid", "--timeout", "5s"])
        .fails(9, &["cannot reach keyward.invalid"]);
    nothing_is_stored(&home);
}

#[test]
fn a_key_that_is_mistyped_cut_off_or_empty_is_refused_before_anybody_is_asked() {
    let backend = IdentityProvider::start();
    let mistyped = API_KEY.replace("4OtDhs", "4OtDhx");
    for (key, why) in [
        (mistyped.as_str(), "mistyped or cut off"),
        (&API_KEY[..60], "mistyped or cut off"),
        ("", "1 to 4096 visible characters"),
        ("two words", "1 to 4096 visible characters"),
        (&"x".repeat(4097), "1 to 4096 visible characters"),
    ] {
        let home = Home::new();
        let words = ["auth", "login", "--with-api-key", "--base-url", backend.issuer()];
        let said = home.run_with_input(words, key);
        said.fails(3, &[why]);
        assert!(key.is_empty() || !said.to_string().contains(key), "{said}");
        assert!(!home.sessions().exists());
    }
    assert_eq!(backend.requests(WHOAMI).len(), 0);
}

#[test]
fn in_the_air_gap_a_key_is_stored_if_nobody_has_to_be_asked() {
    let home = Home::new();
    with_key(&home, &["--air-gap", "--base-url", "https://api.example"])
        .fails(10, &["to ask the backend needs the network"]);
    nothing_is_stored(&home);
    with_key(&home, &["--air-gap"]).succeeds();
}

#[test]
fn the_last_login_counts_a_key_takes_the_place_of_a_session_and_the_reverse() {
    let (home, provider) = (Home::new(), IdentityProvider::start());
    sign_in(&home, &provider, &[]).succeeds();
    let said = with_key(&home, &[]);
    assert_eq!(said.succeeds().code, 0);
    assert_eq!(home.run(["auth", "token"]).succeeds().text().trim(), API_KEY);
    assert_eq!(provider.requests(REVOKE).len(), 1, "the tokens of the session were given back");
    sign_in(&home, &provider, &[]).succeeds();
    assert_ne!(home.run(["auth", "token"]).succeeds().text().trim(), API_KEY);
    home.run(["auth", "logout"]).succeeds();
    home.run(["auth", "token"]).fails(3, &["not signed in"]);
}

#[test]
fn on_a_terminal_the_key_is_hidden_and_the_page_named_on_which_keys_are_made() {
    let home = Home::new();
    let command = home.command(["auth", "login", "--with-api-key", "--web-url", "https://app.example/keys"]);
    let mut terminal = Terminal::start(&command);
    terminal.wait_for("Make an API key at https://app.example/keys, and paste it here");
    terminal.wait_for_hidden("API key: ").type_keys(API_KEY).type_keys("\n");
    terminal.finish().ends(0).hides(SECRET).shows(MASKED);
}

#[test]
fn se_02_backend_and_base_url_are_one_option() {
    let (home, backend) = (Home::new(), IdentityProvider::start());
    let said = with_key(&home, &["--backend", backend.issuer(), "--json"]).succeeds().json();
    assert_eq!((&said["base_url"], &said["verified"]), (&json!(backend.issuer()), &json!(true)));
}

#[test]
fn ctrl_c_at_the_prompt_stores_nothing() {
    let home = Home::new();
    let mut terminal = Terminal::start(&home.command(["auth", "login", "--with-api-key"]));
    terminal.wait_for_hidden("API key: ").type_keys(CTRL_C);
    terminal.finish().ends(130);
    assert!(!home.sessions().exists());
}

#[test]
fn a_token_is_stored_as_a_session_that_nobody_refreshes() {
    let (home, backend) = (Home::new(), IdentityProvider::start());
    let token = backend.grant().access;
    let words = ["auth", "login", "--with-token", "--base-url", backend.issuer()];
    let said = home.run_with_input(words, &token);
    assert!(
        said.succeeds().stderr.contains("Ends:         nobody said when, and nothing refreshes it\n"),
        "{said}"
    );
    assert!(!said.to_string().contains(&token));
    assert_eq!(home.run(["auth", "token"]).succeeds().text().trim(), token);
    let status = home.run(["auth", "status", "--json"]).succeeds().json();
    assert_eq!(
        (&status["logins"][0]["method"], &status["logins"][0]["account"]),
        (&json!("token"), &json!("ana@example.com"))
    );
    home.run(["auth", "logout"]).succeeds();
}

#[test]
fn a_token_that_is_none_or_that_the_backend_refuses_is_not_stored() {
    let (home, backend) = (Home::new(), IdentityProvider::start());
    for (token, why) in [
        ("", "1 to 16384 visible characters"),
        ("two words", "1 to 16384 visible characters"),
        (&"x".repeat(16_385), "1 to 16384 visible characters"),
        ("kw_live_cut", "mistyped or cut off"),
        ("canary-unknown", "does not accept the token; nothing was stored"),
    ] {
        let words = ["auth", "login", "--with-token", "--base-url", backend.issuer()];
        let said = home.run_with_input(words, token);
        said.fails(3, &[why]);
        assert!(!said.to_string().contains("canary"), "{said}");
    }
    assert!(!home.sessions().exists());
}

#[test]
fn a_key_that_is_handed_over_as_a_token_is_a_key() {
    let home = Home::new();
    let said = home.run_with_input(["auth", "login", "--with-token", "--json"], API_KEY).succeeds().json();
    assert_eq!(
        (&said["method"], &said["masked_key"], &said["verified"]),
        (&json!("API key"), &json!(MASKED), &json!(false))
    );
}

#[test]
fn se_09_no_way_asks_for_a_user_name_or_password() {
    let help = Home::new().run(["auth", "login", "--help"]).succeeds().text().to_lowercase();
    let own = help.split("global options").next().unwrap();
    assert!(!own.contains("password") && !own.contains("username"), "{own}");
}
