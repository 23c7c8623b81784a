//! Processes that run beside a test: starting and signalling them, and what `/proc` tells of them.

use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

use crate::{Home, keyward, require};

/// The ordinary user as whom tests act whose point root's powers would blunt.
pub const USER: &str = "keyward-test";

/// A command that goes on while a test looks at it, and is killed at the test's end.
#[derive(Debug)]
pub struct Background {
    process: Child,
    output: BufReader<ChildStdout>,
    /// What the command wrote after the word `ready` on its first line that starts so.
    pub ready: String,
}

impl Background {
    /// Starts a command and waits until it writes a line that starts with `ready`.
    #[track_caller]
    pub fn start(command: &mut Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().expect("a command that starts");
        let output = BufReader::new(process.stdout.take().expect("stdout is a pipe"));
        let mut started = Self { process, output, ready: String::new() };
        let mut line = String::new();
        while !line.starts_with("ready") {
            line.clear();
            assert_ne!(started.output.read_line(&mut line).expect("text"), 0, "it never was ready");
        }
        started.ready = line.trim_start_matches("ready").trim().to_owned();
        started
    }

    /// Returns the process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Returns the process id that the command wrote after `ready`.
    pub fn told_id(&self) -> u32 {
        self.ready.parse().expect("a process id after `ready`")
    }

    /// Sends a signal to the process.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).expect("a process to signal");
    }

    /// Sends a signal until the process has ended by it. The Rust runtime takes the first SIGSEGV for a stack
    /// overflow to look into, and leaves the second one to the system.
    pub fn crash(&mut self, signal: Signal) {
        while self.process.try_wait().expect("a child").is_none() {
            self.signal(signal);
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Returns the rest of what it writes, and its exit code; 128 + n for signal n.
    pub fn finish(mut self) -> (String, i32) {
        let mut text = String::new();
        self.output.read_to_string(&mut text).expect("text");
        let status = self.process.wait().expect("a child");
        (text, status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // What `keyward run` started outlives a killed keyward.
        if let Some(pid) = self.ready.parse().ok().and_then(Pid::from_raw) {
            kill_process(pid, Signal::KILL).ok();
        }
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// Returns a field of `/proc/PID/status`.
pub fn status_field(pid: u32, field: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process that lives");
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {field} in {status}")).trim().to_owned()
}

/// Counts the places where the writable memory of a process holds `needle`. Root may read it.
pub fn count_in_memory(pid: u32, needle: &[u8]) -> usize {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("the maps of a process");
    let mut memory = File::open(format!("/proc/{pid}/mem")).expect("the memory of a process");
    let mut count = 0;
    for line in maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|mode| mode.starts_with("rw")))
    {
        let (start, end) = line.split(' ').next().and_then(|range| range.split_once('-')).expect("a range");
        let address = |text| u64::from_str_radix(text, 16).expect("an address");
        let mut bytes = Vec::new();
        memory.seek(SeekFrom::Start(address(start))).expect("an address of the process");
        // The kernel's own pages can't be read; they hold nothing of the process.
        if (&memory).take(address(end) - address(start)).read_to_end(&mut bytes).is_ok() {
            count += bytes.windows(needle.len()).filter(|window| *window == needle).count();
        }
    }
    count
}

/// Waits until `happens`, and tells whether it did.
pub fn eventually(happens: impl Fn() -> bool) -> bool {
    let end = Instant::now() + Duration::from_secs(10);
    while Instant::now() < end {
        if happens() {
            return true;
        }
        thread::sleep(Duration::from_millis(20));
    }
    happens()
}

/// A home of the ordinary user [`USER`], and a copy of the binary where that user may execute it.
#[derive(Debug)]
pub struct UserHome {
    /// The home; its commands run as root.
    pub home: Home,
    binary: TempDir,
}

impl UserHome {
    /// Makes an empty home of the ordinary user.
    #[track_caller]
    pub fn new() -> Self {
        assert!(geteuid().is_root(), "the tests between users run as root");
        require("setpriv", "util-linux");
        let (user, group) = (id("-u"), id("-g"));
        let home = Home::new();
        chown(home.path(), Some(user), Some(group)).expect("a home to give away");
        let binary = tempfile::Builder::new().prefix("keyward-bin-").tempdir().expect("a directory");
        fs::set_permissions(binary.path(), Permissions::from_mode(0o755)).expect("a directory for all");
        // Not copied here: a child that another test starts meanwhile would hold the file open for writing.
        let copied = Command::new("cp").arg(keyward()).arg(binary.path()).status().expect("cp starts");
        assert!(copied.success(), "no copy of the binary");
        Self { home, binary }
    }

    /// Returns the path of the binary that the user may execute.
    pub fn keyward(&self) -> PathBuf {
        self.binary.path().join("keyward")
    }

    /// Prepares a command of the ordinary user; setpriv(1) becomes it without another process.
    pub fn command(&self, program: impl AsRef<Path>, arguments: &[&str]) -> Command {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", USER, "--regid", USER, "--clear-groups"])
            .arg(program.as_ref())
            .args(arguments);
        command.env_clear().env("HOME", self.home.path()).env("PATH", "/usr/bin:/bin");
        command.current_dir(self.home.path()).stdin(Stdio::null());
        command
    }

    /// Tells whether the user may read a file.
    pub fn reads(&self, path: &str) -> bool {
        let output = self.command("head", &["-c", "1", path]).output().expect("head starts");
        output.status.success()
    }
}

impl Default for UserHome {
    fn default() -> Self {
        Self::new()
    }
}

#[track_caller]
fn id(option: &str) -> u32 {
    let output = Command::new("id").args([option, USER]).output().expect("id starts");
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    text.parse().unwrap_or_else(|_| panic!("there is no user {USER}: useradd --create-home {USER}"))
}
