//! The other pages of this browser, which have the same store.
//!
//! In: what they tell: that one of them had the store forget something, or has changed its
//! models. Out: the same on this page; where such things are told.

use gloo::events::EventListener;
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::files::is_sound_to_be_kept;
use super::{Keeper, Keeping};
use crate::page::browser;
use crate::page::desk::Desk;
use crate::page::store::Store;

/// Where the pages of this folder are told that one of them had the store forget something.
pub(super) fn forgotten() -> String {
    format!("needledrop.forgotten {}", browser::folder())
}

/// Where they are told that the store has other models than before.
fn other_models() -> String {
    format!("needledrop.models {}", browser::folder())
}

/// Tells the other pages so.
pub(super) fn tell_of_models() {
    browser::remember(&other_models(), &browser::today().to_string());
}

impl Keeper {
    /// What another page of this browser has the store forget goes from this one too.
    pub(super) fn listen_to_other_pages(self, desk: Desk, store: &Store) {
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
        for song in desk.all_songs() {
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
}
