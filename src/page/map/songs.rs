//! One's own songs on the map.
//!
//! In: the songs of this visit and the mean embedding of each as it grows. Out: a
//! mark with its number and title where it lands, and a list of them in words. What another
//! model heard has no place here, and the list says so.

use std::sync::Arc;

use leptos::prelude::*;

use super::super::desk::Desk;
use super::super::folded::Line;
use super::super::later;
use super::super::song::{Song, SongState};
use super::super::words::{self, sentence, t};
use super::cloud::along_side;
use crate::{
    classify::map::{ClipMap, Landing},
    engine::protocol::SongId,
};

/// The last songs, whose titles stand beside their marks; those before them are
/// marks alone.
const TITLED: usize = 8;

/// Songs that are put up in one turn.
const SONGS_A_TURN: usize = 8;

/// Genres of its neighbours that a song is told by.
const TOLD: usize = 3;

/// Where a song is, or why it is nowhere.
#[derive(Clone, Debug, PartialEq)]
enum Lands {
    /// Nothing has been heard of it yet.
    Unheard,
    /// It has ended without anything that could be placed.
    Nowhere,
    /// Another model has heard it.
    OtherModel,
    /// Here.
    At(Landing),
}

/// The songs, of many a few more each turn: every one is placed among all points.
fn by_turns(desk: Desk) -> impl Fn() -> Vec<Song> {
    let shown = later::by_turns(SONGS_A_TURN, Signal::derive(move || desk.songs.with(Vec::len)));
    move || desk.songs.with(|songs| songs.iter().take(shown.get()).cloned().collect())
}

/// The song's place in the list, from 1.
fn number(desk: Desk, id: SongId) -> Memo<usize> {
    Memo::new(move |_| {
        desk.songs.with(|songs| songs.iter().position(|other| other.id == id).map_or(0, |place| place + 1))
    })
}

/// Where a song lands, placed anew when there is more of it.
fn lands(desk: Desk, map: Arc<ClipMap>, song: Song) -> Memo<Lands> {
    Memo::new(move |_| {
        song.hearing.track();
        if desk.card(song.model.get()).is_some_and(|card| !map.is_of(&card)) {
            return Lands::OtherModel;
        }
        let embedding = song.track.with_value(super::super::track::Track::embedding);
        let ended = !matches!(song.state.get(), SongState::Queued | SongState::Busy);
        let without = if ended { Lands::Nowhere } else { Lands::Unheard };
        map.place(&embedding).map_or(without, Lands::At)
    })
}

/// The marks of the songs, over the points.
#[component]
pub(super) fn Marks(
    /// The map.
    map: Arc<ClipMap>,
) -> impl IntoView {
    let desk = expect_context::<Desk>();
    view! {
        <ul class="landed" aria-hidden="true">
            <For each=by_turns(desk) key=|song| song.id let:song>
                <Mark map=map.clone() song />
            </For>
        </ul>
    }
}

#[component]
fn Mark(
    /// The map.
    map: Arc<ClipMap>,
    /// The song.
    song: Song,
) -> impl IntoView {
    let desk = expect_context::<Desk>();
    let lands = lands(desk, map, song.clone());
    let id = song.id;
    let titled = Memo::new(move |_| {
        desk.songs.with(|songs| songs.iter().rev().take(TITLED).any(|other| other.id == id))
    });
    let is_here = Memo::new(move |_| lands.with(|lands| matches!(lands, Lands::At(_))));
    let along = move |axis: usize| {
        lands.with(|lands| match lands {
            Lands::At(landing) => landing.place.get(axis).copied().map(along_side).unwrap_or_default(),
            _ => String::new(),
        })
    };
    let is_right =
        move || lands.with(|lands| matches!(lands, Lands::At(landing) if landing.place[0] > 600.0));
    let number = number(desk, id);
    let is_latest = move || desk.songs.with(|songs| songs.len() == number.get());
    let title = move || song.title();
    view! {
        <Show when=move || is_here.get()>
            <li
                class:titled=titled
                class:latest=is_latest
                class:left=is_right
                data-testid="landed"
                data-song=id.0.to_string()
                style:left=move || along(0)
                style:top=move || along(1)
            >
                {number}
                <span dir="auto">{title.clone()}</span>
            </li>
        </Show>
    }
}

/// The same in words.
#[component]
pub(super) fn SongList(
    /// The map.
    map: Arc<ClipMap>,
) -> impl IntoView {
    let desk = expect_context::<Desk>();
    let is_empty = Memo::new(move |_| desk.songs.with(Vec::is_empty));
    view! {
        <section aria-labelledby="map-songs" data-testid="map-songs">
            <h2 id="map-songs">{sentence("map.songs")}</h2>
            <Line when=is_empty key="map.no_songs" testid="map-no-songs" />
            <ul class="map-songs">
                <For each=by_turns(desk) key=|song| song.id let:song>
                    <Told map=map.clone() song />
                </For>
            </ul>
        </section>
    }
}

#[component]
fn Told(
    /// The map.
    map: Arc<ClipMap>,
    /// The song.
    song: Song,
) -> impl IntoView {
    let desk = expect_context::<Desk>();
    let lands = lands(desk, map.clone(), song.clone());
    let state = move || {
        lands.with(|lands| match lands {
            Lands::Unheard => "unheard",
            Lands::Nowhere => "nowhere",
            Lands::OtherModel => "other-model",
            Lands::At(landing) if landing.far => "far",
            Lands::At(_) => "here",
        })
    };
    let told = move || {
        lands.with(|lands| match lands {
            Lands::Unheard => t!("map.unheard"),
            Lands::Nowhere => t!("map.nowhere"),
            Lands::OtherModel => t!("map.other_model", model = &map.card.name),
            Lands::At(landing) => {
                let among = landing.genres.iter().take(TOLD).map(|(genre, share)| {
                    format!("{} {}", words::genre_at(&map.card.genres, *genre), words::percent(*share))
                });
                let among = t!("map.among", genres = among.collect::<Vec<_>>().join(", "));
                if landing.far { format!("{among} {}", t!("map.far")) } else { among }
            }
        })
    };
    let number = number(desk, song.id);
    let id = song.id.0.to_string();
    view! {
        <li data-testid="map-song" data-song=id data-state=state>
            <span class="map-song-number tabular" aria-hidden="true">{number}</span>
            " "
            <span class="map-song-title" dir="auto">{move || song.title()}</span>
            " "
            <span class="quiet">{told}</span>
        </li>
    }
}
