//! Where results may go: nothing takes the place of what took long to make and is of
//! another kind.

use std::{
    fmt,
    fs::{File, Metadata},
    io::{self, Read},
    path::Path,
};

use anyhow::bail;
use needledrop::{network::card::CARD_KEY, training::checkpoint::STATE_KEY};
use serde_json::Value;

/// What commands make.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Made {
    /// A training as it stands.
    Checkpoint,
    /// Clips or tracks as `prepare` keeps them.
    Archive,
    /// Weights with a card.
    Model,
    /// Numbers as text.
    Json,
}

impl fmt::Display for Made {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Checkpoint => "the checkpoint of a training",
            Self::Archive => "an archive of spectrograms",
            Self::Model => "a model",
            Self::Json => "JSON",
        })
    }
}

/// Holds that no checkpoint, archive or model lies at `path` that `by`, being something
/// else, would replace. To be asked before long work, too.
pub(crate) fn check(path: &Path, by: Made) -> anyhow::Result<()> {
    match content(path) {
        Some(there) if there != by => {
            bail!("{} is {there}, which {by} would replace: name another file", path.display())
        }
        _ => Ok(()),
    }
}

/// What a safetensors file is, by what its metadata say; nothing of any other file.
fn content(path: &Path) -> Option<Made> {
    // Whoever opens a pipe waits for its other end.
    let header = path.metadata().ok().filter(Metadata::is_file).and_then(|_| header(path).ok())?;
    let metadata = header.get("__metadata__")?;
    let is_archive = metadata["format"].as_str().is_some_and(|format| format.starts_with("log-mel archive"));
    // A checkpoint has a card as well.
    if metadata.get(STATE_KEY).is_some() {
        Some(Made::Checkpoint)
    } else if is_archive {
        Some(Made::Archive)
    } else {
        metadata.get(CARD_KEY).map(|_| Made::Model)
    }
}

/// The header of a safetensors file: its length in 8 bytes, then JSON.
fn header(path: &Path) -> io::Result<Value> {
    /// As the crate safetensors has it.
    const LONGEST: u64 = 100_000_000;
    let mut file = File::open(path)?;
    let mut length = [0; 8];
    file.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut header = Vec::new();
    file.take(length).read_to_end(&mut header)?;
    Ok(serde_json::from_slice(&header)?)
}
