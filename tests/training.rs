//! Training as a person calls it: interrupted, and on what cannot be trained on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at what is not as it should be"
)]

#[path = "common/card.rs"]
mod card;

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use needledrop::{
    dataset::archive::{Item, MelArchive, Track},
    network::{
        experiment::{NetworkSpec, Pooling, experiment},
        weights::Weights,
    },
    report::result::RunResult,
    spectrogram::config::SpectrogramConfig,
    training::{
        checkpoint::{Checkpoint, State},
        design::Design,
        fit::Best,
        history::{Epoch, Role},
        initial::glorot_uniform,
        recipe::Recipe,
    },
};
use proptest::{prelude::*, sample::Index};
use tempfile::TempDir;

const BANDS: usize = 128;
const FRAMES: usize = 34;

/// Tracks of one clip, of each genre so many: the first loud below, the second
/// above, and so on.
fn archive(tracks_of: &[usize]) -> MelArchive {
    let genres = (0..tracks_of.len()).map(|genre| format!("genre {genre}")).collect();
    let tracks: Vec<Track> = (0..tracks_of.len())
        .flat_map(|genre| {
            (0..tracks_of[genre]).map(move |at| Track { name: format!("{genre}.{at:05}"), genre })
        })
        .collect();
    let items = (0..tracks.len()).map(|track| Item { track, frames: FRAMES }).collect();
    let cell = |at: usize| {
        let (track, band) = (at / (BANDS * FRAMES), at / FRAMES % BANDS);
        let loud = band * tracks_of.len() / BANDS == tracks[track].genre;
        if loud { 200 + (at * 7 % 50) as u8 } else { 30 + (at * 13 % 50) as u8 }
    };
    let mel = (0..tracks.len() * BANDS * FRAMES).map(cell).collect();
    let spectrogram = SpectrogramConfig { hop_length: 1920, center: false, ..SpectrogramConfig::default() };
    MelArchive::new(genres, tracks, spectrogram, items, mel).unwrap()
}

/// A folder with an archive in it.
fn prepared(tracks_of: &[usize]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.safetensors");
    fs::write(&path, archive(tracks_of).to_bytes().unwrap()).unwrap();
    (folder, path)
}

fn needledrop(words: &str, archive: &Path, output: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_needledrop"));
    command.args(words.split(' ')).arg(archive).arg("-o").arg(output);
    command
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What the command answers to what it cannot do.
fn refused(command: &mut Command) -> String {
    let output = command.output().unwrap();
    // 2 is clap's, for an option.
    assert!(matches!(output.status.code(), Some(1 | 2)), "{}", told(&output));
    told(&output)
}

fn done(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
}

/// Whether a signal reached the process: by the shell, as not every system has a program for it.
fn signalled(child: &Child, signal: &str) -> bool {
    let call = format!("kill -{signal} {}", child.id());
    Command::new("bash").args(["-c", &call]).status().unwrap().success()
}

/// On the processor's matrix unit, or told that there is none.
#[test]
fn a_matrix_unit_trains_where_there_is_one() {
    let (folder, archive) = prepared(&[11, 11]);
    let output = folder.path().join("run");
    let words = "train --row 7 --device amx --epochs 1 --batch-size 2";
    let done = needledrop(words, &archive, &output).output().unwrap();
    let has_unit = fs::read_to_string("/proc/cpuinfo").is_ok_and(|about| about.contains("amx_bf16"));
    if has_unit {
        assert!(done.status.success(), "{}", told(&done));
        let checkpoint = Checkpoint::load(&output.join("checkpoint.safetensors")).unwrap();
        assert_eq!((checkpoint.state.epoch, checkpoint.state.sessions[0].device.as_str()), (1, "amx"));
    } else {
        assert!(told(&done).contains("no matrix unit"), "{}", told(&done));
    }
}

/// Killed between its epochs and stopped within the second, on our own convolutions and on burn's.
#[test]
fn a_killed_training_ends_with_the_weights_of_one_that_was_not() {
    for words in [
        "train --row 8 --device cpu --epochs 4 --batch-size 2 --seed 4",
        "train --row 7 --device flex --epochs 4 --batch-size 2 --seed 4",
    ] {
        let (folder, archive) = prepared(&[11, 11]);
        let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
        done(&mut needledrop(words, &archive, &whole));

        let mut child = needledrop(words, &archive, &killed).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.map(Result::unwrap).find(|line| line.contains("1/4"));
        child.kill().unwrap();
        assert!(first.is_some());
        assert!(!child.wait().unwrap().success(), "it was over before it was killed");
        let checkpoint = |folder: &Path| Checkpoint::load(&folder.join("checkpoint.safetensors")).unwrap();
        // In the second epoch, or where this test had to wait for its turn, in a later one.
        let epoch = checkpoint(&killed).state.epoch;
        assert!((1..4).contains(&epoch), "{epoch}");

        // Not by mistake anew, nor with anything else.
        let again = refused(&mut needledrop(words, &archive, &killed));
        assert!(again.contains("--resume"), "{again}");
        let other = refused(needledrop(words, &archive, &killed).args(["--resume", "--l2", "0.5"]));
        assert!(other.contains("another recipe (it was") && other.contains("L2 0.5"), "{other}");
        let seed = words.replace("--seed 4", "--seed 5");
        let other = refused(needledrop(&seed, &archive, &killed).arg("--resume"));
        assert!(other.contains("another --seed (it was 4, and 5 was asked for)"), "{other}");
        let other = refused(needledrop(words, &archive, &killed).args(["--resume", "--split-seed", "1"]));
        assert!(other.contains("another split (it was clips (seed 0;"), "{other}");
        assert!(other.contains("and clips (seed 1;"), "{other}");

        // Nor does it matter that it is left in mid-epoch, where burn's dropout has its own state.
        done(needledrop(words, &archive, &killed).args(["--resume", "--max-steps", "1"]));
        let state = checkpoint(&killed).state;
        assert_eq!((state.epoch, state.step), (epoch, 1));

        done(needledrop(words, &archive, &killed).arg("--resume"));
        let (whole, killed) = (checkpoint(&whole), checkpoint(&killed));
        assert_eq!((killed.state.epoch, killed.state.step), (4, 0));
        assert_eq!(killed.now, whole.now);
        assert_eq!(killed.best, whole.best);
        assert_eq!(killed.state.sessions.len(), 3);
    }
}

/// Stopped by Ctrl-C: with a checkpoint, and with a status that ends a script.
#[test]
fn an_interrupted_training_leaves_a_checkpoint_and_says_so() {
    let words = "train --row 7 --device cpu --epochs 100 --batch-size 2";
    let (folder, archive) = prepared(&[11, 11]);
    let output = folder.path().join("run");
    let mut child = needledrop(words, &archive, &output).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("1/100")));
    assert!(signalled(&child, "INT"));
    assert!(lines.any(|line| line.contains("--resume goes on")));
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let place = || {
        let State { epoch, step, .. } =
            Checkpoint::load(&output.join("checkpoint.safetensors")).unwrap().state;
        (epoch, step)
    };
    let before = place();
    assert!(before >= (1, 0), "{before:?}");
    done(needledrop(words, &archive, &output).args(["--resume", "--max-steps", "1"]));
    assert!(place() > before, "{:?} after {before:?}", place());
}

/// Its time over, it stops like that too, and goes on.
#[test]
fn a_training_whose_time_is_over_leaves_a_checkpoint() {
    let words = "train --row 7 --device cpu --epochs 1 --batch-size 2";
    let (folder, archive) = prepared(&[11, 11]);
    let output = folder.path().join("run");
    done(needledrop(words, &archive, &output).args(["--max-minutes", "0.000001"]));
    let place = || {
        let State { epoch, step, .. } =
            Checkpoint::load(&output.join("checkpoint.safetensors")).unwrap().state;
        (epoch, step)
    };
    assert_eq!(place().0, 0);
    done(needledrop(words, &archive, &output).arg("--resume"));
    assert_eq!(place(), (1, 0));
}

/// Once, whatever it is stopped and goes on; and of one that learns, never.
#[test]
fn a_network_whose_relus_died_is_told_of() {
    let (folder, archive) = prepared(&[30, 30]);
    let output = folder.path().join("died");
    let words = "train --row 7 --recipe paper --device cpu --batch-size 2 --epochs 4 --patience 0";
    let said = |command: &mut Command| {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", told(&output));
        String::from_utf8_lossy(&output.stdout).matches("--learning-rate keeps them alive").count()
    };
    let too_fast = ["--learning-rate", "0.03"];
    assert_eq!(said(needledrop(words, &archive, &output).args(too_fast).args(["--max-steps", "50"])), 1);
    let checkpoint = Checkpoint::load(&output.join("checkpoint.safetensors")).unwrap();
    assert_eq!(checkpoint.state.epoch, 2);
    assert_eq!(said(needledrop(words, &archive, &output).args(too_fast).arg("--resume")), 0);
    let learns = words.replace("--row 7", "--row 1");
    assert_eq!(
        said(
            needledrop(&learns, &archive, &folder.path().join("learns")).args(["--learning-rate", "0.0005"])
        ),
        0
    );
}

#[test]
fn what_cannot_be_trained_on_is_refused_with_the_reason() {
    let (folder, small) = prepared(&[11, 11]);
    let output = folder.path().join("run");
    let cases = [
        (prepared(&[9]), "train --row 1", "genre"),
        (prepared(&[9, 1]), "train --row 1 --split tracks", "genre 1"),
    ];
    for ((_folder, archive), words, reason) in &cases {
        let told = refused(&mut needledrop(words, archive, &output));
        assert!(told.contains(reason), "{told}");
    }
    for (words, reason) in [
        ("train --row 11", "3R"),
        ("train --row 1 --learning-rate 0", "learning rate"),
        ("train --row 1 --max-minutes 0", "--max-minutes"),
        ("train --row 1 --max-steps 0", "--max-steps 0 must be at least 1"),
        ("train --row 1 --lists a b c --split clips", "--lists"),
        ("train --row 1 --split filtered", "train_filtered.txt"),
        ("train --row 1 --split filtered --split-seed 1", "not drawn"),
        ("train --row 1 --resume", "leave out --resume"),
        ("train --row 1 --split tracks --refit --patience 3", "--patience 0"),
        #[cfg(not(feature = "cuda"))]
        ("train --row 1 --device cuda", "--features cuda"),
        ("train --row 7 --bf16", "--device amx"),
        ("train --row 1 --device flex --bf16", "no convolution"),
    ] {
        let told = refused(&mut needledrop(words, &small, &output));
        assert!(told.contains(reason), "{words}: {told}");
    }

    let mut bytes = fs::read(&small).unwrap();
    bytes.truncate(bytes.len() / 2);
    let cut = folder.path().join("cut.safetensors");
    fs::write(&cut, bytes).unwrap();
    let told = refused(&mut needledrop("train --row 1", &cut, &output));
    assert!(told.contains("cut.safetensors"), "{told}");
    assert!(!output.join("checkpoint.safetensors").exists());
}

/// Two in one folder would write over each other's checkpoint.
#[cfg(unix)]
#[test]
fn a_folder_is_of_one_training_at_a_time() {
    let (folder, archive) = prepared(&[11, 11]);
    let run = folder.path().join("run");
    fs::create_dir(&run).unwrap();
    let words = "train --row 1 --epochs 1 --batch-size 8";
    let other = File::open(&run).unwrap();
    other.lock().unwrap();
    let told = refused(&mut needledrop(words, &archive, &run));
    assert!(told.contains("another training is at work"), "{told}");
    drop(other);
    done(&mut needledrop(words, &archive, &run));
}

/// A limit on the size of files stands for the full disk: no room for the next
/// checkpoint, and the last one stays.
#[cfg(unix)]
#[test]
fn a_full_disk_leaves_the_last_checkpoint() {
    let (folder, archive) = prepared(&[11, 11]);
    let run = folder.path().join("run");
    let words = "train --row 8 --epochs 2 --batch-size 8";
    done(needledrop(words, &archive, &run).args(["--max-steps", "1"]));
    let before = fs::read(run.join("checkpoint.safetensors")).unwrap();

    let program = needledrop(words, &archive, &run);
    let limited = "trap '' XFSZ; ulimit -f 1000; exec \"$@\"";
    let mut limited_command = Command::new("bash");
    limited_command.args(["-c", limited, "bash"]).arg(program.get_program()).args(program.get_args());
    let told = refused(limited_command.arg("--resume"));
    assert!(told.contains("checkpoint.safetensors cannot be written") && told.contains("--resume"), "{told}");
    assert_eq!(fs::read(run.join("checkpoint.safetensors")).unwrap(), before);
    assert_eq!(fs::read_dir(&run).unwrap().count(), 1);

    // Where there was none yet, there is nothing to go on from.
    let first = folder.path().join("first");
    let program = needledrop(words, &archive, &first);
    let mut limited_command = Command::new("bash");
    limited_command.args(["-c", limited, "bash"]).arg(program.get_program()).args(program.get_args());
    let told = refused(&mut limited_command);
    assert!(told.contains("cannot be written") && !told.contains("--resume"), "{told}");
    assert!(told.contains("the same command begins again"), "{told}");
    done(needledrop(words, &archive, &first).args(["--max-steps", "1"]));
}

/// What `nohup` started goes on when the terminal is closed.
#[cfg(target_os = "linux")]
#[test]
fn a_training_outlives_its_terminal_where_that_was_wanted() {
    let (folder, archive) = prepared(&[11, 11]);
    for (outlives, output, epochs) in [(true, "nohup", 3), (false, "terminal", 100)] {
        let words = format!("train --row 7 --device cpu --epochs {epochs} --batch-size 2");
        let (first, last) = (format!("1/{epochs}"), format!("{epochs}/{epochs}"));
        let output = folder.path().join(output);
        let program = needledrop(&words, &archive, &output);
        let mut command = Command::new(if outlives { "nohup" } else { "env" });
        if !outlives {
            // Whoever runs the tests may have been started by nohup.
            command.arg("--default-signal=HUP");
        }
        command.arg(program.get_program()).args(program.get_args());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.any(|line| line.contains(&first)));
        assert!(signalled(&child, "HUP"));
        assert_eq!(lines.any(|line| line.contains(&last)), outlives);
        assert_eq!(child.wait().unwrap().code(), Some(if outlives { 0 } else { 130 }));
        let State { epoch, .. } = Checkpoint::load(&output.join("checkpoint.safetensors")).unwrap().state;
        assert_eq!(epoch == epochs, outlives);
    }
}

/// How a call computed is written down, and its weights are as wide as any.
#[test]
fn a_training_in_bfloat16_says_so() {
    let (folder, archive) = prepared(&[11, 11]);
    let run = folder.path().join("run");
    let words = "train --row 7 --device flex --bf16 --batch-size 8 --max-steps 2";
    done(&mut needledrop(words, &archive, &run));
    let Checkpoint { state, now, .. } = Checkpoint::load(&run.join("checkpoint.safetensors")).unwrap();
    let [session] = &state.sessions[..] else { panic!("{:?}", state.sessions) };
    assert!(session.bf16 && session.command.contains("--bf16") && session.warm_up_seconds.is_none());
    let kernel = now.tensor("conv0.weight", &[128, 3, 3, 3]).unwrap();
    assert!(kernel.iter().any(|value| half::bf16::from_f32(*value).to_f32() != *value));
}

/// A GPU is timed where there is no PyTorch, too, and what fails in one precision fails alone.
#[cfg(target_os = "linux")]
#[test]
fn ours_is_timed_without_pytorch() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let program = |name: &str, lines: &str| {
        let path = folder.path().join(name);
        fs::write(&path, format!("#!/usr/bin/env bash\n{lines}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    };
    // In the place of Python, so that nothing is installed.
    program("python3", "exit 1");
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    for (fails, code) in [("none", 0), ("--bf16", 1)] {
        // A second to begin with, and then a hundredth for each step.
        let needledrop = program(
            "needledrop",
            &format!(
                "case \"$*\" in *{fails}*) exit 1 ;; esac\n\
                 while [ \"$1\" != --max-steps ]; do shift; done\n\
                 echo 'Programs of the GPU compiled and tuned in 60.5 s'\n\
                 awk -v n=\"$2\" 'BEGIN {{ printf \"%d steps in %.3f s: 0.010 s a step\\nThe last 80 of them took 0.800 s\\n\", n, 1 + n / 100 }}'"
            ),
        );
        let output = Command::new("bash")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/bench-gpu.sh"))
            .args(["clips.safetensors", "cuda"])
            .arg(folder.path().join("torch"))
            .env("PATH", &path)
            .env("NEEDLEDROP", needledrop)
            .env("BENCH_EPOCHS", "0")
            .env_remove("BENCH_STEPS")
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout.clone()).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}{}", told(&output));
        assert_eq!(said.matches("10.0 ms a step").count(), 2 - code as usize, "{said}");
        assert!(said.contains("24 epochs: 30 s") && said.contains("60.5 s of compiling"), "{said}");
        assert!(said.contains("not compared"), "{said}");
    }
}

/// The published lists lie beside the archive, and may name a track that cannot be read.
#[test]
fn lists_beside_the_archive_are_the_split_filtered() {
    let (folder, archive) = prepared(&[11, 11]);
    let (splits, run) = (folder.path().join("splits"), folder.path().join("run"));
    fs::create_dir(&splits).unwrap();
    let list = |tracks: std::ops::Range<usize>| -> String {
        let both = |at| (0..2).map(move |genre| format!("genre {genre}/{genre}.{at:05}.wav\n"));
        tracks.flat_map(both).collect()
    };
    for (part, tracks, more) in
        [("train", 0..8, ""), ("valid", 8..9, ""), ("test", 9..11, "genre 1/1.00054.wav\n")]
    {
        fs::write(splits.join(format!("{part}_filtered.txt")), list(tracks) + more).unwrap();
    }
    let words = "train --row 1 --epochs 1 --batch-size 8 --split filtered";
    let trained = needledrop(words, &archive, &run).output().unwrap();
    assert!(trained.status.success(), "{}", told(&trained));
    assert!(told(&trained).contains("left out of the split: genre 1/1.00054.wav"), "{}", told(&trained));
    // Judged by the same, unasked.
    let mut evaluate = Command::new(env!("CARGO_BIN_EXE_needledrop"));
    done(evaluate.arg("evaluate").arg(&run).arg("--archive").arg(&archive));
    let result = RunResult::from_json(&fs::read_to_string(run.join("result.json")).unwrap()).unwrap();
    let sizes = result.split.clips;
    assert_eq!((result.split.name.as_str(), result.split.seed), ("filtered", None));
    assert_eq!((sizes.train, sizes.validation, sizes.test), (16, 2, 4));
}

/// Two calls on one run at a time, of which each scores what the other does not.
#[test]
fn an_evaluation_keeps_what_another_has_scored_meanwhile() {
    let (folder, archive) = prepared(&[11, 11]);
    let path = |name: &str| folder.path().join(name);
    let list = |tracks: std::ops::Range<usize>| -> String {
        tracks.flat_map(|at| (0..2).map(move |genre| format!("{genre}.{at:05}\n"))).collect()
    };
    for (part, tracks) in [("train", 0..2), ("validation", 2..3), ("test", 3..11)] {
        fs::write(path(part), list(tracks)).unwrap();
    }
    let (run, first) = (path("run"), path("first"));
    let result = path("run/result.json");
    let with_lists = |command: &mut Command| {
        command.arg("--lists").args(["train", "validation", "test"].map(path));
    };
    let mut train = needledrop("train --row 8 --epochs 1 --batch-size 4", &archive, &run);
    with_lists(&mut train);
    done(&mut train);
    let evaluate = |parts: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_needledrop"));
        command.arg("evaluate").arg(&run).arg("--archive").arg(&archive).args(["--parts", parts]);
        with_lists(&mut command);
        command
    };
    done(&mut evaluate("train"));
    fs::rename(&result, &first).unwrap();
    // The other call is done while this one scores the second of its parts. Where this test had to
    // wait for its turn, it tries again.
    let meanwhile = (0..10).any(|_| {
        fs::remove_file(&result).ok();
        let mut command = evaluate("validation,test");
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.any(|line| line.starts_with("validation")));
        let is_first = fs::hard_link(&first, &result).is_ok();
        assert!(lines.any(|line| line.starts_with("test")));
        assert!(lines.any(|line| line.starts_with("Scores in")));
        assert!(child.wait().unwrap().success());
        is_first
    });
    assert!(meanwhile, "it was always over before");
    let result = RunResult::from_json(&fs::read_to_string(&result).unwrap()).unwrap();
    let scored: Vec<&str> = result.parts.scored().map(|(part, _)| part).collect();
    assert_eq!(scored, ["train", "validation", "test"]);
    assert!(result.call_of("train").command.contains("--parts train"));
    assert!(result.call_of("test").command.contains("--parts validation,test"));
}

/// What is no file, as a device or a socket, is not replaced by one.
#[cfg(unix)]
#[test]
fn only_a_file_gives_way_to_a_file() {
    let (folder, archive) = prepared(&[11, 11]);
    let run = folder.path().join("run");
    done(&mut needledrop("train --row 7 --batch-size 8 --epochs 1", &archive, &run));
    let socket = folder.path().join("socket");
    let _listens = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    fs::create_dir(folder.path().join("jazz")).unwrap();
    fs::write(folder.path().join("jazz/a.wav"), "").unwrap();
    let told = refused(&mut needledrop("prepare", folder.path(), &socket));
    assert!(told.contains("no file"), "{told}");
    let told = refused(
        Command::new(env!("CARGO_BIN_EXE_needledrop")).arg("export").arg(&run).arg("-o").arg(&socket),
    );
    assert!(told.contains("no file"), "{told}");
    assert!(!socket.metadata().unwrap().is_file());
}

/// A network of one's own, with everything that a recipe may have.
const DESIGN: &str = r#"{
    "name": "Small ears",
    "input": { "kind": "log_mel", "mean": -40.0, "deviation": 20.0 },
    "network": {
        "input": [1, 128, 34],
        "blocks": [{ "filters": 16, "kernel": 3, "padding": "same", "pool": [3, 2], "dropout": 0.1 }],
        "pooling": "statistics",
        "dense": [8],
        "classes": 2
    },
    "recipe": {
        "name": "mine", "learning_rate": 0.003, "schedule": "cosine", "batch_size": 8, "epochs": 12,
        "patience": null, "l2": 0.0,
        "beyond": {
            "weight_decay": 0.01, "standardised": true, "averaging": 0.9, "label_smoothing": 0.05,
            "augmentation": { "mixup": 0.2, "stretch": 0.1, "shift": 1.0, "noise": 0.2, "masks": 1 }
        }
    }
}"#;

#[test]
fn a_design_of_ones_own_is_trained_and_judged() {
    let (folder, archive) = prepared(&[30, 30]);
    let (design, run) = (folder.path().join("design.json"), folder.path().join("run"));
    fs::write(&design, DESIGN).unwrap();
    let words = format!("train --split tracks --design {}", design.display());
    done(&mut needledrop(&words, &archive, &run));
    let weights = Weights::from_bytes(&fs::read(run.join("best.safetensors")).unwrap()).unwrap();
    assert_eq!(weights.card().name, "Small ears");
    assert_eq!(weights.card().network.classes, 2);
    let history = Checkpoint::load(&run.join("checkpoint.safetensors")).unwrap().state.history;
    assert!(history.iter().any(|epoch| epoch.validation_accuracy == 1.0), "{history:?}");

    // The judge has the same weights, without what training does to clips.
    let mut evaluate = Command::new(env!("CARGO_BIN_EXE_needledrop"));
    evaluate.arg("evaluate").arg(&run).arg("--archive").arg(&archive).args(["--parts", "validation"]);
    done(&mut evaluate);
    let result = RunResult::from_json(&fs::read_to_string(run.join("result.json")).unwrap()).unwrap();
    let least = history.iter().map(|epoch| epoch.validation_loss).fold(f64::INFINITY, f64::min);
    assert!((result.parts.validation.unwrap().loss - least).abs() < 1e-4);

    let other = DESIGN.replace("-40.0", "-30.0");
    fs::write(&design, other).unwrap();
    let told = refused(needledrop(&words, &archive, &run).arg("--resume"));
    assert!(told.contains("another input"), "{told}");

    let picture = DESIGN.replace(
        r#""kind": "log_mel", "mean": -40.0, "deviation": 20.0"#,
        r#""kind": "viridis", "height": 128, "width": 34"#,
    );
    for (text, reason) in [
        (picture, "[1, 128, 34]"),
        (DESIGN.replace("\"classes\": 2", "\"classes\": 3"), "2 genres"),
        (DESIGN.replace("label_smoothing", "label_smooting"), "label_smooting"),
        (DESIGN.replace("\"pool\"", "\"pools\""), "pools"),
        (DESIGN.replace("\"l2\": 0.0", "\"l2\": 0.1"), "weight_decay"),
        (DESIGN.replace("0.05", "5"), "from 0 to 0.999"),
        (DESIGN.replace("\"blocks\"", "\"bricks\""), "blocks"),
    ] {
        fs::write(&design, text).unwrap();
        let told = refused(&mut needledrop(&words, &archive, &folder.path().join("other")));
        assert!(told.contains(reason), "{told}");
    }
}

/// What an archive was prepared with is what the page is told to hear with.
#[test]
fn a_model_has_its_front_end_from_the_archive() {
    let folder = tempfile::tempdir().unwrap();
    let [path, design, run] = ["two.safetensors", "design.json", "run"].map(|name| folder.path().join(name));
    let mut shorter = archive(&[11, 11]);
    (shorter.spectrogram.clip_seconds, shorter.spectrogram.top_db) = (2.0, 60.0);
    fs::write(&path, shorter.to_bytes().unwrap()).unwrap();
    done(&mut needledrop("train --row 1 --epochs 1 --batch-size 8", &path, &run));
    let weights = Weights::from_bytes(&fs::read(run.join("best.safetensors")).unwrap()).unwrap();
    assert_eq!(weights.card().spectrogram, shorter.spectrogram);

    fs::write(&design, DESIGN).unwrap();
    let words = format!("train --design {}", design.display());
    let told = refused(&mut needledrop(&words, &path, &folder.path().join("other")));
    assert!(told.contains("[1, 128, 22]"), "{told}");
}

/// Those that the log of experiments names can be trained on the shared archive.
#[test]
fn every_design_of_the_docs_is_one() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/designs");
    let spectrogram = SpectrogramConfig { hop_length: 1920, center: false, ..SpectrogramConfig::default() };
    let mut designs = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let design = Design::from_json(&fs::read_to_string(&path).unwrap()).unwrap();
        design.suits(&spectrogram, 10).unwrap();
        design.recipe.validate().unwrap();
        assert!(design.network.parameters().unwrap() > 0);
        if path.file_stem().unwrap() != "first" {
            assert_eq!(path.file_stem().unwrap().to_str(), Some(design.name.as_str()));
        }
        designs += 1;
    }
    assert!(designs > 10, "{designs}");
}

/// What changes nothing is not taken as if it did.
#[test]
fn a_penalty_of_nothing_is_on_nothing() {
    let (folder, archive) = prepared(&[30, 30]);
    let words = "train --row 8 --recipe paper --l2-of hidden";
    let told = refused(&mut needledrop(words, &archive, &folder.path().join("run")));
    assert!(told.contains("--l2 how much"), "{told}");
    // Nor a measure of clips that are learned from.
    let words = "train --row 8 --split tracks --refit --monitor accuracy";
    let told = refused(&mut needledrop(words, &archive, &folder.path().join("run")));
    assert!(told.contains("leave --monitor out"), "{told}");
}

/// Two teachers, a pupil of theirs, and a network for other genres that begins with what
/// the pupil has learned.
#[test]
fn a_network_learns_from_others_and_begins_with_what_another_knows() {
    let (folder, archive) = prepared(&[30, 30]);
    let path = |name: &str| folder.path().join(name);
    let design = path("design.json");
    fs::write(&design, DESIGN.replace("\"epochs\": 12", "\"epochs\": 3")).unwrap();
    let words = format!("train --split tracks --design {}", design.display());
    for seed in ["1", "2"] {
        done(needledrop(&words, &archive, &path(seed)).args(["--seed", seed]));
    }
    let taught = |command: &mut Command| _ = command.arg("--teachers").arg(path("1")).arg(path("2"));
    let mut needless = needledrop(&words, &archive, &path("pupil"));
    taught(&mut needless);
    let told = refused(&mut needless);
    assert!(told.contains("distillation"), "{told}");

    let pupil = DESIGN.replace("\"label_smoothing\"", "\"distillation\": 0.8, \"label_smoothing\"");
    fs::write(&design, pupil).unwrap();
    let alone = refused(&mut needledrop(&words, &archive, &path("pupil")));
    assert!(alone.contains("--teachers"), "{alone}");
    // Who is still learning does not teach yet.
    fs::write(path("begun.json"), DESIGN).unwrap();
    let begun = format!("train --split tracks --design {}", path("begun.json").display());
    done(needledrop(&begun, &archive, &path("begun")).args(["--max-steps", "20"]));
    assert!(!Checkpoint::load(&path("begun/checkpoint.safetensors")).unwrap().state.history.is_empty());
    let told = refused(needledrop(&words, &archive, &path("pupil")).arg("--teachers").arg(path("begun")));
    assert!(told.contains("of at most 12 epochs") && told.contains("--resume"), "{told}");
    let mut elsewhere = needledrop(&words, &archive, &path("pupil"));
    taught(elsewhere.args(["--split-seed", "5"]));
    let told = refused(&mut elsewhere);
    assert!(told.contains("another split"), "{told}");
    let mut pupil = needledrop(&words, &archive, &path("pupil"));
    taught(&mut pupil);
    done(&mut pupil);
    let checkpoint = Checkpoint::load(&path("pupil/checkpoint.safetensors")).unwrap();
    assert_eq!(checkpoint.state.teachers.len(), 2);
    let earlier = |state: &State| state.earlier.iter().map(|of| (of.role, of.epochs)).collect::<Vec<_>>();
    assert_eq!(earlier(&checkpoint.state), [(Role::Teacher, 3); 2]);
    assert!(checkpoint.state.earlier.iter().all(|of| of.seconds > 0.0 && of.name == "Small ears"));
    let last = checkpoint.state.history.last().unwrap();
    assert!(last.validation_accuracy > 0.9, "{last:?}");

    // Its split again and no other, unless the genres are others.
    let begin = |archive: &Path, output: &str, split_seed: &str| {
        let mut command = needledrop(&words, archive, &path(output));
        command.args(["--split-seed", split_seed, "--max-steps", "1", "--begin-with"]).arg(path("pupil"));
        taught(&mut command);
        command
    };
    let told = refused(&mut begin(&archive, "again", "5"));
    assert!(told.contains("held out") || told.contains("holds out"), "{told}");
    done(&mut begin(&archive, "again", "0"));
    let again = Checkpoint::load(&path("again/checkpoint.safetensors")).unwrap();
    assert!(again.state.begun_with.is_some());
    // Its teachers are those of the pupil, and count once.
    assert_eq!(earlier(&again.state), [(Role::Teacher, 3), (Role::Teacher, 3), (Role::BegunWith, 12)]);
    let told = again.now.card().training.recipe.clone();
    assert!(told.contains("begun with the weights") && told.contains("taught by"), "{told}");
    let other =
        refused(needledrop(&words, &archive, &path("again")).args(["--resume", "--teachers"]).arg(path("1")));
    assert!(other.contains("another"), "{other}");

    let (_folder, three) = prepared(&[30, 30, 30]);
    fs::write(&design, DESIGN.replace("\"classes\": 2", "\"classes\": 3")).unwrap();
    let mut transfer = needledrop(&words, &three, &path("transfer"));
    done(transfer.args(["--max-steps", "1", "--begin-with"]).arg(path("pupil")));
}

/// A small network with the checkpoint of a run that has begun.
fn checkpoint() -> Checkpoint {
    let card = card::of(NetworkSpec {
        input: [3, 4, 4],
        blocks: vec![],
        pooling: Pooling::Flatten,
        dense: vec![3],
        classes: 2,
    });
    let recipe = Recipe::paper(&experiment("1").unwrap());
    let weights = glorot_uniform(card, 1).unwrap();
    let mut state = State::new(recipe, 1, "clips".into());
    state.epoch = 1;
    state.best = Some(Best { epoch: 0, validation_loss: 2.0 });
    state.history.push(Epoch {
        train_loss: 2.5,
        train_accuracy: 0.25,
        validation_loss: 2.0,
        validation_accuracy: 0.5,
        seconds: 1.0,
    });
    Checkpoint { state, now: weights.clone(), average: None, best: Some(weights), optimiser: vec![1, 2, 3] }
}

/// A training that goes on compares with what it had: two epochs that are right about as
/// many clips stay as good as each other, and a recipe is the one that was typed.
#[test]
fn a_checkpoint_keeps_every_bit_of_a_number() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let mut checkpoint = checkpoint();
    checkpoint.state.recipe.learning_rate = 1e-3 * 0.2_f64.sqrt();
    let epoch = checkpoint.state.history[0];
    checkpoint.state.history =
        (0..=999).map(|right| Epoch { validation_accuracy: f64::from(right) / 999.0, ..epoch }).collect();
    checkpoint.state.epoch = checkpoint.state.history.len();
    checkpoint.save(&path).unwrap();
    assert_eq!(Checkpoint::load(&path).unwrap().state, checkpoint.state);
}

proptest! {
    /// A checkpoint that was cut off or written over is refused or read, and never
    /// a panic.
    #[test]
    fn a_damaged_checkpoint_is_refused(at in any::<Index>(), byte: u8, cut: bool) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        let checkpoint = checkpoint();
        checkpoint.save(&path).unwrap();
        prop_assert_eq!(&Checkpoint::load(&path).unwrap().state, &checkpoint.state);
        let mut bytes = fs::read(&path).unwrap();
        let at = at.index(bytes.len());
        if cut {
            bytes.truncate(at);
        } else {
            bytes[at] = byte;
        }
        fs::write(&path, bytes).unwrap();
        let read = Checkpoint::load(&path);
        prop_assert!(!cut || read.is_err());
    }
}
