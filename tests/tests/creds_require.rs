//! `creds require`: what a repository needs is declared in `.keyward.toml`, and nothing else in it changes.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;

use keyward_tests::ordinary_user::OrdinaryUser;
use keyward_tests::transcript::Transcript;
use keyward_tests::{Finished, Home, behind};

const FILE: &str = ".keyward.toml";

fn require(home: &Home, line: &str) -> Finished {
    home.run(["creds", "require"].into_iter().chain(line.split_whitespace()))
}

fn text(home: &Home) -> String {
    fs::read_to_string(home.path().join(FILE)).expect("a file")
}

/// Writes the file, runs the command, and returns the file's new text.
#[track_caller]
fn changed(before: &str, line: &str) -> String {
    let home = Home::new();
    home.write(FILE, before);
    require(&home, line).succeeds();
    text(&home)
}

#[test]
fn the_file_is_made_changed_and_emptied() {
    let home = Home::new();
    let mut said = Transcript::of(&home);
    said.run("creds require openai slack").run("creds require openai --key MY_TOKEN");
    said.run("creds require stripe --json").run("creds require --rm openai slack stripe");
    said.run("creds require --rm --key MY_TOKEN");
    insta::assert_snapshot!(said.text());
    assert_eq!(text(&home), "[creds]\nproviders = []\nkeys = []\n");
}

#[test]
fn the_nearest_file_above_is_changed_and_no_other_is_made() {
    let home = Home::new();
    home.write(FILE, "workspace = \"web\"\n");
    home.write("src/deep/file", "");
    let mut command = home.command(["creds", "require", "openai"]);
    let done = command.current_dir(home.path().join("src/deep")).output().unwrap();
    assert!(done.status.success());
    assert_eq!(text(&home), "workspace = \"web\"\n\n[creds]\nproviders = [\"openai\"]\n");
    assert!(!home.path().join("src/deep").join(FILE).exists());
}

#[test]
fn comments_order_and_line_ends_stay() {
    let before = "# ours\r\nworkspace = \"web\" # why\r\n\r\n[creds] # needed\r\nproviders = [\r\n  \"slack\", # chat\r\n]\r\n\r\n[later]\r\nx = 1\r\n";
    let after = before.replace("# chat\r\n", "# chat\r\n  \"openai\",\r\n");
    assert_eq!(changed(before, "openai"), after);
    assert_eq!(changed(&after, "openai --rm"), before);
    let marked = format!("\u{feff}{before}");
    assert_eq!(changed(&marked, "openai"), format!("\u{feff}{after}"));
}

#[test]
fn every_way_to_write_the_table_is_understood() {
    for (before, after) in [
        ("creds = { providers = [\"slack\"] }\n", "creds = { providers = [\"slack\", \"openai\"] }\n"),
        ("creds.providers = ['slack']\n", "creds.providers = ['slack', \"openai\"]\n"),
        ("[creds]\n", "[creds]\nproviders = [\"openai\"]\n"),
        ("[creds]\nkeys = [\"A\"]\n", "[creds]\nkeys = [\"A\"]\nproviders = [\"openai\"]\n"),
        ("", "[creds]\nproviders = [\"openai\"]\n"),
        ("# no more than this", "# no more than this\n\n[creds]\nproviders = [\"openai\"]\n"),
        ("[a]\nb = 1\n\n# the end\n\n", "[a]\nb = 1\n\n# the end\n\n[creds]\nproviders = [\"openai\"]\n"),
        ("x = 1", "x = 1\n\n[creds]\nproviders = [\"openai\"]\n"),
    ] {
        assert_eq!(changed(before, "openai"), after, "{before}");
    }
}

#[test]
fn what_is_required_already_is_not_written_again() {
    let home = Home::new();
    let before = "[creds]\nproviders = [ \"ChatGPT\" ]\nkeys = [\"A\"]\n";
    let inode = fs::metadata(home.write(FILE, before)).unwrap().ino();
    require(&home, "openai --key A").fails(0, &["required already in ", ": openai, A"]);
    assert_eq!((text(&home).as_str(), fs::metadata(home.path().join(FILE)).unwrap().ino()), (before, inode));
    require(&home, "--rm slack").fails(0, &["was not required in ", ": slack"]);
    assert_eq!(text(&home), before);
}

#[test]
fn another_spelling_is_declared_by_its_id_and_taken_back_by_any() {
    let home = Home::new();
    require(&home, "Claude gemini").succeeds();
    assert_eq!(text(&home), "[creds]\nproviders = [\"anthropic\", \"google-gemini\"]\n");
    require(&home, "--rm claude google").succeeds();
    assert_eq!(text(&home), "[creds]\nproviders = []\n");
}

#[test]
fn one_provider_that_is_unknown_changes_nothing() {
    let home = Home::new();
    require(&home, "openai slcak").fails(2, &["error: unknown provider: slcak", "hint: did you mean slack"]);
    assert!(!home.path().join(FILE).exists());
    require(&home, "--rm slcak").fails(2, &["unknown provider: slcak"]);
}

#[test]
fn a_provider_that_only_another_keyward_knows_can_be_taken_back() {
    assert_eq!(
        changed("[creds]\nproviders = [\"new-one\", \"slack\"]\n", "--rm new-one"),
        "[creds]\nproviders = [\"slack\"]\n"
    );
}

#[test]
fn a_key_in_the_place_of_a_name_is_neither_written_nor_repeated() {
    let home = Home::new();
    let value = format!("ghp_{}", "canary".repeat(6));
    for line in
        [format!("--key {value}"), value.clone(), format!("--key A={value}"), format!("--key {value}-x")]
    {
        let said = require(&home, &line);
        assert_eq!(said.code, 2, "{said}");
        assert!(!said.to_string().contains("canary"), "{said}");
    }
    require(&home, "--key a-b").fails(2, &["the name of an environment variable"]);
    require(&home, "").fails(2, &["PROVIDER"]);
    assert!(!home.path().join(FILE).exists());
}

#[test]
fn a_key_that_no_built_in_provider_has_the_shape_of_is_none_either() {
    let home = Home::new();
    for value in [
        "kwk1_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh_gfp9k",
        "kwk1_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh-gfp9k",
        "kw_live_0000000000AA_00000000000000000000000000000000000000000004OtDhs",
        "glpat_q7Xk2Vb9Tn4Lz8Wc1Rf6",
        "glpat-q7Xk2Vb9Tn4Lz8Wc1Rf6",
        "q7Xk2Vb9Tn4Lz8Wc1Rf6",
    ] {
        let said = require(&home, &format!("--key {value}"));
        said.fails(2, &["error: that looks like a key itself, not like the name of one"]);
        assert!(!said.to_string().contains(value), "{said}");
        let said = require(&home, value);
        assert!(said.code == 2 && !said.to_string().contains(value), "{said}");
    }
    assert!(!home.path().join(FILE).exists());
    for name in ["SLACK_BOT_TOKEN_PRODUCTION_EU", "re_engagement_campaign_key", "stripeLiveKeyForPayments"] {
        require(&home, &format!("--key {name}")).succeeds();
    }
}

#[test]
fn a_file_that_is_not_understood_is_not_changed() {
    for (before, why) in [
        ("[creds]\nproviders = [\"slack\"\n", "line 2: "),
        ("workspace = \"web\"\n[creds]\n[creds]\n", "line 3: "),
        ("creds = []\n", "`creds` is no table"),
        ("[creds]\nproviders = { slack = true }\n", "`providers` is no list of texts"),
        ("[creds]\nproviders = [[\"slack\"]]\n", "`providers` is no list of texts"),
    ] {
        let home = Home::new();
        home.write(FILE, before);
        require(&home, "openai").fails(1, &["error: cannot read ", why, "hint: correct it by hand"]);
        assert_eq!(text(&home), before);
    }
}

/// Puts something else in the place of the file and checks that it is refused and stays.
#[track_caller]
fn refuses(make: impl FnOnce(&Path), why: &str) {
    let home = Home::new();
    home.write("other", "workspace = \"web\"\n");
    let file = home.path().join(FILE);
    make(&file);
    let before = fs::symlink_metadata(&file).unwrap();
    require(&home, "openai").fails(10, &["/.keyward.toml is not used: ", why]);
    let after = fs::symlink_metadata(&file).unwrap();
    assert_eq!((before.ino(), before.len(), before.mode()), (after.ino(), after.len(), after.mode()));
    assert_eq!(fs::read_to_string(home.path().join("other")).unwrap(), "workspace = \"web\"\n");
}

#[test]
fn a_link_a_directory_and_a_file_of_somebody_else_stay_as_they_are() {
    refuses(|file| symlink("other", file).unwrap(), "it is no plain file");
    refuses(|file| symlink("nowhere", file).unwrap(), "it is no plain file");
    refuses(|file| fs::create_dir(file).unwrap(), "it is no plain file");
    refuses(
        |file| {
            fs::write(file, "workspace = \"web\"\n").unwrap();
            chown(file, Some(4711), None).expect("the tests run as root");
        },
        "it belongs to user 4711",
    );
    refuses(|file| fs::write(file, "#\n".repeat(40_000)).unwrap(), "it is larger than 65536 bytes");
}

#[test]
fn the_mode_stays_and_nothing_is_left_beside_the_file() {
    let home = Home::new();
    let file = home.write(FILE, "");
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    require(&home, "openai").succeeds();
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o600);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
}

#[test]
fn a_file_that_only_declares_leaves_the_workspace_at_default() {
    let home = Home::new();
    require(&home, "openai").succeeds();
    home.run_with_input(["put", "OPENAI_API_KEY"], "x")
        .fails(0, &["stored OPENAI_API_KEY in workspace default"]);
}

#[test]
fn in_a_directory_that_can_be_written_and_not_read_nothing_is_changed() {
    let user = OrdinaryUser::new();
    let home = user.home();
    user.give(&home.write(FILE, "workspace = \"web\"\n"));
    fs::set_permissions(home.path(), Permissions::from_mode(0o300)).unwrap();
    require(&home, "openai").fails(1, &["error: cannot write ", "hint: nothing was changed"]);
    assert_eq!(text(&home), "workspace = \"web\"\n");
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    fs::set_permissions(home.path(), Permissions::from_mode(0o700)).unwrap();
    require(&home, "openai").succeeds();
}

#[test]
fn a_change_that_may_not_be_on_disk_is_told_as_one_that_was_made() {
    let home = Home::new();
    keyward_tests::require("strace", "strace");
    // The first call is for the new file, the second one for the directory after the file has its name.
    let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=fsync:error=EIO:when=2"];
    let command = home.command(["creds", "require", "openai", "--json"]);
    let said = Finished::from(behind(&strace, &command).output().unwrap());
    said.fails_as(1, "not_durable");
    said.fails(1, &["error: saved, not confirmed on disk: ", "/.keyward.toml\n", "run `sync`"]);
    assert_eq!(text(&home), "[creds]\nproviders = [\"openai\"]\n");
    require(&home, "openai").fails(0, &["required already"]);
}
