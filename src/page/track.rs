//! What has been heard of a song so far.
//!
//! In: the engine's verdict on each clip, in any order. Out: the clips in the
//! song's order, its spectrogram, its verdict.

use crate::classify::verdict::{ClipVerdict, SongSum, SongVerdict};

use super::spectrogram::Columns;

/// One clip that has its verdict.
#[derive(Clone, Debug)]
pub(crate) struct HeardClip {
    /// What the network said.
    pub(crate) verdict: ClipVerdict,
    /// Where in the song it begins, in seconds.
    pub(crate) start: f64,
    /// Where in the song it ends, in seconds.
    pub(crate) end: f64,
}

/// A song as far as it has been heard.
#[derive(Clone, Debug, Default)]
pub(crate) struct Track {
    clips: Vec<HeardClip>,
    columns: Columns,
    sum: SongSum,
    milliseconds: f64,
    /// Share of the file read so far, 0 to 1.
    pub(crate) read: f32,
}

impl Track {
    /// Takes in one clip, `clip_seconds` long, with its display columns. One
    /// that is there already is left as it is: after a worker's death a clip may
    /// be classified twice.
    pub(crate) fn add(&mut self, heard: HeardClip, milliseconds: f64, columns: &[u8]) {
        let Err(place) = self.clips.binary_search_by_key(&heard.verdict.clip, |clip| clip.verdict.clip)
        else {
            return;
        };
        self.columns.lay(heard.start, heard.end, columns);
        self.sum.add(&heard.verdict);
        self.milliseconds += milliseconds;
        self.clips.insert(place, heard);
    }

    /// The clips in the song's order.
    pub(crate) fn clips(&self) -> &[HeardClip] {
        &self.clips
    }

    /// The clip that sounds at `seconds`, where it has been heard.
    pub(crate) fn at(&self, seconds: f64) -> Option<&HeardClip> {
        let next = self.clips.partition_point(|clip| clip.start <= seconds);
        self.clips[..next].last().filter(|clip| seconds <= clip.end)
    }

    /// The spectrogram.
    pub(crate) fn columns(&self) -> &Columns {
        &self.columns
    }

    /// The verdict over the clips so far.
    pub(crate) fn verdict(&self) -> SongVerdict {
        self.sum.verdict()
    }

    /// How far the song has been heard, in seconds.
    pub(crate) fn heard_seconds(&self) -> f64 {
        self.clips.last().map_or(0.0, |clip| clip.end)
    }

    /// Milliseconds a clip took, on average; `None` before the first.
    pub(crate) fn milliseconds_a_clip(&self) -> Option<f64> {
        (!self.clips.is_empty()).then(|| self.milliseconds / self.clips.len() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(clip: usize, probabilities: &[f32]) -> HeardClip {
        let start = clip as f64 * 3.0;
        HeardClip {
            verdict: ClipVerdict { clip, probabilities: probabilities.to_vec() },
            start,
            end: start + 3.0,
        }
    }

    #[test]
    fn clips_are_sorted_and_counted_once() {
        let mut track = Track::default();
        track.add(heard(2, &[0.0, 1.0]), 100.0, &[]);
        track.add(heard(0, &[1.0, 0.0]), 200.0, &[]);
        track.add(heard(2, &[0.5, 0.5]), 900.0, &[]);
        assert_eq!(track.clips().iter().map(|clip| clip.verdict.clip).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(track.verdict().probabilities(), [0.5, 0.5]);
        assert_eq!(track.milliseconds_a_clip(), Some(150.0));
        assert_eq!(track.heard_seconds(), 9.0);
    }

    #[test]
    fn a_place_that_was_not_heard_has_no_clip() {
        let mut track = Track::default();
        track.add(heard(0, &[1.0]), 1.0, &[]);
        track.add(heard(2, &[]), 1.0, &[]);
        let clip_at = |seconds| track.at(seconds).map(|clip| clip.verdict.clip);
        assert_eq!([clip_at(1.0), clip_at(4.0), clip_at(7.0), clip_at(20.0)], [Some(0), None, Some(2), None]);
    }
}
