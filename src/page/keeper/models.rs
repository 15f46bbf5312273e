//! The models of one's own.
//!
//! In: their weights files, and what the store has. Out: the same in the store, and how it
//! stands with each.

use leptos::prelude::*;
use leptos::task::spawn_local;
use web_sys::File;

use super::other_pages::tell_of_models;
use super::room::has_room;
use super::{Keeper, Keeping};
use crate::page::browser;
use crate::page::store::StoreProblem;

impl Keeper {
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
    pub(super) fn know_models(self, keys: impl Iterator<Item = String>) {
        self.models.update(|models| {
            models.retain(|_, how| *how != Keeping::Kept);
            models.extend(keys.map(|key| (key, Keeping::Kept)));
        });
    }
}
