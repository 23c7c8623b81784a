//! What an issuer says of itself: OpenID Connect Discovery 1.0, else RFC 8414. Endpoints can be given by hand
//! for servers that say nothing. How long an answer is kept is the caller's matter (an hour is usual).

use serde::{Deserialize, Serialize};

use crate::address::{Address, AddressError};
use crate::clock::UnixTime;
use crate::grant::GrantError;
use crate::http::{Answer, HttpClient, Request};
use crate::server_json;
use crate::server_text::ServerText;

/// Why an issuer's metadata can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// An endpoint is no address to follow.
    #[error("the {endpoint} of {host} can't be used")]
    Endpoint {
        /// The issuer's host, with its port unless that is the usual one.
        host: String,
        /// Which endpoint.
        endpoint: &'static str,
        /// What is wrong with it.
        source: AddressError,
    },
    /// The issuer says that it is another one.
    #[error("{host} says that it is another issuer: {found}")]
    Issuer {
        /// The issuer's host, with its port unless that is the usual one.
        host: String,
        /// The issuer that it says it is.
        found: ServerText,
    },
    /// An endpoint is missing that nothing works without.
    #[error("{host} has no {endpoint}")]
    Missing {
        /// The issuer's host, with its port unless that is the usual one.
        host: String,
        /// Which endpoint.
        endpoint: &'static str,
    },
    /// There is no metadata.
    #[error("{host} has no metadata of an issuer")]
    NotFound {
        /// The issuer's host, with its port unless that is the usual one.
        host: String,
        /// What came of the last try.
        source: GrantError,
    },
    /// The server can't be asked.
    #[error(transparent)]
    Server(#[from] GrantError),
    /// The issuer is a template for many tenants, as Microsoft's `common` and `organizations` are: no token
    /// could ever be from it.
    #[error("{host} answers for many tenants at once ({found}): the issuer of one tenant is needed")]
    Template {
        /// The issuer's host, with its port unless that is the usual one.
        host: String,
        /// The issuer that it says it is.
        found: ServerText,
    },
}

/// What is known of an issuer: addresses that were checked, and what it can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// The issuer, byte for byte as it was asked for. Of endpoints given by hand: their origin.
    pub issuer: String,
    /// Where tokens are given.
    pub token_endpoint: Address,
    /// Where a device login starts.
    pub device_authorization_endpoint: Option<Address>,
    /// Where tokens are revoked.
    pub revocation_endpoint: Option<Address>,
    /// Where it says who a token is for.
    pub userinfo_endpoint: Option<Address>,
    /// Where the keys are that ID tokens are signed with.
    pub jwks_uri: Option<Address>,
    /// The scopes that can be asked for, where the issuer lists them.
    pub scopes_supported: Option<Vec<String>>,
    /// The algorithms that DPoP proofs may be signed with; empty without DPoP.
    pub dpop_algorithms: Vec<String>,
    /// When this was fetched.
    pub fetched_at: UnixTime,
}

/// The endpoints of a server that has no discovery.
#[derive(Debug, Clone)]
pub struct ManualEndpoints {
    /// Where tokens are given.
    pub token: Address,
    /// Where a device login starts.
    pub device_authorization: Address,
    /// Where tokens are revoked.
    pub revocation: Option<Address>,
}

impl Metadata {
    /// Asks an issuer what it is.
    ///
    /// # Errors
    ///
    /// [`MetadataError`].
    pub fn discover(http: &HttpClient, issuer: &Address) -> Result<Self, MetadataError> {
        let first = ask(http, issuer, &format!("{}{OPENID}", issuer.path().trim_end_matches('/')))?;
        if let Some(said) = said(&first) {
            return said.check(issuer, http.clock().now());
        }
        if first.is_unavailable() {
            return Err(first.unexpected().into());
        }
        let second = ask(http, issuer, &format!("{OAUTH}{}", issuer.path().trim_end_matches('/')))?;
        let found = said(&second);
        let found = found
            .ok_or_else(|| MetadataError::NotFound { host: issuer.authority(), source: second.unexpected() });
        found?.check(issuer, http.clock().now())
    }

    /// Takes endpoints that a person gave. No ID token comes from such a server.
    #[must_use]
    pub fn by_hand(endpoints: ManualEndpoints, now: UnixTime) -> Self {
        Self {
            issuer: endpoints.token.origin(),
            token_endpoint: endpoints.token,
            device_authorization_endpoint: Some(endpoints.device_authorization),
            revocation_endpoint: endpoints.revocation,
            userinfo_endpoint: None,
            jwks_uri: None,
            scopes_supported: None,
            dpop_algorithms: Vec::new(),
            fetched_at: now,
        }
    }

    /// Returns where a device login starts.
    ///
    /// # Errors
    ///
    /// [`MetadataError::Missing`] for an issuer without device logins.
    pub fn device_login(&self) -> Result<&Address, MetadataError> {
        self.device_authorization_endpoint.as_ref().ok_or_else(|| MetadataError::Missing {
            host: self.token_endpoint.authority(),
            endpoint: "device authorization endpoint",
        })
    }

    /// Returns where the issuer says who a token is for.
    ///
    /// # Errors
    ///
    /// [`MetadataError::Missing`] for an issuer that does not say it.
    pub fn userinfo(&self) -> Result<&Address, MetadataError> {
        self.userinfo_endpoint.as_ref().ok_or_else(|| MetadataError::Missing {
            host: self.token_endpoint.authority(),
            endpoint: "userinfo endpoint",
        })
    }

    /// Tells whether `scope` may be asked for: it is listed, or nothing is listed by an issuer of ID tokens.
    #[must_use]
    pub fn offers_scope(&self, scope: &str) -> bool {
        match &self.scopes_supported {
            Some(scopes) => scopes.iter().any(|offered| offered == scope),
            None => self.jwks_uri.is_some(),
        }
    }
}

/// What an issuer says, before anything is believed.
#[derive(Debug, Deserialize)]
struct Said {
    issuer: String,
    #[serde(default, deserialize_with = "server_json::text")]
    token_endpoint: Option<String>,
    #[serde(default, deserialize_with = "server_json::text")]
    device_authorization_endpoint: Option<String>,
    #[serde(default, deserialize_with = "server_json::text")]
    revocation_endpoint: Option<String>,
    #[serde(default, deserialize_with = "server_json::text")]
    userinfo_endpoint: Option<String>,
    #[serde(default, deserialize_with = "server_json::text")]
    jwks_uri: Option<String>,
    #[serde(default, deserialize_with = "server_json::texts")]
    scopes_supported: Option<Vec<String>>,
    #[serde(default, deserialize_with = "server_json::texts")]
    dpop_signing_alg_values_supported: Option<Vec<String>>,
}

impl Said {
    fn check(self, issuer: &Address, now: UnixTime) -> Result<Metadata, MetadataError> {
        let host = issuer.authority();
        if self.issuer != issuer.as_str() {
            let found = ServerText::new(&self.issuer);
            let template = self.issuer.contains(['{', '}']);
            return Err(if template {
                MetadataError::Template { host, found }
            } else {
                MetadataError::Issuer { host, found }
            });
        }
        let token_endpoint = endpoint(&host, "token endpoint", self.token_endpoint.as_deref())?;
        let token_endpoint = token_endpoint
            .ok_or_else(|| MetadataError::Missing { host: host.clone(), endpoint: "token endpoint" })?;
        let device = self.device_authorization_endpoint.as_deref();
        Ok(Metadata {
            issuer: self.issuer,
            token_endpoint,
            device_authorization_endpoint: endpoint(&host, "device authorization endpoint", device)?,
            revocation_endpoint: endpoint(&host, "revocation endpoint", self.revocation_endpoint.as_deref())?,
            userinfo_endpoint: endpoint(&host, "userinfo endpoint", self.userinfo_endpoint.as_deref())?,
            jwks_uri: endpoint(&host, "address of keys", self.jwks_uri.as_deref())?,
            scopes_supported: self.scopes_supported,
            dpop_algorithms: self.dpop_signing_alg_values_supported.unwrap_or_default(),
            fetched_at: now,
        })
    }
}

fn ask(http: &HttpClient, issuer: &Address, path: &str) -> Result<Answer, MetadataError> {
    let address = Address::parse(&format!("{}{path}", issuer.origin()));
    let address = address.map_err(|source| MetadataError::Endpoint {
        host: issuer.authority(),
        endpoint: "address of metadata",
        source,
    })?;
    Ok(http.send(&Request::get(&address))?)
}

fn said(answer: &Answer) -> Option<Said> {
    if answer.is_success() { answer.json() } else { None }
}

fn endpoint(
    host: &str,
    endpoint: &'static str,
    text: Option<&str>,
) -> Result<Option<Address>, MetadataError> {
    let refused = |source| MetadataError::Endpoint { host: host.to_owned(), endpoint, source };
    text.map(Address::parse).transpose().map_err(refused)
}

/// OpenID Connect Discovery 1.0 §4.
const OPENID: &str = "/.well-known/openid-configuration";

/// RFC 8414 §3.
const OAUTH: &str = "/.well-known/oauth-authorization-server";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(issuer: &str, json: &str) -> Result<Metadata, MetadataError> {
        let said: Said = serde_json::from_str(json).expect("metadata");
        said.check(&Address::parse(issuer).unwrap(), 7)
    }

    #[test]
    fn an_issuer_is_taken_byte_for_byte() {
        let said = r#"{"issuer":"https://id.example/a","token_endpoint":"https://id.example/token"}"#;
        assert_eq!(check("https://id.example/a", said).unwrap().issuer, "https://id.example/a");
        for asked in
            ["https://id.example/a/", "https://id.example/A", "https://ID.example/a", "https://id.example"]
        {
            assert!(matches!(check(asked, said), Err(MetadataError::Issuer { .. })), "{asked}");
        }
    }

    #[test]
    fn an_issuer_for_many_tenants_is_refused_by_its_own_words() {
        let said = r#"{"issuer":"https://login.example/{tenantid}/v2.0","token_endpoint":"https://login.example/t"}"#;
        let refused = check("https://login.example/common/v2.0", said).unwrap_err();
        assert!(matches!(refused, MetadataError::Template { .. }));
        assert!(refused.to_string().contains("the issuer of one tenant is needed"), "{refused}");
    }

    #[test]
    fn endpoints_are_https_and_carry_no_user() {
        for (endpoint, source) in [
            ("http://id.example/token", AddressError::NotHttps),
            ("https://id.example@evil.example/token", AddressError::Userinfo),
            ("/token", AddressError::Malformed),
        ] {
            let said = format!(r#"{{"issuer":"https://id.example","token_endpoint":"{endpoint}"}}"#);
            let refused = check("https://id.example", &said).unwrap_err();
            assert!(
                matches!(refused, MetadataError::Endpoint { source: found, .. } if found == source),
                "{endpoint}"
            );
        }
        let said = r#"{"issuer":"https://id.example","token_endpoint":"https://id.example/t"}"#;
        let without = check("https://id.example", said).unwrap();
        let refused = without.device_login().unwrap_err().to_string();
        assert_eq!(refused, "id.example has no device authorization endpoint");
        let missing = check("https://id.example", r#"{"issuer":"https://id.example"}"#).unwrap_err();
        assert!(matches!(missing, MetadataError::Missing { .. }));
    }

    #[test]
    fn metadata_is_kept_and_read_again_with_its_checks() {
        let said = r#"{"issuer":"https://id.example","token_endpoint":"https://id.example/t","jwks_uri":"https://id.example/k",
            "scopes_supported":["openid"],"dpop_signing_alg_values_supported":["ES256"]}"#;
        let metadata = check("https://id.example", said).unwrap();
        let kept = serde_json::to_string(&metadata).unwrap();
        assert_eq!(serde_json::from_str::<Metadata>(&kept).unwrap(), metadata);
        assert!(
            serde_json::from_str::<Metadata>(&kept.replace("https://id.example/t", "http://id.example/t"))
                .is_err()
        );
        assert!(metadata.offers_scope("openid") && !metadata.offers_scope("offline_access"));
    }
}
