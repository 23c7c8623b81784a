//! `auth whoami`: who a server takes the credential for, and what becomes of a credential that it does not take.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use keyward_tests::Home;
use keyward_tests::http_server::Reply;
use keyward_tests::identity_provider::{DISCOVERY, IdentityProvider, TOKEN, USERINFO, WHOAMI};
use keyward_tests::signed_in::{
    API_KEY, Tokens, add_profile, home, of_provider, sign_in, sign_in_for, signed_in, store_api_key,
    store_session, switch,
};
use serde_json::json;

#[test]
fn ak_05_whoami_says_user_and_tenant_in_text_and_json() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    let said = home.run(["auth", "whoami"]);
    assert_eq!(said.succeeds().text().lines().next(), Some("Logged in as 7 on tenant acme"));
    let json = home.run(["auth", "whoami", "--json"]).succeeds().json();
    assert_eq!((&json["user_id"], &json["tenant"]), (&json!("7"), &json!("acme")));
    assert_eq!(provider.requests(WHOAMI).len(), 2, "it asks every time");
}

#[test]
fn se_06_whoami_shows_what_the_backend_and_this_machine_know() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    let said = json!({ "user_id": "u-1", "email": "ana@example.com", "tenant": "acme", "organization": "org-1",
        "workspace": "ws-1", "roles": ["viewer", "operator"] });
    provider.answer_always(WHOAMI, Reply::json(200, &said));
    let text = home.run(["auth", "whoami"]).succeeds().text();
    for row in
        ["Email:        ana@example.com", "Organization: org-1", "Workspace:    ws-1", "Device:  ", "OS:  "]
    {
        assert!(text.contains(row), "{row}: {text}");
    }
    assert!(text.contains("Roles:        viewer, operator\n"), "{text}");
    let json = home.run(["auth", "whoami", "--json"]).succeeds().json();
    assert!(json["device"]["name"].is_string() && json["device"]["os"].is_string(), "{json}");
}

#[test]
fn se_10_whoami_is_the_same_at_the_top_level() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    let (top, below) = (home.run(["whoami", "--json"]), home.run(["auth", "whoami", "--json"]));
    assert_eq!(top.succeeds().json(), below.succeeds().json());
}

#[test]
fn se_02_and_ec_10_a_backend_is_named_for_one_call_or_for_a_shell() {
    let (provider, other) = (IdentityProvider::start(), IdentityProvider::start());
    other.set_subject("bob");
    let home = Home::new().with("KEYWARD_API_KEY", API_KEY);
    home.run(["whoami", "--json"]).fails_as(1, "configuration");
    for flag in ["--base-url", "--backend", "--backend-url"] {
        let said = home.run(["whoami", "--json", flag, provider.issuer()]).succeeds().json();
        assert_eq!(said["email"], "ana@example.com", "{flag}");
    }
    let home = home.with("KEYWARD_BASE_URL", other.issuer());
    assert_eq!(home.run(["whoami", "--json"]).succeeds().json()["email"], "bob@example.com");
    let said = home.run(["whoami", "--json", "--base-url", provider.issuer()]).succeeds().json();
    assert_eq!(said["email"], "ana@example.com");
}

#[test]
fn ae_08_a_key_of_the_environment_goes_before_every_profile_whose_tokens_stay_as_they_are() {
    let provider = IdentityProvider::start();
    let home = home();
    sign_in_for(&home, &provider, "work", "acme", -1);
    let before = std::fs::read(keyward_tests::signed_in::path(&home)).unwrap();
    let home = home.with("KEYWARD_API_KEY", API_KEY);
    let said = home.run(["whoami", "--json"]).succeeds().json();
    assert_eq!(
        (&said["credential"], &said["server"]),
        (&json!("KEYWARD_API_KEY"), &json!(provider.issuer()))
    );
    let sent = provider.requests(WHOAMI);
    assert_eq!(sent[0].header("authorization"), Some(format!("Bearer {API_KEY}").as_str()));
    assert!(provider.requests(TOKEN).is_empty(), "nothing was refreshed");
    assert!(std::fs::read(keyward_tests::signed_in::path(&home)).unwrap() == before);
}

#[test]
fn ec_16_the_same_tenant_at_two_backends_is_two_logins() {
    let (dev, prod) = (IdentityProvider::start(), IdentityProvider::start());
    prod.set_subject("bob");
    let home = home();
    sign_in(&home, &dev, "dev", "acme");
    sign_in(&home, &prod, "prod", "acme");
    let email = |profile: &str| {
        home.run(["whoami", "--json", "--profile", profile]).succeeds().json()["email"].clone()
    };
    assert_eq!((email("dev"), email("prod")), (json!("ana@example.com"), json!("bob@example.com")));
    assert_eq!((dev.requests(WHOAMI).len(), prod.requests(WHOAMI).len()), (1, 1));
    let elsewhere = home.run(["whoami", "--json", "--profile", "dev", "--base-url", prod.issuer()]);
    elsewhere.fails_as(3, "not_signed_in");
    assert_eq!(prod.requests(WHOAMI).len(), 1, "a token for one backend is not shown to another one");
}

#[test]
fn a_session_that_is_refused_is_refreshed_once_and_shown_once_more() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    provider.answer_once(WHOAMI, Reply::error(401, "invalid_token"));
    home.run(["whoami"]).succeeds();
    assert_eq!((provider.requests(WHOAMI).len(), provider.requests(TOKEN).len()), (2, 1));
    provider.answer_always(WHOAMI, Reply::error(401, "invalid_token"));
    home.run(["whoami", "--json"]).fails_as(3, "rejected");
    assert_eq!((provider.requests(WHOAMI).len(), provider.requests(TOKEN).len()), (4, 2));
}

#[test]
fn a_refused_session_that_nobody_can_refresh_ends_with_how_to_sign_in() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    provider.answer_always(WHOAMI, Reply::error(401, "invalid_token"));
    provider.answer_always(TOKEN, Reply::error(400, "invalid_grant"));
    home.run(["whoami"]).fails(3, &["the session has ended", "`keyward auth login`"]);
    assert_eq!(provider.requests(TOKEN).len(), 1);
}

#[test]
fn a_refused_key_names_where_it_came_from_and_not_what_it_is() {
    let provider = IdentityProvider::start();
    provider.answer_always(WHOAMI, Reply::error(401, "invalid_api_key"));
    let home = home();
    add_profile(&home, "ci", &of_provider(&provider, "acme"));
    store_api_key(&home, "ci", true);
    let refused = home.run(["whoami"]);
    let told = format!("error: {} does not accept the stored login", provider.authority());
    refused.fails(3, &[&told, "hint: `keyward auth login`"]);
    let home = home.with("KEYWARD_API_KEY", API_KEY);
    let refused = home.run(["whoami", "-v"]);
    refused.fails(3, &["does not accept the credential of KEYWARD_API_KEY"]);
    assert!(!refused.stderr.contains("A1b2C3"), "{refused}");
    assert!(provider.requests(TOKEN).is_empty());
}

#[test]
fn a_server_that_can_not_say_is_never_a_login_that_is_none() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    for reply in [
        Reply::empty(429).with("Retry-After", "60"),
        Reply::empty(503),
        Reply::text(200, "text/html", "<h1>sign in to the hotel's network</h1>"),
        Reply::text(401, "text/html", "<h1>the proxy wants a password</h1>"),
        Reply::reset(),
        Reply::garbage(),
    ] {
        provider.answer_once(WHOAMI, reply);
        home.run(["whoami", "--json"]).fails_as(9, "network");
    }
    drop(provider);
    home.run(["whoami", "--json"]).fails_as(9, "network");
}

#[test]
fn a_session_without_a_backend_is_shown_to_its_provider() {
    let provider = IdentityProvider::start();
    let home = home();
    add_profile(&home, "alone", &[("issuer", provider.issuer()), ("tenant", "acme")]);
    let pair = provider.grant();
    let tokens = Tokens { access: &pair.access, refresh: Some(&pair.refresh), life: 900, device: None };
    store_session(&home, "alone", &tokens);
    switch(&home, "alone");
    let said = home.run(["whoami", "--json"]).succeeds().json();
    assert_eq!((&said["user_id"], &said["tenant"]), (&json!("ana"), &json!("acme")));
    assert_eq!((provider.requests(USERINFO).len(), provider.requests(WHOAMI).len()), (1, 0));
    provider.set_subject("mallory");
    home.run(["whoami"]).fails(1, &["an answer about somebody else"]);
    let without = json!({ "issuer": provider.issuer(), "token_endpoint": provider.at(TOKEN) });
    provider.answer_always(DISCOVERY, Reply::json(200, &without));
    home.run(["whoami"]).fails(1, &["no backend to ask is known", "has no userinfo endpoint", "--base-url"]);
}

#[test]
fn an_api_key_without_a_backend_can_not_be_asked_about() {
    let home = Home::new().with("KEYWARD_API_KEY", API_KEY);
    home.run(["whoami"]).fails(1, &["no backend to ask is known", "hint: `--base-url URL`"]);
}

#[test]
fn nobody_is_asked_where_nobody_is_signed_in() {
    let provider = IdentityProvider::start();
    let home = Home::new().with("KEYWARD_BASE_URL", provider.issuer());
    home.run(["whoami"]).fails(3, &["error: not signed in", "hint: `keyward auth login`"]);
    assert!(provider.requests(WHOAMI).is_empty());
    assert!(!home.path().join(".local").exists(), "nothing is made");
}

#[test]
fn whoami_is_refused_in_the_air_gap() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    home.run(["whoami", "--air-gap", "--json"]).fails_as(10, "refused");
    assert!(provider.requests(WHOAMI).is_empty());
}

#[test]
fn what_a_backend_says_does_not_steer_the_terminal() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    let said = json!({ "user_id": "7\u{1b}[2J", "tenant": "acme\n::error::", "email": "a\u{202e}b" });
    provider.answer_always(WHOAMI, Reply::json(200, &said));
    let text = home.run(["whoami"]).succeeds().text();
    assert!(!text.contains(['\u{1b}', '\u{202e}']) && !text.contains("\n::error"), "{text:?}");
}
