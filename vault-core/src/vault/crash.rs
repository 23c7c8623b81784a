//! Every write of a vault file, under crashes and failures: the whole way from a change to the disk, with the calls
//! that change files watched ([`disk::watch`](crate::disk::watch)) and the states that a crash can leave computed
//! ([`disk::model`](crate::disk::model)).

mod faults;
mod killed;
mod states;
mod writes;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::{TempDir, tempdir};

use self::writes::Write;
use crate::connection::Connection;
use crate::disk::model::{State, Tree};
use crate::disk::watch::recorded;
use crate::format::{Purpose, SlotId, Snapshot};
use crate::store::{FileStore, Previous};
use crate::vault::LockedVault;
use crate::vault::commit::commit;
use crate::vault::samples::{OneKey, put, unlocked, values};

/// The vault of these tests, in directories of its own.
const VAULT: &str = "state/keyward/vault";
const PREVIOUS: &str = "state/keyward/vault.prev";
const DAMAGED: &str = "state/keyward/vault.damaged";

/// Everything that a vault says, every value opened.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    generation: u64,
    epoch: u64,
    slots: Vec<SlotId>,
    values: Vec<String>,
    connections: Vec<Connection>,
}

impl Told {
    /// Reads a vault; `None` where it is not whole.
    fn by(bytes: &[u8]) -> Option<Self> {
        let snapshot: Box<dyn Snapshot> = Box::new(bytes.to_vec());
        let locked = LockedVault::open(snapshot, Purpose::Secrets).ok()?;
        let vault = locked.unlock(&mut [&mut OneKey { kind: "env", key: 1 }]).ok()?.vault;
        let index = vault.index().ok()?;
        if !vault.verify(&index).ok()?.is_empty() {
            return None;
        }
        let header = vault.header();
        Some(Self {
            generation: header.generation,
            epoch: header.epoch,
            slots: header.slots.iter().map(|slot| slot.id).collect(),
            values: values(&vault),
            connections: index.connections().ok()?,
        })
    }
}

/// A directory with a vault that is going to be written.
struct Home {
    directory: TempDir,
}

impl Home {
    /// Makes the state before a write.
    fn before(write: &Write) -> Self {
        let home = Self::empty();
        recorded(|| (write.prepare)(&home));
        home
    }

    fn empty() -> Self {
        Self { directory: tempdir().unwrap() }
    }

    fn root(&self) -> &Path {
        self.directory.path()
    }

    fn store(&self) -> FileStore {
        FileStore::new(self.root().join(VAULT))
    }

    /// Makes a home like one that was read.
    fn like(before: &Tree) -> Self {
        let home = Self::empty();
        before.now(|state| state.make(home.root()));
        home
    }

    /// Returns the files, but for the lock.
    fn files(&self) -> Files {
        let mut found = Files::new();
        Tree::read(self.root()).now(|state| found = files(state));
        found
    }

    fn read(&self, path: &str) -> Option<Vec<u8>> {
        fs::read(self.root().join(path)).ok()
    }

    /// Reads the vault; `None` where there is none that is whole.
    fn told(&self) -> Option<Told> {
        Told::by(&self.read(VAULT)?)
    }

    /// Returns the names of the temporary files that are left.
    fn temps(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.root().join(VAULT).parent().unwrap()) else { return Vec::new() };
        let paths = entries.map(|entry| PathBuf::from(entry.unwrap().file_name()));
        paths.filter(|path| is_temp(path)).collect()
    }

    /// Does a write that has to succeed. Nothing is flushed in earnest, which would only be slow.
    fn write(&self, write: &Write) {
        recorded(|| (write.run)(&self.store())).0.unwrap();
    }

    /// Writes once more, as the next command would, and checks that it leaves what a write promises: the next
    /// generation with everything of this one, this one beside it, and nothing else.
    fn write_again(&self) {
        let store = self.store();
        let bytes = self.read(VAULT).unwrap();
        let before = self.told().unwrap();
        let vault = unlocked(&store);
        let (written, _) =
            recorded(|| commit(&store, vault, Previous::Keep, |draft| put(draft, "ZZZ", "again")));
        written.unwrap();
        let after = self.told().unwrap();
        assert_eq!(after.generation, before.generation + 1);
        assert_eq!(after.values.split_last().unwrap().1, before.values);
        assert_eq!((after.epoch, after.slots), (before.epoch, before.slots));
        assert_eq!(after.connections, before.connections);
        assert_eq!(self.read(PREVIOUS), Some(bytes));
        assert!(self.temps().is_empty(), "{:?}", self.temps());
    }
}

/// Files with the hashes of their bytes.
type Files = Vec<(PathBuf, u64)>;

/// Returns the files of a state, but for the lock, whose text only serves messages.
fn files(state: &State<'_>) -> Files {
    let files = state.files().filter(|(path, _)| path.extension() != Some(OsStr::new("lock")));
    files.map(|(path, hash)| (path.to_owned(), hash)).collect()
}

fn is_temp(path: &Path) -> bool {
    path.file_name().and_then(OsStr::to_str).is_some_and(|name| name.starts_with(".vault.tmp."))
}
