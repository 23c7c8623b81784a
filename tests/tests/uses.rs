//! `uses`: which connections break if a secret is rotated.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use keyward_tests::Home;
use keyward_tests::transcript::Transcript;

fn connect(home: &Home, id: &str, secret: &str, options: &[&str]) {
    let start =
        ["connections", "set", "--id", id, "--kind", "github", "--label", "Code", "--secret-id", secret];
    home.run([&start, options].concat()).succeeds();
}

fn users(home: &Home, arguments: &[&str]) -> Vec<String> {
    let answer = home.run([&["uses", "--json"], arguments].concat()).json();
    let rows = answer["connections"].as_array().unwrap().clone();
    rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_connections_of_a_secret_are_listed() {
    let home = Home::new();
    home.put("GITHUB_TOKEN", "v");
    home.put("UNUSED", "v");
    connect(&home, "code", "GITHUB_TOKEN", &[]);
    connect(&home, "issues", "GITHUB_TOKEN", &[]);
    connect(&home, "later", "LATER", &["--allow-missing"]);
    let mut said = Transcript::of(&home);
    said.run("uses GITHUB_TOKEN").run("uses GITHUB_TOKEN --json").run("uses LATER").run("uses LATER --json");
    said.run("uses UNUSED").run("uses UNUSED --json").run("uses NONE").run("uses NONE --json");
    insta::assert_snapshot!(said.text());
}

#[test]
fn an_absent_vault_has_no_such_secret() {
    let home = Home::new();
    home.run(["uses", "A"]).fails(4, &["no secret A in workspace default or tenant default"]);
    assert!(!home.vault().exists());
}

#[test]
fn every_workspace_that_uses_the_secret_of_the_tenant_is_listed() {
    let home = Home::new();
    home.run_with_input(["put", "SHARED", "--scope", "tenant"], "v").succeeds();
    connect(&home, "here", "SHARED", &[]);
    connect(&home, "there", "SHARED", &["--workspace", "web"]);
    connect(&home, "above", "SHARED", &["--scope", "tenant"]);
    assert_eq!(users(&home, &["SHARED"]), ["here", "there", "above"]);
    assert_eq!(users(&home, &["SHARED", "--workspace", "api"]), ["here", "there", "above"]);
}

#[test]
fn a_secret_of_the_same_name_elsewhere_is_another_one() {
    let home = Home::new();
    home.put("A", "v");
    home.run_with_input(["put", "A", "--scope", "tenant"], "v").succeeds();
    home.run_with_input(["put", "A", "--tenant", "acme"], "v").succeeds();
    connect(&home, "workspace", "A", &[]);
    connect(&home, "tenant", "A", &["--scope", "tenant"]);
    connect(&home, "acme", "A", &["--tenant", "acme"]);
    assert_eq!(users(&home, &["A"]), ["workspace", "tenant"], "of both scopes that `get` looks into");
    assert_eq!(users(&home, &["A", "--scope", "tenant"]), ["tenant"]);
    assert_eq!(users(&home, &["A", "--scope", "workspace"]), ["workspace"]);
    assert_eq!(users(&home, &["A", "--tenant", "acme"]), ["acme"]);
}

#[test]
fn a_name_that_is_none_is_not_repeated() {
    let refused = Home::new().run(["uses", "A=s3cret"]);
    assert!(refused.code == 2 && !refused.to_string().contains("s3cret"), "{refused}");
}
