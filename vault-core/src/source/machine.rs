//! The machine source: a slot key derived from a random seed in a file of this machine and from the
//! hostname. It protects a vault that was copied elsewhere, not one whose account is taken over. A seed
//! file is written once and never changed; its text is in `machine/seed.rs`, its way to disk in
//! `machine/place.rs`.

mod hostname;
mod place;
mod seed;

use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

pub use self::hostname::{Hostname, canonical_hostname};
use self::place::Place;
pub use self::seed::START as SEED_START;
use self::seed::Seed;
use crate::checked_text::TextError;
use crate::crypto::generate;
use crate::secret::SlotKey;
use crate::slot::{SlotId, VaultId};

/// Why the machine source has no key, or can't make one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MachineError {
    /// There is no seed for this slot on this machine.
    #[error("this machine has no seed for the slot: {}", path.display())]
    Absent {
        /// Where the seed would be.
        path: PathBuf,
    },
    /// The slot has a seed already, and a seed is never replaced.
    #[error("the slot has a seed already: {}", path.display())]
    AlreadyEnrolled {
        /// Where the seed is.
        path: PathBuf,
    },
    /// The file is not what was written.
    #[error("the seed file is damaged: {}", path.display())]
    Damaged {
        /// Where the seed is.
        path: PathBuf,
    },
    /// The system refuses.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// With which file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A newer version of the text format.
    #[error("a newer keyward wrote the seed file: {}", path.display())]
    Newer {
        /// Where the seed is.
        path: PathBuf,
    },
    /// A directory, pipe or device is in the seed's place.
    #[error("the seed is no file: {}", path.display())]
    NotFile {
        /// Where the seed would be.
        path: PathBuf,
    },
    /// Another account owns the file or the directory.
    #[error("another account owns {}: run `{fix}`", path.display())]
    OtherOwner {
        /// The file or directory.
        path: PathBuf,
        /// The command that gives it to this account.
        fix: String,
    },
    /// Other accounts have rights on the file or the directory.
    #[error("other accounts have access to {}: run `{fix}`", path.display())]
    OthersHaveAccess {
        /// The file or directory.
        path: PathBuf,
        /// The command that takes these rights away.
        fix: String,
    },
    /// The bytes on disk are not those that were written; there is no new seed.
    #[error("the disk gave back other bytes than were written for {}", path.display())]
    ReadBack {
        /// Where the seed would be.
        path: PathBuf,
    },
    /// A symbolic link is in the seed's place.
    #[error("the seed is a symbolic link: {}", path.display())]
    Symlink {
        /// Where the link is.
        path: PathBuf,
    },
}

/// What a seed file gives.
#[derive(Debug)]
pub struct Seeded {
    /// The key of the slot.
    pub key: SlotKey,
    /// The hostname at enrolment, which the key depends on. If it is not today's, the machine was renamed
    /// or the file was copied here; the key is the right one all the same.
    pub hostname: Hostname,
}

/// Generates a seed, writes it to `dir` for good and returns the slot key. On return the file is on disk;
/// after an error it may be there all the same, and [`remove`] takes it away.
///
/// # Errors
///
/// [`MachineError`]; in particular a seed that exists is never replaced.
pub fn enrol(dir: &Path, vault: VaultId, slot: SlotId, hostname: &Hostname) -> Result<SlotKey, MachineError> {
    let seed = Seed::new(Zeroizing::new(generate()), hostname.clone());
    let place = Place::create(dir, vault, slot)?;
    place.publish(&seed.encode())?;
    Ok(seed.derive_key())
}

/// Loads the seed of a slot and derives its key with the hostname recorded at enrolment.
///
/// # Errors
///
/// [`MachineError::Absent`] when there is no seed, and other variants when there is one that can't be
/// used; the two are never mixed up.
pub fn load(dir: &Path, vault: VaultId, slot: SlotId) -> Result<Seeded, MachineError> {
    let place = Place::open(dir, vault, slot)?;
    let seed = Seed::read(&place.read(seed::MAX_LEN)?).map_err(|error| match error {
        TextError::Damaged => MachineError::Damaged { path: place.path() },
        TextError::Newer => MachineError::Newer { path: place.path() },
    })?;
    Ok(Seeded { key: seed.derive_key(), hostname: seed.into_hostname() })
}

/// Removes the seed of a slot with what a crash may have left of its writing. A seed that is not there is
/// removed already.
///
/// # Errors
///
/// [`MachineError`] when the system refuses, or the directory is not private to this account.
pub fn remove(dir: &Path, vault: VaultId, slot: SlotId) -> Result<(), MachineError> {
    match Place::open(dir, vault, slot) {
        Ok(place) => place.remove(),
        Err(MachineError::Absent { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The seed file and the slot key of a given seed, for the vectors of `FORMAT.md §9`.
#[cfg(test)]
pub(crate) fn seed_file(seed: [u8; 32], hostname: &str) -> (Vec<u8>, SlotKey) {
    let seed = Seed::new(Zeroizing::new(seed), Hostname::canonical(hostname.as_ref()));
    (seed.encode().to_vec(), seed.derive_key())
}

/// Reads a seed file and writes it again, for fuzzing; `None` where it is refused.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn seed_file_again(file: &[u8]) -> Option<Vec<u8>> {
    Seed::read(file).ok().map(|seed| seed.encode().to_vec())
}

#[cfg(test)]
mod crash;
#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use tempfile::TempDir;

    use super::*;

    const VAULT: VaultId = VaultId::new([0xab; 16]);
    const SLOT: SlotId = SlotId::new([1; 16]);
    const NAME: &str = "abababababababababababababababab-01010101010101010101010101010101";

    /// A state directory with a seed directory that does not exist yet.
    fn fresh() -> (TempDir, PathBuf) {
        let state = tempfile::tempdir().unwrap();
        let dir = state.path().join("state/machine");
        (state, dir)
    }

    /// A seed directory with the seed of [`SLOT`].
    fn enrolled() -> (TempDir, PathBuf, SlotKey) {
        let (state, dir) = fresh();
        let key = enrol(&dir, VAULT, SLOT, &name("build-7")).unwrap();
        (state, dir, key)
    }

    fn name(text: &str) -> Hostname {
        Hostname::canonical(OsStr::new(text))
    }

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o7777
    }

    fn names(dir: &Path) -> Vec<String> {
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn an_enrolled_seed_gives_the_same_key_again() {
        let (_state, dir, key) = enrolled();
        let seeded = load(&dir, VAULT, SLOT).unwrap();
        assert_eq!(seeded.key.expose_secret(), key.expose_secret());
        assert_eq!(seeded.hostname, name("build-7.example.org"));
    }

    #[test]
    fn a_seed_file_that_is_read_is_written_as_it_was() {
        let (file, _) = seed_file([7; 32], "build-7");
        assert_eq!(seed_file_again(&file), Some(file));
    }

    #[test]
    fn enrolment_leaves_one_private_file_in_private_directories() {
        let (_state, dir, _) = enrolled();
        assert_eq!(names(&dir), [NAME]);
        assert_eq!(mode(&dir.join(NAME)), 0o600);
        assert_eq!((mode(&dir), mode(dir.parent().unwrap())), (0o700, 0o700));
    }

    #[test]
    fn two_slots_have_two_seeds() {
        let (_state, dir, key) = enrolled();
        let other = enrol(&dir, VAULT, SlotId::new([2; 16]), &name("build-7")).unwrap();
        assert_ne!(key.expose_secret(), other.expose_secret());
    }

    #[test]
    fn a_seed_is_never_replaced() {
        let (_state, dir, key) = enrolled();
        let error = enrol(&dir, VAULT, SLOT, &name("build-7")).unwrap_err();
        assert!(matches!(error, MachineError::AlreadyEnrolled { .. }), "{error}");
        assert_eq!(load(&dir, VAULT, SLOT).unwrap().key.expose_secret(), key.expose_secret());
        assert_eq!(names(&dir), [NAME]);
    }

    #[test]
    fn enrolment_writes_through_no_link() {
        let (state, dir, _) = enrolled();
        let target = state.path().join("target");
        let slot = SlotId::new([3; 16]);
        symlink(&target, dir.join(format!("{VAULT}-{slot}"))).unwrap();
        let error = enrol(&dir, VAULT, slot, &name("build-7")).unwrap_err();
        assert!(matches!(error, MachineError::AlreadyEnrolled { .. }), "{error}");
        assert!(!target.exists());
    }

    #[test]
    fn a_missing_seed_or_directory_is_absent() {
        let (_state, dir) = fresh();
        assert!(
            matches!(load(&dir, VAULT, SLOT), Err(MachineError::Absent { path }) if path.ends_with(NAME))
        );
        assert!(!dir.exists());
        fs::create_dir_all(&dir).unwrap();
        fs::set_permissions(&dir, Permissions::from_mode(0o700)).unwrap();
        assert!(
            matches!(load(&dir, VAULT, SLOT), Err(MachineError::Absent { path }) if path.ends_with(NAME))
        );
    }

    #[test]
    fn the_seed_of_another_slot_or_vault_is_absent() {
        let (_state, dir, _) = enrolled();
        for (vault, slot) in [(VAULT, SlotId::new([2; 16])), (VaultId::new([0; 16]), SLOT)] {
            assert!(matches!(load(&dir, vault, slot), Err(MachineError::Absent { .. })));
        }
    }

    #[test]
    fn an_empty_a_changed_and_an_endless_seed_are_damaged_and_not_absent() {
        let (_state, dir, _) = enrolled();
        for content in [Vec::new(), b"keyward machine seed 1\n".to_vec(), vec![b'x'; 1 << 20]] {
            fs::write(dir.join(NAME), content).unwrap();
            let error = load(&dir, VAULT, SLOT).unwrap_err();
            assert!(matches!(error, MachineError::Damaged { .. }), "{error}");
        }
    }

    #[test]
    fn a_seed_that_others_can_use_is_refused_with_the_command_that_helps() {
        for bits in [0o640, 0o604, 0o620, 0o644, 0o610] {
            let (_state, dir, _) = enrolled();
            let path = dir.join(NAME);
            fs::set_permissions(&path, Permissions::from_mode(bits)).unwrap();
            let error = load(&dir, VAULT, SLOT).unwrap_err();
            assert!(matches!(error, MachineError::OthersHaveAccess { .. }), "{error}");
            assert!(error.to_string().ends_with(&format!("run `chmod 600 {}`", path.display())), "{error}");
            assert_eq!(mode(&path), bits);
        }
    }

    #[test]
    fn a_directory_that_others_can_use_is_refused_with_the_command_that_helps() {
        let (_state, dir, _) = enrolled();
        fs::set_permissions(&dir, Permissions::from_mode(0o750)).unwrap();
        let slot = SlotId::new([2; 16]);
        let results = [
            load(&dir, VAULT, SLOT).err(),
            enrol(&dir, VAULT, slot, &name("build-7")).err(),
            remove(&dir, VAULT, SLOT).err(),
        ];
        for error in results.map(Option::unwrap) {
            assert!(error.to_string().ends_with(&format!("run `chmod 700 {}`", dir.display())), "{error}");
        }
        assert_eq!(names(&dir), [NAME]);
    }

    #[test]
    fn a_symbolic_link_is_refused_even_to_a_good_seed() {
        let (state, dir, _) = enrolled();
        let moved = state.path().join("moved");
        fs::rename(dir.join(NAME), &moved).unwrap();
        symlink(&moved, dir.join(NAME)).unwrap();
        assert!(matches!(load(&dir, VAULT, SLOT), Err(MachineError::Symlink { .. })));
    }

    #[test]
    fn a_directory_and_a_pipe_are_no_seeds() {
        let (_state, dir, _) = enrolled();
        fs::remove_file(dir.join(NAME)).unwrap();
        fs::create_dir(dir.join(NAME)).unwrap();
        assert!(matches!(load(&dir, VAULT, SLOT), Err(MachineError::NotFile { .. })));
        fs::remove_dir(dir.join(NAME)).unwrap();
        mknodat(CWD, dir.join(NAME), FileType::Fifo, Mode::RUSR, 0).unwrap();
        assert!(matches!(load(&dir, VAULT, SLOT), Err(MachineError::NotFile { .. })));
    }

    #[test]
    fn a_file_in_place_of_the_directory_is_an_error_and_not_absence() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join("machine");
        fs::write(&path, "").unwrap();
        assert!(matches!(load(&path, VAULT, SLOT), Err(MachineError::Io { .. })));
        assert!(matches!(enrol(&path, VAULT, SLOT, &name("a")), Err(MachineError::Io { .. })));
    }

    #[test]
    fn remove_takes_the_seed_and_what_a_crash_left_of_it() {
        let (_state, dir, _) = enrolled();
        let other = enrol(&dir, VAULT, SlotId::new([2; 16]), &name("a")).unwrap();
        fs::write(dir.join(format!(".{NAME}.tmp.0123456789abcdef")), "left").unwrap();
        remove(&dir, VAULT, SLOT).unwrap();
        assert_eq!(names(&dir).len(), 1);
        let kept = load(&dir, VAULT, SlotId::new([2; 16])).unwrap().key;
        assert_eq!(kept.expose_secret(), other.expose_secret());
    }

    #[test]
    fn a_seed_that_is_not_there_is_removed_already() {
        let (_state, dir) = fresh();
        remove(&dir, VAULT, SLOT).unwrap();
        let (_state, dir, _) = enrolled();
        remove(&dir, VAULT, SLOT).unwrap();
        remove(&dir, VAULT, SLOT).unwrap();
        assert!(names(&dir).is_empty());
    }
}
