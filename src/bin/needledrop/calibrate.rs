//! `needledrop calibrate`: a trained network, an archive, and sounds that are no
//! music, to the same network with a card that makes its verdicts believable.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use indicatif::ProgressBar;
use needledrop::{
    classify::{classifier::Classifier, rejection::Scorer},
    dataset::{
        archive::{Clip, MelArchive},
        choice::SplitChoice,
        folders::is_sound,
        split::{Part, Split},
    },
    network::{
        card::{Calibration, Combine, Input, ModelCard, Rejection},
        weights::{Precision, Weights},
    },
    report::result::Scores,
    training::{
        augment::Augmenter,
        calibration::{
            Candidate, Observation,
            choice::{Chosen, Given, Heard},
        },
        device::DeviceKind,
        evaluate::{Answer, score},
        fit::Job,
        inputs::{Inputs, fits},
        recipe::Augmentation,
    },
};
use serde::Serialize;
use walkdir::{DirEntry, WalkDir};

use crate::{
    classify::analyse,
    convert::Stored,
    data::{SplitArguments, read_archive},
    evaluate::{bar, observations, predict, read_artists, split, warn_of_known_clips},
    place::{self, Made},
    run,
    session::open,
};

#[derive(Args)]
pub(crate) struct Arguments {
    /// The folder of a run, or a model: weights with a card.
    model: PathBuf,
    /// The log-mel archive that it was trained on; its validation part is what
    /// everything is chosen on.
    #[arg(long)]
    archive: PathBuf,
    /// Folder of sounds that are not music, in folders by kind; without it, none is
    /// refused. Files whose names differ only after their last hyphen are taken for one
    /// recording.
    #[arg(long, value_name = "FOLDER")]
    not_music: Option<PathBuf>,
    /// Share of the validation clips, as they are and as a microphone may hear them,
    /// that may be refused as not music. Of music that nothing was fitted on, a few
    /// times as much is.
    #[arg(
        long,
        value_name = "SHARE",
        default_value_t = 0.01,
        value_parser = share,
        conflicts_with = "like",
        requires = "not_music"
    )]
    refuse: f64,
    /// Probability below which a song's verdict is "not sure". At one half, such a
    /// verdict would more often be wrong than right (C. K. Chow, "On Optimum
    /// Recognition Error and Reject Tradeoff", 1970). [default: as --like has it, else 0.5]
    #[arg(long, value_name = "PROBABILITY", value_parser = share)]
    least_confidence: Option<f64>,
    /// Take temperature, biases, combination, kind of rejection score and its threshold of
    /// this calibrated model, a run's folder or a file, in place of choosing them: for weights
    /// that learned from their validation part, trained by the recipe of this one. If it
    /// refuses what is no music, --not-music names the sounds to do so by.
    #[arg(long, value_name = "MODEL")]
    like: Option<PathBuf>,
    /// An index of artists, `track ::: artist ::: title` a line: what is judged on tracks that
    /// it was not fitted on is judged on other artists too. [default: tracks alone are kept
    /// apart]
    #[arg(long, value_name = "FILE")]
    artists: Option<PathBuf>,
    /// Where to compute: cpu, amx, flex, or what this build has beside them (cuda, wgpu, ndarray).
    #[arg(long, default_value = "cpu")]
    device: DeviceKind,
    /// The calibrated model; what was measured goes beside it as JSON. [default: in the
    /// run's folder, where evaluate and export find it]
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// How to store the weights of a single model; a run's are stored as they are.
    #[arg(long, value_enum, default_value_t = Stored::F16)]
    precision: Stored,
    #[command(flatten)]
    split: SplitArguments,
}

fn share(argument: &str) -> Result<f64, String> {
    match argument.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("a share is a number from 0 to 1".into()),
    }
}

/// Where what was measured goes: beside the model, in place of an earlier report at most.
fn place_of_report(model: &Path) -> anyhow::Result<PathBuf> {
    let place = model.with_extension("json");
    if place == model {
        bail!(
            "{} is where what is measured goes: name the model otherwise, as .safetensors",
            place.display()
        );
    }
    let is_report = |text: String| {
        let there: Option<serde_json::Value> = serde_json::from_str(&text).ok();
        there.is_some_and(|there| there["format"] == FORMAT)
    };
    let is_empty = place.metadata().is_ok_and(|there| there.is_file() && there.len() == 0);
    if place.exists() && !is_empty && !fs::read_to_string(&place).is_ok_and(is_report) {
        bail!(
            "what is measured goes into {}, which is something else: name the model otherwise",
            place.display()
        );
    }
    Ok(place)
}

/// What [`Report::format`] says.
const FORMAT: &str = "needledrop calibration";

/// What was measured, for `calibrated.json`.
#[derive(Serialize)]
struct Report<'a> {
    format: &'static str,
    name: &'a str,
    /// SHA-256, in hexadecimal, of the weights as f32.
    weights: String,
    split: SplitChoice,
    /// What was chosen.
    calibration: Calibration,
    /// Loss of a clip in nats, all genres alike, on validation tracks that it was not fitted
    /// on: by a temperature alone, and with biases of the genres.
    scalings: ScalingsReport,
    /// Loss of a validation track in nats, by each way to combine clips.
    combinations: CombinationsReport,
    /// Validation, at temperature 1 and with the mean of the probabilities.
    before: Scores,
    /// Validation, as chosen.
    after: Scores,
    /// Clips of music that the scores below were fitted and judged on.
    music: MusicReport,
    /// Every score that could refuse what is not music, the best first. Their music is
    /// validation as it is and as a microphone may hear it.
    rejection: Vec<CandidateReport>,
}

#[derive(Serialize)]
struct ScalingsReport {
    temperature: f64,
    with_biases: f64,
}

#[derive(Serialize)]
struct CombinationsReport {
    mean_probability: f64,
    log_pool: f64,
    correlation: f32,
}

#[derive(Serialize)]
struct MusicReport {
    /// Of the validation part.
    as_it_is: usize,
    /// Of the same, as a microphone may hear them.
    overheard: usize,
}

#[derive(Serialize)]
struct CandidateReport {
    score: &'static str,
    auroc: f64,
    threshold: f32,
    music_refused: f64,
    not_music_refused: f64,
    /// Share refused of each kind.
    kinds: BTreeMap<String, f64>,
}

impl<'a> Report<'a> {
    /// What was measured of `weights`, whose `card` has what was `chosen`.
    fn of(
        chosen: &Chosen,
        weights: &Weights,
        card: &'a ModelCard,
        split: SplitChoice,
        music: MusicReport,
        sounds: &Sounds,
    ) -> anyhow::Result<Self> {
        let Chosen { calibration, scalings, combinations, candidates, before, after } = chosen;
        let scores = |answers: &[Answer], card: &ModelCard| {
            score(answers, card.genres.len(), 0.0, card.rule())
                .context("there is nothing to score in validation")
        };
        Ok(Self {
            format: FORMAT,
            name: &card.name,
            weights: run::fingerprint(weights)?,
            split,
            calibration: calibration.clone(),
            scalings: ScalingsReport { temperature: scalings.alone, with_biases: scalings.biased },
            combinations: CombinationsReport {
                mean_probability: combinations.mean_probability,
                log_pool: combinations.log_pool,
                correlation: combinations.correlation,
            },
            before: scores(before, weights.card())?,
            after: scores(after, card)?,
            music,
            rejection: candidates.iter().map(|candidate| sounds.report(candidate)).collect(),
        })
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    run::exists(&arguments.model)?;
    let is_run = arguments.model.is_dir();
    let output = match (&arguments.output, is_run) {
        (Some(output), _) => output.clone(),
        (None, true) => run::calibrated(&arguments.model),
        (None, false) => bail!("say by --output where the calibrated model belongs"),
    };
    let (state, weights) = if is_run {
        let (state, weights) = run::read_trained(&arguments.model)?;
        (Some(state), weights)
    } else {
        (None, run::read_model(&arguments.model)?)
    };
    place::check(&output, Made::Model)?;
    let beside = place_of_report(&output)?;
    // What an earlier calibration chose is chosen anew.
    let mut card = weights.card().clone().with_calibration(Calibration::default());
    // What it scored, it scored by another.
    card.scores.clear();
    let weights = weights.with_statistics(card.clone(), [])?;
    let archive = read_archive(&arguments.archive)?;
    fits(&archive, &card).with_context(|| arguments.archive.display().to_string())?;
    let clips = archive.clips(card.spectrogram.clip_seconds);
    let (split, choice) =
        split(&arguments.split, &arguments.archive, state.as_ref(), &card, &archive, &clips)?;
    warn_of_known_clips(state.is_some(), &card, &choice, Part::Validation);
    warn_of_heard_tracks(&split, &clips);
    let like = arguments.like.as_deref().map(|path| calibration_like(path, &card)).transpose()?;
    check_sounds(like.as_ref(), arguments.not_music.is_some())?;
    if split.refitted && like.is_none() {
        bail!(
            "the model has learned from the validation part, of which it is too sure: name a calibrated one by --like"
        );
    }

    let groups = arguments.artists.as_deref().map(|artists| groups(artists, &archive)).transpose()?;
    let sounds = arguments.not_music.as_deref().map(find_sounds).transpose()?;
    let music = hear_music(arguments.device, &weights, &archive, &clips, &split)?;
    let (overheard, sounds) = match &sounds {
        Some(files) => (overhear(&weights, &archive, &clips, &split)?, hear(files, &weights)?),
        None => Default::default(),
    };

    if like.is_none() {
        warn_of_absent_genres(&card.genres, &music);
    }
    let given = Given {
        like,
        most_refused: arguments.refuse,
        least_confidence: arguments.least_confidence.map(|share| share as f32),
    };
    let heard = Heard {
        music: &music,
        overheard: &overheard,
        others: &sounds.clips,
        groups: groups.as_deref(),
        classes: card.network.classes,
    };
    let chosen = heard.choose(&given);
    if arguments.not_music.is_some() && chosen.candidates.is_empty() {
        return Err(nothing_refuses(given.like.as_ref()));
    }
    let card = card.with_calibration(chosen.calibration.clone());
    let music = MusicReport { as_it_is: music.len(), overheard: overheard.len() };
    let report = Report::of(&chosen, &weights, &card, choice, music, &sounds)?;
    let statistics = chosen.scorer().map(Scorer::tensors).unwrap_or_default();
    let precision = if is_run { Precision::F32 } else { arguments.precision.into() };
    let bytes = weights.with_statistics(card.clone(), statistics)?.to_bytes(precision)?;
    run::write(&output, &bytes)?;
    let mut json = serde_json::to_string_pretty(&report)?;
    json.push('\n');
    run::write(&beside, json.as_bytes())?;
    print(&report, &card.genres, &sounds);
    println!("Calibrated model in {}", output.display());
    Ok(ExitCode::SUCCESS)
}

/// Says where other clips of the tracks that everything is chosen on were learned from.
fn warn_of_heard_tracks(split: &Split, clips: &[Clip]) {
    let tracks =
        |part| -> BTreeSet<usize> { split.part(part).iter().map(|clip| clips[*clip].track).collect() };
    if !split.refitted && !tracks(Part::Train).is_disjoint(&tracks(Part::Validation)) {
        eprintln!(
            "Warning: the training has heard other clips of these validation tracks. What is chosen on them makes \
             verdicts too sure, and refuses too much, of songs that it has not heard: for those, train and calibrate \
             with --split tracks or filtered."
        );
    }
}

/// Says which genres there is nothing of to fit to.
fn warn_of_absent_genres(genres: &[String], music: &[Observation]) {
    for (at, genre) in genres.iter().enumerate() {
        if music.iter().all(|clip| clip.genre != at) {
            eprintln!("No clip of the validation part is of genre {at}, {genre}: nothing is fitted to it.");
        }
    }
}

/// The group that each track is of: with those that have an artist in common with it.
fn groups(artists: &Path, archive: &MelArchive) -> anyhow::Result<Vec<usize>> {
    let groups = read_artists(artists)?.groups(archive);
    if groups.iter().enumerate().all(|(track, group)| track == *group) {
        eprintln!("By --artists no two tracks have an artist in common: tracks alone are kept apart.");
    }
    Ok(groups)
}

/// Whether there are sounds to refuse by where the model of --like refuses, and none where it
/// does not.
fn check_sounds(like: Option<&Calibration>, are_named: bool) -> anyhow::Result<()> {
    match like {
        Some(Calibration { rejection: Some(rejection), .. }) if !are_named => bail!(
            "the model of --like refuses what is no music, by `{}`: say by --not-music of which sounds this model \
             shall do so",
            rejection.score.name()
        ),
        Some(Calibration { rejection: None, .. }) if are_named => bail!(
            "the model of --like refuses nothing, so that there is no score and no threshold to take from it: \
             calibrate it with --not-music first"
        ),
        _ => Ok(()),
    }
}

/// Why no score can refuse by the sounds that were named.
fn nothing_refuses(like: Option<&Calibration>) -> anyhow::Error {
    match like.and_then(|like| like.rejection) {
        Some(Rejection { score, .. }) => anyhow!(
            "`{}`, by which the model of --like refuses, cannot be fitted on these sounds: name two recordings at \
             least by --not-music, whose names differ before their last hyphen",
            score.name()
        ),
        None => anyhow!("no score can be fitted on these sounds: name others by --not-music"),
    }
}

/// How verdicts are made of what another model says, for one with this card.
fn calibration_like(path: &Path, card: &ModelCard) -> anyhow::Result<Calibration> {
    let other = run::read_calibrated(path)?;
    let same = [
        (other.genres == card.genres, "genres"),
        (other.network == card.network, "network"),
        (other.input == card.input, "input"),
        (other.spectrogram == card.spectrogram, "front end"),
    ];
    if let Some((_, what)) = same.iter().find(|(same, _)| !same) {
        bail!(
            "{} is not of the same {what} as this model, and its numbers do not fit it: name one of the same recipe by --like",
            path.display()
        );
    }
    Ok(other.calibration())
}

/// What is not music.
#[derive(Default)]
struct Sounds {
    /// What the network said of each clip; `track` is the file.
    clips: Vec<Observation>,
    /// Kind of each clip.
    kinds: Vec<String>,
    /// Clips that were silent, of which no network is asked.
    silent: usize,
}

impl Sounds {
    fn report(&self, candidate: &Candidate) -> CandidateReport {
        let mut kinds = BTreeMap::<String, (usize, usize)>::new();
        for (kind, refused) in self.kinds.iter().zip(&candidate.refused) {
            let (of_kind, clips) = kinds.entry(kind.clone()).or_default();
            *of_kind += usize::from(*refused);
            *clips += 1;
        }
        let refused = candidate.refused.iter().filter(|refused| **refused).count();
        CandidateReport {
            score: candidate.scorer.score().name(),
            auroc: candidate.auroc,
            threshold: candidate.threshold,
            music_refused: candidate.music_refused,
            not_music_refused: refused as f64 / candidate.refused.len().max(1) as f64,
            kinds: kinds
                .into_iter()
                .map(|(kind, (refused, clips))| (kind, refused as f64 / clips as f64))
                .collect(),
        }
    }
}

/// Whether a clip is silence, in which every cell is as loud as another.
fn is_silent(archive: &MelArchive, clip: &Clip, card: &ModelCard) -> bool {
    let spectrogram = &card.spectrogram;
    let mut decibels = Vec::new();
    archive.decibels(clip, archive.clip_frames(spectrogram.clip_seconds), spectrogram.top_db, &mut decibels);
    decibels.windows(2).all(|cells| cells[0] == cells[1])
}

/// Hears the validation part as it is, but for what is silent: of that the page asks no
/// network.
fn hear_music(
    kind: DeviceKind,
    weights: &Weights,
    archive: &MelArchive,
    clips: &[Clip],
    split: &Split,
) -> anyhow::Result<Vec<Observation>> {
    let card = weights.card();
    let device = open(kind)?;
    let inputs = Inputs::new(archive, clips, card, &device);
    let job = Job::judging(&inputs, split, &device, kind.convolutions());
    let part = split.part(Part::Validation);
    let progress = bar(Part::Validation, part.len());
    let predictions = predict(&job, weights, Part::Validation, &progress)?;
    if !predictions.logits.iter().chain(&predictions.embedding).all(|value| value.is_finite()) {
        bail!("the network's answers on {} are not finite", Part::Validation.name());
    }
    let music: Vec<Observation> = observations(card, archive, clips, part, &predictions)
        .zip(part)
        .filter(|(_, at)| !is_silent(archive, &clips[**at], card))
        .map(|(clip, _)| clip)
        .collect();
    if music.is_empty() {
        bail!("there is nothing to choose on: the validation part is empty, or silent");
    }
    Ok(music)
}

/// Hears the validation part through rooms, noise, small loudspeakers and codecs: it
/// is music still, and shall not be refused for them. Where the model has learned from
/// that part, clips begin anywhere around their places.
fn overhear(
    weights: &Weights,
    archive: &MelArchive,
    clips: &[Clip],
    split: &Split,
) -> anyhow::Result<Vec<Observation>> {
    let mut classifier = Classifier::on_processor(weights)?;
    let between = Augmentation {
        equaliser: 4.0,
        room: 0.4,
        colour: 3.0,
        noise: 0.4,
        telephone: 0.4,
        codec: 0.3,
        phone: 0.2,
        ..Augmentation::default()
    };
    let decibels = Input::LogMel { mean: 0.0, deviation: 1.0 };
    let augmenter = Augmenter::new(archive, clips, split, weights.card(), between).with_input(decibels);
    let part = split.part(Part::Validation);
    let progress = ProgressBar::new(part.len() as u64);
    let mut overheard = Vec::new();
    for &at in part {
        progress.inc(1);
        if is_silent(archive, &clips[at], weights.card()) {
            // An equaliser would make a sound of it.
            continue;
        }
        let drawn = augmenter.batch(&[at], at as u64).cells;
        let heard = pollster::block_on(classifier.classify_decibels(&drawn.values()))?;
        if !heard.probabilities.is_empty() {
            let (logits, embedding, texture) = (heard.logits, heard.embedding, heard.texture);
            let Clip { genre, track, .. } = clips[at];
            overheard.push(Observation { logits, embedding, texture, genre, track });
        }
    }
    progress.finish_and_clear();
    Ok(overheard)
}

/// The files of a folder, at any depth, that sounds may be in.
fn find_sounds(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries: Vec<_> = WalkDir::new(folder)
        .follow_links(true)
        .sort_by_file_name()
        .into_iter()
        .collect::<Result<_, _>>()
        .with_context(|| format!("cannot read {}", folder.display()))?;
    let files: Vec<PathBuf> = entries
        .into_iter()
        .filter(|entry| entry.file_type().is_file() && is_sound(entry.path()))
        .map(DirEntry::into_path)
        .collect();
    if files.is_empty() {
        bail!("there is no sound in {}", folder.display());
    }
    Ok(files)
}

/// Hears every file, as a song is heard. The kind of a sound is the
/// folder that it lies in; files whose names differ only after their last hyphen are
/// one recording, `voice-dry.wav` and `voice-room.wav`, and are judged together.
fn hear(files: &[PathBuf], weights: &Weights) -> anyhow::Result<Sounds> {
    let mut classifier = Classifier::on_processor(weights)?;
    let mut sounds = Sounds::default();
    let progress = ProgressBar::new(files.len() as u64);
    let mut recordings = BTreeMap::new();
    for file in files {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let recording = stem.rsplit_once('-').map_or(&*stem, |(recording, _)| recording);
        let next = recordings.len();
        let track = *recordings.entry(file.with_file_name(recording)).or_insert(next);
        let kind = file.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        let before = (sounds.clips.len(), sounds.silent);
        let heard = analyse(file, &mut classifier, &mut |_, _, clip| {
            if clip.probabilities.is_empty() {
                sounds.silent += 1;
                return;
            }
            let (logits, embedding, texture) = (clip.logits, clip.embedding, clip.texture);
            sounds.clips.push(Observation { logits, embedding, texture, genre: 0, track });
            sounds.kinds.push(kind.to_string());
        });
        if let Err(error) = heard {
            progress.suspend(|| eprintln!("Left out: {}: {error:#}", file.display()));
            // With what was heard of it until then.
            sounds.clips.truncate(before.0);
            sounds.kinds.truncate(before.0);
            sounds.silent = before.1;
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    if sounds.clips.is_empty() {
        bail!("of what is no music nothing could be heard but silence");
    }
    // What was silent or could not be read is nothing to judge by.
    let heard: BTreeSet<usize> = sounds.clips.iter().map(|clip| clip.track).collect();
    if heard.len() < 2 {
        eprintln!(
            "All that was heard of what is no music is one recording, by its name up to the last hyphen: some \
             scores cannot be judged on what they were not fitted on, and are left out."
        );
    }
    Ok(sounds)
}

fn print(report: &Report<'_>, genres: &[String], sounds: &Sounds) {
    let Report { calibration, combinations, before, after, .. } = report;
    println!(
        "temperature {:.3}: loss {:.3} to {:.3}, ECE {:.3} to {:.3}",
        calibration.temperature, before.loss, after.loss, before.ece.value, after.ece.value
    );
    let ScalingsReport { temperature, with_biases } = report.scalings;
    println!(
        "a clip's loss on tracks that nothing was fitted on: {temperature:.3} by a temperature, {with_biases:.3} with a \
         bias for each genre{}",
        if calibration.bias.is_empty() { ": left out" } else { "" }
    );
    for (genre, bias) in genres.iter().zip(&calibration.bias) {
        println!("  {genre} {bias:+.2}");
    }
    let CombinationsReport { mean_probability, log_pool, correlation } = combinations;
    println!(
        "a track's loss: {mean_probability:.3} by the mean of probabilities, {log_pool:.3} by the logarithmic \
         pool with a correlation of {correlation:.3}"
    );
    let combine = if calibration.combine == Combine::MeanProbability { "mean" } else { "logarithmic pool" };
    println!(
        "by the {combine}: ECE per track, debiased, {:.3} to {:.3}; right {:.1} % to {:.1} %; not sure of {:.1} %",
        before.track_ece_debiased,
        after.track_ece_debiased,
        100.0 * before.track_accuracy.value,
        100.0 * after.track_accuracy.value,
        100.0 * after.unsure
    );
    if !report.rejection.is_empty() {
        println!("not music: {} clips, beside {} that are silent", sounds.clips.len(), sounds.silent);
        let MusicReport { as_it_is, overheard } = report.music;
        println!("music: {as_it_is} clips as they are and {overheard} as a microphone may hear them");
    }
    for candidate in &report.rejection {
        let kinds: Vec<String> =
            candidate.kinds.iter().map(|(kind, share)| format!("{kind} {:.1} %", 100.0 * share)).collect();
        println!(
            "{:<15} AUROC {:.4}; refused: music {:.1} %, not music {:.1} % ({})",
            candidate.score,
            candidate.auroc,
            100.0 * candidate.music_refused,
            100.0 * candidate.not_music_refused,
            kinds.join(", ")
        );
    }
}
