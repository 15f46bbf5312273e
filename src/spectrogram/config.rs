//! What a spectrogram is made with.
//!
//! In: nothing. Out: [`SpectrogramConfig`], which the model card carries and
//! every stage of the front end reads. The names and defaults are librosa's
//! (`librosa.feature.melspectrogram`, `librosa.power_to_db`).

use serde::{Deserialize, Serialize};

/// Least rate that is heard, in Hz: of sound, and of what a model wants it as.
pub const LEAST_RATE: u32 = 8_000;

/// Greatest rate that is heard, in Hz.
pub const GREATEST_RATE: u32 = 192_000;

/// How a frame that reaches past the end of a clip is filled when frames are
/// centred (librosa's and NumPy's `pad_mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PadMode {
    /// The signal mirrored at its first and last sample: librosa before 0.9,
    /// and so the paper's 0.8.1.
    #[default]
    Reflect,
    /// Zeros: librosa since 0.9.
    Constant,
}

/// Every number of the front end, from samples to decibels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpectrogramConfig {
    /// Samples a second, in Hz.
    pub sample_rate: u32,
    /// Length of a frame and of its transform, in samples; the window is a
    /// periodic Hann of the same length.
    pub n_fft: usize,
    /// Distance between the starts of two frames, in samples.
    pub hop_length: usize,
    /// Whether frame `t` is centred at sample `t * hop_length` (the clip is
    /// then padded by `n_fft / 2` on both sides) or starts there.
    pub center: bool,
    /// The padding when `center` is true.
    #[serde(default)]
    pub pad_mode: PadMode,
    /// Number of mel bands (Slaney's scale, area norm).
    pub n_mels: usize,
    /// Lower edge of the lowest band, in Hz.
    pub fmin: f32,
    /// Upper edge of the highest band, in Hz.
    pub fmax: f32,
    /// Decibels below the clip's maximum at which the spectrogram is cut off.
    pub top_db: f32,
    /// Length of a clip, in seconds.
    pub clip_seconds: f32,
}

impl Default for SpectrogramConfig {
    /// librosa 0.8.1's defaults on 3-s clips, as in the paper.
    fn default() -> Self {
        Self {
            sample_rate: 22_050,
            n_fft: 2048,
            hop_length: 512,
            center: true,
            pad_mode: PadMode::Reflect,
            n_mels: 128,
            fmin: 0.0,
            fmax: 11_025.0,
            top_db: 80.0,
            clip_seconds: 3.0,
        }
    }
}

/// Why a [`SpectrogramConfig`] cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("spectrogram setting `{setting}` is {value}: {reason}")]
pub struct ConfigError {
    /// The field.
    pub setting: &'static str,
    /// What it was set to.
    pub value: String,
    /// What it has to be.
    pub reason: &'static str,
}

impl SpectrogramConfig {
    /// Samples in a clip.
    pub fn clip_samples(&self) -> usize {
        (f64::from(self.clip_seconds) * f64::from(self.sample_rate)).round() as usize
    }

    /// Frames that `samples` samples give; 0 where they are shorter than one
    /// uncentred frame. An empty clip counts as one sample of silence.
    pub fn frames(&self, samples: usize) -> usize {
        let margins = if self.center { self.n_fft / 2 * 2 } else { 0 };
        let samples = samples.max(1).saturating_add(margins);
        samples.checked_sub(self.n_fft).map_or(0, |room| 1 + room / self.hop_length.max(1))
    }

    /// Frames of one clip.
    pub fn clip_frames(&self) -> usize {
        self.frames(self.clip_samples())
    }

    /// Refuses settings that no spectrogram can be made with, or that a hostile
    /// card could use to exhaust memory.
    ///
    /// # Errors
    /// The first setting found out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let error = |setting, value: &dyn std::fmt::Display, reason| {
            Err(ConfigError { setting, value: value.to_string(), reason })
        };
        if !(LEAST_RATE..=GREATEST_RATE).contains(&self.sample_rate) {
            return error("sample_rate", &self.sample_rate, "must be from 8000 to 192000 Hz");
        }
        if !(16..=65_536).contains(&self.n_fft) {
            return error("n_fft", &self.n_fft, "must be from 16 to 65536");
        }
        if !(1..=65_536).contains(&self.hop_length) {
            return error("hop_length", &self.hop_length, "must be from 1 to 65536");
        }
        if !(1..=1024).contains(&self.n_mels) {
            return error("n_mels", &self.n_mels, "must be from 1 to 1024");
        }
        if !(self.fmin >= 0.0 && self.fmin + 1.0 <= self.fmax) {
            return error("fmin", &self.fmin, "must be at least 0 and 1 Hz below fmax");
        }
        if self.fmax > self.sample_rate as f32 / 2.0 {
            return error("fmax", &self.fmax, "must be at most half the sample rate");
        }
        if !(self.top_db > 0.0 && self.top_db <= 400.0) {
            return error("top_db", &self.top_db, "must be above 0 and at most 400");
        }
        if !(self.clip_seconds >= 0.1 && self.clip_seconds <= 60.0) {
            return error("clip_seconds", &self.clip_seconds, "must be from 0.1 to 60");
        }
        if self.clip_frames() < 2 {
            return error("clip_seconds", &self.clip_seconds, "must hold at least two frames");
        }
        if self.center && self.pad_mode == PadMode::Reflect && self.clip_samples() <= self.n_fft / 2 {
            return error("n_fft", &self.n_fft, "must be at most twice a clip for reflect padding");
        }
        if self.clip_frames().saturating_mul(self.n_mels) > 4_000_000 {
            return error("hop_length", &self.hop_length, "makes more than four million cells a clip");
        }
        if self.clip_frames().saturating_mul(self.n_fft) > 64_000_000 {
            return error(
                "hop_length",
                &self.hop_length,
                "makes more than 64 million windowed samples a clip",
            );
        }
        Ok(())
    }
}
