//! How much memory a long song takes: the WebAssembly memories and JavaScript heaps
//! of the page and all its workers, as the song is heard by the real network.
//!
//! The heaps are told by the browser
//! (<https://wicg.github.io/performance-measure-memory/>), which leaves the
//! WebAssembly memories out; those are asked of each worker, in a copy of the built
//! page whose worker script answers. The song is three quarters of an hour, for the time it
//! takes to hear it; the README has the numbers of one of three hours.

use std::{
    env,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::{
    build,
    page::{Browser, Options},
    server::Server,
    songs::{AT_REST, LIMIT, choose_papers_network, ffmpeg, folder, open, results, songs},
};

/// Length of the song, in minutes, where `NEEDLEDROP_SONG_MINUTES` says no other: long enough
/// to be measured several times while it is heard.
const MINUTES_HEARD: usize = 45;
/// Length of the song that is stopped, in minutes.
const MINUTES: usize = 15;
/// Length of the song that the limit is meant for, in minutes.
const LONGEST: f64 = 180.0;
/// What such a song may take, in MB.
const MOST: f64 = 300.0;
/// What a stopped song may leave, in MB: verdicts, its picture, and the WebAssembly
/// memories, which never shrink. A song that stayed would be more: 14 MB of MP3, 207
/// of samples.
const MOST_LEFT: f64 = 10.0;
/// Measurements until what is no longer used has to be gone.
const MOST_TRIES: usize = 5;
/// Between two measurements, which take a second of everybody's time.
const PAUSE: Duration = Duration::from_millis(500);

/// What a worker's script is given besides: an ear for the question, and the answer.
const ANSWER: &str = "
new BroadcastChannel('how much').onmessage = () =>
  new BroadcastChannel('so much').postMessage(initSync().memory.buffer.byteLength);
";

/// `[heaps, page, ...workers]` in bytes.
const ASK: &str = "(async () => {
  const { bytes, breakdown } = await performance.measureUserAgentSpecificMemory();
  const workers = breakdown.filter(({ attribution: [owner] }) => owner?.scope === 'DedicatedWorkerGlobalScope');
  const page = await import(document.querySelector('meta[name=needledrop-page]').content);
  const { memory } = await page.default();
  const answers = await new Promise((resolve) => {
    const answers = [], ear = new BroadcastChannel('so much');
    ear.onmessage = ({ data }) => answers.push(data) === workers.length && resolve(answers);
    new BroadcastChannel('how much').postMessage(null);
  });
  return [bytes, memory.buffer.byteLength, ...answers];
})()";

/// A copy of the built page whose workers tell how much memory they have.
pub(crate) fn telling() -> tempfile::TempDir {
    build::with_worker_script(ANSWER)
}

/// A song of many minutes: one of the others over and over.
fn long_song(folder: &Path, minutes: usize) -> PathBuf {
    let (once, song) = (folder.join("once.mp3"), folder.join(format!("{minutes} minutes.mp3")));
    let original = songs(folder).remove(0);
    ffmpeg(&["-i", original.to_str().unwrap(), "-ar", "44100", "-ac", "2", "-b:a", "128k"], &once);
    let length = (minutes * 60).to_string();
    ffmpeg(&["-stream_loop", "-1", "-i", once.to_str().unwrap(), "-t", &length, "-c", "copy"], &song);
    song
}

/// MB of everything together, and how they are made up.
pub(crate) fn memory(browser: &Browser) -> (f64, String) {
    let bytes: Vec<f64> = serde_json::from_value(browser.eval(ASK)).unwrap();
    let parts: Vec<f64> = bytes.iter().map(|bytes| bytes / 1e6).collect();
    let made_up = format!(
        "heaps {:.1}, WebAssembly of the page {:.1}, of the workers {:.1?}",
        parts[0],
        parts[1],
        &parts[2..]
    );
    (parts.iter().sum(), made_up)
}

fn minutes_heard(browser: &Browser) -> f64 {
    results(browser)[0]["clips"].as_array().unwrap().len() as f64 / 20.0
}

#[test]
fn a_long_song_takes_little_memory() {
    let minutes =
        env::var("NEEDLEDROP_SONG_MINUTES").map_or(MINUTES_HEARD, |minutes| minutes.parse().unwrap());
    let (folder, page) = (folder("memory"), telling());
    let song = long_song(&folder, minutes);
    let server = Server::start_isolated(page.path());
    let browser = open(&server, &Options { measured: true, ..Options::default() });
    browser.wait_until("document.querySelector('[data-testid=engine]').dataset.state === 'cpu'", LIMIT);
    println!("before: {}", memory(&browser).1);

    browser.drop_files("[data-testid=drop-zone]", &[&song]);
    browser.wait_for("[data-testid=song]", LIMIT);
    let mut measured = Vec::new();
    let mut rested = false;
    while !rested {
        thread::sleep(PAUSE);
        // Looked at first, so that there is a measurement of the whole song too.
        rested = browser.eval(AT_REST) == Value::Bool(true);
        let (heard, (total, made_up)) = (minutes_heard(&browser), memory(&browser));
        println!("{heard:.0} minutes heard: {total:.1} MB ({made_up})");
        measured.push((heard, total));
    }
    assert_eq!(results(&browser)[0]["state"], "done");

    let highest = measured.iter().map(|(_, total)| *total).fold(0.0, f64::max);
    let (start, end) = (measured[measured.len() / 3], measured[measured.len() - 1]);
    assert!(start.0 < end.0, "the song was over before it was measured twice: {measured:.1?}");
    let growth = (end.1 - start.1) / (end.0 - start.0);
    println!("{minutes} minutes of MP3: at most {highest:.0} MB, {growth:.2} MB more a minute");
    assert!(highest.max(end.1 + growth * (LONGEST - end.0)) < MOST, "{measured:.1?}");
}

/// MB that a song adds while it is heard, and that stay once it is stopped.
fn added_and_left(song: &Path, worker_script: &str) -> (f64, f64) {
    let page = build::with_worker_script(worker_script);
    let server = Server::start_isolated(page.path());
    let browser = open(&server, &Options { measured: true, ..Options::default() });
    browser.wait_until("document.querySelector('[data-testid=engine]').dataset.state === 'cpu'", LIMIT);
    // The slower one, so that the song is not over before it is stopped.
    choose_papers_network(&browser);
    let (before, _) = memory(&browser);
    browser.drop_files("[data-testid=drop-zone]", &[song]);
    browser.wait_until("JSON.parse(window.needledrop.results())[0].clips.length > 20", LIMIT);
    let (during, during_made_up) = memory(&browser);
    browser.click("[data-testid=stop]");
    browser.wait_until(AT_REST, LIMIT);
    assert_eq!(results(&browser)[0]["state"], "cancelled");
    let mut tries = (0..MOST_TRIES).map(|_| memory(&browser));
    let mut after = tries.next().unwrap();
    while after.0 - before >= MOST_LEFT
        && let Some(later) = tries.next()
    {
        after = later;
    }
    println!(
        "before: {before:.1} MB; heard: {during:.1} ({during_made_up}); stopped: {:.1} ({})",
        after.0, after.1
    );
    (during - before, after.0 - before)
}

#[test]
fn a_stopped_song_gives_its_memory_back() {
    let folder = folder("stopped");
    let song = long_song(&folder, MINUTES);
    let (_, left) = added_and_left(&song, ANSWER);
    assert!(left < MOST_LEFT, "{left}");

    // Without WebCodecs the page holds all samples of nine minutes at once.
    let opus = folder.join("song.opus");
    let nine_minutes = ["-t", "540", "-ar", "48000", "-ac", "2", "-c:a", "libopus"];
    ffmpeg(&[&["-i", song.to_str().unwrap()], &nine_minutes[..]].concat(), &opus);
    let (added, left) = added_and_left(&opus, &format!("{ANSWER} delete globalThis.AudioDecoder;"));
    assert!(added > 540.0 * 48_000.0 * 2.0 * 4.0 / 1e6, "{added}");
    assert!(left < MOST_LEFT, "{left}");
}
