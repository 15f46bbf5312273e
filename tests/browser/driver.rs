//! ChromeDriver and its sessions, by the WebDriver protocol: JSON over HTTP on
//! this machine (<https://www.w3.org/TR/webdriver2/>).
//!
//! A client of its own, because the tests need half a dozen commands, one after
//! the other; the libraries bring an asynchronous runtime and several minutes of
//! compilation with them.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

/// Where the browser's and the driver's programs are looked for, in order.
const CHROMIUM: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
/// How long a script on the page may take, such as classifying a song.
const SCRIPT_LIMIT: Duration = Duration::from_secs(300);

/// A running ChromeDriver.
struct Driver {
    process: Child,
    url: String,
}

/// How often a driver is started until one listens.
const STARTS: usize = 3;

impl Driver {
    /// A driver at a port of its own choice, which now and then somebody else takes
    /// before it does; then it ends without a word.
    fn start() -> Self {
        (0..STARTS).find_map(|_| Self::try_start()).expect("chromedriver says on which port it listens")
    }

    fn try_start() -> Option<Self> {
        let process = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver: run `make test`, which installs it");
        let mut driver = Self { process, url: String::new() };
        let mut lines = BufReader::new(driver.process.stdout.take()?).lines();
        let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
            Some(line.split_once("successfully on port ")?.1.trim_end_matches('.').to_owned())
        });
        driver.url = format!("http://127.0.0.1:{}", port?);
        // A full pipe would stop it.
        std::thread::spawn(move || lines.for_each(drop));
        Some(driver)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Already gone is gone enough.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One browser under a driver's hand.
pub(crate) struct Session {
    driver: Driver,
    agent: ureq::Agent,
    url: String,
    open: bool,
}

impl Session {
    /// Starts Chromium with `arguments` and `preferences`.
    pub(crate) fn start(arguments: &[String], preferences: &Value) -> Self {
        let driver = Driver::start();
        let agent = ureq::Agent::new_with_config(
            ureq::Agent::config_builder()
                .timeout_global(Some(SCRIPT_LIMIT + Duration::from_secs(30)))
                .http_status_as_error(false)
                // The driver is on this machine, whatever stands in the environment.
                .proxy(None)
                .build(),
        );
        let binary =
            CHROMIUM.into_iter().find_map(in_path).expect("chromium: run `make test`, which installs it");
        let mut session = Self { url: driver.url.clone(), driver, agent, open: false };
        let answer = session.post(
            "session",
            &json!({ "capabilities": { "alwaysMatch": {
                "goog:chromeOptions": { "binary": binary, "args": arguments, "prefs": preferences },
                "goog:loggingPrefs": { "browser": "ALL" },
                "timeouts": { "script": SCRIPT_LIMIT.as_millis() },
            } } }),
        );
        let id = answer["sessionId"].as_str().expect("a session has an id").to_owned();
        session.url = format!("{}/session/{id}", session.driver.url);
        session.open = true;
        session
    }

    /// A command of WebDriver, such as `url` or `execute/sync`.
    pub(crate) fn post(&self, command: &str, body: &Value) -> Value {
        let response = self.agent.post(format!("{}/{command}", self.url)).send_json(body);
        let mut response = response.unwrap_or_else(|error| panic!("{command}: {error}"));
        let failed = !response.status().is_success();
        let mut answer: Value = response.body_mut().with_config().limit(1 << 28).read_json().unwrap();
        assert!(!failed, "{command} {body}: {}", answer["value"]["message"]);
        answer["value"].take()
    }

    /// A command of the DevTools protocol
    /// (<https://chromedevtools.github.io/devtools-protocol/>).
    pub(crate) fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.post("goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    /// Closes the tab that commands go to, and gives those that are left.
    pub(crate) fn close_tab(&self) -> Value {
        let mut response = self.agent.delete(format!("{}/window", self.url)).call().unwrap();
        let mut answer: Value = response.body_mut().read_json().unwrap();
        answer["value"].take()
    }

    /// Closes the browser, which then writes its last logs.
    pub(crate) fn close(&mut self) {
        if std::mem::take(&mut self.open) {
            // A browser that has died need not be closed.
            let _ = self.agent.delete(&self.url).call();
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.close();
    }
}

/// A program's full path, as ChromeDriver wants it.
fn in_path(program: &str) -> Option<std::path::PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(program)).find(|path| path.is_file())
}
