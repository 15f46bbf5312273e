//! The model card: what a weights file says of itself.
//!
//! In: the JSON under `card` in a safetensors file's metadata. Out: a
//! [`ModelCard`] from which the whole way is set up; nothing of it is
//! hard-coded in the app. Anyone's file with a card is a model the page can run.

use std::{collections::BTreeSet, iter, ops::RangeInclusive};

use serde::{Deserialize, Deserializer, Serialize};

use super::experiment::{NetworkSpec, SpecError};
use crate::spectrogram::config::{ConfigError, SpectrogramConfig};

/// Version of the card's format that this build writes and reads.
pub const CARD_VERSION: u32 = 1;

/// Key of the card in the safetensors metadata.
pub const CARD_KEY: &str = "card";

/// What a card may divide by: a temperature, a deviation in dB. Others may give what is no
/// number in 32 bits.
const DIVISORS: RangeInclusive<f32> = 1e-6..=1e6;
/// What may be added to a logit: more than any odds are worth, and far from overflow.
const BIASES: RangeInclusive<f32> = -1e4..=1e4;

/// What the network is shown.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Input {
    /// The dB spectrogram stretched to this size and coloured by matplotlib's
    /// viridis: three channels, values from 0 to 1. Row 0 is the lowest mel
    /// band, column 0 the first frame.
    Viridis {
        /// Rows of the picture.
        height: usize,
        /// Columns of the picture.
        width: usize,
    },
    /// The dB spectrogram itself, `[n_mels, frames]`: one channel,
    /// `(dB - mean) / deviation`.
    LogMel {
        /// Subtracted from the decibels (relative to the clip's maximum).
        mean: f32,
        /// Divided by after that.
        deviation: f32,
    },
    /// The same, but for each band's mean over the clip, which is subtracted: what an
    /// equaliser, a loudspeaker or a recording does to the whole of a clip is gone
    /// then. One channel, `(dB - mean of the band) / deviation`. Known for the
    /// cepstrum, which is a sum over bands: S. Furui, "Cepstral Analysis Technique
    /// for Automatic Speaker Verification", IEEE Trans. ASSP 1981.
    CentredLogMel {
        /// Divided by after that.
        deviation: f32,
    },
    /// Both, a channel each: [`Self::LogMel`] and [`Self::CentredLogMel`].
    LogMelPair {
        /// Subtracted from the decibels, for the first channel.
        mean: f32,
        /// Divided by after that.
        deviation: f32,
        /// The same, for the second.
        centred_deviation: f32,
    },
}

impl Input {
    /// `[channels, height, width]` that this makes of clips by `spectrogram`.
    pub fn shape(&self, spectrogram: &SpectrogramConfig) -> [usize; 3] {
        match *self {
            Self::Viridis { height, width } => [3, height, width],
            Self::LogMel { .. } | Self::CentredLogMel { .. } => {
                [1, spectrogram.n_mels, spectrogram.clip_frames()]
            }
            Self::LogMelPair { .. } => [2, spectrogram.n_mels, spectrogram.clip_frames()],
        }
    }

    /// Appends what the network is shown of a clip's decibels `[n_mels, frames]`,
    /// `[channels, n_mels, frames]`, where that is no picture.
    pub fn normalise(&self, decibels: &[f32], frames: usize, shown: &mut Vec<f32>) {
        match *self {
            Self::Viridis { .. } => {}
            Self::LogMel { mean, deviation } => {
                shown.extend(decibels.iter().map(|cell| (cell - mean) / deviation));
            }
            Self::CentredLogMel { deviation } => {
                for band in decibels.chunks(frames.max(1)) {
                    let mean = band.iter().sum::<f32>() / band.len() as f32;
                    shown.extend(band.iter().map(|cell| (cell - mean) / deviation));
                }
            }
            Self::LogMelPair { mean, deviation, centred_deviation } => {
                Self::LogMel { mean, deviation }.normalise(decibels, frames, shown);
                Self::CentredLogMel { deviation: centred_deviation }.normalise(decibels, frames, shown);
            }
        }
    }
}

/// How clips become the song's verdict: opinions pooled, as C. Genest and J. V.
/// Zidek call it ("Combining Probability Distributions: A Critique and an
/// Annotated Bibliography", Statistical Science 1986).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Combine {
    /// The mean of the clips' probabilities, the linear pool. It is less sure than
    /// the clips give reason to be, however well each is calibrated (R. Ranjan and
    /// T. Gneiting, "Combining probability forecasts", JRSS B 2010).
    #[default]
    MeanProbability,
    /// The logarithmic pool: the geometric mean of the clips' probabilities to the
    /// power of the number of *independent* clips that they are worth, normalised.
    LogPool {
        /// How alike what clips of one song say is, 0 to 1. `n` clips are worth
        /// `n / (1 + (n − 1) · correlation)` independent ones (R. T. Clemen and
        /// R. L. Winkler, "Limits for the Precision and Value of Information from
        /// Dependent Sources", Operations Research 1985): at 0 a product of
        /// experts, at 1 a song is as sure as one clip.
        correlation: f32,
    },
}

/// What says that a clip is not music.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rejection {
    /// What is computed of the clip.
    pub score: RejectionScore,
    /// Below it, the clip is refused.
    pub threshold: f32,
}

/// How much a clip is like music; more is more. How each is computed stands in
/// `classify::rejection`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectionScore {
    /// The largest probability at temperature 1 (D. Hendrycks and K. Gimpel, "A
    /// Baseline for Detecting Misclassified and Out-of-Distribution Examples in
    /// Neural Networks", ICLR 2017).
    MaxProbability,
    /// The largest logit (D. Hendrycks et al., "Scaling Out-of-Distribution
    /// Detection for Real-World Settings", ICML 2022).
    MaxLogit,
    /// The log of the sum of the logits' exponentials: the negative free energy
    /// (W. Liu et al., "Energy-based Out-of-distribution Detection", NeurIPS 2020).
    Energy,
    /// The negative squared distance of the embedding from the nearest genre's
    /// mean, under a covariance that all genres share (K. Lee et al., "A Simple
    /// Unified Framework for Detecting Out-of-Distribution Samples and Adversarial
    /// Attacks", NeurIPS 2018). The weights file has means and covariance.
    Mahalanobis,
    /// Log-odds of a logistic regression on the embedding, and on the texture of the
    /// spectrogram and its squares, fitted on music and on sounds that are none (the
    /// idea of D. Hendrycks et al., "Deep Anomaly Detection with Outlier Exposure",
    /// ICLR 2019). The weights file has its weights.
    Probe,
}

impl RejectionScore {
    /// All of them, the simple ones first.
    pub const ALL: [Self; 5] =
        [Self::MaxProbability, Self::MaxLogit, Self::Energy, Self::Mahalanobis, Self::Probe];

    /// Its name in a card.
    pub fn name(self) -> &'static str {
        match self {
            Self::MaxProbability => "max_probability",
            Self::MaxLogit => "max_logit",
            Self::Energy => "energy",
            Self::Mahalanobis => "mahalanobis",
            Self::Probe => "probe",
        }
    }
}

/// Reads a [`Rejection`], or the bare threshold of older cards, which named no
/// score: what they had was a probability.
fn rejection_or_threshold<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Rejection>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Whole(Rejection),
        Threshold(f32),
    }
    Ok(Option::<Written>::deserialize(deserializer)?.map(|written| match written {
        Written::Whole(rejection) => rejection,
        Written::Threshold(threshold) => Rejection { score: RejectionScore::MaxProbability, threshold },
    }))
}

/// How verdicts are made of logits: what of a card can be chosen once the network is
/// trained. The default is that of a card that says nothing of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// See [`ModelCard::temperature`].
    pub temperature: f32,
    /// See [`ModelCard::bias`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bias: Vec<f32>,
    /// See [`ModelCard::combine`].
    pub combine: Combine,
    /// See [`ModelCard::rejection`].
    pub rejection: Option<Rejection>,
    /// See [`ModelCard::least_confidence`].
    pub least_confidence: Option<f32>,
}

impl Default for Calibration {
    fn default() -> Self {
        Self {
            temperature: one(),
            bias: Vec::new(),
            combine: Combine::default(),
            rejection: None,
            least_confidence: None,
        }
    }
}

impl Calibration {
    /// Logits `[classes]` at the temperature and with the biases: what the softmax
    /// makes probabilities of.
    pub fn scaled(&self, logits: &[f32]) -> Vec<f32> {
        scaled(logits, self.temperature, &self.bias)
    }
}

fn scaled(logits: &[f32], temperature: f32, bias: &[f32]) -> Vec<f32> {
    let biases = bias.iter().copied().chain(iter::repeat(0.0));
    logits.iter().zip(biases).map(|(logit, bias)| logit / temperature + bias).collect()
}

/// What the network was trained on and how.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// The data set.
    pub data: String,
    /// The split's name: `clips`, `tracks`, `filtered`, or another for lists of
    /// names.
    pub split: String,
    /// What the split was drawn with, where it was drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_seed: Option<u64>,
    /// SHA-256 of which clips stand in which part, where it is known: see
    /// `dataset::choice`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_fingerprint: Option<String>,
    /// Optimiser, learning rate, epochs and what else matters.
    pub recipe: String,
    /// Seed of the run, where there is one.
    #[serde(default)]
    pub seed: Option<u64>,
}

/// One accuracy and what it was measured on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// `clips`, `tracks` or `filtered`.
    pub split: String,
    /// `train`, `validation` or `test`.
    pub part: String,
    /// `clip` or `track`: what one trial is.
    pub per: String,
    /// Share of right answers, 0 to 1; the mean, where it is of several trainings.
    pub accuracy: f32,
    /// Its 95 % interval, where one was estimated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f32; 2]>,
    /// How many trainings by the same recipe, which learned from the training part
    /// alone, it is the mean of; `None` where it is this file's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trainings: Option<usize>,
}

/// Everything about a model that is not a weight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// [`CARD_VERSION`].
    pub version: u32,
    /// What people call the model.
    pub name: String,
    /// Genres in the order of the logits.
    pub genres: Vec<String>,
    /// The front end.
    pub spectrogram: SpectrogramConfig,
    /// What is made of the spectrogram.
    pub input: Input,
    /// The network.
    pub network: NetworkSpec,
    /// Length of the embedding.
    pub embedding_length: usize,
    /// How clips become the song's verdict.
    #[serde(default)]
    pub combine: Combine,
    /// Divides the logits before the softmax; 1 where it was not fitted.
    #[serde(default = "one")]
    pub temperature: f32,
    /// Added to the logits after that, one a genre; empty where it was not fitted. A
    /// network that learned a genre of few artists thinks too little of it (A. Alexandari
    /// et al., "Maximum Likelihood with Bias-Corrected Calibration is Hard-To-Beat at Label
    /// Shift Adaptation", ICML 2020, where it is called bias-corrected temperature scaling).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bias: Vec<f32>,
    /// What says that a clip is not music; `None` where nothing does.
    #[serde(default, alias = "rejection_threshold", deserialize_with = "rejection_or_threshold")]
    pub rejection: Option<Rejection>,
    /// Probability that a song's most probable genre must have, or the verdict is
    /// "not sure"; `None` where none was chosen.
    #[serde(default)]
    pub least_confidence: Option<f32>,
    /// Data, split, recipe, seed.
    #[serde(default)]
    pub training: Training,
    /// What it scored, and where.
    #[serde(default)]
    pub scores: Vec<Score>,
    /// Who may do what with the weights.
    #[serde(default)]
    pub licence: String,
    /// Day of the training, `YYYY-MM-DD`.
    #[serde(default)]
    pub date: String,
}

fn one() -> f32 {
    1.0
}

/// Why a card is refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CardError {
    /// No JSON, or not the fields of a card.
    #[error("the model card cannot be read: {0}")]
    Unreadable(String),
    /// Written by another version of the format.
    #[error("the model card has version {found}, this build reads version {CARD_VERSION}")]
    Version {
        /// What the card says.
        found: u32,
    },
    /// The front end cannot be set up.
    #[error(transparent)]
    Spectrogram(#[from] ConfigError),
    /// The network cannot be built.
    #[error(transparent)]
    Network(#[from] SpecError),
    /// Two parts of the card contradict each other.
    #[error("the model card contradicts itself: {0}")]
    Contradiction(String),
}

impl ModelCard {
    /// Reads and checks a card.
    ///
    /// # Errors
    /// [`CardError`] with the first thing that is wrong.
    pub fn from_json(json: &str) -> Result<Self, CardError> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let unreadable = |error: serde_json::Error| CardError::Unreadable(error.to_string());
        // The version first: another version's fields need not be ours.
        let Version { version } = serde_json::from_str(json).map_err(unreadable)?;
        if version != CARD_VERSION {
            return Err(CardError::Version { found: version });
        }
        let card: Self = serde_json::from_str(json).map_err(unreadable)?;
        card.validate()?;
        Ok(card)
    }

    /// The card as JSON. A number that is not finite becomes `null`, which
    /// [`Self::from_json`] refuses.
    ///
    /// # Errors
    /// [`CardError::Unreadable`], as serde_json says.
    pub fn to_json(&self) -> Result<String, CardError> {
        serde_json::to_string(self).map_err(|error| CardError::Unreadable(error.to_string()))
    }

    /// How this card makes verdicts of logits.
    pub fn calibration(&self) -> Calibration {
        let Self { temperature, ref bias, combine, rejection, least_confidence, .. } = *self;
        Calibration { temperature, bias: bias.clone(), combine, rejection, least_confidence }
    }

    /// The same card with another way to make verdicts of logits.
    #[must_use]
    pub fn with_calibration(self, calibration: Calibration) -> Self {
        let Calibration { temperature, bias, combine, rejection, least_confidence } = calibration;
        Self { temperature, bias, combine, rejection, least_confidence, ..self }
    }

    /// As [`Calibration::scaled`].
    pub fn scaled(&self, logits: &[f32]) -> Vec<f32> {
        scaled(logits, self.temperature, &self.bias)
    }

    /// Checks that the card's parts fit each other.
    ///
    /// # Errors
    /// [`CardError`] with the first thing that is wrong.
    pub fn validate(&self) -> Result<(), CardError> {
        let contradiction = |message: String| Err(CardError::Contradiction(message));
        self.spectrogram.validate()?;
        let embedding_length = self.network.embedding_length()?;
        if self.genres.len() != self.network.classes {
            return contradiction(format!(
                "{} genres for {} logits",
                self.genres.len(),
                self.network.classes
            ));
        }
        if self.genres.len() < 2 {
            return contradiction("a classifier needs at least two genres".into());
        }
        let names: BTreeSet<_> = self.genres.iter().collect();
        if names.len() < self.genres.len() {
            return contradiction("two genres have the same name".into());
        }
        let shape = self.input.shape(&self.spectrogram);
        if shape != self.network.input {
            return contradiction(format!(
                "the input is {shape:?} and the network expects {:?}",
                self.network.input
            ));
        }
        if embedding_length != self.embedding_length {
            return contradiction(format!(
                "the embedding is said to have {} values and the network gives {embedding_length}",
                self.embedding_length
            ));
        }
        if !DIVISORS.contains(&self.temperature) {
            return contradiction(format!("the temperature is {}", self.temperature));
        }
        if !self.bias.is_empty() && self.bias.len() != self.genres.len() {
            return contradiction(format!("{} biases for {} genres", self.bias.len(), self.genres.len()));
        }
        if let Some(bias) = self.bias.iter().find(|bias| !BIASES.contains(*bias)) {
            return contradiction(format!("the bias of a genre is {bias}"));
        }
        if let Some(Rejection { threshold, .. }) = self.rejection
            && !threshold.is_finite()
        {
            return contradiction(format!("the rejection threshold is {threshold}"));
        }
        if let Combine::LogPool { correlation } = self.combine
            && !(0.0..=1.0).contains(&correlation)
        {
            return contradiction(format!("the correlation of clips is {correlation}, not from 0 to 1"));
        }
        if let Some(confidence) = self.least_confidence
            && !(0.0..=1.0).contains(&confidence)
        {
            return contradiction(format!("the least confidence is {confidence}, which is no probability"));
        }
        let shares = |score: &Score| [score.accuracy].into_iter().chain(score.interval.into_iter().flatten());
        if let Some(share) = self.scores.iter().flat_map(shares).find(|share| !(0.0..=1.0).contains(share)) {
            return contradiction(format!("an accuracy is {share}, which is no share"));
        }
        let (mean, deviations) = match self.input {
            Input::Viridis { .. } => (0.0, [1.0; 2]),
            Input::LogMel { mean, deviation } => (mean, [deviation; 2]),
            Input::CentredLogMel { deviation } => (0.0, [deviation; 2]),
            Input::LogMelPair { mean, deviation, centred_deviation } => {
                (mean, [deviation, centred_deviation])
            }
        };
        let all_divide = deviations.iter().all(|deviation| DIVISORS.contains(deviation));
        if !(mean.is_finite() && all_divide) {
            return contradiction(format!("the input is normalised by {mean} and {deviations:?}"));
        }
        Ok(())
    }
}
