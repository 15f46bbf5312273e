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

mod answers;
mod events;
mod lessons;
mod questions;
mod schedule;
mod songs;
mod speed;
mod staff;

use std::collections::{BTreeMap, VecDeque};

pub use self::events::{Action, Choice, EngineStatus, Event, GpuStatus, Update, WorkerId};
use self::{lessons::Assignment, speed::Speeds};
pub use super::queries::{ClipSource, QueryId};
use super::{
    protocol::{ClipFormat, EngineProblem, ModelId, Request, Role, SongId, SongNotice, Ticket},
    queries::{Queries, Question},
};
use crate::network::card::ModelCard;

/// Workers of the CPU pool at most.
const MAX_CPU_WORKERS: usize = 4;
/// Attempts at one clip before the song is given up.
const MAX_ATTEMPTS: u32 = 3;
/// Silence after which a worker that has something to do counts as dead, in ms.
const SILENCE: f64 = 20_000.0;
/// The same while it starts and compiles, which a slow phone may take long over.
const SILENCE_AT_START: f64 = 120_000.0;
/// Between two events there are at most some hundred milliseconds, unless the whole page slept.
const SLEPT: f64 = SILENCE / 4.0;

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
    /// Whether the page decodes it, all at once.
    in_browser: bool,
    /// Clips that were cut when it last made way for what is studied.
    made_way_at: Option<usize>,
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
    Cut { query: QueryId, file: P, clip: usize, format: ClipFormat, in_browser: bool },
}

impl<P> Errand<P> {
    /// Silence, in ms, after which a worker that is at it counts as dead.
    fn patience(&self) -> f64 {
        match self {
            // It has nothing to do until the page brings what `decodeAudioData` made of the
            // file; the page takes what time that needs, and says when it gives up.
            Self::Cut { in_browser: true, .. } => f64::INFINITY,
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

    /// Whether all that is left is to hand over what was recorded, for which no other worker
    /// is needed.
    fn is_ending(&self) -> bool {
        matches!(self, Self::Listen { stopping: true, .. })
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
    /// The models whose genres questions are about.
    genres_of: BTreeMap<QueryId, ModelId>,
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
            genres_of: BTreeMap::new(),
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
                // Chosen again, it is the same file, or its bytes, which cannot go as a file can.
                self.models.entry(model).and_modify(|known| known.file = file.clone()).or_insert(Model {
                    file,
                    card: None,
                    deaths: 0,
                });
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
            Event::Transcode { song, file } => self.transcode(song, file),
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
            Event::Unteach => self.call_lesson_off(),
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
}

impl<P> Song<P> {
    fn new(file: Option<P>, model: Option<ModelId>) -> Self {
        Self {
            file,
            model,
            cut: 0,
            outstanding: 0,
            end: None,
            attempts: 0,
            most_clips: None,
            in_browser: false,
            made_way_at: None,
        }
    }
}
