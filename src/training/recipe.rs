//! How a network is trained: every number of it.
//!
//! In: a row of the paper. Out: the paper's [`Recipe`] for it, or ours.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::network::experiment::Experiment;

/// How the learning rate moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// It stays.
    #[default]
    Constant,
    /// It falls from its value to none along half a cosine over all epochs, step
    /// by step, after a linear rise over the first 5 % of them (I. Loshchilov and
    /// F. Hutter, "SGDR", ICLR 2017).
    Cosine,
}

/// What a training is done with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// `paper`, `best`, or what a person calls it.
    pub name: String,
    /// Adam's learning rate. Its other numbers are Keras's: β₁ 0.9, β₂ 0.999,
    /// ε 10⁻⁷.
    pub learning_rate: f64,
    /// How it moves.
    pub schedule: Schedule,
    /// Clips in a step.
    pub batch_size: usize,
    /// Epochs at most.
    pub epochs: usize,
    /// Epochs without a better one, by validation loss or as `by_accuracy` says, after which
    /// training stops.
    pub patience: Option<usize>,
    /// Times the sum of squared kernels (biases not) is added to the loss, as
    /// Keras's `l2` does.
    pub l2: f64,
    /// Which kernels these are.
    #[serde(default, skip_serializing_if = "Penalised::is_default")]
    pub penalised: Penalised,
    /// What the paper's recipe has nothing of.
    #[serde(default, skip_serializing_if = "Beyond::is_nothing")]
    pub beyond: Beyond,
}

/// Which layers have the L2 penalty. The paper says "the hidden layers".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Penalised {
    /// All of them: convolutions, hidden dense layers and the last one.
    #[default]
    All,
    /// Convolutions and hidden dense layers, not the last one.
    AllButLast,
    /// The hidden dense layers alone.
    Hidden,
}

impl Penalised {
    /// Whether the weights of this name, as a file has them, are kernels that it means.
    pub fn has(self, name: &str) -> bool {
        name.ends_with(".weight")
            && match self {
                Self::All => true,
                Self::AllButLast => !name.starts_with("logits"),
                Self::Hidden => name.starts_with("dense"),
            }
    }

    /// What the name of a recipe of which this was changed calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::AllButLast => "all but last",
            Self::Hidden => "hidden",
        }
    }

    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What the field has found since, each off by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Beyond {
    /// Share of a weight that a step takes away, times the learning rate (I.
    /// Loshchilov and F. Hutter, "Decoupled Weight Decay Regularization", 2019).
    pub weight_decay: f64,
    /// Whether the kernels of all blocks but the first are used with mean 0 and
    /// standard deviation 2 / √(channels · side²), filter by filter (S. Qiao et
    /// al., "Weight Standardization", 2019): what batch normalisation does for
    /// training, and nothing of it is left in the weights.
    pub standardised: bool,
    /// How much of the mean of the weights a step keeps; the mean is what is
    /// judged and kept. 0 for the weights themselves.
    pub averaging: f64,
    /// Share of the truth that is given to all genres alike.
    pub label_smoothing: f64,
    /// Share of the truth, smoothed or not, that is what other networks say of the
    /// same clip, the mean of their probabilities (G. Hinton et al., "Distilling the
    /// Knowledge in a Neural Network", 2015); they are shown what the network is
    /// shown (L. Beyer et al., "Knowledge distillation: A good teacher is patient and
    /// consistent", CVPR 2022), but for `clear_teachers`. 0 for none.
    pub distillation: f64,
    /// Whether teachers are shown the clip before equaliser, room, noise, telephone,
    /// codec, masks and blanks, so that the network learns to say through them what they say
    /// without (after Q. Xie et al., "Self-training with Noisy Student improves
    /// `ImageNet` classification", CVPR 2020).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub clear_teachers: bool,
    /// Whether the weights that are kept are those of the epoch that is right about most
    /// validation clips, not those with the least loss there: late in a training the loss
    /// rises by a confidence that a temperature takes back, while more and more is right.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub by_accuracy: bool,
    /// How clips are changed before they are learned from. Even with every
    /// strength at 0 they then begin anywhere in the stretch of training clips
    /// around them.
    pub augmentation: Option<Augmentation>,
}

impl Beyond {
    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// How strongly clips are changed: see `augment`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augmentation {
    /// Both parameters of the Beta distribution of mixup's share; 0 for none.
    pub mixup: f64,
    /// Natural logarithm of the largest change of speed; where a clip has no
    /// neighbours to learn from, as in archives with centred frames, it can only
    /// become slower.
    pub stretch: f32,
    /// Mel bands that a clip is moved up or down at most.
    pub shift: f32,
    /// Decibels of each of the equaliser's three waves at most.
    pub equaliser: f32,
    /// How often there is the echo of a room.
    pub room: f64,
    /// How uneven a room is at most: the standard deviation, in decibels, of what it
    /// adds to each band; half as much to each cell, for what is played on one
    /// frequency and then on another.
    pub colour: f32,
    /// How often there is noise.
    pub noise: f64,
    /// How often the ends of the spectrum are lost.
    pub telephone: f64,
    /// How often nothing is left above a frequency, as where a codec sampled more
    /// slowly.
    pub codec: f64,
    /// How often all of this is done to one clip, room, noise, telephone and codec,
    /// as by a phone that records what is played.
    pub phone: f64,
    /// How many bands and stretches of time are masked.
    pub masks: usize,
    /// How often one of an input's two channels is blank, the other alone to be
    /// relied on.
    pub blank: f64,
}

impl Augmentation {
    /// The same clips and mixtures with nothing between the song and the ear.
    pub fn clear(self) -> Self {
        let Self { mixup, stretch, shift, .. } = self;
        Self { mixup, stretch, shift, ..Self::default() }
    }
}

/// Why a recipe cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the recipe's {setting} is {value}: it must be {bound}")]
pub struct RecipeError {
    setting: &'static str,
    value: String,
    bound: String,
}

impl Recipe {
    /// What the paper says of a row. The learning rate it does not say: Keras's
    /// default is 10⁻³.
    pub fn paper(experiment: &Experiment) -> Self {
        Self {
            name: "paper".into(),
            learning_rate: 1e-3,
            schedule: Schedule::Constant,
            batch_size: 64,
            epochs: experiment.epochs,
            patience: experiment.patience,
            l2: experiment.l2,
            penalised: Penalised::All,
            beyond: Beyond::default(),
        }
    }

    /// Ours for the same network and the same clips: at 10⁻³ the deep rows, which
    /// have no normalisation, can stay for hundreds of steps where all genres are
    /// equally probable.
    pub fn plain(experiment: &Experiment) -> Self {
        Self {
            name: "plain".into(),
            learning_rate: 5e-4,
            schedule: Schedule::Cosine,
            epochs: 24,
            patience: None,
            ..Self::paper(experiment)
        }
    }

    /// Our best for the same network. It knows its clips by heart after twenty
    /// epochs of them, so they begin elsewhere in every one, a little faster or slower.
    /// Nothing else is changed: it learns slowly enough, having no normalisation.
    pub fn best(experiment: &Experiment) -> Self {
        Self {
            name: "best".into(),
            epochs: 50,
            beyond: Beyond {
                averaging: 0.998,
                by_accuracy: true,
                augmentation: Some(Augmentation { stretch: 0.05, ..Augmentation::default() }),
                ..Beyond::default()
            },
            ..Self::plain(experiment)
        }
    }

    /// Refuses what cannot be followed.
    ///
    /// # Errors
    /// [`RecipeError`] with the first setting that is out of range.
    pub fn validate(&self) -> Result<(), RecipeError> {
        let error = |setting, value: &dyn fmt::Display, bound: &str| {
            Err(RecipeError { setting, value: value.to_string(), bound: bound.into() })
        };
        if !(self.learning_rate > 0.0 && self.learning_rate <= 1.0) {
            return error("learning rate", &self.learning_rate, "above 0 and at most 1");
        }
        if !(1..=4096).contains(&self.batch_size) {
            return error("batch size", &self.batch_size, "from 1 to 4096");
        }
        if !(1..=100_000).contains(&self.epochs) {
            return error("number of epochs", &self.epochs, "from 1 to 100000");
        }
        if self.patience == Some(0) {
            return error("patience", &0, "at least 1");
        }
        if !(self.l2 >= 0.0 && self.l2 <= 1.0) {
            return error("L2 factor", &self.l2, "from 0 to 1");
        }
        let Beyond {
            weight_decay, standardised, averaging, label_smoothing, distillation, augmentation, ..
        } = self.beyond;
        if standardised && self.l2 > 0.0 {
            return error(
                "L2 factor",
                &self.l2,
                "0 where kernels are standardised: weight_decay is for them",
            );
        }
        let Augmentation {
            mixup,
            stretch,
            shift,
            equaliser,
            room,
            colour,
            noise,
            telephone,
            codec,
            phone,
            masks,
            blank,
        } = augmentation.unwrap_or_default();
        for (setting, value, most) in [
            ("weight decay", weight_decay, 10.0),
            ("averaging", averaging, 0.999_999),
            ("label smoothing", label_smoothing, 0.999),
            ("distillation", distillation, 1.0),
            ("mixup", mixup, 100.0),
            ("stretch", f64::from(stretch), 1.0),
            ("shift", f64::from(shift), 64.0),
            ("equaliser", f64::from(equaliser), 60.0),
            ("share of rooms", room, 1.0),
            ("colour of rooms", f64::from(colour), 20.0),
            ("share of noise", noise, 1.0),
            ("share of telephones", telephone, 1.0),
            ("share of codecs", codec, 1.0),
            ("share of phones", phone, 1.0),
            ("number of masks", masks as f64, 16.0),
            ("share of blank channels", blank, 1.0),
        ] {
            if !(value >= 0.0 && value <= most) {
                return error(setting, &value, &format!("from 0 to {most}"));
            }
        }
        if colour > 0.0 && room == 0.0 && phone == 0.0 {
            return error("colour of rooms", &colour, "0 where no clip is heard in a room");
        }
        Ok(())
    }

    /// The learning rate of a step, counted over all epochs of `steps` each.
    pub fn learning_rate_at(&self, step: usize, steps: usize) -> f64 {
        match self.schedule {
            Schedule::Constant => self.learning_rate,
            Schedule::Cosine => {
                let all = (self.epochs * steps).max(1) as f64;
                let (done, rise) = (step as f64 / all, 0.05);
                if done < rise {
                    return self.learning_rate * ((step as f64 + 1.0) / (rise * all)).min(1.0);
                }
                let fall = (done - rise) / (1.0 - rise);
                self.learning_rate * 0.5 * (1.0 + (std::f64::consts::PI * fall.min(1.0)).cos())
            }
        }
    }
}

/// Everything that was set, for the model's card.
impl fmt::Display for Recipe {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, learning_rate, schedule, batch_size, epochs, patience, l2, penalised, beyond } =
            self;
        let optimiser = if beyond.weight_decay > 0.0 { "AdamW" } else { "Adam" };
        let schedule = match schedule {
            Schedule::Constant => "constant",
            Schedule::Cosine => "cosine",
        };
        write!(
            formatter,
            "{name}: {optimiser}, learning rate {learning_rate}, {schedule}, batch {batch_size}, at most \
             {epochs} epochs"
        )?;
        if let Some(patience) = patience {
            write!(formatter, ", patience {patience}")?;
        }
        if *l2 > 0.0 {
            write!(formatter, ", L2 {l2}")?;
            formatter.write_str(match penalised {
                Penalised::All => "",
                Penalised::AllButLast => " of all but the last layer",
                Penalised::Hidden => " of hidden dense layers",
            })?;
        }
        if beyond.weight_decay > 0.0 {
            write!(formatter, ", weight decay {}", beyond.weight_decay)?;
        }
        if beyond.standardised {
            write!(formatter, ", standardised kernels")?;
        }
        if beyond.averaging > 0.0 {
            write!(formatter, ", mean of weights {}", beyond.averaging)?;
        }
        if beyond.label_smoothing > 0.0 {
            write!(formatter, ", label smoothing {}", beyond.label_smoothing)?;
        }
        if beyond.distillation > 0.0 {
            write!(formatter, ", distillation {}", beyond.distillation)?;
            if beyond.clear_teachers {
                write!(formatter, " (teachers hear clearly)")?;
            }
        }
        if let Some(augmentation) = beyond.augmentation {
            let Augmentation {
                mixup,
                stretch,
                shift,
                equaliser,
                room,
                colour,
                noise,
                telephone,
                codec,
                phone,
                masks,
                blank,
            } = augmentation;
            write!(formatter, ", clips from elsewhere in the song")?;
            let changes = [
                (mixup > 0.0, format!("mixup {mixup}")),
                (stretch > 0.0, format!("speed ±{stretch}")),
                (shift > 0.0, format!("shift ±{shift} bands")),
                (equaliser > 0.0, format!("equaliser ±{equaliser} dB")),
                (room > 0.0, format!("room {room}")),
                (noise > 0.0, format!("noise {noise}")),
                (telephone > 0.0, format!("telephone {telephone}")),
                (masks > 0, format!("{masks} masks")),
                (colour > 0.0, format!("rooms uneven by {colour} dB")),
                (codec > 0.0, format!("codec {codec}")),
                (phone > 0.0, format!("all of a phone {phone}")),
                (blank > 0.0, format!("a channel blank {blank}")),
            ];
            for (_, change) in changes.iter().filter(|(is_made, _)| *is_made) {
                write!(formatter, ", {change}")?;
            }
        }
        if beyond.by_accuracy {
            write!(formatter, ", the epoch with most clips right")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::experiment::experiment;

    #[test]
    fn the_learning_rate_rises_and_falls() {
        let recipe = Recipe { epochs: 10, ..Recipe::plain(&experiment("8").unwrap()) };
        let at = |step| recipe.learning_rate_at(step, 100) / recipe.learning_rate;
        // A twentieth of 1000 steps to rise, half a cosine over the others.
        let near = |step, share: f64| assert!((at(step) - share).abs() < 1e-9, "{step}: {}", at(step));
        near(0, 0.02);
        near(24, 0.5);
        near(50, 1.0);
        near(525, 0.5);
        near(1000, 0.0);
        assert!((50..1000).all(|step| at(step + 1) < at(step)));
        let constant = Recipe::paper(&experiment("8").unwrap());
        assert!([0, 999].iter().all(|&step| constant.learning_rate_at(step, 100) == 1e-3));
    }

    #[test]
    fn a_penalty_is_on_the_kernels_it_names() {
        let names = ["conv0.weight", "conv0.bias", "dense0.weight", "dense0.bias", "logits.weight"];
        let of = |penalised: Penalised| names.map(|name| penalised.has(name));
        assert_eq!(of(Penalised::All), [true, false, true, false, true]);
        assert_eq!(of(Penalised::AllButLast), [true, false, true, false, false]);
        assert_eq!(of(Penalised::Hidden), [false, false, true, false, false]);

        // What was written before there was a choice is read and written as it was.
        let recipe = Recipe::paper(&experiment("4R").unwrap());
        let json = serde_json::to_string(&recipe).unwrap();
        assert!(!json.contains("penalised"), "{json}");
        assert_eq!(serde_json::from_str::<Recipe>(&json).unwrap(), recipe);
        for (penalised, said) in [
            (Penalised::AllButLast, "L2 0.003 of all but the last layer"),
            (Penalised::Hidden, "L2 0.003 of hidden dense layers"),
        ] {
            let recipe = Recipe { penalised, ..recipe.clone() };
            let again = serde_json::from_str(&serde_json::to_string(&recipe).unwrap());
            assert_eq!(again.ok(), Some(recipe.clone()));
            assert!(recipe.to_string().ends_with(said), "{recipe}");
        }
    }

    #[test]
    fn a_recipe_says_what_it_does_and_nothing_else() {
        let row = experiment("8").unwrap();
        assert_eq!(
            Recipe::paper(&row).to_string(),
            "paper: Adam, learning rate 0.001, constant, batch 64, at most 200 epochs, patience 3"
        );
        assert_eq!(
            Recipe::best(&row).to_string(),
            "best: Adam, learning rate 0.0005, cosine, batch 64, at most 50 epochs, mean of weights 0.998, \
             clips from elsewhere in the song, speed ±0.05, the epoch with most clips right"
        );
    }
}
