//! Where the keyboard is.
//!
//! In: elements, or selectors of them. Out: the keyboard at one that is there: a
//! browser gives it to nothing when the button that had it goes, and whoever has
//! no mouse begins at the top again.

use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::JsCast;
use web_sys::{FocusOptions, HtmlElement};

use super::browser;

/// Frames in which what has been pressed may go, and what comes in its place.
const FRAMES: u32 = 30;

/// Gives the keyboard to `element`, also where it is not one that keys come by.
pub(crate) fn give(element: &HtmlElement) {
    let is_stop = element.matches("a[href], button, input, select, textarea").unwrap_or(false);
    if !is_stop && !element.has_attribute("tabindex") {
        element.set_tab_index(-1);
    }
    let options = FocusOptions::new();
    options.set_prevent_scroll(true);
    // What cannot be focused leaves the keyboard where it is.
    let _ = element.focus_with_options(&options);
}

/// Once what has the keyboard has gone, gives it to the first of `selectors` that
/// is there, or comes within [`FRAMES`]; to `otherwise` where none does. Whoever
/// has moved it meanwhile is left alone.
pub(crate) fn hand_on(selectors: impl IntoIterator<Item = String>, otherwise: &'static str) {
    let selectors: Vec<String> = selectors.into_iter().collect();
    spawn_local(async move {
        for _ in 0..FRAMES {
            browser::next_turn().await;
            if is_nowhere() && selectors.iter().any(|selector| take(selector)) {
                return;
            }
        }
        if is_nowhere() {
            take(otherwise);
        }
    });
}

/// Whether nothing has the keyboard.
fn is_nowhere() -> bool {
    document().active_element().is_none_or(|element| element.tag_name() == "BODY")
}

/// Gives the keyboard to what `selector` finds; `false` where that is nothing,
/// or nothing that is seen.
fn take(selector: &str) -> bool {
    let Ok(Some(found)) = document().query_selector(selector) else { return false };
    if let Some(found) = found.dyn_ref::<HtmlElement>() {
        give(found);
    }
    !is_nowhere()
}
