//! `run`: start a program with secrets in its environment.

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::Args;
use serde::Serialize;
use vault_core::format::index::Index;
use vault_core::name::SecretName;
use vault_core::secret::SecretBytes;

use crate::child::{self, Launch};
use crate::commands::completions::secret_names;
use crate::context::{Context, Place};
use crate::environment::{Environment, Plan, Precedence};
use crate::error::{CommandError, bad_file};
use crate::report::Report;
use crate::ui;
use crate::vault_access::{VaultAccess, no_secret};

/// Run a program with the secrets of the workspace and its tenant in its environment
///
/// A secret of the workspace goes before one of the tenant, and both before an inherited variable of the
/// same name. keyward's own variables (`KEYWARD_*`) never reach the program. The program gets stdin as it
/// is. Note that `keyward run -- echo $KEY` is expanded by the calling shell, before keyward starts:
/// write `keyward run -- sh -c 'echo $KEY'`.
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// Give these secrets only, separated by commas
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', add = secret_names())]
    only: Vec<SecretName>,
    /// Give only secrets whose names start with PREFIX
    #[arg(long, value_name = "PREFIX", conflicts_with = "only")]
    prefix: Option<String>,
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

fn secrets(ctx: &Context, args: &RunArguments) -> Result<Vec<(SecretName, SecretBytes)>, CommandError> {
    let place = ctx.place()?;
    let access = VaultAccess::new(ctx)?;
    let Some(opened) = access.open()? else {
        return match args.only.first() {
            Some(name) => Err(no_secret(name, &place)),
            None => {
                ctx.ui.warn("there is no vault yet: the program gets no secrets");
                Ok(Vec::new())
            }
        };
    };
    let index = access.index(&opened)?;
    access.check_claim(&place, &index)?;
    let selected = select(&index, &place, args)?;
    if selected.is_empty() {
        ctx.ui.warn("no secret is selected: the program gets none");
    }
    let positions: Vec<usize> = selected.keys().copied().collect();
    let values = opened.vault.values(&index, &positions).map_err(|error| bad_file(&access.path(), &error))?;
    Ok(selected.into_values().zip(values).collect())
}

/// Returns the positions of the current versions that are asked for, with their names.
fn select(
    index: &Index<'_>,
    place: &Place,
    args: &RunArguments,
) -> Result<BTreeMap<usize, SecretName>, CommandError> {
    let scopes = place.scopes();
    // Of two with one name the last is kept, so the scope that goes first comes last.
    let scopes = scopes.iter().rev().filter_map(|scope| index.scope_position(scope));
    let current_in = |scope| index.current().filter(move |(_, value)| value.scope == scope);
    let by_name: BTreeMap<&str, usize> =
        scopes.flat_map(current_in).map(|(position, value)| (value.name, position)).collect();
    if let Some(missing) = args.only.iter().find(|name| !by_name.contains_key(name.as_str())) {
        return Err(no_secret(missing, place));
    }
    let is_asked_for = |name: &str| match &args.prefix {
        Some(prefix) => name.starts_with(prefix.as_str()),
        None => args.only.is_empty() || args.only.iter().any(|only| only.as_str() == name),
    };
    let asked_for = by_name.into_iter().filter(|(name, _)| is_asked_for(name));
    let parse = |(name, position): (&str, usize)| SecretName::parse(name).map(|name| (position, name));
    asked_for.map(parse).collect::<Result<_, _>>().map_err(|error| CommandError::usage(error.to_string()))
}
