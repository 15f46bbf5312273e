//! The songs' files: handles that lead to them, and the sound itself where it is kept.
//!
//! In: files and handles as they come, and whether songs themselves are to be kept. Out:
//! changes for the store, and the file of a song of an earlier visit.

use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::File;

use super::Keeper;
use super::known::{Origin, key_of};
use super::room::has_room;
use crate::page::browser;
use crate::page::desk::Desk;
use crate::page::song::Song;
use crate::page::store::Change;

/// Where it is kept that songs themselves are to be kept.
const KEEP_SOUND: &str = "needledrop.keep-sound";

/// Whether somebody has chosen to keep songs themselves.
pub(super) fn is_sound_to_be_kept() -> bool {
    browser::remembered(KEEP_SOUND).is_some_and(|value| value == "yes")
}

impl Keeper {
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

    /// Whether songs themselves shall be kept: those on the list too, or none.
    pub(crate) fn choose_sound(self, desk: Desk, keep: bool) {
        self.keeps_sound.set(keep);
        self.try_anew();
        browser::remember(KEEP_SOUND, if keep { "yes" } else { "no" });
        if !keep {
            desk.all_songs().iter().for_each(|song| self.lose_sound(desk, song));
            return self.change(Change::ForgetSounds);
        }
        self.keep_sounds(desk);
    }

    /// Keeps the files of the songs that the desk has at hand, as far as they are to be kept.
    pub(super) fn keep_sounds(self, desk: Desk) {
        spawn_local(async move {
            for song in desk.all_songs() {
                if let Some(file) = desk.file(song.id) {
                    self.keep_sound(song.file.text(), file).await;
                }
            }
        });
    }

    pub(super) async fn keep_sound(self, key: String, file: File) {
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

    /// Whether the file itself is kept: where the person wants songs to be, or where it was
    /// said to be kept, as what the microphone heard is.
    pub(super) fn wants_sound(self, key: &str) -> bool {
        self.keeps_sound.get_untracked()
            || self.knows(key, |file| file.origin == Origin::Microphone && !file.forgotten)
    }

    /// The sound of that key does not come into the store.
    pub(super) fn is_not_kept(self, key: &str) {
        self.with(|shelf| {
            if let Some(file) = shelf.files.get_mut(key) {
                file.pending = false;
            }
        });
    }

    /// The store keeps a song's sound no longer: of what this page has at hand there may be no
    /// other copy.
    pub(super) fn lose_sound(self, desk: Desk, song: &Song) {
        if desk.file(song.id).is_some() {
            self.with(|shelf| {
                let file = shelf.file(song.file.text());
                file.forgotten = file.origin != Origin::Elsewhere;
            });
        }
    }
}
