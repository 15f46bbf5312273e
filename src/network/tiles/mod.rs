//! The convolution blocks forward and back on a processor's matrix unit: bfloat16
//! in, sums in 32 bits.
//!
//! In and out: as `ConvStack` says. Of a map each image lies in memory with its
//! border of zeros, row after row, the channels of a pixel side by side. To a pixel
//! a row of the kernel is then one stretch of memory, `side` pixels long, and so is
//! what it is multiplied by: a convolution is a product of matrices whose left
//! factor is read where it lies, each row of it a pixel further than the last. What
//! comes out at pixels of the border is left alone.
//!
//! Backwards it is the same: the gradient of the input is a convolution with the
//! kernel turned round, and that of the kernel a product of the input, its channels
//! one below the other, and the gradient, summed over pixels.
//!
//! Reference for the way of summing a convolution over shifted maps: E. Georganas et
//! al., "Anatomy of High-Performance Deep Learning Convolutions on SIMD
//! Architectures", SC 2018. Sums are taken over fixed groups of images in a fixed
//! order: the result does not depend on the number of threads.

#[cfg(test)]
mod tests;
mod unit;

use std::{cell::RefCell, ops::Range};

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

pub use self::unit::MatrixUnit;
use self::unit::{DEPTH, Depth, Left, ROWS, Right, SQUARE, Sums, TILE};
use super::{
    experiment::{ConvBlock, NetworkSpec, Padding},
    stack::{BlockGradient, CLOSED, ConvStack, Dropout, GROUPS, LANES, win},
};

/// Pixels taken through convolution and pool together: what is between the two stays
/// in the cache.
const STRIP: usize = 1024;
/// Pixels over which a kernel's gradient is summed without a rest: both factors of two
/// tiles' channels then fit the first cache, where each is used again and again.
const STRETCH: usize = 256;
/// Tiles deep that a right factor is used at a time, for the same reason.
const DEEP: usize = 16;

/// Above this, borders that are computed in vain would outweigh the map.
const LARGEST_SIDE: usize = 11;

/// One block's sizes and weights.
struct Block {
    /// `[height, width]` of the input.
    size: [usize; 2],
    /// The same with the border of zeros.
    grid: [usize; 2],
    /// `[height, width]` of the pooled output.
    pooled: [usize; 2],
    channels: usize,
    /// A multiple of [`LANES`].
    filters: usize,
    side: usize,
    padding: usize,
    /// `[height, width]` of the pool.
    pool: [usize; 2],
    dropout: f64,
    /// `[filters, channels, side, side]`.
    weights: Vec<f32>,
    /// The kernel as a right factor, summed over (row, column, channel).
    kernel: Lines<u16>,
    /// The kernel turned round, summed over (row, column, filter).
    turned: Lines<u16>,
    /// `[filters]`.
    bias: Vec<f32>,
    /// Of each group of images `[tile of channels, row, column, channel; filters in whole
    /// squares]`, or without tiles where channels are no whole ones: kept, because they are
    /// large.
    of_kernel: Vec<Lines<f32>>,
}

/// All blocks of a network, and what a step forward leaves for the step back.
pub(crate) struct TileStack {
    unit: MatrixUnit,
    blocks: Vec<Block>,
    /// The input of each block on its grid, and the output of the last.
    maps: Vec<Lines<u16>>,
    /// Which cell of each pool won, of each block.
    routes: Vec<Vec<u8>>,
    /// The gradients of `maps` without their borders.
    of_maps: Vec<Vec<u16>>,
}

thread_local! {
    /// Kept by each thread: made anew, it would be cleared each time.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// What a thread works in.
#[derive(Default)]
struct Scratch {
    /// `[pixels, 32]`: what 32 filters, or channels, make of a strip.
    sums: Lines<f32>,
    /// The gradient before the pool, on the grid of the input: `[pixels, filters]`.
    gradient: Lines<u16>,
    /// The same as a right factor, summed over pixels.
    packed: Lines<u16>,
    /// The input with its channels one below the other, `[channels, pixels]`.
    planes: Lines<u16>,
    /// Where channels are no whole tiles, what each place of the kernel sees of them:
    /// `[row, column, channel; pixels]`.
    columns: Lines<u16>,
}

impl TileStack {
    /// The blocks of a network; `None` where this cannot compute them: filters must come
    /// in sixteens, a pool's cells must have a byte for each, and a kernel's side be at
    /// most [`LARGEST_SIDE`].
    pub(crate) fn new(unit: MatrixUnit, network: &NetworkSpec) -> Option<Self> {
        let suits = |block: &ConvBlock| {
            block.filters.is_multiple_of(LANES)
                && block.kernel <= LARGEST_SIDE
                && block.pool[0].saturating_mul(block.pool[1]) <= usize::from(CLOSED)
        };
        if network.blocks.is_empty() || !network.blocks.iter().all(suits) {
            return None;
        }
        let [mut channels, mut height, mut width] = network.input;
        let blocks = network.blocks.iter().map(|block: &ConvBlock| {
            let side = block.kernel;
            let padding = if block.padding == Padding::Same { side / 2 } else { 0 };
            let pool = |length: usize, pool: usize| (length + 2 * padding + 1 - side) / pool;
            let made = Block {
                size: [height, width],
                grid: [height + 2 * padding, width + 2 * padding],
                pooled: [pool(height, block.pool[0]), pool(width, block.pool[1])],
                channels,
                filters: block.filters,
                side,
                padding,
                pool: block.pool,
                dropout: block.dropout,
                weights: Vec::new(),
                kernel: Lines::default(),
                turned: Lines::default(),
                bias: Vec::new(),
                of_kernel: Vec::new(),
            };
            (channels, [height, width]) = (block.filters, made.pooled);
            made
        });
        let blocks: Vec<Block> = blocks.collect();
        let (of_maps, routes) = (vec![Vec::new(); blocks.len() + 1], vec![Vec::new(); blocks.len()]);
        let maps = of_maps.iter().map(|_| Lines::default()).collect();
        Some(Self { unit, blocks, maps, routes, of_maps })
    }
}

impl ConvStack for TileStack {
    fn shape(&self) -> [usize; 3] {
        self.blocks.last().map_or([0; 3], |last| [last.filters, last.pooled[0], last.pooled[1]])
    }

    fn set_weights(&mut self, weights: Vec<(Vec<f32>, Vec<f32>)>) {
        self.blocks.par_iter_mut().zip(weights).for_each(|(block, (kernel, bias))| {
            let Block { channels, filters, side, .. } = *block;
            pack([side, channels, filters], &mut block.kernel, |row, column, channel, filter| {
                kernel[((filter * channels + channel) * side + row) * side + column]
            });
            block.weights = kernel;
            block.bias = bias;
            block.bias.resize(filters, 0.0);
        });
    }

    fn forward(&mut self, batch: usize, inputs: &[f32], draw: Option<u64>) -> Vec<f32> {
        let Self { unit, blocks, maps, routes, .. } = self;
        let Some((first, last)) = blocks.first().zip(blocks.last()) else { return Vec::new() };
        let ([height, width], padding, channels) = (first.size, first.padding, first.channels);
        let map = maps[0].of(batch * first.cells() + first.reach());
        let (images, slack) = map.split_at_mut(batch * first.cells());
        slack.fill(0);
        let images = images.par_chunks_exact_mut(first.cells());
        images.zip(inputs.par_chunks_exact(height * width * channels)).for_each(|(map, image)| {
            for (row, cells) in image.chunks_exact(width * channels).enumerate() {
                let to = ((row + padding) * first.grid[1] + padding) * channels;
                round(cells, &mut map[to..][..cells.len()]);
            }
        });
        for (index, block) in blocks.iter().enumerate() {
            let dropout = Dropout::of(block.dropout, draw, index);
            let (before, after) = maps.split_at_mut(index + 1);
            let next = match blocks.get(index + 1) {
                Some(next) => Frame { grid: next.grid, padding: next.padding, slack: next.reach() },
                None => Frame { grid: block.pooled, padding: 0, slack: 0 },
            };
            let (map, next_map) = (before[index].cells(), &mut after[0]);
            block.forward(*unit, (batch, map), (next_map, &mut routes[index]), next, dropout);
        }
        let pixels = last.pooled[0] * last.pooled[1];
        let Some(map) = maps.last() else { return Vec::new() };
        map.cells()
            .par_chunks_exact(pixels * last.filters)
            .flat_map_iter(|image| {
                (0..last.filters).flat_map(move |channel| {
                    (0..pixels).map(move |pixel| number(image[pixel * last.filters + channel]))
                })
            })
            .collect()
    }

    fn backward(&mut self, batch: usize, gradient: &[f32], dropped: bool) -> Vec<BlockGradient> {
        let Some(last) = self.blocks.last() else { return Vec::new() };
        let pixels = last.pooled[0] * last.pooled[1];
        let cells = gradient.chunks_exact(pixels * last.filters).flat_map(|image| {
            (0..pixels).flat_map(move |pixel| {
                (0..last.filters).map(move |channel| rounded(image[channel * pixels + pixel]))
            })
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
            let (map, routes) = (self.maps[index].cells(), &self.routes[index]);
            gradients.push(block.backward(self.unit, (batch, map), routes, &after[0], scale, of_map));
        }
        gradients.reverse();
        gradients
    }
}

/// How the next block wants its input to lie.
#[derive(Clone, Copy)]
struct Frame {
    grid: [usize; 2],
    padding: usize,
    /// Cells behind the last image that may be read.
    slack: usize,
}

/// What a thread does forward, compiled for the widest registers.
struct Forward<'a> {
    block: &'a Block,
    unit: MatrixUnit,
    map: &'a [u16],
    /// The first image, and the images' outputs.
    first: usize,
    pooled: &'a mut [u16],
    routes: &'a mut [u8],
    next: Frame,
    dropout: Dropout,
    scratch: &'a mut Scratch,
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _: S) {
        let (height, [_, rows]) = (self.block.pooled[0], self.block.strip());
        for top in (0..height).step_by(rows) {
            self.strip(top..(top + rows).min(height));
        }
    }
}

impl Forward<'_> {
    /// These rows of the images' pooled maps.
    #[inline(always)]
    fn strip(&mut self, rows: Range<usize>) {
        let Block { grid: [height, width], pooled: [_, columns], pool: [high, wide], filters, .. } =
            *self.block;
        let cells = self.block.pooled[0] * columns * filters;
        let framed = self.next.grid[0] * self.next.grid[1] * filters;
        let images = self.routes.len() / cells;
        let start = self.first * height * width + rows.start * high * width;
        let pixels = (images - 1) * height * width + rows.len() * high * width;
        let first_cell = (self.first * cells) as u32;
        for group in 0..filters.div_ceil(SQUARE) {
            let kernel = Kernel { packed: self.block.kernel.cells(), channels: self.block.channels };
            self.block.convolve(
                self.unit,
                self.map,
                kernel,
                start..start + pixels,
                group,
                &mut self.scratch.sums,
            );
            let sums = self.scratch.sums.cells().as_chunks::<LANES>().0;
            let filters_of = (group * SQUARE..filters.min((group + 1) * SQUARE)).step_by(LANES);
            for (half, filter) in filters_of.enumerate() {
                let Some(bias) = self.block.bias[filter..].first_chunk() else { break };
                for (image, row) in (0..images).flat_map(|image| rows.clone().map(move |row| (image, row))) {
                    let pixel = (image * height + (row - rows.start) * high) * width;
                    let from = (image * self.block.pooled[0] + row) * columns;
                    let to = (row + self.next.padding) * self.next.grid[1] + self.next.padding;
                    for column in 0..columns {
                        let corner = pixel + column * wide;
                        let window = (0..high * wide)
                            .map(|at| sums[(corner + at / wide * width + at % wide) * 2 + half]);
                        let cell = (from + column) * filters + filter;
                        let (values, won) =
                            win(window, *bias, first_cell.wrapping_add(cell as u32), self.dropout);
                        self.routes[cell..][..LANES].copy_from_slice(&won);
                        let to = image * framed + (to + column) * filters + filter;
                        round(&values, &mut self.pooled[to..][..LANES]);
                    }
                }
            }
        }
    }
}

/// What a thread does back, compiled for the widest registers.
struct Backward<'a> {
    block: &'a Block,
    unit: MatrixUnit,
    map: &'a [u16],
    /// The first image of the group, and the outputs' routes and gradients.
    first: usize,
    routes: &'a [u8],
    gradient: &'a [u16],
    scale: f32,
    of_map: &'a mut [u16],
    of_kernel: &'a mut [f32],
    of_bias: &'a mut [[f32; LANES]],
    scratch: &'a mut Scratch,
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _: S) {
        let Block { grid: [height, width], pooled, filters, .. } = *self.block;
        let all = self.routes.len() / (pooled[0] * pooled[1] * filters);
        let together = (STRETCH / (height * width)).max(1);
        for first in (0..all).step_by(together) {
            let images = first..(first + together).min(all);
            self.spread(images.clone());
            self.gradient_of_kernel(images.clone());
            if !self.of_map.is_empty() {
                self.gradient_of_map(images);
            }
        }
    }
}

impl Backward<'_> {
    /// The gradients of pooled cells of these images of the group, brought back
    /// through pool and ReLU to the cells that they came from: on the grid of the
    /// input, with a lead of zeros.
    #[inline(always)]
    fn spread(&mut self, images: Range<usize>) {
        let Block { grid: [height, width], pooled: [rows, columns], pool: [high, wide], filters, .. } =
            *self.block;
        let (groups, lead) = (filters / LANES, self.block.halo());
        let pixels = images.len() * height * width;
        let size = (pixels + SQUARE + lead) * filters + DEPTH;
        let gradient = self.scratch.gradient.of(size);
        gradient.fill(0);
        let to = gradient.as_chunks_mut::<LANES>().0;
        let (values, routes) = (self.gradient.as_chunks::<LANES>().0, self.routes.as_chunks::<LANES>().0);
        for image in images.clone() {
            for row in 0..rows {
                for column in 0..columns {
                    let pixel = lead + ((image - images.start) * height + row * high) * width + column * wide;
                    for group in 0..groups {
                        let from = ((image * rows + row) * columns + column) * groups + group;
                        let (mut value, route) = ([0.0; LANES], routes[from]);
                        for lane in 0..LANES {
                            value[lane] = self.scale * number(values[from][lane]);
                            let open = usize::from(route[lane]) < high * wide;
                            self.of_bias[group][lane] += if open { value[lane] } else { 0.0 };
                        }
                        let mut bits = [0; LANES];
                        round(&value, &mut bits);
                        for at in 0..high * wide {
                            let cell = &mut to[(pixel + at / wide * width + at % wide) * groups + group];
                            for lane in 0..LANES {
                                cell[lane] = if usize::from(route[lane]) == at { bits[lane] } else { 0 };
                            }
                        }
                    }
                }
            }
        }
    }

    /// Adds to the gradient of the kernel what these images have to say of it.
    #[inline(always)]
    fn gradient_of_kernel(&mut self, images: Range<usize>) {
        let Block { grid: [height, width], channels, filters, side, .. } = *self.block;
        let (groups, lead) = (filters / LANES, self.block.halo());
        let pixels = (images.len() * height * width).next_multiple_of(DEPTH);
        let Scratch { gradient, packed, planes, columns, .. } = &mut *self.scratch;

        let packed = packed.of(groups * pixels * LANES);
        let cells = gradient.cells()[lead * filters..].as_chunks::<LANES>().0;
        for pair in 0..pixels / 2 {
            for group in 0..groups {
                let [first, second] = [0, 1].map(|at| &cells[(2 * pair + at) * groups + group]);
                let to = &mut packed[(group * pixels / 2 + pair) * 2 * LANES..][..2 * LANES];
                for lane in 0..LANES {
                    to[2 * lane] = first[lane];
                    to[2 * lane + 1] = second[lane];
                }
            }
        }

        let seen = pixels + lead;
        let stride = apart(seen);
        let planes = planes.of(channels * stride);
        let from = &self.map[(self.first + images.start) * self.block.cells()..][..seen * channels];
        transpose(from, channels, planes, stride);
        // Where the tiles of the left factor begin: of each all places of the kernel one
        // after another, which see nearly the same pixels.
        let places = side * side;
        let shifts = (0..places).map(|place| place / side * width + place % side);
        let (left, mut starts): (&[u16], Vec<usize>) = if self.block.in_tiles() {
            let tiles = (0..channels / ROWS).map(|tile| tile * ROWS * stride);
            (planes, tiles.flat_map(|tile| shifts.clone().map(move |shift| tile + shift)).collect())
        } else {
            // No tile has channels of one place alone: each row is written out.
            let rows = (places * channels).next_multiple_of(ROWS);
            let columns = columns.of(rows * stride);
            let places = shifts.flat_map(|shift| (0..channels).map(move |channel| channel * stride + shift));
            let mut to = columns.chunks_exact_mut(stride);
            for (from, to) in places.zip(&mut to) {
                to[..pixels].copy_from_slice(&planes[from..][..pixels]);
            }
            to.for_each(|row| row.fill(0));
            (columns, (0..rows / ROWS).map(|tile| tile * ROWS * stride).collect())
        };
        if !starts.len().is_multiple_of(2) {
            // What comes of it is not looked at.
            starts.extend(starts.last().copied());
        }
        let (starts, row) = (starts.as_chunks::<2>().0, filters.next_multiple_of(SQUARE));
        for group in 0..row / SQUARE {
            let tiles = |group: usize| group.min(groups - 1) * pixels * LANES;
            let right = [tiles(2 * group), tiles(2 * group + 1)];
            for (pair, starts) in starts.chunks(places).enumerate() {
                let of_tiles = &mut self.of_kernel[pair * places * SQUARE * row + group * SQUARE..];
                for stretch in (0..pixels).step_by(STRETCH) {
                    let starts: Vec<[usize; 2]> =
                        starts.iter().map(|pair| pair.map(|start| start + stretch)).collect();
                    self.unit.multiply(
                        Left { cells: left, row: stride, segment: 0 },
                        &starts,
                        Right { cells: packed, starts: right.map(|start| start + stretch * LANES) },
                        Sums { cells: of_tiles, row, add: images.start > 0 || stretch > 0 },
                        Depth { segments: 1, steps: STRETCH.min(pixels - stretch) / DEPTH },
                    );
                }
            }
        }
    }

    /// The gradient of the input of these images.
    #[inline(always)]
    fn gradient_of_map(&mut self, images: Range<usize>) {
        let Block { grid: [height, width], size: [rows, columns], channels, filters, padding, .. } =
            *self.block;
        let all = images.len() * height;
        let together = (STRIP / width).max(1);
        let of_map = &mut self.of_map[images.start * rows * columns * channels..];
        for top in (0..all).step_by(together) {
            let strip = top..(top + together).min(all);
            let kernel = Kernel { packed: self.block.turned.cells(), channels: filters };
            for group in 0..channels.div_ceil(SQUARE) {
                let pixels = strip.start * width..strip.end * width;
                let Scratch { sums, gradient, .. } = &mut *self.scratch;
                self.block.convolve(self.unit, gradient.cells(), kernel, pixels, group, sums);
                let sums = sums.cells();
                let of_group = group * SQUARE..channels.min((group + 1) * SQUARE);
                for line in strip.clone() {
                    let (image, row) = (line / height, line % height);
                    if !(padding..padding + rows).contains(&row) {
                        continue;
                    }
                    let from = ((line - top) * width + padding) * SQUARE;
                    let to = (image * rows + row - padding) * columns * channels;
                    let from = sums[from..].chunks_exact(SQUARE);
                    for (to, from) in of_map[to..][..columns * channels].chunks_exact_mut(channels).zip(from)
                    {
                        let to = &mut to[of_group.clone()];
                        round(&from[..to.len()], to);
                    }
                }
            }
        }
    }
}

/// A kernel as a right factor, and the channels of what it is applied to.
#[derive(Clone, Copy)]
struct Kernel<'a> {
    packed: &'a [u16],
    channels: usize,
}

impl Block {
    /// Cells of an image's input.
    fn cells(&self) -> usize {
        self.grid[0] * self.grid[1] * self.channels
    }

    /// Pixels from the first that a kernel sees to the last.
    fn halo(&self) -> usize {
        (self.side - 1) * (self.grid[1] + 1)
    }

    /// Whether the gradient of the kernel is summed a tile of channels at a time.
    fn in_tiles(&self) -> bool {
        self.channels.is_multiple_of(ROWS)
    }

    /// Cells that may be read behind the last image: whole squares of pixels, the
    /// kernel's reach from there, and the rest of a tile.
    fn reach(&self) -> usize {
        (SQUARE + self.halo()) * self.channels + DEPTH
    }

    /// Images, and rows of the pooled map, that are computed together.
    fn strip(&self) -> [usize; 2] {
        let [height, width] = self.grid;
        let rows = (STRIP / (self.pool[0] * width)).clamp(1, self.pooled[0].max(1));
        [if rows == self.pooled[0] { (STRIP / (height * width)).max(1) } else { 1 }, rows]
    }

    fn forward(
        &self,
        unit: MatrixUnit,
        (batch, map): (usize, &[u16]),
        (pooled, routes): (&mut Lines<u16>, &mut Vec<u8>),
        next: Frame,
        dropout: Dropout,
    ) {
        let cells = self.pooled[0] * self.pooled[1] * self.filters;
        let framed = next.grid[0] * next.grid[1] * self.filters;
        let (pooled, slack) = pooled.of(batch * framed + next.slack).split_at_mut(batch * framed);
        // Of a larger batch; it meets zeros, but may be no number.
        slack.fill(0);
        routes.resize(batch * cells, 0);
        let [together, _] = self.strip();
        let images = pooled.par_chunks_mut(together * framed);
        images.zip(routes.par_chunks_mut(together * cells)).enumerate().for_each(
            |(index, (pooled, routes))| {
                let first = index * together;
                SCRATCH.with_borrow_mut(|scratch| {
                    let block = self;
                    Arch::new().dispatch(Forward {
                        block,
                        unit,
                        map,
                        first,
                        pooled,
                        routes,
                        next,
                        dropout,
                        scratch,
                    });
                });
            },
        );
    }

    /// What the `group`-th 32 columns of a kernel make of these pixels and those that
    /// follow them to a whole square, `[pixels, 32]`.
    #[inline(always)]
    fn convolve(
        &self,
        unit: MatrixUnit,
        map: &[u16],
        Kernel { packed, channels }: Kernel<'_>,
        pixels: Range<usize>,
        group: usize,
        sums: &mut Lines<f32>,
    ) {
        let steps = (self.side * channels).div_ceil(DEPTH);
        let of_tiles = self.side * steps * TILE;
        let cells = sums.of(pixels.len().next_multiple_of(SQUARE) * SQUARE);
        let segment = self.grid[1] * channels;
        // Some rows of the kernel at a time, or a part of one.
        let rows = (DEEP / steps).max(1);
        let part = steps.div_ceil(steps.div_ceil(DEEP));
        for row in (0..self.side).step_by(rows) {
            for step in (0..steps).step_by(part) {
                let first = row * segment + step * DEPTH;
                let corners = pixels.clone().step_by(SQUARE);
                let starts: Vec<[usize; 2]> = corners
                    .map(|pixel| [pixel, pixel + ROWS].map(|pixel| pixel * channels + first))
                    .collect();
                let tiles = (row * steps + step) * TILE;
                unit.multiply(
                    Left { cells: map, row: channels, segment },
                    &starts,
                    Right {
                        cells: packed,
                        starts: [2 * group, 2 * group + 1].map(|columns| columns * of_tiles + tiles),
                    },
                    Sums { cells: &mut *cells, row: SQUARE, add: row + step > 0 },
                    Depth { segments: rows.min(self.side - row), steps: part.min(steps - step) },
                );
            }
        }
    }

    fn backward(
        &mut self,
        unit: MatrixUnit,
        (batch, map): (usize, &[u16]),
        routes: &[u8],
        gradient: &[u16],
        scale: f32,
        of_map: Option<&mut Vec<u16>>,
    ) -> BlockGradient {
        let from = self.size[0] * self.size[1] * self.channels;
        let to = self.pooled[0] * self.pooled[1] * self.filters;
        let together = batch.div_ceil(GROUPS);
        let of_map_wanted = of_map.is_some();
        // Where the gradient of the input is not wanted, each group has none of it.
        let mut parts: Vec<&mut [u16]> = match of_map {
            Some(of_map) => {
                of_map.resize(batch * from, 0);
                of_map[..batch * from].chunks_mut(together * from).collect()
            }
            None => (0..batch.div_ceil(together)).map(|_| Default::default()).collect(),
        };
        let row = self.filters.next_multiple_of(SQUARE);
        let rows = (self.side * self.side * self.channels).next_multiple_of(SQUARE);
        let mut of_kernel = std::mem::take(&mut self.of_kernel);
        of_kernel.resize_with(parts.len(), Lines::default);
        if of_map_wanted {
            let Self { channels, filters, side, .. } = *self;
            let (weights, last) = (&self.weights, side - 1);
            pack([side, filters, channels], &mut self.turned, |row, column, filter, channel| {
                weights[((filter * channels + channel) * side + last - row) * side + last - column]
            });
        }
        let block = &*self;
        let groups =
            parts.par_iter_mut().zip(&mut of_kernel).enumerate().map(|(index, (of_map, of_kernel))| {
                let first = index * together;
                let cells = first * to..(first + together).min(batch) * to;
                let (routes, gradient) = (&routes[cells.clone()], &gradient[cells]);
                let mut of_bias = vec![[0.0; LANES]; block.filters / LANES];
                SCRATCH.with_borrow_mut(|scratch| {
                    let (of_bias, of_map) = (&mut of_bias[..], &mut **of_map);
                    Arch::new().dispatch(Backward {
                        block,
                        unit,
                        map,
                        first,
                        routes,
                        gradient,
                        scale,
                        of_map,
                        of_kernel: of_kernel.of(rows * row),
                        of_bias,
                        scratch,
                    });
                });
                of_bias.concat()
            });
        let of_bias: Vec<Vec<f32>> = groups.collect();
        // Added up as they lie, then put in order.
        let mut sums = Vec::new();
        if let Some((first, others)) = of_kernel.split_first() {
            sums.extend_from_slice(first.cells());
            sums.par_chunks_mut(row).enumerate().for_each(|(at, sums)| {
                for part in others {
                    sums.iter_mut().zip(&part.cells()[at * row..]).for_each(|(sum, part)| *sum += part);
                }
            });
        }
        let mut kernel = vec![0.0; self.filters * self.channels * self.side * self.side];
        let places = self.side * self.side;
        kernel.par_chunks_mut(self.channels * places).enumerate().for_each(|(filter, kernel)| {
            for (at, sum) in kernel.iter_mut().enumerate() {
                let (channel, place) = (at / places, at % places);
                let from = if self.in_tiles() {
                    (channel / ROWS * places + place) * ROWS + channel % ROWS
                } else {
                    place * self.channels + channel
                };
                *sum = sums[from * row + filter];
            }
        });
        let bias = (0..self.filters).map(|filter| of_bias.iter().map(|part| part[filter]).sum()).collect();
        self.of_kernel = of_kernel;
        BlockGradient { kernel, bias }
    }
}

/// Packs a right factor of what `cell(row, column, channel, filter)` says, summed over
/// (row, column, channel), where a row of the kernel is a segment of whole tiles.
fn pack(
    [side, channels, filters]: [usize; 3],
    packed: &mut Lines<u16>,
    cell: impl Fn(usize, usize, usize, usize) -> f32,
) {
    let steps = (side * channels).div_ceil(DEPTH);
    let packed = packed.of(filters.next_multiple_of(SQUARE) * side * steps * DEPTH);
    for (tile, cells) in packed.chunks_exact_mut(TILE).enumerate() {
        let (columns, row, step) = (tile / (side * steps), tile / steps % side, tile % steps);
        for (at, to) in cells.iter_mut().enumerate() {
            let (depth, filter) = (step * DEPTH + at / DEPTH * 2 + at % 2, columns * ROWS + at % DEPTH / 2);
            let inside = depth < side * channels && filter < filters;
            let value = if inside { cell(row, depth / channels, depth % channels, filter) } else { 0.0 };
            *to = rounded(value);
        }
    }
}

/// `[pixels, channels]` as `[channels, pixels]`, whose rows begin `stride` cells apart.
#[inline(always)]
fn transpose(from: &[u16], channels: usize, to: &mut [u16], stride: usize) {
    /// Pixels and channels that are read together.
    const PATCH: usize = 32;
    let pixels = from.len() / channels;
    let mut patch = [[0; PATCH]; PATCH];
    for first in (0..channels).step_by(PATCH) {
        let some = PATCH.min(channels - first);
        for left in (0..pixels).step_by(PATCH) {
            let wide = PATCH.min(pixels - left);
            for pixel in 0..wide {
                let cells = &from[(left + pixel) * channels + first..][..some];
                for (row, cell) in patch.iter_mut().zip(cells) {
                    row[pixel] = *cell;
                }
            }
            for (channel, row) in patch[..some].iter().enumerate() {
                to[(first + channel) * stride + left..][..wide].copy_from_slice(&row[..wide]);
            }
        }
    }
}

/// Cells from row to row for so many in each: an odd number of cache lines, so that rows
/// are not a power of two apart, of which a cache has room for few.
fn apart(cells: usize) -> usize {
    cells.next_multiple_of(DEPTH) + if cells.div_ceil(DEPTH).is_multiple_of(2) { DEPTH } else { 0 }
}

/// Cells from a cache line's border on: what is loaded and stored a line at a time is
/// slower across two.
#[derive(Default)]
struct Lines<T> {
    kept: Vec<T>,
    start: usize,
    length: usize,
}

impl<T: Copy + Default> Lines<T> {
    /// So many cells, with whatever is in them; zeros where there were not so many yet.
    fn of(&mut self, length: usize) -> &mut [T] {
        let line = 64 / size_of::<T>();
        if self.kept.len() < length + line {
            self.kept = vec![T::default(); length + line];
            self.start = self.kept.as_ptr().align_offset(64).min(line);
        }
        self.length = length;
        &mut self.kept[self.start..][..length]
    }

    /// The cells that were last asked for.
    fn cells(&self) -> &[T] {
        &self.kept[self.start..][..self.length]
    }
}

/// The nearest bfloat16s' bits.
#[inline(always)]
fn round(from: &[f32], to: &mut [u16]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = rounded(*from);
    }
}

/// As `half` rounds but for what a NaN carries, without its branch, so that the compiler
/// takes a register of them at a time.
#[inline(always)]
fn rounded(value: f32) -> u16 {
    const NAN: u32 = 0x7fc0_0000;
    let bits = value.to_bits();
    let nearest = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
    ((if value.is_nan() { NAN } else { nearest }) >> 16) as u16
}

#[inline(always)]
fn number(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}
