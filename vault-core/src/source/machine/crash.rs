//! Seeds under crashes and failures: no seed or a whole one, a whole one once its key is in use, and none once it was
//! removed.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use tempfile::{TempDir, tempdir};

use super::*;
use crate::disk::model::{State, Tree, hash_of};
use crate::disk::watch::{Call, Fate, recorded, watched};

const VAULT: VaultId = VaultId::new([0xab; 16]);
const SLOT: SlotId = SlotId::new([1; 16]);
const SEED: &str = "state/machine/abababababababababababababababab-01010101010101010101010101010101";

struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempdir().unwrap())
    }

    /// A home with a seed, and a part of one that somebody who was killed left there.
    fn enrolled() -> (Self, SlotKey) {
        let home = Self::new();
        let key = home.enrol().unwrap();
        let temp = home.seeds().join(format!(".{VAULT}-{SLOT}.tmp.0123456789abcdef"));
        fs::write(temp, "keyward machine seed 1\nseed AAEC").unwrap();
        (home, key)
    }

    fn of(state: &State<'_>) -> Self {
        let home = Self::new();
        state.make(home.0.path());
        home
    }

    fn seeds(&self) -> PathBuf {
        self.0.path().join("state/machine")
    }

    fn enrol(&self) -> Result<SlotKey, MachineError> {
        enrol(&self.seeds(), VAULT, SLOT, &Hostname::canonical(OsStr::new("build-7")))
    }

    /// Returns the key of the seed that is there; `None` if there is none. Anything else is no state of a seed.
    fn key(&self) -> Option<SlotKey> {
        match load(&self.seeds(), VAULT, SLOT) {
            Ok(seeded) => Some(seeded.key),
            Err(MachineError::Absent { .. }) => None,
            Err(error) => panic!("{error}"),
        }
    }

    fn files(&self) -> usize {
        fs::read_dir(self.seeds()).map_or(0, Iterator::count)
    }
}

fn same(one: &SlotKey, other: &SlotKey) -> bool {
    one.expose_secret() == other.expose_secret()
}

#[test]
fn a_crash_leaves_no_seed_or_a_whole_one_and_a_whole_one_after_success() {
    let home = Home::new();
    let before = Tree::read(home.0.path());
    let (key, seen) = recorded(|| home.enrol());
    let key = key.unwrap();
    let whole = hash_of(&fs::read(home.0.path().join(SEED)).unwrap());
    let mut states = HashSet::new();
    before.crash_during(&seen.changes, |state, success| {
        let found = state.hash_at(Path::new(SEED));
        assert!(found == Some(whole) || found.is_none() && !success);
        assert!(!success || state.files().count() == 1, "a temporary file is back");
        if states.insert(state.hash()) && state.is_whole() {
            let loaded = Home::of(state).key();
            assert_eq!(loaded.is_some(), found.is_some());
            assert!(loaded.is_none_or(|loaded| same(&loaded, &key)));
        }
    });
    assert!(states.len() > 200, "{}", states.len());
}

#[test]
fn a_crash_after_a_removal_brings_back_nothing_of_the_seed() {
    let (home, _) = Home::enrolled();
    let before = Tree::read(home.0.path());
    let whole = hash_of(&fs::read(home.0.path().join(SEED)).unwrap());
    let (result, seen) = recorded(|| remove(&home.seeds(), VAULT, SLOT));
    result.unwrap();
    let (mut states, mut finished) = (0, 0);
    before.crash_during(&seen.changes, |state, success| {
        states += 1;
        assert!(state.hash_at(Path::new(SEED)).is_none_or(|found| found == whole));
        if success {
            finished += 1;
            assert_eq!(state.files().count(), 0);
        }
    });
    assert!(finished > 0 && states > finished);
}

#[test]
fn a_call_that_fails_leaves_no_seed_or_a_whole_one_and_a_removal_takes_it_away() {
    let calls = recorded(|| Home::new().enrol().map(drop)).1.calls;
    for (nth, call) in calls.into_iter().enumerate() {
        for error in [Errno::IO, Errno::NOSPC, Errno::INTR] {
            let home = Home::new();
            let fail = move |at, _| if at == nth { Fate::Fail(error) } else { Fate::Pass };
            let (result, _) = watched(fail, || home.enrol());
            let found = home.key();
            match result {
                Ok(key) => assert!(error == Errno::INTR && same(&found.unwrap(), &key), "{call:?} {error}"),
                Err(MachineError::Io { source, .. }) => {
                    assert_eq!(source.raw_os_error(), Some(error.raw_os_error()), "{call:?}");
                }
                Err(refused) => panic!("{call:?}: {refused}"),
            }
            remove(&home.seeds(), VAULT, SLOT).unwrap();
            assert_eq!(home.files(), 0, "{call:?} {error}");
            home.enrol().unwrap();
        }
    }
}

#[test]
fn a_seed_whose_writer_was_killed_anywhere_can_be_removed_and_made_anew() {
    let calls = recorded(|| Home::new().enrol().map(drop)).1.calls.len();
    for nth in 0..calls {
        let home = Home::new();
        let die = move |at, _: Call| if at == nth { Fate::Die } else { Fate::Pass };
        assert!(watched(die, || home.enrol()).0.is_err(), "call {nth}");
        drop(home.key());
        remove(&home.seeds(), VAULT, SLOT).unwrap();
        assert_eq!(home.files(), 0, "call {nth}");
        home.enrol().unwrap();
    }
}

#[test]
fn a_seed_of_which_a_bit_is_read_back_otherwise_is_refused() {
    for place in [0, 30, 100] {
        let home = Home::new();
        let flip = move |_, call| if call == Call::Read { Fate::Flip(place) } else { Fate::Pass };
        let (result, _) = watched(flip, || home.enrol());
        assert!(matches!(result, Err(MachineError::ReadBack { .. })), "{result:?}");
        assert_eq!(home.files(), 0);
    }
}
