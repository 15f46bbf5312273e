//! A [`NetworkSpec`] as a burn module.
//!
//! In: pictures `[batch, channels, height, width]`. Out: [`Output`], the logits
//! and the embedding. The network is of the paper's kind: blocks of convolution,
//! ReLU, max-pool and dropout, then dense layers (W. A. Holst, 2021).

use burn::{
    module::{Module, Param},
    nn::{
        Dropout, DropoutConfig, Linear, LinearConfig, PaddingConfig2d,
        conv::{Conv2d, Conv2dConfig},
        pool::{MaxPool2d, MaxPool2dConfig},
    },
    tensor::{Device, Tensor, TensorData, activation::relu},
};

#[cfg(feature = "training")]
use burn::tensor::FloatDType;

#[cfg(feature = "training")]
use super::card::ModelCard;
use super::{
    experiment::{NetworkSpec, Padding, Pooling, SpecError},
    weights::{Weights, WeightsError},
};

/// What the network says of a batch.
#[derive(Clone, Debug)]
pub struct Output {
    /// `[batch, classes]`, before the softmax.
    pub logits: Tensor<2>,
    /// `[batch, embedding_length]`, the last hidden layer after its ReLU.
    pub embedding: Tensor<2>,
}

/// What every layer gave, on burn's device.
#[derive(Clone, Debug)]
pub struct Taps {
    /// Maps of each block after its pool, `[batch, filters, height, width]`.
    pub blocks: Vec<Tensor<4>>,
    /// What follows the blocks, in the order of [`NetworkSpec::head_layers`]:
    /// features, hidden layers after their ReLU, logits; `[batch, width]` each.
    pub head: Vec<Tensor<2>>,
}

/// What every layer gave for one picture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Activations {
    /// Maps of each block after its pool, `[filters, height, width]`.
    pub blocks: Vec<Vec<f32>>,
    /// What follows the blocks, in the order of [`NetworkSpec::head_layers`]:
    /// features, hidden layers after their ReLU, logits.
    pub head: Vec<Vec<f32>>,
}

/// The module. Fields bear the names of the tensors in a weights file.
#[derive(Module, Debug)]
pub struct Cnn {
    conv: Vec<Conv2d>,
    pool: Vec<MaxPool2d>,
    dropout: Vec<Dropout>,
    #[module(skip)]
    pooling: Pooling,
    dense: Vec<Linear>,
    logits: Linear,
}

impl NetworkSpec {
    /// Builds the network with burn's default initialisation.
    ///
    /// # Errors
    /// [`SpecError`] where no network can be made of this.
    pub fn init(&self, device: &Device) -> Result<Cnn, SpecError> {
        let mut features = self.head_layers()?.first().map_or(0, |layer| layer.shape.iter().product());
        let mut channels = self.input[0];
        let mut conv = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            let padding = match block.padding {
                Padding::Valid => PaddingConfig2d::Valid,
                Padding::Same => PaddingConfig2d::Same,
            };
            let kernel = [block.kernel, block.kernel];
            conv.push(
                Conv2dConfig::new([channels, block.filters], kernel).with_padding(padding).init(device),
            );
            channels = block.filters;
        }
        let mut dense = Vec::with_capacity(self.dense.len());
        for &width in &self.dense {
            dense.push(LinearConfig::new(features, width).init(device));
            features = width;
        }
        Ok(Cnn {
            conv,
            pool: self
                .blocks
                .iter()
                .map(|block| MaxPool2dConfig::new(block.pool).with_strides(block.pool).init())
                .collect(),
            dropout: self.blocks.iter().map(|block| DropoutConfig::new(block.dropout).init()).collect(),
            pooling: self.pooling,
            dense,
            logits: LinearConfig::new(features, self.classes).init(device),
        })
    }
}

impl Cnn {
    /// Runs the network. Dropout acts only on an autodiff device.
    ///
    /// # Shapes
    /// - `pictures`: `[batch, channels, height, width]`, values from 0 to 1 for
    ///   a viridis picture
    /// - logits: `[batch, classes]`, embedding: `[batch, embedding_length]`
    pub fn forward(&self, pictures: Tensor<4>) -> Output {
        self.head(self.blocks(pictures, |_| {}))
    }

    /// As [`Self::forward`], but the convolutions' factors are rounded to bfloat16, and with
    /// them the maps between them. Weights, their gradients, and what follows the last block
    /// have 32 bits, so that an optimiser's small steps are not lost.
    #[cfg(feature = "training")]
    pub(crate) fn forward_in_bfloat16(&self, pictures: Tensor<4>) -> Output {
        let mut narrow = self.clone();
        for conv in &mut narrow.conv {
            conv.weight = in_bfloat16(conv.weight.clone());
            conv.bias = conv.bias.take().map(in_bfloat16);
        }
        let maps = narrow.blocks(pictures.cast(FloatDType::BF16), |_| {});
        self.head(maps.cast(FloatDType::F32))
    }

    /// Runs the network as [`Self::forward`] does and keeps what every layer
    /// gave.
    pub fn taps(&self, pictures: Tensor<4>) -> Taps {
        let (mut blocks, mut head) = (Vec::new(), Vec::new());
        let maps = self.blocks(pictures, |maps| blocks.push(maps.clone()));
        let output = self.dense_layers(maps, |layer| head.push(layer.clone()));
        head.push(output.logits);
        Taps { blocks, head }
    }

    /// What the dense layers get of `[batch, channels, height, width]`: the last
    /// maps, flattened or as statistics, `[batch, features]`.
    pub fn features(&self, pictures: Tensor<4>) -> Tensor<2> {
        self.pooled(self.blocks(pictures, |_| {}))
    }

    /// Runs the blocks; `tap` sees the maps after each.
    fn blocks(&self, pictures: Tensor<4>, mut tap: impl FnMut(&Tensor<4>)) -> Tensor<4> {
        let mut maps = pictures;
        for ((conv, pool), dropout) in self.conv.iter().zip(&self.pool).zip(&self.dropout) {
            // Of a pool's cells the largest is so with the bias and after the ReLU, too: both are
            // for the one that is left, not for all of a map that is written in full.
            maps = pool.forward(Conv2d { bias: None, ..conv.clone() }.forward(maps));
            if let Some(bias) = &conv.bias {
                let [filters] = bias.dims();
                maps = maps + bias.val().reshape([1, filters, 1, 1]);
            }
            maps = dropout.forward(relu(maps));
            tap(&maps);
        }
        maps
    }

    fn pooled(&self, maps: Tensor<4>) -> Tensor<2> {
        match self.pooling {
            Pooling::Flatten => maps.flatten(1, 3),
            Pooling::Statistics => statistics(maps),
        }
    }

    /// Runs what follows the blocks on the last one's maps, `[batch, channels,
    /// height, width]`.
    pub(crate) fn head(&self, maps: Tensor<4>) -> Output {
        self.dense_layers(maps, |_| {})
    }

    /// As [`Self::head`]; `tap` sees the features and each hidden layer.
    fn dense_layers(&self, maps: Tensor<4>, mut tap: impl FnMut(&Tensor<2>)) -> Output {
        let mut embedding = self.pooled(maps);
        tap(&embedding);
        for dense in &self.dense {
            embedding = relu(dense.forward(embedding));
            tap(&embedding);
        }
        Output { logits: self.logits.forward(embedding.clone()), embedding }
    }

    /// Takes every weight and bias from a file.
    ///
    /// # Errors
    /// [`WeightsError`] naming the first tensor that is missing or misfits.
    pub fn load(mut self, weights: &Weights, device: &Device) -> Result<Self, WeightsError> {
        let vector = |name: String, length: usize| -> Result<Option<Param<Tensor<1>>>, WeightsError> {
            let values = weights.tensor(&name, &[length])?.to_vec();
            Ok(Some(Param::from_data(TensorData::new(values, [length]), device)))
        };
        for (index, conv) in self.conv.iter_mut().enumerate() {
            let shape = conv.weight.dims();
            let values = weights.tensor(&format!("conv{index}.weight"), &shape)?.to_vec();
            conv.weight = Param::from_data(TensorData::new(values, shape), device);
            conv.bias = vector(format!("conv{index}.bias"), shape[0])?;
        }
        let names = (0..self.dense.len()).map(|index| format!("dense{index}")).chain(["logits".into()]);
        for (name, linear) in names.zip(self.dense.iter_mut().chain([&mut self.logits])) {
            let [features, width] = linear.weight.dims();
            // The file has PyTorch's [out, in], burn wants [in, out].
            let values =
                transpose(weights.tensor(&format!("{name}.weight"), &[width, features])?, width, features);
            linear.weight = Param::from_data(TensorData::new(values, [features, width]), device);
            linear.bias = vector(format!("{name}.bias"), width)?;
        }
        Ok(self)
    }

    /// The convolutions, first to last.
    #[cfg(feature = "training")]
    pub(crate) fn convolutions(&self) -> &[Conv2d] {
        &self.conv
    }

    /// The dense layers before the last, first to last.
    #[cfg(feature = "training")]
    pub(crate) fn hidden(&self) -> &[Linear] {
        &self.dense
    }

    /// Every weight and bias, for a file with this card.
    ///
    /// # Errors
    /// [`WeightsError`] where the device does not give them, they are not
    /// finite, or the card is another network's.
    #[cfg(feature = "training")]
    pub fn weights(&self, card: &ModelCard) -> Result<Weights, WeightsError> {
        let linear = |name: &str| {
            name.strip_prefix("dense").and_then(|index| self.dense.get(index.parse::<usize>().ok()?))
        };
        let conv = |name: &str| {
            name.strip_prefix("conv").and_then(|index| self.conv.get(index.parse::<usize>().ok()?))
        };
        Weights::from_values(card.clone(), |name, _| {
            let (layer, kind) = name.split_once('.').unwrap_or((name, ""));
            let data = match (conv(layer), if layer == "logits" { Some(&self.logits) } else { linear(layer) })
            {
                (Some(conv), _) if kind == "weight" => Some(conv.weight.val().try_into_data()),
                (Some(conv), _) => conv.bias.as_ref().map(|bias| bias.val().try_into_data()),
                (_, Some(linear)) if kind == "weight" => {
                    Some(linear.weight.val().transpose().try_into_data())
                }
                (_, Some(linear)) => linear.bias.as_ref().map(|bias| bias.val().try_into_data()),
                (None, None) => None,
            };
            let device = |reason: String| WeightsError::Device { name: name.into(), reason };
            let data = data.ok_or_else(|| WeightsError::Missing(name.into()))?;
            let data = data.map_err(|error| device(error.to_string()))?;
            data.try_into_vec().map_err(|error| device(error.to_string()))
        })
    }
}

/// A parameter rounded to bfloat16, whose gradient still arrives at the parameter itself.
#[cfg(feature = "training")]
fn in_bfloat16<const D: usize>(param: Param<Tensor<D>>) -> Param<Tensor<D>> {
    let (id, values, mapper) = param.consume();
    Param::from_mapped_value(id, values.cast(FloatDType::BF16), mapper)
}

/// Added to a variance before its root, whose slope at 0 is infinite.
pub(super) const LEAST_VARIANCE: f32 = 1e-5;

/// Mean, maximum and standard deviation over the columns: `[batch, channels,
/// height, width]` to `[batch, 3 · channels · height]`.
fn statistics(maps: Tensor<4>) -> Tensor<2> {
    let mean = maps.clone().mean_dim(3);
    let largest = maps.clone().max_dim(3);
    let variance = (maps - mean.clone()).powi_scalar(2).mean_dim(3);
    let deviation = (variance + LEAST_VARIANCE).sqrt();
    Tensor::cat([mean, largest, deviation].map(|values| values.flatten(1, 3)).to_vec(), 1)
}

/// `[rows, columns]` to `[columns, rows]`.
pub(super) fn transpose(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut transposed = Vec::with_capacity(values.len());
    for column in 0..columns {
        transposed.extend((0..rows).map(|row| values[row * columns + column]));
    }
    transposed
}
