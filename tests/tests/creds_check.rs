//! `creds check`: what counts as there, where it is looked for, and the codes.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use keyward_tests::transcript::Transcript;
use keyward_tests::{Finished, Home};

fn check(home: &Home, options: &[&str]) -> Finished {
    home.run([&["creds", "check"], options].concat())
}

#[test]
fn ak_12_a_missing_key_is_7_and_0_after_it_is_put() {
    let home = Home::new();
    secrets(&home, "UNRELATED=1\n");
    let mut said = Transcript::of(&home);
    said.run("creds check --secrets-file .env --provider openai").feed("put OPENAI_API_KEY", "sk-canary");
    said.run("creds check --secrets-file .env --provider openai");
    said.run("creds check --secrets-file .env --provider openai --json");
    said.run("creds check --provider anthropic,openai").run("creds check --provider anthropic --json");
    insta::assert_snapshot!(said.text());
}

#[test]
fn ak_11_environment_file_and_vault_are_looked_into_and_named() {
    let home = Home::new().with("OPENAI_API_KEY", "x");
    home.write(".env", "ANTHROPIC_API_KEY=x\n");
    home.put("MISTRAL_API_KEY", "x");
    let said = check(&home, &["--secrets-file", ".env", "--provider", "openai,anthropic,mistral"]);
    let text = said.succeeds().text();
    for part in [
        "OPENAI_API_KEY     malformed  environment\n",
        "ANTHROPIC_API_KEY  malformed  .env\n",
        "MISTRAL_API_KEY    present    vault\n",
    ] {
        assert!(text.contains(part), "{part}\n{said}");
    }
}

/// Writes a file that nobody else may read.
fn secrets(home: &Home, text: &str) {
    let path = home.write(".env", text);
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn files_are_read_as_people_write_them() {
    for line in [
        "OPENAI_API_KEY=x",
        "export OPENAI_API_KEY=x",
        "OPENAI_API_KEY='a b'",
        "OPENAI_API_KEY=\"a\nb\"",
        "OPENAI_API_KEY=x\r",
        "\u{feff}OPENAI_API_KEY=x",
        "  OPENAI_API_KEY = x",
        "OPENAI_API_KEY=$2a$10$x",
        "# first\n\nOPENAI_API_KEY=x # why",
    ] {
        let home = Home::new();
        home.write(".env", format!("{line}\n"));
        check(&home, &["--secrets-file", ".env", "--provider", "openai"]).succeeds();
    }
}

#[test]
fn a_blank_value_is_missing_and_called_empty() {
    for line in ["OPENAI_API_KEY=", "OPENAI_API_KEY=''", "OPENAI_API_KEY=\"  \"", "OPENAI_API_KEY= # none"] {
        let home = Home::new();
        home.write(".env", line);
        let said = check(&home, &["--secrets-file", ".env", "--provider", "openai"]);
        said.fails(7, &["missing: OPENAI_API_KEY (empty)\n"]);
        assert!(said.text().contains("OPENAI_API_KEY  empty  .env\n"), "{said}");
    }
}

#[test]
fn a_malformed_file_is_named_by_line_and_never_by_content() {
    for (text, line, mistake) in [
        ("A=1\ncanary secret\n", 2, ""),
        ("A=1\n\nB=\"canary\n", 3, "the quote is never closed"),
        ("=canary\n", 1, "no name before the `=`"),
        ("A='canary' canary\n", 1, "text after the closing quote"),
        ("A=can\0ary\n", 1, ""),
    ] {
        let home = Home::new();
        home.write(".env", text);
        for options in [
            &["--secrets-file", ".env"][..],
            &["--secrets-file", ".env", "--json"],
            &["--secrets-file", ".env", "-v"],
        ] {
            let said = check(&home, options);
            said.fails(1, &["error: cannot read .env", &format!("line {line}"), mistake, "hint: "]);
            assert!(!said.to_string().contains("canary"), "{said}");
        }
    }
}

#[test]
fn a_file_that_is_not_there_is_an_error_and_not_missing_keys() {
    let home = Home::new();
    check(&home, &["--secrets-file", "nosuch", "--json"]).fails_as(1, "unreadable_file");
    check(&home, &["--secrets-file", "."]).fails(1, &["cannot read .", "directory"]);
}

#[test]
fn a_pipe_serves_as_a_file() {
    let home = Home::new();
    let said = home.bash("$KEYWARD creds check --provider openai --secrets-file <(echo OPENAI_API_KEY=x)");
    said.succeeds();
    let by_number =
        "exec 7< <(echo OPENAI_API_KEY=x); $KEYWARD creds check --provider openai --secrets-file /dev/fd/7";
    home.bash(by_number).succeeds();
    let named = "mkfifo pipe; echo OPENAI_API_KEY=x >pipe & $KEYWARD creds check --provider openai --secrets-file pipe";
    home.bash(named).succeeds();
}

#[test]
fn a_file_that_others_can_read_is_warned_of_and_a_pipe_is_not() {
    let home = Home::new();
    secrets(&home, "");
    let options = ["--secrets-file", ".env", "--provider", "ollama"];
    assert_eq!(check(&home, &options).succeeds().stderr, "");
    fs::set_permissions(home.path().join(".env"), Permissions::from_mode(0o644)).unwrap();
    let warning = "warning: .env can be read by every user of this machine: `chmod o-r .env`";
    check(&home, &options).fails(0, &[warning]);
    check(&home, &[&options[..], &["--quiet"]].concat()).fails(0, &[warning]);
    let said = home.bash(
        "umask 0; mkfifo pipe; echo A=1 >pipe & $KEYWARD creds check --provider ollama --secrets-file pipe",
    );
    assert_eq!(said.succeeds().stderr, "");
}

#[test]
fn nothing_is_ever_asked() {
    let home = Home::new();
    home.put("OPENAI_API_KEY", "x");
    fs::remove_dir_all(home.path().join(".local/state")).unwrap();
    for closing in ["<&-", "</dev/null", "<&- 2>&-", "| head -1"] {
        let said =
            home.bash(&format!("$KEYWARD creds check --provider openai {closing}; exit ${{PIPESTATUS[0]}}"));
        assert_eq!(said.code, 5, "{closing}: {said}");
        assert!(!said.stderr.contains("panicked") && !said.stderr.contains("bug"), "{said}");
    }
}

#[test]
fn a_reader_that_goes_away_gets_what_it_wants() {
    let home = Home::new();
    for form in ["text", "json", "github"] {
        let line = format!("$KEYWARD creds check --all --format {form} | head -1; exit ${{PIPESTATUS[0]}}");
        let said = home.bash(&line);
        assert_eq!((said.code, said.text().lines().count()), (7, 1), "{said}");
    }
}

#[test]
fn a_check_without_the_vault_does_not_claim_that_it_answered() {
    let said = check(&Home::new(), &["--source", "env,file", "--provider", "openai", "--json"]);
    assert_eq!((said.code, said.json()["vault"].as_str()), (7, Some("not_asked")), "{said}");
}

#[test]
fn ak_13_an_air_gap_skips_cloud_providers() {
    let home = Home::new();
    let said = check(&home, &["--air-gap", "--provider", "openai,ollama"]);
    assert!(said.succeeds().text().contains("openai    -    skipped"), "{said}");
    let by_variable = home
        .command(["creds", "check", "--provider", "openai"])
        .env("KEYWARD_AIR_GAP", "1")
        .output()
        .unwrap();
    assert!(by_variable.status.success());
    let unset = home
        .command(["creds", "check", "--provider", "openai"])
        .env("KEYWARD_AIR_GAP", "0")
        .output()
        .unwrap();
    assert_eq!(unset.status.code(), Some(7));
}

#[test]
fn an_unknown_provider_is_wrong_usage() {
    check(&Home::new(), &["--provider", "opnai"])
        .fails(2, &["unknown provider: opnai", "hint: did you mean openai?"]);
}

#[test]
fn without_a_provider_those_count_of_which_a_name_occurs() {
    let home = Home::new();
    home.write(".env", "OPENAI_API_KEY=x\n");
    let said = check(&home, &["--secrets-file", ".env", "--json"]);
    let object = said.succeeds().json();
    assert_eq!(
        (object["assumed_all"].as_bool(), object["providers"].as_array().unwrap().len()),
        (Some(false), 1)
    );
}

#[test]
fn when_no_name_occurs_all_providers_count_with_a_note() {
    let said = check(&Home::new(), &[]);
    said.fails(7, &["no known provider's key occurs anywhere, so all known providers are checked"]);
}

#[test]
fn stdin_is_a_file_and_only_one() {
    let home = Home::new();
    let options = ["creds", "check", "--provider", "openai", "--secrets-file", "-", "--json"];
    let said = home.run_with_input(options, "OPENAI_API_KEY=x\n");
    assert_eq!(said.succeeds().json()["providers"][0]["keys"][0]["source"]["label"], "stdin", "{said}");
    home.run_with_input(options, "canary").fails_as(1, "unreadable_file");
    home.run_with_input(options, "").fails(7, &["missing: OPENAI_API_KEY"]);
    let twice = home.run_with_input(["creds", "check", "--secrets-file", "-", "--require-file", "-"], "A=1");
    twice.fails(2, &["`-`, which is stdin, can be one file only", "hint: "]);
}

#[test]
fn env_and_file_never_open_the_vault() {
    let home = Home::new();
    home.put("OPENAI_API_KEY", "x");
    keyward_tests::vault_file::place(&home.vault(), b"no vault at all");
    let said = check(&home, &["--source", "env,file", "--provider", "openai", "--json"]);
    assert_eq!((said.code, said.stderr.contains("vault")), (7, false), "{said}");
    check(&home, &["--provider", "openai"]).fails(6, &["cannot read "]);
}

#[test]
fn a_locked_vault_makes_required_names_unknown() {
    let home = Home::new();
    home.put("OPENAI_API_KEY", "x");
    fs::remove_dir_all(home.path().join(".local/state")).unwrap();
    let said = check(&home, &["--provider", "openai", "--json"]);
    said.fails(5, &["warning: cannot unlock ", "names that only the vault could have are unknown"]);
    assert_eq!(said.json()["unknown"][0], "OPENAI_API_KEY");
    let key = format!("sk-{}", "x".repeat(32));
    let mut command = home.command(["creds", "check", "--provider", "openai"]);
    let found = command.env("OPENAI_API_KEY", key).output().unwrap();
    assert_eq!((found.status.code(), found.stderr.len()), (Some(0), 0), "the vault is not needed");
}

#[test]
fn a_wrong_passphrase_is_no_missing_key() {
    let home = Home::new();
    let mut init = home.command(["init", "--source", "passphrase", "--light"]);
    assert!(init.env("KEYWARD_VAULT_PASSPHRASE", "right words").output().unwrap().status.success());
    let mut command = home.command(["creds", "check", "--provider", "openai"]);
    let said = Finished::from(command.env("KEYWARD_VAULT_PASSPHRASE", "wrong words").output().unwrap());
    said.fails(5, &["does not open the passphrase slot", "unknown: OPENAI_API_KEY"]);
}

#[test]
fn no_vault_and_no_keys_are_just_missing() {
    let home = Home::new();
    let said = check(&home, &["--provider", "openai", "--source", "vault"]);
    assert_eq!(said.code, 7, "{said}");
    assert!(!home.path().join(".local").exists(), "nothing is created");
}

#[test]
fn a_vault_secret_of_another_workspace_does_not_count() {
    let home = Home::new();
    home.run_with_input(["put", "OPENAI_API_KEY", "--workspace", "web"], "x").succeeds();
    assert_eq!(check(&home, &["--provider", "openai"]).code, 7);
    check(&home, &["--provider", "openai", "--workspace", "web"]).succeeds();
}
