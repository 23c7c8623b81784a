//! Asking a provider who a token is for.

use keyward_tests::http_server::Reply;
use keyward_tests::identity_provider::{IdentityProvider, USERINFO};
use serde_json::json;
use vault_auth::dpop::DeviceKey;
use vault_auth::grant::GrantError;
use vault_auth::metadata::{Metadata, MetadataError};
use vault_auth::protected::Presented;
use vault_auth::server_text::ServerText;
use vault_auth::userinfo;
use vault_auth::whoami::Whoami;

use crate::{address, client, secret};

fn ask(provider: &IdentityProvider, token: &str, subject: Option<&str>) -> Result<Whoami, GrantError> {
    let metadata = Metadata::discover(&client(), &address(provider.issuer())).unwrap();
    let endpoint = metadata.userinfo().unwrap();
    userinfo::ask(&client(), endpoint, Presented::Bearer(&secret(token)), subject)
}

#[test]
fn a_provider_says_who_a_token_is_for() {
    let provider = IdentityProvider::start();
    let whoami = ask(&provider, &provider.grant().access, Some("ana")).unwrap();
    assert_eq!(whoami.user_id, Some(ServerText::new("ana")));
    assert_eq!(whoami.email, Some(ServerText::new("ana@example.com")));
    assert_eq!(whoami.tenant, None);
}

#[test]
fn an_answer_about_somebody_else_is_none() {
    let provider = IdentityProvider::start();
    provider.set_subject("mallory");
    let refused = ask(&provider, &provider.grant().access, Some("ana")).unwrap_err();
    assert!(matches!(refused, GrantError::Unusable { .. }), "{refused}");
    ask(&provider, &provider.grant().access, None).unwrap();
}

#[test]
fn a_token_that_is_refused_is_told_from_a_provider_that_can_not_say() {
    let provider = IdentityProvider::start();
    assert!(matches!(ask(&provider, "wrong", None), Err(GrantError::Rejected { .. })));
    for reply in [
        Reply::text(401, "text/html", "<h1>the proxy wants a password</h1>"),
        Reply::text(200, "application/jwt", "e30.e30."),
        Reply::json(200, &json!({ "email": "ana@example.com" })),
        Reply::json(200, &json!({ "sub": 7 })),
        Reply::empty(204),
    ] {
        provider.answer_once(USERINFO, reply);
        let none = ask(&provider, "t", None).unwrap_err();
        assert!(matches!(none, GrantError::NoAnswer { .. }), "{none}");
    }
    provider.answer_once(USERINFO, Reply::empty(429));
    assert!(matches!(ask(&provider, "t", None), Err(GrantError::Unavailable { .. })));
}

#[test]
fn a_bound_token_is_shown_with_a_proof() {
    let provider = IdentityProvider::start();
    provider.answer_once(USERINFO, Reply::error(401, "use_dpop_nonce").with("DPoP-Nonce", "n-1"));
    provider.answer_once(USERINFO, Reply::json(200, &json!({ "sub": "ana" })));
    let key = DeviceKey::open(&DeviceKey::generate().unwrap()).unwrap();
    let token = secret("canary");
    let presented = Presented::Dpop { token: &token, key: &key };
    userinfo::ask(&client(), &address(&provider.at(USERINFO)), presented, None).unwrap();
    let requests = provider.requests(USERINFO);
    assert_eq!((requests.len(), requests[1].header("authorization")), (2, Some("DPoP canary")));
    assert!(requests.iter().all(|request| request.header("dpop").is_some()));
}

#[test]
fn an_issuer_without_the_endpoint_says_that_it_is_missing() {
    let provider = IdentityProvider::start();
    let said = json!({ "issuer": provider.issuer(), "token_endpoint": provider.at("/token") });
    provider.answer_always("/.well-known/openid-configuration", Reply::json(200, &said));
    let metadata = Metadata::discover(&client(), &address(provider.issuer())).unwrap();
    let missing = metadata.userinfo().unwrap_err();
    assert!(matches!(missing, MetadataError::Missing { .. }));
    assert_eq!(missing.to_string(), format!("{} has no userinfo endpoint", provider.authority()));
}
