//! The binary as a file, and what a command asks of the system: no thread and no socket unless the keyring
//! is really asked.

use std::process::Command;

use keyward_tests::trace::{Traced, traced};
use keyward_tests::{Finished, Home, keyward, require};

/// Runs a command under strace and returns the calls that start threads or processes, or open sockets.
fn calls(home: &Home, arguments: &[&str], input: &str, code: i32) -> String {
    let trace = "trace=clone,clone3,fork,vfork,socket,connect";
    let mut command = home.command(arguments);
    // A bus at an address where nobody is: asking the keyring would try to connect to it.
    command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus");
    let strace = ["strace", "-f", "-qq", "-e", trace, "-e", "signal=none"];
    let Traced { finished, calls } = traced(&strace, &command, input.as_bytes());
    assert_eq!(finished.code, code, "{finished}");
    calls
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

/// The calls that open files, and those that protect the process or take the protection away.
/// Whoever starts keyward allows core files.
const PROTECTION: [&str; 11] = [
    "sh",
    "-c",
    "ulimit -c unlimited; exec \"$@\"",
    "sh",
    "strace",
    "-f",
    "-qq",
    "-e",
    "trace=open,openat,openat2,prctl,prlimit64,setrlimit",
    "-e",
    "signal=none",
];

#[test]
fn a_process_is_protected_before_it_opens_a_file_and_to_its_end() {
    let home = Home::new();
    home.put("API_KEY", "s3cret");
    home.write(".env", "OPENAI_API_KEY=x\n");
    for line in [
        "get API_KEY",
        "put OTHER value",
        "list",
        "rekey",
        "import .env",
        "export",
        "creds check --secrets-file .env --provider openai",
        "run -- /bin/true",
        "get MISSING",
        "--help",
        "no such command",
    ] {
        let Traced { calls, .. } = traced(&PROTECTION, &home.command(line.split(' ')), b"");
        let of_keyward = of_first_process(&calls);
        // The runtime looks for the end of its stack before `main`.
        let opens = |call: &&str| call.contains("open") && !call.contains("\"/proc/self/maps\"");
        let at = |what: &str| of_keyward.iter().position(|call| call.contains(what));
        let undumpable = at("prctl(PR_SET_DUMPABLE, SUID_DUMP_DISABLE) = 0").expect("a protected process");
        let limited = at("RLIMIT_CORE, {rlim_cur=0, ").expect("a limit for core files");
        let first_open = of_keyward.iter().position(opens).unwrap_or(usize::MAX);
        assert!(undumpable.max(limited) < first_open, "{line}: {calls}");
        assert_eq!(at("SUID_DUMP_USER"), None, "{line}: {calls}");
        // Only `run` lifts the limit, for the program, and takes it back at once.
        let lifted =
            of_keyward.iter().filter(|call| call.contains("RLIMIT_CORE, {rlim_cur=RLIM64_INFINITY")).count();
        assert_eq!(lifted, usize::from(line.starts_with("run ")), "{line}: {calls}");
        let last = of_keyward.iter().rfind(|call| call.contains("RLIMIT_CORE, {")).unwrap();
        assert!(last.contains("rlim_cur=0, "), "{line}: {calls}");
    }
}

/// The calls of the process that strace started; each line begins with a process id where there are others.
fn of_first_process(calls: &str) -> Vec<&str> {
    let id = |call: &&str| call.split_once(' ').map(|(id, _)| id.to_owned());
    let first = calls.lines().next().as_ref().and_then(id);
    calls.lines().filter(|call| id(call) == first).collect()
}
