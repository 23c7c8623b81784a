//! Reads TOML that people write. What is wrong with it is told by its line and in words that were known before: serde's
//! own messages repeat values and unknown fields, and either can be a key that somebody put in the wrong place.

use std::fmt;

use serde::de::{DeserializeOwned, IgnoredAny};

/// What is wrong with a text, and where. It repeats nothing that stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TomlFault {
    /// The line, from 1.
    pub line: usize,
    /// Why the text is not understood.
    pub why: String,
}

impl fmt::Display for TomlFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.why)
    }
}

/// Reads `text` as a `T`; `form` says in words what a `T` has, for a text that is TOML and no `T`.
///
/// # Errors
///
/// [`TomlFault`], where the text is no TOML or none of this form.
pub fn read<T: DeserializeOwned>(text: &str, form: &str) -> Result<T, TomlFault> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        let why = if is_fixed(text, error.message()) { error.message() } else { form };
        TomlFault { line, why: why.to_owned() }
    })
}

/// Returns the line, from 1, of a position in a text.
#[must_use]
pub fn line_of(text: &str, position: usize) -> usize {
    1 + text.bytes().take(position).filter(|byte| *byte == b'\n').count()
}

/// Tells whether a message is the same whatever stands in the text: one of the parser, or one that names a field that
/// the program wants.
fn is_fixed(text: &str, message: &str) -> bool {
    message.starts_with("missing field ") || !is_toml(text)
}

/// Tells whether a text is TOML, whatever stands in it: a number that no type can hold is a number all the same.
pub(crate) fn is_toml(text: &str) -> bool {
    toml::from_str::<IgnoredAny>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq, Eq)]
    #[serde(deny_unknown_fields)]
    struct Wanted {
        name: String,
        list: Option<Vec<u8>>,
    }

    fn fault(text: &str) -> String {
        read::<Wanted>(text, "it has `name` and `list`").unwrap_err().to_string()
    }

    #[test]
    fn a_text_of_the_form_is_read() {
        let read = read("# ours\nname = 'a'\nlist = [1]", "").unwrap();
        assert_eq!(Wanted { name: "a".to_owned(), list: Some(vec![1]) }, read);
    }

    #[test]
    fn a_text_of_another_form_is_told_by_its_line_and_the_form() {
        for (text, line) in [
            ("name = 1", 1),
            ("\nname = ['canary']", 2),
            ("name = 'a'\nlist = 'canary'", 2),
            ("name = 'a'\n\nlist = [256]", 3),
            ("name = 'a'\ncanary = 1", 2),
            ("name = 'a'\ncanary = 1\nlarge = 99999999999999999999", 2),
            ("name = 'a'\n\"\\u001b]0;canary\\n::warning::canary\" = 1", 2),
            ("name = 'a'\n[list.canary]", 2),
        ] {
            assert_eq!(fault(text), format!("line {line}: it has `name` and `list`"), "{text}");
        }
    }

    #[test]
    fn a_field_that_is_missing_is_named() {
        assert_eq!(fault("list = []"), "line 1: missing field `name`");
    }

    #[test]
    fn a_text_that_is_no_toml_is_told_by_its_line_and_never_repeated() {
        for (text, line) in [
            ("canary", 1),
            ("name = canary", 1),
            ("\nname = 'canary", 2),
            ("name = \"\\canary\"", 1),
            ("name = 'canary'\nname = 'canary'", 2),
            ("name: canary", 1),
            ("name = 'a'\ncanary = \u{1b}", 2),
            ("[canary]\n[canary]", 2),
            ("canary = 1\n[canary]", 2),
            ("name = 2024-canary", 1),
            ("name = 0xcanary", 1),
        ] {
            let fault = fault(text);
            assert!(fault.starts_with(&format!("line {line}: ")), "{text}: {fault}");
            assert!(!fault.contains("canary"), "{fault}");
            assert!(!fault.contains("`list`"), "the parser says what is wrong: {fault}");
        }
    }
}
