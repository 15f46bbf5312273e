//! A model card for networks that only tests have.

use needledrop::{
    network::{
        card::{CARD_VERSION, Input, ModelCard},
        experiment::NetworkSpec,
    },
    spectrogram::config::SpectrogramConfig,
};

/// The card of a network that looks at pictures; its genres are numbers.
pub(crate) fn of(network: NetworkSpec) -> ModelCard {
    let [_, height, width] = network.input;
    ModelCard {
        version: CARD_VERSION,
        name: "of a test".into(),
        genres: (0..network.classes).map(|genre| genre.to_string()).collect(),
        spectrogram: SpectrogramConfig::default(),
        input: Input::Viridis { height, width },
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
    }
}
