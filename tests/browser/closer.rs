//! One song, large: by link, by keyboard, by mouse, and why.

use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    build,
    library::{KEEP_SOUND, SPENT_AND_FOCUSED, focus_and_press, stored, wait_for_records},
    page::{Browser, Options},
    server::Server,
    songs::{AT_REST, LIMIT, excerpt, ffmpeg, folder, open, results},
};

/// A code point that stands for a key without a letter
/// (<https://www.w3.org/TR/webdriver2/#keyboard-actions>).
pub(crate) const RIGHT: char = '\u{e014}';
pub(crate) const HOME: char = '\u{e011}';
const END: char = '\u{e010}';

const SEEK: &str = "document.querySelector('[data-testid=closer-seek]')";

/// Whether all of a canvas is of one colour.
fn is_blank(browser: &Browser, selector: &str) -> bool {
    browser
        .eval(&format!(
            "(() => {{ const canvas = document.querySelector({}); \
             const {{ data }} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height); \
             const pixels = new Uint32Array(data.buffer); return pixels.every((pixel) => pixel === pixels[0]); }})()",
            json!(selector)
        ))
        .as_bool()
        .unwrap()
}

/// What links call the last song of the list.
pub(crate) fn code(browser: &Browser) -> String {
    let code = browser.eval("[...document.querySelectorAll('[data-testid=song]')].at(-1).dataset.code");
    code.as_str().unwrap().to_owned()
}

/// A browser that has looked closer at a song of twelve seconds.
fn closer(server: &Server, options: &Options) -> Browser {
    let browser = open(server, options);
    browser.drop_files("[data-testid=drop-zone]", &[&excerpt("closer", "12")]);
    browser.wait_until(AT_REST, LIMIT);
    browser.click("[data-testid=closer]");
    browser.wait_for("[data-testid=closer-seek]", LIMIT);
    // A view that has opened is given the keyboard, and scrolled to.
    browser.wait_until("document.activeElement.closest('section')?.dataset.testid === 'closer'", LIMIT);
    browser
}

fn wait_for_second(browser: &Browser, second: u32) {
    browser.wait_until(&format!("{SEEK}.getAttribute('aria-valuenow') === '{second}'"), LIMIT);
}

#[test]
fn a_song_is_read_clip_by_clip_with_the_keyboard() {
    let server = Server::start(&build::folder(), "/");
    let browser = closer(&server, &Options::default());
    // The keyboard is in the view when it opens.
    browser.wait_until("document.activeElement.closest('section')?.dataset.testid === 'closer'", LIMIT);
    assert!(!is_blank(&browser, "[data-testid=closer-seek] .spectrogram"));
    assert!(!is_blank(&browser, "[data-testid=layers]"));
    browser.press(RIGHT);
    wait_for_second(&browser, 3);
    browser.wait_for_text("[data-testid=reading] h2", "0:03", LIMIT);
    browser.wait_for_text("[data-testid=likeness]", "Below −0.92 a clip is refused", LIMIT);
    browser.press(END);
    wait_for_second(&browser, 12);
    browser.press(HOME);
    wait_for_second(&browser, 0);

    // Ten bars, and the first is what the engine says of this clip.
    let clip = &results(&browser)[0]["clips"][0]["probabilities"];
    let top = clip.as_array().unwrap().iter().map(|share| share.as_f64().unwrap()).fold(0.0, f64::max);
    let bars = browser.eval(
        "[...document.querySelectorAll('[data-testid=reading] .bar-share')].map((bar) => parseInt(bar.innerText))",
    );
    assert_eq!(bars.as_array().unwrap().len(), 10);
    assert_eq!(bars[0].as_f64().unwrap(), (top * 100.0).round());
    browser.assert_content();
}

/// The seconds that the slider says, each once.
fn seconds_told(browser: &Browser, length: Duration) -> Vec<u64> {
    let until = Instant::now() + length;
    let mut told = BTreeSet::new();
    while Instant::now() < until {
        told.insert(browser.eval(&format!("Number({SEEK}.getAttribute('aria-valuenow'))")).as_u64().unwrap());
        thread::sleep(Duration::from_millis(200));
    }
    told.into_iter().collect()
}

#[test]
fn zoom_and_loop_follow_keys_and_stand_in_the_address() {
    let server = Server::start(&build::folder(), "/");
    let browser = closer(&server, &Options::default());
    browser.press('+');
    browser.wait_until("document.querySelector('[data-testid=zoom]').innerText.startsWith('2')", LIMIT);
    // Whoever has pressed it to its end is still there.
    focus_and_press(&browser, "[data-testid=zoom-out]");
    browser.wait_until(SPENT_AND_FOCUSED, LIMIT);
    browser.press('+');
    browser.wait_until("document.querySelector('[data-testid=zoom]').innerText.startsWith('2')", LIMIT);
    browser.press(END);
    // The stretch goes with the playhead: half of the song, up to its end.
    browser.wait_for_text("[data-testid=shown]", "0:12", LIMIT);
    browser.press(HOME);
    browser.wait_for_text("[data-testid=shown]", "0:00", LIMIT);
    browser.press(RIGHT);
    wait_for_second(&browser, 3);
    browser.wait_until("location.hash.includes('at=3') && location.hash.includes('zoom=2')", LIMIT);

    // To a button the space bar is its own.
    browser.eval(&format!("{SEEK}.focus()"));
    browser.press('l');
    browser.wait_for_text("[data-testid=looping]", "0:03", LIMIT);
    browser.press(' ');
    browser.wait_for("[data-testid=closer] [data-testid=play].sounding", LIMIT);
    // While the keyboard is on the slider, a screen reader is not told each second of a sound.
    assert_eq!(seconds_told(&browser, Duration::from_secs(2)), [3]);
    // Elsewhere it can be read; two rounds of the clip, and it has not left it.
    browser.eval("document.querySelector('#closer-title').focus()");
    let told = seconds_told(&browser, Duration::from_secs(7));
    assert!(told.len() > 2 && told.iter().all(|second| (3..=6).contains(second)), "{told:?}");
    browser.eval(&format!("{SEEK}.focus()"));
    browser.press(' ');
    browser.press('l');
    browser.press('0');
    browser.wait_until("document.querySelector('[data-testid=zoom]').innerText.startsWith('1')", LIMIT);

    // The address opens the view in this state, and a song that is gone leads back.
    browser.go("#song?song=999&at=3");
    browser.wait_for("[data-testid=closer][data-state=missing]", LIMIT);
    browser.click("[data-testid=closer-back]");
    browser.wait_for("[data-testid=song]", LIMIT);
    browser.assert_content();
}

#[test]
fn a_link_says_where_the_sound_begins_and_how_large_the_song_is_shown() {
    let server = Server::start(&build::folder(), "/");
    let browser = closer(&server, &Options::default());
    browser.go("#listen");
    browser.wait_for("[data-testid=song]", LIMIT);
    let code = code(&browser);
    browser.go(&format!("#song?song={code}&at=6&zoom=2"));
    wait_for_second(&browser, 6);
    let is_twice = "document.querySelector('[data-testid=zoom]').innerText.startsWith('2')";
    browser.wait_until(is_twice, LIMIT);
    // Six seconds are the least that is shown.
    browser.wait_for("[data-testid=zoom-in][aria-disabled=true]", LIMIT);
    browser.click("[data-testid=closer] [data-testid=play]");
    browser.wait_for("[data-testid=closer] [data-testid=play].sounding", LIMIT);
    assert_eq!(browser.eval(&format!("{SEEK}.getAttribute('aria-valuenow') >= 6")), true);
    browser.click("[data-testid=closer] [data-testid=play]");
    browser.press('0');
    browser.wait_until(&format!("!{is_twice}"), LIMIT);
    let link = format!("#song?song={code}&at=3&zoom=2");
    browser.go(&link);
    wait_for_second(&browser, 3);
    browser.wait_until(is_twice, LIMIT);
    // Once more to the same place.
    browser.press('0');
    browser.wait_until("location.hash.endsWith('at=3&zoom=1')", LIMIT);
    browser.go(&link);
    browser.wait_until(is_twice, LIMIT);
}

#[test]
fn a_link_to_a_song_finds_it_in_a_later_visit() {
    let server = Server::start(&build::folder(), "/");
    let browser = Browser::launch(&Options::default());
    browser.before_every_page(KEEP_SOUND);
    browser.open(&server.url());
    browser.wait_for("[data-testid=drop-zone]", LIMIT);
    let folder = folder("closer-link");
    let songs = ["first.wav", "second.wav"].map(|name| folder.join(name));
    songs.iter().for_each(|song| ffmpeg(&["-f", "lavfi", "-i", "sine=220:r=22050:d=7"], song));
    browser.drop_files("[data-testid=drop-zone]", &[&songs[0], &songs[1]]);
    browser.wait_until("document.querySelectorAll('[data-testid=song]').length === 2", LIMIT);
    browser.wait_until(AT_REST, LIMIT);
    let link = format!("#song?song={}&at=3", code(&browser));
    let title = "document.querySelector('[data-testid=closer] h1')?.innerText";
    let named = format!("{title} === 'second.wav'");
    browser.go(&link);
    browser.wait_until(&named, LIMIT);
    browser.wait_until(&format!("{}.then((sounds) => sounds.length === 2)", stored("sounds")), LIMIT);
    wait_for_records(&browser, 2);
    browser.reload();
    browser.wait_until(&named, LIMIT);
    // With its sound, however early it was asked for.
    browser.wait_for("[data-testid=closer] [data-testid=play]:enabled", LIMIT);
    // Another link into the song that is open is followed too.
    wait_for_second(&browser, 3);
    browser.go(&link.replace("at=3", "at=5"));
    wait_for_second(&browser, 5);
    browser.assert_content();
}

/// Has so many short tones heard, made in the folder of this name.
fn hear_tones(browser: &Browser, folder_name: &str, count: usize) {
    let folder = folder(folder_name);
    let songs: Vec<_> = (0..count).map(|song| folder.join(format!("{song}.wav"))).collect();
    songs.iter().for_each(|song| ffmpeg(&["-f", "lavfi", "-i", "sine=220:r=22050:d=4"], song));
    let songs: Vec<_> = songs.iter().map(std::path::PathBuf::as_path).collect();
    browser.drop_files("[data-testid=drop-zone]", &songs);
    let are_listed = format!("document.querySelectorAll('[data-testid=song]').length === {count}");
    browser.wait_until(&are_listed, LIMIT);
    browser.wait_until(AT_REST, LIMIT);
}

/// Whoever looks closer at a song and comes back goes on from there.
#[test]
fn one_comes_back_to_where_one_was() {
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    hear_tones(&browser, "closer-back", 3);
    let last = code(&browser);
    browser.eval("[...document.querySelectorAll('[data-testid=song] [data-testid=closer]')].at(-1).click()");
    browser.wait_for("[data-testid=closer-seek]", LIMIT);
    browser.click("[data-testid=closer-back]");
    let has_keyboard = format!(
        "document.activeElement.dataset.testid === 'closer' \
         && document.activeElement.closest('[data-code]')?.dataset.code === {}",
        json!(last)
    );
    browser.wait_until(&has_keyboard, LIMIT);

    // So does the table, as far as it was scrolled.
    browser.go("#library");
    let scroll = "document.querySelector('[data-testid=library-scroll]')";
    browser.wait_until("document.querySelectorAll('[data-testid=row]').length === 3", LIMIT);
    // As if there were many.
    browser
        .eval("document.styleSheets[0].insertRule('.library-scroll { max-height: 120px !important; }', 0)");
    browser.eval(&format!("void ({scroll}.scrollTop = 60)"));
    browser.eval("document.querySelector('[data-testid=row-title]').click()");
    browser.wait_for("[data-testid=closer-seek]", LIMIT);
    browser.click("[data-testid=closer-back]");
    browser.wait_until(&format!("{scroll}?.scrollTop === 60"), LIMIT);
}

/// A table of few rows is as long as they are, and it is the page that is scrolled.
#[test]
fn one_comes_back_to_the_row_that_one_left() {
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options { size: (390, 844), ..Options::default() });
    hear_tones(&browser, "closer-row", 15);
    browser.go("#library");
    browser.wait_until("document.querySelectorAll('[data-testid=row]').length === 15", LIMIT);
    // Where it is scrolled to stays when the last of the rows have come.
    browser
        .wait_until("(scrollTo(0, document.documentElement.scrollHeight), scrollY > innerHeight / 2)", LIMIT);
    let left_at = browser.eval("Math.round(scrollY)").as_i64().unwrap();
    let last = browser.eval(
        "(() => { const last = [...document.querySelectorAll('[data-testid=row-title]')].at(-1); \
         last.click(); return last.getAttribute('href'); })()",
    );
    browser.wait_for("[data-testid=closer-seek]", LIMIT);
    browser.click("[data-testid=closer-back]");
    browser.wait_until(
        &format!(
            "document.activeElement.getAttribute('href') === {last} && Math.abs(scrollY - {left_at}) < 2 \
             && document.activeElement.getBoundingClientRect().bottom < innerHeight"
        ),
        LIMIT,
    );
    browser.assert_content();
}

/// A song that is dropped while another is looked at is seen.
#[test]
fn a_song_that_is_dropped_beside_another_is_shown() {
    let server = Server::start(&build::folder(), "/");
    let browser = closer(&server, &Options::default());
    browser.drop_files("main", &[&excerpt("closer-beside", "5")]);
    browser.wait_until("location.hash === '#listen'", LIMIT);
    browser.wait_until("document.querySelectorAll('[data-testid=song]').length === 2", LIMIT);
    browser.wait_until(AT_REST, LIMIT);
}

#[test]
fn the_table_of_clips_leads_to_a_clip() {
    let server = Server::start(&build::folder(), "/");
    let browser = closer(&server, &Options { size: (390, 844), ..Options::default() });
    browser.click("[data-testid=clips] summary");
    browser.wait_until("document.querySelectorAll('[data-testid=clips] tbody tr').length === 4", LIMIT);
    browser.click("[data-testid=clips] tbody tr:nth-child(3) button");
    wait_for_second(&browser, 6);
    // Nothing sticks out of a phone.
    assert_eq!(browser.eval("document.documentElement.scrollWidth <= innerWidth"), true);
    browser.assert_content();
}

#[test]
fn why_shows_what_spoke_for_a_genre_and_for_another() {
    let server = Server::start(&build::folder(), "/");
    let browser = closer(&server, &Options::default());
    browser.click("[data-testid=ask-why]");
    let done = "document.querySelector('[data-testid=why]').dataset.state === 'done'";
    browser.wait_until(done, LIMIT);
    assert!(!is_blank(&browser, "[data-testid=veil]"));
    let first = browser.text("[data-testid=why-answer]");
    assert!(first.len() > 40, "{first}");
    browser.eval(
        "(() => { const select = document.querySelector('[data-testid=why-genre]'); \
         select.selectedIndex = (select.selectedIndex + 1) % select.options.length; \
         select.dispatchEvent(new Event('change', { bubbles: true })); })()",
    );
    browser.wait_until(
        &format!(
            "{done} && document.querySelector('[data-testid=why-answer]').innerText !== {}",
            json!(first)
        ),
        LIMIT,
    );
    browser.click("[data-testid=why-close]");
    browser.wait_until("document.querySelector('[data-testid=why-answer]') === null", LIMIT);
    browser.assert_content();
}
