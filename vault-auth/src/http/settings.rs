//! What the client is made of. Everything is handed in: the library reads no environment. (The crate that finds
//! the system's roots heeds `SSL_CERT_FILE` and `SSL_CERT_DIR`, as every program does that uses them.)

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use ureq::config::Config;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Proxy};
use vault_core::secret::SecretString;

use super::ExchangeLog;
use super::reach::{LoopbackResolver, MarkingConnector};
use crate::clock::{Clock, SystemClock};

/// Why no client can be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A block of the additional roots is no certificate.
    #[error("certificate {nth} of the additional roots can't be read")]
    BadCertificate {
        /// Which one, from 1.
        nth: usize,
    },
    /// The additional roots have no certificate at all.
    #[error("the additional roots have no certificate in PEM")]
    NoCertificate,
    /// The proxy's address can't be used. It is not repeated: it may carry a password.
    #[error("the address of the proxy is none that can be used (http://HOST:PORT)")]
    Proxy,
}

/// What a client is made of; [`Default`] has no additional roots, no proxy, no log and the system's clock.
#[derive(Debug)]
pub struct HttpSettings {
    /// Certificates of authorities in PEM, trusted beside those of the system.
    pub additional_roots: Option<Vec<u8>>,
    /// Through whom servers elsewhere are asked. This machine is always asked directly.
    pub proxy: Option<ProxySettings>,
    /// How long resolving may take, and connecting after it.
    pub connect_timeout: Duration,
    /// How long a whole request may take.
    pub total_timeout: Duration,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Who is told of every request.
    pub log: Option<Arc<dyn ExchangeLog>>,
}

/// A proxy, and for whom it is not used.
pub struct ProxySettings {
    /// Its address, as in `HTTPS_PROXY`; a secret, because it may carry a password.
    pub address: SecretString,
    /// Hosts that are asked directly, as in `NO_PROXY`: names with all below them, separated by commas.
    pub exceptions: String,
}

impl fmt::Debug for ProxySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxySettings").field("exceptions", &self.exceptions).finish_non_exhaustive()
    }
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            additional_roots: None,
            proxy: None,
            connect_timeout: Duration::from_secs(10),
            total_timeout: Duration::from_secs(30),
            clock: Arc::new(SystemClock::new()),
            log: None,
        }
    }
}

impl HttpSettings {
    pub(super) fn agent(&self) -> Result<Agent, SettingsError> {
        let tls = TlsConfig::builder()
            .root_certs(self.roots()?)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let config = Config::builder()
            .tls_config(tls)
            .proxy(self.proxy.as_ref().map(ProxySettings::parse).transpose()?)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_idle_connections(0)
            .timeout_resolve(Some(self.connect_timeout))
            .timeout_connect(Some(self.connect_timeout))
            .timeout_global(Some(self.total_timeout))
            .user_agent(concat!("keyward/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .build();
        Ok(Agent::with_parts(config, MarkingConnector::default(), LoopbackResolver::default()))
    }

    /// Additional roots stand beside the system's, which are read here because the verifier takes either those
    /// of the system or a list.
    fn roots(&self) -> Result<RootCerts, SettingsError> {
        let Some(pem) = &self.additional_roots else { return Ok(RootCerts::PlatformVerifier) };
        let mut roots = Vec::new();
        for (nth, certificate) in (1..).zip(CertificateDer::pem_slice_iter(pem)) {
            let certificate = certificate.map_err(|_| SettingsError::BadCertificate { nth })?;
            let mut check = rustls::RootCertStore::empty();
            check.add(certificate.clone()).map_err(|_| SettingsError::BadCertificate { nth })?;
            roots.push(Certificate::from_der(certificate.as_ref()).to_owned());
        }
        if roots.is_empty() {
            return Err(SettingsError::NoCertificate);
        }
        let system = rustls_native_certs::load_native_certs().certs;
        roots.extend(system.iter().map(|certificate| Certificate::from_der(certificate).to_owned()));
        Ok(RootCerts::new_with_certs(&roots))
    }
}

impl ProxySettings {
    fn parse(&self) -> Result<Proxy, SettingsError> {
        let proxy = Proxy::new(self.address.expose_secret()).map_err(|_| SettingsError::Proxy)?;
        if !matches!(proxy.protocol(), ureq::ProxyProtocol::Http | ureq::ProxyProtocol::Https) {
            return Err(SettingsError::Proxy);
        }
        let mut builder = Proxy::builder(proxy.protocol()).host(proxy.host()).port(proxy.port());
        if let Some(name) = proxy.username() {
            builder = builder.username(name);
        }
        if let Some(password) = proxy.password() {
            builder = builder.password(password);
        }
        let builder = self.directly().iter().fold(builder, |builder, host| builder.no_proxy(host));
        builder.build().map_err(|_| SettingsError::Proxy)
    }

    /// Lists who is asked directly. A plain name stands for itself and all names below it, as it does for
    /// other programs.
    fn directly(&self) -> Vec<String> {
        let mut hosts: Vec<String> = LOOPBACK.map(str::to_owned).into();
        for entry in self.exceptions.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            hosts.push(entry.to_owned());
            if !entry.starts_with(['.', '*']) {
                hosts.push(format!(".{entry}"));
            }
        }
        hosts
    }
}

/// This machine, as patterns for a proxy's exceptions.
const LOOPBACK: [&str; 5] = ["localhost", ".localhost", "127.*", "[::1]", "::1"];

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(address: &str, exceptions: &str) -> ProxySettings {
        ProxySettings { address: SecretString::new(address.into()), exceptions: exceptions.into() }
    }

    #[test]
    fn a_proxy_leaves_out_this_machine_and_its_exceptions() {
        let proxy =
            proxy("http://ana:canary@proxy.example:3128", "internal.example, .corp.example,10.0.0.7").parse();
        let proxy = proxy.expect("a proxy");
        let direct = |address: &str| proxy.is_no_proxy(&address.parse().unwrap());
        for address in [
            "https://localhost/",
            "https://devinc.localhost:7070/",
            "https://127.0.0.1/",
            "https://127.9.9.9/",
            "https://[::1]/",
            "https://internal.example/",
            "https://id.internal.example/",
            "https://id.corp.example/",
            "https://10.0.0.7/",
        ] {
            assert!(direct(address), "{address}");
        }
        for address in ["https://id.example/", "https://notinternal.example/", "https://110.0.0.7/"] {
            assert!(!direct(address), "{address}");
        }
        assert_eq!(proxy.password(), Some("canary"));
    }

    #[test]
    fn a_proxy_that_can_not_be_used_is_refused_without_its_address() {
        for address in ["", "http://", "socks5://canary@proxy.example", "gopher://canary", "http://a b"] {
            let refused = proxy(address, "").parse().expect_err(address);
            assert!(!refused.to_string().contains("canary"));
        }
        assert!(!format!("{:?}", proxy("http://u:canary@h", "")).contains("canary"));
    }

    #[test]
    fn additional_roots_without_a_certificate_are_refused() {
        let made = |pem: &str| {
            HttpSettings { additional_roots: Some(pem.into()), ..HttpSettings::default() }.agent().map(|_| ())
        };
        assert!(matches!(made(""), Err(SettingsError::NoCertificate)));
        assert!(matches!(made("no certificate"), Err(SettingsError::NoCertificate)));
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(made(broken), Err(SettingsError::BadCertificate { nth: 1 })));
        let cut = "-----BEGIN CERTIFICATE-----\nAAAA\n";
        assert!(matches!(made(cut), Err(SettingsError::BadCertificate { nth: 1 })));
    }
}
