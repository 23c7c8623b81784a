//! Connections carried from one vault to another in a bundle, together with secrets or alone.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs;

use keyward_tests::transcript::Transcript;
use keyward_tests::{Finished, Home};
use serde_json::Value;

const PASSPHRASE: &str = "correct horse battery staple";

/// A home that has the passphrase of bundles.
fn home() -> Home {
    Home::new().with("KEYWARD_BUNDLE_PASSPHRASE", PASSPHRASE)
}

fn connect(home: &Home, id: &str, options: &[&str]) {
    let start = ["connections", "set", "--id", id, "--kind", "slack", "--label", "Alerts"];
    home.run([&start, options].concat()).succeeds();
}

/// A home with two secrets, and a connection to one of them, to none and to a secret that is not there.
fn connected() -> Home {
    let home = home();
    home.put("TOKEN", "canary-1");
    home.run_with_input(["put", "SHARED", "--scope", "tenant"], "canary-2").succeeds();
    connect(&home, "alerts", &["--secret-id", "TOKEN", "--set", "channel=#a"]);
    connect(&home, "code", &["--secret-id", "SHARED"]);
    connect(&home, "later", &["--secret-id", "LATER", "--allow-missing"]);
    connect(&home, "nightly", &["--no-auth", "--scope", "tenant"]);
    home
}

/// Makes a bundle in `home` and returns another home that has it as `b`.
fn carried(home: &Home, options: &[&str]) -> Home {
    home.run([&["bundle", "create", "b", "--light", "--force"], options].concat()).succeeds();
    let other = self::home();
    fs::copy(home.path().join("b"), other.path().join("b")).unwrap();
    other
}

fn open(home: &Home, options: &[&str]) -> Finished {
    home.run([&["bundle", "open", "b"], options].concat())
}

/// What `bundle open --json` says of connections, as `id outcome`.
fn outcomes(said: &Finished) -> Vec<String> {
    let said = said.succeeds().json();
    let text = |row: &Value, field: &str| row[field].as_str().unwrap().to_owned();
    let rows = said["connections"].as_array().unwrap();
    rows.iter().map(|row| format!("{} {}", text(row, "id"), text(row, "outcome"))).collect()
}

fn connections(home: &Home) -> Value {
    home.run(["connections", "list", "--all", "--json"]).succeeds().json()["connections"].take()
}

#[test]
fn connections_are_sealed_shown_and_merged_with_the_secrets() {
    let home = connected();
    let mut said = Transcript::of(&home);
    said.run("bundle create b --light").run("bundle create b --light --force --only TOKEN --json");
    let other = carried(&home, &[]);
    let mut there = Transcript::of(&other);
    there
        .run("bundle open b --dry-run")
        .run("bundle open b")
        .run("connections list")
        .run("bundle open b --json");
    let text = said.text() + &there.text();
    assert!(!text.contains("canary"), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn references_go_to_the_workspace_and_tenant_of_the_opener() {
    let other = carried(&connected(), &[]);
    open(&other, &["--workspace", "web", "--tenant", "acme"]).succeeds();
    let found = connections(&other);
    let places: Vec<[&Value; 3]> = found
        .as_array()
        .unwrap()
        .iter()
        .map(|row| [&row["workspace"], &row["auth"]["workspace"], &row["auth"]["resolves"]])
        .collect();
    let (web, none) = (&Value::from("web"), &Value::Null);
    let (resolves, dangles) = (&Value::from(true), &Value::from(false));
    assert_eq!(
        places,
        [[web, web, resolves], [web, none, resolves], [web, web, dangles], [none, none, none]],
        "{found}"
    );
    assert!(found.as_array().unwrap().iter().all(|row| row["tenant"] == "acme"), "{found}");
}

#[test]
fn only_some_secrets_take_the_connections_that_use_them() {
    let home = connected();
    let ids = |options: &[&str]| outcomes(&open(&carried(&home, options), &["--dry-run", "--json"]));
    assert_eq!(ids(&["--only", "TOKEN"]), ["alerts new"]);
    assert_eq!(ids(&["--only", "SHARED,TOKEN"]), ["alerts new", "code new"]);
    assert_eq!(ids(&["--scope", "tenant"]), ["nightly new"]);
    assert_eq!(ids(&["--scope", "workspace"]), ["alerts new", "code new", "later new"]);
    let all = carried(&home, &[]);
    assert_eq!(outcomes(&open(&all, &["--dry-run", "--json", "--scope", "tenant"])), ["nightly new"]);
}

#[test]
fn connections_of_other_workspaces_stay() {
    let home = connected();
    connect(&home, "elsewhere", &["--no-auth", "--workspace", "other"]);
    let said = open(&carried(&home, &[]), &["--dry-run", "--json"]);
    assert!(!outcomes(&said).iter().any(|row| row.starts_with("elsewhere")), "{said}");
}

#[test]
fn a_bundle_of_connections_alone_is_made_and_opened() {
    let home = home();
    connect(&home, "nightly", &["--no-auth"]);
    let other = carried(&home, &[]);
    open(&other, &[]).fails(0, &["merged 1 connection of b: 1 new\n"]);
    assert_eq!(connections(&other)[0]["id"], "nightly");
    other.run(["list"]).succeeds();
}

#[test]
fn one_other_connection_stops_the_whole_merge() {
    let other = carried(&connected(), &[]);
    connect(&other, "code", &["--no-auth"]);
    let before = fs::read(other.vault()).unwrap();
    open(&other, &["--json"]).fails_as(1, "exists");
    let refused =
        ["nothing was stored, the vault has other connections: code\n", "`--on-conflict overwrite`"];
    open(&other, &[]).fails(1, &refused);
    open(&other, &["--dry-run"]).fails(0, &["would merge nothing of b: 5 new, 1 conflict\n"]);
    assert_eq!(fs::read(other.vault()).unwrap(), before);
    other.run(["get", "TOKEN"]).fails(4, &[]);
}

#[test]
fn one_other_value_stops_the_connections_too() {
    let other = carried(&connected(), &[]);
    other.put("TOKEN", "mine");
    open(&other, &[]).fails(1, &["nothing was stored, the vault has other values of: TOKEN\n"]);
    assert_eq!(connections(&other), Value::Array(Vec::new()));
}

#[test]
fn other_connections_are_skipped_or_overwritten_on_request_in_one_commit() {
    let generation = |home: &Home| home.run(["status", "--json"]).json()["generation"].as_u64().unwrap();
    let home = connected();
    for (policy, outcome, secret) in
        [("skip", "skipped", Value::Null), ("overwrite", "overwritten", "SHARED".into())]
    {
        let other = carried(&home, &[]);
        connect(&other, "code", &["--no-auth"]);
        let (before, mine) = (generation(&other), connections(&other));
        let said = open(&other, &["--on-conflict", policy, "--json"]);
        assert_eq!(outcomes(&said), ["alerts new", &format!("code {outcome}"), "later new", "nightly new"]);
        let code = &connections(&other)[1];
        assert_eq!((&code["auth"]["secret"], &code["created"]), (&secret, &mine[0]["created"]));
        assert_eq!(generation(&other), before + 1);
        open(&other, &["--on-conflict", policy]).succeeds();
        assert_eq!(generation(&other), before + 1, "nothing is left to merge");
    }
}

#[test]
fn neither_ids_nor_labels_nor_settings_are_readable_in_a_bundle() {
    let home = connected();
    carried(&home, &[]);
    let bundle = fs::read(home.path().join("b")).unwrap();
    for needle in ["alerts", "Alerts", "channel", "TOKEN"] {
        assert!(!bundle.windows(needle.len()).any(|window| window == needle.as_bytes()), "{needle}");
    }
}
