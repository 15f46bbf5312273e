//! What was taken for what.
//!
//! In: the scores of a part. Out: the confusion matrix as an SVG, clips in every
//! cell, with recall beside the rows and precision below the columns.

use plotters::{
    prelude::{RGBColor, Rectangle},
    style::{
        Color,
        text_anchor::{HPos, VPos},
    },
};

use super::{
    figure::{
        BODY, Canvas, FigureError, GRID, INK, PAPER, QUIET, colour, figure, heading, short, style, words,
    },
    palette,
    result::{RunResult, Scores},
};

/// Side of a cell, in pixels.
const CELL: i32 = 68;
/// The least width at which the heading has room.
const LEAST_WIDTH: i32 = 640;
/// Where the matrix begins.
const ORIGIN: (i32, i32) = (112, 112);
/// Letters of a genre's name for which there is room.
const LETTERS: usize = 10;

/// Draws the matrix of a part's scores; `part` is its name.
///
/// # Errors
/// [`FigureError`].
pub fn confusion(result: &RunResult, part: &str, scores: &Scores) -> Result<String, FigureError> {
    let genres = &result.genres;
    let side = genres.len() as i32 * CELL;
    let size = ((ORIGIN.0 + side + CELL + 20).max(LEAST_WIDTH), ORIGIN.1 + side + CELL);
    let subtitle = format!(
        "{} clips of {part}, split {}: rows are what is so, columns what was said",
        scores.clips, result.split.name
    );
    figure((size.0 as u32, size.1 as u32), |canvas| {
        heading(canvas, &format!("{}: what was taken for what", result.name), &subtitle)?;
        for (at, name) in genres.iter().enumerate() {
            let middle = at as i32 * CELL + CELL / 2;
            let (row, column) = ((ORIGIN.0 - 10, ORIGIN.1 + middle), (ORIGIN.0 + middle, ORIGIN.1 - 14));
            let name = short(name, LETTERS);
            words(canvas, &name, row, style(BODY, INK, HPos::Right, VPos::Center))?;
            words(canvas, &name, column, style(BODY, INK, HPos::Center, VPos::Center))?;
            margins(canvas, scores, at, middle, side)?;
        }
        let quiet = style(BODY, QUIET, HPos::Center, VPos::Center);
        words(canvas, "recall", (ORIGIN.0 + side + CELL / 2, ORIGIN.1 - 14), quiet)?;
        let quiet = style(BODY, QUIET, HPos::Right, VPos::Center);
        words(canvas, "precision", (ORIGIN.0 - 10, ORIGIN.1 + side + CELL / 2), quiet)?;
        for (truth, row) in scores.confusion.iter().enumerate() {
            for (said, &clips) in row.iter().enumerate() {
                cell(canvas, (said, truth), clips, row.iter().sum())?;
            }
        }
        Ok(())
    })
}

/// Recall beside a row, precision below a column.
fn margins(
    canvas: &Canvas<'_>,
    scores: &Scores,
    genre: usize,
    middle: i32,
    side: i32,
) -> Result<(), FigureError> {
    let Some(score) = scores.genres.get(genre) else { return Ok(()) };
    let percent = |share: Option<f64>| share.map_or("–".into(), |share| format!("{:.0} %", 100.0 * share));
    let quiet = style(BODY, QUIET, HPos::Center, VPos::Center);
    let recall = (ORIGIN.0 + side + CELL / 2, ORIGIN.1 + middle);
    words(canvas, &percent(score.recall), recall, quiet.clone())?;
    words(canvas, &percent(score.precision), (ORIGIN.0 + middle, ORIGIN.1 + side + CELL / 2), quiet)
}

/// One cell: the more of its row, the darker.
fn cell(canvas: &Canvas<'_>, (column, row): (usize, usize), clips: u32, of: u32) -> Result<(), FigureError> {
    let corner = (ORIGIN.0 + column as i32 * CELL, ORIGIN.1 + row as i32 * CELL);
    let opposite = (corner.0 + CELL, corner.1 + CELL);
    // The root, so that a few clips show.
    let ground = blend((f64::from(clips) / f64::from(of.max(1))).sqrt());
    canvas.draw(&Rectangle::new([corner, opposite], ground.filled()))?;
    canvas.draw(&Rectangle::new([corner, opposite], GRID.stroke_width(1)))?;
    let RGBColor(red, green, blue) = ground;
    let ink = if clips == 0 { QUIET } else { colour(palette::ink([red, green, blue])) };
    let number = if clips == 0 { "·".into() } else { clips.to_string() };
    let middle = (corner.0 + CELL / 2, corner.1 + CELL / 2);
    words(canvas, &number, middle, style(BODY + 1, ink, HPos::Center, VPos::Center))
}

/// From paper to deep blue.
fn blend(share: f64) -> RGBColor {
    let mix = |from: u8, to: u8| (f64::from(from) + share * (f64::from(to) - f64::from(from))).round() as u8;
    RGBColor(mix(PAPER.0, 0x1d), mix(PAPER.1, 0x4e), mix(PAPER.2, 0x89))
}
