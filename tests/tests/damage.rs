//! Wrong key, flipped bit, cut off, newer: four errors that nobody mixes up, and what still works.

use std::fs;

use keyward_tests::Home;
use keyward_tests::vault_file::VaultFile;

/// A home with the secrets `A` and `B`, of which `B` stands last in the file.
fn home() -> (Home, VaultFile) {
    let home = Home::new();
    home.put("A", "one");
    home.put("B", "two");
    let file = VaultFile::read(&home.vault());
    (home, file)
}

fn damaged_value() -> Home {
    let (home, file) = home();
    file.flipped(file.values().end - 1).write(&home.vault());
    home
}

#[test]
fn the_four_errors_differ_in_code_kind_and_text() {
    let (home, file) = home();
    let cases = [
        (
            file.flipped(file.index().start),
            6,
            "damaged",
            "the file is damaged: the index does not open with the vault's own key",
        ),
        (VaultFile(file.0[..file.0.len() - 1].to_vec()), 6, "truncated", "the file is cut off: "),
        (file.of_version(2), 12, "newer", "the file was written by a newer keyward (format version 2)"),
    ];
    for (bytes, code, kind, text) in cases {
        bytes.write(&home.vault());
        let said = home.run(["get", "A", "--json"]);
        said.fails_as(code, kind);
        said.fails(code, &["error: cannot read ", text, "hint: "]);
        assert_eq!(fs::read(home.vault()).unwrap(), bytes.0);
    }
}

#[test]
fn a_wrong_key_is_not_called_damage() {
    let home = Home::new().with("KEYWARD_VAULT_KEY", "kwk1_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB6p2BF");
    home.put("A", "one");
    let other = "kwk1_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh-gfp9k";
    let said: keyward_tests::Finished =
        home.command(["get", "A", "--json"]).env("KEYWARD_VAULT_KEY", other).output().unwrap().into();
    said.fails_as(5, "wrong_key");
    assert!(!said.stderr.contains("damaged"), "{said}");
}

#[test]
fn a_flipped_bit_in_the_header_is_named_before_any_key_is_asked_for() {
    let (home, file) = home();
    fs::remove_dir_all(home.path().join(".local/state")).unwrap();
    for offset in file.header().skip(20).step_by(11) {
        file.flipped(offset).write(&home.vault());
        home.run(["list"])
            .fails(6, &["the file is damaged: the header does not match its hash", "`keyward restore`"]);
    }
}

#[test]
fn a_flipped_bit_in_any_part_of_the_index_is_found_at_once() {
    let (home, file) = home();
    for offset in file.index().step_by(401) {
        file.flipped(offset).write(&home.vault());
        home.run(["list"]).fails(6, &["the index does not open with the vault's own key"]);
        home.run_with_input(["put", "A"], "new").fails(6, &["the index does not open"]);
        assert_eq!(fs::read(home.vault()).unwrap(), file.flipped(offset).0);
    }
}

#[test]
fn a_flipped_bit_in_any_part_of_a_value_is_found_when_it_is_used() {
    let (home, file) = home();
    let of_b = file.values().skip(file.values().len() / 2);
    for offset in of_b.step_by(29) {
        file.flipped(offset).write(&home.vault());
        home.run(["get", "B"]).fails(6, &["the stored value of B (version 1) is damaged"]);
        assert_eq!(home.get("A"), b"one");
    }
}

#[test]
fn list_status_and_history_do_not_need_a_damaged_value() {
    let home = damaged_value();
    assert_eq!(home.run(["list"]).succeeds().text().lines().count(), 2);
    home.run(["status"]).succeeds();
    home.run(["history", "B"]).succeeds();
    assert_eq!(home.get("A"), b"one");
    assert_eq!(home.run(["run", "--only", "A", "--", "printenv", "A"]).text(), "one\n");
    home.run(["run", "--", "true"]).fails(6, &["the stored value of B (version 1) is damaged"]);
}

#[test]
fn verify_lists_what_is_damaged() {
    let home = damaged_value();
    let said = home.run(["verify", "--json"]);
    said.fails(6, &["damaged: B version 1", "`put` or `rm` of these secrets works"]);
    let damaged = &said.json()["damaged"];
    assert_eq!((damaged[0]["name"].as_str(), damaged.as_array().unwrap().len()), (Some("B"), 1));
}

#[test]
fn a_write_does_not_carry_a_damaged_value_over() {
    let home = damaged_value();
    let before = fs::read(home.vault()).unwrap();
    home.run_with_input(["put", "C"], "three")
        .fails(6, &["the stored value of B (version 1) is damaged", "`keyward verify`"]);
    assert_eq!(fs::read(home.vault()).unwrap(), before);
}

#[test]
fn a_damaged_value_can_be_replaced() {
    let home = damaged_value();
    home.run_with_input(["put", "B"], "new")
        .fails(0, &["(version 2)", "gave up damaged earlier versions: [1]"]);
    assert_eq!(home.get("B"), b"new");
    home.run(["verify"]).succeeds();
}

#[test]
fn a_damaged_value_can_be_removed() {
    let home = damaged_value();
    home.run(["rm", "B"]).succeeds();
    home.run(["verify"]).succeeds();
    assert_eq!(home.get("A"), b"one");
}

#[test]
fn restore_brings_the_previous_generation_back() {
    for (text, damage) in [
        ("index", (|file: &VaultFile| file.flipped(file.index().start)) as fn(&VaultFile) -> VaultFile),
        ("header", |file| file.flipped(30)),
        ("cut off", |file| VaultFile(file.0[..200].to_vec())),
        ("empty", |_| VaultFile(Vec::new())),
        ("foreign", |_| VaultFile(b"SQLite format 3\0".to_vec())),
    ] {
        let (home, file) = home();
        damage(&file).write(&home.vault());
        home.run(["restore"])
            .fails(0, &["restored ", "from generation 1 as generation ", "1 secret, key slots: machine"]);
        assert_eq!(home.get("A"), b"one", "{text}");
        home.run(["get", "B"]).fails(4, &["no secret B"]);
        home.run(["verify"]).succeeds();
    }
}

#[test]
fn restore_sets_what_it_can_not_read_aside() {
    let (home, _) = home();
    VaultFile(b"what somebody put here".to_vec()).write(&home.vault());
    home.run(["restore"]).succeeds();
    assert_eq!(fs::read(home.vault().with_extension("damaged")).unwrap(), b"what somebody put here");
}

#[test]
fn a_vault_that_is_gone_is_not_an_empty_one() {
    let (home, _) = home();
    fs::remove_file(home.vault()).unwrap();
    let before = fs::read_dir(home.vault().parent().unwrap()).unwrap().count();
    for line in [
        "get A",
        "list",
        "put A v",
        "rm A",
        "history A",
        "rollback A --to 1",
        "run -- true",
        "init",
        "status",
        "verify",
        "slot list",
        "slot add recovery",
        "slot rm 0",
        "rekey",
        "vault list",
        "vault put A v",
        "init --source env",
    ] {
        let said = home.run(line.split(' '));
        said.fails(6, &["is gone, its previous generation is there", "hint: `keyward restore`"]);
        let json = home.run(line.split(' ').take_while(|word| *word != "--").chain(["--json"]));
        assert!(json.code == 2 || json.json()["error"]["kind"] == "vault_gone", "{json}");
    }
    assert_eq!(fs::read_dir(home.vault().parent().unwrap()).unwrap().count(), before);
    assert_eq!(fs::read_dir(home.seeds()).unwrap().count(), 1);
    home.run(["restore"]).succeeds();
    assert_eq!(home.get("A"), b"one");
}

#[test]
fn creds_check_of_a_vault_that_is_gone_says_so() {
    let (home, _) = home();
    fs::remove_file(home.vault()).unwrap();
    home.run(["creds", "check", "--provider", "openai"]).fails(6, &["is gone", "`keyward restore`"]);
}
