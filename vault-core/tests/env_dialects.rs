//! The models of `dotenv::dialect` against the readers themselves: Node's dotenv, python-dotenv and bash read
//! the same files. `tests/install` brings the two packages; a reader that is missing fails the test.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tempfile::TempDir;
use vault_core::dotenv::dialect::{Dialect, End, Value};
use vault_core::dotenv::lines;
use vault_core::dotenv::lint::{Act, Finding, Problem, lint};

/// What a reader gives each name; python-dotenv gives a name alone nothing.
type Variables = BTreeMap<String, Option<String>>;

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Writes each text to a file of its own.
fn files(texts: &[String]) -> (TempDir, Vec<PathBuf>) {
    let directory = TempDir::new().unwrap();
    let write = |(number, text): (usize, &String)| {
        let path = directory.path().join(format!("{number}.env"));
        fs::write(&path, text).unwrap();
        path
    };
    let files = texts.iter().enumerate().map(write).collect();
    (directory, files)
}

/// Has a reader read all files.
fn really_read(dialect: Dialect, files: &[PathBuf]) -> Vec<Variables> {
    let scripts = project().join("tests/env-readers");
    let readers = project().join("target/env-readers");
    assert!(readers.join("installed").exists(), "{} is missing: run tests/install", readers.display());
    match dialect {
        Dialect::Bash => files.iter().map(|file| bash(&scripts.join("read.bash"), file)).collect(),
        Dialect::Node => {
            let mut node = Command::new("node");
            json(node.arg(scripts.join("read.js")).arg(&readers), files)
        }
        Dialect::Python => {
            let python = readers.join("python/bin/python");
            json(Command::new(python).arg(scripts.join("read.py")), files)
        }
        Dialect::Compose | Dialect::Docker => panic!("{dialect} is not run"),
    }
}

fn json(command: &mut Command, files: &[PathBuf]) -> Vec<Variables> {
    let names: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
    // python-dotenv looks its variables up in the environment.
    command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the reader starts");
    child.stdin.take().unwrap().write_all(names.join("\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    serde_json::from_slice(&output.stdout).expect("the reader reads all files")
}

fn bash(script: &Path, file: &Path) -> Variables {
    let mut command = Command::new("bash");
    command
        .args(["--norc", "--noprofile"])
        .arg(script)
        .arg(file)
        .env_clear()
        .current_dir(file.parent().unwrap());
    let output = command.output().expect("bash starts");
    let printed = String::from_utf8(output.stdout).unwrap();
    let pairs = printed.split('\0').filter_map(|pair| pair.split_once('='));
    let own = pairs.filter(|(name, _)| !["PATH", "PWD", "OLDPWD", "SHLVL", "_"].contains(name));
    own.map(|(name, value)| (name.to_owned(), Some(value.to_owned()))).collect()
}

/// Checks that what the model of a reader knows is what the reader says.
fn check_model(dialect: Dialect, text: &str, real: &Variables) -> Result<(), String> {
    let reading = dialect.read(text);
    if matches!(reading.end, End::Unsure(_)) {
        return Ok(());
    }
    let model = reading.last();
    for (name, value) in &model {
        let real = real.get(*name).and_then(Option::as_deref);
        let agrees = match value {
            Value::Known(text) => real == Some(text.expose_secret()),
            Value::Unset => real.is_none(),
            Value::Other | Value::Unsure => true,
        };
        if !agrees {
            return Err(format!("{dialect} reads {text:?} as {real:?} for {name}, and the model does not"));
        }
    }
    match real.keys().find(|name| !model.contains_key(name.as_str())) {
        Some(name) => Err(format!("{dialect} sets {name} in {text:?}, and the model does not")),
        None => Ok(()),
    }
}

/// Checks that a reader is said to read another value exactly where it does: for each name, on the line that
/// keyward reads it from. Returns how many names that was said for surely.
fn check_lint(dialect: Dialect, text: &str, real: &Variables) -> Result<usize, String> {
    let findings = lint(Path::new("x"), text.as_bytes(), &[dialect]).unwrap();
    let own = lines::read(Path::new("x"), text.as_bytes()).unwrap();
    let last: BTreeMap<&str, usize> = own.iter().map(|one| (one.name.as_str(), one.line)).collect();
    let mut checked = 0;
    for assignment in own.iter().filter(|one| last[one.name.as_str()] == one.line) {
        let is_set_before = own.iter().any(|one| one.name == assignment.name && one.line < assignment.line);
        let Some(said) = said(&findings, assignment.line, is_set_before) else { continue };
        let real = real.get(&assignment.name).and_then(Option::as_deref);
        if said != (real != Some(assignment.value.expose_secret())) {
            return Err(format!(
                "{dialect} reads {text:?} as {real:?} for {}, said: {said}",
                assignment.name
            ));
        }
        checked += 1;
    }
    Ok(checked)
}

/// Returns whether the reader is said to give the name of a line another value; `None` where nothing is
/// sure. A reader that does not set the name there may have set it to the same value before.
fn said(findings: &[Finding], line: usize, is_set_before: bool) -> Option<bool> {
    let acts = findings.iter().filter_map(|finding| match finding.problem {
        Problem::Reader { act, .. } => Some((finding.line, act)),
        _ => None,
    });
    let concerning = acts.filter(|(at, act)| match act {
        Act::RefusesFile => true,
        Act::StopsReading | Act::UnsureFromHere => *at <= line,
        _ => *at == line,
    });
    let acts: Vec<Act> = concerning.map(|(_, act)| act).collect();
    let leaves = acts.iter().any(|act| matches!(act, Act::PassesOver | Act::StopsReading));
    let is_sure = acts.iter().all(|act| act.is_certain()) && !(leaves && is_set_before);
    is_sure.then_some(!acts.is_empty())
}

/// Runs a reader over all texts that keyward reads, and checks model and lint. Returns for how many names
/// something sure was said.
fn check(dialect: Dialect, texts: &[String]) -> usize {
    let readable: Vec<String> =
        texts.iter().filter(|text| lines::read(Path::new("x"), text.as_bytes()).is_ok()).cloned().collect();
    let (_directory, files) = files(&readable);
    let real = really_read(dialect, &files);
    assert_eq!(real.len(), readable.len());
    let (mut checked, mut wrong) = (0, Vec::new());
    for (text, real) in readable.iter().zip(&real) {
        wrong.extend(check_model(dialect, text, real).err());
        match check_lint(dialect, text, real) {
            Ok(count) => checked += count,
            Err(error) => wrong.push(error),
        }
    }
    wrong.sort_by_key(String::len);
    wrong.truncate(20);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    checked
}

/// Texts of pieces that readers trip over. A few names, and values that run nothing but what is not there.
fn texts(count: usize) -> Vec<String> {
    let pieces = prop::sample::select(vec![
        "A",
        "B",
        "C",
        "x",
        "y z",
        "=",
        "=",
        "=",
        "\n",
        "\n",
        "\nA=",
        "\nB=",
        "\nC=",
        "\nexport A=",
        "'",
        "'",
        "\"",
        "\"",
        "\\",
        "\\n",
        "$",
        "$A",
        "${B}",
        "${C:-d}",
        "$(x)",
        "`x`",
        "#",
        " #",
        " ",
        "\t",
        "\r\n",
        "\r",
        ";",
        "&",
        "|",
        "~",
        "~/",
        ":",
        "{",
        "}",
        "{a,b}",
        "!",
        "*",
        "%",
        "1",
        "-",
        "+",
        ".",
        "/",
        "é",
        "\u{a0}",
        "\u{feff}",
        "<",
        ">",
        "export ",
    ]);
    let bare = prop::collection::vec(pieces, 1..12).prop_map(|pieces| format!("A={}", pieces.concat()));
    let quoted =
        ("[ABC]", "[ '\"\\\\$#nBx\n]{0,6}", prop::sample::select(vec!["'", "\"", "`"]), "( ?#.{0,3})?")
            .prop_map(|(name, value, quote, comment)| {
                format!("{name}={quote}{value}{quote}{comment}\nB=1\n")
            });
    let text = prop_oneof![3 => bare, 2 => quoted];
    let mut runner = TestRunner::deterministic();
    (0..count).map(|_| text.new_tree(&mut runner).unwrap().current()).collect()
}

#[test]
fn node_is_modelled_exactly() {
    assert!(check(Dialect::Node, &texts(6_000)) > 3_000);
}

#[test]
fn python_is_modelled_exactly() {
    assert!(check(Dialect::Python, &texts(6_000)) > 3_000);
}

#[test]
fn bash_is_modelled_exactly_where_anything_is_said() {
    assert!(check(Dialect::Bash, &texts(4_000)) > 1_500);
}

/// What a case shows, a text, and what is said of it: the line is left out where it is the first.
type Case = (&'static str, &'static str, &'static [&'static str]);

#[test]
fn every_case_of_the_table_is_read_as_it_says() {
    assert!(CASES.len() >= 60);
    for (name, text, expected) in CASES {
        let findings = lint(Path::new("x"), text.as_bytes(), &Dialect::ALL).unwrap();
        let said = findings.iter().filter_map(|finding| match finding.problem {
            Problem::Reader { dialect, act } if finding.line == 1 => {
                Some(format!("{dialect} {}", act.word()))
            }
            Problem::Reader { dialect, act } => Some(format!("{dialect} {} {}", finding.line, act.word())),
            _ => None,
        });
        assert_eq!(said.collect::<Vec<_>>(), *expected, "{name}");
    }
}

#[test]
fn the_readers_themselves_read_every_case_as_the_table_says() {
    let texts: Vec<String> = CASES.iter().map(|(_, text, _)| (*text).to_owned()).collect();
    for dialect in Dialect::ALL.into_iter().filter(|dialect| dialect.is_run()) {
        assert!(check(dialect, &texts) > CASES.len() - 10, "{dialect}");
    }
}

static CASES: &[Case] = &[
    ("bcrypt hash, bare", "A=$2a$10$TWoviNHS27", &["bash expands", "compose expands"]),
    ("bcrypt hash, single quotes", "A='$2a$10$TWoviNHS27'", &["docker keeps_quotes"]),
    (
        "bcrypt hash, double quotes",
        "A=\"$2a$10$TWoviNHS27\"",
        &["bash expands", "compose expands", "docker keeps_quotes"],
    ),
    (
        "dollars among signs, double quotes",
        "A=\"H$ello$%World^$&Foo*()_$+\"",
        &["bash expands", "compose expands", "docker keeps_quotes"],
    ),
    ("variable, bare", "A=$NOKEY", &["bash expands", "compose expands"]),
    ("variable, single quotes", "A='$NOKEY'", &["docker keeps_quotes"]),
    ("variable, double quotes", "A=\"$NOKEY\"", &["bash expands", "compose expands", "docker keeps_quotes"]),
    ("variable in braces, bare", "A=${NOKEY}", &["bash expands", "compose expands", "python expands"]),
    ("variable in braces, single quotes", "A='${NOKEY}'", &["docker keeps_quotes", "python expands"]),
    ("variable of an earlier line", "B=x\nA=$B", &["bash 2 expands", "compose 2 expands"]),
    (
        "variable of an earlier line, in braces",
        "B=x\nA=${B}",
        &["bash 2 expands", "compose 2 expands", "python 2 expands"],
    ),
    ("variable with a default", "A=${NOKEY:-d}", &["bash expands", "compose unsure", "python expands"]),
    ("dollar before no name", "A=5$", &[]),
    ("dollar before a digit", "A=$1x", &["bash expands"]),
    ("two dollars", "A=p$$w", &["bash expands", "compose expands"]),
    (
        "escaped dollar, double quotes",
        "A=\"\\$B\"",
        &["docker keeps_quotes", "node backslash", "python backslash"],
    ),
    ("colour", "A=#FF0000", &["node cuts_at_hash"]),
    ("hash in a password", "A=p@ss#word", &["node cuts_at_hash"]),
    ("fragment of an address", "A=http://h/p#frag", &["node cuts_at_hash"]),
    ("comment behind a value", "A=x #c", &["docker keeps_more"]),
    ("comment in place of a value", "A= # note", &["compose keeps_more", "docker keeps_more"]),
    (
        "comment right behind the equals sign",
        "A=# note",
        &["bash passes_over", "compose keeps_more", "docker keeps_more", "python keeps_more"],
    ),
    ("hash, double quotes", "A=\"x # y\"", &["docker keeps_quotes"]),
    ("comment behind quotes", "A=\"x\" # y", &["docker keeps_quotes"]),
    ("hash at the closing quote", "A=\"x\"#y", &["bash keeps_more", "docker keeps_quotes"]),
    ("quote in a comment line", "# it's\nA=1", &[]),
    ("quote in a comment behind a value", "A=1 # it's", &["docker keeps_more"]),
    ("JSON with a hash, bare", "A={\"a\":\"#1\"}", &["bash drops_quotes", "node cuts_at_hash"]),
    ("JSON, bare", "A={\"a\":1,\"b\":[2]}", &["bash drops_quotes"]),
    ("JSON, single quotes", "A='{\"a\": \"x #1\"}'", &["docker keeps_quotes"]),
    (
        "escaped single quote, single quotes",
        "A='Let\\'s go'",
        &["bash stops_reading", "docker keeps_quotes", "node backslash"],
    ),
    ("apostrophe, bare", "A=it's", &["bash stops_reading"]),
    ("apostrophe, double quotes", "A=\"it's\"", &["docker keeps_quotes"]),
    ("Windows path, bare", "A=C:\\Users\\me", &["bash backslash"]),
    ("Windows path, single quotes", "A='C:\\Users\\me'", &["docker keeps_quotes"]),
    ("Windows path, double quotes", "A=\"C:\\Users\\me\"", &["docker keeps_quotes"]),
    ("escaped newline, bare", "A=x\\ny", &["bash backslash"]),
    ("escaped newline, single quotes", "A='x\\ny'", &["docker keeps_quotes"]),
    ("escaped newline, double quotes", "A=\"x\\ny\"", &["bash backslash", "docker keeps_quotes"]),
    (
        "escaped tab, double quotes",
        "A=\"x\\ty\"",
        &["bash backslash", "docker keeps_quotes", "node backslash"],
    ),
    ("two backslashes, double quotes", "A=\"x\\\\y\"", &["docker keeps_quotes", "node backslash"]),
    ("escaped double quote", "A=\"x\\\"y\"", &["docker keeps_quotes", "node backslash"]),
    ("byte order mark", "\u{feff}A=1", &["bash passes_over"]),
    ("CR LF", "A=1\r\nB=2\r\n", &["bash keeps_carriage_return", "bash 2 keeps_carriage_return"]),
    (
        "CR alone",
        "A=1\rB=2\r",
        &[
            "bash keeps_more",
            "compose keeps_more",
            "docker keeps_more",
            "bash 2 passes_over",
            "compose 2 passes_over",
            "docker 2 passes_over",
        ],
    ),
    ("no final line end", "B=1\nA=2", &[]),
    (
        "PEM with LF, double quotes",
        "A=\"-----BEGIN-----\nabc+/=\n-----END-----\"\n",
        &["docker keeps_first_line"],
    ),
    (
        "PEM with CR LF, double quotes",
        "A=\"-----BEGIN-----\r\nabc\r\n-----END-----\"\r\n",
        &["bash keeps_carriage_return", "compose keeps_carriage_return", "docker keeps_first_line"],
    ),
    (
        "PEM with escaped newlines",
        "A=\"-----BEGIN-----\\nabc\\n-----END-----\\n\"",
        &["bash backslash", "docker keeps_quotes"],
    ),
    ("double quotes", "A=\"x y\"", &["docker keeps_quotes"]),
    ("single quotes", "A='x y'", &["docker keeps_quotes"]),
    ("export", "export A=1", &["docker refuses_file"]),
    ("export with blanks", "export   A=1", &["docker refuses_file"]),
    ("name twice", "A=1\nA=2", &[]),
    ("name with a dot", "A.B=1", &["bash passes_over"]),
    ("name with a dash", "A-B=1", &["bash passes_over"]),
    ("name with a leading digit", "1A=1", &["bash passes_over"]),
    ("name beyond ASCII", "Ä=1", &["bash passes_over", "node passes_over"]),
    ("name in quotes", "\"A\"=1", &["bash passes_over", "compose refuses_file", "node passes_over"]),
    ("empty", "A=", &[]),
    ("empty quotes", "A=\"\"", &["docker keeps_quotes"]),
    ("two equals signs", "A==x", &[]),
    ("blanks round the equals sign", "A = x", &["bash passes_over", "docker refuses_file"]),
    ("blank behind the equals sign", "A= x", &["bash passes_over", "docker keeps_more"]),
    ("blanks inside a bare value", "A=a b c", &["bash passes_over"]),
    ("blanks at the end", "A=x  ", &["docker keeps_more"]),
    (
        "escaped blank at the end",
        "A=x\\ ",
        &["compose backslash", "docker backslash", "node backslash", "python backslash"],
    ),
    ("tab before the value", "A=\tx", &["bash passes_over", "docker keeps_more"]),
    ("no-break space at the end", "A=x\u{a0}", &["bash keeps_more", "docker keeps_more"]),
    ("indented line", "  A=1", &[]),
    ("command", "A=$(id)", &["bash expands"]),
    ("command, single quotes", "A='$(id)'", &["docker keeps_quotes"]),
    ("backticks", "A=`id`", &["bash expands", "node drops_quotes"]),
    ("backticks, double quotes", "A=\"`id`\"", &["bash expands", "docker keeps_quotes"]),
    ("address of a database", "A=postgres://u:p@h:5432/d?x=1&y=2", &["bash passes_over"]),
    ("semicolon", "A=x;y", &["bash cuts_short"]),
    ("pipe", "A=x|y", &["bash passes_over"]),
    ("place to fill in", "A=<your-key>", &["bash stops_reading"]),
    ("parentheses", "A=(x)", &["bash unsure_from_here"]),
    ("home directory", "A=~/x", &["bash expands"]),
    ("somebody's home directory", "A=~nobody/x", &["bash unsure"]),
    ("pattern", "A=*?[x]", &[]),
    ("braces", "A={x,y}", &[]),
    ("exclamation mark", "A=x!y", &[]),
    ("base64", "A=YWJj+/==", &[]),
    ("letters beyond ASCII", "A=Schlüssel", &[]),
    ("backslash at the end of a line", "A=x\\\nB=2", &["bash backslash", "bash 2 passes_over"]),
    ("one line that is none for a shell", "A=x)\nB=2", &["bash stops_reading"]),
    ("variable that bash keeps", "RANDOM=1", &["bash unsure"]),
];
