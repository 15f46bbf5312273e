//! Room in the browser's store.
//!
//! In: a file that is to be kept. Out: whether there is room for it; and the browser is asked
//! not to throw away what is kept.

use leptos::prelude::*;
use leptos::task::spawn_local;
use web_sys::File;

use super::Keeper;
use crate::page::browser;

/// Bytes that the browser must have left after a song is kept.
const ROOM_LEFT: f64 = 100e6;

/// Whether the browser would have some room left with that file kept.
pub(super) async fn has_room(file: &File) -> bool {
    let storage = browser::property(&window().navigator(), "storage");
    // Over plain http, and in Safari before 17, nobody says how much room there is.
    browser::call_async(&storage, "estimate", &[]).await.map_or(true, |estimate| {
        let number = |name| browser::property(&estimate, name).as_f64().unwrap_or(0.0);
        number("quota") - number("usage") - file.size() >= ROOM_LEFT
    })
}

impl Keeper {
    /// Asks the browser, once, not to throw away what is kept when room is short.
    pub(super) fn ask_for_persistence(self) {
        if self.with(|shelf| std::mem::replace(&mut shelf.persistence_asked, true)) {
            return;
        }
        spawn_local(async {
            let storage = browser::property(&window().navigator(), "storage");
            let persisted = browser::call_async(&storage, "persisted", &[]).await;
            if persisted.is_ok_and(|persisted| !persisted.is_truthy()) {
                // Whatever the answer is, things are kept for now.
                let _ = browser::call_async(&storage, "persist", &[]).await;
            }
        });
    }
}
