//! A vault with the rollback anchor on, and what somebody may do to it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::Home;
use crate::vault_file::{VaultFile, place};

/// A home with a vault of several generations, what commands act on, and the rollback anchor on.
pub fn home() -> Home {
    let home = Home::new();
    home.put("A", "old");
    home.put("A", "new");
    let line = "connections set --id alerts --kind slack --label Alerts --secret-id A";
    home.run(line.split(' ')).succeeds();
    home.write(".env", "B=2\n");
    let code = home.run(["bundle", "create", "b", "--code"]).succeeds().text();
    home.run(["anchor", "on"]).succeeds();
    home.with("KEYWARD_BUNDLE_CODE", code.trim())
}

/// Returns the one anchor of a home.
pub fn anchor_file(home: &Home) -> PathBuf {
    let files = entries(&home.anchors());
    let [file] = &files[..] else { panic!("not one anchor: {files:?}") };
    file.clone()
}

/// Returns what the one anchor of a home has.
pub fn anchor(home: &Home) -> Vec<u8> {
    read(&anchor_file(home))
}

/// Puts an older copy in the vault's place.
pub fn rolled_back(home: &Home) {
    let old = VaultFile::read(&home.vault());
    home.put("LATER", "v");
    old.write(&home.vault());
}

/// Puts a vault in the place that was written from the same state as the one that the anchor has.
pub fn forked(home: &Home) {
    let (old, old_anchor) = (VaultFile::read(&home.vault()), anchor(home));
    home.put("LATER", "v");
    let newer_anchor = anchor(home);
    old.write(&home.vault());
    place(&anchor_file(home), &old_anchor);
    home.put("LATER", "other");
    place(&anchor_file(home), &newer_anchor);
}

/// Puts another vault in the place, which opens with keys of the same account.
pub fn substituted(home: &Home) {
    for n in 0..9 {
        home.run(["put", "A", &n.to_string(), "--vault", "other/vault"]).succeeds();
    }
    VaultFile::read(&home.path().join("other/vault")).write(&home.vault());
}

/// Removes the vault and what was before it.
pub fn removed(home: &Home) {
    fs::remove_file(home.vault()).expect("a vault");
    fs::remove_file(home.vault().with_extension("prev")).expect("a previous generation");
}

/// Changes a byte of the anchor.
pub fn torn(home: &Home) {
    let mut bytes = anchor(home);
    bytes[40] ^= 1;
    place(&anchor_file(home), &bytes);
}

/// Returns every file below a directory with its content, but for the lock.
pub fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (directories, files): (Vec<_>, Vec<_>) =
        entries(directory).into_iter().partition(|path| path.is_dir());
    let files = files.into_iter().filter(|path| path.extension().is_none_or(|extension| extension != "lock"));
    let own = files.map(|path| (path.clone(), read(&path)));
    own.chain(directories.iter().flat_map(|directory| self::files(directory))).collect()
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("a directory");
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).expect("a file")
}
