//! Commands that must not hang: who is late is killed, and the test fails.

use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::Finished;

/// Runs a command that has to end by itself within `limit`.
#[track_caller]
pub fn within(limit: Duration, command: &mut Command) -> Finished {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts");
    let pid = Pid::from_child(&child);
    let (done, ended) = channel::<()>();
    let watch = thread::spawn(move || {
        let is_late = ended.recv_timeout(limit) == Err(RecvTimeoutError::Timeout);
        if is_late {
            kill_process(pid, Signal::KILL).ok();
        }
        is_late
    });
    let finished: Finished = child.wait_with_output().expect("the command ends").into();
    drop(done);
    assert!(!watch.join().expect("the watch"), "it hung for {limit:?}\n{finished}");
    finished
}
