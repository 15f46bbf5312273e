//! What sounds now, and the recording that it leaves.
//!
//! In: a microphone, with the browser's speech processing off, or the sound of
//! another tab or of the system where the browser can share it; at the device's
//! own rate. Out: its samples, through a port straight to the engine's worker;
//! from there the live spectrogram and the verdict on the last three seconds,
//! and at the end a recording that becomes a song.

use std::time::Duration;

use gloo::events::EventListener;
use js_sys::{Array, Object};
use leptos::html::Canvas;
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AudioContext, AudioWorkletNode, MediaDevices, MediaStream, MediaStreamAudioSourceNode,
    MediaStreamConstraints, MediaStreamTrack, MessageChannel, MessagePort, MouseEvent,
};

use super::browser;
use super::desk::{Desk, OWN_MODEL};
use super::focus;
use super::history::{self, History};
use super::spectrogram::Scroll;
use super::verdict::Bars;
use super::views;
use super::words::{self, sentence, t};
use super::workers::EngineAddress;
use crate::classify::verdict::ClipVerdict;
use crate::engine::pool::Event;
use crate::engine::protocol::{LONGEST_RECORDING, ModelId, SongId};
use crate::network::card::ModelCard;
use crate::order::ranking;

/// How long the last samples may take from the worklet to the worker.
const LAST_SAMPLES: Duration = Duration::from_millis(80);

/// How long the browser's sound may take to start.
const SOUND_STARTS: Duration = Duration::from_secs(8);

/// Where the sound comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A microphone.
    Microphone,
    /// Another tab, or the whole system.
    Shared,
}

/// Why nothing is heard.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum MicrophoneProblem {
    /// The page came by plain http from another machine.
    Insecure,
    /// The browser has no such thing.
    Unsupported,
    /// The person said no, now or once.
    Denied,
    /// There is none.
    Absent,
    /// Another program has it.
    Busy,
    /// The browser's sound does not start, without which nothing is heard: Firefox
    /// for one needs something to play on for it, and says nothing where it is not.
    NotStarted,
    /// The engine, which hears it, did not come.
    NoEngine,
    /// Something else: what the browser or the engine says.
    Failed(String),
    /// The person shared nothing.
    NotShared,
    /// What the person shared has no sound.
    SharedSilent,
    /// It could not be shared: what the browser says.
    SharedFailed(String),
}

impl From<JsValue> for MicrophoneProblem {
    fn from(error: JsValue) -> Self {
        Self::Failed(detail(&error))
    }
}

impl MicrophoneProblem {
    /// By the name of the exception that `getUserMedia` ends with (Media Capture
    /// and Streams, 10.2).
    fn of(error: &JsValue) -> Self {
        match browser::property(error, "name").as_string().as_deref() {
            Some("NotAllowedError") => Self::Denied,
            Some("SecurityError") => Self::Insecure,
            Some("NotFoundError" | "OverconstrainedError") => Self::Absent,
            Some("NotReadableError" | "AbortError") => Self::Busy,
            _ => Self::Failed(detail(error)),
        }
    }

    /// By the name of the exception that `getDisplayMedia` ends with (Screen
    /// Capture, 5.1).
    fn of_sharing(error: &JsValue) -> Self {
        match browser::property(error, "name").as_string().as_deref() {
            Some("NotAllowedError" | "AbortError") => Self::NotShared,
            Some("NotFoundError" | "NotReadableError") => Self::SharedSilent,
            _ => Self::SharedFailed(detail(error)),
        }
    }

    /// As it is said of what comes from `source`: what is shared is no microphone.
    fn with(self, source: Source) -> Self {
        match self {
            Self::Failed(detail) if source == Source::Shared => Self::SharedFailed(detail),
            Self::Unsupported if source == Source::Shared => Self::SharedFailed("getDisplayMedia".to_owned()),
            problem => problem,
        }
    }
}

/// What a thrown value says of itself, or else its name: it is said in brackets, which shall
/// not be empty.
fn detail(error: &JsValue) -> String {
    let said = browser::describe(error);
    if !said.is_empty() {
        return said;
    }
    let name = browser::property(error, "name").as_string();
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| "Error".to_owned())
}

/// What the microphone does.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Listening {
    /// Nothing.
    #[default]
    Off,
    /// The engine, which hears it, is on its way.
    Waiting(Source),
    /// The person is being asked.
    Asking(Source),
    /// It hears, for this song to be.
    On(SongId),
    /// The recording of that song is being made.
    Keeping(SongId),
    /// It could not be used, and why.
    Problem(MicrophoneProblem),
}

impl Listening {
    /// Whether nothing is listened to, nor about to be, nor still being kept.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self, Self::Off | Self::Problem(_))
    }

    /// Whether something is listened to, or still being kept, which is put up in the list.
    pub(crate) fn is_shown(&self) -> bool {
        matches!(self, Self::On(_) | Self::Keeping(_))
    }
}

/// Handle on the one microphone; copies are the same one.
#[derive(Clone, Copy)]
pub(crate) struct Microphone {
    /// What it does.
    pub(crate) state: RwSignal<Listening>,
    /// The model that hears it, whichever is chosen meanwhile.
    pub(crate) model: RwSignal<ModelId>,
    /// How long it has heard, in seconds.
    pub(crate) seconds: RwSignal<f64>,
    /// Genres of the last three seconds, most probable first; `None` before the
    /// first verdict, empty for silence.
    ranking: RwSignal<Option<Vec<(usize, f32)>>>,
    /// Whether they were refused as not music.
    refused: RwSignal<bool>,
    /// What was heard, for half an hour.
    pub(crate) history: RwSignal<History>,
    scroll: StoredValue<Scroll>,
    /// Told when the picture has moved on.
    moved: Trigger,
    line: StoredValue<Option<Line>, LocalStorage>,
    /// Where the sound comes from that was asked for last.
    source: StoredValue<Source>,
    /// How often it was started or called off: what an earlier start still brings is
    /// let go.
    starts: StoredValue<u32>,
}

/// Everything that has to live while the microphone is on.
struct Line {
    stream: MediaStream,
    context: AudioContext,
    _source: MediaStreamAudioSourceNode,
    capture: AudioWorkletNode,
    /// What keeps the screen on, where the browser has given it.
    screen: Option<JsValue>,
    _ears: Vec<EventListener>,
}

impl Microphone {
    /// A microphone that is off.
    pub(crate) fn new() -> Self {
        Self {
            state: RwSignal::default(),
            model: RwSignal::new(OWN_MODEL),
            seconds: RwSignal::new(0.0),
            ranking: RwSignal::new(None),
            refused: RwSignal::new(false),
            history: RwSignal::default(),
            scroll: StoredValue::default(),
            moved: Trigger::new(),
            line: StoredValue::new_local(None),
            source: StoredValue::new(Source::Microphone),
            starts: StoredValue::new(0),
        }
    }

    /// Whether `song` is what it hears or has just heard.
    pub(crate) fn is(self, song: SongId) -> bool {
        self.state.with_untracked(
            |state| matches!(state, Listening::On(own) | Listening::Keeping(own) if *own == song),
        )
    }

    /// Asks for the sound and listens.
    pub(crate) fn start(self, desk: Desk, source: Source) {
        // For a song, unless a class says that it is for it.
        desk.classroom.recording.set(None);
        let start = self.next_start();
        self.source.set_value(source);
        if !window().is_secure_context() {
            return self.give_up(desk, MicrophoneProblem::Insecure);
        }
        spawn_local(async move {
            // No microphone is on before there is somebody to hear it. What is shared is
            // asked for at once: browsers want that to follow the press of a button.
            if source == Source::Microphone && !self.engine_comes(desk, source, start).await {
                return;
            }
            self.state.set(Listening::Asking(source));
            let (line, port) = match Line::open(self, desk, source).await {
                Ok(open) => open,
                Err(_) if self.starts.get_value() != start => return,
                Err(problem) => return self.give_up(desk, problem),
            };
            // Called off while the person was asked.
            if self.starts.get_value() != start {
                return line.close();
            }
            let sample_rate = line.context.sample_rate() as u32;
            self.line.set_value(Some(line));
            if source == Source::Shared && !self.engine_comes(desk, source, start).await {
                return;
            }
            // Whoever has shut it off meanwhile wants nothing heard.
            if !self.line.with_value(|line| line.as_ref().is_some_and(|line| line.stream.active())) {
                return self.call_off(desk);
            }
            let song = desk.new_song();
            self.scroll.set_value(Scroll::default());
            self.ranking.set(None);
            self.model.set(desk.chosen_model.get_untracked());
            self.seconds.set(0.0);
            self.state.set(Listening::On(song));
            desk.tell(Event::Listen { song, sample_rate, port: port.into() });
            self.stay_awake();
        });
    }

    fn next_start(self) -> u32 {
        self.starts.update_value(|starts| *starts += 1);
        self.starts.get_value()
    }

    /// Waits for the engine and for a model; `false` where one does not come, which is said, and where
    /// the start was called off meanwhile.
    async fn engine_comes(self, desk: Desk, source: Source, start: u32) -> bool {
        if desk.can_hear() {
            return true;
        }
        self.state.set(Listening::Waiting(source));
        let comes = desk.engine_comes().await;
        if self.starts.get_value() != start {
            return false;
        }
        if !comes {
            self.hang_up();
            self.give_up(desk, MicrophoneProblem::NoEngine);
        }
        comes
    }

    /// Wants nothing heard after all.
    fn call_off(self, desk: Desk) {
        self.next_start();
        self.hang_up();
        desk.classroom.recording.set(None);
        self.state.set(Listening::Off);
    }

    /// Starts it, calls the start off or stops it, whatever a press of its button means
    /// now; `true` where it has been started.
    pub(crate) fn press(self, desk: Desk, source: Source) -> bool {
        match self.state.get_untracked() {
            Listening::Off | Listening::Problem(_) => {
                self.start(desk, source);
                return true;
            }
            // Some browsers leave a question that is passed over without an answer.
            Listening::Waiting(_) | Listening::Asking(_) => self.call_off(desk),
            Listening::On(_) => self.stop(desk),
            Listening::Keeping(_) => {}
        }
        false
    }

    /// Has it heard no more, or not at all; what it heard is kept.
    pub(crate) fn end(self, desk: Desk) {
        match self.state.get_untracked() {
            Listening::Waiting(_) | Listening::Asking(_) => self.call_off(desk),
            _ => self.stop(desk),
        }
    }

    /// A model was refused; another hears what it was to hear.
    pub(crate) fn model_refused(self, refused: ModelId, instead: ModelId) {
        if self.model.get_untracked() == refused {
            self.model.set(instead);
        }
    }

    /// Keeps the screen on while it hears: a phone that locks itself hears no more. Not every
    /// browser can, nor always.
    fn stay_awake(self) {
        if !matches!(self.state.get_untracked(), Listening::On(_)) {
            return;
        }
        spawn_local(async move {
            let screens = browser::property(&window().navigator(), "wakeLock");
            let Ok(lock) = browser::call_async(&screens, "request", &[&"screen".into()]).await else {
                return;
            };
            let spare = self.line.try_update_value(|line| match line {
                Some(line) => line.screen.replace(lock),
                // It has been hung up meanwhile.
                None => Some(lock),
            });
            spare.flatten().iter().for_each(let_go);
        });
    }

    /// The system has taken the microphone for a while, as for a call: what was heard last is not
    /// what sounds now.
    fn muted(self, desk: Desk) {
        let hears = matches!(self.state.get_untracked(), Listening::On(_));
        if !hears || self.source.get_value() != Source::Microphone {
            return;
        }
        self.ranking.set(None);
        let sentence = t!("microphone.busy");
        // Once is enough, however often it happens.
        if desk.notes.with_untracked(|notes| notes.contains(&sentence)) {
            desk.say(sentence);
        } else {
            desk.note(sentence);
        }
    }

    fn is_muted(self) -> bool {
        let is_muted = |line: &Line| tracks(&line.stream).any(|track| track.muted());
        self.source.get_value() == Source::Microphone
            && self.line.with_value(|line| line.as_ref().is_some_and(is_muted))
    }

    /// The sound has ended by itself: nobody has pressed a button here who would know.
    fn ended(self, desk: Desk) {
        if matches!(self.state.get_untracked(), Listening::On(_)) {
            desk.say(t!("microphone.keeping"));
        }
        self.end(desk);
    }

    fn give_up(self, desk: Desk, problem: MicrophoneProblem) {
        let problem = problem.with(self.source.get_value());
        desk.say(words::microphone_problem(&problem));
        self.state.set(Listening::Problem(problem));
    }

    /// Stops listening and keeps what was heard.
    pub(crate) fn stop(self, desk: Desk) {
        let Listening::On(song) = self.state.get_untracked() else { return };
        self.state.set(Listening::Keeping(song));
        self.line.with_value(|line| {
            if let Some(line) = line {
                // A worklet that is gone has nothing left to send.
                let _ = line.capture.port().map(|port| port.post_message(&JsValue::from_str("stop")));
            }
        });
        set_timeout(
            move || {
                // Where there was no engine any more, another may be listening by now.
                if self.is(song) {
                    self.hang_up();
                }
                desk.tell(Event::StopListening { song });
            },
            LAST_SAMPLES,
        );
    }

    fn hang_up(self) {
        if let Some(line) = self.line.try_update_value(Option::take).flatten() {
            line.close();
        }
    }

    /// The recording has been made, or there is none. Where the engine was given up, nobody has
    /// hung up yet.
    pub(crate) fn kept(self) {
        self.hang_up();
        self.state.set(Listening::Off);
    }

    /// The engine could not go on listening.
    pub(crate) fn failed(self, desk: Desk, reason: String) {
        self.hang_up();
        self.give_up(desk, MicrophoneProblem::Failed(reason));
    }

    /// Takes in the verdict on the last three seconds, by the model with this card.
    pub(crate) fn hear(self, verdict: &ClipVerdict, model: ModelId, card: &ModelCard) {
        // A verdict that was on its way speaks of what sounded before; silence is what sounds.
        if !verdict.probabilities.is_empty() && self.is_muted() {
            return;
        }
        // The one that was chosen, or the first there was.
        if self.model.get_untracked() != model {
            self.model.set(model);
        }
        let seconds = f64::from(card.spectrogram.clip_seconds);
        self.history.maybe_update(|history| history.hear(verdict, history::now(), seconds, &card.genres));
        self.refused.set(verdict.refused);
        self.ranking.set(Some(ranking(&verdict.probabilities)));
    }

    /// Takes in the newest columns, `[frames, COLUMN_BANDS]`.
    pub(crate) fn level(self, seconds: f64, columns: &[u8]) {
        self.seconds.set(seconds);
        self.scroll.update_value(|scroll| scroll.push(columns));
        self.moved.notify();
    }
}

impl Line {
    /// The line, and the port at which its samples come out.
    async fn open(
        microphone: Microphone,
        desk: Desk,
        source: Source,
    ) -> Result<(Self, MessagePort), MicrophoneProblem> {
        let Some(address) = EngineAddress::of_page() else { return Err(MicrophoneProblem::NoEngine) };
        let stream = match source {
            Source::Microphone => ask().await?,
            Source::Shared => share().await?,
        };
        match Self::connect(&stream, &address, microphone, desk).await {
            Ok(line) => Ok(line),
            Err(problem) => {
                end(&stream);
                Err(problem)
            }
        }
    }

    async fn connect(
        stream: &MediaStream,
        address: &EngineAddress,
        microphone: Microphone,
        desk: Desk,
    ) -> Result<(Self, MessagePort), MicrophoneProblem> {
        // At the device's own rate: a rate forced here would be the browser's
        // resampling, and in Firefox an error.
        let context = AudioContext::new()?;
        let wired = Self::wire(&context, stream, address).await;
        let (source, capture, port) = match wired {
            Ok(wired) => wired,
            Err(problem) => {
                // One that does not run cannot fail to be closed.
                let _ = context.close();
                return Err(problem);
            }
        };
        let ended =
            tracks(stream).map(|track| EventListener::new(&track, "ended", move |_| microphone.ended(desk)));
        let muted =
            tracks(stream).map(|track| EventListener::new(&track, "mute", move |_| microphone.muted(desk)));
        let always = [keep_running(&context), come_back(&context, microphone)];
        let ears = ended.chain(muted).chain(always).collect();
        // Not `stream.clone()`, which is JavaScript's own and another stream, whose end
        // would leave the microphone on.
        let stream = Clone::clone(stream);
        Ok((Self { stream, context, _source: source, capture, screen: None, _ears: ears }, port))
    }

    /// Starts the browser's sound and leads the stream through the worklet; the port
    /// at which its samples come out is the last of the three.
    async fn wire(
        context: &AudioContext,
        stream: &MediaStream,
        address: &EngineAddress,
    ) -> Result<(MediaStreamAudioSourceNode, AudioWorkletNode, MessagePort), MicrophoneProblem> {
        browser::at_most(SOUND_STARTS, context.resume()?.unchecked_ref()).await?;
        if browser::property(context, "state") != "running" {
            return Err(MicrophoneProblem::NotStarted);
        }
        JsFuture::from(context.audio_worklet()?.add_module(&address.file("capture-worklet.js"))?).await?;
        let capture = AudioWorkletNode::new(context, "needledrop-capture")?;
        let source = context.create_media_stream_source(stream)?;
        source.connect_with_audio_node(&capture)?;
        // It sends out silence; unconnected, some browsers would not run it.
        capture.connect_with_audio_node(&context.destination())?;
        let channel = MessageChannel::new()?;
        let samples = browser::object(&[("port", channel.port1().into())]);
        capture.port()?.post_message_with_transferable(&samples, &Array::of1(&channel.port1()))?;
        Ok((source, capture, channel.port2()))
    }

    fn close(self) {
        end(&self.stream);
        self.screen.iter().for_each(let_go);
        // A context that is closed already is closed.
        let _ = self.context.close();
    }
}

/// Sound as it is: all that would make speech clearer makes music something else.
fn plain() -> Object {
    browser::object(&[
        ("echoCancellation", JsValue::FALSE),
        ("noiseSuppression", JsValue::FALSE),
        ("autoGainControl", JsValue::FALSE),
    ])
}

fn devices() -> Option<MediaDevices> {
    window().navigator().media_devices().ok().filter(|devices| !devices.is_undefined())
}

/// Whether the browser can share the sound of a tab or of the system. Some have
/// the call for pictures alone; only where sound can be shared does it mean
/// anything to hold it back.
fn can_share() -> bool {
    devices().is_some_and(|devices| {
        let supported = devices.get_supported_constraints();
        browser::property(&devices, "getDisplayMedia").is_function()
            && browser::property(&supported, "suppressLocalAudioPlayback").is_truthy()
    })
}

/// Asks for the sound of a tab or of the system. Browsers share none without a
/// picture, which is let go at once.
async fn share() -> Result<MediaStream, MicrophoneProblem> {
    let devices = devices().ok_or(MicrophoneProblem::Unsupported)?;
    let constraints = browser::object(&[
        ("audio", plain().into()),
        ("video", JsValue::TRUE),
        ("systemAudio", "include".into()),
        ("selfBrowserSurface", "exclude".into()),
    ]);
    let asked = devices.get_display_media_with_constraints(constraints.unchecked_ref());
    let asked = asked.map_err(|error| MicrophoneProblem::of_sharing(&error))?;
    let stream = JsFuture::from(asked).await.map_err(|error| MicrophoneProblem::of_sharing(&error))?;
    let stream: MediaStream = stream.dyn_into().map_err(|_| MicrophoneProblem::Unsupported)?;
    tracks(&stream).filter(|track| track.kind() == "video").for_each(|track| track.stop());
    if stream.get_audio_tracks().length() == 0 {
        return Err(MicrophoneProblem::SharedSilent);
    }
    Ok(stream)
}

/// Asks for a microphone.
async fn ask() -> Result<MediaStream, MicrophoneProblem> {
    let devices = devices().ok_or(MicrophoneProblem::Unsupported)?;
    let constraints = MediaStreamConstraints::new();
    constraints.set_audio(&plain());
    let asked = devices.get_user_media_with_constraints(&constraints);
    let asked = asked.map_err(|error| MicrophoneProblem::of(&error))?;
    let stream = JsFuture::from(asked).await.map_err(|error| MicrophoneProblem::of(&error))?;
    stream.dyn_into().map_err(|_| MicrophoneProblem::Unsupported)
}

/// Has the sound go on where the browser has interrupted it, as some do for a call or for
/// headphones that are taken off.
fn keep_running(context: &AudioContext) -> EventListener {
    let running = context.clone();
    EventListener::new(context, "statechange", move |_| go_on(&running))
}

/// Has the sound go on where the page is seen again, and the screen stay on, which browsers let
/// go while it is not seen.
fn come_back(context: &AudioContext, microphone: Microphone) -> EventListener {
    let context = context.clone();
    EventListener::new(&document(), "visibilitychange", move |_| {
        if !document().hidden() {
            go_on(&context);
            microphone.stay_awake();
        }
    })
}

fn go_on(context: &AudioContext) {
    let state = browser::property(context, "state").as_string();
    if state.is_some_and(|state| !["running", "closed"].contains(&state.as_str()))
        && let Ok(resumed) = context.resume()
    {
        // Where it may not go on yet, its state changes again once it may.
        spawn_local(async move { drop(JsFuture::from(resumed).await) });
    }
}

/// Lets the screen go off again.
fn let_go(lock: &JsValue) {
    // One that the browser has let go already is let go.
    let _ = browser::call(lock, "release", &[]);
}

fn tracks(stream: &MediaStream) -> impl Iterator<Item = MediaStreamTrack> {
    stream.get_tracks().into_iter().filter_map(|track| track.dyn_into().ok())
}

fn end(stream: &MediaStream) {
    tracks(stream).for_each(|track| track.stop());
}

/// Whether a press is the second of two in quick succession, which mean one.
pub(crate) fn is_second(event: &MouseEvent) -> bool {
    event.detail() > 1
}

/// The button that starts and ends listening, and what went wrong with it.
#[component]
pub(crate) fn MicrophoneButton() -> impl IntoView {
    let desk = expect_context::<Desk>();
    let microphone = desk.microphone;
    let state = microphone.state;
    let is_on = move || state.with(|state| matches!(state, Listening::On(_)));
    // A button that is disabled while it is pressed would lose the keyboard.
    let is_between = move || state.with(|state| matches!(state, Listening::Keeping(_)));
    let is_idle = move || state.with(|state| matches!(state, Listening::Off | Listening::Problem(_)));
    let press = move |event: MouseEvent| {
        if !is_second(&event) {
            microphone.press(desk, Source::Microphone);
        }
    };
    let share = move |_| {
        if is_idle() {
            microphone.start(desk, Source::Shared);
        }
    };
    let label = move || match state.get() {
        Listening::Off | Listening::Problem(_) => t!("microphone.listen"),
        Listening::Waiting(_) => t!("microphone.waiting"),
        Listening::Asking(_) => t!("microphone.asking"),
        Listening::On(_) => t!("microphone.stop"),
        Listening::Keeping(_) => t!("microphone.keeping"),
    };
    let problem = move || match state.get() {
        Listening::Problem(problem) => Some(words::microphone_problem(&problem)),
        _ => None,
    };
    view! {
        <div class="microphone" data-testid="microphone">
            <button
                class="button wide"
                class:on=is_on
                data-testid="listen"
                aria-disabled=move || is_between().to_string()
                on:click=press
            >
                <span class="lamp" aria-hidden="true"></span>
                {label}
            </button>
            {can_share().then(|| view! {
                <button
                    class="button wide"
                    data-testid="listen-shared"
                    aria-disabled=move || (!is_idle()).to_string()
                    on:click=share
                >
                    {sentence("microphone.listen_shared")}
                </button>
            })}
            {move || problem().map(|problem| view! { <p class="problem" data-testid="microphone-problem">{problem}</p> })}
        </div>
    }
}

/// What is heard now: the last seconds as a moving picture, and their verdict.
#[component]
pub(crate) fn Live() -> impl IntoView {
    let desk = expect_context::<Desk>();
    let microphone = desk.microphone;
    let shown = Memo::new(move |_| microphone.state.with(Listening::is_shown));
    Effect::new(move || {
        if shown.get() {
            // Once it is put up.
            request_animation_frame(views::show_list);
        }
    });
    view! { <Show when=move || shown.get()><LivePicture /></Show> }
}

/// The button of [`LivePicture`].
const STOP: &str = "[data-testid=live-stop]";

#[component]
fn LivePicture() -> impl IntoView {
    let desk = expect_context::<Desk>();
    let microphone = desk.microphone;
    let canvas = NodeRef::<Canvas>::new();
    Effect::new(move |_| {
        microphone.moved.track();
        if let Some(canvas) = canvas.get() {
            // A picture that cannot be drawn is not worth more than that.
            let _ = microphone.scroll.try_update_value(|scroll| scroll.draw(&canvas));
        }
    });
    let genres = move || {
        desk.models.track();
        desk.card(microphone.model.get()).map(|card| card.genres.clone()).unwrap_or_default()
    };
    // What is shown: a verdict of silence is no refusal, nor is none yet.
    let is_refused = move || {
        microphone.refused.get()
            && microphone.ranking.with(|ranking| ranking.as_ref().is_some_and(|ranking| !ranking.is_empty()))
    };
    let heading = move || match microphone.ranking.get() {
        None => t!("microphone.nothing_yet"),
        Some(ranking) => match ranking.first() {
            None => t!("song.silence"),
            Some(_) if is_refused() => t!("song.not_music"),
            Some(&(index, _)) => words::genre_at(&genres(), index),
        },
    };
    let state =
        move || microphone.ranking.with(|ranking| if ranking.is_some() { "heard" } else { "waiting" });
    let ranking = Signal::derive(move || microphone.ranking.get().unwrap_or_default());
    let is_long = Memo::new(move |_| microphone.seconds.get() > LONGEST_RECORDING as f64);
    let is_keeping = move || microphone.state.with(|state| matches!(state, Listening::Keeping(_)));
    let stop = move |event: MouseEvent| {
        if !is_second(&event) {
            microphone.stop(desk);
        }
    };
    // It goes as soon as the sound is kept, and would take the keyboard with it.
    Effect::new(move |_| {
        let stop_has_it = || document().active_element().is_some_and(|it| it.matches(STOP).unwrap_or(false));
        if is_keeping() && stop_has_it() {
            focus::lead_to("#songs-heading");
        }
    });
    view! {
        <section class="song live" aria-label=sentence("microphone.listening") data-testid="live">
            <header class="song-head">
                <div class="song-names">
                    <h3>{sentence("microphone.listening")}</h3>
                    <p class="quiet"><span class="tabular">{move || words::clock(microphone.seconds.get())}</span></p>
                    <Show when=move || is_long.get()>
                        <p class="quiet small">{sentence("microphone.last_hour")}</p>
                    </Show>
                </div>
                <p class="verdict" data-testid="live-verdict" data-state=state>{heading}</p>
            </header>
            <div class="picture">
                <canvas node_ref=canvas class="spectrogram" width="1" height="64" role="img" aria-label=sentence("microphone.picture")></canvas>
            </div>
            <div role="group" aria-label=sentence("microphone.verdict")>
                <Bars ranking genres=Signal::derive(genres) all=Signal::stored(true) />
            </div>
            <div class="live-foot">
                <p class="quiet small" class:gone=move || !is_refused() data-testid="live-refused">
                    {sentence("microphone.not_music_means")}
                </p>
                // On a phone the one that began it is out of sight.
                <div class="song-actions">
                    <button
                        class="quiet-button"
                        data-testid="live-stop"
                        aria-disabled=move || is_keeping().to_string()
                        on:click=stop
                    >
                        {move || if is_keeping() { t!("microphone.keeping") } else { t!("microphone.stop") }}
                    </button>
                </div>
            </div>
        </section>
    }
}
