//! The examples, run against a backend and a provider on loopback ports.

use keyward_tests::http_server::{HttpServer, Reply};
use keyward_tests::identity_provider::IdentityProvider;
use serde_json::json;
use tempfile::tempdir;
use vault_auth::credential::GivenCredentials;
use vault_core::secret::SecretString;
use vault_core::source::{generate_slot_key, key_text};

use crate::{api_key_client, refreshing_client};

fn secret(text: &str) -> SecretString {
    SecretString::new(text.to_owned())
}

fn address_of(server: &HttpServer) -> String {
    format!("http://127.0.0.1:{}", server.port())
}

#[test]
fn the_api_key_client_asks_with_its_key() {
    let backend = HttpServer::start(|request| {
        let is_right = request.header("authorization") == Some("Bearer a-key-of-acme");
        assert_eq!((request.method.as_str(), request.path.as_str()), ("GET", "/v1/whoami"));
        if is_right { Reply::json(200, &json!({ "tenant": "acme" })) } else { Reply::empty(401) }
    });
    let run = |key: &str| {
        let given = GivenCredentials { api_key_variable: Some(secret(key)), ..GivenCredentials::default() };
        let mut out = Vec::new();
        let ran = api_key_client::run(address_of(&backend), "acme".to_owned(), given, &mut out);
        ran.map(|()| String::from_utf8(out).unwrap()).map_err(|error| error.to_string())
    };
    assert_eq!(run("a-key-of-acme").unwrap(), "200\n{\"tenant\":\"acme\"}");
    assert_eq!(run("another-key").unwrap_err(), "the API key is not valid");
}

#[test]
fn the_refreshing_client_uses_each_refresh_token_once_however_often_it_is_started() {
    let provider = IdentityProvider::start();
    let backend = HttpServer::start(|request| {
        Reply::text(200, "text/plain", request.header("authorization").unwrap_or_default())
    });
    let first = provider.grant();
    let home = tempdir().unwrap();
    let vault_key = key_text::encode(&generate_slot_key());
    let mut answers = Vec::new();
    for _ in 0..3 {
        let start = refreshing_client::Start {
            vault_key: secret(vault_key.expose_secret()),
            access_token: secret(&first.access),
            refresh_token: secret(&first.refresh),
        };
        let (file, token_endpoint) = (home.path().join("sessions"), provider.at("/token"));
        let mut out = Vec::new();
        refreshing_client::run(&file, &token_endpoint, address_of(&backend), start, &mut out).unwrap();
        answers.push(String::from_utf8(out).unwrap());
    }
    assert!(answers[0].starts_with("200\nBearer ") && !answers[0].contains(&first.access), "{answers:?}");
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(provider.requests("/token").len(), 1);
}
