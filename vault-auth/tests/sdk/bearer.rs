//! Clients with a session that refreshes itself.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding};
use vault_auth::clock::{Clock, UnixTime};
use vault_auth::dpop::DeviceKey;
use vault_auth::grant::{GrantError, TokenEndpoint};
use vault_auth::login::{NewLogin, Person, sign_in, sign_out};
use vault_auth::sdk::{Auth, AuthError, AuthKind, BearerBuilder, Client, RefreshableBearerAuth};
use vault_auth::session::SessionKey;
use vault_auth::stored_session::{Login, State, StoredSession};
use vault_auth::token::{TokenSet, TokenType};
use vault_auth::token_store::{MemoryStore, TokenStore};
use vault_core::secret::SecretString;

use crate::backend::{Answer, Backend};

const START: UnixTime = 1_800_000_000;
const LIFE: i64 = 900;

fn key() -> SessionKey {
    SessionKey { tenant: "acme".into(), client_id: "sdk".into(), environment: "https://api.example".into() }
}

#[derive(Debug)]
struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> UnixTime {
        self.0.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _pause: Duration) {}
}

/// A server that takes each refresh token once.
#[derive(Debug, Clone)]
struct Rotating {
    newest: Arc<AtomicU64>,
    clock: Arc<SetClock>,
}

impl TokenEndpoint for Rotating {
    fn refresh(&self, refresh_token: &SecretString) -> Result<TokenSet, GrantError> {
        let newest = self.newest.load(Ordering::SeqCst);
        if refresh_token.expose_secret() != format!("refresh-{newest}") {
            return Err(GrantError::Rejected { host: "auth.example".into(), description: None });
        }
        self.newest.store(newest + 1, Ordering::SeqCst);
        Ok(tokens(newest + 1, self.clock.now()))
    }
}

fn tokens(serial: u64, now: UnixTime) -> TokenSet {
    TokenSet {
        access_token: SecretString::new(format!("access-{serial}")),
        token_type: TokenType::Bearer,
        refresh_token: Some(SecretString::new(format!("refresh-{serial}"))),
        id_token: None,
        received_at: now,
        expires_at: Some(now + LIFE),
        scopes: Vec::new(),
    }
}

/// A program with a server and a clock.
struct Program {
    clock: Arc<SetClock>,
    server: Rotating,
}

impl Program {
    fn new() -> Self {
        let clock = Arc::new(SetClock(START.into()));
        Self { server: Rotating { newest: Arc::new(1.into()), clock: Arc::clone(&clock) }, clock }
    }

    fn advance(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds, Ordering::SeqCst);
    }

    fn refreshes(&self) -> u64 {
        self.server.newest.load(Ordering::SeqCst) - 1
    }

    fn dress(&self, builder: BearerBuilder) -> BearerBuilder {
        let server = self.server.clone();
        let endpoint = move |_: &StoredSession| Ok(Box::new(server.clone()) as Box<dyn TokenEndpoint>);
        builder.token_endpoint(endpoint).clock(self.clock.clone())
    }

    /// Starts with the first tokens, whatever became of them.
    fn with_first_tokens(&self) -> BearerBuilder {
        self.dress(RefreshableBearerAuth::with_tokens(key(), tokens(1, START)))
    }
}

fn call(auth: &Arc<RefreshableBearerAuth>, answers: &[Answer]) -> (Result<u16, AuthError>, Vec<String>) {
    let backend = Backend::answering(answers.to_vec());
    let (auth, transport) = (Arc::clone(auth), Arc::clone(&backend));
    let client = Client::builder().base_url("https://api.example").shared_auth(auth).transport(transport);
    let answer = client.build().unwrap().get("/v1/agents").map(|response| response.status());
    (answer, backend.seen("authorization"))
}

#[test]
fn es_08_without_a_place_for_new_tokens_nothing_is_built() {
    let program = Program::new();
    let error = program.with_first_tokens().build().unwrap_err();
    assert!(matches!(error, AuthError::Configuration(_)));
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("a store, a hook, or `ephemeral`"), "{source}");
    program.with_first_tokens().ephemeral().build().unwrap();
    program.with_first_tokens().store(Arc::new(MemoryStore::new())).build().unwrap();
    program.with_first_tokens().on_tokens_refreshed(|_, _| Ok(())).build().unwrap();
    assert!(program.dress(RefreshableBearerAuth::stored(key())).ephemeral().build().is_err());
    let endless = RefreshableBearerAuth::with_tokens(key(), tokens(1, START)).ephemeral();
    assert!(endless.build().is_err(), "no token endpoint");
}

#[test]
fn es_06_a_token_near_its_end_is_refreshed_before_the_request() {
    let program = Program::new();
    let auth = Arc::new(program.with_first_tokens().ephemeral().build().unwrap());
    assert_eq!(auth.kind(), AuthKind::Session);
    assert_eq!(call(&auth, &[]).1, ["Bearer access-1"]);
    program.advance(LIFE - 10);
    assert_eq!(call(&auth, &[]).1, ["Bearer access-2"]);
    assert_eq!(call(&auth, &[]).1, ["Bearer access-2"]);
    assert_eq!(program.refreshes(), 1);
}

#[test]
fn a_leeway_refreshes_earlier() {
    let program = Program::new();
    let builder = program.with_first_tokens().ephemeral().leeway(Duration::from_secs(300));
    let auth = Arc::new(builder.build().unwrap());
    program.advance(LIFE - 299);
    assert_eq!(call(&auth, &[]).1, ["Bearer access-2"]);
}

#[test]
fn a_leeway_does_not_send_the_token_of_a_refresh_that_was_cut_off() {
    let program = Program::new();
    let store: Arc<dyn TokenStore> = Arc::new(MemoryStore::new());
    let builder = program.with_first_tokens().store(Arc::clone(&store)).leeway(Duration::from_secs(300));
    let auth = Arc::new(builder.build().unwrap());
    let cut_off = store.load(&key()).unwrap().unwrap().begin(START).unwrap();
    store.save(&store.lock(&key(), Duration::ZERO).unwrap(), cut_off.session()).unwrap();
    program.advance(LIFE - 299);
    assert_eq!((call(&auth, &[]).1, program.refreshes()), (vec!["Bearer access-1".to_owned()], 0));
    program.advance(299);
    assert_eq!((call(&auth, &[]).1, program.refreshes()), (vec!["Bearer access-2".to_owned()], 1));
}

#[test]
fn a_401_refreshes_once_and_sends_once_more() {
    let program = Program::new();
    let auth = Arc::new(program.with_first_tokens().ephemeral().build().unwrap());
    let refused = (401, &[][..], String::new());
    let (answer, sent) = call(&auth, std::slice::from_ref(&refused));
    assert_eq!(
        (answer.unwrap(), sent),
        (200, vec!["Bearer access-1".to_owned(), "Bearer access-2".to_owned()])
    );
    let (answer, sent) = call(&auth, &[refused.clone(), refused]);
    assert!(matches!(answer, Err(AuthError::ReauthRequired(_))));
    assert_eq!((sent.len(), program.refreshes()), (2, 2), "no third time");
}

#[test]
fn a_401_without_another_token_is_the_end_of_it() {
    let program = Program::new();
    let auth = Arc::new(program.with_first_tokens().ephemeral().build().unwrap());
    program.server.newest.store(9, Ordering::SeqCst);
    let (answer, sent) = call(&auth, &[(401, &[], String::new())]);
    let error = answer.unwrap_err();
    assert_eq!((error.exit_code(), error.is_retryable(), sent.len()), (3, false, 1));
}

/// Calls so often with a token that is bound to a device key, and returns which tokens were sent with which nonces.
fn bound_calls(program: &Program, calls: usize, answers: &[Answer]) -> Vec<(String, Option<String>)> {
    let first = TokenSet { token_type: TokenType::Dpop, ..tokens(1, START) };
    let device = Arc::new(DeviceKey::open(&DeviceKey::generate().unwrap()).unwrap());
    let builder = program.dress(RefreshableBearerAuth::with_tokens(key(), first)).device_key(device);
    let auth = Arc::new(builder.ephemeral().build().unwrap());
    let backend = Backend::answering(answers.to_vec());
    let transport = Arc::clone(&backend);
    let client = Client::builder().base_url("https://api.example").shared_auth(auth).transport(transport);
    let client = client.build().unwrap();
    (0..calls).for_each(|_| drop(client.get("/v1/agents")));
    let nonce = |proof: String| {
        let claims = Base64UrlUnpadded::decode_vec(proof.split('.').nth(1).unwrap()).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        claims["nonce"].as_str().map(str::to_owned)
    };
    let proofs = backend.seen("dpop").into_iter().map(nonce).chain(std::iter::repeat(None));
    backend.seen("authorization").into_iter().zip(proofs).collect()
}

#[test]
fn a_server_that_demands_a_nonce_gets_it_with_the_same_token() {
    let sent = [("DPoP access-1".to_owned(), None), ("DPoP access-1".to_owned(), Some("n-1".to_owned()))];
    for challenge in [
        "DPoP error=\"use_dpop_nonce\", error_description=\"a nonce is needed\"",
        "dpop realm=\"x\",ERROR=\"Use_DPoP_Nonce\"",
        "DPoP error=use_dpop_nonce",
    ] {
        let program = Program::new();
        let headers = vec![("www-authenticate", challenge), ("dpop-nonce", "n-1")];
        let headers: &'static [_] = headers.leak();
        assert_eq!(bound_calls(&program, 1, &[(401, headers, String::new())]), sent, "{challenge}");
        assert_eq!(program.refreshes(), 0, "{challenge}");
    }
}

#[test]
fn a_nonce_that_was_sent_and_is_demanded_again_is_not_sent_again() {
    let program = Program::new();
    let demand: Answer =
        (401, &[("www-authenticate", "DPoP error=\"use_dpop_nonce\""), ("dpop-nonce", "n-1")], String::new());
    let sent = bound_calls(&program, 2, &[demand.clone(), (200, &[], String::new()), demand]);
    let tokens: Vec<&str> = sent.iter().map(|(token, _)| token.as_str()).collect();
    assert_eq!(tokens, ["DPoP access-1", "DPoP access-1", "DPoP access-1", "Bearer access-2"]);
    assert_eq!((&sent[2].1, program.refreshes()), (&Some("n-1".to_owned()), 1));
}

#[test]
fn a_nonce_beside_another_refusal_is_no_demand_and_the_token_is_refreshed() {
    for challenge in ["DPoP error=\"invalid_token\"", "DPoP error_description=\"use_dpop_nonce\"", "DPoP", ""]
    {
        let program = Program::new();
        let headers = vec![("www-authenticate", challenge), ("dpop-nonce", "n-1")];
        let sent = bound_calls(&program, 1, &[(401, headers.leak(), String::new())]);
        assert_eq!(
            (sent.len(), &sent[1].0[..], program.refreshes()),
            (2, "Bearer access-2", 1),
            "{challenge}"
        );
    }
}

#[test]
fn es_08_a_restart_with_the_first_tokens_uses_those_of_the_store() {
    let program = Program::new();
    let store: Arc<dyn TokenStore> = Arc::new(MemoryStore::new());
    for start in 1..=3 {
        let auth = Arc::new(program.with_first_tokens().store(Arc::clone(&store)).build().unwrap());
        program.advance(LIFE);
        assert_eq!(call(&auth, &[]).1, [format!("Bearer access-{}", start + 1)]);
    }
    let stored = Arc::new(program.dress(RefreshableBearerAuth::stored(key())).store(store).build().unwrap());
    assert_eq!(call(&stored, &[]).1, ["Bearer access-4"]);
}

#[test]
fn a_restart_after_a_logout_does_not_bring_the_first_tokens_back() {
    let program = Program::new();
    let store: Arc<dyn TokenStore> = Arc::new(MemoryStore::new());
    let start = || program.with_first_tokens().store(Arc::clone(&store)).build();
    start().unwrap();
    sign_out(&*store, &key(), Duration::ZERO).unwrap().unwrap();
    assert!(matches!(start(), Err(AuthError::NotAuthenticated { .. })));
    assert_eq!(*store.load(&key()).unwrap().unwrap().state(), State::SignedOut);
    let new = NewLogin { key: key(), login: Login::default(), client_secret: None, tokens: tokens(1, START) };
    sign_in(&*store, new, Person::Same, Duration::ZERO).unwrap();
    assert_eq!(call(&Arc::new(start().unwrap()), &[]).1, ["Bearer access-1"]);
}

#[test]
fn a_session_that_the_server_has_ended_gives_way_to_other_tokens_and_not_to_its_own() {
    let program = Program::new();
    let store: Arc<dyn TokenStore> = Arc::new(MemoryStore::new());
    let login = Login { token_endpoint: "https://auth.example/token".into(), ..Login::default() };
    let client_secret = Some(SecretString::new("secret".into()));
    let ended = NewLogin { key: key(), login, client_secret, tokens: tokens(7, START) };
    sign_in(&*store, ended, Person::Same, Duration::ZERO).unwrap();
    program.advance(LIFE);
    let start = |serial, now| {
        let builder = RefreshableBearerAuth::with_tokens(key(), tokens(serial, now));
        Arc::new(program.dress(builder).store(Arc::clone(&store)).build().unwrap())
    };
    for _ in 0..2 {
        let (answer, sent) = call(&start(7, START + LIFE), &[]);
        assert!(matches!(answer, Err(AuthError::ReauthRequired(_))) && sent.is_empty());
    }
    assert_eq!(call(&start(1, START + LIFE), &[]).1, ["Bearer access-1"]);
    let session = store.load(&key()).unwrap().unwrap();
    assert_eq!((session.generation(), session.state()), (2, &State::Valid));
    assert_eq!(session.login().token_endpoint, "https://auth.example/token");
    assert_eq!(session.client_secret().unwrap().expose_secret(), "secret");
    program.advance(LIFE);
    assert_eq!(call(&start(1, START + LIFE), &[]).1, ["Bearer access-2"]);
}

#[test]
fn a_store_without_the_session_is_not_signed_in() {
    let program = Program::new();
    let builder = program.dress(RefreshableBearerAuth::stored(key())).store(Arc::new(MemoryStore::new()));
    let (answer, sent) = call(&Arc::new(builder.build().unwrap()), &[]);
    assert!(matches!(answer, Err(AuthError::NotAuthenticated { .. })) && sent.is_empty());
}

#[test]
fn es_07_the_hook_gets_each_new_pair_once() {
    let program = Program::new();
    let pairs = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&pairs);
    let hook = move |before: u64, session: &StoredSession| {
        let refresh = session.refresh_token().unwrap().expose_secret().to_owned();
        seen.lock().unwrap().push((before, refresh));
        Ok(())
    };
    let auth = Arc::new(program.with_first_tokens().on_tokens_refreshed(hook).build().unwrap());
    for _ in 0..2 {
        program.advance(LIFE);
        call(&auth, &[]).0.unwrap();
        call(&auth, &[]).0.unwrap();
    }
    assert_eq!(*pairs.lock().unwrap(), [(1, "refresh-2".to_owned()), (2, "refresh-3".to_owned())]);
}

#[test]
fn ct_12_tokens_are_not_used_before_the_hook_that_is_the_save_has_them() {
    let program = Program::new();
    let (works, called) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let (may, count) = (Arc::clone(&works), Arc::clone(&called));
    let hook = move |_: u64, _: &StoredSession| {
        count.fetch_add(1, Ordering::SeqCst);
        if may.load(Ordering::SeqCst) { Ok(()) } else { Err("the database is away".into()) }
    };
    let auth = Arc::new(program.with_first_tokens().on_tokens_refreshed(hook).build().unwrap());
    program.advance(LIFE);
    for _ in 0..2 {
        let (answer, sent) = call(&auth, &[]);
        let error = answer.unwrap_err();
        assert!(matches!(error, AuthError::PersistFailed(_)) && sent.is_empty());
        assert_eq!((error.exit_code(), error.is_retryable()), (1, true));
    }
    works.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        assert_eq!(call(&auth, &[]).1, ["Bearer access-2"]);
    }
    assert_eq!((program.refreshes(), called.load(Ordering::SeqCst)), (1, 3));
}

#[test]
fn ct_12_beside_a_store_a_failing_hook_is_told_and_the_tokens_are_used() {
    let program = Program::new();
    let works = Arc::new(AtomicBool::new(false));
    let may = Arc::clone(&works);
    let builder = program.with_first_tokens().store(Arc::new(MemoryStore::new()));
    let builder = builder.on_tokens_refreshed(move |_, _| {
        if may.load(Ordering::SeqCst) { Ok(()) } else { Err("the database is away".into()) }
    });
    let auth = Arc::new(builder.build().unwrap());
    program.advance(LIFE);
    assert_eq!(call(&auth, &[]).1, ["Bearer access-2"]);
    assert_eq!(auth.last_persist_error().as_deref(), Some("the database is away"));
    works.store(true, Ordering::SeqCst);
    program.advance(LIFE);
    assert_eq!(call(&auth, &[]).1, ["Bearer access-3"]);
    assert_eq!(auth.last_persist_error(), None);
}

#[test]
fn debug_shows_no_token() {
    let program = Program::new();
    let builder = program.with_first_tokens().ephemeral();
    let shown = format!("{builder:?}");
    let shown = format!("{shown}{:?}", builder.build().unwrap());
    assert!(!shown.contains("access-1") && !shown.contains("refresh-1"), "{shown}");
}
