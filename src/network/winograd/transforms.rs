//! The three transforms of Winograd's filtering, and their adjoints.
//!
//! In: values of as many channels as stand side by side. Out: the same at the
//! points, or back. `training` adds the adjoints, which carry gradients the
//! other way: each is the transposed matrix of its transform.

/// Side of a patch; its points are [`POINTS`] and ∞.
pub(crate) const PATCH: usize = 8;
/// Places of a patch.
pub(crate) const PLACES: usize = PATCH * PATCH;
/// Where the polynomials are evaluated, ∞ apart.
const POINTS: [f64; PATCH - 1] = [0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5];

// Loops and no closures: what `array::from_fn` calls is not inlined into code for
// wider registers, and then computes in narrow ones.

#[inline(always)]
pub(crate) fn add<const L: usize>(mut a: [f32; L], b: [f32; L]) -> [f32; L] {
    for lane in 0..L {
        a[lane] += b[lane];
    }
    a
}

#[inline(always)]
fn subtract<const L: usize>(mut a: [f32; L], b: [f32; L]) -> [f32; L] {
    for lane in 0..L {
        a[lane] -= b[lane];
    }
    a
}

#[inline(always)]
fn scale<const L: usize>(factor: f32, mut a: [f32; L]) -> [f32; L] {
    for value in &mut a {
        *value *= factor;
    }
    a
}

#[inline(always)]
fn sum3<const L: usize>(a: [f32; L], b: [f32; L], c: [f32; L]) -> [f32; L] {
    add(add(a, b), c)
}

/// Sum and difference.
#[inline(always)]
fn both<const L: usize>(even: [f32; L], odd: [f32; L]) -> ([f32; L], [f32; L]) {
    (add(even, odd), subtract(even, odd))
}

/// The transform `Bᵀ d` of eight values: row `j` has the coefficients of the
/// product of `x - p` over all points but the `j`th (the first is negated), the
/// last row those of the product over all.
#[inline(always)]
pub(crate) fn evaluate<const L: usize>(
    [d0, d1, d2, d3, d4, d5, d6, d7]: [[f32; L]; PATCH],
) -> [[f32; L]; PATCH] {
    let (one, minus_one) = both(sum3(d2, d6, scale(-4.25, d4)), sum3(d1, d5, scale(-4.25, d3)));
    let (two, minus_two) = both(
        sum3(d6, scale(0.25, d2), scale(-1.25, d4)),
        sum3(scale(0.5, d1), scale(-2.5, d3), scale(2.0, d5)),
    );
    let (half, minus_half) = both(
        sum3(d6, scale(4.0, d2), scale(-5.0, d4)),
        sum3(scale(2.0, d1), scale(-2.5, d3), scale(0.5, d5)),
    );
    let zero = add(subtract(d0, d6), scale(5.25, subtract(d4, d2)));
    let infinity = add(subtract(d7, d1), scale(5.25, subtract(d3, d5)));
    [zero, one, minus_one, two, minus_two, half, minus_half, infinity]
}

/// The adjoint `B g` of [`evaluate`].
#[cfg(feature = "training")]
#[inline(always)]
pub(crate) fn evaluate_adjoint<const L: usize>(
    [zero, m1, m2, m3, m4, m5, m6, infinity]: [[f32; L]; PATCH],
) -> [[f32; L]; PATCH] {
    let (e1, o1) = both(m1, m2);
    let (e2, o2) = both(m3, m4);
    let (e3, o3) = both(m5, m6);
    [
        zero,
        subtract(sum3(o1, scale(0.5, o2), scale(2.0, o3)), infinity),
        sum3(e1, scale(0.25, e2), add(scale(4.0, e3), scale(-5.25, zero))),
        sum3(scale(5.25, infinity), scale(-4.25, o1), scale(-2.5, add(o2, o3))),
        sum3(scale(5.25, zero), scale(-4.25, e1), add(scale(-1.25, e2), scale(-5.0, e3))),
        sum3(o1, scale(2.0, o2), add(scale(0.5, o3), scale(-5.25, infinity))),
        subtract(sum3(e1, e2, e3), zero),
        infinity,
    ]
}

/// The transform `Aᵀ m`: output `i` is the sum of each point's value times the
/// point to the `i`th power; ∞ counts for the last output alone.
#[inline(always)]
pub(crate) fn interpolate<const L: usize, const TILE: usize>(
    [zero, m1, m2, m3, m4, m5, m6, infinity]: [[f32; L]; PATCH],
) -> [[f32; L]; TILE] {
    let even = [add(m1, m2), add(m3, m4), add(m5, m6)];
    let odd = [subtract(m1, m2), subtract(m3, m4), subtract(m5, m6)];
    let mut outputs = [[0.0; L]; TILE];
    for (power, output) in outputs.iter_mut().enumerate() {
        let [ones, twos, halves] = if power % 2 == 0 { even } else { odd };
        let two = (1_u32 << power) as f32;
        *output = add(ones, add(scale(two, twos), scale(1.0 / two, halves)));
    }
    outputs[0] = add(outputs[0], zero);
    outputs[TILE - 1] = add(outputs[TILE - 1], infinity);
    outputs
}

/// The adjoint `A g` of [`interpolate`].
#[cfg(feature = "training")]
#[inline(always)]
pub(crate) fn interpolate_adjoint<const L: usize, const TILE: usize>(
    outputs: [[f32; L]; TILE],
) -> [[f32; L]; PATCH] {
    let mut sums = [[[0.0; L]; 3]; 2];
    for (power, &output) in outputs.iter().enumerate() {
        let [ones, twos, halves] = &mut sums[power % 2];
        let two = (1_u32 << power) as f32;
        *ones = add(*ones, output);
        *twos = add(*twos, scale(two, output));
        *halves = add(*halves, scale(1.0 / two, output));
    }
    let [even, odd] = sums;
    let (m1, m2) = both(even[0], odd[0]);
    let (m3, m4) = both(even[1], odd[1]);
    let (m5, m6) = both(even[2], odd[2]);
    [outputs[0], m1, m2, m3, m4, m5, m6, outputs[TILE - 1]]
}

/// A column of a square of cells.
#[inline(always)]
pub(crate) fn column<const L: usize, const ROWS: usize, const COLUMNS: usize>(
    cells: &[[[f32; L]; COLUMNS]; ROWS],
    column: usize,
) -> [[f32; L]; ROWS] {
    let mut values = [[0.0; L]; ROWS];
    for row in 0..ROWS {
        values[row] = cells[row][column];
    }
    values
}

/// The matrix `G` for kernels of `side`, `[PATCH, side]`: row `j` has the powers
/// of point `j` over the product of its distances from all others, which makes
/// [`evaluate`] and [`interpolate`] an exact convolution.
fn kernel_matrix(side: usize) -> [[f64; 5]; PATCH] {
    let mut matrix = [[0.0_f64; 5]; PATCH];
    for (index, point) in POINTS.iter().enumerate() {
        let others = POINTS.iter().enumerate().filter(|(other, _)| *other != index);
        let distance: f64 = others.map(|(_, other)| point - other).product();
        // The first row of `evaluate` is negated.
        let sign = if index == 0 { -1.0 } else { 1.0 };
        for (power, value) in matrix[index].iter_mut().take(side).enumerate() {
            *value = sign * point.powi(power as i32) / distance;
        }
    }
    matrix[PATCH - 1][side - 1] = 1.0;
    matrix
}

/// Filters whose kernels are transformed side by side.
const TOGETHER: usize = 16;

/// The kernels `[filters, channels, side, side]` at the points, `G g Gᵀ`, as
/// `[PLACES, inputs, outputs]`: channels and filters, filled up with zeros.
pub(crate) fn transform_kernel(
    kernel: &[f32],
    [filters, channels, side]: [usize; 3],
    [inputs, outputs]: [usize; 2],
) -> Vec<f32> {
    let matrix = kernel_matrix(side);
    let mut transformed = vec![0.0; PLACES * inputs * outputs];
    for first in (0..filters).step_by(TOGETHER) {
        let count = TOGETHER.min(filters - first);
        for channel in 0..channels {
            let mut rows = [[[0.0_f64; TOGETHER]; 5]; PATCH];
            for cell in 0..side * side {
                let mut values = [0.0; TOGETHER];
                for (filter, value) in values.iter_mut().enumerate().take(count) {
                    *value = f64::from(kernel[((first + filter) * channels + channel) * side * side + cell]);
                }
                for (row, vertical) in rows.iter_mut().zip(&matrix) {
                    for (sum, value) in row[cell % side].iter_mut().zip(values) {
                        *sum += vertical[cell / side] * value;
                    }
                }
            }
            for place in 0..PLACES {
                let mut values = [0.0; TOGETHER];
                for (cells, point) in rows[place / PATCH].iter().zip(&matrix[place % PATCH]) {
                    for (sum, cell) in values.iter_mut().zip(cells) {
                        *sum += cell * point;
                    }
                }
                let to = &mut transformed[(place * inputs + channel) * outputs + first..][..count];
                to.iter_mut().zip(values).for_each(|(to, value)| *to = value as f32);
            }
        }
    }
    transformed
}

/// The adjoint `Gᵀ g G` of [`transform_kernel`]: gradients `[PLACES, inputs,
/// outputs]` to `[filters, channels, side, side]`.
#[cfg(feature = "training")]
pub(crate) fn transform_kernel_adjoint(
    gradient: &[f32],
    [filters, channels, side]: [usize; 3],
    [inputs, outputs]: [usize; 2],
) -> Vec<f32> {
    use rayon::prelude::*;

    let matrix = kernel_matrix(side);
    let cells = side * side;
    let mut kernels = vec![0.0; filters * channels * cells];
    kernels.par_chunks_mut(TOGETHER * channels * cells).enumerate().for_each(|(group, kernels)| {
        let (first, count) = (group * TOGETHER, kernels.len() / (channels * cells));
        for channel in 0..channels {
            let mut rows = [[[0.0_f64; TOGETHER]; 5]; PATCH];
            for place in 0..PLACES {
                let from = &gradient[(place * inputs + channel) * outputs + first..][..count];
                for (sums, point) in rows[place / PATCH].iter_mut().zip(&matrix[place % PATCH]) {
                    for (sum, value) in sums.iter_mut().zip(from) {
                        *sum += f64::from(*value) * point;
                    }
                }
            }
            for cell in 0..cells {
                let mut values = [0.0; TOGETHER];
                for (row, points) in rows.iter().zip(&matrix) {
                    for (sum, value) in values.iter_mut().zip(row[cell % side]) {
                        *sum += points[cell / side] * value;
                    }
                }
                for (filter, value) in values.into_iter().enumerate().take(count) {
                    kernels[(filter * channels + channel) * cells + cell] = value as f32;
                }
            }
        }
    });
    kernels
}
