//! A clip's mel spectrogram: transform and filter bank joined.
//!
//! In: samples. Out: mel power `[n_mels, frames]`, or display columns of it.
//! Reference: `librosa.feature.melspectrogram` with `power=2.0`.

use super::{
    columns::Columns,
    config::{ConfigError, SpectrogramConfig},
    mel::MelBank,
    stft::{Frame, LANES, Stft},
};

/// Makes mel spectrograms of clips, in buffers that are allocated by the first
/// clip and serve all others of its length.
///
/// ```
/// use needledrop::spectrogram::{MelSpectrogram, config::SpectrogramConfig};
///
/// let mut spectrogram = MelSpectrogram::new(&SpectrogramConfig::default())?;
/// let clip = vec![0.5; 66_150];
/// assert_eq!(spectrogram.power(&clip).len(), 128 * 130);
/// # Ok::<(), needledrop::spectrogram::config::ConfigError>(())
/// ```
pub struct MelSpectrogram {
    stft: Stft,
    bank: MelBank,
    columns: Columns,
    frames: usize,
    mel: Vec<f32>,
}

impl MelSpectrogram {
    /// Plans the transform and computes window and filters.
    ///
    /// # Errors
    /// What [`SpectrogramConfig::validate`] finds.
    pub fn new(config: &SpectrogramConfig) -> Result<Self, ConfigError> {
        config.validate()?;
        let bank = MelBank::new(config);
        let columns = Columns::new(config, &bank);
        Ok(Self { stft: Stft::new(config), bank, columns, frames: 0, mel: Vec::new() })
    }

    /// Number of mel bands.
    pub fn n_mels(&self) -> usize {
        self.bank.n_mels()
    }

    /// Frames of the last clip.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// Mel power of a clip of any length, `[n_mels, frames]` row by row, lowest
    /// band first.
    ///
    /// Power has librosa's scale (squared magnitudes of an unscaled transform,
    /// times filters of unit area in Hz) and is always finite: samples that are
    /// no number or infinite count as 0, samples beyond ±10¹² as ±10¹².
    /// There are [`SpectrogramConfig::frames`] frames, none where an uncentred
    /// clip is shorter than one; an empty clip counts as one sample of silence.
    /// Memory grows with the longest clip given.
    pub fn power<'a>(&'a mut self, samples: &[f32]) -> &'a [f32] {
        self.frames = self.stft.load(samples);
        self.mel.resize(self.bank.n_mels() * self.frames, 0.0);
        for first in (0..self.frames).step_by(LANES) {
            self.bank.apply(self.stft.power(first), &mut self.mel, self.frames, first);
        }
        &self.mel
    }

    /// Mel power of the last clip, as [`Self::power`] gave it.
    pub fn mel(&self) -> &[f32] {
        &self.mel
    }

    /// One frame of the last clip on its way; `None` past its last one.
    pub fn frame(&mut self, frame: usize) -> Option<Frame> {
        self.stft.frame(frame)
    }

    /// The last clip for a page to draw: writes `[frames, COLUMN_BANDS]` to
    /// `columns`, replacing what it held.
    ///
    /// Values are decibels below a full-scale sine, from
    /// [`COLUMN_FLOOR_DB`](crate::engine::protocol::COLUMN_FLOOR_DB) at 0 to
    /// 0 dB at 255; they compare from clip to clip, unlike the picture's.
    pub fn columns(&self, columns: &mut Vec<u8>) {
        self.columns.draw(&self.mel, self.frames, columns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spectrogram::decibel::power_to_db;

    fn spectrogram() -> MelSpectrogram {
        MelSpectrogram::new(&SpectrogramConfig::default()).unwrap()
    }

    #[test]
    fn samples_that_are_no_sound_still_give_finite_power() {
        let hostile = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, 1e-45, -0.0];
        let clip: Vec<f32> = (0..66_150).map(|i| hostile[i % hostile.len()]).collect();
        let mut spectrogram = spectrogram();
        let mut power = spectrogram.power(&clip).to_vec();
        assert!(power.iter().all(|cell| cell.is_finite() && *cell >= 0.0));
        assert!(power.iter().any(|&cell| cell > 0.0));
        power_to_db(&mut power, 80.0);
        assert!(power.iter().all(|cell| (-80.0..=0.0).contains(cell)));
    }

    #[test]
    fn a_sample_that_is_no_number_counts_as_zero() {
        let mut clip: Vec<f32> = (0..66_150).map(|i| (i as f32 * 0.05).sin()).collect();
        clip[30_000] = 0.0;
        let mut spectrogram = spectrogram();
        let expected = spectrogram.power(&clip).to_vec();
        clip[30_000] = f32::NAN;
        assert_eq!(spectrogram.power(&clip), expected);
    }

    #[test]
    fn clips_of_every_small_length_have_as_many_frames_as_the_settings_say() {
        for center in [true, false] {
            let config = SpectrogramConfig { center, ..SpectrogramConfig::default() };
            let mut spectrogram = MelSpectrogram::new(&config).unwrap();
            for samples in [0, 1, 2, 511, 512, 1024, 2047, 2048, 2049, 5000] {
                let cells = spectrogram.power(&vec![1.0; samples]).len();
                assert_eq!(cells, 128 * config.frames(samples), "{samples} samples, center {center}");
            }
        }
    }

    #[test]
    fn a_clip_leaves_no_trace_in_the_next() {
        let loud = vec![1.0; 66_150];
        let tone: Vec<f32> = (0..40_000).map(|i| (i as f32 * 0.1).sin()).collect();
        let expected = spectrogram().power(&tone).to_vec();
        let mut spectrogram = spectrogram();
        spectrogram.power(&loud);
        assert_eq!(spectrogram.power(&tone), expected);
    }
}
