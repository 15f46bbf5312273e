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
    process::{Command, Output, Stdio},
};

use needledrop::sound::wav;
use serde_json::Value;

fn needledrop(arguments: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_needledrop")).args(arguments).output().unwrap()
}

/// The paper's network, which has a genre for everything but silence.
fn papers_network() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("www/model/row8.safetensors")
}

/// A WAV file of some seconds of a chord, or of silence.
fn sound(name: &str, seconds: u32, loudness: f32) -> PathBuf {
    tuned(name, seconds, loudness, 1.0)
}

/// The same, so many times as high.
fn tuned(name: &str, seconds: u32, loudness: f32, pitch: f32) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let samples: Vec<f32> = (0..seconds * 22_050)
        .map(|sample| {
            let time = sample as f32 / 22_050.0;
            [220.0, 277.2, 329.6]
                .map(|hertz| (time * hertz * pitch * std::f32::consts::TAU).sin())
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

/// As `needledrop … | head -0` has it: ended as every other program is.
#[cfg(unix)]
#[test]
fn a_reader_that_has_gone_is_no_panic() {
    use std::os::unix::process::ExitStatusExt;
    const SIGPIPE: i32 = 13;
    let chord = sound("unread chord.wav", 4, 0.5);
    let mut child = Command::new(env!("CARGO_BIN_EXE_needledrop"))
        .args(["classify".as_ref(), chord.as_path()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.signal(), Some(SIGPIPE), "{said}");
    assert!(said.is_empty(), "{said}");
}

#[test]
fn json_has_every_clip_of_every_file() {
    let (chord, silence) = (sound("json chord.wav", 7, 0.5), sound("json silence.wav", 4, 0.0));
    let output = needledrop(&["classify".as_ref(), "--json".as_ref(), &chord, &silence]);
    assert!(output.status.success());
    let lines: Vec<Value> = output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    let clips = lines[0]["clips"].as_array().unwrap();
    assert_eq!(clips.len(), 2, "7 s are two whole clips");
    for clip in clips {
        let sum: f64 =
            clip["probabilities"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-5);
    }
    // A chord that never ends is no music to the network that ships.
    assert_eq!((&lines[0]["song"]["verdict"], &lines[0]["genre"]), (&"not_music".into(), &Value::Null));
    assert_eq!(lines[1]["song"]["verdict"], "silence");
    assert!(lines[1]["genre"].is_null());
    // The paper's has a genre for everything.
    let papers = papers_network();
    let output = needledrop(&["classify".as_ref(), "--json".as_ref(), "--model".as_ref(), &papers, &chord]);
    let line: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(line["genre"].is_string(), "{line}");
}

#[test]
fn a_bad_file_fails_alone_and_in_the_exit_status() {
    let chord = sound("table chord.wav", 3, 0.5);
    let letter = Path::new(env!("CARGO_TARGET_TMPDIR")).join("letter.mp3");
    fs::write(&letter, "Dear reader, this is no song.").unwrap();
    let nowhere = Path::new(env!("CARGO_TARGET_TMPDIR")).join("nowhere.wav");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let papers = papers_network();
    let output =
        needledrop(&["classify".as_ref(), "--model".as_ref(), &papers, &letter, folder, &nowhere, &chord]);
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
fn json_of_a_bad_file_is_its_error_and_the_next_is_heard() {
    let write = |name: &str, text: &str| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let letter = write("json letter.mp3", "Dear reader, this is no song.");
    let empty = write("json empty.flac", "");
    let (chord, papers) = (sound("json good chord.wav", 4, 0.5), papers_network());
    let output = needledrop(&[
        "classify".as_ref(),
        "--json".as_ref(),
        "--model".as_ref(),
        &papers,
        &letter,
        &empty,
        &chord,
    ]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3, "{text}");
    for (line, file) in lines.iter().zip([&letter, &empty, &chord]) {
        assert_eq!(line["file"], file.to_str().unwrap());
        assert!(line["model"].is_string(), "{line}");
    }
    for (line, error, code) in [(&lines[0], "not audio", "not_audio"), (&lines[1], "empty", "empty")] {
        assert!(line["error"].as_str().unwrap().contains(error), "{line}");
        // A name beside it, with what there is to say of it.
        assert_eq!(line.get(code), Some(&Value::Null), "{line}");
        assert_eq!((line.get("song"), line.get("clips")), (None, None), "{line}");
    }
    assert_eq!(lines[2].get("error"), None, "{text}");
    assert_eq!(lines[2]["song"]["verdict"], "genre");
    assert!(lines[2]["genre"].is_string());
    assert_eq!(lines[2]["clips"].as_array().unwrap().len(), 1);
    assert!(String::from_utf8(output.stderr).unwrap().contains("no verdict on 2 of 3 files"));
}

/// Names of another age and code page are names.
#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_no_unicode_is_heard_like_any() {
    use std::os::unix::ffi::OsStrExt as _;

    let chord = sound("latin chord.wav", 3, 0.5);
    let latin = chord.with_file_name(std::ffi::OsStr::from_bytes(b"caf\xe9.wav"));
    fs::rename(&chord, &latin).unwrap();
    let output = needledrop(&["classify".as_ref(), "--json".as_ref(), &latin, &latin]);
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    assert_eq!(lines.lines().filter(|line| line.contains("caf\u{fffd}.wav")).count(), 2, "{lines}");
}

#[test]
fn weights_that_are_none_are_refused_with_the_reason() {
    let chord = sound("model chord.wav", 3, 0.5);
    let output = needledrop(&["classify".as_ref(), "--model".as_ref(), &chord, &chord]);
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("cannot use the model") && said.contains("safetensors"), "{said}");
}

/// A pipe has no end to look at first: what comes through one has to be kept in a file.
#[cfg(target_os = "linux")]
#[test]
fn a_pipe_is_not_called_an_empty_file() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_needledrop"))
        .args(["classify", "/dev/stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdin.take());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(!output.status.success() && said.contains("no regular file"), "{said}");
}

/// `needledrop prepare` in a folder of the test's own.
fn prepare(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_needledrop"))
        .current_dir(folder)
        .arg("prepare")
        .args(arguments)
        .output()
        .unwrap()
}

/// A new folder, with chords, no two the same, in folders of their genres.
fn genres(name: &str, chords: &[&str]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::remove_dir_all(&folder).ok();
    fs::create_dir_all(&folder).unwrap();
    for (at, chord) in chords.iter().enumerate() {
        let path = folder.join("music").join(chord);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::rename(tuned(&format!("{name}.wav"), 4, 0.5, 1.0 + at as f32 / 5.0), path).unwrap();
    }
    folder
}

#[test]
fn prepare_writes_an_archive_and_names_what_it_left_out() {
    let songs = ["a/x/1.wav", "a/x/2.wav", "a/x/3.wav", "a/y/1.wav", "a/y/4.wav", "a/y/5.wav"];
    let folder = genres("prepare", &songs);
    fs::write(folder.join("music/a/y/jazz.00054.wav"), "RIFF and nothing more").unwrap();
    let settings = [
        (&[][..], 130),
        (&["--no-center", "--hop-length", "1920"], 34),
        (&["--clip-seconds", "3.5", "--top-db", "60"], 151),
        (&["--clip-seconds", "2.5", "--no-center"], 104),
        // As many of each, in the same decimals.
        (&["--seconds", "2.7", "--clip-seconds", "2.7"], 117),
    ];
    for (options, frames) in settings {
        let arguments = [&["music", "-o", "a.safetensors"], options].concat();
        let output = prepare(&folder, &arguments);
        let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        assert!(output.status.success(), "{err}");
        let expected = format!("6 recordings of 2 genres, 6 clips of {frames} frames");
        assert!(out.contains(&expected), "{out}");
        assert!(out.contains("\nGenres: x, y\n"), "{out}");
        assert!(err.contains("jazz.00054.wav: "), "{err}");
        assert_eq!(err.lines().count(), 2, "{err}");
        let bytes = fs::read(folder.join("a.safetensors")).unwrap();
        let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        let tracks = &header.metadata().as_ref().unwrap()["tracks"];
        assert_eq!(tracks, r#"["a/x/1.wav","2","3","a/y/1.wav","4","5"]"#);
    }
}

/// What is heard twice, genres that may be none, and what was not heard.
#[test]
fn prepare_warns_of_what_a_person_may_not_have_meant() {
    let songs =
        ["a/rock/1.wav", "b/rock/2.wav", "c/rock/3.wav", "a/jazz/4.wav", "a/jazz/5.wav", "a/jazz/6.wav"];
    let folder = genres("unmeant", &songs);
    let music = folder.join("music");
    let warned = || {
        let output = prepare(&folder, &["music", "-o", "a.safetensors"]);
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{err}");
        err
    };
    let err = warned();
    assert_eq!(err.lines().count(), 1, "{err}");
    assert!(err.contains("music/a/rock and music/b/rock and 1 more is taken for one genre, rock"), "{err}");
    fs::write(music.join("a/jazz/cover.jpg"), "").unwrap();
    assert!(warned().contains("1 other file is no sound by its name, and was left alone"));
    fs::write(music.join("a/notes.txt"), "").unwrap();
    for copy in 0..12 {
        fs::copy(music.join("a/jazz/4.wav"), music.join(format!("a/jazz/copy {copy}.wav"))).unwrap();
    }
    let err = warned();
    assert!(err.contains("2 other files are no sound by their names"), "{err}");
    let same =
        "Warning: music/a/jazz/4.wav and music/a/jazz/copy 0.wav are the same sound: a split may learn";
    assert!(err.contains(same), "{err}");
    assert_eq!(err.matches("are the same sound").count(), 10, "{err}");
    assert!(err.contains("so it is with 2 more"), "{err}");
}

/// Whatever makes a file asks first what lies there, and whether it can lie there.
#[test]
fn nothing_takes_the_place_of_a_file_that_is_something_else() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("places");
    fs::remove_dir_all(&folder).ok();
    fs::create_dir_all(folder.join("music/jazz")).unwrap();
    for (name, text) in [
        ("song.mp3", "ID3 and so on"),
        ("result.json", r#"{"format": "needledrop result", "version": 1}"#),
        ("map.json", r#"{"version": 1, "space": {}}"#),
        ("experiments.json", r#"{"version": 1, "rows": []}"#),
        ("design.json", r#"{"name": "mine"}"#),
        ("music/jazz/a.wav", ""),
        ("empty", ""),
    ] {
        fs::write(folder.join(name), text).unwrap();
    }
    let papers = papers_network();
    let papers = papers.to_str().unwrap();
    let refused = |command: &[&str], place: &str, reason: &str| {
        let before = fs::read(folder.join(place)).ok();
        let mut needledrop = Command::new(env!("CARGO_BIN_EXE_needledrop"));
        let output = needledrop.current_dir(&folder).args(command).args(["-o", place]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(reason), "{command:?} {place}: {said}");
        assert_eq!(fs::read(folder.join(place)).ok(), before);
    };
    let export = &["export", papers][..];
    let calibrate = &["calibrate", papers, "--archive", "absent"][..];
    let convert = &["convert", "absent", "--card", "absent"][..];
    let map = &["map", papers, "--archive", "absent"][..];
    for command in [export, calibrate, convert] {
        refused(command, "song.mp3", "song.mp3 is a file of another kind, which a model would replace");
        refused(command, "result.json", "result.json is the scores of a model, which a model would replace");
        refused(command, "map.json", "map.json is the page's map, which a model would replace");
    }
    refused(map, "song.mp3", "song.mp3 is a file of another kind, which the page's map would replace");
    refused(map, "result.json", "result.json is the scores of a model, which the page's map would replace");
    refused(map, "experiments.json", "is the page's experiments, which the page's map would replace");
    refused(map, "design.json", "design.json is a file of another kind, which the page's map would replace");
    refused(map, "map.json", "cannot read absent");
    refused(&["prepare", "music"], "result.json", "which an archive of spectrograms would replace");
    for command in [export, calibrate, convert, map] {
        refused(command, "none/new", "the folder none does not exist; make it first");
        refused(command, "music", "music is a folder");
    }
    // Nothing is lost with a file that is empty, and a model gives way to a model.
    for _ in 0..2 {
        let mut needledrop = Command::new(env!("CARGO_BIN_EXE_needledrop"));
        let output = needledrop.args(export).arg("-o").arg(folder.join("empty")).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    assert!(fs::metadata(folder.join("empty")).unwrap().len() > 0);
}

#[test]
fn prepare_says_beforehand_what_cannot_be() {
    let folder = genres("unprepared", &["jazz/a.wav", "none/letter.txt"]);
    fs::create_dir(folder.join("empty")).unwrap();
    let refuse = |arguments: &[&str], reason: &str| {
        let output = prepare(&folder, arguments);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.contains(reason), "{arguments:?}: {error}");
    };
    refuse(&["empty", "-o", "a"], "no sound in folders below empty");
    refuse(&["music/none", "-o", "a"], "no sound");
    refuse(&["absent", "-o", "a"], "cannot read the folder absent");
    refuse(&["music", "-o", "absent/a"], "the folder absent does not exist");
    refuse(&["music", "-o", "empty"], "empty is a folder");
    let song = fs::read(folder.join("music/jazz/a.wav")).unwrap();
    refuse(&["music", "-o", "music/jazz/a.wav"], "a.wav is the name of a sound");
    assert_eq!(fs::read(folder.join("music/jazz/a.wav")).unwrap(), song);
    refuse(
        &["music/jazz", "-o", "a"],
        "1 sounds that cannot be used, the first of them music/jazz/a.wav: it lies in no genre's folder, 0 other files",
    );
    refuse(&["music", "-o", "a", "--hop-length", "0"], "hop_length");
    refuse(&["music", "-o", "a", "--fmax", "20000"], "fmax");
    refuse(&["music", "-o", "a", "--seconds", "0.5"], "--seconds");
    refuse(&["music", "-o", "a", "--no-center", "--seconds", "1201"], "at most 1200");
    refuse(&["music", "-o", "a", "--no-center", "--pad-mode", "constant"], "--pad-mode");
    refuse(&["music", "-o", "a", "--top-db", "120"], "100 dB");
    refuse(&["music", "-o", "a", "--clip-seconds", "0"], "clip_seconds");
    refuse(&["music", "-o", "a", "--clip-seconds", "40"], "less than a clip");
    refuse(&["music", "-o", "a", "--sample-rate", "4000"], "from 8000 to 192000 Hz");
    refuse(&["music", "-o", "a", "--seconds", "2.6", "--clip-seconds", "2.7"], "less than a clip");
    assert!(!folder.join("a").exists());
    let output = prepare(&folder, &["music", "-o", "a"]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && error.contains("one genre only, jazz"), "{error}");
}
