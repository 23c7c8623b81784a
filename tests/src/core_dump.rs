//! The whole memory of a keyward that stands still: gdb stops it there and writes a core file, also of
//! the mappings that a core file would leave out. What keyward itself forbids, root may do.

use std::fmt::Write;
use std::fs;
use std::process::Command;

use regex::bytes::Regex;
use tempfile::TempDir;

use crate::terminal::Terminal;
use crate::{Finished, behind, feed, require};

/// Where a command is stopped.
#[derive(Debug, Clone, Copy)]
pub struct Stop {
    /// The command by which gdb stops there, such as `catch syscall write`.
    pub at: &'static str,
    /// How often the command came by then; a system call counts twice, when it is entered and when it is left.
    pub count: usize,
}

/// The last system call of a process: whatever is in memory then was not wiped.
pub const END: Stop = Stop { at: "catch syscall exit_group", count: 1 };

/// A core file, and how the command ended that went on afterwards.
#[derive(Debug)]
pub struct CoreDump {
    memory: Vec<u8>,
    /// The exit code of the command.
    pub code: i32,
    /// What gdb and the command wrote.
    pub shown: String,
}

impl CoreDump {
    /// Runs a command, and stops it for its core file.
    #[track_caller]
    pub fn of(command: &Command, input: &str, stop: Stop) -> Self {
        let directory = TempDir::with_prefix("keyward-core-").expect("a directory");
        let mut stopped = behind(&words(&gdb(&directory, stop)), command);
        let finished: Finished = feed(&mut stopped, input.as_bytes());
        Self::read(&directory, finished.to_string())
    }

    /// Runs a command on a terminal, answers each prompt with what goes with it, and stops the command.
    #[track_caller]
    pub fn of_typed(command: &Command, answers: &[(&str, &str)], stop: Stop) -> Self {
        let directory = TempDir::with_prefix("keyward-core-").expect("a directory");
        let mut terminal = Terminal::start(&behind(&words(&gdb(&directory, stop)), command));
        for (prompt, answer) in answers {
            terminal.wait_for_hidden(prompt).type_keys(&format!("{answer}\n"));
        }
        let shown = terminal.finish().shown;
        Self::read(&directory, shown)
    }

    /// Counts the places that hold `needle`.
    pub fn count(&self, needle: &[u8]) -> usize {
        let mut pattern = "(?-u)".to_owned();
        for byte in needle {
            write!(pattern, "\\x{byte:02x}").expect("a text takes text");
        }
        Regex::new(&pattern).expect("a pattern").find_iter(&self.memory).count()
    }

    #[track_caller]
    fn read(directory: &TempDir, shown: String) -> Self {
        let memory = fs::read(directory.path().join("core"));
        let memory = memory.unwrap_or_else(|error| panic!("no core file: {error}\n{shown}"));
        assert!(memory.len() > 1 << 20, "a core file of {} bytes", memory.len());
        let code = shown.split("exited with code ").nth(1).and_then(|rest| rest.split(']').next());
        let code = code.map_or(0, |octal| i32::from_str_radix(octal, 8).expect("a code"));
        assert!(shown.contains("exited "), "it did not end by itself\n{shown}");
        Self { memory, code, shown }
    }
}

/// Returns gdb's words before those of the command. A mapping can ask to be left out of core files; not here.
fn gdb(directory: &TempDir, Stop { at, count }: Stop) -> Vec<String> {
    require("gdb", "gdb");
    let commands = [
        "set startup-with-shell off".to_owned(),
        "set debuginfod enabled off".to_owned(),
        "set dump-excluded-mappings on".to_owned(),
        "set use-coredump-filter off".to_owned(),
        "handle all nostop noprint pass".to_owned(),
        at.to_owned(),
        format!("ignore 1 {}", count - 1),
        "run".to_owned(),
        format!("gcore {}", directory.path().join("core").display()),
        "delete".to_owned(),
        "continue".to_owned(),
    ];
    let start = ["gdb", "-nx", "-q", "-batch"].map(str::to_owned).into_iter();
    let commands = commands.into_iter().flat_map(|command| ["-ex".to_owned(), command]);
    start.chain(commands).chain(["--args".to_owned()]).collect()
}

fn words(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}
