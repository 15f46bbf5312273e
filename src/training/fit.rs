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

mod kernels;
mod look;
mod optimiser;
mod shown;

use std::{
    sync::mpsc::Receiver,
    time::{Duration, Instant},
};

use burn::{
    module::Module,
    nn::loss::CrossEntropyLossConfig,
    optim::{GradientsParams, ModuleOptimizer},
    tensor::{Bytes, Device, Tensor, TensorData, activation::log_softmax},
};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use self::{
    kernels::{averaged, number, squared_kernels, standardised, used},
    look::Look,
    optimiser::optimiser_of,
    shown::{Seen, Shown, Sight, Truth, draw_ahead},
};
use super::{
    augment::Augmenter,
    checkpoint::{Checkpoint, CheckpointError, State},
    history::Epoch,
    inputs::Inputs,
    recipe::{Recipe, RecipeError},
};
use crate::{
    dataset::split::{Part, Split},
    network::{
        card::ModelCard,
        cnn::{Cnn, Output},
        experiment::{NetworkSpec, SpecError},
        stack::{BlockGradient, ConvStack},
        tiles::{MatrixUnit, TileStack},
        weights::{Weights, WeightsError},
        winograd::batch::WinogradStack,
    },
};

/// Clips that are judged together, where a step has no fewer; no gradients are kept of them.
const JUDGED_TOGETHER: usize = 64;
/// Steps between two looks at a GPU's loss: each makes it wait for the host. The processor
/// is looked at after every step.
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
    Weights(WeightsError),
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
    #[error(
        "the device failed: {0}; if its memory is full, try a smaller --batch-size where the command has one, or \
         --device cpu"
    )]
    Device(String),
    /// A checkpoint's optimiser state is not this build's.
    #[error("the checkpoint's state of the optimiser cannot be read: {0}; train into another folder")]
    Optimiser(String),
    /// The recipe changes clips and there is nothing to do it with, or the other
    /// way round.
    #[error(
        "the recipe and what it shows of the clips do not go together: an augmentation needs an augmenter"
    )]
    Augmenter,
    /// The recipe has a share for teachers and there are none, or the other way round.
    #[error(
        "the recipe and who teaches do not go together: a distillation above 0 needs teachers, and teachers \
         need one"
    )]
    Teachers,
    /// A teacher is shown something else, and there is nothing to show it.
    #[error("a teacher of another input can only be shown what an augmentation draws")]
    TeachersInput,
}

impl From<WeightsError> for TrainingError {
    fn from(error: WeightsError) -> Self {
        match error {
            // It fails where its numbers are read, whatever it had no memory for.
            WeightsError::Device { .. } => Self::Device(error.to_string()),
            error => Self::Weights(error),
        }
    }
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

/// The epoch whose weights are kept: that of the least validation loss, or as
/// `Beyond::by_accuracy` has it; the last one where the validation part is learned from.
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

/// What computes convolutions, where it suits the network; burn does where it does not.
#[derive(Clone, Copy, Debug)]
pub enum Convolutions {
    /// burn, on whatever device.
    Burn,
    /// The same, in training from factors rounded to bfloat16.
    Bfloat16,
    /// Our own in 32 bits, on the processor: by minimal filtering.
    Filtering,
    /// Our own on the processor's matrix unit, which rounds its factors to bfloat16.
    Tiles(MatrixUnit),
}

/// What is trained on, where, and for how long.
pub struct Job<'a> {
    /// The data, on the device without autodiff.
    pub inputs: &'a Inputs,
    /// Which of it is for what.
    pub split: &'a Split,
    /// The device, without autodiff.
    pub device: &'a Device,
    /// What computes the convolutions.
    pub convolutions: Convolutions,
    /// What shows the network clips as they might have been, if the recipe says so.
    pub augmenter: Option<Augmenter<'a>>,
    /// Networks whose answers are learned from, if the recipe says so: of the same
    /// front end and genres, and of the same input where nothing is drawn anew.
    pub teachers: &'a [Weights],
}

/// What the network says of clips, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Predictions {
    /// `[clips, classes]`.
    pub logits: Vec<f32>,
    /// `[clips, embedding_length]`.
    pub embedding: Vec<f32>,
}

impl<'a> Job<'a> {
    /// What judges clips as they are and trains nothing.
    pub fn judging(
        inputs: &'a Inputs,
        split: &'a Split,
        device: &'a Device,
        convolutions: Convolutions,
    ) -> Self {
        Self { inputs, split, device, convolutions, augmenter: None, teachers: &[] }
    }
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
        let recipe = start.state.recipe.clone();
        recipe.validate()?;
        if recipe.beyond.augmentation.is_some() != self.augmenter.is_some() {
            return Err(TrainingError::Augmenter);
        }
        if (recipe.beyond.distillation > 0.0) == self.teachers.is_empty() {
            return Err(TrainingError::Teachers);
        }
        let mut learner = Learner::new(start, self.device)?;
        let mut stack = self.stack(&learner.card.network);
        let mut teachers =
            self.teachers.iter().map(|teacher| self.teacher(teacher)).collect::<Result<Vec<_>, _>>()?;
        let eyes = self.eyes(self.teachers, recipe.beyond.clear_teachers)?;
        let between_looks = if is_processor(self.device) { 1 } else { STEPS_BETWEEN_LOOKS };

        std::thread::scope(|scope| -> Result<Checkpoint, TrainingError> {
            while !is_over(&learner.state) {
                let (seed, epoch) = (learner.state.seed, learner.state.epoch as u64);
                let mut order = self.split.part(Part::Train).to_vec();
                order.shuffle(&mut ChaCha8Rng::seed_from_u64(mix([seed, epoch, ORDER])));
                let batches: Vec<&[usize]> = order.chunks(recipe.batch_size).collect();
                let started = Instant::now();
                let before = learner.state.epoch_seconds;
                let mut look = Look::new(self.device);
                let draw_of = move |step: usize| mix([seed, epoch, step as u64]);
                let ahead = self.augmenter.as_ref().map(|_| {
                    draw_ahead(scope, &eyes, (order.clone(), recipe.batch_size), learner.state.step, draw_of)
                });

                while let Some(batch) = batches.get(learner.state.step) {
                    let draw = draw_of(learner.state.step);
                    let drawn = match ahead.as_ref().map(Receiver::recv) {
                        Some(Ok(drawn)) => drawn,
                        _ => eyes.draw(batch, draw),
                    };
                    let shown = self.show(batch, drawn, &recipe, &mut teachers)?;
                    let Step { loss, logits, gradients } =
                        self.step(&learner.network, &mut stack, shown, draw, &recipe)?;
                    look.add(&loss, logits, self.inputs.genres(batch), batch.len());
                    learner = learner.stepped(gradients, batches.len());

                    let step = learner.state.step;
                    if step.is_multiple_of(between_looks) || step == batches.len() {
                        learner.state.running = look.take(learner.state.running, &learner.state)?;
                        learner.state.epoch_seconds = before + started.elapsed().as_secs_f64();
                        let (epoch, running) = (learner.state.epoch, learner.state.running);
                        let control =
                            observer(Progress::Steps { epoch, step, steps: batches.len(), running });
                        if control != Control::Continue {
                            let checkpoint = learner.checkpoint()?;
                            save(&checkpoint)?;
                            if control == Control::Stop {
                                return Ok(checkpoint);
                            }
                        }
                    }
                }

                let used = learner.used();
                let held_out = self.split.part(Part::Validation).chunks(judged_together(&recipe));
                let judged = self.judge(&used, &mut stack, held_out, &recipe)?;
                if !judged.loss.is_finite() {
                    let (epoch, step) = (learner.state.epoch + 1, batches.len());
                    return Err(TrainingError::Diverged { epoch, step, loss: judged.loss as f32 });
                }
                let epoch = learner.state.epoch;
                let seconds = before + started.elapsed().as_secs_f64();
                let result = learner.end_epoch(&used, judged, seconds, self.split.refitted)?;
                let checkpoint = learner.checkpoint()?;
                save(&checkpoint)?;
                if observer(Progress::Epoch { epoch, result: &result }) == Control::Stop
                    || is_over(&learner.state)
                {
                    return Ok(checkpoint);
                }
            }
            learner.checkpoint()
        })
    }

    /// Has a device that compiles and tunes its programs when they are first needed do so:
    /// steps and judgements of batches of each length that an epoch has. Nothing of them is kept.
    /// Returns how long it took, or nothing where `goes_on`, asked before each of them, said no.
    ///
    /// # Errors
    /// [`TrainingError`], as [`Self::fit`] would.
    pub fn warm_up(
        &self,
        start: &Checkpoint,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<Option<Duration>, TrainingError> {
        let began = Instant::now();
        let Checkpoint { state: State { recipe, .. }, now, .. } = start;
        let card = now.card();
        let device = self.device.clone().autodiff();
        let mut network = number(card.network.init(&device)?.load(now, &device)?);
        let mut optimizer = optimiser_of(recipe, self.device);
        let mut stack = self.stack(&card.network);
        let mut teachers =
            self.teachers.iter().map(|teacher| self.teacher(teacher)).collect::<Result<Vec<_>, _>>()?;
        let eyes = self.eyes(self.teachers, recipe.beyond.clear_teachers)?;
        let mut look = Look::new(&device);
        for batch in of_each_length(self.split.part(Part::Train), recipe.batch_size) {
            if !goes_on() {
                return Ok(None);
            }
            let shown = self.show(batch, eyes.draw(batch, 0), recipe, &mut teachers)?;
            let Step { loss, logits, gradients } = self.step(&network, &mut stack, shown, 0, recipe)?;
            look.add(&loss, logits, self.inputs.genres(batch), batch.len());
            network = optimizer.step(recipe.learning_rate, network, gradients);
            if recipe.beyond.averaging > 0.0 {
                _ = averaged(network.valid(), &network.valid(), recipe.beyond.averaging);
            }
        }
        look.read(Running::default())?;
        let used = used(&network.valid(), recipe);
        let held_out = of_each_length(self.split.part(Part::Validation), judged_together(recipe));
        self.judge(&used, &mut stack, held_out.take_while(|_| goes_on()), recipe)?;
        Ok(goes_on().then(|| began.elapsed()))
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
        let mut stack = self.stack(&weights.card().network);
        let mut predictions = Predictions::default();
        for batch in self.split.part(part).chunks(JUDGED_TOGETHER) {
            let output = self.forward(&network, &mut stack, &Seen { batch, sight: Sight::Clips })?;
            predictions.logits.extend(read(output.logits)?);
            predictions.embedding.extend(read(output.embedding)?);
            observer(batch.len());
        }
        Ok(predictions)
    }

    /// Loss and accuracy on clips, without dropout.
    fn judge<'b>(
        &self,
        network: &Cnn,
        stack: &mut Stack,
        batches: impl Iterator<Item = &'b [usize]>,
        recipe: &Recipe,
    ) -> Result<Running, TrainingError> {
        let mut look = Look::new(self.device);
        for batch in batches {
            let genres = self.inputs.genres(batch);
            let logits = self.forward(network, stack, &Seen { batch, sight: Sight::Clips })?.logits;
            let loss = loss_of(network, logits.clone(), Truth::Genres(genres.clone()), recipe);
            look.add(&loss, logits, genres, batch.len());
        }
        look.read(Running::default())
    }

    fn stack(&self, network: &NetworkSpec) -> Stack {
        match self.convolutions {
            Convolutions::Burn | Convolutions::Bfloat16 => None,
            Convolutions::Filtering => Some(Box::new(WinogradStack::new(network)?)),
            Convolutions::Tiles(unit) => Some(Box::new(TileStack::new(unit, network)?)),
        }
    }

    /// Runs the network on what it sees, without dropout.
    fn forward(&self, network: &Cnn, stack: &mut Stack, seen: &Seen<'_>) -> Result<Output, TrainingError> {
        let Some(stack) = stack else { return Ok(network.forward(self.on_device(seen.clone()))) };
        give_weights(&mut **stack, network)?;
        let clips = seen.batch.len();
        let maps = stack.forward(clips, &self.on_host(seen), None);
        let [channels, height, width] = stack.shape();
        let maps = TensorData::new(maps, [clips, channels, height, width]);
        Ok(network.head(Tensor::from_data(maps, self.device)))
    }

    /// What the weights of the moment make of a batch, and which way they should go.
    fn step(
        &self,
        network: &Cnn,
        stack: &mut Stack,
        shown: Shown<'_>,
        draw: u64,
        recipe: &Recipe,
    ) -> Result<Step, TrainingError> {
        if let Some(stack) = stack {
            return self.step_with_own_convolutions(network, &mut **stack, shown, draw, recipe);
        }
        self.device.clone().autodiff().seed(draw);
        let used = used(network, recipe);
        let Shown { seen, truth } = shown;
        let seen = autodiff(self.on_device(seen));
        let Output { logits, .. } = match self.convolutions {
            Convolutions::Bfloat16 => used.forward_in_bfloat16(seen),
            _ => used.forward(seen),
        };
        let loss = loss_of(&used, logits.clone(), truth, recipe);
        let gradients = GradientsParams::from_grads(loss.backward(), network);
        Ok(Step { loss, logits, gradients })
    }

    /// A step in which burn differentiates the dense layers, the penalty and how
    /// kernels are made of weights, and our own convolutions themselves.
    fn step_with_own_convolutions(
        &self,
        network: &Cnn,
        stack: &mut dyn ConvStack,
        shown: Shown<'_>,
        draw: u64,
        recipe: &Recipe,
    ) -> Result<Step, TrainingError> {
        let used = used(network, recipe);
        give_weights(stack, &used)?;
        let device = self.device.clone().autodiff();
        let clips = shown.seen.batch.len();
        let maps = stack.forward(clips, &self.on_host(&shown.seen), Some(draw));
        let [channels, height, width] = stack.shape();
        let maps = TensorData::new(maps, [clips, channels, height, width]);
        let maps = Tensor::<4>::from_data(maps, &device).require_grad();
        let logits = used.head(maps.clone()).logits;
        let loss = loss_of(&used, logits.clone(), shown.truth, recipe);
        let gradients = loss.backward();
        let of_maps = maps.grad(&gradients).map_or_else(|| Ok(Vec::new()), read)?;
        let mut gradients = GradientsParams::from_grads(gradients, network);
        let of_blocks = stack.backward(clips, &of_maps, true);

        for (index, (conv, BlockGradient { kernel, bias })) in
            network.convolutions().iter().zip(of_blocks).enumerate()
        {
            let kernel = TensorData::new(kernel, conv.weight.dims());
            let mut of_weight = Tensor::<4>::from_data(kernel, self.device);
            if recipe.beyond.standardised && index > 0 {
                // On a tape of its own: the loss has used up that of the weights.
                let weight = Tensor::<4>::from_inner(conv.weight.val().inner()).require_grad();
                let of_kernel = (standardised(weight.clone()) * Tensor::from_inner(of_weight.clone())).sum();
                of_weight = weight.grad(&of_kernel.backward()).unwrap_or(of_weight);
            }
            // What the penalty has to say is there already.
            if let Some(of_penalty) = gradients.remove::<4>(conv.weight.id) {
                of_weight = of_weight + of_penalty;
            }
            gradients.register(conv.weight.id, of_weight);
            if let Some(parameter) = &conv.bias {
                let length = bias.len();
                let of_bias = Tensor::<1>::from_data(TensorData::new(bias, [length]), self.device);
                gradients.register(parameter.id, of_bias);
            }
        }
        Ok(Step { loss, logits, gradients })
    }
}

/// A training where it stands, on the device.
struct Learner {
    card: ModelCard,
    state: State,
    network: Cnn,
    /// The mean of the weights, where the recipe has one.
    average: Option<Cnn>,
    /// The weights of the best epoch so far.
    best: Option<Weights>,
    optimizer: ModuleOptimizer,
}

impl Learner {
    /// From a checkpoint onto a device without autodiff.
    fn new(start: Checkpoint, device: &Device) -> Result<Self, TrainingError> {
        let Checkpoint { state, now, average, best, optimiser } = start;
        let card = now.card().clone();
        let with_gradients = device.clone().autodiff();
        let network = number(card.network.init(&with_gradients)?.load(&now, &with_gradients)?);
        let average = match average {
            Some(average) => Some(card.network.init(device)?.load(&average, device)?),
            None => (state.recipe.beyond.averaging > 0.0).then(|| network.valid()),
        };
        let mut optimizer = optimiser_of(&state.recipe, device);
        if !optimiser.is_empty() {
            optimizer = optimizer
                .from_bytes(Bytes::from_bytes_vec(optimiser))
                .map_err(|error| TrainingError::Optimiser(error.to_string()))?;
        }
        Ok(Self { card, state, network, average, best, optimizer })
    }

    /// A step further, of so many in an epoch.
    fn stepped(mut self, gradients: GradientsParams, steps: usize) -> Self {
        let recipe = &self.state.recipe;
        let all_steps = self.state.epoch * steps + self.state.step;
        let learning_rate = recipe.learning_rate_at(all_steps, steps);
        self.network = self.optimizer.step(learning_rate, self.network, gradients);
        self.average = self.average.map(|average| {
            // The first steps are soon forgotten.
            let soon = (all_steps + 1) as f64 / (all_steps + 10) as f64;
            averaged(average, &self.network.valid(), recipe.beyond.averaging.min(soon))
        });
        self.state.step += 1;
        self
    }

    /// The network whose kernels are made of the weights of the moment, or of their mean.
    fn used(&self) -> Cnn {
        match &self.average {
            Some(average) => used(average, &self.state.recipe),
            None => used(&self.network.valid(), &self.state.recipe),
        }
    }

    /// Goes on to the next epoch, with what this one came to: `judged` on validation are the
    /// weights of `used`, which are kept where no epoch before was better.
    fn end_epoch(
        &mut self,
        used: &Cnn,
        judged: Running,
        seconds: f64,
        refitted: bool,
    ) -> Result<Epoch, TrainingError> {
        let state = &mut self.state;
        let result = Epoch {
            train_loss: state.running.mean_loss(),
            train_accuracy: state.running.accuracy(),
            validation_loss: judged.mean_loss(),
            validation_accuracy: judged.accuracy(),
            seconds,
        };
        let by_accuracy = state.recipe.beyond.by_accuracy;
        // What has been learned from chooses nothing.
        let is_better =
            |best: Best| refitted || result.is_better_than(&state.history[best.epoch], by_accuracy);
        if state.best.is_none_or(is_better) {
            state.best = Some(Best { epoch: state.epoch, validation_loss: result.validation_loss });
            self.best = Some(used.weights(&self.card)?);
        }
        state.history.push(result);
        (state.epoch, state.step, state.running, state.epoch_seconds) =
            (state.epoch + 1, 0, Running::default(), 0.0);
        Ok(result)
    }

    fn checkpoint(&self) -> Result<Checkpoint, TrainingError> {
        let optimiser = self.optimizer.into_bytes();
        Ok(Checkpoint {
            state: self.state.clone(),
            now: self.network.weights(&self.card)?,
            average: self.average.as_ref().map(|average| average.weights(&self.card)).transpose()?,
            best: self.best.clone(),
            optimiser: optimiser.map_err(|error| TrainingError::Device(error.to_string()))?.to_vec(),
        })
    }
}

/// Whether what computes there is the processor, which need not be waited for.
fn is_processor(device: &Device) -> bool {
    #[cfg(feature = "ndarray")]
    #[allow(deprecated, reason = "to be timed beside its successor")]
    if *device == Device::ndarray() {
        return true;
    }
    *device == Device::flex()
}

/// Our own convolutions, where they compute.
type Stack = Option<Box<dyn ConvStack>>;

/// What a step computes before the optimiser moves the weights.
struct Step {
    loss: Tensor<1>,
    logits: Tensor<2>,
    gradients: GradientsParams,
}

/// Cross-entropy, and Keras's penalty where there is one.
fn loss_of(network: &Cnn, logits: Tensor<2>, truth: Truth, recipe: &Recipe) -> Tensor<1> {
    let device = logits.device();
    let loss = match truth {
        Truth::Genres(genres) => {
            CrossEntropyLossConfig::new().init(&device).forward(logits, genres.to_device(&device))
        }
        Truth::Shares(shares) => {
            let shares = shares.to_device(&device);
            (log_softmax(logits, 1) * shares).sum_dim(1).mean().neg()
        }
    };
    let Recipe { l2, penalised, .. } = recipe;
    if *l2 > 0.0 { loss + squared_kernels(network, *penalised, &device) * *l2 } else { loss }
}

/// Gives our own convolutions the network's weights of the moment.
fn give_weights(stack: &mut dyn ConvStack, network: &Cnn) -> Result<(), TrainingError> {
    let weights = network.convolutions().iter().map(|conv| {
        let bias = conv.bias.as_ref().map_or_else(|| Ok(Vec::new()), |bias| read(bias.val().inner()))?;
        Ok((read(conv.weight.val().inner())?, bias))
    });
    stack.set_weights(weights.collect::<Result<_, TrainingError>>()?);
    Ok(())
}

/// How many clips are judged at once: whoever has no room for more in a step has none here.
fn judged_together(recipe: &Recipe) -> usize {
    JUDGED_TOGETHER.min(recipe.batch_size)
}

/// Whole batches of `clips`, two where there are as many, and what is left over at their end. An
/// optimiser's first step is another program than those that follow.
fn of_each_length(clips: &[usize], batch_size: usize) -> impl Iterator<Item = &[usize]> {
    let batches = clips.chunks_exact(batch_size);
    let rest = batches.remainder();
    batches.take(2).chain((!rest.is_empty()).then_some(rest))
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
    let waited = state.best.map_or(0, |best| state.epoch.saturating_sub(best.epoch.saturating_add(1)));
    state.epoch >= state.recipe.epochs || state.recipe.patience.is_some_and(|patience| waited >= patience)
}

/// A tensor of the device without autodiff, on that with it.
fn autodiff(tensor: Tensor<4>) -> Tensor<4> {
    Tensor::from_inner(tensor)
}

fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, TrainingError> {
    let device = |error: String| TrainingError::Device(error);
    let data = tensor.try_into_data().map_err(|error| device(error.to_string()))?;
    data.try_into_vec().map_err(|error| device(error.to_string()))
}

#[cfg(test)]
mod tests;
