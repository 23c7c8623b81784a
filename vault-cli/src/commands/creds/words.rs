//! How a key stands, in words.

use vault_core::creds::{KeyReport, Source, State};
use vault_core::name::escape_deceptive;

/// Returns a state in words.
pub(super) const fn state(state: State) -> &'static str {
    match state {
        State::Empty => "empty",
        State::Malformed => "malformed",
        State::Missing => "missing",
        State::Present => "present",
        State::Unknown => "unknown",
    }
}

/// Returns a source in words.
pub(super) fn place(source: &Source) -> &str {
    match source {
        Source::Env => "environment",
        Source::File { label } => label,
        Source::Vault => "vault",
    }
}

/// Returns where a key occurs, and as what, in words; `None` if it does not.
pub(super) fn whereabouts(key: &KeyReport) -> Option<String> {
    let alias = key.alias.as_ref().map_or_else(String::new, |alias| format!(", as {alias}"));
    key.source.as_ref().map(|source| format!("{}{alias}", escape_deceptive(place(source))))
}

/// Returns the last two columns of a key in a table.
pub(super) fn standing(key: &KeyReport) -> String {
    format!("{}\t{}", state(key.state), whereabouts(key).as_deref().unwrap_or("-"))
}
