//! Lessons in the pool: files that are studied rather than classified, and the
//! model that is made of them.
//!
//! A studied file goes the way of a song, before the songs that wait, but for
//! another model where its lesson has another, and only as far as it is wanted.
//! A lesson is learnt by one worker of the CPU pool, while the others go on.

use super::{Clip, MAX_ATTEMPTS, Phase, Pool, Song, Update, WorkerId};
use crate::{
    engine::protocol::{ModelId, ModelProblem, Request, Role, SongId, Ticket},
    teaching::{
        held_out::HeldOut,
        lesson::{Lesson, LessonProblem},
    },
};

/// A lesson that is to be learnt.
pub(super) struct Assignment<P> {
    model: ModelId,
    lesson: Lesson,
    features: P,
    /// Who has it.
    worker: Option<(WorkerId, Ticket)>,
    attempts: u32,
}

impl<P: Clone> Pool<P> {
    /// Puts a file before the songs that wait, behind those studied already.
    pub(super) fn study(&mut self, song: SongId, model: ModelId, file: P, clips: usize) {
        self.songs.insert(song, Song { most_clips: Some(clips), ..Song::new(Some(file), Some(model)) });
        self.queue_behind_studied(song);
    }

    fn is_studied(&self, song: SongId) -> bool {
        self.songs.get(&song).is_some_and(|song| song.most_clips.is_some())
    }

    fn queue_behind_studied(&mut self, song: SongId) {
        let place = self.queue.iter().position(|song| !self.is_studied(*song)).unwrap_or(self.queue.len());
        self.queue.insert(place, song);
    }

    /// Puts the song that is being read back where a file waits to be studied that can be: it may
    /// be hours long. It goes on at the clip that it has reached, but is decoded anew up to there:
    /// so it makes way once for each clip that it has gained, and never where the page would
    /// decode all of it again.
    pub(super) fn makes_way(&mut self, song: SongId) -> bool {
        let stays = |song: &Song<P>| song.in_browser || song.made_way_at == Some(song.cut);
        if self.songs.get(&song).is_none_or(stays) {
            return false;
        }
        let can_be_read = |song: &SongId| {
            let model = self.songs.get(song).and_then(|song| self.models.get(&song.model?));
            model.is_some_and(|model| model.format().is_some())
        };
        let waits = self.queue.iter().any(|song| self.is_studied(*song) && can_be_read(song));
        let Some(decoder) = self.of_role(Role::Decoder).first().copied() else { return false };
        if self.is_studied(song) || !waits {
            return false;
        }
        if let Some(song) = self.songs.get_mut(&song) {
            song.made_way_at = Some(song.cut);
        }
        self.reading = None;
        self.send(decoder, Request::Close { song }, vec![], false);
        self.queue_behind_studied(song);
        true
    }

    /// Ends a studied file with the clip that was cut last, if no more is wanted.
    pub(super) fn end_study(&mut self, song: SongId, end_seconds: f64) {
        let Some(known) = self.songs.get_mut(&song) else { return };
        if known.most_clips.is_none_or(|most| known.cut < most) || !self.is_reading(song) {
            return;
        }
        if let Some(known) = self.songs.get_mut(&song) {
            known.end = Some((end_seconds, Vec::new()));
        }
        self.reading = None;
        if let Some(decoder) = self.of_role(Role::Decoder).first() {
            self.send(*decoder, Request::Close { song }, vec![], false);
        }
    }

    /// What the convolutions made of a clip.
    pub(super) fn studied(&mut self, clip: Clip<P>, features: Option<P>) {
        let Some(song) = self.songs.get_mut(&clip.song) else { return };
        song.outstanding -= 1;
        self.tell(Update::Features { song: clip.song, clip: clip.clip, features });
        self.finish(clip.song);
    }

    /// Takes a lesson; one that was not learnt yet is forgotten.
    pub(super) fn assign(&mut self, model: ModelId, lesson: Lesson, features: P) {
        self.call_lesson_off();
        self.lesson = Some(Assignment { model, lesson, features, worker: None, attempts: 0 });
    }

    /// Forgets the lesson, and ends the worker that is at it, which would listen to nobody
    /// before it is done; another is started.
    pub(super) fn call_lesson_off(&mut self) {
        if let Some(Assignment { worker: Some((worker, _)), .. }) = self.lesson.take() {
            self.terminate(worker);
            // Its end was wanted, and shall not be the last.
            *self.deaths(Role::Cpu) = 0;
        }
    }

    /// Gives the lesson to a worker that has nothing to do.
    pub(super) fn hand_out_lesson(&mut self) {
        let Some(Assignment { model, lesson, features, worker: None, .. }) = &self.lesson else { return };
        let Some(file) = self.models.get(model).map(|model| model.file.clone()) else {
            return self.not_learnt(LessonProblem::Model { problem: ModelProblem::Gone });
        };
        let idle = |id: &WorkerId| self.workers.get(id).is_some_and(|worker| worker.phase == Phase::Idle);
        let Some(id) = self.of_role(Role::Cpu).into_iter().find(idle) else { return };
        let ticket = Ticket(self.next_ticket);
        let request = Request::Teach { ticket, lesson: Box::new(lesson.clone()) };
        let attachments = vec![file, features.clone()];
        self.next_ticket = self.next_ticket.wrapping_add(1);
        if let Some(assignment) = &mut self.lesson {
            assignment.worker = Some((id, ticket));
        }
        self.set_phase(id, Phase::Busy);
        // Copied, not handed over: should the worker die, the lesson is still here.
        self.send(id, request, attachments, false);
    }

    /// A worker is dead: another tries, unless the lesson seems to be at fault.
    pub(super) fn take_lesson_back(&mut self, worker: WorkerId, detail: &str) {
        let Some(assignment) = &mut self.lesson else { return };
        if assignment.worker.is_none_or(|(of, _)| of != worker) {
            return;
        }
        assignment.worker = None;
        assignment.attempts += 1;
        if assignment.attempts >= MAX_ATTEMPTS {
            self.not_learnt(LessonProblem::Engine { detail: detail.to_owned() });
        }
    }

    /// How far a worker is with the lesson.
    pub(super) fn learning(&mut self, ticket: Ticket, done: usize, all: usize) {
        if self.is_of_lesson(ticket) {
            self.tell(Update::Learning { done, all });
        }
    }

    /// What came of the lesson, from the worker that had it.
    pub(super) fn learnt(
        &mut self,
        worker: WorkerId,
        ticket: Ticket,
        result: Result<(Option<P>, Option<HeldOut>), LessonProblem>,
        milliseconds: f64,
    ) {
        self.set_phase(worker, Phase::Idle);
        *self.deaths(Role::Cpu) = 0;
        // Another lesson may have come in its place.
        if !self.is_of_lesson(ticket) {
            return;
        }
        match result {
            Ok((Some(file), held_out)) => {
                self.lesson = None;
                self.tell(Update::Taught { file, held_out, milliseconds });
            }
            Ok((None, _)) => self.not_learnt(LessonProblem::Engine { detail: "no model came".into() }),
            Err(problem) => self.not_learnt(problem),
        }
    }

    pub(super) fn not_learnt(&mut self, problem: LessonProblem) {
        if self.lesson.take().is_some() {
            self.tell(Update::NotTaught { problem });
        }
    }

    fn is_of_lesson(&self, ticket: Ticket) -> bool {
        let worker = self.lesson.as_ref().and_then(|lesson| lesson.worker);
        worker.is_some_and(|(_, of_lesson)| of_lesson == ticket)
    }
}
