//! Recordings with known genres, to train on and to judge by.
//!
//! In: a folder of folders of sound, or an archive made of one. Out: an
//! [`MelArchive`](archive::MelArchive) in memory, its clips, and a
//! [`Split`](split::Split) of them into training, validation and test.

pub mod choice;

#[cfg(feature = "training")]
pub mod archive;
#[cfg(feature = "training")]
pub mod split;
