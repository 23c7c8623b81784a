//! What commands say when all is well, as text and as JSON.

use keyward_tests::Home;
use keyward_tests::transcript::Transcript;

const KEY: &str = "kwk1_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB6p2BF";

#[test]
fn secrets_are_stored_listed_read_and_removed() {
    let home = Home::new();
    let mut said = Transcript::of(&home);
    said.feed("put API_KEY", "one").feed("put API_KEY", "two").feed("put SHARED --scope tenant", "three");
    said.run("list").run("get API_KEY").run("get API_KEY --version 1").run("history API_KEY");
    said.run("rollback API_KEY --to 1")
        .run("get API_KEY")
        .run("rm API_KEY")
        .run("rm SHARED --scope tenant --purge");
    said.run("list");
    insta::assert_snapshot!(said.text());
}

#[test]
fn secrets_are_stored_listed_read_and_removed_in_json() {
    let home = Home::new();
    let mut said = Transcript::of(&home);
    said.feed("put API_KEY --json", "one").feed("put API_KEY --json", "two").run("list --json");
    said.run("get API_KEY --json").run("get API_KEY --json --reveal").run("history API_KEY --json");
    said.run("rollback API_KEY --to 1 --json").run("rm API_KEY --json").run("list --json");
    insta::assert_snapshot!(said.text());
}

#[test]
fn an_absent_vault_is_an_empty_one() {
    let home = Home::new();
    let mut said = Transcript::of(&home);
    said.run("list").run("list --json").run("status").run("status --json").run("verify").run("verify --json");
    said.run("slot list").run("slot list --json").run("get API_KEY").run("rm API_KEY").run("history API_KEY");
    said.run("rollback API_KEY --to 1").run("run -- true").run("run --only API_KEY -- true").run("restore");
    said.run("rekey").run("slot add recovery").run("slot rm 0");
    assert!(!home.vault().exists());
    insta::assert_snapshot!(said.text());
}

#[test]
fn init_makes_a_vault_once() {
    let home = Home::new();
    let mut said = Transcript::of(&home);
    said.run("init").run("init").run("init --json").run("status").run("status --json").run("verify");
    said.run("verify --json");
    insta::assert_snapshot!(said.text());
}

#[test]
fn slots_are_added_listed_and_removed() {
    let home = Home::new();
    home.put("API_KEY", "one");
    let mut said = Transcript::of(&home);
    said.run("slot list").run("slot add env").run("slot add recovery --json").run("slot list --json");
    said.run("slot rm 00000000")
        .run("rekey")
        .run("rekey --json")
        .run("status")
        .run("restore")
        .run("restore --json");
    insta::assert_snapshot!(said.text());
}

#[test]
fn a_vault_made_with_an_env_key_says_what_opens_it() {
    let home = Home::new().with("KEYWARD_VAULT_KEY", KEY);
    let mut said = Transcript::of(&home);
    said.feed("put API_KEY", "one")
        .run("list")
        .run("status")
        .run("list -v")
        .run("list -q")
        .feed("put B -q", "x");
    insta::assert_snapshot!(said.text());
}

#[test]
fn every_json_object_has_the_version_of_its_schema() {
    let home = Home::new();
    home.put("API_KEY", "one");
    let commands = [
        "list",
        "get API_KEY",
        "get NONE",
        "history API_KEY",
        "status",
        "verify",
        "slot list",
        "creds check",
        "init",
        "restore",
        "completions bash",
        "man put",
        "run",
        "nosuch",
        "put --bogus",
    ];
    for command in commands {
        let said = home.run(command.split(' ').chain(["--json"]));
        assert_eq!(said.json()["schema_version"], 1, "{said}");
        assert_eq!(said.text().lines().count(), 1, "{said}");
    }
}

#[test]
fn output_json_is_json_and_non_interactive_is_no_input() {
    let home = Home::new();
    home.put("API_KEY", "one");
    assert_eq!(home.run(["list", "--output", "json"]).text(), home.run(["list", "--json"]).text());
    home.run(["list", "--non-interactive"]).succeeds();
    home.run(["list", "--output", "json", "--json"]).fails(2, &["cannot be used with"]);
}

#[test]
fn colour_is_used_only_when_asked_for() {
    let home = Home::new();
    assert!(!home.run(["get", "X"]).stderr.contains('\u{1b}'));
    assert!(home.run(["get", "X", "--color", "always"]).stderr.contains("\u{1b}[1m"));
    assert!(!home.run(["get", "X", "--color", "never"]).stderr.contains('\u{1b}'));
}

#[test]
fn completions_and_man_pages_are_not_empty() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = home.run(["completions", shell]);
        assert!(script.succeeds().text().contains("keyward") && script.stderr.is_empty(), "{script}");
    }
    for page in [&[][..], &["put"], &["creds", "check"], &["slot", "add"]] {
        let shown = home.run([&["man"], page].concat());
        assert!(shown.succeeds().text().contains(".TH keyward"), "{shown}");
    }
}

#[test]
fn man_writes_a_page_for_every_command() {
    let home = Home::new();
    std::fs::create_dir(home.path().join("man")).unwrap();
    home.run(["man", "--dir", "man"]).succeeds();
    for page in
        ["keyward.1", "keyward-put.1", "keyward-creds-check.1", "keyward-slot-add.1", "keyward-vault-list.1"]
    {
        let text = std::fs::read_to_string(home.path().join("man").join(page))
            .unwrap_or_else(|e| panic!("{page}: {e}"));
        assert!(text.contains(".SH SYNOPSIS"), "{page}");
    }
    home.run(["man", "--dir", "nosuch"]).fails(1, &["cannot write into nosuch"]);
}
