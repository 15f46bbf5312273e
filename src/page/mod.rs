//! What a person sees: one file for each thing that can be pointed at.
//!
//! In: files, a microphone, keys and clicks. Out: verdicts, as pictures, bars
//! and words. The page computes nothing of them: it hands files to the
//! [`engine`](crate::engine) and shows its answers, and so it can be there
//! before the engine is. All sentences are in [`words`], all state on the
//! [`desk`], all that is put up beside the list of songs in [`views`].

#![expect(unreachable_pub, reason = "`#[component]` writes a `pub` item for every component")]

mod app;
mod browser;
mod canvas;
mod closer;
mod colors;
mod css;
mod data;
mod decode;
mod desk;
mod download;
mod drop;
mod engine_status;
mod experiments;
mod focus;
mod folded;
mod history;
mod inside;
mod keeper;
mod later;
mod lesson;
mod library;
mod map;
mod microphone;
mod model;
mod notes;
mod picture;
mod player;
mod result;
mod results;
mod save;
mod shell;
mod song;
mod spectrogram;
mod stack;
mod store;
mod teach;
mod timeline;
mod track;
mod verdict;
mod views;
mod words;
mod workers;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use leptos::mount::mount_to;
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::JsCast;

use desk::Desk;
use drop::DropZone;
use engine_status::EnginePanel;
use history::HistoryOfSound;
use microphone::{Listening, Live, MicrophoneButton};
use model::ModelPanel;
use notes::{Announcements, Standing};
use shell::Shell;
use song::{Song, SongCard};
use timeline::Redraw;
use views::{Router, View};
use words::{sentence, t};

/// How long the page waits for the words of its reader's language before it
/// begins in English.
const WORDS_WITHIN: Duration = Duration::from_millis(1500);

/// Puts the page into `<div id="app">`, or into the body where there is none,
/// and starts loading the engine.
pub fn start() {
    console_error_panic_hook::set_once();
    colors::hand_to_stylesheet();
    let language = words::preferred();
    if language == words::in_use() {
        return put_up();
    }
    let waiting = Rc::new(Cell::new(true));
    let put_up_once = move || {
        if waiting.replace(false) {
            put_up();
        }
    };
    set_timeout(put_up_once.clone(), WORDS_WITHIN);
    // Leptos has no executor of its own before it is mounted.
    wasm_bindgen_futures::spawn_local(async move {
        // Without its words the page speaks English.
        let _ = words::speak(language).await;
        put_up_once();
    });
}

/// Takes the place of what stood there before the page's code had come.
fn put_up() {
    let place = document().get_element_by_id("app").and_then(|place| place.dyn_into().ok());
    let Some(place) = place.or_else(|| document().body()) else { return };
    mount_to(place, App).forget();
    words::mark_document();
    if let Some(boot) = document().get_element_by_id("boot") {
        boot.remove();
    }
}

#[component]
fn App() -> impl IntoView {
    let desk = Desk::new();
    let router = Router::follow();
    provide_context(desk);
    provide_context(router);
    provide_context(Redraw::listen());
    provide_context(Standing::listen(desk));
    results::offer(desk);
    let hovering = drop::accept_drops(desk);
    Effect::new(move || {
        desk.keeper.state.track();
        // Not once more in every language.
        untrack(|| desk.warn_of_recordings());
    });
    // After the first paint, which needs none of it.
    request_animation_frame(move || {
        desk.load();
        spawn_local(desk.keeper.open(desk));
        app::take_from_system(desk);
    });
    let listening = Memo::new(move |_| router.view.get() == View::Listen);
    let wants_papers = Memo::new(move |_| router.wants_papers_model());
    Effect::new(move |_| {
        if wants_papers.get() {
            desk.load_papers_model();
        }
    });
    view! {
        <Shell />
        <main class:hovering=move || hovering.get()>
            // It stays put up, so that its list is as it was when one comes back.
            <div class="sleeve" hidden=move || !listening.get() data-view="listen">
                <section class="front" aria-labelledby="name">
                    <div class="disc" aria-hidden="true"></div>
                    <h1 id="name">{words::NAME}</h1>
                    <p class="tagline">{sentence("listen.tagline")}</p>
                    <DropZone hovering />
                    <MicrophoneButton />
                    <p class="quiet small">{sentence("listen.promise")}</p>
                </section>
                <section class="songs" aria-labelledby="songs-heading">
                    <Show when=move || listening.get()><Announcements /></Show>
                    <Songs />
                </section>
                <div class="back">
                    <EnginePanel />
                    <ModelPanel />
                </div>
            </div>
            <Show when=move || !listening.get()>
                <div class="view-notes"><Announcements /></div>
            </Show>
            {move || views::show(router.view.get())}
        </main>
        <p class="unseen" role="status" aria-live="polite" data-testid="said">{desk.said}</p>
    }
}

/// How many songs are how far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Counts {
    /// They have a verdict.
    heard: usize,
    /// They wait, or are being heard.
    left: usize,
    /// They cannot be heard.
    failed: usize,
    /// Somebody stopped them.
    stopped: usize,
}

impl Counts {
    fn of(songs: &[Song]) -> Self {
        let mut counts = Self::default();
        for song in songs {
            match song.state.get().code() {
                "done" => counts.heard += 1,
                "failed" => counts.failed += 1,
                "queued" | "busy" => counts.left += 1,
                _ => counts.stopped += 1,
            }
        }
        counts
    }
}

/// The list of songs, or what one could do while there are none.
#[component]
fn Songs() -> impl IntoView {
    let desk = expect_context::<Desk>();
    let songs = desk.songs;
    let counts = Memo::new(move |_| songs.with(|songs| Counts::of(songs)));
    let is_gathering = move || desk.gathering.get() > 0;
    let summary = move || {
        let counts = counts.get();
        if counts.left == 0 && is_gathering() { t!("data.coming") } else { words::summary(counts) }
    };
    let is_empty = Memo::new(move |_| songs.with(Vec::is_empty));
    // What sounds now, or did, is on the turntable.
    let has_listened = Memo::new(move |_| {
        desk.microphone.state.with(Listening::is_shown)
            || desk.microphone.history.with(|history| !history.is_empty())
    });
    let state = move || match (is_empty.get(), counts.get()) {
        (true, _) => "empty",
        (_, Counts { left: 1.., .. }) => "busy",
        (_, Counts { failed: 1.., .. }) => "partly-failed",
        _ => "done",
    };
    view! {
        <header class="songs-head" data-testid="songs" data-state=state>
            <h2 id="songs-heading">{sentence("songs.heading")}</h2>
            <p class="quiet" data-testid="summary">{summary}</p>
            <div class="songs-actions">
                <button
                    class="quiet-button"
                    class:gone=move || counts.get().left == 0 && !is_gathering()
                    data-testid="stop-all"
                    on:click=move |_| {
                        desk.cancel_all();
                        focus::hand_on(["[data-testid=clear]".to_owned()], "#songs-heading");
                    }
                >
                    {sentence("songs.stop_all")}
                </button>
                <button
                    class="quiet-button"
                    class:gone=move || { is_empty.get() || counts.get().left > 0 }
                    data-testid="clear"
                    on:click=move |_| {
                        desk.clear();
                        focus::hand_on([], "#songs-heading");
                    }
                >
                    {sentence("songs.clear")}
                </button>
            </div>
        </header>
        <Live />
        <HistoryOfSound />
        <Show when=move || is_empty.get() && !has_listened.get()>
            <div class="empty" data-testid="empty">
                <h3>{sentence("songs.empty")}</h3>
                <ol>
                    {["songs.step_drop", "songs.step_picture", "songs.step_band"]
                        .map(|step| view! { <li>{sentence(step)}</li> })
                        .into_iter()
                        .collect_view()}
                </ol>
            </div>
        </Show>
        <ul class="song-list">
            <For each=move || songs.get() key=|song| song.id let:song>
                <SongCard song />
            </For>
        </ul>
    }
}
