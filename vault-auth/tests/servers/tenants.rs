//! Asking a backend for its tenants.

use keyward_tests::http_server::Reply;
use keyward_tests::identity_provider::{IdentityProvider, TENANTS};
use serde_json::{Value, json};
use vault_auth::grant::GrantError;
use vault_auth::protected::Presented;
use vault_auth::tenants::{self, Tenant};

use crate::{address, client, secret};

fn list(provider: &IdentityProvider, token: &str) -> Result<Option<Vec<Tenant>>, GrantError> {
    tenants::list(&client(), &address(provider.issuer()), Presented::Bearer(&secret(token)))
}

fn ids(provider: &IdentityProvider, said: &Value) -> Vec<String> {
    provider.answer_once(TENANTS, Reply::json(200, said));
    let listed = list(provider, "t").unwrap().unwrap();
    listed.iter().map(|tenant| tenant.id.to_string()).collect()
}

#[test]
fn ak_06_a_backend_lists_its_tenants() {
    let provider = IdentityProvider::start();
    let listed = list(&provider, &provider.grant().access).unwrap().unwrap();
    let shown = |tenant: &Tenant| (tenant.id.to_string(), tenant.name.as_ref().map(ToString::to_string));
    let acme = ("acme".to_owned(), Some("Acme Corporation".to_owned()));
    assert_eq!((listed.len(), shown(&listed[0])), (2, acme));
}

#[test]
fn a_list_comes_bare_or_named_and_what_has_no_id_is_left_out() {
    let provider = IdentityProvider::start();
    let tenants = json!([{ "id": "a" }, { "name": "nobody" }, { "id": 7, "name": 8 }, { "id": "" }]);
    assert_eq!(ids(&provider, &tenants), ["a", "7"]);
    assert_eq!(ids(&provider, &json!({ "tenants": tenants })), ["a", "7"]);
    assert!(ids(&provider, &json!([{ "id": "a\u{1b}[2J\u{202e}" }]))[0].is_ascii());
}

#[test]
fn ak_06_who_may_not_list_them_is_told_from_who_is_not_known() {
    let provider = IdentityProvider::start();
    for status in [403, 404] {
        provider.answer_once(TENANTS, Reply::error(status, "forbidden"));
        assert_eq!(list(&provider, "t").unwrap(), None);
    }
    assert!(matches!(list(&provider, "wrong"), Err(GrantError::Rejected { .. })));
    provider.answer_once(TENANTS, Reply::empty(503));
    assert!(matches!(list(&provider, "t"), Err(GrantError::Unavailable { .. })));
    for reply in [Reply::text(200, "text/html", "<h1>hotel</h1>"), Reply::json(200, &json!({ "data": [] }))] {
        provider.answer_once(TENANTS, reply);
        assert!(matches!(list(&provider, "t"), Err(GrantError::NoAnswer { .. })));
    }
}
