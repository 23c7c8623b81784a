//! Giving tokens back.

use std::time::{Duration, Instant};

use keyward_tests::http_server::Reply;
use keyward_tests::identity_provider::{IdentityProvider, REVOKE};
use vault_auth::grant::GrantError;
use vault_auth::http::{HttpClient, HttpSettings};
use vault_auth::revocation::{Revocation, TokenHint};

use crate::{address, client, secret, who};

fn revocation(provider: &IdentityProvider) -> Revocation {
    Revocation::new(client(), address(&provider.at(REVOKE)), who())
}

#[test]
fn ae_06_a_revoked_refresh_token_ends_the_grant() {
    let provider = IdentityProvider::start();
    let pair = provider.grant();
    revocation(&provider).revoke(&secret(&pair.refresh), TokenHint::RefreshToken).unwrap();
    assert!(!provider.with_grants(|grants| grants.accepts(&pair.access)));
    let request = &provider.requests(REVOKE)[0];
    assert_eq!(request.field("token_type_hint").as_deref(), Some("refresh_token"));
    assert_eq!(request.field("client_id").as_deref(), Some("keyward"));
}

#[test]
fn a_token_that_the_server_does_not_know_is_revoked() {
    let provider = IdentityProvider::start();
    assert!(revocation(&provider).revoke(&secret("unknown"), TokenHint::AccessToken).is_ok());
}

#[test]
fn a_server_that_is_down_leaves_the_token_good() {
    let provider = IdentityProvider::start();
    provider.answer_once(REVOKE, Reply::empty(503).with("Retry-After", "30"));
    let down = revocation(&provider).revoke(&secret("t"), TokenHint::RefreshToken).unwrap_err();
    let GrantError::Unavailable { retry_after, .. } = down else { panic!("{down}") };
    assert_eq!(retry_after, Some(Duration::from_secs(30)));
}

#[test]
fn a_refusal_and_a_page_are_told_apart() {
    let provider = IdentityProvider::start();
    provider.answer_once(REVOKE, Reply::error(400, "unsupported_token_type"));
    let refused = revocation(&provider).revoke(&secret("canary"), TokenHint::AccessToken).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!("{} refuses the request: unsupported_token_type", provider.authority())
    );
    provider.answer_once(REVOKE, Reply::text(404, "text/html", "<h1>nothing</h1>"));
    let none = revocation(&provider).revoke(&secret("canary"), TokenHint::AccessToken).unwrap_err();
    assert!(matches!(none, GrantError::NoAnswer { .. }), "{none}");
}

#[test]
fn a_logout_waits_five_seconds_and_no_longer() {
    let provider = IdentityProvider::start();
    provider.answer_once(REVOKE, Reply::silence());
    let patient = HttpClient::new(HttpSettings::default()).unwrap().into();
    let revocation = Revocation::new(patient, address(&provider.at(REVOKE)), who());
    let started = Instant::now();
    let lost = revocation.revoke(&secret("t"), TokenHint::RefreshToken).unwrap_err();
    assert_eq!(
        lost.to_string(),
        format!("the answer of {} was lost: no answer within 5 s", provider.authority())
    );
    assert!(started.elapsed() >= Duration::from_secs(4));
}
