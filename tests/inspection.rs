//! What is shown of a clip's way against what the classifier does: the same
//! values, in the shapes of the paper.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at what is not as it should be"
)]

use burn::tensor::Device;
use needledrop::{
    classify::{
        classifier::{Classifier, ClassifierError, ClipAnalysis},
        inspection::Inspection,
        occlusion::{Patch, log_odds},
        stage::{Stage, StageKind, Values, WAVEFORM_COLUMNS},
    },
    network::weights::Weights,
    spectrogram::{MelSpectrogram, decibel::power_to_db},
};

static SHIPPED: &[u8] = include_bytes!("../www/model/row8.safetensors");

/// Three seconds of a falling tone with a pulse under it.
fn clip() -> Vec<f32> {
    (0..66_150)
        .map(|n| {
            let seconds = n as f32 / 22_050.0;
            let tone = (2500.0 * (-seconds).exp() * std::f32::consts::TAU).sin();
            let pulse = (55.0 * seconds * std::f32::consts::TAU).sin() * (1.0 - (2.0 * seconds).fract());
            0.3 * tone + 0.4 * pulse
        })
        .collect()
}

fn classifiers() -> [(&'static str, Classifier); 2] {
    let weights = Weights::from_bytes(SHIPPED).unwrap();
    [
        ("Winograd", Classifier::on_processor(&weights).unwrap()),
        ("Flex", Classifier::new(&weights, &Device::flex()).unwrap()),
    ]
}

fn inspect(classifier: &mut Classifier, clip: &[f32], frame: Option<usize>) -> Inspection {
    pollster::block_on(classifier.inspect(clip, frame)).unwrap()
}

fn stage(inspection: &Inspection, kind: StageKind) -> (&Stage, &Values) {
    let found = inspection.stages.iter().find(|(stage, _)| stage.kind == kind);
    let (stage, values) = found.unwrap_or_else(|| panic!("{kind:?} is missing"));
    (stage, values)
}

fn floats(inspection: &Inspection, kind: StageKind) -> &[f32] {
    match stage(inspection, kind).1 {
        Values::Floats(values) => values,
        Values::Bytes(_) => panic!("{kind:?} is in bytes"),
    }
}

fn bytes(inspection: &Inspection, kind: StageKind) -> &[u8] {
    match stage(inspection, kind).1 {
        Values::Bytes(values) => values,
        Values::Floats(_) => panic!("{kind:?} is in floats"),
    }
}

#[test]
fn every_stage_has_the_papers_shape() {
    for (name, mut classifier) in classifiers() {
        let inspection = inspect(&mut classifier, &clip(), None);
        let frames = classifier.card().spectrogram.clip_frames();
        let found: Vec<_> =
            inspection.stages.iter().map(|(stage, _)| (stage.kind, stage.shape.clone())).collect();
        let mut expected = vec![
            (StageKind::Waveform, vec![66_150]),
            (StageKind::Frame, vec![2048]),
            (StageKind::Windowed, vec![2048]),
            (StageKind::Spectrum, vec![1025]),
            (StageKind::Bands, vec![130]),
            (StageKind::Mel, vec![128, frames]),
            (StageKind::Decibels, vec![128, frames]),
            (StageKind::Picture, vec![128, 128]),
        ];
        for (block, side) in [64, 32, 16, 8, 4, 2].into_iter().enumerate() {
            expected.push((StageKind::Block(block), vec![128, side, side]));
        }
        expected.extend([
            (StageKind::Features, vec![512]),
            (StageKind::Dense(0), vec![128]),
            (StageKind::Logits, vec![10]),
            (StageKind::Probabilities, vec![10]),
        ]);
        assert_eq!(found, expected, "{name}");
        for (stage, values) in &inspection.stages {
            let length = match values {
                Values::Bytes(bytes) => bytes.len(),
                Values::Floats(floats) => floats.len(),
            };
            let expected = match stage.kind {
                StageKind::Waveform => 2 * WAVEFORM_COLUMNS,
                _ => stage.shape.iter().product(),
            };
            assert_eq!(length, expected, "{:?}", stage.kind);
        }
    }
}

#[test]
fn what_is_shown_is_what_is_computed() {
    for (name, mut classifier) in classifiers() {
        let clip = clip();
        let analysis = pollster::block_on(classifier.classify(std::slice::from_ref(&clip))).unwrap();
        let inspection = inspect(&mut classifier, &clip, None);
        assert_eq!(floats(&inspection, StageKind::Probabilities), analysis[0].probabilities, "{name}");
        assert_eq!(floats(&inspection, StageKind::Dense(0)), analysis[0].embedding, "{name}");
        let picture = bytes(&inspection, StageKind::Picture);
        let inference = pollster::block_on(classifier.infer(picture)).unwrap();
        assert_eq!(floats(&inspection, StageKind::Logits), inference.logits, "{name}");
        // The last block's maps, read back, are the features.
        let (last, _) = stage(&inspection, StageKind::Block(5));
        let [least, most] = last.range.unwrap();
        let features = floats(&inspection, StageKind::Features);
        for (byte, feature) in bytes(&inspection, StageKind::Block(5)).iter().zip(features) {
            assert!((last.value(*byte) - feature).abs() <= (most - least) / 509.0, "{name}");
        }
    }
}

#[test]
fn decibels_and_inputs_are_judged_as_the_samples_they_are_of() {
    let mut classifier = Classifier::on_processor(
        &Weights::from_bytes(include_bytes!("../www/model/ears.safetensors")).unwrap(),
    )
    .unwrap();
    let card = classifier.card().clone();
    let whole = pollster::block_on(classifier.classify(&[clip()])).unwrap().remove(0);
    let mut decibels = MelSpectrogram::new(&card.spectrogram).unwrap().power(&clip()).to_vec();
    power_to_db(&mut decibels, card.spectrogram.top_db);
    let of_decibels = pollster::block_on(classifier.classify_decibels(&decibels)).unwrap();
    assert_eq!(of_decibels, ClipAnalysis { columns: Vec::new(), ..whole.clone() });
    let mut inputs = Vec::new();
    card.input.normalise(&decibels, card.spectrogram.clip_frames(), &mut inputs);
    let inference = pollster::block_on(classifier.infer_inputs(inputs.clone())).unwrap();
    assert_eq!((inference.logits, inference.embedding), (whole.logits, whole.embedding));

    let silence = pollster::block_on(classifier.classify_decibels(&vec![0.0; decibels.len()])).unwrap();
    assert_eq!(silence, ClipAnalysis::default());
    let short = pollster::block_on(classifier.classify_decibels(&decibels[1..]));
    assert!(matches!(short, Err(ClassifierError::Size { .. })));
    let short = pollster::block_on(classifier.infer_inputs(inputs[1..].to_vec()));
    assert!(matches!(short, Err(ClassifierError::Size { .. })));
}

#[test]
fn both_kernels_show_the_same_maps() {
    let [winograd, flex] = classifiers().map(|(_, mut classifier)| inspect(&mut classifier, &clip(), None));
    for block in 0..6 {
        let (a, b) = (stage(&winograd, StageKind::Block(block)).0, stage(&flex, StageKind::Block(block)).0);
        let most = a.range.unwrap()[1];
        assert!(most > 0.0, "block {block} is dead");
        let pairs =
            bytes(&winograd, StageKind::Block(block)).iter().zip(bytes(&flex, StageKind::Block(block)));
        let largest = pairs.map(|(x, y)| (a.value(*x) - b.value(*y)).abs()).max_by(f32::total_cmp).unwrap();
        // Two steps of the bytes.
        assert!(largest <= most * 2.0 / 255.0, "block {block}: {largest} of {most}");
    }
}

#[test]
fn the_frame_that_is_shown_can_be_chosen() {
    let [(_, mut classifier), _] = classifiers();
    let config = classifier.card().spectrogram.clone();
    let mut clip = clip();
    assert_eq!(inspect(&mut classifier, &clip, Some(7)).frame, 7);
    assert_eq!(inspect(&mut classifier, &clip, Some(usize::MAX)).frame, config.clip_frames() - 1);
    let shown = inspect(&mut classifier, &clip, Some(20));
    let start = 20 * config.hop_length - if config.center { config.n_fft / 2 } else { 0 };
    assert_eq!(floats(&shown, StageKind::Frame), &clip[start..start + config.n_fft]);
    let loud = start..start + config.n_fft;
    clip.iter_mut().enumerate().for_each(|(n, sample)| *sample *= if loud.contains(&n) { 1.0 } else { 0.01 });
    assert_eq!(inspect(&mut classifier, &clip, None).frame, 20, "the loudest one is chosen");
}

#[test]
fn silence_is_shown_as_far_as_it_goes() {
    let [(_, mut classifier), _] = classifiers();
    let inspection = inspect(&mut classifier, &[0.0; 66_150], None);
    assert_eq!(inspection.stages.last().unwrap().0.kind, StageKind::Decibels);
    let explained = pollster::block_on(classifier.explain(&[0.0; 66_150], 0, &[None])).unwrap();
    assert!(explained.is_empty());
}

#[test]
fn a_clip_of_another_length_is_refused() {
    let [(_, mut classifier), _] = classifiers();
    assert!(pollster::block_on(classifier.inspect(&[0.0; 100], None)).is_err());
    assert!(pollster::block_on(classifier.explain(&[0.0; 100], 0, &[None])).is_err());
    assert!(pollster::block_on(classifier.explain(&clip(), 10, &[None])).is_err());
    assert!(pollster::block_on(classifier.explain(&clip(), 9, &[])).unwrap().is_empty());
}

#[test]
fn odds_are_those_of_the_picture_with_a_patch_silent() {
    let [(_, mut classifier), _] = classifiers();
    let inspection = inspect(&mut classifier, &clip(), None);
    let picture = bytes(&inspection, StageKind::Picture).to_vec();
    let patch = Patch::all().nth(21).unwrap();
    let found = pollster::block_on(classifier.explain(&clip(), 3, &[None, Some(patch)])).unwrap();
    let mut masked = picture.clone();
    patch.silence(&mut masked, [128, 128], 0);
    assert_ne!(masked, picture);
    for (picture, found) in [picture, masked].iter().zip(found) {
        let logits = pollster::block_on(classifier.infer(picture)).unwrap().logits;
        assert_eq!(log_odds(&classifier.card().scaled(&logits), 3), Some(found));
    }
}
