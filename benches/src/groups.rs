//! The groups of rows. Each prints one table and can be run by its name.

mod concurrent;
mod library;
mod linking;
mod memory;
mod sealing;
mod sessions;
mod whole;

use std::path::PathBuf;

pub(crate) use memory::{ARGUMENT as PEAK_ARGUMENT, print_peak};
pub(crate) use sealing::{RATE_ARGUMENT, print_rate};
pub(crate) use sessions::{CLIENT_ARGUMENT, be_client};

/// How and with what the rows are measured.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The release binary under test.
    pub(crate) keyward: PathBuf,
    /// Few runs, to see that all rows work.
    pub(crate) quick: bool,
}

impl Settings {
    /// Returns how often a row is measured.
    pub(crate) const fn runs(&self, usual: usize) -> usize {
        if self.quick { 3 } else { usual }
    }

    /// Returns the sizes of a row; the largest ones take long to make.
    pub(crate) fn sizes(&self, all: &[usize]) -> Vec<usize> {
        all.iter().copied().filter(|size| !self.quick || *size <= 1_000).collect()
    }
}

/// A group: its name on the command line, and what measures and prints it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Settings),
    /// Whether it runs when no group is named.
    pub(crate) usual: bool,
}

impl Group {
    /// Tells whether the group measures the keyward binary.
    pub(crate) fn needs_binary(&self) -> bool {
        !matches!(self.name, "seal" | "library")
    }
}

/// Every group, in the order of the results page.
pub(crate) const ALL: [Group; 13] = [
    Group { name: "get", run: whole::get, usual: true },
    Group { name: "list", run: whole::list, usual: true },
    Group { name: "put", run: whole::put, usual: true },
    Group { name: "import", run: whole::import, usual: true },
    Group { name: "run", run: whole::run, usual: true },
    Group { name: "check", run: whole::check, usual: true },
    Group { name: "other", run: whole::other, usual: true },
    Group { name: "memory", run: memory::run, usual: true },
    Group { name: "concurrent", run: concurrent::run, usual: true },
    Group { name: "sessions", run: sessions::run, usual: true },
    Group { name: "seal", run: sealing::run, usual: true },
    Group { name: "library", run: library::run, usual: true },
    Group { name: "linking", run: linking::run, usual: false },
];
