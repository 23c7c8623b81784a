//! `anchor on`, `off`, `status` and `accept`: what each of them says, needs and refuses.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs;

use keyward_tests::Home;
use keyward_tests::anchored::{
    anchor, anchor_file, files, forked, home, removed, rolled_back, substituted, torn,
};
use keyward_tests::vault_file::{VaultFile, place};

#[test]
fn anchor_status_compares_and_says_so_in_text_in_json_and_by_its_exit_code() {
    let untouched: fn(&Home) = |_| {};
    for (prepare, code, standing, text) in [
        (untouched, 0, "same", "standing:  they agree\n"),
        (rolled_back, 6, "rolled_back", "standing:  rolled back: the vault is older\n"),
        (forked, 6, "forked", "standing:  forked: "),
        (substituted, 6, "substituted", "standing:  substituted: it is another vault\n"),
        (removed, 6, "vault_gone", "vault has: nothing, there is no vault\n"),
    ] {
        let home = home();
        prepare(&home);
        let (said, json) = (home.run(["anchor", "status"]), home.run(["anchor", "status", "--json"]));
        assert_eq!((said.code, json.code), (code, code), "{said}{json}");
        assert!(said.text().contains(text), "{said}");
        assert_eq!((&json.json()["standing"], &json.json()["on"]), (&standing.into(), &true.into()));
        assert_eq!(json.json()["found"].is_null(), standing == "vault_gone");
    }
    let home = home();
    home.run(["anchor", "off"]).succeeds();
    let said = home.run(["anchor", "status", "--json"]).succeeds().json();
    assert_eq!((&said["standing"], &said["on"], &said["anchor"]), (&"off".into(), &false.into(), &().into()));
}

#[test]
fn anchor_status_and_off_need_no_key() {
    let home = home();
    fs::remove_dir_all(home.seeds()).unwrap();
    home.run(["anchor", "status"]).succeeds();
    home.run(["anchor", "on", "--json"]).fails_as(5, "no_key_source");
    home.run(["anchor", "accept", "--yes", "--json"]).fails_as(5, "no_key_source");
    home.run(["anchor", "off"]).succeeds();
}

#[test]
fn on_and_off_may_be_said_twice() {
    let home = home();
    let before = anchor(&home);
    home.run(["anchor", "on"]).fails(0, &["is on, at generation 3 "]);
    assert_eq!(anchor(&home), before);
    let off = |home: &Home| home.run(["anchor", "off", "--json"]).succeeds().json();
    assert_eq!((&off(&home)["removed"], &off(&home)["removed"]), (&true.into(), &false.into()));
}

#[test]
fn there_is_no_anchor_of_a_vault_that_is_not_there() {
    let home = Home::new();
    home.run(["anchor", "on", "--json"]).fails_as(4, "no_such_secret");
    home.run(["anchor", "off"]).fails(0, &["was off already"]);
    home.run(["anchor", "accept", "--json"]).fails_as(1, "failed");
    let said = home.run(["anchor", "status", "--json"]).succeeds().json();
    assert_eq!((&said["standing"], &said["found"]), (&"off".into(), &().into()));
    assert!(!home.path().join(".local").exists(), "nothing is made");
}

#[test]
fn accept_takes_an_older_a_forked_and_another_vault_only_where_somebody_says_so() {
    for prepare in [rolled_back, forked, substituted] {
        let home = home();
        prepare(&home);
        let before = files(home.path());
        home.run(["anchor", "accept"]).fails(
            2,
            &[
                "the anchor has generation ",
                "the vault has  generation ",
                "hint: `keyward anchor accept --yes`",
            ],
        );
        assert_eq!(files(home.path()), before);
        home.run(["anchor", "accept", "--yes"]).fails(0, &["the rollback anchor of ", " has generation "]);
        home.run(["get", "A"]).succeeds();
        home.put("A", "written");
        home.run(["anchor", "status"]).succeeds();
    }
}

#[test]
fn accept_makes_a_damaged_anchor_anew() {
    let home = home();
    torn(&home);
    home.run(["anchor", "accept"]).fails(2, &["the anchor is damaged"]);
    let accepted = home.run(["anchor", "accept", "--yes", "--json"]).succeeds().json();
    assert_eq!((&accepted["before"], &accepted["accepted"]["generation"]), (&().into(), &3.into()));
    assert_eq!(home.get("A"), b"new");
}

#[test]
fn accept_refuses_a_vault_that_is_damaged_or_gone() {
    let home = home();
    let file = VaultFile::read(&home.vault());
    let before = anchor(&home);
    for damaged in [file.flipped(30), file.flipped(file.index().start), VaultFile(file.0[..600].to_vec())] {
        damaged.write(&home.vault());
        assert_eq!(home.run(["anchor", "accept", "--yes"]).code, 6);
    }
    removed(&home);
    home.run(["anchor", "accept", "--yes", "--json"]).fails_as(6, "vault_gone");
    assert_eq!(anchor(&home), before);
}

#[test]
fn nothing_is_asked_where_there_is_nothing_to_accept() {
    let home = home();
    let before = anchor(&home);
    home.put("A", "newest");
    home.run(["anchor", "accept"]).succeeds();
    place(&anchor_file(&home), &before);
    home.run(["anchor", "accept"]).succeeds();
    assert_eq!(home.run(["anchor", "status", "--json"]).json()["standing"], "same");
}

#[test]
fn status_says_whether_the_anchor_is_on() {
    let home = home();
    let said = home.run(["status"]).succeeds().text();
    assert!(said.contains("rollback anchor:  on, at generation 3\n"), "{said}");
    assert_eq!(home.run(["status", "--json"]).json()["anchored_generation"], 3);
    home.run(["anchor", "off"]).succeeds();
    let said = home.run(["status"]).succeeds().text();
    assert!(said.contains("rollback anchor:  off (`keyward anchor on` "), "{said}");
    assert!(home.run(["status", "--json"]).json()["anchored_generation"].is_null());
}
