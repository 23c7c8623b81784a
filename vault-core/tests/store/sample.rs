//! Small vaults for the store's tests. The store does not care what is in a vault; only here is said
//! what a readable one looks like.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use vault_core::format::{Snapshot, revision};
use vault_core::store::{Expected, FileStore, Previous, StoreError, VaultStore};

/// A whole vault, of which the header is taken and the place of its sealed index.
const GOLDEN: &[u8] = include_bytes!("../../../tests/vectors/golden_v1.vault");
const INDEX_LEN: usize = 4096 + 80;

/// Bytes whose header nobody can read.
pub(crate) const UNREADABLE: &[u8] = b"torn";

/// Returns a vault with a readable header and `body` behind its index. The index is not sealed, which no
/// store can tell; it starts with a hash of the body, so that every body has a revision of its own.
pub(crate) fn vault(body: &[u8]) -> Vec<u8> {
    let mut index = [0; INDEX_LEN];
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    index[..8].copy_from_slice(&hasher.finish().to_le_bytes());
    [header(), &index, body].concat()
}

/// Returns the header of the golden vault, whose length it says itself (`FORMAT.md §4.1`).
fn header() -> &'static [u8] {
    let len = u32::from_le_bytes(GOLDEN[16..20].try_into().unwrap());
    &GOLDEN[..usize::try_from(len).unwrap()]
}

/// Returns all bytes of `snapshot`.
pub(crate) fn bytes_of(snapshot: &dyn Snapshot) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(snapshot.len()).unwrap()];
    snapshot.read_at(0, &mut bytes).unwrap();
    bytes
}

/// Returns the body of the store's current vault, if it has one.
pub(crate) fn body(store: &FileStore) -> Option<Vec<u8>> {
    store.open().unwrap().map(|snapshot| body_of(snapshot.as_ref()))
}

/// Returns the body of the vault in `snapshot`.
pub(crate) fn body_of(snapshot: &dyn Snapshot) -> Vec<u8> {
    bytes_of(snapshot).split_off(header().len() + INDEX_LEN)
}

/// Returns what a writer expects that has seen `snapshot`.
pub(crate) fn expected(snapshot: Option<&dyn Snapshot>) -> Expected {
    snapshot.map_or(Expected::Absent, |seen| {
        revision(seen).unwrap().map_or(Expected::Unreadable, Expected::Revision)
    })
}

/// Replaces whatever the store has by a vault with `body`.
pub(crate) fn put(store: &FileStore, body: &[u8], previous: Previous) -> Result<(), StoreError> {
    let turn = store.begin_write()?;
    let seen = turn.open()?;
    turn.replace(&expected(seen.as_deref()), &vault(body), previous)
}

/// Appends `text` to the body in one turn, as commands do that change a vault.
pub(crate) fn append(store: &FileStore, text: &str) -> Result<(), StoreError> {
    let turn = store.begin_write()?;
    let seen = turn.open()?;
    let mut body = seen.as_deref().map(body_of).unwrap_or_default();
    body.extend(text.bytes());
    turn.replace(&expected(seen.as_deref()), &vault(&body), Previous::Keep)
}

/// Returns the store `vault` in `directory`.
pub(crate) fn store_in(directory: &Path) -> FileStore {
    FileStore::new(directory.join("vault"))
}

/// Writes a private file, as somebody would who puts it there by hand.
pub(crate) fn plant(path: &Path, bytes: &[u8]) {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).unwrap();
    file.write_all(bytes).unwrap();
}

/// Returns each name in `directory` with its bytes or the target of its link. The lock file is left
/// out: it says who wrote last.
pub(crate) fn contents(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    paths.map(|path| (name(&path), content(&path))).filter(|(name, _)| name != "vault.lock").collect()
}

/// Returns the names in `directory`, in order.
pub(crate) fn names(directory: &Path) -> Vec<String> {
    contents(directory).into_keys().collect()
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

fn content(path: &PathBuf) -> Vec<u8> {
    let kind = path.symlink_metadata().unwrap().file_type();
    if kind.is_symlink() {
        return fs::read_link(path).unwrap().into_os_string().into_encoded_bytes();
    }
    if kind.is_file() { fs::read(path).unwrap() } else { Vec::new() }
}
