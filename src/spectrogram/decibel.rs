//! Power to decibels.
//!
//! In: mel power of one clip. Out: decibels below the clip's own maximum.
//! Reference: `librosa.power_to_db(power, ref=np.max, amin=1e-10, top_db=top_db)`.

/// Powers below this count as this: librosa's `amin`.
const LEAST_POWER: f32 = 1e-10;

/// Decibels to one doubling of power.
const DECIBELS_PER_DOUBLING: f32 = 10.0 * std::f32::consts::LOG10_2;

/// Turns the power of one clip, in place, into decibels from `-top_db` to 0,
/// its loudest cell.
///
/// A clip in which no cell is above librosa's `amin` of 10⁻¹⁰ becomes 0
/// everywhere: it has no range. A cell that is no number counts as that least
/// power, an infinite one as the largest finite.
pub fn power_to_db(power: &mut [f32], top_db: f32) {
    for cell in power.iter_mut() {
        *cell = decibels(*cell);
    }
    let loudest = power.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    for cell in power {
        *cell = (*cell - loudest).max(-top_db);
    }
}

/// `10 log10(power)` to 0.0001 dB, for power from [`LEAST_POWER`] up.
pub(super) fn decibels(power: f32) -> f32 {
    // Written so that what is no number counts as the least power too.
    let power = if power > LEAST_POWER { power.min(f32::MAX) } else { LEAST_POWER };
    DECIBELS_PER_DOUBLING * power.log2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decibels_are_ten_times_the_decimal_logarithm() {
        for exponent in -100..=380 {
            let power = 10_f32.powf(exponent as f32 / 10.0);
            let expected = 10.0 * f64::from(power).log10();
            assert!((f64::from(decibels(power)) - expected).abs() < 1e-4, "{power}");
        }
    }

    #[test]
    fn the_loudest_cell_is_0_and_none_is_below_the_cut_off() {
        let mut cells = [1e-3, 1.0, 1e-5, 0.0];
        power_to_db(&mut cells, 40.0);
        for (cell, expected) in cells.iter().zip([-30.0, 0.0, -40.0, -40.0]) {
            assert!((cell - expected).abs() < 1e-4, "{cell} for {expected}");
        }
    }

    #[test]
    fn a_clip_below_the_least_power_has_no_range() {
        for quiet in [0.0, 1e-38, 1e-45, 1e-11, f32::NAN, -1.0] {
            let mut cells = [quiet, 0.0, 1e-12];
            power_to_db(&mut cells, 80.0);
            assert_eq!(cells, [0.0; 3], "{quiet}");
        }
        power_to_db(&mut [], 80.0);
    }

    #[test]
    fn infinite_power_is_the_loudest() {
        let mut cells = [f32::INFINITY, 1.0, f32::NEG_INFINITY];
        power_to_db(&mut cells, 80.0);
        assert_eq!(cells, [0.0, -80.0, -80.0]);
    }
}
