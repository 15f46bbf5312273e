//! What a person sees: one file for each thing that can be pointed at.
//!
//! In: files, a microphone, keys and clicks. Out: verdicts, as pictures, bars
//! and words. The page computes nothing of them: it hands files to the
//! [`engine`](crate::engine) and shows its answers, and so it can be there
//! before the engine is. All sentences are in [`words`], all state on the
//! [`desk`].

#![expect(unreachable_pub, reason = "`#[component]` writes a `pub` item for every component")]

mod browser;
mod colors;
mod decode;
mod desk;
mod download;
mod drop;
mod engine_status;
mod microphone;
mod model;
mod notes;
mod player;
mod results;
mod song;
mod spectrogram;
mod timeline;
mod track;
mod verdict;
mod words;
mod workers;

use leptos::mount::mount_to;
use leptos::prelude::*;
use wasm_bindgen::JsCast;

use desk::Desk;
use drop::DropZone;
use engine_status::EnginePanel;
use microphone::{Live, MicrophoneButton};
use model::ModelPanel;
use notes::{Connection, NewVersion, Notes};
use song::{Song, SongCard};
use timeline::Redraw;

/// Puts the page into `<div id="app">`, or into the body where there is none,
/// and starts loading the engine.
pub fn start() {
    console_error_panic_hook::set_once();
    colors::hand_to_stylesheet();
    let place = document().get_element_by_id("app").and_then(|place| place.dyn_into().ok());
    let Some(place) = place.or_else(|| document().body()) else { return };
    mount_to(place, App).forget();
}

#[component]
fn App() -> impl IntoView {
    let desk = Desk::new();
    provide_context(desk);
    provide_context(Redraw::listen());
    results::offer(desk);
    let hovering = drop::accept_drops(desk);
    // After the first paint, which needs none of it.
    request_animation_frame(move || desk.load());
    view! {
        <div class="sleeve" class:hovering=move || hovering.get()>
            <section class="front" aria-labelledby="name">
                <div class="disc" aria-hidden="true"></div>
                <h1 id="name">{words::NAME}</h1>
                <p class="tagline">{words::TAGLINE}</p>
                <DropZone hovering />
                <MicrophoneButton />
                <p class="quiet small">{words::PROMISE}</p>
            </section>
            <section class="songs" aria-labelledby="songs-heading">
                <NewVersion />
                <Connection />
                <Notes />
                <Songs />
            </section>
            <div class="back">
                <EnginePanel />
                <ModelPanel />
            </div>
        </div>
        <p class="unseen" role="status" aria-live="polite" data-testid="said">{desk.said}</p>
    }
}

/// Songs that have a verdict, that failed, that are still to come.
fn count(songs: &[Song]) -> (usize, usize, usize) {
    let mut counts = (0, 0, 0);
    for song in songs {
        match song.state.get().code() {
            "done" => counts.0 += 1,
            "failed" => counts.1 += 1,
            "queued" | "busy" => counts.2 += 1,
            _ => {}
        }
    }
    counts
}

/// The list of songs, or what one could do while there are none.
#[component]
fn Songs() -> impl IntoView {
    let desk = expect_context::<Desk>();
    let songs = desk.songs;
    let counts = Memo::new(move |_| songs.with(|songs| count(songs)));
    let summary = move || {
        let (heard, failed, left) = counts.get();
        words::summary(heard, failed, left)
    };
    let is_empty = Memo::new(move |_| songs.with(Vec::is_empty));
    let state = move || match (is_empty.get(), counts.get()) {
        (true, _) => "empty",
        (_, (_, _, left)) if left > 0 => "busy",
        (_, (_, failed, _)) if failed > 0 => "partly-failed",
        _ => "done",
    };
    view! {
        <header class="songs-head" data-testid="songs" data-state=state>
            <h2 id="songs-heading">{words::SONGS}</h2>
            <p class="quiet" data-testid="summary">{summary}</p>
            <div class="songs-actions">
                <button
                    class="quiet-button"
                    class:gone=move || counts.get().2 == 0
                    data-testid="stop-all"
                    on:click=move |_| desk.cancel_all()
                >
                    {words::STOP_ALL}
                </button>
                <button
                    class="quiet-button"
                    class:gone=move || { is_empty.get() || counts.get().2 > 0 }
                    data-testid="clear"
                    on:click=move |_| desk.clear()
                >
                    {words::CLEAR}
                </button>
            </div>
        </header>
        <Live />
        <Show when=move || is_empty.get()>
            <div class="empty" data-testid="empty">
                <h3>{words::NO_SONGS}</h3>
                <ol>{words::HOW_IT_GOES.into_iter().map(|step| view! { <li>{step}</li> }).collect_view()}</ol>
            </div>
        </Show>
        <ul class="song-list">
            <For each=move || songs.get() key=|song| song.id let:song>
                <SongCard song />
            </For>
        </ul>
    }
}
