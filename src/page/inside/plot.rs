//! What is drawn of each step, and what is said of it where it is not seen.

use wasm_bindgen::JsValue;
use web_sys::HtmlCanvasElement;

use super::draw::{self, Sheet};
use super::shown::{Shown, shades, times};
use super::step::Step;
use crate::engine::protocol::StageKind;
use crate::network::experiment::Pooling;
use crate::page::words::{self, decimal, t};
use crate::page::{browser, colors};

/// Decibels that a spectrum is drawn down to.
const SPECTRUM_FLOOR: f32 = -80.0;

/// Mel filters between two that are drawn.
const BANDS_BETWEEN: usize = 6;

/// A step of a clip, as it is looked at.
#[derive(Clone, Copy)]
pub(crate) struct Look<'a> {
    /// The clip.
    pub(super) shown: &'a Shown,
    /// The step.
    pub(super) step: Step,
    /// The filter that is chosen.
    pub(super) filter: usize,
}

/// One picture of a step.
#[derive(Clone, Copy)]
pub(crate) struct Plot {
    /// Its class in the stylesheet.
    pub(super) class: &'static str,
    /// Draws it.
    pub(super) draw: fn(&HtmlCanvasElement, Look<'_>) -> Result<(), JsValue>,
    /// Says what is on it.
    pub(super) label: fn(Look<'_>) -> String,
    /// What stands at the ends of its axes: bottom, top, left, right; in lines of its own behind
    /// left, what stands evenly between.
    pub(super) axes: fn(Look<'_>) -> [String; 4],
    /// The value at a share of the way up and along, where it is a map.
    pub(super) value: Option<fn(Look<'_>, [f64; 2]) -> String>,
}

/// The pictures of a step; the first stands in the overview too.
pub(super) fn plots(step: Step) -> &'static [Plot] {
    match step {
        Step::Wave => &[WAVE],
        Step::Frame => &[FRAME],
        Step::Spectrum => &[SPECTRUM],
        Step::Mel => &[MEL, FILTERS],
        Step::Decibels => &[DECIBELS],
        Step::Picture => &[PICTURE],
        Step::Layer(_) => &[MAP, LIT],
        Step::Dense => &[HIDDEN, FEATURES],
        Step::Softmax => &[SHARES],
    }
}

const WAVE: Plot = Plot {
    class: "line",
    draw: |canvas, look| {
        Sheet::of(canvas)?.wave(look.shown.floats(StageKind::Waveform));
        Ok(())
    },
    label: |look| t!("inside.wave.label", seconds = seconds(look.shown.seconds(1.0))),
    axes: |look| ["−1".into(), "1".into(), seconds(0.0), seconds(look.shown.seconds(1.0))],
    value: None,
};

const FRAME: Plot = Plot {
    class: "line",
    draw: |canvas, look| {
        let (frame, windowed) = (look.shown.floats(StageKind::Frame), look.shown.floats(StageKind::Windowed));
        let most = frame.iter().fold(f32::MIN_POSITIVE, |most, sample| most.max(sample.abs()));
        let sheet = Sheet::of(canvas)?;
        sheet.curve(frame, [-most, most], "--quiet", 1.0);
        sheet.curve(&window_of(frame.len()), [-1.0, 1.0], "--accent", 1.25);
        sheet.curve(windowed, [-most, most], "--text", 2.0);
        Ok(())
    },
    label: |look| t!("inside.frame.label", frame = look.shown.frame + 1),
    axes: |look| {
        let most =
            look.shown.floats(StageKind::Frame).iter().fold(0.0_f32, |most, sample| most.max(sample.abs()));
        let milliseconds = |seconds: f64| format!("{} ms", decimal(seconds * 1000.0, 0));
        let most = f64::from(most);
        [decimal(-most, 2), decimal(most, 2), milliseconds(0.0), milliseconds(frame_seconds(look.shown))]
    },
    value: None,
};

const SPECTRUM: Plot = Plot {
    class: "line",
    draw: |canvas, look| {
        let power = look.shown.floats(StageKind::Spectrum);
        let most = power.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
        let levels: Vec<f32> = power.iter().map(|bin| 10.0 * (bin / most).max(1e-12).log10()).collect();
        Sheet::of(canvas)?.curve(&levels, [SPECTRUM_FLOOR, 0.0], "--text", 1.25);
        Ok(())
    },
    label: |look| {
        let power = look.shown.floats(StageKind::Spectrum);
        let loudest = (0..power.len()).max_by(|a, b| power[*a].total_cmp(&power[*b])).unwrap_or(0);
        let share = loudest as f64 / power.len().saturating_sub(1).max(1) as f64;
        t!("inside.spectrum.label", pitch = hertz(share * nyquist(look.shown)))
    },
    axes: |look| [decibels(SPECTRUM_FLOOR), decibels(0.0), hertz(0.0), hertz(nyquist(look.shown))],
    value: None,
};

const MEL: Plot = Plot {
    class: "map",
    draw: |canvas, look| draw::heat(canvas, &shades(look.shown.floats(StageKind::Mel)), look.shown.cells()),
    label: |look| map_label(look.shown, StageKind::Mel),
    axes: |look| axes_of_map(look.shown),
    value: Some(|look, place| {
        let values = look.shown.floats(StageKind::Mel);
        let most = values.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
        let share = f64::from(cell(values, look.shown.cells(), place) / most);
        t!("number.percent", number = decimal(share * 100.0, 2))
    }),
};

const FILTERS: Plot = Plot {
    class: "low",
    draw: |canvas, look| {
        let highest = nyquist(look.shown) as f32;
        Sheet::of(canvas)?.triangles(look.shown.floats(StageKind::Bands), BANDS_BETWEEN, highest);
        Ok(())
    },
    label: |_| t!("inside.mel.filters", number = BANDS_BETWEEN),
    axes: |look| [String::new(), String::new(), hertz(0.0), hertz(nyquist(look.shown))],
    value: None,
};

const DECIBELS: Plot = Plot {
    class: "map",
    draw: |canvas, look| {
        draw::heat(canvas, &shades(look.shown.floats(StageKind::Decibels)), look.shown.cells())
    },
    label: |look| map_label(look.shown, StageKind::Decibels),
    axes: |look| axes_of_map(look.shown),
    value: Some(|look, place| {
        decibels(cell(look.shown.floats(StageKind::Decibels), look.shown.cells(), place))
    }),
};

const PICTURE: Plot = Plot {
    class: "map square",
    draw: |canvas, look| {
        let (indices, size) = look.shown.picture();
        draw::heat(canvas, &indices, size)
    },
    label: |look| t!("inside.picture.label", shape = times(&look.shown.picture().1)),
    axes: |look| axes_of_map(look.shown),
    value: Some(|look, place| {
        let (indices, size) = look.shown.picture();
        match look.shown.floats(StageKind::LogMel) {
            // The colour is the network's own.
            [] => t!("inside.picture.colour", number = usize::from(cell(&indices, size, place))),
            values => decimal(f64::from(cell(values, size, place)), 2),
        }
    }),
};

const MAP: Plot = Plot {
    class: "map square",
    draw: |canvas, look| layer(look).map_or(Ok(()), |maps| draw::map(canvas, maps, look.filter)),
    label: |look| t!("inside.layer.map", filter = look.filter + 1, peak = peak(look)),
    axes: |look| axes_of_map(look.shown),
    value: Some(|look, place| {
        layer(look).map_or_else(String::new, |maps| {
            let byte = cell(maps.map(look.filter), [maps.height, maps.width], place);
            decimal(f64::from(maps.stage.value(byte)), 2)
        })
    }),
};

const LIT: Plot = Plot {
    class: "map square",
    draw: |canvas, look| {
        let Some(maps) = layer(look) else { return Ok(()) };
        let (indices, size) = look.shown.picture();
        draw::lit(canvas, (&indices, size), maps, look.filter)
    },
    label: |_| t!("inside.layer.lit"),
    axes: |look| axes_of_map(look.shown),
    value: None,
};

const HIDDEN: Plot = Plot {
    class: "line",
    draw: |canvas, look| {
        Sheet::of(canvas)?.bars(look.shown.last_hidden(), |_| None);
        Ok(())
    },
    label: |look| {
        let hidden = look.shown.last_hidden();
        let silent = hidden.iter().filter(|value| **value <= 0.0).count();
        t!("inside.dense.label", width = hidden.len(), silent = silent)
    },
    axes: |look| {
        let hidden = look.shown.last_hidden();
        let most = hidden.iter().copied().fold(0.0, f32::max);
        ["0".into(), decimal(f64::from(most), 1), "1".into(), hidden.len().to_string()]
    },
    value: None,
};

const FEATURES: Plot = Plot {
    class: "low",
    draw: |canvas, look| {
        Sheet::of(canvas)?.bars(look.shown.floats(StageKind::Features), |_| None);
        Ok(())
    },
    label: |look| {
        let features = look.shown.floats(StageKind::Features).len();
        match look.shown.card.network.pooling {
            Pooling::Flatten => t!("inside.dense.features", features = features),
            Pooling::Statistics => t!("inside.dense.statistics", features = features),
        }
    },
    axes: |look| {
        let features = look.shown.floats(StageKind::Features).len();
        [String::new(), String::new(), "1".into(), features.to_string()]
    },
    value: None,
};

const SHARES: Plot = Plot {
    class: "line shares",
    draw: |canvas, look| {
        let dark = browser::media_matches(colors::DARK_SCHEME);
        let ink = |genre: usize| Some(colors::css(colors::genre(genre, dark)));
        Sheet::of(canvas)?.bars(look.shown.floats(StageKind::Probabilities), ink);
        Ok(())
    },
    label: |look| {
        let genres = &look.shown.card.genres;
        let shares = look.shown.floats(StageKind::Probabilities);
        let top = crate::classify::verdict::argmax(shares);
        let top = top.and_then(|top| Some((genres.get(top)?, shares.get(top)?)));
        top.map_or_else(String::new, |(name, share)| {
            t!("inside.softmax.label", genre = words::genre(name), share = words::percent(*share))
        })
    },
    axes: |look| {
        let most = look.shown.floats(StageKind::Probabilities).iter().copied().fold(0.0, f32::max);
        let genres = &look.shown.card.genres;
        let mut letters: Vec<String> =
            (0..genres.len()).map(|genre| colors::letters(genres, genre)).collect();
        let last = letters.pop().unwrap_or_default();
        ["0".into(), words::percent(most), letters.join("\n"), last]
    },
    value: None,
};

/// The maps of the layer that is looked at.
pub(super) fn layer<'a>(look: Look<'a>) -> Option<super::shown::Maps<'a>> {
    match look.step {
        Step::Layer(layer) => look.shown.maps(layer),
        _ => None,
    }
}

/// Where a filter fires most, and how strongly.
fn peak(look: Look<'_>) -> String {
    let Some(maps) = layer(look) else { return String::new() };
    let (value, [up, along]) = maps.peak(look.filter);
    if value <= 0.0 {
        return t!("inside.layer.silent");
    }
    t!(
        "inside.layer.peak",
        value = decimal(f64::from(value), 2),
        time = format!("{} s", decimal(look.shown.seconds(along), 1)),
        pitch = hertz(look.shown.hertz(up)),
        share = words::percent(maps.firing(look.filter))
    )
}

/// What a map says at the place that is pointed at.
pub(super) fn read(plot: Plot, look: Look<'_>, place: [f64; 2]) -> Option<String> {
    let value = plot.value?;
    Some(t!(
        "inside.read",
        value = value(look, place),
        time = format!("{} s", decimal(look.shown.seconds(place[1]), 2)),
        pitch = hertz(look.shown.hertz(place[0]))
    ))
}

/// The cell of `[height, width]` at a share of the way up and along.
fn cell<T: Copy + Default>(values: &[T], [height, width]: [usize; 2], [up, along]: [f64; 2]) -> T {
    let at = |share: f64, length: usize| ((share * length as f64) as usize).min(length.saturating_sub(1));
    values.get(at(up, height) * width + at(along, width)).copied().unwrap_or_default()
}

/// Length of a frame, in seconds.
pub(super) fn frame_seconds(shown: &Shown) -> f64 {
    let config = &shown.card.spectrogram;
    config.n_fft as f64 / f64::from(config.sample_rate.max(1))
}

/// Half of the sample rate, in Hz.
pub(super) fn nyquist(shown: &Shown) -> f64 {
    f64::from(shown.card.spectrogram.sample_rate) / 2.0
}

/// The periodic Hann window, as it is drawn.
fn window_of(length: usize) -> Vec<f32> {
    let turn = std::f32::consts::TAU / length.max(1) as f32;
    (0..length).map(|n| 0.5 - 0.5 * (turn * n as f32).cos()).collect()
}

fn map_label(shown: &Shown, kind: StageKind) -> String {
    let [bands, frames] = shown.cells();
    let values = shown.floats(kind);
    let loudest = (0..values.len()).max_by(|a, b| values[*a].total_cmp(&values[*b])).unwrap_or(0);
    let frames = frames.max(1);
    let share = |at: usize, length: usize| at as f64 / length.saturating_sub(1).max(1) as f64;
    t!(
        "inside.mel.label",
        bands = bands,
        frames = frames,
        time = format!("{} s", decimal(shown.seconds(share(loudest % frames, frames)), 1)),
        pitch = hertz(shown.hertz(share(loudest / frames, bands)))
    )
}

fn axes_of_map(shown: &Shown) -> [String; 4] {
    [hertz(shown.hertz(0.0)), hertz(shown.hertz(1.0)), seconds(0.0), seconds(shown.seconds(1.0))]
}

/// A frequency as it is said: `440 Hz`, `8.4 kHz`.
pub(super) fn hertz(hz: f64) -> String {
    if hz < 1000.0 { format!("{} Hz", decimal(hz, 0)) } else { format!("{} kHz", decimal(hz / 1000.0, 1)) }
}

fn seconds(seconds: f64) -> String {
    let decimals = if seconds.fract() == 0.0 { 0 } else { 1 };
    format!("{} s", decimal(seconds, decimals))
}

fn decibels(level: f32) -> String {
    format!("{} dB", decimal(f64::from(level), 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_the_cell_it_lies_in() {
        let values = [1, 2, 3, 4, 5, 6];
        let at = |place| cell(&values, [2, 3], place);
        assert_eq!([at([0.0, 0.0]), at([0.49, 0.5]), at([0.5, 0.99]), at([1.0, 1.0])], [1, 2, 6, 6]);
        assert_eq!((at([-1.0, f64::NAN]), cell::<u8>(&[], [0, 0], [0.5, 0.5])), (1, 0));
    }
}
