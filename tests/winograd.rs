//! The fast convolution against the plain one, on weights and pictures drawn
//! from a seeded generator, for every size of map that a border can fall on.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at what is not as it should be"
)]

#[path = "common/card.rs"]
mod card;

use std::collections::HashMap;

use needledrop::network::{
    card::CARD_KEY,
    experiment::{ConvBlock, NetworkSpec, Padding, Pooling},
    weights::{Weights, tensor_shapes},
    winograd::Winograd,
};

struct Lcg(u64);

impl Lcg {
    /// From -1 to 1.
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

/// Weights of the size that keeps a signal's size from layer to layer.
fn drawn(network: NetworkSpec, random: &mut Lcg) -> Weights {
    let card = card::of(network);
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = tensor_shapes(&card.network)
        .unwrap()
        .into_iter()
        .map(|(name, shape)| {
            let inputs: usize = shape[1..].iter().product();
            let size = (3.0 / inputs.max(1) as f32).sqrt();
            let length: usize = shape.iter().product();
            let bytes = (0..length).flat_map(|_| (size * random.next()).to_le_bytes()).collect();
            (name, shape, bytes)
        })
        .collect();
    let views = tensors.iter().map(|(name, shape, bytes)| {
        (
            name.clone(),
            safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes).unwrap(),
        )
    });
    let metadata = HashMap::from([(CARD_KEY.to_owned(), card.to_json().unwrap())]);
    Weights::from_bytes(&safetensors::serialize(views, Some(metadata)).unwrap()).unwrap()
}

/// The network by its definition, in f64.
fn plain(weights: &Weights, picture: &[f32]) -> Vec<f64> {
    let network = &weights.card().network;
    let [mut channels, mut height, mut width] = network.input;
    let mut map: Vec<f64> = picture.iter().map(|value| f64::from(*value)).collect();
    for (index, block) in network.blocks.iter().enumerate() {
        let side = block.kernel;
        let kernel =
            weights.tensor(&format!("conv{index}.weight"), &[block.filters, channels, side, side]).unwrap();
        let bias = weights.tensor(&format!("conv{index}.bias"), &[block.filters]).unwrap();
        let padding = if block.padding == Padding::Same { side / 2 } else { 0 };
        let (rows, columns) = (height + 2 * padding + 1 - side, width + 2 * padding + 1 - side);
        let output = |filter: usize, row: usize, column: usize| -> f64 {
            let mut sum = f64::from(bias[filter]);
            for channel in 0..channels {
                for y in 0..side {
                    for x in 0..side {
                        let (Some(y_in), Some(x_in)) =
                            ((row + y).checked_sub(padding), (column + x).checked_sub(padding))
                        else {
                            continue;
                        };
                        if y_in < height && x_in < width {
                            sum += f64::from(kernel[((filter * channels + channel) * side + y) * side + x])
                                * map[(channel * height + y_in) * width + x_in];
                        }
                    }
                }
            }
            sum.max(0.0)
        };
        let [high, wide] = block.pool;
        let mut pooled = Vec::new();
        for filter in 0..block.filters {
            for row in 0..rows / high {
                for column in 0..columns / wide {
                    let window =
                        (0..high * wide).map(|at| [high * row + at / wide, wide * column + at % wide]);
                    let values = window.map(|[row, column]| output(filter, row, column));
                    pooled.push(values.fold(0.0, f64::max));
                }
            }
        }
        (map, channels, height, width) = (pooled, block.filters, rows / high, columns / wide);
    }
    if network.pooling == Pooling::Statistics {
        let rows = || map.chunks(width);
        let mean = |row: &[f64]| row.iter().sum::<f64>() / row.len() as f64;
        let squares = |row: &[f64]| row.iter().map(|value| value * value).sum::<f64>() / row.len() as f64;
        let deviation = |row: &[f64]| (squares(row) - mean(row).powi(2) + 1e-5).sqrt();
        let largest = |row: &[f64]| row.iter().copied().fold(0.0, f64::max);
        map = rows().map(mean).chain(rows().map(largest)).chain(rows().map(deviation)).collect();
    }
    let dense = |name: &str, input: &[f64], outputs: usize| -> Vec<f64> {
        let weight = weights.tensor(&format!("{name}.weight"), &[outputs, input.len()]).unwrap();
        let bias = weights.tensor(&format!("{name}.bias"), &[outputs]).unwrap();
        let row = |row: &[f32]| -> f64 { row.iter().zip(input).map(|(a, b)| f64::from(*a) * b).sum() };
        weight.chunks(input.len()).zip(bias).map(|(weights, bias)| row(weights) + f64::from(*bias)).collect()
    };
    for (index, &width) in network.dense.iter().enumerate() {
        map = dense(&format!("dense{index}"), &map, width).into_iter().map(|value| value.max(0.0)).collect();
    }
    dense("logits", &map, network.classes)
}

fn compare(network: NetworkSpec, seed: u64) {
    let random = &mut Lcg(seed);
    let weights = drawn(network, random);
    let picture: Vec<f32> =
        (0..weights.card().network.input.iter().product()).map(|_| random.next()).collect();
    let expected = plain(&weights, &picture);
    let mut fast = Winograd::new(&weights).unwrap().unwrap();
    // Twice, because the second run meets the memory of the first.
    for _ in 0..2 {
        let (logits, _) = fast.forward(&picture).unwrap();
        let largest = expected.iter().fold(1.0_f64, |largest, value| largest.max(value.abs()));
        for (logit, expected) in logits.iter().zip(&expected) {
            let difference = (f64::from(*logit) - expected).abs();
            assert!(difference < 2e-5 * largest, "{:?}: {difference}", weights.card().network.input);
        }
    }
}

fn block(filters: usize, kernel: usize, padding: Padding) -> ConvBlock {
    ConvBlock { filters, kernel, padding, pool: [2, 2], dropout: 0.0 }
}

#[test]
fn one_block_of_every_kind_on_maps_of_every_size() {
    for padding in [Padding::Same, Padding::Valid] {
        for kernel in [3, 5] {
            for height in 7..20 {
                let input = [3, height, 33 - height];
                let blocks = vec![block(1 + height % 6, kernel, padding)];
                compare(
                    NetworkSpec { input, blocks, pooling: Pooling::Flatten, dense: vec![6], classes: 3 },
                    height as u64,
                );
            }
        }
    }
}

#[test]
fn a_deep_network_of_both_kernels() {
    let blocks = [5, 3, 5, 3].map(|kernel| block(13, kernel, Padding::Same)).to_vec();
    compare(
        NetworkSpec { input: [3, 37, 42], blocks, pooling: Pooling::Flatten, dense: vec![9, 7], classes: 4 },
        1,
    );
}

#[test]
fn pools_of_every_size_that_fits_a_tile_and_statistics() {
    for (seed, (kernel, pool)) in
        [(3, [1, 1]), (3, [2, 1]), (3, [1, 2]), (3, [3, 2]), (3, [1, 6]), (5, [4, 1]), (5, [1, 2])]
            .into_iter()
            .enumerate()
    {
        let blocks = vec![ConvBlock { pool, ..block(6, kernel, Padding::Same) }, block(5, 3, Padding::Same)];
        let network = NetworkSpec {
            input: [3, 17, 25],
            blocks,
            pooling: Pooling::Statistics,
            dense: vec![6],
            classes: 3,
        };
        compare(network, seed as u64);
    }
    let crossing = ConvBlock { pool: [4, 4], ..block(6, 3, Padding::Same) };
    let network = NetworkSpec {
        input: [3, 17, 25],
        blocks: vec![crossing],
        pooling: Pooling::Flatten,
        dense: vec![],
        classes: 3,
    };
    assert!(!network.suits_winograd());
}

#[test]
fn a_network_without_hidden_layers() {
    let blocks = vec![block(5, 5, Padding::Same)];
    compare(
        NetworkSpec { input: [3, 12, 12], blocks, pooling: Pooling::Flatten, dense: vec![], classes: 4 },
        2,
    );
}

#[test]
fn another_size_of_picture_is_refused() {
    let blocks = vec![block(4, 3, Padding::Same)];
    let weights = drawn(
        NetworkSpec { input: [3, 8, 8], blocks, pooling: Pooling::Flatten, dense: vec![], classes: 2 },
        &mut Lcg(3),
    );
    assert_eq!(Winograd::new(&weights).unwrap().unwrap().forward(&[0.0; 191]), None);
}

#[test]
fn other_kernels_are_left_to_burn() {
    let blocks = vec![block(4, 7, Padding::Same)];
    let network =
        NetworkSpec { input: [3, 8, 8], blocks, pooling: Pooling::Flatten, dense: vec![], classes: 2 };
    assert!(!network.suits_winograd());
    assert!(Winograd::new(&drawn(network, &mut Lcg(4))).unwrap().is_none());
}
