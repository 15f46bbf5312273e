//! The test clips in the plane, and where a sound that is not among them belongs.
//!
//! In: `www/data/map.json`, which `needledrop map` writes, and an embedding by the
//! same weights. Out: a [`Landing`].
//!
//! A layout by t-SNE knows the points it was made of and no others. What is new
//! is put where the clips lie that the network finds most like it: at the mean of
//! the places of its nearest clips, each weighing the inverse square of its
//! distance (D. Shepard, "A two-dimensional interpolation function for
//! irregularly-spaced data", 1968), among the principal components of the
//! embeddings. So D. Kobak and P. Berens, "The art of using t-SNE for single-cell
//! transcriptomics" (Nature Communications, 2019) place new cells on a reference
//! atlas, by the median of the ten nearest, and so openTSNE's `transform` begins
//! (P. G. Poličar, M. Stražar and B. Zupan, 2019).

use serde::{Deserialize, Serialize};

use crate::network::card::{CardError, ModelCard};
use crate::order::{order, ranking};

/// Version of the shape that this build writes and reads.
pub const VERSION: u32 = 1;

/// Places reach from 0 to this, to the right and down.
pub const SIDE: u16 = 1000;

/// Why a map is refused.
#[derive(Debug, thiserror::Error)]
pub enum MapError {
    /// No JSON, or not the fields of a map.
    #[error("the map cannot be read: {0}")]
    Unreadable(String),
    /// Written by another version.
    #[error("the map has version {0}, this build reads version {VERSION}")]
    Version(u32),
    /// The model it is of.
    #[error(transparent)]
    Card(#[from] CardError),
    /// Its parts do not fit each other.
    #[error("the map contradicts itself: {0}")]
    Contradiction(&'static str),
}

/// Clips in the plane.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Points {
    /// Index of each clip's genre.
    pub genre: Vec<u8>,
    /// Where it lies, 0 to [`SIDE`] to the right and down.
    pub place: Vec<[u16; 2]>,
}

/// Numbers that a step and a whole number each are kept as.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Steps<T> {
    /// What 1 stands for.
    pub step: f32,
    /// One after the other.
    pub values: Vec<T>,
}

/// Where the network puts sounds, and where it has put the clips of the map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Space {
    /// Mean embedding of the clips, `[embedding_length]`.
    pub mean: Vec<f32>,
    /// Principal axes, `[dimensions, embedding_length]`, each of length 1.
    pub axes: Steps<i16>,
    /// The clips along these axes, `[clips, dimensions]`.
    pub clips: Steps<i8>,
    /// Axes that are kept.
    pub dimensions: usize,
    /// Share of the embeddings' variance along them.
    pub variance: f32,
    /// Clips by whose places a new sound is placed.
    pub neighbours: usize,
    /// The distance from its nearest neighbour that 99 of 100 clips keep within.
    pub far: f32,
}

/// The map: where every test clip lies, and what is needed to place another sound.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClipMap {
    /// [`VERSION`].
    pub version: u32,
    /// SHA-256, in hexadecimal, of the weights as f32.
    pub weights: String,
    /// What the weights say of themselves: a model with another card has another
    /// space, and nothing it hears belongs here.
    pub card: ModelCard,
    /// Name of the split whose test part this is.
    pub split: String,
    /// What the split was drawn with, where it was.
    pub split_seed: Option<u64>,
    /// The clips.
    pub points: Points,
    /// Index of the genre that the network gives each clip.
    pub said: Vec<u8>,
    /// Where the clips lie in the network's own space.
    pub space: Space,
    /// As many clips as the paper drew, laid out by themselves as there.
    pub paper: Points,
}

/// Where a new sound lands.
#[derive(Clone, Debug, PartialEq)]
pub struct Landing {
    /// Its place, 0 to [`SIDE`] to the right and down.
    pub place: [f32; 2],
    /// Genres of its neighbours as (index, share of the weight), greatest first.
    pub genres: Vec<(usize, f32)>,
    /// Whether it is farther from every clip than clips are from each other, so
    /// that its place says little.
    pub far: bool,
}

impl ClipMap {
    /// The file. A number that is not finite becomes `null`, which [`Self::from_json`]
    /// refuses.
    ///
    /// # Errors
    /// [`MapError::Unreadable`], as serde_json says.
    pub fn to_json(&self) -> Result<String, MapError> {
        let json = serde_json::to_string(self);
        json.map(|json| json + "\n").map_err(|error| MapError::Unreadable(error.to_string()))
    }

    /// Reads and checks the file.
    ///
    /// # Errors
    /// [`MapError`] with the first thing that is wrong.
    pub fn from_json(json: &str) -> Result<Self, MapError> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let unreadable = |error: serde_json::Error| MapError::Unreadable(error.to_string());
        // The version first: another's fields need not be ours.
        let Version { version } = serde_json::from_str(json).map_err(unreadable)?;
        if version != VERSION {
            return Err(MapError::Version(version));
        }
        let map: Self = serde_json::from_str(json).map_err(unreadable)?;
        map.validate()?;
        Ok(map)
    }

    /// Checks that the parts fit each other, so that every sound can be placed and
    /// every point drawn.
    ///
    /// # Errors
    /// [`MapError`] with the first thing that is wrong.
    pub fn validate(&self) -> Result<(), MapError> {
        self.card.validate()?;
        let genres = self.card.genres.len();
        let fits = |points: &Points| {
            points.genre.len() == points.place.len()
                && points.genre.iter().all(|genre| usize::from(*genre) < genres)
                && points.place.iter().flatten().all(|place| *place <= SIDE)
        };
        let clips = self.points.genre.len();
        let Space { mean, axes, clips: along, dimensions, neighbours, far, .. } = &self.space;
        let positive = |number: f32| number > 0.0 && number.is_finite();
        let sound = [
            (clips > 0 && fits(&self.points) && fits(&self.paper), "its points do not fit its genres"),
            (
                self.said.len() == clips && self.said.iter().all(|genre| usize::from(*genre) < genres),
                "its verdicts do not fit its points",
            ),
            (mean.len() == self.card.embedding_length, "its space is of another embedding"),
            (mean.iter().all(|value| value.is_finite()), "a mean is not finite"),
            (
                *dimensions > 0 && axes.values.len() == dimensions * mean.len(),
                "its axes do not fit its space",
            ),
            (along.values.len() == dimensions * clips, "its space does not fit its points"),
            (*neighbours > 0, "it has no neighbours to place by"),
            (positive(axes.step) && positive(along.step), "a step is no size"),
            (
                *far >= 0.0 && far.is_finite() && self.space.variance.is_finite(),
                "a measure of its space is no number",
            ),
        ];
        match sound.into_iter().find(|(fits, _)| !fits) {
            Some((_, problem)) => Err(MapError::Contradiction(problem)),
            None => Ok(()),
        }
    }

    /// Whether a model's sounds belong on this map: whether its card is the same
    /// but for what people call the model and may do with it.
    pub fn is_of(&self, card: &ModelCard) -> bool {
        let ModelCard { name, licence, .. } = &self.card;
        self.card == ModelCard { name: name.clone(), licence: licence.clone(), ..card.clone() }
    }

    /// Where a sound with this embedding, `[embedding_length]`, belongs; `None`
    /// for an embedding that is not of this network.
    pub fn place(&self, embedding: &[f32]) -> Option<Landing> {
        let at = self.space.components(embedding)?;
        let distances = self.space.squared_distances(&at);
        let mut near = order(distances.len(), &|a, b| distances[a].total_cmp(&distances[b]));
        let nearest = distances[*near.first()?];
        // Within what the steps can tell apart a sound is the clip itself.
        let itself = nearest <= self.space.resolution().powi(2);
        near.truncate(if itself { 1 } else { self.space.neighbours });
        let weight = |distance: f32| if itself { 1.0 } else { nearest / distance };
        let (mut place, mut genres, mut sum) = ([0.0; 2], vec![0.0; self.card.genres.len()], 0.0);
        for clip in near {
            let weight = weight(distances[clip]);
            let [x, y] = self.points.place.get(clip)?.map(f32::from);
            place = [place[0] + weight * x, place[1] + weight * y];
            *genres.get_mut(usize::from(*self.points.genre.get(clip)?))? += weight;
            sum += weight;
        }
        genres.iter_mut().for_each(|share| *share /= sum);
        let mut genres = ranking(&genres);
        genres.retain(|(_, share)| *share > 0.0);
        let far = nearest.sqrt() > self.space.far;
        Some(Landing { place: place.map(|along| along / sum), genres, far })
    }
}

impl Space {
    /// An embedding along the axes, `[dimensions]`; `None` where it has another
    /// length or values that are no numbers.
    pub fn components(&self, embedding: &[f32]) -> Option<Vec<f32>> {
        if embedding.len() != self.mean.len() || embedding.iter().any(|value| !value.is_finite()) {
            return None;
        }
        let from_mean: Vec<f32> =
            embedding.iter().zip(&self.mean).map(|(value, mean)| value - mean).collect();
        let along = |axis: &[i16]| {
            let sum: f32 = axis.iter().zip(&from_mean).map(|(axis, value)| f32::from(*axis) * value).sum();
            sum * self.axes.step
        };
        Some(self.axes.values.chunks_exact(self.mean.len().max(1)).map(along).collect())
    }

    /// Squared distance of every clip from `at`, `[dimensions]`.
    pub fn squared_distances(&self, at: &[f32]) -> Vec<f32> {
        let clips = self.clips.values.chunks_exact(self.dimensions.max(1));
        let distance = |clip: &[i8]| -> f32 {
            clip.iter().zip(at).map(|(value, at)| (f32::from(*value) * self.clips.step - at).powi(2)).sum()
        };
        clips.map(distance).collect()
    }

    /// How far rounding to steps can have moved a clip.
    fn resolution(&self) -> f32 {
        // A little more than half a cell's diagonal, for the rounding of sums.
        0.51 * self.clips.step * (self.dimensions as f32).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two genres of two clips each, at (±10, ±1) in a space of two dimensions that
    /// is its own embedding.
    fn map() -> ClipMap {
        let mut card: ModelCard =
            serde_json::from_str(include_str!("../../tests/golden/row8-keras.card.json")).unwrap();
        card.genres.truncate(2);
        card.network.classes = 2;
        card.network.dense = vec![2];
        card.embedding_length = 2;
        ClipMap {
            version: VERSION,
            weights: String::new(),
            card,
            split: "clips".into(),
            split_seed: Some(0),
            points: Points {
                genre: vec![0, 0, 1, 1],
                place: vec![[100, 400], [100, 600], [900, 400], [900, 600]],
            },
            said: vec![0, 0, 1, 0],
            space: Space {
                mean: vec![0.0, 0.0],
                axes: Steps { step: 1.0, values: vec![1, 0, 0, 1] },
                clips: Steps { step: 0.1, values: vec![-100, -10, -100, 10, 100, -10, 100, 10] },
                dimensions: 2,
                variance: 1.0,
                neighbours: 4,
                far: 2.0,
            },
            paper: Points::default(),
        }
    }

    #[test]
    fn a_clip_of_the_map_lands_on_itself() {
        let map = map();
        map.validate().unwrap();
        for (embedding, at) in [([-10.0, -1.0], 0), ([10.04, 0.96], 3)] {
            let landing = map.place(&embedding).unwrap();
            assert_eq!(landing.place, map.points.place[at].map(f32::from));
            assert_eq!(landing.genres, [(at / 2, 1.0)]);
            assert!(!landing.far);
        }
    }

    #[test]
    fn the_mean_of_two_genres_lands_between_them_and_is_far_from_both() {
        let landing = map().place(&[0.0, 0.0]).unwrap();
        assert!((landing.place[0] - 500.0).abs() < 0.1 && (landing.place[1] - 500.0).abs() < 0.1);
        assert_eq!(landing.genres.len(), 2);
        assert!((landing.genres[0].1 - 0.5).abs() < 1e-6);
        assert!(landing.far);
        let nearer = map().place(&[-9.0, 0.0]).unwrap();
        assert!(nearer.place[0] < 120.0 && !nearer.far, "{nearer:?}");
        assert_eq!(nearer.genres[0].0, 0);
    }

    #[test]
    fn an_embedding_of_another_network_has_no_place() {
        assert_eq!(map().place(&[1.0]), None);
        assert_eq!(map().place(&[1.0, f32::NAN]), None);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let good = map();
        assert_eq!(ClipMap::from_json(&good.to_json().unwrap()).unwrap(), good);
        let changes: [fn(&mut ClipMap); 11] = [
            |map| map.version = 2,
            |map| map.points.place[0] = [0, SIDE + 1],
            |map| map.paper.genre.push(0),
            |map| map.said[0] = 2,
            |map| map.space.mean.push(0.0),
            |map| map.space.clips.values.truncate(7),
            |map| map.space.neighbours = 0,
            |map| map.space.clips.step = 0.0,
            |map| map.space.far = f32::INFINITY,
            |map| map.space.variance = f32::NAN,
            |map| map.card.temperature = 0.0,
        ];
        for (at, change) in changes.into_iter().enumerate() {
            let mut bad = good.clone();
            change(&mut bad);
            assert!(ClipMap::from_json(&bad.to_json().unwrap()).is_err(), "change {at}");
        }
        assert!(matches!(ClipMap::from_json("[]"), Err(MapError::Unreadable(_))));
    }

    #[test]
    fn another_card_is_another_map() {
        let map = map();
        let mut other = map.card.clone();
        other.name = "As people call it".into();
        assert!(map.is_of(&other));
        other.date = "2031-01-01".into();
        assert!(!map.is_of(&other));
    }
}
