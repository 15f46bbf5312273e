//! The lesson of 45 minutes, to read and to print.
//!
//! In: `docs/lesson.md` and its translations, of which `build.rs` made HTML. Out: a
//! view of the one in the language in use, or in English where there is none, in
//! which the addresses that it names can be followed.

use leptos::prelude::*;

use super::words::{in_use, sentence};

/// Languages and their lessons, English first.
const LESSONS: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/lessons.rs"));

/// The view.
#[component]
pub(crate) fn LessonView() -> impl IntoView {
    // The browser's own dialog; one that has none does nothing.
    let print = |_| drop(window().print());
    let lesson = || LESSONS.iter().find(|(language, _)| *language == in_use().code).unwrap_or(&LESSONS[0]);
    view! {
        <div class="view lesson" data-view="lesson" data-testid="lesson">
            <p class="controls">
                <button class="quiet-button" data-testid="print" on:click=print>{sentence("lesson.print")}</button>
            </p>
            <article lang=move || lesson().0 inner_html=move || lesson().1></article>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::super::words::LANGUAGES;
    use super::*;

    /// The tags that make up the lesson, those of emphasis left out; of an address
    /// what stands before its parameters.
    fn tags(html: &str) -> Vec<&str> {
        let tags = html.split('<').skip(1).filter_map(|tag| tag.split(['>', '?']).next());
        tags.filter(|tag| !["em", "strong"].contains(&tag.trim_start_matches('/'))).collect()
    }

    #[test]
    fn every_language_has_the_same_lesson() {
        assert_eq!(LESSONS[0].0, "en");
        for language in LANGUAGES {
            let lesson = LESSONS.iter().find(|(code, _)| *code == language.code);
            let (_, html) = lesson.unwrap_or_else(|| panic!("docs has no lesson in {}", language.name));
            assert_eq!(tags(html), tags(LESSONS[0].1), "{}", language.name);
        }
    }

    #[test]
    fn what_reads_like_an_address_leads_to_its_view() {
        for (language, html) in LESSONS {
            assert_eq!(html.matches("<h1>").count(), 1, "{language}");
            assert!(html.contains("<table>") && html.contains("<blockquote>"), "{language}");
            let addresses: Vec<&str> = html.split("href=\"").skip(1).collect();
            assert!(addresses.len() > 5, "{language}: {addresses:?}");
            for address in addresses {
                let view = address.strip_prefix('#').and_then(|rest| rest.split(['"', '?']).next());
                assert!(view.is_some_and(super::super::views::is_view), "{language}: {address}");
            }
        }
    }
}
