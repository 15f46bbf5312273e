//! Where results may go: nothing takes the place of what took long to make and is of
//! another kind.

use std::{
    fmt,
    fs::File,
    io::{self, BufReader, Read},
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
    /// What an evaluation or a calibration measured.
    Scores,
    /// The page's experiments.
    Experiments,
    /// The page's map.
    Map,
}

impl fmt::Display for Made {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Checkpoint => "the checkpoint of a training",
            Self::Archive => "an archive of spectrograms",
            Self::Model => "a model",
            Self::Scores => "the scores of a model",
            Self::Experiments => "the page's experiments",
            Self::Map => "the page's map",
        })
    }
}

/// Holds that `by` can be written to `path`, and would replace nothing that is something else. To
/// be asked before long work, too.
pub(crate) fn check(path: &Path, by: Made) -> anyhow::Result<()> {
    // `report` makes its folder, in which the page's numbers may lie, only after it has asked.
    if by != Made::Experiments {
        folder_of(path)?;
    }
    let shown = path.display();
    let Ok(there) = path.metadata() else { return Ok(()) };
    if there.is_dir() {
        bail!("{shown} is a folder; name a file in it");
    }
    // Whoever opens a pipe waits for its other end.
    if !there.is_file() {
        bail!("{shown} is no file, and would be replaced by one; give another name");
    }
    match content(path) {
        // Nothing is lost with it.
        _ if there.len() == 0 => Ok(()),
        Some(content) if content == by => Ok(()),
        Some(content) => bail!("{shown} is {content}, which {by} would replace: name another file"),
        None => bail!(
            "{shown} is a file of another kind, which {by} would replace: name another, or move it away first"
        ),
    }
}

/// The folder of a file that is to be written, which has to be there.
pub(crate) fn folder_of(path: &Path) -> anyhow::Result<&Path> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        bail!("the folder {} does not exist; make it first", folder.display());
    }
    Ok(folder)
}

/// What a file is, by what the metadata of safetensors or JSON say; nothing of any other file.
fn content(path: &Path) -> Option<Made> {
    let Ok(header) = header(path) else { return content_of_json(path) };
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

/// The same of JSON: what was measured says so, and what the page reads is known by its fields.
fn content_of_json(path: &Path) -> Option<Made> {
    // Read as far as it is JSON.
    let json: Value = serde_json::from_reader(BufReader::new(File::open(path).ok()?)).ok()?;
    let has = |fields: [&str; 2]| fields.iter().all(|field| json.get(field).is_some());
    if json["format"].as_str().is_some_and(|format| format.starts_with("needledrop ")) {
        Some(Made::Scores)
    } else if has(["version", "rows"]) {
        Some(Made::Experiments)
    } else if has(["version", "space"]) {
        Some(Made::Map)
    } else {
        None
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
