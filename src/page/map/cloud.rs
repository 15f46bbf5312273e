//! Clips as points in a square.
//!
//! In: their places and genres, and which genre is looked at. Out: a canvas, each
//! genre by colour, shape and, while it is looked at, letters; the arrow keys and
//! the pointer go from clip to clip, and what is pointed at is said below.

use std::sync::Arc;

use leptos::html::{Canvas, Div};
use leptos::prelude::*;
use wasm_bindgen::JsValue;
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement, KeyboardEvent, PointerEvent};

use super::super::timeline::Redraw;
use super::super::words::{self, sentence, t};
use super::super::{browser, canvas, colors, css};
use crate::classify::map::{Points, SIDE};
use crate::order::order;

/// How near the pointer has to be to a point, in CSS pixels.
const REACH: f64 = 14.0;
/// Narrowest square in which letters can be read, in CSS pixels.
const ROOM_FOR_LETTERS: f64 = 420.0;
/// How much is left of the genres that are not looked at.
const FADED: f64 = 0.13;
/// Shapes there are.
const SHAPES: usize = 5;

/// Which genre is looked at: the one that is pointed at, else the one chosen.
#[derive(Clone, Copy)]
pub(super) struct Look {
    /// Chosen by a click.
    pub(super) chosen: RwSignal<Option<usize>>,
    /// Under the pointer or the keyboard.
    pub(super) passing: RwSignal<Option<usize>>,
}

impl Look {
    /// At all of them.
    pub(super) fn new() -> Self {
        Self { chosen: RwSignal::new(None), passing: RwSignal::new(None) }
    }

    /// The genre, if it is one.
    pub(super) fn genre(self) -> Option<usize> {
        self.passing.get().or(self.chosen.get())
    }
}

/// The points.
#[component]
pub(super) fn Cloud(
    /// Where they are.
    points: Arc<Points>,
    /// Names of the genres.
    genres: Arc<Vec<String>>,
    /// Which genre is looked at.
    look: Look,
    /// What the network says of each, where that is known: then one goes from
    /// point to point.
    said: Option<Vec<u8>>,
    /// What it is, by the key of its name.
    name: &'static str,
    /// What lies over the points.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    let redraw = expect_context::<Redraw>();
    let canvas = NodeRef::<Canvas>::new();
    let square = NodeRef::<Div>::new();
    let pointed = RwSignal::new(None::<usize>);
    Effect::new({
        let (points, genres) = (points.clone(), genres.clone());
        move |_| {
            redraw.0.track();
            let genre = look.genre();
            if let Some(canvas) = canvas.get() {
                // A picture that cannot be drawn is left as it is: the tables say
                // the same.
                let _ = draw(&canvas, &points, &genres, genre);
            }
        }
    });
    let can_point = said.is_some();
    let on_move = {
        let points = points.clone();
        move |event: PointerEvent| {
            if let Some(square) = square.get_untracked().filter(|_| can_point) {
                let bounds = square.get_bounding_client_rect();
                let (x, y) =
                    (f64::from(event.client_x()) - bounds.left(), f64::from(event.client_y()) - bounds.top());
                pointed.set(nearest(&points, [x, y], bounds.width()));
            }
        }
    };
    let on_key = {
        let points = points.clone();
        move |event: KeyboardEvent| {
            if !can_point || browser::is_held(&event) {
                return;
            }
            let next = match event.key().as_str() {
                "ArrowRight" => along(&points, pointed.get_untracked(), [1, 0]),
                "ArrowLeft" => along(&points, pointed.get_untracked(), [-1, 0]),
                "ArrowDown" => along(&points, pointed.get_untracked(), [0, 1]),
                "ArrowUp" => along(&points, pointed.get_untracked(), [0, -1]),
                "Home" => first_of(&points, look.chosen.get_untracked()),
                "End" => last_of(&points, look.chosen.get_untracked()),
                "Escape" if pointed.get_untracked().is_some() => None,
                _ => return,
            };
            pointed.set(next);
            event.prevent_default();
        }
    };
    let ring = {
        let points = points.clone();
        move || {
            pointed.get().and_then(|clip| points.place.get(clip).copied()).map(|[x, y]| view! {
                <span class="ring" aria-hidden="true" style:left=along_side(f32::from(x)) style:top=along_side(f32::from(y))></span>
            })
        }
    };
    let told = {
        let genres = genres.clone();
        move || {
            let Some(clip) = pointed.get() else { return t!("map.keys") };
            let genre = points.genre.get(clip).copied().map(usize::from).unwrap_or_default();
            let heard = said.as_ref().and_then(|said| said.get(clip).copied()).map(usize::from);
            let (truth, clip) = (words::genre_at(&genres, genre), clip + 1);
            match heard {
                Some(heard) if heard != genre => {
                    t!("map.clip_wrong", clip = clip, genre = truth, said = words::genre_at(&genres, heard))
                }
                _ => t!("map.clip_right", clip = clip, genre = truth),
            }
        }
    };
    view! {
        <div
            node_ref=square
            class="cloud"
            role={if can_point { "application" } else { "img" }}
            tabindex=can_point.then_some("0")
            aria-label=sentence(name)
            data-testid="cloud"
            on:pointerdown=on_move.clone()
            on:pointermove=on_move
            // A finger leaves as soon as it is lifted, and what it tapped is to be read.
            on:pointerleave=move |event| {
                if event.pointer_type() != "touch" {
                    pointed.set(None);
                }
            }
            on:keydown=on_key
        >
            <canvas node_ref=canvas width="1" height="1" aria-hidden="true"></canvas>
            {ring}
            {children.map(|children| children())}
        </div>
        {can_point.then(|| view! { <p class="quiet small told" role="status" data-testid="map-told">{told}</p> })}
    }
}

/// How far along the map's side a place is, as CSS has it.
pub(super) fn along_side(place: f32) -> String {
    css::percentage(f64::from(place / f32::from(SIDE)))
}

/// The point nearest to `at`, in CSS pixels of a square `side` wide, within
/// [`REACH`].
fn nearest(points: &Points, at: [f64; 2], side: f64) -> Option<usize> {
    let scale = side / f64::from(SIDE);
    let distance = |place: &[u16; 2]| {
        let [x, y] = [0, 1].map(|axis| f64::from(place[axis]) * scale - at[axis]);
        x * x + y * y
    };
    let distances = points.place.iter().map(distance).enumerate();
    let (clip, distance) = distances.min_by(|(_, a), (_, b)| a.total_cmp(b))?;
    (distance <= REACH * REACH).then_some(clip)
}

/// The nearest point in a direction, within a quarter turn of it; where there is
/// none, the point one is at; from none, the first.
fn along(points: &Points, from: Option<usize>, [right, down]: [i32; 2]) -> Option<usize> {
    let Some(from) = from else { return first_of(points, None) };
    let &[x, y] = points.place.get(from)?;
    let others = points.place.iter().enumerate().filter_map(|(clip, place)| {
        let [across, along] = [i32::from(place[0]) - i32::from(x), i32::from(place[1]) - i32::from(y)];
        let forward = across * right + along * down;
        let aside = (across * down).abs() + (along * right).abs();
        (forward > 0 && aside <= forward).then_some((forward + aside, clip))
    });
    others.min().map_or(Some(from), |(_, clip)| Some(clip))
}

/// The first point of a genre, or of all.
fn first_of(points: &Points, genre: Option<usize>) -> Option<usize> {
    points.genre.iter().position(|of| genre.is_none_or(|genre| usize::from(*of) == genre))
}

/// The last point of a genre, or of all.
fn last_of(points: &Points, genre: Option<usize>) -> Option<usize> {
    points.genre.iter().rposition(|of| genre.is_none_or(|genre| usize::from(*of) == genre))
}

/// Draws all points, those of `genre` last, larger and with their letters.
///
/// # Errors
/// What the browser says.
fn draw(
    canvas: &HtmlCanvasElement,
    points: &Points,
    genres: &[String],
    genre: Option<usize>,
) -> Result<(), JsValue> {
    let (context, side, _) = canvas::cleared(canvas)?;
    canvas::letter(&context, "600 11px system-ui, sans-serif");
    let dark = browser::media_matches(colors::DARK_SCHEME);
    let scale = side / f64::from(SIDE);
    let radius = (side / 170.0).clamp(2.2, 4.5);
    let is_looked_at = |of: u8| genre.is_none_or(|genre| usize::from(of) == genre);
    for looked_at in [false, true] {
        context.set_global_alpha(if looked_at { 0.9 } else { FADED });
        for (&of, &[x, y]) in points.genre.iter().zip(&points.place) {
            if is_looked_at(of) != looked_at {
                continue;
            }
            let at = [f64::from(x) * scale, f64::from(y) * scale];
            let of = usize::from(of);
            context.set_fill_style_str(&colors::css(colors::genre(of, dark)));
            if genre.is_some() && looked_at && side >= ROOM_FOR_LETTERS {
                context.fill_text(&colors::letters(genres, of), at[0], at[1])?;
            } else {
                shape(&context, of, at, radius)?;
            }
        }
    }
    context.set_global_alpha(1.0);
    if genre.is_none() {
        names(&context, points, genres, scale, dark)?;
    }
    Ok(())
}

/// One point: the genre's shape.
fn shape(
    context: &CanvasRenderingContext2d,
    genre: usize,
    [x, y]: [f64; 2],
    radius: f64,
) -> Result<(), JsValue> {
    context.begin_path();
    let corners: &[[f64; 2]] = match genre % SHAPES {
        0 => {
            context.arc(x, y, radius, 0.0, std::f64::consts::TAU)?;
            &[]
        }
        1 => &[[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]],
        2 => &[[0.0, -1.2], [1.1, 0.8], [-1.1, 0.8]],
        3 => &[[0.0, -1.3], [1.1, 0.0], [0.0, 1.3], [-1.1, 0.0]],
        _ => &[[0.0, 1.2], [1.1, -0.8], [-1.1, -0.8]],
    };
    for [right, down] in corners {
        context.line_to(x + radius * right, y + radius * down);
    }
    context.close_path();
    context.fill();
    Ok(())
}

/// The letters of each genre in the middle of its points.
fn names(
    context: &CanvasRenderingContext2d,
    points: &Points,
    genres: &[String],
    scale: f64,
    dark: bool,
) -> Result<(), JsValue> {
    context.set_font("650 14px system-ui, sans-serif");
    for genre in 0..genres.len() {
        let Some([x, y]) = middle(points, genre) else { continue };
        let ground = colors::genre(genre, dark);
        let at = [f64::from(x) * scale, f64::from(y) * scale];
        context.set_fill_style_str(&colors::css(ground));
        context.fill_rect(at[0] - 14.0, at[1] - 10.0, 28.0, 20.0);
        context.set_fill_style_str(&colors::css(colors::ink(ground)));
        context.fill_text(&colors::letters(genres, genre), at[0], at[1] + 0.5)?;
    }
    Ok(())
}

/// The median place of a genre in each direction.
fn middle(points: &Points, genre: usize) -> Option<[u16; 2]> {
    let own = points.genre.iter().zip(&points.place).filter(|(of, _)| usize::from(**of) == genre);
    let own: Vec<[u16; 2]> = own.map(|(_, place)| *place).collect();
    let median = |along: usize| {
        let order = order(own.len(), &|a, b| own[a][along].cmp(&own[b][along]));
        Some(own[*order.get(own.len() / 2)?][along])
    };
    Some([median(0)?, median(1)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points() -> Points {
        Points { genre: vec![0, 1, 0, 1], place: vec![[100, 100], [500, 120], [480, 450], [120, 900]] }
    }

    #[test]
    fn keys_go_to_the_nearest_point_in_their_direction() {
        let points = points();
        assert_eq!(along(&points, None, [1, 0]), Some(0));
        assert_eq!(along(&points, Some(0), [1, 0]), Some(1));
        assert_eq!(along(&points, Some(1), [0, 1]), Some(2));
        assert_eq!(along(&points, Some(2), [-1, 0]), Some(0));
        // There is nothing to the right of it: one stays.
        assert_eq!(along(&points, Some(1), [1, 0]), Some(1));
        assert_eq!(along(&Points::default(), None, [1, 0]), None);
        assert_eq!(first_of(&points, Some(1)), Some(1));
    }

    #[test]
    fn the_pointer_reaches_what_is_near() {
        let points = points();
        assert_eq!(nearest(&points, [52.0, 50.0], 500.0), Some(0));
        assert_eq!(nearest(&points, [150.0, 50.0], 500.0), None);
    }

    #[test]
    fn a_genre_is_named_in_the_middle_of_its_points() {
        assert_eq!(middle(&points(), 0), Some([480, 450]));
        assert_eq!(middle(&points(), 2), None);
        assert_eq!(along_side(333.4), "3334e-2%");
    }
}
