//! What is kept of a song.
//!
//! In: a song as it is now. Out: its record, and in a later visit the song again.

use leptos::prelude::*;

use crate::classify::verdict::SongVerdict;
use crate::engine::protocol::SongId;
use crate::library::record::{Ending, KeptClip, Record, Shares};
use crate::page::song::{FileState, Song, SongState};
use crate::page::track::{HeardClip, Track};

/// What is kept of a song as it is now.
pub(crate) fn record_of(song: &Song) -> Record {
    let ending = match song.state.get_untracked() {
        SongState::Done => Ending::Done,
        SongState::Failed(why) => Ending::Failed { why },
        SongState::Cancelled => Ending::Cancelled,
        SongState::Queued | SongState::Busy | SongState::Unheard => Ending::Unheard,
    };
    let (clips, verdict, embedding) = song.track.with_value(|track| {
        let clips = track.clips().iter().map(|heard| KeptClip {
            clip: heard.verdict.clip,
            start: heard.start,
            end: heard.end,
            shares: Shares::of(&heard.verdict.probabilities),
            refused: heard.verdict.refused,
        });
        (clips.collect(), track.verdict(), track.embedding())
    });
    Record {
        file: song.file.as_ref().clone(),
        ending,
        info: song.info.get_untracked(),
        seconds: song.seconds.get_untracked(),
        notices: song.notices.get_untracked(),
        heard_by: song.heard_by.with_untracked(|by| by.as_deref().cloned()),
        probabilities: verdict.probabilities().to_vec(),
        doubt: verdict.doubt(),
        clips,
        embedding,
        heard: song.heard_at,
        recorded: None,
    }
}

impl Song {
    /// A song of an earlier visit.
    pub(crate) fn kept(id: SongId, record: Record) -> Self {
        let mut song = Self::new(id, record.file.clone(), Self::EARLIER);
        song.heard_at = record.heard;
        song.file_state.set(FileState::Away);
        song.state.set(match record.ending {
            Ending::Unheard => SongState::Unheard,
            Ending::Done => SongState::Done,
            Ending::Failed { why } => SongState::Failed(why),
            Ending::Cancelled => SongState::Cancelled,
        });
        let clips = record.clips.iter().map(|clip| HeardClip {
            verdict: clip.verdict(),
            start: clip.start,
            end: clip.end,
        });
        let verdict = SongVerdict::of(record.probabilities, record.doubt);
        song.track.set_value(Track::kept(clips.collect(), verdict, &record.embedding));
        song.info.set(record.info);
        song.seconds.set(record.seconds);
        song.notices.set(record.notices);
        if let Some(by) = record.heard_by {
            song.heard_by(by);
        }
        song.refresh();
        song
    }
}
