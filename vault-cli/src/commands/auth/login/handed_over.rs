//! A credential that is there already: an API key, or a bearer token. The backend is asked about it before it is
//! stored.

use std::io::{self, IsTerminal};
use std::sync::Arc;

use vault_auth::address::Address;
use vault_auth::api_key::{ApiKey, KeyFacts, StoredApiKey};
use vault_auth::credential::checked_token;
use vault_auth::http::HttpClient;
use vault_auth::login::{NewLogin, Person};
use vault_auth::server_text::ServerText;
use vault_auth::stored_session::{Login, User};
use vault_auth::token::{TokenSet, TokenType};
use vault_auth::whoami::{Presented, Whoami};
use vault_core::secret::SecretString;

use super::LoginArguments;
use super::signed_in::SignedInReport;
use super::storing::Storing;
use super::target::Target;
use crate::error::{CommandError, Kind, verification_failed};
use crate::input::{ValueArgument, ValueInput, text_of};
use crate::network;
use crate::session_access::{SessionAccess, unix_time};

/// What is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handed {
    ApiKey,
    Token,
}

impl Handed {
    const fn name(self) -> &'static str {
        match self {
            Self::ApiKey => "API key",
            Self::Token => "token",
        }
    }

    const fn prompt(self) -> &'static str {
        match self {
            Self::ApiKey => "API key: ",
            Self::Token => "Token: ",
        }
    }
}

/// The credential, checked for its form.
#[derive(Debug)]
enum Credential {
    Key(ApiKey),
    Token(SecretString),
}

impl Credential {
    /// A key of keyward's own form is told by it, whatever it was announced as.
    fn parse(text: SecretString, handed: Handed) -> Result<Self, CommandError> {
        let is_key = handed == Handed::ApiKey || text.expose_secret().starts_with("kw_");
        let parsed =
            if is_key { ApiKey::parse(text).map(Self::Key) } else { checked_token(text).map(Self::Token) };
        parsed.map_err(|error| CommandError::new(Kind::Rejected, error.to_string()).hint(GIVE_THE_WHOLE))
    }

    const fn secret(&self) -> &SecretString {
        match self {
            Self::Key(key) => key.secret(),
            Self::Token(token) => token,
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Key(_) => Handed::ApiKey.name(),
            Self::Token(_) => Handed::Token.name(),
        }
    }
}

/// Reads the credential, asks the backend about it, and stores it in the place of the login before.
pub(super) fn sign_in(
    access: &SessionAccess<'_>,
    args: &LoginArguments,
    handed: Handed,
) -> Result<SignedInReport, CommandError> {
    let opened = access.open()?;
    let known = opened.as_ref().map(|file| access.profiles(file)).transpose()?;
    let target = Target::choose(access.ctx, &args.target, &known.unwrap_or_default())?;
    let http = target.base_url().map(|_| network::client(access.ctx, "to ask the backend")).transpose()?;
    let credential = Credential::parse(read(access, args, &target, handed)?, handed)?;
    let whoami = verify(&target, http.as_ref(), &credential)?;
    let file = opened.map_or_else(|| access.open_or_create(), Ok)?;
    // Where there is no backend to ask, the network may still serve to give the tokens of the login before back.
    let client = http.map_or_else(|| network::client(access.ctx, "to revoke tokens"), Ok);
    let storing = Storing { access, file: &file, client: &client };
    match credential {
        Credential::Key(key) => store_key(&storing, key, whoami, target),
        Credential::Token(token) => store_token(&storing, token, whoami, target, args.person()),
    }
}

/// Reads the text, from a hidden prompt or stdin.
fn read(
    access: &SessionAccess<'_>,
    args: &LoginArguments,
    target: &Target,
    handed: Handed,
) -> Result<SecretString, CommandError> {
    let ui = access.ctx.ui;
    if ui.may_prompt() {
        if handed == Handed::ApiKey {
            ui.instruct(&where_keys_are_made(args, target));
        }
        return ui.ask_secret(handed.prompt());
    }
    if io::stdin().is_terminal() {
        return Err(CommandError::usage(format!("no {}, and nobody to ask", handed.name()))
            .hint("pipe it to the command, which reads stdin"));
    }
    let argument = Some(&ValueArgument::Stdin);
    let input = ValueInput { argument, descriptor: None, raw: false, allow_empty: true };
    text_of(&input.read(ui, handed.name())?, handed.name())
}

fn where_keys_are_made(args: &LoginArguments, target: &Target) -> String {
    match (&args.web_url, target.base_url()) {
        (Some(page), _) => format!("Make an API key at {page}, and paste it here"),
        (None, Some(backend)) => {
            format!("Make an API key where {} is administered, and paste it here", backend.authority())
        }
        (None, None) => "Make an API key where it is to be used, and paste it here".to_owned(),
    }
}

/// Asks the backend, where there is one.
fn verify(
    target: &Target,
    http: Option<&Arc<HttpClient>>,
    credential: &Credential,
) -> Result<Option<Whoami>, CommandError> {
    let (Some(http), Some(base)) = (http, target.base_url()) else { return Ok(None) };
    let asked = Whoami::ask(http, base, Presented::Bearer(credential.secret()));
    asked.map(Some).map_err(|error| verification_failed(&error, credential.name()))
}

fn store_key(
    storing: &Storing<'_>,
    key: ApiKey,
    whoami: Option<Whoami>,
    target: Target,
) -> Result<SignedInReport, CommandError> {
    let now = unix_time(storing.access.ctx);
    let verified_at = whoami.as_ref().map(|_| now);
    let said = whoami.unwrap_or_default();
    let facts = KeyFacts {
        stored_at: now,
        verified_at,
        device: Some(storing.access.device_key(storing.file)?.fingerprint()),
        email: shown(said.email),
        user_id: shown(said.user_id.or(said.principal)),
        organization: shown(said.organization),
        workspace: shown(said.workspace),
    };
    let stored = StoredApiKey { key, facts };
    storing.api_key(&stored, &target)?;
    Ok(SignedInReport::of_api_key(storing.access, &stored, &target))
}

fn store_token(
    storing: &Storing<'_>,
    token: SecretString,
    whoami: Option<Whoami>,
    target: Target,
    person: Person,
) -> Result<SignedInReport, CommandError> {
    let now = unix_time(storing.access.ctx);
    let said = whoami.unwrap_or_default();
    let address = |address: Option<&Address>| address.map(ToString::to_string);
    let login = Login {
        user: User {
            subject: shown(said.user_id.or(said.principal)),
            email: shown(said.email),
            name: None,
            roles: said.roles.iter().map(ToString::to_string).collect(),
        },
        signed_in_at: now,
        issuer: address(target.issuer().ok()),
        base_url: address(target.base_url()),
        device: Some(storing.access.device_key(storing.file)?.fingerprint()),
        ..Login::default()
    };
    let tokens = TokenSet {
        access_token: token,
        token_type: TokenType::Bearer,
        refresh_token: None,
        id_token: None,
        received_at: now,
        expires_at: None,
        scopes: Vec::new(),
    };
    let key = target.selection.session_key();
    let new = NewLogin { key, login, client_secret: None, tokens };
    let session = storing.session(new, person, &target.name, target.profile)?;
    Ok(SignedInReport::of_session(storing.access, &session, &target.name))
}

fn shown(text: Option<ServerText>) -> Option<String> {
    text.map(|text| text.as_str().to_owned())
}

const GIVE_THE_WHOLE: &str = "give the whole of it, as it was issued; nothing was stored";
