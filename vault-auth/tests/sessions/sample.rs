//! A home with a sealed file of sessions, a clock that tests set, and sessions of the server of these tests.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::{TempDir, tempdir};
use vault_auth::clock::{Clock, UnixTime};
use vault_auth::grant::{GrantError, TokenEndpoint};
use vault_auth::login::{NewLogin, Person, sign_in};
use vault_auth::refresh::{Access, Need, RefreshError, Refresher};
use vault_auth::session::SessionKey;
use vault_auth::session_file::SessionFile;
use vault_auth::stored_session::{Login, State, StoredSession};
use vault_auth::token_store::TokenStore;
use vault_core::format::Purpose;
use vault_core::secret::SlotKey;
use vault_core::slot::{KeySource, SlotId, SlotKind, SlotRecord, SourceError, VaultId};
use vault_core::store::{FileStore, VaultStore};
use vault_core::vault::UnlockedVault;
use zeroize::Zeroizing;

use crate::server::{Link, Server};

/// When the tests begin.
pub(crate) const START: UnixTime = 1_800_000_000;

/// How long a test waits for a turn that it gets.
pub(crate) const WAIT: Duration = Duration::from_secs(60);

/// A source with one key for env slots.
#[derive(Debug)]
pub(crate) struct OneKey(pub(crate) u8);

impl KeySource for OneKey {
    fn label(&self) -> &str {
        "test"
    }

    fn serves(&self, kind: &SlotKind) -> bool {
        *kind == SlotKind::Env
    }

    fn slot_key(&mut self, _vault_id: VaultId, _slot: &SlotRecord) -> Result<SlotKey, SourceError> {
        Ok(slot_key(self.0))
    }
}

fn slot_key(byte: u8) -> SlotKey {
    SlotKey::new(Zeroizing::new([byte; 32]))
}

/// Makes a file of sessions with one slot.
pub(crate) fn create(store: impl VaultStore + Send + Sync + 'static) -> SessionFile {
    let vault = UnlockedVault::create(Purpose::Sessions).unwrap();
    SessionFile::create(store, &vault, |draft| {
        draft.add_slot(SlotKind::Env, SlotId::generate(), &slot_key(1))
    })
    .unwrap()
}

/// Opens the file of sessions in `directory`, as another process does.
pub(crate) fn open(directory: &Path) -> SessionFile {
    open_store(FileStore::new(directory.join("auth")), directory)
}

/// Opens the file of sessions through `store`.
pub(crate) fn open_store(store: impl VaultStore + Send + Sync + 'static, directory: &Path) -> SessionFile {
    let file = SessionFile::open(store, &mut [&mut OneKey(1)]).unwrap().unwrap();
    file.with_spill(directory.join("runtime"))
}

/// Returns the key of the session of these tests.
pub(crate) fn key() -> SessionKey {
    SessionKey { tenant: "acme".into(), client_id: "cli".into(), environment: "https://auth.example".into() }
}

/// A clock that stands still until a test, or somebody who sleeps, moves it.
#[derive(Debug, Default)]
pub(crate) struct TestClock {
    now: AtomicI64,
    slept: AtomicU64,
}

impl TestClock {
    pub(crate) fn at(now: UnixTime) -> Arc<Self> {
        Arc::new(Self { now: now.into(), slept: 0.into() })
    }

    pub(crate) fn set(&self, now: UnixTime) {
        self.now.store(now, Ordering::SeqCst);
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.now.fetch_add(seconds, Ordering::SeqCst);
    }

    /// Returns how long anybody has slept by this clock.
    pub(crate) fn slept(&self) -> Duration {
        Duration::from_millis(self.slept.load(Ordering::SeqCst))
    }
}

impl Clock for TestClock {
    fn now(&self) -> UnixTime {
        self.now.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Duration {
        self.slept()
    }

    fn sleep(&self, pause: Duration) {
        self.slept.fetch_add(u64::try_from(pause.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

/// A home with somebody signed in at a server of these tests.
pub(crate) struct Home {
    directory: TempDir,
    pub(crate) server: Arc<Server>,
    pub(crate) clock: Arc<TestClock>,
}

impl Home {
    /// Signs in at a new server; the first tokens live for as long as the server's do.
    pub(crate) fn signed_in(server: Server) -> Self {
        Self::signed_in_at(tempdir().unwrap(), server)
    }

    pub(crate) fn signed_in_at(directory: TempDir, server: Server) -> Self {
        create(FileStore::new(directory.path().join("auth")));
        let home = Self { directory, server: Arc::new(server), clock: TestClock::at(START) };
        home.sign_in();
        home
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn spill(&self) -> PathBuf {
        self.path().join("runtime")
    }

    /// Opens the file of sessions as a new process would.
    pub(crate) fn open(&self) -> SessionFile {
        open(self.path())
    }

    /// Signs in, as after a device login.
    pub(crate) fn sign_in(&self) -> StoredSession {
        let tokens = self.server.sign_in(self.clock.now());
        let login =
            Login { signed_in_at: self.clock.now(), device: Some("device-1".into()), ..Login::default() };
        let new = NewLogin { key: key(), login, client_secret: None, tokens };
        sign_in(&self.open(), new, Person::Same, Duration::from_secs(20)).unwrap().session
    }

    /// Asks for a fresh token, as a command of a new process would.
    pub(crate) fn access(&self) -> Result<Access, RefreshError> {
        self.access_for(Need::default())
    }

    pub(crate) fn access_for(&self, need: Need) -> Result<Access, RefreshError> {
        self.access_from(&self.open(), need)
    }

    pub(crate) fn access_from(&self, store: &dyn TokenStore, need: Need) -> Result<Access, RefreshError> {
        let connect = connect(&self.server, &self.clock);
        Refresher::new(store, &*self.clock, &connect).with_device("device-1").access(&key(), need)
    }

    /// Returns the stored session.
    pub(crate) fn stored(&self) -> StoredSession {
        self.open().load(&key()).unwrap().unwrap()
    }

    pub(crate) fn state(&self) -> State {
        self.stored().state().clone()
    }
}

/// Makes what finds the token endpoint of a server in this process.
pub(crate) fn connect(
    server: &Arc<Server>,
    clock: &Arc<TestClock>,
) -> impl Fn(&StoredSession) -> Result<Box<dyn TokenEndpoint>, GrantError> + Send + Sync + use<> {
    let (server, clock) = (Arc::clone(server), Arc::clone(clock));
    move |_| Ok(Box::new(Link { server: Arc::clone(&server), clock: clock.clone() }))
}

/// Returns the number of the access token: the first one of a login has the number 1.
pub(crate) fn serial(access: &Access) -> u64 {
    serial_of(&access.session)
}

pub(crate) fn serial_of(session: &StoredSession) -> u64 {
    session.tokens().unwrap().access_token.expose_secret().strip_prefix("access-").unwrap().parse().unwrap()
}

/// Collects what hooks were called with: the generation before, and the number of the new token.
pub(crate) type Calls = Arc<Mutex<Vec<(u64, u64)>>>;
