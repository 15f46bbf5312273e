//! What goes into the pool, what comes out, and what it says of itself.

use serde::{Deserialize, Serialize};

use crate::{
    classify::verdict::ClipVerdict,
    engine::{
        protocol::{
            EngineProblem, ModelId, Reply, Request, Role, SongId, SongInfo, SongNotice, SongProblem, Stage,
        },
        queries::{ClipSource, QueryId},
    },
    network::{card::ModelCard, problem::ModelProblem},
    teaching::{
        held_out::HeldOut,
        lesson::{Lesson, LessonProblem},
    },
};

/// A worker. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerId(pub u32);

/// What the person wants to run on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// Whichever is faster.
    #[default]
    Auto,
    /// The GPU, even a software one, as long as it works at all.
    Gpu,
    /// The processor.
    Cpu,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event<P> {
    /// A model was chosen; songs added from now on are for it. `file`:
    /// `ArrayBuffer`, or `File` of one that the browser has kept.
    SetModel {
        /// Its name.
        model: ModelId,
        /// The safetensors file.
        file: P,
    },
    /// The person wants it to run there.
    Choose(Choice),
    /// A file was dropped or picked. `file`: `File`.
    Add {
        /// Its name.
        song: SongId,
        /// The file.
        file: P,
    },
    /// What `decodeAudioData` made of a song after [`Update::NeedsBrowser`].
    Samples {
        /// The song.
        song: SongId,
        /// Rate, in Hz.
        sample_rate: u32,
        /// One `Float32Array` a channel.
        channels: Vec<P>,
    },
    /// The browser could not decode the song either.
    NoSamples {
        /// The song.
        song: SongId,
        /// Why.
        problem: SongProblem,
    },
    /// What `decodeAudioData` made of a file after [`Update::QueryNeedsBrowser`].
    SamplesFor {
        /// The question.
        query: QueryId,
        /// As of [`Self::Samples`], or why there are none.
        decoded: Result<(u32, Vec<P>), SongProblem>,
    },
    /// The person wants no more of this song.
    Cancel {
        /// The song.
        song: SongId,
    },
    /// The person wants no more of any song.
    CancelAll,
    /// The browser cannot play this file. `file`: `File`. Answered by
    /// [`Update::Recording`]; another that is being transcoded is given up for it.
    Transcode {
        /// The song.
        song: SongId,
        /// The file.
        file: P,
    },
    /// The microphone is on. `port`: `MessagePort` of mono `Float32Array`s.
    Listen {
        /// The song this will be.
        song: SongId,
        /// Rate, in Hz.
        sample_rate: u32,
        /// Where the samples come from.
        port: P,
    },
    /// The microphone is off.
    StopListening {
        /// The song.
        song: SongId,
    },
    /// The person wants to see every stage of a clip's way. Answered by
    /// [`Update::Inspected`] or [`Update::Unanswered`].
    Inspect {
        /// Its name.
        query: QueryId,
        /// The model; the one for songs to come, if `None` or if that is no
        /// longer there.
        model: Option<ModelId>,
        /// The frame whose transform is shown; the loudest one, if `None`.
        frame: Option<usize>,
        /// The clip.
        source: ClipSource<P>,
    },
    /// The person wants to know which part of a clip spoke for a genre.
    /// Answered by [`Update::Explained`], again and again until its share is 1,
    /// or by [`Update::Unanswered`].
    Explain {
        /// Its name.
        query: QueryId,
        /// The model whose genre it is; the one for songs to come, if `None`. To any other
        /// the genre's number means nothing, so if that is not there, there is no answer.
        model: Option<ModelId>,
        /// The genre, by its position in the card.
        class: usize,
        /// The clip.
        source: ClipSource<P>,
    },
    /// The person no longer wants to know. Nothing more is told of it.
    Dismiss {
        /// The question.
        query: QueryId,
    },
    /// A file was given for a lesson: its clips are studied, not classified.
    /// `file`: `File`.
    Study {
        /// Its name, among those of the songs.
        song: SongId,
        /// Whose convolutions shall study it: a model that was
        /// [set](Self::SetModel) before.
        model: ModelId,
        /// The file.
        file: P,
        /// Clips wanted of it at most.
        clips: usize,
    },
    /// A lesson shall be learnt. `features`: `Float32Array` `[clips, features]`.
    Teach {
        /// Whose convolutions studied the clips.
        model: ModelId,
        /// The lesson.
        lesson: Lesson,
        /// What they made of them, in the order of the lesson's recordings.
        features: P,
    },
    /// The lesson shall not be learnt after all. Nothing more is told of it.
    Unteach,
    /// A worker said something.
    Reply {
        /// The worker.
        worker: WorkerId,
        /// What it said.
        reply: Reply,
        /// What came with it.
        attachments: Vec<P>,
    },
    /// A worker trapped, or said something that cannot be read.
    Died {
        /// The worker.
        worker: WorkerId,
        /// What is known of it.
        detail: String,
    },
    /// What came of [`Action::SeekGpu`].
    Gpu {
        /// As it was asked.
        software: bool,
        /// Nothing, if the GPU's engine is there; or why not.
        found: Result<(), EngineProblem>,
    },
    /// Some time passed.
    Tick,
}

/// What shall be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action<P> {
    /// Start a worker and give it the engine's module.
    Spawn {
        /// Its name.
        worker: WorkerId,
        /// What for.
        role: Role,
    },
    /// See whether there is a GPU, and fetch the engine that runs on it. Answered
    /// by [`Event::Gpu`].
    SeekGpu {
        /// Whether a software adapter counts.
        software: bool,
    },
    /// Send a request.
    Send {
        /// To whom.
        worker: WorkerId,
        /// What.
        request: Request,
        /// What goes with it.
        attachments: Vec<P>,
        /// Whether the attachments are handed over rather than copied.
        transfer: bool,
    },
    /// End a worker, whatever it is doing.
    Terminate {
        /// The worker.
        worker: WorkerId,
    },
    /// Tell the page.
    Tell(Update<P>),
}

/// News for the page.
#[derive(Clone, Debug, PartialEq)]
pub enum Update<P> {
    /// The engine's state changed.
    Status(EngineStatus),
    /// A model can be used.
    Model {
        /// Its name.
        model: ModelId,
        /// What its file says of itself.
        card: Box<ModelCard>,
    },
    /// A model is refused; the one before it stays. Songs that were begun for it have
    /// [failed](Self::Failed).
    ModelRefused {
        /// Its name.
        model: ModelId,
        /// What is wrong with the file.
        problem: ModelProblem,
        /// The one for songs to come, and for those that were to come for it; `None` where
        /// there is no other.
        instead: Option<ModelId>,
    },
    /// A song is open.
    Opened {
        /// The song.
        song: SongId,
        /// What its file says of itself.
        info: SongInfo,
    },
    /// The page may try `decodeAudioData`.
    NeedsBrowser {
        /// The song.
        song: SongId,
        /// What its file says of itself.
        info: SongInfo,
    },
    /// A clip has its verdict.
    Clip {
        /// The song.
        song: SongId,
        /// The model that heard it.
        model: ModelId,
        /// The verdict.
        verdict: ClipVerdict,
        /// Where in the song the clip ends, in seconds.
        end_seconds: f64,
        /// From samples to verdict.
        milliseconds: f64,
        /// Who computed it.
        device: Role,
        /// `Uint8Array` `[frames, COLUMN_BANDS]`.
        columns: Option<P>,
        /// `Float32Array` `[embedding_length]`.
        embedding: Option<P>,
    },
    /// A clip of a file was studied.
    Features {
        /// The file.
        song: SongId,
        /// The clip.
        clip: usize,
        /// `Float32Array` `[features]`, empty for silence.
        features: Option<P>,
    },
    /// How far the lesson is learnt.
    Learning {
        /// Epochs done.
        done: usize,
        /// Epochs at most.
        all: usize,
    },
    /// The lesson is learnt.
    Taught {
        /// `Uint8Array`, the new model's safetensors file.
        file: P,
        /// What was said of held-out files; `None` where a class has only one.
        held_out: Option<HeldOut>,
        /// Milliseconds it took.
        milliseconds: f64,
    },
    /// The lesson cannot be learnt.
    NotTaught {
        /// Why.
        problem: LessonProblem,
    },
    /// How much of the song's file has been read, 0 to 1.
    Progress {
        /// The song.
        song: SongId,
        /// The share.
        progress: f32,
    },
    /// Every clip of the song has its verdict.
    Done {
        /// The song.
        song: SongId,
        /// Its length, in seconds.
        seconds: f64,
        /// What was not as it should be.
        notices: Vec<SongNotice>,
    },
    /// The song has no verdict, or no whole one.
    Failed {
        /// The song.
        song: SongId,
        /// Why.
        problem: SongProblem,
    },
    /// A WAV of a transcoded song or of what the microphone heard.
    Recording {
        /// The song.
        song: SongId,
        /// The `File`.
        file: Option<P>,
        /// Its length, in seconds.
        seconds: f64,
    },
    /// The page may try `decodeAudioData`: the clip of a question is to be cut from a
    /// file that nothing else decodes.
    QueryNeedsBrowser {
        /// The question.
        query: QueryId,
        /// The `File`.
        file: P,
        /// What it says of itself.
        info: SongInfo,
    },
    /// The clip of a question was cut from its file; with it the next one needs
    /// no file.
    Cut {
        /// The question.
        query: QueryId,
        /// `Float32Array` of its samples.
        samples: P,
    },
    /// Every stage of a clip's way.
    Inspected {
        /// The question.
        query: QueryId,
        /// Who answered.
        model: ModelId,
        /// The frame whose transform is shown.
        frame: usize,
        /// What the values are; for silence, the stages before the network.
        stages: Vec<Stage>,
        /// One of each stage: `Float32Array`, or `Uint8Array` where values are
        /// bytes.
        values: Vec<P>,
        /// Milliseconds that it took the worker.
        milliseconds: f64,
    },
    /// Which part of a clip spoke for a genre, as far as it is known.
    Explained {
        /// The question.
        query: QueryId,
        /// By how much the genre's log-odds fall where each cell is silent,
        /// `[CELLS, CELLS]` of [`occlusion`](crate::classify::occlusion), lowest
        /// mel band first; empty for silence.
        map: Vec<f32>,
        /// The genre's log-odds; `None` for silence.
        log_odds: Option<f32>,
        /// Share of the patches that are known: 1 with the last answer.
        share: f32,
    },
    /// A question has no answer.
    Unanswered {
        /// The question.
        query: QueryId,
        /// Why.
        problem: SongProblem,
    },
    /// What the microphone hears.
    Level {
        /// The song.
        song: SongId,
        /// Its length so far, in seconds.
        seconds: f64,
        /// Loudest sample, 0 to 1.
        peak: f32,
        /// `Uint8Array` `[frames, COLUMN_BANDS]`.
        columns: Option<P>,
    },
}

/// State of the GPU.
#[derive(Clone, Debug, PartialEq)]
pub enum GpuStatus {
    /// Not asked for.
    Off,
    /// Asked for; starting, compiling shaders, being measured.
    Starting,
    /// It runs.
    Running,
    /// It does not run, and why.
    Unused(EngineProblem),
}

/// What runs, and how fast.
#[derive(Clone, Debug, PartialEq)]
pub struct EngineStatus {
    /// What the person wants.
    pub choice: Choice,
    /// Where clips go now; `None` until something can take them.
    pub running: Option<Role>,
    /// What the device that runs calls itself.
    pub device: String,
    /// CPU workers that can take clips.
    pub cpu_workers: usize,
    /// Milliseconds a clip takes one CPU worker.
    pub cpu_milliseconds: Option<f64>,
    /// The GPU.
    pub gpu: GpuStatus,
    /// Milliseconds a clip takes the GPU.
    pub gpu_milliseconds: Option<f64>,
    /// Why there is no engine at all, where there is none.
    pub problem: Option<EngineProblem>,
}
