//! What was taken for what.
//!
//! In: the clips of a part by truth and verdict. Out: a table that is its own
//! picture: the more of a row's clips a cell has, the deeper its ground.

use leptos::prelude::*;

use super::super::colors;
use super::super::words::{self, sentence, t};
use crate::report::experiments::Part;

/// The matrix.
#[component]
pub(super) fn Confusion(
    /// Names of the genres.
    genres: Vec<String>,
    /// What was scored.
    part: Part,
    /// Name of the part, by its key.
    name: &'static str,
) -> impl IntoView {
    let name_of = {
        let genres = genres.clone();
        move |genre: usize| words::genre_at(&genres, genre)
    };
    let worst = part.worst().map(|(truth, said, clips)| {
        let name_of = name_of.clone();
        move || {
            t!("experiments.worst", truth = name_of(truth), said = name_of(said), clips = u64::from(clips))
        }
    });
    let columns = (0..genres.len()).map(|genre| {
        let (name_of, letters) = (name_of.clone(), colors::letters(&genres, genre));
        view! { <th scope="col"><abbr title=move || name_of(genre)>{letters}</abbr></th> }
    });
    let columns = columns.collect_view();
    let rows = part.confusion.iter().enumerate().map(|(truth, row)| {
        let name_of = name_of.clone();
        let of = row.iter().sum::<u32>().max(1);
        let cells = row.iter().enumerate().map(|(said, &clips)| {
            let share = format!("{}e-3", 1000 * clips / of);
            let shown = if clips == 0 { "·".to_owned() } else { clips.to_string() };
            view! { <td class:right={said == truth} class:none={clips == 0} style=("--share", share)>{shown}</td> }
        });
        let cells = cells.collect_view();
        let recall = part.recall(truth).map(|share| words::percent(share as f32));
        view! {
            <tr>
                <th scope="row">{move || name_of(truth)}</th>
                {cells}
                <td class="recall">{recall.unwrap_or_else(|| "–".into())}</td>
            </tr>
        }
    });
    let rows = rows.collect_view();
    let clips = part.clips;
    view! {
        <h3 id="experiments-confusion">{sentence("experiments.confusion")}</h3>
        <p class="quiet small">
            {move || t!("experiments.confusion_note", clips = clips, part = words::say(name, &[]))} " " {worst}
        </p>
        <div class="sideways" role="region" tabindex="0" aria-labelledby="experiments-confusion">
            <table class="confusion" data-testid="confusion">
                <thead>
                    <tr>
                        <th scope="col">{sentence("experiments.truth_said")}</th>
                        {columns}
                        <th scope="col">{sentence("experiments.known")}</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}
