//! What has been heard of a song so far.
//!
//! In: the engine's verdict on each clip, in any order. Out: the clips in the
//! song's order, its spectrogram, its verdict.

use crate::classify::verdict::{ClipVerdict, Rule, SongSum, SongVerdict};
use crate::library::record::EmbeddingSum;

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
    /// What an earlier visit said of the song.
    kept: Option<SongVerdict>,
    embedding: EmbeddingSum,
    milliseconds: f64,
    /// Share of the file read so far, 0 to 1.
    pub(crate) read: f32,
    /// How the card of its model makes the song's verdict.
    pub(crate) rule: Rule,
}

impl Track {
    /// A song of an earlier visit: its clips, what was said of it, the mean of the
    /// clips' embeddings. Of its spectrogram nothing is known.
    pub(crate) fn kept(clips: Vec<HeardClip>, verdict: SongVerdict, embedding: &[f32]) -> Self {
        let mut track = Self { read: 1.0, ..Self::default() };
        if !clips.is_empty() {
            track.kept = Some(verdict);
            track.embedding.add(embedding);
            track.clips = clips;
        }
        track
    }

    /// Takes in one clip with its display columns and its embedding. One that is
    /// there already is left as it is: after a worker's death a clip may be
    /// classified twice.
    pub(crate) fn add(&mut self, heard: HeardClip, milliseconds: f64, columns: &[u8], embedding: &[f32]) {
        let Err(place) = self.clips.binary_search_by_key(&heard.verdict.clip, |clip| clip.verdict.clip)
        else {
            return;
        };
        self.kept = None;
        self.columns.lay(heard.start, heard.end, columns);
        self.sum.add(&heard.verdict);
        self.embedding.add(embedding);
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

    /// The same; what is left of a song after its last clip, less than another one,
    /// counts to that.
    pub(crate) fn at_or_before_the_end(&self, seconds: f64) -> Option<&HeardClip> {
        let last = || self.clips.last().filter(|_| self.read >= 1.0);
        let near = |clip: &&HeardClip| (clip.end..2.0 * clip.end - clip.start).contains(&seconds);
        self.at(seconds).or_else(|| last().filter(near))
    }

    /// The spectrogram.
    pub(crate) fn columns(&self) -> &Columns {
        &self.columns
    }

    /// The verdict over the clips so far.
    pub(crate) fn verdict(&self) -> SongVerdict {
        self.kept.clone().unwrap_or_else(|| self.sum.verdict(self.rule))
    }

    /// Clips that were refused as not music.
    pub(crate) fn refused(&self) -> usize {
        self.clips.iter().filter(|clip| clip.verdict.refused).count()
    }

    /// The mean of the clips' embeddings, `[embedding_length]`.
    pub(crate) fn embedding(&self) -> Vec<f32> {
        self.embedding.mean()
    }

    /// How far the song has been heard, in seconds.
    pub(crate) fn heard_seconds(&self) -> f64 {
        self.clips.last().map_or(0.0, |clip| clip.end)
    }

    /// Milliseconds a clip took, on average; `None` before the first, and for a
    /// song of an earlier visit.
    pub(crate) fn milliseconds_a_clip(&self) -> Option<f64> {
        (!self.clips.is_empty() && self.milliseconds > 0.0)
            .then(|| self.milliseconds / self.clips.len() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(clip: usize, probabilities: &[f32]) -> HeardClip {
        let start = clip as f64 * 3.0;
        HeardClip {
            verdict: ClipVerdict { clip, probabilities: probabilities.to_vec(), ..ClipVerdict::default() },
            start,
            end: start + 3.0,
        }
    }

    #[test]
    fn clips_are_sorted_and_counted_once() {
        let mut track = Track::default();
        track.add(heard(2, &[0.0, 1.0]), 100.0, &[], &[1.0]);
        track.add(heard(0, &[1.0, 0.0]), 200.0, &[], &[2.0]);
        track.add(heard(2, &[0.5, 0.5]), 900.0, &[], &[9.0]);
        assert_eq!(track.embedding(), [1.5]);
        assert_eq!(track.clips().iter().map(|clip| clip.verdict.clip).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(track.verdict().probabilities(), [0.5, 0.5]);
        assert_eq!(track.milliseconds_a_clip(), Some(150.0));
        assert_eq!(track.heard_seconds(), 9.0);
    }

    #[test]
    fn the_rule_of_the_card_makes_the_verdict() {
        let rule = Rule { least_confidence: Some(0.9), ..Rule::default() };
        let mut track = Track { rule, ..Track::default() };
        track.add(heard(0, &[0.8, 0.2]), 1.0, &[], &[]);
        assert_eq!(track.verdict(), SongVerdict::NotSure { probabilities: vec![0.8, 0.2] });
        for clip in [1, 2] {
            let mut refused = heard(clip, &[0.8, 0.2]);
            refused.verdict.refused = true;
            track.add(refused, 1.0, &[], &[]);
        }
        assert!(matches!(track.verdict(), SongVerdict::NotMusic { .. }));
        assert_eq!(track.refused(), 2);
    }

    #[test]
    fn silence_and_other_models_do_not_move_the_mean() {
        let mut track = Track::default();
        assert!(track.embedding().is_empty());
        for (clip, embedding) in [&[][..], &[1.0, 4.0], &[], &[3.0, 0.0], &[9.0]].into_iter().enumerate() {
            track.add(heard(clip, &[1.0]), 1.0, &[], embedding);
        }
        // One that comes twice counts once.
        track.add(heard(1, &[1.0]), 1.0, &[], &[9.0, 9.0]);
        assert_eq!(track.embedding(), [2.0, 2.0]);
    }

    #[test]
    fn a_place_that_was_not_heard_has_no_clip() {
        let mut track = Track::default();
        track.add(heard(0, &[1.0]), 1.0, &[], &[]);
        track.add(heard(2, &[]), 1.0, &[], &[]);
        let clip_at = |seconds| track.at(seconds).map(|clip| clip.verdict.clip);
        assert_eq!([clip_at(1.0), clip_at(4.0), clip_at(7.0), clip_at(20.0)], [Some(0), None, Some(2), None]);
        // Its end is shorter than a clip, and known only once all of it has been read.
        assert!(track.at_or_before_the_end(10.0).is_none());
        track.read = 1.0;
        let clip_at = |seconds| track.at_or_before_the_end(seconds).map(|clip| clip.verdict.clip);
        assert_eq!([clip_at(10.0), clip_at(4.0), clip_at(12.1)], [Some(2), None, None]);
    }

    #[test]
    fn a_kept_song_says_what_it_said() {
        let mut track = Track::default();
        track.add(heard(0, &[0.75, 0.25]), 100.0, &[], &[1.0, 0.0]);
        track.add(heard(1, &[0.25, 0.75]), 100.0, &[], &[0.0, 1.0]);
        let mut kept = Track::kept(track.clips().to_vec(), track.verdict(), &track.embedding());
        assert_eq!((kept.verdict(), kept.embedding()), (track.verdict(), track.embedding()));
        assert_eq!((kept.clips().len(), kept.milliseconds_a_clip()), (2, None));
        assert_eq!(Track::kept(Vec::new(), SongVerdict::Silence, &[]).verdict(), SongVerdict::Unheard);
        // What is heard now counts, not what was said then.
        kept.add(heard(2, &[1.0, 0.0]), 100.0, &[], &[]);
        assert_eq!(kept.verdict().probabilities(), [1.0, 0.0]);
    }
}
