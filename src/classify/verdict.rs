//! What is said about a clip and about a song.
//!
//! In: the probabilities of each clip. Out: a [`ClipVerdict`] every clip and
//! one [`SongVerdict`], by the one rule that page, command line and trainer
//! share: the mean of the probabilities over the clips that are not silent.

use serde::{Deserialize, Serialize};

/// What the network said of one clip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClipVerdict {
    /// Position of the clip in the song, from 0.
    pub clip: usize,
    /// Probability of each genre, in the card's order, summing to 1; empty
    /// where the clip is silent.
    pub probabilities: Vec<f32>,
}

impl ClipVerdict {
    /// Whether the clip had no range of loudness at all, so that no network
    /// was asked.
    pub fn is_silent(&self) -> bool {
        self.probabilities.is_empty()
    }

    /// Index of the most probable genre; `None` for silence.
    pub fn top(&self) -> Option<usize> {
        argmax(&self.probabilities)
    }
}

/// What is said about a whole song.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum SongVerdict {
    /// No clip has been heard yet.
    Unheard,
    /// Every clip was silent.
    Silence,
    /// The mean of the clips' probabilities.
    Genre {
        /// Mean probability of each genre, in the card's order.
        probabilities: Vec<f32>,
    },
}

impl SongVerdict {
    /// Probability of each genre, empty where none was given.
    pub fn probabilities(&self) -> &[f32] {
        match self {
            Self::Genre { probabilities } => probabilities,
            Self::Unheard | Self::Silence => &[],
        }
    }

    /// Genres from the most to the least probable, as (index, probability).
    /// Equal probabilities keep the card's order.
    pub fn ranking(&self) -> Vec<(usize, f32)> {
        let mut ranking: Vec<_> = self.probabilities().iter().copied().enumerate().collect();
        ranking.sort_by(|a, b| b.1.total_cmp(&a.1));
        ranking
    }
}

/// The song's verdict as it grows clip by clip.
///
/// Sums are kept in f64, so that the order in which clips are answered, which
/// differs between one worker and four, moves the mean by less than an f32 can
/// show.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SongSum {
    sums: Vec<f64>,
    sounding: usize,
    silent: usize,
}

impl SongSum {
    /// Takes one clip in. A clip with another number of genres than the first
    /// is left out: it comes from another model.
    pub fn add(&mut self, clip: &ClipVerdict) {
        if clip.is_silent() {
            self.silent += 1;
            return;
        }
        if self.sums.is_empty() {
            self.sums = vec![0.0; clip.probabilities.len()];
        }
        if self.sums.len() != clip.probabilities.len() {
            return;
        }
        self.sounding += 1;
        for (sum, probability) in self.sums.iter_mut().zip(&clip.probabilities) {
            *sum += f64::from(*probability);
        }
    }

    /// Clips taken in so far, silent ones included.
    pub fn clips(&self) -> usize {
        self.sounding + self.silent
    }

    /// The verdict over the clips so far.
    pub fn verdict(&self) -> SongVerdict {
        match (self.sounding, self.silent) {
            (0, 0) => SongVerdict::Unheard,
            (0, _) => SongVerdict::Silence,
            (sounding, _) => SongVerdict::Genre {
                probabilities: self.sums.iter().map(|sum| (sum / sounding as f64) as f32).collect(),
            },
        }
    }
}

/// The verdict over all clips of a song.
pub fn song_verdict<'a>(clips: impl IntoIterator<Item = &'a ClipVerdict>) -> SongVerdict {
    let mut sum = SongSum::default();
    for clip in clips {
        sum.add(clip);
    }
    sum.verdict()
}

/// Probabilities of `logits`: the softmax, shifted by the largest logit so that
/// no exponential overflows.
pub fn softmax(logits: &[f32]) -> Vec<f32> {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exponentials: Vec<f32> = logits.iter().map(|logit| (logit - max).exp()).collect();
    let sum: f32 = exponentials.iter().sum();
    exponentials.iter().map(|exponential| exponential / sum).collect()
}

/// Index of the largest value, the first of equal ones; `None` if there is none.
pub fn argmax(values: &[f32]) -> Option<usize> {
    let mut best: Option<(usize, f32)> = None;
    for (index, &value) in values.iter().enumerate() {
        if best.is_none_or(|(_, largest)| value > largest) {
            best = Some((index, value));
        }
    }
    best.map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clip(clip: usize, probabilities: &[f32]) -> ClipVerdict {
        ClipVerdict { clip, probabilities: probabilities.to_vec() }
    }

    #[test]
    fn a_song_is_the_mean_of_its_sounding_clips() {
        let clips = [clip(0, &[0.8, 0.2]), clip(1, &[]), clip(2, &[0.4, 0.6])];
        let SongVerdict::Genre { probabilities } = song_verdict(&clips) else { panic!("no genre") };
        assert!((probabilities[0] - 0.6).abs() < 1e-6 && (probabilities[1] - 0.4).abs() < 1e-6);
    }

    #[test]
    fn a_song_of_silence_has_no_genre() {
        assert_eq!(song_verdict(&[]), SongVerdict::Unheard);
        assert_eq!(song_verdict(&[clip(0, &[])]), SongVerdict::Silence);
        assert!(song_verdict(&[clip(0, &[])]).ranking().is_empty());
    }

    #[test]
    fn the_order_of_clips_does_not_matter() {
        let clips: Vec<_> = (0..997)
            .map(|i| {
                let p = (i % 13) as f32 / 13.0;
                clip(i, &[p, 1.0 - p])
            })
            .collect();
        let reversed: Vec<_> = clips.iter().rev().cloned().collect();
        assert_eq!(song_verdict(&clips), song_verdict(&reversed));
    }

    #[test]
    fn softmax_survives_large_logits() {
        let probabilities = softmax(&[1000.0, 0.0, -1000.0]);
        assert_eq!(probabilities, [1.0, 0.0, 0.0]);
        assert_eq!(argmax(&probabilities), Some(0));
        assert_eq!(argmax(&[]), None);
    }
}
