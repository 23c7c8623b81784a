//! The machine slot and the host's name: a renamed machine still opens its vault, and says so.

use std::fs;
use std::process::Command;

use keyward_tests::{Finished, Home, keyward};

/// Runs a command on a machine with another name.
fn renamed(home: &Home, name: &str, line: &str) -> Finished {
    in_namespace(home, &format!("hostname {name}; exec \"$KEYWARD\" {line}"))
}

fn in_namespace(home: &Home, script: &str) -> Finished {
    let mut command = Command::new("unshare");
    command
        .args(["--uts", "sh", "-c", script])
        .env_clear()
        .env("HOME", home.path())
        .env("KEYWARD", keyward());
    command.env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").current_dir(home.path());
    command.stdin(std::process::Stdio::null()).output().expect("`unshare` starts").into()
}

/// Runs a command on a machine whose name is any bytes, as a shell writes them.
fn named(home: &Home, bytes: &str, line: &str) -> Finished {
    let script = format!("printf -- '{bytes}\\n' > /proc/sys/kernel/hostname; exec \"$KEYWARD\" {line}");
    in_namespace(home, &script)
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

#[test]
fn a_strange_name_opens_the_vault_that_it_made_and_one_of_any_other_name() {
    let longest = "h".repeat(64);
    for name in ["", "h\\377\\376", "\\303\\244", "a b", "-x", "..", &longest] {
        let home = Home::new();
        named(&home, name, "put X v").succeeds();
        let said = named(&home, name, "get X");
        assert_eq!((said.stdout.as_slice(), said.stderr.as_str()), (&b"v"[..], ""), "{name:?}");
        let other = renamed(&home, "other", "get X");
        assert_eq!(other.stdout, b"v", "{name:?}: {other}");
        other.fails(0, &["this machine was named ", "is now other"]);
        renamed(&home, "other", "put X w").succeeds();
        assert_eq!(named(&home, name, "get X").stdout, b"w", "{name:?}");
    }
}

#[test]
fn a_seed_that_is_gone_is_named_with_the_ways_that_are_left() {
    let home = Home::new();
    home.put("X", "v");
    let code = home.run(["slot", "add", "recovery"]).succeeds().text();
    fs::remove_dir_all(home.seeds()).unwrap();
    for line in ["get X", "put X w", "rekey", "run -- true"] {
        let said = home.run(line.split(' '));
        said.fails(
            5,
            &[
                "caused by: machine: ",
                "the vault has these key slots: machine, recovery",
                "hint: `keyward --recovery",
            ],
        );
    }
    assert!(!home.seeds().exists(), "no seed is made anew");
    let home = home.with("KEYWARD_RECOVERY_CODE", code.trim());
    assert_eq!(home.run(["--recovery", "get", "X"]).succeeds().stdout, b"v");
    home.run(["--recovery", "slot", "add", "machine"]).succeeds();
    assert_eq!(home.get("X"), b"v");
}
