//! `creds list`: providers, what they need, and what of that is there.

use std::fs;
use std::os::unix::fs::chown;

use keyward_tests::transcript::Transcript;
use keyward_tests::{Finished, Home, vault_file};

const CANARY: &str = "canary-71c0-value";

fn list(home: &Home, options: &[&str]) -> Finished {
    home.run([&["creds", "list"], options].concat())
}

fn ids(said: &Finished) -> Vec<String> {
    let object = said.succeeds().json();
    let providers = object["providers"].as_array().expect("a list").iter();
    providers.map(|provider| provider["id"].as_str().expect("an id").to_owned()).collect()
}

#[test]
fn ak_09_creds_list_shows_provider_kind_and_keys() {
    let home = Home::new().with("OPENAI_API_KEY", "x").with("SLACK_BOT_TOKEN", "");
    home.put("GH_TOKEN", "x");
    home.write(".keyward.toml", "[creds]\nproviders = [\"twilio\"]\nkeys = [\"MY_TOKEN\"]\n");
    let mut said = Transcript::of(&home);
    said.run("creds list").run("creds list --provider bedrock,ollama").run("creds list --kind s3");
    said.run("creds list --json --provider slack");
    insta::assert_snapshot!(said.text());
}

#[test]
fn ak_09_creds_list_filters_by_kind_and_provider() {
    let home = Home::new();
    assert_eq!(ids(&list(&home, &["--json", "--kind", "email"])).len(), 5);
    assert_eq!(ids(&list(&home, &["--json", "--provider", "Claude,slack"])), ["anthropic", "slack"]);
    assert_eq!(ids(&list(&home, &["--json", "--kind", "llm", "--provider", "slack"])), [""; 0]);
}

#[test]
fn all_lists_the_whole_registry() {
    let home = Home::new();
    let said = list(&home, &["--all", "--json"]);
    assert_eq!(ids(&said).len(), 53);
    let text = list(&home, &["--all"]).succeeds().text();
    for kind in
        "cdc cron discord email file github linear llm mcp pagerduty s3 sentry slack stripe twilio webhook"
            .split(' ')
    {
        assert!(text.lines().any(|line| line.split_whitespace().nth(1) == Some(kind)), "{kind}\n{text}");
    }
}

#[test]
fn ak_10_creds_list_never_shows_a_value() {
    let home = Home::new().with("OPENAI_API_KEY", CANARY).with("MY_TOKEN", CANARY);
    home.put("ANTHROPIC_API_KEY", CANARY);
    home.write(".keyward.toml", "[creds]\nkeys = [\"MY_TOKEN\"]\n");
    for options in [&[][..], &["--all"], &["--json"], &["-v"], &["--json", "-v", "--all"], &["-q"]] {
        let said = list(&home, options);
        assert!(!said.succeeds().to_string().contains("canary"), "{said}");
    }
}

#[test]
fn with_nothing_there_nothing_is_listed_and_nothing_is_made() {
    let home = Home::new();
    let said = list(&home, &[]);
    assert_eq!((said.code, said.text().as_str()), (0, ""), "{said}");
    assert!(said.stderr.contains("`keyward creds list --all` shows all 53"), "{said}");
    assert!(!home.path().join(".local").exists(), "nothing is created");
}

#[test]
fn what_connections_refer_to_is_listed() {
    let home = Home::new();
    for (id, secret) in [("alerts", "SLACK_BOT_TOKEN"), ("own", "CUSTOM_SLACK")] {
        let start = ["connections", "set", "--id", id, "--kind", "slack", "--label", "Alerts"];
        home.run([&start[..], &["--secret-id", secret, "--allow-missing"]].concat()).succeeds();
    }
    let said = list(&home, &["--json"]);
    assert_eq!(ids(&said), ["slack"]);
    assert_eq!(said.json()["keys"][0]["name"], "CUSTOM_SLACK");
    assert_eq!(list(&home, &["--json", "--provider", "groq"]).succeeds().json()["keys"].to_string(), "[]");
}

#[test]
fn a_locked_vault_leaves_keys_unknown_and_does_not_fail() {
    let home = Home::new();
    home.put("OPENAI_API_KEY", "x");
    fs::remove_dir_all(home.path().join(".local/state")).unwrap();
    let said = list(&home, &["--provider", "openai"]);
    assert!(said.succeeds().text().contains("OPENAI_API_KEY  unknown"), "{said}");
    assert!(said.stderr.contains("cannot unlock "), "{said}");
    assert_eq!(list(&home, &["--json"]).succeeds().json()["vault"], "unavailable");
}

#[test]
fn a_damaged_vault_does_not_hide_what_the_environment_has() {
    let home = Home::new().with("OPENAI_API_KEY", "x");
    vault_file::place(&home.vault(), b"no vault at all");
    let said = list(&home, &[]);
    assert!(said.succeeds().text().contains("OPENAI_API_KEY  malformed  environment"), "{said}");
    assert!(said.stderr.contains("cannot read "), "{said}");
}

#[test]
fn the_users_own_providers_are_listed_too() {
    let home = Home::new();
    let own =
        "[[provider]]\nid = 'own'\nname = 'Own'\nkind = 'webhook'\ncloud = false\nrequire = [['OWN_KEY']]\n";
    home.write(".config/keyward/providers.d/own.toml", own);
    assert_eq!(ids(&list(&home, &["--json", "--provider", "own"])), ["own"]);
    home.put("OWN_KEY", "x");
    assert_eq!(ids(&list(&home, &["--json"])), ["own"]);
}

#[test]
fn a_secret_of_another_workspace_is_not_there() {
    let home = Home::new();
    home.run_with_input(["put", "OPENAI_API_KEY", "--workspace", "web"], "x").succeeds();
    assert_eq!(ids(&list(&home, &["--json"])), [""; 0]);
    assert_eq!(ids(&list(&home, &["--json", "--workspace", "web"])), ["openai"]);
}

#[test]
fn an_air_gap_leaves_cloud_providers_out() {
    let said = list(&Home::new(), &["--all", "--air-gap", "--json"]);
    assert!(ids(&said).iter().any(|id| id == "ollama"), "{said}");
    assert!(!said.text().contains("\"cloud\":true"), "{said}");
}

#[test]
fn words_that_are_no_kind_or_no_provider_are_wrong_usage() {
    let home = Home::new();
    list(&home, &["--kind", "database"]).fails(2, &["database", "cdc"]);
    list(&home, &["--provider", "opnai"]).fails(2, &["unknown provider: opnai", "hint: did you mean openai"]);
    list(&home, &["--provider", "nothing-like-it"]).fails(2, &["`keyward creds list --all`"]);
    list(&home, &["--provider", ""]).fails(2, &["unknown provider"]);
}

#[test]
fn a_file_that_can_not_be_understood_is_an_error_with_its_line() {
    let home = Home::new();
    for (text, why) in [
        ("# one\n[creds\n", "line 2\n"),
        ("[creds]\nproviders = \"openai\"\n", "line 2\n"),
        ("[creds]\nkeys = [\"x; canary\"]\n", "a name that no environment variable can have"),
    ] {
        home.write(".keyward.toml", text);
        let said = list(&home, &[]);
        said.fails(1, &["error: ", "/.keyward.toml is not understood", why, "hint: "]);
        assert!(!said.to_string().contains("canary"), "{said}");
    }
}

#[test]
fn a_file_of_somebody_else_is_not_followed() {
    let home = Home::new();
    let file = home.write(".keyward.toml", "[creds]\nproviders = [\"openai\"]\n");
    chown(file, Some(4711), None).expect("the tests run as root");
    list(&home, &[]).fails(10, &["it belongs to user 4711"]);
}

#[test]
fn a_declared_provider_that_is_unknown_is_warned_of_and_the_rest_is_listed() {
    let home = Home::new();
    home.write(".keyward.toml", "[creds]\nproviders = [\"new\\u001b[2Jer\", \"slack\"]\n");
    let said = list(&home, &[]);
    assert!(said.succeeds().text().contains("slack"), "{said}");
    assert!(said.stderr.contains(".keyward.toml, line 2: unknown provider new\\u{1b}[2Jer"), "{said}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let said = Home::new().bash("$KEYWARD creds list --all | head -1; exit ${PIPESTATUS[0]}");
    assert_eq!((said.code, said.stderr.as_str(), said.text().lines().count()), (0, "", 1), "{said}");
}
