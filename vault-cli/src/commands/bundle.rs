//! `bundle`: carry secrets to another vault in one sealed file, without a network.

mod create;
mod open;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::context::Context;
use crate::output::finish;

/// Carry secrets to another vault in one sealed file
#[derive(Debug, Args)]
pub(crate) struct BundleArguments {
    #[command(subcommand)]
    command: BundleCommand,
}

#[derive(Debug, Subcommand)]
enum BundleCommand {
    Create(create::CreateArguments),
    Open(open::OpenArguments),
}

/// Runs one of the two commands.
pub(crate) fn dispatch(ctx: &Context, args: &BundleArguments) -> ExitCode {
    match &args.command {
        BundleCommand::Create(args) => finish(ctx.ui, "bundle create", create::run(ctx, args)),
        BundleCommand::Open(args) => finish(ctx.ui, "bundle open", open::run(ctx, args)),
    }
}
