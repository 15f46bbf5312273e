//! All clips in a table, behind a click.
//!
//! In: the song. Out: a row for each clip with its beginning, its genre and the
//! probability; the beginning leads the playhead there.

use leptos::prelude::*;
use web_sys::HtmlElement;

use super::super::words::{self, sentence, t};
use super::super::{colors, later};
use super::Closer;

/// Rows put up in one turn of the browser.
const ROWS_A_TURN: usize = 60;

/// One row.
#[derive(Clone, PartialEq)]
struct Row {
    clip: usize,
    start: f64,
    /// The most probable genre and its probability; `None` for silence and for what
    /// is not music.
    top: Option<(usize, f32)>,
    /// Whether it was refused as not music.
    refused: bool,
}

/// The table; its rows are there only while it is open.
#[component]
pub(super) fn ClipTable(
    /// The song.
    closer: Closer,
) -> impl IntoView {
    let open = RwSignal::new(false);
    view! {
        <details
            class="closer-clips"
            data-testid="clips"
            on:toggle=move |event| {
                let details: HtmlElement = event_target(&event);
                open.set(details.has_attribute("open"));
            }
        >
            <summary>{sentence("closer.table")}</summary>
            <Show when=move || open.get()>
                <Rows closer />
            </Show>
        </details>
    }
}

#[component]
fn Rows(
    /// The song.
    closer: Closer,
) -> impl IntoView {
    let song = closer.song;
    let clips = Memo::new(move |_| {
        song.with_value(|song| {
            song.hearing.track();
            song.track.with_value(|track| track.clips().len())
        })
    });
    // A three-hour mix has thousands of rows.
    let shown = later::by_turns(ROWS_A_TURN, clips.into());
    let rows = move || {
        let shown = shown.get().min(clips.get());
        song.with_value(|song| {
            song.track.with_value(|track| {
                let row = |clip: &super::HeardClip| Row {
                    clip: clip.verdict.clip,
                    start: clip.start,
                    refused: clip.verdict.refused,
                    top: clip
                        .verdict
                        .genre()
                        .and_then(|top| Some((top, *clip.verdict.probabilities.get(top)?))),
                };
                track.clips().iter().take(shown).map(row).collect::<Vec<_>>()
            })
        })
    };
    view! {
        <table>
            <thead>
                <tr>
                    <th scope="col">{sentence("closer.column_start")}</th>
                    <th scope="col">{sentence("closer.column_genre")}</th>
                    <th scope="col" class="number">{sentence("closer.column_probability")}</th>
                </tr>
            </thead>
            <tbody>
                <For each=rows key=|row| row.clip let:row>
                    <ClipRow closer row />
                </For>
            </tbody>
        </table>
    }
}

#[component]
fn ClipRow(
    /// The song.
    closer: Closer,
    /// The clip.
    row: Row,
) -> impl IntoView {
    let Row { start, top, refused, .. } = row;
    let chip = top.map(|(genre, _)| {
        let color = colors::chip(genre);
        let letters = closer.genres.with_untracked(|genres| colors::letters(genres, genre));
        view! { <span class=color aria-hidden="true">{letters}</span> }
    });
    let name = move || match top {
        Some((genre, _)) => closer.genres.with(|genres| words::genre_at(genres, genre)),
        None if refused => t!("song.not_music"),
        None => t!("song.silence"),
    };
    let share = top.map(|(_, share)| words::percent(share));
    view! {
        <tr>
            <td>
                <button
                    class="quiet-button tabular"
                    aria-label=move || t!("closer.go_to", at = words::clock(start))
                    on:click=move |_| closer.seek(start, closer.sounding())
                >
                    {words::clock(start)}
                </button>
            </td>
            <td>{chip}" "{name}</td>
            <td class="number tabular">{share}</td>
        </tr>
    }
}
