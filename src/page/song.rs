//! A song, and its card on the list.
//!
//! In: what the engine tells of it. Out: title, picture of the whole song, a
//! coloured band of genres under it, a playhead over both, the verdict.

use std::sync::Arc;

use leptos::html::{Button, Div};
use leptos::prelude::*;
// The trait, which our own `Track` hides.
use leptos::prelude::Track as _;
use web_sys::{Element, KeyboardEvent, MouseEvent};

use super::browser;
use super::colors;
use super::css;
use super::desk::Desk;
use super::focus;
use super::player::{Playing, told};
use super::timeline::{Picture, Stretch};
use super::track::Track;
use super::verdict::Bars;
use super::views::{Parameters, Router, View};
use super::words::{self, sentence, t};
use crate::classify::verdict::{Doubt, SongVerdict};
use crate::engine::protocol::{ModelId, SongId, SongInfo, SongNotice, SongProblem};
use crate::library::record::{FileKey, HeardBy};

/// Seconds that the arrow keys move the playhead by.
const STEP: f64 = 3.0;

/// Seconds that the page keys move it by.
const LEAP: f64 = 30.0;

/// How far a song is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SongState {
    /// Waiting for its turn.
    Queued,
    /// Being heard.
    Busy,
    /// Heard to its end.
    Done,
    /// Not heard, or not to its end, and why.
    Failed(SongProblem),
    /// Stopped by the person.
    Cancelled,
    /// Left over from an earlier visit, which did not come to it.
    Unheard,
}

impl SongState {
    /// Its name in the page's `data-state`.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Busy => "busy",
            Self::Done => "done",
            Self::Failed(_) => "failed",
            Self::Cancelled => "cancelled",
            Self::Unheard => "unheard",
        }
    }
}

/// What a card shows of a [`Track`], renewed at most once a frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Hearing {
    /// Genres as (index, probability), most probable first.
    pub(crate) ranking: Vec<(usize, f32)>,
    /// Why its first is not the verdict, where it is not.
    pub(crate) doubt: Option<Doubt>,
    /// Clips that were refused as not music.
    pub(crate) refused: usize,
    /// Whether every clip so far was silent.
    pub(crate) silent: bool,
    /// Clips heard.
    pub(crate) clips: usize,
    /// Seconds heard.
    pub(crate) seconds: f64,
    /// Milliseconds a clip took.
    pub(crate) milliseconds: Option<f64>,
    /// Share of the file read, 0 to 1.
    pub(crate) read: f32,
}

impl Hearing {
    /// The most probable genre as (index, probability), whether or not the song is said to be of
    /// it; `None` of what is not music.
    pub(crate) fn most_probable(&self) -> Option<(usize, f32)> {
        self.ranking.first().copied().filter(|_| self.doubt != Some(Doubt::NotMusic))
    }
}

/// Whether a song's file can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileState {
    /// It can.
    AtHand,
    /// The browser is being asked for it.
    Sought,
    /// It cannot; that of an earlier visit's song has to be asked for.
    Away,
}

/// One song. Copies are the same song.
#[derive(Clone)]
pub(crate) struct Song {
    /// Its name in the protocol.
    pub(crate) id: SongId,
    /// The model it was added for, or the one in its place should that be refused.
    pub(crate) model: ArcRwSignal<ModelId>,
    /// Its file, as it is known again.
    pub(crate) file: Arc<FileKey>,
    /// What links call it.
    pub(crate) code: Arc<str>,
    /// Whether the file can be read.
    pub(crate) file_state: ArcRwSignal<FileState>,
    /// Whether only the person can bring its file.
    pub(crate) wants_file: ArcRwSignal<bool>,
    /// When it came, or was heard in an earlier visit, in milliseconds since 1970.
    pub(crate) heard_at: f64,
    /// How far it is.
    pub(crate) state: ArcRwSignal<SongState>,
    /// What the file says of itself.
    pub(crate) info: ArcRwSignal<SongInfo>,
    /// Its length, once it is known, in seconds.
    pub(crate) seconds: ArcRwSignal<Option<f64>>,
    /// What was not as it should be.
    pub(crate) notices: ArcRwSignal<Vec<SongNotice>>,
    /// Names of the genres of its model, once it has a verdict.
    pub(crate) genres: ArcRwSignal<Vec<String>>,
    /// The model that gave the verdict, once there is one.
    pub(crate) heard_by: ArcRwSignal<Option<Arc<HeardBy>>>,
    /// What the card shows of the track.
    pub(crate) hearing: ArcRwSignal<Hearing>,
    /// What has been heard.
    pub(crate) track: ArcStoredValue<Track>,
}

impl Song {
    /// The model of songs of earlier visits, which this one need not have.
    pub(crate) const EARLIER: ModelId = ModelId(u32::MAX);

    /// A song in the queue.
    pub(crate) fn new(id: SongId, file: FileKey, model: ModelId) -> Self {
        Self::of_day(id, file, model, browser::today())
    }

    fn of_day(id: SongId, file: FileKey, model: ModelId, heard_at: f64) -> Self {
        Self {
            id,
            model: ArcRwSignal::new(model),
            code: file.code().into(),
            file: file.into(),
            file_state: ArcRwSignal::new(FileState::AtHand),
            wants_file: ArcRwSignal::new(false),
            heard_at,
            state: ArcRwSignal::new(SongState::Queued),
            info: ArcRwSignal::default(),
            seconds: ArcRwSignal::default(),
            notices: ArcRwSignal::default(),
            genres: ArcRwSignal::default(),
            heard_by: ArcRwSignal::default(),
            hearing: ArcRwSignal::default(),
            track: ArcStoredValue::default(),
        }
    }

    /// Whether it waits or is being heard.
    pub(crate) fn is_active(&self) -> bool {
        self.state.with_untracked(|state| matches!(state, SongState::Queued | SongState::Busy))
    }

    /// The file has been opened. What the browser decodes is opened twice, the second time as
    /// bare samples, of which nothing more is known.
    pub(crate) fn opened(&self, info: SongInfo) {
        let knows_more = self.info.with_untracked(|known| !known.codec.is_empty()) && info.codec.is_empty();
        if !knows_more {
            self.info.set(info);
        }
        self.go_on(SongState::Busy);
    }

    /// Every clip has its verdict.
    pub(crate) fn done(&self, seconds: f64, notices: Vec<SongNotice>) {
        self.seconds.set(Some(seconds));
        self.notices.set(notices);
        self.track.update_value(|track| track.read = 1.0);
        self.refresh();
        self.go_on(SongState::Done);
    }

    /// There will be no verdict, or no whole one.
    pub(crate) fn failed(&self, problem: SongProblem) {
        self.go_on(SongState::Failed(problem));
    }

    /// The person wants no more of it.
    pub(crate) fn cancelled(&self) {
        self.go_on(SongState::Cancelled);
    }

    /// It is to be heard another time.
    pub(crate) fn put_off(&self) {
        self.go_on(SongState::Unheard);
    }

    /// What has ended stays as it ended, whatever a worker says later.
    fn go_on(&self, next: SongState) {
        if self.is_active() {
            self.state.set(next);
        }
    }

    /// Whether there is no sound in it at all, or none at hand.
    pub(crate) fn is_mute(&self) -> bool {
        self.file_state.get() != FileState::AtHand || self.state.with(is_mute)
    }

    /// Takes note of the model that gives the verdict.
    pub(crate) fn heard_by(&self, by: HeardBy) {
        self.genres.set(by.genres.clone());
        self.heard_by.set(Some(by.into()));
    }

    /// Shows the track as it is now.
    pub(crate) fn refresh(&self) {
        let hearing = self.track.with_value(|track| {
            let verdict = track.verdict();
            Hearing {
                ranking: verdict.ranking(),
                doubt: verdict.doubt(),
                refused: track.refused(),
                silent: verdict == SongVerdict::Silence,
                clips: track.clips().len(),
                seconds: track.heard_seconds(),
                milliseconds: track.milliseconds_a_clip(),
                read: track.read,
            }
        });
        self.hearing.set(hearing);
    }

    /// The title tag, or the file's name.
    pub(crate) fn title(&self) -> String {
        self.info.with(|info| info.title.clone()).unwrap_or_else(|| self.file.name.clone())
    }

    /// [`title`](Self::title), asked for once.
    pub(crate) fn title_untracked(&self) -> String {
        untrack(|| self.title())
    }

    /// What a screen reader says of it once it is done.
    pub(crate) fn sentence(&self) -> String {
        let (top, doubt) =
            self.hearing.with_untracked(|hearing| (hearing.ranking.first().copied(), hearing.doubt));
        self.genres.with_untracked(|genres| {
            let top = top.and_then(|(index, share)| Some((genres.get(index)?.as_str(), share)));
            words::announce_verdict(&self.title_untracked(), top, doubt)
        })
    }

    /// Length of its picture in seconds: the true one once it is known, else
    /// the declared one as long as the song has not gone beyond it.
    pub(crate) fn length(&self) -> f64 {
        let heard = self.hearing.with(|hearing| hearing.seconds);
        let known = self.seconds.get();
        let declared = self.info.with(|info| info.seconds).filter(|seconds| seconds.is_finite());
        known.or(declared).unwrap_or(0.0).max(heard)
    }
}

/// Whether a song failed because there is no sound in it at all, so that
/// playing it would fail too.
fn is_mute(state: &SongState) -> bool {
    use SongProblem::{Empty, Folder, NoTrack, NotAudio, NotFinite, Unreadable};
    matches!(state, SongState::Failed(Empty | Folder | NoTrack | NotAudio | NotFinite | Unreadable { .. }))
}

/// The card of a song.
#[component]
pub(crate) fn SongCard(
    /// The song.
    song: Song,
) -> impl IntoView {
    let (id, code) = (song.id, song.code.to_string());
    let state = RwSignal::from(song.state.clone());
    let hearing = RwSignal::from(song.hearing.clone());
    let info = RwSignal::from(song.info.clone());
    let seconds = RwSignal::from(song.seconds.clone());
    let notices = RwSignal::from(song.notices.clone());
    let genres = RwSignal::from(song.genres.clone());
    let all = RwSignal::new(false);
    let title = Memo::new({
        let song = song.clone();
        move |_| song.title()
    });
    let is_active = move || state.with(|state| matches!(state, SongState::Queued | SongState::Busy));
    let ranking = Signal::derive(move || hearing.with(|hearing| hearing.ranking.clone()));
    let has_bars = Memo::new(move |_| is_active() || hearing.with(|hearing| !hearing.ranking.is_empty()));
    let problem = move || {
        state.with(|state| match state {
            SongState::Failed(problem) => Some(words::problem(problem)),
            SongState::Cancelled if hearing.with(|hearing| hearing.clips == 0) => {
                Some(t!("song.cancelled_early"))
            }
            _ => None,
        })
    };
    let mute = Memo::new({
        let song = song.clone();
        move |_| song.is_mute()
    });
    // Said once nothing more comes that may take it back.
    let doubt = move || if is_active() { None } else { hearing.with(doubt_of) };
    let progress = move || {
        let share = hearing.with(|hearing| hearing.read.clamp(0.0, 1.0));
        css::scale_x(share.into())
    };
    view! {
        <li class="song" data-testid="song" data-song=id.0.to_string() data-code=code data-state=move || state.with(SongState::code) class:mute=mute>
            <header class="song-head">
                <PlayButton id title mute />
                <div class="song-names">
                    <h3 dir="auto">{title}</h3>
                    <p class="quiet" dir="auto">{move || info.with(|info| words::song_facts(info, seconds.get()))}</p>
                </div>
                <Headline state hearing genres />
            </header>
            <Stage song=song.clone() title mute />
            <div class="song-progress" class:busy=move || state.with(|state| *state == SongState::Busy) aria-hidden="true">
                <span style:transform=progress></span>
            </div>
            <div class="song-foot">
                <Show when=move || has_bars.get()>
                    <Bars ranking genres all />
                </Show>
                {move || problem().map(|problem| view! { <p class="problem" data-testid="problem">{problem}</p> })}
                <div class="song-side">
                    {move || doubt().map(|doubt| view! { <p class="doubt" data-testid="doubt">{doubt}</p> })}
                    {move || notices.with(|notices| (!notices.is_empty()).then(|| view! {
                        <ul class="notices" data-testid="notices">
                            {notices.iter().map(|notice| view! { <li>{words::notice(notice)}</li> }).collect_view()}
                        </ul>
                    }))}
                    <SongActions song title is_active=Signal::derive(is_active) has_bars all />
                </div>
            </div>
        </li>
    }
}

/// What it means that a song's verdict is no genre, or that part of the song has no
/// say in it.
fn doubt_of(hearing: &Hearing) -> Option<String> {
    match hearing.doubt {
        Some(Doubt::NotSure) => Some(t!("song.not_sure_means")),
        Some(Doubt::NotMusic) => Some(t!("song.not_music_means", sign = colors::NOT_MUSIC)),
        None if hearing.refused > 0 => {
            Some(t!("song.partly_music", count = hearing.refused, sign = colors::NOT_MUSIC))
        }
        None => None,
    }
}

/// What can be done with a song.
#[component]
fn SongActions(
    /// The song.
    song: Song,
    /// Its title.
    title: Memo<String>,
    /// Whether it waits or is being heard.
    is_active: Signal<bool>,
    /// Whether there are bars, of which more can be shown.
    has_bars: Memo<bool>,
    /// Whether all of them are shown.
    all: RwSignal<bool>,
) -> impl IntoView {
    let desk = expect_context::<Desk>();
    let router = expect_context::<Router>();
    let code = song.code.clone();
    let stop = {
        let song = song.clone();
        move |_| {
            desk.cancel(&song);
            // This button goes, and the one that comes in its place takes over.
            focus::hand_on([action(song.id, "again")], "#songs-heading");
        }
    };
    let remove = {
        let song = song.clone();
        move |event: MouseEvent| {
            if desk.keeper.is_recording(&song.file) && !browser::is_sure(&words::remove_surely(1, true)) {
                return;
            }
            let card = event_target::<Element>(&event).closest("li").ok().flatten();
            let neighbour =
                card.and_then(|card| card.next_element_sibling().or(card.previous_element_sibling()));
            let neighbour = neighbour.and_then(|card| card.get_attribute("data-song")?.parse().ok());
            desk.remove(&song);
            focus::hand_on(neighbour.map(|id| action(SongId(id), "remove")), "#songs-heading");
        }
    };
    let again = {
        let song = song.clone();
        move |_| {
            // It has a card of its own.
            if let Some(id) = desk.hear_again(&song) {
                focus::hand_on(["stop", "again"].map(|button| action(id, button)), "#songs-heading");
            }
        }
    };
    // So it does where the song ends by itself while the button has the keyboard.
    let stop_button = NodeRef::<Button>::new();
    let id = song.id;
    Effect::new(move |was_active: Option<bool>| {
        let active = is_active.get();
        let has_keyboard = || {
            let button = stop_button.get_untracked().map(Element::from);
            button.is_some() && document().active_element() == button
        };
        if was_active == Some(true) && !active && has_keyboard() {
            focus::hand_on([action(id, "again")], "#songs-heading");
        }
        active
    });
    view! {
        <div class="song-actions">
            <button
                class="quiet-button"
                data-testid="closer"
                aria-label=move || words::of_song("song.closer", &title.get())
                on:click=move |_| router.go(View::Song, Parameters::default().with("song", &*code))
            >
                {sentence("song.closer")}
            </button>
            <Show when=move || has_bars.get()>
                <button
                    class="quiet-button"
                    data-testid="all-genres"
                    aria-expanded=move || all.get().to_string()
                    aria-label=move || words::of_song("song.all_genres", &title.get())
                    on:click=move |_| all.update(|all| *all = !*all)
                >
                    {sentence("song.all_genres")}
                </button>
            </Show>
            <button
                node_ref=stop_button
                class="quiet-button"
                data-testid="stop"
                class:gone=move || !is_active.get()
                aria-label=move || words::of_song("song.stop", &title.get())
                on:click=stop
            >
                {sentence("song.stop")}
            </button>
            <button
                class="quiet-button"
                data-testid="again"
                class:gone=is_active
                aria-label=move || words::of_song("song.again", &title.get())
                on:click=again
            >
                {sentence("song.again")}
            </button>
            <button
                class="quiet-button"
                data-testid="remove"
                aria-label=move || words::of_song("song.remove", &title.get())
                on:click=remove
            >
                {sentence("song.remove")}
            </button>
        </div>
    }
}

/// Selector of a button on a song's card.
fn action(song: SongId, button: &str) -> String {
    format!("[data-testid=song][data-song='{}'] [data-testid={button}]", song.0)
}

/// The verdict in one word, and what it rests on.
#[component]
pub(crate) fn Headline(
    /// How far the song is.
    state: RwSignal<SongState>,
    /// What has been heard.
    hearing: RwSignal<Hearing>,
    /// Names of the genres.
    genres: RwSignal<Vec<String>>,
) -> impl IntoView {
    let top = Memo::new(move |_| hearing.with(|hearing| hearing.ranking.first().copied()));
    let doubt = Memo::new(move |_| hearing.with(|hearing| hearing.doubt));
    let word = move || match top.get() {
        Some(_) if doubt.get() == Some(Doubt::NotSure) => t!("song.not_sure"),
        Some(_) if doubt.get() == Some(Doubt::NotMusic) => t!("song.not_music"),
        Some((index, _)) => genres.with(|genres| words::genre_at(genres, index)),
        None if hearing.with(|hearing| hearing.silent) => t!("song.silence"),
        None => state.with(|state| match state {
            SongState::Queued => t!("song.waiting"),
            SongState::Busy => t!("song.opening"),
            SongState::Done => t!("song.no_verdict"),
            SongState::Failed(_) => t!("song.failed"),
            SongState::Cancelled => t!("song.cancelled"),
            SongState::Unheard => t!("song.unheard"),
        }),
    };
    let share = move || top.get().filter(|_| doubt.get().is_none()).map(|(_, share)| words::percent(share));
    let rests_on = move || {
        hearing.with(|hearing| match (hearing.clips, hearing.milliseconds) {
            (0, _) | (_, None) => String::new(),
            (clips, Some(milliseconds)) => state.with(|state| match state {
                SongState::Done => words::heard_in(clips, milliseconds),
                _ => words::so_far(hearing.seconds),
            }),
        })
    };
    let has_verdict = move || hearing.with(|hearing| hearing.clips > 0);
    view! {
        <div class="verdict" class:pending=move || !has_verdict() data-testid="verdict">
            <p>
                <span class="verdict-word" data-testid="verdict-word">{word}</span>
                " "
                <span class="verdict-share tabular">{share}</span>
            </p>
            <p class="quiet small tabular">{rests_on}</p>
        </div>
    }
}

/// Plays and holds a song.
#[component]
pub(crate) fn PlayButton(
    /// The song.
    id: SongId,
    /// Its title.
    title: Memo<String>,
    /// Whether there is nothing to play.
    mute: Memo<bool>,
    /// What it does, where that is not to play the song from its beginning.
    #[prop(optional)]
    press: Option<Callback<()>>,
) -> impl IntoView {
    let desk = expect_context::<Desk>();
    let player = desk.player;
    let playing = Memo::new(move |_| match player.song.get() {
        Some(song) if song == id => player.state.get(),
        _ => Playing::Paused,
    });
    let sounding = move || playing.get() == Playing::Sounding;
    let preparing = move || playing.get() == Playing::Preparing;
    let label = move || {
        if preparing() {
            t!("song.preparing", title = &title.get())
        } else {
            words::play(&title.get(), sounding())
        }
    };
    // For who has the keyboard elsewhere, or hears no label change.
    Effect::new(move |_| {
        if preparing() {
            desk.say(untrack(label));
        }
    });
    view! {
        <button
            class="play"
            class:sounding=sounding
            class:preparing=preparing
            data-testid="play"
            disabled=move || mute.get()
            aria-label=label
            on:click=move |_| match press {
                Some(press) => press.run(()),
                None => player.toggle(desk, id),
            }
        >
            <span aria-hidden="true"></span>
        </button>
    }
}

/// Where a key takes the playhead, in seconds (ARIA Authoring Practices,
/// slider); `None` for a key that does not move it.
fn key_target(key: &str, now: f64, length: f64) -> Option<f64> {
    let second = match key {
        "ArrowRight" | "ArrowUp" => now + STEP,
        "ArrowLeft" | "ArrowDown" => now - STEP,
        "PageUp" => now + LEAP,
        "PageDown" => now - LEAP,
        "Home" => 0.0,
        "End" => length,
        _ => return None,
    };
    Some(second.clamp(0.0, length.max(0.0)))
}

/// Picture and band with the playhead over both: the song's position slider.
#[component]
fn Stage(
    /// The song.
    song: Song,
    /// Its title.
    title: Memo<String>,
    /// Whether there is nothing to play.
    mute: Memo<bool>,
) -> impl IntoView {
    let desk = expect_context::<Desk>();
    let player = desk.player;
    let id = song.id;
    let stage = NodeRef::<Div>::new();
    let length = Memo::new({
        let song = song.clone();
        move |_| song.length()
    });
    // Follows the player only while it has this song: of two hundred cards one
    // is touched a frame.
    let at = Memo::new(move |_| (player.song.get() == Some(id)).then(|| player.at.get()));
    let told = told(player, stage, move || at.get().unwrap_or(0.0));
    let pointed = RwSignal::new(None::<f64>);
    let second_of = move |event: &MouseEvent| {
        let bounds = stage.get_untracked()?.get_bounding_client_rect();
        let share = (f64::from(event.client_x()) - bounds.left()) / bounds.width();
        (share.is_finite()).then(|| share.clamp(0.0, 1.0) * length.get_untracked())
    };
    let seek = move |second: f64, play| player.seek(desk, id, second, play);
    let on_key = move |event: KeyboardEvent| {
        if browser::is_held(&event) {
            return;
        }
        let key = event.key();
        match key_target(&key, at.get_untracked().unwrap_or(0.0), length.get_untracked()) {
            Some(second) => seek(second, false),
            None if key == " " || key == "Enter" => player.toggle(desk, id),
            None => return,
        }
        event.prevent_default();
    };
    let place = {
        let song = song.clone();
        move |second: f64| {
            song.hearing.track();
            song.track.with_value(|track| {
                let clip = track.at(second);
                if clip.is_some_and(|clip| clip.verdict.refused) {
                    return words::place_not_music(second, length.get());
                }
                let top = clip.and_then(|clip| {
                    let index = clip.verdict.top()?;
                    Some((index, *clip.verdict.probabilities.get(index)?))
                });
                song.genres.with(|genres| {
                    let top = top.and_then(|(index, share)| Some((genres.get(index)?.as_str(), share)));
                    words::place(second, length.get(), top)
                })
            })
        }
    };
    let place_pointed = place.clone();
    let percent = move |second: f64| {
        let length = length.get();
        let share = if length > 0.0 { (second / length).clamp(0.0, 1.0) } else { 0.0 };
        css::percentage(share)
    };
    let stretch = Stretch { song, length };
    view! {
        <div
            node_ref=stage
            class="stage"
            role="slider"
            tabindex=move || if mute.get() { "-1" } else { "0" }
            aria-disabled=move || mute.get().to_string()
            data-testid="seek"
            aria-label=move || t!("song.position", title = &title.get())
            aria-valuemin="0"
            aria-valuemax=move || (length.get() as u32).to_string()
            aria-valuenow=move || (told.get() as u32).to_string()
            aria-valuetext=move || place(told.get())
            on:keydown=on_key
            on:click=move |event| {
                if let Some(second) = second_of(&event) {
                    seek(second, true);
                }
            }
            on:mousemove=move |event| pointed.set(second_of(&event))
            on:mouseleave=move |_| pointed.set(None)
        >
            <Picture stretch />
            {move || at.get().map(|_| view! {
                <span class="playhead" aria-hidden="true" style:left=move || percent(at.get().unwrap_or(0.0))></span>
            })}
            {move || pointed.get().filter(|_| length.get() > 0.0).map(|second| view! {
                <span class="pointed" aria-hidden="true" style:left=percent(second)>
                    <span class="pointed-place" class:left={second * 2.0 > length.get()}>{place_pointed(second)}</span>
                </span>
            })}
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_within_the_song() {
        assert_eq!(key_target("ArrowRight", 10.0, 60.0), Some(13.0));
        assert_eq!(key_target("ArrowLeft", 1.0, 60.0), Some(0.0));
        assert_eq!(key_target("PageUp", 50.0, 60.0), Some(60.0));
        assert_eq!(key_target("End", 0.0, 0.0), Some(0.0));
        assert_eq!(key_target("Tab", 10.0, 60.0), None);
    }

    #[test]
    fn only_what_holds_no_sound_is_mute() {
        assert!(is_mute(&SongState::Failed(SongProblem::NotAudio)));
        assert!(!is_mute(&SongState::Failed(SongProblem::TooShort { seconds: 0.5, least: 1.0 })));
        assert!(!is_mute(&SongState::Done));
    }

    #[test]
    fn a_song_that_has_ended_stays_ended() {
        let song = Song::of_day(SongId(1), FileKey::default(), ModelId(0), 0.0);
        song.cancelled();
        song.done(30.0, Vec::new());
        song.failed(SongProblem::Empty);
        assert_eq!(song.state.get_untracked(), SongState::Cancelled);
    }
}
