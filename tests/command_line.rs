//! The command line as a person calls it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at what is not as it should be"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use needledrop::sound::wav;
use serde_json::Value;

fn needledrop(arguments: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_needledrop")).args(arguments).output().unwrap()
}

/// A WAV file of some seconds of a chord, or of silence.
fn sound(name: &str, seconds: u32, loudness: f32) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let samples: Vec<f32> = (0..seconds * 22_050)
        .map(|sample| {
            let time = sample as f32 / 22_050.0;
            [220.0, 277.2, 329.6]
                .map(|hertz| (time * hertz * std::f32::consts::TAU).sin())
                .iter()
                .sum::<f32>()
                * loudness
                / 3.0
        })
        .collect();
    let mut bytes = wav::header(22_050, 1, samples.len() as u64).to_vec();
    wav::append(&samples, &mut bytes);
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn json_has_every_clip_of_every_file() {
    let (chord, silence) = (sound("json chord.wav", 7, 0.5), sound("json silence.wav", 4, 0.0));
    let output = needledrop(&["classify".as_ref(), "--json".as_ref(), &chord, &silence]);
    assert!(output.status.success());
    let lines: Vec<Value> = output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect();
    assert_eq!(lines.len(), 2);
    let clips = lines[0]["clips"].as_array().unwrap();
    assert_eq!(clips.len(), 2, "7 s are two whole clips");
    for clip in clips {
        let sum: f64 =
            clip["probabilities"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-5);
    }
    assert!(lines[0]["genre"].is_string());
    assert_eq!(lines[1]["song"]["verdict"], "silence");
    assert!(lines[1]["genre"].is_null());
}

#[test]
fn a_bad_file_fails_alone_and_in_the_exit_status() {
    let chord = sound("table chord.wav", 3, 0.5);
    let letter = Path::new(env!("CARGO_TARGET_TMPDIR")).join("letter.mp3");
    fs::write(&letter, "Dear reader, this is no song.").unwrap();
    let nowhere = Path::new(env!("CARGO_TARGET_TMPDIR")).join("nowhere.wav");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let output = needledrop(&["classify".as_ref(), &letter, folder, &nowhere, &chord]);
    assert!(!output.status.success());
    let table = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 4, "{table}");
    assert!(lines[0].contains("not audio"), "{table}");
    assert!(lines[1].contains("folder"), "{table}");
    assert!(lines[2].contains("cannot be read"), "{table}");
    assert!(lines[3].contains(" %"), "{table}");
    assert!(String::from_utf8(output.stderr).unwrap().contains("no verdict on 3 of 4 files"));
}

#[test]
fn weights_that_are_none_are_refused_with_the_reason() {
    let chord = sound("model chord.wav", 3, 0.5);
    let output = needledrop(&["classify".as_ref(), "--model".as_ref(), &chord, &chord]);
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("cannot use the model") && said.contains("safetensors"), "{said}");
}
