//! Samples to verdicts: front end, network and softmax as one model's card
//! says.
//!
//! In: the samples of clips. Out: a [`ClipAnalysis`] each. The whole way is set
//! up from the card, on a device of burn's or, faster where the network suits
//! it, on the processor by [`Winograd`].

use burn::tensor::{Device, Tensor, TensorData};

use crate::{
    classify::{
        rejection::{Evidence, Rejector},
        verdict::softmax,
    },
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
        texture::{TEXTURE_LENGTH, texture},
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
    /// The device computed nonsense, or the card has it compute what is none.
    #[error("what was computed is not finite")]
    NotFinite,
}

/// What was found out about one clip.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClipAnalysis {
    /// Probability of each genre; empty for silence.
    pub probabilities: Vec<f32>,
    /// `[classes]`, what the probabilities are made of; empty for silence.
    pub logits: Vec<f32>,
    /// `[embedding_length]`, empty for silence.
    pub embedding: Vec<f32>,
    /// `[TEXTURE_LENGTH]`, see [`texture`]; empty for silence.
    pub texture: Vec<f32>,
    /// How much the clip is like music, where the card says how to know.
    pub score: Option<f32>,
    /// Whether that is too little.
    pub refused: bool,
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
pub(super) enum Runner {
    Burn(Cnn, Device),
    Winograd(Winograd),
}

/// A model ready to classify.
pub struct Classifier {
    pub(super) card: ModelCard,
    pub(super) runner: Runner,
    /// Refuser of what is not music, where the card has one.
    rejector: Option<Rejector>,
    pub(super) spectrogram: MelSpectrogram,
    /// Maker of pictures, where the model looks at them.
    picture: Option<Picture>,
    /// The last clip's decibels.
    pub(super) db: Vec<f32>,
    /// The last clip's picture, where the model looks at one.
    pub(super) indices: Vec<u8>,
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
        match Winograd::new(weights)? {
            Some(winograd) => Self::with_runner(weights, Runner::Winograd(winograd)),
            None => Self::new(weights, &Device::flex()),
        }
    }

    fn with_runner(weights: &Weights, runner: Runner) -> Result<Self, ClassifierError> {
        let card = weights.card().clone();
        let spectrogram = MelSpectrogram::new(&card.spectrogram)?;
        let cells = [card.spectrogram.n_mels, card.spectrogram.clip_frames()];
        let picture = match card.input {
            Input::Viridis { height, width } => Some(Picture::new(cells, [height, width])),
            _ => None,
        };
        let rejector = Rejector::new(weights)?;
        let (db, indices) = (Vec::new(), Vec::new());
        Ok(Self { card, runner, rejector, spectrogram, picture, db, indices })
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
        let mut seen = Vec::with_capacity(clips.len());
        for clip in clips {
            let mut columns = Vec::new();
            let sounding = self.prepare(clip, &mut inputs, &mut columns)?;
            let texture = sounding.then(|| texture(&self.db, self.card.spectrogram.n_mels));
            seen.push((columns, texture));
        }
        self.analyse(inputs, seen).await
    }

    /// Classifies one clip whose decibels are known, `[n_mels, frames]`, as of an
    /// archive. There are no columns to display.
    ///
    /// # Errors
    /// [`ClassifierError`] where there are more or fewer or the device fails.
    pub async fn classify_decibels(&mut self, decibels: &[f32]) -> Result<ClipAnalysis, ClassifierError> {
        let expected = self.card.spectrogram.n_mels * self.card.spectrogram.clip_frames();
        if decibels.len() != expected {
            return Err(ClassifierError::Size { found: decibels.len(), expected });
        }
        self.db.clear();
        self.db.extend_from_slice(decibels);
        let mut inputs = Vec::new();
        let sounding = self.show(&mut inputs)?;
        let texture = sounding.then(|| texture(&self.db, self.card.spectrogram.n_mels));
        let analyses = self.analyse(inputs, vec![(Vec::new(), texture)]).await?;
        Ok(analyses.into_iter().next().unwrap_or_default())
    }

    /// Runs the network on the inputs of those clips that have a texture, and says of
    /// all, with their columns, what was found.
    async fn analyse(
        &mut self,
        inputs: Vec<f32>,
        seen: Vec<(Vec<u8>, Option<[f32; TEXTURE_LENGTH]>)>,
    ) -> Result<Vec<ClipAnalysis>, ClassifierError> {
        let sounding = seen.iter().filter(|(_, texture)| texture.is_some()).count();
        let Inference { logits, embedding } = self.run(inputs, sounding).await?;
        let mut outputs =
            logits.chunks(self.card.network.classes).zip(embedding.chunks(self.card.embedding_length));
        let mut analysis = |(columns, texture): (Vec<u8>, Option<[f32; TEXTURE_LENGTH]>)| {
            let sounding = texture.and_then(|texture| Some((texture, outputs.next()?)));
            let Some((texture, (logits, embedding))) = sounding else {
                return ClipAnalysis { columns, ..ClipAnalysis::default() };
            };
            let evidence = Evidence { logits, embedding, texture: &texture };
            let judged = self.rejector.as_ref().map(|rejector| rejector.judge(evidence));
            ClipAnalysis {
                probabilities: self.card.probabilities(logits),
                logits: logits.to_vec(),
                embedding: embedding.to_vec(),
                texture: texture.to_vec(),
                score: judged.map(|(score, _)| score),
                refused: judged.is_some_and(|(_, refused)| refused),
                columns,
            }
        };
        let analyses: Vec<_> = seen.into_iter().map(&mut analysis).collect();
        let mut probabilities = analyses.iter().flat_map(|analysis| &analysis.probabilities);
        if probabilities.any(|probability| !probability.is_finite()) {
            return Err(ClassifierError::NotFinite);
        }
        Ok(analyses)
    }

    /// What the dense layers get of each clip, `[features]`: the last
    /// convolution's maps, flattened or as statistics; `None` for silence.
    ///
    /// # Errors
    /// As [`Self::classify`].
    pub async fn features(&mut self, clips: &[Vec<f32>]) -> Result<Vec<Option<Vec<f32>>>, ClassifierError> {
        let mut all = Vec::with_capacity(clips.len());
        for clip in clips {
            let mut input = Vec::new();
            let sounding = self.prepare(clip, &mut input, &mut Vec::new())?;
            all.push(if sounding { Some(self.features_of(input).await?) } else { None });
        }
        Ok(all)
    }

    async fn features_of(&mut self, input: Vec<f32>) -> Result<Vec<f32>, ClassifierError> {
        let [channels, height, width] = self.card.network.input;
        let features = match &mut self.runner {
            Runner::Burn(network, device) => {
                let shape = [1, channels, height, width];
                read(network.features(Tensor::from_data(TensorData::new(input, shape), &*device))).await?
            }
            Runner::Winograd(network) => {
                let size = ClassifierError::Size { found: input.len(), expected: channels * height * width };
                network.features(&input).ok_or(size)?
            }
        };
        if features.iter().any(|feature| !feature.is_finite()) {
            return Err(ClassifierError::NotFinite);
        }
        Ok(features)
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

    /// Runs the network on what it is shown of clips, whatever the card's input:
    /// `[clips, channels, height, width]`.
    ///
    /// # Errors
    /// [`ClassifierError::Size`] where no number of clips has as many values, and
    /// as [`Self::classify`].
    pub async fn infer_inputs(&mut self, inputs: Vec<f32>) -> Result<Inference, ClassifierError> {
        let [channels, height, width] = self.card.network.input;
        let size = channels * height * width;
        if !inputs.len().is_multiple_of(size) {
            let expected = inputs.len().next_multiple_of(size);
            return Err(ClassifierError::Size { found: inputs.len(), expected });
        }
        let clips = inputs.len() / size;
        self.run(inputs, clips).await
    }

    /// Appends the network's input for a clip, unless the clip is silent; says
    /// whether it was appended.
    pub(super) fn prepare(
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
        self.show(inputs)
    }

    /// Appends the network's input for the decibels of the last clip, as
    /// [`Self::prepare`].
    fn show(&mut self, inputs: &mut Vec<f32>) -> Result<bool, ClassifierError> {
        match (self.card.input, &mut self.picture) {
            (Input::Viridis { .. }, Some(picture)) => match picture.indices(&self.db, &mut self.indices) {
                Ok(()) => colour(&self.indices, inputs),
                Err(PictureError::NoRange) => return Ok(false),
                Err(PictureError::Size { found, expected }) => {
                    return Err(ClassifierError::Size { found, expected });
                }
            },
            (Input::Viridis { .. }, None) => return Err(ClassifierError::NoPictures),
            (input, _) => {
                let first = self.db.first().copied().unwrap_or_default();
                if self.db.iter().all(|cell| *cell == first) {
                    return Ok(false);
                }
                input.normalise(&self.db, self.card.spectrogram.clip_frames(), inputs);
            }
        }
        Ok(true)
    }

    pub(super) async fn run(&mut self, inputs: Vec<f32>, batch: usize) -> Result<Inference, ClassifierError> {
        if batch == 0 {
            return Ok(Inference { logits: Vec::new(), embedding: Vec::new() });
        }
        // What is rectified is a number again, and would be taken for an answer.
        if inputs.iter().any(|value| !value.is_finite()) {
            return Err(ClassifierError::NotFinite);
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
    /// Probabilities of one clip's logits.
    pub fn probabilities(&self, logits: &[f32]) -> Vec<f32> {
        softmax(&self.scaled(logits))
    }
}

/// Appends a picture of viridis indices as `[3, height, width]`, 0 to 1.
pub(super) fn colour(picture: &[u8], inputs: &mut Vec<f32>) {
    inputs.extend((0..3).flat_map(|channel| {
        picture.iter().map(move |index| f32::from(VIRIDIS[usize::from(*index)][channel]) / 255.0)
    }));
}

pub(super) async fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, ClassifierError> {
    let data = tensor.into_data_async().await.map_err(|error| ClassifierError::Device(error.to_string()))?;
    data.try_into_vec().map_err(|error| ClassifierError::Device(error.to_string()))
}
