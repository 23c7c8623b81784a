//! The signals that keyward passes on: catches them, and tells which came from a terminal. To whom
//! they go is `child.rs`'s matter.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::Signal;
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::WithRawSiginfo;

/// A signal that arrived.
#[derive(Debug, Clone, Copy)]
pub(super) struct Received {
    /// Which one.
    pub(super) signal: Signal,
    /// Whether the system sent it, for a key at the terminal, a new window size or a hangup; else a
    /// process did.
    pub(super) from_kernel: bool,
}

/// The installed handlers, which put what arrives into a queue. No thread runs for them.
#[derive(Debug)]
pub(super) struct Signals(SignalDelivery<UnixStream, WithRawSiginfo>);

impl Signals {
    /// Installs handlers for [`PASSED_ON`], less those that are ignored and have to stay so, and for
    /// `SIGCHLD`.
    pub(super) fn install() -> io::Result<Self> {
        let ignored = ignored_signals();
        let kept = PASSED_ON.into_iter().filter(|signal| ignored & bit(*signal) == 0);
        let caught = kept.chain([Signal::CHILD]).map(Signal::as_raw);
        let (read, write) = UnixStream::pair()?;
        SignalDelivery::with_pipe(read, write, WithRawSiginfo, caught).map(Self)
    }

    /// Waits until a signal has arrived or `end` is readable.
    pub(super) fn wait(&self, end: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let arrived = PollFd::new(self.0.get_read(), PollFlags::IN);
        let mut sources = vec![arrived];
        sources.extend(end.map(|end| PollFd::from_borrowed_fd(end, PollFlags::IN)));
        match poll(&mut sources, None) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes the signals that have arrived since the last call.
    pub(super) fn pending(&mut self) -> Vec<Received> {
        let pending = self.0.pending();
        pending.filter_map(|info| received(info.si_signo, info.si_code)).collect()
    }
}

/// Reads the two numbers that the system gives to a handler.
fn received(number: i32, code: i32) -> Option<Received> {
    Signal::from_named_raw(number).map(|signal| Received { signal, from_kernel: code == SI_KERNEL })
}

/// Returns the set of signals that are ignored, as a mask; empty where there is no `/proc`.
fn ignored_signals() -> u64 {
    read_status().ok().and_then(|status| mask(&status, "SigIgn:")).unwrap_or(0)
}

/// Reads `/proc/self/status` at once. Such a file has no size, and without room prepared for it the
/// standard library would start with 32 bytes.
fn read_status() -> io::Result<String> {
    let mut status = String::with_capacity(4096);
    File::open("/proc/self/status")?.read_to_string(&mut status)?;
    Ok(status)
}

/// Reads a signal mask from the text of `/proc/PID/status` (proc_pid_status(5)).
fn mask(status: &str, field: &str) -> Option<u64> {
    let digits = status.lines().find_map(|line| line.strip_prefix(field))?;
    u64::from_str_radix(digits.trim(), 16).ok()
}

/// Returns the bit of a signal in such a mask.
fn bit(signal: Signal) -> u64 {
    1 << (signal.as_raw() - 1)
}

/// What is passed on. `SIGTSTP` is not: the terminal stops the whole process group.
const PASSED_ON: [Signal; 8] = [
    Signal::CONT,
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::TERM,
    Signal::USR1,
    Signal::USR2,
    Signal::WINCH,
];

/// The `si_code` of a signal that the system itself sent (sigaction(2), Linux).
const SI_KERNEL: i32 = 0x80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_read_from_its_own_line() {
        let status = "SigBlk:\t0000000000000001\nSigIgn:\t0000000000001002\n";
        assert_eq!(mask(status, "SigIgn:"), Some(0x1002));
        assert_eq!(mask(status, "SigCgt:"), None);
        assert_eq!(mask("SigIgn:\tno number\n", "SigIgn:"), None);
    }

    #[test]
    fn the_lowest_bit_is_signal_1() {
        assert_eq!(bit(Signal::HUP), 1);
        assert_eq!(bit(Signal::INT), 2);
    }

    #[test]
    fn only_the_systems_code_means_the_system() {
        for (code, from_kernel) in [(SI_KERNEL, true), (0, false), (-6, false)] {
            assert_eq!(received(2, code).map(|it| it.from_kernel), Some(from_kernel), "{code}");
        }
    }
}
