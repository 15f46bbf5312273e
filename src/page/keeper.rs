//! Who keeps the songs from one visit to the next.
//!
//! In: songs as they come and as they end. Out: [`Change`]s for the
//! [`store`](super::store), one after the other, and at the start of a visit the
//! songs of earlier ones. What cannot be kept is said once and stays on the
//! page. Models of one's own are kept beside them.

use std::collections::HashMap;

use gloo::events::EventListener;
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::File;

use super::browser;
use super::desk::Desk;
use super::song::{FileState, Song, SongState};
use super::store::{Change, Store, StoreProblem};
use super::track::{HeardClip, Track};
use crate::classify::verdict::SongVerdict;
use crate::engine::protocol::SongId;
use crate::library::record::{Ending, FileKey, KeptClip, Record, Shares};
use crate::order::order;

/// Where it is kept that songs themselves are to be kept.
const KEEP_SOUND: &str = "needledrop.keep-sound";

/// Bytes that the browser must have left after a song is kept.
const ROOM_LEFT: f64 = 100e6;

/// How it stands with the store.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Keeping {
    /// Being opened and read.
    #[default]
    Opening,
    /// Read; what comes is kept.
    Kept,
    /// Something was not kept.
    Refused(StoreProblem),
    /// Results are kept, but for songs themselves there is no room.
    NoRoomForSound,
}

/// Handle on the one keeper; copies are the same.
#[derive(Clone, Copy)]
pub(crate) struct Keeper {
    /// Songs of earlier visits that are not on the list, the latest first.
    pub(crate) kept: RwSignal<Vec<Song>>,
    /// How it stands with the store.
    pub(crate) state: RwSignal<Keeping>,
    /// Whether songs themselves are kept too.
    pub(crate) keeps_sound: RwSignal<bool>,
    /// How it stands with models of one's own, by their keys; of one that is not to be kept
    /// there is nothing.
    pub(crate) models: RwSignal<HashMap<String, Keeping>>,
    shelf: StoredValue<Shelf, LocalStorage>,
}

#[derive(Default)]
struct Shelf {
    store: Option<Store>,
    /// There is none, and nothing needs to wait for it.
    absent: bool,
    /// Whether all that it has was read, so that what changes can be written.
    read: bool,
    changes: Vec<Change>,
    changing: bool,
    /// What is known of files, by their keys.
    files: HashMap<String, Known>,
    /// Whether what the store still has of earlier visits is to be forgotten, but for what
    /// is under these keys.
    cleared: Option<Vec<String>>,
    /// Whether something could not be kept, and is not tried again.
    lost: bool,
    /// Whether the browser was asked not to throw away what is kept.
    persistence_asked: bool,
}

/// What is known of a file.
#[derive(Default)]
struct Known {
    /// The handle that it came by in this visit.
    handle: Option<JsValue>,
    /// It is or was on the list.
    expected: bool,
    /// It came by the handle of an earlier visit.
    lent: bool,
    /// Where it is from.
    origin: Origin,
    /// There may be no other copy than the page's: the store was to forget its own.
    forgotten: bool,
    /// What an earlier visit knew of whether there is another copy than the store's.
    recorded: Option<bool>,
    /// It is to be kept, and is not yet.
    pending: bool,
}

/// Where a file is from.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Origin {
    /// Somebody brought it, and has it still.
    #[default]
    Elsewhere,
    /// The microphone, in this visit: there is no other copy.
    Microphone,
    /// The store gave it, and no handle leads to it: there may be no other copy.
    Store,
}

impl Known {
    /// Whether there may be no copy beside the page's, which is gone when that is closed;
    /// `is_kept` says whether the store keeps what it is given.
    fn would_be_lost(&self, is_kept: bool) -> bool {
        self.forgotten || !is_kept && self.origin == Origin::Microphone
    }
}

impl Shelf {
    fn file(&mut self, key: String) -> &mut Known {
        self.files.entry(key).or_default()
    }
}

/// Whether somebody has chosen to keep songs themselves.
fn is_sound_to_be_kept() -> bool {
    browser::remembered(KEEP_SOUND).is_some_and(|value| value == "yes")
}

/// Where the pages of this folder are told that one of them had the store forget something.
fn forgotten() -> String {
    format!("needledrop.forgotten {}", browser::folder())
}

/// Where they are told that the store has other models than before.
fn other_models() -> String {
    format!("needledrop.models {}", browser::folder())
}

/// Tells the other pages so.
fn tell_of_models() {
    browser::remember(&other_models(), &browser::today().to_string());
}

/// Whether the browser would have some room left with that file kept.
async fn has_room(file: &File) -> bool {
    let storage = browser::property(&window().navigator(), "storage");
    // Over plain http, and in Safari before 17, nobody says how much room there is.
    browser::call_async(&storage, "estimate", &[]).await.map_or(true, |estimate| {
        let number = |name| browser::property(&estimate, name).as_f64().unwrap_or(0.0);
        number("quota") - number("usage") - file.size() >= ROOM_LEFT
    })
}

/// By what a file is known again.
pub(crate) fn key_of(file: &File) -> FileKey {
    // Both are whole numbers that a float holds.
    FileKey { name: file.name(), size: file.size() as u64, modified: file.last_modified() as i64 }
}

/// What is kept of a song as it is now.
pub(crate) fn record_of(song: &Song) -> Record {
    let ending = match song.state.get_untracked() {
        SongState::Done => Ending::Done,
        SongState::Failed(why) => Ending::Failed { why },
        SongState::Cancelled => Ending::Cancelled,
        SongState::Queued | SongState::Busy | SongState::Unheard => Ending::Unheard,
    };
    let (clips, verdict, embedding) = song.track.with_value(|track| {
        let clips = track.clips().iter().map(|heard| KeptClip {
            clip: heard.verdict.clip,
            start: heard.start,
            end: heard.end,
            shares: Shares::of(&heard.verdict.probabilities),
            refused: heard.verdict.refused,
        });
        (clips.collect(), track.verdict(), track.embedding())
    });
    Record {
        file: song.file.as_ref().clone(),
        ending,
        info: song.info.get_untracked(),
        seconds: song.seconds.get_untracked(),
        notices: song.notices.get_untracked(),
        heard_by: song.heard_by.with_untracked(|by| by.as_deref().cloned()),
        probabilities: verdict.probabilities().to_vec(),
        doubt: verdict.doubt(),
        clips,
        embedding,
        heard: song.heard_at,
        recorded: None,
    }
}

impl Keeper {
    /// A keeper that has not opened its store yet.
    pub(crate) fn new() -> Self {
        Self {
            kept: RwSignal::default(),
            state: RwSignal::default(),
            keeps_sound: RwSignal::new(is_sound_to_be_kept()),
            models: RwSignal::default(),
            shelf: StoredValue::new_local(Shelf::default()),
        }
    }

    fn with<T: Default>(self, act: impl FnOnce(&mut Shelf) -> T) -> T {
        self.shelf.try_update_value(act).unwrap_or_default()
    }

    // The store.

    /// Opens the store and brings what is in it, a portion a turn; then goes on
    /// with the songs that the last visit did not come to.
    pub(crate) async fn open(self, desk: Desk) {
        let store = match Store::open().await {
            Ok(store) => store,
            Err(problem) => {
                self.with(|shelf| {
                    shelf.absent = true;
                    shelf.changes.clear();
                });
                return self.state.set(Keeping::Refused(problem));
            }
        };
        // Songs are shown from the first portion on, and their files asked for.
        self.with(|shelf| shelf.store = Some(store.clone()));
        self.listen_to_other_pages(desk, &store);
        match store.models().await {
            Ok(models) => {
                self.know_models(models.iter().map(|(key, _)| key.clone()));
                desk.bring_models(models);
            }
            Err(problem) => self.state.set(Keeping::Refused(problem)),
        }
        let mut after: Option<String> = None;
        loop {
            match store.records(after.as_deref()).await {
                Ok((records, last)) => {
                    self.bring(desk, records);
                    after = last;
                }
                Err(problem) => {
                    self.state.set(Keeping::Refused(problem));
                    break;
                }
            }
            if after.is_none() {
                if self.state.get_untracked() == Keeping::Opening {
                    self.state.set(Keeping::Kept);
                }
                break;
            }
            browser::next_turn().await;
        }
        self.with(|shelf| shelf.read = true);
        self.make_changes();
        self.go_on(desk).await;
    }

    /// What another page of this browser has the store forget goes from this one too.
    fn listen_to_other_pages(self, desk: Desk, store: &Store) {
        let (store, forgotten, models) = (store.clone(), forgotten(), other_models());
        let ear = EventListener::new(&window(), "storage", move |event| {
            let told = |name| browser::property(event, name).as_string();
            let key = told("key");
            if key.as_ref() == Some(&forgotten) {
                self.keeps_sound.set(is_sound_to_be_kept());
                spawn_local(self.look_for_forgotten(desk, store.clone(), told("newValue")));
            } else if key.as_ref() == Some(&models) {
                let store = store.clone();
                spawn_local(async move {
                    if let Ok(models) = store.models().await {
                        self.know_models(models.into_iter().map(|(key, _)| key));
                    }
                });
            }
        });
        ear.forget();
    }

    /// Lets go of what the store has no more: of all songs, or of those whose codes stand in
    /// what was `told` after the time.
    async fn look_for_forgotten(self, desk: Desk, store: Store, told: Option<String>) {
        while self.state.get_untracked() == Keeping::Opening {
            browser::next_turn().await;
        }
        // What was never kept is not missing.
        let is_kept = matches!(self.state.get_untracked(), Keeping::Kept | Keeping::NoRoomForSound);
        let told = told.unwrap_or_default();
        let (_, codes) = told.split_once(' ').unwrap_or_default();
        for song in self.all(desk) {
            if !codes.is_empty() && !codes.contains(&song.file.code()) {
                continue;
            }
            let key = song.file.text();
            // What is still on its way there is not forgotten, nor what cannot be read now.
            if matches!(store.sound(&key).await, Ok(None)) && !self.knows(&key, |file| file.pending) {
                self.lose_sound(desk, &song);
            }
            let is_away = || self.song(song.id).is_some() && !self.would_lose(&song.file);
            // It may be put on the list while the store is asked.
            if is_kept && is_away() && matches!(store.has(&key).await, Ok(false)) && is_away() {
                desk.let_go(song.id);
                self.with(|shelf| shelf.files.remove(&key));
                self.kept.update(|kept| kept.retain(|other| other.id != song.id));
            }
        }
    }

    /// The songs on the list, and those of earlier visits.
    fn all(self, desk: Desk) -> Vec<Song> {
        let mut all = desk.songs.get_untracked();
        all.append(&mut self.kept.get_untracked());
        all
    }

    /// The store keeps a song's sound no longer: of what this page has at hand there may be no
    /// other copy.
    fn lose_sound(self, desk: Desk, song: &Song) {
        if desk.file(song.id).is_some() {
            self.with(|shelf| {
                let file = shelf.file(song.file.text());
                file.forgotten = file.origin != Origin::Elsewhere;
            });
        }
    }

    fn bring(self, desk: Desk, records: Vec<Record>) {
        let is_here =
            |file: &FileKey| desk.songs.with_untracked(|songs| songs.iter().any(|song| *song.file == *file));
        let mut songs = Vec::new();
        let is_forgotten = |record: &Record| {
            self.with(|shelf| {
                shelf.cleared.as_ref().is_some_and(|spared| !spared.contains(&record.file.text()))
            })
        };
        for record in records {
            if !is_forgotten(&record) && !is_here(&record.file) {
                if record.recorded.is_some() {
                    self.with(|shelf| shelf.file(record.file.text()).recorded = record.recorded);
                }
                songs.push(Song::kept(desk.new_song(), record));
            }
        }
        if !songs.is_empty() {
            self.kept.update(|kept| {
                kept.extend(songs);
                let latest = order(kept.len(), &|a, b| kept[b].heard_at.total_cmp(&kept[a].heard_at));
                *kept = latest.into_iter().map(|place| kept[place].clone()).collect();
            });
        }
    }

    /// Hears what the last visit did not come to, as far as the browser lets the
    /// page read the files without asking. In a second tab it is what the first one is
    /// hearing, and stays its own.
    async fn go_on(self, desk: Desk) {
        if !browser::is_first_page().await {
            return;
        }
        let waiting: Vec<Song> = self.kept.with_untracked(|kept| {
            kept.iter().filter(|song| song.state.get_untracked() == SongState::Unheard).cloned().collect()
        });
        let stops = desk.stops();
        for song in waiting.into_iter().rev() {
            if desk.stops() != stops {
                return;
            }
            if let Some(file) = self.file(&song, false).await {
                desk.hear_kept(&song, &file);
                browser::next_turn().await;
            }
        }
    }

    fn change(self, change: Change) {
        self.with(|shelf| {
            if !shelf.absent {
                shelf.changes.push(change);
            }
        });
        self.make_changes();
    }

    /// Has the changes made that have gathered, unless that is going on.
    fn make_changes(self) {
        let store = self.with(|shelf| {
            if !shelf.read || shelf.changing || shelf.changes.is_empty() {
                return None;
            }
            let store = shelf.store.clone()?;
            shelf.changing = true;
            Some(store)
        });
        let Some(store) = store else { return };
        spawn_local(async move {
            loop {
                // What comes in the same turn is one transaction.
                browser::next_turn().await;
                let changes = self.with(|shelf| {
                    shelf.changing = !shelf.changes.is_empty();
                    std::mem::take(&mut shelf.changes)
                });
                if changes.is_empty() {
                    return;
                }
                let state = match store.change(&changes).await {
                    Ok(()) => {
                        self.are_made(&changes);
                        match self.state.get_untracked() {
                            // With these, what had failed before.
                            Keeping::Refused(StoreProblem::Failed(_)) if !self.with(|shelf| shelf.lost) => {
                                Keeping::Kept
                            }
                            state => state,
                        }
                    }
                    Err(problem) => {
                        for change in &changes {
                            if let Change::Sound(key, _) = change {
                                self.is_not_kept(key);
                            }
                        }
                        // A song that has no room shall not take records with it.
                        let had_heavy = !changes.iter().all(Change::is_light);
                        let mut light: Vec<_> = changes.into_iter().filter(Change::is_light).collect();
                        let kept = store.change(&light).await;
                        if kept.is_ok() {
                            self.are_made(&light);
                        }
                        let again = matches!(kept, Err(StoreProblem::Failed(_)));
                        self.with(|shelf| shelf.lost |= had_heavy || kept.is_err() && !again);
                        match (kept, &problem) {
                            (Ok(()), StoreProblem::Full) if had_heavy => self.without_room_for_sound(),
                            (Err(StoreProblem::Failed(_)), _) => {
                                // Once more with what comes next.
                                self.with(|shelf| {
                                    light.append(&mut shelf.changes);
                                    (shelf.changes, shelf.changing) = (light, false);
                                });
                                return self.set_state(Keeping::Refused(problem));
                            }
                            _ => Keeping::Refused(problem),
                        }
                    }
                };
                self.set_state(state);
            }
        });
    }

    /// Changes have been made in the store.
    fn are_made(self, changes: &[Change]) {
        let (mut all, mut codes) = (false, String::new());
        for change in changes {
            match change {
                Change::Sound(key, _) => self.with(|shelf| {
                    let is_kept = self.keeps_sound.get_untracked();
                    let file = shelf.file(key.clone());
                    file.pending = false;
                    // Unless it has been forgotten again since.
                    file.forgotten &= !is_kept;
                }),
                Change::ForgetAllBut(_) | Change::ForgetSounds => all = true,
                Change::Forget(file) => codes = codes + " " + &file.code(),
                Change::Record(_) | Change::Handle(..) => {}
            }
        }
        if all {
            codes.clear();
        }
        if all || !codes.is_empty() {
            browser::remember(&forgotten(), &((browser::today() as u64).to_string() + &codes));
        }
    }

    /// How it stands where a song itself has no room: what is worse stays said.
    fn without_room_for_sound(self) -> Keeping {
        match self.state.get_untracked() {
            Keeping::Refused(problem) => Keeping::Refused(problem),
            Keeping::Opening | Keeping::Kept | Keeping::NoRoomForSound => Keeping::NoRoomForSound,
        }
    }

    fn set_state(self, state: Keeping) {
        if self.state.get_untracked() != state {
            self.state.set(state);
        }
    }

    /// Asks the browser, once, not to throw away what is kept when room is short.
    fn ask_for_persistence(self) {
        if self.with(|shelf| std::mem::replace(&mut shelf.persistence_asked, true)) {
            return;
        }
        spawn_local(async {
            let storage = browser::property(&window().navigator(), "storage");
            let persisted = browser::call_async(&storage, "persisted", &[]).await;
            if persisted.is_ok_and(|persisted| !persisted.is_truthy()) {
                // Whatever the answer is, things are kept for now.
                let _ = browser::call_async(&storage, "persist", &[]).await;
            }
        });
    }

    // The songs.

    /// A song waits to be heard. One that was heard before keeps its verdict
    /// until it has another.
    pub(crate) fn expect(self, song: &Song, file: &File) {
        let key = song.file.text();
        let handle = self.with(|shelf| {
            let known = shelf.file(key.clone());
            known.expected = true;
            known.handle.clone()
        });
        self.write_down(song);
        if let Some(handle) = handle {
            self.change(Change::Handle(key.clone(), handle));
        }
        if self.wants_sound(&key) {
            spawn_local(self.keep_sound(key, file.clone()));
        }
    }

    fn write_down(self, song: &Song) {
        let recorded = Some(self.is_recording(&song.file));
        self.change(Change::Record(Record { recorded, ..record_of(song) }.into()));
    }

    /// Whether the file itself is kept: where the person wants songs to be, or where it was
    /// said to be kept, as what the microphone heard is.
    fn wants_sound(self, key: &str) -> bool {
        self.keeps_sound.get_untracked()
            || self.knows(key, |file| file.origin == Origin::Microphone && !file.forgotten)
    }

    /// What the microphone heard, before it becomes a song.
    pub(crate) fn hold_recording(self, file: &File) {
        let key = key_of(file).text();
        self.with(|shelf| shelf.file(key).origin = Origin::Microphone);
    }

    /// Whether that is known of the file of that key.
    fn knows(self, key: &str, what: impl FnOnce(&Known) -> bool) -> bool {
        self.with(|shelf| shelf.files.get(key).is_some_and(what))
    }

    /// Whether the microphone heard what may not be kept: no longer than this page.
    pub(crate) fn would_lose_recordings(self) -> bool {
        let is_kept = self.state.get_untracked() == Keeping::Kept;
        self.with(|shelf| shelf.files.values().any(|file| file.would_be_lost(is_kept)))
    }

    /// Whether there may be no other copy of that, and it is kept no longer than this page.
    pub(crate) fn would_lose(self, file: &FileKey) -> bool {
        let is_kept = self.state.get_untracked() == Keeping::Kept;
        self.knows(&file.text(), |file| file.would_be_lost(is_kept))
    }

    /// Whether there may be no other copy of that: the microphone heard it in this visit, or
    /// in an earlier one, or it came out of the store, and nobody has brought it since.
    pub(crate) fn is_recording(self, file: &FileKey) -> bool {
        self.knows(&file.text(), |file| file.recorded == Some(true) || file.origin != Origin::Elsewhere)
    }

    /// Somebody has brought that file: it lies elsewhere too.
    pub(crate) fn is_brought(self, file: &File) {
        let key = key_of(file).text();
        self.with(|shelf| {
            let known = shelf.file(key);
            known.recorded = Some(false);
            if known.origin == Origin::Store {
                (known.origin, known.forgotten) = (Origin::Elsewhere, false);
            }
        });
    }

    async fn keep_sound(self, key: String, file: File) {
        self.with(|shelf| shelf.file(key.clone()).pending = true);
        let has_room = has_room(&file).await;
        // The person may have decided otherwise meanwhile.
        if !self.wants_sound(&key) || !self.knows(&key, |file| file.pending) {
            return self.is_not_kept(&key);
        }
        if has_room {
            self.change(Change::Sound(key, file));
        } else {
            self.is_not_kept(&key);
            self.set_state(self.without_room_for_sound());
        }
    }

    /// The sound of that key does not come into the store.
    fn is_not_kept(self, key: &str) {
        self.with(|shelf| {
            if let Some(file) = shelf.files.get_mut(key) {
                file.pending = false;
            }
        });
    }

    /// Keeps a song that has ended.
    pub(crate) fn keep(self, song: &Song) {
        self.write_down(song);
        self.ask_for_persistence();
    }

    /// Forgets a song, here and in the store.
    pub(crate) fn forget(self, song: &Song) {
        let key = song.file.text();
        self.with(|shelf| shelf.files.remove(&key));
        drop(self.take_back(&song.file));
        self.change(Change::Forget(song.file.clone()));
    }

    /// Takes songs that are no longer on the list, the later one of those of the
    /// same file; their [`Song::file_state`] says whether the desk holds their files still.
    pub(crate) fn put_away(self, songs: Vec<Song>) {
        if songs.is_empty() {
            return;
        }
        self.kept.update(|kept| {
            for song in songs {
                kept.retain(|other| other.file != song.file);
                kept.insert(0, song);
            }
        });
    }

    /// Forgets every song that is not on the list, of other pages of this browser too, and
    /// gives those that it knew; for what is to come there is room.
    pub(crate) fn clear(self, desk: Desk) -> Vec<Song> {
        self.try_anew();
        let keys: Vec<String> =
            desk.songs.with_untracked(|songs| songs.iter().map(|song| song.file.text()).collect());
        self.with(|shelf| {
            shelf.cleared = Some(keys.clone());
            shelf.files.retain(|key, _| keys.contains(key));
        });
        self.change(Change::ForgetAllBut(keys));
        // What had no room may have some now.
        self.keep_sounds(desk);
        self.kept.try_update(std::mem::take).unwrap_or_default()
    }

    /// The file of that key is on the list again; gives the songs that were kept of it.
    pub(crate) fn take_back(self, key: &FileKey) -> Vec<Song> {
        if self.kept.with_untracked(|kept| kept.iter().all(|song| *song.file != *key)) {
            return Vec::new();
        }
        let taken = self.kept.try_update(|kept| kept.extract_if(.., |song| *song.file == *key).collect());
        taken.unwrap_or_default()
    }

    /// The song of that name, of an earlier visit.
    pub(crate) fn song(self, id: SongId) -> Option<Song> {
        self.kept.with_untracked(|kept| kept.iter().find(|song| song.id == id).cloned())
    }

    /// What was not kept is of the past.
    fn try_anew(self) {
        if matches!(
            self.state.get_untracked(),
            Keeping::Refused(StoreProblem::Full | StoreProblem::Failed(_)) | Keeping::NoRoomForSound
        ) {
            self.with(|shelf| shelf.lost = false);
            self.state.set(Keeping::Kept);
        }
    }

    // The models.

    /// Keeps a model of one's own, as soon as there is a store.
    pub(crate) fn keep_model(self, key: String, file: File) {
        self.stands(key.clone(), Keeping::Opening);
        spawn_local(async move {
            while self.with(|shelf| shelf.store.is_none() && !shelf.absent) {
                browser::next_turn().await;
            }
            let kept = match self.with(|shelf| shelf.store.clone()) {
                None => Err(StoreProblem::Absent),
                Some(_) if !has_room(&file).await => Err(StoreProblem::Full),
                Some(store) => store.set_model(&key, Some(&file)).await,
            };
            match kept {
                Ok(()) => {
                    self.stands(key, Keeping::Kept);
                    self.ask_for_persistence();
                    tell_of_models();
                }
                Err(problem) => self.stands(key, Keeping::Refused(problem)),
            }
        });
    }

    /// Keeps a model no longer than this page.
    pub(crate) fn forget_model(self, key: String) {
        let Some(store) = self.with(|shelf| shelf.store.clone()) else { return };
        self.models.update(|models| drop(models.remove(&key)));
        spawn_local(async move {
            match store.set_model(&key, None).await {
                Ok(()) => tell_of_models(),
                // It is still there.
                Err(_) => self.stands(key, Keeping::Kept),
            }
        });
    }

    fn stands(self, key: String, how: Keeping) {
        self.models.update(|models| drop(models.insert(key, how)));
    }

    /// The store has these models; what is on its way there or was refused stays as it is.
    fn know_models(self, keys: impl Iterator<Item = String>) {
        self.models.update(|models| {
            models.retain(|_, how| *how != Keeping::Kept);
            models.extend(keys.map(|key| (key, Keeping::Kept)));
        });
    }

    // The files.

    /// Holds on to the handle that a file came by, also where its song has been
    /// taken before.
    pub(crate) fn hold(self, file: &File, handle: JsValue) {
        let key = key_of(file).text();
        let expected = self.with(|shelf| {
            let known = shelf.file(key.clone());
            known.handle = Some(handle.clone());
            known.recorded = Some(false);
            known.expected
        });
        if expected {
            self.change(Change::Handle(key, handle));
        }
    }

    /// The file of a song of an earlier visit: from the store, or by its handle,
    /// for which the browser may `ask` the person.
    pub(crate) async fn file(self, song: &Song, ask: bool) -> Option<File> {
        let key = song.file.text();
        let store = self.with(|shelf| shelf.store.clone())?;
        let sound = store.sound(&key).await;
        let handle = store.handle(&key).await;
        if let Ok(Some(file)) = sound {
            if matches!(handle, Ok(None)) {
                self.with(|shelf| {
                    let known = shelf.file(key);
                    // What the microphone heard in this visit stays its own, and of what somebody
                    // had brought there is another copy.
                    if known.origin == Origin::Elsewhere && known.recorded != Some(false) {
                        known.origin = Origin::Store;
                    }
                });
            }
            return Some(file);
        }
        let handle = handle.ok()??;
        let may = |method| {
            let handle = handle.clone();
            async move {
                let answer = browser::call_async(&handle, method, &[]).await;
                answer.is_ok_and(|answer| answer.as_string().is_some_and(|answer| answer == "granted"))
            }
        };
        if !(may("queryPermission").await || ask && may("requestPermission").await) {
            return None;
        }
        let file = browser::call_async(&handle, "getFile", &[]).await.ok()?.dyn_into().ok()?;
        self.hold(&file, handle);
        self.with(|shelf| shelf.file(key).lent = true);
        Some(file)
    }

    /// Whether the file of that key came by the handle of an earlier visit, which
    /// the browser may take back at any time.
    pub(crate) fn was_lent(self, key: &FileKey) -> bool {
        self.knows(&key.text(), |file| file.lent)
    }

    /// Whether songs themselves shall be kept: those on the list too, or none.
    pub(crate) fn choose_sound(self, desk: Desk, keep: bool) {
        self.keeps_sound.set(keep);
        self.try_anew();
        browser::remember(KEEP_SOUND, if keep { "yes" } else { "no" });
        if !keep {
            self.all(desk).iter().for_each(|song| self.lose_sound(desk, song));
            return self.change(Change::ForgetSounds);
        }
        self.keep_sounds(desk);
    }

    /// Keeps the files of the songs that the desk has at hand, as far as they are to be kept.
    fn keep_sounds(self, desk: Desk) {
        spawn_local(async move {
            for song in self.all(desk) {
                if let Some(file) = desk.file(song.id) {
                    self.keep_sound(song.file.text(), file).await;
                }
            }
        });
    }
}

impl Song {
    /// A song of an earlier visit.
    pub(crate) fn kept(id: SongId, record: Record) -> Self {
        let mut song = Self::new(id, record.file.clone(), Self::EARLIER);
        song.heard_at = record.heard;
        song.file_state.set(FileState::Away);
        song.state.set(match record.ending {
            Ending::Unheard => SongState::Unheard,
            Ending::Done => SongState::Done,
            Ending::Failed { why } => SongState::Failed(why),
            Ending::Cancelled => SongState::Cancelled,
        });
        let clips = record.clips.iter().map(|clip| HeardClip {
            verdict: clip.verdict(),
            start: clip.start,
            end: clip.end,
        });
        let verdict = SongVerdict::of(record.probabilities, record.doubt);
        song.track.set_value(Track::kept(clips.collect(), verdict, &record.embedding));
        song.info.set(record.info);
        song.seconds.set(record.seconds);
        song.notices.set(record.notices);
        if let Some(by) = record.heard_by {
            song.heard_by(by);
        }
        song.refresh();
        song
    }
}
