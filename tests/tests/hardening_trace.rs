//! The binary as a file, and what a command asks of the system: no thread and no socket unless the keyring
//! is really asked.

use std::fs;
use std::process::Command;

use keyward_tests::{Finished, Home, behind, feed, keyward, require};

/// Runs a command under strace and returns the calls that start threads or processes, or open sockets.
fn calls(home: &Home, arguments: &[&str], input: &str, code: i32) -> String {
    require("strace", "strace");
    let trace = "trace=clone,clone3,fork,vfork,socket,connect";
    let strace = ["strace", "-f", "-qq", "-o", "trace", "-e", trace, "-e", "signal=none"];
    let mut command = behind(&strace, &home.command(arguments));
    // A bus at an address where nobody is: asking the keyring would try to connect to it.
    command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus");
    let finished = feed(&mut command, input.as_bytes());
    assert_eq!(finished.code, code, "{finished}");
    fs::read_to_string(home.path().join("trace")).expect("a trace")
}

#[test]
fn the_binary_is_one_self_contained_file() {
    require("file", "file");
    let output =
        |program: &str| Finished::from(Command::new(program).arg(keyward()).output().expect(program));
    let kind = output("file").text();
    assert!(kind.contains("static-pie linked") || kind.contains("statically linked"), "{kind}");
    let libraries = output("ldd").to_string();
    assert!(libraries.contains("statically linked") || libraries.contains("not a dynamic"), "{libraries}");
}

#[test]
fn everyday_commands_start_no_thread_and_open_no_socket() {
    let home = Home::new();
    home.put("API_KEY", "s3cret");
    home.write(".env", "OPENAI_API_KEY=x\n");
    let check = ["creds", "check", "--provider", "openai", "--secrets-file", ".env", "--source", "env,file"];
    for (arguments, input) in [
        (&["get", "API_KEY"][..], ""),
        (&["list"], ""),
        (&["put", "OTHER"], "value"),
        (&check, ""),
        (&["creds", "check", "--provider", "openai", "--secrets-file", ".env"], ""),
        (&["status"], ""),
        (&["--help"], ""),
        (&["run", "--help"], ""),
    ] {
        assert_eq!(calls(&home, arguments, input, 0), "", "{arguments:?}");
    }
}

#[test]
fn commands_without_a_vault_ask_no_keyring() {
    let home = Home::new();
    assert_eq!(calls(&home, &["list"], "", 0), "");
    assert_eq!(calls(&home, &["get", "API_KEY"], "", 4), "");
    assert_eq!(calls(&home, &["creds", "check", "--provider", "openai"], "", 7), "");
}

#[test]
fn the_trace_sees_a_keyring_that_is_asked() {
    let seen = calls(&Home::new(), &["put", "API_KEY"], "s3cret", 0);
    assert!(seen.contains("clone") && seen.contains("/nonexistent/bus"), "{seen}");
}

#[test]
fn run_starts_one_process_and_no_thread() {
    let home = Home::new();
    home.put("API_KEY", "s3cret");
    let seen = calls(&home, &["run", "--", "/bin/true"], "", 0);
    assert_eq!(seen.lines().count(), 1, "{seen}");
    assert!(seen.contains("CLONE_VFORK") || seen.contains("vfork"), "{seen}");
}
