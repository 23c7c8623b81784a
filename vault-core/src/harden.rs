//! What a process does against leaks of its memory: no core dumps, not dumpable, key memory locked,
//! and an allocator that wipes every block. The only file with `unsafe`, for the two system calls that
//! take an address.

use std::alloc::System;
use std::io;
use std::mem::MaybeUninit;

use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};
use zeroizing_alloc::ZeroAlloc;

/// The allocator that a binary sets as its `#[global_allocator]`: the system's, wiping on free.
pub type WipingAllocator = ZeroAlloc<System>;

/// Returns the allocator for `#[global_allocator]`.
#[must_use]
pub const fn wiping_allocator() -> WipingAllocator {
    ZeroAlloc(System)
}

/// The limits as they were before [`harden_process`], to be put back before a child starts.
#[derive(Debug, Clone, Copy)]
pub struct OriginalLimits {
    core: Rlimit,
}

impl OriginalLimits {
    /// Puts the core limit back, so that a child started next has its usual one. This process stays
    /// not dumpable, which alone rules out a core file of its own.
    ///
    /// # Errors
    ///
    /// The system's error when the limit can't be set.
    pub fn restore(&self) -> io::Result<()> {
        Ok(setrlimit(Resource::Core, self.core)?)
    }

    /// Lowers the core limit again after [`restore`](Self::restore), once the child has started.
    ///
    /// # Errors
    ///
    /// The system's error when the limit can't be set.
    pub fn relower(&self) -> io::Result<()> {
        Ok(setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: self.core.maximum })?)
    }
}

/// Rules out core dumps and makes the process unreadable to others of the same user
/// (`/proc/PID/mem`, `ptrace`). Only the soft core limit is lowered: the hard one could not be put
/// back for a child. To be called first, while the process has no secrets.
///
/// # Errors
///
/// The system's error; the caller decides whether to go on without.
pub fn harden_process() -> io::Result<OriginalLimits> {
    let original = OriginalLimits { core: getrlimit(Resource::Core) };
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    original.relower()?;
    Ok(original)
}

/// Asks the system to keep `bytes` out of swap and tells whether it did. An ordinary user may lock
/// little memory (often 8 MiB), so that keys are locked and key-derivation memory is not.
#[allow(unsafe_code, reason = "mlock takes an address; the slice is valid, and locking changes no byte")]
pub(crate) fn lock_memory(bytes: &[u8]) -> bool {
    let start = bytes.as_ptr().cast_mut().cast();
    // SAFETY: the range is that of a live slice; mlock neither reads nor writes it.
    unsafe { rustix::mm::mlock(start, bytes.len()) }.is_ok()
}

/// Asks the system to back a large buffer that is about to be filled with huge pages. Every page that is
/// touched for the first time costs a fault, which for the index of a large vault is most of the time to
/// open it. A hint: where the system has none, the buffer has ordinary pages.
#[allow(
    unsafe_code,
    reason = "madvise takes an address; the range is inside the slice and its content stays"
)]
pub(crate) fn expect_to_fill<T>(buffer: &mut [MaybeUninit<T>]) {
    let start = buffer.as_mut_ptr().addr();
    let first = start.next_multiple_of(HUGE_PAGE);
    let end = start + size_of_val(buffer);
    let Some(len) = end.checked_sub(first).map(|len| len - len % HUGE_PAGE).filter(|len| *len > 0) else {
        return;
    };
    let first = buffer.as_mut_ptr().cast::<u8>().wrapping_add(first - start).cast();
    // SAFETY: the range lies inside a live slice; this advice changes no byte, only how it is backed.
    unsafe { rustix::mm::madvise(first, len, rustix::mm::Advice::LinuxHugepage) }.ok();
}

/// The size of a huge page on the machines that keyward is built for.
const HUGE_PAGE: usize = 2 << 20;
