//! What sounds now: the history of a microphone, and the sound of a tab.

use std::{fs, path::Path, time::Duration};

use needledrop::network::{
    card::ModelCard,
    weights::{Precision, Weights},
};

use crate::{
    build,
    library::{stored, wait_for_records},
    page::{Browser, Options},
    server::Server,
    songs::{AT_REST, KEEP_TRACKS, LIMIT, TRACKS, excerpt, folder, open, results},
    views::choose_language,
};

const ENGINE_RUNS: &str = "document.querySelector('[data-testid=engine]').dataset.state === 'cpu'";

#[test]
fn what_was_heard_stands_in_a_list_until_it_is_forgotten() {
    let sound = excerpt("history", "20");
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options { microphone: Some(sound), ..Options::default() });
    browser.wait_until(ENGINE_RUNS, LIMIT);
    browser.click("[data-testid=listen]");
    browser.wait_for("[data-testid=history]", LIMIT);
    // From every view it is seen.
    browser.go("#experiments");
    browser.wait_for_text(".shell .on", "Listening", LIMIT);
    browser.go("#listen");
    std::thread::sleep(Duration::from_secs(7));
    browser.click("[data-testid=listen]");
    browser.wait_until(AT_REST, LIMIT);
    assert_eq!(browser.eval("document.querySelector('.shell .on')"), serde_json::Value::Null);
    // By its time a recording is told from another.
    let title = browser.text("[data-testid=song]");
    assert!(title.contains("Recording 20"), "{title}");
    // Its strip is drawn anew where it was hidden meanwhile.
    let strip = "document.querySelector('[data-testid=history] canvas')";
    browser.go("#experiments");
    browser.wait_until(&format!("{strip}.clientWidth === 0"), LIMIT);
    browser.eval("void window.dispatchEvent(new Event('resize'))");
    std::thread::sleep(Duration::from_millis(300));
    browser.go("#listen");
    let is_drawn = format!(
        "{strip}.width > 1 && {strip}.getContext('2d').getImageData({strip}.width - 3, {strip}.height / 2, 1, 1).data[3] > 0"
    );
    browser.wait_until(&is_drawn, LIMIT);
    // The list outlives the listening: a line for each stretch, with the time of day.
    browser.click("[data-testid=history-list] summary");
    browser.wait_until("document.querySelectorAll('[data-testid=history-list] li').length > 0", LIMIT);
    let line = browser.text("[data-testid=history-list] li");
    assert!(line.matches(':').count() >= 4, "{line}");
    browser.click("[data-testid=history-clear]");
    browser.wait_until("document.querySelector('[data-testid=history]') === null", LIMIT);
    browser.assert_content();
}

/// Listens to the microphone until something was heard, and waits for the song.
fn record(browser: &Browser) {
    browser.wait_until(ENGINE_RUNS, LIMIT);
    browser.click("[data-testid=listen]");
    browser.wait_for("[data-testid=live-verdict][data-state=heard]", LIMIT);
    browser.click("[data-testid=listen]");
    browser.wait_until(AT_REST, LIMIT);
}

/// Whether the store has so many songs themselves.
fn kept(sounds: usize) -> String {
    format!("{}.then((sounds) => sounds.length === {sounds})", stored("sounds"))
}

/// A page that has recorded and keeps what it heard.
fn with_a_recording(name: &str) -> (Server, Browser) {
    let server = Server::start(&build::folder(), "/");
    let sound = excerpt(name, "20");
    let browser = open(&server, &Options { microphone: Some(sound), ..Options::default() });
    record(&browser);
    browser.wait_until(&kept(1), LIMIT);
    // Its verdict too, or another visit would hear it again by itself.
    wait_for_records(&browser, 1);
    (server, browser)
}

/// Puts the library's first song on the list again, and waits until it was heard.
fn hear_again_from_the_library(browser: &Browser) {
    browser.go("#library");
    browser.wait_for("[data-testid=row] [data-testid=select]", LIMIT);
    browser.click("[data-testid=row] [data-testid=select]");
    browser.click("[data-testid=selection-again]");
    browser.go("#listen");
    browser.wait_for("[data-testid=song][data-state=done]", LIMIT);
}

/// Of what the microphone heard there is no other copy.
#[test]
fn a_recording_that_is_not_kept_is_not_lost_without_a_word() {
    let server = Server::start(&build::folder(), "/");
    let sound = excerpt("not-kept", "20");
    let browser = Browser::launch(&Options { microphone: Some(sound), ..Options::default() });
    browser.before_every_page("Object.defineProperty(window, 'indexedDB', { get: () => undefined });");
    browser.open(&server.url());
    browser.wait_until(ENGINE_RUNS, LIMIT);
    let asks = "!window.dispatchEvent(new Event('beforeunload', { cancelable: true }))";
    assert_eq!(browser.eval(asks), false);
    record(&browser);
    browser.wait_for_text("[data-testid=notes]", "the songs are gone when the page is closed", LIMIT);
    assert_eq!(browser.eval(asks), true);
    // Nor is it removed by one press.
    browser.eval("void (window.confirm = () => false)");
    browser.click("[data-testid=remove]");
    browser.wait_for("[data-testid=song][data-state=done]", LIMIT);
    // Nor in another language than it was said in is it said once more.
    choose_language(&browser, "es");
    browser.wait_for_text("#songs-heading", "Canciones", LIMIT);
    assert_eq!(browser.eval("document.querySelectorAll('[data-testid=notes] li').length"), 1);
    choose_language(&browser, "en");
    browser.wait_for_text("#songs-heading", "Songs", LIMIT);
    // Off the list, its sound is still there.
    browser.click("[data-testid=clear]");
    browser.wait_until("document.querySelector('[data-testid=song]') === null", LIMIT);
    assert_eq!(browser.eval(asks), true);
    hear_again_from_the_library(&browser);
    browser.eval("void (window.confirm = () => true)");
    browser.click("[data-testid=remove]");
    browser.wait_until("document.querySelector('[data-testid=song]') === null", LIMIT);
    assert_eq!(browser.eval(asks), false);
}

/// Nor is one whose copy the store was told to forget with those of all songs.
#[test]
fn a_recording_whose_copy_is_forgotten_is_not_lost_without_a_word() {
    let (server, browser) = with_a_recording("forgotten");
    let asks = "!window.dispatchEvent(new Event('beforeunload', { cancelable: true }))";
    assert_eq!(browser.eval(asks), false);
    browser.eval("void (window.confirm = () => true)");
    browser.go("#library");
    browser.wait_for("[data-testid=keep-sound]", LIMIT);
    browser.click("[data-testid=keep-sound]");
    browser.click("[data-testid=keep-sound]");
    browser.wait_until(&kept(0), LIMIT);
    assert_eq!(browser.eval(asks), true);
    browser.go("#listen");
    browser.click("[data-testid=clear]");
    browser.wait_until("document.querySelector('[data-testid=song]') === null", LIMIT);
    assert_eq!(browser.eval(asks), true);
    hear_again_from_the_library(&browser);
    // It is kept again where songs are.
    browser.go("#library");
    browser.wait_for("[data-testid=keep-sound]", LIMIT);
    browser.click("[data-testid=keep-sound]");
    browser.wait_until(&kept(1), LIMIT);
    browser.wait_until(&format!("!({asks})"), LIMIT);
    // Another page has it forgotten: here it is at hand still, and once.
    browser.open_in_new_tab(&format!("{}#library", server.url()));
    browser.wait_for("[data-testid=keep-sound]:checked", LIMIT);
    browser.eval("void (window.confirm = () => true)");
    browser.click("[data-testid=keep-sound]");
    browser.wait_until(&kept(0), LIMIT);
    browser.close_tab();
    browser.wait_until(asks, LIMIT);
    browser.wait_until("document.querySelectorAll('[data-testid=row]').length === 1", LIMIT);
    // What is not at hand has nothing to lose by it.
    browser.go("#listen");
    browser.click("[data-testid=remove]");
    browser.wait_until("document.querySelector('[data-testid=song]') === null", LIMIT);
    assert_eq!(browser.eval(asks), false);
}

/// A press too many makes no song that nobody could hear.
#[test]
fn what_is_too_short_for_a_song_is_said_and_makes_none() {
    let server = Server::start(&build::folder(), "/");
    let sound = excerpt("too-short", "20");
    let browser = open(&server, &Options { microphone: Some(sound), ..Options::default() });
    browser.wait_until(ENGINE_RUNS, LIMIT);
    browser.eval(
        "new MutationObserver((_, watch) => {
           const button = document.querySelector('[data-testid=listen].on');
           if (button) { watch.disconnect(); button.click(); }
         }).observe(document.body, { subtree: true, attributes: true, attributeFilter: ['class'] })",
    );
    browser.click("[data-testid=listen]");
    browser.wait_for_text("[data-testid=notes]", "too short", LIMIT);
    assert_eq!(browser.eval("document.querySelector('[data-testid=song]')"), serde_json::Value::Null);
}

/// As in Firefox, where one may click beside the question.
#[test]
fn a_question_for_the_microphone_that_is_passed_over_can_be_put_again() {
    let server = Server::start(&build::folder(), "/");
    let browser = Browser::launch(&Options::default());
    browser.before_every_page("navigator.mediaDevices.getUserMedia = () => new Promise(() => {});");
    browser.open(&server.url());
    browser.wait_until(ENGINE_RUNS, LIMIT);
    for _ in 0..2 {
        browser.click("[data-testid=listen]");
        browser.wait_for_text("[data-testid=listen]", "Press to cancel", LIMIT);
        browser.click("[data-testid=listen]");
        browser.wait_for_text("[data-testid=listen]", "Listen to the room", LIMIT);
    }
}

/// One of an earlier visit lies nowhere else either.
#[test]
fn a_recording_of_an_earlier_visit_is_asked_about_before_it_goes() {
    let (_server, browser) = with_a_recording("earlier-visit");
    browser.reload();
    let ask = "void (window.asked = '', window.confirm = (question) => { asked = question; return false; })";
    browser.go("#library");
    browser.wait_for("[data-testid=row]", LIMIT);
    browser.eval(ask);
    browser.click("[data-testid=select-all]");
    browser.click("[data-testid=selection-remove]");
    browser.wait_until("asked.includes('there is no other copy')", LIMIT);
    browser.click("[data-testid=forget-all]");
    browser.wait_for_text(".library-clear", "there is no other copy", LIMIT);
    browser.reload();
    hear_again_from_the_library(&browser);
    browser.eval(ask);
    browser.click("[data-testid=remove]");
    browser.wait_until("asked.includes('there is no other copy')", LIMIT);
    assert_eq!(browser.eval(&kept(1)), true);
    browser.wait_for("[data-testid=song][data-state=done]", LIMIT);
}

/// Counts from now on, in `moves`, how often the bars move. Bars that move together are
/// one time: the verdicts lie further apart than a tenth of a second.
const COUNT_VERDICTS: &str = "window.moves = 0;
  let last = -Infinity;
  new MutationObserver(() => {
    if (performance.now() - last > 100) moves += 1;
    last = performance.now();
  }).observe(document.querySelector('[data-testid=live] .bars'),
    { subtree: true, childList: true, characterData: true, attributes: true });";

#[test]
fn what_sounds_has_a_verdict_twice_a_second() {
    let server = Server::start(&build::folder(), "/");
    let sound = excerpt("twice-a-second", "20");
    let browser = open(&server, &Options { microphone: Some(sound), ..Options::default() });
    browser.wait_until(ENGINE_RUNS, LIMIT);
    browser.click("[data-testid=listen]");
    browser.wait_for("[data-testid=history]", LIMIT);
    let verdicts = browser.eval(&format!(
        "(async () => {{ {COUNT_VERDICTS} await new Promise((done) => setTimeout(done, 5000)); return moves; }})()"
    ));
    println!("{verdicts} verdicts in 5 seconds");
    assert!(verdicts.as_u64().unwrap() >= 10, "{verdicts}");
}

/// The button that began it is out of sight then.
#[test]
fn what_listens_on_a_phone_is_seen_with_its_button() {
    let server = Server::start(&build::folder(), "/");
    let sound = excerpt("live-phone", "20");
    let browser = open(&server, &Options { microphone: Some(sound), size: (360, 740), ..Options::default() });
    browser.wait_until(ENGINE_RUNS, LIMIT);
    browser.click("[data-testid=listen]");
    browser.wait_for("[data-testid=live-stop]", LIMIT);
    let stop = "document.querySelector('[data-testid=live-stop]')";
    let is_in_sight = format!(
        "(() => {{ const {{ left, top, bottom }} = {stop}.getBoundingClientRect(); \
         return bottom < innerHeight && {stop}.contains(document.elementFromPoint(left + 4, (top + bottom) / 2)); }})()"
    );
    browser.wait_until(&is_in_sight, LIMIT);
    browser.wait_for("[data-testid=live-verdict][data-state=heard]", LIMIT);
    browser.eval(&format!("{stop}.focus(), {stop}.click()"));
    browser.wait_for("[data-testid=song][data-state=done]", LIMIT);
    browser.wait_until("document.activeElement.id === 'songs-heading'", LIMIT);
    assert_eq!(browser.eval("document.querySelector('[data-testid=live]')"), serde_json::Value::Null);
    browser.assert_content();
}

#[test]
fn a_microphone_without_an_engine_is_given_back() {
    let server = Server::start(&build::folder(), "/");
    let browser =
        Browser::launch(&Options { microphone: Some(excerpt("no-engine", "20")), ..Options::default() });
    browser.before_every_page(KEEP_TRACKS);
    browser.block(&["*engine_bg*.wasm"]);
    browser.open(&server.url());
    browser.wait_for("[data-testid=listen]", LIMIT);
    browser.click("[data-testid=listen]");
    browser.wait_for_text("[data-testid=microphone-problem]", "could not be loaded", LIMIT);
    // It was not even asked for.
    assert_eq!(browser.eval(TRACKS), serde_json::json!([]));
    browser.block(&[]);
    // Asked again, it comes.
    browser.click("[data-testid=listen]");
    browser.wait_for("[data-testid=live]", LIMIT);
    browser.click("[data-testid=listen]");
    browser.wait_until("document.querySelector('[data-testid=live]') === null", LIMIT);
}

/// Has the engine come only once `letEngine` is called.
const HOLD_ENGINE: &str = "const get = window.fetch; \
    const engine = new Promise((come) => { window.letEngine = come; }); \
    window.fetch = async (asked, how) => { \
    if (String(asked.url ?? asked).includes('engine_bg')) await engine; return get.call(window, asked, how); };";

#[test]
fn a_microphone_that_waits_for_the_engine_is_off_and_can_be_called_off() {
    let server = Server::start(&build::folder(), "/");
    let browser =
        Browser::launch(&Options { microphone: Some(excerpt("called-off", "20")), ..Options::default() });
    browser.before_every_page(KEEP_TRACKS);
    browser.before_every_page(HOLD_ENGINE);
    browser.open(&server.url());
    browser.wait_for("[data-testid=listen]", LIMIT);
    browser.click("[data-testid=listen]");
    browser.wait_for_text("[data-testid=listen]", "Waiting for the engine", LIMIT);
    browser.click("[data-testid=listen]");
    browser.wait_for_text("[data-testid=listen]", "Listen to the room", LIMIT);
    browser.eval("void letEngine()");
    browser.wait_until(ENGINE_RUNS, LIMIT);
    // It looks for the engine four times a second: a later timer of its own finds that done.
    browser.eval("new Promise((done) => setTimeout(done, 1000))");
    assert_eq!(browser.eval(TRACKS), serde_json::json!([]));
    assert_eq!(browser.text("[data-testid=listen]"), "Listen to the room");

    // Pressed by the keyboard, the button keeps it all the way.
    browser.eval("document.querySelector('[data-testid=listen]').focus()");
    let enter = '\u{e007}';
    browser.press(enter);
    let stays = "document.activeElement.matches('[data-testid=listen]')";
    browser.wait_for("[data-testid=live-verdict][data-state=heard]", LIMIT);
    assert_eq!(browser.eval(stays), true);
    browser.press(enter);
    browser.wait_until(AT_REST, LIMIT);
    assert_eq!(browser.eval(stays), true);
    browser.assert_content();
}

/// Locks of the screen, by what they are asked for, that tell whether they were let go.
const KEEP_LOCKS: &str = "window.locks = []; Object.defineProperty(navigator, 'wakeLock', { value: { \
    request: async (kind) => { const lock = { kind, release: async () => { lock.kind = 'released'; } }; \
    locks.push(lock); return lock; } } });";

/// As a telephone does for a call, and a headset whose plug is drawn.
#[test]
fn a_microphone_that_is_taken_away_is_told_and_its_screen_may_go_off() {
    let server = Server::start(&build::folder(), "/");
    let browser =
        Browser::launch(&Options { microphone: Some(excerpt("taken-away", "20")), ..Options::default() });
    browser.before_every_page(KEEP_TRACKS);
    browser.before_every_page(KEEP_LOCKS);
    browser.open(&server.url());
    browser.wait_until(ENGINE_RUNS, LIMIT);
    browser.click("[data-testid=listen]");
    browser.wait_for("[data-testid=live-verdict][data-state=heard]", LIMIT);
    let locks = |kinds: &str| format!("locks.map((lock) => lock.kind).join() === '{kinds}'");
    browser.wait_until(&locks("screen"), LIMIT);
    // Browsers let it go while the page is not seen.
    browser.eval("void document.dispatchEvent(new Event('visibilitychange'))");
    browser.wait_until(&locks("released,screen"), LIMIT);

    // Nothing of before stands as if it were now, nor what was on its way.
    browser.eval(
        "void (Object.defineProperty(lent[0], 'muted', { value: true }), lent[0].dispatchEvent(new Event('mute')))",
    );
    browser.wait_for_text("[data-testid=notes]", "in use by something else", LIMIT);
    std::thread::sleep(Duration::from_secs(1));
    browser.wait_for("[data-testid=live-verdict][data-state=waiting]", LIMIT);

    browser.eval(
        "(() => { window.sentences = []; const said = document.querySelector('[data-testid=said]'); \
         new MutationObserver(() => sentences.push(said.textContent)) \
           .observe(said, { subtree: true, childList: true, characterData: true }); \
         lent[0].dispatchEvent(new Event('ended')); })()",
    );
    browser.wait_until("sentences.some((sentence) => sentence.includes('Keeping the recording'))", LIMIT);
    browser.wait_until(AT_REST, LIMIT);
    browser.wait_until(&locks("released,released"), LIMIT);
    browser.assert_content();
}

#[test]
fn what_sounds_keeps_the_names_of_the_model_that_hears_it() {
    let folder = folder("other-names");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("www/model/row8.safetensors");
    let weights = Weights::from_bytes(&fs::read(shipped).unwrap()).unwrap();
    let card = weights.card().clone();
    let genres = (0..card.genres.len()).map(|genre| format!("other {genre}")).collect();
    let other = weights.with_statistics(ModelCard { genres, ..card }, []).unwrap();
    let file = folder.join("other.safetensors");
    fs::write(&file, other.to_bytes(Precision::F16).unwrap()).unwrap();

    let server = Server::start(&build::folder(), "/");
    let sound = excerpt("other-names", "20");
    let browser = open(&server, &Options { microphone: Some(sound), ..Options::default() });
    browser.wait_until(ENGINE_RUNS, LIMIT);
    browser.click("[data-testid=listen]");
    browser.wait_for("[data-testid=live-verdict][data-state=heard]", LIMIT);
    browser.drop_files("[data-testid=drop-zone]", &[&file]);
    browser.wait_until("document.querySelector('[data-testid=model-choice]').value !== '0'", LIMIT);
    // The first may have been on its way before.
    browser.eval(&format!("(() => {{ {COUNT_VERDICTS} }})()"));
    browser.wait_until("moves >= 2", LIMIT);
    let said = browser.text("[data-testid=live]");
    assert!(!said.contains("other"), "{said}");
}

/// `getDisplayMedia` with a tone in it, or without a sound, or refused: a headless
/// browser has no dialog in which a person could choose.
fn sharing(what: &str) -> String {
    format!(
        "navigator.mediaDevices.getDisplayMedia = async (options) => {{
           window.asked = options;
           if ('{what}' === 'denied') throw new DOMException('no', 'NotAllowedError');
           if ('{what}' === 'odd') return {{}};
           if ('{what}' === 'speechless') throw new TypeError();
           const canvas = document.createElement('canvas');
           canvas.getContext('2d');
           const picture = canvas.captureStream(1).getVideoTracks();
           window.picture = picture[0];
           if ('{what}' === 'silent') return new MediaStream(picture);
           const context = new AudioContext();
           const tone = new OscillatorNode(context, {{ frequency: 330 }});
           const out = context.createMediaStreamDestination();
           tone.connect(out);
           tone.start();
           return new MediaStream([...picture, ...out.stream.getAudioTracks()]);
         }};"
    )
}

#[test]
fn the_sound_of_a_tab_is_heard_and_kept_as_a_song() {
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    browser.before_every_page(&sharing("a tone"));
    browser.reload();
    browser.wait_for("[data-testid=listen-shared]", LIMIT);
    browser.wait_until(ENGINE_RUNS, LIMIT);
    browser.click("[data-testid=listen-shared]");
    browser.wait_for("[data-testid=history]", LIMIT);
    assert_eq!(browser.eval("picture.readyState"), "ended");
    assert_eq!(browser.eval("asked.audio.echoCancellation"), false);
    browser.click("[data-testid=listen]");
    browser.wait_until(AT_REST, LIMIT);
    assert_eq!(results(&browser)[0]["state"], "done");
    // It lies in no file: it is kept without being asked for.
    browser.wait_until(&format!("{}.then((sounds) => sounds.length === 1)", stored("sounds")), LIMIT);
    browser.assert_content();
}

#[test]
fn what_goes_wrong_with_sharing_is_explained() {
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    let mut said = Vec::new();
    for what in ["denied", "silent", "odd", "speechless"] {
        browser.eval(&format!("(() => {{ {} }})()", sharing(what)));
        browser.click("[data-testid=listen-shared]");
        browser.wait_until(
            &format!(
                "document.querySelector('[data-testid=microphone-problem]') && \
                 document.querySelector('[data-testid=microphone-problem]').innerText !== {}",
                serde_json::json!(said.last().cloned().unwrap_or_else(String::new))
            ),
            LIMIT,
        );
        said.push(browser.text("[data-testid=microphone-problem]"));
    }
    assert!(said.iter().all(|sentence| sentence.len() > 20), "{said:?}");
    // Of what is shared nothing is said of a microphone.
    let is_of_sharing = |sentence: &String| {
        sentence.starts_with("What was shared could not be heard") && !sentence.contains("()")
    };
    assert!(said[2..].iter().all(is_of_sharing), "{said:?}");
}

#[test]
fn sharing_is_offered_only_where_it_brings_sound() {
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    browser.before_every_page("delete MediaDevices.prototype.getDisplayMedia");
    browser.reload();
    browser.wait_for("[data-testid=listen]", LIMIT);
    assert_eq!(
        browser.eval("document.querySelector('[data-testid=listen-shared]')"),
        serde_json::Value::Null
    );
}
