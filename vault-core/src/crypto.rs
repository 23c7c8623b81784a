//! The primitives and nothing else: AES-256-GCM under HKDF-SHA-256 ([`seal`]), Argon2id ([`kdf`]) and
//! the system's random source. No format, no files.

pub mod kdf;
pub mod seal;

use zeroize::{Zeroizing, zeroize_stack};

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

/// Generates `count` times `N` random bytes. One call of the system for all of them: each costs as much as to
/// seal a small message.
///
/// # Panics
///
/// As [`generate`].
#[must_use]
pub fn generate_many<const N: usize>(count: usize) -> Zeroizing<Vec<[u8; N]>> {
    let mut bytes = Zeroizing::new(vec![[0; N]; count]);
    getrandom::fill(bytes.as_flattened_mut()).expect("the operating system has a random source");
    bytes
}

/// Does `work` and wipes the part of the stack that it has used, where libraries leave what no destructor
/// reaches: the blocks of HKDF, the round keys of AES.
pub(crate) fn with_wiped_stack<T>(work: impl FnOnce() -> T) -> T {
    let outcome = in_a_frame_below(work);
    zeroize_stack::<STACK>();
    outcome
}

/// Inlined, the work would be done above the part that is wiped.
#[inline(never)]
fn in_a_frame_below<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// More than sealing, opening and deriving use, with or without optimization.
const STACK: usize = 16_384;

#[cfg(test)]
mod known_answers;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn of_many_none_is_like_another() {
        for count in [0, 1, 2, 1000] {
            let many = generate_many::<16>(count);
            assert_eq!(many.iter().collect::<BTreeSet<_>>().len(), count);
            assert!(!many.contains(&[0; 16]));
        }
    }
}
