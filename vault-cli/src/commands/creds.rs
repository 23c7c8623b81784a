//! `creds`: the commands on the credentials that providers need. Each has its own file; here they are called, and
//! here is how they find providers.

mod check;
mod declared;

use std::process::ExitCode;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use vault_core::provider::{Kind, Provider, Registry};

use crate::context::Context;
use crate::error::CommandError;
use crate::output::finish;

/// How alike a word and a known one have to be to be worth naming: 1 is the same word.
const CLOSE: f64 = 0.8;

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
pub(crate) fn dispatch(ctx: &Context, args: &CredsArguments) -> ExitCode {
    match &args.command {
        CredsCommand::Check(args) => finish(args.ui(ctx.ui), "creds check", check::run(ctx, args)),
    }
}

/// Finds a provider by its id or another spelling of it.
fn find(known: &Registry, id: &str) -> Result<&'static Provider, CommandError> {
    known.find(id).ok_or_else(|| {
        let unknown = CommandError::usage(format!("unknown provider: {}", id.escape_debug()));
        match &close_matches(known, id)[..] {
            [] => unknown.hint("`keyward creds list --all` shows every provider"),
            close => unknown.hint(format!("did you mean {}?", close.join(" or "))),
        }
    })
}

/// Returns the ids that a person may have meant, the likeliest first.
fn close_matches(known: &Registry, id: &str) -> Vec<&'static str> {
    let wanted = id.to_lowercase();
    let alike = |provider: &Provider| {
        let spellings = std::iter::once(&provider.id).chain(provider.aliases);
        spellings.map(|spelling| strsim::jaro_winkler(spelling, &wanted)).fold(0.0, f64::max)
    };
    let mut close: Vec<_> = known.iter().map(|provider| (alike(provider), provider.id)).collect();
    close.retain(|(alike, _)| *alike > CLOSE);
    close.sort_by(|(one, _), (next, _)| next.total_cmp(one));
    close.into_iter().take(3).map(|(_, id)| id).collect()
}

/// Parses a word as a kind, and lists the kinds where it is none.
fn kinds() -> impl TypedValueParser<Value = Kind> {
    PossibleValuesParser::new(Kind::ALL.map(Kind::as_str)).try_map(|word| word.parse::<Kind>())
}
