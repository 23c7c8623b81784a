//! Discovery.

use keyward_tests::http_server::Reply;
use keyward_tests::identity_provider::{DISCOVERY, IdentityProvider};
use serde_json::json;
use vault_auth::grant::GrantError;
use vault_auth::metadata::{Metadata, MetadataError};

use crate::{address, client};

const OAUTH: &str = "/.well-known/oauth-authorization-server";

fn discover(issuer: &str) -> Result<Metadata, MetadataError> {
    Metadata::discover(&client(), &address(issuer))
}

#[test]
fn openid_discovery_says_where_everything_is() {
    let provider = IdentityProvider::start();
    let metadata = discover(provider.issuer()).unwrap();
    assert_eq!(metadata.token_endpoint.as_str(), provider.at("/token"));
    assert_eq!(metadata.device_authorization_endpoint.unwrap().as_str(), provider.at("/device"));
    assert_eq!(metadata.dpop_algorithms, ["ES256"]);
    assert!(provider.requests(OAUTH).is_empty());
}

#[test]
fn rfc_8414_is_asked_where_openid_discovery_is_missing_and_puts_the_path_last() {
    let provider = IdentityProvider::start();
    let issuer = provider.at("/realms/acme");
    let said = json!({ "issuer": issuer, "token_endpoint": provider.at("/t") });
    provider.answer_always(&format!("{OAUTH}/realms/acme"), Reply::json(200, &said));
    assert_eq!(discover(&issuer).unwrap().token_endpoint.as_str(), provider.at("/t"));
    assert_eq!(provider.requests(&format!("/realms/acme{DISCOVERY}")).len(), 1);
}

#[test]
fn a_server_without_metadata_is_told_from_one_that_is_down() {
    let provider = IdentityProvider::start();
    let nothing = discover(&provider.at("/elsewhere")).unwrap_err();
    assert!(matches!(nothing, MetadataError::NotFound { .. }), "{nothing}");
    for status in [429, 500, 503] {
        provider.answer_once(DISCOVERY, Reply::text(status, "text/html", "down").with("Retry-After", "7"));
        let down = discover(provider.issuer()).unwrap_err();
        assert!(matches!(down, MetadataError::Server(GrantError::Unavailable { .. })), "{down}");
    }
    assert!(provider.requests(OAUTH).is_empty(), "a server that is down was asked twice");
}

#[test]
fn a_login_page_instead_of_metadata_is_none() {
    let provider = IdentityProvider::start();
    for reply in [
        Reply::text(200, "text/html", "<h1>sign in to the hotel's network</h1>"),
        Reply::json(200, &json!([])),
        Reply::json(200, &json!({ "issuer": 7 })),
        Reply::empty(204),
    ] {
        provider.answer_always(DISCOVERY, reply.clone());
        provider.answer_always(OAUTH, reply);
        let refused = discover(provider.issuer()).unwrap_err();
        assert!(matches!(refused, MetadataError::NotFound { .. }), "{refused}");
    }
}

#[test]
fn the_issuer_of_many_tenants_and_another_one_are_refused() {
    let provider = IdentityProvider::start();
    let say = |issuer: &str| {
        provider.answer_once(
            DISCOVERY,
            Reply::json(200, &json!({ "issuer": issuer, "token_endpoint": provider.at("/t") })),
        );
        discover(provider.issuer()).unwrap_err()
    };
    assert!(matches!(
        say("https://login.microsoftonline.com/{tenantid}/v2.0"),
        MetadataError::Template { .. }
    ));
    assert!(matches!(say("https://evil.example"), MetadataError::Issuer { .. }));
    assert!(matches!(say(&format!("{}/", provider.issuer())), MetadataError::Issuer { .. }));
}
