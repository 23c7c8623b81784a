//! `auth token`: print an access token that is good, and nothing else.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Serialize;
use vault_auth::credential::{Credential, CredentialOrigin};
use vault_auth::refresh::Need;
use vault_auth::stored_session::StoredSession;
use vault_auth::token::TokenType;
use vault_core::secret::SecretString;

use crate::arguments::duration;
use crate::context::Context;
use crate::credential::{Stored, StoredLogin, choose_credential};
use crate::error::CommandError;
use crate::output::finish;
use crate::report::{Report, shown_once};
use crate::session_access::{SessionAccess, end_of};
use crate::time::date;

/// Print the access token of the login, refreshed first if it is about to end
///
/// The token alone goes to stdout, as for `curl -H "$(keyward auth token --format header)"`. A terminal gets it only
/// with `--reveal`. Many processes may ask at once: one of them refreshes, and the others get what it got.
#[derive(Debug, Args)]
pub(super) struct TokenArguments {
    /// Print a token that is good for at least this long, as in 5m
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "0s", hide_default_value = true)]
    min_ttl: Duration,
    /// Refresh the session even if its token is still good
    #[arg(long)]
    force_refresh: bool,
    /// Print the token on a terminal
    #[arg(long)]
    reveal: bool,
    /// Choose what is printed
    #[arg(long, value_name = "FORMAT", default_value = "raw")]
    format: TokenFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TokenFormat {
    /// The token
    Raw,
    /// The header of a request: `Authorization: Bearer …`
    Header,
    /// One object with its type and its end
    Json,
}

/// A token. To print it is what the command is for.
#[derive(Debug, Serialize)]
struct TokenReport {
    #[serde(serialize_with = "shown_once")]
    access_token: Option<SecretString>,
    token_type: &'static str,
    expires_at: Option<String>,
    source: &'static str,
    #[serde(skip)]
    format: TokenFormat,
    #[serde(skip)]
    exit_code: u8,
}

impl Report for TokenReport {
    fn write_data(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        let token = self.access_token.as_ref().map_or("", SecretString::expose_secret);
        match self.format {
            TokenFormat::Header => writeln!(out, "Authorization: {} {token}", self.token_type),
            TokenFormat::Raw | TokenFormat::Json => writeln!(out, "{token}"),
        }
    }

    fn exit_code(&self) -> u8 {
        self.exit_code
    }
}

/// Prints the token; new tokens that could not be stored make the command fail after that.
pub(super) fn dispatch(ctx: &Context, args: &TokenArguments) -> ExitCode {
    let mut ui = ctx.ui;
    ui.json |= args.format == TokenFormat::Json;
    finish(ui, "auth token", run(ctx, args))
}

fn run(ctx: &Context, args: &TokenArguments) -> Result<TokenReport, CommandError> {
    if io::stdout().is_terminal() && !args.reveal {
        return Err(CommandError::usage("a token is not printed on a terminal unless you ask for it")
            .hint("`keyward auth token --reveal`; `$(keyward auth token)` hands it to a program"));
    }
    let access = SessionAccess::new(ctx)?;
    let choice = choose_credential(&access)?;
    let source = choice.origin;
    match choice.credential {
        Credential::ApiKey(key) => Ok(bare(key.into_secret(), source, args)),
        Credential::Token(token) => Ok(bare(token, source, args)),
        Credential::Stored(Stored { login: StoredLogin::ApiKey(stored), .. }) => {
            Ok(bare(stored.key.into_secret(), source, args))
        }
        Credential::Stored(Stored { file, selection, login: StoredLogin::Session(session) }) => {
            let refused = args.force_refresh.then(|| session.generation());
            let need = Need { min_ttl: args.min_ttl, refused };
            let found = access.access(&file, &selection.session_key(), need)?;
            let exit_code = access.settle(&found);
            Ok(TokenReport { exit_code, ..of_session(&found.session, source, args) })
        }
    }
}

/// What nobody refreshes, because nothing is known of it.
fn bare(token: SecretString, source: CredentialOrigin, args: &TokenArguments) -> TokenReport {
    TokenReport {
        access_token: Some(token),
        token_type: BEARER,
        expires_at: None,
        source: source.name(),
        format: args.format,
        exit_code: 0,
    }
}

fn of_session(session: &StoredSession, source: CredentialOrigin, args: &TokenArguments) -> TokenReport {
    let tokens = session.tokens();
    TokenReport {
        access_token: tokens.map(|tokens| SecretString::new(tokens.access_token.expose_secret().to_owned())),
        token_type: match tokens.map(|tokens| tokens.token_type) {
            Some(TokenType::Dpop) => "DPoP",
            _ => BEARER,
        },
        expires_at: end_of(session).map(date),
        source: source.name(),
        format: args.format,
        exit_code: 0,
    }
}

const BEARER: &str = "Bearer";
