//! The local file store: its cycle, its writers, what it refuses, and what a failing disk does to it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod anchor;
mod attacks;
mod cycle;
mod disk;
mod place;
mod process;
mod sample;
mod single;
mod writers;
