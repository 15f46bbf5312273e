//! How far a share, or a mean, that was found may lie from the true one.

/// 97.5th percentile of the standard normal distribution: an interval of 95 % lies so many
/// standard errors to both sides.
pub const NORMAL_975: f64 = 1.959_964;

/// Wilson's score interval of a share at 95 %: `(low, high)`, 0 to 1; all of it where nothing
/// was tried. It stays within its bounds and says something even where all or none were right
/// (E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference",
/// J. Am. Stat. Assoc. 22, 1927).
pub fn wilson(right: usize, trials: usize) -> (f64, f64) {
    if trials == 0 {
        return (0.0, 1.0);
    }
    let (trials, share) = (trials as f64, right.min(trials) as f64 / trials as f64);
    let square = NORMAL_975 * NORMAL_975;
    let shrink = 1.0 + square / trials;
    let middle = (share + square / (2.0 * trials)) / shrink;
    let half =
        NORMAL_975 / shrink * (share * (1.0 - share) / trials + square / (4.0 * trials * trials)).sqrt();
    // Rounding would have them a little beyond a share of none or all.
    ((middle - half).clamp(0.0, share), (middle + half).clamp(share, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_of_known_shares() {
        // R: prop.test(x, n, correct = FALSE)$conf.int
        for (right, trials, low, high) in
            [(8, 8, 0.675_592, 1.0), (9, 10, 0.595_850, 0.982_124), (0, 4, 0.0, 0.489_891)]
        {
            let (found_low, found_high) = wilson(right, trials);
            assert!((found_low - low).abs() < 1e-5, "{right} of {trials}: {found_low}");
            assert!((found_high - high).abs() < 1e-5, "{right} of {trials}: {found_high}");
        }
        assert_eq!(wilson(0, 0), (0.0, 1.0));
    }
}
