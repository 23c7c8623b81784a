//! `auth token` and `auth refresh`: a token that is good, alone on stdout, whatever else runs at the same time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs;
use std::thread;
use std::time::Duration;

use keyward_tests::Home;
use keyward_tests::http_server::Reply;
use keyward_tests::identity_provider::{IdentityProvider, TOKEN};
use keyward_tests::injection::{KILLED, traced};
use keyward_tests::signed_in::{
    API_KEY, Tokens, file, path, session, sign_in, sign_in_for, signed_in, store_session,
};
use keyward_tests::terminal::Terminal;
use keyward_tests::token_family::Rotation;
use vault_auth::stored_session::State;
use vault_auth::token_store::TokenStore;
use vault_core::source::{generate_slot_key, key_text};

/// Signs in with an access token that has ended.
fn expired(provider: &IdentityProvider) -> Home {
    let home = keyward_tests::signed_in::home();
    sign_in_for(&home, provider, "work", "acme", -1);
    home
}

fn refreshes(provider: &IdentityProvider) -> (u64, u64) {
    provider.with_grants(|grants| (grants.refreshes, grants.replays))
}

#[test]
fn ae_10_the_token_is_alone_on_stdout() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    let printed = home.run(["auth", "token"]);
    assert_eq!((printed.text().as_str(), printed.stderr.as_str()), ("access-0-0\n", ""), "{printed}");
    assert_eq!(refreshes(&provider), (0, 0));
    let again = home.run(["auth", "print-access-token"]).succeeds().text();
    assert_eq!(again, "access-0-0\n");
}

#[test]
fn ae_10_a_header_and_an_object_are_printed_when_they_are_asked_for() {
    let home = signed_in(&IdentityProvider::start());
    let header = home.run(["auth", "token", "--format", "header"]).succeeds().text();
    assert_eq!(header, "Authorization: Bearer access-0-0\n");
    for arguments in [&["auth", "token", "--format", "json"][..], &["auth", "token", "--json"]] {
        let object = home.run(arguments).succeeds().json();
        assert_eq!(
            (&object["access_token"], &object["token_type"]),
            (&"access-0-0".into(), &"Bearer".into())
        );
        assert!(object["expires_at"].as_str().unwrap().ends_with('Z'), "{object}");
    }
}

#[test]
fn ec_06_ae_13_a_token_that_has_ended_is_refreshed_silently_and_once() {
    let provider = IdentityProvider::start();
    let home = expired(&provider);
    let printed = home.run(["auth", "token"]);
    assert_eq!((printed.text().as_str(), printed.stderr.as_str()), ("access-0-1\n", ""), "{printed}");
    assert_eq!(home.run(["auth", "token"]).succeeds().text(), "access-0-1\n");
    assert_eq!(refreshes(&provider), (1, 0));
}

#[test]
fn ec_07_no_login_is_needed_while_the_refresh_token_lives() {
    let provider = IdentityProvider::start();
    let home = expired(&provider);
    for generation in 1..=5 {
        let token = home.run(["auth", "token", "--force-refresh"]).succeeds().text();
        assert_eq!(token, format!("access-0-{generation}\n"));
    }
    assert_eq!(refreshes(&provider), (5, 0));
}

#[test]
fn ct_01_32_processes_at_expiry_cost_one_refresh() {
    let provider = IdentityProvider::start();
    let home = expired(&provider);
    thread::scope(|scope| {
        let callers: Vec<_> = (0..32).map(|_| scope.spawn(|| home.run(["auth", "token"]))).collect();
        for caller in callers {
            assert_eq!(caller.join().unwrap().succeeds().text(), "access-0-1\n");
        }
    });
    assert_eq!(refreshes(&provider), (1, 0));
}

#[test]
fn a_terminal_gets_the_token_only_when_it_is_asked_for() {
    let home = signed_in(&IdentityProvider::start());
    let refused = Terminal::start(&home.command(["auth", "token"])).finish();
    refused.ends(2).shows("--reveal").hides("access-0-0");
    Terminal::start(&home.command(["auth", "token", "--reveal"])).finish().ends(0).shows("access-0-0");
}

#[test]
fn a_token_is_good_for_as_long_as_is_asked_for() {
    let provider = IdentityProvider::start();
    let home = keyward_tests::signed_in::home();
    sign_in_for(&home, &provider, "work", "acme", 300);
    assert_eq!(home.run(["auth", "token", "--min-ttl", "2m"]).succeeds().text(), "access-0-0\n");
    assert_eq!(home.run(["auth", "token", "--min-ttl", "6m"]).code, 2, "a token of five minutes");
    provider.set_access_lifetime(3_600);
    assert_eq!(home.run(["auth", "token", "--force-refresh"]).succeeds().text(), "access-0-1\n");
    assert_eq!(home.run(["auth", "token", "--min-ttl", "6m"]).succeeds().text(), "access-0-1\n");
    home.run(["auth", "token", "--min-ttl", "soon", "--json"]).fails_as(2, "usage");
}

#[test]
fn ec_13_the_flag_goes_before_the_variables_and_they_before_what_is_stored() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    let token = |home: &Home, more: &[&str]| home.run([&["auth", "token"], more].concat()).succeeds().text();
    assert_eq!(token(&home, &[]), "access-0-0\n");
    let home = home.with("KEYWARD_TOKEN", "a-token-from-elsewhere");
    assert_eq!(token(&home, &[]), "a-token-from-elsewhere\n");
    let home = home.with("KEYWARD_API_KEY", API_KEY);
    assert_eq!(token(&home, &[]), format!("{API_KEY}\n"));
    home.write("other", "a-key-of-others\n");
    assert_eq!(token(&home, &["--api-key", "@other"]), "a-key-of-others\n");
}

#[test]
fn ec_13_without_any_credential_the_exit_code_is_3_and_the_hint_names_the_login() {
    for home in [Home::new(), keyward_tests::signed_in::home()] {
        home.run(["auth", "token", "--json"]).fails_as(3, "not_signed_in");
        home.run(["auth", "token"]).fails(3, &["error: not signed in", "hint: `keyward auth login`"]);
    }
}

#[test]
fn ec_14_ae_08_with_a_key_nothing_stored_is_read_or_changed() {
    let provider = IdentityProvider::start();
    let home = expired(&provider);
    let damaged = b"no file of sessions at all";
    fs::write(path(&home), damaged).unwrap();
    let home = home.with("KEYWARD_API_KEY", API_KEY);
    assert_eq!(home.run(["auth", "token"]).succeeds().text(), format!("{API_KEY}\n"));
    assert_eq!(fs::read(path(&home)).unwrap(), damaged);
    assert_eq!(refreshes(&provider), (0, 0));
}

#[test]
fn ec_09_the_key_comes_from_a_file_or_stdin_too_and_a_mistyped_one_is_told() {
    let home = Home::new();
    home.write("key", format!("{API_KEY}\n"));
    assert_eq!(home.run(["auth", "token", "--api-key", "@key"]).succeeds().text(), format!("{API_KEY}\n"));
    let piped = home.run_with_input(["--api-key", "-", "auth", "token"], API_KEY);
    assert_eq!(piped.succeeds().text(), format!("{API_KEY}\n"));
    let typed = home.run(["auth", "token", "--api-key", API_KEY]);
    assert!(typed.succeeds().stderr.contains("warning: ") && !typed.stderr.contains(API_KEY), "{typed}");
    let mistyped = API_KEY.replace("A1b2", "A1b3");
    let refused = home.run(["auth", "token", "--json", "--api-key", &mistyped]);
    refused.fails_as(3, "rejected");
    assert!(!format!("{refused}").contains("A1b3"), "{refused}");
}

#[test]
fn two_variables_that_differ_are_told_by_their_names_alone() {
    let home = Home::new().with("KEYWARD_API_KEY", API_KEY).with("KEYWARD_TOKEN", "another-canary");
    let printed = home.run(["auth", "token"]);
    let warning =
        "warning: KEYWARD_API_KEY and KEYWARD_TOKEN are both set and differ; KEYWARD_API_KEY is used\n";
    assert_eq!((printed.text(), printed.stderr.as_str()), (format!("{API_KEY}\n"), warning));
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let home = signed_in(&IdentityProvider::start()).with("KEYWARD_API_KEY", "").with("KEYWARD_TOKEN", " ");
    assert_eq!(home.run(["auth", "token"]).succeeds().text(), "access-0-0\n");
}

#[test]
fn a_server_that_cannot_be_asked_never_means_not_signed_in() {
    for reply in [
        Reply::reset(),
        Reply::empty(503),
        Reply::empty(429).with("retry-after", "3600"),
        Reply::text(200, "text/html", "<html>a portal</html>"),
        Reply::json(200, &serde_json::json!({ "access_token": "a" })).cut_after(4),
        Reply::text(200, "application/json", &"x".repeat(10 << 20)),
    ] {
        let provider = IdentityProvider::start();
        let home = expired(&provider);
        provider.answer_always(TOKEN, reply);
        home.run(["auth", "token", "--json"]).fails_as(9, "network");
        let kept = session(&home, "work").unwrap();
        assert_eq!(kept.refresh_token().unwrap().expose_secret(), "refresh-0-0");
        assert!(!matches!(kept.state(), State::ReauthRequired(_) | State::SignedOut));
    }
}

#[test]
fn a_token_that_still_lives_is_printed_while_the_server_is_away() {
    let provider = IdentityProvider::start();
    let home = keyward_tests::signed_in::home();
    sign_in_for(&home, &provider, "work", "acme", 40);
    provider.answer_always(TOKEN, Reply::empty(503));
    let printed = home.run(["auth", "token"]);
    assert_eq!((printed.text().as_str(), printed.stderr.as_str()), ("access-0-0\n", ""), "{printed}");
    let told = home.run(["auth", "token", "-v"]);
    assert!(!told.succeeds().stderr.contains("refresh-0-0"), "{told}");
}

#[test]
fn a_session_that_the_server_ended_is_told_once_asked_and_nothing_is_deleted() {
    let provider = IdentityProvider::start();
    let home = expired(&provider);
    provider.with_grants(|grants| grants.revoke("refresh-0-0"));
    home.run(["auth", "token"])
        .fails(3, &["error: the session has ended", "hint: sign in again: `keyward auth login`"]);
    let asked = provider.requests(TOKEN).len();
    for _ in 0..3 {
        home.run(["auth", "token", "--json"]).fails_as(3, "session_ended");
    }
    assert_eq!((asked, provider.requests(TOKEN).len()), (1, 1), "the dead token is not sent again");
    let kept = session(&home, "work").unwrap();
    assert!(kept.refresh_token().is_some() && matches!(kept.state(), State::ReauthRequired(_)));
}

#[test]
fn a_client_that_the_server_refuses_is_a_matter_of_configuration() {
    let provider = IdentityProvider::start();
    let home = expired(&provider);
    provider.answer_always(TOKEN, Reply::error(401, "invalid_client"));
    home.run(["auth", "token", "--json"]).fails_as(1, "configuration");
    assert!(matches!(session(&home, "work").unwrap().state(), State::Valid | State::Refreshing(_)));
}

#[test]
fn the_air_gap_is_asked_before_a_socket_is_opened() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    assert_eq!(home.run(["--air-gap", "auth", "token"]).succeeds().text(), "access-0-0\n");
    home.run(["--air-gap", "auth", "token", "--force-refresh", "--json"]).fails_as(10, "refused");
    home.run(["--air-gap", "auth", "refresh"])
        .fails(10, &["to refresh the session needs the network, which --air-gap forbids"]);
    assert!(provider.requests(TOKEN).is_empty());
}

#[test]
fn a_file_that_does_not_open_is_never_an_absent_login() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    let whole = fs::read(path(&home)).unwrap();
    let other_key = key_text::encode(&generate_slot_key());
    home.with("KEYWARD_VAULT_KEY", other_key.expose_secret())
        .run(["auth", "token", "--json"])
        .fails_as(5, "wrong_key");
    let home = signed_in(&provider);
    for (bytes, kind) in [
        (&whole[..whole.len() / 2], "truncated"),
        (&whole[..20], "truncated"),
        (b"{\"access_token\":\"a\"}", "not_a_vault"),
    ] {
        fs::write(path(&home), bytes).unwrap();
        home.run(["auth", "token", "--json"]).fails_as(6, kind);
        home.run(["auth", "token"]).fails(6, &["move it to another place, then `keyward auth login`"]);
        assert_eq!(fs::read(path(&home)).unwrap(), bytes, "what can't be read is not replaced");
    }
}

#[test]
fn a_session_of_another_device_is_not_refreshed() {
    let provider = IdentityProvider::start();
    let home = expired(&provider);
    let tokens = Tokens { access: "a", refresh: Some("r"), life: -1, device: Some("0123456789abcdef") };
    store_session(&home, "work", &tokens);
    home.run(["auth", "token", "--json"]).fails_as(3, "other_device");
    assert!(provider.requests(TOKEN).is_empty());
}

#[test]
fn a_session_without_a_refresh_token_ends_with_its_token() {
    let provider = IdentityProvider::start();
    let home = expired(&provider);
    store_session(&home, "work", &Tokens { access: "a", refresh: None, life: -1, device: None });
    home.run(["auth", "token", "--json"]).fails_as(3, "session_ended");
    home.run(["auth", "refresh", "--json"]).fails_as(3, "session_ended");
}

#[test]
fn refresh_says_until_when_and_prints_no_token() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    let said = home.run(["auth", "refresh"]);
    assert!(
        said.succeeds()
            .stderr
            .starts_with("refreshed the session of tenant 'acme', its token is good until 20"),
        "{said}"
    );
    let json = home.run(["auth", "refresh", "--json"]).succeeds().json();
    assert_eq!((&json["refreshed"], &json["tenant"]), (&true.into(), &"acme".into()));
    assert!(!format!("{said}{json}").contains("access-"), "{said}{json}");
    assert_eq!(refreshes(&provider), (2, 0));
}

#[test]
fn ec_16_two_environments_and_two_tenants_never_share_a_session() {
    let (one, other) = (IdentityProvider::start(), IdentityProvider::start());
    let home = keyward_tests::signed_in::home();
    sign_in_for(&home, &one, "dev", "acme", 900);
    sign_in_for(&home, &other, "prod", "acme", 900);
    store_session(&home, "dev", &Tokens { access: "of-dev", refresh: None, life: 900, device: None });
    let token = |arguments: &[&str]| home.run([&["auth", "token"], arguments].concat());
    assert_eq!(token(&["--profile", "dev"]).succeeds().text(), "of-dev\n");
    assert_eq!(token(&["--profile", "prod"]).succeeds().text(), "access-0-0\n");
    assert_eq!(token(&[]).succeeds().text(), "access-0-0\n");
    assert_eq!(token(&["--tenant", "other"]).code, 3, "nobody signed in to that tenant");
    assert_eq!(token(&["--base-url", "https://api.example.com"]).code, 3, "nor to that backend");
    assert_eq!(token(&["--profile", "nobody"]).code, 4);
}

/// Kills a command before each of its system calls that others could notice, in turn: whatever was done by then, the
/// file of sessions opens and the session is whole.
fn killed_everywhere(arguments: &[&str], is_whole: impl Fn(&Home)) {
    let provider = IdentityProvider::start();
    provider.set_rotation(Rotation::Grace(Duration::from_secs(600)));
    let home = signed_in(&provider);
    home.run(["auth", "refresh"]).succeeds();
    let mut calls = traced(&home.command(arguments), b"", &[]).calls();
    calls.retain(|call| NOTICED.contains(&call.name.as_str()));
    assert!(calls.len() > 25, "{}", calls.len());
    let mut killed = 0;
    for call in &calls {
        sign_in(&home, &provider, "work", "acme");
        let run = traced(&home.command(arguments), b"", &[call.killing()]);
        killed += usize::from(run.finished.code == KILLED);
        is_whole(&home);
    }
    assert!(killed * 20 > calls.len() * 19, "{killed} of {}", calls.len());
}

const NOTICED: [&str; 11] = [
    "connect",
    "fsync",
    "ftruncate",
    "linkat",
    "openat",
    "pwrite64",
    "recvfrom",
    "renameat",
    "sendto",
    "unlinkat",
    "write",
];

#[test]
fn a_process_that_is_killed_at_its_refresh_leaves_a_session_that_goes_on() {
    killed_everywhere(&["auth", "token", "--force-refresh"], |home| {
        home.run(["auth", "token"]).succeeds();
    });
}

#[test]
fn a_process_that_is_killed_at_its_logout_leaves_a_session_or_none() {
    killed_everywhere(&["auth", "logout"], |home| {
        let left = session(home, "work").unwrap();
        assert_eq!(left.tokens().is_none(), *left.state() == State::SignedOut);
        home.run(["auth", "logout"]).succeeds();
    });
}

#[test]
fn what_a_server_repeats_of_the_tokens_is_not_shown() {
    for code in ["invalid_client", "invalid_grant", "canary"] {
        let provider = IdentityProvider::start();
        let home = expired(&provider);
        let said = "your refresh-0-0 is bad, and so is access-0-0";
        let body = serde_json::json!({ "error": code, "error_description": said });
        provider.answer_always(TOKEN, Reply::json(400, &body));
        for arguments in
            [&["auth", "token"][..], &["auth", "token", "--json", "-v"], &["auth", "refresh", "-v"]]
        {
            let shown = home.run(arguments).to_string();
            assert!(!shown.contains("refresh-0-0") && !shown.contains("access-0-0"), "{shown}");
        }
        let status = home.run(["auth", "status", "--json"]).to_string();
        assert!(!status.contains("-0-0"), "{status}");
    }
}

#[test]
fn a_blank_flag_is_wrong_usage_and_not_somebody_elses_login() {
    let home = signed_in(&IdentityProvider::start());
    for key in ["", " ", "\t\n"] {
        home.run(["auth", "token", "--json", "--api-key", key]).fails_as(2, "usage");
    }
    home.run(["auth", "token", "--api-key", "-"]).fails(2, &["--api-key is empty", "@FILE"]);
}

#[test]
fn ec_14_a_refresh_while_a_key_is_set_changes_nothing() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider).with("KEYWARD_API_KEY", API_KEY);
    home.run(["auth", "refresh"]).fails(1, &["KEYWARD_API_KEY is set", "it is not refreshed"]);
    assert!(provider.requests(TOKEN).is_empty());
}

#[test]
fn a_credential_of_the_environment_needs_no_home() {
    let home = Home::new().with("KEYWARD_TOKEN", "a-token-from-elsewhere");
    let printed = home.command(["auth", "token"]).env_remove("HOME").output().unwrap();
    assert_eq!(printed.stdout, b"a-token-from-elsewhere\n");
}

#[test]
fn a_good_token_needs_neither_the_network_nor_its_settings() {
    let provider = IdentityProvider::start();
    let home = keyward_tests::signed_in::home();
    sign_in_for(&home, &provider, "work", "acme", 40);
    for more in [&["--air-gap"][..], &["--ca-file", "/nonexistent"]] {
        let printed = home.run([&["auth", "token"], more].concat());
        assert_eq!(printed.succeeds().text(), "access-0-0\n");
    }
    assert!(provider.requests(TOKEN).is_empty());
}

#[test]
fn ct_05_the_timeout_of_the_command_bounds_the_wait_for_a_turn() {
    let provider = IdentityProvider::start();
    let home = expired(&provider);
    let held = file(&home).lock(&session(&home, "work").unwrap().key().clone(), Duration::ZERO).unwrap();
    for arguments in [&["auth", "token"][..], &["auth", "refresh"], &["auth", "logout"]] {
        let started = std::time::Instant::now();
        let said = home.run([arguments, &["--timeout", "1s", "--json"]].concat());
        said.fails_as(8, "busy");
        assert!(started.elapsed() < Duration::from_secs(20), "{arguments:?}");
    }
    drop(held);
    home.run(["auth", "token"]).succeeds();
}
