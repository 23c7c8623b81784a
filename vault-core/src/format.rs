#![doc = include_str!("../FORMAT.md")]
//!
//! # Where the code is
//!
//! [`reader`]: bounded reading; [`header`]: §4; [`index`]: §5; [`values`]: §6. Nothing here touches a
//! file or asks for a key.

pub mod header;
pub mod index;
#[cfg(test)]
mod properties;
pub mod reader;
pub mod values;

use std::io;

use crate::secret::KEY_LEN;

pub use header::{Header, Purpose, Revision, revision};
pub use reader::Snapshot;

/// The format document itself, for tests that compare it with the code.
#[cfg(test)]
pub(crate) const DOCUMENT: &str = include_str!("../FORMAT.md");

/// The largest file that is read or written.
pub const MAX_FILE: u64 = 256 << 20;
/// The largest sealed index: 32,767 blocks of 4,096 bytes and what sealing adds.
pub const MAX_SEALED_INDEX: u64 = 32_767 * 4096 + 80;
/// The largest header.
pub const MAX_HEADER: u32 = 16 << 10;
/// The most key slots of a file.
pub const MAX_SLOTS: usize = 16;
/// The most passphrase slots of a file.
pub const MAX_PASSPHRASE_SLOTS: usize = 4;
/// The largest value of a secret, in bytes.
pub const MAX_VALUE: usize = 1 << 20;
/// The most values of all versions in a file.
pub const MAX_VALUES: usize = 1_000_000;
/// How many earlier values of a secret are kept beside the current one.
pub const MAX_EARLIER_VERSIONS: usize = 10;

/// Why bytes are no vault that this keyward can read. Wrong keys are told apart elsewhere: everything
/// here is true whatever the key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// Something is not as it was written.
    #[error("the file is damaged: {0}")]
    Damaged(&'static str),
    /// The file does not start with the magic bytes.
    #[error("the file is not one that keyward wrote")]
    Foreign,
    /// A newer keyward wrote the file.
    #[error("the file was written by a newer keyward ({what} {found})")]
    Newer {
        /// Which number is unknown: `format version`, `suite`, `purpose` or `schema`.
        what: &'static str,
        /// The number found.
        found: u32,
    },
    /// The file can't be read.
    #[error("can't read the file")]
    Read(#[from] io::Error),
    /// A sealed file of another purpose stands in the place of the one expected.
    #[error("the file is {found}, not {expected}")]
    Purpose {
        /// What the caller asked for.
        expected: Purpose,
        /// What the file says.
        found: Purpose,
    },
    /// One stored value is not as it was written.
    #[error("the stored value of {name} (version {version}) is damaged")]
    Value {
        /// The name of the secret.
        name: String,
        /// Which version of it.
        version: u32,
    },
    /// The file ends too early.
    #[error("the file is cut off: {found} bytes of {expected}")]
    Truncated {
        /// The size that the file itself announces.
        expected: u64,
        /// The size found.
        found: u64,
    },
    /// A number is above its limit (`FORMAT.md §7`).
    #[error("{0} is above the limit of the format")]
    TooLarge(&'static str),
}

/// Makes a type of 16 random bytes, shown as 32 hex digits.
macro_rules! random_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// Takes 16 bytes as an id.
            #[must_use]
            pub const fn new(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// Generates a random id.
            #[must_use]
            pub fn generate() -> Self {
                Self(crate::crypto::generate())
            }

            /// Returns the 16 bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{:032x}", u128::from_be_bytes(self.0))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }
    };
}

random_id! {
    /// Names a vault for ever: chosen at creation, kept by every later write.
    VaultId
}
random_id! {
    /// Names a key slot of a vault.
    SlotId
}
random_id! {
    /// Names one stored value; a new one for every value ever sealed.
    ValueId
}

/// The sealed size of a root key in a slot.
pub(crate) const WRAPPED_ROOT_LEN: usize = KEY_LEN + crate::crypto::seal::OVERHEAD;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::kdf::{KdfParams, MAX_FILE_COST, MAX_SLOT_COST};
    use crate::crypto::seal::{OVERHEAD, PREFIX_LEN};

    /// `FORMAT.md §7`.
    #[test]
    fn limits_and_sizes_are_those_of_the_document() {
        assert_eq!((MAX_FILE, MAX_SEALED_INDEX, MAX_HEADER), (268_435_456, 134_213_712, 16_384));
        assert_eq!((MAX_VALUE, MAX_VALUES, MAX_SLOTS), (1_048_576, 1_000_000, 16));
        assert_eq!((PREFIX_LEN, OVERHEAD, WRAPPED_ROOT_LEN), (64, 80, 112));
        assert_eq!((MAX_SLOT_COST, MAX_FILE_COST), (4_194_304, 8_388_608));
        assert_eq!(KdfParams::DEFAULT.memory_kib(), 262_144);
        for (memory_kib, is_allowed) in
            [(65_535, false), (65_536, true), (1_048_576, true), (1_048_577, false)]
        {
            assert_eq!(KdfParams::new(memory_kib, 3, 1).is_ok(), is_allowed, "{memory_kib} KiB");
        }
    }
}
