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
    /// Over the clips; empty where there is none.
    probabilities: Vec<f32>,
    /// What is said of the song: `unheard`, `silence`, `genre`, `not_sure` or
    /// `not_music`.
    verdict: &'static str,
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
    /// How much it is like music, where the model says how to know.
    score: Option<f32>,
    /// Whether that is too little.
    refused: bool,
}

fn result_of(song: &Song) -> SongResult {
    let state = song.state.get_untracked();
    let (clips, verdict) = song.track.with_value(|track| {
        let clips = track.clips().iter().map(|heard| ClipResult {
            clip: heard.verdict.clip,
            start: heard.start,
            end: heard.end,
            probabilities: heard.verdict.probabilities.clone(),
            score: heard.verdict.score,
            refused: heard.verdict.refused,
        });
        (clips.collect(), track.verdict())
    });
    SongResult {
        song: song.id.0,
        file: song.file.name.clone(),
        model: song.heard_by.with_untracked(|by| by.as_ref().map(|by| by.name.clone())),
        state: state.code(),
        info: song.info.get_untracked(),
        seconds: song.seconds.get_untracked(),
        genres: song.genres.get_untracked(),
        probabilities: verdict.probabilities().to_vec(),
        verdict: verdict.code(),
        clips,
        notices: song.notices.get_untracked(),
        problem: match state {
            SongState::Failed(problem) => Some(problem),
            _ => None,
        },
    }
}

fn json(desk: Desk) -> String {
    let results: Vec<_> = desk.songs.with_untracked(|songs| songs.iter().map(result_of).collect());
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
