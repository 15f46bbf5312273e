//! The paper's twelve networks, as data.
//!
//! In: nothing. Out: a [`NetworkSpec`] for each row of the paper's table (W. A.
//! Holst, "Music Classification: Predictive Models Using MEL Spectrograms and
//! Convnets", 2021), which the builder in `cnn` turns into a burn module and
//! the model card carries. Where the paper's text contradicts its parameter
//! counts, the counts decide.

use serde::{Deserialize, Serialize};

/// How a convolution treats the border.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Padding {
    /// No padding: the map shrinks by `kernel - 1`.
    Valid,
    /// Zeros all around: the map keeps its size (odd kernels only).
    Same,
}

/// One block: a convolution with stride 1 and ReLU, a max-pool whose windows do
/// not overlap, and dropout while training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvBlock {
    /// Output channels.
    pub filters: usize,
    /// Side of the square kernel.
    pub kernel: usize,
    /// Border.
    pub padding: Padding,
    /// `[height, width]` of the pool: 2 x 2 in all of the paper's.
    #[serde(default = "two_by_two", skip_serializing_if = "is_two_by_two")]
    pub pool: [usize; 2],
    /// Share of activations dropped after the pool while training.
    pub dropout: f64,
}

fn two_by_two() -> [usize; 2] {
    [2, 2]
}

fn is_two_by_two(pool: &[usize; 2]) -> bool {
    *pool == two_by_two()
}

/// How the last maps become features.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// Every cell is one, as (channel, row, column).
    #[default]
    Flatten,
    /// Over the columns, which are time: the mean of each row of each channel,
    /// then all their maxima, then all their standard deviations.
    Statistics,
}

impl Pooling {
    /// Features of a map.
    pub fn features(self, [channels, height, width]: [usize; 3]) -> usize {
        match self {
            Self::Flatten => product(&[channels, height, width]),
            Self::Statistics => product(&[3, channels, height]),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Flatten => "flatten",
            Self::Statistics => "statistics",
        }
    }

    fn is_flatten(&self) -> bool {
        *self == Self::Flatten
    }
}

/// A network of the paper's kind: blocks, flatten or statistics, hidden dense
/// layers with ReLU, one dense layer of logits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkSpec {
    /// `[channels, height, width]` of the input.
    pub input: [usize; 3],
    /// Convolution blocks, first to last.
    pub blocks: Vec<ConvBlock>,
    /// What the last block's maps become.
    #[serde(default, skip_serializing_if = "Pooling::is_flatten")]
    pub pooling: Pooling,
    /// Widths of the hidden dense layers; the last is the embedding.
    pub dense: Vec<usize>,
    /// Number of logits.
    pub classes: usize,
}

/// Why a [`NetworkSpec`] cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// A map became smaller than the kernel or the pool.
    #[error("block {block} receives a map of {height} x {width}, too small for it")]
    MapTooSmall {
        /// Which block, from 0.
        block: usize,
        /// Its input's height.
        height: usize,
        /// Its input's width.
        width: usize,
    },
    /// A size is zero, a kernel is even where the map shall keep its size, or
    /// a dropout is no share.
    #[error("{0}")]
    Setting(&'static str),
    /// More weights, activations or arithmetic than any model of this kind has:
    /// a card like this is a mistake or an attack.
    #[error(
        "the network has {parameters} parameters, {cells} activations and {flops} operations, \
         more than are allowed"
    )]
    TooLarge {
        /// Weights and biases.
        parameters: usize,
        /// Cells of the input and of all layers' outputs, and what is gathered of them at a time.
        cells: usize,
        /// Floating-point operations for one clip.
        flops: u64,
    },
}

/// The output of one layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerShape {
    /// What the layer is: `conv0`, `pool0`, `flatten` or `statistics`, `dense0`,
    /// `logits`.
    pub name: String,
    /// `[channels, height, width]`, or `[features]` from the flatten on.
    pub shape: Vec<usize>,
    /// Weights and biases of the layer.
    pub parameters: usize,
    /// Floating-point operations for one clip, two to a multiply-add; biases,
    /// ReLU and pools are not counted. Row 8's do not fit the browser's 32-bit
    /// `usize`.
    pub flops: u64,
}

/// Largest number of parameters that a card may ask for.
const MAX_PARAMETERS: usize = 64_000_000;
/// Largest number of activations for one clip that a card may ask for, with what burn's Flex
/// gathers of them at a time.
const MAX_CELLS: usize = 64_000_000;
/// Places of a kernel that Flex gathers the input of at a time (burn-flex 0.22, `conv.rs`).
const GATHERED: usize = 512;
/// Most operations for one clip that a card may ask for: 200 times row 8's.
const MAX_FLOPS: u64 = 1_000_000_000_000;

/// A product that no hostile factor can overflow; where it saturates, in the
/// browser from 2³² on, the network is refused as too large.
fn product(factors: &[usize]) -> usize {
    factors.iter().fold(1, |product: usize, &factor| product.saturating_mul(factor))
}

/// As [`product`], of an operation count.
fn operations(multiplications: &[usize]) -> u64 {
    multiplications.iter().fold(2, |product: u64, &factor| product.saturating_mul(factor as u64))
}

impl NetworkSpec {
    /// Every layer's output shape, parameters and operations, in order.
    ///
    /// # Errors
    /// [`SpecError`] where no network can be made of this.
    pub fn layers(&self) -> Result<Vec<LayerShape>, SpecError> {
        let [mut channels, mut height, mut width] = self.input;
        let sizes = self.input.iter().chain(&self.dense).chain([&self.classes]);
        if sizes.clone().any(|&size| size == 0) {
            return Err(SpecError::Setting("every size of a network must be at least 1"));
        }
        if sizes.clone().any(|&size| size > 65_536) || self.blocks.len() > 64 || self.dense.len() > 64 {
            return Err(SpecError::Setting(
                "no size of a network may be above 65536, nor its layers above 64",
            ));
        }
        let mut layers = Vec::new();
        for (index, block) in self.blocks.iter().enumerate() {
            let ConvBlock { filters, kernel, padding, pool, dropout } = *block;
            if filters == 0 || kernel == 0 || filters > 65_536 || kernel > 1024 {
                return Err(SpecError::Setting("filters must be from 1 to 65536, kernels from 1 to 1024"));
            }
            if padding == Padding::Same && kernel % 2 == 0 {
                return Err(SpecError::Setting("a kernel that keeps the map's size must be odd"));
            }
            if pool.contains(&0) {
                return Err(SpecError::Setting("a pool must be at least 1 x 1"));
            }
            if !(0.0..1.0).contains(&dropout) {
                return Err(SpecError::Setting("dropout must be at least 0 and below 1"));
            }
            let too_small = SpecError::MapTooSmall { block: index, height, width };
            if padding == Padding::Valid {
                (height, width) = match ((height + 1).checked_sub(kernel), (width + 1).checked_sub(kernel)) {
                    (Some(height), Some(width)) => (height, width),
                    _ => return Err(too_small),
                };
            }
            if height < pool[0] || width < pool[1] {
                return Err(too_small);
            }
            layers.push(LayerShape {
                name: format!("conv{index}"),
                shape: vec![filters, height, width],
                parameters: product(&[channels, filters, kernel, kernel]).saturating_add(filters),
                flops: operations(&[channels, filters, kernel, kernel, height, width]),
            });
            (channels, height, width) = (filters, height / pool[0], width / pool[1]);
            layers.push(LayerShape {
                name: format!("pool{index}"),
                shape: vec![channels, height, width],
                parameters: 0,
                flops: 0,
            });
        }
        let mut features = self.pooling.features([channels, height, width]);
        let name = self.pooling.name().into();
        layers.push(LayerShape { name, shape: vec![features], parameters: 0, flops: 0 });
        let hidden = self.dense.iter().enumerate().map(|(index, &width)| (format!("dense{index}"), width));
        for (name, width) in hidden.chain([("logits".to_owned(), self.classes)]) {
            layers.push(LayerShape {
                name,
                shape: vec![width],
                parameters: product(&[features, width]).saturating_add(width),
                flops: operations(&[features, width]),
            });
            features = width;
        }
        let parameters = layers.iter().fold(0_usize, |sum, layer| sum.saturating_add(layer.parameters));
        let inputs = std::iter::once(self.input[0]).chain(self.blocks.iter().map(|block| block.filters));
        let gathered = self
            .blocks
            .iter()
            .zip(inputs)
            .map(|(block, channels)| product(&[channels, block.kernel, block.kernel, GATHERED]))
            .max();
        let activations =
            layers.iter().fold(product(&self.input), |sum, layer| sum.saturating_add(product(&layer.shape)));
        let cells = activations.saturating_add(gathered.unwrap_or(0));
        let flops = layers.iter().fold(0_u64, |sum, layer| sum.saturating_add(layer.flops));
        if parameters > MAX_PARAMETERS || cells > MAX_CELLS || flops > MAX_FLOPS {
            return Err(SpecError::TooLarge { parameters, cells, flops });
        }
        Ok(layers)
    }

    /// Those of [`Self::layers`] that follow the blocks: what the maps become,
    /// hidden dense layers, logits.
    ///
    /// # Errors
    /// As [`Self::layers`].
    pub fn head_layers(&self) -> Result<Vec<LayerShape>, SpecError> {
        Ok(self.layers()?.split_off(2 * self.blocks.len()))
    }

    /// Weights and biases together.
    ///
    /// # Errors
    /// As [`Self::layers`].
    pub fn parameters(&self) -> Result<usize, SpecError> {
        Ok(self.layers()?.iter().map(|layer| layer.parameters).sum())
    }

    /// Floating-point operations for one clip, two to a multiply-add.
    ///
    /// # Errors
    /// As [`Self::layers`].
    pub fn flops(&self) -> Result<u64, SpecError> {
        Ok(self.layers()?.iter().map(|layer| layer.flops).sum())
    }

    /// Length of the embedding: the last hidden layer, or the flattened maps
    /// where there is none.
    ///
    /// # Errors
    /// As [`Self::layers`].
    pub fn embedding_length(&self) -> Result<usize, SpecError> {
        let layers = self.layers()?;
        Ok(layers.iter().rev().nth(1).map_or(0, |layer| layer.shape.iter().product()))
    }
}

/// A row of the paper's table: its network and the recipe it was trained by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    /// The row's name in the paper: `1`, `2`, `3`, `3R`, ... `10`.
    pub row: String,
    /// The network.
    pub network: NetworkSpec,
    /// Keras's `l2`: this times the sum of the squared kernels is added to the
    /// loss. The text does not say which rows after 4R keep it; the reported
    /// losses say 5 and 6.
    pub l2: f64,
    /// Epochs at most.
    pub epochs: usize,
    /// Epochs without a better validation loss after which training stops;
    /// `None` where the paper had no early stopping.
    pub patience: Option<usize>,
}

fn blocks(filters: &[usize], kernel: usize, padding: Padding, dropout: f64) -> Vec<ConvBlock> {
    let block = |&filters| ConvBlock { filters, kernel, padding, pool: two_by_two(), dropout };
    filters.iter().map(block).collect()
}

/// All twelve rows, in the paper's order.
pub fn experiments() -> Vec<Experiment> {
    use Padding::{Same, Valid};
    const PICTURE: [usize; 3] = [3, 128, 128];
    let row = |row: &str, input, blocks: Vec<ConvBlock>, dense: &[usize], l2| Experiment {
        row: row.into(),
        epochs: if blocks.is_empty() { 20 } else { 200 },
        patience: (!blocks.is_empty()).then_some(3),
        network: NetworkSpec { input, blocks, pooling: Pooling::Flatten, dense: dense.to_vec(), classes: 10 },
        l2,
    };
    vec![
        row("1", PICTURE, vec![], &[128, 128], 0.0),
        row("2", PICTURE, vec![], &[128, 128], 0.003),
        row("3", PICTURE, blocks(&[128; 2], 3, Valid, 0.0), &[128], 0.0),
        row("3R", PICTURE, blocks(&[128; 2], 3, Valid, 0.0), &[128], 0.003),
        row("4", PICTURE, blocks(&[128; 3], 3, Valid, 0.0), &[128], 0.0),
        row("4R", PICTURE, blocks(&[128; 3], 3, Valid, 0.2), &[128], 0.003),
        row("5", PICTURE, blocks(&[128, 256, 512], 3, Valid, 0.2), &[128], 0.003),
        row("6", PICTURE, blocks(&[128; 3], 3, Same, 0.2), &[128], 0.003),
        row("7", PICTURE, blocks(&[128; 6], 3, Same, 0.2), &[128], 0.0),
        row("8", PICTURE, blocks(&[128; 6], 5, Same, 0.3), &[128], 0.0),
        row("9", PICTURE, blocks(&[128; 6], 5, Same, 0.5), &[128], 0.0),
        row("10", [3, 220, 216], blocks(&[128; 6], 5, Same, 0.3), &[128], 0.0),
    ]
}

/// The row of that name, as the paper spells it.
pub fn experiment(row: &str) -> Option<Experiment> {
    experiments().into_iter().find(|experiment| experiment.row == row)
}
