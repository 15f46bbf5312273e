//! The lesson of 45 minutes, to read and to print.
//!
//! In: `www/data/lesson.en.html` and its translations, which are `docs/lesson.md` and its own as
//! HTML (`tests/lesson.rs`). Out: a view of the one in the language in use, in which the addresses
//! that it names can be followed.

use std::sync::Arc;

use leptos::prelude::*;

use super::data::with_data;
use super::shell;
use super::views::Router;
use super::words::{in_use, sentence};

/// The view.
#[component]
pub(crate) fn LessonView() -> impl IntoView {
    // A host may answer with something else than what it lacks.
    let read = |html: &str| match html.starts_with("<h1>") {
        true => Ok(html.to_owned()),
        false => Err("no <h1>".to_owned()),
    };
    view! {
        <div class="view lesson" data-view="lesson" data-testid="lesson">
            {move || with_data(in_use().lesson, "lesson.data", read, shown, failed)}
        </div>
    }
}

fn shown(html: Arc<String>) -> AnyView {
    enter_soon();
    // The browser's own dialog; one that has none does nothing.
    let print = |_| drop(window().print());
    view! {
        <p class="controls">
            <button class="quiet-button" data-testid="print" on:click=print>{sentence("lesson.print")}</button>
        </p>
        <article lang=in_use().code inner_html=html.to_string()></article>
    }
    .into_any()
}

/// The heading that would have come with it.
fn failed() -> AnyView {
    enter_soon();
    view! { <h1>{sentence("view.lesson")}</h1> }.into_any()
}

/// Enters the view once its heading, which is about to come, is there.
fn enter_soon() {
    let router = expect_context::<Router>();
    request_animation_frame(move || shell::enter(router));
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::super::{views::is_view, words::LANGUAGES};

    #[test]
    fn what_reads_like_an_address_leads_to_its_view() {
        for language in LANGUAGES {
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("www/data").join(language.lesson);
            let html =
                fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            assert!(html.starts_with("<h1>"), "{}", language.code);
            let addresses: Vec<&str> = html.split("href=\"").skip(1).collect();
            assert!(addresses.len() > 5, "{}: {addresses:?}", language.code);
            for address in addresses {
                let view = address.strip_prefix('#').and_then(|rest| rest.split(['"', '?']).next());
                assert!(view.is_some_and(is_view), "{}: {address}", language.code);
            }
        }
    }
}
