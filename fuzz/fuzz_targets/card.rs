//! Any text as a model card.
#![no_main]

use libfuzzer_sys::fuzz_target;
use needledrop::network::card::ModelCard;

fuzz_target!(|text: &str| {
    let _ = ModelCard::from_json(text);
});
