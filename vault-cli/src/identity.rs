//! Asking a server in somebody's name: the backend, or the provider of a session that has none. A session that is
//! refused is refreshed once, and presented once more.

use std::time::Duration;

use vault_auth::address::Address;
use vault_auth::credential::{Choice, Credential, CredentialOrigin};
use vault_auth::grant::GrantError;
use vault_auth::http::HttpClient;
use vault_auth::metadata::{Metadata, MetadataError};
use vault_auth::profile::Profiles;
use vault_auth::protected::Presented;
use vault_auth::refresh::{Access, Need};
use vault_auth::selection::Selection;
use vault_auth::session_file::SessionFile;
use vault_auth::stored_session::StoredSession;
use vault_auth::token::TokenType;
use vault_auth::userinfo;
use vault_auth::whoami::Whoami;
use vault_core::secret::SecretString;

use crate::credential::{Stored, StoredLogin};
use crate::error::{CommandError, Kind, asking_failed, metadata_failed, no_backend, not_signed_in};
use crate::network;
use crate::session_access::SessionAccess;

/// Who asks.
#[derive(Debug)]
pub(crate) struct Caller<'s> {
    access: &'s SessionAccess<'s>,
    credential: Held<'s>,
    origin: CredentialOrigin,
    base_url: Option<Address>,
}

/// What is presented.
#[derive(Debug)]
enum Held<'s> {
    /// A key or a token that nobody refreshes.
    Fixed(&'s SecretString),
    Session {
        file: &'s SessionFile,
        session: &'s StoredSession,
    },
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answered<T> {
    pub(crate) answer: T,
    /// Who answered.
    pub(crate) server: String,
    /// What the command ends with: new tokens that could not be stored are a failure.
    pub(crate) exit_code: u8,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// Nobody could be asked.
    Command(CommandError),
    /// The server did not answer, or refused.
    Server(GrantError, CredentialOrigin),
}

impl From<CommandError> for Unanswered {
    fn from(error: CommandError) -> Self {
        Self::Command(error)
    }
}

impl From<Unanswered> for CommandError {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Command(error) => error,
            Unanswered::Server(error, origin) => asking_failed(&error, origin),
        }
    }
}

impl<'s> Caller<'s> {
    /// Takes the credential of a command. `selection` says where it is good.
    pub(crate) fn of_choice(
        access: &'s SessionAccess<'s>,
        choice: &'s Choice<Stored>,
        selection: &Selection,
    ) -> Self {
        let credential = match &choice.credential {
            Credential::ApiKey(key) => Held::Fixed(key.secret()),
            Credential::Token(token) => Held::Fixed(token),
            Credential::Stored(stored) => Held::of(&stored.file, &stored.login),
        };
        let base_url = selection.base_url.as_ref().map(|chosen| chosen.value.clone());
        Self { access, credential, origin: choice.origin, base_url }
    }

    /// Takes a login of the file. `base_url` is the backend that it is for, where there is one.
    pub(crate) fn of_login(
        access: &'s SessionAccess<'s>,
        file: &'s SessionFile,
        login: &'s StoredLogin,
        base_url: Option<Address>,
    ) -> Self {
        Self { access, credential: Held::of(file, login), origin: CredentialOrigin::Stored, base_url }
    }

    /// Returns the backend.
    pub(crate) const fn base_url(&self) -> Option<&Address> {
        self.base_url.as_ref()
    }

    /// Asks who the credential is for: the backend, or the provider of a session that has none.
    pub(crate) fn who(&self) -> Result<Answered<Whoami>, Unanswered> {
        let session = match (&self.base_url, &self.credential) {
            (Some(base), _) => return self.ask(base, Whoami::ask),
            (None, Held::Fixed(_)) => return Err(no_backend(self.origin).into()),
            (None, Held::Session { session, .. }) => session,
        };
        let http = network::client(self.access.ctx, PURPOSE)?;
        let endpoint = userinfo_endpoint(&http, session)?;
        let subject = session.login().user.subject.as_deref();
        self.ask(&endpoint, |http, endpoint, shown| userinfo::ask(http, endpoint, shown, subject))
    }

    /// Asks the server at `address`.
    pub(crate) fn ask<T>(
        &self,
        address: &Address,
        question: impl Fn(&HttpClient, &Address, Presented<'_>) -> Result<T, GrantError>,
    ) -> Result<Answered<T>, Unanswered> {
        let http = network::client(self.access.ctx, PURPOSE)?;
        let asked = |shown: Presented<'_>| question(&http, address, shown);
        let (answer, exit_code) = match &self.credential {
            Held::Fixed(secret) => (asked(Presented::Bearer(secret)), 0),
            Held::Session { file, session } => self.ask_for_session(file, session, asked)?,
        };
        let answer = answer.map_err(|error| Unanswered::Server(error, self.origin))?;
        Ok(Answered { answer, server: address.origin(), exit_code })
    }

    fn ask_for_session<T>(
        &self,
        file: &SessionFile,
        session: &StoredSession,
        question: impl Fn(Presented<'_>) -> Result<T, GrantError>,
    ) -> Result<(Result<T, GrantError>, u8), CommandError> {
        let access = self.access;
        let first = access.access(file, session.key(), Need::default())?;
        match present(access, file, &first, &question)? {
            Err(GrantError::Rejected { .. }) => {}
            answer => return Ok((answer, access.settle(&first))),
        }
        let need = Need { min_ttl: Duration::ZERO, refused: Some(first.session.generation()) };
        let renewed = access.access(file, session.key(), need)?;
        Ok((present(access, file, &renewed, &question)?, access.settle(&renewed)))
    }
}

impl<'s> Held<'s> {
    const fn of(file: &'s SessionFile, login: &'s StoredLogin) -> Self {
        match login {
            StoredLogin::ApiKey(stored) => Self::Fixed(stored.key.secret()),
            StoredLogin::Session(session) => Self::Session { file, session },
        }
    }
}

impl Unanswered {
    /// Tells whether the credential is good for nothing, rather than that nobody could say.
    pub(crate) fn is_refusal(&self) -> bool {
        match self {
            Self::Command(error) => error.kind.exit_code() == 3,
            Self::Server(error, _) => matches!(error, GrantError::Rejected { .. }),
        }
    }
}

/// Presents the access token of a session as its type wants.
fn present<T>(
    access: &SessionAccess<'_>,
    file: &SessionFile,
    found: &Access,
    question: impl Fn(Presented<'_>) -> Result<T, GrantError>,
) -> Result<Result<T, GrantError>, CommandError> {
    let tokens = found.session.tokens().ok_or_else(|| not_signed_in("not signed in"))?;
    let token = &tokens.access_token;
    Ok(match tokens.token_type {
        TokenType::Bearer => question(Presented::Bearer(token)),
        TokenType::Dpop => question(Presented::Dpop { token, key: &access.device_key(file)? }),
    })
}

fn userinfo_endpoint(http: &HttpClient, session: &StoredSession) -> Result<Address, CommandError> {
    let issuer = session.login().issuer.as_deref().and_then(|issuer| Address::parse(issuer).ok());
    let issuer = issuer.ok_or_else(|| no_backend(CredentialOrigin::Stored))?;
    // Without the endpoint only a backend could be asked.
    let missing = |error: &MetadataError| match metadata_failed(error) {
        failed if failed.kind == Kind::Network => failed,
        _ => no_backend(CredentialOrigin::Stored).caused_by(error),
    };
    let metadata = Metadata::discover(http, &issuer).map_err(|error| missing(&error))?;
    metadata.userinfo().cloned().map_err(|error| missing(&error))
}

/// Says where the credential of a command is good. That of a flag or a variable needs no stored file where the
/// backend is named too.
pub(crate) fn selection_of(
    access: &SessionAccess<'_>,
    choice: &Choice<Stored>,
) -> Result<Selection, CommandError> {
    if let Credential::Stored(stored) = &choice.credential {
        return Ok(stored.selection.clone());
    }
    let words = access.ctx.selection_words()?;
    if words.needs_profiles()
        && let Ok(Some(file)) = access.open_quietly()
    {
        return access.select(&file);
    }
    words.select(&Profiles::default())
}

/// Why the network is used, should it be forbidden.
const PURPOSE: &str = "to ask a server who is signed in";
