//! Which commands the program has, so that a test of all of them notices a new one.

use std::collections::BTreeSet;

use crate::Home;

/// Returns every command that the program defines and that runs something, such as `slot-add`: the manual
/// has a page for each.
#[track_caller]
pub fn commands() -> BTreeSet<String> {
    let home = Home::new();
    let written = home.run(["man", "--dir", ".", "--json"]).succeeds().json();
    let pages = written["written"].as_array().expect("a list of pages");
    let pages = pages.iter().map(|page| page.as_str().expect("a name"));
    let pages: BTreeSet<&str> =
        pages.filter_map(|page| page.strip_prefix("keyward-")?.strip_suffix(".1")).collect();
    let has_parts = |page: &str| pages.iter().any(|other| other.starts_with(&format!("{page}-")));
    pages.iter().filter(|page| !has_parts(page)).map(|page| (*page).to_owned()).collect()
}

/// Checks that each command has one of `lines`, by its first words.
#[track_caller]
pub fn each_has_a_line<'l>(lines: impl IntoIterator<Item = &'l str>) {
    let commands = commands();
    assert!(commands.contains("slot-add") && commands.contains("get"), "{commands:?}");
    let with_line: BTreeSet<String> =
        lines.into_iter().filter_map(|line| command_of(line, &commands)).collect();
    let missing: Vec<&String> = commands.difference(&with_line).collect();
    assert!(missing.is_empty(), "without a line in the list of this test: {missing:?}");
}

/// Returns the command that a line runs.
fn command_of(line: &str, commands: &BTreeSet<String>) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let beginnings = (1..=words.len()).rev().map(|count| words[..count].join("-"));
    beginnings.into_iter().find(|beginning| commands.contains(beginning))
}
