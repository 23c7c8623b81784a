//! Sessions at rest and their refresh: the sealed file, the rules of one refresh, many processes at once, processes
//! that are killed, disks that fail.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod bad_days;
mod crashes;
mod disk;
mod file;
mod model;
mod process;
mod races;
mod real_provider;
mod records;
mod refreshing;
mod sample;
mod server;
