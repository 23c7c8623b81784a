//! `.keyward.toml`: a directory claims a workspace, and the vault says whether it may have it.

use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::process::Command;

use keyward_tests::{Finished, Home, feed};

/// A home with the workspace `web` bound to `repository` and a secret in it; `clone` claims the same id.
fn bound() -> Home {
    let home = Home::new();
    home.write("repository/.keyward.toml", "workspace = \"web\"\n");
    home.write("repository/src/deep/file", "");
    home.write("clone/.keyward.toml", "workspace = \"web\"\n");
    run_in(&home, "repository", "put X v").succeeds();
    home
}

fn command_in(home: &Home, directory: &str, line: &str) -> Command {
    let mut command = home.command(line.split(' '));
    command.current_dir(home.path().join(directory));
    command
}

/// Runs a command in a directory of the home; the secret's value is its stdin.
fn run_in(home: &Home, directory: &str, line: &str) -> Finished {
    feed(&mut command_in(home, directory, line), b"from stdin")
}

#[test]
fn the_first_put_binds_a_directory_to_a_new_id() {
    let home = bound();
    assert_eq!(run_in(&home, "repository", "get X").succeeds().text(), "v");
    assert_eq!(run_in(&home, "repository/src/deep", "get X").succeeds().text(), "v", "from below");
    home.run(["get", "X"]).fails(4, &["no secret X in workspace default"]);
}

#[test]
fn a_clone_with_a_stolen_id_gets_no_value_and_changes_none() {
    let home = bound();
    let before = fs::read(home.vault()).unwrap();
    for line in [
        "get X",
        "run -- printenv X",
        "run --only X -- true",
        "put X",
        "put Y",
        "connections set --id a --kind cron --label A --no-auth",
        "connections rm a",
        "rm X",
        "rollback X --to 1",
        "init",
    ] {
        let refused = run_in(&home, "clone", line);
        refused.fails(
            10,
            &[
                "error: workspace web is not bound to ",
                "/clone\n",
                "`keyward init --bind`",
                "`--workspace ID`",
            ],
        );
        assert!(!refused.to_string().contains("v\n--- stderr"), "{refused}");
    }
    assert_eq!(fs::read(home.vault()).unwrap(), before);
}

#[test]
fn a_stolen_id_of_another_tenant_is_another_workspace() {
    let home = bound();
    run_in(&home, "clone", "get X --tenant acme").fails(4, &["no secret X in workspace web"]);
}

#[test]
fn an_id_whose_workspace_was_filled_by_name_is_not_free() {
    let home = Home::new();
    home.run_with_input(["put", "X", "--workspace", "web"], "v").succeeds();
    home.write("clone/.keyward.toml", "workspace = \"web\"\n");
    run_in(&home, "clone", "get X").fails(10, &["workspace web is not bound to"]);
}

#[test]
fn the_workspace_on_the_command_line_is_consent() {
    let home = bound();
    assert_eq!(run_in(&home, "clone", "get X --workspace web").succeeds().text(), "v");
    assert_eq!(run_in(&home, "clone", "run --workspace web -- printenv X").succeeds().text(), "v\n");
    run_in(&home, "clone", "get X").fails(10, &[]);
}

#[test]
fn init_bind_lets_a_second_directory_in() {
    let home = bound();
    run_in(&home, "clone", "init --bind").fails(0, &["/clone uses workspace web"]);
    assert_eq!(run_in(&home, "clone", "get X").succeeds().text(), "v");
    assert_eq!(run_in(&home, "repository", "get X").succeeds().text(), "v");
}

#[test]
fn init_binds_a_new_id_before_the_first_put() {
    let home = Home::new();
    home.write("repository/.keyward.toml", "workspace = \"web\"\n");
    home.write("clone/.keyward.toml", "workspace = \"web\"\n");
    run_in(&home, "repository", "init").fails(0, &["/repository uses workspace web"]);
    run_in(&home, "clone", "put X").fails(10, &["workspace web is not bound to"]);
    run_in(&home, "repository", "put X").succeeds();
}

#[test]
fn a_moved_repository_has_to_be_bound_again() {
    let home = bound();
    fs::rename(home.path().join("repository"), home.path().join("moved")).unwrap();
    run_in(&home, "moved", "get X").fails(10, &["`keyward init --bind`"]);
}

#[test]
fn the_nearest_file_counts() {
    let home = bound();
    home.write("repository/src/.keyward.toml", "workspace = \"src\"\n");
    run_in(&home, "repository/src/deep", "put X").fails(0, &["stored X in workspace src"]);
}

/// Puts something else in the place of the clone's file and returns what `list` says.
fn list_with(change: impl FnOnce(&std::path::Path)) -> Finished {
    let home = bound();
    let file = home.path().join("clone/.keyward.toml");
    fs::remove_file(&file).unwrap();
    change(&file);
    let listed = run_in(&home, "clone", "list");
    run_in(&home, "clone", "get X --workspace web").succeeds();
    listed
}

#[test]
fn a_file_of_somebody_else_is_refused() {
    let said = list_with(|file| {
        fs::write(file, "workspace = \"web\"").unwrap();
        chown(file, Some(4711), None).expect("the tests run as root");
    });
    said.fails(
        10,
        &["/clone/.keyward.toml is not used: it belongs to user 4711, you are user 0", "`--workspace ID`"],
    );
}

#[test]
fn a_file_that_is_no_toml_is_refused() {
    list_with(|file| fs::write(file, "workspace: canary").unwrap())
        .fails(10, &["/clone/.keyward.toml is not used: "]);
    list_with(|file| fs::write(file, "workspace = 1").unwrap()).fails(10, &["is not used: "]);
    list_with(|file| fs::write(file, "workspace = \"../x\"").unwrap()).fails(10, &["an id is 1 to 64"]);
    list_with(|file| fs::write(file, b"workspace = \"\xff\"").unwrap()).fails(1, &["cannot read ", "UTF-8"]);
}

#[test]
fn a_file_that_names_no_workspace_leaves_the_default_one() {
    list_with(|file| fs::write(file, "").unwrap()).succeeds();
    list_with(|file| fs::write(file, "[creds]\nproviders = [\"openai\"]\n").unwrap()).succeeds();
    let home = bound();
    home.write("repository/src/.keyward.toml", "");
    run_in(&home, "repository/src/deep", "put Y").fails(0, &["stored Y in workspace default"]);
}

#[test]
fn a_file_that_is_too_large_is_refused() {
    let text = format!("workspace = \"web\"\n{}", "#\n".repeat(40_000));
    list_with(|file| fs::write(file, text).unwrap()).fails(10, &["it is larger than 65536 bytes"]);
}

#[test]
fn a_link_or_a_directory_in_the_files_place_is_refused() {
    list_with(|file| symlink("../repository/.keyward.toml", file).unwrap())
        .fails(10, &["it is no plain file"]);
    list_with(|file| symlink("nowhere", file).unwrap()).fails(10, &["it is no plain file"]);
    list_with(|file| fs::create_dir(file).unwrap()).fails(10, &["it is no plain file"]);
}
