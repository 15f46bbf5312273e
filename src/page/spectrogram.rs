//! A song's spectrogram as the page keeps and draws it.
//!
//! In: the display columns of each clip, `[frames, COLUMN_BANDS]` bytes, lowest
//! band first, in any order of clips. Out: a picture of the whole song in
//! bounded memory, coloured with matplotlib's viridis.

use wasm_bindgen::{Clamped, JsValue};
use web_sys::{HtmlCanvasElement, ImageData};

use super::canvas;
use crate::engine::protocol::COLUMN_BANDS;
use crate::spectrogram::picture::VIRIDIS;

/// Columns kept of one song: 128 KiB, and more than a card is wide. When there
/// are more, each two become one, so that a three-hour mix takes no more than a
/// single.
const MOST_COLUMNS: usize = 2048;

/// The columns of one song.
#[derive(Clone, Debug, Default)]
pub(crate) struct Columns {
    /// `[columns, COLUMN_BANDS]`.
    values: Vec<u8>,
    /// Seconds that a column stands for; 0 before the first clip.
    step: f64,
}

impl Columns {
    /// Columns kept so far.
    pub(crate) fn len(&self) -> usize {
        self.values.len() / COLUMN_BANDS
    }

    /// Seconds of the song that the columns reach over.
    pub(crate) fn seconds(&self) -> f64 {
        self.len() as f64 * self.step
    }

    /// Lays the columns of a clip, `[frames, COLUMN_BANDS]`, over the stretch
    /// from `start` to `end` seconds. What is no whole column, or no stretch of
    /// time, is left out.
    pub(crate) fn lay(&mut self, start: f64, end: f64, clip: &[u8]) {
        let frames = clip.len() / COLUMN_BANDS;
        let start = start.max(0.0);
        if frames == 0 || !(end.is_finite() && start.is_finite() && end > start) {
            return;
        }
        let frame_seconds = (end - start) / frames as f64;
        if self.step == 0.0 {
            self.step = frame_seconds;
        }
        while end / self.step > MOST_COLUMNS as f64 {
            self.halve();
        }
        let last = ((end / self.step).round() as usize).min(MOST_COLUMNS);
        let first = ((start / self.step).round() as usize).min(last);
        if self.values.len() < last * COLUMN_BANDS {
            self.values.resize(last * COLUMN_BANDS, 0);
        }
        for column in first..last {
            let share = |at: usize| (at - first) * frames / (last - first);
            let (from, to) = (share(column), share(column + 1).max(share(column) + 1).min(frames));
            let target = &mut self.values[column * COLUMN_BANDS..(column + 1) * COLUMN_BANDS];
            average(&clip[from * COLUMN_BANDS..to * COLUMN_BANDS], target);
        }
    }

    /// Makes one column of each two.
    fn halve(&mut self) {
        let halved = self.len().div_ceil(2);
        let mut pair = [0; COLUMN_BANDS];
        for column in 0..halved {
            let end = ((column + 1) * 2 * COLUMN_BANDS).min(self.values.len());
            average(&self.values[column * 2 * COLUMN_BANDS..end], &mut pair);
            self.values[column * COLUMN_BANDS..(column + 1) * COLUMN_BANDS].copy_from_slice(&pair);
        }
        self.values.truncate(halved * COLUMN_BANDS);
        self.step *= 2.0;
    }

    /// Draws all columns, one pixel each, the lowest band at the bottom; CSS
    /// stretches the canvas.
    ///
    /// # Errors
    /// What the browser says, out of memory for example.
    pub(crate) fn draw(&self, canvas: &HtmlCanvasElement) -> Result<(), JsValue> {
        draw(canvas, self.values.chunks_exact(COLUMN_BANDS), self.len())
    }

    /// The stretch from `from` to `to` seconds in `width` columns,
    /// `[width, COLUMN_BANDS]`: between two kept columns what lies between them,
    /// and nothing where nothing has been heard.
    fn stretch(&self, from: f64, to: f64, width: usize) -> Vec<u8> {
        let mut stretch = vec![0; width * COLUMN_BANDS];
        if self.step <= 0.0 || self.values.is_empty() {
            return stretch;
        }
        for (x, target) in stretch.chunks_exact_mut(COLUMN_BANDS).enumerate() {
            let second = from + (x as f64 + 0.5) / width as f64 * (to - from);
            if !(0.0..self.seconds()).contains(&second) {
                continue;
            }
            // From the middle of one column to that of the next.
            let place = (second / self.step - 0.5).clamp(0.0, (self.len() - 1) as f64);
            let (column, share) = (place as usize, place.fract() as f32);
            let next = (column + 1).min(self.len() - 1);
            let left = &self.values[column * COLUMN_BANDS..(column + 1) * COLUMN_BANDS];
            let right = &self.values[next * COLUMN_BANDS..(next + 1) * COLUMN_BANDS];
            for ((value, &left), &right) in target.iter_mut().zip(left).zip(right) {
                *value = (f32::from(left) * (1.0 - share) + f32::from(right) * share).round() as u8;
            }
        }
        stretch
    }

    /// Draws the stretch from `from` to `to` seconds over the whole canvas, a
    /// column for each pixel that it has across.
    ///
    /// # Errors
    /// What the browser says.
    pub(crate) fn draw_stretch(&self, canvas: &HtmlCanvasElement, from: f64, to: f64) -> Result<(), JsValue> {
        let width = (canvas.client_width().max(0) as usize).min(MOST_COLUMNS);
        draw(canvas, self.stretch(from, to, width).chunks_exact(COLUMN_BANDS), width)
    }
}

/// Mean of the columns in `from`, into the one column `to`.
fn average(from: &[u8], to: &mut [u8]) {
    let columns = (from.len() / COLUMN_BANDS).max(1) as u32;
    for (band, value) in to.iter_mut().enumerate() {
        let sum: u32 = from.iter().skip(band).step_by(COLUMN_BANDS).map(|&value| u32::from(value)).sum();
        *value = (sum / columns) as u8;
    }
}

/// The last columns of a microphone, oldest first.
#[derive(Clone, Debug)]
pub(crate) struct Scroll {
    values: std::collections::VecDeque<u8>,
}

/// Columns that the live picture shows: about 12 s at the usual hop.
const SCROLL_COLUMNS: usize = 512;

impl Default for Scroll {
    fn default() -> Self {
        Self { values: std::iter::repeat_n(0, SCROLL_COLUMNS * COLUMN_BANDS).collect() }
    }
}

impl Scroll {
    /// Moves the picture on by `columns`, `[frames, COLUMN_BANDS]`.
    pub(crate) fn push(&mut self, columns: &[u8]) {
        let whole = columns.len() / COLUMN_BANDS * COLUMN_BANDS;
        let newest = &columns[whole.saturating_sub(SCROLL_COLUMNS * COLUMN_BANDS)..whole];
        self.values.drain(..newest.len());
        self.values.extend(newest);
    }

    /// Draws what is there now.
    ///
    /// # Errors
    /// What the browser says.
    pub(crate) fn draw(&mut self, canvas: &HtmlCanvasElement) -> Result<(), JsValue> {
        draw(canvas, self.values.make_contiguous().chunks_exact(COLUMN_BANDS), SCROLL_COLUMNS)
    }
}

fn draw<'a>(
    canvas: &HtmlCanvasElement,
    columns: impl Iterator<Item = &'a [u8]>,
    width: usize,
) -> Result<(), JsValue> {
    if width == 0 {
        return Ok(());
    }
    let mut pixels = vec![255; width * COLUMN_BANDS * 4];
    for (x, column) in columns.enumerate() {
        for (band, &value) in column.iter().enumerate() {
            let y = COLUMN_BANDS - 1 - band;
            let at = (y * width + x) * 4;
            pixels[at..at + 3].copy_from_slice(&VIRIDIS[usize::from(value)]);
        }
    }
    if canvas.width() != width as u32 {
        canvas.set_width(width as u32);
    }
    let image =
        ImageData::new_with_u8_clamped_array_and_sh(Clamped(&pixels), width as u32, COLUMN_BANDS as u32)?;
    canvas::context(canvas)?.put_image_data(&image, 0.0, 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clip(value: u8, frames: usize) -> Vec<u8> {
        vec![value; frames * COLUMN_BANDS]
    }

    fn at(columns: &Columns, second: f64) -> u8 {
        columns.values[(second / columns.step) as usize * COLUMN_BANDS]
    }

    #[test]
    fn clips_lie_where_they_belong_in_any_order() {
        let mut columns = Columns::default();
        columns.lay(6.0, 9.0, &clip(30, 130));
        columns.lay(0.0, 3.0, &clip(10, 130));
        columns.lay(3.0, 6.0, &clip(20, 130));
        assert_eq!(columns.len(), 390);
        assert_eq!([at(&columns, 1.0), at(&columns, 4.0), at(&columns, 7.0)], [10, 20, 30]);
    }

    #[test]
    fn a_long_mix_stays_small_and_in_place() {
        let mut columns = Columns::default();
        for number in 0..3600 {
            let start = f64::from(number) * 3.0;
            columns.lay(start, start + 3.0, &clip((number / 36) as u8, 130));
        }
        assert!(columns.len() <= MOST_COLUMNS && columns.len() > MOST_COLUMNS / 2);
        assert!((columns.seconds() - 10_800.0).abs() < 2.0 * columns.step, "{}", columns.seconds());
        for hundredth in 0..100 {
            let middle = (f64::from(hundredth) + 0.5) * 108.0;
            assert_eq!(at(&columns, middle), hundredth as u8);
        }
    }

    #[test]
    fn halving_takes_the_mean_of_each_two() {
        let mut columns = Columns::default();
        columns.lay(0.0, 3.0, &[clip(10, 1), clip(20, 1), clip(40, 1)].concat());
        columns.halve();
        assert_eq!((columns.len(), columns.values[0], columns.values[COLUMN_BANDS]), (2, 15, 40));
    }

    #[test]
    fn nonsense_is_left_out() {
        let mut columns = Columns::default();
        columns.lay(0.0, f64::INFINITY, &clip(1, 4));
        columns.lay(f64::NAN, 3.0, &[]);
        columns.lay(5.0, 3.0, &clip(1, 4));
        columns.lay(0.0, 3.0, &[1; COLUMN_BANDS - 1]);
        assert_eq!(columns.len(), 0);
        columns.lay(0.0, 1e300, &clip(1, 4));
        assert!(columns.len() <= MOST_COLUMNS);
    }

    #[test]
    fn a_stretch_lies_between_the_columns_it_has() {
        let mut columns = Columns::default();
        columns.lay(0.0, 4.0, &[clip(10, 1), clip(20, 1), clip(30, 1), clip(40, 1)].concat());
        let bands = |from, to, width| -> Vec<u8> {
            columns.stretch(from, to, width).chunks_exact(COLUMN_BANDS).map(|column| column[0]).collect()
        };
        assert_eq!(bands(0.0, 4.0, 4), [10, 20, 30, 40]);
        assert_eq!(bands(1.0, 3.0, 4), [18, 23, 28, 33]);
        assert_eq!(bands(3.0, 7.0, 4), [40, 0, 0, 0]);
        assert!(Columns::default().stretch(0.0, 4.0, 2).iter().all(|&value| value == 0));
    }

    #[test]
    fn the_live_picture_keeps_the_newest() {
        let mut scroll = Scroll::default();
        scroll.push(&clip(7, SCROLL_COLUMNS * 3));
        scroll.push(&clip(9, 2));
        assert_eq!(scroll.values.len(), SCROLL_COLUMNS * COLUMN_BANDS);
        assert_eq!((scroll.values.front(), scroll.values.back()), (Some(&7), Some(&9)));
    }
}
