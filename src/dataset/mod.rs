//! Recordings with known genres, to train on and to judge by.
//!
//! In: a folder of folders of sound, or an archive made of one. Out: an
//! [`MelArchive`](archive::MelArchive) in memory, its clips, and a
//! [`Split`](split::Split) of them into training, validation and test.
//!
//! The files stand in the order of the data:
//!
//! 1. [`folders`]: which recordings there are, and their genres
//! 2. [`prepare`]: recordings to an archive
//! 3. [`archive`]: the archive, its file and its clips
//! 4. [`split`]: which clips are for what
//! 5. [`artists`]: whose they are

pub mod choice;

#[cfg(feature = "dataset")]
pub mod archive;
#[cfg(feature = "dataset")]
pub mod artists;
#[cfg(feature = "dataset")]
pub mod folders;
#[cfg(feature = "dataset")]
pub mod prepare;
#[cfg(feature = "dataset")]
pub mod split;
