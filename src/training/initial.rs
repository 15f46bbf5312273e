//! The weights that a training begins with.
//!
//! In: a card and a seed. Out: Keras's default, on every device the same:
//! kernels by X. Glorot and Y. Bengio, "Understanding the difficulty of training
//! deep feedforward neural networks" (2010), biases 0. Or what another training
//! ended with.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::network::{
    card::ModelCard,
    weights::{Weights, WeightsError},
};

/// Why a training cannot begin with a model's weights.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// Something of the card that both must have alike.
    #[error("its {0} is not that of the network that is to be trained")]
    Other(&'static str),
    /// The same genres, and nobody knows that the clips held out now were so before.
    #[error(
        "it was trained with {0}, and may have heard clips that this split holds out: its scores would mean \
         nothing; begin with one that was trained with the same split"
    )]
    Heard(String),
    /// The card is no card.
    #[error(transparent)]
    Weights(#[from] WeightsError),
}

/// Kernels uniform within ±√(6 / (fan-in + fan-out)), biases 0.
///
/// # Errors
/// [`WeightsError::Card`] where the card is no card.
pub fn glorot_uniform(card: ModelCard, seed: u64) -> Result<Weights, WeightsError> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Weights::from_values(card, |_, shape| {
        let cells: usize = shape.iter().product();
        let &[outputs, inputs, ref kernel @ ..] = shape else { return Ok(vec![0.0; cells]) };
        let places: usize = kernel.iter().product();
        let limit = (6.0 / ((inputs + outputs) * places) as f32).sqrt();
        Ok((0..cells).map(|_| rng.random_range(-limit..=limit)).collect())
    })
}

/// What another training ended with. A model of other genres gives all but its last
/// layer, which is drawn as [`glorot_uniform`] does.
///
/// # Errors
/// [`BeginError`] where input, front end or network differ, or where the genres are
/// the same and the split is not.
pub fn begin_with(model: &Weights, card: ModelCard, seed: u64) -> Result<Weights, BeginError> {
    let of_model = model.card();
    let mut network = of_model.network.clone();
    // Neither changes what a weight means.
    network.classes = card.network.classes;
    for (network, of_card) in network.blocks.iter_mut().zip(&card.network.blocks) {
        network.dropout = of_card.dropout;
    }
    for (same, what) in [
        (of_model.input == card.input, "input"),
        (of_model.spectrogram == card.spectrogram, "front end"),
        (network == card.network, "network"),
    ] {
        if !same {
            return Err(BeginError::Other(what));
        }
    }
    let same_genres = of_model.genres == card.genres;
    let fingerprint = &of_model.training.split_fingerprint;
    if same_genres && (fingerprint.is_none() || *fingerprint != card.training.split_fingerprint) {
        let split = match fingerprint {
            Some(_) => format!("another split, `{}`", of_model.training.split),
            None => "a split that its card does not tell".into(),
        };
        return Err(BeginError::Heard(split));
    }
    let drawn = glorot_uniform(card.clone(), seed)?;
    Ok(Weights::from_values(card, |name, shape| {
        let from = if same_genres || !name.starts_with("logits.") { model } else { &drawn };
        Ok(from.tensor(name, shape)?.to_vec())
    })?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dataset::archive::{Item, MelArchive, Track},
        network::{
            card::Input,
            experiment::{ConvBlock, NetworkSpec, Padding, Pooling},
            weights::tensor_shapes,
        },
        spectrogram::config::SpectrogramConfig,
        training::small_card,
    };

    fn card(genres: usize, split: Option<&str>) -> ModelCard {
        let spectrogram =
            SpectrogramConfig { n_mels: 8, hop_length: 6615, center: false, ..SpectrogramConfig::default() };
        let archive = MelArchive::new(
            (0..genres).map(|genre| genre.to_string()).collect(),
            (0..genres).map(|genre| Track { name: genre.to_string(), genre }).collect(),
            spectrogram,
            (0..genres).map(|track| Item { track, frames: 9 }).collect(),
            vec![0; genres * 8 * 9],
        )
        .unwrap();
        let input = Input::LogMel { mean: -40.0, deviation: 20.0 };
        let block = ConvBlock { filters: 4, kernel: 3, padding: Padding::Same, pool: [2, 2], dropout: 0.2 };
        let network = NetworkSpec {
            input: input.shape(&archive.spectrogram),
            blocks: vec![block],
            pooling: Pooling::Statistics,
            dense: vec![5],
            classes: genres,
        };
        let mut card = small_card(&archive, input, network);
        card.training.split_fingerprint = split.map(Into::into);
        card
    }

    fn values<'a>(weights: &'a Weights, name: &str) -> &'a [f32] {
        let shapes = tensor_shapes(&weights.card().network).unwrap();
        let (_, shape) = shapes.into_iter().find(|(of, _)| of == name).unwrap();
        weights.tensor(name, &shape).unwrap()
    }

    #[test]
    fn a_training_begins_with_what_another_ended_with() {
        let model = glorot_uniform(card(3, Some("a")), 1).unwrap();
        let mut of_card = card(3, Some("a"));
        of_card.network.blocks[0].dropout = 0.5;
        let begun = begin_with(&model, of_card.clone(), 2).unwrap();
        assert_eq!(begun.card(), &of_card);
        for name in ["conv0.weight", "dense0.weight", "logits.weight"] {
            assert_eq!(values(&begun, name), values(&model, name), "{name}");
        }
    }

    #[test]
    fn other_genres_have_a_last_layer_of_their_own() {
        let model = glorot_uniform(card(3, None), 1).unwrap();
        let begun = begin_with(&model, card(4, Some("b")), 2).unwrap();
        assert_eq!(values(&begun, "dense0.weight"), values(&model, "dense0.weight"));
        let drawn = glorot_uniform(card(4, Some("b")), 2).unwrap();
        assert_eq!(values(&begun, "logits.weight"), values(&drawn, "logits.weight"));
    }

    #[test]
    fn who_may_have_heard_what_is_held_out_is_refused() {
        for split in [None, Some("b")] {
            let model = glorot_uniform(card(3, split), 1).unwrap();
            let refused = begin_with(&model, card(3, Some("a")), 2).unwrap_err();
            assert!(matches!(refused, BeginError::Heard(_)), "{refused}");
        }
    }

    #[test]
    fn another_network_is_refused() {
        let model = glorot_uniform(card(3, Some("a")), 1).unwrap();
        let mut wider = card(3, Some("a"));
        wider.network.dense = vec![6];
        wider.embedding_length = 6;
        let mut brighter = card(3, Some("a"));
        brighter.input = Input::LogMel { mean: -30.0, deviation: 20.0 };
        for (card, what) in [(wider, "network"), (brighter, "input")] {
            let refused = begin_with(&model, card, 2).unwrap_err().to_string();
            assert!(refused.contains(what), "{refused}");
        }
    }
}
