//! The model that a lesson makes of another.
//!
//! In: the weights of a network, a lesson, and the features of its clips, as
//! [`Classifier::features`](crate::classify::classifier::Classifier::features)
//! gives them. Out: weights of the same convolutions with one dense layer of
//! logits after them, and their score on held-out files.
//!
//! The hidden dense layer is left out, not learnt anew: it was made to tell the
//! old classes apart, and what it throws away may be what the new ones differ
//! in. The maps of the last convolution still have it, and one layer on them is
//! all that a dozen clips can support (S. Kornblith et al., "Do Better ImageNet
//! Models Transfer Better?", CVPR 2019). The tests learn from both.

use super::{
    held_out::{HeldOut, folds},
    lesson::{Lesson, LessonProblem},
    regression::{EPOCHS, Layer, fit},
};
use crate::network::{
    card::{Calibration, CardError, ModelCard, Score, Training},
    experiment::NetworkSpec,
    problem::ModelProblem,
    weights::Weights,
};

/// A lesson learnt.
#[derive(Clone, Debug, PartialEq)]
pub struct Taught {
    /// The new model.
    pub weights: Weights,
    /// What it scored; `None` where a class has but one file, which it cannot
    /// both learn from and be judged by.
    pub held_out: Option<HeldOut>,
}

/// Clips with their class, by file.
struct Files<'a> {
    /// Each file's class and rows `[clips, features]`.
    files: Vec<(usize, &'a [f32])>,
    features: usize,
    classes: usize,
}

impl<'a> Files<'a> {
    fn new(lesson: &Lesson, values: &'a [f32], features: usize) -> Self {
        let mut rest = values;
        let files = lesson.recordings.iter().map(|recording| {
            let (rows, others) = rest.split_at((recording.clips * features).min(rest.len()));
            rest = others;
            (recording.class, rows)
        });
        Self { files: files.collect(), features, classes: lesson.classes.len() }
    }

    /// Learns from the files that are wanted.
    fn fit(&self, wanted: impl Fn(usize) -> bool, epoch: impl FnMut(usize)) -> Layer {
        let files = self.files.iter().enumerate().filter(|(file, _)| wanted(*file));
        let rows = files
            .flat_map(|(_, (class, rows))| rows.chunks_exact(self.features).map(move |row| (row, *class)));
        fit(&rows.collect::<Vec<_>>(), self.features, self.classes, epoch)
    }
}

/// Learns a lesson. `features` is `[clips, features]`, the clips in the order of
/// the lesson's recordings; `progress` is told epochs done and epochs at most.
///
/// # Errors
/// [`LessonProblem`] with the first thing that is wrong.
pub fn teach(
    weights: &Weights,
    lesson: &Lesson,
    features: &[f32],
    mut progress: impl FnMut(usize, usize),
) -> Result<Taught, LessonProblem> {
    lesson.check()?;
    let network =
        NetworkSpec { dense: Vec::new(), classes: lesson.classes.len(), ..weights.card().network.clone() };
    let length = network.embedding_length().map_err(|error| refused(CardError::from(error)))?;
    let expected = lesson.clips().saturating_mul(length);
    if features.len() != expected || lesson.recordings.iter().any(|one| one.class >= lesson.classes.len()) {
        return Err(LessonProblem::Size { found: features.len(), expected });
    }
    if features.iter().any(|feature| !feature.is_finite()) {
        return Err(LessonProblem::NotFinite);
    }
    let files = Files::new(lesson, features, length);
    let folds = folds(&lesson.recordings, lesson.classes.len());
    let fits = 1 + folds.as_ref().map_or(0, |(_, count)| *count);
    let mut told = |fit: usize, epoch: usize| progress(fit * EPOCHS + epoch, fits * EPOCHS);

    let held_out = folds.map(|(fold, count)| {
        let mut held_out = HeldOut::new(lesson.classes.len());
        for held in 0..count {
            let layer = files.fit(|file| fold[file] != held, |epoch| told(held, epoch));
            for ((class, rows), _) in files.files.iter().zip(&fold).filter(|(_, fold)| **fold == held) {
                let clips = rows.chunks_exact(length).map(|row| layer.probabilities(row));
                held_out.judge(*class, &clips.collect::<Vec<_>>());
            }
        }
        held_out
    });
    let layer = files.fit(|_| true, |epoch| told(fits - 1, epoch));
    told(fits - 1, EPOCHS);
    let card = card(weights.card(), lesson, network, length, held_out.as_ref());
    let weights = Weights::from_values(card, |name, shape| match name {
        "logits.weight" => Ok(layer.weight.clone()),
        "logits.bias" => Ok(layer.bias.clone()),
        convolution => Ok(weights.tensor(convolution, shape)?.to_vec()),
    });
    Ok(Taught { weights: weights.map_err(refused)?, held_out })
}

fn refused(error: impl Into<ModelProblem>) -> LessonProblem {
    LessonProblem::Model { problem: error.into() }
}

fn card(
    base: &ModelCard,
    lesson: &Lesson,
    network: NetworkSpec,
    embedding_length: usize,
    held_out: Option<&HeldOut>,
) -> ModelCard {
    let score = |per: &str, right: usize, trials: usize| Score {
        split: "tracks".into(),
        part: "test".into(),
        per: per.into(),
        accuracy: right as f32 / trials.max(1) as f32,
        interval: None,
        trainings: None,
    };
    let files = lesson.recordings.iter().filter(|recording| recording.clips > 0).count();
    let held = if held_out.is_some() { "; each file held out once for the scores" } else { "" };
    ModelCard {
        name: lesson.name.clone(),
        genres: lesson.classes.iter().map(|name| name.trim().to_owned()).collect(),
        network,
        embedding_length,
        training: Training {
            data: "user's own".into(),
            split: if held_out.is_some() { "tracks" } else { "" }.into(),
            split_seed: None,
            split_fingerprint: None,
            recipe: format!(
                "convolutions of {}, frozen; softmax regression with L2 on their maps, {} clips of {files} files{held}",
                base.name,
                lesson.clips()
            ),
            seed: None,
        },
        scores: held_out.map_or_else(Vec::new, |held_out| {
            vec![
                score("clip", held_out.clips_right(), held_out.clips()),
                score("track", held_out.files_right, held_out.files),
            ]
        }),
        licence: String::new(),
        date: lesson.date.clone(),
        // How sure the base is says nothing of how sure this is.
        ..base.clone().with_calibration(Calibration::default())
    }
}
