//! Clients with an API key.

use std::sync::Arc;

use vault_auth::credential::GivenCredentials;
use vault_auth::sdk::{ApiKeyAuth, Auth, AuthError, AuthKind, Client, Method};
use vault_core::secret::SecretString;

use crate::backend::{Answer, Backend};

const KEY: &str = "kw_live_0000000000AA_00000000000000000000000000000000000000000004OtDhs";

fn client(backend: &Arc<Backend>) -> Client {
    let auth = ApiKeyAuth::new(SecretString::new(KEY.to_owned())).unwrap();
    let transport = Arc::clone(backend);
    Client::builder().base_url("https://api.example").auth(auth).transport(transport).build().unwrap()
}

fn refused(answer: Answer) -> AuthError {
    let backend = Backend::answering([answer]);
    let error = client(&backend).get("/v1/agents").unwrap_err();
    assert_eq!(backend.requests(), 1, "a refused key is not sent again");
    error
}

#[test]
fn es_03_an_api_key_is_a_bearer_token_on_every_request() {
    let backend = Backend::answering([]);
    let client = client(&backend);
    client.get("/v1/agents").unwrap();
    client.post_json("/v1/agents", b"{}".to_vec()).unwrap();
    client.send(client.request(Method::Delete, "/v1/agents/1").unwrap()).unwrap();
    assert_eq!(backend.seen("authorization"), [(); 3].map(|()| format!("Bearer {KEY}")));
    assert_eq!(backend.seen("x-keyward-client"), [(); 3].map(|()| "sdk/0.1.0"));
    assert_eq!(backend.seen("content-type"), ["application/json"]);
}

#[test]
fn es_01_both_kinds_of_authorizer_are_one_interface() {
    let auth: Box<dyn Auth> = Box::new(ApiKeyAuth::new(SecretString::new(KEY.to_owned())).unwrap());
    assert_eq!(auth.kind(), AuthKind::ApiKey);
}

#[test]
fn a_mistyped_key_is_refused_before_any_request() {
    let error = ApiKeyAuth::new(SecretString::new(KEY[..69].to_owned())).unwrap_err();
    assert!(matches!(error, AuthError::InvalidKey(Some(_))));
    assert_eq!((error.exit_code(), error.is_retryable()), (3, false));
}

#[test]
fn es_13_refusals_are_told_apart() {
    let body = |code: &str| format!("{{\"error\":\"{code}\"}}");
    assert!(matches!(refused((401, &[], String::new())), AuthError::InvalidKey(None)));
    assert!(matches!(refused((401, &[], body("key_expired"))), AuthError::KeyExpired));
    assert!(matches!(refused((401, &[], body("key_revoked"))), AuthError::KeyRevoked));
    assert!(matches!(refused((401, &[], body("device_mismatch"))), AuthError::DeviceMismatch(None)));
    assert!(matches!(refused((403, &[], body("client_marker_required"))), AuthError::MarkerRequired));
    let scopes = "{\"error\":\"insufficient_scope\",\"missing_scopes\":[\"agent:write\"]}";
    let error = refused((403, &[], scopes.to_owned()));
    assert_eq!(error.to_string(), "the credential may not do this, it lacks agent:write");
    assert_eq!(error.exit_code(), 10);
}

#[test]
fn every_other_status_is_an_answer() {
    for status in [200, 204, 302, 403, 404, 409, 429, 500] {
        let answer: Answer = (status, &[], "<html>".to_owned());
        let backend = Backend::answering([answer]);
        assert_eq!(client(&backend).get("/v1/agents").unwrap().status(), status);
    }
}

#[test]
fn a_credential_goes_to_the_base_url_alone() {
    let backend = Backend::answering([]);
    let client = client(&backend);
    for address in ["https://evil.example/v1", "http://127.0.0.1/", "https://api.example:8443/"] {
        let address = vault_auth::address::Address::parse(address).unwrap();
        let request = vault_auth::sdk::Request::new(Method::Get, address);
        assert!(matches!(client.send(request), Err(AuthError::Configuration(_))));
    }
    for path in ["", "v1", "@evil.example/", ".evil.example", "https://evil.example"] {
        assert!(client.get(path).is_err(), "{path}");
    }
    assert_eq!(backend.requests(), 0);
}

#[test]
fn debug_of_a_request_shows_no_key() {
    let backend = Backend::answering([]);
    let client = client(&backend);
    let auth = ApiKeyAuth::new(SecretString::new(KEY.to_owned())).unwrap();
    let mut request = client.request(Method::Get, "/").unwrap();
    auth.authorize(&mut request).unwrap();
    assert!(!format!("{request:?} {auth:?} {client:?}").contains("4OtDhs"));
}

#[test]
fn what_is_given_is_chosen_as_the_command_line_does() {
    let secret = |text: &str| Some(SecretString::new(text.to_owned()));
    let chosen = |given| {
        let mut request = client(&Backend::answering([])).request(Method::Get, "/").unwrap();
        ApiKeyAuth::from_given(given)?.authorize(&mut request)?;
        Ok::<_, AuthError>(request.headers()[0].1.expose_secret().to_owned())
    };
    let both =
        GivenCredentials { api_key_variable: secret("one"), token_variable: secret("two"), flag: None };
    assert_eq!(chosen(both).unwrap(), "Bearer one");
    let token = GivenCredentials { token_variable: secret("two"), ..GivenCredentials::default() };
    assert_eq!(chosen(token).unwrap(), "Bearer two");
    assert!(matches!(chosen(GivenCredentials::default()), Err(AuthError::NotAuthenticated { .. })));
}

#[test]
fn es_14_the_documentation_warns_of_keys_where_everybody_can_read_them() {
    let documentation = include_str!("../../src/sdk.rs").lines().take_while(|line| line.starts_with("//!"));
    let text: String = documentation.flat_map(|line| [line.trim_start_matches("//!"), ""]).collect();
    for place in ["code that is committed", "browsers", "phones"] {
        assert!(text.contains(place), "{place}: {text}");
    }
}
