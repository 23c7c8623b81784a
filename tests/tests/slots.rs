//! `slot`, `rekey` and the recovery code: who can open the vault, and who no more.

use std::fs;

use keyward_tests::{Finished, Home};

fn slot_ids(home: &Home, kind: &str) -> Vec<String> {
    let listed = home.run(["slot", "list"]).succeeds().text();
    let slots = listed.lines().map(|line| line.split("  ").collect::<Vec<_>>());
    slots.filter(|slot| slot[1] == kind).map(|slot| slot[0].to_owned()).collect()
}

fn with(home: &Home, name: &str, value: &str, arguments: &[&str]) -> Finished {
    home.command(arguments).env(name, value).output().unwrap().into()
}

/// A home with a secret, and its recovery code.
fn with_code() -> (Home, String) {
    let home = Home::new();
    home.put("X", "v");
    let code = home.run(["slot", "add", "recovery"]).succeeds().text().trim().to_owned();
    (home, code)
}

fn recover(home: &Home, code: &str, arguments: &[&str]) -> Finished {
    with(home, "KEYWARD_RECOVERY_CODE", code, &[arguments, &["--recovery"]].concat())
}

#[test]
fn the_last_slot_can_not_be_removed() {
    let home = Home::new();
    home.put("X", "v");
    let id = &slot_ids(&home, "machine")[0];
    home.run(["slot", "rm", id])
        .fails(10, &["the last key slot can't be removed", "`keyward slot add recovery`"]);
    assert_eq!(home.get("X"), b"v");
}

#[test]
fn removing_a_slot_says_that_it_is_no_revocation() {
    let (home, code) = with_code();
    let id = slot_ids(&home, "recovery").remove(0);
    let removed = home.run(["slot", "rm", &id[..8], "--json"]);
    removed.fails(0, &["this is no revocation", "`keyward rekey`"]);
    assert_eq!(removed.json()["revoked"], false);
    recover(&home, &code, &["list"]).fails(5, &["recovery code: this vault has no slot for it"]);
}

#[test]
fn removing_a_slot_drops_the_previous_generation_that_has_it() {
    let (home, _) = with_code();
    assert!(home.vault().with_extension("prev").exists());
    home.run(["slot", "rm", &slot_ids(&home, "recovery")[0]]).succeeds();
    assert!(!home.vault().with_extension("prev").exists());
}

#[test]
fn removing_the_machine_slot_removes_its_seed() {
    let (home, code) = with_code();
    home.run(["slot", "rm", &slot_ids(&home, "machine")[0]]).succeeds();
    assert_eq!(fs::read_dir(home.seeds()).unwrap().count(), 0);
    assert_eq!(recover(&home, &code, &["get", "X"]).stdout, b"v");
}

#[test]
fn an_id_that_fits_two_slots_is_refused() {
    let home = Home::new();
    home.put("X", "v");
    for _ in 0..15 {
        home.run(["slot", "add", "recovery"]).succeeds();
    }
    home.run(["slot", "add", "recovery"]).fails(10, &["16", "`keyward slot rm ID`"]);
    let all: Vec<char> = slot_ids(&home, "recovery").iter().filter_map(|id| id.chars().next()).collect();
    if let Some(twice) = all.iter().find(|c| all.iter().filter(|other| other == c).count() > 1) {
        home.run(["slot", "rm", &twice.to_string()])
            .fails(2, &["more than one key slot starts with that id"]);
    }
}

#[test]
fn a_new_env_key_opens_the_vault() {
    let home = Home::new();
    home.put("X", "v");
    let key = home.run(["slot", "add", "env"]).succeeds().text();
    let got = with(&home, "KEYWARD_VAULT_KEY", key.trim(), &["get", "X", "--key-source", "env"]);
    assert_eq!(got.succeeds().stdout, b"v");
}

#[test]
fn the_recovery_code_opens_the_vault_when_every_other_source_is_gone() {
    let (home, code) = with_code();
    fs::remove_dir_all(home.path().join(".local/state")).unwrap();
    home.run(["get", "X"])
        .fails(5, &["this machine has no seed for the slot", "`keyward --recovery status`"]);
    assert_eq!(recover(&home, &code, &["get", "X"]).succeeds().stdout, b"v");
    recover(&home, &code, &["slot", "add", "machine"]).succeeds();
    assert_eq!(home.get("X"), b"v");
}

#[test]
fn the_recovery_code_is_read_as_people_type_it() {
    let (home, code) = with_code();
    let typed = code.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
    assert_eq!(recover(&home, &typed, &["get", "X"]).succeeds().stdout, b"v");
}

#[test]
fn the_recovery_code_is_not_asked_for_without_recovery() {
    let (home, code) = with_code();
    fs::remove_dir_all(home.path().join(".local/state")).unwrap();
    with(&home, "KEYWARD_RECOVERY_CODE", &code, &["get", "X"]).fails(5, &["`keyward --recovery status`"]);
}

#[test]
fn a_mistyped_recovery_code_is_no_recovery_code() {
    let (home, code) = with_code();
    let first = if code.starts_with('A') { 'B' } else { 'A' };
    let mistyped = format!("{first}{}", &code[1..]);
    let said = recover(&home, &mistyped, &["get", "X"]);
    said.fails(2, &["KEYWARD_RECOVERY_CODE is no recovery code"]);
    assert!(!said.stderr.contains(&mistyped[6..]), "{said}");
    home.run(["get", "X", "--recovery"]).fails(5, &["KEYWARD_RECOVERY_CODE is not set"]);
}

#[test]
fn rekey_makes_the_old_recovery_code_void_and_the_new_one_good() {
    let (home, old) = with_code();
    let rekeyed = home.run(["rekey"]);
    rekeyed.fails(0, &["root key 2", "machine, recovery"]);
    let new = rekeyed.text().trim().strip_prefix("recovery\t").unwrap().to_owned();
    recover(&home, &old, &["get", "X", "--json"]).fails_as(5, "wrong_key");
    assert_eq!(recover(&home, &new, &["get", "X"]).succeeds().stdout, b"v");
    assert_eq!(home.get("X"), b"v");
    assert!(!home.vault().with_extension("prev").exists(), "the old generation opens with the old code");
    assert_eq!(fs::read_dir(home.seeds()).unwrap().count(), 1, "the old seed is gone");
}

#[test]
fn rekey_keeps_every_value_and_version() {
    let home = Home::new();
    home.put("X", "one");
    home.put("X", "two");
    home.run_with_input(["put", "T", "--scope", "tenant"], "three").succeeds();
    home.run(["rekey"]).succeeds();
    assert_eq!((home.get("X"), home.get("T")), (b"two".to_vec(), b"three".to_vec()));
    assert_eq!(home.run(["get", "X", "--version", "1"]).stdout, b"one");
}

#[test]
fn rekey_replaces_an_env_key_unless_it_is_kept() {
    let home = Home::new();
    home.put("X", "v");
    let key = home.run(["slot", "add", "env"]).succeeds().text().trim().to_owned();
    let open = |key: &str| with(&home, "KEYWARD_VAULT_KEY", key, &["get", "X", "--key-source", "env"]).code;
    let kept = with(&home, "KEYWARD_VAULT_KEY", &key, &["rekey", "--keep-secret", "env"]);
    assert_eq!((kept.succeeds().text().as_str(), open(&key)), ("", 0));
    let new = home.run(["rekey"]).succeeds().text().trim().strip_prefix("env\t").unwrap().to_owned();
    assert_eq!((open(&key), open(&new)), (5, 0));
}

#[test]
fn rekey_keeps_a_passphrase_that_is_at_hand() {
    let home = Home::new().with("KEYWARD_VAULT_PASSPHRASE", "five words");
    home.run(["init", "--source", "passphrase", "--light"]).succeeds();
    home.put("X", "v");
    home.run(["rekey", "--keep-secret", "passphrase"]).succeeds();
    assert_eq!(home.get("X"), b"v");
}

#[test]
fn slots_whose_source_is_not_at_hand_are_dropped_only_when_asked() {
    let (home, code) = with_code();
    fs::remove_dir_all(home.path().join(".local/state")).unwrap();
    let refused = recover(&home, &code, &["rekey"]);
    refused.fails(10, &["nothing was changed", "(machine) is not at hand", "`--drop`"]);
    let dropped = recover(&home, &code, &["rekey", "--drop", "--json"]);
    assert_eq!(dropped.succeeds().json()["dropped"].as_array().unwrap().len(), 1);
    dropped.fails(0, &["dropped key slot "]);
    assert_eq!(slot_ids(&home, "machine").len(), 0);
}

#[test]
fn a_vault_without_its_state_directory_does_not_open() {
    let home = Home::new();
    home.put("X", "v");
    let elsewhere = Home::new();
    fs::create_dir_all(elsewhere.vault().parent().unwrap()).unwrap();
    fs::copy(home.vault(), elsewhere.vault()).unwrap();
    elsewhere.run(["get", "X", "--json"]).fails_as(5, "no_key_source");
    elsewhere.run(["put", "X", "w"]).fails(5, &["this machine has no seed for the slot"]);
    assert!(!elsewhere.seeds().exists());
}
