//! A network of one's own with its recipe, in a file.
//!
//! In: JSON. Out: a [`Design`], which `needledrop train --design` follows as it
//! does a row of the paper.

use serde::{Deserialize, Serialize};

use super::recipe::Recipe;
use crate::network::{card::Input, experiment::NetworkSpec};

/// What is trained, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Design {
    /// What people call the model.
    pub name: String,
    /// What is made of the spectrogram.
    pub input: Input,
    /// The network.
    pub network: NetworkSpec,
    /// The recipe.
    pub recipe: Recipe,
}

impl Design {
    /// Reads a file's text.
    ///
    /// # Errors
    /// What JSON or a field is wrong.
    pub fn from_json(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }
}
