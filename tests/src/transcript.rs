//! A dialogue with keyward as one text, for snapshots: what was typed, stdout, stderr and exit code, with
//! everything replaced that differs from run to run.

use std::fmt::Write;

use regex::Regex;

use crate::{Finished, Home};

/// What was typed and answered so far.
#[derive(Debug)]
pub struct Transcript<'h> {
    home: &'h Home,
    text: String,
}

impl<'h> Transcript<'h> {
    /// Starts a dialogue in `home`.
    pub fn of(home: &'h Home) -> Self {
        Self { home, text: String::new() }
    }

    /// Runs a command with empty stdin.
    pub fn run(&mut self, line: &str) -> &mut Self {
        let finished = self.home.run(words(line));
        self.add(line, &finished)
    }

    /// Runs a command that reads `input` on stdin.
    pub fn feed(&mut self, line: &str, input: &str) -> &mut Self {
        let finished = self.home.run_with_input(words(line), input);
        self.add(&format!("{line} < {input:?}"), &finished)
    }

    /// Adds what a command left.
    pub fn add(&mut self, line: &str, finished: &Finished) -> &mut Self {
        let newline = if finished.stdout.is_empty() || finished.stdout.ends_with(b"\n") { "" } else { "%\n" };
        let (stdout, stderr, code) = (finished.text(), &finished.stderr, finished.code);
        let separator = if stderr.is_empty() { "" } else { "--- stderr\n" };
        writeln!(self.text, "$ keyward {line}\n{stdout}{newline}{separator}{stderr}--- code {code}\n")
            .expect("a string takes all");
        self
    }

    /// Returns the dialogue, the same in every run. `%` ends a line that has no line end.
    pub fn text(&self) -> String {
        stable(&self.text, self.home)
    }
}

/// Splits a line at its spaces; `''` is an empty word.
fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().map(|word| if word == "''" { "" } else { word }).collect()
}

/// Replaces paths, ids, dates, keys and codes.
pub fn stable(text: &str, home: &Home) -> String {
    let text = text.replace(&home.path().display().to_string(), "$HOME");
    REPLACED.iter().fold(text, |text, (pattern, by)| {
        Regex::new(pattern).expect("a pattern").replace_all(&text, *by).into_owned()
    })
}

const REPLACED: [(&str, &str); 7] = [
    (r"\b[0-9a-f]{32}\b", "[id]"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "[date]"),
    (r"kwk1_[A-Za-z0-9_-]{48}", "[key]"),
    (r"\b[0-9A-HJKMNP-TV-Z]{5}(-[0-9A-HJKMNP-TV-Z]{5}){5}\b", "[code]"),
    (r#""device":\{[^}]*\}"#, r#""device":"[device]""#),
    (r"process \d+", "process [pid]"),
    (r"after 1\d\.\d s", "after [10] s"),
];
