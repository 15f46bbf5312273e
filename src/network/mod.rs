//! The networks: the paper's twelve rows as data, the builder that makes burn
//! modules of them, their weights and the card that comes with these.

pub mod card;
pub mod experiment;
pub mod problem;

#[cfg(feature = "inference")]
pub mod cnn;
#[cfg(feature = "training")]
pub(crate) mod stack;
#[cfg(feature = "training")]
pub mod tiles;
#[cfg(feature = "inference")]
pub mod weights;
#[cfg(feature = "inference")]
pub mod winograd;
