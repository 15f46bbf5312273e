//! Genres stacked over time: one clip a step, the probability of each genre a
//! layer of it.
//!
//! In: clips with their probabilities, and the stretch of time that a canvas
//! stands for. Out: the layers in the genres' colours, a hairline between them,
//! letters where there is room; stripes over what was refused as not music.

use wasm_bindgen::JsValue;
use web_sys::HtmlCanvasElement;

use super::{browser, canvas, colors, timeline};

/// Least width of a layer that has its letters in it, in CSS pixels.
const ROOM_ACROSS: f64 = 22.0;

/// Least height of one.
const ROOM_UP: f64 = 15.0;

/// How strong the colours of what was refused are, under its stripes.
const REFUSED: f64 = 0.25;

/// What was said of one stretch of time.
pub(crate) struct Moment<'a> {
    /// Where it begins, in seconds.
    pub(crate) start: f64,
    /// Where it ends, in seconds.
    pub(crate) end: f64,
    /// Probability of each genre, summing to 1; empty for silence.
    pub(crate) probabilities: &'a [f32],
    /// Whether it was refused as not music.
    pub(crate) refused: bool,
}

/// The moments that share some columns of the canvas.
#[derive(Clone, Debug, PartialEq)]
struct Step {
    /// First column, in CSS pixels.
    left: f64,
    /// The column after its last.
    right: f64,
    /// Probability of each genre, the mean over the moments.
    shares: Vec<f32>,
    moments: f32,
    /// How many of them were refused.
    refused: f32,
}

impl Step {
    /// Takes in a moment too short for columns of its own.
    fn take_in(&mut self, moment: &Moment<'_>) {
        if moment.probabilities.len() != self.shares.len() {
            return;
        }
        self.moments += 1.0;
        self.refused += f32::from(moment.refused);
        for (share, probability) in self.shares.iter_mut().zip(moment.probabilities) {
            *share += (probability - *share) / self.moments;
        }
    }

    /// Whether most of it was refused.
    fn is_refused(&self) -> bool {
        self.refused > self.moments / 2.0
    }

    /// Top and bottom of a genre's layer on a canvas of `height`; the first
    /// genre lies lowest.
    fn layer(&self, genre: usize, height: f64) -> (f64, f64) {
        let below: f32 = self.shares.iter().take(genre).sum();
        let share = self.shares.get(genre).copied().unwrap_or(0.0);
        (height * f64::from(1.0 - below - share), height * f64::from(1.0 - below))
    }
}

/// The steps of `moments` between `from` and `to` seconds on a canvas of `width`
/// CSS pixels: never more than there are columns, however long the song.
fn steps<'a>(moments: impl Iterator<Item = Moment<'a>>, from: f64, to: f64, width: f64) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let column = |second: f64| ((second - from) / (to - from) * width).round().clamp(0.0, width);
    let shown = moments.filter(|moment| moment.end > from && moment.start < to);
    for moment in shown.filter(|moment| !moment.probabilities.is_empty()) {
        // What begins with the last column still has that one.
        let left = column(moment.start).min((width - 1.0).max(0.0));
        let right = column(moment.end).max(left + 1.0);
        match steps.last_mut() {
            Some(last) if right <= last.right => last.take_in(&moment),
            last => {
                let left = last.map_or(left, |last| left.max(last.right));
                let (shares, refused) = (moment.probabilities.to_vec(), f32::from(moment.refused));
                steps.push(Step { left, right, shares, moments: 1.0, refused });
            }
        }
    }
    steps
}

/// Where letters stand: the genre, and the middle of the room it has.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Label {
    genre: usize,
    x: f64,
    y: f64,
}

/// A rectangle that lies in one genre's layer: over one step that is wide enough for
/// letters, or over neighbours that are so together.
#[derive(Clone, Copy)]
struct Room {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Room {
    fn is_tall(&self) -> bool {
        self.bottom - self.top >= ROOM_UP
    }

    fn is_wide(&self) -> bool {
        self.right - self.left >= ROOM_ACROSS
    }

    /// What stays of it when the next step belongs to it too.
    fn with(self, next: Self) -> Option<Self> {
        let both = Self {
            left: self.left,
            right: next.right,
            top: self.top.max(next.top),
            bottom: self.bottom.min(next.bottom),
        };
        // Letters that fit into a step have no hairline through them.
        let apart = next.is_wide() || next.left - self.right >= 1.0;
        (!apart && both.is_tall()).then_some(both)
    }

    fn label(self, genre: usize) -> Option<Label> {
        let (x, y) = ((self.left + self.right) / 2.0, (self.top + self.bottom) / 2.0);
        self.is_wide().then_some(Label { genre, x, y })
    }
}

/// The letters that find room in the layers.
fn labels(steps: &[Step], genres: usize, height: f64) -> Vec<Label> {
    let mut labels = Vec::new();
    for genre in 0..genres {
        let mut room: Option<Room> = None;
        for step in steps {
            let (top, bottom) = step.layer(genre, height);
            let own = Room { left: step.left, right: step.right, top, bottom };
            let joined = room.and_then(|room| room.with(own));
            if joined.is_none() {
                labels.extend(room.and_then(|room| room.label(genre)));
            }
            room = joined.or(Some(own).filter(Room::is_tall));
        }
        labels.extend(room.and_then(|room| room.label(genre)));
    }
    labels
}

/// Draws the moments between `from` and `to` seconds over the whole canvas.
///
/// # Errors
/// What the browser says.
pub(crate) fn draw<'a>(
    canvas: &HtmlCanvasElement,
    moments: impl Iterator<Item = Moment<'a>>,
    from: f64,
    to: f64,
    genres: &[String],
) -> Result<(), JsValue> {
    let (context, width, height) = canvas::cleared(canvas)?;
    if !(to > from) {
        return Ok(());
    }
    let steps = steps(moments, from, to, width);
    let dark = browser::media_matches(colors::DARK_SCHEME);
    for genre in 0..genres.len() {
        context.set_fill_style_str(&colors::css(colors::genre(genre, dark)));
        for step in &steps {
            let (top, bottom) = step.layer(genre, height);
            context.set_global_alpha(if step.is_refused() { REFUSED } else { 1.0 });
            let (across, up) = (step.right - step.left, bottom - top);
            // A hairline between neighbours, where they are not narrower than it.
            let gap = |extent: f64, least: f64| if extent > least { 1.0 } else { 0.0 };
            context.fill_rect(step.left, top, across - gap(across, 6.0), up - gap(up, 3.0));
        }
    }
    context.set_global_alpha(1.0);
    context.set_stroke_style_str(&colors::css(colors::quiet(dark)));
    // Of a talk, a thousand steps beside each other.
    let refused: Vec<&Step> = steps.iter().filter(|step| step.is_refused()).collect();
    for run in refused.chunk_by(|step, next| next.left <= step.right) {
        timeline::hatch(&context, run[0].left, run[run.len() - 1].right, height);
    }
    let steps: Vec<Step> = steps.into_iter().filter(|step| !step.is_refused()).collect();
    canvas::letter(&context, "600 12px system-ui, sans-serif");
    for Label { genre, x, y } in labels(&steps, genres.len(), height) {
        context.set_fill_style_str(&colors::css(colors::ink(colors::genre(genre, dark))));
        context.fill_text(&colors::letters(genres, genre), x, y + 0.5)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(start: f64, probabilities: &[f32]) -> Moment<'_> {
        Moment { start, end: start + 3.0, probabilities, refused: false }
    }

    #[test]
    fn a_clip_is_a_step_as_wide_as_it_is_long() {
        let moments = [moment(0.0, &[1.0, 0.0]), moment(3.0, &[]), moment(6.0, &[0.25, 0.75])];
        let steps = steps(moments.into_iter(), 0.0, 12.0, 120.0);
        assert_eq!(
            steps.iter().map(|step| (step.left, step.right)).collect::<Vec<_>>(),
            [(0.0, 30.0), (60.0, 90.0)]
        );
        assert_eq!(steps[1].layer(0, 100.0), (75.0, 100.0));
        assert_eq!(steps[1].layer(1, 100.0), (0.0, 75.0));
    }

    #[test]
    fn what_is_not_shown_is_cut_off() {
        let moments = [moment(0.0, &[1.0]), moment(3.0, &[1.0]), moment(6.0, &[1.0])];
        let steps = steps(moments.into_iter(), 4.0, 6.0, 100.0);
        assert_eq!(steps.iter().map(|step| (step.left, step.right)).collect::<Vec<_>>(), [(0.0, 100.0)]);
    }

    #[test]
    fn clips_narrower_than_a_column_are_averaged() {
        let moments = (0..3600)
            .map(|clip| moment(f64::from(clip) * 3.0, if clip % 2 == 0 { &[1.0, 0.0] } else { &[0.0, 1.0] }));
        let steps = steps(moments, 0.0, 10_800.0, 300.0);
        assert_eq!(steps.len(), 300);
        assert!(steps.iter().all(|step| (step.shares[0] - 0.5).abs() < 0.2), "{:?}", steps[7]);
    }

    #[test]
    fn a_column_is_striped_where_most_of_it_was_refused() {
        let refused = |start| Moment { refused: true, ..moment(start, &[1.0]) };
        let moments = [moment(0.0, &[1.0]), refused(3.0), refused(6.0), moment(9.0, &[1.0])];
        let steps = steps(moments.into_iter(), 0.0, 12.0, 4.0);
        assert_eq!(steps.iter().map(Step::is_refused).collect::<Vec<_>>(), [false, true, true, false]);
        let moments = [refused(0.0), refused(1.0), moment(2.0, &[1.0])];
        let together = super::steps(moments.into_iter(), 0.0, 100.0, 1.0);
        assert_eq!(together.iter().map(Step::is_refused).collect::<Vec<_>>(), [true]);
    }

    #[test]
    fn letters_stand_where_one_genre_has_room_over_its_neighbours() {
        // Each step is too narrow alone; two neighbours are not, the last has none.
        let moments = [
            moment(0.0, &[0.875, 0.125]),
            moment(3.0, &[0.75, 0.25]),
            moment(6.0, &[0.125, 0.875]),
            moment(12.0, &[0.125, 0.875]),
        ];
        let steps = steps(moments.into_iter(), 0.0, 15.0, 75.0);
        let expected = [Label { genre: 0, x: 15.0, y: 62.5 }, Label { genre: 1, x: 30.0, y: 12.5 }];
        assert_eq!(labels(&steps, 2, 100.0), expected);
    }

    #[test]
    fn each_step_that_has_room_for_letters_has_them() {
        let moments = [moment(0.0, &[1.0]), moment(3.0, &[1.0])];
        let steps = steps(moments.into_iter(), 0.0, 6.0, 100.0);
        let expected = [25.0, 75.0].map(|x| Label { genre: 0, x, y: 50.0 });
        assert_eq!(labels(&steps, 1, 100.0), expected);
    }
}
