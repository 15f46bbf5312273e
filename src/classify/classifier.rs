//! Samples to verdicts: front end, network and softmax as one model's card
//! says.
//!
//! In: the samples of clips. Out: a [`ClipAnalysis`] each. The whole way is set
//! up from the card, on a device of burn's or, faster where the network suits
//! it, on the processor by [`Winograd`].

use burn::tensor::{Device, Tensor, TensorData};

use crate::{
    classify::verdict::softmax,
    network::{
        card::{Input, ModelCard},
        cnn::Cnn,
        experiment::SpecError,
        weights::{Weights, WeightsError},
        winograd::Winograd,
    },
    spectrogram::{
        MelSpectrogram,
        config::ConfigError,
        decibel::power_to_db,
        picture::{Picture, PictureError, VIRIDIS},
    },
};

/// Why clips cannot be classified.
#[derive(Debug, thiserror::Error)]
pub enum ClassifierError {
    /// The front end cannot be set up.
    #[error(transparent)]
    Spectrogram(#[from] ConfigError),
    /// The network cannot be built.
    #[error(transparent)]
    Network(#[from] SpecError),
    /// The weights do not fit it.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The model's input is no viridis picture.
    #[error("the model does not look at pictures")]
    NoPictures,
    /// Samples or pixels are missing, or too many.
    #[error("{found} values were given, {expected} are needed")]
    Size {
        /// What was given.
        found: usize,
        /// What the model needs.
        expected: usize,
    },
    /// The device computed no result.
    #[error("the device failed: {0}")]
    Device(String),
    /// The device computed nonsense.
    #[error("the device gave values that are not finite")]
    NotFinite,
}

/// What was found out about one clip.
#[derive(Clone, Debug, PartialEq)]
pub struct ClipAnalysis {
    /// Probability of each genre; empty for silence.
    pub probabilities: Vec<f32>,
    /// `[embedding_length]`, empty for silence.
    pub embedding: Vec<f32>,
    /// `[frames, COLUMN_BANDS]`, for display; see
    /// [`MelSpectrogram::columns`].
    pub columns: Vec<u8>,
}

/// What the network computed of a batch of inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Inference {
    /// `[batch, classes]`.
    pub logits: Vec<f32>,
    /// `[batch, embedding_length]`.
    pub embedding: Vec<f32>,
}

/// What computes the network.
enum Runner {
    Burn(Cnn, Device),
    Winograd(Box<Winograd>),
}

/// A model ready to classify.
pub struct Classifier {
    card: ModelCard,
    runner: Runner,
    spectrogram: MelSpectrogram,
    /// Maker of pictures, where the model looks at them.
    picture: Option<Picture>,
    db: Vec<f32>,
    indices: Vec<u8>,
}

impl Classifier {
    /// Sets up the whole way for a model, the network on a device of burn's.
    ///
    /// # Errors
    /// [`ClassifierError`] where card and weights do not fit.
    pub fn new(weights: &Weights, device: &Device) -> Result<Self, ClassifierError> {
        let network = weights.card().network.init(device)?.load(weights, device)?;
        Self::with_runner(weights, Runner::Burn(network, device.clone()))
    }

    /// Sets up the whole way for a model, the network on the processor: by
    /// [`Winograd`] where it suits, else by burn's Flex.
    ///
    /// # Errors
    /// [`ClassifierError`] where card and weights do not fit.
    pub fn on_processor(weights: &Weights) -> Result<Self, ClassifierError> {
        if weights.card().network.suits_winograd() {
            return Self::with_runner(weights, Runner::Winograd(Box::new(Winograd::new(weights)?)));
        }
        Self::new(weights, &Device::flex())
    }

    fn with_runner(weights: &Weights, runner: Runner) -> Result<Self, ClassifierError> {
        let card = weights.card().clone();
        let spectrogram = MelSpectrogram::new(&card.spectrogram)?;
        let cells = [card.spectrogram.n_mels, card.spectrogram.clip_frames()];
        let picture = match card.input {
            Input::Viridis { height, width } => Some(Picture::new(cells, [height, width])),
            Input::LogMel { .. } => None,
        };
        let (db, indices) = (Vec::new(), Vec::new());
        Ok(Self { card, runner, spectrogram, picture, db, indices })
    }

    /// The model's card.
    pub fn card(&self) -> &ModelCard {
        &self.card
    }

    /// Classifies clips together, each of the card's length.
    ///
    /// # Errors
    /// [`ClassifierError`] where a clip has another length or the device fails.
    pub async fn classify(&mut self, clips: &[Vec<f32>]) -> Result<Vec<ClipAnalysis>, ClassifierError> {
        let mut inputs = Vec::new();
        let mut columns = Vec::with_capacity(clips.len());
        for clip in clips {
            let mut drawn = Vec::new();
            let sounding = self.prepare(clip, &mut inputs, &mut drawn)?;
            columns.push((drawn, sounding));
        }
        let sounding = columns.iter().filter(|(_, sounding)| *sounding).count();
        let Inference { logits, embedding } = self.run(inputs, sounding).await?;
        let mut logits = logits.chunks(self.card.network.classes);
        let mut embeddings = embedding.chunks(self.card.embedding_length);
        let analysis = |(columns, sounding): (Vec<u8>, bool)| {
            let (logits, embedding) =
                if sounding { (logits.next(), embeddings.next()) } else { (None, None) };
            ClipAnalysis {
                probabilities: logits.map_or_else(Vec::new, |logits| self.card.probabilities(logits)),
                embedding: embedding.unwrap_or_default().to_vec(),
                columns,
            }
        };
        Ok(columns.into_iter().map(analysis).collect())
    }

    /// Runs the network on pictures as they are: `[pictures, height, width]`
    /// viridis indices.
    ///
    /// # Errors
    /// [`ClassifierError::NoPictures`] for a model with another input, and as
    /// [`Self::classify`].
    pub async fn infer(&mut self, pictures: &[u8]) -> Result<Inference, ClassifierError> {
        let Input::Viridis { height, width } = self.card.input else {
            return Err(ClassifierError::NoPictures);
        };
        let pixels = height * width;
        if !pictures.len().is_multiple_of(pixels) {
            let expected = pictures.len().next_multiple_of(pixels);
            return Err(ClassifierError::Size { found: pictures.len(), expected });
        }
        let mut inputs = Vec::with_capacity(3 * pictures.len());
        pictures.chunks_exact(pixels).for_each(|picture| colour(picture, &mut inputs));
        self.run(inputs, pictures.len() / pixels).await
    }

    /// Appends the network's input for a clip, unless the clip is silent; says
    /// whether it was appended.
    fn prepare(
        &mut self,
        clip: &[f32],
        inputs: &mut Vec<f32>,
        columns: &mut Vec<u8>,
    ) -> Result<bool, ClassifierError> {
        let expected = self.card.spectrogram.clip_samples();
        if clip.len() != expected {
            return Err(ClassifierError::Size { found: clip.len(), expected });
        }
        self.db.clear();
        self.db.extend_from_slice(self.spectrogram.power(clip));
        self.spectrogram.columns(columns);
        power_to_db(&mut self.db, self.card.spectrogram.top_db);
        match (self.card.input, &mut self.picture) {
            (Input::Viridis { .. }, Some(picture)) => match picture.indices(&self.db, &mut self.indices) {
                Ok(()) => colour(&self.indices, inputs),
                Err(PictureError::NoRange) => return Ok(false),
                Err(PictureError::Size { found, expected }) => {
                    return Err(ClassifierError::Size { found, expected });
                }
            },
            (Input::LogMel { mean, deviation }, _) => {
                let first = self.db.first().copied().unwrap_or_default();
                if self.db.iter().all(|cell| *cell == first) {
                    return Ok(false);
                }
                inputs.extend(self.db.iter().map(|cell| (cell - mean) / deviation));
            }
            (Input::Viridis { .. }, None) => return Err(ClassifierError::NoPictures),
        }
        Ok(true)
    }

    async fn run(&mut self, inputs: Vec<f32>, batch: usize) -> Result<Inference, ClassifierError> {
        if batch == 0 {
            return Ok(Inference { logits: Vec::new(), embedding: Vec::new() });
        }
        let [channels, height, width] = self.card.network.input;
        let inference = match &mut self.runner {
            Runner::Burn(network, device) => {
                let pictures =
                    Tensor::from_data(TensorData::new(inputs, [batch, channels, height, width]), &*device);
                let output = network.forward(pictures);
                // Read one after the other: on WebGPU each is a mapping of its own.
                let logits = read(output.logits).await?;
                Inference { logits, embedding: read(output.embedding).await? }
            }
            Runner::Winograd(network) => {
                let expected = channels * height * width;
                let mut inference = Inference { logits: Vec::new(), embedding: Vec::new() };
                for picture in inputs.chunks(expected) {
                    let size = ClassifierError::Size { found: picture.len(), expected };
                    let (logits, embedding) = network.forward(picture).ok_or(size)?;
                    inference.logits.extend(logits);
                    inference.embedding.extend(embedding);
                }
                inference
            }
        };
        if inference.logits.iter().chain(&inference.embedding).any(|value| !value.is_finite()) {
            return Err(ClassifierError::NotFinite);
        }
        Ok(inference)
    }
}

impl ModelCard {
    /// Probabilities of one clip's logits, at the card's temperature.
    pub fn probabilities(&self, logits: &[f32]) -> Vec<f32> {
        let logits: Vec<f32> = logits.iter().map(|logit| logit / self.temperature).collect();
        softmax(&logits)
    }
}

/// Appends a picture of viridis indices as `[3, height, width]`, 0 to 1.
fn colour(picture: &[u8], inputs: &mut Vec<f32>) {
    for channel in 0..3 {
        let shade = |index: &u8| f32::from(VIRIDIS[usize::from(*index)][channel]) / 255.0;
        inputs.extend(picture.iter().map(shade));
    }
}

async fn read(tensor: Tensor<2>) -> Result<Vec<f32>, ClassifierError> {
    let data = tensor.into_data_async().await.map_err(|error| ClassifierError::Device(error.to_string()))?;
    data.try_into_vec().map_err(|error| ClassifierError::Device(error.to_string()))
}
