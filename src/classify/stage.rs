//! One clip on its way, stage by stage, as it is shown.
//!
//! In: the values of a stage. Out: a [`Stage`] that says what they are, and
//! [`Values`] small enough to be posted and drawn: a waveform as the extremes of
//! its columns, feature maps as bytes that can be read back.

use serde::{Deserialize, Serialize};

/// Columns that a waveform is drawn in.
pub const WAVEFORM_COLUMNS: usize = 512;

/// A stage of a clip's way from samples to probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageKind {
    /// The clip's samples, `[samples]`. Values: `[WAVEFORM_COLUMNS, 2]`, the
    /// least and the most of each stretch.
    Waveform,
    /// Samples of one frame, `[n_fft]`.
    Frame,
    /// The same under the Hann window, `[n_fft]`.
    Windowed,
    /// Power of its frequencies, `[n_fft / 2 + 1]`.
    Spectrum,
    /// Corners of the mel filters in Hz, `[n_mels + 2]`: band `m` rises from
    /// corner `m`, peaks at `m + 1` and has fallen at `m + 2`.
    Bands,
    /// Mel power, `[n_mels, frames]`, lowest band first.
    Mel,
    /// The same in decibels below its maximum.
    Decibels,
    /// The network's picture as viridis indices, `[height, width]`: row 0 is
    /// the lowest band.
    Picture,
    /// The network's input where it is no picture, `[n_mels, frames]`.
    LogMel,
    /// A block's maps after convolution, ReLU and pool, `[filters, height,
    /// width]`, in the orientation of the input.
    Block(usize),
    /// What the last maps become, `[features]`.
    Features,
    /// A hidden dense layer after its ReLU, `[width]`.
    Dense(usize),
    /// `[classes]`, before the softmax.
    Logits,
    /// `[classes]`, after it.
    Probabilities,
}

/// What the values of a stage are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// Which stage.
    pub kind: StageKind,
    /// Its true shape; only a waveform's values have another.
    pub shape: Vec<usize>,
    /// What the bytes 0 and 255 stand for, where values are bytes and no
    /// indices.
    pub range: Option<[f32; 2]>,
}

/// The values of a stage, row-major.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Viridis indices, or steps of the stage's [range](Stage::range).
    Bytes(Vec<u8>),
    /// The values themselves.
    Floats(Vec<f32>),
}

impl Stage {
    /// A stage whose values are as they are.
    pub fn exact(kind: StageKind, shape: &[usize]) -> Self {
        Self { kind, shape: shape.to_vec(), range: None }
    }

    /// A stage of so many values that each becomes a byte, to 1/510 of their
    /// range.
    pub fn in_bytes(kind: StageKind, shape: &[usize], values: &[f32]) -> (Self, Values) {
        let [least, most] = values.iter().fold([f32::INFINITY, f32::NEG_INFINITY], |[least, most], value| {
            [least.min(*value), most.max(*value)]
        });
        let range = if least <= most { [least, most] } else { [0.0, 0.0] };
        let width = range[1] - range[0];
        let step = if width > 0.0 { 255.0 / width } else { 0.0 };
        // A float's cast keeps the byte in range.
        let bytes = values.iter().map(|value| ((value - range[0]) * step).round() as u8).collect();
        (Self { kind, shape: shape.to_vec(), range: Some(range) }, Values::Bytes(bytes))
    }

    /// The value that a byte stands for.
    pub fn value(&self, byte: u8) -> f32 {
        let Some([least, most]) = self.range else { return f32::from(byte) };
        least + (most - least) * f32::from(byte) / 255.0
    }
}

/// The least and the most of each of `columns` equal stretches of a clip,
/// `[columns, 2]`. What is no number counts as 0.
pub fn extremes(samples: &[f32], columns: usize) -> Vec<f32> {
    (0..columns)
        .flat_map(|column| {
            let from = (column * samples.len() / columns.max(1)).min(samples.len().saturating_sub(1));
            let to = ((column + 1) * samples.len() / columns.max(1)).max(from + 1).min(samples.len());
            let sound = |sample: &f32| if sample.is_finite() { *sample } else { 0.0 };
            let stretch = || samples[from.min(to)..to].iter().map(sound);
            [stretch().reduce(f32::min).unwrap_or(0.0), stretch().reduce(f32::max).unwrap_or(0.0)]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_can_be_read_back() {
        let values: Vec<f32> = (0..1000).map(|n| (n as f32 * 0.37).sin() * 5.0 + 2.0).collect();
        let (stage, bytes) = Stage::in_bytes(StageKind::Block(0), &[10, 10, 10], &values);
        let Values::Bytes(bytes) = bytes else { panic!("no bytes") };
        for (byte, value) in bytes.iter().zip(&values) {
            assert!((stage.value(*byte) - value).abs() <= 10.0 / 510.0 + 1e-5);
        }
        assert!(bytes.contains(&0) && bytes.contains(&255));
    }

    #[test]
    fn a_map_without_a_range_is_its_one_value() {
        for value in [0.0, -3.5, 1e30] {
            let (stage, bytes) = Stage::in_bytes(StageKind::Block(1), &[1, 1, 3], &[value; 3]);
            assert_eq!(bytes, Values::Bytes(vec![0; 3]));
            assert_eq!(stage.value(0), value);
        }
        let (stage, bytes) = Stage::in_bytes(StageKind::Block(1), &[0], &[]);
        assert_eq!((stage.range, bytes), (Some([0.0, 0.0]), Values::Bytes(vec![])));
    }

    #[test]
    fn a_waveform_keeps_its_extremes() {
        let mut samples = vec![0.0; 66_150];
        (samples[100], samples[66_149], samples[5000]) = (-1.0, 0.5, f32::NAN);
        let columns = extremes(&samples, WAVEFORM_COLUMNS);
        assert_eq!(columns.len(), 2 * WAVEFORM_COLUMNS);
        assert_eq!([columns[0], columns[1], columns[2 * WAVEFORM_COLUMNS - 1]], [-1.0, 0.0, 0.5]);
        assert_eq!(columns.iter().filter(|value| **value != 0.0).count(), 2);
        assert_eq!(extremes(&[0.25, -0.5], 4), [0.25, 0.25, 0.25, 0.25, -0.5, -0.5, -0.5, -0.5]);
        assert_eq!(extremes(&[], 2), [0.0; 4]);
        assert_eq!(extremes(&[1.0], 0), [0.0; 0]);
    }
}
