//! Whole files, sealed with a known key round any plaintext.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vault_core::fuzzing;

fuzz_target!(|bytes: &[u8]| {
    fuzzing::sealed(bytes);
});
