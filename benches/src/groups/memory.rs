//! The largest resident memory of `get`.

use std::path::Path;

use super::Settings;
use crate::process::Program;
use crate::table::{Limit, Table, mebibytes};
use crate::vaults::{Vault, secret_name};

/// The hidden argument that makes this program measure the peak memory of another. A process of its
/// own does that because the kernel counts what a child had before it became the other program.
pub(crate) const ARGUMENT: &str = "--peak-memory";

/// What the hidden argument does: runs the rest of the command line and prints its peak in bytes.
pub(crate) fn print_peak(program: &str, arguments: &[String]) {
    #[allow(clippy::disallowed_methods, reason = "the program under test gets the environment made for it")]
    let variables = std::env::vars_os();
    let program = Program::new(program).with(arguments);
    let program =
        variables.fold(program, |program, (name, value)| program.variable(&name.to_string_lossy(), value));
    println!("{}", program.peak_memory());
}

/// Measures and prints the rows.
pub(crate) fn run(settings: &Settings) {
    let columns = ["row", "size", "peak", "sealed index", "limit", ""];
    let note = "The largest of five runs, as `wait4` reports it.";
    let table = Table::begin("Peak memory", note, &columns);
    for size in settings.sizes(&[10, 1_000, 10_000, 100_000]) {
        let vault = Vault::new(size);
        let index = vault.header().sealed_index_len as f64;
        let limit = match size {
            1_000 => Limit::AtMost(8.0 * MEBIBYTE),
            100_000 => Limit::AtMost(3.0 * index),
            _ => Limit::None,
        };
        let program = vault.keyward(&settings.keyward, &["get", secret_name(size / 2).as_str()]);
        let peak = peak_of(&program);
        let limit_text = match limit {
            Limit::AtMost(limit) => format!("≤ {}", mebibytes(limit)),
            _ => "–".to_owned(),
        };
        let (shown, index) = (mebibytes(peak), mebibytes(index));
        table.row(&[&"`get`", &format!("{size} secrets"), &shown, &index, &limit_text, &limit.mark(peak)]);
    }
}

fn peak_of(program: &Program) -> f64 {
    let this = std::env::current_exe().expect("a program knows its own path");
    let measured = program.clone().under(&this, &[ARGUMENT]);
    (0..5).map(|_| one_peak(&measured, &this)).fold(0.0, f64::max)
}

fn one_peak(measured: &Program, this: &Path) -> f64 {
    let output = measured.output();
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().unwrap_or_else(|_| {
        panic!("{} gives no figure: {}", this.display(), String::from_utf8_lossy(&output.stderr))
    })
}

const MEBIBYTE: f64 = 1_048_576.0;
