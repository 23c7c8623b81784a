//! One file a command: the argument struct, `run`, the report. Here they are called.

pub(crate) mod anchor;
pub(crate) mod auth;
pub(crate) mod bundle;
pub(crate) mod completions;
pub(crate) mod connections;
pub(crate) mod creds;
pub(crate) mod env;
pub(crate) mod export;
pub(crate) mod get;
pub(crate) mod history;
pub(crate) mod import;
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
pub(crate) mod tenant;
pub(crate) mod uses;
pub(crate) mod verify;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::context::Context;
use crate::output::finish;

/// Every command, in the order of the help. The arguments of a command are defined only when it is the one that
/// was typed (`defer`), which saves a twentieth of a whole `get`; so the list repeats what each one is for.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum Command {
    /// Make a vault, or bind this directory to its workspace
    Init(init::InitArguments),
    /// Store a secret; the value comes from a hidden prompt or from stdin
    #[command(visible_alias = "set")]
    Put(put::PutArguments),
    /// Print the value of a secret
    Get(get::GetArguments),
    /// List the names of secrets with scope, version and age; never a value
    #[command(visible_alias = "ls")]
    List(list::ListArguments),
    /// Remove a secret with all its versions
    #[command(visible_alias = "delete")]
    Rm(rm::RmArguments),
    /// List the versions of a secret that are kept
    History(history::HistoryArguments),
    /// Make an earlier value of a secret the current one, as a new version
    Rollback(rollback::RollbackArguments),
    /// Run a program with the secrets of the workspace and its tenant in its environment
    #[command(visible_alias = "exec")]
    Run(run::RunArguments),
    /// Store the secrets of a `.env` or JSON file, all of them or none
    Import(import::ImportArguments),
    /// Print secrets as another program reads them, or write them to a private file
    Export(export::ExportArguments),
    /// Look at `.env` files without reading them into the vault
    Env(env::EnvArguments),
    /// Check, list and set the credentials that providers need
    Creds(creds::CredsArguments),
    /// Store, list and remove connections: how to reach a service, and which secret authenticates it
    #[command(visible_alias = "connection")]
    Connections(connections::ConnectionsArguments),
    /// Show which connections break if a secret is rotated
    Uses(uses::UsesArguments),
    /// Carry secrets and connections to another vault in one sealed file
    Bundle(bundle::BundleArguments),
    /// Show the vault, its key slots, which source opens it, and what it protects
    Status(status::StatusArguments),
    /// Check the whole vault: header, index and every stored value
    Verify(verify::VerifyArguments),
    /// Bring the previous generation of the vault back, when the current one is damaged or gone
    Restore(restore::RestoreArguments),
    /// Notice when an older copy of the vault is put back
    Anchor(anchor::AnchorArguments),
    /// List, add and remove the key slots of the vault
    Slot(slot::SlotArguments),
    /// Replace the root key and seal every value again: this revokes keys that leaked
    Rekey(rekey::RekeyArguments),
    /// Sign in and out, show who is signed in, and hand tokens over
    Auth(auth::AuthArguments),
    /// Sign in: with a code that you approve in a browser, with an API key, or with a token
    Login(Box<auth::login::LoginArguments>),
    /// Remove the login of this tenant and environment, and revoke its tokens
    Logout(auth::logout::LogoutArguments),
    /// Ask the backend who is signed in
    Whoami(auth::whoami::WhoamiArguments),
    /// List the tenants, and choose the one that commands act for
    Tenant(tenant::TenantArguments),
    /// The commands `put` and `list` under the name that other tools give them
    Vault(VaultArguments),
    /// Print the completion script of a shell
    Completions(completions::CompletionsArguments),
    /// Print the manual page of keyward or of one command, or write all of them
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
        Command::Import(a) => finish(ui, "import", import::run(ctx, &a)),
        Command::Export(a) => finish(ui, "export", export::run(ctx, &a)),
        Command::Env(a) => finish(ui, "env lint", env::run(&a)),
        Command::Connections(a) => connections::dispatch(ctx, &a),
        Command::Uses(a) => finish(ui, "uses", uses::run(ctx, &a)),
        Command::Creds(a) => creds::dispatch(ctx, &a),
        Command::Bundle(a) => bundle::dispatch(ctx, &a),
        Command::Status(a) => finish(ui, "status", status::run(ctx, &a)),
        Command::Verify(a) => finish(ui, "verify", verify::run(ctx, &a)),
        Command::Restore(a) => finish(ui, "restore", restore::run(ctx, &a)),
        Command::Anchor(a) => anchor::dispatch(ctx, &a),
        Command::Auth(a) => auth::dispatch(ctx, &a),
        Command::Login(a) => finish(ui, "auth login", auth::login::run(ctx, &a)),
        Command::Logout(a) => finish(ui, "auth logout", auth::logout::run(ctx, &a)),
        Command::Whoami(a) => finish(ui, "auth whoami", auth::whoami::run(ctx, &a)),
        Command::Tenant(a) => tenant::dispatch(ctx, &a),
        Command::Slot(a) => slot::dispatch(ctx, &a),
        Command::Rekey(a) => finish(ui, "rekey", rekey::run(ctx, &a)),
        Command::Completions(a) => finish(ui, "completions", completions::run(&a)),
        Command::Man(a) => finish(ui, "man", man::run(&a, definition())),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use crate::command_line::CommandLine;

    /// Returns each argument of a command's own that has the name of a global one.
    fn shadows(command: &clap::Command, globals: &[String]) -> Vec<String> {
        let own = command.get_arguments().filter(|argument| !argument.is_global_set());
        let own = own.map(|argument| argument.get_id().to_string()).filter(|id| globals.contains(id));
        let own = own.map(|id| format!("{} {id}", command.get_name()));
        own.chain(command.get_subcommands().flat_map(|command| shadows(command, globals))).collect()
    }

    #[test]
    fn no_argument_sets_a_global_one_by_its_name() {
        let mut defined = CommandLine::command();
        defined.build();
        let globals = defined.get_arguments().filter(|argument| argument.is_global_set());
        let globals: Vec<String> = globals.map(|argument| argument.get_id().to_string()).collect();
        assert!(globals.contains(&"tenant".to_owned()), "{globals:?}");
        // `--scope` of a login is what a provider is asked for, and `ScopeArgument` tells the two apart.
        let shadows = shadows(&defined, &globals);
        assert!(shadows.iter().all(|shadow| shadow == "login scope"), "{shadows:?}");
        assert!(!shadows.is_empty());
    }

    #[test]
    fn the_list_of_commands_says_what_each_command_says_of_itself() {
        let listed = CommandLine::command();
        let mut defined = CommandLine::command();
        defined.build();
        for command in listed.get_subcommands() {
            let own = defined.find_subcommand(command.get_name()).and_then(clap::Command::get_about);
            let text = |about: Option<&clap::builder::StyledStr>| about.map(ToString::to_string);
            assert!(own.is_some(), "{}", command.get_name());
            assert_eq!(text(command.get_about()), text(own), "{}", command.get_name());
        }
    }
}
