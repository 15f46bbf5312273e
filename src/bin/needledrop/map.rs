//! `needledrop map`: the page's model and an archive to the map of its test clips.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, bail};
use clap::Args;
use needledrop::{
    classify::verdict::argmax,
    dataset::{choice::SplitChoice, split::Part},
    network::{
        card::{ModelCard, Score},
        weights::Weights,
    },
    report::map::clip_map,
    training::{
        device::DeviceKind,
        fit::{Job, Predictions},
        inputs::{Inputs, fits},
    },
};

use crate::{
    data::{SplitArguments, read_archive},
    evaluate::{bar, embeddings, predict},
    place::{self, Made},
    run,
    session::open,
};

/// How far the accuracy of the clips may be from what the card says of them, or a clip and
/// a half where that is more: weights were rounded, and devices round in their own ways.
const SAME: f32 = 0.01;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The model that the page loads: weights with a card.
    model: PathBuf,
    /// The log-mel archive that it was trained on.
    #[arg(long)]
    archive: PathBuf,
    /// Where to compute: cpu, amx, flex, or what this build has beside them (cuda, wgpu, ndarray).
    #[arg(long, default_value = "cpu")]
    device: DeviceKind,
    /// Where to write the map.
    #[arg(long, short)]
    output: PathBuf,
    #[command(flatten)]
    split: SplitArguments,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    place::check(&arguments.output, Made::Map)?;
    let weights: Weights = run::read_model(&arguments.model)?;
    let card = weights.card();
    let archive = read_archive(&arguments.archive)?;
    fits(&archive, card).with_context(|| arguments.archive.display().to_string())?;
    let clips = archive.clips(card.spectrogram.clip_seconds);
    let split = arguments.split.split(&archive, &clips, &arguments.archive)?;
    let mut choice = split.choice(&archive, &clips);
    check_drawn(card, &choice)?;

    let device = open(arguments.device)?;
    let inputs = Inputs::new(&archive, &clips, card, &device);
    let convolutions = arguments.device.convolutions();
    let job = Job::judging(&inputs, &split, &device, convolutions);
    let bar = bar(Part::Test, split.part(Part::Test).len());
    let Predictions { logits, embedding } = predict(&job, &weights, Part::Test, &bar)?;
    let said: Vec<usize> =
        logits.chunks_exact(card.network.classes).filter_map(|logits| argmax(&card.scaled(logits))).collect();
    let truth = split.part(Part::Test).iter().map(|&at| clips[at].genre);
    let right = truth.zip(&said).filter(|(truth, said)| truth == *said).count();
    check(card, &choice, right, said.len())?;
    if let Some(score) = tested(card).filter(|_| choice.is_of_lists()) {
        choice.name.clone_from(&score.split);
    }
    let embeddings = embeddings(card, &split, &clips, Part::Test, embedding);
    let map = clip_map(card, &run::fingerprint(&weights)?, &choice, &embeddings, &said)?;

    let json = map.to_json()?;
    let output = arguments.output.display();
    run::write(&arguments.output, json.as_bytes())?;
    println!(
        "{} of the {} test clips of {choice}, {right} of which are right; {} axes keep {:.1} % of the variance; {} bytes in \
         {output}",
        map.said.len(),
        said.len(),
        map.space.dimensions,
        100.0 * map.space.variance,
        json.len(),
    );
    Ok(ExitCode::SUCCESS)
}

/// The score of the card on its test part.
fn tested(card: &ModelCard) -> Option<&Score> {
    card.scores.iter().find(|score| (&*score.part, &*score.per) == ("test", "clip"))
}

/// Holds that a split that was drawn is the one that the model was trained with.
fn check_drawn(card: &ModelCard, choice: &SplitChoice) -> anyhow::Result<()> {
    let of_card = card.training.split_fingerprint.as_ref().filter(|_| choice.seed.is_some());
    if card.training.split == choice.name && of_card.is_some_and(|of_card| *of_card != choice.fingerprint) {
        let seed = card.training.split_seed.map(|seed| format!(" (--split-seed {seed})")).unwrap_or_default();
        bail!(
            "the model was trained with other clips in its parts{seed}, and may have learned from these: give the \
             archive, the seed and the --refit that it had"
        );
    }
    Ok(())
}

/// Holds that the clips are those that the card calls its test part: of others the
/// network may have learned, and the map says that it has not. Lists may be of a
/// split that somebody else has drawn: what they come to speaks for them.
fn check(card: &ModelCard, choice: &SplitChoice, right: usize, clips: usize) -> anyhow::Result<()> {
    let accuracy = right as f32 / clips.max(1) as f32;
    let same = SAME.max(1.5 / clips.max(1) as f32);
    match tested(card) {
        Some(said) if said.split != choice.name && !choice.is_of_lists() => {
            bail!(
                "the model was tested on the split `{}`, this is `{}`: say --split",
                said.split,
                choice.name
            )
        }
        Some(said) if (said.accuracy - accuracy).abs() > same => bail!(
            "the model is right on {:.1} % of these clips, its card says {:.1} %: they are other clips, and it \
             may have learned from them",
            100.0 * accuracy,
            100.0 * said.accuracy
        ),
        Some(_) => Ok(()),
        None => {
            eprintln!(
                "The card has no score on a test part: whether the model has learned from these clips is not known."
            );
            Ok(())
        }
    }
}
