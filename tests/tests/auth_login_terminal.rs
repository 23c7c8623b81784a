//! `auth login` on a terminal: what a person sees, with a provider that nobody here wrote; when a browser is opened;
//! and what is left when they give up.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::time::Duration;

use keyward_tests::Home;
use keyward_tests::http_server::Reply;
use keyward_tests::identity_provider::{DEVICE, DISCOVERY, IdentityProvider, REVOKE, TOKEN};
use keyward_tests::logins::{browser, on_terminal, opened};
use keyward_tests::mounts::Mounted;
use keyward_tests::oidc_provider::OidcProvider;
use keyward_tests::terminal::{CTRL_C, Session, Terminal};
use keyward_tests::transcript::stable;
use regex::Regex;
use serde_json::json;

/// How long a browser takes at most to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long is waited for a browser that must not start.
const MOMENT: Duration = Duration::from_millis(300);

/// What a terminal showed, the same in every run.
fn screen(session: &Session, home: &Home) -> String {
    let text = stable(&session.shown.replace("\r\n", "\n"), home);
    let replaced = [
        (r"127\.0\.0\.1:\d+", "127.0.0.1:[port]"),
        (r"\b[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}\b", "WDJB-MJHT"),
        (r"started this on \S+", "started this on [host]"),
    ];
    replaced
        .iter()
        .fold(text, |text, (pattern, by)| Regex::new(pattern).unwrap().replace_all(&text, *by).into_owned())
}

/// Signs in at the real provider on a terminal.
fn real_login(home: &Home, provider: &OidcProvider, words: &[&str], account: &str) -> Session {
    let (terminal, code) = on_terminal(home, provider.issuer(), words);
    provider.approve(&code, account);
    terminal.finish()
}

#[test]
fn ec_02_ec_05_ak_01_ak_02_ae_02_the_screen_has_address_and_code_then_waiting_then_who() {
    let (home, provider) = (Home::new(), OidcProvider::start(&[]));
    let session = real_login(&home, &provider, &["--tenant", "acme"], "ana");
    session.ends(0);
    insta::assert_snapshot!(screen(&session, &home));
    let said = home.run(["auth", "status", "--json"]).succeeds().json();
    assert_eq!(said["logins"][0]["account"], "ana@example.com");
}

#[test]
fn the_tokens_of_a_provider_with_dpop_are_bound_to_this_device() {
    let (home, provider) = (Home::new(), OidcProvider::start(&[("NONCE", "1")]));
    real_login(&home, &provider, &[], "ana").ends(0);
    let header = home.run(["auth", "token", "--format", "header"]).succeeds().text();
    assert!(header.starts_with("Authorization: DPoP "), "the type of the token");
    assert!(!provider.accepts(header.trim().rsplit(' ').next().unwrap()), "it is no bearer token");
    let before = home.run(["auth", "token"]).succeeds().text();
    home.run(["auth", "refresh"]).succeeds();
    assert_ne!(home.run(["auth", "token"]).succeeds().text(), before);
}

#[test]
fn another_person_at_the_real_provider_is_refused_and_the_first_one_stays_signed_in() {
    let (home, provider) = (Home::new(), OidcProvider::start(&[]));
    real_login(&home, &provider, &[], "ana").ends(0);
    let session = real_login(&home, &provider, &[], "bob");
    session.ends(10).shows("ana@example.com is signed in, and the new login is of bob@example.com");
    session.shows("nothing was stored, and the new tokens were revoked");
    home.run(["auth", "refresh"]).succeeds();
    real_login(&home, &provider, &["--force"], "bob")
        .ends(0)
        .shows("signed in to tenant 'default' as bob@example.com");
}

#[test]
fn a_person_who_says_no_is_not_signed_in() {
    let (home, provider) = (Home::new(), IdentityProvider::start());
    let (terminal, code) = on_terminal(&home, provider.issuer(), &[]);
    provider.deny(&code);
    terminal.finish().ends(3).shows(&format!("the login was denied at {}", provider.authority()));
    home.run(["auth", "token"]).fails(3, &["not signed in"]);
}

#[test]
fn ctrl_c_gives_up_at_once_and_leaves_nothing_but_the_terminal_as_it_was() {
    let (home, provider) = (Home::new(), IdentityProvider::start());
    let (mut terminal, code) = on_terminal(&home, provider.issuer(), &[]);
    terminal.type_keys(CTRL_C);
    terminal.finish().ends(130).shows("interrupted");
    provider.approve(&code);
    home.run(["auth", "token"]).fails(3, &["not signed in"]);
    assert_eq!(home.run(["auth", "status", "--all", "--json"]).json()["logins"], json!([]));
}

#[test]
fn a_login_that_can_not_be_stored_after_all_leaves_no_grant_behind() {
    let (home, provider) = (Home::new(), IdentityProvider::start());
    let disk = Mounted::tiny(home.sessions().parent().unwrap());
    let (terminal, code) = on_terminal(&home, provider.issuer(), &[]);
    disk.fill();
    provider.approve(&code);
    let session = terminal.finish();
    session
        .ends(1)
        .shows("No space left on device")
        .shows("nothing was stored, and the new tokens were revoked");
    assert_eq!(provider.requests(REVOKE).len(), 1);
    home.run(["auth", "token"]).fails(3, &["not signed in"]);
}

#[test]
fn a_code_that_nobody_approves_ends_with_the_time_that_was_given() {
    let (home, provider) = (Home::new(), IdentityProvider::start());
    let (terminal, _) = on_terminal(&home, provider.issuer(), &["--timeout", "2s"]);
    let session = terminal.finish();
    session.ends(3).shows("nobody approved the code CODE-0000 within 2 s").shows("starts another login");
}

#[test]
fn a_code_that_ended_is_not_asked_for_any_more() {
    let (home, provider) = (Home::new(), IdentityProvider::start());
    let (terminal, _) = {
        provider.answer_always(TOKEN, Reply::error(400, "expired_token"));
        on_terminal(&home, provider.issuer(), &[])
    };
    terminal.finish().ends(3).shows("the code CODE-0000 ended before the login was approved");
    assert_eq!((provider.requests(TOKEN).len(), provider.requests(DEVICE).len()), (1, 1));
}

#[test]
fn trouble_on_the_way_is_said_once_and_waited_out() {
    let (home, provider) = (Home::new(), IdentityProvider::start());
    provider.answer_once(TOKEN, Reply::text(200, "text/html", "<html>a proxy</html>"));
    provider.answer_once(TOKEN, Reply::empty(503));
    let (terminal, code) = on_terminal(&home, provider.issuer(), &[]);
    provider.approve(&code);
    let session = terminal.finish();
    session.ends(0).shows("the login still waits").shows("signed in to tenant 'default' as ana@example.com");
    assert_eq!(session.shown.matches("warning: ").count(), 1, "{}", session.shown);
}

#[test]
fn ec_03_the_browser_is_opened_at_the_page_and_no_key_has_to_be_pressed() {
    let (home, provider) = (Home::new().with("DISPLAY", ":7"), IdentityProvider::start());
    let path = browser(&home).display().to_string();
    let home =
        home.with("BROWSER", &path).with("KEYWARD_VAULT_PASSPHRASE", "canary").with("KEYWARD_KEYRING", "off");
    let (terminal, code) = on_terminal(&home, provider.issuer(), &[]);
    let noted = opened(&home, PATIENCE).expect("the browser");
    assert!(noted.starts_with(&provider.at("/activate?user_code=CODE-0000")), "{noted}");
    assert!(!noted.contains("KEYWARD_") && !noted.contains("canary"), "{noted}");
    assert!(noted.contains("DISPLAY=:7"), "{noted}");
    provider.approve(&code);
    terminal.finish().ends(0).shows("The page opens in the browser");
}

#[test]
fn the_browser_is_not_opened_without_a_screen_or_against_somebodys_will() {
    let provider = IdentityProvider::start();
    for (variables, words) in [
        (&[][..], &[][..]),
        (&[("DISPLAY", ":7"), ("SSH_CONNECTION", "10.0.0.1 22")], &[]),
        (&[("WAYLAND_DISPLAY", "w"), ("SSH_TTY", "/dev/pts/7")], &[]),
        (&[("DISPLAY", ":7"), ("KEYWARD_NO_BROWSER", "1")], &[]),
        (&[("DISPLAY", ":7")], &["--no-browser"]),
    ] {
        let home = Home::new();
        let path = browser(&home).display().to_string();
        let home =
            variables.iter().fold(home, |home, (name, value)| home.with(name, value)).with("BROWSER", &path);
        let (mut terminal, _) = on_terminal(&home, provider.issuer(), words);
        assert_eq!(opened(&home, MOMENT), None, "{variables:?} {words:?}");
        terminal.type_keys(CTRL_C);
        terminal.finish().ends(130).hides("browser");
    }
}

#[test]
fn a_page_of_another_host_is_shown_and_not_opened() {
    let (home, provider) = (Home::new().with("DISPLAY", ":7"), IdentityProvider::start());
    let path = browser(&home).display().to_string();
    let home = home.with("BROWSER", &path);
    provider.answer_once(
        DEVICE,
        Reply::json(
            200,
            &json!({
                "device_code": "d", "user_code": "CODE-0000", "interval": 1,
                "verification_uri": "https://elsewhere.example/activate",
            }),
        ),
    );
    let (mut terminal, code) = on_terminal(&home, provider.issuer(), &[]);
    assert_eq!((opened(&home, MOMENT), code.as_str()), (None, "CODE-0000"));
    terminal.type_keys(CTRL_C);
    let session = terminal.finish();
    session.ends(130).shows("    https://elsewhere.example/activate").shows("and enter this code:");
    session.shows(
        "The page is not opened by itself: it is at elsewhere.example, and the provider is at 127.0.0.1",
    );
}

#[test]
fn a_browser_that_is_not_there_is_no_error() {
    let (home, provider) = (Home::new(), IdentityProvider::start());
    let home = home.with("DISPLAY", ":7").with("BROWSER", "/nosuch/browser");
    let (terminal, code) = on_terminal(&home, provider.issuer(), &[]);
    provider.approve(&code);
    terminal.finish().ends(0).hides("browser");
}

#[test]
fn a_code_is_shown_without_characters_that_would_steer_the_terminal() {
    let (home, provider) = (Home::new(), IdentityProvider::start());
    provider.answer_once(
        DEVICE,
        Reply::json(
            200,
            &json!({
                "device_code": "d", "user_code": "WDJB\u{1b}[2J\u{202e}", "interval": 1,
                "verification_uri": provider.at("/activate"),
            }),
        ),
    );
    let (mut terminal, code) = on_terminal(&home, provider.issuer(), &[]);
    assert!(!code.contains(['\u{1b}', '\u{202e}']) && code.starts_with("WDJB\\u{1b}"), "{code}");
    terminal.type_keys(CTRL_C);
    terminal.finish().ends(130).hides("\u{1b}[2J");
}

#[test]
fn the_code_is_shown_though_it_should_be_quiet() {
    let (home, provider) = (Home::new(), IdentityProvider::start());
    let (terminal, code) = on_terminal(&home, provider.issuer(), &["--quiet"]);
    provider.approve(&code);
    terminal.finish().ends(0).shows("CODE-0000").hides("signed in");
}

#[test]
fn a_qr_code_is_dark_on_light_and_left_out_where_it_does_not_fit() {
    let (home, provider) = (Home::new().with("NO_COLOR", "1"), IdentityProvider::start());
    let (mut terminal, _) = on_terminal(&home, provider.issuer(), &["--qr"]);
    terminal.type_keys(CTRL_C);
    terminal.finish().ends(130).shows("\u{1b}[30m\u{1b}[107m    █▀▀▀▀▀█ ");
    let narrow = home.command(["auth", "login", "--qr", "--issuer", provider.issuer()]);
    let mut terminal = Terminal::script("stty cols 30; exec \"$@\"", &narrow);
    terminal.wait_for("Waiting for approval").type_keys(CTRL_C);
    let session = terminal.finish();
    session.ends(130).shows("columns, and the terminal has 30").hides("▀");
}

#[test]
fn in_ci_a_terminal_is_nobody() {
    let (home, provider) = (Home::new(), IdentityProvider::start());
    for (variable, option) in [("CI", "--json"), ("UNSET", "--no-input")] {
        let mut command = home.command(["auth", "login", "--issuer", provider.issuer(), option]);
        Terminal::start(command.env(variable, "true")).finish().ends(3).shows("nobody is there to approve");
    }
    assert_eq!(provider.requests(DISCOVERY).len(), 0);
}

#[test]
fn with_stderr_elsewhere_nobody_would_see_the_code() {
    let (home, provider) = (Home::new(), IdentityProvider::start());
    let command = home.command(["auth", "login", "--issuer", provider.issuer()]);
    Terminal::script("exec \"$@\" 2> said", &command).finish().ends(3);
    assert_eq!(provider.requests(DISCOVERY).len(), 0);
}

#[test]
fn the_object_on_stdout_is_alone_there() {
    let (home, provider) = (Home::new(), IdentityProvider::start());
    let command = home.command(["auth", "login", "--json", "--issuer", provider.issuer()]);
    let mut terminal = Terminal::script("exec \"$@\" > said", &command);
    terminal.wait_for("Waiting for approval");
    provider.approve("CODE-0000");
    terminal.finish().ends(0);
    let said = std::fs::read_to_string(home.path().join("said")).unwrap();
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&said["command"], &said["user_id"]), (&json!("auth login"), &json!("ana")));
}
