//! The pool against workers that are simulated: slow, dying, silent, refusing.
//!
//! A `World` carries out the pool's actions with workers that answer as the
//! engine does, in an order and with accidents drawn from a seeded generator,
//! and checks at every step what must hold whatever happens.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at what is not as it should be"
)]

#[path = "common/card.rs"]
mod card;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use needledrop::{
    classify::occlusion::{CELLS, PATCHES},
    engine::{
        pool::{Action, Choice, ClipSource, Event, GpuStatus, Pool, QueryId, Update, WorkerId},
        protocol::{
            EngineProblem, ModelId, ModelProblem, PROTOCOL_VERSION, Reply, Request, Role, SongId, SongInfo,
            SongProblem,
        },
    },
    network::experiment::experiment,
    teaching::{
        held_out::HeldOut,
        lesson::{Lesson, LessonProblem, Recording},
    },
};

/// Attachments of the simulation: a name for what would be a file or samples.
type Thing = u32;

/// A genre for which the simulated workers find silence.
const SILENT: usize = 7;

/// A clip whose samples are there.
const SAMPLES: ClipSource<Thing> = ClipSource::Samples(4);

/// A clip of a file.
fn clip_of_file(clip: usize) -> ClipSource<Thing> {
    ClipSource::File { file: 3, clip }
}

struct Lcg(u64);

impl Lcg {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound
    }
}

/// What the simulated machine is like.
#[derive(Clone)]
struct Machine {
    clips_per_song: usize,
    cpu_rate: f64,
    gpu: Result<f64, EngineProblem>,
    refuse_models: bool,
    protocol: u32,
    /// Whether songs are of a codec that only `decodeAudioData` knows.
    browser_decodes: bool,
    /// A model that takes the processor ten times as long.
    heavy: Option<ModelId>,
    /// A model that no clip can be put through.
    broken: Option<ModelId>,
    /// A model whose file is gone once a worker has read it.
    fleeting: Option<ModelId>,
    /// A model whose clips have another rate.
    other_rate: Option<ModelId>,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            clips_per_song: 7,
            cpu_rate: 5.0,
            gpu: Err(EngineProblem::NoWebGpu),
            refuse_models: false,
            protocol: PROTOCOL_VERSION,
            browser_decodes: false,
            heavy: None,
            broken: None,
            fleeting: None,
            other_rate: None,
        }
    }
}

struct World {
    pool: Pool<Thing>,
    machine: Machine,
    now: f64,
    alive: BTreeMap<WorkerId, Role>,
    /// What was ever started.
    started: Vec<Role>,
    dead: BTreeSet<WorkerId>,
    /// Requests that a worker has not answered yet, oldest first.
    inbox: VecDeque<(WorkerId, Request, usize)>,
    /// Whether the pool looks for a GPU, and for a software adapter too.
    seeking: VecDeque<bool>,
    /// Next clip of the song that each decoder has.
    decoding: BTreeMap<WorkerId, (SongId, usize)>,
    updates: Vec<Update<Thing>>,
    clips: BTreeMap<SongId, Vec<usize>>,
    ended: BTreeMap<SongId, Result<(), SongProblem>>,
    /// Copies of clips that workers hold.
    most_clips_held: usize,
    devices: Vec<Role>,
    /// Questions that have their last answer, or none.
    settled: BTreeMap<QueryId, bool>,
    /// Runs of the network that a question was given at once, and by whom.
    pieces: Vec<(WorkerId, usize)>,
    /// Models whose convolutions studied something.
    studied_by: Vec<ModelId>,
    /// Models that some worker has read.
    read: BTreeSet<ModelId>,
}

impl World {
    fn new(machine: Machine) -> Self {
        let mut world = Self {
            pool: Pool::new(2, 0.0),
            machine,
            now: 0.0,
            alive: BTreeMap::new(),
            started: vec![],
            dead: BTreeSet::new(),
            inbox: VecDeque::new(),
            seeking: VecDeque::new(),
            decoding: BTreeMap::new(),
            updates: vec![],
            clips: BTreeMap::new(),
            ended: BTreeMap::new(),
            most_clips_held: 0,
            devices: vec![],
            settled: BTreeMap::new(),
            pieces: vec![],
            studied_by: vec![],
            read: BTreeSet::new(),
        };
        world.event(Event::SetModel { model: ModelId(0), file: 0 });
        world
    }

    fn event(&mut self, event: Event<Thing>) {
        for action in self.pool.handle(event, self.now) {
            match action {
                Action::Spawn { worker, role } => {
                    assert!(!self.dead.contains(&worker), "a worker's name was used twice");
                    assert!(self.alive.insert(worker, role).is_none(), "{worker:?} was started twice");
                    self.started.push(role);
                }
                Action::Send { worker, request, attachments, .. } => {
                    assert!(self.alive.contains_key(&worker), "{request:?} was sent to a dead worker");
                    self.inbox.push_back((worker, request, attachments.len()));
                }
                Action::SeekGpu { software } => self.seeking.push_back(software),
                Action::Terminate { worker } => {
                    assert!(self.alive.remove(&worker).is_some(), "{worker:?} was ended twice");
                    self.bury(worker);
                }
                Action::Tell(update) => self.told(update),
            }
        }
        let held: usize = self
            .inbox
            .iter()
            .filter(|(_, request, _)| matches!(request, Request::Classify { .. }))
            .map(|(_, _, clips)| clips)
            .sum();
        self.most_clips_held = self.most_clips_held.max(held);
    }

    fn told(&mut self, update: Update<Thing>) {
        match &update {
            Update::Clip { song, verdict, device, .. } => {
                assert!(!self.ended.contains_key(song), "a verdict for {song:?}, which has ended");
                self.clips.entry(*song).or_default().push(verdict.clip);
                self.devices.push(*device);
            }
            Update::Features { song, clip, .. } => {
                assert!(!self.ended.contains_key(song), "features for {song:?}, which has ended");
                self.clips.entry(*song).or_default().push(*clip);
            }
            Update::Done { song, .. } => {
                assert!(self.ended.insert(*song, Ok(())).is_none(), "{song:?} ended twice");
            }
            Update::Failed { song, problem } => {
                assert!(self.ended.insert(*song, Err(problem.clone())).is_none(), "{song:?} ended twice");
            }
            Update::Explained { query, share, .. } if *share < 1.0 => {
                assert!(!self.settled.contains_key(query), "{query:?} was already answered");
            }
            Update::Inspected { query, .. } | Update::Explained { query, .. } => {
                assert!(self.settled.insert(*query, true).is_none(), "{query:?} was answered twice");
            }
            Update::Unanswered { query, .. } => {
                assert!(self.settled.insert(*query, false).is_none(), "{query:?} was settled twice");
            }
            _ => {}
        }
        self.updates.push(update);
    }

    fn bury(&mut self, worker: WorkerId) {
        self.alive.remove(&worker);
        self.dead.insert(worker);
        self.decoding.remove(&worker);
        self.inbox.retain(|(to, _, _)| *to != worker);
    }

    fn kill(&mut self, worker: WorkerId) {
        // The browser's worker is gone before the pool hears of it, but it is
        // the pool that ends it.
        self.inbox.retain(|(to, _, _)| *to != worker);
        self.event(Event::Died { worker, detail: "trap".into() });
    }

    fn of_role(&self, role: Role) -> Vec<WorkerId> {
        self.alive.iter().filter(|(_, its)| **its == role).map(|(id, _)| *id).collect()
    }

    fn reply(&mut self, worker: WorkerId, reply: Reply, attachments: Vec<Thing>) {
        if self.alive.contains_key(&worker) {
            self.event(Event::Reply { worker, reply, attachments });
        }
    }

    /// Lets the worker at that place of the inbox answer, or the browser say
    /// whether there is a GPU.
    fn answer(&mut self, place: usize) {
        let Some((worker, ..)) = self.inbox.get(place) else {
            if let Some(software) = self.seeking.pop_front() {
                let found = self.machine.gpu.clone().map(|_| ());
                self.event(Event::Gpu { software, found });
            }
            return;
        };
        let worker = *worker;
        // A worker answers its own requests in order.
        let place = self.inbox.iter().position(|(to, _, _)| *to == worker).unwrap();
        let (_, request, attachments) = self.inbox.remove(place).unwrap();
        let role = self.alive[&worker];
        self.now += 10.0;
        match request {
            Request::Start { .. } => {
                let protocol = self.machine.protocol;
                let ready = Reply::Ready { protocol, device: format!("{role:?}"), milliseconds: 1.0 };
                let reply = match (&self.machine.gpu, role) {
                    (Err(problem), Role::Gpu) => Reply::Unavailable(problem.clone()),
                    _ => ready,
                };
                self.reply(worker, reply, vec![]);
            }
            Request::Model { model } if self.machine.refuse_models || model == ModelId(666) => {
                self.reply(worker, Reply::ModelRefused { model, problem: ModelProblem::NoCard }, vec![]);
            }
            Request::Model { model }
                if self.machine.fleeting == Some(model) && self.read.contains(&model) =>
            {
                self.reply(worker, Reply::ModelRefused { model, problem: ModelProblem::Gone }, vec![]);
            }
            Request::Model { model } => {
                self.read.insert(model);
                let mut card = card::of(experiment("8").unwrap().network);
                if self.machine.other_rate == Some(model) {
                    card.spectrogram.sample_rate *= 2;
                }
                let gpu = *self.machine.gpu.as_ref().unwrap_or(&0.0);
                let slowness = if self.machine.heavy == Some(model) { 10.0 } else { 1.0 };
                let clips_per_second = if role == Role::Gpu { gpu } else { self.machine.cpu_rate / slowness };
                let batch = if role == Role::Gpu { 4 } else { 1 };
                let reply =
                    Reply::Model { model, card: Box::new(card), clips_per_second, batch, warm_up: 1.0 };
                self.reply(worker, reply, vec![]);
            }
            Request::Classify { ticket, model } if self.machine.broken == Some(model) => {
                self.reply(worker, Reply::Failed { ticket, reason: "not finite".into() }, vec![]);
            }
            Request::Classify { ticket, .. } => {
                assert!(matches!(role, Role::Cpu | Role::Gpu));
                for index in 0..attachments {
                    let probabilities = vec![0.1; 10];
                    let reply = Reply::Verdict {
                        ticket,
                        index,
                        probabilities,
                        score: Some(2.5),
                        refused: index % 2 == 1,
                        milliseconds: 200.0,
                    };
                    self.reply(worker, reply, vec![0, 0]);
                }
            }
            Request::Inspect { ticket, frame, .. } => {
                assert_eq!(role, Role::Cpu);
                self.pieces.push((worker, 1));
                let frame = frame.unwrap_or(9);
                let reply = Reply::Inspected { ticket, frame, stages: vec![], milliseconds: 90.0 };
                self.reply(worker, reply, vec![1, 2, 3]);
            }
            Request::Explain { ticket, patches, class, .. } => {
                assert_eq!(role, Role::Cpu);
                self.pieces.push((worker, patches.len()));
                // The genre has no odds in this clip: there is nothing to hear.
                if class == SILENT {
                    return self.reply(worker, Reply::Explained { ticket, log_odds: vec![] }, vec![]);
                }
                let log_odds = patches.iter().map(|patch| if patch.is_none() { 5.0 } else { 3.0 }).collect();
                self.reply(worker, Reply::Explained { ticket, log_odds }, vec![]);
            }
            Request::Features { ticket, model } => {
                assert!(matches!(role, Role::Cpu | Role::Gpu));
                self.studied_by.push(model);
                for index in 0..attachments {
                    self.reply(worker, Reply::Features { ticket, index, milliseconds: 200.0 }, vec![2]);
                }
            }
            Request::Teach { ticket, lesson } => {
                assert_eq!((role, attachments), (Role::Cpu, 2));
                let reply = match lesson.check() {
                    Ok(()) => Reply::Taught { ticket, held_out: Some(HeldOut::new(2)), milliseconds: 9.0 },
                    Err(problem) => Reply::NotTaught { ticket, problem },
                };
                self.reply(worker, Reply::Learning { ticket, done: 1, all: 2 }, vec![]);
                self.reply(worker, reply, vec![3]);
            }
            Request::Open { song, .. } if self.machine.browser_decodes => {
                self.reply(worker, Reply::NeedsBrowser { song, info: SongInfo::default() }, vec![]);
            }
            Request::Open { song, first_clip, .. } | Request::OpenSamples { song, first_clip, .. } => {
                self.decoding.insert(worker, (song, first_clip));
                self.reply(worker, Reply::Opened { song, info: SongInfo::default() }, vec![]);
            }
            Request::Pull { song } => {
                let Some((decoding, clip)) = self.decoding.get_mut(&worker) else { return };
                assert_eq!(song, *decoding, "another song than the open one was pulled");
                let at = *clip;
                *clip += 1;
                let reply = if at < self.machine.clips_per_song {
                    Reply::Clip { song, clip: at, end_seconds: 3.0 * at as f64, progress: None }
                } else {
                    Reply::End { song, seconds: 3.0 * at as f64, notices: vec![] }
                };
                self.reply(worker, reply, vec![1]);
            }
            Request::Close { .. } => {
                self.decoding.remove(&worker);
            }
            Request::Transcode { song } => {
                self.reply(worker, Reply::Recording { song, seconds: 1.0 }, vec![1])
            }
            Request::Listen { song, .. } => {
                for clip in 0..3 {
                    let reply = Reply::Clip { song, clip, end_seconds: clip as f64, progress: None };
                    self.reply(worker, reply, vec![1]);
                }
            }
            Request::StopListening { song } => {
                self.reply(worker, Reply::Recording { song, seconds: 9.0 }, vec![1])
            }
            other => panic!("the pool never asks {other:?}"),
        }
    }

    /// Lets everything be answered, oldest first.
    fn run(&mut self) {
        for _ in 0..100_000 {
            if self.inbox.is_empty() && self.seeking.is_empty() {
                return;
            }
            self.answer(0);
        }
        panic!("the pool never comes to rest");
    }

    fn inspect(&mut self, query: u32, source: ClipSource<Thing>) {
        let query = QueryId(query);
        self.event(Event::Inspect { query, model: None, frame: None, source });
    }

    fn explain(&mut self, query: u32, class: usize, source: ClipSource<Thing>) {
        let query = QueryId(query);
        self.event(Event::Explain { query, model: None, class, source });
    }

    /// Answers of a question: shares of explanations, 1 for anything else.
    fn shares(&self, query: u32) -> Vec<f32> {
        let share = |update: &Update<Thing>| match update {
            Update::Explained { query: its, share, .. } if its.0 == query => Some(*share),
            Update::Inspected { query: its, .. } if its.0 == query => Some(1.0),
            _ => None,
        };
        self.updates.iter().filter_map(share).collect()
    }

    fn add(&mut self, songs: impl IntoIterator<Item = u32>) {
        for song in songs {
            self.event(Event::Add { song: SongId(song), file: song });
        }
    }

    fn assert_whole(&self, song: u32) {
        let mut clips = self.clips.get(&SongId(song)).cloned().unwrap_or_default();
        clips.sort_unstable();
        assert_eq!(self.ended.get(&SongId(song)), Some(&Ok(())), "song {song}");
        assert_eq!(clips, (0..self.machine.clips_per_song).collect::<Vec<_>>(), "song {song}");
    }
}

#[test]
fn every_clip_of_every_song_is_classified_once() {
    let mut world = World::new(Machine::default());
    world.add(0..20);
    world.run();
    (0..20).for_each(|song| world.assert_whole(song));
}

#[test]
fn a_long_song_is_never_held_in_memory() {
    let mut world = World::new(Machine { clips_per_song: 3600, ..Machine::default() });
    world.add([0]);
    world.run();
    world.assert_whole(0);
    assert!(world.most_clips_held <= 4, "{} clips were held", world.most_clips_held);
}

#[test]
fn the_gpu_takes_over_only_where_it_is_faster() {
    for (rate, taken) in [(1.0, false), (10.5, false), (100.0, true)] {
        let mut world = World::new(Machine { gpu: Ok(rate), ..Machine::default() });
        world.run();
        world.add([0]);
        world.run();
        world.assert_whole(0);
        let expected = if taken { Role::Gpu } else { Role::Cpu };
        assert!(world.devices.iter().all(|device| *device == expected), "at {rate} clips a second");
        assert_eq!(world.pool.status().gpu == GpuStatus::Running, taken);
        assert_eq!(world.of_role(Role::Gpu).len(), usize::from(taken), "a GPU that is not used is let go");
    }
}

#[test]
fn the_gpu_is_judged_by_each_model() {
    let (light, heavy) = (ModelId(0), ModelId(1));
    let mut world = World::new(Machine { gpu: Ok(10.0), heavy: Some(heavy), ..Machine::default() });
    world.run();
    for (song, (model, taken)) in (0..).zip([(light, false), (heavy, true), (light, false), (heavy, true)]) {
        world.event(Event::SetModel { model, file: 0 });
        world.run();
        let status = world.pool.status();
        assert_eq!(status.gpu == GpuStatus::Running, taken, "by {model:?}");
        assert_eq!(world.of_role(Role::Gpu).len(), usize::from(taken), "by {model:?}");
        world.add([song]);
        world.run();
        world.assert_whole(song);
        assert_eq!(world.devices.last(), Some(if taken { &Role::Gpu } else { &Role::Cpu }), "by {model:?}");
    }
    // Where it is known that it would lose, it is not started again.
    world.event(Event::SetModel { model: light, file: 0 });
    world.run();
    let starts = |world: &World| world.started.iter().filter(|role| **role == Role::Gpu).count();
    let before = starts(&world);
    world.event(Event::SetModel { model: light, file: 0 });
    world.run();
    assert_eq!(starts(&world), before);
}

#[test]
fn a_slower_gpu_runs_where_the_person_wants_it() {
    let mut world = World::new(Machine { gpu: Ok(1.0), ..Machine::default() });
    world.run();
    world.event(Event::Choose(Choice::Gpu));
    world.run();
    world.add([0]);
    world.run();
    assert!(world.devices.iter().all(|device| *device == Role::Gpu));
    world.event(Event::Choose(Choice::Auto));
    world.run();
    world.add([1]);
    world.run();
    assert_eq!(world.devices.last(), Some(&Role::Cpu), "auto measures again");
    (0..2).for_each(|song| world.assert_whole(song));
}

#[test]
fn the_gpus_engine_is_fetched_only_where_there_is_a_gpu() {
    let mut world = World::new(Machine::default());
    world.run();
    assert_eq!(world.pool.status().gpu, GpuStatus::Unused(EngineProblem::NoWebGpu));
    assert!(!world.started.contains(&Role::Gpu), "{:?}", world.started);
    // Another wish, another question; the answer to the old one does not count.
    world.event(Event::Choose(Choice::Gpu));
    assert_eq!(world.seeking, [true]);
    world.event(Event::Gpu { software: false, found: Err(EngineProblem::NoAdapter) });
    assert_eq!(world.pool.status().gpu, GpuStatus::Starting);
    world.machine.gpu = Ok(100.0);
    world.run();
    assert_eq!(world.pool.status().gpu, GpuStatus::Running);
    // Once it is there it is not fetched again.
    world.event(Event::Choose(Choice::Cpu));
    world.event(Event::Choose(Choice::Auto));
    assert!(world.seeking.is_empty());
    world.run();
    assert_eq!(world.pool.status().gpu, GpuStatus::Running);
}

#[test]
fn a_song_goes_on_where_the_gpu_died() {
    let mut world = World::new(Machine { gpu: Ok(100.0), ..Machine::default() });
    world.run();
    world.add([0]);
    while world.devices.len() < 3 {
        world.answer(0);
    }
    while let Some(&gpu) = world.of_role(Role::Gpu).first() {
        world.kill(gpu);
    }
    world.run();
    world.assert_whole(0);
    assert!(world.devices.contains(&Role::Cpu) && world.devices.contains(&Role::Gpu));
    assert!(matches!(world.pool.status().gpu, GpuStatus::Unused(EngineProblem::Failed { .. })));
}

#[test]
fn a_silent_gpu_is_given_up() {
    let mut world = World::new(Machine { gpu: Ok(100.0), ..Machine::default() });
    world.run();
    world.add([0]);
    let gpu = world.of_role(Role::Gpu)[0];
    while !world.inbox.iter().any(|(to, ..)| *to == gpu) {
        world.answer(0);
    }
    world.inbox.retain(|(to, ..)| *to != gpu);
    for _ in 0..100 {
        world.now += 250.0;
        world.event(Event::Tick);
    }
    world.run();
    world.assert_whole(0);
    assert!(world.dead.contains(&gpu));
}

#[test]
fn a_page_that_slept_kills_nobody() {
    let mut world = World::new(Machine::default());
    world.run();
    world.add([0]);
    let before = world.alive.clone();
    world.now += 3_600_000.0;
    world.event(Event::Tick);
    assert_eq!(world.alive, before);
    // Nor where the first to speak afterwards is a worker, while another has something to do.
    let busy = |world: &World| world.inbox.iter().map(|(to, ..)| *to).collect::<BTreeSet<_>>().len();
    while busy(&world) < 2 {
        world.answer(0);
    }
    let before = world.alive.clone();
    world.now += 3_600_000.0;
    world.answer(0);
    world.now += 250.0;
    world.event(Event::Tick);
    assert_eq!(world.alive, before);
    world.run();
    world.assert_whole(0);
}

#[test]
fn a_decoder_that_dies_is_followed_by_one_that_goes_on() {
    let mut world = World::new(Machine::default());
    world.run();
    world.add([0, 1]);
    while world.clips.get(&SongId(0)).is_none_or(|clips| clips.len() < 3) {
        world.answer(0);
    }
    let decoder = world.of_role(Role::Decoder)[0];
    world.kill(decoder);
    world.run();
    (0..2).for_each(|song| world.assert_whole(song));
}

#[test]
fn a_song_that_kills_every_decoder_fails_alone() {
    let mut world = World::new(Machine::default());
    world.run();
    world.add([0, 1, 2]);
    for _ in 0..1000 {
        let Some((worker, request, _)) = world.inbox.front().cloned() else { break };
        if matches!(request, Request::Open { song: SongId(1), .. }) {
            world.kill(worker);
        } else {
            world.answer(0);
        }
    }
    world.assert_whole(0);
    world.assert_whole(2);
    assert!(matches!(world.ended[&SongId(1)], Err(SongProblem::Engine { .. })));
}

/// A folder may have many of them: cloud files that never come, say.
#[test]
fn songs_that_kill_decoders_take_no_other_with_them() {
    let mut world = World::new(Machine::default());
    world.run();
    world.add(0..12);
    for _ in 0..10_000 {
        let Some((worker, request, _)) = world.inbox.front().cloned() else { break };
        match request {
            // Two in a row, as where a folder lies in a cloud.
            Request::Open { song, .. } if song.0 % 3 != 0 => world.kill(worker),
            _ => world.answer(0),
        }
    }
    for song in 0..12 {
        match song % 3 {
            0 => world.assert_whole(song),
            _ => assert!(matches!(world.ended[&SongId(song)], Err(SongProblem::Engine { .. })), "{song}"),
        }
    }
    assert_eq!(world.pool.status().problem, None);
}

#[test]
fn a_machine_on_which_nothing_works_says_so() {
    let mut world = World::new(Machine { protocol: PROTOCOL_VERSION + 1, ..Machine::default() });
    world.add([0]);
    world.run();
    assert!(matches!(world.pool.status().problem, Some(EngineProblem::Protocol { .. })));
    assert!(matches!(world.ended[&SongId(0)], Err(SongProblem::Engine { .. })));
    assert!(world.alive.is_empty());

    let mut world = World::new(Machine::default());
    world.add([0]);
    for _ in 0..100 {
        match world.of_role(Role::Cpu).first() {
            Some(&worker) => world.kill(worker),
            None => break,
        }
    }
    assert!(matches!(world.ended[&SongId(0)], Err(SongProblem::Engine { .. })));
}

#[test]
fn a_refused_model_leaves_the_one_before_it() {
    let mut world = World::new(Machine::default());
    world.run();
    world.event(Event::SetModel { model: ModelId(666), file: 0 });
    world.add([0]);
    world.run();
    assert!(
        world.updates.iter().any(|update| matches!(update, Update::ModelRefused { model: ModelId(666), .. }))
    );
    world.assert_whole(0);

    let mut world = World::new(Machine { refuse_models: true, ..Machine::default() });
    world.add([0]);
    world.run();
    assert!(world.ended.is_empty(), "without any model a song waits for one");
    world.machine.refuse_models = false;
    world.event(Event::SetModel { model: ModelId(1), file: 0 });
    world.run();
    world.assert_whole(0);
}

impl World {
    /// What each refused model is replaced by, oldest first.
    fn instead(&self) -> Vec<Option<ModelId>> {
        let instead = |update: &Update<Thing>| match update {
            Update::ModelRefused { instead, .. } => Some(*instead),
            _ => None,
        };
        self.updates.iter().filter_map(instead).collect()
    }

    /// Kills every worker that reads this model, until none does.
    fn kill_readers_of(&mut self, fatal: ModelId) {
        for _ in 0..1000 {
            let Some((worker, request, _)) = self.inbox.front().cloned() else { return };
            match request {
                Request::Model { model } if model == fatal => self.kill(worker),
                _ => self.answer(0),
            }
        }
        panic!("it is read again and again");
    }
}

#[test]
fn a_refused_model_is_replaced_by_the_one_that_was_chosen_before() {
    let mut world = World::new(Machine::default());
    world.run();
    world.event(Event::SetModel { model: ModelId(1), file: 0 });
    world.run();
    // The last of the list is not the last that was chosen.
    world.event(Event::SetModel { model: ModelId(0), file: 0 });
    world.event(Event::SetModel { model: ModelId(666), file: 0 });
    world.run();
    assert_eq!(world.instead(), [Some(ModelId(0))]);

    // Also by one that nobody has read yet.
    let mut world = World::new(Machine::default());
    world.event(Event::SetModel { model: ModelId(666), file: 0 });
    world.add([0]);
    world.run();
    assert_eq!(world.instead(), [Some(ModelId(0))]);
    world.assert_whole(0);

    let mut world = World::new(Machine { refuse_models: true, ..Machine::default() });
    world.run();
    assert_eq!(world.instead(), [None]);
}

#[test]
fn a_model_that_kills_whoever_reads_it_is_refused() {
    let mut world = World::new(Machine::default());
    world.run();
    for fatal in (1..4).map(ModelId) {
        world.event(Event::SetModel { model: fatal, file: 0 });
        world.add([fatal.0]);
        world.kill_readers_of(fatal);
        world.run();
        world.assert_whole(fatal.0);
    }
    assert_eq!(world.instead(), [Some(ModelId(0)); 3]);
    assert_eq!(world.pool.status().problem, None);

    // Where it is the only one, it may well be the machine.
    let mut world = World::new(Machine::default());
    world.add([0]);
    world.kill_readers_of(ModelId(0));
    assert!(matches!(world.pool.status().problem, Some(EngineProblem::Failed { .. })));
    assert!(matches!(world.ended[&SongId(0)], Err(SongProblem::Engine { .. })));
}

impl World {
    /// Lets all requests of a kind be answered, oldest first, also those that come meanwhile.
    fn answer_all(&mut self, is_of_kind: impl Fn(&Request) -> bool) {
        while let Some(place) = self.inbox.iter().position(|(_, request, _)| is_of_kind(request)) {
            self.answer(place);
        }
    }

    /// Whoever has a clip to classify.
    fn classifies(&self) -> WorkerId {
        let classify = |request: &Request| matches!(request, Request::Classify { .. });
        let has_it = self.inbox.iter().find(|(_, request, _)| classify(request));
        has_it.expect("nobody has a clip").0
    }

    /// A world where one worker has read that model, whose file is gone now, and another is
    /// about to.
    fn with_one_reader_of(gone: ModelId, machine: Machine) -> Self {
        let mut world = Self::new(Machine { fleeting: Some(gone), ..machine });
        world.run();
        world.event(Event::SetModel { model: gone, file: 0 });
        world.answer(0);
        assert!(world.read.contains(&gone) && world.inbox.iter().any(|(_, request, _)| reads(gone)(request)));
        world
    }
}

/// Whether a worker is to read that model.
fn reads(its: ModelId) -> impl Fn(&Request) -> bool {
    move |request| matches!(request, Request::Model { model } if *model == its)
}

#[test]
fn a_model_that_goes_while_it_is_used_costs_the_songs_that_were_begun_and_no_other() {
    let gone = ModelId(1);
    for dies in [false, true] {
        let machine = Machine { clips_per_song: 20, ..Machine::default() };
        let mut world = World::with_one_reader_of(gone, machine);
        world.add([0, 1]);
        while world.clips.get(&SongId(0)).is_none_or(|clips| clips.len() < 3) {
            let other = world.inbox.iter().position(|(_, request, _)| !reads(gone)(request));
            world.answer(other.expect("the song does not go on"));
        }
        // One clip is at the worker, and others wait behind it.
        world.answer_all(|request| matches!(request, Request::Pull { .. }));
        let worker = world.classifies();
        world.answer_all(reads(gone));
        assert_eq!(world.instead(), [Some(ModelId(0))]);
        assert_eq!(world.ended, [(SongId(0), Err(SongProblem::ModelRefused))].into());
        if dies {
            world.kill(worker);
        }
        world.add([2]);
        world.run();
        assert_eq!(world.clips[&SongId(0)].len(), 3);
        (1..3).for_each(|song| world.assert_whole(song));
    }
}

#[test]
fn a_microphone_is_heard_on_without_its_model_only_where_another_has_such_clips() {
    let (gone, song) = (ModelId(1), SongId(0));
    for other_rate in [None, Some(gone)] {
        let machine = Machine { other_rate, ..Machine::default() };
        let mut world = World::with_one_reader_of(gone, machine);
        world.event(Event::Listen { song, sample_rate: 48_000, port: 0 });
        // One clip is at the worker, and the last waits behind it.
        world.answer_all(|request| matches!(request, Request::Start { .. } | Request::Listen { .. }));
        let worker = world.classifies();
        world.answer_all(reads(gone));
        assert_eq!(world.instead(), [Some(ModelId(0))]);
        world.kill(worker);
        world.run();
        if let Some(&microphone) = world.of_role(Role::Microphone).first() {
            let clip = Reply::Clip { song, clip: 9, end_seconds: 9.0, progress: None };
            world.reply(microphone, clip, vec![1]);
            world.run();
        }
        if other_rate.is_none() {
            assert!(world.recordings(song).is_empty());
            world.event(Event::StopListening { song });
            world.run();
        }
        let heard = world.clips.get(&song).cloned().unwrap_or_default();
        assert_eq!(heard, if other_rate.is_none() { vec![9] } else { vec![] });
        assert_eq!(world.recordings(song), [Some(1)]);
        assert!(world.of_role(Role::Microphone).is_empty());
        world.add([1]);
        world.run();
        world.assert_whole(1);
        assert!(!world.ended.contains_key(&song), "{:?}", world.ended);
    }
}

#[test]
fn a_song_keeps_the_model_that_was_chosen_when_it_came() {
    let mut world = World::new(Machine::default());
    world.add([0]);
    // Another is chosen before the first has been read.
    world.event(Event::SetModel { model: ModelId(1), file: 0 });
    world.add([1]);
    world.event(Event::SetModel { model: ModelId(0), file: 0 });
    world.run();
    (0..2).for_each(|song| world.assert_whole(song));
    let heard_by: BTreeSet<_> = world
        .updates
        .iter()
        .filter_map(|update| match update {
            Update::Clip { song, model, .. } => Some((*song, *model)),
            _ => None,
        })
        .collect();
    assert_eq!(heard_by, [(SongId(0), ModelId(0)), (SongId(1), ModelId(1))].into());
}

#[test]
fn a_cancelled_song_is_silent() {
    let mut world = World::new(Machine::default());
    world.run();
    world.add([0, 1]);
    while world.clips.get(&SongId(0)).is_none_or(|clips| clips.len() < 2) {
        world.answer(0);
    }
    let heard = world.clips[&SongId(0)].len();
    world.event(Event::Cancel { song: SongId(0) });
    world.run();
    assert_eq!(world.clips[&SongId(0)].len(), heard);
    assert!(!world.ended.contains_key(&SongId(0)));
    world.assert_whole(1);
    world.add(2..200);
    world.event(Event::CancelAll);
    world.run();
    assert!(!world.ended.contains_key(&SongId(2)));
}

#[test]
fn what_only_the_browser_decodes_waits_for_it() {
    let mut world = World::new(Machine::default());
    world.run();
    world.add([0, 1]);
    let decoder = world.of_role(Role::Decoder)[0];
    world.inbox.clear();
    world.event(Event::Reply {
        worker: decoder,
        reply: Reply::NeedsBrowser { song: SongId(0), info: SongInfo::default() },
        attachments: vec![],
    });
    world.run();
    assert!(world.ended.is_empty());
    world.event(Event::NoSamples { song: SongId(0), problem: SongProblem::Codec { codec: "opus".into() } });
    world.run();
    assert!(matches!(world.ended[&SongId(0)], Err(SongProblem::Codec { .. })));
    world.assert_whole(1);
}

#[test]
fn what_the_browser_decoded_is_gone_on_with_where_a_decoder_died() {
    let mut world = World::new(Machine { browser_decodes: true, ..Machine::default() });
    world.run();
    world.add([0]);
    world.run();
    let samples = || Event::Samples { song: SongId(0), sample_rate: 48_000, channels: vec![5, 6] };
    world.event(samples());
    while world.clips.get(&SongId(0)).is_none_or(|clips| clips.len() < 3) {
        world.answer(0);
    }
    let decoder = world.of_role(Role::Decoder)[0];
    world.kill(decoder);
    world.run();
    assert!(world.ended.is_empty(), "{:?}", world.ended);
    world.event(samples());
    world.run();
    world.assert_whole(0);
}

#[test]
fn a_microphone_and_a_transcoding_have_workers_of_their_own() {
    let mut world = World::new(Machine::default());
    world.run();
    world.add([0]);
    world.event(Event::Listen { song: SongId(1), sample_rate: 48_000, port: 0 });
    world.event(Event::Transcode { song: SongId(0), file: 0 });
    world.run();
    world.assert_whole(0);
    assert!(!world.clips[&SongId(1)].is_empty());
    world.event(Event::StopListening { song: SongId(1) });
    world.run();
    let recordings = world.updates.iter().filter(|update| matches!(update, Update::Recording { .. }));
    assert_eq!(recordings.count(), 2);
    assert!(world.of_role(Role::Microphone).is_empty());
    assert_eq!(world.of_role(Role::Decoder).len(), 1);
}

impl World {
    /// Lets seconds pass in which no worker says anything.
    fn be_silent(&mut self, seconds: u32) {
        for _ in 0..4 * seconds {
            self.now += 250.0;
            self.event(Event::Tick);
        }
    }
}

#[test]
fn a_microphone_may_be_silent_but_its_recording_may_not() {
    let mut world = World::new(Machine::default());
    world.run();
    let song = SongId(0);
    world.event(Event::Listen { song, sample_rate: 48_000, port: 0 });
    world.run();
    world.be_silent(200);
    assert_eq!(world.of_role(Role::Microphone).len(), 1);
    assert!(!world.ended.contains_key(&song));
    world.event(Event::StopListening { song });
    world.inbox.clear();
    world.be_silent(30);
    assert!(world.of_role(Role::Microphone).is_empty());
    assert!(matches!(world.ended[&song], Err(SongProblem::Engine { .. })));
}

impl World {
    /// Kills the workers that classify until no more are started.
    fn kill_classifiers(&mut self) {
        for _ in 0..100 {
            match self.of_role(Role::Cpu).first() {
                Some(&worker) => self.kill(worker),
                None => return,
            }
        }
        panic!("they are started again and again");
    }

    /// A world that hears a microphone, as that song.
    fn listening(song: SongId) -> Self {
        let mut world = Self::new(Machine::default());
        world.run();
        world.event(Event::Listen { song, sample_rate: 48_000, port: 0 });
        world.run();
        world
    }

    /// The recordings that came of a song.
    fn recordings(&self, song: SongId) -> Vec<Option<Thing>> {
        let recording = |update: &Update<Thing>| match update {
            Update::Recording { song: its, file, .. } if *its == song => Some(*file),
            _ => None,
        };
        self.updates.iter().filter_map(recording).collect()
    }
}

#[test]
fn what_a_microphone_has_heard_is_kept_where_the_engine_is_given_up() {
    let song = SongId(0);
    let mut world = World::listening(song);
    world.add([1]);
    world.kill_classifiers();
    assert!(world.pool.status().problem.is_some());
    assert!(matches!(world.ended[&SongId(1)], Err(SongProblem::Engine { .. })));
    // The person may switch it off just then, too.
    world.event(Event::StopListening { song });
    let stops = world.inbox.iter().filter(|(_, request, _)| *request == Request::StopListening { song });
    assert_eq!(stops.count(), 1);
    // The page puts the recording on its list, where nobody hears it.
    world.add([2]);
    world.run();
    assert_eq!(world.recordings(song), [Some(1)]);
    assert!(!world.ended.contains_key(&song), "{:?}", world.ended);
    assert!(matches!(world.ended[&SongId(2)], Err(SongProblem::Engine { .. })));
    assert!(world.alive.is_empty(), "{:?}", world.alive);
}

#[test]
fn where_the_engine_is_given_up_a_recording_that_does_not_come_is_not_waited_for() {
    let song = SongId(0);
    let mut world = World::listening(song);
    world.kill_classifiers();
    assert_eq!(world.of_role(Role::Microphone).len(), 1);
    world.inbox.clear();
    world.be_silent(30);
    assert!(matches!(world.ended[&song], Err(SongProblem::Engine { .. })));
    assert!(world.alive.is_empty(), "{:?}", world.alive);

    // One that has heard nothing yet has nothing to hand over.
    let mut world = World::new(Machine::default());
    world.run();
    world.event(Event::Listen { song, sample_rate: 48_000, port: 0 });
    world.kill_classifiers();
    assert!(matches!(world.ended[&song], Err(SongProblem::Engine { .. })));
    assert!(world.alive.is_empty(), "{:?}", world.alive);
}

#[test]
fn a_live_clip_that_kills_whoever_hears_it_is_lost_alone() {
    let song = SongId(0);
    let mut world = World::listening(song);
    let microphone = world.of_role(Role::Microphone)[0];
    let clip = Reply::Clip { song, clip: 9, end_seconds: 9.0, progress: None };
    world.reply(microphone, clip, vec![1]);
    for _ in 0..3 {
        let has_it = |world: &World| {
            let classify = |request: &Request| matches!(request, Request::Classify { .. });
            world.inbox.iter().find(|(_, request, _)| classify(request)).map(|(worker, ..)| *worker)
        };
        while has_it(&world).is_none() {
            assert!(!world.inbox.is_empty(), "nobody hears it");
            world.answer(0);
        }
        let worker = has_it(&world).unwrap();
        world.kill(worker);
    }
    world.run();
    assert_eq!(world.pool.status().problem, None);
    assert!(!world.ended.contains_key(&song), "{:?}", world.ended);
    assert!(!world.clips[&song].contains(&9));
    world.event(Event::StopListening { song });
    world.run();
    assert_eq!(world.recordings(song), [Some(1)]);
}

/// What a microphone that was switched on under `before` hears with, where `after` is
/// chosen before its worker has started.
fn live_models(before: Option<ModelId>, after: ModelId) -> BTreeSet<ModelId> {
    let mut world = World::new(Machine { refuse_models: true, ..Machine::default() });
    world.run();
    world.machine.refuse_models = false;
    if let Some(model) = before {
        world.event(Event::SetModel { model, file: 0 });
    }
    world.event(Event::Listen { song: SongId(0), sample_rate: 48_000, port: 0 });
    world.event(Event::SetModel { model: after, file: 0 });
    world.run();
    let heard = world.updates.iter().filter_map(|update| match update {
        Update::Clip { model, .. } => Some(*model),
        _ => None,
    });
    heard.collect()
}

#[test]
fn a_microphone_is_heard_by_the_model_it_was_switched_on_under() {
    assert_eq!(live_models(Some(ModelId(1)), ModelId(2)), [ModelId(1)].into());
    assert_eq!(live_models(None, ModelId(2)), [ModelId(2)].into());
}

#[test]
fn a_transcoding_that_takes_a_minute_is_not_broken_off() {
    let mut world = World::new(Machine::default());
    world.run();
    world.event(Event::Transcode { song: SongId(0), file: 0 });
    world.answer(0);
    world.be_silent(60);
    assert_eq!(world.of_role(Role::Decoder).len(), 2);
    world.run();
    let made = |update: &Update<Thing>| matches!(update, Update::Recording { file: Some(_), .. });
    assert!(world.updates.iter().any(made));
}

#[test]
fn a_song_is_transcoded_in_place_of_the_one_before_it() {
    let mut world = World::new(Machine::default());
    world.run();
    for song in 0..5 {
        world.event(Event::Transcode { song: SongId(song), file: song });
        // It begins.
        world.answer(0);
    }
    // The last is being made already.
    world.event(Event::Transcode { song: SongId(4), file: 4 });
    assert_eq!(world.of_role(Role::Decoder).len(), 2);
    assert!((0..4).all(|song| world.recordings(SongId(song)) == [None]), "{:?}", world.updates);
    world.run();
    assert_eq!(world.recordings(SongId(4)), [Some(1)]);
    assert_eq!(world.of_role(Role::Decoder).len(), 1);
    // What has been made stands in nobody's way.
    world.event(Event::Transcode { song: SongId(4), file: 4 });
    world.run();
    assert_eq!(world.recordings(SongId(4)), [Some(1); 2]);
}

#[test]
fn whatever_dies_whenever_every_song_ends_once_and_whole() {
    for seed in 0..300 {
        let mut random = Lcg(seed);
        let gpu = if random.below(2) == 0 { Ok(100.0) } else { Err(EngineProblem::NoAdapter) };
        let clips_per_song = 1 + random.below(9);
        let mut world = World::new(Machine { gpu, clips_per_song, ..Machine::default() });
        let (mut added, mut deaths, mut asked) = (0, 0, 0);
        let mut dismissed = BTreeSet::new();
        for _ in 0..400 {
            match random.below(40) {
                0 if added < 8 => {
                    world.add([added]);
                    added += 1;
                }
                1 if deaths < 3 => {
                    let workers: Vec<_> = world.alive.keys().copied().collect();
                    world.kill(workers[random.below(workers.len())]);
                    deaths += 1;
                }
                2 => {
                    let choice = [Choice::Auto, Choice::Cpu, Choice::Gpu][random.below(3)];
                    world.event(Event::Choose(choice));
                }
                3 => world.event(Event::SetModel { model: ModelId(random.below(3) as u32), file: 0 }),
                4 if asked < 8 => {
                    let source = if random.below(2) == 0 { SAMPLES } else { clip_of_file(0) };
                    match random.below(2) {
                        0 => world.inspect(asked, source),
                        _ => world.explain(asked, random.below(10), source),
                    }
                    asked += 1;
                }
                5 if asked > 0 => {
                    let query = QueryId(random.below(asked as usize) as u32);
                    world.event(Event::Dismiss { query });
                    dismissed.insert(query);
                }
                _ => {
                    let place = random.below(world.inbox.len() + world.seeking.len().max(1));
                    world.answer(place);
                }
            }
        }
        world.run();
        for song in 0..added {
            match &world.ended.get(&SongId(song)) {
                Some(Ok(())) => world.assert_whole(song),
                // Two of the deaths hit the decoder while it had this song.
                Some(Err(SongProblem::Engine { .. })) => assert!(deaths >= 2, "seed {seed}"),
                other => panic!("seed {seed}: song {song} ended as {other:?}"),
            }
        }
        for query in (0..asked).map(QueryId).filter(|query| !dismissed.contains(query)) {
            let answered = world.settled.get(&query).expect("a question that nobody settles");
            assert!(*answered || deaths > 0, "seed {seed}: {query:?} has no answer");
        }
        assert_eq!(world.of_role(Role::Decoder).len(), 1, "seed {seed}: a decoder was left over");
    }
}

#[test]
fn a_clip_of_a_file_is_cut_beside_the_song_that_is_read() {
    let mut world = World::new(Machine::default());
    world.run();
    world.add([0]);
    world.answer(0);
    world.inspect(0, clip_of_file(2));
    world.event(Event::Inspect {
        query: QueryId(1),
        model: Some(ModelId(0)),
        frame: Some(50),
        source: clip_of_file(6),
    });
    world.run();
    world.assert_whole(0);
    assert_eq!([world.shares(0), world.shares(1)], [[1.0], [1.0]]);
    let cut = world.updates.iter().filter(|update| matches!(update, Update::Cut { samples: 1, .. }));
    assert_eq!(cut.count(), 2);
    assert!(world.updates.iter().any(|update| matches!(
        update,
        Update::Inspected { query: QueryId(1), frame: 50, values, model: ModelId(0), .. } if values.len() == 3
    )));
    assert_eq!(world.of_role(Role::Decoder).len(), 1);
}

#[test]
fn an_explanation_is_coarse_first_and_then_whole() {
    let mut world = World::new(Machine::default());
    world.run();
    world.explain(0, 3, SAMPLES);
    world.run();
    let shares = world.shares(0);
    assert!(shares.len() > 3 && shares.is_sorted(), "{shares:?}");
    assert!(shares[0] < 0.5 && shares.last() == Some(&1.0), "{shares:?}");
    assert_eq!(world.pieces.iter().map(|(_, runs)| runs).sum::<usize>(), 1 + PATCHES);
    assert!(world.pieces.iter().all(|(_, runs)| *runs <= 4), "{:?}", world.pieces);
    let workers: BTreeSet<_> = world.pieces.iter().map(|(worker, _)| worker).collect();
    assert_eq!(workers.len(), 2, "both processors take part");
    let last = world.updates.iter().rfind(|update| matches!(update, Update::Explained { .. }));
    let Some(Update::Explained { map, log_odds, .. }) = last else { panic!("{last:?}") };
    assert_eq!((map, log_odds), (&vec![2.0; CELLS * CELLS], &Some(5.0)));
}

#[test]
fn silence_needs_no_explanation() {
    let mut world = World::new(Machine::default());
    world.run();
    world.explain(0, SILENT, SAMPLES);
    world.run();
    assert_eq!(world.shares(0), [1.0]);
    let silent = |update: &Update<Thing>| matches!(update, Update::Explained { map, log_odds: None, .. } if map.is_empty());
    assert!(world.updates.iter().any(silent));
}

#[test]
fn questions_take_turns_with_songs_and_leave_them_half_the_processors() {
    let mut world = World::new(Machine { clips_per_song: 200, ..Machine::default() });
    world.run();
    world.add([0]);
    while world.clips.get(&SongId(0)).is_none_or(|clips| clips.len() < 4) {
        world.answer(0);
    }
    world.explain(0, 3, SAMPLES);
    while world.settled.is_empty() {
        world.answer(0);
    }
    let clips = world.clips[&SongId(0)].len();
    assert!(clips >= PATCHES, "only {clips} clips were heard meanwhile");
    assert!(world.pieces.iter().all(|(_, runs)| *runs == 1), "{:?}", world.pieces);
    world.run();
    world.assert_whole(0);
}

#[test]
fn questions_go_to_the_processor_where_the_gpu_has_the_songs() {
    let mut world = World::new(Machine { gpu: Ok(100.0), ..Machine::default() });
    world.run();
    world.add([0]);
    world.explain(0, 3, SAMPLES);
    world.run();
    world.assert_whole(0);
    assert!(world.devices.iter().all(|device| *device == Role::Gpu));
    assert!(world.settled[&QueryId(0)]);
    assert!(world.pieces.iter().any(|(_, runs)| *runs == 4), "nobody waits for the processors");
}

#[test]
fn a_question_of_a_worker_that_died_has_no_answer_and_the_song_goes_on() {
    let mut world = World::new(Machine::default());
    world.run();
    world.explain(0, 3, SAMPLES);
    world.inspect(1, SAMPLES);
    world.add([0]);
    let (worker, ..) =
        world.inbox.iter().find(|(_, request, _)| matches!(request, Request::Explain { .. })).unwrap();
    world.kill(*worker);
    assert_eq!(world.settled.get(&QueryId(0)), Some(&false));
    world.run();
    assert!(world.shares(0).is_empty(), "what the other worker still said of it is not told");
    assert_eq!(world.shares(1), [1.0]);
    world.assert_whole(0);
    world.explain(2, 3, SAMPLES);
    world.run();
    assert!(world.settled[&QueryId(2)], "it can be asked again");
}

#[test]
fn a_decoder_that_dies_over_a_question_leaves_the_song_alone() {
    let mut world = World::new(Machine::default());
    world.run();
    world.add([0]);
    world.inspect(0, clip_of_file(1));
    let decoders = world.of_role(Role::Decoder);
    assert_eq!(decoders.len(), 2);
    world.kill(decoders[1]);
    assert_eq!(world.settled.get(&QueryId(0)), Some(&false));
    world.run();
    world.assert_whole(0);
}

#[test]
fn a_worker_that_cannot_answer_stays() {
    let mut world = World::new(Machine::default());
    world.run();
    world.inspect(0, SAMPLES);
    let (worker, request, _) = world.inbox.pop_front().unwrap();
    let Request::Inspect { ticket, .. } = request else { panic!("{request:?}") };
    world.reply(worker, Reply::Failed { ticket, reason: "3 values were given".into() }, vec![]);
    assert_eq!(world.settled.get(&QueryId(0)), Some(&false));
    assert!(world.alive.contains_key(&worker));
    world.add([0]);
    world.run();
    world.assert_whole(0);
}

/// A file of a person's own may be finite on the hum that it is tried with, and on no song.
#[test]
fn a_model_that_no_clip_can_be_put_through_costs_its_songs_and_nothing_else() {
    let broken = ModelId(1);
    let mut world = World::new(Machine { broken: Some(broken), ..Machine::default() });
    world.run();
    let started = world.started.len();
    world.event(Event::SetModel { model: broken, file: 0 });
    world.run();
    world.event(Event::Listen { song: SongId(20), sample_rate: 48_000, port: 0 });
    world.add(0..10);
    world.run();
    for song in 0..10 {
        let problem = SongProblem::Engine { detail: "not finite".into() };
        assert_eq!(world.ended.get(&SongId(song)), Some(&Err(problem)), "song {song}");
    }
    world.event(Event::SetModel { model: ModelId(0), file: 0 });
    world.add([10]);
    world.run();
    world.assert_whole(10);
    // What was heard live meanwhile is kept.
    world.event(Event::StopListening { song: SongId(20) });
    world.run();
    assert!(world.updates.iter().any(|update| matches!(update, Update::Recording { .. })));
    assert_eq!(world.started.len(), started + 1, "a microphone is all that was started");
}

#[test]
fn an_answer_to_another_question_is_none() {
    let mut world = World::new(Machine::default());
    world.run();
    world.explain(0, 3, SAMPLES);
    let (worker, request, _) = world.inbox.pop_front().unwrap();
    let Request::Explain { ticket, .. } = request else { panic!("{request:?}") };
    world.reply(worker, Reply::Explained { ticket, log_odds: vec![1.0; 40] }, vec![]);
    assert_eq!(world.settled.get(&QueryId(0)), Some(&false));
    world.run();
    assert_eq!(world.settled.len(), 1);
}

#[test]
fn a_dismissed_question_is_silent_and_costs_nothing_more() {
    let mut world = World::new(Machine::default());
    world.run();
    world.explain(0, 3, SAMPLES);
    for _ in 0..10 {
        world.answer(0);
    }
    let told = world.shares(0).len();
    assert!(told > 0 && !world.settled.contains_key(&QueryId(0)));
    world.event(Event::Dismiss { query: QueryId(0) });
    let pieces = world.pieces.len();
    world.run();
    assert_eq!(world.shares(0).len(), told);
    assert!(world.pieces.len() <= pieces + 2, "only what was under way is finished");

    world.inspect(1, clip_of_file(1));
    assert_eq!(world.of_role(Role::Decoder).len(), 2);
    world.event(Event::Dismiss { query: QueryId(1) });
    assert_eq!(world.of_role(Role::Decoder).len(), 1);
    world.event(Event::Dismiss { query: QueryId(99) });
    world.run();
    assert!(world.settled.is_empty());
}

#[test]
fn a_clip_of_what_only_the_browser_decodes_is_cut_from_what_it_made() {
    let mut world = World::new(Machine { browser_decodes: true, ..Machine::default() });
    world.run();
    for query in 0..3 {
        world.inspect(query, clip_of_file(5));
        world.run();
        assert!(matches!(
            world.updates.last(),
            Some(Update::QueryNeedsBrowser { query: QueryId(its), file: 3, .. }) if *its == query
        ));
        assert_eq!(world.of_role(Role::Decoder).len(), 2);
        let query = QueryId(query);
        match query.0 {
            0 => {
                world.event(Event::SamplesFor { query, decoded: Ok((48_000, vec![5, 6])) });
                let (_, request, channels) = world.inbox.back().unwrap();
                assert!(matches!(request, Request::OpenSamples { first_clip: 5, sample_rate: 48_000, .. }));
                assert_eq!(*channels, 2);
            }
            1 => {
                let problem = SongProblem::Codec { codec: "opus".into() };
                world.event(Event::SamplesFor { query, decoded: Err(problem) });
            }
            _ => {
                world.event(Event::Dismiss { query });
                world.event(Event::SamplesFor { query, decoded: Ok((48_000, vec![5, 6])) });
            }
        }
        world.run();
        assert_eq!(world.of_role(Role::Decoder).len(), 1);
    }
    assert_eq!(world.shares(0), [1.0]);
    assert_eq!(world.settled, [(QueryId(0), true), (QueryId(1), false)].into());
    assert!(world.updates.iter().any(|update| matches!(
        update,
        Update::Unanswered { query: QueryId(1), problem: SongProblem::Codec { .. } }
    )));
}

/// It decodes one file at a time, and may take minutes over each.
#[test]
fn a_question_waits_for_the_browser_as_long_as_that_takes() {
    let mut world = World::new(Machine { browser_decodes: true, ..Machine::default() });
    world.run();
    let decoded = || Ok((48_000, vec![5, 6]));
    for query in 0..2 {
        world.inspect(query, clip_of_file(5));
        world.run();
        world.be_silent(700);
        assert!(!world.settled.contains_key(&QueryId(query)));
        world.event(Event::SamplesFor { query: QueryId(query), decoded: decoded() });
        if query == 0 {
            world.run();
            assert_eq!(world.shares(0), [1.0]);
        }
    }
    // Whoever has what the browser made is waited for no longer than anyone.
    world.inbox.clear();
    world.be_silent(130);
    assert_eq!(world.settled.get(&QueryId(1)), Some(&false));
    assert_eq!(world.of_role(Role::Decoder).len(), 1);
}

#[test]
fn a_clip_that_the_song_does_not_have_has_no_answer() {
    let mut world = World::new(Machine::default());
    world.run();
    world.inspect(0, clip_of_file(1000));
    world.run();
    assert!(world.updates.iter().any(|update| matches!(
        update,
        Update::Unanswered { query: QueryId(0), problem: SongProblem::Engine { .. } }
    )));
    assert_eq!(world.of_role(Role::Decoder).len(), 1);
}

#[test]
fn a_question_waits_for_a_model() {
    let mut world = World::new(Machine::default());
    world.inspect(0, clip_of_file(1));
    world.run();
    assert_eq!(world.shares(0), [1.0]);

    let mut world = World::new(Machine { refuse_models: true, ..Machine::default() });
    world.inspect(0, SAMPLES);
    world.run();
    assert!(world.settled.is_empty());
    world.machine.refuse_models = false;
    world.event(Event::SetModel { model: ModelId(1), file: 0 });
    world.run();
    assert_eq!(world.shares(0), [1.0]);
}

#[test]
fn a_question_about_another_model_waits_for_the_songs() {
    let mut world = World::new(Machine::default());
    world.run();
    world.event(Event::SetModel { model: ModelId(1), file: 0 });
    world.run();
    world.add([0]);
    world.event(Event::Inspect { query: QueryId(0), model: Some(ModelId(0)), frame: None, source: SAMPLES });
    world.event(Event::Inspect { query: QueryId(1), model: Some(ModelId(5)), frame: None, source: SAMPLES });
    while !world.ended.contains_key(&SongId(0)) {
        assert!(!world.settled.contains_key(&QueryId(0)), "the song's model was taken away");
        world.answer(0);
    }
    world.run();
    world.assert_whole(0);
    let by = |query: u32| {
        world.updates.iter().find_map(|update| match update {
            Update::Inspected { query: its, model, .. } if its.0 == query => Some(*model),
            _ => None,
        })
    };
    assert_eq!([by(0), by(1)], [Some(ModelId(0)), Some(ModelId(1))]);
    // And the songs to come have theirs.
    world.add([1]);
    world.run();
    world.assert_whole(1);
}

/// The number of its genre means another to any other.
#[test]
fn of_a_genre_speaks_only_the_model_whose_genre_it_is() {
    let explain = |world: &mut World, query: u32, model: u32| {
        let (query, model) = (QueryId(query), Some(ModelId(model)));
        world.event(Event::Explain { query, model, class: 3, source: SAMPLES });
    };
    // Its model may be on its way.
    let mut world = World::new(Machine::default());
    explain(&mut world, 0, 0);
    world.run();
    assert_eq!(world.settled, [(QueryId(0), true)].into());
    // One that the pool has never heard of.
    explain(&mut world, 1, 5);
    world.run();
    // One that is refused when it is read.
    world.event(Event::SetModel { model: ModelId(666), file: 0 });
    explain(&mut world, 2, 666);
    assert!(!world.settled.contains_key(&QueryId(2)));
    world.run();
    assert_eq!(world.settled, [(QueryId(0), true), (QueryId(1), false), (QueryId(2), false)].into());
    assert!(world.shares(1).is_empty() && world.shares(2).is_empty());
    // One that is there, though another was chosen.
    world.event(Event::SetModel { model: ModelId(1), file: 0 });
    world.run();
    explain(&mut world, 3, 0);
    world.run();
    assert_eq!(world.settled.get(&QueryId(3)), Some(&true));
}

#[test]
fn without_an_engine_no_question_has_an_answer() {
    let mut world = World::new(Machine { protocol: PROTOCOL_VERSION + 1, ..Machine::default() });
    world.inspect(0, clip_of_file(0));
    world.explain(1, 2, SAMPLES);
    world.run();
    world.inspect(2, SAMPLES);
    assert_eq!(world.settled.values().collect::<Vec<_>>(), [&false; 3]);
}

fn lesson(classes: &[&str]) -> Lesson {
    let class = |class| Recording { class, clips: 1 };
    Lesson {
        name: "ours".into(),
        classes: classes.iter().map(|&name| name.to_owned()).collect(),
        recordings: (0..classes.len()).map(class).collect(),
        date: "2026-11-23".into(),
    }
}

impl World {
    fn study(&mut self, song: u32, model: ModelId, clips: usize) {
        self.event(Event::Study { song: SongId(song), model, file: song, clips });
    }

    fn teach(&mut self, classes: &[&str]) {
        self.event(Event::Teach { model: ModelId(0), lesson: lesson(classes), features: 4 });
    }

    /// What came of lessons, oldest first.
    fn learnt(&self) -> Vec<Result<Thing, LessonProblem>> {
        let learnt = |update: &Update<Thing>| match update {
            Update::Taught { file, .. } => Some(Ok(*file)),
            Update::NotTaught { problem } => Some(Err(problem.clone())),
            _ => None,
        };
        self.updates.iter().filter_map(learnt).collect()
    }
}

#[test]
fn a_file_is_studied_only_as_far_as_it_is_wanted() {
    let mut world = World::new(Machine { clips_per_song: 100, ..Machine::default() });
    world.study(0, ModelId(0), 5);
    world.study(1, ModelId(0), 500);
    world.add([2]);
    world.run();
    assert_eq!(world.clips[&SongId(0)].len(), 5);
    assert_eq!(world.ended[&SongId(0)], Ok(()));
    (1..3).for_each(|song| world.assert_whole(song));
}

#[test]
fn what_is_studied_does_not_wait_for_songs() {
    let mut world = World::new(Machine::default());
    world.run();
    world.add(0..20);
    (20..23).for_each(|song| world.study(song, ModelId(0), 3));
    world.run();
    let done = |update: &Update<Thing>| match update {
        Update::Done { song, .. } => Some(song.0),
        _ => None,
    };
    let order: Vec<u32> = world.updates.iter().filter_map(done).collect();
    let place = |song: u32| order.iter().position(|done| *done == song).unwrap();
    assert!((20..23).is_sorted_by_key(place), "{order:?}");
    assert!(place(22) < place(1), "{order:?}");
}

#[test]
fn what_is_studied_does_not_wait_for_the_end_of_a_mix() {
    let mut world = World::new(Machine { clips_per_song: 100, ..Machine::default() });
    world.run();
    world.add([0]);
    for _ in 0..40 {
        world.answer(0);
    }
    assert!((1..90).contains(&world.clips[&SongId(0)].len()));
    (1..3).for_each(|song| world.study(song, ModelId(0), 3));
    // Of a model that never comes: it holds nobody up.
    world.study(3, ModelId(7), 3);
    for _ in 0..20 {
        world.answer(0);
    }
    // Meanwhile another, before the mix has gone on by a clip.
    world.study(4, ModelId(0), 3);
    world.run();
    let done = |update: &Update<Thing>| match update {
        Update::Done { song, .. } => Some(song.0),
        _ => None,
    };
    let ended: Vec<u32> = world.updates.iter().filter_map(done).collect();
    assert_eq!((ended.len(), &ended[..2], ended.last()), (4, &[1, 2][..], Some(&0)), "{ended:?}");
    world.assert_whole(0);
}

#[test]
fn a_lesson_keeps_its_model_when_another_is_chosen() {
    let mut world = World::new(Machine::default());
    world.run();
    world.event(Event::SetModel { model: ModelId(1), file: 1 });
    world.run();
    world.study(0, ModelId(0), 4);
    world.add([1]);
    world.run();
    assert_eq!(world.studied_by, vec![ModelId(0); 4]);
    world.assert_whole(1);
}

#[test]
fn a_lesson_is_learnt_beside_the_songs() {
    let mut world = World::new(Machine::default());
    world.run();
    world.add(0..5);
    world.teach(&["flute", "harp"]);
    world.teach(&["flute", "flute"]);
    world.run();
    // The second came in place of the first.
    assert_eq!(world.learnt(), [Err(LessonProblem::Doubled { name: "flute".into() })]);
    world.teach(&["flute", "harp"]);
    world.run();
    assert_eq!(world.learnt().last(), Some(&Ok(3)));
    (0..5).for_each(|song| world.assert_whole(song));
}

#[test]
fn a_lesson_survives_the_worker_that_learns_it() {
    for (deaths, learnt) in [(1, true), (2, true), (3, false)] {
        let mut world = World::new(Machine::default());
        world.run();
        world.add([0]);
        world.teach(&["flute", "harp"]);
        for _ in 0..deaths {
            for _ in 0..1000 {
                let teach = |request: &Request| matches!(request, Request::Teach { .. });
                if let Some((worker, ..)) = world.inbox.iter().find(|(_, request, _)| teach(request)) {
                    let worker = *worker;
                    world.kill(worker);
                    break;
                }
                world.answer(0);
            }
        }
        world.run();
        assert_eq!(world.learnt().first().is_some_and(Result::is_ok), learnt, "after {deaths} deaths");
        world.assert_whole(0);
    }
}

#[test]
fn a_lesson_that_is_called_off_leaves_its_worker_to_the_songs() {
    let mut world = World::new(Machine::default());
    world.run();
    world.teach(&["flute", "harp"]);
    let learns =
        |world: &World| world.inbox.iter().any(|(_, request, _)| matches!(request, Request::Teach { .. }));
    assert!(learns(&world));
    world.event(Event::Unteach);
    assert!(!learns(&world), "its worker goes on");
    world.add([0]);
    world.run();
    world.assert_whole(0);
    assert_eq!(world.learnt(), []);
    world.event(Event::Unteach);
    world.teach(&["flute", "harp"]);
    world.run();
    assert_eq!(world.learnt(), [Ok(3)]);
}

#[test]
fn what_waits_for_a_model_that_does_not_come_holds_nobody_up() {
    let mut world = World::new(Machine::default());
    world.run();
    world.study(0, ModelId(7), 3);
    world.add([1]);
    world.run();
    world.assert_whole(1);
    assert!(!world.ended.contains_key(&SongId(0)));
    world.event(Event::SetModel { model: ModelId(7), file: 7 });
    world.run();
    assert_eq!(world.ended.get(&SongId(0)), Some(&Ok(())));
}

#[test]
fn stopping_the_songs_stops_neither_a_lesson_nor_a_recording() {
    let mut world = World::new(Machine::default());
    world.run();
    world.add(0..5);
    world.study(5, ModelId(0), 3);
    world.event(Event::Listen { song: SongId(6), sample_rate: 48_000, port: 0 });
    world.event(Event::CancelAll);
    world.run();
    assert_eq!(world.ended.get(&SongId(5)), Some(&Ok(())));
    assert!((0..5).all(|song| !world.ended.contains_key(&SongId(song))));
    assert_eq!(world.of_role(Role::Microphone).len(), 1);
}

#[test]
fn without_an_engine_whatever_is_asked_for_later_is_refused() {
    let mut world = World::new(Machine { protocol: PROTOCOL_VERSION + 1, ..Machine::default() });
    world.run();
    world.add([0]);
    world.study(1, ModelId(0), 3);
    world.teach(&["flute", "drum"]);
    world.run();
    for song in 0..2 {
        assert!(matches!(world.ended[&SongId(song)], Err(SongProblem::Engine { .. })), "{song}");
    }
    assert!(matches!(world.learnt()[..], [Err(LessonProblem::Engine { .. })]));
}
