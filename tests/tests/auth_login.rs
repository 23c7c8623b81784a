//! `auth login` where nobody sits at a terminal: what is refused before any request, the guard of a pipeline, and the
//! login in two steps that a program passes on to a person.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use keyward_tests::Home;
use keyward_tests::http_server::Reply;
use keyward_tests::identity_provider::{DEVICE, DISCOVERY, IdentityProvider, REVOKE, TOKEN};
use keyward_tests::logins::{begin, complete, sign_in};
use keyward_tests::mounts::Mounted;
use serde_json::json;

const API_KEY: &str = "kw_live_0000000000AA_00000000000000000000000000000000000000000004OtDhs";

/// Checks that a provider was asked nothing at all.
#[track_caller]
fn was_not_asked(provider: &IdentityProvider) {
    for path in [DISCOVERY, DEVICE, TOKEN, REVOKE] {
        assert_eq!(provider.requests(path).len(), 0, "{path}");
    }
}

/// Returns one field of what `auth status` says of the login.
fn status(home: &Home, field: &str) -> serde_json::Value {
    home.run(["auth", "status", "--json"]).json()["logins"][0][field].clone()
}

#[test]
fn ak_04_a_variable_that_wins_ends_the_login_at_once_and_says_so() {
    let provider = IdentityProvider::start();
    for (variable, value) in [("KEYWARD_TOKEN", "ready"), ("KEYWARD_API_KEY", API_KEY)] {
        let home = Home::new().with(variable, value);
        for way in [&[][..], &["--begin"], &["--complete", "00"], &["--with-api-key"], &["--with-token"]] {
            let words = [&["auth", "login", "--env", "id.example"][..], way].concat();
            let words = if way == ["--complete", "00"] {
                ["auth", "login"].iter().chain(way).copied().collect()
            } else {
                words
            };
            let said = home.run(&words);
            said.succeeds();
            assert!(said.stderr.starts_with(&format!("{variable} is set: ")), "{said}");
            assert!(!said.stderr.contains(value), "{said}");
        }
        assert!(!home.sessions().exists());
    }
    was_not_asked(&provider);
    let said = Home::new().with("KEYWARD_TOKEN", "ready").run(["auth", "login", "--json"]).succeeds().json();
    assert_eq!((&said["state"], &said["overridden_by"]), (&json!("overridden"), &json!("KEYWARD_TOKEN")));
}

#[test]
fn ae_08_an_api_key_of_the_environment_bypasses_the_login() {
    let said =
        Home::new().with("KEYWARD_API_KEY", API_KEY).run(["auth", "login", "--issuer", "https://id.example"]);
    assert!(said.succeeds().stderr.contains("it is used instead of every stored login"), "{said}");
}

#[test]
fn a_blank_variable_does_not_win() {
    let home = Home::new().with("KEYWARD_TOKEN", "  ");
    home.run(["auth", "login", "--issuer", "https://id.example"]).fails(3, &["error: not signed in"]);
}

#[test]
fn with_force_the_login_goes_on_and_warns_that_the_variable_still_wins() {
    let (home, provider) = (Home::new().with("KEYWARD_TOKEN", "ready"), IdentityProvider::start());
    let words = ["auth", "login", "--begin", "--force", "--issuer", provider.issuer()];
    let said = home.run(words);
    said.succeeds();
    assert!(said.stderr.contains("warning: KEYWARD_TOKEN is set: it is used instead of the login"), "{said}");
    assert_eq!(provider.requests(DEVICE).len(), 1);
}

#[test]
fn ae_09_without_a_session_a_pipeline_ends_at_once_and_asks_nobody() {
    let provider = IdentityProvider::start();
    for home in [Home::new(), Home::new().with("CI", "true")] {
        for words in [&[][..], &["--non-interactive"], &["--json"]] {
            let said = home.run([&["auth", "login", "--issuer", provider.issuer()][..], words].concat());
            said.fails(
                3,
                &["error: not signed in, and nobody is there", "hint: `keyward auth login --begin`"],
            );
        }
        assert!(!home.path().join(".local").exists(), "no file was made");
    }
    was_not_asked(&provider);
}

#[test]
fn ae_09_a_session_that_can_be_used_is_enough_for_a_pipeline() {
    let (home, provider) = (Home::new(), IdentityProvider::start());
    // It ends at once, and its refresh token is good.
    provider.set_access_lifetime(1);
    sign_in(&home, &provider, &["--tenant", "acme"]).succeeds();
    let asked = provider.requests(TOKEN).len();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let said = home.run(["auth", "login", "--json"]).succeeds().json();
    assert_eq!((&said["state"], &said["tenant"]), (&json!("already_signed_in"), &json!("acme")));
    assert_eq!(provider.requests(TOKEN).len(), asked, "nothing was refreshed for it");
    home.run(["auth", "login", "--tenant", "other"]).fails(3, &["not signed in"]);
}

#[test]
fn ae_09_a_session_that_the_server_refreshes_no_more_says_when_it_ends() {
    let (home, provider) = (Home::new(), IdentityProvider::start());
    sign_in(&home, &provider, &[]).succeeds();
    provider.answer_always(TOKEN, Reply::error(400, "invalid_grant"));
    home.run(["auth", "refresh"]).fails(3, &["the session has ended"]);
    let said = home.run(["auth", "login"]);
    assert!(said.succeeds().stderr.contains("Z, as nothing refreshes it; sign in again then"), "{said}");
    assert_eq!(home.run(["auth", "login", "--json"]).succeeds().json()["refreshes"], false);
}

#[test]
fn ae_09_a_session_that_has_ended_is_not_enough() {
    let (home, provider) = (Home::new(), IdentityProvider::start());
    provider.answer_once(
        TOKEN,
        Reply::json(200, &json!({ "access_token": "a", "token_type": "Bearer", "expires_in": 1 })),
    );
    let (id, _) = begin(&home, provider.issuer(), &[]);
    complete(&home, &id).succeeds();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    home.run(["auth", "login"]).fails(3, &["not signed in"]);
}

#[test]
fn ec_04_a_login_in_two_steps_is_stored_and_not_asked_for_again() {
    let (home, provider) = (Home::new(), IdentityProvider::start());
    let (id, code) = begin(&home, provider.issuer(), &["--tenant", "acme", "--scope", "read"]);
    home.run(["auth", "token"]).fails(3, &["not signed in"]);
    provider.approve(&code);
    let said = complete(&home, &id).succeeds().json();
    for (field, value) in [
        ("state", json!("signed_in")),
        ("tenant", json!("acme")),
        ("user_id", json!("ana")),
        ("email", json!("ana@example.com")),
        ("method", json!("device login")),
        ("refreshes", json!(true)),
        ("environment", json!(provider.issuer())),
        ("profile", json!(provider.issuer().strip_prefix("http://").unwrap())),
    ] {
        assert_eq!(said[field], value, "{field}");
    }
    home.run(["auth", "token"]).succeeds();
    complete(&home, &id).fails_as(4, "no_such_login");
}

#[test]
fn what_a_begun_login_prints_is_all_that_a_program_has_to_pass_on() {
    let (home, provider) = (Home::new().with("CI", "1"), IdentityProvider::start());
    let said = home.run(["auth", "login", "--begin", "--json", "--issuer", provider.issuer()]);
    let said = said.succeeds().json();
    let id = said["id"].as_str().unwrap();
    assert_eq!(said["complete"], format!("keyward auth login --complete {id}"));
    assert_eq!(said["user_code"], "CODE-0000");
    assert_eq!(said["verification_uri"], provider.at("/activate"));
    assert_eq!(said["verification_uri_complete"], provider.at("/activate?user_code=CODE-0000"));
    assert_eq!(said["interval"], 1);
    assert!(said["expires_at"].as_str().unwrap().ends_with('Z'));
    let text = home.run(["auth", "login", "--begin", "--issuer", provider.issuer()]).succeeds().text();
    for line in [
        "Open:         http://127.0.0.1:",
        "Code:         CODE-0001\n",
        "Then run:     keyward auth login --complete ",
    ] {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn an_id_that_nobody_began_is_no_login() {
    let (home, provider) = (Home::new(), IdentityProvider::start());
    complete(&home, "00").fails_as(4, "no_such_login");
    begin(&home, provider.issuer(), &[]);
    for id in ["00", "../auth", ""] {
        complete(&home, id).fails_as(4, "no_such_login");
    }
}

#[test]
fn a_code_that_nobody_approves_in_time_is_still_good_after_that() {
    let (home, provider) = (Home::new(), IdentityProvider::start());
    let (id, code) = begin(&home, provider.issuer(), &[]);
    let words = ["auth", "login", "--complete", &id, "--timeout", "2s"];
    let said = home.run(words);
    said.fails(
        3,
        &["nobody approved the code CODE-0000 within 2 s", &format!("`keyward auth login --complete {id}`")],
    );
    provider.approve(&code);
    complete(&home, &id).succeeds();
}

#[test]
fn a_login_that_was_denied_is_over() {
    let (home, provider) = (Home::new(), IdentityProvider::start());
    let (id, code) = begin(&home, provider.issuer(), &[]);
    provider.deny(&code);
    let said = complete(&home, &id);
    said.fails_as(3, "not_signed_in");
    said.fails(3, &[&format!("the login was denied at {}", provider.authority())]);
    complete(&home, &id).fails_as(4, "no_such_login");
    home.run(["auth", "status"]).fails(3, &[]);
}

#[test]
fn the_store_is_tried_before_the_provider_is_asked_for_a_code() {
    let (home, provider) = (Home::new(), IdentityProvider::start());
    sign_in(&home, &provider, &[]).succeeds();
    let asked = provider.requests(DEVICE).len();
    let disk = Mounted::read_only(home.sessions().parent().unwrap());
    let said = home.run(["auth", "login", "--begin", "--issuer", provider.issuer()]);
    said.fails(1, &["caused by: Read-only file system"]);
    drop(disk);
    assert_eq!(provider.requests(DEVICE).len(), asked, "no code was asked for");
    home.run(["auth", "token"]).succeeds();
}

#[test]
fn the_store_is_tried_before_the_tokens_of_a_begun_login_are_asked_for() {
    let (home, provider) = (Home::new(), IdentityProvider::start());
    let (id, code) = begin(&home, provider.issuer(), &[]);
    provider.approve(&code);
    let disk = Mounted::read_only(home.sessions().parent().unwrap());
    complete(&home, &id).fails(1, &["caused by: Read-only file system"]);
    drop(disk);
    assert_eq!(provider.requests(TOKEN).len(), 0, "the code is still good");
    complete(&home, &id).succeeds();
}

#[test]
fn in_the_air_gap_no_login_is_started_and_nothing_is_made() {
    let provider = IdentityProvider::start();
    let home = Home::new();
    for way in [
        &["--issuer", provider.issuer()][..],
        &["--begin", "--issuer", provider.issuer()],
        &["--complete", "00"],
    ] {
        let said = home.run([&["auth", "login", "--air-gap"][..], way].concat());
        said.fails(10, &["error: to sign in needs the network, which --air-gap forbids"]);
    }
    assert!(!home.path().join(".local").exists());
    was_not_asked(&provider);
}

#[test]
fn a_second_login_of_the_same_person_does_not_end_the_grant_that_it_may_share() {
    let (home, provider) = (Home::new(), IdentityProvider::start());
    sign_in(&home, &provider, &[]).succeeds();
    sign_in(&home, &provider, &[]).succeeds();
    assert_eq!(provider.requests(REVOKE).len(), 0);
    home.run(["auth", "refresh"]).succeeds();
}

#[test]
fn a_login_by_force_gives_the_tokens_of_the_person_before_back() {
    let (home, provider) = (Home::new(), IdentityProvider::start());
    sign_in(&home, &provider, &[]).succeeds();
    provider.set_subject("bob");
    let (id, code) = begin(&home, provider.issuer(), &[]);
    provider.approve(&code);
    home.run(["auth", "login", "--complete", &id, "--force"]).succeeds();
    let revoked = provider.requests(REVOKE);
    assert_eq!((revoked.len(), revoked[0].field("token_type_hint").as_deref()), (1, Some("refresh_token")));
    assert_eq!(revoked[0].field("token").as_deref(), Some("refresh-0-0"));
    home.run(["auth", "refresh"]).succeeds();
}

#[test]
fn tokens_that_can_not_be_given_back_now_are_by_a_later_command() {
    for later in [&["auth", "refresh"][..], &["auth", "token", "--force-refresh"], &["auth", "logout"]] {
        let (home, provider) = (Home::new(), IdentityProvider::start());
        sign_in(&home, &provider, &["--tenant", "other"]).succeeds();
        sign_in(&home, &provider, &["--tenant", "acme"]).succeeds();
        provider.answer_once(REVOKE, Reply::empty(503));
        home.run(["auth", "logout", "--tenant", "other"]).fails(0, &["a later command tries again"]);
        home.run(later).succeeds();
        let tokens = provider.requests(REVOKE);
        let of_other =
            tokens.iter().filter(|request| request.field("token").as_deref() == Some("refresh-0-0"));
        assert_eq!(of_other.count(), 2, "{later:?}");
    }
}

#[test]
fn a_provider_that_gives_the_same_tokens_again_is_not_asked_to_revoke_them() {
    let (home, provider) = (Home::new(), IdentityProvider::start());
    let tokens = json!({ "access_token": "same", "refresh_token": "same-too", "token_type": "Bearer" });
    for _ in 0..2 {
        provider.answer_once(TOKEN, Reply::json(200, &tokens));
        let (id, _) = begin(&home, provider.issuer(), &[]);
        complete(&home, &id).succeeds();
    }
    assert_eq!(provider.requests(REVOKE).len(), 0);
}

#[test]
fn somebody_else_is_refused_and_their_tokens_are_given_back_unless_it_is_forced() {
    let (home, provider) = (Home::new(), IdentityProvider::start());
    sign_in(&home, &provider, &[]).succeeds();
    let before = home.run(["auth", "token"]).succeeds().text();
    provider.set_subject("bob");
    let said = sign_in(&home, &provider, &[]);
    said.fails_as(10, "refused");
    said.fails(
        10,
        &[
            "error: ana@example.com is signed in, and the new login is of bob@example.com",
            "caused by: nothing was stored, and the new tokens were revoked",
            "`keyward auth login --force`",
        ],
    );
    assert_eq!(provider.requests(REVOKE).len(), 1);
    assert_eq!(home.run(["auth", "token"]).succeeds().text(), before);
    let (id, code) = begin(&home, provider.issuer(), &[]);
    provider.approve(&code);
    let said = home.run(["auth", "login", "--complete", &id, "--force", "--json"]);
    assert_eq!(said.succeeds().json()["user_id"], "bob");
    assert_eq!(status(&home, "account"), "bob@example.com");
}

#[test]
fn a_login_without_a_refresh_token_says_when_it_ends() {
    let (home, provider) = (Home::new(), IdentityProvider::start());
    let tokens = json!({ "access_token": "a", "token_type": "Bearer", "expires_in": 900 });
    provider.answer_once(TOKEN, Reply::json(200, &tokens));
    let (id, _) = begin(&home, provider.issuer(), &[]);
    let said = home.run(["auth", "login", "--complete", &id]);
    assert!(said.succeeds().stderr.contains("Z, as nothing refreshes it; sign in again then"), "{said}");
    assert!(said.stderr.contains("signed in to tenant 'default'; the provider does not say who"), "{said}");
}
