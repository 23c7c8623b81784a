//! `keyward run` as a whole: signals, PID 1, limits, standard streams, and silence.

use std::fs;
use std::process::Command;

use keyward_tests::process::Background;
use keyward_tests::terminal::{CTRL_C, Terminal};
use keyward_tests::{Finished, Home, behind, feed, require};
use rustix::process::Signal;

fn with_vault() -> Home {
    let home = Home::new();
    home.put("API_KEY", "s3cret");
    home
}

/// A script that says which signal it got and ends with 40 when it is `name`.
fn trapping(name: &str) -> String {
    format!("trap 'echo got {name}; exit 40' {name}; echo ready; while :; do sleep 0.02; done")
}

/// Returns `keyward run -- ARGUMENTS` with other words before it.
fn run_behind(home: &Home, words: &[&str], arguments: &[&str]) -> Command {
    behind(words, &home.command([&["run", "--"], arguments].concat()))
}

fn text_of(command: &mut Command) -> String {
    let finished = Finished::from(command.output().expect("a command that starts"));
    finished.succeeds();
    finished.text()
}

#[test]
fn signals_sent_to_keyward_reach_the_program() {
    let home = with_vault();
    for (name, signal) in
        [("TERM", Signal::TERM), ("HUP", Signal::HUP), ("USR1", Signal::USR1), ("INT", Signal::INT)]
    {
        let started = Background::start(&mut home.command(["run", "--", "sh", "-c", &trapping(name)]));
        started.signal(signal);
        assert_eq!(started.finish(), (format!("got {name}\n"), 40));
    }
}

#[test]
fn a_program_killed_by_a_signal_gives_128_and_its_number_and_no_word_of_keyward() {
    let home = with_vault();
    for (signal, code) in [("KILL", 137), ("TERM", 143), ("SEGV", 139)] {
        let finished = home.run(["run", "--", "sh", "-c", &format!("kill -{signal} $$")]);
        assert_eq!((finished.code, finished.text().as_str(), finished.stderr.as_str()), (code, "", ""));
    }
}

#[test]
fn keyward_says_nothing_of_a_program_that_fails() {
    let home = with_vault();
    for code in [1, 2, 7, 125, 255] {
        let finished = home.run(["run", "--", "sh", "-c", &format!("exit {code}")]);
        assert_eq!((finished.code, finished.text().as_str(), finished.stderr.as_str()), (code, "", ""));
    }
}

/// The words that make a command PID 1 of a namespace.
const AS_PID_1: [&str; 4] = ["unshare", "--pid", "--fork", "--mount-proc"];

#[test]
fn as_pid_1_keyward_passes_signals_on() {
    let home = with_vault();
    let script = format!("(sleep 0.2; kill -TERM 1) & {}", trapping("TERM"));
    let finished =
        Finished::from(run_behind(&home, &AS_PID_1, &["sh", "-c", &script]).output().expect("unshare"));
    assert_eq!((finished.code, finished.text().as_str()), (40, "ready\ngot TERM\n"), "{finished}");
}

#[test]
fn as_pid_1_keyward_reaps_orphans() {
    let script = "cat /proc/1/comm; orphan=$(sh -c 'sleep 60 > /dev/null & echo $!')
        grep PPid /proc/$orphan/status
        kill $orphan
        for i in $(seq 200); do test -e /proc/$orphan && sleep 0.01; done
        test -e /proc/$orphan || echo reaped";
    let text = text_of(&mut run_behind(&with_vault(), &AS_PID_1, &["sh", "-c", script]));
    assert_eq!(text, "keyward\nPPid:\t1\nreaped\n");
}

#[test]
fn the_program_has_the_core_limit_from_before_keyward() {
    let home = with_vault();
    for limit in ["0", "7", "unlimited"] {
        let outside = ["sh", "-c", &format!("ulimit -c {limit}; \"$@\""), "sh"];
        let text = text_of(&mut run_behind(&home, &outside, &["sh", "-c", "ulimit -S -c; ulimit -H -c"]));
        assert_eq!(text, format!("{limit}\n{limit}\n"));
    }
}

#[test]
fn the_program_has_the_signal_dispositions_from_before_keyward() {
    let home = with_vault();
    for before in [
        "exec \"$@\"",
        "exec nohup \"$@\"",
        "trap '' INT QUIT USR1; exec \"$@\"",
        "exec env --block-signal=TERM,USR2 \"$@\"",
    ] {
        let outside = text_of(Command::new("sh").args(["-c", before, "sh", "cat", "/proc/self/status"]));
        let inside =
            text_of(&mut run_behind(&home, &["sh", "-c", before, "sh"], &["cat", "/proc/self/status"]));
        for field in ["SigBlk:", "SigIgn:", "SigCgt:"] {
            assert_eq!(mask(&inside, field), mask(&outside, field), "{field} {before}");
        }
    }
}

/// Reads a signal mask. Signals 32 and 33 are the C library's own; its `posix_spawn` leaves them ignored in
/// whatever it starts, and no program may use them (signal(7)).
fn mask(status: &str, field: &str) -> u64 {
    let digits = status.lines().find_map(|line| line.strip_prefix(field)).expect("a mask");
    u64::from_str_radix(digits.trim(), 16).expect("hexadecimal digits") & !(0b11 << 31)
}

#[test]
fn stdin_reaches_the_program_byte_for_byte() {
    let home = with_vault();
    let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let finished = feed(&mut home.command(["run", "--", "cat"]), &bytes);
    assert!(finished.succeeds().stdout == bytes, "{} bytes came back", finished.stdout.len());
}

#[test]
fn what_is_typed_behind_a_passphrase_reaches_the_program() {
    let home = Home::new();
    let mut init = home.command(["init", "--source", "passphrase", "--light"]);
    let made = init.env("KEYWARD_VAULT_PASSPHRASE", "five random words stay here").output();
    Finished::from(made.expect("keyward starts")).succeeds();
    let read = "IFS= read -r line; printf 'got <%s>\\n' \"$line\"; head -c 3 | od -An -tx1";
    let mut terminal = Terminal::start(&home.command(["run", "--", "sh", "-c", read]));
    // All at once, as a person types who does not wait.
    terminal.wait_for_hidden("Passphrase of the vault: ");
    terminal.type_keys("five random words stay here\n  for the program \nabc\n");
    let session = terminal.finish();
    session.ends(0).hides("five random").shows("got <  for the program >").shows("61 62 63");
}

#[test]
fn ctrl_c_on_a_terminal_reaches_the_program_once() {
    require("strace", "strace");
    let home = with_vault();
    let wait = "trap : INT; echo ready; sleep 1; sleep 0.5; echo over; exit 9";
    // `-D` makes strace the grandchild, so that it counts what reaches keyward's own child.
    let trace = ["run", "--", "strace", "-D", "-o", "trace", "-e", "trace=none", "sh", "-c", wait];
    let mut terminal = Terminal::start(&home.command(trace));
    terminal.wait_for("ready").type_keys(CTRL_C).wait_for("over");
    assert_eq!(terminal.finish().code, 9);
    let trace = fs::read_to_string(home.path().join("trace")).expect("a trace");
    assert_eq!(trace.matches("--- SIGINT").count(), 1, "{trace}");
}

#[test]
fn ctrl_c_after_a_passphrase_prompt_leaves_the_end_to_the_program() {
    let home = Home::new();
    let mut init = home.command(["init", "--source", "passphrase", "--light"]);
    let made = init.env("KEYWARD_VAULT_PASSPHRASE", "five random words stay here").output();
    Finished::from(made.expect("keyward starts")).succeeds();
    let script =
        "trap 'echo stopping; sleep 0.2; echo stopped; exit 9' INT; echo ready; while :; do sleep 0.02; done";
    let mut terminal = Terminal::start(&home.command(["run", "--", "sh", "-c", script]));
    terminal.wait_for_hidden("Passphrase of the vault: ").type_keys("five random words stay here\n");
    terminal.wait_for("ready").type_keys(CTRL_C).wait_for("stopped");
    terminal.finish().ends(9);
}
