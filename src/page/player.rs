//! What sounds: one song at a time.
//!
//! In: a song's file, or our own PCM of it where the browser cannot play the
//! file. Out: where in which song the sound is, for the playheads.

use gloo::events::EventListener;
use leptos::html::Div;
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen_futures::JsFuture;
use web_sys::{File, HtmlAudioElement, Url};

use super::desk::Desk;
use super::words::t;
use crate::engine::pool::Event;
use crate::engine::protocol::SongId;

/// What the player does with its song.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Playing {
    /// Nothing, or it is held.
    #[default]
    Paused,
    /// Our own PCM of it is being made.
    Preparing,
    /// It sounds.
    Sounding,
}

/// What a slider says of where it is: whole seconds; and of a sound that goes on, while it has the
/// keyboard, where it was when that came, or where one has led it. A screen reader would
/// speak each second.
pub(crate) fn told(
    player: Player,
    slider: NodeRef<Div>,
    at: impl Fn() -> f64 + Send + Sync + 'static,
) -> Memo<f64> {
    // How far on a sound is between two looks at it, at most.
    const STEP: f64 = 0.5;
    let last = StoredValue::new(f64::INFINITY);
    Memo::new(move |before: Option<&f64>| {
        let (now, state) = (at(), player.state.get());
        let since = now - last.try_update_value(|last| std::mem::replace(last, now)).unwrap_or(now);
        let is_read =
            || slider.get_untracked().is_some_and(|slider| slider.matches(":focus-visible").unwrap_or(false));
        match before {
            Some(told) if state == Playing::Sounding && (0.0..STEP).contains(&since) && is_read() => *told,
            _ => now.floor(),
        }
    })
}

/// A stretch of the song, in seconds, that starts anew when it ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Repeat {
    /// Where it begins.
    pub(crate) from: f64,
    /// Where it ends.
    pub(crate) to: f64,
}

impl Repeat {
    /// Shortest stretch that can be heard as one.
    const LEAST: f64 = 0.25;

    /// The stretch between two seconds; `None` where there is hardly any.
    pub(crate) fn between(from: f64, to: f64) -> Option<Self> {
        (to - from >= Self::LEAST).then_some(Self { from, to })
    }

    /// Whether a second lies in it.
    pub(crate) fn holds(self, second: f64) -> bool {
        (self.from..self.to).contains(&second)
    }
}

/// Handle on the one player; copies are the same player.
#[derive(Clone, Copy)]
pub(crate) struct Player {
    /// The song it has.
    pub(crate) song: RwSignal<Option<SongId>>,
    /// What it does with it.
    pub(crate) state: RwSignal<Playing>,
    /// Where in the song it is, in seconds.
    pub(crate) at: RwSignal<f64>,
    /// The stretch that sounds again and again.
    pub(crate) repeat: RwSignal<Option<Repeat>>,
    /// Whether the playhead is to be moved with the next frame.
    following: StoredValue<bool>,
    deck: StoredValue<Option<Deck>, LocalStorage>,
    pcm: StoredValue<Pcm, LocalStorage>,
}

/// Our own PCM of songs that the browser cannot play.
#[derive(Default)]
struct Pcm {
    /// The song of which it is being made: the engine makes it of one at a time.
    coming: Option<SongId>,
    /// What was made last: of more there would soon be gigabytes.
    made: Option<(SongId, File)>,
}

impl Pcm {
    /// No PCM of a song is waited for any more: whether it was.
    fn give_up(&mut self, song: SongId) -> bool {
        self.coming.take_if(|coming| *coming == song).is_some()
    }
}

/// The audio element and what lies on it.
struct Deck {
    audio: HtmlAudioElement,
    /// Address of the file in the browser, given back when the next one comes.
    url: Option<String>,
    /// Whether it is our own PCM already.
    transcoded: bool,
    /// Whether it shall sound as soon as it can.
    wanted: bool,
    _ears: Vec<EventListener>,
}

impl Player {
    /// A player with no song.
    pub(crate) fn new() -> Self {
        Self {
            song: RwSignal::new(None),
            state: RwSignal::default(),
            at: RwSignal::new(0.0),
            repeat: RwSignal::new(None),
            following: StoredValue::new(false),
            deck: StoredValue::new_local(None),
            pcm: StoredValue::new_local(Pcm::default()),
        }
    }

    /// Plays the song, or holds it if it plays. One without its file leaves the
    /// player as it is.
    pub(crate) fn toggle(self, desk: Desk, song: SongId) {
        if self.song.get_untracked() != Some(song) {
            if self.load(desk, song, 0.0) {
                self.start();
            }
        } else if self.state.get_untracked() == Playing::Paused {
            self.start();
        } else {
            self.pause();
        }
    }

    /// Goes to a place in the song; with `play`, the sound goes on from there.
    /// A place outside the stretch that repeats ends the repeating.
    pub(crate) fn seek(self, desk: Desk, song: SongId, seconds: f64, play: bool) {
        if self.song.get_untracked() == Some(song) {
            if self.repeat.get_untracked().is_some_and(|repeat| !repeat.holds(seconds)) {
                self.repeat.set(None);
            }
            self.at.set(seconds);
            self.with_audio(|audio| audio.set_current_time(seconds));
        } else if !self.load(desk, song, seconds) {
            return;
        }
        if play {
            self.start();
        }
    }

    /// Holds the sound.
    pub(crate) fn pause(self) {
        self.with_audio(|audio| {
            // A paused element that is paused again throws nothing.
            let _ = audio.pause();
        });
        self.want(false);
        self.state.set(Playing::Paused);
    }

    fn want(self, wanted: bool) {
        self.deck.update_value(|deck| {
            if let Some(deck) = deck {
                deck.wanted = wanted;
            }
        });
    }

    /// Holds the sound if it is this song's.
    fn pause_if(self, song: SongId) {
        if self.song.get_untracked() == Some(song) {
            self.pause();
        }
    }

    /// The engine wants no more of a song: no PCM of it comes any more.
    pub(crate) fn call_off(self, song: SongId) {
        self.pause_if(song);
        self.pcm.update_value(|pcm| {
            pcm.give_up(song);
        });
    }

    /// Lets go of the song's file.
    pub(crate) fn forget(self, song: SongId) {
        self.pcm.update_value(|pcm| {
            pcm.give_up(song);
            pcm.made.take_if(|(made, _)| *made == song);
        });
        if self.song.get_untracked() != Some(song) {
            return;
        }
        self.pause();
        self.repeat.set(None);
        self.song.set(None);
        self.at.set(0.0);
        self.deck.update_value(|deck| {
            if let Some(deck) = deck {
                deck.give_back_url();
                // Nothing depends on whether the attribute was there.
                let _ = deck.audio.remove_attribute("src");
                deck.audio.load();
            }
        });
    }

    /// Plays our own PCM of a song that the browser cannot play.
    pub(crate) fn play_instead(self, song: SongId, wav: &File) {
        self.pcm.update_value(|pcm| {
            // The song may have been forgotten meanwhile.
            if pcm.give_up(song) {
                pcm.made = Some((song, wav.clone()));
            }
        });
        if self.song.get_untracked() != Some(song) {
            return;
        }
        self.put_on(wav, true);
        if self.state.get_untracked() == Playing::Preparing {
            self.start();
        }
    }

    /// No PCM could be made of a song: says whether anybody still waits for it.
    pub(crate) fn give_up(self, song: SongId) -> bool {
        self.pcm.update_value(|pcm| {
            pcm.give_up(song);
        });
        let waits =
            self.song.get_untracked() == Some(song) && self.state.get_untracked() == Playing::Preparing;
        if waits {
            self.state.set(Playing::Paused);
        }
        waits
    }

    fn with_audio<T>(self, act: impl FnOnce(&HtmlAudioElement) -> T) -> Option<T> {
        self.deck.with_value(|deck| deck.as_ref().map(|deck| act(&deck.audio)))
    }

    /// Whether the song's file is at hand, which is on the deck then.
    fn load(self, desk: Desk, song: SongId, seconds: f64) -> bool {
        let Some(file) = desk.file(song) else { return false };
        if self.deck.with_value(Option::is_none) {
            self.deck.set_value(Deck::new(self, desk));
        }
        self.want(false);
        self.state.set(Playing::Paused);
        self.repeat.set(None);
        self.song.set(Some(song));
        self.at.set(seconds);
        match self.pcm.with_value(|pcm| pcm.made.clone()) {
            Some((made, wav)) if made == song => self.put_on(&wav, true),
            _ => self.put_on(&file, false),
        }
        true
    }

    fn put_on(self, file: &File, transcoded: bool) {
        self.deck.update_value(|deck| {
            let Some(deck) = deck else { return };
            deck.give_back_url();
            deck.transcoded = transcoded;
            deck.url = Url::create_object_url_with_blob(file).ok();
            if let Some(url) = &deck.url {
                deck.audio.set_src(url);
            }
        });
    }

    fn start(self) {
        let song = self.song.get_untracked();
        self.want(true);
        if song.is_some() && self.pcm.with_value(|pcm| pcm.coming == song) {
            return self.state.set(Playing::Preparing);
        }
        self.with_audio(|audio| {
            // What could not be played says so again only when it is loaded again.
            if audio.error().is_some() {
                audio.load();
            }
        });
        let Some(Ok(started)) = self.with_audio(|audio| audio.play()) else { return };
        spawn_local(async move {
            if JsFuture::from(started).await.is_err() {
                self.refused(song);
            }
        });
    }

    /// The browser does not begin: it cannot play the file, which the element's own error
    /// event says too, or it wants a press first.
    fn refused(self, song: Option<SongId>) {
        let is_coming = song.is_some() && self.pcm.with_value(|pcm| pcm.coming == song);
        if self.song.get_untracked() == song && self.state.get_untracked() == Playing::Preparing && !is_coming
        {
            self.state.set(Playing::Paused);
        }
    }

    /// Moves the playhead with every frame while there is sound.
    fn follow(self) {
        let sounds = self.state.get_untracked() == Playing::Sounding;
        self.following.set_value(sounds);
        if sounds {
            self.turn_back();
            if let Some(at) = self.with_audio(|audio| audio.current_time()) {
                self.at.set(at);
            }
            request_animation_frame(move || self.follow());
        }
    }

    /// Starts the stretch that repeats anew where it has ended.
    fn turn_back(self) {
        let Some(repeat) = self.repeat.get_untracked() else { return };
        self.with_audio(|audio| {
            if audio.current_time() >= repeat.to {
                audio.set_current_time(repeat.from);
            }
        });
    }

    /// The song has sounded to its end, where the stretch that repeats may end too.
    fn ended(self) {
        match self.repeat.get_untracked() {
            Some(repeat) => {
                self.with_audio(|audio| audio.set_current_time(repeat.from));
                self.start();
            }
            None => self.held(),
        }
    }

    fn sounds(self) {
        if self.state.get_untracked() != Playing::Sounding {
            self.state.set(Playing::Sounding);
            // Held and begun again since the last frame, it is followed still.
            if !self.following.get_value() {
                self.follow();
            }
        }
    }

    /// Held, maybe by the system while the page is hidden and no frame moves the playhead.
    fn paused(self) {
        if self.state.get_untracked() == Playing::Sounding
            && let Some(at) = self.with_audio(|audio| audio.current_time())
        {
            self.at.set(at);
        }
        self.held();
    }

    fn held(self) {
        if self.state.get_untracked() == Playing::Sounding {
            self.state.set(Playing::Paused);
        }
    }

    fn loaded(self) {
        let at = self.at.get_untracked();
        if at > 0.0 {
            self.with_audio(|audio| audio.set_current_time(at));
        }
    }

    /// The browser cannot play what it was given: our own PCM is the next try,
    /// and the last.
    fn unplayable(self, desk: Desk) {
        let Some(song) = self.song.get_untracked() else { return };
        let transcoded = self.deck.with_value(|deck| deck.as_ref().is_none_or(|deck| deck.transcoded));
        match desk.file(song) {
            Some(file) if !transcoded => {
                if self.deck.with_value(|deck| deck.as_ref().is_some_and(|deck| deck.wanted)) {
                    self.state.set(Playing::Preparing);
                }
                if self.pcm.with_value(|pcm| pcm.coming != Some(song)) {
                    self.pcm.update_value(|pcm| pcm.coming = Some(song));
                    desk.tell(Event::Transcode { song, file: file.into() });
                }
            }
            _ => {
                self.state.set(Playing::Paused);
                desk.note(t!("song.unplayable"));
            }
        }
    }
}

impl Deck {
    fn new(player: Player, desk: Desk) -> Option<Self> {
        let audio = HtmlAudioElement::new().ok()?;
        let on = |name: &'static str, act: fn(Player)| EventListener::new(&audio, name, move |_| act(player));
        let ears = vec![
            on("playing", Player::sounds),
            on("pause", Player::paused),
            // What is taken off the deck while it sounds is not told to pause.
            on("emptied", Player::held),
            on("ended", Player::ended),
            // Comes also while the page is hidden, when there are no frames.
            on("timeupdate", Player::turn_back),
            on("loadedmetadata", Player::loaded),
            EventListener::new(&audio, "error", move |_| player.unplayable(desk)),
        ];
        Some(Self { audio, url: None, transcoded: false, wanted: false, _ears: ears })
    }

    fn give_back_url(&mut self) {
        if let Some(url) = self.url.take() {
            // Revoking an address that is gone already is no error.
            let _ = Url::revoke_object_url(&url);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_that_repeats_has_some_length() {
        assert_eq!(Repeat::between(3.0, 6.0), Some(Repeat { from: 3.0, to: 6.0 }));
        assert_eq!(Repeat::between(6.0, 3.0), None);
        assert_eq!(Repeat::between(3.0, 3.1), None);
        assert!(Repeat { from: 3.0, to: 6.0 }.holds(3.0) && !Repeat { from: 3.0, to: 6.0 }.holds(6.0));
    }
}
