//! Leaves the names of functions out of the browser's code: half a megabyte of
//! the page and more of the engine.
//!
//! `strip` in the profile would have every dependency compiled anew for what
//! only the linker does.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|architecture| architecture == "wasm32") {
        for program in ["page", "engine"] {
            println!("cargo::rustc-link-arg-bin={program}=--strip-all");
        }
    }
}
