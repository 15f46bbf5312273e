//! The dB spectrogram as the picture that the network sees.
//!
//! In: decibels of one clip. Out: indices into matplotlib's viridis, stretched
//! to the network's size. Reference: `matplotlib.pyplot.imshow`, whose colours
//! run from the clip's own minimum to its maximum, and `numpy.interp`, by which
//! columns were stretched for the weights that are published with the paper's
//! settings.

pub use super::viridis::VIRIDIS;

/// Why a clip has no picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// All cells are equal, so that there is nothing to see: silence.
    #[error("the clip has no range of loudness")]
    NoRange,
    /// The clip is of another size than the picture was made for.
    #[error("the spectrogram has {found} cells, {expected} are needed")]
    Size {
        /// Cells that the clip has.
        found: usize,
        /// Cells that were announced.
        expected: usize,
    },
}

/// Stretches and colours clips of one size.
#[derive(Clone, Debug)]
pub struct Picture {
    frames: usize,
    rows: Vec<Between>,
    columns: Vec<Between>,
    /// The clip's cells from 0 to 1, `[n_mels, frames]`.
    shades: Vec<f32>,
}

impl Picture {
    /// Pictures of `[height, width]` from spectrograms `[n_mels, frames]`. End
    /// rows and columns lie on end bands and frames.
    pub fn new([n_mels, frames]: [usize; 2], [height, width]: [usize; 2]) -> Self {
        Self {
            frames,
            rows: stretch(n_mels, height),
            columns: stretch(frames, width),
            shades: vec![0.0; n_mels.saturating_mul(frames)],
        }
    }

    /// Writes the viridis index of each pixel, `[height, width]`, to `picture`,
    /// replacing what it held: row 0 is the lowest band, column 0 the first
    /// frame. `db` is `[n_mels, frames]`.
    ///
    /// # Errors
    /// [`PictureError::NoRange`] for silence, whose picture is index 0
    /// everywhere; [`PictureError::Size`] for a spectrogram of another size,
    /// which leaves `picture` empty.
    pub fn indices(&mut self, db: &[f32], picture: &mut Vec<u8>) -> Result<(), PictureError> {
        picture.clear();
        if db.len() != self.shades.len() {
            return Err(PictureError::Size { found: db.len(), expected: self.shades.len() });
        }
        let (least, most) = db.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(least, most), &cell| {
            (least.min(cell), most.max(cell))
        });
        let range = most - least;
        if !(range > 0.0 && range.is_finite()) {
            picture.resize(self.rows.len() * self.columns.len(), 0);
            return Err(PictureError::NoRange);
        }
        for (shade, cell) in self.shades.iter_mut().zip(db) {
            *shade = (cell - least) / range;
        }
        for row in &self.rows {
            let band = |band: usize| &self.shades[band * self.frames..][..self.frames];
            let (below, above) = (band(row.left), band(row.right));
            picture.extend(
                self.columns
                    .iter()
                    .map(|column| viridis_index(row.mix(column.pick(below), column.pick(above)))),
            );
        }
        Ok(())
    }
}

/// A place between two neighbours: the index of each and the share of the
/// right one.
#[derive(Clone, Copy, Debug)]
struct Between {
    left: usize,
    right: usize,
    share: f32,
}

impl Between {
    /// The value at this place of a row of cells.
    fn pick(self, row: &[f32]) -> f32 {
        self.mix(row[self.left], row[self.right])
    }

    fn mix(self, left: f32, right: f32) -> f32 {
        left * (1.0 - self.share) + right * self.share
    }
}

/// `to` places spread evenly over `from` cells, from the first to the last;
/// none where there are no cells.
fn stretch(from: usize, to: usize) -> Vec<Between> {
    let Some(last) = from.checked_sub(1) else { return Vec::new() };
    let steps = to.saturating_sub(1).max(1);
    (0..to)
        .map(|index| {
            let place = index as f64 * last as f64 / steps as f64;
            let left = (place as usize).min(last);
            Between { left, right: (left + 1).min(last), share: (place - left as f64) as f32 }
        })
        .collect()
}

/// The entry of a 256-entry table that matplotlib gives a shade from 0 to 1.
fn viridis_index(shade: f32) -> u8 {
    // A cast truncates and saturates: 1.0, at 256, is the last entry too.
    (shade * 256.0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(db: &[f32], from: [usize; 2], to: [usize; 2]) -> Vec<u8> {
        let mut picture = vec![9; 5];
        Picture::new(from, to).indices(db, &mut picture).unwrap();
        picture
    }

    #[test]
    fn shades_run_from_the_clips_least_to_its_most() {
        assert_eq!(picture(&[-80.0, -60.0, -40.0, -20.0, 0.0], [1, 5], [1, 5]), [0, 64, 128, 192, 255]);
        assert_eq!(picture(&[-3.0, -1.0], [2, 1], [2, 1]), [0, 255]);
    }

    #[test]
    fn both_axes_are_stretched_between_their_ends() {
        let db = [0.0, 1.0, 2.0, 3.0];
        let stretched = picture(&db, [2, 2], [3, 3]);
        assert_eq!(stretched, [0, 42, 85, 85, 128, 170, 170, 213, 255]);
        assert_eq!(picture(&db, [1, 4], [1, 2]), [0, 255]);
        assert_eq!(picture(&db, [1, 4], [2, 1]), [0, 0]);
    }

    #[test]
    fn silence_has_no_range() {
        let mut pixels = Vec::new();
        for cell in [0.0, -80.0, f32::NAN, f32::INFINITY] {
            let silent = Picture::new([2, 3], [4, 5]).indices(&[cell; 6], &mut pixels);
            assert_eq!((silent, &pixels), (Err(PictureError::NoRange), &vec![0; 20]));
        }
    }

    #[test]
    fn a_clip_of_another_size_is_refused() {
        let mut pixels = vec![1];
        let refused = Picture::new([2, 3], [4, 5]).indices(&[0.0; 7], &mut pixels);
        assert_eq!(refused, Err(PictureError::Size { found: 7, expected: 6 }));
        assert!(pixels.is_empty());
        for from in [[0, 0], [0, 3], [3, 0]] {
            assert_eq!(Picture::new(from, [2, 2]).indices(&[], &mut pixels), Err(PictureError::NoRange));
        }
    }

    #[test]
    fn viridis_is_matplotlibs() {
        // Truncated to bytes, not rounded: matplotlib's own hex codes of the
        // last two are #21918c and #fde725.
        assert_eq!([VIRIDIS[0], VIRIDIS[128], VIRIDIS[255]], [[68, 1, 84], [32, 144, 140], [253, 231, 36]]);
    }
}
