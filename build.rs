//! What the linker does for the browser's code, and the lesson as HTML.
//!
//! The linker leaves the names of functions out, which are a quarter of what is
//! downloaded. wasm-bindgen warns that it then cannot see the target's features,
//! of which it needs none. `strip` in the profiles would do the same, and have
//! every dependency compiled once more for what only the linker does.
//!
//! In the page it says which part of the code needs which: by that,
//! `scripts/tools/wasm-bindgen` takes it apart.

#![allow(clippy::expect_used, reason = "a build stops at what is not as it should be")]

use std::env;

/// `docs/lesson.md` as the page shows it, into `lesson.html`: what reads like the
/// address of a view leads there; links to other documents, which the page does not
/// have, are their words alone.
#[cfg(feature = "page")]
fn write_lesson() {
    use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};
    use std::{fs, path::Path};

    println!("cargo::rerun-if-changed=docs/lesson.md");
    let markdown = fs::read_to_string("docs/lesson.md").expect("docs/lesson.md is a part of the page");
    let events = Parser::new_ext(&markdown, Options::ENABLE_TABLES).filter_map(|event| match event {
        Event::Code(code) if code.starts_with('#') => {
            let address = CowStr::from(format!(r#"<a href="{code}"><code>{code}</code></a>"#));
            Some(Event::InlineHtml(address))
        }
        Event::Start(Tag::Link { .. }) | Event::End(TagEnd::Link) => None,
        other => Some(other),
    });
    let mut text = String::new();
    html::push_html(&mut text, events);
    let folder = env::var_os("OUT_DIR").expect("cargo says where to write");
    fs::write(Path::new(&folder).join("lesson.html"), text).expect("cargo's folder can be written to");
}

fn main() {
    #[cfg(feature = "page")]
    write_lesson();
    println!("cargo::rerun-if-changed=build.rs");
    if env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|architecture| architecture == "wasm32") {
        println!("cargo::rustc-link-arg-bin=page=--emit-relocs");
        for program in ["page", "engine", "gpu"] {
            println!("cargo::rustc-link-arg-bin={program}=--strip-all");
        }
    }
}
