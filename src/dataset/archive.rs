//! A data set as log-mel spectrograms: one safetensors file, 8 bits a cell.
//!
//! In: the file's bytes, or what [`MelArchive`] holds. Out: the other of the
//! two, and the decibels of any clip.
//!
//! The format, `log-mel archive 1`, stores whole excerpts (tracks) where frames
//! are not centred, because a clip is then a run of a track's frames, and single
//! clips where they are, because centring pads each clip by itself.
//! - `mel`: u8 `[items, n_mels, frames]`, lowest band first; dB = value · 100/255
//!   − 100, relative to the loudest cell of the item.
//! - `frames`: i32 `[items]`, how many of the frames are filled.
//! - `track`: i32 `[items]`, index into `tracks`; only where items are clips.
//! - Metadata, each a string: `format`, `tracks` and `genres` (JSON lists, a
//!   genre for each track), and the front end's settings.

use std::{collections::HashMap, ops::Range, path::Path};

use safetensors::{Dtype, SafeTensorError, SafeTensors, tensor::TensorView};

use crate::{
    files::replace_whole,
    spectrogram::config::{ConfigError, PadMode, SpectrogramConfig},
};

/// The `format` that this build writes and reads.
pub const FORMAT: &str = "log-mel archive 1";

/// Decibels of the whole range of a cell.
pub const RANGE_DB: f32 = 100.0;

/// Why an archive is refused.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Not safetensors at all, or cut off.
    #[error("this is not a whole safetensors file: {0}")]
    File(String),
    /// The disk is full, the folder not writable, or safetensors cannot hold it.
    #[error("{0}")]
    Written(String),
    /// Another format, or another version of it.
    #[error(
        "the file's format is {found:?}, this build reads {FORMAT:?}; make it again by `needledrop prepare`"
    )]
    Format {
        /// What the metadata say, if anything.
        found: Option<String>,
    },
    /// Something in the metadata is missing or unreadable.
    #[error("the archive's `{setting}` is missing or unreadable")]
    Metadata {
        /// The entry.
        setting: &'static str,
    },
    /// The front end's settings make no spectrogram.
    #[error(transparent)]
    Spectrogram(#[from] ConfigError),
    /// A tensor is missing or does not fit the others.
    #[error("the archive's tensor `{tensor}` {problem}")]
    Tensor {
        /// The tensor.
        tensor: &'static str,
        /// What is wrong.
        problem: String,
    },
}

/// A recording of the data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// The name by which splits call it: file name without extension.
    pub name: String,
    /// Index of its genre.
    pub genre: usize,
}

/// A piece of a track, 3 s long unless the archive's settings say otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clip {
    /// Index of the track.
    pub track: usize,
    /// Index of its genre.
    pub genre: usize,
    /// Which of the track's clips it is, from 0.
    pub position: usize,
    /// Which item of the archive it lies in.
    pub(crate) item: usize,
    /// Its first frame there.
    pub start_frame: usize,
}

/// The data set in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct MelArchive {
    /// Names of the genres, sorted.
    pub genres: Vec<String>,
    /// The recordings.
    pub tracks: Vec<Track>,
    /// The front end that made the cells. `top_db`, and without centring
    /// `clip_seconds`, come into play when clips are cut; what is trained on the
    /// archive has them from here.
    pub spectrogram: SpectrogramConfig,
    items: Vec<Item>,
    frames: usize,
    mel: Vec<u8>,
}

/// A row of the archive's `mel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// Index of the track.
    pub track: usize,
    /// Filled frames.
    pub frames: usize,
}

impl MelArchive {
    /// An archive of items `[n_mels, frames]` one after the other in `mel`.
    ///
    /// # Errors
    /// [`ArchiveError`] where the parts do not fit each other.
    pub fn new(
        genres: Vec<String>,
        tracks: Vec<Track>,
        spectrogram: SpectrogramConfig,
        items: Vec<Item>,
        mel: Vec<u8>,
    ) -> Result<Self, ArchiveError> {
        check_settings(&spectrogram)?;
        let wrong = |tensor, problem: String| Err(ArchiveError::Tensor { tensor, problem });
        let cells = items.len() * spectrogram.n_mels;
        if cells == 0 || mel.is_empty() || !mel.len().is_multiple_of(cells) {
            return wrong("mel", format!("has {} cells for {} items", mel.len(), items.len()));
        }
        let frames = mel.len() / cells;
        if spectrogram.center && frames != spectrogram.clip_frames() {
            let expected = spectrogram.clip_frames();
            return wrong("mel", format!("has {frames} frames a clip, its settings make {expected}"));
        }
        if let Some(item) = items.iter().find(|item| item.frames > frames) {
            return wrong("frames", format!("says {} of {frames} frames are filled", item.frames));
        }
        if let Some(item) = items.iter().find(|item| item.track >= tracks.len()) {
            return wrong("track", format!("names track {} of {}", item.track, tracks.len()));
        }
        if tracks.iter().any(|track| track.genre >= genres.len()) {
            return Err(ArchiveError::Metadata { setting: "genres" });
        }
        Ok(Self { genres, tracks, spectrogram, items, frames, mel })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`ArchiveError`] with the first thing that is wrong.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ArchiveError> {
        let file = |error: safetensors::SafeTensorError| ArchiveError::File(error.to_string());
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(file)?;
        let empty = HashMap::new();
        let metadata = Metadata(header.metadata().as_ref().unwrap_or(&empty));
        metadata.check_format()?;
        let (genres, tracks) = metadata.tracks()?;
        let spectrogram = metadata.spectrogram()?;

        let tensors = SafeTensors::deserialize(bytes).map_err(file)?;
        let tensor = |name: &'static str, dtype: Dtype| {
            let problem = |problem: String| ArchiveError::Tensor { tensor: name, problem };
            let view = tensors.tensor(name).map_err(|_| problem("is missing".into()))?;
            if view.dtype() != dtype {
                return Err(problem(format!("has the type {:?}, not {dtype:?}", view.dtype())));
            }
            Ok(view)
        };
        let integers =
            |name: &'static str| -> Result<Vec<usize>, ArchiveError> {
                let view = tensor(name, Dtype::I32)?;
                let integer = |bytes: &[u8; 4]| usize::try_from(i32::from_le_bytes(*bytes));
                view.data().as_chunks().0.iter().map(integer).collect::<Result<_, _>>().map_err(|_| {
                    ArchiveError::Tensor { tensor: name, problem: "has a negative number".into() }
                })
            };
        let mel = tensor("mel", Dtype::U8)?;
        let &[count, n_mels, _] = mel.shape() else {
            return Err(ArchiveError::Tensor {
                tensor: "mel",
                problem: format!("has the shape {:?}", mel.shape()),
            });
        };
        if n_mels != spectrogram.n_mels {
            let problem = format!("has {n_mels} bands, its metadata say {}", spectrogram.n_mels);
            return Err(ArchiveError::Tensor { tensor: "mel", problem });
        }
        let frames = integers("frames")?;
        let of_track = if spectrogram.center { integers("track")? } else { (0..tracks.len()).collect() };
        if frames.len() != count || of_track.len() != count {
            let problem = format!("has {count} items, there are {} tracks", tracks.len());
            return Err(ArchiveError::Tensor { tensor: "mel", problem });
        }
        let items = of_track.into_iter().zip(frames).map(|(track, frames)| Item { track, frames }).collect();
        Self::new(genres, tracks, spectrogram, items, mel.data().to_vec())
    }

    /// The file's bytes: those of the tensors are always the same, the settings in the header
    /// may come in any order.
    ///
    /// # Errors
    /// [`ArchiveError::Written`] where safetensors cannot hold it.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ArchiveError> {
        self.with_tensors(|tensors| safetensors::serialize(tensors, Some(self.metadata())))
    }

    /// Writes the file, without another copy of it in memory. A file that was
    /// there stays until the new one is whole.
    ///
    /// # Errors
    /// [`ArchiveError::Written`] with what the system says; what was there is then
    /// still there.
    pub fn save(&self, path: &Path) -> Result<(), ArchiveError> {
        self.with_tensors(|tensors| {
            replace_whole(path, |beside| {
                safetensors::serialize_to_file(tensors, Some(self.metadata()), beside)
            })
        })
    }

    /// Hands the tensors to one of safetensors' writers.
    fn with_tensors<T>(
        &self,
        write: impl FnOnce(Vec<(&'static str, TensorView<'_>)>) -> Result<T, SafeTensorError>,
    ) -> Result<T, ArchiveError> {
        let integers = |value: fn(&Item) -> usize| -> Vec<u8> {
            self.items.iter().flat_map(|item| (value(item) as i32).to_le_bytes()).collect()
        };
        let (frames, of_track) = (integers(|item| item.frames), integers(|item| item.track));
        let count = self.items.len();
        let mut tensors = vec![
            ("mel", Dtype::U8, vec![count, self.spectrogram.n_mels, self.frames], &self.mel),
            ("frames", Dtype::I32, vec![count], &frames),
        ];
        if self.spectrogram.center {
            tensors.push(("track", Dtype::I32, vec![count], &of_track));
        }
        tensors
            .into_iter()
            .map(|(name, dtype, shape, bytes)| Ok((name, TensorView::new(dtype, shape, bytes)?)))
            .collect::<Result<_, _>>()
            .and_then(write)
            .map_err(|error| ArchiveError::Written(error.to_string()))
    }

    fn metadata(&self) -> HashMap<String, String> {
        let SpectrogramConfig {
            sample_rate,
            n_fft,
            hop_length,
            center,
            pad_mode,
            n_mels,
            fmin,
            fmax,
            top_db,
            clip_seconds,
        } = self.spectrogram;
        let list = |names: Vec<&str>| serde_json::Value::from(names).to_string();
        let genre = |track: &Track| self.genres[track.genre].as_str();
        let mut metadata = HashMap::from([
            ("format".to_owned(), FORMAT.to_owned()),
            ("tracks".to_owned(), list(self.tracks.iter().map(|track| track.name.as_str()).collect())),
            ("genres".to_owned(), list(self.tracks.iter().map(genre).collect())),
            ("sample_rate".to_owned(), sample_rate.to_string()),
            ("n_fft".to_owned(), n_fft.to_string()),
            ("hop_length".to_owned(), hop_length.to_string()),
            ("center".to_owned(), center.to_string()),
            ("n_mels".to_owned(), n_mels.to_string()),
            ("fmin".to_owned(), fmin.to_string()),
            ("fmax".to_owned(), fmax.to_string()),
            ("top_db".to_owned(), top_db.to_string()),
            ("clip_seconds".to_owned(), clip_seconds.to_string()),
            ("window".to_owned(), "hann periodic".to_owned()),
            ("mel".to_owned(), "slaney scale, slaney norm".to_owned()),
            ("power".to_owned(), "2".to_owned()),
        ]);
        if center {
            let pad_mode = if pad_mode == PadMode::Reflect { "reflect" } else { "constant" };
            metadata.insert("pad_mode".into(), pad_mode.into());
        }
        metadata
    }

    /// Cuts every track into clips of `seconds`: as many as there are whole ones
    /// (ten of a track of 30 s), spread so that the first begins with the track
    /// and the last ends with it. A track that misses a few frames of a last
    /// clip still gives it.
    pub fn clips(&self, seconds: f32) -> Vec<Clip> {
        let spectrogram = SpectrogramConfig { clip_seconds: seconds, ..self.spectrogram.clone() };
        let clip = |item: usize, position: usize, start_frame: usize| {
            let Item { track, .. } = self.items[item];
            Clip { track, genre: self.tracks[track].genre, position, item, start_frame }
        };
        let mut clips = Vec::new();
        if self.spectrogram.center {
            let mut position = vec![0; self.tracks.len()];
            for (item, &Item { track, .. }) in self.items.iter().enumerate() {
                clips.push(clip(item, position[track], 0));
                position[track] += 1;
            }
            return clips;
        }
        let length = spectrogram.clip_frames();
        let samples = spectrogram.clip_samples();
        if length == 0 {
            return clips;
        }
        for (item, &Item { frames, .. }) in self.items.iter().enumerate() {
            let Some(room) = frames.checked_sub(length) else { continue };
            // What the frames cover, and the hop that the end of the track may lack.
            let covered = (frames + 1) * spectrogram.hop_length + spectrogram.n_fft;
            let count = (covered / samples).max(1);
            let last = (count - 1).max(1);
            clips.extend((0..count).map(|position| {
                let start = position as f64 * room as f64 / last as f64;
                clip(item, position, start.round_ties_even() as usize)
            }));
        }
        clips
    }

    /// Frames of a clip of `seconds`.
    pub fn clip_frames(&self, seconds: f32) -> usize {
        if self.spectrogram.center {
            return self.frames;
        }
        SpectrogramConfig { clip_seconds: seconds, ..self.spectrogram.clone() }.clip_frames()
    }

    /// Decibels of `frames` frames of a clip's item, `[n_mels, frames]`, relative
    /// to the loudest of these cells and at least `-top_db`; frames past the
    /// item's end are at `-top_db`.
    pub fn decibels(&self, clip: &Clip, frames: usize, top_db: f32, decibels: &mut Vec<f32>) {
        decibels.clear();
        for band in 0..self.spectrogram.n_mels {
            let cells = self.band(clip.item, band, clip.start_frame..clip.start_frame + frames);
            decibels.extend(cells.iter().map(|&cell| f32::from(cell) * (RANGE_DB / 255.0)));
            decibels.resize((band + 1) * frames, f32::NEG_INFINITY);
        }
        let loudest = decibels.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        for cell in decibels {
            *cell = (*cell - loudest).max(-top_db);
        }
    }

    /// Frames of a band, as far as they exist.
    fn band(&self, item: usize, band: usize, frames: Range<usize>) -> &[u8] {
        let filled = self.items[item].frames;
        let row = &self.mel[(item * self.spectrogram.n_mels + band) * self.frames..][..self.frames];
        &row[frames.start.min(filled)..frames.end.min(filled)]
    }
}

/// Refuses a front end that makes no spectrogram, or one of more than an archive keeps.
///
/// # Errors
/// The first setting found out of range.
pub fn check_settings(spectrogram: &SpectrogramConfig) -> Result<(), ConfigError> {
    spectrogram.validate()?;
    if spectrogram.top_db > RANGE_DB {
        return Err(ConfigError {
            setting: "top_db",
            value: spectrogram.top_db.to_string(),
            reason: "must be at most the 100 dB that an archive keeps",
        });
    }
    Ok(())
}

/// The entries of a file's header.
struct Metadata<'a>(&'a HashMap<String, String>);

impl Metadata<'_> {
    fn check_format(&self) -> Result<(), ArchiveError> {
        match self.0.get("format") {
            Some(format) if format == FORMAT => Ok(()),
            found => Err(ArchiveError::Format { found: found.cloned() }),
        }
    }

    fn parse<T: std::str::FromStr>(&self, setting: &'static str) -> Result<T, ArchiveError> {
        let value = self.0.get(setting).and_then(|value| value.parse().ok());
        value.ok_or(ArchiveError::Metadata { setting })
    }

    /// As [`Self::parse`], of a setting that older archives do not have.
    fn parse_or<T: std::str::FromStr>(&self, setting: &'static str, absent: T) -> Result<T, ArchiveError> {
        if self.0.contains_key(setting) { self.parse(setting) } else { Ok(absent) }
    }

    fn list(&self, setting: &'static str) -> Result<Vec<String>, ArchiveError> {
        let value = self.0.get(setting).and_then(|json| serde_json::from_str(json).ok());
        value.ok_or(ArchiveError::Metadata { setting })
    }

    /// The genres, sorted, and the tracks.
    fn tracks(&self) -> Result<(Vec<String>, Vec<Track>), ArchiveError> {
        let (names, of_track) = (self.list("tracks")?, self.list("genres")?);
        if names.len() != of_track.len() {
            return Err(ArchiveError::Metadata { setting: "genres" });
        }
        let mut genres = of_track.clone();
        genres.sort();
        genres.dedup();
        let genre = |name: &String| genres.binary_search(name).unwrap_or_default();
        let tracks =
            names.into_iter().zip(&of_track).map(|(name, of)| Track { name, genre: genre(of) }).collect();
        Ok((genres, tracks))
    }

    fn spectrogram(&self) -> Result<SpectrogramConfig, ArchiveError> {
        let center = self.parse("center")?;
        let default = SpectrogramConfig::default();
        let (pad_mode, clip_seconds) = if center {
            let pad_mode = match self.0.get("pad_mode").map(String::as_str) {
                Some("reflect") => PadMode::Reflect,
                Some("constant") => PadMode::Constant,
                _ => return Err(ArchiveError::Metadata { setting: "pad_mode" }),
            };
            (pad_mode, self.parse("clip_seconds")?)
        } else {
            (default.pad_mode, self.parse_or("clip_seconds", default.clip_seconds)?)
        };
        let spectrogram = SpectrogramConfig {
            sample_rate: self.parse("sample_rate")?,
            n_fft: self.parse("n_fft")?,
            hop_length: self.parse("hop_length")?,
            center,
            pad_mode,
            n_mels: self.parse("n_mels")?,
            fmin: self.parse("fmin")?,
            fmax: self.parse("fmax")?,
            top_db: self.parse_or("top_db", default.top_db)?,
            clip_seconds,
        };
        check_settings(&spectrogram)?;
        Ok(spectrogram)
    }
}
