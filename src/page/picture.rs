//! A result as a picture card, to be shown to others.
//!
//! In: a result. Out: a PNG of 1200 by 630 pixels, the size in which links are
//! commonly shown: title, verdict, the band of genres, the three most probable.

use js_sys::{Function, Promise};
use leptos::prelude::document;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, CanvasRenderingContext2d, HtmlCanvasElement};

use super::timeline::draw_band_on;
use super::{canvas, colors, result, words};
use crate::classify::verdict::SongVerdict;
use crate::library::share::Shared;

const WIDTH: f64 = 1200.0;
const HEIGHT: f64 = 630.0;
const MARGIN: f64 = 72.0;

/// The stylesheet's colours in the light scheme: a picture has no scheme.
const PAPER: &str = "#f6f1e7";
const TEXT: &str = "#1f1a17";
const QUIET: &str = "#655b52";
const TRACK: &str = "#ffffff";
const LABEL: &str = "#a8321c";

const SERIF: &str = "ui-serif, Palatino, Georgia, serif";
const SANS: &str = "system-ui, -apple-system, \"Segoe UI\", Roboto, sans-serif";

/// The picture of a result.
///
/// # Errors
/// What the browser says where it cannot draw, or make a PNG of it.
pub(super) async fn of(shared: &Shared) -> Result<Blob, JsValue> {
    let canvas: HtmlCanvasElement = document().create_element("canvas")?.unchecked_into();
    canvas.set_width(WIDTH as u32);
    canvas.set_height(HEIGHT as u32);
    draw(&canvas::context(&canvas)?, shared)?;
    let promise = Promise::new(&mut |give: Function, fail: Function| {
        if let Err(error) = canvas.to_blob(&give) {
            // It was promised a caller.
            let _ = fail.call1(&JsValue::UNDEFINED, &error);
        }
    });
    JsFuture::from(promise).await?.dyn_into()
}

fn draw(context: &CanvasRenderingContext2d, shared: &Shared) -> Result<(), JsValue> {
    let fill = |color: &str, x: f64, y: f64, width: f64, height: f64| {
        context.set_fill_style_str(color);
        context.fill_rect(x, y, width, height);
    };
    let write = |text: &str, font: &str, color: &str, x: f64, y: f64, room: f64| {
        context.set_font(font);
        context.set_fill_style_str(color);
        let text = shortened(text, room, |text| context.measure_text(text).map_or(0.0, |size| size.width()));
        context.fill_text(&text, x, y)
    };
    let inner = WIDTH - 2.0 * MARGIN;
    fill(PAPER, 0.0, 0.0, WIDTH, HEIGHT);
    fill(LABEL, 0.0, 0.0, WIDTH, 16.0);
    write(&shared.title, &format!("600 56px {SERIF}"), TEXT, MARGIN, 130.0, inner)?;
    write(&shared.artist, &format!("30px {SANS}"), QUIET, MARGIN, 180.0, inner)?;

    let ranking = SongVerdict::Genre { probabilities: shared.probabilities.clone() }.ranking();
    let name = |index: usize| words::genre_at(&shared.genres, index);
    match ranking.first() {
        Some(_) if shared.not_sure => {
            write(&words::t!("song.not_sure"), &format!("600 76px {SERIF}"), TEXT, MARGIN, 290.0, inner)?;
        }
        Some(&(index, share)) => {
            let verdict = format!("{}  {}", name(index), words::percent(share));
            write(&verdict, &format!("600 76px {SERIF}"), TEXT, MARGIN, 290.0, inner)?;
        }
        None => write(&words::t!("song.silence"), &format!("600 76px {SERIF}"), TEXT, MARGIN, 290.0, inner)?,
    }

    fill(TRACK, MARGIN, 330.0, inner, 56.0);
    context.save();
    context.translate(MARGIN, 330.0)?;
    let clips = result::clips_of(shared);
    draw_band_on(context, (inner, 56.0), &clips, f64::from(shared.seconds), &shared.genres, false)?;
    context.restore();
    context.set_text_align("left");
    context.set_text_baseline("alphabetic");

    for (place, &(index, share)) in ranking.iter().take(3).enumerate() {
        let y = 430.0 + 44.0 * place as f64;
        let color = colors::css(colors::genre(index, false));
        write(&name(index), &format!("28px {SANS}"), TEXT, MARGIN, y + 22.0, 220.0)?;
        fill(TRACK, MARGIN + 240.0, y + 4.0, 640.0, 20.0);
        fill(&color, MARGIN + 240.0, y + 4.0, 640.0 * f64::from(share), 20.0);
        write(&words::percent(share), &format!("28px {SANS}"), TEXT, MARGIN + 910.0, y + 22.0, 150.0)?;
    }
    let foot = format!("{} · {}", words::NAME, words::clock(f64::from(shared.seconds)));
    write(&foot, &format!("24px {SANS}"), QUIET, MARGIN, HEIGHT - 36.0, inner)
}

/// As much of `text` as has room, with an ellipsis where not all has.
fn shortened(text: &str, room: f64, width: impl Fn(&str) -> f64) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let mut letters: Vec<char> = text.chars().collect();
    while letters.pop().is_some() {
        let shorter: String = letters.iter().chain(['…'].iter()).collect();
        if width(&shorter) <= room {
            return shorter;
        }
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STYLE: &str = include_str!("../../www/style.css");

    #[test]
    fn the_colours_are_the_stylesheets() {
        for (name, color) in
            [("paper", PAPER), ("text", TEXT), ("quiet", QUIET), ("track", TRACK), ("label", LABEL)]
        {
            let first = STYLE.split_once(&format!("--{name}: ")).unwrap().1;
            assert!(first.starts_with(color), "{name}");
        }
    }

    #[test]
    fn long_titles_end_in_an_ellipsis() {
        let width = |text: &str| text.chars().count() as f64;
        assert_eq!(shortened("abc", 3.0, width), "abc");
        assert_eq!(shortened("äbcdef", 4.0, width), "äbc…");
        assert_eq!(shortened("abc", 0.0, width), "");
    }
}
