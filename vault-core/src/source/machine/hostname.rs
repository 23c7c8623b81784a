//! The hostname in the one form that counts, so that the same machine has the same name however it is
//! asked: short or fully qualified, on or off a network, in any case.

use std::ffi::OsStr;
use std::fmt;

/// A hostname in canonical form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hostname(String);

impl Hostname {
    /// Brings any hostname into its canonical form: the part before the first dot, in lower case (of ASCII
    /// alone: Unicode's tables change), with `U+FFFD` for what is not UTF-8 or would break a line, at most
    /// 255 bytes; `localhost` if nothing is left.
    #[must_use]
    pub fn canonical(raw: &OsStr) -> Self {
        let text = raw.to_string_lossy();
        let short = text.split('.').next().unwrap_or_default();
        let mut name: String = short.chars().map(printable).collect();
        name.truncate(name.floor_char_boundary(MAX_LEN));
        if name.is_empty() { Self(NO_NAME.to_owned()) } else { Self(name) }
    }

    /// Reads a name that was recorded, which has to be in canonical form.
    pub(super) fn read(text: &str) -> Option<Self> {
        Some(Self::canonical(text.as_ref())).filter(|name| name.0 == text)
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns this machine's name in canonical form. A system that can't tell has none: `localhost`.
#[must_use]
pub fn canonical_hostname() -> Hostname {
    Hostname::canonical(&hostname::get().unwrap_or_default())
}

fn printable(c: char) -> char {
    if c.is_control() { char::REPLACEMENT_CHARACTER } else { c.to_ascii_lowercase() }
}

const NO_NAME: &str = "localhost";
/// The longest hostname of POSIX (`_POSIX_HOST_NAME_MAX`) and of DNS (RFC 1035 §2.3.4).
pub(super) const MAX_LEN: usize = 255;

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use proptest::prelude::*;

    use super::*;

    fn canonical(raw: &[u8]) -> String {
        Hostname::canonical(OsStr::from_bytes(raw)).to_string()
    }

    #[test]
    fn short_full_and_local_names_in_any_case_are_the_same() {
        for raw in ["build-7", "build-7.example.org", "build-7.local", "BUILD-7", "Build-7.LAN", "build-7."] {
            assert_eq!(canonical(raw.as_bytes()), "build-7", "{raw}");
        }
    }

    #[test]
    fn a_machine_without_a_name_is_localhost() {
        for raw in ["", ".", ".local", "localhost", "LOCALHOST.localdomain"] {
            assert_eq!(canonical(raw.as_bytes()), "localhost", "{raw}");
        }
    }

    #[test]
    fn a_name_of_255_bytes_is_kept_and_a_longer_one_is_cut() {
        assert_eq!(canonical(&[b'A'; 255]), "a".repeat(255));
        assert_eq!(canonical(&[b'a'; 300]), "a".repeat(255));
        assert_eq!(canonical("é".repeat(128).as_bytes()), "é".repeat(127));
    }

    #[test]
    fn bytes_that_are_not_text_are_replaced() {
        assert_eq!(canonical(b"h\xff\xfe.org"), "h\u{fffd}\u{fffd}");
        assert_eq!(canonical(&[0xff; 255]), "\u{fffd}".repeat(85));
    }

    #[test]
    fn a_name_can_not_add_a_line() {
        assert_eq!(canonical(b"h\nseed"), "h\u{fffd}seed");
        assert_eq!(canonical(b"h\0\r\x7f"), "h\u{fffd}\u{fffd}\u{fffd}");
    }

    #[test]
    fn only_ascii_changes_its_case() {
        assert_eq!(canonical("ÄB".as_bytes()), "Äb");
    }

    #[test]
    fn a_recorded_name_is_read_in_canonical_form_only() {
        assert_eq!(Hostname::read("build-7").unwrap().as_str(), "build-7");
        for text in ["", "Build-7", "build-7.local", "a\nb", &"a".repeat(256)] {
            assert_eq!(Hostname::read(text), None, "{text:?}");
        }
    }

    #[test]
    fn this_machine_has_a_canonical_name() {
        let name = canonical_hostname();
        assert_eq!(Hostname::read(name.as_str()), Some(name));
    }

    proptest! {
        #[test]
        fn a_canonical_name_is_its_own_canonical_form(raw: Vec<u8>) {
            let name = Hostname::canonical(OsStr::from_bytes(&raw));
            prop_assert_eq!(Hostname::read(name.as_str()), Some(name));
        }
    }
}
