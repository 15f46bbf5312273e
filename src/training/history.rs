//! What is remembered of a training beside its weights.
//!
//! In: what the [loop](super::fit) and the command see. Out: plain records, in
//! checkpoint and result, that the page reads too.

use serde::{Deserialize, Serialize};

/// What an epoch came to, as Keras tells it: the training's numbers are means
/// over its steps, with dropout and augmentation on and the weights of the moment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Training loss, with the penalty.
    pub train_loss: f64,
    /// Training accuracy, 0 to 1.
    pub train_accuracy: f64,
    /// Validation loss, with the penalty.
    pub validation_loss: f64,
    /// Validation accuracy, 0 to 1.
    pub validation_accuracy: f64,
    /// How long it took, in seconds.
    pub seconds: f64,
}

impl Epoch {
    /// Whether its weights are rather to be kept than the other's: less validation loss,
    /// or more validation clips right and, of as many, less loss.
    pub fn is_better_than(&self, other: &Self, by_accuracy: bool) -> bool {
        if by_accuracy && self.validation_accuracy != other.validation_accuracy {
            return self.validation_accuracy > other.validation_accuracy;
        }
        self.validation_loss < other.validation_loss
    }
}

/// A finished training that another one builds on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Earlier {
    /// What it is to the other.
    pub role: Role,
    /// What its card calls it.
    pub name: String,
    /// Name of its recipe.
    pub recipe: String,
    /// SHA-256, in hexadecimal, of its weights as f32.
    pub weights: String,
    /// Epochs that it took.
    pub epochs: usize,
    /// Sum of their seconds.
    pub seconds: f64,
}

/// What an earlier training is to a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The later one began with its weights.
    BegunWith,
    /// The later one learned from what it says.
    Teacher,
}

/// One call of the command: with what, on what, when. A training that was
/// stopped and went on has several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// As it was typed, but of every path only the last name: where files lay is
    /// the machine's own business.
    pub command: String,
    /// `cpu`, `amx`, `flex`, `ndarray`, `cuda` or `wgpu`.
    pub device: String,
    /// Processor and, where one computed, GPU.
    pub machine: String,
    /// Whether convolutions were computed from factors rounded to bfloat16 because that was
    /// asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bf16: bool,
    /// Seconds that a GPU's programs took to be compiled and tuned before the first step; they
    /// are in no epoch's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_up_seconds: Option<f64>,
    /// Versions of what computed, by name.
    pub versions: Versions,
    /// Day it began, `YYYY-MM-DD`, UTC.
    pub date: String,
}

/// Versions of what computed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// This crate's.
    pub needledrop: String,
    /// burn's.
    pub burn: String,
}

/// The version of burn that Cargo.toml pins.
const BURN: &str = "0.22.1";

impl Versions {
    /// Of this build.
    pub fn of_this_build() -> Self {
        Self { needledrop: env!("CARGO_PKG_VERSION").into(), burn: BURN.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_burn_is_the_pinned_one() {
        let manifest = include_str!("../../Cargo.toml");
        assert!(manifest.contains(&format!("burn = {{ version = \"={BURN}\"")));
    }

    #[test]
    fn an_epoch_is_better_by_loss_or_by_accuracy() {
        let epoch = |validation_loss, validation_accuracy| Epoch {
            train_loss: 1.0,
            train_accuracy: 0.5,
            validation_loss,
            validation_accuracy,
            seconds: 1.0,
        };
        let (modest, sure) = (epoch(0.3, 0.8), epoch(0.4, 0.9));
        assert!(modest.is_better_than(&sure, false) && !sure.is_better_than(&modest, false));
        assert!(sure.is_better_than(&modest, true) && !modest.is_better_than(&sure, true));
        assert!(epoch(0.3, 0.9).is_better_than(&sure, true));
        assert!(!sure.is_better_than(&sure, true) && !sure.is_better_than(&sure, false));
    }
}
