//! A model of what a crash can leave of files, for tests, after the one with which ALICE found what applications
//! wrongly take for granted (Pillai et al., OSDI 2014). Harsher than any file system is:
//!
//! * A name is, each by itself, what it was when its directory was last flushed or after any later change: changes of
//!   names are lost and reordered at will, and of a rename one half may be lost.
//! * A file is torn at any byte; or has its length before its bytes, with zeros, garbage or bytes of an old file
//!   there; or has any selection of its sectors. Of more sectors than [`ALL_SELECTIONS`] the selections are a sample,
//!   always the same.
//! * What was flushed stays.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use sha2::{Digest, Sha256};

use super::watch::{Change, Id, id_of};

/// A directory with all that is below it, as it is and as it may be after a crash.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    root: Id,
    /// What each name stood for since its directory was flushed, the oldest first.
    names: BTreeMap<(Id, OsString), Vec<Option<Id>>>,
    files: BTreeMap<Id, Content>,
    /// What blocks may hold that were in use before.
    stale: Vec<u8>,
}

/// The bytes of a file.
#[derive(Debug, Clone, Default)]
struct Content {
    flushed: Vec<u8>,
    live: Vec<u8>,
    /// What a crash can make of them, each once.
    remains: OnceCell<Rc<[Remains]>>,
}

/// What a crash leaves of a file, with the hash of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Remains {
    hash: u64,
    extent: Extent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Extent {
    Flushed,
    Live,
    /// The first bytes of what was written, and what was flushed behind them.
    Torn(usize),
    /// The same, and the rest of the length filled.
    Filled(usize, Fill),
    /// The sectors of the mask, and the others filled.
    Sectors(u64, Fill),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fill {
    Garbage,
    Stale,
    Zero,
}

/// What is there after a crash.
#[derive(Debug)]
pub(crate) struct State<'t> {
    tree: &'t Tree,
    directories: &'t [PathBuf],
    files: Vec<(&'t Path, Id, Remains)>,
}

impl Tree {
    /// Reads what is at `root`, all of it flushed.
    pub(crate) fn read(root: &Path) -> Self {
        let mut tree =
            Self { root: id_at(root), names: BTreeMap::new(), files: BTreeMap::new(), stale: Vec::new() };
        tree.read_directory(tree.root, root);
        let largest = tree.files.values().max_by_key(|content| content.live.len());
        tree.stale = largest.map(|content| content.live.clone()).unwrap_or_default();
        tree
    }

    fn read_directory(&mut self, directory: Id, path: &Path) {
        for entry in fs::read_dir(path).unwrap() {
            let (name, path) = entry.map(|entry| (entry.file_name(), entry.path())).unwrap();
            let id = id_at(&path);
            self.names.insert((directory, name), vec![Some(id)]);
            if path.is_dir() {
                self.read_directory(id, &path);
            } else {
                let bytes = fs::read(&path).unwrap();
                self.files.insert(id, Content { flushed: bytes.clone(), live: bytes, ..Content::default() });
            }
        }
    }

    /// Makes a change.
    pub(crate) fn apply(&mut self, change: &Change) {
        match change.clone() {
            Change::Create { directory, name, file } => {
                self.files.insert(file, Content::default());
                self.name(directory, name, Some(file));
            }
            Change::Link { directory, name, file } => self.name(directory, name, Some(file)),
            Change::MakeDirectory { directory, name, made } => self.name(directory, name, Some(made)),
            Change::Rename { directory, from, to } => {
                let moved = self.names[&(directory, from.clone())].last().copied().flatten();
                self.name(directory, to, moved);
                self.name(directory, from, None);
            }
            Change::Sync { what } => self.flush(what),
            Change::Unlink { directory, name } => self.name(directory, name, None),
            Change::Write { file, offset, bytes } => self.write(file, offset, &bytes),
        }
    }

    fn name(&mut self, directory: Id, name: OsString, stands_for: Option<Id>) {
        self.names.entry((directory, name)).or_insert_with(|| vec![None]).push(stands_for);
    }

    fn flush(&mut self, what: Id) {
        if let Some(content) = self.files.get_mut(&what) {
            content.flushed.clone_from(&content.live);
            content.remains.take();
        }
        for ((directory, _), versions) in &mut self.names {
            if *directory == what {
                versions.drain(..versions.len() - 1);
            }
        }
    }

    fn write(&mut self, file: Id, offset: u64, bytes: &[u8]) {
        let content = self.files.get_mut(&file).expect("files are made before they are written");
        let start = usize::try_from(offset).unwrap();
        let end = start + bytes.len();
        content.live.resize(content.live.len().max(end), 0);
        content.live[start..end].copy_from_slice(bytes);
        content.remains.take();
    }

    /// Shows every state that a crash can leave before, between and after these changes, with whether all of them were
    /// made, which is when success is said.
    pub(crate) fn crash_during(&self, changes: &[Change], mut visit: impl FnMut(&State<'_>, bool)) {
        let mut tree = self.clone();
        for change in changes {
            tree.crash(|state| visit(state, false));
            tree.apply(change);
        }
        tree.crash(|state| visit(state, true));
    }

    /// Shows the state that is there without a crash.
    pub(crate) fn now(&self, visit: impl FnOnce(&State<'_>)) {
        let latest = |versions: &Vec<Option<Id>>| versions.last().copied().flatten();
        let names = self.names.iter().map(|(name, versions)| (name, latest(versions))).collect();
        let found = self.find(&names);
        visit(&found.state(self, Extent::Live));
    }

    /// Shows every state that a crash can leave now. One file at a time is torn in every way, while the others are
    /// as they were flushed or as they are.
    pub(crate) fn crash(&self, mut visit: impl FnMut(&State<'_>)) {
        for names in self.selections() {
            let found = self.find(&names);
            let files = found.files.iter().map(|(_, id)| *id).collect::<BTreeSet<_>>();
            for extreme in [Extent::Flushed, Extent::Live] {
                visit(&found.state(self, extreme));
                for torn in &files {
                    let mut state = found.state(self, extreme);
                    for remains in &*self.files[torn].remains(&self.stale) {
                        let names = state.files.iter_mut().filter(|(_, id, _)| id == torn);
                        names.for_each(|(_, _, held)| *held = *remains);
                        visit(&state);
                    }
                }
            }
        }
    }

    /// Returns every selection of what the names stand for.
    fn selections(&self) -> Vec<Names<'_>> {
        let mut selections = vec![Names::new()];
        for (name, versions) in &self.names {
            let versions: BTreeSet<_> = versions.iter().copied().collect();
            let with = |version| {
                selections.iter().map(move |selected| {
                    let mut selected = Names::clone(selected);
                    selected.insert(name, version);
                    selected
                })
            };
            selections = versions.into_iter().flat_map(with).collect();
        }
        selections
    }

    fn find(&self, names: &Names<'_>) -> Found {
        let mut found = Found::default();
        self.walk(names, self.root, Path::new(""), &mut found);
        found
    }

    fn walk(&self, names: &Names<'_>, directory: Id, path: &Path, found: &mut Found) {
        for ((_, name), id) in names.iter().filter(|((parent, _), _)| *parent == directory) {
            let path = path.join(name);
            match id {
                None => {}
                Some(id) if self.files.contains_key(id) => found.files.push((path, *id)),
                Some(id) => {
                    found.directories.push(path.clone());
                    self.walk(names, *id, &path, found);
                }
            }
        }
    }
}

/// What each name stands for.
type Names<'t> = BTreeMap<&'t (Id, OsString), Option<Id>>;

/// What the names lead to.
#[derive(Debug, Default)]
struct Found {
    directories: Vec<PathBuf>,
    files: Vec<(PathBuf, Id)>,
}

impl Found {
    fn state<'t>(&'t self, tree: &'t Tree, extent: Extent) -> State<'t> {
        let held = |id: &Id| tree.files[id].remains_as(extent);
        let files = self.files.iter().map(|(path, id)| (path.as_path(), *id, held(id))).collect();
        State { tree, directories: &self.directories, files }
    }
}

impl Content {
    fn remains_as(&self, extent: Extent) -> Remains {
        Remains { hash: hash_of(&self.bytes(extent, &[])), extent }
    }

    /// Returns what a crash can leave beside the extremes.
    fn remains(&self, stale: &[u8]) -> Rc<[Remains]> {
        let remains = self.remains.get_or_init(|| {
            if self.flushed == self.live {
                return Rc::default();
            }
            let extents = extents(self.live.len());
            let hashed = extents.map(|extent| (hash_of(&self.bytes(extent, stale)), extent));
            let distinct: HashMap<u64, Extent> = hashed.collect();
            let sorted: BTreeSet<_> =
                distinct.into_iter().map(|(hash, extent)| Remains { hash, extent }).collect();
            sorted.into_iter().collect()
        });
        Rc::clone(remains)
    }

    fn bytes(&self, extent: Extent, stale: &[u8]) -> Vec<u8> {
        match extent {
            Extent::Flushed => self.flushed.clone(),
            Extent::Live => self.live.clone(),
            Extent::Torn(length) => {
                [&self.live[..length], self.flushed.get(length..).unwrap_or_default()].concat()
            }
            Extent::Filled(length, fill) => {
                let mut bytes = fill.bytes(self.live.len(), stale);
                bytes[..length].copy_from_slice(&self.live[..length]);
                bytes
            }
            Extent::Sectors(mask, fill) => {
                let mut bytes = fill.bytes(self.live.len(), stale);
                let sectors = bytes.chunks_mut(SECTOR).zip(self.live.chunks(SECTOR)).enumerate();
                sectors
                    .filter(|(nth, _)| mask >> nth & 1 == 1)
                    .for_each(|(_, (to, from))| to.copy_from_slice(from));
                bytes
            }
        }
    }
}

/// Names the ways in which a file of `length` bytes is torn.
fn extents(length: usize) -> impl Iterator<Item = Extent> {
    let torn = (0..=length).map(Extent::Torn);
    let zeros = (0..length).map(|at| Extent::Filled(at, Fill::Zero));
    let blocks = (0..length).step_by(SECTOR);
    let filled = blocks.flat_map(|at| [Fill::Garbage, Fill::Stale].map(|fill| Extent::Filled(at, fill)));
    let sectors = masks(length.div_ceil(SECTOR)).into_iter();
    let sectors = sectors
        .flat_map(|mask| [Fill::Garbage, Fill::Stale, Fill::Zero].map(|fill| Extent::Sectors(mask, fill)));
    torn.chain(zeros).chain(filled).chain(sectors)
}

/// Returns selections of sectors, all of them where there are few.
fn masks(sectors: usize) -> Vec<u64> {
    assert!(sectors < 64, "the files of these tests are small");
    if sectors <= ALL_SELECTIONS {
        return (0..1 << sectors).collect();
    }
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random & ((1 << sectors) - 1)
    };
    (0..1 << ALL_SELECTIONS).map(|_| next()).collect()
}

impl Fill {
    fn bytes(self, length: usize, stale: &[u8]) -> Vec<u8> {
        match self {
            Self::Garbage => vec![0xa5; length],
            Self::Stale => stale.iter().copied().chain(std::iter::repeat(0x5a)).take(length).collect(),
            Self::Zero => vec![0; length],
        }
    }
}

impl State<'_> {
    /// Returns a number that tells this state from others.
    pub(crate) fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.directories.iter().for_each(|path| path.as_os_str().hash(&mut hasher));
        self.files.iter().for_each(|(path, _, remains)| (path.as_os_str(), remains.hash).hash(&mut hasher));
        hasher.finish()
    }

    /// Tells whether every file is as it was flushed, or as it was before the crash.
    pub(crate) fn is_whole(&self) -> bool {
        self.files.iter().all(|(_, _, remains)| matches!(remains.extent, Extent::Flushed | Extent::Live))
    }

    /// Returns the hash of the bytes of the file at `path`, as [`hash_of`] computes it.
    pub(crate) fn hash_at(&self, path: &Path) -> Option<u64> {
        self.files.iter().find(|(found, _, _)| *found == path).map(|(_, _, remains)| remains.hash)
    }

    /// Returns the paths of the files, each with the hash of its bytes.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&Path, u64)> {
        self.files.iter().map(|(path, _, remains)| (*path, remains.hash))
    }

    /// Makes the state in the empty directory `root`, with the names of one file as such.
    pub(crate) fn make(&self, root: &Path) {
        let mut builder = DirBuilder::new();
        self.directories.iter().for_each(|path| builder.mode(0o700).create(root.join(path)).unwrap());
        let mut made = HashMap::new();
        for (path, id, remains) in &self.files {
            let path = root.join(path);
            if let Some(other) = made.insert(*id, path.clone()) {
                fs::hard_link(other, path).unwrap();
                continue;
            }
            let mut options = OpenOptions::new();
            let mut file = options.write(true).create_new(true).mode(0o600).open(path).unwrap();
            file.write_all(&self.tree.files[id].bytes(remains.extent, &self.tree.stale)).unwrap();
        }
    }
}

/// Returns a number for bytes.
pub(crate) fn hash_of(bytes: &[u8]) -> u64 {
    let first = Sha256::digest(bytes).first_chunk().copied();
    u64::from_le_bytes(first.expect("a hash has 32 bytes"))
}

fn id_at(path: &Path) -> Id {
    id_of(File::open(path).unwrap())
}

const SECTOR: usize = 512;
/// The most sectors of which every selection is a state.
const ALL_SELECTIONS: usize = 10;
