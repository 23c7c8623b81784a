//! What other readers of `.env` files make of a text, each by its own rules: models that compute, in a
//! clean environment, the value that the reader would give each name. A model says where it can't tell.
//!
//! Those of bash, Node's dotenv and python-dotenv are held against the programs themselves
//! (`tests/tests/env_dialects.rs`); those of the two readers of docker follow their sources and are not run.

mod bash;
mod compose;
mod cursor;
mod docker;
mod node;
mod python;

use std::collections::BTreeMap;
use std::fmt;

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
    fn debug_shows_no_value() {
        for dialect in Dialect::ALL {
            assert!(!format!("{:?}", dialect.read("A=canary")).contains("canary"), "{dialect}");
        }
    }
}
