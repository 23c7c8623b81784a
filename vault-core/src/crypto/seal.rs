//! `seal` and `open`: the one way in which keyward encrypts (`FORMAT.md §3`).
//!
//! Every message has a key and a nonce of its own, derived from the root or slot key, a fresh salt, a
//! label and the context. So no nonce repeats, the context is authenticated, and the commitment, which
//! is compared before AES-GCM runs, rules out ciphertexts that open under two keys.

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Key, Nonce, Tag};
use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::crypto::{generate, with_wiped_stack};
use crate::secret::SealingKey;

/// The size of the random salt at the start of a sealed message.
pub const SALT_LEN: usize = 32;
/// The size of the key commitment that follows the salt.
pub const COMMITMENT_LEN: usize = 32;
/// The size of the GCM tag at the end (NIST SP 800-38D, 128 bits).
pub const TAG_LEN: usize = 16;
/// What stands before the ciphertext: salt and commitment.
pub const PREFIX_LEN: usize = SALT_LEN + COMMITMENT_LEN;
/// How much longer a sealed message is than its plaintext.
pub const OVERHEAD: usize = PREFIX_LEN + TAG_LEN;

/// What a message is for. Keys of different labels are independent (`FORMAT.md §3`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// The index of a vault.
    Index,
    /// A root key, wrapped for one key slot.
    Slot,
    /// One version of one secret.
    Value,
}

impl Label {
    pub(crate) const fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::Index => b"keyward index",
            Self::Slot => b"keyward slot",
            Self::Value => b"keyward value",
        }
    }
}

/// The message does not open: another key, another context, or altered bytes. Which of these is not
/// said: the difference would help a forger only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message does not open with this key")]
pub struct OpenError;

/// Seals what stands between the first [`PREFIX_LEN`] and the last [`TAG_LEN`] bytes of `message` in place,
/// and fills those.
///
/// # Panics
///
/// When `message` is shorter than [`OVERHEAD`], or longer than AES-GCM's limit of 64 GiB.
pub fn seal_in_place(key: &impl SealingKey, label: Label, context: &[u8], message: &mut [u8]) {
    with_wiped_stack(|| drop(seal_with_salt(key, label, context, &generate::<SALT_LEN>(), message)));
}

/// Seals `plaintext` into a new vector.
pub(crate) fn seal(key: &impl SealingKey, label: Label, context: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let mut message = vec![0; plaintext.len() + OVERHEAD];
    message[PREFIX_LEN..][..plaintext.len()].copy_from_slice(plaintext);
    seal_in_place(key, label, context, &mut message);
    message
}

/// Opens a sealed message in place and returns the plaintext, a part of `message`.
///
/// # Errors
///
/// [`OpenError`] when commitment or tag do not fit; `message` then holds no plaintext.
pub fn open_in_place<'m>(
    key: &impl SealingKey,
    label: Label,
    context: &[u8],
    message: &'m mut [u8],
) -> Result<&'m mut [u8], OpenError> {
    with_wiped_stack(|| open_unwiped(key, label, context, message))
}

fn open_unwiped<'m>(
    key: &impl SealingKey,
    label: Label,
    context: &[u8],
    message: &'m mut [u8],
) -> Result<&'m mut [u8], OpenError> {
    let (salt, rest) = message.split_first_chunk_mut::<SALT_LEN>().ok_or(OpenError)?;
    let (commitment, rest) = rest.split_first_chunk_mut::<COMMITMENT_LEN>().ok_or(OpenError)?;
    let (plaintext, tag) = rest.split_last_chunk_mut::<TAG_LEN>().ok_or(OpenError)?;
    let derived = Derived::new(key, label, context, salt);
    if !bool::from(derived.commitment().ct_eq(&*commitment)) {
        return Err(OpenError);
    }
    let tag = Tag::from(*tag);
    let opened =
        derived.cipher().decrypt_inout_detached(&derived.nonce(), b"", (&mut *plaintext).into(), &tag);
    if opened.is_err() {
        plaintext.zeroize();
        return Err(OpenError);
    }
    Ok(plaintext)
}

/// [`seal_in_place`] with a given salt, which has to be random and for this message alone; returns what was
/// derived, for the vectors of `FORMAT.md §9`.
pub(crate) fn seal_with_salt(
    key: &impl SealingKey,
    label: Label,
    context: &[u8],
    salt: &[u8; SALT_LEN],
    message: &mut [u8],
) -> Zeroizing<[u8; Derived::LEN]> {
    let derived = Derived::new(key, label, context, salt);
    let (prefix, rest) = message.split_at_mut(PREFIX_LEN);
    let (plaintext, tag) = rest.split_at_mut(rest.len() - TAG_LEN);
    prefix[..SALT_LEN].copy_from_slice(salt);
    prefix[SALT_LEN..].copy_from_slice(derived.commitment());
    let computed = derived
        .cipher()
        .encrypt_inout_detached(&derived.nonce(), b"", plaintext.into())
        .expect("a message is far below AES-GCM's limit of 64 GiB");
    tag.copy_from_slice(&computed);
    derived.0
}

/// What HKDF gives for one message: key, nonce and commitment.
pub(crate) struct Derived(Zeroizing<[u8; Self::LEN]>);

impl Derived {
    const KEY_END: usize = 32;
    const NONCE_END: usize = 44;
    const LEN: usize = 76;

    /// HKDF-SHA-256 (RFC 5869): salt, the key as input key material, and as info the label, a zero byte
    /// and the SHA-256 of the context.
    fn new(key: &impl SealingKey, label: Label, context: &[u8], salt: &[u8; SALT_LEN]) -> Self {
        let mut okm = Zeroizing::new([0; Self::LEN]);
        let context = Sha256::digest(context);
        Hkdf::<Sha256>::new(Some(salt), key.expose_secret())
            .expand_multi_info(&[label.as_bytes(), &[0], &context], &mut *okm)
            .expect("76 bytes are below HKDF-SHA-256's limit of 8,160");
        Self(okm)
    }

    fn cipher(&self) -> Aes256Gcm {
        let mut key = Key::<Aes256Gcm>::default();
        key.copy_from_slice(&self.0[..Self::KEY_END]);
        let cipher = Aes256Gcm::new(&key);
        key.as_mut_slice().zeroize();
        cipher
    }

    fn nonce(&self) -> Nonce<<Aes256Gcm as aes_gcm::aead::AeadCore>::NonceSize> {
        let mut nonce = Nonce::default();
        nonce.copy_from_slice(&self.0[Self::KEY_END..Self::NONCE_END]);
        nonce
    }

    fn commitment(&self) -> &[u8] {
        &self.0[Self::NONCE_END..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::RootKey;

    const CONTEXT: &[u8] = b"context";

    fn key(byte: u8) -> RootKey {
        RootKey::new(Zeroizing::new([byte; 32]))
    }

    fn open(key: &RootKey, label: Label, context: &[u8], message: &[u8]) -> Result<Vec<u8>, OpenError> {
        open_in_place(key, label, context, &mut message.to_vec()).map(|plaintext| plaintext.to_vec())
    }

    #[test]
    fn a_sealed_message_opens_with_the_same_key_label_and_context() {
        for plaintext in [&b""[..], b"x", &[7; 1000]] {
            let message = seal(&key(1), Label::Value, CONTEXT, plaintext);
            assert_eq!(message.len(), plaintext.len() + OVERHEAD);
            assert_eq!(open(&key(1), Label::Value, CONTEXT, &message).as_deref(), Ok(plaintext));
        }
    }

    #[test]
    fn another_key_label_or_context_is_refused() {
        let message = seal(&key(1), Label::Value, CONTEXT, b"plaintext");
        assert_eq!(open(&key(2), Label::Value, CONTEXT, &message), Err(OpenError));
        assert_eq!(open(&key(1), Label::Index, CONTEXT, &message), Err(OpenError));
        assert_eq!(open(&key(1), Label::Value, b"contexu", &message), Err(OpenError));
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let message = seal(&key(1), Label::Slot, CONTEXT, b"plaintext");
        for bit in 0..message.len() * 8 {
            let mut altered = message.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(&key(1), Label::Slot, CONTEXT, &altered), Err(OpenError), "bit {bit}");
        }
    }

    #[test]
    fn every_shorter_message_is_refused() {
        let message = seal(&key(1), Label::Slot, CONTEXT, b"plaintext");
        for len in 0..message.len() {
            assert_eq!(open(&key(1), Label::Slot, CONTEXT, &message[..len]), Err(OpenError), "{len} bytes");
        }
    }

    #[test]
    fn a_refused_message_leaves_no_plaintext_behind() {
        let mut message = seal(&key(1), Label::Value, CONTEXT, b"plaintext");
        *message.last_mut().unwrap() ^= 1;
        assert_eq!(open_in_place(&key(1), Label::Value, CONTEXT, &mut message), Err(OpenError));
        assert!(!message.windows(9).any(|window| window == b"plaintext"));
    }

    #[test]
    fn two_seals_of_one_message_share_nothing() {
        let (a, b) =
            (seal(&key(1), Label::Value, CONTEXT, &[0; 64]), seal(&key(1), Label::Value, CONTEXT, &[0; 64]));
        assert!(a.chunks(16).zip(b.chunks(16)).all(|(a, b)| a != b));
    }

    #[test]
    fn a_wrong_commitment_is_refused_before_aes_gcm_touches_the_message() {
        // Ciphertext and tag are right, so that AES-GCM would turn the message into the plaintext.
        let mut message = seal(&key(1), Label::Value, CONTEXT, b"plaintext");
        message[SALT_LEN..PREFIX_LEN].fill(0);
        let before = message.clone();
        assert_eq!(open_in_place(&key(1), Label::Value, CONTEXT, &mut message), Err(OpenError));
        assert_eq!(message, before);
    }
}
