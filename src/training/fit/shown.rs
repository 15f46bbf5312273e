//! What a step is shown, and what it should say of it.
//!
//! In: a batch of clips, an augmenter, teachers. Out: what the network sees, drawn while the
//! step before runs, and the [`Truth`] that its logits are held against.

use std::{
    borrow::Cow,
    sync::mpsc::{Receiver, sync_channel},
    thread::{Builder, Scope},
};

use burn::tensor::{Int, Tensor, TensorData, activation::softmax};

use super::{Job, Stack, TrainingError};
use crate::{
    network::{cnn::Cnn, weights::Weights},
    training::{
        augment::{Augmenter, Batch, Cells},
        inputs::pictures,
        recipe::Recipe,
    },
};

/// What a step learns from.
pub(super) struct Shown<'a> {
    pub(super) seen: Seen<'a>,
    pub(super) truth: Truth,
}

/// Clips, and what the network sees of them.
#[derive(Clone)]
pub(super) struct Seen<'a> {
    pub(super) batch: &'a [usize],
    pub(super) sight: Sight,
}

/// A network that is listened to while another learns.
pub(super) struct Teacher {
    network: Cnn,
    stack: Stack,
    /// `[channels, height, width]` of its input.
    shape: [usize; 3],
}

/// What draws the clips of a step, where the recipe changes them.
pub(super) struct Eyes<'a> {
    /// For the network that learns.
    own: Option<&'a Augmenter<'a>>,
    /// For each teacher that is shown anything else.
    of_teachers: Vec<Option<Augmenter<'a>>>,
}

/// What was drawn for a step.
pub(super) struct Drawn {
    own: Batch,
    of_teachers: Vec<Option<Batch>>,
}

impl Eyes<'_> {
    pub(super) fn draw(&self, batch: &[usize], draw: u64) -> Option<Drawn> {
        let of_teacher = |eyes: &Option<Augmenter<'_>>| eyes.as_ref().map(|eyes| eyes.batch(batch, draw));
        let own = self.own?.batch(batch, draw);
        Some(Drawn { own, of_teachers: self.of_teachers.iter().map(of_teacher).collect() })
    }
}

/// Draws the steps of an epoch from `first` on, each while one before it runs, so that a
/// GPU does not wait for them. Ends with who receives them; says nothing where the system
/// has no thread for it.
pub(super) fn draw_ahead<'scope>(
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
pub(super) enum Sight {
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
pub(super) enum Truth {
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
    pub(super) fn shares(self, classes: usize) -> Tensor<2> {
        match self {
            Self::Genres(genres) => genres.one_hot(classes).float(),
            Self::Shares(shares) => shares,
        }
    }
}

impl Job<'_> {
    /// What a step learns from: the clips, or what was drawn in their place, and what
    /// they are said to be.
    pub(super) fn show<'b>(
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
    pub(super) fn teacher(&self, weights: &Weights) -> Result<Teacher, TrainingError> {
        let card = weights.card();
        let network = card.network.init(self.device)?.load(weights, self.device)?;
        Ok(Teacher { network, stack: self.stack(&card.network), shape: card.network.input })
    }

    /// What draws clips, if the recipe says so: for the network, and for teachers that are
    /// shown them in another way.
    pub(super) fn eyes(&self, teachers: &[Weights], clear: bool) -> Result<Eyes<'_>, TrainingError> {
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
    pub(super) fn on_device(&self, Seen { batch, sight }: Seen<'_>) -> Tensor<4> {
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
    pub(super) fn on_host<'b>(&self, Seen { batch, sight }: &'b Seen<'_>) -> Cow<'b, [f32]> {
        match sight {
            Sight::Clips => Cow::Owned(self.inputs.host_batch(batch)),
            Sight::Drawn { cells, .. } => cells.values(),
        }
    }
}
