//! Questions about single clips: asked, cut for, answered, forgotten.

use super::{ClipSource, Errand, Model, Phase, Pool, QueryId, Update, WorkerId};
use crate::engine::{
    protocol::{ModelId, Reply, Request, Role, SongProblem, Stage, Ticket},
    queries::{Explained, Question, ToCut},
};

impl<P: Clone> Pool<P> {
    pub(super) fn ask(
        &mut self,
        query: QueryId,
        model: Option<ModelId>,
        question: Question,
        source: ClipSource<P>,
    ) {
        self.forget_query(query);
        if let Some(problem) = &self.problem {
            let problem = SongProblem::Engine { detail: problem.to_string() };
            return self.tell(Update::Unanswered { query, problem });
        }
        if let (Question::Explain { .. }, Some(model)) = (&question, model) {
            self.genres_of.insert(query, model);
        }
        self.queries.ask(query, model, question, source);
    }

    /// Forgets a question; says whether it was open.
    pub(super) fn forget_query(&mut self, query: QueryId) -> bool {
        let errands = self.errands.iter().filter(|(_, errand)| errand.query() == Some(query));
        for worker in errands.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.end_errand(worker);
        }
        self.genres_of.remove(&query);
        self.queries.drop(query)
    }

    pub(super) fn leave_unanswered(&mut self, query: QueryId, problem: SongProblem) {
        if self.forget_query(query) {
            self.tell(Update::Unanswered { query, problem });
        }
    }

    /// Takes an answer of the decoder that cuts the clip of a question; `false`
    /// for one that every worker gives.
    pub(super) fn cut_for(
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
                if let Some(Errand::Cut { file, in_browser, .. }) = self.errands.get_mut(&worker) {
                    *in_browser = true;
                    let file = file.clone();
                    self.tell(Update::QueryNeedsBrowser { query, file, info: info.clone() });
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

    pub(super) fn inspected(
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

    pub(super) fn explained(&mut self, worker: WorkerId, ticket: Ticket, log_odds: &[f32]) {
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
    pub(super) fn start_queries(&mut self) {
        if self.problem.is_some() {
            return;
        }
        self.turn_away_genres();
        let (models, current) = (&self.models, self.model());
        let known = |model: &ModelId| models.get(model).is_some_and(|model| model.card.is_some());
        self.queries.settle(|wish| wish.filter(known).or(current.filter(known)));
        if self.errands.values().any(|errand| errand.query().is_some()) {
            return;
        }
        let Some(ToCut { query, model, file, clip }) = self.queries.next_to_cut() else { return };
        if let Some(format) = self.models.get(&model).and_then(Model::format) {
            let errand = Errand::Cut { query, file, clip, format, in_browser: false };
            self.run_errand(Role::Decoder, errand);
        }
    }

    /// Leaves questions about genres unanswered whose model is not there. Before there is any,
    /// theirs may be on its way.
    fn turn_away_genres(&mut self) {
        let open = self.queries.ids();
        self.genres_of.retain(|query, _| open.contains(query));
        if self.model().is_none_or(|current| self.card(current).is_none()) {
            return;
        }
        let gone = self.genres_of.iter().filter(|(_, model)| self.card(**model).is_none());
        for query in gone.map(|(query, _)| *query).collect::<Vec<_>>() {
            let detail = "the genre is one of a model that is not there".to_owned();
            self.leave_unanswered(query, SongProblem::Engine { detail });
        }
    }
}
