//! The models of this visit.
//!
//! In: weights that were downloaded, dropped or taught, in this visit or an earlier one. Out: which
//! there are, and which hears the songs to come.

use std::sync::Arc;

use js_sys::{Array, ArrayBuffer};
use leptos::prelude::*;
use leptos::task::spawn_local;
use web_sys::File;

use super::{Desk, Download, Held, ModelFile, ModelWeights, OWN_MODEL, PAPERS_MODEL};
use crate::engine::pool::Event;
use crate::engine::protocol::{ModelId, ModelProblem};
use crate::library::record::HeardBy;
use crate::network::card::ModelCard;
use crate::page::model::{self, Model, ModelState};
use crate::page::song::Song;
use crate::page::store::KeptModel;
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
            let mut there = held.model_files.iter();
            there.find(|(_, file)| file.digest.is_some() && file.digest == digest).map(|(id, _)| *id)
        });
        match there {
            Some(id) => self.choose_model(id),
            None => drop(self.offer_model(&name, bytes)),
        }
    }

    /// Lists the models of earlier visits, which are read when they are chosen.
    pub(crate) fn bring_models(self, kept: Vec<KeptModel>) {
        for KeptModel { key, file, card } in kept {
            let is_here =
                |held: &mut Held| held.model_files.values().any(|file| file.digest.as_ref() == Some(&key));
            // It may have been brought again before the store was open.
            if self.with(is_here) {
                continue;
            }
            let Some(id) = self.next_model() else { continue };
            let name = file.name();
            let file = ModelFile { weights: ModelWeights::Kept(file), digest: Some(key), digested: true };
            self.with(|held| held.model_files.insert(id, file));
            self.models.update(|models| models.push(Model::kept(id, name, card)));
        }
    }

    /// Offers weights to the engine and, where it takes them, chooses them.
    pub(crate) fn offer_model(self, name: &str, bytes: ArrayBuffer) -> Option<ModelId> {
        let id = self.next_model()?;
        self.hold_model(id, &bytes);
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

    pub(super) fn hold_model(self, id: ModelId, bytes: &ArrayBuffer) {
        let weights = ModelWeights::Here(bytes.clone());
        self.with(|held| {
            held.model_files.insert(id, ModelFile { weights, digest: None, digested: false });
        });
        let bytes = bytes.clone();
        spawn_local(async move {
            let digest = model::digest(&bytes).await;
            self.with(|held| {
                if let Some(file) = held.model_files.get_mut(&id) {
                    (file.digest, file.digested) = (digest, true);
                }
            });
            // Its card may have come first.
            self.keep_model(id);
        });
    }

    /// Keeps a model that somebody brought for later visits, once it is known what it is.
    pub(crate) fn keep_model(self, id: ModelId) {
        let brought = self.models.with_untracked(|models| {
            let model = models.iter().find(|model| model.id == id && model.is_brought())?;
            Some((model.file_name().to_owned(), model.card()?.clone()))
        });
        let weights = self.with(|held| {
            held.model_files.get(&id).filter(|file| file.digested).map(|file| file.weights.clone())
        });
        let (Some((name, card)), Some(ModelWeights::Here(bytes))) = (brought, weights) else { return };
        // A browser that makes no file of it keeps none.
        if let Ok(file) = File::new_with_buffer_source_sequence(&Array::of1(&bytes), &name) {
            self.keeper.keep_model(self.heard_by(id, &card).key, file, card);
        }
    }

    /// Whether a model that somebody brought is kept for later visits. Tracks that.
    pub(crate) fn keeps_model(self, id: ModelId) -> bool {
        let key = self.key_of_model(id);
        self.keeper.models.with(|kept| key.is_some_and(|key| kept.contains(&key)))
    }

    /// Keeps a model that somebody brought no longer than this page.
    pub(crate) fn forget_model(self, id: ModelId) {
        if let Some(key) = self.key_of_model(id) {
            self.keeper.forget_model(key);
        }
    }

    fn key_of_model(self, id: ModelId) -> Option<String> {
        let digest = self.with(|held| held.model_files.get(&id)?.digest.clone());
        digest.or_else(|| Some(key_without_digest(&*self.card(id)?)))
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
        // Without https there is no digest.
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
        match self.with(|held| Some(held.model_files.get(&model)?.weights.clone())) {
            Some(ModelWeights::Here(file)) => self.tell(Event::SetModel { model, file: file.into() }),
            Some(ModelWeights::Kept(file)) => spawn_local(self.fetch_model(model, file)),
            None => {}
        }
    }

    /// Reads a model of an earlier visit, and chooses it unless another was chosen meanwhile.
    async fn fetch_model(self, id: ModelId, file: File) {
        let read = model::read(&file).await;
        let is_chosen = self.chosen_model.get_untracked() == id;
        match read {
            Ok(bytes) => {
                self.with(|held| {
                    if let Some(file) = held.model_files.get_mut(&id) {
                        file.weights = ModelWeights::Here(bytes);
                    }
                });
                if is_chosen {
                    self.choose_model(id);
                }
            }
            Err(reason) => self.without_model(id, &reason, None),
        }
    }

    pub(super) fn model_ready(self, id: ModelId, card: ModelCard) {
        let name = card.name.clone();
        let was_loading = self.models.try_update(|models| {
            let Some(model) = models.iter_mut().find(|model| model.id == id) else { return false };
            let was_loading = !matches!(model.state, ModelState::Ready(_));
            model.state = ModelState::Ready(card.into());
            was_loading
        });
        if was_loading == Some(true) && id != OWN_MODEL {
            self.say(t!("model.ready", name = &name));
            self.keep_model(id);
        }
    }

    /// A model is refused, and the pool goes on with `instead`: so does the page.
    pub(super) fn model_refused(self, id: ModelId, problem: &ModelProblem, instead: Option<ModelId>) {
        self.without_model(id, &words::model_problem(problem), instead);
    }

    fn without_model(self, id: ModelId, reason: &str, instead: Option<ModelId>) {
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
        self.classroom.model_refused(id, next);
        self.microphone.model_refused(id, next);
        match instead {
            _ if self.chosen_model.get_untracked() != id => {}
            Some(model) => self.chosen_model.set(model),
            // The pool may not have been given the page's own yet.
            None => self.choose_model(OWN_MODEL),
        }
        if let Some(Some(model)) = refused {
            self.note(t!("model.refused", file = model.label(), reason = reason));
        }
    }
}

/// What records call a model where its digest is not known.
fn key_without_digest(card: &ModelCard) -> String {
    format!("{} {}", card.name, card.date)
}
