//! The desk everything stands on: the state of the page, and what can be done.
//!
//! In: what the person does and what the engine tells. Out: signals that the
//! components show. The engine's pool lives here; the workers it orders about
//! are [`super::workers`].

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use js_sys::ArrayBuffer;
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::JsValue;
use web_sys::File;

use super::decode;
use super::download::{self, DownloadProblem};
use super::microphone::Microphone;
use super::model::{self, Model, ModelState};
use super::player::Player;
use super::song::Song;
use super::track::HeardClip;
use super::workers::{self, Crew, EngineAddress};
use super::{browser, words};
use crate::classify::verdict::ClipVerdict;
use crate::engine::pool::{Action, Choice, EngineStatus, Event, Pool, Update as News};
use crate::engine::protocol::{ModelId, SongId, SongInfo, SongProblem};
use crate::network::card::ModelCard;

/// The model that comes with the page.
pub(crate) const OWN_MODEL: ModelId = ModelId(0);

/// How often the pool looks at its clock.
const TICK: Duration = Duration::from_millis(250);

/// How long songs that end are gathered before they are announced together.
const ANNOUNCE_AFTER: Duration = Duration::from_millis(1000);

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

/// Handle on the page's state; copies are the same desk.
#[derive(Clone, Copy)]
pub(crate) struct Desk {
    /// The songs in the order they came.
    pub(crate) songs: RwSignal<Vec<Song>>,
    /// What the engine's pool tells; `None` until the engine is there.
    pub(crate) engine: RwSignal<Option<EngineStatus>>,
    /// The engine's download.
    pub(crate) engine_download: RwSignal<Download>,
    /// The download of the page's own model.
    pub(crate) model_download: RwSignal<Download>,
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
    /// Songs with news for the next frame.
    stale: Vec<Song>,
    /// Songs that ended and were not announced: how many, and the last's words.
    ended: (usize, String),
    next_song: u32,
    next_model: u32,
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
            stale: Vec::new(),
            ended: (0, String::new()),
            next_song: 0,
            next_model: OWN_MODEL.0 + 1,
        };
        Self {
            songs: RwSignal::default(),
            engine: RwSignal::new(None),
            engine_download: RwSignal::default(),
            model_download: RwSignal::default(),
            models: RwSignal::default(),
            chosen_model: RwSignal::new(OWN_MODEL),
            choice: RwSignal::default(),
            notes: RwSignal::default(),
            said: RwSignal::default(),
            player: Player::new(),
            microphone: Microphone::new(),
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
    }

    async fn load_engine(self) {
        let Some(address) = EngineAddress::of_page() else {
            let missing = DownloadProblem::Unusable(words::NO_ADDRESS.into());
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
        let Some(address) = browser::meta("needledrop-model") else {
            let missing = DownloadProblem::Unusable(words::NO_ADDRESS.into());
            return self.model_download.set(Download::Failed(missing));
        };
        let arrived = move |bytes| self.model_download.set(Download::Coming(bytes));
        match download::bytes(&address, arrived).await {
            Ok(file) => {
                self.model_download.set(Download::Here);
                self.models.update(|models| models.insert(0, Model::loading(OWN_MODEL, words::PAGES_OWN)));
                self.with(|held| held.model_files.insert(OWN_MODEL, file.clone()));
                if self.chosen_model.get_untracked() == OWN_MODEL {
                    self.tell(Event::SetModel { model: OWN_MODEL, file: file.into() });
                }
            }
            Err(problem) => self.model_download.set(Download::Failed(problem)),
        }
    }

    /// Waits until there is an engine.
    pub(crate) async fn engine_is_here(self) {
        while self.engine_download.get_untracked() != Download::Here {
            browser::pause(TICK).await;
        }
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
        match news {
            News::Status(status) => self.engine.set(Some(status)),
            News::Model { model, card } => self.model_ready(model, *card),
            News::ModelRefused { model, reason } => self.model_refused(model, &reason),
            News::Opened { song, info } => self.on(song, |song| song.opened(info)),
            News::NeedsBrowser { song, info } => {
                self.on(song, |song| song.opened(info.clone()));
                spawn_local(self.decode_in_browser(song, info));
            }
            News::Clip { song, verdict, end_seconds, milliseconds, columns, .. } => {
                if self.microphone.is(song) {
                    self.microphone.hear(&verdict);
                } else {
                    let columns = workers::attached_bytes(columns);
                    self.clip_heard(song, verdict, end_seconds, milliseconds, &columns);
                }
            }
            News::Progress { song, progress } => self.on(song, |song| {
                song.track.update_value(|track| track.read = progress);
                self.refresh_soon(song);
            }),
            News::Done { song, seconds, notices } => self.on(song, |song| {
                song.done(seconds, notices);
                self.announce(song.sentence());
            }),
            News::Failed { song, problem } => self.failed(song, problem),
            News::Recording { song, file, .. } => self.recorded(song, file.and_then(decode::as_file)),
            News::Level { song, seconds, columns, .. } => {
                if self.microphone.is(song) {
                    self.microphone.level(seconds, &workers::attached_bytes(columns));
                }
            }
        }
    }

    // The songs.

    /// Puts files on the list and into the queue, one a frame: a browser that
    /// puts up two hundred cards at once does nothing else for a while.
    pub(crate) fn add(self, files: Vec<File>) {
        spawn_local(async move {
            for file in files {
                let song = self.enter(&file);
                self.songs.update(|songs| songs.push(song.clone()));
                self.tell(Event::Add { song: song.id, file: file.into() });
                browser::next_turn().await;
            }
        });
    }

    /// A new song of this visit for `file`.
    fn enter(self, file: &File) -> Song {
        let id = self.new_song();
        self.with(|held| held.files.insert(id, file.clone()));
        Song::new(id, &file.name(), self.chosen_model.get_untracked())
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

    /// The song of that name, while it is on the list.
    pub(crate) fn song(self, id: SongId) -> Option<Song> {
        self.songs.with_untracked(|songs| songs.iter().find(|song| song.id == id).cloned())
    }

    fn on(self, id: SongId, act: impl FnOnce(&Song)) {
        if let Some(song) = self.song(id) {
            act(&song);
        }
    }

    fn clip_heard(self, id: SongId, verdict: ClipVerdict, end: f64, milliseconds: f64, columns: &[u8]) {
        self.on(id, |song| {
            // A song that was added for a model refused since is heard by another.
            let card = self.card(song.model).or_else(|| self.card(self.chosen_model.get_untracked()));
            let Some(card) = card else { return };
            song.name_genres(&card.genres);
            let start = (end - f64::from(card.spectrogram.clip_seconds)).max(0.0);
            let heard = HeardClip { verdict, start, end };
            song.track.update_value(|track| track.add(heard, milliseconds, columns));
            self.refresh_soon(song);
        });
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
            return self.microphone.failed(words::problem(&problem));
        }
        self.on(id, |song| {
            let sentence = words::announce_problem(&song.title_untracked(), &problem);
            song.failed(problem);
            self.announce(sentence);
        });
    }

    /// Stops hearing a song; what has been heard of it stays.
    pub(crate) fn cancel(self, song: &Song) {
        song.cancelled();
        self.player.pause_if(song.id);
        self.tell(Event::Cancel { song: song.id });
    }

    /// Stops everything that is waiting or being heard.
    pub(crate) fn cancel_all(self) {
        for song in self.songs.get_untracked() {
            song.cancelled();
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
    }

    /// Takes every song off the list that is neither waiting nor being heard.
    pub(crate) fn clear(self) {
        for song in self.songs.get_untracked() {
            if !song.is_active() {
                self.player.forget(song.id);
                self.with(|held| held.files.remove(&song.id));
            }
        }
        self.songs.update(|songs| songs.retain(Song::is_active));
    }

    /// Hears a song anew, in its place, with the model chosen now.
    pub(crate) fn hear_again(self, song: &Song) {
        let Some(file) = self.file(song.id) else { return };
        self.player.forget(song.id);
        let again = self.enter(&file);
        self.with(|held| held.files.remove(&song.id));
        self.songs.update(|songs| {
            if let Some(place) = songs.iter_mut().find(|other| other.id == song.id) {
                *place = again.clone();
            }
        });
        self.tell(Event::Add { song: again.id, file: file.into() });
    }

    /// What only the browser can decode it does decode, all at once.
    async fn decode_in_browser(self, id: SongId, info: SongInfo) {
        let Some(file) = self.file(id) else { return };
        let decoded = decode::in_browser(&file, &info).await;
        // It may have been stopped meanwhile.
        if !self.song(id).is_some_and(|song| song.is_active()) {
            return;
        }
        match decoded {
            Ok((sample_rate, channels)) => self.tell(Event::Samples { song: id, sample_rate, channels }),
            Err(problem) => self.tell(Event::NoSamples { song: id, problem }),
        }
    }

    fn recorded(self, id: SongId, file: Option<File>) {
        let heard_live = self.microphone.is(id);
        match file {
            Some(file) if heard_live => {
                self.microphone.kept();
                self.add(vec![file]);
            }
            Some(file) => self.player.play_instead(id, &file),
            None if heard_live => {
                self.microphone.kept();
                self.note(words::NOT_KEPT.into());
            }
            None => {
                if self.player.give_up(id) {
                    self.note(words::UNPLAYABLE.into());
                }
            }
        }
    }

    /// Has a screen reader say `sentence`, or a count where several songs end
    /// close together.
    fn announce(self, sentence: String) {
        let first = self.with(|held| {
            held.ended = (held.ended.0 + 1, sentence);
            held.ended.0 == 1
        });
        if first {
            set_timeout(move || self.say_what_ended(), ANNOUNCE_AFTER);
        }
    }

    fn say_what_ended(self) {
        let (ended, last) = self.with(|held| std::mem::take(&mut held.ended));
        let left = self.songs.with_untracked(|songs| songs.iter().filter(|song| song.is_active()).count());
        self.said.set(if ended == 1 { last } else { words::announce_many(ended, left) });
    }

    // The models.

    /// What a model says of itself, once it can be used.
    pub(crate) fn card(self, id: ModelId) -> Option<Arc<ModelCard>> {
        self.models.with_untracked(|models| {
            models.iter().find(|model| model.id == id).and_then(|model| model.card().cloned())
        })
    }

    /// Offers a weights file to the engine and, where it takes it, chooses it.
    pub(crate) fn add_model(self, file: File) {
        spawn_local(async move {
            let name = file.name();
            match model::read(&file).await {
                Ok(bytes) => {
                    let id = self.with(|held| {
                        held.next_model += 1;
                        let id = ModelId(held.next_model);
                        held.model_files.insert(id, bytes.clone());
                        Some(id)
                    });
                    let Some(id) = id else { return };
                    self.models.update(|models| models.push(Model::loading(id, &name)));
                    self.choose_model(id);
                }
                Err(reason) => self.note(words::model_refused(&name, &reason)),
            }
        });
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
            self.said.set(words::model_ready(&name));
        }
    }

    fn model_refused(self, id: ModelId, reason: &str) {
        self.with(|held| held.model_files.remove(&id));
        let refused = self.models.try_update(|models| {
            let at = models.iter().position(|model| model.id == id)?;
            Some(models.remove(at))
        });
        if self.chosen_model.get_untracked() == id {
            let ready = |models: &Vec<Model>| {
                models.iter().rfind(|model| model.card().is_some()).map(|model| model.id)
            };
            self.chosen_model.set(self.models.with_untracked(ready).unwrap_or(OWN_MODEL));
        }
        if let Some(Some(model)) = refused {
            self.note(words::model_refused(model.label(), reason));
        }
    }

    // What belongs to no song.

    /// Shows a sentence above the list, and has it said.
    pub(crate) fn note(self, sentence: String) {
        self.said.set(sentence.clone());
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
