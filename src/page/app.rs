//! The page as an app of the system: files that the system opens with it, or
//! shares to it.
//!
//! In: the launch queue of an installed page (file handlers of
//! `www/manifest.webmanifest`), and what `www/sw.js` has put into a cache for a
//! share sheet. Out: songs on the desk.

use js_sys::Array;
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Blob, File, FilePropertyBag};

use super::browser;
use super::desk::Desk;
use super::words::t;

/// Takes what the system hands over, now and as long as the page lives.
pub(crate) fn take_from_system(desk: Desk) {
    let asked = window().location().search().unwrap_or_default();
    let share = share_in(&asked).map(str::to_owned);
    take_launches(desk, share.is_some());
    if let Some(share) = share {
        spawn_local(take_shared(desk, share));
    }
}

/// The share that the service worker has added to the address: its name, which an older one gave none.
fn share_in(search: &str) -> Option<&str> {
    let mut parts = search.trim_start_matches('?').split('&');
    parts.find_map(|part| part.strip_prefix("shared")).map(|share| share.trim_start_matches('='))
}

/// Listens to the launch queue, where the browser has one. The page may have been opened for
/// a share, of which the queue tells too.
fn take_launches(desk: Desk, mut is_shared: bool) {
    let queue = browser::property(&window(), "launchQueue");
    if !queue.is_object() {
        return;
    }
    let consumer = Closure::<dyn FnMut(JsValue)>::new(move |launch: JsValue| {
        let handles = browser::property(&launch, "files").dyn_into::<Array>().unwrap_or_default();
        // Started by its icon or a shortcut: there may be a view to open, and no file.
        if handles.length() == 0 {
            let target = browser::property(&launch, "targetURL").as_string().unwrap_or_default();
            if let Some((_, view)) = target.split_once('#') {
                // A place within the page is never refused.
                let _ = window().location().set_hash(view);
            } else if target.ends_with("/share") && !std::mem::take(&mut is_shared) {
                // An open window is told of a share, and not given it (WICG web-app-launch 62).
                desk.note(t!("app.share_lost"));
            }
            return;
        }
        spawn_local(async move {
            let mut files = Vec::new();
            for handle in handles.iter() {
                let file = browser::call_async(&handle, "getFile", &[]).await;
                if let Some(file) = file.ok().and_then(|file| file.dyn_into::<File>().ok()) {
                    desk.keeper.hold(&file, handle);
                    files.push(file);
                }
            }
            super::drop::take_files(files, desk);
        });
    });
    // A queue without consumers is none.
    let _ = browser::call(&queue, "setConsumer", &[&consumer.into_js_value()]);
}

/// Takes what was shared out of its cache, which goes.
async fn take_shared(desk: Desk, share: String) {
    // So that a reload does not come back for more.
    let place = format!("{}{}", browser::folder(), window().location().hash().unwrap_or_default());
    let _ = window()
        .history()
        .and_then(|history| history.replace_state_with_url(&JsValue::NULL, "", Some(&place)));
    desk.gathering.update(|drops| *drops += 1);
    let stops = desk.stops();
    let caches = browser::property(&window(), "caches");
    let cache = format!("needledrop-shared {} {share}", browser::folder());
    let cache = JsValue::from(cache.trim_end());
    let files = shared_files(&caches, &cache).await;
    // Also what cannot be read: nobody else comes for it.
    let _ = browser::call_async(&caches, "delete", &[&cache]).await;
    match files {
        // Whoever stops everything wants none of it.
        _ if desk.stops() != stops => {}
        Ok(files) if !files.is_empty() => super::drop::take_files(files, desk),
        _ => desk.note(t!("app.nothing_shared")),
    }
    desk.gathering.update(|drops| *drops -= 1);
}

async fn shared_files(caches: &JsValue, cache: &JsValue) -> Result<Vec<File>, JsValue> {
    let cache = browser::call_async(caches, "open", &[cache]).await?;
    let keys: Array = browser::call_async(&cache, "keys", &[]).await?.dyn_into()?;
    let mut files = Vec::new();
    for key in keys.iter() {
        let response = browser::call_async(&cache, "match", &[&key]).await?;
        let blob: Blob = browser::call_async(&response, "blob", &[]).await?.dyn_into()?;
        let address = browser::property(&key, "url").as_string().unwrap_or_default();
        let kind = FilePropertyBag::new();
        kind.set_type(&blob.type_());
        // By when it is shared it would be another file each time.
        kind.set_last_modified(0.0);
        let name = name_in(&address);
        files.push(File::new_with_blob_sequence_and_options(&Array::of1(&blob), &name, &kind)?);
    }
    Ok(files)
}

/// The name of a shared file: what stands behind the last `/` of its address.
fn name_in(address: &str) -> String {
    let name = address.rsplit('/').next().unwrap_or_default();
    js_sys::decode_uri_component(name).map_or_else(|_| name.to_owned(), String::from)
}
