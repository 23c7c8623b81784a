//! `connections`: stored, shown and removed; always a reference, never a token.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs;

use keyward_tests::terminal::Terminal;
use keyward_tests::transcript::Transcript;
use keyward_tests::{Finished, Home, feed};

const TOKEN: &str = "xoxb-123456789012-abcdefghij";

/// A home with one secret in the workspace and one in the tenant.
fn home() -> Home {
    let home = Home::new();
    home.put("SLACK_BOT_TOKEN", "s3cret");
    home.run_with_input(["put", "SHARED", "--scope", "tenant"], "t0ken").succeeds();
    home
}

fn set(home: &Home, id: &str, options: &[&str]) -> Finished {
    let start = ["connections", "set", "--id", id, "--kind", "slack", "--label", "Alerts"];
    home.run([&start, options].concat())
}

/// The ids of all connections, in order.
fn ids(home: &Home) -> Vec<String> {
    let listed = home.run(["connections", "list", "--all", "--json"]).json();
    let rows = listed["connections"].as_array().unwrap().clone();
    rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn ak_20_connections_are_created_replaced_shown_and_removed() {
    let home = home();
    let mut said = Transcript::of(&home);
    said.run("connections set --id alerts --kind slack --label Alerts --secret-id SLACK_BOT_TOKEN --set channel=#a");
    said.run("connections set --id alerts --kind slack --label Alarms --secret-id SHARED --set region=eu");
    said.run("connections set --id nightly --kind cron --label Nightly --no-auth --scope tenant");
    said.run("connections set --id later --kind s3 --label Later --secret-id LATER --allow-missing");
    said.run("connections list").run("connections get alerts").run("connection get nightly");
    said.run("connections get later").run("connections rm alerts").run("connections delete later");
    said.run("connections rm nightly").run("connections rm nightly --scope tenant").run("connections ls");
    insta::assert_snapshot!(said.text());
}

#[test]
fn ak_22_connections_are_listed_read_and_removed_in_json() {
    let home = home();
    let mut said = Transcript::of(&home);
    said.run("connections set --id alerts --kind slack --label Alerts --secret-id SLACK_BOT_TOKEN --set b=2 --set a=1 --json");
    said.run("connections set --id cron --kind cron --label Nightly --no-auth --json");
    said.run("connections list --json").run("connections list --kind cron --json");
    said.run("connections get alerts --json").run("connections rm alerts --json");
    said.run("connections get alerts --json").run("connections kinds --json");
    insta::assert_snapshot!(said.text());
}

#[test]
fn an_absent_vault_has_no_connections_and_none_is_made_to_look() {
    let home = Home::new();
    let mut said = Transcript::of(&home);
    said.run("connections list")
        .run("connections list --json")
        .run("connections get a")
        .run("connections rm a");
    said.run("connections kinds").run("connections set --id a --kind slack --label A --secret-id TOKEN");
    assert!(!home.path().join(".local").exists(), "neither a vault nor a key for one");
    insta::assert_snapshot!(said.text());
}

#[test]
fn the_first_connection_makes_the_vault() {
    let home = Home::new();
    set(&home, "a", &["--no-auth"]).succeeds();
    assert!(home.vault().exists());
    let other = Home::new();
    set(&other, "a", &["--secret-id", "LATER", "--allow-missing"]).succeeds();
    assert_eq!(ids(&other), ["a"]);
}

#[test]
fn ak_19_a_token_in_the_place_of_a_name_is_refused_and_not_repeated() {
    let home = home();
    let tokens = [
        TOKEN,
        "sk-proj-4f9KQ2mZx7LcA1b2C3d4E5f6",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "q7Xk2Vb9Tn4Lz8Wc1Rf6",
        "kwk1_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh-gfp9k",
        "kw_live_0000000000AA_00000000000000000000000000000000000000000004OtDhs",
    ];
    let before = fs::read(home.vault()).unwrap();
    for token in tokens {
        let setting = format!("token={token}");
        // A key has at most 64 bytes; what is longer is refused for that.
        let key = format!("{}=x", &token[..token.len().min(64)]);
        let sentence = format!("Alerts with {token}");
        let places: [&[&str]; 5] = [
            &["--secret-id", token],
            &["--secret-id", token, "--allow-missing"],
            &["--no-auth", "--set", &setting],
            &["--no-auth", "--set", &key],
            &["--no-auth", "--label", &sentence],
        ];
        for options in places {
            let label: &[&str] = if options.contains(&"--label") { &[] } else { &["--label", "Alerts"] };
            for mode in ["-v", "--json"] {
                let start = ["connections", "set", "--id", "a", "--kind", "slack", mode];
                let refused = home.run([&start, label, options].concat());
                refused.fails(2, &["give the name of a secret, not the secret"]);
                assert!(!refused.to_string().contains(token), "{refused}");
            }
        }
    }
    assert_eq!(fs::read(home.vault()).unwrap(), before);
}

#[test]
fn a_token_of_the_form_of_an_id_is_no_id() {
    let home = home();
    let before = fs::read(home.vault()).unwrap();
    for token in
        ["sk-canary4f9kq2mz7xlca1b2c3d4e5f6", "7hd82kq0x1mz94bn5c3v", "9f86d081884c7d659a2feaa0c55ad015"]
    {
        let start = ["connections", "set", "--kind", "slack", "--label", "A", "--no-auth", "--id", token];
        let refused = home.run(start);
        refused.fails(2, &["caused by: `--id` looks like a key or a token itself"]);
        assert!(!refused.to_string().contains(token), "{refused}");
    }
    assert_eq!(fs::read(home.vault()).unwrap(), before);
    for id in ["slack-alerts-2024", "3f2504e0-4f89-11d3-9a0c-0305e82c3301", "my-company-production-eu-west-1"]
    {
        let start = ["connections", "set", "--kind", "slack", "--label", "A", "--no-auth", "--id", id];
        home.run(start).succeeds();
    }
}

#[test]
fn a_token_in_the_place_of_an_id_or_a_kind_is_not_repeated() {
    let home = home();
    let cases: [&[&str]; 6] = [
        &["set", "--id", "xoxb_ABC", "--kind", "slack", "--label", "A", "--no-auth"],
        &["set", "--id", "a", "--kind", "xoxb_ABC", "--label", "A", "--no-auth"],
        &["set", "--id", "a", "--kind", "slack", "--label", "A", "--no-auth", "--set", "xoxb_ABC"],
        &["set", "--id", "a", "--kind", "slack", "--label", "A", "--secret-id", "TOKEN=xoxb_ABC"],
        &["set", "--id", "a", "--kind", "slack", "--label", "A", "--no-auth", "xoxb_ABC"],
        &["get", "xoxb_ABC"],
    ];
    for arguments in cases {
        let refused = home.run([&["connections"], arguments].concat());
        assert!(refused.code == 2 && !refused.to_string().contains("xoxb_ABC"), "{refused}");
    }
}

#[test]
fn ordinary_names_labels_and_settings_are_stored() {
    let home = Home::new();
    home.put("SLACK_BOT_TOKEN_PRODUCTION_EU", "v");
    let settings = [
        "url=https://hooks.example.com/team/a",
        "bucket=my-company-backups-123456789012-eu-west-1",
        "id=3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        "mail=alerts+production@example.com",
        "path=/var/log/app/production/error.log",
        "equation=a=b",
        "empty=",
    ];
    let mut options = vec!["--secret-id", "SLACK_BOT_TOKEN_PRODUCTION_EU"];
    options.extend(settings.iter().flat_map(|setting| ["--set", setting]));
    set(&home, "a", &options).succeeds();
    let shown = home.run(["connections", "get", "a"]).text();
    for setting in settings {
        assert!(shown.contains(&format!("{setting}\n")), "{setting}: {shown}");
    }
}

#[test]
fn ak_20_exactly_one_of_secret_id_and_no_auth_is_taken() {
    let home = home();
    set(&home, "a", &[]).fails(2, &["--secret-id <NAME>|--no-auth"]);
    set(&home, "a", &["--no-auth", "--secret-id", "SHARED"]).fails(2, &["cannot be used with"]);
    set(&home, "a", &["--no-auth", "--allow-missing"]).fails(2, &["cannot be used with"]);
    assert!(ids(&home).is_empty());
}

#[test]
fn ak_21_the_kinds_are_the_sixteen_and_no_other() {
    let home = Home::new();
    let mut documented = [
        "slack",
        "github",
        "linear",
        "discord",
        "email",
        "cron",
        "file",
        "webhook",
        "cdc",
        "twilio",
        "sentry",
        "pagerduty",
        "stripe",
        "s3",
        "mcp",
        "llm",
    ];
    documented.sort_unstable();
    assert_eq!(home.run(["connections", "kinds"]).text().lines().collect::<Vec<_>>(), documented);
    for kind in documented {
        home.run(["connections", "set", "--id", kind, "--kind", kind, "--label", kind, "--no-auth"])
            .succeeds();
        let shown = home.run(["connections", "list", "--kind", kind, "--json"]).json();
        assert_eq!(shown["connections"].as_array().map(Vec::len), Some(1), "{kind}");
    }
    for kind in ["Slack", "http", "", "slack "] {
        for command in [&["list"][..], &["set", "--id", "a", "--label", "A", "--no-auth"]] {
            let refused = home.run([&["connections"], command, &["--kind", kind]].concat());
            refused.fails(2, &[&format!("a kind is one of {}", documented.join(", "))]);
        }
    }
    assert_eq!(ids(&home), documented);
}

#[test]
fn a_reference_to_a_secret_that_is_not_there_is_refused_with_the_command_to_store_it() {
    let home = home();
    let refused = set(&home, "a", &["--secret-id", "NONE"]);
    refused
        .fails(4, &["no secret NONE in workspace default or tenant default", "`keyward put NONE` stores it"]);
    let of_workspace = set(&home, "a", &["--secret-id", "SLACK_BOT_TOKEN", "--scope", "tenant"]);
    of_workspace.fails(4, &["in tenant default\n", "`keyward put SLACK_BOT_TOKEN --scope tenant` stores it"]);
    set(&home, "a", &["--secret-id", "NONE", "--json"]).fails_as(4, "no_such_secret");
    assert!(ids(&home).is_empty());
}

#[test]
fn a_missing_secret_resolves_once_it_is_stored() {
    let home = home();
    set(&home, "a", &["--secret-id", "LATER", "--allow-missing"]).succeeds();
    let state = || home.run(["connections", "get", "a", "--json"]).json()["auth"]["resolves"].as_bool();
    assert_eq!(state(), Some(false));
    home.put("LATER", "v");
    assert_eq!(state(), Some(true));
}

#[test]
fn a_secret_is_looked_for_in_the_workspace_before_its_tenant() {
    let home = home();
    let scope = |id: &str| home.run(["connections", "get", id, "--json"]).json()["auth"]["scope"].clone();
    set(&home, "a", &["--secret-id", "SHARED"]).succeeds();
    assert_eq!(scope("a"), "tenant");
    home.put("SHARED", "of the workspace");
    assert_eq!(scope("a"), "tenant", "what was found then stays");
    set(&home, "b", &["--secret-id", "SHARED"]).succeeds();
    assert_eq!(scope("b"), "workspace");
}

#[test]
fn one_id_in_workspace_and_tenant_is_two_connections() {
    let home = home();
    set(&home, "a", &["--no-auth", "--scope", "tenant", "--set", "of=tenant"]).succeeds();
    let of = |options: &[&str]| {
        home.run([&["connections", "get", "a", "--json"], options].concat()).json()["settings"]["of"].clone()
    };
    assert_eq!(of(&[]), "tenant");
    set(&home, "a", &["--no-auth", "--set", "of=workspace"]).succeeds();
    assert_eq!((of(&[]), of(&["--scope", "tenant"])), ("workspace".into(), "tenant".into()));
    assert_eq!(of(&["--workspace", "other"]), "tenant");
    home.run(["connections", "rm", "a", "--workspace", "other"])
        .fails(4, &["no connection a in workspace other"]);
    home.run(["connections", "get", "a", "--tenant", "acme"]).fails(4, &["of tenant acme or tenant acme"]);
    home.run(["connections", "get", "a", "--tenant", "acme", "--json"]).fails_as(4, "no_such_connection");
    home.run(["connections", "rm", "a"]).succeeds();
    assert_eq!(of(&[]), "tenant");
}

#[test]
fn replacing_keeps_created_and_forgets_settings_that_are_not_given_again() {
    let home = home();
    set(&home, "a", &["--no-auth", "--set", "old=1"]).succeeds();
    let first = home.run(["connections", "get", "a", "--json"]).json();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let replaced = set(&home, "a", &["--no-auth", "--set", "new=1", "--json"]).json();
    assert_eq!(replaced["replaced"], true);
    let second = home.run(["connections", "get", "a", "--json"]).json();
    assert_eq!(first["created"], second["created"]);
    assert_ne!(first["updated"], second["updated"]);
    assert_eq!(second["settings"], serde_json::json!({"new": "1"}));
}

#[test]
fn ak_23_removing_a_connection_keeps_its_secret_and_says_so() {
    let home = home();
    set(&home, "a", &["--secret-id", "SHARED"]).succeeds();
    let removed = home.run(["connections", "rm", "a"]);
    removed.succeeds();
    assert!(removed.stderr.contains("the secret SHARED stays in tenant default"), "{removed}");
    assert_eq!(home.get("SHARED"), b"t0ken");
}

#[test]
fn a_secret_in_use_is_removed_only_by_force_and_its_users_are_listed() {
    let home = home();
    set(&home, "one", &["--secret-id", "SHARED"]).succeeds();
    set(&home, "two", &["--secret-id", "SHARED", "--workspace", "web"]).succeeds();
    let users = "one (workspace default), two (workspace web)";
    let remove = ["rm", "SHARED", "--scope", "tenant"];
    home.run(remove).fails(10, &[users, "`keyward rm SHARED --scope tenant --force`"]);
    home.run([&remove[..], &["--json"]].concat()).fails_as(10, "refused");
    home.run([&remove[..], &["--purge"]].concat()).fails(10, &[users]);
    assert_eq!(home.get("SHARED"), b"t0ken", "it is still there");
    home.put("SHARED", "of the workspace");
    home.run(["rm", "SHARED"]).succeeds();
    let removed = home.run([&remove[..], &["--force", "--json"]].concat()).json();
    let expected = ["one (workspace default)", "two (workspace web)"];
    assert_eq!(removed["broken_connections"], serde_json::json!(expected));
    assert_eq!(ids(&home), ["one", "two"], "they stay, and dangle");
}

#[test]
fn status_counts_connections_and_those_that_dangle() {
    let home = home();
    set(&home, "a", &["--no-auth"]).succeeds();
    let counts = || {
        let status = home.run(["status", "--json"]).json();
        (status["connections"].as_u64(), status["dangling_connections"].as_u64())
    };
    assert_eq!(counts(), (Some(1), Some(0)));
    set(&home, "b", &["--secret-id", "LATER", "--allow-missing"]).succeeds();
    set(&home, "c", &["--secret-id", "SHARED", "--workspace", "web"]).succeeds();
    assert_eq!(counts(), (Some(3), Some(1)));
    let status = home.run(["status"]).text();
    assert!(status.contains("connections:      3 (dangling: 1; "), "{status}");
}

#[test]
fn what_can_not_be_stored_is_refused() {
    let home = home();
    let cases: [(&[&str], &str); 6] = [
        (&["--set", "a=1", "--set", "a=2"], "a setting is given twice"),
        (&["--set", "=x"], "the key of a setting is 1 to 64 bytes"),
        (&["--set", "a=\u{1b}[2J"], "no control or invisible characters"),
        (&["--set", "novalue"], "a setting is `key=value`"),
        (&["--label", ""], "cannot be used multiple times"),
        (&["--id", "b"], "cannot be used multiple times"),
    ];
    for (options, reason) in cases {
        set(&home, "a", &[&["--no-auth"], options].concat()).fails(2, &[reason]);
    }
    for label in ["", " x", "a\nb", "\u{202e}"] {
        let start = ["connections", "set", "--id", "a", "--kind", "slack", "--no-auth", "--label"];
        home.run([&start[..], &[label]].concat()).fails(2, &["a label is 1 to 256 bytes"]);
    }
    assert!(ids(&home).is_empty());
}

#[test]
fn a_workspace_with_connections_alone_belongs_to_somebody() {
    let home = Home::new();
    set(&home, "a", &["--no-auth", "--workspace", "web"]).succeeds();
    home.write("clone/.keyward.toml", "workspace = \"web\"\n");
    for line in ["put X", "connections set --id b --kind cron --label B --no-auth", "connections rm a"] {
        let mut command = home.command(line.split(' '));
        let refused = feed(command.current_dir(home.path().join("clone")), b"v");
        refused.fails(10, &["workspace web is not bound to "]);
    }
}

#[test]
fn the_first_connection_binds_a_directory_to_a_new_id() {
    let home = Home::new();
    home.write("repository/.keyward.toml", "workspace = \"web\"\n");
    home.write("clone/.keyward.toml", "workspace = \"web\"\n");
    let in_directory = |directory: &str, line: &str| {
        let mut command = home.command(line.split(' '));
        feed(command.current_dir(home.path().join(directory)), b"v")
    };
    in_directory("repository", "connections set --id a --kind cron --label A --no-auth").succeeds();
    in_directory("repository", "put X").succeeds();
    in_directory("clone", "put X").fails(10, &["workspace web is not bound to "]);
}

#[test]
fn connections_outlive_rekey_restore_and_slots() {
    let home = home();
    set(&home, "a", &["--secret-id", "SHARED"]).succeeds();
    for line in ["rekey", "put B x", "slot add recovery", "verify"] {
        home.run(line.split(' ')).succeeds();
        assert_eq!(ids(&home), ["a"], "{line}");
    }
    home.run(["connections", "rm", "a"]).succeeds();
    home.run(["restore"]).succeeds();
    assert_eq!(ids(&home), ["a"]);
}

#[test]
fn a_person_gets_columns() {
    let home = home();
    set(&home, "a", &["--secret-id", "SHARED"]).succeeds();
    set(&home, "longer-id", &["--no-auth"]).succeeds();
    let shown = Terminal::start(&home.command(["connections", "list"])).finish().shown;
    insta::assert_snapshot!(shown.replace("\r\n", "\n"));
}

#[test]
fn no_value_is_in_any_output_about_connections() {
    let home = home();
    set(&home, "a", &["--secret-id", "SHARED"]).succeeds();
    for line in [
        "connections list",
        "connections list --json",
        "connections get a",
        "uses SHARED",
        "status --json",
        "connections set --id a --kind slack --label A --secret-id SLACK_BOT_TOKEN -v",
        "connections rm a -v",
    ] {
        let said = home.run(line.split(' '));
        assert!(!said.to_string().contains("t0ken") && !said.to_string().contains("s3cret"), "{said}");
    }
}
