//! Held against the blocks by their definition, on numbers so small that nothing is
//! rounded: every cell of every gradient must be the same.

use super::*;
use crate::network::{experiment::Pooling, winograd::batch::WinogradStack};

/// Halves up to this are exact in bfloat16.
const EXACT: f32 = 128.0;

struct Lcg(u64);

impl Lcg {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    /// Mostly zeros, the rest 1 or -1.
    fn sign(&mut self) -> f32 {
        [1.0, -1.0].get(self.next(14) as usize).copied().unwrap_or(0.0)
    }
}

fn network(input: [usize; 3], blocks: &[(usize, usize, Padding, [usize; 2])]) -> NetworkSpec {
    let blocks = blocks.iter().map(|&(filters, kernel, padding, pool)| ConvBlock {
        filters,
        kernel,
        padding,
        pool,
        dropout: 0.0,
    });
    NetworkSpec { input, blocks: blocks.collect(), pooling: Pooling::Flatten, dense: vec![], classes: 2 }
}

/// Kernel `[filters, channels, side, side]` and bias of each block.
fn weights(network: &NetworkSpec, random: &mut Lcg) -> Vec<(Vec<f32>, Vec<f32>)> {
    let mut channels = network.input[0];
    let of_block = |block: &ConvBlock| {
        let cells = block.filters * channels * block.kernel * block.kernel;
        channels = block.filters;
        let kernel = (0..cells).map(|_| random.sign()).collect();
        // Halves, so that no cell is just at the border of ReLU.
        (kernel, (0..block.filters).map(|_| random.next(3) as f32 - 0.5).collect())
    };
    network.blocks.iter().map(of_block).collect()
}

/// A map `[channels, height, width]`.
#[derive(Clone)]
struct Map {
    shape: [usize; 3],
    cells: Vec<f32>,
}

impl Map {
    fn zeros(shape: [usize; 3]) -> Self {
        Self { shape, cells: vec![0.0; shape.iter().product()] }
    }

    fn index(&self, channel: usize, row: usize, column: usize) -> Option<usize> {
        let [_, height, width] = self.shape;
        (row < height && column < width).then_some((channel * height + row) * width + column)
    }
}

/// One block by its definition. Of each pooled cell the index of the one that won.
struct Plain<'a> {
    block: &'a ConvBlock,
    kernel: &'a [f32],
    bias: &'a [f32],
}

impl Plain<'_> {
    fn padding(&self) -> usize {
        if self.block.padding == Padding::Same { self.block.kernel / 2 } else { 0 }
    }

    /// Calls for each weight and the cells of `map` that it brings to `(row, column)`.
    fn over(&self, map: &Map, filter: usize, row: usize, column: usize, mut call: impl FnMut(usize, usize)) {
        let (side, [channels, ..]) = (self.block.kernel, map.shape);
        for place in 0..channels * side * side {
            let (channel, down, right) = (place / (side * side), place / side % side, place % side);
            let (row, column) = (row + down, column + right);
            let inside = row.checked_sub(self.padding()).zip(column.checked_sub(self.padding()));
            if let Some(from) = inside.and_then(|(row, column)| map.index(channel, row, column)) {
                call(filter * channels * side * side + place, from);
            }
        }
    }

    /// The pooled map, and which cell of its pool each came by, where it came.
    fn forward(&self, map: &Map) -> (Map, Vec<Option<[usize; 2]>>) {
        let [_, height, width] = map.shape;
        let length =
            |length: usize, pool: usize| (length + 2 * self.padding() + 1 - self.block.kernel) / pool;
        let [high, wide] = self.block.pool;
        let mut pooled = Map::zeros([self.block.filters, length(height, high), length(width, wide)]);
        let [_, rows, columns] = pooled.shape;
        let mut routes = vec![None; pooled.cells.len()];
        for (at, route) in routes.iter_mut().enumerate() {
            let (filter, row, column) = (at / (rows * columns), at / columns % rows, at % columns);
            let mut best = (f32::NEG_INFINITY, [0; 2]);
            for place in 0..high * wide {
                let cell = [row * high + place / wide, column * wide + place % wide];
                let mut sum = 0.0;
                self.over(map, filter, cell[0], cell[1], |weight, from| {
                    sum += self.kernel[weight] * map.cells[from];
                });
                if sum > best.0 {
                    best = (sum, cell);
                }
            }
            let value = best.0 + self.bias[filter];
            if value > 0.0 {
                (pooled.cells[at], *route) = (value, Some(best.1));
            }
        }
        (pooled, routes)
    }

    /// Adds to the gradients of kernel and bias, and gives that of the map.
    fn backward(
        &self,
        map: &Map,
        routes: &[Option<[usize; 2]>],
        gradient: &Map,
        sums: &mut (Vec<f32>, Vec<f32>),
    ) -> Map {
        let mut of_map = Map::zeros(map.shape);
        let [_, rows, columns] = gradient.shape;
        for (at, route) in routes.iter().enumerate() {
            let Some([row, column]) = *route else { continue };
            let (filter, value) = (at / (rows * columns), gradient.cells[at]);
            sums.1[filter] += value;
            self.over(map, filter, row, column, |weight, from| {
                sums.0[weight] += value * map.cells[from];
                of_map.cells[from] += value * self.kernel[weight];
            });
        }
        of_map
    }
}

/// The pictures, `[batch, height, width, channels]`.
fn inputs(batch: usize, [channels, height, width]: [usize; 3], random: &mut Lcg) -> Vec<f32> {
    (0..batch * channels * height * width).map(|_| random.next(2) as f32).collect()
}

/// Holds a step forward and back of a stack against the definition.
fn step(stack: &mut TileStack, network: &NetworkSpec, batch: usize, random: &mut Lcg) {
    let weights = weights(network, random);
    let blocks: Vec<Plain<'_>> = network
        .blocks
        .iter()
        .zip(&weights)
        .map(|(block, (kernel, bias))| Plain { block, kernel, bias })
        .collect();
    let [channels, height, width] = network.input;
    let inputs = inputs(batch, network.input, random);
    stack.set_weights(weights.clone());
    let output = stack.forward(batch, &inputs, None);
    let gradient: Vec<f32> = output.iter().map(|_| random.sign()).collect();
    let said = stack.backward(batch, &gradient, false);

    let mut sums: Vec<(Vec<f32>, Vec<f32>)> =
        weights.iter().map(|(kernel, bias)| (vec![0.0; kernel.len()], vec![0.0; bias.len()])).collect();
    let size = output.len() / batch;
    for (image, pixels) in inputs.chunks_exact(height * width * channels).enumerate() {
        let mut map = Map::zeros(network.input);
        for (at, cell) in pixels.iter().enumerate() {
            map.cells[at % channels * height * width + at / channels] = *cell;
        }
        let mut steps = Vec::new();
        for block in &blocks {
            let (pooled, routes) = block.forward(&map);
            steps.push((std::mem::replace(&mut map, pooled), routes));
            assert!(map.cells.iter().all(|cell| *cell <= EXACT), "the test's numbers are too large");
        }
        assert_eq!(map.shape, stack.shape());
        assert!(output[image * size..][..size] == map.cells);
        let mut of_map = Map { shape: map.shape, cells: gradient[image * size..][..size].to_vec() };
        for ((block, (map, routes)), sums) in blocks.iter().zip(&steps).zip(&mut sums).rev() {
            assert!(of_map.cells.iter().all(|cell| cell.abs() <= EXACT), "the test's numbers are too large");
            of_map = block.backward(map, routes, &of_map, sums);
        }
    }
    for (BlockGradient { kernel, bias }, sums) in said.into_iter().zip(sums) {
        assert!((kernel, bias) == sums);
    }
}

#[test]
fn blocks_and_their_gradients_are_those_of_the_definition() {
    use Padding::{Same, Valid};
    let networks = [
        network([3, 7, 9], &[(16, 3, Same, [2, 2]), (48, 3, Same, [2, 1])]),
        network([1, 12, 10], &[(80, 5, Same, [2, 2]), (16, 1, Same, [1, 1]), (32, 3, Same, [3, 2])]),
        network([16, 9, 8], &[(16, 2, Valid, [2, 2]), (32, 3, Valid, [2, 1])]),
        // More pixels than are taken together.
        network([2, 48, 40], &[(32, 3, Same, [2, 2]), (16, 4, Valid, [2, 3])]),
        // A row of a kernel in parts, and some rows at a time.
        network([1, 6, 5], &[(112, 2, Same, [2, 2]), (16, 5, Same, [1, 1])]),
        network([1, 6, 5], &[(64, 2, Same, [1, 1]), (32, 3, Same, [3, 2])]),
    ];
    let units = MatrixUnit::new().into_iter().chain([MatrixUnit::Plain]);
    for (unit, network) in units.flat_map(|unit| networks.iter().map(move |network| (unit, network))) {
        let mut stack = TileStack::new(unit, network).unwrap();
        // Another batch between two: nothing of it may be left.
        for batch in [11, 1, 3, 11] {
            step(&mut stack, network, batch, &mut Lcg(batch as u64));
        }
    }
}

/// Each cell that filtering drops is dropped, no other, and no gradient comes to it.
#[test]
fn the_same_cells_are_dropped_as_by_filtering() {
    let mut network = network([2, 12, 10], &[(16, 3, Padding::Same, [1, 1]), (32, 3, Padding::Same, [1, 1])]);
    // Half: what is left is doubled, and stays exact.
    network.blocks.iter_mut().for_each(|block| block.dropout = 0.5);
    let mut random = Lcg(5);
    let weights = weights(&network, &mut random);
    let inputs = inputs(4, network.input, &mut random);
    let unit = MatrixUnit::new().unwrap_or(MatrixUnit::Plain);
    let stacks: [Box<dyn ConvStack>; 2] =
        [Box::new(TileStack::new(unit, &network).unwrap()), Box::new(WinogradStack::new(&network).unwrap())];
    let [tiles, filtering] = stacks.map(|mut stack| {
        stack.set_weights(weights.clone());
        let output = stack.forward(4, &inputs, Some(77));
        let mut random = Lcg(6);
        let gradient: Vec<f32> = output.iter().map(|_| random.sign()).collect();
        let gradients = stack.backward(4, &gradient, true);
        let all = gradients.into_iter().flat_map(|BlockGradient { kernel, bias }| [kernel, bias].concat());
        // Filtering rounds.
        output.into_iter().chain(all).map(f32::round).collect::<Vec<f32>>()
    });
    assert!(tiles.iter().all(|cell| cell.is_finite()) && tiles.iter().any(|cell| *cell != 0.0));
    assert!(tiles == filtering);
}

#[test]
fn what_it_cannot_compute_is_left_to_others() {
    let of = |filters, kernel, pool| {
        let network = network([1, 64, 64], &[(filters, kernel, Padding::Valid, pool)]);
        TileStack::new(MatrixUnit::Plain, &network).is_some()
    };
    assert!(of(16, 3, [2, 2]));
    assert!(of(16, 11, [15, 17]));
    assert!(!of(24, 3, [2, 2]));
    assert!(!of(16, 12, [2, 2]));
    assert!(!of(16, 3, [16, 16]));
}
