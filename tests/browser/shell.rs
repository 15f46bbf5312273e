//! The shell around the page: it starts, keeps its policy, works offline, under
//! any path, and gives way to a later version.

use std::{path::Path, time::Duration};

use serde_json::json;

use crate::{
    build,
    page::{Browser, Options},
    server::Server,
};

const LIMIT: Duration = Duration::from_secs(120);

/// The page's own code has taken the place of what was there before it.
const STARTED: &str =
    "!document.getElementById('boot') && document.getElementById('app').childElementCount > 0";
/// The service worker has kept everything, and keeps what the page asks for from here on.
pub(crate) const KEPT: &str =
    "document.documentElement.dataset.offline === 'ready' && navigator.serviceWorker.controller !== null";

fn visit(browser: &Browser, server: &Server) {
    browser.open(&server.url());
    browser.wait_until(STARTED, LIMIT);
}

#[test]
fn starts_without_a_complaint_and_asks_nobody_else() {
    let server = Server::start(&build::folder(), "/");
    let browser = Browser::launch(&Options::default());
    visit(&browser, &server);
    browser.wait_until(KEPT, LIMIT);
    browser.assert_content();
    browser.assert_asked_only(&server.origin());
}

#[test]
fn a_breach_of_the_policy_is_noticed() {
    let server = Server::start(&build::folder(), "/");
    let browser = Browser::launch(&Options::default());
    visit(&browser, &server);
    browser.assert_content();
    browser.eval("fetch('http://127.0.0.1:9/').catch(() => null)");
    let complaints = browser.complaints();
    assert!(
        complaints.iter().any(|complaint| complaint.contains("Content Security Policy")),
        "{complaints:?}"
    );
}

#[test]
fn works_after_one_visit_with_the_server_stopped() {
    let mut server = Server::start(&build::folder(), "/");
    let browser = Browser::launch(&Options::default());
    visit(&browser, &server);
    browser.wait_until(KEPT, LIMIT);
    server.stop();

    browser.open(&format!("{}?again", server.url()));
    browser.wait_until(STARTED, LIMIT);
    for name in ["needledrop-engine", "needledrop-model"] {
        let there = browser.eval(&format!(
            "fetch(document.querySelector('meta[name={name}]').content.replace(/\\/$/, '/engine_bg.wasm')).then((kept) => kept.ok)"
        ));
        assert_eq!(there, true, "{name}");
    }
    browser.assert_content();
}

#[test]
fn works_under_a_path() {
    let mut server = Server::start(&build::folder(), "/music/genres/");
    let browser = Browser::launch(&Options::default());
    visit(&browser, &server);
    browser.wait_until(KEPT, LIMIT);
    assert!(
        server.requests().iter().all(|path| path.starts_with("/music/genres/")),
        "{:?}",
        server.requests()
    );
    server.stop();
    browser.reload();
    browser.wait_until(STARTED, LIMIT);
    browser.assert_content();
}

#[test]
fn every_file_is_kept_that_every_browser_needs() {
    let server = Server::start(&build::folder(), "/");
    let browser = Browser::launch(&Options::default());
    visit(&browser, &server);
    browser.wait_until(KEPT, LIMIT);
    let kept = browser.eval(
        "caches.keys().then(([name]) => caches.open(name)).then((cache) => cache.keys())
           .then((requests) => requests.map((request) => new URL(request.url).pathname))",
    );
    let mut kept: Vec<_> =
        kept.as_array().unwrap().iter().map(|path| path.as_str().unwrap().to_owned()).collect();
    let mut built = Vec::new();
    list(&build::folder(), "/", &mut built);
    kept.sort();
    built.sort();
    // What only a GPU needs and the paper's network are kept once they were wanted, which
    // they were not.
    let on_demand = |path: &String| path.contains("/gpu") || path.contains("/row8");
    let (on_demand, of_all): (Vec<_>, Vec<_>) = built.into_iter().partition(on_demand);
    assert_eq!(on_demand.len(), 4, "{on_demand:?}");
    assert_eq!(kept, of_all);
}

#[test]
fn what_was_wanted_before_the_worker_answered_is_kept_too() {
    let server = Server::start(&build::folder(), "/");
    let browser = Browser::launch(&Options::default());
    let mut built = Vec::new();
    list(&build::folder(), "/", &mut built);
    let wanted = built.iter().find(|path| path.contains("/row8")).unwrap();
    // A page of this folder that registers no worker.
    browser.open(&format!("{}manifest.webmanifest", server.url()));
    browser.eval(&format!("fetch('{wanted}').then((response) => response.arrayBuffer()).then(() => true)"));
    visit(&browser, &server);
    browser.wait_until(KEPT, LIMIT);
    browser.wait_until(&format!("caches.match('{wanted}').then(Boolean)"), LIMIT);
    let asked = server.requests().iter().filter(|path| *path == wanted).count();
    assert_eq!(asked, 1, "asked the network for it again");
}

/// The addresses of a folder's files, as a service worker should know them.
fn list(folder: &Path, address: &str, into: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let host_only =
            name == "sw.js" || name.starts_with(['_', '.']) || name.ends_with(".br") || name.ends_with(".gz");
        if entry.path().is_dir() {
            list(&entry.path(), &format!("{address}{name}/"), into);
        } else if !host_only {
            into.push(format!("{address}{}", if name == "index.html" { "" } else { &name }));
        }
    }
}

#[test]
fn a_later_version_waits_until_it_is_wanted() {
    let server = Server::start(&build::folder(), "/");
    let browser = Browser::launch(&Options::default());
    visit(&browser, &server);
    browser.wait_until(KEPT, LIMIT);

    let later = build::later_version(true);
    server.lay_out(later.path());
    let before = server.requests().len();
    visit(&browser, &server);
    browser.wait_until("document.documentElement.dataset.update === 'waiting'", LIMIT);
    assert_eq!(browser.eval("document.title"), "Needledrop");
    let fetched_again = server.requests().split_off(before);
    assert!(
        fetched_again.iter().all(|path| !path.ends_with(".safetensors") && !path.ends_with(".wasm")),
        "what has not changed is taken from the version before: {fetched_again:?}",
    );

    // Leaves the page while it answers, so that there is no value to wait for.
    browser.eval("void setTimeout(() => window.needledropTakeOver())");
    browser.wait_until("document.title === 'Needledrop, later'", LIMIT);
    browser.wait_until(STARTED, LIMIT);
    browser.wait_until("caches.keys().then((names) => names.length === 1)", LIMIT);
    browser.assert_content();
}

#[test]
fn half_a_version_never_takes_over() {
    let server = Server::start(&build::folder(), "/");
    let browser = Browser::launch(&Options::default());
    visit(&browser, &server);
    browser.wait_until(KEPT, LIMIT);

    let half = build::later_version(false);
    server.lay_out(half.path());
    // The registration tells that the new worker has come and gone.
    let outcome = browser.eval(
        "navigator.serviceWorker.ready.then((registration) => new Promise((tell) => {
           registration.addEventListener('updatefound', () => {
             const worker = registration.installing;
             worker.addEventListener('statechange', () => tell(worker.state));
           });
           registration.update();
         }))",
    );
    assert_eq!(outcome, "redundant");
    visit(&browser, &server);
    assert_eq!(browser.eval("document.title"), "Needledrop");
    // The browser may just be trying the half one again.
    browser.wait_until("caches.keys().then((names) => names.length === 1)", LIMIT);
}

#[test]
fn can_be_installed() {
    let server = Server::start(&build::folder(), "/music/");
    let browser = Browser::launch(&Options::default());
    let errors =
        || browser.devtools("Page.getInstallabilityErrors", json!({}))["installabilityErrors"].take();
    assert_ne!(errors(), json!([]), "an empty page");
    visit(&browser, &server);
    browser.wait_until(KEPT, LIMIT);
    let manifest = browser.devtools("Page.getAppManifest", json!({}));
    assert_eq!(manifest["errors"], json!([]));
    assert_eq!(errors(), json!([]));
}

#[test]
fn says_what_a_browser_lacks() {
    let server = Server::start(&build::folder(), "/");
    let browser = Browser::launch(&Options::default());
    browser.before_every_page("WebAssembly.validate = () => false");
    browser.open(&server.url());
    browser.wait_for_text("#boot-status", "SIMD", LIMIT);
    assert_eq!(browser.eval("document.getElementById('boot-late')"), json!(null));
    let before = server.requests();
    assert!(!before.iter().any(|path| path.starts_with("/engine-")), "{before:?}");
}

#[test]
fn says_it_in_the_readers_language() {
    let server = Server::start(&build::folder(), "/");
    let browser = Browser::launch(&Options::default());
    browser.before_every_page(
        "WebAssembly.validate = () => false;
         Object.defineProperty(navigator, 'languages', { value: ['es-PE'] })",
    );
    browser.open(&server.url());
    browser.wait_for_text("#boot-status", "no puede con la página: falta WebAssembly SIMD", LIMIT);
    browser.wait_for_text("[data-says=lead]", "Suelta una canción", LIMIT);
}

#[test]
fn says_what_is_lost_on_an_insecure_address() {
    let server = Server::start(&build::folder(), "/");
    let browser = Browser::launch(&Options::default());
    browser.before_every_page("Object.defineProperty(window, 'isSecureContext', { value: false })");
    visit(&browser, &server);
    browser.wait_for_text("#boot-notes", "neither https", LIMIT);
    assert_eq!(
        browser.eval("navigator.serviceWorker.getRegistrations().then((all) => all.length)"),
        json!(0)
    );
}

#[test]
fn a_version_that_another_tab_has_taken_is_taken_by_the_next_press() {
    let server = Server::start(&build::folder(), "/");
    let browser = Browser::launch(&Options::default());
    visit(&browser, &server);
    browser.wait_until(KEPT, LIMIT);
    let later = build::later_version(true);
    server.lay_out(later.path());
    visit(&browser, &server);
    browser.wait_until("document.documentElement.dataset.update === 'waiting'", LIMIT);
    // As another tab does.
    browser.eval(
        "navigator.serviceWorker.getRegistration().then(({ waiting }) => waiting.postMessage('take-over'))",
    );
    browser.wait_until(
        "navigator.serviceWorker.getRegistration().then((registration) => registration.waiting === null)",
        LIMIT,
    );
    assert_eq!(browser.eval("document.title"), "Needledrop");
    browser.eval("void setTimeout(() => window.needledropTakeOver())");
    browser.wait_until("document.title === 'Needledrop, later'", LIMIT);
    browser.wait_until(STARTED, LIMIT);
}

#[test]
fn pages_beside_this_one_are_left_alone() {
    let page = build::copy();
    std::fs::create_dir(page.path().join("next")).unwrap();
    std::fs::write(page.path().join("next/other.html"), "<title>Another page</title>").unwrap();
    let mut server = Server::start(page.path(), "/music/");
    let browser = Browser::launch(&Options::default());
    visit(&browser, &server);
    browser.wait_until(KEPT, LIMIT);
    browser.open(&format!("{}next/other.html", server.url()));
    assert_eq!(browser.eval("document.title"), "Another page");
    server.stop();
    browser.open(&format!("{}index.html?again", server.url()));
    browser.wait_until(STARTED, LIMIT);
}

/// A host that was overloaded when a class opened the page is asked again.
#[test]
fn what_could_not_be_kept_is_tried_again() {
    let half = build::later_version(false);
    let server = Server::start(half.path(), "/");
    let browser = Browser::launch(&Options::default());
    browser.before_every_page(
        "{ const wait = window.setTimeout; \
         window.setTimeout = (act, delay, ...rest) => wait(act, delay >= 60000 ? 2000 : delay, ...rest); }",
    );
    visit(&browser, &server);
    browser.wait_for_text("#boot-notes", "which it tries again", LIMIT);
    server.lay_out(&build::folder());
    browser.wait_until("document.documentElement.dataset.offline === 'ready'", LIMIT);
    browser.wait_until("document.getElementById('boot-notes').hidden", LIMIT);
}

#[test]
fn says_when_nothing_is_kept_beside_what_else_is_lost() {
    let half = build::later_version(false);
    let server = Server::start(half.path(), "/");
    let browser = Browser::launch(&Options::default());
    browser.before_every_page("delete Navigator.prototype.gpu");
    visit(&browser, &server);
    browser.wait_for_text("#boot-notes", "does not keep the page for offline use", LIMIT);
    assert_eq!(browser.eval("document.querySelectorAll('#boot-notes li').length"), json!(2));
    assert_eq!(browser.eval("caches.keys().then((names) => names.length)"), json!(0));
    // Nor is it promised offline.
    browser.wait_until("document.querySelector('[data-testid=engine]').dataset.state === 'cpu'", LIMIT);
    browser.eval("void window.dispatchEvent(new Event('offline'))");
    browser.wait_for_text("[data-testid=offline]", "What you have opened goes on working", LIMIT);
    browser.wait_for_text("[data-testid=said]", "What you have opened goes on working", LIMIT);
}
