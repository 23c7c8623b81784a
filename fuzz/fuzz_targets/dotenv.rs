//! `.env` files, and the models of their other readers.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vault_core::fuzzing;

fuzz_target!(|bytes: &[u8]| {
    fuzzing::dotenv(bytes);
});
