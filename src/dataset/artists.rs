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
    /// Name of the track, to the artist as compared.
    of: BTreeMap<String, String>,
}

impl Artists {
    /// Reads an index. Lines without columns are remarks; where no artist stands, none
    /// is known.
    pub fn parse(text: &str) -> Self {
        let entry = |line: &str| {
            let mut columns = line.split(COLUMN).map(str::trim);
            let (track, artist) = (columns.next()?, columns.next()?);
            let artist = artist.to_lowercase();
            (!artist.is_empty()).then(|| (track_name(track).to_owned(), artist))
        };
        Self { of: text.lines().filter(|line| !line.starts_with('#')).filter_map(entry).collect() }
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
        self.of.get(track_name(&archive.tracks[clip.track].name)).map(String::as_str)
    }

    /// For each clip of `part`, in its order, whether its artist is known and no clip of
    /// the training part is of the same one.
    pub fn apart(&self, archive: &MelArchive, clips: &[Clip], split: &Split, part: Part) -> Vec<bool> {
        let artist = |&at: &usize| self.of(archive, &clips[at]);
        let learned: BTreeSet<&str> = split.part(Part::Train).iter().filter_map(artist).collect();
        split.part(part).iter().map(|at| artist(at).is_some_and(|artist| !learned.contains(artist))).collect()
    }
}
