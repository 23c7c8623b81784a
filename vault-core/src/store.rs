//! Where generations of a vault are kept: the two traits, what a write expects, and what can go wrong.
//! The local file is [`FileStore`]; nothing here knows what the bytes mean.
//!
//! A store has one current generation, which is only ever replaced as a whole, by compare-and-swap:
//! a writer says which generation it saw, and a store that holds another one refuses.

use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::format::{MAX_FILE, Revision, Snapshot};

pub mod anchor;
mod directory;
mod file;
mod lock;
#[cfg(any(test, feature = "fuzzing"))]
#[cfg_attr(not(test), allow(dead_code, reason = "fuzzing needs a part of it"))]
pub(crate) mod memory;
pub mod single;
mod trust;

use anchor::{Anchor, Mismatch};
pub use file::FileStore;
pub use lock::Lock;

/// A place that keeps one vault, or none yet.
pub trait VaultStore: Debug {
    /// Opens the current generation for reading, without a lock: a write that ends meanwhile does not
    /// change what the snapshot reads. `None` is an empty vault: nothing is there at all.
    ///
    /// # Errors
    ///
    /// [`StoreError::Missing`] when only the previous generation is there, [`StoreError::NotAFile`],
    /// [`StoreError::TooLarge`] or [`StoreError::Untrusted`] for what must not be read,
    /// [`StoreError::Forked`], [`StoreError::Gone`], [`StoreError::RolledBack`] or
    /// [`StoreError::Substituted`] for what the vault's anchor refuses, else [`StoreError::Io`].
    fn open(&self) -> Result<Option<Box<dyn Snapshot>>, StoreError>;

    /// Waits for the turn to write, which ends when the value is dropped. Nothing slow (a prompt, a
    /// key derivation, a keyring call) belongs in a turn: others wait for it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Busy`] when the turn does not come before the deadline, else as for
    /// [`open`](Self::open).
    fn begin_write(&self) -> Result<Box<dyn WriteTurn + '_>, StoreError>;

    /// Returns how messages name the store: for a file, its path.
    fn location(&self) -> &Path;
}

/// The turn to write: nobody else writes until it is dropped.
pub trait WriteTurn: Debug {
    /// Opens the current generation, as [`VaultStore::open`] does.
    ///
    /// # Errors
    ///
    /// As for [`VaultStore::open`].
    fn open(&self) -> Result<Option<Box<dyn Snapshot>>, StoreError>;

    /// Opens the generation before the current one, which a restore puts back. `None` when there is
    /// none.
    ///
    /// # Errors
    ///
    /// As for [`VaultStore::open`], but never [`StoreError::Missing`].
    fn open_previous(&self) -> Result<Option<Box<dyn Snapshot>>, StoreError>;

    /// Returns the vault's anchor as it was when the turn began; `None` if it has none.
    fn anchor(&self) -> Option<&Anchor> {
        None
    }

    /// Publishes `bytes` as the next generation if the store still holds what `expected` says. When
    /// it returns, the generation is durable.
    ///
    /// With [`Expected::Unreadable`] the previous generation stays as it is, whatever `previous` says,
    /// and the unreadable one is set aside.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] when the store holds something else. [`StoreError::NotDurable`] when
    /// the generation is published but perhaps not on disk yet, [`StoreError::AnchorNotWritten`] when its
    /// anchor is still that of one before. After every other error the current generation is the one from
    /// before.
    fn replace(
        self: Box<Self>,
        expected: &Expected,
        bytes: &[u8],
        previous: Previous,
    ) -> Result<(), StoreError>;
}

/// What a writer saw in the store, and so expects to replace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// Nothing at all: a first write, which never replaces anything.
    Absent,
    /// The generation with this revision.
    Revision(Revision),
    /// A file whose header can't be read or which the anchor refuses, or nothing but the previous
    /// generation: for a restore.
    Unreadable,
}

/// What becomes of the generation that is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Previous {
    /// It is gone, and so is the one before it: for writes that take a key or a value out of use.
    Drop,
    /// It takes the place of the previous generation, and not before the new one is durable, which was made from
    /// that: for a restore.
    Exchange,
    /// It is kept as the previous generation where the file system can do that.
    Keep,
}

/// Why a store could not be read or written. Messages name paths, never contents.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The anchor is not what was written.
    #[error("the rollback anchor is damaged: {}", anchor.display())]
    AnchorDamaged {
        /// The anchor.
        anchor: PathBuf,
    },
    /// The anchor has a version that this program does not know.
    #[error("a newer keyward wrote the rollback anchor: {}", anchor.display())]
    AnchorNewer {
        /// The anchor.
        anchor: PathBuf,
    },
    /// The new generation is published and on disk, and its anchor is that of one before, which is safe: the
    /// next write brings it up.
    #[error("saved, but the rollback anchor is still that of a generation before: {}", vault.display())]
    AnchorNotWritten {
        /// The vault.
        vault: PathBuf,
        /// What went wrong.
        source: Box<Self>,
    },
    /// The turn to write did not come before the deadline.
    #[error("{} is writing, gave up after {:.1} s: {}", holder_text(*holder), waited.as_secs_f64(), lock.display())]
    Busy {
        /// The lock that somebody holds.
        lock: PathBuf,
        /// The process that holds it, if it said so.
        holder: Option<u32>,
        /// How long this process waited.
        waited: Duration,
    },
    /// The store does not hold what the writer expected.
    #[error("somebody else changed the vault in the meantime: {}", vault.display())]
    Conflict {
        /// The vault.
        vault: PathBuf,
    },
    /// A new file has the name of one that is there, and is not to replace it.
    #[error("there is a file already: {}", path.display())]
    Exists {
        /// The path.
        path: PathBuf,
    },
    /// The vault is as old as its anchor says, and not the same.
    #[error("the vault is not the one that was written last: {}", vault.display())]
    Forked {
        /// The vault.
        vault: PathBuf,
        /// What it is and what it should be.
        source: Mismatch,
    },
    /// The vault is gone, but its anchor says that it has been there.
    #[error("the vault is gone, its rollback anchor says that there was one: {}", vault.display())]
    Gone {
        /// The vault.
        vault: PathBuf,
    },
    /// The system refused.
    #[error("cannot {act} {}", path.display())]
    Io {
        /// What was tried, as a verb.
        act: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The vault is gone, but it has been there. It must never be taken for an empty one.
    #[error("the vault {} is gone, its previous generation is there: {}", vault.display(), previous.display())]
    Missing {
        /// The vault.
        vault: PathBuf,
        /// The previous generation.
        previous: PathBuf,
    },
    /// The file system has no locks, so that writers could undo each other's changes.
    #[error("the file system gives no lock on {}", lock.display())]
    NoLocks {
        /// The file that could not be locked.
        lock: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Something that is no regular file stands in a file's place.
    #[error("expected a regular file, found {found}: {}", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What is there, with its article.
        found: &'static str,
    },
    /// The new generation is published, but a crash now may bring back the old one.
    #[error("saved, not confirmed on disk: {}", vault.display())]
    NotDurable {
        /// The vault.
        vault: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The bytes on disk are not those that were written; nothing was published.
    #[error("the disk gave back other bytes than were written for {}", vault.display())]
    ReadBack {
        /// The vault, which is unchanged.
        vault: PathBuf,
    },
    /// The vault is older than its anchor.
    #[error("the vault was rolled back: {}", vault.display())]
    RolledBack {
        /// The vault.
        vault: PathBuf,
        /// What it is and what it should be.
        source: Mismatch,
    },
    /// Another vault has the path of one that has an anchor.
    #[error("another vault stands in the vault's place: {}", vault.display())]
    Substituted {
        /// The vault.
        vault: PathBuf,
        /// What it is and what it should be.
        source: Mismatch,
    },
    /// The file is larger than a vault can be.
    #[error("{length} bytes are more than a vault can have ({MAX_FILE}): {}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        length: u64,
    },
    /// Others could have read or changed the file.
    #[error("{problem}: {}", path.display())]
    Untrusted {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// The shell command that mends it.
        fix: String,
    },
}

impl StoreError {
    /// Returns the shell command that mends the cause, if there is one.
    #[must_use]
    pub fn fix(&self) -> Option<&str> {
        match self {
            Self::Untrusted { fix, .. } => Some(fix),
            _ => None,
        }
    }

    /// Tells whether the new generation was published all the same.
    #[must_use]
    pub const fn is_written(&self) -> bool {
        matches!(self, Self::AnchorNotWritten { .. } | Self::NotDurable { .. })
    }

    /// Tells whether the vault is there and its anchor refuses it.
    #[must_use]
    pub const fn is_refused_by_anchor(&self) -> bool {
        matches!(self, Self::Forked { .. } | Self::RolledBack { .. } | Self::Substituted { .. })
    }

    /// Returns the function that makes an error of the system into [`StoreError::Io`].
    fn io<E: Into<io::Error>>(act: &'static str, path: &Path) -> impl FnOnce(E) -> Self {
        move |source| Self::Io { act, path: path.to_owned(), source: source.into() }
    }
}

fn holder_text(holder: Option<u32>) -> String {
    holder.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_can_change_has_a_command_that_mends_it_and_nothing_else_has() {
        let (path, problem, fix) =
            ("vault".into(), "open to others".to_owned(), "chmod 600 vault".to_owned());
        assert_eq!(StoreError::Untrusted { path, problem, fix }.fix(), Some("chmod 600 vault"));
        assert_eq!(StoreError::Conflict { vault: "vault".into() }.fix(), None);
    }

    #[test]
    fn only_what_is_in_place_already_is_written() {
        let source = || io::Error::from(io::ErrorKind::Other);
        assert!(StoreError::NotDurable { vault: "vault".into(), source: source() }.is_written());
        assert!(!StoreError::ReadBack { vault: "vault".into() }.is_written());
        assert!(!StoreError::io("write", Path::new("vault"))(source()).is_written());
    }

    #[test]
    fn the_holder_of_a_lock_is_named_where_it_is_known() {
        assert_eq!(holder_text(Some(7)), "process 7");
        assert_eq!(holder_text(None), "another process");
    }
}
