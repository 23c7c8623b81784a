//! What other readers of `.env` files make of a text, each by its own rules: models that compute, in a
//! clean environment, the value that the reader would give each name. A model says where it can't tell.
//!
//! The models of bash, Node's dotenv and python-dotenv are held against the programs themselves
//! (`vault-core/tests/env_dialects.rs`); those of the two readers of docker follow their sources and are
//! not run. Copies of values that a model makes on its way are wiped by the binary's allocator, as those
//! of the parser are.

mod bash;
mod compose;
mod cursor;
mod docker;
mod node;
mod python;

use std::collections::BTreeMap;
use std::fmt;

use super::MAX_ENV_FILE;
use crate::secret::SecretString;

/// A reader of `.env` files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dialect {
    /// `set -a; . FILE` in bash 5.
    Bash,
    /// `env_file:` of docker compose 2 and later.
    Compose,
    /// `docker run --env-file`.
    Docker,
    /// The package dotenv of Node, 16 and later.
    Node,
    /// The package python-dotenv, 1.2.
    Python,
}

impl Dialect {
    /// Every reader, in order.
    pub const ALL: [Self; 5] = [Self::Bash, Self::Compose, Self::Docker, Self::Node, Self::Python];

    /// Returns the name of the reader.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Compose => "compose",
            Self::Docker => "docker",
            Self::Node => "node",
            Self::Python => "python",
        }
    }

    /// Tells whether tests hold the model against the reader itself. The others follow its source alone.
    #[must_use]
    pub const fn is_run(self) -> bool {
        matches!(self, Self::Bash | Self::Node | Self::Python)
    }

    /// Returns where the rules of the model are written down.
    #[must_use]
    pub const fn source(self) -> &'static str {
        match self {
            Self::Bash => "POSIX.1-2017 XCU §2.2, §2.6, §2.9.1; bash(1)",
            Self::Compose => "https://github.com/compose-spec/compose-go/blob/e70e961c/dotenv/parser.go",
            Self::Docker => "https://github.com/docker/cli/blob/v28.2.2/pkg/kvfile/kvfile.go",
            Self::Node => "https://github.com/motdotla/dotenv/blob/v16.0.0/lib/main.js",
            Self::Python => "https://github.com/theskumar/python-dotenv/blob/v1.2.4/src/dotenv/parser.py",
        }
    }

    /// Returns what the reader makes of a text.
    #[must_use]
    pub fn read(self, text: &str) -> Reading {
        match self {
            Self::Bash => bash::read(text),
            Self::Compose => compose::read(text),
            Self::Docker => docker::read(text),
            Self::Node => node::read(text),
            Self::Python => python::read(text),
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a reader makes of a text.
#[derive(Debug)]
pub struct Reading {
    /// The names that it sets, in order.
    pub entries: Vec<Entry>,
    /// How far it comes.
    pub end: End,
}

/// How far a reader comes in a text. Lines count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// To its end.
    All,
    /// To this line, from which on it reads nothing.
    Cut(usize),
    /// Nowhere: it refuses the whole text because of this line.
    Refused(usize),
    /// Nobody can tell without running it what becomes of this line and those behind it.
    Unsure(usize),
}

/// One name that a reader sets.
#[derive(Debug)]
pub struct Entry {
    /// The line of the name, from 1; LF, CR LF and CR end a line, whatever the reader makes of them.
    pub line: usize,
    /// The name.
    pub name: String,
    /// What it is set to.
    pub value: Value,
}

/// What a reader sets a name to.
#[derive(Debug)]
pub enum Value {
    /// This text.
    Known(SecretString),
    /// What comes of an expansion or a command, and so another text than stands in the file.
    Other,
    /// Nothing: the name is left as it was.
    Unset,
    /// Nobody can tell without running it.
    Unsure,
}

impl Value {
    fn known(text: impl Into<String>) -> Self {
        Self::Known(SecretString::new(text.into()))
    }
}

/// How much variables may add to the values of one text. Each line of a hostile one can double the line
/// before.
#[derive(Debug)]
struct Budget(usize);

impl Budget {
    const fn new() -> Self {
        Self(MAX_ENV_FILE)
    }

    /// Takes `length` bytes, if there are as many left.
    const fn take(&mut self, length: usize) -> bool {
        let left = self.0.checked_sub(length);
        if let Some(left) = left {
            self.0 = left;
        }
        left.is_some()
    }
}

impl Reading {
    /// Returns what each name is set to at last. Who does not set a name leaves it as it was.
    #[must_use]
    pub fn last(&self) -> BTreeMap<&str, &Value> {
        let mut last = BTreeMap::new();
        for Entry { name, value, .. } in &self.entries {
            match value {
                Value::Unset => last.entry(name.as_str()).or_insert(value),
                _ => last.entry(name.as_str()).insert_entry(value).into_mut(),
            };
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the entries of a reading as texts.
    pub(super) fn shown(reading: &Reading) -> Vec<String> {
        let show = |Entry { line, name, value }: &Entry| match value {
            Value::Known(text) => format!("{line}:{name}={}", text.expose_secret()),
            Value::Other => format!("{line}:{name} other"),
            Value::Unset => format!("{line}:{name} unset"),
            Value::Unsure => format!("{line}:{name} unsure"),
        };
        reading.entries.iter().map(show).collect()
    }

    #[test]
    fn the_readers_that_tests_start_are_told_from_those_that_were_only_read_about() {
        assert!([Dialect::Bash, Dialect::Node, Dialect::Python].iter().all(|dialect| dialect.is_run()));
        assert!(![Dialect::Compose, Dialect::Docker].iter().any(|dialect| dialect.is_run()));
    }

    #[test]
    fn each_reader_says_where_its_rules_are_written_down() {
        let sources = Dialect::ALL.map(Dialect::source);
        assert!(sources.iter().all(|source| source.starts_with("https://") || source.starts_with("POSIX")));
        assert!(sources.iter().all(|source| sources.iter().filter(|other| *other == source).count() == 1));
    }

    #[test]
    fn values_that_double_from_line_to_line_are_given_up() {
        let line = |number: usize| format!("V{}=${{V{number}}}${{V{number}}}\n", number + 1);
        let text = "V0=x\n".to_owned() + &(0..200).map(line).collect::<String>();
        for dialect in [Dialect::Bash, Dialect::Python] {
            let reading = dialect.read(&text);
            let sizes = reading.entries.iter().map(|entry| match &entry.value {
                Value::Known(text) => text.expose_secret().len(),
                _ => 0,
            });
            assert!(sizes.sum::<usize>() < 2 * MAX_ENV_FILE, "{dialect}");
            assert!(matches!(reading.entries[200].value, Value::Unsure), "{dialect}");
        }
    }

    #[test]
    fn a_value_of_many_open_braces_is_given_up() {
        let text = format!("A={}:", "${a".repeat(100_000));
        assert!(matches!(Dialect::Python.read(&text).entries[0].value, Value::Unsure));
    }

    #[test]
    fn debug_shows_no_value() {
        for dialect in Dialect::ALL {
            assert!(!format!("{:?}", dialect.read("A=canary")).contains("canary"), "{dialect}");
        }
    }
}
