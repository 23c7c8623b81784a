//! Files of sessions that are measured, and the three ways to share one.

use std::path::{Path, PathBuf};

use keyward_tests::token_family::Pair;
use tempfile::TempDir;
use vault_auth::clock::{Clock, SystemClock, UnixTime};
use vault_auth::grant::{GrantError, TokenEndpoint};
use vault_auth::profile::{Profile, ProfileName, Profiles};
use vault_auth::refresh::{Connect, Need, Refresher};
use vault_auth::session::SessionKey;
use vault_auth::session_file::SessionFile;
use vault_auth::stored_session::{Login, StoredSession};
use vault_auth::token::{TokenSet, TokenType};
use vault_auth::token_store::{TokenStore, Turn};
use vault_core::format::Purpose;
use vault_core::secret::{SecretString, SlotKey};
use vault_core::slot::{SlotId, SlotKind};
use vault_core::source::env::EnvSource;
use vault_core::source::supply::EnvSupply;
use vault_core::source::{generate_slot_key, key_text};
use vault_core::store::FileStore;
use vault_core::vault::UnlockedVault;

use crate::process::Program;
use crate::vaults::directory;

/// The access token of every session that is not shared.
pub(crate) const ACCESS_TOKEN: &str = "an-access-token-as-long-as-they-are-without-a-signature";
/// How long the tokens of a shared session live, in seconds.
pub(crate) const LIFE: UnixTime = 900;
/// When a shared session begins.
pub(crate) const START: UnixTime = 1_800_000_000;

/// A file of sessions in a directory of its own, which goes when it is dropped.
#[derive(Debug)]
pub(crate) struct Sessions {
    directory: TempDir,
    key: SlotKey,
}

impl Sessions {
    /// Makes `count` sessions whose tokens are good for an hour; the profile of the first one is active.
    pub(crate) fn signed_in(count: usize) -> Self {
        let sessions = Self::empty();
        let file = sessions.make();
        let now = SystemClock::new().now();
        for number in (0..count).rev() {
            let tokens = token_set(ACCESS_TOKEN, "a-refresh-token", now, 3_600);
            save(&file, &StoredSession::sign_in(key(number), Login::default(), None, tokens, None));
        }
        let active = Profile { issuer: Some(issuer(0)), ..Profile::default() };
        let name = ProfileName::parse("first").expect("letters are a name");
        let changed = Profiles::change(&file, |profiles| {
            profiles.put(name.clone(), active);
            profiles.switch(&name)
        });
        changed.expect("the file can be written");
        sessions
    }

    /// Makes one session with the first tokens of a grant.
    pub(crate) fn granted(first: &Pair) -> Self {
        let sessions = Self::empty();
        let file = sessions.make();
        let tokens = token_set(&first.access, &first.refresh, START, LIFE);
        save(&file, &StoredSession::sign_in(key(0), Login::default(), None, tokens, None));
        sessions
    }

    /// Opens the file at `path` by the key in the environment.
    pub(crate) fn open(path: &Path) -> SessionFile {
        let found = EnvSource::from_environment(None).load().into_iter().next();
        let mut key = EnvSupply::new(found.expect("the key is handed on"));
        let opened = SessionFile::open(FileStore::new(path), &mut [&mut key]);
        opened.expect("the key is the file's").expect("the file was made")
    }

    /// Returns the path of the file.
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("auth")
    }

    /// Returns the key as the environment hands it over.
    pub(crate) fn key_text(&self) -> SecretString {
        key_text::encode(&self.key)
    }

    /// Returns the keyward process that uses this file.
    pub(crate) fn keyward(&self, keyward: &Path, arguments: &[&str]) -> Program {
        Program::new(keyward)
            .with(arguments)
            .variable("KEYWARD_HOME", self.directory.path())
            .variable("KEYWARD_VAULT_KEY", self.key_text().expose_secret())
    }

    fn empty() -> Self {
        Self { directory: directory(), key: generate_slot_key() }
    }

    fn make(&self) -> SessionFile {
        let vault = UnlockedVault::create(Purpose::Sessions).expect("an empty index is in every limit");
        let made = SessionFile::create(FileStore::new(self.path()), &vault, |draft| {
            draft.add_slot(SlotKind::Env, SlotId::generate(), &self.key)
        });
        made.expect("a new file can be written")
    }
}

/// A way to share a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strategy {
    /// Turns, and a second look before a token is sent.
    Keyward,
    /// Each process refreshes what has expired.
    Naive,
    /// The same, and a look at the file when the server says no.
    ReadAgain,
}

impl Strategy {
    const ALL: [Self; 3] = [Self::Keyward, Self::Naive, Self::ReadAgain];

    /// Returns the name that another process is told.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Keyward => "keyward",
            Self::Naive => "naive",
            Self::ReadAgain => "read-again",
        }
    }

    /// Returns the strategy in words.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Keyward => "keyward",
            Self::Naive => "refreshes what has expired",
            Self::ReadAgain => "the same, and reads the file again when the server says no",
        }
    }

    /// Finds a strategy by its name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|strategy| strategy.name() == name)
    }

    /// Gets a token that is good at the clock's time; `None` where the way leads to none.
    pub(crate) fn token(
        self,
        file: &SessionFile,
        clock: &dyn Clock,
        connect: &Connect,
    ) -> Option<SecretString> {
        if self == Self::Keyward {
            let access = Refresher::new(file, clock, connect).access(&key(0), Need::default()).ok()?;
            return access_token(&access.session);
        }
        let session = file.load(&key(0)).ok()??;
        if is_good(&session, clock) {
            return access_token(&session);
        }
        match refresh(session, clock, connect) {
            Ok(session) => {
                save(file, &session);
                access_token(&session)
            }
            Err(_) if self == Self::ReadAgain => {
                let other = file.load(&key(0)).ok()??;
                is_good(&other, clock).then(|| access_token(&other)).flatten()
            }
            Err(_) => None,
        }
    }
}

fn refresh(
    session: StoredSession,
    clock: &dyn Clock,
    connect: &Connect,
) -> Result<StoredSession, GrantError> {
    let endpoint: Box<dyn TokenEndpoint> = connect(&session)?;
    let tokens = endpoint.refresh(session.refresh_token().expect("each pair has one"))?;
    let in_flight = session.begin(clock.now()).expect("a session with a refresh token");
    Ok(in_flight.complete(tokens))
}

fn is_good(session: &StoredSession, clock: &dyn Clock) -> bool {
    session.tokens().and_then(|tokens| tokens.expires_at).is_some_and(|at| at > clock.now())
}

fn access_token(session: &StoredSession) -> Option<SecretString> {
    session.tokens().map(|tokens| SecretString::new(tokens.access_token.expose_secret().to_owned()))
}

/// Writes without a turn, as a client does that has none.
fn save(file: &SessionFile, session: &StoredSession) {
    let turn = Turn::new(session.key().clone(), ());
    file.save(&turn, session).expect("the file can be written");
}

/// Makes tokens that live for `life` seconds.
pub(crate) fn token_set(access: &str, refresh: &str, now: UnixTime, life: UnixTime) -> TokenSet {
    TokenSet {
        access_token: SecretString::new(access.to_owned()),
        token_type: TokenType::Bearer,
        refresh_token: Some(SecretString::new(refresh.to_owned())),
        id_token: None,
        received_at: now,
        expires_at: Some(now + life),
        scopes: Vec::new(),
    }
}

fn issuer(number: usize) -> String {
    format!("https://auth{number}.example.com")
}

/// The session of an issuer, as a profile that names nothing else means it.
fn key(number: usize) -> SessionKey {
    SessionKey {
        tenant: "default".to_owned(),
        client_id: "keyward".to_owned(),
        environment: format!("{} ", issuer(number)),
    }
}
