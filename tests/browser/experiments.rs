//! The experiments and the map, held against the data they are drawn from.

use std::{fs, path::Path};

use needledrop::{classify::map::ClipMap, report::experiments::Experiments};
use serde_json::json;

use crate::{
    build,
    page::{Browser, Options},
    server::Server,
    songs::{LIMIT, folder, songs},
};

fn data(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("www/data").join(file)).unwrap()
}

/// Opens a view at its address, and waits until its data is there.
fn open(server: &Server, view: &str, options: &Options) -> Browser {
    let browser = Browser::launch(options);
    browser.open(&format!("{}#{view}", server.url()));
    let name = view.split('?').next().unwrap();
    browser.wait_for(&format!("[data-view={name}] [data-testid=data][data-state=shown]"), LIMIT);
    browser
}

fn count(browser: &Browser, selector: &str) -> u64 {
    browser.eval(&format!("document.querySelectorAll({}).length", json!(selector))).as_u64().unwrap()
}

fn press(browser: &Browser, key: &str) {
    for kind in ["keyDown", "keyUp"] {
        browser.devtools("Input.dispatchKeyEvent", json!({ "type": kind, "key": key }));
    }
}

#[test]
fn the_papers_table_stands_beside_ours() {
    let experiments = Experiments::from_json(&data("experiments.json")).unwrap();
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, "experiments", &Options::default());
    assert_eq!(count(&browser, "[data-testid=experiment-row]"), 12);
    let row = browser.text("[data-testid=experiment-row][data-row='8']");
    assert!(row.contains("88.5") && row.contains("0.37") && row.contains("22:23"), "{row}");
    for row in &experiments.rows {
        let runs =
            format!("[data-testid=experiment-row][data-row='{}'] [data-testid=experiment-run]", row.row);
        assert_eq!(count(&browser, &runs), row.runs.len() as u64, "row {}", row.row);
    }
    // A row that was not run says so.
    if let Some(row) = experiments.rows.iter().find(|row| row.runs.is_empty()) {
        let said = browser.text(&format!("[data-testid=experiment-row][data-row='{}']", row.row));
        assert!(said.contains("not run"), "{said}");
    }
    browser.assert_content();
}

#[test]
fn a_row_is_looked_at_closely_from_its_address() {
    let experiments = Experiments::from_json(&data("experiments.json")).unwrap();
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, "experiments?row=3R", &Options { size: (390, 844), ..Options::default() });
    let closely = |row: &str| format!("[data-testid=experiments-closely][data-row='{row}']");
    browser.wait_for(&closely("3R"), LIMIT);
    for run in &experiments.runs {
        browser.go(&format!("#experiments?run={}", run.name));
        let shown = "[data-testid=experiments-closely][data-state=shown]";
        browser.wait_for_text(shown, &run.scored.date[..4], LIMIT);
        let scored = run.parts.iter().flatten().next_back().unwrap();
        let cells = "[...document.querySelectorAll('[data-testid=confusion] tbody td:not(.recall)')]\
            .reduce((sum, cell) => sum + (Number(cell.innerText) || 0), 0)";
        browser.wait_until(&format!("{cells} === {}", scored.clips), LIMIT);
        let drawn = if run.training.is_some() { 2 } else { 0 };
        assert_eq!(count(&browser, "[data-testid=curves] svg"), drawn, "{}", run.name);
    }
    browser.go("#experiments?row=1");
    browser.wait_for(&closely("1"), LIMIT);
    if experiments.runs.iter().all(|run| run.row.as_deref() != Some("1")) {
        browser.wait_for("[data-testid=not-run]", LIMIT);
    }
    // On a phone the table moves sideways by itself, and the page does not.
    let wider = browser.eval("document.documentElement.scrollWidth > innerWidth");
    assert_eq!(wider, false, "the page is wider than a phone");
    browser.assert_content();
}

#[test]
fn leakage_is_told_by_the_numbers_there_are() {
    let lesson = Experiments::from_json(&data("experiments.json")).unwrap().lesson();
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, "experiments", &Options::default());
    assert_eq!(count(&browser, "[data-testid=leakage-split]"), 3);
    let run = count(&browser, "[data-testid=leakage-split][data-state=shown]");
    assert_eq!(run, lesson.splits.iter().flatten().count() as u64);
    assert!(!browser.text("[data-testid=leakage-worth]").is_empty());
}

#[test]
fn the_pages_own_network_has_its_card() {
    let experiments = Experiments::from_json(&data("experiments.json")).unwrap();
    let shipped = experiments.shipped.unwrap();
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, "experiments", &Options { size: (390, 844), ..Options::default() });
    browser.wait_for("[data-testid=pages-card]", LIMIT);
    assert!(browser.text("#card-heading").contains(&shipped.model));
    assert_eq!(count(&browser, "[data-testid=card-genres] tbody tr"), shipped.genres.len() as u64);
    let share = format!("{:.1}", 100.0 * shipped.of_tracks[0]);
    let facts = browser.text("[data-testid=pages-card] .facts");
    assert!(facts.contains(&share), "{share}");
    let protocol = shipped.protocol.unwrap();
    let mean = format!("{:.1}", 100.0 * protocol.of_tracks[0]);
    assert!(facts.contains(&mean) && facts.contains(&format!("mean of {}", protocol.trainings)), "{facts}");
    let others = browser.text("[data-testid=experiments-others]");
    assert!(others.contains(&format!("uses by itself is “{}”", shipped.model)), "{others}");
    let doubt = browser.text("[data-testid=card-doubt]");
    assert!(doubt.contains(&format!("{:.0}", 100.0 * shipped.unsure_below.unwrap())), "{doubt}");
    browser.assert_content();
}

#[test]
fn the_map_shows_the_clips_and_a_song_lands_among_them() {
    let map = ClipMap::from_json(&data("map.json")).unwrap();
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, "map?genre=jazz", &Options::default());
    let genres = map.card.genres.len() as u64;
    assert_eq!(count(&browser, "[data-testid=map-genre]"), genres);
    assert_eq!(count(&browser, "[data-testid=map-table] tbody tr"), genres);
    let pressed = "[data-testid=map-genre][aria-pressed=true]";
    assert!(browser.text(pressed).contains("Jazz"));
    browser.click(pressed);
    browser.wait_until("!location.hash.includes('genre')", LIMIT);
    // A link that is followed here says it too.
    browser.eval("void (location.hash = '#map?genre=metal')");
    browser.wait_for_text(pressed, "Metal", LIMIT);
    browser.eval("void (location.hash = '#map')");
    browser.wait_until(&format!("document.querySelector('{pressed}') === null"), LIMIT);
    // What is drawn is not one colour.
    let drawn = "(() => { const canvas = document.querySelector('[data-testid=cloud] canvas'); \
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height); \
        let inked = 0; for (let at = 3; at < data.length; at += 4) inked += data[at] > 0; return inked; })()";
    browser.wait_until(&format!("{drawn} > 1000"), LIMIT);

    browser.eval("document.querySelector('[data-testid=cloud]').focus()");
    press(&browser, "ArrowRight");
    browser.wait_for_text("[data-testid=map-told]", "Clip 1:", LIMIT);
    press(&browser, "Escape");

    let song = songs(&folder("map")).remove(0);
    browser.drop_files("[data-testid=cloud]", &[&song]);
    browser.wait_for("[data-testid=landed]", LIMIT);
    browser.wait_for("[data-testid=map-song]:is([data-state=here], [data-state=far])", LIMIT);
    let name = song.file_name().unwrap().to_str().unwrap();
    assert!(browser.text("[data-testid=map-song]").contains(name));
    let inside = "(() => { const mark = document.querySelector('[data-testid=landed]').getBoundingClientRect(); \
        const square = document.querySelector('[data-testid=cloud]').getBoundingClientRect(); \
        const [x, y] = [mark.x + mark.width / 2, mark.y + mark.height / 2]; \
        return x >= square.left && x <= square.right && y >= square.top && y <= square.bottom; })()";
    assert_eq!(browser.eval(inside), true);
    browser.assert_content();
}
