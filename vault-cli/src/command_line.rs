//! The whole command line as clap reads it: the global flags and one of the commands. What a command takes
//! stands with the command.

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::arguments::Globals;
use crate::commands::Command;
use crate::error::CommandError;
use crate::output;
use crate::ui::Ui;

/// A credential vault in one binary and one sealed file
#[derive(Debug, Parser)]
#[command(name = "keyward", version, max_term_width = 100, after_long_help = EXIT_CODES)]
#[command(propagate_version = false, disable_help_subcommand = true, infer_long_args = true)]
pub(crate) struct CommandLine {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    failed for another reason
  2    wrong usage
  3    not signed in, or the credential was rejected
  4    no such secret, connection, profile or version
  5    the vault can't be unlocked: no key source, or a wrong key
  6    the vault or the bundle is damaged, cut off, rolled back or gone
  7    required credentials are missing (`creds check`)
  8    busy, or somebody else changed the vault meanwhile
  9    the network or a server failed
  10   refused by scope or policy
  12   the file was written by a newer keyward
  125  `run`: failed before the program started (126 not executable, 127 not found, 128+n killed by
       signal n; else the program's own code)
  130  interrupted";

/// Reads the command line. Help and version are printed here, as are errors of usage, which become
/// JSON where the command line asks for it.
///
/// # Errors
///
/// The exit code to end with.
pub(crate) fn parse() -> Result<CommandLine, ExitCode> {
    if let Some(line) = parse_with_one_command() {
        return Ok(line);
    }
    CommandLine::try_parse().map_err(|error| {
        let json = asks_for_json(std::env::args_os());
        if error.use_stderr() && (json || may_repeat_a_value(&error)) {
            return output::fail(Ui::before_arguments(json), &usage_error(&error));
        }
        let shown = error.print();
        match (error.use_stderr(), shown) {
            (true, _) => ExitCode::from(2),
            (false, Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
            _ => ExitCode::SUCCESS,
        }
    })
}

/// Parses with the definition of the one command that the first argument names. clap copies every
/// global flag into every command that it knows, which takes longer than opening a small vault. `None`
/// where that is not enough: then the whole definition says what to print.
fn parse_with_one_command() -> Option<CommandLine> {
    let first = std::env::args_os().nth(1)?;
    let commands = Command::augment_subcommands(clap::Command::default());
    let is_first = |command: &&clap::Command| {
        first == command.get_name() || command.get_all_aliases().any(|alias| first == alias)
    };
    let chosen = commands.get_subcommands().find(is_first)?.clone();
    let mut definition = GlobalsAlone::command().subcommand(chosen);
    let parsed = definition.try_get_matches_from_mut(std::env::args_os());
    // A definition has no secret. To take it apart and wipe it takes as long as to make it.
    std::mem::forget((definition, commands));
    CommandLine::from_arg_matches(&parsed.ok()?).ok()
}

/// The command line without its commands.
#[derive(Debug, Parser)]
#[command(name = "keyward", infer_long_args = true, disable_help_subcommand = true)]
struct GlobalsAlone {
    #[command(flatten)]
    _globals: Globals,
}

/// Returns the command line's definition, for completions and man pages.
pub(crate) fn definition() -> clap::Command {
    CommandLine::command()
}

/// Tells whether arguments that did not parse ask for JSON.
fn asks_for_json(arguments: impl Iterator<Item = OsString>) -> bool {
    let own: Vec<OsString> = arguments.take_while(|argument| argument != "--").collect();
    let is_form = |option: &OsString| option == "--output" || option == "--format";
    let pairs = own.windows(2).any(|pair| is_form(&pair[0]) && pair[1] == "json");
    pairs || own.iter().any(|word| word == "--json" || word == "--output=json" || word == "--format=json")
}

/// Tells whether clap's message holds what was typed in the place of a name or behind the value, as in
/// `put NAME=value` and `put NAME two words`.
fn may_repeat_a_value(error: &clap::Error) -> bool {
    match error.kind() {
        ErrorKind::ValueValidation => true,
        ErrorKind::UnknownArgument => !invalid_argument(error).starts_with('-'),
        _ => false,
    }
}

/// Says what is wrong with the command line without the text that is wrong, where that may be a value.
fn usage_error(error: &clap::Error) -> CommandError {
    if !may_repeat_a_value(error) {
        return CommandError::usage(first_paragraph(error))
            .hint("`keyward --help` lists commands and options");
    }
    if error.kind() == ErrorKind::UnknownArgument {
        return CommandError::usage("there are more arguments than the command takes")
            .hint("quote what has spaces; `keyward put NAME` takes the value from stdin or asks for it");
    }
    let argument = invalid_argument(error);
    let refused = CommandError::usage(format!("{argument} is not valid"));
    let refused = match std::error::Error::source(error) {
        Some(why) => refused.caused_by(why),
        None => refused,
    };
    refused.hint(if argument.ends_with("<NAME>") {
        "a name is like API_KEY; `keyward put NAME` takes the value from stdin or asks for it"
    } else {
        "`keyward --help` lists commands and options"
    })
}

/// Returns the argument that clap complains of: as in the help, or as typed if there is no such one.
fn invalid_argument(error: &clap::Error) -> &str {
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(argument)) => argument,
        _ => "an argument",
    }
}

/// Returns clap's message on one line, without the usage and the tips below it.
fn first_paragraph(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let lines = text.lines().take_while(|line| !line.trim().is_empty());
    let paragraph = lines.map(str::trim).collect::<Vec<_>>().join(" ");
    paragraph.trim_start_matches("error: ").to_owned()
}
