//! Requests and answers of the client.

use serde::de::DeserializeOwned;
use vault_core::secret::{SecretBytes, SecretString};

use crate::address::Address;

/// A method of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Removes.
    Delete,
    /// Reads.
    Get,
    /// Makes.
    Post,
    /// Replaces.
    Put,
}

impl Method {
    /// Returns the method's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delete => "DELETE",
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
        }
    }
}

/// A request.
#[derive(Debug)]
pub struct Request {
    method: Method,
    address: Address,
    headers: Vec<(&'static str, SecretString)>,
    body: Vec<u8>,
    generation: Option<u64>,
    nonce: Option<String>,
}

impl Request {
    /// Makes a request without a body.
    #[must_use]
    pub const fn new(method: Method, address: Address) -> Self {
        Self { method, address, headers: Vec::new(), body: Vec::new(), generation: None, nonce: None }
    }

    /// Gives the request a body of JSON.
    #[must_use]
    pub fn with_json(mut self, json: Vec<u8>) -> Self {
        self.set_header("content-type", SecretString::new("application/json".to_owned()));
        self.body = json;
        self
    }

    /// Sets a header, in the place of one of that name. `name` is in lower case.
    pub fn set_header(&mut self, name: &'static str, value: SecretString) {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value));
    }

    /// Says with which generation of a session the request is authorized.
    pub(crate) const fn set_generation(&mut self, generation: u64) {
        self.generation = Some(generation);
    }

    /// Says which nonce the proof of the request has.
    pub(crate) fn set_nonce(&mut self, nonce: Option<String>) {
        self.nonce = nonce;
    }

    /// Returns the method.
    #[must_use]
    pub const fn method(&self) -> Method {
        self.method
    }

    /// Returns where the request goes.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// Returns the headers, each of which may be a secret.
    #[must_use]
    pub fn headers(&self) -> &[(&'static str, SecretString)] {
        &self.headers
    }

    /// Returns the body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Returns the generation of the session that the request is authorized with.
    pub(crate) const fn generation(&self) -> Option<u64> {
        self.generation
    }

    /// Returns the nonce that the proof of the request has.
    pub(crate) fn nonce(&self) -> Option<&str> {
        self.nonce.as_deref()
    }
}

/// What a server answered.
#[derive(Debug)]
pub struct Response {
    status: u16,
    headers: Vec<(String, String)>,
    body: SecretBytes,
}

impl Response {
    /// Makes an answer, for a transport. Names of headers are in lower case.
    #[must_use]
    pub const fn new(status: u16, headers: Vec<(String, String)>, body: SecretBytes) -> Self {
        Self { status, headers, body }
    }

    /// Returns the status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// Returns the first header of that name, which is in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers_named(name).next()
    }

    /// Returns all headers of that name, which is in lower case.
    pub(crate) fn headers_named<'r>(&'r self, name: &str) -> impl Iterator<Item = &'r str> {
        self.headers.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Returns the body, which may have secrets.
    #[must_use]
    pub const fn body(&self) -> &SecretBytes {
        &self.body
    }

    /// Reads the body as JSON; `None` where it is none of that form.
    #[must_use]
    pub fn json<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(self.body.expose_secret()).ok()
    }
}
