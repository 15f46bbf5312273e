//! What is said above the list: a new version, a lost connection, and sentences
//! that belong to no song.

use gloo::events::{EventListener, EventListenerOptions};
use js_sys::Function;
use leptos::prelude::*;
use wasm_bindgen::{JsCast, JsValue};

use super::browser;
use super::desk::{Desk, Download};
use super::focus;
use super::words::{self, sentence, t};

/// What holds of the whole page, whatever view is open.
#[derive(Clone, Copy)]
pub(crate) struct Standing {
    /// Whether a new version waits.
    new_version: RwSignal<bool>,
    /// Whether there is no connection.
    offline: RwSignal<bool>,
    /// Whether all of the page is kept for that.
    kept: RwSignal<bool>,
    /// Whether the person has said that the page may go.
    leaving: RwSignal<bool>,
}

impl Standing {
    /// Listens to the window for as long as the page lives.
    pub(crate) fn listen(desk: Desk) -> Self {
        // The start script may have known of a new version before this listens:
        // then the document says so.
        let root = document().document_element();
        let told = |attribute| root.as_ref().is_some_and(|root| root.has_attribute(attribute));
        let new_version = RwSignal::new(told("data-update"));
        follow("needledrop-update", true, new_version);
        let kept = RwSignal::new(told("data-offline"));
        follow("needledrop-offline", true, kept);
        let offline = RwSignal::new(!window().navigator().on_line());
        follow("offline", true, offline);
        follow("online", false, offline);
        let standing = Self { new_version, offline, kept, leaving: RwSignal::new(false) };
        // A region that comes with its sentence in it is not heard.
        Effect::new(move |_| {
            if new_version.get() {
                desk.say(untrack(|| t!("note.update")));
            }
        });
        let without = Memo::new(move |_| offline.get().then(|| standing.without_connection(desk)));
        Effect::new(move |_| {
            // What is on its way from the browser's own store is there in a moment.
            let is_coming = |download: RwSignal<Download>| {
                download.with(|download| matches!(download, Download::Waiting | Download::Coming(_)))
            };
            if let Some(key) = without.get()
                && !is_coming(desk.engine_download)
                && !is_coming(desk.model_download)
            {
                desk.say(untrack(|| words::say(key, &[])));
            }
        });
        Effect::new(move |_| {
            if !offline.get() {
                desk.reload_what_failed();
            }
        });
        let leaving = standing.leaving;
        let options = EventListenerOptions::enable_prevent_default();
        EventListener::new_with_options(&window(), "beforeunload", options, move |event| {
            if desk.would_lose_work() && !leaving.get_untracked() {
                event.prevent_default();
            }
        })
        .forget();
        standing
    }

    /// The key of what it means that there is no connection.
    fn without_connection(self, desk: Desk) -> &'static str {
        let is_here = |download: RwSignal<Download>| download.get() == Download::Here;
        match (is_here(desk.engine_download) && is_here(desk.model_download), self.kept.get()) {
            (false, _) => "note.offline_unloaded",
            (true, true) => "note.offline",
            (true, false) => "note.offline_opened",
        }
    }
}

/// A signal that follows an event of the window.
fn follow(event: &'static str, value: bool, signal: RwSignal<bool>) {
    EventListener::new(&window(), event, move |_| signal.set(value)).forget();
}

/// All that is said above what a view shows.
#[component]
pub(crate) fn Announcements() -> impl IntoView {
    view! {
        <NewVersion />
        <Connection />
        <Notes />
    }
}

/// Offers a new version of the page once the service worker holds one.
#[component]
fn NewVersion() -> impl IntoView {
    let desk = expect_context::<Desk>();
    let Standing { new_version: waiting, leaving, .. } = expect_context();
    let warned = RwSignal::new(false);
    let take = move |_| {
        if desk.would_lose() && !warned.get_untracked() {
            desk.say(t!("note.update_loses"));
            return warned.set(true);
        }
        leaving.set(true);
        if let Ok(take_over) = browser::property(&window(), "needledropTakeOver").dyn_into::<Function>() {
            // It reloads the page; what it may throw, the console shows.
            let _ = take_over.call0(&JsValue::UNDEFINED);
        }
    };
    view! {
        <Show when=move || waiting.get()>
            <p class="note" data-testid="update">
                <span>{move || if warned.get() { t!("note.update_loses") } else { t!("note.update") }}</span>
                <button class="quiet-button" data-testid="take-update" on:click=take>
                    {move || if warned.get() { t!("note.take_update_still") } else { t!("note.take_update") }}
                </button>
            </p>
        </Show>
    }
}

/// Says that there is no connection, and whether that matters.
#[component]
fn Connection() -> impl IntoView {
    let desk = expect_context::<Desk>();
    let standing: Standing = expect_context();
    view! {
        <Show when=move || standing.offline.get()>
            <p class="note" data-testid="offline">{move || words::say(standing.without_connection(desk), &[])}</p>
        </Show>
    }
}

/// Sentences that belong to no song, until they are dismissed.
#[component]
fn Notes() -> impl IntoView {
    let desk = expect_context::<Desk>();
    let notes = desk.notes;
    let dismiss = move |_| {
        notes.set(Vec::new());
        focus::hand_on([], focus::HEADING);
    };
    move || {
        notes.with(|notes| !notes.is_empty()).then(|| {
            view! {
                <div class="note" data-testid="notes">
                    <ul>{notes.get().into_iter().map(|note| view! { <li>{note}</li> }).collect_view()}</ul>
                    <button class="quiet-button" on:click=dismiss>
                        {sentence("note.dismiss")}
                    </button>
                </div>
            }
        })
    }
}
