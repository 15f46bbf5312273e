//! Which songs are alike.
//!
//! In: songs' mean embeddings and who made them. Out: a song's nearest
//! neighbours by cosine, and an order to play them in. Embeddings of two models
//! are numbers of different meaning, and are never compared.

use crate::order::order;

/// A song as a place in the embedding of one model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place<'a> {
    /// Key of the model.
    pub model: &'a str,
    /// Mean embedding, `[embedding_length]`; empty where there is none.
    pub embedding: &'a [f32],
}

/// A song that is like another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbour {
    /// Its index among the songs.
    pub index: usize,
    /// Cosine of the angle between the two embeddings, -1 to 1.
    pub similarity: f32,
}

/// How alike two songs are; `None` where they cannot be compared.
fn similarity(a: &Place, b: &Place) -> Option<f32> {
    if a.model != b.model || a.embedding.len() != b.embedding.len() {
        return None;
    }
    let dot =
        |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum() };
    let norms = (dot(a.embedding, a.embedding) * dot(b.embedding, b.embedding)).sqrt();
    let cosine = dot(a.embedding, b.embedding) / norms;
    // No direction: no sound, or nothing that the network saw in it.
    cosine.is_finite().then_some(cosine.clamp(-1.0, 1.0) as f32)
}

/// The songs that are most like the one at `seed`, the most alike first; equals
/// in the songs' order. None where there is no such song.
pub fn neighbours(songs: &[Place], seed: usize, most: usize) -> Vec<Neighbour> {
    let Some(from) = songs.get(seed) else { return Vec::new() };
    let compared = songs.iter().enumerate().filter(|(index, _)| *index != seed);
    let found: Vec<_> = compared
        .filter_map(|(index, song)| Some(Neighbour { index, similarity: similarity(from, song)? }))
        .collect();
    let order = order(found.len(), &|a, b| found[b].similarity.total_cmp(&found[a].similarity));
    order.into_iter().take(most).map(|place| found[place]).collect()
}

/// A playlist that begins with the song at `seed`, as indices: its `most - 1`
/// nearest neighbours, in an order in which each song is followed by the one
/// among those left that it is most like.
///
/// Which songs are played is decided by the seed alone, so that the list does
/// not drift away from it; only their order is a chain.
pub fn playlist(songs: &[Place], seed: usize, most: usize) -> Vec<usize> {
    if seed >= songs.len() || most == 0 {
        return Vec::new();
    }
    let near = neighbours(songs, seed, most - 1);
    let mut left: Vec<usize> = near.iter().map(|neighbour| neighbour.index).collect();
    let mut order = vec![seed];
    let mut last = seed;
    while !left.is_empty() {
        let likeness = |index: usize| similarity(&songs[last], &songs[index]).unwrap_or(-1.0);
        // The first of equals is the nearer to the seed.
        let mut best = 0;
        for at in 1..left.len() {
            if likeness(left[at]) > likeness(left[best]) {
                best = at;
            }
        }
        last = left.remove(best);
        order.push(last);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(embedding: &[f32]) -> Place<'_> {
        Place { model: "a", embedding }
    }

    /// A direction in the plane.
    fn turned(degrees: f32) -> [f32; 2] {
        let (sin, cos) = degrees.to_radians().sin_cos();
        [3.0 * cos, 3.0 * sin]
    }

    #[test]
    fn the_most_alike_come_first() {
        let angles = [0.0, 80.0, 10.0, -30.0].map(turned);
        let songs: Vec<_> = angles.iter().map(|angle| place(angle)).collect();
        let found = neighbours(&songs, 0, 2);
        assert_eq!(found.iter().map(|neighbour| neighbour.index).collect::<Vec<_>>(), [2, 3]);
        assert!((found[0].similarity - 10_f32.to_radians().cos()).abs() < 1e-6);
        assert_eq!(neighbours(&songs, 9, 2), []);
    }

    #[test]
    fn models_are_never_mixed() {
        let song = [1.0, 0.0];
        let songs = [place(&song), Place { model: "b", embedding: &song }, place(&[]), place(&[0.0, 0.0])];
        assert_eq!(neighbours(&songs, 0, 9), []);
        assert_eq!(playlist(&songs, 0, 9), [0]);
    }

    #[test]
    fn a_playlist_keeps_to_the_seeds_neighbours_and_leaps_little() {
        // 40 and -30 are near the seed; from -30 on, 40 is far, and -35 is not.
        let angles = [0.0, -30.0, 40.0, -35.0, 170.0].map(turned);
        let songs: Vec<_> = angles.iter().map(|angle| place(angle)).collect();
        assert_eq!(playlist(&songs, 0, 4), [0, 1, 3, 2]);
        assert_eq!(playlist(&songs, 0, 1), [0]);
        assert_eq!(playlist(&songs, 0, 0), [0; 0]);
        assert_eq!(playlist(&songs, 5, 3), [0; 0]);
    }

    #[test]
    fn a_playlist_has_every_song_once() {
        let angles: Vec<_> = (0..40).map(|song| turned((song * 47 % 360) as f32)).collect();
        let songs: Vec<_> = angles.iter().map(|angle| place(angle)).collect();
        let mut order = playlist(&songs, 7, 99);
        assert_eq!(order[0], 7);
        order.sort_unstable();
        assert_eq!(order, (0..40).collect::<Vec<_>>());
    }
}
