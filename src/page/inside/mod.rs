//! Inside the network: one clip on its way from sound to genre, a step at a
//! time.
//!
//! In: a clip of a song that was dropped, or the page's own [`example`]; the step,
//! filter and frame that the address names. Out: each step's values as the
//! engine has just computed them ([`shown`]), drawn ([`plot`], [`draw`]) and told
//! ([`tell`]). The arrow keys lead through the steps and a layer's filters.

mod draw;
mod example;
mod panel;
mod plot;
mod shown;
mod step;
mod tell;

use std::sync::Arc;
use std::time::Duration;

use js_sys::Float32Array;
use leptos::ev;
use leptos::html::{Canvas, Nav};
use leptos::prelude::*;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Element, HtmlElement, HtmlSelectElement, KeyboardEvent};

use panel::Panel;
use plot::{Look, plots};
use shown::Shown;
use step::Step;

use super::desk::{Desk, Download, PAPERS_MODEL};
use super::song::{FileState, Song};
use super::timeline::Redraw;
use super::views::{Parameters, Router};
use super::words::{self, sentence, t};
use crate::engine::pool::{ClipSource, Event, QueryId, Update as News};
use crate::engine::protocol::{ModelId, SongId};

/// Layers of the overview before the model is known: those of the paper's.
const USUAL_LAYERS: usize = 6;

/// Time from one picture of the overview to the next.
const TURN: Duration = Duration::from_millis(16);

/// What is asked of the engine.
#[derive(Clone, Debug, PartialEq)]
struct Subject {
    /// `None` for the example.
    song: Option<SongId>,
    clip: usize,
    model: ModelId,
    frame: Option<usize>,
}

/// How far the answer is.
#[derive(Clone, Debug, Default, PartialEq)]
enum State {
    /// Engine or model are on their way.
    #[default]
    Loading,
    /// The engine was asked, or the browser for the song.
    Busy,
    /// The values are there.
    Shown,
    /// There are none, and why.
    Failed(String),
}

impl State {
    /// Its name in the page's `data-state`.
    fn code(&self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Busy => "busy",
            Self::Shown => "shown",
            Self::Failed(_) => "failed",
        }
    }
}

/// What belongs to JavaScript.
#[derive(Default)]
struct Held {
    query: Option<QueryId>,
    /// The samples of the clip that was asked for last.
    samples: Option<(Subject, JsValue)>,
}

/// Handle on the view's state; copies are the same.
#[derive(Clone, Copy)]
pub(crate) struct Way {
    desk: Desk,
    router: Router,
    /// `None` while the model is on its way.
    subject: Memo<Option<Subject>>,
    state: RwSignal<State>,
    shown: RwSignal<Option<Arc<Shown>>>,
    steps: Memo<Vec<Step>>,
    step: Memo<Step>,
    filter: Memo<usize>,
    held: StoredValue<Held, LocalStorage>,
}

impl Way {
    fn new(desk: Desk, router: Router) -> Self {
        let parameters = router.parameters;
        let subject = Memo::new(move |_| {
            let wants_papers = router.wants_papers_model();
            parameters.with(|parameters| subject(desk, parameters, wants_papers))
        });
        let shown = RwSignal::new(None::<Arc<Shown>>);
        let steps = Memo::new(move |_| {
            shown.with(|shown| match shown {
                Some(shown) => Step::all(shown.card.network.blocks.len(), shown.is_sounding()),
                None => Step::all(USUAL_LAYERS, true),
            })
        });
        let step = Memo::new(move |_| {
            let step = parameters.with(|parameters| parameters.get("stage").and_then(Step::of_code));
            step.filter(|step| steps.with(|steps| steps.contains(step))).unwrap_or_default()
        });
        let filter = Memo::new(move |_| {
            let named = parameters.with(|parameters| number(parameters, "filter"));
            shown.with(|shown| chosen_filter(shown.as_deref(), step.get(), named))
        });
        let (state, held) = (RwSignal::default(), StoredValue::new_local(Held::default()));
        Self { desk, router, subject, state, shown, steps, step, filter, held }
    }

    /// Follows the address and asks the engine for what it names.
    fn follow(self) {
        Effect::new(move |_| {
            if self.subject.with(Option::is_some)
                && let Some(song) = self.song()
            {
                self.desk.bring_file(&song);
            }
        });
        Effect::new(move |_| {
            let is_sought = self.song().is_some_and(|song| song.file_state.get() == FileState::Sought);
            match self.subject.get() {
                Some(_) if is_sought => {
                    self.dismiss();
                    self.state.set(State::Busy);
                }
                Some(subject) => self.ask(subject),
                None => self.state.set(State::Loading),
            }
        });
        on_cleanup(move || self.dismiss());
    }

    fn dismiss(self) {
        if let Some(Some(query)) = self.held.try_update_value(|held| held.query.take()) {
            self.desk.dismiss(query);
        }
    }

    /// Asks once more, the browser for the song first where that is what was missing.
    fn try_again(self) {
        let song = untrack(|| self.song());
        match (song, self.subject.get_untracked()) {
            (Some(song), _) if song.file_state.get_untracked() != FileState::AtHand => {
                self.desk.bring_file(&song);
            }
            (_, Some(subject)) => self.ask(subject),
            (_, None) => {}
        }
    }

    fn ask(self, subject: Subject) {
        self.dismiss();
        self.state.set(State::Busy);
        let Some(source) = self.source(&subject) else {
            return self.state.set(State::Failed(untrack(|| t!("inside.no_file"))));
        };
        let (model, frame) = (Some(subject.model), subject.frame);
        let query = self.desk.ask(
            move |query| Event::Inspect { query, model, frame, source },
            move |news| self.hear(&subject, news),
        );
        self.held.try_update_value(|held| held.query = Some(query));
    }

    /// Where the clip's samples come from; `None` where the song's file is not
    /// at hand.
    fn source(self, subject: &Subject) -> Option<ClipSource<JsValue>> {
        let samples = self.held.try_with_value(|held| {
            let (cut, samples) = held.samples.as_ref()?;
            (Subject { frame: subject.frame, ..cut.clone() } == *subject).then(|| samples.clone())
        });
        if let Some(Some(samples)) = samples {
            return Some(ClipSource::Samples(samples));
        }
        match subject.song {
            Some(song) => {
                let file = self.desk.file(song)?;
                Some(ClipSource::File { file: file.into(), clip: subject.clip })
            }
            None => {
                let card = self.desk.card(subject.model)?;
                let config = &card.spectrogram;
                let samples = example::samples(config.sample_rate, config.clip_samples());
                let samples = JsValue::from(Float32Array::from(samples.as_slice()));
                self.keep(subject, samples.clone());
                Some(ClipSource::Samples(samples))
            }
        }
    }

    fn keep(self, subject: &Subject, samples: JsValue) {
        let subject = subject.clone();
        self.held.try_update_value(|held| held.samples = Some((subject, samples)));
    }

    fn hear(self, subject: &Subject, news: News<JsValue>) {
        match news {
            News::Cut { samples, .. } => self.keep(subject, samples),
            News::Inspected { model, frame, stages, values, milliseconds, .. } => {
                let Some(card) = self.desk.card(model) else { return };
                let shown = Shown::new(card, frame, milliseconds, stages, values);
                self.shown.set(Some(Arc::new(shown)));
                self.state.set(State::Shown);
            }
            News::Unanswered { problem, .. } => {
                self.state.set(State::Failed(untrack(|| words::problem(&problem))));
            }
            _ => {}
        }
    }

    /// Changes the address.
    fn change(self, change: impl FnOnce(Parameters) -> Parameters) {
        self.router.replace(change(self.router.parameters.get_untracked()));
    }

    fn go_to(self, step: Step) {
        // Another layer has another filter that fires most.
        self.change(|parameters| parameters.with("stage", step.code()).without("filter"));
    }

    /// Goes so many steps on, or back.
    fn go_by(self, by: isize) {
        let step = self.step.get_untracked();
        let steps = self.steps.get_untracked();
        let place = steps.iter().position(|other| *other == step).unwrap_or(0);
        if let Some(step) = place.checked_add_signed(by).and_then(|place| steps.get(place)) {
            self.go_to(*step);
        }
    }

    fn choose_filter(self, filter: usize) {
        self.change(|parameters| parameters.with("filter", (filter + 1).to_string()));
    }

    fn choose_filter_by(self, by: isize) {
        let filters = self.filters();
        let filter = self.filter.get_untracked().checked_add_signed(by);
        if let Some(filter) = filter.filter(|filter| *filter < filters) {
            self.choose_filter(filter);
        }
    }

    /// Filters of the layer that is looked at.
    fn filters(self) -> usize {
        let step = self.step.get_untracked();
        let shown = self.shown.get_untracked();
        shown
            .and_then(|shown| Some(plot::layer(Look { shown: &shown, step, filter: 0 })?.filters))
            .unwrap_or(0)
    }

    fn choose_clip(self, song: Option<SongId>, clip: usize) {
        let song = song.and_then(|song| self.desk.song(song));
        self.change(|parameters| {
            let parameters = parameters.without("frame");
            match song {
                Some(song) => parameters.with("song", &*song.code).with("clip", clip.to_string()),
                None => parameters.without("song").without("clip"),
            }
        });
    }

    /// The song that is looked at; `None` for the example.
    fn song(self) -> Option<Song> {
        let song = self.subject.with(|subject| subject.as_ref()?.song)?;
        self.desk.song(song)
    }

    /// Calls `look` with what is there to see, or gives nothing.
    fn with_look<T: Default>(self, look: impl FnOnce(Look<'_>) -> T) -> T {
        let (step, filter) = (self.step.get(), self.filter.get());
        self.shown.with(|shown| match shown {
            Some(shown) => look(Look { shown, step, filter }),
            None => T::default(),
        })
    }
}

/// A parameter that is a number.
fn number(parameters: &Parameters, name: &str) -> Option<usize> {
    parameters.get(name)?.parse().ok()
}

/// What the address names, as soon as the model is there: the paper's where it is asked for.
fn subject(desk: Desk, parameters: &Parameters, wants_papers: bool) -> Option<Subject> {
    let song = parameters.get("song").and_then(|code| desk.song_of_link(code));
    let ready = |model: &ModelId| {
        desk.models.with(|models| models.iter().any(|other| other.id == *model && other.card().is_some()))
    };
    let heard = song.as_ref().and_then(|song| {
        // Both say by whom, of this visit and of earlier ones.
        let _ = (song.model.get(), song.heard_by.get());
        desk.model_of(song)
    });
    let model = heard.filter(ready);
    let chosen = || {
        // Unless it came and was refused.
        let is_due = desk.papers_download.with(|download| *download != Download::Here)
            || desk.models.with(|models| models.iter().any(|model| model.id == PAPERS_MODEL));
        let awaits_papers = wants_papers && is_due && !ready(&PAPERS_MODEL);
        Some(desk.chosen_model.get()).filter(|model| !awaits_papers && ready(model))
    };
    let model = model.or_else(chosen)?;
    let clip = song.as_ref().map_or(0, |song| {
        let named = number(parameters, "clip").unwrap_or(0);
        // The last one, where the song has been heard and has not as many.
        let clips = if song.is_active() { 0 } else { clips_of(song) };
        clips.checked_sub(1).map_or(named, |last| named.min(last))
    });
    Some(Subject { song: song.map(|song| song.id), clip, model, frame: number(parameters, "frame") })
}

/// Clips of a song up to the last that was heard: of one that was stopped, some before it may
/// not have been. Tracks that.
fn clips_of(song: &Song) -> usize {
    song.hearing.track();
    song.track.with_value(|track| track.clips().last().map_or(0, |last| last.verdict.clip + 1))
}

/// The filter that the address names, or the one that fires most.
fn chosen_filter(shown: Option<&Shown>, step: Step, named: Option<usize>) -> usize {
    let maps = match step {
        Step::Layer(layer) => shown.and_then(|shown| shown.maps(layer)),
        _ => None,
    };
    let Some(maps) = maps else { return 0 };
    named
        .and_then(|number| number.checked_sub(1))
        .filter(|filter| *filter < maps.filters)
        .unwrap_or_else(|| maps.loudest())
}

/// The view.
#[component]
pub(crate) fn InsideView() -> impl IntoView {
    let way = Way::new(expect_context::<Desk>(), expect_context::<Router>());
    way.follow();
    let keys = window_event_listener(ev::keydown, move |event| follow_key(way, &event));
    on_cleanup(move || keys.remove());
    view! {
        <section
            class="inside"
            aria-labelledby="inside-heading"
            data-testid="inside"
            data-view="inside"
            data-state=move || way.state.with(State::code)
        >
            <header class="inside-head">
                <h1 id="inside-heading">{sentence("view.inside")}</h1>
                <p class="tagline">{sentence("inside.lead")}</p>
                <ClipChoice way />
            </header>
            <Overview way />
            <Panel way />
            <p class="quiet small controls">{sentence("inside.keys")}</p>
        </section>
    }
}

/// Left and right lead through the steps, up and down through the filters of a
/// layer, unless something that has the keyboard needs them itself.
fn follow_key(way: Way, event: &KeyboardEvent) {
    let modified = event.alt_key() || event.ctrl_key() || event.meta_key() || event.shift_key();
    let target = event.target().and_then(|target| target.dyn_into::<Element>().ok());
    let needed = target.and_then(|it| it.closest("input, select, textarea, [role=slider]").ok().flatten());
    if modified || event.default_prevented() || needed.is_some() {
        return;
    }
    let in_layer = matches!(way.step.get_untracked(), Step::Layer(_));
    match event.key().as_str() {
        "ArrowRight" => way.go_by(1),
        "ArrowLeft" => way.go_by(-1),
        // What is in the hand of who presents sends these.
        "PageDown" if way.router.presenting.get_untracked() => way.go_by(1),
        "PageUp" if way.router.presenting.get_untracked() => way.go_by(-1),
        "ArrowDown" if in_layer => way.choose_filter_by(1),
        "ArrowUp" if in_layer => way.choose_filter_by(-1),
        _ => return,
    }
    event.prevent_default();
}

/// Which clip is looked at.
#[component]
fn ClipChoice(
    /// The view.
    way: Way,
) -> impl IntoView {
    let chosen = Memo::new(move |_| way.subject.with(|subject| subject.as_ref()?.song));
    let clip =
        Memo::new(move |_| way.subject.with(|subject| subject.as_ref().map_or(0, |subject| subject.clip)));
    // A kept song is not on the list.
    let songs = move || {
        let mut songs = way.desk.songs.get();
        chosen.track();
        let kept = way.song().filter(|song| songs.iter().all(|other| other.id != song.id));
        songs.extend(kept);
        songs
    };
    let named = move || way.router.parameters.with(|parameters| parameters.get("song").is_some());
    let is_gone = move || named() && way.subject.with(Option::is_some) && chosen.get().is_none();
    // Clips, genres and filters are those of the network that is here.
    let stand_in = move || {
        let model = way.subject.with(|subject| subject.as_ref().map(|subject| subject.model))?;
        let song = way.song()?;
        let by = song.heard_by.get().filter(|_| way.desk.model_of(&song) != Some(model))?;
        let here = way.desk.card(model)?;
        Some(t!("inside.stand_in", there = &by.name, here = &here.name))
    };
    let clips = Memo::new(move |_| {
        chosen.track();
        way.song().map_or(0, |song| clips_of(&song))
    });
    let choose = move |event: ev::Event| {
        let select: HtmlSelectElement = event_target(&event);
        way.choose_clip(select.value().parse().ok().map(SongId), 0);
    };
    let step_to = move |clip: Option<usize>| {
        if let (Some(song), Some(clip)) = (chosen.get_untracked(), clip) {
            way.choose_clip(Some(song), clip);
        }
    };
    let place = move || {
        let number = clip.get();
        let time = way.song().and_then(|song| {
            song.hearing.track();
            song.track.with_value(|track| {
                let clip = track.clips().iter().find(|clip| clip.verdict.clip == number)?;
                Some(words::clock(clip.start))
            })
        });
        t!(
            "inside.clip",
            number = number + 1,
            clips = clips.get().max(number + 1),
            time = time.unwrap_or_default()
        )
    };
    let is_last = move || clip.get() + 1 >= clips.get();
    view! {
        <div class="inside-choice controls">
            <label class="field">
                {sentence("inside.source")}
                <select
                    data-testid="inside-source"
                    on:change=choose
                    prop:value=move || chosen.get().map_or_else(String::new, |song| song.0.to_string())
                >
                    <option value="" selected=move || chosen.get().is_none()>{sentence("inside.example")}</option>
                    <For each=songs key=|song| song.id let:song>
                        {
                            let id = song.id;
                            view! {
                                <option value=id.0.to_string() selected=move || chosen.get() == Some(id)>
                                    {move || song.title()}
                                </option>
                            }
                        }
                    </For>
                </select>
            </label>
            <div class="inside-clip" hidden=move || chosen.get().is_none()>
                <button
                    class="quiet-button"
                    aria-label=sentence("inside.clip_before")
                    aria-disabled=move || (clip.get() == 0).to_string()
                    on:click=move |_| step_to(clip.get_untracked().checked_sub(1))
                >
                    "←"
                </button>
                <span class="tabular" data-testid="inside-clip">{place}</span>
                <button
                    class="quiet-button"
                    aria-label=sentence("inside.clip_after")
                    aria-disabled=move || is_last().to_string()
                    on:click=move |_| step_to(Some(clip.get_untracked() + 1).filter(|_| !untrack(is_last)))
                >
                    "→"
                </button>
            </div>
            {move || is_gone().then(|| view! { <p class="quiet small">{sentence("inside.song_gone")}</p> })}
            {move || {
                stand_in().map(|words| view! { <p class="quiet small" data-testid="inside-stand-in">{words}</p> })
            }}
        </div>
    }
}

/// All steps as small pictures.
#[component]
fn Overview(
    /// The view.
    way: Way,
) -> impl IntoView {
    let strip = NodeRef::<Nav>::new();
    Effect::new(move |_| {
        way.steps.track();
        let code = way.step.get().code();
        let Some(strip) = strip.get() else { return };
        let here = strip.query_selector(&format!("[data-step={code}]")).ok().flatten();
        if let Some(here) = here.and_then(|here| here.dyn_into::<HtmlElement>().ok()) {
            // Only sideways: whoever compares layers stays where he is.
            strip.set_scroll_left(here.offset_left() + (here.offset_width() - strip.client_width()) / 2);
        }
    });
    view! {
        <nav node_ref=strip class="inside-overview" aria-label=sentence("inside.steps")>
            <ol>
                <For each=move || way.steps.get() key=|step| *step let:step>
                    <li><Thumbnail way step /></li>
                </For>
            </ol>
        </nav>
    }
}

/// A step of the overview.
#[component]
fn Thumbnail(
    /// The view.
    way: Way,
    /// The step.
    step: Step,
) -> impl IntoView {
    let redraw = expect_context::<Redraw>();
    let canvas = NodeRef::<Canvas>::new();
    Effect::new(move |_| {
        redraw.track();
        let (Some(canvas), Some(shown)) = (canvas.get(), way.shown.get()) else { return };
        let draw = move || {
            let look = Look { shown: &shown, step, filter: chosen_filter(Some(&shown), step, None) };
            if let Some(plot) = plots(step).first() {
                // What cannot be drawn is told in words all the same.
                let _ = (plot.draw)(&canvas, look);
            }
        };
        // One after the other, so that a key that is pressed meanwhile is heard.
        let place = way.steps.with_untracked(|steps| steps.iter().position(|other| *other == step));
        set_timeout(draw, TURN * place.map_or(0, |place| place as u32 + 1));
    });
    let is_here = move || way.step.get() == step;
    view! {
        <button
            class="inside-thumbnail"
            data-step=step.code()
            aria-current=move || is_here().then_some("step")
            on:click=move |_| way.go_to(step)
        >
            <canvas node_ref=canvas width="1" height="1" aria-hidden="true"></canvas>
            <span>{move || tell::name(step)}</span>
        </button>
    }
}

/// What keeps the engine from answering, while it is on its way; what did not come says so
/// itself.
fn loading(desk: Desk) -> String {
    let failed =
        |download: RwSignal<Download>| download.with(|download| matches!(download, Download::Failed(_)));
    if [desk.engine_download, desk.model_download, desk.papers_download].into_iter().any(failed) {
        return String::new();
    }
    let trouble =
        desk.engine.with(|engine| engine.as_ref().filter(|engine| engine.problem.is_some()).map(words::runs));
    trouble.unwrap_or_else(|| t!("inside.loading"))
}
