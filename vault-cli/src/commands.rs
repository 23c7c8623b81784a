//! One file a command: the argument struct, `run`, the report. Here they are called.

pub(crate) mod completions;
pub(crate) mod creds;
pub(crate) mod get;
pub(crate) mod history;
pub(crate) mod init;
pub(crate) mod list;
pub(crate) mod man;
pub(crate) mod put;
pub(crate) mod rekey;
pub(crate) mod restore;
pub(crate) mod rm;
pub(crate) mod rollback;
pub(crate) mod run;
pub(crate) mod slot;
pub(crate) mod status;
pub(crate) mod verify;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::context::Context;
use crate::output::finish;

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

/// Runs a command and renders what comes of it. `definition` is that of the whole command line.
pub(crate) fn run(ctx: &Context, command: Command, definition: fn() -> clap::Command) -> ExitCode {
    let ui = ctx.ui;
    match command {
        Command::Init(a) => finish(ui, "init", init::run(ctx, &a)),
        Command::Put(a) | Command::Vault(VaultArguments { command: VaultCommand::Put(a) }) => {
            finish(ui, "put", put::run(ctx, &a))
        }
        Command::Get(a) => finish(ui, "get", get::run(ctx, &a)),
        Command::List(a) | Command::Vault(VaultArguments { command: VaultCommand::List(a) }) => {
            finish(ui, "list", list::run(ctx, &a))
        }
        Command::Rm(a) => finish(ui, "rm", rm::run(ctx, &a)),
        Command::History(a) => finish(ui, "history", history::run(ctx, &a)),
        Command::Rollback(a) => finish(ui, "rollback", rollback::run(ctx, &a)),
        Command::Run(a) => finish(ui, "run", run::run(ctx, &a)),
        Command::Creds(a) => finish(ui, "creds check", creds::run(ctx, &a)),
        Command::Status(a) => finish(ui, "status", status::run(ctx, &a)),
        Command::Verify(a) => finish(ui, "verify", verify::run(ctx, &a)),
        Command::Restore(a) => finish(ui, "restore", restore::run(ctx, &a)),
        Command::Slot(a) => slot::dispatch(ctx, &a),
        Command::Rekey(a) => finish(ui, "rekey", rekey::run(ctx, &a)),
        Command::Completions(a) => finish(ui, "completions", completions::run(&a)),
        Command::Man(a) => finish(ui, "man", man::run(&a, definition())),
    }
}
