//! The command line as clap reads it: the global flags and the list of commands. What a command takes
//! stands with the command.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use vault_core::name::{TenantId, WorkspaceId};

use crate::commands::{
    completions, creds, get, history, init, list, man, put, rekey, restore, rm, rollback, run, slot, status,
    verify,
};
use crate::error::CommandError;
use crate::output;

/// A credential vault in one binary and one sealed file
#[derive(Debug, Parser)]
#[command(name = "keyward", version, max_term_width = 100, after_long_help = EXIT_CODES)]
#[command(propagate_version = false, disable_help_subcommand = true, infer_long_args = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The flags that every command takes.
#[derive(Debug, Args)]
pub(crate) struct Globals {
    /// Print one JSON object on stdout, also on failure
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub(crate) json: bool,
    /// Choose the form of the output
    #[arg(long, global = true, value_name = "FORM", conflicts_with = "json", help_heading = GLOBAL)]
    pub(crate) output: Option<OutputForm>,
    /// Use the vault file at PATH [env: KEYWARD_VAULT]
    #[arg(long, global = true, value_name = "PATH", help_heading = GLOBAL)]
    pub(crate) vault: Option<PathBuf>,
    /// Act in the workspace ID [env: KEYWARD_WORKSPACE]
    #[arg(long, global = true, value_name = "ID", help_heading = GLOBAL)]
    pub(crate) workspace: Option<WorkspaceId>,
    /// Act for the tenant ID [env: KEYWARD_TENANT]
    #[arg(long, global = true, value_name = "ID", help_heading = GLOBAL)]
    pub(crate) tenant: Option<TenantId>,
    /// Look in or write to this scope alone
    #[arg(long, global = true, value_name = "SCOPE", help_heading = GLOBAL)]
    pub(crate) scope: Option<ScopeKind>,
    /// Open no network socket and skip cloud providers [env: KEYWARD_AIR_GAP]
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub(crate) air_gap: bool,
    /// Never prompt
    #[arg(long, visible_alias = "non-interactive", global = true, help_heading = GLOBAL)]
    pub(crate) no_input: bool,
    /// Open the vault with this key source alone [env: KEYWARD_KEY_SOURCE]
    #[arg(long, global = true, value_name = "SOURCE", help_heading = GLOBAL)]
    pub(crate) key_source: Option<SourceKind>,
    /// Read the key of an env slot from the file descriptor N
    #[arg(long, global = true, value_name = "N", help_heading = GLOBAL)]
    pub(crate) key_fd: Option<u32>,
    /// Open the vault with the recovery code: a prompt, or KEYWARD_RECOVERY_CODE
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub(crate) recovery: bool,
    /// Say nothing but errors on stderr
    #[arg(long, short, global = true, conflicts_with = "verbose", help_heading = GLOBAL)]
    pub(crate) quiet: bool,
    /// Say more on stderr
    #[arg(long, short, global = true, help_heading = GLOBAL)]
    pub(crate) verbose: bool,
    /// Use colour on stderr
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", help_heading = GLOBAL)]
    pub(crate) color: ColorWhen,
}

const GLOBAL: &str = "Global options";

/// The forms of `--output`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputForm {
    /// One object
    Json,
    /// For people and pipes
    Text,
}

/// The kinds of `--scope`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScopeKind {
    /// Seen in one workspace
    Workspace,
    /// Seen in every workspace of the tenant
    Tenant,
}

/// The kinds of `--key-source`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SourceKind {
    /// The OS keyring
    Keyring,
    /// A key from the environment, a file or a descriptor
    Env,
    /// A seed file of this machine
    Machine,
    /// A passphrase
    Passphrase,
    /// The recovery code
    Recovery,
}

/// When `--color` colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorWhen {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Every command, in the order of the help.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum Command {
    Init(init::InitArguments),
    #[command(visible_alias = "set")]
    Put(put::PutArguments),
    Get(get::GetArguments),
    #[command(visible_alias = "ls")]
    List(list::ListArguments),
    #[command(visible_alias = "delete")]
    Rm(rm::RmArguments),
    History(history::HistoryArguments),
    Rollback(rollback::RollbackArguments),
    #[command(visible_alias = "exec")]
    Run(run::RunArguments),
    Creds(creds::CredsArguments),
    Status(status::StatusArguments),
    Verify(verify::VerifyArguments),
    Restore(restore::RestoreArguments),
    Slot(slot::SlotArguments),
    Rekey(rekey::RekeyArguments),
    /// The commands `put` and `list` under the name that other tools give them
    Vault(VaultArguments),
    Completions(completions::CompletionsArguments),
    Man(man::ManArguments),
}

/// The commands `put` and `list` under the name that other tools give them
#[derive(Debug, Args)]
pub(crate) struct VaultArguments {
    #[command(subcommand)]
    pub(crate) command: VaultCommand,
}

/// The same commands as at the top level.
#[derive(Debug, Subcommand)]
pub(crate) enum VaultCommand {
    #[command(visible_alias = "set")]
    Put(put::PutArguments),
    #[command(visible_alias = "ls")]
    List(list::ListArguments),
}

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    failed for another reason
  2    wrong usage
  4    no such secret or version
  5    the vault can't be unlocked: no key source, or a wrong key
  6    the vault is damaged, cut off or gone
  7    required credentials are missing (`creds check`)
  8    busy, or somebody else changed the vault meanwhile
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
pub(crate) fn parse() -> Result<Arguments, ExitCode> {
    Arguments::try_parse().map_err(|error| {
        let error = without_values(error);
        if error.use_stderr() && asks_for_json(std::env::args_os()) {
            return output::fail_usage(&CommandError::usage(first_line(&error)));
        }
        let shown = error.print();
        match (error.use_stderr(), shown) {
            (true, _) => ExitCode::from(2),
            (false, Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
            _ => ExitCode::SUCCESS,
        }
    })
}

/// Returns the command line's definition, for completions and man pages.
pub(crate) fn definition() -> clap::Command {
    Arguments::command()
}

/// Takes out of an error of usage what may be a secret in the wrong place: the text of a bad name, or a
/// word too many.
fn without_values(mut error: clap::Error) -> clap::Error {
    let hidden = || ContextValue::String("…".to_owned());
    match error.kind() {
        ErrorKind::ValueValidation => {
            error.insert(ContextKind::InvalidValue, hidden());
        }
        ErrorKind::UnknownArgument if !is_option(error.get(ContextKind::InvalidArg)) => {
            error.insert(ContextKind::InvalidArg, hidden());
            error.remove(ContextKind::Suggested);
        }
        _ => {}
    }
    error
}

fn is_option(argument: Option<&ContextValue>) -> bool {
    matches!(argument, Some(ContextValue::String(text)) if text.starts_with('-'))
}

/// Tells whether arguments that did not parse ask for JSON.
fn asks_for_json(arguments: impl Iterator<Item = OsString>) -> bool {
    let own: Vec<OsString> = arguments.take_while(|argument| argument != "--").collect();
    let pairs = own.windows(2).any(|pair| pair[0] == "--output" && pair[1] == "json");
    pairs || own.iter().any(|argument| argument == "--json" || argument == "--output=json")
}

fn first_line(error: &clap::Error) -> String {
    let mut text = Vec::new();
    let written = write!(text, "{}", error.render());
    let text = String::from_utf8_lossy(&text).into_owned();
    let line = text.lines().next().filter(|_| written.is_ok()).unwrap_or("wrong usage");
    line.trim_start_matches("error: ").to_owned()
}
