//! Whole processes: spawned in turn with `/bin/true`, so that what slows the machine slows both.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use wait4::Wait4;

use crate::statistics::Spread;

/// The measure of every whole-process row.
const TRUE: &str = "/bin/true";

/// A command line with all that the process gets; it inherits nothing.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
    input: Option<PathBuf>,
    /// A file to put in the place of another one before each run.
    restored: Option<(PathBuf, PathBuf)>,
}

impl Program {
    /// Names the program at `path`.
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), arguments: Vec::new(), variables: Vec::new(), input: None, restored: None }
    }

    /// Adds arguments.
    pub(crate) fn with<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Sets a variable.
    pub(crate) fn variable(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Gives the file at `path` as stdin; `/dev/null` if not set.
    pub(crate) fn input(mut self, path: &Path) -> Self {
        self.input = Some(path.to_owned());
        self
    }

    /// Copies `from` to `to` before each run, outside its time, for a program that changes what it finds.
    pub(crate) fn restoring(mut self, from: &Path, to: &Path) -> Self {
        self.restored = Some((from.to_owned(), to.to_owned()));
        self
    }

    /// Runs the program once and returns what it printed.
    pub(crate) fn output(&self) -> Output {
        self.command().output().expect("the program under test starts")
    }

    /// Runs the program once and returns how long that took, start and end included.
    ///
    /// # Panics
    ///
    /// When it fails: the time of a failure is no result.
    pub(crate) fn time(&self) -> Duration {
        let mut command = self.command();
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let start = Instant::now();
        let status = command.status().expect("the program under test starts");
        let elapsed = start.elapsed();
        assert!(status.success(), "{} failed: {status}", self.path.display());
        elapsed
    }

    /// Runs the program once and returns its largest resident memory in bytes. This process has to be
    /// small: the kernel counts the memory that a child has before it becomes the other program.
    pub(crate) fn peak_memory(&self) -> u64 {
        let mut command = self.command();
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let used = child.and_then(Wait4::wait4).expect("the program under test starts");
        assert!(used.status.success(), "{} failed: {}", self.path.display(), used.status);
        used.rusage.maxrss
    }

    /// Puts another program, which runs this one, before it.
    pub(crate) fn under(mut self, path: &Path, arguments: &[&str]) -> Self {
        let own = std::mem::replace(&mut self.path, path.to_owned());
        let before = arguments.iter().map(OsString::from).chain([own.into_os_string()]);
        self.arguments.splice(0..0, before);
        self
    }

    fn command(&self) -> Command {
        if let Some((from, to)) = &self.restored {
            fs::copy(from, to).expect("the directory can be written");
        }
        let mut command = Command::new(&self.path);
        let input = self.input.as_ref().map(|path| File::open(path).expect("the input was made before"));
        command
            .args(&self.arguments)
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(input.map_or_else(Stdio::null, Stdio::from));
        command
    }
}

/// What a series of runs in turn gave.
#[derive(Debug)]
pub(crate) struct Series {
    /// The times of the program itself, in seconds.
    pub(crate) seconds: Spread,
    /// Each time over that of the `/bin/true` before it.
    pub(crate) over_true: Spread,
    /// Each time over that of the other program before it, if there is one.
    pub(crate) over_other: Option<Spread>,
}

/// Runs `/bin/true` twice, `beside` and `program`, in turn, after two rounds that do not count. The
/// second `/bin/true` counts: the first clears away what the program before left to the kernel.
pub(crate) fn in_turn(program: &Program, beside: Option<&Program>, runs: usize) -> Series {
    let nothing =
        Program { path: TRUE.into(), arguments: Vec::new(), input: None, restored: None, ..program.clone() };
    let (mut seconds, mut over_true, mut over_other) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..runs + WARM_UPS {
        nothing.time();
        let base = nothing.time().as_secs_f64();
        let other = beside.map(|beside| beside.time().as_secs_f64());
        let own = program.time().as_secs_f64();
        if round >= WARM_UPS {
            seconds.push(own);
            over_true.push(own / base);
            over_other.extend(other.map(|other| own / other));
        }
    }
    Series {
        seconds: Spread::of(seconds),
        over_true: Spread::of(over_true),
        over_other: beside.map(|_| Spread::of(over_other)),
    }
}

const WARM_UPS: usize = 2;
