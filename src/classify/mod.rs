//! From logits to what is said about a song: a [`verdict`] for each clip and
//! for the song, and the [`classifier`](classifier::Classifier) that makes
//! them from samples.

pub mod verdict;

#[cfg(all(feature = "sound", feature = "inference"))]
pub mod classifier;
