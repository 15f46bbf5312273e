//! The genres' colours as the page has them, and the letters that stand beside
//! them.
//!
//! In: the genres of a model. Out: for each a colour of the
//! [palette](crate::report::palette) in the scheme in use, and two letters, so
//! that colour never speaks alone.

use leptos::prelude::{document, window};
use wasm_bindgen::JsCast;

use crate::letters::lowercase;
use crate::report::palette::Rgb;
pub(crate) use crate::report::palette::{COUNT, css, genre, ink};

/// The media query of the dark scheme.
pub(crate) const DARK_SCHEME: &str = "(prefers-color-scheme: dark)";

/// Stands where letters would, where it is not music.
pub(crate) const NOT_MUSIC: &str = "×";

/// The stylesheet's `--quiet`, for canvases.
pub(crate) fn quiet(dark: bool) -> Rgb {
    if dark { [0xb0, 0xa4, 0x98] } else { [0x65, 0x5b, 0x52] }
}

/// The classes of the mark that has a genre's colour.
pub(crate) fn chip(genre: usize) -> String {
    format!("chip genre-{}", genre % COUNT)
}

/// Two letters for the genre at `index`: its first two, or its number where
/// another genre begins alike.
pub(crate) fn letters(genres: &[String], index: usize) -> String {
    let start = |name: &str| lowercase(&name.chars().take(2).collect::<String>());
    let Some(own) = genres.get(index).map(|name| start(name)) else { return String::new() };
    let taken = genres.iter().enumerate().any(|(other, name)| other != index && start(name) == own);
    if taken || own.is_empty() { (index + 1).to_string() } else { super::words::capitalised(&own) }
}

/// Gives the stylesheet the colours of the scheme in use, as the custom
/// properties `--genre-N` and `--ink-N` of the document.
pub(crate) fn hand_to_stylesheet() {
    let dark = super::browser::media_matches(DARK_SCHEME);
    let Some(root) = document().document_element() else { return };
    let style = root.unchecked_into::<web_sys::HtmlElement>().style();
    for index in 0..COUNT {
        let ground = genre(index, dark);
        // A custom property takes any value.
        let _ = style.set_property(&format!("--genre-{index}"), &css(ground));
        let _ = style.set_property(&format!("--ink-{index}"), &css(ink(ground)));
    }
}

/// Calls `changed` whenever the reader turns from light to dark or back.
pub(crate) fn on_scheme_change(changed: impl Fn() + 'static) {
    if let Ok(Some(list)) = window().match_media(DARK_SCHEME) {
        gloo::events::EventListener::new(&list, "change", move |_| changed()).forget();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::palette::contrast;

    const STYLE: &str = include_str!("../../www/style.css");

    /// The `nth` value of a custom property in the stylesheet: the light
    /// scheme's stands first, the dark one's second.
    fn from_stylesheet(property: &str, nth: usize) -> Rgb {
        let value = STYLE.split(&format!("{property}: #")).nth(nth + 1).expect("property in the stylesheet");
        let channel = |at: usize| u8::from_str_radix(&value[at..at + 2], 16).expect("six digits");
        [channel(0), channel(2), channel(4)]
    }

    #[test]
    fn genres_stand_out_from_the_page() {
        for (nth, dark) in [(0, false), (1, true)] {
            for ground in ["--paper", "--card", "--track"] {
                let page = from_stylesheet(ground, nth);
                for index in 0..COUNT {
                    let ratio = contrast(genre(index, dark), page);
                    assert!(ratio >= 3.0, "genre {index} on {ground} has {ratio}");
                }
            }
        }
    }

    #[test]
    fn words_can_be_read_on_the_page() {
        for nth in [0, 1] {
            for ground in ["--paper", "--card"] {
                let page = from_stylesheet(ground, nth);
                for text in ["--text", "--quiet", "--accent", "--warn"] {
                    let ratio = contrast(from_stylesheet(text, nth), page);
                    assert!(ratio >= 4.5, "{text} on {ground} of scheme {nth} has {ratio}");
                }
            }
        }
    }

    #[test]
    fn canvases_have_the_stylesheets_quiet_colour() {
        assert_eq!([quiet(false), quiet(true)], [0, 1].map(|nth| from_stylesheet("--quiet", nth)));
        for (nth, dark) in [(0, false), (1, true)] {
            // The sign stands on the band's ground.
            assert!(contrast(quiet(dark), from_stylesheet("--track", nth)) >= 4.5);
        }
    }

    #[test]
    fn letters_are_unique() {
        let genres = ["blues", "classical", "pop", "Polka", ""].map(String::from);
        let letters: Vec<_> = (0..5).map(|index| letters(&genres, index)).collect();
        assert_eq!(letters, ["Bl", "Cl", "3", "4", "5"]);
    }
}
