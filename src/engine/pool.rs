//! Who gets which clip: the page's side of the engine, as a state machine.
//!
//! In: [`Event`]s (what the person did, what the workers answered, that time
//! passed). Out: [`Action`]s (workers to start or end, requests to send, news
//! for the page). It knows no browser and no clock, so that everything that can
//! go wrong with workers is tested natively. Songs, clips and models are
//! attachments `P` that it only hands on.
//!
//! One decoder reads one song at a time, clip by clip as there is room for
//! them. Clips go to the CPU pool, or to the GPU once it has been measured to
//! do more clips a second than the whole pool. A clip stays here until its
//! verdict is there, so a worker that dies costs nothing but time.
//!
//! Questions about single clips ([`queries`](super::queries)) take turns with
//! the songs on the CPU pool, in small pieces. A clip of a file is cut for them
//! by a decoder of their own, so that no song that is being read is disturbed.

mod lessons;
mod speed;

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use self::{lessons::Assignment, speed::Speeds};
pub use super::queries::{ClipSource, QueryId};
use super::{
    protocol::{
        ClipFormat, EngineProblem, ModelId, PROTOCOL_VERSION, Reply, Request, Role, SongId, SongInfo,
        SongNotice, SongProblem, Stage, Ticket,
    },
    queries::{Explained, Queries, Question, ToCut},
};
use crate::{
    classify::verdict::ClipVerdict,
    network::{card::ModelCard, problem::ModelProblem},
    teaching::{
        held_out::HeldOut,
        lesson::{Lesson, LessonProblem},
    },
};

/// Workers of the CPU pool at most.
const MAX_CPU_WORKERS: usize = 4;
/// Attempts at one clip before the song is given up.
const MAX_ATTEMPTS: u32 = 3;
/// Workers that may die of one model's file before it is refused.
const MAX_DEATHS_OF_MODEL: u32 = 2;
/// Times a worker is started afresh before its role is given up.
const MAX_RESTARTS: u32 = 3;
/// Silence after which a worker that has something to do counts as dead, in ms.
const SILENCE: f64 = 20_000.0;
/// Between two events there are at most some hundred milliseconds, unless the whole page slept.
const SLEPT: f64 = SILENCE / 4.0;
/// The same while it starts and compiles, which a slow phone may take long over.
const SILENCE_AT_START: f64 = 120_000.0;
/// Runs of the network that a question gets at once while no song waits for the
/// worker: a third of a second, after which a song's turn may have come.
const QUESTION_RUNS: usize = 4;

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
    /// `ArrayBuffer`.
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
    /// The browser cannot play this file. `file`: `File`.
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
        /// As for [`Self::Inspect`].
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
    /// A model is refused; the one before it stays.
    ModelRefused {
        /// Its name.
        model: ModelId,
        /// What is wrong with the file.
        problem: ModelProblem,
        /// The one for songs to come, and for those that were for it; `None` where there
        /// is no other.
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

/// What a worker is doing.
#[derive(Clone, Debug, PartialEq)]
enum Phase {
    /// Waiting for `Ready`.
    Starting,
    /// Waiting for `Model`, of that one.
    Loading(ModelId),
    /// Nothing.
    Idle,
    /// A piece of work.
    Busy,
}

struct Worker {
    role: Role,
    phase: Phase,
    /// When it last said something or was asked something, in ms.
    heard: f64,
    device: String,
    model: Option<ModelId>,
    /// Clips it likes to get at once.
    batch: usize,
    /// Clips a second, as it measured after loading the model.
    rate: f64,
    /// Whether the last it was asked was a question, so that it is a clip's turn.
    questioned: bool,
}

struct Model<P> {
    file: P,
    /// Known once a worker has read the file.
    card: Option<Box<ModelCard>>,
    /// Workers that died while they read it.
    deaths: u32,
}

impl<P> Model<P> {
    fn format(&self) -> Option<ClipFormat> {
        let spectrogram = &self.card.as_ref()?.spectrogram;
        Some(ClipFormat { sample_rate: spectrogram.sample_rate, samples: spectrogram.clip_samples() })
    }
}

/// A clip that has no verdict yet.
struct Clip<P> {
    song: SongId,
    clip: usize,
    end_seconds: f64,
    samples: P,
    model: ModelId,
    live: bool,
    /// Whether it is studied rather than classified.
    studied: bool,
    attempts: u32,
}

struct Song<P> {
    /// The file, `None` for what the microphone hears.
    file: Option<P>,
    /// The model it was added for.
    model: Option<ModelId>,
    /// Clips cut so far; where another decoder has to go on.
    cut: usize,
    /// Clips cut that have no verdict yet.
    outstanding: usize,
    /// Length and notices, once the decoder came to the end.
    end: Option<(f64, Vec<SongNotice>)>,
    /// Decoders that died over it.
    attempts: u32,
    /// Clips wanted at most, where it is no song but studied for a lesson.
    most_clips: Option<usize>,
}

/// What the decoder does with the song it has.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Reading {
    /// Opening it.
    Opening,
    /// Nothing until it is asked for a clip.
    Waiting,
    /// Cutting a clip.
    Cutting,
    /// Nothing until the page brings what `decodeAudioData` made of it.
    InBrowser,
}

/// Work for which a worker of its own is started and then ended.
enum Errand<P> {
    Transcode { song: SongId, file: P },
    Listen { song: SongId, sample_rate: u32, port: P, stopping: bool },
    Cut { query: QueryId, file: P, clip: usize, format: ClipFormat },
}

impl<P> Errand<P> {
    /// Silence, in ms, after which a worker that is at it counts as dead.
    fn patience(&self) -> f64 {
        match self {
            // It answers at the end of the song; to the last clip of a mix of three hours
            // it is a long way too.
            Self::Transcode { .. } | Self::Cut { .. } => SILENCE_AT_START,
            // A microphone that another program holds for a while gives it nothing to say.
            Self::Listen { stopping: false, .. } => f64::INFINITY,
            Self::Listen { .. } => SILENCE,
        }
    }

    fn song(&self) -> Option<SongId> {
        match self {
            Self::Transcode { song, .. } | Self::Listen { song, .. } => Some(*song),
            Self::Cut { .. } => None,
        }
    }

    /// The question for which a clip is being cut.
    fn query(&self) -> Option<QueryId> {
        match self {
            Self::Cut { query, .. } => Some(*query),
            Self::Transcode { .. } | Self::Listen { .. } => None,
        }
    }
}

/// The state machine.
pub struct Pool<P> {
    /// Workers that the CPU pool shall have.
    cpu_workers: usize,
    choice: Choice,
    workers: BTreeMap<WorkerId, Worker>,
    next_worker: u32,
    next_ticket: u32,
    /// Deaths of a role since it last did something useful.
    deaths: [u32; 3],
    models: BTreeMap<ModelId, Model<P>>,
    /// The models in the order in which they were chosen last: the last is that of songs
    /// to come, and the one before it follows should it be refused.
    chosen: Vec<ModelId>,
    songs: BTreeMap<SongId, Song<P>>,
    /// Songs that no decoder has opened yet.
    queue: VecDeque<SongId>,
    /// The decoder's song.
    reading: Option<(SongId, Reading)>,
    errands: BTreeMap<WorkerId, Errand<P>>,
    /// Clips that no worker has.
    clips: VecDeque<Clip<P>>,
    /// Clips that a worker has, in the order of its verdicts to come.
    jobs: BTreeMap<Ticket, (WorkerId, VecDeque<Clip<P>>)>,
    queries: Queries<P>,
    /// What is to be learnt.
    lesson: Option<Assignment<P>>,
    gpu: GpuStatus,
    /// Whether the engine that runs on it has been fetched.
    has_gpu_engine: bool,
    speeds: Speeds,
    problem: Option<EngineProblem>,
    told: Option<EngineStatus>,
    now: f64,
    actions: Vec<Action<P>>,
}

impl<P: Clone> Pool<P> {
    /// A pool for a machine of that many cores. `now` is in milliseconds from
    /// any start. Nothing is started before the first event.
    pub fn new(cores: usize, now: f64) -> Self {
        Self {
            cpu_workers: cores.clamp(1, MAX_CPU_WORKERS),
            choice: Choice::Auto,
            workers: BTreeMap::new(),
            next_worker: 0,
            next_ticket: 0,
            deaths: [0; 3],
            models: BTreeMap::new(),
            chosen: Vec::new(),
            songs: BTreeMap::new(),
            queue: VecDeque::new(),
            reading: None,
            errands: BTreeMap::new(),
            clips: VecDeque::new(),
            jobs: BTreeMap::new(),
            queries: Queries::default(),
            lesson: None,
            gpu: GpuStatus::Off,
            has_gpu_engine: false,
            speeds: Speeds::default(),
            problem: None,
            told: None,
            now,
            actions: Vec::new(),
        }
    }

    /// Takes an event in and says what has to be done now.
    pub fn handle(&mut self, event: Event<P>, now: f64) -> Vec<Action<P>> {
        let slept = (now - self.now).max(0.0);
        self.now = now;
        if slept > SLEPT {
            // The whole page slept (a closed lid, a tab in the background), so that answers
            // may be waiting behind this very event.
            for worker in self.workers.values_mut() {
                worker.heard += slept;
            }
        }
        match event {
            Event::SetModel { model, file } => {
                // Chosen again, it is the same file.
                self.models.entry(model).or_insert(Model { file, card: None, deaths: 0 });
                self.chosen.retain(|other| *other != model);
                self.chosen.push(model);
                // By another model the GPU may be the faster one.
                let was_slower = matches!(self.gpu, GpuStatus::Unused(EngineProblem::Slower { .. }));
                if was_slower && self.choice == Choice::Auto && self.speeds.gpu_won(model) != Some(false) {
                    self.gpu = GpuStatus::Off;
                }
                // What came before there was any model is for the first, whatever is chosen next.
                for song in self.songs.values_mut() {
                    song.model.get_or_insert(model);
                }
            }
            Event::Choose(choice) => self.choose(choice),
            Event::Add { song, file } => {
                self.songs.insert(song, Song::new(Some(file), self.model()));
                self.queue.push_back(song);
            }
            Event::Samples { song, sample_rate, channels } => self.open_samples(song, sample_rate, channels),
            Event::NoSamples { song, problem } => self.fail(song, problem),
            Event::SamplesFor { query, decoded } => self.open_samples_for(query, decoded),
            Event::Cancel { song } => self.forget(song),
            Event::CancelAll => {
                // Neither what is recorded nor what is studied.
                let listed =
                    self.songs.iter().filter(|(_, song)| song.file.is_some() && song.most_clips.is_none());
                for song in listed.map(|(id, _)| *id).collect::<Vec<_>>() {
                    self.forget(song);
                }
            }
            Event::Transcode { song, file } => {
                self.run_errand(Role::Decoder, Errand::Transcode { song, file })
            }
            Event::Listen { song, sample_rate, port } => {
                self.songs.insert(song, Song::new(None, self.model()));
                self.run_errand(
                    Role::Microphone,
                    Errand::Listen { song, sample_rate, port, stopping: false },
                );
            }
            Event::StopListening { song } => self.stop_listening(song),
            Event::Inspect { query, model, frame, source } => {
                self.ask(query, model, Question::Inspect { frame }, source);
            }
            Event::Explain { query, model, class, source } => {
                self.ask(query, model, Question::explain(class), source);
            }
            Event::Dismiss { query } => {
                self.forget_query(query);
            }
            Event::Study { song, model, file, clips } => self.study(song, model, file, clips),
            Event::Teach { model, lesson, features } => self.assign(model, lesson, features),
            Event::Reply { worker, reply, attachments } => self.reply(worker, reply, attachments),
            Event::Died { worker, detail } => self.bury(worker, EngineProblem::Failed { detail }),
            Event::Gpu { software, found } => self.gpu_found(software, found),
            // After a sleep, answers come first.
            Event::Tick if slept > SLEPT => {}
            Event::Tick => self.watch(),
        }
        self.turn_away();
        self.schedule();
        self.tell_status();
        std::mem::take(&mut self.actions)
    }

    /// What runs, and how fast.
    pub fn status(&self) -> EngineStatus {
        let able = |role: Role| {
            self.workers.values().filter(move |worker| worker.role == role && worker.model.is_some())
        };
        let running =
            if self.gpu == GpuStatus::Running { able(Role::Gpu).next() } else { able(Role::Cpu).next() };
        EngineStatus {
            choice: self.choice,
            running: running.map(|worker| worker.role),
            device: running.map(|worker| worker.device.clone()).unwrap_or_default(),
            cpu_workers: able(Role::Cpu).count(),
            cpu_milliseconds: self.speeds.cpu_milliseconds(),
            gpu: self.gpu.clone(),
            gpu_milliseconds: self.speeds.gpu_milliseconds(),
            problem: self.problem.clone(),
        }
    }

    fn tell(&mut self, update: Update<P>) {
        self.actions.push(Action::Tell(update));
    }

    fn tell_status(&mut self) {
        let status = self.status();
        if self.told.as_ref() != Some(&status) {
            self.told = Some(status.clone());
            self.tell(Update::Status(status));
        }
    }

    /// The model of songs to come.
    fn model(&self) -> Option<ModelId> {
        self.chosen.last().copied()
    }

    fn card(&self, model: ModelId) -> Option<&ModelCard> {
        self.models.get(&model)?.card.as_deref()
    }

    fn send(&mut self, worker: WorkerId, request: Request, attachments: Vec<P>, transfer: bool) {
        if let Some(worker) = self.workers.get_mut(&worker) {
            worker.heard = self.now;
        }
        self.actions.push(Action::Send { worker, request, attachments, transfer });
    }

    // Workers -----------------------------------------------------------------

    fn spawn(&mut self, role: Role) -> WorkerId {
        let worker = WorkerId(self.next_worker);
        self.next_worker += 1;
        self.workers.insert(
            worker,
            Worker {
                role,
                phase: Phase::Starting,
                heard: self.now,
                device: String::new(),
                model: None,
                batch: 1,
                rate: 0.0,
                questioned: false,
            },
        );
        self.actions.push(Action::Spawn { worker, role });
        let software = self.choice == Choice::Gpu;
        self.send(
            worker,
            Request::Start { protocol: PROTOCOL_VERSION, role, software, flex: false },
            vec![],
            false,
        );
        worker
    }

    fn terminate(&mut self, worker: WorkerId) {
        if self.workers.remove(&worker).is_some() {
            self.actions.push(Action::Terminate { worker });
        }
    }

    fn of_role(&self, role: Role) -> Vec<WorkerId> {
        let of_role =
            self.workers.iter().filter(|(id, worker)| worker.role == role && !self.errands.contains_key(id));
        of_role.map(|(id, _)| *id).collect()
    }

    fn deaths(&mut self, role: Role) -> &mut u32 {
        &mut self.deaths[match role {
            Role::Cpu => 0,
            Role::Gpu => 1,
            Role::Decoder | Role::Microphone => 2,
        }]
    }

    /// Starts what shall run and does not, ends what runs and shall not.
    fn staff(&mut self) {
        if self.problem.is_some() {
            return;
        }
        for (role, wanted) in [(Role::Decoder, 1), (Role::Cpu, self.cpu_workers)] {
            if *self.deaths(role) > MAX_RESTARTS {
                continue;
            }
            for _ in self.of_role(role).len()..wanted {
                self.spawn(role);
            }
        }
        if self.choice != Choice::Cpu && self.gpu == GpuStatus::Off {
            self.gpu = GpuStatus::Starting;
            if self.has_gpu_engine {
                self.spawn(Role::Gpu);
            } else {
                self.actions.push(Action::SeekGpu { software: self.choice == Choice::Gpu });
            }
        }
    }

    /// Starts the GPU's worker, now that its engine is there, if it is still
    /// wanted. An answer to a question that was put otherwise since is passed
    /// over: the new one is on its way.
    fn gpu_found(&mut self, software: bool, found: Result<(), EngineProblem>) {
        self.has_gpu_engine |= found.is_ok();
        // Its engine may come after all: the connection broke, then it was back.
        let sought = matches!(self.gpu, GpuStatus::Starting | GpuStatus::Unused(EngineProblem::Unreachable));
        let wanted = self.choice != Choice::Cpu && sought && self.problem.is_none();
        if !wanted || !self.of_role(Role::Gpu).is_empty() {
            return;
        }
        match found {
            Ok(()) => {
                self.gpu = GpuStatus::Starting;
                self.spawn(Role::Gpu);
            }
            Err(problem) if software == (self.choice == Choice::Gpu) => {
                self.gpu = GpuStatus::Unused(problem);
            }
            Err(_) => {}
        }
    }

    fn choose(&mut self, choice: Choice) {
        if self.choice == choice {
            return;
        }
        self.choice = choice;
        self.speeds.forget_judgements();
        *self.deaths(Role::Gpu) = 0;
        if choice == Choice::Auto && self.gpu == GpuStatus::Running {
            // It runs because it had to: now it has to be the faster one too.
            self.gpu = GpuStatus::Starting;
        } else if choice == Choice::Cpu || self.gpu != GpuStatus::Running {
            for worker in self.of_role(Role::Gpu) {
                self.take_back(worker, false, "");
                self.terminate(worker);
            }
            self.gpu = GpuStatus::Off;
        }
    }

    /// A worker is dead or has to be: whatever it had is given to others.
    fn bury(&mut self, worker: WorkerId, problem: EngineProblem) {
        let Some(Worker { role, phase, .. }) = self.workers.get(&worker) else { return };
        let (role, phase) = (*role, phase.clone());
        let detail = problem.to_string();
        if self.errands.contains_key(&worker) {
            self.fail_errand(worker, SongProblem::Engine { detail });
            return;
        }
        self.take_lesson_back(worker, &detail);
        // The GPU's deaths are not the clip's fault: the CPU will show.
        self.take_back(worker, role == Role::Cpu, &detail);
        self.terminate(worker);
        if let Phase::Loading(model) = phase
            && self.died_of(model, &detail)
        {
            return;
        }
        *self.deaths(role) += 1;
        let given_up = *self.deaths(role) > MAX_RESTARTS;
        match role {
            Role::Gpu => {
                self.gpu = if given_up { GpuStatus::Unused(problem.clone()) } else { GpuStatus::Off }
            }
            Role::Decoder => self.reopen(&detail),
            Role::Cpu | Role::Microphone => {}
        }
        if given_up && role != Role::Gpu && self.of_role(role).is_empty() {
            self.give_up(problem);
        }
    }

    /// Blames a death on the model that was being read, if nobody has ever read it and
    /// there is another to go on with; where there is none, or where a model that is good
    /// kills, it may well be the machine.
    fn died_of(&mut self, model: ModelId, detail: &str) -> bool {
        if self.models.len() < 2 {
            return false;
        }
        let Some(unread) = self.models.get_mut(&model).filter(|model| model.card.is_none()) else {
            return false;
        };
        unread.deaths += 1;
        if unread.deaths >= MAX_DEATHS_OF_MODEL {
            self.refuse(model, ModelProblem::Engine { detail: detail.to_owned() });
        }
        true
    }

    /// There is no engine any more.
    fn give_up(&mut self, problem: EngineProblem) {
        self.problem = Some(problem);
        for worker in self.workers.keys().copied().collect::<Vec<_>>() {
            self.terminate(worker);
        }
    }

    /// Where there is no engine, whatever waits for one is told so.
    fn turn_away(&mut self) {
        let Some(detail) = self.problem.as_ref().map(ToString::to_string) else { return };
        for song in self.songs.keys().copied().collect::<Vec<_>>() {
            self.fail(song, SongProblem::Engine { detail: detail.clone() });
        }
        for query in self.queries.ids() {
            self.leave_unanswered(query, SongProblem::Engine { detail: detail.clone() });
        }
        for worker in self.errands.keys().copied().collect::<Vec<_>>() {
            self.fail_errand(worker, SongProblem::Engine { detail: detail.clone() });
        }
        self.not_learnt(LessonProblem::Engine { detail });
    }

    /// Puts a worker's clips back in front of the others, the oldest first. Its
    /// questions have no answer: whoever asked may ask again.
    fn take_back(&mut self, worker: WorkerId, blame: bool, detail: &str) {
        for query in self.queries.bereaved(worker) {
            self.leave_unanswered(query, SongProblem::Engine { detail: detail.to_owned() });
        }
        let tickets: Vec<_> =
            self.jobs.iter().filter(|(_, job)| job.0 == worker).map(|(ticket, _)| *ticket).collect();
        for ticket in tickets.into_iter().rev() {
            let Some((_, clips)) = self.jobs.remove(&ticket) else { continue };
            for mut clip in clips.into_iter().rev() {
                clip.attempts += u32::from(blame);
                if clip.attempts < MAX_ATTEMPTS {
                    self.clips.push_front(clip);
                } else {
                    self.fail(clip.song, SongProblem::Engine { detail: detail.to_owned() });
                }
            }
        }
    }

    /// Buries workers that have something to do and say nothing.
    fn watch(&mut self) {
        let reading = match self.reading {
            // What comes before its place is decoded once more.
            Some((song, Reading::Opening)) if self.songs.get(&song).is_some_and(|song| song.cut > 0) => {
                Some(SILENCE_AT_START)
            }
            Some((_, Reading::Opening | Reading::Cutting)) => Some(SILENCE),
            _ => None,
        };
        let silent: Vec<_> = self
            .workers
            .iter()
            .filter(|(id, worker)| {
                let errand = self.errands.get(id);
                let patience = match worker.phase {
                    Phase::Starting | Phase::Loading(_) => SILENCE_AT_START,
                    Phase::Busy => errand.map_or(SILENCE, Errand::patience),
                    Phase::Idle if worker.role == Role::Decoder && errand.is_none() => {
                        reading.unwrap_or(f64::INFINITY)
                    }
                    Phase::Idle => f64::INFINITY,
                };
                self.now - worker.heard > patience
            })
            .map(|(id, worker)| (*id, (self.now - worker.heard) / 1000.0))
            .collect();
        for (worker, seconds) in silent {
            self.bury(worker, EngineProblem::Silent { seconds });
        }
    }

    // Answers -----------------------------------------------------------------

    fn reply(&mut self, id: WorkerId, reply: Reply, attachments: Vec<P>) {
        let now = self.now;
        let Some(worker) = self.workers.get_mut(&id) else { return };
        worker.heard = now;
        let role = worker.role;
        let mut attachments = attachments.into_iter();
        if let Some(query) = self.errands.get(&id).and_then(Errand::query)
            && self.cut_for(id, query, &reply, &mut attachments)
        {
            return;
        }
        let Some(worker) = self.workers.get_mut(&id) else { return };
        match reply {
            Reply::Ready { protocol, .. } if protocol != PROTOCOL_VERSION => {
                self.give_up(EngineProblem::Protocol { page: PROTOCOL_VERSION, engine: protocol });
            }
            Reply::Ready { device, .. } => {
                worker.device = device;
                worker.phase = Phase::Idle;
            }
            Reply::Unavailable(problem @ EngineProblem::Protocol { .. }) => self.give_up(problem),
            Reply::Unavailable(problem) if role == Role::Gpu => {
                // It said so itself: asking again would not change it.
                self.take_back(id, false, "");
                self.terminate(id);
                self.gpu = GpuStatus::Unused(problem);
            }
            Reply::Unavailable(problem) => self.bury(id, problem),
            Reply::Model { model, card, clips_per_second, batch, .. } => {
                worker.phase = Phase::Idle;
                worker.model = Some(model);
                worker.batch = batch.max(1);
                worker.rate = clips_per_second;
                self.speeds.measured(role, model, 1000.0 / clips_per_second);
                if let Some(known) = self.models.get_mut(&model)
                    && known.card.is_none()
                {
                    known.card = Some(card.clone());
                    self.tell(Update::Model { model, card });
                }
            }
            Reply::ModelRefused { model, problem } => {
                worker.phase = Phase::Idle;
                self.refuse(model, problem);
            }
            Reply::Verdict { ticket, index, probabilities, score, refused, milliseconds } => {
                let (columns, embedding) = (attachments.next(), attachments.next());
                let verdict = ClipVerdict { clip: index, probabilities, score, refused };
                self.verdict(id, ticket, verdict, milliseconds, columns, embedding);
            }
            Reply::Failed { ticket, reason } => match self.queries.take(ticket) {
                Some(query) => {
                    worker.phase = Phase::Idle;
                    if let Some(query) = query {
                        self.leave_unanswered(query, SongProblem::Engine { detail: reason });
                    }
                }
                None => self.bury(id, EngineProblem::Failed { detail: reason }),
            },
            Reply::Inspected { ticket, frame, stages, milliseconds } => {
                self.inspected(id, ticket, frame, stages, attachments.collect(), milliseconds);
            }
            Reply::Explained { ticket, log_odds } => self.explained(id, ticket, &log_odds),
            Reply::Features { ticket, milliseconds, .. } => {
                let features = attachments.next();
                if let Some(clip) = self.clip_done(id, ticket) {
                    self.speeds.measured(role, clip.model, milliseconds);
                    self.studied(clip, features);
                }
            }
            Reply::Learning { ticket, done, all } => self.learning(ticket, done, all),
            Reply::Taught { ticket, held_out, milliseconds } => {
                self.learnt(id, ticket, Ok((attachments.next(), held_out)), milliseconds);
            }
            Reply::NotTaught { ticket, problem } => self.learnt(id, ticket, Err(problem), 0.0),
            Reply::Opened { song, info } => {
                if self.is_reading(song) {
                    self.reading = Some((song, Reading::Waiting));
                    self.tell(Update::Opened { song, info });
                }
            }
            Reply::NeedsBrowser { song, info } => {
                if self.is_reading(song) {
                    self.reading = Some((song, Reading::InBrowser));
                    self.tell(Update::NeedsBrowser { song, info });
                }
            }
            Reply::Clip { song, clip, end_seconds, progress } => {
                if let Some(samples) = attachments.next() {
                    self.has_decoded(id);
                    self.cut(song, clip, end_seconds, progress, samples, role == Role::Microphone);
                }
            }
            Reply::End { song, seconds, notices } => {
                self.has_decoded(id);
                if self.is_reading(song) {
                    self.reading = None;
                    if let Some(known) = self.songs.get_mut(&song) {
                        known.end = Some((seconds, notices));
                    }
                    self.finish(song);
                }
            }
            Reply::Problem { song, problem } => {
                if self.errands.contains_key(&id) {
                    self.fail_errand(id, problem);
                } else if self.is_reading(song) {
                    self.fail(song, problem);
                }
            }
            Reply::Level { song, seconds, peak } => {
                self.tell(Update::Level { song, seconds, peak, columns: attachments.next() });
            }
            Reply::Recording { song, seconds } => {
                self.end_errand(id);
                self.tell(Update::Recording { song, file: attachments.next(), seconds });
            }
            // Asked for by tests alone, who listen for themselves.
            Reply::Logits { .. } => {}
        }
    }

    /// A decoder did what it is for: what killed others before it was their files.
    fn has_decoded(&mut self, worker: WorkerId) {
        let is_decoder = self.workers.get(&worker).is_some_and(|worker| worker.role == Role::Decoder);
        if is_decoder && !self.errands.contains_key(&worker) {
            *self.deaths(Role::Decoder) = 0;
        }
    }

    fn refuse(&mut self, model: ModelId, problem: ModelProblem) {
        if self.models.remove(&model).is_none() {
            return;
        }
        self.chosen.retain(|other| *other != model);
        let instead = self.model();
        for song in self.songs.values_mut().filter(|song| song.model == Some(model)) {
            song.model = instead;
        }
        self.queries.unsettle(model);
        self.tell(Update::ModelRefused { model, problem, instead });
    }

    fn verdict(
        &mut self,
        id: WorkerId,
        ticket: Ticket,
        verdict: ClipVerdict,
        milliseconds: f64,
        columns: Option<P>,
        embedding: Option<P>,
    ) {
        let Some(role) = self.workers.get(&id).map(|worker| worker.role) else { return };
        let Some(clip) = self.clip_done(id, ticket) else { return };
        if !verdict.is_silent() {
            self.speeds.measured(role, clip.model, milliseconds);
        }
        let Some(song) = self.songs.get_mut(&clip.song) else { return };
        if !clip.live {
            song.outstanding -= 1;
        }
        self.tell(Update::Clip {
            song: clip.song,
            model: clip.model,
            verdict: ClipVerdict { clip: clip.clip, ..verdict },
            end_seconds: clip.end_seconds,
            milliseconds,
            device: role,
            columns,
            embedding,
        });
        self.finish(clip.song);
    }

    /// The clip that a worker has answered next.
    fn clip_done(&mut self, id: WorkerId, ticket: Ticket) -> Option<Clip<P>> {
        let worker = self.workers.get_mut(&id)?;
        let role = worker.role;
        let (_, clips) = self.jobs.get_mut(&ticket)?;
        let clip = clips.pop_front()?;
        if clips.is_empty() {
            self.jobs.remove(&ticket);
            worker.phase = Phase::Idle;
        }
        *self.deaths(role) = 0;
        Some(clip)
    }

    // Songs -------------------------------------------------------------------

    fn is_reading(&self, song: SongId) -> bool {
        self.reading.is_some_and(|(reading, _)| reading == song)
    }

    fn cut(
        &mut self,
        song: SongId,
        clip: usize,
        end_seconds: f64,
        progress: Option<f32>,
        samples: P,
        live: bool,
    ) {
        let Some(known) = self.songs.get_mut(&song) else { return };
        let Some(model) = known.model else { return };
        let studied = known.most_clips.is_some();
        let clip = Clip { song, clip, end_seconds, samples, model, live, studied, attempts: 0 };
        if live {
            // Only what is heard now matters: an older clip still waiting is dropped.
            self.clips.retain(|waiting| !(waiting.live && waiting.song == song));
            self.clips.push_front(clip);
            return;
        }
        known.cut = clip.clip + 1;
        known.outstanding += 1;
        self.clips.push_back(clip);
        if self.is_reading(song) {
            self.reading = Some((song, Reading::Waiting));
        }
        if let Some(progress) = progress {
            self.tell(Update::Progress { song, progress });
        }
        self.end_study(song, end_seconds);
    }

    /// Says that a song is done, if it is.
    fn finish(&mut self, song: SongId) {
        if self.songs.get(&song).is_some_and(|song| song.end.is_some() && song.outstanding == 0)
            && let Some(Song { end: Some((seconds, notices)), .. }) = self.songs.remove(&song)
        {
            self.tell(Update::Done { song, seconds, notices });
        }
    }

    fn fail(&mut self, song: SongId, problem: SongProblem) {
        if self.songs.contains_key(&song) {
            self.forget(song);
            self.tell(Update::Failed { song, problem });
        }
    }

    /// Forgets all of a song; verdicts still to come are not told.
    fn forget(&mut self, song: SongId) {
        self.songs.remove(&song);
        self.queue.retain(|queued| *queued != song);
        self.clips.retain(|clip| clip.song != song);
        if self.is_reading(song) {
            self.reading = None;
            if let Some(decoder) = self.of_role(Role::Decoder).first() {
                self.send(*decoder, Request::Close { song }, vec![], false);
            }
        }
        let errands = self.errands.iter().filter(|(_, errand)| errand.song() == Some(song));
        for worker in errands.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.errands.remove(&worker);
            self.terminate(worker);
        }
    }

    fn run_errand(&mut self, role: Role, errand: Errand<P>) {
        let worker = self.spawn(role);
        self.errands.insert(worker, errand);
    }

    /// Ends the worker of an errand. What was live is no song any more; what
    /// was transcoded may still be being classified.
    fn end_errand(&mut self, worker: WorkerId) -> Option<Errand<P>> {
        let errand = self.errands.remove(&worker)?;
        self.terminate(worker);
        if let Errand::Listen { song, .. } = errand {
            self.forget(song);
        }
        Some(errand)
    }

    fn fail_errand(&mut self, worker: WorkerId, problem: SongProblem) {
        match self.end_errand(worker) {
            Some(Errand::Listen { song, .. }) => self.tell(Update::Failed { song, problem }),
            Some(Errand::Transcode { song, .. }) => {
                self.tell(Update::Recording { song, file: None, seconds: 0.0 });
            }
            Some(Errand::Cut { query, .. }) => self.leave_unanswered(query, problem),
            None => {}
        }
    }

    /// The decoder died over a song: another goes on where it was, once.
    fn reopen(&mut self, detail: &str) {
        let Some((song, reading)) = self.reading.take() else { return };
        let Some(known) = self.songs.get_mut(&song) else { return };
        known.attempts += 1;
        if known.attempts > 1 || reading == Reading::InBrowser {
            // What killed them was this file, and no other pays for it.
            *self.deaths(Role::Decoder) = 0;
            self.fail(song, SongProblem::Engine { detail: detail.to_owned() });
        } else {
            self.queue.push_front(song);
        }
    }

    fn open_samples(&mut self, song: SongId, sample_rate: u32, channels: Vec<P>) {
        if self.reading != Some((song, Reading::InBrowser)) {
            return;
        }
        let Some(known) = self.songs.get(&song) else { return };
        let format = known.model.and_then(|model| self.models.get(&model)?.format());
        if let (Some(format), Some(decoder)) = (format, self.of_role(Role::Decoder).first()) {
            let request = Request::OpenSamples { song, format, sample_rate, first_clip: known.cut };
            self.reading = Some((song, Reading::Opening));
            self.send(*decoder, request, channels, true);
        }
    }

    /// Gives the decoder that cuts the clip of a question what the browser made of its file.
    fn open_samples_for(&mut self, query: QueryId, decoded: Result<(u32, Vec<P>), SongProblem>) {
        let Some((&worker, Errand::Cut { clip, format, .. })) =
            self.errands.iter().find(|(_, errand)| errand.query() == Some(query))
        else {
            return;
        };
        match decoded {
            Ok((sample_rate, channels)) => {
                let (song, format, first_clip) = (SongId(query.0), *format, *clip);
                let request = Request::OpenSamples { song, format, sample_rate, first_clip };
                self.send(worker, request, channels, true);
            }
            Err(problem) => self.fail_errand(worker, problem),
        }
    }

    fn stop_listening(&mut self, song: SongId) {
        let errand = self.errands.iter_mut().find(|(_, errand)| errand.song() == Some(song));
        let Some((&worker, Errand::Listen { stopping, .. })) = errand else { return };
        *stopping = true;
        match self.workers.get(&worker).map(|worker| &worker.phase) {
            Some(Phase::Busy) => self.send(worker, Request::StopListening { song }, vec![], false),
            // It never began to listen.
            _ => {
                self.end_errand(worker);
                self.tell(Update::Recording { song, file: None, seconds: 0.0 });
            }
        }
    }

    // Questions ---------------------------------------------------------------

    fn ask(&mut self, query: QueryId, model: Option<ModelId>, question: Question, source: ClipSource<P>) {
        self.forget_query(query);
        if let Some(problem) = &self.problem {
            let problem = SongProblem::Engine { detail: problem.to_string() };
            return self.tell(Update::Unanswered { query, problem });
        }
        self.queries.ask(query, model, question, source);
    }

    /// Forgets a question; says whether it was open.
    fn forget_query(&mut self, query: QueryId) -> bool {
        let errands = self.errands.iter().filter(|(_, errand)| errand.query() == Some(query));
        for worker in errands.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.end_errand(worker);
        }
        self.queries.drop(query)
    }

    fn leave_unanswered(&mut self, query: QueryId, problem: SongProblem) {
        if self.forget_query(query) {
            self.tell(Update::Unanswered { query, problem });
        }
    }

    /// Takes an answer of the decoder that cuts the clip of a question; `false`
    /// for one that every worker gives.
    fn cut_for(
        &mut self,
        worker: WorkerId,
        query: QueryId,
        reply: &Reply,
        attachments: &mut impl Iterator<Item = P>,
    ) -> bool {
        match reply {
            Reply::Opened { song, .. } => self.send(worker, Request::Pull { song: *song }, vec![], false),
            Reply::Clip { .. } => {
                self.end_errand(worker);
                if let Some(samples) = attachments.next() {
                    self.queries.cut(query, samples.clone());
                    self.tell(Update::Cut { query, samples });
                }
            }
            Reply::NeedsBrowser { info, .. } => {
                if let Some(Errand::Cut { file, .. }) = self.errands.get(&worker) {
                    self.tell(Update::QueryNeedsBrowser { query, file: file.clone(), info: info.clone() });
                }
            }
            Reply::End { .. } => {
                let detail = "the song has no such clip".to_owned();
                self.fail_errand(worker, SongProblem::Engine { detail });
            }
            Reply::Problem { problem, .. } => self.fail_errand(worker, problem.clone()),
            _ => return false,
        }
        true
    }

    fn inspected(
        &mut self,
        worker: WorkerId,
        ticket: Ticket,
        frame: usize,
        stages: Vec<Stage>,
        values: Vec<P>,
        milliseconds: f64,
    ) {
        let Some(query) = self.queries.take(ticket) else { return };
        let model = self.answered(worker);
        if let (Some(query), Some(model)) = (query, model) {
            self.queries.drop(query);
            self.tell(Update::Inspected { query, model, frame, stages, values, milliseconds });
        }
    }

    fn explained(&mut self, worker: WorkerId, ticket: Ticket, log_odds: &[f32]) {
        self.answered(worker);
        match self.queries.explained(ticket, log_odds) {
            Some(Ok(Explained { query, map, log_odds, share })) => {
                self.tell(Update::Explained { query, map, log_odds, share });
            }
            Some(Err(query)) => {
                let detail = "a worker answered another question".to_owned();
                self.leave_unanswered(query, SongProblem::Engine { detail });
            }
            None => {}
        }
    }

    /// A worker has done its piece of a question; gives the model it has.
    fn answered(&mut self, worker: WorkerId) -> Option<ModelId> {
        let worker = self.workers.get_mut(&worker)?;
        worker.phase = Phase::Idle;
        let (role, model) = (worker.role, worker.model);
        *self.deaths(role) = 0;
        model
    }

    /// Chooses the models that answer, and has clips cut, one at a time.
    fn start_queries(&mut self) {
        if self.problem.is_some() {
            return;
        }
        let (models, current) = (&self.models, self.model());
        let known = |model: &ModelId| models.get(model).is_some_and(|model| model.card.is_some());
        self.queries.settle(|wish| wish.filter(known).or(current.filter(known)));
        if self.errands.values().any(|errand| errand.query().is_some()) {
            return;
        }
        let Some(ToCut { query, model, file, clip }) = self.queries.next_to_cut() else { return };
        if let Some(format) = self.models.get(&model).and_then(Model::format) {
            self.run_errand(Role::Decoder, Errand::Cut { query, file, clip, format });
        }
    }

    // Scheduling --------------------------------------------------------------

    fn schedule(&mut self) {
        self.staff();
        self.start_queries();
        self.start_errands();
        self.judge_gpu();
        self.hand_out_models();
        self.hand_out_questions();
        self.hand_out_lesson();
        self.hand_out_clips();
        self.read_on();
    }

    fn start_errands(&mut self) {
        let chosen = self.model();
        let idle = |id: &WorkerId| self.workers.get(id).is_some_and(|worker| worker.phase == Phase::Idle);
        let mut requests = Vec::new();
        for (id, errand) in self.errands.iter().filter(|(id, _)| idle(id)) {
            match errand {
                Errand::Transcode { song, file } => {
                    requests.push((*id, Request::Transcode { song: *song }, file.clone(), false));
                }
                Errand::Listen { song, sample_rate, port, .. } => {
                    // What came before there was any model is heard by the first there is.
                    let Some(known) = self.songs.get_mut(song) else { continue };
                    known.model = known.model.or(chosen);
                    let format = known.model.and_then(|model| self.models.get(&model)?.format());
                    if let Some(format) = format {
                        let request = Request::Listen { song: *song, format, sample_rate: *sample_rate };
                        requests.push((*id, request, port.clone(), true));
                    }
                }
                Errand::Cut { query, file, clip, format } => {
                    // Its worker has no other song.
                    let song = SongId(query.0);
                    let request = Request::Open { song, format: *format, first_clip: *clip };
                    requests.push((*id, request, file.clone(), false));
                }
            }
        }
        for (worker, request, attachment, transfer) in requests {
            self.set_phase(worker, Phase::Busy);
            self.send(worker, request, vec![attachment], transfer);
        }
    }

    fn set_phase(&mut self, worker: WorkerId, phase: Phase) {
        if let Some(worker) = self.workers.get_mut(&worker) {
            worker.phase = phase;
        }
    }

    /// Decides, once both have been measured by the model of songs to come, whether the GPU
    /// takes over; where it runs already, whether it stays.
    fn judge_gpu(&mut self) {
        let Some(id) = self.of_role(Role::Gpu).first().copied() else { return };
        let Some(Worker { model: Some(model), rate, .. }) = self.workers.get(&id) else { return };
        let (model, rate) = (*model, *rate);
        let is_open = match self.gpu {
            GpuStatus::Starting => true,
            GpuStatus::Running => self.speeds.gpu_won(model) != Some(true),
            GpuStatus::Off | GpuStatus::Unused(_) => false,
        };
        if !is_open {
            return;
        }
        if self.choice == Choice::Gpu {
            self.gpu = GpuStatus::Running;
            return;
        }
        // A lesson's or an earlier song's may be another.
        if self.model() != Some(model) {
            return;
        }
        match self.speeds.judge(model, rate, self.cpu_workers) {
            Some(Ok(())) => self.gpu = GpuStatus::Running,
            Some(Err(slower)) => {
                self.take_back(id, false, "");
                self.terminate(id);
                self.gpu = GpuStatus::Unused(slower);
            }
            None => {}
        }
    }

    fn hand_out_models(&mut self) {
        // A model that nobody has read yet goes first, to one worker: the person
        // who dropped it waits to hear whether it fits, and so do its songs, even
        // if another has been chosen since.
        let mut wanted = self.model().into_iter().chain(self.songs.values().filter_map(|song| song.model));
        if let Some(unread) = wanted.find(|model| self.card(*model).is_none())
            && let Some(file) = self.models.get(&unread).map(|model| model.file.clone())
            && !self.workers.values().any(|worker| matches!(worker.phase, Phase::Loading(_)))
            && let Some(worker) =
                self.of_role(Role::Cpu).into_iter().find(|id| self.workers[id].phase == Phase::Idle)
        {
            self.set_phase(worker, Phase::Loading(unread));
            self.send(worker, Request::Model { model: unread }, vec![file], false);
        }
        let first_waiting = self.clips.front().map(|clip| clip.model);
        let read = self.model().filter(|model| self.card(*model).is_some());
        let for_songs = first_waiting.or(read);
        // A question about another model waits until no song wants the workers.
        let asked = if self.songs.is_empty() { self.queries.first_model() } else { None };
        for (role, model) in [(Role::Cpu, asked.or(for_songs)), (Role::Gpu, for_songs)] {
            let Some(model) = model else { continue };
            let Some(file) = self.models.get(&model).map(|model| model.file.clone()) else { continue };
            let needs_it = |worker: &Worker| {
                worker.role == role && worker.phase == Phase::Idle && worker.model != Some(model)
            };
            let without = self.workers.iter().filter(|(_, worker)| needs_it(worker)).map(|(id, _)| *id);
            for worker in without.collect::<Vec<_>>() {
                self.set_phase(worker, Phase::Loading(model));
                self.send(worker, Request::Model { model }, vec![file.clone()], false);
            }
        }
    }

    /// Gives questions to processors that are idle. While there are songs the
    /// pieces are small, and where clips wait it is their turn after each.
    fn hand_out_questions(&mut self) {
        let gpu = self.gpu == GpuStatus::Running;
        let clips_wait = !gpu && !self.clips.is_empty();
        let runs = if gpu || self.songs.is_empty() { QUESTION_RUNS } else { 1 };
        for id in self.of_role(Role::Cpu) {
            let Some(worker) = self.workers.get_mut(&id) else { continue };
            let Some(model) = worker.model.filter(|_| worker.phase == Phase::Idle) else { continue };
            if clips_wait && worker.questioned {
                continue;
            }
            let ticket = Ticket(self.next_ticket);
            let Some((request, samples)) = self.queries.give(id, model, ticket, runs) else { continue };
            (worker.phase, worker.questioned) = (Phase::Busy, true);
            self.next_ticket = self.next_ticket.wrapping_add(1);
            // Copied: the next piece needs it too.
            self.send(id, request, vec![samples], false);
        }
    }

    fn hand_out_clips(&mut self) {
        let role = if self.gpu == GpuStatus::Running { Role::Gpu } else { Role::Cpu };
        for id in self.of_role(role) {
            let Some(front) = self.clips.front() else { return };
            let (model, studied) = (front.model, front.studied);
            let Some(worker) = self.workers.get_mut(&id) else { continue };
            if worker.phase != Phase::Idle || worker.model != Some(model) {
                continue;
            }
            (worker.phase, worker.questioned) = (Phase::Busy, false);
            let batch = worker.batch;
            let mut job = VecDeque::with_capacity(batch);
            let alike = |clip: &Clip<P>| clip.model == model && clip.studied == studied;
            while job.len() < batch && self.clips.front().is_some_and(alike) {
                job.extend(self.clips.pop_front());
            }
            let samples = job.iter().map(|clip| clip.samples.clone()).collect();
            let ticket = Ticket(self.next_ticket);
            self.next_ticket = self.next_ticket.wrapping_add(1);
            self.jobs.insert(ticket, (id, job));
            // Copied, not handed over: should the worker die, the clip is still here.
            let request = if studied {
                Request::Features { ticket, model }
            } else {
                Request::Classify { ticket, model }
            };
            self.send(id, request, samples, false);
        }
    }

    /// Opens the next song, or has the next clip cut, if there is room for it.
    fn read_on(&mut self) {
        let decoder = self.of_role(Role::Decoder).first().copied();
        let Some(decoder) =
            decoder.filter(|id| self.workers.get(id).is_some_and(|worker| worker.phase == Phase::Idle))
        else {
            return;
        };
        match self.reading {
            Some((song, Reading::Waiting)) => {
                if self.clips.len() < self.room() {
                    self.reading = Some((song, Reading::Cutting));
                    self.send(decoder, Request::Pull { song }, vec![], false);
                }
            }
            Some(_) => {}
            None => {
                let Some(&next) = self.queue.front() else { return };
                let chosen = self.model();
                let Some(song) = self.songs.get_mut(&next) else { return };
                song.model = song.model.or(chosen);
                let Some(format) = song.model.and_then(|model| self.models.get(&model)?.format()) else {
                    return;
                };
                let Some(file) = song.file.clone() else { return };
                let first_clip = song.cut;
                self.queue.pop_front();
                self.reading = Some((next, Reading::Opening));
                self.send(decoder, Request::Open { song: next, format, first_clip }, vec![file], false);
            }
        }
    }

    /// Clips that may wait: enough that no worker ever waits for the decoder,
    /// few enough that a three-hour mix stays small.
    fn room(&self) -> usize {
        let gpu = self.gpu == GpuStatus::Running;
        let takers =
            self.workers.values().filter(|worker| worker.role == if gpu { Role::Gpu } else { Role::Cpu });
        takers.map(|worker| 2 * worker.batch).sum::<usize>().max(2)
    }
}

impl<P> Song<P> {
    fn new(file: Option<P>, model: Option<ModelId>) -> Self {
        Self { file, model, cut: 0, outstanding: 0, end: None, attempts: 0, most_clips: None }
    }
}
