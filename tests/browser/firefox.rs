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
    teach,
};

const LIMIT: Duration = Duration::from_secs(120);
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
    let code = firefox.eval("document.querySelector('[data-testid=song]').dataset.code");
    let inside = format!("#inside?song={}&clip=1&stage=conv3", code.as_str().unwrap());
    for (address, marker) in [
        (inside.as_str(), "[data-testid=inside-filter]"),
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

#[test]
fn firefox_is_taught_two_classes() {
    let _turn = page::turn();
    let server = Server::start(&build::folder(), "/");
    let mut firefox = Firefox::launch(SIZE);
    visit(&mut firefox, &server);
    firefox.open(&format!("{}#teach?classes=plucked,flute", server.url()));
    firefox.wait_until("document.querySelector('[data-testid=teach-class]')", LIMIT);
    for (number, files) in teach::lesson(&folder("firefox-teach")).iter().enumerate() {
        let input = format!(".teach-class:nth-of-type({}) [data-testid=teach-pick]", number + 1);
        firefox.choose_files(&input, &files.iter().map(AsRef::as_ref).collect::<Vec<_>>());
    }
    firefox.wait_until(teach::STUDIED, LIMIT);
    firefox.click("[data-testid=teach-train]");
    firefox.wait_until("document.querySelector('[data-testid=teach-outcome]')", LIMIT);
    let accuracy = firefox.eval("document.querySelector('[data-testid=teach-accuracy]').innerText");
    println!("taught in Firefox: {accuracy}");
    assert!(accuracy.as_str().unwrap().contains("8 of 8"), "{accuracy}");

    firefox.click("[data-testid=teach-use]");
    firefox.eval("void (location.hash = '#listen')");
    firefox.wait_until("document.querySelector('[data-testid=pick-files]')", LIMIT);
    let new = teach::file(&folder("firefox-teach"), teach::INSTRUMENTS[1], 100);
    firefox.choose_files(PICKER, &[&new]);
    firefox.wait_until(AT_REST, LIMIT);
    let song = &results(&mut firefox)[0];
    assert_eq!(song["genres"], serde_json::json!(["plucked", "flute"]));
    let shares = song["probabilities"].as_array().unwrap();
    assert!(shares[1].as_f64() > shares[0].as_f64(), "{shares:?}");
}

#[test]
fn firefox_says_why_and_opens_what_somebody_sent() {
    let _turn = page::turn();
    let server = Server::start(&build::folder(), "/");
    let mut firefox = Firefox::launch(SIZE);
    visit(&mut firefox, &server);
    firefox.choose_files(PICKER, &[&excerpt("firefox-why", "7")]);
    firefox.wait_until(AT_REST, LIMIT);
    firefox.click("[data-testid=closer]");
    firefox.wait_until("document.querySelector('[data-testid=ask-why][aria-disabled=false]')", LIMIT);
    firefox.wait_until("document.activeElement.closest('section')?.dataset.testid === 'closer'", LIMIT);
    firefox.click("[data-testid=ask-why]");
    firefox.wait_until("document.querySelector('[data-testid=why]').dataset.state === 'done'", LIMIT);
    let answer = firefox.eval("document.querySelector('[data-testid=why-answer]').innerText");
    assert!(answer.as_str().unwrap().len() > 40, "{answer}");

    firefox.eval("void (location.hash = '#library')");
    firefox.wait_until("document.querySelector('[data-testid=row][data-state=done]')", LIMIT);
    let title = firefox.eval("document.querySelector('[data-testid=row-title]').innerText");
    firefox.click("[data-testid=row-more]");
    firefox.wait_until("document.querySelector('[data-testid=copy-link]:enabled')", LIMIT);
    firefox.click("[data-testid=copy-link]");
    firefox.wait_until("document.querySelector('[data-testid=share-link]')", LIMIT);
    let link = firefox.eval("document.querySelector('[data-testid=share-link]').value");
    firefox.open("about:blank");
    firefox.open(link.as_str().unwrap());
    firefox.wait_until("document.querySelector('[data-testid=result][data-state=good]')", LIMIT);
    assert_eq!(firefox.eval("document.querySelector('[data-testid=result] h1').innerText"), title);
}
