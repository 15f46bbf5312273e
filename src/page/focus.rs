//! Where the keyboard is.
//!
//! In: elements, or selectors of them. Out: the keyboard at one that is there: a
//! browser gives it to nothing when the button that had it goes, and whoever has
//! no mouse begins at the top again. For the same reason a button that its own press
//! makes useless is not `disabled` but says so (`aria-disabled`) and does nothing.

use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::JsCast;
use web_sys::{Element, FocusOptions, HtmlElement};

use super::browser;

/// The heading of what is open, where the keyboard can always go.
pub(crate) const HEADING: &str = "main > :not([hidden]) :is(h1, h2)";

/// Milliseconds in which what has been pressed may go, and what comes in its place.
const PATIENCE: f64 = 600.0;

/// Gives the keyboard to `element`, also where it is not one that keys come by, and
/// scrolls there.
pub(crate) fn give(element: &HtmlElement) {
    focus(element, false);
}

/// The same without scrolling.
pub(crate) fn give_in_place(element: &HtmlElement) {
    focus(element, true);
}

fn focus(element: &HtmlElement, in_place: bool) {
    let is_stop = element.matches("a[href], button, input, select, textarea").unwrap_or(false);
    if !is_stop && !element.has_attribute("tabindex") {
        element.set_tab_index(-1);
    }
    let options = FocusOptions::new();
    options.set_prevent_scroll(in_place);
    // What cannot be focused leaves the keyboard where it is.
    let _ = element.focus_with_options(&options);
}

/// Gives the keyboard to the first element of `selector`, and scrolls there, once what was
/// pressed has been put up.
pub(crate) fn lead_to(selector: &'static str) {
    spawn_local(async move {
        browser::next_turn().await;
        take(selector);
    });
}

/// Once what has the keyboard has gone, gives it to the first of `selectors` that
/// is there or comes soon; to `otherwise` where none does. Whoever has moved it
/// meanwhile is left alone.
pub(crate) fn hand_on(selectors: impl IntoIterator<Item = String>, otherwise: &'static str) {
    let selectors: Vec<String> = selectors.into_iter().collect();
    spawn_local(async move {
        let start = browser::now();
        while browser::now() - start < PATIENCE {
            browser::next_turn().await;
            if !is_nowhere() {
                continue;
            }
            if selectors.iter().any(|selector| take(selector)) {
                return;
            }
            if selectors.is_empty() {
                break;
            }
        }
        if is_nowhere() {
            take(otherwise);
        }
    });
}

/// Gives the keyboard from `element` to what `selector` finds, once that is put up, and
/// without scrolling. Whoever has moved it meanwhile is left alone.
pub(crate) fn hand_back(element: HtmlElement, selector: String) {
    spawn_local(async move {
        let start = browser::now();
        while document().active_element().as_ref() == Some(&element) && browser::now() - start < PATIENCE {
            // A name that somebody has made up may be no selector.
            if let Some(found) = document().query_selector(&selector).ok().flatten() {
                return give_in_place(found.unchecked_ref());
            }
            browser::next_turn().await;
        }
    });
}

/// Makes a change by which elements of `place` change places or go, and gives the keyboard back
/// to the one that had it, for a browser takes it from what is moved; or to `place`.
pub(crate) fn keep(place: &HtmlElement, change: impl FnOnce()) {
    let had = document().active_element().filter(|element| place.contains(Some(element)));
    change();
    let Some(had) = had.and_then(|element| element.dyn_into::<HtmlElement>().ok()) else { return };
    let place = place.clone();
    spawn_local(async move {
        browser::next_turn().await;
        if is_nowhere() {
            give_in_place(if had.is_connected() { &had } else { &place });
        }
    });
}

/// Whether nothing that is seen has the keyboard: not every browser takes it from
/// what is hidden.
fn is_nowhere() -> bool {
    let takes_no_room = |element: &Element| {
        element.dyn_ref::<HtmlElement>().is_some_and(|it| it.offset_width() == 0 && it.offset_height() == 0)
    };
    let is_hidden = |element: &Element| {
        takes_no_room(element) || element.closest(".gone, [hidden]").is_ok_and(|found| found.is_some())
    };
    document().active_element().is_none_or(|element| element.tag_name() == "BODY" || is_hidden(&element))
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
