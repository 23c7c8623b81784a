//! Proofs on the way.

use std::sync::Arc;

use base64ct::{Base64UrlUnpadded, Encoding};
use keyward_tests::http_server::{Reply, Request};
use keyward_tests::identity_provider::{IdentityProvider, TOKEN, WHOAMI};
use serde_json::{Value, json};
use vault_auth::dpop::DeviceKey;
use vault_auth::grant::{GrantError, TokenEndpoint};
use vault_auth::token::TokenType;
use vault_auth::token_endpoint::HttpTokenEndpoint;
use vault_auth::whoami::{Presented, Whoami};

use crate::{client, endpoint, secret};

fn key() -> Arc<DeviceKey> {
    Arc::new(DeviceKey::open(&DeviceKey::generate().unwrap()).unwrap())
}

fn bound(provider: &IdentityProvider) -> HttpTokenEndpoint {
    endpoint(provider).bound_to(key())
}

fn claims(request: &Request) -> Value {
    let proof = request.header("dpop").expect("a proof");
    let part = proof.split('.').nth(1).unwrap();
    serde_json::from_slice(&Base64UrlUnpadded::decode_vec(part).unwrap()).unwrap()
}

fn wants_nonce(nonce: &str) -> Reply {
    Reply::error(400, "use_dpop_nonce").with("DPoP-Nonce", nonce)
}

#[test]
fn a_nonce_is_taken_up_once_and_kept_for_the_next_request() {
    let provider = IdentityProvider::start();
    let endpoint = bound(&provider);
    provider.answer_once(TOKEN, wants_nonce("n-1"));
    endpoint.refresh(&secret(&provider.grant().refresh)).unwrap();
    endpoint.refresh(&secret(&provider.grant().refresh)).unwrap();
    let requests = provider.requests(TOKEN);
    let nonces: Vec<Value> = requests.iter().map(|request| claims(request)["nonce"].clone()).collect();
    assert_eq!(nonces, [Value::Null, json!("n-1"), json!("n-1")]);
    assert_eq!(claims(&requests[0])["htu"].as_str(), Some(provider.at(TOKEN).as_str()));
    assert_ne!(claims(&requests[1])["jti"], claims(&requests[2])["jti"]);
}

#[test]
fn a_server_that_always_wants_another_nonce_is_asked_twice_and_no_more() {
    let provider = IdentityProvider::start();
    provider.answer_always(TOKEN, wants_nonce("n"));
    let refused = bound(&provider).refresh(&secret("r")).unwrap_err();
    assert!(matches!(refused, GrantError::Refused { .. }), "{refused}");
    assert_eq!(provider.requests(TOKEN).len(), 2);
    provider.answer_always(TOKEN, Reply::error(400, "use_dpop_nonce"));
    assert!(bound(&provider).refresh(&secret("r")).is_err());
    assert_eq!(provider.requests(TOKEN).len(), 3, "without a nonce there is nothing to ask again with");
}

#[test]
fn a_bound_token_is_known_as_one_and_without_a_key_none_is_taken() {
    let provider = IdentityProvider::start();
    provider.answer_always(TOKEN, Reply::json(200, &json!({ "access_token": "a", "token_type": "dpop" })));
    assert_eq!(bound(&provider).refresh(&secret("r")).unwrap().token_type, TokenType::Dpop);
    assert!(endpoint(&provider).refresh(&secret("r")).is_err());
    assert!(provider.requests(TOKEN)[1].header("dpop").is_none());
}

#[test]
fn a_proof_is_dated_by_the_servers_clock() {
    let provider = IdentityProvider::start();
    let endpoint = bound(&provider);
    provider.answer_once(
        TOKEN,
        Reply::error(400, "invalid_dpop_proof").with("Date", "Sun, 06 Nov 1994 08:49:37 GMT"),
    );
    assert!(matches!(endpoint.refresh(&secret("r")), Err(GrantError::Refused { .. })));
    let _rejected = endpoint.refresh(&secret("r"));
    let dated = claims(&provider.requests(TOKEN)[1])["iat"].as_i64().unwrap();
    assert!((784_111_777..784_112_377).contains(&dated), "{dated}");
}

#[test]
fn a_backend_gets_the_token_with_a_proof_that_names_it() {
    let provider = IdentityProvider::start();
    provider.answer_once(WHOAMI, Reply::error(401, "use_dpop_nonce").with("DPoP-Nonce", "n-9"));
    provider.answer_once(WHOAMI, Reply::json(200, &json!({ "principal": "ana" })));
    let (key, token) = (key(), secret("canary"));
    let credential = Presented::Dpop { token: &token, key: &key };
    let whoami = Whoami::ask(&client(), &crate::address(provider.issuer()), credential).unwrap();
    assert_eq!(whoami.principal.unwrap().as_str(), "ana");
    let request = &provider.requests(WHOAMI)[1];
    assert_eq!(request.header("authorization"), Some("DPoP canary"));
    let claims = claims(request);
    assert_eq!((claims["nonce"].as_str(), claims["htm"].as_str()), (Some("n-9"), Some("GET")));
    assert!(claims["ath"].as_str().is_some_and(|hash| hash.len() == 43));
}
