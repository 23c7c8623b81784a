//! Asking a backend who a credential is.

use keyward_tests::http_server::Reply;
use keyward_tests::identity_provider::{IdentityProvider, WHOAMI};
use serde_json::json;
use vault_auth::grant::GrantError;
use vault_auth::server_text::ServerText;
use vault_auth::whoami::{Presented, Whoami};

use crate::{address, client, secret};

fn ask(provider: &IdentityProvider, token: &str) -> Result<Whoami, GrantError> {
    Whoami::ask(&client(), &address(provider.issuer()), Presented::Bearer(&secret(token)))
}

#[test]
fn es_03_a_key_goes_out_as_a_bearer_token() {
    let provider = IdentityProvider::start();
    ask(&provider, "kw_test_x").unwrap();
    assert_eq!(provider.requests(WHOAMI)[0].header("authorization"), Some("Bearer kw_test_x"));
}

#[test]
fn se_06_a_backend_says_who_is_asking() {
    let provider = IdentityProvider::start();
    let whoami = ask(&provider, &provider.grant().access).unwrap();
    assert_eq!(whoami.email, Some(ServerText::new("ana@example.com")));
    assert_eq!(whoami.user_id, Some(ServerText::new("7")));
    assert_eq!(
        (whoami.tenant, whoami.roles),
        (Some(ServerText::new("acme")), vec![ServerText::new("viewer")])
    );
}

#[test]
fn a_backend_that_does_not_accept_the_key_is_told_from_one_that_can_not_say() {
    let provider = IdentityProvider::start();
    assert!(matches!(ask(&provider, "wrong"), Err(GrantError::Rejected { .. })));
    provider.answer_once(WHOAMI, Reply::empty(401));
    assert!(matches!(ask(&provider, "wrong"), Err(GrantError::Rejected { .. })));
    for reply in [
        Reply::text(401, "text/html", "<h1>the proxy wants a password</h1>"),
        Reply::text(200, "text/html", "<h1>sign in to the hotel's network</h1>"),
        Reply::json(404, &json!({ "error": "not_found" })),
    ] {
        provider.answer_once(WHOAMI, reply);
        let none = ask(&provider, "k").unwrap_err();
        assert!(matches!(none, GrantError::NoAnswer { .. }), "{none}");
    }
    provider.answer_once(WHOAMI, Reply::empty(503));
    assert!(matches!(ask(&provider, "k"), Err(GrantError::Unavailable { .. })));
    provider.answer_once(WHOAMI, Reply::empty(403));
    assert!(matches!(ask(&provider, "k"), Err(GrantError::Forbidden { .. })));
}

#[test]
fn an_answer_that_names_nobody_is_none() {
    let provider = IdentityProvider::start();
    for nobody in [json!({}), json!([]), json!({ "tenant": "acme" }), json!([null, null])] {
        provider.answer_once(WHOAMI, Reply::json(200, &nobody));
        assert!(matches!(ask(&provider, "k"), Err(GrantError::NoAnswer { .. })), "{nobody}");
    }
}

#[test]
fn what_a_backend_says_is_shown_without_its_escapes() {
    let provider = IdentityProvider::start();
    let said = json!({ "principal": "a\u{1b}[2J", "roles": ["x\u{202e}"], "email": 7 });
    provider.answer_once(WHOAMI, Reply::json(200, &said));
    let whoami = ask(&provider, "k").unwrap();
    assert!(!format!("{} {}", whoami.principal.unwrap(), whoami.roles[0]).contains(['\u{1b}', '\u{202e}']));
    assert_eq!(whoami.email, None);
}

#[test]
fn a_key_that_no_header_can_carry_is_not_sent() {
    let provider = IdentityProvider::start();
    let unsent = ask(&provider, "canary\r\nX-Evil: 1").unwrap_err();
    assert!(
        matches!(unsent, GrantError::NotReached { .. }) && !unsent.to_string().contains("canary"),
        "{unsent}"
    );
    assert!(provider.requests(WHOAMI).is_empty());
}
