//! `env lint`: which other readers give the names of a `.env` file other values. Never a value, nor a name.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use vault_core::dotenv::dialect::Dialect;
use vault_core::dotenv::lint::{Finding, Problem, lint};
use vault_core::name::escape_deceptive;

use crate::error::CommandError;
use crate::input::{bad_env_file, read_env_file};
use crate::report::{Report, counted};

/// Look at `.env` files without reading them into the vault
#[derive(Debug, Args)]
pub(crate) struct EnvArguments {
    #[command(subcommand)]
    command: EnvCommand,
}

#[derive(Debug, Subcommand)]
enum EnvCommand {
    Lint(LintArguments),
}

/// Say, line by line, where other readers of a `.env` file read another value than keyward
///
/// One line for each finding: `FILE:LINE: READER does …`; values and names are not printed. The rules of
/// bash, node (the package dotenv) and python (python-dotenv) are tested against these programs; those of
/// compose (docker compose, `env_file:`) and docker (`docker run --env-file`) follow their sources. The
/// variables of the environment are taken for unset. Exit code 0, with `--strict` 1 if there are findings;
/// a line that keyward itself refuses is an error.
#[derive(Debug, Args)]
struct LintArguments {
    /// The file to look at; `-` is stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Compare with these readers only
    #[arg(long = "for", value_name = "READER,…", value_delimiter = ',')]
    readers: Vec<Reader>,
    /// End with 1 if there is a finding
    #[arg(long)]
    strict: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Reader {
    /// `set -a; . FILE` in bash
    Bash,
    /// `env_file:` of docker compose
    Compose,
    /// `docker run --env-file`
    Docker,
    /// The package dotenv of Node
    Node,
    /// The package python-dotenv
    Python,
}

impl From<Reader> for Dialect {
    fn from(reader: Reader) -> Self {
        match reader {
            Reader::Bash => Self::Bash,
            Reader::Compose => Self::Compose,
            Reader::Docker => Self::Docker,
            Reader::Node => Self::Node,
            Reader::Python => Self::Python,
        }
    }
}

/// What was found.
#[derive(Debug, Serialize)]
pub(crate) struct LintReport {
    file: String,
    readers: Vec<ReaderRow>,
    findings: Vec<FindingRow>,
    #[serde(skip)]
    strict: bool,
}

/// A reader, and where its rules come from.
#[derive(Debug, Serialize)]
struct ReaderRow {
    reader: &'static str,
    /// `tested` against the reader, or by its source alone.
    rules: &'static str,
    source: &'static str,
}

/// A line and what there is to know of it.
#[derive(Debug, Serialize)]
struct FindingRow {
    line: usize,
    reader: Option<&'static str>,
    rule: &'static str,
    certain: bool,
    text: String,
}

impl Report for LintReport {
    fn write_data(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        let file = escape_deceptive(&self.file);
        self.findings.iter().try_for_each(|FindingRow { line, reader, text, .. }| {
            let reader = reader.map_or_else(String::new, |reader| format!("{reader} "));
            writeln!(out, "{file}:{line}: {reader}{text}")
        })
    }

    fn summary(&self) -> Option<String> {
        let readers: Vec<&str> = self.readers.iter().map(|row| row.reader).collect();
        let file = escape_deceptive(&self.file);
        let mut lines = vec![match self.findings.len() {
            0 => format!("{file} reads the same in {}", readers.join(", ")),
            count => format!("{} in {file}", counted(count, "finding")),
        }];
        let not_run = self.readers.iter().filter(|row| row.rules == NOT_RUN);
        lines.extend(not_run.map(|row| format!("rules of {}: {NOT_RUN}: {}", row.reader, row.source)));
        Some(lines.join("\n"))
    }

    fn exit_code(&self) -> u8 {
        u8::from(self.strict && !self.findings.is_empty())
    }
}

/// Reads the file and compares. Vault and environment are not looked at.
pub(crate) fn run(args: &EnvArguments) -> Result<LintReport, CommandError> {
    let EnvCommand::Lint(args) = &args.command;
    let (file, bytes) = read_env_file(&args.file)?;
    let asked_for = |dialect: &Dialect| args.readers.iter().any(|reader| Dialect::from(*reader) == *dialect);
    let dialects = Dialect::ALL.into_iter().filter(|dialect| args.readers.is_empty() || asked_for(dialect));
    let dialects: Vec<Dialect> = dialects.collect();
    let found =
        lint(Path::new(&file), bytes.expose_secret(), &dialects).map_err(|error| bad_env_file(&error))?;
    Ok(LintReport {
        file,
        readers: dialects.into_iter().map(reader_row).collect(),
        findings: found.into_iter().map(finding_row).collect(),
        strict: args.strict,
    })
}

const fn reader_row(dialect: Dialect) -> ReaderRow {
    let rules = if dialect.is_run() { "tested" } else { NOT_RUN };
    ReaderRow { reader: dialect.name(), rules, source: dialect.source() }
}

/// What is said of the rules of a reader that no test runs.
const NOT_RUN: &str = "documented, not run";

fn finding_row(finding: Finding) -> FindingRow {
    let Finding { line, problem } = finding;
    match problem {
        Problem::Again { first } => {
            let text = format!("sets the name of line {first} again; the last value counts");
            FindingRow { line, reader: None, rule: "again", certain: true, text }
        }
        Problem::Reader { dialect, act } => FindingRow {
            line,
            reader: Some(dialect.name()),
            rule: act.word(),
            certain: act.is_certain(),
            text: act.to_string(),
        },
    }
}
