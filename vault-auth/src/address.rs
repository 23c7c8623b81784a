//! Addresses that requests go to and that people are sent to: https, or http to this machine alone. What a
//! server names as an address passes here before anybody follows it.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use ureq::http::Uri;

/// The most characters of an address , of which a browser takes more.
const MAX_LEN: usize = 2_048;

/// Why a text is no address to follow. The text is not repeated: it may carry a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// It is no absolute address, or has characters that none may have.
    #[error("it is no absolute https address")]
    Malformed,
    /// It is http, and not to this machine.
    #[error("it is not https")]
    NotHttps,
    /// It is longer than 2,048 characters.
    #[error("it has more than 2048 characters")]
    TooLong,
    /// It carries a user name or a password, which deceive about the host.
    #[error("it carries a user name or password")]
    Userinfo,
}

/// An absolute address that may be followed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address {
    text: String,
    uri: Uri,
}

impl Address {
    /// Checks `text` and returns it as an address.
    ///
    /// # Errors
    ///
    /// [`AddressError`] says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.len() > MAX_LEN {
            return Err(AddressError::TooLong);
        }
        if !text.bytes().all(is_address_byte) {
            return Err(AddressError::Malformed);
        }
        let uri: Uri = text.parse().map_err(|_| AddressError::Malformed)?;
        check_authority(&uri)?;
        let address = Self { text: text.to_owned(), uri };
        if address.uri.scheme_str() == Some("http") && !address.is_loopback() {
            return Err(AddressError::NotHttps);
        }
        Ok(address)
    }

    /// Returns the address of `path` below this one, whose query is left out.
    ///
    /// # Errors
    ///
    /// As of [`Self::parse`].
    pub fn below(&self, path: &str) -> Result<Self, AddressError> {
        Self::parse(&format!("{}{}{path}", self.origin(), self.uri.path().trim_end_matches('/')))
    }

    /// Returns the address as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the host in lower case, without its port; an IPv6 address in brackets.
    #[must_use]
    pub fn host(&self) -> String {
        self.uri.host().unwrap_or_default().to_ascii_lowercase()
    }

    /// Returns the path, at least `/`.
    #[must_use]
    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// Returns the port, the scheme's own where none is written.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.uri.port_u16().unwrap_or_else(|| self.usual_port())
    }

    /// Returns host and port, the port only where it is not the scheme's own: what a message calls the server.
    #[must_use]
    pub fn authority(&self) -> String {
        let port = self.uri.port_u16().filter(|port| *port != self.usual_port());
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}{port}", self.host())
    }

    /// Returns scheme and authority.
    #[must_use]
    pub fn origin(&self) -> String {
        let scheme = self.uri.scheme_str().unwrap_or_default().to_ascii_lowercase();
        format!("{scheme}://{}", self.authority())
    }

    fn usual_port(&self) -> u16 {
        if self.uri.scheme_str().is_some_and(|scheme| scheme.eq_ignore_ascii_case("http")) { 80 } else { 443 }
    }

    /// Returns the address for a log: of the query only the names.
    #[must_use]
    pub fn without_values(&self) -> String {
        let names = |query: &str| {
            let names: Vec<&str> =
                query.split('&').map(|pair| pair.split('=').next().unwrap_or("")).collect();
            format!("?{}", names.join("&"))
        };
        let query = self.uri.query().map(names).unwrap_or_default();
        format!("{}{}{query}", self.origin(), self.uri.path())
    }

    /// Tells whether the host is this machine, without asking anybody.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback_host(&self.host())
    }

    /// Tells whether this address and `other` are of one owner, as far as names show it without a list of
    /// public suffixes: the same host, or one below the other. Siblings (`a.example` and `b.example`) are not,
    /// because without such a list nobody knows whether `example` sells names to anyone.
    #[must_use]
    pub fn is_near(&self, other: &Self) -> bool {
        let (here, there) = (self.host(), other.host());
        here == there || is_below(&here, &there) || is_below(&there, &here)
    }

    pub(crate) const fn uri(&self) -> &Uri {
        &self.uri
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        Self::parse(&text)
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.text
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.without_values())
    }
}

/// Tells whether a host is this machine: `127.0.0.0/8`, `[::1]`, `localhost` and every name below it
/// (RFC 6761 §6.3).
pub(crate) fn is_loopback_host(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return ip.is_loopback();
    }
    let name = bare.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

fn check_authority(uri: &Uri) -> Result<(), AddressError> {
    let authority = uri.authority().ok_or(AddressError::Malformed)?.as_str();
    if authority.contains('@') {
        return Err(AddressError::Userinfo);
    }
    let host = uri.host().unwrap_or_default();
    let port = authority.get(host.len()..).unwrap_or_default();
    let is_number =
        |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    let port_is_right = port.is_empty() || port.strip_prefix(':').is_some_and(is_number);
    if host.is_empty() || !port_is_right || !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(AddressError::Malformed);
    }
    Ok(())
}

/// The characters of RFC 3986 §2, and no others: browsers read some of them otherwise than programs do.
const fn is_address_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':' | b'/' | b'?' | b'#' | b'[' | b']' | b'@' | b'%')
        || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=')
}

/// Tells whether `host` is a name below `parent`, which has two labels at least: nothing is below a `com`.
fn is_below(host: &str, parent: &str) -> bool {
    parent.trim_end_matches('.').contains('.')
        && !parent.ends_with(']')
        && parent.parse::<IpAddr>().is_err()
        && host.strip_suffix(parent).is_some_and(|rest| rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Address {
        Address::parse(text).expect("an address")
    }

    #[test]
    fn addresses_that_may_be_followed() {
        for text in
            ["https://id.example/a?b=c", "http://127.0.0.1:7070", "http://[::1]:1/", "http://localhost/x"]
        {
            assert_eq!(parsed(text).as_str(), text);
        }
        assert_eq!(parsed("HTTPS://Id.Example:443/A").origin(), "https://id.example");
        assert_eq!(parsed("https://id.example:8443").origin(), "https://id.example:8443");
    }

    #[test]
    fn ec_17_names_below_localhost_are_this_machine() {
        let backend = parsed("https://devinc.localhost:7070");
        assert!(backend.is_loopback());
        assert_eq!(backend.origin(), "https://devinc.localhost:7070");
        assert!(Address::parse("http://devinc.localhost:7070").is_ok());
        for text in
            ["http://localhost.example", "http://notlocalhost", "http://128.0.0.1", "http://2130706433"]
        {
            assert_eq!(Address::parse(text), Err(AddressError::NotHttps), "{text}");
        }
    }

    #[test]
    fn addresses_that_deceive_or_leave_the_safe_way_are_refused() {
        use AddressError::{Malformed, NotHttps, TooLong, Userinfo};

        let long = format!("https://id.example/{}", "x".repeat(MAX_LEN));
        for (text, refusal) in [
            ("", Malformed),
            ("/device", Malformed),
            ("id.example/device", Malformed),
            ("javascript:alert(1)", Malformed),
            ("file:///etc/passwd", Malformed),
            ("ftp://id.example/", Malformed),
            ("https://", Malformed),
            ("https:///device", Malformed),
            ("https://id.example:99999/", Malformed),
            ("https://id.example:x/", Malformed),
            ("https://id.example:+443/", Malformed),
            ("https://id.example:/", Malformed),
            ("https://id.example:1:2/", Malformed),
            ("https://[::1]id.example/", Malformed),
            ("https://id.example\\@evil.example/", Malformed),
            ("https://id.example/a b", Malformed),
            ("https://id.example/\u{1b}[2J", Malformed),
            ("https://id.ex\u{430}mple/", Malformed),
            ("http://id.example/device", NotHttps),
            ("https://id.example@evil.example/", Userinfo),
            ("https://ana:canary@id.example/", Userinfo),
            (&long, TooLong),
        ] {
            assert_eq!(Address::parse(text), Err(refusal), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_taken_as_an_address_is_safe_to_follow(
            text in "(https?|ftp|[a-z]{1,3}):?/{0,3}[a-z@:.\\[\\]0-9/?#%\\\\-]{0,24}",
        ) {
            if let Ok(address) = Address::parse(&text) {
                let rest = text.split_once("://").unwrap().1;
                let authority = rest.split(['/', '?', '#']).next().unwrap();
                assert!(!authority.contains('@') && !text.contains('\\'), "{text}");
                assert!(authority.to_lowercase().starts_with(&address.host()), "{text}");
                assert!(text.starts_with("https://") || address.is_loopback(), "{text}");
            }
        }
    }

    #[test]
    fn a_log_shows_the_names_of_a_query_and_no_value() {
        let address = parsed("https://id.example/a?token=canary&x=canary&canaryless");
        assert_eq!(address.without_values(), "https://id.example/a?token&x&canaryless");
        assert_eq!(format!("{address:?}"), "https://id.example/a?token&x&canaryless");
    }

    #[test]
    fn only_the_same_host_or_one_below_the_other_is_near() {
        let near = |one: &str, two: &str| parsed(one).is_near(&parsed(two));
        assert!(near("https://github.com/login", "https://GitHub.com/login/device"));
        assert!(near("https://login.example.com", "https://example.com/activate"));
        assert!(near("https://example.com", "https://activate.example.com/"));
        assert!(!near("https://accounts.example.com", "https://www.example.com"));
        assert!(!near("https://login.microsoftonline.com", "https://microsoft.com/devicelogin"));
        assert!(!near("https://example.com", "https://badexample.com"));
        assert!(!near("https://evil.com", "https://com"));
        assert!(!near("https://127.0.0.1", "https://7.127.0.0.1.example"));
    }

    #[test]
    fn a_path_is_added_below_the_base() {
        assert_eq!(
            parsed("https://api.example/v2/?x=1").below("/v1/whoami").unwrap().as_str(),
            "https://api.example/v2/v1/whoami"
        );
        assert_eq!(
            parsed("https://api.example").below("/v1/whoami").unwrap().as_str(),
            "https://api.example/v1/whoami"
        );
    }

    #[test]
    fn a_stored_address_is_checked_again() {
        let stored: Result<Address, _> = serde_json::from_str("\"http://id.example/token\"");
        assert!(stored.is_err());
        let kept: Address = serde_json::from_str("\"https://id.example/token\"").unwrap();
        assert_eq!(serde_json::to_string(&kept).unwrap(), "\"https://id.example/token\"");
    }
}
