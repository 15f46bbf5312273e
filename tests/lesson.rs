//! The lesson as the page shows it: HTML of `docs/lesson.md` and its translations, which stands in
//! `www/data`.
//!
//! `NEEDLEDROP_RENEW=1 cargo test --test lesson` writes it anew.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may stop as tests may")]

use std::{env, fs, path::Path};

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};

/// The languages of the page.
fn languages() -> Vec<String> {
    let files = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("www/language")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter_map(|name| name.strip_suffix(".json").map(str::to_owned)).collect()
}

/// A lesson in Markdown as HTML: what reads like the address of a view leads there;
/// links to other documents, which the page does not have, are their words alone.
fn html_of(markdown: &str) -> String {
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

/// What the page has of a language.
fn shown(language: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(root.join(format!("www/data/lesson.{language}.html"))).unwrap_or_default()
}

/// The tags that make up the lesson, those of emphasis left out; of an address
/// what stands before its parameters.
fn tags(html: &str) -> Vec<&str> {
    let tags = html.split('<').skip(1).filter_map(|tag| tag.split(['>', '?']).next());
    tags.filter(|tag| !["em", "strong"].contains(&tag.trim_start_matches('/'))).collect()
}

#[test]
fn the_page_shows_the_lessons_of_docs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for language in &languages() {
        let name = if language == "en" { "lesson.md".to_owned() } else { format!("lesson.{language}.md") };
        let markdown = fs::read_to_string(root.join("docs").join(&name));
        let html = html_of(&markdown.unwrap_or_else(|error| panic!("docs/{name}: {error}")));
        if env::var_os("NEEDLEDROP_RENEW").is_some() {
            fs::write(root.join(format!("www/data/lesson.{language}.html")), &html).unwrap();
        }
        assert!(
            shown(language) == html,
            "docs/{name} was changed: run `NEEDLEDROP_RENEW=1 cargo test --test lesson`"
        );
    }
}

#[test]
fn every_language_has_the_same_lesson() {
    let english = shown("en");
    assert_eq!(english.matches("<h1>").count(), 1);
    assert!(english.contains("<table>") && english.contains("<blockquote>"));
    assert!(english.matches("href=\"#").count() > 5 && !english.contains("href=\"http"), "{english}");
    for language in &languages() {
        assert_eq!(tags(&shown(language)), tags(&english), "{language}");
    }
}
