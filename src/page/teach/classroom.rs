//! The state of a lesson: classes, their files, and what was learnt.
//!
//! In: files for a class, and what the engine makes of them. Out: signals that
//! the view shows, and a lesson for the engine. It stands on the desk, so that a
//! lesson goes on while another view is open; a reload ends it.

use std::collections::{BTreeMap, HashMap};

use js_sys::{ArrayBuffer, Date, Float32Array, Uint8Array};
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::File;

use super::outcome;
use crate::engine::pool::{EngineStatus, Event, Update as News};
use crate::engine::protocol::{ModelId, SongId, SongProblem};
use crate::library::record::FileKey;
use crate::page::desk::{Desk, OWN_MODEL};
use crate::page::keeper::key_of;
use crate::page::microphone::Listening;
use crate::page::words::{self, t};
use crate::page::{browser, colors};
use crate::teaching::{
    held_out::HeldOut,
    lesson::{Lesson, LessonProblem, Recording},
};

/// Files of a class that are put on its list in one go.
const FILES_A_FRAME: usize = 8;

/// Clips studied of one file: two minutes, so that no file outweighs the others.
const CLIPS_A_FILE: usize = 40;

/// Values kept of all clips together: 64 MB. The page's own network makes 512 of
/// a clip.
const MOST_VALUES: u32 = 16_000_000;

/// Classes at most: each shall have a colour of its own in a timeline.
const MOST_CLASSES: usize = colors::COUNT;

/// A class of this visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ClassId(pub(crate) u32);

/// A class and the files it is taught by; copies are the same one.
#[derive(Clone, Copy)]
pub(crate) struct Class {
    /// Its name in this visit.
    pub(crate) id: ClassId,
    /// What the person calls it.
    pub(crate) name: RwSignal<String>,
    /// Its files, in the order they came.
    pub(crate) examples: RwSignal<Vec<Example>>,
}

/// A file of a class; copies are the same one.
#[derive(Clone)]
pub(crate) struct Example {
    /// Its name among the songs, which it goes to the engine with.
    pub(crate) song: SongId,
    /// What the file is called.
    pub(crate) name: String,
    /// Name, size and date: the same file is not taken twice.
    key: FileKey,
    /// How far it is.
    pub(crate) state: RwSignal<Studied>,
}

/// How far a file has been studied.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Studied {
    /// It waits, or so many clips with sound have been studied.
    Studying(usize),
    /// All that is wanted of it: so many clips with sound.
    Done(usize),
    /// It cannot be heard.
    Failed(SongProblem),
    /// There was no room left for it.
    NoRoom,
}

impl Studied {
    /// Whether there is, or may be, something to be learnt from it.
    pub(crate) fn is_usable(&self) -> bool {
        matches!(self, Self::Studying(_) | Self::Done(1..))
    }

    /// Clips with sound.
    pub(crate) fn clips(&self) -> usize {
        match self {
            Self::Studying(clips) | Self::Done(clips) => *clips,
            Self::Failed(_) | Self::NoRoom => 0,
        }
    }
}

/// What the lesson is doing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Stage {
    /// Nothing: examples are being gathered.
    #[default]
    Gathering,
    /// Learning: epochs done, epochs at most.
    Learning(usize, usize),
    /// It has been learnt.
    Learnt(Learnt),
    /// It could not be.
    Failed(LessonProblem),
}

/// What came of a lesson.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Learnt {
    /// The classes, as they were called.
    pub(crate) classes: Vec<String>,
    /// Clips that were learnt from.
    pub(crate) clips: usize,
    /// Files that they are of.
    pub(crate) files: usize,
    /// What was said of held-out files.
    pub(crate) held_out: Option<HeldOut>,
    /// From the button to the model.
    pub(crate) milliseconds: f64,
}

/// Handle on the lesson; copies are the same one.
#[derive(Clone, Copy)]
pub(crate) struct Classroom {
    /// The classes, in the order of the logits to be.
    pub(crate) classes: RwSignal<Vec<Class>>,
    /// What the lesson is doing.
    pub(crate) stage: RwSignal<Stage>,
    /// Whose convolutions study: the model chosen when the first file came.
    pub(crate) model: RwSignal<Option<ModelId>>,
    /// The class that the microphone listens for.
    pub(crate) recording: RwSignal<Option<ClassId>>,
    /// What the model just learnt is called in this visit, once it is used.
    pub(crate) used: RwSignal<Option<ModelId>>,
    held: StoredValue<Held, LocalStorage>,
    /// Who keeps the signals of classes and files: the desk's, since a view's would
    /// let them go with the view.
    owner: StoredValue<Owner>,
}

/// What belongs to JavaScript or is nobody else's business.
#[derive(Default)]
struct Held {
    /// What the convolutions made of each file's clips that are not silent.
    features: HashMap<SongId, BTreeMap<usize, Float32Array>>,
    values: u32,
    /// The model just learnt.
    file: Option<Uint8Array>,
    lesson: Option<Lesson>,
    next_class: u32,
    recordings: u32,
    /// Names that a link gave.
    proposed: Vec<String>,
}

impl Classroom {
    /// Two classes without a name and without examples.
    pub(crate) fn new() -> Self {
        let classroom = Self {
            classes: RwSignal::default(),
            stage: RwSignal::default(),
            model: RwSignal::default(),
            recording: RwSignal::default(),
            used: RwSignal::default(),
            held: StoredValue::new_local(Held::default()),
            owner: StoredValue::new(Owner::current().unwrap_or_default()),
        };
        classroom.put_up_class(String::new());
        classroom.put_up_class(String::new());
        classroom
    }

    fn with<T: Default>(self, act: impl FnOnce(&mut Held) -> T) -> T {
        self.held.try_update_value(act).unwrap_or_default()
    }

    fn signal<T: Send + Sync + 'static>(self, value: T) -> RwSignal<T> {
        self.owner.with_value(|owner| owner.with(|| RwSignal::new(value)))
    }

    // Classes.

    /// Names the classes, where nobody has named or filled any.
    pub(crate) fn propose(self, desk: Desk, names: &[&str]) {
        let proposed = self.with(|held| held.proposed.clone());
        let untouched = self.classes.with_untracked(|classes| {
            classes.iter().all(|class| {
                let is_nobodys = |name: &String| name.is_empty() || proposed.contains(name);
                class.name.with_untracked(is_nobodys) && class.examples.with_untracked(Vec::is_empty)
            })
        });
        // The same link again undoes nothing.
        if names.len() < 2 || proposed.iter().eq(names) {
            return;
        }
        if !untouched || self.is_recording(desk) {
            let present = self.classes.get_untracked().into_iter().map(|class| class.name.get_untracked());
            if present.ne(names.iter().copied()) {
                desk.note(t!("teach.link_passed_over"));
            }
            return;
        }
        self.with(|held| held.proposed = names.iter().map(|name| (*name).to_owned()).collect());
        self.classes.set(Vec::new());
        names.iter().take(MOST_CLASSES).for_each(|name| self.put_up_class((*name).to_owned()));
        // What was said of those before is of the past.
        self.recording.set(None);
        self.changed(desk);
    }

    /// Whether the microphone listens for a class, or is about to, or what it heard is being kept.
    pub(crate) fn is_recording(self, desk: Desk) -> bool {
        self.recording.with(Option::is_some) && !desk.microphone.state.with(Listening::is_over)
    }

    /// One more class, without a name.
    pub(crate) fn add_class(self, desk: Desk) {
        self.put_up_class(String::new());
        self.changed(desk);
    }

    fn put_up_class(self, name: String) {
        let id = self.with(|held| {
            held.next_class += 1;
            held.next_class
        });
        let class = Class { id: ClassId(id), name: self.signal(name), examples: self.signal(Vec::new()) };
        self.classes.update(|classes| classes.push(class));
    }

    /// Whether there is room for one more class.
    pub(crate) fn has_room(self) -> bool {
        self.classes.with(|classes| classes.len() < MOST_CLASSES)
    }

    /// Forgets a class and its files.
    pub(crate) fn remove_class(self, desk: Desk, id: ClassId) {
        let Some(class) = self.class(id) else { return };
        // Nothing is listened to for a class that is gone, and nobody could stop it here.
        if self.recording.get_untracked() == Some(id) {
            self.recording.set(None);
            desk.microphone.end(desk);
        }
        for example in class.examples.get_untracked() {
            self.remove(desk, id, example.song);
        }
        self.classes.update(|classes| classes.retain(|class| class.id != id));
        self.changed(desk);
    }

    fn class(self, id: ClassId) -> Option<Class> {
        self.classes.with_untracked(|classes| classes.iter().find(|class| class.id == id).copied())
    }

    /// What was learnt, or is being learnt, is of other examples now.
    pub(crate) fn changed(self, desk: Desk) {
        if matches!(self.stage.get_untracked(), Stage::Learning(..)) {
            desk.tell(Event::Unteach);
        }
        if !matches!(self.stage.get_untracked(), Stage::Gathering) {
            self.with(|held| {
                held.file = None;
                held.lesson = None;
            });
            self.used.set(None);
            self.stage.set(Stage::Gathering);
        }
    }

    // Files.

    /// Takes files for a class, and has the engine study them: a few a frame, since each gets
    /// a row. Whoever stops everything, or removes the class, wants none of the rest either.
    pub(crate) fn add(self, desk: Desk, id: ClassId, files: Vec<File>) {
        let stops = desk.stops();
        spawn_local(async move {
            let mut doubled = 0_usize;
            for (at, file) in files.into_iter().enumerate() {
                if at > 0 && at % FILES_A_FRAME == 0 {
                    browser::next_turn().await;
                }
                let Some(class) = self.class(id).filter(|_| desk.stops() == stops) else { break };
                doubled += usize::from(!self.take(desk, class, file));
            }
            if doubled > 0 {
                desk.note(t!("teach.doubled", count = doubled));
            }
        });
    }

    /// Takes a file for a class; `false` where one of the classes has it, and more than a
    /// row that says that it could not be studied.
    fn take(self, desk: Desk, class: Class, file: File) -> bool {
        let key = key_of(&file);
        let classes = self.classes.get_untracked();
        let rows = classes.iter().flat_map(|class| {
            class.examples.get_untracked().into_iter().map(move |example| (class.id, example))
        });
        let in_vain = rows.filter(|(_, example)| {
            let is_in_vain = |state: &Studied| matches!(state, Studied::Failed(_) | Studied::NoRoom);
            example.key == key && example.state.with_untracked(is_in_vain)
        });
        for (class, example) in in_vain.collect::<Vec<_>>() {
            self.remove(desk, class, example.song);
        }
        let has_it = |class: &Class| {
            class.examples.with_untracked(|examples| examples.iter().any(|example| example.key == key))
        };
        if self.classes.with_untracked(|classes| classes.iter().any(has_it)) {
            return false;
        }
        let model = self.model.get_untracked().unwrap_or_else(|| desk.chosen_model.get_untracked());
        let song = desk.new_song();
        desk.keep_file(song, &file);
        let state = self.signal(Studied::Studying(0));
        let example = Example { song, name: file.name(), key, state };
        class.examples.update(|examples| examples.push(example));
        self.model.set(Some(model));
        self.changed(desk);
        desk.tell(Event::Study { song, model, file: file.into(), clips: CLIPS_A_FILE });
        true
    }

    /// Takes what the microphone heard, if it listened for a class; gives it back
    /// if not, or if there is no engine any more that could study it.
    pub(crate) fn take_recording(self, desk: Desk, file: File) -> Option<File> {
        let class = self.recording.get_untracked();
        self.recording.set(None);
        let is_given_up =
            |status: &Option<EngineStatus>| status.as_ref().is_some_and(|status| status.problem.is_some());
        let class = class.filter(|class| self.class(*class).is_some());
        let Some(class) = class.filter(|_| !desk.engine.with_untracked(is_given_up)) else {
            return Some(file);
        };
        let number = self.with(|held| {
            held.recordings += 1;
            held.recordings
        });
        let name = t!("teach.recording_name", number = number);
        self.add(desk, class, vec![browser::renamed(file, &name)]);
        None
    }

    /// Forgets a file.
    pub(crate) fn remove(self, desk: Desk, class: ClassId, song: SongId) {
        let Some(class) = self.class(class) else { return };
        let was_studied = self.studies(song);
        class.examples.update(|examples| examples.retain(|example| example.song != song));
        self.forget_features(song);
        desk.forget_file(song);
        desk.tell(Event::Cancel { song });
        if self.examples().is_empty() {
            self.model.set(None);
        }
        self.changed(desk);
        if was_studied && self.clips() > 0 {
            self.ended(desk, None);
        }
    }

    /// The file that comes into the place of `song` when it is removed, or the one before.
    pub(crate) fn neighbour(self, class: ClassId, song: SongId) -> Option<SongId> {
        let songs: Vec<_> =
            self.class(class)?.examples.get_untracked().iter().map(|example| example.song).collect();
        let place = songs.iter().position(|other| *other == song)?;
        songs.get(place + 1).or_else(|| songs.get(place.checked_sub(1)?)).copied()
    }

    fn forget_features(self, song: SongId) {
        self.with(|held| {
            let clips = held.features.remove(&song).unwrap_or_default();
            held.values -= clips.values().map(Float32Array::length).sum::<u32>();
        });
    }

    /// The files of all classes.
    fn examples(self) -> Vec<Example> {
        self.classes.with_untracked(|classes| {
            classes.iter().flat_map(|class| class.examples.get_untracked()).collect()
        })
    }

    fn example(self, song: SongId) -> Option<Example> {
        self.examples().into_iter().find(|example| example.song == song)
    }

    /// Whether a file of that name is being studied.
    pub(crate) fn studies(self, song: SongId) -> bool {
        let studying = |example: Example| matches!(example.state.get_untracked(), Studied::Studying(_));
        self.example(song).is_some_and(studying)
    }

    /// Whether any class has an example.
    pub(crate) fn has_examples(self) -> bool {
        !self.examples().is_empty()
    }

    /// Whether any file is still being studied.
    pub(crate) fn is_studying(self) -> bool {
        let studying = |example: &Example| example.state.with(|state| matches!(state, Studied::Studying(_)));
        self.classes
            .with(|classes| classes.iter().any(|class| class.examples.with(|all| all.iter().any(studying))))
    }

    /// The model that studies was refused: what waits is studied by the one that took its
    /// place. Of files that were studied before, the other's features are of no use beside.
    pub(crate) fn model_refused(self, desk: Desk, refused: ModelId, instead: ModelId) {
        if self.model.get_untracked() != Some(refused) {
            return;
        }
        self.model.set(Some(instead));
        for example in self.examples() {
            if matches!(example.state.get_untracked(), Studied::Done(1..)) {
                self.forget_features(example.song);
                example.state.set(Studied::Failed(SongProblem::ModelRefused));
                self.changed(desk);
            }
        }
    }

    // What the engine says.

    /// Takes news that are a lesson's; gives back what is not.
    pub(crate) fn hear(self, desk: Desk, news: News<JsValue>) -> Option<News<JsValue>> {
        match news {
            News::Features { song, clip, features } => self.studied(desk, song, clip, features),
            News::Done { song, .. } if self.example(song).is_some() => self.file_done(desk, song),
            News::Failed { song, problem } => match self.example(song) {
                Some(example) => {
                    desk.forget_file(song);
                    self.forget_features(song);
                    let sentence = words::announce_problem(&example.name, &problem);
                    example.state.set(Studied::Failed(problem));
                    self.ended(desk, Some(sentence));
                }
                None => return Some(News::Failed { song, problem }),
            },
            News::Learning { done, all } => {
                if matches!(self.stage.get_untracked(), Stage::Learning(..)) {
                    self.stage.set(Stage::Learning(done, all));
                }
            }
            News::Taught { file, held_out, milliseconds } => {
                self.learnt(desk, file, held_out, milliseconds);
            }
            // Of a lesson that was stopped nothing is told.
            News::NotTaught { problem } => {
                if self.with(|held| held.lesson.take()).is_some() {
                    self.failed(desk, problem);
                }
            }
            news => return Some(news),
        }
        None
    }

    fn studied(self, desk: Desk, song: SongId, clip: usize, features: Option<JsValue>) {
        let Some(example) = self.example(song) else { return };
        let features = features.and_then(|features| features.dyn_into::<Float32Array>().ok());
        // Silence has none.
        let Some(features) = features.filter(|features| features.length() > 0) else { return };
        let (clips, fits) = self.with(|held| {
            let fits = held.values.saturating_add(features.length()) <= MOST_VALUES;
            let clips = held.features.entry(song).or_default();
            if fits && clips.insert(clip, features.clone()).is_none() {
                held.values += features.length();
            }
            (clips.len(), fits)
        });
        if fits {
            example.state.set(Studied::Studying(clips));
        } else {
            self.forget_features(song);
            desk.forget_file(song);
            desk.tell(Event::Cancel { song });
            example.state.set(Studied::NoRoom);
            let problem = t!("teach.no_room");
            self.ended(desk, Some(t!("song.said_problem", title = &example.name, problem = problem)));
        }
    }

    fn file_done(self, desk: Desk, song: SongId) {
        desk.forget_file(song);
        // One without room has been told of.
        if let Some(example) = self.example(song).filter(|_| self.studies(song)) {
            let clips = example.state.with_untracked(Studied::clips);
            example.state.set(Studied::Done(clips));
            self.ended(desk, None);
        }
    }

    /// A file is studied no more: says what is to be said of it, and that it was the last where
    /// none is left.
    fn ended(self, desk: Desk, sentence: Option<String>) {
        let last = (!self.is_studying()).then(|| t!("teach.all_studied", count = self.clips()));
        let sentences: Vec<String> = sentence.into_iter().chain(last).collect();
        if !sentences.is_empty() {
            desk.say(sentences.join(" "));
        }
    }

    /// Clips with sound in all classes.
    pub(crate) fn clips(self) -> usize {
        let clips = |example: &Example| example.state.with(Studied::clips);
        self.classes.with(|classes| {
            classes.iter().map(|class| class.examples.with(|all| all.iter().map(clips).sum::<usize>())).sum()
        })
    }

    // Learning.

    /// Has the engine learn what there is.
    pub(crate) fn learn(self, desk: Desk) {
        let classes = self.classes.get_untracked();
        let names: Vec<String> =
            classes.iter().map(|class| class.name.get_untracked().trim().to_owned()).collect();
        let mut recordings = Vec::new();
        let mut clips = Vec::new();
        self.with(|held| {
            for (class, examples) in classes.iter().map(|class| class.examples.get_untracked()).enumerate() {
                for studied in examples.iter().filter_map(|example| held.features.get(&example.song)) {
                    recordings.push(Recording { class, clips: studied.len() });
                    clips.extend(studied.values().cloned());
                }
            }
        });
        let lesson = Lesson { name: names.join(" / "), classes: names, recordings, date: today() };
        if let Err(problem) = lesson.check() {
            return self.failed(desk, problem);
        }
        let features = joined(&clips);
        self.with(|held| {
            held.lesson = Some(lesson.clone());
            held.file = None;
        });
        self.used.set(None);
        self.stage.set(Stage::Learning(0, 1));
        desk.say(t!("teach.learning"));
        let model = self.model.get_untracked().unwrap_or(OWN_MODEL);
        desk.tell(Event::Teach { model, lesson, features: features.into() });
    }

    fn learnt(self, desk: Desk, file: JsValue, held_out: Option<HeldOut>, milliseconds: f64) {
        // It may have been changed meanwhile.
        let (Ok(file), Some(lesson)) = (file.dyn_into::<Uint8Array>(), self.with(|held| held.lesson.take()))
        else {
            return;
        };
        let learnt = Learnt {
            clips: lesson.clips(),
            files: lesson.recordings.iter().filter(|recording| recording.clips > 0).count(),
            classes: lesson.classes,
            held_out,
            milliseconds,
        };
        self.with(|held| held.file = Some(file));
        desk.say(outcome::accuracy(&learnt));
        self.stage.set(Stage::Learnt(learnt));
    }

    fn failed(self, desk: Desk, problem: LessonProblem) {
        desk.say(outcome::problem(&problem));
        self.stage.set(Stage::Failed(problem));
    }

    /// The file of the model just learnt.
    pub(crate) fn file(self) -> Option<Uint8Array> {
        self.with(|held| held.file.clone())
    }

    /// Has the songs to come heard by the model just learnt.
    pub(crate) fn use_it(self, desk: Desk) {
        let (Some(file), Stage::Learnt(learnt)) = (self.file(), self.stage.get_untracked()) else { return };
        match self.used.get_untracked() {
            Some(model) => desk.choose_model(model),
            None => {
                // A copy: this one may still be saved.
                let bytes: ArrayBuffer = file.slice(0, file.length()).buffer().unchecked_into();
                self.used.set(desk.offer_model(&learnt.classes.join(" / "), bytes, None));
            }
        }
    }
}

/// Values of all clips, one after the other.
fn joined(clips: &[Float32Array]) -> Float32Array {
    let all = Float32Array::new_with_length(clips.iter().map(Float32Array::length).sum());
    let mut place = 0;
    for clip in clips {
        all.set(clip, place);
        place += clip.length();
    }
    all
}

/// The day, `YYYY-MM-DD`.
fn today() -> String {
    String::from(Date::new_0().to_iso_string()).chars().take(10).collect()
}
