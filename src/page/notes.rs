//! What is said above the list: a new version, a lost connection, and sentences
//! that belong to no song.

use gloo::events::EventListener;
use js_sys::Function;
use leptos::prelude::*;
use wasm_bindgen::{JsCast, JsValue};

use super::desk::{Desk, Download};
use super::{browser, words};

/// A signal that follows an event of the window.
fn follow(event: &'static str, value: bool, signal: RwSignal<bool>) {
    EventListener::new(&window(), event, move |_| signal.set(value)).forget();
}

/// Offers a new version of the page once the service worker holds one.
#[component]
pub(crate) fn NewVersion() -> impl IntoView {
    // The start script may have known before this listens: then the document
    // says so.
    let root = document().document_element();
    let waiting = RwSignal::new(root.is_some_and(|root| root.has_attribute("data-update")));
    follow("needledrop-update", true, waiting);
    let take = move |_| {
        if let Ok(take_over) = browser::property(&window(), "needledropTakeOver").dyn_into::<Function>() {
            // It reloads the page; what it may throw, the console shows.
            let _ = take_over.call0(&JsValue::UNDEFINED);
        }
    };
    view! {
        <Show when=move || waiting.get()>
            <p class="note" role="status" data-testid="update">
                <span>{words::UPDATE}</span>
                <button class="quiet-button" data-testid="take-update" on:click=take>{words::TAKE_UPDATE}</button>
            </p>
        </Show>
    }
}

/// Says that there is no connection, and whether that matters.
#[component]
pub(crate) fn Connection() -> impl IntoView {
    let desk = expect_context::<Desk>();
    let offline = RwSignal::new(!window().navigator().on_line());
    follow("offline", true, offline);
    follow("online", false, offline);
    Effect::new(move |_| {
        if !offline.get() {
            desk.reload_what_failed();
        }
    });
    let here =
        move || desk.engine_download.get() == Download::Here && desk.model_download.get() == Download::Here;
    view! {
        <Show when=move || offline.get()>
            <p class="note" role="status" data-testid="offline">
                {move || if here() { words::OFFLINE } else { words::OFFLINE_UNLOADED }}
            </p>
        </Show>
    }
}

/// Sentences that belong to no song, until they are dismissed.
#[component]
pub(crate) fn Notes() -> impl IntoView {
    let desk = expect_context::<Desk>();
    let notes = desk.notes;
    move || {
        notes.with(|notes| !notes.is_empty()).then(|| {
            view! {
                <div class="note" data-testid="notes">
                    <ul>{notes.get().into_iter().map(|note| view! { <li>{note}</li> }).collect_view()}</ul>
                    <button class="quiet-button" on:click=move |_| notes.set(Vec::new())>{words::DISMISS}</button>
                </div>
            }
        })
    }
}
