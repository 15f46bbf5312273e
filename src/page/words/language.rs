//! The languages of the page, and the one in use.
//!
//! In: what the reader chose once, else what the browser says the reader reads.
//! Out: the template of each sentence, in the language in use or, where that
//! has none, in English, which is compiled in; any other language is a file
//! that is fetched when it is wanted. Another language is another file in
//! `www/language`, a lesson in `docs` and a line in [`LANGUAGES`].

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use js_sys::Uint8Array;
use leptos::prelude::*;
use leptos::reactive::graph::Observer;
use web_sys::Storage;

use super::template::{self, Argument};
use crate::page::browser;
use crate::page::download::{self, DownloadProblem};

/// A language that the page can speak.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Language {
    /// Its tag (BCP 47), also the name of its file.
    pub(crate) code: &'static str,
    /// What those who speak it call it.
    pub(crate) name: &'static str,
    /// The file of `www/data` with the lesson.
    pub(crate) lesson: &'static str,
}

/// English, in which every sentence is there.
const ENGLISH: &Language = &Language { code: "en", name: "English", lesson: "lesson.en.html" };

/// All of them.
pub(crate) const LANGUAGES: [&Language; 2] =
    [ENGLISH, &Language { code: "es", name: "Español", lesson: "lesson.es.html" }];

/// Where the choice is kept in this browser; `www/boot.js` looks there too.
const KEPT_AS: &str = "needledrop-language";

thread_local! {
    static IN_USE: ArcRwSignal<&'static Language> = ArcRwSignal::new(ENGLISH);
    /// The last that was chosen: of two on their way, the later counts.
    static WANTED: Cell<&'static Language> = const { Cell::new(ENGLISH) };
    static FALLBACK: Tongue = Tongue::english();
    static TONGUE: RefCell<Option<Tongue>> = const { RefCell::new(None) };
}

/// A language with its sentences.
struct Tongue {
    templates: HashMap<String, String>,
    plurals: PluralRules,
}

impl Tongue {
    async fn load(language: &Language) -> Result<Self, DownloadProblem> {
        let folder = browser::meta("needledrop-language").unwrap_or_else(|| "language/".into());
        let file = download::bytes(&format!("{folder}{}.json", language.code), |_| {}).await?;
        let unusable = |problem: &dyn std::fmt::Display| DownloadProblem::Unusable(problem.to_string());
        // As a text, of which the page has a reader already, and not as bytes.
        let json = String::from_utf8(Uint8Array::new(&file).to_vec()).map_err(|error| unusable(&error))?;
        let templates = serde_json::from_str(&json).map_err(|error| unusable(&error))?;
        Ok(Self { templates, plurals: PluralRules::of(language) })
    }

    fn say(&self, key: &str, arguments: &[(&str, Argument<'_>)]) -> Option<String> {
        let template = self.templates.get(key)?;
        Some(template::fill(template, arguments, &|count| self.plurals.category(count)))
    }

    fn english() -> Self {
        let templates = serde_json::from_str(include_str!("../../../www/language/en.json"));
        // A unit test holds that it can be read.
        Self { templates: templates.unwrap_or_default(), plurals: PluralRules::of(ENGLISH) }
    }
}

/// Which form of a sentence goes with a number (CLDR), as the browser knows it.
struct PluralRules {
    #[cfg(target_arch = "wasm32")]
    of_browser: js_sys::Intl::PluralRules,
}

#[cfg(target_arch = "wasm32")]
impl PluralRules {
    fn of(language: &Language) -> Self {
        let code = js_sys::Array::of1(&language.code.into());
        Self { of_browser: js_sys::Intl::PluralRules::new(&code, &js_sys::Object::new()) }
    }

    fn category(&self, count: u64) -> String {
        self.of_browser.select(count as f64).into()
    }
}

/// Without a browser, in unit tests, there is only English.
#[cfg(not(target_arch = "wasm32"))]
impl PluralRules {
    fn of(_language: &Language) -> Self {
        Self {}
    }

    fn category(&self, count: u64) -> String {
        if count == 1 { "one".into() } else { "other".into() }
    }
}

/// A sentence with its gaps filled; `None` where there is none of this key. An
/// effect or a view that asks for it runs again when the language changes.
pub(super) fn say(key: &str, arguments: &[(&str, Argument<'_>)]) -> Option<String> {
    follow();
    TONGUE
        .with_borrow(|tongue| tongue.as_ref().and_then(|tongue| tongue.say(key, arguments)))
        .or_else(|| FALLBACK.with(|english| english.say(key, arguments)))
}

/// The language in use, which an effect or a view that asks for it follows.
pub(crate) fn in_use() -> &'static Language {
    follow();
    IN_USE.with(ArcRwSignal::get_untracked)
}

/// What is said once, outside of any effect, has nothing to run again.
fn follow() {
    if Observer::get().is_some() {
        IN_USE.with(ArcRwSignal::track);
    }
}

/// The language to begin with: the one kept in this browser, else the first of
/// those that the browser asks for.
pub(crate) fn preferred() -> &'static Language {
    let kept = storage().and_then(|storage| storage.get_item(KEPT_AS).ok().flatten());
    let asked_for = window().navigator().languages().iter().filter_map(|tag| tag.as_string()).collect();
    best(kept.into_iter().chain::<Vec<_>>(asked_for))
}

/// The first of `tags` (BCP 47) that there is a language for, whatever the
/// region; else English.
fn best(tags: impl IntoIterator<Item = String>) -> &'static Language {
    tags.into_iter()
        .find_map(|tag| {
            let primary = tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
            LANGUAGES.into_iter().find(|language| language.code == primary)
        })
        .unwrap_or(ENGLISH)
}

/// Chooses a language and remembers it.
///
/// # Errors
/// Why its file could not be had; then the language in use stays.
pub(crate) async fn choose(language: &'static Language) -> Result<(), DownloadProblem> {
    let spoken = speak(language).await;
    // Another has been chosen meanwhile: whatever became of this one is of no interest.
    if WANTED.get() != language {
        return Ok(());
    }
    spoken?;
    if let Some(storage) = storage() {
        // Where nothing may be kept, the choice holds for this visit.
        let _ = storage.set_item(KEPT_AS, language.code);
    }
    Ok(())
}

/// Puts a language to use, unless another has been wanted meanwhile.
///
/// # Errors
/// Why its file could not be had; then the language in use stays.
pub(crate) async fn speak(language: &'static Language) -> Result<(), DownloadProblem> {
    WANTED.set(language);
    let tongue = if language == ENGLISH { None } else { Some(Tongue::load(language).await?) };
    if WANTED.get() == language {
        TONGUE.set(tongue);
        IN_USE.with(|in_use| in_use.set(language));
        mark_document();
    }
    Ok(())
}

/// Says in the document which language it is in.
pub(crate) fn mark_document() {
    if let Some(root) = document().document_element() {
        // The attribute's name is a valid one.
        let _ = root.set_attribute("lang", IN_USE.with(ArcRwSignal::get_untracked).code);
    }
}

/// What this browser keeps for the page, where it keeps anything.
fn storage() -> Option<Storage> {
    window().local_storage().ok().flatten()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_first_language_that_is_there_is_taken() {
        let best = |tags: &[&str]| super::best(tags.iter().map(|tag| (*tag).to_owned())).code;
        assert_eq!(best(&["fr-CA", "es-MX", "en"]), "es");
        assert_eq!(best(&["EN-gb", "es"]), "en");
        assert_eq!(best(&["est", ""]), "en");
    }
}
