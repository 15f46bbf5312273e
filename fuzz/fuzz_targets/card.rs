//! Any text as a model card.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| needledrop_fuzz::card(text));
