//! `needledrop classify`: the same verdicts as the page's, as a table or as JSON,
//! one object a line.

use std::{
    borrow::Cow,
    fs::File,
    io::{self, ErrorKind, IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use needledrop::{
    classify::{
        classifier::{Classifier, ClipAnalysis},
        verdict::{ClipVerdict, SongVerdict, song_verdict},
    },
    network::weights::Weights,
    sound::{
        clips::SongReader,
        decode::surviving,
        song::{ClipFormat, SongInfo, SongNotice, SongProblem},
    },
};
use serde::Serialize;

use crate::run;

/// The model that the page ships.
static SHIPPED: &[u8] = include_bytes!("../../../www/model/ears.safetensors");

#[derive(Args)]
pub(crate) struct Arguments {
    /// Audio files.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Weights with a model card, in place of the shipped model.
    #[arg(long, value_name = "SAFETENSORS")]
    model: Option<PathBuf>,
    /// One JSON object a line, with every clip, in place of the table.
    #[arg(long)]
    json: bool,
}

/// What is printed of a file with `--json`.
#[derive(Serialize)]
struct Report<'a> {
    /// Its path, as far as that is Unicode.
    file: Cow<'a, str>,
    model: &'a str,
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Outcome {
    Heard {
        info: SongInfo,
        seconds: f64,
        /// Name of the genre that the song is said to be, if it is any.
        genre: Option<String>,
        song: SongVerdict,
        clips: Vec<ClipVerdict>,
        notices: Vec<SongNotice>,
    },
    Failed {
        error: String,
        #[serde(flatten)]
        problem: SongProblem,
    },
}

pub(crate) fn run(Arguments { files, model, json }: &Arguments) -> anyhow::Result<ExitCode> {
    let weights = match model {
        Some(path) => run::read_model(path)?,
        None => Weights::from_bytes(SHIPPED).context("the shipped model is damaged")?,
    };
    let mut classifier = Classifier::on_processor(&weights)?;
    let name = weights.card().name.clone();
    let width = files.iter().map(|file| file.as_os_str().len()).max().unwrap_or(0).clamp(4, 60);
    let mut failed = 0;
    for file in files {
        let progress = bar(file);
        let outcome = hear(file, &mut classifier, &progress);
        progress.finish_and_clear();
        let outcome =
            outcome.unwrap_or_else(|problem| Outcome::Failed { error: problem.to_string(), problem });
        failed += usize::from(matches!(outcome, Outcome::Failed { .. }));
        let line = if *json {
            serde_json::to_string(&Report { file: file.to_string_lossy(), model: &name, outcome })?
        } else {
            row(file, width, &outcome, &weights.card().genres)
        };
        match writeln!(io::stdout(), "{line}") {
            // Whoever reads has read enough (`| head`).
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
            result => result?,
        }
    }
    if failed > 0 {
        bail!("no verdict on {failed} of {} files", files.len());
    }
    Ok(ExitCode::SUCCESS)
}

/// Hears a file from its first to its last clip.
fn hear(path: &Path, classifier: &mut Classifier, progress: &ProgressBar) -> Result<Outcome, SongProblem> {
    let mut clips = Vec::new();
    let reader = analyse(path, classifier, &mut |clip, share, analysis| {
        let ClipAnalysis { probabilities, score, refused, .. } = analysis;
        clips.push(ClipVerdict { clip, probabilities, score, refused });
        progress.set_position((1000.0 * share) as u64);
    })?;
    let card = classifier.card();
    let song = song_verdict(&clips, card.rule());
    Ok(Outcome::Heard {
        info: reader.info().clone(),
        seconds: reader.seconds(),
        genre: song.genre().and_then(|genre| card.genres.get(genre).cloned()),
        song,
        clips,
        notices: reader.notices(),
    })
}

/// Tells `observer` of each clip of a file: its position, the share of the file
/// that has been read, what was found out about it.
pub(crate) fn analyse(
    path: &Path,
    classifier: &mut Classifier,
    observer: &mut dyn FnMut(usize, f32, ClipAnalysis),
) -> Result<SongReader, SongProblem> {
    // What the classifier uses again is written before it is read.
    surviving(|| analyse_whole(path, classifier, observer))
}

fn analyse_whole(
    path: &Path,
    classifier: &mut Classifier,
    observer: &mut dyn FnMut(usize, f32, ClipAnalysis),
) -> Result<SongReader, SongProblem> {
    if path.is_dir() {
        return Err(SongProblem::Folder);
    }
    let file = File::open(path).map_err(|error| SongProblem::Unreadable { detail: error.to_string() })?;
    // A pipe, which tells no length and cannot be gone back in.
    if file.metadata().is_ok_and(|there| !there.is_file()) {
        return Err(SongProblem::Unreadable {
            detail: "it is no regular file; save the sound in one".into(),
        });
    }
    let spectrogram = &classifier.card().spectrogram;
    let format = ClipFormat { sample_rate: spectrogram.sample_rate, samples: spectrogram.clip_samples() };
    let mut reader = SongReader::open(Box::new(file), format)?;
    while let Some(clip) = reader.next_clip()? {
        let analyses = pollster::block_on(classifier.classify(&[clip.samples]))
            .map_err(|error| SongProblem::Engine { detail: error.to_string() })?;
        let share = reader.progress().unwrap_or_default();
        analyses.into_iter().for_each(|analysis| observer(clip.index, share, analysis));
    }
    Ok(reader)
}

fn bar(file: &Path) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(1000);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}") {
        bar.set_style(style);
    }
    bar.set_message(file.display().to_string());
    bar
}

/// A line of the table: file, length, top three genres, what else there is to
/// say.
fn row(file: &Path, width: usize, outcome: &Outcome, genres: &[String]) -> String {
    let file = file.display();
    match outcome {
        Outcome::Failed { error, .. } => format!("{file:<width$}  no verdict: {error}"),
        Outcome::Heard { seconds, song, clips, notices, .. } => {
            let top: Vec<String> = song
                .ranking()
                .iter()
                .take(3)
                .map(|(genre, probability)| format!("{:<9} {:>3.0} %", genres[*genre], 100.0 * probability))
                .collect();
            let top = top.join("  ");
            let said = match song {
                SongVerdict::Unheard | SongVerdict::Silence => "silence".to_owned(),
                SongVerdict::NotMusic { .. } => "not music".to_owned(),
                SongVerdict::NotSure { .. } => format!("{top}  (not sure)"),
                SongVerdict::Genre { .. } => top,
            };
            let refused = clips.iter().filter(|clip| clip.refused).count();
            let refused = match refused {
                0 => String::new(),
                _ => format!("  ({refused} of {} clips are not music)", clips.len()),
            };
            let notices: String = notices.iter().map(|notice| format!("  ({})", remark(notice))).collect();
            let seconds = seconds.round() as u64;
            let (minutes, rest) = (seconds / 60, seconds % 60);
            format!("{file:<width$}  {minutes:>3}:{rest:02}  {said}{refused}{notices}")
        }
    }
}

/// What there is to say of a song that has a verdict.
pub(crate) fn remark(notice: &SongNotice) -> String {
    match notice {
        SongNotice::Truncated { heard, declared: Some(declared) } => {
            format!("cut off after {heard:.1} of {declared:.1} s")
        }
        SongNotice::Truncated { heard, declared: None } => format!("cut off after {heard:.1} s"),
        SongNotice::CorruptPackets { packets } => format!("{packets} damaged packets left out"),
        SongNotice::NonFinite { samples } => format!("{samples} samples were no numbers"),
        SongNotice::Repeated { seconds } => format!("{seconds:.1} s, repeated to fill a clip"),
    }
}
