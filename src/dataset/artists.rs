//! Whose recordings they are: a network that knows an artist's other songs is half
//! told the genre of a new one.
//!
//! In: an index of artists, a line a track, `blues.00000.wav ::: John Lee Hooker :::
//! Boom Boom`, as B. L. Sturm made one of GTZAN ("The State of the Art Ten Years After a
//! State of the Art", J. New Music Research 43, 2014); several artists stand between
//! semicolons. Out: which clips of a part are of artists of whom nothing was learned, and
//! which tracks are of artists in common.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::{
    archive::{Clip, MelArchive},
    folders::is_sound,
    split::{Part, Split, file_name, track_name},
};

/// Between the columns of the index.
const COLUMN: &str = ":::";
/// Between the artists of a track.
const AND: char = ';';

/// The artists of a data set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Artists {
    /// The track as the index has it, to its artists as compared, in order.
    of: BTreeMap<String, BTreeSet<String>>,
    /// The same by the file's name alone, as it is and without what may be its extension;
    /// nobody, where several have it.
    by_name: BTreeMap<String, Option<BTreeSet<String>>>,
}

impl Artists {
    /// Reads an index. Lines without columns are remarks; where no artist stands, none
    /// is known.
    pub fn parse(text: &str) -> Self {
        let entry = |line: &str| {
            let mut columns = line.split(COLUMN).map(str::trim);
            let (track, artists) = (columns.next()?, columns.next()?.to_lowercase());
            let artists = artists.split(AND).map(str::trim).filter(|artist| !artist.is_empty());
            let artists: BTreeSet<String> = artists.map(str::to_owned).collect();
            (!artists.is_empty()).then(|| (track.to_owned(), artists))
        };
        let of: BTreeMap<String, BTreeSet<String>> = text
            .trim_start_matches('\u{feff}')
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(entry)
            .collect();
        let mut by_name = BTreeMap::<String, Option<BTreeSet<String>>>::new();
        for (track, artists) in &of {
            for name in BTreeSet::from([file_name(track), track_name(track)]) {
                by_name
                    .entry(name.to_owned())
                    .and_modify(|others| *others = others.take().filter(|others| others == artists))
                    .or_insert_with(|| Some(artists.clone()));
            }
        }
        Self { of, by_name }
    }

    /// How many tracks it names an artist of.
    pub fn len(&self) -> usize {
        self.of.len()
    }

    /// Whether it names none.
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    fn of(&self, archive: &MelArchive, track: usize) -> Option<&BTreeSet<String>> {
        // Tracks of one file name are called by their paths.
        let name = &archive.tracks[track].name;
        let without_extension = || is_sound(Path::new(name)).then(|| track_name(name));
        let by_name = || {
            let named = self.by_name.get(file_name(name));
            named.or_else(|| self.by_name.get(without_extension()?)).and_then(Option::as_ref)
        };
        self.of.get(name).or_else(by_name)
    }

    /// For each clip of `part`, in its order, whether its artists are known and nothing was
    /// learned of any of them: no clip of theirs is in the training part, nor, for the test
    /// part, in that by which the epoch and the calibration were chosen.
    pub fn apart(&self, archive: &MelArchive, clips: &[Clip], split: &Split, part: Part) -> Vec<bool> {
        let artists = |&at: &usize| self.of(archive, clips[at].track);
        let before: &[Part] =
            if part == Part::Test { &[Part::Train, Part::Validation] } else { &[Part::Train] };
        let learned: BTreeSet<&String> =
            before.iter().flat_map(|part| split.part(*part)).filter_map(artists).flatten().collect();
        let is_apart = |of: &BTreeSet<String>| of.iter().all(|artist| !learned.contains(artist));
        split.part(part).iter().map(|at| artists(at).is_some_and(is_apart)).collect()
    }

    /// For each track of the archive the first of those that have an artist in common with it,
    /// be it by way of a third. A track whose artists are not known stands alone.
    pub fn groups(&self, archive: &MelArchive) -> Vec<usize> {
        let mut groups: Vec<usize> = (0..archive.tracks.len()).collect();
        let mut first = BTreeMap::<&String, usize>::new();
        for track in 0..groups.len() {
            for artist in self.of(archive, track).into_iter().flatten() {
                let (own, other) = (groups[track], groups[*first.entry(artist).or_insert(track)]);
                let (least, most) = (own.min(other), own.max(other));
                groups.iter_mut().filter(|group| **group == most).for_each(|group| *group = least);
            }
        }
        groups
    }
}
