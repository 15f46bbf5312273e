//! The library: a table that outlives the visit, what can be taken along, and the
//! link that opens without the song.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use needledrop::network::card::{Calibration, Combine};

use crate::{
    build,
    closer::code,
    doubt, memory,
    page::{Browser, Options},
    server::Server,
    songs::{AT_REST, LIMIT, choose_papers_network, excerpt, ffmpeg, folder, open, results, songs},
};

/// Keeps every file that the page has the browser save.
const CATCH_FILES: &str = "window.saved = []; const make = URL.createObjectURL; \
    URL.createObjectURL = (thing) => { if (!(thing instanceof MediaSource)) window.saved.push(thing); \
    return make.call(URL, thing); };";

/// Titles of the rows that are put up.
const TITLES: &str =
    "[...document.querySelectorAll('[data-testid=row-title]')].map((title) => title.innerText)";

/// Every row has ended well.
const HEARD: &str =
    "[...document.querySelectorAll('[data-testid=row]')].every((row) => row.dataset.state === 'done')";

fn go(browser: &Browser, fragment: &str) {
    browser.go(fragment);
}

fn titles(browser: &Browser) -> Vec<String> {
    serde_json::from_value(browser.eval(TITLES)).unwrap()
}

fn wait_for_rows(browser: &Browser, rows: usize) {
    browser.wait_until(&format!("document.querySelectorAll('[data-testid=row]').length === {rows}"), LIMIT);
}

/// Which songs the table's rows are of.
const ROW_IDS: &str =
    "[...document.querySelectorAll('[data-testid=row]')].map(({ dataset }) => dataset.song)";

/// The identities of the songs in the table.
fn row_ids(browser: &Browser) -> Value {
    browser.eval(ROW_IDS)
}

/// Waits until each row is another song's: one that is heard again is another, and its row
/// comes a little after it.
fn wait_for_other_rows(browser: &Browser, before: &Value) {
    let other = format!("{ROW_IDS}.every((song) => !{before}.includes(song))");
    browser.wait_until(&format!("{ROW_IDS}.length > 0 && {other}"), LIMIT);
}

/// The text of the file that a click on `button` has saved.
fn saved_by(browser: &Browser, button: &str) -> String {
    let before = browser.eval("window.saved.length").as_u64().unwrap();
    browser.eval(&format!("document.querySelector('[data-testid={button}]').click()"));
    browser.wait_until(&format!("window.saved.length > {before}"), LIMIT);
    browser.eval("window.saved.at(-1).text()").as_str().unwrap().to_owned()
}

/// What the library's switch for keeping songs does, which is there once there are songs.
pub(crate) const KEEP_SOUND: &str =
    "if (location.protocol === 'http:') localStorage.setItem('needledrop.keep-sound', 'yes')";

/// What one of the page's stores holds.
pub(crate) fn stored(store: &str) -> String {
    format!(
        "new Promise((resolve, reject) => {{
           const asked = indexedDB.open('needledrop ' + new URL('./', document.baseURI).href);
           asked.onerror = () => reject(asked.error);
           asked.onsuccess = () => {{
             const all = asked.result.transaction('{store}').objectStore('{store}').getAll();
             all.onsuccess = () => {{ asked.result.close(); resolve(all.result); }};
           }};
         }})"
    )
}

/// Waits until the store has the verdicts of that many songs.
pub(crate) fn wait_for_records(browser: &Browser, done: u64) {
    let records = stored("records");
    let ended = "filter((record) => JSON.parse(record).ending === 'done')";
    browser.wait_until(&format!("{records}.then((records) => records.{ended}.length >= {done})"), LIMIT);
}

/// Waits until the store has no song any more.
fn wait_for_no_record(browser: &Browser) {
    browser.wait_until(&format!("{}.then((records) => records.length === 0)", stored("records")), LIMIT);
}

/// The link to the first result of the table.
pub(crate) fn link_of_first_row(browser: &Browser) -> String {
    browser
        .eval("document.querySelector('[data-testid=row][data-state=done] [data-testid=row-more]').click()");
    browser.wait_for("[data-testid=copy-link]:enabled", LIMIT);
    browser.eval("document.querySelector('[data-testid=copy-link]').click()");
    browser.wait_for("[data-testid=share-link]", LIMIT);
    let link = browser.eval("document.querySelector('[data-testid=share-link]').value");
    link.as_str().unwrap().to_owned()
}

#[test]
fn what_is_no_music_has_no_link_and_no_picture() {
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    let noise = folder("library-no-music").join("noise.wav");
    ffmpeg(&["-f", "lavfi", "-i", "anoisesrc=d=7:r=22050:a=0.3:seed=1"], &noise);
    browser.drop_files("[data-testid=drop-zone]", &[&noise]);
    browser.wait_until(AT_REST, LIMIT);
    go(&browser, "#library");
    browser.wait_for("[data-testid=row][data-state=done] [data-testid=row-more]", LIMIT);
    let genre = browser.eval("document.querySelector('[data-testid=row-genre]').innerText.trim()");
    assert_eq!(genre, "Not music");
    browser.click("[data-testid=row-more]");
    browser.wait_for("[data-testid=copy-link]", LIMIT);
    for button in ["copy-link", "take-picture"] {
        let disabled = browser.eval(&format!("document.querySelector('[data-testid={button}]').disabled"));
        assert_eq!(disabled, true, "{button}");
    }
}

/// Three songs, the last of them broken.
fn three(name: &str) -> Vec<PathBuf> {
    let folder = folder(name);
    let mut files = songs(&folder);
    let broken = folder.join("broken.mp3");
    fs::write(&broken, [0x5a; 40_000]).unwrap();
    files.push(broken);
    files
}

fn drop_all(browser: &Browser, files: &[PathBuf]) {
    let paths: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    let songs = "document.querySelectorAll('[data-testid=song]').length";
    let all = browser.eval(songs).as_u64().unwrap() + files.len() as u64;
    browser.drop_files("[data-testid=drop-zone]", &paths);
    browser.wait_until(&format!("{songs} === {all}"), LIMIT);
    browser.wait_until(AT_REST, LIMIT);
}

fn name_of(file: &Path) -> String {
    file.file_name().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn the_library_outlives_the_visit() {
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    let files = three("library");
    drop_all(&browser, &files);
    go(&browser, "library");
    wait_for_rows(&browser, 3);
    let genres = "[...document.querySelectorAll('[data-testid=row]')].map((row) => \
        [row.dataset.state, row.querySelector('[data-testid=row-genre]').innerText, \
        row.querySelector('[data-testid=row-confidence]').innerText].join(' ')).sort()";
    let heard = browser.eval(genres);
    assert!(heard[0].as_str().unwrap().starts_with("done"), "{heard}");
    assert!(heard[2].as_str().unwrap().starts_with("failed"), "{heard}");

    wait_for_records(&browser, 2);
    let records = stored("records");
    let ended = "every((record) => JSON.parse(record).ending !== 'unheard')";
    browser.wait_until(&format!("{records}.then((records) => records.{ended})"), LIMIT);
    browser.reload();
    wait_for_rows(&browser, 3);
    assert_eq!(browser.eval(genres), heard);
    // Nothing of it is on the list of this visit.
    assert_eq!(browser.eval("document.querySelectorAll('[data-testid=song]').length"), 0);

    // Dropped again, a song is known again, and stands in the table once.
    go(&browser, "listen");
    browser.wait_for("[data-testid=drop-zone]", LIMIT);
    drop_all(&browser, &files[..1]);
    go(&browser, "library");
    wait_for_rows(&browser, 3);

    browser.eval("document.querySelector('[data-testid=forget-all]').click()");
    browser.wait_for("[data-testid=forget-all-surely]", LIMIT);
    browser.eval("document.querySelector('[data-testid=forget-all-surely]').click()");
    browser.wait_for("[data-testid=library-empty]", LIMIT);
    wait_for_no_record(&browser);
    browser.reload();
    browser.wait_for("[data-testid=library][data-state=empty]", LIMIT);
    browser.assert_content();
}

/// Focuses a button and presses it, as the keyboard does.
pub(crate) fn focus_and_press(browser: &Browser, button: &str) {
    browser.eval(&format!(
        "(() => {{ window.pressed = document.querySelector({}); pressed.focus(); pressed.click(); }})()",
        json!(button)
    ));
}

/// Holds on to the connections to its store that the page opens.
const KEEP_CONNECTIONS: &str = "window.connections = []; const connect = IDBFactory.prototype.open; \
    IDBFactory.prototype.open = function (...asked) { const request = connect.apply(this, asked); \
    request.addEventListener('success', () => connections.push(request.result)); return request; };";

#[test]
fn a_store_goes_on_keeping_where_its_connection_was_lost() {
    let server = Server::start(&build::folder(), "/");
    let browser = Browser::launch(&Options::default());
    browser.before_every_page(KEEP_CONNECTIONS);
    browser.open(&server.url());
    browser.wait_for("[data-testid=drop-zone]", LIMIT);
    let files = songs(&folder("library-connection"));
    drop_all(&browser, &files[..1]);
    wait_for_records(&browser, 1);
    // As Safari closes those of pages in the background, without a word.
    browser.eval("connections.forEach((connection) => connection.close())");
    drop_all(&browser, &files[1..2]);
    wait_for_records(&browser, 2);
    browser.reload();
    go(&browser, "library");
    wait_for_rows(&browser, 2);
    assert_eq!(browser.eval("document.querySelector('[data-testid=not-kept]')"), Value::Null);
}

#[test]
fn everything_is_forgotten_also_what_another_page_kept() {
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    drop_all(&browser, &songs(&folder("library-forget"))[..1]);
    wait_for_records(&browser, 1);
    browser.eval(
        "new Promise((resolve) => {
           const asked = indexedDB.open('needledrop ' + new URL('./', document.baseURI).href);
           asked.onsuccess = () => {
             const change = asked.result.transaction(['records', 'sounds'], 'readwrite');
             change.objectStore('records').put('of a later version', 'another');
             change.objectStore('sounds').put(new File(['sound'], 'another'), 'another');
             change.oncomplete = () => { asked.result.close(); resolve(); };
           };
         })",
    );
    browser.reload();
    go(&browser, "library");
    wait_for_rows(&browser, 1);
    browser.open_in_new_tab(&format!("{}#library", server.url()));
    wait_for_rows(&browser, 1);
    browser.click("[data-testid=forget-all]");
    browser.wait_for_text("[data-testid=forget-all-surely]", "Really forget this song", LIMIT);
    browser.click("[data-testid=forget-all-surely]");
    wait_for_no_record(&browser);
    browser.wait_until(&format!("{}.then((sounds) => sounds.length === 0)", stored("sounds")), LIMIT);
    // The other page shows no more of it.
    browser.close_tab();
    browser.wait_for("[data-testid=library][data-state=empty]", LIMIT);
}

#[test]
fn a_song_that_another_page_forgets_goes_from_this_one_alone() {
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    drop_all(&browser, &songs(&folder("library-forget-one"))[..2]);
    wait_for_records(&browser, 2);
    browser.reload();
    go(&browser, "library?sort=title");
    wait_for_rows(&browser, 2);
    let last_title = "[...document.querySelectorAll('[data-testid=row-title]')].at(-1).textContent";
    let last = browser.eval(last_title);
    browser.open_in_new_tab(&format!("{}#library?sort=title", server.url()));
    wait_for_rows(&browser, 2);
    browser.eval("void (window.confirm = () => true)");
    browser.click("[data-testid=row] [data-testid=select]");
    browser.click("[data-testid=selection-remove]");
    // Other tabs are told once the store has it no more.
    browser.wait_until(
        "Object.keys(localStorage).some((key) => key.startsWith('needledrop.forgotten '))",
        LIMIT,
    );
    assert_eq!(browser.eval(&format!("{}.then((records) => records.length)", stored("records"))), 1);
    browser.close_tab();
    wait_for_rows(&browser, 1);
    assert_eq!(browser.eval(last_title), last);
}

/// What one page has heard is worth more than that another has not.
#[test]
fn a_verdict_of_another_tab_is_not_lost_to_a_song_that_is_stopped() {
    let folder = folder("library-verdict");
    let long = folder.join("long.wav");
    ffmpeg(&["-f", "lavfi", "-i", "anoisesrc=d=600:r=22050:a=0.3:seed=1"], &long);
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    // Else it would be over before it could be stopped.
    choose_papers_network(&browser);
    browser.open_in_new_tab(&server.url());
    browser.wait_for("[data-testid=drop-zone]", LIMIT);
    browser.drop_files("[data-testid=drop-zone]", &[&long]);
    wait_for_records(&browser, 1);
    browser.close_tab();
    browser.drop_files("[data-testid=drop-zone]", &[&long]);
    browser.wait_for("[data-testid=song][data-state=busy]", LIMIT);
    browser.click("[data-testid=stop]");
    browser.wait_for("[data-testid=song][data-state=cancelled]", LIMIT);
    // What comes later is written later.
    browser.drop_files("[data-testid=drop-zone]", &[&excerpt("library-verdict-next", "3.2")]);
    browser.wait_until(&format!("{}.then((records) => records.length === 2)", stored("records")), LIMIT);
    let ending = "then((records) => records.map((record) => JSON.parse(record)) \
        .find(({ file }) => file.name === 'long.wav').ending)";
    assert_eq!(browser.eval(&format!("{}.{ending}", stored("records"))), "done");
}

#[test]
fn what_a_later_version_wrote_is_not_lost_to_a_song_without_a_verdict() {
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    let files = three("library-later-version");
    let (good, broken) = (&files[..1], &files[2..]);
    let records = stored("records");
    drop_all(&browser, broken);
    let has_failed = "then((records) => records.length === 1 && JSON.parse(records[0]).ending !== 'unheard')";
    browser.wait_until(&format!("{records}.{has_failed}"), LIMIT);
    browser.eval(
        "new Promise((resolve) => {
           const asked = indexedDB.open('needledrop ' + new URL('./', document.baseURI).href);
           asked.onsuccess = () => {
             const change = asked.result.transaction('records', 'readwrite');
             const records = change.objectStore('records');
             const keys = records.getAllKeys();
             keys.onsuccess = () => keys.result.forEach((key) => records.put('{}', key));
             change.oncomplete = () => { asked.result.close(); resolve(); };
           };
         })",
    );
    drop_all(&browser, broken);
    // What comes later is written later.
    drop_all(&browser, good);
    wait_for_records(&browser, 1);
    let is_there = "then((records) => records.length === 2 && records.includes('{}'))";
    assert_eq!(browser.eval(&format!("{records}.{is_there}")), true);
}

/// As over plain http, and in Safari before 17.
#[test]
fn songs_are_kept_where_nobody_says_how_much_room_there_is() {
    let server = Server::start(&build::folder(), "/");
    let browser = Browser::launch(&Options::default());
    browser.before_every_page(KEEP_SOUND);
    browser.before_every_page("delete StorageManager.prototype.estimate;");
    browser.open(&server.url());
    browser.wait_for("[data-testid=drop-zone]", LIMIT);
    drop_all(&browser, &songs(&folder("library-estimate"))[..1]);
    browser.wait_until(&format!("{}.then((sounds) => sounds.length === 1)", stored("sounds")), LIMIT);
}

/// Whether the keyboard is still at what was [pressed](focus_and_press) last, and that
/// says that there is nothing more to press it for.
pub(crate) const SPENT_AND_FOCUSED: &str =
    "document.activeElement === pressed && pressed.ariaDisabled === 'true'";

/// Focuses a button and presses it, and waits until the keyboard is at something
/// else, which `next` selects.
pub(crate) fn press(browser: &Browser, button: &str, next: &str) {
    focus_and_press(browser, button);
    browser.wait_until(
        &format!("document.activeElement !== pressed && document.activeElement.matches({})", json!(next)),
        LIMIT,
    );
}

#[test]
fn the_keyboard_stays_where_something_was_done() {
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    drop_all(&browser, &three("library-keyboard"));
    press(&browser, "[data-testid=again]", "[data-testid=stop], [data-testid=again]");
    browser.wait_until(AT_REST, LIMIT);
    go(&browser, "library?sort=title");
    wait_for_rows(&browser, 3);
    // Back from a song one is at the link that led there.
    browser.eval(
        "void (window.left = document.querySelectorAll('[data-testid=row-title]')[1].hash, \
         document.querySelectorAll('[data-testid=row-title]')[1].click())",
    );
    browser.wait_for("[data-testid=closer]", LIMIT);
    browser.wait_until("document.activeElement.id === 'closer-title'", LIMIT);
    browser.eval("history.back()");
    browser.wait_until("document.activeElement.hash === left", LIMIT);
    press(&browser, "[data-testid=row-more]", "#alike-heading");
    press(&browser, "[data-testid=alike-close]", "[data-testid=row-more]");
    browser.click("[data-testid=row][data-state=done] [data-testid=select]");
    // Nothing brings back what is removed.
    browser.eval("void (window.confirm = question => { window.asked = question; return false })");
    browser.click("[data-testid=selection-remove]");
    browser.wait_until("window.asked === 'Forget this song?'", LIMIT);
    wait_for_rows(&browser, 3);
    browser.eval("void (window.confirm = () => true)");
    press(&browser, "[data-testid=selection-remove]", "[data-testid=select-all]");
    wait_for_rows(&browser, 2);
    press(&browser, "[data-testid=row-again]", ".state button, [data-testid=library-scroll]");
    browser.click("[data-testid=forget-all]");
    browser.wait_for("[data-testid=forget-all-surely]", LIMIT);
    press(&browser, "[data-testid=forget-all-surely]", "#library-heading, [data-testid=row] *");
    // A heading that is seen, whatever is open.
    browser.drop_files("#library-heading", &[&folder("library-nothing")]);
    browser.wait_for("[data-testid=notes]", LIMIT);
    press(&browser, "[data-testid=notes] button", "#library-heading");
}

/// Where a row goes because its song is no longer what is asked for, the keyboard stays in the table.
#[test]
fn the_keyboard_stays_in_the_table_when_its_row_goes() {
    let folder = folder("library-goes");
    let long = folder.join("long.wav");
    ffmpeg(&["-f", "lavfi", "-i", "anoisesrc=d=1800:r=22050:a=0.3:seed=1"], &long);
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    // Else it could be over too soon.
    choose_papers_network(&browser);
    browser.drop_files("[data-testid=drop-zone]", &[&long]);
    browser.wait_for("[data-testid=song][data-state=busy]", LIMIT);
    go(&browser, "library?state=busy");
    wait_for_rows(&browser, 1);
    browser.eval("document.querySelector('[data-testid=row-title]').focus()");
    browser.eval("document.querySelector('[data-testid=stop-all]').click()");
    browser.wait_for("[data-testid=none-shown]", LIMIT);
    browser.wait_until("document.activeElement.dataset.testid === 'library-scroll'", LIMIT);
    assert_eq!(browser.eval("document.querySelector('[data-testid=summary]').textContent"), "1 stopped");
    assert_eq!(browser.eval("document.querySelector('[data-testid=said]').textContent"), "1 stopped");
}

/// Where a song ends by itself while its button has the keyboard, the one in its place takes over.
#[test]
fn the_keyboard_stays_in_the_row_of_a_song_that_ends() {
    let folder = folder("library-ends");
    let long = folder.join("long.wav");
    ffmpeg(&["-f", "lavfi", "-i", "anoisesrc=d=600:r=22050:a=0.3:seed=1"], &long);
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    go(&browser, "library");
    browser.wait_for("[data-testid=library-empty]", LIMIT);
    browser.drop_files("[data-testid=library]", &[&long]);
    // In the same turn: a fast machine is soon through.
    browser.wait_until(
        "(stop => stop && (stop.focus(), true))(document.querySelector('[data-testid=row-stop]'))",
        LIMIT,
    );
    browser.wait_for("[data-testid=row][data-state=done]", LIMIT);
    browser.wait_until("document.activeElement.dataset.testid === 'row-more'", LIMIT);
}

/// What happens again has to be heard again: the live region's text is another by a space.
#[test]
fn the_same_sentence_is_said_twice() {
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    let empty = folder("library-said-twice");
    let said = "document.querySelector('[data-testid=said]').textContent";
    let sentence = "There was no file in what you dropped.";
    for end in ["", "\u{a0}", ""] {
        browser.drop_files("[data-testid=drop-zone]", &[&empty]);
        browser.wait_until(&format!("{said} === {}", json!(format!("{sentence}{end}"))), LIMIT);
    }
}

/// Alt and an arrow is the way back, not a place in a song.
#[test]
fn what_is_for_the_browser_is_left_to_it() {
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    let song = songs(&folder("library-held")).remove(0);
    browser.drop_files("[data-testid=drop-zone]", &[&song]);
    browser.wait_until(AT_REST, LIMIT);
    let taken = |held: &str| {
        browser.eval(&format!(
            "!document.querySelector('[data-testid=seek]').dispatchEvent(new KeyboardEvent('keydown', \
             {{ key: 'ArrowRight', {held} bubbles: true, cancelable: true }}))"
        ))
    };
    assert_eq!(taken(""), true);
    for held in ["altKey: true,", "ctrlKey: true,", "metaKey: true,"] {
        assert_eq!(taken(held), false, "{held}");
    }
}

#[test]
fn a_song_that_was_dropped_twice_is_kept_until_the_last_is_removed() {
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    let files = three("library-twice");
    drop_all(&browser, &files[..1]);
    drop_all(&browser, &files[..1]);
    let songs = "document.querySelectorAll('[data-testid=song]').length";
    browser.wait_until(&format!("{songs} === 2 && {AT_REST}"), LIMIT);
    // Each has an address of its own, where it may have been heard by another model.
    go(&browser, "library");
    wait_for_rows(&browser, 2);
    let addresses =
        "new Set([...document.querySelectorAll('[data-testid=row-title]')].map(link => link.hash)).size";
    assert_eq!(browser.eval(addresses), 2);
    // It keeps it when it is heard again.
    go(&browser, "listen");
    let codes = "[...document.querySelectorAll('[data-testid=song]')].map(song => song.dataset.code).join()";
    let before = browser.eval(codes);
    browser.eval("[...document.querySelectorAll('[data-testid=again]')].at(-1).click()");
    let names = "[...document.querySelectorAll('[data-testid=song]')].map(song => song.dataset.song).join()";
    browser.wait_until(&format!("{names} !== '1,2' && {AT_REST}"), LIMIT);
    assert_eq!(browser.eval(codes), before);
    browser.click("[data-testid=remove]");
    browser.wait_until(&format!("{songs} === 1"), LIMIT);
    // What is kept is written within a frame or two.
    std::thread::sleep(Duration::from_millis(500));
    browser.reload();
    go(&browser, "library");
    wait_for_rows(&browser, 1);
    browser.wait_until(HEARD, LIMIT);

    browser.click("[data-testid=row] [data-testid=select]");
    browser.eval("void (window.confirm = () => true)");
    browser.click("[data-testid=selection-remove]");
    browser.wait_for("[data-testid=library-empty]", LIMIT);
    wait_for_no_record(&browser);
    browser.reload();
    browser.wait_for("[data-testid=library][data-state=empty]", LIMIT);
}

#[test]
fn the_table_is_sorted_filtered_and_searched_from_a_link() {
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    let files = three("library-order");
    drop_all(&browser, &files);
    go(&browser, "library?sort=title");
    wait_for_rows(&browser, 3);
    let up = titles(&browser);
    assert!(up.is_sorted_by_key(|title| title.to_lowercase()), "{up:?}");
    browser.eval("document.querySelector('[data-testid=sort-title]').click()");
    browser
        .wait_until("document.querySelector('th.title').getAttribute('aria-sort') === 'descending'", LIMIT);
    browser.wait_until(&format!("({TITLES})[0] === {}", json!(up[2])), LIMIT);
    assert_eq!(browser.eval("location.hash"), "#library?sort=-title");

    // The keyboard goes with the row that it is in.
    let (mut order, mut next) = ("sort=title", "sort=-title");
    for row in 0..3 {
        go(&browser, &format!("library?{order}"));
        let rows = if order == "sort=title" { [0, 1, 2] } else { [2, 1, 0] }.map(|at| up[at].clone());
        browser.wait_until(&format!("JSON.stringify({TITLES}) === JSON.stringify({})", json!(rows)), LIMIT);
        browser.eval(&format!(
            "document.querySelectorAll('[data-testid=row-title]')[{row}].closest('a').focus()"
        ));
        go(&browser, &format!("library?{next}"));
        browser.wait_until(&format!("({TITLES})[0] === {}", json!(rows[2])), LIMIT);
        let at_it = format!("document.activeElement.innerText.includes({})", json!(rows[row]));
        browser.wait_until(&at_it, LIMIT);
        std::mem::swap(&mut order, &mut next);
    }

    // What is selected is what is seen.
    let selected = "document.querySelectorAll('[data-testid=row] [data-testid=select]:checked').length";
    browser.click("[data-testid=select-all]");
    assert_eq!(browser.eval(selected), 3);
    go(&browser, "library?state=failed");
    wait_for_rows(&browser, 1);
    assert_eq!(titles(&browser), ["broken.mp3"]);
    go(&browser, "library?sort=title");
    wait_for_rows(&browser, 3);
    assert_eq!(browser.eval(selected), 1);
    go(&browser, "library?q=BROKEN");
    wait_for_rows(&browser, 1);
    browser.wait_for_text("[data-testid=said]", "1 of 3 songs", LIMIT);
    go(&browser, "library?q=no+such+song");
    browser.wait_for("[data-testid=none-shown]", LIMIT);
    browser.wait_for_text("[data-testid=said]", "No songs match.", LIMIT);
    browser.assert_content();
}

#[test]
fn what_is_shown_can_be_taken_along() {
    let server = Server::start(&build::folder(), "/");
    let browser = Browser::launch(&Options::default());
    browser.before_every_page(CATCH_FILES);
    browser.open(&server.url());
    browser.wait_for("[data-testid=drop-zone]", LIMIT);
    let files = three("library-export");
    drop_all(&browser, &files);
    go(&browser, "library?state=done");
    wait_for_rows(&browser, 2);
    let csv = saved_by(&browser, "export-csv");
    let json: Value = serde_json::from_str(&saved_by(&browser, "export-json")).unwrap();
    let m3u = saved_by(&browser, "export-m3u");
    assert!(
        csv.contains(
            "file,title,artist,album,seconds,state,model,genre,doubt,most_probable,confidence,blues,"
        ),
        "{csv}"
    );
    assert_eq!(json["songs"].as_array().unwrap().len(), 2);
    for file in &files[..2] {
        let name = name_of(file);
        assert!(csv.contains(&format!("\r\n{name},")), "{csv}");
        assert!(m3u.contains(&format!("\n./{name}\n")), "{m3u}");
        let song = json["songs"].as_array().unwrap().iter().find(|song| song["file"] == name).unwrap();
        assert_eq!(song["clips"].as_array().unwrap().len(), 10);
        assert!(!song["embedding"].as_array().unwrap().is_empty());
    }
    assert!(!csv.contains("broken.mp3"));

    // More like this, a playlist of it, a picture.
    browser.eval("document.querySelector('[data-testid=row-more]').click()");
    browser.wait_for("[data-testid=neighbour]", LIMIT);
    assert_eq!(browser.eval("document.querySelectorAll('[data-testid=neighbour]').length"), 1);
    let playlist = saved_by(&browser, "playlist");
    assert_eq!(playlist.matches("#EXTINF").count(), 2, "{playlist}");
    browser.eval("document.querySelector('[data-testid=take-picture]').click()");
    browser.wait_until("window.saved.at(-1).type === 'image/png' && window.saved.at(-1).size > 10000", LIMIT);

    // The link says the same, on a page that has never heard the song.
    let link = link_of_first_row(&browser);
    assert!(link.starts_with(&server.url()) && link.len() < 2000, "{link}");
    let title = browser.eval("document.querySelector('[data-testid=row-title]').innerText");
    // Beside the letters that are for the eye alone.
    let genre = browser.eval(
        "[...document.querySelector('[data-testid=row-genre]').childNodes]\
         .filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.data).join('')",
    );
    browser.assert_content();
    drop(browser);

    let browser = Browser::launch(&Options::default());
    browser.open(&link);
    browser.wait_for("[data-testid=result][data-state=good]", LIMIT);
    assert_eq!(browser.text("[data-testid=result] h1"), title.as_str().unwrap());
    assert_eq!(browser.text("[data-testid=result-word]"), genre.as_str().unwrap().trim());
    browser.open(&link[..link.len() - 9]);
    browser.wait_for("[data-testid=result][data-state=damaged]", LIMIT);
    browser.assert_content();
}

#[test]
fn a_visit_that_was_broken_off_goes_on_or_asks_for_the_file() {
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    let folder = folder("library-broken-off");
    let long = folder.join("long.wav");
    ffmpeg(&["-f", "lavfi", "-i", "sine=220:r=22050:d=3600"], &long);
    let mut files = songs(&folder);
    files.push(long.clone());
    let paths: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    // Else the long one could be over before the page is loaded anew.
    choose_papers_network(&browser);
    browser.drop_files("[data-testid=drop-zone]", &paths);
    go(&browser, "library");
    browser.wait_until("document.querySelectorAll('[data-testid=row][data-state=done]').length === 2", LIMIT);
    browser.wait_for("[data-testid=row][data-state=busy]", LIMIT);
    wait_for_records(&browser, 2);
    browser.reload();
    wait_for_rows(&browser, 3);
    assert_eq!(browser.eval("document.querySelectorAll('[data-testid=row][data-state=done]').length"), 2);

    // By its handle, if the browser lends it without asking, which shows at once, and
    // for as long as it does; else by its file.
    std::thread::sleep(Duration::from_secs(2));
    let asks = "document.querySelector('[data-testid=row-file]') !== null";
    let can_go_on = "document.querySelector('[data-testid=row-again]') !== null";
    browser.wait_until(&format!("{HEARD} || {asks} || {can_go_on}"), LIMIT * 3);
    if browser.eval(can_go_on) == true {
        browser.eval("document.querySelector('[data-testid=row-again]')?.click()");
        browser.wait_until(&format!("{HEARD} || {asks}"), LIMIT * 3);
    }
    if browser.eval(asks) == true {
        let root = browser.devtools("DOM.getDocument", json!({}));
        let input = browser.devtools(
            "DOM.querySelector",
            json!({ "nodeId": root["root"]["nodeId"], "selector": "[data-testid=row-file]" }),
        );
        browser.devtools("DOM.setFileInputFiles", json!({ "nodeId": input["nodeId"], "files": [long] }));
    }
    browser.wait_until(HEARD, LIMIT * 3);
    wait_for_rows(&browser, 3);
    browser.assert_content();
}

#[test]
fn songs_of_a_share_sheet_are_heard() {
    let server = Server::start(&build::folder(), "/music/");
    let browser = open(&server, &Options::default());
    browser.wait_until("navigator.serviceWorker.controller !== null", LIMIT);
    let song = songs(&folder("library-share")).remove(0);
    let bytes = BASE64_STANDARD.encode(fs::read(&song).unwrap());
    // As the system posts it: a form that the service worker answers.
    let posted = browser.eval(&format!(
        "fetch('share', {{ method: 'POST', redirect: 'manual', body: (() => {{ const form = new FormData(); \
         form.append('songs', new File([Uint8Array.from(atob('{bytes}'), (byte) => byte.charCodeAt(0))], {})); \
         return form; }})() }}).then((answer) => answer.type)",
        json!(name_of(&song)),
    ));
    assert_eq!(posted, "opaqueredirect");
    // Where the answer leads to is not shown to who asked by a script.
    let share =
        "caches.keys().then((names) => names.find((name) => name.includes('shared')).split(' ').pop())";
    let share = browser.eval(share);
    browser.open(&format!("{}?shared={}#listen", server.url(), share.as_str().unwrap()));
    browser.wait_until(AT_REST, LIMIT);
    assert_eq!(browser.eval("location.search"), "");
    assert_eq!(
        browser.eval("caches.keys().then((names) => names.some((name) => name.includes('shared')))"),
        false
    );
    assert_eq!(browser.eval("JSON.parse(window.needledrop.results())[0].file"), name_of(&song));
    browser.assert_content();
}

/// The page stands still where one of its tasks takes so long, in milliseconds: five
/// times what a quiet machine is allowed.
const STANDSTILL: u64 = 250;

/// Scrolls the table up and down for a hundred frames.
const SCROLL: &str = "(async () => {
    const table = document.querySelector('[data-testid=library-scroll]');
    for (let frame = 0; frame < 100; frame++) {
        table.scrollTop = (frame < 50 ? frame : 100 - frame) * 150;
        await new Promise(requestAnimationFrame);
    }
    return document.querySelectorAll('[data-testid=row]').length;
})()";

/// Drops two hundred songs of that many seconds.
fn drop_two_hundred(browser: &Browser, name: &str, seconds: &str) {
    let folder = folder(name);
    let first = folder.join("song 000.flac");
    ffmpeg(&["-i", songs(&folder)[0].to_str().unwrap(), "-t", seconds], &first);
    let files: Vec<PathBuf> = (0..200).map(|song| folder.join(format!("song {song:03}.flac"))).collect();
    for file in &files[1..] {
        fs::copy(&first, file).unwrap();
    }
    let paths: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    browser.drop_files("[data-testid=drop-zone]", &paths);
}

#[test]
fn two_hundred_songs_fill_the_table_while_it_is_scrolled() {
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    // Else they could be over before the page is loaded anew: it takes a tenth of a second over
    // each of their 1400 clips, and of scrolling there are eight seconds.
    choose_papers_network(&browser);
    drop_two_hundred(&browser, "library-many", "21");
    go(&browser, "library");
    browser.wait_until("document.querySelectorAll('[data-testid=row]').length > 10", LIMIT);
    browser.eval(
        "void (window.longTasks = [], new PerformanceObserver((list) => longTasks.push(...list.getEntries()
           .map(({ duration }) => Math.round(duration)))).observe({ type: 'longtask' }))",
    );
    let heard = "Number(document.querySelectorAll('[data-testid=row][data-state=done]').length)";
    let mut rows = 0;
    for _ in 0..5 {
        rows = browser.eval(SCROLL).as_u64().unwrap().max(rows);
    }
    let long_tasks: Vec<u64> = serde_json::from_value(browser.eval("longTasks")).unwrap();
    println!(
        "200 songs, at most {rows} rows put up, {} of them heard; tasks of the page over 50 ms: {long_tasks:?}",
        browser.eval(heard),
    );
    assert!(rows < 60, "{rows}");
    assert!(long_tasks.iter().all(|&task| task < STANDSTILL), "{long_tasks:?}");

    // In the middle of it the page is loaded anew.
    browser.wait_until(
        "JSON.parse(window.needledrop.results()).filter(({ state }) => state === 'done').length > 20",
        LIMIT,
    );
    let done = browser
        .eval("JSON.parse(window.needledrop.results()).filter(({ state }) => state === 'done').length");
    wait_for_records(&browser, done.as_u64().unwrap());
    let to_be_heard = "JSON.parse(window.needledrop.results())\
        .filter(({ state }) => ['busy', 'queued'].includes(state)).length";
    let left = browser.eval(to_be_heard).as_u64().unwrap();
    println!("{left} of 200 songs are still to be heard when the page is loaded anew");
    assert!(left > 0, "all were heard before the page was loaded anew");
    browser.reload();
    browser.wait_for_text("[data-testid=library-count]", "200", LIMIT);
    // By keys to either end, whose rows are not there yet; once no row changes its place any more.
    let rests =
        "JSON.parse(window.needledrop.results()).every(({ state }) => !['busy', 'queued'].includes(state))";
    browser.wait_until(rests, LIMIT * 3);
    // Each has been heard, or waits for its file to be lent; none is lost, and none failed.
    let kept = stored("records");
    let endings = "map((record) => JSON.parse(record).ending)";
    let account = format!(
        "{kept}.then((records) => records.{endings}).then((endings) => endings.length === 200 \
         && endings.every((ending) => ['done', 'unheard'].includes(ending)) \
         && endings.filter((ending) => ending === 'done').length >= {done})"
    );
    browser.wait_until(&account, LIMIT);
    browser.eval("document.querySelector('[data-testid=row] a').focus()");
    for (key, row) in [('\u{e010}', "201"), ('\u{e011}', "2")] {
        browser.press(key);
        browser.wait_until(
            &format!(
                "document.activeElement.closest('[data-testid=row]').getAttribute('aria-rowindex') === '{row}'"
            ),
            LIMIT,
        );
    }
    go(&browser, "library?state=done");
    browser.wait_until(
        &format!("parseInt(document.querySelector('[data-testid=library-count]').innerText) >= {done}"),
        Duration::from_secs(20),
    );
}

/// What two hundred songs may take besides what the page takes anyway, in MB.
const MOST_FOR_SONGS: f64 = 50.0;

#[test]
fn two_hundred_songs_take_little_memory() {
    let page = memory::telling();
    let server = Server::start_isolated(page.path());
    let browser = open(&server, &Options { measured: true, ..Options::default() });
    browser.wait_until("document.querySelector('[data-testid=engine]').dataset.state === 'cpu'", LIMIT);
    // The first song brings what every song needs.
    browser.drop_files("[data-testid=drop-zone]", &[&excerpt("library-memory-one", "6")]);
    browser.wait_until(AT_REST, LIMIT);
    let (one, made_up) = memory::memory(&browser);
    println!("1 song heard: {one:.1} MB ({made_up})");

    drop_two_hundred(&browser, "library-memory", "6");
    go(&browser, "library");
    browser.wait_for_text("[data-testid=library-count]", "201", LIMIT);
    browser.wait_until(
        "JSON.parse(window.needledrop.results()).every(({ state }) => state === 'done')",
        LIMIT * 3,
    );
    let (all, made_up) = memory::memory(&browser);
    println!("200 more: {all:.1} MB ({made_up})");
    assert!(all - one < MOST_FOR_SONGS, "{one:.1} MB, then {all:.1} MB");
}

fn choose_of_selection(browser: &Browser, model: usize) {
    browser.eval(&format!(
        "(() => {{ const choice = document.querySelector('[data-testid=selection] select'); \
         choice.selectedIndex = {model}; choice.dispatchEvent(new Event('change', {{ bubbles: true }})); }})()"
    ));
}

#[test]
fn selected_songs_are_heard_again_with_another_model() {
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    let folder = folder("library-again-with");
    let songs = songs(&folder);
    drop_all(&browser, &songs);

    // One network, always sure and never.
    let [always_sure, never_sure] =
        ["always", "never"].map(|how| folder.join(format!("{how} sure.safetensors")));
    doubt::model(&always_sure, Calibration::default());
    let calibration = Calibration {
        temperature: 20.0,
        combine: Combine::LogPool { correlation: 0.9 },
        least_confidence: Some(1.0),
        ..Calibration::default()
    };
    doubt::model(&never_sure, calibration);
    let ready = "[...document.querySelectorAll('[data-testid=model-choice] option')]";
    for (model, at) in [(&always_sure, 2), (&never_sure, 3)] {
        browser.drop_files("[data-testid=drop-zone]", &[model]);
        browser.wait_until(&format!("{ready}.length === {at}"), LIMIT);
    }
    go(&browser, "library");
    wait_for_rows(&browser, songs.len());
    for (model, verdict) in [(2, "not_sure"), (1, "genre"), (2, "not_sure")] {
        let before = row_ids(&browser);
        browser.click("[data-testid=select-all]");
        browser.wait_until(
            "document.querySelector('[data-testid=selection]').checkVisibility({ visibilityProperty: true })",
            LIMIT,
        );
        choose_of_selection(&browser, model);
        browser.click("[data-testid=selection-again]");
        browser.wait_until(
            &format!(
                "JSON.parse(window.needledrop.results()).every((song) => \
                 song.state === 'done' && song.verdict === '{verdict}')"
            ),
            LIMIT,
        );
        wait_for_other_rows(&browser, &before);
    }
    // They are the same songs, and kept as they were heard last.
    wait_for_rows(&browser, songs.len());
    let records = stored("records");
    browser.wait_until(
        &format!(
            "{records}.then((records) => records.every((record) => JSON.parse(record).doubt === 'not_sure'))"
        ),
        LIMIT,
    );
    browser.assert_content();
}

#[test]
fn a_song_that_is_kept_is_heard_again_without_its_file() {
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    let folder = folder("library-keep-sound");
    let file = folder.join("kept.wav");
    fs::copy(excerpt("library-kept", "7"), &file).unwrap();
    drop_all(&browser, &songs(&folder)[..1]);
    go(&browser, "library");
    wait_for_rows(&browser, 1);
    assert_eq!(browser.eval(&format!("{}.then((sounds) => sounds.length)", stored("sounds"))), 0);
    browser.click("[data-testid=keep-sound]");
    go(&browser, "listen");
    browser.wait_for("[data-testid=drop-zone]", LIMIT);
    drop_all(&browser, std::slice::from_ref(&file));
    let first = results(&browser).into_iter().find(|song| song["file"] == "kept.wav").unwrap();
    assert_eq!(first["state"], "done");
    // That of the visit's other song too.
    browser.wait_until(&format!("{}.then((sounds) => sounds.length === 2)", stored("sounds")), LIMIT);
    wait_for_records(&browser, 2);

    // By a handle it could not be had any more.
    fs::remove_file(&file).unwrap();
    browser.reload();
    go(&browser, "library?q=kept.wav");
    wait_for_rows(&browser, 1);
    assert_eq!(browser.eval("document.querySelector('[data-testid=keep-sound]').checked"), true);
    assert!(results(&browser).is_empty());
    let before = row_ids(&browser);
    browser.click("[data-testid=row] [data-testid=select]");
    browser.click("[data-testid=selection-again]");
    browser.wait_until(
        "JSON.parse(window.needledrop.results()).map(({ state }) => state).join() === 'done'",
        LIMIT,
    );
    assert_eq!(results(&browser)[0]["clips"], first["clips"]);
    wait_for_other_rows(&browser, &before);
    assert_eq!(browser.eval("document.querySelector('[data-testid=row-file]')"), Value::Null);
    // Of what somebody brought once there is another copy than the store's.
    browser.eval("void (window.confirm = question => { window.asked = question; return false })");
    browser.click("[data-testid=row] [data-testid=select]");
    browser.click("[data-testid=selection-remove]");
    browser.wait_until("window.asked === 'Forget this song?'", LIMIT);

    // Who wants it no more is asked, and then rid of it at once.
    browser.eval("void (window.confirm = () => false)");
    browser.click("[data-testid=keep-sound]");
    assert_eq!(browser.eval("document.querySelector('[data-testid=keep-sound]').checked"), true);
    browser.eval("void (window.confirm = () => true)");
    browser.click("[data-testid=keep-sound]");
    browser.wait_until(&format!("{}.then((sounds) => sounds.length === 0)", stored("sounds")), LIMIT);
    browser.assert_content();
}

/// A page of which the browser keeps what `script` leaves of it, with two songs heard.
fn with_a_store_that_fails(server: &Server, name: &str, script: &str) -> Browser {
    let browser = open(server, &Options::default());
    browser.before_every_page(&format!("{KEEP_SOUND}; {script}"));
    browser.reload();
    browser.wait_for("[data-testid=drop-zone]", LIMIT);
    drop_all(&browser, &songs(&folder(name))[..2]);
    go(&browser, "library");
    wait_for_rows(&browser, 2);
    browser.wait_for("[data-testid=not-kept]", LIMIT);
    browser
}

#[test]
fn without_room_for_songs_their_verdicts_are_kept() {
    let server = Server::start(&build::folder(), "/");
    let full = "const put = IDBObjectStore.prototype.put;
      IDBObjectStore.prototype.put = function (...all) {
        if (this.name === 'sounds') throw new DOMException('no room', 'QuotaExceededError');
        return put.apply(this, all);
      };";
    let browser = with_a_store_that_fails(&server, "library-full", full);
    wait_for_records(&browser, 2);
    assert_eq!(browser.eval(&format!("{}.then((sounds) => sounds.length)", stored("sounds"))), 0);
    browser.assert_content();
}

#[test]
fn without_a_store_songs_are_heard_and_it_is_said() {
    let server = Server::start(&build::folder(), "/");
    let none = "Object.defineProperty(window, 'indexedDB', { get: () => undefined });";
    let browser = with_a_store_that_fails(&server, "library-absent", none);
    assert!(results(&browser).iter().all(|song| song["state"] == "done"));
    browser.assert_content();
}

/// Another model's genre of the same number is another genre.
#[test]
fn why_is_asked_of_the_model_that_heard_the_song() {
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    drop_all(&browser, &songs(&folder("library-why"))[..1]);
    go(&browser, "library");
    wait_for_rows(&browser, 1);
    browser.click("[data-testid=keep-sound]");
    go(&browser, "listen");
    choose_papers_network(&browser);
    drop_all(&browser, &[excerpt("library-why-papers", "7")]);
    let link = format!("song?song={}&at=3", code(&browser));
    browser.wait_until(&format!("{}.then((sounds) => sounds.length === 2)", stored("sounds")), LIMIT);
    wait_for_records(&browser, 2);
    browser.reload();

    let why = |state: &str| {
        go(&browser, &link);
        browser
            .wait_until("document.querySelector('[data-testid=ask-why]')?.ariaDisabled === 'false'", LIMIT);
        // A view that has opened is given the keyboard, and scrolled to.
        browser.wait_until("document.activeElement.id === 'closer-title'", LIMIT);
        browser.click("[data-testid=ask-why]");
        let state = format!("document.querySelector('[data-testid=why]').dataset.state === '{state}'");
        browser.wait_until(&state, LIMIT);
        browser.text("[data-testid=why-answer]")
    };
    let answer = why("failed");
    assert!(answer.contains("Another network heard this song"), "{answer}");
    // What is seen inside is the way through the one that is here, and says so.
    let stand_in = "[data-testid=inside-stand-in]";
    let inside = link.replace("song?", "inside?");
    go(&browser, &inside);
    browser.wait_for_text(stand_in, "heard this song, but it is not at hand now", LIMIT);
    go(&browser, "listen");
    choose_papers_network(&browser);
    why("done");
    go(&browser, &inside);
    browser.wait_until("document.querySelector('[data-testid=inside]')?.dataset.state === 'shown'", LIMIT);
    browser.wait_until(&format!("document.querySelector('{stand_in}') === null"), LIMIT);
}

/// Stands in for the system, which hands files to an installed page.
const LAUNCH: &str = "Object.defineProperty(window, 'launchQueue', \
    { value: { setConsumer: (consumer) => { window.launch = consumer; } } });";

/// Opens a file of the page's own with the page, as the system does.
fn launch_with(browser: &Browser, name: &str, bytes: &[u8]) {
    let bytes = BASE64_STANDARD.encode(bytes);
    browser.eval(&format!(
        "(async () => {{
           const folder = await navigator.storage.getDirectory();
           const handle = await folder.getFileHandle({}, {{ create: true }});
           const writable = await handle.createWritable();
           await writable.write(Uint8Array.from(atob('{bytes}'), (byte) => byte.charCodeAt(0)));
           await writable.close();
           launch({{ files: [handle] }});
         }})()",
        json!(name),
    ));
}

#[test]
fn a_file_that_is_opened_with_the_page_is_heard() {
    let server = Server::start(&build::folder(), "/");
    let browser = Browser::launch(&Options::default());
    browser.before_every_page(LAUNCH);
    browser.open(&server.url());
    browser.wait_until("window.launch !== undefined", LIMIT);
    // By its icon, and by a shortcut of it.
    browser.eval("launch({ files: [], targetURL: document.baseURI })");
    browser.eval("launch({ files: [], targetURL: document.baseURI + '#library' })");
    browser.wait_for("#library-heading", LIMIT);
    assert_eq!(browser.eval("location.hash"), "#library");
    assert_eq!(browser.eval("document.querySelector('[data-testid=notes]')"), json!(null));
    let song = excerpt("library-launch", "7");
    launch_with(&browser, "opened.wav", &fs::read(&song).unwrap());
    browser.wait_until(AT_REST, LIMIT);
    let heard = results(&browser);
    assert_eq!(
        (heard.len(), &heard[0]["file"], &heard[0]["state"]),
        (1, &json!("opened.wav"), &json!("done"))
    );

    // What a window that is open is not given is said not to have come.
    browser.eval("launch({ files: [], targetURL: new URL('share', document.baseURI).href })");
    browser.wait_for_text("[data-testid=notes]", "hands a share only to a page that is not open yet", LIMIT);

    // A second one comes beside it.
    launch_with(&browser, "another.wav", &fs::read(&song).unwrap());
    browser.wait_until("document.querySelectorAll('[data-testid=song]').length === 2", LIMIT);
    browser.wait_until(AT_REST, LIMIT);
    assert!(results(&browser).iter().all(|song| song["state"] == "done"));
    // By its handle it can be had on a later visit.
    browser.wait_until(&format!("{}.then((handles) => handles.length === 2)", stored("handles")), LIMIT);
    browser.assert_content();
}

#[test]
fn the_browser_is_asked_once_not_to_throw_away_what_is_kept() {
    let server = Server::start(&build::folder(), "/");
    let browser = Browser::launch(&Options::default());
    browser.before_every_page(
        "window.asked = 0; StorageManager.prototype.persisted = async () => false; \
         StorageManager.prototype.persist = async () => { asked++; return false; };",
    );
    browser.open(&server.url());
    browser.wait_for("[data-testid=drop-zone]", LIMIT);
    let files = songs(&folder("library-persist"));
    assert_eq!(browser.eval("asked"), 0);
    drop_all(&browser, &files[..1]);
    browser.wait_until("asked === 1", LIMIT);
    drop_all(&browser, &files[1..]);
    browser.wait_until("document.querySelectorAll('[data-testid=song]').length === 2", LIMIT);
    browser.wait_until(AT_REST, LIMIT);
    wait_for_records(&browser, 2);
    assert_eq!(browser.eval("asked"), 1);
    browser.assert_content();
}

/// Notes when the page has been told that it is not the first.
const NOTE_SECOND: &str = "const lock = LockManager.prototype.request; \
    LockManager.prototype.request = function (...asked) { const answer = lock.apply(this, asked); \
    answer.then(() => { window.second = true; }, () => {}); return answer; };";

#[test]
fn what_one_tab_is_hearing_is_not_heard_in_another() {
    let server = Server::start(&build::folder(), "/");
    let browser = Browser::launch(&Options::default());
    browser.before_every_page(KEEP_SOUND);
    let long = folder("library-two-tabs").join("long.wav");
    ffmpeg(&["-f", "lavfi", "-i", "anoisesrc=d=3600:r=22050:a=0.3:seed=1"], &long);
    browser.open(&server.url());
    browser.wait_for("[data-testid=drop-zone]", LIMIT);
    // Else the song could be over before the other tab has looked.
    choose_papers_network(&browser);
    browser.drop_files("[data-testid=drop-zone]", &[&long]);
    browser.wait_until(&format!("{}.then((sounds) => sounds.length === 1)", stored("sounds")), LIMIT);
    browser.wait_until("JSON.parse(window.needledrop.results())[0].state === 'busy'", LIMIT);

    browser.open_in_new_tab("about:blank");
    // What runs before a tab's pages runs in that tab alone.
    browser.before_every_page(NOTE_SECOND);
    browser.open(&format!("{}#library", server.url()));
    wait_for_rows(&browser, 1);
    browser.wait_until("window.second", LIMIT);
    // It would have read the other's song out of the store before this one is in it.
    go(&browser, "listen");
    browser.wait_for("[data-testid=drop-zone]", LIMIT);
    browser.drop_files("[data-testid=drop-zone]", &[&excerpt("library-two-tabs-next", "3.2")]);
    browser.wait_until(&format!("{}.then((sounds) => sounds.length === 2)", stored("sounds")), LIMIT);
    let listed = "JSON.parse(window.needledrop.results()).map((song) => song.file)";
    assert_eq!(browser.eval(listed), json!(["excerpt.wav"]));
    browser.close_tab();
    // The only one goes on, of course.
    browser.reload();
    browser.wait_until(&format!("{listed}.includes('long.wav')"), LIMIT);
    browser.assert_content();
}
