//! What is said about a clip and about a song.
//!
//! In: the probabilities of each clip, and whether it is music. Out: a
//! [`ClipVerdict`] every clip and one [`SongVerdict`], by the one [`Rule`] that
//! page, command line and trainer share: clips that are silent or refused are left
//! out, what the others say is pooled as the card's [`Combine`] says, and where
//! that is too little to go by, the verdict says so.

use serde::{Deserialize, Serialize};

use crate::network::card::{Combine, ModelCard};
use crate::order::ranking;

/// What the network said of one clip.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClipVerdict {
    /// Position of the clip in the song, from 0.
    pub clip: usize,
    /// Probability of each genre, in the card's order, summing to 1; empty
    /// where the clip is silent.
    pub probabilities: Vec<f32>,
    /// How much the clip is like music, by the card's rejection score; `None`
    /// where it has none, and for silence.
    #[serde(default)]
    pub score: Option<f32>,
    /// Whether the clip counts as "not music": its score is below the card's
    /// threshold. Its probabilities are what they would be otherwise.
    #[serde(default)]
    pub refused: bool,
}

impl ClipVerdict {
    /// Whether the clip had no range of loudness at all, so that no network
    /// was asked.
    pub fn is_silent(&self) -> bool {
        self.probabilities.is_empty()
    }

    /// Index of the genre that the clip is said to be; `None` for silence and for
    /// what is not music.
    pub fn genre(&self) -> Option<usize> {
        self.top().filter(|_| !self.refused)
    }

    /// Index of the most probable genre, whether or not the clip is music; `None`
    /// for silence.
    pub fn top(&self) -> Option<usize> {
        argmax(&self.probabilities)
    }
}

/// Why a song with probabilities is not said to be of a genre.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// None is probable enough.
    NotSure,
    /// More than half of it was refused as not music.
    NotMusic,
}

impl Doubt {
    /// Its name in exports.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotSure => "not_sure",
            Self::NotMusic => "not_music",
        }
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
    /// The most probable genre is the verdict.
    Genre {
        /// Probability of each genre, in the card's order, over the clips that
        /// are neither silent nor refused.
        probabilities: Vec<f32>,
    },
    /// No genre is as probable as the card asks for.
    NotSure {
        /// As of [`Self::Genre`].
        probabilities: Vec<f32>,
    },
    /// Of the clips that are not silent, more than half were refused.
    NotMusic {
        /// What the genres' probabilities would be over all clips that are not
        /// silent.
        probabilities: Vec<f32>,
    },
}

impl SongVerdict {
    /// Probability of each genre, empty where none was given.
    pub fn probabilities(&self) -> &[f32] {
        match self {
            Self::Genre { probabilities }
            | Self::NotSure { probabilities }
            | Self::NotMusic { probabilities } => probabilities,
            Self::Unheard | Self::Silence => &[],
        }
    }

    /// Of a song that was heard, or whose every clip was silent where there are no
    /// probabilities.
    pub fn of(probabilities: Vec<f32>, doubt: Option<Doubt>) -> Self {
        match doubt {
            _ if probabilities.is_empty() => Self::Silence,
            None => Self::Genre { probabilities },
            Some(Doubt::NotSure) => Self::NotSure { probabilities },
            Some(Doubt::NotMusic) => Self::NotMusic { probabilities },
        }
    }

    /// Why it is no genre, where that is not for want of probabilities.
    pub fn doubt(&self) -> Option<Doubt> {
        match self {
            Self::Unheard | Self::Silence | Self::Genre { .. } => None,
            Self::NotSure { .. } => Some(Doubt::NotSure),
            Self::NotMusic { .. } => Some(Doubt::NotMusic),
        }
    }

    /// Its name in JSON.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unheard => "unheard",
            Self::Silence => "silence",
            Self::Genre { .. } => "genre",
            Self::NotSure { .. } => "not_sure",
            Self::NotMusic { .. } => "not_music",
        }
    }

    /// Index of the genre that the song is said to be; `None` where it is not
    /// said to be any.
    pub fn genre(&self) -> Option<usize> {
        match self {
            Self::Genre { probabilities } => argmax(probabilities),
            Self::Unheard | Self::Silence | Self::NotSure { .. } | Self::NotMusic { .. } => None,
        }
    }

    /// Genres from the most to the least probable, as (index, probability).
    /// Equal probabilities keep the card's order.
    pub fn ranking(&self) -> Vec<(usize, f32)> {
        ranking(self.probabilities())
    }
}

/// How a song's verdict is made of its clips'. The default is that of a card that
/// says nothing of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rule {
    /// How what the clips say is pooled.
    pub combine: Combine,
    /// Probability that the most probable genre must have.
    pub least_confidence: Option<f32>,
}

impl ModelCard {
    /// The card's rule for songs.
    pub fn rule(&self) -> Rule {
        Rule { combine: self.combine, least_confidence: self.least_confidence }
    }
}

/// The song's verdict as it grows clip by clip.
///
/// Sums are kept in f64, so that the order in which clips are answered, which
/// differs between one worker and four, moves the verdict by less than an f32 can
/// show.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SongSum {
    music: Pool,
    refused: Pool,
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
        let known = self.music.sums.len().max(self.refused.sums.len());
        if known != 0 && known != clip.probabilities.len() {
            return;
        }
        if clip.refused { &mut self.refused } else { &mut self.music }.add(&clip.probabilities);
    }

    /// Clips taken in so far, those that are silent or refused included.
    pub fn clips(&self) -> usize {
        self.music.clips + self.refused.clips + self.silent
    }

    /// The verdict over the clips so far.
    pub fn verdict(&self, rule: Rule) -> SongVerdict {
        let sounding = self.music.clips + self.refused.clips;
        if sounding == 0 {
            return if self.silent == 0 { SongVerdict::Unheard } else { SongVerdict::Silence };
        }
        if 2 * self.refused.clips > sounding {
            let probabilities = self.music.with(&self.refused).combined(rule.combine);
            return SongVerdict::NotMusic { probabilities };
        }
        let probabilities = self.music.combined(rule.combine);
        let confidence = probabilities.iter().copied().fold(0.0, f32::max);
        let is_sure = rule.least_confidence.is_none_or(|least| confidence >= least);
        SongVerdict::of(probabilities, (!is_sure).then_some(Doubt::NotSure))
    }
}

/// Least probability in a logarithmic pool, so that one clip has no veto.
const LEAST_PROBABILITY: f64 = 1e-6;

/// Sums over clips of what they say of each genre.
#[derive(Clone, Debug, Default, PartialEq)]
struct Pool {
    clips: usize,
    /// Of the probabilities.
    sums: Vec<f64>,
    /// Of their logarithms.
    logs: Vec<f64>,
}

impl Pool {
    fn add(&mut self, probabilities: &[f32]) {
        self.clips += 1;
        self.sums.resize(probabilities.len(), 0.0);
        self.logs.resize(probabilities.len(), 0.0);
        for ((sum, log), probability) in self.sums.iter_mut().zip(&mut self.logs).zip(probabilities) {
            let probability = f64::from(*probability);
            *sum += probability;
            *log += probability.max(LEAST_PROBABILITY).ln();
        }
    }

    /// Both pools' clips.
    fn with(&self, other: &Self) -> Self {
        let both = |of: fn(&Self) -> &[f64]| {
            let (own, others) = (of(self), of(other));
            let longer = if own.is_empty() { others } else { own };
            let at = |sums: &[f64], genre| sums.get(genre).copied().unwrap_or_default();
            (0..longer.len()).map(|genre| at(own, genre) + at(others, genre)).collect()
        };
        Self { clips: self.clips + other.clips, sums: both(|pool| &pool.sums), logs: both(|pool| &pool.logs) }
    }

    /// Probability of each genre.
    fn combined(&self, combine: Combine) -> Vec<f32> {
        let clips = self.clips as f64;
        match combine {
            Combine::MeanProbability => self.sums.iter().map(|sum| (sum / clips) as f32).collect(),
            Combine::LogPool { correlation } => {
                let independent = clips / (1.0 + (clips - 1.0) * f64::from(correlation));
                let largest = self.logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let power = |log: &f64| ((log - largest) / clips * independent).exp();
                let sum: f64 = self.logs.iter().map(power).sum();
                self.logs.iter().map(|log| (power(log) / sum) as f32).collect()
            }
        }
    }
}

/// The verdict over all clips of a song.
pub fn song_verdict<'a>(clips: impl IntoIterator<Item = &'a ClipVerdict>, rule: Rule) -> SongVerdict {
    let mut sum = SongSum::default();
    for clip in clips {
        sum.add(clip);
    }
    sum.verdict(rule)
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

    const MEAN: Rule = Rule { combine: Combine::MeanProbability, least_confidence: None };

    fn clip(clip: usize, probabilities: &[f32]) -> ClipVerdict {
        ClipVerdict { clip, probabilities: probabilities.to_vec(), ..ClipVerdict::default() }
    }

    fn refused(at: usize, probabilities: &[f32]) -> ClipVerdict {
        ClipVerdict { score: Some(-1.0), refused: true, ..clip(at, probabilities) }
    }

    fn log_pool(correlation: f32) -> Rule {
        Rule { combine: Combine::LogPool { correlation }, least_confidence: None }
    }

    fn near(found: &[f32], expected: &[f32]) {
        assert_eq!(found.len(), expected.len());
        assert!(
            found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6),
            "{found:?} is not {expected:?}"
        );
    }

    #[test]
    fn a_song_is_the_mean_of_its_sounding_clips() {
        let clips = [clip(0, &[0.8, 0.2]), clip(1, &[]), clip(2, &[0.4, 0.6])];
        let SongVerdict::Genre { probabilities } = song_verdict(&clips, MEAN) else { panic!("no genre") };
        near(&probabilities, &[0.6, 0.4]);
    }

    #[test]
    fn a_song_of_silence_has_no_genre() {
        assert_eq!(song_verdict(&[], MEAN), SongVerdict::Unheard);
        assert_eq!(song_verdict(&[clip(0, &[])], MEAN), SongVerdict::Silence);
        assert!(song_verdict(&[clip(0, &[])], MEAN).ranking().is_empty());
    }

    #[test]
    fn the_order_of_clips_does_not_matter() {
        let clips: Vec<_> = (0..997)
            .map(|i| {
                let p = (i % 13) as f32 / 13.0;
                ClipVerdict { refused: i % 5 == 0, ..clip(i, &[p, 1.0 - p]) }
            })
            .collect();
        let reversed: Vec<_> = clips.iter().rev().cloned().collect();
        for rule in [MEAN, log_pool(0.01)] {
            assert_eq!(song_verdict(&clips, rule), song_verdict(&reversed, rule));
        }
    }

    #[test]
    fn correlation_says_how_many_clips_count() {
        let clips = [clip(0, &[0.8, 0.2]), clip(1, &[0.6, 0.4]), clip(2, &[0.5, 0.5])];
        // Odds of 4, 1.5 and 1: all count, their geometric mean counts once.
        for (correlation, odds) in [(0.0, 6.0), (1.0, 6.0_f32.cbrt()), (0.25, 6.0_f32.powf(1.0 / 1.5))] {
            let verdict = song_verdict(&clips, log_pool(correlation));
            near(verdict.probabilities(), &[odds / (1.0 + odds), 1.0 / (1.0 + odds)]);
        }
        // One clip is worth one clip.
        near(song_verdict(&clips[..1], log_pool(0.3)).probabilities(), &[0.8, 0.2]);
    }

    #[test]
    fn no_clip_has_a_veto() {
        let mut clips: Vec<_> = (0..20).map(|at| clip(at, &[0.9, 0.1])).collect();
        clips.push(clip(20, &[0.0, 1.0]));
        assert_eq!(song_verdict(&clips, log_pool(0.1)).genre(), Some(0));
    }

    #[test]
    fn refused_clips_are_left_out_until_they_are_most() {
        let mut clips = vec![clip(0, &[0.7, 0.3]), refused(1, &[0.1, 0.9])];
        for rule in [MEAN, log_pool(0.5)] {
            let SongVerdict::Genre { probabilities } = song_verdict(&clips, rule) else { panic!("no genre") };
            near(&probabilities, &[0.7, 0.3]);
        }
        // Silence is on neither side.
        clips.extend([clip(2, &[]), refused(3, &[0.1, 0.9])]);
        let verdict = song_verdict(&clips, MEAN);
        let SongVerdict::NotMusic { probabilities } = &verdict else { panic!("{verdict:?}") };
        near(probabilities, &[0.3, 0.7]);
        assert_eq!(verdict.genre(), None);
        let all: SongVerdict = song_verdict(&clips[3..], log_pool(0.5));
        near(all.probabilities(), &[0.1, 0.9]);
    }

    #[test]
    fn what_is_not_sure_says_so_and_still_has_its_ranking() {
        let clips = [clip(0, &[0.3, 0.45, 0.25])];
        let verdict = |least| song_verdict(&clips, Rule { least_confidence: Some(least), ..MEAN });
        assert_eq!(verdict(0.45).genre(), Some(1));
        let unsure = verdict(0.5);
        assert!(matches!(unsure, SongVerdict::NotSure { .. }) && unsure.genre().is_none());
        assert_eq!(unsure.ranking()[0], (1, 0.45));
    }

    #[test]
    fn json_calls_verdicts_by_their_codes() {
        let genres = || vec![0.75, 0.25];
        for verdict in [
            SongVerdict::Unheard,
            SongVerdict::Silence,
            SongVerdict::Genre { probabilities: genres() },
            SongVerdict::NotSure { probabilities: genres() },
            SongVerdict::NotMusic { probabilities: genres() },
        ] {
            let json = serde_json::to_value(&verdict).unwrap();
            assert_eq!(json["verdict"], verdict.code());
            if verdict != SongVerdict::Unheard {
                assert_eq!(SongVerdict::of(verdict.probabilities().to_vec(), verdict.doubt()), verdict);
            }
            assert_eq!(serde_json::from_value::<SongVerdict>(json).unwrap(), verdict);
        }
    }

    #[test]
    fn a_clip_of_another_model_is_left_out() {
        let mut sum = SongSum::default();
        for stranger in [refused(0, &[0.6, 0.4]), clip(1, &[0.1, 0.1, 0.8]), clip(2, &[0.7, 0.3])] {
            sum.add(&stranger);
        }
        assert_eq!(sum.clips(), 2);
        near(sum.verdict(MEAN).probabilities(), &[0.7, 0.3]);
    }

    #[test]
    fn clips_of_older_results_are_read() {
        let old: ClipVerdict = serde_json::from_str(r#"{"clip":4,"probabilities":[0.5,0.5]}"#).unwrap();
        assert_eq!(old, clip(4, &[0.5, 0.5]));
    }

    #[test]
    fn softmax_survives_large_logits() {
        let probabilities = softmax(&[1000.0, 0.0, -1000.0]);
        assert_eq!(probabilities, [1.0, 0.0, 0.0]);
        assert_eq!(argmax(&probabilities), Some(0));
        assert_eq!(argmax(&[]), None);
    }
}
