//! The keyring source with a real gnome-keyring: the first vault, the next login, a keyring that is locked,
//! away, silent or changed by somebody else.

use std::path::PathBuf;

use keyward_tests::keyring::{KeyringHome, PASSWORD};
use keyward_tests::{Home, keyward_without_keyring};

/// A home whose keyring opens a vault with one secret.
fn with_vault() -> KeyringHome {
    let home = KeyringHome::new();
    home.login(PASSWORD, "step put put API_KEY <<< s3cret")["put"].succeeds();
    home
}

#[test]
fn the_first_put_makes_a_keyring_slot_and_says_so() {
    let home = KeyringHome::new();
    let steps = home.login(PASSWORD, "step put put API_KEY <<< s3cret; step status status; entries count");
    steps["put"].succeeds();
    assert!(steps["put"].stderr.contains("opened by: keyring"), "{}", steps["put"]);
    let status = steps["status"].succeeds().text();
    assert!(status.contains("opened by:        keyring (1 secret)"), "{status}");
    assert!(status.contains("  keyring  opened the vault"), "{status}");
    assert_eq!(steps["count"].text(), "1\n");
    let seeds: Vec<PathBuf> = home.files().into_iter().filter(|file| file.ends_with("machine")).collect();
    assert!(seeds.is_empty(), "{seeds:?}");
}

#[test]
fn the_next_login_opens_the_vault() {
    let steps = with_vault().login(PASSWORD, "step get get API_KEY; step run run -- sh -c 'echo $API_KEY'");
    assert_eq!(steps["get"].succeeds().text(), "s3cret");
    assert_eq!(steps["run"].succeeds().text(), "s3cret\n");
}

#[test]
fn without_a_bus_the_vault_says_why_it_stays_locked() {
    let home = with_vault();
    let steps = home.at_bus(None, "step get get API_KEY; step put put OTHER <<< x");
    for step in ["get", "put"] {
        steps[step]
            .fails(5, &["keyring: this system has no keyring service", "key slots: keyring", "hint: "]);
        assert_eq!(steps[step].text(), "");
    }
}

#[test]
fn without_a_bus_the_first_put_takes_the_next_source() {
    let home = KeyringHome::new();
    let steps =
        home.at_bus(Some("unix:path=/nonexistent"), "step put put API_KEY <<< s3cret; step get get API_KEY");
    assert!(steps["put"].succeeds().stderr.contains("opened by: machine"), "{}", steps["put"]);
    assert_eq!(steps["get"].succeeds().text(), "s3cret");
}

#[test]
fn a_locked_keyring_makes_no_vault_at_all() {
    let home = KeyringHome::new();
    home.login(PASSWORD, "step list list");
    let steps = home.login("", "step put put API_KEY <<< s3cret; step init init");
    for step in ["put", "init"] {
        steps[step].fails(5, &["the keyring is locked", "keyward init --source env"]);
    }
    assert_eq!(home.files(), [""; 0].map(PathBuf::from));
    assert_eq!(home.login(PASSWORD, "entries count")["count"].text(), "0\n");
}

#[test]
fn the_hint_of_a_locked_keyring_works() {
    let home = KeyringHome::new();
    home.login(PASSWORD, "step list list");
    let script = "step init init --source machine; step put put API_KEY <<< s3cret; step get get API_KEY";
    assert_eq!(home.login("", script)["get"].succeeds().text(), "s3cret");
}

#[test]
fn a_locked_keyring_leaves_the_vault_to_its_env_slot() {
    let home = with_vault();
    home.login(PASSWORD, "step env slot add env; install -m 600 $steps/env.out $HOME/key")["env"].succeeds();
    let steps = home
        .login("", "step locked get API_KEY; export KEYWARD_VAULT_KEY_FILE=$HOME/key; step get get API_KEY");
    steps["locked"].fails(5, &["keyring: the keyring is locked"]);
    assert_eq!(steps["get"].succeeds().text(), "s3cret");
}

#[test]
fn a_first_put_with_an_env_key_makes_both_slots() {
    let key = any_key();
    let script = format!("export KEYWARD_VAULT_KEY={key}; step put put API_KEY <<< s3cret");
    let home = KeyringHome::new();
    let steps = home.login(PASSWORD, &script);
    assert!(steps["put"].succeeds().stderr.contains("opened by: keyring, env"), "{}", steps["put"]);
    let steps = home.at_bus(None, &format!("export KEYWARD_VAULT_KEY={key}; step get get API_KEY"));
    assert_eq!(steps["get"].succeeds().text(), "s3cret");
}

/// Returns an env key that some other vault was given.
fn any_key() -> String {
    KeyringHome::new().at_bus(None, "step init init --source machine; step env slot add env")["env"]
        .succeeds()
        .text()
        .trim()
        .to_owned()
}

#[test]
fn two_first_puts_at_once_leave_one_entry_and_both_secrets() {
    let home = KeyringHome::new();
    let script = "step a put A <<< 1 & step b put B <<< 2 & wait; step list list; entries count";
    let steps = home.login(PASSWORD, script);
    steps["a"].succeeds();
    steps["b"].succeeds();
    assert_eq!(steps["list"].succeeds().text().lines().count(), 2);
    assert_eq!(steps["count"].text(), "1\n");
}

#[test]
fn a_deleted_entry_is_named_and_the_recovery_code_opens_the_vault() {
    let home = with_vault();
    let script = "step code slot add recovery; secret-tool clear service keyward
        step get get API_KEY; export KEYWARD_RECOVERY_CODE=$(cat $steps/code.out); step saved --recovery get API_KEY";
    let steps = home.login(PASSWORD, script);
    steps["get"].fails(5, &["keyring: the keyring has no entry for the slot", "hint: `keyward --recovery"]);
    assert_eq!(steps["saved"].succeeds().text(), "s3cret");
}

#[test]
fn a_foreign_text_in_the_entry_is_refused_and_never_overwritten() {
    let home = with_vault();
    let script = "user=$(secret-tool search --all service keyward 2>&1 | sed -n 's/^attribute.username = //p')
        printf hunter2 | secret-tool store --label=x service keyward username $user
        step get get API_KEY; step put put API_KEY <<< other; step rekey rekey --drop
        secret-tool lookup service keyward username $user > $steps/left.out; echo 0 > $steps/left.code; : > $steps/left.err";
    let steps = home.login(PASSWORD, script);
    for step in ["get", "put", "rekey"] {
        steps[step].fails(5, &["the keyring's entry for the slot is no key"]);
        assert!(!steps[step].to_string().contains("hunter2"), "{}", steps[step]);
    }
    assert_eq!(steps["left"].text().trim(), "hunter2");
}

#[test]
fn ae_12_an_entry_is_named_after_the_file_and_the_slot_as_the_readme_says() {
    let home = with_vault();
    let script = "step status status --json; secret-tool lookup service keyward username \
        $(sed 's/.*\"vault_id\":\"\\([0-9a-f]*\\)\".*\"id\":\"\\([0-9a-f]*\\)\".*/\\1:\\2/' $steps/status.out) \
        > $steps/found.out; echo 0 > $steps/found.code; : > $steps/found.err";
    let steps = home.login(PASSWORD, script);
    assert!(steps["found"].text().starts_with("kwk1_"), "no entry of that name");
    let readme = include_str!("../../README.md");
    assert!(readme.contains("service `keyward`, user name `VAULT-ID:SLOT-ID`"));
}

#[test]
fn a_removed_slot_takes_its_entry_along() {
    let home = with_vault();
    let script = "step env slot add machine; entries before
        step slots slot list; step rm slot rm $(grep keyring $steps/slots.out | cut -d' ' -f1); entries after; step get get API_KEY";
    let steps = home.login(PASSWORD, script);
    assert!(steps["rm"].succeeds().stderr.contains("(keyring)"), "{}", steps["rm"]);
    assert_eq!((steps["before"].text(), steps["after"].text()), ("1\n".into(), "0\n".into()));
    assert_eq!(steps["get"].succeeds().text(), "s3cret");
}

#[test]
fn rekey_makes_a_new_entry_and_deletes_the_old_one() {
    let home = with_vault();
    let user = "secret-tool search --all service keyward 2>&1 | grep '^attribute.username'";
    let script = format!(
        "old=$({user}); step rekey rekey; entries count; step get get API_KEY
        [ \"$old\" != \"$({user})\" ] || exit 1"
    );
    let steps = home.login(PASSWORD, &script);
    assert!(
        steps["rekey"].succeeds().stderr.contains("rekeyed: root key 2, key slots: keyring"),
        "{}",
        steps["rekey"]
    );
    assert_eq!(steps["count"].text(), "1\n");
    assert_eq!(steps["get"].succeeds().text(), "s3cret");
}

#[test]
fn a_service_that_has_no_keyring_yet_makes_no_vault() {
    let home = KeyringHome::new();
    let steps = home.login("", "step put put API_KEY <<< s3cret");
    steps["put"].fails(5, &["the keyring service has no default keyring yet", "keyward init --source env"]);
    assert_eq!(home.files(), [""; 0].map(PathBuf::from));
}

#[test]
fn a_build_without_keyrings_makes_a_vault_and_says_what_it_lacks() {
    let home = Home::new().with_binary(keyward_without_keyring());
    home.put("API_KEY", "s3cret");
    assert_eq!(home.get("API_KEY"), b"s3cret");
    let refused = home.run(["slot", "add", "keyring"]);
    refused.fails(5, &["this build of keyward does without keyrings"]);

    let with_keyring = with_vault();
    let vault = with_keyring.vault().display().to_string();
    let locked = home.run(["--vault", &vault, "get", "API_KEY"]);
    locked.fails(5, &["this build of keyward does without keyrings", "key slots: keyring"]);
}
