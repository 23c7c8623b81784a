//! Argon2id: from a passphrase to a slot key (RFC 9106). The costs come from a file that anybody may
//! have written, so they are bounded on both sides before memory is taken.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::{Zeroize, Zeroizing};

use crate::crypto::with_wiped_stack;
use crate::secret::{KEY_LEN, SecretBytes, SlotKey};

/// The size of the random salt of a passphrase slot (RFC 9106 §3.1 recommends 16 bytes).
pub const SALT_LEN: usize = 16;

/// The most KiB × passes of one slot: 4 GiB of memory traffic (`FORMAT.md §7`).
pub const MAX_SLOT_COST: u64 = 4 << 20;
/// The most KiB × passes of all slots of a file together: 8 GiB (`FORMAT.md §7`).
pub const MAX_FILE_COST: u64 = 8 << 20;

const MIN_MEMORY_KIB: u32 = 64 << 10;
const MAX_MEMORY_KIB: u32 = 1 << 20;
const MIN_PASSES: u32 = 3;
const MAX_LANES: u32 = 16;

/// The costs of Argon2id, always within the bounds of `FORMAT.md §7`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KdfParams {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// The costs are outside the bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KdfParamsError {
    /// Too cheap to protect a passphrase.
    #[error("the costs of the passphrase slot are below the least allowed")]
    TooCheap,
    /// So dear that opening the vault would be an attack on this machine.
    #[error("the costs of the passphrase slot are above the limits")]
    TooDear,
}

impl KdfParams {
    /// 256 MiB, 3 passes, 4 lanes: about 0.7 s of one core.
    pub const DEFAULT: Self = Self { memory_kib: 256 << 10, passes: 3, lanes: 4 };
    /// 64 MiB, 3 passes, 4 lanes: RFC 9106 §4, the second recommended option, and the least allowed.
    pub const LIGHT: Self = Self { memory_kib: MIN_MEMORY_KIB, passes: MIN_PASSES, lanes: 4 };

    /// Checks the costs and returns them.
    ///
    /// # Errors
    ///
    /// [`KdfParamsError`] for costs above the limits of `FORMAT.md §7`, or else below them.
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, KdfParamsError> {
        let params = Self { memory_kib, passes, lanes };
        if memory_kib > MAX_MEMORY_KIB || lanes > MAX_LANES || params.cost() > MAX_SLOT_COST {
            return Err(KdfParamsError::TooDear);
        }
        if memory_kib < MIN_MEMORY_KIB || passes < MIN_PASSES || lanes == 0 {
            return Err(KdfParamsError::TooCheap);
        }
        Ok(params)
    }

    /// Returns KiB × passes, the measure of the limits.
    #[must_use]
    pub const fn cost(&self) -> u64 {
        self.memory_kib as u64 * self.passes as u64
    }

    /// Returns the memory in KiB.
    #[must_use]
    pub const fn memory_kib(&self) -> u32 {
        self.memory_kib
    }

    /// Returns the memory in MiB, rounded down.
    const fn mebibytes(&self) -> u32 {
        self.memory_kib >> 10
    }

    /// Returns the number of passes.
    #[must_use]
    pub const fn passes(&self) -> u32 {
        self.passes
    }

    /// Returns the degree of parallelism.
    #[must_use]
    pub const fn lanes(&self) -> u32 {
        self.lanes
    }
}

/// Why no key could be derived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KdfError {
    /// The passphrase is longer than Argon2 takes (2^32 - 1 bytes).
    #[error("the passphrase is too long")]
    PassphraseTooLong,
    /// The memory that the slot asks for is not to be had.
    #[error("not enough memory: this passphrase slot needs {mebibytes} MiB")]
    NotEnoughMemory {
        /// What Argon2id needs.
        mebibytes: u32,
    },
}

/// Derives the slot key of a passphrase slot: Argon2id version 0x13, no secret, no associated data.
/// The memory is wiped afterwards.
///
/// # Errors
///
/// [`KdfError::NotEnoughMemory`] when the system refuses the memory.
///
/// # Panics
///
/// Never: the bounds of [`KdfParams`] are inside those of Argon2.
pub fn derive_kek(
    passphrase: &SecretBytes,
    salt: &[u8; SALT_LEN],
    params: KdfParams,
) -> Result<SlotKey, KdfError> {
    let argon2_params = Params::new(params.memory_kib, params.passes, params.lanes, Some(KEY_LEN))
        .expect("KdfParams are within Argon2's own limits");
    let mut memory = allocate(&argon2_params, params)?;
    let mut key = Zeroizing::new([0; KEY_LEN]);
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, argon2_params);
    let derived = with_wiped_stack(|| {
        argon2.hash_password_into_with_memory(passphrase.expose_secret(), salt, &mut *key, &mut memory)
    });
    memory.iter_mut().for_each(Zeroize::zeroize);
    derived.map_err(|_| KdfError::PassphraseTooLong)?;
    Ok(SlotKey::new(key))
}

fn allocate(argon2_params: &Params, params: KdfParams) -> Result<Vec<Block>, KdfError> {
    let mut memory = Vec::new();
    let blocks = argon2_params.block_count();
    memory
        .try_reserve_exact(blocks)
        .map_err(|_| KdfError::NotEnoughMemory { mebibytes: params.mebibytes() })?;
    memory.resize(blocks, Block::new());
    Ok(memory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_outside_the_limits_are_refused() {
        let refused = [
            (0, 0, 0, KdfParamsError::TooCheap),
            (MIN_MEMORY_KIB - 1, 3, 4, KdfParamsError::TooCheap),
            (MIN_MEMORY_KIB, 2, 4, KdfParamsError::TooCheap),
            (MIN_MEMORY_KIB, 3, 0, KdfParamsError::TooCheap),
            (MIN_MEMORY_KIB, 3, MAX_LANES + 1, KdfParamsError::TooDear),
            (MIN_MEMORY_KIB, 3, (1 << 24) - 1, KdfParamsError::TooDear),
            (MAX_MEMORY_KIB + 1, 3, 4, KdfParamsError::TooDear),
            (MAX_MEMORY_KIB, 5, 4, KdfParamsError::TooDear),
            (u32::MAX, 3, 4, KdfParamsError::TooDear),
            (MIN_MEMORY_KIB, u32::MAX, 4, KdfParamsError::TooDear),
            (u32::MAX, u32::MAX, 0, KdfParamsError::TooDear),
        ];
        for (memory_kib, passes, lanes, error) in refused {
            assert_eq!(KdfParams::new(memory_kib, passes, lanes), Err(error));
        }
    }

    #[test]
    fn both_presets_and_the_ceiling_are_allowed() {
        for params in [KdfParams::DEFAULT, KdfParams::LIGHT] {
            assert_eq!(KdfParams::new(params.memory_kib, params.passes, params.lanes), Ok(params));
        }
        assert!(KdfParams::new(MAX_MEMORY_KIB, 4, 4).is_ok());
    }

    #[test]
    fn memory_is_told_in_mebibytes() {
        assert_eq!((KdfParams::DEFAULT.mebibytes(), KdfParams::LIGHT.mebibytes()), (256, 64));
    }

    #[test]
    fn salt_and_passphrase_both_decide_the_key() {
        let derive = |passphrase: &[u8], salt: u8| {
            let passphrase = SecretBytes::new(passphrase.to_vec());
            *derive_kek(&passphrase, &[salt; SALT_LEN], KdfParams::LIGHT).unwrap().expose_secret()
        };
        let key = derive(b"passphrase", 0);
        assert_eq!(key, derive(b"passphrase", 0));
        assert_ne!(key, derive(b"passphrase ", 0));
        assert_ne!(key, derive(b"passphrase", 1));
    }
}
