//! An authority of one test, which certifies servers on this machine: openssl makes it, as a company would.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;

use crate::require;

/// An authority.
#[derive(Debug)]
pub struct Authority {
    directory: TempDir,
}

impl Authority {
    /// Makes an authority.
    #[track_caller]
    pub fn new() -> Self {
        require("openssl", "openssl");
        let authority = Self { directory: TempDir::with_prefix("keyward-authority-").expect("a directory") };
        let arguments =
            ["-x509", "-subj", "/CN=keyward test authority", "-keyout", "ca.key", "-out", "ca.pem"];
        authority.request(&arguments);
        authority
    }

    /// Returns the file of its certificate.
    pub fn file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// Returns its certificate in PEM.
    pub fn pem(&self) -> Vec<u8> {
        fs::read(self.file()).expect("the certificate")
    }

    /// Certifies a server for these names (`DNS:…` and `IP:…`, separated by commas).
    #[track_caller]
    pub fn certify(&self, names: &str) -> Arc<ServerConfig> {
        let names = format!("subjectAltName={names}");
        self.request(&[
            "-x509",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-subj",
            "/CN=server",
            "-addext",
            &names,
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-keyout",
            "server.key",
            "-out",
            "server.pem",
        ]);
        let file = |name: &str| self.directory.path().join(name);
        let chain = vec![CertificateDer::from_pem_file(file("server.pem")).expect("a certificate")];
        let key = PrivateKeyDer::from_pem_file(file("server.key")).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.expect("TLS 1.2 and 1.3").with_no_client_auth().with_single_cert(chain, key);
        Arc::new(config.expect("the key of the certificate"))
    }

    #[track_caller]
    fn request(&self, arguments: &[&str]) {
        let made = Command::new("openssl")
            .args(["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
            .args(arguments)
            .current_dir(self.directory.path())
            .stderr(Stdio::null())
            .status();
        assert!(made.is_ok_and(|status| status.success()), "openssl req {arguments:?}");
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}
