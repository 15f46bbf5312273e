//! What leakage is, and what it is worth here.
//!
//! In: what the same network scored on the three splits. Out: a bar each and a few
//! plain sentences; of what was not run it says so.

use leptos::prelude::*;

use super::super::css;
use super::super::words::{self, sentence, t};
use crate::report::experiments::{Lesson, SPLITS};

/// The lesson.
#[component]
pub(super) fn Leakage(
    /// What was scored.
    lesson: Lesson,
) -> impl IntoView {
    let Lesson { row, model, recipe, splits } = lesson;
    let names = ["leakage.clips", "leakage.tracks", "leakage.filtered"];
    let bars = names.into_iter().zip(SPLITS).zip(splits).map(|((what, split), learned)| {
        let state = if learned.is_some() { "shown" } else { "not-run" };
        let share = learned.map_or(0.0, |learned| learned.of_clips);
        let said = move || match learned {
            Some(learned) => t!(
                "leakage.scored",
                of_clips = words::percent_exact(learned.of_clips),
                of_tracks = words::percent_exact(learned.of_tracks),
                runs = learned.runs
            ),
            None => t!("leakage.not_run"),
        };
        view! {
            <li data-testid="leakage-split" data-split=split data-state=state>
                <p><code>{split}</code>" "{sentence(what)}</p>
                <span class="bar-track" aria-hidden="true">
                    <span class="bar-fill accent" style:transform=css::scale_x(share)></span>
                </span>
                <p class="tabular">{said}</p>
            </li>
        }
    });
    let bars = bars.collect_view();
    let worth = move || {
        let [leaking, tracks, filtered] = splits;
        let honest =
            filtered.map(|learned| ("filtered", learned)).or(tracks.map(|learned| ("tracks", learned)));
        let points = |more: f64, less: f64| words::decimal(100.0 * (more - less), 0);
        if let [Some(leaking), Some(tracks), Some(filtered)] = splits {
            return t!(
                "leakage.steps",
                pieces = points(leaking.of_clips, tracks.of_clips),
                rest = points(tracks.of_clips, filtered.of_clips),
                leaking = words::percent_exact(leaking.of_clips),
                honest = words::percent_exact(tracks.of_clips),
                least = words::percent_exact(filtered.of_clips)
            );
        }
        match (leaking, honest) {
            (Some(leaking), Some((split, honest))) => t!(
                "leakage.worth",
                points = points(leaking.of_clips, honest.of_clips),
                leaking = words::percent_exact(leaking.of_clips),
                honest = words::percent_exact(honest.of_clips),
                split = split
            ),
            _ => t!("leakage.unknown"),
        }
    };
    let which = move || match &row {
        _ if recipe.is_empty() => String::new(),
        Some(row) => t!("leakage.which", row = row, recipe = words::recipe(&recipe)),
        None => t!("leakage.which_own", model = &model),
    };
    view! {
        <section class="leakage" aria-labelledby="leakage-heading" data-testid="leakage">
            <h2 id="leakage-heading">{sentence("leakage.heading")}</h2>
            <p>{sentence("leakage.what")}</p>
            <p class="quiet small">{which}</p>
            <ul class="leakage-splits">{bars}</ul>
            <p data-testid="leakage-worth">{worth}</p>
            <p>{sentence("leakage.moral")}</p>
        </section>
    }
}
