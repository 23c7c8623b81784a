//! `auth status --verify`: whether a server takes the credential, refuses it, or can't say.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use keyward_tests::Finished;
use keyward_tests::http_server::Reply;
use keyward_tests::identity_provider::{IdentityProvider, TOKEN, WHOAMI};
use keyward_tests::signed_in::{
    API_KEY, add_profile, home, of_provider, sign_in, sign_in_for, signed_in, store_api_key,
};
use serde_json::{Value, json};

/// Returns the code and what is said of the one login.
fn verified(said: &Finished) -> (i32, Value) {
    (said.code, said.json()["logins"][0]["verified"]["state"].clone())
}

#[test]
fn ae_05_status_alone_asks_nobody_and_verify_does() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    let said = home.run(["auth", "status", "--json"]).succeeds().json();
    assert!(said["logins"][0]["verified"].is_null() && provider.requests(WHOAMI).is_empty(), "{said}");
    assert_eq!(verified(&home.run(["auth", "status", "--verify", "--json"])), (0, json!("valid")));
    let text = home.run(["auth", "status", "--verify"]).succeeds().text();
    assert!(text.contains(&format!("Verified:     valid (says {})\n", provider.issuer())), "{text}");
}

#[test]
fn status_says_unverified_and_never_invalid_when_offline_or_rate_limited() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    for reply in [
        Reply::empty(429).with("Retry-After", "60"),
        Reply::empty(500),
        Reply::text(401, "text/html", "<h1>the proxy wants a password</h1>"),
        Reply::text(403, "text/html", "<h1>blocked</h1>"),
        Reply::reset(),
    ] {
        provider.answer_once(WHOAMI, reply);
        assert_eq!(verified(&home.run(["auth", "status", "--verify", "--json"])), (0, json!("unverified")));
    }
    let told = format!("Verified:     unverified (cannot reach {}: ", provider.authority());
    drop(provider);
    let said = home.run(["auth", "status", "--verify"]);
    assert!(said.succeeds().text().contains(&told), "{said}");
}

#[test]
fn what_a_server_refuses_is_invalid_and_exits_3() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    provider.answer_always(WHOAMI, Reply::error(401, "invalid_token"));
    assert_eq!(verified(&home.run(["auth", "status", "--verify", "--json"])), (3, json!("invalid")));
    provider.answer_always(TOKEN, Reply::error(400, "invalid_grant"));
    assert_eq!(verified(&home.run(["auth", "status", "--verify", "--json"])), (3, json!("invalid")));
}

#[test]
fn a_login_that_is_invalid_does_not_make_the_others_fail() {
    let (good, bad) = (IdentityProvider::start(), IdentityProvider::start());
    bad.answer_always(WHOAMI, Reply::error(401, "invalid_token"));
    let home = home();
    sign_in(&home, &bad, "bad", "acme");
    sign_in(&home, &good, "good", "acme");
    let all = home.run(["auth", "status", "--all", "--verify", "--json"]).succeeds().json();
    let states: Vec<&Value> =
        all["logins"].as_array().unwrap().iter().map(|login| &login["verified"]["state"]).collect();
    assert_eq!(states, ["invalid", "valid"]);
    assert_eq!(home.run(["auth", "status", "--profile", "bad", "--verify"]).code, 3);
}

#[test]
fn a_session_that_was_refreshed_to_be_verified_is_shown_with_its_new_end() {
    let provider = IdentityProvider::start();
    provider.set_access_lifetime(7_200);
    let home = home();
    sign_in_for(&home, &provider, "work", "acme", -1);
    let ends = |flags: &[&str]| {
        let words = ["auth", "status", "--json"].iter().chain(flags);
        home.run(words).succeeds().json()["logins"][0]["expires_at"].clone()
    };
    assert_ne!(ends(&[]), ends(&["--verify"]));
    assert_eq!(provider.requests(TOKEN).len(), 1);
}

#[test]
fn a_stored_key_is_verified_at_its_backend_and_unverified_without_one() {
    let provider = IdentityProvider::start();
    let home = home();
    add_profile(&home, "ci", &of_provider(&provider, "acme"));
    store_api_key(&home, "ci", false);
    assert_eq!(verified(&home.run(["auth", "status", "--verify", "--json"])), (0, json!("valid")));
    add_profile(&home, "bare", &[("tenant", "acme")]);
    store_api_key(&home, "bare", false);
    let bare = home.run(["auth", "status", "--verify", "--profile", "bare", "--json"]);
    assert_eq!(verified(&bare), (0, json!("unverified")));
}

#[test]
fn a_credential_of_the_environment_is_the_one_that_is_verified() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider).with("KEYWARD_API_KEY", API_KEY);
    let said = home.run(["auth", "status", "--verify", "--json"]).succeeds().json();
    assert_eq!(said["verified"]["state"], "valid");
    assert_eq!(
        provider.requests(WHOAMI)[0].header("authorization"),
        Some(format!("Bearer {API_KEY}").as_str())
    );
    provider.answer_always(WHOAMI, Reply::error(401, "invalid_api_key"));
    let said = home.run(["auth", "status", "--verify"]);
    assert_eq!((said.code, said.text().contains("Verified:     invalid (")), (3, true), "{said}");
}

#[test]
fn verify_is_refused_in_the_air_gap_and_status_is_not() {
    let provider = IdentityProvider::start();
    let home = signed_in(&provider);
    home.run(["auth", "status", "--verify", "--air-gap", "--json"]).fails_as(10, "refused");
    home.run(["auth", "status", "--air-gap"]).succeeds();
}
