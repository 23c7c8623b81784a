//! Device logins from the first request to the tokens.

use std::time::Duration;

use keyward_tests::http_server::Reply;
use keyward_tests::identity_provider::{DEVICE, IdentityProvider, TOKEN};
use serde_json::{Value, json};
use vault_auth::clock::SystemClock;
use vault_auth::device::{DeviceError, Opening, PendingLogin, PollError, PollWatch, poll};
use vault_auth::grant::GrantError;
use vault_auth::id_token::{Expected, Identity};
use vault_auth::jwks::KeySet;
use vault_auth::metadata::{ManualEndpoints, Metadata};
use vault_auth::token::TokenSet;
use vault_auth::token_endpoint::OauthClient;

use crate::{address, client, endpoint, secret, who};

#[derive(Debug)]
struct Nobody;

impl PollWatch for Nobody {}

fn start(provider: &IdentityProvider) -> Result<PendingLogin, DeviceError> {
    PendingLogin::request(&client(), &address(&provider.at(DEVICE)), &who())
}

/// Starts a login at a server that answers so.
fn start_with(members: &Value) -> Result<PendingLogin, DeviceError> {
    let provider = IdentityProvider::start();
    let mut answer = json!({
        "device_code": "canary-device", "user_code": "WDJB-MJHT",
        "verification_uri": "https://id.example/device", "expires_in": 600, "interval": 5,
    });
    for (name, value) in members.as_object().unwrap() {
        answer[name] = value.clone();
    }
    provider.answer_once(DEVICE, Reply::json(200, &answer));
    start(&provider)
}

fn finish(provider: &IdentityProvider, login: &PendingLogin) -> Result<TokenSet, PollError> {
    poll(login, &endpoint(provider), &SystemClock::new(), Some(Duration::from_secs(20)), &Nobody)
}

#[test]
fn ec_02_a_login_shows_a_code_and_an_address() {
    let provider = IdentityProvider::start();
    let login = start(&provider).unwrap();
    assert_eq!(login.user_code.as_str(), "CODE-0000");
    assert_eq!(login.verification.as_str(), provider.at("/activate"));
    assert_eq!(login.opening(&address(provider.issuer()), &[]), Opening::Allowed);
    let request = &provider.requests(DEVICE)[0];
    assert_eq!(request.field("client_id").as_deref(), Some("keyward"));
    assert_eq!(request.field("scope").as_deref(), Some("openid offline_access"));
    assert!(!format!("{login:?}").contains("device-CODE"), "{login:?}");
}

#[test]
fn ak_03_scope_client_and_audience_go_out_as_they_were_given() {
    let provider = IdentityProvider::start();
    let who = OauthClient {
        client_id: "other".into(),
        client_secret: Some(secret("s")),
        scopes: vec!["cli".into()],
        audience: Some("https://api.example".into()),
    };
    PendingLogin::request(&client(), &address(&provider.at(DEVICE)), &who).unwrap();
    let request = &provider.requests(DEVICE)[0];
    for (name, value) in [
        ("client_id", "other"),
        ("client_secret", "s"),
        ("scope", "cli"),
        ("audience", "https://api.example"),
    ] {
        assert_eq!(request.field(name).as_deref(), Some(value));
    }
}

#[test]
fn ae_02_the_address_may_carry_the_code_and_polling_ends_with_an_identity() {
    let provider = IdentityProvider::start();
    let login = start(&provider).unwrap();
    let complete = login.verification_complete.as_ref().unwrap().as_str();
    assert!(complete.ends_with("?user_code=CODE-0000"), "{complete}");
    provider.approve("CODE-0000");
    let tokens = finish(&provider, &login).unwrap();
    let keys = KeySet::fetch(&client(), &address(&provider.at("/jwks"))).unwrap();
    let expected = Expected { issuer: provider.issuer(), client_id: "keyward", roles_claim: None };
    let identity =
        Identity::verify(tokens.id_token.as_ref().unwrap(), &keys, expected, tokens.received_at).unwrap();
    assert_eq!(identity.email.unwrap().as_str(), "ana@example.com");
}

#[test]
fn a_login_goes_on_through_everything_that_may_pass() {
    let provider = IdentityProvider::start();
    let login = start(&provider).unwrap();
    for reply in [Reply::error(428, "authorization_pending"), Reply::text(502, "text/html", "<h1>no</h1>")] {
        provider.answer_once(TOKEN, reply);
    }
    provider.approve("CODE-0000");
    assert!(finish(&provider, &login).is_ok());
    assert_eq!(provider.requests(TOKEN).len(), 3);
}

#[test]
fn denied_and_expired_logins_end_with_their_reason() {
    let provider = IdentityProvider::start();
    let login = start(&provider).unwrap();
    provider.deny("CODE-0000");
    let denied = finish(&provider, &login).unwrap_err().to_string();
    assert_eq!(denied, format!("the login was denied at {}", provider.authority()));
    provider.answer_once(TOKEN, Reply::error(200, "expired_token"));
    let ended = finish(&provider, &login).unwrap_err();
    assert_eq!(ended.to_string(), "the code CODE-0000 ended before the login was approved");
}

/// As GitHub does it: no discovery, 200 with errors, commas between scopes, a token without an end and without a
/// successor.
#[test]
fn a_server_like_github_works_with_endpoints_given_by_hand() {
    let provider = IdentityProvider::start();
    let at = |path: &str| address(&provider.at(path));
    let endpoints = ManualEndpoints { token: at(TOKEN), device_authorization: at(DEVICE), revocation: None };
    let metadata = Metadata::by_hand(endpoints, 0);
    assert!(!metadata.offers_scope("openid") && !metadata.offers_scope("offline_access"));
    let login = PendingLogin::request(&client(), metadata.device_login().unwrap(), &who()).unwrap();
    provider.answer_once(TOKEN, Reply::error(200, "authorization_pending"));
    let granted = json!({ "access_token": "gho_canary", "token_type": "bearer", "scope": "repo,gist" });
    provider.answer_once(TOKEN, Reply::json(200, &granted));
    let tokens = finish(&provider, &login).unwrap();
    assert_eq!(tokens.scopes, ["repo", "gist"]);
    assert!(tokens.expires_at.is_none() && tokens.refresh_token.is_none() && tokens.id_token.is_none());
    assert!(
        provider.requests(TOKEN).iter().all(|request| request.header("accept") == Some("application/json"))
    );
}

/// An agent relays the address, and another process waits for the approval.
#[test]
fn an_agent_can_begin_and_another_process_complete() {
    let provider = IdentityProvider::start();
    let kept = start(&provider).unwrap().to_bytes();
    provider.approve("CODE-0000");
    let again = PendingLogin::from_bytes(&kept).unwrap();
    assert!(finish(&provider, &again).is_ok());
    let mut damaged = kept.expose_secret().to_vec();
    damaged.truncate(damaged.len() / 2);
    let refused = PendingLogin::from_bytes(&vault_core::secret::SecretBytes::new(damaged)).unwrap_err();
    assert!(matches!(refused, DeviceError::Stored));
}

#[test]
fn intervals_as_servers_say_them() {
    let interval = |value: Value| start_with(&json!({ "interval": value })).unwrap().interval;
    assert_eq!(interval(Value::Null), 5);
    assert_eq!(interval(json!(0)), 1);
    assert_eq!(interval(json!("7")), 7);
    assert_eq!(interval(json!(1e300)), 315_360_000);
    let life = |value: Value| {
        start_with(&json!({ "expires_in": value })).map(|login| login.expires_at - login.issued_at).unwrap()
    };
    assert_eq!(life(json!(90)), 90, "a short life is not made longer");
    assert_eq!(life(Value::Null), 300);
}

#[test]
fn the_name_of_a_draft_for_the_address_is_understood() {
    let login =
        start_with(&json!({ "verification_uri": null, "verification_url": "https://www.google.com/device" }));
    assert_eq!(login.unwrap().verification.as_str(), "https://www.google.com/device");
}

#[test]
fn an_address_of_another_host_is_shown_and_opened_only_where_it_is_listed() {
    let login = start_with(&json!({ "verification_uri": "https://microsoft.com/devicelogin" })).unwrap();
    let issuer = address("https://login.microsoftonline.com/t/v2.0");
    assert_eq!(login.opening(&issuer, &[]), Opening::ShownOnly);
    assert_eq!(login.opening(&issuer, &["Microsoft.com".into()]), Opening::Allowed);
    assert_eq!(login.opening(&issuer, &["soft.com".into()]), Opening::ShownOnly);
    let split =
        start_with(&json!({ "verification_uri_complete": "https://evil.example/?c=WDJB-MJHT" })).unwrap();
    assert_eq!(split.opening(&address("https://id.example"), &[]), Opening::ShownOnly);
}

#[test]
fn an_address_that_is_not_safe_to_open_ends_the_login() {
    let long = format!("https://id.example/{}", "x".repeat(3_000));
    for text in [
        "http://id.example/device",
        "https://id.example@evil.example/",
        "javascript:alert(1)",
        "https://id.example/\u{1b}[2J",
        &long,
        "",
    ] {
        for member in ["verification_uri", "verification_uri_complete"] {
            let refused = start_with(&json!({ member: text })).unwrap_err();
            assert!(matches!(refused, DeviceError::Address { .. }), "{text}: {refused}");
            assert!(!refused.to_string().contains("evil"));
        }
    }
}

#[test]
fn control_characters_in_a_code_are_shown_as_escapes() {
    let login = start_with(&json!({ "user_code": "AB\u{1b}[2J\u{202e}CD\n" })).unwrap();
    assert!(!login.user_code.as_str().contains(['\u{1b}', '\u{202e}', '\n']), "{}", login.user_code);
}

#[test]
fn an_answer_without_what_is_needed_is_named_by_what_is_missing() {
    let long = "x".repeat(65);
    for (members, missing) in [
        (json!({ "device_code": null }), "a device code"),
        (json!({ "device_code": "" }), "a device code"),
        (json!({ "user_code": null }), "a code to show"),
        (json!({ "user_code": " " }), "a code to show"),
        (json!({ "user_code": long }), "a code to show"),
        (json!({ "verification_uri": null }), "an address to open"),
    ] {
        let refused = start_with(&members).unwrap_err().to_string();
        let (server, told) = refused.split_once(' ').unwrap();
        assert_eq!(told, format!("started a login without {missing}"));
        assert!(server.starts_with("127.0.0.1:"), "{refused}");
    }
}

#[test]
fn a_server_that_starts_no_login_is_told_by_its_reason() {
    let provider = IdentityProvider::start();
    let answer = |reply: Reply| {
        provider.answer_once(DEVICE, reply);
        start(&provider).unwrap_err()
    };
    let refused = answer(Reply::error(401, "invalid_client"));
    assert!(matches!(refused, DeviceError::Server(GrantError::Refused { .. })), "{refused}");
    let refused = answer(Reply::error(200, "device_flow_disabled"));
    assert!(matches!(refused, DeviceError::Server(GrantError::Refused { .. })), "{refused}");
    let down = answer(Reply::text(503, "text/html", "").with("Retry-After", "5"));
    assert!(matches!(down, DeviceError::Server(GrantError::Unavailable { .. })), "{down}");
    let none = answer(Reply::text(404, "text/html", "canary"));
    assert!(matches!(none, DeviceError::Server(GrantError::NoAnswer { .. })), "{none}");
}
