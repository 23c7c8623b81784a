//! One command with another clock. The binary is static and reads the clock without a system call, so the function for
//! that, which the system maps into every process, is hidden before the C library looks for it. Then it asks the system,
//! and strace(1) changes the answer.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::process::eventually;
use crate::{Finished, behind, require};

/// Runs a command, with `input` on stdin, in a time that is `seconds` after 1970, or before.
#[track_caller]
pub fn run_at(seconds: i64, command: &Command, input: &[u8]) -> Finished {
    require("strace", "strace");
    let trace = command.get_current_dir().expect("a home").join("trace");
    // What an earlier command left would look like this one's.
    fs::remove_file(&trace).ok();
    let answer: String = seconds.to_le_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let answer = format!("inject=clock_gettime:poke_exit=@arg2={answer}");
    let words = ["strace", "-qq", "-o", "trace", "-e", "inject=brk:signal=STOP:when=1", "-e", &answer];
    let mut command = behind(&words, command);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut tracer = command.spawn().expect("strace starts");
    let traced = stopped_child(&tracer, &trace);
    hide_clock(traced);
    kill_process(traced, Signal::CONT).expect("a process to continue");
    tracer.stdin.take().expect("a pipe").write_all(input).ok();
    let finished = tracer.wait_with_output().expect("the command ends").into();
    let trace = fs::read_to_string(trace).expect("a trace");
    let told = trace.lines().any(|line| line.starts_with("clock_gettime(CLOCK_REALTIME") && is_changed(line));
    assert!(told, "the clock was not changed\n{trace}\n{finished}");
    finished
}

fn is_changed(line: &str) -> bool {
    line.contains("(INJECTED")
}

/// Waits until the process that strace started has stopped, where the C library has not looked for the clock yet.
#[track_caller]
fn stopped_child(tracer: &Child, trace: &Path) -> Pid {
    let is_stopped =
        || fs::read_to_string(trace).is_ok_and(|text| text.contains("--- stopped by SIGSTOP ---"));
    assert!(eventually(is_stopped), "it never stopped");
    let children = format!("/proc/{0}/task/{0}/children", tracer.id());
    let child = fs::read_to_string(children).expect("the children of strace");
    Pid::from_raw(child.trim().parse().expect("one child")).expect("a process")
}

/// Gives the function another name.
fn hide_clock(pid: Pid) {
    let pid = pid.as_raw_nonzero();
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("the maps of a process");
    let line = maps.lines().find(|line| line.ends_with("[vdso]")).expect("the system's functions");
    let (start, end) = line.split(' ').next().and_then(|range| range.split_once('-')).expect("a range");
    let [start, end] = [start, end].map(|text| u64::from_str_radix(text, 16).expect("an address"));
    let memory = File::options().read(true).write(true).open(format!("/proc/{pid}/mem"));
    let mut memory = memory.expect("the memory of a process: the tests run as root");
    memory.seek(SeekFrom::Start(start)).expect("an address of the process");
    let mut functions = Vec::new();
    (&memory).take(end - start).read_to_end(&mut functions).expect("readable memory");
    let at = functions.windows(CLOCK.len()).position(|name| name == CLOCK).expect("the clock's function");
    memory.seek(SeekFrom::Start(start + at as u64)).expect("an address of the process");
    memory.write_all(b"x").expect("writable memory");
}

const CLOCK: &[u8] = b"__vdso_clock_gettime\0";
