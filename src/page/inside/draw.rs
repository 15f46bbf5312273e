//! A stage's values on a canvas.
//!
//! In: values. Out: pixels; what is a map has a pixel for each cell, which CSS
//! stretches, what is a curve as many as the screen has.

use leptos::prelude::window;
use wasm_bindgen::{Clamped, JsValue};
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement, ImageData};

use super::super::canvas::{cleared, context};
use super::shown::Maps;
use crate::spectrogram::picture::VIRIDIS;

/// Share of a picture's light that is left where a filter is silent.
const DIMMED: f32 = 0.2;

/// Side of a filter in the mosaic, in pixels: no screen shows more of it.
const TILE: usize = 32;

/// Pixels between two of them.
const GAP: usize = 2;

/// Filters side by side in the mosaic.
pub(super) const MOSAIC_COLUMNS: usize = 16;

/// A map of viridis indices, `[height, width]`, row 0 at the bottom.
///
/// # Errors
/// What the browser says, out of memory for example.
pub(super) fn heat(
    canvas: &HtmlCanvasElement,
    indices: &[u8],
    [height, width]: [usize; 2],
) -> Result<(), JsValue> {
    paint(canvas, [height, width], |row, column| {
        Some(VIRIDIS[usize::from(*indices.get((height - 1 - row) * width + column)?)])
    })
}

/// A picture of viridis indices, lit where a filter's map, of any size, fires.
///
/// # Errors
/// As [`heat`].
pub(super) fn lit(
    canvas: &HtmlCanvasElement,
    (indices, [height, width]): (&[u8], [usize; 2]),
    maps: Maps<'_>,
    filter: usize,
) -> Result<(), JsValue> {
    let map = maps.map(filter);
    let most = f32::from(map.iter().copied().max().unwrap_or(0).max(1));
    paint(canvas, [height, width], |row, column| {
        let row = height - 1 - row;
        let place = row * maps.height / height * maps.width + column * maps.width / width;
        // The root, because what fires a little is to be seen too.
        let light = map.get(place).map_or(0.0, |byte| (f32::from(*byte) / most).sqrt());
        let light = DIMMED + (1.0 - DIMMED) * light;
        let colour = VIRIDIS[usize::from(*indices.get(row * width + column)?)];
        Some(colour.map(|channel| (f32::from(channel) * light) as u8))
    })
}

/// One filter's map, its own values from darkest to brightest.
///
/// # Errors
/// As [`heat`].
pub(super) fn map(canvas: &HtmlCanvasElement, maps: Maps<'_>, filter: usize) -> Result<(), JsValue> {
    heat(canvas, &stretched(maps.map(filter)), [maps.height, maps.width])
}

/// All filters of a layer as small pictures, [`MOSAIC_COLUMNS`] in a row, each
/// from its own darkest to its brightest.
///
/// # Errors
/// As [`heat`].
pub(super) fn mosaic(canvas: &HtmlCanvasElement, maps: Maps<'_>) -> Result<(), JsValue> {
    let tiles: Vec<_> = (0..maps.filters).map(|filter| stretched(maps.map(filter))).collect();
    let rows = maps.filters.div_ceil(MOSAIC_COLUMNS);
    paint(canvas, [rows * (TILE + GAP), MOSAIC_COLUMNS * (TILE + GAP)], |row, column| {
        let tile = tiles.get(row / (TILE + GAP) * MOSAIC_COLUMNS + column / (TILE + GAP))?;
        let (row, column) = (row % (TILE + GAP), column % (TILE + GAP));
        // Row 0 is the lowest band: it lies at the bottom.
        let from_bottom = TILE.checked_sub(row + 1)? * maps.height / TILE;
        let from_left = (column < TILE).then_some(column * maps.width / TILE)?;
        Some(VIRIDIS[usize::from(*tile.get(from_bottom * maps.width + from_left)?)])
    })
}

/// A map's bytes stretched to the whole range of colours.
fn stretched(map: &[u8]) -> Vec<u8> {
    let most = u16::from(map.iter().copied().max().unwrap_or(0).max(1));
    map.iter().map(|byte| (u16::from(*byte) * 255 / most) as u8).collect()
}

/// Paints a pixel for each cell of `[height, width]`; one without a colour is
/// left clear.
fn paint(
    canvas: &HtmlCanvasElement,
    [height, width]: [usize; 2],
    colour: impl Fn(usize, usize) -> Option<[u8; 3]>,
) -> Result<(), JsValue> {
    if height == 0 || width == 0 {
        return Ok(());
    }
    let mut pixels = vec![0; height * width * 4];
    for (row, line) in pixels.chunks_exact_mut(width * 4).enumerate() {
        for (column, pixel) in line.chunks_exact_mut(4).enumerate() {
            if let Some([red, green, blue]) = colour(row, column) {
                pixel.copy_from_slice(&[red, green, blue, 255]);
            }
        }
    }
    canvas.set_width(width as u32);
    canvas.set_height(height as u32);
    let image = ImageData::new_with_u8_clamped_array_and_sh(Clamped(&pixels), width as u32, height as u32)?;
    context(canvas)?.put_image_data(&image, 0.0, 0.0)
}

/// A canvas whose unit is a CSS pixel.
pub(super) struct Sheet {
    context: CanvasRenderingContext2d,
    width: f64,
    height: f64,
    styles: web_sys::CssStyleDeclaration,
}

impl Sheet {
    /// Clears the canvas and takes its size from the page.
    ///
    /// # Errors
    /// As [`heat`].
    pub(super) fn of(canvas: &HtmlCanvasElement) -> Result<Self, JsValue> {
        let (context, width, height) = cleared(canvas)?;
        context.set_line_join("round");
        let styles = window().get_computed_style(canvas)?.ok_or(JsValue::NULL)?;
        Ok(Self { context, width, height, styles })
    }

    /// A colour of the page, by its custom property.
    fn ink(&self, property: &str) -> String {
        self.styles.get_property_value(property).unwrap_or_default()
    }

    /// A curve through values at even distances, `range` from bottom to top, so
    /// many CSS pixels `wide`.
    pub(super) fn curve(&self, values: &[f32], range: [f32; 2], ink: &str, wide: f64) {
        let step = self.width / values.len().saturating_sub(1).max(1) as f64;
        self.stroke(
            values.iter().enumerate().map(|(at, value)| (at as f64 * step, *value)),
            range,
            ink,
            wide,
        );
    }

    /// A line through points at `x` in CSS pixels.
    fn stroke(&self, points: impl Iterator<Item = (f64, f32)>, range: [f32; 2], ink: &str, wide: f64) {
        self.context.set_stroke_style_str(&self.ink(ink));
        self.context.set_line_width(wide);
        self.context.begin_path();
        for (x, value) in points {
            self.context.line_to(x, self.level(value, range));
        }
        self.context.stroke();
    }

    fn level(&self, value: f32, [least, most]: [f32; 2]) -> f64 {
        let share = f64::from(value - least) / f64::from(most - least).max(f64::MIN_POSITIVE);
        // Half of the line's width is left at either end.
        1.0 + (1.0 - share.clamp(0.0, 1.0)) * (self.height - 2.0)
    }

    /// The extremes of a waveform, `[columns, 2]`.
    pub(super) fn wave(&self, extremes: &[f32]) {
        self.context.set_fill_style_str(&self.ink("--text"));
        let columns = extremes.as_chunks::<2>().0;
        let step = self.width / columns.len().max(1) as f64;
        for (column, [least, most]) in columns.iter().enumerate() {
            let (top, bottom) = (self.level(*most, [-1.0, 1.0]), self.level(*least, [-1.0, 1.0]));
            self.context.fill_rect(column as f64 * step, top, step.max(0.75), (bottom - top).max(1.0));
        }
    }

    /// A bar for each value, from 0 up.
    pub(super) fn bars(&self, values: &[f32], ink: impl Fn(usize) -> Option<String>) {
        let most = values.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
        let step = self.width / values.len().max(1) as f64;
        let gap = if step > 4.0 { 1.0 } else { 0.0 };
        let text = self.ink("--text");
        for (at, value) in values.iter().enumerate() {
            self.context.set_fill_style_str(&ink(at).unwrap_or_else(|| text.clone()));
            let top = self.level(*value, [0.0, most]);
            self.context.fill_rect(at as f64 * step, top, step - gap, self.height - top);
        }
    }

    /// Triangles over an axis of frequencies up to `highest`, by their corners.
    pub(super) fn triangles(&self, corners: &[f32], every: usize, highest: f32) {
        let place = |hz: f32| f64::from(hz / highest.max(1.0)) * self.width;
        for triangle in corners.windows(3).step_by(every.max(1)) {
            let points = triangle.iter().zip([0.0, 1.0, 0.0]).map(|(hz, level)| (place(*hz), level));
            self.stroke(points, [0.0, 1.0], "--accent", 1.0);
        }
    }
}
