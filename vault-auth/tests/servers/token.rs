//! What a token endpoint may answer, and what it means for the token that was sent.

use std::time::Duration;

use keyward_tests::http_server::Reply;
use keyward_tests::identity_provider::{IdentityProvider, TOKEN};
use serde_json::{Value, json};
use vault_auth::grant::{GrantError, TokenEndpoint};
use vault_auth::token::{TokenSet, TokenType};
use vault_auth::token_endpoint::{HttpTokenEndpoint, OauthClient};

use crate::{address, client, endpoint, secret};

fn refresh(reply: Reply) -> Result<TokenSet, GrantError> {
    let provider = IdentityProvider::start();
    provider.answer_once(TOKEN, reply);
    endpoint(&provider).refresh(&secret("canary-refresh"))
}

fn tokens(members: &Value) -> TokenSet {
    let mut answer = json!({ "access_token": "a", "token_type": "Bearer" });
    for (name, value) in members.as_object().unwrap() {
        answer[name] = value.clone();
    }
    refresh(Reply::json(200, &answer)).unwrap()
}

#[test]
fn a_refresh_sends_the_grant_and_gives_the_new_pair() {
    let provider = IdentityProvider::start();
    let first = provider.grant();
    let tokens = endpoint(&provider).refresh(&secret(&first.refresh)).unwrap();
    assert_eq!(tokens.access_token.expose_secret(), "access-0-1");
    assert_eq!(tokens.refresh_token.unwrap().expose_secret(), "refresh-0-1");
    assert_eq!(tokens.expires_at, Some(tokens.received_at + 900));
    assert_eq!(tokens.scopes, ["openid", "offline_access"]);
    let request = &provider.requests(TOKEN)[0];
    assert_eq!(request.field("grant_type").as_deref(), Some("refresh_token"));
    assert_eq!(request.field("client_id").as_deref(), Some("keyward"));
    assert_eq!(request.field("client_secret"), None);
}

#[test]
fn a_client_secret_is_sent_where_there_is_one() {
    let provider = IdentityProvider::start();
    let who = OauthClient {
        client_id: "c&d".into(),
        client_secret: Some(secret("s e+c%ret&=")),
        scopes: Vec::new(),
        audience: None,
    };
    let endpoint = HttpTokenEndpoint::new(client(), address(&provider.at(TOKEN)), who.into());
    endpoint.refresh(&secret(&provider.grant().refresh)).unwrap();
    let request = &provider.requests(TOKEN)[0];
    assert_eq!(request.field("client_id").as_deref(), Some("c&d"));
    assert_eq!(request.field("client_secret").as_deref(), Some("s e+c%ret&="));
}

#[test]
fn no_refresh_token_in_the_answer_is_none_and_not_an_empty_one() {
    assert!(tokens(&json!({})).refresh_token.is_none());
    assert!(tokens(&json!({ "refresh_token": "" })).refresh_token.is_none());
    assert!(tokens(&json!({ "refresh_token": null })).refresh_token.is_none());
}

#[test]
fn the_end_of_a_token_as_servers_say_it() {
    let life = |members: &Value| {
        let tokens = tokens(members);
        tokens.expires_at.map(|end| end - tokens.received_at)
    };
    assert_eq!(life(&json!({ "expires_in": "3600" })), Some(3_600));
    assert_eq!(life(&json!({ "expires_in": 1e300 })), Some(315_360_000));
    for unsaid in
        [json!({}), json!({ "expires_in": 0 }), json!({ "expires_in": -5 }), json!({ "expires_in": "x" })]
    {
        assert_eq!(life(&unsaid), None, "{unsaid}");
    }
}

#[test]
fn a_token_type_is_read_in_any_case_and_an_unknown_one_refused() {
    for name in ["Bearer", "bearer", "BEARER"] {
        assert_eq!(tokens(&json!({ "token_type": name })).token_type, TokenType::Bearer);
    }
    assert_eq!(tokens(&json!({ "token_type": null })).token_type, TokenType::Bearer);
    for name in ["mac", "N_A", "DPoP", "\u{1b}[2J"] {
        let refused =
            refresh(Reply::json(200, &json!({ "access_token": "canary", "token_type": name }))).unwrap_err();
        assert!(matches!(refused, GrantError::Unusable { .. }), "{refused}");
        assert!(!refused.to_string().contains('\u{1b}') && !format!("{refused:?}").contains("canary"));
    }
}

/// GitHub answers 200 with an error, Google 428: the word decides, not the number.
#[test]
fn an_error_means_the_same_with_every_status() {
    for status in [200, 400, 401, 403, 428, 500] {
        let spent = refresh(Reply::error(status, "invalid_grant")).unwrap_err();
        assert!(matches!(spent, GrantError::Rejected { .. }), "{status}: {spent}");
        let refused = refresh(Reply::error(status, "invalid_client")).unwrap_err();
        assert!(matches!(refused, GrantError::Refused { .. }), "{status}: {refused}");
    }
    assert!(matches!(refresh(Reply::error(200, "bad_refresh_token")), Err(GrantError::Rejected { .. })));
}

#[test]
fn ct_13_a_server_that_can_not_answer_now_is_not_one_that_refuses() {
    for reply in [
        Reply::empty(429),
        Reply::text(503, "text/html", "<h1>down</h1>"),
        Reply::json(500, &json!({ "error": { "code": 7 } })),
        Reply::error(502, "internal_error"),
        Reply::error(400, "temporarily_unavailable"),
        Reply::error(400, "server_error"),
    ] {
        let down = refresh(reply).unwrap_err();
        assert!(matches!(down, GrantError::Unavailable { .. }), "{down}");
    }
    // Whether the token may be spent depends on who broke down: the status goes along.
    let down = refresh(Reply::error(500, "server_error").with("Retry-After", "9")).unwrap_err();
    let GrantError::Unavailable { status: 500, retry_after, .. } = down else { panic!("{down}") };
    assert_eq!(retry_after, Some(Duration::from_secs(9)));
}

#[test]
fn retry_after_is_handed_on() {
    for (value, seconds) in [("120", Some(120)), ("Fri, 31 Dec 1999 23:59:59 GMT", Some(0)), ("soon", None)] {
        let down = refresh(Reply::empty(429).with("Retry-After", value)).unwrap_err();
        let GrantError::Unavailable { status: 429, retry_after, .. } = down else { panic!("{down}") };
        assert_eq!(retry_after, seconds.map(Duration::from_secs), "{value}");
    }
}

/// A proxy's or a hotel's page, of whatever status, never means that the token is spent.
#[test]
fn ct_13_an_intermediarys_page_is_no_answer() {
    for reply in [
        Reply::text(200, "text/html", "<h1>canary: sign in to the hotel's network</h1>"),
        Reply::text(401, "text/html", "<h1>canary: the proxy wants a password</h1>"),
        Reply::text(403, "text/plain", "canary"),
        Reply::text(404, "text/html", "canary"),
        Reply::empty(204),
        Reply::json(200, &json!([])),
        Reply::json(200, &json!({})),
        Reply::json(200, &json!({ "access_token": 7 })),
        Reply::json(400, &json!({ "message": "canary" })),
        Reply::json(403, &json!({ "access_token": "canary", "token_type": "Bearer" })),
    ] {
        let none = refresh(reply).unwrap_err();
        assert!(matches!(none, GrantError::NoAnswer { .. }), "{none}");
        assert!(!format!("{none} {none:?}").contains("canary"), "{none:?}");
    }
}

#[test]
fn tokens_that_no_header_can_carry_are_refused() {
    for token in ["a\nb", "a\r\nX-Evil: 1", "caf\u{e9}", "\u{7f}"] {
        for member in ["access_token", "refresh_token"] {
            let mut answer = json!({ "access_token": "a", "token_type": "Bearer" });
            answer[member] = token.into();
            let refused = refresh(Reply::json(200, &answer)).unwrap_err().to_string();
            let (server, told) = refused.split_once(' ').unwrap();
            assert_eq!(told, "gave a token that no request can carry");
            assert!(server.starts_with("127.0.0.1:"), "{refused}");
        }
    }
}

#[test]
fn what_a_server_says_is_shown_without_its_escapes() {
    let answer = json!({ "error": "x\u{1b}[31m", "error_description": "y\u{202e}\nz".to_owned() + &"w".repeat(9_999) });
    let shown = refresh(Reply::json(400, &answer)).unwrap_err().to_string();
    assert!(!shown.contains(['\u{1b}', '\u{202e}', '\n']) && shown.len() < 1_000, "{shown}");
}

/// Whoever refreshes twice with one token ends the grant: the client sends each once.
#[test]
fn a_strict_server_ends_the_family_on_replay() {
    let provider = IdentityProvider::start();
    let (first, endpoint) = (provider.grant(), endpoint(&provider));
    let second = endpoint.refresh(&secret(&first.refresh)).unwrap();
    assert!(matches!(endpoint.refresh(&secret(&first.refresh)), Err(GrantError::Rejected { .. })));
    let dead = endpoint.refresh(second.refresh_token.as_ref().unwrap());
    assert!(matches!(dead, Err(GrantError::Rejected { .. })));
    assert_eq!(provider.with_grants(|grants| (grants.refreshes, grants.replays)), (1, 1));
}
