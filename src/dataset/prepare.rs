//! Recordings to a log-mel archive.
//!
//! In: files with known genres and the front end's settings. Out: a
//! [`MelArchive`], and which files are not in it and why. What decodes and
//! transforms is what hears songs in the page.
//!
//! With centred frames (librosa's default, and so the paper's) an item is a
//! clip, and clips follow one another from the start of the track, ten in 30 s.
//! Of a last clip some of which is missing (GTZAN's tracks differ by a tenth of
//! a second) as much more is taken before it: no silence is invented. Without
//! centring an item is a track, of which [`RANGE_DB`] below its loudest cell are kept:
//! of its quiet passages less than the page hears of them. In both a recording shorter than a clip is
//! repeated to fill one, as the page does.
//!
//! Memory: the archive, and for each thread a few clips, or the power of one
//! track where items are tracks.

use std::{
    collections::HashMap,
    fs::File,
    iter,
    path::{Path, PathBuf},
};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::{
    archive::{ArchiveError, Item, MelArchive, RANGE_DB, Track, check_settings},
    folders::{Recording, Skipped},
};
use crate::{
    sound::{
        decode::{Decoder, Opened, open, surviving},
        resample::Resampler,
        song::{LEAST_SECONDS, SongNotice, SongProblem},
    },
    spectrogram::{
        MelSpectrogram,
        config::{ConfigError, SpectrogramConfig},
        decibel::power_to_db,
        stft::LANES,
    },
};

/// The share of a clip that may be missing at the end of a track, as 1 over this.
const MISSING: usize = 20;

/// What is heard of a track where items are tracks, at most: all are padded to
/// the longest, and its power waits for the loudest cell.
pub const LONGEST_TRACK: f64 = 1200.0;

/// Samples of a track that are transformed at once, about.
const PIECE: usize = 1 << 20;

/// Why nothing was prepared.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The settings make no spectrogram.
    #[error(transparent)]
    Spectrogram(#[from] ConfigError),
    /// Not one file can be heard.
    #[error("not one of the {} recordings can be used", .0.len())]
    Nothing(Vec<Skipped>),
    /// The archive does not fit.
    #[error("the archive would take {} MB of memory; take less of each recording (`--seconds`)", .bytes / 1_000_000)]
    Memory {
        /// Its size.
        bytes: usize,
    },
    /// The archive does not fit together.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

/// An archive and what was remarkable on the way to it.
#[derive(Debug)]
pub struct Prepared {
    /// Every recording that could be heard, in the order given.
    pub archive: MelArchive,
    /// Recordings that are not in it.
    pub skipped: Vec<Skipped>,
    /// Recordings that are in it, but not as they should be.
    pub remarkable: Vec<(PathBuf, Vec<SongNotice>)>,
    /// Recordings that are in it twice or more, cell for cell: each with the first that is the
    /// same.
    pub same: Vec<[PathBuf; 2]>,
    /// Seconds of sound in it.
    pub seconds: f64,
}

/// Hears the first `seconds` of every recording (all of it where `None`), on
/// all cores; `heard` is told after each.
///
/// The archive's cells are the same whatever the number of cores.
///
/// # Errors
/// [`PrepareError`]. A recording that cannot be heard is no error but skipped.
pub fn prepare(
    recordings: &[Recording],
    settings: &SpectrogramConfig,
    seconds: Option<f64>,
    heard: &(dyn Fn() + Sync),
) -> Result<Prepared, PrepareError> {
    check_settings(settings)?;
    let seconds = if settings.center {
        seconds
    } else {
        Some(seconds.map_or(LONGEST_TRACK, |seconds| seconds.min(LONGEST_TRACK)))
    };
    let outcomes: Vec<Result<Cells, SongProblem>> = recordings
        .par_iter()
        .map_init(
            || Ear::new(settings),
            |ear, recording| {
                let outcome = match ear {
                    // What it uses again, samples and spectrogram, is written before it is read.
                    Ok(ear) => surviving(|| ear.hear(recording, seconds)),
                    Err(error) => Err(SongProblem::Engine { detail: error.to_string() }),
                };
                heard();
                outcome
            },
        )
        .collect();
    assemble(recordings, settings, outcomes)
}

/// Puts the cells of all recordings into one archive.
fn assemble(
    recordings: &[Recording],
    settings: &SpectrogramConfig,
    outcomes: Vec<Result<Cells, SongProblem>>,
) -> Result<Prepared, PrepareError> {
    let mut skipped = Vec::new();
    let mut remarkable = Vec::new();
    let mut kept = Vec::new();
    for (recording, outcome) in recordings.iter().zip(outcomes) {
        match outcome {
            Ok(mut cells) => {
                let notices = std::mem::take(&mut cells.notices);
                if !notices.is_empty() {
                    remarkable.push((recording.path.clone(), notices));
                }
                kept.push((recording, cells));
            }
            Err(problem) => {
                skipped.push(Skipped { path: recording.path.clone(), reason: problem.to_string() });
            }
        }
    }
    if kept.is_empty() {
        return Err(PrepareError::Nothing(skipped));
    }
    let mut genres: Vec<String> = kept.iter().map(|(recording, _)| recording.genre.clone()).collect();
    genres.sort();
    genres.dedup();

    let frames = kept.iter().map(|(_, cells)| cells.frames).max().unwrap_or_default();
    let count: usize = kept.iter().map(|(_, cells)| cells.items).sum();
    let bytes = count.saturating_mul(settings.n_mels).saturating_mul(frames);
    let mut mel = Vec::new();
    mel.try_reserve_exact(bytes).map_err(|_| PrepareError::Memory { bytes })?;
    let (mut tracks, mut items) = (Vec::new(), Vec::with_capacity(count));
    let mut seconds = 0.0;
    let (mut first_of, mut same) = (HashMap::<[u8; 32], &Path>::new(), Vec::new());
    for (recording, cells) in kept {
        let first = *first_of.entry(cells.digest).or_insert(&recording.path);
        if first != recording.path {
            same.push([first.to_owned(), recording.path.clone()]);
        }
        let genre = genres.binary_search(&recording.genre).unwrap_or_default();
        items.extend(iter::repeat_n(Item { track: tracks.len(), frames: cells.frames }, cells.items));
        tracks.push(Track { name: recording.name.clone(), genre });
        for row in cells.mel.chunks_exact(cells.frames) {
            mel.extend_from_slice(row);
            mel.extend(iter::repeat_n(0, frames - cells.frames));
        }
        seconds += cells.seconds;
    }
    let archive = MelArchive::new(genres, tracks, settings.clone(), items, mel)?;
    Ok(Prepared { archive, skipped, remarkable, same, seconds })
}

/// What is kept of a recording.
#[derive(Default)]
struct Cells {
    /// `[items, n_mels, frames]`.
    mel: Vec<u8>,
    /// SHA-256 of them.
    digest: [u8; 32],
    items: usize,
    frames: usize,
    notices: Vec<SongNotice>,
    seconds: f64,
}

/// One thread's front end.
struct Ear<'a> {
    settings: &'a SpectrogramConfig,
    spectrogram: MelSpectrogram,
    power: Vec<f32>,
}

impl<'a> Ear<'a> {
    fn new(settings: &'a SpectrogramConfig) -> Result<Self, ConfigError> {
        Ok(Self { settings, spectrogram: MelSpectrogram::new(settings)?, power: Vec::new() })
    }

    fn hear(&mut self, recording: &Recording, seconds: Option<f64>) -> Result<Cells, SongProblem> {
        let unreadable = |error: std::io::Error| SongProblem::Unreadable { detail: error.to_string() };
        let file = File::open(&recording.path).map_err(unreadable)?;
        let mut sound = Sound::open(file, self.settings.sample_rate, seconds)?;
        let mut cells = Cells::default();
        let clip = self.settings.clip_samples();
        // A clip may be shorter than what is too short to be heard.
        let least = (LEAST_SECONDS * f64::from(self.settings.sample_rate)).ceil() as usize;
        if !sound.fill(clip.max(least))? {
            sound.check_length()?;
            sound.repeat(clip);
        }
        if self.settings.center {
            self.hear_clips(&mut sound, &mut cells)?;
        } else {
            self.hear_track(&mut sound, &mut cells)?;
        }
        cells.mel.shrink_to_fit();
        cells.digest = Sha256::digest(&cells.mel).into();
        cells.seconds = sound.seconds();
        cells.notices = sound.notices();
        Ok(cells)
    }

    /// Every clip by itself.
    fn hear_clips(&mut self, sound: &mut Sound, cells: &mut Cells) -> Result<(), SongProblem> {
        let clip = self.settings.clip_samples();
        // Samples of the last clip, kept for the next if that lacks some.
        let mut behind = 0;
        while sound.fill(behind + clip)? {
            self.add_clip(&sound.ahead[behind..behind + clip], cells);
            sound.ahead.drain(..behind);
            behind = clip;
        }
        let rest = sound.ahead.len() - behind;
        if rest + clip / MISSING >= clip {
            self.add_clip(&sound.ahead[sound.ahead.len() - clip..], cells);
        }
        Ok(())
    }

    fn add_clip(&mut self, samples: &[f32], cells: &mut Cells) {
        self.power.clear();
        self.power.extend_from_slice(self.spectrogram.power(samples));
        cells.frames = self.spectrogram.frames();
        cells.items += 1;
        append_levels(&mut self.power, &mut cells.mel);
    }

    /// The whole track at once, in pieces of whole frames.
    fn hear_track(&mut self, sound: &mut Sound, cells: &mut Cells) -> Result<(), SongProblem> {
        let SpectrogramConfig { hop_length, n_fft, n_mels, .. } = *self.settings;
        let piece = (PIECE / hop_length).next_multiple_of(LANES);
        let covered = (piece - 1) * hop_length + n_fft;
        // `[n_mels, frames]` each.
        let mut pieces: Vec<(usize, Vec<f32>)> = Vec::new();
        loop {
            // A hop may be longer than a frame.
            let goes_on = sound.fill(covered.max(piece * hop_length))?;
            let samples = &sound.ahead[..covered.min(sound.ahead.len())];
            let power = self.spectrogram.power(samples).to_vec();
            pieces.push((self.spectrogram.frames(), power));
            if !goes_on {
                break;
            }
            sound.ahead.drain(..piece * hop_length);
        }
        self.power.clear();
        for band in 0..n_mels {
            for (frames, power) in &pieces {
                self.power.extend_from_slice(&power[band * frames..][..*frames]);
            }
        }
        cells.frames = pieces.iter().map(|(frames, _)| frames).sum();
        cells.items = 1;
        append_levels(&mut self.power, &mut cells.mel);
        Ok(())
    }
}

/// Appends the bytes of an item's power: 255 is its loudest cell, 0 is
/// [`RANGE_DB`] below and less.
fn append_levels(power: &mut [f32], levels: &mut Vec<u8>) {
    power_to_db(power, RANGE_DB);
    // A cast keeps within 0 to 255.
    levels.extend(power.iter().map(|db| ((db + RANGE_DB) * (255.0 / RANGE_DB)).round() as u8));
}

/// A file as samples at the front end's rate, as far as they are wanted.
struct Sound {
    decoder: Box<Decoder>,
    resampler: Resampler,
    sample_rate: u32,
    /// Samples still wanted of the file.
    wanted: u64,
    ended: bool,
    /// Samples that have not been used yet.
    ahead: Vec<f32>,
    /// Length of all that was heard, in samples.
    heard: u64,
    repeated: Option<SongNotice>,
}

impl Sound {
    fn open(file: File, sample_rate: u32, seconds: Option<f64>) -> Result<Self, SongProblem> {
        let decoder = match open(Box::new(file))? {
            Opened::Ours(decoder) => decoder,
            Opened::Packets(reader) => return Err(SongProblem::Codec { codec: reader.info().codec.clone() }),
        };
        if decoder.sample_rate() == 0 {
            return Err(SongProblem::TooShort { seconds: 0.0, least: LEAST_SECONDS });
        }
        let wanted = seconds.map_or(u64::MAX, |seconds| (seconds * f64::from(sample_rate)).round() as u64);
        Ok(Self {
            resampler: Resampler::new(decoder.sample_rate(), sample_rate)?,
            decoder,
            sample_rate,
            wanted,
            ended: false,
            ahead: Vec::new(),
            heard: 0,
            repeated: None,
        })
    }

    /// Reads on until `length` samples are ahead; `false` where the sound ends
    /// before.
    fn fill(&mut self, length: usize) -> Result<bool, SongProblem> {
        while self.ahead.len() < length && !self.ended {
            let before = self.ahead.len();
            match self.decoder.next_block()? {
                Some(block) => {
                    if block.sample_rate != self.resampler.from() {
                        self.resampler.finish(&mut self.ahead)?;
                        self.resampler = Resampler::new(block.sample_rate, self.sample_rate)?;
                    }
                    self.resampler.push(block.samples, &mut self.ahead)?;
                }
                None => {
                    self.ended = true;
                    self.resampler.finish(&mut self.ahead)?;
                }
            }
            let read = (self.ahead.len() - before) as u64;
            if read >= self.wanted {
                self.ahead.truncate(before + self.wanted as usize);
                self.ended = true;
            }
            let read = read.min(self.wanted);
            self.wanted -= read;
            self.heard += read;
        }
        Ok(self.ahead.len() >= length)
    }

    /// Refuses a sound that has ended and is too short to be heard.
    fn check_length(&self) -> Result<(), SongProblem> {
        let seconds = self.seconds();
        if seconds < LEAST_SECONDS {
            return Err(SongProblem::TooShort { seconds, least: LEAST_SECONDS });
        }
        Ok(())
    }

    /// Makes `length` samples of a sound that has ended, if it is shorter.
    fn repeat(&mut self, length: usize) {
        if self.ahead.len() < length {
            self.ahead = self.ahead.iter().copied().cycle().take(length).collect();
            self.repeated = Some(SongNotice::Repeated { seconds: self.seconds() });
        }
    }

    fn seconds(&self) -> f64 {
        self.heard as f64 / f64::from(self.sample_rate)
    }

    fn notices(&self) -> Vec<SongNotice> {
        let mut notices = self.decoder.notices();
        notices.extend(self.repeated.clone());
        notices
    }
}
