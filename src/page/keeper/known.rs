//! What is known of a song's file: where it is from, and whether there is another copy.
//!
//! In: files as they are brought, or heard by the microphone. Out: which of them there may be
//! no other copy of, and what leaving the page would lose.

use leptos::prelude::*;
use wasm_bindgen::JsValue;
use web_sys::File;

use super::{Keeper, Keeping};
use crate::library::record::FileKey;

/// What is known of a file.
#[derive(Default)]
pub(super) struct Known {
    /// The handle that it came by in this visit.
    pub(super) handle: Option<JsValue>,
    /// It is or was on the list.
    pub(super) expected: bool,
    /// It came by the handle of an earlier visit.
    pub(super) lent: bool,
    /// Where it is from.
    pub(super) origin: Origin,
    /// There may be no other copy than the page's: the store was to forget its own.
    pub(super) forgotten: bool,
    /// What an earlier visit knew of whether there is another copy than the store's.
    pub(super) recorded: Option<bool>,
    /// It is to be kept, and is not yet.
    pub(super) pending: bool,
}

/// Where a file is from.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Origin {
    /// Somebody brought it, and has it still.
    #[default]
    Elsewhere,
    /// The microphone, in this visit: there is no other copy.
    Microphone,
    /// The store gave it, and no handle leads to it: there may be no other copy.
    Store,
}

impl Known {
    /// Whether there may be no copy beside the page's, which is gone when that is closed;
    /// `is_kept` says whether the store keeps what it is given.
    fn would_be_lost(&self, is_kept: bool) -> bool {
        self.forgotten || !is_kept && self.origin == Origin::Microphone
    }
}

/// By what a file is known again.
pub(crate) fn key_of(file: &File) -> FileKey {
    // Both are whole numbers that a float holds.
    FileKey { name: file.name(), size: file.size() as u64, modified: file.last_modified() as i64 }
}

impl Keeper {
    /// What the microphone heard, before it becomes a song.
    pub(crate) fn hold_recording(self, file: &File) {
        let key = key_of(file).text();
        self.with(|shelf| shelf.file(key).origin = Origin::Microphone);
    }

    /// Whether that is known of the file of that key.
    pub(super) fn knows(self, key: &str, what: impl FnOnce(&Known) -> bool) -> bool {
        self.with(|shelf| shelf.files.get(key).is_some_and(what))
    }

    /// Whether the microphone heard what may not be kept: no longer than this page.
    pub(crate) fn would_lose_recordings(self) -> bool {
        let is_kept = self.state.get_untracked() == Keeping::Kept;
        self.with(|shelf| shelf.files.values().any(|file| file.would_be_lost(is_kept)))
    }

    /// Whether there may be no other copy of that, and it is kept no longer than this page.
    pub(crate) fn would_lose(self, file: &FileKey) -> bool {
        let is_kept = self.state.get_untracked() == Keeping::Kept;
        self.knows(&file.text(), |file| file.would_be_lost(is_kept))
    }

    /// Whether there may be no other copy of that: the microphone heard it in this visit, or
    /// in an earlier one, or it came out of the store, and nobody has brought it since.
    pub(crate) fn is_recording(self, file: &FileKey) -> bool {
        self.knows(&file.text(), |file| file.recorded == Some(true) || file.origin != Origin::Elsewhere)
    }

    /// Somebody has brought that file: it lies elsewhere too.
    pub(crate) fn is_brought(self, file: &File) {
        let key = key_of(file).text();
        self.with(|shelf| {
            let known = shelf.file(key);
            known.recorded = Some(false);
            if known.origin == Origin::Store {
                (known.origin, known.forgotten) = (Origin::Elsewhere, false);
            }
        });
    }

    /// Whether the file of that key came by the handle of an earlier visit, which
    /// the browser may take back at any time.
    pub(crate) fn was_lent(self, key: &FileKey) -> bool {
        self.knows(&key.text(), |file| file.lent)
    }
}
