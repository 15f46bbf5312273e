//! The models of a visit: which one is used, and what it says of itself.
//!
//! In: weights files, the page's own and those a person brings or brought in an earlier
//! visit. Out: a choice among them, and the card of the chosen one in words.

use std::sync::Arc;

use js_sys::{ArrayBuffer, Uint8Array};
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{File, HtmlInputElement, HtmlSelectElement};

use super::desk::{Desk, Download, OWN_MODEL, PAPERS_MODEL};
use super::engine_status::DownloadLine;
use super::keeper::Keeping;
use super::store::StoreProblem;
use super::words::{self, sentence, t};
use super::{browser, colors, focus};
use crate::engine::protocol::ModelId;
use crate::library::record::{FNV_START, fnv};
use crate::network::card::ModelCard;

/// Largest weights file that is tried, in bytes: the paper's largest network is
/// a twentieth of it.
const MOST_BYTES: f64 = 256e6;

/// Bytes whose digest is computed in one turn: some milliseconds' work.
const HASHED_AT_ONCE: u32 = 4 << 20;

/// How far a model is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ModelState {
    /// It was brought in an earlier visit, and the engine has not been given it.
    Kept,
    /// The engine has it and has not said yet what it thinks of it.
    Loading,
    /// It can be used.
    Ready(Arc<ModelCard>),
}

/// One model of this visit.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Model {
    /// Its name in the protocol.
    pub(crate) id: ModelId,
    /// How far it is.
    pub(crate) state: ModelState,
    file_name: String,
}

impl Model {
    /// A model that the engine has just been given.
    pub(crate) fn loading(id: ModelId, file_name: &str) -> Self {
        Self { id, state: ModelState::Loading, file_name: file_name.to_owned() }
    }

    /// A model of an earlier visit.
    pub(crate) fn kept(id: ModelId, file_name: String) -> Self {
        Self { id, state: ModelState::Kept, file_name }
    }

    /// What it says of itself, once it can be used.
    pub(crate) fn card(&self) -> Option<&Arc<ModelCard>> {
        match &self.state {
            ModelState::Kept | ModelState::Loading => None,
            ModelState::Ready(card) => Some(card),
        }
    }

    /// What people call it.
    pub(crate) fn label(&self) -> &str {
        let name = self.card().map_or("", |card| &card.name);
        if name.is_empty() { &self.file_name } else { name }
    }
}

/// Whether somebody brought a model of that name.
pub(crate) fn is_brought(id: ModelId) -> bool {
    id.0 > PAPERS_MODEL.0
}

/// Whether a file is meant as a model and not as a song.
pub(crate) fn is_weights(name: &str) -> bool {
    name.len() >= 12 && name.to_ascii_lowercase().ends_with(".safetensors")
}

/// The bytes of a weights file.
///
/// # Errors
/// Why it is not even shown to the engine, in words.
pub(crate) async fn read(file: &File) -> Result<ArrayBuffer, String> {
    if file.size() > MOST_BYTES {
        return Err(t!("model.too_large", limit = words::megabytes(MOST_BYTES)));
    }
    match JsFuture::from(file.array_buffer()).await {
        Ok(bytes) => Ok(bytes.unchecked_into()),
        Err(error) => Err(browser::describe(&error)),
    }
}

/// Digest of a weights file, in hexadecimal: SHA-256, or FNV-1a where the browser computes
/// none, as without https.
pub(crate) async fn digest(file: &ArrayBuffer) -> String {
    let subtle = browser::property(&browser::property(&window(), "crypto"), "subtle");
    let Ok(digest) = browser::call_async(&subtle, "digest", &[&"SHA-256".into(), file]).await else {
        let (mut hash, mut place) = (FNV_START, 0);
        while place < file.byte_length() {
            let bytes = Uint8Array::new(&file.slice_with_end(place, place.saturating_add(HASHED_AT_ONCE)));
            hash = fnv(hash, &bytes.to_vec());
            place = place.saturating_add(HASHED_AT_ONCE);
            browser::next_turn().await;
        }
        return format!("{hash:016x}");
    };
    let bytes = Uint8Array::new(&digest).to_vec();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The choice of a model for songs to come.
#[component]
pub(crate) fn ModelChoice(
    /// What tests call it.
    testid: &'static str,
) -> impl IntoView {
    let desk = expect_context::<Desk>();
    let chosen = desk.chosen_model;
    let choose = move |event: leptos::ev::Event| {
        let select: HtmlSelectElement = event_target(&event);
        if let Ok(id) = select.value().parse() {
            desk.choose_model(ModelId(id));
        }
    };
    // The page's own is chosen at first, also while it has not come.
    let listed = move || {
        let mut models = desk.models.get();
        if chosen.get() == OWN_MODEL && models.iter().all(|model| model.id != OWN_MODEL) {
            models.insert(0, Model::loading(OWN_MODEL, &t!("model.pages_own")));
        }
        models
    };
    view! {
        <select data-testid=testid on:change=choose prop:value=move || chosen.get().0.to_string()>
            <For each=listed key=|model| (model.id, model.label().to_owned()) let:model>
                <option value=model.id.0.to_string() selected=move || chosen.get() == model.id>
                    {model.label().to_owned()}
                </option>
            </For>
        </select>
    }
}

/// The model in use: its choice, its card, and how to bring another.
#[component]
pub(crate) fn ModelPanel() -> impl IntoView {
    let desk = expect_context::<Desk>();
    let models = desk.models;
    let chosen = desk.chosen_model;
    let card = Memo::new(move |_| {
        let chosen = chosen.get();
        models.with(|models| {
            models.iter().find(|model| model.id == chosen).and_then(|model| model.card().cloned())
        })
    });
    let bring = move |event: leptos::ev::Event| {
        let input: HtmlInputElement = event_target(&event);
        if let Some(file) = input.files().and_then(|files| files.get(0)) {
            leptos::task::spawn_local(desk.add_model(file));
        }
        input.set_value("");
    };
    view! {
        <section class="panel" aria-labelledby="model-heading" data-testid="model">
            <h2 id="model-heading">{sentence("model.heading")}</h2>
            <label class="field">
                <span class="quiet">{sentence("model.for_next")}</span>
                <ModelChoice testid="model-choice" />
            </label>
            <div class="card-place">
                {move || {
                    let is_own = chosen.get() == OWN_MODEL;
                    card.get().map(|card| view! { <Card card is_own /> })
                }}
            </div>
            <Kept />
            <PapersModel />
            <p class="quiet small">{sentence("model.own")}</p>
            <label class="button secondary">
                <input
                    type="file"
                    class="unseen"
                    accept=".safetensors"
                    data-testid="pick-model"
                    on:change=bring
                />
                {sentence("model.choose")}
            </label>
        </section>
    }
}

/// Whether a model that somebody brought is there at the next visit, too, and how to have that
/// otherwise.
#[component]
fn Kept() -> impl IntoView {
    let desk = expect_context::<Desk>();
    let chosen = desk.chosen_model;
    let is_shown = Memo::new(move |_| {
        desk.models.with(|models| {
            is_brought(chosen.get())
                && models.iter().any(|model| model.id == chosen.get() && model.card().is_some())
        })
    });
    let keeping = Memo::new(move |_| desk.keeps_model(chosen.get()));
    let is_to_be = move || matches!(keeping.get(), Some(Keeping::Opening | Keeping::Kept));
    let says = move || match keeping.get() {
        Some(Keeping::Opening) => String::new(),
        Some(Keeping::Kept) => t!("model.kept"),
        // Of what keeps nothing, another sentence speaks of songs.
        None | Some(Keeping::Refused(StoreProblem::Absent)) => t!("model.not_kept"),
        Some(problem) => words::keeping(&problem).unwrap_or_default(),
    };
    let change = move |_| match keeping.get_untracked() {
        Some(Keeping::Opening) => {}
        Some(Keeping::Kept) => desk.forget_model(chosen.get_untracked()),
        _ => desk.keep_model(chosen.get_untracked()),
    };
    view! {
        <Show when=move || is_shown.get()>
            <p id="model-kept" class="quiet small" role="status" data-testid="model-kept">{says}</p>
            <Show when=move || keeping.get() != Some(Keeping::Refused(StoreProblem::Absent))>
                <button
                    class="quiet-button"
                    aria-describedby="model-kept"
                    data-testid="keep-model"
                    on:click=change
                >
                    {move || if is_to_be() { t!("model.keep_not") } else { t!("model.keep") }}
                </button>
            </Show>
        </Show>
    }
}

/// The paper's network, for who wants it: a button, then how far it has come.
#[component]
fn PapersModel() -> impl IntoView {
    let desk = expect_context::<Desk>();
    let is_waiting = Memo::new(move |_| desk.papers_download.get() == Download::Waiting);
    view! {
        <Show when=move || is_waiting.get()>
            <p class="quiet small">{sentence("model.papers_why")}</p>
            <button
                class="quiet-button"
                data-testid="papers-model"
                on:click=move |_| {
                    desk.load_papers_model();
                    focus::hand_on([], "[data-testid=model-choice]");
                }
            >
                {sentence("model.papers")}
            </button>
        </Show>
        {papers_download(desk)}
    }
}

/// How far the paper's network is that was asked for.
pub(crate) fn papers_download(desk: Desk) -> AnyView {
    let retry = Callback::new(move |()| desk.load_papers_model());
    let download = desk.papers_download;
    view! { <DownloadLine what="download.papers_model" download tag="needledrop-papers-bytes" retry /> }
        .into_any()
}

/// A model card in words: limits first, then where its numbers come from.
#[component]
fn Card(
    /// The card.
    card: Arc<ModelCard>,
    /// Whether it is the page's own, of which the experiments tell more.
    is_own: bool,
) -> impl IntoView {
    view! {
        <details class="card-details" data-testid="model-card">
            <summary>{sentence("model.about")}</summary>
            // All of it follows the language, and the details stay as open as they are.
            {move || facts(&card)}
            {is_own.then(|| view! { <p><a href="#experiments">{sentence("model.whole_card")}</a></p> })}
        </details>
    }
}

fn facts(card: &ModelCard) -> impl IntoView + use<> {
    let said = |text: &str| if text.is_empty() { t!("model.not_said") } else { text.to_owned() };
    let facts = [
        (t!("model.trained_on"), said(&card.training.data)),
        (t!("model.split"), words::split(&card.training.split)),
        (t!("model.recipe"), said(&words::recipe(&card.training.recipe))),
        (t!("model.hears"), words::hears(card)),
        (t!("model.combined"), words::combined(card)),
        (t!("model.refuses"), words::refused(card)),
        (t!("model.date"), said(&card.date)),
        (t!("model.licence"), said(&card.licence)),
    ];
    let scores: Vec<_> = if card.scores.is_empty() {
        vec![t!("model.no_scores")]
    } else {
        card.scores.iter().map(words::score).collect()
    };
    let legend: Vec<_> = (0..card.genres.len())
        .map(|index| {
            let class = colors::chip(index);
            view! {
                <li>
                    <span class=class aria-hidden="true">{colors::letters(&card.genres, index)}</span>
                    {words::genre(&card.genres[index])}
                </li>
            }
        })
        .collect();
    view! {
        <p>{words::limits(&card.genres, card.rejection.is_some())}</p>
        <dl>
            {facts
                .into_iter()
                .map(|(name, value)| view! { <dt>{name}</dt> <dd>{value}</dd> })
                .collect_view()}
            <dt>{t!("model.scores")}</dt>
            {scores.into_iter().map(|score| view! { <dd>{score}</dd> }).collect_view()}
            <dt>{t!("model.genres")}</dt>
            <dd><ul class="legend">{legend}</ul></dd>
        </dl>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_known_by_their_name() {
        assert!(is_weights("my.SafeTensors") && is_weights(".safetensors"));
        assert!(!is_weights("safetensors.mp3") && !is_weights("a"));
    }
}
