//! The frame of the small files of lines that keyward keeps for itself: the first line has their kind and
//! version, the last one a check of all lines before, so that damage is told from a newer version.
//!
//! The check is no defence against a person who can write the file.

use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest, Sha256};

/// Why bytes are no such file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextError {
    Damaged,
    Newer,
}

/// Returns the lines between the first and the last of a file with at most `max_len` bytes. The first line is
/// `start` and `version`; another version is a newer one.
pub(crate) fn lines<'f>(
    file: &'f [u8],
    start: &str,
    version: &str,
    max_len: usize,
) -> Result<&'f [u8], TextError> {
    let bounded = Some(file).filter(|file| file.len() <= max_len);
    let body = bounded.and_then(checked_body).ok_or(TextError::Damaged)?;
    match field(body, start).ok_or(TextError::Damaged)? {
        (found, lines) if found == version => Ok(lines),
        _ => Err(TextError::Newer),
    }
}

/// Returns what follows `word` on the first line, and the lines after it.
pub(crate) fn field<'f>(lines: &'f [u8], word: &str) -> Option<(&'f str, &'f [u8])> {
    let rest = lines.strip_prefix(word.as_bytes())?;
    let (line, rest) = rest.split_at(rest.iter().position(|byte| *byte == b'\n')?);
    Some((str::from_utf8(line).ok()?, &rest[1..]))
}

/// Returns the last line of a file whose lines before are `body`. Of a secret in them it gives nothing away that
/// is random.
pub(crate) fn check_line(body: impl AsRef<[u8]>) -> String {
    format!("{CHECK}{}\n", Base64UrlUnpadded::encode_string(&Sha256::digest(body)))
}

/// Returns what stands before the check line if the check is right.
fn checked_body(file: &[u8]) -> Option<&[u8]> {
    let (body, check) = file.split_at_checked(file.len().checked_sub(CHECK_LINE_LEN)?)?;
    (check == check_line(body).as_bytes()).then_some(body)
}

const CHECK: &str = "check ";
/// The word, 43 characters for 32 bytes, the line end.
const CHECK_LINE_LEN: usize = CHECK.len() + 43 + 1;
