//! `run` in processes of its own: the test binary starts itself again as [`launcher`], because
//! handlers, limits and waiting concern a whole process. The tests of PID 1 need namespaces, those of the
//! terminal script(1); without, they fail.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{ChildStdout, Output, Stdio};
use std::thread;
use std::time::Duration;

use super::*;

/// Stands for `keyward run`: runs the command after `--` and ends with its exit code.
#[test]
#[ignore = "the other tests start it in a process of its own"]
fn launcher() {
    let command: Vec<_> = std::env::args_os().skip_while(|argument| argument != "--").skip(1).collect();
    if let Some((program, arguments)) = command.split_first() {
        end_process(launch(program, arguments));
    }
}

/// Runs a command with a small environment and returns keyward's exit code.
fn launch(program: &OsStr, arguments: &[OsString]) -> u8 {
    let limits = vault_core::harden::harden_process().unwrap();
    let environment = vec![("PATH".into(), "/usr/bin:/bin".into()), ("GIVEN".into(), "yes".into())];
    match run(Launch { program, arguments, environment, limits }) {
        Ok(outcome) => outcome.exit_code(),
        Err(ChildError::NotExecutable { .. }) => 126,
        Err(ChildError::NotFound { .. }) => 127,
        Err(ChildError::Failed(_) | ChildError::TooLarge) => 125,
    }
}

#[allow(clippy::exit, clippy::disallowed_methods, reason = "the test harness has exit codes of its own")]
fn end_process(code: u8) -> ! {
    std::process::exit(code.into())
}

/// Returns the command that runs `command` through [`launcher`], with `wrapper` before it.
fn keyward(wrapper: &[&str], command: &[&str]) -> Command {
    let this = std::env::current_exe().unwrap().into_os_string().into_string().unwrap();
    let launcher = [&this, "--exact", "child::tests::launcher", "--ignored", "--nocapture", "--quiet", "--"];
    let words = [wrapper, &launcher, command].concat();
    let mut started = Command::new(words[0]);
    started.args(&words[1..]).stdin(Stdio::null());
    started
}

fn output_of(wrapper: &[&str], command: &[&str]) -> Output {
    keyward(wrapper, command).output().unwrap()
}

/// Returns the exit code of a shell script under `run`.
fn code_of(script: &str) -> Option<i32> {
    output_of(&[], &["sh", "-c", script]).status.code()
}

/// Returns what a command under `run` wrote, without the test harness's own words.
fn text_of(wrapper: &[&str], command: &[&str]) -> String {
    let text = String::from_utf8(output_of(wrapper, command).stdout).unwrap();
    text.trim_start().trim_start_matches("running 1 test\n").to_owned()
}

/// Returns a signal mask in the child's own `/proc/self/status`, started after the shell script
/// `before`. Real-time signals are left out: what starts the tests may ignore some.
fn signals_of_child(before: &str, field: &str) -> u32 {
    let wrapper = ["sh", "-c", &format!("{before}\nexec \"$@\""), "sh"];
    let status = text_of(&wrapper, &["cat", "/proc/self/status"]);
    let digits = status.lines().find_map(|line| line.strip_prefix(field)).map(str::trim);
    let mask = u64::from_str_radix(digits.unwrap(), 16).unwrap() & 0x7fff_ffff;
    u32::try_from(mask).unwrap()
}

/// A command under `run` that goes on, and the text it writes.
struct Background {
    process: Child,
    output: BufReader<ChildStdout>,
    /// The first line.
    ready: String,
}

impl Background {
    /// Starts a command and waits until it writes a line that starts with `ready`.
    fn start(mut command: Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut ready = String::new();
        while !ready.starts_with("ready") {
            ready.clear();
            assert_ne!(output.read_line(&mut ready).unwrap(), 0, "it never was ready");
        }
        Self { process, output, ready }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    /// Returns the rest of the text and the exit code.
    fn finish(mut self) -> (String, Option<i32>) {
        let mut text = String::new();
        self.output.read_to_string(&mut text).unwrap();
        (text, self.process.wait().unwrap().code())
    }
}

/// A script that says which signal it got and ends with 40 when it is one of `names`.
fn trapping(names: &str) -> String {
    let traps: String =
        names.split(' ').map(|name| format!("trap 'echo got {name}; exit 40' {name}; ")).collect();
    format!("{traps} echo ready; while :; do sleep 0.02; done")
}

#[test]
fn the_childs_own_code_is_passed_through() {
    for code in [0, 1, 2, 42, 255] {
        assert_eq!(code_of(&format!("exit {code}")), Some(code));
    }
}

#[test]
fn a_child_killed_by_a_signal_gives_128_and_its_number() {
    assert_eq!(code_of("kill -9 $$"), Some(137));
    assert_eq!(code_of("kill -15 $$"), Some(143));
}

#[test]
fn a_missing_program_is_not_found() {
    for program in ["keyward-no-such-program", "/nowhere/program", "/etc/passwd/program", ""] {
        assert_eq!(output_of(&[], &[program]).status.code(), Some(127), "{program}");
    }
}

#[test]
fn what_cannot_be_executed_is_told_apart_from_what_is_missing() {
    let no_interpreter = executable("no-interpreter", "#!/nowhere/interpreter\n");
    let no_format = executable("no-format", "echo without a first line that says who reads this\n");
    for program in ["/etc/passwd", "/usr", &no_interpreter, &no_format] {
        assert_eq!(output_of(&[], &[program]).status.code(), Some(126), "{program}");
    }
    fs::remove_file(no_interpreter).unwrap();
    fs::remove_file(no_format).unwrap();
}

/// Writes a file that may be executed, and returns its path.
fn executable(name: &str, text: &str) -> String {
    let path = std::env::temp_dir().join(format!("keyward-{}-{name}", std::process::id()));
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.into_os_string().into_string().unwrap()
}

#[test]
fn what_the_system_finds_too_large_fails_before_the_start() {
    let limits = vault_core::harden::harden_process().unwrap();
    let environment = vec![("A".into(), "v".repeat(200_000).into())];
    let launch = Launch { program: OsStr::new("/bin/true"), arguments: &[], environment, limits };
    let file = Path::new("/bin/true");
    assert!(matches!(start(file, launch), Err(ChildError::TooLarge)));
}

#[test]
fn the_environment_is_the_given_one_alone() {
    assert_eq!(text_of(&[], &["env"]), "GIVEN=yes\nPATH=/usr/bin:/bin\n");
}

#[test]
fn the_program_sees_its_name_as_typed() {
    assert_eq!(text_of(&[], &["sh", "-c", "tr '\\0' ' ' < /proc/$$/cmdline | cut -c 1-5"]), "sh -c\n");
}

#[test]
fn stdin_passes_through_unread() {
    let mut started = keyward(&[], &["cat"]);
    let mut process = started.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    process.stdin.take().unwrap().write_all(b"for the child\n").unwrap();
    let output = process.wait_with_output().unwrap();
    assert!(output.stdout.ends_with(b"\nfor the child\n"));
}

#[test]
fn signals_are_passed_on_to_the_child() {
    let cases = [
        ("HUP", Signal::HUP),
        ("INT", Signal::INT),
        ("QUIT", Signal::QUIT),
        ("TERM", Signal::TERM),
        ("USR1", Signal::USR1),
        ("USR2", Signal::USR2),
        ("WINCH", Signal::WINCH),
    ];
    for (name, signal) in cases {
        let started = Background::start(keyward(&[], &["sh", "-c", &trapping(name)]));
        started.signal(signal);
        assert_eq!(started.finish(), (format!("got {name}\n"), Some(40)));
    }
}

#[test]
fn a_child_without_handler_dies_of_the_signal_passed_on() {
    let started = Background::start(keyward(&[], &["sh", "-c", "echo ready; exec sleep 60"]));
    started.signal(Signal::TERM);
    assert_eq!(started.finish().1, Some(143));
}

#[test]
fn a_stopped_child_is_continued_through_keyward() {
    let script = "echo ready $$; kill -STOP $$; echo continued; exit 3";
    let started = Background::start(keyward(&[], &["sh", "-c", script]));
    let child = started.ready.trim().trim_start_matches("ready ").to_owned();
    while !fs::read_to_string(format!("/proc/{child}/stat")).unwrap().contains(") T ") {
        thread::sleep(Duration::from_millis(5));
    }
    // Until keyward has noticed the stop, it does not pass the signal on.
    thread::sleep(Duration::from_millis(50));
    started.signal(Signal::CONT);
    assert_eq!(started.finish(), ("continued\n".to_owned(), Some(3)));
}

#[test]
fn a_signal_ignored_at_the_start_stays_ignored() {
    assert_eq!(signals_of_child("trap '' HUP", "SigIgn:"), 0b01);
    assert_eq!(signals_of_child("trap '' INT", "SigIgn:"), 0b10);
    assert_eq!(signals_of_child(":", "SigIgn:"), 0);
}

#[test]
fn no_handler_and_no_mask_reaches_the_child() {
    assert_eq!(signals_of_child(":", "SigCgt:"), 0);
    assert_eq!(signals_of_child(":", "SigBlk:"), 0);
}

#[test]
fn an_ignored_or_blocked_sigchld_does_not_lose_the_end() {
    for option in ["--ignore-signal=CHLD", "--block-signal=CHLD"] {
        let output = output_of(&["env", option], &["sh", "-c", "sleep 0.1; exit 7"]);
        assert_eq!(output.status.code(), Some(7), "{option}");
    }
}

#[test]
fn the_child_has_the_original_core_limit() {
    let before = "ulimit -S -c 7 2> /dev/null; ulimit -S -c; exec \"$@\"";
    let text = text_of(&["sh", "-c", before, "sh"], &["sh", "-c", "ulimit -S -c"]);
    let limits: Vec<_> =
        text.lines().filter(|line| !line.is_empty() && !line.starts_with("running")).collect();
    assert_eq!(limits.len(), 2, "{text}");
    assert_eq!(limits[0], limits[1]);
}

#[test]
fn descriptors_of_keyward_do_not_leak_into_the_child() {
    let list = ["ls", "/proc/self/fd"];
    let mut alone = Command::new(list[0]);
    let expected = alone.args(&list[1..]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(text_of(&[], &list).as_bytes(), expected.stdout);
}

/// Returns the words that make a command PID 1 of a namespace.
fn as_pid_1() -> &'static [&'static str] {
    let candidates: [&[&str]; 2] = [
        &["unshare", "--pid", "--fork", "--mount-proc"],
        &["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"],
    ];
    let works = |words: &&[&str]| {
        let tried = Command::new(words[0]).args(&words[1..]).arg("true").output();
        tried.is_ok_and(|output| output.status.success())
    };
    let found = candidates.into_iter().find(works);
    found.expect("this system makes no PID namespace: run as root, or allow unprivileged user namespaces")
}

#[test]
fn as_pid_1_a_signal_reaches_the_child() {
    let wrapper = as_pid_1();
    let script = format!("(sleep 0.1; kill -TERM 1) & {}", trapping("TERM"));
    let output = output_of(wrapper, &["sh", "-c", &script]);
    assert_eq!(output.status.code(), Some(40));
}

#[test]
fn as_pid_1_orphans_are_reaped() {
    let wrapper = as_pid_1();
    let script = "orphan=$(sh -c 'sleep 60 > /dev/null & echo $!')
        grep PPid /proc/$orphan/status
        kill $orphan
        for i in $(seq 200); do test -e /proc/$orphan && sleep 0.01; done
        test -e /proc/$orphan || echo reaped";
    assert_eq!(text_of(wrapper, &["sh", "-c", script]), "PPid:\t1\nreaped\n");
}

/// Runs a script under `run` on a terminal of its own, types `keys` once it is ready, and returns what
/// the terminal shows.
fn on_terminal(script: &str, keys: &[u8]) -> String {
    let command = keyward(&[], &["sh", "-c", script]);
    let quoted = |word: &OsStr| format!("'{}'", word.to_str().unwrap().replace('\'', "'\\''"));
    let words: Vec<_> = [command.get_program()].into_iter().chain(command.get_args()).map(quoted).collect();
    let mut terminal = Command::new("script");
    terminal.args(["-qec", &words.join(" "), "/dev/null"]).stdin(Stdio::piped());
    let mut started = Background::start(terminal);
    let mut keyboard = started.process.stdin.take().unwrap();
    for key in keys {
        keyboard.write_all(&[*key]).unwrap();
        thread::sleep(Duration::from_millis(20));
    }
    let shown = started.finish().0;
    drop(keyboard);
    shown
}

/// Stands for a program under `run` that counts how often it is interrupted.
#[test]
#[ignore = "another test starts it in a process of its own"]
fn counter() {
    let mut signals = Signals::install().unwrap();
    writeln!(io::stdout(), "ready").unwrap();
    let mut count = 0;
    for _ in 0..60 {
        thread::sleep(Duration::from_millis(10));
        count += signals.pending().iter().filter(|received| received.signal == Signal::INT).count();
    }
    writeln!(io::stdout(), "interrupted:{count}").unwrap();
}

#[test]
fn keys_at_the_terminal_signal_the_child_once_each() {
    let this = std::env::current_exe().unwrap();
    // No `--exact`, or the harness around the launcher would take the full name for its own test.
    let counter = "tests::counter --ignored --nocapture --quiet";
    let shown = on_terminal(&format!("exec {} {counter}", this.display()), &[0x03; 10]);
    let count = shown.split("interrupted:").nth(1).and_then(|rest| rest.lines().next());
    // Fewer than the keys are possible: the system keeps no count of a signal that is not taken yet.
    assert!((1..=10).contains(&count.unwrap().trim().parse().unwrap()), "{shown}");
}

#[test]
fn the_child_is_on_the_terminal() {
    let shown = on_terminal("echo ready; test -t 0 && test -t 1 && test -t 2 && echo on it", b"");
    assert!(shown.contains("on it"), "{shown}");
}
