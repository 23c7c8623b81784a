//! Finds where the assignments of a `.env` text stand, and saves the values that start with `#`.
//!
//! The crate takes the `#` of `COLOR=#FF0000` for the start of a comment and gives an empty value, where
//! a shell, `docker` and `python-dotenv` give `#FF0000`; a password must not vanish like that. Such a `#`
//! gets the backslash that makes it literal. `KEY=# note` stays a comment: in templates it is one.

use std::mem;

use zeroize::Zeroizing;

/// Returns `text` with a backslash before each `#` that is the first character of a value, or nothing if
/// there can be none.
pub(super) fn escape_leading_hashes(text: &str) -> Option<Zeroizing<String>> {
    if !text.contains("=#") {
        return None;
    }
    let mut escaped = Zeroizing::new(String::with_capacity(2 * text.len()));
    let mut copied = 0;
    let values = assignments(text).into_iter().map(|assignment| assignment.value_at);
    for at in values.filter(|at| has_leading_hash(&text[*at..])) {
        escaped.push_str(&text[copied..at]);
        escaped.push('\\');
        copied = at;
    }
    escaped.push_str(&text[copied..]);
    Some(escaped)
}

fn has_leading_hash(value: &str) -> bool {
    let second = value.strip_prefix('#').and_then(|rest| rest.chars().next());
    second.is_some_and(|second| !second.is_whitespace())
}

/// Where an assignment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The start of its line.
    pub(super) line_at: usize,
    /// The position right behind its `=`.
    pub(super) value_at: usize,
}

impl Place {
    /// Returns the name.
    pub(super) fn name(self, text: &str) -> &str {
        name_of(&text[self.line_at..self.value_at - 1])
    }
}

/// Returns where each assignment stands. A line that is none is passed over: to refuse it is the parser's
/// part.
pub(super) fn assignments(text: &str) -> Vec<Place> {
    let mut found = Vec::new();
    let mut at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    while at < text.len() {
        let line = &text[at..line_end(text, at)];
        let Some(head) = head_of_assignment(line) else {
            at += line.len() + 1;
            continue;
        };
        let value_at = at + head.len() + 1;
        found.push(Place { line_at: at, value_at });
        let end = quoted_end(text, value_at).map_or(at + line.len(), |quoted| line_end(text, quoted));
        at = end + 1;
    }
    found
}

/// Cuts a text before every assignment that comes `length` behind a cut. A line that starts with a byte order
/// mark is no place for one: only at the start of a text is the mark no part of the name.
pub(super) fn pieces(text: &str, length: usize) -> impl Iterator<Item = &str> {
    let starts = assignments(text).into_iter().map(|place| place.line_at).step_by(length).skip(1);
    let cuts: Vec<_> = starts.filter(|at| !text[*at..].starts_with('\u{feff}')).collect();
    let mut start = 0;
    cuts.into_iter().chain([text.len()]).map(move |end| &text[mem::replace(&mut start, end)..end])
}

/// Returns what stands before the `=` of `line`, if the line is the start of an assignment.
fn head_of_assignment(line: &str) -> Option<&str> {
    let (head, _) = line.split_once('=')?;
    let bad = |c: char| c.is_whitespace() || c.is_control() || c == '#';
    let name = name_of(head);
    (!name.is_empty() && !name.contains(bad)).then_some(head)
}

/// Returns what `head` has besides `export` and blanks.
fn name_of(head: &str) -> &str {
    let head = head.trim_start();
    let exported = head.strip_prefix("export").filter(|rest| rest.starts_with(char::is_whitespace));
    exported.unwrap_or(head).trim()
}

/// Returns the position behind a quoted value. Any other ends with its line.
fn quoted_end(text: &str, value_at: usize) -> Option<usize> {
    let blank = |c: char| c.is_whitespace() && c != '\n' && c != '\r';
    let value = text[value_at..].trim_start_matches(blank);
    let quote = value.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    Some(text.len() - value.len() + 1 + quoted_length(&value[1..], quote))
}

/// Returns how many bytes `text` has up to and with the closing `quote`, or all where none closes it.
fn quoted_length(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if c == quote && !escaped {
            return at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    text.len()
}

fn line_end(text: &str, at: usize) -> usize {
    let end = text.as_bytes()[at..].iter().position(|byte| matches!(byte, b'\n' | b'\r'));
    end.map_or(text.len(), |length| at + length)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ::dotenv::{EnvLoader, EnvSequence};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn blanks_may_stand_before_a_quote_and_a_line_end_ends_the_value() {
        let names = |text: &str| {
            assignments(text).into_iter().map(|place| place.name(text).to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names("A= \t\"x\nB=1\"\nC=2"), ["A", "C"]);
        for end in ["\n", "\r", "\r\n"] {
            assert_eq!(names(&format!("A={end}\"x{end}B=1\"{end}")), ["A", "B"], "{end:?}");
        }
    }

    #[test]
    fn a_text_is_cut_before_an_assignment_and_not_before_a_byte_order_mark() {
        let cut = |text, length| pieces(text, length).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(cut("A=1\nB=2\nC=3", 1), ["A=1\n", "B=2\n", "C=3"]);
        assert_eq!(cut("A=1\nB=2\nC=3", 2), ["A=1\nB=2\n", "C=3"]);
        assert_eq!(cut("A=1\n\u{feff}B=2\nC=3", 1), ["A=1\n\u{feff}B=2\n", "C=3"]);
        assert_eq!(cut("A='x\ny'\n", 1), ["A='x\ny'\n"]);
    }

    #[test]
    fn only_a_hash_right_behind_the_equals_sign_is_escaped() {
        let cases = [
            ("C=#FF", "C=\\#FF"),
            (" export  C =#FF #note\r\nD=##\n", " export  C =\\#FF #note\r\nD=\\##\n"),
            ("\u{feff}C=#F", "\u{feff}C=\\#F"),
            ("A='x'\rC=#F", "A='x'\rC=\\#F"),
        ];
        for (text, escaped) in cases {
            assert_eq!(escape_leading_hashes(text).unwrap().as_str(), escaped, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_value_with_a_leading_hash_is_left_alone() {
        let texts = [
            "C=# note",
            "C=#",
            "C=#\nD=1",
            "C= #FF",
            "#C=#FF",
            "A=\"x\nC=#FF\ny\"",
            "A='x\\'\nC=#FF\ny'",
            "A=x=#y",
            "A=\"open\nC=#FF",
            "=#FF",
            "no name=#FF",
            "export =#FF",
            "A#B=#FF",
        ];
        for text in texts {
            assert!(escape_leading_hashes(text).is_none_or(|kept| *kept == text), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn scan_and_parser_find_the_same_names(
            pieces in prop::collection::vec(
                prop::sample::select(vec![
                    "A", "B", "C", "=", "=", "=#", "#", "'", "\"", "\\", "\n", "\n", "\r\n", "\r", " ", "\t",
                    "export ", "export", "x", "\u{a0}", "\u{2028}", "\u{feff}", "$", "\u{1}", "\0",
                ]),
                0..24,
            )
        ) {
            let text = pieces.concat();
            let loader = EnvLoader::with_reader(text.as_bytes()).sequence(EnvSequence::InputOnly);
            if let Ok(map) = loader.load() {
                let scanned: BTreeSet<_> = assignments(&text).iter().map(|place| place.name(&text)).collect();
                prop_assert_eq!(scanned, map.keys().map(String::as_str).collect());
            }
        }
    }
}
