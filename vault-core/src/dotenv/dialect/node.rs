//! The package dotenv of Node, by its own regular expression: `LINE` of version 16, which version 18.0.10 still
//! has (<https://github.com/motdotla/dotenv/blob/v16.0.0/lib/main.js>).

use std::borrow::Cow;
use std::sync::LazyLock;

use regex_lite::Regex;

use super::cursor::Cursor;
use super::{End, Entry, Reading, Value};

/// `\s` of JavaScript (ECMA-262, WhiteSpace and LineTerminator).
const SPACE: &str =
    r"[\t\n\x0B\x0C\r \x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}\x{FEFF}]";

/// What ends a line for `^`, `$` and `.` of JavaScript beside LF and CR, and nowhere else.
const RARE_LINE_ENDS: [char; 2] = ['\u{2028}', '\u{2029}'];

static LINE: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r#"(?m)^\s*(?:export\s+)?([0-9A-Za-z_.-]+)(?:\s*=\s*?|:\s+?)(\s*'(?:\\'|[^'])*'|\s*"(?:\\"|[^"])*"|\s*`(?:\\`|[^`])*`|[^#\r\n]+)?\s*(?:#[^\n\r]*)?$"#;
    Regex::new(&pattern.replace(r"\s", SPACE)).expect("the pattern is a constant")
});

pub(super) fn read(text: &str) -> Reading {
    if text.contains(RARE_LINE_ENDS) {
        return Reading { entries: Vec::new(), end: End::Unsure(1) };
    }
    let text = with_line_feeds(text);
    let mut cursor = Cursor::new(&text);
    let entries = LINE.captures_iter(&text).filter_map(|found| {
        let name = found.get(1)?;
        let raw = found.get(2).map_or("", |value| value.as_str());
        let line = cursor.line_at(name.start());
        Some(Entry { line, name: name.as_str().to_owned(), value: Value::known(value(raw)) })
    });
    let entries = entries.collect();
    Reading { entries, end: End::All }
}

/// Makes LF of every line end, as this reader and Python's text files do.
pub(super) fn with_line_feeds(text: &str) -> Cow<'_, str> {
    if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n").into() } else { text.into() }
}

/// Takes quotes off; `\n` and `\r` are escapes in double quotes, and nothing else is one.
fn value(raw: &str) -> String {
    let raw = raw.trim_matches(is_space);
    let quote = raw.chars().next().filter(|first| matches!(first, '\'' | '"' | '`'));
    let inner = quote.and_then(|quote| raw[1..].strip_suffix(quote));
    let value = inner.unwrap_or(raw);
    if quote == Some('"') { value.replace("\\n", "\n").replace("\\r", "\r") } else { value.to_owned() }
}

/// What JavaScript's `trim` takes off.
fn is_space(c: char) -> bool {
    c == '\u{feff}' || (c.is_whitespace() && c != '\u{85}')
}

#[cfg(test)]
mod tests {
    use super::super::tests::shown;
    use super::*;

    #[test]
    fn a_hash_ends_a_bare_value_wherever_it_stands() {
        assert_eq!(shown(&read("A=x#y\nB='x#y'\nC=#f\nD=x #y")), ["1:A=x", "2:B=x#y", "3:C=", "4:D=x"]);
    }

    #[test]
    fn only_two_escapes_count_and_only_in_double_quotes() {
        assert_eq!(shown(&read(r#"A="x\ny\tz\"q""#)), ["1:A=x\ny\\tz\\\"q"]);
        assert_eq!(shown(&read(r"A='x\ny'")), ["1:A=x\\ny"]);
    }

    #[test]
    fn an_empty_value_takes_quotes_from_the_next_line() {
        assert_eq!(shown(&read("A=\n'x'\nB=1")), ["1:A=x", "3:B=1"]);
    }

    #[test]
    fn a_text_with_a_line_separator_is_not_followed() {
        assert_eq!(read("A=1\u{2028}").end, End::Unsure(1));
    }
}
