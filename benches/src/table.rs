//! The result tables: Markdown, so that the printed text is the results page.

use std::fmt::Display;

/// A table that is printed row by row, as soon as each row is measured.
#[derive(Debug)]
pub(crate) struct Table;

impl Table {
    /// Prints title and column heads.
    pub(crate) fn begin(title: &str, note: &str, columns: &[&str]) -> Self {
        println!("\n## {title}\n");
        if !note.is_empty() {
            println!("{note}\n");
        }
        println!("| {} |", columns.join(" | "));
        println!("|{}", " --- |".repeat(columns.len()));
        Self
    }

    /// Prints one row.
    #[allow(clippy::unused_self, reason = "a row needs a table that has begun")]
    pub(crate) fn row(&self, cells: &[&dyn Display]) {
        let cells: Vec<String> = cells.iter().map(ToString::to_string).collect();
        println!("| {} |", cells.join(" | "));
    }
}

/// What a figure may be at most, or at least.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Limit {
    AtLeast(f64),
    AtMost(f64),
    None,
}

impl Limit {
    /// Returns the cell for the limit.
    pub(crate) fn text(self, unit: &str) -> String {
        match self {
            Self::AtLeast(limit) => format!("≥ {limit}{unit}"),
            Self::AtMost(limit) => format!("≤ {limit}{unit}"),
            Self::None => "–".to_owned(),
        }
    }

    /// Returns the mark for a figure.
    pub(crate) fn mark(self, figure: f64) -> &'static str {
        let met = match self {
            Self::AtLeast(limit) => figure >= limit,
            Self::AtMost(limit) => figure <= limit,
            Self::None => return "",
        };
        if met { "✓" } else { "**missed**" }
    }
}

/// Writes a time in the unit that suits it.
pub(crate) fn time(seconds: f64) -> String {
    match seconds {
        s if s >= 1.0 => format!("{s:.2} s"),
        s if s >= 1e-3 => format!("{:.2} ms", s * 1e3),
        s if s >= 1e-6 => format!("{:.2} µs", s * 1e6),
        s => format!("{:.0} ns", s * 1e9),
    }
}

/// Writes a number of bytes in MiB.
pub(crate) fn mebibytes(bytes: f64) -> String {
    format!("{:.1} MiB", bytes / f64::from(1 << 20))
}
