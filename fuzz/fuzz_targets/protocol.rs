//! Any text as a message between the page and its workers.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| needledrop_fuzz::protocol(text));
