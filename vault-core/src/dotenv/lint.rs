//! Says, line by line, which other readers give a name of a `.env` file another value than keyward does.
//! Neither names nor values get out: what looks like a name may be a piece of a value.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::str;

use super::DotenvError;
use super::dialect::{Dialect, End, Reading, Value};
use super::lines::{self, Assignment};

/// Something to know of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The line, from 1.
    pub line: usize,
    /// What there is to know.
    pub problem: Problem,
}

/// What there is to know of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Problem {
    /// The name was assigned on this line before; keyward takes the last value, and so do all readers.
    Again {
        /// The line before.
        first: usize,
    },
    /// A reader gives another value.
    Reader {
        /// The reader.
        dialect: Dialect,
        /// What it does.
        act: Act,
    },
}

/// What a reader does other than keyward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Act {
    /// Treats backslashes in another way.
    Backslash,
    /// Takes a part of the value for a comment.
    CutsAtHash,
    /// Ends the value before its end.
    CutsShort,
    /// Takes quotes off that are a part of the value.
    DropsQuotes,
    /// Replaces variables or runs commands.
    Expands,
    /// Takes the CR of a line end into the value.
    KeepsCarriageReturn,
    /// Takes the first line of the value alone.
    KeepsFirstLine,
    /// Takes a comment, blanks or more into the value.
    KeepsMore,
    /// Takes the quotes into the value.
    KeepsQuotes,
    /// Reads another value, for more than one reason.
    Other,
    /// Does not set the name.
    PassesOver,
    /// Refuses the whole file because of the line.
    RefusesFile,
    /// Reads nothing from the line on.
    StopsReading,
    /// May read another value; that depends on what the shell runs or finds.
    Unsure,
    /// From the line on, may read other values: it is a line for a shell.
    UnsureFromHere,
}

impl Act {
    /// Returns the word for programs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Backslash => "backslash",
            Self::CutsAtHash => "cuts_at_hash",
            Self::CutsShort => "cuts_short",
            Self::DropsQuotes => "drops_quotes",
            Self::Expands => "expands",
            Self::KeepsCarriageReturn => "keeps_carriage_return",
            Self::KeepsFirstLine => "keeps_first_line",
            Self::KeepsMore => "keeps_more",
            Self::KeepsQuotes => "keeps_quotes",
            Self::Other => "other",
            Self::PassesOver => "passes_over",
            Self::RefusesFile => "refuses_file",
            Self::StopsReading => "stops_reading",
            Self::Unsure => "unsure",
            Self::UnsureFromHere => "unsure_from_here",
        }
    }

    /// Tells whether the reader surely reads another value, as opposed to perhaps.
    #[must_use]
    pub const fn is_certain(self) -> bool {
        !matches!(self, Self::Unsure | Self::UnsureFromHere)
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Backslash => "treats a backslash in another way",
            Self::CutsAtHash => "takes what follows `#` for a comment",
            Self::CutsShort => "ends the value too early",
            Self::DropsQuotes => "takes quotes off that are a part of the value",
            Self::Expands => "expands `$`, `~` or a command",
            Self::KeepsCarriageReturn => "keeps the CR of a line end",
            Self::KeepsFirstLine => "takes the first line of the value alone",
            Self::KeepsMore => "keeps the comment or the blanks",
            Self::KeepsQuotes => "keeps the quotes",
            Self::Other => "reads another value",
            Self::PassesOver => "does not set the name",
            Self::RefusesFile => "refuses the whole file because of this line",
            Self::StopsReading => "reads nothing from here on",
            Self::Unsure => "may read another value",
            Self::UnsureFromHere => "may read other values from here on",
        })
    }
}

/// Compares what `dialects` make of a text with what keyward makes of it, in the order of the lines. `file` is
/// only a name for messages.
///
/// # Errors
///
/// [`DotenvError`] for a text that keyward refuses.
pub fn lint(file: &Path, text: &[u8], dialects: &[Dialect]) -> Result<Vec<Finding>, DotenvError> {
    let own = lines::read(file, text)?;
    let text = str::from_utf8(text).unwrap_or_default();
    let mut findings = again(&own);
    for dialect in dialects {
        let acts = compare(&own, &dialect.read(text)).into_iter();
        findings.extend(
            acts.map(|(line, act)| Finding { line, problem: Problem::Reader { dialect: *dialect, act } }),
        );
    }
    findings.sort_unstable();
    findings.dedup();
    Ok(findings)
}

fn again(own: &[Assignment]) -> Vec<Finding> {
    let mut lines: HashMap<&str, usize> = HashMap::new();
    let again = own.iter().filter_map(|assignment| {
        let first = lines.insert(&assignment.name, assignment.line)?;
        Some(Finding { line: assignment.line, problem: Problem::Again { first } })
    });
    again.collect()
}

/// Returns the lines on which a reader does something else, and what.
fn compare(own: &[Assignment], reading: &Reading) -> Vec<(usize, Act)> {
    let (limit, last) = match reading.end {
        End::All => (usize::MAX, None),
        End::Cut(line) => (line, Some((line, Act::StopsReading))),
        End::Refused(line) => return vec![(line, Act::RefusesFile)],
        End::Unsure(line) => (line, Some((line, Act::UnsureFromHere))),
    };
    // A reader may set a name twice on one line, where its last value counts.
    let theirs: HashMap<(usize, &str), &Value> =
        reading.entries.iter().map(|entry| ((entry.line, entry.name.as_str()), &entry.value)).collect();
    let followed = own.iter().filter(|assignment| assignment.line < limit);
    let acts = followed.filter_map(|Assignment { line, name, value }| {
        let theirs = theirs.get(&(*line, name.as_str()));
        act(value.expose_secret(), theirs.copied()).map(|act| (*line, act))
    });
    let behind_last = |(line, _): &(usize, Act)| own.iter().any(|assignment| assignment.line >= *line);
    acts.chain(last.filter(behind_last)).collect()
}

fn act(own: &str, theirs: Option<&Value>) -> Option<Act> {
    match theirs {
        None | Some(Value::Unset) => Some(Act::PassesOver),
        Some(Value::Other) => Some(Act::Expands),
        Some(Value::Unsure) => Some(Act::Unsure),
        Some(Value::Known(theirs)) if theirs.expose_secret() == own => None,
        Some(Value::Known(theirs)) => Some(difference(own, theirs.expose_secret())),
    }
}

/// Says what is different in words that tell nothing of the value.
fn difference(own: &str, theirs: &str) -> Act {
    let in_quotes = |quote: char| theirs.strip_prefix(quote).is_some_and(|rest| rest.contains(quote));
    match theirs {
        _ if theirs.replace('\r', "") == own => Act::KeepsCarriageReturn,
        _ if own.contains('\n') && !theirs.contains(['\n', '\\']) => Act::KeepsFirstLine,
        _ if in_quotes('\'') || in_quotes('"') => Act::KeepsQuotes,
        _ if own.replace(['\'', '"', '`'], "") == theirs => Act::DropsQuotes,
        _ if own.strip_prefix(theirs).is_some_and(|rest| rest.trim_start().starts_with('#')) => {
            Act::CutsAtHash
        }
        _ if own.starts_with(theirs) && !own.contains('$') => Act::CutsShort,
        _ if own.contains('\\') || theirs.contains('\\') => Act::Backslash,
        _ if theirs.contains(own) => Act::KeepsMore,
        _ if own.contains('$') => Act::Expands,
        _ => Act::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, dialects: &[Dialect]) -> Vec<String> {
        let findings = lint(Path::new(".env"), text.as_bytes(), dialects).unwrap();
        let show = |Finding { line, problem }: &Finding| match problem {
            Problem::Again { first } => format!("{line}: again after {first}"),
            Problem::Reader { dialect, act } => format!("{line}: {dialect} {act}"),
        };
        findings.iter().map(show).collect()
    }

    #[test]
    fn findings_stand_in_the_order_of_the_lines() {
        let text = "A=x#y\nB=\"z\"\nA=$C\n";
        let expected = [
            "1: node takes what follows `#` for a comment",
            "2: docker keeps the quotes",
            "3: again after 1",
            "3: bash expands `$`, `~` or a command",
            "3: compose expands `$`, `~` or a command",
        ];
        assert_eq!(shown(text, &Dialect::ALL), expected);
    }

    #[test]
    fn a_text_that_all_read_alike_has_no_findings() {
        for text in ["", "# A=1\n", "A=1\nB=https://example.org/x-y_z:1@2,3%+\n", "A=\n"] {
            assert_eq!(shown(text, &Dialect::ALL), [""; 0], "{text:?}");
        }
    }

    #[test]
    fn a_reader_that_gives_up_is_said_once_and_only_if_it_matters() {
        assert_eq!(shown("A=1\nB=it's\nC=3\n", &[Dialect::Bash]), ["2: bash reads nothing from here on"]);
        let refused = ["2: docker refuses the whole file because of this line"];
        assert_eq!(shown("A=\"1\"\nexport B=2\nC='3'\n", &[Dialect::Docker]), refused);
        let unsure = ["1: bash may read other values from here on"];
        assert_eq!(shown("A=(x)\nB=$C\n", &[Dialect::Bash]), unsure);
    }

    #[test]
    fn a_text_that_keyward_refuses_is_refused() {
        assert_eq!(lint(Path::new(".env"), b"A=1\nB\n", &[]).unwrap_err().line(), Some(2));
    }

    #[test]
    fn a_difference_has_the_first_name_that_fits() {
        for (own, theirs, act) in [
            ("a", "a\r", Act::KeepsCarriageReturn),
            ("a\nb", "a", Act::KeepsFirstLine),
            ("a\nb", "a\\", Act::Backslash),
            ("a\nb", "a\nb ", Act::KeepsMore),
            ("z", "\"z\"", Act::KeepsQuotes),
            ("z", "'z'", Act::KeepsQuotes),
            ("a'b'", "ab", Act::DropsQuotes),
            ("x #y", "x", Act::CutsAtHash),
            ("xy", "x", Act::CutsShort),
            ("x$y", "x", Act::Expands),
            ("a\\b", "ab", Act::Backslash),
            ("ab", "a\\b", Act::Backslash),
            ("a", "a b", Act::KeepsMore),
            ("a$b", "q", Act::Expands),
            ("a", "q", Act::Other),
        ] {
            assert_eq!(difference(own, theirs), act, "{own:?} {theirs:?}");
        }
    }

    #[test]
    fn every_act_has_words_of_its_own() {
        let all = [
            Act::Backslash,
            Act::CutsAtHash,
            Act::CutsShort,
            Act::DropsQuotes,
            Act::Expands,
            Act::KeepsCarriageReturn,
            Act::KeepsFirstLine,
            Act::KeepsMore,
            Act::KeepsQuotes,
            Act::Other,
            Act::PassesOver,
            Act::RefusesFile,
            Act::StopsReading,
            Act::Unsure,
            Act::UnsureFromHere,
        ];
        let words: std::collections::HashSet<&str> = all.iter().map(|act| act.word()).collect();
        let texts: std::collections::HashSet<String> = all.iter().map(ToString::to_string).collect();
        assert_eq!((words.len(), texts.len()), (all.len(), all.len()));
    }
}
