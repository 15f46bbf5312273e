//! Who gets what next: models, questions, clips, songs.

use std::collections::VecDeque;

use super::{Choice, Clip, Errand, GpuStatus, Phase, Pool, Reading, Worker, WorkerId};
use crate::engine::protocol::{Request, Role, SongId, Ticket};

/// Runs of the network that a question gets at once while no song waits for the
/// worker: a third of a second, after which a song's turn may have come.
const QUESTION_RUNS: usize = 4;

impl<P: Clone> Pool<P> {
    pub(super) fn schedule(&mut self) {
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
                Errand::Cut { query, file, clip, format, .. } => {
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

    pub(super) fn set_phase(&mut self, worker: WorkerId, phase: Phase) {
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
                if self.makes_way(song) {
                    self.read_on();
                } else if self.clips.len() < self.room() {
                    self.reading = Some((song, Reading::Cutting));
                    self.send(decoder, Request::Pull { song }, vec![], false);
                }
            }
            Some(_) => {}
            None => {
                let chosen = self.model();
                // The first that can be opened: another may wait for a model that never comes.
                let opened = self.queue.iter().enumerate().find_map(|(place, song)| {
                    let model = self.songs.get(song)?.model.or(chosen)?;
                    Some((place, *song, model, self.models.get(&model)?.format()?))
                });
                let Some((place, next, model, format)) = opened else { return };
                let Some(song) = self.songs.get_mut(&next) else { return };
                song.model = Some(model);
                let Some(file) = song.file.clone() else { return };
                let first_clip = song.cut;
                self.queue.remove(place);
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
