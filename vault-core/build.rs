//! Turns `providers.toml` into the Rust static that `src/provider.rs` includes. Reading the file when a
//! program starts would cost as much as all the rest of a short command.

use std::error::Error;
use std::io::{self, Write};
use std::path::Path;
use std::{env, fs};

use serde::Deserialize;

/// The part of the file that the library uses; live checks and evidence stay in the file.
#[derive(Deserialize)]
struct Registry {
    provider: Vec<Provider>,
}

#[derive(Deserialize)]
struct Provider {
    id: String,
    name: String,
    kind: String,
    cloud: bool,
    aliases: Vec<String>,
    require: Vec<Vec<String>>,
    optional: Vec<String>,
    docs: String,
    keys_url: String,
    #[serde(default)]
    key: Vec<Key>,
}

#[derive(Deserialize)]
struct Key {
    env: String,
    #[serde(default)]
    aliases: Vec<String>,
    secret: bool,
    pattern: Option<String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    writeln!(io::stdout(), "cargo::rerun-if-changed=build.rs\ncargo::rerun-if-changed=providers.toml")?;
    let registry: Registry = toml::from_str(&fs::read_to_string("providers.toml")?)?;
    let providers: Vec<String> = registry.provider.iter().map(provider_literal).collect();
    let target = Path::new(&output_directory()?).join("providers.rs");
    Ok(fs::write(target, format!("&[{}]", providers.join(", ")))?)
}

#[expect(clippy::disallowed_methods, reason = "this is how cargo tells a build script where to write")]
fn output_directory() -> Result<String, env::VarError> {
    env::var("OUT_DIR")
}

/// Writes a provider as a Rust expression. `{:?}` of a text is a Rust literal of that text.
fn provider_literal(provider: &Provider) -> String {
    let Provider { id, name, cloud, aliases, require, optional, .. } = provider;
    let groups: Vec<String> = require.iter().map(|group| format!("&{group:?}")).collect();
    let keys: Vec<String> = provider.key.iter().map(key_literal).collect();
    format!(
        "Provider {{ id: {id:?}, name: {name:?}, kind: Kind::{kind}, cloud: {cloud}, aliases: &{aliases:?}, \
         require: &[{groups}], optional: &{optional:?}, docs: {docs:?}, keys_url: {keys_url:?}, keys: &[{keys}] }}",
        kind = variant(&provider.kind),
        groups = groups.join(", "),
        docs = known(&provider.docs),
        keys_url = known(&provider.keys_url),
        keys = keys.join(", "),
    )
}

fn key_literal(key: &Key) -> String {
    let Key { env, aliases, secret, pattern } = key;
    format!("ProviderKey {{ env: {env:?}, aliases: &{aliases:?}, secret: {secret}, pattern: {pattern:?} }}")
}

/// Returns the variant's name: the kind's word with a capital. An unknown kind then does not compile.
fn variant(kind: &str) -> String {
    let mut letters = kind.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

/// An empty address in the file means that none is known.
fn known(address: &str) -> Option<&str> {
    Some(address).filter(|address| !address.is_empty())
}
