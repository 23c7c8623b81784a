//! What the sealed file has beside sessions: profiles, API keys, device keys, logins that were begun, tokens to
//! be given back.

use std::thread;

use tempfile::{TempDir, tempdir};
use vault_auth::api_key::{ApiKey, KeyFacts, StoredApiKey};
use vault_auth::device::PendingLogin;
use vault_auth::device_record::{device_key, machine_mark};
use vault_auth::pending::BegunLogin;
use vault_auth::profile::{Profile, ProfileError, ProfileName, Profiles};
use vault_auth::revocation_queue::{QueuedRevocation, RevocationQueue, remove};
use vault_auth::session_file::SessionFile;
use vault_auth::stored_session::Login;
use vault_core::name::SecretName;
use vault_core::secret::{SecretBytes, SecretString};
use vault_core::store::FileStore;

use crate::sample::{START, create, key, open};

const API_KEY: &str = "kw_live_0000000000AA_00000000000000000000000000000000000000000004OtDhs";

fn secret(text: &str) -> SecretString {
    SecretString::new(text.to_owned())
}

fn name(text: &str) -> ProfileName {
    ProfileName::parse(text).unwrap()
}

fn home() -> (TempDir, SessionFile) {
    let home = tempdir().unwrap();
    let file = create(FileStore::new(home.path().join("auth")));
    (home, file)
}

fn add(file: &SessionFile, profile: &str) {
    let put = |profiles: &mut Profiles| {
        profiles.put(name(profile), Profile::default());
        Ok(())
    };
    Profiles::change(file, put).unwrap();
}

fn damage(file: &SessionFile, record: &str, bytes: &[u8]) {
    let name = SecretName::parse(record).unwrap();
    file.write(&[(name, Some(SecretBytes::new(bytes.to_vec())))]).unwrap();
}

#[test]
fn profiles_that_many_processes_add_at_once_are_all_there() {
    let (home, _file) = home();
    thread::scope(|scope| {
        for nth in 0..8 {
            let file = open(home.path());
            scope.spawn(move || add(&file, &format!("p{nth}")));
        }
    });
    assert_eq!(Profiles::load(&open(home.path())).unwrap().iter().count(), 8);
}

#[test]
fn a_change_of_profiles_that_is_refused_changes_nothing() {
    let (_home, file) = home();
    add(&file, "a");
    let refused = Profiles::change(&file, |profiles| {
        profiles.put(name("b"), Profile::default());
        profiles.switch(&name("c"))
    });
    assert!(matches!(refused, Err(ProfileError::NoSuchProfile(_))));
    let profiles = Profiles::load(&file).unwrap();
    assert_eq!((profiles.iter().count(), profiles.active()), (1, None));
    damage(&file, "profiles", b"{}");
    assert!(Profiles::load(&file).is_err(), "damaged profiles are not none");
}

#[test]
fn se_04_se_07_an_api_key_is_kept_sealed_with_its_facts_until_it_is_removed() {
    let (home, file) = home();
    assert!(StoredApiKey::load(&file, &key()).unwrap().is_none());
    let facts = KeyFacts {
        stored_at: START,
        verified_at: Some(START),
        device: Some("0123456789abcdef".into()),
        organization: Some("org-1".into()),
        workspace: Some("ws-1".into()),
        ..KeyFacts::default()
    };
    let api_key = ApiKey::parse(secret(API_KEY)).unwrap();
    StoredApiKey { key: api_key, facts: facts.clone() }.save(&file, &key()).unwrap();
    let read = StoredApiKey::load(&open(home.path()), &key()).unwrap().unwrap();
    assert_eq!((read.key.secret().expose_secret(), &read.facts), (API_KEY, &facts));
    let bytes = std::fs::read(home.path().join("auth")).unwrap();
    assert!(!bytes.windows(8).any(|part| part == b"00004OtD" || part == b"org-1"));
    StoredApiKey::remove(&file, &key()).unwrap();
    assert!(StoredApiKey::load(&file, &key()).unwrap().is_none());
    StoredApiKey::remove(&file, &key()).unwrap();
    damage(&file, &format!("api-key/{}", key().id()), b"{\"schema\":1,\"api_key\":\"\",\"facts\":{}}");
    assert!(StoredApiKey::load(&file, &key()).is_err());
}

#[test]
fn se_03_each_machine_has_a_device_key_of_its_own_and_keeps_it_when_another_one_opens_the_file() {
    let (home, file) = home();
    let of = |file: &SessionFile, machine| device_key(file, machine).unwrap().fingerprint();
    let first = of(&file, Some("machine-1"));
    assert_eq!(of(&open(home.path()), Some("machine-1")), first);
    let second = of(&open(home.path()), Some("machine-2"));
    let unmarked = of(&open(home.path()), None);
    assert!(first != second && first != unmarked && second != unmarked);
    for file in [&file, &open(home.path())] {
        assert_eq!([of(file, Some("machine-1")), of(file, Some("machine-2"))], [&first[..], &second]);
        assert_eq!(of(file, None), unmarked);
    }
    assert!(machine_mark().is_none_or(|mark| mark.len() == 32));
}

#[test]
fn a_device_key_that_can_not_be_read_is_not_replaced() {
    let (_home, file) = home();
    for machine in [None, Some("machine-1")] {
        device_key(&file, machine).unwrap();
        let record = format!("device/{}", machine.unwrap_or("any"));
        for bytes in [&b"{\"schema\":1,\"key\":\"AAAA\"}"[..], b"{\"schema\":2}", b"torn"] {
            damage(&file, &record, bytes);
            assert!(device_key(&file, machine).is_err());
        }
    }
}

fn settings() -> Profile {
    Profile { issuer: Some("https://id.example".into()), ..Profile::default() }
}

fn begun(expires_at: i64) -> BegunLogin {
    let request = format!(
        "{{\"device_code\":\"canary-code\",\"user_code\":\"WDJB-MJHT\",\"verification\":\"https://id.example/device\",\
         \"verification_complete\":null,\"issued_at\":{START},\"expires_at\":{expires_at},\"interval\":5}}"
    );
    BegunLogin {
        key: key(),
        login: Login { token_endpoint: "https://id.example/token".into(), ..Login::default() },
        profile: name("prod"),
        settings: settings(),
        client_secret: Some(secret("canary-secret")),
        scopes: vec!["openid".into()],
        audience: Some("api".into()),
        pending: PendingLogin::from_bytes(&SecretBytes::new(request.into_bytes())).unwrap(),
    }
}

#[test]
fn a_login_that_one_process_begins_another_completes() {
    let (home, file) = home();
    let id = begun(START + 900).save(&file, START).unwrap();
    let read = BegunLogin::load(&open(home.path()), &id).unwrap().unwrap();
    assert_eq!(
        (&read.key, read.profile, read.settings, &read.scopes[..]),
        (&key(), name("prod"), settings(), &["openid".into()][..])
    );
    assert_eq!(read.client_secret.unwrap().expose_secret(), "canary-secret");
    assert_eq!(
        read.pending.to_bytes().expose_secret(),
        begun(START + 900).pending.to_bytes().expose_secret()
    );
    BegunLogin::remove(&file, &id).unwrap();
    assert!(BegunLogin::load(&file, &id).unwrap().is_none());
}

#[test]
fn an_id_that_is_none_finds_nothing_and_shows_nothing() {
    let (_home, file) = home();
    let id = begun(START + 900).save(&file, START).unwrap();
    for wrong in ["", "../auth", "session/x", "0", &id[1..], &"a".repeat(33)] {
        assert!(BegunLogin::load(&file, wrong).unwrap().is_none(), "{wrong}");
        BegunLogin::remove(&file, wrong).unwrap();
    }
    assert!(BegunLogin::load(&file, &id).unwrap().is_some());
    assert!(!format!("{:?}", begun(START)).contains("canary"));
}

#[test]
fn logins_whose_time_is_over_go_with_the_next_one() {
    let (_home, file) = home();
    let old = begun(START + 900).save(&file, START).unwrap();
    damage(&file, "pending/00", b"torn");
    let new = begun(START + 2000).save(&file, START + 900).unwrap();
    assert!(BegunLogin::load(&file, &old).unwrap().is_none());
    assert!(BegunLogin::load(&file, &new).unwrap().is_some());
    assert_eq!(file.names("pending/").unwrap().len(), 1);
}

#[test]
fn a_token_that_could_not_be_given_back_waits_for_a_week() {
    let (home, file) = home();
    let queued = |queued_at| QueuedRevocation {
        token: secret("refresh-1"),
        endpoint: "https://id.example/revoke".into(),
        client_id: "cli".into(),
        client_secret: None,
        queued_at,
    };
    queued(START).save(&file).unwrap();
    queued(START + 86_400).save(&file).unwrap();
    let queue = RevocationQueue::load(&open(home.path()), START + 7 * 86_400).unwrap();
    assert_eq!((queue.due.len(), queue.over.len()), (2, 0));
    assert!(queue.due.iter().all(|(_, queued)| queued.token.expose_secret() == "refresh-1"));
    let later = RevocationQueue::load(&file, START + 7 * 86_400 + 1).unwrap();
    assert_eq!((later.due.len(), later.over.len()), (1, 1));
    remove(&file, &later.over).unwrap();
    damage(&file, "revocation/00", b"torn");
    let last = RevocationQueue::load(&file, START).unwrap();
    assert_eq!((last.due.len(), last.over.len()), (1, 1), "what nobody can read is over");
    let names: Vec<_> = last.due.iter().map(|(name, _)| name.clone()).chain(last.over).collect();
    remove(&file, &names).unwrap();
    assert!(file.names("revocation/").unwrap().is_empty());
}
