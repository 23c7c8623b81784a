//! A directory that somebody else prepared: a `.env` that nobody asked for changes nothing, whichever command
//! runs there, and one that is imported pulls nothing in.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs;
use std::os::unix::fs::chown;
use std::time::Duration;

use keyward_tests::Home;
use keyward_tests::commands::each_has_a_line;
use keyward_tests::deadline::within;
use keyward_tests::trace::traced;

/// What a hostile `.env` would like to change: keyward's key, its files, its bus, its libraries.
const HOSTILE: &str = "KEYWARD_VAULT_KEY=kwk1_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh-gfp9k
KEYWARD_VAULT_KEY_FILE=/tmp/key
KEYWARD_VAULT_PASSPHRASE=hostile
KEYWARD_VAULT=/tmp/hostile/vault
KEYWARD_HOME=/tmp/hostile
KEYWARD_KEY_SOURCE=env
KEYWARD_TENANT=hostile
KEYWARD_WORKSPACE=hostile
KEYWARD_AIR_GAP=0
DBUS_SESSION_BUS_ADDRESS=unix:path=/tmp/hostile/bus
HOME=/tmp/hostile
XDG_DATA_HOME=/tmp/hostile
XDG_STATE_HOME=/tmp/hostile
XDG_CONFIG_HOME=/tmp/hostile
XDG_RUNTIME_DIR=/tmp/hostile
LD_PRELOAD=/tmp/hostile.so
PATH=/tmp/hostile
OPENAI_API_KEY=hostile
";

/// What is typed. Every command has a line; it is known by its first words.
const LINES: [&str; 62] = [
    "anchor accept",
    "anchor off",
    "anchor on",
    "anchor status",
    "auth doctor",
    "auth list",
    "auth login",
    "auth login --begin --issuer http://127.0.0.1:9",
    "auth logout",
    "auth profiles list",
    "auth profiles rename a b",
    "auth profiles rm a",
    "auth profiles set a tenant=acme",
    "auth profiles show a",
    "auth refresh",
    "auth status",
    "auth switch a",
    "auth token",
    "auth whoami",
    "bundle create new --code",
    "bundle open b",
    "completions bash",
    "connections get alerts",
    "connections kinds",
    "connections list",
    "connections rm alerts",
    "connections set --id new --kind cron --label New --no-auth",
    "creds check",
    "creds check --provider openai",
    "creds guide",
    "creds list",
    "creds require openai",
    "creds set openai",
    "env lint other.env",
    "export",
    "get A",
    "history A",
    "import other.env",
    "init",
    "list",
    "login",
    "logout",
    "man get",
    "put A value",
    "rekey",
    "restore",
    "rm A",
    "rollback A --to 1",
    "run -- /bin/true",
    "slot add keyring",
    "slot add machine",
    "slot list",
    "slot rm zz",
    "status",
    "tenant list",
    "tenant show",
    "tenant use acme",
    "uses A",
    "vault list",
    "vault put A value",
    "verify",
    "whoami",
];

#[test]
fn every_command_has_a_line() {
    each_has_a_line(LINES);
}

/// A home with a vault, a bundle and a directory below directories.
fn home() -> Home {
    let home = Home::new();
    home.put("A", "one");
    home.put("A", "two");
    home.run("connections set --id alerts --kind slack --label Alerts --secret-id A".split(' ')).succeeds();
    home.write("work/deep/other.env", "B=value\n");
    let code = home.run(["bundle", "create", "work/deep/b", "--code"]).succeeds().text();
    home.with("KEYWARD_BUNDLE_CODE", code.trim())
}

#[test]
fn no_command_looks_at_a_dot_env_that_nobody_named() {
    for line in LINES {
        let strace = ["strace", "-f", "-qq", "-e", "trace=%file", "-e", "signal=none"];
        let run = |hostile: bool| {
            let home = home();
            if hostile {
                for directory in ["work/deep", "work", "."] {
                    home.write(&format!("{directory}/.env"), HOSTILE);
                }
            }
            let mut command = home.command(line.split(' '));
            traced(&strace, command.current_dir(home.path().join("work/deep")), b"")
        };
        let (with, without) = (run(true), run(false));
        assert_eq!(with.finished.code, without.finished.code, "{line}: {}", with.finished);
        assert!(
            !with.calls.contains("/.env\"") && !with.calls.contains("\".env\""),
            "{line}: {}",
            with.calls
        );
        assert!(!with.calls.contains("/tmp/hostile"), "{line}: {}", with.calls);
    }
}

#[test]
fn a_dot_env_is_used_for_what_it_is_named_for_alone() {
    let home = home();
    home.write("work/.env", HOSTILE);
    let mut check = home.command(["creds", "check", "--provider", "openai", "--secrets-file", ".env"]);
    let strace = ["strace", "-f", "-qq", "-e", "trace=%file", "-e", "signal=none"];
    let seen = traced(&strace, check.current_dir(home.path().join("work")), b"");
    seen.finished.succeeds();
    assert!(seen.calls.contains("\".env\""), "the trace sees it where it is named: {}", seen.calls);
    assert!(!seen.calls.contains("/tmp/hostile"), "{}", seen.calls);
}

#[test]
fn an_import_takes_no_value_from_the_environment() {
    let home = Home::new().with("AWS_SECRET_ACCESS_KEY", "of the environment");
    let text = "A=${AWS_SECRET_ACCESS_KEY}\nB=\"$AWS_SECRET_ACCESS_KEY\"\nC=$(printenv AWS_SECRET_ACCESS_KEY)\nD=`id`\n";
    home.write("x.env", text);
    home.run(["import", "x.env"]).succeeds();
    for (name, value) in [
        ("A", "${AWS_SECRET_ACCESS_KEY}"),
        ("B", "$AWS_SECRET_ACCESS_KEY"),
        ("C", "$(printenv AWS_SECRET_ACCESS_KEY)"),
        ("D", "`id`"),
    ] {
        assert_eq!(home.get(name), value.as_bytes());
    }
}

#[test]
fn a_line_of_a_gibibyte_is_refused_at_once_and_in_little_memory() {
    let home = Home::new();
    home.put("X", "v");
    home.bash("{ printf A=; truncate -s 1G /dev/stdout; } > big.env; truncate -s 1G big.env").succeeds();
    assert_eq!(fs::metadata(home.path().join("big.env")).unwrap().len(), 1 << 30);
    for line in [
        "$KEYWARD import big.env",
        "$KEYWARD import - < big.env",
        "$KEYWARD import --format json big.env",
        "$KEYWARD env lint big.env",
        "$KEYWARD creds check --secrets-file big.env --provider openai",
        "yes aaaaaaaa | tr -d '\\n' | $KEYWARD import -",
        "{ printf A=; yes aaaaaaaa | tr -d '\\n'; } | $KEYWARD import -",
    ] {
        // All the memory that the process may have, in KiB.
        let mut command = std::process::Command::new("bash");
        command.args(["-c", &format!("ulimit -v 131072; {line}")]).env_clear().env("HOME", home.path());
        command
            .env("PATH", "/usr/bin:/bin")
            .env("KEYWARD", keyward_tests::keyward())
            .current_dir(home.path());
        within(Duration::from_secs(10), &mut command).fails(1, &["has more than 16777216 bytes"]);
    }
    home.run(["list"]).succeeds();
}

#[test]
fn a_mark_at_the_start_and_no_line_end_are_no_part_of_a_value() {
    let home = Home::new();
    home.write("x.env", "\u{feff}A=first\r\nB=last");
    home.run(["import", "x.env"]).succeeds();
    assert_eq!((home.get("A"), home.get("B")), (b"first".to_vec(), b"last".to_vec()));
}

#[test]
fn a_workspace_file_of_another_user_is_refused_from_below_too() {
    let home = Home::new();
    let file = home.write("repository/.keyward.toml", "workspace = \"web\"\n");
    home.write("repository/src/deep/file", "");
    chown(&file, Some(4711), None).expect("the tests run as root");
    for line in
        ["put A v", "get A", "list", "run -- true", "export", "creds check", "init", "creds require openai"]
    {
        let mut command = home.command(line.split(' '));
        let said =
            within(Duration::from_secs(5), command.current_dir(home.path().join("repository/src/deep")));
        said.fails(10, &["/repository/.keyward.toml is not used: it belongs to user 4711"]);
    }
    assert!(!home.vault().exists());
}
