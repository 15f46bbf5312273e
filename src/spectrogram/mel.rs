//! The mel filter bank: which frequencies make up each mel band.
//!
//! In: power spectra. Out: mel power. Reference: `librosa.filters.mel` with
//! Slaney's scale (`htk=False`) and his norm, which gives each triangle unit
//! area in Hz.

use std::ops::Range;

use super::{config::SpectrogramConfig, stft::LANES};

/// Where Slaney's scale turns from linear to logarithmic, in Hz.
const LOGARITHMIC_FROM_HZ: f64 = 1000.0;
/// Width of a mel below that, in Hz.
const LINEAR_STEP_HZ: f64 = 200.0 / 3.0;
/// Mels at [`LOGARITHMIC_FROM_HZ`].
const LOGARITHMIC_FROM_MEL: f64 = LOGARITHMIC_FROM_HZ / LINEAR_STEP_HZ;

/// How far the power of white noise under a periodic Hann window is correlated in bins
/// 0, 1 and 2 apart: the square of the autocorrelation of the window's own spectrum, which
/// is −1/2, 1, −1/2.
const HANN_POWER_CORRELATION: [f64; 3] = [1.0, 4.0 / 9.0, 1.0 / 36.0];

/// The logarithm of the ratio of two frequencies a mel apart above that:
/// 27 mels make a ratio of 6.4.
fn logarithmic_step() -> f64 {
    6.4_f64.ln() / 27.0
}

/// Slaney's mel of a frequency in Hz (Auditory Toolbox, 1998).
pub fn hz_to_mel(hz: f64) -> f64 {
    if hz < LOGARITHMIC_FROM_HZ {
        hz / LINEAR_STEP_HZ
    } else {
        LOGARITHMIC_FROM_MEL + (hz / LOGARITHMIC_FROM_HZ).ln() / logarithmic_step()
    }
}

/// Frequency in Hz of Slaney's mel: the inverse of [`hz_to_mel`].
pub fn mel_to_hz(mel: f64) -> f64 {
    if mel < LOGARITHMIC_FROM_MEL {
        mel * LINEAR_STEP_HZ
    } else {
        LOGARITHMIC_FROM_HZ * (logarithmic_step() * (mel - LOGARITHMIC_FROM_MEL)).exp()
    }
}

/// One triangle: the bins it is not zero on.
#[derive(Clone, Debug)]
struct Band {
    first_bin: usize,
    weights: Range<usize>,
    width_hz: f64,
}

/// Triangular filters, of which only the weights that are not zero are kept:
/// 2 % of the dense matrix at the paper's settings.
#[derive(Clone, Debug)]
pub struct MelBank {
    bands: Vec<Band>,
    weights: Vec<f32>,
}

impl MelBank {
    /// Computes the filters. `config` has been
    /// [validated](SpectrogramConfig::validate).
    ///
    /// A band narrower than the distance of two bins may lie between them and
    /// is then empty, as it is in librosa.
    pub fn new(config: &SpectrogramConfig) -> Self {
        let bin_hz = f64::from(config.sample_rate) / config.n_fft as f64;
        let corners = corners(config);
        let mut weights = Vec::new();
        let bands = corners
            .windows(3)
            .map(|corners| {
                let [low, peak, high] = [corners[0], corners[1], corners[2]];
                let width_hz = high - low;
                let first_bin = (low / bin_hz).floor() as usize + 1;
                let start = weights.len();
                let triangle = (first_bin..=config.n_fft / 2)
                    .map(|bin| bin as f64 * bin_hz)
                    .take_while(|&hz| hz < high)
                    .map(|hz| ((hz - low) / (peak - low)).min((high - hz) / (high - peak)).max(0.0))
                    // librosa rounds the triangle to f32 before it scales it.
                    .map(|height| (f64::from(height as f32) * 2.0 / width_hz) as f32);
                weights.extend(triangle);
                Band { first_bin, weights: start..weights.len(), width_hz }
            })
            .collect();
        Self { bands, weights }
    }

    /// Number of bands.
    pub fn n_mels(&self) -> usize {
        self.bands.len()
    }

    /// A band's lowest bin with weight, and its weights from there on.
    pub fn band(&self, band: usize) -> Option<(usize, &[f32])> {
        let Band { first_bin, weights, .. } = self.bands.get(band)?;
        Some((*first_bin, &self.weights[weights.clone()]))
    }

    /// The distance between each band's lower and upper corner, in Hz.
    pub fn widths_hz(&self) -> impl Iterator<Item = f64> {
        self.bands.iter().map(|band| band.width_hz)
    }

    /// Of how many independent exponentials of equal weight the power of white noise in
    /// each band is the mean, as far as its spread says (F. E. Satterthwaite, 1946): one,
    /// where a band is a single bin, and the more the wider it is, since a wide band of
    /// noise is steadier than a narrow one. Under a Hann window bins next to each other
    /// have correlated power.
    pub fn noise_degrees(&self) -> impl Iterator<Item = f64> {
        self.bands.iter().map(|band| {
            let weights = &self.weights[band.weights.clone()];
            let at_distance = |(distance, correlation): (usize, f64)| {
                let both = weights.iter().zip(&weights[distance.min(weights.len())..]);
                let sum: f64 = both.map(|(one, other)| f64::from(*one) * f64::from(*other)).sum();
                if distance == 0 { sum } else { 2.0 * correlation * sum }
            };
            let spread: f64 = HANN_POWER_CORRELATION.into_iter().enumerate().map(at_distance).sum();
            let total: f64 = weights.iter().map(|&weight| f64::from(weight)).sum();
            if spread > 0.0 { total * total / spread } else { 1.0 }
        })
    }

    /// Weighs [`LANES`] power spectra `[bins, LANES]` and writes the columns
    /// from `first` on of `mel`, `[n_mels, frames]`; lanes past its last column
    /// are dropped.
    pub fn apply(&self, power: &[[f32; LANES]], mel: &mut [f32], frames: usize, first: usize) {
        if first >= frames {
            return;
        }
        let columns = first..frames.min(first + LANES);
        for (band, row) in self.bands.iter().zip(mel.chunks_exact_mut(frames)) {
            let mut sums = [0.0; LANES];
            let weights = &self.weights[band.weights.clone()];
            for (weight, lanes) in weights.iter().zip(&power[band.first_bin.min(power.len())..]) {
                for (sum, lane) in sums.iter_mut().zip(lanes) {
                    *sum += weight * lane;
                }
            }
            row[columns.clone()].copy_from_slice(&sums[..columns.len()]);
        }
    }
}

/// Corners of the triangles in Hz: `n_mels + 2` steps of equal width in mel,
/// from `fmin` to `fmax`.
pub fn corners(config: &SpectrogramConfig) -> Vec<f64> {
    let [lowest, highest] = [config.fmin, config.fmax].map(|hz| hz_to_mel(f64::from(hz)));
    let steps = config.n_mels + 1;
    (0..=steps).map(|step| mel_to_hz(lowest + (highest - lowest) * step as f64 / steps as f64)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The dense matrix `[n_mels, bins]`, in librosa's own words.
    fn dense(config: &SpectrogramConfig) -> Vec<Vec<f32>> {
        let mel_f = corners(config);
        let bin_hz = f64::from(config.sample_rate) / config.n_fft as f64;
        let row = |i: usize| {
            let weight = |bin: usize| {
                let ramp = |corner: usize| mel_f[corner] - bin as f64 * bin_hz;
                let lower = -ramp(i) / (mel_f[i + 1] - mel_f[i]);
                let upper = ramp(i + 2) / (mel_f[i + 2] - mel_f[i + 1]);
                let enorm = 2.0 / (mel_f[i + 2] - mel_f[i]);
                (f64::from(lower.min(upper).max(0.0) as f32) * enorm) as f32
            };
            (0..=config.n_fft / 2).map(weight).collect()
        };
        (0..config.n_mels).map(row).collect()
    }

    fn configs() -> Vec<SpectrogramConfig> {
        let paper = SpectrogramConfig::default();
        vec![
            SpectrogramConfig { n_fft: 1001, n_mels: 40, fmin: 20.0, fmax: 8000.0, ..paper.clone() },
            SpectrogramConfig { n_fft: 256, n_mels: 128, ..paper.clone() },
            SpectrogramConfig { n_fft: 16, n_mels: 1, fmin: 100.0, fmax: 101.0, ..paper.clone() },
            SpectrogramConfig {
                sample_rate: 44_100,
                n_fft: 4096,
                n_mels: 300,
                fmax: 22_050.0,
                ..paper.clone()
            },
            paper,
        ]
    }

    #[test]
    fn mel_and_hz_are_inverse() {
        // Slaney's own values: 1000 Hz is mel 15, 6400 Hz is 27 mels above it.
        for (hz, mel) in [(0.0, 0.0), (200.0, 3.0), (1000.0, 15.0), (6400.0, 42.0)] {
            assert!((hz_to_mel(hz) - mel).abs() < 1e-12);
        }
        for hz in [0.0, 60.0, 999.0, 1000.0, 1001.0, 11_025.0, 192_000.0] {
            assert!((mel_to_hz(hz_to_mel(hz)) - hz).abs() < 1e-9 * hz.max(1.0));
        }
    }

    /// What a band's power spreads by, over frames that do not overlap.
    #[test]
    fn a_band_of_noise_is_as_steady_as_its_degrees_say() {
        let config =
            SpectrogramConfig { hop_length: 2048, n_mels: 64, center: false, ..SpectrogramConfig::default() };
        let mut state = 1_u64;
        let noise: Vec<f32> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .take(2048 * 3000)
        .collect();
        let mut spectrogram = super::super::MelSpectrogram::new(&config).unwrap();
        let mel = spectrogram.power(&noise);
        let mut wider = 0.0;
        for (band, degrees) in MelBank::new(&config).noise_degrees().enumerate() {
            let row = &mel[band * 3000..][..3000];
            let mean = row.iter().map(|&power| f64::from(power)).sum::<f64>() / 3000.0;
            let variance = row.iter().map(|&power| (f64::from(power) - mean).powi(2)).sum::<f64>() / 3000.0;
            let measured = mean * mean / variance;
            assert!((measured / degrees).ln().abs() < 0.2, "band {band}: {measured} for {degrees}");
            assert!(degrees > 0.99 * wider, "band {band}: {degrees} after {wider}");
            wider = degrees;
        }
        assert!(wider > 30.0, "{wider}");
    }

    #[test]
    fn the_sparse_bank_is_the_dense_one() {
        for config in configs() {
            let bank = MelBank::new(&config);
            assert_eq!(bank.n_mels(), config.n_mels);
            for (index, dense) in dense(&config).iter().enumerate() {
                let (first, weights) = bank.band(index).unwrap();
                let mut sparse = vec![0.0; dense.len()];
                for (weight, cell) in weights.iter().zip(&mut sparse[first.min(dense.len())..]) {
                    *cell = *weight;
                }
                for (bin, (sparse, dense)) in sparse.iter().zip(dense).enumerate() {
                    let error = (sparse - dense).abs();
                    assert!(error <= 1e-9, "{config:?} band {index} bin {bin}: {sparse} for {dense}");
                }
            }
        }
    }

    #[test]
    fn weighing_is_the_matrix_product() {
        for config in configs() {
            let (bank, dense) = (MelBank::new(&config), dense(&config));
            let bins = config.n_fft / 2 + 1;
            let cell = |bin: usize, lane: usize| ((bin * 37 + lane * 11) % 101) as f32;
            let power: Vec<[f32; LANES]> =
                (0..bins).map(|bin| std::array::from_fn(|lane| cell(bin, lane))).collect();
            let (frames, first) = (LANES + 3, LANES);
            let mut mel = vec![-1.0; config.n_mels * frames];
            bank.apply(&power, &mut mel, frames, first);
            for (row, weights) in mel.chunks_exact(frames).zip(&dense) {
                assert!(row[..first].iter().all(|&cell| cell == -1.0));
                for (lane, &found) in row[first..].iter().enumerate() {
                    let products = weights.iter().enumerate().map(|(bin, w)| w * cell(bin, lane));
                    let expected: f32 = products.sum();
                    assert!((found - expected).abs() <= 1e-5 * expected.max(1e-3), "{found} for {expected}");
                }
            }
        }
    }
}
