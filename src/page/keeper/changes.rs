//! Changes in the store, made one after the other.
//!
//! In: changes as they come. Out: a transaction for those of one turn, and how it stands with
//! the store.

use leptos::prelude::*;
use leptos::task::spawn_local;

use super::other_pages::forgotten;
use super::{Keeper, Keeping};
use crate::page::browser;
use crate::page::store::{Change, StoreProblem};

impl Keeper {
    pub(super) fn change(self, change: Change) {
        self.with(|shelf| {
            if !shelf.absent {
                shelf.changes.push(change);
            }
        });
        self.make_changes();
    }

    /// Has the changes made that have gathered, unless that is going on.
    pub(super) fn make_changes(self) {
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
    pub(super) fn without_room_for_sound(self) -> Keeping {
        match self.state.get_untracked() {
            Keeping::Refused(problem) => Keeping::Refused(problem),
            Keeping::Opening | Keeping::Kept | Keeping::NoRoomForSound => Keeping::NoRoomForSound,
        }
    }

    pub(super) fn set_state(self, state: Keeping) {
        if self.state.get_untracked() != state {
            self.state.set(state);
        }
    }

    /// What was not kept is of the past.
    pub(super) fn try_anew(self) {
        if matches!(
            self.state.get_untracked(),
            Keeping::Refused(StoreProblem::Full | StoreProblem::Failed(_)) | Keeping::NoRoomForSound
        ) {
            self.with(|shelf| shelf.lost = false);
            self.state.set(Keeping::Kept);
        }
    }
}
