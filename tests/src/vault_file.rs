//! The vault's file seen from outside, by the offsets of `FORMAT.md §4.1`: where its parts are, and how to
//! damage them.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::ops::Range;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use sha2::{Digest, Sha256};

/// A vault's bytes.
#[derive(Debug, Clone)]
pub struct VaultFile(pub Vec<u8>);

impl VaultFile {
    /// Reads a vault.
    pub fn read(path: &Path) -> Self {
        Self(fs::read(path).expect("a vault"))
    }

    /// Writes the bytes in the vault's place, private as a vault has to be.
    pub fn write(&self, path: &Path) {
        place(path, &self.0);
    }

    /// Returns the bytes with one bit flipped.
    pub fn flipped(&self, offset: usize) -> Self {
        let mut bytes = self.0.clone();
        bytes[offset] ^= 1;
        Self(bytes)
    }

    /// Returns the bytes as a writer of another format version would have written the header.
    pub fn of_version(&self, version: u16) -> Self {
        self.with_field(8, &version.to_le_bytes())
    }

    /// Returns the bytes with other ones in the header, and a header hash that fits.
    pub fn with_field(&self, offset: usize, field: &[u8]) -> Self {
        let mut bytes = self.0.clone();
        bytes[offset..offset + field.len()].copy_from_slice(field);
        let hash_at = self.header().end - 32;
        let hash = Sha256::digest(&bytes[..hash_at]);
        bytes[hash_at..hash_at + 32].copy_from_slice(&hash);
        Self(bytes)
    }

    /// Returns where the header is.
    pub fn header(&self) -> Range<usize> {
        0..self.number(16..20)
    }

    /// Returns where the sealed index is.
    pub fn index(&self) -> Range<usize> {
        let start = self.header().end;
        start..start + self.number(52..60)
    }

    /// Returns where the sealed values are.
    pub fn values(&self) -> Range<usize> {
        self.index().end..self.0.len()
    }

    fn number(&self, field: Range<usize>) -> usize {
        let mut bytes = [0; 8];
        bytes[..field.len()].copy_from_slice(&self.0[field]);
        usize::try_from(u64::from_le_bytes(bytes)).expect("a length")
    }
}

/// Writes a private file, whatever was there before.
pub fn place(path: &Path, content: &[u8]) {
    drop(fs::remove_file(path));
    let directory = path.parent().expect("a file in a directory");
    if !directory.exists() {
        fs::create_dir_all(directory).expect("its directory");
        fs::set_permissions(directory, Permissions::from_mode(0o700)).expect("ours");
    }
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).expect("a new file");
    file.write_all(content).expect("the file");
}
