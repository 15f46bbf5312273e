//! Teaching it: two instruments that no network ever heard, a dozen clips each,
//! learnt in the browser, tried on files of which nothing was learnt, saved.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use needledrop::{network::weights::Weights, sound::wav};
use serde_json::json;

use crate::{
    build,
    library::{SPENT_AND_FOCUSED, focus_and_press, press},
    page::{Browser, Options},
    server::Server,
    songs::{ASKS_BEFORE_IT_GOES, AT_REST, LIMIT, PAPERS_NAME, folder, open, results},
    sounds,
};

/// From the first drop to the model, on 2 cores.
const READY_WITHIN: Duration = Duration::from_secs(5);
/// Files of a class to learn from, of three clips each.
const FILES: u64 = 4;
const SECONDS: f32 = 9.0;
/// Files of a class that nothing is learnt from.
const NEW_FILES: u64 = 6;

pub(crate) type Sound = fn(f32, u64) -> Vec<f32>;
pub(crate) const INSTRUMENTS: [(&str, Sound); 2] = [("plucked", sounds::plucked), ("flute", sounds::flute)];

/// A file of an instrument, different for every seed.
pub(crate) fn file(folder: &Path, (name, sound): (&str, Sound), seed: u64) -> PathBuf {
    let samples = sound(SECONDS, seed);
    let mut bytes = wav::header(sounds::SAMPLE_RATE, 1, samples.len() as u64).to_vec();
    wav::append(&samples, &mut bytes);
    let path = folder.join(format!("{name}-{seed}.wav"));
    fs::write(&path, bytes).unwrap();
    path
}

fn drop_on(browser: &Browser, selector: &str, files: &[PathBuf]) {
    browser.drop_files(selector, &files.iter().map(PathBuf::as_path).collect::<Vec<_>>());
}

/// Opens the view with two classes named, once the engine runs.
pub(crate) fn open_view(server: &Server, options: &Options) -> Browser {
    let browser = open(server, options);
    browser
        .wait_until("document.querySelector('[data-testid=engine-runs]')?.innerText.includes('CPU')", LIMIT);
    browser.open(&format!("{}#teach?classes=plucked,flute", server.url()));
    browser.wait_for("[data-testid=teach-class]", LIMIT);
    browser
}

/// A link of the teacher's is followed where the view is open already.
#[test]
fn a_link_names_the_classes_of_an_open_lesson() {
    let server = Server::start(&build::folder(), "/");
    let browser = Browser::launch(&Options::default());
    browser.open(&format!("{}#teach", server.url()));
    browser.wait_for("[data-testid=teach-class]", LIMIT);
    browser.eval("void (location.hash = '#teach?classes=clapping,snapping')");
    let names = "[...document.querySelectorAll('[data-testid=teach-name]')].map(name => name.value).join()";
    browser.wait_until(&format!("{names} === 'clapping,snapping'"), LIMIT);
    // So is the next one, but not over what somebody has written.
    browser.go("#teach?classes=high,low");
    browser.wait_until(&format!("{names} === 'high,low'"), LIMIT);
    browser.eval(
        "(() => { const name = document.querySelector('[data-testid=teach-name]'); \
         name.value = 'mine'; name.dispatchEvent(new Event('input', { bubbles: true })); })()",
    );
    browser.go("#teach?classes=clapping,snapping");
    browser.wait_until("location.hash.endsWith('snapping')", LIMIT);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(browser.eval(names), "mine,low");
    // That it was passed over is said.
    browser.wait_for_text("[data-testid=notes]", "were not taken", LIMIT);
}

/// What is dropped where the classes will be is no song.
#[test]
fn files_dropped_before_the_classes_are_there_belong_on_one() {
    let server = Server::start(&build::folder(), "/");
    let browser = Browser::launch(&Options::default());
    browser.block(&["*views-*.wasm"]);
    browser.open(&format!("{}#teach?classes=plucked,flute", server.url()));
    browser.wait_for("[data-testid=view-again]", LIMIT);
    drop_on(&browser, "[data-testid=view-again]", &[file(&folder("teach-early"), INSTRUMENTS[0], 0)]);
    browser.wait_for_text("[data-testid=notes]", "class they belong to", LIMIT);
    assert_eq!(browser.eval("document.querySelectorAll('[data-testid=song]').length"), 0);
}

/// Has what is dropped next be a folder that gives up neither its one file nor all that it has.
const REFUSE_FOLDER: &str = "(() => {
  const items = DataTransferItem.prototype, entry = items.webkitGetAsEntry;
  const refuse = (_, fail) => fail(new DOMException('', 'NotReadableError'));
  const portions = [[{ isFile: true, isDirectory: false, name: 'a.mp3', file: refuse }]];
  const readEntries = (give, fail) => portions.length > 0 ? give(portions.pop()) : refuse(give, fail);
  items.webkitGetAsEntry = () => {
    items.webkitGetAsEntry = entry;
    return { isFile: false, isDirectory: true, name: 'folder', createReader: () => ({ readEntries }) };
  };
})()";

/// What a lesson waits for says so in the lesson, and comes when it is asked for again.
#[test]
fn an_engine_that_does_not_come_is_told_where_it_is_waited_for() {
    let server = Server::start(&build::folder(), "/");
    let browser = Browser::launch(&Options::default());
    browser.block(&["*engine_bg*.wasm", "*row8*"]);
    browser.open(&format!("{}#teach", server.url()));
    browser.wait_for_text("[data-testid=teach]", "The engine could not be loaded", LIMIT);
    browser.go("#inside?stage=wave");
    browser.wait_for_text("[data-testid=inside-panel]", "The engine could not be loaded", LIMIT);
    browser.block(&["*row8*"]);
    browser.click("[data-testid=inside-panel] [data-testid=reload]");
    browser.wait_for("[data-testid=inside][data-state=shown]", LIMIT);
    // Nor is the page's own network shown in the place of the paper's.
    browser.go("#inside?stage=wave&model=paper");
    browser.wait_for_text("[data-testid=inside-panel]", "paper", LIMIT);
    browser.wait_for("[data-testid=inside-panel] [data-testid=reload]", LIMIT);
    browser.block(&[]);
    browser.click("[data-testid=inside-panel] [data-testid=reload]");
    browser.wait_for("[data-testid=inside][data-state=shown]", LIMIT);
    browser.wait_for_text("[data-testid=inside-shape]", PAPERS_NAME, LIMIT);
}

fn class(number: usize) -> String {
    format!(".teach-class:nth-of-type({}) .drop-zone", number + 1)
}

/// The files of each class, twelve clips of each.
pub(crate) fn lesson(folder: &Path) -> [Vec<PathBuf>; 2] {
    INSTRUMENTS.map(|one| (0..FILES).map(|seed| file(folder, one, seed)).collect())
}

/// Every clip of a lesson has been studied.
pub(crate) const STUDIED: &str = "[...document.querySelectorAll('[data-testid=teach-count]')]\
    .every((count) => count.dataset.clips === '12') && document.querySelector('[data-testid=teach-train]').ariaDisabled === 'false'";

/// Drops the files of a lesson on their classes and waits until they are studied.
pub(crate) fn study(browser: &Browser, lesson: &[Vec<PathBuf>]) {
    for (number, files) in lesson.iter().enumerate() {
        drop_on(browser, &class(number), files);
    }
    browser.wait_until(STUDIED, LIMIT);
}

#[test]
fn two_instruments_are_learnt_in_seconds_and_used() {
    let server = Server::start(&build::folder(), "/");
    let browser = open_view(&server, &Options::default());
    let (folder, saved) = (folder("teach"), tempfile::tempdir().unwrap());
    browser.devtools(
        "Browser.setDownloadBehavior",
        json!({ "behavior": "allow", "downloadPath": saved.path().display().to_string() }),
    );
    assert_eq!(browser.eval("document.querySelector('[data-testid=teach]').dataset.state"), "empty");
    browser.click("[data-testid=teach-train]");
    browser.wait_for_text("[data-testid=teach-problem]", "plucked", LIMIT);

    let lesson = lesson(&folder);
    let started = Instant::now();
    study(&browser, &lesson);
    let studied = started.elapsed();
    focus_and_press(&browser, "[data-testid=teach-train]");
    browser.wait_for("[data-testid=teach-outcome]", LIMIT);
    assert_eq!(browser.eval("document.activeElement === pressed"), true, "it was taken from the keyboard");
    let ready = started.elapsed();
    println!("taught: {studied:.1?} to study 24 clips, {ready:.1?} to the model");
    println!("taught: {}", browser.text("[data-testid=teach-accuracy]"));
    assert!(browser.text("[data-testid=teach-accuracy]").contains("8 of 8"));
    assert_eq!(browser.eval("document.querySelectorAll('[data-testid=teach-confusion] tbody tr').length"), 2);

    browser.click("[data-testid=teach-save]");
    let weights = weights_in(saved.path());
    assert_eq!(weights.card().genres, ["plucked", "flute"]);
    assert_eq!(weights.card().training.data, "user's own");
    assert!(weights.card().scores.iter().all(|score| score.accuracy > 0.9));

    focus_and_press(&browser, "[data-testid=teach-use]");
    browser.wait_until(SPENT_AND_FOCUSED, LIMIT);
    // What it says then is not written on its own colour.
    assert_eq!(browser.eval("getComputedStyle(pressed).backgroundColor"), "rgba(0, 0, 0, 0)");
    browser.wait_until("!document.querySelector('[data-testid=teach-used]').hidden", LIMIT);
    browser.click("[data-testid=teach-used] a");
    browser.wait_until("document.querySelector('[data-classes]') === null", LIMIT);
    let new = INSTRUMENTS.map(|one| (100..100 + NEW_FILES).map(move |seed| (one, seed)));
    let new: Vec<_> = new.into_iter().flatten().map(|(one, seed)| file(&folder, one, seed)).collect();
    drop_on(&browser, "[data-testid=drop-zone]", &new);
    let all = format!("document.querySelectorAll('[data-testid=song]').length === {}", new.len());
    browser.wait_until(&all, LIMIT);
    browser.wait_until(AT_REST, LIMIT);
    // There is no third genre to have a bar.
    assert_eq!(
        browser.eval("document.querySelectorAll('[data-testid=song] .bars li').length"),
        2 * new.len()
    );
    let right = results(&browser).into_iter().filter(|song| {
        let genres = song["genres"].as_array().unwrap();
        let shares: Vec<_> =
            song["probabilities"].as_array().unwrap().iter().map(|share| share.as_f64().unwrap()).collect();
        let said = &genres[usize::from(shares[1] > shares[0])];
        song["file"].as_str().unwrap().starts_with(said.as_str().unwrap())
    });
    let right = right.count();
    println!("taught: {right} of {} new files named right", new.len());
    assert!(right as f64 > 0.9 * new.len() as f64);

    // The lesson is still there when one comes back.
    browser.go("#teach");
    browser.wait_for("[data-testid=teach-outcome]", LIMIT);
    // A lesson that ends by itself does not leave the keyboard at the button that stops it.
    let stands_at_stop = browser.eval(
        "(async () => { document.querySelector('[data-testid=teach-train]').click(); \
         const stop = document.querySelector('[data-testid=teach-stop]'); \
         while (stop.classList.contains('gone')) await new Promise((done) => setTimeout(done)); \
         stop.focus(); return document.activeElement === stop; })()",
    );
    assert_eq!(stands_at_stop, true);
    browser.wait_for("[data-testid=teach-outcome]", LIMIT);
    browser.wait_until("document.activeElement.matches('[data-testid=teach-train]')", LIMIT);
    // What was stopped tells nothing of itself later.
    browser.eval(
        "[document.querySelector('[data-testid=teach-train]').click(), \
         document.querySelector('[data-testid=teach-stop]').click()]",
    );
    for wait in [Duration::ZERO, Duration::from_secs(1)] {
        thread::sleep(wait);
        let state = browser.eval("document.querySelector('[data-testid=teach]').dataset.state");
        assert_eq!(state, "gathering", "after {wait:?}");
    }
    browser.assert_content();
    assert!(ready <= READY_WITHIN, "{ready:?}");
    browser.assert_asked_only(&server.origin());
}

/// The one weights file in a folder, once it is whole.
fn weights_in(folder: &Path) -> Weights {
    let started = Instant::now();
    loop {
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let weights = files.filter(|file| file.extension().is_some_and(|kind| kind == "safetensors"));
        if let Some(weights) =
            weights.last().and_then(|file| Weights::from_bytes(&fs::read(file).unwrap()).ok())
        {
            return weights;
        }
        assert!(started.elapsed() < LIMIT, "nothing was saved");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_lesson_says_what_it_lacks() {
    let server = Server::start(&build::folder(), "/");
    let browser = open_view(&server, &Options::default());
    let folder = folder("teach-lacks");
    let silence = folder.join("silence.wav");
    let mut bytes = wav::header(sounds::SAMPLE_RATE, 1, 66_150).to_vec();
    wav::append(&[0.0; 66_150], &mut bytes);
    fs::write(&silence, bytes).unwrap();
    let text = folder.join("text.wav");
    fs::write(&text, "no sound at all").unwrap();
    let [one, other] = INSTRUMENTS.map(|instrument| file(&folder, instrument, 0));

    // Beside the classes nothing is taken, and the same file not twice.
    drop_on(&browser, ".teach-head", std::slice::from_ref(&one));
    browser.wait_for_text("[data-testid=said]", "class they belong to", LIMIT);
    // Nor is what a folder does not give up passed over.
    browser.eval(REFUSE_FOLDER);
    drop_on(&browser, &class(0), std::slice::from_ref(&one));
    browser.wait_for_text("[data-testid=notes]", "2 files or folders could not be read", LIMIT);
    drop_on(&browser, &class(0), &[one.clone(), silence, text.clone()]);
    browser.wait_until("document.querySelectorAll('[data-testid=teach-file]').length === 3", LIMIT);
    drop_on(&browser, &class(1), &[one, other]);
    browser.wait_until(
        "[...document.querySelectorAll('[data-testid=teach-file]')].map((file) => file.dataset.state).join() \
         === 'done,silent,failed,done'",
        LIMIT,
    );
    assert_eq!(browser.eval("document.querySelectorAll('[data-testid=song]').length"), 0);
    // Where the last one fails, that it was the last is said too.
    drop_on(&browser, &class(1), &[text]);
    let said = "document.querySelector('[data-testid=said]').textContent";
    browser.wait_until(&format!("/text\\.wav: .* studied/.test({said})"), LIMIT);
    browser.click("[data-testid=teach-train]");
    browser.wait_for_text("[data-testid=teach-accuracy]", "only one file", LIMIT);

    // What is removed is no part of it any more.
    press(&browser, "[data-testid=teach-file] button", "[data-testid=teach-file] button");
    browser.wait_until("document.querySelectorAll('[data-testid=teach-file]').length === 3", LIMIT);
    browser.click("[data-testid=teach-add-class]");
    let spare = ".teach-class:nth-of-type(3) [data-testid=teach-remove-class]";
    browser.wait_for(spare, LIMIT);
    press(&browser, spare, "[data-testid=teach-add-class]");
    assert_eq!(browser.text("[data-testid=teach-outcome]"), "");
    browser.click("[data-testid=teach-train]");
    browser.wait_for_text("[data-testid=teach-problem]", "no sound for plucked", LIMIT);
    browser.assert_content();
}

/// Seconds of sound that are enough for a clip.
const ENOUGH_SECONDS: u32 = 4;

/// Whether the button that records tells of so many seconds, in its first minute.
fn has_recorded(button: &str, seconds: u32) -> String {
    format!("Number({button}.innerText.match(/\\d:(\\d\\d)/)?.[1]) >= {seconds}")
}

/// Records for a class, until there is a clip in it.
fn record(browser: &Browser, number: usize) {
    let button = format!(".teach-class:nth-of-type({}) [data-testid=teach-record]", number + 1);
    let element = format!("document.querySelector({})", json!(button));
    browser.wait_until(&format!("{element}.ariaDisabled === 'false'"), LIMIT);
    browser.click(&button);
    browser.wait_until(&format!("{element}.classList.contains('on')"), LIMIT);
    // Nothing is learnt without what is being recorded.
    browser.wait_until("document.querySelector('[data-testid=teach-train]').ariaDisabled === 'true'", LIMIT);
    browser.wait_until(&has_recorded(&element, ENOUGH_SECONDS), LIMIT);
    browser.click(&button);
    let file = format!(".teach-class:nth-of-type({}) [data-testid=teach-file][data-state=done]", number + 1);
    browser.wait_for(&file, LIMIT);
}

#[test]
fn a_class_that_is_removed_does_not_leave_the_microphone_on() {
    let server = Server::start(&build::folder(), "/");
    let sound = file(&folder("teach-removed"), INSTRUMENTS[0], 0);
    let browser = open_view(&server, &Options { microphone: Some(sound), ..Options::default() });
    browser.click("[data-testid=teach-add-class]");
    let third = ".teach-class:nth-of-type(3)";
    browser.wait_for(third, LIMIT);
    browser.wait_until(
        &format!("document.querySelector('{third} [data-testid=teach-record]')?.ariaDisabled === 'false'"),
        LIMIT,
    );
    browser.click(&format!("{third} [data-testid=teach-record]"));
    browser.wait_for(&format!("{third} [data-testid=teach-record].on"), LIMIT);
    // Less than a second would be too short for a song.
    browser.wait_until(
        &has_recorded(&format!("document.querySelector('{third} [data-testid=teach-record]')"), 2),
        LIMIT,
    );
    browser.click(&format!("{third} [data-testid=teach-remove-class]"));
    // The others can record, and what was heard so far is a song like any other.
    browser.wait_until(
        "[...document.querySelectorAll('[data-testid=teach-record]')].map((button) => button.innerText.trim())
           .join() === 'Record,Record'",
        LIMIT,
    );
    browser.wait_until("JSON.parse(window.needledrop.results()).length === 1", LIMIT);
    browser.assert_content();
}

#[test]
fn a_recording_becomes_an_example_of_its_class() {
    let server = Server::start(&build::folder(), "/");
    let sound = file(&folder("teach-recorded"), INSTRUMENTS[0], 0);
    let browser = open_view(&server, &Options { microphone: Some(sound), ..Options::default() });
    let clips = "[...document.querySelectorAll('[data-testid=teach-count]')]\
        .map((count) => Number(count.dataset.clips))";
    assert_eq!(browser.eval(ASKS_BEFORE_IT_GOES), false, "there is nothing to lose");
    record(&browser, 0);
    let first = browser.eval(clips);
    assert!(first[0].as_u64().unwrap() > 0 && first[1] == 0, "{first}");
    record(&browser, 1);
    let both = browser.eval(clips);
    assert!(both[0] == first[0] && both[1].as_u64().unwrap() > 0, "{both}");
    browser.click("[data-testid=teach-train]");
    browser.wait_for("[data-testid=teach-outcome]", LIMIT);
    // It is in no file: who closes the page is asked.
    assert_eq!(browser.eval(ASKS_BEFORE_IT_GOES), true);
    // A recording for a lesson is no song.
    assert_eq!(browser.eval("JSON.parse(window.needledrop.results()).length"), 0);
    browser.assert_content();
}
