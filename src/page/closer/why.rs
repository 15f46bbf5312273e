//! Why the network said so: what of a clip spoke for a genre.
//!
//! In: the engine's map of the clip, in which each cell says by how much the
//! genre's log-odds fall when that part of the spectrogram is made silent. Out:
//! a veil over the clip that leaves bright what spoke for the genre, and what
//! that means in words.

use leptos::html::Canvas;
use leptos::prelude::*;
use wasm_bindgen::{Clamped, JsValue};
use web_sys::{HtmlCanvasElement, ImageData};

use super::super::css::percentage;
use super::super::song::{FileState, Song};
use super::super::words::{self, sentence, t};
use super::super::{canvas, focus};
use super::{ClipHere, Closer};
use crate::classify::occlusion::CELLS;
use crate::engine::pool::{ClipSource, Event, QueryId, Update};

/// The least share of the screen that a clip has whose parts are looked at.
const LEAST_SHARE: f64 = 0.2;

/// How dark the veil is over what said nothing for the genre, of 255.
const DARKEST: f32 = 208.0;

/// What is known of the answer to a question.
#[derive(Clone, Debug, PartialEq)]
enum Answer {
    /// Nothing yet.
    Waiting,
    /// By how much the genre's log-odds fall where each cell is silent,
    /// `[CELLS, CELLS]`, lowest band first; empty for silence.
    Known {
        map: Vec<f32>,
        /// Whether the map will not change any more.
        last: bool,
    },
    /// The song's file is not at hand.
    NoFile,
    /// The model that heard it is not.
    NoModel,
    /// There is none.
    Failed,
}

impl Answer {
    /// Its name in the page's `data-state`.
    fn code(&self) -> &'static str {
        match self {
            Self::Waiting | Self::Known { last: false, .. } => "busy",
            Self::Known { last: true, .. } => "done",
            Self::NoFile | Self::NoModel | Self::Failed => "failed",
        }
    }
}

/// A question that has been asked, and what is known of its answer.
#[derive(Clone)]
pub(super) struct Asked {
    clip: usize,
    start: f64,
    end: f64,
    genre: usize,
    answer: ArcRwSignal<Answer>,
    query: Option<QueryId>,
}

impl Closer {
    /// Asks what in the clip spoke for a genre, and nothing else any more.
    fn ask_why(self, clip: usize, start: f64, end: f64, genre: usize) {
        self.forget_why();
        self.show_large(start, end);
        let answer = ArcRwSignal::new(Answer::Waiting);
        let query = self.explain(clip, genre, &answer);
        self.why.set(Some(Asked { clip, start, end, genre, answer, query }));
    }

    /// Zooms in where the clip is too narrow to see parts of it.
    fn show_large(self, start: f64, end: f64) {
        let length = self.length.get_untracked();
        let lens = self.lens.get_untracked();
        if (end - start) / length * lens.zoom(length) < LEAST_SHARE {
            self.lens.set(lens.around(start, end, length));
        }
    }

    /// Has the engine explain a clip; `None` where its file is not at hand, or the model
    /// whose genre it is: another would speak of another.
    fn explain(self, clip: usize, class: usize, answer: &ArcRwSignal<Answer>) -> Option<QueryId> {
        let Some(file) = self.desk.file(self.id) else {
            answer.set(Answer::NoFile);
            return None;
        };
        let model = self.song.with_value(|song| self.desk.model_of(song));
        if model.is_none() {
            answer.set(Answer::NoModel);
            return None;
        }
        let (file, answer) = (file.into(), answer.clone());
        let source = ClipSource::File { file, clip };
        Some(self.desk.ask(
            move |query| Event::Explain { query, model, class, source },
            move |news| match news {
                Update::Explained { map, share, .. } => answer.set(Answer::Known { map, last: share >= 1.0 }),
                Update::Unanswered { .. } => answer.set(Answer::Failed),
                _ => {}
            },
        ))
    }

    /// Lifts the veil, and wants no more answers.
    pub(super) fn why_no_more(self) {
        self.forget_why();
        focus::hand_on(["[data-testid=ask-why]".to_owned()], "#closer-title");
    }

    fn forget_why(self) {
        if let Some(query) = self.why.with_untracked(|why| why.as_ref().and_then(|asked| asked.query)) {
            self.desk.dismiss(query);
        }
        self.why.set(None);
    }
}

/// How dark each cell of a map `[CELLS, CELLS]`, lowest band first, is drawn,
/// as rows from the top.
fn darkness(map: &[f32]) -> Vec<u8> {
    let most = map.iter().copied().fold(0.0, f32::max);
    let dark = |value: f32| {
        let share = if most > 0.0 { (value / most).clamp(0.0, 1.0) } else { 0.0 };
        (DARKEST * (1.0 - share)).round() as u8
    };
    map.chunks(CELLS).rev().flatten().map(|value| dark(*value)).collect()
}

/// Draws the veil, one pixel a cell; CSS stretches it softly.
///
/// # Errors
/// What the browser says.
fn draw(canvas: &HtmlCanvasElement, map: &[f32]) -> Result<(), JsValue> {
    let mut pixels = vec![0; CELLS * CELLS * 4];
    for (pixel, dark) in pixels.chunks_exact_mut(4).zip(darkness(map)) {
        pixel[3] = dark;
    }
    let image = ImageData::new_with_u8_clamped_array_and_sh(Clamped(&pixels), CELLS as u32, CELLS as u32)?;
    canvas::context(canvas)?.put_image_data(&image, 0.0, 0.0)
}

/// The veil over the clip's stretch of the spectrogram.
#[component]
pub(super) fn Veil(
    /// The song.
    closer: Closer,
) -> impl IntoView {
    let canvas = NodeRef::<Canvas>::new();
    Effect::new(move |_| {
        let map = closer.why.with(|why| {
            Some(match why.as_ref()?.answer.get() {
                Answer::Known { map, .. } => map,
                Answer::Waiting | Answer::NoFile | Answer::NoModel | Answer::Failed => Vec::new(),
            })
        });
        if let (Some(map), Some(canvas)) = (map, canvas.get()) {
            // The words say where it is, too.
            let _ = draw(&canvas, &map);
        }
    });
    let share = move |second: f64| closer.lens.get().share(second, closer.length.get());
    let stretch = move || closer.why.with(|why| why.as_ref().map(|asked| (asked.start, asked.end)));
    let left = move || stretch().map(|(start, _)| percentage(share(start)));
    let width = move || stretch().map(|(start, end)| percentage(share(end) - share(start)));
    view! {
        <canvas
            node_ref=canvas
            class="veil"
            class:gone=move || stretch().is_none()
            width=CELLS.to_string()
            height=CELLS.to_string()
            style:left=left
            style:width=width
            data-testid="veil"
        ></canvas>
    }
}

/// Which part of the clip spoke most for the genre: a third of the bands, and
/// the share of the clip at its middle; `None` where none did.
fn loudest_voice(map: &[f32]) -> Option<(Voice, f64)> {
    let (cell, value) = map.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1))?;
    let voice = match cell / CELLS * 3 / CELLS {
        0 => Voice::Low,
        1 => Voice::Middle,
        _ => Voice::High,
    };
    (*value > 0.0).then(|| (voice, ((cell % CELLS) as f64 + 0.5) / CELLS as f64))
}

/// A third of the mel bands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Voice {
    Low,
    Middle,
    High,
}

/// What has come of a question, in words.
/// `waits` where songs of another model are heard first.
fn in_words(asked: &Asked, genre: &str, answer: &Answer, waits: bool) -> String {
    let map = match answer {
        Answer::Waiting if waits => return t!("engine.after_songs"),
        // A coarse map is drawn, but its words could change with the next piece.
        Answer::Waiting | Answer::Known { last: false, .. } => return t!("closer.why_asking"),
        Answer::NoFile => return t!("closer.no_file"),
        Answer::NoModel => return t!("closer.why_no_model"),
        Answer::Failed => return t!("closer.why_failed"),
        Answer::Known { map, .. } => map,
    };
    let Some((voice, share)) = loudest_voice(map) else { return t!("closer.why_none", genre = genre) };
    let at = words::clock(asked.start + share * (asked.end - asked.start));
    let most = match voice {
        Voice::Low => t!("closer.why_low", at = at),
        Voice::Middle => t!("closer.why_middle", at = at),
        Voice::High => t!("closer.why_high", at = at),
    };
    let meaning = t!("closer.why_means", genre = genre);
    format!("{most} {meaning}")
}

/// The button that asks, and the answer with a choice of genres.
#[component]
pub(super) fn WhyPanel(
    /// The song.
    closer: Closer,
) -> impl IntoView {
    let Closer { clip, genres, why, .. } = closer;
    let name = move |genre: usize| genres.with(|genres| words::genre_at(genres, genre));
    on_cleanup(move || {
        let asked = closer.why.try_get_untracked().flatten();
        if let Some(query) = asked.and_then(|asked| asked.query) {
            closer.desk.dismiss(query);
        }
    });
    let top = Memo::new(move |_| {
        clip.with(|clip| clip.as_ref().and_then(|clip| clip.ranking.first().map(|(genre, _)| *genre)))
    });
    let is_sought = closer.song.with_value(|song| RwSignal::from(song.file_state.clone()));
    let is_sought = Memo::new(move |_| is_sought.get() == FileState::Sought);
    let model = closer.song.with_value(|song| RwSignal::from(song.model.clone()));
    // Until there is any model, which of them heard the song is not known.
    let is_early = Memo::new(move |_| model.get() == Song::EARLIER && closer.desk.awaits_models());
    // A button that is disabled while it has the keyboard would lose it.
    let cannot_ask = move || top.get().is_none() || is_sought.get() || is_early.get();
    let ask = move |_| {
        if untrack(cannot_ask) {
            return;
        }
        if let (Some(ClipHere { clip, start, end, .. }), Some(genre)) =
            (clip.get_untracked(), top.get_untracked())
        {
            closer.ask_why(clip, start, end, genre);
        }
    };
    let choose = move |event| {
        let Ok(genre) = event_target_value(&event).parse() else { return };
        if let Some(Asked { clip, start, end, .. }) = why.get_untracked() {
            closer.ask_why(clip, start, end, genre);
        }
    };
    let is_open = Memo::new(move |_| why.with(Option::is_some));
    let about = move || {
        why.with(|why| {
            why.as_ref().map(|asked| {
                t!(
                    "closer.why_about",
                    number = asked.clip + 1,
                    from = words::clock(asked.start),
                    to = words::clock(asked.end)
                )
            })
        })
    };
    let answer = move || {
        let asked = why.get()?;
        let by = closer.song.with_value(|song| closer.desk.model_of(song));
        let waits = by.is_some_and(|model| closer.desk.hears_before(model));
        Some(in_words(&asked, &name(asked.genre), &asked.answer.get(), waits))
    };
    let state = move || why.with(|why| why.as_ref().map(|asked| asked.answer.with(Answer::code)));
    view! {
        <div class="why" data-testid="why" data-state=state>
            <button
                class="button secondary"
                data-testid="ask-why"
                aria-disabled=move || cannot_ask().to_string()
                on:click=ask
            >
                {move || match top.get() {
                    Some(genre) => t!("closer.why", genre = name(genre)),
                    None => t!("closer.why_nothing"),
                }}
            </button>
            <Show when=move || is_open.get()>
                <div class="why-answer">
                    <h3>{about}</h3>
                    <label class="field">
                        {sentence("closer.why_genre")}
                        <select
                            data-testid="why-genre"
                            prop:value=move || why.with(|why| why.as_ref().map(|asked| asked.genre.to_string()))
                            on:change=choose
                        >
                            {move || genres.with(|genres| {
                                let asked = why.with_untracked(|why| why.as_ref().map(|asked| asked.genre));
                                genres.iter().enumerate().map(|(genre, name)| view! {
                                    <option value=genre.to_string() selected=asked == Some(genre)>{words::genre(name)}</option>
                                }).collect_view()
                            })}
                        </select>
                    </label>
                    <p role="status" data-testid="why-answer">{answer}</p>
                    <button class="quiet-button" data-testid="why-close" on:click=move |_| closer.why_no_more()>
                        {sentence("closer.why_close")}
                    </button>
                </div>
            </Show>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A map that is `value` in one cell and `rest` elsewhere.
    fn map(row: usize, column: usize, value: f32, rest: f32) -> Vec<f32> {
        (0..CELLS * CELLS).map(|cell| if cell == row * CELLS + column { value } else { rest }).collect()
    }

    #[test]
    fn what_spoke_for_the_genre_stays_bright_and_stands_upright() {
        let dark = darkness(&map(0, 2, 1.5, -0.5));
        assert_eq!(dark[(CELLS - 1) * CELLS + 2], 0);
        assert_eq!(dark.iter().filter(|&&dark| f32::from(dark) == DARKEST).count(), CELLS * CELLS - 1);
    }

    #[test]
    fn where_nothing_spoke_for_it_all_is_dark() {
        assert!(darkness(&map(3, 3, -2.0, -1.0)).iter().all(|&dark| f32::from(dark) == DARKEST));
        assert!(darkness(&[]).is_empty());
    }

    #[test]
    fn the_words_name_the_brightest_place() {
        let voice = |row, column| loudest_voice(&map(row, column, 1.0, 0.0));
        assert_eq!(voice(0, 0), Some((Voice::Low, 0.0625)));
        assert_eq!(voice(4, 4), Some((Voice::Middle, 0.5625)));
        assert_eq!(voice(7, 7), Some((Voice::High, 0.9375)));
        assert_eq!((loudest_voice(&map(1, 1, -1.0, -2.0)), loudest_voice(&[])), (None, None));
    }
}
