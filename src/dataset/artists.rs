//! Whose recordings they are: a network that knows an artist's other songs is half
//! told the genre of a new one.
//!
//! In: an index of artists, a line a track, `blues.00000.wav ::: John Lee Hooker :::
//! Boom Boom`, as B. L. Sturm made one of GTZAN ("The State of the Art Ten Years After a
//! State of the Art", J. New Music Research 43, 2014). Out: which clips of a part are of
//! artists that the training part has none of.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    archive::{Clip, MelArchive},
    split::{Part, Split, track_name},
};

/// Between the columns of the index.
const COLUMN: &str = ":::";

/// The artists of a data set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Artists {
    /// The track as the index has it, to the artist as compared.
    of: BTreeMap<String, String>,
    /// The same by the track's name alone; nobody, where several have it.
    by_name: BTreeMap<String, Option<String>>,
}

impl Artists {
    /// Reads an index. Lines without columns are remarks; where no artist stands, none
    /// is known.
    pub fn parse(text: &str) -> Self {
        let entry = |line: &str| {
            let mut columns = line.split(COLUMN).map(str::trim);
            let (track, artist) = (columns.next()?, columns.next()?);
            let artist = artist.to_lowercase();
            (!artist.is_empty()).then(|| (track.to_owned(), artist))
        };
        let of: BTreeMap<String, String> =
            text.lines().filter(|line| !line.starts_with('#')).filter_map(entry).collect();
        let mut by_name = BTreeMap::<String, Option<String>>::new();
        for (track, artist) in &of {
            by_name
                .entry(track_name(track).to_owned())
                .and_modify(|other| *other = other.take().filter(|other| other == artist))
                .or_insert_with(|| Some(artist.clone()));
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

    fn of(&self, archive: &MelArchive, clip: &Clip) -> Option<&str> {
        // Tracks of one file name are called by their paths.
        let name = &archive.tracks[clip.track].name;
        let by_name = || self.by_name.get(track_name(name)).and_then(Option::as_ref);
        self.of.get(name).or_else(by_name).map(String::as_str)
    }

    /// For each clip of `part`, in its order, whether its artist is known and no clip of
    /// the training part is of the same one.
    pub fn apart(&self, archive: &MelArchive, clips: &[Clip], split: &Split, part: Part) -> Vec<bool> {
        let artist = |&at: &usize| self.of(archive, &clips[at]);
        let learned: BTreeSet<&str> = split.part(Part::Train).iter().filter_map(artist).collect();
        split.part(part).iter().map(|at| artist(at).is_some_and(|artist| !learned.contains(artist))).collect()
    }
}
