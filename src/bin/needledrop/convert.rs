//! `needledrop convert`: weights of Keras's layers to a model of ours.

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::{Args, ValueEnum};
use needledrop::network::{
    card::ModelCard,
    weights::{Precision, Weights},
};

use crate::{
    place::{self, Made},
    run,
};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Safetensors with `convN.kernel`, `dense.kernel`, `logits.kernel` and their biases.
    keras: PathBuf,
    /// The model card, as JSON.
    #[arg(long)]
    card: PathBuf,
    /// Where to write the model.
    #[arg(long, short)]
    output: PathBuf,
    /// How to store the weights.
    #[arg(long, value_enum, default_value_t = Stored::F16)]
    precision: Stored,
}

/// How weights are stored, as the command line has it.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Stored {
    F32,
    F16,
}

impl From<Stored> for Precision {
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::F32 => Self::F32,
            Stored::F16 => Self::F16,
        }
    }
}

pub(crate) fn run(Arguments { keras, card, output, precision }: &Arguments) -> anyhow::Result<ExitCode> {
    place::check(output, Made::Model)?;
    let json = fs::read_to_string(card).with_context(|| format!("cannot read {}", card.display()))?;
    let card = ModelCard::from_json(&json).with_context(|| card.display().to_string())?;
    let bytes = fs::read(keras).with_context(|| format!("cannot read {}", keras.display()))?;
    let weights = Weights::from_keras(&bytes, card).with_context(|| keras.display().to_string())?;
    let bytes = weights.to_bytes((*precision).into())?;
    run::write(output, &bytes)?;
    Ok(ExitCode::SUCCESS)
}
