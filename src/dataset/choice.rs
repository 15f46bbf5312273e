//! Which split a run was trained and judged by, as it is written down.
//!
//! In: a [`Split`](super::split::Split). Out: a [`SplitChoice`], in every
//! checkpoint and every result, by which the split can be drawn again, and known
//! for the same.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Name of a split by lists of a person's own.
pub const LISTS: &str = "lists";
/// The same where clips of one track stand in two lists.
pub const LISTS_OVER_CLIPS: &str = "lists over clips";

/// A split, by name and by what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitChoice {
    /// `clips`, `tracks`, `filtered`, `lists`, or `lists over clips` where they tear
    /// tracks.
    pub name: String,
    /// What it was drawn with; `None` where nothing was drawn.
    pub seed: Option<u64>,
    /// How many clips each part has.
    pub clips: PartSizes,
    /// SHA-256, in hexadecimal, of each part's clips, by name of the track and
    /// position in it: another archive, other lists of names or another way to
    /// draw give another one.
    pub fingerprint: String,
    /// Whether the validation part is learned from as well: see
    /// [`Split::refitted`](super::split::Split::refitted).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refitted: bool,
}

/// Clips in each part of a split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartSizes {
    /// Learned from.
    pub train: usize,
    /// Chooses epoch, recipe and threshold.
    pub validation: usize,
    /// Judges, once.
    pub test: usize,
}

impl SplitChoice {
    /// Whether the two are drawn alike, though it be with other seeds; or are of the same
    /// lists.
    pub fn is_alike(&self, other: &Self) -> bool {
        let drawn = self.seed.is_some() && other.seed.is_some();
        (&self.name, self.refitted) == (&other.name, other.refitted)
            && (drawn || self.fingerprint == other.fingerprint)
    }

    /// Whether lists of a person's own say it.
    pub fn is_of_lists(&self) -> bool {
        [LISTS, LISTS_OVER_CLIPS].contains(&self.name.as_str())
    }
}

impl fmt::Display for SplitChoice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PartSizes { train, validation, test } = self.clips;
        let seed = self.seed.map_or("none".into(), |seed| seed.to_string());
        let refitted = if self.refitted { ", validation learned from" } else { "" };
        write!(formatter, "{} (seed {seed}; {train} / {validation} / {test} clips{refitted})", self.name)
    }
}
