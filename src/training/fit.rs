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

use std::{
    borrow::Cow,
    collections::VecDeque,
    sync::mpsc::{Receiver, sync_channel},
    thread::{Builder, Scope},
    time::{Duration, Instant},
};

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId},
    nn::loss::CrossEntropyLossConfig,
    optim::{AdamConfig, AdamWConfig, GradientsParams, ModuleOptimizer},
    tensor::{
        Bytes, Device, ElementConversion, Int, Tensor, TensorData,
        activation::{log_softmax, softmax},
    },
};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{
    augment::{Augmenter, Batch, Cells},
    checkpoint::{Checkpoint, CheckpointError, State},
    history::Epoch,
    inputs::{Inputs, pictures},
    recipe::{Penalised, Recipe, RecipeError},
};
use crate::{
    dataset::split::{Part, Split},
    network::{
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
        let Checkpoint { mut state, now, average, mut best, optimiser } = start;
        let recipe = state.recipe.clone();
        recipe.validate()?;
        if recipe.beyond.augmentation.is_some() != self.augmenter.is_some() {
            return Err(TrainingError::Augmenter);
        }
        if (recipe.beyond.distillation > 0.0) == self.teachers.is_empty() {
            return Err(TrainingError::Teachers);
        }
        let card = now.card().clone();
        let device = self.device.clone().autodiff();
        let mut network = number(card.network.init(&device)?.load(&now, &device)?);
        let mut average = match average {
            Some(average) => Some(card.network.init(self.device)?.load(&average, self.device)?),
            None => (recipe.beyond.averaging > 0.0).then(|| network.valid()),
        };
        let mut optimizer = optimiser_of(&recipe);
        if !optimiser.is_empty() {
            optimizer = optimizer
                .from_bytes(Bytes::from_bytes_vec(optimiser))
                .map_err(|error| TrainingError::Optimiser(error.to_string()))?;
        }
        let mut stack = self.stack(&card.network);
        let mut teachers =
            self.teachers.iter().map(|teacher| self.teacher(teacher)).collect::<Result<Vec<_>, _>>()?;
        let eyes = self.eyes(self.teachers, recipe.beyond.clear_teachers)?;
        let on_processor = device == Device::flex();
        #[cfg(feature = "ndarray")]
        #[allow(deprecated, reason = "to be timed beside its successor")]
        let on_processor = on_processor || device == Device::ndarray();
        let between_looks = if on_processor { 1 } else { STEPS_BETWEEN_LOOKS };

        std::thread::scope(|scope| -> Result<Checkpoint, TrainingError> {
            while !is_over(&state) {
                let mut order = self.split.part(Part::Train).to_vec();
                order.shuffle(&mut ChaCha8Rng::seed_from_u64(mix([state.seed, state.epoch as u64, ORDER])));
                let batches: Vec<&[usize]> = order.chunks(recipe.batch_size).collect();
                let started = Instant::now();
                let before = state.epoch_seconds;
                let mut look = Look::new(&device);
                let (seed, epoch) = (state.seed, state.epoch as u64);
                let draw_of = move |step: usize| mix([seed, epoch, step as u64]);
                let ahead = self.augmenter.as_ref().map(|_| {
                    draw_ahead(scope, &eyes, (order.clone(), recipe.batch_size), state.step, draw_of)
                });

                while let Some(batch) = batches.get(state.step) {
                    let draw = draw_of(state.step);
                    let drawn = match ahead.as_ref().map(Receiver::recv) {
                        Some(Ok(drawn)) => drawn,
                        _ => eyes.draw(batch, draw),
                    };
                    let shown = self.show(batch, drawn, &recipe, &mut teachers)?;
                    let Step { loss, logits, gradients } =
                        self.step(&network, &mut stack, shown, draw, &recipe)?;
                    look.add(&loss, logits, self.inputs.genres(batch), batch.len());
                    let all_steps = state.epoch * batches.len() + state.step;
                    let learning_rate = recipe.learning_rate_at(all_steps, batches.len());
                    network = optimizer.step(learning_rate, network, gradients);
                    state.step += 1;
                    average = average.map(|average| {
                        // The first steps are soon forgotten.
                        let soon = (all_steps + 1) as f64 / (all_steps + 10) as f64;
                        averaged(average, &network.valid(), recipe.beyond.averaging.min(soon))
                    });

                    if state.step.is_multiple_of(between_looks) || state.step == batches.len() {
                        state.running = look.take(state.running, &state)?;
                        state.epoch_seconds = before + started.elapsed().as_secs_f64();
                        let (epoch, step, running) = (state.epoch, state.step, state.running);
                        let control =
                            observer(Progress::Steps { epoch, step, steps: batches.len(), running });
                        if control != Control::Continue {
                            let checkpoint = Checkpoint {
                                state: state.clone(),
                                now: network.weights(&card)?,
                                average: average
                                    .as_ref()
                                    .map(|average| average.weights(&card))
                                    .transpose()?,
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

                let used = match &average {
                    Some(average) => used(average, &recipe),
                    None => used(&network.valid(), &recipe),
                };
                let held_out = self.split.part(Part::Validation).chunks(judged_together(&recipe));
                let judged = self.judge(&used, &mut stack, held_out, &recipe)?;
                if !judged.loss.is_finite() {
                    let (epoch, step) = (state.epoch + 1, batches.len());
                    return Err(TrainingError::Diverged { epoch, step, loss: judged.loss as f32 });
                }
                let result = Epoch {
                    train_loss: state.running.mean_loss(),
                    train_accuracy: state.running.accuracy(),
                    validation_loss: judged.mean_loss(),
                    validation_accuracy: judged.accuracy(),
                    seconds: before + started.elapsed().as_secs_f64(),
                };
                let now = network.weights(&card)?;
                // What has been learned from chooses nothing.
                let is_better = |best: Best| {
                    self.split.refitted
                        || result.is_better_than(&state.history[best.epoch], recipe.beyond.by_accuracy)
                };
                if state.best.is_none_or(is_better) {
                    state.best = Some(Best { epoch: state.epoch, validation_loss: result.validation_loss });
                    best = Some(used.weights(&card)?);
                }
                state.history.push(result);
                let epoch = state.epoch;
                (state.epoch, state.step, state.running, state.epoch_seconds) =
                    (epoch + 1, 0, Running::default(), 0.0);
                let checkpoint = Checkpoint {
                    state: state.clone(),
                    now,
                    average: average.as_ref().map(|average| average.weights(&card)).transpose()?,
                    best: best.clone(),
                    optimiser: record(&optimizer)?,
                };
                save(&checkpoint)?;
                if observer(Progress::Epoch { epoch, result: &result }) == Control::Stop || is_over(&state) {
                    return Ok(checkpoint);
                }
            }
            let average = average.as_ref().map(|average| average.weights(&card)).transpose()?;
            Ok(Checkpoint { state, now, average, best, optimiser: record(&optimizer)? })
        })
    }

    /// Has a device that compiles and tunes its programs when they are first needed do so:
    /// steps and judgements of batches of each length that an epoch has. Nothing of them is kept.
    ///
    /// # Errors
    /// [`TrainingError`], as [`Self::fit`] would.
    pub fn warm_up(&self, start: &Checkpoint) -> Result<Duration, TrainingError> {
        let began = Instant::now();
        let Checkpoint { state: State { recipe, .. }, now, .. } = start;
        let card = now.card();
        let device = self.device.clone().autodiff();
        let mut network = number(card.network.init(&device)?.load(now, &device)?);
        let mut optimizer = optimiser_of(recipe);
        let mut stack = self.stack(&card.network);
        let mut teachers =
            self.teachers.iter().map(|teacher| self.teacher(teacher)).collect::<Result<Vec<_>, _>>()?;
        let eyes = self.eyes(self.teachers, recipe.beyond.clear_teachers)?;
        let mut look = Look::new(&device);
        for batch in of_each_length(self.split.part(Part::Train), recipe.batch_size) {
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
        self.judge(&used, &mut stack, held_out, recipe)?;
        Ok(began.elapsed())
    }

    /// What a step learns from: the clips, or what was drawn in their place, and what
    /// they are said to be.
    fn show<'b>(
        &self,
        batch: &'b [usize],
        drawn: Option<Drawn>,
        recipe: &Recipe,
        teachers: &mut [Teacher],
    ) -> Result<Shown<'b>, TrainingError> {
        let (sight, shares, of_teachers) = match drawn {
            Some(Drawn { own: Batch { cells, shares }, of_teachers }) => {
                (Sight::Drawn { cells, shape: self.inputs.shape() }, Some(shares), of_teachers)
            }
            None => (Sight::Clips, None, Vec::new()),
        };
        let truth = match shares {
            Some(shares) => {
                let shares = TensorData::new(shares, [batch.len(), self.inputs.classes()]);
                Truth::Shares(Tensor::from_data(shares, self.device))
            }
            None => Truth::Genres(self.inputs.genres(batch)),
        };
        let classes = self.inputs.classes();
        let mut truth = truth.smoothed(recipe.beyond.label_smoothing, classes);
        let seen = Seen { batch, sight };
        if let Some(said) = self.said_by(teachers, &seen, of_teachers)? {
            truth = truth.mixed(said, recipe.beyond.distillation, classes);
        }
        Ok(Shown { seen, truth })
    }

    /// A network that was trained before.
    fn teacher(&self, weights: &Weights) -> Result<Teacher, TrainingError> {
        let card = weights.card();
        let network = card.network.init(self.device)?.load(weights, self.device)?;
        Ok(Teacher { network, stack: self.stack(&card.network), shape: card.network.input })
    }

    /// What draws clips, if the recipe says so: for the network, and for teachers that are
    /// shown them in another way.
    fn eyes(&self, teachers: &[Weights], clear: bool) -> Result<Eyes<'_>, TrainingError> {
        let of_teacher = |teacher: &Weights| {
            let input = teacher.card().input;
            Ok(match &self.augmenter {
                Some(augmenter) if clear => Some(augmenter.clear().with_input(input)),
                Some(augmenter) if augmenter.input() != input => Some(augmenter.with_input(input)),
                None if input != self.inputs.input() => return Err(TrainingError::TeachersInput),
                _ => None,
            })
        };
        let of_teachers = teachers.iter().map(of_teacher).collect::<Result<_, _>>()?;
        Ok(Eyes { own: self.augmenter.as_ref(), of_teachers })
    }

    /// The mean of what the teachers say of what the network sees, each shown it as
    /// its input is, `[batch, classes]`; `None` where nobody teaches.
    ///
    /// A calibration has no part in it: it is fitted to weights later, and again, and a
    /// training that goes on would learn from other words than before.
    fn said_by(
        &self,
        teachers: &mut [Teacher],
        seen: &Seen<'_>,
        drawn: Vec<Option<Batch>>,
    ) -> Result<Option<Tensor<2>>, TrainingError> {
        let count = teachers.len();
        let mut sum: Option<Tensor<2>> = None;
        let drawn = drawn.into_iter().chain(std::iter::repeat_with(|| None));
        for (Teacher { network, stack, shape }, drawn) in teachers.iter_mut().zip(drawn) {
            let logits = match drawn {
                None => self.forward(network, stack, seen)?.logits,
                Some(Batch { cells, .. }) => {
                    let sight = Sight::Drawn { cells, shape: *shape };
                    self.forward(network, stack, &Seen { batch: seen.batch, sight })?.logits
                }
            };
            let said = softmax(logits, 1);
            sum = Some(match sum {
                Some(sum) => sum + said,
                None => said,
            });
        }
        Ok(sum.map(|sum| sum / count as f64))
    }

    /// `[batch, channels, height, width]`.
    fn on_device(&self, Seen { batch, sight }: Seen<'_>) -> Tensor<4> {
        match sight {
            Sight::Clips => self.inputs.batch(batch),
            Sight::Drawn { cells, shape: [channels, height, width] } => match cells {
                Cells::Colours(colours) => pictures(&colours, [height, width], self.device),
                Cells::Values(values) => {
                    let values = TensorData::new(values, [batch.len(), height, width, channels]);
                    Tensor::<4>::from_data(values, self.device).permute([0, 3, 1, 2])
                }
            },
        }
    }

    /// `[batch, height, width, channels]`.
    fn on_host<'b>(&self, Seen { batch, sight }: &'b Seen<'_>) -> Cow<'b, [f32]> {
        match sight {
            Sight::Clips => Cow::Owned(self.inputs.host_batch(batch)),
            Sight::Drawn { cells, .. } => cells.values(),
        }
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

/// Our own convolutions, where they compute.
type Stack = Option<Box<dyn ConvStack>>;

/// What a step learns from.
struct Shown<'a> {
    seen: Seen<'a>,
    truth: Truth,
}

/// Clips, and what the network sees of them.
#[derive(Clone)]
struct Seen<'a> {
    batch: &'a [usize],
    sight: Sight,
}

/// A network that is listened to while another learns.
struct Teacher {
    network: Cnn,
    stack: Stack,
    /// `[channels, height, width]` of its input.
    shape: [usize; 3],
}

/// What draws the clips of a step, where the recipe changes them.
struct Eyes<'a> {
    /// For the network that learns.
    own: Option<&'a Augmenter<'a>>,
    /// For each teacher that is shown anything else.
    of_teachers: Vec<Option<Augmenter<'a>>>,
}

/// What was drawn for a step.
struct Drawn {
    own: Batch,
    of_teachers: Vec<Option<Batch>>,
}

impl Eyes<'_> {
    fn draw(&self, batch: &[usize], draw: u64) -> Option<Drawn> {
        let of_teacher = |eyes: &Option<Augmenter<'_>>| eyes.as_ref().map(|eyes| eyes.batch(batch, draw));
        let own = self.own?.batch(batch, draw);
        Some(Drawn { own, of_teachers: self.of_teachers.iter().map(of_teacher).collect() })
    }
}

/// Draws the steps of an epoch from `first` on, each while one before it runs, so that a
/// GPU does not wait for them. Ends with who receives them; says nothing where the system
/// has no thread for it.
fn draw_ahead<'scope>(
    scope: &'scope Scope<'scope, '_>,
    eyes: &'scope Eyes<'_>,
    (order, batch_size): (Vec<usize>, usize),
    first: usize,
    draw_of: impl Fn(usize) -> u64 + Send + 'scope,
) -> Receiver<Option<Drawn>> {
    let (sender, receiver) = sync_channel(1);
    let draws = move || {
        for (step, batch) in order.chunks(batch_size).enumerate().skip(first) {
            if sender.send(eyes.draw(batch, draw_of(step))).is_err() {
                break;
            }
        }
    };
    // Without it the receiver hears that nobody sends.
    let _ = Builder::new().name("draws".into()).spawn_scoped(scope, draws);
    receiver
}

/// What the network sees of a batch.
#[derive(Clone)]
enum Sight {
    /// The clips.
    Clips,
    /// What was drawn in their place.
    Drawn {
        /// As they were drawn.
        cells: Cells,
        /// `[channels, height, width]`.
        shape: [usize; 3],
    },
}

/// What the network should say of a batch.
enum Truth {
    /// `[batch]`.
    Genres(Tensor<1, Int>),
    /// How much of each, `[batch, classes]`.
    Shares(Tensor<2>),
}

impl Truth {
    /// Gives a share of the truth to all genres alike.
    fn smoothed(self, share: f64, classes: usize) -> Self {
        if share == 0.0 {
            return self;
        }
        Self::Shares(self.shares(classes) * (1.0 - share) + share / classes as f64)
    }

    /// Gives a share of the truth to what others say, `[batch, classes]`.
    fn mixed(self, said: Tensor<2>, share: f64, classes: usize) -> Self {
        Self::Shares(self.shares(classes) * (1.0 - share) + said * share)
    }

    /// How much of each genre, `[batch, classes]`.
    fn shares(self, classes: usize) -> Tensor<2> {
        match self {
            Self::Genres(genres) => genres.one_hot(classes).float(),
            Self::Shares(shares) => shares,
        }
    }
}

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

/// Adam with Keras's ε, or AdamW.
fn optimiser_of(recipe: &Recipe) -> ModuleOptimizer {
    match recipe.beyond.weight_decay {
        0.0 => AdamConfig::new().with_epsilon(1e-7).init(),
        decay => AdamWConfig::new().with_epsilon(1e-7).with_weight_decay(decay as f32).init(),
    }
}

/// The network whose kernels are made of these weights, as the recipe says.
fn used(network: &Cnn, recipe: &Recipe) -> Cnn {
    struct Standardise {
        kernels: usize,
    }
    impl ModuleMapper for Standardise {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let (id, weight, mapper) = param.consume();
            self.kernels += usize::from(D == 4);
            let weight = if D == 4 && self.kernels > 1 { standardised(weight) } else { weight };
            Param::from_mapped_value(id, weight, mapper)
        }
    }
    let network = network.clone();
    if recipe.beyond.standardised { network.map(&mut Standardise { kernels: 0 }) } else { network }
}

/// Kernels `[filters, inputs, height, width]` with mean 0 and standard deviation
/// [`GAIN`] / √(inputs · height · width), each filter by itself. Not for the
/// first block, which sees by its kernels' sums how loud a place is.
fn standardised<const D: usize>(weight: Tensor<D>) -> Tensor<D> {
    let dims = weight.dims();
    let cells = dims[1..].iter().product::<usize>();
    let rows = weight.reshape([dims[0], cells]);
    let centred = rows.clone() - rows.mean_dim(1);
    let deviation = (centred.clone().powi_scalar(2).mean_dim(1) + LEAST_VARIANCE).sqrt();
    (centred / deviation * (GAIN / (cells as f64).sqrt())).reshape(dims)
}

/// Standard deviation of what a standardised filter makes of an input of
/// deviation 1: about what ReLU and pool take away again.
const GAIN: f64 = 2.0;
/// Added to a variance before its root.
const LEAST_VARIANCE: f64 = 1e-10;

/// `keep` of the mean so far and the rest of the weights of the moment.
fn averaged(average: Cnn, network: &Cnn, keep: f64) -> Cnn {
    struct Collect(VecDeque<Tensor<1>>);
    impl ModuleVisitor for Collect {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.push_back(param.val().reshape([-1]));
        }
    }
    struct Mix(VecDeque<Tensor<1>>, f64);
    impl ModuleMapper for Mix {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let (id, mean, mapper) = param.consume();
            let mixed = match self.0.pop_front() {
                Some(now) => now.reshape(mean.dims()) * (1.0 - self.1) + mean * self.1,
                None => mean,
            };
            Param::from_mapped_value(id, mixed, mapper)
        }
    }
    let mut now = Collect(VecDeque::new());
    network.visit(&mut now);
    average.map(&mut Mix(now.0, keep))
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

fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, TrainingError> {
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
fn squared_kernels(network: &Cnn, penalised: Penalised, device: &Device) -> Tensor<1> {
    struct Squares(Tensor<1>);
    impl ModuleVisitor for Squares {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if D > 1 {
                self.0 = self.0.clone() + param.val().powi_scalar(2).sum();
            }
        }
    }
    let mut squares = Squares(Tensor::zeros([1], device));
    match penalised {
        Penalised::All => network.visit(&mut squares),
        Penalised::Hidden => network.hidden().iter().for_each(|layer| layer.visit(&mut squares)),
    }
    squares.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        classify::verdict,
        dataset::archive::{Clip, Item, MelArchive, Track},
        network::{
            card::{Input, ModelCard},
            experiment::{ConvBlock, NetworkSpec, Padding, Pooling},
        },
        spectrogram::config::SpectrogramConfig,
        training::{
            initial::glorot_uniform,
            recipe::{Augmentation, Beyond, Penalised, Recipe, Schedule},
            small_card,
        },
    };

    const BANDS: usize = 26;
    const FRAMES: usize = 31;
    /// Numbers that look drawn.
    fn noise(index: usize) -> u8 {
        (mix([index as u64, 0, 0]) >> 56) as u8
    }

    /// Two genres, one loud below and one above, in noise.
    fn archive(tracks: usize) -> MelArchive {
        let spectrogram = SpectrogramConfig {
            n_mels: BANDS,
            hop_length: 2205,
            center: false,
            ..SpectrogramConfig::default()
        };
        let frames = 10 * (FRAMES - 1);
        let cell = |at: usize| {
            let (track, band) = (at / (BANDS * frames), at / frames % BANDS);
            let loud = if (track % 2 == 0) == (band < BANDS / 2) { 128 } else { 0 };
            loud + noise(at) / 2
        };
        MelArchive::new(
            vec!["high".into(), "low".into()],
            (0..tracks).map(|track| Track { name: format!("{track}"), genre: track % 2 }).collect(),
            spectrogram,
            (0..tracks).map(|track| Item { track, frames }).collect(),
            (0..tracks * BANDS * frames).map(cell).collect(),
        )
        .unwrap()
    }

    /// What is tried.
    #[derive(Clone, Copy, PartialEq)]
    enum Kind {
        /// The paper's: kernels of both sizes on maps of few tiles.
        Paper,
        /// Other pools, and a map of more tiles than are transformed together.
        Large,
        /// The spectrogram itself, with all that a recipe may have beyond the paper's.
        Beyond,
    }

    fn card(archive: &MelArchive, dropout: f64, kind: Kind) -> ModelCard {
        let block = |filters, kernel, padding| ConvBlock { filters, kernel, padding, pool: [2, 2], dropout };
        let input = match kind {
            Kind::Paper => Input::Viridis { height: BANDS, width: FRAMES },
            Kind::Large => Input::Viridis { height: 47, width: 70 },
            Kind::Beyond => Input::CentredLogMel { deviation: 10.0 },
        };
        let (blocks, pooling) = if kind == Kind::Large {
            let blocks = vec![
                ConvBlock { pool: [2, 1], ..block(16, 3, Padding::Same) },
                ConvBlock { pool: [1, 2], ..block(16, 5, Padding::Valid) },
                ConvBlock { pool: [3, 1], ..block(16, 3, Padding::Same) },
            ];
            (blocks, Pooling::Statistics)
        } else {
            let blocks =
                vec![block(16, 5, Padding::Same), block(32, 3, Padding::Valid), block(16, 5, Padding::Same)];
            (blocks, Pooling::Flatten)
        };
        let shape = input.shape(&archive.spectrogram);
        let network = NetworkSpec { input: shape, blocks, pooling, dense: vec![8], classes: 2 };
        small_card(archive, input, network)
    }

    fn recipe(epochs: usize) -> Recipe {
        Recipe {
            name: "test".into(),
            learning_rate: 1e-3,
            schedule: Schedule::Cosine,
            batch_size: 8,
            epochs,
            patience: None,
            l2: 1e-4,
            penalised: Penalised::All,
            beyond: Beyond::default(),
        }
    }

    /// Everything beyond the paper's recipe.
    fn beyond() -> Beyond {
        Beyond {
            weight_decay: 0.01,
            standardised: true,
            averaging: 0.9,
            label_smoothing: 0.1,
            distillation: 0.0,
            clear_teachers: false,
            by_accuracy: true,
            augmentation: Some(Augmentation {
                mixup: 0.3,
                stretch: 0.1,
                shift: 2.0,
                equaliser: 3.0,
                room: 0.5,
                noise: 0.5,
                colour: 3.0,
                telephone: 0.5,
                // Where a codec left nothing, kernels of mean 0 and biases of 0 make a zero
                // whose sign is chance: ReLU's gradient there cannot be compared.
                codec: 0.0,
                phone: 0.0,
                masks: 1,
                blank: 0.3,
            }),
        }
    }

    /// The data on the processor.
    fn with_job<R>(
        dropout: f64,
        kind: Kind,
        convolutions: Convolutions,
        run: impl FnOnce(&Job<'_>, ModelCard, &[Clip]) -> R,
    ) -> R {
        let archive = archive(20);
        let clips = archive.clips(3.0);
        let split = Split::over_clips(&archive, &clips, 3).unwrap();
        let card = card(&archive, dropout, kind);
        let device = Device::flex();
        let inputs = Inputs::new(&archive, &clips, &card, &device);
        let augmenter = beyond()
            .augmentation
            .filter(|_| kind == Kind::Beyond)
            .map(|strength| Augmenter::new(&archive, &clips, &split, &card, strength));
        let job =
            Job { inputs: &inputs, split: &split, device: &device, convolutions, augmenter, teachers: &[] };
        run(&job, card, &clips)
    }

    /// What the network is shown in a step, where nobody teaches.
    fn drawn(job: &Job<'_>, batch: &[usize], draw: u64) -> Option<Drawn> {
        job.eyes(&[], false).unwrap().draw(batch, draw)
    }

    #[test]
    fn our_own_convolutions_have_the_gradients_of_burns() {
        let kinds = [Kind::Paper, Kind::Large, Kind::Beyond];
        // What is left to a factor of 8 bits, for which another cell may win a pool.
        let tiles = |unit| (Convolutions::Tiles(unit), 1e-2, 0.15);
        let units = MatrixUnit::new().into_iter().chain([MatrixUnit::Plain]).map(tiles);
        let ways: Vec<_> = [(Convolutions::Filtering, 1e-5, 1e-4)].into_iter().chain(units).collect();
        for (kind, &(convolutions, of_loss, of_gradient)) in
            kinds.into_iter().flat_map(|kind| ways.iter().map(move |way| (kind, way)))
        {
            with_job(0.0, kind, convolutions, |job, card, _| {
                let weights = glorot_uniform(card.clone(), 5).unwrap();
                let device = job.device.clone().autodiff();
                let network = number(card.network.init(&device).unwrap().load(&weights, &device).unwrap());
                let batch = &job.split.part(Part::Train)[..11];
                let beyond = if kind == Kind::Beyond { beyond() } else { Beyond::default() };
                for l2 in [0.0, 0.01] {
                    let recipe = Recipe { l2, beyond, ..recipe(1) };
                    let mut stack = job.stack(&card.network).unwrap();
                    let shown = job.show(batch, drawn(job, batch, 0), &recipe, &mut []).unwrap();
                    let mut own =
                        job.step_with_own_convolutions(&network, &mut *stack, shown, 0, &recipe).unwrap();
                    let shown = job.show(batch, drawn(job, batch, 0), &recipe, &mut []).unwrap();
                    let used = used(&network, &recipe);
                    let logits = used.forward(autodiff(job.on_device(shown.seen))).logits;
                    let loss = loss_of(&used, logits.clone(), shown.truth, &recipe);
                    let mut burns = GradientsParams::from_grads(loss.backward(), &network);
                    assert!((own.loss.into_scalar::<f32>() - loss.into_scalar::<f32>()).abs() < of_loss);

                    struct Compare<'a>(&'a mut GradientsParams, &'a mut GradientsParams, usize, f32);
                    impl ModuleVisitor for Compare<'_> {
                        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                            let own = read(self.0.remove::<D>(param.id).unwrap()).unwrap();
                            let burns = read(self.1.remove::<D>(param.id).unwrap()).unwrap();
                            let length =
                                |of: &mut dyn Iterator<Item = f32>| of.map(|x| x * x).sum::<f32>().sqrt();
                            let whole = length(&mut burns.iter().copied());
                            let difference = length(&mut own.iter().zip(&burns).map(|(a, b)| a - b));
                            assert!(whole > 0.0 && difference < self.3 * whole, "{difference} of {whole}");
                            self.2 += 1;
                        }
                    }
                    let mut compare = Compare(&mut own.gradients, &mut burns, 0, of_gradient);
                    network.visit(&mut compare);
                    assert_eq!(compare.2, 2 * (card.network.blocks.len() + 2));
                }
            });
        }
    }

    /// What is left to a factor of 8 bits: of the loss a hundredth, of a gradient a seventh, as
    /// on the matrix unit. Weights and gradients keep their 32 bits.
    #[test]
    fn convolutions_in_bfloat16_have_about_the_same_gradients() {
        for kind in [Kind::Paper, Kind::Large, Kind::Beyond] {
            let step = |convolutions| {
                with_job(0.0, kind, convolutions, |job, card, _| {
                    let weights = glorot_uniform(card.clone(), 5).unwrap();
                    let device = job.device.clone().autodiff();
                    let network =
                        number(card.network.init(&device).unwrap().load(&weights, &device).unwrap());
                    let batch = &job.split.part(Part::Train)[..11];
                    let beyond = if kind == Kind::Beyond { beyond() } else { Beyond::default() };
                    let recipe = Recipe { l2: 0.01, beyond, ..recipe(1) };
                    let shown = job.show(batch, drawn(job, batch, 0), &recipe, &mut []).unwrap();
                    let mut step = job.step(&network, &mut None, shown, 0, &recipe).unwrap();
                    let mut gradients = Vec::new();
                    struct Collect<'a>(&'a mut GradientsParams, &'a mut Vec<Vec<f32>>);
                    impl ModuleVisitor for Collect<'_> {
                        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                            // `read` takes nothing but 32 bits.
                            self.1.push(read(self.0.remove::<D>(param.id).unwrap()).unwrap());
                        }
                    }
                    network.visit(&mut Collect(&mut step.gradients, &mut gradients));
                    (step.loss.into_scalar::<f32>(), gradients)
                })
            };
            let (of_f32, of_bfloat16) = (step(Convolutions::Burn), step(Convolutions::Bfloat16));
            assert!(of_f32 != of_bfloat16, "nothing was rounded");
            assert!((of_f32.0 - of_bfloat16.0).abs() < 1e-2, "{} and {}", of_f32.0, of_bfloat16.0);
            for (exact, rounded) in of_f32.1.iter().zip(&of_bfloat16.1) {
                let length = |of: &mut dyn Iterator<Item = f32>| of.map(|x| x * x).sum::<f32>().sqrt();
                let whole = length(&mut exact.iter().copied());
                let difference = length(&mut exact.iter().zip(rounded).map(|(a, b)| a - b));
                assert!(whole > 0.0 && difference < 0.15 * whole, "{difference} of {whole}");
            }
        }
    }

    /// What a warm device computed before it began is nothing to the training.
    #[test]
    fn warming_up_changes_nothing() {
        with_job(0.0, Kind::Beyond, Convolutions::Burn, |job, card, _| {
            let start = || Checkpoint {
                state: State::new(Recipe { l2: 0.0, beyond: beyond(), ..recipe(1) }, 9, "test".into()),
                now: glorot_uniform(card.clone(), 9).unwrap(),
                average: None,
                best: None,
                optimiser: Vec::new(),
            };
            let cold = job.fit(start(), &mut |_| Ok(()), &mut |_| Control::Continue).unwrap();
            let start = start();
            assert!(job.warm_up(&start).unwrap() > Duration::ZERO);
            let warm = job.fit(start, &mut |_| Ok(()), &mut |_| Control::Continue).unwrap();
            assert_eq!((warm.now, warm.average, warm.best), (cold.now, cold.average, cold.best));
        });
        let lengths = |clips: usize, batch_size| -> Vec<usize> {
            let clips: Vec<usize> = (0..clips).collect();
            of_each_length(&clips, batch_size).map(<[usize]>::len).collect()
        };
        assert_eq!(lengths(330, 64), [64, 64, 10]);
        assert_eq!(lengths(128, 64), [64, 64]);
        assert_eq!(lengths(3, 64), [3]);
    }

    /// Keras's `l2(0.003)` adds 0.003 · Σ w² of kernels, not of biases, to the loss, and so
    /// 0.006 · w to their gradients.
    #[test]
    fn the_penalty_is_that_of_keras() {
        const L2: f64 = 0.003;
        /// Biases begin with 0, and would not show that they are left out.
        struct Lift;
        impl ModuleMapper for Lift {
            fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
                param.map(
                    |tensor| if D == 1 { tensor.add_scalar(0.5).detach().require_grad() } else { tensor },
                )
            }
        }
        /// Every parameter beside its gradient, both flat, and whether it is a kernel.
        struct Read(GradientsParams, Vec<(bool, Vec<f32>, Vec<f32>)>);
        impl ModuleVisitor for Read {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                let gradient = read(self.0.remove::<D>(param.id).unwrap()).unwrap();
                self.1.push((D > 1, read(param.val()).unwrap(), gradient));
            }
        }
        with_job(0.0, Kind::Paper, Convolutions::Burn, |job, card, _| {
            let weights = glorot_uniform(card.clone(), 5).unwrap();
            let device = job.device.clone().autodiff();
            let network = card.network.init(&device).unwrap().load(&weights, &device).unwrap();
            let network = number(network.map(&mut Lift));
            let batch = &job.split.part(Part::Train)[..3];
            let of = |l2: f64, penalised: Penalised| {
                let logits = network.forward(autodiff(job.inputs.batch(batch))).logits;
                let truth = Truth::Genres(job.inputs.genres(batch));
                let loss = loss_of(&network, logits, truth, &Recipe { l2, penalised, ..recipe(1) });
                let value = loss.clone().into_scalar::<f32>();
                let mut of_parameters =
                    Read(GradientsParams::from_grads(loss.backward(), &network), Vec::new());
                network.visit(&mut of_parameters);
                (f64::from(value), of_parameters.1)
            };
            let layers = card.network.blocks.len() + 2;
            let (without, before) = of(0.0, Penalised::All);
            assert_eq!(before.len(), 2 * layers);
            // Of the hidden dense layer alone: neither the convolutions nor the last.
            for (penalised, means) in
                [(Penalised::All, 0..layers), (Penalised::Hidden, layers - 2..layers - 1)]
            {
                let (with, after) = of(L2, penalised);
                let (mut squares, mut kernels) = (0.0, 0);
                for ((is_kernel, values, before), (_, _, after)) in before.iter().zip(&after) {
                    let has_penalty = *is_kernel && means.contains(&kernels);
                    kernels += usize::from(*is_kernel);
                    for ((value, before), after) in values.iter().zip(before).zip(after) {
                        let added = if has_penalty { 2.0 * L2 as f32 * value } else { 0.0 };
                        assert!((after - before - added).abs() < 1e-6, "{after} after {before}");
                        squares += if has_penalty { f64::from(*value).powi(2) } else { 0.0 };
                    }
                }
                assert_eq!(kernels, layers);
                let added = with - without;
                assert!((added - L2 * squares).abs() < 1e-4 * L2 * squares, "{added}, {}", L2 * squares);
            }
        });
    }

    #[test]
    fn host_and_device_are_shown_the_same_of_changed_clips() {
        // Pictures, mixed and not: by their values and by their colours.
        for (kind, mixup) in [(Kind::Paper, 0.3), (Kind::Paper, 0.0), (Kind::Beyond, 0.3)] {
            let archive = archive(20);
            let clips = archive.clips(3.0);
            let split = Split::over_clips(&archive, &clips, 3).unwrap();
            let card = card(&archive, 0.0, kind);
            let device = Device::flex();
            let inputs = Inputs::new(&archive, &clips, &card, &device);
            let strength = Augmentation { mixup, ..beyond().augmentation.unwrap() };
            let augmenter = Some(Augmenter::new(&archive, &clips, &split, &card, strength));
            let job = Job {
                inputs: &inputs,
                split: &split,
                device: &device,
                convolutions: Convolutions::Filtering,
                augmenter,
                teachers: &[],
            };
            let learned = &split.part(Part::Train)[..5];
            let recipe = Recipe { beyond: beyond(), ..recipe(1) };
            let Shown { seen, .. } = job.show(learned, drawn(&job, learned, 0), &recipe, &mut []).unwrap();
            let on_device = read(job.on_device(seen.clone()).permute([0, 2, 3, 1])).unwrap();
            assert_eq!(on_device, job.on_host(&seen).into_owned());
            let [channels, height, width] = inputs.shape();
            assert_eq!(on_device.len(), 5 * channels * height * width);
        }
    }

    /// What teachers say is what they say of the very clips that are shown, or of the
    /// same before anything was done to them, and counts as much as the recipe says; on
    /// host and device.
    #[test]
    fn teachers_are_heard_as_much_as_the_recipe_says() {
        let cases = [
            (Convolutions::Filtering, Kind::Beyond, false),
            (Convolutions::Filtering, Kind::Beyond, true),
            (Convolutions::Burn, Kind::Beyond, false),
            (Convolutions::Filtering, Kind::Paper, false),
        ];
        for (convolutions, kind, clear) in cases {
            with_job(0.3, kind, convolutions, |job, card, _| {
                // One of them with eyes of its own, where clips are drawn anew, and calibrated,
                // which is nothing to its pupil.
                let input = match kind {
                    Kind::Beyond => Input::LogMel { mean: -20.0, deviation: 10.0 },
                    _ => card.input,
                };
                let other = ModelCard { input, bias: vec![0.5, -0.25], ..card.clone() };
                let taught =
                    [(card.clone(), 3), (other, 4)].map(|(card, seed)| glorot_uniform(card, seed).unwrap());
                let mut teachers = taught.each_ref().map(|weights| job.teacher(weights).unwrap());
                let learned = &job.split.part(Part::Train)[..6];
                let beyond = if kind == Kind::Beyond { beyond() } else { Beyond::default() };
                let recipe =
                    |distillation| Recipe { l2: 0.0, beyond: Beyond { distillation, ..beyond }, ..recipe(1) };
                let shares = |truth: Truth| read(truth.shares(2)).unwrap();
                let Shown { truth, .. } =
                    job.show(learned, drawn(job, learned, 7), &recipe(0.0), &mut []).unwrap();
                let alone = shares(truth);
                let all_see = job.eyes(&taught, clear).unwrap().draw(learned, 7);
                let Shown { truth, .. } = job.show(learned, all_see, &recipe(0.7), &mut teachers).unwrap();
                let said: Vec<Vec<f32>> = taught
                    .iter()
                    .map(|weights| {
                        let eyes = job.augmenter.as_ref().map(|own| own.with_input(weights.card().input));
                        let eyes = if clear { eyes.map(|eyes| eyes.clear()) } else { eyes };
                        let drawn = |eyes: Augmenter<'_>| eyes.batch(learned, 7).cells;
                        let shape = card.network.input;
                        let seen = match eyes.map(drawn) {
                            Some(cells) => Seen { batch: learned, sight: Sight::Drawn { cells, shape } },
                            None => Seen { batch: learned, sight: Sight::Clips },
                        };
                        let network = card.network.init(job.device).unwrap().load(weights, job.device);
                        let logits = network.unwrap().forward(job.on_device(seen)).logits;
                        read(logits).unwrap().chunks_exact(2).flat_map(verdict::softmax).collect()
                    })
                    .collect();
                for (at, (share, alone)) in shares(truth).iter().zip(alone).enumerate() {
                    let expected = 0.3 * alone + 0.7 * (said[0][at] + said[1][at]) / 2.0;
                    assert!((share - expected).abs() < 1e-4, "{share} {expected}");
                }
                let start = Checkpoint {
                    state: State::new(recipe(0.7), 9, "test".into()),
                    now: taught[0].clone(),
                    average: None,
                    best: None,
                    optimiser: Vec::new(),
                };
                let nobody = job.fit(start, &mut |_| Ok(()), &mut |_| Control::Continue);
                assert!(matches!(nobody, Err(TrainingError::Teachers)), "{nobody:?}");
            });
        }
    }

    #[test]
    fn a_training_ends_with_its_epochs_or_its_patience() {
        let mut state = State::new(Recipe { patience: Some(2), ..recipe(10) }, 0, "test".into());
        let mut ends = |epoch, best: Option<usize>, patience| {
            state.recipe.patience = patience;
            (state.epoch, state.best) = (epoch, best.map(|epoch| Best { epoch, validation_loss: 1.0 }));
            is_over(&state)
        };
        assert!(!ends(0, None, Some(2)) && !ends(9, Some(8), Some(2)));
        assert!(ends(10, Some(9), Some(2)) && ends(10, Some(9), None));
        // Two epochs in which nothing became better.
        assert!(!ends(5, Some(3), Some(2)));
        assert!(ends(6, Some(3), Some(2)) && !ends(6, Some(3), None));
    }

    #[test]
    fn an_interrupted_training_ends_with_the_weights_of_one_that_was_not() {
        // burn draws a dropout from a state of the whole process, which other tests draw
        // from too: tests/training.rs has a process for it.
        for (convolutions, dropout, kind) in [
            (Convolutions::Filtering, 0.3, Kind::Paper),
            (Convolutions::Tiles(MatrixUnit::new().unwrap_or(MatrixUnit::Plain)), 0.3, Kind::Paper),
            (Convolutions::Burn, 0.0, Kind::Paper),
            (Convolutions::Filtering, 0.3, Kind::Beyond),
            (Convolutions::Burn, 0.0, Kind::Beyond),
        ] {
            with_job(dropout, kind, convolutions, |job, card, _| {
                let beyond = if kind == Kind::Beyond { beyond() } else { Beyond::default() };
                let l2 = if kind == Kind::Beyond { 0.0 } else { 1e-4 };
                let recipe = Recipe { l2, beyond, ..recipe(3) };
                let start = || Checkpoint {
                    state: State::new(recipe.clone(), 9, "test".into()),
                    now: glorot_uniform(card.clone(), 9).unwrap(),
                    average: None,
                    best: None,
                    optimiser: Vec::new(),
                };
                let whole = job.fit(start(), &mut |_| Ok(()), &mut |_| Control::Continue).unwrap();
                assert_eq!(whole.state.history.len(), 3);

                // Stopped at every look, and gone on from what lies on the disk.
                let folder = tempfile::tempdir().unwrap();
                let path = folder.path().join("checkpoint.safetensors");
                let mut parts = start();
                let mut stops = 0;
                while !is_over(&parts.state) {
                    job.fit(parts, &mut |checkpoint| checkpoint.save(&path), &mut |_| Control::Stop).unwrap();
                    parts = Checkpoint::load(&path).unwrap();
                    stops += 1;
                }
                assert!(stops > 6, "{stops}");
                assert_eq!(parts.now, whole.now);
                assert_eq!(parts.average, whole.average);
                assert_eq!(parts.average.is_some(), kind == Kind::Beyond);
                assert_eq!(parts.best, whole.best);
                for (part, whole) in parts.state.history.iter().zip(&whole.state.history) {
                    let timeless = |epoch: &Epoch| Epoch { seconds: 0.0, ..*epoch };
                    assert_eq!(timeless(part), timeless(whole));
                }
            });
        }
    }

    #[test]
    fn a_network_learns_what_can_be_learned() {
        with_job(0.1, Kind::Paper, Convolutions::Filtering, |job, card, clips| {
            let start = Checkpoint {
                state: State::new(recipe(8), 1, "test".into()),
                now: glorot_uniform(card, 1).unwrap(),
                average: None,
                best: None,
                optimiser: Vec::new(),
            };
            let end = job.fit(start, &mut |_| Ok(()), &mut |_| Control::Continue).unwrap();
            let last = end.state.history.last().unwrap();
            assert!(last.validation_accuracy > 0.9, "{last:?}");
            let said = job.predict(end.best.as_ref().unwrap(), Part::Test, &mut |_| {}).unwrap();
            let test = job.split.part(Part::Test);
            assert_eq!((said.logits.len(), said.embedding.len()), (2 * test.len(), 8 * test.len()));
            let right = said
                .logits
                .chunks(2)
                .zip(test)
                .filter(|(logits, clip)| usize::from(logits[1] > logits[0]) == clips[**clip].genre);
            assert!(right.count() * 10 > 9 * test.len());
        });
    }
}
