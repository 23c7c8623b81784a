//! The assignments of a `.env` text one by one, each with its line: for messages about a line, and for
//! what compares readers line by line.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::str;

use super::scan::assignments;
use super::{DotenvError, line_of, parse, parse_text};
use crate::secret::SecretString;

/// One assignment.
#[derive(Debug)]
pub struct Assignment {
    /// The line on which it starts, from 1.
    pub line: usize,
    /// The name as the file has it.
    pub name: String,
    /// The value.
    pub value: SecretString,
}

/// Parses a `.env` text that came from `file`, which is only a name for messages.
///
/// # Errors
///
/// As of [`parse`]: one bad line makes the whole text an error.
pub fn read(file: &Path, text: &[u8]) -> Result<Vec<Assignment>, DotenvError> {
    parse(file, text)?;
    let text = str::from_utf8(text).unwrap_or_default();
    let places = assignments(text);
    let ends = places.iter().skip(1).map(|next| next.line_at).chain([text.len()]);
    let mut counter = LineCounter::default();
    let pieces = places.iter().zip(ends).map(|(place, end)| {
        let piece = &text[place.line_at..end];
        // Behind the first of a file a byte order mark is a part of the name; a second one keeps it that.
        let read = match piece.starts_with(BYTE_ORDER_MARK) {
            true => parse_text(&format!("{BYTE_ORDER_MARK}{piece}")),
            false => parse_text(piece),
        };
        let line = counter.line_at(text, place.line_at);
        let own = read.ok().and_then(|piece| piece.into_iter().next());
        own.map(|(name, value)| Assignment { line, name, value })
    });
    Ok(pieces.flatten().collect())
}

const BYTE_ORDER_MARK: char = '\u{feff}';

/// On which line of a `.env` text each name is given its last value.
#[derive(Default)]
pub struct Lines(HashMap<String, usize>);

impl Lines {
    /// Looks through a text that [`parse`] takes.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        let text = str::from_utf8(text).unwrap_or_default();
        let mut counter = LineCounter::default();
        let places = assignments(text).into_iter();
        Self(
            places.map(|place| (place.name(text).to_owned(), counter.line_at(text, place.line_at))).collect(),
        )
    }

    /// Returns the line of `name`, from 1.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<usize> {
        self.0.get(name).copied()
    }
}

/// Shows no name: one may be a piece of a value.
impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lines({} names)", self.0.len())
    }
}

/// Numbers ascending positions without going back to the start for each.
#[derive(Debug, Default)]
pub(super) struct LineCounter {
    before: usize,
    lines_before: usize,
}

impl LineCounter {
    pub(super) fn line_at(&mut self, text: &str, position: usize) -> usize {
        self.lines_before += line_of(&text.as_bytes()[self.before..], position - self.before) - 1;
        self.before = position;
        self.lines_before + 1
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(text: &str) -> Vec<(usize, String, String)> {
        let read = read(Path::new(".env"), text.as_bytes()).unwrap();
        read.into_iter().map(|one| (one.line, one.name, one.value.expose_secret().to_owned())).collect()
    }

    #[test]
    fn each_assignment_has_the_line_of_its_name() {
        let text = "\u{feff}# note\r\nA=1\r\n\r\nexport B=\"x\r\ny\"\rC=#f\n\n  A = 2 # c";
        let expected = [(2, "A", "1"), (4, "B", "x\ny"), (6, "C", "#f"), (8, "A", "2")];
        let expected = expected.map(|(line, name, value)| (line, name.to_owned(), value.to_owned()));
        assert_eq!(lines(text), expected);
    }

    #[test]
    fn one_bad_line_refuses_the_whole_text() {
        let error = read(Path::new(".env"), b"A=1\nB\nC=3").unwrap_err();
        assert_eq!(error.line(), Some(2));
    }

    #[test]
    fn names_have_the_line_of_their_last_value() {
        let text = "\u{feff}A=1\r\nexport B=\"x\nC=y\"\r\n# C=\rD = 4\nA=\n";
        let lines = Lines::of(text.as_bytes());
        assert_eq!(["A", "B", "C", "D"].map(|name| lines.get(name)), [Some(6), Some(2), None, Some(5)]);
        assert_eq!(format!("{lines:?}"), "Lines(3 names)");
    }

    proptest! {
        #[test]
        fn one_by_one_gives_what_the_whole_gives(
            pieces in prop::collection::vec(
                prop::sample::select(vec![
                    "A", "B", "=", "=", "=#", "#", "'", "\"", "\\", "\n", "\n", "\r\n", "\r", " ", "export ", "x",
                ]),
                0..24,
            )
        ) {
            let text = pieces.concat();
            if let Ok(whole) = parse(Path::new(".env"), text.as_bytes()) {
                let by_line: std::collections::BTreeMap<_, _> =
                    lines(&text).into_iter().map(|(_, name, value)| (name, value)).collect();
                let whole = whole.iter().map(|(name, value)| (name.to_owned(), value.expose_secret().to_owned()));
                prop_assert_eq!(by_line, whole.collect());
            }
        }
    }
}
