//! Measures keyward and prints the tables of `RESULTS.md`:
//!
//! ```text
//! cargo run --release -p keyward-benches [-- [--quick] [GROUP…]]
//! ```
//!
//! The release binary is built first. Whole processes are multiples of `/bin/true`, taken in turn. The
//! peers' figures stand in the tables as facts: they were measured on a 2-core Linux machine in November 2026.

mod bare;
mod groups;
mod machine;
mod process;
mod rounds;
mod sessions;
mod statistics;
mod table;
mod vaults;

use std::process::ExitCode;

use groups::{ALL, Group, Settings};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [bare::ARGUMENT, path, length] => bare::run(path, length),
        [groups::PEAK_ARGUMENT, program, ..] => groups::print_peak(program, &arguments[2..]),
        [groups::RATE_ARGUMENT] => groups::print_rate(),
        [groups::CLIENT_ARGUMENT, strategy, address, path] => groups::be_client(strategy, address, path),
        [machine::SCHEDULED, rest @ ..] => return measure(rest, true),
        rest => {
            let Some((_, chosen)) = chosen(rest) else { return usage() };
            if chosen.iter().any(Group::needs_binary) {
                machine::build_keyward();
            }
            machine::schedule(&arguments);
            return measure(rest, false);
        }
    }
    ExitCode::SUCCESS
}

/// Runs the groups that the arguments name.
fn measure(arguments: &[&str], scheduled: bool) -> ExitCode {
    let Some((quick, chosen)) = chosen(arguments) else { return usage() };
    let named = if arguments.is_empty() { String::new() } else { format!(" -- {}", arguments.join(" ")) };
    machine::describe(&format!("cargo run --release -p keyward-benches{named}"), scheduled);
    let settings = Settings { keyward: machine::keyward(), quick };
    chosen.iter().for_each(|group| (group.run)(&settings));
    ExitCode::SUCCESS
}

/// Reads the arguments: whether to be quick, and which groups; `None` for an unknown word.
fn chosen(arguments: &[&str]) -> Option<(bool, Vec<Group>)> {
    let named: Vec<&str> = arguments.iter().copied().filter(|argument| *argument != QUICK).collect();
    let find = |name: &&str| ALL.into_iter().find(|group| group.name == *name);
    let groups: Vec<Group> = match named.as_slice() {
        [] => ALL.into_iter().filter(|group| group.usual).collect(),
        named => named.iter().map(find).collect::<Option<_>>()?,
    };
    Some((named.len() < arguments.len(), groups))
}

fn usage() -> ExitCode {
    let names: Vec<&str> = ALL.iter().map(|group| group.name).collect();
    eprintln!("usage: keyward-benches [{QUICK}] [GROUP…]\ngroups: {}", names.join(" "));
    ExitCode::from(2)
}

const QUICK: &str = "--quick";
