//! Three seconds of music that the page makes itself, so that the view shows
//! something where no song is at hand: music of others may not be shipped.
//!
//! In: rate and length. Out: the same samples every time, a plucked figure in A
//! minor over a drum.

use std::f32::consts::TAU;

/// Seconds of a quaver, at 120 beats a minute.
const QUAVER: f32 = 0.25;

/// The figure, a note a quaver, in Hz: A minor and E minor, up and down.
const FIGURE: [f32; 12] =
    [220.0, 261.63, 329.63, 440.0, 329.63, 261.63, 164.81, 196.0, 246.94, 329.63, 246.94, 196.0];

/// `length` samples at `sample_rate`, from -1 to 1.
pub(super) fn samples(sample_rate: u32, length: usize) -> Vec<f32> {
    let rate = sample_rate.max(1) as f32;
    let mut sound = Sound { rate, samples: vec![0.0; length], seed: 1 };
    for quaver in 0..(length as f32 / rate / QUAVER).ceil() as usize {
        let seconds = quaver as f32 * QUAVER;
        sound.pluck(seconds, FIGURE[quaver % FIGURE.len()], 0.22);
        match quaver % 4 {
            0 => {
                sound.tone(seconds, 55.0, 0.55, 0.12);
                sound.pluck(seconds, FIGURE[quaver % FIGURE.len()] / 2.0, 0.2);
            }
            2 => {
                sound.tone(seconds, 185.0, 0.2, 0.06);
                sound.noise(seconds, 0.25, 0.07);
            }
            _ => sound.noise(seconds, 0.1, 0.02),
        }
    }
    sound.samples.iter_mut().for_each(|sample| *sample = sample.clamp(-1.0, 1.0));
    sound.samples
}

struct Sound {
    rate: f32,
    samples: Vec<f32>,
    seed: u32,
}

impl Sound {
    /// A string: its partials fade the faster the higher they are.
    fn pluck(&mut self, seconds: f32, hz: f32, loudness: f32) {
        for partial in 1..=8_u8 {
            let partial = f32::from(partial);
            self.tone(seconds, hz * partial, loudness / partial, 0.3 / partial.sqrt());
        }
    }

    /// A sine that fades to a third in `fade` seconds. Each sample comes of the
    /// two before it, without a sine of its own.
    fn tone(&mut self, seconds: f32, hz: f32, loudness: f32, fade: f32) {
        if 2.0 * hz >= self.rate {
            return;
        }
        let turn = TAU * hz / self.rate;
        let keep = (-1.0 / (fade * self.rate)).exp();
        let (mut last, mut before) = (0.0, -loudness * turn.sin() / keep);
        for sample in self.from(seconds, 6.0 * fade) {
            let next = 2.0 * keep * turn.cos() * last - keep * keep * before;
            *sample += last;
            (before, last) = (last, next);
        }
    }

    /// A drum's noise that fades to a third in `fade` seconds.
    fn noise(&mut self, seconds: f32, loudness: f32, fade: f32) {
        let keep = (-1.0 / (fade * self.rate)).exp();
        let (mut seed, mut level, mut before) = (self.seed, loudness, 0.0);
        for sample in self.from(seconds, 6.0 * fade) {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (seed >> 8) as f32 / 8_388_608.0 - 1.0;
            // The difference of neighbours is brighter than they are.
            *sample += level * (noise - before);
            before = noise;
            level *= keep;
        }
        self.seed = seed;
    }

    fn from(&mut self, seconds: f32, length: f32) -> &mut [f32] {
        let place = |seconds: f32| ((seconds * self.rate) as usize).min(self.samples.len());
        let (start, end) = (place(seconds), place(seconds + length));
        &mut self.samples[start..end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_the_same_every_time_and_sounds_all_through() {
        let first = samples(22_050, 66_150);
        assert_eq!(first, samples(22_050, 66_150));
        assert_eq!(first.len(), 66_150);
        for second in first.chunks(5513) {
            let power = second.iter().map(|sample| sample * sample).sum::<f32>() / second.len() as f32;
            assert!(power > 1e-3, "{power}");
        }
        assert!(first.iter().all(|sample| sample.is_finite()));
        let loud = first.iter().filter(|sample| sample.abs() >= 1.0).count();
        assert!(loud < 20, "{loud} samples are cut off");
    }

    #[test]
    fn it_begins_with_the_a_of_its_figure() {
        let sound = samples(22_050, 5512);
        let power = |hz: f32| {
            let (mut re, mut im) = (0.0, 0.0);
            for (n, sample) in sound.iter().enumerate() {
                let angle = TAU * hz * n as f32 / 22_050.0;
                (re, im) = (re + sample * angle.cos(), im + sample * angle.sin());
            }
            re * re + im * im
        };
        assert!(power(220.0) > 10.0 * power(233.08) && power(220.0) > 10.0 * power(207.65));
    }

    #[test]
    fn any_rate_and_length_will_do() {
        assert!(samples(0, 0).is_empty());
        assert_eq!(samples(0, 10).len(), 10);
        assert_eq!(samples(8000, 24_001).len(), 24_001);
    }
}
