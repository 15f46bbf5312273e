//! A result that somebody sent: read only, and without the song.
//!
//! In: the text behind `#result?r=`. Out: title, verdict, band and bars, or what
//! is wrong with the link.

use leptos::html::Canvas;
use leptos::prelude::*;

use super::timeline::{Redraw, draw_band};
use super::track::HeardClip;
use super::verdict::Bars;
use super::views::Router;
use super::words::{self, sentence, t};
use crate::classify::verdict::SongVerdict;
use crate::library::share::{ShareError, Shared};

/// The stretches of a result as clips.
pub(super) fn clips_of(shared: &Shared) -> Vec<HeardClip> {
    let each = f64::from(shared.stretch_seconds);
    let clips = shared.stretches.iter().map(|verdict| {
        let start = verdict.clip as f64 * each;
        HeardClip { verdict: verdict.clone(), start, end: (start + each).min(f64::from(shared.seconds)) }
    });
    clips.collect()
}

/// The view.
#[component]
pub(crate) fn ResultView() -> impl IntoView {
    let router = expect_context::<Router>();
    let read = Memo::new(move |_| {
        router.parameters.with(|parameters| Shared::decode(parameters.get("r").unwrap_or_default()))
    });
    let state = move || if read.with(Result::is_ok) { "good" } else { "damaged" };
    view! {
        <section class="result" aria-labelledby="result-heading" data-testid="result" data-state=state>
            {move || match read.get() {
                Ok(shared) => view! { <Sent shared /> }.into_any(),
                Err(error) => view! { <Damaged error /> }.into_any(),
            }}
        </section>
    }
}

/// A link that says nothing.
#[component]
fn Damaged(
    /// What is wrong with it.
    error: ShareError,
) -> impl IntoView {
    let problem = move || match error {
        ShareError::Damaged => t!("result.damaged"),
        ShareError::Version { .. } => t!("result.version"),
    };
    view! {
        <h1 id="result-heading">{sentence("result.unreadable")}</h1>
        <p class="problem" data-testid="result-problem">{problem}</p>
        <p><a class="button" href="#listen">{sentence("result.own")}</a></p>
    }
}

/// What the link says.
#[component]
fn Sent(
    /// The result.
    shared: Shared,
) -> impl IntoView {
    let Redraw(redraw, _) = expect_context::<Redraw>();
    let clips = clips_of(&shared);
    let verdict = SongVerdict::Genre { probabilities: shared.probabilities };
    let ranking = verdict.ranking();
    let top = ranking.first().copied();
    let name = top.and_then(|(index, _)| shared.genres.get(index).cloned());
    let not_sure = shared.not_sure;
    let word = move || match &name {
        Some(_) if not_sure => t!("song.not_sure"),
        Some(name) => words::genre(name),
        None => t!("song.silence"),
    };
    let share = move || top.filter(|_| !not_sure).map(|(_, share)| words::percent(share));
    let facts = [shared.artist, words::clock(f64::from(shared.seconds)), shared.model];
    let facts = facts.into_iter().filter(|fact| !fact.is_empty()).collect::<Vec<_>>().join(" · ");
    let band = NodeRef::<Canvas>::new();
    let length = f64::from(shared.seconds);
    Effect::new({
        let genres = shared.genres.clone();
        move |_| {
            redraw.track();
            if let Some(band) = band.get() {
                // The words say the same.
                let _ = draw_band(&band, &clips, length, &genres);
            }
        }
    });
    let genres = Signal::stored(shared.genres);
    let ranking = Signal::stored(ranking);
    view! {
        <p class="quiet small">{sentence("result.sent")}</p>
        <h1 id="result-heading" dir="auto">{shared.title}</h1>
        <p class="quiet" dir="auto">{facts}</p>
        <p class="result-verdict">
            <span class="verdict-word" data-testid="result-word">{word}</span>
            " "
            <span class="verdict-share tabular">{share}</span>
        </p>
        {not_sure.then(|| view! { <p class="quiet">{sentence("song.not_sure_means")}</p> })}
        <canvas node_ref=band class="band result-band" width="1" height="1" aria-hidden="true"></canvas>
        <Bars ranking genres all=Signal::stored(true) />
        <p class="quiet">{sentence("result.without_song")}</p>
        <p><a class="button" href="#listen">{sentence("result.own")}</a></p>
    }
}
