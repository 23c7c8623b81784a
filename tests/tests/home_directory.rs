//! Which directory is the home: none, a relative one, somebody else's.

use std::fs;

use keyward_tests::ordinary_user::OrdinaryUser;
use keyward_tests::{Finished, Home};

fn with_home(home: &Home, value: Option<&str>, arguments: &[&str]) -> Finished {
    let mut command = home.command(arguments);
    match value {
        Some(value) => command.env("HOME", value),
        None => command.env_remove("HOME"),
    };
    command.output().unwrap().into()
}

#[test]
fn without_home_the_error_names_the_way_out() {
    let home = Home::new();
    for value in [None, Some(""), Some("relative/home")] {
        for line in [&["list"][..], &["put", "X", "v"], &["get", "X"], &["status"]] {
            let said = with_home(&home, value, line);
            said.fails(
                1,
                &[
                    "error: cannot tell where keyward has its files: HOME is not set to an absolute path",
                    "`KEYWARD_HOME`",
                ],
            );
        }
    }
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn without_home_a_named_directory_or_vault_serves() {
    let home = Home::new().with("KEYWARD_HOME", "kept");
    with_home(&home, None, &["put", "X", "v"]).succeeds();
    assert_eq!(with_home(&home, None, &["get", "X"]).stdout, b"v");
    assert!(home.path().join("kept/vault").exists() && home.path().join("kept/machine").exists());
}

#[test]
fn with_a_key_a_named_vault_needs_no_home_at_all() {
    let home = Home::new().with("KEYWARD_VAULT_KEY", "kwk1_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB6p2BF");
    with_home(&home, None, &["put", "X", "v", "--vault", "here/vault"]).succeeds();
    assert_eq!(with_home(&home, None, &["get", "X", "--vault", "here/vault"]).stdout, b"v");
}

#[test]
fn xdg_directories_are_used() {
    let home = Home::new();
    let data = home.path().join("data").display().to_string();
    let home = home.with("XDG_DATA_HOME", &data).with("XDG_STATE_HOME", "relative counts as unset");
    home.put("X", "v");
    assert!(home.path().join("data/keyward/vault").exists() && home.seeds().exists());
}

#[test]
fn root_with_the_home_of_a_user_creates_nothing_there() {
    let (user, root) = (OrdinaryUser::new(), Home::new());
    let theirs = user.home();
    let path = theirs.path().to_str().unwrap();
    let said = with_home(&root, Some(path), &["put", "X", "v"]);
    said.fails(1, &["error: ", "user ", "hint: "]);
    assert!(said.stderr.contains("`sudo -H -u '#") || said.stderr.contains("run `"), "{said}");
    assert_eq!(fs::read_dir(theirs.path()).unwrap().count(), 0, "{said}");
}

#[test]
fn root_with_the_home_of_a_user_leaves_the_users_vault_alone() {
    let (user, root) = (OrdinaryUser::new(), Home::new());
    let theirs = user.home();
    theirs.put("X", "v");
    let before = fs::read(theirs.vault()).unwrap();
    let path = theirs.path().to_str().unwrap();
    for line in [&["get", "X"][..], &["list"], &["put", "X", "w"], &["rm", "X"]] {
        with_home(&root, Some(path), line)
            .fails(1, &["belongs to user ", "not to user 0", "hint: run `sudo -H -u '#"]);
    }
    assert_eq!(fs::read(theirs.vault()).unwrap(), before);
    assert_eq!(theirs.get("X"), b"v");
}

#[test]
fn a_user_with_roots_home_is_refused() {
    let (user, roots) = (OrdinaryUser::new(), Home::new());
    roots.put("X", "v");
    let theirs = user.home();
    let path = roots.path().to_str().unwrap();
    for line in [&["get", "X"][..], &["list"], &["put", "X", "w"]] {
        with_home(&theirs, Some(path), line).fails(1, &["error: ", "Permission denied", "hint: "]);
    }
    assert_eq!(roots.get("X"), b"v");
}

#[test]
fn an_ordinary_user_has_a_vault_without_any_set_up() {
    let user = OrdinaryUser::new();
    let home = user.home();
    home.put("X", "v");
    assert_eq!(home.get("X"), b"v");
}
