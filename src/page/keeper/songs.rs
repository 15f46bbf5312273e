//! The songs: written down, put away, taken back, forgotten.
//!
//! In: songs as they come, end and go. Out: changes for the store, and the songs that are not
//! on the list.

use leptos::prelude::*;
use leptos::task::spawn_local;
use web_sys::File;

use super::Keeper;
use super::kept::record_of;
use crate::engine::protocol::SongId;
use crate::library::record::{FileKey, Record};
use crate::page::desk::Desk;
use crate::page::song::Song;
use crate::page::store::Change;

impl Keeper {
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
}
