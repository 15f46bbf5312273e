//! A clip's stages as the view holds them.
//!
//! In: the engine's answer. Out: values by stage, and where on the axes of
//! pitch and time they lie.

use std::sync::Arc;

use js_sys::{Float32Array, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};

use crate::engine::protocol::{Stage, StageKind};
use crate::network::card::ModelCard;
use crate::page::words::grouped;

/// One clip's stages.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    /// The model that answered.
    pub(super) card: Arc<ModelCard>,
    /// The frame whose transform is shown.
    pub(super) frame: usize,
    /// Milliseconds that it took.
    pub(super) milliseconds: f64,
    stages: Vec<(Stage, Data)>,
}

#[derive(Clone, Debug)]
enum Data {
    Bytes(Vec<u8>),
    Floats(Vec<f32>),
}

/// The maps of a layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Maps<'a> {
    /// What they are.
    pub(super) stage: &'a Stage,
    /// Filters.
    pub(super) filters: usize,
    /// Rows, the lowest band first.
    pub(super) height: usize,
    /// Columns.
    pub(super) width: usize,
    bytes: &'a [u8],
}

impl Shown {
    /// What a worker answered; attachments of other kinds count as empty.
    pub(super) fn new(
        card: Arc<ModelCard>,
        frame: usize,
        milliseconds: f64,
        stages: Vec<Stage>,
        values: Vec<JsValue>,
    ) -> Self {
        let stages = stages.into_iter().zip(values.into_iter().map(data)).collect();
        Self { card, frame, milliseconds, stages }
    }

    fn find(&self, kind: StageKind) -> Option<&(Stage, Data)> {
        self.stages.iter().find(|(stage, _)| stage.kind == kind)
    }

    /// Whether there was anything for the network to see.
    pub(super) fn is_sounding(&self) -> bool {
        self.find(StageKind::Probabilities).is_some()
    }

    /// The shape of a stage, `a × b`; nothing for one that is not there.
    pub(super) fn shape(&self, kind: StageKind) -> String {
        self.find(kind).map(|(stage, _)| times(&stage.shape)).unwrap_or_default()
    }

    /// The values of a stage that come as they are.
    pub(super) fn floats(&self, kind: StageKind) -> &[f32] {
        match self.find(kind) {
            Some((_, Data::Floats(values))) => values,
            _ => &[],
        }
    }

    /// The last hidden layer, or where there is none the features.
    pub(super) fn last_hidden(&self) -> &[f32] {
        let hidden = self.card.network.dense.len();
        match hidden.checked_sub(1) {
            Some(last) => self.floats(StageKind::Dense(last)),
            None => self.floats(StageKind::Features),
        }
    }

    /// The network's input as viridis indices, and its `[height, width]`.
    pub(super) fn picture(&self) -> (Vec<u8>, [usize; 2]) {
        let found = self.find(StageKind::Picture).or_else(|| self.find(StageKind::LogMel));
        let Some((stage, data)) = found else { return (Vec::new(), [0, 0]) };
        let size = [stage.shape.first().copied().unwrap_or(0), stage.shape.get(1).copied().unwrap_or(0)];
        let indices = match data {
            Data::Bytes(indices) => indices.clone(),
            Data::Floats(values) => shades(values),
        };
        (indices, size)
    }

    /// `[n_mels, frames]`.
    pub(super) fn cells(&self) -> [usize; 2] {
        let frames = self.card.spectrogram.clip_frames();
        [self.card.spectrogram.n_mels, frames]
    }

    /// The maps of a layer.
    pub(super) fn maps(&self, layer: usize) -> Option<Maps<'_>> {
        let (stage, Data::Bytes(bytes)) = self.find(StageKind::Block(layer))? else { return None };
        let &[filters, height, width] = stage.shape.as_slice() else { return None };
        (bytes.len() == filters * height * width).then_some(Maps { stage, filters, height, width, bytes })
    }

    /// The pitch at a share of the way up, in Hz.
    pub(super) fn hertz(&self, share: f64) -> f64 {
        let corners = self.floats(StageKind::Bands);
        let bands = corners.len().saturating_sub(2);
        let band = (share.clamp(0.0, 1.0) * bands.saturating_sub(1) as f64).round() as usize;
        corners.get(band + 1).map_or(0.0, |hz| f64::from(*hz))
    }

    /// The time at a share of the way along, in seconds.
    pub(super) fn seconds(&self, share: f64) -> f64 {
        share.clamp(0.0, 1.0) * f64::from(self.card.spectrogram.clip_seconds)
    }
}

impl<'a> Maps<'a> {
    /// One filter's map, `[height, width]` bytes; empty for one that is not
    /// there.
    pub(super) fn map(&self, filter: usize) -> &'a [u8] {
        let cells = self.height * self.width;
        self.bytes.get(filter * cells..(filter + 1) * cells).unwrap_or_default()
    }

    /// The filter that fires most, on average over its map.
    pub(super) fn loudest(&self) -> usize {
        let sum = |filter: &usize| self.map(*filter).iter().map(|byte| u64::from(*byte)).sum::<u64>();
        (0..self.filters).max_by_key(|filter| (sum(filter), self.filters - filter)).unwrap_or(0)
    }

    /// A filter's largest value, and the shares of the way up and along at
    /// which it lies.
    pub(super) fn peak(&self, filter: usize) -> (f32, [f64; 2]) {
        let map = self.map(filter);
        let place = (0..map.len()).max_by_key(|place| (map[*place], map.len() - place)).unwrap_or(0);
        let share = |at: usize, length: usize| (at as f64 + 0.5) / length.max(1) as f64;
        let width = self.width.max(1);
        let value = map.get(place).map_or(0.0, |byte| self.stage.value(*byte));
        (value, [share(place / width, self.height), share(place % width, self.width)])
    }

    /// Share of a filter's map in which it fires.
    pub(super) fn firing(&self, filter: usize) -> f32 {
        let map = self.map(filter);
        map.iter().filter(|byte| **byte > 0).count() as f32 / map.len().max(1) as f32
    }
}

fn data(values: JsValue) -> Data {
    match values.dyn_into::<Float32Array>() {
        Ok(floats) => Data::Floats(floats.to_vec()),
        Err(other) => {
            Data::Bytes(other.dyn_into::<Uint8Array>().map_or_else(|_| Vec::new(), |bytes| bytes.to_vec()))
        }
    }
}

/// Viridis indices that run from the least value to the most.
pub(super) fn shades(values: &[f32]) -> Vec<u8> {
    let (least, most) = values.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(least, most), value| {
        (least.min(*value), most.max(*value))
    });
    let step = if most > least { 255.0 / (most - least) } else { 0.0 };
    // A float's cast keeps the index in range.
    values.iter().map(|value| ((value - least) * step) as u8).collect()
}

/// A shape as it is read: `128 × 64 × 64`.
pub(super) fn times(shape: &[usize]) -> String {
    shape.iter().map(|length| grouped(*length)).collect::<Vec<_>>().join(" × ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shades_run_from_least_to_most() {
        assert_eq!(shades(&[-80.0, -40.0, 0.0]), [0, 127, 255]);
        assert_eq!(shades(&[3.0, 3.0]), [0, 0]);
        assert!(shades(&[]).is_empty());
    }

    #[test]
    fn the_loudest_filter_and_its_peak_are_found() {
        let stage = Stage { kind: StageKind::Block(0), shape: vec![3, 2, 2], range: Some([0.0, 2.0]) };
        let bytes = [0, 0, 0, 255, 9, 90, 90, 90, 0, 0, 0, 0];
        let maps = Maps { stage: &stage, filters: 3, height: 2, width: 2, bytes: &bytes };
        assert_eq!(maps.loudest(), 1);
        assert_eq!(maps.peak(0), (2.0, [0.75, 0.75]));
        assert_eq!([maps.firing(0), maps.firing(1), maps.firing(2), maps.firing(3)], [0.25, 1.0, 0.0, 0.0]);
        assert!(maps.map(3).is_empty());
    }
}
