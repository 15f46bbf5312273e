//! File bytes or a microphone to mono samples at the model's rate, in clips.
//!
//! The files stand in the order of the data:
//!
//! 1. [`song`]: what is said of a song, with or without a decoder
//! 2. `source`: the bytes of a file, with `headers` that tell the truth
//! 3. `demux`: the bytes to the packets of one audio track, and the tags; `au`
//!    for the one container that symphonia does not know
//! 4. `decode`: packets to mono blocks at the file's own rate, with silence for what `gap`
//!    finds lost
//! 5. `packets`: packets for a decoder that is not ours
//! 6. `resample`: blocks from one rate to another
//! 7. `clips`: blocks to clips
//!
//! [`wav`] goes the other way, from samples to a file.

pub mod song;
pub mod wav;

#[cfg(feature = "sound")]
mod aac;
#[cfg(feature = "sound")]
mod au;
#[cfg(feature = "sound")]
pub mod clips;
#[cfg(feature = "sound")]
pub mod decode;
#[cfg(feature = "sound")]
mod demux;
#[cfg(feature = "sound")]
mod gap;
#[cfg(feature = "sound")]
mod headers;
#[cfg(feature = "sound")]
pub mod packets;
#[cfg(feature = "sound")]
pub mod resample;
#[cfg(feature = "sound")]
mod source;

#[cfg(feature = "sound")]
pub use symphonia::core::io::MediaSource;
