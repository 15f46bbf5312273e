//! The desk everything stands on: the state of the page, and what can be done.
//!
//! In: what the person does and what the engine tells. Out: signals that the
//! components show. The engine's pool lives here; the workers it orders about
//! are [`super::workers`].

mod models;
mod questions;
mod songs;

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use js_sys::ArrayBuffer;
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::JsValue;
use web_sys::File;

use super::browser;
use super::decode;
use super::download::{self, DownloadProblem};
use super::keeper::{Keeper, Keeping};
use super::microphone::{Listening, Microphone};
use super::model::{self, Model, ModelState};
use super::player::Player;
use super::song::{Song, SongState};
use super::teach::classroom::Classroom;
use super::track::HeardClip;
use super::words::t;
use super::workers::{self, Crew, EngineAddress};
use crate::engine::pool::{Action, Choice, EngineStatus, Event, Pool, QueryId, Update as News};
use crate::engine::protocol::{ModelId, SongId};

/// The model that comes with the page.
pub(crate) const OWN_MODEL: ModelId = ModelId(0);

/// The paper's network, which comes once it is asked for.
pub(crate) const PAPERS_MODEL: ModelId = ModelId(1);

/// How often the pool looks at its clock.
const TICK: Duration = Duration::from_millis(250);

/// How far a download is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Download {
    /// Not asked for yet.
    #[default]
    Waiting,
    /// So many bytes have come.
    Coming(f64),
    /// It is there.
    Here,
    /// It did not come.
    Failed(DownloadProblem),
}

/// Who gets the answers to a question.
type Asker = Rc<dyn Fn(News<JsValue>)>;

/// Handle on the page's state; copies are the same desk.
#[derive(Clone, Copy)]
pub(crate) struct Desk {
    /// The songs in the order they came.
    pub(crate) songs: RwSignal<Vec<Song>>,
    /// Drops whose folders are still being gone through.
    pub(crate) gathering: RwSignal<u32>,
    /// What the engine's pool tells; `None` until the engine is there.
    pub(crate) engine: RwSignal<Option<EngineStatus>>,
    /// The engine's download.
    pub(crate) engine_download: RwSignal<Download>,
    /// The download of the page's own model.
    pub(crate) model_download: RwSignal<Download>,
    /// The download of the paper's network.
    pub(crate) papers_download: RwSignal<Download>,
    /// The models of this visit.
    pub(crate) models: RwSignal<Vec<Model>>,
    /// The model for songs added from now on.
    pub(crate) chosen_model: RwSignal<ModelId>,
    /// Where the person wants it to run.
    pub(crate) choice: RwSignal<Choice>,
    /// Sentences that belong to no song.
    pub(crate) notes: RwSignal<Vec<String>>,
    /// What a screen reader says next.
    pub(crate) said: RwSignal<String>,
    /// What sounds.
    pub(crate) player: Player,
    /// What listens.
    pub(crate) microphone: Microphone,
    /// What is taught.
    pub(crate) classroom: Classroom,
    /// What keeps the songs from one visit to the next.
    pub(crate) keeper: Keeper,
    held: StoredValue<Held, LocalStorage>,
}

/// What belongs to JavaScript or is nobody else's business.
struct Held {
    pool: Pool<JsValue>,
    crew: Option<Crew>,
    /// What happened before there was an engine.
    early: Vec<Event<JsValue>>,
    files: HashMap<SongId, File>,
    model_files: HashMap<ModelId, ModelFile>,
    /// What was chosen when the paper's network was asked for.
    papers_instead_of: Option<ModelId>,
    /// Songs with news for the next frame.
    stale: Vec<Song>,
    /// Songs that ended and were not announced: how many, and the last's words.
    ended: (usize, String),
    /// Whether a file is being decoded for a question.
    decodes_for_question: bool,
    /// When it was last announced that songs ended, in ms.
    announced: f64,
    /// Who asked what has no last answer yet.
    askers: HashMap<QueryId, Asker>,
    /// How often everything was stopped.
    stops: u32,
    next_song: u32,
    next_model: u32,
    next_query: u32,
}

/// The file of a model.
struct ModelFile {
    /// As the engine takes it: an `ArrayBuffer`, or a `File` of this browser's store.
    weights: JsValue,
    /// Whether it is that store's, and not to be kept there anew.
    stored: bool,
    /// Its digest, once it is known.
    digest: Option<String>,
}

impl Desk {
    /// An empty desk, with nothing loaded.
    pub(crate) fn new() -> Self {
        let held = Held {
            pool: Pool::new(workers::cores(), browser::now()),
            crew: None,
            early: Vec::new(),
            files: HashMap::new(),
            model_files: HashMap::new(),
            papers_instead_of: None,
            stale: Vec::new(),
            ended: (0, String::new()),
            decodes_for_question: false,
            announced: f64::NEG_INFINITY,
            askers: HashMap::new(),
            stops: 0,
            next_song: 0,
            next_model: PAPERS_MODEL.0,
            next_query: 0,
        };
        Self {
            songs: RwSignal::default(),
            gathering: RwSignal::default(),
            engine: RwSignal::new(None),
            engine_download: RwSignal::default(),
            model_download: RwSignal::default(),
            papers_download: RwSignal::default(),
            models: RwSignal::default(),
            chosen_model: RwSignal::new(OWN_MODEL),
            choice: RwSignal::default(),
            notes: RwSignal::default(),
            said: RwSignal::default(),
            player: Player::new(),
            microphone: Microphone::new(),
            classroom: Classroom::new(),
            keeper: Keeper::new(),
            held: StoredValue::new_local(held),
        }
    }

    fn with<T: Default>(self, act: impl FnOnce(&mut Held) -> T) -> T {
        self.held.try_update_value(act).unwrap_or_default()
    }

    // The engine.

    /// Loads what is not there yet of engine and model.
    pub(crate) fn load(self) {
        if !matches!(self.engine_download.get_untracked(), Download::Coming(_) | Download::Here) {
            self.engine_download.set(Download::Coming(0.0));
            spawn_local(self.load_engine());
        }
        if !matches!(self.model_download.get_untracked(), Download::Coming(_) | Download::Here) {
            self.model_download.set(Download::Coming(0.0));
            spawn_local(self.load_model());
        }
    }

    /// Tries again what did not come while there was no connection.
    pub(crate) fn reload_what_failed(self) {
        let failed = |download: &Download| matches!(download, Download::Failed(_));
        if self.engine_download.with_untracked(failed) || self.model_download.with_untracked(failed) {
            self.load();
        }
        if self.papers_download.with_untracked(failed) {
            self.fetch_papers_model();
        }
    }

    async fn load_engine(self) {
        let Some(address) = EngineAddress::of_page() else {
            let missing = DownloadProblem::Unusable(t!("download.no_address"));
            return self.engine_download.set(Download::Failed(missing));
        };
        let arrived = move |bytes| {
            if self.engine_download.with_untracked(|download| matches!(download, Download::Coming(_))) {
                self.engine_download.set(Download::Coming(bytes));
            }
        };
        match workers::load_engine(&address, arrived).await {
            Ok(module) => {
                self.engine_download.set(Download::Here);
                self.engage(Crew::new(address, module));
            }
            Err(problem) => self.engine_download.set(Download::Failed(problem)),
        }
    }

    async fn load_model(self) {
        let Some(file) = Self::shipped("needledrop-model", self.model_download).await else { return };
        self.models.update(|models| models.insert(0, Model::loading(OWN_MODEL, &t!("model.pages_own"))));
        self.hold_model(OWN_MODEL, &file, None);
        let chosen = self.chosen_model.get_untracked();
        // Another that is there already stays the one for songs to come; what was given to
        // this one before it came can be heard now.
        if chosen == OWN_MODEL || self.with(|held| held.model_files.contains_key(&chosen)) {
            self.tell(Event::SetModel { model: OWN_MODEL, file: file.into() });
        }
        if chosen != OWN_MODEL {
            self.choose_model(chosen);
        }
    }

    /// Fetches the paper's network and chooses it, once it is there.
    pub(crate) fn load_papers_model(self) {
        let instead_of = self.chosen_model.get_untracked();
        self.with(|held| held.papers_instead_of = Some(instead_of));
        self.fetch_papers_model();
    }

    fn fetch_papers_model(self) {
        match self.papers_download.get_untracked() {
            Download::Here => return self.choose_model(PAPERS_MODEL),
            Download::Coming(_) => return,
            Download::Waiting | Download::Failed(_) => {}
        }
        self.papers_download.set(Download::Coming(0.0));
        spawn_local(async move {
            let Some(file) = Self::shipped("needledrop-papers", self.papers_download).await else { return };
            self.hold_model(PAPERS_MODEL, &file, None);
            let model = Model::loading(PAPERS_MODEL, &t!("download.papers_model"));
            self.models.update(|models| models.push(model));
            // Unless another was chosen while it came.
            if self.with(|held| held.papers_instead_of) == Some(self.chosen_model.get_untracked()) {
                self.choose_model(PAPERS_MODEL);
            }
        });
    }

    /// The weights whose address the tag `tag` has; `None` where `download` says why not.
    async fn shipped(tag: &str, download: RwSignal<Download>) -> Option<ArrayBuffer> {
        let Some(address) = browser::meta(tag) else {
            let missing = DownloadProblem::Unusable(t!("download.no_address"));
            download.set(Download::Failed(missing));
            return None;
        };
        match download::bytes(&address, move |bytes| download.set(Download::Coming(bytes))).await {
            Ok(file) => {
                download.set(Download::Here);
                Some(file)
            }
            Err(problem) => {
                download.set(Download::Failed(problem));
                None
            }
        }
    }

    /// Whether there is an engine and a model for it, and a worker has both and the chosen one is
    /// read, or none will: what was recorded before would be lost where it ended before.
    pub(crate) fn can_hear(self) -> bool {
        let chosen = self.chosen_model.get_untracked();
        let is_unread = |model: &Model| model.id == chosen && model.card().is_none();
        let reads = self.models.with_untracked(|models| models.iter().any(is_unread));
        let answers = |engine: &EngineStatus| engine.problem.is_some() || engine.running.is_some() && !reads;
        self.engine_download.get_untracked() == Download::Here
            && self.has_model()
            && self.engine.with_untracked(|engine| engine.as_ref().is_some_and(answers))
    }

    /// Whether there is a model that the engine has been given, or will be once it is there.
    fn has_model(self) -> bool {
        self.models.with_untracked(|models| models.iter().any(|model| model.state != ModelState::Kept))
    }

    /// Whether a question about a model waits for songs of another to be heard, as the pool has
    /// it. Tracks that.
    pub(crate) fn hears_before(self, model: ModelId) -> bool {
        let is_heard =
            |song: &Song| song.state.with(|state| matches!(state, SongState::Queued | SongState::Busy));
        self.chosen_model.get() != model
            && (!self.microphone.state.with(Listening::is_over)
                || self.songs.with(|songs| songs.iter().any(is_heard)))
    }

    /// Waits for the engine and a model, which are asked for again where they did not come;
    /// `false` where one does not come now either.
    pub(crate) async fn engine_comes(self) -> bool {
        self.reload_what_failed();
        let failed = |download: &Download| matches!(download, Download::Failed(_));
        let comes = |download: &Download| matches!(download, Download::Waiting | Download::Coming(_));
        while !self.can_hear() {
            // The page's own may have come and been refused.
            if self.engine_download.with_untracked(failed)
                || (!self.has_model() && !self.model_download.with_untracked(comes))
            {
                return false;
            }
            browser::pause(TICK).await;
        }
        true
    }

    /// Puts the engine to work, with all that was asked for before it came.
    fn engage(self, crew: Crew) {
        let early = self.with(|held| {
            held.crew = Some(crew);
            std::mem::take(&mut held.early)
        });
        self.engine.set(self.held.try_with_value(|held| held.pool.status()));
        for event in early {
            self.tell(event);
        }
        set_interval(move || self.tell(Event::Tick), TICK);
    }

    /// Tells the pool what happened and does what it says. Before there is an
    /// engine the event waits: a pool that orders workers about watches their
    /// clocks, and a slow download is not their fault.
    pub(crate) fn tell(self, event: Event<JsValue>) {
        let actions = self.with(|held| {
            if held.crew.is_none() {
                held.early.push(event);
                return Vec::new();
            }
            held.pool.handle(event, browser::now())
        });
        for action in actions {
            self.act(action);
        }
    }

    fn act(self, action: Action<JsValue>) {
        let (worker, result) = match action {
            Action::Spawn { worker, role } => {
                let spawned = self.with(|held| {
                    held.crew.as_mut().map(|crew| crew.spawn(worker, role, move |event| self.tell(event)))
                });
                (worker, spawned)
            }
            Action::SeekGpu { software } => return spawn_local(self.seek_gpu(software)),
            Action::Send { worker, request, attachments, transfer } => {
                let sent = self.with(|held| {
                    held.crew.as_ref().map(|crew| crew.send(worker, &request, &attachments, transfer))
                });
                (worker, sent)
            }
            Action::Terminate { worker } => {
                return self.with(|held| {
                    if let Some(crew) = &mut held.crew {
                        crew.terminate(worker);
                    }
                });
            }
            Action::Tell(news) => return self.hear(news),
        };
        if let Some(Err(error)) = result {
            let detail = browser::describe(&error);
            // In a turn of its own, so that a browser that refuses every worker
            // does not fill the stack.
            set_timeout(move || self.tell(Event::Died { worker, detail }), Duration::ZERO);
        }
    }

    /// Fetches what a GPU needs, where there is one.
    async fn seek_gpu(self, software: bool) {
        let Some(address) = self.with(|held| held.crew.as_ref().map(Crew::address)) else { return };
        let found = workers::load_gpu_engine(&address, software).await.map(|module| {
            self.with(|held| {
                if let Some(crew) = &mut held.crew {
                    crew.equip(module);
                }
            });
        });
        self.tell(Event::Gpu { software, found });
    }

    fn hear(self, news: News<JsValue>) {
        let Some(news) = self.classroom.hear(self, news) else { return };
        match news {
            News::Status(status) => self.engine.set(Some(status)),
            News::Model { model, card } => self.model_ready(model, *card),
            News::ModelRefused { model, problem, instead } => self.model_refused(model, &problem, instead),
            News::Opened { song, info } => self.on(song, |song| song.opened(info)),
            News::NeedsBrowser { song, info } => {
                self.on(song, |song| song.opened(info.clone()));
                spawn_local(self.decode_in_browser(song, info));
            }
            News::Clip { song, model, verdict, end_seconds, milliseconds, columns, embedding, .. } => {
                let Some(card) = self.card(model) else { return };
                if self.microphone.is(song) {
                    self.microphone.hear(&verdict, model, &card);
                } else {
                    let columns = workers::attached_bytes(columns);
                    let embedding = workers::attached_floats(embedding);
                    self.on(song, |song| {
                        if song.heard_by.with_untracked(Option::is_none) {
                            if song.model.get_untracked() != model {
                                song.model.set(model);
                            }
                            song.heard_by(self.heard_by(model, &card));
                        }
                        let start = (end_seconds - f64::from(card.spectrogram.clip_seconds)).max(0.0);
                        let heard = HeardClip { verdict, start, end: end_seconds };
                        song.track.update_value(|track| {
                            track.rule = card.rule();
                            track.add(heard, milliseconds, &columns, &embedding);
                        });
                        self.refresh_soon(song);
                    });
                }
            }
            News::Progress { song, progress } => self.on(song, |song| {
                song.track.update_value(|track| track.read = progress);
                self.refresh_soon(song);
            }),
            News::Done { song, seconds, notices } => self.on(song, |song| {
                song.done(seconds, notices);
                self.keeper.keep(song);
                self.announce(song.sentence());
            }),
            News::Failed { song, problem } => self.failed(song, problem),
            News::Recording { song, file, seconds } => {
                self.recorded(song, file.and_then(decode::as_file), seconds);
            }
            News::Level { song, seconds, columns, .. } => {
                if self.microphone.is(song) {
                    self.microphone.level(seconds, &workers::attached_bytes(columns));
                }
            }
            // The classroom has taken them.
            News::Features { .. } | News::Learning { .. } | News::Taught { .. } | News::NotTaught { .. } => {}
            News::QueryNeedsBrowser { query, file, info } => {
                spawn_local(self.decode_for(query, file, info));
            }
            News::Cut { query, .. } => self.answer(query, news, false),
            News::Explained { query, share, .. } => self.answer(query, news, share >= 1.0),
            News::Inspected { query, .. } | News::Unanswered { query, .. } => self.answer(query, news, true),
        }
    }

    /// Whether leaving the page now would lose what cannot be had again by itself: work,
    /// weights of one's own that are not kept.
    pub(crate) fn would_lose(self) -> bool {
        let is_lost = |model: &Model| {
            model::is_brought(model.id)
                && model.state != ModelState::Kept
                && untrack(|| self.keeps_model(model.id)) != Some(Keeping::Kept)
        };
        self.would_lose_work() || self.models.with_untracked(|models| models.iter().any(is_lost))
    }

    /// Whether it would lose what lies in no file: a song that is being heard, a recording,
    /// classes.
    pub(crate) fn would_lose_work(self) -> bool {
        self.songs.with_untracked(|songs| songs.iter().any(Song::is_active))
            || !self.microphone.state.with_untracked(Listening::is_over)
            || self.classroom.has_examples()
            || self.keeper.would_lose_recordings()
    }

    // What belongs to no song.

    /// Has a sentence said to whoever listens to the page. The same again is another by a
    /// space at its end, or nobody would hear it.
    pub(crate) fn say(self, sentence: String) {
        let again = self.said.with_untracked(|said| *said == sentence);
        self.said.set(if again { sentence + "\u{a0}" } else { sentence });
    }

    /// Shows a sentence above the list, and has it said.
    pub(crate) fn note(self, sentence: String) {
        self.say(sentence.clone());
        self.notes.update(|notes| {
            // Enough to see what went wrong, and no endless column.
            if notes.len() >= 5 {
                notes.remove(0);
            }
            notes.push(sentence);
        });
    }

    /// Where it shall run.
    pub(crate) fn choose(self, choice: Choice) {
        self.choice.set(choice);
        self.tell(Event::Choose(choice));
    }
}
