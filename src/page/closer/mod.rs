//! One song, large: what was said of every clip of it, and of which sound.
//!
//! In: a song of this visit or an earlier one. Out: its spectrogram and under it the probabilities
//! of all genres, clip by clip, at any zoom; a playhead over both; the clip
//! under the playhead in words; why the network said so; a table of all clips.

mod controls;
mod lens;
mod stage;
mod table;
mod why;

use std::time::Duration;

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, KeyboardEvent};

use super::desk::Desk;
use super::folded::Line;
use super::keeper::Keeping;
use super::library::TakeSong;
use super::player::{Playing, Repeat};
use super::song::{FileState, Headline, PlayButton, Song, SongState};
use super::track::HeardClip;
use super::verdict::Bars;
use super::views::{Parameters, Router, View};
use super::words::{self, sentence, t};
use crate::classify::verdict::ClipVerdict;
use crate::engine::protocol::SongId;
use crate::order::ranking;

use controls::{LoopControls, ZoomControls};
use lens::Lens;
use stage::{Clock, Overview, Stage};
use table::ClipTable;
use why::{Asked, WhyPanel};

/// Seconds between clips before the first is there.
const USUAL_CLIP: f64 = 3.0;

/// Seconds that the page keys move the playhead by.
const LEAP: f64 = 30.0;

/// How long playhead and zoom rest before the address names them; browsers take
/// it amiss when it changes all the time.
const REST: Duration = Duration::from_millis(600);

/// How much larger one press makes it.
const ZOOM_STEP: f64 = 2.0;

/// The clip under the playhead.
#[derive(Clone, Debug, PartialEq)]
struct ClipHere {
    clip: usize,
    start: f64,
    end: f64,
    /// Genres as (index, probability), most probable first; empty for silence.
    ranking: Vec<(usize, f32)>,
    /// How like music it is, where the model says so and the clip was heard in this visit.
    score: Option<f32>,
    /// Whether it was refused as not music.
    refused: bool,
}

impl ClipHere {
    fn of(heard: &HeardClip) -> Self {
        let ranking = ranking(&heard.verdict.probabilities);
        let ClipVerdict { clip, score, refused, .. } = heard.verdict;
        Self { clip, start: heard.start, end: heard.end, ranking, score, refused }
    }
}

/// What the parts of the view share; copies are the same.
#[derive(Clone, Copy)]
struct Closer {
    desk: Desk,
    song: StoredValue<Song>,
    id: SongId,
    title: Memo<String>,
    genres: RwSignal<Vec<String>>,
    /// Seconds that the whole song takes.
    length: Memo<f64>,
    /// The stretch on the screen.
    lens: RwSignal<Lens>,
    /// Where the playhead is, in seconds.
    at: Memo<f64>,
    /// Where it stands while the player has another song.
    mark: RwSignal<f64>,
    clip: Memo<Option<ClipHere>>,
    /// What was asked of a clip.
    why: RwSignal<Option<Asked>>,
}

impl Closer {
    fn new(desk: Desk, song: Song, at: Option<f64>, zoom: f64) -> Self {
        let player = desk.player;
        let id = song.id;
        // Whoever comes back to a song that sounds goes on hearing it.
        let rests =
            player.song.get_untracked() == Some(id) && player.state.get_untracked() == Playing::Paused;
        if let Some(at) = at.filter(|_| rests) {
            player.seek(desk, id, at, false);
        }
        let length = Memo::new({
            let song = song.clone();
            move |_| song.length()
        });
        let title = Memo::new({
            let song = song.clone();
            move |_| song.title()
        });
        let mark = RwSignal::new(at.unwrap_or(0.0));
        let at = Memo::new(move |_| if player.song.get() == Some(id) { player.at.get() } else { mark.get() });
        let clip = Memo::new({
            let song = song.clone();
            move |_| {
                song.hearing.track();
                song.track.with_value(|track| track.at_or_before_the_end(at.get()).map(ClipHere::of))
            }
        });
        Self {
            desk,
            genres: RwSignal::from(song.genres.clone()),
            song: StoredValue::new(song),
            id,
            title,
            lens: RwSignal::new(Lens::at(zoom, at.get_untracked(), length.get_untracked())),
            length,
            at,
            mark,
            clip,
            why: RwSignal::default(),
        }
    }

    fn sounding(self) -> bool {
        let player = self.desk.player;
        player.song.get_untracked() == Some(self.id) && player.state.get_untracked() != Playing::Paused
    }

    fn toggle(self) {
        let mark = self.mark.get_untracked();
        if self.desk.player.song.get_untracked() == Some(self.id) || mark <= 0.0 {
            self.desk.player.toggle(self.desk, self.id);
        } else {
            self.seek(mark, true);
        }
    }

    /// Moves the playhead, and the stretch with it.
    fn seek(self, second: f64, play: bool) {
        let length = self.length.get_untracked();
        let second = second.max(0.0);
        // How long a song is that is not here yet shows later.
        let second = if length > 0.0 { second.min(length) } else { second };
        self.mark.set(second);
        self.desk.player.seek(self.desk, self.id, second, play);
        self.lens.update(|lens| *lens = lens.showing(second, length));
    }

    /// Larger by `factor` around `second`, or around the playhead.
    fn zoom(self, factor: f64, second: Option<f64>) {
        let length = self.length.get_untracked();
        let at = self.at.get_untracked();
        self.lens.update(|lens| {
            let middle = if lens.shows(at, length) { at } else { lens.second(0.5, length) };
            *lens = lens.zoomed(factor, second.unwrap_or(middle), length);
        });
    }

    fn whole(self) {
        self.lens.set(Lens::WHOLE);
    }

    /// Repeats the clip under the playhead, or no longer what is repeated.
    fn toggle_loop(self) {
        let repeat = self.desk.player.repeat;
        if repeat.get_untracked().is_some() {
            return repeat.set(None);
        }
        let here = self.clip.with_untracked(|clip| clip.as_ref().map(|clip| (clip.start, clip.end)));
        if let Some((start, end)) = here {
            self.repeat(Repeat::between(start, end));
        }
    }

    /// Repeats from the playhead on, to where it ended or else to the song's end.
    fn loop_from(self) {
        let at = self.at.get_untracked();
        let to = self.desk.player.repeat.get_untracked().map(|repeat| repeat.to).filter(|to| *to > at);
        self.repeat(Repeat::between(at, to.unwrap_or_else(|| self.length.get_untracked())));
    }

    /// Repeats up to the playhead, from where it began or else from the song's
    /// beginning.
    fn loop_to(self) {
        let at = self.at.get_untracked();
        let from =
            self.desk.player.repeat.get_untracked().map(|repeat| repeat.from).filter(|from| *from < at);
        self.repeat(Repeat::between(from.unwrap_or(0.0), at));
    }

    fn repeat(self, repeat: Option<Repeat>) {
        if repeat.is_none() {
            return;
        }
        // The stretch belongs to the song that the player has.
        if self.desk.player.song.get_untracked() != Some(self.id) {
            self.seek(self.at.get_untracked(), false);
        }
        if self.desk.player.song.get_untracked() == Some(self.id) {
            self.desk.player.repeat.set(repeat);
        }
    }

    /// Seconds from clip to clip.
    fn clip_seconds(self) -> f64 {
        let first = self.song.with_value(|song| {
            song.track.with_value(|track| track.clips().first().map(|clip| clip.end - clip.start))
        });
        first.filter(|seconds| *seconds > 0.0).unwrap_or(USUAL_CLIP)
    }

    /// Does what a key stands for; `false` where it stands for nothing.
    fn press(self, key: &str) -> bool {
        let (at, length) = (self.at.get_untracked(), self.length.get_untracked());
        let step = |forward| lens::neighbour(at, self.clip_seconds(), forward, length);
        match key {
            " " => self.toggle(),
            "ArrowRight" | "ArrowUp" => self.seek(step(true), self.sounding()),
            "ArrowLeft" | "ArrowDown" => self.seek(step(false), self.sounding()),
            "PageUp" => self.seek(at + LEAP, self.sounding()),
            "PageDown" => self.seek(at - LEAP, self.sounding()),
            "Home" => self.seek(0.0, self.sounding()),
            "End" => self.seek(length, false),
            "+" | "=" => self.zoom(ZOOM_STEP, None),
            "-" => self.zoom(1.0 / ZOOM_STEP, None),
            "0" => self.whole(),
            "l" | "L" => self.toggle_loop(),
            "[" => self.loop_from(),
            "]" => self.loop_to(),
            "Escape" if self.why.with_untracked(Option::is_some) => self.why_no_more(),
            _ => return false,
        }
        true
    }
}

/// Whether a key that is pressed in `target` means the element itself: letters in
/// a field, the space bar on a button.
fn belongs_to(target: &Element, key: &str) -> bool {
    match target.tag_name().as_str() {
        "SELECT" | "INPUT" | "TEXTAREA" => key != "Escape",
        "BUTTON" | "SUMMARY" | "A" => key == " ",
        _ => false,
    }
}

/// The view `#song`: the song named by the parameter `song`, with the playhead
/// `at` so many seconds, `zoom` times larger than the whole.
#[component]
pub(crate) fn SongView() -> impl IntoView {
    let desk = expect_context::<Desk>();
    let router = expect_context::<Router>();
    let id = Memo::new(move |_| {
        let song = router.parameters.with(|parameters| desk.song_of_link(parameters.get("song")?));
        song.map(|song| song.id)
    });
    move || match id.get().and_then(|id| desk.song(id)) {
        Some(song) => {
            let positive = |name| {
                let number = router.parameters.with_untracked(|all| all.get(name).and_then(number));
                number.filter(|number| *number >= 0.0)
            };
            let (at, zoom) = (positive("at"), positive("zoom").unwrap_or(1.0));
            view! { <Large song at zoom /> }.into_any()
        }
        // It may be among those that are still being read.
        None if desk.keeper.state.with(|state| *state == Keeping::Opening) => {
            view! { <section class="closer"><h1>{sentence("library.opening")}</h1></section> }.into_any()
        }
        None => view! { <Missing /> }.into_any(),
    }
}

/// Leads to the list of songs.
#[component]
fn BackButton() -> impl IntoView {
    let router = expect_context::<Router>();
    view! {
        <p>
            <button
                class="quiet-button"
                data-testid="closer-back"
                on:click=move |_| router.go_back()
            >
                <span aria-hidden="true">"← "</span>
                {sentence("closer.back")}
            </button>
        </p>
    }
}

/// A link to a song that is not here.
#[component]
fn Missing() -> impl IntoView {
    view! {
        <section class="closer" data-testid="closer" data-state="missing">
            <h1>{sentence("closer.missing")}</h1>
            <p>{sentence("closer.missing_why")}</p>
            <BackButton />
        </section>
    }
}

/// The song itself.
#[component]
fn Large(
    /// The song.
    song: Song,
    /// Where the playhead stands at first: where it is, if `None`.
    at: Option<f64>,
    /// How large it is at first.
    zoom: f64,
) -> impl IntoView {
    let desk = expect_context::<Desk>();
    let id = song.id;
    let state = RwSignal::from(song.state.clone());
    let hearing = RwSignal::from(song.hearing.clone());
    let info = RwSignal::from(song.info.clone());
    let seconds = RwSignal::from(song.seconds.clone());
    let mute = Memo::new({
        let song = song.clone();
        move |_| song.is_mute()
    });
    // Nothing was heard, and nothing will be.
    let barren = Memo::new(move |_| {
        state.with(|state| matches!(state, SongState::Failed(_)))
            && hearing.with(|hearing| hearing.clips == 0)
    });
    let problem = move || {
        state.with(|state| match state {
            SongState::Failed(problem) => Some(words::problem(problem)),
            _ => None,
        })
    };
    let file_state = RwSignal::from(song.file_state.clone());
    let without_file = move || {
        file_state.get() == FileState::Away && state.with(|state| !matches!(state, SongState::Failed(_)))
    };
    let taken = song.clone();
    desk.bring_file(&song);
    let closer = Closer::new(desk, song, at, zoom);
    follow(closer);
    remember(closer);
    // What repeats is seen and ended here only.
    on_cleanup(move || {
        desk.player.repeat.try_set(None);
    });
    let on_key = move |event: KeyboardEvent| {
        let key = event.key();
        let held = event.ctrl_key() || event.meta_key() || event.alt_key();
        // Brackets are typed with AltGr on many keyboards, which counts as Ctrl and Alt.
        let composed = matches!(key.as_str(), "[" | "]") && event.get_modifier_state("AltGraph");
        let target = event.target().and_then(|target| target.dyn_into::<Element>().ok());
        // Beside the slider these move the page, as everywhere.
        let scrolls = matches!(key.as_str(), "ArrowUp" | "ArrowDown" | "PageUp" | "PageDown");
        let elsewhere = target.is_some_and(|target| {
            let on_slider = || target.closest("[role=slider]").ok().flatten().is_some();
            belongs_to(&target, &key) || scrolls && !on_slider()
        });
        if elsewhere || (held && !composed) {
            return;
        }
        if closer.press(&key) {
            event.prevent_default();
        }
    };
    view! {
        <section
            class="closer"
            class:mute=mute
            aria-labelledby="closer-title"
            tabindex="-1"
            data-testid="closer"
            data-song=id.0.to_string()
            data-state=move || state.with(SongState::code)
            on:keydown=on_key
        >
            <BackButton />
            <header class="song-head">
                <PlayButton id title=closer.title mute press=Callback::new(move |()| closer.toggle()) />
                <div class="song-names">
                    <h1 id="closer-title" dir="auto">{closer.title}</h1>
                    <p class="quiet" dir="auto">{move || info.with(|info| words::song_facts(info, seconds.get()))}</p>
                </div>
                <Headline state hearing genres=closer.genres />
            </header>
            {move || problem().map(|problem| view! { <p class="problem" data-testid="closer-problem">{problem}</p> })}
            <Line when=Signal::derive(without_file) key="closer.no_file" testid="closer-no-file" class="quiet" />
            <Show when=move || !barren.get()>
                <Overview closer />
                <Stage closer mute />
                <Clock closer />
                <div class="closer-controls">
                    <ZoomControls closer />
                    <LoopControls closer />
                    <div class="closer-group">
                        <TakeSong song=taken.clone() />
                    </div>
                </div>
                <Reading closer />
                <ClipTable closer />
                <p class="quiet small closer-keys">{sentence("closer.keys")}</p>
            </Show>
        </section>
    }
}

/// Has the stretch on the screen turn when the playhead leaves it. Whoever has
/// moved the stretch away from the playhead is left alone.
fn follow(closer: Closer) {
    Effect::new(move |before: Option<f64>| {
        let (at, length) = (closer.at.get(), closer.length.get_untracked());
        let lens = closer.lens.get_untracked();
        if before.is_some_and(|before| lens.shows(before, length)) && !lens.shows(at, length) {
            closer.lens.set(lens.showing(at, length));
        }
        at
    });
}

/// A number as the address has it, to the tenth.
fn tenths(number: f64) -> String {
    let tenths = (number * 10.0).round() as u64;
    if tenths.is_multiple_of(10) {
        (tenths / 10).to_string()
    } else {
        format!("{}.{}", tenths / 10, tenths % 10)
    }
}

/// A number in the address, as the browser reads it: our own reader of numbers would be ten
/// kilobytes more.
fn number(text: &str) -> Option<f64> {
    let number = js_sys::Number::parse_float(text);
    number.is_finite().then_some(number)
}

/// Writes where the playhead rests, and how large the song is, into the address; and follows
/// a link to another place of the song.
fn remember(closer: Closer) {
    let router = expect_context::<Router>();
    let is_own = move |parameters: &Parameters| {
        closer.song.with_value(|song| parameters.get("song") == Some(&*song.code))
    };
    let written = StoredValue::new(String::new());
    Effect::new(move |before: Option<()>| {
        let named = |all: &Parameters| ["at", "zoom"].map(|name| all.get(name).unwrap_or_default()).join(" ");
        let place = router.parameters.with(|all| if is_own(all) { named(all) } else { String::new() });
        let is_new = place != written.get_value();
        let (at, zoom) = place.split_once(' ').unwrap_or_default();
        // What was there first has been followed.
        if let Some(second) = number(at).filter(|_| is_new && before.is_some()) {
            untrack(|| {
                closer.seek(second, closer.sounding());
                if let Some(zoom) = number(zoom) {
                    closer.lens.set(Lens::at(zoom, second, closer.length.get()));
                }
            });
        }
        written.set_value(place);
    });
    let waiting = StoredValue::new(None::<TimeoutHandle>);
    let stop_waiting = move || {
        if let Some(waiting) = waiting.try_update_value(Option::take).flatten() {
            waiting.clear();
        }
    };
    on_cleanup(stop_waiting);
    Effect::new(move |before: Option<()>| {
        let player = closer.desk.player;
        let sounds = player.song.get() == Some(closer.id) && player.state.get() == Playing::Sounding;
        let at = if sounds { closer.at.get_untracked() } else { closer.at.get() };
        let length = closer.length.get();
        let zoom = closer.lens.get().zoom(length);
        stop_waiting();
        // What a link opened stands in the address already, and of a song that is not here yet
        // nothing else is known.
        if before.is_none() || length <= 0.0 {
            return;
        }
        let write = move || {
            let parameters = router.parameters.get_untracked();
            if is_own(&parameters) {
                let [at, zoom] = [at, zoom].map(tenths);
                written.set_value([&*at, &*zoom].join(" "));
                router.replace(parameters.with("at", at).with("zoom", zoom));
            }
        };
        waiting.set_value(set_timeout_with_handle(write, REST).ok());
    });
}

/// The clip under the playhead, in words.
#[component]
fn Reading(
    /// The song.
    closer: Closer,
) -> impl IntoView {
    let heading = move || {
        closer.clip.with(|clip| match clip {
            Some(clip) => t!(
                "closer.clip",
                number = clip.clip + 1,
                from = words::clock(clip.start),
                to = words::clock(clip.end)
            ),
            None => t!("closer.unheard", at = words::clock(closer.at.get().floor())),
        })
    };
    let is_silent = Memo::new(move |_| {
        closer.clip.with(|clip| clip.as_ref().is_some_and(|clip| clip.ranking.is_empty()))
    });
    let is_refused = Memo::new(move |_| {
        closer.clip.with(|clip| clip.as_ref().is_some_and(|clip| clip.refused && !clip.ranking.is_empty()))
    });
    let ranking = Signal::derive(move || {
        closer.clip.with(|clip| clip.as_ref().map(|clip| clip.ranking.clone()).unwrap_or_default())
    });
    let likeness = move || {
        let score = closer.clip.with(|clip| clip.as_ref().and_then(|clip| clip.score))?;
        let model = closer.song.with_value(|song| song.model.clone()).get();
        let below = closer.desk.card(model)?.rejection?.threshold;
        let [score, below] = [score, below].map(|number| words::decimal(number.into(), 2));
        Some(view! {
            <p class="quiet small tabular" data-testid="likeness">
                {t!("closer.likeness", score = score, below = below)}
            </p>
        })
    };
    let inside = move || {
        let clip = closer.clip.with(|clip| clip.as_ref().map(|clip| clip.clip))?;
        let code = closer.song.with_value(|song| song.code.clone());
        Some(format!("#{}?song={code}&clip={clip}", View::Inside.code()))
    };
    view! {
        <section class="closer-reading" aria-labelledby="closer-reading" data-testid="reading">
            <h2 id="closer-reading" class="tabular">{heading}</h2>
            <Line when=is_silent key="closer.silent" testid="silent" />
            <Line when=is_refused key="closer.refused" testid="refused" />
            <Bars ranking genres=closer.genres all=Signal::stored(true) />
            {likeness}
            <WhyPanel closer />
            {move || inside().map(|place| view! {
                <p><a href=place data-testid="closer-inside">{sentence("closer.inside")}</a></p>
            })}
        </section>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_has_tenths_only_where_they_say_something() {
        assert_eq!([tenths(0.0), tenths(3.0), tenths(61.25), tenths(f64::NAN)], ["0", "3", "61.3", "0"]);
    }

    #[test]
    fn a_clip_is_read_from_its_most_probable_genre_on() {
        let verdict = ClipVerdict { clip: 2, probabilities: vec![0.1, 0.6, 0.3], ..ClipVerdict::default() };
        let here = ClipHere::of(&HeardClip { verdict, start: 6.0, end: 9.0 });
        assert_eq!(here.ranking, [(1, 0.6), (2, 0.3), (0, 0.1)]);
        assert!(!here.refused);
    }
}
