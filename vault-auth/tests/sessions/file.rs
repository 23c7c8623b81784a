//! The sealed file: what it keeps, what it forgets, and what is never taken for an absent session.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use tempfile::tempdir;
use vault_auth::login::{NewLogin, Person, sign_in, sign_out};
use vault_auth::session::SessionKey;
use vault_auth::session_file::{SessionFile, SessionFileError};
use vault_auth::stored_session::{Login, State};
use vault_auth::token_store::{StoreFailure, TokenStore};
use vault_core::format::{FormatError, Purpose};
use vault_core::name::SecretName;
use vault_core::secret::SecretBytes;
use vault_core::slot::{SlotId, SlotKind};
use vault_core::store::{FileStore, StoreError, VaultStore};
use vault_core::vault::commit::CommitError;
use vault_core::vault::unlock::UnlockError;
use vault_core::vault::{LockedVault, UnlockedVault};

use crate::sample::{Home, OneKey, START, WAIT, create, key, open, serial_of};
use crate::server::{Mode, Server, tokens};

fn keys() -> [SessionKey; 4] {
    let of = |tenant: &str, client_id: &str, environment: &str| SessionKey {
        tenant: tenant.into(),
        client_id: client_id.into(),
        environment: environment.into(),
    };
    [of("a", "bc", "prod"), of("ab", "c", "prod"), of("a", "bc", "dev"), of("a", "bcprod", "")]
}

fn sign_in_as(file: &SessionFile, key: &SessionKey, serial: u64) {
    let tokens = tokens(serial, START, false);
    let new = NewLogin { key: key.clone(), login: Login::default(), client_secret: None, tokens };
    sign_in(file, new, Person::Same, Duration::from_secs(20)).unwrap();
}

fn serial_stored(file: &SessionFile, key: &SessionKey) -> u64 {
    serial_of(&file.load(key).unwrap().unwrap())
}

fn name(text: &str) -> SecretName {
    SecretName::parse(text).unwrap()
}

#[test]
fn ec_16_es_12_sessions_of_other_tenants_clients_and_environments_never_meet() {
    let home = tempdir().unwrap();
    let file = create(FileStore::new(home.path().join("auth")));
    for (serial, key) in (10..).zip(keys()) {
        sign_in_as(&file, &key, serial);
    }
    for (serial, key) in (10..).zip(keys()) {
        assert_eq!(serial_stored(&open(home.path()), &key), serial);
    }
    assert_eq!(file.sessions().unwrap().len(), 4);
}

#[test]
fn ec_15_a_logout_leaves_the_other_sessions_alone() {
    let home = tempdir().unwrap();
    let file = create(FileStore::new(home.path().join("auth")));
    for (serial, key) in (10..).zip(keys()) {
        sign_in_as(&file, &key, serial);
    }
    sign_out(&file, &keys()[0], WAIT).unwrap();
    assert_eq!(*file.load(&keys()[0]).unwrap().unwrap().state(), State::SignedOut);
    for (serial, key) in (11..).zip(&keys()[1..]) {
        assert_eq!(serial_stored(&file, key), serial);
    }
}

#[test]
fn ae_11_se_07_the_file_is_sealed_private_and_of_its_own_purpose() {
    let home = Home::signed_in(Server::new(Mode::Strict));
    let path = home.path().join("auth");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
    let bytes = fs::read(&path).unwrap();
    for secret in [&b"access-1"[..], b"refresh-1", b"auth.example"] {
        assert!(!bytes.windows(secret.len()).any(|part| part == secret));
    }
    let snapshot = FileStore::new(&path).open().unwrap().unwrap();
    let refused = LockedVault::open(snapshot, Purpose::Secrets).unwrap_err();
    assert!(matches!(refused, FormatError::Purpose { .. }), "{refused}");
}

#[test]
fn a_spent_token_is_nowhere_in_the_file_and_there_is_no_earlier_one() {
    let home = Home::signed_in(Server::new(Mode::Strict));
    for _ in 0..5 {
        home.clock.advance(crate::server::LIFE);
        home.access().unwrap();
    }
    let mut left: Vec<_> =
        fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    let lock = format!("auth.{}.lock", key().id());
    assert_eq!(left, ["auth", &lock, "auth.lock"], "no previous generation");
    let snapshot = FileStore::new(home.path().join("auth")).open().unwrap().unwrap();
    let locked = LockedVault::open(snapshot, Purpose::Sessions).unwrap();
    let vault = locked.unlock(&mut [&mut OneKey(1)]).unwrap().vault;
    assert_eq!(vault.index().unwrap().values.len(), 1, "no earlier version");
}

#[test]
fn one_session_that_is_damaged_leaves_the_others_readable() {
    let home = tempdir().unwrap();
    let file = create(FileStore::new(home.path().join("auth")));
    for (serial, key) in (10..).zip(keys()) {
        sign_in_as(&file, &key, serial);
    }
    let path = home.path().join("auth");
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let file = open(home.path());
    let outcomes: Vec<_> = keys().iter().map(|key| file.load(key)).collect();
    let damaged = |outcome: &Result<_, StoreFailure>| {
        let error = outcome.as_ref().err();
        error.is_some_and(|error| {
            matches!(error, StoreFailure::File(SessionFileError::Format(FormatError::Value { .. })))
        })
    };
    assert_eq!(outcomes.iter().filter(|outcome| damaged(outcome)).count(), 1, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 3);
    let listed = file.sessions().unwrap();
    assert_eq!((listed.len(), listed.iter().filter(|session| session.is_ok()).count()), (4, 3));
}

#[test]
fn a_file_that_does_not_open_is_not_a_signed_out_one() {
    let home = Home::signed_in(Server::new(Mode::Strict));
    let path = home.path().join("auth");
    let opened = |key: u8| SessionFile::open(FileStore::new(&path), &mut [&mut OneKey(key)]);
    assert!(matches!(opened(2), Err(SessionFileError::Unlock(UnlockError::NoKey { wrong_key: true, .. }))));
    let whole = fs::read(&path).unwrap();
    for at in [40, 600, whole.len() / 2] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert!(matches!(opened(1), Err(SessionFileError::Format(_) | SessionFileError::Unlock(_))), "{at}");
    }
    fs::write(&path, &whole[..100]).unwrap();
    assert!(opened(1).is_err());
    fs::remove_file(&path).unwrap();
    assert!(opened(1).unwrap().is_none(), "no file is no session");
}

#[test]
fn a_vault_of_secrets_in_its_place_is_refused() {
    let home = tempdir().unwrap();
    let store = FileStore::new(home.path().join("auth"));
    let vault = UnlockedVault::create(Purpose::Secrets).unwrap();
    SessionFile::create(store.clone(), &vault, |draft| {
        draft.add_slot(SlotKind::Env, SlotId::generate(), &vault_core::source::generate_slot_key())
    })
    .unwrap();
    let error = SessionFile::open(store, &mut [&mut OneKey(1)]).unwrap_err();
    assert!(matches!(error, SessionFileError::Format(FormatError::Purpose { .. })), "{error}");
}

#[test]
fn a_record_that_is_no_session_is_damaged_and_one_of_a_later_keyward_newer() {
    let home = Home::signed_in(Server::new(Mode::Strict));
    let file = home.open();
    let record = name(&format!("session/{}", key().id()));
    for (text, said) in [("{}", "damaged"), ("{\"schema\":2}", "newer keyward"), ("", "damaged")] {
        file.write(&[(record.clone(), Some(SecretBytes::new(text.into())))]).unwrap();
        let error = file.load(&key()).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
        assert!(matches!(home.access(), Err(vault_auth::refresh::RefreshError::Store(_))));
    }
}

#[test]
fn the_record_of_one_session_under_the_name_of_another_is_refused() {
    let home = Home::signed_in(Server::new(Mode::Strict));
    let file = home.open();
    let own = file.read(&name(&format!("session/{}", key().id()))).unwrap().unwrap();
    let [other, ..] = keys();
    file.write(&[(name(&format!("session/{}", other.id())), Some(own))]).unwrap();
    assert!(file.load(&other).is_err());
    assert_eq!(file.sessions().unwrap().iter().filter(|session| session.is_err()).count(), 1);
    assert!(file.load(&key()).is_ok());
}

#[test]
fn records_are_written_all_at_once_or_not_at_all() {
    let home = Home::signed_in(Server::new(Mode::Strict));
    let file = home.open();
    let value = |text: &str| Some(SecretBytes::new(text.into()));
    file.write(&[(name("x/1"), value("one")), (name("x/2"), value("two"))]).unwrap();
    let too_large = Some(SecretBytes::new(vec![0; (1 << 20) + 1]));
    assert!(file.write(&[(name("x/1"), None), (name("x/3"), too_large)]).is_err());
    assert_eq!(file.names("x/").unwrap(), [name("x/1"), name("x/2")]);
    file.write(&[(name("x/1"), None), (name("x/9"), None)]).unwrap();
    assert_eq!(file.names("x/").unwrap(), [name("x/2")]);
    assert!(file.read(&name("x/1")).unwrap().is_none());
    assert_eq!(file.read(&name("x/2")).unwrap().unwrap().expose_secret(), b"two");
}

#[test]
fn an_open_file_reads_what_others_wrote_since() {
    let home = Home::signed_in(Server::new(Mode::Strict));
    let file = home.open();
    assert_eq!(serial_stored(&file, &key()), 1);
    home.clock.advance(crate::server::LIFE);
    home.access().unwrap();
    assert_eq!(serial_stored(&file, &key()), 2);
}

#[test]
fn the_second_of_two_first_logins_is_told_to_open_what_the_first_made() {
    let home = tempdir().unwrap();
    let store = FileStore::new(home.path().join("auth"));
    create(store.clone());
    let vault = UnlockedVault::create(Purpose::Sessions).unwrap();
    let error = SessionFile::create(store, &vault, |draft| {
        draft.add_slot(SlotKind::Env, SlotId::generate(), &vault_core::source::generate_slot_key())
    })
    .unwrap_err();
    let conflict = matches!(error, SessionFileError::Commit(CommitError::Store(StoreError::Conflict { .. })));
    assert!(conflict, "{error}");
}
