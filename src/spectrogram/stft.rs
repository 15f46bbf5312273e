//! Short-time Fourier transform: how much of each frequency is in each frame.
//!
//! In: samples. Out: power spectra `|X|²`, [`LANES`] frames at a time.
//! Reference: `librosa.stft` with a periodic Hann window as long as the frame.
//!
//! The transform runs in f64, as librosa's does: in f32 its rounding shows by
//! 2·10⁻⁴ in cells 80 dB below the loudest, and is a quarter faster only.

use std::{f64::consts::TAU, sync::Arc};

use realfft::{RealFftPlanner, RealToComplex, num_complex::Complex64};

use super::config::{PadMode, SpectrogramConfig};

/// Frames whose spectra stand side by side: the filter bank then weighs that
/// many with one vector instruction, and writes them as one run of a row.
pub const LANES: usize = 8;

/// Louder samples are cut off here, far beyond any sound and low enough that
/// neither their squares nor the sums of these overflow an f32.
const LOUDEST_SAMPLE: f32 = 1e12;

/// One frame on its way through the transform.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Its samples, padding included, `[n_fft]`.
    pub samples: Vec<f32>,
    /// The same under the window, `[n_fft]`.
    pub windowed: Vec<f32>,
    /// Its power spectrum, `[n_fft / 2 + 1]`.
    pub power: Vec<f32>,
}

/// The transform of one clip at a time, with all buffers it needs.
pub struct Stft {
    n_fft: usize,
    hop_length: usize,
    /// Samples added on either side.
    margin: usize,
    pad_mode: PadMode,
    window: Vec<f64>,
    transform: Arc<dyn RealToComplex<f64>>,
    padded: Vec<f32>,
    frames: usize,
    frame: Vec<f64>,
    spectrum: Vec<Complex64>,
    scratch: Vec<Complex64>,
    power: Vec<[f32; LANES]>,
}

impl Stft {
    /// Plans the transform. `config` has been
    /// [validated](SpectrogramConfig::validate).
    pub fn new(config: &SpectrogramConfig) -> Self {
        let n_fft = config.n_fft;
        let transform = RealFftPlanner::new().plan_fft_forward(n_fft);
        Self {
            n_fft,
            hop_length: config.hop_length,
            margin: if config.center { n_fft / 2 } else { 0 },
            pad_mode: config.pad_mode,
            window: hann(n_fft),
            padded: Vec::new(),
            frames: 0,
            frame: transform.make_input_vec(),
            spectrum: transform.make_output_vec(),
            scratch: transform.make_scratch_vec(),
            power: vec![[0.0; LANES]; transform.complex_len()],
            transform,
        }
    }

    /// Takes a clip in, padded as the settings say, and returns how many frames
    /// it has.
    pub fn load(&mut self, samples: &[f32]) -> usize {
        let samples = if samples.is_empty() { &[0.0] } else { samples };
        self.padded.clear();
        self.padded.resize(self.margin, 0.0);
        self.padded.extend(samples.iter().copied().map(audible));
        self.padded.resize(self.padded.len() + self.margin, 0.0);
        if self.pad_mode == PadMode::Reflect {
            self.reflect(samples.len());
        }
        self.frames = self.padded.len().checked_sub(self.n_fft).map_or(0, |room| 1 + room / self.hop_length);
        self.frames
    }

    /// Power spectra of the frames from `first` on, `[n_fft / 2 + 1, LANES]`;
    /// lanes past the last frame are left as they were.
    pub fn power(&mut self, first: usize) -> &[[f32; LANES]] {
        for lane in 0..LANES.min(self.frames.saturating_sub(first)) {
            self.transform_frame(first + lane);
            for (bin, value) in self.power.iter_mut().zip(&self.spectrum) {
                bin[lane] = value.norm_sqr() as f32;
            }
        }
        &self.power
    }

    /// One frame of the clip, to be shown; `None` past the last one.
    pub fn frame(&mut self, frame: usize) -> Option<Frame> {
        if frame >= self.frames {
            return None;
        }
        let samples = self.padded[frame * self.hop_length..][..self.n_fft].to_vec();
        let weigh = |(sample, weight): (&f32, &f64)| (f64::from(*sample) * weight) as f32;
        let windowed = samples.iter().zip(&self.window).map(weigh).collect();
        self.transform_frame(frame);
        let power = self.spectrum.iter().map(|value| value.norm_sqr() as f32).collect();
        Some(Frame { samples, windowed, power })
    }

    fn transform_frame(&mut self, frame: usize) {
        let samples = &self.padded[frame * self.hop_length..];
        for ((windowed, sample), weight) in self.frame.iter_mut().zip(samples).zip(&self.window) {
            *windowed = f64::from(*sample) * weight;
        }
        let done =
            self.transform.process_with_scratch(&mut self.frame, &mut self.spectrum, &mut self.scratch);
        debug_assert!(done.is_ok(), "the transform made these buffers itself: {done:?}");
    }

    /// Fills the margins with the clip's mirror image, as `numpy.pad` does: the
    /// end samples are not repeated, and a clip shorter than the margin is
    /// mirrored again and again.
    fn reflect(&mut self, samples: usize) {
        let period = 2 * (samples - 1).max(1);
        let mirrored = |distance: usize| {
            let phase = distance % period;
            phase.min(period - phase).min(samples - 1)
        };
        for distance in 1..=self.margin {
            self.padded[self.margin - distance] = self.padded[self.margin + mirrored(distance)];
            let past = mirrored(samples - 1 + distance);
            self.padded[self.margin + samples - 1 + distance] = self.padded[self.margin + past];
        }
    }
}

/// A sample that arithmetic can be done with.
fn audible(sample: f32) -> f32 {
    if sample.is_finite() { sample.clamp(-LOUDEST_SAMPLE, LOUDEST_SAMPLE) } else { 0.0 }
}

/// The periodic Hann window, `scipy.signal.get_window("hann", length)`.
fn hann(length: usize) -> Vec<f64> {
    (0..length).map(|n| 0.5 - 0.5 * (TAU * n as f64 / length as f64).cos()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, in f64: `X[k] = sum over n of w[n] x[n] e^(-2 pi i k n / N)`.
    fn naive_power(frame: &[f32], bin: usize) -> f64 {
        let length = frame.len() as f64;
        let (mut re, mut im) = (0.0, 0.0);
        for (n, &sample) in frame.iter().enumerate() {
            let angle = TAU * (bin * n % frame.len()) as f64 / length;
            let windowed = f64::from(sample) * (0.5 - 0.5 * (TAU * n as f64 / length).cos());
            re += windowed * angle.cos();
            im -= windowed * angle.sin();
        }
        re * re + im * im
    }

    fn noise(length: usize) -> Vec<f32> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        };
        (0..length).map(|_| next()).collect()
    }

    fn uncentred(n_fft: usize, hop_length: usize) -> SpectrogramConfig {
        SpectrogramConfig { n_fft, hop_length, center: false, ..SpectrogramConfig::default() }
    }

    #[test]
    fn the_naive_transform_knows_a_cosine() {
        let frame: Vec<f32> = (0..16).map(|n| (TAU * 3.0 * f64::from(n) / 16.0).cos() as f32).collect();
        // A Hann window gives half of its sum to the cosine's own bin and a
        // quarter to each neighbour.
        for (bin, magnitude) in [(1, 0.0), (2, 2.0), (3, 4.0), (4, 2.0), (5, 0.0)] {
            assert!((naive_power(&frame, bin).sqrt() - magnitude).abs() < 1e-6, "bin {bin}");
        }
    }

    #[test]
    fn the_fast_transform_equals_the_naive_one() {
        for n_fft in [16, 17, 100, 251, 256, 1000, 2048] {
            let (hop_length, frames) = (n_fft / 3, LANES + 3);
            let samples = noise(n_fft + (frames - 1) * hop_length);
            let mut stft = Stft::new(&uncentred(n_fft, hop_length));
            assert_eq!(stft.load(&samples), frames);
            for frame in [0, 1, LANES - 1, LANES, frames - 1] {
                let (block, lane) = (frame / LANES * LANES, frame % LANES);
                let start = frame * hop_length;
                let power = stft.power(block);
                assert_eq!(power.len(), n_fft / 2 + 1);
                for (bin, lanes) in power.iter().enumerate() {
                    let expected = naive_power(&samples[start..start + n_fft], bin);
                    let error = (f64::from(lanes[lane]) - expected).abs();
                    // n_fft / 8 is the mean power of this noise: single bins may be near 0.
                    assert!(
                        error < 1e-6 * (expected + n_fft as f64 / 8.0),
                        "n_fft {n_fft} bin {bin}: {error}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_frame_that_is_shown_is_the_one_that_is_used() {
        let samples = noise(3000);
        let config = SpectrogramConfig { n_fft: 256, hop_length: 100, ..SpectrogramConfig::default() };
        let mut stft = Stft::new(&config);
        let frames = stft.load(&samples);
        for index in [0, 7, frames - 1] {
            let power: Vec<f32> =
                stft.power(index / LANES * LANES).iter().map(|bin| bin[index % LANES]).collect();
            let frame = stft.frame(index).unwrap();
            assert_eq!(frame.power, power);
            assert_eq!((frame.samples.len(), frame.windowed.len()), (256, 256));
            // The window is 0 at its first sample and 1 at its middle.
            assert_eq!((frame.windowed[0], frame.windowed[128]), (0.0, frame.samples[128]));
        }
        assert_eq!(stft.frame(7).unwrap().samples[128], samples[700], "frames are centred");
        assert_eq!(stft.frame(frames), None);
    }

    #[test]
    fn reflection_is_numpys() {
        let config = SpectrogramConfig { n_fft: 16, hop_length: 4, ..SpectrogramConfig::default() };
        let mut stft = Stft::new(&config);
        stft.load(&[1.0, 2.0, 3.0]);
        // numpy.pad([1, 2, 3], 8, mode="reflect")
        let expected = [1, 2, 3, 2, 1, 2, 3, 2, 1, 2, 3, 2, 1, 2, 3, 2, 1, 2, 3].map(|x| x as f32);
        assert_eq!(stft.padded, expected);
        stft.load(&[5.0]);
        assert_eq!(stft.padded, [5.0; 17]);
    }

    #[test]
    fn constant_padding_is_zeros() {
        let config = SpectrogramConfig {
            n_fft: 16,
            hop_length: 4,
            pad_mode: PadMode::Constant,
            ..SpectrogramConfig::default()
        };
        let mut stft = Stft::new(&config);
        stft.load(&noise(100));
        stft.load(&[5.0]);
        assert_eq!(stft.padded.iter().sum::<f32>(), 5.0);
        assert_eq!((stft.padded.len(), stft.padded[8]), (17, 5.0));
    }
}
