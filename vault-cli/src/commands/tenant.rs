//! `tenant`: which tenants there are, and which one is active. One file a command; here they are called.

mod active;
mod list;
mod show;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::context::Context;
use crate::output::finish;

/// List the tenants, and choose the one that commands act for
///
/// Secrets, logins and connections are those of a tenant. `--tenant` and `KEYWARD_TENANT` say which one for one
/// command or one shell, whichever is active.
#[derive(Debug, Args)]
pub(crate) struct TenantArguments {
    #[command(subcommand)]
    command: TenantCommand,
}

#[derive(Debug, Subcommand)]
enum TenantCommand {
    #[command(visible_alias = "ls")]
    List(list::ListArguments),
    #[command(visible_alias = "switch")]
    Use(active::UseArguments),
    Show(show::ShowArguments),
}

/// Runs one of the commands.
pub(crate) fn dispatch(ctx: &Context, args: &TenantArguments) -> ExitCode {
    match &args.command {
        TenantCommand::List(_) => finish(ctx.ui, "tenant list", list::run(ctx)),
        TenantCommand::Use(args) => finish(ctx.ui, "tenant use", active::run(ctx, args)),
        TenantCommand::Show(_) => finish(ctx.ui, "tenant show", show::run(ctx)),
    }
}
