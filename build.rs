//! What the linker does for the browser's code.
//!
//! The linker leaves the names of functions out, which are a quarter of what is
//! downloaded. wasm-bindgen warns that it then cannot see the target's features,
//! of which it needs none. `strip` in the profiles would do the same, and have
//! every dependency compiled once more for what only the linker does.
//!
//! In the page it says which part of the code needs which: by that,
//! `scripts/tools/wasm-bindgen` takes it apart.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|architecture| architecture == "wasm32") {
        println!("cargo::rustc-link-arg-bin=page=--emit-relocs");
        for program in ["page", "engine", "gpu"] {
            println!("cargo::rustc-link-arg-bin={program}=--strip-all");
        }
    }
}
