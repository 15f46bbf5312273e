//! From clips with known genres to weights.
//!
//! In: a data set and its split, a network and a [`Recipe`](recipe::Recipe).
//! Out: the weights of the epoch with the least validation loss, the
//! [`History`](fit::Epoch) of the run, and what the network says of every clip.
//! A run that is stopped, or killed, goes on from its last
//! [`checkpoint`] to the same weights.

pub mod checkpoint;
pub mod device;
pub mod fit;
pub mod initial;
pub mod inputs;
pub mod recipe;
