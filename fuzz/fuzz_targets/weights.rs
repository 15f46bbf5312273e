//! Any bytes as a model.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| needledrop_fuzz::weights(bytes));
