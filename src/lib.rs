//! Needledrop listens to a song and says its genre.
//!
//! The modules stand in the order of the data; each knows those above it and
//! none below:
//!
//! 1. [`sound`]: file bytes or a microphone to mono samples in 3-s clips
//! 2. [`spectrogram`]: a clip to its log-mel spectrogram and viridis picture
//! 3. [`network`]: the picture to logits and an embedding
//! 4. [`classify`]: logits to a verdict on the clip and on the song
//! 5. [`teaching`]: classes of a person's own, on the same convolutions
//! 6. [`engine`]: the workers that do this for the page
//! 7. `library`: what is kept of the songs, and what can be made of it
//! 8. `page`: what a person sees
//!
//! Beside them, where weights come from:
//!
//! 1. [`dataset`]: recordings with known genres, and which of them judge
//! 2. [`training`]: clips and genres to weights
//! 3. [`report`]: what these scored, as JSON, figures and a table
//!
//! And below them all what several of them use: `files`, [`interval`], `letters`, `order`.

pub mod classify;
pub mod dataset;
pub mod engine;
#[cfg(feature = "dataset")]
pub mod files;
pub mod interval;
mod letters;
#[cfg(feature = "page")]
pub mod library;
pub mod network;
mod order;
#[cfg(feature = "page")]
pub mod page;
pub mod report;
pub mod sound;
pub mod spectrogram;
pub mod teaching;
pub mod training;
