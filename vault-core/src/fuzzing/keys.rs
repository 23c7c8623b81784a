//! The texts that slot keys are kept in, and the rollback anchor. Each has a checksum, which a fuzzer does not find: so texts are made
//! from the bytes too, and changed.

use std::str;

use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::secret::{KEY_LEN, SlotKey};
use crate::source::key_text;
use crate::source::machine::seed_file_again;
use crate::source::recovery::RecoveryCode;
use crate::store::anchor::anchor_file_again;

/// Reads bytes as a key text, a recovery code, a seed file and an anchor file; then ones made from the bytes,
/// with other bytes of them as edits.
pub fn keys(bytes: &[u8]) -> bool {
    let text = str::from_utf8(bytes).unwrap_or_default();
    let as_they_are = [check_key_text(text), check_recovery_code(text), check_files(bytes)];
    check_made_key_text(bytes);
    check_made_recovery_code(bytes);
    let with_check = [bytes, check_line(bytes).as_bytes()].concat();
    check_files(&with_check) || as_they_are.contains(&true)
}

/// A key has one text, and a line end is no part of it.
fn check_key_text(text: &str) -> bool {
    let Ok(key) = key_text::parse(text) else { return false };
    let encoded = key_text::encode(&key);
    let rest = text.strip_prefix(encoded.expose_secret());
    assert!(matches!(rest, Some("" | "\n" | "\r\n")), "a key has two texts");
    true
}

fn check_made_key_text(bytes: &[u8]) {
    let (key, edits) = filled::<KEY_LEN>(bytes);
    let text = key_text::encode(&SlotKey::new(Zeroizing::new(key)));
    assert!(check_key_text(text.expose_secret()), "a key's text is not read");
    check_key_text(&edited(text.expose_secret(), edits));
}

/// A code has one text, but for capitals, look-alikes and what stands between the groups.
fn check_recovery_code(text: &str) -> bool {
    let Ok(code) = RecoveryCode::parse(text) else { return false };
    let encoded = code.encode();
    assert!(normal(text) == normal(encoded.expose_secret()), "a code has two texts");
    let again = RecoveryCode::parse(encoded.expose_secret()).map(|again| again.derive_key());
    assert!(again.is_ok_and(|again| again.expose_secret() == code.derive_key().expose_secret()));
    true
}

fn check_made_recovery_code(bytes: &[u8]) {
    let (bits, edits) = filled(bytes);
    let text = RecoveryCode::new(Zeroizing::new(bits)).encode();
    assert!(check_recovery_code(text.expose_secret()), "a code is not read");
    check_recovery_code(&edited(text.expose_secret(), edits));
}

/// `FORMAT.md §8`: which characters stand for which, and which are none of the code's.
fn normal(text: &str) -> String {
    let digits = text.chars().filter(|c| !matches!(c, ' ' | '\t' | '\r' | '\n' | '-'));
    let normal = digits.map(|c| match c.to_ascii_uppercase() {
        'I' | 'L' => '1',
        'O' => '0',
        c => c,
    });
    normal.collect()
}

/// A seed file has one encoding, and so has an anchor file; no file is both.
fn check_files(file: &[u8]) -> bool {
    let read = [seed_file_again(file), anchor_file_again(file)];
    let mut again = read.into_iter().flatten();
    let Some(first) = again.next() else { return false };
    assert!(first == file, "a file has two encodings");
    assert!(again.next().is_none(), "a file is a seed and an anchor");
    true
}

/// `FORMAT.md §8.1`.
fn check_line(lines: &[u8]) -> String {
    format!("check {}\n", Base64UrlUnpadded::encode_string(&Sha256::digest(lines)))
}

/// Takes the first bytes, with zeros for those that are missing, and what follows.
fn filled<const N: usize>(bytes: &[u8]) -> ([u8; N], &[u8]) {
    let (first, rest) = bytes.split_at(bytes.len().min(N));
    let mut filled = [0; N];
    filled[..first.len()].copy_from_slice(first);
    (filled, rest)
}

/// Puts characters in the place of others: each edit is a place and a byte.
fn edited(text: &str, edits: &[u8]) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for edit in edits.chunks_exact(2) {
        let place = usize::from(edit[0]) % characters.len();
        characters[place] = edit[1].into();
    }
    characters.into_iter().collect()
}
