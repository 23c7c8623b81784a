//! How far a request came. Errors of resolving, connecting and the TLS handshake are marked where they happen:
//! after them the request surely did not arrive, after any other it may have.

use std::error::Error as StdError;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{ConnectionDetails, Connector, DefaultConnector, NextTimeout, Transport};
use ureq::{Error, Timeout};

use crate::address::is_loopback_host;
use crate::grant::GrantError;
use crate::server_text::ServerText;

/// An error from before the request was sent.
#[derive(Debug)]
struct NotReached(Error);

impl fmt::Display for NotReached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl StdError for NotReached {}

/// Resolves `localhost` and the names below it without asking anybody (RFC 6761 §6.3), all others by the system.
#[derive(Debug, Default)]
pub(super) struct LoopbackResolver {
    system: DefaultResolver,
}

impl Resolver for LoopbackResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let host = uri.host().unwrap_or_default();
        if host.starts_with('[') || host.parse::<IpAddr>().is_ok() || !is_loopback_host(host) {
            return self.system.resolve(uri, config, timeout).map_err(mark);
        }
        let usual = if uri.scheme_str() == Some("http") { 80 } else { 443 };
        let port = uri.port_u16().unwrap_or(usual);
        let mut addresses = self.empty();
        addresses.push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port));
        addresses.push(SocketAddr::new(Ipv6Addr::LOCALHOST.into(), port));
        Ok(addresses)
    }
}

/// Connects as the library does by itself, and marks what goes wrong.
#[derive(Debug, Default)]
pub(super) struct MarkingConnector {
    connector: DefaultConnector,
}

impl Connector for MarkingConnector {
    type Out = Box<dyn Transport>;

    fn connect(&self, details: &ConnectionDetails, chained: Option<()>) -> Result<Option<Self::Out>, Error> {
        self.connector.connect(details, chained).map_err(mark)
    }
}

fn mark(error: Error) -> Error {
    Error::Other(Box::new(NotReached(error)))
}

/// Returns what a failed request was, in the words that decide whether it may be sent again.
pub(super) fn failure(host: &str, error: Error, limit: Duration) -> GrantError {
    let host = host.to_owned();
    let retry_after = None;
    match error {
        Error::Other(other) => match other.downcast::<NotReached>() {
            Ok(marked) => GrantError::NotReached { host, reason: reason(innermost(marked.0), limit) },
            Err(other) => GrantError::AnswerLost { host, reason: shown(&other.to_string()) },
        },
        Error::BodyExceedsLimit(_) => {
            GrantError::NoAnswer { host, found: ServerText::new("more than 1 MiB"), retry_after }
        }
        Error::LargeResponseHeader(..) => {
            GrantError::NoAnswer { host, found: ServerText::new("headers without end"), retry_after }
        }
        Error::Http(_) | Error::BadUri(_) | Error::RequireHttpsOnly(_) => {
            GrantError::NotReached { host, reason: "the request can't be written".to_owned() }
        }
        error => GrantError::AnswerLost { host, reason: reason(error, limit) },
    }
}

/// Takes off the marks: the connection to a proxy is marked once for the proxy, once for what is behind it.
fn innermost(mut error: Error) -> Error {
    loop {
        error = match error {
            Error::Other(other) => match other.downcast::<NotReached>() {
                Ok(marked) => marked.0,
                Err(other) => return Error::Other(other),
            },
            error => return error,
        }
    }
}

fn reason(error: Error, limit: Duration) -> String {
    match error {
        Error::ConnectProxyFailed(answer) => shown(&format!("the proxy does not connect: {answer}")),
        Error::Io(error) => shown(&error.to_string()),
        Error::Protocol(_) => "it is no HTTP".to_owned(),
        Error::Rustls(error) => shown(&format!("TLS: {error}")),
        Error::Timeout(Timeout::Connect) => "no connection in time".to_owned(),
        Error::Timeout(Timeout::Resolve) => "no address in time".to_owned(),
        Error::Timeout(_) => format!("no answer within {} s", limit.as_secs()),
        error => shown(&error.to_string()),
    }
}

/// A server has a word in some reasons: the names in its certificate.
fn shown(reason: &str) -> String {
    ServerText::new(reason).to_string()
}
