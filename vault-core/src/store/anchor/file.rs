//! The file of an anchor: one for each path of a vault, in a directory of their own. The path counts as it is, with
//! its links resolved, so that every spelling of it has the same anchor.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf, absolute};

use sha2::{Digest, Sha256};

use super::{Anchor, MAX_LEN, State};
use crate::checked_text::TextError;
use crate::store::StoreError;
use crate::store::directory::{Directory, named};
use crate::store::file::{Names, directory_of};
use crate::store::single::{Existing, Target};

/// Where the anchor of a vault is, or would be.
#[derive(Debug)]
pub(in crate::store) struct AnchorFile {
    directory: Directory,
    names: Names,
    vault: PathBuf,
}

impl AnchorFile {
    /// Finds the anchor's place; `None` where the directory of the anchors is not there, and so no anchor.
    pub(in crate::store) fn find(anchors: &Path, vault: &Path) -> Result<Option<Self>, StoreError> {
        Directory::open(anchors)?.map(|directory| Self::at(directory, vault)).transpose()
    }

    /// Finds the anchor's place, and makes the directory where it is not there.
    pub(in crate::store) fn prepare(anchors: &Path, vault: &Path) -> Result<Self, StoreError> {
        Self::at(Directory::open_or_create(anchors)?, vault)
    }

    fn at(directory: Directory, vault: &Path) -> Result<Self, StoreError> {
        let spelled = absolute(vault).map_err(StoreError::io("find the directory of", vault))?;
        let vault = canonical(vault)?;
        let (names, other_names) = (names_for(&vault)?, names_for(&spelled)?);
        // Somebody may have put a link to another directory in the place of the one that the anchor was made for.
        let is_by_spelling =
            vault != spelled && directory.has(&other_names.vault)? && !directory.has(&names.vault)?;
        Ok(match is_by_spelling {
            true => Self { directory, names: other_names, vault: spelled },
            false => Self { directory, names, vault },
        })
    }

    /// Returns the path of the anchor, for messages.
    pub(in crate::store) fn path(&self) -> PathBuf {
        self.directory.path_of(self.name())
    }

    fn name(&self) -> &OsStr {
        &self.names.vault
    }

    /// Tells whether there is an anchor, be it readable or not.
    pub(in crate::store) fn is_there(&self) -> Result<bool, StoreError> {
        self.directory.has(self.name())
    }

    /// Loads the anchor; `None` if there is none.
    pub(in crate::store) fn load(&self) -> Result<Option<Anchor>, StoreError> {
        let Some((file, len)) = self.directory.open_file(self.name())? else { return Ok(None) };
        let damaged = || StoreError::AnchorDamaged { anchor: self.path() };
        let len = usize::try_from(len).ok().filter(|len| *len <= MAX_LEN).ok_or_else(damaged)?;
        let mut bytes = vec![0; len];
        file.read_exact_at(&mut bytes, 0).map_err(StoreError::io("read", &self.path()))?;
        match Anchor::read(&bytes) {
            Ok(anchor) if anchor.vault == self.vault => Ok(Some(anchor)),
            Ok(_) | Err(TextError::Damaged) => Err(damaged()),
            Err(TextError::Newer) => Err(StoreError::AnchorNewer { anchor: self.path() }),
        }
    }

    /// Writes the anchor durably, whatever it said before. Who has the turn to write the vault may write its anchor.
    pub(in crate::store) fn write(&self, state: State) -> Result<Anchor, StoreError> {
        let anchor = Anchor { vault: self.vault.clone(), state };
        let path = self.path();
        self.directory.sweep(|name| self.names.is_temp(name))?;
        let temp = self.names.new_temp().map_err(StoreError::io("name a temporary file for", &path))?;
        let target = Target::new(&self.directory, self.name(), &path);
        target.write(&temp, &anchor.encode(), Existing::Replace)?;
        Ok(anchor)
    }

    /// Removes the anchor, and the directory after the last one: where it is missing, nobody looks any further.
    pub(in crate::store) fn remove(&self) -> Result<(), StoreError> {
        self.directory.discard(self.name())?;
        let synced = self.directory.sync();
        synced.map_err(|error| StoreError::NotDurable { vault: self.path(), source: error.into() })?;
        self.directory.remove_if_empty();
        Ok(())
    }
}

/// Returns the names of the anchor of a path, and of what becomes that.
fn names_for(vault: &Path) -> Result<Names, StoreError> {
    let hash = Sha256::digest(vault.as_os_str().as_bytes());
    Names::of(Path::new(&hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
}

/// Returns the one path of a vault, however it is spelled. Of a directory that is not there the part counts that is.
fn canonical(vault: &Path) -> Result<PathBuf, StoreError> {
    let failed = |error| StoreError::io("find the directory of", vault)(error);
    let (directory, name) = (directory_of(vault), vault.file_name().unwrap_or_default());
    for ancestor in directory.ancestors() {
        match named(ancestor).canonicalize() {
            Ok(found) => {
                let missing = directory.strip_prefix(ancestor).unwrap_or(Path::new(""));
                return Ok(found.join(missing).join(name));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Err(failed(ErrorKind::NotFound.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_directory_that_is_not_there_the_part_counts_that_is() {
        let home = tempfile::tempdir().unwrap();
        let real = home.path().canonicalize().unwrap();
        std::os::unix::fs::symlink(".", home.path().join("link")).unwrap();
        assert_eq!(canonical(&home.path().join("link/a/b/vault")).unwrap(), real.join("a/b/vault"));
    }

    #[test]
    fn a_directory_that_can_not_be_found_is_no_missing_one() {
        let home = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("loop", home.path().join("loop")).unwrap();
        std::fs::write(home.path().join("file"), "").unwrap();
        for directory in ["loop", "loop/a", "file/a"] {
            let refused = canonical(&home.path().join(directory).join("vault"));
            assert!(matches!(refused, Err(StoreError::Io { .. })), "{directory}: {refused:?}");
        }
    }
}
