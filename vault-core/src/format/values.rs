//! Stored values: what stands between index and end of file (`FORMAT.md §6`).

use sha2::{Digest, Sha256};

use crate::crypto::generate;
use crate::crypto::seal::{Label, OVERHEAD, PREFIX_LEN, SALT_LEN, open_in_place, seal_with_salt};
use crate::format::header::{SUITE, VERSION};
use crate::format::{FormatError, MAX_VALUE, ValueId, VaultId};
use crate::secret::{RootKey, SecretBytes};

/// Values are padded to a multiple of this, so that a sealed size tells the length to 64 bytes only.
pub const VALUE_BLOCK: usize = 64;

const LENGTH_LEN: usize = 4;

/// Returns the size of a sealed value of `len` bytes.
#[must_use]
pub const fn sealed_value_len(len: usize) -> usize {
    (LENGTH_LEN + len).next_multiple_of(VALUE_BLOCK) + OVERHEAD
}

/// Checks that a sealed value can have this size: 144 to 1,048,720 bytes in steps of 64.
pub(crate) const fn check_sealed_len(len: u32) -> Result<(), FormatError> {
    let len = len as usize;
    if len > sealed_value_len(MAX_VALUE) {
        return Err(FormatError::TooLarge("the size of a value"));
    }
    if len <= OVERHEAD || !(len - OVERHEAD).is_multiple_of(VALUE_BLOCK) {
        return Err(FormatError::Damaged("the size of a value is impossible"));
    }
    Ok(())
}

/// Seals one value under its own id.
///
/// # Panics
///
/// When the value is longer than [`MAX_VALUE`], which its callers have refused before.
pub(crate) fn seal_value(root: &RootKey, vault_id: VaultId, id: ValueId, value: &SecretBytes) -> Vec<u8> {
    seal_value_with_salt(root, vault_id, id, &generate(), value)
}

/// [`seal_value`] with random bytes that the caller drew, and uses for no other message.
///
/// # Panics
///
/// As [`seal_value`].
pub(crate) fn seal_value_with_salt(
    root: &RootKey,
    vault_id: VaultId,
    id: ValueId,
    salt: &[u8; SALT_LEN],
    value: &SecretBytes,
) -> Vec<u8> {
    assert!(value.len() <= MAX_VALUE, "a value's size is checked where it enters");
    let length = u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes();
    let sealed_len = sealed_value_len(value.len());
    let mut message = Vec::with_capacity(sealed_len);
    message.resize(PREFIX_LEN, 0);
    message.extend_from_slice(&length);
    message.extend_from_slice(value.expose_secret());
    message.resize(sealed_len, 0);
    seal_with_salt(root, Label::Value, &value_context(vault_id, id), salt, &mut message);
    message
}

/// Opens one value in place; `None` if anything about it is wrong.
pub(crate) fn open_value(
    root: &RootKey,
    vault_id: VaultId,
    id: ValueId,
    message: &mut [u8],
) -> Option<SecretBytes> {
    let plaintext = open_in_place(root, Label::Value, &value_context(vault_id, id), message).ok()?;
    let (length, rest) = plaintext.split_first_chunk::<LENGTH_LEN>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok().filter(|length| *length <= MAX_VALUE)?;
    let (value, padding) = rest.split_at_checked(length)?;
    let canonical =
        sealed_value_len(length) == message_len(rest.len()) && padding.iter().all(|byte| *byte == 0);
    canonical.then(|| SecretBytes::new(value.to_vec()))
}

/// Returns the SHA-256 of a sealed value, as the index records it.
pub(crate) fn hash_sealed(message: &[u8]) -> [u8; 32] {
    Sha256::digest(message).into()
}

const fn message_len(padded_rest: usize) -> usize {
    LENGTH_LEN + padded_rest + OVERHEAD
}

pub(crate) fn value_context(vault_id: VaultId, id: ValueId) -> Vec<u8> {
    let mut context = Vec::with_capacity(36);
    context.extend_from_slice(&VERSION.to_le_bytes());
    context.extend_from_slice(&SUITE.to_le_bytes());
    context.extend_from_slice(vault_id.as_bytes());
    context.extend_from_slice(id.as_bytes());
    context
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeroize::Zeroizing;

    use crate::crypto::seal::seal;

    fn root() -> RootKey {
        RootKey::new(Zeroizing::new([1; 32]))
    }

    const VAULT: VaultId = VaultId::new([2; 16]);
    const ID: ValueId = ValueId::new([3; 16]);

    fn open(mut message: Vec<u8>) -> Option<Vec<u8>> {
        open_value(&root(), VAULT, ID, &mut message).map(|value| value.expose_secret().to_vec())
    }

    #[test]
    fn values_of_every_padding_come_back() {
        for len in [0, 1, 59, 60, 61, 64, 124, MAX_VALUE] {
            let message = seal_value(&root(), VAULT, ID, &SecretBytes::new(vec![9; len]));
            assert_eq!(message.len(), sealed_value_len(len));
            assert!(check_sealed_len(u32::try_from(message.len()).unwrap()).is_ok());
            assert_eq!(open(message), Some(vec![9; len]));
        }
    }

    #[test]
    fn a_value_of_another_id_or_vault_is_refused() {
        let mut message = seal_value(&root(), VAULT, ID, &SecretBytes::new(vec![9]));
        assert!(open_value(&root(), VAULT, ValueId::new([4; 16]), &mut message.clone()).is_none());
        assert!(open_value(&root(), VaultId::new([4; 16]), ID, &mut message).is_none());
    }

    #[test]
    fn plaintext_with_other_padding_or_length_is_refused() {
        let crafted =
            |plaintext: &[u8]| open(seal(&root(), Label::Value, &value_context(VAULT, ID), plaintext));
        let block = |length: u32, fill: u8| {
            let mut plaintext = [fill; 64];
            plaintext[..4].copy_from_slice(&length.to_le_bytes());
            plaintext
        };
        assert_eq!(crafted(&block(1, 0)), Some(vec![0]));
        assert_eq!(crafted(&block(1, 1)), None, "padding is not zero");
        assert_eq!(crafted(&block(61, 0)), None, "length is beyond the end");
        assert_eq!(crafted(&block(u32::MAX, 0)), None, "length is beyond any end");
        assert_eq!(crafted(&[block(1, 0), [0; 64]].concat()), None, "a block too many");
        assert_eq!(crafted(&[0; 3]), None, "no length");
        let mut large = vec![0; MAX_VALUE + 64];
        large[..4].copy_from_slice(&u32::try_from(MAX_VALUE + 1).unwrap().to_le_bytes());
        assert_eq!(crafted(&large), None, "a byte above the limit, in the room of the padding");
        large[..4].copy_from_slice(&u32::try_from(MAX_VALUE).unwrap().to_le_bytes());
        assert!(crafted(&large).is_some());
        assert_eq!(crafted(&[0; 4]), None, "not padded");
    }
}
