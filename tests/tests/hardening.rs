//! What protects a running keyward, and what does not leave it: core files, `/proc`, memory.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use keyward_tests::process::{Background, UserHome, count_in_memory, eventually, status_field};
use keyward_tests::terminal::{CTRL_C, Terminal};
use keyward_tests::{Finished, Home, behind, feed};
use rustix::process::Signal;

const CANARY: &str = "canary-3f9a-needle";
const WAIT: [&str; 5] = ["run", "--", "sh", "-c", "echo ready $$; exec sleep 60"];

/// A home of the ordinary user with a vault that has the canary.
fn of_user() -> UserHome {
    let user = UserHome::new();
    feed(&mut user.command(user.keyward(), &["put", "CANARY"]), CANARY.as_bytes()).succeeds();
    user
}

/// Starts `keyward run` as the ordinary user; its program waits.
fn waiting(user: &UserHome) -> Background {
    Background::start(&mut user.command(user.keyward(), &WAIT))
}

#[test]
fn another_process_of_the_user_reads_neither_memory_nor_environment() {
    let user = of_user();
    let running = waiting(&user);
    let (keyward, program) = (running.id(), running.told_id());
    for file in ["environ", "mem", "maps", "auxv", "io"] {
        let path = |pid| format!("/proc/{pid}/{file}");
        assert!(!user.reads(&path(keyward)), "{} can be read", path(keyward));
        assert_eq!(fs::metadata(path(keyward)).expect("a process").uid(), 0, "{}", path(keyward));
    }
    // The same user reads a process that is not hardened, so that the refusal above means something.
    for file in ["environ", "maps", "auxv"] {
        assert!(user.reads(&format!("/proc/{program}/{file}")), "{file} of the program can't be read");
    }
    assert_ne!(fs::metadata(format!("/proc/{program}/environ")).expect("a process").uid(), 0);
}

#[test]
fn a_keyward_that_waits_at_a_prompt_is_hardened_already() {
    let home = Home::new();
    let mut terminal = Terminal::script("ulimit -c unlimited; exec \"$@\"", &home.command(["put", "TOKEN"]));
    terminal.wait_for_hidden("Value of TOKEN: ");
    let limits = fs::read_to_string(format!("/proc/{}/limits", terminal.id())).expect("a process");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a core limit");
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    terminal.type_keys(CTRL_C);
    terminal.finish().ends(130);
}

#[test]
fn the_core_limit_is_zero_while_a_program_runs() {
    let running = waiting(&of_user());
    let limits = fs::read_to_string(format!("/proc/{}/limits", running.id())).expect("a process");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a core limit");
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
}

#[test]
fn the_root_key_is_locked_in_memory() {
    let home = Home::new();
    home.put("CANARY", CANARY);
    let running = Background::start(&mut home.command(WAIT));
    let locked = status_field(running.id(), "VmLck");
    let size: u64 = locked.split(' ').next().and_then(|size| size.parse().ok()).expect("a size");
    assert!(size > 0, "VmLck: {locked}");
}

/// Starts a command where core files are allowed, kills it with `signal` and tells whether one appeared.
fn leaves_core(directory: &Path, command: &Command, signal: Signal) -> bool {
    let mut allowed = behind(&["sh", "-c", "ulimit -c unlimited; exec \"$@\"", "sh"], command);
    allowed.current_dir(directory);
    let mut running = Background::start(&mut allowed);
    running.crash(signal);
    let program = running.ready.parse::<i32>().ok().and_then(rustix::process::Pid::from_raw);
    // The program of `keyward run` outlives it, and holds the pipe that `finish` reads.
    if let Some(program) = program {
        rustix::process::kill_process(program, Signal::KILL).ok();
    }
    let (_, code) = running.finish();
    assert_eq!(code, 128 + signal.as_raw());
    let mut files = fs::read_dir(directory).expect("a directory").flatten();
    files.any(|file| file.file_name().to_string_lossy().starts_with("core"))
}

#[test]
fn a_crash_of_keyward_leaves_no_core_file() {
    for signal in [Signal::SEGV, Signal::ABORT] {
        let home = Home::new();
        home.put("CANARY", CANARY);
        assert!(!leaves_core(home.path(), &home.command(WAIT), signal), "a core file of keyward");
        // Where the system writes core files into the directory of the process, a plain program leaves one.
        let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").expect("a pattern");
        if !pattern.starts_with(['|', '/']) && pattern.starts_with("core") {
            let mut plain = Command::new("sh");
            plain.args(["-c", "echo ready; exec sleep 60"]).env("PATH", "/usr/bin:/bin");
            assert!(leaves_core(home.path(), &plain, signal), "no core file of a plain program either");
        } else {
            println!("core files go to {}: only keyward's own absence was seen", pattern.trim());
        }
    }
}

#[test]
fn a_value_that_was_handed_over_is_no_longer_in_memory() {
    let home = Home::new();
    home.put("CANARY", CANARY);
    let running = Background::start(&mut home.command(WAIT));
    // The program is up before keyward has put its copy away, which it does next.
    let count = |pid| count_in_memory(pid, CANARY.as_bytes());
    assert!(eventually(|| count(running.told_id()) > 0), "the program lacks the value");
    assert!(eventually(|| count(running.id()) == 0), "keyward still has the value");
}

#[test]
fn the_scan_of_memory_finds_what_keyward_has() {
    let home = Home::new();
    home.put("CANARY", CANARY);
    let mut command = home.command(WAIT);
    let running = Background::start(command.args(["sh", "--argument", CANARY]));
    assert!(count_in_memory(running.id(), CANARY.as_bytes()) > 0, "the scan finds no argument");
}

#[test]
fn a_passphrase_and_a_typed_value_are_gone_once_the_program_runs() {
    let home = Home::new();
    let mut init = home.command(["init", "--source", "passphrase", "--light"]);
    let made = init.env("KEYWARD_VAULT_PASSPHRASE", CANARY).output().expect("keyward starts");
    Finished::from(made).succeeds();
    let mut terminal = Terminal::start(&home.command(["run", "--", "sh", "-c", "echo ready; exec sleep 60"]));
    terminal.wait_for_hidden("Passphrase of the vault: ").type_keys(&format!("{CANARY}\n"));
    terminal.wait_for("ready");
    let count = || count_in_memory(terminal.id(), CANARY.as_bytes());
    assert!(eventually(|| count() == 0), "keyward still has the passphrase");
    terminal.type_keys(CTRL_C);
    terminal.finish().ends(130);
}
