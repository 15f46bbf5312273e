//! Which clips a network learns from, which choose between networks, and which
//! judge.
//!
//! In: the clips of a [`MelArchive`] and a kind of split. Out: a [`Split`], the
//! same for the same seed on every machine.
//!
//! Three kinds, because a score means nothing without its own:
//! - `clips`: 80/10/10 at random over clips, the paper's. Clips of one track
//!   stand on both sides, so it flatters.
//! - `tracks`: 80/10/10 at random over the tracks of each genre.
//! - `filtered`: three files of names; for GTZAN those of C. Kereliuk, B. L.
//!   Sturm and J. Larsen, "Deep Learning and Music Adversaries" (2015), without
//!   most repeated and damaged excerpts and with few artists on both sides. One
//!   damaged file they do name, `jazz.00054`.

use std::collections::{BTreeMap, BTreeSet};

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    archive::{Clip, MelArchive},
    choice::{PartSizes, SplitChoice},
};

/// What a clip is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Learned from.
    Train,
    /// Chooses epoch, recipe and threshold.
    Validation,
    /// Judges, once.
    Test,
}

impl Part {
    /// All three, in order.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// `train`, `validation` or `test`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

/// Why clips cannot be split so.
#[derive(Debug, thiserror::Error)]
pub enum SplitError {
    /// A name that no track of the archive has.
    #[error("the split's {part} names `{name}`, a track that the archive does not have")]
    UnknownTrack {
        /// The part's name.
        part: &'static str,
        /// As the file has it.
        name: String,
    },
    /// A track in two parts.
    #[error("the track `{0}` stands in two parts of the split")]
    Twice(String),
    /// There is nothing to learn to tell apart.
    #[error("the archive has {0} genre; a classifier needs at least two")]
    Genres(usize),
    /// A genre that cannot be in each part.
    #[error(
        "the genre `{genre}` has {tracks} tracks with clips; a split over tracks needs at least three \
         of each genre, one for each part"
    )]
    FewTracks {
        /// The genre.
        genre: String,
        /// Tracks that it has.
        tracks: usize,
    },
    /// There is nothing to part.
    #[error("no track of the archive is as long as a clip")]
    Short,
    /// A part without clips.
    #[error("the split leaves nothing for {0}")]
    Empty(&'static str),
    /// A genre that nothing is learned from.
    #[error(
        "the split leaves no clip of the genre `{0}` to train on; give it more recordings, or leave it out \
         of the archive"
    )]
    Unlearned(String),
    /// A name in a list that several tracks have.
    #[error("the archive has several tracks called `{0}`; prepare it again, and each gets a name of its own")]
    Ambiguous(String),
}

/// Clips in three parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// `clips`, `tracks`, `filtered`, or what other files of names are called.
    pub name: String,
    /// What it was drawn with; `None` where nothing was drawn.
    pub seed: Option<u64>,
    /// Whether the validation part is learned from as well.
    pub refitted: bool,
    parts: [Vec<usize>; 3],
}

impl Split {
    /// 80/10/10 at random over clips.
    ///
    /// # Errors
    /// [`SplitError::Genres`], [`SplitError::Empty`] and [`SplitError::Unlearned`].
    pub fn over_clips(archive: &MelArchive, clips: &[Clip], seed: u64) -> Result<Self, SplitError> {
        let mut order: Vec<usize> = (0..clips.len()).collect();
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let [train, held_out] = tenths(order.len());
        let test = order.split_off((train + held_out).min(order.len()));
        let validation = order.split_off(train);
        Self::new(archive, clips, "clips", Some(seed), [order, validation, test])
    }

    /// 80/10/10 at random over the tracks of each genre.
    ///
    /// # Errors
    /// [`SplitError::FewTracks`], and those of [`Self::over_clips`].
    pub fn over_tracks(archive: &MelArchive, clips: &[Clip], seed: u64) -> Result<Self, SplitError> {
        let mut of_genre: BTreeMap<usize, BTreeSet<usize>> =
            (0..archive.genres.len()).map(|genre| (genre, BTreeSet::new())).collect();
        for clip in clips {
            of_genre.entry(clip.genre).or_default().insert(clip.track);
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut part_of = vec![Part::Train; archive.tracks.len()];
        for (genre, tracks) in of_genre {
            if tracks.len() < Part::ALL.len() {
                let genre = archive.genres[genre].clone();
                return Err(SplitError::FewTracks { genre, tracks: tracks.len() });
            }
            let mut tracks: Vec<usize> = tracks.into_iter().collect();
            tracks.shuffle(&mut rng);
            let [train, held_out] = tenths(tracks.len());
            for (place, track) in tracks.into_iter().enumerate().skip(train) {
                part_of[track] = if place < train + held_out { Part::Validation } else { Part::Test };
            }
        }
        let parts = Part::ALL.map(|part| {
            clips
                .iter()
                .enumerate()
                .filter(|(_, clip)| part_of[clip.track] == part)
                .map(|(at, _)| at)
                .collect()
        });
        Self::new(archive, clips, "tracks", Some(seed), parts)
    }

    /// The tracks that three lists name, one a line, for training, validation
    /// and test. A line is the name of a track as the archive has it; around a name
    /// that is no path, folders do not count, nor does an extension. With `#3` after it,
    /// it is the track's fourth clip alone. What is in no list is left out.
    ///
    /// # Errors
    /// [`SplitError`] naming the first track that is unknown or stands twice.
    pub fn by_names(
        archive: &MelArchive,
        clips: &[Clip],
        name: &str,
        lists: [&str; 3],
    ) -> Result<Self, SplitError> {
        Self::of_lists(archive, clips, name, lists, &mut Err)
    }

    /// The split `filtered`: three published lists, of which the archive need not
    /// have every track, since of a large collection some file or other cannot be
    /// read. Beside the split the names that it lacks.
    ///
    /// # Errors
    /// As [`Self::by_names`], but that of an unknown track only where more than one
    /// in twenty is.
    pub fn filtered(
        archive: &MelArchive,
        clips: &[Clip],
        lists: [&str; 3],
    ) -> Result<(Self, Vec<String>), SplitError> {
        let named = lists.iter().flat_map(|list| names(list)).count();
        let mut absent = Vec::new();
        let mut left_out = |error| match error {
            SplitError::UnknownTrack { name, .. } if (absent.len() + 1) * 20 <= named => {
                absent.push(name);
                Ok(())
            }
            error => Err(error),
        };
        let split = Self::of_lists(archive, clips, "filtered", lists, &mut left_out)?;
        Ok((split, absent))
    }

    /// The same, asking `unknown` what to do about a name that no track has.
    fn of_lists(
        archive: &MelArchive,
        clips: &[Clip],
        name: &str,
        lists: [&str; 3],
        unknown: &mut dyn FnMut(SplitError) -> Result<(), SplitError>,
    ) -> Result<Self, SplitError> {
        let mut tracks: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, track) in archive.tracks.iter().enumerate() {
            tracks.entry(&track.name).or_default().push(at);
        }
        let mut clips_of: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (at, clip) in clips.iter().enumerate() {
            clips_of.entry(clip.track).or_default().push(at);
        }
        let mut part_of = vec![None; clips.len()];
        for (part, list) in Part::ALL.into_iter().zip(lists) {
            for line in names(list) {
                let one = line.rsplit_once('#').filter(|_| !tracks.contains_key(line));
                let one = one.and_then(|(track, number)| Some((track, number.parse::<usize>().ok()?)));
                let (track, position) = one.map_or((line, None), |(track, position)| (track, Some(position)));
                let absent = || SplitError::UnknownTrack { part: part.name(), name: line.into() };
                // Without an extension, what follows a dot is part of the name.
                let mut forms = [track, file_name(track), track_name(track)].into_iter();
                let named = forms.find_map(|name| tracks.get(name));
                let track = match named.map(Vec::as_slice) {
                    Some(&[track]) => track,
                    Some(_) => return Err(SplitError::Ambiguous(line.into())),
                    None => {
                        unknown(absent())?;
                        continue;
                    }
                };
                let own = clips_of.get(&track).map_or(&[][..], Vec::as_slice);
                let named = match position {
                    Some(position) => std::slice::from_ref(own.get(position).ok_or_else(absent)?),
                    None => own,
                };
                for &clip in named {
                    if part_of[clip].replace(part).is_some_and(|other| other != part) {
                        return Err(SplitError::Twice(archive.tracks[track].name.clone()));
                    }
                }
            }
        }
        let parts = Part::ALL.map(|part| {
            part_of.iter().enumerate().filter(|(_, of)| **of == Some(part)).map(|(at, _)| at).collect()
        });
        Self::new(archive, clips, name, None, parts)
    }

    fn new(
        archive: &MelArchive,
        clips: &[Clip],
        name: &str,
        seed: Option<u64>,
        parts: [Vec<usize>; 3],
    ) -> Result<Self, SplitError> {
        if archive.genres.len() < 2 {
            return Err(SplitError::Genres(archive.genres.len()));
        }
        if clips.is_empty() {
            return Err(SplitError::Short);
        }
        if let Some((part, _)) = Part::ALL.iter().zip(&parts).find(|(_, clips)| clips.is_empty()) {
            return Err(SplitError::Empty(part.name()));
        }
        let learned: BTreeSet<usize> =
            parts[Part::Train as usize].iter().map(|&at| clips[at].genre).collect();
        if let Some(genre) = (0..archive.genres.len()).find(|genre| !learned.contains(genre)) {
            return Err(SplitError::Unlearned(archive.genres[genre].clone()));
        }
        Ok(Self { name: name.into(), seed, refitted: false, parts })
    }

    /// The same split for a last training once everything is chosen: what is learned
    /// from is the training and the validation part together. The validation part
    /// stays what it was, but chooses nothing any more.
    pub fn refitted(mut self) -> Self {
        let [train, validation, _] = &mut self.parts;
        train.extend_from_slice(validation);
        train.sort_unstable();
        train.dedup();
        self.refitted = true;
        self
    }

    /// Whether clips of one track stand in two parts, so that scores flatter.
    pub fn tears_tracks(&self, clips: &[Clip]) -> bool {
        let mut part_of = BTreeMap::new();
        Part::ALL.into_iter().any(|part| {
            let mut tracks = self.part(part).iter().map(|&clip| clips[clip].track);
            tracks.any(|track| *part_of.entry(track).or_insert(part) != part)
        })
    }

    /// The split as a checkpoint and a result remember it.
    pub fn choice(&self, archive: &MelArchive, clips: &[Clip]) -> SplitChoice {
        let mut digest = Sha256::new();
        for part in Part::ALL {
            digest.update(part.name());
            for &clip in self.part(part) {
                let Clip { track, position, .. } = clips[clip];
                digest.update(format!("\n{} {position}", archive.tracks[track].name));
            }
            digest.update("\n");
        }
        let [train, validation, test] = Part::ALL.map(|part| self.part(part).len());
        SplitChoice {
            refitted: self.refitted,
            name: self.name.clone(),
            seed: self.seed,
            clips: PartSizes { train, validation, test },
            fingerprint: format!("{:x}", digest.finalize()),
        }
    }

    /// Indices of a part's clips.
    pub fn part(&self, part: Part) -> &[usize] {
        &self.parts[part as usize]
    }
}

/// The lines of a list that name something. Some editors begin a file with a mark that is seen
/// nowhere.
fn names(list: &str) -> impl Iterator<Item = &str> {
    list.trim_start_matches('\u{feff}').lines().map(str::trim).filter(|line| !line.is_empty())
}

/// Sizes of training and of each held-out part: 80/10/10, and never none held
/// out where there are three.
fn tenths(count: usize) -> [usize; 2] {
    let held_out = ((count + 5) / 10).max(1);
    [count.saturating_sub(2 * held_out), held_out]
}

/// `blues.00012.wav` of `blues/blues.00012.wav`.
pub(super) fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// `blues.00012` of `blues/blues.00012.wav`.
pub fn track_name(path: &str) -> &str {
    let file = file_name(path);
    // GTZAN's names have a dot of their own, and so have `Mr. Jones` and the like.
    let is_none = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) || text.contains(' ');
    match file.rsplit_once('.') {
        Some((name, extension)) if !is_none(extension) => name,
        _ => file,
    }
}
