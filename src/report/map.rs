//! The map of the test clips that the page draws.
//!
//! In: [`Embeddings`] of the test clips and what the network says of them. Out: a
//! [`ClipMap`]: places by [t-SNE](super::tsne), and the clips along their principal
//! axes, among which the page finds the neighbours of a new sound.

use super::{embeddings::Embeddings, figure::FigureError, principal::Principal, tsne::places};
use crate::{
    classify::map::{ClipMap, MapError, Points, SIDE, Space, Steps, VERSION},
    dataset::choice::SplitChoice,
    network::card::ModelCard,
};

/// Clips of the paper's map.
pub const PAPERS_CLIPS: usize = 250;
/// Clips of a map at most.
pub const MOST_CLIPS: usize = 1000;

/// Share of the variance that the axes shall keep.
const VARIANCE: f64 = 0.99;
/// Axes at most, so that the file stays small.
const MOST_AXES: usize = 24;
/// Clips by whose places a new sound is placed.
const NEIGHBOURS: usize = 15;
/// Share of the clips whose nearest neighbour counts as near.
const NEAR: f64 = 0.99;
/// Room left at the edges, of [`SIDE`].
const MARGIN: f32 = 25.0;

/// Why there is no map.
#[derive(Debug, thiserror::Error)]
pub enum ClipMapError {
    /// No layout.
    #[error(transparent)]
    Layout(#[from] FigureError),
    /// Parts that do not fit each other.
    #[error(transparent)]
    Map(#[from] MapError),
    /// Nothing to lay out.
    #[error("{0} test clips are too few for a map")]
    Few(usize),
    /// More genres than a byte counts.
    #[error("{0} genres are too many for a map")]
    Genres(usize),
}

/// Lays the test clips out, or [`MOST_CLIPS`] of them. `weights` is the weights' SHA-256, `said` the index of
/// the genre that the network gives each clip.
///
/// # Errors
/// [`ClipMapError`].
pub fn clip_map(
    card: &ModelCard,
    weights: &str,
    split: &SplitChoice,
    embeddings: &Embeddings,
    said: &[usize],
) -> Result<ClipMap, ClipMapError> {
    // A visitor downloads them, and more could not be told apart.
    let said: Vec<usize> =
        embeddings.choice(MOST_CLIPS).into_iter().filter_map(|at| said.get(at).copied()).collect();
    let embeddings = &embeddings.some(MOST_CLIPS);
    let some = embeddings.some(PAPERS_CLIPS);
    let map = ClipMap {
        version: VERSION,
        weights: weights.into(),
        card: card.clone(),
        split: split.name.clone(),
        split_seed: split.seed,
        points: points(embeddings)?,
        said: bytes(&said)?,
        space: space(embeddings),
        paper: points(&some)?,
    };
    map.validate()?;
    Ok(map)
}

fn bytes(genres: &[usize]) -> Result<Vec<u8>, ClipMapError> {
    let byte = |genre: &usize| u8::try_from(*genre).map_err(|_| ClipMapError::Genres(*genre));
    genres.iter().map(byte).collect()
}

/// Places by t-SNE, brought to the map's square by one scale for both directions.
fn points(embeddings: &Embeddings) -> Result<Points, ClipMapError> {
    let places = places(embeddings)?;
    if places.is_empty() {
        return Err(ClipMapError::Few(embeddings.clips()));
    }
    let range = |axis: usize| {
        let values = places.iter().map(|place| place[axis]);
        values
            .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
    };
    let (x, y) = (range(0), range(1));
    let side = f32::from(SIDE);
    let scale = (side - 2.0 * MARGIN) / (x.1 - x.0).max(y.1 - y.0).max(f32::MIN_POSITIVE);
    let place = |value: f32, (low, high): (f32, f32)| {
        ((value - (low + high) / 2.0) * scale + side / 2.0).round().clamp(0.0, side) as u16
    };
    Ok(Points {
        genre: bytes(&embeddings.genre)?,
        place: places.iter().map(|at| [place(at[0], x), place(at[1], y)]).collect(),
    })
}

/// The clips along as many principal axes as keep [`VARIANCE`], in steps.
fn space(embeddings: &Embeddings) -> Space {
    let Principal { mean, axes, variances } = Principal::of(&embeddings.values, embeddings.length);
    let all = variances.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    let mut kept = 0.0;
    let enough = variances.iter().position(|variance| {
        kept += variance;
        kept >= VARIANCE * all
    });
    let dimensions = enough.map_or(variances.len(), |last| last + 1).min(MOST_AXES);
    let step = 1.0 / f32::from(i16::MAX);
    let axes = axes.iter().take(dimensions).flatten().map(|value| (*value / f64::from(step)).round() as i16);
    let mut space = Space {
        mean: mean.iter().map(|value| *value as f32).collect(),
        axes: Steps { step, values: axes.collect() },
        clips: Steps { step: 1.0, values: Vec::new() },
        dimensions,
        variance: (variances.iter().take(dimensions).sum::<f64>() / all) as f32,
        neighbours: NEIGHBOURS,
        far: 0.0,
    };
    // Along the axes as the page has them, so that it finds a clip where it is.
    let clips = embeddings.values.chunks_exact(embeddings.length.max(1));
    let along: Vec<f32> = clips.filter_map(|clip| space.components(clip)).flatten().collect();
    let most = along.iter().fold(f32::MIN_POSITIVE, |most, value| most.max(value.abs()));
    let step = most / f32::from(i8::MAX);
    let values = along.iter().map(|value| (value / step).round() as i8).collect();
    space.clips = Steps { step, values };
    space.far = far(&space, &along);
    space
}

/// The distance from its nearest neighbour that [`NEAR`] of the clips keep within.
fn far(space: &Space, along: &[f32]) -> f32 {
    let clips = along.chunks_exact(space.dimensions.max(1));
    let nearest = |(own, at): (usize, &[f32])| {
        let all = space.squared_distances(at).into_iter().enumerate();
        let others = all.filter(|(clip, _)| *clip != own).map(|(_, distance)| distance);
        others.fold(f32::INFINITY, f32::min).sqrt()
    };
    let mut distances: Vec<f32> = clips.enumerate().map(nearest).collect();
    distances.sort_by(f32::total_cmp);
    let at = (distances.len() as f64 * NEAR) as usize;
    distances.get(at.min(distances.len().saturating_sub(1))).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::dataset::choice::PartSizes;

    /// Clouds of clips around three corners of a space of eight dimensions.
    fn embeddings(clips: usize) -> Embeddings {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let genre: Vec<usize> = (0..clips).map(|clip| clip % 3).collect();
        let values = genre.iter().flat_map(|genre| (0..8).map(|at| if at == *genre { 20.0 } else { 0.0 }));
        let values = values.map(|value| value + rng.random_range(-1.0..1.0)).collect();
        let genres = ["blues", "jazz", "rock"].map(String::from).to_vec();
        Embeddings { genres, values, length: 8, track: (0..clips).rev().collect(), genre }
    }

    fn map(embeddings: &Embeddings) -> Result<ClipMap, ClipMapError> {
        let mut card: ModelCard =
            serde_json::from_str(include_str!("../../tests/golden/row8-keras.card.json")).unwrap();
        card.genres.clone_from(&embeddings.genres);
        card.network.classes = embeddings.genres.len();
        card.network.dense = vec![embeddings.length];
        card.embedding_length = embeddings.length;
        let choice = SplitChoice {
            refitted: false,
            name: "clips".into(),
            seed: Some(0),
            clips: PartSizes { train: 0, validation: 0, test: embeddings.clips() },
            fingerprint: String::new(),
        };
        clip_map(&card, "f00d", &choice, embeddings, &embeddings.genre)
    }

    #[test]
    fn clips_land_on_their_own_places_and_the_mean_of_two_genres_on_none() {
        let embeddings = embeddings(120);
        let map = map(&embeddings).unwrap();
        assert_eq!((map.points.place.len(), map.paper.place.len()), (120, 120));
        assert!(map.space.dimensions <= 8 && map.space.variance >= 0.99);
        let clip = |at: usize| &embeddings.values[at * 8..][..8];
        let landings: Vec<_> = (0..120).map(|at| map.place(clip(at)).unwrap()).collect();
        let at_home = |at: &usize| landings[*at].place == map.points.place[*at].map(f32::from);
        // Along the axes that are left out and within the steps two may be one.
        assert!((0..120).filter(at_home).count() >= 114);
        assert!((0..120).all(|at| landings[at].genres == [(at % 3, 1.0)] && !landings[at].far));
        let between: Vec<f32> = clip(0).iter().zip(clip(1)).map(|(one, other)| (one + other) / 2.0).collect();
        let landing = map.place(&between).unwrap();
        assert!(landing.far, "{landing:?}");
        // A new clip of a genre lands among its own.
        let mut fresh = vec![0.3; 8];
        fresh[2] = 20.2;
        let landing = map.place(&fresh).unwrap();
        assert_eq!((landing.genres.as_slice(), landing.far), (&[(2, 1.0)][..], false));
        let own = (0..120).filter(|at| at % 3 == 2).map(|at| map.points.place[at].map(f32::from));
        let inside = |axis: usize| {
            let (low, high) = own.clone().fold((f32::MAX, f32::MIN), |(low, high), place| {
                (low.min(place[axis]), high.max(place[axis]))
            });
            (low..=high).contains(&landing.place[axis])
        };
        assert!(inside(0) && inside(1), "{landing:?}");
    }

    #[test]
    fn the_same_clips_give_the_same_file() {
        let one = map(&embeddings(60)).unwrap().to_json().unwrap();
        assert_eq!(one, map(&embeddings(60)).unwrap().to_json().unwrap());
    }

    #[test]
    fn too_few_clips_have_no_map() {
        assert!(matches!(map(&embeddings(3)), Err(ClipMapError::Few(3))));
    }
}
