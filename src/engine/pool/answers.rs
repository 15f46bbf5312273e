//! What workers say, and what is told of it.

use super::{Clip, Errand, GpuStatus, Phase, Pool, Reading, Update, WorkerId};
use crate::{
    classify::verdict::ClipVerdict,
    engine::protocol::{EngineProblem, ModelId, PROTOCOL_VERSION, Reply, Role, SongProblem, Ticket},
    network::problem::ModelProblem,
};

impl<P: Clone> Pool<P> {
    pub(super) fn reply(&mut self, id: WorkerId, reply: Reply, attachments: Vec<P>) {
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
                None if role == Role::Cpu && self.jobs.contains_key(&ticket) => {
                    self.not_done(id, ticket, &reason)
                }
                // A GPU may have been lost: the processor will show.
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
                    if let Some(known) = self.songs.get_mut(&song) {
                        known.in_browser = true;
                    }
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
            // That it was heard of is written down already.
            Reply::Working => {}
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

    /// Takes a model out. Songs that have not been begun for it are for the one in its place.
    pub(super) fn refuse(&mut self, model: ModelId, problem: ModelProblem) {
        let Some(refused) = self.models.remove(&model) else { return };
        self.chosen.retain(|other| *other != model);
        let instead = self.model();
        // Another worker may have read it before it was gone. Of two models' clips and verdicts no
        // song is made: what was begun ends. A microphone is heard on where both cut alike; else
        // what it has heard is kept.
        let format = instead.and_then(|instead| self.models.get(&instead)?.format());
        let is_alike = format.is_some() && format == refused.format();
        let heard_live = self.heard_live();
        let of_it = self.songs.iter().filter(|(_, song)| song.model == Some(model));
        let of_it = of_it.map(|(id, song)| (*id, song.cut > 0 || self.is_reading(*id)));
        for (song, is_begun) in of_it.collect::<Vec<_>>() {
            if is_begun {
                self.fail(song, SongProblem::ModelRefused);
            } else if !is_alike && heard_live.contains(&song) {
                self.stop_listening(song);
                // Nor is what it cuts until it has stopped for the other.
                if let Some(song) = self.songs.get_mut(&song) {
                    song.model = None;
                }
            }
        }
        // No worker could be given the model for what is left.
        self.clips.retain(|clip| clip.model != model);
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

    /// A processor says what another would say too, of these samples and this model: it goes
    /// on, and the songs do not. Of what is live the clip alone is lost.
    fn not_done(&mut self, id: WorkerId, ticket: Ticket, reason: &str) {
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.phase = Phase::Idle;
        }
        // What a GPU died of may have been this clip.
        let deaths = self.deaths(Role::Gpu);
        *deaths = deaths.saturating_sub(1);
        let Some((_, clips)) = self.jobs.remove(&ticket) else { return };
        for clip in clips.into_iter().filter(|clip| !clip.live) {
            self.fail(clip.song, SongProblem::Engine { detail: reason.to_owned() });
        }
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
}
