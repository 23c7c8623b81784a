//! The system calls of a command and of its children, by strace(1).

use std::fs;
use std::process::Command;

use tempfile::NamedTempFile;

use crate::{Finished, behind, feed, require};

/// What a command did, and the calls of it and of its children that strace saw.
#[derive(Debug)]
pub struct Traced {
    /// What the command left.
    pub finished: Finished,
    /// One call a line.
    pub calls: String,
}

/// Runs a command under strace; `strace` is that program's own name and options.
#[track_caller]
pub fn traced(strace: &[&str], command: &Command, input: &[u8]) -> Traced {
    require("strace", "strace");
    let file = NamedTempFile::new().expect("a file for the trace");
    let path = file.path().to_str().expect("a path in text");
    let finished = feed(&mut behind(&[strace, &["-o", path]].concat(), command), input);
    let calls = fs::read_to_string(path).expect("a trace");
    Traced { finished, calls }
}
