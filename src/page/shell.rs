//! What stands around every view: the way from one to another, the language, the
//! presentation.
//!
//! In: the [`Router`]. Out: a navigation above the open view; the document's
//! title, the keyboard's place and the scrolling follow the view.

use gloo::events::EventListener;
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::JsCast;
use web_sys::{Element, Event, HtmlElement, HtmlSelectElement, KeyboardEvent};

use super::browser;
use super::desk::Desk;
use super::focus;
use super::microphone::Listening;
use super::views::{self, Router, View};
use super::words::{self, sentence, t};

/// What stands around every view.
#[component]
pub(crate) fn Shell() -> impl IntoView {
    let router = expect_context::<Router>();
    follow_view(router);
    follow_presentation(router);
    view! {
        <header class="shell">
            // No link: the address is the view's, and names no place in it.
            <button class="skip" on:click=move |_| heading().iter().for_each(focus::give)>{sentence("shell.skip")}</button>
            <nav aria-label=sentence("shell.views") data-testid="views">
                <a class="shell-name" href="#listen" tabindex="-1" aria-hidden="true">{words::NAME}</a>
                <ul>
                    {views::in_navigation()
                        .map(|entry| view! {
                            <li>
                                <a
                                    href=format!("#{}", entry.view.code())
                                    aria-current=move || (router.view.get() == entry.view).then_some("page")
                                >
                                    {sentence(entry.name)}
                                    {(entry.view == View::Listen).then(|| view! { <Lamp /> })}
                                </a>
                            </li>
                        })
                        .collect_view()}
                </ul>
                <Language />
                <button
                    class="quiet-button"
                    data-testid="present"
                    title=sentence("shell.present_hint")
                    on:click=move |_| present(router, true)
                >
                    {sentence("shell.present")}
                </button>
            </nav>
            <button class="quiet-button shell-leave" data-testid="leave" on:click=move |_| present(router, false)>
                {sentence("shell.leave")}
            </button>
        </header>
    }
}

/// The lamp that burns while the microphone is on, whatever view is open.
#[component]
fn Lamp() -> impl IntoView {
    let desk = expect_context::<Desk>();
    let is_on = Memo::new(move |_| desk.microphone.state.with(|state| matches!(state, Listening::On(_))));
    view! {
        <Show when=move || is_on.get()>
            <span class="on">
                <span class="lamp" aria-hidden="true"></span>
                <span class="unseen">{sentence("microphone.listening")}</span>
            </span>
        </Show>
    }
}

/// The choice of the language.
#[component]
fn Language() -> impl IntoView {
    let desk = expect_context::<Desk>();
    let choose = move |event: leptos::ev::Event| {
        let select: HtmlSelectElement = event_target(&event);
        let Some(language) = words::LANGUAGES.into_iter().find(|language| language.code == select.value())
        else {
            return;
        };
        spawn_local(async move {
            if words::choose(language).await.is_err() {
                desk.note(t!("shell.language_failed"));
                select.set_value(untrack(words::in_use).code);
            }
        });
    };
    view! {
        <select
            class="shell-language"
            aria-label=sentence("shell.language")
            data-testid="language"
            on:change=choose
            prop:value=move || words::in_use().code
        >
            {words::LANGUAGES
                .into_iter()
                .map(|language| view! {
                    <option
                        value=language.code
                        lang=language.code
                        selected=move || words::in_use() == language
                    >
                        {language.name}
                    </option>
                })
                .collect_view()}
        </select>
    }
}

/// Has title, keyboard and scrolling follow the view.
fn follow_view(router: Router) {
    let page = document().title();
    Effect::new(move |_| {
        let title = match router.view.get() {
            View::Listen => page.clone(),
            view => format!("{} · {page}", views::name(view).unwrap_or_default()),
        };
        document().set_title(&title);
    });
    Effect::new(move |before: Option<View>| {
        let view = router.view.get();
        request_animation_frame(show_in_navigation);
        if before.is_some_and(|before| before != view) {
            router.leave();
            // Once it has been put up.
            request_animation_frame(move || enter(router));
        }
        view
    });
}

/// Scrolls the navigation, where it has no room for all views, to the open one: all of it
/// on a phone, on a tablet its list.
fn show_in_navigation() {
    let Some(current) = document().query_selector(".shell [aria-current]").ok().flatten() else { return };
    let middle = |element: &Element| {
        let place = element.get_bounding_client_rect();
        place.left() + place.width() / 2.0
    };
    for scroller in ["ul", "nav"].into_iter().filter_map(|name| current.closest(name).ok().flatten()) {
        let beside = middle(&current) - middle(&scroller);
        scroller.set_scroll_left(scroller.scroll_left() + beside.round() as i32);
    }
}

/// Marks the document as long as the page is presented; Escape ends it.
fn follow_presentation(router: Router) {
    Effect::new(move |before: Option<bool>| {
        let presenting = router.presenting.get();
        if let Some(root) = document().document_element() {
            // The attribute's name is a valid one.
            let _ = root.toggle_attribute_with_force("data-presentation", presenting);
        }
        if before.unwrap_or(false) != presenting {
            // Canvases have another size now, as in another window.
            request_animation_frame(|| {
                if let Ok(resize) = Event::new("resize") {
                    // Nobody's listener is called that could throw.
                    let _ = window().dispatch_event(&resize);
                }
            });
        }
        presenting
    });
    EventListener::new(&window(), "keydown", move |event| {
        let escape = event.dyn_ref::<KeyboardEvent>().is_some_and(|event| event.key() == "Escape");
        if escape && !event.default_prevented() && router.presenting.get_untracked() {
            present(router, false);
        }
    })
    .forget();
}

/// Begins or ends the presentation, whose buttons hide each other.
fn present(router: Router, presenting: bool) {
    router.present(presenting);
    focus::hand_on([], if presenting { "[data-testid=leave]" } else { "[data-testid=present]" });
}

/// Gives the keyboard to the open view, if it has not been given it yet, and
/// scrolls there. A view without a heading is still to come.
pub(crate) fn enter(router: Router) {
    if let Some(heading) = heading()
        && router.enter()
    {
        focus::give_in_place(&heading);
        if let Some(opener) = router.opener() {
            focus::hand_back(heading, opener);
        }
        let place = router.scrolled_to();
        window().scroll_to_with_x_and_y(0.0, place);
        if router.view.get_untracked() == View::Library {
            spawn_local(follow_rows(router, place));
        }
    }
}

/// Milliseconds in which a list is as long again as it was when it was left.
const ROWS_COME: f64 = 600.0;

/// Scrolls on to `place`, in CSS pixels, while the library's rows come and the page grows. Whoever
/// scrolls up meanwhile, or goes on to another view, is left alone.
async fn follow_rows(router: Router, place: f64) {
    let scrolled_to = || window().scroll_y().unwrap_or(0.0);
    let start = browser::now();
    let mut reached = scrolled_to();
    while reached < place - 1.0 && browser::now() - start < ROWS_COME {
        browser::next_turn().await;
        if scrolled_to() < reached - 1.0 || router.view.get_untracked() != View::Library {
            return;
        }
        window().scroll_to_with_x_and_y(0.0, place);
        reached = scrolled_to();
    }
}

fn heading() -> Option<HtmlElement> {
    let heading = document().query_selector("main > :not([hidden]) :is(h1, h2)").ok().flatten();
    heading.map(JsCast::unchecked_into)
}
