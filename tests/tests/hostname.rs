//! The machine slot and the host's name: a renamed machine still opens its vault, and says so.

use std::fs;
use std::process::Command;

use keyward_tests::{Finished, Home, keyward};

/// Runs a command on a machine with another name.
fn renamed(home: &Home, name: &str, line: &str) -> Finished {
    let script = format!("hostname {name}; exec \"$KEYWARD\" {line}");
    let mut command = Command::new("unshare");
    command
        .args(["--uts", "sh", "-c", &script])
        .env_clear()
        .env("HOME", home.path())
        .env("KEYWARD", keyward());
    command.env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").current_dir(home.path());
    command.stdin(std::process::Stdio::null()).output().expect("`unshare` starts").into()
}

fn machine_slot(home: &Home, name: &str) -> String {
    let listed = renamed(home, name, "slot list").succeeds().text();
    assert_eq!(listed.lines().count(), 1, "{listed}");
    listed.split("  ").next().unwrap().to_owned()
}

fn made_on(name: &str) -> Home {
    let home = Home::new();
    renamed(&home, name, "put X v").succeeds();
    home
}

#[test]
fn a_renamed_machine_opens_its_vault_and_says_so() {
    let home = made_on("before");
    let said = renamed(&home, "after", "get X");
    assert_eq!(said.succeeds().stdout, b"v");
    said.fails(
        0,
        &["this machine was named before when its key slot was made and is now after", "the next write"],
    );
}

#[test]
fn the_next_write_makes_a_slot_for_the_new_name() {
    let home = made_on("before");
    let old = machine_slot(&home, "before");
    renamed(&home, "after", "get X").succeeds();
    assert_eq!(machine_slot(&home, "after"), old, "reading writes nothing");
    renamed(&home, "after", "put X w").fails(0, &["is now after"]);
    assert_ne!(machine_slot(&home, "after"), old);
    let said = renamed(&home, "after", "get X");
    assert_eq!((said.stdout.as_slice(), said.stderr.as_str()), (&b"w"[..], ""));
}

#[test]
fn a_domain_or_capitals_are_the_same_name() {
    let home = made_on("before");
    for name in ["BEFORE", "before.example.org", "before.local"] {
        let said = renamed(&home, name, "get X");
        assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{name}");
    }
}

#[test]
fn the_previous_generation_still_opens_after_the_slot_was_replaced() {
    let home = made_on("before");
    renamed(&home, "after", "put X w").succeeds();
    fs::remove_file(home.vault()).unwrap();
    renamed(&home, "after", "restore").succeeds();
    assert_eq!(renamed(&home, "after", "get X").succeeds().stdout, b"v");
}
