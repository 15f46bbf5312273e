//! The convolution blocks forward and back, a batch at a time: what training on a
//! processor spends its time on.
//!
//! There are two ways to compute them, and this is what they have in common: by
//! [minimal filtering](super::winograd::batch) in 32 bits, and on a
//! [matrix unit](super::tiles) from numbers of 16 bits. Each block is convolution,
//! ReLU, max-pool and dropout in one: no map is ever written before it is pooled, and
//! backwards only the cell that won its pool, whose number is kept in a byte, has a
//! gradient to carry.

/// Channels computed side by side: a 512-bit register, or two or four smaller.
pub(super) const LANES: usize = 16;
/// Groups of images whose gradients are summed apart.
pub(super) const GROUPS: usize = 8;
/// The route of a cell whose ReLU was closed, or that was dropped.
pub(super) const CLOSED: u8 = u8::MAX;

/// All blocks of a network, and what a step forward leaves for the step back.
pub(crate) trait ConvStack {
    /// `[channels, height, width]` of the last map.
    fn shape(&self) -> [usize; 3];

    /// Takes each block's kernel `[filters, channels, side, side]` and bias.
    fn set_weights(&mut self, weights: Vec<(Vec<f32>, Vec<f32>)>);

    /// Runs a batch: `inputs` is `[batch, height, width, channels]`. Dropout
    /// acts where there is a `draw`. Returns `[batch, channels, height, width]`.
    fn forward(&mut self, batch: usize, inputs: &[f32], draw: Option<u64>) -> Vec<f32>;

    /// The gradients of every block, from that of what [`Self::forward`] gave.
    fn backward(&mut self, batch: usize, gradient: &[f32], dropped: bool) -> Vec<BlockGradient>;
}

/// The gradients of one block: kernel `[filters, channels, side, side]` and bias
/// `[filters]`.
pub(crate) struct BlockGradient {
    pub(crate) kernel: Vec<f32>,
    pub(crate) bias: Vec<f32>,
}

/// What is dropped in a step: nothing, or a share by a draw.
#[derive(Clone, Copy)]
pub(super) struct Dropout {
    /// A cell is dropped if its hash is below.
    threshold: u32,
    scale: f32,
    draw: u32,
}

impl Dropout {
    /// Drops this share of a block's cells where there is a draw.
    pub(super) fn of(share: f64, draw: Option<u64>, block: usize) -> Self {
        match draw {
            Some(draw) if share > 0.0 => Self {
                threshold: (share * f64::from(u32::MAX)) as u32,
                scale: (1.0 / (1.0 - share)) as f32,
                draw: hash(draw as u32 ^ hash((draw >> 32) as u32 ^ block as u32)),
            },
            _ => Self { threshold: 0, scale: 1.0, draw: 0 },
        }
    }
}

/// The largest of a pool's cells with bias, ReLU and dropout, and which of them
/// it was.
#[inline(always)]
pub(super) fn win(
    mut window: impl Iterator<Item = [f32; LANES]>,
    bias: [f32; LANES],
    first_lane: u32,
    dropout: Dropout,
) -> ([f32; LANES], [u8; LANES]) {
    let mut largest = window.next().unwrap_or_default();
    let mut route = [0_u32; LANES];
    for (at, values) in (1..).zip(window) {
        for lane in 0..LANES {
            let wins = values[lane] > largest[lane];
            largest[lane] = if wins { values[lane] } else { largest[lane] };
            route[lane] = if wins { at } else { route[lane] };
        }
    }
    let mut output = [0.0; LANES];
    for lane in 0..LANES {
        let value = largest[lane] + bias[lane];
        let dropped = hash(first_lane.wrapping_add(lane as u32) ^ dropout.draw) < dropout.threshold;
        let open = (value > 0.0) & !dropped;
        output[lane] = if open { value * dropout.scale } else { 0.0 };
        route[lane] = if open { route[lane] } else { u32::from(CLOSED) };
    }
    (output, route.map(|at| at as u8))
}

/// A number that looks drawn (the finaliser of A. Appleby's MurmurHash3).
#[inline(always)]
fn hash(mut bits: u32) -> u32 {
    bits = (bits ^ (bits >> 16)).wrapping_mul(0x85eb_ca6b);
    bits = (bits ^ (bits >> 13)).wrapping_mul(0xc2b2_ae35);
    bits ^ (bits >> 16)
}
