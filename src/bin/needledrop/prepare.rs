//! `needledrop prepare`: a folder of genres to a log-mel archive.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use needledrop::{
    dataset::{
        archive::{MelArchive, check_settings},
        folders::{Recording, Skipped, find_recordings, is_sound},
        prepare::{LONGEST_TRACK, PrepareError, prepare},
    },
    spectrogram::config::{PadMode, SpectrogramConfig},
};

use crate::{
    classify::remark,
    place::{self, Made},
};

/// Of recordings that are the same, so many are named.
const NAMED: usize = 10;

#[derive(Args)]
pub(crate) struct Arguments {
    /// A folder of folders of sound, at any depth; the genre of a file is the
    /// name of the folder it lies in.
    folder: PathBuf,
    /// Where to write the archive.
    #[arg(long, short, value_name = "SAFETENSORS")]
    output: PathBuf,
    /// Seconds from the start of each recording; 0 for all of it, with --no-center at most
    /// 1200.
    #[arg(long, default_value_t = 30.0)]
    seconds: f64,
    /// Rate that everything is resampled to, in Hz.
    #[arg(long, default_value_t = 22_050, value_name = "HZ")]
    sample_rate: u32,
    /// Length of a frame, in samples.
    #[arg(long, default_value_t = 2048, value_name = "SAMPLES")]
    n_fft: usize,
    /// Distance between two frames, in samples.
    #[arg(long, default_value_t = 512, value_name = "SAMPLES")]
    hop_length: usize,
    /// Number of mel bands.
    #[arg(long, default_value_t = 128)]
    n_mels: usize,
    /// Lower edge of the lowest band, in Hz.
    #[arg(long, default_value_t = 0.0, value_name = "HZ")]
    fmin: f32,
    /// Upper edge of the highest band, in Hz. [default: half the sample rate]
    #[arg(long, value_name = "HZ")]
    fmax: Option<f32>,
    /// Centre each frame at its time, and keep clips (the default).
    #[arg(long, overrides_with = "no_center")]
    center: bool,
    /// Start each frame at its time, and keep whole tracks.
    #[arg(long)]
    no_center: bool,
    /// What lies before and behind a clip whose frames are centred: its mirror
    /// image (librosa before 0.9, and the paper) or silence (librosa since).
    #[arg(long, value_enum, default_value_t = Padding::Reflect, conflicts_with = "no_center")]
    pad_mode: Padding,
    /// Decibels below a clip's loudest cell at which its spectrogram is cut off; at
    /// most 100.
    #[arg(long, default_value_t = 80.0, value_name = "DB")]
    top_db: f32,
    /// Length of a clip, in seconds.
    #[arg(long, default_value_t = 3.0, value_name = "SECONDS")]
    clip_seconds: f32,
}

#[derive(Clone, Copy, ValueEnum)]
enum Padding {
    Reflect,
    Constant,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { folder, output, .. } = arguments;
    let settings = arguments.settings();
    check_settings(&settings)?;
    let seconds = arguments.seconds()?;
    let found = find_recordings(folder)?;
    let permissions = check_output(output)?;

    let begun = Instant::now();
    let bar = ProgressBar::new(found.recordings.len() as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} recordings, {eta} left") {
        bar.set_style(style);
    }
    let outcome = prepare(&found.recordings, &settings, seconds, &|| bar.inc(1));
    bar.finish_and_clear();
    let mut skipped = found.skipped;
    let prepared = match outcome {
        Ok(prepared) => prepared,
        Err(PrepareError::Nothing(unheard)) => {
            skipped.extend(unheard.iter().cloned());
            list(&skipped);
            return Err(PrepareError::Nothing(unheard).into());
        }
        Err(error) => return Err(error.into()),
    };
    for (path, notices) in &prepared.remarkable {
        let remarks: Vec<String> = notices.iter().map(remark).collect();
        eprintln!("Used as it is: {}: {}", path.display(), remarks.join(", "));
    }
    skipped.extend(prepared.skipped);
    list(&skipped);
    match found.other_files {
        0 => {}
        1 => eprintln!("1 other file is no sound by its name, and was left alone"),
        count => eprintln!("{count} other files are no sound by their names, and were left alone"),
    }
    prepared.archive.save(output).with_context(|| format!("cannot write {}", output.display()))?;
    // It was written beside and put in its place, as a file of one's own alone. Not every
    // file system knows more.
    let _ = fs::set_permissions(output, permissions);
    warn(&prepared.archive);
    warn_of_same_sounds(&prepared.same);
    warn_of_scattered_genres(&found.recordings);
    let took = begun.elapsed().as_secs_f64();
    println!("{}", summary(&prepared.archive, output));
    println!("Genres: {}", prepared.archive.genres.join(", "));
    println!("{:.0} s of sound in {took:.1} s, {:.0} x real time", prepared.seconds, prepared.seconds / took);
    Ok(ExitCode::SUCCESS)
}

impl Arguments {
    fn settings(&self) -> SpectrogramConfig {
        SpectrogramConfig {
            sample_rate: self.sample_rate,
            n_fft: self.n_fft,
            hop_length: self.hop_length,
            center: self.center || !self.no_center,
            pad_mode: match self.pad_mode {
                Padding::Reflect => PadMode::Reflect,
                Padding::Constant => PadMode::Constant,
            },
            n_mels: self.n_mels,
            fmin: self.fmin,
            fmax: self.fmax.unwrap_or(self.sample_rate as f32 / 2.0),
            top_db: self.top_db,
            clip_seconds: self.clip_seconds,
        }
    }

    fn seconds(&self) -> anyhow::Result<Option<f64>> {
        match self.seconds {
            0.0 => Ok(None),
            seconds if (seconds as f32) < self.clip_seconds && seconds >= 1.0 => bail!(
                "--seconds {seconds} of a recording are less than a clip of --clip-seconds {}: take more of it, or by \
                 --seconds 0 all",
                self.clip_seconds
            ),
            seconds if !self.settings().center && seconds > LONGEST_TRACK => bail!(
                "--seconds {seconds} must be at most {LONGEST_TRACK} with --no-center, which keeps tracks whole"
            ),
            seconds if seconds >= 1.0 && seconds.is_finite() => Ok(Some(seconds)),
            seconds => bail!("--seconds {seconds} must be 0 or at least 1"),
        }
    }
}

/// Says before the long work that its result can be kept nowhere. Out: who may do what
/// with the file: as with the one that is there, or with any new one.
fn check_output(output: &Path) -> anyhow::Result<fs::Permissions> {
    if is_sound(output) {
        bail!("{} is the name of a sound, and the archive is none; give another", output.display());
    }
    place::check(output, Made::Archive)?;
    let folder = place::folder_of(output)?;
    let probe = folder.join(format!(".needledrop-{}", std::process::id()));
    File::create_new(&probe)
        .and_then(|file| file.metadata())
        .and_then(|new| fs::remove_file(&probe).map(|()| output.metadata().unwrap_or(new).permissions()))
        .with_context(|| format!("cannot write into the folder {}", folder.display()))
}

fn list(skipped: &[Skipped]) {
    if !skipped.is_empty() {
        eprintln!("Left out:");
    }
    for Skipped { path, reason } in skipped {
        eprintln!("  {}: {reason}", path.display());
    }
}

/// What a training on this archive will meet.
fn warn(archive: &MelArchive) {
    if let [genre] = &archive.genres[..] {
        eprintln!("Warning: there is one genre only, {genre}; a classifier needs at least two.");
        return;
    }
    for (genre, name) in archive.genres.iter().enumerate() {
        let tracks = archive.tracks.iter().filter(|track| track.genre == genre).count();
        if tracks < 3 {
            eprintln!("Warning: {name} has {tracks} of the 3 recordings that a split over tracks needs.");
        }
    }
}

/// A copy, a link, or a song that stands on two albums: no split knows of them.
fn warn_of_same_sounds(same: &[[PathBuf; 2]]) {
    for [first, other] in same.iter().take(NAMED) {
        eprintln!(
            "Warning: {} and {} are the same sound: a split may learn from the one and be judged by the other",
            first.display(),
            other.display()
        );
    }
    if same.len() > NAMED {
        eprintln!("Warning: so it is with {} more", same.len() - NAMED);
    }
}

/// Folders of one name are one genre, be they a genre's or the second disc of an album.
fn warn_of_scattered_genres(recordings: &[Recording]) {
    let mut folders = BTreeMap::<&str, BTreeSet<&Path>>::new();
    for Recording { path, genre, .. } in recordings {
        folders.entry(genre).or_default().extend(path.parent());
    }
    for (genre, folders) in folders {
        let mut folders = folders.into_iter();
        if let (Some(first), Some(other)) = (folders.next(), folders.next()) {
            let more = match folders.count() {
                0 => String::new(),
                count => format!(" and {count} more"),
            };
            eprintln!(
                "Warning: what lies in the folders {} and {}{more} is taken for one genre, {genre}: if it is not, give \
                 them different names",
                first.display(),
                other.display()
            );
        }
    }
}

fn summary(archive: &MelArchive, output: &Path) -> String {
    let bytes = output.metadata().map_or(0, |metadata| metadata.len());
    let clip_seconds = archive.spectrogram.clip_seconds;
    format!(
        "{}: {} recordings of {} genres, {} clips of {} frames, {:.1} MB",
        output.display(),
        archive.tracks.len(),
        archive.genres.len(),
        archive.clips(clip_seconds).len(),
        archive.clip_frames(clip_seconds),
        bytes as f64 / 1e6,
    )
}
