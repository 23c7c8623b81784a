//! The token endpoint over HTTP. The `error` member of an answer decides what it means, not its status: servers
//! disagree about statuses, and those in between make up their own.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use vault_core::secret::SecretString;

use crate::address::Address;
use crate::dpop::{DeviceKey, Proof};
use crate::grant::{GrantError, TokenEndpoint};
use crate::http::{Answer, HttpClient, Request};
use crate::server_json;
use crate::server_text::ServerText;
use crate::token::{TokenSet, TokenType};

/// The program as the server knows it, and what it asks for.
#[derive(Debug)]
pub struct OauthClient {
    /// The client's id.
    pub client_id: String,
    /// Its secret, where the provider gives one to programs that can't keep it (Google does).
    pub client_secret: Option<SecretString>,
    /// The scopes.
    pub scopes: Vec<String>,
    /// Whom the tokens are for, where the provider wants to know.
    pub audience: Option<String>,
}

/// A token endpoint.
#[derive(Debug)]
pub struct HttpTokenEndpoint {
    http: Arc<HttpClient>,
    address: Address,
    client: Arc<OauthClient>,
    device_key: Option<Arc<DeviceKey>>,
    /// The nonce that the server gave last.
    nonce: Mutex<Option<String>>,
}

/// What a token endpoint says, when it says something.
#[derive(Debug)]
pub(crate) enum Reply {
    Error(ErrorReply),
    Tokens(TokenSet),
}

/// An error as RFC 6749 §5.2 has it.
#[derive(Debug)]
pub(crate) struct ErrorReply {
    pub(crate) host: String,
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) code: String,
    pub(crate) description: Option<ServerText>,
    /// The interval that GitHub sends with `slow_down`.
    pub(crate) interval: Option<u64>,
}

impl OauthClient {
    /// Adds what says who asks.
    pub(crate) fn sign<'a>(&'a self, form: &mut Vec<(&'a str, &'a str)>) {
        form.push(("client_id", &self.client_id));
        if let Some(secret) = &self.client_secret {
            form.push(("client_secret", secret.expose_secret()));
        }
    }
}

impl HttpTokenEndpoint {
    /// Takes the address of a token endpoint; nothing is opened yet.
    #[must_use]
    pub const fn new(http: Arc<HttpClient>, address: Address, client: Arc<OauthClient>) -> Self {
        Self { http, address, client, device_key: None, nonce: Mutex::new(None) }
    }

    /// Binds all tokens to the device key (RFC 9449).
    #[must_use]
    pub fn bound_to(mut self, key: Arc<DeviceKey>) -> Self {
        self.device_key = Some(key);
        self
    }

    /// Asks for the tokens of a device code, once (RFC 8628 §3.4).
    pub(crate) fn device_token(&self, device_code: &SecretString) -> Result<Reply, GrantError> {
        let grant = ("grant_type", "urn:ietf:params:oauth:grant-type:device_code");
        self.request(vec![grant, ("device_code", device_code.expose_secret())])
    }

    /// Asks, and takes what was sent out of what the server says about it.
    fn request<'a>(&'a self, mut form: Vec<(&'a str, &'a str)>) -> Result<Reply, GrantError> {
        self.client.sign(&mut form);
        let secrets = form.iter().filter(|(name, _)| SECRET_FIELDS.contains(name)).map(|(_, value)| *value);
        match self.exchange(&form) {
            Ok(Reply::Error(error)) => Ok(Reply::Error(error.without(secrets))),
            Err(error) => Err(error.without(secrets)),
            reply => reply,
        }
    }

    fn exchange(&self, form: &[(&str, &str)]) -> Result<Reply, GrantError> {
        let answer = self.send(form)?;
        let reply = self.read(&answer)?;
        let wants_nonce = matches!(&reply, Reply::Error(error) if error.code == "use_dpop_nonce");
        if !wants_nonce || answer.dpop_nonce.is_none() || self.device_key.is_none() {
            return Ok(reply);
        }
        // The server looked at nothing but the proof (RFC 9449 §8): this is the first request that counts.
        self.read(&self.send(form)?)
    }

    fn send(&self, form: &[(&str, &str)]) -> Result<Answer, GrantError> {
        let request = Request::post(&self.address, form);
        let answer = self.http.send(&self.proven(request)?)?;
        if let Some(nonce) = &answer.dpop_nonce {
            *self.nonce.lock().unwrap_or_else(PoisonError::into_inner) = Some(nonce.clone());
        }
        Ok(answer)
    }

    fn proven<'a>(&self, request: Request<'a>) -> Result<Request<'a>, GrantError> {
        let Some(key) = &self.device_key else { return Ok(request) };
        let nonce = self.nonce.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let host = self.address.authority();
        let skew = self.http.clock_skew(&self.address).unwrap_or(0);
        let proof = Proof {
            method: "POST",
            address: &self.address,
            access_token: None,
            nonce: nonce.as_deref(),
            issued_at: self.http.clock().now().saturating_add(skew),
        };
        let unsent = |reason: String| GrantError::NotReached { host: host.clone(), reason };
        let proof = key.prove(&proof).map_err(|error| unsent(error.to_string()))?;
        request
            .secret_header("dpop", "", &proof)
            .ok_or_else(|| unsent("no header can carry the proof".into()))
    }

    fn read(&self, answer: &Answer) -> Result<Reply, GrantError> {
        let Some(mut said) = answer.json::<Said>() else { return Err(answer.unexpected()) };
        if let Some(code) = said.error.take().filter(|code| !code.is_empty()) {
            if answer.is_unavailable() && !DECIDED.contains(&code.as_str()) {
                return Err(answer.unexpected());
            }
            let error = ErrorReply::of(answer, code, said.error_description);
            return Ok(Reply::Error(ErrorReply { interval: said.interval, ..error }));
        }
        if !answer.is_success() {
            return Err(answer.unexpected());
        }
        self.tokens(said, answer).map(Reply::Tokens)
    }

    fn tokens(&self, said: Said, answer: &Answer) -> Result<TokenSet, GrantError> {
        let Some(access_token) = said.access_token else {
            let found = ServerText::new("neither a token nor an error");
            return Err(GrantError::NoAnswer { host: answer.host.clone(), found, retry_after: None });
        };
        let unusable =
            |found: &str| GrantError::Unusable { host: answer.host.clone(), found: ServerText::new(found) };
        if ![Some(&access_token), said.refresh_token.as_ref()].into_iter().flatten().all(can_be_sent) {
            return Err(unusable("a token that no request can carry"));
        }
        let name = said.token_type.unwrap_or_else(|| BEARER.to_owned());
        let token_type = self.token_type(&name);
        let token_type =
            token_type.ok_or_else(|| unusable(&format!("a token of a type that can't be used: {name}")))?;
        // Zero is what some servers write for "no end".
        let life = said.expires_in.filter(|seconds| *seconds > 0);
        Ok(TokenSet {
            access_token,
            token_type,
            refresh_token: said.refresh_token,
            id_token: said.id_token,
            received_at: answer.received_at,
            expires_at: life.map(|seconds| answer.received_at.saturating_add_unsigned(seconds)),
            scopes: said.scope.as_deref().map_or_else(|| self.client.scopes.clone(), scopes),
        })
    }

    fn token_type(&self, name: &str) -> Option<TokenType> {
        match name.to_ascii_lowercase().as_str() {
            BEARER => Some(TokenType::Bearer),
            "dpop" if self.device_key.is_some() => Some(TokenType::Dpop),
            _ => None,
        }
    }
}

impl TokenEndpoint for HttpTokenEndpoint {
    fn refresh(&self, refresh_token: &SecretString) -> Result<TokenSet, GrantError> {
        let form = vec![("grant_type", "refresh_token"), ("refresh_token", refresh_token.expose_secret())];
        match self.request(form)? {
            Reply::Tokens(tokens) => Ok(tokens),
            Reply::Error(error) => Err(error.into_grant_error()),
        }
    }
}

impl ErrorReply {
    pub(crate) fn of(answer: &Answer, code: String, description: Option<String>) -> Self {
        let description = description.as_deref().map(ServerText::new);
        let Answer { status, retry_after, .. } = *answer;
        Self { host: answer.host.clone(), status, retry_after, code, description, interval: None }
    }

    fn without<'s>(self, secrets: impl IntoIterator<Item = &'s str> + Clone) -> Self {
        let description = self.description.map(|text| text.without(secrets.clone()));
        let code = ServerText::new(&self.code).without(secrets).as_str().to_owned();
        Self { code, description, ..self }
    }

    /// Returns what the error means for the token that was sent.
    pub(crate) fn into_grant_error(self) -> GrantError {
        let Self { host, status, retry_after, code, description, .. } = self;
        match code.as_str() {
            // GitHub has words of its own.
            "invalid_grant" | "bad_refresh_token" => GrantError::Rejected { host, description },
            "server_error" | "slow_down" | "temporarily_unavailable" => {
                GrantError::Unavailable { host, status, retry_after }
            }
            code => GrantError::Refused { host, code: ServerText::new(code), description },
        }
    }
}

/// What of a form nobody is shown.
const SECRET_FIELDS: [&str; 3] = ["client_secret", "device_code", "refresh_token"];

/// The body of an answer, right or wrong.
#[derive(Deserialize)]
struct Said {
    #[serde(default, deserialize_with = "server_json::secret")]
    access_token: Option<SecretString>,
    #[serde(default, deserialize_with = "server_json::text")]
    token_type: Option<String>,
    #[serde(default, deserialize_with = "server_json::secret")]
    refresh_token: Option<SecretString>,
    #[serde(default, deserialize_with = "server_json::secret")]
    id_token: Option<SecretString>,
    #[serde(default, deserialize_with = "server_json::seconds")]
    expires_in: Option<u64>,
    #[serde(default, deserialize_with = "server_json::text")]
    scope: Option<String>,
    #[serde(default, deserialize_with = "server_json::text")]
    error: Option<String>,
    #[serde(default, deserialize_with = "server_json::text")]
    error_description: Option<String>,
    #[serde(default, deserialize_with = "server_json::seconds")]
    interval: Option<u64>,
}

/// Visible ASCII and blanks (RFC 6749 appendix A.12 and A.17); an access token goes into a header.
fn can_be_sent(token: &SecretString) -> bool {
    token.expose_secret().bytes().all(|byte| matches!(byte, 0x20..=0x7e))
}

/// Reads the scopes of an answer. GitHub puts commas between them.
fn scopes(text: &str) -> Vec<String> {
    text.split([' ', ',']).filter(|scope| !scope.is_empty()).map(str::to_owned).collect()
}

/// What a type that is not said is taken as: to refuse it would lose a token that was rotated.
const BEARER: &str = "bearer";

/// Errors that mean what they say under a status of 429 or 5xx too. Any other may be an intermediary's.
const DECIDED: [&str; 11] = [
    "access_denied",
    "authorization_pending",
    "expired_token",
    "invalid_client",
    "invalid_dpop_proof",
    "invalid_grant",
    "invalid_request",
    "invalid_scope",
    "slow_down",
    "unauthorized_client",
    "use_dpop_nonce",
];
