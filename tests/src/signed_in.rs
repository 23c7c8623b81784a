//! A home in which somebody is signed in: the sealed file of sessions is written through the library, as a login
//! would write it, and opened by the key of its env slot.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use vault_auth::api_key::{ApiKey, KeyFacts, StoredApiKey};
use vault_auth::login::{NewLogin, Person};
use vault_auth::profile::{Profile, ProfileName, Profiles};
use vault_auth::selection::{Asked, Given, Selection, select};
use vault_auth::session_file::SessionFile;
use vault_auth::stored_session::{Login, StoredSession, User};
use vault_auth::token::{TokenSet, TokenType};
use vault_auth::token_store::TokenStore;
use vault_core::format::Purpose;
use vault_core::secret::{SecretString, SlotKey};
use vault_core::slot::{KeySource, SlotId, SlotKind, SlotRecord, SourceError, VaultId};
use vault_core::store::FileStore;
use vault_core::vault::UnlockedVault;
use zeroize::Zeroizing;

use crate::Home;
use crate::identity_provider::{IdentityProvider, REVOKE, TOKEN};
use crate::token_family::Pair;

/// The key of the file's env slot: the bytes 0 to 31.
pub const KEY: &str = "kwk1_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh-gfp9k";

/// An API key of keyward's own form.
pub const API_KEY: &str = "kw_test_3f9KQ2mZx7Lc_A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8S9t0U1v13Rei5";

/// What a login got, and for how long.
#[derive(Debug)]
pub struct Tokens<'t> {
    /// The access token.
    pub access: &'t str,
    /// The refresh token.
    pub refresh: Option<&'t str>,
    /// How many seconds the access token lives from now on.
    pub life: i64,
    /// The device that signed in, where that is known.
    pub device: Option<&'t str>,
}

/// Makes a home with an empty file of sessions.
pub fn home() -> Home {
    let home = Home::new().with("KEYWARD_VAULT_KEY", KEY);
    let vault = UnlockedVault::create(Purpose::Sessions).expect("a new file");
    SessionFile::create(FileStore::new(path(&home)), &vault, |draft| {
        draft.add_slot(SlotKind::Env, SlotId::generate(), &slot_key())
    })
    .expect("a file of sessions");
    home
}

/// Makes a home in which somebody is signed in at a provider, which is the backend too, as the profile `work` for
/// the tenant `acme`.
pub fn signed_in(provider: &IdentityProvider) -> Home {
    let home = home();
    sign_in(&home, provider, "work", "acme");
    home
}

/// Returns the path of the file of sessions.
pub fn path(home: &Home) -> PathBuf {
    home.path().join(".local/share/keyward/auth")
}

/// Opens the file of sessions, as another process does.
pub fn file(home: &Home) -> SessionFile {
    let opened = SessionFile::open(FileStore::new(path(home)), &mut [&mut EnvKey]);
    opened.expect("a file that opens").expect("a file of sessions")
}

/// Signs in at a provider, which is the backend too: makes the profile, makes it active, and stores the session.
pub fn sign_in(home: &Home, provider: &IdentityProvider, profile: &str, tenant: &str) -> Pair {
    sign_in_for(home, provider, profile, tenant, 900)
}

/// Signs in with an access token that lives for `life` seconds, as this machine sees it; it may be over.
pub fn sign_in_for(home: &Home, provider: &IdentityProvider, profile: &str, tenant: &str, life: i64) -> Pair {
    add_profile(home, profile, &of_provider(provider, tenant));
    let pair = provider.grant();
    let tokens = Tokens { access: &pair.access, refresh: Some(&pair.refresh), life, device: None };
    store_session(home, profile, &tokens);
    switch(home, profile);
    pair
}

/// Returns the settings of a profile for a provider that is the backend too.
pub fn of_provider<'p>(provider: &'p IdentityProvider, tenant: &'p str) -> [(&'static str, &'p str); 3] {
    [("issuer", provider.issuer()), ("base-url", provider.issuer()), ("tenant", tenant)]
}

/// Adds a profile with these settings, or changes the one that there is.
pub fn add_profile(home: &Home, name: &str, settings: &[(&str, &str)]) {
    let name = ProfileName::parse(name).expect("a name");
    let changed = Profiles::change(&file(home), |profiles| {
        let mut profile = profiles.get(&name).cloned().unwrap_or_else(Profile::default);
        settings.iter().try_for_each(|(setting, value)| profile.set(setting, value))?;
        profiles.put(name, profile);
        Ok(())
    });
    changed.expect("profiles");
}

/// Makes a profile the active one.
pub fn switch(home: &Home, name: &str) {
    let name = ProfileName::parse(name).expect("a name");
    Profiles::change(&file(home), |profiles| profiles.switch(&name)).expect("a profile");
}

/// Stores tokens as the session of a profile.
pub fn store_session(home: &Home, profile: &str, tokens: &Tokens<'_>) -> StoredSession {
    let selection = selection(home, profile);
    let address = |chosen: &Option<vault_auth::selection::Chosen<vault_auth::address::Address>>| {
        chosen.as_ref().map(|chosen| chosen.value.to_string())
    };
    let issuer = address(&selection.issuer);
    let at = |path: &str| format!("{}{path}", issuer.as_deref().unwrap_or("https://nobody.invalid"));
    let email = Some("ana@example.com".to_owned());
    let user = User { subject: Some("ana".into()), email, name: None, roles: vec!["viewer".into()] };
    let login = Login {
        user,
        signed_in_at: now(),
        token_endpoint: at(TOKEN),
        revocation_endpoint: Some(at(REVOKE)),
        base_url: address(&selection.base_url),
        device: tokens.device.map(str::to_owned),
        issuer,
    };
    let tokens = TokenSet {
        access_token: SecretString::new(tokens.access.to_owned()),
        token_type: TokenType::Bearer,
        refresh_token: tokens.refresh.map(|token| SecretString::new(token.to_owned())),
        id_token: None,
        received_at: now(),
        expires_at: Some(now() + tokens.life),
        scopes: vec!["openid".into(), "offline_access".into()],
    };
    let new = NewLogin { key: selection.session_key(), login, client_secret: None, tokens };
    let signed_in = vault_auth::login::sign_in(&file(home), new, Person::Anybody, PATIENCE);
    signed_in.expect("a session that is stored").session
}

/// Stores [`API_KEY`] as the login of a profile.
pub fn store_api_key(home: &Home, profile: &str, is_verified: bool) {
    let key = ApiKey::parse(SecretString::new(API_KEY.to_owned())).expect("a key");
    let verified_at = is_verified.then(now);
    let email = verified_at.map(|_| "ci@example.com".to_owned());
    let facts = KeyFacts { stored_at: now(), verified_at, email, ..KeyFacts::default() };
    let session = selection(home, profile).session_key();
    StoredApiKey { key, facts }.save(&file(home), &session).expect("a key that is stored");
}

/// Returns what is stored as the session of a profile, tombstones too.
pub fn session(home: &Home, profile: &str) -> Option<StoredSession> {
    file(home).load(&selection(home, profile).session_key()).expect("a session that is read")
}

/// Returns the profiles.
pub fn profiles(home: &Home) -> Profiles {
    Profiles::load(&file(home)).expect("profiles")
}

/// Returns what a command with `--profile` means.
pub fn selection(home: &Home, profile: &str) -> Selection {
    let asked = Asked { profile: Given { flag: Some(profile), variable: None }, ..Asked::default() };
    select(&asked, &profiles(home)).expect("a profile")
}

/// Returns the time.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock");
    i64::try_from(since.as_secs()).expect("a time")
}

/// The source of the key of the env slot.
#[derive(Debug)]
struct EnvKey;

impl KeySource for EnvKey {
    fn label(&self) -> &str {
        "test"
    }

    fn serves(&self, kind: &SlotKind) -> bool {
        *kind == SlotKind::Env
    }

    fn slot_key(&mut self, _vault_id: VaultId, _slot: &SlotRecord) -> Result<SlotKey, SourceError> {
        Ok(slot_key())
    }
}

fn slot_key() -> SlotKey {
    SlotKey::new(Zeroizing::new(std::array::from_fn(|at| u8::try_from(at).expect("32 bytes"))))
}

const PATIENCE: Duration = Duration::from_secs(20);
