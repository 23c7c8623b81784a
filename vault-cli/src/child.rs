//! Starts the program of `keyward run`, passes signals on to it and waits for its end. What is in the
//! program's environment is `environment.rs`'s matter; what an error looks like is `error.rs`'s.
//!
//! The child stays in keyward's process group, with the same terminal and the same standard streams,
//! none of which keyward reads or writes. So Ctrl-C and Ctrl-Z reach both, and a shell stops and
//! continues them as one job. The descriptors that keyward itself opens are all close-on-exec; those
//! it was given are handed down, as `env` does, but for the one with the vault's key.
//!
//! A signal that was ignored when keyward started (`nohup`, `trap '' INT`) stays ignored in the child;
//! every other one has its default action there, and none is blocked. Two exceptions: `SIGPIPE` is
//! always back at its default, since the Rust runtime ignores it before anyone can ask what it was,
//! and so is `SIGCHLD`, without which there is nothing to wait for.
//!
//! As PID 1 of a container keyward does what an init has to: it reaps orphans and passes signals on.

mod program;
mod signals;

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};

use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, WaitStatus, getpgid, getpgrp, getpid, getsid, kill_process,
    pidfd_open, wait,
};
use vault_core::harden::OriginalLimits;

use self::signals::{Received, Signals};

/// What to start. It has no `Debug`, because the environment holds secrets.
pub(crate) struct Launch<'a> {
    /// The program as typed: a path if it has a slash, else a name to look up in the `PATH` of
    /// `environment`, as `env` does.
    pub(crate) program: &'a OsStr,
    /// The arguments, without the program.
    pub(crate) arguments: &'a [OsString],
    /// The complete environment of the child.
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// The limits to give to the child.
    pub(crate) limits: OriginalLimits,
}

/// How the child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It ended by itself, with this code.
    Exited(i32),
    /// The signal of this number killed it.
    Signalled(i32),
}

impl Outcome {
    /// Returns the code for keyward to end with: the child's own, or 128 + n after signal n.
    pub(crate) fn exit_code(self) -> u8 {
        let code = match self {
            Self::Exited(code) => code,
            Self::Signalled(number) => 128 + number,
        };
        u8::try_from(code).unwrap_or(u8::MAX)
    }
}

/// Why there is no outcome.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChildError {
    /// The system has no room for a process, or failed in another way that says nothing about the
    /// program. Exit code 125.
    #[error("cannot run the program")]
    Failed(#[from] io::Error),
    /// The program is there, but can't be executed: no permission, a directory, no executable
    /// format, or an interpreter that does not exist. Exit code 126.
    #[error("not executable: {}", .program.display())]
    NotExecutable {
        /// The program as typed.
        program: OsString,
        /// What the system says.
        source: io::Error,
    },
    /// There is no such program. Exit code 127.
    #[error("no such program: {}", .program.display())]
    NotFound {
        /// The program as typed.
        program: OsString,
    },
    /// The arguments and the environment are larger than the system allows (E2BIG). Exit code 125.
    #[error("the arguments and the environment are larger than the system allows")]
    TooLarge,
}

/// Starts a program and waits for its end. Signals that arrive from before its start on are passed on
/// to it; there is no deadline and no killing. Meant for once in the life of a process: handlers stay
/// installed after it, and whatever other children the process has are reaped, too.
pub(crate) fn run(launch: Launch<'_>) -> Result<Outcome, ChildError> {
    let file = program::find(launch.program, path_variable(&launch.environment))?;
    let mut signals = Signals::install()?;
    let early = signals.pending();
    let child = start(&file, launch)?;
    Running::new(&child, signals).wait(early)
}

/// Returns the value of `PATH`.
fn path_variable(environment: &[(OsString, OsString)]) -> Option<&OsStr> {
    environment.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.as_os_str())
}

/// Starts `file`. Its path has a slash, with which the standard library needs no `fork` (it calls
/// `posix_spawn`): that costs the same however much memory the vault takes. The environment is wiped
/// from this process on return.
fn start(file: &Path, launch: Launch<'_>) -> Result<Child, ChildError> {
    let mut command = Command::new(file);
    command.arg0(launch.program).args(launch.arguments).env_clear().envs(launch.environment);
    launch.limits.restore()?;
    let child = command.spawn();
    // Not worth losing sight of the child: this process is not dumpable, whatever its limit.
    launch.limits.relower().ok();
    child.map_err(|error| start_error(file, launch.program, error))
}

/// Says what a failed start was about. That a file is missing which is there means its interpreter.
fn start_error(file: &Path, program: &OsStr, source: io::Error) -> ChildError {
    let program = program.to_owned();
    match Errno::from_io_error(&source) {
        Some(Errno::TOOBIG) => ChildError::TooLarge,
        Some(Errno::NOENT | Errno::NOTDIR) if !file.exists() => ChildError::NotFound { program },
        Some(Errno::NOENT) => {
            let source = io::Error::new(source.kind(), "the interpreter it names does not exist");
            ChildError::NotExecutable { program, source }
        }
        None | Some(Errno::AGAIN | Errno::MFILE | Errno::NFILE | Errno::NOMEM) => ChildError::Failed(source),
        Some(_) => ChildError::NotExecutable { program, source },
    }
}

/// A child that has been started and not been waited for, so that its PID is nobody else's.
struct Running {
    child: Pid,
    /// Readable when the child has ended. `SIGCHLD` alone would do, unless it was blocked when
    /// keyward started. `None` on a system without such descriptors (Linux before 5.3).
    end: Option<OwnedFd>,
    signals: Signals,
    /// Whether the child was stopped when last heard of.
    stopped: bool,
}

impl Running {
    fn new(child: &Child, signals: Signals) -> Self {
        let child = Pid::from_child(child);
        Self { child, end: pidfd_open(child, PidfdFlags::empty()).ok(), signals, stopped: false }
    }

    /// Waits for the end of the child. No one else could have sent it the `early` signals: it was not
    /// there yet.
    fn wait(mut self, early: Vec<Received>) -> Result<Outcome, ChildError> {
        for received in early {
            self.send(received.signal);
        }
        loop {
            if let Some(outcome) = self.reap()? {
                return Ok(outcome);
            }
            self.signals.wait(self.end.as_ref().map(AsFd::as_fd))?;
            for received in self.signals.pending() {
                self.pass_on(received);
            }
        }
    }

    /// Takes note of every child that ended, stopped or continued. Children that keyward did not
    /// start are orphans that came to PID 1.
    fn reap(&mut self) -> io::Result<Option<Outcome>> {
        let options = WaitOptions::NOHANG | WaitOptions::UNTRACED | WaitOptions::CONTINUED;
        while let Some((pid, status)) = wait(options)? {
            if pid != self.child {
                continue;
            }
            if let Some(outcome) = outcome(status) {
                return Ok(Some(outcome));
            }
            self.note_stop(status);
        }
        Ok(None)
    }

    /// Stops keyward when the child stopped. The terminal's Ctrl-Z has done so already; a child that
    /// suspends only itself (an editor, a shell with jobs of its own) would leave the user's shell
    /// waiting. The system ignores this signal where no shell could continue us.
    fn note_stop(&mut self, status: WaitStatus) {
        self.stopped = status.stopped();
        if self.stopped {
            // A process may always send signals to itself.
            kill_process(getpid(), Signal::TSTP).ok();
        }
    }

    /// Passes a signal on, unless the child has it already.
    fn pass_on(&mut self, received: Received) {
        match received.signal {
            Signal::CHILD => {}
            Signal::CONT if !self.stopped => {}
            signal if received.from_kernel && self.reached_child(signal) => {}
            signal => self.send(signal),
        }
    }

    /// Tells whether a signal from the system went to the child too: the terminal signals a whole
    /// process group, except that the leader of a session alone learns of a hangup (setsid(2),
    /// credentials(7)).
    fn reached_child(&self, signal: Signal) -> bool {
        let same_group = getpgid(Some(self.child)).is_ok_and(|group| group == getpgrp());
        let leads_session = getsid(None).is_ok_and(|session| session == getpid());
        same_group && !(signal == Signal::HUP && leads_session)
    }

    /// Sends a signal to the child. One that has become another user (`sudo`) can't be reached, which
    /// is no reason to stop waiting for it.
    fn send(&self, signal: Signal) {
        kill_process(self.child, signal).ok();
    }
}

/// Returns how a child ended, or nothing if it has not.
fn outcome(status: WaitStatus) -> Option<Outcome> {
    let exited = status.exit_status().map(Outcome::Exited);
    exited.or_else(|| status.terminating_signal().map(Outcome::Signalled))
}

#[cfg(test)]
mod tests;
