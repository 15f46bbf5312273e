//! Everything that was found, for machines.
//!
//! In: the songs. Out: `window.needledrop.results()`, a JSON text with every
//! clip's probabilities; browser tests read it.

use js_sys::Reflect;
use leptos::prelude::*;
use serde::Serialize;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::Closure;

use super::browser;
use super::desk::Desk;
use super::song::{Song, SongState};
use crate::engine::protocol::{SongInfo, SongNotice, SongProblem};

#[derive(Serialize)]
struct SongResult {
    song: u32,
    file: String,
    /// Name of the model that heard it.
    model: Option<String>,
    state: &'static str,
    info: SongInfo,
    seconds: Option<f64>,
    genres: Vec<String>,
    /// Mean over the clips; empty where there is none.
    probabilities: Vec<f32>,
    clips: Vec<ClipResult>,
    notices: Vec<SongNotice>,
    problem: Option<SongProblem>,
}

#[derive(Serialize)]
struct ClipResult {
    clip: usize,
    start: f64,
    end: f64,
    /// Empty for silence.
    probabilities: Vec<f32>,
}

fn result_of(desk: Desk, song: &Song) -> SongResult {
    let state = song.state.get_untracked();
    let (clips, verdict) = song.track.with_value(|track| {
        let clips = track.clips().iter().map(|heard| ClipResult {
            clip: heard.verdict.clip,
            start: heard.start,
            end: heard.end,
            probabilities: heard.verdict.probabilities.clone(),
        });
        (clips.collect(), track.verdict())
    });
    SongResult {
        song: song.id.0,
        file: song.file_name.to_string(),
        model: desk.card(song.model).map(|card| card.name.clone()),
        state: state.code(),
        info: song.info.get_untracked(),
        seconds: song.seconds.get_untracked(),
        genres: song.genres.get_untracked(),
        probabilities: verdict.probabilities().to_vec(),
        clips,
        notices: song.notices.get_untracked(),
        problem: match state {
            SongState::Failed(problem) => Some(problem),
            _ => None,
        },
    }
}

fn json(desk: Desk) -> String {
    let results: Vec<_> =
        desk.songs.with_untracked(|songs| songs.iter().map(|song| result_of(desk, song)).collect());
    // All of it has a JSON form; a text that cannot be written is no text.
    serde_json::to_string(&results).unwrap_or_default()
}

/// Puts `results` beside what the start script left in `window.needledrop`.
pub(crate) fn offer(desk: Desk) {
    let results = Closure::<dyn Fn() -> String>::new(move || json(desk)).into_js_value();
    let window: JsValue = window().into();
    let mut shelf = browser::property(&window, "needledrop");
    if !shelf.is_object() {
        shelf = browser::object(&[]).into();
        // A window takes any property.
        let _ = Reflect::set(&window, &JsValue::from_str("needledrop"), &shelf);
    }
    let _ = Reflect::set(&shelf, &JsValue::from_str("results"), &results);
}
