//! The training loop.
//!
//! In: a network's first weights or a [`Checkpoint`], the data on the device,
//! a split and a recipe. Out: the checkpoint where the run ended, its best
//! weights inside.
//!
//! Everything that is drawn (first weights, the order of an epoch, dropout) is
//! drawn anew from (seed, epoch, step), and nothing is carried from one step to
//! the next but weights, optimiser and sums: so a run that goes on from a
//! checkpoint on the processor computes what it would have without the break.

use std::time::Instant;

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId},
    nn::loss::CrossEntropyLossConfig,
    optim::{AdamConfig, GradientsParams, ModuleOptimizer},
    tensor::{Bytes, Device, ElementConversion, Int, Tensor},
};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{
    checkpoint::{Checkpoint, CheckpointError, State},
    history::Epoch,
    inputs::Inputs,
    recipe::RecipeError,
};
use crate::{
    dataset::split::{Part, Split},
    network::{
        cnn::Cnn,
        experiment::SpecError,
        weights::{Weights, WeightsError},
    },
};

/// Clips that are judged together; no gradients are kept of them.
const JUDGED_TOGETHER: usize = 64;
/// Steps between two looks at the loss: each makes a GPU wait for the host.
const STEPS_BETWEEN_LOOKS: usize = 8;

/// Why a training ends without weights.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    /// The recipe cannot be followed.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// The network cannot be built.
    #[error(transparent)]
    Network(#[from] SpecError),
    /// The weights to go on from misfit.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The checkpoint cannot be written or read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The loss became infinite or no number.
    #[error("the loss is {loss} in step {step} of epoch {epoch}: try a smaller --learning-rate")]
    Diverged {
        /// From 1.
        epoch: usize,
        /// From 1.
        step: usize,
        /// What it is.
        loss: f32,
    },
    /// The device failed.
    #[error("the device failed: {0}; if its memory is full, try a smaller --batch-size")]
    Device(String),
    /// The checkpoint is of another run.
    #[error("the checkpoint was made with another {0}; start afresh in another folder, or say the same")]
    Another(&'static str),
}

/// Sums over the steps of an epoch so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Running {
    /// Sum of the clips' losses, the penalty included.
    pub loss: f64,
    /// Clips that were right.
    pub right: u64,
    /// Clips seen.
    pub clips: u64,
}

impl Running {
    /// Mean loss of a clip.
    pub fn mean_loss(&self) -> f64 {
        self.loss / (self.clips.max(1)) as f64
    }

    /// Share of right answers.
    pub fn accuracy(&self) -> f64 {
        self.right as f64 / (self.clips.max(1)) as f64
    }
}

/// The epoch whose weights are kept.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// From 0.
    pub epoch: usize,
    /// Its validation loss.
    pub validation_loss: f64,
}

/// What the loop tells while it runs.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'a> {
    /// Steps of an epoch are over.
    Steps {
        /// Epochs that are over.
        epoch: usize,
        /// Steps of this one that are over.
        step: usize,
        /// Steps that it has.
        steps: usize,
        /// What they came to.
        running: Running,
    },
    /// An epoch is over and judged.
    Epoch {
        /// Which, from 0.
        epoch: usize,
        /// What it came to.
        result: &'a Epoch,
    },
}

/// What the loop is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Go on.
    Continue,
    /// Keep a checkpoint and go on.
    Save,
    /// Keep a checkpoint and end.
    Stop,
}

/// What is trained on, where, and for how long.
pub struct Job<'a> {
    /// The data, on the device without autodiff.
    pub inputs: &'a Inputs,
    /// Which of it is for what.
    pub split: &'a Split,
    /// The device, without autodiff.
    pub device: &'a Device,
}

/// What the network says of clips, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Predictions {
    /// `[clips, classes]`.
    pub logits: Vec<f32>,
    /// `[clips, embedding_length]`.
    pub embedding: Vec<f32>,
}

impl Job<'_> {
    /// Runs until the recipe's end, until it brings nothing more, or until
    /// `observer` says stop. `save` is given a checkpoint after every epoch and
    /// whenever the observer wishes.
    ///
    /// # Errors
    /// [`TrainingError`].
    pub fn fit(
        &self,
        start: Checkpoint,
        save: &mut dyn FnMut(&Checkpoint) -> Result<(), CheckpointError>,
        observer: &mut dyn FnMut(Progress<'_>) -> Control,
    ) -> Result<Checkpoint, TrainingError> {
        let Checkpoint { mut state, now, mut best, optimiser } = start;
        let recipe = state.recipe.clone();
        recipe.validate()?;
        let card = now.card().clone();
        let device = self.device.clone().autodiff();
        let mut network = number(card.network.init(&device)?.load(&now, &device)?);
        let mut optimizer: ModuleOptimizer = AdamConfig::new().with_epsilon(1e-7).init();
        if !optimiser.is_empty() {
            optimizer = optimizer
                .from_bytes(Bytes::from_bytes_vec(optimiser))
                .map_err(|error| TrainingError::Device(error.to_string()))?;
        }
        let cross_entropy = CrossEntropyLossConfig::new().init(&device);

        while !is_over(&state) {
            let mut order = self.split.part(Part::Train).to_vec();
            order.shuffle(&mut ChaCha8Rng::seed_from_u64(mix([state.seed, state.epoch as u64, ORDER])));
            let batches: Vec<&[usize]> = order.chunks(recipe.batch_size).collect();
            let started = Instant::now();
            let before = state.epoch_seconds;
            let mut look = Look::new(&device);

            while let Some(batch) = batches.get(state.step) {
                let draw = mix([state.seed, state.epoch as u64, state.step as u64]);
                device.seed(draw);
                let (inputs, genres) = self.inputs.batch(batch);
                let (inputs, genres) = (autodiff(inputs), genres.to_device(&device));
                let logits = network.forward(inputs).logits;
                let mut loss = cross_entropy.forward(logits.clone(), genres.clone());
                if recipe.l2 > 0.0 {
                    loss = loss + squared_kernels(&network, &device) * recipe.l2;
                }
                look.add(&loss, logits, genres, batch.len());
                let gradients = GradientsParams::from_grads(loss.backward(), &network);
                let all_steps = state.epoch * batches.len() + state.step;
                let learning_rate = recipe.learning_rate_at(all_steps, batches.len());
                network = optimizer.step(learning_rate, network, gradients);
                state.step += 1;

                if state.step.is_multiple_of(STEPS_BETWEEN_LOOKS) || state.step == batches.len() {
                    state.running = look.take(state.running, &state)?;
                    state.epoch_seconds = before + started.elapsed().as_secs_f64();
                    let (epoch, step, running) = (state.epoch, state.step, state.running);
                    let control = observer(Progress::Steps { epoch, step, steps: batches.len(), running });
                    if control != Control::Continue {
                        let checkpoint = Checkpoint {
                            state: state.clone(),
                            now: network.weights(&card)?,
                            best: best.clone(),
                            optimiser: record(&optimizer)?,
                        };
                        save(&checkpoint)?;
                        if control == Control::Stop {
                            return Ok(checkpoint);
                        }
                    }
                }
            }

            let judged = self.judge(&network.valid(), Part::Validation, recipe.l2)?;
            let result = Epoch {
                train_loss: state.running.mean_loss(),
                train_accuracy: state.running.accuracy(),
                validation_loss: judged.mean_loss(),
                validation_accuracy: judged.accuracy(),
                seconds: before + started.elapsed().as_secs_f64(),
            };
            let now = network.weights(&card)?;
            if state.best.is_none_or(|best| result.validation_loss < best.validation_loss) {
                state.best = Some(Best { epoch: state.epoch, validation_loss: result.validation_loss });
                best = Some(now.clone());
            }
            state.history.push(result);
            let epoch = state.epoch;
            (state.epoch, state.step, state.running, state.epoch_seconds) =
                (epoch + 1, 0, Running::default(), 0.0);
            let checkpoint =
                Checkpoint { state: state.clone(), now, best: best.clone(), optimiser: record(&optimizer)? };
            save(&checkpoint)?;
            if observer(Progress::Epoch { epoch, result: &result }) == Control::Stop || is_over(&state) {
                return Ok(checkpoint);
            }
        }
        Ok(Checkpoint { state, now, best, optimiser: record(&optimizer)? })
    }

    /// What the network says of a part's clips. `observer` is told how many were
    /// answered.
    ///
    /// # Errors
    /// [`TrainingError`] where the weights misfit or the device fails.
    pub fn predict(
        &self,
        weights: &Weights,
        part: Part,
        observer: &mut dyn FnMut(usize),
    ) -> Result<Predictions, TrainingError> {
        let network = weights.card().network.init(self.device)?.load(weights, self.device)?;
        let mut predictions = Predictions::default();
        for batch in self.split.part(part).chunks(JUDGED_TOGETHER) {
            let output = network.forward(self.inputs.batch(batch).0);
            predictions.logits.extend(read(output.logits)?);
            predictions.embedding.extend(read(output.embedding)?);
            observer(batch.len());
        }
        Ok(predictions)
    }

    /// Loss and accuracy on a part, without dropout.
    fn judge(&self, network: &Cnn, part: Part, l2: f64) -> Result<Running, TrainingError> {
        let cross_entropy = CrossEntropyLossConfig::new().init(self.device);
        let mut look = Look::new(self.device);
        let penalty = (l2 > 0.0).then(|| squared_kernels(network, self.device) * l2);
        for batch in self.split.part(part).chunks(JUDGED_TOGETHER) {
            let (inputs, genres) = self.inputs.batch(batch);
            let logits = network.forward(inputs).logits;
            let mut loss = cross_entropy.forward(logits.clone(), genres.clone());
            if let Some(penalty) = &penalty {
                loss = loss + penalty.clone();
            }
            look.add(&loss, logits, genres, batch.len());
        }
        look.read(Running::default())
    }
}

/// Distinguishes the draw of an epoch's order from those of its steps.
const ORDER: u64 = u64::MAX;

/// A seed of its own for each of these numbers (`SplitMix64`'s finaliser, G. L.
/// Steele et al., 2014).
fn mix(parts: [u64; 3]) -> u64 {
    parts.into_iter().fold(0, |state: u64, part| {
        let mut bits = (state ^ part).wrapping_add(0x9e37_79b9_7f4a_7c15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    })
}

/// Whether the recipe has run its course.
pub fn is_over(state: &State) -> bool {
    let waited = state.best.map_or(0, |best| state.epoch.saturating_sub(best.epoch + 1));
    state.epoch >= state.recipe.epochs || state.recipe.patience.is_some_and(|patience| waited >= patience)
}

/// Losses and right answers, summed where they are computed.
struct Look {
    loss: Tensor<1>,
    right: Tensor<1, Int>,
    clips: u64,
    device: Device,
}

impl Look {
    fn new(device: &Device) -> Self {
        let device = device.clone().without_autodiff();
        Self { loss: Tensor::zeros([1], &device), right: Tensor::zeros([1], &device), clips: 0, device }
    }

    fn add(&mut self, loss: &Tensor<1>, logits: Tensor<2>, genres: Tensor<1, Int>, clips: usize) {
        let (loss, logits) = (loss.clone().inner(), logits.inner());
        let answers = logits.argmax(1).flatten::<1>(0, 1);
        let genres = genres.to_device(&self.device).cast(answers.dtype());
        self.loss = self.loss.clone() + loss * clips as f64;
        self.right = self.right.clone() + answers.equal(genres).int().sum();
        self.clips += clips as u64;
    }

    /// Adds what was seen since the last look to `running`.
    fn read(&mut self, running: Running) -> Result<Running, TrainingError> {
        let device = |error: burn::tensor::TensorReadError| TrainingError::Device(error.to_string());
        let loss: f32 = self.loss.clone().try_into_scalar().map_err(device)?;
        let right: i64 = self.right.clone().try_into_scalar::<i64>().map_err(device)?.elem();
        let clips = std::mem::take(&mut self.clips);
        *self = Self::new(&self.device);
        Ok(Running {
            loss: running.loss + f64::from(loss),
            right: running.right + right as u64,
            clips: running.clips + clips,
        })
    }

    /// As [`Self::read`], for steps of training: a loss that is no number ends it.
    fn take(&mut self, running: Running, state: &State) -> Result<Running, TrainingError> {
        let sums = self.read(running)?;
        if sums.loss.is_finite() {
            return Ok(sums);
        }
        Err(TrainingError::Diverged { epoch: state.epoch + 1, step: state.step, loss: sums.loss as f32 })
    }
}

/// A tensor of the device without autodiff, on that with it.
fn autodiff(tensor: Tensor<4>) -> Tensor<4> {
    Tensor::from_inner(tensor)
}

fn record(optimizer: &ModuleOptimizer) -> Result<Vec<u8>, TrainingError> {
    let bytes = optimizer.into_bytes().map_err(|error| TrainingError::Device(error.to_string()))?;
    Ok(bytes.to_vec())
}

fn read(tensor: Tensor<2>) -> Result<Vec<f32>, TrainingError> {
    let device = |error: String| TrainingError::Device(error);
    let data = tensor.try_into_data().map_err(|error| device(error.to_string()))?;
    data.try_into_vec().map_err(|error| device(error.to_string()))
}

/// Numbers the parameters in the order of the network, because the optimiser's
/// record knows them by number and burn draws new ones for each module.
fn number(network: Cnn) -> Cnn {
    struct Numbering(u64);
    impl ModuleMapper for Numbering {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            self.0 += 1;
            let (_, tensor, mapper) = param.consume();
            Param::from_mapped_value(ParamId::from(self.0), tensor, mapper)
        }
    }
    network.map(&mut Numbering(0))
}

/// The sum of the squares of all kernels: tensors of two dimensions and more.
fn squared_kernels(network: &Cnn, device: &Device) -> Tensor<1> {
    struct Squares(Tensor<1>);
    impl ModuleVisitor for Squares {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if D > 1 {
                self.0 = self.0.clone() + param.val().powi_scalar(2).sum();
            }
        }
    }
    let mut squares = Squares(Tensor::zeros([1], device));
    network.visit(&mut squares);
    squares.0
}
