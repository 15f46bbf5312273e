//! Power to decibels.
//!
//! In: mel power of one clip. Out: decibels below the clip's own maximum.
//! Reference: `librosa.power_to_db(power, ref=np.max, amin=1e-10, top_db=top_db)`.

/// Powers below this count as this: librosa's `amin`.
const LEAST_POWER: f32 = 1e-10;

/// Decibels to one doubling of power, `10 log10(2)`.
const DECIBELS_PER_OCTAVE: f32 = 3.010_299_9;

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

/// `10 log10(power)`, within 0.000 02 dB, for power from [`LEAST_POWER`] up.
pub(super) fn decibels(power: f32) -> f32 {
    DECIBELS_PER_OCTAVE * power.max(LEAST_POWER).min(f32::MAX).log2()
}
