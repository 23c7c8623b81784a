//! Reads `.env` files, without changing a value: `$`, backticks and `$(...)` are literal, nothing is
//! expanded and nothing is run. The grammar is that of the crate `dotenv-ng`; how it differs from
//! `dotenvy`'s is listed case by case in `tests/dotenv_differential.rs`.
//!
//! In short: `NAME=value`, spaces round the `=` and `export` before the name allowed; a `#` at the start
//! of a line or after a blank starts a comment, and so does one between `=` and a blank; quotes may span
//! lines; `\n` and its like count inside double quotes only; a line end inside quotes is read as `\n`;
//! the last assignment of a name wins. A bad line makes the whole file an error, so that no half of it is
//! taken for all.
//!
//! The crate's own error types carry the bad line, secret included, and must not get out of this file.
//! Its map keeps no order and no place of an assignment, and its copies of the values are wiped by the
//! binary's allocator ([`crate::harden::wiping_allocator`]), not by a secret type.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str;
use std::vec;

use ::dotenv::{EnvLoader, EnvMap, EnvSequence, Error as ReaderError, ParseErrorKind};

use self::scan::{escape_leading_hashes, pieces};
use crate::input::InputError;
use crate::secret::SecretString;

pub mod dialect;
pub mod lines;
pub mod lint;
mod scan;

/// The largest `.env` text that is read, in bytes.
pub const MAX_ENV_FILE: usize = 16 * 1024 * 1024;

/// How many assignments are read at once: what they fill fits the processor's cache.
const PIECE: usize = 100;

/// The assignments of a `.env` text, sorted by name.
///
/// The names are those of the file, and no [`SecretName`](crate::name::SecretName) yet. A name may even
/// be a piece of a value: an unquoted line of base64 that ends in `=` reads as an assignment.
pub struct EnvFile(Vec<(String, SecretString)>);

impl EnvFile {
    /// Takes the last of the assignments of each name.
    fn new(mut assignments: Vec<(String, SecretString)>) -> Self {
        assignments.reverse();
        assignments.sort_by(|(one, _), (next, _)| one.cmp(next));
        assignments.dedup_by(|(earlier, _), (kept, _)| earlier == kept);
        Self(assignments)
    }

    /// Returns the value that `name` is given last.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&SecretString> {
        let position = self.0.binary_search_by(|(found, _)| found.as_str().cmp(name)).ok()?;
        Some(&self.0[position].1)
    }

    /// Returns names and values in the order of the names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &SecretString)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Returns how many names there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Tells whether nothing is assigned.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl IntoIterator for EnvFile {
    type Item = (String, SecretString);
    type IntoIter = vec::IntoIter<(String, SecretString)>;

    /// Gives names and values in the order of the names.
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Debug for EnvFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EnvFile({} names)", self.len())
    }
}

/// A `.env` file that can't be read. Neither the text nor the chain of sources has content of the file.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}", file.display())]
pub struct DotenvError {
    file: PathBuf,
    #[source]
    problem: Problem,
}

impl DotenvError {
    /// Returns what is wrong with the file.
    #[must_use]
    pub const fn problem(&self) -> &Problem {
        &self.problem
    }

    /// Returns the number of the bad line, from 1, if one line is to blame.
    #[must_use]
    pub const fn line(&self) -> Option<usize> {
        match self.problem {
            Problem::NotText { line } | Problem::Syntax { line, .. } => Some(line),
            _ => None,
        }
    }
}

/// What is wrong with a `.env` file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The bytes of the file can't be had.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The bytes of a line are not UTF-8.
    #[error("line {line}: not UTF-8 text")]
    NotText {
        /// The line, from 1.
        line: usize,
    },
    /// A line breaks the grammar.
    #[error("line {line}{}: {mistake}", column_text(*.column))]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1, where it tells nothing of the length of a value.
        column: Option<usize>,
        /// The rule that the line breaks.
        mistake: Mistake,
    },
}

/// The rule of the grammar that a line breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Mistake {
    /// A control character in a name.
    #[error("a control character in the name")]
    ControlInName,
    /// No `=` after the name.
    #[error("no `=` after the name")]
    MissingEquals,
    /// Nothing before the `=`.
    #[error("no name before the `=`")]
    MissingName,
    /// A NUL character, which no environment variable can hold.
    #[error("a NUL character in the value")]
    NulInValue,
    /// A quote without its counterpart.
    #[error("the quote is never closed")]
    OpenQuote,
    /// Text behind the closing quote that is no comment.
    #[error("text after the closing quote")]
    TextAfterQuote,
    /// Anything else that the reader refuses.
    #[error("not an assignment")]
    Unknown,
}

/// Parses a `.env` text that came from `file`, which is only a name for messages.
///
/// # Errors
///
/// [`DotenvError`] names the file and what is wrong with it, by line number where there is one.
pub fn parse(file: &Path, text: &[u8]) -> Result<EnvFile, DotenvError> {
    parse_only(file, text, |_| true)
}

/// Does what [`parse`] does, and keeps only the assignments of the names that are wanted.
pub(crate) fn parse_only(
    file: &Path,
    text: &[u8],
    is_wanted: impl Fn(&str) -> bool,
) -> Result<EnvFile, DotenvError> {
    let assignments = load_only(text, PIECE, is_wanted);
    assignments.map(EnvFile::new).map_err(|problem| DotenvError { file: file.to_owned(), problem })
}

/// Reads a text as a whole.
fn parse_text(text: &str) -> Result<EnvFile, Problem> {
    let assignments = load(text)?.into_iter().map(|(name, value)| (name, SecretString::new(value)));
    Ok(EnvFile::new(assignments.collect()))
}

/// Checks that bytes are a text, and not too large a one.
fn text_of(bytes: &[u8]) -> Result<&str, Problem> {
    if bytes.len() > MAX_ENV_FILE {
        return Err(InputError::TooLarge { limit: MAX_ENV_FILE }.into());
    }
    str::from_utf8(bytes).map_err(|error| Problem::NotText { line: line_of(bytes, error.valid_up_to()) })
}

/// Has the crate read a text.
fn load(text: &str) -> Result<EnvMap, Problem> {
    let escaped = escape_leading_hashes(text);
    let bytes = escaped.as_ref().map_or(text, |text| text.as_str()).as_bytes();
    let loader = EnvLoader::with_reader(bytes).sequence(EnvSequence::InputOnly).substitution(false);
    loader.load().map_err(|error| without_content(&error))
}

/// Has the crate read a text in pieces of `length` assignments: it fills two maps with copies of all values, and
/// those of a large text take most of the time. Where a piece is refused, the whole says why, and on which line.
fn load_only(
    bytes: &[u8],
    length: usize,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<Vec<(String, SecretString)>, Problem> {
    let text = text_of(bytes)?;
    let keep = |values: EnvMap| {
        let wanted = values.into_iter().filter(|(name, _)| is_wanted(name));
        wanted.map(|(name, value)| (name, SecretString::new(value)))
    };
    let mut kept = Vec::new();
    for piece in pieces(text, length) {
        let Ok(values) = load(piece) else { return load(text).map(|values| keep(values).collect()) };
        kept.extend(keep(values));
    }
    Ok(kept)
}

/// Keeps of the crate's error what has no content of the file. Where the mistake stands behind a value,
/// its column would tell the value's length.
fn without_content(error: &ReaderError) -> Problem {
    let ReaderError::Parse(error, _) = error else {
        return Problem::Syntax { line: 1, column: None, mistake: Mistake::Unknown };
    };
    let mistake = mistake(error.kind());
    let before_values = matches!(mistake, Mistake::OpenQuote | Mistake::MissingName);
    Problem::Syntax { line: error.line(), column: before_values.then(|| error.column()), mistake }
}

const fn mistake(kind: &ParseErrorKind) -> Mistake {
    match kind {
        ParseErrorKind::InvalidKeyCharacter(_) => Mistake::ControlInName,
        ParseErrorKind::InvalidValueCharacter(_) => Mistake::NulInValue,
        ParseErrorKind::MissingEquals => Mistake::MissingEquals,
        ParseErrorKind::MissingKey => Mistake::MissingName,
        ParseErrorKind::TrailingCharacters => Mistake::TextAfterQuote,
        ParseErrorKind::UnterminatedQuote(_) => Mistake::OpenQuote,
        _ => Mistake::Unknown,
    }
}

/// Returns the number of the line that holds the byte at `position`. A line ends with LF, CR LF or CR.
fn line_of(bytes: &[u8], position: usize) -> usize {
    let before = &bytes[..position];
    let line_ends = before.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count();
    1 + line_ends - before.windows(2).filter(|pair| pair == b"\r\n").count()
}

fn column_text(column: Option<usize>) -> String {
    column.map(|column| format!(", column {column}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Result<EnvFile, DotenvError> {
        parse(Path::new(".env"), text.as_bytes())
    }

    fn value(text: &str, name: &str) -> String {
        parsed(text).unwrap().get(name).unwrap().expose_secret().to_owned()
    }

    fn problem(text: &[u8]) -> Problem {
        parse(Path::new(".env"), text).unwrap_err().problem
    }

    /// All that an error can show: its text, its `Debug`, and those of its sources.
    fn shown(error: &DotenvError) -> String {
        let mut text = format!("{error} {error:?}");
        let mut source = error.source();
        while let Some(error) = source {
            text += &format!(" {error} {error:?}");
            source = error.source();
        }
        text
    }

    #[test]
    fn no_value_is_expanded_or_run() {
        for text in ["$2a$10$TWoviNHS27", "$HOME", "${HOME:-x}", "$(id)", "`id`", "H$ello$%World^$&Foo*()_$+"]
        {
            assert_eq!(value(&format!("A={text}"), "A"), text);
            assert_eq!(value(&format!("A='{text}'"), "A"), text);
            assert_eq!(value(&format!("A=\"{text}\""), "A"), text);
        }
    }

    #[test]
    fn a_value_may_start_with_a_hash_and_a_note_is_no_value() {
        let cases = [
            ("#FF0000", "#FF0000"),
            ("#a #b", "#a"),
            ("##", "##"),
            ("#", ""),
            ("# note", ""),
            (" #note", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(value(&format!("A={text}\nB=2"), "A"), expected, "{text:?}");
        }
    }

    #[test]
    fn the_last_assignment_wins() {
        assert_eq!(value("A=1\nB=2\nA=3\n", "A"), "3");
        assert_eq!(value("A=1\nA=\n", "A"), "");
    }

    #[test]
    fn byte_order_mark_and_foreign_line_ends_are_no_part_of_anything() {
        let file = parsed("\u{feff}A=1\r\nB=2\rC=\"x\r\ny\"").unwrap();
        let values: Vec<_> = file.iter().map(|(name, value)| (name, value.expose_secret())).collect();
        assert_eq!(values, [("A", "1"), ("B", "2"), ("C", "x\ny")]);
    }

    #[test]
    fn an_empty_text_has_no_names() {
        for text in ["", "\n\r\n", "\u{feff}", "# A=1", " \t"] {
            assert!(parsed(text).unwrap().is_empty(), "{text:?}");
        }
        let one = parsed("A=").unwrap();
        assert!(!one.is_empty() && one.len() == 1);
    }

    #[test]
    fn bad_lines_are_told_by_number_and_rule() {
        let cases = [
            ("A=1\nBAD", 2, None, Mistake::MissingEquals),
            ("\n\n=x", 3, Some(1), Mistake::MissingName),
            ("A=1\r\nexport B='x\r\ny", 2, Some(10), Mistake::OpenQuote),
            ("A=\"x\ny\" z", 2, None, Mistake::TextAfterQuote),
            ("A\u{1}B=x", 1, None, Mistake::ControlInName),
            ("A=x\0y", 1, None, Mistake::NulInValue),
            ("\u{feff}A=1\rB", 2, None, Mistake::MissingEquals),
        ];
        for (text, line, column, mistake) in cases {
            let Problem::Syntax { line: l, column: c, mistake: m } = problem(text.as_bytes()) else {
                panic!("{text:?}");
            };
            assert_eq!((l, c, m), (line, column, mistake), "{text:?}");
        }
    }

    #[test]
    fn an_error_shows_nothing_of_the_line() {
        for text in
            ["canary-1234", "A=\"canary-1234\" canary", "A='canary-1234", "A=canary-1234\0", "canary\u{1}=x"]
        {
            let error = parsed(&format!("OK=canary\n{text}\nZ=canary")).unwrap_err();
            assert!(!shown(&error).contains("canary"), "{}", shown(&error));
            assert_eq!(error.line(), Some(2), "{text:?}");
        }
    }

    #[test]
    fn an_error_is_told_in_two_lines() {
        let error = parsed("A=1\nB=\"x").unwrap_err();
        assert_eq!(error.to_string(), "cannot read .env");
        assert_eq!(error.source().unwrap().to_string(), "line 2, column 3: the quote is never closed");
    }

    #[test]
    fn bytes_that_are_no_text_are_told_by_line() {
        for (bytes, at) in [
            (&b"\xff\xfeA\0"[..], 1),
            (b"A=1\r\nB=\xff", 2),
            (b"A\rB\r\r\n\xc3", 4),
            (b"A=\"x\n\n\xe2\x82\"", 3),
        ] {
            assert!(matches!(problem(bytes), Problem::NotText { line } if line == at), "{bytes:?}");
        }
    }

    #[test]
    fn a_text_over_the_limit_is_refused() {
        let mut text = vec![b'#'; MAX_ENV_FILE];
        assert!(parse(Path::new(".env"), &text).unwrap().is_empty());
        text.push(b'#');
        assert!(matches!(problem(&text), Problem::Input(InputError::TooLarge { .. })));
    }

    #[test]
    fn a_line_of_a_megabyte_is_read() {
        for long in ["x".repeat(1 << 20), "\\\\ ".repeat(1 << 18) + ".", "#".repeat(1 << 20)] {
            assert!(value(&format!("A={long}\nB=1"), "A").len() > 1 << 18);
        }
    }

    #[test]
    fn debug_shows_no_name_and_no_value() {
        assert_eq!(format!("{:?}", parsed("CANARY=canary").unwrap()), "EnvFile(1 names)");
    }

    #[test]
    fn only_the_names_that_are_wanted_are_kept() {
        let kept = |text: &str| parse_only(Path::new(".env"), text.as_bytes(), |name| name != "B");
        let file = kept("C=3\nA=1\nB=2\nA=4").unwrap();
        assert_eq!(file.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["A", "C"]);
        assert_eq!(file.get("A").unwrap().expose_secret(), "4");
        assert_eq!(kept("A=1\nB").unwrap_err().line(), Some(2), "a bad line of another name");
    }

    #[test]
    fn a_bad_line_far_down_has_its_own_number() {
        let text = "A=1\n".repeat(3 * PIECE) + "B=\"x\n" + &"C=1\n".repeat(PIECE);
        let error = parse_only(Path::new(".env"), text.as_bytes(), |_| true).unwrap_err();
        assert_eq!(error.line(), Some(3 * PIECE + 1));
    }

    proptest! {
        #[test]
        fn pieces_read_as_the_whole_does(
            pieces in prop::collection::vec(
                prop::sample::select(vec![
                    "A", "B", "C", "=", "=", "=#", "#", "'", "\"", "\\", "\n", "\n", "\r\n", "\r", " ", "\t",
                    "export ", "export", "x", "\u{a0}", "\u{2028}", "\u{b}", "\u{feff}", "\u{1}", "\0", "A=1\n",
                ]),
                0..32,
            )
        ) {
            let text = pieces.concat();
            let in_pieces = load_only(text.as_bytes(), 1, |_| true).map(EnvFile::new);
            let in_pieces = in_pieces.map(|file| {
                file.iter().map(|(name, value)| (name.to_owned(), value.expose_secret().to_owned())).collect()
            });
            prop_assert_eq!(load(&text).map_err(|problem| problem.to_string()), in_pieces.map_err(|problem| problem.to_string()));
        }
    }
}
