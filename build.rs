//! What the linker does for the browser's code, and the lessons as HTML.
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

/// The lesson of every language that has one, as the page shows it, into `lessons.rs`:
/// pairs of the language and its HTML. English, `docs/lesson.md`, is the first; others
/// are `docs/lesson.es.md` and the like.
#[cfg(feature = "page")]
fn write_lessons() {
    use std::{fs, path::Path};

    // Not `docs`, of which every change would then compile the page anew.
    println!("cargo::rerun-if-changed=www/language");
    let mut lessons = Vec::new();
    for entry in fs::read_dir("www/language").expect("the languages stand in www/language") {
        let path = entry.expect("a folder can be listed").path();
        let Some(language) = path.file_stem().and_then(|name| name.to_str()) else { continue };
        let file =
            if language == "en" { "docs/lesson.md".into() } else { format!("docs/lesson.{language}.md") };
        println!("cargo::rerun-if-changed={file}");
        if let Ok(markdown) = fs::read_to_string(file) {
            lessons.push((language.to_owned(), html_of_lesson(&markdown)));
        }
    }
    lessons.sort_by_key(|(language, _)| (language != "en", language.clone()));
    let folder = env::var_os("OUT_DIR").expect("cargo says where to write");
    fs::write(Path::new(&folder).join("lessons.rs"), format!("{lessons:?}"))
        .expect("cargo's folder can be written to");
}

/// A lesson in Markdown as HTML: what reads like the address of a view leads there;
/// links to other documents, which the page does not have, are their words alone.
#[cfg(feature = "page")]
fn html_of_lesson(markdown: &str) -> String {
    use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};

    let events = Parser::new_ext(markdown, Options::ENABLE_TABLES).filter_map(|event| match event {
        Event::Code(code) if code.starts_with('#') => {
            let address = CowStr::from(format!(r#"<a href="{code}"><code>{code}</code></a>"#));
            Some(Event::InlineHtml(address))
        }
        Event::Start(Tag::Link { .. }) | Event::End(TagEnd::Link) => None,
        other => Some(other),
    });
    let mut text = String::new();
    html::push_html(&mut text, events);
    text
}

fn main() {
    #[cfg(feature = "page")]
    write_lessons();
    println!("cargo::rerun-if-changed=build.rs");
    if env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|architecture| architecture == "wasm32") {
        println!("cargo::rustc-link-arg-bin=page=--emit-relocs");
        for program in ["page", "engine", "gpu"] {
            println!("cargo::rustc-link-arg-bin={program}=--strip-all");
        }
    }
}
