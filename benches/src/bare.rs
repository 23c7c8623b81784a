//! The least that a durable write costs: a temporary file, fsync, rename, fsync of the directory. It
//! runs as a process of its own, as `put` does, and inside one process beside the library.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use crate::process::Program;

/// The hidden argument that makes this program a bare writer.
pub(crate) const ARGUMENT: &str = "--bare-write";

/// Returns the program that writes `length` bytes to `path` durably, once.
pub(crate) fn program(path: &Path, length: u64) -> Program {
    let this = std::env::current_exe().expect("a program knows its own path");
    Program::new(this).with([ARGUMENT.as_ref(), path.as_os_str(), length.to_string().as_ref()])
}

/// What the program of [`program`] does.
pub(crate) fn run(path: &str, length: &str) {
    let length = length.parse().expect("the length is a number");
    write(Path::new(path), &vec![0x5a; length]).expect("the directory can be written");
}

/// Writes `bytes` to `path` so that after a crash the old or the new content is there.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temp = path.with_extension("tmp");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&temp)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temp, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}
