//! The lesson of 45 minutes, to read and to print.
//!
//! In: `docs/lesson.md`, of which `build.rs` made HTML. Out: a view where the
//! addresses that it names can be followed.

use leptos::prelude::*;

use super::words::sentence;

const LESSON: &str = include_str!(concat!(env!("OUT_DIR"), "/lesson.html"));

/// The view.
#[component]
pub(crate) fn LessonView() -> impl IntoView {
    // The browser's own dialog; one that has none does nothing.
    let print = |_| drop(window().print());
    // It is written in English.
    view! {
        <div class="view lesson" data-view="lesson" data-testid="lesson">
            <p class="controls">
                <button class="quiet-button" data-testid="print" on:click=print>{sentence("lesson.print")}</button>
            </p>
            <article lang="en" inner_html=LESSON></article>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reads_like_an_address_leads_to_its_view() {
        assert_eq!(LESSON.matches("<h1>").count(), 1);
        assert!(LESSON.contains("<table>") && LESSON.contains("<blockquote>"));
        let addresses: Vec<&str> = LESSON.split("href=\"").skip(1).collect();
        assert!(addresses.len() > 5, "{addresses:?}");
        for address in addresses {
            let view = address.strip_prefix('#').and_then(|rest| rest.split(['"', '?']).next());
            assert!(view.is_some_and(super::super::views::is_view), "{address}");
        }
    }
}
