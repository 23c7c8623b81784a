//! No secret shows where it was not asked for: a value that is put in by every way is in no output but
//! that of `get`, and in no file.

use std::fs;
use std::path::Path;

use keyward_tests::{Finished, Home};

const CANARY: &str = "canary-5Tq9xZ";

/// A home in which every way of putting a value in was used for the canary.
fn home() -> (Home, Vec<Finished>) {
    let home = Home::new();
    let key = home.write("key", CANARY);
    let mut said = vec![
        home.run_with_input(["put", "STDIN"], CANARY),
        home.run_with_input(["put", "DASH", "-"], CANARY),
    ];
    said.push(home.run(["put", "FILE", "@key"]));
    said.push(home.run(["put", "ARGUMENT", CANARY]));
    said.push(home.bash("$KEYWARD put DESCRIPTOR --value-fd 3 3< key"));
    said.push(home.run_with_input(["put", "STDIN", "--json", "-v"], CANARY));
    said.push(home.run_with_input(["put", "TENANT", "--scope", "tenant"], CANARY));
    said.push(home.run_with_input(["put", "bad/name"], CANARY));
    said.push(home.run(["put", "STDIN", CANARY, CANARY]));
    said.push(home.run(["put", &format!("STDIN={CANARY}")]));
    fs::remove_file(key).unwrap();
    (home, said)
}

#[track_caller]
fn shows_no_canary(said: &Finished) {
    assert!(!said.to_string().contains(CANARY), "{said}");
    assert!(!said.to_string().contains("Y2FuYXJ5LTVUcTl4W"), "in base64: {said}");
}

#[test]
fn no_command_that_puts_a_value_in_shows_it() {
    home().1.iter().for_each(shows_no_canary);
}

#[test]
fn no_command_but_get_shows_a_value_in_any_mode() {
    let (home, _) = home();
    let commands = [
        "list",
        "list --all",
        "history STDIN",
        "status",
        "verify",
        "slot list",
        "creds check",
        "creds list --all",
        "creds guide",
        "creds require openai",
        "creds set openai",
        "get STDIN --json",
        "get NONE",
        "get STDIN --version 99",
        "run -- true",
        "run -- nosuch",
        "run --only NONE -- true",
        "init",
        "rollback STDIN --to 1",
        "rollback STDIN --to 99",
        "rm DASH",
        "slot add recovery",
        "rekey",
        "restore",
        "list --key-source env",
        "list --vault /",
        "put X @/nosuch",
        "import nosuch.env",
        "export --only NONE",
        "export --file out.env",
        "env lint out.env",
        "import out.env",
        "completions bash",
        "man get",
    ];
    for command in commands {
        for mode in [&[][..], &["-v"], &["-q"], &["--json"], &["--json", "-v"]] {
            let arguments = mode
                .iter()
                .copied()
                .chain(command.split(' '))
                .filter(|_| command != "get STDIN --json" || mode.len() < 3);
            let arguments: Vec<&str> = arguments.collect();
            if arguments.iter().filter(|argument| **argument == "--json").count() < 2 {
                shows_no_canary(&home.run(arguments));
            }
        }
    }
}

#[test]
fn no_damaged_vault_shows_a_value() {
    use keyward_tests::vault_file::VaultFile;
    let (home, _) = home();
    let file = VaultFile::read(&home.vault());
    for offset in (0..file.0.len()).step_by(397) {
        file.flipped(offset).write(&home.vault());
        for line in ["list -v", "verify --json", "run -- true", "put X y", "status -v"] {
            shows_no_canary(&home.run(line.split(' ')));
        }
    }
}

#[test]
fn no_file_holds_a_value_in_plain_text() {
    let (home, _) = home();
    home.run(["rekey"]).succeeds();
    home.run(["rm", "DASH"]).succeeds();
    holds_no_canary(home.path());
}

fn holds_no_canary(directory: &Path) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            holds_no_canary(&path);
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        let found = bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes());
        assert!(!found, "{}", path.display());
    }
}

#[test]
fn the_search_finds_a_canary_that_is_there() {
    let (home, _) = home();
    assert_eq!(home.get("FILE"), CANARY.as_bytes());
    home.write("leak", format!("x{CANARY}x"));
    assert!(std::panic::catch_unwind(|| holds_no_canary(home.path())).is_err());
}
