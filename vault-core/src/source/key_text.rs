//! A slot key as text, for a CI variable, a key file or the OS keyring: `kwk1_` and 48 characters. Four
//! bytes of checksum tell a typo from a key of another vault.

use std::path::Path;

use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::secret::{KEY_LEN, SecretString, SlotKey};

/// Why a text is no slot key. The text itself is never repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyTextError {
    /// A character is none of base64url's.
    #[error("the key has a character that is not A-Z a-z 0-9 - or _")]
    Character,
    /// The checksum is that of another key.
    #[error("the key has a typo: its checksum does not match")]
    Checksum,
    /// Characters are missing, or there are more than one key's.
    #[error("the key is cut off or too long: a key has 53 characters")]
    Length,
    /// White space or a byte order mark stands before or behind the key.
    #[error("the key has white space around it")]
    Padded,
    /// The text does not start with `kwk1_`.
    #[error("the key does not start with `kwk1_`")]
    Prefix,
}

/// Encodes `key` as text.
#[must_use]
pub fn encode(key: &SlotKey) -> SecretString {
    let mut bytes = Zeroizing::new([0; DECODED_LEN]);
    bytes[..KEY_LEN].copy_from_slice(key.expose_secret());
    bytes[KEY_LEN..].copy_from_slice(&checksum(key.expose_secret()));
    let body = Zeroizing::new(Base64UrlUnpadded::encode_string(bytes.as_slice()));
    let mut text = String::with_capacity(PREFIX.len() + BODY_LEN);
    text.push_str(PREFIX);
    text.push_str(&body);
    SecretString::new(text)
}

/// Reads a key. One line end at the end, `\n` or `\r\n`, is no part of it; all else has to be exact.
///
/// # Errors
///
/// [`KeyTextError`] says what is wrong, and nothing of what is right.
pub fn parse(text: &str) -> Result<SlotKey, KeyTextError> {
    let text = without_line_end(text);
    if text.trim_matches(|c: char| c.is_whitespace() || c == BYTE_ORDER_MARK) != text {
        return Err(KeyTextError::Padded);
    }
    let Some(body) = text.strip_prefix(PREFIX) else {
        return Err(if PREFIX.starts_with(text) { KeyTextError::Length } else { KeyTextError::Prefix });
    };
    if !body.bytes().all(in_alphabet) {
        return Err(KeyTextError::Character);
    }
    if body.len() != BODY_LEN {
        return Err(KeyTextError::Length);
    }
    decode(body)
}

/// Tells whether `path` is a key that somebody set where a file name belongs, and that no message may show.
pub(super) fn looks_like_key(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().trim_ascii_start().starts_with(PREFIX.as_bytes())
}

/// Strips exactly one line end, the one that editors and `echo` leave behind.
fn without_line_end(text: &str) -> &str {
    text.strip_suffix("\r\n").or_else(|| text.strip_suffix('\n')).unwrap_or(text)
}

fn in_alphabet(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// Decodes the characters behind the prefix. 48 characters are 36 bytes with no bit to spare, so that a
/// key has one text only.
fn decode(body: &str) -> Result<SlotKey, KeyTextError> {
    let mut bytes = Zeroizing::new([0; DECODED_LEN]);
    Base64UrlUnpadded::decode(body, bytes.as_mut_slice()).map_err(|_| KeyTextError::Character)?;
    let mut key = Zeroizing::new([0; KEY_LEN]);
    key.copy_from_slice(&bytes[..KEY_LEN]);
    if !bool::from(checksum(&key).ct_eq(&bytes[KEY_LEN..])) {
        return Err(KeyTextError::Checksum);
    }
    Ok(SlotKey::new(key))
}

/// The first 4 bytes of SHA-256 over the label and the key. They give a guesser nothing: the key is random.
fn checksum(key: &[u8; KEY_LEN]) -> [u8; CHECK_LEN] {
    let hash = Sha256::new().chain_update(CHECK_LABEL).chain_update(key).finalize();
    std::array::from_fn(|i| hash[i])
}

const PREFIX: &str = "kwk1_";
const BYTE_ORDER_MARK: char = '\u{feff}';
const CHECK_LABEL: &[u8] = b"keyward key";
const CHECK_LEN: usize = 4;
const DECODED_LEN: usize = KEY_LEN + CHECK_LEN;
const BODY_LEN: usize = DECODED_LEN / 3 * 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Keys and their texts, computed with Python's `hashlib` and `base64`.
    const KNOWN: [([u8; KEY_LEN], &str); 3] = [
        ([0; KEY_LEN], "kwk1_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB6p2BF"),
        (COUNTING, "kwk1_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh-gfp9k"),
        ([0xff; KEY_LEN], "kwk1___________________________________________-KPkLH"),
    ];
    const COUNTING: [u8; KEY_LEN] = [
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27,
        28, 29, 30, 31,
    ];

    fn key(bytes: [u8; KEY_LEN]) -> SlotKey {
        SlotKey::new(Zeroizing::new(bytes))
    }

    fn parse_error(text: &str) -> Option<KeyTextError> {
        parse(text).err()
    }

    #[test]
    fn known_keys_have_known_texts() {
        for (bytes, text) in KNOWN {
            assert_eq!(encode(&key(bytes)).expose_secret(), text);
            assert_eq!(parse(text).unwrap().expose_secret(), &bytes);
        }
    }

    #[test]
    fn one_line_end_is_no_part_of_the_key() {
        let text = KNOWN[1].1;
        for line in [format!("{text}\n"), format!("{text}\r\n")] {
            assert_eq!(parse(&line).unwrap().expose_secret(), &COUNTING);
        }
    }

    #[test]
    fn white_space_around_a_key_is_refused() {
        let text = KNOWN[1].1;
        let after = ["\n\n", "\r\n\n", "\n\r\n", "\r", " ", "\t", " \n", "\u{a0}"];
        let before = [" ", "\n", "\t", "\u{feff}"];
        let all = after.map(|space| format!("{text}{space}"));
        for padded in all.into_iter().chain(before.map(|space| format!("{space}{text}"))) {
            assert_eq!(parse_error(&padded), Some(KeyTextError::Padded), "{padded:?}");
        }
    }

    #[test]
    fn a_text_that_is_no_key_has_the_wrong_prefix() {
        let body = &KNOWN[1].1[PREFIX.len()..];
        for text in
            [body, &format!("kwk2_{body}"), &format!("KWK1_{body}"), &format!("kwk1-{body}"), "hunter2"]
        {
            assert_eq!(parse_error(text), Some(KeyTextError::Prefix));
        }
    }

    #[test]
    fn a_key_cut_off_anywhere_is_called_cut_off() {
        let text = KNOWN[1].1;
        for end in 0..text.len() {
            assert_eq!(parse_error(&text[..end]), Some(KeyTextError::Length), "{end}");
        }
    }

    #[test]
    fn a_key_with_more_behind_it_is_too_long() {
        let text = KNOWN[1].1;
        for end in 1..=PREFIX.len() {
            assert_eq!(parse_error(&format!("{text}{}", &text[..end])), Some(KeyTextError::Length));
        }
    }

    #[test]
    fn a_character_outside_base64url_is_named_as_such() {
        let text = KNOWN[1].1;
        for bad in ["+", "/", "=", ".", " ", "\n", "\0", "é", "\u{200b}"] {
            let broken = format!("{}{bad}{}", &text[..20], &text[21..]);
            assert_eq!(parse_error(&broken), Some(KeyTextError::Character), "{bad:?}");
        }
    }

    #[test]
    fn two_characters_swapped_are_a_typo() {
        let text = KNOWN[1].1;
        let swapped = format!("{}{}{}{}", &text[..10], &text[11..12], &text[10..11], &text[12..]);
        assert_eq!(parse_error(&swapped), Some(KeyTextError::Checksum));
    }

    #[test]
    fn no_error_repeats_the_text() {
        for text in ["hunter2", "kwk1_hunter2", " hunter2", "kwk1_hunter2!"] {
            let error = parse_error(text).unwrap();
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }

    proptest! {
        #[test]
        fn every_key_comes_back_from_its_text(bytes: [u8; KEY_LEN]) {
            let parsed = parse(encode(&key(bytes)).expose_secret()).unwrap();
            prop_assert_eq!(parsed.expose_secret(), &bytes);
        }

        #[test]
        fn any_one_character_changed_is_detected(
            bytes: [u8; KEY_LEN],
            place in 0..PREFIX.len() + BODY_LEN,
            other in "[A-Za-z0-9_-]",
        ) {
            let text = encode(&key(bytes));
            let text = text.expose_secret();
            prop_assume!(text[place..=place] != other);
            let changed = format!("{}{other}{}", &text[..place], &text[place + 1..]);
            prop_assert!(parse(&changed).is_err());
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "(kwk1_)?(?s:.){0,60}") {
            prop_assert!(parse(&text).is_err());
        }
    }
}
