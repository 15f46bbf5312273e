//! The picture of a song: its spectrogram, and a band of genres under it.
//!
//! In: a [`Track`](super::track::Track). Out: two canvases, drawn only while
//! they are near the screen, and anew when there is more of the song, when the
//! window changes or the scheme does.

use gloo::events::EventListener;
use js_sys::Array;
use leptos::html::Canvas;
use leptos::prelude::*;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{
    CanvasRenderingContext2d, Element, HtmlCanvasElement, IntersectionObserver, IntersectionObserverEntry,
    IntersectionObserverInit,
};

use super::song::Song;
use super::track::HeardClip;
use super::{browser, canvas, colors, css};

/// Narrowest stretch of one genre that has its letters in it, in CSS pixels.
const ROOM_FOR_LETTERS: f64 = 20.0;

/// Pictures on paper, at most: one takes up to half a megabyte.
const MOST_PRINTED: u32 = 300;

/// Pixels from one stripe to the next where it is not music.
const STRIPE: f64 = 6.0;

/// What is drawn: a song, and the seconds that the full width stands for.
#[derive(Clone)]
pub(crate) struct Stretch {
    /// The song.
    pub(crate) song: Song,
    /// Its length, in seconds.
    pub(crate) length: Memo<f64>,
}

/// Told when every picture has to be drawn anew, another width, other colours; and whether
/// they are to be there wherever they are, because the page is being printed.
#[derive(Clone, Copy)]
pub(crate) struct Redraw(pub(crate) Trigger, pub(crate) RwSignal<bool>);

impl Redraw {
    /// Listens to the window for as long as the page lives.
    pub(crate) fn listen() -> Self {
        let (redraw, printing) = (Trigger::new(), RwSignal::new(false));
        EventListener::new(&window(), "resize", move |_| redraw.notify()).forget();
        EventListener::new(&window(), "beforeprint", move |_| {
            let pictures = document().query_selector_all("canvas.spectrogram");
            printing.set(pictures.is_ok_and(|pictures| pictures.length() <= MOST_PRINTED));
        })
        .forget();
        EventListener::new(&window(), "afterprint", move |_| printing.set(false)).forget();
        colors::on_scheme_change(move || {
            colors::hand_to_stylesheet();
            redraw.notify();
        });
        Self(redraw, printing)
    }

    /// Has the effect that calls this run again when it is time.
    pub(crate) fn track(self) {
        self.0.track();
    }
}

/// Spectrogram and band of a song.
#[component]
pub(crate) fn Picture(
    /// What is drawn.
    stretch: Stretch,
) -> impl IntoView {
    let Stretch { song, length } = stretch;
    let Redraw(redraw, printing) = expect_context::<Redraw>();
    let spectrogram = NodeRef::<Canvas>::new();
    let band = NodeRef::<Canvas>::new();
    let near = near_screen(spectrogram);
    let hearing = song.hearing.clone();
    let drawn_seconds = RwSignal::new(0.0);
    Effect::new(move |_| {
        hearing.track();
        redraw.track();
        let length = length.get();
        let (Some(spectrogram), Some(band)) = (spectrogram.get(), band.get()) else { return };
        // The spectrogram is as wide as what of it was drawn.
        if !(near.get() || printing.get() && band.client_width() > 0) {
            // What was drawn of a song takes more room than what is known of it. While another
            // view hides it, it has no width, and is soon seen again.
            for canvas in [spectrogram, band] {
                if canvas.width() > 1 && canvas.client_width() > 0 {
                    canvas.set_width(1);
                }
            }
            return;
        }
        song.track.with_value(|track| {
            // A picture that cannot be drawn is left as it is: the words say
            // the same.
            let _ = track.columns().draw(&spectrogram);
            let _ = song.genres.with_untracked(|genres| draw_band(&band, track.clips(), length, genres));
            drawn_seconds.set(track.columns().seconds());
        });
    });
    let width = move || {
        let length = length.get();
        let share = if length > 0.0 { (drawn_seconds.get() / length).clamp(0.0, 1.0) } else { 0.0 };
        css::percentage(share)
    };
    view! {
        <div class="picture" aria-hidden="true">
            <canvas node_ref=spectrogram class="spectrogram" width="1" height="64" style:width=width></canvas>
        </div>
        <canvas node_ref=band class="band" width="1" height="1" aria-hidden="true"></canvas>
    }
}

/// Whether a canvas is on the screen or about to be.
fn near_screen(canvas: NodeRef<Canvas>) -> ReadSignal<bool> {
    let (near, set_near) = signal(false);
    Effect::new(move |_| {
        let Some(canvas) = canvas.get() else { return };
        let watch = Closure::<dyn FnMut(Array)>::new(move |entries: Array| {
            if let Ok(entry) = entries.pop().dyn_into::<IntersectionObserverEntry>() {
                set_near.try_set(entry.is_intersecting());
            }
        });
        let options = IntersectionObserverInit::new();
        options.set_root_margin("300px");
        match IntersectionObserver::new_with_options(watch.as_ref().unchecked_ref(), &options) {
            Ok(observer) => {
                observer.observe(canvas.unchecked_ref::<Element>());
                let watched = StoredValue::new_local((observer, watch));
                on_cleanup(move || {
                    watched.try_with_value(|(observer, _)| observer.disconnect());
                });
            }
            // Without an observer everything counts as near.
            Err(_) => set_near.set(true),
        }
    });
    near
}

/// Stretches of one genre after another, as (genre, from, to) in seconds, the genre
/// `None` where the clips were refused as not music; clips of silence are left out.
fn runs(clips: &[HeardClip]) -> Vec<(Option<usize>, f64, f64)> {
    let mut runs: Vec<(Option<usize>, f64, f64)> = Vec::new();
    for clip in clips {
        let Some(top) = clip.verdict.top() else { continue };
        let genre = (!clip.verdict.refused).then_some(top);
        match runs.last_mut() {
            Some((last, _, to)) if *last == genre && clip.start <= *to + 0.01 => *to = clip.end,
            _ => runs.push((genre, clip.start, clip.end)),
        }
    }
    runs
}

/// Draws the stripes of what is not music.
pub(crate) fn hatch(context: &CanvasRenderingContext2d, left: f64, right: f64, height: f64) {
    context.save();
    context.begin_path();
    context.rect(left, 0.0, right - left, height);
    context.clip();
    context.begin_path();
    // On a grid of the whole band, so that neighbours go on in one another.
    let mut foot = ((left - height) / STRIPE).floor() * STRIPE;
    while foot < right {
        context.move_to(foot, height);
        context.line_to(foot + height, 0.0);
        foot += STRIPE;
    }
    context.stroke();
    context.restore();
}

/// Draws a rectangle for every stretch of one genre, stripes for what is not music,
/// with letters where there is room.
///
/// # Errors
/// What the browser says.
pub(crate) fn draw_band(
    canvas: &HtmlCanvasElement,
    clips: &[HeardClip],
    length: f64,
    genres: &[String],
) -> Result<(), JsValue> {
    let (context, width, height) = canvas::cleared(canvas)?;
    let dark = browser::media_matches(colors::DARK_SCHEME);
    draw_band_on(&context, (width, height), clips, length, genres, dark)
}

/// The same on a picture, as wide and high as given.
///
/// # Errors
/// What the browser says.
pub(crate) fn draw_band_on(
    context: &CanvasRenderingContext2d,
    (width, height): (f64, f64),
    clips: &[HeardClip],
    length: f64,
    genres: &[String],
    dark: bool,
) -> Result<(), JsValue> {
    if length <= 0.0 {
        return Ok(());
    }
    canvas::letter(context, "600 12px system-ui, sans-serif");
    for (genre, from, to) in runs(clips) {
        let (left, right) = ((from / length * width).round(), (to / length * width).round());
        // A hairline between neighbours, where they are not narrower than it.
        let right = if right - left > 3.0 { right - 1.0 } else { right };
        let (ink, letters) = match genre {
            Some(genre) => {
                let ground = colors::genre(genre, dark);
                context.set_fill_style_str(&colors::css(ground));
                context.fill_rect(left, 0.0, right - left, height);
                (colors::ink(ground), colors::letters(genres, genre))
            }
            None => {
                let ink = colors::quiet(dark);
                context.set_stroke_style_str(&colors::css(ink));
                hatch(context, left, right, height);
                (ink, colors::NOT_MUSIC.to_owned())
            }
        };
        if right - left >= ROOM_FOR_LETTERS {
            let middle = (left + right) / 2.0;
            if genre.is_none() {
                context.clear_rect(middle - ROOM_FOR_LETTERS / 2.0, 0.0, ROOM_FOR_LETTERS, height);
            }
            context.set_fill_style_str(&colors::css(ink));
            context.fill_text(&letters, middle, height / 2.0 + 0.5)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::verdict::ClipVerdict;

    fn heard(clip: usize, probabilities: &[f32]) -> HeardClip {
        let start = clip as f64 * 3.0;
        HeardClip {
            verdict: ClipVerdict { clip, probabilities: probabilities.to_vec(), ..ClipVerdict::default() },
            start,
            end: start + 3.0,
        }
    }

    #[test]
    fn neighbours_of_one_genre_are_one_stretch() {
        let clips = [
            heard(0, &[0.9, 0.1]),
            heard(1, &[0.8, 0.2]),
            heard(2, &[0.1, 0.9]),
            heard(3, &[]),
            heard(4, &[0.2, 0.8]),
            heard(6, &[0.2, 0.8]),
        ];
        let expected = [(0, 0.0, 6.0), (1, 6.0, 9.0), (1, 12.0, 15.0), (1, 18.0, 21.0)];
        assert_eq!(runs(&clips), expected.map(|(genre, from, to)| (Some(genre), from, to)));
    }

    #[test]
    fn what_is_not_music_is_one_stretch_whatever_it_is_like() {
        let mut clips = [heard(0, &[0.9, 0.1]), heard(1, &[0.9, 0.1]), heard(2, &[0.1, 0.9])];
        clips[1].verdict.refused = true;
        clips[2].verdict.refused = true;
        assert_eq!(runs(&clips), [(Some(0), 0.0, 3.0), (None, 3.0, 9.0)]);
    }
}
