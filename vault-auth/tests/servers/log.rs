//! What a log is told: enough to see what happened, and no secret, whatever happens.

use std::sync::Arc;

use keyward_tests::http_server::Reply;
use keyward_tests::identity_provider::{IdentityProvider, TOKEN, WHOAMI};
use vault_auth::grant::TokenEndpoint;
use vault_auth::http::HttpSettings;
use vault_auth::token_endpoint::{HttpTokenEndpoint, OauthClient};
use vault_auth::whoami::{Presented, Whoami};

use crate::{Told, address, client_of, secret};

#[test]
fn a_log_is_told_of_every_request_and_of_no_secret() {
    let (provider, told) = (IdentityProvider::start(), Arc::new(Told::default()));
    let log: Arc<dyn vault_auth::http::ExchangeLog> = Arc::<Told>::clone(&told);
    let http = client_of(HttpSettings { log: Some(log), ..HttpSettings::default() });
    let client = OauthClient {
        client_id: "keyward".into(),
        client_secret: Some(secret("canary-client")),
        scopes: Vec::new(),
        audience: None,
    };
    let token_address = address(&format!("{}?key=canary-query", provider.at(TOKEN)));
    let endpoint = HttpTokenEndpoint::new(Arc::clone(&http), token_address, Arc::new(client));
    let body = "{\"access_token\":\"canary-access\",\"refresh_token\":\"canary-new\"}";
    for reply in [
        Reply::text(200, "application/json", body),
        Reply::text(200, "application/json", body).cut_after(30),
        Reply::text(500, "text/html", "canary-page"),
        Reply::json(400, &serde_json::json!({ "error": "invalid_grant", "canary-member": "canary-value" })),
        Reply::reset(),
    ] {
        provider.answer_once(TOKEN, reply);
        let outcome = endpoint.refresh(&secret("canary-refresh"));
        assert!(!format!("{outcome:?} {endpoint:?}").contains("canary"), "{outcome:?}");
    }
    provider.answer_once(WHOAMI, Reply::empty(403));
    Whoami::ask(&http, &address(provider.issuer()), Presented::Bearer(&secret("canary-key"))).unwrap_err();

    // What was looked for did go out.
    assert!(provider.requests(TOKEN)[0].body.contains("canary-refresh"));
    let told = told.0.lock().unwrap();
    assert_eq!(told.len(), 6);
    assert!(!format!("{told:?}").contains("canary"), "{told:?}");
    assert_eq!(
        (told[0].method, told[0].address.as_str()),
        ("POST", format!("{}?key", provider.at(TOKEN)).as_str())
    );
    assert_eq!((told[0].status, told[0].received), (Some(200), body.len()));
    assert_eq!((told[3].status, told[5].status, told[5].method), (Some(400), Some(403), "GET"));
    assert!(told[4].status.is_none() && told[4].failure.as_deref().is_some_and(|why| why.contains("lost")));
}
