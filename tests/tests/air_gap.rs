//! The promise of `--air-gap`: not one network socket, whichever command it is. Every command of the program
//! runs under strace; the one socket it may have is that of the bus of the user's session.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::process::Command;

use keyward_tests::commands::each_has_a_line;
use keyward_tests::keyring::{KeyringHome, PASSWORD};
use keyward_tests::sockets::{STRACE, Traced, beyond, traced};
use keyward_tests::{Home, require};

/// A bus at which nobody is: whoever asks the keyring tries to connect to it.
const BUS: &str = "unix:path=/nonexistent/bus";

/// What is typed, what stdin has, and the exit code. Every command has a line; it is known by its first words.
const CASES: [(&str, &str, i32); 113] = [
    ("anchor accept", "", 1),
    ("anchor off", "", 0),
    ("anchor on", "", 0),
    ("anchor on --vault new/vault", "", 4),
    ("anchor status", "", 0),
    ("auth doctor", "", 0),
    ("auth list", "", 0),
    ("auth login", "", 10),
    ("auth login --begin --env id.example", "", 10),
    ("auth login --complete 00", "", 10),
    ("auth login --with-api-key", "key", 0),
    ("auth logout", "", 0),
    ("auth profiles list", "", 0),
    ("auth profiles rename a b", "", 4),
    ("auth profiles rm a", "", 4),
    ("auth profiles set a tenant=acme", "", 4),
    ("auth profiles show a", "", 4),
    ("auth refresh", "", 3),
    ("auth status --verify --api-key k", "", 10),
    ("auth status", "", 3),
    ("auth switch a", "", 4),
    ("auth token", "", 3),
    ("auth whoami", "", 3),
    ("auth whoami --api-key k --base-url https://api.example.com", "", 10),
    ("bundle create new --code", "", 0),
    ("bundle create new --light", "", 2),
    ("bundle open b", "", 0),
    ("bundle open b --dry-run", "", 0),
    ("bundle open b --on-conflict overwrite --workspace other", "", 0),
    ("bundle open .env", "", 6),
    ("completions bash", "", 0),
    ("connections get alerts", "", 0),
    ("connections get missing", "", 4),
    ("connections kinds", "", 0),
    ("connections list --all", "", 0),
    ("connections list --kind slack --json", "", 0),
    ("connections rm alerts", "", 0),
    ("connections rm missing", "", 4),
    ("connections set --id new --kind cron --label New --no-auth", "", 0),
    ("connections set --id new --kind slack --label New --secret-id A", "", 0),
    ("connections set --id new --kind slack --label New --secret-id MISSING", "", 4),
    ("connections set --id new --kind slack --label New --secret-id xoxb-123456789012-abcdefghij", "", 2),
    ("creds check --secrets-file .env --provider anthropic,ollama", "", 0),
    ("creds check --source vault --provider ollama,smtp", "", 7),
    ("creds check --provider nobody", "", 2),
    ("creds check --format github --provider ollama,smtp", "", 7),
    ("creds guide", "", 0),
    ("creds guide openai", "", 0),
    ("creds guide nobody", "", 2),
    ("creds list --all", "", 0),
    ("creds list --kind llm --json", "", 0),
    ("creds list --provider nobody", "", 2),
    ("creds require openai slack", "", 0),
    ("creds require --key MY_TOKEN", "", 0),
    ("creds require nobody", "", 2),
    ("creds set", "", 2),
    ("creds set openai", "", 2),
    ("env lint .env", "", 0),
    ("env lint missing", "", 1),
    ("export --format json", "", 0),
    ("export --format dotenv --file exported", "", 0),
    ("export --file .local/share/keyward/vault", "", 2),
    ("get A", "", 0),
    ("get A --version 1", "", 0),
    ("get MISSING", "", 4),
    ("history A", "", 0),
    ("import .env", "", 0),
    ("import - --dry-run", "B=1\n", 0),
    ("import - --format json", "{\"B\": \"1\"}", 0),
    ("import -", "A=other\n", 1),
    ("import -", "no line\n", 1),
    ("import missing", "", 1),
    ("init", "", 0),
    ("init --vault new/vault", "", 0),
    ("init --vault new/vault --source keyring", "", 5),
    ("list", "", 0),
    ("list --all --json", "", 0),
    ("login", "", 10),
    ("logout", "", 0),
    ("man get", "", 0),
    ("man --dir .", "", 0),
    ("put A", "value", 0),
    ("put A --vault new/vault", "value", 0),
    ("put A --scope tenant", "value", 0),
    ("rekey", "", 0),
    ("restore", "", 0),
    ("rm A --purge", "", 0),
    ("rm MISSING", "", 4),
    ("rm USED", "", 10),
    ("rollback A --to 1", "", 0),
    ("run -- /bin/true", "", 0),
    ("run --only A -- /bin/sh -c exit", "", 0),
    ("run -- /nonexistent/program", "", 127),
    ("slot add env", "", 0),
    ("slot add keyring", "", 5),
    ("slot add machine", "", 0),
    ("slot add recovery", "", 0),
    ("slot list", "", 0),
    ("slot rm zz", "", 4),
    ("status", "", 0),
    ("status --key-source keyring", "", 5),
    ("status --vault .env", "", 1),
    ("tenant list", "", 0),
    ("tenant list --api-key k --base-url https://api.example.com", "", 10),
    ("tenant show", "", 0),
    ("tenant use acme", "", 0),
    ("uses USED", "", 0),
    ("uses MISSING", "", 4),
    ("vault list", "", 0),
    ("vault put A", "value", 0),
    ("verify", "", 0),
    ("whoami", "", 3),
    ("unknown command", "", 2),
];

/// A home with all that the cases act on: a vault with versions, generations and a connection, a bundle, a `.env`.
fn home() -> Home {
    let home = Home::new().with("DBUS_SESSION_BUS_ADDRESS", BUS);
    home.put("A", "old");
    home.put("A", "new");
    home.put("USED", "value");
    home.run("connections set --id alerts --kind slack --label Alerts --secret-id USED".split(' '))
        .succeeds();
    home.write(".env", "ANTHROPIC_API_KEY=x\n");
    let code = home.run(["bundle", "create", "b", "--code"]).succeeds().text();
    home.with("KEYWARD_BUNDLE_CODE", code.trim())
}

/// Runs a command in the air gap under strace.
fn in_air_gap(home: &Home, line: &str, input: &str) -> Traced {
    let words = ["--air-gap"].into_iter().chain(line.split_whitespace());
    traced(&home.command(words), input.as_bytes())
}

#[test]
fn every_command_has_a_case() {
    each_has_a_line(CASES.map(|(line, ..)| line));
}

#[test]
fn no_command_opens_a_network_socket_or_any_other_socket_than_that_of_the_bus() {
    for (line, input, code) in CASES {
        let Traced { finished, calls } = in_air_gap(&home(), line, input);
        assert_eq!(finished.code, code, "{line}: {finished}");
        assert_eq!(beyond(&calls, BUS), [""; 0], "{line}");
    }
}

#[test]
fn commands_that_need_no_keyring_open_no_socket_at_all() {
    let home = home();
    for line in [
        "--help",
        "--version",
        "-h",
        "creds check --help",
        "creds check --secrets-file .env --source env,file --provider anthropic",
        "creds check --secrets-file .env --source env,file",
        "creds check --secrets-file .env --provider anthropic --json",
        "completions zsh",
        "connections kinds",
        "creds require openai",
        "env lint .env",
        "import .env --format json",
        "man put",
    ] {
        for air_gap in [&[][..], &["--air-gap"]] {
            let words = line.split_whitespace().chain(air_gap.iter().copied());
            let Traced { finished, calls } = traced(&home.command(words), b"");
            assert!(matches!(finished.code, 0 | 1 | 7), "{line}: {finished}");
            assert_eq!(calls, "", "{line}");
        }
    }
}

#[test]
fn completing_a_name_opens_no_socket_but_that_of_the_bus() {
    let home = home().with("KEYWARD_COMPLETE", "bash").with("_CLAP_COMPLETE_INDEX", "2");
    let Traced { finished, calls } = traced(&home.command(["--", "keyward", "get", ""]), b"");
    assert!(finished.succeeds().text().contains('A'), "{finished}");
    assert_eq!(beyond(&calls, BUS), [""; 0]);
}

#[test]
fn each_way_to_turn_the_air_gap_on_skips_cloud_providers() {
    let check = ["creds", "check", "--provider", "openai"];
    let with_file = home();
    with_file.write(".config/keyward/config.toml", "air_gap = true\n");
    for home in [home().with("KEYWARD_AIR_GAP", "1"), with_file] {
        let Traced { finished, calls } = traced(&home.command(check), b"");
        finished.succeeds();
        assert_eq!(calls, "");
    }
    home().run(check).fails(7, &[]);
}

#[test]
fn with_a_real_keyring_the_bus_is_the_only_place_that_is_reached() {
    let home = KeyringHome::new();
    let script = format!(
        "echo $DBUS_SESSION_BUS_ADDRESS > $steps/bus.out; echo 0 > $steps/bus.code; : > $steps/bus.err
         export KEYWARD_AIR_GAP=1 before='{} -A -o trace'
         step put put API_KEY <<< s3cret
         for c in list status verify rekey 'get API_KEY' 'put API_KEY @/etc/hostname' 'slot add machine' \\
             'bundle create b --code' 'run -- true' 'creds check --provider openai' 'uses API_KEY' \\
             'connections list' 'import /dev/null' 'export --format json' 'creds list'; do
             step \"${{c%% *}}\" $c
         done
         cp trace $steps/trace.out; echo 0 > $steps/trace.code; : > $steps/trace.err",
        STRACE.join(" ")
    );
    let steps = home.login(PASSWORD, &script);
    let succeed = "put list status verify rekey get slot bundle run uses connections import export creds";
    for step in succeed.split(' ') {
        steps[step].succeeds();
    }
    let (bus, calls) = (steps["bus"].text(), steps["trace"].text());
    assert!(calls.matches("connect(").count() >= 9, "{calls}");
    assert_eq!(beyond(&calls, bus.trim()), [""; 0]);
    // Another address makes each of these connections one too many.
    assert!(beyond(&calls, BUS).len() >= 9, "{calls}");
}

#[test]
fn a_bus_that_is_reached_over_a_network_or_by_a_program_is_not_used() {
    for address in [
        "tcp:host=127.0.0.1,port=9",
        "tcp:host=localhost,port=9,family=ipv6",
        "nonce-tcp:host=127.0.0.1,port=9,noncefile=/dev/null",
        "unixexec:path=/bin/touch,argv1=started",
        "unix:path=/nonexistent/bus;tcp:host=127.0.0.1,port=9",
    ] {
        for air_gap in [&[][..], &["--air-gap"]] {
            let home = Home::new().with("DBUS_SESSION_BUS_ADDRESS", address);
            let words = ["put", "A"].iter().chain(air_gap);
            let Traced { finished, calls } = traced(&home.command(words), b"value");
            if !address.contains(';') {
                finished
                    .fails(5, &["the session bus is no local socket", "hint: `keyward init --source env`"]);
            }
            assert_eq!(beyond(&calls, BUS), [""; 0], "{address}");
            assert!(!home.path().join("started").exists() && !home.vault().exists(), "{finished}");
        }
    }
}

/// Runs a line of Python that does what no command may do, and returns what is seen of it.
fn caught(line: &str) -> String {
    require("python3", "python3");
    let mut command = Command::new("/usr/bin/env");
    command.env("PATH", "/usr/local/bin:/usr/bin:/bin").args(["python3", "-I", "-S", "-c"]);
    command.arg(format!("import socket\nfrom socket import *\n{line}"));
    let Traced { calls, .. } = traced(&command, b"");
    beyond(&calls, BUS).join("\n")
}

#[test]
fn sockets_of_other_families_would_be_caught() {
    for family in ["AF_INET", "AF_INET6", "AF_NETLINK", "AF_PACKET", "AF_VSOCK"] {
        let seen = caught(&format!(
            "socket({family}, SOCK_RAW if {family} in (AF_NETLINK, AF_PACKET) else SOCK_STREAM)"
        ));
        assert!(seen.contains(&format!("socket({family}, ")), "{family}: {seen}");
    }
    assert!(caught("create_connection(('127.0.0.1', 9))").contains("connect("));
}

#[test]
fn connections_to_other_sockets_of_the_machine_would_be_caught() {
    for (line, seen) in [
        ("socket(AF_UNIX).connect('/nonexistent/other')", "\"/nonexistent/other\""),
        ("socket(AF_UNIX).connect('/nonexistent/bus2')", "\"/nonexistent/bus2\""),
        ("socket(AF_UNIX).connect('\\0/nonexistent/bus')", "@\"/nonexistent/bus\""),
        ("socket(AF_UNIX, SOCK_DGRAM).sendto(b'x', '/nonexistent/log')", "\"/nonexistent/log\""),
        // The user database is asked over a socket where a service for it may be.
        ("import pwd; pwd.getpwnam('nobody')", "nscd/socket"),
    ] {
        let calls = caught(line);
        assert!(calls.contains(seen), "{line}: {calls:?}");
    }
    assert_eq!(caught("socket(AF_UNIX).connect('/nonexistent/bus')"), "");
}

#[test]
fn the_socket_of_a_child_would_be_caught() {
    let home = home();
    let line = ["run", "--", "python3", "-I", "-S", "-c", "import socket; socket.socket(socket.AF_INET)"];
    let Traced { finished, calls } = traced(&home.command(line), b"");
    finished.succeeds();
    assert!(beyond(&calls, BUS)[0].contains(" socket(AF_INET, "), "{calls}");
}
