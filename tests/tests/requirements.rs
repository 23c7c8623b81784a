//! The table of requirements is that of the sources, and no requirement is without a test.

use std::fs;
use std::path::Path;

use keyward_tests::requirements::{DOCUMENT, document, is_for_later, requirements, shown};

fn carried(number: &str) -> String {
    number.to_lowercase().replace('-', "_")
}

#[test]
fn every_requirement_has_a_test_and_every_number_is_required() {
    let (required, shown) = (requirements(), shown());
    let missing: Vec<_> = required
        .iter()
        .filter(|(number, words)| !is_for_later(words) && !shown.contains(&carried(number)))
        .map(|(number, _)| number)
        .collect();
    assert!(missing.is_empty(), "no test carries {missing:?}");
    let known: Vec<String> = required.keys().map(|number| carried(number)).collect();
    let unknown: Vec<_> = shown.iter().filter(|number| !known.contains(number)).collect();
    assert!(unknown.is_empty(), "nobody required {unknown:?}");
}

#[test]
fn what_is_for_later_is_not_shown_yet() {
    let shown = shown();
    let done: Vec<_> = requirements()
        .into_iter()
        .filter(|(number, words)| is_for_later(words) && shown.contains(&carried(number)))
        .collect();
    assert!(done.is_empty(), "these have a test by now: {done:?}");
}

#[test]
fn the_document_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(DOCUMENT);
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == document(),
        "run `cargo run -p keyward-tests --example requirements > {DOCUMENT}` and look at what changed"
    );
}
