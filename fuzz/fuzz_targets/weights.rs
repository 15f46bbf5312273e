//! Any bytes as a model; one that is understood comes back as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use needledrop::network::weights::{Precision, Weights};

fuzz_target!(|bytes: &[u8]| {
    let Ok(weights) = Weights::from_bytes(bytes) else { return };
    let Ok(written) = weights.to_bytes(Precision::F32) else { return };
    assert_eq!(Weights::from_bytes(&written).ok(), Some(weights));
});
