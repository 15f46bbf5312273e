//! What the page and its workers say to each other.
//!
//! Every message is one JSON text of [`Request`] or [`Reply`] and a list of
//! attachments that JSON cannot carry (a `File`, a typed array, a port, a
//! compiled module); which ones stands at each variant. On the wire it is the
//! JavaScript object `{ body: string, attachments: any[] }`. Messages carry
//! codes and arguments: the page has the words. Only what a device, a decoder or a
//! card says of itself is passed on as it is, as `detail`.

use serde::{Deserialize, Serialize};

pub use crate::classify::{
    occlusion::Patch,
    stage::{Stage, StageKind},
};
use crate::network::card::ModelCard;
pub use crate::network::problem::ModelProblem;
pub use crate::sound::song::{ClipFormat, SongInfo, SongNotice, SongProblem};
use crate::teaching::{
    held_out::HeldOut,
    lesson::{Lesson, LessonProblem},
};

/// Version of this protocol. Page and engine check each other's, because a
/// service worker may serve one of them from an older visit.
pub const PROTOCOL_VERSION: u32 = 5;

/// Mel bands of the [display columns](Reply::Verdict), few enough for the page
/// to keep for a whole song.
pub const COLUMN_BANDS: usize = 64;

/// Decibels (full scale) of a display column's value 0; 255 is 0 dB.
pub const COLUMN_FLOOR_DB: f32 = -100.0;

/// Seconds of what was heard live that are kept as a recording, the last: whoever
/// leaves it on overnight has neither memory nor disk filled.
pub const LONGEST_RECORDING: u64 = 3600;

/// A song of this visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SongId(pub u32);

/// A model of this visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ModelId(pub u32);

/// One piece of work given to a classifying worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ticket(pub u32);

/// What a worker is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads files and cuts them into clips.
    Decoder,
    /// Hears a microphone and cuts what it hears into clips.
    Microphone,
    /// Classifies clips on the processor: with kernels of its own, or with burn's Flex where
    /// [`Request::Start`] says so.
    Cpu,
    /// Classifies clips with WebGPU.
    Gpu,
}

/// From the page to a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// The first message after the module: who the worker is.
    Start {
        /// [`PROTOCOL_VERSION`] of the page.
        protocol: u32,
        /// What the worker is there for.
        role: Role,
        /// For [`Role::Gpu`]: take a software adapter too.
        #[serde(default)]
        software: bool,
        /// For [`Role::Cpu`]: compute by burn's Flex even where an own kernel
        /// is faster, to hold one against the other.
        #[serde(default)]
        flex: bool,
    },
    /// To a classifying worker: a model to load. Attachment: `ArrayBuffer` or
    /// `File`, the safetensors file. Answered by [`Reply::Model`], after a warm-up,
    /// or [`Reply::ModelRefused`].
    Model {
        /// Its name from here on.
        model: ModelId,
    },
    /// To a classifying worker: clips to classify. Attachments: as many
    /// `Float32Array`s of samples. Answered by [`Reply::Verdict`]s in order.
    Classify {
        /// Comes back with each verdict.
        ticket: Ticket,
        /// Which model.
        model: ModelId,
    },
    /// To a classifying worker: what to show the network, for checks against a
    /// reference. Attachment: `Uint8Array` `[clips, height, width]` of viridis
    /// indices, or of any model `Float32Array` `[clips, channels, height, width]`.
    /// Answered by [`Reply::Logits`].
    Infer {
        /// Comes back with the answer.
        ticket: Ticket,
        /// Which model.
        model: ModelId,
    },
    /// To a classifying worker: every stage of one clip's way. Attachment:
    /// `Float32Array` of its samples. Answered by [`Reply::Inspected`].
    Inspect {
        /// Comes back with the answer.
        ticket: Ticket,
        /// Which model.
        model: ModelId,
        /// The frame whose transform is shown; the loudest one, if `None`.
        frame: Option<usize>,
    },
    /// To a classifying worker: the log-odds of a genre with parts of a clip
    /// silent. Attachment: `Float32Array` of its samples. Answered by
    /// [`Reply::Explained`].
    Explain {
        /// Comes back with the answer.
        ticket: Ticket,
        /// Which model.
        model: ModelId,
        /// The genre, by its position in the card.
        class: usize,
        /// What is silent; `None` is the clip as it is.
        patches: Vec<Option<Patch>>,
    },
    /// To a classifying worker: clips to study for a lesson. Attachments: as many
    /// `Float32Array`s of samples. Answered by [`Reply::Features`] in order.
    Features {
        /// Comes back with each answer.
        ticket: Ticket,
        /// Whose convolutions.
        model: ModelId,
    },
    /// To a classifying worker: a lesson to learn. Attachments: `ArrayBuffer` or
    /// `File`, the safetensors file of the model whose convolutions studied its clips;
    /// `Float32Array` `[clips, features]`. Answered by [`Reply::Learning`]s, then
    /// [`Reply::Taught`] or [`Reply::NotTaught`].
    Teach {
        /// Comes back with the answers.
        ticket: Ticket,
        /// The lesson.
        lesson: Box<Lesson>,
    },
    /// To a decoder: a song. Attachment: `File`. Answered by [`Reply::Opened`]
    /// or [`Reply::Problem`]; clips come when [pulled](Self::Pull).
    Open {
        /// The song.
        song: SongId,
        /// Clips to cut it into.
        format: ClipFormat,
        /// The first clip wanted: not 0 where another decoder had got so far.
        first_clip: usize,
    },
    /// To a decoder: a song that the browser decoded, after
    /// [`Reply::NeedsBrowser`]. Attachments: one `Float32Array` a channel.
    OpenSamples {
        /// The song.
        song: SongId,
        /// Clips to cut it into.
        format: ClipFormat,
        /// Rate of the samples, in Hz.
        sample_rate: u32,
        /// The first clip wanted, as of [`Self::Open`].
        first_clip: usize,
    },
    /// To a decoder: the next clip of a song. Answered by [`Reply::Clip`],
    /// [`Reply::End`] or [`Reply::Problem`].
    Pull {
        /// The song.
        song: SongId,
    },
    /// To a decoder: forget the song. Not answered.
    Close {
        /// The song.
        song: SongId,
    },
    /// To a decoder: the whole song as 16-bit WAV, for a browser that cannot
    /// play the file. Attachment: `File`. Answered by [`Reply::Recording`].
    Transcode {
        /// The song.
        song: SongId,
    },
    /// To a microphone worker: listen. Attachment: `MessagePort` that sends
    /// `Float32Array` blocks of mono samples. Answered by [`Reply::Clip`]s, and
    /// [`Reply::Level`]s as the sound comes.
    Listen {
        /// The song this will be.
        song: SongId,
        /// Clips to cut it into.
        format: ClipFormat,
        /// Rate of the samples, in Hz.
        sample_rate: u32,
    },
    /// To a microphone worker: stop. Answered by [`Reply::Recording`].
    StopListening {
        /// The song.
        song: SongId,
    },
}

/// From a worker to the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// The worker can be used.
    Ready {
        /// [`PROTOCOL_VERSION`] of the engine.
        protocol: u32,
        /// What a GPU calls itself; empty for the processor.
        device: String,
        /// Milliseconds from [`Request::Start`].
        milliseconds: f64,
    },
    /// The worker cannot be used, and why.
    Unavailable(EngineProblem),
    /// The model is loaded, warmed up and measured.
    Model {
        /// Its name.
        model: ModelId,
        /// What the file says of itself.
        card: Box<ModelCard>,
        /// Clips a second that this worker did after the warm-up.
        clips_per_second: f64,
        /// Clips this worker likes to get at once.
        batch: usize,
        /// Milliseconds that the warm-up took (shader compilation, on a GPU).
        warm_up: f64,
    },
    /// The model is refused.
    ModelRefused {
        /// Its name.
        model: ModelId,
        /// What is wrong with the file.
        problem: ModelProblem,
    },
    /// The verdict on one clip of a [`Request::Classify`]. Attachments:
    /// `Uint8Array` `[frames, COLUMN_BANDS]`, the clip's mel spectrogram for
    /// display; `Float32Array` `[embedding_length]`, empty for silence.
    Verdict {
        /// The work it belongs to.
        ticket: Ticket,
        /// Position of the clip among those of the request.
        index: usize,
        /// Probability of each genre; empty where the clip is silent.
        probabilities: Vec<f32>,
        /// How much the clip is like music, where the model says how to know.
        score: Option<f32>,
        /// Whether that is so little that the clip counts as "not music".
        refused: bool,
        /// Milliseconds from samples to verdict, for this clip.
        milliseconds: f64,
    },
    /// A piece of work that cannot be done, though the worker goes on.
    Failed {
        /// The work.
        ticket: Ticket,
        /// Why, in English, from the library.
        reason: String,
    },
    /// Answer to [`Request::Infer`]. Attachments: `Float32Array`
    /// `[clips, classes]` and `Float32Array` `[clips, embedding_length]`.
    Logits {
        /// The work.
        ticket: Ticket,
    },
    /// Answer to [`Request::Inspect`]. Attachments: for each stage in order a
    /// `Float32Array`, or a `Uint8Array` where its values are bytes.
    Inspected {
        /// The work.
        ticket: Ticket,
        /// The frame whose transform is shown.
        frame: usize,
        /// What the attachments are; for silence, the stages before the network.
        stages: Vec<Stage>,
        /// Milliseconds that it took.
        milliseconds: f64,
    },
    /// Answer to [`Request::Explain`].
    Explained {
        /// The work.
        ticket: Ticket,
        /// Log-odds of the genre, one for each patch; empty for silence.
        log_odds: Vec<f32>,
    },
    /// Answer to one clip of a [`Request::Features`]. Attachment: `Float32Array`
    /// `[features]`, empty for silence.
    Features {
        /// The work it belongs to.
        ticket: Ticket,
        /// Position of the clip among those of the request.
        index: usize,
        /// Milliseconds from samples to features, for this clip.
        milliseconds: f64,
    },
    /// How far a lesson is learnt.
    Learning {
        /// The work.
        ticket: Ticket,
        /// Epochs done.
        done: usize,
        /// Epochs at most.
        all: usize,
    },
    /// A lesson is learnt. Attachment: `Uint8Array`, the new model's safetensors
    /// file.
    Taught {
        /// The work.
        ticket: Ticket,
        /// What was said of held-out files; `None` where a class has only one.
        held_out: Option<HeldOut>,
        /// Milliseconds it took.
        milliseconds: f64,
    },
    /// A lesson cannot be learnt.
    NotTaught {
        /// The work.
        ticket: Ticket,
        /// Why.
        problem: LessonProblem,
    },
    /// A song is open.
    Opened {
        /// The song.
        song: SongId,
        /// What the file says of itself.
        info: SongInfo,
    },
    /// A song's codec is not ours and not WebCodecs': the page may try
    /// `decodeAudioData`, then [`Request::OpenSamples`].
    NeedsBrowser {
        /// The song.
        song: SongId,
        /// What the file says of itself.
        info: SongInfo,
    },
    /// The next clip. Attachment: `Float32Array` of its samples.
    Clip {
        /// The song.
        song: SongId,
        /// Position of the clip in the song, or a running number when live.
        clip: usize,
        /// Where in the song it ends, in seconds.
        end_seconds: f64,
        /// Share of the file read so far, 0 to 1, where it is known.
        progress: Option<f32>,
    },
    /// The song has no more clips.
    End {
        /// The song.
        song: SongId,
        /// How long it was, in seconds.
        seconds: f64,
        /// What was not as it should be.
        notices: Vec<SongNotice>,
    },
    /// The song can't be classified.
    Problem {
        /// The song.
        song: SongId,
        /// Why.
        problem: SongProblem,
    },
    /// Nothing yet: what was asked for takes long, and goes on.
    Working,
    /// Live display columns. Attachment: `Uint8Array` `[frames, COLUMN_BANDS]`.
    Level {
        /// The song.
        song: SongId,
        /// How long it is by now, in seconds.
        seconds: f64,
        /// Loudest sample of the block, 0 to 1.
        peak: f32,
    },
    /// A finished WAV. Attachment: `File`.
    Recording {
        /// The song.
        song: SongId,
        /// How long it is, in seconds.
        seconds: f64,
    },
}

/// Why a worker cannot be used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum EngineProblem {
    /// Page and engine are of different versions.
    #[error("the page speaks protocol {page}, the engine {engine}")]
    Protocol {
        /// The page's.
        page: u32,
        /// The engine's.
        engine: u32,
    },
    /// The browser has no WebGPU.
    #[error("the browser has no WebGPU")]
    NoWebGpu,
    /// There is WebGPU, but no adapter.
    #[error("WebGPU offers no adapter")]
    NoAdapter,
    /// Only a software adapter, which the processor outruns.
    #[error("WebGPU offers only the software adapter {adapter}")]
    Software {
        /// Its description.
        adapter: String,
    },
    /// The engine with the GPU's part would not come.
    #[error("the GPU's engine could not be loaded")]
    Unreachable,
    /// It would not start, stopped, or gave wrong answers.
    #[error("{detail}")]
    Failed {
        /// What it said, in English.
        detail: String,
    },
    /// The worker said nothing for too long.
    #[error("no answer for {seconds:.0} s")]
    Silent {
        /// How long was waited.
        seconds: f64,
    },
    /// It was measured, and the processor is faster.
    #[error("the GPU does {gpu:.1} clips a second, the processor {cpu:.1}")]
    Slower {
        /// Clips a second on the GPU.
        gpu: f64,
        /// Clips a second on the whole CPU pool.
        cpu: f64,
    },
}

/// Reads a message.
///
/// # Errors
/// What serde says of it.
pub fn read<'a, T: Deserialize<'a>>(body: &'a str) -> Result<T, serde_json::Error> {
    serde_json::from_str(body)
}

/// Writes a message. A number that is not finite becomes `null`, which [`read`] refuses
/// where it is not optional.
///
/// # Errors
/// None for the types of this file.
pub fn write<T: Serialize>(message: &T) -> Result<String, serde_json::Error> {
    serde_json::to_string(message)
}
