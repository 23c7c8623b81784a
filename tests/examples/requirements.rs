//! Prints the table of requirements: `cargo run -p keyward-tests --example requirements > REQUIREMENTS.md`

#![allow(clippy::print_stdout, reason = "it prints a document")]

fn main() {
    print!("{}", keyward_tests::requirements::document());
}
