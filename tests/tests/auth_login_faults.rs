//! `auth login` at providers that are wrong, broken or hostile: each says what it is, stores nothing, and nothing that
//! a server sends steers a terminal or is followed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::time::{SystemTime, UNIX_EPOCH};

use keyward_tests::http_server::Reply;
use keyward_tests::identity_provider::{DEVICE, DISCOVERY, IdentityProvider, JWKS, REVOKE, TOKEN};
use keyward_tests::logins::{begin, complete};
use keyward_tests::{Finished, Home};
use serde_json::{Value, json};

/// Begins a login at a provider whose `path` answers so.
fn begun_with(path: &str, reply: &Reply) -> (IdentityProvider, Finished) {
    let provider = IdentityProvider::start();
    provider.answer_always(path, reply.clone());
    let home = Home::new();
    let said = home.run(["auth", "login", "--begin", "--issuer", provider.issuer(), "--timeout", "3s"]);
    assert_eq!(home.run(["auth", "status", "--all", "--json"]).json()["logins"], json!([]));
    (provider, said)
}

/// Completes a login at a provider that answers the device code so.
fn completed_with(reply: impl Fn(&IdentityProvider) -> Reply) -> (IdentityProvider, Finished) {
    let (home, provider) = (Home::new(), IdentityProvider::start());
    let (id, _) = begin(&home, provider.issuer(), &[]);
    provider.answer_once(TOKEN, reply(&provider));
    let said = complete(&home, &id);
    if said.code != 0 {
        home.run(["auth", "token"]).fails(3, &["not signed in"]);
    }
    (provider, said)
}

/// Answers that say nothing about a login, each with what is said of it.
fn no_answers() -> [(Reply, &'static str); 6] {
    [
        (Reply::empty(503), "is unavailable (status 503)"),
        (Reply::error(429, "rate_limited").with("Retry-After", "60"), "is unavailable (status 429)"),
        (Reply::reset(), "127.0.0.1"),
        (Reply::garbage(), "127.0.0.1"),
        (Reply::silence(), "127.0.0.1"),
        (Reply::json(200, &json!({ "issuer": "x" })).cut_after(4), "127.0.0.1"),
    ]
}

#[test]
fn a_provider_that_can_not_be_asked_is_the_networks_fault_and_may_be_asked_again() {
    for path in [DISCOVERY, DEVICE] {
        for (reply, shown) in no_answers() {
            let (_provider, said) = begun_with(path, &reply);
            said.fails(9, &[shown]);
        }
    }
}

#[test]
fn a_page_where_metadata_should_be_is_no_provider() {
    for reply in [
        Reply::text(200, "text/html", "<html><script>alert(1)</script></html>"),
        Reply::empty(404),
        Reply::text(200, "application/json", &" ".repeat(10 << 20)),
    ] {
        let (provider, said) = begun_with(DISCOVERY, &reply);
        assert!(matches!(said.code, 1 | 9) && !said.stderr.contains("script"), "{said}");
        assert_eq!(provider.requests(DEVICE).len(), 0);
    }
}

#[test]
fn metadata_of_somebody_else_of_many_tenants_or_with_bad_endpoints_is_refused() {
    let with = |changes: Value| {
        let provider = IdentityProvider::start();
        let mut metadata = json!({
            "issuer": provider.issuer(), "token_endpoint": provider.at(TOKEN),
            "device_authorization_endpoint": provider.at(DEVICE), "jwks_uri": provider.at(JWKS),
        });
        metadata.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        provider.answer_always(DISCOVERY, Reply::json(200, &metadata));
        let said = Home::new().run(["auth", "login", "--begin", "--issuer", provider.issuer()]);
        assert_eq!(provider.requests(DEVICE).len(), usize::from(said.code == 0));
        (said, provider.authority().to_owned())
    };
    with(json!({})).0.succeeds();
    for (changes, shown) in [
        (json!({ "issuer": "https://login.example/{tenantid}/v2.0" }), "the issuer of one tenant is needed"),
        (json!({ "issuer": "https://evil.example" }), "says that it is another issuer: https://evil.example"),
        (
            json!({ "issuer": "https://evil\u{1b}[2J.example" }),
            "says that it is another issuer: https://evil\\u{1b}[2J",
        ),
        (
            json!({ "token_endpoint": "http://evil.example/token" }),
            "the token endpoint of SERVER can't be used",
        ),
        (
            json!({ "token_endpoint": "https://id.example@evil.example/" }),
            "it carries a user name or password",
        ),
        (json!({ "device_authorization_endpoint": "http://evil.example/" }), "it is not https"),
        (json!({ "device_authorization_endpoint": null }), "`keyward auth login --with-api-key` needs none"),
        (json!({ "token_endpoint": null }), "has no token endpoint"),
    ] {
        let (said, server) = with(changes);
        said.fails(1, &[&shown.replace("SERVER", &server)]);
        assert!(!said.stderr.contains('\u{1b}'), "{said}");
    }
}

#[test]
fn an_error_of_the_provider_is_told_whatever_the_status() {
    for (reply, code, shown) in [
        (Reply::error(200, "invalid_client"), 1, "refuses the request: invalid_client"),
        (Reply::error(400, "invalid_scope"), 1, "hint: `--client-id`, `--scope` and `--audience`"),
        (Reply::error(401, "unauthorized_client"), 1, "refuses the request: unauthorized_client"),
        (
            Reply::json(400, &json!({ "error": "\u{1b}[2J", "error_description": "\u{202e}x" })),
            1,
            "\\u{1b}[2J (\\u{202e}x)",
        ),
        (Reply::text(200, "text/html", "<html>"), 9, "answered with"),
    ] {
        let (_provider, said) = begun_with(DEVICE, &reply);
        said.fails(code, &[shown]);
        assert!(!said.stderr.contains(['\u{1b}', '\u{202e}']), "{said}");
    }
}

#[test]
fn an_address_that_nobody_should_open_is_not_even_shown() {
    for (address, shown) in [
        ("http://evil.example/activate", "it is not https"),
        ("https://id.example@evil.example/", "it carries a user name or password"),
        ("https://evil.example/\u{1b}[2J", "it is no absolute https address"),
        ("javascript:alert(1)", "it is no absolute https address"),
        (&format!("https://evil.example/{}", "x".repeat(2_100)), "it has more than 2048 characters"),
    ] {
        for field in ["verification_uri", "verification_uri_complete"] {
            let mut body = json!({
                "device_code": "d", "user_code": "WDJB-MJHT", "verification_uri": "https://id.example/activate",
            });
            body[field] = json!(address);
            let (_provider, said) = begun_with(DEVICE, &Reply::json(200, &body));
            said.fails(1, &["names an address for the login that is not safe to open", shown]);
            assert!(!said.to_string().contains("evil") && !said.to_string().contains("alert"), "{said}");
        }
    }
}

#[test]
fn a_login_that_lacks_what_nothing_works_without_is_refused() {
    let whole =
        json!({ "device_code": "d", "user_code": "WDJB-MJHT", "verification_uri": "https://id.example/" });
    for (field, shown) in [
        ("device_code", "without a device code"),
        ("user_code", "without a code to show"),
        ("verification_uri", "without an address to open"),
    ] {
        let mut body = whole.clone();
        body.as_object_mut().unwrap().remove(field);
        let (_provider, said) = begun_with(DEVICE, &Reply::json(200, &body));
        said.fails(1, &[shown]);
    }
}

#[test]
fn what_a_provider_leaves_out_or_calls_otherwise_is_made_up_for() {
    let start = |body: Value| {
        let provider = IdentityProvider::start();
        provider.answer_once(DEVICE, Reply::json(200, &body));
        Home::new()
            .run(["auth", "login", "--begin", "--json", "--issuer", provider.issuer()])
            .succeeds()
            .json()
    };
    let said = start(
        json!({ "device_code": "d", "user_code": "X", "verification_url": "https://www.example/device" }),
    );
    assert_eq!(
        (&said["interval"], &said["verification_uri"]),
        (&json!(5), &json!("https://www.example/device"))
    );
    assert_eq!(said["verification_uri_complete"], json!(null));
    let said = start(json!({
        "device_code": "d", "user_code": "X\u{1b}[2J", "verification_uri": "https://www.example/device", "interval": 0,
    }));
    assert_eq!((&said["interval"], &said["user_code"]), (&json!(1), &json!("X\\u{1b}[2J")));
}

#[test]
fn what_may_pass_is_waited_out_and_said_once() {
    let (home, provider) = (Home::new(), IdentityProvider::start());
    let (id, code) = begin(&home, provider.issuer(), &[]);
    for reply in [
        Reply::error(428, "authorization_pending"),
        Reply::error(200, "authorization_pending"),
        Reply::error(429, "rate_limited").with("Retry-After", "1"),
        Reply::text(502, "text/html", "<html>a proxy</html>"),
        Reply::reset(),
    ] {
        provider.answer_once(TOKEN, reply);
    }
    provider.approve(&code);
    let said = complete(&home, &id);
    said.succeeds();
    assert_eq!(said.stderr.matches("warning: ").count(), 1, "{said}");
    assert_eq!(provider.requests(TOKEN).len(), 6);
}

#[test]
fn what_does_not_pass_ends_the_login() {
    let tokens = |kind: &str| json!({ "access_token": "canary", "token_type": kind });
    for (reply, code, shown) in [
        (Reply::error(400, "expired_token"), 3, "ended before the login was approved"),
        (Reply::error(200, "access_denied"), 3, "the login was denied"),
        (Reply::error(400, "invalid_client"), 1, "refuses the request: invalid_client"),
        (Reply::json(200, &tokens("mac")), 1, "a token of a type that can't be used: mac"),
        (
            Reply::json(200, &json!({ "access_token": "can\u{7}ary", "token_type": "bearer" })),
            1,
            "no request can carry",
        ),
    ] {
        let (provider, said) = completed_with(|_| reply.clone());
        said.fails(code, &[shown]);
        assert!(!said.to_string().contains("canary") && provider.requests(TOKEN).len() == 1, "{said}");
    }
}

/// Tokens with an ID token of these claims, which the provider signs.
fn with_id_token(provider: &IdentityProvider, changes: &Value) -> Reply {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut claims =
        json!({ "iss": provider.issuer(), "aud": "keyward", "sub": "ana", "iat": now, "exp": now + 600 });
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    with_token(&provider.sign(&claims))
}

fn with_token(id_token: &str) -> Reply {
    let tokens = json!({
        "access_token": "canary-a", "refresh_token": "canary-r", "token_type": "Bearer", "expires_in": 900,
        "id_token": id_token,
    });
    Reply::json(200, &tokens)
}

#[test]
fn an_id_token_that_is_not_believed_stores_nothing_and_gives_the_tokens_back() {
    for (changes, shown) in [
        (json!({ "iss": "https://evil.example" }), "the ID token is of another issuer: https://evil.example"),
        (json!({ "aud": "other" }), "the ID token is for another client"),
        (json!({ "nonce": "n" }), "the ID token answers another login"),
        (json!({ "exp": 1_000, "iat": 900 }), "`keyward auth doctor` compares the clocks"),
        (json!({ "iat": 4_000_000_000_u64, "exp": 4_000_000_600_u64 }), "which may be wrong"),
    ] {
        let (provider, said) = completed_with(|provider| with_id_token(provider, &changes));
        said.fails(1, &[shown, "caused by: nothing was stored, and the new tokens were revoked"]);
        assert_eq!(provider.requests(REVOKE)[0].field("token").as_deref(), Some("canary-r"));
        assert!(!said.to_string().contains("canary"), "{said}");
    }
    let other = IdentityProvider::start();
    let (_provider, said) = completed_with(|_| with_id_token(&other, &json!({})));
    said.fails(1, &["the signature of the ID token is not by the issuer"]);
    let (_provider, said) = completed_with(|_| with_token("e30.e30.e30"));
    said.fails(1, &["the ID token can't be read"]);
}

#[test]
fn without_the_providers_keys_nobody_is_believed() {
    let (home, provider) = (Home::new(), IdentityProvider::start());
    let (id, code) = begin(&home, provider.issuer(), &[]);
    provider.approve(&code);
    provider.answer_once(JWKS, Reply::empty(503));
    complete(&home, &id).fails(9, &["is unavailable"]);
    assert_eq!(provider.requests(TOKEN).len(), 0, "the code is good for one answer");
    home.run(["auth", "token"]).fails(3, &["not signed in"]);
    complete(&home, &id).succeeds();
}

#[test]
fn tokens_that_can_not_be_given_back_are_queued() {
    let (home, provider) = (Home::new(), IdentityProvider::start());
    let (id, _) = begin(&home, provider.issuer(), &[]);
    provider.answer_once(TOKEN, with_id_token(&provider, &json!({ "aud": "other" })));
    provider.answer_once(REVOKE, Reply::empty(503));
    complete(&home, &id).fails(1, &["a later command revokes the new tokens, now it can't: "]);
    let status = home.run(["auth", "status", "--json"]).json();
    assert_eq!(status["queued_revocations"], 1);
}
