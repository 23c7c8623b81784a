//! The fields of `providers.toml` and of a user's own files of the same form. `build.rs` includes this file
//! too, so that a field means the same in both. What each one is for stands at the head of `providers.toml`;
//! fields that are not here, such as live checks and evidence, are passed over.

use serde::Deserialize;
use toml::Spanned;

/// A whole file.
#[derive(Debug, Deserialize)]
pub(crate) struct RegistryFile {
    /// The version of the form.
    #[serde(default = "first")]
    pub(crate) schema: u32,
    #[serde(default)]
    pub(crate) provider: Vec<Spanned<ProviderEntry>>,
}

/// A `[[provider]]`.
#[derive(Debug, Deserialize)]
pub(crate) struct ProviderEntry {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) cloud: bool,
    #[serde(default)]
    pub(crate) aliases: Vec<String>,
    pub(crate) require: Vec<Vec<String>>,
    #[serde(default)]
    pub(crate) optional: Vec<String>,
    #[serde(default)]
    pub(crate) docs: String,
    #[serde(default)]
    pub(crate) keys_url: String,
    #[serde(default)]
    pub(crate) key: Vec<KeyEntry>,
}

/// A `[[provider.key]]`.
#[derive(Debug, Deserialize)]
pub(crate) struct KeyEntry {
    pub(crate) env: String,
    #[serde(default)]
    pub(crate) aliases: Vec<String>,
    #[serde(default = "yes")]
    pub(crate) secret: bool,
    pub(crate) pattern: Option<String>,
}

impl ProviderEntry {
    /// Returns the address of the documentation, if it is known.
    pub(crate) fn docs(&self) -> Option<&str> {
        Some(self.docs.as_str()).filter(|address| !address.is_empty())
    }

    /// Returns the address where a key is created, if it is known.
    pub(crate) fn keys_url(&self) -> Option<&str> {
        Some(self.keys_url.as_str()).filter(|address| !address.is_empty())
    }
}

/// The version of the form that this program reads.
pub(crate) const SCHEMA: u32 = 1;

const fn first() -> u32 {
    SCHEMA
}

/// A key without further notice is one that must not be shown.
const fn yes() -> bool {
    true
}
