//! What a training was worth, for people.
//!
//! In: the [`RunResult`](result::RunResult) of each run and what its network made
//! of the test clips. Out: figures as SVG, one table of all the [`paper`]'s
//! experiments beside ours, and for the page the same as data: the
//! [`experiments`], and a map of the test clips.

pub mod experiments;
pub mod palette;
pub mod paper;
pub mod result;

#[cfg(feature = "training")]
pub mod confusion;
#[cfg(feature = "training")]
pub mod curves;
#[cfg(feature = "training")]
pub mod embeddings;
#[cfg(feature = "training")]
pub mod figure;
#[cfg(feature = "training")]
pub mod map;
#[cfg(feature = "training")]
pub mod principal;
#[cfg(feature = "training")]
pub mod table;
#[cfg(feature = "training")]
pub mod tsne;
