//! The primitives and nothing else: AES-256-GCM under HKDF-SHA-256 ([`seal`]), Argon2id ([`kdf`]) and
//! the system's random source. No format, no files.

pub mod kdf;
pub mod seal;

/// Generates `N` random bytes from the operating system's source.
///
/// # Panics
///
/// When the system has no random source, which Linux rules out after boot (`getrandom(2)`). To go on
/// without one would mean predictable keys.
#[must_use]
pub fn generate<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system has a random source");
    bytes
}

#[cfg(test)]
mod known_answers;
