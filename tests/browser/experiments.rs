//! The experiments and the map, held against the data they are drawn from.

use std::{fs, path::Path};

use needledrop::{
    classify::map::ClipMap,
    report::experiments::{Experiments, Learned, Run, SPLITS},
};
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
fn other_networks_have_a_row_each_and_the_mean_of_each_split() {
    let experiments = Experiments::from_json(&data("experiments.json")).unwrap();
    let others = experiments.others();
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, "experiments", &Options::default());
    let rows = "[data-testid=other-network]";
    assert!(others.len() > 1);
    assert_eq!(count(&browser, rows), others.len() as u64);
    // Of each of those that there are it is said what sets it apart.
    assert_eq!(count(&browser, &format!("{rows} .apart")), others.len() as u64);
    assert_eq!(count(&browser, "[data-testid=experiments-others] table > caption"), 1);
    assert_eq!(
        count(&browser, "[data-testid=experiments-others] thead th[scope=col]"),
        2 + SPLITS.len() as u64
    );
    for runs in &others {
        let runs: Vec<&Run> = runs.iter().map(|(_, run)| *run).collect();
        let row = format!("{rows}[data-model='{}']", runs[0].model);
        assert_eq!(browser.text(&format!("{row} th[scope=rowgroup]")), runs[0].model);
        let size = browser.text(&format!("{row} td")).replace(|letter: char| !letter.is_ascii_digit(), "");
        assert_eq!(size, runs[0].parameters.to_string());
        let mut cells = 0;
        for split in SPLITS {
            let Some(learned) = Learned::mean(&runs, split) else { continue };
            cells += 1;
            let cell = browser.text(&format!("{row} td[data-split='{split}']"));
            assert!(cell.contains(&format!("{:.1}", 100.0 * learned.of_clips)), "{row} {split}: {cell}");
            let of = match learned.runs {
                1 => "one training".to_owned(),
                several => format!("mean of {several}"),
            };
            assert!(cell.contains(&of), "{row} {split}: {cell}");
        }
        assert_eq!(count(&browser, &format!("{row} a")), cells, "{row}");
    }

    // A number leads to its first run, where the others of the network can be chosen.
    let several = others.iter().find(|runs| runs.len() > 2).unwrap();
    let (_, first) = several[0];
    let row = format!("{rows}[data-model='{}']", first.model);
    let number = format!("{row} td[data-split='{}'] a", first.split);
    assert_eq!(count(&browser, &format!("{row}.chosen, {number}[aria-current]")), 0);
    browser.click(&number);
    browser.wait_until(&format!("location.hash === '#experiments?run={}'", first.name), LIMIT);
    browser.wait_until("document.activeElement.id === 'experiments-closely'", LIMIT);
    browser.wait_for(&format!("{row}.chosen {}[aria-current=true]", &number[row.len()..]), LIMIT);
    assert_eq!(browser.text("#experiments-closely"), first.model);
    let runs = "[data-testid=experiments-closely] .runs a";
    assert_eq!(count(&browser, runs), several.len() as u64);
    let (_, second) = several[1];
    browser.click(&format!("{runs}[href='#experiments?run={}']", second.name));
    browser.wait_until(&format!("location.hash === '#experiments?run={}'", second.name), LIMIT);
    browser.wait_for(&format!("{runs}[href$='={}'][aria-current=true]", second.name), LIMIT);
    assert_eq!(count(&browser, &format!("{runs}[aria-current]")), 1);
    // So is the row from an address.
    browser.go(&format!("#experiments?run={}", several[several.len() - 1].1.name));
    browser.wait_for(&format!("{row}.chosen"), LIMIT);
    assert_eq!(count(&browser, &format!("{rows}.chosen")), 1);
    browser.assert_content();
}

#[test]
fn what_is_told_of_other_networks_stays_on_a_narrow_phone() {
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, "experiments", &Options::default());
    browser.devtools(
        "Emulation.setDeviceMetricsOverride",
        json!({ "width": 320, "height": 640, "deviceScaleFactor": 1, "mobile": false }),
    );
    browser.wait_until("innerWidth === 320", LIMIT);
    for end in [0, 10_000] {
        browser.eval(&format!(
            "void (document.querySelector('[data-testid=experiments-others] .sideways').scrollLeft = {end})"
        ));
        let outside = "[...document.querySelectorAll('.others .stays, .others tbody th')].filter((told) => {
            const { left, right, width } = told.getBoundingClientRect();
            return left < 0 || right > document.documentElement.clientWidth || width < 48;
          }).map((told) => told.innerText)";
        assert_eq!(browser.eval(outside), json!([]), "scrolled to {end}");
    }
    assert_eq!(browser.eval("document.documentElement.scrollWidth <= innerWidth"), true);
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
