//! Canvases that are drawn on.
//!
//! In: a canvas of the page. Out: its context, as sharp as the screen.

use leptos::prelude::window;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement};

/// The context of a canvas, as it is.
///
/// # Errors
/// What the browser says, out of memory for example.
pub(crate) fn context(canvas: &HtmlCanvasElement) -> Result<CanvasRenderingContext2d, JsValue> {
    Ok(canvas.get_context("2d")?.ok_or(JsValue::NULL)?.unchecked_into())
}

/// A cleared canvas with a pixel for each of the screen's, whose unit is a CSS
/// pixel: its context, width and height.
///
/// # Errors
/// As [`context`].
pub(crate) fn cleared(canvas: &HtmlCanvasElement) -> Result<(CanvasRenderingContext2d, f64, f64), JsValue> {
    let ratio = window().device_pixel_ratio();
    let (width, height) = (f64::from(canvas.client_width()), f64::from(canvas.client_height()));
    canvas.set_width((width * ratio).round() as u32);
    canvas.set_height((height * ratio).round() as u32);
    let context = context(canvas)?;
    context.scale(ratio, ratio)?;
    Ok((context, width, height))
}

/// Has texts of this font stand around the point that they are given.
pub(crate) fn letter(context: &CanvasRenderingContext2d, font: &str) {
    context.set_font(font);
    context.set_text_align("center");
    context.set_text_baseline("middle");
}
