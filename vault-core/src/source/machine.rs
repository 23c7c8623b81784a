//! The machine source: a slot key derived from a random seed in a file of this machine and from the
//! hostname.

mod hostname;

pub use self::hostname::{Hostname, canonical_hostname};
