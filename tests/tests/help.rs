//! The help of every command, as it is read.

use keyward_tests::Home;

const COMMANDS: [&str; 66] = [
    "init",
    "put",
    "get",
    "list",
    "rm",
    "history",
    "rollback",
    "run",
    "import",
    "export",
    "env",
    "env lint",
    "creds",
    "creds check",
    "creds list",
    "creds require",
    "creds set",
    "creds guide",
    "connections",
    "connections set",
    "connections list",
    "connections get",
    "connections rm",
    "connections kinds",
    "uses",
    "bundle",
    "bundle create",
    "bundle open",
    "status",
    "verify",
    "restore",
    "anchor",
    "anchor on",
    "anchor off",
    "anchor status",
    "anchor accept",
    "slot",
    "slot add",
    "slot list",
    "slot rm",
    "rekey",
    "auth",
    "auth login",
    "auth logout",
    "auth status",
    "auth whoami",
    "auth token",
    "auth refresh",
    "auth switch",
    "auth profiles",
    "auth profiles list",
    "auth profiles show",
    "auth profiles rename",
    "auth profiles rm",
    "auth profiles set",
    "auth list",
    "auth doctor",
    "login",
    "logout",
    "whoami",
    "tenant",
    "tenant list",
    "tenant use",
    "tenant show",
    "completions",
    "man",
];

fn help(home: &Home, command: &str, flag: &str) -> String {
    let shown = home.run(command.split_whitespace().chain([flag]));
    shown.succeeds();
    assert_eq!(shown.stderr, "");
    shown.text()
}

/// The help without the options that every command has.
fn own_part(text: &str) -> &str {
    text.split("\nGlobal options:").next().unwrap_or(text)
}

#[test]
fn the_long_help_shows_every_option_and_the_exit_codes() {
    insta::assert_snapshot!(help(&Home::new(), "", "--help"));
}

#[test]
fn the_short_help_says_what_every_command_does() {
    let home = Home::new();
    let text = help(&home, "", "-h");
    let commands = text.split("Commands:\n").nth(1).and_then(|rest| rest.split("\n\n").next()).unwrap();
    for line in commands.lines() {
        assert!(line.split_whitespace().count() > 3, "no summary: {line:?}");
    }
    insta::assert_snapshot!(own_part(&text));
}

#[test]
fn every_command_has_its_help() {
    let home = Home::new();
    let parts =
        COMMANDS.map(|command| format!("===== {command}\n{}", own_part(&help(&home, command, "--help"))));
    insta::assert_snapshot!(parts.join("\n"));
}

#[test]
fn no_command_is_missing_from_these_tests() {
    let text = help(&Home::new(), "", "-h");
    let commands = text.split("Commands:\n").nth(1).and_then(|rest| rest.split("\n\n").next()).unwrap();
    let names = commands.lines().filter_map(|line| line.split_whitespace().next());
    let missing: Vec<&str> = names.filter(|name| *name != "vault" && !COMMANDS.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn vault_put_and_vault_list_have_the_help_of_put_and_list() {
    let home = Home::new();
    for command in ["put", "list"] {
        let nested = help(&home, &format!("vault {command}"), "--help").replace("keyward vault", "keyward");
        assert_eq!(nested, help(&home, command, "--help"));
    }
}

#[test]
fn ec_09_every_command_takes_an_api_key() {
    let home = Home::new();
    for command in COMMANDS {
        let text = help(&home, command, "--help");
        assert!(text.contains("--api-key <KEY>"), "{command}");
    }
}

#[test]
fn se_09_no_option_takes_a_password() {
    let home = Home::new();
    for command in COMMANDS {
        let text = help(&home, command, "--help");
        assert!(!text.contains("--password") && !text.contains("--username"), "{command}");
    }
}

#[test]
fn help_and_version_need_neither_home_nor_vault() {
    let home = Home::new();
    for flag in ["--help", "-h", "--version", "-V"] {
        let mut command = home.command([flag]);
        let shown = command.env_remove("HOME").output().unwrap();
        assert!(shown.status.success(), "{flag}");
    }
    assert!(!home.path().join(".local").exists());
}
