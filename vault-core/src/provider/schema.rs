//! The fields of `providers.toml` and of a user's own files of the same form. `build.rs` includes this file
//! too, so that a field means the same in both. What each one is for stands at the head of `providers.toml`;
//! live checks and evidence are passed over. Any other field is refused: it is a misspelt one, and what it was
//! to say would be lost without a word.

use serde::Deserialize;
use serde::de::IgnoredAny;
use toml::Spanned;

/// A whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegistryFile {
    /// The version of the form.
    #[serde(default = "first")]
    pub(crate) schema: u32,
    #[serde(default)]
    pub(crate) provider: Vec<Spanned<ProviderEntry>>,
    #[serde(default, rename = "updated")]
    _updated: IgnoredAny,
}

/// A `[[provider]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
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
    #[serde(default, rename = "check")]
    _check: IgnoredAny,
    #[serde(default, rename = "verified")]
    _verified: IgnoredAny,
}

/// A `[[provider.key]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyEntry {
    pub(crate) env: String,
    #[serde(default)]
    pub(crate) aliases: Vec<String>,
    #[serde(default = "yes")]
    pub(crate) secret: bool,
    pub(crate) pattern: Option<String>,
    #[serde(default, rename = "default")]
    pub(crate) _default: IgnoredAny,
    #[serde(default, rename = "pattern_src")]
    pub(crate) _pattern_src: IgnoredAny,
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
