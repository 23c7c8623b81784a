//! A keyring service that hangs, lies, fails or goes away, at each of its methods: keyward ends in time, says
//! what happened, opens the vault by its next slot, and never makes, changes or overwrites anything.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use keyward_tests::deadline::within;
use keyward_tests::process::eventually;
use keyward_tests::secret_service::Fault::{
    self, Dismiss, Double, Fail, Hang, Leave, Pretend, Replace, Scramble,
};
use keyward_tests::secret_service::{Item, SecretService};
use keyward_tests::{Finished, Home};

const ENV_KEY: &str = "kwk1_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB6p2BF";
const OTHER_KEY: &str = "kwk1_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh-gfp9k";
/// The methods that reading a key calls, in their order.
const OF_READING: [&str; 3] = ["OpenSession", "SearchItems", "GetSecret"];
/// The methods that writing a key calls; `Get` asks whether the collection is locked.
const OF_WRITING: [&str; 6] = ["OpenSession", "SearchItems", "ReadAlias", "Get", "CreateItem", "GetSecret"];
/// The deadline of 3 s, and what a busy machine adds to it.
const IN_TIME: Duration = Duration::from_secs(20);

/// A vault with a slot in the keyring and one for [`ENV_KEY`], and the service of that keyring.
struct Guarded {
    service: SecretService,
    home: Home,
}

impl Guarded {
    fn new() -> Self {
        let service = SecretService::start();
        let home = service.home();
        let mut put = home.command(["put", "A", "value"]);
        Finished::from(put.env("KEYWARD_VAULT_KEY", ENV_KEY).output().unwrap()).succeeds();
        assert_eq!(service.items().len(), 1);
        assert_eq!(home.get("A"), b"value", "the service works");
        Self { service, home }
    }

    /// The text of the key in the keyring.
    fn key(&self) -> String {
        String::from_utf8(self.service.items()[0].secret.clone()).unwrap()
    }

    /// The commands end in time and say `why`, the env slot opens the vault, and nothing is other than before.
    #[track_caller]
    fn stays_locked(&self, lines: &[&str], why: &str) {
        let (vault, items) = (fs::read(self.home.vault()).unwrap(), self.service.items());
        for line in lines {
            let said = within(IN_TIME, &mut self.home.command(line.split(' ')));
            // `status` answers that the vault is locked, on stdout; the others fail.
            let text = said.to_string();
            assert!(
                said.code == 5 && text.contains(why) && text.contains("key slots: keyring, env"),
                "{said}"
            );
            hides(&said, &items);
        }
        let mut get = self.home.command(["get", "A", "-v"]);
        let said = within(IN_TIME, get.env("KEYWARD_VAULT_KEY", ENV_KEY));
        assert_eq!(said.succeeds().stdout, b"value", "{said}");
        said.fails(0, &["not opened by keyring: ", "opened "]);
        hides(&said, &items);
        assert_eq!(self.service.items(), items, "the entry is as it was");
        assert!(fs::read(self.home.vault()).unwrap() == vault, "the vault is as it was");
    }

    fn slots(&self) -> String {
        self.home.run(["slot", "list"]).succeeds().text()
    }
}

/// Every way to use a vault that exists, at every verbosity.
const USES: [&str; 6] =
    ["get A", "put A other -v", "rekey --drop --json", "run -v -- true", "list -q", "status -v --json"];

#[track_caller]
fn hides(said: &Finished, items: &[Item]) {
    for item in items {
        let text = String::from_utf8_lossy(&item.secret);
        assert!(text.is_empty() || !said.to_string().contains(&*text), "{said}");
    }
    assert!(!said.to_string().contains("canary"), "{said}");
}

/// The files that keyward has made in a home.
fn files(home: &Home) -> Vec<String> {
    let listed = home.bash("find .local -type f 2>/dev/null | sort").text();
    listed.lines().map(str::to_owned).collect()
}

/// A first `put` and an `init` at a keyring in a bad mood: no vault, no seed, no weaker key.
#[track_caller]
fn makes_no_vault(service: &SecretService, why: &str) {
    let home = service.home();
    for line in ["put A value -v", "init --json"] {
        let said = within(IN_TIME, &mut home.command(line.split(' ')));
        said.fails(5, &[why, "hint: `keyward init --source env`"]);
        hides(&said, &service.items());
        assert_eq!(files(&home), [""; 0], "{line}: {said}");
    }
}

#[test]
fn the_made_up_service_is_as_good_as_a_real_one_until_it_fails() {
    let Guarded { service, home } = Guarded::new();
    home.run(["slot", "add", "keyring"]).succeeds();
    assert_eq!(service.items().len(), 2);
    let added = home.run(["slot", "list"]).text().lines().last().unwrap()[..32].to_owned();
    home.run(["slot", "rm", &added]).succeeds();
    assert_eq!(service.items().len(), 1);
    home.run(["rekey"]).succeeds();
    assert_eq!(service.items().len(), 1);
    assert_eq!(home.get("A"), b"value");
}

/// Does the same for several methods at once, because a deadline takes its time.
fn for_each(methods: &[&'static str], act: impl Fn(&'static str) + Sync) {
    thread::scope(|scope| methods.iter().for_each(|method| drop(scope.spawn(|| act(method)))));
}

#[test]
fn a_service_that_hangs_at_any_method_is_given_up_at_the_deadline() {
    for_each(&OF_READING, |method| {
        let guarded = Guarded::new();
        guarded.service.fails_at(method, Hang);
        let started = Instant::now();
        guarded.stays_locked(&["get A"], "keyring: the keyring did not answer within 3 s");
        assert!(started.elapsed() >= Duration::from_secs(6), "{method} was waited for, twice");
        assert_eq!(guarded.service.calls(method), 2, "{method}");
    });
}

#[test]
fn a_first_vault_is_not_made_by_a_service_that_hangs_at_any_method() {
    for_each(&OF_WRITING, |method| {
        let service = SecretService::start();
        service.fails_at(method, Hang);
        makes_no_vault(&service, "the keyring did not answer within 3 s");
        assert_eq!(service.calls(method), 2, "{method}");
    });
}

#[test]
fn a_service_that_leaves_at_any_method_leaves_the_vault_locked() {
    let guarded = Guarded::new();
    for method in OF_READING {
        for line in ["get A", "put A other", "rekey --drop --json"] {
            guarded.service.fails_at(method, Leave);
            let vault = fs::read(guarded.home.vault()).unwrap();
            let said = within(IN_TIME, &mut guarded.home.command(line.split(' ')));
            // Whether the bus tells it or the deadline does is the bus's affair.
            said.fails(5, &["keyring: the keyring ", "key slots: keyring, env"]);
            assert!(fs::read(guarded.home.vault()).unwrap() == vault);
            guarded.service.serve();
        }
    }
    guarded.service.works();
    assert_eq!(guarded.home.get("A"), b"value");
}

#[test]
fn a_first_vault_is_not_made_by_a_service_that_leaves_at_any_method() {
    let service = SecretService::start();
    for method in OF_WRITING {
        service.fails_at(method, Leave);
        let home = service.home();
        let said = within(IN_TIME, &mut home.command(["put", "A", "value"]));
        said.fails(5, &["the keyring ", "hint: `keyward init --source env`"]);
        assert_eq!(files(&home), [""; 0], "{method}: {said}");
        service.serve();
    }
}

#[test]
fn a_bus_that_ends_during_a_call_is_a_failure() {
    let mut guarded = Guarded::new();
    guarded.service.fails_at("GetSecret", Hang);
    let get = thread::spawn({
        let mut command = guarded.home.command(["get", "A"]);
        move || within(IN_TIME, &mut command)
    });
    assert!(eventually(|| guarded.service.calls("GetSecret") == 1));
    guarded.service.end_bus();
    get.join().unwrap().fails(5, &["keyring: the keyring failed: "]);
}

#[test]
fn an_error_at_any_method_leaves_the_vault_locked() {
    let guarded = Guarded::new();
    for method in OF_READING {
        for name in ERRORS {
            guarded.service.fails_at(method, Fail(name, "not today"));
            let why = match (name, method) {
                ("org.freedesktop.Secret.Error.IsLocked", _) => "keyring: the keyring is locked",
                ("org.freedesktop.DBus.Error.ServiceUnknown", "OpenSession") => {
                    "keyring: this system has no keyring service"
                }
                _ => "keyring: the keyring failed: ",
            };
            guarded.stays_locked(&["get A"], why);
        }
    }
}

#[test]
fn a_first_vault_is_not_made_by_an_error_at_any_method() {
    let service = SecretService::start();
    for method in OF_WRITING {
        for name in ERRORS {
            // A bus that knows no such service says so in these words to the first call.
            if (method, name) == ("OpenSession", "org.freedesktop.DBus.Error.ServiceUnknown") {
                continue;
            }
            service.fails_at(method, Fail(name, "not today"));
            makes_no_vault(&service, "the keyring");
            assert_eq!(service.items(), [], "{name} at {method}: what was written is taken back");
        }
    }
}

#[test]
fn a_message_of_the_service_that_has_a_key_or_controls_the_terminal_is_not_shown() {
    let guarded = Guarded::new();
    for method in OF_READING {
        let failed = "org.freedesktop.DBus.Error.Failed";
        guarded.service.fails_at(method, Fail(failed, "no entry kwk1_canary"));
        guarded.stays_locked(&USES, "keyring: the keyring failed: its message can't be shown");
        guarded.service.fails_at(method, Fail(failed, "\u{1b}[2Jgone\r\n"));
        guarded.stays_locked(&["get A"], "keyring: the keyring failed: ");
        let said = guarded.home.run(["get", "A", "--json"]);
        assert!(!said.to_string().contains(['\u{1b}', '\r']), "{said:?}");
    }
}

#[test]
fn an_entry_that_is_no_key_is_refused_hidden_and_kept() {
    let guarded = Guarded::new();
    let key = guarded.key();
    let typo = if key.ends_with('A') { "B" } else { "A" };
    for content in [
        Vec::new(),
        b"canary".to_vec(),
        key[..key.len() / 2].into(),
        key[..key.len() - 1].into(),
        format!("{}{typo}", &key[..key.len() - 1]).into(),
        format!("{key}{key}").into(),
        format!(" {key}").into(),
        key.replace("kwk1_", "kwk1_!canary!").into(),
        [b"kwk1_canary\xff\xfe", key.as_bytes()].concat(),
        b"kwk1_canary".repeat(1 << 14),
    ] {
        let mut item = guarded.service.items().remove(0);
        item.secret = content;
        guarded.service.keep(vec![item]);
        guarded.stays_locked(&USES, "keyring: the keyring's entry for the slot is no key");
    }
}

#[test]
fn an_entry_of_ten_mebibytes_is_refused_or_given_up() {
    let guarded = Guarded::new();
    let mut item = guarded.service.items().remove(0);
    item.secret = vec![b'k'; 10 << 20];
    guarded.service.keep(vec![item]);
    guarded.stays_locked(&["get A", "get A --json"], "keyring: the keyring");
}

#[test]
fn the_key_of_another_vault_is_a_wrong_key_and_is_kept() {
    let guarded = Guarded::new();
    let mut item = guarded.service.items().remove(0);
    item.secret = OTHER_KEY.into();
    guarded.service.keep(vec![item]);
    guarded.stays_locked(&USES, "keyring: does not open the keyring slot");
    guarded.home.run(["get", "A", "--json"]).fails_as(5, "wrong_key");
}

#[test]
fn an_entry_that_is_gone_is_not_made_anew() {
    let guarded = Guarded::new();
    guarded.service.keep(Vec::new());
    guarded.stays_locked(&USES, "keyring: the keyring has no entry for the slot");
}

#[test]
fn two_entries_of_one_slot_are_told_and_kept() {
    let guarded = Guarded::new();
    guarded.service.fails_at("SearchItems", Double);
    guarded.stays_locked(&USES, "keyring: the keyring has more than one entry for the slot");
}

#[test]
fn a_secret_that_can_not_be_decrypted_is_a_failure() {
    let guarded = Guarded::new();
    guarded.service.fails_at("GetSecret", Scramble);
    guarded.stays_locked(&USES, "keyring: the keyring failed: ");
    makes_no_vault(&guarded.service, "the keyring failed: ");
}

#[test]
fn a_prompt_that_is_refused_leaves_the_keyring_locked() {
    let guarded = Guarded::new();
    guarded.service.fails_at("Prompt", Dismiss);
    guarded.stays_locked(&USES, "keyring: the keyring is locked");
    makes_no_vault(&guarded.service, "the keyring is locked");
}

#[test]
fn a_prompt_that_nobody_answers_is_given_up_at_the_deadline() {
    let guarded = Guarded::new();
    for (method, fault) in [("Unlock", Hang), ("Prompt", Hang), ("Prompt", Pretend)] {
        guarded.service.fails_at(method, fault);
        guarded.stays_locked(&["get A"], "keyring: the keyring did not answer within 3 s");
    }
    makes_no_vault(&guarded.service, "the keyring did not answer within 3 s");
}

/// The ways to write an entry that does not give the key back.
fn lies() -> [(&'static str, Fault, &'static str); 6] {
    [
        ("CreateItem", Pretend, "the keyring has no entry for the slot"),
        ("CreateItem", Replace(OTHER_KEY.into()), "the keyring gives back another key than was written"),
        ("CreateItem", Replace(Vec::new()), "the keyring gives back another key than was written"),
        ("GetSecret", Replace(OTHER_KEY.into()), "the keyring gives back another key than was written"),
        ("GetSecret", Replace(b"\xff canary".to_vec()), "the keyring's entry for the slot is no key"),
        ("GetSecret", Fail("org.freedesktop.Secret.Error.IsLocked", "no"), "the keyring is locked"),
    ]
}

#[test]
fn a_first_vault_is_not_made_with_a_key_that_is_not_read_back() {
    let service = SecretService::start();
    for (method, fault, why) in lies() {
        service.fails_at(method, fault);
        makes_no_vault(&service, why);
        assert_eq!(service.items(), [], "{why}: what was written is taken back");
    }
}

#[test]
fn a_slot_is_not_added_with_a_key_that_is_not_read_back() {
    let service = SecretService::start();
    let home = service.home();
    home.run(["init", "--source", "machine"]).succeeds();
    let (vault, before) = (fs::read(home.vault()).unwrap(), files(&home));
    for (method, fault, why) in lies() {
        service.fails_at(method, fault);
        for mode in [&[][..], &["-v"], &["--json"]] {
            let said = home.run(["slot", "add", "keyring"].iter().chain(mode));
            said.fails(5, &["error: cannot use the keyring for a key of the vault", why]);
            hides(&said, &[]);
        }
        assert!(fs::read(home.vault()).unwrap() == vault, "{why}");
        assert_eq!((files(&home), service.items()), (before.clone(), Vec::new()), "{why}");
    }
}

#[test]
fn a_rekey_is_not_done_with_a_key_that_is_not_read_back() {
    let guarded = Guarded::new();
    let vault = fs::read(guarded.home.vault()).unwrap();
    let items = guarded.service.items();
    for (method, fault, why) in lies().into_iter().take(3) {
        guarded.service.fails_at(method, fault);
        let said = guarded.home.run(["rekey", "-v"]);
        said.fails(10, &["some key slots can't be renewed here; nothing was changed", "(keyring)"]);
        hides(&said, &items);
        assert!(fs::read(guarded.home.vault()).unwrap() == vault, "{why}");
        assert_eq!(guarded.service.items(), items, "{why}");
    }
    guarded.service.works();
    assert_eq!(guarded.home.get("A"), b"value");
}

#[test]
fn a_removed_slot_whose_entry_stays_is_told_and_opens_nothing() {
    for fault in [Hang, Fail("org.freedesktop.DBus.Error.AccessDenied", "no"), Leave] {
        let guarded = Guarded::new();
        let id = guarded.slots().lines().find(|line| line.contains("keyring")).unwrap()[..32].to_owned();
        guarded.service.fails_at("Delete", fault);
        let said = within(IN_TIME, &mut guarded.home.command(["slot", "rm", &id]));
        said.fails(
            0,
            &["warning: the unused key of slot ", "could not be removed: the keyring ", "removed key slot"],
        );
        assert!(!guarded.slots().contains("keyring"));
        assert_eq!(guarded.service.items().len(), 1);
        hides(&said, &guarded.service.items());
        guarded.home.run(["get", "A"]).fails(5, &["the vault has these key slots: env"]);
    }
}

#[test]
fn a_rekey_whose_old_entry_stays_is_done_and_tells_it() {
    let guarded = Guarded::new();
    let old = guarded.key();
    guarded.service.fails_at("Delete", Fail("org.freedesktop.DBus.Error.AccessDenied", "no"));
    let said = guarded.home.run(["rekey"]);
    said.fails(0, &["warning: the unused key of slot ", "rekeyed: root key 2"]);
    let items = guarded.service.items();
    assert_eq!((items.len(), &items[0].secret[..]), (2, old.as_bytes()));
    hides(&said, &items);
    assert_eq!(guarded.home.get("A"), b"value");
}

/// The errors of a bus and of a Secret Service (D-Bus specification; Secret Service API, "Errors").
const ERRORS: [&str; 9] = [
    "org.freedesktop.DBus.Error.AccessDenied",
    "org.freedesktop.DBus.Error.LimitsExceeded",
    "org.freedesktop.DBus.Error.NoReply",
    "org.freedesktop.DBus.Error.ServiceUnknown",
    "org.freedesktop.DBus.Error.UnknownMethod",
    "org.freedesktop.Secret.Error.IsLocked",
    "org.freedesktop.Secret.Error.NoSession",
    "org.freedesktop.Secret.Error.NoSuchObject",
    "org.example.Unheard",
];
