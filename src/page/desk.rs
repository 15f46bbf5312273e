//! The desk everything stands on: the state of the page, and what can be done.
//!
//! In: what the person does and what the engine tells. Out: signals that the
//! components show. The engine's pool lives here; the workers it orders about
//! are [`super::workers`].

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use js_sys::ArrayBuffer;
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::JsValue;
use web_sys::File;

use super::browser;
use super::decode;
use super::download::{self, DownloadProblem};
use super::keeper::{self, Keeper};
use super::microphone::{Listening, Microphone};
use super::model::{self, Model, ModelState};
use super::player::Player;
use super::song::{FileState, Song, SongState};
use super::teach::classroom::Classroom;
use super::track::HeardClip;
use super::words::{self, t};
use super::workers::{self, Crew, EngineAddress};
use crate::engine::pool::{Action, Choice, EngineStatus, Event, Pool, QueryId, Update as News};
use crate::engine::protocol::{ModelId, ModelProblem, SongId, SongInfo, SongProblem};
use crate::library::record::HeardBy;
use crate::network::card::ModelCard;

/// The model that comes with the page.
pub(crate) const OWN_MODEL: ModelId = ModelId(0);

/// The paper's network, which comes once it is asked for.
pub(crate) const PAPERS_MODEL: ModelId = ModelId(1);

/// How often the pool looks at its clock.
const TICK: Duration = Duration::from_millis(250);

/// How long songs that end are gathered before they are announced together.
const ANNOUNCE_AFTER: Duration = Duration::from_millis(1000);

/// The same while others are still to be heard and something was announced just now:
/// a folder of songs shall not be read out one by one.
const ANNOUNCE_NEXT_AFTER: Duration = Duration::from_secs(10);

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
    model_files: HashMap<ModelId, ArrayBuffer>,
    /// Digests of those files.
    model_keys: HashMap<ModelId, String>,
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

impl Desk {
    /// An empty desk, with nothing loaded.
    pub(crate) fn new() -> Self {
        let held = Held {
            pool: Pool::new(workers::cores(), browser::now()),
            crew: None,
            early: Vec::new(),
            files: HashMap::new(),
            model_files: HashMap::new(),
            model_keys: HashMap::new(),
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
        self.hold_model(OWN_MODEL, &file);
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
            self.hold_model(PAPERS_MODEL, &file);
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

    /// Whether there is an engine and a model for it.
    pub(crate) fn can_hear(self) -> bool {
        self.engine_download.get_untracked() == Download::Here
            && self.models.with_untracked(|models| !models.is_empty())
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
        while !self.can_hear() {
            let has_model = self.models.with_untracked(|models| !models.is_empty());
            if self.engine_download.with_untracked(failed)
                || (!has_model && self.model_download.with_untracked(failed))
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
            News::Recording { song, file, .. } => self.recorded(song, file.and_then(decode::as_file)),
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

    // Questions about single clips.

    /// Asks the engine about a clip. `event` is [`Event::Inspect`] or
    /// [`Event::Explain`] with the name it gets; `heard` gets every answer, up to
    /// the last one or until the question is [dismissed](Self::dismiss).
    pub(crate) fn ask(
        self,
        event: impl FnOnce(QueryId) -> Event<JsValue>,
        heard: impl Fn(News<JsValue>) + 'static,
    ) -> QueryId {
        let query = self.with(|held| {
            held.next_query += 1;
            held.askers.insert(QueryId(held.next_query), Rc::new(heard));
            held.next_query
        });
        self.tell(event(QueryId(query)));
        QueryId(query)
    }

    /// Wants no more answers to a question.
    pub(crate) fn dismiss(self, query: QueryId) {
        if self.with(|held| held.askers.remove(&query)).is_some() {
            self.tell(Event::Dismiss { query });
        }
    }

    /// Decodes for a question what only the browser can: it was let go when the song was
    /// heard. One file at a time, each of which may take hundreds of megabytes, and none
    /// for who no longer wants to know.
    async fn decode_for(self, query: QueryId, file: JsValue, info: SongInfo) {
        let is_asked = || self.with(|held| held.askers.contains_key(&query));
        while self.with(|held| held.decodes_for_question) {
            browser::next_turn().await;
            if !is_asked() {
                return;
            }
        }
        self.with(|held| held.decodes_for_question = true);
        let no_file = SongProblem::Unreadable { detail: "no file came with the question".to_owned() };
        let decoded = match decode::as_file(file).ok_or(no_file) {
            Ok(file) => decode::in_browser(&file, &info).await,
            Err(problem) => Err(problem),
        };
        self.with(|held| held.decodes_for_question = false);
        if is_asked() {
            self.tell(Event::SamplesFor { query, decoded });
        }
    }

    fn answer(self, query: QueryId, news: News<JsValue>, last: bool) {
        let asker = self
            .with(|held| if last { held.askers.remove(&query) } else { held.askers.get(&query).cloned() });
        if let Some(asker) = asker {
            asker(news);
        }
    }

    // The songs.

    /// Puts files on the list and into the queue, one a frame: a browser that
    /// puts up two hundred cards at once does nothing else for a while. Whoever
    /// stops everything wants none of the rest either.
    pub(crate) fn add(self, files: Vec<File>) {
        let stops = self.stops();
        spawn_local(async move {
            for file in files {
                if self.stops() != stops {
                    return;
                }
                self.keeper.is_brought(&file);
                self.put_on(&file);
                browser::next_turn().await;
            }
        });
    }

    fn put_on(self, file: &File) {
        let mut song = self.enter(file);
        // The same file twice, as by two models, has two addresses.
        if self.songs.with_untracked(|songs| songs.iter().any(|other| other.code == song.code)) {
            song.code = format!("{}-{}", song.code, song.id.0).into();
        }
        for kept in self.keeper.take_back(&song.file) {
            self.let_go(kept.id);
        }
        self.songs.update(|songs| songs.push(song.clone()));
        self.tell(Event::Add { song: song.id, file: file.into() });
    }

    /// A new song of this visit for `file`.
    fn enter(self, file: &File) -> Song {
        let id = self.new_song();
        self.with(|held| held.files.insert(id, file.clone()));
        let song = Song::new(id, keeper::key_of(file), self.chosen_model.get_untracked());
        self.keeper.expect(&song, file);
        song
    }

    /// A name for a song.
    pub(crate) fn new_song(self) -> SongId {
        self.with(|held| {
            held.next_song += 1;
            Some(SongId(held.next_song))
        })
        .unwrap_or(SongId(0))
    }

    /// The file of a song.
    pub(crate) fn file(self, song: SongId) -> Option<File> {
        self.with(|held| held.files.get(&song).cloned())
    }

    /// Keeps a file that goes to the engine and is on no list.
    pub(crate) fn keep_file(self, song: SongId, file: &File) {
        self.with(|held| held.files.insert(song, file.clone()));
    }

    /// Forgets such a file.
    pub(crate) fn forget_file(self, song: SongId) {
        self.with(|held| held.files.remove(&song));
    }

    /// The song of that name, while it is on the list or kept.
    pub(crate) fn song(self, id: SongId) -> Option<Song> {
        let listed = self.songs.with_untracked(|songs| songs.iter().find(|song| song.id == id).cloned());
        listed.or_else(|| self.keeper.song(id))
    }

    /// The song that links call by `code`, while it is on the list or kept. Tracks
    /// both.
    pub(crate) fn song_of_link(self, code: &str) -> Option<Song> {
        let find = |is_it: &dyn Fn(&Song) -> bool| {
            let find = |songs: &Vec<Song>| songs.iter().find(|song| is_it(song)).cloned();
            self.songs.with(find).or_else(|| self.keeper.kept.with(find))
        };
        // Of a file that was twice on the list, one may be left.
        let of_file = code.split_once('-').map_or(code, |(of_file, _)| of_file);
        find(&|song| *song.code == *code).or_else(|| find(&|song| song.file.code() == of_file))
    }

    /// Has the file of a song of an earlier visit at hand, if the browser lends it
    /// without asking. Until it has answered, the file is [`FileState::Sought`].
    pub(crate) fn bring_file(self, song: &Song) {
        if song.file_state.get_untracked() != FileState::Away {
            return;
        }
        song.file_state.set(FileState::Sought);
        let song = song.clone();
        spawn_local(async move {
            let file = self.keeper.file(&song, false).await;
            if let Some(file) = &file {
                self.keep_file(song.id, file);
            }
            song.file_state.set(if file.is_some() { FileState::AtHand } else { FileState::Away });
        });
    }

    fn on(self, id: SongId, act: impl FnOnce(&Song)) {
        if let Some(song) = self.song(id) {
            act(&song);
        }
    }

    /// Shows what is new of `song` with the next frame, however many clips have
    /// come until then.
    fn refresh_soon(self, song: &Song) {
        let first = self.with(|held| {
            if held.stale.iter().all(|other| other.id != song.id) {
                held.stale.push(song.clone());
            }
            held.stale.len() == 1
        });
        if first {
            request_animation_frame(move || {
                for song in self.with(|held| std::mem::take(&mut held.stale)) {
                    song.refresh();
                }
            });
        }
    }

    fn failed(self, id: SongId, problem: SongProblem) {
        if self.microphone.is(id) {
            return self.microphone.failed(self, words::problem(&problem));
        }
        // With the song goes what was being made of it to be played.
        self.player.give_up(id);
        if matches!(problem, SongProblem::Unreadable { .. })
            && let Some(song) = self.song(id).filter(|song| self.keeper.was_lent(&song.file))
        {
            return self.give_back(song);
        }
        self.on(id, |song| {
            let sentence = words::announce_problem(&song.title_untracked(), &problem);
            song.failed(problem);
            self.keeper.keep(song);
            self.announce(sentence);
        });
    }

    /// Puts a song away until the person brings its file: the browser, which had
    /// lent it by its handle, has taken it back.
    fn give_back(self, song: Song) {
        song.put_off();
        song.wants_file.set(true);
        song.file_state.set(FileState::Away);
        self.let_go(song.id);
        self.songs.update(|songs| songs.retain(|other| other.id != song.id));
        self.keeper.put_away(vec![song]);
    }

    /// Stops hearing a song; what has been heard of it stays.
    pub(crate) fn cancel(self, song: &Song) {
        song.cancelled();
        self.keeper.keep(song);
        self.player.call_off(song.id);
        self.tell(Event::Cancel { song: song.id });
    }

    /// How often everything was stopped: what goes on over many turns ends when
    /// that changes.
    pub(crate) fn stops(self) -> u32 {
        self.with(|held| held.stops)
    }

    /// Stops everything that is waiting or being heard, and what is still to be
    /// put on the list.
    pub(crate) fn cancel_all(self) {
        self.with(|held| held.stops += 1);
        for song in self.songs.get_untracked() {
            if song.is_active() {
                song.cancelled();
                self.keeper.keep(&song);
                self.player.call_off(song.id);
            }
        }
        self.player.pause();
        self.tell(Event::CancelAll);
    }

    /// Takes a song off the list and forgets it.
    pub(crate) fn remove(self, song: &Song) {
        if song.is_active() {
            self.cancel(song);
        }
        self.player.forget(song.id);
        self.with(|held| held.files.remove(&song.id));
        self.songs.update(|songs| songs.retain(|other| other.id != song.id));
        self.keeper.kept.update(|kept| kept.retain(|other| other.id != song.id));
        // Of a file that was dropped twice there is one record, which stays.
        let twin = |songs: &Vec<Song>| songs.iter().find(|other| other.file == song.file).cloned();
        match self.songs.with_untracked(twin).or_else(|| self.keeper.kept.with_untracked(twin)) {
            Some(twin) => self.keeper.keep(&twin),
            None => self.keeper.forget(song),
        }
    }

    /// Takes every song off the list that is neither waiting nor being heard; the
    /// library keeps them.
    pub(crate) fn clear(self) {
        let (active, ended): (Vec<_>, Vec<_>) =
            self.songs.get_untracked().into_iter().partition(Song::is_active);
        for song in &ended {
            // Of a recording that is not kept, what is at hand is all that there is.
            if self.keeper.would_lose(&song.file) {
                self.player.forget(song.id);
                song.file_state.set(FileState::AtHand);
            } else {
                self.let_go(song.id);
                song.file_state.set(FileState::Away);
            }
        }
        self.songs.set(active);
        self.keeper.put_away(ended);
    }

    /// Forgets every song that is neither waiting nor being heard.
    pub(crate) fn forget_all(self) {
        self.clear();
        for song in self.keeper.clear(self) {
            self.let_go(song.id);
        }
    }

    /// Lets go of a song's file, also where it sounds.
    fn let_go(self, song: SongId) {
        self.player.forget(song);
        self.with(|held| held.files.remove(&song));
    }

    /// Hears a song anew, in its place, with the model chosen now; its new name,
    /// or `None` where its file has to be asked for first.
    pub(crate) fn hear_again(self, song: &Song) -> Option<SongId> {
        let Some(file) = self.file(song.id) else {
            self.ask_for_file(song);
            return None;
        };
        if !self.songs.with_untracked(|songs| songs.iter().any(|other| other.id == song.id)) {
            self.hear_kept(song, &file);
            return None;
        }
        if song.is_active() {
            self.tell(Event::Cancel { song: song.id });
        }
        self.player.forget(song.id);
        let mut again = self.enter(&file);
        again.code = song.code.clone();
        self.with(|held| held.files.remove(&song.id));
        self.songs.update(|songs| {
            if let Some(place) = songs.iter_mut().find(|other| other.id == song.id) {
                *place = again.clone();
            }
        });
        self.tell(Event::Add { song: again.id, file: file.into() });
        Some(again.id)
    }

    /// Hears a song of an earlier visit, whose file is at hand again.
    pub(crate) fn hear_kept(self, song: &Song, file: &File) {
        // It may have been put on while its file was asked for.
        if self.song(song.id).is_none() {
            return;
        }
        // The file may have changed since, and then it is another.
        if keeper::key_of(file) != *song.file {
            self.keeper.forget(song);
        }
        for kept in self.keeper.take_back(&song.file) {
            self.let_go(kept.id);
        }
        self.songs.update(|songs| songs.retain(|other| other.id != song.id));
        self.let_go(song.id);
        self.put_on(file);
    }

    /// Hears a song of an earlier visit, if its file can be had.
    fn ask_for_file(self, song: &Song) {
        let song = song.clone();
        spawn_local(async move {
            match self.keeper.file(&song, true).await {
                Some(file) => self.hear_kept(&song, &file),
                None => song.wants_file.set(true),
            }
        });
    }

    /// Hears a song of an earlier visit from a file that the person says it is.
    pub(crate) fn offer_file(self, song: &Song, file: &File) {
        let offered = keeper::key_of(file);
        if offered.name == song.file.name && offered.size == song.file.size {
            self.hear_kept(song, file);
        } else {
            self.note(t!("library.other_file", offered = &offered.name, wanted = &song.file.name));
        }
    }

    /// What only the browser can decode it does decode, all at once.
    async fn decode_in_browser(self, id: SongId, info: SongInfo) {
        let Some(file) = self.file(id) else { return };
        let decoded = decode::in_browser(&file, &info).await;
        // It may have been stopped meanwhile.
        if !self.song(id).is_some_and(|song| song.is_active()) && !self.classroom.studies(id) {
            return;
        }
        match decoded {
            Ok((sample_rate, channels)) => self.tell(Event::Samples { song: id, sample_rate, channels }),
            Err(problem) => self.tell(Event::NoSamples { song: id, problem }),
        }
    }

    fn recorded(self, id: SongId, file: Option<File>) {
        let heard_live = self.microphone.is(id);
        let file = match (heard_live, file) {
            (true, Some(file)) => match self.classroom.take_recording(self, file) {
                Some(file) => Some(file),
                None => return self.microphone.kept(),
            },
            (_, file) => file,
        };
        match file {
            Some(file) if heard_live => {
                self.microphone.kept();
                // By its time it is told from others, also from those of another visit.
                let file =
                    browser::renamed(file, &t!("teach.recording_name", number = browser::local_time()));
                self.keeper.hold_recording(&file);
                self.add(vec![file]);
                self.warn_of_recordings();
            }
            Some(file) => self.player.play_instead(id, &file),
            None if heard_live => {
                self.microphone.kept();
                self.note(t!("microphone.not_kept"));
            }
            None => {
                if self.player.give_up(id) {
                    self.note(t!("song.unplayable"));
                }
            }
        }
    }

    /// Says that what the microphone heard is not kept, where it is not.
    pub(crate) fn warn_of_recordings(self) {
        let problem = words::keeping(&self.keeper.state.get_untracked());
        if let Some(problem) = problem.filter(|_| self.keeper.would_lose_recordings())
            && self.notes.with_untracked(|notes| !notes.contains(&problem))
        {
            self.note(problem);
        }
    }

    /// Has a screen reader say `sentence`, or a count where several songs end
    /// close together.
    fn announce(self, sentence: String) {
        let (is_first, is_soon) = self.with(|held| {
            held.ended = (held.ended.0 + 1, sentence);
            let since = browser::now() - held.announced;
            (held.ended.0 == 1, since < ANNOUNCE_NEXT_AFTER.as_secs_f64() * 1000.0)
        });
        // The last one ends the waiting.
        let is_last = self.left() == 0;
        if is_last || is_first {
            let wait = if is_last || !is_soon { ANNOUNCE_AFTER } else { ANNOUNCE_NEXT_AFTER };
            set_timeout(move || self.say_what_ended(), wait);
        }
    }

    /// Songs that wait or are being heard.
    fn left(self) -> usize {
        self.songs.with_untracked(|songs| songs.iter().filter(|song| song.is_active()).count())
    }

    fn say_what_ended(self) {
        let (ended, last) = self.with(|held| std::mem::take(&mut held.ended));
        if ended == 0 {
            return;
        }
        self.with(|held| held.announced = browser::now());
        let (heard, failed, left) = self.songs.with_untracked(|songs| untrack(|| super::count(songs)));
        self.say(if ended == 1 { last } else { words::summary(heard, failed, left) });
    }

    // The models.

    /// What a model says of itself, once it can be used.
    pub(crate) fn card(self, id: ModelId) -> Option<Arc<ModelCard>> {
        self.models.with_untracked(|models| {
            models.iter().find(|model| model.id == id).and_then(|model| model.card().cloned())
        })
    }

    /// Whether there is no model yet, and the first of them is on its way. Tracks that.
    pub(crate) fn awaits_models(self) -> bool {
        let failed =
            |download: RwSignal<Download>| download.with(|download| matches!(download, Download::Failed(_)));
        self.models.with(|models| models.iter().all(|model| model.card().is_none()))
            && !failed(self.engine_download)
            && !failed(self.model_download)
            && self.engine.with(|engine| engine.as_ref().is_none_or(|engine| engine.problem.is_none()))
    }

    /// Offers a weights file to the engine and, where it takes it, chooses it.
    pub(crate) async fn add_model(self, file: File) {
        let name = file.name();
        match model::read(&file).await {
            Ok(bytes) => drop(self.offer_model(&name, bytes)),
            Err(reason) => self.note(t!("model.refused", file = &name, reason = &reason)),
        }
    }

    /// Offers weights to the engine and, where it takes them, chooses them.
    pub(crate) fn offer_model(self, name: &str, bytes: ArrayBuffer) -> Option<ModelId> {
        let id = self.with(|held| {
            held.next_model += 1;
            Some(ModelId(held.next_model))
        })?;
        self.hold_model(id, &bytes);
        self.models.update(|models| models.push(Model::loading(id, name)));
        self.choose_model(id);
        Some(id)
    }

    fn hold_model(self, id: ModelId, file: &ArrayBuffer) {
        self.with(|held| held.model_files.insert(id, file.clone()));
        let file = file.clone();
        spawn_local(async move {
            if let Some(key) = model::digest(&file).await {
                self.with(|held| held.model_keys.insert(id, key));
            }
        });
    }

    /// The model that heard a song, if it is here: of an earlier visit's, one that is known
    /// again.
    pub(crate) fn model_of(self, song: &Song) -> Option<ModelId> {
        let model = song.model.get_untracked();
        if model != Song::EARLIER {
            return Some(model);
        }
        let by = song.heard_by.get_untracked()?;
        // Its digest may have come after the first song.
        let is_it = |model: &Model| {
            model.card().is_some_and(|card| {
                let known = self.heard_by(model.id, card);
                (&known.name, &known.genres) == (&by.name, &by.genres)
                    && (known.key == by.key || by.key == key_without_digest(card))
            })
        };
        self.models.with_untracked(|models| models.iter().find(|model| is_it(model)).map(|model| model.id))
    }

    /// The model as records name it.
    fn heard_by(self, id: ModelId, card: &ModelCard) -> HeardBy {
        // Without https there is no digest.
        let key = self.with(|held| held.model_keys.get(&id).cloned());
        HeardBy {
            key: key.unwrap_or_else(|| key_without_digest(card)),
            name: card.name.clone(),
            genres: card.genres.clone(),
        }
    }

    /// Chooses a model for the songs to come.
    pub(crate) fn choose_model(self, model: ModelId) {
        self.chosen_model.set(model);
        if let Some(file) = self.with(|held| held.model_files.get(&model).cloned()) {
            self.tell(Event::SetModel { model, file: file.into() });
        }
    }

    fn model_ready(self, id: ModelId, card: ModelCard) {
        let name = card.name.clone();
        let was_loading = self.models.try_update(|models| {
            let Some(model) = models.iter_mut().find(|model| model.id == id) else { return false };
            let was_loading = model.state == ModelState::Loading;
            model.state = ModelState::Ready(card.into());
            was_loading
        });
        if was_loading == Some(true) && id != OWN_MODEL {
            self.say(t!("model.ready", name = &name));
        }
    }

    /// A model is refused, and the pool goes on with `instead`: so does the page.
    fn model_refused(self, id: ModelId, problem: &ModelProblem, instead: Option<ModelId>) {
        let next = instead.unwrap_or(OWN_MODEL);
        self.with(|held| held.model_files.remove(&id));
        let refused = self.models.try_update(|models| {
            let at = models.iter().position(|model| model.id == id)?;
            Some(models.remove(at))
        });
        for song in self.songs.get_untracked() {
            if song.model.get_untracked() == id {
                song.model.set(next);
            }
        }
        self.classroom.model_refused(id, next);
        self.microphone.model_refused(id, next);
        match instead {
            _ if self.chosen_model.get_untracked() != id => {}
            Some(model) => self.chosen_model.set(model),
            // The pool may not have been given the page's own yet.
            None => self.choose_model(OWN_MODEL),
        }
        if let Some(Some(model)) = refused {
            let reason = words::model_problem(problem);
            self.note(t!("model.refused", file = model.label(), reason = &reason));
        }
    }

    /// Whether leaving the page now would lose what cannot be had again by itself: work,
    /// weights of one's own.
    pub(crate) fn would_lose(self) -> bool {
        self.would_lose_work()
            || self.models.with_untracked(|models| models.iter().any(|model| model.id.0 > PAPERS_MODEL.0))
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

/// What records call a model where its digest is not known.
fn key_without_digest(card: &ModelCard) -> String {
    format!("{} {}", card.name, card.date)
}
