//! A model on disk: one safetensors file with the model card in its metadata.
//!
//! In: the file's bytes. Out: [`Weights`], every tensor as f32 with the card,
//! checked against the network that the card specifies. A file that does not
//! fit its card is refused with the reason.
//!
//! The tensors bear PyTorch's shapes: `convN.weight` `[out, in, height, width]`,
//! `denseN.weight` and `logits.weight` `[out, in]`, `.bias` `[out]`. The input
//! of `dense0` is the last map flattened as (channel, row, column), or statistics
//! of it in the order that [`Pooling`](super::experiment::Pooling) says. What a
//! card's rejection score needs beside the network is called `rejection.`.

use std::{borrow::Cow, collections::BTreeMap, collections::HashMap};

use half::f16;
use safetensors::{Dtype, SafeTensors, View};

use super::{
    card::{CARD_KEY, CardError, ModelCard, RejectionScore},
    cnn::transpose,
    experiment::{NetworkSpec, Pooling},
};
use crate::spectrogram::texture::TEXTURE_LENGTH;

/// Means of the genres' embeddings, `[classes, embedding_length]`.
pub(crate) const MEANS: &str = "rejection.means";
/// What makes their covariance the identity, `[embedding_length,
/// embedding_length]`, lower triangular.
pub(crate) const WHITENING: &str = "rejection.whitening";
/// Of the probe, `[embedding_length + 2 · TEXTURE_LENGTH]`.
pub(crate) const WEIGHT: &str = "rejection.weight";
/// Of the probe, `[1]`.
pub(crate) const BIAS: &str = "rejection.bias";

/// Why a weights file is refused.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// Not safetensors at all, or cut off.
    #[error("this is not a whole safetensors file: {0}")]
    File(String),
    /// A safetensors file of something else.
    #[error("the safetensors file has no model card (`{CARD_KEY}` in its metadata)")]
    NoCard,
    /// The card is refused.
    #[error(transparent)]
    Card(#[from] CardError),
    /// The network that the card specifies has a tensor that the file lacks.
    #[error("the tensor `{0}` is missing")]
    Missing(String),
    /// The file has a tensor that the network lacks.
    #[error("the tensor `{0}` does not belong to the network of the card")]
    Unexpected(String),
    /// A tensor of another shape.
    #[error("the tensor `{name}` has the shape {found:?}, the network of the card needs {expected:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// What the file has.
        found: Vec<usize>,
        /// What the network needs.
        expected: Vec<usize>,
    },
    /// Neither f32 nor f16.
    #[error("the tensor `{name}` has the type {found}, F32 and F16 are read")]
    Type {
        /// The tensor.
        name: String,
        /// What the file has.
        found: String,
    },
    /// A tensor cannot be read back from the device.
    #[error("the tensor `{name}` cannot be read from the device: {reason}")]
    Device {
        /// The tensor.
        name: String,
        /// What was said.
        reason: String,
    },
    /// A weight that 16 bits would make infinite.
    #[error("the tensor `{0}` has values too great for f16 (`--precision f32` holds them)")]
    TooGreat(String),
    /// A weight that would make every answer NaN.
    #[error("the tensor `{0}` has values that are not finite")]
    NotFinite(String),
}

/// How weights are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 4 bytes a weight.
    F32,
    /// 2 bytes a weight, as the page's file.
    F16,
}

/// A tensor of a file: its shape and its values, row-major.
#[derive(Clone, Debug, PartialEq)]
struct Values {
    shape: Vec<usize>,
    values: Vec<f32>,
}

/// A model's card and tensors.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    card: ModelCard,
    tensors: BTreeMap<String, Values>,
}

/// Name and shape of every tensor of a network.
///
/// # Errors
/// As [`NetworkSpec::layers`].
pub fn tensor_shapes(network: &NetworkSpec) -> Result<Vec<(String, Vec<usize>)>, CardError> {
    let mut shapes = Vec::new();
    let mut push = |name: &str, weight: Vec<usize>| {
        let bias = vec![weight[0]];
        shapes.push((format!("{name}.weight"), weight));
        shapes.push((format!("{name}.bias"), bias));
    };
    let mut channels = network.input[0];
    for (index, block) in network.blocks.iter().enumerate() {
        push(&format!("conv{index}"), vec![block.filters, channels, block.kernel, block.kernel]);
        channels = block.filters;
    }
    for pair in network.head_layers()?.windows(2) {
        push(&pair[1].name, vec![pair[1].shape[0], pair[0].shape[0]]);
    }
    Ok(shapes)
}

/// Name and shape of every tensor that the card's rejection score needs.
pub fn statistics_shapes(card: &ModelCard) -> Vec<(String, Vec<usize>)> {
    let length = card.embedding_length;
    let shapes = match card.rejection.map(|rejection| rejection.score) {
        None | Some(RejectionScore::MaxProbability | RejectionScore::MaxLogit | RejectionScore::Energy) => {
            vec![]
        }
        Some(RejectionScore::Mahalanobis) => {
            vec![(MEANS, vec![card.network.classes, length]), (WHITENING, vec![length, length])]
        }
        Some(RejectionScore::Probe) => vec![(WEIGHT, vec![length + 2 * TEXTURE_LENGTH]), (BIAS, vec![1])],
    };
    shapes.into_iter().map(|(name, shape)| (name.to_owned(), shape)).collect()
}

impl Weights {
    /// Reads a file, card first.
    ///
    /// # Errors
    /// [`WeightsError`] with the first thing that is wrong.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WeightsError> {
        let (_, metadata) =
            SafeTensors::read_metadata(bytes).map_err(|error| WeightsError::File(error.to_string()))?;
        let json = metadata.metadata().as_ref().and_then(|entries| entries.get(CARD_KEY));
        let card = ModelCard::from_json(json.ok_or(WeightsError::NoCard)?)?;
        let tensors = read_tensors(bytes)?;
        Self::new(card, tensors)
    }

    /// Reads a file that Keras's layers were saved in, for a card that it
    /// lacks: `convN.kernel` `[height, width, in, out]`, `dense.kernel` or
    /// `denseN.kernel` and `logits.kernel` `[in, out]`, the first dense layer's
    /// inputs flattened as (row, column, channel).
    ///
    /// # Errors
    /// [`WeightsError`] with the first thing that is wrong.
    pub fn from_keras(bytes: &[u8], card: ModelCard) -> Result<Self, WeightsError> {
        let layers = card.network.layers().map_err(CardError::from)?;
        let last_block = layers[..2 * card.network.blocks.len()].last();
        let last_map = last_block.map_or_else(|| card.network.input.to_vec(), |layer| layer.shape.clone());
        let mut tensors = BTreeMap::new();
        for (name, Values { shape, values }) in read_tensors(bytes)? {
            let (layer, kind) = name.rsplit_once('.').unwrap_or((&name, ""));
            let layer = if layer == "dense" { "dense0" } else { layer };
            let tensor = match (kind, shape.as_slice()) {
                ("kernel", &[height, width, inputs, outputs]) => Values {
                    shape: vec![outputs, inputs, height, width],
                    // (position, in, out) to (out, in, position): swap the outer with the inner.
                    values: (0..outputs)
                        .flat_map(|out| (0..inputs).map(move |input| (out, input)))
                        .flat_map(|(out, input)| {
                            (0..height * width).map(move |at| (at * inputs + input) * outputs + out)
                        })
                        .map(|at| values[at])
                        .collect(),
                },
                ("kernel", &[inputs, outputs]) => {
                    let mut values = transpose(&values, inputs, outputs);
                    if layer == "dense0"
                        && card.network.pooling == Pooling::Flatten
                        && let &[channels, height, width] = last_map.as_slice()
                        && channels * height * width == inputs
                    {
                        let channel_first = |row: &[f32]| transpose(row, height * width, channels);
                        values = values.chunks_exact(inputs).flat_map(channel_first).collect();
                    }
                    Values { shape: vec![outputs, inputs], values }
                }
                _ => Values { shape, values },
            };
            let kind = if kind == "kernel" { "weight" } else { kind };
            tensors.insert(format!("{layer}.{kind}"), tensor);
        }
        Self::new(card, tensors)
    }

    /// Takes every tensor of the network from `values`, which is asked by name
    /// and shape.
    ///
    /// # Errors
    /// [`WeightsError`] with the first thing that is wrong.
    pub(crate) fn from_values(
        card: ModelCard,
        mut values: impl FnMut(&str, &[usize]) -> Result<Vec<f32>, WeightsError>,
    ) -> Result<Self, WeightsError> {
        let tensor = |(name, shape): (String, Vec<usize>)| {
            let values = values(&name, &shape)?;
            Ok::<_, WeightsError>((name, Values { shape, values }))
        };
        let tensors = tensor_shapes(&card.network)?.into_iter().map(tensor).collect::<Result<_, _>>()?;
        Self::new(card, tensors)
    }

    /// The tensors of a file whose names begin with `prefix`.
    #[cfg(feature = "training")]
    pub(crate) fn from_part(
        file: &SafeTensors<'_>,
        prefix: &str,
        card: ModelCard,
    ) -> Result<Self, WeightsError> {
        Self::new(card, tensors_of(file, prefix)?)
    }

    /// The tensors as safetensors writes them, in f32.
    #[cfg(feature = "training")]
    pub(crate) fn views(&self) -> impl Iterator<Item = (&str, Bytes<'static>)> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor.bytes(Precision::F32)))
    }

    fn new(card: ModelCard, tensors: BTreeMap<String, Values>) -> Result<Self, WeightsError> {
        card.validate()?;
        let weights = Self { card, tensors };
        let mut expected = tensor_shapes(&weights.card.network)?;
        expected.extend(statistics_shapes(&weights.card));
        for (name, shape) in &expected {
            if weights.tensor(name, shape)?.iter().any(|value| !value.is_finite()) {
                return Err(WeightsError::NotFinite(name.clone()));
            }
        }
        let known = |name: &str| expected.iter().any(|(expected, _)| expected == name);
        match weights.tensors.keys().find(|name| !known(name)) {
            Some(name) => Err(WeightsError::Unexpected(name.clone())),
            None => Ok(weights),
        }
    }

    /// The card.
    pub fn card(&self) -> &ModelCard {
        &self.card
    }

    /// The same tensors with another card.
    ///
    /// # Errors
    /// [`WeightsError`] where they do not fit it.
    #[cfg(feature = "training")]
    pub fn with_card(self, card: ModelCard) -> Result<Self, WeightsError> {
        Self::new(card, self.tensors)
    }

    /// The same network with another card, and the statistics that its rejection
    /// score needs in place of those there were.
    ///
    /// # Errors
    /// [`WeightsError`] where they do not fit the card.
    #[cfg(feature = "training")]
    pub fn with_statistics(
        mut self,
        card: ModelCard,
        statistics: impl IntoIterator<Item = (String, Vec<usize>, Vec<f32>)>,
    ) -> Result<Self, WeightsError> {
        let former = statistics_shapes(&self.card);
        self.tensors.retain(|name, _| former.iter().all(|(former, _)| former != name));
        let tensors = statistics.into_iter().map(|(name, shape, values)| (name, Values { shape, values }));
        self.tensors.extend(tensors);
        Self::new(card, self.tensors)
    }

    /// A tensor's values, row-major, if it has that shape.
    ///
    /// # Errors
    /// [`WeightsError::Missing`] or [`WeightsError::Shape`].
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<&[f32], WeightsError> {
        let tensor = self.tensors.get(name).ok_or_else(|| WeightsError::Missing(name.into()))?;
        if tensor.shape != shape {
            return Err(WeightsError::Shape {
                name: name.into(),
                found: tensor.shape.clone(),
                expected: shape.to_vec(),
            });
        }
        Ok(&tensor.values)
    }

    /// The file's bytes.
    ///
    /// # Errors
    /// [`WeightsError::TooGreat`] where a weight is that for `precision`;
    /// [`WeightsError::Card`] and [`WeightsError::File`], as their libraries say.
    pub fn to_bytes(&self, precision: Precision) -> Result<Vec<u8>, WeightsError> {
        let overflows = |value: &f32| precision == Precision::F16 && f16::from_f32(*value).is_infinite();
        if let Some((name, _)) = self.tensors.iter().find(|(_, tensor)| tensor.values.iter().any(overflows)) {
            return Err(WeightsError::TooGreat(name.clone()));
        }
        let metadata = HashMap::from([(CARD_KEY.to_owned(), self.card.to_json()?)]);
        let views = self.tensors.iter().map(|(name, tensor)| (name, tensor.bytes(precision)));
        safetensors::serialize(views, Some(metadata)).map_err(|error| WeightsError::File(error.to_string()))
    }
}

impl Values {
    fn bytes(&self, precision: Precision) -> Bytes<'static> {
        let values = self.values.iter();
        let (dtype, bytes) = match precision {
            Precision::F32 => (Dtype::F32, values.flat_map(|value| value.to_le_bytes()).collect()),
            Precision::F16 => {
                (Dtype::F16, values.flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect())
            }
        };
        Bytes { dtype, shape: self.shape.clone(), bytes: Cow::Owned(bytes) }
    }
}

fn read_tensors(bytes: &[u8]) -> Result<BTreeMap<String, Values>, WeightsError> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| WeightsError::File(error.to_string()))?;
    tensors_of(&file, "")
}

/// The tensors whose names begin with `prefix`, under the rest of their names.
fn tensors_of(file: &SafeTensors<'_>, prefix: &str) -> Result<BTreeMap<String, Values>, WeightsError> {
    let mut tensors = BTreeMap::new();
    for (name, view) in file.iter() {
        let Some(name) = name.strip_prefix(prefix) else { continue };
        let values = match view.dtype() {
            Dtype::F32 => view.data().as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect(),
            Dtype::F16 => {
                view.data().as_chunks().0.iter().map(|&bytes| f16::from_le_bytes(bytes).to_f32()).collect()
            }
            other => return Err(WeightsError::Type { name: name.into(), found: format!("{other:?}") }),
        };
        tensors.insert(name.to_owned(), Values { shape: view.shape().to_vec(), values });
    }
    Ok(tensors)
}

/// A tensor as safetensors wants to write it.
pub(crate) struct Bytes<'a> {
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: Cow<'a, [u8]>,
}

impl View for Bytes<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}
