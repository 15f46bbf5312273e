//! The directions in which points differ most.
//!
//! In: points of any dimension. Out: their mean, and orthogonal axes from the
//! greatest variance to the least: principal component analysis, by Jacobi's
//! rotations of the covariance (G. Golub and C. Van Loan, "Matrix Computations",
//! 4th ed., 8.5), which give the same axes on every machine.

/// Rounds of rotations after which a matrix of any size met here is diagonal.
const SWEEPS: usize = 32;

/// Mean and axes of points.
#[derive(Clone, Debug, PartialEq)]
pub struct Principal {
    /// `[length]`.
    pub mean: Vec<f64>,
    /// Each `[length]` and of length 1, the greatest variance first; the largest
    /// of its values is positive.
    pub axes: Vec<Vec<f64>>,
    /// The points' variance along each.
    pub variances: Vec<f64>,
}

impl Principal {
    /// Of points that stand one after the other, each `length` values.
    pub fn of(points: &[f32], length: usize) -> Self {
        let count = (points.len() / length.max(1)).max(1) as f64;
        let points = || points.chunks_exact(length.max(1));
        let mut mean = vec![0.0; length];
        for point in points() {
            for (sum, value) in mean.iter_mut().zip(point) {
                *sum += f64::from(*value) / count;
            }
        }
        let mut covariance = vec![vec![0.0; length]; length];
        for point in points() {
            let from_mean: Vec<f64> =
                point.iter().zip(&mean).map(|(value, mean)| f64::from(*value) - mean).collect();
            for (row, one) in covariance.iter_mut().zip(&from_mean) {
                for (cell, other) in row.iter_mut().zip(&from_mean) {
                    *cell += one * other / count;
                }
            }
        }
        let (variances, axes) = eigen(covariance);
        let mut sorted: Vec<(f64, Vec<f64>)> = variances.into_iter().zip(axes).collect();
        sorted.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        let (variances, axes) = sorted.into_iter().map(|(variance, axis)| (variance, upright(axis))).unzip();
        Self { mean, axes, variances }
    }
}

/// The axis or its opposite: whichever has its largest value positive.
fn upright(mut axis: Vec<f64>) -> Vec<f64> {
    let largest = axis.iter().copied().reduce(|most, next| if next.abs() > most.abs() { next } else { most });
    if largest.is_some_and(|largest| largest < 0.0) {
        axis.iter_mut().for_each(|value| *value = -*value);
    }
    axis
}

/// Eigenvalues and eigenvectors of a symmetric matrix.
fn eigen(mut matrix: Vec<Vec<f64>>) -> (Vec<f64>, Vec<Vec<f64>>) {
    let size = matrix.len();
    let unit = |at: usize| (0..size).map(|other| if other == at { 1.0 } else { 0.0 }).collect();
    let mut vectors: Vec<Vec<f64>> = (0..size).map(unit).collect();
    for _ in 0..SWEEPS {
        let off: f64 =
            (0..size).flat_map(|p| (0..p).map(move |q| (p, q))).map(|(p, q)| matrix[p][q].powi(2)).sum();
        let diagonal: f64 = (0..size).map(|p| matrix[p][p].powi(2)).sum();
        if off <= 1e-28 * diagonal {
            break;
        }
        for q in 1..size {
            for p in 0..q {
                rotate(&mut matrix, &mut vectors, p, q);
            }
        }
    }
    ((0..size).map(|at| matrix[at][at]).collect(), vectors)
}

/// Turns rows and columns `p` and `q` so that their common cell becomes 0.
fn rotate(matrix: &mut [Vec<f64>], vectors: &mut [Vec<f64>], p: usize, q: usize) {
    if matrix[p][q] == 0.0 {
        return;
    }
    let tau = (matrix[q][q] - matrix[p][p]) / (2.0 * matrix[p][q]);
    let tangent = tau.signum() / (tau.abs() + tau.hypot(1.0));
    let cosine = 1.0 / tangent.hypot(1.0);
    let sine = tangent * cosine;
    let turned = |one: f64, other: f64| (cosine * one - sine * other, sine * one + cosine * other);
    for row in matrix.iter_mut() {
        (row[p], row[q]) = turned(row[p], row[q]);
    }
    for at in 0..matrix.len() {
        (matrix[p][at], matrix[q][at]) = turned(matrix[p][at], matrix[q][at]);
        (vectors[p][at], vectors[q][at]) = turned(vectors[p][at], vectors[q][at]);
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn a_stretched_cloud_has_its_axes_back() {
        // Along (3, 4) / 5 by 10, across by 1, and by nothing along the third.
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let points: Vec<f32> = (0..4000)
            .flat_map(|_| {
                let (along, across): (f32, f32) =
                    (rng.random_range(-10.0..10.0), rng.random_range(-1.0..1.0));
                [0.6 * along - 0.8 * across + 5.0, 0.8 * along + 0.6 * across, 7.0]
            })
            .collect();
        let found = Principal::of(&points, 3);
        assert!((found.mean[0] - 5.0).abs() < 0.2 && (found.mean[2] - 7.0).abs() < 1e-6);
        assert!((found.axes[0][0] - 0.6).abs() < 0.01 && (found.axes[0][1] - 0.8).abs() < 0.01);
        // A uniform spread of ±a has the variance a² / 3.
        assert!((found.variances[0] - 100.0 / 3.0).abs() < 1.5, "{:?}", found.variances);
        assert!((found.variances[1] - 1.0 / 3.0).abs() < 0.02 && found.variances[2].abs() < 1e-9);
    }

    #[test]
    fn axes_are_orthogonal_and_keep_all_variance() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let points: Vec<f32> = (0..40 * 24).map(|_| rng.random_range(0.0..1.0)).collect();
        let found = Principal::of(&points, 24);
        for (at, one) in found.axes.iter().enumerate() {
            for (other_at, other) in found.axes.iter().enumerate() {
                let product: f64 = one.iter().zip(other).map(|(a, b)| a * b).sum();
                assert!((product - f64::from(u8::from(at == other_at))).abs() < 1e-9);
            }
        }
        let variance: f64 = points
            .chunks_exact(24)
            .flat_map(|point| {
                point.iter().zip(&found.mean).map(|(value, mean)| (f64::from(*value) - mean).powi(2))
            })
            .sum();
        assert!((found.variances.iter().sum::<f64>() - variance / 40.0).abs() < 1e-9);
        assert!(found.variances.is_sorted_by(|a, b| a >= b));
    }
}
