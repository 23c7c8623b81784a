//! What commands say when something is wrong.

use keyward_tests::transcript::Transcript;
use keyward_tests::{Finished, Home};

#[test]
fn wrong_usage_says_what_is_wrong() {
    let home = Home::new();
    let mut said = Transcript::of(&home);
    said.run("put").run("get").run("nosuch").run("lst").run("list --bogus").run("list --all --scope tenant");
    said.run("put A=B x")
        .run("put '' x")
        .run("put A b c")
        .run("put A --value-fd x")
        .run("get A --workspace a/b");
    said.run("run").run("completions tcsh").run("man nosuch").run("creds check --provider nosuch");
    said.run("list --key-source nosuch")
        .run("rekey --keep-secret recovery")
        .run("put A --json")
        .run("put A=B --json");
    insta::assert_snapshot!(said.text());
}

#[test]
fn what_is_not_there_is_named() {
    let home = Home::new();
    home.put("API_KEY", "one");
    let mut said = Transcript::of(&home);
    said.run("get NONE")
        .run("get NONE --json")
        .run("get API_KEY --version 9")
        .run("history NONE")
        .run("rm NONE");
    said.run("rollback NONE --to 1").run("rollback API_KEY --to 9").run("run --only NONE -- true");
    said.run("slot rm zz").run("slot rm ''").run("run -- nosuch").run("run -- /etc/passwd").run("run -- /");
    insta::assert_snapshot!(said.text());
}

#[test]
fn values_that_can_not_be_stored_are_refused() {
    let home = Home::new();
    let mut said = Transcript::of(&home);
    said.run("put A").run("put A @nosuch").run("put A @.").run("put A --value-fd 77").feed("put A", "\n");
    assert!(!home.vault().exists());
    insta::assert_snapshot!(said.text());
}

/// Commands that fail, each in its own way, in a home with the secret `A` and a damaged `B`.
const FAILING: [&str; 37] = [
    "get NONE",
    "get A --version 7",
    "get B",
    "history NONE",
    "rm NONE",
    "rollback A --to 7",
    "run -- nosuch",
    "run -- /etc/passwd",
    "run --only NONE -- true",
    "run -- true",
    "slot rm zz",
    "slot rm ''",
    "put A",
    "put A @nosuch",
    "put A=B",
    "put A b c",
    "put ''",
    "list --key-source env",
    "list --key-source recovery",
    "list --key-source passphrase",
    "list --vault /",
    "list --vault /dev/null",
    "list --vault public",
    "get A --vault other",
    "slot add passphrase",
    "man nosuch",
    "list --tenant a/b",
    "creds check --secrets-file none",
    "restore --vault other",
    "rekey --vault none",
    "put A b --vault /proc/nosuch/x",
    "import none.env",
    "import bad.env",
    "import taken.env",
    "export --only NONE",
    "export --format docker --only A --file other/x",
    "env lint bad.env",
];

fn failing_home() -> Home {
    use keyward_tests::vault_file::{VaultFile, place};
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    home.put("A", "one");
    home.put("B", "two");
    let file = VaultFile::read(&home.vault());
    file.flipped(file.0.len() - 1).write(&home.vault());
    home.write("bad.env", "X=1\nY\n");
    home.write("taken.env", "A=other\n");
    place(&home.path().join("other"), b"age-encryption.org/v1\n");
    place(&home.path().join("public"), b"");
    std::fs::set_permissions(home.path().join("public"), std::fs::Permissions::from_mode(0o644)).unwrap();
    home
}

fn commands_in(text: &str) -> Vec<String> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter_map(|code| code.rsplit_once("keyward ").map(|(_, rest)| rest.to_owned())).collect()
}

fn run(home: &Home, line: &str) -> Finished {
    home.run(line.split(' ').map(|word| if word == "''" { "" } else { word }))
}

#[test]
fn every_error_starts_with_error_and_has_a_hint() {
    let home = failing_home();
    for line in FAILING {
        let said = run(&home, line);
        assert_ne!(said.code, 0, "{line}\n{said}");
        assert!(said.text().is_empty(), "{line}\n{said}");
        let lines: Vec<&str> = said.stderr.lines().filter(|line| !line.starts_with("warning: ")).collect();
        assert!(lines[0].starts_with("error: ") && !lines[0].ends_with('.'), "{line}\n{said}");
        assert!(
            lines[1..].iter().all(|line| line.starts_with("caused by: ") || line.starts_with("hint: ")),
            "{line}\n{said}"
        );
        assert!(lines[lines.len() - 1].starts_with("hint: "), "{line}\n{said}");
    }
}

#[test]
fn every_error_in_json_has_kind_message_and_hint() {
    let home = failing_home();
    for line in FAILING {
        let said = run(&home, &format!("--json {line}"));
        let error = &said.json()["error"];
        for field in ["kind", "message", "hint"] {
            assert!(error[field].as_str().is_some_and(|text| !text.is_empty()), "{line}\n{said}");
        }
        assert!(error["causes"].is_array() && error["retryable"].is_boolean(), "{line}\n{said}");
        let message = error["message"].as_str().unwrap();
        assert!(said.stderr.contains(&format!("error: {message}")), "{line}\n{said}");
    }
}

#[test]
fn every_command_in_a_hint_exists() {
    let home = failing_home();
    for line in FAILING {
        for command in commands_in(&run(&home, line).stderr) {
            let known = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
            let words: Vec<&str> =
                command.split(' ').take_while(known).take_while(|word| *word != "--").collect();
            home.run(words.iter().copied().chain(["--help"])).succeeds();
        }
    }
}

#[test]
fn an_unexpected_argument_that_may_be_a_value_is_not_repeated() {
    let home = Home::new();
    for line in ["put API_KEY=canary", "put API_KEY my canary", "get API_KEY=canary", "set A=canary --json"] {
        let said = run(&home, line);
        assert_eq!(said.code, 2, "{said}");
        assert!(!said.to_string().contains("canary"), "{said}");
    }
}
