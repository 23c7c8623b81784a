//! A login by a code: what is asked of the provider before it is shown, and after it is approved.

use std::sync::Arc;
use std::time::Duration;

use vault_auth::address::Address;
use vault_auth::clock::SystemClock;
use vault_auth::device::{PendingLogin, poll};
use vault_auth::dpop::{ALGORITHM, DeviceKey};
use vault_auth::http::HttpClient;
use vault_auth::id_token::{Expected, Identity};
use vault_auth::jwks::KeySet;
use vault_auth::login::{NewLogin, Person, probe};
use vault_auth::metadata::Metadata;
use vault_auth::pending::BegunLogin;
use vault_auth::server_text::ServerText;
use vault_auth::session::SessionKey;
use vault_auth::session_file::SessionFile;
use vault_auth::stored_session::{Login, User};
use vault_auth::token::TokenSet;
use vault_auth::token_endpoint::{HttpTokenEndpoint, OauthClient};
use vault_auth::token_store::TokenStore;
use vault_core::secret::SecretString;

use super::screen::Waiting;
use super::signed_in::SignedInReport;
use super::storing::Storing;
use super::target::{Target, TargetArguments, metadata};
use crate::error::{
    CommandError, Kind, device_failed, grant_failed, id_token_failed, metadata_failed, poll_failed,
    store_failure,
};
use crate::input::read_text;
use crate::network;
use crate::session_access::{SessionAccess, copy, patience, unix_time};
use crate::ui::CtrlC;

/// A provider that is asked for a login.
#[derive(Debug)]
pub(super) struct Provider {
    pub(super) file: SessionFile,
    http: Arc<HttpClient>,
    metadata: Metadata,
    /// What ID tokens are verified with; `None` where the provider gives none.
    keys: Option<KeySet>,
    client: Arc<OauthClient>,
    device: Arc<DeviceKey>,
}

/// Asks for a code. All that can fail on this machine is tried before: a login that can't be stored leaves a grant
/// behind that nobody knows of.
pub(super) fn begin(
    access: &SessionAccess<'_>,
    args: &TargetArguments,
) -> Result<(Provider, BegunLogin), CommandError> {
    let ctx = access.ctx;
    let http = network::client(ctx, "to sign in")?;
    let opened = access.open()?;
    let known = opened.as_ref().map(|file| access.profiles(file)).transpose()?;
    let target = Target::choose(ctx, args, &known.unwrap_or_default())?;
    let issuer = target.issuer()?.clone();
    let file = opened.map_or_else(|| access.open_or_create(), Ok)?;
    let key = target.selection.session_key();
    try_to_store(access, &file, &key)?;
    let device = Arc::new(access.device_key(&file)?);
    let client_secret = client_secret(access, args, &file, &target)?;

    let metadata = metadata(&target.profile, &issuer, &http, unix_time(ctx))?;
    let address = metadata.device_login().map_err(|error| metadata_failed(&error))?.clone();
    let client = OauthClient {
        client_id: key.client_id.clone(),
        client_secret,
        scopes: scopes(&metadata, &target.profile.scopes),
        audience: target.profile.audience.clone(),
    };
    // Before anybody approves anything: a code is good for one answer.
    let keys = keys_of(&http, &metadata)?;
    let pending = PendingLogin::request(&http, &address, &client).map_err(|error| device_failed(&error))?;
    let begun = BegunLogin {
        key,
        login: Login {
            issuer: Some(metadata.issuer.clone()),
            token_endpoint: metadata.token_endpoint.to_string(),
            revocation_endpoint: metadata.revocation_endpoint.as_ref().map(ToString::to_string),
            base_url: target.base_url().map(ToString::to_string),
            device: Some(device.fingerprint()),
            ..Login::default()
        },
        profile: target.name,
        settings: target.profile,
        client_secret: client.client_secret.as_ref().map(copy),
        scopes: client.scopes.clone(),
        audience: client.audience.clone(),
        pending,
    };
    Ok((Provider { file, http, metadata, keys, client: Arc::new(client), device }, begun))
}

fn try_to_store(
    access: &SessionAccess<'_>,
    file: &SessionFile,
    key: &SessionKey,
) -> Result<(), CommandError> {
    probe(file, key, patience(access.ctx)).map_err(|failure| store_failure(&access.path(), failure))
}

/// Returns the client's secret: that of the flag, or that of the session which is to be replaced.
fn client_secret(
    access: &SessionAccess<'_>,
    args: &TargetArguments,
    file: &SessionFile,
    target: &Target,
) -> Result<Option<SecretString>, CommandError> {
    if let Some(argument) = &args.client_secret {
        return read_text(access.ctx.ui, argument, "the client's secret").map(Some);
    }
    let before = file.load(&target.selection.session_key());
    let before = before.map_err(|failure| store_failure(&access.path(), failure))?;
    Ok(before.and_then(|session| session.client_secret().map(copy)))
}

/// Returns what is asked for: who it is, a session that lasts, and what the person wants. Unless the person wants it,
/// a provider is not asked for what it does not offer.
fn scopes(metadata: &Metadata, wanted: &[String]) -> Vec<String> {
    let usual = ["openid", "offline_access", "email"].map(str::to_owned).into_iter();
    let default = [DEFAULT_SCOPE.to_owned()];
    let wanted_by_default = if wanted.is_empty() { &default[..] } else { &[] };
    let offered = usual.chain(wanted_by_default.iter().cloned()).filter(|scope| metadata.offers_scope(scope));
    let mut scopes: Vec<String> = Vec::new();
    for scope in offered.chain(wanted.iter().cloned()) {
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    scopes
}

impl Provider {
    /// Asks a provider again what it is, for a login that another process began and that can be stored now.
    pub(super) fn of(
        access: &SessionAccess<'_>,
        file: SessionFile,
        begun: &BegunLogin,
    ) -> Result<Self, CommandError> {
        let http = network::client(access.ctx, "to sign in")?;
        try_to_store(access, &file, &begun.key)?;
        let issuer = issuer_of(&begun.login)?;
        let metadata = metadata(&begun.settings, &issuer, &http, unix_time(access.ctx))?;
        let client = Arc::new(OauthClient {
            client_id: begun.key.client_id.clone(),
            client_secret: begun.client_secret.as_ref().map(copy),
            scopes: begun.scopes.clone(),
            audience: begun.audience.clone(),
        });
        let device = Arc::new(access.device_key(&file)?);
        let keys = keys_of(&http, &metadata)?;
        Ok(Self { file, http, metadata, keys, client, device })
    }

    /// Waits until the code is approved or somebody gives up, and stores what comes of it.
    pub(super) fn complete(
        &self,
        access: &SessionAccess<'_>,
        begun: BegunLogin,
        patience: Patience<'_>,
        ctrl_c: &CtrlC,
    ) -> Result<SignedInReport, CommandError> {
        let waiting = Waiting::new(access.ctx.ui, ctrl_c);
        let polled = poll(&begun.pending, &self.endpoint(), &SystemClock::new(), patience.limit, &waiting);
        let tokens = polled.map_err(|error| {
            waiting.end_line(&error);
            poll_failed(&error, patience.later)
        })?;
        let user = self.identify(&begun, &tokens);
        let BegunLogin { key, login, profile, settings, client_secret, .. } = begun;
        let login = Login { signed_in_at: tokens.received_at, ..login };
        let new = NewLogin { key, login, client_secret, tokens };
        let client = Ok(Arc::clone(&self.http));
        let storing = Storing { access, file: &self.file, client: &client };
        let new = match user {
            Ok(user) => NewLogin { login: Login { user, ..new.login }, ..new },
            Err(error) => return Err(storing.refuse(new, error)),
        };
        let session = storing.session(new, patience.person, &profile, settings)?;
        Ok(SignedInReport::of_session(access, &session, &profile))
    }

    /// Returns the token endpoint; its tokens are bound to this device where the provider can do that.
    fn endpoint(&self) -> HttpTokenEndpoint {
        let (http, client) = (Arc::clone(&self.http), Arc::clone(&self.client));
        let endpoint = HttpTokenEndpoint::new(http, self.metadata.token_endpoint.clone(), client);
        if self.metadata.dpop_algorithms.iter().any(|name| name == ALGORITHM) {
            return endpoint.bound_to(Arc::clone(&self.device));
        }
        endpoint
    }

    /// Says who signed in, by the word of the provider; nobody where it gives no ID tokens.
    fn identify(&self, begun: &BegunLogin, tokens: &TokenSet) -> Result<User, CommandError> {
        let (Some(token), Some(keys)) = (&tokens.id_token, &self.keys) else {
            return Ok(User::default());
        };
        let expected = Expected {
            issuer: &self.metadata.issuer,
            client_id: &self.client.client_id,
            roles_claim: begun.settings.roles_claim.as_deref(),
        };
        let identity = Identity::verify(token, keys, expected, tokens.received_at);
        let identity = identity.map_err(|error| id_token_failed(&error))?;
        let shown = |text: Option<ServerText>| text.map(|text| text.as_str().to_owned());
        Ok(User {
            subject: Some(identity.subject),
            email: shown(identity.email),
            name: shown(identity.name),
            roles: identity.roles.iter().map(ToString::to_string).collect(),
        })
    }
}

fn keys_of(http: &HttpClient, metadata: &Metadata) -> Result<Option<KeySet>, CommandError> {
    let keys = metadata.jwks_uri.as_ref().map(|address| KeySet::fetch(http, address));
    keys.transpose().map_err(|error| grant_failed(&error))
}

/// What is waited for, and for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience<'p> {
    /// The time that ends the waiting before the code does.
    pub(super) limit: Option<Duration>,
    /// The command that completes the login after that.
    pub(super) later: Option<&'p str>,
    /// Who may sign in.
    pub(super) person: Person,
}

/// Returns the issuer of a login by a code, which always has one.
pub(super) fn issuer_of(login: &Login) -> Result<Address, CommandError> {
    let issuer = login.issuer.as_deref().unwrap_or_default();
    Address::parse(issuer).map_err(|error| {
        CommandError::new(Kind::Damaged, "the login that was begun has no usable provider")
            .caused_by(&error)
            .hint("`keyward auth login --begin` starts another one")
    })
}

/// The scope by which providers tell the command line from other programs, where they do.
const DEFAULT_SCOPE: &str = "cli";
