//! The lesson of 45 minutes, to read and to print.
//!
//! In: `docs/lesson.md`, as it stands beside the page. Out: the same as a view,
//! where the addresses it names can be followed.

use std::sync::Arc;

use leptos::prelude::*;
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};

use super::data::with_data;
use super::shell;
use super::views::Router;
use super::words::sentence;

/// `markdown` as HTML. What reads like the address of a view leads there; links to
/// other documents, which the page does not have, are their words alone.
fn to_html(markdown: &str) -> String {
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

/// The view.
#[component]
pub(crate) fn LessonView() -> impl IntoView {
    // The browser's own dialog; one that has none does nothing.
    let print = |_| drop(window().print());
    view! {
        <div class="view lesson" data-view="lesson" data-testid="lesson">
            <p class="controls">
                <button class="quiet-button" data-testid="print" on:click=print>{sentence("lesson.print")}</button>
            </p>
            {with_data("lesson.md", "lesson.data", |markdown| Ok(to_html(markdown)), shown)}
        </div>
    }
}

fn shown(lesson: Arc<String>) -> AnyView {
    // Its heading has come with it.
    let router = expect_context::<Router>();
    request_animation_frame(move || shell::enter(router));
    // It is written in English.
    view! { <article lang="en" inner_html=lesson.to_string()></article> }.into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_views_are_links_and_other_documents_are_not() {
        let html = to_html("Open `#inside?stage=mel`, `make run` or [the class](classroom.md).");
        assert_eq!(
            html,
            "<p>Open <a href=\"#inside?stage=mel\"><code>#inside?stage=mel</code></a>, \
             <code>make run</code> or the class.</p>\n"
        );
    }

    #[test]
    fn the_lesson_has_one_heading_of_its_own_and_names_only_views_that_there_are() {
        let lesson = to_html(include_str!("../../docs/lesson.md"));
        assert_eq!(lesson.matches("<h1>").count(), 1);
        assert!(lesson.contains("<table>") && lesson.contains("<blockquote>"));
        let addresses: Vec<&str> =
            lesson.split("href=\"#").skip(1).filter_map(|rest| rest.split(['"', '?']).next()).collect();
        assert!(addresses.len() > 5, "{addresses:?}");
        for address in addresses {
            assert!(super::super::views::is_view(address), "#{address}");
        }
    }
}
