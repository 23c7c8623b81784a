//! `creds`: the commands on the credentials that providers need. Each has its own file; here they are called, and
//! here is how they find providers.

mod check;
mod choice;
mod declared;
mod edit;
mod guide;
mod in_vault;
mod list;
mod presence;
mod require;
mod set;
mod words;

use std::process::ExitCode;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use vault_core::provider::{Kind, Provider, Registry};
use vault_core::secret_like::looks_like_a_secret_of;

use crate::context::Context;
use crate::error::CommandError;
use crate::output::finish;

/// How alike a word and a known one have to be to be worth naming: 1 is the same word.
const CLOSE: f64 = 0.8;

/// The longest text that is repeated where it is no provider: most keys are longer, and no id is.
const LONGEST_REPEATED: usize = 24;

/// Check, list and set the credentials that providers need
#[derive(Debug, Args)]
pub(crate) struct CredsArguments {
    #[command(subcommand)]
    command: CredsCommand,
}

/// The arguments of a command are defined only when it is the one that was typed, as in `commands.rs`; so the
/// list repeats what each one is for.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
enum CredsCommand {
    /// Tell whether every required key is there: exit code 0, or 7 if one is missing or empty
    Check(check::CheckArguments),
    /// List providers: their kind, the keys that they need, and which of these are there
    #[command(visible_alias = "ls")]
    List(list::ListArguments),
    /// Declare in `.keyward.toml` which providers and keys this repository needs
    Require(require::RequireArguments),
    /// Ask on the terminal for the keys that a provider needs, and store them
    Set(set::SetArguments),
    /// Print how to get, store and check the credentials, as Markdown
    Guide(guide::GuideArguments),
}

/// Runs the command that was typed.
pub(crate) fn dispatch(ctx: &Context, args: &CredsArguments) -> ExitCode {
    match &args.command {
        CredsCommand::Check(args) => finish(args.ui(ctx.ui), "creds check", check::run(ctx, args)),
        CredsCommand::List(args) => finish(ctx.ui, "creds list", list::run(ctx, args)),
        CredsCommand::Require(args) => finish(ctx.ui, "creds require", require::run(ctx, args)),
        CredsCommand::Set(args) => finish(ctx.ui, "creds set", set::run(ctx, args)),
        CredsCommand::Guide(args) => finish(ctx.ui, "creds guide", guide::run(ctx, args)),
    }
}

/// Finds a provider by its id or another spelling of it.
fn find(known: &Registry, id: &str) -> Result<&'static Provider, CommandError> {
    known.find(id).ok_or_else(|| {
        if id.len() > LONGEST_REPEATED || looks_like_a_secret_of(known, id) {
            return CommandError::usage("that is no provider, it may be a key")
                .hint("`keyward put NAME` takes the value from stdin or asks for it");
        }
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

/// Completes the ids of providers.
fn provider_ids() -> ArgValueCandidates {
    let candidate =
        |provider: &Provider| CompletionCandidate::new(provider.id).help(Some(provider.name.into()));
    ArgValueCandidates::new(move || Registry::built_in().iter().map(candidate).collect())
}

/// Parses a word as a kind, and lists the kinds where it is none.
fn kinds() -> impl TypedValueParser<Value = Kind> {
    PossibleValuesParser::new(Kind::ALL.map(Kind::as_str)).try_map(|word| word.parse::<Kind>())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::command_line::CommandLine;

    #[test]
    fn the_list_of_commands_says_what_each_command_says_of_itself() {
        let creds = |line: clap::Command| line.find_subcommand("creds").cloned().unwrap();
        let mut built = CommandLine::command();
        built.build();
        let (listed, defined) = (CredsCommand::augment_subcommands(clap::Command::default()), creds(built));
        for command in listed.get_subcommands() {
            let own = defined.find_subcommand(command.get_name()).and_then(clap::Command::get_about);
            assert_eq!(command.get_about().map(ToString::to_string), own.map(ToString::to_string));
        }
    }
}
