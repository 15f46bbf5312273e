//! What the fuzz targets do, done to real inputs, whole and damaged; `fuzz/` goes on for
//! as long as one likes. Damaged sound files are in `tests/sound/mutations.rs`.

#![allow(clippy::unwrap_used, reason = "helpers of tests may stop as tests may")]

use std::{fs, path::Path};

use needledrop::{
    engine::protocol::{
        ClipFormat, ModelId, PROTOCOL_VERSION, Reply, Request, Role, SongId, SongProblem, Ticket, read, write,
    },
    network::{card::ModelCard, weights::Weights},
};
use proptest::{prelude::*, sample::Index};

#[path = "../fuzz/src/lib.rs"]
#[allow(unreachable_pub, reason = "it is a library where it is at home")]
mod checks;

/// Bytes at the start of a file that say what the rest is.
const HEADER: usize = 4_000;

fn shipped(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("www/model").join(name)).unwrap()
}

/// The card of the reference.
const CARD: &str = include_str!("golden/row8-keras.card.json");

/// Some bytes set to others, most of them in the header.
fn damaged(mut bytes: Vec<u8>, damage: &[(bool, Index, u8)]) -> Vec<u8> {
    for (header, place, byte) in damage {
        let length = if *header { bytes.len().min(HEADER) } else { bytes.len() };
        let place = place.index(length);
        bytes[place] = *byte;
    }
    bytes
}

fn damage() -> impl Strategy<Value = Vec<(bool, Index, u8)>> {
    prop::collection::vec((prop::bool::weighted(0.9), any::<Index>(), any::<u8>()), 0..3)
}

/// Messages as they go to and fro.
fn messages() -> Vec<String> {
    let (song, model, ticket) = (SongId(3), ModelId(1), Ticket(7));
    let requests = [
        Request::Start { protocol: PROTOCOL_VERSION, role: Role::Gpu, software: true, flex: false },
        Request::Classify { ticket, model },
        Request::Explain { ticket, model, class: 9, patches: vec![None] },
        Request::Open { song, format: ClipFormat { sample_rate: 22_050, samples: 66_150 }, first_clip: 2 },
    ];
    let card = ModelCard::from_json(CARD).unwrap();
    let replies = [
        Reply::Model { model, card: Box::new(card), clips_per_second: 121.7, batch: 8, warm_up: 33.1 },
        Reply::Verdict {
            ticket,
            index: 0,
            probabilities: vec![0.1; 10],
            score: Some(-1.3),
            refused: false,
            milliseconds: 8.3,
        },
        Reply::Problem { song, problem: SongProblem::Codec { codec: "opus".into() } },
        Reply::Clip { song, clip: 4, end_seconds: 15.0, progress: Some(0.3) },
    ];
    let requests = requests.iter().map(|request| write(request).unwrap());
    requests.chain(replies.iter().map(|reply| write(reply).unwrap())).collect()
}

#[test]
fn what_is_whole_is_read() {
    assert!(Weights::from_bytes(&shipped("ears.safetensors")).is_ok());
    for message in messages() {
        assert!(read::<Request>(&message).is_ok() || read::<Reply>(&message).is_ok(), "{message}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_card_is_refused_or_comes_back(damage in damage()) {
        let bytes = damaged(CARD.into(), &damage);
        checks::card(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn weights_are_refused_or_come_back(damage in damage()) {
        checks::weights(&damaged(shipped("ears.safetensors"), &damage));
    }

    #[test]
    fn a_message_is_refused_or_comes_back(message in prop::sample::select(messages()), damage in damage()) {
        let bytes = damaged(message.into_bytes(), &damage);
        checks::protocol(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn bytes_that_are_no_sound_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..3_000)) {
        checks::decode(&bytes);
    }
}
