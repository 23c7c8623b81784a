//! `creds guide`: the way from nothing to all credentials, as Markdown.

use keyward_tests::transcript::Transcript;
use keyward_tests::{Finished, Home, vault_file};

const CANARY: &str = "canary-1b9e-value";

fn guide(home: &Home, options: &[&str]) -> Finished {
    home.run([&["creds", "guide"], options].concat())
}

/// A home that requires a provider that is done, two that are not, one that needs nothing, and a key.
fn declared() -> Home {
    let home = Home::new().with("OPENAI_API_KEY", CANARY);
    home.write(
        ".keyward.toml",
        "[creds]\nproviders = [\"openai\", \"slack\", \"bedrock\", \"ollama\"]\nkeys = [\"MY_TOKEN\"]\n",
    );
    home
}

#[test]
fn ak_15_creds_guide_prints_the_whole_playbook() {
    let home = declared();
    let mut said = Transcript::of(&home);
    said.run("creds guide").run("creds guide slack --json");
    insta::assert_snapshot!(said.text());
}

#[test]
fn ak_15_whoever_follows_the_guide_has_all_credentials() {
    let home = declared();
    let text = guide(&home, &[]).succeeds().text();
    let commands: Vec<&str> = text.lines().filter(|line| line.starts_with("keyward put ")).collect();
    assert_eq!(commands.len(), 3, "{text}");
    for command in commands {
        home.run_with_input(command.split(' ').skip(1), "x").succeeds();
    }
    let text = guide(&home, &[]).succeeds().text();
    assert!(text.contains("Nothing is missing.") && !text.contains("to do"), "{text}");
    assert!(!text.contains("keyward put "), "{text}");
    home.run(["creds", "check"]).succeeds();
}

#[test]
fn ak_15_the_job_for_ci_runs_and_fails_where_a_key_is_missing() {
    let home = declared();
    let text = guide(&home, &[]).succeeds().text();
    let job = text.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a job");
    let command = job.lines().find_map(|line| line.trim().strip_prefix("- run: keyward ")).expect("a step");
    let names = job.lines().filter_map(|line| line.split_once(": ${{ secrets.").map(|(name, _)| name.trim()));
    let mut keys: Vec<(String, String)> = names.map(|name| (name.to_owned(), "x".to_owned())).collect();
    assert_eq!(keys.len(), 4, "{job}");
    let run = |keys: &[(String, String)]| {
        home.command(command.split(' ')).envs(keys.iter().cloned()).output().expect("keyward starts")
    };
    assert_eq!(run(&keys).status.code(), Some(0));
    let (name, _) = keys.pop().expect("a key");
    let failed = run(&keys);
    assert_eq!(failed.status.code(), Some(7));
    assert!(String::from_utf8_lossy(&failed.stdout).contains(&name));
}

#[test]
fn ak_15_without_a_declaration_it_says_how_to_begin() {
    let home = Home::new();
    let text = guide(&home, &[]).succeeds().text();
    assert!(text.contains("keyward creds require openai slack"), "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("- `")).count(), 53, "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("### ")).count(), 16, "{text}");
    assert!(!home.path().join(".local").exists(), "nothing is created");
}

#[test]
fn what_is_there_counts_where_nothing_is_declared() {
    let home = Home::new();
    home.put("GH_TOKEN", "x");
    let object = guide(&home, &["--json"]).succeeds().json();
    assert_eq!(
        (object["chosen"].as_str(), object["providers"][0]["id"].as_str()),
        (Some("detected"), Some("github"))
    );
    let text = guide(&home, &[]).succeeds().text();
    assert!(text.contains("## GitHub: done\n\n- [x] `GITHUB_TOKEN`: present (vault, as GH_TOKEN)"), "{text}");
    assert!(text.contains("keyward creds check --provider github"), "{text}");
}

/// Stores a connection to a secret that is not there.
fn connect(home: &Home, id: &str, secret: &str) {
    let start = ["connections", "set", "--id", id, "--kind", "slack", "--label", "Alerts"];
    home.run([&start[..], &["--secret-id", secret, "--allow-missing"]].concat()).succeeds();
}

#[test]
fn a_connection_counts_where_nothing_is_declared() {
    let home = Home::new();
    connect(&home, "alerts", "SLACK_BOT_TOKEN");
    let text = guide(&home, &[]).succeeds().text();
    assert!(text.contains("## Slack: to do\n"), "{text}");
    assert!(text.contains("keyward put SLACK_BOT_TOKEN\n"), "{text}");
    assert!(!text.contains("in use here: 0"), "{text}");
}

#[test]
fn the_secret_of_a_connection_to_no_provider_is_guided_to() {
    let home = Home::new();
    connect(&home, "own", "CUSTOM_SLACK");
    let text = guide(&home, &[]).succeeds().text();
    assert!(text.contains("- [ ] `CUSTOM_SLACK`: missing\n"), "{text}");
    assert!(text.contains("```sh\nkeyward creds check\n```"), "{text}");
    assert!(text.contains("keyward creds require --key CUSTOM_SLACK\n"), "{text}");
    home.run(["creds", "require", "--key", "CUSTOM_SLACK"]).succeeds();
    assert!(guide(&home, &[]).succeeds().text().contains("secrets.CUSTOM_SLACK"));
}

#[test]
fn the_named_provider_counts_whatever_is_declared() {
    let text = guide(&declared(), &["Claude"]).succeeds().text();
    assert!(text.contains("## Anthropic: to do") && !text.contains("Slack"), "{text}");
    assert!(!text.contains("MY_TOKEN"), "{text}");
}

#[test]
fn no_line_is_longer_than_a_terminal_but_addresses() {
    let home = Home::new();
    let all = home.run(["creds", "list", "--all", "--json"]).json();
    let ids: Vec<&str> =
        all["providers"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    let named = ids.iter().map(|id| guide(&home, &[id]));
    let several = ids.chunks(4).map(|ids| guide(&home, ids));
    for said in named.chain(several).chain([guide(&home, &[]), guide(&declared(), &[])]) {
        for line in said.succeeds().text().lines() {
            assert!(line.chars().count() <= 80 || line.starts_with('<'), "{line}");
        }
    }
}

#[test]
fn ak_10_creds_guide_never_shows_a_value() {
    let home = declared();
    home.put("SLACK_BOT_TOKEN", CANARY);
    for options in [&[][..], &["--json"], &["-v"], &["openai"], &["slack", "--json", "-v"]] {
        let said = guide(&home, options);
        assert!(!said.succeeds().to_string().contains("canary"), "{said}");
    }
}

#[test]
fn a_vault_that_does_not_open_leaves_keys_to_do() {
    let home = Home::new();
    vault_file::place(&home.vault(), b"no vault at all");
    let said = guide(&home, &["openai"]);
    said.fails(0, &["cannot read ", "unknown"]);
    assert!(said.text().contains("- [ ] `OPENAI_API_KEY`: unknown"), "{said}");
}

#[test]
fn an_air_gap_leaves_cloud_providers_out() {
    let text = guide(&declared(), &["--air-gap"]).succeeds().text();
    assert!(text.contains("## Slack: left out in an air gap"), "{text}");
    assert!(text.contains("keyward creds check --air-gap\n"), "{text}");
    assert!(!text.contains("SLACK_BOT_TOKEN"), "{text}");
}

#[test]
fn an_unknown_provider_is_wrong_usage() {
    guide(&Home::new(), &["opnai"]).fails(2, &["unknown provider: opnai", "did you mean openai"]);
}

#[test]
fn no_file_gets_a_command_of_its_own_into_the_guide() {
    let home = Home::new();
    for key in ["x; rm -rf ~", "$(id)", "A`id`", "A\\nB", "", "--help"] {
        home.write(".keyward.toml", format!("[creds]\nkeys = [\"{key}\"]\n"));
        let said = guide(&home, &[]);
        said.fails(1, &["/.keyward.toml is not understood, line 2", "hint: correct the file; "]);
        assert_eq!(said.text(), "", "{key}");
    }
}
