//! `needledrop export`: a run to the model that the page loads; or such a model with what
//! has been learned of its recipe since.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};
use clap::Args;
use needledrop::{
    network::{
        card::{ModelCard, Score},
        weights::{Precision, Weights},
    },
    report::result::{Estimate, RunResult, Scores},
};

use crate::{
    convert::Stored,
    place::{self, Made},
    run,
    train::{BEGUN_WITH, CENTRED, REFITTED, TAUGHT_BY},
};

#[derive(Args)]
pub(crate) struct Arguments {
    /// The folder of the run; or a model's file, whose card keeps its scores where
    /// no others are named.
    run: PathBuf,
    /// Where to write the model.
    #[arg(long, short)]
    output: PathBuf,
    /// How to store the weights.
    #[arg(long, value_enum, default_value_t = Stored::F16)]
    precision: Stored,
    /// What people shall call the model, in place of the card's name.
    #[arg(long)]
    name: Option<String>,
    /// The model's own scores, as `evaluate` wrote them. [default: of a run's folder, those
    /// in it]
    #[arg(long, value_name = "RESULT.JSON")]
    result: Option<PathBuf>,
    /// Scores of other trainings by the same recipe, as `evaluate` wrote them: their means
    /// go into the card beside the model's own. Each training is named once.
    #[arg(long, num_args = 1.., value_name = "RESULT.JSON")]
    protocol: Vec<PathBuf>,
    /// Who may do what with the weights.
    #[arg(long)]
    licence: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    place::check(&arguments.output, Made::Model)?;
    let weights = if arguments.run.is_file() {
        run::read_model(&arguments.run)?
    } else {
        run::read_run(&arguments.run)?.1
    };
    let mut card = weights.card().clone();
    let own = |score: &Score| score.trainings.is_none();
    if arguments.run.is_dir() || arguments.result.is_some() {
        card.scores.retain(|score| !own(score));
        card.scores.splice(..0, scores(arguments, &weights)?);
    }
    // The means of other trainings are those that are named now.
    card.scores.retain(|score| own(score) || arguments.protocol.is_empty());
    card.scores.extend(protocol(&arguments.protocol, &card)?);
    if let Some(name) = &arguments.name {
        card.name.clone_from(name);
    }
    if let Some(licence) = &arguments.licence {
        card.licence.clone_from(licence);
    }
    let ModelCard { name, licence, .. } = &card;
    let output = arguments.output.display();
    let stored: Precision = arguments.precision.into();
    println!(
        "{name}: {} scores, licence {}",
        card.scores.len(),
        if licence.is_empty() { "not said" } else { licence }
    );
    let bytes = weights.with_card(card)?.to_bytes(stored)?;
    run::write(&arguments.output, &bytes)?;
    println!("{} bytes in {output}", bytes.len());
    Ok(ExitCode::SUCCESS)
}

/// What the model's evaluation says, for the card: of what was not learned from first.
fn scores(
    Arguments { run: folder, result, precision, .. }: &Arguments,
    weights: &Weights,
) -> anyhow::Result<Vec<Score>> {
    let path = result.clone().unwrap_or_else(|| run::result(folder));
    if result.is_none() && !path.exists() {
        eprintln!("The card gets no scores: `needledrop evaluate` was not run on {}.", folder.display());
        return Ok(Vec::new());
    }
    let result = run::read_result(&path)?;
    // Of the run, or of what `evaluate --precision` said that is made of it here.
    let stored = Weights::from_bytes(&weights.to_bytes((*precision).into())?)?;
    if ![run::fingerprint(weights)?, run::fingerprint(&stored)?].contains(&result.weights) {
        bail!("{} is of other weights than the run has now: evaluate it again", path.display());
    }
    if result.calibration != weights.card().calibration() {
        bail!("{} was written before the run was calibrated: evaluate it again", path.display());
    }
    Ok(of_result(&result))
}

fn of_result(result: &RunResult) -> Vec<Score> {
    let of_part = |(part, scores): (&'static str, &Scores)| {
        let score = |per, accuracy| said(&result.split.name, part, per, accuracy, None);
        [score("clip", scores.accuracy), score("track", scores.track_accuracy)]
    };
    let parts: Vec<_> = result.parts.scored().collect();
    parts.into_iter().rev().flat_map(of_part).collect()
}

/// The mean scores of other trainings, split by split.
fn protocol(paths: &[PathBuf], card: &ModelCard) -> anyhow::Result<Vec<Score>> {
    let mut splits = BTreeMap::<String, Vec<(&Path, RunResult)>>::new();
    for path in paths {
        let result = run::read_result(path)?;
        let shown = path.display();
        if result.parameters != card.network.parameters()? || result.genres != card.genres {
            bail!("{shown} is of another network: its scores are not this recipe's");
        }
        if result.spectrogram.as_ref().is_some_and(|front_end| *front_end != card.spectrogram) {
            bail!("{shown} is of another front end: its scores are not this model's");
        }
        let recipe = result.training.as_ref().map(|training| training.recipe.to_string());
        let recipe = recipe.with_context(|| format!("{shown} does not say how its weights were trained"))?;
        // A card says beside the recipe who else had a share in it.
        let beside = [CENTRED, REFITTED, BEGUN_WITH, TAUGHT_BY];
        let rest = card.training.recipe.strip_prefix(&recipe);
        if !rest.is_some_and(|rest| rest.is_empty() || beside.iter().any(|beside| rest.starts_with(beside))) {
            bail!("{shown} is by another recipe ({recipe}) than the model ({})", card.training.recipe);
        }
        if result.split.refitted {
            bail!("{shown} is of a model that learned from its validation part");
        }
        if result.parts.test.is_none() {
            bail!("{shown} says nothing of the test part");
        }
        let before = splits.entry(result.split.name.clone()).or_default();
        if let Some((other, _)) = before.iter().find(|(_, other)| other.is_same_training(&result)) {
            bail!(
                "{} and {shown} are of the same training, which a mean counts once: name one of the two",
                other.display()
            );
        }
        if let Some((other, _)) = before.iter().find(|(_, other)| !other.is_split_like(&result)) {
            bail!(
                "{shown} is of other lists, or of another archive, than {}: their mean would say nothing",
                other.display()
            );
        }
        before.push((path, result));
    }
    let mean = |(split, trainings): (&String, &Vec<(&Path, RunResult)>)| {
        let score = |per, of: fn(&Scores) -> Estimate| {
            let tests = trainings.iter().filter_map(|(_, result)| result.parts.test.as_ref());
            let each: Vec<Estimate> = tests.map(of).collect();
            said(split, "test", per, Estimate::mean(&each), Some(each.len()))
        };
        [score("clip", |scores| scores.accuracy), score("track", |scores| scores.track_accuracy)]
    };
    Ok(splits.iter().flat_map(mean).collect())
}

fn said(split: &str, part: &str, per: &str, accuracy: Estimate, trainings: Option<usize>) -> Score {
    Score {
        split: split.into(),
        part: part.into(),
        per: per.into(),
        accuracy: accuracy.value as f32,
        interval: Some([accuracy.low as f32, accuracy.high as f32]),
        trainings,
    }
}
