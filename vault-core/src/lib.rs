//! The sealed vault of keyward: secret types, cryptography, file format, key slots and key sources,
//! storage, and the check whether credentials are there.
//!
//! The crate never prints, prompts or exits, opens no network socket and reads no wall clock: time is
//! an argument. Only the env key source reads the environment, and the keyring's the address of its bus.
//!
//! Modules stand in order of dependence: each uses only those above it.

pub mod harden;

pub mod secret;

pub mod name;

pub mod input;

mod disk;

pub mod toml_text;

mod checked_text;

pub mod workspace_file;

pub mod provider;

pub mod connection;

pub mod crypto;

pub mod format;

pub mod slot;

pub mod source;

pub mod secret_like;

pub mod store;

pub mod vault;

pub mod dotenv;

pub mod json;

pub mod export;

pub mod creds;

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
