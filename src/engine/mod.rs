//! The loop that serves the page: workers, what they are asked, and who gets
//! which clip.

pub mod pool;
pub mod protocol;

#[cfg(all(feature = "engine", target_arch = "wasm32"))]
pub mod device;
#[cfg(all(feature = "engine", target_arch = "wasm32"))]
pub mod serve;
