//! How a value is quoted in the formats that quote: bare where every reader takes it as it is, in single
//! quotes where nothing in it needs an escape, else in double quotes.

/// Appends a value as [`crate::dotenv`] reads it. Single quotes come before double ones, because inside
/// them most other readers expand nothing either.
pub(super) fn dotenv(value: &[u8], text: &mut Vec<u8>) {
    let escape = |byte| match byte {
        b'\\' => Some(br"\\"),
        b'"' => Some(b"\\\""),
        b'$' => Some(br"\$"),
        b'\r' => Some(br"\r"),
        _ => None,
    };
    in_fewest_quotes(value, b"'\\\r", escape, text);
}

/// Appends a value for a shell. In single quotes all is literal but the quote itself, and to fish the
/// backslash: these two stand outside of the quotes, behind a backslash.
pub(super) fn shell(value: &[u8], text: &mut Vec<u8>) {
    let mut rest = value;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\'' | b'\\')) {
        if at > 0 {
            in_single_quotes(&rest[..at], text);
        }
        text.extend_from_slice(&[b'\\', rest[at]]);
        rest = &rest[at + 1..];
    }
    if !rest.is_empty() || value.is_empty() {
        in_single_quotes(rest, text);
    }
}

/// Appends a value for `EnvironmentFile=`: in double quotes a backslash escapes `"`, `\`, `` ` `` and `$`, and
/// is itself a character elsewhere (systemd.exec(5); `env-file.c`, `SHELL_NEED_ESCAPE`); to be sure, a value
/// with a backslash has double ones.
pub(super) fn systemd(value: &[u8], text: &mut Vec<u8>) {
    let escape = |byte| match byte {
        b'\\' => Some(br"\\"),
        b'"' => Some(b"\\\""),
        b'$' => Some(br"\$"),
        b'`' => Some(br"\`"),
        _ => None,
    };
    in_fewest_quotes(value, b"'\\", escape, text);
}

/// Appends a value bare, else in single quotes, else, where it has one of `not_in_single`, in double ones.
fn in_fewest_quotes(
    value: &[u8],
    not_in_single: &[u8],
    escape: impl Fn(u8) -> Option<&'static [u8; 2]>,
    text: &mut Vec<u8>,
) {
    if value.iter().all(is_plain) {
        text.extend_from_slice(value);
    } else if value.iter().any(|byte| not_in_single.contains(byte)) {
        in_double_quotes(value, text, escape);
    } else {
        in_single_quotes(value, text);
    }
}

/// Tells whether a byte means itself to every reader of `.env` files, wherever it stands in a value.
const fn is_plain(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'_' | b'-' | b'.' | b'/' | b':' | b'@' | b'%' | b'+' | b',' | b'=')
}

fn in_single_quotes(value: &[u8], text: &mut Vec<u8>) {
    text.push(b'\'');
    text.extend_from_slice(value);
    text.push(b'\'');
}

fn in_double_quotes(value: &[u8], text: &mut Vec<u8>, escape: impl Fn(u8) -> Option<&'static [u8; 2]>) {
    text.push(b'"');
    for byte in value {
        match escape(*byte) {
            Some(escaped) => text.extend_from_slice(escaped),
            None => text.push(*byte),
        }
    }
    text.push(b'"');
}
