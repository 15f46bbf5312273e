//! Leaves the names of functions out of the browser's code: they are a quarter
//! of what is downloaded. wasm-bindgen warns that it then cannot see the target's
//! features, of which it needs none.
//!
//! `strip` in the profiles would do the same, and have every dependency compiled
//! once more for what only the linker does.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|architecture| architecture == "wasm32") {
        for program in ["page", "engine"] {
            println!("cargo::rustc-link-arg-bin={program}=--strip-all");
        }
    }
}
