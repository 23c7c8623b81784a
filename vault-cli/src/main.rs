//! The `keyward` binary.

#![allow(dead_code, reason = "no command uses these modules yet")]

mod child;
mod environment;

fn main() {}
