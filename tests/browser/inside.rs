//! Inside the network: the example that every link finds, and a song's clips
//! whose values are those of its verdicts.

use std::{fs, path::Path};

use needledrop::network::weights::Weights;
use serde_json::json;

use crate::{
    build,
    closer::code,
    library::{SPENT_AND_FOCUSED, focus_and_press},
    page::{Browser, Options},
    server::Server,
    songs::{AT_REST, LIMIT, folder, open, results, songs},
};

const SHOWN: &str = "document.querySelector('[data-testid=inside]')?.dataset.state === 'shown'";
/// Steps from the waveform to the verdict, for a network of six layers.
const STEPS: usize = 14;

fn go(browser: &Browser, fragment: &str) {
    browser.go(fragment);
}

fn press(browser: &Browser, key: &str) {
    for kind in ["keyDown", "keyUp"] {
        browser.devtools("Input.dispatchKeyEvent", json!({ "type": kind, "key": key, "code": key }));
    }
}

/// The code of the open step.
const STEP: &str = "document.querySelector('[data-testid=inside-panel]').dataset.step";

fn step(browser: &Browser) -> String {
    browser.eval(STEP).as_str().unwrap().to_owned()
}

/// Whether every picture of the open step has more than one colour.
const DRAWN: &str = "[...document.querySelectorAll('.inside-panel canvas, .inside-thumbnail canvas')].every((canvas) => { \
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height); \
    return new Set(new Uint32Array(data.buffer)).size > 1; })";

#[test]
fn a_link_opens_the_example_at_a_step_and_a_filter() {
    let server = Server::start(&build::folder(), "/");
    let browser = Browser::launch(&Options::default());
    browser.open(&format!("{}#inside?stage=conv2&filter=7", server.url()));
    browser.wait_until(SHOWN, LIMIT);
    assert_eq!(step(&browser), "conv2");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("www/model/ears.safetensors");
    let shipped = Weights::from_bytes(&fs::read(shipped).unwrap()).unwrap();
    let shape = format!("{} × 32 × 17", shipped.card().network.blocks[1].filters);
    browser.wait_for_text("[data-testid=inside-shape]", &shape, LIMIT);
    browser.wait_until(DRAWN, LIMIT);
    assert_eq!(browser.eval("document.querySelector('[data-testid=inside-filter]').value"), "7");

    press(&browser, "ArrowDown");
    browser.wait_until("location.hash.includes('filter=8')", LIMIT);
    press(&browser, "ArrowRight");
    browser.wait_until("location.hash.includes('stage=conv3')", LIMIT);
    assert_eq!(browser.eval("location.hash.includes('filter')"), false);
    for _ in 0..STEPS {
        press(&browser, "ArrowLeft");
    }
    browser.wait_until("location.hash.includes('stage=wave')", LIMIT);
    browser.wait_until(&format!("{STEP} === 'wave'"), LIMIT);
    let mut steps = vec![step(&browser)];
    browser.wait_until(DRAWN, LIMIT);
    for _ in 1..STEPS {
        let before = step(&browser);
        press(&browser, "ArrowRight");
        browser.wait_until(&format!("{STEP} !== '{before}'"), LIMIT);
        steps.push(step(&browser));
        browser.wait_until(DRAWN, LIMIT);
    }
    let convolutions = (1..=6).map(|layer| format!("conv{layer}"));
    let expected = ["wave", "frame", "spectrum", "mel", "decibels", "picture"].map(str::to_owned);
    let expected = expected.into_iter().chain(convolutions).chain(["dense".into(), "softmax".into()]);
    assert_eq!(steps, expected.collect::<Vec<_>>());

    // At the end of the way there is no step more.
    press(&browser, "ArrowRight");
    // The button that led there has the keyboard still.
    press(&browser, "ArrowLeft");
    browser.wait_until("location.hash.includes('stage=dense')", LIMIT);
    focus_and_press(&browser, "[data-testid=inside-on]");
    browser.wait_until(SPENT_AND_FOCUSED, LIMIT);
    browser.assert_content();
}

#[test]
fn a_songs_clip_ends_in_its_verdict() {
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    let song = songs(&folder("inside")).remove(0);
    browser.drop_files("[data-testid=drop-zone]", &[&song]);
    browser.wait_until(AT_REST, LIMIT);
    let heard = results(&browser).remove(0);
    let id = code(&browser);
    for clip in [3, 0] {
        go(&browser, &format!("#inside?song={id}&clip={clip}&stage=softmax"));
        browser.wait_until(SHOWN, LIMIT);
        let shares = "[...document.querySelectorAll('[data-testid=inside-shares] td:last-child')]\
            .map((cell) => parseFloat(cell.innerText.replace(',', '.')))";
        let expected = &heard["clips"][clip]["probabilities"];
        let near = format!(
            "{shares}.length === {expected}.length && {shares}.every((share, at) => Math.abs(share - 100 * {expected}[at]) < 0.11)"
        );
        browser.wait_until(&near, LIMIT);
        // And follows from the scores beside it, as whoever has a calculator can see.
        let scores = "[...document.querySelectorAll('[data-testid=inside-shares] td:nth-child(2)')]\
            .map((cell) => Math.exp(parseFloat(cell.innerText.replace('−', '-'))))";
        let softmax = format!(
            "(() => {{ const powers = {scores}; const sum = powers.reduce((a, b) => a + b); \
             return {shares}.every((share, at) => Math.abs(share - 100 * powers[at] / sum) < 0.5); }})()"
        );
        assert_eq!(browser.eval(&softmax), true);
    }
    // The page's network keeps statistics of its maps, and sees decibels: no word of rows or colours.
    for (stage, said, never) in
        [("dense", "its deviation over time", "laid out"), ("picture", "for the eye alone", "viridis")]
    {
        go(&browser, &format!("#inside?song={id}&clip=0&stage={stage}"));
        let told = "document.querySelector('[data-testid=inside-panel]').textContent";
        browser.wait_until(&format!("{told}.includes({})", json!(said)), LIMIT);
        assert_eq!(browser.eval(&format!("{told}.includes({})", json!(never))), false, "{stage}");
    }
    let clips = heard["clips"].as_array().unwrap().len();
    go(&browser, &format!("#inside?song={id}&clip=100000"));
    browser.wait_for_text("[data-testid=inside-clip]", &format!("Clip {clips} of {clips}"), LIMIT);
    browser.wait_until(SHOWN, LIMIT);
    // From clip to clip; after the last there is none.
    let next = "[data-testid=inside-clip] + button";
    let button = |what: &str| browser.eval(&format!("document.querySelector('{next}').{what}"));
    assert_eq!((button("innerText"), button("ariaDisabled")), ("→".into(), "true".into()));
    browser.click(next);
    assert!(browser.text("[data-testid=inside-clip]").contains(&format!("Clip {clips} of {clips}")));
    go(&browser, &format!("#inside?song={id}&clip=0"));
    browser.wait_until(SHOWN, LIMIT);
    browser.wait_until(&format!("document.querySelector('{next}').ariaDisabled === 'false'"), LIMIT);
    browser.click(next);
    browser.wait_until("location.hash.includes('clip=1')", LIMIT);
    browser.wait_until(SHOWN, LIMIT);
    // A song that is not here leads to the example.
    go(&browser, "#inside?song=999");
    browser.wait_until("document.querySelector('.inside-clip').hidden", LIMIT);
    browser.wait_until(SHOWN, LIMIT);
    browser.assert_content();
}
