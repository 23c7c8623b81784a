//! An identity provider for tests: right by itself, and wrong in any way that a test sets for any of its paths.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64ct::{Base64UrlUnpadded, Encoding};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

use crate::authority::Authority;
use crate::http_server::{HttpServer, Reply, Request};
use crate::token_family::{Grants, Pair, Rotation};

/// Where the provider says what it is.
pub const DISCOVERY: &str = "/.well-known/openid-configuration";

/// Where device logins start.
pub const DEVICE: &str = "/device";

/// Where the keys are.
pub const JWKS: &str = "/jwks";

/// Where tokens are revoked.
pub const REVOKE: &str = "/revoke";

/// Where a backend lists its tenants.
pub const TENANTS: &str = "/v1/tenants";

/// Where tokens are given.
pub const TOKEN: &str = "/token";

/// Where the provider says who a token is for.
pub const USERINFO: &str = "/userinfo";

/// Where a backend says who somebody is.
pub const WHOAMI: &str = "/v1/whoami";

/// A provider that runs until it is dropped.
#[derive(Debug)]
pub struct IdentityProvider {
    server: HttpServer,
    issuer: String,
    state: Arc<Mutex<State>>,
}

/// What a person decided about a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decision {
    Approved,
    Denied,
    Pending,
}

struct State {
    issuer: String,
    key: EcdsaKeyPair,
    random: SystemRandom,
    faults: BTreeMap<String, VecDeque<Reply>>,
    always: BTreeMap<String, Reply>,
    seen: Vec<Request>,
    grants: Grants,
    access_lifetime: u64,
    decisions: BTreeMap<String, Decision>,
    subject: String,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("grants", &self.grants).finish_non_exhaustive()
    }
}

impl IdentityProvider {
    /// Starts a provider that rotates refresh tokens strictly.
    pub fn start() -> Self {
        let state = Arc::new(Mutex::new(State::new()));
        let answering = Arc::clone(&state);
        let server = HttpServer::start(move |request| lock(&answering).answer(request));
        let issuer = format!("http://127.0.0.1:{}", server.port());
        Self::named(server, issuer, state)
    }

    /// Starts a provider with TLS at `host`, which has to be this machine.
    #[track_caller]
    pub fn start_tls(authority: &Authority, host: &str) -> Self {
        let state = Arc::new(Mutex::new(State::new()));
        let answering = Arc::clone(&state);
        let tls = authority.certify(&format!("DNS:{host}"));
        let server = HttpServer::start_tls(tls, move |request| lock(&answering).answer(request));
        let issuer = format!("https://{host}:{}", server.port());
        Self::named(server, issuer, state)
    }

    fn named(server: HttpServer, issuer: String, state: Arc<Mutex<State>>) -> Self {
        lock(&state).issuer.clone_from(&issuer);
        Self { server, issuer, state }
    }

    /// Returns the issuer, which is the address of the server.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Returns the host and the port of the server, as messages name it.
    pub fn authority(&self) -> &str {
        self.issuer.split("://").last().unwrap_or_default()
    }

    /// Returns the address of a path.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// Answers the next request for `path` so, after those that were set before.
    pub fn answer_once(&self, path: &str, reply: Reply) {
        lock(&self.state).faults.entry(path.to_owned()).or_default().push_back(reply);
    }

    /// Answers every request for `path` so, from now on.
    pub fn answer_always(&self, path: &str, reply: Reply) {
        lock(&self.state).always.insert(path.to_owned(), reply);
    }

    /// Says yes to a code.
    pub fn approve(&self, user_code: &str) {
        lock(&self.state).decisions.insert(user_code.to_owned(), Decision::Approved);
    }

    /// Says no to a code.
    pub fn deny(&self, user_code: &str) {
        lock(&self.state).decisions.insert(user_code.to_owned(), Decision::Denied);
    }

    /// Grants without a person, and returns the tokens.
    pub fn grant(&self) -> Pair {
        lock(&self.state).grants.grant()
    }

    /// Returns the requests for `path` so far.
    pub fn requests(&self, path: &str) -> Vec<Request> {
        lock(&self.state).seen.iter().filter(|request| request.path == path).cloned().collect()
    }

    /// Sets what becomes of refresh tokens.
    pub fn set_rotation(&self, rotation: Rotation) {
        lock(&self.state).grants.set_rotation(rotation);
    }

    /// Sets how many seconds access tokens live.
    pub fn set_access_lifetime(&self, seconds: u64) {
        lock(&self.state).access_lifetime = seconds;
    }

    /// Sets who signs in.
    pub fn set_subject(&self, subject: &str) {
        subject.clone_into(&mut lock(&self.state).subject);
    }

    /// Looks at the grants.
    pub fn with_grants<T>(&self, look: impl FnOnce(&mut Grants) -> T) -> T {
        look(&mut lock(&self.state).grants)
    }

    /// Signs claims as the provider signs ID tokens.
    pub fn sign(&self, claims: &Value) -> String {
        lock(&self.state).sign(claims)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn new() -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random);
        Self {
            issuer: String::new(),
            key: key.expect("the key"),
            random,
            faults: BTreeMap::new(),
            always: BTreeMap::new(),
            seen: Vec::new(),
            grants: Grants::new(Rotation::Strict),
            access_lifetime: 900,
            decisions: BTreeMap::new(),
            subject: "ana".to_owned(),
        }
    }

    fn answer(&mut self, request: &Request) -> Reply {
        self.seen.push(request.clone());
        if let Some(reply) = self.faults.get_mut(&request.path).and_then(VecDeque::pop_front) {
            return reply;
        }
        if let Some(reply) = self.always.get(&request.path) {
            return reply.clone();
        }
        match request.path.as_str() {
            DISCOVERY => Reply::json(200, &self.metadata()),
            DEVICE => self.start_login(),
            JWKS => Reply::json(200, &self.keys()),
            REVOKE => {
                self.grants.revoke(&request.field("token").unwrap_or_default());
                Reply::empty(200)
            }
            TENANTS => self.tenants(request),
            TOKEN => self.token(request),
            USERINFO => self.userinfo(request),
            WHOAMI => self.whoami(request),
            _ => Reply::text(404, "text/html", "<h1>nothing here</h1>"),
        }
    }

    fn metadata(&self) -> Value {
        let at = |path: &str| format!("{}{path}", self.issuer);
        json!({
            "issuer": self.issuer,
            "token_endpoint": at(TOKEN),
            "device_authorization_endpoint": at(DEVICE),
            "revocation_endpoint": at(REVOKE),
            "userinfo_endpoint": at(USERINFO),
            "jwks_uri": at(JWKS),
            "scopes_supported": ["openid", "offline_access", "email"],
            "dpop_signing_alg_values_supported": ["ES256"],
        })
    }

    fn start_login(&mut self) -> Reply {
        let number = self.decisions.len();
        let user_code = format!("CODE-{number:04}");
        self.decisions.insert(user_code.clone(), Decision::Pending);
        Reply::json(
            200,
            &json!({
                "device_code": format!("device-{user_code}"),
                "user_code": user_code,
                "verification_uri": format!("{}/activate", self.issuer),
                "verification_uri_complete": format!("{}/activate?user_code={user_code}", self.issuer),
                "expires_in": 600,
                "interval": 1,
            }),
        )
    }

    fn token(&mut self, request: &Request) -> Reply {
        let field = |name: &str| request.field(name).unwrap_or_default();
        if field("grant_type") == "refresh_token" {
            let pair = self.grants.refresh(&field("refresh_token"));
            return pair.map_or_else(|| Reply::error(400, "invalid_grant"), |pair| self.tokens(&pair, None));
        }
        let code = field("device_code");
        let user_code = code.strip_prefix("device-").unwrap_or_default();
        match self.decisions.get(user_code) {
            None => Reply::error(400, "expired_token"),
            Some(Decision::Denied) => Reply::error(400, "access_denied"),
            Some(Decision::Pending) => Reply::error(400, "authorization_pending"),
            Some(Decision::Approved) => {
                self.decisions.insert(user_code.to_owned(), Decision::Denied);
                let id_token = self.id_token(&field("client_id"));
                let pair = self.grants.grant();
                self.tokens(&pair, Some(id_token))
            }
        }
    }

    fn tokens(&self, pair: &Pair, id_token: Option<String>) -> Reply {
        Reply::json(
            200,
            &json!({
                "access_token": pair.access,
                "refresh_token": pair.refresh,
                "token_type": "Bearer",
                "expires_in": self.access_lifetime,
                "scope": "openid offline_access",
                "id_token": id_token,
            }),
        )
    }

    fn accepts(&self, request: &Request) -> bool {
        let token = request.header("authorization").and_then(|header| header.strip_prefix("Bearer "));
        token.is_some_and(|token| self.grants.accepts(token) || token.starts_with("kw_"))
    }

    fn tenants(&self, request: &Request) -> Reply {
        if !self.accepts(request) {
            return Reply::error(401, "invalid_token");
        }
        let tenants =
            json!([{ "id": "acme", "name": "Acme Corporation" }, { "id": "globex", "name": "Globex" }]);
        Reply::json(200, &json!({ "tenants": tenants }))
    }

    fn userinfo(&self, request: &Request) -> Reply {
        if !self.accepts(request) {
            return Reply::error(401, "invalid_token");
        }
        let email = format!("{}@example.com", self.subject);
        Reply::json(200, &json!({ "sub": self.subject, "email": email }))
    }

    fn whoami(&self, request: &Request) -> Reply {
        if !self.accepts(request) {
            return Reply::error(401, "invalid_token");
        }
        let email = format!("{}@example.com", self.subject);
        Reply::json(
            200,
            &json!({ "principal": self.subject, "email": email, "user_id": 7, "tenant": "acme", "roles": ["viewer"] }),
        )
    }

    fn id_token(&self, client_id: &str) -> String {
        let now =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_secs();
        self.sign(&json!({
            "iss": self.issuer, "sub": self.subject, "aud": client_id, "iat": now, "exp": now + 600,
            "email": format!("{}@example.com", self.subject),
        }))
    }

    fn sign(&self, claims: &Value) -> String {
        let encode = |value: &Value| Base64UrlUnpadded::encode_string(value.to_string().as_bytes());
        let message = format!("{}.{}", encode(&json!({ "alg": "ES256", "kid": "test" })), encode(claims));
        let signature = self.key.sign(&self.random, message.as_bytes()).expect("a signature");
        format!("{message}.{}", Base64UrlUnpadded::encode_string(signature.as_ref()))
    }

    fn keys(&self) -> Value {
        let (x, y) = self.key.public_key().as_ref()[1..].split_at(32);
        let encode = Base64UrlUnpadded::encode_string;
        json!({ "keys": [{ "kty": "EC", "crv": "P-256", "kid": "test", "x": encode(x), "y": encode(y) }] })
    }
}
