//! Reads a file or a pipe once, whole, bounded in size and in time. Nothing is refused by its type, so
//! that FIFOs and `/dev/fd/N` serve as files do; what the bytes mean is the caller's business.

use std::io;
use std::mem;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd;
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use zeroize::Zeroizing;

use crate::secret::SecretBytes;

/// Why an input can't be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// The path is a directory.
    #[error("it is a directory, not a file")]
    Directory,
    /// The system refused to open or to read it.
    #[error(transparent)]
    System(io::Error),
    /// The other end of a pipe did not write or did not close it in time.
    #[error("no end of the input before the deadline")]
    TimedOut,
    /// It has more bytes than the caller allows.
    #[error("it has more than {limit} bytes")]
    TooLarge {
        /// How many bytes are allowed.
        limit: usize,
    },
}

/// Reads all bytes of `path`, at most `limit`. A pipe whose other end stays silent, or open, is given up
/// after `deadline`; a file is read even if no time is left.
///
/// # Errors
///
/// [`InputError`] tells what went wrong, not for which path.
pub fn read(path: &Path, limit: usize, deadline: Duration) -> Result<SecretBytes, InputError> {
    let end = Instant::now().checked_add(deadline);
    // Without O_NONBLOCK, opening a FIFO waits for its writer, for ever.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    read_all(&open(path, flags, Mode::empty()).map_err(system)?, limit, end)
}

/// Reads all bytes of an open file or pipe, at most `limit`, for as long as its other end takes.
///
/// # Errors
///
/// As of [`read`].
pub fn read_open(input: impl AsFd, limit: usize) -> Result<SecretBytes, InputError> {
    read_all(input, limit, None)
}

fn read_all(input: impl AsFd, limit: usize, end: Option<Instant>) -> Result<SecretBytes, InputError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(FIRST_READ));
    while read_some(&input, end, &mut bytes)? {
        if bytes.len() > limit {
            return Err(InputError::TooLarge { limit });
        }
    }
    Ok(SecretBytes::new(mem::take(&mut *bytes)))
}

/// Appends what one read gives, and tells whether there may be more. A read before `poll` says that there
/// is something would take a FIFO that has no writer yet for an empty file.
fn read_some(
    input: impl AsFd,
    end: Option<Instant>,
    bytes: &mut Zeroizing<Vec<u8>>,
) -> Result<bool, InputError> {
    wait(&input, end)?;
    make_room(bytes);
    match rustix::io::read(input, spare_capacity(bytes)) {
        Ok(count) => Ok(count > 0),
        Err(Errno::AGAIN | Errno::INTR) => Ok(true),
        Err(error) => Err(system(error)),
    }
}

/// Waits until `input` has bytes, has ended, or the time is `end`. No `end` is no deadline.
fn wait(input: impl AsFd, end: Option<Instant>) -> Result<(), InputError> {
    loop {
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut [PollFd::from_borrowed_fd(input.as_fd(), PollFlags::IN)], timeout.as_ref()) {
            Ok(0) => return Err(InputError::TimedOut),
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(system(error)),
        }
    }
}

/// Doubles the space when it is full. A vector that grows by itself leaves its old bytes in freed memory.
fn make_room(bytes: &mut Zeroizing<Vec<u8>>) {
    if bytes.len() == bytes.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(2 * bytes.len()));
        larger.extend_from_slice(bytes);
        *bytes = larger;
    }
}

fn system(error: Errno) -> InputError {
    if error == Errno::ISDIR { InputError::Directory } else { InputError::System(error.into()) }
}

/// The room for the first read: nearly every text that people write by hand fits.
const FIRST_READ: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::os::fd::AsRawFd;
    use std::path::PathBuf;
    use std::thread;

    use rustix::fs::{CWD, mkfifoat};
    use tempfile::TempDir;

    use super::*;

    const LIMIT: usize = 8 * FIRST_READ;
    const SOON: Duration = Duration::from_millis(50);
    const LATE: Duration = Duration::from_secs(20);

    fn bytes(path: &Path, deadline: Duration) -> Vec<u8> {
        read(path, LIMIT, deadline).unwrap().expose_secret().to_vec()
    }

    fn refusal(path: &Path) -> InputError {
        read(path, LIMIT, SOON).unwrap_err()
    }

    fn file(directory: &TempDir, content: &[u8]) -> PathBuf {
        let path = directory.path().join("file");
        fs::write(&path, content).unwrap();
        path
    }

    fn fifo(directory: &TempDir) -> PathBuf {
        let path = directory.path().join("fifo");
        mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
        path
    }

    fn descriptor(reader: &io::PipeReader) -> PathBuf {
        PathBuf::from(format!("/dev/fd/{}", reader.as_raw_fd()))
    }

    #[test]
    fn a_file_longer_than_one_read_is_read_whole() {
        let directory = TempDir::new().unwrap();
        let content: Vec<u8> = (0..=u8::MAX).cycle().take(5 * FIRST_READ + 1).collect();
        assert_eq!(bytes(&file(&directory, &content), Duration::ZERO), content);
    }

    #[test]
    fn a_file_may_have_the_limit_and_no_byte_more() {
        let directory = TempDir::new().unwrap();
        let path = file(&directory, &vec![7; LIMIT]);
        assert_eq!(bytes(&path, SOON).len(), LIMIT);
        fs::write(&path, vec![7; LIMIT + 1]).unwrap();
        assert!(matches!(refusal(&path), InputError::TooLarge { limit: LIMIT }));
    }

    #[test]
    fn an_endless_device_is_too_large() {
        assert!(matches!(refusal(Path::new("/dev/zero")), InputError::TooLarge { .. }));
    }

    #[test]
    fn a_directory_is_named_as_such() {
        let directory = TempDir::new().unwrap();
        assert!(matches!(refusal(directory.path()), InputError::Directory));
    }

    #[test]
    fn an_absent_file_is_the_systems_error() {
        let directory = TempDir::new().unwrap();
        let error = refusal(&directory.path().join("absent"));
        assert!(matches!(error, InputError::System(error) if error.kind() == io::ErrorKind::NotFound));
    }

    #[test]
    fn a_fifo_without_a_writer_is_given_up() {
        let directory = TempDir::new().unwrap();
        assert!(matches!(refusal(&fifo(&directory)), InputError::TimedOut));
    }

    #[test]
    fn a_fifo_whose_writer_never_closes_is_given_up() {
        let directory = TempDir::new().unwrap();
        let path = fifo(&directory);
        let mut both_ends = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
        both_ends.write_all(b"A=1\n").unwrap();
        assert!(matches!(refusal(&path), InputError::TimedOut));
    }

    #[test]
    fn a_fifo_is_waited_for_and_read_to_its_end() {
        let directory = TempDir::new().unwrap();
        let path = fifo(&directory);
        let content = vec![b'y'; 3 * FIRST_READ];
        let writer = thread::spawn({
            let (path, content) = (path.clone(), content.clone());
            move || {
                thread::sleep(SOON);
                fs::write(path, content).unwrap();
            }
        });
        assert_eq!(bytes(&path, LATE), content);
        writer.join().unwrap();
    }

    #[test]
    fn an_inherited_pipe_is_read_by_its_descriptor() {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"A=from-pipe").unwrap();
        drop(writer);
        assert_eq!(bytes(&descriptor(&reader), LATE), b"A=from-pipe");
    }

    #[test]
    fn an_open_pipe_is_waited_for_however_long_it_takes() {
        let (reader, mut writer) = io::pipe().unwrap();
        let late = thread::spawn(move || {
            thread::sleep(SOON);
            writer.write_all(b"A=late").unwrap();
        });
        assert_eq!(read_open(&reader, LIMIT).unwrap().expose_secret(), b"A=late");
        late.join().unwrap();
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"A=1234").unwrap();
        assert!(matches!(read_open(&reader, 5).unwrap_err(), InputError::TooLarge { limit: 5 }));
    }

    #[test]
    fn a_pipe_closed_without_a_byte_is_empty() {
        let (reader, writer) = io::pipe().unwrap();
        drop(writer);
        assert_eq!(bytes(&descriptor(&reader), LATE), b"");
    }

    #[test]
    fn a_deadline_beyond_all_time_is_no_deadline() {
        let directory = TempDir::new().unwrap();
        assert_eq!(bytes(&file(&directory, b"A=1"), Duration::MAX), b"A=1");
    }
}
