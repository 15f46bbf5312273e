//! Model cards: what is written is read, and no card, however hostile, does
//! more than be refused.

#![allow(clippy::unwrap_used, reason = "helpers of tests may stop as tests may")]

use std::{fs, path::Path};

use needledrop::{
    network::{
        card::{
            CARD_VERSION, Calibration, CardError, Combine, Input, ModelCard, Rejection, RejectionScore,
            Score, Training,
        },
        experiment::{NetworkSpec, experiment},
    },
    spectrogram::config::SpectrogramConfig,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn card() -> ModelCard {
    ModelCard {
        version: CARD_VERSION,
        name: "a card".into(),
        genres: (0..10).map(|genre| format!("genre {genre}")).collect(),
        spectrogram: SpectrogramConfig::default(),
        input: Input::Viridis { height: 128, width: 128 },
        network: experiment("8").unwrap().network,
        embedding_length: 128,
        combine: Combine::LogPool { correlation: 0.25 },
        temperature: 1.3,
        bias: (0..10).map(|genre| 0.25 * genre as f32 - 1.0).collect(),
        rejection: Some(Rejection { score: RejectionScore::Probe, threshold: -0.4 }),
        least_confidence: Some(0.5),
        training: Training { seed: Some(7), ..Training::default() },
        scores: vec![Score {
            split: "clips".into(),
            part: "test".into(),
            per: "clip".into(),
            accuracy: 0.885,
            interval: Some([0.861, 0.907]),
            trainings: Some(5),
        }],
        licence: "MIT".into(),
        date: "2026-11-22".into(),
    }
}

/// The card with one change, as another program might have written it.
fn with(change: impl FnOnce(&mut Value)) -> Result<ModelCard, CardError> {
    let mut value = serde_json::to_value(card()).unwrap();
    change(&mut value);
    ModelCard::from_json(&value.to_string())
}

#[test]
fn a_card_is_read_as_it_was_written() {
    assert_eq!(ModelCard::from_json(&card().to_json().unwrap()), Ok(card()));
    let log_mel = ModelCard {
        input: Input::LogMel { mean: -40.0, deviation: 17.3 },
        network: NetworkSpec { input: [1, 128, 130], ..card().network },
        ..card()
    };
    assert_eq!(ModelCard::from_json(&log_mel.to_json().unwrap()), Ok(log_mel));
}

/// Whoever writes one by hand has docs/training.md alone.
#[test]
fn the_card_of_the_documents_is_one() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/training.md");
    let page = fs::read_to_string(page).unwrap();
    let mut blocks = page.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next());
    let card = ModelCard::from_json(blocks.find(|json| json.contains("\"version\"")).unwrap()).unwrap();
    is_sound(&card);
    assert_eq!((card.embedding_length, card.temperature, card.rejection), (128, 1.0, None));
}

#[test]
fn what_need_not_be_said_has_a_default() {
    let short = with(|card| {
        for key in [
            "combine",
            "temperature",
            "bias",
            "rejection",
            "least_confidence",
            "training",
            "scores",
            "licence",
            "date",
        ] {
            card.as_object_mut().unwrap().remove(key);
        }
        card["spectrogram"].as_object_mut().unwrap().remove("pad_mode");
    });
    let short = short.unwrap();
    assert_eq!(short.calibration(), Calibration::default());
    assert_eq!((short.temperature, short.combine), (1.0, Combine::MeanProbability));
    assert_eq!(short.scaled(&[2.0, -1.0]), [2.0, -1.0]);
    let scaled = card().scaled(&[2.6, 0.0, 1.3, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.3]);
    assert_eq!(scaled, [1.0, -0.75, 0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0, 0.25]);
    assert_eq!(card().calibration().scaled(&[1.3]), [0.0]);
    assert_eq!(short.spectrogram, SpectrogramConfig::default());
}

#[test]
fn a_threshold_without_a_score_is_of_the_largest_probability() {
    let older = |threshold: Value| {
        with(|card| {
            card.as_object_mut().unwrap().remove("rejection");
            card["rejection_threshold"] = threshold;
        })
    };
    let rejection = Rejection { score: RejectionScore::MaxProbability, threshold: 0.4 };
    assert_eq!(older(json!(0.4)).unwrap().rejection, Some(rejection));
    assert_eq!(older(Value::Null).unwrap().rejection, None);
    // Both at once cannot be meant.
    let both = with(|card| card["rejection_threshold"] = json!(0.4));
    assert!(matches!(both, Err(CardError::Unreadable(_))), "{both:?}");
}

#[test]
fn scores_and_pools_are_called_by_their_names() {
    for score in RejectionScore::ALL {
        assert_eq!(serde_json::to_value(score).unwrap(), score.name());
    }
    let written = serde_json::to_value(card()).unwrap();
    assert_eq!(written["combine"], json!({"log_pool": {"correlation": 0.25}}));
    let unknown = with(|card| card["rejection"]["score"] = json!("astrology"));
    assert!(matches!(unknown, Err(CardError::Unreadable(_))), "{unknown:?}");
    let mean = with(|card| card["combine"] = json!("mean_probability"));
    assert_eq!(mean.unwrap().combine, Combine::MeanProbability);
}

#[test]
fn another_version_is_named_before_its_fields_are_read() {
    let newer = ModelCard::from_json(r#"{"version": 2, "genres": {"by": "id"}}"#);
    assert_eq!(newer, Err(CardError::Version { found: 2 }));
}

#[test]
fn a_card_that_contradicts_itself_is_refused() {
    let changes: [fn(&mut Value); 16] = [
        |card| card["genres"] = json!(["one", "two"]),
        |card| card["genres"][9] = json!("genre 0"),
        |card| (card["genres"], card["network"]["classes"]) = (json!(["one"]), json!(1)),
        |card| card["embedding_length"] = json!(512),
        |card| card["input"]["width"] = json!(130),
        |card| card["input"] = json!({"kind": "log_mel", "mean": -40.0, "deviation": 1.0}),
        |card| card["network"]["input"] = json!([1, 128, 128]),
        |card| card["temperature"] = json!(0.0),
        |card| card["temperature"] = json!(1e-40),
        |card| card["bias"] = json!([0.5]),
        |card| card["combine"]["log_pool"]["correlation"] = json!(1.5),
        |card| card["combine"]["log_pool"]["correlation"] = json!(-0.1),
        |card| card["least_confidence"] = json!(50),
        |card| card["scores"][0]["accuracy"] = json!(88.5),
        |card| {
            card["input"] = json!({"kind": "log_mel", "mean": 0.0, "deviation": 0.0});
            card["network"]["input"] = json!([1, 128, 130]);
        },
        |card| {
            card["input"] = json!({"kind": "log_mel", "mean": 0.0, "deviation": 1e-44});
            card["network"]["input"] = json!([1, 128, 130]);
        },
    ];
    for (index, change) in changes.into_iter().enumerate() {
        assert!(matches!(with(change), Err(CardError::Contradiction(_))), "change {index}");
    }
}

#[test]
fn a_front_end_that_cannot_be_is_refused() {
    let changes = [
        ("sample_rate", json!(0)),
        ("sample_rate", json!(7_999)),
        ("sample_rate", json!(192_001)),
        ("sample_rate", json!(4_000_000_000_u32)),
        ("n_fft", json!(0)),
        ("n_fft", json!(1_u64 << 31)),
        ("hop_length", json!(0)),
        ("hop_length", json!(1)),
        ("n_mels", json!(0)),
        ("n_mels", json!(1_000_000)),
        ("fmin", json!(-1.0)),
        ("fmin", json!(11_025.0)),
        ("fmax", json!(0.5)),
        ("fmax", json!(12_000.0)),
        ("top_db", json!(0.0)),
        ("clip_seconds", json!(0.0)),
        ("clip_seconds", json!(1e30)),
    ];
    for (setting, value) in changes {
        let refused = with(|card| card["spectrogram"][setting] = value.clone());
        assert!(matches!(refused, Err(CardError::Spectrogram(_))), "{setting} {value}: {refused:?}");
    }
}

/// Read as infinite, or as none at all: the page's reader of JSON does the one, the command's,
/// which keeps every bit, the other.
#[test]
fn numbers_beyond_all_bounds_are_refused() {
    let changes: [fn(&mut Value); 5] = [
        |card| card["temperature"] = json!(1e300),
        |card| card["bias"][3] = json!(1e300),
        |card| card["rejection"]["threshold"] = json!(1e300),
        |card| card["scores"][0]["accuracy"] = json!(1e300),
        |card| card["spectrogram"]["fmax"] = json!(1e300),
    ];
    for (index, change) in changes.into_iter().enumerate() {
        assert!(with(change).is_err(), "change {index}");
    }
}

/// Any JSON, numbers at the edges of their types among it.
fn any_json() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0_u32..64).prop_map(|bits| Value::from(1_u64 << bits)),
        (0_u64..300).prop_map(Value::from),
    ];
    let leaf = prop_oneof![
        4 => number,
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        1 => prop_oneof!["valid", "same", "viridis", "log_mel", "reflect", ".{0,8}"].prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec(("[a-z_]{0,8}", inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Every place in the value that can be replaced.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(key, value)| places(value, &format!("{at}/{key}"), found))
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| places(item, &format!("{at}/{index}"), found));
        }
        _ => {}
    }
}

/// A card that was accepted can be worked with.
fn is_sound(card: &ModelCard) {
    card.network.layers().unwrap();
    card.network.flops().unwrap();
    assert_eq!(card.input.shape(&card.spectrogram), card.network.input);
    assert_eq!(ModelCard::from_json(&card.to_json().unwrap()).as_ref(), Ok(card));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_card_with_anything_anywhere_is_refused_or_sound(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any_json()), 1..4),
    ) {
        let mut value = serde_json::to_value(card()).unwrap();
        for (index, replacement) in changes {
            let mut found = Vec::new();
            places(&value, "", &mut found);
            if let Some(place) = value.pointer_mut(index.get::<String>(&found)) {
                *place = replacement;
            }
        }
        if let Ok(card) = ModelCard::from_json(&value.to_string()) {
            is_sound(&card);
        }
    }

    #[test]
    fn any_text_is_refused(text in ".{0,64}") {
        prop_assert!(ModelCard::from_json(&text).is_err());
    }

    #[test]
    fn a_card_cut_short_is_refused(share in 0.0..1.0) {
        let text = card().to_json().unwrap();
        let end = (text.len() as f64 * share) as usize;
        prop_assert!(ModelCard::from_json(&text[..end]).is_err());
    }
}
