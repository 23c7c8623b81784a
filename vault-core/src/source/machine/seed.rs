//! The text of a seed file: four lines, one encoding.
//!
//! ```text
//! keyward machine seed 1
//! seed <32 bytes in base64url without padding>
//! host <the canonical hostname at enrolment>
//! check <SHA-256 of the lines before, in the same base64url>
//! ```
//!
//! Every version starts with these words and its number and ends with such a check line (`checked_text.rs`).

use base64ct::{Base64UrlUnpadded, Encoding};
use zeroize::Zeroizing;

use super::hostname::{self, Hostname};
use crate::checked_text::{self, TextError, check_line};
use crate::secret::SlotKey;
use crate::source::derive_slot_key;

/// No seed file is longer: the lines without their values have fewer than 40 bytes.
pub(super) const MAX_LEN: usize = 256 + hostname::MAX_LEN;

/// A seed with the hostname that it was enrolled under.
pub(super) struct Seed {
    bytes: Box<Zeroizing<[u8; SEED_LEN]>>,
    hostname: Hostname,
}

impl Seed {
    pub(super) fn new(bytes: Zeroizing<[u8; SEED_LEN]>, hostname: Hostname) -> Self {
        Self { bytes: Box::new(bytes), hostname }
    }

    /// Reads a seed file. Only what [`Seed::encode`] writes is accepted.
    pub(super) fn read(file: &[u8]) -> Result<Self, TextError> {
        let lines = checked_text::lines(file, START, VERSION, MAX_LEN)?;
        str::from_utf8(lines).ok().and_then(Self::read_lines).ok_or(TextError::Damaged)
    }

    fn read_lines(lines: &str) -> Option<Self> {
        let (seed, host) = lines.strip_prefix(SEED)?.split_once('\n')?;
        let hostname = Hostname::read(host.strip_prefix(HOST)?.strip_suffix('\n')?)?;
        let mut bytes = Zeroizing::new([0; SEED_LEN]);
        let len = Base64UrlUnpadded::decode(seed, bytes.as_mut_slice()).ok()?.len();
        (len == SEED_LEN).then(|| Self::new(bytes, hostname))
    }

    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let seed = Zeroizing::new(Base64UrlUnpadded::encode_string(self.bytes.as_slice()));
        let mut text = Zeroizing::new(String::with_capacity(MAX_LEN));
        for part in [START, VERSION, "\n", SEED, &seed, "\n", HOST, self.hostname.as_str(), "\n"] {
            text.push_str(part);
        }
        let check = check_line(&text);
        text.push_str(&check);
        Zeroizing::new(std::mem::take(&mut *text).into_bytes())
    }

    /// Derives the slot key from the seed and the hostname, which can't have the byte between them.
    pub(super) fn derive_key(&self) -> SlotKey {
        derive_slot_key(self.bytes.as_slice(), &[LABEL, &[0], self.hostname.as_str().as_bytes()])
    }

    pub(super) fn into_hostname(self) -> Hostname {
        self.hostname
    }
}

const LABEL: &[u8] = b"keyward machine";
const SEED_LEN: usize = 32;
/// The beginning of every seed file, whatever its version.
pub const START: &str = "keyward machine seed ";
const VERSION: &str = "1";
const SEED: &str = "seed ";
const HOST: &str = "host ";

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    /// Computed with Python's `hashlib`, `hmac` and `base64`.
    const KNOWN: &str = "keyward machine seed 1
seed AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8
host build-7
check LHz6kxAs5wgZ-QMUxrbLnY_k5F4JimjpL6llnba4aR8
";

    fn seed(hostname: &str) -> Seed {
        let bytes = std::array::from_fn(|i| u8::try_from(i).unwrap());
        Seed::new(Zeroizing::new(bytes), Hostname::canonical(OsStr::new(hostname)))
    }

    fn read_error(file: &[u8]) -> Option<TextError> {
        Seed::read(file).err()
    }

    /// A file with the right check behind `body`.
    fn checked(body: &str) -> String {
        format!("{body}{}", check_line(body))
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn a_known_seed_has_a_known_text() {
        assert_eq!(seed("build-7").encode().as_slice(), KNOWN.as_bytes());
        let read = Seed::read(KNOWN.as_bytes()).unwrap();
        assert_eq!(read.bytes.as_slice(), seed("build-7").bytes.as_slice());
        assert_eq!(read.into_hostname().as_str(), "build-7");
    }

    #[test]
    fn a_known_seed_has_known_slot_keys() {
        for (hostname, key) in [
            ("localhost", "789d7210349e523c5d7aceed9be9cde5b1110d00cd1d707bd365f58d2105d1f8"),
            ("build-7", "c829df71de90a4959210c4e079445ff80ba4c0daf0864cfece6a2d753d6aa8a0"),
        ] {
            assert_eq!(hex(seed(hostname).derive_key().expose_secret()), key, "{hostname}");
        }
    }

    #[test]
    fn the_longest_hostname_fits() {
        let file = seed(&"é".repeat(127)).encode();
        assert!(file.len() <= MAX_LEN && file.capacity() == MAX_LEN);
        assert!(Seed::read(&file).is_ok());
    }

    #[test]
    fn every_bit_flipped_is_damage() {
        for place in 0..KNOWN.len() {
            for bit in 0..8 {
                let mut file = KNOWN.as_bytes().to_vec();
                file[place] ^= 1 << bit;
                assert_eq!(read_error(&file), Some(TextError::Damaged), "byte {place} bit {bit}");
            }
        }
    }

    #[test]
    fn a_file_cut_off_or_continued_is_damage() {
        for end in 0..KNOWN.len() {
            assert_eq!(read_error(&KNOWN.as_bytes()[..end]), Some(TextError::Damaged), "{end}");
        }
        for more in ["\n", " ", "\0", KNOWN, &"x".repeat(MAX_LEN)] {
            let file = format!("{KNOWN}{more}");
            assert_eq!(read_error(file.as_bytes()), Some(TextError::Damaged));
        }
    }

    #[test]
    fn a_newer_version_is_told_from_damage() {
        let newer = checked("keyward machine seed 2\nanything else\n");
        assert_eq!(read_error(newer.as_bytes()), Some(TextError::Newer));
    }

    #[test]
    fn a_right_check_does_not_make_up_for_wrong_lines() {
        let seed = "seed AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
        for lines in [
            format!("host build-7\n{seed}\n"),
            format!("{seed}\n"),
            format!("{seed}\nhost build-7"),
            format!("{seed}\nhost build-7\n\n"),
            format!("{seed}\nhost \n"),
            format!("{seed}\nhost Build-7\n"),
            format!("{seed}\nhost build-7.local\n"),
            format!("{seed}=\nhost build-7\n"),
            format!("{seed}\r\nhost build-7\r\n"),
            "seed AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9\nhost spare-bit\n".to_owned(),
            "seed AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg\nhost short\n".to_owned(),
        ] {
            let file = checked(&format!("keyward machine seed 1\n{lines}"));
            assert_eq!(read_error(file.as_bytes()), Some(TextError::Damaged), "{lines}");
        }
    }
}
