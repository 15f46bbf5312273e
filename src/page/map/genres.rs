//! The genres of the map: a legend to look at one of them, and a table that says
//! what the points show.

use std::sync::Arc;

use leptos::prelude::*;

use super::super::colors;
use super::super::folded::FoldedTable;
use super::super::words::{self, sentence};
use super::cloud::Look;
use crate::classify::map::ClipMap;

/// The genres as buttons: what the pointer or the keyboard is on is looked at,
/// what is pressed stays.
#[component]
pub(super) fn Legend(
    /// Names of the genres.
    genres: Arc<Vec<String>>,
    /// Which is looked at.
    look: Look,
) -> impl IntoView {
    let buttons = (0..genres.len()).map(|genre| {
        let letters = colors::letters(&genres, genre);
        let color = colors::chip(genre);
        let genres = genres.clone();
        let pass = move |passing: Option<usize>| look.passing.set(passing);
        view! {
            <li>
                <button
                    class="quiet-button"
                    data-testid="map-genre"
                    data-genre=genre.to_string()
                    aria-pressed=move || (look.chosen.get() == Some(genre)).to_string()
                    on:click=move |_| look.chosen.update(|chosen| {
                        *chosen = if *chosen == Some(genre) { None } else { Some(genre) };
                    })
                    on:pointerenter=move |_| pass(Some(genre))
                    on:pointerleave=move |_| pass(None)
                    on:focus=move |_| pass(Some(genre))
                    on:blur=move |_| pass(None)
                >
                    <span class=color aria-hidden="true">{letters}</span>
                    {move || words::genre_at(&genres, genre)}
                </button>
            </li>
        }
    });
    let buttons = buttons.collect_view();
    view! {
        <section aria-labelledby="map-genres">
            <h2 id="map-genres">{sentence("map.genres")}</h2>
            <ul class="map-legend">{buttons}</ul>
        </section>
    }
}

/// What a genre's clips are and what they were taken for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Known {
    clips: usize,
    right: usize,
    /// The genre they were most often taken for that they are not, and how often.
    taken_for: Option<(usize, usize)>,
}

/// Counts the clips of `genre`.
fn known(map: &ClipMap, genre: usize) -> Known {
    let own = map.points.genre.iter().zip(&map.said).filter(|(truth, _)| usize::from(**truth) == genre);
    let mut said = vec![0_usize; map.card.genres.len()];
    for (_, heard) in own {
        if let Some(count) = said.get_mut(usize::from(*heard)) {
            *count += 1;
        }
    }
    let others = said.iter().copied().enumerate().filter(|(other, count)| *other != genre && *count > 0);
    Known {
        clips: said.iter().sum(),
        right: said.get(genre).copied().unwrap_or_default(),
        // The first of equal ones.
        taken_for: others.reduce(|most, next| if next.1 > most.1 { next } else { most }),
    }
}

/// The same as the points, to be read.
#[component]
pub(super) fn GenreTable(
    /// The map.
    map: Arc<ClipMap>,
) -> impl IntoView {
    let rows = (0..map.card.genres.len()).map(|genre| {
        let Known { clips, right, taken_for } = known(&map, genre);
        let share = (clips > 0).then(|| right as f32 / clips as f32);
        let (map, other) = (map.clone(), map.clone());
        view! {
            <tr>
                <th scope="row">{move || words::genre_at(&map.card.genres, genre)}</th>
                <td>{clips}</td>
                <td>{move || share.map_or_else(|| "–".into(), words::percent)}</td>
                <td>{move || taken_for.map_or_else(
                    || "–".into(),
                    |(genre, clips)| format!("{} ({clips})", words::genre_at(&other.card.genres, genre)),
                )}</td>
            </tr>
        }
    });
    let rows = rows.collect_view().into_any();
    view! {
        <FoldedTable
            summary="map.as_table"
            name="map.as_table"
            testid="map-table"
            columns=vec!["map.genre", "map.clips", "map.known", "map.taken_for"]
            rows
        />
    }
}
