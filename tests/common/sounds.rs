//! Sounds that no network was taught: instruments and rooms, made by arithmetic.
//!
//! In: a seed. Out: mono samples of a short melody, different for every seed in
//! its notes, its rhythm and the build of the instrument.

use std::f32::consts::TAU;

/// Samples a second.
pub(crate) const SAMPLE_RATE: u32 = 22_050;

/// A generator of numbers that are the same on every machine.
pub(crate) struct Lcg(u64);

impl Lcg {
    /// One that differs for every seed.
    pub(crate) fn new(seed: u64) -> Self {
        let mut generator = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d);
        for _ in 0..8 {
            generator.next();
        }
        generator
    }

    /// From 0 to 1.
    pub(crate) fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 24) as f32
    }

    fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.next()
    }
}

/// Notes of a pentatonic scale over two octaves: start and length in samples,
/// frequency in Hz.
fn melody(seconds: f32, random: &mut Lcg) -> Vec<(usize, usize, f32)> {
    let tonic = random.between(150.0, 300.0);
    let beat = random.between(0.18, 0.4);
    let mut notes = Vec::new();
    let mut start = 0.0;
    while start < seconds {
        let step = [0.0, 2.0, 4.0, 7.0, 9.0, 12.0, 14.0, 16.0][(random.next() * 8.0) as usize % 8];
        let length = beat * [1.0, 1.0, 2.0][(random.next() * 3.0) as usize % 3];
        let sample = |time: f32| (time * SAMPLE_RATE as f32) as usize;
        notes.push((sample(start), sample(length), tonic * (step / 12.0_f32).exp2()));
        start += length;
    }
    notes
}

/// A plucked string: noise in a delay line that loses its highs (K. Karplus and
/// A. Strong, "Digital Synthesis of Plucked-String and Drum Timbres", 1983).
pub(crate) fn plucked(seconds: f32, seed: u64) -> Vec<f32> {
    let random = &mut Lcg::new(seed);
    let loss = random.between(0.990, 0.998);
    let mut sound = vec![0.0_f32; (seconds * SAMPLE_RATE as f32) as usize];
    for (start, length, hertz) in melody(seconds, random) {
        let mut string: Vec<f32> =
            (0..(SAMPLE_RATE as f32 / hertz) as usize).map(|_| random.between(-1.0, 1.0)).collect();
        // A string rings on into the next note.
        for (at, sample) in sound.iter_mut().skip(start).take(2 * length).enumerate() {
            let (place, next) = (at % string.len(), (at + 1) % string.len());
            *sample += 0.3 * string[place];
            string[place] = loss * 0.5 * (string[place] + string[next]);
        }
    }
    sound
}

/// A flute: few harmonics that swell, vibrato, and breath.
pub(crate) fn flute(seconds: f32, seed: u64) -> Vec<f32> {
    let random = &mut Lcg::new(seed);
    let (vibrato, breath) = (random.between(4.5, 6.5), random.between(0.01, 0.04));
    let harmonics = [1.0, random.between(0.2, 0.5), random.between(0.05, 0.2), random.between(0.0, 0.08)];
    let mut sound = vec![0.0_f32; (seconds * SAMPLE_RATE as f32) as usize];
    for (start, length, hertz) in melody(seconds, random) {
        let mut phase = 0.0_f32;
        for (at, sample) in sound.iter_mut().skip(start).take(length).enumerate() {
            let time = at as f32 / SAMPLE_RATE as f32;
            let left = length.saturating_sub(at) as f32 / SAMPLE_RATE as f32;
            phase += hertz * (1.0 + 0.006 * (TAU * vibrato * time).sin()) / SAMPLE_RATE as f32;
            let swell = (time / 0.06).min(left / 0.05).clamp(0.0, 1.0);
            let tone: f32 = harmonics
                .iter()
                .enumerate()
                .map(|(number, share)| share * (TAU * phase * (number + 1) as f32).sin())
                .sum();
            *sample += 0.3 * swell * (tone + breath * random.between(-1.0, 1.0));
        }
    }
    sound
}

/// The same sound in a room whose echoes take so many seconds to fall by 60 dB:
/// eight combs and an all-pass (M. R. Schroeder, "Natural Sounding Artificial
/// Reverberation", 1962).
#[allow(dead_code, reason = "not every test that hears these sounds needs a room")]
pub(crate) fn in_room(dry: &[f32], seconds: f32) -> Vec<f32> {
    let mut wet = vec![0.0_f32; dry.len()];
    for delay in [557_usize, 593, 641, 677, 709, 743, 787, 811] {
        let echo = 10_f32.powf(-3.0 * delay as f32 / (seconds * SAMPLE_RATE as f32));
        let mut line = vec![0.0_f32; delay];
        for (at, sample) in dry.iter().enumerate() {
            let returned = line[at % delay];
            line[at % delay] = sample + echo * returned;
            wet[at] += returned / 8.0;
        }
    }
    let mut line = vec![0.0_f32; 221];
    for (at, sample) in wet.iter_mut().enumerate() {
        let delayed = line[at % 221];
        let fed = *sample + 0.7 * delayed;
        line[at % 221] = fed;
        *sample = delayed - 0.7 * fed;
    }
    dry.iter().zip(&wet).map(|(dry, wet)| 0.5 * dry + wet).collect()
}
