//! The weights that a training begins with.
//!
//! In: a card and a seed. Out: Keras's default, on every device the same:
//! kernels by X. Glorot and Y. Bengio, "Understanding the difficulty of training
//! deep feedforward neural networks" (2010), biases 0.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::network::{
    card::ModelCard,
    weights::{Weights, WeightsError},
};

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
