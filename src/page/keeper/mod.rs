//! Who keeps the songs from one visit to the next.
//!
//! In: songs as they come and as they end. Out: [`Change`]s for the
//! [`store`](super::store), one after the other, and at the start of a visit the
//! songs of earlier ones. What cannot be kept is said once and stays on the
//! page. Models of one's own are kept beside them.
//!
//! Here it is opened and read; [what is kept of a song](kept) and [what is known of
//! its file](known), how [changes] are made, what is done with [songs], [models] and
//! [files], what [room] there is and what the [other pages](other_pages) do stand in
//! files of their own.

mod changes;
mod files;
mod kept;
mod known;
mod models;
mod other_pages;
mod room;
mod songs;

use std::collections::HashMap;

use leptos::prelude::*;

use super::browser;
use super::desk::Desk;
use super::song::{Song, SongState};
use super::store::{Change, Store, StoreProblem};
use crate::library::record::{FileKey, Record};
use crate::order::order;
use files::is_sound_to_be_kept;
pub(super) use kept::record_of;
use known::Known;
pub(super) use known::key_of;

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

impl Shelf {
    fn file(&mut self, key: String) -> &mut Known {
        self.files.entry(key).or_default()
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
}
