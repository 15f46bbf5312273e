//! Which part of a clip spoke for a genre: patches of its spectrogram are made
//! silent one at a time, and the genre's odds fall where it was heard.
//!
//! In: log-odds of the genre, of the clip as it is and with each [`Patch`]
//! silent. Out: a map over the clip, `[CELLS, CELLS]`. Reference: M. D. Zeiler
//! and R. Fergus, "Visualizing and Understanding Convolutional Networks", ECCV
//! 2014, section 4.2. A patch is as wide as two cells and moves by one, so that
//! each cell is the mean of up to four patches; those that tile the clip come
//! first and already make a coarse map.

use serde::{Deserialize, Serialize};

/// Cells of the map along mel and along time.
pub const CELLS: usize = 8;

/// Cells that a patch is wide and high.
const PATCH: usize = 2;

/// Places of a patch along each axis.
const PLACES: usize = CELLS - PATCH + 1;

/// Patches in all.
pub const PATCHES: usize = PLACES * PLACES;

/// Patches that tile the clip, and are asked for first.
pub const COARSE: usize = (CELLS / PATCH) * (CELLS / PATCH);

/// A stretch of mel bands and of time that is made silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patch {
    /// Lowest of its cells.
    row: usize,
    /// First of its cells.
    column: usize,
}

impl Patch {
    /// Every patch, those that tile the clip first.
    pub fn all() -> impl Iterator<Item = Self> {
        let places = || (0..PLACES).flat_map(|row| (0..PLACES).map(move |column| Self { row, column }));
        let tiles = |patch: &Self| patch.row.is_multiple_of(PATCH) && patch.column.is_multiple_of(PATCH);
        places().filter(tiles).chain(places().filter(move |patch| !tiles(patch)))
    }

    /// Puts `floor` into the patch's part of a plane `[height, width]`, row 0
    /// the lowest band. A plane of another size is left as it is, as is all of
    /// one for a patch that lies outside.
    pub fn silence<T: Copy>(self, plane: &mut [T], [height, width]: [usize; 2], floor: T) {
        let reach = |cell: usize, length: usize| {
            let end = cell.saturating_add(PATCH).min(CELLS);
            cell.min(end) * length / CELLS..end * length / CELLS
        };
        let columns = reach(self.column, width);
        if plane.len() != height * width || width == 0 {
            return;
        }
        for row in plane.chunks_exact_mut(width).take(height).enumerate() {
            if reach(self.row, height).contains(&row.0) {
                row.1[columns.clone()].fill(floor);
            }
        }
    }

    fn covers(self, row: usize, column: usize) -> bool {
        (self.row..self.row + PATCH).contains(&row) && (self.column..self.column + PATCH).contains(&column)
    }
}

/// The map as far as it is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Occlusion {
    /// Log-odds of the clip as it is.
    whole: Option<f32>,
    /// Log-odds with each patch silent, in the order of [`Patch::all`].
    silent: [Option<f32>; PATCHES],
}

impl Default for Occlusion {
    fn default() -> Self {
        Self { whole: None, silent: [None; PATCHES] }
    }
}

impl Occlusion {
    /// Takes in the log-odds of the clip as it is.
    pub fn take_whole(&mut self, log_odds: f32) {
        self.whole = Some(log_odds);
    }

    /// Takes in the log-odds with the patch silent that stands at `index` of
    /// [`Patch::all`].
    pub fn take(&mut self, index: usize, log_odds: f32) {
        if let Some(silent) = self.silent.get_mut(index) {
            *silent = Some(log_odds);
        }
    }

    /// Log-odds of the clip as it is, once they are known.
    pub fn whole(&self) -> Option<f32> {
        self.whole
    }

    /// Share of the patches that are known, 0 to 1.
    pub fn share(&self) -> f32 {
        self.silent.iter().flatten().count() as f32 / PATCHES as f32
    }

    /// By how much the log-odds fell where each cell was silent, on average over
    /// the patches that cover it: `[CELLS, CELLS]`, lowest mel band first, then
    /// time. Above 0 the cell spoke for the genre, below against it. `None`
    /// until patches cover the whole clip.
    pub fn map(&self) -> Option<Vec<f32>> {
        let whole = self.whole?;
        if self.silent[..COARSE].iter().any(Option::is_none) {
            return None;
        }
        let mut sums = [0.0; CELLS * CELLS];
        let mut counts = [0.0_f32; CELLS * CELLS];
        for (patch, silent) in Patch::all().zip(&self.silent) {
            let Some(silent) = silent else { continue };
            for cell in (0..CELLS * CELLS).filter(|cell| patch.covers(cell / CELLS, cell % CELLS)) {
                sums[cell] += whole - silent;
                counts[cell] += 1.0;
            }
        }
        Some(sums.iter().zip(counts).map(|(sum, count)| sum / count.max(1.0)).collect())
    }
}

/// The logarithm of the odds of `class` against all others. Unlike its
/// probability it still moves where the network is sure. `None` for a class
/// that is not there, or the only one.
pub fn log_odds(logits: &[f32], class: usize) -> Option<f32> {
    let own = *logits.get(class)?;
    let others = || logits.iter().enumerate().filter(|(index, _)| *index != class).map(|(_, logit)| *logit);
    let most = others().reduce(f32::max)?;
    Some(own - most - others().map(|logit| (logit - most).exp()).sum::<f32>().ln())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: [usize; 2] = [128, 130];

    /// A clip in which only the given bands and frames sound.
    fn clip(bands: std::ops::Range<usize>, frames: std::ops::Range<usize>) -> Vec<f32> {
        let cell = |at: usize| bands.contains(&(at / SIZE[1])) && frames.contains(&(at % SIZE[1]));
        (0..SIZE[0] * SIZE[1]).map(|at| if cell(at) { 1.0 } else { 0.0 }).collect()
    }

    /// As if the log-odds were the energy.
    fn map_of(clip: &[f32], patches: usize) -> Option<Vec<f32>> {
        let mut occlusion = Occlusion::default();
        occlusion.take_whole(clip.iter().sum());
        for (index, patch) in Patch::all().enumerate().take(patches) {
            let mut masked = clip.to_vec();
            patch.silence(&mut masked, SIZE, 0.0);
            occlusion.take(index, masked.iter().sum());
        }
        occlusion.map()
    }

    fn largest(map: &[f32]) -> usize {
        (0..map.len()).max_by(|a, b| map[*a].total_cmp(&map[*b])).unwrap()
    }

    #[test]
    fn the_patch_that_holds_all_energy_counts_most() {
        // Bands 32 to 47 are row 2 of the cells, frames 82 to 96 lie in column 5.
        let clip = clip(32..48, 82..97);
        let fine = map_of(&clip, PATCHES).unwrap();
        assert_eq!(largest(&fine), 2 * CELLS + 5);
        assert_eq!(fine[2 * CELLS + 5], clip.iter().sum::<f32>());
        // What no patch over the sound covers counts for nothing.
        assert_eq!(fine[7 * CELLS], 0.0);
        let coarse = map_of(&clip, COARSE).unwrap();
        assert_eq!(coarse[2 * CELLS + 5], clip.iter().sum::<f32>());
        assert_eq!(coarse.iter().filter(|drop| **drop > 0.0).count(), PATCH * PATCH);
    }

    #[test]
    fn there_is_no_map_before_the_clip_is_covered() {
        let mut occlusion = Occlusion::default();
        (0..PATCHES).for_each(|index| occlusion.take(index, 1.0));
        assert_eq!(occlusion.map(), None, "there is nothing to compare with");
        occlusion.take_whole(3.0);
        assert_eq!(occlusion.map(), Some(vec![2.0; CELLS * CELLS]));
        let clip = clip(0..128, 0..130);
        assert_eq!(map_of(&clip, COARSE - 1), None);
        assert!(map_of(&clip, COARSE).is_some());
    }

    #[test]
    fn the_first_patches_tile_the_clip() {
        assert_eq!(Patch::all().count(), PATCHES);
        for size in [SIZE, [128, 128], [8, 8], [9, 31]] {
            let mut hits = vec![0; size[0] * size[1]];
            for patch in Patch::all().take(COARSE) {
                let before = hits.clone();
                patch.silence(&mut hits, size, -1);
                for (hit, before) in hits.iter_mut().zip(before) {
                    *hit = if *hit == -1 { before + 1 } else { *hit };
                }
            }
            assert!(hits.iter().all(|hit| *hit == 1), "{size:?}");
        }
    }

    #[test]
    fn a_patch_from_elsewhere_harms_nothing() {
        for (row, column) in [(usize::MAX, 0), (0, usize::MAX), (8, 8), (7, 7)] {
            let patch: Patch =
                serde_json::from_str(&format!("{{\"row\":{row},\"column\":{column}}}")).unwrap();
            let mut plane = [1; 64];
            patch.silence(&mut plane, [8, 8], 0);
            assert_eq!(plane.iter().sum::<i32>(), if row == 7 { 63 } else { 64 });
            patch.silence(&mut plane, [3, 8], 0);
            patch.silence(&mut [0; 0], [8, 0], 0);
        }
    }

    #[test]
    fn log_odds_are_those_of_the_softmax() {
        let logits = [2.0_f32, -1.0, 0.5];
        let sum: f32 = logits.iter().map(|logit| logit.exp()).sum();
        for class in 0..3 {
            let probability = logits[class].exp() / sum;
            let expected = (probability / (1.0 - probability)).ln();
            assert!((log_odds(&logits, class).unwrap() - expected).abs() < 1e-5);
        }
        // A probability of 1 in f32 has odds all the same.
        assert_eq!(log_odds(&[200.0, 0.0], 0), Some(200.0));
        assert_eq!((log_odds(&logits, 3), log_odds(&[1.0], 0)), (None, None));
    }

    #[test]
    fn an_answer_that_comes_twice_counts_once() {
        let mut occlusion = Occlusion::default();
        occlusion.take(0, 1.0);
        occlusion.take(0, 2.0);
        occlusion.take(PATCHES, 2.0);
        assert_eq!(occlusion.share(), 1.0 / PATCHES as f32);
    }
}
