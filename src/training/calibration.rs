//! What makes a network's verdicts believable: one temperature, a bias for each genre,
//! one way to combine clips, one threshold, chosen on clips that it did not learn from.
//!
//! In: what the network says of validation clips, and of sounds that are not music.
//! Out: the numbers that a card carries, and what they were chosen by.
//!
//! [`choice`] makes all of these choices in their order.
//!
//! - *Temperature*: divides the logits so that the mean negative log-likelihood of
//!   a clip is least (C. Guo et al., "On Calibration of Modern Neural Networks",
//!   ICML 2017). No verdict on a clip changes, only how sure it is.
//! - *Biases*: added to the genres' logits (A. Alexandari et al., "Maximum Likelihood
//!   with Bias-Corrected Calibration is Hard-To-Beat at Label Shift Adaptation", ICML
//!   2020), all genres counting alike. Of some genres, those that were learned of few
//!   artists, a network thinks too little wherever it hears them from others. They are
//!   kept where they make the loss less, by enough for so many parameters, on tracks that
//!   they were not fitted on.
//! - *Combination*: the mean of the probabilities against the logarithmic pool with
//!   the correlation that fits best (see [`Combine`]), by the negative
//!   log-likelihood of a track.
//! - *Rejection*: scores are compared by the area under their ROC curve; statistics
//!   that a score needs are fitted on four fifths of the tracks and sounds and judged
//!   on the fifth, five times over, so that none is judged by what it was fitted on.
//!   The threshold refuses at most a given share of music, and among those that do is
//!   where the two kinds of mistake are least together (W. J. Youden, "Index for
//!   rating diagnostic tests", Cancer 1950).

pub mod choice;

use std::collections::{BTreeMap, BTreeSet};

use nalgebra::{DMatrix, DVector};

use crate::{
    classify::{
        rejection::{Evidence, Gaussians, Probe, Scorer},
        verdict::{ClipVerdict, Rule, softmax, song_verdict},
    },
    network::card::{Calibration, Combine, Rejection, RejectionScore},
    training::evaluate::{Answer, by_track, track_loss},
};

/// Parts that statistics are fitted and judged on by turns.
const FOLDS: usize = 5;
/// Longest embedding that a covariance is estimated of.
const LONGEST_EMBEDDING: usize = 1024;
/// Share of the mean variance that is added to every variance: there are fewer
/// clips than a covariance of some hundred values would like.
const SHRINKAGE: f64 = 0.05;
/// The probe's ridge: half of it times the squared weights of standardised evidence
/// is added to the mean loss of a clip. Of 0.1, 0.01 and 0.001 the last had the
/// greatest area under the ROC curve, cross-validated.
const RIDGE: f64 = 0.001;
/// Newton's steps at most; ten are enough where it converges at all.
const NEWTON_STEPS: usize = 40;

/// What the network said of a clip, kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observation {
    /// `[classes]`.
    pub logits: Vec<f32>,
    /// `[embedding_length]`.
    pub embedding: Vec<f32>,
    /// `[TEXTURE_LENGTH]`.
    pub texture: Vec<f32>,
    /// Index of the genre; of no meaning where there is none.
    pub genre: usize,
    /// Which track, or which file, it is of.
    pub track: usize,
}

impl Observation {
    /// What a score is computed of.
    pub fn evidence(&self) -> Evidence<'_> {
        Evidence { logits: &self.logits, embedding: &self.embedding, texture: &self.texture }
    }
}

/// The temperature at which the clips' loss is least; 1 where there are none.
pub fn fit_temperature(clips: &[Observation]) -> f32 {
    weighted_temperature(clips, &vec![1.0; clips.len()])
}

/// The same where clips count for more or less.
fn weighted_temperature(clips: &[Observation], shares: &[f64]) -> f32 {
    if clips.is_empty() {
        return 1.0;
    }
    let loss = |log_temperature: f64| -> f64 {
        let temperature = log_temperature.exp() as f32;
        weighted_loss(clips, shares, &Calibration { temperature, ..Calibration::default() })
    };
    // From a twentieth to twenty: beyond that, a network says nothing.
    least(-3.0, 3.0, loss).exp() as f32
}

fn weighted_loss(clips: &[Observation], shares: &[f64], calibration: &Calibration) -> f64 {
    let loss =
        |clip: &Observation| Answer::new(&calibration.scaled(&clip.logits), clip.genre, clip.track).loss;
    clips.iter().zip(shares).map(|(clip, share)| share * loss(clip)).sum()
}

/// Half of it times the squared biases is added to the mean loss of a clip: of 0.3 to 0,
/// none above it did as well on tracks that biases were not fitted on, and none below
/// better.
const BIAS_RIDGE: f64 = 0.01;

/// The part of [`FOLDS`] that each clip is in: tracks take turns in their order, whatever
/// numbers they have, so that as many are in one as in another.
fn folds(clips: &[Observation]) -> Vec<usize> {
    let tracks: BTreeSet<usize> = clips.iter().map(|clip| clip.track).collect();
    let rank: BTreeMap<usize, usize> = tracks.into_iter().zip(0..).collect();
    clips.iter().map(|clip| rank[&clip.track] % FOLDS).collect()
}

/// How logits may be scaled, and the loss of a clip by each way on tracks that it was not
/// fitted on, in nats; all genres count alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Scalings {
    /// By a temperature alone, fitted as it is judged: all genres count alike.
    pub alone: f64,
    /// By a temperature and biases.
    pub biased: f64,
    /// The temperature alone, fitted on all clips, each counting alike.
    temperature: f32,
    /// Temperature and biases, fitted on all clips.
    with_bias: Calibration,
}

impl Scalings {
    /// Fits and judges both on the clips of `classes` genres.
    ///
    /// Where all clips are of one track there is nothing to fit on: the temperature is then
    /// what it is without clips, and biases are judged as none.
    pub fn compare(clips: &[Observation], classes: usize) -> Self {
        let (mut alone, mut biased) = (0.0, 0.0);
        let of_clips = folds(clips);
        let count = of_clips.iter().collect::<BTreeSet<_>>().len();
        for fold in 0..count {
            let of_fold = |own: bool| -> Vec<Observation> {
                let both = clips.iter().zip(&of_clips);
                both.filter(|(_, of_clip)| (**of_clip == fold) == own).map(|(clip, _)| clip.clone()).collect()
            };
            let (rest, own) = (of_fold(false), of_fold(true));
            let temperature = weighted_temperature(&rest, &balance(&rest, classes));
            let temperature = Calibration { temperature, ..Calibration::default() };
            alone += balanced_loss(&own, classes, &temperature) / count as f64;
            biased += balanced_loss(&own, classes, &fit_biases(&rest, classes)) / count as f64;
        }
        Self { alone, biased, temperature: fit_temperature(clips), with_bias: fit_biases(clips, classes) }
    }

    /// The biases, where the loss is less with them, by [`LEAST_GAIN`] for each.
    pub fn better(&self) -> Calibration {
        if self.biased < self.alone - LEAST_GAIN * self.with_bias.bias.len() as f64 {
            self.with_bias.clone()
        } else {
            Calibration { temperature: self.temperature, ..Calibration::default() }
        }
    }
}

/// How much each clip counts where all genres count alike, together 1.
fn balance(clips: &[Observation], classes: usize) -> Vec<f64> {
    let mut counts = vec![0_usize; classes];
    for clip in clips {
        if let Some(count) = counts.get_mut(clip.genre) {
            *count += 1;
        }
    }
    let genres = counts.iter().filter(|count| **count > 0).count();
    let share = |clip: &Observation| {
        let count = counts.get(clip.genre).copied().unwrap_or_default();
        if count > 0 { 1.0 / (genres * count) as f64 } else { 0.0 }
    };
    clips.iter().map(share).collect()
}

fn balanced_loss(clips: &[Observation], classes: usize, calibration: &Calibration) -> f64 {
    weighted_loss(clips, &balance(clips, classes), calibration)
}

/// The temperature and biases at which the clips' loss, with a ridge on the biases, is
/// least: a convex function of them and of one over the temperature, by Newton's method
/// with steps that are halved until the loss falls. No more than the temperature where
/// there is nothing to fit.
///
/// Of a genre without clips nothing is known: it is left out of the fit, and its bias is 0.
/// Nothing would speak for it there, and each clip against it.
fn fit_biases(clips: &[Observation], classes: usize) -> Calibration {
    let known: Vec<usize> =
        clips.iter().map(|clip| clip.genre).collect::<BTreeSet<_>>().into_iter().collect();
    if known.len() == classes {
        return fit_known_biases(clips, classes);
    }
    let of_known = |clip: &Observation| Observation {
        logits: known.iter().map(|genre| clip.logits[*genre]).collect(),
        genre: known.binary_search(&clip.genre).unwrap_or_default(),
        track: clip.track,
        ..Observation::default()
    };
    let clips: Vec<Observation> = clips.iter().map(of_known).collect();
    let fitted = fit_known_biases(&clips, known.len());
    let mut bias = vec![0.0; classes];
    for (genre, of_genre) in known.iter().zip(&fitted.bias) {
        bias[*genre] = *of_genre;
    }
    Calibration { bias, ..fitted }
}

/// As [`fit_biases`], where each genre has clips.
fn fit_known_biases(clips: &[Observation], classes: usize) -> Calibration {
    let of = |values: &DVector<f64>| Calibration {
        temperature: (1.0 / values[classes]) as f32,
        bias: values.iter().take(classes).map(|bias| *bias as f32).collect(),
        ..Calibration::default()
    };
    let loss = |values: &DVector<f64>| {
        let ridge = 0.5 * BIAS_RIDGE * values.rows(0, classes).norm_squared();
        if values[classes] > 0.0 { balanced_loss(clips, classes, &of(values)) + ridge } else { f64::INFINITY }
    };
    let shares = balance(clips, classes);
    // The biases, and one over the temperature.
    let mut values = DVector::<f64>::zeros(classes + 1);
    values[classes] = 1.0;
    let mut least = loss(&values);
    for _ in 0..NEWTON_STEPS {
        let mut gradient = DVector::<f64>::zeros(classes + 1);
        let mut hessian = DMatrix::<f64>::zeros(classes + 1, classes + 1);
        for at in 0..classes {
            gradient[at] = BIAS_RIDGE * values[at];
            hessian[(at, at)] = BIAS_RIDGE;
        }
        let now = of(&values);
        for (clip, share) in clips.iter().zip(&shares) {
            let probabilities = softmax(&now.scaled(&clip.logits));
            // How each scaled logit moves with each value: with its bias by 1, with one over
            // the temperature by the logit.
            let moves = |logit: usize, value: usize| match value {
                value if value == classes => f64::from(clip.logits[logit]),
                value => f64::from(u8::from(value == logit)),
            };
            let expected: Vec<f64> = (0..=classes)
                .map(|value| (0..classes).map(|at| f64::from(probabilities[at]) * moves(at, value)).sum())
                .collect();
            for row in 0..=classes {
                gradient[row] += share * (expected[row] - moves(clip.genre, row));
                for column in 0..=classes {
                    let both: f64 = (0..classes)
                        .map(|at| f64::from(probabilities[at]) * moves(at, row) * moves(at, column))
                        .sum();
                    hessian[(row, column)] += share * (both - expected[row] * expected[column]);
                }
            }
        }
        let Some(factor) = hessian.cholesky() else { break };
        let mut step = factor.solve(&gradient);
        let (mut next, mut of_next) = (&values - &step, 0.0);
        for _ in 0..NEWTON_STEPS {
            of_next = loss(&next);
            if of_next < least {
                break;
            }
            step /= 2.0;
            next = &values - &step;
        }
        // Nothing more, or no number.
        if !(of_next < least) {
            break;
        }
        (values, least) = (next, of_next);
        if step.amax() < 1e-6 {
            break;
        }
    }
    of(&values)
}

/// By how much the loss of a track, in nats, has to fall for a parameter more.
const LEAST_GAIN: f64 = 1e-3;

/// The two ways to combine clips, and the loss of a track by each, in nats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Combinations {
    /// By [`Combine::MeanProbability`].
    pub mean_probability: f64,
    /// By [`Combine::LogPool`] with this correlation.
    pub log_pool: f64,
    /// At which it is least.
    pub correlation: f32,
}

impl Combinations {
    /// Compares them on what was answered about tracks.
    pub fn compare(answers: &[Answer]) -> Self {
        let tracks: Vec<(usize, Vec<ClipVerdict>)> = by_track(answers)
            .into_iter()
            .filter_map(|clips| {
                Some((clips.first()?.genre, clips.into_iter().map(Answer::verdict).collect()))
            })
            .collect();
        let loss = |combine| -> f64 {
            let rule = Rule { combine, least_confidence: None };
            let of_track =
                |(genre, clips): &(usize, Vec<ClipVerdict>)| track_loss(&song_verdict(clips, rule), *genre);
            tracks.iter().map(of_track).sum::<f64>() / tracks.len().max(1) as f64
        };
        let log_pool = |correlation: f64| loss(Combine::LogPool { correlation: correlation as f32 });
        let correlation = least(0.0, 1.0, log_pool);
        Self {
            mean_probability: loss(Combine::MeanProbability),
            log_pool: log_pool(correlation),
            correlation: correlation as f32,
        }
    }

    /// The pool, if its loss is less than that of the mean, which needs no
    /// parameter, by [`LEAST_GAIN`]; on tracks of one clip it never is.
    pub fn better(&self) -> Combine {
        if self.log_pool < self.mean_probability - LEAST_GAIN {
            Combine::LogPool { correlation: self.correlation }
        } else {
            Combine::MeanProbability
        }
    }
}

/// A score by which clips may be refused, and how well it tells them apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Fitted on all there is.
    pub scorer: Scorer,
    /// Area under the ROC curve: how often a clip of music has the higher score
    /// than one of the others.
    pub auroc: f64,
    /// Chosen as the module says.
    pub threshold: f32,
    /// Share of music below it.
    pub music_refused: f64,
    /// Of each clip that is no music, whether it is.
    pub refused: Vec<bool>,
}

/// Every score, fitted and judged on clips of music and others; the best comes
/// first. Of the music, at most a share of `most_refused` is refused; or, where a
/// rejection is given, there is its score alone, with its threshold. Nothing, where
/// one of the two has no clips.
pub fn candidates(
    music: &[Observation],
    others: &[Observation],
    classes: usize,
    most_refused: f64,
    given: Option<Rejection>,
) -> Vec<Candidate> {
    let (music_folds, others_folds) = (folds(music), folds(others));
    let candidate = |score: RejectionScore| {
        let (mut of_music, mut of_others) = (vec![0.0; music.len()], vec![0.0; others.len()]);
        for fold in 0..FOLDS {
            let rest = |clips: &[Observation], folds: &[usize]| -> Vec<Observation> {
                let rest = clips.iter().zip(folds).filter(|(_, of_clip)| **of_clip != fold);
                rest.map(|(clip, _)| clip.clone()).collect()
            };
            let scorer = fit(score, &rest(music, &music_folds), &rest(others, &others_folds), classes)?;
            let sides = [(music, &music_folds, &mut of_music), (others, &others_folds, &mut of_others)];
            for (clips, folds, scores) in sides {
                let own = clips.iter().zip(folds).zip(scores).filter(|((_, of_clip), _)| **of_clip == fold);
                own.for_each(|((clip, _), score)| *score = scorer.of(clip.evidence()));
            }
        }
        let chosen = threshold(&of_music, &of_others, most_refused)?;
        let threshold = given.map_or(chosen, |given| given.threshold);
        let music_refused = of_music.iter().filter(|score| **score < threshold).count();
        Some(Candidate {
            scorer: fit(score, music, others, classes)?,
            auroc: area_under_roc(&of_music, &of_others)?,
            threshold,
            music_refused: music_refused as f64 / music.len() as f64,
            refused: of_others.iter().map(|score| *score < threshold).collect(),
        })
    };
    let wanted = |score: &RejectionScore| given.is_none_or(|given| given.score == *score);
    let mut candidates: Vec<_> =
        RejectionScore::ALL.into_iter().filter(wanted).filter_map(candidate).collect();
    candidates.sort_by(|a, b| b.auroc.total_cmp(&a.auroc));
    candidates
}

/// A score with the statistics it needs; `None` where they cannot be had of these
/// clips.
fn fit(
    score: RejectionScore,
    music: &[Observation],
    others: &[Observation],
    classes: usize,
) -> Option<Scorer> {
    Some(match score {
        RejectionScore::MaxProbability => Scorer::MaxProbability,
        RejectionScore::MaxLogit => Scorer::MaxLogit,
        RejectionScore::Energy => Scorer::Energy,
        RejectionScore::Mahalanobis => Scorer::Mahalanobis(fit_gaussians(music, classes)?),
        RejectionScore::Probe => Scorer::Probe(fit_probe(music, others)?),
    })
}

/// The genres' mean embeddings, and the covariance around them.
fn fit_gaussians(music: &[Observation], classes: usize) -> Option<Gaussians> {
    let length = music.first()?.embedding.len();
    if length == 0 || length > LONGEST_EMBEDDING {
        return None;
    }
    let vector = |clip: &Observation| {
        DVector::from_iterator(length, clip.embedding.iter().map(|value| f64::from(*value)))
    };
    let mut means = vec![DVector::<f64>::zeros(length); classes];
    let mut counts = vec![0_usize; classes];
    for clip in music {
        *means.get_mut(clip.genre)? += vector(clip);
        counts[clip.genre] += 1;
    }
    for (mean, count) in means.iter_mut().zip(&counts) {
        *mean /= (*count).max(1) as f64;
    }
    let deviations: Vec<_> = music.iter().map(|clip| vector(clip) - &means[clip.genre]).collect();
    let deviations = DMatrix::from_columns(&deviations);
    let mut covariance = &deviations * deviations.transpose() / music.len() as f64;
    let ridge = SHRINKAGE * covariance.trace() / length as f64;
    for at in 0..length {
        covariance[(at, at)] += ridge.max(f64::from(f32::MIN_POSITIVE));
    }
    let whitening = covariance.cholesky()?.l().try_inverse()?;
    // A genre that no clip is of would have its mean at the origin.
    let known = means.iter().zip(&counts).find(|(_, count)| **count > 0).map(|(mean, _)| mean.clone())?;
    let means =
        means.into_iter().zip(counts).map(|(mean, count)| if count > 0 { mean } else { known.clone() });
    Some(Gaussians {
        means: means.flat_map(|mean| mean.iter().map(|value| *value as f32).collect::<Vec<_>>()).collect(),
        // nalgebra's columns are the rows of its transpose.
        whitening: whitening.transpose().iter().map(|value| *value as f32).collect(),
        length,
    })
}

/// A logistic regression with a ridge, both sides counting alike however many clips
/// they have, by Newton's method on evidence of mean 0 and deviation 1.
fn fit_probe(music: &[Observation], others: &[Observation]) -> Option<Probe> {
    let features = |clip: &Observation| -> Vec<f64> { clip.evidence().features().map(f64::from).collect() };
    let rows: Vec<Vec<f64>> = music.iter().chain(others).map(features).collect();
    let length = rows.first()?.len();
    if music.is_empty() || others.is_empty() || length > 2 * LONGEST_EMBEDDING {
        return None;
    }
    let count = rows.len() as f64;
    let moment = |at: usize, of: &dyn Fn(f64) -> f64| rows.iter().map(|row| of(row[at])).sum::<f64>() / count;
    let means: Vec<f64> = (0..length).map(|at| moment(at, &|value| value)).collect();
    // What never changes has no say.
    let scales: Vec<f64> = (0..length)
        .map(|at| moment(at, &|value| (value - means[at]).powi(2)).sqrt())
        .map(|deviation| if deviation > 1e-6 { 1.0 / deviation } else { 0.0 })
        .collect();
    // The last column is the bias.
    let design = DMatrix::from_fn(rows.len(), length + 1, |row, at| {
        if at == length { 1.0 } else { (rows[row][at] - means[at]) * scales[at] }
    });
    let is_music = |row: usize| row < music.len();
    let share = |row: usize| 0.5 / if is_music(row) { music.len() } else { others.len() } as f64;

    let mut weight = DVector::<f64>::zeros(length + 1);
    let mut converged = false;
    for _ in 0..NEWTON_STEPS {
        let odds = &design * &weight;
        let probability = odds.map(|odds| 1.0 / (1.0 + (-odds).exp()));
        let error = DVector::from_fn(rows.len(), |row, _| {
            share(row) * (probability[row] - f64::from(u8::from(is_music(row))))
        });
        let curvature = DVector::from_fn(rows.len(), |row, _| {
            share(row) * (probability[row] * (1.0 - probability[row])).max(1e-9)
        });
        let mut gradient = design.transpose() * error;
        let mut curved = design.clone();
        for (mut row, curvature) in curved.row_iter_mut().zip(curvature.iter()) {
            row *= *curvature;
        }
        let mut hessian = design.transpose() * curved;
        for at in 0..length {
            gradient[at] += RIDGE * weight[at];
            hessian[(at, at)] += RIDGE;
        }
        let step = hessian.cholesky()?.solve(&gradient);
        weight -= &step;
        if step.amax() < 1e-6 {
            converged = true;
            break;
        }
    }
    let scaled: Vec<f64> = (0..length).map(|at| weight[at] * scales[at]).collect();
    let offset: f64 = scaled.iter().zip(&means).map(|(weight, mean)| weight * mean).sum();
    let probe = Probe {
        weight: scaled.iter().map(|weight| *weight as f32).collect(),
        bias: (weight[length] - offset) as f32,
    };
    let is_finite = probe.bias.is_finite() && probe.weight.iter().all(|weight| weight.is_finite());
    (converged && is_finite).then_some(probe)
}

/// How often a score of `positives` is above one of `negatives`, ties counting half
/// (H. B. Mann and D. R. Whitney, 1947); `None` where there is nothing to compare.
pub fn area_under_roc(positives: &[f32], negatives: &[f32]) -> Option<f64> {
    if positives.is_empty() || negatives.is_empty() {
        return None;
    }
    let mut sorted = negatives.to_vec();
    sorted.sort_by(f32::total_cmp);
    let above = |score: &f32| {
        let below = sorted.partition_point(|other| other < score);
        let not_above = sorted.partition_point(|other| other <= score);
        (below + not_above) as f64 / 2.0
    };
    let sum: f64 = positives.iter().map(above).sum();
    Some(sum / (positives.len() * negatives.len()) as f64)
}

/// The threshold between two scores at which the share of music below it and the
/// share of others not below it are least together, while of music it is at most
/// `most_refused`; where several are, the one farthest from any score.
fn threshold(music: &[f32], others: &[f32], most_refused: f64) -> Option<f32> {
    let mut scores: Vec<(f32, bool)> =
        music.iter().map(|score| (*score, true)).chain(others.iter().map(|score| (*score, false))).collect();
    if music.is_empty() || others.is_empty() || scores.iter().any(|(score, _)| !score.is_finite()) {
        return None;
    }
    scores.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut refused, mut caught) = (0, 0);
    // Below all scores: nothing is refused.
    let mut best = (1.0, 0.0, scores.first()?.0);
    for pair in scores.windows(2) {
        let [(score, is_music), (next, _)] = [pair[0], pair[1]];
        if is_music {
            refused += 1
        } else {
            caught += 1
        }
        let [refused, caught] =
            [(refused, music), (caught, others)].map(|(count, of)| f64::from(count) / of.len() as f64);
        let (mistakes, room) = (refused + 1.0 - caught, next - score);
        let is_better = mistakes < best.0 || (mistakes == best.0 && room > best.1);
        if room > 0.0 && refused <= most_refused && is_better {
            best = (mistakes, room, score + room / 2.0);
        }
    }
    Some(best.2)
}

/// Where a function of one value is least between two, if it falls and then rises:
/// search by the golden section (J. Kiefer, 1953), to a millionth of the way.
fn least(mut low: f64, mut high: f64, function: impl Fn(f64) -> f64) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    let width = high - low;
    let inner = |low: f64, high: f64| [high - GOLDEN * (high - low), low + GOLDEN * (high - low)];
    let [mut left, mut right] = inner(low, high);
    let [mut at_left, mut at_right] = [function(left), function(right)];
    while high - low > 1e-6 * width {
        if at_left <= at_right {
            (high, right, at_right) = (right, left, at_left);
            left = inner(low, high)[0];
            at_left = function(left);
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = inner(low, high)[1];
            at_right = function(right);
        }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::evaluate::score;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, StandardNormal};

    fn normal(rng: &mut ChaCha8Rng) -> f32 {
        StandardNormal.sample(rng)
    }

    /// Clips whose genres are drawn by the probabilities of their logits over
    /// `sharpness`; clips of one track, ten each, have a part of the logits in
    /// common.
    fn drawn(tracks: usize, sharpness: f32, common: f32) -> Vec<Observation> {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut clips = Vec::new();
        for track in 0..tracks {
            let of_track: Vec<f32> = (0..4).map(|_| 2.0 * normal(&mut rng)).collect();
            let draw = rng.random_range(0.0..1.0);
            let mut sum = 0.0;
            let genre = softmax(&of_track)
                .iter()
                .take_while(|share| {
                    sum += **share;
                    sum < draw
                })
                .count();
            for _ in 0..10 {
                let own = |value: &f32, rng: &mut ChaCha8Rng| sharpness * (value + common * normal(rng));
                let logits = of_track.iter().map(|value| own(value, &mut rng)).collect();
                clips.push(Observation { logits, genre: genre.min(3), track, ..Observation::default() });
            }
        }
        clips
    }

    #[test]
    fn the_temperature_undoes_what_made_the_logits_sharp() {
        for sharpness in [0.5, 1.0, 3.0] {
            let fitted = fit_temperature(&drawn(3000, sharpness, 0.0));
            assert!((fitted / sharpness - 1.0).abs() < 0.07, "{fitted} for {sharpness}");
        }
    }

    fn answers(clips: &[Observation], temperature: f32) -> Vec<Answer> {
        let calibration = Calibration { temperature, ..Calibration::default() };
        let answer =
            |clip: &Observation| Answer::new(&calibration.scaled(&clip.logits), clip.genre, clip.track);
        clips.iter().map(answer).collect()
    }

    /// Genres of which too little, or too much, is thought, and one that is rare.
    #[test]
    fn biases_undo_what_was_thought_too_little_of_a_genre() {
        let truth = [1.0, -1.0, 0.5, -0.5];
        let mut clips = drawn(3000, 2.0, 0.0);
        for clip in &mut clips {
            clip.logits.iter_mut().zip(truth).for_each(|(logit, bias)| *logit -= 2.0 * bias);
        }
        // It is not for the sake of the many that a genre is thought little of.
        clips.retain(|clip| clip.genre != 0 || clip.track.is_multiple_of(4));
        let scalings = Scalings::compare(&clips, 4);
        assert!(scalings.biased < scalings.alone - 0.1, "{scalings:?}");
        let Calibration { temperature, bias, .. } = scalings.better();
        assert!((temperature / 2.0 - 1.0).abs() < 0.1, "{temperature}");
        for (bias, truth) in bias.iter().zip(truth) {
            assert!((bias - truth).abs() < 0.15, "{bias} for {truth}");
        }
        // Where there is nothing to undo, nothing is added.
        let fair = Scalings::compare(&drawn(600, 2.0, 0.0), 4).better();
        assert!(fair.bias.is_empty(), "{fair:?}");
        // Nor where there is nothing at all.
        let none = Scalings::compare(&[], 4).better();
        assert!(none.bias.is_empty() && none.temperature == 1.0);
        // And where all that there is is of one track, there is nothing to fit on.
        let of_one = [0, 5].map(|clip| Observation { track: 3, ..clips[clip].clone() });
        let scalings = Scalings::compare(&of_one, 4);
        assert_eq!(scalings.alone, scalings.biased);
        assert!(scalings.better().bias.is_empty());
    }

    /// Of folders of one's own, one genre may be too small to have clips in each part.
    #[test]
    fn a_genre_without_clips_is_neither_helped_nor_punished() {
        let (mut clips, three) = (drawn(600, 2.0, 0.0), [1, 2, 3]);
        clips.retain(|clip| clip.genre != 0);
        for clip in &mut clips {
            clip.logits[3] -= 3.0;
        }
        let Calibration { temperature, bias, .. } = fit_biases(&clips, 4);
        assert_eq!(bias[0], 0.0);
        // The others have what they would have without it, and cancel out.
        let without: Vec<Observation> = clips
            .iter()
            .map(|clip| Observation {
                logits: three.map(|genre: usize| clip.logits[genre]).to_vec(),
                genre: clip.genre - 1,
                ..clip.clone()
            })
            .collect();
        let fitted = fit_biases(&without, 3);
        assert_eq!((temperature, &bias[1..]), (fitted.temperature, &fitted.bias[..]));
        assert!(bias[3] > 0.5 && bias.iter().sum::<f32>().abs() < 0.01, "{bias:?}");
    }

    /// As where the validation part has every fifth or tenth track of an archive.
    #[test]
    fn what_number_a_track_has_makes_no_difference() {
        let renumbered = |clips: &[Observation], step: usize| -> Vec<Observation> {
            clips.iter().map(|clip| Observation { track: step * clip.track + 3, ..clip.clone() }).collect()
        };
        let clips = drawn(60, 2.0, 0.0);
        let scalings = Scalings::compare(&clips, 4);
        let (music, others) = (plane(100, |_| [0.0, 0.5]), plane(60, |_| [0.0, 0.0]));
        let all = candidates(&music, &others, 2, 0.02, None);
        for step in [FOLDS, 2 * FOLDS, 7] {
            assert_eq!(Scalings::compare(&renumbered(&clips, step), 4), scalings);
            let renumbered = candidates(&renumbered(&music, step), &renumbered(&others, step), 2, 0.02, None);
            assert_eq!(renumbered, all);
        }
        assert_eq!(all.len(), RejectionScore::ALL.len());
    }

    /// Fewer tracks than folds are folds of one track each.
    #[test]
    fn three_tracks_are_judged_as_three() {
        let clips = drawn(3, 1.0, 0.0);
        let by_hand = (0..3).map(|track| {
            let of_track = |own: bool| -> Vec<Observation> {
                clips.iter().filter(|clip| (clip.track == track) == own).cloned().collect()
            };
            let (rest, own) = (of_track(false), of_track(true));
            let temperature = weighted_temperature(&rest, &balance(&rest, 4));
            balanced_loss(&own, 4, &Calibration { temperature, ..Calibration::default() }) / 3.0
        });
        let by_hand: f64 = by_hand.sum();
        assert!((Scalings::compare(&clips, 4).alone - by_hand).abs() < 1e-12);
    }

    /// A genre that is rare, and of which a network is far too sure.
    #[test]
    fn a_temperature_is_compared_as_fairly_as_biases_are() {
        let mut clips = drawn(3000, 1.0, 0.0);
        clips.retain(|clip| clip.genre != 0 || clip.track.is_multiple_of(8));
        for clip in clips.iter_mut().filter(|clip| clip.genre == 0) {
            clip.logits.iter_mut().for_each(|logit| *logit *= 8.0);
        }
        let by_the_many = Calibration { temperature: fit_temperature(&clips), ..Calibration::default() };
        let scalings = Scalings::compare(&clips, 4);
        let by_all_alike = balanced_loss(&clips, 4, &by_the_many);
        assert!(scalings.alone < by_all_alike - 0.05, "{scalings:?}, {by_all_alike}");
    }

    #[test]
    fn clips_that_repeat_each_other_count_once() {
        let same = Combinations::compare(&answers(&drawn(2000, 1.0, 0.0), 1.0));
        assert!(same.correlation > 0.8, "{same:?}");
        // Both pools are the clip itself: neither has an advantage to speak of.
        assert!((same.log_pool - same.mean_probability).abs() < 0.01, "{same:?}");
    }

    /// A few tracks on which a network is hopeless would choose the combination for all others.
    #[test]
    fn a_hopeless_track_costs_as_much_as_where_it_is_scored() {
        let hopeless = [Answer::new(&[0.0, 200.0], 0, 0)];
        let scored = score(&hopeless, 2, 0.0, Rule::default()).unwrap().track_loss;
        let compared = Combinations::compare(&hopeless);
        assert_eq!(Some(compared.mean_probability), scored);
        assert!((compared.mean_probability + 1e-7_f64.ln()).abs() < 1e-9, "{compared:?}");
    }

    #[test]
    fn clips_that_each_add_something_are_pooled_by_their_logarithms() {
        let clips = drawn(2000, 1.0, 3.0);
        let various = Combinations::compare(&answers(&clips, fit_temperature(&clips)));
        assert!(various.correlation < 0.5, "{various:?}");
        assert!(various.log_pool < various.mean_probability - 0.05, "{various:?}");
        assert_eq!(various.better(), Combine::LogPool { correlation: various.correlation });
        let worse = Combinations { log_pool: various.mean_probability + 0.1, ..various };
        assert_eq!(worse.better(), Combine::MeanProbability);
        // What rounding leaves between them is no reason.
        let same = Combinations { log_pool: various.mean_probability - 1e-6, ..various };
        assert_eq!(same.better(), Combine::MeanProbability);
    }

    #[test]
    fn the_area_counts_pairs() {
        assert_eq!(area_under_roc(&[2.0, 3.0], &[1.0, 0.0]), Some(1.0));
        // Of six pairs three are right, one is a tie.
        assert_eq!(area_under_roc(&[1.0, 3.0], &[0.0, 1.0, 5.0]), Some(3.5 / 6.0));
        assert_eq!(area_under_roc(&[], &[1.0]), None);
    }

    #[test]
    fn a_threshold_lies_in_the_widest_gap_and_keeps_its_promise() {
        assert_eq!(threshold(&[5.0, 6.0, 7.0], &[0.0, 1.0], 0.0), Some(3.0));
        let music: Vec<f32> = (0..100).map(|at| at as f32).collect();
        let others: Vec<f32> = (0..50).map(|at| at as f32 / 2.0).collect();
        // Each further piece of music refused catches two of a hundred others.
        let chosen = threshold(&music, &others, 0.05).unwrap();
        assert_eq!(music.iter().filter(|score| **score < chosen).count(), 5);
        // Without the limit, all others are caught.
        let chosen = threshold(&music, &others, 1.0).unwrap();
        assert!((24.5..25.0).contains(&chosen), "{chosen}");
        assert_eq!(threshold(&music, &[f32::NAN], 0.05), None);
    }

    /// Music around two means in the plane of the first two values; a third value
    /// hardly varies.
    fn plane(clips: usize, center: impl Fn(usize) -> [f32; 2]) -> Vec<Observation> {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        (0..clips)
            .map(|at| {
                let [x, y] = center(at % 2);
                let embedding =
                    vec![x + normal(&mut rng), y + 0.1 * normal(&mut rng), 0.01 * normal(&mut rng)];
                Observation {
                    logits: vec![embedding[0], -embedding[0]],
                    texture: vec![embedding[1]],
                    embedding,
                    genre: at % 2,
                    track: at / 2,
                }
            })
            .collect()
    }

    #[test]
    fn gaussians_find_means_and_deviations() {
        let music = plane(4000, |genre| if genre == 0 { [-4.0, 0.0] } else { [4.0, 1.0] });
        let Gaussians { means, whitening, length } = fit_gaussians(&music, 2).unwrap();
        for (found, expected) in means.iter().zip([-4.0, 0.0, 0.0, 4.0, 1.0, 0.0]) {
            assert!((found - expected).abs() < 0.06, "{means:?}");
        }
        // Deviations of 1, 0.1 and 0.01, and what the ridge adds to their squares.
        let ridge = (1.0 + 0.01 + 0.0001) * SHRINKAGE as f32 / 3.0;
        for (at, variance) in [1.0, 0.01, 0.0001].into_iter().enumerate() {
            let expected = 1.0 / (variance + ridge).sqrt();
            assert!((whitening[at * length + at] / expected - 1.0).abs() < 0.05, "{whitening:?}");
        }
        assert_eq!(fit_gaussians(&[], 2), None);
    }

    #[test]
    fn the_probe_finds_the_side_that_music_is_on() {
        let music = plane(600, |_| [0.0, 0.5]);
        let others = plane(60, |_| [0.0, 0.0]);
        let probe = Scorer::Probe(fit_probe(&music, &others).unwrap());
        let right = |clips: &[Observation], is_music: bool| {
            let right = clips.iter().filter(|clip| (probe.of(clip.evidence()) > 0.0) == is_music).count();
            right as f64 / clips.len() as f64
        };
        // Two and a half deviations from the middle.
        assert!(right(&music, true) > 0.97 && right(&others, false) > 0.97);
        assert_eq!(fit_probe(&music, &[]), None);
    }

    #[test]
    fn the_best_score_comes_first_and_holds_its_limit() {
        // The others lie between the genres: of the embedding's distance and the
        // texture, but not of the logits.
        let music = plane(1000, |genre| if genre == 0 { [-4.0, 0.0] } else { [4.0, 0.0] });
        let others = plane(200, |_| [-4.0, 3.0]);
        let all = candidates(&music, &others, 2, 0.02, None);
        assert_eq!(all.len(), RejectionScore::ALL.len());
        let [first, second, rest @ ..] = &all[..] else { panic!("{all:?}") };
        let mut best = [first, second].map(|candidate| candidate.scorer.score());
        best.sort();
        assert_eq!(best, [RejectionScore::Mahalanobis, RejectionScore::Probe]);
        assert!(second.auroc > 0.999 && second.refused.iter().all(|refused| *refused));
        assert!(rest.iter().all(|candidate| candidate.auroc < 0.7));
        assert!(all.iter().all(|candidate| candidate.music_refused <= 0.02));
        // What another model was given is taken as it is, whatever it refuses.
        let given = Rejection { score: RejectionScore::Probe, threshold: 1e9 };
        let [only] = &candidates(&music, &others, 2, 0.02, Some(given))[..] else { panic!("not one") };
        assert_eq!((only.scorer.score(), only.threshold, only.music_refused), (given.score, 1e9, 1.0));
    }

    #[test]
    fn without_others_there_is_no_candidate() {
        assert_eq!(candidates(&plane(20, |_| [0.0, 0.0]), &[], 2, 0.05, None), []);
    }

    #[test]
    fn the_golden_section_finds_the_least() {
        for minimum in [0.0, 0.3, 1.0] {
            let found = least(0.0, 1.0, |x| (x - minimum).powi(4));
            assert!((found - minimum).abs() < 1e-3, "{found} for {minimum}");
        }
    }
}
