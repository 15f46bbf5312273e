//! Shares as CSS has them, written as integers: formatting floats is heavy.

/// A share of a side, 0 to 1, as a percentage: hundredths of one are finer than a pixel.
pub(super) fn percentage(share: f64) -> String {
    format!("{}e-2%", (share * 10_000.0).round() as i64)
}

/// How much of its full length a bar has, 0 to 1.
pub(super) fn scale_x(share: f64) -> String {
    format!("scaleX({}e-3)", (share * 1000.0).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_rounded() {
        assert_eq!(percentage(0.333_35), "3334e-2%");
        assert_eq!(percentage(-0.5), "-5000e-2%");
        assert_eq!(scale_x(2.0 / 3.0), "scaleX(667e-3)");
        assert_eq!(scale_x(f64::NAN), "scaleX(0e-3)");
    }
}
