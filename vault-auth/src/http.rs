//! The one HTTP client, for every request that leaves the machine: TLS with the system's roots, no redirects,
//! bounded in time and size. What it tells a log has neither headers nor bodies.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::fmt::rfc2822;
use serde::de::DeserializeOwned;
use ureq::http::{HeaderMap, HeaderValue, Response, header};
use ureq::{Agent, Body, RequestBuilder};
use vault_core::secret::{SecretBytes, SecretString};
use zeroize::Zeroizing;

use crate::address::Address;
use crate::clock::{Clock, UnixTime};
use crate::grant::GrantError;
use crate::server_text::ServerText;

mod call;
mod reach;
mod settings;

pub use settings::{HttpSettings, ProxySettings, SettingsError};

/// The most bytes of an answer's body.
pub const MAX_BODY: usize = 1 << 20;

/// The longest wait that a server may ask for with `Retry-After`.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(86_400);

/// What is told of every request, when it is over: enough to see what happened, and nothing that is secret.
#[derive(Debug)]
pub struct Exchange {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// The address; of its query only the names.
    pub address: String,
    /// The status of the answer, where one came.
    pub status: Option<u16>,
    /// How long it took.
    pub duration: Duration,
    /// The size of the form that was sent, before it was encoded.
    pub sent: usize,
    /// The size of the body that came.
    pub received: usize,
    /// What went wrong.
    pub failure: Option<String>,
}

/// Who is told of every request.
pub trait ExchangeLog: Debug + Send + Sync {
    /// Takes note of one request.
    fn record(&self, exchange: &Exchange);
}

/// The client. It holds no connection between requests: each has its own, so that "it surely did not arrive"
/// can be known.
#[derive(Debug)]
pub struct HttpClient {
    agent: Agent,
    clock: Arc<dyn Clock>,
    log: Option<Arc<dyn ExchangeLog>>,
    total_timeout: Duration,
    skews: Mutex<BTreeMap<String, i64>>,
}

/// A request. Without a form it is a `GET`, with one a `POST`.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    address: &'a Address,
    form: Option<&'a [(&'a str, &'a str)]>,
    headers: Vec<(&'static str, HeaderValue)>,
    timeout: Option<Duration>,
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) host: String,
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) dpop_nonce: Option<String>,
    pub(crate) received_at: UnixTime,
    content_type: Option<String>,
    body: SecretBytes,
}

impl HttpClient {
    /// Makes a client; nothing is opened yet.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] if the additional roots or the proxy can't be used.
    pub fn new(settings: HttpSettings) -> Result<Self, SettingsError> {
        let agent = settings.agent()?;
        let (clock, log) = (settings.clock, settings.log);
        Ok(Self { agent, clock, log, total_timeout: settings.total_timeout, skews: Mutex::default() })
    }

    /// Returns by how many seconds the clock of a server is ahead of this machine's, as its last answer showed;
    /// `None` where it never said what time it is.
    #[must_use]
    pub fn clock_skew(&self, server: &Address) -> Option<i64> {
        self.skews.lock().unwrap_or_else(PoisonError::into_inner).get(&server.authority()).copied()
    }

    /// Asks for `address` without a credential, and returns the status of the answer: whatever it is, the server is
    /// there.
    ///
    /// # Errors
    ///
    /// [`GrantError`] where no answer came.
    pub fn reach(&self, address: &Address) -> Result<u16, GrantError> {
        self.send(&Request::get(address)).map(|answer| answer.status)
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    /// Sends one request, once.
    pub(crate) fn send(&self, request: &Request<'_>) -> Result<Answer, GrantError> {
        let started = self.clock.monotonic();
        let outcome = self.exchange(request);
        if let Some(log) = &self.log {
            log.record(&request.told(&outcome, self.clock.monotonic().saturating_sub(started)));
        }
        outcome
    }

    fn exchange(&self, request: &Request<'_>) -> Result<Answer, GrantError> {
        let host = request.address.authority();
        let response =
            self.start(request).map_err(|error| reach::failure(&host, error, self.limit(request)))?;
        let received_at = self.clock.now();
        self.note_skew(request.address, response.headers(), received_at);
        self.receive(request, response, received_at)
    }

    fn start(&self, request: &Request<'_>) -> Result<Response<Body>, ureq::Error> {
        let limit = self.limit(request);
        match request.form {
            None => request.dressed(self.agent.get(request.address.uri()), limit).call(),
            Some(form) => {
                let post = request.dressed(self.agent.post(request.address.uri()), limit);
                post.send_form(form.iter().copied())
            }
        }
    }

    fn receive(
        &self,
        request: &Request<'_>,
        mut response: Response<Body>,
        received_at: UnixTime,
    ) -> Result<Answer, GrantError> {
        let host = request.address.authority();
        let body = response.body_mut().with_config().limit(MAX_BODY as u64).read_to_vec();
        let body = body.map_err(|error| reach::failure(&host, error, self.limit(request)))?;
        let headers = response.headers();
        Ok(Answer {
            status: response.status().as_u16(),
            retry_after: text(headers, "retry-after")
                .and_then(|wait| retry_after(wait, headers, received_at)),
            dpop_nonce: text(headers, "dpop-nonce").map(str::to_owned),
            content_type: text(headers, "content-type").map(str::to_owned),
            body: SecretBytes::new(body),
            received_at,
            host,
        })
    }

    fn limit(&self, request: &Request<'_>) -> Duration {
        request.timeout.unwrap_or(self.total_timeout)
    }

    fn note_skew(&self, server: &Address, headers: &HeaderMap, received_at: UnixTime) {
        if let Some(theirs) = text(headers, "date").and_then(date) {
            let mut skews = self.skews.lock().unwrap_or_else(PoisonError::into_inner);
            skews.insert(server.authority(), theirs.saturating_sub(received_at));
        }
    }
}

impl<'a> Request<'a> {
    pub(crate) const fn get(address: &'a Address) -> Self {
        Self { address, form: None, headers: Vec::new(), timeout: None }
    }

    pub(crate) const fn post(address: &'a Address, form: &'a [(&'a str, &'a str)]) -> Self {
        Self { address, form: Some(form), headers: Vec::new(), timeout: None }
    }

    /// Gives the request less time than the client does.
    pub(crate) const fn within(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Adds a header whose value is a secret. Returns `None` where no header can carry it.
    pub(crate) fn secret_header(
        mut self,
        name: &'static str,
        scheme: &str,
        value: &SecretString,
    ) -> Option<Self> {
        let secret = value.expose_secret();
        let mut text = Zeroizing::new(String::with_capacity(scheme.len() + secret.len()));
        text.push_str(scheme);
        text.push_str(secret);
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        self.headers.push((name, value));
        Some(self)
    }

    fn dressed<B>(&self, builder: RequestBuilder<B>, limit: Duration) -> RequestBuilder<B> {
        let builder = builder.header(header::ACCEPT, "application/json");
        let builder =
            self.headers.iter().fold(builder, |builder, (name, value)| builder.header(*name, value));
        if self.timeout.is_none() {
            return builder;
        }
        builder.config().timeout_global(Some(limit)).build()
    }

    fn told(&self, outcome: &Result<Answer, GrantError>, duration: Duration) -> Exchange {
        let sent =
            self.form.map_or(0, |form| form.iter().map(|(name, value)| name.len() + value.len() + 2).sum());
        Exchange {
            method: if self.form.is_some() { "POST" } else { "GET" },
            address: self.address.without_values(),
            status: outcome.as_ref().ok().map(|answer| answer.status),
            duration,
            sent,
            received: outcome.as_ref().map_or(0, |answer| answer.body.len()),
            failure: outcome.as_ref().err().map(ToString::to_string),
        }
    }
}

impl Answer {
    /// Tells whether the status says that it went well.
    pub(crate) const fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }

    /// Reads the body as JSON, whatever it is labelled as: not all servers label it.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(self.body.expose_secret()).ok()
    }

    /// Returns the body.
    pub(crate) const fn body(&self) -> &SecretBytes {
        &self.body
    }

    /// Returns the error for an answer that is none to what was asked.
    pub(crate) fn unexpected(&self) -> GrantError {
        let (host, status, retry_after) = (self.host.clone(), self.status, self.retry_after);
        if self.is_unavailable() {
            return GrantError::Unavailable { host, status, retry_after };
        }
        let found = match (status, &self.content_type) {
            (300..=399, _) => format!("a redirect (status {status}), which is not followed"),
            (_, Some(kind)) => format!("status {status} and unexpected content ({kind})"),
            (_, None) => format!("status {status} and unexpected content"),
        };
        GrantError::NoAnswer { host, found: ServerText::new(&found), retry_after }
    }

    /// Tells whether the status says that it would be another time.
    pub(crate) const fn is_unavailable(&self) -> bool {
        self.status == 429 || self.status >= 500
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Reads `Retry-After` (RFC 9110 §10.2.3): seconds, or a date, which is meant by the clock of the server.
fn retry_after(wait: &str, headers: &HeaderMap, received_at: UnixTime) -> Option<Duration> {
    let seconds = wait.trim().parse().ok().or_else(|| {
        let theirs = text(headers, "date").and_then(date).unwrap_or(received_at);
        date(wait).map(|until| u64::try_from(until.saturating_sub(theirs)).unwrap_or(0))
    });
    seconds.map(|seconds| Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}

/// Reads a date of HTTP in the form that RFC 9110 §5.6.7 prefers.
fn date(text: &str) -> Option<UnixTime> {
    rfc2822::parse(text.trim()).ok().map(|time| time.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_by_the_servers_clock() {
        let none = headers(&[]);
        let skewed = headers(&[("date", "Sun, 06 Nov 1994 08:49:37 GMT")]);
        assert_eq!(retry_after("120", &none, 0), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:50:37 GMT", &skewed, 5), Some(Duration::from_secs(60)));
        assert_eq!(
            retry_after("Sun, 06 Nov 1994 08:50:37 GMT", &none, 784_111_777),
            Some(Duration::from_secs(60))
        );
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:00:00 GMT", &skewed, 5), Some(Duration::ZERO));
        assert_eq!(retry_after("99999999999999", &none, 0), Some(MAX_RETRY_AFTER));
        for wait in ["", "soon", "-1", "1.5e9 years"] {
            assert_eq!(retry_after(wait, &none, 0), None, "{wait}");
        }
    }

    #[test]
    fn headers_with_secrets_are_never_shown() {
        let address = Address::parse("https://id.example/").unwrap();
        let token = SecretString::new("canary".into());
        let request = Request::get(&address).secret_header("authorization", "Bearer ", &token).unwrap();
        assert!(!format!("{request:?}").contains("canary"), "{request:?}");
        assert!(
            Request::get(&address).secret_header("dpop", "", &SecretString::new("a\nb".into())).is_none()
        );
    }
}
