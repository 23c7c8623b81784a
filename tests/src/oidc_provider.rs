//! The real provider: `oidc-provider` of npm, on this machine, with a side door by which a test decides about codes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::require;

/// A provider that runs until it is dropped.
#[derive(Debug)]
pub struct OidcProvider {
    process: Child,
    issuer: String,
}

impl OidcProvider {
    /// Starts the provider; `settings` are variables that `tests/oidc-provider/provider.mjs` names.
    #[track_caller]
    pub fn start(settings: &[(&str, &str)]) -> Self {
        require("node", "nodejs");
        let installed = project().join("target/oidc-provider");
        let modules = installed.join("node_modules/oidc-provider");
        assert!(modules.exists(), "{} is missing: run tests/install", modules.display());
        let mut process = Command::new("node")
            .arg(project().join("tests/oidc-provider/provider.mjs"))
            .arg(&installed)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .envs(settings.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("node starts");
        let mut line = String::new();
        let mut output = BufReader::new(process.stdout.take().expect("its output"));
        output.read_line(&mut line).expect("a line when it is ready");
        let ready: Value = serde_json::from_str(&line).expect("the provider starts");
        let issuer = ready["issuer"].as_str().expect("the issuer").to_owned();
        Self { process, issuer }
    }

    /// Returns the issuer.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Says yes to a code, as `account`.
    #[track_caller]
    pub fn approve(&self, user_code: &str, account: &str) {
        self.decide(&json!({ "user_code": user_code, "account": account }));
    }

    /// Says no to a code.
    #[track_caller]
    pub fn deny(&self, user_code: &str) {
        self.decide(&json!({ "user_code": user_code, "deny": true }));
    }

    /// Asks whether an access token is good, as a backend would: at the provider's userinfo. A token that is bound
    /// to a key is never good without its proof.
    #[track_caller]
    pub fn accepts(&self, access_token: &str) -> bool {
        let header = format!("Authorization: Bearer {access_token}\r\n");
        self.send("GET", "/me", &header, "").starts_with("HTTP/1.1 200")
    }

    #[track_caller]
    fn decide(&self, decision: &Value) {
        let answer = self.send("POST", "/__decide", "", &decision.to_string());
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    #[track_caller]
    fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> String {
        let host = self.issuer.strip_prefix("http://").expect("a provider without TLS");
        let mut stream = TcpStream::connect(host).expect("the provider listens");
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}");
        write!(stream, "{head}Content-Length: {length}\r\n\r\n{body}").expect("the request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the answer");
        answer
    }
}

impl Drop for OidcProvider {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the project").to_owned()
}
