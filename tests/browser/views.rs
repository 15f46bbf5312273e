//! What stands around every view: the languages, the address, the presentation.

use crate::{
    build,
    page::{Browser, Options},
    server::Server,
    shell::KEPT,
    songs::{LIMIT, open},
};

const IN_SPANISH: &str = "document.documentElement.lang === 'es' && document.querySelector('#songs-heading').innerText === 'Canciones'";
const LISTENING: &str = "document.querySelector('[data-testid=drop-zone]').checkVisibility()";
const PRESENTED: &str = "document.documentElement.hasAttribute('data-presentation')";

fn choose_language(browser: &Browser, code: &str) {
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

#[test]
fn a_language_is_taken_at_once_and_kept() {
    let mut server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    assert_eq!(browser.eval("document.documentElement.lang"), "en");
    assert_eq!(browser.text("#songs-heading"), "Songs");
    browser.wait_until(KEPT, LIMIT);
    browser.wait_until("navigator.serviceWorker.controller !== null", LIMIT);
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
    browser.click("[data-testid=present]");
    browser.wait_until(PRESENTED, LIMIT);
    browser.click("[data-testid=leave]");
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
    browser.eval("void (location.hash = '#lesson?present=1')");
    browser.wait_until(PRESENTED, LIMIT);
    browser.wait_for("[data-testid=lesson] a[href='#experiments']", LIMIT);
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
    browser.eval("void (location.hash = '#lesson')");
    browser.wait_for_text("[data-testid=lesson] [lang=es] h1", "Una lección de 45 minutos", LIMIT);
    choose_language(&browser, "en");
    browser.wait_for_text("[data-testid=lesson] [lang=en] h1", "A lesson of 45 minutes", LIMIT);
    browser.assert_content();
}

#[test]
fn a_view_whose_code_does_not_come_can_be_asked_for_again() {
    let server = Server::start(&build::folder(), "/");
    let browser = Browser::launch(&Options::default());
    browser.devtools("Network.enable", serde_json::json!({}));
    browser.devtools("Network.setBypassServiceWorker", serde_json::json!({ "bypass": true }));
    let block = |urls: &[&str]| {
        browser.devtools("Network.setBlockedURLs", serde_json::json!({ "urls": urls }));
    };
    block(&["*views-*.wasm"]);
    browser.open(&server.url());
    browser.wait_for("[data-testid=drop-zone]", LIMIT);
    browser.eval("void (location.hash = '#experiments')");
    browser.wait_for("[data-testid=view-again]", LIMIT);
    // The list of songs is as it was.
    browser.eval("void (location.hash = '#listen')");
    browser.wait_until(LISTENING, LIMIT);
    browser.eval("void (location.hash = '#experiments')");
    browser.wait_for("[data-testid=view-again]", LIMIT);
    block(&[]);
    browser.click("[data-testid=view-again]");
    browser.wait_for("[data-testid=experiments] h1", LIMIT);
    // The keyboard is at the heading, as if it had come at once.
    browser.wait_until("document.activeElement.matches('[data-testid=experiments] h1')", LIMIT);
}
