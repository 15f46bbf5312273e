//! From clips with known genres to weights.
//!
//! In: a data set and its split, a network and a [`Recipe`](recipe::Recipe).
//! Out: the weights of the epoch with the least validation loss, the
//! [`history`] of the run, and what the network says of every clip.
//! A run that is stopped, or killed, goes on from its last
//! [`checkpoint`] to the same weights. [`evaluate`] says what they are worth.

pub mod history;
pub mod recipe;

#[cfg(feature = "training")]
pub mod augment;
#[cfg(feature = "training")]
pub mod checkpoint;
#[cfg(feature = "training")]
pub mod design;
#[cfg(feature = "training")]
pub mod device;
#[cfg(feature = "training")]
pub mod evaluate;
#[cfg(feature = "training")]
pub mod fit;
#[cfg(feature = "training")]
pub mod initial;
#[cfg(feature = "training")]
pub mod inputs;
