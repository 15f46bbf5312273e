//! Firefox, by the protocol that it speaks itself: JSON over a socket on this
//! machine, each message with its length before it
//! (<https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html>).
//! geckodriver only translates WebDriver into it, and is not in Debian.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

/// What Firefox is called, in the order that it is looked for.
const FIREFOX: [&str; 2] = ["firefox-esr", "firefox"];
/// How long a start may take on a machine that also compiles.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long a script on the page may take, and any other answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);
/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(50);
/// Preferences of a profile that asks nobody anything, plays into the void, without
/// which the sound of a machine without a loudspeaker would not start, and hears a
/// tone for a microphone.
const PREFERENCES: &str = r#"
user_pref("marionette.port", 0);
user_pref("app.normandy.enabled", false);
user_pref("app.update.auto", false);
user_pref("browser.aboutwelcome.enabled", false);
user_pref("browser.safebrowsing.downloads.remote.enabled", false);
user_pref("browser.safebrowsing.update.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("extensions.update.enabled", false);
user_pref("media.autoplay.default", 0);
user_pref("media.cubeb.force_mock_context", true);
user_pref("media.navigator.permission.disabled", true);
user_pref("media.navigator.streams.fake", true);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("services.settings.server", "data:,");
user_pref("toolkit.telemetry.enabled", false);
"#;

/// A running Firefox with one page.
pub(crate) struct Firefox {
    process: Child,
    socket: TcpStream,
    asked: u32,
    _profile: tempfile::TempDir,
}

impl Firefox {
    /// Starts it with a profile that knows nothing yet, and a window of this
    /// width and height.
    pub(crate) fn launch((width, height): (u32, u32)) -> Self {
        let profile = tempfile::tempdir().unwrap();
        fs::write(profile.path().join("user.js"), PREFERENCES).unwrap();
        let start = |program: &&str| {
            Command::new(program)
                .args(["--headless", "--no-remote", "--marionette", "--profile"])
                .arg(profile.path())
                .arg(format!("--width={width}"))
                .arg(format!("--height={height}"))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .ok()
        };
        let process = FIREFOX.iter().find_map(start).expect("firefox: run `make test`, which installs it");
        let socket = connect(profile.path());
        let mut firefox = Self { process, socket, asked: 0, _profile: profile };
        let greeting = firefox.message();
        assert_eq!(greeting["marionetteProtocol"], 3, "{greeting}");
        firefox.ask(
            "WebDriver:NewSession",
            &json!({ "capabilities": { "alwaysMatch": { "timeouts": { "script": ANSWER_LIMIT.as_millis() } } } }),
        );
        firefox
    }

    /// Opens an address and waits until it is loaded.
    pub(crate) fn open(&mut self, url: &str) {
        self.ask("WebDriver:Navigate", &json!({ "url": url }));
    }

    /// Leaves the page and comes back to it, at its first view. Marionette's own way
    /// to reload goes round the service worker.
    pub(crate) fn reload(&mut self) {
        let address = self.eval("location.href.split('#')[0]");
        self.open("about:blank");
        self.open(address.as_str().unwrap());
    }

    /// The value of a JavaScript expression on the page; a promise's, where it is one.
    pub(crate) fn eval(&mut self, expression: &str) -> Value {
        self.run(&format!("return ({expression})"))
    }

    /// Runs a script on the page, and gives what it returns.
    pub(crate) fn run(&mut self, script: &str) -> Value {
        // Not in a sandbox, so that it meets what the page has put on the window.
        let mut answer =
            self.ask("WebDriver:ExecuteScript", &json!({ "script": script, "args": [], "sandbox": null }));
        answer["value"].take()
    }

    /// Waits until an expression is truthy.
    ///
    /// # Panics
    /// After `limit`, with what the page shows.
    pub(crate) fn wait_until(&mut self, expression: &str, limit: Duration) {
        let start = Instant::now();
        while self.eval(&format!("Boolean({expression})")) != true {
            if start.elapsed() >= limit {
                let page = self.eval("document.body.innerText");
                panic!("after {limit:?} still not: {expression}\nthe page: {page}");
            }
            thread::sleep(POLL);
        }
    }

    /// Gives files to a file input.
    pub(crate) fn choose_files(&mut self, selector: &str, paths: &[&Path]) {
        let paths: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
        let element = self.element(selector);
        self.ask("WebDriver:ElementSendKeys", &json!({ "id": element, "text": paths.join("\n") }));
    }

    /// Clicks the middle of an element, as a mouse does.
    pub(crate) fn click(&mut self, selector: &str) {
        let element = self.element(selector);
        self.ask("WebDriver:ElementClick", &json!({ "id": element }));
    }

    /// Presses keys one after the other, wherever the keyboard is. Those without
    /// a letter have a code of their own
    /// (<https://www.w3.org/TR/webdriver2/#keyboard-actions>).
    pub(crate) fn press(&mut self, keys: &str) {
        let strokes: Vec<_> = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key })))
            .collect();
        let actions = json!([{ "type": "key", "id": "keyboard", "actions": strokes }]);
        self.ask("WebDriver:PerformActions", &json!({ "actions": actions }));
    }

    fn element(&mut self, selector: &str) -> Value {
        let found = self.ask("WebDriver:FindElement", &json!({ "using": "css selector", "value": selector }));
        let element = found["value"].as_object().and_then(|element| element.values().next());
        element.cloned().unwrap_or_else(|| panic!("{selector}: {found}"))
    }

    /// Sends a command and waits for its answer.
    fn ask(&mut self, command: &str, parameters: &Value) -> Value {
        self.asked += 1;
        let message = json!([0, self.asked, command, parameters]).to_string();
        write!(self.socket, "{}:{message}", message.len()).unwrap();
        loop {
            let mut answer = self.message();
            if answer[1] == self.asked {
                assert!(answer[2].is_null(), "{command} {parameters}: {}", answer[2]["message"]);
                return answer[3].take();
            }
        }
    }

    /// The next message that comes.
    fn message(&mut self) -> Value {
        let mut length = String::new();
        loop {
            let mut byte = [0];
            self.socket.read_exact(&mut byte).expect("Firefox answers in time");
            match byte[0] {
                b':' => break,
                digit => length.push(char::from(digit)),
            }
        }
        let mut text = vec![0; length.parse().unwrap()];
        self.socket.read_exact(&mut text).unwrap();
        serde_json::from_slice(&text).unwrap()
    }
}

impl Drop for Firefox {
    fn drop(&mut self) {
        // Already gone is gone enough.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Connects to the port that Firefox has chosen and written down.
fn connect(profile: &Path) -> TcpStream {
    let start = Instant::now();
    loop {
        let port = fs::read_to_string(profile.join("MarionetteActivePort")).unwrap_or_default();
        let port = port.trim().parse::<u16>();
        if let Some(socket) = port.ok().and_then(|port| TcpStream::connect(("127.0.0.1", port)).ok()) {
            // Above the limit of a script, which then says itself what it waited for.
            socket.set_read_timeout(Some(ANSWER_LIMIT + Duration::from_secs(30))).unwrap();
            return socket;
        }
        assert!(start.elapsed() < START_LIMIT, "Firefox did not start");
        thread::sleep(POLL);
    }
}
