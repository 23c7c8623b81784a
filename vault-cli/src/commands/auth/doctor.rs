//! `auth doctor`: what a login, a refresh and a request need, looked at one by one. No credential is sent; the file
//! of sessions is written once more as it is, because nothing else shows that it can be.

mod network;
mod stored;

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;
use vault_core::name::escape_deceptive;

use crate::context::Context;
use crate::error::CommandError;
use crate::report::{Report, counted};
use crate::session_access::SessionAccess;

/// Look for what could go wrong with logins: files, locks, keyring, clock, network, provider and backend
///
/// No credential is sent. Under `--air-gap` what needs the network is skipped. Exit code 1 where a check failed.
#[derive(Debug, Args)]
pub(super) struct DoctorArguments {}

/// What was found.
#[derive(Debug, Serialize)]
pub(super) struct DoctorReport {
    checks: Vec<Check>,
    failed: usize,
    warnings: usize,
}

/// One check.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    state: State,
    found: String,
    hint: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Failed,
    Ok,
    Skipped,
    Warning,
}

impl State {
    const fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Warning => "warning",
        }
    }
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, state: State::Ok, found: found.into(), hint: None }
    }

    fn skipped(name: &'static str, why: impl Into<String>) -> Self {
        Self { name, state: State::Skipped, found: why.into(), hint: None }
    }

    fn warning(name: &'static str, found: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { name, state: State::Warning, found: found.into(), hint: Some(hint.into()) }
    }

    fn failed(name: &'static str, found: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { name, state: State::Failed, found: found.into(), hint: Some(hint.into()) }
    }

    /// Makes the check of an error that a command would have ended with.
    fn error(name: &'static str, error: &CommandError) -> Self {
        let causes = error.causes.iter().map(String::as_str);
        let found: Vec<&str> = std::iter::once(error.message.as_str()).chain(causes).collect();
        Self { name, state: State::Failed, found: found.join(": "), hint: error.hint.clone() }
    }
}

impl Report for DoctorReport {
    fn write_data(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        for Check { name, state, found, hint } in &self.checks {
            writeln!(out, "{:<9}{name:<15}{}", state.word(), escape_deceptive(found))?;
            if let Some(hint) = hint {
                writeln!(out, "{:<24}{}", "", escape_deceptive(hint))?;
            }
        }
        Ok(())
    }

    fn summary(&self) -> Option<String> {
        Some(match (self.failed, self.warnings) {
            (0, 0) => "nothing is wrong".to_owned(),
            (0, warnings) => counted(warnings, "warning"),
            (failed, _) => format!("{} failed", counted(failed, "check")),
        })
    }

    fn exit_code(&self) -> u8 {
        u8::from(self.failed > 0)
    }
}

/// Looks at everything, whatever was found before.
pub(super) fn run(ctx: &Context, _args: &DoctorArguments) -> Result<DoctorReport, CommandError> {
    let access = SessionAccess::new(ctx)?;
    let opened = access.open();
    let mut checks = stored::checks(&access, &opened);
    let file = opened.ok().flatten();
    checks.extend(network::checks(&access, file.as_ref())?);
    let count = |state| checks.iter().filter(|check| check.state == state).count();
    Ok(DoctorReport { failed: count(State::Failed), warnings: count(State::Warning), checks })
}
