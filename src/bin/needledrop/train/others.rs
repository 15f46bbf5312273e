//! Models that were trained before, and what a training takes from them.

use std::path::PathBuf;

use anyhow::{Context, bail};
use needledrop::{
    network::{card::ModelCard, weights::Weights},
    training::{
        checkpoint::State,
        fit::is_over,
        history::{Earlier, Role},
        initial::{begin_with, glorot_uniform},
        recipe::Beyond,
    },
};

use super::{Arguments, BEGUN_WITH, TAUGHT_BY};
use crate::run;

/// Models that a training builds on.
pub(super) struct Others {
    /// What to begin with.
    first: Option<Other>,
    /// Whose answers are learned from.
    teachers: Vec<Other>,
}

struct Other {
    path: PathBuf,
    /// How it was trained, of a run's folder.
    state: Option<State>,
    weights: Weights,
}

impl Others {
    pub(super) fn read(arguments: &Arguments) -> anyhow::Result<Self> {
        let read = |path: &PathBuf| {
            let (state, weights) = if path.is_dir() {
                let (state, weights) = run::read_trained(path)?;
                (Some(state), weights)
            } else {
                (None, run::read_model(path)?)
            };
            Ok(Other { path: path.clone(), state, weights })
        };
        let first = arguments.begin_with.as_ref().map(read).transpose()?;
        let teachers: Vec<Other> = arguments.teachers.iter().map(read).collect::<anyhow::Result<_>>()?;
        for Other { path, state, .. } in &teachers {
            // Trained to its end later it would be another, and its pupil could not go on.
            if let Some(state) = state.as_ref().filter(|state| !is_over(state)) {
                bail!("the teacher in {} {}", path.display(), run::how_far(state));
            }
        }
        Ok(Self { first, teachers })
    }

    /// Writes down in the state of a training what it builds on.
    pub(super) fn note_in(&self, state: &mut State) -> anyhow::Result<()> {
        state.begun_with = self.begun_with()?;
        state.teachers = self.taught_by()?;
        state.earlier = self.earlier()?;
        Ok(())
    }

    /// The teachers' weights.
    pub(super) fn into_teachers(self) -> Vec<Weights> {
        self.teachers.into_iter().map(|teacher| teacher.weights).collect()
    }

    /// Digest of the weights to begin with.
    fn begun_with(&self) -> anyhow::Result<Option<String>> {
        self.first.as_ref().map(|first| run::fingerprint(&first.weights)).transpose()
    }

    /// Digests of the teachers' weights.
    fn taught_by(&self) -> anyhow::Result<Vec<String>> {
        self.teachers.iter().map(|teacher| run::fingerprint(&teacher.weights)).collect()
    }

    /// Their trainings, and what these had built on.
    fn earlier(&self) -> anyhow::Result<Vec<Earlier>> {
        let mut all = Vec::<Earlier>::new();
        // What two of them had built on took its time once.
        let mut add = |earlier: Earlier| {
            if all.iter().all(|other| other.weights != earlier.weights) {
                all.push(earlier);
            }
        };
        let first = self.first.iter().map(|first| (Role::BegunWith, first));
        for (role, other) in first.chain(self.teachers.iter().map(|teacher| (Role::Teacher, teacher))) {
            let Some(State { recipe, history, earlier, .. }) = &other.state else { continue };
            // To a pupil, all that made its teacher is a teacher.
            earlier.iter().cloned().for_each(|earlier| match role {
                Role::BegunWith => add(earlier),
                Role::Teacher => add(Earlier { role, ..earlier }),
            });
            add(Earlier {
                role,
                name: other.weights.card().name.clone(),
                recipe: recipe.name.clone(),
                weights: run::fingerprint(&other.weights)?,
                epochs: history.len(),
                seconds: history.iter().map(|epoch| epoch.seconds).sum(),
            });
        }
        Ok(all)
    }

    /// For the recipe in the card.
    pub(super) fn told(&self) -> anyhow::Result<String> {
        let mut told = String::new();
        if let (Some(first), Some(digest)) = (&self.first, self.begun_with()?) {
            let card = first.weights.card();
            told += &format!("{BEGUN_WITH}{} of {} ({})", short(&digest), card.name, card.training.recipe);
        }
        let digests = self.taught_by()?;
        if !digests.is_empty() {
            let digests: Vec<&str> = digests.iter().map(|digest| short(digest)).collect();
            told += &format!("{TAUGHT_BY}{}", digests.join(", "));
        }
        Ok(told)
    }

    /// What the network begins with.
    pub(super) fn first_weights(&self, card: &ModelCard, seed: u64) -> anyhow::Result<Weights> {
        Ok(match &self.first {
            Some(Other { path, weights, .. }) => begin_with(weights, card.clone(), seed)
                .with_context(|| format!("cannot begin with {}", path.display()))?,
            None => glorot_uniform(card.clone(), seed)?,
        })
    }

    /// Where the genres are others the split is another too. Some of the same name may
    /// stand for the same recordings.
    pub(super) fn warn_of_known_genres(&self, card: &ModelCard) {
        let Some(Other { path, weights, .. }) = &self.first else { return };
        let known = &weights.card().genres;
        let common: Vec<&str> =
            card.genres.iter().filter(|genre| known.contains(genre)).map(String::as_str).collect();
        if *known != card.genres && !common.is_empty() {
            eprintln!(
                "Warning: {} knows {} already: if it has heard recordings that are held out here, scores will flatter.",
                path.display(),
                common.join(", ")
            );
        }
    }

    /// Refuses teachers that the recipe has no share for, that were shown other
    /// things, or that may know the held-out clips and tell of them.
    pub(super) fn check_teachers(&self, card: &ModelCard, beyond: &Beyond) -> anyhow::Result<()> {
        let Beyond { distillation, augmentation, .. } = beyond;
        match (*distillation > 0.0, self.teachers.is_empty()) {
            (true, true) => bail!("the design's distillation is {distillation}: name --teachers"),
            (false, false) => bail!("--teachers needs a design with a distillation above 0"),
            _ => {}
        }
        for Other { path, weights, .. } in &self.teachers {
            let of_teacher = weights.card();
            let same = [
                // What is drawn can be shown to anyone.
                (of_teacher.input == card.input || augmentation.is_some(), "input"),
                (of_teacher.spectrogram == card.spectrogram, "front end"),
                (of_teacher.genres == card.genres, "genres"),
                (
                    of_teacher.training.split_fingerprint.is_some()
                        && of_teacher.training.split_fingerprint == card.training.split_fingerprint,
                    "split",
                ),
            ];
            if let Some((_, what)) = same.iter().find(|(same, _)| !same) {
                bail!("{} cannot teach: it was trained with another {what}", path.display());
            }
        }
        Ok(())
    }
}

/// The beginning of a digest, which is enough to tell a few apart.
fn short(digest: &str) -> &str {
    digest.get(..8).unwrap_or(digest)
}
