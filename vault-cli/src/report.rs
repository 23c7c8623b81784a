//! What a command has to say. A report is rendered once, as text or as JSON, by `output.rs`.

use std::fmt;
use std::io::{self, Write};

use serde::{Serialize, Serializer};
use vault_core::name::Scope;
use vault_core::secret::{SecretBytes, SecretString};

/// The version of every JSON object that keyward prints. It changes when a field changes its meaning
/// or goes away; new fields may come without a change.
pub(crate) const SCHEMA_VERSION: u32 = 1;

/// The outcome of a command that did not fail. Its JSON form is its `Serialize`.
pub(crate) trait Report: Serialize {
    /// Writes the data for stdout. `terminal` says that a person is looking, who likes columns.
    fn write_data(&self, _out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        Ok(())
    }

    /// Returns the confirmation for stderr.
    fn summary(&self) -> Option<String> {
        None
    }

    /// Returns the exit code.
    fn exit_code(&self) -> u8 {
        0
    }
}

/// Which secret a report is about.
#[derive(Debug, Serialize)]
pub(crate) struct SecretRef {
    pub(crate) name: String,
    #[serde(flatten)]
    pub(crate) place: PlaceRef,
}

/// In which scope a secret is.
#[derive(Debug, Serialize)]
pub(crate) struct PlaceRef {
    scope: &'static str,
    tenant: String,
    workspace: Option<String>,
    /// The scope in words.
    #[serde(skip)]
    words: String,
}

impl SecretRef {
    pub(crate) fn new(name: impl Into<String>, scope: &Scope) -> Self {
        Self { name: name.into(), place: PlaceRef::new(scope) }
    }
}

impl PlaceRef {
    pub(crate) fn new(scope: &Scope) -> Self {
        Self {
            scope: scope.kind(),
            tenant: scope.tenant().to_string(),
            workspace: scope.workspace().map(ToString::to_string),
            words: scope.to_string(),
        }
    }

    /// Returns the scope in words.
    pub(crate) fn as_str(&self) -> &str {
        &self.words
    }
}

impl fmt::Display for PlaceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

/// Counts things in words: `1 secret`, `2 secrets`.
pub(crate) fn counted(count: usize, thing: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {thing}{plural}")
}

/// Serializes a value for a person who asked for it: text where it is UTF-8, else base64. Nothing for one
/// who did not.
pub(crate) fn revealed<S: Serializer>(
    value: &SecretBytes,
    is_asked_for: bool,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Value<'v> {
        #[serde(skip_serializing_if = "Option::is_none")]
        value: Option<&'v str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        value_base64: Option<String>,
    }
    let bytes = value.expose_secret();
    let (text, base64) = match std::str::from_utf8(bytes) {
        _ if !is_asked_for => (None, None),
        Ok(text) => (Some(text), None),
        Err(_) => (None, Some(<base64ct::Base64 as base64ct::Encoding>::encode_string(bytes))),
    };
    Value { value: text, value_base64: base64 }.serialize(serializer)
}

/// Serializes a new key or recovery code: printed this once, it is what the command is for.
pub(crate) fn shown_once<S: Serializer>(
    text: &Option<SecretString>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    text.as_ref().map(SecretString::expose_secret).serialize(serializer)
}
