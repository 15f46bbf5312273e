//! What stands around every view: the languages, the address, the presentation.

use std::fs;

use serde_json::{Value, json};

use crate::{
    build,
    library::{self, link_of_first_row},
    page::{Browser, Options},
    server::Server,
    shell::KEPT,
    songs::{AT_REST, LIMIT, choose_papers_network, excerpt, ffmpeg, folder, open},
};

const IN_SPANISH: &str = "document.documentElement.lang === 'es' && document.querySelector('#songs-heading').innerText === 'Canciones'";
const LISTENING: &str = "document.querySelector('[data-testid=drop-zone]').checkVisibility()";
const PRESENTED: &str = "document.documentElement.hasAttribute('data-presentation')";

pub(crate) fn choose_language(browser: &Browser, code: &str) {
    browser.eval(&format!(
        "(() => {{ const choice = document.querySelector('[data-testid=language]'); choice.value = '{code}'; \
         choice.dispatchEvent(new Event('change', {{ bubbles: true }})); }})()"
    ));
}

fn press(browser: &Browser, key: &str) {
    for kind in ["keyDown", "keyUp"] {
        browser.devtools("Input.dispatchKeyEvent", serde_json::json!({ "type": kind, "key": key }));
    }
}

/// What was said before the page was there stays at its foot.
#[test]
fn the_footer_follows_the_language() {
    let server = Server::start(&build::folder(), "/");
    let browser = Browser::launch(&Options::default());
    browser.before_every_page("delete Navigator.prototype.gpu");
    browser.open(&server.url());
    browser.wait_for("[data-testid=drop-zone]", LIMIT);
    browser.wait_for_text("#boot-notes", "This browser has no WebGPU", LIMIT);
    choose_language(&browser, "es");
    browser.wait_until(IN_SPANISH, LIMIT);
    browser.wait_for_text("#boot-notes", "Este navegador no tiene WebGPU", LIMIT);
}

#[test]
fn a_language_is_taken_at_once_and_kept() {
    let mut server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    assert_eq!(browser.eval("document.documentElement.lang"), "en");
    assert_eq!(browser.text("#songs-heading"), "Songs");
    browser.wait_until(KEPT, LIMIT);
    server.stop();

    choose_language(&browser, "es");
    browser.wait_until(IN_SPANISH, LIMIT);
    browser.reload();
    browser.wait_for("[data-testid=drop-zone]", LIMIT);
    browser.wait_until(IN_SPANISH, LIMIT);
    choose_language(&browser, "en");
    browser.wait_for_text("#songs-heading", "Songs", LIMIT);
    browser.assert_content();
}

#[test]
fn the_browsers_language_is_the_first() {
    let server = Server::start(&build::folder(), "/");
    let browser = Browser::launch(&Options::default());
    browser
        .before_every_page("Object.defineProperty(navigator, 'languages', { value: ['qu', 'es-PE', 'en'] })");
    browser.open(&server.url());
    browser.wait_for("[data-testid=drop-zone]", LIMIT);
    browser.wait_until(IN_SPANISH, LIMIT);
    browser.assert_content();
}

#[test]
fn an_address_opens_its_view() {
    let server = Server::start(&build::folder(), "/");
    let browser = Browser::launch(&Options::default());
    browser.open(&format!("{}#nowhere?present=1", server.url()));
    browser.wait_for("[data-testid=drop-zone]", LIMIT);
    assert_eq!(browser.eval("document.querySelector('#name').checkVisibility()"), true);
    browser.wait_until(PRESENTED, LIMIT);

    press(&browser, "Escape");
    browser.wait_until(&format!("!{PRESENTED} && {LISTENING}"), LIMIT);
    assert_eq!(browser.eval("location.hash"), "#listen");
    assert_eq!(browser.text("[aria-current=page]"), "Listen");
    library::press(&browser, "[data-testid=present]", "[data-testid=leave]");
    browser.wait_until(PRESENTED, LIMIT);
    library::press(&browser, "[data-testid=leave]", "[data-testid=present]");
    browser.wait_until(&format!("!{PRESENTED}"), LIMIT);
    browser.assert_content();
}

#[test]
fn the_lesson_is_read_and_leads_to_its_views() {
    let server = Server::start(&build::folder(), "/");
    let browser = Browser::launch(&Options::default());
    browser.open(&format!("{}#lesson", server.url()));
    browser.wait_for_text("[data-testid=lesson] h1", "45 minutes", LIMIT);
    browser.wait_for("[data-testid=lesson] table", LIMIT);
    browser.click("[data-testid=lesson] a[href='#experiments']");
    browser.wait_until("location.hash === '#experiments'", LIMIT);
    browser.wait_for("[data-testid=experiments]", LIMIT);

    // What is presented stays presented.
    browser.go("#lesson?present=1");
    browser.wait_until(PRESENTED, LIMIT);
    // A view that has opened is given the keyboard, and scrolled to.
    browser.wait_until("document.activeElement.matches('[data-testid=lesson] h1')", LIMIT);
    browser.click("[data-testid=lesson] a[href='#experiments']");
    browser.wait_until(&format!("location.hash === '#experiments?present=1' && {PRESENTED}"), LIMIT);
    browser.assert_content();
}

#[test]
fn the_lesson_follows_the_language() {
    let server = Server::start(&build::folder(), "/");
    let browser = Browser::launch(&Options::default());
    browser.open(&format!("{}#lesson", server.url()));
    browser.wait_for_text("[data-testid=lesson] h1", "A lesson of 45 minutes", LIMIT);

    choose_language(&browser, "es");
    browser.wait_for_text("[data-testid=lesson] [lang=es] h1", "Una lección de 45 minutos", LIMIT);
    browser.wait_for("[data-testid=lesson] table", LIMIT);
    browser.click("[data-testid=lesson] a[href='#experiments']");
    browser.wait_for("[data-testid=experiments]", LIMIT);

    // It is the language of a lesson that is opened, too.
    browser.go("#lesson");
    browser.wait_for_text("[data-testid=lesson] [lang=es] h1", "Una lección de 45 minutos", LIMIT);
    browser.wait_until("document.activeElement.matches('[data-testid=lesson] h1')", LIMIT);
    choose_language(&browser, "en");
    browser.wait_for_text("[data-testid=lesson] [lang=en] h1", "A lesson of 45 minutes", LIMIT);
    browser.assert_content();
}

/// A browser to which what has an address like `pattern` does not come.
fn open_without(server: &Server, pattern: &str) -> Browser {
    let browser = Browser::launch(&Options::default());
    browser.block(&[pattern]);
    browser.open(&server.url());
    browser.wait_for("[data-testid=drop-zone]", LIMIT);
    browser
}

#[test]
fn a_lesson_that_does_not_come_can_be_asked_for_again() {
    let server = Server::start(&build::folder(), "/");
    let browser = open_without(&server, "*lesson.en.html");
    browser.go("#lesson");
    browser.wait_for("[data-testid=data-again]", LIMIT);
    assert_eq!(browser.text("[data-testid=lesson] h1"), "Lesson");
    browser.wait_until("document.activeElement.matches('[data-testid=lesson] h1')", LIMIT);
    // There is nothing to print.
    assert_eq!(browser.eval("document.querySelector('[data-testid=print]')"), Value::Null);
    browser.block(&[]);
    library::press(&browser, "[data-testid=data-again]", "[data-testid=lesson] h1");
    browser.wait_for_text("[data-testid=lesson] h1", "A lesson of 45 minutes", LIMIT);
    browser.wait_for("[data-testid=print]", LIMIT);
    browser.assert_content();
}

#[test]
fn a_view_whose_code_does_not_come_can_be_asked_for_again() {
    let server = Server::start(&build::folder(), "/");
    let browser = open_without(&server, "*views-*.wasm");
    browser.go("#experiments");
    browser.wait_for("[data-testid=view-again]", LIMIT);
    // The list of songs is as it was.
    browser.go("#listen");
    browser.wait_until(LISTENING, LIMIT);
    browser.go("#experiments");
    browser.wait_for("[data-testid=view-again]", LIMIT);
    browser.block(&[]);
    browser.click("[data-testid=view-again]");
    browser.wait_for("[data-testid=experiments] h1", LIMIT);
    // The keyboard is at the heading, as if it had come at once.
    browser.wait_until("document.activeElement.matches('[data-testid=experiments] h1')", LIMIT);
}

/// Width of a narrow phone, and of a page that is enlarged fourfold, in CSS pixels.
const NARROW: u32 = 320;
/// What shifts more than this is bad, by <https://web.dev/articles/cls>.
const MOST_SHIFT: f64 = 0.1;
/// Clips of a song that are heard while a view is watched.
const WATCHED_CLIPS: u64 = 6;

/// Watches for what shifts without having been touched, and, frame by frame, for what
/// moves for longer than 10 ms.
const WATCH: &str = "(() => {
    window.shift = 0;
    window.moving = [];
    new PerformanceObserver((list) => list.getEntries()
      .filter(({ hadRecentInput }) => !hadRecentInput).forEach(({ value }) => { shift += value; }))
      .observe({ type: 'layout-shift' });
    const look = () => {
      for (const animation of document.getAnimations()) {
        const { duration } = animation.effect.getComputedTiming();
        if (animation.playState === 'running' && duration > 10) {
          const { target } = animation.effect;
          moving.push(`${animation.animationName ?? animation.transitionProperty} of ${target.className || target.tagName}`);
        }
      }
      requestAnimationFrame(look);
    };
    look();
  })()";

/// What reaches beyond the right edge of the document, where it can be scrolled there.
const STICKS_OUT: &str = "(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    if (scrollWidth <= clientWidth) return [];
    const cut = (element) => element !== null
      && (getComputedStyle(element).overflowX !== 'visible' || cut(element.parentElement));
    return [...document.querySelectorAll('body *')]
      .filter((element) => element.getBoundingClientRect().right > clientWidth && !cut(element.parentElement))
      .map((element) => element.outerHTML.slice(0, 120));
  })()";

/// Waits until some more clips of the song that is being heard have come.
fn hear_on(browser: &Browser, song: &str, clips: u64) {
    let heard = format!(
        "JSON.parse(window.needledrop.results()).find(({{ file }}) => file === {}).clips.length",
        json!(song)
    );
    let until = browser.eval(&heard).as_u64().unwrap() + clips;
    browser.wait_until(&format!("{heard} >= {until}"), LIMIT);
}

/// Every view, one song large, and the result of another.
fn addresses(browser: &Browser, large: &str) -> Vec<String> {
    let views =
        browser.eval("[...document.querySelectorAll('[data-testid=views] li a')].map((link) => link.hash)");
    let mut views: Vec<String> = serde_json::from_value(views).unwrap();
    let song = browser.eval(&format!(
        "(() => {{ const {{ song }} = JSON.parse(window.needledrop.results()).find(({{ file }}) => file === {}); \
         return document.querySelector(`[data-testid=song][data-song='${{song}}']`).dataset.code; }})()",
        json!(large)
    ));
    let song = song.as_str().unwrap();
    browser.go("#library");
    browser.wait_for("[data-testid=row][data-state=done]", LIMIT);
    let link = link_of_first_row(browser);
    let result = format!("#{}", link.split_once('#').unwrap().1);
    views.extend([format!("#song?song={song}&at=1"), result]);
    views
}

fn come_to(browser: &Browser, address: &str) {
    browser.go(address);
    browser.wait_until(
        &format!(
            "location.hash.split('?')[0] === {}.split('?')[0] && document.querySelector('main > :not([hidden]) :is(h1, h2)') !== null \
             && document.querySelector('main > :not([hidden]) [data-state=loading]') === null \
             && document.querySelector('[data-testid=inside][data-state=busy]') === null",
            json!(address)
        ),
        LIMIT,
    );
}

fn prefer_less_motion(browser: &Browser, less: bool) {
    let value = if less { "reduce" } else { "no-preference" };
    let features = json!([{ "name": "prefers-reduced-motion", "value": value }]);
    browser.devtools("Emulation.setEmulatedMedia", json!({ "features": features }));
}

/// A narrow page on which a song of an hour is being heard, and its file's name,
/// which has no place to break it.
fn narrow(server: &Server, folder_name: &str) -> (Browser, &'static str) {
    let browser = open(server, &Options::default());
    resize(&browser, NARROW, 640);
    let name = "a_song_with_a_very_long_name_of_which_every_letter_was_typed_by_somebody_in_a_hurry.wav";
    let folder = folder(folder_name);
    let long = folder.join(name);
    ffmpeg(&["-f", "lavfi", "-i", "anoisesrc=d=3600:r=22050:a=0.3:seed=1,tremolo=f=2:d=0.9"], &long);
    let short = folder.join(format!("short_{name}"));
    fs::copy(excerpt("views-short", "7"), &short).unwrap();
    browser.drop_files("[data-testid=drop-zone]", &[&short]);
    browser.wait_until(AT_REST, LIMIT);
    // Else the long song would be over before every view was looked at.
    choose_papers_network(&browser);
    browser.drop_files("[data-testid=drop-zone]", &[&long]);
    browser.wait_for("[data-testid=song][data-state=busy]", LIMIT);
    (browser, name)
}

#[test]
fn every_view_stands_still_while_a_song_is_heard() {
    let server = Server::start(&build::folder(), "/");
    let (browser, song) = narrow(&server, "views-still");
    let addresses = addresses(&browser, song);
    browser.eval(WATCH);
    let mut moved = [0, 0];
    for less_motion in [false, true] {
        prefer_less_motion(&browser, less_motion);
        for address in &addresses {
            come_to(&browser, address);
            // What comes with the view has come with the first of them.
            hear_on(&browser, song, WATCHED_CLIPS / 2);
            browser.eval("(() => { window.shift = 0; window.moving = []; })()");
            hear_on(&browser, song, WATCHED_CLIPS);
            let shift = browser.eval("shift").as_f64().unwrap();
            let moving = browser.eval("[...new Set(moving)]");
            println!("{address:.20}, less motion {less_motion}: shift {shift:.4}, moving {moving}");
            assert!(shift < MOST_SHIFT, "{address} shifts by {shift}");
            moved[usize::from(less_motion)] += moving.as_array().unwrap().len();
        }
    }
    assert!(moved[0] > 0, "nothing moves where it may, so that nothing is known of where it may not");
    assert_eq!(moved[1], 0);
}

#[test]
fn no_view_sticks_out_of_a_narrow_phone() {
    let server = Server::start(&build::folder(), "/");
    let (browser, song) = narrow(&server, "views-narrow");
    let mut wrong = Vec::new();
    for address in addresses(&browser, song) {
        come_to(&browser, &address);
        hear_on(&browser, song, 1);
        let out = browser.eval(STICKS_OUT);
        if out != json!([]) {
            wrong.push(format!("{address}: {out:#}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Gives the window another width and height.
fn resize(browser: &Browser, width: u32, height: u32) {
    browser.devtools(
        "Emulation.setDeviceMetricsOverride",
        json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false }),
    );
}

#[test]
fn what_was_chosen_on_a_phone_is_seen() {
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    resize(&browser, 360, 740);
    let top = "document.querySelector('.songs').getBoundingClientRect().top";
    assert_eq!(browser.eval(&format!("{top} > innerHeight && scrollY === 0")), true);
    browser.drop_files("[data-testid=drop-zone]", &[&excerpt("views-phone", "7")]);
    browser.wait_for("[data-testid=song]", LIMIT);
    browser.wait_until(&format!("scrollY > 0 && {top} < innerHeight / 2"), LIMIT);
    // Where it is in sight nothing moves.
    resize(&browser, 1280, 740);
    browser.wait_until("(scrollTo(0, 0), scrollY === 0)", LIMIT);
    browser.drop_files("[data-testid=drop-zone]", &[&excerpt("views-desk", "7")]);
    browser.wait_until("document.querySelectorAll('[data-testid=song]').length === 2", LIMIT);
    browser.wait_until(AT_REST, LIMIT);
    assert_eq!(browser.eval("scrollY"), 0);
    browser.assert_content();
}

/// Widths about those at which the library's table or the navigation takes another form.
const WIDTHS: [u32; 10] = [360, 640, 656, 737, 768, 960, 976, 1024, 1040, 1100];

#[test]
fn names_and_buttons_have_room_at_every_width() {
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    browser.drop_files("[data-testid=drop-zone]", &[&excerpt("views-widths", "7")]);
    browser.wait_until(AT_REST, LIMIT);
    let mut wrong = Vec::new();
    for language in ["en", "es"] {
        choose_language(&browser, language);
        browser.wait_until(&format!("document.documentElement.lang === '{language}'"), LIMIT);
        browser.go("#library");
        browser.wait_for("[data-testid=row-title]", LIMIT);
        for width in WIDTHS {
            resize(&browser, width, 740);
            browser.wait_until(&format!("innerWidth === {width}"), LIMIT);
            let title = browser.eval("document.querySelector('[data-testid=row-title]').clientWidth");
            if title.as_f64().unwrap() < 120.0 {
                wrong.push(format!("{language}, {width}: a song's name has {title} pixels"));
            }
            // A phone moves all of its navigation sideways.
            let beside = if width <= 640 { "" } else { ", [data-testid=present]" };
            let hidden = browser.eval(&format!(
                "[...document.querySelectorAll('[data-testid=row-more]{beside}')].filter(button => {{ \
                   const box = button.getBoundingClientRect(); \
                   return !button.contains(document.elementFromPoint(box.right - 2, box.y + box.height / 2)); \
                 }}).map(button => button.innerText)",
            ));
            if hidden != json!([]) {
                wrong.push(format!("{language}, {width}: {hidden} cannot be pressed"));
            }
        }
        resize(&browser, 1280, 740);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    browser.assert_content();
}

#[test]
fn what_shifts_and_what_sticks_out_is_noticed() {
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    browser.eval(WATCH);
    assert_eq!(browser.eval(STICKS_OUT), json!([]));
    browser.eval(
        "(() => { const beam = document.createElement('div'); beam.style.cssText = 'height: 300px; width: 3000px'; \
         document.querySelector('main').prepend(beam); })()",
    );
    browser.wait_until(&format!("shift >= {MOST_SHIFT}"), LIMIT);
    assert_ne!(browser.eval(STICKS_OUT), json!([]));
}
