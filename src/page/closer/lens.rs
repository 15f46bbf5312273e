//! Which stretch of a song is on the screen.
//!
//! In: how far a person has zoomed in, and where. Out: seconds to places on the
//! screen and back.

/// Seconds that are on the screen at the highest zoom: two clips.
const LEAST_SECONDS: f64 = 6.0;

/// Where in the stretch the playhead stands after the stretch has moved on.
const AFTER_TURN: f64 = 0.1;

/// A stretch of a song whose length stands beside it, because a song grows
/// while it is being heard.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Lens {
    zoom: f64,
    start: f64,
}

impl Lens {
    /// The whole song.
    pub(super) const WHOLE: Self = Self { zoom: 1.0, start: 0.0 };

    /// The stretch at `zoom` with `second` in it. Where the length is not known yet (0), that
    /// is held against it later.
    pub(super) fn at(zoom: f64, second: f64, length: f64) -> Self {
        if length <= 0.0 && zoom > 1.0 {
            return Self { zoom, start: second };
        }
        Self::WHOLE.zoomed(zoom, second, length).showing(second, length)
    }

    /// How many times larger than the whole song it is shown.
    pub(super) fn zoom(self, length: f64) -> f64 {
        self.zoom.clamp(1.0, most_zoom(length))
    }

    /// Where the stretch begins, in seconds.
    pub(super) fn from(self, length: f64) -> f64 {
        self.start.clamp(0.0, (length - self.seconds(length)).max(0.0))
    }

    /// Where it ends.
    pub(super) fn to(self, length: f64) -> f64 {
        self.from(length) + self.seconds(length)
    }

    /// How long it is, in seconds.
    fn seconds(self, length: f64) -> f64 {
        length / self.zoom(length)
    }

    /// Where on the screen a second is, 0 at the left and 1 at the right edge.
    pub(super) fn share(self, second: f64, length: f64) -> f64 {
        let seconds = self.seconds(length);
        if seconds > 0.0 { (second - self.from(length)) / seconds } else { 0.0 }
    }

    /// The second at a place on the screen.
    pub(super) fn second(self, share: f64, length: f64) -> f64 {
        (self.from(length) + share * self.seconds(length)).clamp(0.0, length.max(0.0))
    }

    /// Whether a second is on the screen.
    pub(super) fn shows(self, second: f64, length: f64) -> bool {
        (0.0..=1.0).contains(&self.share(second, length))
    }

    /// Larger by `factor`, with `second` staying where it is on the screen.
    pub(super) fn zoomed(self, factor: f64, second: f64, length: f64) -> Self {
        if !(factor.is_finite() && factor > 0.0) {
            return self;
        }
        let share = self.share(second, length).clamp(0.0, 1.0);
        let zoom = (self.zoom(length) * factor).clamp(1.0, most_zoom(length));
        Self { zoom, start: second - share * length / zoom }.settled(length)
    }

    /// The stretch that is three times as long as the one from `start` to `end`, with
    /// that in its middle.
    pub(super) fn around(self, start: f64, end: f64, length: f64) -> Self {
        Self { zoom: length / (3.0 * (end - start)), ..self }.moved_to(start - (end - start), length)
    }

    /// The stretch as long, beginning at `start` seconds.
    pub(super) fn moved_to(self, start: f64, length: f64) -> Self {
        Self { start, ..self }.settled(length)
    }

    /// The stretch as long with `second` in it, moved only where it is not in it
    /// already.
    pub(super) fn showing(self, second: f64, length: f64) -> Self {
        if self.shows(second, length) {
            self
        } else {
            self.moved_to(second - AFTER_TURN * self.seconds(length), length)
        }
    }

    fn settled(self, length: f64) -> Self {
        Self { zoom: self.zoom(length), start: self.from(length) }
    }
}

pub(super) fn most_zoom(length: f64) -> f64 {
    (length / LEAST_SECONDS).max(1.0)
}

/// Seconds at which the clock is written under the stretch from `from` to `to`,
/// six at most.
pub(super) fn ticks(from: f64, to: f64) -> Vec<f64> {
    const STEPS: [f64; 13] =
        [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0];
    let seconds = to - from;
    if !(seconds > 0.0 && seconds.is_finite()) {
        return Vec::new();
    }
    let longest = STEPS[STEPS.len() - 1];
    let step = STEPS
        .into_iter()
        .find(|step| seconds / step <= 6.0)
        .unwrap_or_else(|| longest * (seconds / longest / 6.0).ceil());
    let first = (from / step).ceil();
    (0..7).map(|tick| (first + f64::from(tick)) * step).take_while(|second| *second < to).collect()
}

/// Where the arrow keys lead: the beginning of the next clip, or of this one,
/// or, from its beginning, of the one before.
pub(super) fn neighbour(at: f64, clip: f64, forward: bool, length: f64) -> f64 {
    let number = (at / clip + 1e-3).floor();
    let within = at - number * clip > 0.5;
    let target = match (forward, within) {
        (true, _) => number + 1.0,
        (false, true) => number,
        (false, false) => number - 1.0,
    };
    (target * clip).clamp(0.0, length.max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: f64 = 180.0;

    #[test]
    fn zooming_keeps_the_second_under_the_pointer() {
        let lens = Lens::WHOLE.zoomed(4.0, 90.0, LENGTH);
        assert_eq!((lens.from(LENGTH), lens.to(LENGTH)), (67.5, 112.5));
        assert_eq!(lens.share(90.0, LENGTH), 0.5);
        assert_eq!(lens.second(0.5, LENGTH), 90.0);
        assert_eq!(lens.zoomed(0.25, 90.0, LENGTH), Lens::WHOLE);
    }

    #[test]
    fn the_stretch_stays_within_the_song() {
        let lens = Lens::WHOLE.zoomed(2.0, 0.0, LENGTH);
        assert_eq!(lens.moved_to(-5.0, LENGTH).from(LENGTH), 0.0);
        assert_eq!(lens.moved_to(500.0, LENGTH).to(LENGTH), LENGTH);
        let deepest = Lens::WHOLE.zoomed(1e9, 90.0, LENGTH);
        assert_eq!(deepest.to(LENGTH) - deepest.from(LENGTH), LEAST_SECONDS);
        assert_eq!(Lens::WHOLE.zoomed(f64::NAN, 90.0, LENGTH), Lens::WHOLE);
        assert_eq!(Lens::WHOLE.zoomed(2.0, 0.0, 0.0), Lens::WHOLE);
    }

    #[test]
    fn the_stretch_turns_when_the_playhead_leaves_it() {
        let lens = Lens::at(6.0, 0.0, LENGTH);
        assert_eq!(lens.showing(29.0, LENGTH), lens);
        assert_eq!(lens.showing(31.0, LENGTH).from(LENGTH), 28.0);
        assert!(lens.showing(LENGTH, LENGTH).shows(LENGTH, LENGTH));
    }

    #[test]
    fn a_song_that_grows_is_shown_whole() {
        assert_eq!((Lens::WHOLE.from(30.0), Lens::WHOLE.to(30.0)), (0.0, 30.0));
        assert_eq!((Lens::WHOLE.from(60.0), Lens::WHOLE.to(60.0)), (0.0, 60.0));
    }

    #[test]
    fn the_clock_is_written_at_round_seconds() {
        assert_eq!(ticks(0.0, 30.0), [0.0, 5.0, 10.0, 15.0, 20.0, 25.0]);
        assert_eq!(ticks(61.0, 67.0), [61.0, 62.0, 63.0, 64.0, 65.0, 66.0]);
        assert_eq!(ticks(0.0, 10_800.0), [0.0, 1800.0, 3600.0, 5400.0, 7200.0, 9000.0]);
        assert!(ticks(0.0, 1e6).len() <= 7);
        assert!(ticks(0.0, f64::NAN).is_empty() && ticks(3.0, 3.0).is_empty());
    }

    #[test]
    fn arrows_lead_from_clip_to_clip() {
        assert_eq!(neighbour(0.0, 3.0, true, 60.0), 3.0);
        assert_eq!(neighbour(4.0, 3.0, true, 60.0), 6.0);
        assert_eq!(neighbour(4.0, 3.0, false, 60.0), 3.0);
        assert_eq!(neighbour(3.2, 3.0, false, 60.0), 0.0);
        assert_eq!(neighbour(0.0, 3.0, false, 60.0), 0.0);
        assert_eq!(neighbour(59.0, 3.0, true, 59.5), 59.5);
    }
}
