//! Mel power to the columns of a spectrogram that a page draws.
//!
//! In: mel power of one clip. Out: one byte per band and frame, in decibels
//! below a full-scale sine. The network sees nothing of this: it is coarser,
//! and comparable from clip to clip, where the network's picture is scaled to
//! each clip's own range.

use super::{config::SpectrogramConfig, decibel::decibels, mel::MelBank};
use crate::engine::protocol::{COLUMN_BANDS, COLUMN_FLOOR_DB};

/// How mel bands become display bands.
pub(super) struct Columns {
    /// For each mel band, the share of a full-scale sine that one unit of its
    /// power is.
    scale: Vec<f32>,
}

impl Columns {
    pub(super) fn new(config: &SpectrogramConfig, bank: &MelBank) -> Self {
        // A sine of amplitude 1 at N samples has, over all bins of a Hann
        // window, the power 3 N² / 32; half of a triangle's width undoes the
        // norm, after which neighbouring triangles sum to 1.
        let full_scale = 3.0 * (config.n_fft as f64).powi(2) / 32.0;
        Self { scale: bank.widths_hz().map(|width| (width / 2.0 / full_scale) as f32).collect() }
    }

    /// Writes `[frames, COLUMN_BANDS]` from `mel`, `[n_mels, frames]`: sums of
    /// neighbouring mel bands where there are more, repeated where fewer.
    pub(super) fn draw(&self, mel: &[f32], frames: usize, columns: &mut Vec<u8>) {
        columns.clear();
        columns.resize(frames * COLUMN_BANDS, 0);
        for band in 0..COLUMN_BANDS {
            let first = band * self.scale.len() / COLUMN_BANDS;
            let end = ((band + 1) * self.scale.len() / COLUMN_BANDS).max(first + 1);
            for (frame, column) in columns.chunks_exact_mut(COLUMN_BANDS).enumerate() {
                let power: f32 =
                    (first..end).map(|mel_band| self.scale[mel_band] * mel[mel_band * frames + frame]).sum();
                column[band] = level(power);
            }
        }
    }
}

/// The byte of a power relative to full scale; a float's cast keeps it in range.
fn level(power: f32) -> u8 {
    (255.0 * (1.0 - decibels(power) / COLUMN_FLOOR_DB)).round() as u8
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;
    use crate::spectrogram::MelSpectrogram;

    fn columns_of(config: &SpectrogramConfig, samples: &[f32]) -> Vec<u8> {
        let mut spectrogram = MelSpectrogram::new(config).unwrap();
        spectrogram.power(samples);
        let mut columns = vec![7; 3];
        spectrogram.columns(&mut columns);
        assert_eq!(columns.len(), spectrogram.frames() * COLUMN_BANDS);
        columns
    }

    fn decibels_of(level: u8) -> f32 {
        COLUMN_FLOOR_DB * (1.0 - f32::from(level) / 255.0)
    }

    fn sine(hz: f64, amplitude: f64) -> Vec<f32> {
        (0..66_150).map(|n| (amplitude * (TAU * hz * f64::from(n) / 22_050.0).sin()) as f32).collect()
    }

    #[test]
    fn a_sine_is_as_loud_as_it_is_at_any_pitch_and_setting() {
        let paper = SpectrogramConfig::default();
        let settings = [
            paper.clone(),
            SpectrogramConfig { n_mels: 64, n_fft: 1000, ..paper.clone() },
            SpectrogramConfig { n_mels: 40, center: false, hop_length: 1920, ..paper.clone() },
            SpectrogramConfig { n_mels: 200, n_fft: 4096, ..paper },
        ];
        for config in settings {
            for hz in [300.0, 440.0, 1234.5, 5000.0, 9000.0] {
                for (amplitude, expected) in [(1.0, 0.0), (0.01, -40.0)] {
                    let columns = columns_of(&config, &sine(hz, amplitude));
                    let middle = columns.chunks_exact(COLUMN_BANDS).nth(config.clip_frames() / 2).unwrap();
                    let loudest = decibels_of(*middle.iter().max().unwrap());
                    // Between two bands each has half of the sine.
                    assert!((expected - 4.0..expected + 0.5).contains(&loudest), "{hz} Hz: {loudest} dB");
                }
            }
        }
    }

    #[test]
    fn silence_is_the_floor_and_overload_the_ceiling() {
        let config = SpectrogramConfig::default();
        assert!(columns_of(&config, &[0.0; 66_150]).iter().all(|&level| level == 0));
        assert!(columns_of(&config, &sine(440.0, 1e6)).contains(&255));
        assert!(columns_of(&config, &[]).iter().all(|&level| level == 0));
    }

    #[test]
    fn a_tone_moves_up_the_bands_with_its_pitch() {
        for n_mels in [1, 40, 64, 100, 128] {
            let config = SpectrogramConfig { n_mels, ..SpectrogramConfig::default() };
            let band = |hz| {
                let columns = columns_of(&config, &sine(hz, 0.5));
                let middle = &columns[60 * COLUMN_BANDS..61 * COLUMN_BANDS];
                (0..COLUMN_BANDS).max_by_key(|&band| middle[band]).unwrap()
            };
            let [low, middle, high] = [200.0, 1500.0, 8000.0].map(band);
            assert!(n_mels == 1 || low < middle && middle < high, "{n_mels}: {low} {middle} {high}");
        }
    }
}
