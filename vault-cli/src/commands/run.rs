//! `run`: start a program with secrets in its environment.

use std::ffi::OsString;

use clap::Args;
use serde::Serialize;
use vault_core::name::SecretName;
use vault_core::secret::SecretBytes;

use crate::child::{self, ChildError, Launch};
use crate::context::Context;
use crate::environment::{Environment, Plan, Precedence};
use crate::error::CommandError;
use crate::report::Report;
use crate::selection::{Secrets, Selection};
use crate::ui;

/// Run a program with the secrets of the workspace and its tenant in its environment
///
/// A secret of the workspace goes before one of the tenant, and both before an inherited variable of the
/// same name. keyward's own variables (`KEYWARD_*`) never reach the program. The program gets stdin as it
/// is. Note that `keyward run -- echo $KEY` is expanded by the calling shell, before keyward starts:
/// write `keyward run -- sh -c 'echo $KEY'`.
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    selection: Selection,
    /// Let inherited variables win over secrets of the same name
    #[arg(long)]
    preserve_env: bool,
    /// The program and its arguments
    #[arg(value_name = "COMMAND", last = true, required = true)]
    command: Vec<OsString>,
}

/// How the program ended. It has said itself what there is to say.
#[derive(Debug, Serialize)]
pub(crate) struct RunReport {
    exit_code: u8,
}

impl Report for RunReport {
    fn exit_code(&self) -> u8 {
        self.exit_code
    }
}

/// Opens the values that are asked for, and no others, and waits for the program.
pub(crate) fn run(ctx: &Context, args: &RunArguments) -> Result<RunReport, CommandError> {
    let secrets = secrets(ctx, args)?;
    let borrowed: Vec<(&SecretName, &SecretBytes)> =
        secrets.iter().map(|(name, value)| (name, value)).collect();
    let precedence = if args.preserve_env { Precedence::Inherited } else { Precedence::Secret };
    let inherited = ctx.inherited_environment();
    let environment =
        Environment::build(Plan { inherited, secrets: &borrowed, precedence, command: &args.command })?;
    tell(ctx, args, &environment);
    let limits = ctx.original_limits()?;
    drop(secrets);
    let (program, arguments) = args.command.split_first().ok_or_else(|| CommandError::usage("no command"))?;
    ctx.keep_key_from_children().map_err(ChildError::Failed)?;
    ui::leave_sigint_to_the_program();
    let outcome = child::run(Launch { program, arguments, environment: environment.variables, limits })?;
    Ok(RunReport { exit_code: outcome.exit_code() })
}

/// Says what the person might not expect of the program's environment.
fn tell(ctx: &Context, args: &RunArguments, environment: &Environment) {
    let listed = |names: &[SecretName]| names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if !environment.collisions.is_empty() {
        let verb = if args.preserve_env {
            "keeps the inherited value of"
        } else {
            "overrides the inherited variable"
        };
        ctx.ui.note(&format!("{verb}: {}", listed(&environment.collisions)));
    }
    if !environment.left_out.is_empty() {
        ctx.ui.warn(&format!("never given to a program: {}", listed(&environment.left_out)));
    }
}

fn secrets(ctx: &Context, args: &RunArguments) -> Result<Secrets, CommandError> {
    let Some(secrets) = args.selection.open(ctx)? else {
        ctx.ui.warn("there is no vault yet: the program gets no secrets");
        return Ok(Secrets::new());
    };
    if secrets.is_empty() {
        ctx.ui.warn("no secret is selected: the program gets none");
    }
    Ok(secrets)
}
