//! Who works: workers that are started, that die or say nothing, and what becomes of
//! what they had.

use super::{
    Action, Choice, Errand, GpuStatus, MAX_ATTEMPTS, Phase, Pool, Reading, SILENCE, SILENCE_AT_START, Worker,
    WorkerId,
};
use crate::{
    engine::protocol::{EngineProblem, ModelId, PROTOCOL_VERSION, Request, Role, SongId, SongProblem},
    network::problem::ModelProblem,
    teaching::lesson::LessonProblem,
};

/// Times a worker is started afresh before its role is given up.
const MAX_RESTARTS: u32 = 3;

/// Workers that may die of one model's file before it is refused.
const MAX_DEATHS_OF_MODEL: u32 = 2;

impl<P: Clone> Pool<P> {
    pub(super) fn spawn(&mut self, role: Role) -> WorkerId {
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

    pub(super) fn terminate(&mut self, worker: WorkerId) {
        if self.workers.remove(&worker).is_some() {
            self.actions.push(Action::Terminate { worker });
        }
    }

    pub(super) fn of_role(&self, role: Role) -> Vec<WorkerId> {
        let of_role =
            self.workers.iter().filter(|(id, worker)| worker.role == role && !self.errands.contains_key(id));
        of_role.map(|(id, _)| *id).collect()
    }

    pub(super) fn deaths(&mut self, role: Role) -> &mut u32 {
        &mut self.deaths[match role {
            Role::Cpu => 0,
            Role::Gpu => 1,
            Role::Decoder | Role::Microphone => 2,
        }]
    }

    /// Starts what shall run and does not, ends what runs and shall not.
    pub(super) fn staff(&mut self) {
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
    pub(super) fn gpu_found(&mut self, software: bool, found: Result<(), EngineProblem>) {
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

    pub(super) fn choose(&mut self, choice: Choice) {
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
    pub(super) fn bury(&mut self, worker: WorkerId, problem: EngineProblem) {
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

    /// There is no engine any more. What a microphone has heard until now is kept all the same.
    pub(super) fn give_up(&mut self, problem: EngineProblem) {
        self.problem = Some(problem);
        for song in self.heard_live() {
            self.stop_listening(song);
        }
        for worker in self.workers.keys().copied().collect::<Vec<_>>() {
            if !self.errands.get(&worker).is_some_and(Errand::is_ending) {
                self.terminate(worker);
            }
        }
    }

    /// What microphones are being heard as.
    pub(super) fn heard_live(&self) -> Vec<SongId> {
        let is_busy = |id: &WorkerId| self.workers.get(id).is_some_and(|worker| worker.phase == Phase::Busy);
        let listening = self.errands.iter().filter_map(|(id, errand)| match errand {
            Errand::Listen { song, .. } if is_busy(id) => Some(*song),
            Errand::Listen { .. } | Errand::Transcode { .. } | Errand::Cut { .. } => None,
        });
        listening.collect()
    }

    /// Where there is no engine, whatever waits for one is told so. A recording that is being
    /// handed over does not.
    pub(super) fn turn_away(&mut self) {
        let Some(detail) = self.problem.as_ref().map(ToString::to_string) else { return };
        let ending = self.errands.values().filter(|errand| errand.is_ending());
        let ending: Vec<_> = ending.filter_map(Errand::song).collect();
        let waiting = self.songs.keys().copied().filter(|song| !ending.contains(song));
        for song in waiting.collect::<Vec<_>>() {
            self.fail(song, SongProblem::Engine { detail: detail.clone() });
        }
        for query in self.queries.ids() {
            self.leave_unanswered(query, SongProblem::Engine { detail: detail.clone() });
        }
        let waiting = self.errands.iter().filter(|(_, errand)| !errand.is_ending());
        for worker in waiting.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.fail_errand(worker, SongProblem::Engine { detail: detail.clone() });
        }
        self.not_learnt(LessonProblem::Engine { detail });
    }

    /// Puts a worker's clips back in front of the others, the oldest first. One that was given
    /// out too often costs its song; of what is live the clip alone. One whose song or model is
    /// no longer there is dropped. The worker's questions have no answer: whoever asked may ask
    /// again.
    pub(super) fn take_back(&mut self, worker: WorkerId, blame: bool, detail: &str) {
        for query in self.queries.bereaved(worker) {
            self.leave_unanswered(query, SongProblem::Engine { detail: detail.to_owned() });
        }
        let tickets: Vec<_> =
            self.jobs.iter().filter(|(_, job)| job.0 == worker).map(|(ticket, _)| *ticket).collect();
        for ticket in tickets.into_iter().rev() {
            let Some((_, clips)) = self.jobs.remove(&ticket) else { continue };
            for mut clip in clips.into_iter().rev() {
                if !self.songs.contains_key(&clip.song) || !self.models.contains_key(&clip.model) {
                    continue;
                }
                clip.attempts += u32::from(blame);
                if clip.attempts < MAX_ATTEMPTS {
                    self.clips.push_front(clip);
                } else if !clip.live {
                    self.fail(clip.song, SongProblem::Engine { detail: detail.to_owned() });
                }
            }
        }
    }

    /// Buries workers that have something to do and say nothing.
    pub(super) fn watch(&mut self) {
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
}
