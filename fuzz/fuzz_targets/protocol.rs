//! Any text as a message; one that is understood comes back as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use needledrop::engine::protocol::{Reply, Request, read, write};
use serde::{Serialize, de::DeserializeOwned};

fn there_and_back<T: Serialize + DeserializeOwned>(text: &str) {
    let Ok(message) = read::<T>(text) else { return };
    let Ok(written) = write(&message) else { return };
    let again = read::<T>(&written).and_then(|message| write(&message));
    assert_eq!(again.ok(), Some(written));
}

fuzz_target!(|text: &str| {
    there_and_back::<Request>(text);
    there_and_back::<Reply>(text);
});
