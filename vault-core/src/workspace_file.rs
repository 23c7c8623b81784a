//! `.keyward.toml`: the workspace that a directory claims, and the credentials that a repository requires. The file
//! comes with a repository, so it is untrusted: here its text is read, and nothing is believed. Finding the file and
//! writing it is the program's.
//!
//! ```toml
//! workspace = "shop"
//!
//! [creds]
//! providers = ["openai", "slack"]
//! keys = ["MY_TOKEN"]
//! ```

use serde::Deserialize;
use toml::Spanned;

use crate::name::{NameError, SecretName, WorkspaceId};
use crate::toml_text::{self, TomlFault, line_of};

/// The largest file that is read or written.
pub const MAX_FILE: u64 = 64 << 10;

/// Things, each with its line.
pub type Lined<T> = Vec<(T, usize)>;

/// Why a text claims no workspace that there could be. It repeats nothing of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// The text is no TOML, or `workspace` is no text.
    #[error("{0}")]
    Fault(TomlFault),
    /// What stands there is the id of no workspace.
    #[error(transparent)]
    Id(#[from] NameError),
}

/// What a repository requires.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Required {
    /// Ids of providers, as the file spells them.
    pub providers: Lined<String>,
    /// Names that an environment variable can have.
    pub keys: Lined<SecretName>,
}

/// What the readers here know of the file. Keys that they do not know are left to newer versions.
#[derive(Debug, Deserialize)]
struct Claiming {
    workspace: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Requiring {
    creds: Option<Table>,
}

/// A misspelt list would require nothing, and the check would pass: it is refused.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(default)]
    providers: Vec<Spanned<String>>,
    #[serde(default)]
    keys: Vec<Spanned<String>>,
}

/// Returns the workspace that a text claims; `None` where it claims none.
///
/// # Errors
///
/// [`ClaimError`], where the text is not understood or names something that is no workspace.
pub fn claimed(text: &str) -> Result<Option<WorkspaceId>, ClaimError> {
    let file: Claiming = toml_text::read(text, "`workspace` is a text").map_err(ClaimError::Fault)?;
    Ok(file.workspace.as_deref().map(WorkspaceId::parse).transpose()?)
}

/// Returns what the table `[creds]` of a text requires, nothing where it has none.
///
/// # Errors
///
/// [`TomlFault`], where the text is no TOML, its table has something else, or `keys` has what no environment
/// variable can be called.
pub fn required(text: &str) -> Result<Required, TomlFault> {
    let file: Requiring = toml_text::read(text, "`[creds]` has `providers` and `keys`, lists of texts")?;
    let line = |item: &Spanned<String>| line_of(text, item.span().start);
    let Some(Table { providers, keys }) = file.creds else { return Ok(Required::default()) };
    let keys = keys.into_iter().map(|key| {
        let fault = |why: String| TomlFault { line: line(&key), why };
        let name = SecretName::parse(key.get_ref()).map_err(|error| fault(error.to_string()))?;
        if name.fits_environment() {
            return Ok((name, line(&key)));
        }
        Err(fault("`keys` has a name that no environment variable can have".to_owned()))
    });
    let lined = |id: Spanned<String>| {
        let line = line(&id);
        (id.into_inner(), line)
    };
    Ok(Required {
        providers: providers.into_iter().map(lined).collect(),
        keys: keys.collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        claimed(text).unwrap_err().to_string()
    }

    #[test]
    fn the_file_names_a_workspace_and_may_say_more() {
        let claimed = claimed("workspace = \"web\"\n[later]\nx = 1\n").unwrap();
        assert_eq!(claimed.unwrap().as_str(), "web");
    }

    #[test]
    fn a_file_without_a_workspace_claims_none() {
        for text in ["", "[creds]\nproviders = [\"openai\"]\n", "workspaces = \"a\""] {
            assert_eq!(claimed(text), Ok(None), "{text}");
        }
    }

    #[test]
    fn a_workspace_that_is_none_is_refused() {
        for text in ["workspace = \"\"", "workspace = 1", "workspace = \"a/b\"", "workspace"] {
            assert!(claimed(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_refusal_repeats_nothing_of_the_file() {
        assert_eq!(refusal("\nworkspace = ['canary']"), "line 2: `workspace` is a text");
        for text in ["workspace = canary", "workspace = 'canary", "workspace = 'canary/'", "canary"] {
            let why = refusal(text);
            assert!(!why.contains("canary"), "{why}");
        }
    }

    #[test]
    fn providers_and_keys_have_their_lines() {
        let text = "workspace = 'web'\n[creds] # ours\nproviders = [\n  'openai',\n  'slack', 'x',\n]\nkeys = ['MY_TOKEN']";
        let Required { providers, keys } = required(text).unwrap();
        let expected = [("openai", 4), ("slack", 5), ("x", 5)].map(|(id, line)| (id.to_owned(), line));
        assert_eq!(providers, expected);
        assert_eq!(keys, [(SecretName::parse("MY_TOKEN").unwrap(), 7)]);
    }

    #[test]
    fn a_file_without_the_table_requires_nothing() {
        for text in ["", "workspace = 'web'", "[creds]", "[creds]\nkeys = []", "[other]\nproviders = 1"] {
            assert_eq!(required(text), Ok(Required::default()), "{text}");
        }
    }

    #[test]
    fn what_is_misspelt_or_of_another_type_is_refused_by_line() {
        for (text, at) in [
            ("[creds]\nprovider = ['openai']", 2),
            ("creds = 1", 1),
            ("\n[creds]\nproviders = 'openai'", 3),
            ("[creds]\nkeys = [\n  'A',\n  2]", 4),
            ("[creds]\nkeys = ['A'", 2),
            ("[creds]\nkeys = ['A', '']", 2),
            ("[creds]\nkeys = [\n'A-B']", 3),
            ("[creds]\nkeys = ['::error::x']", 2),
            ("[creds]\nkeys = [\"A\\u001b[31m\"]", 2),
        ] {
            let fault = required(text).unwrap_err();
            assert_eq!(fault.line, at, "{text}: {fault:?}");
        }
    }

    #[test]
    fn a_fault_repeats_nothing_of_the_file() {
        for text in [
            "providers = 'sk-live-canary'",
            "keys = 'sk-live-canary'",
            "keys = ['sk-live/canary=']",
            "keys = [['canary']]",
            "sk-live-canary = 1",
            "\"\\u001b]0;canary\\n::warning::canary\" = 1",
            "providers = ['canary'",
            "canary",
        ] {
            let fault = required(&format!("[creds]\n{text}")).unwrap_err();
            assert!(!fault.why.contains("canary"), "{fault:?}");
            assert_eq!(fault.line, 2, "{text}");
        }
        let fault = required("creds = 'canary'").unwrap_err();
        assert_eq!(fault.to_string(), "line 1: `[creds]` has `providers` and `keys`, lists of texts");
    }
}
