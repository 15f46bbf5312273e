//! The library: hundreds of songs as a table, those of this visit and those of
//! earlier ones.
//!
//! In: the desk's songs and the keeper's, and what the address asks for. Out: a
//! [table](table) that fills while one watches, [what is shown as
//! files](take_along), [which songs are alike](alike).

mod alike;
mod order;
mod table;
mod take_along;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;
use web_sys::{HtmlInputElement, HtmlSelectElement};

use super::browser;
use super::desk::Desk;
use super::focus;
use super::keeper::Keeping;
use super::model::ModelChoice;
use super::song::{Hearing, Song, SongState};
use super::views::{Parameters, Router};
use super::words::{self, sentence, t};
use crate::engine::protocol::SongId;
use crate::letters::lowercase;
use alike::Alike;
pub(super) use order::counted;
use order::{Line, Query, arrange};
use table::Table;
use take_along::Export;
pub(super) use take_along::TakeSong;

/// How long after the last key it is told what a search leaves.
const TOLD_AFTER: Duration = Duration::from_millis(700);

/// How often the table looks whether songs have changed places.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// How long songs that come or go are gathered before they are arranged.
const ARRANGE_AFTER: Duration = Duration::from_millis(100);

/// Codes of the states that can be asked for.
const STATES: [&str; 6] = ["done", "busy", "queued", "unheard", "failed", "cancelled"];

/// Name of a state.
fn state_name(code: &str) -> String {
    match code {
        "done" => t!("library.done"),
        "busy" => t!("library.busy"),
        "queued" => t!("song.waiting"),
        "unheard" => t!("song.unheard"),
        "failed" => t!("song.failed"),
        _ => t!("song.cancelled"),
    }
}

/// What the library knows; copies are the same.
#[derive(Clone, Copy)]
struct Shelf {
    desk: Desk,
    /// The songs that are shown, in their order.
    shown: RwSignal<Vec<Song>>,
    /// All there are, shown or not.
    count: RwSignal<usize>,
    /// Names of the genres that songs have.
    genres: RwSignal<BTreeSet<String>>,
    /// What is selected.
    selected: RwSignal<HashSet<SongId>>,
    /// The song that others are compared with.
    compared: RwSignal<Option<Song>>,
}

/// What the order depends on.
fn line_of(song: &Song) -> Line {
    let texts = song.info.with_untracked(|info| {
        let title = info.title.clone().unwrap_or_else(|| song.file.name.clone());
        let tags = [info.artist.clone(), info.album.clone(), Some(song.file.name.clone())];
        [Some(title)].into_iter().chain(tags).flatten().collect()
    });
    let top = song.hearing.with_untracked(Hearing::most_probable);
    let genre = top.and_then(|(index, share)| {
        Some((song.genres.with_untracked(|genres| genres.get(index).cloned())?, share))
    });
    let declared = || song.info.with_untracked(|info| info.seconds);
    let seconds = song.seconds.get_untracked().or_else(declared).filter(|seconds| seconds.is_finite());
    Line { texts, genre, seconds, state: song.state.with_untracked(SongState::code) }
}

impl Shelf {
    /// Looks at every song and shows what `query` asks for.
    fn arrange(self, query: &Query) {
        let songs = self.desk.all_songs();
        let lines: Vec<Line> = songs.iter().map(line_of).collect();
        let shown: Vec<Song> = arrange(&lines, query).into_iter().map(|index| songs[index].clone()).collect();
        // With the one that is asked for, though no song has it any more: the choice has to say it.
        let named = lines.into_iter().filter_map(|line| line.genre).map(|(name, _)| name);
        let mut spelt = BTreeMap::new();
        for name in query.genre.clone().into_iter().chain(named) {
            spelt.entry(lowercase(&name)).or_insert(name);
        }
        let genres: BTreeSet<String> = spelt.into_values().collect();
        if self.count.get_untracked() != songs.len() {
            self.count.set(songs.len());
        }
        if self.genres.with_untracked(|old| *old != genres) {
            self.genres.set(genres);
        }
        let same = self.shown.with_untracked(|old| {
            old.len() == shown.len() && old.iter().zip(&shown).all(|(old, new)| old.id == new.id)
        });
        if !same {
            // What is done to the selected is done to what is seen.
            let ids: HashSet<SongId> = shown.iter().map(|song| song.id).collect();
            if !self.selected.with_untracked(|selected| selected.is_subset(&ids)) {
                self.selected.update(|selected| selected.retain(|song| ids.contains(song)));
            }
            self.shown.set(shown);
        }
        let is_gone = |compared: &Option<Song>| {
            compared.as_ref().is_some_and(|song| songs.iter().all(|other| other.id != song.id))
        };
        if self.compared.with_untracked(is_gone) {
            self.compared.set(None);
        }
    }

    /// How many songs are shown.
    fn told(self) -> String {
        match self.shown.with(Vec::len) {
            0 if self.count.get() > 0 => t!("library.none_shown"),
            shown => t!("library.count", shown = shown, count = self.count.get()),
        }
    }

    /// The songs that are selected and still there.
    fn selection(self) -> Vec<Song> {
        let selected = self.selected.get_untracked();
        self.desk.all_songs().into_iter().filter(|song| selected.contains(&song.id)).collect()
    }
}

/// The view.
#[component]
pub(crate) fn LibraryView() -> impl IntoView {
    let desk = expect_context::<Desk>();
    let router = expect_context::<Router>();
    let shelf = Shelf {
        desk,
        shown: RwSignal::default(),
        count: RwSignal::new(0),
        genres: RwSignal::default(),
        selected: RwSignal::default(),
        compared: RwSignal::new(None),
    };
    let query = Memo::new(move |_| router.parameters.with(Query::of));
    Effect::new(move |_| query.with(|query| shelf.arrange(query)));
    // A thousand songs come in portions, which are not arranged one by one.
    let planned = StoredValue::new(false);
    Effect::new(move |_| {
        desk.songs.track();
        desk.keeper.kept.track();
        if !planned.get_value() {
            planned.set_value(true);
            set_timeout(
                move || {
                    if planned.try_set_value(false).is_none() {
                        query.with_untracked(|query| shelf.arrange(query));
                    }
                },
                ARRANGE_AFTER,
            );
        }
    });
    // Who does not see what a search leaves is told, once nothing more is typed.
    let telling = StoredValue::new_local(None::<TimeoutHandle>);
    let hush = move || {
        if let Some(Some(timer)) = telling.try_update_value(Option::take) {
            timer.clear();
        }
    };
    Effect::new(move |before: Option<()>| {
        query.track();
        hush();
        if before.is_some() {
            let tell = move || desk.say(untrack(|| shelf.told()));
            telling.set_value(set_timeout_with_handle(tell, TOLD_AFTER).ok());
        }
    });
    on_cleanup(hush);
    // What is heard meanwhile changes places; not with every clip.
    if let Ok(timer) =
        set_interval_with_handle(move || query.with_untracked(|query| shelf.arrange(query)), LOOK_AGAIN)
    {
        on_cleanup(move || timer.clear());
    }
    let is_empty = Memo::new(move |_| shelf.count.get() == 0);
    let opening = Memo::new(move |_| desk.keeper.state.get() == Keeping::Opening);
    let state = move || match (is_empty.get(), opening.get()) {
        (_, true) => "opening",
        (true, _) => "empty",
        _ => "filled",
    };
    view! {
        <section class="library" aria-labelledby="library-heading" data-testid="library" data-state=state>
            <header class="library-head">
                <h1 id="library-heading">{sentence("library.heading")}</h1>
                <p class="quiet" data-testid="library-count">
                    {move || t!("library.count", shown = shelf.shown.with(Vec::len), count = shelf.count.get())}
                </p>
                <KeepingNote />
            </header>
            <Show when=move || !is_empty.get() fallback=move || view! { <Empty opening /> }>
                <Tools shelf query router />
                <Selection shelf />
                <Alike shelf />
                <Table shelf query router />
                <Housekeeping shelf />
            </Show>
        </section>
    }
}

/// What could be done while there are no songs.
#[component]
fn Empty(
    /// Whether the store is still being read.
    opening: Memo<bool>,
) -> impl IntoView {
    view! {
        <div class="empty" data-testid="library-empty">
            {move || if opening.get() {
                view! { <p class="quiet">{sentence("library.opening")}</p> }.into_any()
            } else {
                view! {
                    <p class="library-empty-lead">{sentence("library.empty")}</p>
                    <p class="quiet">{sentence("library.empty_hint")}</p>
                }
                .into_any()
            }}
        </div>
    }
}

/// What is with the store where it does not keep.
#[component]
fn KeepingNote() -> impl IntoView {
    let desk = expect_context::<Desk>();
    // It stands before there is something to say, or nobody would be told.
    view! {
        <div role="status">
            {move || {
                words::keeping(&desk.keeper.state.get())
                    .map(|problem| view! { <p class="problem" data-testid="not-kept">{problem}</p> })
            }}
        </div>
    }
}

/// Search, filters and exports.
#[component]
fn Tools(
    /// The library.
    shelf: Shelf,
    /// What is asked for.
    query: Memo<Query>,
    /// Where it is asked.
    router: Router,
) -> impl IntoView {
    let set = move |name: &str, value: String| {
        let parameters = router.parameters.get_untracked();
        router.replace(if value.is_empty() {
            parameters.without(name)
        } else {
            parameters.with(name, value)
        });
    };
    let search = move |event: leptos::ev::Event| set("q", event_target::<HtmlInputElement>(&event).value());
    let choose = move |name: &'static str| {
        move |event: leptos::ev::Event| set(name, event_target::<HtmlSelectElement>(&event).value())
    };
    let asked = move |name: &'static str| {
        move || {
            router
                .parameters
                .with(|parameters: &Parameters| parameters.get(name).unwrap_or_default().to_owned())
        }
    };
    view! {
        <div class="library-tools controls">
            <label class="field library-search">
                <span class="quiet">{sentence("library.search")}</span>
                <input type="search" data-testid="search" autocomplete="off" prop:value=asked("q") on:input=search />
            </label>
            <label class="field">
                <span class="quiet">{sentence("library.genre")}</span>
                <select data-testid="genre-filter" on:change=choose("genre") prop:value=asked("genre")>
                    <option value="">{sentence("library.every_genre")}</option>
                    <For each=move || shelf.genres.get() key=Clone::clone let:name>
                        <GenreOption name query />
                    </For>
                </select>
            </label>
            <label class="field">
                <span class="quiet">{sentence("library.state")}</span>
                <select data-testid="state-filter" on:change=choose("state") prop:value=asked("state")>
                    <option value="">{sentence("library.every_state")}</option>
                    {STATES
                        .into_iter()
                        .map(|code| view! {
                            <option value=code selected=move || query.with(|query| query.state.as_deref() == Some(code))>
                                {move || state_name(code)}
                            </option>
                        })
                        .collect_view()}
                </select>
            </label>
            <Export shelf />
        </div>
    }
}

/// A genre that can be asked for.
#[component]
fn GenreOption(
    /// Its name.
    name: String,
    /// What is asked for.
    query: Memo<Query>,
) -> impl IntoView {
    let (value, chosen) = (name.clone(), name.clone());
    view! {
        <option
            value=value
            selected=move || query.with(|query| query.genre.as_deref() == Some(&*chosen))
        >
            {move || words::genre(&name)}
        </option>
    }
}

/// What can be done with the songs that are selected.
#[component]
fn Selection(
    /// The library.
    shelf: Shelf,
) -> impl IntoView {
    let desk = shelf.desk;
    let count = Memo::new(move |_| shelf.selected.with(HashSet::len));
    // The bar goes, and with it the button that was pressed.
    let none = move || {
        shelf.selected.set(HashSet::new());
        focus::hand_on(["[data-testid=select-all]".to_owned()], "#library-heading");
    };
    let again = move |_| {
        let (at_hand, away): (Vec<Song>, Vec<Song>) =
            shelf.selection().into_iter().partition(|song| desk.file(song.id).is_some());
        // A browser may ask the person for these, and does so only while the press is young.
        for song in away {
            desk.hear_again(&song);
        }
        // One a frame, as they were put on: each has its card made anew.
        let stops = desk.stops();
        spawn_local(async move {
            for song in at_hand {
                if desk.stops() != stops {
                    return;
                }
                // It may have been removed meanwhile.
                if desk.song(song.id).is_some() {
                    desk.hear_again(&song);
                }
                browser::next_turn().await;
            }
        });
        none();
    };
    let stop = move |_| {
        for song in shelf.selection().iter().filter(|song| song.is_active()) {
            desk.cancel(song);
        }
    };
    let remove = move |_| {
        let songs = shelf.selection();
        let is_recorded = songs.iter().any(|song| desk.keeper.is_recording(&song.file));
        if !browser::is_sure(&words::remove_surely(songs.len(), is_recorded)) {
            return;
        }
        none();
        spawn_local(async move {
            for song in songs {
                desk.remove(&song);
                browser::next_turn().await;
            }
        });
    };
    view! {
        <div class="library-selection controls" class:gone=move || count.get() == 0 data-testid="selection">
            <p>{move || t!("library.selected", count = count.get())}</p>
            <button class="quiet-button" data-testid="selection-again" on:click=again>
                {sentence("library.again_with")}
            </button>
            <label>
                <span class="unseen">{sentence("library.model")}</span>
                <ModelChoice testid="selection-model" />
            </label>
            <button class="quiet-button" data-testid="selection-stop" on:click=stop>{sentence("song.stop")}</button>
            <button class="quiet-button" data-testid="selection-remove" on:click=remove>
                {sentence("song.remove")}
            </button>
            <button class="quiet-button" on:click=move |_| none()>
                {sentence("library.select_none")}
            </button>
        </div>
    }
}

/// What is kept, and how to be rid of it.
#[component]
fn Housekeeping(
    /// The library.
    shelf: Shelf,
) -> impl IntoView {
    let desk = shelf.desk;
    let sure = RwSignal::new(false);
    // What is being heard stays.
    let going = move || {
        desk.songs.track();
        desk.keeper.kept.track();
        let is_heard = |state: &SongState| matches!(state, SongState::Queued | SongState::Busy);
        let mut songs = desk.all_songs();
        songs.retain(|song| !song.state.with(is_heard));
        songs
    };
    let has_recordings = move || going().iter().any(|song| desk.keeper.is_recording(&song.file));
    let clear = move |_| {
        sure.set(false);
        shelf.selected.set(HashSet::new());
        shelf.compared.set(None);
        desk.forget_all();
        focus::hand_on([], "#library-heading");
    };
    view! {
        <footer class="library-foot controls">
            <label class="library-check">
                <input
                    type="checkbox"
                    data-testid="keep-sound"
                    prop:checked=move || desk.keeper.keeps_sound.get()
                    on:change=move |event| {
                        let keep = event_target_checked(&event);
                        // What is kept is forgotten: of a recording there is nothing else.
                        let surely = keep
                            || browser::is_sure(&t!("library.forget_sound"));
                        if surely {
                            desk.keeper.choose_sound(desk, keep);
                        } else {
                            event_target::<HtmlInputElement>(&event).set_checked(true);
                        }
                    }
                />
                <span>{sentence("library.keep_sound")}</span>
            </label>
            <p class="quiet small">{sentence("library.where")}</p>
            <div class="library-clear">
                <button
                    class="quiet-button"
                    data-testid="forget-all"
                    aria-expanded=move || sure.get().to_string()
                    on:click=move |_| sure.update(|sure| *sure = !*sure)
                >
                    {sentence("library.forget_all")}
                </button>
                <Show when=move || sure.get()>
                    <button class="button secondary" data-testid="forget-all-surely" on:click=clear>
                        {move || t!("library.forget_surely", count = going().len())}
                    </button>
                    {move || has_recordings().then(|| view! { <p>{sentence("library.no_copy")}</p> })}
                </Show>
            </div>
        </footer>
    }
}
