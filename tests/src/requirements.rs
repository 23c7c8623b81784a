//! What was required of keyward, and which tests show it. A test names its requirement in its own name, as in
//! `ec_13_the_flag_goes_before_the_variables`; the table is made from the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// Where the table is, from the top of the repository.
pub const DOCUMENT: &str = "REQUIREMENTS.md";

/// Each requirement by its number, in words; those that nothing shows yet say in brackets what brings them.
pub const REQUIREMENTS: &str = include_str!("requirements.txt");

/// How the words of a requirement begin that is not met yet.
const LATER: &str = "[later: ";

/// A test that names requirements.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Test {
    file: String,
    name: String,
}

/// Returns the requirements, by number.
pub fn requirements() -> BTreeMap<&'static str, &'static str> {
    let lines = REQUIREMENTS.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.filter_map(|line| line.split_once(' ')).collect()
}

/// Tells whether a requirement, in words, is one that is not met yet.
pub fn is_for_later(words: &str) -> bool {
    words.starts_with(LATER)
}

/// Returns the numbers that tests carry, without those that no test has.
pub fn shown() -> BTreeSet<String> {
    tests().into_keys().collect()
}

/// Makes the document.
pub fn document() -> String {
    let tests = tests();
    let mut text = HEAD.to_owned();
    for (prefix, title) in PARTS {
        write!(text, "\n## {title}\n\n| no | requirement | shown by |\n| --- | --- | --- |\n")
            .expect(ANY_TEXT);
        for (number, words) in requirements().into_iter().filter(|(number, _)| number.starts_with(prefix)) {
            let shown = tests.get(&number.to_lowercase().replace('-', "_"));
            let shown = shown.map_or_else(|| "–".to_owned(), cell);
            writeln!(text, "| {number} | {words} | {shown} |").expect(ANY_TEXT);
        }
    }
    text
}

fn cell(tests: &BTreeSet<Test>) -> String {
    let name = |test: &Test| format!("`{}::{}`", test.file, test.name);
    tests.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// Finds the tests of each number in all sources.
fn tests() -> BTreeMap<String, BTreeSet<Test>> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let test = Regex::new(r"#\[test\]\s*(?:#\[[^\]]*\]\s*)*fn (\w+)").expect("a pattern");
    let number = Regex::new(r"(?:^|_)((?:ae|ak|ct|ec|es|se)_[0-9]{2})_").expect("a pattern");
    let mut found: BTreeMap<String, BTreeSet<Test>> = BTreeMap::new();
    for path in PACKAGES.iter().flat_map(|package| sources(&top.join(package))) {
        let file = path.strip_prefix(&top).expect("a file of the repository").display().to_string();
        let source = fs::read_to_string(&path).expect("a source file");
        for name in test.captures_iter(&source).map(|found| found[1].to_owned()) {
            // Numbers may stand side by side, so that the end of one is the beginning of the next.
            for at in 0..name.len() {
                let Some(carried) = name.get(at..).and_then(|rest| number.captures(rest)) else { continue };
                let test = Test { file: file.clone(), name: name.clone() };
                found.entry(carried[1].to_owned()).or_default().insert(test);
            }
        }
    }
    found
}

fn sources(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("a file of the repository").path());
    let below = paths.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] });
    below.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

const PACKAGES: [&str; 5] = ["vault-core", "vault-auth", "vault-cli/src", "tests/src", "tests/tests"];
const PARTS: [(&str, &str); 6] = [
    ("EC-", "Login and credentials (EC)"),
    ("ES-", "The library (ES)"),
    ("AK-", "Commands and credentials of providers (AK)"),
    ("AE-", "Profiles, tokens and files (AE)"),
    ("SE-", "API keys and devices (SE)"),
    ("CT-", "Many processes, crashes and bad days (CT)"),
];
const HEAD: &str = "\
# Requirements

What keyward was asked to do about logins, credentials and their library, and the tests that show it. A test carries
the number of its requirement in its name. This file is made from the sources by

```text
cargo run -p keyward-tests --example requirements > REQUIREMENTS.md
```

and a test fails where it is not up to date, where a requirement has no test, or a test carries a number that nobody
required.
";
const ANY_TEXT: &str = "a String takes any text";
