//! Small things every browser has and `web-sys` spells at length.

use std::time::Duration;

use js_sys::{Object, Promise, Reflect};
use leptos::prelude::{document, request_animation_frame, set_timeout, window};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

/// Milliseconds since the page was opened.
pub(crate) fn now() -> f64 {
    window().performance().map_or(0.0, |clock| clock.now())
}

/// Content of `<meta name="...">`, where there is one that is not empty.
pub(crate) fn meta(name: &str) -> Option<String> {
    let tag = document().query_selector(&format!("meta[name=\"{name}\"]")).ok().flatten()?;
    tag.get_attribute("content").filter(|content| !content.is_empty())
}

/// What a thrown value says of itself.
pub(crate) fn describe(error: &JsValue) -> String {
    error
        .dyn_ref::<js_sys::Error>()
        .map(|error| String::from(error.message()))
        .or_else(|| property(error, "message").as_string())
        .or_else(|| error.as_string())
        .unwrap_or_default()
}

/// A property of a JavaScript object; `undefined` where there is none.
pub(crate) fn property(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &JsValue::from_str(name)).unwrap_or_default()
}

/// A plain JavaScript object.
pub(crate) fn object(fields: &[(&str, JsValue)]) -> Object {
    let object = Object::new();
    for (name, value) in fields {
        // Setting a property of a fresh plain object cannot fail.
        let _ = Reflect::set(&object, &JsValue::from_str(name), value);
    }
    object
}

/// Lets some time pass.
pub(crate) async fn pause(time: Duration) {
    resolved_by(|go_on| set_timeout(go_on, time)).await;
}

/// Gives the browser a turn to paint. A hidden page is not painted, and there
/// the turn is a short pause.
pub(crate) async fn next_turn() {
    if document().hidden() {
        pause(Duration::from_millis(50)).await;
    } else {
        resolved_by(request_animation_frame).await;
    }
}

async fn resolved_by(arrange: impl FnOnce(Box<dyn FnOnce()>)) {
    let mut arrange = Some(arrange);
    let promise = Promise::new(&mut |resolve, _| {
        if let Some(arrange) = arrange.take() {
            arrange(Box::new(move || drop(resolve.call0(&JsValue::UNDEFINED))));
        }
    });
    // The promise is only ever resolved.
    let _ = JsFuture::from(promise).await;
}

/// Whether a media query holds now.
pub(crate) fn media_matches(query: &str) -> bool {
    window().match_media(query).ok().flatten().is_some_and(|list| list.matches())
}
