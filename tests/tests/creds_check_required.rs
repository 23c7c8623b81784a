//! `creds check`: what is required, by the options, by `.keyward.toml`, by use, or by nothing.

use std::fs;
use std::os::unix::fs::chown;

use keyward_tests::{Finished, Home};

fn check(home: &Home, options: &[&str]) -> Finished {
    home.run([&["creds", "check"], options].concat())
}

/// The ids of the providers that a check reports, in JSON.
fn ids(said: &Finished) -> Vec<String> {
    let providers = said.json()["providers"].as_array().unwrap().clone();
    providers.iter().map(|provider| provider["id"].as_str().unwrap().to_owned()).collect()
}

/// A home that is a repository requiring openai, slack and a name of its own.
fn repository() -> Home {
    let home = Home::new();
    home.write(".keyward.toml", "[creds]\nproviders = [\"openai\", \"slack\"]\nkeys = [\"MY_TOKEN\"]\n");
    home
}

#[test]
fn the_repository_says_what_is_required() {
    let home = repository().with("OPENAI_API_KEY", "x").with("GROQ_API_KEY", "x");
    let said = check(&home, &["--json"]);
    assert_eq!((said.code, said.json()["required_by"].as_str()), (7, Some("declaration")), "{said}");
    assert_eq!(ids(&said), ["openai", "slack"], "groq is in use and not declared");
    assert_eq!(said.json()["missing"].to_string(), r#"["SLACK_BOT_TOKEN","MY_TOKEN"]"#);
    home.put("SLACK_BOT_TOKEN", "x");
    home.put("MY_TOKEN", "x");
    check(&home, &[]).succeeds();
}

#[test]
fn a_file_that_declares_and_names_no_workspace_is_for_the_default_one() {
    let home = repository();
    home.run_with_input(["put", "A"], "x").fails(0, &["stored A in workspace default"]);
}

#[test]
fn a_declaration_is_found_from_below_and_needs_no_consent() {
    let home = repository();
    home.run_with_input(["put", "OTHER", "--workspace", "web"], "x").succeeds();
    let text = fs::read_to_string(home.path().join(".keyward.toml")).unwrap();
    home.write("clone/.keyward.toml", format!("workspace = \"web\"\n{text}"));
    home.write("clone/src/deep/file", "");
    let mut command = home.command(["creds", "check", "--json"]);
    let said = Finished::from(command.current_dir(home.path().join("clone/src/deep")).output().unwrap());
    assert_eq!((said.code, ids(&said)), (7, vec!["openai".to_owned(), "slack".to_owned()]), "{said}");
}

#[test]
fn options_go_before_the_declaration() {
    let home = repository().with("GROQ_API_KEY", "x");
    let said = check(&home, &["--provider", "groq", "--json"]);
    assert_eq!(ids(said.succeeds()), ["groq"]);
    assert_eq!(said.json()["keys"].as_array().unwrap().len(), 0);
    home.write("template", "OWN=\n");
    let said = check(&home, &["--require-file", "template", "--json"]);
    assert_eq!((said.code, said.json()["missing"].to_string()), (7, r#"["OWN"]"#.to_owned()), "{said}");
    assert!(ids(&said).is_empty());
    home.write(".keyward.toml", "[creds]\nproviders = 1\n");
    check(&home, &["--provider", "groq"]).succeeds();
}

#[test]
fn a_kind_narrows_what_is_required() {
    let home = repository();
    let said = check(&home, &["--kind", "slack", "--json"]);
    assert_eq!((said.code, ids(&said)), (7, vec!["slack".to_owned()]), "{said}");
    assert_eq!(said.json()["missing"].to_string(), r#"["SLACK_BOT_TOKEN"]"#, "a name is of no kind");
    check(&home, &["--kind", "stripe"]).fails(0, &["nothing is required, so nothing was checked"]);
    let said = check(&home, &["--all", "--kind", "email", "--json"]);
    assert_eq!((said.code, ids(&said).len() > 2), (7, true), "{said}");
    check(&home, &["--provider", "openai", "--kind", "slack"]).fails(
        2,
        &[
            "no provider that `--provider` names is of the kind slack",
            "hint: `keyward creds list --kind slack`",
        ],
    );
    check(&home, &["--provider", "openai,slack", "--kind", "llm", "--air-gap"])
        .fails(0, &["nothing was checked"]);
    check(&home, &["--kind", "http"]).fails(2, &["possible values: cdc, cron, "]);
}

#[test]
fn a_declaration_that_is_not_understood_is_no_check_that_passes() {
    for (text, line) in [
        ("[creds]\nprovider = ['openai']\n", 2),
        ("[creds]\nproviders = 'openai'\n", 2),
        ("\n[creds]\nkeys = ['A', 'B C']\n", 3),
        ("[creds\n", 1),
    ] {
        let home = Home::new();
        home.write(".keyward.toml", text);
        let line = format!("/.keyward.toml is not understood, line {line}");
        check(&home, &[]).fails(1, &[&line, "hint: correct the file; "]);
    }
    let home = Home::new();
    home.write(".keyward.toml", "[creds]\nproviders = [\n'opnai']\n");
    check(&home, &[]).fails(
        2,
        &["unknown provider: opnai", "caused by: required in .keyward.toml, line 3", "did you mean openai?"],
    );
}

#[test]
fn a_declaration_of_somebody_else_is_refused() {
    let home = repository();
    chown(home.path().join(".keyward.toml"), Some(4711), None).expect("the tests run as root");
    check(&home, &[]).fails(10, &["it belongs to user 4711", "hint: correct the file; "]);
    let large = format!("[creds]\nproviders = ['openai']\n{}", "#\n".repeat(40_000));
    home.write("large/.keyward.toml", large);
    let mut command = home.command(["creds", "check"]);
    let said = Finished::from(command.current_dir(home.path().join("large")).output().unwrap());
    said.fails(10, &["it is larger than 65536 bytes"]);
}

#[test]
fn an_empty_declaration_declares_nothing() {
    let home = Home::new().with("GROQ_API_KEY", "x");
    home.write(".keyward.toml", "[creds]\nproviders = []\n");
    let said = check(&home, &["--json"]);
    assert_eq!(said.succeeds().json()["required_by"], "use");
}

#[test]
fn a_template_requires_its_names_whatever_their_values() {
    let home = Home::new().with("A", "x");
    home.write("template", "# ours\nC=\nexport B='#'\nA=1\n");
    let said = check(&home, &["--require-file", "template", "--source", "env"]);
    said.fails(7, &["missing: C, B\n", "`keyward put C` stores it; `keyward creds guide` says where"]);
    assert!(said.text().contains("template     B     missing  -\n"), "{said}");
    home.write("more", "A=\nD=\n");
    let said = check(&home, &["--require-file", "template", "--require-file", "more", "--json"]);
    assert_eq!(said.json()["keys"].as_array().unwrap().len(), 4, "{said}");
    home.bash("$KEYWARD creds check --require-file <(echo A=)").succeeds();
}

#[test]
fn a_template_that_is_none_is_told_by_line_and_never_by_content() {
    for (text, line) in [("A=1\ncanary\n", 2), ("A=1\n\ncanary-key=x\n", 3), ("A=1\ncanary/+9==\n", 2)] {
        let home = Home::new();
        home.write("template", text);
        for form in ["text", "json", "github"] {
            let said = check(&home, &["--require-file", "template", "--format", form]);
            said.fails(1, &["error: cannot read template", &format!("line {line}"), "hint: "]);
            assert!(!said.to_string().contains("canary"), "{said}");
        }
    }
    check(&Home::new(), &["--require-file", "nosuch"]).fails(1, &["cannot read nosuch"]);
    let home = Home::new();
    home.write("template", "");
    check(&home, &["--require-file", "template"]).fails(0, &["nothing is required"]);
}

#[test]
fn all_means_every_known_provider_without_a_note() {
    let said = check(&Home::new(), &["--all", "--json"]);
    assert_eq!((said.code, ids(&said).len(), said.json()["assumed_all"].as_bool()), (7, 53, Some(false)));
    assert!(!said.stderr.contains("so all known"), "{said}");
    check(&Home::new(), &["--all", "--provider", "openai"]).fails(2, &["cannot be used with"]);
}

#[test]
fn a_provider_in_use_counts_under_an_alias_and_with_a_blank_value() {
    let home = Home::new().with("GH_TOKEN", "").with("GOOGLE_API_KEY", "x");
    let said = check(&home, &["--json"]);
    assert_eq!((said.code, ids(&said)), (7, vec!["google-gemini".to_owned(), "github".to_owned()]));
    assert_eq!(said.json()["required_by"], "use");
    let text = check(&home, &[]).text();
    assert!(text.contains("GITHUB_TOKEN    empty      environment, as GH_TOKEN\n"), "{text}");
    assert!(text.contains("GEMINI_API_KEY  malformed  environment, as GOOGLE_API_KEY\n"), "{text}");
}

#[test]
fn where_nothing_is_in_use_all_count_and_the_way_out_is_said() {
    let said = check(&Home::new(), &[]);
    said.fails(
        7,
        &["all known providers are checked", "`keyward creds require PROVIDER` declares yours", " more\n"],
    );
    assert!(!said.stderr.contains("keyward put"), "{said}");
}

/// Stores a connection to Slack with these options behind.
fn connect(home: &Home, id: &str, options: &[&str]) {
    let start = ["connections", "set", "--id", id, "--kind", "slack", "--label", "Alerts"];
    home.run([&start, options].concat()).succeeds();
}

#[test]
fn a_connection_requires_the_provider_of_its_secret() {
    let home = Home::new();
    connect(&home, "alerts", &["--secret-id", "SLACK_BOT_TOKEN", "--allow-missing"]);
    let said = check(&home, &["--json"]);
    assert_eq!((said.code, said.json()["required_by"].as_str()), (7, Some("use")), "{said}");
    assert_eq!(ids(&said), ["slack"]);
    assert_eq!(said.json()["missing"].to_string(), r#"["SLACK_BOT_TOKEN"]"#);
    let outside = check(&home, &["--source", "env,file", "--json"]);
    assert_eq!(outside.json()["assumed_all"], true, "the vault is not looked into: {outside}");
    home.put("SLACK_BOT_TOKEN", "x");
    assert_eq!(ids(check(&home, &["--json"]).succeeds()), ["slack"]);
}

#[test]
fn a_connection_matters_beside_what_occurs_and_where_nothing_is_declared() {
    let home = Home::new().with("GROQ_API_KEY", "x");
    connect(&home, "alerts", &["--secret-id", "SLACK_WEBHOOK_URL", "--allow-missing", "--scope", "tenant"]);
    let said = check(&home, &["--json"]);
    assert_eq!((said.code, ids(&said)), (7, vec!["groq".to_owned(), "slack".to_owned()]), "{said}");
    home.write(".keyward.toml", "[creds]\nproviders = [\"groq\"]\n");
    check(&home, &[]).succeeds();
}

#[test]
fn a_connection_requires_a_secret_that_no_provider_has() {
    let home = Home::new();
    connect(&home, "own", &["--secret-id", "CUSTOM_SLACK", "--allow-missing"]);
    let said = check(&home, &["--json"]);
    assert_eq!((said.code, said.json()["assumed_all"].as_bool()), (7, Some(false)), "{said}");
    assert_eq!(said.json()["missing"].to_string(), r#"["CUSTOM_SLACK"]"#);
    assert!(ids(&said).is_empty());
    let text = check(&home, &[]).text();
    assert!(
        text.contains("REQUIRED BY  NAME          STATE    SOURCE\nconnection   CUSTOM_SLACK  missing  -\n"),
        "{text}"
    );
    let annotated = check(&home, &["--format", "github"]).text();
    assert!(annotated.ends_with("::CUSTOM_SLACK is missing: a connection requires it\n"), "{annotated}");
    connect(&home, "alerts", &["--secret-id", "SLACK_BOT_TOKEN", "--allow-missing"]);
    let both = check(&home, &["--json"]);
    assert_eq!(both.json()["missing"].to_string(), r#"["SLACK_BOT_TOKEN","CUSTOM_SLACK"]"#);
    let declared = check(&home, &["--provider", "ollama", "--json"]);
    assert_eq!(declared.succeeds().json()["keys"].to_string(), "[]");
}

#[test]
fn the_secret_of_a_connection_alone_may_be_in_any_source() {
    let home = Home::new();
    connect(&home, "own", &["--secret-id", "CUSTOM_SLACK", "--allow-missing"]);
    home.write("secrets.env", "CUSTOM_SLACK=x\n");
    check(&home, &["--secrets-file", "secrets.env"]).succeeds();
    home.put("CUSTOM_SLACK", "x");
    assert_eq!(check(&home, &["--json"]).succeeds().json()["keys"][0]["source"]["kind"], "vault");
    let home = home.with("CUSTOM_SLACK", "x");
    assert_eq!(check(&home, &["--json"]).succeeds().json()["keys"][0]["source"]["kind"], "env");
}

#[test]
fn connections_without_a_secret_or_of_another_workspace_require_nothing() {
    let home = Home::new();
    connect(&home, "open", &["--no-auth"]);
    connect(&home, "a", &["--secret-id", "SLACK_BOT_TOKEN", "--allow-missing", "--workspace", "web"]);
    let assumed = |options: &[&str]| check(&home, options).json()["assumed_all"].clone();
    assert_eq!(assumed(&["--json"]), true);
    assert_eq!(assumed(&["--json", "--workspace", "web"]), false);
}

#[test]
fn ak_13_an_air_gap_on_cloud_providers_alone_passes_and_says_so() {
    let home = Home::new();
    home.write(".keyward.toml", "[creds]\nproviders = [\"openai\", \"slack\"]\n");
    let said = check(&home, &["--air-gap"]);
    said.fails(0, &["nothing was checked: cloud providers are skipped in an air gap"]);
    assert_eq!(said.text().matches("skipped").count(), 2, "{said}");
    let used = Home::new().with("OPENAI_API_KEY", "");
    check(&used, &["--air-gap"]).fails(0, &["nothing was checked"]);
}

#[test]
fn ak_13_a_provider_restricts_the_check_to_it() {
    let home = Home::new().with("ANTHROPIC_API_KEY", "");
    let said = check(&home, &["--provider", "claude,ollama", "--provider", "anthropic", "--json"]);
    assert_eq!((said.code, ids(&said)), (7, vec!["anthropic".to_owned(), "ollama".to_owned()]));
}

#[test]
fn no_command_repeats_what_stands_in_a_workspace_file_it_does_not_understand() {
    for text in [
        "[creds]\nproviders = \"sk-live-canary\"\n",
        "[creds]\nkeys = [[\"sk-live-canary\"]]\n",
        "[creds]\nsk-live-canary = 1\n",
        "\nworkspace = [\"sk-live-canary\"]\n",
    ] {
        let home = Home::new();
        home.write(".keyward.toml", text);
        for line in ["creds check", "creds list", "creds guide", "creds require openai", "list", "get A"] {
            for form in [None, Some("--json"), Some("--verbose")] {
                let said = home.run(line.split(' ').chain(form));
                assert!(!said.to_string().contains("canary"), "{said}");
            }
        }
    }
    let home = Home::new();
    home.write(".keyward.toml", "[creds]\nproviders = \"sk-live-canary\"\n");
    let why = "caused by: `[creds]` has `providers` and `keys`, lists of texts\n";
    home.run(["creds", "check"]).fails(1, &["/.keyward.toml is not understood, line 2\n", why]);
}
