//! The encoded connections at the end of an index.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vault_core::fuzzing;

fuzz_target!(|bytes: &[u8]| {
    fuzzing::connections(bytes);
});
