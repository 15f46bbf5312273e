//! Why a file of weights is no model, as a code that a page can put into words.
//!
//! In: what the library says of it. Out: a [`ModelProblem`].

use serde::{Deserialize, Serialize};

use super::card::CardError;
#[cfg(feature = "inference")]
use super::weights::WeightsError;

/// What is wrong with a file of weights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum ModelProblem {
    /// Not safetensors at all, or cut off.
    #[error("it is not a whole safetensors file")]
    NotWhole,
    /// A safetensors file of something else.
    #[error("it has no model card")]
    NoCard,
    /// The card was written by another version of the format.
    #[error("its card has version {found}")]
    Version {
        /// What the card says.
        found: u32,
    },
    /// The card is refused.
    #[error("{detail}")]
    Card {
        /// Why, in English as the card itself is.
        detail: String,
    },
    /// The network that the card specifies has a tensor that the file lacks.
    #[error("the tensor `{tensor}` is missing")]
    Missing {
        /// Its name.
        tensor: String,
    },
    /// The file has a tensor that the network lacks.
    #[error("the tensor `{tensor}` does not belong to its network")]
    Unexpected {
        /// Its name.
        tensor: String,
    },
    /// A tensor of another shape.
    #[error("the tensor `{tensor}` has the shape {found:?}, not {expected:?}")]
    Shape {
        /// Its name.
        tensor: String,
        /// What the file has.
        found: Vec<usize>,
        /// What the network needs.
        expected: Vec<usize>,
    },
    /// Neither f32 nor f16.
    #[error("the tensor `{tensor}` has the type {found}")]
    Type {
        /// Its name.
        tensor: String,
        /// What the file has.
        found: String,
    },
    /// A weight that would make every answer NaN.
    #[error("the tensor `{tensor}` has values that are not finite")]
    NotFinite {
        /// Its name.
        tensor: String,
    },
    /// It is not there any more.
    #[error("it is gone")]
    Gone,
    /// No fault of the file's.
    #[error("{detail}")]
    Engine {
        /// What is known of it, in English.
        detail: String,
    },
}

impl From<CardError> for ModelProblem {
    fn from(error: CardError) -> Self {
        match error {
            CardError::Version { found } => Self::Version { found },
            error => Self::Card { detail: error.to_string() },
        }
    }
}

#[cfg(feature = "inference")]
impl From<WeightsError> for ModelProblem {
    fn from(error: WeightsError) -> Self {
        match error {
            WeightsError::File(_) => Self::NotWhole,
            WeightsError::NoCard => Self::NoCard,
            WeightsError::Card(error) => error.into(),
            WeightsError::Missing(tensor) => Self::Missing { tensor },
            WeightsError::Unexpected(tensor) => Self::Unexpected { tensor },
            WeightsError::Shape { name, found, expected } => Self::Shape { tensor: name, found, expected },
            WeightsError::Type { name, found } => Self::Type { tensor: name, found },
            WeightsError::NotFinite(tensor) | WeightsError::TooGreat(tensor) => Self::NotFinite { tensor },
            WeightsError::Device { .. } => Self::Engine { detail: error.to_string() },
        }
    }
}
