//! The calls by which the library changes files, and a durable write made of them. What files mean and how they
//! are called is the business of those who call.
//!
//! The calls are those of rustix and std themselves. In this crate's own tests each of them passes
//! a watch first, which records it, fails it or stops there, as a crash would.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{Mode, OFlags, fstat};
use rustix::io::Errno;
use rustix::process::geteuid;

pub(crate) use self::calls::{
    fchmod, fsync, linkat, mkdirat, openat, renameat, renameat_with, through, unlinkat,
};
#[cfg(test)]
use self::watch as calls;

/// Why bytes are not in a file.
#[derive(Debug)]
pub(crate) enum WriteError {
    /// The system refused.
    Io {
        /// What was tried, as a verb.
        act: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// The bytes on disk are not those that were written.
    ReadBack,
}

/// Writes `bytes` to a new file, waits until they are on disk, and reads them back.
pub(crate) fn write_durably(file: &File, bytes: &[u8]) -> Result<(), WriteError> {
    through(file).write_all(bytes).map_err(failed("write"))?;
    // Once and by itself: after a failure the system may call lost pages clean.
    fsync(file).map_err(failed("flush"))?;
    let same = holds(file, bytes).map_err(failed("read back"))?;
    if same { Ok(()) } else { Err(WriteError::ReadBack) }
}

/// Waits until the directories on the way to `directory` are on disk, as far up as this account may have made them.
/// Who made them need not be this process, and may have been killed before it waited.
pub(crate) fn sync_way_to(directory: BorrowedFd<'_>) -> Result<(), Errno> {
    let here = fstat(directory)?;
    if here.st_uid != geteuid().as_raw() {
        return Ok(());
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let above = match openat(directory, "..", flags, Mode::empty()) {
        // A directory that we can't read we may not change either, as a rule.
        Err(Errno::ACCESS) => return Ok(()),
        opened => opened?,
    };
    let there = fstat(&above)?;
    if there.st_dev != here.st_dev || there.st_ino == here.st_ino {
        return Ok(());
    }
    match fsync(&above) {
        // A file system that flushes no directories says so of the last one too, where it is told.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(()),
        flushed => flushed.and_then(|()| sync_way_to(above.as_fd())),
    }
}

fn failed<E: Into<io::Error>>(act: &'static str) -> impl FnOnce(E) -> WriteError {
    move |source| WriteError::Io { act, source: source.into() }
}

/// Tells whether `file` has exactly the bytes `bytes`.
fn holds(file: &File, bytes: &[u8]) -> io::Result<bool> {
    let mut buffer = vec![0; bytes.len().saturating_add(1).min(CHUNK)];
    let mut rest = bytes;
    let mut offset = 0;
    loop {
        let length = match through(file).read_at(&mut buffer, offset) {
            Ok(0) => return Ok(rest.is_empty()),
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        match rest.strip_prefix(&buffer[..length]) {
            Some(after) => rest = after,
            None => return Ok(false),
        }
        offset += length as u64;
    }
}

/// Room for a read-back: more would cost more to touch than the calls that it saves.
const CHUNK: usize = 64 << 10;

#[cfg(not(test))]
mod calls {
    use std::fs::File;

    pub(crate) use rustix::fs::{fchmod, fsync, linkat, mkdirat, openat, renameat, renameat_with, unlinkat};

    /// Returns the file as it is read and written.
    pub(crate) const fn through(file: &File) -> &File {
        file
    }
}
#[cfg(test)]
pub(crate) mod model;
#[cfg(test)]
pub(crate) mod watch;

#[cfg(test)]
mod tests {
    use tempfile::tempfile;

    use super::*;

    fn file_with(bytes: &[u8]) -> File {
        let mut file = tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn every_byte_is_read_back() {
        let bytes = vec![7; 2 * CHUNK + 1];
        for place in [0, 1, CHUNK - 1, CHUNK, 2 * CHUNK - 1, 2 * CHUNK] {
            let mut flipped = bytes.clone();
            flipped[place] ^= 1;
            assert!(!holds(&file_with(&flipped), &bytes).unwrap(), "{place}");
        }
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 1] {
            assert!(holds(&file_with(&bytes[..length]), &bytes[..length]).unwrap(), "{length}");
        }
    }

    #[test]
    fn file_of_another_length_is_not_what_was_written() {
        let bytes = vec![7; CHUNK];
        assert!(!holds(&file_with(&bytes[1..]), &bytes).unwrap());
        assert!(!holds(&file_with(&bytes), &bytes[1..]).unwrap());
        assert!(!holds(&file_with(b""), &bytes).unwrap());
        assert!(!holds(&file_with(&bytes), b"").unwrap());
    }
}
