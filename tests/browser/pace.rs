//! How long a song takes from the drop to its verdict, and how the page's thread
//! fares meanwhile. It prints what the README tells of a quiet machine; it holds
//! only what would be broken on a busy one too.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{
    build,
    page::Options,
    server::Server,
    songs::{AT_REST, ffmpeg, folder, open, results, songs},
};

const LIMIT: Duration = Duration::from_secs(180);
/// Twice as fast as it plays, with everything else that a machine may be doing.
const LEAST_PACE: Duration = Duration::from_secs(90);
/// The page stands still where one of its tasks takes so long, in milliseconds.
const STANDSTILL: u64 = 250;

#[test]
fn three_minutes_of_song_leave_the_page_free() {
    let folder = folder("pace");
    let song = folder.join("three minutes.mp3");
    let original = songs(&folder).remove(0);
    let input = original.to_str().unwrap();
    ffmpeg(&["-stream_loop", "-1", "-i", input, "-t", "180", "-ar", "44100", "-ac", "2"], &song);

    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    browser.wait_until("document.querySelector('[data-testid=engine]').dataset.state === 'cpu'", LIMIT);
    browser.eval(
        "void (window.longTasks = [], new PerformanceObserver((list) => longTasks.push(...list.getEntries()
           .map(({ duration }) => Math.round(duration)))).observe({ type: 'longtask' }))",
    );
    let start = Instant::now();
    browser.drop_files("[data-testid=drop-zone]", &[&song]);
    browser.wait_until(AT_REST, LIMIT);
    let taken = start.elapsed();
    let long_tasks: Vec<u64> = serde_json::from_value(browser.eval("longTasks")).unwrap();
    println!(
        "3 minutes of MP3 in {:.1} s; tasks of the page over 50 ms: {long_tasks:?}; {}",
        taken.as_secs_f64(),
        browser.text("[data-testid=engine-runs]"),
    );
    let songs: Vec<Value> = results(&browser);
    assert_eq!((&songs[0]["state"], songs[0]["clips"].as_array().unwrap().len()), (&"done".into(), 60));
    assert!(taken < LEAST_PACE, "{taken:?}");
    assert!(long_tasks.iter().all(|&task| task < STANDSTILL), "{long_tasks:?}");
}
