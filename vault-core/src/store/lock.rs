//! The turn to write, between processes and between threads: an exclusive advisory lock on a file of
//! its own, which is never renamed or unlinked. The system frees it when its holder ends, however it
//! ends. Other turns that processes take, such as to use a token once, are locks of the same kind.
//!
//! The file says who holds the lock, or held it last: the process id, and a `+` behind it once somebody
//! else has waited for it. Who wrote last and comes again lets the others go first then; else a busy
//! process on a slow disk would take the lock again and again in between the looks of the others.

use std::ffi::OsStr;
use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::StoreError;
use super::directory::Directory;
use super::file::directory_of;
use crate::disk::through;

/// The lock, held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Waits for the lock file at `path`, which is made where it is missing, at most until `deadline` has
    /// passed. Who has the file open by another handle, of this process too, is somebody else.
    ///
    /// # Errors
    ///
    /// [`StoreError::Busy`] with the holder's process id, [`StoreError::Untrusted`] for a place that others
    /// control, [`StoreError::Io`] where the file system knows no locks.
    pub fn at(path: &Path, deadline: Duration) -> Result<Self, StoreError> {
        let name = path.file_name();
        let name =
            name.ok_or_else(|| StoreError::NotAFile { path: path.to_owned(), found: "a directory" })?;
        Self::acquire(&Directory::open_or_create(directory_of(path))?, name, deadline)
    }

    /// Waits for the lock file `name`, at most until `deadline` has passed. Polls, because a blocking
    /// lock has no deadline.
    pub(super) fn acquire(
        directory: &Directory,
        name: &OsStr,
        deadline: Duration,
    ) -> Result<Self, StoreError> {
        let mut wait = Wait::new(deadline);
        loop {
            let file = directory.open_or_create_file(name)?;
            if others_come_first(&file) {
                wait.sleep(COURTESY);
            }
            while !try_lock(&file).map_err(|error| refused(directory, name, error))? {
                announce_waiting(&file);
                if !wait.pause() {
                    return Err(busy(directory, name, &file, &wait));
                }
            }
            // Who locked a file that has lost its name has locked out nobody.
            if directory.names(name, &file)? {
                record_holder(&file);
                return Ok(Self { _file: file });
            }
            if !wait.pause() {
                return Err(busy(directory, name, &file, &wait));
            }
        }
    }
}

fn try_lock(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Interrupted => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// A file system without locks is no place for a writer: between comparing and renaming another one could
/// rename too, and nothing but the lock keeps both changes. Readers need none.
fn refused(directory: &Directory, name: &OsStr, error: io::Error) -> StoreError {
    let lock = directory.path_of(name);
    match Errno::from_io_error(&error) {
        Some(Errno::NOLCK | Errno::NOSYS | Errno::OPNOTSUPP) => StoreError::NoLocks { lock, source: error },
        _ => StoreError::io("lock", &lock)(error),
    }
}

fn busy(directory: &Directory, name: &OsStr, file: &File, wait: &Wait) -> StoreError {
    StoreError::Busy {
        lock: directory.path_of(name),
        holder: recorded_holder(file),
        waited: wait.started.elapsed(),
    }
}

/// Always the same number of bytes, so that no rest of a longer text stays. The text only serves
/// messages and courtesy: a full disk must not take away the lock.
fn record_holder(file: &File) {
    drop(through(file).write_all_at(format!("{:<10} \n", process::id()).as_bytes(), 0));
}

fn announce_waiting(file: &File) {
    drop(through(file).write_all_at(b"+", WAITING_AT));
}

fn recorded_holder(file: &File) -> Option<u32> {
    let mut text = [0; 10];
    through(file).read_exact_at(&mut text, 0).ok()?;
    std::str::from_utf8(&text).ok()?.trim_end().parse().ok()
}

/// Tells whether this process had the lock last and others have waited for it meanwhile.
fn others_come_first(file: &File) -> bool {
    let mut waiting = [0; 1];
    through(file).read_exact_at(&mut waiting, WAITING_AT).is_ok()
        && &waiting == b"+"
        && recorded_holder(file) == Some(process::id())
}

/// Pauses that grow, and shrink again towards the deadline: who has waited long looks more often than
/// those who have just come, so that among many nobody waits for ever.
struct Wait {
    started: Instant,
    deadline: Duration,
    next: Duration,
}

impl Wait {
    fn new(deadline: Duration) -> Self {
        Self { started: Instant::now(), deadline, next: FIRST_PAUSE }
    }

    /// Sleeps a little and returns `true`, or returns `false` when the deadline has passed.
    fn pause(&mut self) -> bool {
        let slept = self.sleep(with_jitter(self.next));
        self.next = (self.next * 2).min(self.longest_pause());
        slept
    }

    fn longest_pause(&self) -> Duration {
        let left = self.deadline.saturating_sub(self.started.elapsed());
        let patience = left.as_secs_f64() / self.deadline.as_secs_f64().max(f64::MIN_POSITIVE);
        LONGEST_PAUSE.mul_f64(patience.min(1.0).powi(2)).max(FIRST_PAUSE)
    }

    fn sleep(&self, pause: Duration) -> bool {
        let left = self.deadline.saturating_sub(self.started.elapsed());
        thread::sleep(pause.min(left));
        !left.is_zero()
    }
}

/// Returns half to one and a half of `pause`: processes that started together must not stay in step.
fn with_jitter(pause: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(u32::MAX / 2);
    pause.mul_f64(0.5 + f64::from(random) / f64::from(u32::MAX))
}

const FIRST_PAUSE: Duration = Duration::from_micros(200);
const LONGEST_PAUSE: Duration = Duration::from_millis(10);
/// Longer than any pause between two looks of another.
const COURTESY: Duration = Duration::from_millis(16);
/// Where a waiting process leaves its mark in the file.
const WAITING_AT: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_half_to_one_and_a_half_as_long_and_not_always_the_same() {
        let pause = Duration::from_millis(100);
        let pauses: Vec<_> = (0..64).map(|_| with_jitter(pause)).collect();
        assert!(pauses.iter().all(|found| (pause / 2..=pause * 3 / 2).contains(found)), "{pauses:?}");
        assert!(pauses.iter().any(|found| *found < pause) && pauses.iter().any(|found| *found > pause));
    }

    #[test]
    fn who_had_the_lock_last_lets_those_pass_that_have_waited() {
        let file = tempfile::tempfile().unwrap();
        assert!(!others_come_first(&file), "nobody had it");
        record_holder(&file);
        assert!(!others_come_first(&file), "nobody waits");
        announce_waiting(&file);
        assert!(others_come_first(&file));
        file.write_all_at(format!("{:<10}", process::id() + 1).as_bytes(), 0).unwrap();
        assert!(!others_come_first(&file), "another one had it");
    }

    #[test]
    fn a_file_system_without_locks_is_another_error_than_a_refusal() {
        let home = tempfile::tempdir().unwrap();
        let directory = Directory::open_anyones(home.path()).unwrap();
        let refused = |errno: Errno| super::refused(&directory, OsStr::new("lock"), errno.into());
        for errno in [Errno::NOLCK, Errno::NOSYS, Errno::OPNOTSUPP] {
            assert!(matches!(refused(errno), StoreError::NoLocks { .. }), "{errno}");
        }
        assert!(matches!(refused(Errno::IO), StoreError::Io { .. }));
    }

    #[test]
    fn each_pause_may_be_twice_as_long_as_the_one_before() {
        let mut wait = Wait::new(Duration::from_secs(100));
        assert!((0..3).all(|_| wait.pause()));
        assert_eq!(wait.next, FIRST_PAUSE * 8);
    }

    #[test]
    fn the_longest_pause_shrinks_towards_the_deadline() {
        let longest = |waited: u64| {
            let started = Instant::now() - Duration::from_secs(waited);
            Wait { started, deadline: Duration::from_secs(100), next: FIRST_PAUSE }.longest_pause()
        };
        assert!((LONGEST_PAUSE * 9 / 10..=LONGEST_PAUSE).contains(&longest(0)));
        assert!((LONGEST_PAUSE / 5..=LONGEST_PAUSE / 4).contains(&longest(50)));
        assert_eq!((longest(99), longest(200)), (FIRST_PAUSE, FIRST_PAUSE));
    }
}
