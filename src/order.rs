//! Sorting behind a pointer.
//!
//! A sort that knows what it compares is a few kilobytes of WebAssembly each time. What the
//! page sorts is short, and goes through this one.

use std::cmp::Ordering;

/// Indices of `0..count` in the order that `compare` has them in; equals as they come.
pub(crate) fn order(count: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|a, b| compare(*a, *b));
    order
}

/// Shares with their indices, the largest first; equals as they come.
pub(crate) fn ranking(shares: &[f32]) -> Vec<(usize, f32)> {
    let order = order(shares.len(), &|a, b| shares[b].total_cmp(&shares[a]));
    order.into_iter().map(|index| (index, shares[index])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_stay_as_they_come() {
        let names = ["rock", "jazz", "pop", "blues"];
        assert_eq!(order(4, &|a, b| names[a].len().cmp(&names[b].len())), [2, 0, 1, 3]);
        assert_eq!(ranking(&[0.25, 0.5, 0.25]), [(1, 0.5), (0, 0.25), (2, 0.25)]);
    }
}
