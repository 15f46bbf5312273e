//! Samples to decibels to picture, as librosa and matplotlib do it.
//!
//! In: the mono samples of one clip. Out, each from the one before: mel power
//! ([`MelSpectrogram::power`]), decibels ([`decibel::power_to_db`]), the
//! network's picture ([`picture::Picture::indices`]); and, from the mel power,
//! the columns that a page draws ([`MelSpectrogram::columns`]).
//!
//! Reference: librosa's `feature.melspectrogram` and `power_to_db`, held to by
//! `tests/golden.rs`.

pub mod config;
pub mod picture;
pub mod texture;
pub mod viridis;

#[cfg(feature = "sound")]
pub mod columns;
#[cfg(feature = "sound")]
pub mod decibel;
#[cfg(feature = "sound")]
pub mod mel;
#[cfg(feature = "sound")]
mod spectrum;
#[cfg(feature = "sound")]
pub mod stft;

#[cfg(feature = "sound")]
pub use spectrum::MelSpectrogram;
