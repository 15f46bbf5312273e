//! Samples to decibels to picture, as librosa and matplotlib do it.

pub mod config;
