//! From clips with known genres to weights.
//!
//! In: a data set and its split, a network and a [`Recipe`](recipe::Recipe).
//! Out: the weights of the epoch that did best on validation, the
//! [`history`] of the run, and what the network says of every clip.
//! A run that is stopped, or killed, goes on from its last
//! [`checkpoint`] to the same weights. [`calibration`] makes what they say believable,
//! [`evaluate`] says what they are worth.

pub mod history;
pub mod recipe;

#[cfg(feature = "training")]
pub mod augment;
#[cfg(feature = "training")]
pub mod calibration;
#[cfg(feature = "training")]
pub mod checkpoint;
#[cfg(feature = "training")]
pub mod design;
#[cfg(feature = "training")]
pub mod device;
#[cfg(feature = "training")]
pub mod evaluate;
#[cfg(feature = "training")]
pub mod fit;
#[cfg(feature = "training")]
pub mod initial;
#[cfg(feature = "training")]
pub mod inputs;

/// The card of a network that only a test has, for clips of an archive.
#[cfg(test)]
#[cfg(feature = "training")]
fn small_card(
    archive: &crate::dataset::archive::MelArchive,
    input: crate::network::card::Input,
    network: crate::network::experiment::NetworkSpec,
) -> crate::network::card::ModelCard {
    let card = crate::network::card::ModelCard {
        version: crate::network::card::CARD_VERSION,
        name: "small".into(),
        genres: archive.genres.clone(),
        spectrogram: archive.spectrogram.clone(),
        input,
        embedding_length: network.embedding_length().unwrap(),
        network,
        combine: Default::default(),
        temperature: 1.0,
        bias: Vec::new(),
        rejection: None,
        least_confidence: None,
        training: Default::default(),
        scores: vec![],
        licence: String::new(),
        date: String::new(),
    };
    card.validate().unwrap();
    card
}
