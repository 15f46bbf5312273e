//! What is kept of a song from one visit to the next.
//!
//! In: what the engine said of it. Out: a [`Record`], a few kilobytes of JSON
//! for a song of five minutes: everything that is shown of it but its sound and
//! its spectrogram.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::classify::verdict::{ClipVerdict, Doubt, SongVerdict};
use crate::engine::protocol::{SongInfo, SongNotice, SongProblem};
use crate::order::order;

/// By what a file is known again: browsers tell no path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FileKey {
    /// Its name, without folders.
    pub name: String,
    /// Its length, in bytes.
    pub size: u64,
    /// When it was last changed, in milliseconds since 1970.
    pub modified: i64,
}

impl FileKey {
    /// All of it in one text: different files have different texts.
    pub fn text(&self) -> String {
        // The name stands last, where nothing in it can be taken for a number.
        format!("{} {} {}", self.size, self.modified, self.name)
    }

    /// What links call it: 64 bits of [`text`](Self::text) by [FNV-1a](fnv),
    /// the same in every browser that has the file.
    pub fn code(&self) -> String {
        format!("{:016x}", fnv(FNV_START, self.text().as_bytes()))
    }
}

/// What [`fnv`] begins with.
pub const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

/// The hash of what came before, and of some bytes more, by FNV-1a of 64 bits (G. Fowler, L. C.
/// Noll, K.-P. Vo, D. Eastlake, "The FNV Non-Cryptographic Hash Algorithm").
pub fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The model that heard a song.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HeardBy {
    /// By what the model is known again: a digest of its file, or its name and
    /// date. Embeddings of models with different keys have nothing in common.
    pub key: String,
    /// What people call it.
    pub name: String,
    /// Its genres in the order of the probabilities.
    pub genres: Vec<String>,
}

/// How a song ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It has not been heard to its end yet.
    #[default]
    Unheard,
    /// It has been heard.
    Done,
    /// It could not be heard, or not to its end.
    Failed {
        /// Why.
        why: SongProblem,
    },
    /// The person stopped it.
    Cancelled,
}

/// Probabilities in 255ths that sum to 255; none for silence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shares(Vec<u8>);

impl Shares {
    /// Each of `probabilities` in 255ths, up or down, so that their sum stays: by largest
    /// remainder. Rounded each for itself, many improbable genres would come to nothing, and
    /// what they have to the most probable one.
    pub fn of(probabilities: &[f32]) -> Self {
        let scaled: Vec<f32> = probabilities.iter().map(|probability| probability * 255.0).collect();
        // The cast takes NaN for 0, keeps within a byte, and rounds down.
        let mut shares: Vec<u8> = scaled.iter().map(|share| *share as u8).collect();
        let given: usize = shares.iter().copied().map(usize::from).sum();
        let left = (scaled.iter().sum::<f32>().round() as usize).saturating_sub(given);
        let remainder = |index: usize| scaled[index] - f32::from(shares[index]);
        let largest = order(shares.len(), &|a, b| remainder(b).total_cmp(&remainder(a)));
        for index in largest.into_iter().take(left) {
            shares[index] = shares[index].saturating_add(1);
        }
        Self(shares)
    }

    /// What [`into_bytes`](Self::into_bytes) gave.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// A byte for each genre.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// The probabilities, summing to 1; empty for silence.
    pub fn probabilities(&self) -> Vec<f32> {
        let sum: u32 = self.0.iter().copied().map(u32::from).sum();
        if sum == 0 {
            return Vec::new();
        }
        self.0.iter().map(|share| f32::from(*share) / sum as f32).collect()
    }
}

/// As base64url, so that a hundred clips are a text and not a thousand numbers.
impl Serialize for Shares {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_URL_SAFE_NO_PAD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Shares {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        BASE64_URL_SAFE_NO_PAD.decode(text).map(Self).map_err(D::Error::custom)
    }
}

/// What is kept of one clip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeptClip {
    /// Position of the clip in the song, from 0.
    pub clip: usize,
    /// Where in the song it begins, in seconds.
    pub start: f64,
    /// Where in the song it ends, in seconds.
    pub end: f64,
    /// What the network said of it.
    pub shares: Shares,
    /// Whether it was refused as not music.
    #[serde(default)]
    pub refused: bool,
}

impl KeptClip {
    /// The clip's verdict, as near as it was kept.
    pub fn verdict(&self) -> ClipVerdict {
        let (clip, refused) = (self.clip, self.refused);
        ClipVerdict { clip, probabilities: self.shares.probabilities(), score: None, refused }
    }
}

/// What is kept of a song.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its file.
    pub file: FileKey,
    /// How it ended.
    pub ending: Ending,
    /// What the file says of itself.
    #[serde(default)]
    pub info: SongInfo,
    /// Its true length in seconds, where it was heard to its end.
    #[serde(default)]
    pub seconds: Option<f64>,
    /// What was not as it should be.
    #[serde(default)]
    pub notices: Vec<SongNotice>,
    /// Who heard it; `None` where nobody has yet.
    #[serde(default)]
    pub heard_by: Option<HeardBy>,
    /// Probability of each genre, exactly; empty without a verdict.
    #[serde(default)]
    pub probabilities: Vec<f32>,
    /// Why the most probable is not the verdict, where it is not.
    #[serde(default)]
    pub doubt: Option<Doubt>,
    /// The clips in the song's order.
    #[serde(default)]
    pub clips: Vec<KeptClip>,
    /// Mean of the clips' embeddings, `[embedding_length]`; empty where no clip
    /// sounded.
    #[serde(default)]
    pub embedding: Vec<f32>,
    /// When it was heard, in milliseconds since 1970.
    #[serde(default)]
    pub heard: f64,
    /// Whether there may be no other copy of its file than the store's, as of what the
    /// microphone heard; `None` in older records, which did not say.
    #[serde(default)]
    pub recorded: Option<bool>,
}

impl Record {
    /// The title tag, or the file's name.
    pub fn title(&self) -> &str {
        self.info.title.as_deref().unwrap_or(&self.file.name)
    }

    /// The true length in seconds, or the declared one.
    pub fn length(&self) -> Option<f64> {
        self.seconds.or(self.info.seconds).filter(|seconds| seconds.is_finite())
    }

    /// The most probable genre's name and probability, whether or not the song is said to be of it
    /// ([`Self::doubt`]); `None` of what is not music.
    pub fn most_probable(&self) -> Option<(&str, f32)> {
        if self.doubt == Some(Doubt::NotMusic) {
            return None;
        }
        let verdict = SongVerdict::Genre { probabilities: self.probabilities.clone() };
        let (index, share) = *verdict.ranking().first()?;
        Some((self.heard_by.as_ref()?.genres.get(index)?, share))
    }
}

/// The mean of clips' embeddings as it grows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EmbeddingSum {
    sums: Vec<f64>,
    clips: usize,
}

impl EmbeddingSum {
    /// Takes in the embedding of one clip. An empty one (silence), one that is
    /// no number or has another length than the first is left out.
    pub fn add(&mut self, embedding: &[f32]) {
        if embedding.is_empty() || embedding.iter().any(|value| !value.is_finite()) {
            return;
        }
        if self.sums.is_empty() {
            self.sums = vec![0.0; embedding.len()];
        }
        if self.sums.len() != embedding.len() {
            return;
        }
        self.clips += 1;
        for (sum, value) in self.sums.iter_mut().zip(embedding) {
            *sum += f64::from(*value);
        }
    }

    /// The mean, `[embedding_length]`; empty before the first clip.
    pub fn mean(&self) -> Vec<f32> {
        self.sums.iter().map(|sum| (sum / self.clips.max(1) as f64) as f32).collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A song of two genres, of which the first has `share`, by one model.
    pub(in crate::library) fn record(name: &str, share: f32, embedding: &[f32]) -> Record {
        let clip = |clip: usize, probabilities: &[f32]| KeptClip {
            clip,
            start: clip as f64 * 3.0,
            end: clip as f64 * 3.0 + 3.0,
            shares: Shares::of(probabilities),
            refused: false,
        };
        Record {
            file: FileKey { name: name.into(), size: 7, modified: 1_700_000_000_000 },
            ending: Ending::Done,
            seconds: Some(9.4),
            heard_by: Some(HeardBy {
                key: "k".into(),
                name: "row 8".into(),
                genres: vec!["blues".into(), "jazz".into()],
            }),
            probabilities: vec![share, 1.0 - share],
            clips: vec![clip(0, &[share, 1.0 - share]), clip(1, &[])],
            embedding: embedding.to_vec(),
            ..Record::default()
        }
    }

    #[test]
    fn a_file_has_one_code() {
        // FNV-1a of "0 0 ", by another implementation.
        assert_eq!(FileKey::default().code(), "37a855f99ce81435");
        let other = FileKey { modified: 1, ..FileKey::default() };
        assert_ne!(other.code(), FileKey::default().code());
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        let mut kept = record("a b.mp3", 0.75, &[0.5, -1.25]);
        kept.info.title = Some("Ünter \"Brücken\"".into());
        for ending in [
            Ending::Unheard,
            Ending::Done,
            Ending::Cancelled,
            Ending::Failed { why: SongProblem::Damaged { detail: "x".into() } },
        ] {
            kept.ending = ending;
            let text = serde_json::to_string(&kept).unwrap();
            assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), kept);
        }
    }

    #[test]
    fn fields_to_come_are_no_reason_to_lose_a_record() {
        let early = r#"{"file":{"name":"a","size":1,"modified":2},"ending":"done","colour":3}"#;
        assert_eq!(serde_json::from_str::<Record>(early).unwrap().title(), "a");
    }

    /// As it stands in people's browsers: what is called otherwise one day is to be read by
    /// these names still.
    #[test]
    fn what_is_kept_today_can_be_read() {
        let kept = r#"{
            "file": {"name": "a b.mp3", "size": 4711, "modified": 1700000000000},
            "ending": {"failed": {"why": {"damaged": {"detail": "no frame"}}}},
            "info": {
                "title": "Title", "artist": "Artist", "album": "Album",
                "codec": "mp3", "sample_rate": 44100, "channels": 2, "seconds": 181.5
            },
            "seconds": 180.25,
            "notices": [
                {"truncated": {"heard": 180.25, "declared": 181.5}},
                {"corrupt_packets": {"packets": 2}},
                {"non_finite": {"samples": 3}},
                {"repeated": {"seconds": 1.5}}
            ],
            "heard_by": {"key": "a digest", "name": "Ears", "genres": ["blues", "jazz"]},
            "probabilities": [0.75, 0.25],
            "doubt": "not_sure",
            "clips": [
                {"clip": 0, "start": 0.0, "end": 3.0, "shares": "_wA", "refused": true},
                {"clip": 1, "start": 3.0, "end": 6.0, "shares": "", "refused": false}
            ],
            "embedding": [0.5, -1.25],
            "heard": 1700000000123.0,
            "recorded": true
        }"#;
        let damaged = SongProblem::Damaged { detail: "no frame".into() };
        let clip = |clip: usize, shares: &[u8], refused| {
            let start = 3.0 * clip as f64;
            KeptClip { clip, start, end: start + 3.0, shares: Shares::from_bytes(shares), refused }
        };
        // No field is left to its default, which is what an unknown name comes to.
        let expected = Record {
            file: FileKey { name: "a b.mp3".into(), size: 4711, modified: 1_700_000_000_000 },
            ending: Ending::Failed { why: damaged.clone() },
            info: SongInfo {
                title: Some("Title".into()),
                artist: Some("Artist".into()),
                album: Some("Album".into()),
                codec: "mp3".into(),
                sample_rate: 44_100,
                channels: 2,
                seconds: Some(181.5),
            },
            seconds: Some(180.25),
            notices: vec![
                SongNotice::Truncated { heard: 180.25, declared: Some(181.5) },
                SongNotice::CorruptPackets { packets: 2 },
                SongNotice::NonFinite { samples: 3 },
                SongNotice::Repeated { seconds: 1.5 },
            ],
            heard_by: Some(HeardBy {
                key: "a digest".into(),
                name: "Ears".into(),
                genres: vec!["blues".into(), "jazz".into()],
            }),
            probabilities: vec![0.75, 0.25],
            doubt: Some(Doubt::NotSure),
            clips: vec![clip(0, &[255, 0], true), clip(1, &[], false)],
            embedding: vec![0.5, -1.25],
            heard: 1_700_000_000_123.0,
            recorded: Some(true),
        };
        assert_eq!(serde_json::from_str::<Record>(kept).unwrap(), expected);

        assert_eq!(serde_json::from_str::<Doubt>(r#""not_music""#).unwrap(), Doubt::NotMusic);
        for (kept, ending) in [
            (r#""unheard""#, Ending::Unheard),
            (r#""done""#, Ending::Done),
            (r#""cancelled""#, Ending::Cancelled),
        ] {
            assert_eq!(serde_json::from_str::<Ending>(kept).unwrap(), ending);
        }
        let (codec, detail) = (String::from("x"), String::from("y"));
        for (kept, problem) in [
            (r#""empty""#, SongProblem::Empty),
            (r#""folder""#, SongProblem::Folder),
            (r#""not_audio""#, SongProblem::NotAudio),
            (r#""no_track""#, SongProblem::NoTrack),
            (r#"{"codec": {"codec": "x"}}"#, SongProblem::Codec { codec: codec.clone() }),
            (
                r#"{"too_long": {"codec": "x", "seconds": 2.5, "limit": 1.5}}"#,
                SongProblem::TooLong { codec, seconds: 2.5, limit: 1.5 },
            ),
            (
                r#"{"too_short": {"seconds": 0.5, "least": 1.0}}"#,
                SongProblem::TooShort { seconds: 0.5, least: 1.0 },
            ),
            (r#"{"sample_rate": {"sample_rate": 7000}}"#, SongProblem::SampleRate { sample_rate: 7000 }),
            (r#""not_finite""#, SongProblem::NotFinite),
            (r#"{"damaged": {"detail": "no frame"}}"#, damaged),
            (r#"{"unreadable": {"detail": "y"}}"#, SongProblem::Unreadable { detail: detail.clone() }),
            (r#""model_refused""#, SongProblem::ModelRefused),
            (r#"{"engine": {"detail": "y"}}"#, SongProblem::Engine { detail }),
        ] {
            assert_eq!(serde_json::from_str::<SongProblem>(kept).unwrap(), problem);
        }
    }

    /// Of `probabilities`, which need not sum to 1 yet.
    fn are_within_a_step(probabilities: &[f32]) {
        let sum: f32 = probabilities.iter().sum();
        let probabilities: Vec<f32> = probabilities.iter().map(|probability| probability / sum).collect();
        let kept = Shares::of(&probabilities).probabilities();
        assert_eq!(kept.len(), probabilities.len());
        assert!((kept.iter().copied().map(f64::from).sum::<f64>() - 1.0).abs() < 1e-6);
        for (kept, given) in kept.iter().zip(&probabilities) {
            assert!((kept - given).abs() < 1.0 / 255.0 + 1e-6, "{kept} for {given}");
        }
    }

    #[test]
    fn shares_are_probabilities_within_a_step() {
        are_within_a_step(&[0.700_1, 0.2, 0.099_9, 0.0]);
        // Each of the nine is less than half a step, and so is each of these 600.
        are_within_a_step(&[&[0.984_25], &[0.001_75; 9][..]].concat());
        are_within_a_step(&[1.0; 600]);
        assert_eq!(Shares::of(&[]).probabilities(), [0.0; 0]);
        assert_eq!(Shares::of(&[f32::NAN]).probabilities(), [0.0; 0]);
    }

    proptest! {
        #[test]
        fn whatever_the_shares(probabilities in proptest::collection::vec(1e-3_f32..1.0, 1..600)) {
            are_within_a_step(&probabilities);
        }
    }

    #[test]
    fn embeddings_are_averaged_over_what_sounded() {
        let mut sum = EmbeddingSum::default();
        assert_eq!(sum.mean(), [0.0; 0]);
        for embedding in [&[1.0, 2.0][..], &[], &[3.0, 4.0], &[9.0], &[f32::NAN, 0.0]] {
            sum.add(embedding);
        }
        assert_eq!(sum.mean(), [2.0, 3.0]);
    }

    #[test]
    fn different_files_have_different_texts() {
        let key = |name: &str, size, modified| FileKey { name: name.into(), size, modified }.text();
        assert_ne!(key("3 a", 1, 2), key("a", 1, 23));
        assert_ne!(key("a", 1, 2), key("a", 12, 2));
    }

    #[test]
    fn the_genre_is_the_most_probable() {
        assert_eq!(record("a", 0.25, &[]).most_probable(), Some(("jazz", 0.75)));
        assert_eq!(Record::default().most_probable(), None);
        let noise = Record { doubt: Some(Doubt::NotMusic), ..record("a", 0.25, &[]) };
        assert_eq!(noise.most_probable(), None);
    }
}
