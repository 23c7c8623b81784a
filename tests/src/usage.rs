//! What a command takes of the machine: its largest resident memory and its processor time.

use std::fs;
use std::process::Command;
use std::time::Duration;

use tempfile::NamedTempFile;

use crate::deadline::within;
use crate::{Finished, behind};

/// What a finished command took.
#[derive(Debug)]
pub struct Usage {
    /// What it said.
    pub finished: Finished,
    /// Its largest resident memory, in bytes.
    pub peak_memory: u64,
    /// The time of all processors, in seconds.
    pub cpu_seconds: f64,
}

/// Runs a command that has to end within two minutes and measures it. Python starts it, because the kernel
/// counts the memory of whoever starts a program before it becomes that program, and a test may be large.
#[track_caller]
pub fn measured(command: &Command) -> Usage {
    let result = NamedTempFile::new().expect("a file for the result");
    let path = result.path().to_str().expect("a path that is text");
    let finished = within(Duration::from_secs(120), &mut behind(&["python3", "-c", MEASURE, path], command));
    let result = fs::read_to_string(result.path()).expect("the result");
    let (kibibytes, seconds) = result.split_once(' ').expect("two numbers");
    Usage {
        finished,
        peak_memory: kibibytes.parse::<u64>().expect("a number") << 10,
        cpu_seconds: seconds.parse().expect("a number"),
    }
}

const MEASURE: &str = "
import resource, subprocess, sys
code = subprocess.run(sys.argv[2:]).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
with open(sys.argv[1], 'w') as result:
    result.write(f'{used.ru_maxrss} {used.ru_utime + used.ru_stime}')
sys.exit(code if code >= 0 else 128 - code)
";
