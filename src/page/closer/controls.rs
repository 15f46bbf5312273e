//! Zoom and loop, as buttons; the keys beside them do the same.

use leptos::prelude::*;

use super::super::words::{self, sentence, t};
use super::lens::most_zoom;
use super::{Closer, ZOOM_STEP};

/// Zooms in and out.
#[component]
pub(super) fn ZoomControls(
    /// The song.
    closer: Closer,
) -> impl IntoView {
    let zoom = Memo::new(move |_| closer.lens.get().zoom(closer.length.get()));
    view! {
        <div class="closer-group" role="group" aria-label=sentence("closer.zoom")>
            <button
                class="button secondary"
                data-testid="zoom-out"
                aria-label=sentence("closer.zoom_out")
                aria-disabled=move || (zoom.get() <= 1.0).to_string()
                on:click=move |_| closer.zoom(1.0 / ZOOM_STEP, None)
            >
                <span aria-hidden="true">"\u{2212}"</span>
            </button>
            <output class="tabular closer-times" data-testid="zoom">{move || t!("closer.times", times = words::decimal(zoom.get(), 1))}</output>
            <button
                class="button secondary"
                data-testid="zoom-in"
                aria-label=sentence("closer.zoom_in")
                aria-disabled=move || (zoom.get() >= most_zoom(closer.length.get())).to_string()
                on:click=move |_| closer.zoom(ZOOM_STEP, None)
            >
                <span aria-hidden="true">"+"</span>
            </button>
            <button class="quiet-button" data-testid="zoom-whole" on:click=move |_| closer.whole()>
                {sentence("closer.whole")}
            </button>
        </div>
    }
}

/// Sets what is heard again and again.
#[component]
pub(super) fn LoopControls(
    /// The song.
    closer: Closer,
) -> impl IntoView {
    let player = closer.desk.player;
    let repeat = Memo::new(move |_| player.repeat.get().filter(|_| player.song.get() == Some(closer.id)));
    let stretch = move || match repeat.get() {
        Some(repeat) => t!("closer.looping", from = words::clock(repeat.from), to = words::clock(repeat.to)),
        None => t!("closer.no_loop"),
    };
    view! {
        <div class="closer-group" role="group" aria-label=sentence("closer.loop")>
            <button
                class="button secondary"
                data-testid="loop"
                aria-pressed=move || repeat.get().is_some().to_string()
                on:click=move |_| closer.toggle_loop()
            >
                {sentence("closer.loop_clip")}
            </button>
            <button class="quiet-button" data-testid="loop-from" on:click=move |_| closer.loop_from()>
                {sentence("closer.loop_from")}
            </button>
            <button class="quiet-button" data-testid="loop-to" on:click=move |_| closer.loop_to()>
                {sentence("closer.loop_to")}
            </button>
            <span class="quiet small tabular" data-testid="looping" role="status">{stretch}</span>
        </div>
    }
}
