//! `.env` texts as keyward reads them, compared with `dotenvy`, the reader that most Rust programs have.
//! [`DIFFERENCES`] lists by name every case known to differ, with what each of the two gives;
//! [`AGREEMENTS`] the cases in which they give the same. A difference that goes away and one that is new
//! both fail here, so that the two lists stay true.
//!
//! `dotenvy` is asked through its iterator alone, which sets no environment variable. Of two assignments
//! of a name its loader keeps the first, and so does this test for it.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use proptest::prelude::*;
use vault_core::dotenv;

use Outcome::{Gives, Refuses};

/// What a reader makes of a text.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// These names and values, in the order of the names.
    Gives(&'static [(&'static str, &'static str)]),
    /// An error.
    Refuses,
}

/// The case's name, its text, and what keyward and `dotenvy` make of it.
type Difference = (&'static str, &'static str, Outcome, Outcome);

/// The case's name, its text, and what both make of it.
type Agreement = (&'static str, &'static str, Outcome);

type Values = Option<BTreeMap<String, String>>;

fn ours(text: &str) -> Values {
    let file = dotenv::parse(Path::new(".env"), text.as_bytes()).ok()?;
    Some(file.iter().map(|(name, value)| (name.to_owned(), value.expose_secret().to_owned())).collect())
}

fn theirs(text: &str) -> Values {
    let mut values = BTreeMap::new();
    for assignment in dotenvy::from_read_iter(text.as_bytes()) {
        let (name, value) = assignment.ok()?;
        values.entry(name).or_insert(value);
    }
    Some(values)
}

fn listed(outcome: &Outcome) -> Values {
    let Gives(values) = outcome else { return None };
    Some(values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

#[test]
fn every_listed_difference_is_one() {
    for (name, text, ours_listed, theirs_listed) in DIFFERENCES {
        assert_ne!(ours_listed, theirs_listed, "{name}");
        assert_eq!(ours(text), listed(ours_listed), "keyward: {name}");
        assert_eq!(theirs(text), listed(theirs_listed), "dotenvy: {name}");
    }
}

#[test]
fn there_is_no_difference_in_the_other_cases() {
    for (name, text, both) in AGREEMENTS {
        assert_eq!(ours(text), listed(both), "keyward: {name}");
        assert_eq!(theirs(text), listed(both), "dotenvy: {name}");
    }
}

#[test]
fn no_name_is_listed_twice() {
    let names = DIFFERENCES.iter().map(|case| case.0).chain(AGREEMENTS.iter().map(|case| case.0));
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
}

/// All that an error can show: its text, its `Debug`, and those of its sources.
fn shown(error: &dyn Error) -> String {
    let rest = error.source().map(shown).unwrap_or_default();
    format!("{error} {error:?} {rest}")
}

/// Pieces of secrets that share no four characters with any message, and signs that break lines.
fn secret_like() -> impl Strategy<Value = String> {
    "[XQZ5-9äé\\x00\"'\\\\ #$\r\n]{4,40}"
}

proptest! {
    #[test]
    fn no_error_shows_four_characters_of_a_value(before in "(N=1\n){0,3}", head in "(N=|N =\"|N='|N|N:|=)", value in secret_like()) {
        let text = format!("{before}{head}{value}");
        if let Err(error) = dotenv::parse(Path::new(".env"), text.as_bytes()) {
            let shown = shown(&error);
            let characters: Vec<char> = value.chars().collect();
            for piece in characters.windows(4) {
                let piece: String = piece.iter().collect();
                prop_assert!(!shown.contains(&piece), "{:?} in {:?}", piece, shown);
            }
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = dotenv::parse(Path::new(".env"), &bytes).is_ok();
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "(\\PC|[A-C=#'\"\\\\ \t\r\n$\x00\u{feff}\u{a0}]){0,60}") {
        let _ = dotenv::parse(Path::new(".env"), text.as_bytes()).is_ok();
    }

    #[test]
    fn plain_lines_read_the_same(lines in prop::collection::btree_map("[A-Z_][A-Z0-9_.]{0,8}", plain_value(), 0..8)) {
        let text: String = lines.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        let read = ours(&text);
        prop_assert_eq!(read.as_ref().map(BTreeMap::len), Some(lines.len()));
        prop_assert_eq!(read, theirs(&text));
    }
}

/// Values of the dialect that the two readers share: bare words, and quotes without an escape or a `$`.
fn plain_value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Za-z0-9_./:@%+=,-][A-Za-z0-9_./:@%+=,#-]{0,20}",
        "'[^'\\\\\r\\x00]{0,20}'",
        "\"[^\"$\\\\\r\\x00]{0,20}\"",
        ""
    ]
}

static DIFFERENCES: &[Difference] = &[
    ("bcrypt hash, bare", "A=$2a$10$TWoviNHS27", Gives(&[("A", "$2a$10$TWoviNHS27")]), Gives(&[("A", "")])),
    ("bcrypt hash, double quotes", "A=\"$2a$10$TWoviNHS27\"", Gives(&[("A", "$2a$10$TWoviNHS27")]), Refuses),
    (
        "dollars among signs, double quotes",
        "A=\"H$ello$%World^$&Foo*()_$+\"",
        Gives(&[("A", "H$ello$%World^$&Foo*()_$+")]),
        Gives(&[("A", "H%World^&Foo*()_+")]),
    ),
    ("dollar inside a bare password", "A=sec$ret", Gives(&[("A", "sec$ret")]), Gives(&[("A", "sec")])),
    ("name of no variable", "A=$KEYWARD_UNSET", Gives(&[("A", "$KEYWARD_UNSET")]), Gives(&[("A", "_UNSET")])),
    ("name in braces", "A=${KEYWARD_UNSET}", Gives(&[("A", "${KEYWARD_UNSET}")]), Gives(&[("A", "")])),
    (
        "default value in braces",
        "A=${KEYWARD_UNSET:-def}",
        Gives(&[("A", "${KEYWARD_UNSET:-def}")]),
        Gives(&[("A", "")]),
    ),
    (
        "name of an earlier line",
        "B=x\nA=$B",
        Gives(&[("A", "$B"), ("B", "x")]),
        Gives(&[("A", "x"), ("B", "x")]),
    ),
    ("two dollars", "A=\"p$$w\"", Gives(&[("A", "p$$w")]), Refuses),
    ("dollar at the end", "A=x$", Gives(&[("A", "x$")]), Gives(&[("A", "x")])),
    ("command, bare", "A=$(id)", Gives(&[("A", "$(id)")]), Gives(&[("A", "(id)")])),
    (
        "command with a blank, double quotes",
        "A=\"$(id -u)\"",
        Gives(&[("A", "$(id -u)")]),
        Gives(&[("A", "(id -u)")]),
    ),
    ("backticks with a blank", "A=`id -u`", Gives(&[("A", "`id -u`")]), Refuses),
    ("hash behind the equals sign", "A=#FF0000", Gives(&[("A", "#FF0000")]), Gives(&[("A", "")])),
    ("hash at the closing quote", "A=\"x\"#y", Gives(&[("A", "x")]), Gives(&[("A", "x#y")])),
    ("JSON, bare", "A={\"a\":1}", Gives(&[("A", "{\"a\":1}")]), Gives(&[("A", "{a:1}")])),
    ("JSON with a blank, bare", "A={\"a\": 1}", Gives(&[("A", "{\"a\": 1}")]), Refuses),
    (
        "JSON with a hash, bare",
        "A={\"a\":\"#1\"}",
        Gives(&[("A", "{\"a\":\"#1\"}")]),
        Gives(&[("A", "{a:#1}")]),
    ),
    (
        "JSON with a blank and a hash, bare",
        "A={\"a\": \"x #1\"}",
        Gives(&[("A", "{\"a\": \"x #1\"}")]),
        Refuses,
    ),
    ("escaped single quote, single quotes", "A='Let\\'s go'", Gives(&[("A", "Let's go")]), Refuses),
    ("doubled single quote", "A='it''s'", Refuses, Gives(&[("A", "its")])),
    ("Windows path, bare", "A=C:\\Users\\me", Gives(&[("A", "C:\\Users\\me")]), Refuses),
    ("Windows path, double quotes", "A=\"C:\\Users\\me\"", Gives(&[("A", "C:\\Users\\me")]), Refuses),
    ("escaped newline, bare", "A=x\\ny", Gives(&[("A", "x\\ny")]), Gives(&[("A", "x\ny")])),
    ("escaped tab", "A=\"x\\ty\"", Gives(&[("A", "x\ty")]), Refuses),
    ("escaped carriage return", "A=\"x\\ry\"", Gives(&[("A", "x\ry")]), Refuses),
    ("unicode escape", "A=\"\\u00e9\"", Gives(&[("A", "\\u00e9")]), Refuses),
    ("two backslashes, single quotes", "A='x\\\\y'", Gives(&[("A", "x\\y")]), Gives(&[("A", "x\\\\y")])),
    ("backslash at the end, bare", "A=x\\", Gives(&[("A", "x\\")]), Refuses),
    ("byte order mark", "\u{feff}A=1", Gives(&[("A", "1")]), Refuses),
    ("CR alone", "A=1\rB=2\r", Gives(&[("A", "1"), ("B", "2")]), Gives(&[("A", "1\rB=2")])),
    (
        "PEM with CR LF, double quotes",
        "A=\"-----BEGIN-----\r\nabc\r\n-----END-----\"\r\n",
        Gives(&[("A", "-----BEGIN-----\nabc\n-----END-----")]),
        Gives(&[("A", "-----BEGIN-----\r\nabc\r\n-----END-----")]),
    ),
    ("apostrophe in a bare value", "A=it's", Gives(&[("A", "it's")]), Refuses),
    ("apostrophe before another line", "A=it's\nB=2", Gives(&[("A", "it's"), ("B", "2")]), Refuses),
    ("inch sign before another line", "A=5\"\nB=2", Gives(&[("A", "5\""), ("B", "2")]), Refuses),
    ("quotes inside a bare value", "A=x\"y z\"w", Gives(&[("A", "x\"y z\"w")]), Gives(&[("A", "xy zw")])),
    ("text at the closing quote", "A=\"x\"y", Refuses, Gives(&[("A", "xy")])),
    ("two quoted pieces", "A=\"x\"'y'", Refuses, Gives(&[("A", "xy")])),
    ("variable called export, spaced", "export = 1", Refuses, Gives(&[("export", "1")])),
    ("name twice", "A=1\nA=2", Gives(&[("A", "2")]), Gives(&[("A", "1")])),
    ("name twice, empty at last", "A=1\nA=", Gives(&[("A", "")]), Gives(&[("A", "1")])),
    ("name with a dash", "A-B=1", Gives(&[("A-B", "1")]), Refuses),
    ("name with a leading digit", "1A=1", Gives(&[("1A", "1")]), Refuses),
    ("name beyond ASCII", "Ä=1", Gives(&[("Ä", "1")]), Refuses),
    ("value with a NUL", "A=x\0y", Refuses, Gives(&[("A", "x\0y")])),
    ("name in quotes", "\"A\"=1", Gives(&[("\"A\"", "1")]), Refuses),
    ("name of one dash", "-=1", Gives(&[("-", "1")]), Refuses),
    ("blanks at the end", "A=x   ", Gives(&[("A", "x")]), Refuses),
    ("tab at the end", "A=x\t", Gives(&[("A", "x")]), Refuses),
    ("escaped blank at the end", "A=x\\ ", Gives(&[("A", "x ")]), Gives(&[("A", "x")])),
    ("blanks inside a bare value", "A=a b c", Gives(&[("A", "a b c")]), Refuses),
    ("no-break space at the end", "A=x\u{a0}", Gives(&[("A", "x")]), Refuses),
    ("escaped hash", "A=x \\#y", Gives(&[("A", "x #y")]), Refuses),
    ("escaped backspace", "A=\"x\\by\"", Gives(&[("A", "x\u{8}y")]), Refuses),
    ("hexadecimal escape", "A=\"\\x41\"", Gives(&[("A", "\\x41")]), Refuses),
    ("backslash at a line's end, double quotes", "A=\"x\\\ny\"", Gives(&[("A", "x\\\ny")]), Refuses),
    (
        "backslash at a line's end, bare",
        "A=x\\\nB=2",
        Gives(&[("A", "x\\"), ("B", "2")]),
        Gives(&[("A", "x"), ("B", "2")]),
    ),
];

static AGREEMENTS: &[Agreement] = &[
    ("bcrypt hash, single quotes", "A='$2a$10$TWoviNHS27'", Gives(&[("A", "$2a$10$TWoviNHS27")])),
    ("escaped dollar, double quotes", "A=\"\\$B\"", Gives(&[("A", "$B")])),
    ("escaped dollar, bare", "A=\\$B", Gives(&[("A", "$B")])),
    ("dollar, single quotes", "A='$B'", Gives(&[("A", "$B")])),
    ("backticks", "A=`id`", Gives(&[("A", "`id`")])),
    ("hash inside a value", "A=x#y", Gives(&[("A", "x#y")])),
    ("hash inside a password", "A=p@ss#word", Gives(&[("A", "p@ss#word")])),
    ("fragment of an address", "A=http://h/p#frag", Gives(&[("A", "http://h/p#frag")])),
    ("comment behind a value", "A=x #c", Gives(&[("A", "x")])),
    ("comment in place of a value", "A= # note", Gives(&[("A", "")])),
    ("hash, double quotes", "A=\"x # y\"", Gives(&[("A", "x # y")])),
    ("hash, single quotes", "A='x # y'", Gives(&[("A", "x # y")])),
    ("comment behind quotes", "A=\"x\" # y", Gives(&[("A", "x")])),
    ("comment line", "# c\nA=1", Gives(&[("A", "1")])),
    ("comment line, indented", "  # c\nA=1", Gives(&[("A", "1")])),
    ("quote in a comment line", "# it's\nA=1", Gives(&[("A", "1")])),
    ("quote in a comment behind a value", "A=1 # it's\nB=2", Gives(&[("A", "1"), ("B", "2")])),
    ("JSON, single quotes", "A='{\"a\": \"x #1\"}'", Gives(&[("A", "{\"a\": \"x #1\"}")])),
    ("Windows path, single quotes", "A='C:\\Users\\me'", Gives(&[("A", "C:\\Users\\me")])),
    ("escaped newline, double quotes", "A=\"x\\ny\"", Gives(&[("A", "x\ny")])),
    ("escaped newline, single quotes", "A='x\\ny'", Gives(&[("A", "x\\ny")])),
    ("two backslashes, double quotes", "A=\"x\\\\y\"", Gives(&[("A", "x\\y")])),
    ("two backslashes, bare", "A=x\\\\y", Gives(&[("A", "x\\y")])),
    ("escaped double quote", "A=\"x\\\"y\"", Gives(&[("A", "x\"y")])),
    ("backslash before the closing quote", "A=\"x\\\"", Refuses),
    ("CR LF", "A=1\r\nB=2\r\n", Gives(&[("A", "1"), ("B", "2")])),
    ("no final line end", "A=1\nB=2", Gives(&[("A", "1"), ("B", "2")])),
    (
        "PEM, double quotes",
        "A=\"-----BEGIN-----\nabc+/=\n-----END-----\"",
        Gives(&[("A", "-----BEGIN-----\nabc+/=\n-----END-----")]),
    ),
    (
        "PEM, single quotes",
        "A='-----BEGIN-----\nabc\n-----END-----'",
        Gives(&[("A", "-----BEGIN-----\nabc\n-----END-----")]),
    ),
    (
        "PEM with escaped newlines",
        "A=\"-----BEGIN-----\\nabc\\n-----END-----\\n\"",
        Gives(&[("A", "-----BEGIN-----\nabc\n-----END-----\n")]),
    ),
    ("PEM without quotes", "A=-----BEGIN-----\nabc\n-----END-----", Refuses),
    (
        "lines in quotes and a line behind them",
        "A=\"x\n# y\nz\"\nB=2",
        Gives(&[("A", "x\n# y\nz"), ("B", "2")]),
    ),
    ("open double quote", "A=\"x", Refuses),
    ("open double quote before other lines", "A=\"x\nB=2", Refuses),
    ("open single quote", "A='x", Refuses),
    ("open quote that the next line closes", "A=\"x\nB=\"y\"", Refuses),
    ("open quote that takes a line in", "A=\"x\nB=\"", Gives(&[("A", "x\nB=")])),
    ("text behind quotes", "A=\"x\" y", Refuses),
    ("export", "export A=1", Gives(&[("A", "1")])),
    ("export with blanks", "export   A=1", Gives(&[("A", "1")])),
    ("export with a tab", "export\tA=1", Gives(&[("A", "1")])),
    ("variable called export", "export=1", Gives(&[("export", "1")])),
    ("export without a value", "export A", Refuses),
    ("export of quotes", "export A=\"x y\"", Gives(&[("A", "x y")])),
    ("shell option", "set -a\nA=1", Refuses),
    ("name with a dot", "A.B=1", Gives(&[("A.B", "1")])),
    ("name with a blank", "A B=1", Refuses),
    ("name with a NUL", "A\0B=1", Refuses),
    ("name alone", "A", Refuses),
    ("name alone between others", "A=1\nB\nC=3", Refuses),
    ("no name", "=x", Refuses),
    ("two equals signs", "A==x", Gives(&[("A", "=x")])),
    ("equals signs inside", "A=b=c==", Gives(&[("A", "b=c==")])),
    ("blanks round the equals sign", "A = x", Gives(&[("A", "x")])),
    ("blank before the equals sign", "A =x", Gives(&[("A", "x")])),
    ("blank behind the equals sign", "A= x", Gives(&[("A", "x")])),
    ("colon in place of the equals sign", "A: x", Refuses),
    ("escaped blank at the start", "A=\\ x", Gives(&[("A", " x")])),
    ("escaped blank inside", "A=a\\ b", Gives(&[("A", "a b")])),
    ("no-break space at the start", "A=\u{a0}x", Gives(&[("A", "x")])),
    ("no-break space inside", "A=x\u{a0}y", Gives(&[("A", "x\u{a0}y")])),
    ("no-break space before a hash", "A=x\u{a0}#y", Gives(&[("A", "x")])),
    ("tab before the value", "A=\tx", Gives(&[("A", "x")])),
    ("tab before a comment", "A=x\t# c", Gives(&[("A", "x")])),
    ("empty", "A=", Gives(&[("A", "")])),
    ("empty double quotes", "A=\"\"", Gives(&[("A", "")])),
    ("empty single quotes", "A=''", Gives(&[("A", "")])),
    ("blanks in quotes", "A=\"  \"", Gives(&[("A", "  ")])),
    ("empty before CR LF", "A=\r\nB=2", Gives(&[("A", ""), ("B", "2")])),
    ("blank lines", "\n\nA=1\n\n", Gives(&[("A", "1")])),
    ("indented line", "  A=1", Gives(&[("A", "1")])),
    (
        "address of a database",
        "A=postgres://u:p@h:5432/d?x=1&y=2",
        Gives(&[("A", "postgres://u:p@h:5432/d?x=1&y=2")]),
    ),
    ("base64", "A=YWJj+/==", Gives(&[("A", "YWJj+/==")])),
    ("letters beyond ASCII", "A=Schlüssel", Gives(&[("A", "Schlüssel")])),
    ("emoji in quotes", "A=\"🔑 key\"", Gives(&[("A", "🔑 key")])),
    ("semicolon", "A=x;y", Gives(&[("A", "x;y")])),
    ("percent signs", "A=%41%", Gives(&[("A", "%41%")])),
    ("exclamation mark", "A=x!y", Gives(&[("A", "x!y")])),
    ("glob", "A=*?[x]", Gives(&[("A", "*?[x]")])),
    ("tilde", "A=~/x", Gives(&[("A", "~/x")])),
    ("pipe and redirections", "A=x|y>z<w", Gives(&[("A", "x|y>z<w")])),
    ("parentheses", "A=(x)", Gives(&[("A", "(x)")])),
    ("ampersand", "A=a&b", Gives(&[("A", "a&b")])),
    ("escaped double quote, bare", "A=x\\\"y", Gives(&[("A", "x\"y")])),
    ("escaped single quote, bare", "A=x\\'y", Gives(&[("A", "x'y")])),
    ("escaped dollar, single quotes", "A='\\$B'", Gives(&[("A", "\\$B")])),
    ("backslash before the closing single quote", "A='x\\'", Refuses),
    ("braces", "A={x}", Gives(&[("A", "{x}")])),
    ("single quote in double quotes", "A=\"it's\"", Gives(&[("A", "it's")])),
    ("double quotes in single quotes", "A='say \"x\"'", Gives(&[("A", "say \"x\"")])),
    ("note behind the equals sign", "A=# note", Gives(&[("A", "")])),
    ("lone hash", "A=#", Gives(&[("A", "")])),
    ("no line at all", "", Gives(&[])),
];
