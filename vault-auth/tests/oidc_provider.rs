//! The client against `oidc-provider` of npm: a provider that nobody here wrote.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use keyward_tests::oidc_provider::OidcProvider;
use vault_auth::address::Address;
use vault_auth::clock::SystemClock;
use vault_auth::device::{Opening, PendingLogin, PollError, PollWatch, poll};
use vault_auth::dpop::{ALGORITHM, DeviceKey};
use vault_auth::grant::{GrantError, TokenEndpoint};
use vault_auth::http::{Exchange, ExchangeLog, HttpClient, HttpSettings};
use vault_auth::id_token::{Expected, IdTokenError, Identity};
use vault_auth::jwks::KeySet;
use vault_auth::metadata::{Metadata, MetadataError};
use vault_auth::protected::Presented;
use vault_auth::revocation::{Revocation, TokenHint};
use vault_auth::token::{TokenSet, TokenType};
use vault_auth::token_endpoint::{HttpTokenEndpoint, OauthClient};
use vault_auth::userinfo;
use vault_auth::whoami::Whoami;
use vault_core::secret::SecretString;

#[derive(Debug)]
struct Nobody;

impl PollWatch for Nobody {}

#[derive(Debug, Default)]
struct Counted(AtomicUsize);

impl ExchangeLog for Counted {
    fn record(&self, _: &Exchange) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A program that talks to the provider.
struct Program {
    http: Arc<HttpClient>,
    metadata: Metadata,
    client: Arc<OauthClient>,
    endpoint: HttpTokenEndpoint,
}

impl Program {
    fn new(provider: &OidcProvider, device_key: Option<Arc<DeviceKey>>) -> Self {
        let http = Arc::new(HttpClient::new(HttpSettings::default()).unwrap());
        let metadata = Metadata::discover(&http, &Address::parse(provider.issuer()).unwrap()).unwrap();
        let scopes = ["openid", "offline_access", "email"].map(str::to_owned).into();
        let client = OauthClient { client_id: "keyward".into(), client_secret: None, scopes, audience: None };
        let client = Arc::new(client);
        let endpoint =
            HttpTokenEndpoint::new(Arc::clone(&http), metadata.token_endpoint.clone(), Arc::clone(&client));
        let endpoint = match device_key {
            Some(key) => endpoint.bound_to(key),
            None => endpoint,
        };
        Self { http, metadata, client, endpoint }
    }

    fn begin(&self) -> PendingLogin {
        let address = self.metadata.device_authorization_endpoint.as_ref().unwrap();
        let mut login = PendingLogin::request(&self.http, address, &self.client).unwrap();
        // The provider does not say: a test does not wait five seconds for each request.
        assert_eq!(login.interval, 5);
        login.interval = 1;
        login
    }

    fn complete(&self, login: &PendingLogin) -> Result<TokenSet, PollError> {
        poll(login, &self.endpoint, &SystemClock::new(), Some(Duration::from_secs(60)), &Nobody)
    }

    fn sign_in(&self, provider: &OidcProvider) -> TokenSet {
        let login = self.begin();
        provider.approve(login.user_code.as_str(), "ana");
        self.complete(&login).unwrap()
    }

    fn who(&self, presented: Presented<'_>, subject: Option<&str>) -> Result<Whoami, GrantError> {
        userinfo::ask(&self.http, self.metadata.userinfo().unwrap(), presented, subject)
    }

    fn refresh(&self, token: &SecretString) -> Result<TokenSet, GrantError> {
        self.endpoint.refresh(token)
    }
}

fn device_key() -> Arc<DeviceKey> {
    Arc::new(DeviceKey::open(&DeviceKey::generate().unwrap()).unwrap())
}

fn refresh_token(tokens: &TokenSet) -> &SecretString {
    tokens.refresh_token.as_ref().unwrap()
}

#[test]
fn a_person_signs_in_by_a_code_and_the_id_token_says_who() {
    let provider = OidcProvider::start(&[]);
    let program = Program::new(&provider, None);
    let issuer = Address::parse(provider.issuer()).unwrap();
    let login = program.begin();
    assert_eq!(login.opening(&issuer, &[]), Opening::Allowed);
    assert!(login.verification_complete.as_ref().unwrap().as_str().contains(login.user_code.as_str()));
    provider.approve(login.user_code.as_str(), "ana");
    let tokens = program.complete(&login).unwrap();
    assert!(provider.accepts(tokens.access_token.expose_secret()));

    let keys = KeySet::fetch(&program.http, program.metadata.jwks_uri.as_ref().unwrap()).unwrap();
    let id_token = tokens.id_token.as_ref().unwrap();
    let expected = Expected { issuer: provider.issuer(), client_id: "keyward", roles_claim: None };
    let identity = Identity::verify(id_token, &keys, expected, tokens.received_at).unwrap();
    assert_eq!(identity.subject, "ana");
    assert_eq!(identity.email.unwrap().as_str(), "ana@example.com");
    let other = Expected { client_id: "other", ..expected };
    assert_eq!(Identity::verify(id_token, &keys, other, tokens.received_at), Err(IdTokenError::Audience));
}

#[test]
fn the_userinfo_endpoint_says_who_a_token_is_for() {
    let provider = OidcProvider::start(&[]);
    let program = Program::new(&provider, None);
    let tokens = program.sign_in(&provider);
    let who = |subject| program.who(Presented::Bearer(&tokens.access_token), subject);
    let ana = who(Some("ana")).unwrap();
    assert_eq!(ana.user_id.unwrap().as_str(), "ana");
    assert_eq!(ana.email.unwrap().as_str(), "ana@example.com");
    assert!(matches!(who(Some("bob")), Err(GrantError::Unusable { .. })));
    let wrong = SecretString::new("none-of-its-tokens".into());
    assert!(matches!(program.who(Presented::Bearer(&wrong), None), Err(GrantError::Rejected { .. })));
}

#[test]
fn a_bound_token_is_taken_at_the_userinfo_endpoint_with_its_key_alone() {
    let provider = OidcProvider::start(&[("NONCE", "1")]);
    let key = device_key();
    let program = Program::new(&provider, Some(Arc::clone(&key)));
    let token = &program.sign_in(&provider).access_token;
    let ana = program.who(Presented::Dpop { token, key: &key }, Some("ana")).unwrap();
    assert_eq!(ana.user_id.unwrap().as_str(), "ana");
    let other = Presented::Dpop { token, key: &device_key() };
    for refused in [Presented::Bearer(token), other] {
        assert!(matches!(program.who(refused, None), Err(GrantError::Rejected { .. })), "{refused:?}");
    }
}

#[test]
fn a_person_who_says_no_is_heard() {
    let provider = OidcProvider::start(&[]);
    let program = Program::new(&provider, None);
    let login = program.begin();
    provider.deny(login.user_code.as_str());
    assert!(matches!(program.complete(&login), Err(PollError::Denied { .. })));
}

#[test]
fn a_code_that_nobody_approves_ends() {
    let provider = OidcProvider::start(&[("CODE_TTL", "4")]);
    let program = Program::new(&provider, None);
    assert!(matches!(program.complete(&program.begin()), Err(PollError::Expired { .. })));
}

#[test]
fn a_refresh_rotates_and_a_replay_ends_the_whole_grant() {
    let provider = OidcProvider::start(&[]);
    let program = Program::new(&provider, None);
    let first = program.sign_in(&provider);
    let second = program.refresh(refresh_token(&first)).unwrap();
    assert_ne!(refresh_token(&first).expose_secret(), refresh_token(&second).expose_secret());
    assert!(provider.accepts(second.access_token.expose_secret()));
    assert!(matches!(program.refresh(refresh_token(&first)), Err(GrantError::Rejected { .. })));
    assert!(matches!(program.refresh(refresh_token(&second)), Err(GrantError::Rejected { .. })));
    assert!(!provider.accepts(second.access_token.expose_secret()));
}

#[test]
fn es_11_a_revoked_refresh_token_ends_the_grant() {
    let provider = OidcProvider::start(&[]);
    let program = Program::new(&provider, None);
    let tokens = program.sign_in(&provider);
    let address = program.metadata.revocation_endpoint.clone().unwrap();
    let revocation = Revocation::new(Arc::clone(&program.http), address, Arc::clone(&program.client));
    revocation.revoke(refresh_token(&tokens), TokenHint::RefreshToken).unwrap();
    assert!(!provider.accepts(tokens.access_token.expose_secret()));
    assert!(matches!(program.refresh(refresh_token(&tokens)), Err(GrantError::Rejected { .. })));
    assert!(
        revocation.revoke(refresh_token(&tokens), TokenHint::RefreshToken).is_ok(),
        "a second time is fine"
    );
}

#[test]
fn tokens_are_bound_to_the_device_key() {
    let provider = OidcProvider::start(&[("NONCE", "1")]);
    let program = Program::new(&provider, Some(device_key()));
    assert!(program.metadata.dpop_algorithms.iter().any(|name| name == ALGORITHM));
    let first = program.sign_in(&provider);
    assert_eq!(first.token_type, TokenType::Dpop);
    assert!(!provider.accepts(first.access_token.expose_secret()), "it is no bearer token");
    let second = program.refresh(refresh_token(&first)).unwrap();
    assert_eq!(second.token_type, TokenType::Dpop);

    let newest = second.refresh_token.or(first.refresh_token).unwrap();
    let thief = Program::new(&provider, Some(device_key()));
    assert!(matches!(thief.refresh(&newest), Err(GrantError::Rejected { .. })), "another key");
    let unbound = Program::new(&provider, None);
    assert!(unbound.refresh(&newest).is_err(), "no key");
}

/// The provider refuses a proof without its nonce: one request more, once.
#[test]
fn a_provider_that_wants_a_nonce_gets_it() {
    for (nonce, requests) in [("0", 1), ("1", 2)] {
        let provider = OidcProvider::start(&[("NONCE", nonce)]);
        let counted = Arc::new(Counted::default());
        let log = Arc::<Counted>::clone(&counted);
        let http = HttpClient::new(HttpSettings { log: Some(log), ..HttpSettings::default() }).unwrap();
        let address = Address::parse(&format!("{}/token", provider.issuer())).unwrap();
        let client = OauthClient {
            client_id: "keyward".into(),
            client_secret: None,
            scopes: Vec::new(),
            audience: None,
        };
        let endpoint = HttpTokenEndpoint::new(http.into(), address, client.into()).bound_to(device_key());
        let refused = endpoint.refresh(&SecretString::new("none of its tokens".into()));
        assert!(matches!(refused, Err(GrantError::Rejected { .. })), "{refused:?}");
        assert_eq!(counted.0.load(Ordering::SeqCst), requests, "NONCE={nonce}");
    }
}

#[test]
fn an_issuer_that_is_spelled_otherwise_is_refused() {
    let provider = OidcProvider::start(&[]);
    let http = HttpClient::new(HttpSettings::default()).unwrap();
    let spelled = provider.issuer().replace("127.0.0.1", "localhost");
    for issuer in [format!("{}/", provider.issuer()), spelled] {
        let refused = Metadata::discover(&http, &Address::parse(&issuer).unwrap()).unwrap_err();
        assert!(matches!(refused, MetadataError::Issuer { .. }), "{refused}");
    }
}
