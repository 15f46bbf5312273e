//! Questions about single clips: how did it come to this verdict?
//!
//! In: questions, the answers of workers. Out: pieces of work for workers that
//! have nothing better to do, and what is known so far. A question is answered
//! by one worker and in one piece ([`Question::Inspect`]), or by many in small
//! ones ([`Question::Explain`]), so that it blocks none of them for long and
//! can be dropped at any time. The [`pool`](super::pool) decides who works on
//! what; here stands only what is left to do.

use std::collections::{BTreeMap, VecDeque};

use super::{
    pool::WorkerId,
    protocol::{ModelId, Patch, Request, Ticket},
};
use crate::classify::occlusion::{Occlusion, PATCHES};

/// A question of this visit. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueryId(pub u32);

/// The clip that a question is about.
#[derive(Clone, Debug, PartialEq)]
pub enum ClipSource<P> {
    /// A clip of a file, which is opened for it once more.
    File {
        /// The `File`.
        file: P,
        /// Position of the clip in the song.
        clip: usize,
    },
    /// The samples themselves, a `Float32Array` as long as the model's clips.
    Samples(P),
}

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Question {
    /// Every stage of the clip's way.
    Inspect { frame: Option<usize> },
    /// What spoke for a genre: what is known, and how much of the work has been
    /// given out. The first piece of it is the clip as it is, then come the
    /// patches.
    Explain { class: usize, occlusion: Box<Occlusion>, given_out: usize },
}

impl Question {
    pub(super) fn explain(class: usize) -> Self {
        Self::Explain { class, occlusion: Box::default(), given_out: 0 }
    }
}

enum Clip<P> {
    InFile {
        file: P,
        clip: usize,
    },
    /// A decoder has the file.
    BeingCut,
    Here(P),
}

struct Query<P> {
    id: QueryId,
    /// The model that was asked for, and the one that answers.
    wish: Option<ModelId>,
    model: Option<ModelId>,
    question: Question,
    /// Whether an inspection has been given out.
    asked: bool,
    clip: Clip<P>,
}

impl<P> Query<P> {
    fn has_work(&self) -> bool {
        let work = match &self.question {
            Question::Inspect { .. } => !self.asked,
            Question::Explain { given_out, .. } => *given_out <= PATCHES,
        };
        work && matches!(self.clip, Clip::Here(_))
    }
}

/// Work that a worker has.
struct Given {
    worker: WorkerId,
    /// `None` once nobody wants to know any more.
    query: Option<QueryId>,
    /// Position of its first run of the network, 0 for the clip as it is, and
    /// how many there are.
    runs: [usize; 2],
}

/// A clip to be cut.
pub(super) struct ToCut<P> {
    pub(super) query: QueryId,
    pub(super) model: ModelId,
    pub(super) file: P,
    pub(super) clip: usize,
}

/// What is known of an explanation.
pub(super) struct Explained {
    pub(super) query: QueryId,
    pub(super) map: Vec<f32>,
    pub(super) log_odds: Option<f32>,
    pub(super) share: f32,
}

/// The questions that are open.
pub(super) struct Queries<P> {
    open: VecDeque<Query<P>>,
    given: BTreeMap<Ticket, Given>,
}

impl<P> Default for Queries<P> {
    fn default() -> Self {
        Self { open: VecDeque::new(), given: BTreeMap::new() }
    }
}

impl<P: Clone> Queries<P> {
    pub(super) fn ask(
        &mut self,
        id: QueryId,
        wish: Option<ModelId>,
        question: Question,
        source: ClipSource<P>,
    ) {
        self.drop(id);
        let clip = match source {
            ClipSource::File { file, clip } => Clip::InFile { file, clip },
            ClipSource::Samples(samples) => Clip::Here(samples),
        };
        self.open.push_back(Query { id, wish, model: None, question, asked: false, clip });
    }

    /// Forgets a question; says whether it was open.
    pub(super) fn drop(&mut self, id: QueryId) -> bool {
        let before = self.open.len();
        self.open.retain(|query| query.id != id);
        for given in self.given.values_mut() {
            given.query.take_if(|query| *query == id);
        }
        self.open.len() < before
    }

    /// All open questions.
    pub(super) fn ids(&self) -> Vec<QueryId> {
        self.open.iter().map(|query| query.id).collect()
    }

    /// Chooses who answers, where that is still open: the clip is cut as its
    /// model wants it.
    pub(super) fn settle(&mut self, model: impl Fn(Option<ModelId>) -> Option<ModelId>) {
        let is_open =
            |query: &&mut Query<P>| query.model.is_none() || matches!(query.clip, Clip::InFile { .. });
        for query in self.open.iter_mut().filter(is_open) {
            query.model = model(query.wish);
        }
    }

    /// A model that turned out to be none answers nothing.
    pub(super) fn unsettle(&mut self, model: ModelId) {
        for query in self.open.iter_mut().filter(|query| query.model == Some(model)) {
            (query.wish, query.model) = (None, None);
        }
    }

    /// The model that the first question with work left needs.
    pub(super) fn first_model(&self) -> Option<ModelId> {
        self.open.iter().find(|query| query.has_work())?.model
    }

    /// The first clip that has to be cut; it counts as being cut from now on.
    pub(super) fn next_to_cut(&mut self) -> Option<ToCut<P>> {
        let to_cut =
            |query: &&mut Query<P>| query.model.is_some() && matches!(query.clip, Clip::InFile { .. });
        let query = self.open.iter_mut().find(to_cut)?;
        let model = query.model?;
        match std::mem::replace(&mut query.clip, Clip::BeingCut) {
            Clip::InFile { file, clip } => Some(ToCut { query: query.id, model, file, clip }),
            Clip::BeingCut | Clip::Here(_) => None,
        }
    }

    /// The clip of a question has come.
    pub(super) fn cut(&mut self, id: QueryId, samples: P) {
        if let Some(query) = self.open.iter_mut().find(|query| query.id == id) {
            query.clip = Clip::Here(samples);
        }
    }

    /// Gives a worker that has `model` the next piece of work, of at most so
    /// many runs of the network.
    pub(super) fn give(
        &mut self,
        worker: WorkerId,
        model: ModelId,
        ticket: Ticket,
        runs: usize,
    ) -> Option<(Request, P)> {
        let fits = |query: &&mut Query<P>| query.model == Some(model) && query.has_work();
        let query = self.open.iter_mut().find(fits)?;
        let Clip::Here(samples) = &query.clip else { return None };
        let samples = samples.clone();
        let mut given_runs = [0, 1];
        let request = match &mut query.question {
            Question::Inspect { frame } => Request::Inspect { ticket, model, frame: *frame },
            Question::Explain { class, given_out, .. } => {
                let whole_and_patches = std::iter::once(None).chain(Patch::all().map(Some));
                let patches: Vec<_> = whole_and_patches.skip(*given_out).take(runs.max(1)).collect();
                given_runs = [*given_out, patches.len()];
                *given_out += patches.len();
                Request::Explain { ticket, model, class: *class, patches }
            }
        };
        query.asked = true;
        self.given.insert(ticket, Given { worker, query: Some(query.id), runs: given_runs });
        Some((request, samples))
    }

    /// Takes the worker's hands off a ticket and says which question it was
    /// for: `None` if the ticket is none of a question's, `Some(None)` if nobody
    /// wants to know any more.
    pub(super) fn take(&mut self, ticket: Ticket) -> Option<Option<QueryId>> {
        self.given.remove(&ticket).map(|given| given.query)
    }

    /// Takes in what came of a piece of an explanation. `None` while there is
    /// nothing to show; `Err` where the answer is not what was asked for.
    pub(super) fn explained(
        &mut self,
        ticket: Ticket,
        log_odds: &[f32],
    ) -> Option<Result<Explained, QueryId>> {
        let Given { query: id, runs: [first, count], .. } = self.given.remove(&ticket)?;
        let id = id?;
        let query = self.open.iter_mut().find(|query| query.id == id)?;
        let Question::Explain { occlusion, .. } = &mut query.question else {
            return Some(Err(id));
        };
        if log_odds.is_empty() {
            // Silence: nothing spoke for anything.
            self.drop(id);
            return Some(Ok(Explained { query: id, map: Vec::new(), log_odds: None, share: 1.0 }));
        }
        if log_odds.len() != count {
            return Some(Err(id));
        }
        for (index, value) in (first..).zip(log_odds) {
            match index.checked_sub(1) {
                None => occlusion.take_whole(*value),
                Some(patch) => occlusion.take(patch, *value),
            }
        }
        let share = occlusion.share();
        let explained = Explained { query: id, map: occlusion.map()?, log_odds: occlusion.whole(), share };
        if share >= 1.0 {
            self.drop(id);
        }
        Some(Ok(explained))
    }

    /// The questions that a worker was working on, which is dead.
    pub(super) fn bereaved(&mut self, worker: WorkerId) -> Vec<QueryId> {
        let died = |given: &Given| given.worker == worker;
        let queries = self.given.values().filter(|given| died(given)).filter_map(|given| given.query);
        let queries = queries.collect();
        self.given.retain(|_, given| !died(given));
        queries
    }
}
