//! `needledrop evaluate`: a run, or weights with a card, and an archive to scores.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use needledrop::{
    dataset::{
        archive::{Clip, MelArchive},
        choice::SplitChoice,
        split::{Part, Split},
    },
    network::{card::ModelCard, weights::Weights},
    report::{
        embeddings::Embeddings,
        result::{FORMAT, Parts, RunResult, Scores, TrainingRecord, VERSION},
    },
    training::{
        checkpoint::{State, write_whole},
        device::{DeviceKind, panic_message},
        evaluate::{Answer, score},
        fit::{Job, Predictions, TrainingError},
        inputs::{Inputs, fits},
    },
};

use crate::{
    run,
    session::session,
    train::{SplitArguments, SplitName, read_archive},
};

#[derive(Args)]
pub(crate) struct Arguments {
    /// The folder of a run, or a model: weights with a card.
    model: PathBuf,
    /// The log-mel archive that it was trained on.
    #[arg(long)]
    archive: PathBuf,
    /// Which parts to score.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "train,validation,test")]
    parts: Vec<PartName>,
    /// Where to compute: cpu, flex, or what this build has beside them (cuda, wgpu).
    #[arg(long, default_value = "cpu")]
    device: DeviceKind,
    /// Folder for result.json and embeddings.safetensors. [default: the run's own]
    #[arg(long, short)]
    output: Option<PathBuf>,
    #[command(flatten)]
    split: SplitArguments,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PartName {
    Train,
    Validation,
    Test,
}

impl From<PartName> for Part {
    fn from(name: PartName) -> Self {
        match name {
            PartName::Train => Self::Train,
            PartName::Validation => Self::Validation,
            PartName::Test => Self::Test,
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let is_run = arguments.model.is_dir();
    let output = match (&arguments.output, is_run) {
        (Some(output), _) => output,
        (None, true) => &arguments.model,
        (None, false) => bail!("say by --output in which folder the scores of a single model belong"),
    };
    let (state, weights) = if is_run {
        let (state, weights) = run::read_run(&arguments.model)?;
        (Some(state), weights)
    } else {
        (None, read_model(&arguments.model)?)
    };
    let card = weights.card();
    let archive = read_archive(&arguments.archive)?;
    fits(&archive, card).with_context(|| arguments.archive.display().to_string())?;
    let clips = archive.clips(card.spectrogram.clip_seconds);
    let (split, choice) = split(arguments, state.as_ref(), &archive, &clips)?;
    if state.is_none() {
        eprintln!(
            "These weights come without their run: clips that they were trained on may be in the test part, \
             and then the score means nothing."
        );
    }

    let fingerprint = run::fingerprint(&weights)?;
    let l2 = state.as_ref().map_or(0.0, |state| state.recipe.l2);
    let device = arguments.device.open()?;
    let inputs = Inputs::new(&archive, &clips, card, &device);
    let own_convolutions = arguments.device == DeviceKind::Cpu;
    let job = Job { inputs: &inputs, split: &split, device: &device, own_convolutions, augmenter: None };
    let judge = Judge { card, split: &split, clips: &clips, penalty: run::penalty(&weights, l2)? };
    fs::create_dir_all(output).with_context(|| format!("cannot make the folder {}", output.display()))?;
    let mut parts = earlier(&run::result(output), &fingerprint, &choice);
    let mut asked: Vec<Part> = arguments.parts.iter().map(|&part| part.into()).collect();
    asked.sort();
    asked.dedup();
    for part in asked {
        let bar = bar(part, split.part(part).len());
        // A GPU's runtime panics where its memory is full.
        let predict = AssertUnwindSafe(|| job.predict(&weights, part, &mut |clips| bar.inc(clips as u64)));
        let predictions = catch_unwind(predict)
            .unwrap_or_else(|panic| Err(TrainingError::Device(panic_message(&*panic))))?;
        bar.finish_and_clear();
        let scores = judge.score(part, &predictions)?;
        println!("{}", summary(part, &scores));
        match part {
            Part::Train => parts.train = Some(scores),
            Part::Validation => parts.validation = Some(scores),
            Part::Test => {
                parts.test = Some(scores);
                let bytes = judge.embeddings(part, predictions).to_bytes()?;
                write(&run::embeddings(output), &bytes)?;
            }
        }
    }
    let result = RunResult {
        format: FORMAT.into(),
        version: VERSION,
        row: run::row(card, state.as_ref().map(|state| &state.recipe)),
        name: card.name.clone(),
        genres: card.genres.clone(),
        parameters: card.network.parameters()?,
        weights: fingerprint,
        split: choice,
        training: state.and_then(record),
        evaluation: session(arguments.device),
        parts,
    };
    let path = run::result(output);
    write(&path, result.to_json()?.as_bytes())?;
    println!("Scores in {}", path.display());
    Ok(ExitCode::SUCCESS)
}

fn read_model(path: &Path) -> anyhow::Result<Weights> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Weights::from_bytes(&bytes).with_context(|| format!("cannot use the model {}", path.display()))
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    write_whole(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// The split that the run was trained with and no other; for a single model, the
/// one that was asked for.
fn split(
    arguments: &Arguments,
    state: Option<&State>,
    archive: &MelArchive,
    clips: &[Clip],
) -> anyhow::Result<(Split, SplitChoice)> {
    let SplitArguments { split, split_seed, lists } = &arguments.split;
    let of_run = state.and_then(|state| state.choice.as_ref());
    let split = match of_run {
        Some(_) if split.is_some() || split_seed.is_some() => {
            bail!("a run is judged by the split it was trained with; leave out --split and --split-seed")
        }
        Some(choice) => {
            let name = SplitName::from_str(&choice.name, false);
            let name = name.map_err(|_| anyhow::anyhow!("there is no split `{}`", choice.name))?;
            let known = SplitArguments { split: Some(name), split_seed: choice.seed, lists: lists.clone() };
            known.split(archive, clips, &arguments.archive)?
        }
        None => arguments.split.split(archive, clips, &arguments.archive)?,
    };
    let choice = split.choice(archive, clips);
    if of_run.is_some_and(|of_run| *of_run != choice) {
        bail!("the run was trained with other clips in its parts: give the archive and the lists it had");
    }
    if let Some(state) = state.filter(|state| state.split != choice.to_string()) {
        bail!("the run was trained with the split {}, this is {choice}: say the same", state.split);
    }
    Ok((split, choice))
}

/// Scores of parts that were not asked for now, if they are of the same weights
/// and clips.
fn earlier(path: &Path, weights: &str, choice: &SplitChoice) -> Parts {
    let same = |result: &RunResult| result.weights == weights && result.split == *choice;
    run::read_result(path).ok().filter(same).map(|result| result.parts).unwrap_or_default()
}

/// What is known of a training that has ended an epoch.
fn record(state: State) -> Option<TrainingRecord> {
    Some(TrainingRecord {
        best_epoch: state.best?.epoch + 1,
        recipe: state.recipe,
        seed: state.seed,
        seconds: state.history.iter().map(|epoch| epoch.seconds).sum(),
        history: state.history,
        sessions: state.sessions,
    })
}

/// What answers are judged by.
struct Judge<'a> {
    card: &'a ModelCard,
    split: &'a Split,
    clips: &'a [Clip],
    penalty: f64,
}

impl Judge<'_> {
    fn score(&self, part: Part, predictions: &Predictions) -> anyhow::Result<Scores> {
        let logits = predictions.logits.chunks_exact(self.card.network.classes);
        let answers: Vec<Answer> = logits
            .zip(self.split.part(part))
            .map(|(logits, &at)| {
                let Clip { genre, track, .. } = self.clips[at];
                Answer::new(logits, self.card.temperature, genre, track)
            })
            .collect();
        if answers.iter().any(|answer| !answer.loss.is_finite()) {
            bail!("the network's answers on {} are not finite", part.name());
        }
        score(&answers, self.card.genres.len(), self.penalty)
            .with_context(|| format!("there is nothing to score in {}", part.name()))
    }

    fn embeddings(&self, part: Part, predictions: Predictions) -> Embeddings {
        let clips = || self.split.part(part).iter().map(|&at| self.clips[at]);
        Embeddings {
            genres: self.card.genres.clone(),
            values: predictions.embedding,
            length: self.card.embedding_length,
            genre: clips().map(|clip| clip.genre).collect(),
            track: clips().map(|clip| clip.track).collect(),
        }
    }
}

fn bar(part: Part, clips: usize) -> ProgressBar {
    let bar = ProgressBar::new(clips as u64);
    if let Ok(style) = ProgressStyle::with_template("{prefix:<10} {bar:30} {pos:>5}/{len} clips, {eta} left")
    {
        bar.set_style(style);
    }
    bar.set_prefix(part.name());
    bar
}

fn summary(part: Part, scores: &Scores) -> String {
    let percent = |share: f64| 100.0 * share;
    format!(
        "{:<10}  loss {:.3}  accuracy per clip {:.1} % ({:.1} to {:.1})  per track {:.1} %  ECE {:.3}",
        part.name(),
        scores.loss,
        percent(scores.accuracy.value),
        percent(scores.accuracy.low),
        percent(scores.accuracy.high),
        percent(scores.track_accuracy.value),
        scores.ece.value,
    )
}
