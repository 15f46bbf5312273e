//! The page's own network: its card.
//!
//! In: what the file that ships scores. Out: what it is for and what not, what it learned
//! from and what is wrong with that, and how often it is right, genre by genre. The order
//! is that of M. Mitchell et al., "Model Cards for Model Reporting" (2019).

use leptos::prelude::*;

use super::super::css;
use super::super::words::{self, sentence, t};
use super::within;
use crate::report::experiments::{Protocol, Shipped, ShippedGenre};

/// The card.
#[component]
pub(super) fn PagesCard(
    /// What the file scores.
    shipped: Shipped,
) -> impl IntoView {
    let Shipped {
        model,
        split,
        clips,
        tracks,
        of_tracks,
        of_clips,
        of_other_artists,
        protocol,
        ece,
        track_ece,
        refused,
        unsure,
        refused_below,
        unsure_below,
        genres,
    } = shipped;
    let heading = move || t!("card.heading", model = &model);
    let learned = {
        let split = split.clone();
        move || t!("card.learned", learned = clips.train, judged = clips.test, split = &split)
    };
    let share = |estimate: [f64; 3]| move || within(estimate);
    let shares = [
        ("card.of_tracks", share(of_tracks).into_any()),
        ("card.of_clips", share(of_clips).into_any()),
        ("card.ece", (move || points(ece[0])).into_any()),
        ("card.track_ece", (move || points(track_ece)).into_any()),
        ("card.refused", (move || words::percent_exact(refused)).into_any()),
        ("card.unsure", (move || words::percent_exact(unsure)).into_any()),
    ];
    let shares = shares.map(|(name, share)| view! { <div><dt>{sentence(name)}</dt><dd>{share}</dd></div> });
    let others = of_other_artists.map(|(share, of)| {
        view! {
            <div><dt>{move || t!("card.other_artists", tracks = of)}</dt><dd>{move || within(share)}</dd></div>
        }
    });
    let protocol = protocol.map(|Protocol { trainings, of_tracks, of_clips }| {
        view! {
            <div>
                <dt>{move || t!("card.protocol_tracks", trainings = trainings)}</dt>
                <dd>{move || within(of_tracks)}</dd>
            </div>
            <div>
                <dt>{move || t!("card.protocol_clips", trainings = trainings)}</dt>
                <dd>{move || within(of_clips)}</dd>
            </div>
        }
    });
    let artists = of_other_artists
        .map(|(_, of)| move || t!("card.known_artists", tracks = tracks, known = tracks.saturating_sub(of)));
    let refuses = refused_below.map(|below| move || t!("card.refuses", below = words::decimal(below, 2)));
    let doubts = unsure_below.map(|below| move || t!("card.doubts", share = words::percent(below as f32)));
    let worst =
        genres.iter().min_by(|one, other| one.of_tracks.1[0].total_cmp(&other.of_tracks.1[0])).cloned();
    let worst = worst.map(|ShippedGenre { name, of_tracks: (_, [share, ..]), .. }| {
        move || t!("card.worst", genre = words::genre(&name), share = words::percent_exact(share))
    });
    let rows =
        genres.into_iter().map(|ShippedGenre { name, of_tracks: (tracks, share), of_other_artists }| {
            let [value, ..] = share;
            let others = of_other_artists.map(|(tracks, share)| {
                view! {
                    <td>{tracks}</td>
                    <td>{move || within(share)}</td>
                }
            });
            let others =
                others.map_or_else(|| view! { <td>"–"</td><td>"–"</td> }.into_any(), IntoAny::into_any);
            view! {
                <tr>
                    <th scope="row">{move || words::genre(&name)}</th>
                    <td>{tracks}</td>
                    <td>{move || within(share)}</td>
                    <td class="bar">
                        <span class="bar-track" aria-hidden="true">
                            <span class="bar-fill accent" style:transform=css::scale_x(value)></span>
                        </span>
                    </td>
                    {others}
                </tr>
            }
        });
    let rows = rows.collect_view();
    view! {
        <section class="pages-card" aria-labelledby="card-heading" data-testid="pages-card">
            <h2 id="card-heading">{heading}</h2>
            <p>{sentence("card.for")}</p>
            <p>{sentence("card.not_for")}</p>
            <h3>{sentence("card.data")}</h3>
            <p>{sentence("card.flaws")}</p>
            <p>{learned}</p>
            <p>{artists} " " {sentence("card.artists")}</p>
            <h3 id="card-scores">{sentence("card.scores")}</h3>
            <dl class="facts">{shares.collect_view()} {others} {protocol}</dl>
            <p class="quiet small">{move || t!("card.note", tracks = tracks)}</p>
            <div class="sideways" role="region" tabindex="0" aria-labelledby="card-scores">
                <table class="numbers" data-testid="card-genres">
                    <thead>
                        <tr>
                            <th scope="col">{sentence("card.genre")}</th>
                            <th scope="col">{sentence("card.tracks")}</th>
                            <th scope="col">{sentence("card.right")}</th>
                            <td></td>
                            <th scope="col">{sentence("card.others_tracks")}</th>
                            <th scope="col">{sentence("card.right")}</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
            <p>{worst}</p>
            <h3>{sentence("card.doubt")}</h3>
            <p data-testid="card-doubt">{refuses} " " {doubts} " " {sentence("card.thresholds")}</p>
        </section>
    }
}

/// A difference of shares.
fn points(difference: f64) -> String {
    t!("card.points", points = words::decimal(100.0 * difference, 1))
}
