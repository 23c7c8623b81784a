//! `auth`: sign in and out, show who is signed in, and hand tokens over. The commands are called here.

mod doctor;
pub(crate) mod login;
pub(crate) mod logout;
mod profiles;
mod refresh;
pub(crate) mod status;
mod switch;
mod token;
mod verify;
pub(crate) mod whoami;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::context::Context;
use crate::output::finish;

/// Sign in and out, show who is signed in, and hand tokens over
///
/// A login is for one tenant, one OAuth client and one environment (the provider and the backend); a profile is a
/// name for the three. Logins are kept in a sealed file of their own, never in the vault. `KEYWARD_API_KEY` and
/// `KEYWARD_TOKEN` go before every stored login.
#[derive(Debug, Args)]
pub(crate) struct AuthArguments {
    #[command(subcommand)]
    command: AuthCommand,
}

#[derive(Debug, Subcommand)]
enum AuthCommand {
    // Boxed: it has more options than all the others together.
    Login(Box<login::LoginArguments>),
    #[command(visible_alias = "revoke")]
    Logout(logout::LogoutArguments),
    Status(status::StatusArguments),
    Whoami(whoami::WhoamiArguments),
    #[command(visible_alias = "print-access-token")]
    Token(token::TokenArguments),
    Refresh(refresh::RefreshArguments),
    Switch(switch::SwitchArguments),
    Profiles(profiles::ProfilesArguments),
    List(profiles::list::ListArguments),
    Doctor(doctor::DoctorArguments),
}

/// Runs one of the commands.
pub(crate) fn dispatch(ctx: &Context, args: &AuthArguments) -> ExitCode {
    match &args.command {
        AuthCommand::Login(args) => finish(ctx.ui, "auth login", login::run(ctx, args)),
        AuthCommand::Logout(args) => finish(ctx.ui, "auth logout", logout::run(ctx, args)),
        AuthCommand::Status(args) => finish(ctx.ui, "auth status", status::run(ctx, args)),
        AuthCommand::Whoami(args) => finish(ctx.ui, "auth whoami", whoami::run(ctx, args)),
        AuthCommand::Token(args) => token::dispatch(ctx, args),
        AuthCommand::Refresh(args) => finish(ctx.ui, "auth refresh", refresh::run(ctx, args)),
        AuthCommand::Switch(args) => finish(ctx.ui, "auth switch", switch::run(ctx, args)),
        AuthCommand::Profiles(args) => profiles::dispatch(ctx, args),
        AuthCommand::List(_) => finish(ctx.ui, "auth profiles list", profiles::list::run(ctx)),
        AuthCommand::Doctor(args) => finish(ctx.ui, "auth doctor", doctor::run(ctx, args)),
    }
}
