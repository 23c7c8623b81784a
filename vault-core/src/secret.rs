//! The types that carry secrets. Bytes come in once, are wiped on drop, and leave through
//! `expose_secret` only. No type here can be cloned, displayed or serialized, and `Debug` is redacted.

use std::fmt;
use std::mem;
use std::ops::{Deref, DerefMut};

use zeroize::{Zeroizing, optimization_barrier};

use crate::harden;

/// The size in bytes of the root key and of every slot key (`FORMAT.md §2`).
pub const KEY_LEN: usize = 32;

/// A secret value: any bytes, wiped when dropped.
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes over `bytes`, which are wiped on drop with their spare capacity.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Returns the secret itself.
    #[must_use]
    pub fn expose_secret(&self) -> &[u8] {
        &self.0
    }

    /// Returns the length in bytes. A length is not printed either: it narrows a guess.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Tells whether there are no bytes at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes([REDACTED])")
    }
}

/// A secret that is text: a passphrase, a recovery code, an encoded key.
pub struct SecretString(Zeroizing<String>);

impl SecretString {
    /// Takes over `text`, which is wiped on drop with its spare capacity.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Returns the secret itself.
    #[must_use]
    pub fn expose_secret(&self) -> &str {
        &self.0
    }

    /// Returns the bytes of the text, without a copy.
    #[must_use]
    pub fn into_bytes(mut self) -> SecretBytes {
        SecretBytes::new(mem::take(&mut *self.0).into_bytes())
    }
}

impl fmt::Debug for SecretString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretString([REDACTED])")
    }
}

/// Many bytes that are wiped when dropped. [`Zeroizing`] writes one byte at a time, which for a large
/// index takes as long as to decrypt it.
pub(crate) struct WipedBytes<B: AsMut<[u8]> = Vec<u8>>(B);

impl WipedBytes {
    /// Takes over `bytes`, which never grow again: nothing is left behind elsewhere.
    pub(crate) const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Deref for WipedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for WipedBytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl<B: AsMut<[u8]>> Drop for WipedBytes<B> {
    fn drop(&mut self) {
        let bytes = self.0.as_mut();
        bytes.fill(0);
        optimization_barrier(bytes);
    }
}

impl<B: AsMut<[u8]>> fmt::Debug for WipedBytes<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WipedBytes([REDACTED])")
    }
}

/// Input key material of the seal: the root key or a slot key (`FORMAT.md §2`), and nothing else.
pub trait SealingKey: KeyMaterial {}

impl SealingKey for RootKey {}
impl SealingKey for SlotKey {}

/// Keeps the bytes of a [`RootKey`] inside the crate: no other one can name the trait.
mod material {
    use super::KEY_LEN;

    /// What the seal derives from.
    pub trait KeyMaterial {
        /// Returns the 32 secret bytes.
        fn expose_secret(&self) -> &[u8; KEY_LEN];
    }
}

pub(crate) use material::KeyMaterial;

/// The random key of a vault. It is never an AES key itself: every message has its own, derived key.
/// Its memory is kept out of swap where the system allows that.
pub struct RootKey(Box<Zeroizing<[u8; KEY_LEN]>>);

impl RootKey {
    pub(crate) fn new(bytes: Zeroizing<[u8; KEY_LEN]>) -> Self {
        let mut key = Self(Box::new(Zeroizing::new([0; KEY_LEN])));
        harden::lock_memory(key.0.as_slice());
        key.0.copy_from_slice(bytes.as_slice());
        key
    }

    /// Makes another one of the same bytes, for a newer generation of the same vault.
    pub(crate) fn copy(&self) -> Self {
        Self::new(Zeroizing::new(**self.0))
    }
}

impl KeyMaterial for RootKey {
    fn expose_secret(&self) -> &[u8; KEY_LEN] {
        &self.0
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootKey([REDACTED])")
    }
}

/// The key of one key slot (KEK): it wraps the root key and nothing else.
pub struct SlotKey(Box<Zeroizing<[u8; KEY_LEN]>>);

impl SlotKey {
    /// Takes over 32 bytes that a key source gave.
    #[must_use]
    pub fn new(bytes: Zeroizing<[u8; KEY_LEN]>) -> Self {
        Self(Box::new(bytes))
    }

    /// Returns the key itself, for the sources that have to store it.
    #[must_use]
    pub fn expose_secret(&self) -> &[u8; KEY_LEN] {
        &self.0
    }
}

impl KeyMaterial for SlotKey {
    fn expose_secret(&self) -> &[u8; KEY_LEN] {
        &self.0
    }
}

impl fmt::Debug for SlotKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SlotKey([REDACTED])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_as_long_as_its_bytes() {
        for (bytes, is_empty) in [(vec![], true), (vec![0], false), (vec![7; 9], false)] {
            let len = bytes.len();
            let secret = SecretBytes::new(bytes);
            assert_eq!((secret.len(), secret.is_empty()), (len, is_empty));
        }
    }

    #[test]
    fn bytes_to_be_wiped_are_read_and_written_in_place() {
        let mut bytes = WipedBytes::new(vec![1, 2]);
        bytes[0] = 3;
        let read: &[u8] = &bytes;
        assert_eq!(read, [3, 2]);
    }

    #[test]
    fn bytes_to_be_wiped_are_wiped_when_dropped() {
        let mut array = [1, 2];
        drop(WipedBytes(&mut array));
        assert_eq!(array, [0, 0]);
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!(
            "{:?} {:?} {:?} {:?}",
            SecretBytes::new(b"canary".to_vec()),
            SecretString::new("canary".into()),
            RootKey::new(Zeroizing::new([7; 32])),
            SlotKey::new(Zeroizing::new([7; 32])),
        );
        assert!(!shown.contains("canary") && !shown.contains('7'), "{shown}");
    }

    #[test]
    fn secret_bytes_keep_every_byte() {
        let secret = SecretBytes::new(vec![0, 255, b'\n']);
        assert_eq!(secret.expose_secret(), [0, 255, b'\n']);
        assert_eq!(secret.len(), 3);
    }
}
