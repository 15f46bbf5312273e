//! Samples from one rate to another.
//!
//! In: mono blocks of any length at one rate. Out: the same sound at another,
//! without delay: output sample `k` is the input at `k * from / to`, and `n`
//! input samples give `round(n * to / from)`.
//!
//! The work is rubato's [`Fft`]: block convolution in the frequency domain with
//! a windowed sinc (squared Blackman-Harris).

use audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler as _, WindowFunction};

use super::song::SongProblem;
pub use crate::spectrogram::config::{GREATEST_RATE, LEAST_RATE};

/// Least length of the filter, in samples at the lower of the two rates: of
/// each hundred Hz under the lower Nyquist frequency, the topmost fall to the
/// filter's slope.
const FILTER_LENGTH: usize = 1024;

/// Resamples a stream, block after block.
pub struct Resampler {
    from: u32,
    to: u32,
    stage: Option<Stage>,
    received: u64,
    delivered: u64,
}

/// The filter and what waits for it.
struct Stage {
    filter: Fft<f32>,
    /// Input that does not fill a block yet; never longer than one.
    waiting: Vec<f32>,
    /// One block of output.
    resampled: Vec<f32>,
    /// Samples of the filter's delay that are still to be left out.
    delay: usize,
}

impl Resampler {
    /// A resampler between two rates in Hz; equal ones leave samples as they
    /// are.
    ///
    /// # Errors
    /// [`SongProblem::SampleRate`] if a rate is outside [`LEAST_RATE`] to
    /// [`GREATEST_RATE`].
    pub fn new(from: u32, to: u32) -> Result<Self, SongProblem> {
        for sample_rate in [from, to] {
            if !(LEAST_RATE..=GREATEST_RATE).contains(&sample_rate) {
                return Err(SongProblem::SampleRate { sample_rate });
            }
        }
        let stage = if from == to { None } else { Some(Stage::new(from, to)?) };
        Ok(Self { from, to, stage, received: 0, delivered: 0 })
    }

    /// Rate of the input, in Hz.
    pub fn from(&self) -> u32 {
        self.from
    }

    /// Takes a block of any length, and appends what is ready to `output`.
    ///
    /// # Errors
    /// [`SongProblem::Engine`] if rubato refuses its own block sizes.
    pub fn push(&mut self, block: &[f32], output: &mut Vec<f32>) -> Result<(), SongProblem> {
        self.received += block.len() as u64;
        let before = output.len();
        match &mut self.stage {
            None => output.extend_from_slice(block),
            Some(stage) => stage.push(block, output)?,
        }
        self.delivered += (output.len() - before) as u64;
        Ok(())
    }

    /// Appends what is still in the filter to `output`, and is as new
    /// afterwards.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn finish(&mut self, output: &mut Vec<f32>) -> Result<(), SongProblem> {
        let missing = self.output_length(self.received).saturating_sub(self.delivered);
        if let Some(stage) = &mut self.stage {
            let end = output.len() + missing as usize;
            while output.len() < end {
                stage.push_silence(output)?;
            }
            output.truncate(end);
            stage.reset();
        }
        self.received = 0;
        self.delivered = 0;
        Ok(())
    }

    /// Length of `length` samples after resampling.
    fn output_length(&self, length: u64) -> u64 {
        let (from, to) = (u128::from(self.from), u128::from(self.to));
        ((u128::from(length) * to + from / 2) / from) as u64
    }
}

impl Stage {
    fn new(from: u32, to: u32) -> Result<Self, SongProblem> {
        let (from, to) = (from as usize, to as usize);
        let unit = from / greatest_common_divisor(from, to);
        let lower_unit = unit.min(unit * to / from).max(1);
        // The delay is half a block, so an even number of units makes it whole.
        let units = FILTER_LENGTH.div_ceil(lower_unit).next_multiple_of(2);
        let window = WindowFunction::BlackmanHarris2;
        let filter =
            Fft::new_custom(from, to, units * unit, 1, 1, window, FixedSync::Both).map_err(refused)?;
        Ok(Self {
            waiting: Vec::with_capacity(filter.input_frames_next()),
            resampled: vec![0.0; filter.output_frames_next()],
            delay: filter.output_delay(),
            filter,
        })
    }

    fn push(&mut self, mut block: &[f32], output: &mut Vec<f32>) -> Result<(), SongProblem> {
        let block_length = self.filter.input_frames_next();
        while self.waiting.len() + block.len() >= block_length {
            let (head, rest) = block.split_at(block_length - self.waiting.len());
            self.waiting.extend_from_slice(head);
            self.resample(output)?;
            block = rest;
        }
        self.waiting.extend_from_slice(block);
        Ok(())
    }

    fn push_silence(&mut self, output: &mut Vec<f32>) -> Result<(), SongProblem> {
        self.waiting.resize(self.filter.input_frames_next(), 0.0);
        self.resample(output)
    }

    /// Resamples the full block in `waiting`.
    fn resample(&mut self, output: &mut Vec<f32>) -> Result<(), SongProblem> {
        let input = InterleavedSlice::new(&self.waiting[..], 1, self.waiting.len()).map_err(refused)?;
        let length = self.resampled.len();
        let mut resampled = InterleavedSlice::new_mut(&mut self.resampled[..], 1, length).map_err(refused)?;
        let (_, length) = self.filter.process_into_buffer(&input, &mut resampled, None).map_err(refused)?;
        let delay = self.delay.min(length);
        output.extend_from_slice(&self.resampled[delay..length]);
        self.delay -= delay;
        self.waiting.clear();
        Ok(())
    }

    fn reset(&mut self) {
        self.filter.reset();
        self.waiting.clear();
        self.delay = self.filter.output_delay();
    }
}

fn refused(error: impl std::fmt::Display) -> SongProblem {
    SongProblem::Engine { detail: error.to_string() }
}

fn greatest_common_divisor(mut a: usize, mut b: usize) -> usize {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    const RATES: [u32; 10] =
        [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000, 191_999, 192_000];

    fn sine(frequency: f64, sample_rate: u32, length: usize) -> Vec<f32> {
        (0..length).map(|k| (TAU * frequency * k as f64 / f64::from(sample_rate)).sin() as f32).collect()
    }

    /// Resamples in blocks of changing length.
    fn resample(from: u32, to: u32, samples: &[f32]) -> Vec<f32> {
        let mut resampler = Resampler::new(from, to).unwrap();
        let (mut output, mut rest, mut length) = (Vec::new(), samples, 1);
        while !rest.is_empty() {
            let (block, tail) = rest.split_at(length.min(rest.len()));
            resampler.push(block, &mut output).unwrap();
            rest = tail;
            length = length * 5 % 7919 + 1;
        }
        resampler.finish(&mut output).unwrap();
        output
    }

    fn decibels(signal: &[f32], noise: impl Fn(usize) -> f64, range: std::ops::Range<usize>) -> f64 {
        let power: f64 = range.clone().map(|k| f64::from(signal[k]).powi(2)).sum();
        let error: f64 = range.map(|k| noise(k).powi(2)).sum();
        10.0 * (power / error).log10()
    }

    #[test]
    fn a_sine_stays_that_sine_at_every_pair_of_rates() {
        for from in RATES {
            for to in [16_000, 22_050, 44_100] {
                let frequency = 0.3 * f64::from(from.min(to)) / 2.0;
                let output = resample(from, to, &sine(frequency, from, from as usize * 2));
                let expected = sine(frequency, to, output.len());
                let edge = to as usize / 8;
                let error = |k: usize| f64::from(output[k]) - f64::from(expected[k]);
                let ratio = decibels(&expected, error, edge..output.len() - edge);
                assert!(ratio > 100.0, "{from} to {to}: {ratio:.1} dB");
            }
        }
    }

    #[test]
    fn the_length_is_the_rounded_ratio() {
        for from in RATES {
            for length in [0, 1, 2, 999, 66_150, 66_151, 123_457] {
                let expected = (length as f64 * 22_050.0 / f64::from(from)).round() as usize;
                assert_eq!(resample(from, 22_050, &vec![0.1; length]).len(), expected, "{length} at {from}");
            }
        }
    }

    #[test]
    fn the_pass_band_is_flat_and_what_lies_above_is_gone() {
        for from in [44_100, 48_000, 96_000, 192_000] {
            let level = |frequency: f64| {
                let output = resample(from, 22_050, &sine(frequency, from, from as usize));
                let inner = &output[4000..output.len() - 4000];
                let power: f64 = inner.iter().map(|&x| f64::from(x).powi(2)).sum();
                10.0 * (2.0 * power / inner.len() as f64).log10()
            };
            for frequency in [100.0, 3_000.0, 8_000.0, 10_000.0, 10_700.0] {
                assert!(level(frequency).abs() < 0.05, "{frequency} Hz at {from}: {} dB", level(frequency));
            }
            for frequency in [11_100.0, 12_000.0, 15_000.0, 0.45 * f64::from(from)] {
                assert!(level(frequency) < -80.0, "{frequency} Hz at {from}: {} dB", level(frequency));
            }
        }
    }

    #[test]
    fn equal_rates_leave_every_bit() {
        let samples = [0.1, -0.0, f32::MIN_POSITIVE, 1.5, -3e30];
        let output = resample(22_050, 22_050, &samples);
        assert_eq!(output.map_bits(), samples.to_vec().map_bits());
    }

    #[test]
    fn a_finished_resampler_is_as_new() {
        let samples = sine(440.0, 48_000, 20_000);
        let mut resampler = Resampler::new(48_000, 22_050).unwrap();
        let mut runs = [Vec::new(), Vec::new()];
        for output in &mut runs {
            resampler.push(&samples, output).unwrap();
            resampler.finish(output).unwrap();
        }
        assert_eq!(runs[0], runs[1]);
    }

    #[test]
    fn rates_beyond_hearing_are_refused() {
        for (from, to, wrong) in [(7_999, 22_050, 7_999), (44_100, 0, 0), (192_001, 22_050, 192_001)] {
            let problem = Resampler::new(from, to).err().unwrap();
            assert_eq!(problem, SongProblem::SampleRate { sample_rate: wrong });
        }
    }

    trait MapBits {
        fn map_bits(&self) -> Vec<u32>;
    }

    impl MapBits for Vec<f32> {
        fn map_bits(&self) -> Vec<u32> {
            self.iter().map(|sample| sample.to_bits()).collect()
        }
    }
}
