//! The rollback anchor as system calls: in which order, and how few where it is off. A trace shows what a race would
//! show once in a while.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs;

use keyward_tests::{Finished, Home, behind, require};

fn home() -> Home {
    let home = Home::new();
    home.put("A", "value");
    home
}

/// Returns the calls of a command that name a file of the vault or of its anchor, in short: the call, `failed` behind
/// it, what it names, and the mark of a temporary file.
fn calls(home: &Home, line: &str) -> Vec<String> {
    require("strace", "strace");
    let strace =
        ["strace", "-f", "-qq", "-y", "-o", "trace", "-e", "trace=openat,rename,renameat,renameat2,fsync"];
    let done: Finished = behind(&strace, &home.command(line.split(' '))).output().unwrap().into();
    done.succeeds();
    let trace = fs::read_to_string(home.path().join("trace")).unwrap();
    trace.lines().filter_map(short).collect()
}

fn short(call: &str) -> Option<String> {
    let (_, call) = call.split_once(' ')?;
    let (name, rest) = call.trim_start().split_once('(')?;
    let is_anchor = rest.contains("/state/keyward/anchor");
    let subject = match rest {
        _ if is_anchor && rest.contains("O_DIRECTORY") => "anchors",
        _ if is_anchor => "anchor",
        _ if rest.contains("\"vault.lock\"") => "lock",
        _ if rest.contains("\"vault\"") || rest.contains("/.vault.tmp.") => "vault",
        _ => return None,
    };
    let failed = if rest.contains(" = -1 ") { "failed " } else { "" };
    let temporary = if name != "renameat" && rest.contains(".tmp.") { "temporary " } else { "" };
    Some(format!("{name} {failed}{temporary}{subject}"))
}

/// Tells whether the calls have these, in this order.
#[track_caller]
fn has_in_order(calls: &[String], wanted: &[&str]) {
    let mut rest = calls.iter();
    let missing = wanted.iter().find(|wanted| !rest.any(|call| call == *wanted));
    assert_eq!(missing, None, "{calls:#?}");
}

#[test]
fn a_vault_without_an_anchor_costs_one_failed_open() {
    let home = home();
    for line in ["get A", "list", "verify", "history A", "run -- true"] {
        let about_anchors = |call: &String| call.ends_with("anchors") || call.ends_with("anchor");
        let found: Vec<String> = calls(&home, line).into_iter().filter(about_anchors).collect();
        assert_eq!(found, ["openat failed anchors"], "{line}");
    }
    assert!(!home.anchors().exists());
}

#[test]
fn readers_open_the_anchor_before_the_vault_and_write_neither() {
    let home = home();
    home.run(["anchor", "on"]).succeeds();
    for line in ["get A", "list", "verify", "history A"] {
        let found = calls(&home, line);
        assert_eq!(found, ["openat anchors", "openat anchor", "openat vault"], "{line}");
    }
}

#[test]
fn writers_open_the_anchor_under_the_lock_and_write_it_after_the_vault_is_on_disk() {
    let home = home();
    home.run(["anchor", "on"]).succeeds();
    let found = calls(&home, "put A @/etc/hostname");
    has_in_order(
        &found,
        &[
            "openat lock",
            "openat anchor",
            "openat vault",
            "fsync temporary vault",
            "renameat vault",
            "openat temporary anchor",
            "fsync temporary anchor",
            "renameat anchor",
            "fsync anchor",
        ],
    );
    let after_rename: Vec<&String> = found.iter().skip_while(|call| *call != "renameat vault").collect();
    assert!(!after_rename.contains(&&"openat vault".to_owned()), "what was written is noted: {found:#?}");
}
