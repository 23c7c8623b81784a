//! Faults at the system calls of the real binary, by strace(1): which calls a command makes, and the same command
//! with one of them failing, or being the last that it comes to. What has to hold then is the tests' business.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::process::Command;

use crate::writes::CANARY;
use crate::{Finished, behind, feed, require};

/// One system call of a command: the `nth` of its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The name of the call.
    pub name: String,
    /// Which one of that name, from 1.
    pub nth: usize,
}

impl Call {
    /// Returns the option of strace that makes this one call fail with `error`, such as `EIO`, undone.
    pub fn failing(&self, error: &str) -> String {
        format!("inject={}:error={error}:when={}", self.name, self.nth)
    }

    /// Returns the option of strace that kills the process as it enters this call, which is not done any more.
    pub fn killing(&self) -> String {
        format!("inject={}:signal=KILL:when={}", self.name, self.nth)
    }

    /// Tells whether the system ever answers such a call with `error`: a full disk (`ENOSPC`) only where room is
    /// needed, if only for the name of a file, and a signal (`EINTR`) only where a slow or remote disk makes it wait.
    pub fn can_fail_with(&self, error: &str) -> bool {
        let name = &self.name.as_str();
        match error {
            "EINTR" => INTERRUPTIBLE.contains(name),
            "ENOSPC" => NEEDS_ROOM.contains(name),
            _ => !NEVER_REFUSED.contains(name),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.nth)
    }
}

/// What a traced command left.
#[derive(Debug)]
pub struct Traced {
    /// Its outcome; of a killed command the code is [`KILLED`].
    pub finished: Finished,
    /// The calls of its first thread, a line each, as strace writes them.
    pub trace: String,
}

impl Traced {
    /// Returns the calls in order, without the one that started the program.
    pub fn calls(&self) -> Vec<Call> {
        let mut counts = HashMap::new();
        let names = self.trace.lines().filter_map(|line| line.split_once('(')).map(|(name, _)| name);
        let names =
            names.filter(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
        let calls = names.map(|name| {
            let nth = counts.entry(name).and_modify(|count| *count += 1).or_insert(1);
            Call { name: name.to_owned(), nth: *nth }
        });
        calls.filter(|call| call.name != "execve").collect()
    }

    /// Returns the calls that are keyward's own and that can fail with `error`: those before the process is hardened
    /// are of the C library and of Rust's runtime, which refuse to start. Those after a program was started come in an
    /// order that depends on it.
    pub fn calls_failing_with(&self, error: &str) -> Vec<Call> {
        let own = self.calls().into_iter().skip_while(|call| call.name != "prctl");
        let own = own.take_while(|call| call.name != "clone3");
        own.filter(|call| call.can_fail_with(error)).collect()
    }

    /// Checks that the fault happened.
    #[track_caller]
    pub fn was_injected(&self) {
        assert!(self.is_injected(), "no call was changed\n{}\n{}", self.trace, self.finished);
    }

    fn is_injected(&self) -> bool {
        self.trace.contains("(INJECTED") || self.finished.code == KILLED
    }
}

/// Repeats a run until its fault happens: the C library makes a call more or less as memory happens to lie. `None` for
/// a call that three runs did not make, which is none of the command's own.
pub fn until_injected(mut run: impl FnMut() -> Traced) -> Option<Traced> {
    (0..3).map(|_| run()).find(Traced::is_injected)
}

/// Checks that few calls were left out, of `calls`.
#[track_caller]
pub fn few_are_left_out(left_out: usize, calls: &[Call]) {
    assert!(left_out * 20 <= calls.len(), "{left_out} calls did not come: {calls:?}");
}

/// Runs a command under strace with further options of strace, each behind `-e`, and `input` on stdin. A command that
/// hangs is ended and fails the test.
#[track_caller]
pub fn traced(command: &Command, input: &[u8], options: &[String]) -> Traced {
    require("strace", "strace");
    // The C library reads its memory map when it starts: with other addresses, that may take a call more.
    let fixed_addresses = ["setarch", "-R"];
    let mut words = vec!["timeout", "60"];
    words.extend(fixed_addresses);
    words.extend(["strace", "-qq", "-o", TRACE, "-e", "signal=none"]);
    words.extend(options.iter().flat_map(|option| ["-e", option]));
    let finished = feed(&mut behind(&words, command), input);
    assert_ne!(finished.code, 124, "it hung with {options:?}\n{finished}");
    let trace = command.get_current_dir().expect("the home").join(TRACE);
    let trace = fs::read_to_string(trace).unwrap_or_else(|error| panic!("no trace: {error}\n{finished}"));
    Traced { finished, trace }
}

/// Checks what a command says: no value, no panic, and with an error what to do next, unless its answer told.
pub fn judge_text(said: &Finished) -> Result<(), String> {
    let text = said.text() + &said.stderr;
    if ["panicked", "a bug", "internal"].iter().any(|word| text.contains(word)) {
        return Err("it failed in a way that nobody thought of".to_owned());
    }
    let explains = said.stderr.contains("error: ") && said.stderr.contains("hint: ");
    if said.code != 0 && said.stdout.is_empty() && !explains {
        return Err("it does not say what failed and what to do".to_owned());
    }
    if said.stderr.contains(CANARY) { Err("it shows a value".to_owned()) } else { Ok(()) }
}

/// The exit code of a command that was killed.
pub const KILLED: i32 = 128 + 9;

/// The file with the trace, in the directory of the command.
pub(crate) const TRACE: &str = "trace";

/// Memory is not asked of a disk, and some calls only tell what the system knows.
const NEVER_REFUSED: [&str; 18] = [
    "brk",
    "exit_group",
    "geteuid",
    "getpid",
    "getrandom",
    "gettid",
    "madvise",
    "mmap",
    "mprotect",
    "mremap",
    "munmap",
    "prctl",
    "prlimit64",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sched_yield",
    "sigaltstack",
];

const NEEDS_ROOM: [&str; 13] = [
    "fchmod", "fsync", "link", "linkat", "mkdir", "mkdirat", "openat", "pwrite64", "rename", "renameat",
    "unlink", "unlinkat", "write",
];

const INTERRUPTIBLE: [&str; 9] =
    ["flock", "fsync", "openat", "poll", "pread64", "pwrite64", "read", "wait4", "write"];
