//! The convolution blocks forward and back, a batch at a time, by minimal filtering.
//!
//! In and out: as [`ConvStack`] says.
//!
//! The gradients are the adjoints of the same minimal filtering: with `U` the
//! patches at the points, `M = U W` their products, a step back has
//! `dW = Uᵀ dM` and `dU = dM Wᵀ`, and the transforms are transposed. So one step
//! costs three times the forward's matrix products, as with any convolution, and
//! each of them a sixth of what the plain one costs. The tests of
//! `training::fit` hold it against burn's automatic differentiation.
//!
//! Sums are taken over fixed groups of images in a fixed order: the result does
//! not depend on the number of threads.

#![allow(clippy::needless_range_loop, reason = "rows and columns of two squares at once")]

use std::cell::RefCell;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::{
    NetworkSpec, multiply,
    transforms::{
        PATCH, PLACES, add, evaluate, evaluate_adjoint, interpolate, interpolate_adjoint, transform_kernel,
        transform_kernel_adjoint,
    },
};
use crate::network::{
    experiment::{ConvBlock, Padding},
    stack::{BlockGradient, ConvStack, Dropout, GROUPS, LANES, win},
};

/// As [`LANES`], for an input of few channels.
const FEW: usize = 4;
/// Patches taken through all stages together.
const STRIP: usize = 64;

/// One block's sizes and weights.
struct Block {
    /// `[height, width]` of the input.
    size: [usize; 2],
    /// `[height, width]` of the pooled output.
    pooled: [usize; 2],
    /// Channels of the input, and filled up to whole lanes.
    channels: usize,
    inputs: usize,
    /// Filters: whole lanes.
    outputs: usize,
    side: usize,
    padding: usize,
    /// `[height, width]` of the pool.
    pool: [usize; 2],
    dropout: f64,
    /// `[PLACES, inputs, outputs]`.
    kernel: Vec<f32>,
    /// `[outputs]`.
    bias: Vec<f32>,
    /// Of each group of images `[PLACES, inputs, outputs]`: kept, because they are
    /// large.
    of_kernel: Vec<Vec<f32>>,
}

/// All blocks of a network, and what a step forward leaves for the step back.
pub(crate) struct WinogradStack {
    blocks: Vec<Block>,
    /// The input of each block and the output of the last.
    maps: Vec<Vec<f32>>,
    /// Which cell of each pool won, of each block.
    routes: Vec<Vec<u8>>,
    /// The gradients of `maps`, kept because they are large.
    of_maps: Vec<Vec<f32>>,
}

/// Cells from one place of patches to the next: a cache line more than there are
/// between them. Without it the 64 places of a patch lie a power of two apart,
/// and a cache has room for few of those.
#[inline(always)]
fn stride(cells: usize) -> usize {
    cells + LANES
}

/// From a cache line's border on: what is loaded and stored a line at a time is
/// slower across two.
#[repr(align(64))]
struct Aligned<T>(T);

thread_local! {
    /// Kept by each thread: clearing as much anew for every few images took a tenth
    /// of a step.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// What a thread works in.
#[derive(Default)]
struct Scratch {
    /// `[PLACES, patches, inputs]`.
    patches: Vec<f32>,
    /// `[PLACES, patches, outputs]`.
    products: Vec<f32>,
}

impl Scratch {
    /// Patches and products of at least these sizes, from a cache line's border
    /// on. What stays of the last strip is overwritten before it is read.
    fn of_sizes(&mut self, patches: usize, products: usize) -> [&mut [f32]; 2] {
        [(&mut self.patches, patches), (&mut self.products, products)].map(|(cells, size)| {
            if cells.len() < size + LANES {
                cells.resize(size + LANES, 0.0);
            }
            let border = cells.as_ptr().align_offset(64).min(LANES);
            &mut cells[border..]
        })
    }
}

impl WinogradStack {
    /// The blocks of a network; `None` where this cannot compute them: every
    /// kernel must be 3 x 3 or 5 x 5, and filters come in sixteens.
    pub(crate) fn new(network: &NetworkSpec) -> Option<Self> {
        let suits = |block: &ConvBlock| block.filters.is_multiple_of(LANES);
        if !network.suits_winograd() || !network.blocks.iter().all(suits) {
            return None;
        }
        let [mut channels, mut height, mut width] = network.input;
        let blocks = network.blocks.iter().map(|block| {
            let side = block.kernel;
            let padding = if block.padding == Padding::Same { side / 2 } else { 0 };
            let pool = |length: usize, pool: usize| (length + 2 * padding + 1 - side) / pool;
            let whole = if channels.is_multiple_of(LANES) { LANES } else { FEW };
            let made = Block {
                size: [height, width],
                pooled: [pool(height, block.pool[0]), pool(width, block.pool[1])],
                channels,
                inputs: channels.next_multiple_of(whole),
                outputs: block.filters,
                side,
                padding,
                pool: block.pool,
                dropout: block.dropout,
                kernel: Vec::new(),
                bias: Vec::new(),
                of_kernel: Vec::new(),
            };
            (channels, [height, width]) = (block.filters, made.pooled);
            made
        });
        let blocks: Vec<Block> = blocks.collect();
        let (maps, routes) = (vec![Vec::new(); blocks.len() + 1], vec![Vec::new(); blocks.len()]);
        Some(Self { of_maps: maps.clone(), blocks, maps, routes })
    }
}

impl ConvStack for WinogradStack {
    fn shape(&self) -> [usize; 3] {
        self.blocks.last().map_or([0; 3], |last| [last.outputs, last.pooled[0], last.pooled[1]])
    }

    fn set_weights(&mut self, weights: Vec<(Vec<f32>, Vec<f32>)>) {
        self.blocks.par_iter_mut().zip(weights).for_each(|(block, (kernel, bias))| {
            let Block { channels, inputs, outputs, side, .. } = *block;
            block.kernel = transform_kernel(&kernel, [outputs, channels, side], [inputs, outputs]);
            block.bias = bias;
        });
    }

    fn forward(&mut self, batch: usize, inputs: &[f32], draw: Option<u64>) -> Vec<f32> {
        let first = &self.blocks[0];
        let pixels = batch * first.size[0] * first.size[1];
        let map = &mut self.maps[0];
        map.clear();
        map.resize(pixels * first.inputs, 0.0);
        let cells = map.par_chunks_exact_mut(first.inputs).zip(inputs.par_chunks_exact(first.channels));
        cells.with_min_len(4096).for_each(|(to, from)| to[..from.len()].copy_from_slice(from));

        for (index, block) in self.blocks.iter().enumerate() {
            let dropout = Dropout::of(block.dropout, draw, index);
            let (before, after) = self.maps.split_at_mut(index + 1);
            block.forward(batch, &before[index], &mut after[0], &mut self.routes[index], dropout);
        }
        let (Some(last), Some(map)) = (self.blocks.last(), self.maps.last()) else { return Vec::new() };
        let pixels = last.pooled[0] * last.pooled[1];
        map.par_chunks_exact(pixels * last.outputs)
            .flat_map_iter(|image| {
                (0..last.outputs).flat_map(move |channel| {
                    (0..pixels).map(move |pixel| image[pixel * last.outputs + channel])
                })
            })
            .collect()
    }

    fn backward(&mut self, batch: usize, gradient: &[f32], dropped: bool) -> Vec<BlockGradient> {
        let Some(last) = self.blocks.last() else { return Vec::new() };
        let pixels = last.pooled[0] * last.pooled[1];
        let cells = gradient.chunks_exact(pixels * last.outputs).flat_map(|image| {
            (0..pixels)
                .flat_map(move |pixel| (0..last.outputs).map(move |channel| image[channel * pixels + pixel]))
        });
        if let Some(of_map) = self.of_maps.last_mut() {
            of_map.clear();
            of_map.extend(cells);
        }
        let mut gradients = Vec::with_capacity(self.blocks.len());
        for (index, block) in self.blocks.iter_mut().enumerate().rev() {
            let scale = if dropped { (1.0 / (1.0 - block.dropout)) as f32 } else { 1.0 };
            let (before, after) = self.of_maps.split_at_mut(index + 1);
            // Nobody asks for the gradient of the input.
            let of_map = if index > 0 { Some(&mut before[index]) } else { None };
            let (map, routes) = (&self.maps[index], &self.routes[index]);
            gradients.push(block.backward(batch, map, routes, &after[0], scale, of_map));
        }
        gradients.reverse();
        gradients
    }
}

/// What a thread does forward, compiled for each width of registers.
struct Forward<'a> {
    block: &'a Block,
    map: &'a [f32],
    pooled: &'a mut [f32],
    routes: &'a mut [u8],
    first_cell: u32,
    dropout: Dropout,
    scratch: &'a mut Scratch,
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { block, map, pooled, routes, first_cell, dropout, scratch } = self;
        if block.tile() == 4 {
            block.forward_images::<4>(map, pooled, routes, first_cell, dropout, scratch);
        } else {
            block.forward_images::<6>(map, pooled, routes, first_cell, dropout, scratch);
        }
    }
}

/// What a thread does back, compiled for each width of registers.
struct Backward<'a> {
    block: &'a Block,
    map: &'a [f32],
    routes: &'a [u8],
    gradient: &'a [f32],
    scale: f32,
    of_map: &'a mut [f32],
    sums: (&'a mut [f32], &'a mut [[f32; LANES]]),
    scratch: &'a mut Scratch,
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { block, map, routes, gradient, scale, of_map, sums, scratch } = self;
        if block.tile() == 4 {
            block.backward_images::<4>(map, routes, gradient, scale, of_map, sums, scratch);
        } else {
            block.backward_images::<6>(map, routes, gradient, scale, of_map, sums, scratch);
        }
    }
}

impl Block {
    /// Side of a patch's outputs.
    fn tile(&self) -> usize {
        PATCH + 1 - self.side
    }

    /// Rows and columns of tiles.
    fn tiles(&self) -> [usize; 2] {
        let of = |axis: usize| self.pooled[axis].div_ceil(self.tile() / self.pool[axis]);
        [of(0), of(1)]
    }

    /// Cells of an image's input and of its pooled output.
    fn cells(&self) -> [usize; 2] {
        [self.size[0] * self.size[1] * self.inputs, self.pooled[0] * self.pooled[1] * self.outputs]
    }

    fn forward(
        &self,
        batch: usize,
        map: &[f32],
        pooled: &mut Vec<f32>,
        routes: &mut Vec<u8>,
        dropout: Dropout,
    ) {
        let [from, to] = self.cells();
        pooled.resize(batch * to, 0.0);
        routes.resize(batch * to, 0);
        // Small maps go together, so that the matrix products are not too small.
        let [rows, columns] = self.tiles();
        let together = STRIP.div_ceil(rows * columns);
        let images = map.par_chunks(together * from);
        let images =
            images.zip(pooled.par_chunks_mut(together * to)).zip(routes.par_chunks_mut(together * to));
        images.enumerate().for_each(|(index, ((map, pooled), routes))| {
            let first_cell = (index * together * to) as u32;
            SCRATCH.with_borrow_mut(|scratch| {
                Arch::new().dispatch(Forward {
                    block: self,
                    map,
                    pooled,
                    routes,
                    first_cell,
                    dropout,
                    scratch,
                });
            });
        });
    }

    #[inline(always)]
    fn forward_images<const TILE: usize>(
        &self,
        map: &[f32],
        pooled: &mut [f32],
        routes: &mut [u8],
        first_cell: u32,
        dropout: Dropout,
        scratch: &mut Scratch,
    ) {
        let [rows, columns] = self.tiles();
        let all = map.len() / self.cells()[0] * rows * columns;
        for first in (0..all).step_by(STRIP) {
            let count = STRIP.min(all - first);
            let strides = [stride(count * self.inputs), stride(count * self.outputs)];
            let [patches, products] = scratch.of_sizes(PLACES * strides[0], PLACES * strides[1]);
            self.evaluate(map, first, count, patches);
            for place in 0..PLACES {
                multiply(
                    &patches[place * strides[0]..][..count * self.inputs],
                    &self.kernel[place * self.inputs * self.outputs..][..self.inputs * self.outputs],
                    &mut products[place * strides[1]..][..count * self.outputs],
                    [count, self.inputs, self.outputs],
                );
            }
            self.pool::<TILE>(products, first, count, pooled, routes, first_cell, dropout);
        }
    }

    /// Image, row and column of a tile's outputs, before the pool.
    #[inline(always)]
    fn place(&self, tile: usize) -> [usize; 3] {
        let [rows, columns] = self.tiles();
        let (image, tile) = (tile / (rows * columns), tile % (rows * columns));
        [image, tile / columns * self.tile(), tile % columns * self.tile()]
    }

    /// The rows, or columns, of the patch at `place` that a map of `length` has.
    #[inline(always)]
    fn inside(&self, place: usize, length: usize) -> std::ops::Range<usize> {
        let from = self.padding.saturating_sub(place);
        let to = (length + self.padding).saturating_sub(place).min(PATCH);
        from..to.max(from)
    }

    /// Evaluates patches at the points: `patches` is `[PLACES, count, inputs]`.
    #[inline(always)]
    fn evaluate(&self, map: &[f32], first: usize, count: usize, patches: &mut [f32]) {
        if self.inputs.is_multiple_of(LANES) {
            self.evaluate_lanes::<LANES>(map, first, count, patches);
        } else {
            self.evaluate_lanes::<FEW>(map, first, count, patches);
        }
    }

    #[inline(always)]
    fn evaluate_lanes<const L: usize>(&self, map: &[f32], first: usize, count: usize, patches: &mut [f32]) {
        let (map, patches) = (map.as_chunks::<L>().0, patches.as_chunks_mut::<L>().0);
        let ([height, width], groups) = (self.size, self.inputs / L);
        let stride = stride(count * self.inputs) / L;
        for patch in 0..count {
            let [image, top, left] = self.place(first + patch);
            let (rows, columns) = (self.inside(top, height), self.inside(left, width));
            for group in 0..groups {
                let Aligned(cells) = &mut Aligned([[[0.0; L]; PATCH]; PATCH]);
                for row in rows.clone() {
                    let start = (image * height + top + row - self.padding) * width + left;
                    for column in columns.clone() {
                        cells[row][column] = map[(start + column - self.padding) * groups + group];
                    }
                }
                evaluate_square(cells);
                for row in 0..PATCH {
                    for at in 0..PATCH {
                        patches[(row * PATCH + at) * stride + patch * groups + group] = cells[row][at];
                    }
                }
            }
        }
    }

    /// Interpolates the products of patches, pools them, and writes what comes
    /// of bias, ReLU and dropout, and the route that each cell came by.
    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "the one place where all of a step forward meets")]
    fn pool<const TILE: usize>(
        &self,
        products: &[f32],
        first: usize,
        count: usize,
        pooled: &mut [f32],
        routes: &mut [u8],
        first_cell: u32,
        dropout: Dropout,
    ) {
        let (products, bias) = (products.as_chunks::<LANES>().0, self.bias.as_chunks::<LANES>().0);
        let (pooled, routes) = (pooled.as_chunks_mut::<LANES>().0, routes.as_chunks_mut::<LANES>().0);
        let ([height, width], groups) = (self.pooled, self.outputs / LANES);
        let stride = stride(count * self.outputs) / LANES;
        let [high, wide] = self.pool;
        for patch in 0..count {
            let [image, top, left] = self.place(first + patch);
            let (top, left) = (top / high, left / wide);
            for group in 0..groups {
                let Aligned(tile) = &mut Aligned([[[0.0; LANES]; PATCH]; PATCH]);
                for row in 0..PATCH {
                    for at in 0..PATCH {
                        tile[row][at] = products[(row * PATCH + at) * stride + patch * groups + group];
                    }
                }
                interpolate_square::<LANES, TILE>(tile);
                for row in 0..(height - top).min(TILE / high) {
                    for column in 0..(width - left).min(TILE / wide) {
                        let to = ((image * height + top + row) * width + left + column) * groups + group;
                        let window = (0..high * wide)
                            .map(|at| tile[high * row + at / wide][wide * column + at % wide]);
                        let first_lane = first_cell.wrapping_add((to * LANES) as u32);
                        (pooled[to], routes[to]) = win(window, bias[group], first_lane, dropout);
                    }
                }
            }
        }
    }

    fn backward(
        &mut self,
        batch: usize,
        map: &[f32],
        routes: &[u8],
        gradient: &[f32],
        scale: f32,
        of_map: Option<&mut Vec<f32>>,
    ) -> BlockGradient {
        let [from, to] = self.cells();
        let together = batch.div_ceil(GROUPS);
        // Where the gradient of the input is not wanted, each group has none of it.
        let mut parts: Vec<&mut [f32]> = match of_map {
            Some(of_map) => {
                of_map.resize(batch * from, 0.0);
                of_map.chunks_mut(together * from).collect()
            }
            None => (0..batch.div_ceil(together)).map(|_| Default::default()).collect(),
        };
        let mut of_kernel = std::mem::take(&mut self.of_kernel);
        of_kernel.resize_with(parts.len(), || vec![0.0; PLACES * self.inputs * self.outputs]);
        let groups =
            parts.par_iter_mut().zip(&mut of_kernel).enumerate().map(|(index, (of_map, of_kernel))| {
                let range =
                    |cells: usize| index * together * cells..((index + 1) * together).min(batch) * cells;
                let (map, routes, gradient) = (&map[range(from)], &routes[range(to)], &gradient[range(to)]);
                let mut of_bias = vec![[0.0; LANES]; self.outputs / LANES];
                let sums = (&mut of_kernel[..], &mut of_bias[..]);
                // Patches add to it.
                of_map.fill(0.0);
                SCRATCH.with_borrow_mut(|scratch| {
                    Arch::new().dispatch(Backward {
                        block: self,
                        map,
                        routes,
                        gradient,
                        scale,
                        of_map,
                        sums,
                        scratch,
                    });
                });
                of_bias
            });
        let mut groups = groups.collect::<Vec<_>>().into_iter();
        let mut of_bias = groups.next().unwrap_or_default();
        for bias in groups {
            of_bias.iter_mut().zip(bias).for_each(|(sum, part)| *sum = add(*sum, part));
        }
        if let Some((sum, parts)) = of_kernel.split_first_mut() {
            sum.par_chunks_mut(1 << 14).enumerate().for_each(|(chunk, sum)| {
                for part in parts.iter() {
                    let part = &part[chunk << 14..][..sum.len()];
                    sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
                }
            });
        }
        let sizes = [self.outputs, self.channels, self.side];
        let sum = of_kernel.first().map_or(&[][..], Vec::as_slice);
        let kernel = transform_kernel_adjoint(sum, sizes, [self.inputs, self.outputs]);
        self.of_kernel = of_kernel;
        BlockGradient { kernel, bias: of_bias.concat() }
    }

    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "the one place where all of a step back meets")]
    fn backward_images<const TILE: usize>(
        &self,
        map: &[f32],
        routes: &[u8],
        gradient: &[f32],
        scale: f32,
        of_map: &mut [f32],
        (of_kernel, of_bias): (&mut [f32], &mut [[f32; LANES]]),
        scratch: &mut Scratch,
    ) {
        let (inputs, outputs) = (self.inputs, self.outputs);
        let [rows, columns] = self.tiles();
        let all = map.len() / self.cells()[0] * rows * columns;
        for first in (0..all).step_by(STRIP) {
            let count = STRIP.min(all - first);
            let strides = [stride(count * inputs), stride(count * outputs)];
            let [patches, products] = scratch.of_sizes(PLACES * strides[0], PLACES * strides[1]);
            self.spread::<TILE>(gradient, routes, first, count, scale, products, of_bias);
            self.evaluate(map, first, count, patches);
            for place in 0..PLACES {
                let patch = &mut patches[place * strides[0]..][..count * inputs];
                let product = &products[place * strides[1]..][..count * outputs];
                let sum = &mut of_kernel[place * inputs * outputs..][..inputs * outputs];
                super::multiply_left_transposed(patch, product, sum, [inputs, count, outputs], first > 0);
                if !of_map.is_empty() {
                    let kernel = &self.kernel[place * inputs * outputs..][..inputs * outputs];
                    super::multiply_right_transposed(product, kernel, patch, [count, outputs, inputs]);
                }
            }
            if !of_map.is_empty() {
                if inputs.is_multiple_of(LANES) {
                    self.gather::<LANES>(patches, first, count, of_map);
                } else {
                    self.gather::<FEW>(patches, first, count, of_map);
                }
            }
        }
    }

    /// The gradients of pooled cells, brought back through pool and ReLU to the
    /// cells that they came from, and through the interpolation to the points.
    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "the one place where all of a step back begins")]
    fn spread<const TILE: usize>(
        &self,
        gradient: &[f32],
        routes: &[u8],
        first: usize,
        count: usize,
        scale: f32,
        products: &mut [f32],
        of_bias: &mut [[f32; LANES]],
    ) {
        let (gradient, routes) = (gradient.as_chunks::<LANES>().0, routes.as_chunks::<LANES>().0);
        let products = products.as_chunks_mut::<LANES>().0;
        let ([height, width], groups) = (self.pooled, self.outputs / LANES);
        let stride = stride(count * self.outputs) / LANES;
        let [high, wide] = self.pool;
        for patch in 0..count {
            let [image, top, left] = self.place(first + patch);
            let (top, left) = (top / high, left / wide);
            for group in 0..groups {
                let Aligned(tile) = &mut Aligned([[[0.0; LANES]; PATCH]; PATCH]);
                for row in 0..(height - top).min(TILE / high) {
                    for column in 0..(width - left).min(TILE / wide) {
                        let from = ((image * height + top + row) * width + left + column) * groups + group;
                        let (value, route) = (gradient[from], routes[from]);
                        for at in 0..high * wide {
                            let cell = &mut tile[high * row + at / wide][wide * column + at % wide];
                            for lane in 0..LANES {
                                let won = usize::from(route[lane]) == at;
                                cell[lane] = if won { scale * value[lane] } else { 0.0 };
                            }
                            of_bias[group] = add(of_bias[group], *cell);
                        }
                    }
                }
                interpolate_square_adjoint::<LANES, TILE>(tile);
                for row in 0..PATCH {
                    for at in 0..PATCH {
                        products[(row * PATCH + at) * stride + patch * groups + group] = tile[row][at];
                    }
                }
            }
        }
    }

    /// The gradients of patches at the points, brought back to the map's cells,
    /// of which neighbouring patches share some.
    #[inline(always)]
    fn gather<const L: usize>(&self, patches: &[f32], first: usize, count: usize, of_map: &mut [f32]) {
        let (patches, of_map) = (patches.as_chunks::<L>().0, of_map.as_chunks_mut::<L>().0);
        let ([height, width], groups) = (self.size, self.inputs / L);
        let stride = stride(count * self.inputs) / L;
        for patch in 0..count {
            let [image, top, left] = self.place(first + patch);
            let (rows, columns) = (self.inside(top, height), self.inside(left, width));
            for group in 0..groups {
                let Aligned(cells) = &mut Aligned([[[0.0; L]; PATCH]; PATCH]);
                for row in 0..PATCH {
                    for at in 0..PATCH {
                        cells[row][at] = patches[(row * PATCH + at) * stride + patch * groups + group];
                    }
                }
                evaluate_square_adjoint(cells);
                for row in rows.clone() {
                    let start = (image * height + top + row - self.padding) * width + left;
                    for at in columns.clone() {
                        let cell = &mut of_map[(start + at - self.padding) * groups + group];
                        *cell = add(*cell, cells[row][at]);
                    }
                }
            }
        }
    }
}

/// A patch of which each cell has several channels side by side.
type Square<const L: usize> = [[[f32; L]; PATCH]; PATCH];

/// Transforms the columns of a square, then its rows, in place. Channels are the
/// inmost loop, and within it everything is a single number: so the compiler takes
/// a register of channels at once. Given arrays of channels it takes them apart and
/// gathers them again, at twice the time.
macro_rules! transform_square {
    ($(#[$about:meta])* $name:ident, $transform:ident $(::<1, $tile:ident>)?, $from:expr, $to:expr) => {
        $(#[$about])*
        #[inline(always)]
        fn $name<const L: usize $(, const $tile: usize)?>(square: &mut Square<L>) {
            for column in 0..$from {
                for lane in 0..L {
                    let mut values = [[0.0]; $from];
                    for row in 0..$from {
                        values[row][0] = square[row][column][lane];
                    }
                    let values = $transform$(::<1, $tile>)?(values);
                    for row in 0..$to {
                        square[row][column][lane] = values[row][0];
                    }
                }
            }
            for row in 0..$to {
                for lane in 0..L {
                    let mut values = [[0.0]; $from];
                    for column in 0..$from {
                        values[column][0] = square[row][column][lane];
                    }
                    let values = $transform$(::<1, $tile>)?(values);
                    for column in 0..$to {
                        square[row][column][lane] = values[column][0];
                    }
                }
            }
        }
    };
}

transform_square!(
    /// The cells of a patch at the points.
    evaluate_square, evaluate, PATCH, PATCH
);
transform_square!(
    /// Gradients at the points, brought back to the cells.
    evaluate_square_adjoint, evaluate_adjoint, PATCH, PATCH
);
transform_square!(
    /// Products at the points to the first `TILE` rows and columns.
    interpolate_square, interpolate::<1, TILE>, PATCH, TILE
);
transform_square!(
    /// Gradients of the first `TILE` rows and columns, brought back to the points.
    interpolate_square_adjoint, interpolate_adjoint::<1, TILE>, TILE, PATCH
);
