//! The paper's network against a Keras training of it.
//!
//! `row8-keras.safetensors` has that training's weights, `row8-golden.safetensors` the
//! pictures of 60 test clips with the logits and embeddings that Keras computed of them
//! in f32.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at what is not as it should be"
)]

#[path = "common/shared.rs"]
mod shared;

use std::fs;

use burn::tensor::Device;
use needledrop::{
    classify::{
        classifier::{Classifier, Inference},
        verdict::argmax,
    },
    network::{
        card::ModelCard,
        weights::{Precision, Weights},
    },
};
use safetensors::SafeTensors;

const CARD: &str = include_str!("golden/row8-keras.card.json");
static SHIPPED: &[u8] = include_bytes!("../www/model/row8.safetensors");
const CLIPS: usize = 60;
const SIDE: usize = 128;
const PIXELS: usize = SIDE * SIDE;

/// A file of the reference; without it only the shipped weights are tested.
fn reference(name: &str) -> Option<Vec<u8>> {
    shared::path(&format!("reference/{name}")).map(|path| fs::read(path).unwrap())
}

struct Golden {
    pictures: Vec<u8>,
    logits: Vec<f32>,
    embedding: Vec<f32>,
}

/// A picture with rows and columns exchanged.
fn turned(picture: &[u8]) -> impl Iterator<Item = u8> {
    (0..PIXELS).map(move |pixel| picture[pixel % SIDE * SIDE + pixel / SIDE])
}

fn golden() -> Option<Golden> {
    let bytes = reference("row8-golden.safetensors")?;
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let floats = |name| -> Vec<f32> {
        let data = file.tensor(name).unwrap();
        data.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    };
    Some(Golden {
        // Stored as [clip, frame, band]; the network's rows are bands.
        pictures: file.tensor("picture").unwrap().data().chunks(PIXELS).flat_map(turned).collect(),
        logits: floats("logits"),
        embedding: floats("embedding"),
    })
}

fn infer(classifier: &mut Classifier, pictures: &[u8]) -> Inference {
    pollster::block_on(classifier.infer(pictures)).unwrap()
}

fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    // NaN is the greatest in this order.
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).max_by(f32::total_cmp).unwrap()
}

#[test]
fn f32_weights_give_the_logits_of_keras() {
    let (Some(golden), Some(keras)) = (golden(), reference("row8-keras.safetensors")) else { return };
    let weights = Weights::from_keras(&keras, ModelCard::from_json(CARD).unwrap()).unwrap();
    let classifiers = [
        ("Flex", Classifier::new(&weights, &Device::flex()).unwrap()),
        ("Winograd", Classifier::on_processor(&weights).unwrap()),
    ];
    for (name, mut classifier) in classifiers {
        let found = infer(&mut classifier, &golden.pictures);
        let (logits, embedding) =
            (difference(&found.logits, &golden.logits), difference(&found.embedding, &golden.embedding));
        println!("{name}, f32 weights: logits within {logits:.1e}, embeddings within {embedding:.1e}");
        assert!(logits < 1e-3 && embedding < 1e-3, "{name}: {logits} and {embedding}");
    }
}

#[test]
fn f16_weights_name_the_same_genres() {
    let (Some(golden), Some(keras)) = (golden(), reference("row8-keras.safetensors")) else { return };
    let weights = Weights::from_keras(&keras, ModelCard::from_json(CARD).unwrap()).unwrap();
    let weights = Weights::from_bytes(&weights.to_bytes(Precision::F16).unwrap()).unwrap();
    let found = infer(&mut Classifier::on_processor(&weights).unwrap(), &golden.pictures);
    for (clip, (found, expected)) in found.logits.chunks(10).zip(golden.logits.chunks(10)).enumerate() {
        assert_eq!(argmax(found), argmax(expected), "clip {clip}");
    }
    let largest = difference(&found.logits, &golden.logits);
    println!("f16 weights: the same class on all {CLIPS}, logits within {largest:.1e}");
    assert!(largest < 0.1);
}

#[test]
fn winograd_and_flex_agree_on_the_shipped_weights() {
    let weights = Weights::from_bytes(SHIPPED).unwrap();
    // Rings and stripes, which no front end makes: every index is in them.
    let pictures: Vec<u8> = (0..2 * PIXELS)
        .map(|pixel| ((pixel % 128).pow(2) / 64 + (pixel / 128) * (1 + pixel / PIXELS)) as u8)
        .collect();
    let flex = infer(&mut Classifier::new(&weights, &Device::flex()).unwrap(), &pictures);
    let winograd = infer(&mut Classifier::on_processor(&weights).unwrap(), &pictures);
    assert!(difference(&flex.logits, &winograd.logits) < 1e-3);
    assert!(difference(&flex.embedding, &winograd.embedding) < 1e-3);
}
