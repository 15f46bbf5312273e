//! Models that are not sure, and that take nothing for music: the page says so, and
//! the command line the same.

use std::{fs, path::Path, process::Command};

use needledrop::network::{
    card::{Calibration, Combine, Rejection, RejectionScore},
    weights::{Precision, Weights},
};
use serde_json::Value;

use crate::{
    build,
    page::Options,
    server::Server,
    songs::{AT_REST, LIMIT, folder, open, results, songs},
};

/// The shipped network under a card that makes other verdicts of its logits.
pub(crate) fn model(path: &Path, calibration: Calibration) {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("www/model/row8.safetensors");
    let weights = Weights::from_bytes(&fs::read(shipped).unwrap()).unwrap();
    let card = weights.card().clone().with_calibration(calibration);
    let bytes = weights.with_statistics(card, []).unwrap().to_bytes(Precision::F16).unwrap();
    fs::write(path, bytes).unwrap();
}

fn heard(model: &Path, song: &Path) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_needledrop"))
        .args(["classify", "--json", "--model"])
        .args([model, song])
        .output();
    serde_json::from_slice(&output.unwrap().stdout).unwrap()
}

/// Drops a model and then a song; what the page says of the song must be `code` in
/// its results and `word` in its headline, and what the command line says of it.
fn says(name: &str, calibration: Calibration, code: &str, word: &str) {
    let folder = folder(name);
    let file = folder.join(format!("{name}.safetensors"));
    model(&file, calibration);
    let song = &songs(&folder)[0];
    let expected = heard(&file, song);
    assert_eq!((&expected["song"]["verdict"], &expected["genre"]), (&code.into(), &Value::Null));

    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    browser.wait_until("document.querySelector('[data-testid=engine]').dataset.state === 'cpu'", LIMIT);
    browser.drop_files("[data-testid=drop-zone]", &[&file]);
    browser.wait_until("document.querySelectorAll('[data-testid=model-choice] option').length === 2", LIMIT);
    browser.drop_files("[data-testid=drop-zone]", &[song]);
    browser.wait_until(AT_REST, LIMIT);
    assert_eq!(browser.text("[data-testid=verdict-word]"), word);
    assert!(!browser.text("[data-testid=doubt]").is_empty());
    let found = &results(&browser)[0];
    assert_eq!(found["verdict"], code);
    assert!(!found["probabilities"].as_array().unwrap().is_empty(), "they are kept for who wants them");
    let (found, expected) = (found["clips"].as_array().unwrap(), expected["clips"].as_array().unwrap());
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found["refused"], expected["refused"]);
        assert_eq!(found["score"].is_null(), expected["score"].is_null());
    }
    browser.assert_content();
}

#[test]
fn a_song_of_refused_clips_is_not_music() {
    // No logit is as large.
    let rejection = Some(Rejection { score: RejectionScore::MaxLogit, threshold: 1e6 });
    says("refusing", Calibration { rejection, ..Calibration::default() }, "not_music", "Not music");
}

#[test]
fn a_song_of_no_clear_genre_is_not_sure() {
    let calibration = Calibration {
        temperature: 20.0,
        combine: Combine::LogPool { correlation: 0.9 },
        least_confidence: Some(1.0),
        ..Calibration::default()
    };
    says("unsure", calibration, "not_sure", "Not sure");
}
