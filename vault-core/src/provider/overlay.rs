//! The user's own providers: the files `*.toml` of one directory, of the same form as `providers.toml`. They
//! are read when a command needs the registry, and checked by the rules of the built-in ones.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str;
use std::time::Duration;

use serde::de::IgnoredAny;

use super::rules::{self, Mistake};
use super::schema::{KeyEntry, ProviderEntry, RegistryFile, SCHEMA};
use super::{Kind, Provider, ProviderKey};
use crate::input::{self, InputError};
use crate::toml_text::{self, TomlFault, line_of};

/// A file of providers that can't be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}", file.display())]
pub struct RegistryError {
    pub(super) file: PathBuf,
    #[source]
    pub(super) problem: RegistryProblem,
}

/// What is wrong with a file of providers.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryProblem {
    /// The file says nothing.
    #[error("it has no [[provider]]")]
    Empty,
    /// An entry breaks a rule.
    #[error("line {line}: {mistake}")]
    Entry {
        /// The line on which the entry starts, from 1.
        line: usize,
        /// The rule.
        mistake: Mistake,
    },
    /// The bytes of the file can't be had.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The bytes are not UTF-8.
    #[error("it is not UTF-8 text")]
    NotText,
    /// The file has another form than this program knows.
    #[error("its schema is {found}, and this program reads {SCHEMA}")]
    Schema {
        /// The version that the file names.
        found: u32,
    },
    /// The text is no TOML, or has a field of another type, or lacks one.
    #[error("{0}")]
    Syntax(TomlFault),
    /// The directory has more files than are read.
    #[error("there are more than {MAX_FILES} files")]
    TooManyFiles,
}

/// A provider of a file, and where it stands.
pub(super) struct Own {
    pub(super) provider: &'static Provider,
    pub(super) file: PathBuf,
    pub(super) line: usize,
}

/// Reads the providers of all files, in the order of the files' names. An absent directory has none.
pub(super) fn read(directory: &Path) -> Result<Vec<Own>, RegistryError> {
    let mut own = Vec::new();
    for file in files(directory)? {
        own.append(&mut read_file(&file).map_err(|problem| RegistryError { file, problem })?);
    }
    Ok(own)
}

/// Returns the files `*.toml`; hidden ones are an editor's.
fn files(directory: &Path) -> Result<Vec<PathBuf>, RegistryError> {
    let failed = |problem| RegistryError { file: directory.to_owned(), problem };
    let unreadable = |error| failed(InputError::System(error).into());
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(unreadable)?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if is_hidden || path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        if files.len() == MAX_FILES {
            return Err(failed(RegistryProblem::TooManyFiles));
        }
        files.push(path);
    }
    files.sort_unstable();
    Ok(files)
}

fn read_file(path: &Path) -> Result<Vec<Own>, RegistryProblem> {
    let bytes = input::read(path, MAX_FILE, DEADLINE)?;
    let text = str::from_utf8(bytes.expose_secret()).map_err(|_| RegistryProblem::NotText)?;
    let entries = parse(text)?;
    let own = |(line, entry)| Own { provider: kept_for_ever(entry), file: path.to_owned(), line };
    Ok(entries.into_iter().map(own).collect())
}

/// Returns the entries with their lines, each checked by itself.
pub(crate) fn parse(text: &str) -> Result<Vec<(usize, ProviderEntry)>, RegistryProblem> {
    let file: RegistryFile = toml_text::read(text, FORM).map_err(RegistryProblem::Syntax)?;
    if file.schema != SCHEMA {
        return Err(RegistryProblem::Schema { found: file.schema });
    }
    if file.provider.is_empty() {
        return Err(RegistryProblem::Empty);
    }
    let entries = file.provider.into_iter().map(|entry| {
        let line = line_of(text, entry.span().start);
        let entry = entry.into_inner();
        rules::check(&entry).map_err(|mistake| RegistryProblem::Entry { line, mistake })?;
        Ok((line, entry))
    });
    entries.collect()
}

/// Makes of a checked entry what the built-in providers are: a part of the program's own data, which lives
/// as long as the process does. A command reads the files once.
fn kept_for_ever(entry: ProviderEntry) -> &'static Provider {
    let docs = entry.docs().map(str::to_owned).map(kept_text);
    let keys_url = entry.keys_url().map(str::to_owned).map(kept_text);
    let kind = entry.kind.parse::<Kind>().expect("the rules have seen that it is a kind");
    let keys = with_key_for_each_required(entry.key, &entry.require).into_iter().map(kept_key);
    Box::leak(Box::new(Provider {
        keys: keys.collect::<Vec<_>>().leak(),
        id: kept_text(entry.id),
        name: kept_text(entry.name),
        kind,
        cloud: entry.cloud,
        aliases: kept_texts(entry.aliases),
        require: entry.require.into_iter().map(kept_texts).collect::<Vec<_>>().leak(),
        optional: kept_texts(entry.optional),
        docs,
        keys_url,
    }))
}

/// Adds an entry for each required name that has none of its own.
fn with_key_for_each_required(mut keys: Vec<KeyEntry>, require: &[Vec<String>]) -> Vec<KeyEntry> {
    for name in require.iter().flatten() {
        if !keys.iter().any(|key| key.env == *name) {
            keys.push(secret(name.clone()));
        }
    }
    keys
}

/// Returns the entry of a secret of no known shape.
const fn secret(env: String) -> KeyEntry {
    let (_default, _pattern_src) = (IgnoredAny, IgnoredAny);
    KeyEntry { env, aliases: Vec::new(), secret: true, pattern: None, _default, _pattern_src }
}

fn kept_key(key: KeyEntry) -> ProviderKey {
    let KeyEntry { env, aliases, secret, pattern, .. } = key;
    ProviderKey { env: kept_text(env), aliases: kept_texts(aliases), secret, pattern: pattern.map(kept_text) }
}

fn kept_text(text: String) -> &'static str {
    text.leak()
}

fn kept_texts(texts: Vec<String>) -> &'static [&'static str] {
    texts.into_iter().map(kept_text).collect::<Vec<_>>().leak()
}

/// What is said of a field that is not what it should be.
const FORM: &str = "a field is of another type than in keyward's own `providers.toml`";

/// The most files that are read.
const MAX_FILES: usize = 64;

/// The largest file that is read, in bytes: as much as the built-in one.
const MAX_FILE: usize = 64 << 10;

/// How long a pipe in the place of a file may take.
const DEADLINE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::error::Error;

    use tempfile::TempDir;

    use super::*;
    use crate::provider::Registry;

    const ACME: &str = "[[provider]]\nid = 'acme'\nname = 'Acme'\nkind = 'webhook'\ncloud = true\nrequire = [['ACME_TOKEN']]\n";

    /// What reading a directory with these files gives.
    fn with_files(files: &[(&str, &str)]) -> Result<Vec<Own>, RegistryError> {
        let directory = TempDir::new().unwrap();
        for (name, text) in files {
            fs::write(directory.path().join(name), text).unwrap();
        }
        read(directory.path())
    }

    fn problem(text: &str) -> String {
        let error = with_files(&[("a.toml", text)]).err().unwrap();
        assert!(error.to_string().ends_with("/a.toml"), "{error}");
        error.source().unwrap().to_string()
    }

    #[test]
    fn an_entry_becomes_a_provider() {
        let own = with_files(&[("acme.toml", &format!("# mine\n\n{ACME}"))]).unwrap();
        let Own { provider, line, .. } = &own[0];
        assert_eq!((provider.id, provider.kind, provider.cloud, *line), ("acme", Kind::Webhook, true, 3));
        assert_eq!(provider.require, [["ACME_TOKEN"]]);
        let key = ProviderKey { env: "ACME_TOKEN", aliases: &[], secret: true, pattern: None };
        assert_eq!(provider.keys, [key]);
    }

    #[test]
    fn a_key_is_secret_unless_the_file_says_otherwise() {
        let key = |more: &str| format!("{ACME}[[provider.key]]\nenv = 'ACME_TOKEN'\n{more}");
        for (more, is_secret) in [("", true), ("secret = true", true), ("secret = false", false)] {
            let own = with_files(&[("acme.toml", &key(more))]).unwrap();
            assert_eq!(own[0].provider.keys[0].secret, is_secret, "{more}");
        }
    }

    #[test]
    fn a_required_name_without_an_entry_gets_one_and_no_name_gets_two() {
        let keys = |entry: &str| {
            let more = format!("optional = ['ACME_URL']\n[[provider.key]]\nenv = '{entry}'\n");
            let own = with_files(&[("acme.toml", &format!("{ACME}{more}"))]).unwrap();
            own[0].provider.keys.iter().map(|key| key.env).collect::<Vec<_>>()
        };
        assert_eq!(keys("ACME_TOKEN"), ["ACME_TOKEN"]);
        assert_eq!(keys("ACME_URL"), ["ACME_URL", "ACME_TOKEN"]);
    }

    #[test]
    fn an_absent_directory_and_other_files_have_no_providers() {
        assert!(read(Path::new("/nonexistent/providers.d")).unwrap().is_empty());
        assert!(with_files(&[("a.toml~", "x"), (".a.toml", "x"), ("README", "x")]).unwrap().is_empty());
    }

    #[test]
    fn a_file_in_the_place_of_the_directory_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = read(file.path()).map(drop).unwrap_err();
        assert_eq!(error.file, file.path());
    }

    #[test]
    fn files_are_read_in_the_order_of_their_names() {
        let other = ACME.replace("acme", "other");
        let own = with_files(&[("b.toml", ACME), ("a.toml", &other)]).unwrap();
        assert_eq!(own.iter().map(|own| own.provider.id).collect::<Vec<_>>(), ["other", "acme"]);
    }

    #[test]
    fn mistakes_are_told_by_line() {
        assert!(problem("x").starts_with("line 1: "));
        assert_eq!(problem(&ACME.replace("id = 'acme'\n", "")), "line 1: missing field `id`");
        assert_eq!(problem(&ACME.replace("true", "'yes'")), format!("line 5: {FORM}"));
        assert!(
            problem(&format!("{ACME}{}", ACME.replace("'acme'", "'Acme'"))).starts_with("line 7: ids and")
        );
        assert!(problem(&ACME.replace("webhook", "http")).ends_with("stripe, twilio, webhook"));
    }

    #[test]
    fn a_mistake_repeats_nothing_of_the_file() {
        for text in [
            ACME.replace("true", "'canary'"),
            ACME.replace("'acme'", "['canary']"),
            ACME.replace("[['ACME_TOKEN']]", "'canary'"),
            ACME.replace("'webhook'", "'canary'"),
            ACME.replace("ACME_TOKEN", "canary/+9=="),
            "schema = 'canary'".to_owned(),
            "provider = 'canary'".to_owned(),
            "canary".to_owned(),
        ] {
            let problem = problem(&text);
            assert!(!problem.contains("canary"), "{problem}");
        }
    }

    #[test]
    fn misspelt_fields_are_refused_by_line() {
        let key = "[[provider.key]]\nenv = 'ACME_TOKEN'\n";
        for (text, told) in [
            (format!("{ACME}alias = ['a']\n"), "line 7: "),
            (format!("{ACME}{key}patern = '^a$'\n"), "line 9: "),
            (format!("shema = 1\n{ACME}"), "line 1: "),
            ("[[providers]]\nid = 'x'".to_owned(), "line 1: "),
        ] {
            assert!(problem(&text).starts_with(told), "{}", problem(&text));
        }
    }

    #[test]
    fn the_built_in_file_serves_as_an_own_one() {
        let own = with_files(&[("a.toml", include_str!("../../providers.toml"))]).unwrap();
        assert_eq!(own.len(), Registry::built_in().iter().len());
    }

    #[test]
    fn a_file_that_says_nothing_or_too_much_is_refused() {
        assert_eq!(problem(""), "it has no [[provider]]");
        assert_eq!(problem("schema = 2"), "its schema is 2, and this program reads 1");
        assert_eq!(problem(&format!("{ACME}#{}", "x".repeat(MAX_FILE))), "it has more than 65536 bytes");
    }

    #[test]
    fn bytes_that_are_no_text_and_directories_are_refused() {
        let directory = TempDir::new().unwrap();
        fs::write(directory.path().join("a.toml"), b"\xff").unwrap();
        let error = read(directory.path()).err().unwrap();
        assert_eq!(error.source().unwrap().to_string(), "it is not UTF-8 text");
        fs::remove_file(directory.path().join("a.toml")).unwrap();
        fs::create_dir(directory.path().join("a.toml")).unwrap();
        assert!(matches!(read(directory.path()).err().unwrap().problem, RegistryProblem::Input(_)));
        assert!(read(&directory.path().join("a.toml/b")).unwrap().is_empty());
    }

    #[test]
    fn more_files_than_the_limit_are_refused() {
        let names: Vec<String> = (0..=MAX_FILES).map(|number| format!("{number}.toml")).collect();
        let files: Vec<_> = names.iter().map(|name| (name.as_str(), ACME)).collect();
        assert!(matches!(with_files(&files).err().unwrap().problem, RegistryProblem::TooManyFiles));
        assert_eq!(with_files(&files[1..]).unwrap().len(), MAX_FILES);
    }
}
