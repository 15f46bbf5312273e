//! Small things every browser has and `web-sys` spells at length.

use std::time::Duration;

use js_sys::{Array, Date, Function, Object, Promise, Reflect};
use leptos::prelude::{StoredValue, UpdateValue, document, request_animation_frame, set_timeout, window};
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{File, FilePropertyBag, KeyboardEvent, Url};

/// How long a turn is waited for.
const LONGEST_TURN: Duration = Duration::from_millis(100);

/// Milliseconds since the page was opened.
pub(crate) fn now() -> f64 {
    window().performance().map_or(0.0, |clock| clock.now())
}

/// Milliseconds since 1970.
pub(crate) fn today() -> f64 {
    Date::now()
}

/// The date and time here, as they sort: so Swedes write them.
pub(crate) fn local_time() -> String {
    Date::new_0().to_locale_string("sv", &JsValue::UNDEFINED).into()
}

/// Whether a person says yes; where the browser asks nobody, that is taken as said.
pub(crate) fn is_sure(question: &str) -> bool {
    window().confirm_with_message(question).unwrap_or(true)
}

/// A file under another name; one that cannot be named anew keeps the name that it has.
pub(crate) fn renamed(file: File, name: &str) -> File {
    let kind = FilePropertyBag::new();
    kind.set_type(&file.type_());
    kind.set_last_modified(file.last_modified());
    File::new_with_blob_sequence_and_options(&Array::of1(&file), name, &kind).unwrap_or(file)
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

/// Whether this page is the first of its folder that is open in this browser, which it is
/// from then on as long as it is open. Where the browser cannot tell, every page is.
pub(crate) async fn is_first_page() -> bool {
    let locks = property(&window().navigator(), "locks");
    let name = JsValue::from(format!("needledrop {}", folder()));
    let options = object(&[("ifAvailable", JsValue::TRUE)]);
    let mut asked = Err(JsValue::UNDEFINED);
    let granted = Promise::new(&mut |resolve, _| {
        let hold = Closure::once_into_js(move |lock: JsValue| {
            let granted = !lock.is_null();
            // The promise is only ever resolved.
            let _ = resolve.call1(&JsValue::UNDEFINED, &granted.into());
            // The lock is held until the promise is kept, which it never is.
            if granted { Promise::new(&mut |_, _| {}).into() } else { JsValue::UNDEFINED }
        });
        asked = call(&locks, "request", &[&name, &options, &hold]);
    });
    let Ok(asked) = asked else { return true };
    let first = JsFuture::from(Promise::race(&Array::of2(&granted, &asked))).await;
    // One that is refused, as in some private windows, tells nothing.
    first.map_or(true, |granted| granted.is_truthy())
}

/// Lets some time pass.
pub(crate) async fn pause(time: Duration) {
    resolved_by(|go_on| set_timeout(go_on, time)).await;
}

/// Gives the browser a turn to paint. A hidden page is not painted, nor is one that is
/// hidden meanwhile: there the turn is a short pause.
pub(crate) async fn next_turn() {
    // A frame is never refused.
    let _ = at_most(LONGEST_TURN, &promise_by(request_animation_frame)).await;
}

/// Waits for a promise, and for some that are never kept no longer than `time`.
///
/// What comes then is `undefined`.
///
/// # Errors
/// What it is rejected with.
pub(crate) async fn at_most(time: Duration, promise: &Promise) -> Result<JsValue, JsValue> {
    let end = promise_by(|go_on| set_timeout(go_on, time));
    JsFuture::from(Promise::race(&Array::of2(promise, &end))).await
}

async fn resolved_by(arrange: impl FnOnce(Box<dyn FnOnce()>)) {
    // The promise is only ever resolved.
    let _ = JsFuture::from(promise_by(arrange)).await;
}

fn promise_by(arrange: impl FnOnce(Box<dyn FnOnce()>)) -> Promise {
    let mut arrange = Some(arrange);
    Promise::new(&mut |resolve, _| {
        if let Some(arrange) = arrange.take() {
            arrange(Box::new(move || drop(resolve.call0(&JsValue::UNDEFINED))));
        }
    })
}

/// What is done with the next frame: once, however often it was wanted until then, as while
/// the page is hidden and has no frames.
#[derive(Clone, Copy)]
pub(crate) struct Soon(StoredValue<bool>);

impl Soon {
    /// Nothing is wanted yet. What is, goes with the owner of this.
    pub(crate) fn new() -> Self {
        Self(StoredValue::new(false))
    }

    /// Does it with the next frame, unless that is wanted already.
    pub(crate) fn run(self, act: impl FnOnce() + 'static) {
        if self.0.try_update_value(|wanted| std::mem::replace(wanted, true)) != Some(false) {
            return;
        }
        request_animation_frame(move || {
            // The owner may be gone by then.
            if self.0.try_update_value(|wanted| *wanted = false).is_some() {
                act();
            }
        });
    }
}

/// Whether a media query holds now.
pub(crate) fn media_matches(query: &str) -> bool {
    window().match_media(query).ok().flatten().is_some_and(|list| list.matches())
}

/// Address of the folder that the page stands in, with a `/` at its end.
pub(crate) fn folder() -> String {
    let here = document().base_uri().ok().flatten().unwrap_or_default();
    Url::new_with_base("./", &here).map(|folder| folder.href()).unwrap_or_default()
}

/// Whether a key is pressed together with one by which browsers and systems are told something.
pub(crate) fn is_held(event: &KeyboardEvent) -> bool {
    event.alt_key() || event.ctrl_key() || event.meta_key()
}

/// What is kept of a small choice under `name`, from one visit to the next.
pub(crate) fn remembered(name: &str) -> Option<String> {
    window().local_storage().ok().flatten()?.get_item(name).ok().flatten()
}

/// Keeps a small choice. Where the browser keeps nothing, it holds for this visit.
pub(crate) fn remember(name: &str, value: &str) {
    if let Ok(Some(storage)) = window().local_storage() {
        let _ = storage.set_item(name, value);
    }
}

/// Calls a method of a JavaScript object that `web-sys` does not have yet.
///
/// # Errors
/// What it throws, also where there is no such method.
pub(crate) fn call(object: &JsValue, method: &str, arguments: &[&JsValue]) -> Result<JsValue, JsValue> {
    let method: Function = property(object, method).dyn_into()?;
    Reflect::apply(&method, object, &arguments.iter().copied().collect())
}

/// The same for one that gives a promise: what that gives.
///
/// # Errors
/// What it throws or is rejected with.
pub(crate) async fn call_async(
    object: &JsValue,
    method: &str,
    arguments: &[&JsValue],
) -> Result<JsValue, JsValue> {
    JsFuture::from(Promise::resolve(&call(object, method, arguments)?)).await
}
