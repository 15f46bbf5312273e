//! The table: only the rows that are seen are there, however many songs there
//! are.
//!
//! In: the songs in their order. Out: rows that follow their songs; rows above
//! and below the window are two empty ones of their height.

use std::collections::HashSet;

use leptos::ev::{Event, KeyboardEvent};
use leptos::html::{Div, Tbody};
use leptos::prelude::*;
// The trait, which our own `Track` hides.
use leptos::prelude::Track as _;
use leptos::task::spawn_local;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement, HtmlInputElement};

use super::order::{Column, Query};
use super::{Shelf, state_name};
use crate::classify::verdict::Doubt;
use crate::engine::protocol::{SongId, SongInfo};
use crate::page::browser::Soon;
use crate::page::folded::Line;
use crate::page::song::{Song, SongState};
use crate::page::track::Track;
use crate::page::views::Router;
use crate::page::words::{self, sentence, t};
use crate::page::{browser, colors, focus};

/// Rows beyond the window's edges, so that scrolling finds them there.
const BEYOND: usize = 8;

/// Rows that are put up in one frame at most: the next ones come with the next.
const ROWS_A_FRAME: usize = 3;

/// Songs up to which the table is as high as they are, and the page alone is scrolled.
const SHORT: usize = 20;

/// Height of a row before one has been measured, in CSS pixels.
const ROW_HEIGHT: f64 = 52.0;

/// Places of the strip that have a colour of their own.
const STRIP: usize = 48;

/// Part of the table that is seen.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Window {
    /// How far it is scrolled, in CSS pixels.
    top: f64,
    /// Its height, in CSS pixels.
    height: f64,
    /// Height of a row, in CSS pixels.
    row: f64,
}

impl Window {
    /// First row that is put up, and the one after the last.
    fn rows(&self, rows: usize) -> (usize, usize) {
        let row = self.row.max(1.0);
        let first = (self.top / row) as usize;
        let seen = (self.height / row).ceil() as usize + 1;
        let last = first + seen + BEYOND;
        (first.saturating_sub(BEYOND).min(rows), last.min(rows))
    }

    /// The rows that are put up next on the way to [`rows`](Self::rows): as many
    /// as that may be where `is_up` says that they are there already, and no more
    /// than `most` others, from the first one seen on.
    fn next_rows(&self, rows: usize, most: usize, is_up: impl Fn(usize) -> bool) -> (usize, usize) {
        let (first, last) = self.rows(rows);
        let start = ((self.top / self.row.max(1.0)) as usize).clamp(first, last);
        let mut left = most;
        let mut may = |row| {
            let up = is_up(row);
            if !up && left > 0 {
                left -= 1;
                return true;
            }
            up
        };
        let end = (start..last).find(|row| !may(*row)).unwrap_or(last);
        let begin = (first..start).rev().find(|row| !may(*row)).map_or(first, |row| row + 1);
        (begin, end)
    }
}

/// What is put up of the table; copies are the same.
#[derive(Clone, Copy)]
struct Pane {
    shelf: Shelf,
    scroller: NodeRef<Div>,
    body: NodeRef<Tbody>,
    window: RwSignal<Window>,
    /// The first row that is put up, and the songs of all of them.
    first: RwSignal<usize>,
    songs: RwSignal<Vec<Song>>,
    soon: Soon,
}

impl Pane {
    /// Looks with the next frame what has to be put up.
    fn look_soon(self) {
        self.soon.run(move || self.look());
    }

    fn look(self) {
        // The view may have been left since.
        let (Some(scroller), Some(body)) =
            (self.scroller.try_get_untracked().flatten(), self.body.try_get_untracked().flatten())
        else {
            return;
        };
        let row = body.query_selector("tr[data-testid]").ok().flatten();
        let height = row.map(|row| row.get_bounding_client_rect().height()).filter(|height| *height > 0.0);
        let window = Window {
            top: f64::from(scroller.scroll_top()),
            height: f64::from(scroller.client_height()),
            row: height.unwrap_or_else(|| self.window.get_untracked().row),
        };
        if window != self.window.get_untracked() {
            self.window.set(window);
        }
        let up: HashSet<SongId> =
            self.songs.with_untracked(|songs| songs.iter().map(|song| song.id).collect());
        let (first, songs, done) = self.shelf.shown.with_untracked(|shown| {
            let (first, last) =
                window.next_rows(shown.len(), ROWS_A_FRAME, |row| up.contains(&shown[row].id));
            (first, shown[first..last].to_vec(), (first, last) == window.rows(shown.len()))
        });
        if first != self.first.get_untracked() {
            self.first.set(first);
        }
        let same = self.songs.with_untracked(|old| {
            old.len() == songs.len() && old.iter().zip(&songs).all(|(old, new)| old.id == new.id)
        });
        if !same {
            focus::keep(&scroller, || self.songs.set(songs));
        }
        if !done {
            self.look_soon();
        }
    }
}

/// The table.
#[component]
pub(super) fn Table(
    /// The library.
    shelf: Shelf,
    /// What is asked for.
    query: Memo<Query>,
    /// Where it is asked.
    router: Router,
) -> impl IntoView {
    let pane = Pane {
        shelf,
        scroller: NodeRef::new(),
        body: NodeRef::new(),
        window: RwSignal::new(Window { top: 0.0, height: 900.0, row: ROW_HEIGHT }),
        first: RwSignal::new(0),
        songs: RwSignal::default(),
        soon: Soon::new(),
    };
    let scroller = pane.scroller;
    let resized = window_event_listener(leptos::ev::resize, move |_| pane.look_soon());
    on_cleanup(move || resized.remove());
    Effect::new(move |_| {
        shelf.shown.track();
        pane.look_soon();
    });
    let count = Memo::new(move |_| shelf.shown.with(Vec::len));
    // Whoever comes back from a song finds the table as it was, once it has its rows' height.
    let scrolled_to = router.table_scrolled_to();
    Effect::new(move |is_there: Option<bool>| {
        let has_rows = count.get() > 0;
        if is_there != Some(true) && has_rows && scrolled_to > 0 {
            request_animation_frame(move || {
                if let Some(scroller) = scroller.try_get_untracked().flatten() {
                    scroller.set_scroll_top(scrolled_to);
                }
            });
        }
        // Once: a search that finds nothing is no leave.
        is_there == Some(true) || has_rows
    });
    let pixels = move |rows: usize| format!("{}px", (rows as f64 * pane.window.get().row).round() as u32);
    let above = move || pixels(pane.first.get());
    let below = move || {
        let last = pane.first.get() + pane.songs.with(Vec::len);
        pixels(count.get().saturating_sub(last))
    };
    let all = Memo::new(move |_| {
        shelf.selected.with(|selected| {
            shelf
                .shown
                .with(|shown| !shown.is_empty() && shown.iter().all(|song| selected.contains(&song.id)))
        })
    });
    let select_all = move |event: Event| {
        let wanted = event_target_checked(&event);
        let shown = shelf.shown.with_untracked(|shown| shown.iter().map(|song| song.id).collect());
        shelf.selected.set(if wanted { shown } else { Default::default() });
    };
    let on_key = move |event: KeyboardEvent| {
        if let Some(scroller) = scroller.get_untracked() {
            move_focus(&event, &scroller);
        }
    };
    view! {
        <div
            node_ref=scroller
            class="library-scroll"
            class:short=move || count.get() <= SHORT
            role="group"
            tabindex="0"
            aria-labelledby="library-heading"
            data-testid="library-scroll"
            on:scroll=move |_| pane.look_soon()
            on:keydown=on_key
        >
            // The roles are those the elements have, which a stylesheet that makes
            // rows of two lines takes from them.
            <table class="library-table" role="table" aria-rowcount=move || (count.get() + 1).to_string()>
                <thead role="rowgroup">
                    <tr role="row" aria-rowindex="1">
                        <th class="pick" role="columnheader">
                            <input
                                type="checkbox"
                                data-testid="select-all"
                                aria-label=sentence("library.select_all")
                                prop:checked=move || all.get()
                                on:change=select_all
                            />
                        </th>
                        <Head column=Column::Title name="library.title" class="title" query router />
                        <Head column=Column::Genre name="library.genre" class="genre" query router />
                        <Head column=Column::Confidence name="library.confidence" class="number" query router />
                        <Head column=Column::Length name="library.length" class="number" query router />
                        <th class="strip" aria-hidden="true">{sentence("library.strip")}</th>
                        <Head column=Column::State name="library.state" class="state" query router />
                    </tr>
                </thead>
                <tbody node_ref=pane.body role="rowgroup">
                    <tr class="spacer" aria-hidden="true" style:height=above><td colspan="7"></td></tr>
                    <ForEnumerate each=move || pane.songs.get() key=|song| song.id children=move |index, song| {
                        let place = Signal::derive(move || pane.first.get() + index.get() + 2);
                        view! { <Row song place shelf /> }
                    } />
                    <tr class="spacer" aria-hidden="true" style:height=below><td colspan="7"></td></tr>
                </tbody>
            </table>
            <Line
                when=Signal::derive(move || count.get() == 0)
                key="library.none_shown"
                testid="none-shown"
                class="library-none quiet"
            />
        </div>
    }
}

/// Milliseconds in which the rows of a place that was scrolled to are put up, on a machine
/// that has a lot to do.
const ROWS_COME: f64 = 10_000.0;

/// Moves the keyboard from row to row.
fn move_focus(event: &KeyboardEvent, scroller: &HtmlElement) {
    let target: Element = event_target(event);
    // Within a field or a choice the arrows are that one's, and held with others the browser's.
    if browser::is_held(event) || target.matches("select, input:not([type=checkbox])").unwrap_or(false) {
        return;
    }
    let row = target.closest("tbody tr").ok().flatten();
    let next = match event.key().as_str() {
        "ArrowDown" => row.as_ref().and_then(Element::next_element_sibling),
        "ArrowUp" => row.as_ref().and_then(Element::previous_element_sibling),
        "Home" if row.is_some() => {
            scroller.set_scroll_top(0);
            None
        }
        "End" if row.is_some() => {
            scroller.set_scroll_top(scroller.scroll_height());
            None
        }
        _ => return,
    };
    let focus = |row: Option<Element>| {
        let link = row.and_then(|row| row.query_selector("a").ok().flatten());
        if let Some(link) = link.and_then(|link| link.dyn_into::<HtmlElement>().ok()) {
            // What cannot be focused leaves the keyboard where it is.
            let _ = link.focus();
        }
    };
    match (event.key().as_str(), row) {
        ("ArrowDown" | "ArrowUp", Some(_)) => focus(next),
        (key @ ("Home" | "End"), Some(_)) => {
            let last = || scroller.query_selector("table").ok().flatten()?.get_attribute("aria-rowcount");
            // The first row is that of the headings.
            let index = if key == "Home" { Some("2".to_owned()) } else { last() }.unwrap_or_default();
            let place = format!("tr[data-testid][aria-rowindex='{index}']");
            let scroller = scroller.clone();
            // Rows are put up a few a frame, and the old ones may have the place of the new for
            // one: who has the keyboard has to keep it.
            spawn_local(async move {
                let start = browser::now();
                let mut kept = false;
                while browser::now() - start < ROWS_COME {
                    browser::next_turn().await;
                    let active = document().active_element();
                    // Whoever has moved on meanwhile is left alone.
                    let is_elsewhere = active.as_ref().is_some_and(|active| {
                        active.tag_name() != "BODY" && !scroller.contains(Some(active))
                    });
                    if is_elsewhere {
                        return;
                    }
                    let Ok(Some(row)) = scroller.query_selector(&place) else { continue };
                    let has_it = active.is_some_and(|active| row.contains(Some(&active)));
                    if has_it && kept {
                        return;
                    }
                    kept = has_it;
                    if !has_it {
                        focus(Some(row));
                    }
                }
            });
        }
        _ => return,
    }
    event.prevent_default();
}

/// The head of a column that can be sorted by.
#[component]
fn Head(
    /// Which.
    column: Column,
    /// Key of its name.
    name: &'static str,
    /// Its class.
    class: &'static str,
    /// What is asked for.
    query: Memo<Query>,
    /// Where it is asked.
    router: Router,
) -> impl IntoView {
    let sorted = Memo::new(move |_| {
        query.with(|query| query.sort.filter(|(sorted, _)| *sorted == column).map(|(_, down)| down))
    });
    let turn = move |_| {
        let parameters = router.parameters.get_untracked();
        router.replace(query.with_untracked(|query| query.turned(column, parameters)));
    };
    let direction = move || sorted.get().map(|down| if down { "descending" } else { "ascending" });
    let arrow = move || sorted.get().map_or("", |down| if down { " ↓" } else { " ↑" });
    view! {
        <th class=class role="columnheader" scope="col" aria-sort=direction>
            <button class="library-sort" data-testid=format!("sort-{}", column.code()) on:click=turn>
                {sentence(name)}
                <span aria-hidden="true">{arrow}</span>
            </button>
        </th>
    }
}

/// Genres over a track as the stops of a gradient, each of one colour: nothing
/// where nothing sounds.
fn strip_of(track: &Track, length: f64) -> String {
    // Silence and what was not heard have none, what is no music has none of a genre.
    let mut stops: Vec<(Option<Option<usize>>, usize)> = Vec::new();
    for place in 0..STRIP {
        let second = (place as f64 + 0.5) / STRIP as f64 * length;
        let genre = track
            .at(second)
            .and_then(|clip| if clip.verdict.refused { Some(None) } else { clip.verdict.genre().map(Some) });
        match stops.last_mut() {
            Some((last, end)) if *last == genre => *end = place + 1,
            _ => stops.push((genre, place + 1)),
        }
    }
    let mut gradient = String::from("linear-gradient(to right");
    let mut start = 0;
    for (genre, end) in stops {
        let color = match genre {
            None => "transparent".to_owned(),
            Some(None) => "var(--line)".to_owned(),
            Some(Some(genre)) => format!("var(--genre-{})", genre % colors::COUNT),
        };
        // Thousandths of the width, by integers.
        let share = |place: usize| format!("{}e-1%", place * 1000 / STRIP);
        gradient.push_str(&format!(",{color} {} {}", share(start), share(end)));
        start = end;
    }
    gradient.push(')');
    gradient
}

/// What a row says of what was heard. Its cells are put up anew, all four, when
/// any of it changes: that is seldom, and rows come and go with every frame.
#[derive(Clone, PartialEq)]
struct Heard {
    /// Index, letters, name and share of the most probable genre.
    top: Option<(usize, String, String, f32)>,
    silent: bool,
    doubt: Option<Doubt>,
    length: f64,
    strip: String,
}

impl Heard {
    fn of(song: &Song) -> Self {
        let (top, silent, doubt) =
            song.hearing.with(|hearing| (hearing.most_probable(), hearing.silent, hearing.doubt));
        let top = top.and_then(|(index, share)| {
            song.genres.with(|genres| {
                Some((index, colors::letters(genres, index), genres.get(index)?.clone(), share))
            })
        });
        let length = song.length();
        Self { top, silent, doubt, length, strip: song.track.with_value(|track| strip_of(track, length)) }
    }

    fn cells(self) -> impl IntoView {
        let genre = match &self.top {
            Some((index, letters, name, _)) => {
                let class = colors::chip(*index);
                let genre = words::genre(name);
                let said = match self.doubt {
                    Some(_) => t!("library.perhaps", genre = genre),
                    None => genre,
                };
                Some((
                    Some(view! { <span class=class aria-hidden="true">{letters.clone()}</span> }),
                    format!(" {said}"),
                ))
            }
            None if self.doubt == Some(Doubt::NotMusic) => Some((None, t!("song.not_music"))),
            None => self.silent.then(|| (None, t!("song.silence"))),
        };
        let share = self.top.map(|(.., share)| words::percent(share));
        let length = (self.length > 0.0).then(|| words::clock(self.length));
        view! {
            <td class="genre" role="cell" data-testid="row-genre">{genre}</td>
            <td class="number tabular" role="cell" data-testid="row-confidence">{share}</td>
            <td class="number tabular" role="cell">{length}</td>
            <td class="strip" aria-hidden="true">
                <span class="strip-band" style:background-image=self.strip></span>
            </td>
        }
    }
}

/// A song's row.
#[component]
fn Row(
    /// The song.
    song: Song,
    /// Its place in the table, the head being 1.
    place: Signal<usize>,
    /// The library.
    shelf: Shelf,
) -> impl IntoView {
    let id = song.id;
    let state = RwSignal::from(song.state.clone());
    let hearing = RwSignal::from(song.hearing.clone());
    let info = RwSignal::from(song.info.clone());
    let title = Memo::new({
        let song = song.clone();
        move |_| song.title()
    });
    let below = Memo::new(move |_| {
        state.with(|state| match state {
            SongState::Failed(problem) => (words::problem(problem), true),
            // The length has a column of its own.
            _ => {
                let facts =
                    |info: &SongInfo| words::song_facts(&SongInfo { seconds: None, ..info.clone() }, None);
                (info.with(facts), false)
            }
        })
    });
    let heard = Memo::new({
        let song = song.clone();
        move |_| Heard::of(&song)
    });
    let state_words = move || match state.with(SongState::code) {
        "busy" => t!(
            "library.busy_at",
            share = &words::percent(hearing.with(|hearing| hearing.read.clamp(0.0, 1.0)))
        ),
        code => state_name(code),
    };
    let select = move |event: Event| {
        let wanted = event_target_checked(&event);
        shelf.selected.update(|selected| {
            if wanted {
                selected.insert(id)
            } else {
                selected.remove(&id)
            };
        });
    };
    view! {
        <tr
            role="row"
            data-testid="row"
            data-song=id.0.to_string()
            data-state=move || state.with(SongState::code)
            aria-rowindex=move || place.get().to_string()
        >
            <td class="pick" role="cell">
                <input
                    type="checkbox"
                    data-testid="select"
                    aria-label=move || t!("library.select", title = &title.get())
                    prop:checked=move || shelf.selected.with(|selected| selected.contains(&id))
                    on:change=select
                />
            </td>
            <th class="title" role="rowheader" scope="row">
                <a href=format!("#song?song={}", song.code) dir="auto" data-testid="row-title">{title}</a>
                {move || {
                    let (words, problem) = below.get();
                    let whole = words.clone();
                    view! { <span class="below" class:problem=problem dir="auto" title=whole>{words}</span> }
                }}
            </th>
            {move || heard.get().cells()}
            <td class="state" role="cell">
                <span data-testid="row-state">{state_words}</span>
                <RowAction song title state shelf />
            </td>
        </tr>
    }
}

/// What is to do with a song, in its row.
fn in_row(song: SongId, what: &str) -> String {
    format!("[data-testid=row][data-song='{}'] .state {what}", song.0)
}

/// Keeps the keyboard in a song's row, where what is to do with it changes.
fn stay_with(song: Option<SongId>) {
    let row = song.map(|id| in_row(id, ":is(button, input)"));
    focus::hand_on(row, "[data-testid=library-scroll]");
}

/// The one thing to do with a song as it is.
#[component]
fn RowAction(
    /// The song.
    song: Song,
    /// Its title.
    title: Memo<String>,
    /// How far it is.
    state: RwSignal<SongState>,
    /// The library.
    shelf: Shelf,
) -> impl IntoView {
    let desk = shelf.desk;
    let wants_file = RwSignal::from(song.wants_file.clone());
    let code = Memo::new(move |_| if wants_file.get() { "wants-file" } else { state.with(SongState::code) });
    let name = move |key: &'static str| move || words::of_song(key, &title.get());
    let id = song.id;
    move || {
        let song = song.clone();
        // The button that has the keyboard goes, also where the song ends by itself.
        if document().query_selector(&in_row(id, ":focus")).is_ok_and(|found| found.is_some()) {
            stay_with(Some(id));
        }
        match code.get() {
            "wants-file" => {
                let offer = move |event: Event| {
                    let input: HtmlInputElement = event_target(&event);
                    if let Some(file) = input.files().and_then(|files| files.get(0)) {
                        desk.offer_file(&song, &file);
                        stay_with(None);
                    }
                    input.set_value("");
                };
                view! {
                    <label class="quiet-button">
                        <input
                            type="file"
                            class="unseen"
                            data-testid="row-file"
                            aria-label=name("library.its_file")
                            on:change=offer
                        />
                        {sentence("library.its_file")}
                    </label>
                }
                .into_any()
            }
            "queued" | "busy" => view! {
                <button
                    class="quiet-button"
                    data-testid="row-stop"
                    aria-label=name("song.stop")
                    on:click=move |_| {
                        desk.cancel(&song);
                        stay_with(Some(song.id));
                    }
                >
                    {sentence("song.stop")}
                </button>
            }
            .into_any(),
            "done" => view! {
                <button
                    class="quiet-button"
                    data-testid="row-more"
                    aria-label=name("library.more")
                    on:click=move |_| shelf.compared.set(Some(song.clone()))
                >
                    {sentence("library.more")}
                </button>
            }
            .into_any(),
            _ => view! {
                <button
                    class="quiet-button"
                    data-testid="row-again"
                    aria-label=name("library.go_on")
                    on:click=move |_| stay_with(Some(desk.hear_again(&song).unwrap_or(song.id)))
                >
                    {sentence("library.go_on")}
                </button>
            }
            .into_any(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::verdict::{ClipVerdict, SongVerdict};
    use crate::page::track::HeardClip;

    #[test]
    fn only_rows_near_the_window_are_put_up() {
        let window = Window { top: 5200.0, height: 520.0, row: 52.0 };
        let (first, last) = window.rows(1000);
        assert_eq!((first, last), (100 - BEYOND, 111 + BEYOND));
        assert_eq!(window.rows(50), (50, 50));
        assert_eq!(Window { top: 0.0, height: 520.0, row: 52.0 }.rows(3), (0, 3));
        assert!(Window { row: 0.0, ..window }.rows(9).1 <= 9);
    }

    #[test]
    fn rows_come_a_few_a_frame() {
        let window = Window { top: 5200.0, height: 520.0, row: 52.0 };
        assert_eq!(window.next_rows(1000, 5, |_| false), (100, 105));
        assert_eq!(window.next_rows(1000, 5, |row| (100..105).contains(&row)), (100, 110));
        // Scrolled on a little: what is there already costs nothing.
        assert_eq!(window.next_rows(1000, 5, |row| (90..117).contains(&row)), (92, 119));
        assert_eq!(window.next_rows(1000, 99, |_| false), window.rows(1000));
        assert_eq!(window.next_rows(50, 5, |_| false), (50, 50));
        assert_eq!(window.next_rows(0, 5, |_| false), (0, 0));
        // In every frame some, until all are there.
        let mut up = (100, 100);
        for _ in 0..6 {
            up = window.next_rows(1000, 5, |row| (up.0..up.1).contains(&row));
        }
        assert_eq!(up, window.rows(1000));
    }

    #[test]
    fn a_strip_has_a_stop_for_each_change_of_genre() {
        let clip = |clip: usize, probabilities: &[f32]| HeardClip {
            verdict: ClipVerdict { clip, probabilities: probabilities.to_vec(), ..ClipVerdict::default() },
            start: clip as f64 * 3.0,
            end: clip as f64 * 3.0 + 3.0,
        };
        let clips = vec![clip(0, &[1.0, 0.0]), clip(1, &[0.0, 1.0])];
        let track = Track::kept(clips, SongVerdict::Genre { probabilities: vec![0.5, 0.5] }, &[]);
        assert_eq!(
            strip_of(&track, 12.0),
            "linear-gradient(to right,var(--genre-0) 0e-1% 250e-1%,var(--genre-1) 250e-1% 500e-1%,\
             transparent 500e-1% 1000e-1%)"
        );
        assert_eq!(strip_of(&Track::default(), 0.0), "linear-gradient(to right,transparent 0e-1% 1000e-1%)");
    }
}
