//! Headers, as they are and with a hash that fits.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vault_core::fuzzing;

fuzz_target!(|bytes: &[u8]| {
    fuzzing::header(bytes);
});
