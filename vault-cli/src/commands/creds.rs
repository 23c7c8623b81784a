//! `creds`: the commands on the credentials that providers need. Each has its own file; here they are called.

mod check;

use clap::{Args, Subcommand};

use crate::context::Context;
use crate::error::CommandError;

/// Check whether the credentials that providers need are there
#[derive(Debug, Args)]
pub(crate) struct CredsArguments {
    #[command(subcommand)]
    command: CredsCommand,
}

#[derive(Debug, Subcommand)]
enum CredsCommand {
    Check(check::CheckArguments),
}

/// Runs the command that was typed.
pub(crate) fn run(ctx: &Context, args: &CredsArguments) -> Result<check::CheckReport, CommandError> {
    let CredsCommand::Check(args) = &args.command;
    check::run(ctx, args)
}
