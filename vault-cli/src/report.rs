//! What a command has to say. A report is rendered once, as text or as JSON, by `output.rs`.

use std::io::{self, Write};

use serde::Serialize;
use vault_core::name::Scope;

/// The version of every JSON object that keyward prints. It changes when a field changes its meaning
/// or goes away; new fields may come without a change.
pub(crate) const SCHEMA_VERSION: u32 = 1;

/// The outcome of a command that did not fail. Its JSON form is its `Serialize`.
pub(crate) trait Report: Serialize {
    /// Writes the data for stdout. `terminal` says that a person is looking, who likes columns.
    fn write_data(&self, _out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        Ok(())
    }

    /// Returns the confirmation for stderr.
    fn summary(&self) -> Option<String> {
        None
    }

    /// Returns the exit code.
    fn exit_code(&self) -> u8 {
        0
    }
}

/// Which secret a report is about.
#[derive(Debug, Serialize)]
pub(crate) struct SecretRef {
    pub(crate) name: String,
    scope: &'static str,
    tenant: String,
    workspace: Option<String>,
    /// The scope in words.
    #[serde(skip)]
    pub(crate) place: String,
}

impl SecretRef {
    pub(crate) fn new(name: impl Into<String>, scope: &Scope) -> Self {
        Self {
            name: name.into(),
            scope: scope.kind(),
            tenant: scope.tenant().to_string(),
            workspace: scope.workspace().map(ToString::to_string),
            place: scope.to_string(),
        }
    }
}

/// Counts things in words: `1 secret`, `2 secrets`.
pub(crate) fn counted(count: usize, thing: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {thing}{plural}")
}
