//! The network on one processor, several times faster than by im2col.
//!
//! In: pictures `[channels, height, width]`. Out: logits and embedding, as
//! [`Cnn`](super::cnn::Cnn) computes them.
//!
//! Convolutions of 3 x 3 and 5 x 5 are computed by Winograd's minimal filtering
//! F(6 x 6, 3 x 3) and F(4 x 4, 5 x 5): a patch of 8 x 8 of the input and the
//! kernel are evaluated as polynomials at the points 0, ±1, ±2, ±1/2 and ∞,
//! multiplied there, and interpolated back. A 5 x 5 kernel then costs 4
//! multiplications an output in place of 25. The multiplications, summed over
//! the channels, are 64 matrix products, one for each place of the patch.
//!
//! References: S. Winograd, *Arithmetic Complexity of Computations* (1980);
//! A. Lavin and S. Gray, "Fast Algorithms for Convolutional Neural Networks",
//! CVPR 2016. `tests/winograd.rs` holds it against the plain convolution; for
//! training, `batch` computes gradients in the same way.

#[cfg(feature = "training")]
pub(crate) mod batch;
mod transforms;

use self::transforms::{PATCH, PLACES, add, column, evaluate, interpolate, transform_kernel};
use super::{
    cnn::{Activations, LEAST_VARIANCE},
    experiment::{ConvBlock, NetworkSpec, Padding, Pooling},
    weights::{Weights, WeightsError},
};

/// Channels computed side by side: a 128-bit register. Maps are padded to
/// whole groups with channels of zeros.
const LANES: usize = 4;
/// Patches taken through all stages together, so that what is between the
/// stages stays in the cache.
const PATCHES: usize = 48;

/// As many neighbouring channels of one pixel as a register holds.
type Lanes = [f32; LANES];

/// A map with its channels innermost: `[height, width, groups of channels]`.
#[derive(Default)]
struct Map {
    height: usize,
    width: usize,
    groups: usize,
    cells: Vec<Lanes>,
}

/// A convolution, ReLU and pool.
struct Block {
    /// `[PLACES, inputs, outputs]`, both in whole groups.
    kernel: Vec<f32>,
    bias: Vec<Lanes>,
    inputs: usize,
    outputs: usize,
    /// Outputs that are no padding.
    filters: usize,
    /// Side of the kernel.
    side: usize,
    /// Zeros before the first row and column.
    padding: usize,
    /// `[height, width]` of the pool.
    pool: [usize; 2],
}

/// A dense layer.
struct Dense {
    /// `[out, in]`.
    weight: Vec<f32>,
    bias: Vec<f32>,
}

/// A network of the paper's kind, with its weights, and the memory it works in.
pub struct Winograd {
    input: [usize; 3],
    blocks: Vec<Block>,
    pooling: Pooling,
    dense: Vec<Dense>,
    logits: Dense,
    map: Map,
    next: Map,
    patches: Vec<Lanes>,
    products: Vec<Lanes>,
}

impl NetworkSpec {
    /// Whether [`Winograd`] can compute it: every kernel is 3 x 3 or 5 x 5, and
    /// no pool crosses the border of a tile of 6 x 6 or 4 x 4 outputs.
    pub fn suits_winograd(&self) -> bool {
        let suits = |block: &ConvBlock| {
            let tile = (PATCH + 1).saturating_sub(block.kernel);
            matches!(block.kernel, 3 | 5)
                && block.pool.iter().all(|&side| tile.checked_rem(side).is_some_and(|rest| rest == 0))
        };
        !self.blocks.is_empty() && self.blocks.iter().all(suits)
    }
}

impl Winograd {
    /// Transforms the kernels of a network; `None` where it does not
    /// [suit](NetworkSpec::suits_winograd).
    ///
    /// # Errors
    /// [`WeightsError`] where a tensor is missing or misfits.
    pub fn new(weights: &Weights) -> Result<Option<Self>, WeightsError> {
        let network = &weights.card().network;
        if !network.suits_winograd() {
            return Ok(None);
        }
        let mut channels = network.input[0];
        let mut blocks = Vec::with_capacity(network.blocks.len());
        for (index, &ConvBlock { filters, kernel: side, padding, pool, .. }) in
            network.blocks.iter().enumerate()
        {
            let kernel = weights.tensor(&format!("conv{index}.weight"), &[filters, channels, side, side])?;
            let bias = weights.tensor(&format!("conv{index}.bias"), &[filters])?;
            let (inputs, outputs) = (channels.next_multiple_of(LANES), filters.next_multiple_of(LANES));
            blocks.push(Block {
                kernel: transform_kernel(kernel, [filters, channels, side], [inputs, outputs]),
                bias: bias.chunks(LANES).map(group).collect(),
                inputs,
                outputs,
                filters,
                side,
                padding: if padding == Padding::Same { side / 2 } else { 0 },
                pool,
            });
            channels = filters;
        }
        let mut dense = Vec::new();
        for pair in network.head_layers().map_err(super::card::CardError::from)?.windows(2) {
            let (name, inputs, outputs) = (&pair[1].name, pair[0].shape[0], pair[1].shape[0]);
            dense.push(Dense {
                weight: weights.tensor(&format!("{name}.weight"), &[outputs, inputs])?.to_vec(),
                bias: weights.tensor(&format!("{name}.bias"), &[outputs])?.to_vec(),
            });
        }
        let logits = dense.pop().ok_or_else(|| WeightsError::Missing("logits".into()))?;
        Ok(Some(Self {
            input: network.input,
            blocks,
            pooling: network.pooling,
            dense,
            logits,
            map: Map::default(),
            next: Map::default(),
            patches: Vec::new(),
            products: Vec::new(),
        }))
    }

    /// Logits `[classes]` and embedding `[embedding_length]` of one picture
    /// `[channels, height, width]`; `None` where it has another size.
    pub fn forward(&mut self, picture: &[f32]) -> Option<(Vec<f32>, Vec<f32>)> {
        let mut head = self.run(picture, |_, _| {})?;
        Some((head.pop()?, head.pop()?))
    }

    /// What every layer gave for one picture, as [`Self::forward`] computes it;
    /// `None` where it has another size.
    pub fn activations(&mut self, picture: &[f32]) -> Option<Activations> {
        let mut blocks = Vec::new();
        let head = self.run(picture, |map, filters| {
            blocks.push(map.flatten(filters * map.height * map.width));
        })?;
        Some(Activations { blocks, head })
    }

    /// Runs the network; `tap` sees each block's map and how many channels of
    /// it are no padding. Out: features, hidden layers, logits.
    fn run(&mut self, picture: &[f32], tap: impl FnMut(&Map, usize)) -> Option<Vec<Vec<f32>>> {
        let mut layer = self.pooled(picture, tap)?;
        let mut head = Vec::with_capacity(self.dense.len() + 2);
        for dense in &self.dense {
            let mut next = dense.forward(&layer);
            next.iter_mut().for_each(|value| *value = value.max(0.0));
            head.push(std::mem::replace(&mut layer, next));
        }
        let logits = self.logits.forward(&layer);
        head.extend([layer, logits]);
        Some(head)
    }

    /// What the dense layers get of one picture `[channels, height, width]`: the
    /// last maps, flattened or as statistics; `None` where it has another size.
    pub fn features(&mut self, picture: &[f32]) -> Option<Vec<f32>> {
        self.pooled(picture, |_, _| {})
    }

    fn pooled(&mut self, picture: &[f32], mut tap: impl FnMut(&Map, usize)) -> Option<Vec<f32>> {
        if picture.len() != self.input.iter().product::<usize>() {
            return None;
        }
        self.map.load(picture, self.input);
        for block in &self.blocks {
            block.forward(&self.map, &mut self.next, &mut self.patches, &mut self.products);
            std::mem::swap(&mut self.map, &mut self.next);
            tap(&self.map, block.filters);
        }
        let features = self.dense.first().unwrap_or(&self.logits).inputs();
        Some(match self.pooling {
            Pooling::Flatten => self.map.flatten(features),
            Pooling::Statistics => self.map.statistics(features),
        })
    }
}

impl Map {
    fn resize(&mut self, height: usize, width: usize, groups: usize) {
        (self.height, self.width, self.groups) = (height, width, groups);
        self.cells.clear();
        self.cells.resize(height * width * groups, [0.0; LANES]);
    }

    fn load(&mut self, picture: &[f32], [channels, height, width]: [usize; 3]) {
        self.resize(height, width, channels.div_ceil(LANES));
        for (channel, plane) in picture.chunks_exact(height * width).enumerate() {
            let (group, lane) = (channel / LANES, channel % LANES);
            for (pixel, value) in plane.iter().enumerate() {
                self.cells[pixel * self.groups + group][lane] = *value;
            }
        }
    }

    /// The cells as (channel, row, column), without the channels that pad.
    fn flatten(&self, length: usize) -> Vec<f32> {
        let pixels = self.height * self.width;
        let channels = length.checked_div(pixels).unwrap_or(0);
        let cell =
            |channel: usize, pixel: usize| self.cells[pixel * self.groups + channel / LANES][channel % LANES];
        (0..channels).flat_map(|channel| (0..pixels).map(move |pixel| cell(channel, pixel))).collect()
    }

    /// Mean, maximum and standard deviation of each row, as [`Pooling::Statistics`]
    /// orders them.
    fn statistics(&self, length: usize) -> Vec<f32> {
        let rows = self.flatten(length / 3 * self.width);
        let rows = || rows.chunks_exact(self.width.max(1));
        let mean = |row: &[f32]| row.iter().sum::<f32>() / row.len() as f32;
        let largest = |row: &[f32]| row.iter().fold(f32::NEG_INFINITY, |most, &value| most.max(value));
        let deviation = |row: &[f32]| {
            let mean = mean(row);
            let squares: f32 = row.iter().map(|value| (value - mean).powi(2)).sum();
            (squares / row.len() as f32 + LEAST_VARIANCE).sqrt()
        };
        rows().map(mean).chain(rows().map(largest)).chain(rows().map(deviation)).collect()
    }
}

impl Dense {
    fn inputs(&self) -> usize {
        self.weight.len() / self.bias.len().max(1)
    }

    fn forward(&self, input: &[f32]) -> Vec<f32> {
        let rows = self.weight.chunks_exact(input.len().max(1));
        rows.zip(&self.bias).map(|(row, bias)| bias + dot(row, input)).collect()
    }
}

/// The sum of products, in as many partial sums as two registers hold.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a, b) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0.0_f32; 8];
    for (a, b) in a.0.iter().zip(b.0) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f32>() + a.1.iter().zip(b.1).map(|(a, b)| a * b).sum::<f32>()
}

impl Block {
    /// Computes the pooled map. Each patch gives a tile of outputs, whose border no
    /// pool crosses.
    fn forward(&self, map: &Map, pooled: &mut Map, patches: &mut Vec<Lanes>, products: &mut Vec<Lanes>) {
        let tile = PATCH + 1 - self.side;
        let size = |side: usize, pool: usize| (side + 2 * self.padding + 1 - self.side) / pool;
        let [high, wide] = self.pool;
        pooled.resize(size(map.height, high), size(map.width, wide), self.outputs / LANES);
        let tiles = [pooled.height.div_ceil(tile / high), pooled.width.div_ceil(tile / wide)];
        let (inputs, outputs) = (self.inputs / LANES, self.outputs / LANES);
        let all = tiles[0] * tiles[1];
        for first in (0..all).step_by(PATCHES) {
            let count = PATCHES.min(all - first);
            patches.resize(PLACES * stride(count * inputs), [0.0; LANES]);
            products.resize(PLACES * stride(count * outputs), [0.0; LANES]);
            for patch in 0..count {
                let place = [(first + patch) / tiles[1] * tile, (first + patch) % tiles[1] * tile];
                self.evaluate(map, place, patches, [patch, count]);
            }
            for place in 0..PLACES {
                multiply(
                    patches[place * stride(count * inputs)..][..count * inputs].as_flattened(),
                    &self.kernel[place * self.inputs * self.outputs..][..self.inputs * self.outputs],
                    products[place * stride(count * outputs)..][..count * outputs].as_flattened_mut(),
                    [count, self.inputs, self.outputs],
                );
            }
            for patch in 0..count {
                let place =
                    [(first + patch) / tiles[1] * tile / high, (first + patch) % tiles[1] * tile / wide];
                if tile == 4 {
                    self.interpolate::<4>(products, [patch, count], pooled, place);
                } else {
                    self.interpolate::<6>(products, [patch, count], pooled, place);
                }
            }
        }
    }

    /// Evaluates the patch whose output begins at `place`, for every channel:
    /// `patches` is `[PLACES, count, groups]`.
    fn evaluate(&self, map: &Map, place: [usize; 2], patches: &mut [Lanes], [patch, count]: [usize; 2]) {
        let groups = map.groups;
        let stride = stride(count * groups);
        // The rows and columns of the patch that the map has.
        let inside = |place: usize, length: usize| {
            let from = self.padding.saturating_sub(place);
            let to = (length + self.padding).saturating_sub(place).min(PATCH);
            from..to.max(from)
        };
        let (rows, columns) = (inside(place[0], map.height), inside(place[1], map.width));
        for group in 0..groups {
            let mut cells = [[[0.0; LANES]; PATCH]; PATCH];
            for row in rows.clone() {
                let start = (place[0] + row - self.padding) * map.width + place[1];
                for column in columns.clone() {
                    cells[row][column] = map.cells[(start + column - self.padding) * groups + group];
                }
            }
            for at in columns.clone() {
                for (row, value) in evaluate(column(&cells, at)).into_iter().enumerate() {
                    cells[row][at] = value;
                }
            }
            for (row, cells) in cells.into_iter().enumerate() {
                for (column, value) in evaluate(cells).into_iter().enumerate() {
                    patches[(row * PATCH + column) * stride + patch * groups + group] = value;
                }
            }
        }
    }

    /// Interpolates the products of a patch to `TILE` x `TILE` outputs, and
    /// puts them, pooled, with bias and ReLU, where they belong.
    fn interpolate<const TILE: usize>(
        &self,
        products: &[Lanes],
        [patch, count]: [usize; 2],
        pooled: &mut Map,
        place: [usize; 2],
    ) {
        let groups = self.outputs / LANES;
        let stride = stride(count * groups);
        let [high, wide] = self.pool;
        let rows = (pooled.height - place[0]).min(TILE / high);
        let columns = (pooled.width - place[1]).min(TILE / wide);
        for group in 0..groups {
            let mut cells = [[[0.0; LANES]; PATCH]; TILE];
            for column in 0..PATCH {
                let product = |row| products[(row * PATCH + column) * stride + patch * groups + group];
                let values = interpolate::<LANES, TILE>(std::array::from_fn(product));
                for (row, value) in values.into_iter().enumerate() {
                    cells[row][column] = value;
                }
            }
            let tile: [[Lanes; TILE]; TILE] = cells.map(interpolate::<LANES, TILE>);
            for row in 0..rows {
                for column in 0..columns {
                    let mut most = tile[high * row][wide * column];
                    for cells in &tile[high * row..][..high] {
                        for cell in &cells[wide * column..][..wide] {
                            most = largest(*cell, most);
                        }
                    }
                    let sum = add(most, self.bias[group]);
                    pooled.cells[((place[0] + row) * pooled.width + place[1] + column) * groups + group] =
                        sum.map(|value| value.max(0.0));
                }
            }
        }
    }
}

/// Registers from one place to the next: a cache line more than there is between
/// them. Without it the 64 places of a patch lie a power of two apart, and a cache
/// has room for few of those.
fn stride(registers: usize) -> usize {
    registers + 64 / size_of::<Lanes>()
}

fn group(channels: &[f32]) -> Lanes {
    std::array::from_fn(|lane| channels.get(lane).copied().unwrap_or(0.0))
}

fn largest(a: Lanes, b: Lanes) -> Lanes {
    // `f32::max` would have to treat NaN in a way no SIMD instruction does.
    std::array::from_fn(|lane| if a[lane] > b[lane] { a[lane] } else { b[lane] })
}

/// `product = left · right`, row-major: `[m, k]`, `[k, n]`, `[m, n]`.
fn multiply(left: &[f32], right: &[f32], product: &mut [f32], [m, k, n]: [usize; 3]) {
    matrix_product((left, [k, 1]), (right, [n, 1]), product, [m, k, n], false);
}

/// `product = leftᵀ · right`, or `product += leftᵀ · right`, row-major: `[k, m]`,
/// `[k, n]`, `[m, n]`.
#[cfg(feature = "training")]
fn multiply_left_transposed(
    left: &[f32],
    right: &[f32],
    product: &mut [f32],
    [m, k, n]: [usize; 3],
    sum: bool,
) {
    matrix_product((left, [1, m]), (right, [n, 1]), product, [m, k, n], sum);
}

/// `product = left · rightᵀ`, row-major: `[m, k]`, `[n, k]`, `[m, n]`.
#[cfg(feature = "training")]
fn multiply_right_transposed(left: &[f32], right: &[f32], product: &mut [f32], [m, k, n]: [usize; 3]) {
    matrix_product((left, [k, 1]), (right, [1, k]), product, [m, k, n], false);
}

/// `product = left · right`, or `product += left · right`: `[m, k]` and `[k, n]`
/// with the distances of their rows and columns, `[m, n]` row-major.
fn matrix_product(
    (left, [left_row, left_column]): (&[f32], [usize; 2]),
    (right, [right_row, right_column]): (&[f32], [usize; 2]),
    product: &mut [f32],
    [m, k, n]: [usize; 3],
    sum: bool,
) {
    assert!(left.len() == m * k && right.len() == k * n && product.len() == m * n);
    assert!([[k, 1], [1, m]].contains(&[left_row, left_column]));
    assert!([[n, 1], [1, k]].contains(&[right_row, right_column]));
    let old_values = if sum { 1.0 } else { 0.0 };
    #[allow(unsafe_code)]
    // SAFETY: the assertions above hold the slices to the sizes and strides
    // given, `product` is borrowed mutably and so overlaps neither, and its old
    // values are initialised where they are read.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            product.as_mut_ptr(),
            1,
            n as isize,
            sum,
            left.as_ptr(),
            left_column as isize,
            left_row as isize,
            right.as_ptr(),
            right_column as isize,
            right_row as isize,
            old_values,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
