//! Where the key of a slot comes from: one file a source. A source supplies slot keys and says what went
//! wrong; which source is asked first, and what a key then wraps, is not decided here.

pub mod key_text;

use zeroize::Zeroizing;

use crate::secret::SlotKey;

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
