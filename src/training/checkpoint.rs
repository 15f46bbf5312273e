//! A run on disk: where it stands, whole or not at all.
//!
//! In: a [`Checkpoint`]. Out: one safetensors file, written beside the old one,
//! flushed to the disk and renamed over it, so that a kill or a power cut at any
//! moment leaves the old or the new one whole.
//!
//! Tensors: `now.NAME`, `average.NAME` and `best.NAME`, the weights as the page's files name
//! them; `optimiser`, bytes of burn's own record. Metadata: `checkpoint`, the
//! [`State`] as JSON; `card`, the model's.

use std::{collections::HashMap, fs, io, path::Path};

use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};

use super::{
    fit::{Best, Running},
    history::{Earlier, Epoch, Session},
    recipe::Recipe,
};
use crate::{
    dataset::choice::SplitChoice,
    files::write_whole,
    network::{
        card::{CARD_KEY, ModelCard},
        weights::{Bytes, Weights, WeightsError},
    },
};

/// Version of the format that this build writes and reads.
const VERSION: u32 = 1;
/// The metadata's entry that a checkpoint alone has.
pub const STATE_KEY: &str = "checkpoint";

/// Why there is no checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file is absent, or not ours to read.
    #[error("the checkpoint {path} cannot be read: {error}")]
    Unread {
        /// The file.
        path: String,
        /// What the system said.
        error: io::Error,
    },
    /// The disk is full, or the folder is not writable.
    #[error(
        "the checkpoint {path} cannot be written: {error}; {}",
        if *.earlier {
            "the one before it is still there: once that is mended, the same command with --resume goes on"
        } else {
            "once that is mended, the same command begins again"
        }
    )]
    Unwritten {
        /// The file.
        path: String,
        /// What the system said.
        error: io::Error,
        /// Whether there is one of before.
        earlier: bool,
    },
    /// Not one of ours.
    #[error("{path} is not a checkpoint of this version of needledrop: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// Its weights do not fit its card.
    #[error(transparent)]
    Weights(#[from] WeightsError),
}

/// Where a run stands; beside it only the weights and the optimiser's state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    version: u32,
    /// What it is trained with: a resumed run must be told the same.
    pub recipe: Recipe,
    /// What weights, order and dropout are drawn from.
    pub seed: u64,
    /// Name, seed and sizes of the split.
    pub split: String,
    /// The same, so that it can be drawn again; absent in files of before it was
    /// written down.
    #[serde(default)]
    pub choice: Option<SplitChoice>,
    /// SHA-256 of the weights it began with, where another training made them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun_with: Option<String>,
    /// SHA-256 of the weights of each network that teaches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub teachers: Vec<String>,
    /// The trainings of all of these, and those that they built on before them; those
    /// of models whose run was not at hand are missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Earlier>,
    /// The calls that trained so far.
    #[serde(default)]
    pub sessions: Vec<Session>,
    /// Epochs that are over.
    pub epoch: usize,
    /// Steps of the next one that are.
    pub step: usize,
    /// Sums over these steps.
    pub running: Running,
    /// Epochs so far.
    pub history: Vec<Epoch>,
    /// Seconds spent in this epoch so far.
    pub epoch_seconds: f64,
    /// Which epoch was the best; its weights lie beside.
    pub best: Option<Best>,
}

impl State {
    /// Of a run that has not begun.
    pub fn new(recipe: Recipe, seed: u64, split: String) -> Self {
        Self {
            version: VERSION,
            recipe,
            seed,
            split,
            choice: None,
            begun_with: None,
            teachers: Vec::new(),
            earlier: Vec::new(),
            sessions: Vec::new(),
            epoch: 0,
            step: 0,
            running: Running::default(),
            history: Vec::new(),
            epoch_seconds: 0.0,
            best: None,
        }
    }
}

/// A run that can go on.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// Where it stands.
    pub state: State,
    /// The weights now, with the card.
    pub now: Weights,
    /// Their mean over the steps, where the recipe keeps one.
    pub average: Option<Weights>,
    /// Those of the best epoch so far, as they are used.
    pub best: Option<Weights>,
    /// burn's record of the optimiser; empty before the first step.
    pub optimiser: Vec<u8>,
}

impl Checkpoint {
    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// [`CheckpointError::Unwritten`]; the old file is then still there.
    pub fn save(&self, path: &Path) -> Result<(), CheckpointError> {
        let unreadable =
            |reason: String| CheckpointError::Unreadable { path: path.display().to_string(), reason };
        let state = serde_json::to_string(&self.state).map_err(|error| unreadable(error.to_string()))?;
        let card = self.now.card().to_json().map_err(WeightsError::from)?;
        let metadata = HashMap::from([(STATE_KEY.to_owned(), state), (CARD_KEY.to_owned(), card)]);
        let optimiser =
            Bytes { dtype: Dtype::U8, shape: vec![self.optimiser.len()], bytes: (&self.optimiser).into() };
        let mut tensors = vec![("optimiser".to_owned(), optimiser)];
        let parts =
            [("now", Some(&self.now)), ("average", self.average.as_ref()), ("best", self.best.as_ref())];
        for (part, weights) in parts {
            for (name, tensor) in weights.into_iter().flat_map(Weights::views) {
                tensors.push((format!("{part}.{name}"), tensor));
            }
        }
        let bytes =
            safetensors::serialize(tensors, Some(metadata)).map_err(|error| unreadable(error.to_string()))?;
        write_whole(path, &bytes).map_err(|error| CheckpointError::Unwritten {
            path: path.display().to_string(),
            error,
            earlier: path.exists(),
        })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`CheckpointError`] with the first thing that is wrong.
    pub fn load(path: &Path) -> Result<Self, CheckpointError> {
        let shown = || path.display().to_string();
        let unreadable = |reason: String| CheckpointError::Unreadable { path: shown(), reason };
        let bytes = fs::read(path).map_err(|error| CheckpointError::Unread { path: shown(), error })?;
        let (_, header) =
            SafeTensors::read_metadata(&bytes).map_err(|error| unreadable(error.to_string()))?;
        let entry = |key: &str| {
            let entry = header.metadata().as_ref().and_then(|entries| entries.get(key));
            entry.ok_or_else(|| unreadable(format!("it has no `{key}`")))
        };
        let state: State =
            serde_json::from_str(entry(STATE_KEY)?).map_err(|error| unreadable(error.to_string()))?;
        if state.version != VERSION {
            return Err(unreadable(format!("it has version {}", state.version)));
        }
        let epochs = state.history.len();
        if state.epoch != epochs || state.best.is_some_and(|best| best.epoch >= epochs) {
            return Err(unreadable(format!("it tells of {epochs} epochs and is in epoch {}", state.epoch)));
        }
        let card = ModelCard::from_json(entry(CARD_KEY)?).map_err(WeightsError::from)?;
        let file = SafeTensors::deserialize(&bytes).map_err(|error| unreadable(error.to_string()))?;
        let optimiser = file.tensor("optimiser").map_err(|error| unreadable(error.to_string()))?;
        let best = match state.best {
            Some(_) => Some(Weights::from_part(&file, "best.", card.clone())?),
            None => None,
        };
        let average = match state.recipe.beyond.averaging {
            0.0 => None,
            _ => Some(Weights::from_part(&file, "average.", card.clone())?),
        };
        let now = Weights::from_part(&file, "now.", card)?;
        Ok(Self { state, now, average, best, optimiser: optimiser.data().to_vec() })
    }
}
