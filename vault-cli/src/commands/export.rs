//! `export`: secrets as another program reads them, on stdout or in a private file.

mod target;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::{Serialize, Serializer};
use vault_core::export::{self, ExportError, Format, Obstacle};
use vault_core::name::escape_deceptive;
use vault_core::secret::SecretBytes;

use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::report::{self, Report, counted};
use crate::selection::{Secrets, Selection};

/// Print secrets as another program reads them, or write them to a private file
///
/// The values are printed: a terminal gets them only with `--reveal`, and so does `--json`. A secret of the
/// workspace goes before one of the tenant. A name or a value that the format can't carry unchanged is an
/// error that names it, and nothing is written. `run` gives secrets to a program without a file.
#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    #[command(flatten)]
    selection: Selection,
    /// How to write them
    #[arg(long, value_name = "FORMAT", default_value = "dotenv")]
    format: ExportFormat,
    /// Write to FILE, which only you can read afterwards, instead of stdout
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Print the values on a terminal, or in the JSON object
    #[arg(long, conflicts_with = "file")]
    reveal: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ExportFormat {
    /// A file for `docker run --env-file`; no value may have a line end
    Docker,
    /// A `.env` file as keyward reads it back
    Dotenv,
    /// Lines for the file that `$GITHUB_ENV` names; mask the values yourself
    GithubEnv,
    /// One flat object of names and texts
    Json,
    /// Lines for `eval` in sh, bash and zsh, or `source` in fish
    Shell,
    /// A file for `EnvironmentFile=` of a systemd unit
    Systemd,
}

impl From<ExportFormat> for Format {
    fn from(format: ExportFormat) -> Self {
        match format {
            ExportFormat::Docker => Self::Docker,
            ExportFormat::Dotenv => Self::Dotenv,
            ExportFormat::GithubEnv => Self::GithubEnv,
            ExportFormat::Json => Self::Json,
            ExportFormat::Shell => Self::Shell,
            ExportFormat::Systemd => Self::Systemd,
        }
    }
}

/// What was exported.
#[derive(Debug, Serialize)]
pub(crate) struct ExportReport {
    format: String,
    file: Option<String>,
    names: Vec<String>,
    #[serde(flatten, serialize_with = "revealed")]
    text: Shown,
}

/// The text, and whether it may be in the JSON object.
#[derive(Debug)]
struct Shown {
    text: SecretBytes,
    in_json: bool,
}

impl Report for ExportReport {
    fn write_data(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        if self.file.is_some() { Ok(()) } else { out.write_all(self.text.text.expose_secret()) }
    }

    fn summary(&self) -> Option<String> {
        let file = escape_deceptive(self.file.as_ref()?);
        Some(format!("wrote {} to {file}", counted(self.names.len(), "secret")))
    }
}

/// Renders everything before the first byte is written.
pub(crate) fn run(ctx: &Context, args: &ExportArguments) -> Result<ExportReport, CommandError> {
    if io::stdout().is_terminal() && args.file.is_none() && !args.reveal && !ctx.ui.json {
        return Err(CommandError::usage("values are not printed on a terminal unless you ask for it").hint(
            "`keyward export --file FILE` writes a private file, `keyward export --reveal` prints them",
        ));
    }
    if let Some(file) = &args.file {
        target::check(ctx, file)?;
    }
    let secrets = secrets(ctx, args)?;
    let format = args.format.into();
    let text = export::render(format, &secrets).map_err(|error| can_not_carry(&error))?;
    if let Some(file) = &args.file {
        target::write(file, text.expose_secret())?;
    }
    Ok(ExportReport {
        format: format.to_string(),
        file: args.file.as_ref().map(|file| file.display().to_string()),
        names: secrets.iter().map(|(name, _)| name.to_string()).collect(),
        text: Shown { text, in_json: args.reveal },
    })
}

/// Opens the secrets, in the order of their names. None of them is an empty export on stdout, but costs no file
/// what it has.
fn secrets(ctx: &Context, args: &ExportArguments) -> Result<Secrets, CommandError> {
    let opened = args.selection.open(ctx)?;
    let why = if opened.is_some() { "no secret is selected" } else { "there is no vault yet" };
    let mut secrets = opened.unwrap_or_default();
    if secrets.is_empty() && args.file.is_some() {
        return Err(CommandError::new(Kind::NoSuchSecret, "no secret is selected; nothing was written")
            .hint("`keyward list` shows what there is"));
    }
    if secrets.is_empty() {
        ctx.ui.warn(&format!("{why}: nothing is exported"));
    }
    secrets.sort_by(|(one, _), (next, _)| one.cmp(next));
    Ok(secrets)
}

fn can_not_carry(error: &ExportError) -> CommandError {
    let hint = match error.obstacle {
        Obstacle::Name | Obstacle::Reserved => {
            "`--only NAME,NAME` chooses other secrets; `--format json` has any name"
        }
        Obstacle::NotText => "`--only NAME,NAME` chooses other secrets; `keyward get NAME` gives the bytes",
        _ => "`--only NAME,NAME` chooses other secrets; `--format json` has any text",
    };
    CommandError::new(Kind::Failed, error.to_string()).hint(hint)
}

fn revealed<S: Serializer>(shown: &Shown, serializer: S) -> Result<S::Ok, S::Error> {
    report::revealed(&shown.text, shown.in_json, serializer)
}
