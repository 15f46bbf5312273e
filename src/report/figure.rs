//! What all figures have in common: paper, ink and type.
//!
//! In: what a figure draws. Out: the text of an SVG, by plotters. Type is the
//! reader's own sans-serif, so nothing here knows how wide a word is: what must
//! not overlap is given room.

use plotters::{
    coord::Shift,
    prelude::{
        DrawingArea, DrawingAreaErrorKind, IntoDrawingArea, IntoFont, RGBColor, SVGBackend, Text, TextStyle,
    },
    style::{
        Color,
        text_anchor::{HPos, Pos, VPos},
    },
};

use super::palette::Rgb;

/// Ground of every figure: it has to stand on dark pages as well.
pub(super) const PAPER: RGBColor = RGBColor(255, 255, 255);
/// Words and numbers.
pub(super) const INK: RGBColor = RGBColor(0x22, 0x26, 0x2b);
/// What is said beside.
pub(super) const QUIET: RGBColor = RGBColor(0x5c, 0x63, 0x6b);
/// Lines of a grid.
pub(super) const GRID: RGBColor = RGBColor(0xe3, 0xe6, 0xe9);
/// Size of a title, in pixels as plotters counts them.
pub(super) const TITLE: u32 = 21;
/// Size of other words.
pub(super) const BODY: u32 = 16;

/// Why there is no figure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the figure cannot be drawn: {0}")]
pub struct FigureError(pub(super) String);

impl<E: std::error::Error + Send + Sync> From<DrawingAreaErrorKind<E>> for FigureError {
    fn from(error: DrawingAreaErrorKind<E>) -> Self {
        Self(error.to_string())
    }
}

/// Where a figure is drawn.
pub(super) type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Has `content` draw on paper of `size` pixels.
pub(super) fn figure(
    size: (u32, u32),
    content: impl FnOnce(&Canvas<'_>) -> Result<(), FigureError>,
) -> Result<String, FigureError> {
    let mut svg = String::new();
    {
        let canvas = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        canvas.fill(&PAPER)?;
        content(&canvas)?;
        canvas.present()?;
    }
    Ok(svg)
}

/// Type of a size and colour, standing at its point as `horizontal` and `vertical`
/// say.
pub(super) fn style<'a>(size: u32, colour: RGBColor, horizontal: HPos, vertical: VPos) -> TextStyle<'a> {
    TextStyle {
        font: ("sans-serif", size).into_font(),
        color: colour.to_backend_color(),
        pos: Pos::new(horizontal, vertical),
    }
}

/// Words at a point.
pub(super) fn words(
    canvas: &Canvas<'_>,
    text: &str,
    at: (i32, i32),
    style: TextStyle<'_>,
) -> Result<(), FigureError> {
    Ok(canvas.draw(&Text::new(text, at, style))?)
}

/// Title and, below it, what it is of.
pub(super) fn heading(canvas: &Canvas<'_>, title: &str, subtitle: &str) -> Result<(), FigureError> {
    words(canvas, title, (20, 16), style(TITLE, INK, HPos::Left, VPos::Top))?;
    words(canvas, subtitle, (20, 40), style(BODY, QUIET, HPos::Left, VPos::Top))
}

/// A name in at most as many letters.
pub(super) fn short(name: &str, letters: usize) -> String {
    if name.chars().count() <= letters {
        return name.to_owned();
    }
    name.chars().take(letters.saturating_sub(1)).chain(['…']).collect()
}

/// A colour of the palette as plotters has it.
pub(super) fn colour([red, green, blue]: Rgb) -> RGBColor {
    RGBColor(red, green, blue)
}
