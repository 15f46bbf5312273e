//! Softmax regression: the one layer that is learnt.
//!
//! In: rows of features `[rows, features]` and their classes. Out: [`Layer`],
//! weights and biases of the logits. With an L2 penalty the loss is strictly
//! convex: there is one best layer, found without any chance, from however few
//! rows. It is minimised over all rows at once by Nesterov's accelerated
//! gradient for strongly convex functions with a constant step (Y. Nesterov,
//! *Introductory Lectures on Convex Optimization*, 2004, scheme 2.2.11).

use crate::{classify::verdict::softmax, network::winograd::dot};

/// L2 penalty, for features whose mean square length is 1: of the powers of ten
/// from 0.0001 to 0.1 the one by which new recordings of two instruments in two
/// rooms were told apart best (93 % of 240 files, six lessons by 8 files each).
const PENALTY: f32 = 1e-3;

/// Bound on the slope's change: the softmax's curvature is at most 1/2, and the
/// mean square length of a row with its constant 1 is 2.
const CURVATURE: f32 = 1.0 + PENALTY;

/// Epochs at most: the distance to the best layer shrinks by e every
/// √(`CURVATURE` / `PENALTY`) = 32.
pub(super) const EPOCHS: usize = 300;

/// Largest slope at which the layer counts as the best one.
const FLAT: f32 = 1e-5;

/// A dense layer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Layer {
    /// `[classes, features]`.
    pub(super) weight: Vec<f32>,
    /// `[classes]`.
    pub(super) bias: Vec<f32>,
}

impl Layer {
    /// Probabilities of the classes for one row.
    pub(super) fn probabilities(&self, row: &[f32]) -> Vec<f32> {
        let rows = self.weight.chunks_exact(row.len().max(1));
        softmax(&rows.zip(&self.bias).map(|(weight, bias)| bias + dot(weight, row)).collect::<Vec<_>>())
    }
}

/// Rows to learn from, centred and scaled alike in all directions, so that one
/// step suits every lesson. Each class counts the same, however many rows it has.
struct Rows {
    /// `[rows, features]`.
    values: Vec<f32>,
    features: usize,
    classes: Vec<usize>,
    /// What each row counts; 1 together.
    shares: Vec<f32>,
    mean: Vec<f32>,
    scale: f32,
}

impl Rows {
    fn new(rows: &[(&[f32], usize)], features: usize, classes: usize) -> Self {
        let mut counts = vec![0.0_f32; classes];
        rows.iter().for_each(|(_, class)| counts[*class] += 1.0);
        let present = counts.iter().filter(|count| **count > 0.0).count() as f32;
        let shares: Vec<f32> = rows.iter().map(|(_, class)| 1.0 / (counts[*class] * present)).collect();
        let mut mean = vec![0.0; features];
        for ((row, _), share) in rows.iter().zip(&shares) {
            add(&mut mean, *share, row);
        }
        let mut values = Vec::with_capacity(rows.len() * features);
        let mut square = 0.0;
        for ((row, _), share) in rows.iter().zip(&shares) {
            values.extend(row.iter().zip(&mean).map(|(value, mean)| value - mean));
            let centred = &values[values.len() - features..];
            square += share * dot(centred, centred);
        }
        // Rows that are all alike have no length, and nothing to be learnt.
        let scale = if square > f32::MIN_POSITIVE { square.sqrt().recip() } else { 1.0 };
        values.iter_mut().for_each(|value| *value *= scale);
        Self {
            values,
            features,
            classes: rows.iter().map(|(_, class)| *class).collect(),
            shares,
            mean,
            scale,
        }
    }

    /// The loss's slope at a layer.
    fn slope(&self, layer: &Layer, slope: &mut Layer) {
        for (slope, weight) in [(&mut slope.weight, &layer.weight), (&mut slope.bias, &layer.bias)] {
            slope.iter_mut().zip(weight).for_each(|(slope, weight)| *slope = PENALTY * weight);
        }
        let rows = self.values.chunks_exact(self.features);
        for ((row, class), share) in rows.zip(&self.classes).zip(&self.shares) {
            for (said, probability) in layer.probabilities(row).into_iter().enumerate() {
                let excess = share * (probability - if said == *class { 1.0 } else { 0.0 });
                add(&mut slope.weight[said * self.features..][..self.features], excess, row);
                slope.bias[said] += excess;
            }
        }
    }

    /// The layer for features as they came.
    fn unscaled(&self, mut layer: Layer) -> Layer {
        layer.weight.iter_mut().for_each(|weight| *weight *= self.scale);
        let weights = layer.weight.chunks_exact(self.features);
        weights.zip(&mut layer.bias).for_each(|(weight, bias)| *bias -= dot(weight, &self.mean));
        layer
    }
}

/// Learns the layer from rows of `features` values and their classes, each below
/// `classes`. `epoch` is told the number of each epoch as it ends.
pub(super) fn fit(
    rows: &[(&[f32], usize)],
    features: usize,
    classes: usize,
    mut epoch: impl FnMut(usize),
) -> Layer {
    let rows = Rows::new(rows, features, classes);
    let zero = Layer { weight: vec![0.0; classes * features], bias: vec![0.0; classes] };
    let ratio = (PENALTY / CURVATURE).sqrt();
    let momentum = (1.0 - ratio) / (1.0 + ratio);
    let (mut layer, mut ahead, mut slope) = (zero.clone(), zero.clone(), zero);
    for number in 1..=EPOCHS {
        rows.slope(&ahead, &mut slope);
        step(&mut layer.weight, &mut ahead.weight, &slope.weight, momentum);
        step(&mut layer.bias, &mut ahead.bias, &slope.bias, momentum);
        epoch(number);
        if slope.weight.iter().chain(&slope.bias).all(|slope| slope.abs() < FLAT) {
            break;
        }
    }
    rows.unscaled(layer)
}

/// Goes down the slope from `ahead`, and looks ahead from there.
fn step(at: &mut [f32], ahead: &mut [f32], slope: &[f32], momentum: f32) {
    for ((at, ahead), slope) in at.iter_mut().zip(ahead).zip(slope) {
        let next = *ahead - slope / CURVATURE;
        *ahead = next + momentum * (next - *at);
        *at = next;
    }
}

/// `sum += factor · values`.
fn add(sum: &mut [f32], factor: f32, values: &[f32]) {
    sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += factor * value);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two classes in the plane, the second one four times as often.
    fn rows() -> Vec<([f32; 2], usize)> {
        let place = |index: usize| (index as f32 * 0.7).sin();
        (0..20)
            .map(|at| ([100.0 + place(at), 5.0 * place(at + 3) + at as f32], usize::from(at > 3)))
            .collect()
    }

    #[test]
    fn the_best_layer_is_found() {
        let rows = rows();
        let rows: Vec<_> = rows.iter().map(|(row, class)| (row.as_slice(), *class)).collect();
        let scaled = Rows::new(&rows, 2, 2);
        let mut slope = Layer { weight: vec![0.0; 4], bias: vec![0.0; 2] };
        let layer = fit(&rows, 2, 2, |_| {});
        // Back to the scaled rows, where the slope must vanish.
        let mut inside = layer.clone();
        inside.weight.iter_mut().for_each(|weight| *weight /= scaled.scale);
        for (weight, bias) in layer.weight.chunks_exact(2).zip(&mut inside.bias) {
            *bias += dot(weight, &scaled.mean);
        }
        scaled.slope(&inside, &mut slope);
        let steepest =
            slope.weight.iter().chain(&slope.bias).fold(0.0_f32, |most, slope| most.max(slope.abs()));
        assert!(steepest < 1e-4, "the slope is still {steepest}");
    }

    #[test]
    fn rows_that_are_alike_leave_every_class_as_probable() {
        let rows: Vec<(&[f32], usize)> = vec![(&[2.0, 3.0], 0), (&[2.0, 3.0], 1), (&[2.0, 3.0], 1)];
        let layer = fit(&rows, 2, 2, |_| {});
        for probability in layer.probabilities(&[2.0, 3.0]) {
            assert!((probability - 0.5).abs() < 1e-3, "{probability}");
        }
    }
}
