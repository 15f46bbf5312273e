//! A network of one's own with its recipe, in a file.
//!
//! In: JSON. Out: a [`Design`], which `needledrop train --design` follows as it
//! does a row of the paper.

use serde::{Deserialize, Serialize};

use super::recipe::Recipe;
use crate::{
    network::{card::Input, experiment::NetworkSpec},
    spectrogram::config::SpectrogramConfig,
};

/// What is trained, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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

/// Why a design cannot be trained.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DesignError {
    /// No JSON, or a setting that there is not.
    #[error("this is no design: {0}")]
    Unreadable(String),
    /// Clips of the data set have another size.
    #[error(
        "the network's input is {design:?} and the archive's clips are {archive:?} (channels, bands, frames): \
         say so in the design, or prepare another archive"
    )]
    Input {
        /// What the design says.
        design: [usize; 3],
        /// What its input would be.
        archive: [usize; 3],
    },
    /// One of two channels would be blanked, and there are not two.
    #[error("the augmentation's `blank` is for an input of two channels, `log_mel_pair`: leave it out")]
    Blank,
    /// The data set has more or fewer genres.
    #[error(
        "the network tells {design} classes apart and the archive has {archive} genres: say so in the design"
    )]
    Classes {
        /// What the design says.
        design: usize,
        /// What there are.
        archive: usize,
    },
}

impl Design {
    /// Reads a file's text.
    ///
    /// # Errors
    /// [`DesignError::Unreadable`] with the first thing that is wrong; a setting
    /// that there is not is wrong too.
    pub fn from_json(json: &str) -> Result<Self, DesignError> {
        serde_json::from_str(json).map_err(|error| DesignError::Unreadable(error.to_string()))
    }

    /// Checks that it fits a data set.
    ///
    /// # Errors
    /// [`DesignError`] with the first thing that does not.
    pub fn suits(&self, spectrogram: &SpectrogramConfig, genres: usize) -> Result<(), DesignError> {
        let (design, archive) = (self.network.input, self.input.shape(spectrogram));
        if design != archive {
            return Err(DesignError::Input { design, archive });
        }
        if self.network.classes != genres {
            return Err(DesignError::Classes { design: self.network.classes, archive: genres });
        }
        let blank = self.recipe.beyond.augmentation.is_some_and(|augmentation| augmentation.blank > 0.0);
        if blank && !matches!(self.input, Input::LogMelPair { .. }) {
            return Err(DesignError::Blank);
        }
        Ok(())
    }
}
