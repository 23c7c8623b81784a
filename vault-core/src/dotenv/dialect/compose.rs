//! `env_file:` of docker compose, by its source:
//! <https://github.com/compose-spec/compose-go/blob/e70e961c/dotenv/parser.go> and `template/template.go`.

use super::cursor::Cursor;
use super::{End, Entry, Reading, Value};

pub(super) fn read(text: &str) -> Reading {
    let mut reading = Reading { entries: Vec::new(), end: End::All };
    let mut cursor = Cursor::new(text);
    cursor.eat("\u{feff}");
    loop {
        cursor.take_while(char::is_whitespace);
        if cursor.is_at_end() {
            return reading;
        }
        if cursor.peek() == Some('#') {
            cursor.take_line();
            continue;
        }
        let start = cursor.at;
        let statement = statement(&mut cursor);
        let line = cursor.line_at(start);
        match statement {
            Some((name, value)) => reading.entries.push(Entry { line, name, value }),
            None => {
                reading.end = End::Refused(line);
                return reading;
            }
        }
    }
}

/// Reads an assignment; `None` makes the whole file an error. A name alone is taken from the environment.
fn statement(cursor: &mut Cursor<'_>) -> Option<(String, Value)> {
    let after = cursor
        .rest()
        .strip_prefix("export")
        .filter(|after| after.starts_with(['\t', '\n', '\x0c', '\r', ' ']));
    if after.is_some() {
        cursor.eat("export");
        cursor.take_while(is_space);
    }
    let name =
        cursor.take_while(|c| is_space(c) || c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '[' | ']'));
    let name = name.trim_end();
    let has_value = match cursor.next() {
        Some('=' | ':') => true,
        Some('\n') => false,
        // At the end of the file even a name alone is one without a name.
        _ => return None,
    };
    if name.contains(' ') {
        return None;
    }
    let value = if has_value { value(cursor)? } else { Value::Unset };
    Some((name.to_owned(), value))
}

fn value(cursor: &mut Cursor<'_>) -> Option<Value> {
    cursor.take_while(is_space);
    match cursor.peek() {
        Some(quote @ ('\'' | '"')) => quoted(cursor, quote),
        _ => {
            let line = cursor.take_line();
            let value = line.split(" #").next().unwrap_or_default();
            Some(expanded(value.trim_end().to_owned()))
        }
    }
}

/// Reads up to the closing quote, before which a backslash stands for itself unless it escapes the quote.
fn quoted(cursor: &mut Cursor<'_>, quote: char) -> Option<Value> {
    cursor.next();
    let mut value = String::new();
    let mut is_escape = false;
    loop {
        match cursor.next()? {
            c if c == quote && !is_escape => break,
            c if c == quote => value.push(c),
            '\\' if !is_escape => {
                is_escape = true;
                continue;
            }
            c if is_escape => value.extend(['\\', c]),
            c => value.push(c),
        }
        is_escape = false;
    }
    Some(if quote == '"' { unescaped(&value) } else { Value::known(value) })
}

/// Undoes the escapes of double quotes. `\$` becomes a `$` that is not expanded.
fn unescaped(value: &str) -> Value {
    let (mut text, mut expands) = (String::new(), false);
    let mut rest = value.chars().peekable();
    while let Some(c) = rest.next() {
        let escaped = if c == '\\' { rest.next_if(|next| "abcfnrtv$\"\\0".contains(*next)) } else { None };
        match escaped {
            // Octal numbers are left to the reader itself.
            Some('0') => return Value::Unsure,
            Some('c') => text.push_str("\\c"),
            Some(escaped) => text.push(control(escaped)),
            None => {
                expands |= c == '$';
                text.push(c);
            }
        }
    }
    if expands { expanded(text) } else { Value::known(text) }
}

const fn control(escaped: char) -> char {
    match escaped {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        other => other,
    }
}

/// Tells what becomes of a text in which a `$` counts.
fn expanded(text: String) -> Value {
    let mut after = text.split('$').skip(1).peekable();
    let expands = after.clone().any(|after| after.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic()));
    // `$$` is a `$`; a piece of no characters stands between the two.
    let doubled = text.contains("$$");
    if after.any(|after| after.starts_with('{')) {
        return if is_plain_variable(&text) { Value::Other } else { Value::Unsure };
    }
    if expands || doubled { Value::Other } else { Value::known(text) }
}

/// Tells whether every `${` is that of `${NAME}`; other forms may refuse the file.
fn is_plain_variable(text: &str) -> bool {
    text.split("${").skip(1).all(|after| {
        let name = after.split('}').next().unwrap_or_default();
        after.len() > name.len()
            && !name.is_empty()
            && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric())
            && !name.starts_with(|c: char| c.is_ascii_digit())
    })
}

/// Blanks, but no line feed.
const fn is_space(c: char) -> bool {
    matches!(c, '\t' | '\u{b}' | '\u{c}' | '\r' | ' ' | '\u{85}' | '\u{a0}')
}

#[cfg(test)]
mod tests {
    use super::super::tests::shown;
    use super::*;

    #[test]
    fn comments_quotes_and_escapes_follow_the_source() {
        let text =
            "A=x#y\nB=x #y\nC=\"a\\nb\\\"c\\$d\"\nD='it\\'s \\n'\nexport E = \"x\" # y\r\nF=x\\n\t\r\nG: y";
        let expected = ["1:A=x#y", "2:B=x", "3:C=a\nb\"c$d", "4:D=it's \\n", "5:E=x", "6:F=x\\n", "7:G=y"];
        assert_eq!(shown(&read(text)), expected);
    }

    #[test]
    fn a_name_alone_is_taken_from_the_environment() {
        assert_eq!(shown(&read("A\nB=1\nexport C \nD=2\n")), ["1:A unset", "2:B=1", "3:C unset", "4:D=2"]);
        assert_eq!(read("A=1\nB").end, End::Refused(2), "at the end of the file it has no name");
    }

    #[test]
    fn of_two_backslashes_the_second_escapes_nothing() {
        let text = "A='x\\\\'\nB=\"\\\\\"\nC=1";
        assert_eq!(shown(&read(text)), ["1:A=x\\\\", "2:B=\\", "3:C=1"]);
    }

    #[test]
    fn a_dollar_before_a_name_a_brace_or_a_dollar_is_expanded() {
        let text = "A=$B\nC=\"x${B}\"\nD='$B'\nE=5$\nF=$$\nG=${B:?x}\nH=$1";
        let expected = ["1:A other", "2:C other", "3:D=$B", "4:E=5$", "5:F other", "6:G unsure", "7:H=$1"];
        assert_eq!(shown(&read(text)), expected);
    }

    #[test]
    fn braces_round_a_name_alone_are_a_plain_variable() {
        for text in ["", "${A}", "x${a_1}$${B}y"] {
            assert!(is_plain_variable(text), "{text}");
        }
        for text in ["${", "${}", "${1A}", "${A", "${A-x}", "${A}${B:?x}", "${é}"] {
            assert!(!is_plain_variable(text), "{text}");
        }
    }

    #[test]
    fn a_bad_name_or_an_open_quote_refuses_the_file() {
        for text in ["A=1\nB C=2", "A=1\n\"B\"=2", "A=1\nB=\"x", "A=1\nB@C=2"] {
            assert_eq!(read(text).end, End::Refused(2), "{text:?}");
        }
    }
}
