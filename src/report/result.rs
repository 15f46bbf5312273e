//! What is known of a model: how it was trained and what it scored.
//!
//! In: the JSON that `needledrop evaluate` writes and `docs/results/` holds. Out:
//! a [`RunResult`]. It needs no burn, so that the page draws the same numbers as
//! the report. `docs/results/README.md` describes the shape for readers of the
//! JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    dataset::choice::{PartSizes, SplitChoice},
    interval::NORMAL_975,
    network::card::Calibration,
    spectrogram::config::SpectrogramConfig,
    training::{
        history::{Earlier, Epoch, Role, Session},
        recipe::Recipe,
    },
};

/// The `format` of a result.
pub const FORMAT: &str = "needledrop result";
/// Version of the shape that this build writes and reads.
pub const VERSION: u32 = 1;

/// Why a result is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResultError {
    /// No JSON, or not the fields of a result.
    #[error("the result cannot be read: {0}")]
    Unreadable(String),
    /// JSON of something else.
    #[error("this is no {FORMAT:?}, its format is {0:?}")]
    Format(String),
    /// Written by another version of needledrop.
    #[error("the result has version {0}, this build reads version {VERSION}; evaluate the run again")]
    Version(u32),
    /// Its numbers contradict each other.
    #[error("the result contradicts itself: {0}")]
    Contradiction(String),
}

/// A model's training and its scores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// [`FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u32,
    /// The paper's row whose network (and penalty) this is, if any.
    pub row: Option<String>,
    /// What the card calls the model.
    pub name: String,
    /// Genres in the order of the logits, and of every list and matrix here.
    pub genres: Vec<String>,
    /// Weights and biases of the network.
    pub parameters: usize,
    /// SHA-256, in hexadecimal, of the weights as f32.
    pub weights: String,
    /// The front end; `None` in results that are older than this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spectrogram: Option<SpectrogramConfig>,
    /// Which clips are in which part.
    pub split: SplitChoice,
    /// How the card makes verdicts of logits.
    #[serde(default)]
    pub calibration: Calibration,
    /// How the weights came about; `None` for weights without their run.
    pub training: Option<TrainingRecord>,
    /// The call that measured the scores, but for those that are named next.
    pub evaluation: Session,
    /// The earlier calls whose scores are still here, by the name of the part.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub evaluated_before: BTreeMap<String, Session>,
    /// What it scored.
    pub parts: Parts,
}

/// How the weights came about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingRecord {
    /// Every number of the recipe.
    pub recipe: Recipe,
    /// What first weights, order and dropout were drawn from.
    pub seed: u64,
    /// Sum of the epochs' seconds, each with its judging on validation: the
    /// paper's build time, but for [`Self::earlier`] trainings.
    pub seconds: f64,
    /// The epoch that did best on validation, from 1; its weights are scored.
    pub best_epoch: usize,
    /// What each epoch came to.
    pub history: Vec<Epoch>,
    /// The calls that trained; empty where they were not written down.
    pub sessions: Vec<Session>,
    /// The trainings that it builds on, as far as they are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Earlier>,
}

impl TrainingRecord {
    /// Seconds with those of the trainings that it builds on.
    pub fn all_seconds(&self) -> f64 {
        self.seconds + self.earlier.iter().map(|earlier| earlier.seconds).sum::<f64>()
    }
}

/// The scores of each part that was asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Parts {
    /// On the clips it learned from.
    pub train: Option<Scores>,
    /// On those that chose the epoch.
    pub validation: Option<Scores>,
    /// On those that judge.
    pub test: Option<Scores>,
    /// On those of them that are of artists of whom nothing was learned, where artists
    /// are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_other_artists: Option<Scores>,
}

impl Parts {
    /// The parts that were scored, by name, in order.
    pub fn scored(&self) -> impl Iterator<Item = (&'static str, &Scores)> {
        [("train", &self.train), ("validation", &self.validation), ("test", &self.test)]
            .into_iter()
            .filter_map(|(name, scores)| Some((name, scores.as_ref()?)))
    }
}

/// A number, and where it would lie in 95 of 100 draws of tracks like these: the
/// percentile bootstrap over tracks (B. Efron and R. Tibshirani, "An Introduction
/// to the Bootstrap", 1993, ch. 13), or Wilson's interval where they are few or all alike.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// As measured.
    pub value: f64,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Estimate {
    /// The mean of several trainings' scores on one test part, as far as it would lie
    /// elsewhere with other tracks or other seeds: how far the ends of the intervals lie
    /// from the values in the mean, since they all stand for the same tracks and do not
    /// shrink by their number, and Student's interval of the mean over the seeds, as the
    /// sides of a right angle. An end on the wrong side of its value, as of a calibration
    /// error's, counts as on it.
    ///
    /// One estimate alone stays as it is; none is not a number.
    pub fn mean(estimates: &[Self]) -> Self {
        if let [one] = estimates {
            return *one;
        }
        let number = estimates.len() as f64;
        let mean = |of: fn(&Self) -> f64| estimates.iter().map(of).sum::<f64>() / number;
        let value = mean(|estimate| estimate.value);
        let squares: f64 = estimates.iter().map(|estimate| (estimate.value - value).powi(2)).sum();
        let of_seeds = match estimates.len() {
            0 => 0.0,
            several => students_t(several - 1) * (squares / (number - 1.0) / number).sqrt(),
        };
        let below = (value - mean(|estimate| estimate.low)).max(0.0).hypot(of_seeds);
        let above = (mean(|estimate| estimate.high) - value).max(0.0).hypot(of_seeds);
        Self { value, low: (value - below).max(0.0), high: (value + above).min(1.0) }
    }
}

/// 97.5th percentile of Student's t with so many degrees of freedom: the table's, from ten on
/// the expansion of Cornish and Fisher around the normal's (M. Abramowitz and I. Stegun,
/// "Handbook of Mathematical Functions", 1964, 26.7.5), to 0.003.
fn students_t(freedom: usize) -> f64 {
    const TABLE: [f64; 9] = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262];
    freedom.checked_sub(1).and_then(|at| TABLE.get(at)).copied().unwrap_or_else(|| {
        let freedom = freedom as f64;
        let first = (NORMAL_975.powi(3) + NORMAL_975) / 4.0;
        let second = (5.0 * NORMAL_975.powi(5) + 16.0 * NORMAL_975.powi(3) + 3.0 * NORMAL_975) / 96.0;
        NORMAL_975 + first / freedom + second / freedom.powi(2)
    })
}

/// What a model scored on one part. How each number is computed is told in
/// `training/evaluate.rs`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Clips judged.
    pub clips: usize,
    /// Tracks that they are of.
    pub tracks: usize,
    /// Mean cross-entropy of a clip, in nats, with [`Self::penalty`] added, as
    /// Keras reports it.
    pub loss: f64,
    /// The L2 penalty within the loss; 0 where the recipe has none.
    pub penalty: f64,
    /// Share of clips that are right.
    pub accuracy: Estimate,
    /// Share of tracks whose verdict, over their clips in this part, is right.
    pub track_accuracy: Estimate,
    /// Mean cross-entropy of these verdicts, in nats, without the penalty; `None` where it
    /// was not yet computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub track_loss: Option<f64>,
    /// By genre, over clips.
    pub genres: Vec<GenreScore>,
    /// Clips by `[truth][said]`.
    pub confusion: Vec<Vec<u32>>,
    /// Expected calibration error over clips, at most 15 bins of equal mass.
    pub ece: Estimate,
    /// Debiased expected calibration error over tracks, at most 15 bins of equal mass;
    /// can be a little below 0.
    pub track_ece_debiased: f64,
    /// Share of clips refused as not music; 0 where the card refuses none.
    #[serde(default)]
    pub refused: f64,
    /// Share of tracks whose verdict is "not sure"; 0 where the card asks for no
    /// confidence.
    #[serde(default)]
    pub unsure: f64,
}

/// What a model scored on one genre.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GenreScore {
    /// Share of what it called so that is so; `None` where it called nothing so.
    pub precision: Option<f64>,
    /// Share of what is so that it called so; `None` where nothing is.
    pub recall: Option<f64>,
    /// Harmonic mean of the two; `None` where nothing is or was called so.
    pub f1: Option<f64>,
    /// Clips of the genre.
    pub support: u32,
    /// Share of its tracks whose verdict is right, with Wilson's interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracks: Option<Estimate>,
}

impl RunResult {
    /// Whether two trainings were made in the same way, whatever their seeds and their
    /// clips: one network, front end and recipe, one set of genres, and, where both say so,
    /// the same kind of teachers and beginnings.
    pub fn is_made_like(&self, other: &Self) -> bool {
        let earlier = |training: &TrainingRecord| -> Vec<(Role, String, String)> {
            let kind = |one: &Earlier| (one.role, one.name.clone(), one.recipe.clone());
            training.earlier.iter().map(kind).collect()
        };
        let (Some(own), Some(others)) = (&self.training, &other.training) else { return false };
        let is_told = !own.earlier.is_empty() && !others.earlier.is_empty();
        let front_ends = self.spectrogram.as_ref().zip(other.spectrogram.as_ref());
        own.recipe == others.recipe
            && (!is_told || earlier(own) == earlier(others))
            && (&self.name, self.parameters, &self.genres) == (&other.name, other.parameters, &other.genres)
            && front_ends.is_none_or(|(own, others)| own == others)
    }

    /// Whether two are of clips that are as many and split alike: of one archive, as far as
    /// results tell.
    pub fn is_split_like(&self, other: &Self) -> bool {
        let clips = |result: &Self| {
            let PartSizes { train, validation, test } = result.split.clips;
            train + validation + test
        };
        self.split.is_alike(&other.split) && clips(self) == clips(other)
    }

    /// Whether two trainings differ in their seeds alone, as far as results tell.
    pub fn is_seed_of(&self, other: &Self) -> bool {
        self.is_made_like(other) && self.is_split_like(other)
    }

    /// Whether two results are of one training, which a mean may count but once: of the same
    /// weights; or made alike, of the same clips and with the same seed, as where weights were
    /// rounded. Where both say with whose weights they began and who taught them, these are the
    /// same too.
    pub fn is_same_training(&self, other: &Self) -> bool {
        let before = |training: &TrainingRecord| -> Vec<String> {
            training.earlier.iter().map(|earlier| earlier.weights.clone()).collect()
        };
        let is_again = |(own, others): (&TrainingRecord, &TrainingRecord)| {
            let is_told = !own.earlier.is_empty() && !others.earlier.is_empty();
            own.seed == others.seed && (!is_told || before(own) == before(others))
        };
        let trainings = self.training.as_ref().zip(other.training.as_ref());
        self.split == other.split
            && (self.weights == other.weights || self.is_made_like(other) && trainings.is_some_and(is_again))
    }

    /// Results that differ in their seeds alone, together, in the order of the first of each.
    /// One that does not say all of itself may be alike to two that differ: it stands with the
    /// first.
    pub fn by_recipe(results: &[Self]) -> Vec<Vec<&Self>> {
        let mut recipes = Vec::<Vec<&Self>>::new();
        for result in results {
            let is_one_of = |seeds: &&mut Vec<&Self>| seeds.iter().all(|other| other.is_seed_of(result));
            match recipes.iter_mut().find(is_one_of) {
                Some(seeds) => seeds.push(result),
                None => recipes.push(vec![result]),
            }
        }
        recipes
    }

    /// The call that measured the scores of this part.
    pub fn call_of(&self, part: &str) -> &Session {
        self.evaluated_before.get(part).unwrap_or(&self.evaluation)
    }

    /// Reads and checks a result.
    ///
    /// # Errors
    /// [`ResultError`] with the first thing that is wrong.
    pub fn from_json(json: &str) -> Result<Self, ResultError> {
        #[derive(Deserialize)]
        struct Head {
            format: String,
            version: u32,
        }
        let unreadable = |error: serde_json::Error| ResultError::Unreadable(error.to_string());
        // Format and version first: another's fields need not be ours.
        let Head { format, version } = serde_json::from_str(json).map_err(unreadable)?;
        if format != FORMAT {
            return Err(ResultError::Format(format));
        }
        if version != VERSION {
            return Err(ResultError::Version(version));
        }
        let result: Self = serde_json::from_str(json).map_err(unreadable)?;
        result.validate()?;
        Ok(result)
    }

    /// The result as JSON, for people too.
    ///
    /// # Errors
    /// [`ResultError::Unreadable`] where a number of it has no JSON form.
    pub fn to_json(&self) -> Result<String, ResultError> {
        let json = serde_json::to_string_pretty(self);
        json.map(|json| json + "\n").map_err(|error| ResultError::Unreadable(error.to_string()))
    }

    /// Whoever draws a matrix relies on its size, whoever marks the best epoch on
    /// its being there.
    fn validate(&self) -> Result<(), ResultError> {
        let contradiction = |message: String| Err(ResultError::Contradiction(message));
        let genres = self.genres.len();
        for (part, scores) in self.parts.scored() {
            let square = scores.confusion.len() == genres
                && scores.confusion.iter().all(|row| row.len() == genres)
                && scores.genres.len() == genres;
            if !square {
                return contradiction(format!("the scores of {part} are not of {genres} genres"));
            }
        }
        match &self.training {
            Some(training) if !(1..=training.history.len()).contains(&training.best_epoch) => contradiction(
                format!("epoch {} of {} is the best", training.best_epoch, training.history.len()),
            ),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_of_trainings_is_as_wide_as_tracks_and_seeds_make_it() {
        let near = |of: Estimate, [value, low, high]: [f64; 3]| {
            let differences = [of.value - value, of.low - low, of.high - high];
            assert!(differences.iter().all(|difference| difference.abs() < 1e-12), "{of:?}");
        };
        let one = Estimate { value: 0.6, low: 0.5, high: 0.65 };
        near(Estimate::mean(&[one]), [0.6, 0.5, 0.65]);
        // A tenth for the tracks, 12.706 standard errors of 0.01 for the two seeds.
        let two = [one, Estimate { value: 0.62, low: 0.52, high: 0.77 }]
            .map(|of| Estimate { high: of.value + 0.1, ..of });
        let half = 0.1_f64.hypot(12.706 * 0.01);
        near(Estimate::mean(&two), [0.61, 0.61 - half, 0.61 + half]);
    }

    #[test]
    fn students_t_is_the_tables() {
        for (freedom, table) in [(1, 12.706), (4, 2.776), (9, 2.262), (10, 2.228), (20, 2.086), (120, 1.980)]
        {
            let found = students_t(freedom);
            assert!((found - table).abs() < 0.003, "{found} with {freedom}");
        }
    }
}
