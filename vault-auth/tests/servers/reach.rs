//! How far a request came: what surely did not arrive, and what may have.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use keyward_tests::authority::Authority;
use keyward_tests::http_server::{HttpServer, Reply};
use keyward_tests::identity_provider::{IdentityProvider, TOKEN};
use vault_auth::grant::{GrantError, TokenEndpoint};
use vault_auth::http::{HttpSettings, ProxySettings};
use vault_auth::metadata::Metadata;
use vault_auth::token_endpoint::HttpTokenEndpoint;

use crate::{address, client, client_of, endpoint, secret, who};

fn refresh_at(settings: HttpSettings, token_endpoint: &str) -> GrantError {
    let endpoint = HttpTokenEndpoint::new(client_of(settings), address(token_endpoint), who());
    endpoint.refresh(&secret("canary-refresh")).unwrap_err()
}

#[track_caller]
fn surely_did_not_arrive(error: &GrantError, reason: &str) {
    assert!(matches!(error, GrantError::NotReached { .. }), "{error}");
    assert!(error.to_string().contains(reason), "{error}");
}

#[test]
fn a_closed_port_was_not_reached() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = refresh_at(HttpSettings::default(), &format!("http://{free}/token"));
    surely_did_not_arrive(&error, "refused");
    assert!(error.to_string().starts_with(&format!("cannot reach {free}: ")), "{error}");
}

#[test]
fn a_name_that_is_none_was_not_reached() {
    let error = refresh_at(HttpSettings::default(), "https://nothing.invalid/token");
    assert!(matches!(error, GrantError::NotReached { .. }), "{error}");
}

#[test]
fn a_server_without_tls_was_not_reached_by_https() {
    let provider = IdentityProvider::start();
    let error = refresh_at(HttpSettings::default(), &format!("https://127.0.0.1:{}/token", provider.port()));
    surely_did_not_arrive(&error, "end of file");
    assert!(provider.requests(TOKEN).is_empty());
}

#[test]
fn a_handshake_that_never_ends_was_not_reached() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let error =
        refresh_at(HttpSettings::default(), &format!("https://{}/token", silent.local_addr().unwrap()));
    surely_did_not_arrive(&error, "no connection in time");
}

#[test]
fn a_certificate_of_an_unknown_authority_was_not_reached() {
    let authority = Authority::new();
    let provider = IdentityProvider::start_tls(&authority, "devinc.localhost");
    let error = refresh_at(HttpSettings::default(), &provider.at(TOKEN));
    surely_did_not_arrive(&error, "certificate");
    assert!(provider.requests(TOKEN).is_empty(), "the token left the machine");
}

#[test]
fn a_certificate_for_another_name_was_not_reached() {
    let authority = Authority::new();
    let provider = IdentityProvider::start_tls(&authority, "devinc.localhost");
    let settings = HttpSettings { additional_roots: Some(authority.pem()), ..HttpSettings::default() };
    let error = refresh_at(settings, &format!("https://other.localhost:{}/token", provider.port()));
    surely_did_not_arrive(&error, "certificate");
    assert!(provider.requests(TOKEN).is_empty());
}

#[test]
fn ec_17_a_name_below_localhost_with_a_port_and_a_private_authority_works() {
    let authority = Authority::new();
    let provider = IdentityProvider::start_tls(&authority, "devinc.localhost");
    let settings = || HttpSettings { additional_roots: Some(authority.pem()), ..HttpSettings::default() };
    let http = client_of(settings());
    let metadata = Metadata::discover(&http, &address(provider.issuer())).unwrap();
    assert_eq!(metadata.issuer, format!("https://devinc.localhost:{}", provider.port()));
}

/// A corporate authority is trusted by every request and not by the login's alone.
#[test]
fn a_corporate_authority_is_trusted_by_every_request() {
    let authority = Authority::new();
    let provider = IdentityProvider::start_tls(&authority, "devinc.localhost");
    let http = client_of(HttpSettings { additional_roots: Some(authority.pem()), ..HttpSettings::default() });
    let metadata = Metadata::discover(&http, &address(provider.issuer())).unwrap();
    let endpoint = HttpTokenEndpoint::new(http, metadata.token_endpoint, who());
    assert!(endpoint.refresh(&secret(&provider.grant().refresh)).is_ok());
}

#[test]
fn ct_13_answers_that_got_lost_on_the_way_may_have_spent_the_token() {
    for (reply, reason) in [
        (Reply::reset(), "reset"),
        (Reply::silence(), "no answer within 3 s"),
        (Reply::garbage(), "no HTTP"),
        (
            Reply::json(200, &serde_json::json!({ "access_token": "canary-access" })).cut_after(9),
            "disconnected",
        ),
        (Reply::text(200, "application/json", &"x".repeat(100_000)).cut_after(70_000), "disconnected"),
    ] {
        let provider = IdentityProvider::start();
        provider.answer_once(TOKEN, reply);
        let error = endpoint(&provider).refresh(&secret("canary-refresh")).unwrap_err();
        assert!(matches!(error, GrantError::AnswerLost { .. }), "{reason}: {error}");
        assert!(error.to_string().contains(reason), "{reason}: {error}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        assert_eq!(provider.requests(TOKEN).len(), 1, "{reason}: whoever asks decides whether to ask again");
    }
}

#[test]
fn ct_13_a_body_of_ten_mebibytes_and_headers_without_end_are_given_up() {
    let long = "x".repeat(10 << 20);
    for (reply, found) in [
        (Reply::text(200, "application/json", &long), "more than 1 MiB"),
        (Reply::empty(200).with("X-Long", &long), "headers without end"),
    ] {
        let provider = IdentityProvider::start();
        provider.answer_once(TOKEN, reply);
        let error = endpoint(&provider).refresh(&secret("r")).unwrap_err();
        assert!(matches!(error, GrantError::NoAnswer { .. }), "{error}");
        assert!(error.to_string().contains(found), "{error}");
    }
}

#[test]
fn a_redirect_is_not_followed_with_a_token() {
    let (provider, elsewhere) = (IdentityProvider::start(), IdentityProvider::start());
    for status in [301, 302, 303, 307, 308] {
        provider.answer_once(TOKEN, Reply::empty(status).with("Location", &elsewhere.at(TOKEN)));
        let error = endpoint(&provider).refresh(&secret("canary-refresh")).unwrap_err();
        assert!(error.to_string().contains("a redirect"), "{status}: {error}");
    }
    assert!(elsewhere.requests(TOKEN).is_empty());
}

#[test]
fn a_request_says_who_asks_and_wants_json() {
    let provider = IdentityProvider::start();
    let endpoint = endpoint(&provider);
    endpoint.refresh(&secret(&provider.grant().refresh)).unwrap();
    let request = &provider.requests(TOKEN)[0];
    assert_eq!(request.header("user-agent"), Some(concat!("keyward/", env!("CARGO_PKG_VERSION"))));
    assert_eq!(request.header("accept"), Some("application/json"));
    assert_eq!(request.header("authorization"), None);
}

#[test]
fn this_machine_is_asked_directly_and_others_through_the_proxy() {
    let (seen, requests) = std::sync::mpsc::channel();
    let proxy = HttpServer::start(move |request| {
        seen.send(request.clone()).unwrap();
        Reply::empty(407)
    });
    let through = |exceptions: &str| HttpSettings {
        proxy: Some(ProxySettings {
            address: secret(&format!("http://ana:canary@127.0.0.1:{}", proxy.port())),
            exceptions: exceptions.into(),
        }),
        ..HttpSettings::default()
    };
    let error = refresh_at(through(""), "https://id.invalid/token");
    surely_did_not_arrive(&error, "the proxy does not connect");
    assert!(!format!("{error} {error:?}").contains("canary"));
    let connect = requests.try_recv().unwrap();
    assert_eq!((connect.method.as_str(), connect.path.as_str()), ("CONNECT", "id.invalid:443"));

    let provider = IdentityProvider::start();
    let endpoint = HttpTokenEndpoint::new(client_of(through("")), address(&provider.at(TOKEN)), who());
    assert!(endpoint.refresh(&secret(&provider.grant().refresh)).is_ok());
    assert!(matches!(
        refresh_at(through("invalid"), "https://id.invalid/token"),
        GrantError::NotReached { .. }
    ));
    assert!(requests.try_recv().is_err(), "the proxy was asked for a host that is an exception");
}

#[test]
fn ct_13_a_silent_server_takes_no_longer_than_the_time_it_was_given() {
    let provider = IdentityProvider::start();
    provider.answer_once(TOKEN, Reply::silence());
    let started = Instant::now();
    endpoint(&provider).refresh(&secret("r")).unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[test]
fn the_servers_clock_is_compared_with_this_ones() {
    let provider = IdentityProvider::start();
    let http = client();
    assert_eq!(http.clock_skew(&address(provider.issuer())), None);
    let ask = || Metadata::discover(&http, &address(provider.issuer()));
    assert!(ask().is_ok());
    assert_eq!(http.clock_skew(&address(provider.issuer())), None, "the server does not say what time it is");
    let skewed = Reply::empty(404).with("Date", "Sun, 06 Nov 1994 08:49:37 GMT");
    provider.answer_always(keyward_tests::identity_provider::DISCOVERY, skewed);
    assert!(ask().is_err());
    assert!(http.clock_skew(&address(provider.issuer())).unwrap() < -86_400 * 365 * 30);
}
