//! Time, which tests replace: the wall clock for what is written down, the monotonic clock for waiting.

use std::fmt::Debug;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// A moment in seconds since 1970-01-01T00:00:00Z.
pub type UnixTime = i64;

/// What tells the time, and waits.
pub trait Clock: Debug + Send + Sync {
    /// Returns the wall clock's time, which may jump.
    fn now(&self) -> UnixTime;

    /// Returns the time since some fixed moment, which never goes back.
    fn monotonic(&self) -> Duration;

    /// Waits.
    fn sleep(&self, pause: Duration);
}

/// The clocks of the system.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// Starts the monotonic clock at zero.
    #[must_use]
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> UnixTime {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn sleep(&self, pause: Duration) {
        thread::sleep(pause);
    }
}
