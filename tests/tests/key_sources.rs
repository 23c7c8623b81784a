//! Where the key comes from: the environment's ways, their order, and what is said when they fail.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use keyward_tests::{Finished, Home};

const KEY: &str = "kwk1_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB6p2BF";
const OTHER_KEY: &str = "kwk1_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh-gfp9k";
const TYPO: &str = "kwk1_BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB6p2BF";

/// A home whose vault has an env slot for [`KEY`] alone.
fn env_home() -> Home {
    let home = Home::new();
    set(&home, "KEYWARD_VAULT_KEY", KEY, &["init"]).succeeds();
    set(&home, "KEYWARD_VAULT_KEY", KEY, &["put", "X", "v"]).succeeds();
    home
}

/// Runs a command with one more variable.
fn set(home: &Home, name: &str, value: &str, arguments: &[&str]) -> Finished {
    home.command(arguments).env(name, value).output().unwrap().into()
}

fn source_of(finished: &Finished) -> String {
    finished.succeeds().json()["opened_by"].as_str().unwrap_or("nothing").to_owned()
}

#[test]
fn the_key_in_the_variable_opens_the_vault() {
    let home = env_home();
    assert_eq!(source_of(&set(&home, "KEYWARD_VAULT_KEY", KEY, &["status", "--json"])), "KEYWARD_VAULT_KEY");
    assert!(!home.seeds().exists(), "a vault made with a key needs no machine slot");
}

#[test]
fn the_key_in_a_private_file_opens_the_vault() {
    let home = env_home();
    let file = home.write("key", format!("{KEY}\n"));
    let path = file.to_str().unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    assert_eq!(
        source_of(&set(&home, "KEYWARD_VAULT_KEY_FILE", path, &["status", "--json"])),
        "KEYWARD_VAULT_KEY_FILE"
    );
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    set(&home, "KEYWARD_VAULT_KEY_FILE", path, &["list"])
        .fails(5, &["other accounts can read the key file: run `chmod 600 "]);
}

#[test]
fn the_key_from_a_descriptor_opens_the_vault() {
    let home = env_home();
    home.write("key", KEY);
    assert_eq!(source_of(&home.bash("$KEYWARD status --json --key-fd 3 3< key")), "--key-fd");
    home.bash("$KEYWARD list --key-fd 9").fails(5, &["--key-fd: cannot read /dev/fd/9"]);
}

#[test]
fn the_descriptor_goes_before_the_file_and_the_file_before_the_variable() {
    let home = env_home();
    let file = home.write("key", KEY);
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    let line = format!("KEYWARD_VAULT_KEY_FILE=key KEYWARD_VAULT_KEY={KEY} $KEYWARD status --json");
    assert_eq!(source_of(&home.bash(&line)), "KEYWARD_VAULT_KEY_FILE");
    assert_eq!(source_of(&home.bash(&format!("{line} --key-fd 3 3< key"))), "--key-fd");
}

#[test]
fn a_typo_in_the_key_is_named_as_one() {
    let home = env_home();
    for (key, reason) in [
        (TYPO, "the key has a typo: its checksum does not match"),
        (&KEY[..52], "the key is cut off or too long"),
        ("kwk2_AAAA", "the key does not start with `kwk1_`"),
        (" kwk1_AAAA", "the key has white space around it"),
        ("kwk1_AA+A", "the key has a character that is not"),
    ] {
        let said = set(&home, "KEYWARD_VAULT_KEY", key, &["list"]);
        said.fails(
            5,
            &[
                "error: cannot unlock ",
                &format!("KEYWARD_VAULT_KEY: {reason}"),
                "hint: set `KEYWARD_VAULT_KEY`",
            ],
        );
        assert!(!said.stderr.contains("AAAAAAAA"), "{said}");
    }
}

#[test]
fn a_typo_in_the_key_makes_no_vault() {
    let home = Home::new().with("KEYWARD_VAULT_KEY", TYPO);
    home.run(["put", "X", "v"]).fails(5, &["KEYWARD_VAULT_KEY has no usable key", "has a typo"]);
    assert!(!home.vault().exists() && !home.seeds().exists());
}

#[test]
fn a_key_as_the_name_of_the_key_file_is_not_shown() {
    let home = env_home();
    let said = set(&home, "KEYWARD_VAULT_KEY_FILE", KEY, &["list"]);
    said.fails(5, &["the name of the key file is a key: set it as `KEYWARD_VAULT_KEY` instead"]);
    assert!(!said.stderr.contains("AAAAAAAA"), "{said}");
}

#[test]
fn a_wrong_key_is_told_from_no_key() {
    let home = env_home();
    let wrong = set(&home, "KEYWARD_VAULT_KEY", OTHER_KEY, &["list", "--json"]);
    wrong.fails_as(5, "wrong_key");
    wrong.fails(5, &["KEYWARD_VAULT_KEY: does not open the env slot", "the vault has these key slots: env"]);
    let none = home.run(["list", "--json"]);
    none.fails_as(5, "no_key_source");
    none.fails(
        5,
        &["the vault has these key slots: env", "set `KEYWARD_VAULT_KEY` or `KEYWARD_VAULT_KEY_FILE`"],
    );
}

#[test]
fn a_wrong_key_beside_the_machine_slot_is_a_warning() {
    let home = Home::new();
    home.put("X", "v");
    set(&home, "KEYWARD_VAULT_KEY", KEY, &["slot", "add", "env"]).succeeds();
    let said = set(&home, "KEYWARD_VAULT_KEY", OTHER_KEY, &["get", "X", "-q"]);
    assert_eq!(said.succeeds().stdout, b"v");
    said.fails(0, &["warning: KEYWARD_VAULT_KEY: does not open the vault's env slot; the vault was opened by another key"]);
}

#[test]
fn a_key_with_a_typo_beside_the_machine_slot_is_a_warning() {
    let home = Home::new();
    home.put("X", "v");
    let said = set(&home, "KEYWARD_VAULT_KEY", TYPO, &["get", "X"]);
    said.fails(0, &["warning: KEYWARD_VAULT_KEY: the key has a typo"]);
}

#[test]
fn a_key_for_which_there_is_no_slot_is_no_matter() {
    let home = Home::new();
    home.put("X", "v");
    assert_eq!(set(&home, "KEYWARD_VAULT_KEY", KEY, &["get", "X"]).stderr, "");
}

#[test]
fn blank_variables_count_as_unset() {
    let names =
        ["KEYWARD_VAULT_KEY", "KEYWARD_VAULT_KEY_FILE", "KEYWARD_VAULT_PASSPHRASE", "KEYWARD_KEY_SOURCE"];
    for blank in ["", " ", "\t"] {
        let home = names.iter().fold(Home::new(), |home, name| home.with(name, blank));
        home.put("X", "v");
        assert_eq!(source_of(&home.run(["status", "--json"])), "machine");
    }
}

#[test]
fn a_forced_source_is_the_only_one() {
    let home = Home::new();
    home.put("X", "v");
    set(&home, "KEYWARD_VAULT_KEY", KEY, &["slot", "add", "env"]).succeeds();
    let forced =
        |source: &str| set(&home, "KEYWARD_VAULT_KEY", KEY, &["status", "--json", "--key-source", source]);
    assert_eq!(source_of(&forced("env")), "KEYWARD_VAULT_KEY");
    assert_eq!(source_of(&forced("machine")), "machine");
    for source in ["keyring", "passphrase", "recovery"] {
        assert_eq!(forced(source).code, 5, "{source}");
    }
    home.run(["list", "--key-source", "env"]).fails(5, &["no key source that may be used has a key"]);
}

#[test]
fn the_option_for_the_source_goes_before_its_variable() {
    let home = Home::new().with("KEYWARD_KEY_SOURCE", "env");
    home.run(["put", "X", "v", "--key-source", "machine"]).succeeds();
    home.run(["list"]).fails(5, &["no key source that may be used has a key"]);
    assert_eq!(home.run(["get", "X", "--key-source", "machine"]).stdout, b"v");
    set(&home, "KEYWARD_KEY_SOURCE", "disk", &["list"])
        .fails(2, &["KEYWARD_KEY_SOURCE is no key source", "keyring, env, machine, passphrase, recovery"]);
}

#[test]
fn the_environment_goes_before_the_machine() {
    let home = Home::new();
    home.put("X", "v");
    set(&home, "KEYWARD_VAULT_KEY", KEY, &["slot", "add", "env"]).succeeds();
    assert_eq!(source_of(&set(&home, "KEYWARD_VAULT_KEY", KEY, &["status", "--json"])), "KEYWARD_VAULT_KEY");
}

#[test]
fn a_passphrase_slot_opens_with_its_passphrase_and_no_other() {
    let home = Home::new();
    let init = ["init", "--source", "passphrase", "--light"];
    set(&home, "KEYWARD_VAULT_PASSPHRASE", " five words ", &init).succeeds();
    let status = |passphrase: &str| set(&home, "KEYWARD_VAULT_PASSPHRASE", passphrase, &["status", "--json"]);
    assert_eq!(source_of(&status(" five words ")), "KEYWARD_VAULT_PASSPHRASE");
    assert_eq!(status(" five words ").json()["slots"][0]["memory_kib"], 65_536);
    let wrong = set(&home, "KEYWARD_VAULT_PASSPHRASE", "five words", &["list", "--json"]);
    wrong.fails_as(5, "wrong_key");
    wrong.fails(5, &["KEYWARD_VAULT_PASSPHRASE: does not open the passphrase slot"]);
}

#[test]
fn with_a_key_and_a_passphrase_the_key_is_first() {
    let home = env_home().with("KEYWARD_VAULT_KEY", KEY).with("KEYWARD_VAULT_PASSPHRASE", "words");
    home.run(["slot", "add", "passphrase", "--light"]).succeeds();
    assert_eq!(source_of(&home.run(["status", "--json"])), "KEYWARD_VAULT_KEY");
    let other = set(&home, "KEYWARD_VAULT_KEY", OTHER_KEY, &["status", "--json"]);
    assert_eq!(source_of(&other), "KEYWARD_VAULT_PASSPHRASE");
}

#[test]
fn a_first_put_enrols_the_key_and_the_passphrase_that_are_set() {
    let home = Home::new().with("KEYWARD_VAULT_KEY", KEY).with("KEYWARD_VAULT_PASSPHRASE", "words");
    home.run(["put", "X", "v"]).fails(0, &["opened by: env, passphrase"]);
}
