//! A page in a real browser, as a test sees it: open, drop, look, wait. What the
//! browser complains of and every address that it asks for is kept, and held
//! against what the page promises.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::driver::Session;

/// Two browsers at once would measure each other.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(50);

/// What a browser is given and denied.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// WebGPU on the software adapter, for machines without a GPU.
    pub(crate) software_webgpu: bool,
    /// What the microphone hears: a WAV file.
    pub(crate) microphone: Option<PathBuf>,
    /// The user refuses the microphone.
    pub(crate) deny_microphone: bool,
    /// Width and height of the window, in CSS pixels.
    pub(crate) size: (u32, u32),
    /// The user prefers dark.
    pub(crate) dark: bool,
    /// Memory is measured when it is asked for, and not at the next collection of
    /// what is no longer used.
    pub(crate) measured: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            software_webgpu: false,
            microphone: None,
            deny_microphone: false,
            size: (1280, 900),
            dark: false,
            measured: false,
        }
    }
}

impl Options {
    fn arguments(&self, profile: &Path) -> Vec<String> {
        let (width, height) = self.size;
        let mut arguments = [
            "--headless=new",
            "--no-sandbox",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-quic",
            "--disable-dev-shm-usage",
        ]
        .map(str::to_owned)
        .to_vec();
        arguments.push(format!("--window-size={width},{height}"));
        arguments.push(format!("--user-data-dir={}", profile.join("profile").display()));
        arguments.push(format!("--log-net-log={}", net_log(profile).display()));
        if self.software_webgpu {
            arguments.push("--enable-unsafe-webgpu".to_owned());
            arguments.push("--use-webgpu-adapter=swiftshader".to_owned());
        }
        if self.measured {
            arguments.push("--enable-blink-features=ForceEagerMeasureMemory".to_owned());
        }
        if let Some(wav) = &self.microphone {
            if !self.deny_microphone {
                arguments.push("--use-fake-ui-for-media-stream".to_owned());
            }
            arguments.push("--use-fake-device-for-media-stream".to_owned());
            arguments.push(format!("--use-file-for-fake-audio-capture={}", wav.display()));
        }
        arguments
    }

    fn preferences(&self) -> Value {
        // Not the language of whoever runs the tests.
        let mut preferences =
            json!({ "intl.accept_languages": "en-US,en", "intl.selected_languages": "en-US,en" });
        if self.deny_microphone {
            // 2 is "block".
            preferences["profile.default_content_setting_values.media_stream_mic"] = json!(2);
        }
        preferences
    }
}

fn net_log(profile: &Path) -> PathBuf {
    profile.join("net.json")
}

/// The right to run a browser, for as long as it is kept.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A browser with one page. Only one lives at a time.
pub(crate) struct Browser {
    session: Session,
    profile: tempfile::TempDir,
    complaints: Mutex<Vec<String>>,
    _turn: MutexGuard<'static, ()>,
}

impl Browser {
    /// Starts a browser that knows nothing yet, with an empty page.
    pub(crate) fn launch(options: &Options) -> Self {
        let turn = turn();
        let profile = tempfile::tempdir().unwrap();
        let session = Session::start(&options.arguments(profile.path()), &options.preferences());
        // A window cannot be as narrow as a phone, and has its frame within its size.
        let (width, height) = options.size;
        session.devtools(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false }),
        );
        let scheme = if options.dark { "dark" } else { "light" };
        session.devtools(
            "Emulation.setEmulatedMedia",
            json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] }),
        );
        Self { session, profile, complaints: Mutex::default(), _turn: turn }
    }

    /// Opens an address and waits until it is loaded.
    pub(crate) fn open(&self, url: &str) {
        self.session.post("url", &json!({ "url": url }));
    }

    /// Opens an address in another tab and looks at that from now on.
    pub(crate) fn open_in_new_tab(&self, url: &str) {
        let tab = self.session.post("window/new", &json!({ "type": "tab" }));
        self.session.post("window", &json!({ "handle": tab["handle"] }));
        self.open(url);
    }

    /// Closes the tab that it looks at, and looks at the first one.
    pub(crate) fn close_tab(&self) {
        let tabs = self.session.close_tab();
        self.session.post("window", &json!({ "handle": tabs[0] }));
    }

    /// Loads the page anew.
    pub(crate) fn reload(&self) {
        self.session.post("refresh", &json!({}));
    }

    /// A script that every page opened from now on runs before its own.
    pub(crate) fn before_every_page(&self, script: &str) {
        self.session.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": script }));
    }

    /// A command of the DevTools protocol.
    pub(crate) fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.session.devtools(command, parameters)
    }

    /// The value of a JavaScript expression on the page; a promise's, where it is one.
    pub(crate) fn eval(&self, expression: &str) -> Value {
        self.session.post("execute/sync", &json!({ "script": format!("return ({expression})"), "args": [] }))
    }

    /// Changes the fragment of the address, and waits until the page has heard of it.
    pub(crate) fn go(&self, fragment: &str) {
        self.eval(&format!(
            "new Promise((done) => {{ const before = location.href; location.hash = {}; \
             if (location.href === before) done(); \
             else addEventListener('hashchange', () => setTimeout(done), {{ once: true }}); }})",
            json!(fragment)
        ));
    }

    /// Waits until an expression is truthy, and gives its value. What is not there yet, so
    /// that nothing can be asked of it, is not truthy either.
    ///
    /// # Panics
    /// After `limit`, with what the page shows, a picture of it, and what the browser
    /// complained of.
    pub(crate) fn wait_until(&self, expression: &str, limit: Duration) -> Value {
        let start = Instant::now();
        let patient = format!(
            "(() => {{ try {{ return ({expression}); }} catch (error) {{ \
             if (!(error instanceof TypeError)) throw error; return null; }} }})()"
        );
        loop {
            let value = self.eval(&patient);
            let truthy = !matches!(&value, Value::Null | Value::Bool(false)) && value != 0 && value != "";
            if truthy {
                return value;
            }
            if start.elapsed() >= limit {
                let picture = Path::new(env!("CARGO_TARGET_TMPDIR")).join("last-failure.png");
                self.screenshot(&picture);
                panic!(
                    "after {limit:?} still not: {expression}\nthe page: {}\ncomplaints: {:#?}\npicture: {}",
                    self.text("body"),
                    self.complaints(),
                    picture.display(),
                );
            }
            thread::sleep(POLL);
        }
    }

    /// Waits until an element is there.
    pub(crate) fn wait_for(&self, selector: &str, limit: Duration) {
        self.wait_until(&format!("document.querySelector({}) !== null", json!(selector)), limit);
    }

    /// Waits until an element's text contains some words.
    pub(crate) fn wait_for_text(&self, selector: &str, words: &str, limit: Duration) {
        let (selector, words) = (json!(selector), json!(words));
        self.wait_until(&format!("document.querySelector({selector})?.innerText.includes({words})"), limit);
    }

    /// What an element shows, empty where there is none.
    pub(crate) fn text(&self, selector: &str) -> String {
        let text = self.eval(&format!("document.querySelector({})?.innerText", json!(selector)));
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Clicks the middle of an element, as a mouse does.
    pub(crate) fn click(&self, selector: &str) {
        let (x, y) = self.middle(selector);
        for kind in ["mousePressed", "mouseReleased"] {
            self.devtools(
                "Input.dispatchMouseEvent",
                json!({ "type": kind, "x": x, "y": y, "button": "left", "clickCount": 1 }),
            );
        }
    }

    /// Presses a key wherever the keyboard is: a letter, or one of the keys without
    /// one by its code
    /// (<https://www.w3.org/TR/webdriver2/#keyboard-actions>).
    pub(crate) fn press(&self, key: char) {
        let stroke = ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key }));
        let actions = json!([{ "type": "key", "id": "keyboard", "actions": stroke }]);
        self.session.post("actions", &json!({ "actions": actions }));
    }

    /// From now on nothing comes from these addresses, nor out of what the service worker
    /// keeps.
    pub(crate) fn block(&self, addresses: &[&str]) {
        self.devtools("Network.enable", json!({}));
        self.devtools("Network.setBypassServiceWorker", json!({ "bypass": true }));
        self.devtools("Network.setBlockedURLs", json!({ "urls": addresses }));
    }

    /// Drags files and folders from the desktop onto an element.
    pub(crate) fn drop_files(&self, selector: &str, paths: &[&Path]) {
        let (x, y) = self.middle(selector);
        let files: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
        for kind in ["dragEnter", "dragOver", "drop"] {
            self.devtools(
                "Input.dispatchDragEvent",
                json!({ "type": kind, "x": x, "y": y, "data": { "items": [], "files": files, "dragOperationsMask": 1 } }),
            );
        }
    }

    fn middle(&self, selector: &str) -> (f64, f64) {
        let place = self.eval(&format!(
            "(() => {{ const element = document.querySelector({}); element.scrollIntoView({{ block: 'nearest' }}); \
             const box = element.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; }})()",
            json!(selector),
        ));
        (place[0].as_f64().unwrap(), place[1].as_f64().unwrap())
    }

    /// Saves what the window shows as a PNG.
    fn screenshot(&self, file: &Path) {
        let picture = self.devtools("Page.captureScreenshot", json!({}));
        fs::write(file, BASE64_STANDARD.decode(picture["data"].as_str().unwrap()).unwrap()).unwrap();
    }

    /// What the browser has complained of since its start: errors of scripts,
    /// addresses that did not answer, breaches of the Content-Security-Policy.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let entries = self.session.post("se/log", &json!({ "type": "browser" }));
        let mut complaints = self.complaints.lock().unwrap();
        let entries = entries.as_array().into_iter().flatten();
        complaints.extend(
            entries
                .filter(|entry| entry["level"] == "SEVERE" || entry["source"] == "security")
                .map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()),
        );
        complaints.clone()
    }

    /// Holds that the browser has complained of nothing.
    pub(crate) fn assert_content(&self) {
        assert_eq!(self.complaints(), Vec::<String>::new());
    }

    /// Closes the browser and holds that nothing that came from `origin`, workers
    /// included, has ever asked for an address of another.
    ///
    /// In: Chromium's log of its network, where a request names the origin that
    /// wanted it.
    pub(crate) fn assert_asked_only(mut self, origin: &str) {
        self.session.close();
        let log = fs::read_to_string(net_log(self.profile.path())).unwrap();
        let asked: Vec<String> = log
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line.trim_end_matches(',')).ok())
            .filter(|event| event["params"]["initiator"] == origin)
            .filter_map(|event| event["params"]["url"].as_str().map(str::to_owned))
            .collect();
        assert!(!asked.is_empty(), "the log of the network has nothing of {origin}");
        let foreign: Vec<_> = asked.iter().filter(|url| !url.starts_with(&format!("{origin}/"))).collect();
        assert!(foreign.is_empty(), "{foreign:#?}");
    }
}
