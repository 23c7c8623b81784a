//! What a process does against leaks of its memory: no core dumps, not dumpable, key memory locked,
//! and an allocator that wipes every block. The only file with `unsafe`, for the one system call that
//! takes an address and the one that takes the number of a descriptor.

use std::alloc::System;
use std::fmt;
use std::fs::File;
use std::io;
use std::ops::{Deref, DerefMut};
use std::os::fd::{BorrowedFd, RawFd};
use std::path::Path;

use memmap2::{Advice, MmapMut, MmapOptions};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};
use rustix::stdio::dup2_stdin;
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

/// Keeps a descriptor that this process was given by its number from the programs that it starts: whoever has
/// it can read what it stands for once more. The standard input is replaced, because no program expects to have
/// none. A descriptor that is not open is kept from them already.
///
/// # Errors
///
/// The system's error; the program would get the descriptor.
pub fn keep_from_children(descriptor: u32) -> io::Result<()> {
    if descriptor == 0 {
        return Ok(dup2_stdin(File::open("/dev/null")?)?);
    }
    match i32::try_from(descriptor) {
        Ok(number) if Path::new(&format!("/dev/fd/{number}")).symlink_metadata().is_ok() => {
            close_on_exec(number)
        }
        _ => Ok(()),
    }
}

#[allow(unsafe_code, reason = "a descriptor that was given by its number has no owner to borrow it from")]
fn close_on_exec(open: RawFd) -> io::Result<()> {
    // SAFETY: the caller saw that it is open; nobody here closes a descriptor that was given; the borrow ends here.
    let given = unsafe { BorrowedFd::borrow_raw(open) };
    Ok(fcntl_setfd(given, FdFlags::CLOEXEC)?)
}

/// Asks the system to keep `bytes` out of swap and tells whether it did. An ordinary user may lock
/// little memory (often 8 MiB), so that keys are locked and key-derivation memory is not.
#[allow(unsafe_code, reason = "mlock takes an address; the slice is valid, and locking changes no byte")]
pub(crate) fn lock_memory(bytes: &[u8]) -> bool {
    let start = bytes.as_ptr().cast_mut().cast();
    // SAFETY: the range is that of a live slice; mlock neither reads nor writes it.
    unsafe { rustix::mm::mlock(start, bytes.len()) }.is_ok()
}

/// Bytes that nobody sees after they are dropped: the allocator wipes a small buffer, and the system clears
/// the pages of a large one before it gives them to anybody else. Those are huge pages where it has them:
/// each page that is touched for the first time costs a fault, which for the index of a large vault would be
/// most of the time to open it.
pub(crate) struct Buffer {
    bytes: Bytes,
    len: usize,
}

enum Bytes {
    Heap(Vec<u8>),
    Pages(MmapMut),
}

impl Buffer {
    /// Returns `len` zeros.
    pub(crate) fn zeroed(len: usize) -> Self {
        let pages = if len < FEW_BYTES { None } else { huge_pages(len) };
        Self { bytes: pages.map_or_else(|| Bytes::Heap(vec![0; len]), Bytes::Pages), len }
    }
}

/// Returns room for `len` bytes in whole huge pages, which the system aligns. Those that nobody touches
/// take no memory. Where the system has none, the advice comes to nothing.
fn huge_pages(len: usize) -> Option<MmapMut> {
    let pages = MmapOptions::new().len(len.next_multiple_of(HUGE_PAGE)).map_anon().ok()?;
    pages.advise(Advice::HugePage).ok();
    Some(pages)
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Heap(bytes) => &bytes[..self.len],
            Bytes::Pages(pages) => &pages[..self.len],
        }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        match &mut self.bytes {
            Bytes::Heap(bytes) => &mut bytes[..self.len],
            Bytes::Pages(pages) => &mut pages[..self.len],
        }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} bytes)", self.len)
    }
}

/// The size of a huge page on the machines that keyward is built for.
const HUGE_PAGE: usize = 2 << 20;
/// Below this size ordinary pages cost less than a huge one.
const FEW_BYTES: usize = HUGE_PAGE / 4;

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use rustix::io::fcntl_getfd;

    use super::*;

    fn locked_bytes() -> usize {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() << 10
    }

    #[test]
    fn locked_memory_is_counted_as_locked_by_the_system() {
        let bytes = vec![1; 512 << 10];
        let before = locked_bytes();
        assert!(lock_memory(&bytes));
        let more = locked_bytes().saturating_sub(before);
        assert!(more > bytes.len() / 2, "{more} bytes more");
    }

    #[test]
    fn a_descriptor_that_was_given_is_closed_in_programs_and_one_that_is_not_open_is_let_be() {
        let given = File::open("/dev/null").unwrap();
        fcntl_setfd(&given, FdFlags::empty()).unwrap();
        keep_from_children(u32::try_from(given.as_raw_fd()).unwrap()).unwrap();
        assert!(fcntl_getfd(&given).unwrap().contains(FdFlags::CLOEXEC));
        for not_open in [1 << 30, u32::MAX] {
            keep_from_children(not_open).unwrap();
        }
    }

    #[test]
    fn the_core_limit_is_put_back_for_a_program_and_lowered_again() {
        let before = getrlimit(Resource::Core);
        let original = OriginalLimits { core: Rlimit { current: before.maximum, ..before } };
        original.restore().unwrap();
        assert_eq!(getrlimit(Resource::Core), original.core);
        original.relower().unwrap();
        assert_eq!(getrlimit(Resource::Core), Rlimit { current: Some(0), ..before });
        setrlimit(Resource::Core, before).unwrap();
    }

    #[test]
    fn a_large_buffer_has_pages_of_its_own_and_a_small_one_is_of_the_heap() {
        for (len, is_paged) in [(0, false), (FEW_BYTES - 1, false), (FEW_BYTES, true), (HUGE_PAGE + 1, true)]
        {
            let buffer = Buffer::zeroed(len);
            assert_eq!(matches!(buffer.bytes, Bytes::Pages(_)), is_paged, "{buffer:?}");
            assert_eq!((buffer.len(), buffer.iter().max().unwrap_or(&0)), (len, &0));
        }
    }
}
