//! The client: a base URL, a credential, and what sends requests.

use std::fmt::Debug;
use std::sync::Arc;

use serde::Deserialize;
use ureq::http;
use vault_core::secret::SecretString;

use super::{Auth, AuthError, AuthKind, Method, Request, Response, Retry};
use crate::address::Address;
use crate::grant::GrantError;
use crate::http::{HttpClient, HttpSettings};

/// What sends requests, once each.
pub trait Transport: Debug + Send + Sync {
    /// Sends a request and returns what the server answered, whatever its status.
    ///
    /// # Errors
    ///
    /// [`GrantError`], where no answer came.
    fn send(&self, request: &Request) -> Result<Response, GrantError>;
}

impl Transport for HttpClient {
    fn send(&self, request: &Request) -> Result<Response, GrantError> {
        let unsent = |reason: &str| GrantError::NotReached {
            host: request.address().authority(),
            reason: reason.to_owned(),
        };
        let method = request.method().name();
        let mut builder = http::Request::builder().method(method).uri(request.address().as_str());
        for (name, value) in request.headers() {
            let value = http::HeaderValue::from_str(value.expose_secret());
            let mut value = value.map_err(|_| unsent("no header can carry the credential"))?;
            value.set_sensitive(true);
            builder = builder.header(*name, value);
        }
        let built = builder.body(request.body().to_vec()).map_err(|_| unsent("the request has no form"))?;
        let called = self.call(method, request.address(), built)?;
        let text = |value: &http::HeaderValue| value.to_str().ok().map(str::to_owned);
        let headers =
            called.headers.iter().filter_map(|(name, value)| Some((name.to_string(), text(value)?)));
        Ok(Response::new(called.status, headers.collect(), called.body))
    }
}

/// A client of one backend.
#[derive(Debug)]
pub struct Client {
    base: Address,
    auth: Arc<dyn Auth>,
    transport: Arc<dyn Transport>,
}

impl Client {
    /// Starts with nothing set.
    #[must_use]
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// Reads what is at `path`, which begins with `/`.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn get(&self, path: &str) -> Result<Response, AuthError> {
        self.send(self.request(Method::Get, path)?)
    }

    /// Posts JSON to `path`, which begins with `/`.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn post_json(&self, path: &str, json: Vec<u8>) -> Result<Response, AuthError> {
        self.send(self.request(Method::Post, path)?.with_json(json))
    }

    /// Makes a request to `path` below the base URL.
    ///
    /// # Errors
    ///
    /// [`AuthError::Configuration`] for a path that makes no address.
    pub fn request(&self, method: Method, path: &str) -> Result<Request, AuthError> {
        if !path.starts_with('/') {
            return Err(AuthError::Configuration("a path begins with `/`".into()));
        }
        Ok(Request::new(method, self.base.below(path)?))
    }

    /// Authorizes a request and sends it, and once more where another credential may help. The credential goes
    /// to the base URL's origin and nowhere else.
    ///
    /// # Errors
    ///
    /// [`AuthError`] for what concerns the credential and the network. Every other status is an answer.
    pub fn send(&self, mut request: Request) -> Result<Response, AuthError> {
        if request.address().origin() != self.base.origin() {
            return Err(AuthError::Configuration(
                "the request is for another origin than the base URL".into(),
            ));
        }
        let agent = concat!("sdk/", env!("CARGO_PKG_VERSION"));
        request.set_header("x-keyward-client", SecretString::new(agent.to_owned()));
        self.auth.authorize(&mut request)?;
        let mut response = self.transport.send(&request)?;
        if response.status() == 401 && self.auth.on_unauthorized(&request, &response) == Retry::Again {
            self.auth.authorize(&mut request)?;
            response = self.transport.send(&request)?;
        }
        self.judge(response)
    }

    /// Tells what concerns the credential from what is an answer.
    fn judge(&self, response: Response) -> Result<Response, AuthError> {
        let refusal = || response.json::<Refusal>().unwrap_or_default();
        match response.status() {
            401 => Err(self.refused(&refusal().error)),
            403 => {
                let Refusal { error, missing_scopes } = refusal();
                match error.as_str() {
                    "client_marker_required" => Err(AuthError::MarkerRequired),
                    "insufficient_scope" => Err(AuthError::Forbidden { missing_scopes }),
                    _ => Ok(response),
                }
            }
            _ => Ok(response),
        }
    }

    fn refused(&self, code: &str) -> AuthError {
        match (code, self.auth.kind()) {
            ("device_mismatch", _) => AuthError::DeviceMismatch(None),
            ("key_expired", AuthKind::ApiKey) => AuthError::KeyExpired,
            ("key_revoked", AuthKind::ApiKey) => AuthError::KeyRevoked,
            (_, AuthKind::ApiKey) => AuthError::InvalidKey(None),
            (_, AuthKind::Session) => {
                AuthError::ReauthRequired("the server does not accept the session".into())
            }
        }
    }
}

/// The body of a refusal.
#[derive(Debug, Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    error: String,
    #[serde(default)]
    missing_scopes: Vec<String>,
}

/// What a [`Client`] is made of.
#[derive(Debug, Default)]
pub struct ClientBuilder {
    base_url: Option<String>,
    tenant: Option<String>,
    auth: Option<Arc<dyn Auth>>,
    transport: Option<Arc<dyn Transport>>,
}

impl ClientBuilder {
    /// Sets the base URL. `{tenant}` in it stands for the tenant.
    #[must_use]
    pub fn base_url(self, base_url: impl Into<String>) -> Self {
        Self { base_url: Some(base_url.into()), ..self }
    }

    /// Sets the tenant; `default` if not set.
    #[must_use]
    pub fn tenant(self, tenant: impl Into<String>) -> Self {
        Self { tenant: Some(tenant.into()), ..self }
    }

    /// Sets what authorizes requests.
    #[must_use]
    pub fn auth(self, auth: impl Auth + 'static) -> Self {
        self.shared_auth(Arc::new(auth))
    }

    /// Sets what authorizes requests, which others use too.
    #[must_use]
    pub fn shared_auth(self, auth: Arc<dyn Auth>) -> Self {
        Self { auth: Some(auth), ..self }
    }

    /// Sets what sends requests; a client with the system's roots if not set.
    #[must_use]
    pub fn transport(self, transport: Arc<dyn Transport>) -> Self {
        Self { transport: Some(transport), ..self }
    }

    /// Makes the client; nothing is opened yet.
    ///
    /// # Errors
    ///
    /// [`AuthError::SidecarUnavailable`] without a base URL, [`AuthError::Configuration`] for one that is no
    /// address, or a tenant that no host has in its name, [`AuthError::NotAuthenticated`] without a
    /// credential.
    pub fn build(self) -> Result<Client, AuthError> {
        let template = self.base_url.ok_or(AuthError::SidecarUnavailable)?;
        let base = base_address(&template, self.tenant.as_deref().unwrap_or("default"))?;
        let auth = self.auth.ok_or_else(AuthError::not_authenticated)?;
        let transport = match self.transport {
            Some(transport) => transport,
            None => Arc::new(HttpClient::new(HttpSettings::default())?),
        };
        Ok(Client { base, auth, transport })
    }
}

/// Puts the tenant into a template. It must not change whose host it is, nor add to the path.
fn base_address(template: &str, tenant: &str) -> Result<Address, AuthError> {
    let is_label = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let fits = (1..=63).contains(&tenant.len()) && tenant.bytes().all(is_label) && !tenant.starts_with('-');
    if template.contains(TENANT) && !fits {
        let text = "a tenant in a base URL is 1 to 63 of the characters a-z A-Z 0-9 -, not - first";
        return Err(AuthError::Configuration(text.into()));
    }
    Ok(Address::parse(&template.replace(TENANT, tenant))?)
}

const TENANT: &str = "{tenant}";

#[cfg(test)]
mod tests {
    use super::*;

    fn base(template: &str, tenant: &str) -> Result<String, AuthError> {
        base_address(template, tenant).map(|address| address.to_string())
    }

    #[test]
    fn es_09_the_base_url_has_the_tenant_in_it() {
        assert_eq!(base("https://{tenant}.api.example", "acme").unwrap(), "https://acme.api.example");
        assert_eq!(base("https://api.example/{tenant}/v2", "acme").unwrap(), "https://api.example/acme/v2");
        assert_eq!(base("https://api.example", "not a label").unwrap(), "https://api.example");
    }

    #[test]
    fn a_tenant_can_not_change_the_host_or_the_path() {
        for tenant in
            ["", "evil.example/", "a.b", "x@evil.example", "..", "-x", "ä", "a/b", "a?b", "a#b", "a:1"]
        {
            assert!(
                matches!(base("https://{tenant}.api.example", tenant), Err(AuthError::Configuration(_))),
                "{tenant}"
            );
        }
        assert!(base("http://{tenant}.api.example", "acme").is_err(), "not https");
        assert!(base("https://{tenant}.api.example", &"a".repeat(64)).is_err());
    }

    #[test]
    fn a_client_without_a_backend_or_a_credential_is_refused() {
        assert!(matches!(Client::builder().build(), Err(AuthError::SidecarUnavailable)));
        let without = Client::builder().base_url("https://api.example").build();
        assert!(matches!(without, Err(AuthError::NotAuthenticated { .. })));
    }
}
