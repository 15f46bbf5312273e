//! From an archive to the model on the page: train, evaluate, report, export,
//! classify, as a person calls them; and what is said where that cannot be.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at what is not as it should be"
)]

#[path = "common/card.rs"]
mod card;

use std::{
    f32::consts::TAU,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

use needledrop::{
    classify::map::ClipMap,
    dataset::archive::{Item, MelArchive, Track},
    network::{
        card::{Combine, ModelCard, Rejection, RejectionScore, Score},
        experiment::{ConvBlock, NetworkSpec, Padding, Pooling, experiment},
        weights::{Precision, Weights, statistics_shapes, tensor_shapes},
    },
    report::{
        embeddings::Embeddings,
        experiments::Experiments,
        result::{Estimate, RunResult},
    },
    sound::wav,
    spectrogram::config::SpectrogramConfig,
};
use safetensors::{Dtype, tensor::TensorView};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

const TRACKS: usize = 12;
const FRAMES: usize = 70;
const BANDS: usize = 128;

fn needledrop(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_needledrop")).args(arguments).output().unwrap()
}

/// Runs a command that must succeed; what it prints.
fn succeeds(arguments: &[&str]) -> String {
    let output = needledrop(arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a command that must fail; what it says.
fn fails(arguments: &[&str]) -> String {
    let output = needledrop(arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && !said.contains("panicked"), "{arguments:?}: {said}");
    said
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Two genres that a straight line tells apart: bass, and treble.
fn archive(genres: [&str; 2]) -> MelArchive {
    let tracks: Vec<Track> = (0..TRACKS)
        .map(|at| Track { name: format!("{}.{:05}", genres[at % 2], at / 2), genre: at % 2 })
        .collect();
    let items = (0..TRACKS).map(|track| Item { track, frames: FRAMES }).collect();
    let loud = |track: usize, band: usize| if track.is_multiple_of(2) { band < 40 } else { band > 80 };
    let cell = |at: usize| {
        let (track, band) = (at / (BANDS * FRAMES), at / FRAMES % BANDS);
        if loud(track, band) { 200 + (at * 7 % 50) as u8 } else { 30 + (at * 13 % 50) as u8 }
    };
    let mel = (0..TRACKS * BANDS * FRAMES).map(cell).collect();
    let spectrogram = SpectrogramConfig { hop_length: 1920, center: false, ..SpectrogramConfig::default() };
    MelArchive::new(genres.map(String::from).to_vec(), tracks, spectrogram, items, mel).unwrap()
}

/// A folder with an archive and a run of row 1, trained and scored once for all
/// tests.
struct Trained {
    folder: PathBuf,
}

impl Trained {
    fn get() -> &'static Self {
        static TRAINED: OnceLock<Trained> = OnceLock::new();
        TRAINED.get_or_init(|| {
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report");
            // What an earlier run of the tests left.
            _ = fs::remove_dir_all(&folder);
            fs::create_dir(&folder).unwrap();
            let trained = Self { folder };
            fs::write(trained.archive(), archive(["bass", "treble"]).to_bytes().unwrap()).unwrap();
            trained.train(&trained.run());
            succeeds(&["evaluate", text(&trained.run()), "--archive", text(&trained.archive())]);
            trained
        })
    }

    fn archive(&self) -> PathBuf {
        self.folder.join("archive.safetensors")
    }

    fn run(&self) -> PathBuf {
        self.folder.join("run")
    }

    fn train(&self, run: &Path) {
        self.train_with(run, &[]);
    }

    fn train_with(&self, run: &Path, more: &[&str]) {
        let archive = self.archive();
        let arguments = [
            "train",
            text(&archive),
            "--row=1",
            "--split=tracks",
            "--seed=3",
            "--epochs=4",
            "--learning-rate=0.0001",
            "--batch-size=8",
            "-o",
            text(run),
        ];
        succeeds(&[&arguments, more].concat());
    }

    /// A folder of its own with a file of the run replaced by `bytes`.
    fn with(&self, file: &str, bytes: &[u8]) -> TempDir {
        let copy = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(self.run()).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
        }
        fs::write(copy.path().join(file), bytes).unwrap();
        copy
    }

    fn result(&self) -> RunResult {
        let json = fs::read_to_string(self.run().join("result.json")).unwrap();
        RunResult::from_json(&json).unwrap()
    }
}

#[test]
fn a_result_tells_the_run_and_scores_every_part() {
    let result = Trained::get().result();
    assert_eq!((result.row.as_deref(), result.split.name.as_str()), (Some("1"), "tracks"));
    let sizes = result.split.clips;
    // Ten tracks of two clips are learned from, and one of each genre judges.
    assert_eq!((sizes.train, sizes.validation, sizes.test), (16, 4, 4));
    let training = result.training.as_ref().unwrap();
    assert_eq!((training.seed, training.history.len(), training.recipe.epochs), (3, 4, 4));
    assert_eq!(training.sessions.len(), 1);
    assert!(training.sessions[0].command.starts_with("needledrop train archive.safetensors --row=1"));
    assert!(training.seconds > 0.0);
    let parts: Vec<_> = result.parts.scored().collect();
    assert_eq!(parts.iter().map(|(part, _)| *part).collect::<Vec<_>>(), ["train", "validation", "test"]);
    for ((_, scores), clips) in parts.iter().zip([sizes.train, sizes.validation, sizes.test]) {
        assert_eq!(scores.clips, clips);
        assert_eq!(scores.confusion.iter().flatten().sum::<u32>() as usize, clips);
        assert!(scores.accuracy.value > 0.9, "bass and treble are told apart: {:?}", scores.accuracy);
    }
    // The loop judged the same weights on the same clips.
    let judged = training.history[training.best_epoch - 1];
    let validation = result.parts.validation.as_ref().unwrap();
    assert!((judged.validation_loss - validation.loss).abs() < 1e-4, "{judged:?}, {}", validation.loss);
    assert!((judged.validation_accuracy - validation.accuracy.value).abs() < 1e-9);
    let bytes = fs::read(Trained::get().run().join("embeddings.safetensors")).unwrap();
    let embeddings = Embeddings::from_bytes(&bytes).unwrap();
    assert_eq!((embeddings.clips(), embeddings.length), (4, 128));
}

#[test]
fn a_part_scored_later_joins_those_before() {
    let trained = Trained::get();
    let run = trained.with("result.json", b"{}");
    // What is no result, or one of another version, is nobody's to overwrite.
    let archive = trained.archive();
    let judge = ["evaluate", text(run.path()), "--archive", text(&archive), "--parts", "validation"];
    let said = fails(&judge);
    assert!(said.contains("has no scores") && said.contains("--output"), "{said}");
    assert_eq!(fs::read(run.path().join("result.json")).unwrap(), b"{}");
    fs::remove_file(run.path().join("result.json")).unwrap();
    let (folder, archive) = (text(run.path()), trained.archive());
    let read = || RunResult::from_json(&fs::read_to_string(run.path().join("result.json")).unwrap()).unwrap();
    succeeds(&["evaluate", folder, "--archive", text(&archive), "--parts", "validation"]);
    assert!(read().parts.test.is_none());
    succeeds(&["evaluate", folder, "--archive", text(&archive), "--parts", "test,train"]);
    assert_eq!(read().parts, trained.result().parts);
    // Each with the call that measured it.
    let called = |part: &str| read().call_of(part).command.clone();
    assert!(called("validation").ends_with("--parts validation"), "{}", called("validation"));
    assert!(called("test").ends_with("--parts test,train"), "{}", called("test"));
    // As the page's file has them the weights are others, and nothing of before is theirs:
    // it gives way to nothing less.
    let before = fs::read(run.path().join("result.json")).unwrap();
    let rounded = ["evaluate", folder, "--archive", text(&archive), "--precision", "f16"];
    let said = fails(&[&rounded[..], &["--parts", "test"]].concat());
    assert!(said.contains("train and validation") && said.contains("--output"), "{said}");
    assert_eq!(fs::read(run.path().join("result.json")).unwrap(), before);
    succeeds(&rounded);
    let rounded = read();
    assert!(rounded.weights != trained.result().weights && rounded.parts.scored().count() == 3);
    assert!(rounded.evaluated_before.is_empty());
    // Nor is it another model's place.
    let output = ["-o", folder];
    let other = text(&trained.folder).to_owned() + "/run/best.safetensors";
    let judge = ["evaluate", &other, "--archive", text(&archive), "--split=tracks"];
    let said = fails(&[&judge[..], &output].concat());
    assert!(said.contains("scores of another model"), "{said}");
    assert_eq!(read(), rounded);
    let model = run.path().join("model.safetensors");
    succeeds(&["export", folder, "-o", text(&model)]);
    assert_eq!(fingerprint(&Weights::from_bytes(&fs::read(&model).unwrap()).unwrap()), rounded.weights);
}

#[test]
fn a_report_has_figures_and_a_row_for_every_experiment() {
    let trained = Trained::get();
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("results");
    fs::create_dir(&output).unwrap();
    fs::write(output.join("other.json"), "{\"bench\": 1}").unwrap();
    succeeds(&["report", text(&trained.run()), "-o", text(&output)]);
    let name = "row1-tracks-3-split0-best-learning-rate-0-0001-batch-8-4-epochs";
    for figure in ["curves", "confusion", "tsne-250", "tsne-all"] {
        let svg = fs::read_to_string(output.join(format!("{name}-{figure}.svg"))).unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{figure}");
        assert!(svg.contains("Experiment 1"), "{figure}");
    }
    let kept = fs::read_to_string(output.join(format!("{name}.json"))).unwrap();
    assert_eq!(RunResult::from_json(&kept).unwrap(), trained.result());
    let table = fs::read_to_string(output.join("table.md")).unwrap();
    // Split `tracks` does not stand beside the paper's numbers.
    assert_eq!(table.matches("not run").count(), 12, "{table}");
    assert!(table.contains("| 8 | paper | 95.0 | 0.19 | 89.9 | 0.37 | 88.5 | 0.37 | 1343 |"), "{table}");
    assert!(
        table.contains(
            "| Experiment 1 | recipe best, learning rate 0.0001, batch 8, 4 epochs, seed 3, split `tracks` |"
        ),
        "{table}"
    );
}

/// One run that was not evaluated does not keep the others from the table, and none
/// takes the place of another's result unasked.
#[test]
fn a_report_leaves_out_what_was_not_evaluated_and_overwrites_nothing_unasked() {
    let trained = Trained::get();
    let folder = tempfile::tempdir().unwrap();
    let (output, empty, run) = (folder.path().join("results"), folder.path().join("empty"), trained.run());
    fs::create_dir(&empty).unwrap();
    let told = fails(&["report", text(&empty), "-o", text(&output)]);
    assert!(told.contains("no result.json") && told.contains("nothing to report"), "{told}");
    assert!(!output.exists());
    let report = ["report", text(&empty), text(&run), "-o", text(&output)];
    succeeds(&report);
    succeeds(&report);
    let kept = fs::read_dir(&output).unwrap().map(|entry| entry.unwrap().path());
    let kept = kept.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "json")).unwrap();
    // The same training by weights that were rounded is the same.
    let rounded = RunResult { weights: "rounded".into(), ..trained.result() };
    fs::write(&kept, rounded.to_json().unwrap()).unwrap();
    succeeds(&report);
    let mut other = rounded;
    other.training.as_mut().unwrap().seconds += 1.0;
    let other = other.to_json().unwrap();
    for other in [other.as_str(), "{", ""] {
        fs::write(&kept, other).unwrap();
        let told = fails(&report);
        assert!(told.contains("--replace") && fs::read_to_string(&kept).unwrap() == other, "{told}");
    }
    // What is about to be replaced need not be of this version.
    let version = |version: u32| format!("\"version\": {version}");
    let older = other.replace(&version(needledrop::report::result::VERSION), &version(0));
    assert_ne!(older, other);
    for there in [other, older] {
        fs::write(&kept, there).unwrap();
        succeeds(&[&report[..], &["--replace"]].concat());
        assert_eq!(RunResult::from_json(&fs::read_to_string(&kept).unwrap()).unwrap(), trained.result());
    }
}

/// Names in any script, and none at all.
#[test]
fn designs_have_files_whatever_they_are_called() {
    let trained = Trained::get();
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("results");
    for (name, file) in [
        ("Уши", "уши-tracks-3-split0"),
        ("Año 2", "año-2-tracks-3-split0"),
        ("!", "nameless-tracks-3-split0"),
    ] {
        let mut result = RunResult { row: None, name: name.into(), ..trained.result() };
        result.training.as_mut().unwrap().recipe.name = name.into();
        let run = trained.with("result.json", result.to_json().unwrap().as_bytes());
        succeeds(&["report", text(run.path()), "-o", text(&output)]);
        assert!(output.join(format!("{file}.json")).exists(), "{name}");
    }
}

/// By lists that tear tracks a run is trained and judged, and says so everywhere.
#[test]
fn a_run_by_lists_over_clips_is_judged_and_called_that() {
    let trained = Trained::get();
    let folder = tempfile::tempdir().unwrap();
    let (archive, run) = (trained.archive(), folder.path().join("run"));
    let of = |archive: &Path| MelArchive::from_bytes(&fs::read(archive).unwrap()).unwrap().tracks;
    let names: Vec<String> = of(&archive).into_iter().map(|track| track.name).collect();
    let list = |name: &str, lines: &[String]| {
        let path = folder.path().join(name);
        fs::write(&path, lines.join("\n")).unwrap();
        text(&path).to_owned()
    };
    // A clip of the first track is held out, the others are learned from.
    let clip = |at: usize, number: usize| format!("{}#{number}", names[at]);
    let learned = [&[clip(0, 1)], &names[1..6]].concat();
    let lists = [list("a", &learned), list("b", &[clip(0, 0)]), list("c", &names[6..])];
    let lists = ["--lists", &lists[0], &lists[1], &lists[2]];
    let train = ["train", text(&archive), "--row=1", "--epochs=1", "--batch-size=8", "-o", text(&run)];
    assert!(succeeds(&[&train[..], &lists].concat()).contains("split lists over clips"));
    let evaluate = ["evaluate", text(&run), "--archive", text(&archive)];
    assert!(fails(&evaluate).contains("--lists TRAIN VALIDATION TEST"));
    succeeds(&[&evaluate, &lists[..]].concat());
    let result = RunResult::from_json(&fs::read_to_string(run.join("result.json")).unwrap()).unwrap();
    assert_eq!((result.split.name.as_str(), result.split.clips.validation), ("lists over clips", 1));
}

#[test]
fn trainings_that_differ_in_their_seed_alone_have_a_mean() {
    let trained = Trained::get();
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("results");
    fs::create_dir(&output).unwrap();
    let table = || {
        succeeds(&["report", "-o", text(&output)]);
        fs::read_to_string(output.join("table.md")).unwrap()
    };
    let keep = |name: &str, seed: u64, of_tracks: f64| {
        let mut result = trained.result();
        result.training.as_mut().unwrap().seed = seed;
        result.weights = format!("of seed {seed}");
        let (low, high) = (of_tracks - 0.1, of_tracks + 0.1);
        result.parts.test.as_mut().unwrap().track_accuracy = Estimate { value: of_tracks, low, high };
        fs::write(output.join(name), result.to_json().unwrap()).unwrap();
    };
    keep("one.json", 3, 0.5);
    assert!(!table().contains("Means"));
    keep("two.json", 4, 0.52);
    let table = table();
    // sqrt(0.1² + (12.706 · 0.01)²) to either side of 0.51.
    assert!(
        table.contains("| tracks | 2 | ") && table.contains("| 51.0 (34.8 to 67.2) | 50.0 to 52.0 |"),
        "{table}"
    );
    assert_eq!(table.matches("seed 3").count() + table.matches("seed 4").count(), 4);
    // A copy is no third training, nor is one whose weights are rounded.
    for rounded in [false, true] {
        keep("copy.json", 4, 0.52);
        let mut copy = RunResult::from_json(&fs::read_to_string(output.join("copy.json")).unwrap()).unwrap();
        if rounded {
            copy.weights = "rounded".into();
        }
        fs::write(output.join("copy.json"), copy.to_json().unwrap()).unwrap();
        let said = fails(&["report", "-o", text(&output)]);
        assert!(said.contains("copy.json and two.json") && said.contains("the same training"), "{said}");
    }
}

#[test]
fn the_page_is_given_the_numbers_of_the_report() {
    let trained = Trained::get();
    let folder = tempfile::tempdir().unwrap();
    let (output, page) = (folder.path().join("results"), folder.path().join("experiments.json"));
    let read = || Experiments::from_json(&fs::read_to_string(&page).unwrap()).unwrap();
    // With nothing run, one and the same results twice.
    succeeds(&["report", "-o", text(&output), "--page", text(&page)]);
    assert!(read().runs.is_empty() && read().rows.len() == 12);
    let run = trained.run();
    succeeds(&["report", text(&run), "-o", text(&output), "--page", text(&page)]);
    let once = read();
    let (ours, result) = (&once.runs[0], trained.result());
    assert_eq!((ours.row.as_deref(), ours.split.as_str()), (Some("1"), "tracks"));
    let test = ours.parts[2].as_ref().unwrap();
    assert_eq!(test.confusion, result.parts.test.unwrap().confusion);
    assert_eq!(ours.training.as_ref().unwrap().epochs.len(), 4);
    // Split `tracks` does not stand in a row of the paper's.
    assert!(once.rows.iter().all(|row| row.runs.is_empty()));
    succeeds(&["report", "-o", text(&output), "--page", text(&page)]);
    assert_eq!(read(), once);
    assert_eq!(once.shipped, None);

    // What the page ships is told by its weights.
    let report = ["report", "-o", text(&output), "--page", text(&page), "--model"];
    let weights = run.join("best.safetensors");
    succeeds(&[&report[..], &[text(&weights)]].concat());
    let shipped = read().shipped.unwrap();
    assert_eq!(shipped.model, Weights::from_bytes(&fs::read(&weights).unwrap()).unwrap().card().name);
    let other = text(&Path::new(env!("CARGO_MANIFEST_DIR")).join("www/model/ears.safetensors")).to_owned();
    let said = fails(&[&report[..], &[&other]].concat());
    assert!(said.contains("Ears") && said.contains("evaluate"), "{said}");
    assert_eq!(read().shipped, Some(shipped), "what was there is lost");
}

#[test]
fn what_the_page_shows_is_what_the_results_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let mut results = 0;
    for entry in fs::read_dir(root.join("docs/results")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
            results += 1;
        }
    }
    let page = folder.path().join("page");
    let model = root.join("www").join(pages_model());
    succeeds(&["report", "-o", text(folder.path()), "--page", text(&page), "--model", text(&model)]);
    let again = format!(
        "needledrop report -o docs/results --page www/data/experiments.json --model www/{}",
        pages_model()
    );
    let committed = |file: &str| fs::read_to_string(root.join(file)).unwrap_or_default();
    let written = |path: &Path| fs::read_to_string(path).unwrap();
    assert!(committed("www/data/experiments.json") == written(&page), "run `{again}`");
    let table = folder.path().join("table.md");
    assert!(committed("docs/results/table.md") == written(&table), "{results} results: run `{again}`");
}

#[test]
fn the_map_places_the_clips_of_the_model_it_is_of() {
    let trained = Trained::get();
    let folder = tempfile::tempdir().unwrap();
    let (model, map) = (folder.path().join("model.safetensors"), folder.path().join("map.json"));
    succeeds(&["export", text(&trained.run()), "-o", text(&model), "--precision=f32"]);
    let archive = trained.archive();
    let arguments = ["map", text(&model), "--archive", text(&archive), "-o", text(&map)];
    let said = fails(&[&arguments[..], &["--split=clips"]].concat());
    assert!(said.contains("tested on the split `tracks`, this is `clips`") && !map.exists(), "{said}");
    succeeds(&[&arguments[..], &["--split=tracks"]].concat());
    let map = ClipMap::from_json(&fs::read_to_string(&map).unwrap()).unwrap();
    assert_eq!(map.weights, trained.result().weights);
    assert!(map.is_of(Weights::from_bytes(&fs::read(&model).unwrap()).unwrap().card()));
    assert_eq!((map.points.place.len(), map.paper.place.len(), map.said.len()), (4, 4, 4));
    // Bass and treble are told apart.
    assert_eq!(map.said, map.points.genre);
}

/// A map of other weights would place songs where they do not belong.
#[test]
fn the_map_on_the_page_is_of_the_model_on_the_page() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let model = pages_model();
    let weights = Weights::from_bytes(&fs::read(root.join("www").join(&model)).unwrap()).unwrap();
    let json = fs::read_to_string(root.join("www/data/map.json")).unwrap();
    assert!(json.len() <= 150_000, "{} bytes", json.len());
    let map = ClipMap::from_json(&json).unwrap();
    let again = format!("run `needledrop map www/{model} --archive ARCHIVE -o www/data/map.json`");
    assert!(map.is_of(weights.card()), "{again}");
    assert_eq!(map.weights, fingerprint(&weights), "{again}");
    assert_eq!(map.points.place.len(), 1000);
}

/// The file that the page loads, below `www`.
fn pages_model() -> String {
    let index = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("index.html")).unwrap();
    let tag = "<meta name=\"needledrop-model\" content=\"";
    index.split(tag).nth(1).and_then(|rest| rest.split('"').next()).unwrap().to_owned()
}

/// SHA-256 of all weights as f32, in the order of the network.
fn fingerprint(weights: &Weights) -> String {
    let mut digest = Sha256::new();
    for (name, shape) in tensor_shapes(&weights.card().network).unwrap() {
        let values = weights.tensor(&name, &shape).unwrap();
        digest.update(values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>());
    }
    format!("{:x}", digest.finalize())
}

/// What the page ships is as small, as cheap and as modest as is said of it, and its
/// card says what was measured.
#[test]
fn the_model_on_the_page_is_what_the_results_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let model = root.join("www/model/ears.safetensors");
    let bytes = fs::read(&model).unwrap();
    let weights = Weights::from_bytes(&bytes).unwrap();
    let card = weights.card();
    assert!(bytes.len() <= 1_200_000 && card.network.flops().unwrap() <= 150_000_000);
    let results = fs::read_dir(root.join("docs/results")).unwrap().map(|entry| entry.unwrap().path());
    let results = results.filter(|path| path.extension().is_some_and(|ending| ending == "json"));
    let results = results.map(|path| RunResult::from_json(&fs::read_to_string(path).unwrap()).unwrap());
    let of_file = |result: &RunResult| result.weights == fingerprint(&weights);
    let result = results.into_iter().find(of_file).unwrap();
    assert!(result.split.refitted && result.calibration == card.calibration());
    let test = result.parts.test.unwrap();
    for (per, accuracy) in [("clip", test.accuracy), ("track", test.track_accuracy)] {
        let of = |score: &&Score| {
            (score.part.as_str(), score.per.as_str(), score.trainings) == ("test", per, None)
        };
        let score = card.scores.iter().find(of).unwrap();
        assert_eq!(score.accuracy, accuracy.value as f32);
        assert_eq!(score.interval, Some([accuracy.low as f32, accuracy.high as f32]));
    }

    let folder = tempfile::tempdir().unwrap();
    // White: a hash of where it is.
    let noise = |seconds: f32| {
        let mixed = ((seconds * 22_050.0) as u32).wrapping_mul(0x9e37_79b9);
        let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(0x85eb_ca6b);
        ((mixed ^ (mixed >> 13)) >> 8) as f32 / 16_777_216.0 - 0.5
    };
    let sound_of = |name: &str, samples: Vec<u8>| {
        let path = folder.path().join(name);
        fs::write(&path, samples).unwrap();
        let line = succeeds(&["classify", "--json", "--model", text(&model), text(&path)]);
        serde_json::from_str::<Value>(&line).unwrap()["song"]["verdict"].as_str().unwrap().to_owned()
    };
    assert_eq!(sound_of("noise.wav", sound(noise)), "not_music");
    assert_eq!(sound_of("tone.wav", sound(|seconds| 0.5 * (seconds * 440.0 * TAU).sin())), "not_music");
}

/// `scripts/bench-rejection.sh` is to be run again with new weights, and by hand.
#[test]
fn what_is_not_music_was_heard_by_the_model_on_the_page() {
    let path = "docs/measured/not-music.json";
    let measured: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let bytes = fs::read("www/model/ears.safetensors").unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let tensors: String =
        Sha256::digest(&bytes[8 + header..]).iter().map(|byte| format!("{byte:02x}")).collect();
    let model = &measured["models"][0];
    assert_eq!(model["tensors_sha256"], tensors, "{path} is of other weights");
    let weights = Weights::from_bytes(&bytes).unwrap();
    let threshold = weights.card().rejection.as_ref().unwrap().threshold;
    assert_eq!(model["rejection"]["threshold"].as_f64().unwrap() as f32, threshold);
}

#[test]
fn the_papers_network_on_the_page_is_what_the_results_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let weights = Weights::from_bytes(&fs::read(root.join("www/model/row8.safetensors")).unwrap()).unwrap();
    let card = weights.card();
    assert_eq!(card.network, experiment("8").unwrap().network);
    let result = "docs/results/row8-clips-0-best-20-epochs-begun-with-another-s-weights.json";
    let result = RunResult::from_json(&fs::read_to_string(root.join(result)).unwrap()).unwrap();
    assert_eq!((result.row.as_deref(), result.split.name.as_str()), (Some("8"), "clips"));
    assert_eq!(card.training.split_fingerprint.as_ref(), Some(&result.split.fingerprint));
    for (part, scores) in [("test", result.parts.test), ("validation", result.parts.validation)] {
        let of = |score: &&Score| (score.part.as_str(), score.per.as_str()) == (part, "clip");
        let said = card.scores.iter().find(of).unwrap().accuracy;
        assert_eq!(said, scores.unwrap().accuracy.value as f32, "{part}");
    }
}

#[test]
fn an_exported_model_classifies() {
    let trained = Trained::get();
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model.safetensors");
    succeeds(&["export", text(&trained.run()), "-o", text(&model), "--name=Ours", "--licence=CC0-1.0"]);
    let weights = Weights::from_bytes(&fs::read(&model).unwrap()).unwrap();
    let card = weights.card();
    assert_eq!((card.name.as_str(), card.licence.as_str()), ("Ours", "CC0-1.0"));
    let test = trained.result().parts.test.unwrap();
    let said = card.scores.iter().find(|score| (score.part.as_str(), score.per.as_str()) == ("test", "clip"));
    assert_eq!(said.unwrap().accuracy, test.accuracy.value as f32);
    assert_eq!(card.scores.len(), 6);

    let song = folder.path().join("song.wav");
    fs::write(&song, sound(|seconds| 0.5 * (seconds * 90.0 * TAU).sin())).unwrap();
    let line = succeeds(&["classify", "--json", "--model", text(&model), text(&song)]);
    let verdict: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(verdict["model"], "Ours");
    assert_eq!(verdict["genre"], "bass", "{line}");
}

/// Four seconds as WAV.
fn sound(sample: impl Fn(f32) -> f32) -> Vec<u8> {
    let samples: Vec<f32> = (0..4 * 22_050).map(|at| sample(at as f32 / 22_050.0)).collect();
    let mut bytes = wav::header(22_050, 1, samples.len() as u64).to_vec();
    wav::append(&samples, &mut bytes);
    bytes
}

/// A folder of tones whose spectrograms are nothing like bass or treble.
fn tones(folder: &Path) -> PathBuf {
    let kind = folder.join("sounds/tones");
    fs::create_dir_all(&kind).unwrap();
    for tone in 0..10 {
        let hertz = 300.0 + 170.0 * tone as f32;
        fs::write(kind.join(format!("{tone}.wav")), sound(|seconds| 0.3 * (seconds * hertz * TAU).sin()))
            .unwrap();
    }
    fs::write(kind.join("silence.wav"), sound(|_| 0.0)).unwrap();
    folder.join("sounds")
}

#[test]
fn a_calibrated_run_is_scored_and_exported_as_calibrated() {
    let trained = Trained::get();
    let run = trained.with("result.json", b"");
    fs::remove_file(run.path().join("result.json")).unwrap();
    let (folder, archive) = (text(run.path()), trained.archive());
    let sounds = tones(run.path());
    let said = succeeds(&[
        "calibrate",
        folder,
        "--archive",
        text(&archive),
        "--not-music",
        text(&sounds),
        "--refuse=0.4",
    ]);
    assert!(said.contains("10 clips, beside 1 that are silent"), "{said}");

    let weights = Weights::from_bytes(&fs::read(run.path().join("calibrated.safetensors")).unwrap()).unwrap();
    let card = weights.card();
    assert_eq!(card.least_confidence, Some(0.5));
    let rejection = card.rejection.unwrap();
    let report: Value =
        serde_json::from_str(&fs::read_to_string(run.path().join("calibrated.json")).unwrap()).unwrap();
    // Those that need no statistics can be had of any two tracks.
    let candidates = report["rejection"].as_array().unwrap();
    for score in [RejectionScore::MaxProbability, RejectionScore::MaxLogit, RejectionScore::Energy] {
        assert!(candidates.iter().any(|candidate| candidate["score"] == score.name()), "{report}");
    }
    let music = &report["music"];
    assert!(music["as_it_is"].as_u64().unwrap() > 0 && music["overheard"] == music["as_it_is"], "{music}");
    let best = &report["rejection"][0];
    assert_eq!(best["score"], rejection.score.name());
    let share = |value: &Value| value.as_f64().unwrap();
    assert!(share(&best["music_refused"]) <= 0.4 && share(&best["kinds"]["tones"]) >= 0.8, "{best}");
    let refused = |candidate: &Value| candidate["not_music_refused"].as_f64().unwrap();
    assert!(candidates.iter().all(|other| refused(other) <= refused(best)), "{report}");
    let number = |path: &str| report.pointer(path).unwrap().as_f64().unwrap();
    assert!(number("/after/loss") <= number("/before/loss"), "{report}");
    let chosen = match card.combine {
        Combine::MeanProbability => "/combinations/mean_probability",
        Combine::LogPool { .. } => "/combinations/log_pool",
    };
    assert!(number(chosen) <= number("/combinations/mean_probability"));

    // Another is not made like it without the sounds.
    let like = ["calibrate", folder, "--archive", text(&archive), "--like", folder];
    let said = fails(&like);
    assert!(said.contains(rejection.score.name()) && said.contains("--not-music"), "{said}");
    assert!(fails(&[&like[..], &["--refuse=0.1"]].concat()).contains("--refuse"));

    // What scores and exports the run takes the calibrated card.
    succeeds(&["evaluate", folder, "--archive", text(&archive), "--parts", "validation"]);
    let result = RunResult::from_json(&fs::read_to_string(run.path().join("result.json")).unwrap()).unwrap();
    assert_eq!(result.calibration, card.calibration());
    assert_eq!(result.weights, trained.result().weights, "the network is as it was trained");
    let validation = result.parts.validation.unwrap();
    assert!((validation.loss - number("/after/loss")).abs() < 1e-5);
    assert_eq!(validation.refused, 0.0);
    let model = run.path().join("model.safetensors");
    succeeds(&["export", folder, "-o", text(&model)]);
    let exported = Weights::from_bytes(&fs::read(&model).unwrap()).unwrap();
    assert_eq!(exported.card().calibration(), card.calibration());

    let heard = |name: &str| -> Value {
        let song = sounds.join("tones").join(name);
        serde_json::from_str(&succeeds(&["classify", "--json", "--model", text(&model), text(&song)]))
            .unwrap()
    };
    let tone = heard("4.wav");
    assert_eq!((&tone["song"]["verdict"], &tone["genre"]), (&"not_music".into(), &Value::Null), "{tone}");
    assert_eq!(tone["clips"][0]["refused"], true);
    assert!(tone["clips"][0]["score"].as_f64().unwrap() < f64::from(rejection.threshold));
    assert_eq!(tone["song"]["probabilities"].as_array().unwrap().len(), 2);
    assert_eq!(heard("silence.wav")["song"]["verdict"], "silence");
    let song = sounds.join("tones/4.wav");
    let table = succeeds(&["classify", "--model", text(&model), text(&song)]);
    assert!(table.contains("not music  (1 of 1 clips are not music)"), "{table}");
}

#[test]
fn a_refitted_run_is_calibrated_like_another_and_scored_on_the_test_part() {
    let trained = Trained::get();
    let (archive, other, folder) = (trained.archive(), trained.run(), tempfile::tempdir().unwrap());
    let [run, model, like, index] =
        ["run", "model.safetensors", "like.safetensors", "artists.txt"].map(|name| folder.path().join(name));
    trained.train_with(&run, &["--refit"]);
    let judged = |command: &str, more: &[&str]| -> Vec<String> {
        [command, text(&run), "--archive", text(&archive)]
            .iter()
            .chain(more)
            .map(|&word| word.into())
            .collect()
    };
    let words = |words: &[String]| -> String { fails(&words.iter().map(String::as_str).collect::<Vec<_>>()) };
    assert!(words(&judged("evaluate", &["--parts=validation"])).contains("was learned from"));
    assert!(words(&judged("calibrate", &[])).contains("--like"));
    let said = words(&judged("calibrate", &["--like", text(&other)]));
    assert!(said.contains("is not calibrated"), "{said}");

    let chosen = ["calibrate", text(&other), "--archive", text(&archive), "-o", text(&like)];
    succeeds(&[&chosen[..], &["--least-confidence=0.6"]].concat());
    let said = words(&judged("calibrate", &["--like", text(&like), "--not-music", text(folder.path())]));
    assert!(said.contains("refuses nothing"), "{said}");
    // Nor are numbers taken that were fitted to other genres.
    let reversed = Weights::from_bytes(&fs::read(&like).unwrap()).unwrap();
    let mut card = reversed.card().clone();
    card.genres.reverse();
    let reversed = reversed.with_card(card).unwrap().to_bytes(Precision::F32).unwrap();
    fs::write(&model, reversed).unwrap();
    let said = words(&judged("calibrate", &["--like", text(&model)]));
    assert!(said.contains("not of the same genres"), "{said}");
    let calibrate = judged("calibrate", &["--like", text(&like)]);
    succeeds(&calibrate.iter().map(String::as_str).collect::<Vec<_>>());
    let of = MelArchive::from_bytes(&fs::read(&archive).unwrap()).unwrap();
    let line = |(at, track): (usize, &Track)| format!("{}.wav ::: artist {at} ::: a song\n", track.name);
    fs::write(&index, of.tracks.iter().enumerate().map(line).collect::<String>()).unwrap();
    let evaluate = judged("evaluate", &["--artists", text(&index)]);
    succeeds(&evaluate.iter().map(String::as_str).collect::<Vec<_>>());
    let result = RunResult::from_json(&fs::read_to_string(run.join("result.json")).unwrap()).unwrap();
    let sizes = result.split.clips;
    assert_eq!((sizes.train, sizes.validation, sizes.test), (20, 4, 4));
    assert_eq!(result.training.unwrap().best_epoch, 4, "the last");
    assert_eq!((result.parts.validation, &result.parts.test), (None, &result.parts.test_other_artists));
    let one = |track: &Track| format!("{}.wav ::: the one artist ::: a song\n", track.name);
    fs::write(&index, of.tracks.iter().map(one).collect::<String>()).unwrap();
    let said = succeeds(&evaluate.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(said.contains("other artists: no track"), "{said}");
    let result = RunResult::from_json(&fs::read_to_string(run.join("result.json")).unwrap()).unwrap();
    assert!(result.parts.test.is_some() && result.parts.test_other_artists.is_none());

    // Its own scores first, which the map is held to; then those of the recipe.
    let protocol = other.join("result.json");
    succeeds(&["export", text(&run), "-o", text(&model), "--protocol", text(&protocol)]);
    let [like, card] =
        [&like, &model].map(|path| Weights::from_bytes(&fs::read(path).unwrap()).unwrap().card().clone());
    assert_eq!((card.temperature, card.combine), (like.temperature, like.combine));
    assert_eq!(card.least_confidence, like.least_confidence);
    assert!(card.training.recipe.contains("validation part together"), "{}", card.training.recipe);
    let tests: Vec<_> =
        card.scores.iter().filter(|score| score.part == "test" && score.per == "clip").collect();
    assert_eq!(tests.iter().map(|score| score.trainings).collect::<Vec<_>>(), [None, Some(1)]);
    let test = trained.result().parts.test.unwrap();
    assert_eq!(tests[1].accuracy, test.accuracy.value as f32);
    // The same recipe trained twice since: the model's file is all that is needed.
    let [again, second] = ["again", "second.json"].map(|name| folder.path().join(name));
    let renew = ["export", text(&model), "-o", text(&again), "--protocol", text(&protocol), text(&second)];
    let keep_second = |change: &dyn Fn(&mut RunResult)| {
        let mut result = RunResult { weights: "of another seed".into(), ..trained.result() };
        result.training.as_mut().unwrap().seed = 4;
        change(&mut result);
        fs::write(&second, result.to_json().unwrap()).unwrap();
    };
    // One training is none of two, whatever its file is called and however its weights are rounded.
    let same_seed = |result: &mut RunResult| result.training.as_mut().unwrap().seed = 3;
    let same_weights = |result: &mut RunResult| result.weights = trained.result().weights;
    for change in [&same_seed as &dyn Fn(&mut RunResult), &same_weights] {
        keep_second(change);
        let said = fails(&renew);
        assert!(said.contains("the same training") && !again.exists(), "{said}");
        assert!(said.contains(text(&protocol)) && said.contains(text(&second)), "{said}");
    }
    assert!(fails(&[&renew[..6], &[text(&protocol)]].concat()).contains("the same training"));
    keep_second(&|result| result.split.clips.train += 10);
    assert!(fails(&renew).contains("another archive"));
    keep_second(&|result| result.spectrogram.as_mut().unwrap().hop_length = 512);
    assert!(fails(&renew).contains("another front end"));
    keep_second(&|_| {});
    succeeds(&renew);
    let renewed = Weights::from_bytes(&fs::read(&again).unwrap()).unwrap();
    let old = Weights::from_bytes(&fs::read(&model).unwrap()).unwrap();
    let of = |weights: &Weights, own: bool| -> Vec<_> {
        weights.card().scores.iter().filter(|score| score.trainings.is_none() == own).cloned().collect()
    };
    assert_eq!(of(&renewed, true), of(&old, true));
    // Its own scores, once it was judged again.
    let scores = folder.path().join("scores");
    let judge = ["evaluate", text(&model), "--archive", text(&archive), "--split=tracks", "--refit"];
    succeeds(&[&judge[..], &["--parts=test", "-o", text(&scores)]].concat());
    succeeds(&[&renew[..4], &["--result", text(&scores.join("result.json"))]].concat());
    let judged = Weights::from_bytes(&fs::read(&again).unwrap()).unwrap();
    assert_eq!(of(&judged, false), of(&old, false));
    assert!(of(&judged, true).iter().all(|score| score.part == "test") && of(&judged, true).len() == 2);
    assert!(of(&renewed, false).iter().all(|score| score.trainings == Some(2)));
    assert_eq!(renewed.clone().with_card(old.card().clone()).unwrap(), old);
    let refused = ["export", text(&other), "-o", text(&model), "--protocol"];
    let own = run.join("result.json");
    assert!(fails(&[&refused[..], &[text(&own)]].concat()).contains("learned from its validation part"));
}

#[test]
fn a_calibration_is_chosen_anew_and_not_taken_for_other_weights() {
    let trained = Trained::get();
    let folder = tempfile::tempdir().unwrap();
    let archive = trained.archive();
    let [model, first, second] = ["model", "first", "second"].map(|name| folder.path().join(name));
    succeeds(&["export", text(&trained.run()), "-o", text(&model)]);
    let sounds = tones(folder.path());
    let calibrate = |model: &Path, output: &Path, more: &[&str]| {
        let arguments =
            ["calibrate", text(model), "--archive", text(&archive), "--split=tracks", "-o", text(output)];
        succeeds(&[&arguments, more].concat())
    };
    calibrate(&model, &first, &["--not-music", text(&sounds)]);
    calibrate(&first, &second, &["--least-confidence=0.7"]);
    let card = |path: &Path| Weights::from_bytes(&fs::read(path).unwrap()).unwrap().card().clone();
    assert!(card(&first).rejection.is_some());
    // Without sounds, what the first had chosen is gone, its statistics as well.
    assert_eq!((card(&second).rejection, card(&second).least_confidence), (None, Some(0.7)));
    assert_eq!(card(&second).temperature, card(&first).temperature);

    let stale = trained.with("calibrated.safetensors", &fs::read(&first).unwrap());
    let output = needledrop(&["export", text(stale.path()), "-o", text(&folder.path().join("stale"))]);
    let said = String::from_utf8(output.stderr).unwrap();
    // Halves of weights are other weights.
    assert!(said.contains("calibrate it again"), "{said}");
    assert_eq!(card(&folder.path().join("stale")).least_confidence, None);

    let said = fails(&["calibrate", text(&model), "--archive", text(&archive), "--split=tracks"]);
    assert!(said.contains("--output"), "{said}");
    // What is measured goes beside the model, and in place of nothing else.
    let place = folder.path().join("mine.json");
    fs::write(&place, "{}").unwrap();
    for (output, says) in [("mine.json", "a model would replace"), ("mine.safetensors", "otherwise")] {
        let call = ["calibrate", text(&model), "--archive", text(&archive), "--split=tracks", "-o"];
        let said = fails(&[&call[..], &[text(&folder.path().join(output))]].concat());
        assert!(said.contains("mine.json") && said.contains(says), "{said}");
    }
    assert_eq!(fs::read_to_string(&place).unwrap(), "{}");
    // Of silence no network is asked, so that nothing is chosen on it.
    let MelArchive { genres, tracks, spectrogram, .. } = self::archive(["bass", "treble"]);
    let items = (0..TRACKS).map(|track| Item { track, frames: FRAMES }).collect();
    let silent =
        MelArchive::new(genres, tracks, spectrogram, items, vec![0; TRACKS * BANDS * FRAMES]).unwrap();
    let of_silence = folder.path().join("silent.safetensors");
    fs::write(&of_silence, silent.to_bytes().unwrap()).unwrap();
    let said =
        fails(&["calibrate", text(&trained.run()), "--archive", text(&of_silence), "-o", text(&first)]);
    assert!(said.contains("the validation part is empty, or silent"), "{said}");
    let empty = tempfile::tempdir().unwrap();
    let said = fails(&[
        "calibrate",
        text(&trained.run()),
        "--archive",
        text(&archive),
        "--not-music",
        text(empty.path()),
        "-o",
        text(&first),
    ]);
    assert!(said.contains("there is no sound in"), "{said}");
}

#[test]
fn a_model_without_its_run_is_scored_too() {
    let trained = Trained::get();
    let folder = tempfile::tempdir().unwrap();
    let (model, output) = (folder.path().join("model.safetensors"), folder.path().join("scores"));
    succeeds(&["export", text(&trained.run()), "-o", text(&model), "--precision=f32"]);
    let archive = trained.archive();
    let said = fails(&["evaluate", text(&model), "--archive", text(&archive)]);
    assert!(said.contains("--output"), "{said}");
    let arguments = ["evaluate", text(&model), "--archive", text(&archive), "--split=tracks", "--parts=test"];
    succeeds(&[&arguments[..], &["-o", text(&output)]].concat());
    let result = RunResult::from_json(&fs::read_to_string(output.join("result.json")).unwrap()).unwrap();
    assert!(result.training.is_none());
    assert_eq!(result.weights, trained.result().weights);
    assert_eq!(result.parts.test, trained.result().parts.test);
    // Drawn otherwise, its test part has clips that the model was trained on.
    let said = fails(&[&arguments[..], &["--split-seed=7", "-o", text(&output)]].concat());
    assert!(said.contains("trained with other clips"), "{said}");
}

/// A training, an archive or a model took longer to make than it takes to mistake a name.
#[test]
fn nothing_takes_the_place_of_what_is_something_else() {
    let trained = Trained::get();
    let copy = trained.with("notes.txt", b"whatever somebody has written");
    let place = |name: &str| copy.path().join(name);
    fs::copy(trained.archive(), place("archive.safetensors")).unwrap();
    fs::create_dir_all(place("music/jazz")).unwrap();
    fs::write(place("music/jazz/a.wav"), "").unwrap();
    let (run, archive, music) = (trained.run(), trained.archive(), place("music"));
    let export = ["export", text(&run)];
    let calibrate = ["calibrate", text(&run), "--archive", text(&archive)];
    let prepare = ["prepare", text(&music)];
    let model = trained.run().join("best.safetensors");
    let map = ["map", text(&model), "--archive", text(&archive)];
    let convert = ["convert", text(&model), "--card", text(&model)];
    let refusals = [
        (&export[..], "checkpoint.safetensors", "the checkpoint of a training"),
        (&export, "archive.safetensors", "an archive of spectrograms"),
        (&calibrate, "checkpoint.safetensors", "the checkpoint of a training"),
        (&convert, "archive.safetensors", "an archive of spectrograms"),
        (&prepare, "best.safetensors", "a model"),
        (&prepare, "checkpoint.safetensors", "the checkpoint of a training"),
        (&map, "best.safetensors", "a model"),
        (&export, "notes.txt", "a file of another kind"),
    ];
    for (command, name, what) in refusals {
        let there = fs::read(place(name)).unwrap();
        let said = fails(&[command, &["-o", text(&place(name))]].concat());
        assert!(said.contains(&format!("{name} is {what}")), "{command:?}: {said}");
        assert!(fs::read(place(name)).unwrap() == there, "{command:?} changed {name}");
    }
    // A model gives way to a model, and so does what is empty.
    fs::write(place("notes.txt"), "").unwrap();
    for name in ["best.safetensors", "notes.txt"] {
        succeeds(&[&export[..], &["-o", text(&place(name))]].concat());
    }

    // Best weights whose checkpoint was thrown away are all that is left of a training.
    fs::remove_file(place("checkpoint.safetensors")).unwrap();
    let train = ["train", text(&archive), "--row=1", "--split=tracks", "-o", text(copy.path())];
    let said = fails(&train);
    assert!(said.contains("best.safetensors is an earlier training's"), "{said}");

    let said = fails(&["classify", "--model", text(&run), text(&place("music/jazz/a.wav"))]);
    assert!(said.contains("is a folder, not a model"), "{said}");
}

#[test]
fn what_does_not_fit_is_refused_with_the_reason() {
    let trained = Trained::get();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, archive: &MelArchive| {
        let path = folder.path().join(name);
        fs::write(&path, archive.to_bytes().unwrap()).unwrap();
        path
    };
    let run = trained.run();
    let evaluate = |archive: &Path| fails(&["evaluate", text(&run), "--archive", text(archive)]);

    let said = fails(&["evaluate", text(folder.path()), "--archive", text(&trained.archive())]);
    assert!(said.contains("is no run: it has no checkpoint"), "{said}");

    let said = evaluate(&write("genres", &archive(["calm", "loud"])));
    assert!(said.contains("calm, loud") && said.contains("bass, treble"), "{said}");

    let mut other = archive(["bass", "treble"]);
    other.spectrogram.fmax = 8000.0;
    let said = evaluate(&write("front end", &other));
    assert!(said.contains("fmax is 8000, the card's 11025"), "{said}");

    let mut other = archive(["bass", "treble"]);
    other.tracks[0].name = "bass.90000".into();
    let said = evaluate(&write("tracks", &other));
    assert!(said.contains("other clips in its parts"), "{said}");

    let archive = trained.archive();
    let evaluate = ["evaluate", text(&run), "--archive", text(&archive)];
    let index = folder.path().join("artists.txt");
    fs::write(&index, "bass.00000.wav ::: somebody ::: a song\n").unwrap();
    let said = fails(&[&evaluate[..], &["--artists", text(&index), "--parts=validation"]].concat());
    assert!(said.contains("--artists"), "{said}");
    // Before anything is computed or made.
    let scores = folder.path().join("scores");
    let said = fails(&[&evaluate[..], &["--artists", "absent", "-o", text(&scores)]].concat());
    assert!(said.contains("cannot read absent") && !scores.exists(), "{said}");
    let calibrate = ["calibrate", text(&run), "--archive", text(&archive)];
    let said = fails(&[&calibrate[..], &["--not-music", "absent"]].concat());
    assert!(said.contains("cannot read absent") && !said.contains("clips,"), "{said}");
    let said = fails(&[&evaluate[..], &["--split=clips"]].concat());
    assert!(said.contains("judged by the split it was trained with"), "{said}");
}

#[test]
fn damaged_and_foreign_files_are_refused_with_the_reason() {
    let trained = Trained::get();
    let archive = trained.archive();
    let checkpoint = fs::read(trained.run().join("checkpoint.safetensors")).unwrap();
    let cut = trained.with("checkpoint.safetensors", &checkpoint[..checkpoint.len() / 2]);
    let said = fails(&["evaluate", text(cut.path()), "--archive", text(&archive)]);
    assert!(said.contains("is not a checkpoint"), "{said}");

    let mut result = trained.result();
    result.version = 99;
    let newer = trained.with("result.json", result.to_json().unwrap().as_bytes());
    let output = text(newer.path()).to_owned() + "/results";
    for arguments in [
        ["report", text(newer.path()), "-o", &output],
        ["export", text(newer.path()), "-o", "no.safetensors"],
    ] {
        let said = fails(&arguments);
        assert!(said.contains("has version 99, this build reads version 1"), "{said}");
    }

    let mut result = trained.result();
    result.weights = "0".repeat(64);
    let stale = trained.with("result.json", result.to_json().unwrap().as_bytes());
    let said = fails(&["export", text(stale.path()), "-o", "no.safetensors"]);
    assert!(said.contains("of other weights"), "{said}");

    let mut result = trained.result();
    result.parts.test.as_mut().unwrap().confusion.pop();
    let torn = trained.with("result.json", result.to_json().unwrap().as_bytes());
    let said = fails(&["report", text(torn.path()), "-o", &output]);
    assert!(said.contains("the scores of test are not of 2 genres"), "{said}");

    let none = trained.with("embeddings.safetensors", b"none");
    let said = fails(&["report", text(none.path()), "-o", &output]);
    assert!(said.contains("embeddings cannot be read"), "{said}");
    let run = trained.run();
    let said = fails(&["report", text(&run), text(&run), "-o", &output]);
    assert!(said.contains("the same row, split, recipe and seed"), "{said}");
}

/// Keras has its own order of a kernel's axes, and flattens a map place by place.
#[test]
fn weights_of_keras_become_a_model_or_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let [keras, card, model] = ["keras", "card.json", "model"].map(|name| folder.path().join(name));
    // A picture of 4 x 6, two filters, a map of 2 x 3.
    let block = ConvBlock { filters: 2, kernel: 3, padding: Padding::Same, pool: [2, 2], dropout: 0.0 };
    let network = NetworkSpec {
        input: [3, 4, 6],
        blocks: vec![block],
        pooling: Pooling::Flatten,
        dense: vec![5],
        classes: 2,
    };
    fs::write(&card, card::of(network).to_json().unwrap()).unwrap();
    // Every cell has its place in Keras's order for a value.
    let write = |factor: f32| {
        let layers = [
            ("conv0.kernel", vec![3, 3, 3, 2]),
            ("conv0.bias", vec![2]),
            ("dense.kernel", vec![12, 5]),
            ("dense.bias", vec![5]),
            ("logits.kernel", vec![5, 2]),
            ("logits.bias", vec![2]),
        ];
        let layers = layers.map(|(name, shape)| {
            let cells = 0..shape.iter().product::<usize>();
            let bytes: Vec<u8> = cells.flat_map(|at| (factor * at as f32).to_le_bytes()).collect();
            (name, shape, bytes)
        });
        let views = layers
            .iter()
            .map(|(name, shape, bytes)| (*name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
        fs::write(&keras, safetensors::serialize(views, None).unwrap()).unwrap();
    };
    let convert = ["convert", text(&keras), "--card", text(&card), "-o", text(&model)];
    // What has no place in 16 bits.
    write(1e5);
    assert!(fails(&convert).contains("--precision f32") && !model.exists());
    succeeds(&[&convert[..], &["--precision=f32"]].concat());
    write(1.0);
    succeeds(&convert);
    let model = Weights::from_bytes(&fs::read(&model).unwrap()).unwrap();
    for (at, cell) in model.tensor("conv0.weight", &[2, 3, 3, 3]).unwrap().iter().enumerate() {
        let (filter, channel, place) = (at / 27, at / 9 % 3, at % 9);
        assert_eq!(*cell, ((place * 3 + channel) * 2 + filter) as f32, "conv0 {at}");
    }
    for (at, cell) in model.tensor("dense0.weight", &[5, 12]).unwrap().iter().enumerate() {
        let (output, channel, place) = (at / 12, at / 6 % 2, at % 6);
        assert_eq!(*cell, ((place * 2 + channel) * 5 + output) as f32, "dense0 {at}");
    }
    for (at, cell) in model.tensor("logits.weight", &[2, 5]).unwrap().iter().enumerate() {
        assert_eq!(*cell, (at % 5 * 2 + at / 5) as f32, "logits {at}");
    }
    assert_eq!(model.tensor("dense0.bias", &[5]).unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0]);
}

/// A network knows an artist's other songs again, and so would what is fitted on them.
#[test]
fn a_temperature_is_not_judged_by_artists_that_it_was_fitted_on() {
    let trained = Trained::get();
    let (archive, run, folder) = (trained.archive(), trained.run(), tempfile::tempdir().unwrap());
    let [index, model] = ["artists.txt", "model.safetensors"].map(|name| folder.path().join(name));
    let of = MelArchive::from_bytes(&fs::read(&archive).unwrap()).unwrap();
    for is_one in [false, true] {
        let artist = |at: usize| if is_one { 0 } else { at };
        let line = |(at, track): (usize, &Track)| format!("{} ::: {} ::: a song\n", track.name, artist(at));
        fs::write(&index, of.tracks.iter().enumerate().map(line).collect::<String>()).unwrap();
        let call = ["calibrate", text(&run), "--archive", text(&archive), "-o", text(&model)];
        succeeds(&[&call[..], &["--artists", text(&index)]].concat());
        let report = fs::read_to_string(model.with_extension("json")).unwrap();
        let report: Value = serde_json::from_str(&report).unwrap();
        // Of one artist alone nothing is fitted, whether with biases or without.
        let scalings = &report["scalings"];
        assert_eq!(scalings["temperature"] == scalings["with_biases"], is_one, "{scalings}");
    }
}

/// No score is fitted on a door and judged by the same door in a room.
#[test]
fn sounds_that_differ_after_their_last_hyphen_are_one_recording() {
    let trained = Trained::get();
    let (archive, run, folder) = (trained.archive(), trained.run(), tempfile::tempdir().unwrap());
    for (names, is_one) in [(["door-dry", "door-room"], true), (["front-door", "back-door"], false)] {
        let sounds = folder.path().join(names[0]);
        fs::create_dir_all(sounds.join("doors")).unwrap();
        for (name, hertz) in names.into_iter().zip([500.0, 900.0]) {
            let file = sounds.join(format!("doors/{name}.wav"));
            fs::write(file, sound(|seconds| 0.3 * (seconds * hertz * TAU).sin())).unwrap();
        }
        if is_one {
            // Of which nothing is heard.
            fs::write(sounds.join("doors/silence.wav"), sound(|_| 0.0)).unwrap();
        }
        let model = folder.path().join(format!("{}.safetensors", names[0]));
        let call = ["calibrate", text(&run), "--archive", text(&archive), "-o", text(&model)];
        let output = needledrop(&[&call[..], &["--not-music", text(&sounds)]].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{said}");
        assert_eq!(said.contains("is one recording"), is_one, "{said}");
        let report = fs::read_to_string(model.with_extension("json")).unwrap();
        let report: Value = serde_json::from_str(&report).unwrap();
        let probed = report["rejection"].as_array().unwrap().iter().any(|of| of["score"] == "probe");
        assert!(!(is_one && probed), "{report}");
    }

    // By another model's kind of score neither, and it is said what is wanting.
    let calibrated = fs::read(folder.path().join("front-door.safetensors")).unwrap();
    let calibrated = Weights::from_bytes(&calibrated).unwrap();
    let rejection = Some(Rejection { score: RejectionScore::Probe, threshold: 0.0 });
    let card = ModelCard { rejection, ..calibrated.card().clone() };
    let zeros = |(name, shape): (String, Vec<usize>)| {
        let values = vec![0.0; shape.iter().product()];
        (name, shape, values)
    };
    let statistics: Vec<_> = statistics_shapes(&card).into_iter().map(zeros).collect();
    let probed = calibrated.with_statistics(card, statistics).unwrap().to_bytes(Precision::F32).unwrap();
    let (like, output) = (folder.path().join("like.safetensors"), folder.path().join("output.safetensors"));
    fs::write(&like, probed).unwrap();
    let sounds = folder.path().join("door-dry");
    let call = ["calibrate", text(&run), "--archive", text(&archive), "-o", text(&output)];
    let said = fails(&[&call[..], &["--not-music", text(&sounds), "--like", text(&like)]].concat());
    assert!(said.contains("`probe`") && said.contains("two recordings at least"), "{said}");
}
