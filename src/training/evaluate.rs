//! What a network's answers are worth.
//!
//! In: an [`Answer`] for each clip of a part. Out: [`Scores`]. Nothing here knows
//! a device or a file, so every number can be checked by hand.
//!
//! - *Loss*: mean cross-entropy in nats, plus the L2 penalty of the weights, as
//!   Keras's `evaluate` reports it.
//! - *A track's verdict*: the [song's](crate::classify::verdict) as the page has
//!   it, over those of its clips that are in the part: all ten where the split is
//!   over tracks, few where it is over clips. Silent clips, which the page leaves
//!   out, are judged like any other.
//! - *Precision, recall, F1*: per genre, over clips (C. J. van Rijsbergen,
//!   "Information Retrieval", 1979, ch. 7). F1 = 2 TP / (2 TP + FP + FN).
//! - *Calibration error* (ECE): answers sorted by the probability of what they
//!   say, cut into 15 bins of equal mass, differing by at most one answer, or into
//!   fewer, so that each has ten at least: of a bin of one answer nothing can be said. The
//!   mean over answers of |share that is right − mean probability| of their bin
//!   (C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017; bins
//!   of equal mass: K. Nguyen and B. O'Connor, "Posterior calibration and
//!   exploratory analysis", EMNLP 2015).
//! - *Debiased*: with few answers in a bin the ECE is above 0 even for a perfectly
//!   calibrated network. A. Kumar, P. Liang and T. Ma ("Verified Uncertainty
//!   Calibration", NeurIPS 2019; the ℓ1 form is that of their library and of
//!   R. Roelofs et al., "Mitigating Bias in Calibration Error Estimation",
//!   AISTATS 2022) take the share of right answers in a bin as normal around what
//!   was seen, and subtract by how much the ECE grows on average when it is drawn
//!   again. They draw; the mean of a folded normal is known, so we compute it. Of a
//!   perfectly calibrated network's ECE that takes away 41 % and leaves the factor
//!   2 − √2: what was seen is itself one draw.
//! - *Intervals*: 95 %, percentile bootstrap over tracks, because clips of one
//!   track are not independent. An interval of the ECE inherits its bias, so that
//!   it can lie above the value. Of the tracks of a genre, few and each right or
//!   wrong, Wilson's; and wherever all are right, or none, of which a bootstrap knows no error.

use std::f64::consts::{PI, SQRT_2};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{
    classify::verdict::{ClipVerdict, Rule, SongVerdict, argmax, softmax, song_verdict},
    interval::wilson,
    report::result::{Estimate, GenreScore, Scores},
};

/// Bins of the calibration error, at most.
const BINS: usize = 15;
/// Answers that a bin has, at least, where there are so many.
const LEAST_ANSWERS: usize = 10;
/// Draws of tracks that an interval is taken from.
const DRAWS: usize = 1000;
/// What they are drawn with: the same answers give the same interval.
const SEED: u64 = 0;
/// A probability below counts as this one, as Keras has it, where verdicts are scored and where
/// the way to combine clips is chosen: a song's is computed in f32, and may be 0.
const LEAST_PROBABILITY: f64 = 1e-7;

/// What the network said of a clip, and what is so.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Probability of each genre.
    pub probabilities: Vec<f32>,
    /// Index of the genre that it is.
    pub genre: usize,
    /// Which track it is of.
    pub track: usize,
    /// Cross-entropy, in nats.
    pub loss: f64,
    /// Whether the clip was refused as not music.
    pub refused: bool,
}

impl Answer {
    /// Of a clip's logits, as the [card](crate::network::card::ModelCard::scaled) scales them.
    pub fn new(logits: &[f32], genre: usize, track: usize) -> Self {
        let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        // Of the logits: a probability too small for f32 still has a finite loss.
        let sum: f64 = logits.iter().map(|logit| f64::from(logit - max).exp()).sum();
        let own = logits.get(genre).copied().unwrap_or(f32::NEG_INFINITY);
        let loss = sum.ln() - f64::from(own - max);
        Self { loss, probabilities: softmax(logits), genre, track, refused: false }
    }

    /// As page and command line have it.
    pub(crate) fn verdict(&self) -> ClipVerdict {
        let Self { refused, .. } = *self;
        ClipVerdict { probabilities: self.probabilities.clone(), refused, ..ClipVerdict::default() }
    }

    fn trial(&self) -> Trial {
        Trial::new(&self.probabilities, self.genre)
    }
}

/// What counts of an answer once it is given.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Trial {
    said: usize,
    right: bool,
    confidence: f64,
}

impl Trial {
    fn new(probabilities: &[f32], genre: usize) -> Self {
        let said = argmax(probabilities).unwrap_or(0);
        let confidence = probabilities.get(said).copied().map_or(0.0, f64::from);
        Self { said, right: said == genre, confidence }
    }
}

/// Judges answers among `genres` genres, tracks by the rule of the card. `penalty`
/// is the L2 penalty of the weights, 0 where there is none. `None` where there is no
/// answer, or one about a genre that is none of these.
pub fn score(answers: &[Answer], genres: usize, penalty: f64, rule: Rule) -> Option<Scores> {
    let fits = |answer: &Answer| answer.genre < genres && answer.probabilities.len() == genres;
    if answers.is_empty() || !answers.iter().all(fits) {
        return None;
    }
    let tracks = by_track(answers);
    let clips: Vec<Vec<Trial>> =
        tracks.iter().map(|clips| clips.iter().map(|clip| clip.trial()).collect()).collect();
    let songs: Vec<SongVerdict> = tracks.iter().map(|clips| verdict(clips, rule)).collect();
    let verdicts: Vec<Trial> = tracks
        .iter()
        .zip(&songs)
        .map(|(clips, song)| Trial::new(song.probabilities(), clips[0].genre))
        .collect();
    let track_losses = tracks.iter().zip(&songs).map(|(clips, song)| track_loss(song, clips[0].genre));

    let mut confusion = vec![vec![0; genres]; genres];
    for (answer, trial) in tracks.iter().flatten().zip(clips.iter().flatten()) {
        confusion[answer.genre][trial.said] += 1;
    }
    let all: Vec<Trial> = clips.concat();
    let cross_entropy = answers.iter().map(|answer| answer.loss).sum::<f64>() / answers.len() as f64;
    let mut draws = Draws::new(tracks.len());
    let drawn: Vec<[f64; 3]> = (0..DRAWS)
        .map(|_| {
            let draw = draws.next();
            let drawn: Vec<Trial> = draw.iter().flat_map(|&track| clips[track].iter().copied()).collect();
            let right = draw.iter().filter(|&&track| verdicts[track].right).count();
            [accuracy(&drawn), right as f64 / draw.len() as f64, calibration_error(&drawn)]
        })
        .collect();
    let mut of_genres = vec![(0, 0); genres];
    for (clips, verdict) in tracks.iter().zip(&verdicts) {
        let (right, all) = &mut of_genres[clips[0].genre];
        *right += usize::from(verdict.right);
        *all += 1;
    }
    let of_genres = of_genres.into_iter().map(|(right, all)| (all > 0).then(|| share_of(right, all)));
    let share = |count: usize, of: usize| count as f64 / of as f64;
    let unsure = songs.iter().filter(|song| matches!(song, SongVerdict::NotSure { .. })).count();
    let estimate = |value: f64, at: usize| interval(value, drawn.iter().map(|numbers| numbers[at]).collect());
    // Of all right and of all wrong every draw says the same. Clips of a track are no trials of
    // their own: tracks are counted.
    let of_right = |value: f64, at: usize| match value {
        0.0 => share_of(0, tracks.len()),
        1.0 => share_of(tracks.len(), tracks.len()),
        value => estimate(value, at),
    };
    Some(Scores {
        clips: answers.len(),
        tracks: tracks.len(),
        loss: cross_entropy + penalty,
        penalty,
        accuracy: of_right(accuracy(&all), 0),
        track_accuracy: of_right(accuracy(&verdicts), 1),
        track_loss: Some(track_losses.sum::<f64>() / tracks.len() as f64),
        genres: genre_scores(&confusion, of_genres.collect()),
        confusion,
        ece: estimate(calibration_error(&all), 2),
        track_ece_debiased: debiased_calibration_error(&verdicts),
        refused: share(answers.iter().filter(|answer| answer.refused).count(), answers.len()),
        unsure: share(unsure, tracks.len()),
    })
}

/// Answers on the clips of each track, tracks in their order.
pub(super) fn by_track(answers: &[Answer]) -> Vec<Vec<&Answer>> {
    let mut tracks = std::collections::BTreeMap::<usize, Vec<&Answer>>::new();
    for answer in answers {
        tracks.entry(answer.track).or_default().push(answer);
    }
    tracks.into_values().collect()
}

/// Cross-entropy of a song's verdict, in nats.
pub(super) fn track_loss(song: &SongVerdict, genre: usize) -> f64 {
    let own = song.probabilities().get(genre).copied().unwrap_or(0.0);
    -f64::from(own).max(LEAST_PROBABILITY).ln()
}

/// The song's verdict over a track's clips.
fn verdict(clips: &[&Answer], rule: Rule) -> SongVerdict {
    let clips: Vec<ClipVerdict> = clips.iter().map(|answer| answer.verdict()).collect();
    song_verdict(&clips, rule)
}

/// The share of `all` that are right, with Wilson's interval: the bootstrap knows no error where
/// all of few tracks are right.
fn share_of(right: usize, all: usize) -> Estimate {
    let (low, high) = wilson(right, all);
    Estimate { value: right as f64 / all as f64, low, high }
}

fn accuracy(trials: &[Trial]) -> f64 {
    trials.iter().filter(|trial| trial.right).count() as f64 / trials.len().max(1) as f64
}

fn genre_scores(confusion: &[Vec<u32>], tracks: Vec<Option<Estimate>>) -> Vec<GenreScore> {
    let share = |part: u32, whole: u32| (whole > 0).then(|| f64::from(part) / f64::from(whole));
    tracks
        .into_iter()
        .enumerate()
        .map(|(genre, tracks)| {
            let right = confusion[genre][genre];
            let support: u32 = confusion[genre].iter().sum();
            let said: u32 = confusion.iter().map(|row| row[genre]).sum();
            GenreScore {
                precision: share(right, said),
                recall: share(right, support),
                f1: share(2 * right, said + support),
                support,
                tracks,
            }
        })
        .collect()
}

/// A bin's share of all answers, how many of them are right, how sure they are.
struct Bin {
    answers: f64,
    mass: f64,
    right: f64,
    confidence: f64,
}

/// [`BINS`] bins of equal mass, or fewer of [`LEAST_ANSWERS`] each.
fn bins(trials: &[Trial]) -> Vec<Bin> {
    let mut sorted = trials.to_vec();
    sorted.sort_by(|a, b| a.confidence.total_cmp(&b.confidence));
    let count = (sorted.len() / LEAST_ANSWERS).clamp(1, BINS).min(sorted.len());
    (0..count)
        .map(|bin| {
            let trials = &sorted[bin * sorted.len() / count..(bin + 1) * sorted.len() / count];
            let answers = trials.len() as f64;
            Bin {
                answers,
                mass: answers / sorted.len() as f64,
                right: accuracy(trials),
                confidence: trials.iter().map(|trial| trial.confidence).sum::<f64>() / answers,
            }
        })
        .collect()
}

fn calibration_error(trials: &[Trial]) -> f64 {
    bins(trials).iter().map(|bin| bin.mass * (bin.right - bin.confidence).abs()).sum()
}

fn debiased_calibration_error(trials: &[Trial]) -> f64 {
    let debiased = |bin: &Bin| {
        let gap = bin.right - bin.confidence;
        let deviation = (bin.right * (1.0 - bin.right) / bin.answers).sqrt();
        bin.mass * (2.0 * gap.abs() - folded_normal_mean(gap, deviation))
    };
    bins(trials).iter().map(debiased).sum()
}

/// Mean of |x| where x is normal (F. C. Leone, L. S. Nelson and R. B. Nottingham,
/// "The Folded Normal Distribution", Technometrics 1961).
fn folded_normal_mean(mean: f64, deviation: f64) -> f64 {
    if deviation == 0.0 {
        return mean.abs();
    }
    let ratio = mean / deviation;
    deviation * (2.0 / PI).sqrt() * (-0.5 * ratio * ratio).exp() + mean * libm::erf(ratio / SQRT_2)
}

/// Draws of as many tracks as there are, with replacement.
struct Draws {
    rng: ChaCha8Rng,
    tracks: usize,
}

impl Draws {
    fn new(tracks: usize) -> Self {
        Self { rng: ChaCha8Rng::seed_from_u64(SEED), tracks }
    }

    fn next(&mut self) -> Vec<usize> {
        (0..self.tracks).map(|_| self.rng.random_range(0..self.tracks)).collect()
    }
}

/// The 2.5th and 97.5th percentile of what was drawn.
fn interval(value: f64, mut drawn: Vec<f64>) -> Estimate {
    drawn.sort_by(f64::total_cmp);
    let percentile = |share: f64| {
        let at = (share * drawn.len().saturating_sub(1) as f64).round() as usize;
        drawn.get(at).copied().unwrap_or(value)
    };
    Estimate { value, low: percentile(0.025), high: percentile(0.975) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(probabilities: &[f32], genre: usize, track: usize) -> Answer {
        let logits: Vec<f32> = probabilities.iter().map(|probability| probability.ln()).collect();
        Answer::new(&logits, genre, track)
    }

    fn trial(confidence: f64, right: bool) -> Trial {
        Trial { said: 0, right, confidence }
    }

    fn near(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-6, "{a} is not {b}");
    }

    /// Two tracks of genre 0, one of genre 1; four clips.
    fn four() -> Vec<Answer> {
        vec![
            answer(&[0.8, 0.2], 0, 0),
            // Wrong, but the track is right by the mean: 0.6 to 0.4.
            answer(&[0.4, 0.6], 0, 0),
            answer(&[0.3, 0.7], 0, 1),
            answer(&[0.1, 0.9], 1, 2),
        ]
    }

    #[test]
    fn every_number_is_what_the_hand_computes() {
        let scores = score(&four(), 2, 0.25, Rule::default()).unwrap();
        assert_eq!((scores.clips, scores.tracks), (4, 3));
        near(scores.accuracy.value, 0.5);
        near(scores.track_accuracy.value, 2.0 / 3.0);
        let nats = -(0.8_f64.ln() + 0.4_f64.ln() + 0.3_f64.ln() + 0.9_f64.ln()) / 4.0;
        near(scores.loss, nats + 0.25);
        assert_eq!(scores.confusion, [[1, 2], [0, 1]]);
        let [zero, one] = scores.genres[..] else { panic!("{:?}", scores.genres) };
        assert_eq!((zero.precision, zero.support), (Some(1.0), 3));
        near(zero.recall.unwrap(), 1.0 / 3.0);
        near(zero.f1.unwrap(), 0.5);
        near(one.precision.unwrap(), 1.0 / 3.0);
        assert_eq!((one.recall, one.support), (Some(1.0), 1));
        // Right in one of its two tracks: Wilson's interval; in its only one: from 1 / (1 + 1.96²).
        let tracks = zero.tracks.unwrap();
        near(tracks.value, 0.5);
        near(tracks.low, 0.094_531);
        near(tracks.high, 0.905_469);
        near(one.tracks.unwrap().low, 0.206_549);
        near(one.tracks.unwrap().high, 1.0);
        // By the mean of its clips, the first track is right to 0.6.
        near(scores.track_loss.unwrap(), -(0.6_f64.ln() + 0.3_f64.ln() + 0.9_f64.ln()) / 3.0);
        // One bin of all four: |right − confidence|.
        near(scores.ece.value, 0.75 - 0.5);
        assert!(scores.accuracy.low < 0.5 && scores.accuracy.high > 0.5, "{:?}", scores.accuracy);
    }

    #[test]
    fn tracks_are_judged_by_the_rule_and_without_what_was_refused() {
        let mut answers = four();
        // Without its wrong clip, the first track is sure to 0.8, the others are as sure as before.
        answers[1].refused = true;
        let rule = |least| Rule { least_confidence: Some(least), ..Rule::default() };
        let scores = score(&answers, 2, 0.0, rule(0.75)).unwrap();
        near(scores.refused, 0.25);
        near(scores.unsure, 1.0 / 3.0);
        near(scores.track_accuracy.value, 2.0 / 3.0);
        near(score(&answers, 2, 0.0, rule(0.85)).unwrap().unsure, 2.0 / 3.0);
        // Without its right one, it is wrong.
        (answers[0].refused, answers[1].refused) = (true, false);
        near(score(&answers, 2, 0.0, Rule::default()).unwrap().track_accuracy.value, 1.0 / 3.0);
    }

    #[test]
    fn a_genre_that_nobody_names_has_no_precision() {
        let scores = score(&[answer(&[0.9, 0.05, 0.05], 0, 0)], 3, 0.0, Rule::default()).unwrap();
        assert_eq!(
            scores.genres[1],
            GenreScore { precision: None, recall: None, f1: None, support: 0, tracks: None }
        );
    }

    #[test]
    fn bins_have_equal_mass() {
        // Fifteen bins of ten: half right, half wrong, all sure to 0.7.
        let trials: Vec<Trial> = (0..150).map(|at| trial(0.7, at % 2 == 0)).collect();
        near(calibration_error(&trials), 0.2);
        // 151 answers: one bin has eleven.
        let sizes: Vec<f64> =
            bins(&[trials, vec![trial(0.9, true)]].concat()).iter().map(|bin| bin.answers).collect();
        assert_eq!(sizes.len(), 15);
        assert_eq!(
            (sizes.iter().sum::<f64>(), sizes.iter().filter(|size| **size == 11.0).count()),
            (151.0, 1)
        );
    }

    /// As of a few songs of one's own: a bin for each would find an error of 0.42 here.
    #[test]
    fn few_answers_that_are_as_sure_as_right_have_little_error() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut mean = 0.0;
        for _ in 0..200 {
            let trials: Vec<Trial> = (0..15).map(|_| trial(0.7, rng.random_bool(0.7))).collect();
            mean += debiased_calibration_error(&trials) / 200.0;
        }
        assert!(mean < 0.08, "{mean}");
    }

    #[test]
    fn of_few_tracks_that_are_all_right_one_might_be_wrong() {
        let right: Vec<Answer> = (0..3).map(|track| answer(&[0.9, 0.1], 0, track)).collect();
        let wrong: Vec<Answer> = (0..3).map(|track| answer(&[0.1, 0.9], 0, track)).collect();
        for (answers, value, low, high) in [(right, 1.0, 0.438_5, 1.0), (wrong, 0.0, 0.0, 0.561_5)] {
            let scores = score(&answers, 2, 0.0, Rule::default()).unwrap();
            for estimate in [scores.accuracy, scores.track_accuracy] {
                assert_eq!(estimate.value, value);
                assert!(
                    (estimate.low - low).abs() < 1e-4 && (estimate.high - high).abs() < 1e-4,
                    "{estimate:?}"
                );
            }
        }
    }

    #[test]
    fn debiasing_takes_away_what_it_can_and_leaves_what_is_there() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        // Coins, 20 to a bin, that fall by `gap` less often than they say.
        let mut mean_errors = |gap: f64| {
            let [mut plain, mut debiased] = [0.0; 2];
            for _ in 0..200 {
                let trials: Vec<Trial> = (0..300)
                    .map(|_| {
                        let confidence = rng.random_range(0.4..0.95);
                        trial(confidence, rng.random_bool(confidence - gap))
                    })
                    .collect();
                plain += calibration_error(&trials) / 200.0;
                debiased += debiased_calibration_error(&trials) / 200.0;
            }
            [plain, debiased]
        };
        let [plain, debiased] = mean_errors(0.0);
        assert!(plain > 0.06 && (debiased / plain - (2.0 - SQRT_2)).abs() < 0.06, "{debiased} of {plain}");
        let [plain, debiased] = mean_errors(0.3);
        assert!((debiased - 0.3).abs() < 0.01 && (plain - 0.3).abs() < 0.02, "{debiased} of {plain}");
    }

    #[test]
    fn the_mean_of_a_folded_normal_is_what_drawing_gives() {
        near(folded_normal_mean(-0.3, 0.0), 0.3);
        near(folded_normal_mean(0.0, 1.0), (2.0 / PI).sqrt());
        // By numerical integration of |x| over the density of N(0.5, 1).
        let step = 1e-3;
        let integral: f64 = (-8000..=9000)
            .map(|at| f64::from(at) * step)
            .map(|x| x.abs() * (-0.5 * (x - 0.5).powi(2)).exp() / (2.0 * PI).sqrt() * step)
            .sum();
        near(folded_normal_mean(0.5, 1.0), integral);
    }

    #[test]
    fn an_interval_over_tracks_is_wider_than_over_clips() {
        // Ten clips a track, all right or all wrong.
        let clips: Vec<Answer> = (0..400)
            .map(|clip| answer(if clip / 10 % 4 == 0 { &[0.2, 0.8] } else { &[0.9, 0.1] }, 0, clip / 10))
            .collect();
        let alone: Vec<Answer> =
            clips.iter().enumerate().map(|(track, clip)| Answer { track, ..clip.clone() }).collect();
        let [over_tracks, over_clips] =
            [clips, alone].map(|answers| score(&answers, 2, 0.0, Rule::default()).unwrap().accuracy);
        near(over_tracks.value, 0.75);
        let width = |estimate: Estimate| estimate.high - estimate.low;
        // √10 times, for a normal: 0.27 to 0.085.
        let ratio = width(over_tracks) / width(over_clips);
        assert!((2.5..4.0).contains(&ratio), "{over_tracks:?}, {over_clips:?}");
    }

    #[test]
    fn a_hopeless_probability_has_a_finite_loss() {
        let answer = Answer::new(&[0.0, 200.0], 0, 0);
        assert_eq!(answer.probabilities[0], 0.0);
        near(answer.loss, 200.0);
    }

    #[test]
    fn nothing_and_nonsense_have_no_score() {
        assert_eq!(score(&[], 2, 0.0, Rule::default()), None);
        assert_eq!(score(&[answer(&[0.5, 0.5], 2, 0)], 2, 0.0, Rule::default()), None);
        assert_eq!(score(&[answer(&[0.5, 0.5], 0, 0)], 3, 0.0, Rule::default()), None);
    }
}
