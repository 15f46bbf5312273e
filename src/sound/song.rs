//! What is said of a song: the clips wanted of it, what its file says of
//! itself, and what was wrong with it.
//!
//! In: nothing. Out: plain data, without a decoder behind it, because the page
//! and its workers send these to each other
//! ([`protocol`](crate::engine::protocol)). They are codes and arguments; the
//! English of [`SongProblem`] is for the command line.

use serde::{Deserialize, Serialize};

/// Least length of a song, in seconds.
pub const LEAST_SECONDS: f64 = 1.0;

/// What a codec is called whose name is not known.
pub const UNKNOWN_CODEC: &str = "unknown";

/// Rate and length of the clips that a model wants.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClipFormat {
    /// Samples a second, in Hz.
    pub sample_rate: u32,
    /// Samples in a clip.
    pub samples: usize,
}

/// What a file says of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SongInfo {
    /// Title tag.
    pub title: Option<String>,
    /// Artist tag.
    pub artist: Option<String>,
    /// Album tag.
    pub album: Option<String>,
    /// Short name of the codec: `mp3`, `flac`, `aac`, ...
    pub codec: String,
    /// Rate, in Hz: as delivered where the song is decoded here, as declared elsewhere.
    pub sample_rate: u32,
    /// Channels, likewise.
    pub channels: usize,
    /// Declared length, in seconds, where there is one.
    pub seconds: Option<f64>,
}

/// Something that was not as it should be, though the song has a verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SongNotice {
    /// The file ends before it says it does.
    Truncated {
        /// Seconds that were there.
        heard: f64,
        /// Seconds that it declares, where it does.
        declared: Option<f64>,
    },
    /// Packets that could not be decoded were left out.
    CorruptPackets {
        /// How many.
        packets: u64,
    },
    /// Samples that are no number, or louder than any sound (180 dB above full scale),
    /// were taken as 0.
    NonFinite {
        /// How many.
        samples: u64,
    },
    /// The file is shorter than a clip and was repeated to fill one.
    Repeated {
        /// How long it is, in seconds.
        seconds: f64,
    },
}

/// Why a song has no verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum SongProblem {
    /// No bytes at all.
    #[error("the file is empty")]
    Empty,
    /// A folder where a file was expected.
    #[error("this is a folder: name the files in it")]
    Folder,
    /// No audio format known here.
    #[error("this is not audio in a format known here")]
    NotAudio,
    /// A container with no audio track in it.
    #[error("the file has no audio track")]
    NoTrack,
    /// A codec that nobody here decodes.
    #[error("the codec {codec} is not supported")]
    Codec {
        /// Its short name.
        codec: String,
    },
    /// Too long for the one way left to decode it.
    #[error("the song is {seconds:.0} s long, at most {limit:.0} s can be decoded of its codec {codec}")]
    TooLong {
        /// Its short name.
        codec: String,
        /// How long it is.
        seconds: f64,
        /// How long it may be.
        limit: f64,
    },
    /// Less than a second of sound.
    #[error("the sound is {seconds:.2} s long, at least {least} s are needed")]
    TooShort {
        /// How long it is, in seconds.
        seconds: f64,
        /// How long it would have to be.
        least: f64,
    },
    /// A rate outside 8 to 192 kHz.
    #[error("the sample rate of {sample_rate} Hz is outside 8000 to 192000 Hz")]
    SampleRate {
        /// The rate, in Hz.
        sample_rate: u32,
    },
    /// No sample of the file is a number, or none that could be sound.
    #[error("none of the samples is a finite number")]
    NotFinite,
    /// The file is damaged from the start.
    #[error("the file is damaged: {detail}")]
    Damaged {
        /// What the decoder says, in English.
        detail: String,
    },
    /// The file cannot be read (any more).
    #[error("the file cannot be read: {detail}")]
    Unreadable {
        /// What the system says.
        detail: String,
    },
    /// The model that was hearing it proved to be none, and what it had heard went with it.
    #[error("the model that was hearing it cannot be used")]
    ModelRefused,
    /// The engine failed on it: again and again where another try might have helped, or once.
    #[error("the engine failed on this song: {detail}")]
    Engine {
        /// The last failure, in English.
        detail: String,
    },
}
