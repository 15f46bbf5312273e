//! The loop that serves the page: workers, what they are asked, and who gets
//! which clip.
//!
//! [`protocol`], [`pool`] and its [`queries`] are the page's side and know no
//! browser; the rest runs in the workers:
//!
//! 1. `serve`: the loop of a worker, and what it does by its role
//! 2. `file`: a `File` as a stream of bytes, `browser_codec`: WebCodecs
//! 3. `decoder`: songs to clips, `microphone`: live sound to clips
//! 4. `adapter` and `device`: the GPU, `classifying`: clips to verdicts, there or
//!    on the processor, `teaching`: clips to a new model
//!
//! The engine is built twice: as `engine`, for the processor alone, and as `gpu`,
//! which has burn's shaders in place of the decoders and is fetched only where
//! there is an adapter for it.

pub mod pool;
pub mod protocol;
pub mod queries;

#[cfg(feature = "web")]
pub mod adapter;
#[cfg(all(feature = "engine", not(feature = "gpu"), target_arch = "wasm32"))]
mod browser_codec;
#[cfg(all(feature = "engine", target_arch = "wasm32"))]
mod classifying;
#[cfg(all(feature = "engine", not(feature = "gpu"), target_arch = "wasm32"))]
mod decoder;
#[cfg(all(feature = "gpu", target_arch = "wasm32"))]
mod device;
#[cfg(all(feature = "engine", not(feature = "gpu"), target_arch = "wasm32"))]
mod file;
#[cfg(all(feature = "engine", not(feature = "gpu"), target_arch = "wasm32"))]
mod microphone;
#[cfg(all(feature = "engine", target_arch = "wasm32"))]
pub mod serve;
#[cfg(all(feature = "engine", target_arch = "wasm32"))]
mod teaching;
#[cfg(all(feature = "engine", target_arch = "wasm32"))]
mod weights_file;
