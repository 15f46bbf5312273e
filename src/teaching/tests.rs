//! Lessons with the weights that the page has, on instruments and rooms that
//! nobody taught them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at what is not as it should be"
)]

use std::sync::LazyLock;

use super::{
    lesson::{Lesson, LessonProblem, Recording},
    regression,
    taught::{Taught, teach},
};
use crate::{
    classify::{classifier::Classifier, verdict::argmax},
    network::{
        experiment::NetworkSpec,
        weights::{Precision, Weights},
    },
};

#[path = "../../tests/common/sounds.rs"]
mod sounds;

/// Seconds of a clip, by the cards of the page's models.
const CLIP: usize = 3;
/// Clips of one file, and files of one class: a dozen clips.
const CLIPS: usize = 3;
const FILES: u64 = 4;

type Sound = fn(u64) -> Vec<f32>;

const SECONDS: f32 = (CLIP * CLIPS) as f32;
const INSTRUMENTS: [Sound; 2] = [|seed| sounds::plucked(SECONDS, seed), |seed| sounds::flute(SECONDS, seed)];
/// The same instrument in both: only the room differs.
const ROOMS: [Sound; 2] = [INSTRUMENTS[0], |seed| sounds::in_room(&sounds::plucked(SECONDS, seed), 1.5)];

/// The page's models: the paper's network, and its own.
static MODELS: LazyLock<[Weights; 2]> = LazyLock::new(|| {
    ["row8", "ears"].map(|model| {
        let path = format!("{}/www/model/{model}.safetensors", env!("CARGO_MANIFEST_DIR"));
        Weights::from_bytes(&std::fs::read(path).unwrap()).unwrap()
    })
});

/// Features of a clip: all that is there before the first dense layer.
fn length(weights: &Weights) -> usize {
    let network = NetworkSpec { dense: Vec::new(), ..weights.card().network.clone() };
    network.embedding_length().unwrap()
}

/// Clips of files of each class in turn, seeded from `first` on, with their class.
fn files(weights: &Weights, classes: &[Sound], first: u64, count: u64) -> Vec<(usize, Vec<Vec<f32>>)> {
    let samples = weights.card().spectrogram.clip_samples();
    let file = |class: usize, seed: u64| {
        let sound = classes[class](1000 * class as u64 + seed);
        (class, sound.chunks_exact(samples).map(<[f32]>::to_vec).collect())
    };
    (0..classes.len()).flat_map(|class| (first..first + count).map(move |seed| file(class, seed))).collect()
}

fn lesson_of(files: &[(usize, Vec<Vec<f32>>)]) -> Lesson {
    let recordings = files.iter().map(|(class, clips)| Recording { class: *class, clips: clips.len() });
    Lesson {
        name: "two".into(),
        classes: vec!["one".into(), "other".into()],
        recordings: recordings.collect(),
        date: "2026-11-23".into(),
    }
}

/// `[clips, features]` of all files.
fn features(weights: &Weights, files: &[(usize, Vec<Vec<f32>>)]) -> Vec<f32> {
    let mut classifier = Classifier::on_processor(weights).unwrap();
    let clips: Vec<Vec<f32>> = files.iter().flat_map(|(_, clips)| clips.clone()).collect();
    let features = pollster::block_on(classifier.features(&clips)).unwrap();
    features.into_iter().flat_map(|clip| clip.expect("no clip is silent")).collect()
}

/// Share of the files whose clips' mean names their class, by the whole way from
/// samples to verdict.
fn accuracy(weights: &Weights, files: &[(usize, Vec<Vec<f32>>)]) -> f32 {
    let mut classifier = Classifier::on_processor(weights).unwrap();
    let mut right = 0.0;
    for (class, clips) in files {
        let analyses = pollster::block_on(classifier.classify(clips)).unwrap();
        let mut sums = vec![0.0; weights.card().genres.len()];
        for analysis in &analyses {
            sums.iter_mut().zip(&analysis.probabilities).for_each(|(sum, share)| *sum += share);
        }
        right += f32::from(argmax(&sums) == Some(*class));
    }
    right / files.len() as f32
}

/// Teaches two classes by a dozen clips each, and tries them on files of which
/// nothing was learnt.
fn taught(weights: &Weights, classes: &[Sound]) -> (Taught, f32) {
    let taught_by = files(weights, classes, 0, FILES);
    let features = features(weights, &taught_by);
    let taught = teach(weights, &lesson_of(&taught_by), &features, |_, _| {}).unwrap();
    // As it would be saved and loaded again.
    let saved = Weights::from_bytes(&taught.weights.to_bytes(Precision::F16).unwrap()).unwrap();
    let accuracy = accuracy(&saved, &files(weights, classes, 100, 10));
    (taught, accuracy)
}

#[test]
fn two_instruments_are_told_apart() {
    for weights in &*MODELS {
        let (taught, accuracy) = taught(weights, &INSTRUMENTS);
        let (held_out, model) = (taught.held_out.unwrap(), &weights.card().name);
        println!("instruments by {model}: {held_out:?}, new files {accuracy}");
        assert_eq!((held_out.files, held_out.clips()), (8, 24), "{model}");
        assert!(held_out.files_right == 8 && held_out.clips_right() > 21, "{model}: {held_out:?}");
        assert!(accuracy > 0.9, "{model}: {accuracy}");
    }
}

#[test]
fn two_rooms_are_told_apart() {
    for weights in &*MODELS {
        let (taught, accuracy) = taught(weights, &ROOMS);
        let (held_out, model) = (taught.held_out.unwrap(), &weights.card().name);
        println!("rooms by {model}: {held_out:?}, new files {accuracy}");
        assert!(accuracy > 0.9, "{model}: {accuracy}");
    }
}

/// Rows of features and their classes.
type Rows = Vec<(Vec<f32>, usize)>;

/// Clips of new files told apart by rows learnt from others.
fn told_apart(learnt: &Rows, new: &Rows) -> usize {
    let rows: Vec<_> = learnt.iter().map(|(row, class)| (row.as_slice(), *class)).collect();
    let layer = regression::fit(&rows, rows[0].0.len(), 2, |_| {});
    new.iter().filter(|(row, class)| argmax(&layer.probabilities(row)) == Some(*class)).count()
}

/// The maps of the last convolution for each clip, and the hidden layer's.
fn maps_and_hidden(weights: &Weights, files: &[(usize, Vec<Vec<f32>>)]) -> (Rows, Rows) {
    let mut classifier = Classifier::on_processor(weights).unwrap();
    let (mut maps, mut hidden) = (Vec::new(), Vec::new());
    for (class, clips) in files {
        let features = pollster::block_on(classifier.features(clips)).unwrap();
        maps.extend(features.into_iter().map(|row| (row.unwrap(), *class)));
        let analyses = pollster::block_on(classifier.classify(clips)).unwrap();
        hidden.extend(analyses.into_iter().map(|analysis| (analysis.embedding, *class)));
    }
    (maps, hidden)
}

#[test]
fn the_maps_know_more_of_a_room_than_the_hidden_layer() {
    for weights in &*MODELS {
        let (maps, hidden) = maps_and_hidden(weights, &files(weights, &ROOMS, 0, FILES));
        let (new_maps, new_hidden) = maps_and_hidden(weights, &files(weights, &ROOMS, 100, 10));
        let (by_maps, by_hidden) = (told_apart(&maps, &new_maps), told_apart(&hidden, &new_hidden));
        let model = &weights.card().name;
        println!(
            "clips of new files told apart by {model}: by the maps {by_maps}, by the hidden layer {by_hidden}, of 60"
        );
        assert!(by_maps >= by_hidden, "{model}: {by_maps}, {by_hidden}");
    }
}

#[test]
fn a_lesson_is_learnt_the_same_twice() {
    assert_eq!(length(&MODELS[0]), 512);
    for weights in &*MODELS {
        let files = files(weights, &INSTRUMENTS, 0, 2);
        let (lesson, features) = (lesson_of(&files), features(weights, &files));
        let mut told = Vec::new();
        let first = teach(weights, &lesson, &features, |done, all| told.push((done, all))).unwrap();
        assert_eq!(first, teach(weights, &lesson, &features, |_, _| {}).unwrap());
        assert!(told.is_sorted() && told.last().is_some_and(|(done, all)| done == all));
        let card = first.weights.card();
        assert_eq!((&card.genres, card.embedding_length), (&lesson.classes, length(weights)));
        assert_eq!(card.network.blocks, weights.card().network.blocks);
    }
}

#[test]
fn one_file_of_a_class_cannot_be_measured() {
    for weights in &*MODELS {
        let mut files = files(weights, &INSTRUMENTS, 0, 2);
        files.pop();
        let taught = teach(weights, &lesson_of(&files), &features(weights, &files), |_, _| {}).unwrap();
        assert_eq!(taught.held_out, None);
        assert!(taught.weights.card().scores.is_empty());
    }
}

#[test]
fn what_cannot_be_learnt_is_refused() {
    let lesson = |classes: &[&str], recordings: &[(usize, usize)]| Lesson {
        name: String::new(),
        classes: classes.iter().map(|&name| name.to_owned()).collect(),
        recordings: recordings.iter().map(|&(class, clips)| Recording { class, clips }).collect(),
        date: String::new(),
    };
    for weights in &*MODELS {
        let length = length(weights);
        let problem =
            |lesson: &Lesson, features: &[f32]| teach(weights, lesson, features, |_, _| {}).unwrap_err();
        assert_eq!(problem(&lesson(&["a"], &[(0, 1)]), &[]), LessonProblem::TooFewClasses);
        assert_eq!(problem(&lesson(&["a", " "], &[]), &[]), LessonProblem::Unnamed { class: 1 });
        assert_eq!(problem(&lesson(&["a", "A "], &[]), &[]), LessonProblem::Doubled { name: "A".into() });
        let silent = lesson(&["a", "b"], &[(0, 1), (1, 0)]);
        assert_eq!(problem(&silent, &vec![0.0; length]), LessonProblem::NoSound { class: "b".into() });
        let fine = lesson(&["a", "b"], &[(0, 1), (1, 1)]);
        assert_eq!(problem(&fine, &[0.0; 3]), LessonProblem::Size { found: 3, expected: 2 * length });
        let beyond = lesson(&["a", "b"], &[(0, 1), (1, 1), (2, usize::MAX)]);
        assert!(matches!(problem(&beyond, &[0.0; 3]), LessonProblem::Size { .. }));
        assert_eq!(problem(&fine, &vec![f32::NAN; 2 * length]), LessonProblem::NotFinite);
    }
}
