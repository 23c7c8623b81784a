//! Turns `providers.toml` into the Rust static that `src/provider.rs` includes. Reading the file when a
//! program starts would cost as much as all the rest of a short command.

use std::error::Error;
use std::io::{self, Write};
use std::path::Path;
use std::{env, fs};

use schema::{KeyEntry, ProviderEntry, RegistryFile, SCHEMA};

#[path = "src/provider/schema.rs"]
mod schema;

fn main() -> Result<(), Box<dyn Error>> {
    for input in ["build.rs", "providers.toml", "src/provider/schema.rs"] {
        writeln!(io::stdout(), "cargo::rerun-if-changed={input}")?;
    }
    let registry: RegistryFile = toml::from_str(&fs::read_to_string("providers.toml")?)?;
    if registry.schema != SCHEMA {
        return Err("providers.toml has another schema than src/provider/schema.rs".into());
    }
    let providers: Vec<String> =
        registry.provider.iter().map(|provider| provider_literal(provider.get_ref())).collect();
    let target = Path::new(&output_directory()?).join("providers.rs");
    Ok(fs::write(target, format!("&[{}]", providers.join(", ")))?)
}

#[expect(clippy::disallowed_methods, reason = "this is how cargo tells a build script where to write")]
fn output_directory() -> Result<String, env::VarError> {
    env::var("OUT_DIR")
}

/// Writes a provider as a Rust expression. `{:?}` of a text is a Rust literal of that text.
fn provider_literal(provider: &ProviderEntry) -> String {
    let ProviderEntry { id, name, cloud, aliases, require, optional, .. } = provider;
    let groups: Vec<String> = require.iter().map(|group| format!("&{group:?}")).collect();
    let keys: Vec<String> = provider.key.iter().map(key_literal).collect();
    format!(
        "Provider {{ id: {id:?}, name: {name:?}, kind: Kind::{kind}, cloud: {cloud}, aliases: &{aliases:?}, \
         require: &[{groups}], optional: &{optional:?}, docs: {docs:?}, keys_url: {keys_url:?}, keys: &[{keys}] }}",
        kind = variant(&provider.kind),
        groups = groups.join(", "),
        docs = provider.docs(),
        keys_url = provider.keys_url(),
        keys = keys.join(", "),
    )
}

fn key_literal(key: &KeyEntry) -> String {
    let KeyEntry { env, aliases, secret, pattern, .. } = key;
    format!("ProviderKey {{ env: {env:?}, aliases: &{aliases:?}, secret: {secret}, pattern: {pattern:?} }}")
}

/// Returns the variant's name: the kind's word with a capital. An unknown kind then does not compile.
fn variant(kind: &str) -> String {
    let mut letters = kind.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}
