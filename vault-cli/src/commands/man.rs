//! `man`: the manual pages, made from the same definitions as the help.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use clap_mangen::Man;
use serde::Serialize;

use crate::error::{CommandError, Kind};
use crate::report::Report;

/// Print the manual page of keyward or of one command, or write all of them
#[derive(Debug, Args)]
pub(crate) struct ManArguments {
    /// The command, such as `put` or `creds check`
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
    /// Write the pages of all commands into this directory
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "command")]
    dir: Option<PathBuf>,
}

/// A page, or the files that were written.
#[derive(Debug, Serialize)]
pub(crate) struct ManReport {
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<String>,
    written: Vec<String>,
}

impl Report for ManReport {
    fn write_data(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        self.page.iter().try_for_each(|page| out.write_all(page.as_bytes()))
    }

    fn summary(&self) -> Option<String> {
        (!self.written.is_empty()).then(|| format!("wrote {} manual pages", self.written.len()))
    }
}

/// Renders the pages of `root`, the whole command line.
pub(crate) fn run(args: &ManArguments, mut root: clap::Command) -> Result<ManReport, CommandError> {
    root.build();
    if let Some(directory) = &args.dir {
        let written = write_all(&root, directory).map_err(|error| {
            CommandError::new(Kind::Failed, format!("cannot write into {}", directory.display()))
                .caused_by(&error)
        })?;
        return Ok(ManReport { page: None, written });
    }
    let mut command = &root;
    for name in &args.command {
        command = command.find_subcommand(name).ok_or_else(|| {
            CommandError::usage(format!("there is no command `{}`", args.command.join(" ")))
                .hint("`keyward --help` lists the commands")
        })?;
    }
    let page =
        render(command).map_err(|error| CommandError::new(Kind::Failed, "no page").caused_by(&error))?;
    Ok(ManReport { page: Some(String::from_utf8_lossy(&page).into_owned()), written: Vec::new() })
}

/// Writes the page of `command` and of all commands below it; returns the names of the files.
fn write_all(command: &clap::Command, directory: &std::path::Path) -> io::Result<Vec<String>> {
    let name = command.get_display_name().unwrap_or(command.get_name()).replace(' ', "-");
    let file = format!("{name}.1");
    fs::write(directory.join(&file), render(command)?)?;
    let mut written = vec![file];
    for command in command.get_subcommands() {
        written.extend(write_all(command, directory)?);
    }
    Ok(written)
}

fn render(command: &clap::Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    Ok(page)
}
