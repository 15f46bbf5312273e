//! More like this: the songs that are most like one of them.
//!
//! In: a song. Out: its nearest neighbours among the songs that the same model
//! heard, and a playlist that begins with it.

use leptos::html::H2;
use leptos::prelude::*;

use super::Shelf;
use super::take_along::{TakeSong, save_text};
use crate::classify::verdict::Doubt;
use crate::library::likeness::{Neighbour, Place, neighbours, playlist};
use crate::library::{export, record::HeardBy};
use crate::page::focus;
use crate::page::folded::Line;
use crate::page::keeper::record_of;
use crate::page::song::Song;
use crate::page::words::{self, sentence, t};

/// Neighbours that are shown.
const SHOWN: usize = 12;

/// Songs of a playlist.
const PLAYED: usize = 25;

/// Every song with its place in its model's embedding.
struct Places {
    songs: Vec<Song>,
    embeddings: Vec<(String, Vec<f32>)>,
}

impl Places {
    fn of(songs: Vec<Song>) -> Self {
        let model =
            |by: &Option<std::sync::Arc<HeardBy>>| by.as_ref().map(|by| by.key.clone()).unwrap_or_default();
        let embeddings = songs
            .iter()
            .map(|song| {
                (song.heard_by.with_untracked(model), song.track.with_value(|track| track.embedding()))
            })
            .collect();
        Self { songs, embeddings }
    }

    fn places(&self) -> Vec<Place<'_>> {
        self.embeddings.iter().map(|(model, embedding)| Place { model, embedding }).collect()
    }

    fn index(&self, song: &Song) -> usize {
        // One that is not there has no neighbours.
        self.songs.iter().position(|other| other.id == song.id).unwrap_or(usize::MAX)
    }
}

/// The panel.
#[component]
pub(super) fn Alike(
    /// The library.
    shelf: Shelf,
) -> impl IntoView {
    move || shelf.compared.get().map(|song| view! { <Panel song shelf /> })
}

#[component]
fn Panel(
    /// The song that others are compared with.
    song: Song,
    /// The library.
    shelf: Shelf,
) -> impl IntoView {
    let heading = NodeRef::<H2>::new();
    // What was asked for is where the keyboard goes on.
    heading.on_load(move |heading| {
        request_animation_frame(move || {
            focus::give(&heading);
        });
    });
    let title = Memo::new({
        let song = song.clone();
        move |_| song.title()
    });
    let places = Places::of(shelf.desk.all_songs());
    let seed = places.index(&song);
    let near: Vec<(Song, f32)> = neighbours(&places.places(), seed, SHOWN)
        .into_iter()
        .map(|Neighbour { index, similarity }| (places.songs[index].clone(), similarity))
        .collect();
    let none = near.is_empty();
    let id = song.id;
    let close = move |_| {
        shelf.compared.set(None);
        let asked = format!("[data-testid=row][data-song='{}'] [data-testid=row-more]", id.0);
        focus::hand_on([asked], "[data-testid=library-scroll]");
    };
    let play = {
        let song = song.clone();
        move |_| {
            let places = Places::of(shelf.desk.all_songs());
            let order = playlist(&places.places(), places.index(&song), PLAYED);
            let records: Vec<_> = order.into_iter().map(|index| record_of(&places.songs[index])).collect();
            let name = format!("{}.m3u8", title.get_untracked());
            save_text(shelf.desk, &name, "audio/x-mpegurl", &export::m3u(&records));
        }
    };
    view! {
        <section class="alike" aria-labelledby="alike-heading" data-testid="alike">
            <header class="alike-head">
                <h2 id="alike-heading" node_ref=heading tabindex="-1">
                    {move || t!("library.more_like", title = &title.get())}
                </h2>
                <button class="quiet-button" data-testid="alike-close" on:click=close>
                    {sentence("library.close")}
                </button>
            </header>
            <p class="quiet small">{sentence("library.alike_hint")}</p>
            <Line when=Signal::stored(none) key="library.alike_none" testid="alike-none" />
            <ol class="alike-list">
                {near
                    .into_iter()
                    .map(|(other, similarity)| {
                        let compare = other.clone();
                        let name = other.clone();
                        let genre = move || {
                            let (top, doubt) =
                                other.hearing.with(|hearing| (hearing.ranking.first().copied(), hearing.doubt));
                            if doubt == Some(Doubt::NotMusic) {
                                return Some(t!("song.not_music"));
                            }
                            let genre = top.and_then(|(index, _)| {
                                other.genres.with(|genres| genres.get(index).map(|name| words::genre(name)))
                            });
                            genre.map(|genre| match doubt {
                                Some(_) => t!("library.perhaps", genre = genre),
                                None => genre,
                            })
                        };
                        view! {
                            <li data-testid="neighbour">
                                <button
                                    class="alike-song"
                                    dir="auto"
                                    on:click=move |_| shelf.compared.set(Some(compare.clone()))
                                >
                                    {move || name.title()}
                                </button>
                                <span class="quiet">{genre}</span>
                                <span class="tabular quiet">{move || words::percent(similarity.max(0.0))}</span>
                            </li>
                        }
                    })
                    .collect_view()}
            </ol>
            <div class="alike-actions">
                <button class="button secondary" data-testid="playlist" disabled=none on:click=play>
                    {sentence("library.playlist")}
                </button>
                <TakeSong song />
            </div>
        </section>
    }
}
