//! The file of an import: names, and values where there are any.

use std::path::Path;

use vault_core::dotenv;
use vault_core::dotenv::lines::Lines;
use vault_core::format::MAX_VALUE;
use vault_core::json;
use vault_core::name::{Scope, SecretName};
use vault_core::secret::SecretString;
use vault_core::secret_like::looks_like_a_secret;
use vault_core::vault::merge::Incoming;

use super::{ImportArguments, ImportFormat};
use crate::error::{CommandError, Kind};
use crate::input::bad_env_file;

/// What a file has of the names that are asked for.
pub(super) struct Found {
    pub(super) secrets: Vec<Incoming>,
    pub(super) empty: Vec<SecretName>,
}

/// A name of the file, with its value if it has one.
type Pair = (String, Option<SecretString>);

/// Reads the file. Only the names that are asked for have to be such that a vault can have them.
pub(super) fn read(
    args: &ImportArguments,
    scope: &Scope,
    label: &str,
    bytes: &[u8],
) -> Result<Found, CommandError> {
    let pairs = parse(args.format, label, bytes)?;
    let has = |name: &&SecretName| pairs.iter().any(|(found, _)| found == name.as_str());
    if let Some(missing) = args.selection.only.iter().find(|name| !has(name)) {
        return Err(CommandError::new(Kind::NoSuchSecret, format!("no name {missing} in {label}"))
            .hint("`keyward import FILE --dry-run` lists the names of a file"));
    }
    let (mut secrets, mut empty) = (Vec::new(), Vec::new());
    for (position, (text, value)) in
        pairs.into_iter().enumerate().filter(|(_, (text, _))| args.selection.takes(text))
    {
        let line = || place_in(args.format, bytes, &text, position);
        let name = SecretName::parse(&text).map_err(|error| bad_line(label, line(), &error.to_string()))?;
        if !is_common(&name) && looks_like_a_secret(name.as_str()) {
            return Err(bad_line(
                label,
                line(),
                "the name looks like a piece of a value: is a quote missing above?",
            ));
        }
        match value.filter(|value| args.allow_empty || !value.expose_secret().is_empty()) {
            None => empty.push(name),
            Some(value) if value.expose_secret().len() > MAX_VALUE => {
                return Err(bad_line(label, line(), "the value is over 1 MiB"));
            }
            Some(value) => secrets.push(Incoming { scope: scope.clone(), name, value: value.into_bytes() }),
        }
    }
    Ok(Found { secrets, empty })
}

fn parse(format: ImportFormat, label: &str, bytes: &[u8]) -> Result<Vec<Pair>, CommandError> {
    match format {
        ImportFormat::Dotenv => {
            let file = dotenv::parse(Path::new(label), bytes).map_err(|error| bad_env_file(&error))?;
            Ok(file.into_iter().map(|(name, value)| (name, Some(value))).collect())
        }
        ImportFormat::Json => {
            let unreadable = |error: json::JsonError| {
                CommandError::new(Kind::UnreadableFile, format!("cannot read {label}"))
                    .caused_by(&error)
                    .hint("it has to be one object of names and texts, as `keyward export --format json` writes it")
            };
            json::read(bytes).map_err(unreadable)
        }
    }
}

/// Tells whether a name has the form of most, which no piece of a key has. To look at it closer takes long.
fn is_common(name: &SecretName) -> bool {
    name.as_str().bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_'))
}

/// Says where a name stands. The name itself is not said: it may be a piece of a value.
fn place_in(format: ImportFormat, bytes: &[u8], name: &str, position: usize) -> String {
    match format {
        ImportFormat::Dotenv => format!("line {}", Lines::of(bytes).get(name).unwrap_or(1)),
        ImportFormat::Json => format!("name {}", position + 1),
    }
}

fn bad_line(label: &str, place: String, why: &str) -> CommandError {
    CommandError::new(Kind::UnreadableFile, format!("cannot import {label}"))
        .because(format!("{place}: {why}"))
        .hint("nothing was stored; `--only NAME,NAME` leaves a line out")
}
