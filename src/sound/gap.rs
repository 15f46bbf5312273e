//! What was lost between packets, for silence to stand for it: what comes after would else
//! be heard too early.
//!
//! Where an Ogg has lost pages, symphonia tells the time of the first page after them from
//! the end of the one before, and so the silence stands behind that page, a second late.

use symphonia::core::{packet::Packet, units::Timestamp};

use super::{
    demux::{Demuxer, Step},
    song::SongProblem,
};

/// Seconds that are silent in place of what is damaged: no more is believed of the
/// times of a damaged file.
const LONGEST: f64 = 60.0;

/// Seconds that count as lost where nothing else says so: times that were once rounded to
/// milliseconds, as WebM has them, jump by less.
const LEAST: f64 = 0.02;

/// Seconds of such silence in a song: a file of a few bytes can claim weeks.
const MOST: f64 = 600.0;

/// What is missing between packets.
#[derive(Default)]
pub(super) struct Gap {
    /// Where the last packet that could be decoded ends.
    pub(super) end: Option<Timestamp>,
    /// Whether something was lost since, as far as anybody said.
    pub(super) lost: bool,
    /// Seconds of silence so far.
    filled: f64,
    /// What comes after the silence that is owed.
    after: Option<Packet>,
}

impl Gap {
    /// The packet that waits for its silence to be over, or what comes next.
    ///
    /// # Errors
    /// As [`Demuxer::next`].
    pub(super) fn next(&mut self, demuxer: &mut Demuxer) -> Result<Step, SongProblem> {
        self.after.take().map_or_else(|| demuxer.next(), |packet| Ok(Step::Packet(packet)))
    }

    /// Has a packet wait until its silence is over.
    pub(super) fn hold(&mut self, packet: Packet) {
        self.after = Some(packet);
    }

    /// Seconds that were lost before a packet, as far as its time says so; 0 for none.
    pub(super) fn before(&mut self, packet: &Packet, demuxer: &Demuxer) -> f64 {
        // From here on it is told of what comes after.
        let Some(end) = self.end.as_mut().map(|end| std::mem::replace(end, packet.pts)) else { return 0.0 };
        let longest = LONGEST.min(MOST - self.filled);
        let seconds = demuxer.between(end, packet.pts).unwrap_or(0.0).min(longest);
        if !self.lost && (seconds < LEAST || !demuxer.loses_silently()) {
            return 0.0;
        }
        self.filled += seconds;
        seconds
    }

    /// Begins with another song of the file.
    pub(super) fn restart(&mut self) {
        *self = Self { filled: self.filled, ..Self::default() };
    }
}
