//! Genres as bars, the most probable first.
//!
//! In: a ranking of genres. Out: for each its letters, name, a bar and percent;
//! the top three, or all.

use leptos::prelude::*;

use super::{colors, css, words};

/// Bars that are always shown.
const TOP: usize = 3;

/// The ranking as a list of bars. A song's shows three until all are asked for,
/// so that the long list costs nothing in two hundred cards.
#[component]
pub(crate) fn Bars(
    /// Genres as (index, probability), most probable first.
    #[prop(into)]
    ranking: Signal<Vec<(usize, f32)>>,
    /// Names of the genres.
    #[prop(into)]
    genres: Signal<Vec<String>>,
    /// Whether all of them are shown.
    #[prop(into)]
    all: Signal<bool>,
) -> impl IntoView {
    // As many bars as there will be even before the first verdict, so that
    // nothing moves when it comes.
    let places = move || match genres.with(Vec::len) {
        0 => TOP,
        genres if all.get() => genres,
        genres => genres.min(TOP),
    };
    view! {
        <ol class="bars">
            <For each=move || 0..places() key=|place| *place let:place>
                <Bar place ranking genres />
            </For>
        </ol>
    }
}

#[component]
fn Bar(
    /// Place in the ranking, from 0.
    place: usize,
    /// The ranking.
    ranking: Signal<Vec<(usize, f32)>>,
    /// Names of the genres.
    genres: Signal<Vec<String>>,
) -> impl IntoView {
    let here = Memo::new(move |_| ranking.with(|ranking| ranking.get(place).copied()));
    let index = Memo::new(move |_| here.get().map(|(index, _)| index));
    let name = move || {
        genres.with(|genres| index.get().and_then(|index| genres.get(index)).map(|name| words::genre(name)))
    };
    let letters = move || genres.with(|genres| index.get().map(|index| colors::letters(genres, index)));
    let color = move || match index.get() {
        Some(index) => format!("genre-{}", index % colors::COUNT),
        None => "no-genre".to_owned(),
    };
    let share = move || here.get().map_or(0.0, |(_, probability)| probability);
    let scale = move || css::scale_x(share().into());
    view! {
        <li>
            <span class=move || format!("chip {}", color()) aria-hidden="true">{letters}</span>
            <span class="bar-name">{name}</span>
            <span class="bar-track" aria-hidden="true">
                <span class=move || format!("bar-fill {}", color()) style:transform=scale></span>
            </span>
            <span class="bar-share tabular">{move || here.get().map(|(_, share)| words::percent(share))}</span>
        </li>
    }
}
