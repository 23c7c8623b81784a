//! Where the key of a slot comes from: one file a source. A source supplies slot keys and says what went
//! wrong; which source is asked first, and what a key then wraps, is not decided here.

pub mod key_text;
pub mod recovery;

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::secret::{KEY_LEN, SlotKey};

/// The system's random source gives no bytes.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no random bytes")]
pub struct NoRandomBytes(#[source] getrandom::Error);

/// Generates the key of a slot whose source stores the key itself: `keyring` and `env`.
///
/// # Errors
///
/// [`NoRandomBytes`] when the system's random source fails.
pub fn generate_slot_key() -> Result<SlotKey, NoRandomBytes> {
    generate_bytes().map(SlotKey::new)
}

/// Generates `N` random bytes.
fn generate_bytes<const N: usize>() -> Result<Zeroizing<[u8; N]>, NoRandomBytes> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(bytes.as_mut_slice()).map_err(NoRandomBytes)?;
    Ok(bytes)
}

/// Derives a slot key from a secret that is random already: HKDF-SHA-256 (RFC 5869) without salt, the
/// parts of `info` one behind the other.
fn derive_slot_key(secret: &[u8], info: &[&[u8]]) -> SlotKey {
    let mut key = Zeroizing::new([0; KEY_LEN]);
    Hkdf::<Sha256>::new(None, secret)
        .expand_multi_info(info, key.as_mut_slice())
        .expect("32 bytes are within the 8160 that HKDF-SHA-256 gives");
    SlotKey::new(key)
}
