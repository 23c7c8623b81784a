//! `config.toml`, and what turns the air gap on.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs;
use std::os::unix::fs::symlink;

use keyward_tests::{Finished, Home};

const FILE: &str = ".config/keyward/config.toml";

fn status(home: &Home, flags: &[&str]) -> Finished {
    home.run([flags, &["status"]].concat())
}

/// Returns what status says of the air gap.
#[track_caller]
fn air_gap(home: &Home, flags: &[&str]) -> String {
    let said = status(home, flags);
    let text = said.succeeds().text();
    let line = text.lines().find_map(|line| line.strip_prefix("air gap:")).unwrap();
    line.trim().to_owned()
}

#[test]
fn the_air_gap_is_off_unless_somebody_turns_it_on() {
    for value in ["", "  ", "0", "false"] {
        assert_eq!(air_gap(&Home::new().with("KEYWARD_AIR_GAP", value), &[]), "off", "{value:?}");
    }
    let home = Home::new();
    home.write(FILE, "air_gap = false\n");
    assert_eq!(air_gap(&home, &[]), "off");
}

#[test]
fn status_names_what_turned_the_air_gap_on() {
    assert_eq!(air_gap(&Home::new(), &["--air-gap"]), "on (--air-gap): no network is used");
    for value in ["1", "true", "yes"] {
        let home = Home::new().with("KEYWARD_AIR_GAP", value);
        assert_eq!(air_gap(&home, &[]), "on (KEYWARD_AIR_GAP): no network is used");
    }
    let home = Home::new();
    let path = home.write(FILE, "air_gap = true\n");
    let from = format!("air_gap in {}", path.display());
    assert_eq!(air_gap(&home, &[]), format!("on ({from}): no network is used"));
    assert_eq!(status(&home, &["--json"]).json()["air_gap"], from);
}

#[test]
fn nothing_turns_the_air_gap_off_that_another_one_turned_on() {
    let home = Home::new().with("KEYWARD_AIR_GAP", "0");
    home.write(FILE, "air_gap = true\n");
    assert!(air_gap(&home, &[]).starts_with("on (air_gap in "));
    let home = Home::new().with("KEYWARD_AIR_GAP", "1");
    home.write(FILE, "air_gap = false\n");
    assert!(air_gap(&home, &[]).starts_with("on (KEYWARD_AIR_GAP)"));
    assert!(air_gap(&home.with("KEYWARD_AIR_GAP", "0"), &["--air-gap"]).starts_with("on (--air-gap)"));
}

#[test]
fn the_file_is_in_the_configuration_directory() {
    let home = Home::new();
    let elsewhere = home.path().join("elsewhere");
    home.write("elsewhere/keyward/config.toml", "air_gap = true\n");
    home.write("home/config.toml", "air_gap = true\n");
    assert_eq!(air_gap(&home, &[]), "off");
    let home = home.with("XDG_CONFIG_HOME", elsewhere.to_str().unwrap());
    assert!(air_gap(&home, &[]).contains("elsewhere/keyward/config.toml"));
    let keyward_home = home.path().join("home");
    assert!(
        air_gap(&home.with("KEYWARD_HOME", keyward_home.to_str().unwrap()), &[])
            .contains("/home/config.toml")
    );
}

#[test]
fn cloud_providers_are_skipped_where_the_file_turns_the_air_gap_on() {
    let home = Home::new();
    let check = ["creds", "check", "--provider", "openai"];
    home.run(check).fails(7, &[]);
    home.write(FILE, "air_gap = true\n");
    home.run(check).succeeds();
}

#[test]
fn a_file_that_is_not_understood_stops_the_commands_that_it_concerns() {
    let home = Home::new();
    home.put("A", "value");
    for (content, line, why) in [
        ("air_gap = true\nair_gap_ = true\n", 2, "it has a setting that keyward does not know"),
        ("\nair_gap = \"canary\"\n", 2, "air_gap is true or false"),
        ("air_gap = canary\n", 1, ""),
    ] {
        let path = home.write(FILE, content);
        for command in [&["status"][..], &["creds", "check"]] {
            let said = home.run(command);
            let message = format!("error: {} is not understood, line {line}\n", path.display());
            said.fails(1, &[&message, why, "hint: correct or remove the line"]);
            assert!(!said.to_string().contains("canary"), "{said}");
        }
    }
    assert_eq!(home.get("A"), b"value");
    // A flag that is given needs no file.
    assert!(air_gap(&home, &["--air-gap"]).starts_with("on (--air-gap)"));
}

#[test]
fn a_file_that_can_not_be_read_is_an_error() {
    let home = Home::new();
    home.write(FILE, vec![b'#'; (64 << 10) + 1]);
    status(&home, &["--json"]).fails_as(1, "unreadable_file");
    status(&home, &[]).fails(1, &["error: cannot read ", "more than 65536 bytes", "hint: "]);
    let path = home.path().join(FILE);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    status(&home, &[]).fails(1, &["it is a directory, not a file"]);
}

#[test]
fn the_file_may_be_a_link_and_its_directory_missing() {
    let home = Home::new();
    let real = home.write("dotfiles/keyward.toml", "air_gap = true\n");
    fs::create_dir_all(home.path().join(".config/keyward")).unwrap();
    symlink(real, home.path().join(FILE)).unwrap();
    assert!(air_gap(&home, &[]).starts_with("on "));
    let home = Home::new();
    home.write(".config/keyward", "a file in the place of the directory");
    assert_eq!(air_gap(&home, &[]), "off");
}
