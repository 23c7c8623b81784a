//! What SECURITY.md and tests/EVIDENCE.md claim is shown by tests that exist: every row of their tables of claims
//! names at least one, and every name is that of a test in the file beside it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use regex::Regex;

/// The documents with claims.
const DOCUMENTS: [&str; 2] = ["SECURITY.md", "tests/EVIDENCE.md"];
/// The last column of a table of claims.
const COLUMN: &str = "shown by";
/// How a cell begins that names no test, and says why.
const NOT_YET: &str = "not yet: ";

/// The faults that no test shows yet.
const NOT_SHOWN: [&str; 0] = [];

fn read(path: &str) -> Option<String> {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).ok()
}

/// A row of a table of claims.
#[derive(Debug)]
struct Claim<'d> {
    /// The first cell.
    subject: &'d str,
    /// The last cell.
    shown_by: &'d str,
}

/// Returns the rows of every table whose last column is [`COLUMN`].
fn claims(document: &str) -> Vec<Claim<'_>> {
    let tables = document.split("\n\n").filter(|paragraph| {
        let head = paragraph.lines().find(|line| line.starts_with('|')).unwrap_or_default();
        head.trim_end_matches([' ', '|']).ends_with(COLUMN)
    });
    let rows = tables.flat_map(|table| table.lines().filter(|line| line.starts_with('|')).skip(2));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        Claim { subject: cells[0], shown_by: cells[cells.len() - 1] }
    })
    .collect()
}

/// Returns the tests that a text names, as (file, name). A name without a file is of the file before it.
fn named(text: &str) -> Vec<(String, String)> {
    let token = Regex::new(r"`([\w./-]+\.(?:rs|py))?::(\w+)`").unwrap();
    let mut file = String::new();
    let tests = token.captures_iter(text).map(|found| {
        if let Some(path) = found.get(1) {
            file = path.as_str().to_owned();
        }
        (file.clone(), found[2].to_owned())
    });
    tests.collect()
}

/// Tells whether the text of a source file has such a test.
fn has_test(source: &str, name: &str) -> bool {
    let rust = format!(r"#\[test\]\s*(?:(?:#\[[^\n]*\]|///?[^\n]*)\s*)*fn {name}\(");
    let python = format!(r"\n    def {name}\(self\)");
    [rust, python].iter().any(|pattern| Regex::new(pattern).unwrap().is_match(source))
}

/// Returns what is wrong with a document, and the subjects of the claims that it calls not shown.
fn check(document: &str, read: impl Fn(&str) -> Option<String>) -> (Vec<String>, Vec<&str>) {
    let mut wrong = Vec::new();
    for (file, name) in named(document) {
        match read(&file) {
            None => wrong.push(format!("no file {file}")),
            Some(source) if !has_test(&source, &name) => wrong.push(format!("no test {name} in {file}")),
            Some(_) => {}
        }
    }
    let claims = claims(document);
    let nameless = claims.iter().filter(|claim| named(claim.shown_by).is_empty());
    let (not_yet, bare): (Vec<_>, Vec<_>) = nameless.partition(|claim| claim.shown_by.starts_with(NOT_YET));
    wrong.extend(bare.iter().map(|claim| format!("no test for: {}", claim.subject)));
    (wrong, not_yet.iter().map(|claim| claim.subject).collect())
}

#[test]
fn every_claim_names_a_test_and_every_named_test_exists() {
    let mut not_shown = Vec::new();
    for path in DOCUMENTS {
        let document = read(path).unwrap();
        assert!(claims(&document).len() >= 10, "{path}");
        let (wrong, not_yet) = check(&document, read);
        assert!(wrong.is_empty(), "{path}:\n{}", wrong.join("\n"));
        not_shown.extend(not_yet.iter().map(|subject| (*subject).to_owned()));
    }
    assert_eq!(not_shown, NOT_SHOWN);
}

#[test]
fn the_evidence_has_every_fault_once() {
    let document = read("tests/EVIDENCE.md").unwrap();
    let faults: Vec<&str> = claims(&document)
        .iter()
        .map(|claim| claim.subject)
        .filter(|subject| subject.starts_with('T'))
        .collect();
    let expected: Vec<String> = (1..=50).map(|number| format!("T{number:02}")).collect();
    assert_eq!(faults, expected);
}

#[test]
fn every_path_in_the_documents_exists() {
    let path = Regex::new(r"`((?:vault-core|vault-cli|tests|fuzz|benches|\.ci)/[\w./-]+)`").unwrap();
    for document in DOCUMENTS {
        let text = read(document).unwrap();
        let paths: BTreeSet<&str> =
            path.captures_iter(&text).map(|found| found.get(1).unwrap().as_str()).collect();
        for path in paths {
            let absolute = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
            assert!(absolute.exists(), "{document} names {path}");
        }
    }
}

#[test]
fn a_claim_without_a_test_or_with_a_wrong_name_is_found() {
    let files = |path: &str| match path {
        "a.rs" => {
            Some("#[test]\nfn one() {}\n\n/// Not a test.\nfn two() {}\n#[test]\n#[ignore]\nfn three() {}\n")
        }
        "b.py" => Some("class X:\n    def test_four(self):\n"),
        _ => None,
    };
    let check = |cell: &str| {
        let document = format!("| what | shown by |\n| --- | --- |\n| X | {cell} |\n");
        let (wrong, not_yet) = check(&document, |path| files(path).map(str::to_owned));
        (wrong, not_yet.len())
    };
    assert_eq!(check("`a.rs::one`, `::three`, `b.py::test_four`"), (vec![], 0));
    assert_eq!(check("`a.rs::two`").0, ["no test two in a.rs"]);
    assert_eq!(check("`a.rs::on`").0, ["no test on in a.rs"]);
    assert_eq!(check("`b.py::one`").0, ["no test one in b.py"]);
    assert_eq!(check("`c.rs::one`").0, ["no file c.rs"]);
    assert_eq!(check("trust us").0, ["no test for: X"]);
    assert_eq!(check("not yet: a later part"), (vec![], 1));
}
