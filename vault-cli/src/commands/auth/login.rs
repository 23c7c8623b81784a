//! `auth login`: sign in by a code that a person approves elsewhere, by an API key, or by a token.

mod begun;
mod existing;
mod handed_over;
mod provider;
mod qr;
mod screen;
mod signed_in;
mod storing;
mod target;

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;
use vault_auth::address::Address;
use vault_auth::login::Person;

use self::begun::BegunReport;
use self::handed_over::Handed;
use self::provider::Patience;
use self::signed_in::SignedInReport;
use self::target::TargetArguments;
use crate::context::Context;
use crate::error::CommandError;
use crate::report::Report;
use crate::session_access::SessionAccess;
use crate::ui::CtrlC;

/// Sign in: with a code that you approve in a browser, with an API key, or with a token
///
/// An address and a code are shown, and the browser is opened where there is one. Approve the code there, or on any
/// other device; nothing has to be typed here. From then on the login refreshes itself, and its profile is the active
/// one: a name for the tenant, the client and the environment that were meant, so that `keyward auth login` alone
/// signs in there again.
///
/// Without a terminal, and in CI, no login is started: the exit code is 0 if there is one that can be used, else 3.
/// A program that can pass an address on to a person signs in with `--begin` and `--complete`.
#[derive(Debug, Args)]
pub(crate) struct LoginArguments {
    #[command(flatten)]
    target: TargetArguments,
    /// Do not open a browser [env: KEYWARD_NO_BROWSER]
    #[arg(long)]
    no_browser: bool,
    /// Show the address as a QR code too
    #[arg(long, conflicts_with = "way")]
    qr: bool,
    /// Start a login, print its address and code, and end
    #[arg(long, group = "way")]
    begin: bool,
    /// Complete the login ID that `--begin` started: wait for its approval, 5m or as long as `--timeout` says
    #[arg(long, value_name = "ID", group = "way", conflicts_with = "TargetArguments")]
    complete: Option<String>,
    /// Sign in with an API key, from a hidden prompt or stdin; the backend is asked about it
    #[arg(long, group = "way")]
    with_api_key: bool,
    /// Sign in with a bearer token, from a hidden prompt or stdin; nothing refreshes it
    #[arg(long, group = "way")]
    with_token: bool,
    /// Say that API keys are made on the page URL
    #[arg(long, value_name = "URL", value_parser = Address::parse, requires = "with_api_key")]
    web_url: Option<Address>,
    /// Sign in though a variable goes before every login, or as somebody else than before
    #[arg(long)]
    force: bool,
}

/// What came of it.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum LoginReport {
    Begun(BegunReport),
    Overridden(Overridden),
    SignedIn(Box<SignedInReport>),
}

/// A credential that goes before every login: there is nothing to do.
#[derive(Debug, Serialize)]
pub(crate) struct Overridden {
    state: &'static str,
    overridden_by: &'static str,
}

impl Report for LoginReport {
    fn write_data(&self, out: &mut dyn Write, terminal: bool) -> io::Result<()> {
        match self {
            Self::Begun(report) => report.write_data(out, terminal),
            Self::Overridden(_) => Ok(()),
            Self::SignedIn(report) => report.write_data(out, terminal),
        }
    }

    fn summary(&self) -> Option<String> {
        match self {
            Self::Begun(report) => report.summary(),
            Self::Overridden(Overridden { overridden_by, .. }) => Some(format!(
                "{overridden_by} is set: it is used instead of every stored login, and nothing was changed"
            )),
            Self::SignedIn(report) => report.summary(),
        }
    }
}

/// Signs in, unless that would change nothing.
pub(crate) fn run(ctx: &Context, args: &LoginArguments) -> Result<LoginReport, CommandError> {
    if let Some(overridden_by) = ctx.overriding_credential() {
        if !args.force {
            return Ok(LoginReport::Overridden(Overridden { state: "overridden", overridden_by }));
        }
        ctx.ui.warn(&format!("{overridden_by} is set: it is used instead of the login that is stored now"));
    }
    let access = SessionAccess::new(ctx)?;
    let signed_in = |report| LoginReport::SignedIn(Box::new(report));
    match args {
        LoginArguments { with_api_key: true, .. } => {
            handed_over::sign_in(&access, args, Handed::ApiKey).map(signed_in)
        }
        LoginArguments { with_token: true, .. } => {
            handed_over::sign_in(&access, args, Handed::Token).map(signed_in)
        }
        LoginArguments { begin: true, .. } => begun::begin(&access, args).map(LoginReport::Begun),
        LoginArguments { complete: Some(id), .. } => begun::complete(&access, args, id).map(signed_in),
        _ => with_a_code(&access, args).map(signed_in),
    }
}

/// Shows the code and waits; where nobody would see it, looks for a login that is there already.
fn with_a_code(access: &SessionAccess<'_>, args: &LoginArguments) -> Result<SignedInReport, CommandError> {
    if !access.ctx.ui.is_attended() {
        let found = existing::find(access, &args.target);
        return found.or_else(|error| access.ctx.check_network("to sign in").and(Err(error)));
    }
    access.ctx.check_network("to sign in")?;
    let (provider, begun) = provider::begin(access, &args.target)?;
    // Noted before somebody can read that it gives up.
    let ctrl_c = CtrlC::noted()?;
    screen::show(access.ctx, &begun, args);
    let patience = Patience { limit: access.ctx.timeout(), later: None, person: args.person() };
    provider.complete(access, begun, patience, &ctrl_c)
}

impl LoginArguments {
    /// Says who may take the place of who signed in before.
    const fn person(&self) -> Person {
        if self.force { Person::Anybody } else { Person::Same }
    }
}
