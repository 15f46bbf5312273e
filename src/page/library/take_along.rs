//! Take it along: what is shown as files, one result as a link or a picture.
//!
//! In: songs. Out: CSV, JSON, M3U and PNG files that the browser saves or
//! shares, and a link on the clipboard.

use js_sys::{Array, Uint8Array};
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::JsValue;
use web_sys::{File, FilePropertyBag};

use super::Shelf;
use crate::classify::verdict::Doubt;
use crate::library::share::{MOST_GENRES, Shared};
use crate::library::{export, record::Record};
use crate::page::desk::Desk;
use crate::page::keeper::record_of;
use crate::page::song::{Song, SongState};
use crate::page::words::{sentence, t};
use crate::page::{browser, picture, save};

/// Songs that are made ready in one turn.
const TURN: usize = 25;

/// A kind of file.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Csv,
    Json,
    M3u,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Csv => "CSV",
            Self::Json => "JSON",
            Self::M3u => "M3U",
        }
    }

    fn file(self) -> (&'static str, &'static str) {
        match self {
            Self::Csv => ("needledrop.csv", "text/csv"),
            Self::Json => ("needledrop.json", "application/json"),
            Self::M3u => ("needledrop.m3u8", "audio/x-mpegurl"),
        }
    }
}

/// Has the browser save a text.
pub(super) fn save_text(desk: Desk, name: &str, media_type: &str, text: &str) {
    if save::save(name, &Uint8Array::from(text.as_bytes()), media_type).is_err() {
        desk.note(t!("library.not_saved", name = name));
    }
}

async fn export(desk: Desk, songs: Vec<Song>, kind: Kind) {
    let mut records: Vec<Record> = Vec::new();
    let mut objects: Vec<String> = Vec::new();
    for some in songs.chunks(TURN) {
        for song in some {
            let record = record_of(song);
            match kind {
                // All of it has a JSON form.
                Kind::Json => objects.extend(export::json_song(&record)),
                // They tell nothing of single clips.
                Kind::Csv | Kind::M3u => records.push(Record { clips: Vec::new(), ..record }),
            }
        }
        browser::next_turn().await;
    }
    let text = match kind {
        Kind::Csv => export::csv(&records),
        Kind::Json => export::json(&objects),
        Kind::M3u => export::m3u(&records),
    };
    let (name, media_type) = kind.file();
    save_text(desk, name, media_type, &text);
}

/// What is shown, as files.
#[component]
pub(super) fn Export(
    /// The library.
    shelf: Shelf,
) -> impl IntoView {
    let button = move |kind: Kind| {
        view! {
            <button
                class="quiet-button"
                data-testid=format!("export-{}", kind.name().to_ascii_lowercase())
                on:click=move |_| spawn_local(export(shelf.desk, shelf.shown.get_untracked(), kind))
            >
                {kind.name()}
            </button>
        }
    };
    view! {
        <div class="library-export" role="group" aria-label=sentence("library.export")>
            <span class="quiet small">{sentence("library.export")}</span>
            {[Kind::Csv, Kind::Json, Kind::M3u].map(button).into_iter().collect_view()}
        </div>
    }
}

/// Address of a result without its song.
fn link_to(shared: &Shared) -> String {
    format!("{}#result?r={}", browser::folder(), shared.encode())
}

/// One result as a link and as a picture.
#[component]
pub(crate) fn TakeSong(
    /// The song.
    song: Song,
) -> impl IntoView {
    let desk = expect_context::<Desk>();
    let (state, hearing) = (RwSignal::from(song.state.clone()), RwSignal::from(song.hearing.clone()));
    let genres = RwSignal::from(song.genres.clone());
    let too_many = move || genres.with(Vec::len) > MOST_GENRES;
    // Also where the clipboard is closed to pages.
    let link = RwSignal::new(None::<String>);
    let copied = RwSignal::new(false);
    let copy = {
        let song = song.clone();
        move |_| {
            let Some(shared) = Shared::of(&record_of(&song)) else { return };
            spawn_local(async move {
                let text = link_to(&shared);
                // Shown before the clipboard answers: a browser may first ask the person, who
                // need not.
                link.try_set(Some(text.clone()));
                let clipboard = browser::property(&window().navigator(), "clipboard");
                let is_copied = browser::call_async(&clipboard, "writeText", &[&text.into()]).await.is_ok();
                copied.try_set(is_copied);
                desk.say(if is_copied { t!("library.link_copied") } else { t!("library.link_shown") });
            });
        }
    };
    let draw = move |_| {
        let Some(shared) = Shared::of(&record_of(&song)) else { return };
        spawn_local(async move {
            if take_picture(&shared).await.is_err() {
                desk.note(t!("library.no_picture"));
            }
        });
    };
    // What is not music has no result that could be sent: `Shared::of`.
    let no_music = move || hearing.with(|hearing| hearing.doubt == Some(Doubt::NotMusic));
    let nothing = move || state.with(|state| *state != SongState::Done) || no_music() || too_many();
    view! {
        <button class="button secondary" data-testid="copy-link" disabled=nothing on:click=copy>
            {sentence("library.copy_link")}
        </button>
        <button class="button secondary" data-testid="take-picture" disabled=nothing on:click=draw>
            {sentence("library.picture")}
        </button>
        {move || too_many().then(|| view! { <p class="quiet small">{t!("library.too_many_classes", most = MOST_GENRES)}</p> })}
        {move || link.get().map(|text| view! {
            <label class="field share-link">
                <span class="quiet">
                    {move || if copied.get() { t!("library.link_copied") } else { t!("library.link") }}
                </span>
                <input type="text" readonly data-testid="share-link" prop:value=text />
            </label>
        })}
    }
}

/// Hands the picture of a result to the system's share sheet where there is one
/// for files, and else saves it.
async fn take_picture(shared: &Shared) -> Result<(), JsValue> {
    let blob = picture::of(shared).await?;
    let name = format!("{}.png", shared.title);
    let kind = FilePropertyBag::new();
    kind.set_type("image/png");
    let file = File::new_with_blob_sequence_and_options(&Array::of1(&blob), &name, &kind)?;
    let sheet =
        browser::object(&[("files", Array::of1(&file).into()), ("title", shared.title.as_str().into())]);
    let navigator: JsValue = window().navigator().into();
    let can = browser::call(&navigator, "canShare", &[&sheet]).is_ok_and(|can| can.is_truthy());
    // On a desk a file is worth more than a sheet.
    if can && browser::media_matches("(pointer: coarse)") {
        let refused = browser::call_async(&navigator, "share", &[&sheet]).await.err();
        // Closing the sheet is no failure; one that does not open has shared nothing.
        if refused.is_none_or(|error| browser::property(&error, "name") == "AbortError") {
            return Ok(());
        }
    }
    save::save_blob(&name, &blob)
}
