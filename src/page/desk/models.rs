//! The models of this visit.
//!
//! In: weights that were downloaded, dropped or taught, in this visit or an earlier one. Out: which
//! there are, and which hears the songs to come.

use std::sync::Arc;

use js_sys::{Array, ArrayBuffer};
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::JsCast;
use web_sys::File;

use super::{Desk, Download, Held, ModelFile, OWN_MODEL, PAPERS_MODEL};
use crate::engine::pool::Event;
use crate::engine::protocol::{ModelId, ModelProblem};
use crate::library::record::HeardBy;
use crate::network::card::ModelCard;
use crate::page::keeper::Keeping;
use crate::page::model::{self, Model, ModelState};
use crate::page::song::Song;
use crate::page::words::{self, t};

impl Desk {
    /// What a model says of itself, once it can be used.
    pub(crate) fn card(self, id: ModelId) -> Option<Arc<ModelCard>> {
        self.models.with_untracked(|models| {
            models.iter().find(|model| model.id == id).and_then(|model| model.card().cloned())
        })
    }

    /// Whether there is no model yet, and the first of them is on its way. Tracks that.
    pub(crate) fn awaits_models(self) -> bool {
        let failed =
            |download: RwSignal<Download>| download.with(|download| matches!(download, Download::Failed(_)));
        self.models.with(|models| models.iter().all(|model| model.card().is_none()))
            && !failed(self.engine_download)
            && !failed(self.model_download)
            && self.engine.with(|engine| engine.as_ref().is_none_or(|engine| engine.problem.is_none()))
    }

    /// Offers a weights file to the engine and, where it takes it, chooses it. One that is there
    /// already is chosen, and not listed twice.
    pub(crate) async fn add_model(self, file: File) {
        let name = file.name();
        let bytes = match model::read(&file).await {
            Ok(bytes) => bytes,
            Err(reason) => return self.note(t!("model.refused", file = &name, reason = &reason)),
        };
        let digest = model::digest(&bytes).await;
        let there = self.with(|held| {
            let (id, file) =
                held.model_files.iter_mut().find(|(_, file)| file.digest.as_ref() == Some(&digest))?;
            file.weights = bytes.clone().into();
            Some((*id, std::mem::take(&mut file.stored)))
        });
        // What the browser kept may be damaged, and may have been refused for that: then it is kept
        // anew.
        if there.is_none_or(|(_, stored)| stored) {
            let is_kept = |key: &String, how: &Keeping| *key == digest && *how == Keeping::Kept;
            self.keeper.models.update(|models| models.retain(|key, how| !is_kept(key, how)));
        }
        match there {
            Some((id, _)) => {
                self.choose_model(id);
                if let Some(card) = self.card(id) {
                    self.say(t!("model.ready", name = &card.name));
                    self.keep_new_model(id);
                }
            }
            None => drop(self.offer_model(&name, bytes, Some(digest))),
        }
    }

    /// Lists the models of earlier visits, by their keys, which nobody has brought again in this
    /// one. The engine reads them when they are chosen.
    pub(crate) fn bring_models(self, kept: Vec<(String, File)>) {
        let models = kept.into_iter().filter_map(|(key, file)| {
            let is_here =
                |held: &mut Held| held.model_files.values().any(|file| file.digest.as_ref() == Some(&key));
            if self.with(is_here) {
                return None;
            }
            let id = self.next_model()?;
            let name = file.name();
            self.with(|held| {
                let file = ModelFile { weights: file.into(), stored: true, digest: Some(key) };
                held.model_files.insert(id, file)
            });
            Some(Model::kept(id, name))
        });
        let models: Vec<Model> = models.collect();
        self.models.update(|all| all.extend(models));
    }

    /// Offers weights to the engine and, where it takes them, chooses them. Their digest is
    /// computed where it is not given.
    pub(crate) fn offer_model(
        self,
        name: &str,
        bytes: ArrayBuffer,
        digest: Option<String>,
    ) -> Option<ModelId> {
        let id = self.next_model()?;
        self.hold_model(id, &bytes, digest);
        self.models.update(|models| models.push(Model::loading(id, name)));
        self.choose_model(id);
        Some(id)
    }

    fn next_model(self) -> Option<ModelId> {
        self.with(|held| {
            held.next_model += 1;
            Some(ModelId(held.next_model))
        })
    }

    pub(super) fn hold_model(self, id: ModelId, bytes: &ArrayBuffer, digest: Option<String>) {
        let is_known = digest.is_some();
        let file = ModelFile { weights: bytes.clone().into(), stored: false, digest };
        self.with(|held| held.model_files.insert(id, file));
        if is_known {
            return;
        }
        let bytes = bytes.clone();
        spawn_local(async move {
            let digest = model::digest(&bytes).await;
            self.with(|held| held.model_files.get_mut(&id).map(|file| file.digest = Some(digest)));
            // Its card may have come first.
            self.keep_new_model(id);
        });
    }

    /// Keeps a model that somebody brought for later visits, unless that is known of it already.
    fn keep_new_model(self, id: ModelId) {
        // Another tab may have forgotten what came out of the store.
        let stored = self.with(|held| held.model_files.get(&id).is_some_and(|file| file.stored));
        if !stored && untrack(|| self.keeps_model(id)).is_none() {
            self.keep_model(id);
        }
    }

    /// Keeps a model that somebody brought for later visits, once it is known what it is.
    pub(crate) fn keep_model(self, id: ModelId) {
        let label = self.models.with_untracked(|models| {
            let is_it = |model: &&Model| model.id == id && model.card().is_some();
            models.iter().find(is_it).map(|model| model.label().to_owned())
        });
        let file = self.with(|held| {
            let file = held.model_files.get(&id)?;
            Some((file.digest.clone()?, file.weights.clone()))
        });
        let (Some(label), Some((key, weights)), true) = (label, file, model::is_brought(id)) else { return };
        // A browser that makes no file of it keeps none.
        if let Ok(file) = File::new_with_buffer_source_sequence(&Array::of1(&weights), &label) {
            self.keeper.keep_model(key, file);
        }
    }

    /// How it stands with keeping a model for later visits; `None` where that is not wanted.
    /// Tracks that.
    pub(crate) fn keeps_model(self, id: ModelId) -> Option<Keeping> {
        let key = self.with(|held| held.model_files.get(&id)?.digest.clone());
        self.keeper.models.with(|models| models.get(&key?).cloned())
    }

    /// Keeps a model that somebody brought no longer than this page.
    pub(crate) fn forget_model(self, id: ModelId) {
        if let Some(key) = self.with(|held| held.model_files.get(&id)?.digest.clone()) {
            self.keeper.forget_model(key);
        }
    }

    /// The model that heard a song, if it is here: of an earlier visit's, one that is known
    /// again.
    pub(crate) fn model_of(self, song: &Song) -> Option<ModelId> {
        let model = song.model.get_untracked();
        if model != Song::EARLIER {
            return Some(model);
        }
        let by = song.heard_by.get_untracked()?;
        // Its digest may have come after the first song.
        let is_it = |model: &Model| {
            model.card().is_some_and(|card| {
                let known = self.heard_by(model.id, card);
                (&known.name, &known.genres) == (&by.name, &by.genres)
                    && (known.key == by.key || by.key == key_without_digest(card))
            })
        };
        self.models.with_untracked(|models| models.iter().find(|model| is_it(model)).map(|model| model.id))
    }

    /// The model as records name it.
    pub(super) fn heard_by(self, id: ModelId, card: &ModelCard) -> HeardBy {
        // It may not be known yet; and there were versions that knew none without https.
        let key = self.with(|held| held.model_files.get(&id)?.digest.clone());
        HeardBy {
            key: key.unwrap_or_else(|| key_without_digest(card)),
            name: card.name.clone(),
            genres: card.genres.clone(),
        }
    }

    /// Chooses a model for the songs to come.
    pub(crate) fn choose_model(self, model: ModelId) {
        self.chosen_model.set(model);
        let Some(file) = self.with(|held| Some(held.model_files.get(&model)?.weights.clone())) else {
            return;
        };
        let is_kept = |other: &Model| other.id == model && other.state == ModelState::Kept;
        if self.models.with_untracked(|models| models.iter().any(is_kept)) {
            self.models.update(|models| {
                if let Some(kept) = models.iter_mut().find(|other| other.id == model) {
                    kept.state = ModelState::Loading;
                }
            });
        }
        self.tell(Event::SetModel { model, file: file.clone() });
        if let Ok(file) = file.dyn_into::<File>() {
            spawn_local(self.hold_bytes(model, file));
        }
    }

    /// Holds a kept model's bytes in place of its file: that may go, as when another tab forgets
    /// it, and workers read a model anew.
    async fn hold_bytes(self, id: ModelId, file: File) {
        // Where it cannot be read, the engine says so.
        let Ok(bytes) = model::read(&file).await else { return };
        self.with(|held| {
            if let Some(file) = held.model_files.get_mut(&id) {
                file.weights = bytes.clone().into();
            }
        });
        if self.chosen_model.get_untracked() == id {
            self.tell(Event::SetModel { model: id, file: bytes.into() });
        }
    }

    pub(super) fn model_ready(self, id: ModelId, card: ModelCard) {
        let name = card.name.clone();
        let was_loading = self.models.try_update(|models| {
            let Some(model) = models.iter_mut().find(|model| model.id == id) else { return false };
            let was_loading = model.state == ModelState::Loading;
            model.state = ModelState::Ready(card.into());
            was_loading
        });
        if was_loading == Some(true) && id != OWN_MODEL {
            self.say(t!("model.ready", name = &name));
            self.keep_new_model(id);
        }
    }

    /// A model is refused, and the pool goes on with `instead`: so does the page.
    pub(super) fn model_refused(self, id: ModelId, problem: &ModelProblem, instead: Option<ModelId>) {
        // It would be so at every visit, unless the engine failed, or the reading.
        if model::is_brought(id) && !matches!(problem, ModelProblem::Engine { .. } | ModelProblem::Gone) {
            self.forget_model(id);
        }
        let next = instead.unwrap_or(OWN_MODEL);
        self.with(|held| held.model_files.remove(&id));
        if id == PAPERS_MODEL {
            // It may be asked for again.
            self.papers_download.set(Download::Waiting);
        }
        let refused = self.models.try_update(|models| {
            let at = models.iter().position(|model| model.id == id)?;
            Some(models.remove(at))
        });
        for song in self.songs.get_untracked() {
            if song.model.get_untracked() == id {
                song.model.set(next);
            }
        }
        self.classroom.model_refused(self, id, next);
        self.microphone.model_refused(id, next);
        match instead {
            _ if self.chosen_model.get_untracked() != id => {}
            Some(model) => self.chosen_model.set(model),
            // The pool may not have been given the page's own yet.
            None => self.choose_model(OWN_MODEL),
        }
        if let Some(Some(model)) = refused {
            let reason = words::model_problem(problem);
            self.note(t!("model.refused", file = model.label(), reason = &reason));
        }
    }
}

/// What records call a model whose digest is not known.
fn key_without_digest(card: &ModelCard) -> String {
    format!("{} {}", card.name, card.date)
}
