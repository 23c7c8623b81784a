//! Standard streams that are closed, full or gone.

use keyward_tests::Home;

fn home() -> Home {
    let home = Home::new();
    home.put("X", "v");
    home
}

#[test]
fn with_stdin_closed_everything_but_reading_works() {
    let home = home();
    for line in ["get X", "list", "status", "run -- true", "put X @file", "creds check --provider ollama"] {
        home.write("file", "w");
        home.bash(&format!("$KEYWARD {line} <&-")).succeeds();
    }
    let said = home.bash("$KEYWARD put X <&-");
    assert_ne!(said.code, 0, "{said}");
    assert!(said.stderr.starts_with("error: "), "{said}");
    assert_eq!(home.get("X"), b"w");
}

#[test]
fn with_stdout_closed_nothing_panics_and_writes_are_done() {
    let home = home();
    for line in [
        "list",
        "get X",
        "status",
        "--help",
        "man",
        "completions bash",
        "list --json",
        "get NONE --json",
        "put --json",
    ] {
        let said = home.bash(&format!("$KEYWARD {line} >&-"));
        assert!(!said.stderr.contains("bug") && said.code < 128, "{line}\n{said}");
    }
    home.bash("echo w | $KEYWARD put X >&-").fails(0, &["stored X"]);
    assert_eq!(home.get("X"), b"w");
}

#[test]
fn with_stderr_closed_nothing_panics() {
    let home = home();
    assert_eq!(home.bash("$KEYWARD get X 2>&-").succeeds().stdout, b"v");
    assert_eq!(home.bash("$KEYWARD get NONE 2>&-").code, 4);
    assert_eq!(home.bash("echo w | $KEYWARD put X 2>&-").code, 0);
}

#[test]
fn with_all_streams_closed_the_vault_is_not_written_into_by_messages() {
    let home = home();
    home.bash("$KEYWARD list <&- >&- 2>&-");
    home.bash("$KEYWARD put X @/dev/null --allow-empty <&- >&- 2>&-").succeeds();
    assert_eq!(home.get("X"), b"");
    home.run(["verify"]).succeeds();
}

#[test]
fn a_full_stdout_is_an_error() {
    let home = home();
    for line in ["get X", "list", "list --json", "status", "man"] {
        home.bash(&format!("$KEYWARD {line} > /dev/full"))
            .fails(1, &["cannot write to stdout", "No space left"]);
    }
}

#[test]
fn a_reader_that_goes_away_has_what_it_wants() {
    let home = Home::new();
    for number in 0..40 {
        let name = format!("{:0>250}", format!("S{number}"));
        home.put(&name, "v");
    }
    for line in ["list", "list --json", "history S1 --json", "man", "--help", "completions zsh"] {
        let said =
            home.bash(&format!("$KEYWARD {line} 2>errors | true; echo ${{PIPESTATUS[0]}}; cat errors >&2"));
        assert!(said.text() == "0\n" || said.text() == "4\n", "{line}\n{said}");
        assert!(!said.stderr.contains("panic") && !said.stderr.contains("bug"), "{line}\n{said}");
    }
    let first = home.bash("set -o pipefail; $KEYWARD list | head -1 | cut -c1-3");
    assert_eq!((first.succeeds().text().as_str(), first.stderr.as_str()), ("000\n", ""));
}
