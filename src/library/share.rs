//! A result as a link that opens without the song.
//!
//! In: a [`Record`]. Out: a text for the fragment of an address, which no server
//! sees, and back. The text is base64url of postcard's bytes of [`Wire`] (a
//! version, then names, length, shares) and their CRC-32. For a song of five
//! minutes and ten genres it is about 1.5 kB; longer songs are
//! [drawn together](Shared::of) until theirs is no longer.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use crc::{CRC_32_ISO_HDLC, Crc};
use serde::{Deserialize, Serialize};

use super::record::{KeptClip, Record, Shares};
use crate::classify::verdict::{ClipVerdict, Doubt, Rule, song_verdict};

/// Version of the link that this build writes; it reads those before too.
pub const SHARE_VERSION: u8 = 2;

/// The first version: as [`SHARE_VERSION`], without [`Wire::not_sure`].
const FIRST_VERSION: u8 = 1;

/// Shares of genres in a link: clips times genres, at most.
const MOST_SHARES: usize = 1000;

/// Letters of a name in a link.
const MOST_LETTERS: usize = 60;

/// Genres in a link.
pub const MOST_GENRES: usize = 100;

/// Letters of the longest text that is read. What is written is shorter.
const MOST_TEXT: usize = 64 * 1024;

/// A week: a song that claims to be longer is none.
const MOST_SECONDS: f32 = 7.0 * 24.0 * 3600.0;

const CHECKSUM: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// A result as it stands in a link.
#[derive(Clone, Debug, PartialEq)]
pub struct Shared {
    /// The song's title.
    pub title: String,
    /// Its artist; empty where none is known.
    pub artist: String,
    /// Name of the model that heard it.
    pub model: String,
    /// Its length, in seconds.
    pub seconds: f32,
    /// The model's genres.
    pub genres: Vec<String>,
    /// Probability of each genre over the song, as the model combined its clips; empty for
    /// silence.
    pub probabilities: Vec<f32>,
    /// Whether none of them is probable enough to be the verdict.
    pub not_sure: bool,
    /// Length of a stretch, in seconds; the last may be shorter.
    pub stretch_seconds: f32,
    /// Verdicts on the stretches of the song, in its order.
    pub stretches: Vec<ClipVerdict>,
}

/// Why a link cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// No base64url, cut short, changed on the way, or not a result at all.
    #[error("the link is damaged")]
    Damaged,
    /// Written by a page of another version.
    #[error("the link is of version {found}, this page reads version {SHARE_VERSION}")]
    Version {
        /// What the link says.
        found: u8,
    },
}

/// The bytes of a link, in postcard's format, after the version.
#[derive(Serialize, Deserialize)]
struct Wire {
    title: String,
    artist: String,
    model: String,
    seconds: f32,
    stretch_seconds: f32,
    genres: Vec<String>,
    /// 65535ths of the song, `[genres]`; zeros for silence.
    song: Vec<u16>,
    /// 255ths of the stretches, `[stretches, genres]`; zeros for silence.
    stretches: Vec<u8>,
    not_sure: bool,
}

fn shortened(text: &str) -> String {
    text.chars().take(MOST_LETTERS).collect()
}

/// 255ths, `[genres]`.
fn bytes_of(probabilities: &[f32], genres: usize) -> Vec<u8> {
    let mut bytes = Shares::of(probabilities).into_bytes();
    bytes.resize(genres, 0);
    bytes
}

impl Shared {
    /// What is told of a song; `None` where there is no verdict to tell, or it is that
    /// this is not music. Where
    /// the song has more clips than a link holds, neighbours share a stretch, of
    /// which the mean is told.
    pub fn of(record: &Record) -> Option<Self> {
        if record.doubt == Some(Doubt::NotMusic) {
            return None;
        }
        let by = record.heard_by.as_ref()?;
        if by.genres.is_empty() || by.genres.len() > MOST_GENRES {
            return None;
        }
        let last = record.clips.last()?;
        let clips = last.clip.checked_add(1)?;
        let clips_each = clips.div_ceil((MOST_SHARES / by.genres.len()).max(1));
        // Clips that were not heard, of a song that was stopped, are silent.
        let stretches = (0..clips.div_ceil(clips_each)).map(|stretch| {
            let from = record.clips.partition_point(|clip| clip.clip / clips_each < stretch);
            let here = record.clips[from..].iter().take_while(|clip| clip.clip / clips_each == stretch);
            let verdicts: Vec<_> = here.map(KeptClip::verdict).collect();
            let verdict = song_verdict(&verdicts, Rule::default());
            // What is not music there is a gap, as silence is.
            let is_music = verdict.doubt() != Some(Doubt::NotMusic);
            let probabilities = if is_music { verdict.probabilities().to_vec() } else { Vec::new() };
            ClipVerdict { clip: stretch, probabilities, ..ClipVerdict::default() }
        });
        Some(Self {
            title: shortened(record.title()),
            artist: shortened(record.info.artist.as_deref().unwrap_or_default()),
            model: shortened(&by.name),
            // The last clip may end before the song does.
            seconds: record.length().map_or(last.end, |length| length.max(last.end)) as f32,
            stretch_seconds: ((last.end - last.start) * clips_each as f64) as f32,
            genres: by.genres.iter().map(|genre| shortened(genre)).collect(),
            probabilities: record.probabilities.clone(),
            not_sure: record.doubt == Some(Doubt::NotSure),
            stretches: stretches.collect(),
        })
    }

    /// The text for a link: letters, digits, `-` and `_`.
    pub fn encode(&self) -> String {
        let genres = self.genres.len();
        let wire = Wire {
            title: self.title.clone(),
            artist: self.artist.clone(),
            model: self.model.clone(),
            seconds: self.seconds,
            stretch_seconds: self.stretch_seconds,
            genres: self.genres.clone(),
            song: self
                .genres
                .iter()
                .enumerate()
                .map(|(genre, _)| {
                    let share = self.probabilities.get(genre).copied().unwrap_or_default();
                    // The cast takes NaN for 0 and keeps within the number.
                    (share * f32::from(u16::MAX)).round() as u16
                })
                .collect(),
            stretches: self
                .stretches
                .iter()
                .flat_map(|stretch| bytes_of(&stretch.probabilities, genres))
                .collect(),
            not_sure: self.not_sure,
        };
        let mut bytes = vec![SHARE_VERSION];
        // Texts, numbers and lists of them all have bytes.
        bytes.extend(postcard::to_allocvec(&wire).unwrap_or_default());
        let checksum = CHECKSUM.checksum(&bytes);
        bytes.extend(checksum.to_le_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What a link's text says.
    ///
    /// # Errors
    /// [`ShareError`] for every text that [`encode`](Self::encode) does not
    /// write.
    pub fn decode(text: &str) -> Result<Self, ShareError> {
        if text.len() > MOST_TEXT {
            return Err(ShareError::Damaged);
        }
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| ShareError::Damaged)?;
        let (bytes, checksum) = bytes.split_last_chunk().ok_or(ShareError::Damaged)?;
        if CHECKSUM.checksum(bytes) != u32::from_le_bytes(*checksum) {
            return Err(ShareError::Damaged);
        }
        let read = |wire: &[u8]| {
            postcard::from_bytes(wire).ok().and_then(Self::from_wire).ok_or(ShareError::Damaged)
        };
        match bytes.split_first() {
            Some((&SHARE_VERSION, wire)) => read(wire),
            Some((&FIRST_VERSION, wire)) => read(&[wire, &[u8::from(false)]].concat()),
            Some((&found, _)) => Err(ShareError::Version { found }),
            None => Err(ShareError::Damaged),
        }
    }

    /// A checksum keeps accidents away, and not what is wrong on purpose.
    fn from_wire(wire: Wire) -> Option<Self> {
        let genres = wire.genres.len();
        let fits = (1..=MOST_GENRES).contains(&genres)
            && wire.song.len() == genres
            && wire.stretches.len() <= MOST_SHARES.max(genres)
            && wire.stretches.len().is_multiple_of(genres)
            && (0.0..=MOST_SECONDS).contains(&wire.seconds)
            && (0.0..=MOST_SECONDS).contains(&wire.stretch_seconds);
        if !fits {
            return None;
        }
        let verdict = |(clip, shares): (usize, &[u8])| ClipVerdict {
            clip,
            probabilities: Shares::from_bytes(shares).probabilities(),
            ..ClipVerdict::default()
        };
        Some(Self {
            title: shortened(&wire.title),
            artist: shortened(&wire.artist),
            model: shortened(&wire.model),
            seconds: wire.seconds,
            stretch_seconds: wire.stretch_seconds,
            not_sure: wire.not_sure,
            probabilities: if wire.song.iter().all(|share| *share == 0) {
                Vec::new()
            } else {
                wire.song.iter().map(|share| f32::from(*share) / f32::from(u16::MAX)).collect()
            },
            stretches: wire.stretches.chunks_exact(genres).enumerate().map(verdict).collect(),
            genres: wire.genres.iter().map(|genre| shortened(genre)).collect(),
        })
    }
}

#[cfg(test)]
mod tests {

    use proptest::prelude::*;

    use super::super::record::tests::record;
    use super::*;

    /// A song of ten genres and that many clips.
    fn long(clips: usize) -> Record {
        let mut song = record("A song with a name of usual length.mp3", 0.5, &[]);
        let genres =
            ["blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock"];
        if let Some(by) = &mut song.heard_by {
            by.genres = genres.map(String::from).to_vec();
        }
        song.probabilities = vec![0.1; 10];
        song.info.artist = Some("Somebody and the Others".into());
        song.clips = (0..clips)
            .map(|clip| {
                let mut shares = [0.02; 10];
                shares[clip / 7 % 10] = 0.82;
                KeptClip {
                    clip,
                    start: clip as f64 * 3.0,
                    end: clip as f64 * 3.0 + 3.0,
                    shares: Shares::of(&shares),
                    refused: false,
                }
            })
            .collect();
        song
    }

    fn sealed(version: u8, bytes: &[u8]) -> String {
        let mut bytes = [&[version], bytes].concat();
        let checksum = CHECKSUM.checksum(&bytes);
        bytes.extend(checksum.to_le_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Written by other code, from the format alone: what was sent stays a link.
    #[test]
    fn links_that_were_sent_are_read_for_good() {
        let first = "AQpCbHVlIFRyYWluBUouIEMuBEVhcnMAABBBAABAQAIFYmx1ZXMEamF6egL__wKAgAEGzDMAADPMA4dtFg";
        let second = "AgpCbHVlIFRyYWluBUouIEMuBEVhcnMAABBBAABAQAIFYmx1ZXMEamF6egL__wKAgAEGzDMAADPMAZPzU-M";
        let stretch = |clip, probabilities: &[f32]| ClipVerdict {
            clip,
            probabilities: probabilities.to_vec(),
            ..ClipVerdict::default()
        };
        let sent = Shared {
            title: "Blue Train".into(),
            artist: "J. C.".into(),
            model: "Ears".into(),
            seconds: 9.0,
            genres: vec!["blues".into(), "jazz".into()],
            probabilities: vec![49_151.0 / 65_535.0, 16_384.0 / 65_535.0],
            not_sure: true,
            stretch_seconds: 3.0,
            stretches: vec![stretch(0, &[0.8, 0.2]), stretch(1, &[]), stretch(2, &[0.2, 0.8])],
        };
        assert_eq!(Shared::decode(second), Ok(sent.clone()));
        assert_eq!(Shared::decode(first), Ok(Shared { not_sure: false, ..sent.clone() }));
        assert_eq!(sent.encode(), second);
    }

    #[test]
    fn a_link_says_what_the_record_does() {
        let shared = Shared::of(&long(100)).unwrap();
        let read = Shared::decode(&shared.encode()).unwrap();
        assert_eq!((&read.title, &read.artist, &read.model), (&shared.title, &shared.artist, &shared.model));
        assert_eq!((&read.genres, read.seconds), (&shared.genres, 300.0));
        assert_eq!((read.stretches.len(), read.stretch_seconds), (100, 3.0));
        for (read, told) in read.stretches.iter().zip(&shared.stretches) {
            assert_eq!(read.top(), told.top());
        }
        for (read, told) in read.probabilities.iter().zip(&shared.probabilities) {
            assert!((read - told).abs() < 1e-4);
        }
    }

    #[test]
    fn a_link_is_short_whatever_the_song() {
        for clips in [1, 100, 101, 3600, 100_000] {
            let shared = Shared::of(&long(clips)).unwrap();
            assert!(shared.encode().len() <= 2000, "{clips}: {}", shared.encode().len());
            assert!(shared.stretches.len() <= 100 && shared.stretches.len() >= clips.min(50), "{clips}");
        }
    }

    #[test]
    fn clips_that_are_missing_move_no_other() {
        let mut song = long(10);
        song.clips.remove(4);
        let shared = Shared::of(&song).unwrap();
        assert!(shared.stretches[4].is_silent());
        assert_eq!(shared.stretches[9].top(), song.clips[8].verdict().top());
    }

    #[test]
    fn silence_stays_silence() {
        let mut song = record("a", 0.75, &[]);
        let read = Shared::decode(&Shared::of(&song).unwrap().encode()).unwrap();
        assert!(read.stretches[1].is_silent() && !read.stretches[0].is_silent());
        song.probabilities.clear();
        let read = Shared::decode(&Shared::of(&song).unwrap().encode()).unwrap();
        assert_eq!(read.probabilities, [0.0; 0]);
    }

    #[test]
    fn a_link_says_where_nobody_is_sure_and_one_of_the_first_version_did_not() {
        let unsure = Record { doubt: Some(Doubt::NotSure), ..long(20) };
        let text = Shared::of(&unsure).unwrap().encode();
        let read = Shared::decode(&text).unwrap();
        assert!(read.not_sure);
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).unwrap();
        let first = sealed(FIRST_VERSION, &bytes[1..bytes.len() - 5]);
        assert_eq!(Shared::decode(&first), Ok(Shared { not_sure: false, ..read }));
    }

    #[test]
    fn what_was_not_heard_has_no_link() {
        assert_eq!(Shared::of(&Record::default()), None);
        let noise = Record { doubt: Some(Doubt::NotMusic), ..long(3) };
        assert_eq!(Shared::of(&noise), None);
    }

    #[test]
    fn other_versions_say_so() {
        assert_eq!(Shared::decode(&sealed(9, b"who knows")), Err(ShareError::Version { found: 9 }));
    }

    #[test]
    fn a_changed_link_is_noticed() {
        let text = Shared::of(&long(20)).unwrap().encode();
        for at in (0..text.len()).step_by(7) {
            let other = if &text[at..=at] == "A" { "B" } else { "A" };
            let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            assert_eq!(Shared::decode(&changed), Err(ShareError::Damaged), "{at}");
            assert!(Shared::decode(&text[..at]).is_err(), "{at}");
        }
    }

    proptest! {
        #[test]
        fn any_text_gives_a_result_or_an_error(text in ".{0,400}") {
            let _ = Shared::decode(&text);
        }

        // What has a right checksum gets past the first door.
        #[test]
        fn any_bytes_give_a_result_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(read) = Shared::decode(&sealed(SHARE_VERSION, &bytes)) {
                prop_assert!(read.seconds >= 0.0 && !read.genres.is_empty());
                for stretch in &read.stretches {
                    prop_assert!(stretch.is_silent() || stretch.probabilities.len() == read.genres.len());
                }
                // What was read can be passed on.
                prop_assert!(Shared::decode(&read.encode()).is_ok());
            }
        }

        // Nearly right: a true link's bytes with some of them changed.
        #[test]
        fn any_wrong_bytes_give_a_result_or_an_error(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
            let text = Shared::of(&long(12)).unwrap().encode();
            let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(text).unwrap();
            bytes.truncate(bytes.len() - 4);
            for (at, value) in changes {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            if let Ok(read) = Shared::decode(&sealed(bytes[0], &bytes[1..])) {
                prop_assert!(Shared::decode(&read.encode()).is_ok());
            }
        }
    }
}
