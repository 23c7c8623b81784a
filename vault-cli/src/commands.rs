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

use std::io;
use std::process::ExitCode;

use vault_core::harden::OriginalLimits;

use crate::arguments::{Arguments, Command, VaultCommand};
use crate::context::Context;
use crate::output::finish;

/// Runs a command and renders what comes of it.
pub(crate) fn run(arguments: Arguments, limits: io::Result<OriginalLimits>) -> ExitCode {
    let ctx = Context::new(arguments.globals, limits);
    let ui = ctx.ui;
    match arguments.command {
        Command::Init(a) => finish(ui, "init", init::run(&ctx, &a)),
        Command::Put(a)
        | Command::Vault(crate::arguments::VaultArguments { command: VaultCommand::Put(a) }) => {
            finish(ui, "put", put::run(&ctx, &a))
        }
        Command::Get(a) => finish(ui, "get", get::run(&ctx, &a)),
        Command::List(a)
        | Command::Vault(crate::arguments::VaultArguments { command: VaultCommand::List(a) }) => {
            finish(ui, "list", list::run(&ctx, &a))
        }
        Command::Rm(a) => finish(ui, "rm", rm::run(&ctx, &a)),
        Command::History(a) => finish(ui, "history", history::run(&ctx, &a)),
        Command::Rollback(a) => finish(ui, "rollback", rollback::run(&ctx, &a)),
        Command::Run(a) => finish(ui, "run", run::run(&ctx, &a)),
        Command::Creds(a) => finish(ui, "creds check", creds::run(&ctx, &a)),
        Command::Status(a) => finish(ui, "status", status::run(&ctx, &a)),
        Command::Verify(a) => finish(ui, "verify", verify::run(&ctx, &a)),
        Command::Restore(a) => finish(ui, "restore", restore::run(&ctx, &a)),
        Command::Slot(a) => slot::dispatch(&ctx, &a),
        Command::Rekey(a) => finish(ui, "rekey", rekey::run(&ctx, &a)),
        Command::Completions(a) => finish(ui, "completions", completions::run(&ctx, &a)),
        Command::Man(a) => finish(ui, "man", man::run(&ctx, &a)),
    }
}
