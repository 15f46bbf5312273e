//! What needs no WebGPU, in Firefox: the verdicts, offline, the microphone, one song
//! large.

use std::{path::Path, time::Duration};

use serde_json::Value;

use crate::{
    build, closer,
    marionette::Firefox,
    page,
    server::Server,
    shell::KEPT,
    songs::{AT_REST, assert_same_verdicts, excerpt, ffmpeg, folder, heard},
};

const LIMIT: Duration = Duration::from_secs(60);
const SIZE: (u32, u32) = (1280, 900);
const PICKER: &str = "[data-testid=pick-files]";

fn visit(firefox: &mut Firefox, server: &Server) {
    firefox.open(&server.url());
    firefox.wait_until("document.querySelector('[data-testid=pick-files]')", LIMIT);
}

fn results(firefox: &mut Firefox) -> Vec<Value> {
    let text = firefox.eval("window.needledrop.results()");
    serde_json::from_str(text.as_str().unwrap()).unwrap()
}

/// Holds that songs are heard as the command line hears them.
fn hears(firefox: &mut Firefox, songs: &[&Path]) {
    firefox.choose_files(PICKER, songs);
    firefox.wait_until(
        &format!("document.querySelectorAll('[data-testid=song]').length === {}", songs.len()),
        LIMIT,
    );
    firefox.wait_until(AT_REST, LIMIT);
    let expected = heard(&songs.iter().map(|song| song.to_path_buf()).collect::<Vec<_>>());
    for (song, expected) in results(firefox).iter().zip(&expected) {
        assert_same_verdicts(song, expected);
    }
}

#[test]
fn firefox_has_the_command_lines_verdicts_with_and_without_a_server() {
    let _turn = page::turn();
    let wav = excerpt("firefox", "9");
    let mp3 = folder("firefox").join("excerpt.mp3");
    ffmpeg(&["-i", wav.to_str().unwrap(), "-c:a", "libmp3lame"], &mp3);
    let mut server = Server::start(&build::folder(), "/");
    let mut firefox = Firefox::launch(SIZE);
    visit(&mut firefox, &server);
    hears(&mut firefox, &[&wav, &mp3]);

    firefox.wait_until(KEPT, LIMIT);
    firefox.wait_until("navigator.serviceWorker.controller !== null", LIMIT);
    server.stop();
    firefox.reload();
    firefox.wait_until("document.querySelector('[data-testid=pick-files]')", LIMIT);
    hears(&mut firefox, &[&wav]);
}

#[test]
fn firefox_says_what_a_bad_file_is() {
    let _turn = page::turn();
    let letter = folder("firefox").join("letter.mp3");
    std::fs::write(&letter, b"This is a letter, not a song. ".repeat(40)).unwrap();
    let server = Server::start(&build::folder(), "/");
    let mut firefox = Firefox::launch(SIZE);
    visit(&mut firefox, &server);
    firefox.choose_files(PICKER, &[&letter]);
    firefox.wait_until(AT_REST, LIMIT);
    assert_eq!(results(&mut firefox)[0]["problem"], "not_audio");
    // The button goes, and Firefox would leave the keyboard on it.
    firefox.click("[data-testid=clear]");
    firefox.wait_until("document.activeElement.id === 'songs-heading'", LIMIT);
    // It has the call, but shares pictures alone.
    assert_eq!(firefox.eval("document.querySelector('[data-testid=listen-shared]')"), Value::Null);
}

#[test]
fn firefox_shows_a_song_large() {
    let _turn = page::turn();
    let server = Server::start(&build::folder(), "/");
    let mut firefox = Firefox::launch(SIZE);
    visit(&mut firefox, &server);
    firefox.choose_files(PICKER, &[&excerpt("firefox-closer", "9")]);
    firefox.wait_until(AT_REST, LIMIT);
    firefox.click("[data-testid=closer]");
    let seek = "document.querySelector('[data-testid=closer-seek]')";
    firefox.wait_until(&format!("{seek} && document.activeElement.closest('[data-testid=closer]')"), LIMIT);
    for (key, second) in [(closer::RIGHT, "3"), (closer::RIGHT, "6"), (closer::HOME, "0")] {
        firefox.press(&key.to_string());
        firefox.wait_until(&format!("{seek}.getAttribute('aria-valuenow') === '{second}'"), LIMIT);
    }
    firefox.press("+");
    // Two of its three clips are as near as it gets.
    firefox.wait_until("document.querySelector('[data-testid=zoom]').innerText.startsWith('1.5')", LIMIT);
}

#[test]
fn firefox_hears_the_microphone() {
    let _turn = page::turn();
    let server = Server::start(&build::folder(), "/");
    let mut firefox = Firefox::launch(SIZE);
    visit(&mut firefox, &server);
    firefox.click("[data-testid=listen]");
    firefox.wait_until("document.querySelector('[data-testid=live-verdict][data-state=heard]')", LIMIT);
    firefox.wait_until("document.querySelector('[data-testid=history]')", LIMIT);
    firefox.click("[data-testid=listen]");
    firefox.wait_until("document.querySelector('[data-testid=song]')", LIMIT);
    firefox.wait_until(AT_REST, LIMIT);
    let song = &results(&mut firefox)[0];
    assert_eq!(song["state"], "done", "{song:#}");
    assert!(!song["clips"].as_array().unwrap().is_empty());
}

#[test]
fn firefox_opens_every_view_and_keeps_the_library() {
    let _turn = page::turn();
    let server = Server::start(&build::folder(), "/");
    let mut firefox = Firefox::launch(SIZE);
    visit(&mut firefox, &server);
    firefox.choose_files(PICKER, &[&excerpt("firefox-views", "7")]);
    firefox.wait_until(AT_REST, LIMIT);
    for (address, marker) in [
        ("#inside?song=1&clip=1&stage=conv3", "[data-testid=inside-filter]"),
        ("#map", "[data-testid=map-table]"),
        ("#experiments?row=8", "[data-testid=confusion]"),
        ("#teach", "[data-testid=teach-class]"),
        ("#lesson", "[data-testid=lesson] h1"),
        ("#library", "[data-testid=row]"),
    ] {
        firefox.eval(&format!("void (location.hash = '{address}')"));
        firefox.wait_until(&format!("document.querySelector('{marker}')"), LIMIT);
        firefox.wait_until("!document.querySelector('main > :not([hidden]) [data-state=loading]')", LIMIT);
    }
    firefox.reload();
    firefox.eval("void (location.hash = '#library')");
    firefox.wait_until("document.querySelector('[data-testid=row]')", LIMIT);
}
