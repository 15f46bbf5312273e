//! `needledrop evaluate`: a run, or weights with a card, and an archive to scores.

use std::{
    collections::BTreeMap,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use needledrop::{
    classify::rejection::Rejector,
    dataset::{
        archive::{Clip, MelArchive},
        artists::Artists,
        choice::SplitChoice,
        split::{Part, Split},
    },
    network::{card::ModelCard, weights::Weights},
    report::{
        embeddings::Embeddings,
        result::{FORMAT, Parts, RunResult, Scores, TrainingRecord, VERSION},
    },
    spectrogram::texture::texture,
    training::{
        calibration::Observation,
        checkpoint::State,
        device::{DeviceKind, panic_message},
        evaluate::{Answer, score},
        fit::{Job, Predictions, TrainingError},
        history::Session,
        inputs::{Inputs, fits},
        recipe::Recipe,
    },
};

use crate::{
    convert::Stored,
    data::{SplitArguments, SplitName, data, read_archive},
    run,
    session::{open, session},
    train::REFITTED,
};

/// What [`RunResult::evaluated_before`] calls those test clips that are of artists of
/// whom nothing was learned.
const OTHER_ARTISTS: &str = "test_other_artists";

#[derive(Args)]
pub(crate) struct Arguments {
    /// The folder of a run, or a model: weights with a card.
    model: PathBuf,
    /// The log-mel archive that it was trained on.
    #[arg(long)]
    archive: PathBuf,
    /// Which parts to score, with commas between them. [default: all three; without
    /// validation where it was learned from]
    #[arg(long, value_enum, value_delimiter = ',')]
    parts: Vec<PartName>,
    /// An index of artists, `track ::: artist ::: title` a line: those of the test part
    /// of whom nothing was learned are scored by themselves, too.
    #[arg(long, value_name = "FILE")]
    artists: Option<PathBuf>,
    /// Where to compute: cpu, amx, flex, or what this build has beside them (cuda, wgpu, ndarray).
    #[arg(long, default_value = "cpu")]
    device: DeviceKind,
    /// How the numbers of the weights are rounded first: f16 scores what `export` makes of
    /// them. [default: not at all]
    #[arg(long, value_enum)]
    precision: Option<Stored>,
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
    run::exists(&arguments.model)?;
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
        (None, run::read_model(&arguments.model)?)
    };
    let weights = match arguments.precision {
        Some(precision) => Weights::from_bytes(&weights.to_bytes(precision.into())?)?,
        None => weights,
    };
    let card = weights.card();
    let archive = read_archive(&arguments.archive)?;
    fits(&archive, card).with_context(|| arguments.archive.display().to_string())?;
    let clips = archive.clips(card.spectrogram.clip_seconds);
    let (split, choice) =
        split(&arguments.split, &arguments.archive, state.as_ref(), card, &archive, &clips)?;
    warn_of_known_clips(state.is_some(), card, &choice, Part::Test);
    let asked = asked(&arguments.parts, split.refitted)?;
    if arguments.artists.is_some() && !asked.contains(&Part::Test) {
        bail!("--artists scores some of the test part by themselves, and --parts leaves it out");
    }
    let artists = arguments.artists.as_deref().map(read_artists).transpose()?;

    let fingerprint = run::fingerprint(&weights)?;
    let device = open(arguments.device)?;
    let inputs = Inputs::new(&archive, &clips, card, &device);
    let convolutions = arguments.device.convolutions();
    let job = Job::judging(&inputs, &split, &device, convolutions);
    let rejector = Rejector::new(&weights)?;
    let penalty = state.as_ref().map_or(Ok(0.0), |state| run::penalty(&weights, &state.recipe))?;
    let judge = Judge { card, rejector, archive: &archive, split: &split, clips: &clips, penalty };
    fs::create_dir_all(output).with_context(|| format!("cannot make the folder {}", output.display()))?;
    let judged = Judged {
        weights: &fingerprint,
        card,
        choice: &choice,
        training: state.as_ref().map(|state| (&state.recipe, state.seed)),
    };
    let path = run::result(output);
    // What this call would throw away is told before it computes.
    earlier(&path, &judged, &asked, artists.is_some())?;
    let scored = judge.score_parts(&job, &weights, &asked, artists.as_ref())?;
    // Another call may have scored other parts meanwhile.
    let (mut parts, mut evaluated_before) = earlier(&path, &judged, &asked, artists.is_some())?;
    for (part, scores) in scored.parts {
        evaluated_before.remove(part.name());
        match part {
            Part::Train => parts.train = Some(scores),
            Part::Validation => parts.validation = Some(scores),
            Part::Test => parts.test = Some(scores),
        }
    }
    if artists.is_some() {
        evaluated_before.remove(OTHER_ARTISTS);
        parts.test_other_artists = scored.test_other_artists;
    }
    if let Some(bytes) = scored.embeddings {
        run::write(&run::embeddings(output), &bytes)?;
    }
    let result = RunResult {
        format: FORMAT.into(),
        version: VERSION,
        row: run::row(card, state.as_ref().map(|state| &state.recipe)),
        name: card.name.clone(),
        genres: card.genres.clone(),
        parameters: card.network.parameters()?,
        weights: fingerprint,
        spectrogram: Some(card.spectrogram.clone()),
        split: choice,
        calibration: card.calibration(),
        training: state.and_then(record),
        evaluation: session(arguments.device, &device),
        evaluated_before,
        parts,
    };
    run::write(&path, result.to_json()?.as_bytes())?;
    println!("Scores in {}", path.display());
    Ok(ExitCode::SUCCESS)
}

/// The parts to score, each once.
fn asked(parts: &[PartName], refitted: bool) -> anyhow::Result<Vec<Part>> {
    let mut parts: Vec<Part> = parts.iter().map(|&part| part.into()).collect();
    if parts.is_empty() {
        parts = Part::ALL.into_iter().filter(|part| !refitted || *part != Part::Validation).collect();
    }
    if refitted && parts.contains(&Part::Validation) {
        bail!(
            "the validation part was learned from, and a score on it would mean nothing: leave it out of --parts"
        );
    }
    parts.sort();
    parts.dedup();
    Ok(parts)
}

/// The split that the run was trained with and no other; for a single model, the
/// one that was asked for, if its card does not name other clips of this data set.
pub(crate) fn split(
    arguments: &SplitArguments,
    path: &Path,
    state: Option<&State>,
    card: &ModelCard,
    archive: &MelArchive,
    clips: &[Clip],
) -> anyhow::Result<(Split, SplitChoice)> {
    let SplitArguments { split, split_seed, lists, refit } = arguments;
    let of_run = state.and_then(|state| state.choice.as_ref());
    let split = match of_run {
        Some(_) if split.is_some() || split_seed.is_some() || *refit => {
            bail!(
                "a run is judged by the split it was trained with; leave out --split, --split-seed and --refit"
            )
        }
        Some(choice) if lists.is_some() && !choice.is_of_lists() => {
            bail!("the run was trained with the split {choice}, not with lists; leave out --lists")
        }
        Some(choice) if lists.is_none() && choice.is_of_lists() => {
            bail!("the run was trained with lists of names: give them by --lists TRAIN VALIDATION TEST")
        }
        Some(choice) => {
            let name = if choice.is_of_lists() {
                SplitName::Lists
            } else {
                let name = SplitName::from_str(&choice.name, false);
                name.map_err(|_| anyhow::anyhow!("there is no split `{}`", choice.name))?
            };
            let (split, split_seed, refit) = (Some(name), choice.seed, choice.refitted);
            let known = SplitArguments { split, split_seed, lists: lists.clone(), refit };
            known.split(archive, clips, path)?
        }
        None => arguments.split(archive, clips, path)?,
    };
    let choice = split.choice(archive, clips);
    if of_run.is_some_and(|of_run| *of_run != choice) {
        bail!("the run was trained with other clips in its parts: give the archive and the lists it had");
    }
    let is_known = state.is_none() && card.training.data == data(archive);
    let of_card = card.training.split_fingerprint.as_ref().filter(|_| is_known);
    if of_card.is_some_and(|of_card| *of_card != choice.fingerprint) {
        let seed = card.training.split_seed.map(|seed| format!(", --split-seed {seed}")).unwrap_or_default();
        let refit = if card.training.recipe.contains(REFITTED) { ", --refit" } else { "" };
        bail!(
            "the card says that the model was trained with other clips in its parts (split `{}`{seed}{refit}): give \
             the split, the archive and the lists it had",
            card.training.split
        );
    }
    if let Some(state) = state.filter(|state| state.split != choice.to_string()) {
        bail!("the run was trained with the split {}, this is {choice}: say the same", state.split);
    }
    Ok((split, choice))
}

/// Says of weights of which nobody knows what they were trained on that a score on `part`,
/// or a choice by it, may mean nothing.
pub(crate) fn warn_of_known_clips(is_run: bool, card: &ModelCard, choice: &SplitChoice, part: Part) {
    if !is_run && card.training.split_fingerprint.as_ref() != Some(&choice.fingerprint) {
        eprintln!(
            "Neither a run nor the card says that these weights were trained with this split: clips that \
             they were trained on may be in the {} part, and then {} nothing.",
            part.name(),
            if part == Part::Test { "the score means" } else { "what is chosen by it is worth" }
        );
    }
}

/// Whose scores they are.
struct Judged<'a> {
    weights: &'a str,
    card: &'a ModelCard,
    choice: &'a SplitChoice,
    training: Option<(&'a Recipe, u64)>,
}

/// Scores that are there already, if they are of the same weights and clips, and verdicts
/// were made in the same way; and the call that measured each part. Others make room only
/// for scores of the same training that leave none of their parts out.
fn earlier(
    path: &Path,
    of: &Judged<'_>,
    asked: &[Part],
    by_artists: bool,
) -> anyhow::Result<(Parts, BTreeMap<String, Session>)> {
    let shown = path.display();
    if !path.exists() {
        return Ok(Default::default());
    }
    let result = run::read_result(path).with_context(|| {
        format!(
            "{shown} is there already and has no scores: move it away, or name another folder by --output"
        )
    })?;
    let training = result.training.as_ref().map(|training| (&training.recipe, training.seed));
    let is_of_this = training == of.training
        && result.name == of.card.name
        && (of.training.is_some() || result.weights == of.weights);
    if !is_of_this {
        bail!("{shown} has the scores of another model, {}: name another folder by --output", result.name);
    }
    let is_same = result.weights == of.weights
        && result.split == *of.choice
        && result.calibration == of.card.calibration();
    if !is_same {
        let asked: Vec<&str> = asked.iter().map(|part| part.name()).collect();
        let mut lost: Vec<&str> =
            result.parts.scored().map(|(part, _)| part).filter(|part| !asked.contains(part)).collect();
        if result.parts.test_other_artists.is_some() && !by_artists {
            lost.push("other artists (--artists)");
        }
        if !lost.is_empty() {
            bail!(
                "{shown} has scores of {} from before these weights, their precision or their calibration: score \
                 these parts anew as well (--parts), or name another folder by --output",
                lost.join(" and ")
            );
        }
        return Ok(Default::default());
    }
    let RunResult { parts, evaluation, evaluated_before, .. } = result;
    let mut calls: BTreeMap<String, Session> =
        parts.scored().map(|(part, _)| (part.to_owned(), evaluation.clone())).collect();
    if parts.test_other_artists.is_some() {
        calls.insert(OTHER_ARTISTS.to_owned(), evaluation);
    }
    calls.extend(evaluated_before);
    Ok((parts, calls))
}

/// What the network says of a part.
pub(crate) fn predict(
    job: &Job<'_>,
    weights: &Weights,
    part: Part,
    bar: &ProgressBar,
) -> Result<Predictions, TrainingError> {
    // A GPU's runtime panics where its memory is full.
    let predict = AssertUnwindSafe(|| job.predict(weights, part, &mut |clips| bar.inc(clips as u64)));
    let predictions =
        catch_unwind(predict).unwrap_or_else(|panic| Err(TrainingError::Device(panic_message(&*panic))));
    bar.finish_and_clear();
    predictions
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
        earlier: state.earlier,
    })
}

/// What is known of clips of a part: what the network said of them, what they are
/// like, what they are.
pub(crate) fn observations(
    card: &ModelCard,
    archive: &MelArchive,
    clips: &[Clip],
    part: &[usize],
    predictions: &Predictions,
) -> impl Iterator<Item = Observation> {
    let frames = archive.clip_frames(card.spectrogram.clip_seconds);
    let logits = predictions.logits.chunks_exact(card.network.classes);
    let embeddings = predictions.embedding.chunks_exact(card.embedding_length);
    let mut decibels = Vec::new();
    part.iter().zip(logits.zip(embeddings)).map(move |(&at, (logits, embedding))| {
        archive.decibels(&clips[at], frames, card.spectrogram.top_db, &mut decibels);
        Observation {
            logits: logits.to_vec(),
            embedding: embedding.to_vec(),
            texture: texture(&decibels, card.spectrogram.n_mels).to_vec(),
            genre: clips[at].genre,
            track: clips[at].track,
        }
    })
}

/// What one call has scored.
#[derive(Default)]
struct Scored {
    parts: Vec<(Part, Scores)>,
    /// Of the test part those clips that are of artists of whom nothing was learned, if they
    /// were asked for and there are any.
    test_other_artists: Option<Scores>,
    /// The test part's embeddings, as a file.
    embeddings: Option<Vec<u8>>,
}

/// What answers are judged by.
struct Judge<'a> {
    card: &'a ModelCard,
    rejector: Option<Rejector>,
    archive: &'a MelArchive,
    split: &'a Split,
    clips: &'a [Clip],
    penalty: f64,
}

impl Judge<'_> {
    /// Scores parts one after the other, and shows how they are.
    fn score_parts(
        &self,
        job: &Job<'_>,
        weights: &Weights,
        parts: &[Part],
        artists: Option<&Artists>,
    ) -> anyhow::Result<Scored> {
        let &Self { card, archive, split, clips, .. } = self;
        let mut scored = Scored::default();
        for &part in parts {
            let bar = bar(part, split.part(part).len());
            let predictions = predict(job, weights, part, &bar)?;
            let scores = self.score(part, &predictions, None)?;
            println!("{}", summary(part.name(), &scores));
            scored.parts.push((part, scores));
            if part != Part::Test {
                continue;
            }
            if let Some(artists) = artists {
                let apart = artists.apart(archive, clips, split, part);
                // Where clips or tracks are drawn, every artist may stand on both sides.
                let scores = apart.contains(&true).then(|| self.score(part, &predictions, Some(&apart)));
                scored.test_other_artists = scores.transpose()?;
                match &scored.test_other_artists {
                    Some(scores) => println!("{}", summary("test, other artists", scores)),
                    None => println!("test, other artists: no track of theirs"),
                }
            }
            scored.embeddings = Some(embeddings(card, split, clips, part, predictions.embedding).to_bytes()?);
        }
        Ok(scored)
    }

    /// Scores a part, or of it the clips that `only` says.
    fn score(&self, part: Part, predictions: &Predictions, only: Option<&[bool]>) -> anyhow::Result<Scores> {
        let answers: Vec<Answer> =
            observations(self.card, self.archive, self.clips, self.split.part(part), predictions)
                .enumerate()
                .filter(|(at, _)| only.is_none_or(|only| only[*at]))
                .map(|(_, clip)| Answer {
                    refused: self.rejector.as_ref().is_some_and(|rejector| rejector.judge(clip.evidence()).1),
                    ..Answer::new(&self.card.scaled(&clip.logits), clip.genre, clip.track)
                })
                .collect();
        if answers.iter().any(|answer| !answer.loss.is_finite()) {
            bail!("the network's answers on {} are not finite", part.name());
        }
        score(&answers, self.card.genres.len(), self.penalty, self.card.rule())
            .with_context(|| format!("there is nothing to score in {}", part.name()))
    }
}

pub(crate) fn read_artists(path: &Path) -> anyhow::Result<Artists> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let artists = Artists::parse(&text);
    if artists.is_empty() {
        bail!("{} names no artist: it has no line like `track ::: artist ::: title`", path.display());
    }
    Ok(artists)
}

/// The embeddings of a part's clips, `[clips, embedding_length]`, with what is known
/// of the clips.
pub(crate) fn embeddings(
    card: &ModelCard,
    split: &Split,
    clips: &[Clip],
    part: Part,
    values: Vec<f32>,
) -> Embeddings {
    let clips = || split.part(part).iter().map(|&at| clips[at]);
    Embeddings {
        genres: card.genres.clone(),
        values,
        length: card.embedding_length,
        genre: clips().map(|clip| clip.genre).collect(),
        track: clips().map(|clip| clip.track).collect(),
    }
}

pub(crate) fn bar(part: Part, clips: usize) -> ProgressBar {
    let bar = ProgressBar::new(clips as u64);
    if let Ok(style) = ProgressStyle::with_template("{prefix:<10} {bar:30} {pos:>5}/{len} clips, {eta} left")
    {
        bar.set_style(style);
    }
    bar.set_prefix(part.name());
    bar
}

fn summary(part: &str, scores: &Scores) -> String {
    let percent = |share: f64| 100.0 * share;
    format!(
        "{:<10}  loss {:.3}, per track {:.3}  accuracy per clip {:.1} % ({:.1} to {:.1})  per track {:.1} %  \
         ECE {:.3}, per track {:.3}  refused {:.1} %  tracks not sure {:.1} %",
        part,
        scores.loss,
        scores.track_loss.unwrap_or(f64::NAN),
        percent(scores.accuracy.value),
        percent(scores.accuracy.low),
        percent(scores.accuracy.high),
        percent(scores.track_accuracy.value),
        scores.ece.value,
        scores.track_ece_debiased,
        percent(scores.refused),
        percent(scores.unsure),
    )
}
