//! Any bytes as a sound file.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| needledrop_fuzz::decode(bytes));
