//! Where songs come in: the whole page as a drop zone, and two pickers.
//!
//! In: files and folders, dropped or picked. Out: files; a weights file becomes
//! a model, every other a song. Folders are walked through to their end
//! (File and Directory Entries API).

use gloo::events::EventListener;
use js_sys::{Array, Promise};
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    DataTransfer, DataTransferItem, DragEvent, Element, File, FileList, FileSystemDirectoryEntry,
    FileSystemDirectoryReader, FileSystemEntry, FileSystemFileEntry, HtmlInputElement,
};

use super::desk::Desk;
use super::library::counted;
use super::teach::classroom::ClassId;
use super::views::{View, show_songs};
use super::words::{sentence, t};
use super::{browser, model};
use crate::order::order;

/// Files taken at once: more than anyone's collection has in a folder, and few
/// enough for the list.
const MOST_FILES: usize = 5000;

/// Files on their way in.
#[derive(Default)]
struct Basket {
    files: Vec<File>,
    /// Those of them that were dropped, and the names that lead there from what
    /// was: none where it was the file itself.
    came: Vec<(File, Vec<String>)>,
    /// Files of folders that are no sound.
    left_out: usize,
    /// Files and folders that were not given up.
    unreadable: usize,
    /// Whether there were more than [`MOST_FILES`].
    overflown: bool,
}

impl Basket {
    fn put(&mut self, file: File) {
        if self.files.len() < MOST_FILES { self.files.push(file) } else { self.overflown = true }
    }

    /// A file that a person did not point at: covers and booklets are no
    /// failures to be told of one by one.
    fn put_from_folder(&mut self, file: File) {
        if may_be_wanted(&file.name(), &file.type_()) { self.put(file) } else { self.left_out += 1 }
    }

    /// A file that was dropped, or that lies at `path` below a folder that was.
    async fn take(&mut self, entry: FileSystemFileEntry, path: Vec<String>, from_folder: bool) {
        let Some(file) = file_of(entry).await else {
            self.unreadable += 1;
            return;
        };
        self.came.push((file.clone(), path));
        if from_folder { self.put_from_folder(file) } else { self.put(file) }
    }

    /// Gives the files to the desk and says what was not taken.
    fn empty_onto(self, desk: Desk, place: Place) {
        if self.left_out > 0 {
            desk.note(t!("listen.left_out", count = self.left_out));
        }
        if self.unreadable > 0 {
            desk.note(t!("listen.unreadable", count = self.unreadable));
        }
        if self.overflown {
            desk.note(t!("listen.too_many", limit = MOST_FILES));
        }
        if self.files.is_empty() && self.left_out == 0 && self.unreadable == 0 {
            desk.note(t!("listen.nothing_dropped"));
        }
        let (models, songs) = self.files.into_iter().partition(|file| model::is_weights(&file.name()));
        let models: Vec<File> = models;
        if models.is_empty() {
            return place.take(desk, songs);
        }
        // Songs that come with a model are for it.
        spawn_local(async move {
            for file in models {
                desk.add_model(file).await;
            }
            place.take(desk, songs);
        });
    }
}

/// Whom dropped files are for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    /// The list of songs.
    Songs,
    /// A class that is taught.
    Class(ClassId),
    /// None of the classes that are shown.
    BesideClasses,
}

impl Place {
    fn of(drag: &DragEvent) -> Self {
        if document().query_selector("[data-classes]").ok().flatten().is_none() {
            // The classes may still be on their way.
            return if is_teaching() { Self::BesideClasses } else { Self::Songs };
        }
        let target = drag.target().and_then(|target| target.dyn_into::<Element>().ok());
        let class = target.and_then(|target| target.closest("[data-class]").ok().flatten());
        let id = class.and_then(|class| class.get_attribute("data-class")?.parse().ok());
        id.map_or(Self::BesideClasses, |id| Self::Class(ClassId(id)))
    }

    fn take(self, desk: Desk, songs: Vec<File>) {
        match self {
            Self::Songs => {
                if !songs.is_empty() {
                    show_songs(&songs);
                }
                desk.add(songs);
            }
            Self::Class(class) => desk.classroom.add(desk, class, songs),
            Self::BesideClasses if songs.is_empty() => {}
            Self::BesideClasses => desk.note(t!("teach.drop_beside")),
        }
    }
}

/// Whether the address names the view of the classes.
fn is_teaching() -> bool {
    let fragment = window().location().hash().unwrap_or_default();
    fragment.trim_start_matches('#').split('?').next() == Some(View::Teach.code())
}

/// Whether a file found in a folder may be sound. A type that the browser does
/// not know is no reason against it.
fn may_be_wanted(name: &str, media_type: &str) -> bool {
    const NO_SOUND: [&str; 4] = ["image/", "text/", "font/", "application/pdf"];
    // Playlists have a type that begins like sound's.
    const LISTS: [&str; 5] = [".m3u", ".m3u8", ".pls", ".cue", ".log"];
    let name = name.to_ascii_lowercase();
    let hidden = name.starts_with('.') || name == "thumbs.db" || name == "desktop.ini";
    !hidden
        && !NO_SOUND.iter().any(|start| media_type.starts_with(start))
        && !LISTS.iter().any(|end| name.ends_with(end))
}

/// Takes files that the system hands over.
pub(crate) fn take_files(files: Vec<File>, desk: Desk) {
    let mut basket = Basket::default();
    files.into_iter().for_each(|file| basket.put(file));
    basket.empty_onto(desk, Place::Songs);
}

/// Makes the whole page a drop zone; the signal is true while something hovers
/// over it.
pub(crate) fn accept_drops(desk: Desk) -> ReadSignal<bool> {
    let (hovering, set_hovering) = signal(false);
    let over = gloo::events::EventListenerOptions::enable_prevent_default();
    let on = move |name: &'static str, act: fn(&DragEvent, Desk) -> bool| {
        EventListener::new_with_options(&window(), name, over, move |event| {
            if let Some(drag) = event.dyn_ref::<DragEvent>().filter(|drag| has_files(drag)) {
                event.prevent_default();
                let over_page = act(drag, desk);
                if hovering.get_untracked() != over_page {
                    set_hovering.set(over_page);
                }
            }
        })
        .forget();
    };
    on("dragenter", |_, _| true);
    on("dragover", |_, _| true);
    // Leaving one element for another has where it goes to; leaving the page
    // has not.
    on("dragleave", |drag, _| drag.related_target().is_some());
    on("drop", |drag, desk| {
        if let Some(dropped) = drag.data_transfer() {
            take(&dropped, Place::of(drag), desk);
        }
        false
    });
    hovering
}

fn has_files(drag: &DragEvent) -> bool {
    drag.data_transfer().is_some_and(|data| data.types().iter().any(|kind| kind == "Files"))
}

/// Takes what was dropped. Entries have to be asked for before the event ends;
/// walking through them may take longer.
fn take(dropped: &DataTransfer, place: Place, desk: Desk) {
    let items = dropped.items();
    let mut entries = Vec::new();
    let mut basket = Basket::default();
    for item in (0..items.length()).filter_map(|index| items.get(index)) {
        if item.kind() != "file" {
            continue;
        }
        match item.webkit_get_as_entry() {
            Ok(Some(entry)) => entries.push((entry, handle_of(&item))),
            _ => {
                if let Ok(Some(file)) = item.get_as_file() {
                    basket.put(file);
                } else {
                    basket.unreadable += 1;
                }
            }
        }
    }
    let stops = desk.stops();
    desk.gathering.update(|drops| *drops += 1);
    spawn_local(async move {
        let mut promised = Vec::new();
        for (entry, handle) in entries {
            let came = basket.came.len();
            if entry.is_file() {
                basket.take(entry.unchecked_into(), Vec::new(), false).await;
            } else {
                walk(entry.unchecked_into(), &mut basket, || desk.stops() == stops).await;
            }
            promised.extend(handle.map(|handle| (handle, basket.came.split_off(came))));
        }
        desk.gathering.update(|drops| *drops -= 1);
        if desk.stops() != stops {
            return;
        }
        basket.empty_onto(desk, place);
        // A browser may ask the person first: no song waits for that.
        for (handle, files) in promised {
            spawn_local(hold(desk, handle, files));
        }
    });
}

/// The handle that is promised of it, where the browser has any. It is listened for from now
/// on: where nobody waits for it, its failing is nobody's loss.
fn handle_of(item: &DataTransferItem) -> Option<JsFuture> {
    let promise = browser::call(item, "getAsFileSystemHandle", &[]).ok()?;
    Some(JsFuture::from(Promise::resolve(&promise)))
}

/// Puts every file below `folder` in the basket, folder by folder, in the order
/// of their names, as long as it `goes_on`.
async fn walk(folder: FileSystemDirectoryEntry, basket: &mut Basket, goes_on: impl Fn() -> bool) {
    let mut folders = vec![(folder, Vec::new())];
    while let Some((folder, path)) = folders.pop() {
        if basket.overflown {
            return;
        }
        let entries = entries_of(&folder, basket).await;
        let names: Vec<_> = entries.iter().map(|entry| counted(&entry.name())).collect();
        let mut below = Vec::new();
        for place in order(names.len(), &|a, b| names[a].cmp(&names[b])) {
            let entry = entries[place].clone();
            if !goes_on() {
                return;
            }
            let path = [path.as_slice(), &[entry.name()]].concat();
            if entry.is_directory() {
                below.push((entry.unchecked_into(), path));
            } else {
                basket.take(entry.unchecked_into(), path, true).await;
            }
        }
        folders.extend(below.into_iter().rev());
    }
}

/// Has the keeper hold on to the handles of files, by which a later visit can have
/// them again. `promised` is the handle of what was dropped, where the browser gives
/// it.
async fn hold(desk: Desk, promised: JsFuture, files: Vec<(File, Vec<String>)>) {
    let Ok(dropped) = promised.await else { return };
    for (file, path) in files {
        if let Some(handle) = within(dropped.clone(), &path).await.filter(JsValue::is_object) {
            desk.keeper.hold(&file, handle);
        }
    }
}

/// The handle of what lies at `path` below a handle.
async fn within(mut handle: JsValue, path: &[String]) -> Option<JsValue> {
    for (depth, name) in path.iter().enumerate() {
        let method = if depth + 1 < path.len() { "getDirectoryHandle" } else { "getFileHandle" };
        handle = browser::call_async(&handle, method, &[&name.into()]).await.ok()?;
    }
    Some(handle)
}

/// What lies in a folder; the basket is told where there was more than is wanted, and where
/// not all of it could be had. The browser gives it in portions, and an empty one at the end.
async fn entries_of(folder: &FileSystemDirectoryEntry, basket: &mut Basket) -> Vec<FileSystemEntry> {
    let reader: FileSystemDirectoryReader = folder.create_reader();
    let mut entries = Vec::new();
    loop {
        let portion =
            called_back(|give, fail| reader.read_entries_with_callback_and_callback(give, fail)).await;
        let Some(portion) = portion.and_then(|portion| portion.dyn_into::<Array>().ok()) else {
            basket.unreadable += 1;
            return entries;
        };
        if portion.length() == 0 {
            return entries;
        }
        if entries.len() > MOST_FILES {
            basket.overflown = true;
            return entries;
        }
        entries.extend(portion.iter().map(JsCast::unchecked_into::<FileSystemEntry>));
    }
}

async fn file_of(entry: FileSystemFileEntry) -> Option<File> {
    called_back(|give, fail| {
        entry.file_with_callback_and_callback(give, fail);
        Ok(())
    })
    .await?
    .dyn_into()
    .ok()
}

/// What an API of callbacks gives; `None` where it fails.
async fn called_back(
    ask: impl FnOnce(&js_sys::Function, &js_sys::Function) -> Result<(), JsValue>,
) -> Option<JsValue> {
    let mut ask = Some(ask);
    let promise = Promise::new(&mut |give, fail| {
        if let Some(ask) = ask.take()
            && let Err(error) = ask(&give, &fail)
        {
            // It was promised a caller; a failure to call it is lost otherwise.
            let _ = fail.call1(&JsValue::UNDEFINED, &error);
        }
    });
    JsFuture::from(promise).await.ok()
}

/// Takes what a picker holds, and empties it, so that the same choice can be
/// made again.
fn take_picked(input: &HtmlInputElement, from_folder: bool, desk: Desk) {
    let mut basket = Basket::default();
    let picked: Option<FileList> = input.files();
    for file in picked.iter().flat_map(|files| (0..files.length()).filter_map(|index| files.get(index))) {
        if from_folder { basket.put_from_folder(file) } else { basket.put(file) }
    }
    input.set_value("");
    basket.empty_onto(desk, Place::Songs);
}

/// The two pickers, and the word that anything can be dropped.
#[component]
pub(crate) fn DropZone(
    /// Whether files hover over the page.
    hovering: ReadSignal<bool>,
) -> impl IntoView {
    let desk = expect_context::<Desk>();
    let pick = move |from_folder: bool| {
        move |event: leptos::ev::Event| take_picked(&event_target(&event), from_folder, desk)
    };
    view! {
        <div class="drop-zone" class:over=move || hovering.get() data-testid="drop-zone">
            <p class="drop-word">
                {move || if hovering.get() { t!("listen.let_go") } else { t!("listen.drop_here") }}
            </p>
            <div class="pickers">
                <label class="button">
                    <input type="file" multiple class="unseen" data-testid="pick-files" on:change=pick(false) />
                    {sentence("listen.choose_files")}
                </label>
                <label class="button secondary">
                    <input
                        type="file"
                        multiple
                        class="unseen"
                        data-testid="pick-folder"
                        prop:webkitdirectory=true
                        on:change=pick(true)
                    />
                    {sentence("listen.choose_folder")}
                </label>
            </div>
            <p class="quiet small">{sentence("listen.formats")}</p>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_give_what_may_be_sound() {
        for (name, media_type) in [("01.mp3", "audio/mpeg"), ("a.opus", ""), ("notes.mp3", "text/plain-no")] {
            let wanted = may_be_wanted(name, media_type);
            assert_eq!(wanted, !media_type.starts_with("text/"), "{name}");
        }
        for (name, media_type) in [
            ("cover.jpg", "image/jpeg"),
            (".DS_Store", ""),
            ("Thumbs.db", ""),
            ("all.m3u8", "audio/x-mpegurl"),
        ] {
            assert!(!may_be_wanted(name, media_type), "{name}");
        }
    }
}
