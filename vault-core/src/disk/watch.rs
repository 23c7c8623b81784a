//! The calls of [`disk`](super) under a watch, for tests: each is recorded, and each can be made to fail, to do
//! a part of its work only, or to be the last of its process. A watch sees the calls of its own thread.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, fstat, statat, tell};
use rustix::io::Errno;

/// A file or directory, whatever its names: the inode and how often its number was given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id(u64, u32);

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Call {
    ChangeMode,
    Create,
    Link,
    MakeDirectory,
    Open,
    Read,
    Rename,
    Sync,
    Unlink,
    Write,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Neither it nor any later one happens, as if the process were killed.
    Die,
    /// The system refuses.
    Fail(Errno),
    /// What is read has one bit changed, this many bytes from where the file begins.
    Flip(u64),
    /// It reads or writes so many bytes at most.
    Part(usize),
    /// It happens.
    Pass,
}

/// A change of the disk that has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Create { directory: Id, name: OsString, file: Id },
    Link { directory: Id, name: OsString, file: Id },
    MakeDirectory { directory: Id, name: OsString, made: Id },
    Rename { directory: Id, from: OsString, to: OsString },
    Sync { what: Id },
    Unlink { directory: Id, name: OsString },
    Write { file: Id, offset: u64, bytes: Vec<u8> },
}

/// What a watch has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Every call, whatever became of it.
    pub(crate) calls: Vec<Call>,
    /// The changes that happened.
    pub(crate) changes: Vec<Change>,
    /// What the system was asked to flush, and whether it did.
    pub(crate) syncs: Vec<(Id, bool)>,
}

/// Does something while each call has the fate that `fate` gives it, by its number from 0 on and its kind. No call
/// reaches a disk that would make it slow: what is flushed is recorded alone.
pub(crate) fn watched<T>(
    fate: impl FnMut(usize, Call) -> Fate + 'static,
    act: impl FnOnce() -> T,
) -> (T, Seen) {
    let before = WATCH.replace(Some(Watch { fate: Box::new(fate), dead: false, seen: Seen::default() }));
    assert!(before.is_none(), "one watch at a time");
    let done = act();
    let watch = WATCH.take().expect("nobody else ends the watch");
    (done, watch.seen)
}

/// Does something and returns what was seen, with nothing in its way.
pub(crate) fn recorded<T>(act: impl FnOnce() -> T) -> (T, Seen) {
    watched(|_, _| Fate::Pass, act)
}

/// Returns the identity of what is open.
pub(crate) fn id_of(open: impl AsFd) -> Id {
    let inode = fstat(open).expect("what is open can be looked at").st_ino;
    Id(inode, TIMES.with_borrow(|times| times.get(&inode).copied().unwrap_or(0)))
}

struct Watch {
    fate: Box<dyn FnMut(usize, Call) -> Fate>,
    dead: bool,
    seen: Seen,
}

thread_local! {
    static WATCH: RefCell<Option<Watch>> = const { RefCell::new(None) };
    /// How often the number of an inode was given out anew while this thread watched.
    static TIMES: RefCell<HashMap<u64, u32>> = RefCell::default();
}

/// Returns the identity of what was just made.
fn id_of_new(open: impl AsFd) -> Id {
    let inode = fstat(&open).expect("what is open can be looked at").st_ino;
    TIMES.with_borrow_mut(|times| *times.entry(inode).or_default() += 1);
    id_of(open)
}

/// Asks what becomes of a call. `None` without a watch, or under one that lets it pass.
fn fate_of(call: Call) -> rustix::io::Result<Option<Fate>> {
    let fate = WATCH.with_borrow_mut(|watch| {
        let watch = watch.as_mut()?;
        if watch.dead {
            return Some(Fate::Die);
        }
        let fate = (watch.fate)(watch.seen.calls.len(), call);
        watch.seen.calls.push(call);
        watch.dead = fate == Fate::Die;
        (fate != Fate::Pass).then_some(fate)
    });
    match fate {
        Some(Fate::Die) => Err(Errno::IO),
        Some(Fate::Fail(error)) => Err(error),
        fate => Ok(fate),
    }
}

/// Records a change; `change` is asked under a watch only.
fn record(change: impl FnOnce() -> Change) {
    if is_watched() {
        let change = change();
        WATCH.with_borrow_mut(|watch| {
            watch.iter_mut().for_each(|watch| watch.seen.changes.push(change.clone()))
        });
    }
}

fn is_watched() -> bool {
    WATCH.with_borrow(Option::is_some)
}

fn text(name: impl AsRef<Path>) -> OsString {
    name.as_ref().as_os_str().to_owned()
}

pub(crate) fn openat(
    directory: impl AsFd,
    name: impl AsRef<Path>,
    flags: OFlags,
    mode: Mode,
) -> rustix::io::Result<OwnedFd> {
    let creates = flags.contains(OFlags::CREATE);
    fate_of(if creates { Call::Create } else { Call::Open })?;
    let opened = rustix::fs::openat(&directory, name.as_ref(), flags, mode)?;
    if creates {
        record(|| Change::Create { directory: id_of(directory), name: text(name), file: id_of_new(&opened) });
    }
    Ok(opened)
}

pub(crate) fn mkdirat(directory: impl AsFd, name: impl AsRef<Path>, mode: Mode) -> rustix::io::Result<()> {
    fate_of(Call::MakeDirectory)?;
    rustix::fs::mkdirat(&directory, name.as_ref(), mode)?;
    record(|| {
        let open = |path: &Path| rustix::fs::openat(&directory, path, OFlags::PATH, Mode::empty());
        let made = id_of_new(open(name.as_ref()).expect("it was just made"));
        let parent = open(&name.as_ref().join("..")).expect("it has a parent");
        let name = name.as_ref().file_name().expect("it has a name").to_owned();
        Change::MakeDirectory { directory: id_of(parent), name, made }
    });
    Ok(())
}

pub(crate) fn fchmod(file: impl AsFd, mode: Mode) -> rustix::io::Result<()> {
    fate_of(Call::ChangeMode)?;
    rustix::fs::fchmod(file, mode)
}

pub(crate) fn linkat(
    directory: impl AsFd,
    name: impl AsRef<Path>,
    other_directory: impl AsFd,
    other: impl AsRef<Path>,
    flags: AtFlags,
) -> rustix::io::Result<()> {
    fate_of(Call::Link)?;
    rustix::fs::linkat(&directory, name.as_ref(), &other_directory, other.as_ref(), flags)?;
    record(|| {
        let file = rustix::fs::openat(&directory, name.as_ref(), OFlags::PATH, Mode::empty());
        let file = id_of(file.expect("it was just linked"));
        Change::Link { directory: id_of(other_directory), name: text(other), file }
    });
    Ok(())
}

pub(crate) fn renameat(
    directory: impl AsFd,
    from: impl AsRef<Path>,
    other_directory: impl AsFd,
    to: impl AsRef<Path>,
) -> rustix::io::Result<()> {
    renameat_with(directory, from, other_directory, to, RenameFlags::empty())
}

pub(crate) fn renameat_with(
    directory: impl AsFd,
    from: impl AsRef<Path>,
    other_directory: impl AsFd,
    to: impl AsRef<Path>,
    flags: RenameFlags,
) -> rustix::io::Result<()> {
    fate_of(Call::Rename)?;
    let same = same_file(&directory, from.as_ref(), to.as_ref());
    rustix::fs::renameat_with(&directory, from.as_ref(), other_directory, to.as_ref(), flags)?;
    // Two names of one file stay as they are (POSIX, rename).
    if !same {
        record(|| Change::Rename { directory: id_of(directory), from: text(from), to: text(to) });
    }
    Ok(())
}

fn same_file(directory: impl AsFd, name: &Path, other: &Path) -> bool {
    let inode = |name| statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW).map(|stat| stat.st_ino).ok();
    inode(name).is_some_and(|found| Some(found) == inode(other))
}

pub(crate) fn unlinkat(
    directory: impl AsFd,
    name: impl AsRef<Path>,
    flags: AtFlags,
) -> rustix::io::Result<()> {
    fate_of(Call::Unlink)?;
    rustix::fs::unlinkat(&directory, name.as_ref(), flags)?;
    record(|| Change::Unlink { directory: id_of(directory), name: text(name) });
    Ok(())
}

pub(crate) fn fsync(open: impl AsFd) -> rustix::io::Result<()> {
    if !is_watched() {
        return rustix::fs::fsync(open);
    }
    let what = id_of(open);
    let fate = fate_of(Call::Sync);
    WATCH.with_borrow_mut(|watch| {
        watch.iter_mut().for_each(|watch| watch.seen.syncs.push((what, fate.is_ok())))
    });
    fate?;
    record(|| Change::Sync { what });
    Ok(())
}

/// Returns the file as it is read and written under a watch.
pub(crate) const fn through(file: &File) -> Watched<'_> {
    Watched(file)
}

/// An open file under a watch.
#[derive(Debug)]
pub(crate) struct Watched<'f>(&'f File);

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = part_of(buffer, fate_of(Call::Read)?).len();
        self.0.read(&mut buffer[..most])
    }
}

impl Write for Watched<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bytes = part_of(bytes, fate_of(Call::Write)?);
        let offset = if is_watched() { tell(self.0)? } else { 0 };
        let length = self.0.write(bytes)?;
        record(|| Change::Write { file: id_of(self.0), offset, bytes: bytes[..length].to_vec() });
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl FileExt for Watched<'_> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let fate = fate_of(Call::Read)?;
        let most = part_of(buffer, fate).len();
        let length = self.0.read_at(&mut buffer[..most], offset)?;
        if let Some(Fate::Flip(place)) = fate
            && let Some(byte) =
                place.checked_sub(offset).and_then(|at| buffer[..length].get_mut(usize::try_from(at).ok()?))
        {
            *byte ^= 1;
        }
        Ok(length)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let bytes = part_of(bytes, fate_of(Call::Write)?);
        let length = self.0.write_at(bytes, offset)?;
        record(|| Change::Write { file: id_of(self.0), offset, bytes: bytes[..length].to_vec() });
        Ok(length)
    }
}

fn part_of(bytes: &[u8], fate: Option<Fate>) -> &[u8] {
    match fate {
        Some(Fate::Part(most)) => &bytes[..most.min(bytes.len())],
        _ => bytes,
    }
}
