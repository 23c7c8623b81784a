//! `auth status`: who is signed in, where and for how long, from what is stored; `--verify` asks the server.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;
use vault_auth::address::Address;
use vault_auth::api_key::StoredApiKey;
use vault_auth::clock::UnixTime;
use vault_auth::profile::{ProfileName, Profiles};
use vault_auth::revocation_queue::RevocationQueue;
use vault_auth::selection::{Asked, Chosen, Given, Origin, Selection, select};
use vault_auth::session::SessionKey;
use vault_auth::session_file::SessionFile;
use vault_auth::stored_session::{State, StoredSession};
use vault_core::name::escape_deceptive;
use vault_core::source::machine;

use super::verify::{Verdict, verify_given, verify_login};
use crate::context::Context;
use crate::credential::{StoredLogin, stored_login};
use crate::error::{CommandError, Kind, LOGIN_HINT, selection_failed};
use crate::report::{Report, counted};
use crate::session_access::{SessionAccess, end_of, unix_time};
use crate::time::date;

/// Show who is signed in, where, and for how long
///
/// Nothing is asked but the sealed file: it is instant, and works without the network. `--verify` asks the backend
/// whether it takes the credential: `invalid` is what a server refuses, and where none can say it is `unverified`.
/// Exit code 3 where nobody is signed in, or the credential is invalid.
#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    /// Show every login of the file
    #[arg(long)]
    all: bool,
    /// Ask the backend, or the provider, whether it takes the credential
    #[arg(long)]
    verify: bool,
}

/// The facts.
#[derive(Debug, Serialize)]
pub(crate) struct StatusReport {
    signed_in: bool,
    logins: Vec<LoginFacts>,
    /// Where each setting comes from.
    settings: Vec<SettingRow>,
    /// A credential that goes before every login.
    overridden_by: Option<&'static str>,
    /// What a server said of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    verified: Option<Verdict>,
    /// Tokens of earlier logouts that no server has revoked yet.
    queued_revocations: usize,
    device: DeviceFacts,
    path: String,
}

/// One setting: what it is, and what says so.
#[derive(Debug, Serialize)]
struct SettingRow {
    name: &'static str,
    value: Option<String>,
    source: &'static str,
}

/// This machine, as the person knows it.
#[derive(Debug, Serialize)]
pub(super) struct DeviceFacts {
    pub(super) name: String,
    pub(super) os: String,
}

/// One login.
#[derive(Debug, Serialize)]
pub(crate) struct LoginFacts {
    profile: Option<String>,
    tenant: String,
    environment: Option<String>,
    base_url: Option<String>,
    method: &'static str,
    state: &'static str,
    account: Option<String>,
    roles: Vec<String>,
    scopes: Vec<String>,
    signed_in_at: Option<String>,
    expires_at: Option<String>,
    masked_key: Option<String>,
    organization: Option<String>,
    workspace: Option<String>,
    /// The beginning of the fingerprint of the device key.
    fingerprint: Option<String>,
    /// Why the state is as it is, where that helps.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    /// What a server said.
    #[serde(skip_serializing_if = "Option::is_none")]
    verified: Option<Verdict>,
    #[serde(skip)]
    key: SessionKey,
}

impl Report for StatusReport {
    fn write_data(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        if let Some(name) = self.overridden_by {
            let below = if self.logins.is_empty() { "" } else { " below" };
            writeln!(out, "{name} is set: it is used instead of every stored login{below}")?;
            self.verified
                .iter()
                .try_for_each(|verdict| write_row(out, "Verified", Some(&verdict.to_string())))?;
            if !self.logins.is_empty() {
                writeln!(out)?;
            }
        } else if self.logins.is_empty() {
            writeln!(out, "Not logged in\n{LOGIN_HINT}")?;
        }
        for (nth, login) in self.logins.iter().enumerate() {
            if nth > 0 {
                writeln!(out)?;
            }
            login.write(out, &self.device)?;
        }
        match self.queued_revocations {
            0 => Ok(()),
            count => writeln!(out, "\nto be revoked: {}", counted(count, "token of an earlier logout")),
        }
    }

    fn exit_code(&self) -> u8 {
        let is_good = match (&self.overridden_by, &self.verified) {
            (None, _) => self.signed_in,
            (Some(_), verdict) => !verdict.as_ref().is_some_and(Verdict::is_invalid),
        };
        if !is_good {
            return Kind::NotSignedIn.exit_code();
        }
        let verdicts = self.logins.iter().filter_map(|login| login.verified.as_ref());
        verdicts.map(|verdict| verdict.exit_code).max().unwrap_or(0)
    }
}

impl StatusReport {
    /// Tells whether there is nothing to say but how to sign in.
    pub(crate) fn is_empty(&self) -> bool {
        self.logins.is_empty() && self.overridden_by.is_none() && self.queued_revocations == 0
    }

    fn attach(&mut self, verdicts: Vec<(SessionKey, Verdict)>) {
        for (key, verdict) in verdicts {
            if let Some(login) = self.logins.iter_mut().find(|login| login.key == key) {
                login.verified = Some(verdict);
            }
        }
        self.signed_in = self.logins.iter().any(LoginFacts::is_good);
    }
}

/// Writes a fact, if there is one.
pub(super) fn write_row(out: &mut dyn Write, name: &str, value: Option<&str>) -> io::Result<()> {
    match value {
        Some(value) => writeln!(out, "{:<14}{}", format!("{name}:"), escape_deceptive(value)),
        None => Ok(()),
    }
}

impl LoginFacts {
    fn is_good(&self) -> bool {
        self.state != "ended" && !self.verified.as_ref().is_some_and(Verdict::is_invalid)
    }

    /// Writes the facts in columns.
    fn write(&self, out: &mut dyn Write, device: &DeviceFacts) -> io::Result<()> {
        let mut row = |name: &str, value: Option<&str>| write_row(out, name, value);
        row("Profile", self.profile.as_deref())?;
        row("Environment", self.environment.as_deref())?;
        row("Backend", self.base_url.as_deref())?;
        row("Tenant", Some(&self.tenant))?;
        row("Account", self.account.as_deref())?;
        row("Method", Some(self.method))?;
        row("Key", self.masked_key.as_deref())?;
        row("State", Some(&self.state_in_words()))?;
        row("Verified", self.verified.as_ref().map(ToString::to_string).as_deref())?;
        row("Roles", Some(&self.roles.join(", ")).filter(|roles| !roles.is_empty()).map(String::as_str))?;
        row("Expires", self.expires_at.as_deref())?;
        row("Scopes", Some(self.scopes.len().to_string()).filter(|_| self.masked_key.is_none()).as_deref())?;
        row("Organization", self.organization.as_deref())?;
        row("Workspace", self.workspace.as_deref())?;
        row("Device", Some(&device.name))?;
        row("OS", Some(&device.os))?;
        row("Fingerprint", self.fingerprint.as_deref())
    }

    fn state_in_words(&self) -> String {
        match &self.why {
            Some(why) => format!("{} ({why})", self.state.replace('_', " ")),
            None => self.state.replace('_', " "),
        }
    }

    /// Describes a session. Nothing of its tokens is shown but when they end.
    fn of_session(session: &StoredSession, profile: Option<&ProfileName>, now: UnixTime) -> Self {
        let login = session.login();
        let (state, why) = state_of(session, now);
        let scopes = session.tokens().map_or_else(Vec::new, |tokens| tokens.scopes.clone());
        Self {
            profile: profile.map(ToString::to_string),
            tenant: session.key().tenant.clone(),
            environment: login.issuer.clone(),
            base_url: login.base_url.clone(),
            method: method_of(session),
            state,
            account: login.user.email.clone().or_else(|| login.user.subject.clone()),
            roles: login.user.roles.clone(),
            scopes,
            signed_in_at: u64::try_from(login.signed_in_at).ok().map(date),
            expires_at: end_of(session).map(date),
            masked_key: None,
            organization: None,
            workspace: None,
            fingerprint: login.device.clone(),
            why,
            verified: None,
            key: session.key().clone(),
        }
    }

    /// Describes an API key by the part of it that is no secret.
    fn of_api_key(stored: &StoredApiKey, key: &SessionKey, selection: Option<&Selection>) -> Self {
        let facts = &stored.facts;
        let address =
            |chosen: &Option<Chosen<Address>>| chosen.as_ref().map(|chosen| chosen.value.to_string());
        Self {
            profile: selection.and_then(profile_of).map(ToString::to_string),
            tenant: key.tenant.clone(),
            environment: selection.and_then(|selection| address(&selection.issuer)),
            base_url: selection.and_then(|selection| address(&selection.base_url)),
            method: "API key",
            state: if facts.verified_at.is_some() { "valid" } else { "unverified" },
            account: facts.email.clone().or_else(|| facts.user_id.clone()),
            roles: Vec::new(),
            scopes: Vec::new(),
            signed_in_at: u64::try_from(facts.stored_at).ok().map(date),
            expires_at: None,
            masked_key: Some(stored.key.masked()),
            organization: facts.organization.clone(),
            workspace: facts.workspace.clone(),
            fingerprint: facts.device.clone(),
            why: facts.verified_at.is_none().then(|| "no backend was asked".to_owned()),
            verified: None,
            key: key.clone(),
        }
    }
}

/// Says how somebody signed in: a token that was handed over has nobody who gives another one.
pub(super) fn method_of(session: &StoredSession) -> &'static str {
    if session.login().token_endpoint.is_empty() { "token" } else { "device login" }
}

/// Says what may be done with a session, and why not more.
fn state_of(session: &StoredSession, now: UnixTime) -> (&'static str, Option<String>) {
    let lives = session.has_live_token(now);
    match session.state() {
        State::SignedOut => ("signed_out", None),
        State::ReauthRequired(_) if lives => {
            ("ending", Some("the server takes no refresh any more; sign in before it expires".to_owned()))
        }
        State::ReauthRequired(_) => ("ended", Some("sign in again: `keyward auth login`".to_owned())),
        State::Refreshing(_) => ("refreshing", None),
        State::Valid if lives => ("valid", None),
        State::Valid if session.refresh_token().is_some() => {
            ("valid", Some("its token is refreshed at the next use".to_owned()))
        }
        State::Valid => {
            ("ended", Some("it had no refresh token; sign in again: `keyward auth login`".to_owned()))
        }
    }
}

fn profile_of(selection: &Selection) -> Option<&ProfileName> {
    selection.profile.as_ref().map(|chosen| &chosen.value)
}

/// Reads what is stored.
pub(crate) fn run(ctx: &Context, args: &StatusArguments) -> Result<StatusReport, CommandError> {
    let access = SessionAccess::new(ctx)?;
    let file = access.open()?;
    let known = report(&access, file.as_ref(), args.all)?;
    if !args.verify {
        return Ok(known);
    }
    if known.overridden_by.is_some() {
        return Ok(StatusReport { verified: Some(verify_given(&access)?), ..known });
    }
    let Some(file) = file else { return Ok(known) };
    let asked = |login: &LoginFacts| {
        let verdict = verify_login(&access, &file, &login.key, login.base_url.as_deref())?;
        Ok((login.key.clone(), verdict))
    };
    let verdicts = known.logins.iter().map(asked).collect::<Result<Vec<_>, CommandError>>()?;
    // Asking may have refreshed a session.
    let mut report = report(&access, Some(&file), args.all)?;
    report.attach(verdicts);
    Ok(report)
}

/// Describes the logins of a file that was opened, or that is not there.
pub(crate) fn report(
    access: &SessionAccess<'_>,
    file: Option<&SessionFile>,
    all: bool,
) -> Result<StatusReport, CommandError> {
    let ctx = access.ctx;
    let mut report = StatusReport {
        signed_in: false,
        logins: Vec::new(),
        settings: Vec::new(),
        overridden_by: ctx.overriding_credential(),
        verified: None,
        queued_revocations: 0,
        device: device(),
        path: access.path().display().to_string(),
    };
    let Some(file) = file else {
        report.settings = settings(&ctx.selection_words()?.select(&Profiles::default())?);
        return Ok(report);
    };
    let profiles = access.profiles(file)?;
    let selection = ctx.selection_words()?.select(&profiles);
    report.logins = match (&selection, all) {
        (_, true) => every_login(access, file, &profiles)?,
        (Ok(selection), false) => one_login(access, file, selection)?.into_iter().collect(),
        (Err(error), false) => return Err(error.clone()),
    };
    report.signed_in = report.logins.iter().any(LoginFacts::is_good);
    report.settings = selection.as_ref().map_or_else(|_| Vec::new(), settings);
    let queue = RevocationQueue::load(file, unix_time(ctx)).map_err(|error| access.failed(error))?;
    report.queued_revocations = queue.due.len();
    Ok(report)
}

fn one_login(
    access: &SessionAccess<'_>,
    file: &SessionFile,
    selection: &Selection,
) -> Result<Option<LoginFacts>, CommandError> {
    let key = selection.session_key();
    let stored = stored_login(access, file, &key)?;
    Ok(stored.map(|login| match login {
        StoredLogin::Session(session) => {
            LoginFacts::of_session(&session, profile_of(selection), unix_time(access.ctx))
        }
        StoredLogin::ApiKey(stored) => LoginFacts::of_api_key(&stored, &key, Some(selection)),
    }))
}

/// Describes every login, those of profiles with their names.
fn every_login(
    access: &SessionAccess<'_>,
    file: &SessionFile,
    profiles: &Profiles,
) -> Result<Vec<LoginFacts>, CommandError> {
    let failed = |error| access.failed(error);
    let named = selections(profiles)?;
    let of_key =
        |key: &SessionKey| named.iter().find(|(known, _)| known == key).map(|(_, selection)| selection);
    let mut logins = Vec::new();
    for session in access.readable_sessions(file)? {
        if *session.state() != State::SignedOut {
            let profile = of_key(session.key()).and_then(profile_of);
            logins.push(LoginFacts::of_session(&session, profile, unix_time(access.ctx)));
        }
    }
    for (key, stored) in StoredApiKey::all(file).map_err(failed)? {
        logins.push(LoginFacts::of_api_key(&stored, &key, of_key(&key)));
    }
    logins.sort_by(|one, other| (&one.profile, &one.tenant).cmp(&(&other.profile, &other.tenant)));
    Ok(logins)
}

/// Returns which session each profile means.
fn selections(profiles: &Profiles) -> Result<Vec<(SessionKey, Selection)>, CommandError> {
    let of = |name: &ProfileName| {
        let asked =
            Asked { profile: Given { flag: Some(name.as_str()), variable: None }, ..Asked::default() };
        let selection = select(&asked, profiles).map_err(|error| selection_failed(&error))?;
        Ok((selection.session_key(), selection))
    };
    profiles.iter().map(|(name, _)| of(name)).collect()
}

/// Lists what decides which login is meant, with what says so.
fn settings(selection: &Selection) -> Vec<SettingRow> {
    let Selection { profile, tenant, environment, issuer, base_url, client_id } = selection;
    vec![
        row("profile", profile.as_ref()),
        row("tenant", Some(tenant)),
        row("environment", environment.as_ref()),
        row("issuer", issuer.as_ref()),
        row("base_url", base_url.as_ref()),
        row("client_id", Some(client_id)),
    ]
}

fn row<T: ToString>(name: &'static str, chosen: Option<&Chosen<T>>) -> SettingRow {
    let source = chosen.map_or("not set", |chosen| source_of(chosen.origin));
    SettingRow { name, value: chosen.map(|chosen| chosen.value.to_string()), source }
}

/// Names what says a setting.
pub(crate) const fn source_of(origin: Origin) -> &'static str {
    match origin {
        Origin::ActiveProfile => "active profile",
        Origin::Default => "default",
        Origin::Environment => "environment",
        Origin::Flag => "flag",
        Origin::OnlyProfile => "only profile",
        Origin::Profile => "profile",
        Origin::TenantUse => "tenant use",
        Origin::Variable => "variable",
    }
}

/// Describes this machine.
pub(super) fn device() -> DeviceFacts {
    DeviceFacts { name: machine::canonical_hostname().to_string(), os: os() }
}

fn os() -> String {
    format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)
}
