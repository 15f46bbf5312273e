//! Songs from the first clip to the last, and work for which a worker of its own is
//! started: transcoding, listening, cutting one clip.

use super::{Clip, Errand, Phase, Pool, QueryId, Reading, Song, Update, WorkerId};
use crate::engine::protocol::{Request, Role, SongId, SongProblem};

impl<P: Clone> Pool<P> {
    pub(super) fn is_reading(&self, song: SongId) -> bool {
        self.reading.is_some_and(|(reading, _)| reading == song)
    }

    pub(super) fn cut(
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
    pub(super) fn finish(&mut self, song: SongId) {
        if self.songs.get(&song).is_some_and(|song| song.end.is_some() && song.outstanding == 0)
            && let Some(Song { end: Some((seconds, notices)), .. }) = self.songs.remove(&song)
        {
            self.tell(Update::Done { song, seconds, notices });
        }
    }

    pub(super) fn fail(&mut self, song: SongId, problem: SongProblem) {
        if self.songs.contains_key(&song) {
            self.forget(song);
            self.tell(Update::Failed { song, problem });
        }
    }

    /// Forgets all of a song; verdicts still to come are not told.
    pub(super) fn forget(&mut self, song: SongId) {
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

    /// Has a song transcoded, and no other any more: one at a time is played.
    pub(super) fn transcode(&mut self, song: SongId, file: P) {
        let before = self.errands.iter().find_map(|(id, errand)| match errand {
            Errand::Transcode { song, .. } => Some((*id, *song)),
            Errand::Listen { .. } | Errand::Cut { .. } => None,
        });
        match before {
            Some((_, before)) if before == song => return,
            Some((worker, before)) => {
                self.end_errand(worker);
                self.tell(Update::Recording { song: before, file: None, seconds: 0.0 });
            }
            None => {}
        }
        self.run_errand(Role::Decoder, Errand::Transcode { song, file });
    }

    pub(super) fn run_errand(&mut self, role: Role, errand: Errand<P>) {
        let worker = self.spawn(role);
        self.errands.insert(worker, errand);
    }

    /// Ends the worker of an errand. What was live is no song any more; what
    /// was transcoded may still be being classified.
    pub(super) fn end_errand(&mut self, worker: WorkerId) -> Option<Errand<P>> {
        let errand = self.errands.remove(&worker)?;
        self.terminate(worker);
        if let Errand::Listen { song, .. } = errand {
            self.forget(song);
        }
        Some(errand)
    }

    pub(super) fn fail_errand(&mut self, worker: WorkerId, problem: SongProblem) {
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
    pub(super) fn reopen(&mut self, detail: &str) {
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

    pub(super) fn open_samples(&mut self, song: SongId, sample_rate: u32, channels: Vec<P>) {
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
    pub(super) fn open_samples_for(&mut self, query: QueryId, decoded: Result<(u32, Vec<P>), SongProblem>) {
        let errand = self.errands.iter_mut().find(|(_, errand)| errand.query() == Some(query));
        let Some((&worker, Errand::Cut { clip, format, in_browser, .. })) = errand else { return };
        match decoded {
            Ok((sample_rate, channels)) => {
                *in_browser = false;
                let (song, format, first_clip) = (SongId(query.0), *format, *clip);
                let request = Request::OpenSamples { song, format, sample_rate, first_clip };
                self.send(worker, request, channels, true);
            }
            Err(problem) => self.fail_errand(worker, problem),
        }
    }

    pub(super) fn stop_listening(&mut self, song: SongId) {
        let errand = self.errands.iter_mut().find(|(_, errand)| errand.song() == Some(song));
        let Some((&worker, Errand::Listen { stopping, .. })) = errand else { return };
        if std::mem::replace(stopping, true) {
            // It was told so when the engine was given up.
            return;
        }
        match self.workers.get(&worker).map(|worker| &worker.phase) {
            Some(Phase::Busy) => self.send(worker, Request::StopListening { song }, vec![], false),
            // It never began to listen.
            _ => {
                self.end_errand(worker);
                self.tell(Update::Recording { song, file: None, seconds: 0.0 });
            }
        }
    }
}
