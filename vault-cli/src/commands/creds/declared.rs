//! What a repository requires: the table `[creds]` of the nearest `.keyward.toml`. The file is untrusted, as
//! everything that comes with a repository: it names providers and names, no value is read because of it, and
//! the vault is not asked whether the directory may have its workspace.
//!
//! ```toml
//! [creds]
//! providers = ["openai", "slack"]
//! keys = ["MY_TOKEN"]
//! ```

use serde::Deserialize;
use toml::Spanned;
use vault_core::name::SecretName;
use vault_core::toml_text::{self, TomlFault, line_of};

use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::workspace::{self, WorkspaceText};

/// Things, each with its line.
type Lined<T> = Vec<(T, usize)>;

/// What a file requires.
#[derive(Debug)]
pub(super) struct Declared {
    /// The file, as a person in the current directory would write it.
    pub(super) label: String,
    /// Ids of providers, as the file spells them.
    pub(super) providers: Lined<String>,
    pub(super) keys: Lined<SecretName>,
}

/// The file as it is read here; what else stands in it is for other commands.
#[derive(Debug, Deserialize)]
struct File {
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

impl Declared {
    /// Reads the nearest file from the current directory upwards; `None` where it requires nothing.
    ///
    /// # Errors
    ///
    /// When the file is not to be trusted, or its table is not understood.
    pub(super) fn read(ctx: &Context) -> Result<Option<Self>, CommandError> {
        const HINT: &str = "correct the file; `keyward creds check --provider PROVIDER` does without it";
        let Some(directory) = ctx.directory()? else { return Ok(None) };
        let located = workspace::locate(&directory).map_err(|error| error.hint(HINT))?;
        let Some(WorkspaceText { path, text }) = located else { return Ok(None) };
        let parsed = parse(&text).map_err(|TomlFault { line, why }| {
            let message = format!("{} is not understood, line {line}", path.display());
            CommandError::new(Kind::UnreadableFile, message).because(why).hint(HINT)
        });
        let (providers, keys) = parsed?;
        let label = path.strip_prefix(&directory).unwrap_or(&path).display().to_string();
        let requires = !(providers.is_empty() && keys.is_empty());
        Ok(requires.then_some(Self { label, providers, keys }))
    }
}

fn parse(text: &str) -> Result<(Lined<String>, Lined<SecretName>), TomlFault> {
    let file: File = toml_text::read(text, "`[creds]` has `providers` and `keys`, lists of texts")?;
    let line = |item: &Spanned<String>| line_of(text, item.span().start);
    let Some(Table { providers, keys }) = file.creds else { return Ok((Vec::new(), Vec::new())) };
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
    Ok((providers.into_iter().map(lined).collect(), keys.collect::<Result<_, _>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_and_keys_have_their_lines() {
        let text = "workspace = 'web'\n[creds] # ours\nproviders = [\n  'openai',\n  'slack', 'x',\n]\nkeys = ['MY_TOKEN']";
        let (providers, keys) = parse(text).unwrap();
        let expected = [("openai", 4), ("slack", 5), ("x", 5)].map(|(id, line)| (id.to_owned(), line));
        assert_eq!(providers, expected);
        assert_eq!(keys, [(SecretName::parse("MY_TOKEN").unwrap(), 7)]);
    }

    #[test]
    fn a_file_without_the_table_requires_nothing() {
        for text in ["", "workspace = 'web'", "[creds]", "[creds]\nkeys = []", "[other]\nproviders = 1"] {
            assert_eq!(parse(text), Ok((Vec::new(), Vec::new())), "{text}");
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
            let fault = parse(text).unwrap_err();
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
            let fault = parse(&format!("[creds]\n{text}")).unwrap_err();
            assert!(!fault.why.contains("canary"), "{fault:?}");
            assert_eq!(fault.line, 2, "{text}");
        }
        let fault = parse("creds = 'canary'").unwrap_err();
        assert_eq!(fault.to_string(), "line 1: `[creds]` has `providers` and `keys`, lists of texts");
    }
}
