//! What was heard live, for the last half hour.
//!
//! In: the verdicts on what a microphone or a shared tab sounds like now. Out: a
//! strip of stacked genres that moves along, and the same as a list with the time
//! of day.

use std::collections::VecDeque;

use js_sys::Date;
use leptos::html::Canvas;
use leptos::prelude::*;
use wasm_bindgen::JsValue;
use web_sys::HtmlElement;

use super::browser::Soon;
use super::colors;
use super::desk::Desk;
use super::focus;
use super::stack::{self, Moment};
use super::timeline::Redraw;
use super::views::{Router, View};
use super::words::{self, sentence, t};
use crate::classify::verdict::ClipVerdict;

/// Moments that are kept: half an hour.
const MOST: usize = 600;

/// Minutes that the strip shows.
const MINUTES_SHOWN: u32 = 5;

/// Verdicts closer to each other than this share of their three seconds speak of
/// the same sound.
const APART: f64 = 0.95;

/// Moments further from each other than this many of their lengths are no stretch.
const TOGETHER: f64 = 2.0;

/// What was heard in one moment of a few seconds.
#[derive(Clone, Debug, PartialEq)]
struct Heard {
    /// When it ended, in seconds since 1970.
    end: f64,
    verdict: ClipVerdict,
}

/// A stretch of one genre.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stretch {
    /// When it began, in seconds since 1970.
    from: f64,
    /// When it ended.
    to: f64,
    /// `None` for silence and for what is not music.
    genre: Option<usize>,
    /// Whether it was refused as not music.
    refused: bool,
}

/// What has been heard, the oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    moments: VecDeque<Heard>,
    /// Names of the genres of the model that heard it.
    genres: Vec<String>,
    /// Length of a moment, in seconds.
    seconds: f64,
}

impl History {
    /// Takes in a verdict on the last `seconds` before `now`, in seconds since
    /// 1970, unless it speaks of what the one before spoke of. A model with other
    /// genres begins another history. `true` where it was taken in.
    pub(crate) fn hear(&mut self, verdict: &ClipVerdict, now: f64, seconds: f64, genres: &[String]) -> bool {
        if self.genres != genres || self.seconds != seconds {
            *self = Self { moments: VecDeque::new(), genres: genres.to_vec(), seconds };
        }
        if self.moments.back().is_some_and(|last| (now - last.end).abs() < seconds * APART) {
            return false;
        }
        if self.moments.len() == MOST {
            self.moments.pop_front();
        }
        self.moments.push_back(Heard { end: now, verdict: verdict.clone() });
        true
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.moments.is_empty()
    }

    /// Stretches of one genre, the latest first.
    fn stretches(&self) -> Vec<Stretch> {
        let mut stretches: Vec<Stretch> = Vec::new();
        for Heard { end, verdict } in &self.moments {
            let (genre, refused) = (verdict.genre(), verdict.refused);
            match stretches.last_mut() {
                Some(last)
                    if (last.genre, last.refused) == (genre, refused)
                        && end - last.to <= self.seconds * TOGETHER =>
                {
                    last.to = *end
                }
                _ => stretches.push(Stretch { from: end - self.seconds, to: *end, genre, refused }),
            }
        }
        stretches.reverse();
        stretches
    }

    /// Where the strip ends: with the latest moment.
    fn end(&self) -> f64 {
        self.moments.back().map_or(0.0, |last| last.end)
    }

    /// The moments as the strip has them: each reaches to the one before where
    /// they belong together, so that there is no gap that was not heard.
    fn moments(&self) -> impl Iterator<Item = Moment<'_>> {
        let mut before = f64::NEG_INFINITY;
        self.moments.iter().map(move |Heard { end, verdict }| {
            let together = end - before <= self.seconds * TOGETHER;
            let start = if together { before } else { end - self.seconds };
            before = *end;
            Moment { start, end: *end, probabilities: &verdict.probabilities, refused: verdict.refused }
        })
    }
}

/// The time of day, as those who read the language in use write it.
fn time_of_day(seconds: f64) -> String {
    let date = Date::new(&JsValue::from_f64(seconds * 1000.0));
    date.to_locale_time_string(words::in_use().code).into()
}

/// Seconds since 1970.
pub(crate) fn now() -> f64 {
    Date::now() / 1000.0
}

/// What was heard, while there is something.
#[component]
pub(crate) fn HistoryOfSound() -> impl IntoView {
    let desk = expect_context::<Desk>();
    let history = desk.microphone.history;
    let shown = Memo::new(move |_| history.with(|history| !history.is_empty()));
    view! { <Show when=move || shown.get()><Strip history /></Show> }
}

#[component]
fn Strip(
    /// What was heard.
    history: RwSignal<History>,
) -> impl IntoView {
    let Redraw(redraw, _) = expect_context::<Redraw>();
    let router = expect_context::<Router>();
    let canvas = NodeRef::<Canvas>::new();
    let draw = move || {
        let Some(canvas) = canvas.try_get_untracked().flatten() else { return };
        history.with_untracked(|history| {
            let to = history.end();
            let from = to - f64::from(MINUTES_SHOWN) * 60.0;
            // A picture that cannot be drawn is left as it is: the list says the same.
            let _ = stack::draw(&canvas, history.moments(), from, to, &history.genres);
        });
    };
    let soon = Soon::new();
    Effect::new(move |_| {
        redraw.track();
        history.track();
        // While another view hides it, it has no size.
        if router.view.get() == View::Listen {
            soon.run(draw);
        }
    });
    let open = RwSignal::new(false);
    view! {
        <section class="history" aria-labelledby="history-heading" data-testid="history">
            <header class="history-head">
                <h3 id="history-heading">{sentence("history.heading")}</h3>
                <button
                    class="quiet-button"
                    data-testid="history-clear"
                    on:click=move |_| {
                        history.set(History::default());
                        focus::hand_on([], "[data-testid=listen]");
                    }
                >
                    {sentence("history.clear")}
                </button>
            </header>
            <canvas
                node_ref=canvas
                class="layers"
                width="1"
                height="1"
                role="img"
                aria-label=move || t!("history.picture", minutes = MINUTES_SHOWN)
            ></canvas>
            <details
                data-testid="history-list"
                on:toggle=move |event| {
                    let details: HtmlElement = event_target(&event);
                    open.set(details.has_attribute("open"));
                }
            >
                <summary>{sentence("history.list")}</summary>
                <Show when=move || open.get()>
                    <Stretches history />
                </Show>
            </details>
        </section>
    }
}

#[component]
fn Stretches(
    /// What was heard.
    history: RwSignal<History>,
) -> impl IntoView {
    let row = move |Stretch { from, to, genre, refused }| {
        let (name, color, letters) = history.with_untracked(|history| match genre {
            Some(genre) => (
                history.genres.get(genre).cloned(),
                colors::chip(genre),
                colors::letters(&history.genres, genre),
            ),
            None => {
                let letters = if refused { colors::NOT_MUSIC } else { "" };
                (None, "chip no-genre".to_owned(), letters.to_owned())
            }
        });
        let words = move || {
            let name = match &name {
                Some(name) => words::genre(name),
                None if refused => t!("song.not_music"),
                None => t!("song.silence"),
            };
            t!("history.begins", from = time_of_day(from), to = time_of_day(to), genre = name)
        };
        view! { <li><span class=color aria-hidden="true">{letters}</span>" "{words}</li> }
    };
    // A row is its times: of those that are there only the latest grows, and is put up anew.
    let times = |stretch: &Stretch| (stretch.from.to_bits(), stretch.to.to_bits());
    view! {
        <ol class="tabular" tabindex="0" aria-label=sentence("history.list")>
            <For each=move || history.with(History::stretches) key=times children=row />
        </ol>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(probabilities: &[f32]) -> ClipVerdict {
        ClipVerdict { probabilities: probabilities.to_vec(), ..ClipVerdict::default() }
    }

    fn genres() -> Vec<String> {
        ["blues", "jazz"].map(str::to_owned).to_vec()
    }

    /// What is left of verdicts that come `step` seconds after one another.
    fn heard(step: f64, verdicts: &[&[f32]]) -> History {
        let mut history = History::default();
        for (count, probabilities) in verdicts.iter().enumerate() {
            history.hear(&verdict(probabilities), count as f64 * step, 3.0, &genres());
        }
        history
    }

    #[test]
    fn what_is_said_three_times_a_second_is_kept_every_three() {
        assert_eq!(heard(1.0 / 3.0, &[&[1.0, 0.0][..]; 28]).moments.len(), 4);
    }

    #[test]
    fn half_an_hour_is_kept() {
        let history = heard(3.0, &[&[1.0, 0.0][..]; 2 * MOST]);
        assert_eq!((history.moments.len(), history.end()), (MOST, (2 * MOST - 1) as f64 * 3.0));
        assert_eq!(MOST, 30 * 60 / 3);
    }

    #[test]
    fn stretches_of_one_genre_stand_latest_first() {
        let stretches = heard(3.0, &[&[0.9, 0.1], &[0.8, 0.2], &[0.1, 0.9], &[]]).stretches();
        let expected = [(6.0, 9.0, None), (3.0, 6.0, Some(1)), (-3.0, 3.0, Some(0))];
        let stretch = |(from, to, genre)| Stretch { from, to, genre, refused: false };
        assert_eq!(stretches, expected.map(stretch));
    }

    #[test]
    fn what_is_not_music_is_a_stretch_of_no_genre() {
        let mut history = heard(3.0, &[&[0.9, 0.1]]);
        let noise = ClipVerdict { refused: true, ..verdict(&[0.9, 0.1]) };
        history.hear(&noise, 3.0, 3.0, &genres());
        history.hear(&verdict(&[]), 6.0, 3.0, &genres());
        let kinds: Vec<_> = history.stretches().iter().map(|found| (found.genre, found.refused)).collect();
        assert_eq!(kinds, [(None, false), (None, true), (Some(0), false)]);
    }

    #[test]
    fn a_pause_ends_a_stretch() {
        let mut history = heard(3.0, &[&[1.0, 0.0][..]; 2]);
        history.hear(&verdict(&[1.0, 0.0]), 60.0, 3.0, &genres());
        assert_eq!(history.stretches().len(), 2);
        assert_eq!(history.moments().map(|moment| moment.start).collect::<Vec<_>>(), [-3.0, 0.0, 57.0]);
    }

    #[test]
    fn a_model_with_other_genres_begins_anew() {
        let mut history = heard(3.0, &[&[1.0, 0.0][..]; 2]);
        history.hear(&verdict(&[1.0]), 9.0, 3.0, &["noise".to_owned()]);
        assert_eq!((history.moments.len(), history.genres.len()), (1, 1));
    }
}
