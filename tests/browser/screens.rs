//! Pictures of every view, for people to look at: `make screens` writes them into
//! `docs/screens`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::json;

use crate::{
    build,
    closer::code,
    library::link_of_first_row,
    page::{Browser, Options},
    server::Server,
    shared,
    songs::{AT_REST, LIMIT, folder as scratch, open, songs},
    teach::{lesson, study},
};

/// Quality of the pictures, in percent.
const QUALITY: u32 = 70;

/// Every view in a state that shows what it is for.
const VIEWS: [(&str, &str); 9] = [
    ("listen", "#listen"),
    ("song", "#song?song=CODE&at=12"),
    ("inside", "#inside?song=CODE&clip=4&stage=conv2"),
    ("library", "#library"),
    ("map", "#map"),
    ("experiments", "#experiments"),
    ("teach", "#teach?classes=plucked,flute"),
    ("lesson", "#lesson"),
    ("presentation", "#inside?song=CODE&clip=4&stage=mel&present=1"),
];

fn draw(browser: &Browser, file: &Path) {
    let picture = browser.devtools("Page.captureScreenshot", json!({ "format": "webp", "quality": QUALITY }));
    let bytes = BASE64_STANDARD.decode(picture["data"].as_str().unwrap()).unwrap();
    assert!(bytes.starts_with(b"RIFF"), "no WebP");
    fs::write(file, bytes).unwrap();
}

/// One song of each genre that there is, for a library that is no desert.
fn more_songs() -> Vec<PathBuf> {
    let audio = shared::folder().join("data/audio");
    let Ok(genres) = fs::read_dir(audio) else { return Vec::new() };
    let first = |genre: PathBuf| fs::read_dir(genre).ok()?.flatten().map(|song| song.path()).max();
    // A browser is given no file whose path climbs.
    let songs = genres.flatten().filter_map(|genre| fs::canonicalize(first(genre.path())?).ok());
    let mut songs: Vec<PathBuf> = songs.collect();
    songs.sort();
    songs
}

#[test]
#[ignore = "writes docs/screens; `make screens` runs it"]
fn screens() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/screens");
    fs::create_dir_all(&folder).unwrap();
    let songs = songs(&scratch("screens"));
    let songs: Vec<&Path> = songs.iter().map(AsRef::as_ref).collect();
    let more = more_songs();
    let more: Vec<&Path> = more.iter().map(AsRef::as_ref).collect();
    let lesson = lesson(&scratch("screens"));
    let server = Server::start(&build::folder(), "/");
    for (name, size, dark) in
        [("wide", (1280, 860), false), ("dark", (1280, 860), true), ("phone", (390, 844), false)]
    {
        let browser = open(&server, &Options { size, dark, ..Options::default() });
        browser.devtools("Emulation.setScrollbarsHidden", json!({ "hidden": true }));
        browser.drop_files("[data-testid=drop-zone]", &songs);
        browser.wait_until(
            &format!("document.querySelectorAll('[data-testid=song]').length === {}", songs.len()),
            LIMIT,
        );
        browser.wait_until(AT_REST, LIMIT);
        browser.go("#library");
        browser.wait_for("[data-testid=row][data-state=done]", LIMIT);
        let link = link_of_first_row(&browser);
        let result = format!("#{}", link.split_once('#').unwrap().1);
        let code = code(&browser);
        for (view, address) in VIEWS.into_iter().chain([("result", result.as_str())]) {
            if view == "library" {
                browser.go("#listen");
                browser.drop_files("[data-testid=drop-zone]", &more);
                browser.wait_until(
                    &format!(
                        "document.querySelectorAll('[data-testid=song]').length === {}",
                        songs.len() + more.len()
                    ),
                    LIMIT,
                );
                browser.wait_until(AT_REST, LIMIT);
            }
            let address = address.replace("CODE", &code);
            browser.go(&address);
            browser.wait_until(
                "document.querySelector('main > :not([hidden]) [data-state=loading]') === null && \
                 document.querySelector('main > :not([hidden]) :is(h1, h2)') !== null",
                LIMIT,
            );
            if view == "teach" {
                study(&browser, &lesson);
                browser.click("[data-testid=teach-train]");
                browser.wait_for("[data-testid=teach-outcome]", LIMIT);
            }
            // What moves comes to rest, what is computed is there.
            browser.eval("new Promise((resolve) => setTimeout(resolve, 3000))");
            draw(&browser, &folder.join(format!("{view}-{name}.webp")));
        }
    }
}
