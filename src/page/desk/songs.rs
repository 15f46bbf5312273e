//! The songs of this visit: put on, stopped, heard again, let go.
//!
//! In: files, and what the engine tells of them. Out: the list, the announcements, and what the
//! keeper is to keep.

use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;
use web_sys::File;

use super::Desk;
use crate::engine::pool::Event;
use crate::engine::protocol::{SongId, SongInfo, SongProblem};
use crate::page::keeper;
use crate::page::song::{FileState, Song};
use crate::page::words::{self, t};
use crate::page::{Counts, browser, decode};
use crate::sound::song::LEAST_SECONDS;

/// How long songs that end are gathered before they are announced together.
const ANNOUNCE_AFTER: Duration = Duration::from_millis(1000);

/// The same while others are still to be heard and something was announced just now:
/// a folder of songs shall not be read out one by one.
const ANNOUNCE_NEXT_AFTER: Duration = Duration::from_secs(10);

impl Desk {
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

    /// Every song, those of this visit first.
    pub(crate) fn all_songs(self) -> Vec<Song> {
        let mut songs = self.songs.get_untracked();
        self.keeper.kept.with_untracked(|kept| songs.extend(kept.iter().cloned()));
        songs
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

    pub(super) fn on(self, id: SongId, act: impl FnOnce(&Song)) {
        if let Some(song) = self.song(id) {
            act(&song);
        }
    }

    /// Shows what is new of `song` with the next frame, however many clips have
    /// come until then.
    pub(super) fn refresh_soon(self, song: &Song) {
        let first = self.with(|held| {
            let first = held.stale.is_empty();
            if held.stale.iter().all(|other| other.id != song.id) {
                held.stale.push(song.clone());
            }
            first
        });
        if first {
            request_animation_frame(move || {
                for song in self.with(|held| std::mem::take(&mut held.stale)) {
                    song.refresh();
                }
            });
        }
    }

    pub(super) fn failed(self, id: SongId, problem: SongProblem) {
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
        self.say(self.summary());
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
    pub(crate) fn let_go(self, song: SongId) {
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
            self.keeper.is_brought(file);
            self.hear_kept(song, file);
        } else {
            self.note(t!("library.other_file", offered = &offered.name, wanted = &song.file.name));
        }
    }

    /// What only the browser can decode it does decode, all at once.
    pub(super) async fn decode_in_browser(self, id: SongId, info: SongInfo) {
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

    pub(super) fn recorded(self, id: SongId, file: Option<File>, seconds: f64) {
        let heard_live = self.microphone.is(id);
        // What no network could hear would be a card that says so, far below the button.
        let file = file.filter(|_| !heard_live || seconds >= LEAST_SECONDS);
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
                self.classroom.recording.set(None);
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
    pub(super) fn announce(self, sentence: String) {
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
        self.say(if ended == 1 { last } else { self.summary() });
    }

    fn summary(self) -> String {
        words::summary(self.songs.with_untracked(|songs| untrack(|| Counts::of(songs))))
    }
}
