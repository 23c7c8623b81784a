//! The recovery code: 128 random bits that a person writes down once. Shown as 26 characters of
//! Crockford's base32 and 4 check characters, in groups of five.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::derive_slot_key;
use crate::crypto::generate;
use crate::secret::{SecretString, SlotKey};

/// Why a text is no recovery code. The text itself is never repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecoveryError {
    /// A character is none of the code's.
    #[error("a recovery code has only digits and letters, and no U")]
    Character,
    /// The check characters are those of another code.
    #[error("the recovery code has a typo: its last four characters do not match")]
    Check,
    /// Characters are missing, or there are too many.
    #[error("a recovery code has 30 characters in six groups of five")]
    Length,
    /// The 26th character has one of its two low bits set; both are always zero.
    #[error("the recovery code has a typo: its 26th character is never that one")]
    SpareBits,
}

/// The 128 random bits behind a recovery code.
pub struct RecoveryCode(Box<Zeroizing<[u8; BITS_LEN]>>);

impl RecoveryCode {
    /// Generates a new code.
    #[must_use]
    pub fn generate() -> Self {
        Self::new(Zeroizing::new(generate()))
    }

    /// Reads a code as a person types it: in either case, with or without spaces and hyphens, with I or L
    /// for 1 and O for 0.
    ///
    /// # Errors
    ///
    /// [`RecoveryError`] says what is wrong. The check characters miss one typo in a million.
    pub fn parse(text: &str) -> Result<Self, RecoveryError> {
        let digits = read_digits(text)?;
        let (data, check) = digits.split_at(DATA_DIGITS);
        let code = Self::new(bits_of(data)?);
        if !bool::from(code.check_digits().ct_eq(check)) {
            return Err(RecoveryError::Check);
        }
        Ok(code)
    }

    pub(crate) fn new(bits: Zeroizing<[u8; BITS_LEN]>) -> Self {
        Self(Box::new(bits))
    }

    /// Encodes the code as it is shown: six groups of five, joined by hyphens.
    #[must_use]
    pub fn encode(&self) -> SecretString {
        let mut text = String::with_capacity(DIGITS + DIGITS / GROUP);
        let digits = Zeroizing::new(self.data_digits());
        for (place, digit) in digits.iter().chain(&self.check_digits()).enumerate() {
            if place > 0 && place % GROUP == 0 {
                text.push('-');
            }
            text.push(char::from(ALPHABET[usize::from(*digit)]));
        }
        SecretString::new(text)
    }

    /// Derives the key of the slot that the code opens.
    #[must_use]
    pub fn derive_key(&self) -> SlotKey {
        derive_slot_key(self.0.as_slice(), &[LABEL])
    }

    /// The bits in fives from the first on. 26 digits hold 130 bits: the last two, the low bits of the
    /// 26th digit, are spare and zero.
    fn data_digits(&self) -> [u8; DATA_DIGITS] {
        let bits = u128::from_be_bytes(**self.0);
        std::array::from_fn(|place| match place {
            LAST => low_digit(bits << SPARE_BITS),
            _ => low_digit(bits >> (5 * (LAST - place) - SPARE_BITS)),
        })
    }

    /// The top 20 bits of SHA-256 over the label and the bits.
    fn check_digits(&self) -> [u8; CHECK_DIGITS] {
        let hash = Sha256::new().chain_update(LABEL).chain_update(self.0.as_slice()).finalize();
        let top = u128::from_be_bytes(std::array::from_fn(|i| hash[i]));
        std::array::from_fn(|place| low_digit(top >> (u128::BITS as usize - 5 * (place + 1))))
    }
}

impl std::fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecoveryCode([REDACTED])")
    }
}

/// The five low bits of `bits`.
fn low_digit(bits: u128) -> u8 {
    bits.to_le_bytes()[0] & 0x1f
}

/// Reads exactly as many digits as a code has, passing over ASCII white space and hyphens.
fn read_digits(text: &str) -> Result<Zeroizing<[u8; DIGITS]>, RecoveryError> {
    let mut digits = Zeroizing::new([0; DIGITS]);
    let mut count = 0;
    for c in text.chars().filter(|c| !matches!(c, ' ' | '\t' | '\r' | '\n' | '-')) {
        let digit = digit_of(c).ok_or(RecoveryError::Character)?;
        if let Some(place) = digits.get_mut(count) {
            *place = digit;
        }
        count += 1;
    }
    if count == DIGITS { Ok(digits) } else { Err(RecoveryError::Length) }
}

/// Returns the value of a character, with the letters that are read for others (Crockford's base32).
fn digit_of(c: char) -> Option<u8> {
    let c = match c.to_ascii_uppercase() {
        'I' | 'L' => '1',
        'O' => '0',
        upper => upper,
    };
    ALPHABET.iter().position(|digit| char::from(*digit) == c).and_then(|value| u8::try_from(value).ok())
}

/// Puts the data digits together and takes the spare bits off, which have to be zero.
fn bits_of(digits: &[u8]) -> Result<Zeroizing<[u8; BITS_LEN]>, RecoveryError> {
    let (last, others) = digits.split_last().ok_or(RecoveryError::Length)?;
    if last & SPARE_MASK != 0 {
        return Err(RecoveryError::SpareBits);
    }
    let high = others.iter().fold(0_u128, |bits, digit| bits << 5 | u128::from(*digit));
    let bits = high << (5 - SPARE_BITS) | u128::from(last >> SPARE_BITS);
    Ok(Zeroizing::new(bits.to_be_bytes()))
}

const LABEL: &[u8] = b"keyward recovery";
/// Crockford's base32: no I, L, O or U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const BITS_LEN: usize = 16;
const DATA_DIGITS: usize = 26;
const LAST: usize = DATA_DIGITS - 1;
const CHECK_DIGITS: usize = 4;
const DIGITS: usize = DATA_DIGITS + CHECK_DIGITS;
const GROUP: usize = 5;
const SPARE_BITS: usize = 5 * DATA_DIGITS - 8 * BITS_LEN;
const SPARE_MASK: u8 = 0b11;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bits, their code and the slot key, computed with Python's `hashlib` and `hmac`.
    const KNOWN: [([u8; BITS_LEN], &str, &str); 3] = [
        (
            [0; BITS_LEN],
            "00000-00000-00000-00000-00000-0DM2P",
            "1bd608013a65b3726aad626619a1b79f5900fa48a1afd67f078210281fcc36d0",
        ),
        (
            [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
            "000G4-0R40M-30E20-9185G-R38E1-WV9ZJ",
            "87ed2fbf9da0cb1433b039ca2e7c1f8670fa911680396d425057955e8ca99b6d",
        ),
        (
            [0xff; BITS_LEN],
            "ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-WA3ZE",
            "e9dce0ec1a47284fd652d60c1a1b60099940207ac05352d987155ebe92adc059",
        ),
    ];

    fn code(bits: [u8; BITS_LEN]) -> RecoveryCode {
        RecoveryCode::new(Zeroizing::new(bits))
    }

    fn parse_error(text: &str) -> Option<RecoveryError> {
        RecoveryCode::parse(text).err()
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn known_bits_have_known_codes() {
        for (bits, text, _) in KNOWN {
            assert_eq!(code(bits).encode().expose_secret(), text);
            assert_eq!(RecoveryCode::parse(text).unwrap().0.as_slice(), bits);
        }
    }

    #[test]
    fn known_bits_have_known_slot_keys() {
        for (bits, _, key) in KNOWN {
            assert_eq!(hex(code(bits).derive_key().expose_secret()), key);
        }
    }

    #[test]
    fn a_code_is_read_as_people_type_it() {
        let (bits, ..) = KNOWN[1];
        for text in [
            "000g4-0r40m-30e20-9185g-r38e1-wv9zj",
            "OoOG4-oR4OM-3oE2O-9L85G-R38Ei-WV9ZJ",
            "000G40R40M30E209185GR38E1WV9ZJ",
            "  000G4 0R40M 30E20 \t 9185G R38EI WV9ZJ\r\n",
            "000G4--0R40M-30E20-9185G-R38El-WV9ZJ-",
        ] {
            assert_eq!(RecoveryCode::parse(text).unwrap().0.as_slice(), bits, "{text}");
        }
    }

    #[test]
    fn a_code_of_the_wrong_length_is_refused() {
        let text = KNOWN[1].1;
        for end in 0..text.len() {
            assert_eq!(parse_error(&text[..end]), Some(RecoveryError::Length), "{end}");
        }
        assert_eq!(parse_error(&format!("{text}0")), Some(RecoveryError::Length));
        assert_eq!(parse_error(&text.repeat(2)), Some(RecoveryError::Length));
    }

    #[test]
    fn a_character_of_no_code_is_refused() {
        let text = KNOWN[1].1;
        for bad in ["U", "u", "*", "é", "\u{a0}", "\0", "\u{2013}", "=", "_"] {
            let broken = format!("{}{bad}{}", &text[..3], &text[4..]);
            assert_eq!(parse_error(&broken), Some(RecoveryError::Character), "{bad:?}");
        }
    }

    #[test]
    fn spare_bits_of_the_26th_character_are_zero() {
        for last in "123567".chars() {
            let text = format!("00000-00000-00000-00000-00000-{last}DM2P");
            assert_eq!(parse_error(&text), Some(RecoveryError::SpareBits), "{last}");
        }
        assert_eq!(parse_error("00000-00000-00000-00000-00000-4DM2P"), Some(RecoveryError::Check));
    }

    /// Exhaustive on fixed codes, because 20 bits of check let a random test fail once in a while.
    #[test]
    fn any_one_character_changed_is_detected() {
        for (_, text, _) in KNOWN {
            for place in (0..text.len()).filter(|place| &text[*place..=*place] != "-") {
                for other in ALPHABET.map(char::from) {
                    let changed = format!("{}{other}{}", &text[..place], &text[place + 1..]);
                    assert_eq!(parse_error(&changed).is_none(), changed == text, "{changed}");
                }
            }
        }
    }

    #[test]
    fn groups_in_another_order_are_detected() {
        let swapped = "0R40M-000G4-30E20-9185G-R38E1-WV9ZJ";
        assert_eq!(parse_error(swapped), Some(RecoveryError::Check));
    }

    #[test]
    fn debug_and_errors_show_nothing_of_the_code() {
        assert_eq!(format!("{:?}", code([7; BITS_LEN])), "RecoveryCode([REDACTED])");
        let error = parse_error("hunter2").unwrap();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    #[test]
    fn two_generated_codes_differ() {
        let [one, two] = [(); 2].map(|()| RecoveryCode::generate());
        assert_ne!(one.0.as_slice(), two.0.as_slice());
    }

    proptest! {
        #[test]
        fn every_code_comes_back_from_its_text(bits: [u8; BITS_LEN]) {
            let parsed = RecoveryCode::parse(code(bits).encode().expose_secret()).unwrap();
            prop_assert_eq!(parsed.0.as_slice(), bits);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "(?s:.){0,40}") {
            prop_assert!(RecoveryCode::parse(&text).is_err());
        }
    }
}
