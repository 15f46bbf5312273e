//! What each fuzz target does with what it is given. `tests/fuzz.rs` does the same with
//! damaged real inputs in every `make test`.

use std::io::Cursor;

use needledrop::{
    engine::protocol::{Reply, Request, read, write},
    network::{
        card::ModelCard,
        weights::{Precision, Weights},
    },
    sound::{
        clips::SongReader,
        decode::{Opened, open},
        song::{ClipFormat, SongProblem},
    },
};
use serde::{Serialize, de::DeserializeOwned};

/// Clips that are read of a file: enough to be past its headers, and few enough
/// to go on to the next.
const MOST_CLIPS: usize = 200;

/// Short clips, so that short files have some.
const FORMAT: ClipFormat = ClipFormat { sample_rate: 22_050, samples: 4_096 };

/// Any text as a model card; one that is understood comes back as it was.
pub fn card(text: &str) {
    let Ok(card) = ModelCard::from_json(text) else { return };
    let Ok(written) = card.to_json() else { return };
    assert_eq!(ModelCard::from_json(&written), Ok(card));
}

/// Any bytes as a sound file: an answer or a problem, and finite samples.
pub fn decode(bytes: &[u8]) {
    // A problem is an answer too.
    let _ = hear(bytes);
}

fn hear(bytes: &[u8]) -> Result<(), SongProblem> {
    match open(Box::new(Cursor::new(bytes.to_vec())))? {
        Opened::Ours(decoder) => {
            let mut song = SongReader::new(decoder, FORMAT)?;
            for _ in 0..MOST_CLIPS {
                let Some(clip) = song.next_clip()? else { break };
                assert!(clip.samples.iter().all(|sample| sample.is_finite()));
            }
            song.notices();
        }
        Opened::Packets(mut reader) => {
            while reader.next_packet()?.is_some() {}
            reader.notices(0.0);
        }
    }
    Ok(())
}

/// Any text as a message; one that is understood comes back as it was.
pub fn protocol(text: &str) {
    there_and_back::<Request>(text);
    there_and_back::<Reply>(text);
}

fn there_and_back<T: Serialize + DeserializeOwned>(text: &str) {
    let Ok(message) = read::<T>(text) else { return };
    let Ok(written) = write(&message) else { return };
    let again = read::<T>(&written).and_then(|message| write(&message));
    assert_eq!(again.ok(), Some(written));
}

/// Any bytes as a model; one that is understood comes back as it was.
pub fn weights(bytes: &[u8]) {
    let Ok(weights) = Weights::from_bytes(bytes) else { return };
    let Ok(written) = weights.to_bytes(Precision::F32) else { return };
    assert_eq!(Weights::from_bytes(&written).ok(), Some(weights));
}
