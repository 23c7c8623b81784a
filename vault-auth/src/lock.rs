//! The turn to use a session's refresh token: first between the threads of this process, then between
//! processes by a lock file of the session, which is never removed. The system frees it when its holder ends,
//! however it ends. Reading a session takes no lock.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use vault_core::store::{Lock, StoreError};

/// Why the turn did not come.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Somebody else has it, and kept it until the deadline.
    #[error("{} has the session, gave up after {:.1} s: {}", holder_text(*holder), waited.as_secs_f64(), path.display())]
    Busy {
        /// The lock file.
        path: PathBuf,
        /// The process that has it, if it said so.
        holder: Option<u32>,
        /// How long this process waited.
        waited: Duration,
    },
    /// The lock file can't be used; [`StoreError::NoLocks`] where the file system has none, as some network homes.
    #[error(transparent)]
    Store(StoreError),
}

impl LockError {
    /// Makes the error of one wait out of that of its last part.
    #[must_use]
    pub fn after(self, total: Duration) -> Self {
        match self {
            Self::Busy { path, holder, .. } => Self::Busy { path, holder, waited: total },
            other => other,
        }
    }

    fn of(error: StoreError) -> Self {
        match error {
            StoreError::Busy { lock, holder, waited } => Self::Busy { path: lock, holder, waited },
            other => Self::Store(other),
        }
    }
}

fn holder_text(holder: Option<u32>) -> String {
    holder.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

/// The turn to use a session, held until it is dropped: the file is freed first.
#[derive(Debug)]
pub struct SessionLock {
    _file: Lock,
    _process: ProcessLock,
}

impl SessionLock {
    /// Waits for the lock file at `path`, at most until `deadline` has passed.
    ///
    /// # Errors
    ///
    /// [`LockError`].
    pub fn acquire(path: &Path, deadline: Duration) -> Result<Self, LockError> {
        let started = Instant::now();
        let process = ProcessLock::acquire(path, deadline)?;
        let left = deadline.saturating_sub(started.elapsed());
        let file = Lock::at(path, left).map_err(|error| LockError::of(error).after(started.elapsed()))?;
        Ok(Self { _file: file, _process: process })
    }
}

/// The turn among the threads of this process.
#[derive(Debug)]
pub struct ProcessLock {
    name: PathBuf,
}

impl ProcessLock {
    /// Waits until no other thread holds `name`.
    ///
    /// # Errors
    ///
    /// [`LockError::Busy`] with this process as the holder.
    pub fn acquire(name: &Path, deadline: Duration) -> Result<Self, LockError> {
        let held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = FREED.wait_timeout_while(held, deadline, |held| held.contains(name));
        let (mut held, _) = waiting.unwrap_or_else(PoisonError::into_inner);
        if !held.insert(name.to_owned()) {
            let holder = Some(std::process::id());
            return Err(LockError::Busy { path: name.to_owned(), holder, waited: deadline });
        }
        Ok(Self { name: name.to_owned() })
    }
}

impl Drop for ProcessLock {
    fn drop(&mut self) {
        HELD.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
        FREED.notify_all();
    }
}

static HELD: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
static FREED: Condvar = Condvar::new();

#[cfg(test)]
mod tests {
    use std::fs;
    use std::thread;

    use tempfile::tempdir;

    use super::*;

    #[test]
    fn one_thread_at_a_time_has_a_session_and_other_sessions_do_not_wait() {
        let home = tempdir().unwrap();
        let (one, two) = (home.path().join("one.lock"), home.path().join("two.lock"));
        let lock = SessionLock::acquire(&one, Duration::ZERO).unwrap();
        let error = SessionLock::acquire(&one, Duration::from_millis(30)).unwrap_err();
        assert!(matches!(error, LockError::Busy { holder: Some(pid), .. } if pid == std::process::id()));
        SessionLock::acquire(&two, Duration::ZERO).unwrap();
        drop(lock);
        SessionLock::acquire(&one, Duration::ZERO).unwrap();
    }

    #[test]
    fn a_waiting_thread_gets_the_lock_when_it_is_freed() {
        let home = tempdir().unwrap();
        let path = home.path().join("session.lock");
        let lock = SessionLock::acquire(&path, Duration::ZERO).unwrap();
        thread::scope(|scope| {
            let waiter = scope.spawn(|| SessionLock::acquire(&path, Duration::from_secs(20)).map(drop));
            thread::sleep(Duration::from_millis(30));
            assert!(!waiter.is_finished());
            drop(lock);
            waiter.join().unwrap().unwrap();
        });
    }

    #[test]
    fn a_panic_frees_the_lock() {
        let home = tempdir().unwrap();
        let path = home.path().join("session.lock");
        let panicked = thread::scope(|scope| {
            let holder = scope.spawn(|| {
                let _lock = SessionLock::acquire(&path, Duration::ZERO).unwrap();
                panic!("in the middle of a turn");
            });
            holder.join().is_err()
        });
        assert!(panicked);
        SessionLock::acquire(&path, Duration::ZERO).unwrap();
    }

    #[test]
    fn ct_06_a_lock_file_that_somebody_removed_is_noticed_by_who_waits_for_it() {
        let home = tempdir().unwrap();
        let path = home.path().join("session.lock");
        let old = Lock::at(&path, Duration::ZERO).unwrap();
        thread::scope(|scope| {
            let waiter = scope.spawn(|| Lock::at(&path, Duration::from_secs(20)).map(drop));
            thread::sleep(Duration::from_millis(50));
            fs::remove_file(&path).unwrap();
            let new = SessionLock::acquire(&path, Duration::ZERO).unwrap();
            drop(old);
            thread::sleep(Duration::from_millis(100));
            assert!(!waiter.is_finished(), "two turns at once");
            drop(new);
            waiter.join().unwrap().unwrap();
        });
    }
}
