//! What says that a clip is not music.
//!
//! In: what is known of a clip once the network has run ([`Evidence`]). Out: a
//! score, the higher the more it is like music, by the [`RejectionScore`] of the
//! card; and whether that is below the card's threshold. What a score needs beside
//! the network stands in the weights file, under names that begin with `rejection.`
//! (see [`statistics_shapes`]).

use crate::{
    classify::verdict::softmax,
    network::{
        card::RejectionScore,
        weights::{BIAS, MEANS, WEIGHT, WHITENING, Weights, WeightsError, statistics_shapes},
    },
};

/// What is known of a clip.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// `[classes]`, before the temperature.
    pub logits: &'a [f32],
    /// `[embedding_length]`.
    pub embedding: &'a [f32],
    /// `[TEXTURE_LENGTH]`, of its [spectrogram](crate::spectrogram::texture).
    pub texture: &'a [f32],
}

impl Evidence<'_> {
    /// What a probe weighs: the embedding, the texture, and the texture's squares, so
    /// that music may lie between two limits, as it does between noise, which stands
    /// still, and speech, which pauses.
    pub fn features(&self) -> impl Iterator<Item = f32> {
        let squares = self.texture.iter().map(|value| value * value);
        self.embedding.iter().chain(self.texture).copied().chain(squares)
    }
}

/// A score and what it needs.
#[derive(Clone, Debug, PartialEq)]
pub enum Scorer {
    /// See [`RejectionScore::MaxProbability`].
    MaxProbability,
    /// See [`RejectionScore::MaxLogit`].
    MaxLogit,
    /// See [`RejectionScore::Energy`].
    Energy,
    /// See [`RejectionScore::Mahalanobis`].
    Mahalanobis(Gaussians),
    /// See [`RejectionScore::Probe`].
    Probe(Probe),
}

/// One mean a genre, and a covariance for all.
#[derive(Clone, Debug, PartialEq)]
pub struct Gaussians {
    /// `[classes, length]`.
    pub means: Vec<f32>,
    /// `[length, length]`: the inverse of the covariance's Cholesky factor.
    pub whitening: Vec<f32>,
    /// Values of an embedding.
    pub length: usize,
}

impl Gaussians {
    /// Squared distance to the nearest mean.
    fn distance(&self, embedding: &[f32]) -> f32 {
        let distance = |mean: &[f32]| -> f32 {
            let difference: Vec<f32> = embedding.iter().zip(mean).map(|(value, mean)| value - mean).collect();
            self.whitening.chunks_exact(self.length).map(|row| dot(row, &difference).powi(2)).sum()
        };
        self.means.chunks_exact(self.length).map(distance).fold(f32::INFINITY, f32::min)
    }
}

/// A logistic regression.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// Of each of the [features](Evidence::features).
    pub weight: Vec<f32>,
    /// Added to their sum.
    pub bias: f32,
}

/// Name, shape and values of a tensor.
pub type Tensor = (String, Vec<usize>, Vec<f32>);

impl Scorer {
    /// Which score this is.
    pub fn score(&self) -> RejectionScore {
        match self {
            Self::MaxProbability => RejectionScore::MaxProbability,
            Self::MaxLogit => RejectionScore::MaxLogit,
            Self::Energy => RejectionScore::Energy,
            Self::Mahalanobis(_) => RejectionScore::Mahalanobis,
            Self::Probe(_) => RejectionScore::Probe,
        }
    }

    /// How much a clip is like music.
    pub fn of(&self, clip: Evidence<'_>) -> f32 {
        let largest = |values: &[f32]| values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        match self {
            Self::MaxProbability => largest(&softmax(clip.logits)),
            Self::MaxLogit => largest(clip.logits),
            Self::Energy => {
                let max = largest(clip.logits);
                max + clip.logits.iter().map(|logit| (logit - max).exp()).sum::<f32>().ln()
            }
            Self::Mahalanobis(gaussians) => -gaussians.distance(clip.embedding),
            Self::Probe(Probe { weight, bias }) => {
                bias + weight.iter().zip(clip.features()).map(|(weight, value)| weight * value).sum::<f32>()
            }
        }
    }

    /// The tensors that [`statistics_shapes`] names.
    pub fn tensors(&self) -> Vec<Tensor> {
        let tensor = |name: &str, shape, values: &[f32]| (name.to_owned(), shape, values.to_vec());
        match self {
            Self::MaxProbability | Self::MaxLogit | Self::Energy => Vec::new(),
            Self::Mahalanobis(Gaussians { means, whitening, length }) => vec![
                tensor(MEANS, vec![means.len() / length, *length], means),
                tensor(WHITENING, vec![*length, *length], whitening),
            ],
            Self::Probe(Probe { weight, bias }) => {
                vec![tensor(WEIGHT, vec![weight.len()], weight), tensor(BIAS, vec![1], &[*bias])]
            }
        }
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Refuses clips, as a card says.
#[derive(Clone, Debug, PartialEq)]
pub struct Rejector {
    scorer: Scorer,
    threshold: f32,
}

impl Rejector {
    /// The card's; `None` where it has none.
    ///
    /// # Errors
    /// [`WeightsError`] where the file lacks what the score needs.
    pub fn new(weights: &Weights) -> Result<Option<Self>, WeightsError> {
        let card = weights.card();
        let Some(rejection) = card.rejection else { return Ok(None) };
        let statistics: Vec<&[f32]> = statistics_shapes(card)
            .iter()
            .map(|(name, shape)| weights.tensor(name, shape))
            .collect::<Result<_, _>>()?;
        let scorer = match (rejection.score, statistics.as_slice()) {
            (RejectionScore::Mahalanobis, &[means, whitening]) => Scorer::Mahalanobis(Gaussians {
                means: means.to_vec(),
                whitening: whitening.to_vec(),
                length: card.embedding_length,
            }),
            (RejectionScore::Probe, &[weight, &[bias]]) => {
                Scorer::Probe(Probe { weight: weight.to_vec(), bias })
            }
            (RejectionScore::MaxLogit, _) => Scorer::MaxLogit,
            (RejectionScore::Energy, _) => Scorer::Energy,
            (RejectionScore::MaxProbability, _) => Scorer::MaxProbability,
            (RejectionScore::Mahalanobis, _) => return Err(WeightsError::Missing(MEANS.into())),
            (RejectionScore::Probe, _) => return Err(WeightsError::Missing(WEIGHT.into())),
        };
        Ok(Some(Self { scorer, threshold: rejection.threshold }))
    }

    /// A clip's score, and whether the clip is refused.
    pub fn judge(&self, clip: Evidence<'_>) -> (f32, bool) {
        let score = self.scorer.of(clip);
        // Written so that NaN is refused.
        (score, !(score >= self.threshold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spectrogram::texture::TEXTURE_LENGTH;

    const CLIP: Evidence<'_> =
        Evidence { logits: &[1.0, 3.0, -2.0], embedding: &[2.0, 1.0], texture: &[0.5; TEXTURE_LENGTH] };

    fn near(found: f32, expected: f32) {
        assert!((found - expected).abs() < 1e-5, "{found} is not {expected}");
    }

    #[test]
    fn scores_of_logits_are_what_the_hand_computes() {
        let sum = 1.0_f32.exp() + 3.0_f32.exp() + (-2.0_f32).exp();
        near(Scorer::MaxProbability.of(CLIP), 3.0_f32.exp() / sum);
        near(Scorer::MaxLogit.of(CLIP), 3.0);
        near(Scorer::Energy.of(CLIP), sum.ln());
        near(Scorer::Energy.of(Evidence { logits: &[500.0, 500.0], ..CLIP }), 500.0 + 2.0_f32.ln());
    }

    #[test]
    fn distance_is_to_the_nearest_mean_in_units_of_the_deviation() {
        let gaussians = Gaussians {
            means: vec![0.0, 1.0, 2.0, 4.0],
            // Deviations of 2 and 0.5.
            whitening: vec![0.5, 0.0, 0.0, 2.0],
            length: 2,
        };
        // 1² to the first mean, 6² to the second.
        near(Scorer::Mahalanobis(gaussians.clone()).of(CLIP), -1.0);
        near(Scorer::Mahalanobis(gaussians).of(Evidence { embedding: &[2.0, 4.5], ..CLIP }), -1.0);
    }

    #[test]
    fn a_probe_weighs_embedding_texture_and_squares() {
        let mut weight = vec![0.0; 2 + 2 * TEXTURE_LENGTH];
        (weight[0], weight[1], weight[1 + TEXTURE_LENGTH]) = (3.0, -1.0, 4.0);
        weight[1 + 2 * TEXTURE_LENGTH] = 8.0;
        near(Scorer::Probe(Probe { weight, bias: -2.0 }).of(CLIP), 6.0 - 1.0 + 2.0 + 2.0 - 2.0);
    }

    #[test]
    fn what_is_below_the_threshold_or_no_number_is_refused() {
        let rejector = Rejector { scorer: Scorer::MaxLogit, threshold: 3.0 };
        assert_eq!(rejector.judge(CLIP), (3.0, false));
        assert!(rejector.judge(Evidence { logits: &[2.9], ..CLIP }).1);
        let nonsense = Rejector {
            scorer: Scorer::Probe(Probe { weight: vec![f32::NAN; 2], bias: 0.0 }),
            threshold: f32::MIN,
        };
        assert!(nonsense.judge(CLIP).1);
    }
}
