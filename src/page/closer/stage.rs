//! The pictures: a strip of the whole song, the stretch on the screen, its clock.
//!
//! In: the song, the stretch, the playhead. Out: canvases drawn anew when one of
//! them changes, and what mouse, wheel and fingers do on them.

use leptos::html::{Canvas, Div};
use leptos::prelude::*;
use web_sys::{PointerEvent, WheelEvent};

use super::super::css::percentage;
use super::super::player::{Playing, told};
use super::super::stack::{self, Moment};
use super::super::timeline::{self, Redraw};
use super::super::track::HeardClip;
use super::super::words::{self, t};
use super::Closer;
use super::lens::{self, Lens};
use super::why::Veil;
use crate::classify::verdict::ClipVerdict;

/// Zoom for each pixel that the wheel turns, as a power of e.
const ZOOM_A_PIXEL: f64 = 0.0025;

/// Where over an element a pointer is, 0 at its left and 1 at its right edge.
fn share_of(element: NodeRef<Div>, client_x: f64) -> Option<f64> {
    let bounds = element.get_untracked()?.get_bounding_client_rect();
    let share = (client_x - bounds.left()) / bounds.width();
    share.is_finite().then_some(share)
}

/// What the drawing of a song's clips takes.
fn moment(clip: &HeardClip) -> Moment<'_> {
    let ClipVerdict { probabilities, refused, .. } = &clip.verdict;
    Moment { start: clip.start, end: clip.end, probabilities, refused: *refused }
}

/// The whole song in a strip, with a frame around what is on the screen. The
/// keyboard has the same by zoom and playhead, so that this is for pointers.
#[component]
pub(super) fn Overview(
    /// The song.
    closer: Closer,
) -> impl IntoView {
    let Closer { song, length, lens, at, .. } = closer;
    let Redraw(redraw, _) = expect_context::<Redraw>();
    let strip = NodeRef::<Div>::new();
    let canvas = NodeRef::<Canvas>::new();
    Effect::new(move |_| {
        redraw.track();
        let length = length.get();
        let Some(canvas) = canvas.get() else { return };
        song.with_value(|song| {
            song.hearing.track();
            song.track.with_value(|track| {
                // A picture that cannot be drawn is left as it is: the words say
                // the same.
                let _ = song
                    .genres
                    .with_untracked(|genres| timeline::draw_band(&canvas, track.clips(), length, genres));
            });
        });
    });
    let hold = move |event: &PointerEvent| {
        let Some(share) = share_of(strip, f64::from(event.client_x())) else { return };
        let length = length.get_untracked();
        lens.update(|lens| {
            let half = (lens.to(length) - lens.from(length)) / 2.0;
            *lens = lens.moved_to(share * length - half, length);
        });
    };
    let left = move || percentage(lens.get().from(length.get()) / length.get().max(f64::MIN_POSITIVE));
    let width = move || percentage(1.0 / lens.get().zoom(length.get()));
    view! {
        <div
            node_ref=strip
            class="overview"
            aria-hidden="true"
            data-testid="overview"
            on:pointerdown=move |event| {
                if let Some(strip) = strip.get_untracked() {
                    // Without it the drag ends at the strip's edge.
                    let _ = strip.set_pointer_capture(event.pointer_id());
                }
                hold(&event);
            }
            on:pointermove=move |event| {
                if event.buttons() & 1 == 1 {
                    hold(&event);
                }
            }
        >
            <canvas node_ref=canvas class="band" width="1" height="1"></canvas>
            <span class="playhead" style:left=move || percentage(Lens::WHOLE.share(at.get(), length.get()))></span>
            <span class="overview-lens" style:left=left style:width=width></span>
        </div>
    }
}

/// Two fingers, as (pointer, place across the screen).
type Fingers = Vec<(i32, f64)>;

/// Distance and middle of two fingers.
fn pinch(fingers: &Fingers) -> Option<(f64, f64)> {
    match fingers.as_slice() {
        [(_, a), (_, b)] => Some(((a - b).abs().max(1.0), (a + b) / 2.0)),
        _ => None,
    }
}

/// The stretch on the screen: spectrogram above, genres below, the playhead over
/// both. It is the song's position slider.
#[component]
pub(super) fn Stage(
    /// The song.
    closer: Closer,
    /// Whether there is nothing to play.
    mute: Memo<bool>,
) -> impl IntoView {
    let Closer { song, length, lens, at, .. } = closer;
    let Redraw(redraw, _) = expect_context::<Redraw>();
    let slider = NodeRef::<Div>::new();
    let spectrogram = NodeRef::<Canvas>::new();
    let layers = NodeRef::<Canvas>::new();
    Effect::new(move |_| {
        redraw.track();
        let (lens, length) = (lens.get(), length.get());
        let (Some(spectrogram), Some(layers)) = (spectrogram.get(), layers.get()) else { return };
        let (from, to) = (lens.from(length), lens.to(length));
        song.with_value(|song| {
            song.hearing.track();
            song.track.with_value(|track| {
                // As above: what cannot be drawn is said in words too.
                let _ = track.columns().draw_stretch(&spectrogram, from, to);
                let moments = track.clips().iter().map(moment);
                let _ = song.genres.with_untracked(|genres| stack::draw(&layers, moments, from, to, genres));
            });
        });
    });
    let second_at = move |client_x: f64| {
        let share = share_of(slider, client_x)?.clamp(0.0, 1.0);
        Some(lens.get_untracked().second(share, length.get_untracked()))
    };
    let turn_wheel = move |event: WheelEvent| {
        let (across, down) = (event.delta_x(), event.delta_y());
        if event.ctrl_key() {
            event.prevent_default();
            closer.zoom((-down * ZOOM_A_PIXEL).exp(), second_at(f64::from(event.client_x())));
        } else if across.abs() > down.abs() {
            event.prevent_default();
            slide(closer, slider, across);
        }
    };
    let fingers = StoredValue::new(Fingers::new());
    let put = move |event: PointerEvent| {
        if event.pointer_type() == "touch" {
            fingers.update_value(|fingers| fingers.push((event.pointer_id(), f64::from(event.client_x()))));
        }
    };
    let lift = move |event: PointerEvent| {
        fingers.update_value(|fingers| fingers.retain(|(id, _)| *id != event.pointer_id()));
    };
    let stroke = move |event: PointerEvent| {
        let before = fingers.with_value(pinch);
        fingers.update_value(|fingers| {
            if let Some((_, place)) = fingers.iter_mut().find(|(id, _)| *id == event.pointer_id()) {
                *place = f64::from(event.client_x());
            }
        });
        if let (Some((distance, middle)), Some((now, moved))) = (before, fingers.with_value(pinch)) {
            closer.zoom(now / distance, second_at(middle));
            slide(closer, slider, middle - moved);
        }
    };
    let told = told(closer.desk.player, slider, move || at.get());
    let place = move |second: f64| {
        // What is heard meanwhile is told; of what sounds, not each clip.
        if closer.desk.player.state.get() != Playing::Sounding {
            closer.song.with_value(|song| song.hearing.track());
        }
        if closer.clip.with_untracked(|clip| clip.as_ref().is_some_and(|clip| clip.refused)) {
            return words::place_not_music(second, length.get());
        }
        let top =
            closer.clip.with_untracked(|clip| clip.as_ref().and_then(|clip| clip.ranking.first().copied()));
        closer.genres.with(|genres| {
            let top = top.and_then(|(index, share)| Some((genres.get(index)?.as_str(), share)));
            words::place(second, length.get(), top)
        })
    };
    let playhead = move || lens.get().share(at.get(), length.get());
    let repeated = move || {
        let player = closer.desk.player;
        let repeat = player.repeat.get().filter(|_| player.song.get() == Some(closer.id))?;
        let (lens, length) = (lens.get(), length.get());
        Some((lens.share(repeat.from, length), lens.share(repeat.to, length)))
    };
    view! {
        <div
            node_ref=slider
            class="stage closer-stage"
            role="slider"
            tabindex=move || if mute.get() { "-1" } else { "0" }
            aria-disabled=move || mute.get().to_string()
            data-testid="closer-seek"
            aria-label=move || t!("song.position", title = &closer.title.get())
            aria-valuemin="0"
            aria-valuemax=move || (length.get() as u32).to_string()
            aria-valuenow=move || (told.get() as u32).to_string()
            aria-valuetext=move || place(told.get())
            on:click=move |event| {
                if let Some(second) = second_at(f64::from(event.client_x())) {
                    closer.seek(second, true);
                }
            }
            on:wheel=turn_wheel
            on:pointerdown=put
            on:pointermove=stroke
            on:pointerup=lift
            on:pointercancel=lift
            on:pointerleave=lift
        >
            <div class="picture" aria-hidden="true">
                <canvas node_ref=spectrogram class="spectrogram" width="1" height="64"></canvas>
                <Veil closer />
            </div>
            <canvas node_ref=layers class="layers" width="1" height="1" aria-hidden="true" data-testid="layers"></canvas>
            {move || repeated().map(|(from, to)| view! {
                <span class="repeat" aria-hidden="true" style:left=percentage(from) style:width=percentage(to - from)></span>
            })}
            <span
                class="playhead"
                class:gone=move || !(0.0..=1.0).contains(&playhead())
                aria-hidden="true"
                style:left=move || percentage(playhead().clamp(0.0, 1.0))
            ></span>
        </div>
    }
}

/// Moves the stretch by so many CSS pixels to the right.
fn slide(closer: Closer, element: NodeRef<Div>, pixels: f64) {
    let Some(width) = element.get_untracked().map(|element| f64::from(element.client_width())) else {
        return;
    };
    let length = closer.length.get_untracked();
    closer.lens.update(|lens| {
        let seconds = (lens.to(length) - lens.from(length)) * pixels / width.max(1.0);
        *lens = lens.moved_to(lens.from(length) + seconds, length);
    });
}

/// The clock under the pictures.
#[component]
pub(super) fn Clock(
    /// The song.
    closer: Closer,
) -> impl IntoView {
    let Closer { length, lens, .. } = closer;
    let ticks = move || {
        let (lens, length) = (lens.get(), length.get());
        lens::ticks(lens.from(length), lens.to(length))
            .into_iter()
            .map(|second| {
                let left = percentage(lens.share(second, length));
                view! { <span style:left=left>{words::clock(second)}</span> }
            })
            .collect_view()
    };
    let stretch = move || {
        let (lens, length) = (lens.get(), length.get());
        t!("closer.shown", from = words::clock(lens.from(length)), to = words::clock(lens.to(length)))
    };
    view! {
        <div class="closer-clock tabular" aria-hidden="true">{ticks}</div>
        <p class="unseen" data-testid="shown">{stretch}</p>
    }
}
