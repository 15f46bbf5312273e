//! The models of this visit.
//!
//! In: weights that were downloaded, dropped or taught. Out: which there are, and which hears the
//! songs to come.

use std::sync::Arc;

use js_sys::ArrayBuffer;
use leptos::prelude::*;
use leptos::task::spawn_local;
use web_sys::File;

use super::{Desk, Download, OWN_MODEL, PAPERS_MODEL};
use crate::engine::pool::Event;
use crate::engine::protocol::{ModelId, ModelProblem};
use crate::library::record::HeardBy;
use crate::network::card::ModelCard;
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

    /// Offers a weights file to the engine and, where it takes it, chooses it.
    pub(crate) async fn add_model(self, file: File) {
        let name = file.name();
        match model::read(&file).await {
            Ok(bytes) => drop(self.offer_model(&name, bytes)),
            Err(reason) => self.note(t!("model.refused", file = &name, reason = &reason)),
        }
    }

    /// Offers weights to the engine and, where it takes them, chooses them.
    pub(crate) fn offer_model(self, name: &str, bytes: ArrayBuffer) -> Option<ModelId> {
        let id = self.with(|held| {
            held.next_model += 1;
            Some(ModelId(held.next_model))
        })?;
        self.hold_model(id, &bytes);
        self.models.update(|models| models.push(Model::loading(id, name)));
        self.choose_model(id);
        Some(id)
    }

    pub(super) fn hold_model(self, id: ModelId, file: &ArrayBuffer) {
        self.with(|held| held.model_files.insert(id, (file.clone(), None)));
        let file = file.clone();
        spawn_local(async move {
            if let Some(key) = model::digest(&file).await {
                self.with(|held| held.model_files.get_mut(&id).map(|(_, digest)| *digest = Some(key)));
            }
        });
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
        let key = self.with(|held| held.model_files.get(&id)?.1.clone());
        HeardBy {
            key: key.unwrap_or_else(|| key_without_digest(card)),
            name: card.name.clone(),
            genres: card.genres.clone(),
        }
    }

    /// Chooses a model for the songs to come.
    pub(crate) fn choose_model(self, model: ModelId) {
        self.chosen_model.set(model);
        if let Some(file) = self.with(|held| Some(held.model_files.get(&model)?.0.clone())) {
            self.tell(Event::SetModel { model, file: file.into() });
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
        }
    }

    /// A model is refused, and the pool goes on with `instead`: so does the page.
    pub(super) fn model_refused(self, id: ModelId, problem: &ModelProblem, instead: Option<ModelId>) {
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
            let reason = words::model_problem(problem);
            self.note(t!("model.refused", file = model.label(), reason = &reason));
        }
    }
}

/// What records call a model where its digest is not known.
fn key_without_digest(card: &ModelCard) -> String {
    format!("{} {}", card.name, card.date)
}
