//! Renders reports and errors: the data on stdout, as text or as one JSON object, and the exit code.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::process::ExitCode;

use serde::Serialize;

use crate::error::{CommandError, Kind};
use crate::report::{Report, SCHEMA_VERSION};
use crate::ui::Ui;

#[derive(Serialize)]
struct Success<'a, R> {
    schema_version: u32,
    command: &'a str,
    #[serde(flatten)]
    report: &'a R,
}

#[derive(Serialize)]
struct Failure<'a> {
    schema_version: u32,
    error: FailureDetails<'a>,
}

#[derive(Serialize)]
struct FailureDetails<'a> {
    kind: Kind,
    message: &'a str,
    causes: &'a [String],
    hint: Option<&'a str>,
    retryable: bool,
}

/// Renders the outcome of `command` and returns the exit code.
pub(crate) fn finish<R: Report>(ui: Ui, command: &str, outcome: Result<R, CommandError>) -> ExitCode {
    match outcome.and_then(|report| render(ui, command, &report).map(|()| report.exit_code())) {
        Ok(code) => ExitCode::from(code),
        Err(error) => fail(ui, &error),
    }
}

/// Renders an error and returns its exit code.
pub(crate) fn fail(ui: Ui, error: &CommandError) -> ExitCode {
    if ui.json {
        write_failure(error);
    }
    ui.error(error);
    ExitCode::from(error.kind.exit_code())
}

fn write_failure(error: &CommandError) {
    let details = FailureDetails {
        kind: error.kind,
        message: &error.message,
        causes: &error.causes,
        hint: error.hint.as_deref(),
        retryable: error.kind.is_retryable(),
    };
    let failure = Failure { schema_version: SCHEMA_VERSION, error: details };
    // The exit code tells of the failure even where stdout is closed.
    drop(write_json(&failure));
}

fn render<R: Report>(ui: Ui, command: &str, report: &R) -> Result<(), CommandError> {
    let written = if ui.json {
        write_json(&Success { schema_version: SCHEMA_VERSION, command, report })
    } else {
        write_text(report)
    };
    ignore_closed_pipe(written)?;
    if let Some(summary) = report.summary() {
        ui.notes(&summary);
    }
    Ok(())
}

fn write_json(value: &impl Serialize) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    serde_json::to_writer(&mut out, value)?;
    out.write_all(b"\n")?;
    out.flush()
}

fn write_text(report: &impl Report) -> io::Result<()> {
    let stdout = io::stdout().lock();
    let terminal = stdout.is_terminal();
    let mut out = BufWriter::new(stdout);
    report.write_data(&mut out, terminal)?;
    out.flush()
}

/// A reader that went away has what it wanted (`keyward list | head -1`).
fn ignore_closed_pipe(written: io::Result<()>) -> Result<(), CommandError> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(CommandError::new(Kind::Failed, "cannot write to stdout")
                .caused_by(&error)
                .hint("the command was done, only its output is lost"))
        }
        _ => Ok(()),
    }
}
