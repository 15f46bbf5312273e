//! From logits to what is said about a song: a [`verdict`] for each clip and
//! for the song, what is no music [refused](rejection), its place on the [`map`] of known clips, and the
//! [`classifier`](classifier::Classifier) that makes them from samples.
//!
//! How it comes to that: [`stage`], every stage of a clip's way, and
//! [`occlusion`], which part of the clip spoke for a genre; `inspection` asks the
//! classifier for both.

pub mod map;
pub mod occlusion;
pub mod stage;
pub mod verdict;

#[cfg(feature = "inference")]
pub mod rejection;

#[cfg(all(feature = "sound", feature = "inference"))]
pub mod classifier;
#[cfg(all(feature = "sound", feature = "inference"))]
pub mod inspection;
