//! A run's folder, as `train` leaves it and `evaluate` adds to it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use needledrop::{
    files::write_whole,
    network::{
        card::{Calibration, ModelCard},
        experiment::{NetworkSpec, experiments},
        weights::{Weights, tensor_shapes},
    },
    report::result::RunResult,
    training::{
        checkpoint::{Checkpoint, State},
        fit::is_over,
        recipe::Recipe,
    },
};
use sha2::{Digest, Sha256};

/// The checkpoint of a run.
pub(crate) fn checkpoint(folder: &Path) -> PathBuf {
    folder.join("checkpoint.safetensors")
}

/// Its weights of the epoch that was best, as the training left them.
pub(crate) fn best(folder: &Path) -> PathBuf {
    folder.join("best.safetensors")
}

/// The scores of a run.
pub(crate) fn result(folder: &Path) -> PathBuf {
    folder.join("result.json")
}

/// What its network made of the test clips.
pub(crate) fn embeddings(folder: &Path) -> PathBuf {
    folder.join("embeddings.safetensors")
}

/// Its best weights with the card that `calibrate` made.
pub(crate) fn calibrated(folder: &Path) -> PathBuf {
    folder.join("calibrated.safetensors")
}

/// Where a run stands, and its best weights as the training left them.
pub(crate) fn read_trained(folder: &Path) -> anyhow::Result<(State, Weights)> {
    exists(folder)?;
    let path = checkpoint(folder);
    if !path.exists() {
        bail!("{} is no run: it has no checkpoint.safetensors", folder.display());
    }
    let Checkpoint { state, best, .. } = Checkpoint::load(&path)?;
    if !is_over(&state) {
        eprintln!("Warning: the training in {} {}.", folder.display(), how_far(&state));
    }
    match best {
        Some(weights) => Ok((state, weights)),
        None => bail!("the run in {} has not ended an epoch yet", folder.display()),
    }
}

/// Where a training that is not over stopped, and how it goes on.
pub(crate) fn how_far(state: &State) -> String {
    let (epoch, epochs) = (state.history.len(), state.recipe.epochs);
    format!("stopped after {epoch} of at most {epochs} epochs; the same command with --resume goes on")
}

/// Where a run stands, and its best weights: calibrated, if they have been since
/// they were trained.
pub(crate) fn read_run(folder: &Path) -> anyhow::Result<(State, Weights)> {
    let (state, weights) = read_trained(folder)?;
    let path = calibrated(folder);
    if !path.exists() {
        return Ok((state, weights));
    }
    let calibrated = read_model(&path)?;
    if fingerprint(&calibrated)? == fingerprint(&weights)? {
        return Ok((state, calibrated));
    }
    eprintln!("{} is of other weights than the run has now: calibrate it again.", path.display());
    Ok((state, weights))
}

/// Fails where there is neither a run's folder nor a model's file of that name.
pub(crate) fn exists(model: &Path) -> anyhow::Result<()> {
    if !model.exists() {
        bail!("{} does not exist", model.display());
    }
    Ok(())
}

/// A model in a file.
pub(crate) fn read_model(path: &Path) -> anyhow::Result<Weights> {
    if path.is_dir() {
        bail!(
            "{} is a folder, not a model: of a run's, best.safetensors in it is one, or what `needledrop export` makes of it",
            path.display()
        );
    }
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Weights::from_bytes(&bytes).with_context(|| {
        let is_checkpoint = path.file_name() == checkpoint(Path::new("")).file_name();
        let best = path.with_file_name("best.safetensors");
        if is_checkpoint && best.exists() {
            format!(
                "{} is a training's checkpoint: the model beside it is {}",
                path.display(),
                best.display()
            )
        } else {
            format!("cannot use the model {}", path.display())
        }
    })
}

/// The card of a calibrated run or model.
pub(crate) fn read_calibrated(path: &Path) -> anyhow::Result<ModelCard> {
    let weights = if path.is_dir() { read_run(path)?.1 } else { read_model(path)? };
    if weights.card().calibration() == Calibration::default() {
        bail!("{} is not calibrated", path.display());
    }
    Ok(weights.card().clone())
}

/// Writes a file whole or not at all.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    write_whole(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// The scores in a file.
pub(crate) fn read_result(path: &Path) -> anyhow::Result<RunResult> {
    let json = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    RunResult::from_json(&json).with_context(|| path.display().to_string())
}

/// SHA-256 of all weights as f32, in the order of the network.
pub(crate) fn fingerprint(weights: &Weights) -> anyhow::Result<String> {
    let mut digest = Sha256::new();
    for (name, shape) in tensor_shapes(&weights.card().network)? {
        let values = weights.tensor(&name, &shape)?;
        digest.update(values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>());
    }
    Ok(format!("{:x}", digest.finalize()))
}

/// The L2 penalty of weights that a recipe has.
pub(crate) fn penalty(weights: &Weights, recipe: &Recipe) -> anyhow::Result<f64> {
    let mut squares = 0.0;
    for (name, shape) in tensor_shapes(&weights.card().network)? {
        if recipe.penalised.has(&name) {
            squares += weights.tensor(&name, &shape)?.iter().map(|w| f64::from(*w).powi(2)).sum::<f64>();
        }
    }
    Ok(recipe.l2 * squares)
}

/// The row of the paper whose network a card has. Two rows share a network where
/// only the penalty differs: the recipe then says which.
pub(crate) fn row(card: &ModelCard, recipe: Option<&Recipe>) -> Option<String> {
    let same = |network: &NetworkSpec| {
        NetworkSpec { classes: card.network.classes, ..network.clone() } == card.network
    };
    let mut rows: Vec<_> = experiments().into_iter().filter(|experiment| same(&experiment.network)).collect();
    if rows.len() > 1 {
        rows.retain(|experiment| recipe.is_some_and(|recipe| recipe.l2 == experiment.l2));
    }
    rows.pop().map(|experiment| experiment.row)
}
