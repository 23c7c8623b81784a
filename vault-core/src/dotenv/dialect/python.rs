//! The package python-dotenv, by its source:
//! <https://github.com/theskumar/python-dotenv/blob/v1.2.4/src/dotenv/parser.py> and `variables.py`. It
//! expands `${NAME}` in every value, also between single quotes, and passes over what it can't parse.

use std::collections::HashMap;

use super::cursor::Cursor;
use super::node::with_line_feeds;
use super::{Budget, End, Entry, Reading, Value};

pub(super) fn read(text: &str) -> Reading {
    let text = with_line_feeds(text);
    let mut cursor = Cursor::new(&text);
    cursor.eat("\u{feff}");
    let mut entries = Vec::new();
    let (mut known, mut budget) = (HashMap::new(), Budget::new());
    while !cursor.is_at_end() {
        cursor.take_while(is_space);
        let Some(binding) = binding(&mut cursor) else {
            cursor.take_line();
            cursor.eat("\n");
            continue;
        };
        let Some((at, name, raw)) = binding else { continue };
        let value = raw.map(|raw| expand(&raw, &known, &mut budget));
        let line = cursor.line_at(at);
        known.insert(name.clone(), value.clone().flatten());
        let value = value.map_or(Value::Unset, |value| value.map_or(Value::Unsure, Value::known));
        entries.push(Entry { line, name, value });
    }
    Reading { entries, end: End::All }
}

/// Where a name stands, the name, and its value before anything is expanded.
type Binding = (usize, String, Option<String>);

/// Reads one statement with its line end; `None` where it breaks the grammar, which leaves the cursor where
/// that shows.
fn binding(cursor: &mut Cursor<'_>) -> Option<Option<Binding>> {
    if cursor.is_at_end() {
        return Some(None);
    }
    let after = cursor.rest().strip_prefix("export").filter(|after| after.starts_with(is_blank));
    if after.is_some() {
        cursor.eat("export");
        cursor.take_while(is_blank);
    }
    let at = cursor.at;
    let name = if cursor.peek() == Some('#') { None } else { Some(key(cursor)?) };
    cursor.take_while(is_blank);
    let value = if cursor.eat("=") { Some(value(cursor)?) } else { None };
    end_of_statement(cursor)?;
    Some(name.map(|name| (at, name, value)))
}

fn key(cursor: &mut Cursor<'_>) -> Option<String> {
    let quoted = cursor.eat("'");
    let key = cursor.take_while(|c| if quoted { c != '\'' } else { c != '=' && c != '#' && !is_space(c) });
    let closed = !quoted || cursor.eat("'");
    (!key.is_empty() && closed).then(|| key.to_owned())
}

fn value(cursor: &mut Cursor<'_>) -> Option<String> {
    let blanks = cursor.take_while(is_blank);
    match cursor.peek() {
        Some('#') if !blanks.is_empty() => Some(String::new()),
        Some(quote @ ('\'' | '"')) => quoted(cursor, quote),
        _ => Some(bare(cursor.take_line())),
    }
}

fn bare(line: &str) -> String {
    let comment = line.char_indices().find(|(at, c)| *c == '#' && line[..*at].ends_with(is_space));
    let value = comment.map_or(line, |(at, _)| &line[..at]);
    value.trim_end_matches(is_space).to_owned()
}

fn quoted(cursor: &mut Cursor<'_>, quote: char) -> Option<String> {
    let mut ahead = cursor.rest()[1..].char_indices();
    let mut value = String::new();
    while let Some((at, c)) = ahead.next() {
        match c {
            '\\' => push_escape(&mut value, quote, ahead.next()?.1),
            _ if c == quote => {
                cursor.at += at + 2;
                return Some(value);
            }
            _ => value.push(c),
        }
    }
    None
}

fn push_escape(value: &mut String, quote: char, escaped: char) {
    match (quote, escaped) {
        (_, '\\' | '\'') | ('"', '"') => value.push(escaped),
        ('"', 'a') => value.push('\u{7}'),
        ('"', 'b') => value.push('\u{8}'),
        ('"', 'f') => value.push('\u{c}'),
        ('"', 'n') => value.push('\n'),
        ('"', 'r') => value.push('\r'),
        ('"', 't') => value.push('\t'),
        ('"', 'v') => value.push('\u{b}'),
        _ => value.extend(['\\', escaped]),
    }
}

fn end_of_statement(cursor: &mut Cursor<'_>) -> Option<()> {
    cursor.take_while(is_blank);
    if cursor.peek() == Some('#') {
        cursor.take_line();
    }
    (cursor.eat("\n") || cursor.is_at_end()).then_some(())
}

/// Replaces `${NAME}` and `${NAME:-text}`. What the file did not set before is taken for unset. `None` where
/// that is too much.
fn expand(value: &str, known: &HashMap<String, Option<String>>, budget: &mut Budget) -> Option<String> {
    // Each `${` looks for its end, however far that is.
    if value.matches("${").nth(MAX_VARIABLES).is_some() {
        return None;
    }
    let mut expanded = String::new();
    let mut rest = value;
    while let Some(start) = rest.find("${") {
        expanded.push_str(&rest[..start]);
        rest = &rest[start..];
        let (length, text) = match variable(rest) {
            Some((length, name, default)) => {
                (length, known.get(name).map_or(Some(default), Option::as_deref)?)
            }
            None => (2, "${"),
        };
        if !budget.take(text.len()) {
            return None;
        }
        expanded.push_str(text);
        rest = &rest[length..];
    }
    Some(expanded + rest)
}

/// The most variables in one value that are followed.
const MAX_VARIABLES: usize = 100;

/// Returns the length, the name and the default of the variable that `text` starts with.
fn variable(text: &str) -> Option<(usize, &str, &str)> {
    let name = &text[2..2 + text[2..].find(['}', ':'])?];
    let after = &text[2 + name.len()..];
    match after.strip_prefix(":-") {
        None if after.starts_with('}') => Some((name.len() + 3, name, "")),
        None => None,
        Some(default) => {
            let default = &default[..default.find('}')?];
            Some((name.len() + default.len() + 5, name, default))
        }
    }
}

/// `\s` of Python's `re` for text.
fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}

/// `[^\S\r\n]`.
fn is_blank(c: char) -> bool {
    is_space(c) && c != '\n' && c != '\r'
}

#[cfg(test)]
mod tests {
    use super::super::tests::shown;
    use super::*;

    #[test]
    fn braces_are_expanded_in_any_quotes_and_a_bare_dollar_is_not() {
        let text = "B=b\nC='${B}'\nD=$B\nE=\"x${NONE:-y}${NONE}z\"\nF=${B:x}\nG=${";
        let expected = ["1:B=b", "2:C=b", "3:D=$B", "4:E=xyz", "5:F=${B:x}", "6:G=${"];
        assert_eq!(shown(&read(text)), expected);
    }

    #[test]
    fn what_can_not_be_parsed_is_passed_over() {
        assert_eq!(
            shown(&read("A B=1\nC=\"x\nD=1\n'E F'=2\nG\n=1\nH='x' y\nI=1")),
            ["3:D=1", "4:E F=2", "5:G unset", "8:I=1"]
        );
    }

    #[test]
    fn escapes_are_those_of_their_quotes() {
        let text = r#"A="\\\'\"\a\b\f\n\r\t\v\z"
B='\\\'\"\a\n\z'"#;
        let expected = ["1:A=\\'\"\u{7}\u{8}\u{c}\n\r\t\u{b}\\z", r#"2:B=\'\"\a\n\z"#];
        assert_eq!(shown(&read(text)), expected);
    }

    #[test]
    fn a_comment_needs_a_blank_before_it() {
        assert_eq!(
            shown(&read("A=x#y\nB=x #y\nC= #y\nD=#y\nE='x'#y")),
            ["1:A=x#y", "2:B=x", "3:C=", "4:D=#y", "5:E=x"]
        );
    }
}
